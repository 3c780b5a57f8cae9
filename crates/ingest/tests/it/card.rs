//! A card becomes a library, once.

use std::os::unix::ffi::OsStrExt as _;

use crate::harness::{World, card, noise, real};

#[test]
fn everything_on_the_card_is_in_both_targets_and_the_card_is_as_it_was() {
    let world = World::new();
    card(&world, "card");
    let before = world.files("card");
    let done = world.ingest(&real(), "card", "wedding").unwrap();
    assert!(done.is_whole() && done.copied.0 == 11 && done.present.0 == 0, "{done:?}");
    assert_eq!(world.files("card"), before, "nothing was written to the card");
    let library = world.files("library");
    assert_eq!(library, world.files("second"));
    let shoot = "2026/2026-07-01_wedding";
    for name in ["IMG_0001.CR3", "IMG_0001.JPG", "IMG_0001.WAV", "IMG_0003.JPG", "IMG_0001-2.JPG"] {
        assert!(library.contains_key(&format!("{shoot}/{name}")), "{name}: {:?}", library.keys());
    }
    let whole = format!("{shoot}/card_CARD");
    assert!(library.contains_key(&format!("{whole}/PRIVATE/M4ROOT/CLIP/C0001.MP4")), "{:?}", library.keys());
    assert!(library.contains_key(&format!("{whole}/DCIM/EOSMISC/M0100.CTG")));
    assert_eq!(library.len(), 11, "what systems left is not copied");
    assert_eq!(done.ignored.len(), 2);
    // The same name with another picture: both are there, and it is told.
    assert_eq!(done.renamed.len(), 2);
    assert_eq!(library[&format!("{shoot}/IMG_0001-2.JPG")], noise(21, 50_000));
    let times = |root: &str| std::fs::metadata(world.path(&format!("{root}/{shoot}/IMG_0001.CR3"))).unwrap().modified();
    assert_eq!(times("library").unwrap(), times("second").unwrap());
}

#[test]
fn a_second_ingest_copies_nothing_also_when_photographs_were_renamed_and_moved() {
    let world = World::new();
    card(&world, "card");
    world.ingest(&real(), "card", "wedding").unwrap();
    std::fs::create_dir_all(world.path("library/best")).unwrap();
    let from = world.path("library/2026/2026-07-01_wedding/IMG_0002.CR3");
    std::fs::rename(from, world.path("library/best/the kiss.cr3")).unwrap();
    let before = world.files("library");
    let again = world.ingest(&real(), "card", "party").unwrap();
    assert_eq!((again.copied.0, again.present.0), (0, 11), "{again:?}");
    assert!(again.manifests.is_empty() && again.is_whole());
    assert_eq!(world.files("library"), before);
    // One that is gone from one target is brought there alone.
    std::fs::remove_file(world.path("second/2026/2026-07-01_wedding/IMG_0002.CR3")).unwrap();
    let third = world.ingest(&real(), "card", "wedding").unwrap();
    assert_eq!((third.copied.0, third.present.0), (1, 10));
    assert_eq!(world.files("library"), before);
}

#[test]
fn a_photograph_that_was_damaged_in_the_library_is_brought_again_beside_it() {
    let world = World::new();
    card(&world, "card");
    world.ingest(&real(), "card", "").unwrap();
    let path = world.path("library/2026/2026-07-01/IMG_0002.CR3");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[150_000] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let again = world.ingest(&real(), "card", "").unwrap();
    assert_eq!((again.copied.0, again.renamed.len()), (1, 1), "{again:?}");
    assert_eq!(world.files("library")["2026/2026-07-01/IMG_0002.CR3"], bytes, "nothing is replaced");
    assert_eq!(world.files("library")["2026/2026-07-01/IMG_0002-2.CR3"], noise(2, 200_000));
}

#[test]
fn renamed_photographs_keep_their_companions() {
    let world = World::new();
    card(&world, "card");
    let template = "{date:%Y-%m-%d}/{date:%Y%m%d}_{counter:4}";
    world.ingest_all(&real(), &["card"], template, "").unwrap();
    let library = world.files("library");
    let original = library.iter().find(|(_, bytes)| **bytes == noise(1, 200_000)).unwrap().0;
    let stem = original.strip_suffix(".CR3").unwrap();
    assert_eq!(library[&format!("{stem}.WAV")], noise(20, 10_000));
    assert_eq!(library[&format!("{stem}.JPG")], noise(11, 50_000));
}

#[test]
fn two_cards_at_once_bring_what_both_have_once() {
    let world = World::new();
    card(&world, "one");
    // The camera's other slot: the same stills, and one more.
    card(&world, "two");
    std::fs::remove_dir_all(world.path("two/PRIVATE")).unwrap();
    world.write("two/DCIM/100CANON/IMG_0009.CR3", &noise(9, 200_000));
    let done = world.ingest_all(&real(), &["one", "two"], "{date:%Y-%m-%d}/{name}", "").unwrap();
    assert!(done.iter().all(|d| d.is_whole()), "{done:?}");
    let library = world.files("library");
    for n in [1, 2, 3, 9] {
        let copies = library.values().filter(|bytes| **bytes == noise(n, 200_000)).count();
        assert_eq!(copies, 1, "IMG_000{n}.CR3: {:?}", library.keys());
    }
}

#[test]
fn hostile_names_are_copied_as_they_are() {
    let world = World::new();
    for name in [&b"a\nb.CR3"[..], b"\xff\xfe.CR3", b"..CR3", &[b'x'; 255]] {
        let path = world.path("card/DCIM/100CANON").join(std::ffi::OsStr::from_bytes(name));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, name).unwrap();
    }
    std::os::unix::fs::symlink("/etc", world.path("card/DCIM/link")).unwrap();
    let done = world.ingest(&real(), "card", "x").unwrap();
    assert_eq!(done.copied.0, 4, "{done:?}");
    assert_eq!(done.failures.len(), 1, "the link is named, not followed");
    assert!(!done.is_whole());
}

#[test]
fn empty_files_are_copied_and_told() {
    let world = World::new();
    world.write("card/DCIM/100CANON/IMG_0001.JPG", b"");
    let done = world.ingest(&real(), "card", "").unwrap();
    assert_eq!((done.copied.0, done.empty.len()), (1, 1));
}

#[test]
fn a_target_on_the_card_is_refused() {
    let world = World::new();
    card(&world, "library/card");
    let refused = world.ingest(&real(), "library/card", "").unwrap_err().to_string();
    assert!(refused.contains("a card is never written to"), "{refused}");
    assert!(world.ingest(&real(), "nowhere", "").unwrap_err().to_string().contains("cannot be read"));
}
