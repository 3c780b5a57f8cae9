//! `forget` and `prune` from the outside.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::harness::World;
use crate::library::{put, small};

/// All objects of the repository become so many days older.
fn age(folder: &Path, days: u32) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            age(&path, days);
        } else {
            let file = fs::File::options().write(true).open(&path).unwrap();
            let modified = file.metadata().unwrap().modified().unwrap();
            file.set_modified(modified - days * Duration::from_secs(86_400)).unwrap();
        }
    }
}

#[test]
fn snapshots_are_forgotten_and_packs_pruned_as_the_commands_say() {
    let world = World::founded(small);
    world.run("backup --tag delivered").exits(0);
    for n in 0..3u8 {
        put(&world.library(), "2024/large.CR3", &vec![n; 400_000]);
        world.run("backup").exits(0);
    }
    // Without rules everything stays.
    world.run("forget --dry-run").exits(0).says("its job has no rules").says("0 of 4 snapshots are forgotten");
    let dry = world.run("forget --keep-last 1 --keep-tag delivered --dry-run --json").exits(0).json();
    let rows = dry[0]["snapshots"].as_array().unwrap();
    assert_eq!(rows.iter().filter(|r| r["forget"] == true).count(), 2);
    assert_eq!(rows[0]["reasons"][0], "tag delivered");
    assert_eq!(rows[3]["reasons"][0], "the last complete one");
    assert_eq!(world.objects(&["snapshots"]).len(), 4, "a dry run deletes nothing");
    world.run("forget --keep-last 0").exits(1).says("keep nothing");
    world.run("forget --snapshot ffff").exits(2).says("no snapshot `ffff`");
    world.run("forget --job nothing").exits(1).says("no job `nothing`");
    world.run("forget --keep-last 1 --keep-tag delivered").exits(0).says("2 snapshots forgotten");
    assert_eq!(world.objects(&["snapshots"]).len(), 2);
    // By name, but not the last one.
    let first = rows[0]["name"].as_str().unwrap().to_string();
    let last = rows[3]["name"].as_str().unwrap().to_string();
    world.run(&format!("forget --snapshot {first} --snapshot {last}")).exits(0).says("1 snapshots forgotten");

    let packs = world.objects(&["packs", "warm", "trees"]).len();
    world.run("prune").exits(0).says("nothing to do");
    age(&world.store(), 31);
    world.run("prune --dry-run").exits(0).says("condemned now");
    let condemned = world.run("prune --json").exits(0).json();
    assert_ne!(condemned[0]["done"]["condemned"], "0", "{condemned:?}");
    world.run("prune --dry-run").exits(0).says("unless they are needed again");
    world.run("audit").exits(0);
    age(&world.store(), 31);
    world.run("prune").exits(0).says("deleted");
    assert!(world.objects(&["packs", "warm", "trees"]).len() < packs);
    world.run("audit").exits(0);
    world.run("scrub --all").exits(0);
    world.run("restore latest --to out --identity identity.txt").exits(0);
    assert_eq!(fs::read(world.path("out/2024/large.CR3")).unwrap(), vec![2; 400_000]);

    // What cannot be told stops it, by name and with exit code 3.
    let refs = world.objects(&["refs"]).pop().unwrap();
    fs::write(&refs, b"rot").unwrap();
    world.run("prune --dry-run").exits(3).says("cannot tell what refs/");
}
