//! Previews and photographs, from the library through a store to a machine that has only an identity.

use std::fs;

use darkslide_engine::words::{Clock as _, Name, ObjectName};
use darkslide_engine::{
    BackupDone, BackupOptions, Engine, ForgetOptions, Founder, IdentityFile, JoinWith, PhotographAsk, PhotographOrder,
    PhotographState, PruneOptions,
};
use darkslide_store::{Fault, MemoryStore};

use crate::harness::{self, Quiet, World, audit, identity, same};

/// A JPEG whose EXIF says when, with what, and where.
pub fn photograph(day: u8, model: &str) -> Vec<u8> {
    let date = format!("2024:05:{day:02} 10:00:00\0");
    let texts: [(u16, Vec<u8>); 3] =
        [(0x010f, b"Canon\0".to_vec()), (0x0110, format!("{model}\0").into_bytes()), (0x0132, date.into_bytes())];
    let mut tiff = b"II*\0\x08\0\0\0".to_vec();
    tiff.extend((texts.len() as u16).to_le_bytes());
    let mut at = 8 + 2 + 12 * texts.len() as u32 + 4;
    let mut values: Vec<u8> = Vec::new();
    for (tag, text) in &texts {
        tiff.extend(tag.to_le_bytes());
        tiff.extend(2u16.to_le_bytes());
        tiff.extend((text.len() as u32).to_le_bytes());
        tiff.extend(at.to_le_bytes());
        at += text.len() as u32;
        values.extend(text);
    }
    tiff.extend([0; 4]);
    tiff.extend(values);
    let mut exif = b"Exif\0\0".to_vec();
    exif.extend(tiff);
    let mut out = vec![0xff, 0xd8, 0xff, 0xe1];
    out.extend((exif.len() as u16 + 2).to_be_bytes());
    out.extend(exif);
    out.extend(&picture(day)[2..]);
    out
}

/// A small picture, each day's another.
fn picture(seed: u8) -> Vec<u8> {
    let (width, height) = (64u16, 48u16);
    let pixels: Vec<u8> = (0..usize::from(width) * usize::from(height) * 3)
        .map(|n| (n as u8).wrapping_mul(seed).wrapping_add(seed))
        .collect();
    let mut out = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut out, 80);
    encoder.encode(&pixels, width, height, jpeg_encoder::ColorType::Rgb).unwrap();
    out
}

fn filled() -> World {
    let world = World::empty();
    fs::create_dir_all(world.library.join("2024/may")).unwrap();
    for day in 1..=9 {
        let model = if day % 2 == 0 { "EOS R5" } else { "Canon EOS R6" };
        fs::write(world.library.join(format!("2024/may/IMG_{day}.JPG")), photograph(day, model)).unwrap();
    }
    fs::write(world.library.join("2024/may/IMG_3.xmp"), b"<x xmp:Rating='5'/>").unwrap();
    fs::write(world.library.join("broken.jpg"), b"\xff\xd8 not a picture at all").unwrap();
    fs::write(world.library.join("notes.txt"), b"no photograph").unwrap();
    world
}

fn all(engine: &Engine, ask: &PhotographAsk) -> Vec<String> {
    engine.photographs(ask).unwrap().photographs.into_iter().map(|one| one.name).collect()
}

fn oldest() -> PhotographAsk {
    PhotographAsk { order: PhotographOrder::Oldest, ..PhotographAsk::default() }
}

pub fn names(world: &World, prefix: &str) -> Vec<ObjectName> {
    harness::names(&world.store(0), prefix)
}

fn found(world: &World) -> IdentityFile {
    let me = identity();
    world.init(Founder::Identity(same(&me)), 1).unwrap();
    me
}

fn options() -> BackupOptions {
    BackupOptions { host: "studio".into(), ..BackupOptions::default() }
}

/// A backup an hour later.
pub fn backup(world: &World) -> BackupDone {
    world.clock.set(world.clock.now().plus(std::time::Duration::from_secs(3600)));
    harness::backup(&world.engine())
}

