//! Rot found, healed and told, and copies counted, as a user does it.

use std::fs;

use crate::harness::World;
use crate::library::large;

/// Adds lines to the only store of the configuration.
fn with(world: &World, lines: &str) {
    let path = world.path("darkslide.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("[[store]]", &format!("[[store]]\n{lines}"), 1)).unwrap();
}

#[test]
fn rot_is_found_planned_healed_and_told() {
    let world = World::founded(large);
    with(&world, "parity = \"10 %\"");
    world.run("backup").exits(0);
    world.run("repair --yes").exits(0).says("got parity");
    world.run("repair --dry-run").exits(0).says("Nothing to repair");
    let pack = world.largest_pack();
    let good = fs::read(&pack).unwrap();
    let mut bad = good.clone();
    bad[5000] ^= 1;
    fs::write(&pack, &bad).unwrap();
    world.run_with("scrub --every 90d --budget", ["50 GB"]).exits(1).says("darkslide repair");
    world.run("repair --dry-run").exits(3).says("from its parity");
    assert_eq!(fs::read(&pack).unwrap(), bad, "a plan touches nothing");
    let told = world.run("repair --yes --json").exits(0).json();
    assert_eq!(told[1]["healed"], "1", "{told:?}");
    assert!(fs::read(&pack).unwrap() == good);
    world.run("scrub --all --identity identity.txt").exits(0).says("nothing wrong");
    world.run("audit --checksums").exits(0).says("scrub");
    world.run("scrub --every soon").exits(2);
}

#[test]
fn copies_are_counted_against_the_rule() {
    let world = World::founded(large);
    world.run("copies").exits(0).says("All 0 files");
    world.run("backup").exits(0);
    world.run("copies --by year").exits(3).says("do NOT have 3 copies on 2 media, one off-site");
    let told = world.run("copies --by photo --json").exits(3).json();
    let all = &told.last().unwrap()["copies"];
    assert_eq!(told.len() as u64 - 1, all["files"].as_str().unwrap().parse::<u64>().unwrap(), "{all}");
    assert!(!all["worst"].as_array().unwrap().is_empty());
    let path = world.path("darkslide.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}\n[copies]\ncopies = 2\nmedia = 1\noff_site = false\n")).unwrap();
    world.run("copies").exits(0).says("have 2 copies on 1 media");
}
