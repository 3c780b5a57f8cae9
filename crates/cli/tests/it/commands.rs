//! The commands as the manual writes them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::harness::World;
use crate::library::{noise, put, small};
use crate::trees::{Same, assert_same};

const ID: &str = "--identity identity.txt";

#[test]
fn the_commands_run_as_written() {
    let world = World::new();
    small(&world.library());
    world
        .run("init --config there/darkslide.toml --library library --store there/repo --identity there/identity.txt")
        .exits(0)
        .says("Move it away");
    let mode = fs::metadata(world.path("there/identity.txt")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    fs::rename(world.path("there/identity.txt"), world.path("identity.txt")).unwrap();
    let run = |line: &str| world.run(&format!("--config there/darkslide.toml {line}")).exits(0);

    let first = &run("backup --json").json()[0];
    assert_eq!(first["counts"]["new_files"], "5");
    assert!(first["failures"].as_array().unwrap().is_empty());
    run("ls latest").says("2024/").says("notes.txt");
    run("find *.CR3").says("2024/wedding/IMG_0001.CR3").says("3 found");

    put(&world.library(), "notes.txt", b"hello again\n");
    put(&world.library(), "2025/IMG_0004.CR3", &noise(4, 50_000));
    fs::remove_file(world.library().join("2024/wedding/IMG_0002.CR3")).unwrap();
    run("backup").says("1 new, 1 changed, 1 removed");

    run("snapshots").says("5/0/0").says("1/1/1");
    let snapshots = run("snapshots --json").json();
    let ids: Vec<&str> = snapshots.iter().map(|s| s["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(snapshots[0]["name"], first["snapshot"]);
    let listed = run("ls latest 2025 --json").json();
    let paths: Vec<&str> = listed.iter().map(|l| l["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["2025/IMG_0003.CR3", "2025/IMG_0004.CR3"]);
    assert_eq!(listed[0]["size"], "100000");
    let diff = run(&format!("diff {} {} --json", ids[0], ids[1])).json();
    let change = |path: &str| diff.iter().find(|d| d["path"] == path).map(|d| d["change"].as_str().unwrap());
    assert_eq!(change("notes.txt"), Some("modified"));
    assert_eq!(change("2025/IMG_0004.CR3"), Some("added"));
    assert_eq!(change("2024/wedding/IMG_0002.CR3"), Some("removed"));
    assert_eq!(change("2025/IMG_0003.CR3"), None);
    run(&format!("diff {} {}", ids[0], ids[1])).says("1 added, 1 removed, 1 modified");

    run(&format!("restore latest --to part --path 2025 {ID}"));
    assert_same(&world.path("library/2025"), &world.path("part/2025"), Same::Everything);
    assert!(!world.path("part/notes.txt").exists());
    for check in ["audit", "scrub --all"] {
        run(check).says("nothing wrong");
        run(&format!("{check} {ID}")).says("nothing wrong");
    }
    run("status").says("last snapshot").says("reachable");
    run(&format!("restore latest --to whole {ID}")).says("restored and verified");
    assert_same(&world.library(), &world.path("whole"), Same::Everything);

    // Another machine, with nothing but the repository and the identity.
    let other = |line: &str| world.run(&format!("--config new/darkslide.toml {line}")).exits(0);
    other(&format!("open --store there/repo {ID}")).says("Joined repository");
    other("status").says("reachable");
    other(&format!("ls latest {ID}")).says("notes.txt");
    other(&format!("restore latest --to elsewhere {ID}"));
    assert_same(&world.library(), &world.path("elsewhere"), Same::Everything);
    other(&format!("restore {} --to older {ID} --path notes.txt", ids[0]));
    assert_eq!(fs::read(world.path("older/notes.txt")).unwrap(), b"hello\n");
}

#[test]
fn hostile_names_do_not_reach_the_terminal_raw() {
    let world = World::founded(|library| put(library, "evil\u{1b}[31m\nname.CR3", b"x"));
    let backup = world.run("backup").exits(0);
    let told = [
        backup,
        world.run("ls latest").exits(0).says("evil\\x1b[31m\\x0aname.CR3"),
        world.run("ls latest -R").exits(0),
        world.run("find *.CR3").exits(0).says("1 found"),
        world.run("ls latest --json").exits(0),
        world.run_with("ls latest", ["no\u{1b}such"]).exits(2),
    ];
    for ran in &told {
        assert!(!ran.out.contains('\u{1b}') && !ran.err.contains('\u{1b}'), "{:?} {:?}", ran.out, ran.err);
    }
    assert_eq!(told[1].out.lines().count(), 1, "{}", told[1].out);
    assert_eq!(told[4].json()[0]["path"], "evil\u{1b}[31m\nname.CR3");
}

#[test]
fn help_reads_well() {
    let world = World::new();
    let help = world.run("help").exits(0).says("Exit codes: 0 done; 1 failed; 2 wrong usage; 3 done");
    assert_eq!(world.run("--help").exits(0).out, help.out);
    let listed = help.out.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let mut commands: Vec<String> =
        listed.lines().filter_map(|l| l.split_whitespace().next()).map(str::to_string).collect();
    assert!(commands.len() >= 14, "{commands:?}");
    let groups = [
        ("key", "new paper list add remove"),
        ("writer", "enroll list revoke"),
        ("cloud", "plan apply destroy rotate verify"),
    ];
    for (group, parts) in groups {
        commands.extend(parts.split(' ').map(|part| format!("{group} {part}")));
    }
    commands.retain(|c| c != "help");
    for command in commands.iter().map(String::as_str).chain([""]) {
        let text = world.run(&format!("{command} --help")).exits(0).says("Usage: darkslide").out;
        let long: Vec<&str> = text.lines().filter(|l| l.chars().count() > 100).collect();
        assert!(long.is_empty(), "{command}: {long:#?}");
    }
}
