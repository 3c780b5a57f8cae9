//! What a card brings can be seen before any backup.

use std::fs;
use std::path::PathBuf;

use darkslide_engine::words::ContentHash;
use darkslide_engine::{Founder, IdentityFile, IngestDone, IngestOptions, RunStop};
use darkslide_store::Fault;

use crate::harness::{self, World, audit, identity, same};
use crate::previews::{backup, elsewhere, names, photograph};

/// A library with a repository, and a card with three photographs, two of them the same, and a sidecar.
struct Scene {
    world: World,
    card: PathBuf,
    me: IdentityFile,
}

impl Scene {
    fn new() -> Self {
        Self::with_stores(1)
    }

    fn with_stores(stores: usize) -> Self {
        let world = World::empty();
        fs::create_dir_all(&world.library).unwrap();
        let me = identity();
        world.init(Founder::Identity(same(&me)), stores).unwrap();
        let card = world.folder.path().join("card");
        let dcim = card.join("DCIM/100EOSR5");
        fs::create_dir_all(&dcim).unwrap();
        for (name, day) in [("IMG_1.JPG", 1), ("IMG_2.JPG", 2), ("IMG_3.JPG", 2)] {
            fs::write(dcim.join(name), photograph(day, "EOS R5")).unwrap();
        }
        fs::write(dcim.join("IMG_1.XMP"), b"<x xmp:Rating='4'/>").unwrap();
        let scene = Self { world, card, me };
        scene.configure(&format!("library = \"{}\"", scene.world.library.display()));
        scene
    }

    fn configure(&self, ingest: &str) {
        let text = fs::read_to_string(&self.world.config).unwrap();
        let text = text.split("[ingest]").next().unwrap().to_string();
        fs::write(&self.world.config, format!("{text}\n[ingest]\n{ingest}\n")).unwrap();
    }

    fn ingest(&self) -> IngestDone {
        let options = IngestOptions { cards: vec![self.card.clone()], host: "studio".into(), ..Default::default() };
        self.world.engine().ingest(&options, &RunStop::default()).unwrap()
    }

    fn thumbnail(&self, hash: &ContentHash) -> bool {
        self.world.engine().thumbnail(hash, None).unwrap().is_some()
    }
}

#[test]
fn a_card_is_seen_before_any_backup_and_the_backup_makes_nothing_again() {
    let scene = Scene::new();
    let done = scene.ingest();
    assert!(done.is_whole());
    let previews = &done.previews;
    assert_eq!((previews.made.0, previews.pictured.0, &previews.left), (3, 2, &None), "{previews:?}");
    assert!(!previews.first.is_empty() && previews.first.iter().all(|hash| scene.thumbnail(hash)));
    assert_eq!(names(&scene.world, "previews/").len(), 1, "sealed, in the repository");
    assert!(names(&scene.world, "packs/").is_empty() && names(&scene.world, "snapshots/").is_empty());
    let there = elsewhere(&scene.world, &scene.me);
    let fetched = there.fetch_previews(&scene.me, &harness::Quiet).unwrap();
    assert_eq!((fetched.previews.0, fetched.thumbnails.0), (3, 2), "and elsewhere with the identity");

    let stored = backup(&scene.world).done;
    assert_eq!((stored.previewed.made.0, stored.counts.new_files.0 >= 3), (0, true), "{stored:?}");
    let engine = scene.world.engine();
    let stats = engine.previews_status().unwrap().stats;
    assert_eq!((stats.photographs.0, stats.described.0, stats.pictured.0, stats.due.0), (2, 2, 2, 0));
    assert_eq!(names(&scene.world, "previews/").len(), 1);
    assert_eq!(audit(&engine, Some(&scene.me)).damages(), 0);
    // The same card again: nothing is new.
    assert_eq!(scene.ingest().previews.made.0, 0);
}

