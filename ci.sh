#!/usr/bin/env bash
# Everything that the tests need on a fresh Debian machine, then all checks and tests.
set -euo pipefail
cd "$(dirname "$0")"

need() { command -v "$1" >/dev/null 2>&1; }
packages=()
need age || packages+=(age)
need zstd || packages+=(zstd)
need python3 || packages+=(python3)
need cc || packages+=(gcc libc6-dev)
if [ "${#packages[@]}" -gt 0 ]; then
  sudo=""
  [ "$(id -u)" -eq 0 ] || sudo="sudo"
  $sudo apt-get update -qq
  $sudo apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi

export CARGO_INCREMENTAL=0
echo "== format =="
cargo fmt --all --check
echo "== clippy =="
cargo clippy --workspace --all-targets --locked -- -D warnings
echo "== recovery and benchmark scripts =="
python3 -m py_compile tools/recover.py bench/*.py
python3 -m unittest discover -q -s bench/tests
echo "== tests =="
cargo test --workspace --locked