/// A machine without a library.
pub fn elsewhere(world: &World, me: &IdentityFile) -> Engine {
    let options = darkslide_engine::OpenOptions {
        config: world.folder.path().join("elsewhere/darkslide.toml"),
        stores: vec![darkslide_engine::StoreSettings::dir(World::store_path(0))],
        with: JoinWith::Identity(same(me)),
        library: None,
        writer: "elsewhere".into(),
        owner: None,
    };
    let mut rng = darkslide_engine::words::OsRng;
    Engine::open(options, world.shelf.clone(), world.clock(), &mut rng).unwrap().0
}

#[test]
fn a_backup_makes_previews_and_the_library_can_be_asked() {
    let world = filled();
    let owner = found(&world);
    let done = backup(&world);
    let previewed = &done.done.previewed;
    assert_eq!((previewed.made.0, previewed.pictured.0, previewed.troubled.0), (11, 9, 1), "{previewed:?}");
    assert_eq!(previewed.problems[0].0, Name::from("broken.jpg"));
    assert_eq!(done.done.counts.failed.0, 0, "a photograph without a preview is a photograph");
    assert_eq!(names(&world, "previews/").len(), 1);
    let engine = world.engine();

    let may = PhotographAsk { from: Some("2024-05".into()), until: Some("2024-05-04".into()), ..oldest() };
    assert_eq!(all(&engine, &may), ["IMG_1.JPG", "IMG_2.JPG", "IMG_3.JPG", "IMG_4.JPG"]);
    let r5 = PhotographAsk { cameras: vec!["Canon EOS R5".into()], ..oldest() };
    assert_eq!(all(&engine, &r5), ["IMG_2.JPG", "IMG_4.JPG", "IMG_6.JPG", "IMG_8.JPG"]);
    let rated = PhotographAsk { stars: Some(5), ..oldest() };
    assert_eq!(all(&engine, &rated), ["IMG_3.JPG"], "the sidecar says so");
    let broken = PhotographAsk { text: Some("BROKEN".into()), ..oldest() };
    assert_eq!(all(&engine, &broken), ["broken.jpg"]);
    let readable = PhotographAsk { state: Some(PhotographState::Readable), ..oldest() };
    assert_eq!(all(&engine, &readable).len(), 10, "a directory is never cold");
    assert!(all(&engine, &PhotographAsk { state: Some(PhotographState::Cold), ..oldest() }).is_empty());

    let timeline = engine.photograph_timeline(&PhotographAsk { text: Some("IMG".into()), ..oldest() }).unwrap();
    assert_eq!((timeline.count.0, timeline.months.len(), timeline.months[0].month), (9, 1, 5));
    let facets = engine.photograph_facets(&oldest()).unwrap();
    assert_eq!(facets.cameras[0].value, "Canon EOS R6");
    let mut page = PhotographAsk { limit: Some(4), ..oldest() };
    let mut seen = Vec::new();
    loop {
        let got = engine.photographs(&page).unwrap();
        seen.extend(got.photographs.into_iter().map(|one| one.name));
        match got.next {
            Some(next) => page.after = Some(next),
            None => break,
        }
    }
    assert_eq!(seen, all(&engine, &oldest()));

    let third = engine.photograph_at(None, &Name::from("2024/may/IMG_3.JPG")).unwrap();
    assert_eq!(third.photograph.taken, "2024-05-03T10:00:00");
    assert_eq!(third.files.len(), 2);
    assert_eq!(third.facts.as_ref().unwrap().model.as_deref(), Some("Canon EOS R6"));
    let places: Vec<(&str, PhotographState)> = third.copies.iter().map(|copy| (copy.kind, copy.state)).collect();
    assert_eq!(places, [("library", PhotographState::Readable), ("store", PhotographState::Readable)]);
    let hash = engine.photographs(&rated).unwrap().photographs[0].hash.parse().unwrap();
    let jpeg = engine.thumbnail(&hash, None).unwrap().unwrap();
    assert!(jpeg.starts_with(&[0xff, 0xd8]));
    drop(owner);
    assert_eq!(audit(&engine, None).damages(), 0);
}

