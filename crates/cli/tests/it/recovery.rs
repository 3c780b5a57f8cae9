//! Recovery without Darkslide, and repositories of the past.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::harness::{Ran, World, needs};
use crate::library::{edit_strange, strange, wholly_new};
use crate::trees::{Same, assert_same, files, walk};

/// The formats of the past, each with a repository that stays readable forever.
const FROZEN: [&str; 2] = ["format-1", "format-1-previews"];

fn inode(path: &Path) -> u64 {
    fs::metadata(path).unwrap().ino()
}

#[test]
fn recover_py_gives_back_a_snapshot_and_the_library_from_packs_alone() {
    let world = World::founded(strange);
    world.run("backup").exits(0);
    edit_strange(&world.library());
    let second = world.run("backup --json").exits(0).json();
    let stored: u64 = second[0]["counts"]["stored_bytes"].as_str().unwrap().parse().unwrap();
    assert!(stored < 10_000_000, "{stored} bytes: neither the edit nor the database was stored in part");

    world.run("restore latest --to own --identity identity.txt").exits(0);
    assert_same(&world.library(), &world.path("own"), Same::Everything);
    world.recover("restore", "restored");
    assert_same(&world.library(), &world.path("restored"), Same::Everything);
    world.recover("packs", "from-packs");
    assert_same(&world.library(), &world.path("from-packs"), Same::Contents);
    for out in ["own", "restored", "from-packs"].map(|out| world.path(out)) {
        assert_eq!(inode(&out.join("linked.jpg")), inode(&out.join("selects/linked-too.jpg")), "{}", out.display());
    }
}

/// `age -d -i ID PACK | zstd -dc | tar …`: what tar printed, and its exit code.
fn unpack(world: &World, pack: &Path, tar: &[&str]) -> std::process::Output {
    let mut age = world.program("age");
    let mut age = age.args(["-d", "-i", "identity.txt"]).arg(pack).stdout(Stdio::piped()).spawn().unwrap();
    let mut zstd = world.program("zstd");
    let zstd = zstd.args(["-dc"]).stdin(age.stdout.take().unwrap()).stdout(Stdio::piped());
    let mut zstd = zstd.spawn().unwrap();
    let output = world.program("tar").args(tar).stdin(zstd.stdout.take().unwrap()).output().unwrap();
    assert!(age.wait().unwrap().success(), "age: {}", pack.display());
    assert!(zstd.wait().unwrap().success(), "zstd: {}", pack.display());
    output
}

