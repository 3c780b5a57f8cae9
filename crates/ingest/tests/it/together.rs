//! What belongs together stays together: companions, structures.

use darkslide_ingest::mhl::MhlFinding;

use crate::harness::{World, card, noise, real};

const SHOOT: &str = "2026/2026-07-01_wedding";
/// What cameras and programs write before anything was edited: the same for each photograph.
const PLAIN: &[u8] = b"<x:xmpmeta/>";

#[test]
fn a_suffix_is_the_groups_and_sidecars_of_one_content_are_all_there() {
    let world = World::new();
    for (folder, n) in [("100CANON", 1), ("101CANON", 2)] {
        world.write(&format!("card/DCIM/{folder}/IMG_0001.CR3"), &noise(n, 50_000));
        world.write(&format!("card/DCIM/{folder}/IMG_0001.JPG"), &noise(n + 10, 20_000));
        world.write(&format!("card/DCIM/{folder}/IMG_0001.xmp"), PLAIN);
    }
    world.write("card/DCIM/101CANON/IMG_0002.CR3", &noise(3, 50_000));
    world.write("card/DCIM/101CANON/IMG_0002.xmp", PLAIN);
    let done = world.ingest(&real(), "card", "wedding").unwrap();
    assert!(done.is_whole(), "{done:?}");
    let library = world.files("library");
    for (name, seed, size) in [("IMG_0001", 1, 50_000), ("IMG_0001-2", 2, 50_000), ("IMG_0002", 3, 50_000)] {
        assert_eq!(library[&format!("{SHOOT}/{name}.CR3")], noise(seed, size), "{name}");
        assert_eq!(library[&format!("{SHOOT}/{name}.xmp")], PLAIN, "{name}");
    }
    assert_eq!(library[&format!("{SHOOT}/IMG_0001-2.JPG")], noise(12, 20_000));
    assert_eq!(library, world.files("second"));
    let again = world.ingest(&real(), "card", "wedding").unwrap();
    assert_eq!((again.copied.0, again.present.0), (0, 8), "{again:?}");
}

#[test]
fn a_companion_goes_to_where_its_photograph_was_moved() {
    let world = World::new();
    world.write("card/DCIM/100CANON/IMG_0001.CR3", &noise(1, 50_000));
    world.ingest(&real(), "card", "wedding").unwrap();
    for place in ["library", "second"] {
        std::fs::create_dir_all(world.path(&format!("{place}/best"))).unwrap();
        let from = world.path(&format!("{place}/{SHOOT}/IMG_0001.CR3"));
        std::fs::rename(from, world.path(&format!("{place}/best/kiss.CR3"))).unwrap();
    }
    // The photographer said something into the camera afterwards.
    world.write("card/DCIM/100CANON/IMG_0001.WAV", &noise(2, 9_000));
    let done = world.ingest(&real(), "card", "wedding").unwrap();
    assert_eq!((done.copied.0, done.present.0), (1, 1), "{done:?}");
    assert_eq!(world.files("library")["best/kiss.WAV"], noise(2, 9_000));
    assert_eq!(done.manifests.len(), 2);
    for manifest in &done.manifests {
        // It is written where the companion is; the photograph came with an earlier one.
        let checked = darkslide_ingest::mhl::verify(&real(), manifest, &crate::harness::Quiet).unwrap();
        assert_eq!((checked.good.0, checked.findings.len()), (1, 1), "{checked:?}");
        assert!(matches!(&checked.findings[0], MhlFinding::Additional { path } if *path == "kiss.CR3".into()));
    }
}

#[test]
fn clips_of_one_content_are_all_in_their_structure() {
    let world = World::new();
    for n in 1..=3 {
        world.write(&format!("card/PRIVATE/M4ROOT/CLIP/C000{n}.MP4"), &noise(7, 40_000));
    }
    world.write("card/PRIVATE/M4ROOT/THMBNL/C0001T01.JPG", &noise(8, 1_000));
    let done = world.ingest(&real(), "card", "wedding").unwrap();
    assert_eq!((done.copied.0, done.present.0), (4, 0), "{done:?}");
    assert_eq!(world.files("library").len(), 4);
    let again = world.ingest(&real(), "card", "wedding").unwrap();
    assert_eq!((again.copied.0, again.present.0), (0, 4), "{again:?}");
}