#[test]
fn nothing_is_made_twice_and_what_changes_is_made_anew() {
    let world = filled();
    found(&world);
    backup(&world);
    assert_eq!(backup(&world).done.previewed.made.0, 0);
    fs::rename(world.library.join("2024/may/IMG_1.JPG"), world.library.join("moved.JPG")).unwrap();
    fs::write(world.library.join("2024/may/IMG_3.xmp"), b"<x xmp:Rating='2'/>").unwrap();
    fs::remove_file(world.library.join("2024/may/IMG_2.JPG")).unwrap();
    assert_eq!(backup(&world).done.previewed.made.0, 1, "the sidecar alone: content that moved is known");
    let engine = world.engine();
    assert_eq!(all(&engine, &PhotographAsk { text: Some("moved".into()), ..oldest() }), ["moved.JPG"]);
    assert!(all(&engine, &PhotographAsk { text: Some("IMG_2".into()), ..oldest() }).is_empty());
    let third = engine.photograph_at(None, &Name::from("2024/may/IMG_3.JPG")).unwrap();
    assert_eq!(third.photograph.stars, Some(2));
    assert_eq!(third.facts.unwrap().rating, None);
}

#[test]
fn a_new_machine_sees_everything_with_the_identity_and_no_pack_is_read() {
    let world = filled();
    let owner = found(&world);
    backup(&world);
    let engine = elsewhere(&world, &owner);
    for name in names(&world, "packs/").into_iter().chain(names(&world, "warm/")) {
        world.store(0).inner().damage(&name, |bytes| bytes.clear());
    }
    assert!(all(&engine, &oldest()).is_empty());
    let fetched = engine.fetch_previews(&same(&owner), &Quiet).unwrap();
    assert_eq!((fetched.packs.0, fetched.thumbnails.0, fetched.photographs.0), (1, 9, 10), "{fetched:?}");
    assert_eq!(all(&engine, &PhotographAsk { stars: Some(5), ..oldest() }), ["IMG_3.JPG"]);
    assert_eq!(all(&engine, &oldest()).len(), 10);
    let third = engine.photograph_at(None, &Name::from("2024/may/IMG_3.JPG")).unwrap();
    let hash = third.photograph.hash.parse().unwrap();
    let jpeg = engine.thumbnail(&hash, None).unwrap();
    assert_eq!(jpeg, world.engine().thumbnail(&hash, None).unwrap(), "the same thumbnail as where it was made");
    // Once more changes nothing.
    engine.fetch_previews(&same(&owner), &Quiet).unwrap();
    assert_eq!(all(&engine, &oldest()).len(), 10);
}

#[test]
fn switched_off_there_are_none_and_make_makes_them_later() {
    let world = filled();
    found(&world);
    let on = fs::read_to_string(&world.config).unwrap();
    fs::write(&world.config, format!("{on}\n[previews]\nmake = false\n")).unwrap();
    assert_eq!(backup(&world).done.previewed.made.0, 0);
    assert!(names(&world, "previews/").is_empty());
    let engine = world.engine();
    assert_eq!(all(&engine, &oldest()).len(), 10, "listed by name and by the file system's date");
    assert!(engine.make_previews(&options(), &Quiet).is_err());
    fs::write(&world.config, on).unwrap();
    assert_eq!(backup(&world).done.previewed.made.0, 0, "what was stored before is not read again for it");
    let engine = world.engine();
    let (due, done) = engine.make_previews(&options(), &Quiet).unwrap();
    assert_eq!((due.0, done.done.previewed.made.0), (11, 11));
    assert_eq!(engine.previews_status().unwrap().stats.due.0, 0);
    assert_eq!(all(&engine, &PhotographAsk { stars: Some(5), ..oldest() }), ["IMG_3.JPG"]);
}

#[test]
fn a_flipped_bit_is_told_and_what_it_hit_is_made_again() {
    let world = filled();
    let owner = found(&world);
    backup(&world);
    let pack = names(&world, "previews/").remove(0);
    assert!(world.store(0).inner().damage(&pack, |bytes| bytes[1000] ^= 1));
    let report = harness::scrub(&world.engine(), None);
    assert!(report.findings.iter().any(|finding| finding.object.as_ref() == Some(&pack)), "{report:?}");
    let other = elsewhere(&world, &owner);
    let fetched = other.fetch_previews(&same(&owner), &Quiet).unwrap();
    assert_eq!((fetched.packs.0, fetched.refused.len(), fetched.photographs.0), (0, 1, 10));
    assert_eq!(all(&other, &oldest()).len(), 10, "every photograph is there all the same");
    let to = world.target("all");
    harness::restores(&world.engine(), "latest", &to, &owner, &harness::tree(&world.library));
    let (due, done) = world.engine().make_previews(&options(), &Quiet).unwrap();
    assert_eq!((due.0, done.done.previewed.made.0), (11, 11));
    let fetched = other.fetch_previews(&same(&owner), &Quiet).unwrap();
    assert_eq!((fetched.packs.0, fetched.refused.len()), (1, 1));
}

