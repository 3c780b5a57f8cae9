//! ASC MHL: ours, read by others; others', read by us.

use std::path::{Path, PathBuf};
use std::process::Command;

use darkslide_disk::RealDisk;
use darkslide_ingest::mhl::{MhlFinding, MhlReport, verify};

use crate::harness::{Quiet, World, card, noise, real};

fn check(path: &Path) -> MhlReport {
    verify(&RealDisk, path, &Quiet).unwrap()
}

/// The reference implementation, where the test command installed it.
fn reference() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/venv/mhl/bin/ascmhl");
    std::env::var_os("ASCMHL").map(PathBuf::from).or(Some(beside)).filter(|path| path.is_file())
}

#[test]
fn an_ingest_writes_manifests_that_hold() {
    let world = World::new();
    card(&world, "card");
    let done = world.ingest(&real(), "card", "job & <code>").unwrap();
    assert_eq!(done.manifests.len(), 2, "one for each target");
    let shoot = world.path("library/2026/2026-07-01_job & _code_");
    let report = check(&shoot);
    assert!(report.is_good() && report.good.0 == 11 && report.findings.is_empty(), "{report:?}");
    // A day later more comes: a second generation, and the first stays as it is.
    world.write("card/DCIM/100CANON/IMG_0004.CR3", &noise(4, 1000));
    world.ingest(&real(), "card", "job & <code>").unwrap();
    let report = check(&shoot);
    assert_eq!((report.manifests.0, report.good.0), (2, 12));
    // Harm of each kind is named.
    let flip = |name: &str| {
        let path = shoot.join(name);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[100] ^= 1;
        std::fs::write(path, bytes).unwrap();
    };
    flip("IMG_0001.CR3");
    std::fs::remove_file(shoot.join("IMG_0002.CR3")).unwrap();
    std::fs::write(shoot.join("IMG_0002.xmp"), b"edits").unwrap();
    let mut first = std::fs::read_dir(shoot.join("ascmhl")).unwrap().map(|e| e.unwrap().path());
    let first = first.find(|p| p.file_name().unwrap().to_str().unwrap().starts_with("0001_")).unwrap();
    let text = std::fs::read_to_string(&first).unwrap();
    std::fs::write(&first, text.replace("<hostname>raid", "<hostname>evil")).unwrap();
    let report = check(&shoot);
    let has = |wanted: fn(&MhlFinding) -> bool| report.findings.iter().any(wanted);
    assert!(!report.is_good() && report.findings.len() == 4, "{report:?}");
    assert!(has(|f| matches!(f, MhlFinding::Mismatch { path, .. } if path.to_string() == "IMG_0001.CR3")));
    assert!(has(|f| matches!(f, MhlFinding::Missing { path } if path.to_string() == "IMG_0002.CR3")));
    assert!(has(|f| matches!(f, MhlFinding::Additional { path } if path.to_string() == "IMG_0002.xmp")));
    assert!(has(|f| matches!(f, MhlFinding::ChangedManifest { .. })));
    std::fs::remove_file(&first).unwrap();
    assert!(check(&shoot).findings.iter().any(|f| matches!(f, MhlFinding::MissingManifest { .. })));
}

#[test]
fn manifests_of_other_tools_are_checked() {
    let world = World::new();
    world.write("clips/A001/C001.mov", b"abc");
    // MHL 1.1, as tools wrote it for years; MD5 of `abc` as RFC 1321 gives it.
    let old = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><hashlist version=\"1.1\"><hash>
        <file>A001/C001.mov</file><size>3</size><md5>900150983cd24fb0d6963f7d28e17f72</md5></hash></hashlist>";
    world.write("clips/clips_2019.mhl", old.as_bytes());
    assert_eq!(check(&world.path("clips")).good.0, 1);
    assert_eq!(check(&world.path("clips/clips_2019.mhl")).good.0, 1);
    world.write("clips/A001/C001.mov", b"abd");
    assert!(!check(&world.path("clips/clips_2019.mhl")).is_good());
    // One that leads elsewhere is not followed.
    world.write("clips/clips_2019.mhl", old.replace("A001/C001.mov", "../../etc/passwd").as_bytes());
    assert!(matches!(&check(&world.path("clips")).findings[0], MhlFinding::NoHash { .. }));
    assert!(verify(&RealDisk, &world.path("nowhere"), &Quiet).is_err());
    world.write("bad/x.mhl", b"<hashlist><hash>");
    assert!(verify(&RealDisk, &world.path("bad"), &Quiet).unwrap_err().to_string().contains("cannot be read"));
}

#[test]
fn the_reference_implementation_agrees() {
    let Some(ascmhl) = reference() else { return };
    let world = World::new();
    card(&world, "card");
    world.ingest(&real(), "card", "wedding").unwrap();
    let shoot = world.path("library/2026/2026-07-01_wedding");
    let run = |args: &[&str]| {
        let out = Command::new(&ascmhl).args(args).arg(&shoot).output().unwrap();
        let text = [out.stdout, out.stderr].concat();
        (out.status.success(), String::from_utf8_lossy(&text).into_owned())
    };
    let (good, text) = run(&["diff"]);
    assert!(good, "{text}");
    // It checks our generation and appends its own; that we read in turn.
    let (good, text) = run(&["create", "-h", "xxh128"]);
    assert!(good, "{text}");
    let report = check(&shoot);
    assert!(report.is_good() && report.manifests.0 == 2 && report.good.0 == 11, "{report:?}");
    let (good, text) = run(&["create", "-h", "md5"]);
    assert!(good && check(&shoot).is_good(), "{text}");
    // What we find changed it finds changed, too.
    let path = shoot.join("IMG_0001.CR3");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[7] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert!(!run(&["create", "-h", "xxh128"]).0);
    assert!(!check(&shoot).is_good());
}
