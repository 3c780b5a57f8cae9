#!/usr/bin/env bash
# Everything that the tests need on a fresh Debian machine, then all checks and tests.
# DARKSLIDE_SKIP_CONFORMANCE=1 leaves out the tests against other S3 servers, and what they need.
set -euo pipefail
cd "$(dirname "$0")"

need() { command -v "$1" >/dev/null 2>&1; }
packages=()
need age || packages+=(age)
need zstd || packages+=(zstd)
need python3 || packages+=(python3)
need cc || packages+=(gcc libc6-dev)
need exiftool || packages+=(libimage-exiftool-perl)
need setfattr || packages+=(attr)
need openssl || packages+=(openssl)
need pkg-config || packages+=(pkg-config)
[ -e /usr/include/openssl/evp.h ] || packages+=(libssl-dev)
need curl || packages+=(curl)
need chromium || packages+=(chromium)
need node || packages+=(nodejs)
need npm || packages+=(npm)
[ -e /usr/share/zoneinfo/Europe/Berlin ] || packages+=(tzdata)
python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
if [ -z "${DARKSLIDE_SKIP_CONFORMANCE:-}" ]; then
  need radosgw || packages+=(radosgw)
  need ceph-mon || packages+=(ceph-mon)
  need ceph-osd || packages+=(ceph-osd)
fi
if [ "${#packages[@]}" -gt 0 ]; then
  sudo=""
  [ "$(id -u)" -eq 0 ] || sudo="sudo"
  $sudo apt-get update -qq
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi

# The other S3 servers from PyPI; the copied list says that all of it was installed.
venv="$PWD/target/venv/conformance"
if [ -z "${DARKSLIDE_SKIP_CONFORMANCE:-}" ] && ! cmp -s conformance/requirements.txt "$venv/installed.txt"; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install -q --no-deps --no-compile --disable-pip-version-check -r conformance/requirements.txt
  cp conformance/requirements.txt "$venv/installed.txt"
fi
[ -n "${DARKSLIDE_SKIP_CONFORMANCE:-}" ] || export SNS_SERVER_PYTHON="$venv/bin/python"

# The reference implementation of ASC MHL, which reads our manifests and writes some for us to read.
mhl="$PWD/target/venv/mhl"
if ! cmp -s crates/ingest/tests/requirements.txt "$mhl/installed.txt"; then
  rm -rf "$mhl"
  python3 -m venv "$mhl"
  "$mhl/bin/pip" install -q --no-deps --no-compile --disable-pip-version-check -r crates/ingest/tests/requirements.txt
  cp crates/ingest/tests/requirements.txt "$mhl/installed.txt"
fi
export ASCMHL="$mhl/bin/ascmhl"

# A server that takes mail.
smtp="$PWD/target/venv/smtp"
if ! cmp -s crates/notify/tests/requirements.txt "$smtp/installed.txt"; then
  rm -rf "$smtp"
  python3 -m venv "$smtp"
  "$smtp/bin/pip" install -q --no-deps --no-compile --disable-pip-version-check -r crates/notify/tests/requirements.txt
  cp crates/notify/tests/requirements.txt "$smtp/installed.txt"
fi
export SMTP_SINK_PYTHON="$smtp/bin/python"

# What drives a browser, and what holds the API against its document.
browser=crates/web/tests/browser
if ! cmp -s "$browser/package-lock.json" "$browser/node_modules/installed.json"; then
  (cd "$browser" && npm ci --no-audit --no-fund --silent)
  cp "$browser/package-lock.json" "$browser/node_modules/installed.json"
fi
schema="$PWD/target/venv/schema"
if ! cmp -s crates/web/tests/requirements.txt "$schema/installed.txt"; then
  rm -rf "$schema"
  python3 -m venv "$schema"
  "$schema/bin/pip" install -q --no-deps --no-compile --disable-pip-version-check -r crates/web/tests/requirements.txt
  cp crates/web/tests/requirements.txt "$schema/installed.txt"
fi
export SCHEMATHESIS="$schema/bin/schemathesis"

# What reads exports of the cloud side: linters and formatters that are not ours.
exports="$PWD/target/venv/exports"
if ! cmp -s crates/provision/tests/requirements.txt "$exports/installed.txt"; then
  rm -rf "$exports"
  python3 -m venv "$exports"
  "$exports/bin/pip" install -q --no-deps --no-compile --disable-pip-version-check -r crates/provision/tests/requirements.txt
  rm -f "$exports/lib/terraform_windows.exe"
  cp crates/provision/tests/requirements.txt "$exports/installed.txt"
fi
export EXPORT_CHECK_PYTHON="$exports/bin/python"

export CARGO_INCREMENTAL=0
echo "== format =="
cargo fmt --all --check
echo "== clippy =="
cargo clippy --workspace --all-targets --locked -- -D warnings
# What is built without OpenSSL.
cargo clippy -p darkslide-format --all-targets --locked -- -D warnings
echo "== scripts =="
python3 -m py_compile tools/recover.py bench/*.py conformance/*.py conformance/topics/*.py crates/notify/tests/*.py crates/provision/tests/*.py
python3 -m unittest discover -q -s bench/tests
echo "== tests =="
# Simulated nights of the soak test; `cargo test` alone has time for fewer.
export SOAK_NIGHTS="${SOAK_NIGHTS:-1000}"
cargo test -p darkslide-format --lib --locked -- cipher stream seal
cargo test --workspace --locked --no-fail-fast
echo "== conformance =="
if [ -n "${DARKSLIDE_SKIP_CONFORMANCE:-}" ]; then
  echo "SKIPPED: DARKSLIDE_SKIP_CONFORMANCE is set; nothing was tested against other S3 servers"
  exit
fi
"$venv/bin/python" -m unittest discover -q -s conformance/tests
"$venv/bin/python" conformance/run.py --darkslide "${CARGO_TARGET_DIR:-target}/debug/darkslide"
