//! May it be formatted?

use std::collections::{BTreeMap, BTreeSet};

use darkslide_catalog::Catalog;
use darkslide_disk::RealDisk;
use darkslide_ingest::{CardState, PlaceKind, Rule, Shelf, Verdict, check_places, hash_card, verdict};
use darkslide_words::{Clock as _, Name};

use crate::harness::{Quiet, World, card, noise, real};

const RULE: Rule = Rule { copies: 2, places: 1, off_site: false };

fn ask(world: &World, rule: &Rule) -> Verdict {
    let card = world.scan(&RealDisk, "card").unwrap();
    let catalog = Catalog::open(&world.path("catalog")).unwrap();
    let now = world.clock.now();
    let hashes = hash_card(&RealDisk, &catalog, &card, &Quiet, now).unwrap();
    let sizes: BTreeSet<u64> = card.files.iter().map(|f| f.stat.size).collect();
    let kinds = [PlaceKind::Library, PlaceKind::Second];
    let shelves: Vec<_> = world
        .places()
        .into_iter()
        .zip(kinds)
        .map(|(place, kind)| (Shelf::new(&RealDisk, place, &sizes).unwrap(), (kind, "one disk".to_string(), false)))
        .collect();
    let copies = check_places(&RealDisk, &catalog, &card, &hashes, &shelves, now).unwrap();
    verdict(&card, &hashes, copies, rule, now)
}

#[test]
fn safe_only_when_every_file_is_verified_where_it_should_be() {
    let world = World::new();
    card(&world, "card");
    let said = ask(&world, &RULE);
    assert_eq!((said.state, said.unsafe_files.len()), (CardState::NotSafe, 11));
    assert!(said.unsafe_files[0].1.contains("nowhere"), "{:?}", said.unsafe_files[0]);
    world.ingest(&real(), "card", "").unwrap();
    let said = ask(&world, &RULE);
    assert_eq!(said.state, CardState::SafeToFormat, "{:?}", said.unsafe_files);
    assert!(said.to_string().contains("SAFE TO FORMAT"), "{said}");
    // One disk is one medium, and nothing is off-site.
    let media = ask(&world, &Rule { places: 2, ..RULE });
    assert!(media.state == CardState::NotSafe && media.unsafe_files[0].1.contains("media"), "{:?}", media.unsafe_files);
    assert_eq!(ask(&world, &Rule { off_site: true, ..RULE }).state, CardState::NotSafe);
}

#[test]
fn a_copy_that_rotted_is_no_copy_whatever_the_catalog_remembers() {
    let world = World::new();
    card(&world, "card");
    world.ingest(&real(), "card", "").unwrap();
    let path = world.path("second/2026/2026-07-01/IMG_0002.CR3");
    let time = std::fs::metadata(&path).unwrap().modified().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100_000] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    // As rot does it: size and time stay.
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    let said = ask(&world, &RULE);
    assert_eq!(said.state, CardState::NotSafe);
    let named: Vec<String> = said.unsafe_files.iter().map(|(path, _)| path.to_string()).collect();
    assert_eq!(named, ["DCIM/100CANON/IMG_0002.CR3"]);
}

#[test]
fn two_names_of_one_file_are_one_copy() {
    let world = World::new();
    card(&world, "card");
    world.ingest(&real(), "card", "").unwrap();
    let photograph = "2026/2026-07-01/IMG_0002.CR3";
    let second = world.path(&format!("second/{photograph}"));
    std::fs::remove_file(&second).unwrap();
    std::fs::hard_link(world.path(&format!("library/{photograph}")), second).unwrap();
    let said = ask(&world, &RULE);
    let named: Vec<String> = said.unsafe_files.iter().map(|(path, _)| path.to_string()).collect();
    assert_eq!(named, ["DCIM/100CANON/IMG_0002.CR3"]);
}

#[test]
fn files_that_came_since_and_empty_cards_are_told() {
    let world = World::new();
    card(&world, "card");
    world.ingest(&real(), "card", "").unwrap();
    world.write("card/DCIM/100CANON/IMG_0099.CR3", &noise(99, 1000));
    let said = ask(&world, &RULE);
    assert_eq!((said.state, said.unsafe_files.len()), (CardState::NotSafe, 1));
    std::fs::remove_dir_all(world.path("card")).unwrap();
    std::fs::create_dir_all(world.path("card/DCIM")).unwrap();
    assert_eq!(ask(&world, &RULE).state, CardState::Empty);
    let empty = verdict(
        &world.scan(&RealDisk, "card").unwrap(),
        &BTreeMap::<Name, _>::new(),
        BTreeMap::new(),
        &RULE,
        world.clock.now(),
    );
    assert!(empty.to_string().contains("nothing is on this card"));
}