#[test]
fn a_power_cut_at_every_put_leaves_no_photograph_without_its_preview() {
    for fault in [Fault::PowerBefore, Fault::PowerAfter] {
        for n in 1.. {
            let world = filled();
            let me = found(&world);
            world.store(0).arm(fault(n));
            let cut = harness::try_backup(&world.engine());
            let struck = world.store(0).heal();
            assert_eq!(cut.is_err(), struck, "{n}: {cut:?}");
            backup(&world);
            let engine = world.engine();
            let stats = engine.previews_status().unwrap().stats;
            assert_eq!((stats.photographs.0, stats.described.0, stats.due.0), (10, 10, 0), "{n}");
            assert_eq!(audit(&engine, Some(&me)).damages(), 0, "{n}");
            let there = names(&world, "previews/").len();
            assert!((1..=2).contains(&there), "{n}: what was stored is adopted, not stored again: {there}");
            if !struck {
                assert!(n > 3, "the fault never struck");
                break;
            }
        }
    }
}

#[test]
fn previews_stay_as_long_as_a_snapshot_needs_them() {
    let world = filled();
    world.put_store(0, MemoryStore::with_clock(world.clock()));
    let me = found(&world);
    let pass = |days: u64| world.clock.set(world.clock.now().plus(std::time::Duration::from_secs(days * 86_400)));
    let first = backup(&world).done.snapshot;
    let old = names(&world, "previews/").remove(0);
    fs::remove_dir_all(world.library.join("2024")).unwrap();
    fs::remove_file(world.library.join("broken.jpg")).unwrap();
    fs::write(world.library.join("new.jpg"), photograph(20, "EOS R5")).unwrap();
    pass(1);
    backup(&world);
    assert_eq!(names(&world, "previews/").len(), 2);
    let engine = world.engine();
    let prune = |world: &World| {
        for _ in 0..3 {
            pass(31);
            let options = PruneOptions::default();
            world.engine().prune(&options, &mut |_| true, &Quiet).unwrap();
        }
    };
    prune(&world);
    assert!(names(&world, "previews/").contains(&old), "the first snapshot is shown with it");
    let options = ForgetOptions { snapshots: vec![first.to_string()], ..ForgetOptions::default() };
    let plan = engine.forget_plan(&options, Some(&me)).unwrap();
    engine.forget(&plan).unwrap();
    prune(&world);
    let left = names(&world, "previews/");
    assert!(left.len() == 1 && left[0] != old, "{left:?}");
    assert_eq!(audit(&engine, Some(&me)).damages(), 0);
    // What comes back is made again.
    fs::write(world.library.join("again.jpg"), photograph(1, "Canon EOS R6")).unwrap();
    assert_eq!(backup(&world).done.previewed.made.0, 1);
}

#[test]
fn a_lost_pack_of_previews_holds_no_store_back() {
    let world = filled();
    let me = identity();
    world.init(Founder::Identity(same(&me)), 2).unwrap();
    world.unplug(1);
    let done = harness::try_backup(&world.engine()).unwrap();
    assert_eq!(done.done.behind.len(), 1);
    let pack = names(&world, "previews/").remove(0);
    world.store(0).inner().damage(&pack, |bytes| bytes[1000] ^= 1);
    world.plug(1);
    backup(&world);
    assert!(harness::names(&world.store(1), "snapshots/").len() == 2, "it got both snapshots");
    assert!(harness::names(&world.store(1), "previews/").is_empty(), "and not what is damaged");
    let findings = audit(&world.engine(), Some(&me)).findings;
    assert!(!findings.is_empty(), "what is missing is told");
    assert_eq!(audit(&world.engine(), Some(&me)).damages(), 0);
}