#[test]
fn two_cards_of_one_label_keep_their_structures_apart() {
    let world = World::new();
    for (name, n) in [("a", 1), ("b", 2)] {
        world.write(&format!("{name}/card/PRIVATE/M4ROOT/CLIP/C0001.MP4"), &noise(n, 40_000));
        world.write(&format!("{name}/card/PRIVATE/M4ROOT/CLIP/C000{}.MP4", n + 1), &noise(n + 10, 30_000));
        world.write(&format!("{name}/card/PRIVATE/M4ROOT/MEDIAPRO.XML"), &noise(n + 20, 300 + n as usize));
    }
    let labelled = |world: &World, at: &str| {
        let mut card = world.scan(&real(), at).unwrap();
        card.volume.label = "SONY".into();
        card
    };
    // One after the other, the second one twice; then both in one go.
    for at in ["a/card", "b/card", "b/card"] {
        world.ingest_cards(&real(), vec![labelled(&world, at)], "{date:%Y}/{name}", "").unwrap();
    }
    let library = world.files("library");
    let trees = |tree: &str| library.keys().filter(|path| path.contains(&format!("/{tree}/"))).count();
    assert_eq!((trees("card_SONY"), trees("card_SONY-2"), library.len()), (3, 3, 6), "{:?}", library.keys());
    let world = World::new();
    card(&world, "x/one");
    card(&world, "y/one");
    world.write("y/one/PRIVATE/M4ROOT/MEDIAPRO.XML", b"<another/>");
    world.write("y/one/PRIVATE/M4ROOT/CLIP/C0001.MP4", &noise(77, 100_000));
    let cards = ["x/one", "y/one"].map(|at| labelled(&world, at)).to_vec();
    let done = world.ingest_cards(&real(), cards, "{date:%Y}/{name}", "").unwrap();
    assert!(done.iter().all(|done| done.is_whole()), "{done:?}");
    let library = world.files("library");
    for tree in ["card_SONY", "card_SONY-2"] {
        let whole = library.keys().filter(|path| path.contains(&format!("/{tree}/PRIVATE/"))).count();
        assert_eq!(whole, 2, "{tree}: {:?}", library.keys());
    }
}

#[test]
fn a_clips_own_xml_tells_the_day_that_it_was_taken() {
    let world = World::new();
    // The file's time is of July, the camera's clock says October, at home already the next day.
    world.write("card/PRIVATE/M4ROOT/CLIP/C0001.MP4", &noise(7, 40_000));
    let xml = br#"<NonRealTimeMeta><CreationDate value="2026-10-18T23:30:00-05:00"/></NonRealTimeMeta>"#;
    world.write("card/PRIVATE/M4ROOT/CLIP/C0001M01.XML", xml);
    world.ingest(&real(), "card", "").unwrap();
    let library = world.files("library");
    assert!(library.keys().all(|path| path.starts_with("2026/2026-10-18/")), "{:?}", library.keys());
}

#[test]
fn a_photograph_under_a_name_like_macos_own_files_is_one() {
    let world = World::new();
    world.write("card/DCIM/100CANON/._IMG_0001.JPG", &noise(1, 5_000));
    world.write("card/DCIM/100CANON/._IMG_0002.JPG", &[&[0u8, 5, 0x16, 7][..], &noise(2, 4_000)].concat());
    world.write("card/lost+found/IMG_0003.JPG", &noise(3, 5_000));
    let done = world.ingest(&real(), "card", "").unwrap();
    assert_eq!((done.copied.0, done.ignored.len()), (2, 1), "{done:?}");
}

#[test]
fn a_target_behind_a_link_onto_the_card_is_refused_before_it_exists() {
    let world = World::new();
    card(&world, "card");
    std::os::unix::fs::symlink(world.path("card"), world.path("library")).unwrap();
    let refused = darkslide_ingest::apart(&world.path("library/photos/2026"), &world.path("card")).unwrap_err();
    assert!(refused.to_string().contains("a card is never written to"), "{refused}");
}