#[test]
fn a_store_that_fails_leaves_the_ingest_whole_and_the_previews_to_the_backup() {
    for fault in [Fault::FullAt, Fault::PowerBefore, Fault::PowerAfter] {
        let scene = Scene::new();
        scene.world.store(0).arm(fault(1));
        let done = scene.ingest();
        assert!(scene.world.store(0).heal(), "it struck");
        assert!(done.is_whole() && done.copied().0 == 3, "the card is in the library all the same: {done:?}");
        assert!(done.previews.left.is_some());
        backup(&scene.world);
        let engine = scene.world.engine();
        let stats = engine.previews_status().unwrap().stats;
        assert_eq!((stats.photographs.0, stats.described.0, stats.due.0), (2, 2, 0));
        assert_eq!(names(&scene.world, "previews/").len(), 1, "what was put is adopted");
        assert_eq!(audit(&engine, Some(&scene.me)).damages(), 0);
    }
}

#[test]
fn without_a_store_without_a_job_or_where_none_are_wanted_there_are_none() {
    let scene = Scene::new();
    scene.world.unplug(0);
    let done = scene.ingest();
    assert!(done.is_whole() && done.previews.left.is_some(), "{done:?}");
    scene.world.plug(0);

    let scene = Scene::new();
    let inbox = scene.world.folder.path().join("inbox");
    scene.configure(&format!("library = \"{}\"", inbox.display()));
    let done = scene.ingest();
    assert_eq!((done.copied().0, done.previews.made.0, done.previews.left), (3, 0, None), "no job stores that folder");
    assert!(names(&scene.world, "previews/").is_empty());

    let scene = Scene::new();
    let library = scene.world.library.join("2024/in");
    scene.configure(&format!("library = \"{}\"\n[previews]\nmake = false", library.display()));
    assert_eq!(scene.ingest().previews.made.0, 0);
    scene.configure(&format!("library = \"{}\"", library.display()));
    fs::write(scene.card.join("DCIM/100EOSR5/IMG_4.JPG"), photograph(4, "EOS R6")).unwrap();
    assert_eq!(scene.ingest().previews.made.0, 4, "a folder within a library is stored with it; what was there, too");
}

#[test]
fn a_stopped_ingest_of_previews_is_an_ingest_all_the_same() {
    let scene = Scene::new();
    let options = IngestOptions { cards: vec![scene.card.clone()], ..Default::default() };
    let stops = StopsAtNote(RunStop::default());
    let done = scene.world.engine().ingest(&options, &stops).unwrap();
    assert!(done.is_whole() && done.previews.left.is_some(), "{done:?}");
    assert_eq!(done.previews.made.0, 0);
    backup(&scene.world);
    assert_eq!(scene.world.engine().previews_status().unwrap().stats.described.0, 2);
}

/// A snapshot is where all that it needs is: what an ingest put into one store alone, the backup brings to the other first.
#[test]
fn a_store_that_was_away_or_full_has_the_previews_after_the_backup() {
    for away in [true, false] {
        let scene = Scene::with_stores(2);
        match away {
            true => scene.world.unplug(1),
            false => scene.world.store(1).arm(Fault::FullAt(1)),
        }
        let done = scene.ingest();
        assert!(done.is_whole() && done.previews.made.0 == 3, "{done:?}");
        match away {
            true => scene.world.plug(1),
            false => assert!(scene.world.store(1).heal(), "it struck"),
        }
        let there = |store| harness::names(&scene.world.store(store), "previews/");
        assert_eq!((there(0).len(), there(1).len()), (1, 0));
        let stored = backup(&scene.world).done;
        assert_eq!((stored.previewed.made.0, stored.behind.len()), (0, 0), "{stored:?}");
        assert_eq!(there(0), there(1), "away: {away}");
        let snapshots = |store| harness::names(&scene.world.store(store), "snapshots/");
        assert_eq!(snapshots(0), snapshots(1));
        assert_eq!(audit(&scene.world.engine(), Some(&scene.me)).damages(), 0);
    }
}

/// Stops when it is told that previews begin.
struct StopsAtNote(RunStop);

impl darkslide_engine::observe::IngestObserver for StopsAtNote {
    fn progress(&self, _: &darkslide_engine::observe::IngestProgress) {}
    fn problem(&self, _: &darkslide_engine::words::Name, _: &str) {}
    fn note(&self, text: &str) {
        if text.contains("previews are made") {
            self.0.stop("enough");
        }
    }
    fn cancelled(&self) -> bool {
        self.0.is_stopped()
    }
}
