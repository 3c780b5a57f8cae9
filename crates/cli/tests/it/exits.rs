//! The published exit codes.

use std::fs::{self, File};
use std::path::Path;

use crate::harness::World;
use crate::library::{put, small};

/// Changes a file's content, but neither its size nor its modification time.
fn rot(path: &Path, bytes: &[u8]) {
    let before = fs::metadata(path).unwrap();
    assert_eq!(before.len(), bytes.len() as u64);
    fs::write(path, bytes).unwrap();
    File::options().write(true).open(path).unwrap().set_modified(before.modified().unwrap()).unwrap();
}

#[test]
fn exit_codes_are_those_published() {
    let world = World::new();
    small(&world.library());
    world.run("status").exits(1).says("there is no configuration");
    world.run("init --library library --store repository --identity identity.txt").exits(0);
    world.run("backup").exits(0);

    // 2: wrong usage.
    world.run("nonsense").exits(2);
    world.run("ls deadbeef").exits(2).says("no snapshot `deadbeef`");
    world.run("ls latest no/such/path").exits(2).says("is not in this snapshot");
    world.run("restore latest --to out").exits(2).says("needs the identity");
    world.run("init --library library --store second --identity identity.txt").exits(2).says("was not touched");

    // 3: done, but a file could not be.
    rot(&world.path("library/notes.txt"), b"hexlo\n");
    let backup = world.run("backup --rehash --json").exits(3).json();
    assert_eq!(backup[0]["failures"][0]["path"], "notes.txt");
    assert!(backup[0]["failures"][0]["reason"].as_str().unwrap().contains("ALARM"));
    world.run("status").exits(3).says("not stored: notes.txt");
    world.run("backup --rehash --accept notes.txt").exits(0);
    world.run("status").exits(0);

    // 1: the repository is damaged. 3: so a restore lacks something, which is named.
    let pack = world.largest_pack();
    let whole = fs::read(&pack).unwrap();
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    fs::write(&pack, &damaged).unwrap();
    world.run("scrub --all").exits(1).says("1 DAMAGE;");
    fs::write(&pack, &whole).unwrap();
    world.run("scrub --all").exits(0);
    fs::remove_file(&pack).unwrap();
    world.run("audit").exits(1).says("missing from the store");
    let restored = world.run("restore latest --to out --identity identity.txt --json").exits(3).json();
    assert!(!restored[0]["casualties"].as_array().unwrap().is_empty());
    fs::write(&pack, &whole).unwrap();
    world.run("restore latest --to out --identity identity.txt").exits(0);

    // 5: a brake.
    fs::rename(world.library(), world.path("put-away")).unwrap();
    fs::create_dir(world.library()).unwrap();
    let refused = world.run("backup --json").exits(5).says("is the disk mounted?").json();
    assert_eq!(refused[0]["exit"], 5);
    world.run("backup --allow-empty").exits(0);
    put(&world.library(), "again.txt", b"again\n");
    world.run("backup").exits(0);
    fs::remove_dir_all(world.library()).unwrap();
    world.run("backup").exits(1).says("cannot be read");
}
