//! Paper keys, passphrases, recipients, writers.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::harness::World;
use crate::library::{put, small};
use crate::trees::{Same, assert_same};

/// Makes an identity file; its public key.
fn new_key(world: &World, file: &str) -> String {
    let key = world.run(&format!("key new {file}")).exits(0).out.trim().to_string();
    assert!(key.starts_with("age1"), "{key}");
    key
}

#[test]
fn a_paper_key_is_typed_back() {
    let world = World::new();
    small(&world.library());
    new_key(&world, "identity.txt");
    world.run("init --library library --store repository --identity identity.txt").exits(0);
    world.run("backup").exits(0);
    let page = world.run("key paper --identity identity.txt").exits(0).out;
    let rows: Vec<&str> =
        page.lines().filter(|l| matches!(l.as_bytes(), [b'A' | b'B', b'1'..=b'3', b' ', ..])).collect();
    let labels: Vec<&str> = rows.iter().map(|r| &r[..2]).collect();
    assert_eq!(labels, ["A1", "A2", "A3", "B1", "B2", "B3"], "{page}");

    // As hands type: small letters, other spaces, an empty line, the rows in another order.
    let mut typed: Vec<String> = rows.iter().map(|r| r.to_lowercase().replace("   ", " ")).collect();
    typed[1] = typed[1].replace(' ', "").replacen("a2", "a2   ", 1);
    typed.swap(2, 4);
    fs::write(world.path("typed.txt"), typed.join("\n\n")).unwrap();
    world.run("key paper --recover typed.txt --out new.txt").exits(0);
    assert_eq!(fs::metadata(world.path("new.txt")).unwrap().permissions().mode() & 0o777, 0o600);
    world.run("restore latest --to out --identity new.txt").exits(0);
    assert_same(&world.library(), &world.path("out"), Same::Everything);
    // The owner key came back, too.
    world.run("writer enroll another --out another.json --identity new.txt").exits(0);

    let mut wrong: Vec<String> = rows.iter().map(ToString::to_string).collect();
    let slip = if &wrong[1][6..7] == "Q" { "P" } else { "Q" };
    wrong[1].replace_range(6..7, slip);
    fs::write(world.path("wrong.txt"), wrong.join("\n")).unwrap();
    world.run("key paper --recover wrong.txt --out never.txt").exits(1).says("row A2");
    assert!(!world.path("never.txt").exists());

    let before = fs::read(world.path("identity.txt")).unwrap();
    for line in ["key paper --recover typed.txt --out identity.txt", "key new identity.txt"] {
        world.run(line).exits(1).says("never replaced");
        assert_eq!(fs::read(world.path("identity.txt")).unwrap(), before, "{line}");
    }
}

#[test]
fn an_identity_behind_a_passphrase() {
    let world = World::new();
    small(&world.library());
    fs::write(world.path("right"), "ten small apples\n").unwrap();
    fs::write(world.path("wrong"), "ten large apples\n").unwrap();
    world.run("key new identity.txt --passphrase-file right").exits(0);
    let file = fs::read_to_string(world.path("identity.txt")).unwrap();
    assert!(file.starts_with("-----BEGIN AGE ENCRYPTED FILE-----") && !file.contains("SECRET"), "{file}");
    world.run("init --library library --store repository --identity identity.txt --passphrase-file right").exits(0);
    world.run("backup").exits(0);
    let restore = "restore latest --to out --identity identity.txt";
    world.run(restore).exits(1).says("--passphrase-file");
    world.run(&format!("{restore} --passphrase-file wrong")).exits(1).says("the passphrase does not open");
    assert!(!world.path("out").exists());
    world.run(&format!("{restore} --passphrase-file right")).exits(0);
    assert_same(&world.library(), &world.path("out"), Same::Everything);
}

#[test]
fn recipients_and_writers_by_command() {
    let world = World::new();
    small(&world.library());
    let (owner, anna) = (new_key(&world, "owner.txt"), new_key(&world, "anna.txt"));
    world.run(&format!("init --library library --store repository --recipient Owner={owner}")).exits(0);
    world.run("backup").exits(0);
    world.run("key list").exits(0).says(&owner).says("Owner").says("epoch 1");
    world.run("restore latest --to no --identity anna.txt").exits(2).says("not a recipient");

    // Whoever is added opens what was stored before.
    world.run(&format!("key add {anna} --name Anna")).exits(2).says("needs the identity");
    world.run(&format!("key add {anna} --name Anna --identity owner.txt")).exits(0);
    let listed = world.run("key list --json").exits(0).json();
    assert_eq!(listed.iter().map(|r| r["name"].as_str().unwrap()).collect::<Vec<_>>(), ["Owner", "Anna"]);
    world.run("restore latest --to annas --identity anna.txt").exits(0);
    assert_same(&world.library(), &world.path("annas"), Same::Everything);

    // Whoever is removed does not open what is stored afterwards.
    world.run("key remove Nobody --identity owner.txt").exits(2).says("Nobody");
    world.run("key remove Anna --identity owner.txt").exits(0).says("cannot be taken back");
    world.run("key remove Owner --identity owner.txt").exits(2).says("last recipient");
    world.run("key list").exits(0).says("epoch 2");
    put(&world.library(), "later.txt", b"stored later\n");
    world.run("backup").exits(0);
    let denied = world.run("restore latest --to denied --identity anna.txt");
    assert_ne!(denied.code(), Some(0));
    assert!(!world.path("denied/later.txt").exists());
    world.run("restore latest --to owners --identity owner.txt").exits(0);
    assert_same(&world.library(), &world.path("owners"), Same::Everything);

    // Another machine backs up with its own secrets alone, until it is revoked.
    world.run("writer enroll laptop --out laptop.json --identity owner.txt").exits(0);
    assert_eq!(fs::metadata(world.path("laptop.json")).unwrap().permissions().mode() & 0o777, 0o600);
    put(&world.path("laptops"), "laptop.CR3", b"from the laptop");
    let laptop = |line: &str| world.run(&format!("--config laptop.toml {line}"));
    laptop("open --store repository --writer laptop.json --library laptops").exits(0).says("may back up to it");
    let snapshot = laptop("backup --json").exits(0).json()[0]["snapshot"].as_str().unwrap().to_string();
    let id: String = snapshot.rsplit('-').next().unwrap().chars().take(12).collect();
    world.run(&format!("restore {id} --to laptops-1 --identity owner.txt")).exits(0);
    assert_same(&world.path("laptops"), &world.path("laptops-1"), Same::Everything);
    world.run("writer list").exits(0).says("laptop").says("trusted");
    world.run("writer revoke laptop --reason lost --identity owner.txt").exits(0);
    let writers = world.run("writer list --json").exits(0).json();
    let reason = |name: &str| writers.iter().find(|w| w["name"] == name).map(|w| w["reason"].clone());
    assert_eq!(reason("laptop"), Some("lost".into()));
    laptop("backup").exits(1).says("revoked");
    world.run(&format!("restore {id} --to laptops-2 --identity owner.txt")).exits(1).says("--accept-writer");
    world.run(&format!("restore {id} --to laptops-2 --identity owner.txt --accept-writer laptop")).exits(0);
    assert_same(&world.path("laptops"), &world.path("laptops-2"), Same::Everything);
    world.run("backup").exits(0);
    world.run("audit").exits(0);
}
