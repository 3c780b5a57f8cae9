//! Somebody else's client, and stock tools, take the photographs out of a vault.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::*;
use crate::harness::needs;

/// A Python that has boto3: the one that the test command names (then it must be there), or the one
/// that it made earlier.
fn python() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/venv/exports/bin/python");
    let named = std::env::var_os("EXPORT_CHECK_PYTHON").map(PathBuf::from);
    if let Some(named) = &named {
        assert!(named.is_file(), "EXPORT_CHECK_PYTHON names {}, which is not there", named.display());
    }
    let found = named.or(Some(beside)).filter(|path| path.is_file());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "ci.sh has not set EXPORT_CHECK_PYTHON");
        eprintln!("SKIPPED: no boto3; `ci.sh` installs it, or set EXPORT_CHECK_PYTHON");
    }
    found
}

#[test]
fn boto3_downloads_what_was_uploaded_and_stock_tools_open_it() {
    needs(&["age", "zstd", "tar"]);
    let Some(python) = python() else { return };
    let site = Site::founded();
    let (got, out) = (site.world.path("got"), site.world.path("out"));
    fs::create_dir(&got).unwrap();
    fs::create_dir(&out).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vault_client.py");
    let mut client = Command::new(python);
    client.env("AWS_ACCESS_KEY_ID", "coldsim").env("AWS_SECRET_ACCESS_KEY", "coldsim-secret");
    let client = client.env_remove("AWS_PROFILE").arg(script).args([&site.running.url(), "photos"]).arg(&got);
    let ran = Ran::of("vault_client.py".into(), &client.output().unwrap()).exits(0);
    let archives: Vec<Value> = serde_json::from_str(&ran.out).unwrap();
    assert!(!archives.is_empty());
    for archive in &archives {
        let said = archive["ArchiveDescription"].as_str().unwrap();
        assert!(said.starts_with("darkslide-1 ") && said.contains("packs/"), "{said}");
        let mut age = site.world.program("age");
        let age = age.args(["-d", "-i", "identity.txt"]).arg(got.join(archive["ArchiveId"].as_str().unwrap()));
        let mut age = age.stdout(Stdio::piped()).spawn().unwrap();
        let mut zstd = site.world.program("zstd");
        let zstd = zstd.arg("-dc").stdin(age.stdout.take().unwrap()).stdout(Stdio::piped());
        let mut zstd = zstd.spawn().unwrap();
        let mut tar = site.world.program("tar");
        let tar = tar.args(["x", "-C", "out"]).stdin(zstd.stdout.take().unwrap());
        assert!(tar.status().unwrap().success() && age.wait().unwrap().success() && zstd.wait().unwrap().success());
    }
    let found = crate::trees::walk(&out);
    for name in ["IMG_0.CR3", "IMG_1.CR3"] {
        let at = found.iter().find(|path| path.file_name().is_some_and(|file| file == name));
        let back = fs::read(out.join(at.unwrap_or_else(|| panic!("no {name} among {found:?}")))).unwrap();
        assert!(back == fs::read(site.world.library().join(name)).unwrap(), "{name} is another");
    }
}