/// Joins `NAME.darkslide-part-*` with `cat`, as RECOVER.txt says.
fn join_parts(folder: &Path, name: &str) -> Vec<u8> {
    let script = "cat \"$0\".darkslide-part-*";
    let output = Command::new("sh").args(["-c", script, name]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn stock_tools_open_every_pack() {
    needs(&["age", "zstd", "tar"]);
    let world = World::founded(strange);
    world.run("backup").exits(0);
    for (kind, least) in [("packs", 3), ("warm", 1), ("trees", 1)] {
        let objects = world.objects(&[kind]);
        assert!(objects.len() >= least, "{kind}: {objects:?}");
        for object in objects {
            let listed = unpack(&world, &object, &["t"]);
            assert!(listed.status.success(), "{}: {}", object.display(), String::from_utf8_lossy(&listed.stderr));
            assert!(!listed.stdout.is_empty(), "{} is an empty tar", object.display());
        }
    }
    for object in world.objects(&["previews"]) {
        let opened = world.program("age").args(["-d", "-i", "identity.txt"]).arg(&object).output().unwrap();
        fs::write(world.path("previews.tar"), &opened.stdout).unwrap();
        let listed = world.program("tar").args(["tf", "previews.tar"]).output().unwrap();
        let text = String::from_utf8_lossy(&listed.stdout).into_owned();
        assert!(listed.status.success() && text.trim_end().ends_with(".json"), "{}: {text}", object.display());
    }
    let out = world.path("out");
    fs::create_dir(&out).unwrap();
    for pack in world.objects(&["packs", "warm"]) {
        let tar = unpack(&world, &pack, &["x", "--keep-newer-files", "-C", "out"]);
        // It ends with 1 or 2 where it kept a newer file: that is meant.
        assert!(tar.status.code().is_some(), "{}", String::from_utf8_lossy(&tar.stderr));
    }
    let library = world.library();
    for name in wholly_new() {
        assert!(out.join(name).is_file(), "{} did not come out", name.display());
    }
    // Of two names with the same content, one came out under its own.
    for [a, b] in [["twin.CR3", "selects/deep/twin-copy.CR3"], ["linked.jpg", "selects/linked-too.jpg"]] {
        assert!(out.join(a).is_file() || out.join(b).is_file(), "neither {a} nor {b}");
    }
    for name in files(&out).into_iter().filter(|name| library.join(name).is_file()) {
        assert!(fs::read(out.join(&name)).unwrap() == fs::read(library.join(&name)).unwrap(), "{}", name.display());
    }
    let parts = files(&out).into_iter().filter(|p| p.to_string_lossy().starts_with("clip.mov.darkslide-part-"));
    assert!(parts.count() >= 2, "the clip is larger than a pack, so it has several parts");
    assert!(join_parts(&out, "clip.mov") == fs::read(library.join("clip.mov")).unwrap(), "the joined clip differs");
}

/// `sha256sum -c` in a folder.
fn check_sums(sums: &Path, folder: &Path) {
    let mut command = Command::new("sha256sum");
    command.args(["--quiet", "--strict", "-c"]).arg(sums).current_dir(folder);
    Ran::of(format!("sha256sum -c in {}", folder.display()), &command.output().unwrap()).exits(0);
}

#[test]
fn frozen_repositories_stay_readable() {
    needs(&["sha256sum"]);
    let frozen = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/frozen");
    let frozen = fs::canonicalize(&frozen).unwrap_or_else(|e| panic!("{}: {e}", frozen.display()));
    let folders: Vec<String> = fs::read_dir(&frozen)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    let mut sorted = folders.clone();
    sorted.sort();
    assert_eq!(sorted, FROZEN, "a frozen repository is never removed, and a new one is named here");
    for folder in FROZEN {
        let (world, from) = (World::new(), frozen.join(folder));
        // Joining enrolls a writer, so it is done on a copy.
        let copied = Command::new("cp").arg("-r").arg(from.join("repository")).arg(world.store()).status().unwrap();
        assert!(copied.success());
        fs::copy(from.join("identity.txt"), world.path("identity.txt")).unwrap();
        let sums = from.join("expected.sha256");
        let expected = fs::read(&sums).unwrap().iter().filter(|byte| **byte == b'\n').count();
        assert!(expected > 0, "{} is empty", sums.display());

        world.run("open --store repository --identity identity.txt").exits(0);
        world.run("restore latest --to out --identity identity.txt").exits(0);
        check_sums(&sums, &world.path("out"));
        assert_eq!(files(&world.path("out")).len(), expected, "{:?}", walk(&world.path("out")));
        for check in ["audit", "audit --identity identity.txt", "scrub --all", "scrub --all --identity identity.txt"] {
            world.run(check).exits(0);
        }
        let fetched: serde_json::Value =
            serde_json::from_str(&world.run("previews fetch --identity identity.txt --json").exits(0).out).unwrap();
        let photographs = if folder == "format-1" { "0" } else { "2" };
        let thumbnails = if folder == "format-1" { "0" } else { "1" };
        assert!(fetched["photographs"].as_str() >= Some(photographs), "{folder}: {fetched}");
        assert_eq!(fetched["thumbnails"].as_str(), Some(thumbnails), "{folder}: {fetched}");
        world.recover("packs", "from-packs");
        check_sums(&sums, &world.path("from-packs"));
    }
}
