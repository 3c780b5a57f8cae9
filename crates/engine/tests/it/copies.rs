//! Copies counted: what counts as one, on which media, and what does not count any more.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use darkslide_engine::words::{Bytes, Name, OsRng, SystemClock};
use darkslide_engine::{
    CopiesGroup, CopiesReport, Engine, Founder, GroupBy, InitOptions, PackSizes, StoreOpener, StoreSettings,
};

use darkslide_store::{Fault, FaultyStore, Store, StoreError};
use darkslide_store_dir::DirStore;

use crate::harness::{Quiet, World, backup, identity, noise, scrub, tree};
use crate::repair::Places;

fn copies(engine: &Engine, path: Option<&str>, by: GroupBy) -> (CopiesReport, Vec<CopiesGroup>) {
    let mut groups = Vec::new();
    let path = path.map(Name::from);
    let report = engine.copies(path.as_ref(), by, &mut |group| groups.push(group.clone())).unwrap();
    (report, groups)
}

/// A library, and directories that hold all of it.
struct Scene {
    world: World,
}

impl Scene {
    fn new(stores: usize) -> Self {
        let scene = Self { world: World::empty() };
        let shoots = ["2024/a/1.CR3", "2024/a/2.CR3", "2024/b/1.CR3", "2025/c/1.CR3", "2025/c/1.xmp"];
        for (n, path) in shoots.iter().enumerate() {
            scene.world.write(path, &noise(n as u64, 200_000));
        }
        let options = InitOptions {
            cloud: Default::default(),
            config: scene.world.config.clone(),
            library: scene.world.library.clone(),
            stores: (0..stores).map(|n| StoreSettings::dir(scene.root(n))).collect(),
            founder: Founder::Identity(identity()),
            writer: "studio".into(),
            pack: PackSizes { target: Bytes::mib(16), ..PackSizes::default() },
        };
        Engine::init(options, scene.opener(), scene.world.clock(), &mut OsRng).unwrap();
        backup(&scene.engine());
        scene
    }

    fn root(&self, n: usize) -> PathBuf {
        self.world.folder.path().join(format!("disk{n}"))
    }

    fn opener(&self) -> Arc<dyn StoreOpener> {
        Arc::new(Places { shelf: self.world.shelf.clone() })
    }

    fn engine(&self) -> Engine {
        Engine::load(&self.world.config, self.opener(), self.world.clock()).unwrap()
    }

    fn configure(&self, from: &str, to: &str) {
        let text = fs::read_to_string(&self.world.config).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(&self.world.config, text.replacen(from, to, 1)).unwrap();
    }

    /// The first object of a kind in a store.
    fn first(&self, n: usize, prefix: &str) -> PathBuf {
        let found = tree(&self.root(n)).into_iter().find(|(path, f)| f.0 == 'f' && path.starts_with(prefix));
        self.root(n).join(found.unwrap().0)
    }

    /// Files that the n-th place holds.
    fn at(&self, n: usize) -> u64 {
        copies(&self.engine(), None, GroupBy::Shoot).0.places[n].files.0
    }
}

#[test]
fn the_library_and_each_store_that_has_all_of_a_file_are_copies() {
    let scene = Scene::new(2);
    let (report, groups) = copies(&scene.engine(), None, GroupBy::Shoot);
    assert_eq!(
        groups.iter().map(|g| (g.name.as_str(), g.files.0)).collect::<Vec<_>>(),
        [("2024/a", 2), ("2024/b", 1), ("2025/c", 2)]
    );
    assert_eq!((report.files.0, report.places.len()), (5, 3));
    assert!(groups.iter().all(|group| group.worst.copies == 3), "{groups:?}");
    // Nothing is outside the house: not enough for anybody.
    assert_eq!(report.lacking.0, 5);
    assert!(report.worst[0].1.contains("none outside the house"), "{:?}", report.worst);
    let path = format!("path = \"{}\"", scene.root(1).display());
    scene.configure(&path, &format!("{path}\noff_site = true\nmedia = \"cloud\""));
    let engine = scene.engine();
    let (report, _) = copies(&engine, None, GroupBy::Shoot);
    assert_eq!((report.lacking.0, report.worst.len()), (0, 0), "{report:?}");
    assert!(report.places.iter().any(|place| place.medium == "cloud" && place.off_site));
    let (_, years) = copies(&engine, None, GroupBy::Year);
    assert_eq!(years.iter().map(|g| (g.name.as_str(), g.files.0)).collect::<Vec<_>>(), [("2024", 3), ("2025", 2)]);
    let (report, photos) = copies(&engine, Some("2024/a"), GroupBy::Photo);
    assert_eq!((report.files.0, photos[1].name.as_str()), (2, "2024/a/2.CR3"));
    assert_eq!(copies(&engine, Some("2024/a/2.CR3"), GroupBy::Photo).0.files.0, 1);
    assert_eq!(copies(&engine, Some("2024/"), GroupBy::Photo).0.files.0, 0, "a path is a path");
}

#[test]
fn a_damaged_missing_or_unreached_copy_does_not_count() {
    let scene = Scene::new(2);
    assert_eq!((scene.at(1), scene.at(2)), (5, 5));
    let pack = scene.first(1, "packs");
    let mut bytes = fs::read(&pack).unwrap();
    bytes[700] ^= 1;
    fs::write(&pack, bytes).unwrap();
    assert_eq!(scene.at(2), 5, "nobody has read it yet");
    scrub(&scene.engine(), None);
    assert!(scene.at(2) < 5, "what was found damaged is no copy");
    assert_eq!(scene.at(1), 5);
    fs::remove_file(&pack).unwrap();
    assert!(scene.at(2) < 5);
    // A store without the snapshot has packs, but nobody finds the photographs in them.
    fs::remove_file(scene.first(0, "snapshots")).unwrap();
    assert_eq!(scene.at(1), 0);
    fs::rename(scene.root(1), scene.world.folder.path().join("away")).unwrap();
    let (report, _) = copies(&scene.engine(), None, GroupBy::Shoot);
    assert!(report.places[2].problem.is_some() && report.places[2].files.0 == 0, "{report:?}");
    assert_eq!(report.places[0].files.0, 5);
}

#[test]
fn a_mirror_is_a_copy_of_what_it_copied() {
    let scene = Scene::new(1);
    let world = &scene.world;
    let nas = world.folder.path().join("nas");
    fs::create_dir(&nas).unwrap();
    let text = fs::read_to_string(&world.config).unwrap();
    let mirror =
        format!("\n[[mirror]]\nname = \"nas\"\ntarget = \"{}\"\nmedia = \"nas\"\noff_site = true\n", nas.display());
    fs::write(&world.config, text + &mirror).unwrap();
    let engine = scene.engine();
    assert_eq!(copies(&engine, None, GroupBy::Shoot).0.places[1].files.0, 0);
    engine.mirror(None, &Default::default(), &Mirroring).unwrap();
    let (report, groups) = copies(&engine, None, GroupBy::Shoot);
    assert_eq!((report.places[1].files.0, report.places[1].medium.as_str()), (5, "nas"));
    assert_eq!(report.lacking.0, 0, "{groups:?}");
    assert!(report.places[1].verified.is_some());
    // Edited and backed up, not mirrored yet: the mirror holds another version.
    world.write("2024/a/1.CR3", &noise(99, 200_001));
    backup(&scene.engine());
    let (report, _) = copies(&scene.engine(), None, GroupBy::Shoot);
    assert_eq!((report.places[1].files.0, report.lacking.0), (4, 1));
    assert_eq!(report.worst[0].0, Name::from("2024/a/1.CR3"));
}

/// One folder is one copy, whatever the configuration calls it.
#[test]
fn a_second_target_that_is_the_mirror_counts_once() {
    let scene = Scene::new(1);
    let world = &scene.world;
    let (nas, card) = (world.folder.path().join("nas"), world.folder.path().join("card/DCIM/100TEST"));
    fs::create_dir(&nas).unwrap();
    std::os::unix::fs::symlink(&nas, world.folder.path().join("other-name")).unwrap();
    fs::create_dir_all(&card).unwrap();
    fs::write(card.join("IMG_1.JPG"), noise(7, 50_000)).unwrap();
    let text = fs::read_to_string(&world.config).unwrap();
    let library = format!("[ingest]\nlibrary = \"{}\"\n", world.library.display());
    let mirror = format!("[[mirror]]\nname = \"nas\"\ntarget = \"{}\"\n", nas.display());
    fs::write(&world.config, format!("{text}\n{library}{mirror}")).unwrap();
    let cards = || vec![world.folder.path().join("card")];
    let ingest = darkslide_engine::IngestOptions { cards: cards(), ..Default::default() };
    scene.engine().ingest(&ingest, &darkslide_engine::RunStop::default()).unwrap();
    backup(&scene.engine());
    scene.engine().mirror(None, &Default::default(), &Mirroring).unwrap();
    let second = format!("second = [\"{}\"]\n", world.folder.path().join("other-name").display());
    fs::write(&world.config, format!("{text}\n{library}{second}{mirror}")).unwrap();
    let engine = scene.engine();
    engine.ingest(&ingest, &darkslide_engine::RunStop::default()).unwrap();
    let (report, photos) = copies(&engine, None, GroupBy::Photo);
    let new = photos.iter().find(|group| group.name.contains("IMG_1")).unwrap();
    let at: Vec<u64> = new.places.iter().map(|count| count.0).collect();
    assert_eq!((at, report.places.len()), (vec![1, 1, 1, 1], 4), "library, second target, mirror, store");
    assert_eq!(new.worst.copies, 3, "but two of them are one: {report:?}");
}

#[test]
fn a_library_whose_disk_is_not_mounted_is_no_copy() {
    let scene = Scene::new(1);
    assert_eq!(scene.at(0), 5);
    fs::rename(&scene.world.library, scene.world.folder.path().join("away")).unwrap();
    fs::create_dir(&scene.world.library).unwrap();
    let (report, _) = copies(&scene.engine(), None, GroupBy::Shoot);
    assert_eq!(report.places[0].files.0, 0);
    assert!(report.places[0].problem.as_ref().unwrap().contains("mounted"), "{report:?}");
}

#[test]
fn what_was_counted_counts_until_something_runs_or_is_configured_otherwise() {
    let scene = Scene::new(1);
    let of = |scene: &Scene| scene.engine().copies_in_all().unwrap().unwrap().places[1].files.0;
    assert_eq!(of(&scene), 5);
    fs::remove_file(scene.first(0, "packs")).unwrap();
    assert_eq!(of(&scene), 5, "nothing ran");
    scrub(&scene.engine(), None);
    assert!(of(&scene) < 5);
    let found = scene.engine().status().unwrap();
    assert!(found.copies.unwrap().lacking.0 > 0 && !found.is_rule_set);
    scene.configure("[[store]]", "[copies]\ncopies = 1\nmedia = 1\noff_site = false\n\n[[store]]");
    let found = scene.engine().status().unwrap();
    assert!(found.copies.unwrap().lacking.0 == 0 && found.is_rule_set);
}

#[test]
fn a_truncated_replacement_replaces_nothing() {
    let scene = Scene::new(1);
    fs::remove_file(scene.first(0, "packs")).unwrap();
    let files = || tree(&scene.root(0)).into_iter().filter(|(_, f)| f.0 == 'f').map(|(path, _)| path);
    let before: std::collections::BTreeSet<_> = files().collect();
    let plan = scene.engine().plan_repair(&Default::default()).unwrap();
    scene.engine().repair(&plan, &Default::default(), &Quiet).unwrap();
    assert_eq!(scene.at(1), 5);
    let new = files().find(|path| path.starts_with("packs/") && !before.contains(path));
    let new = scene.root(0).join(new.unwrap());
    let bytes = fs::read(&new).unwrap();
    fs::write(&new, &bytes[..bytes.len() / 2]).unwrap();
    assert!(scene.at(1) < 5);
}

struct Mirroring;
impl darkslide_engine::observe::MirrorObserver for Mirroring {
    fn progress(&self, _: &darkslide_engine::observe::MirrorProgress) {}
    fn problem(&self, path: &Name, reason: &str) {
        panic!("{path}: {reason}");
    }
    fn note(&self, _: &str) {}
    fn cancelled(&self) -> bool {
        false
    }
}

/// A pack whose content was sealed again elsewhere counts where that is.
#[test]
fn what_was_repaired_counts_again() {
    let scene = Scene::new(1);
    fs::remove_file(scene.first(0, "packs")).unwrap();
    let before = scene.at(1);
    let plan = scene.engine().plan_repair(&Default::default()).unwrap();
    scene.engine().repair(&plan, &Default::default(), &Quiet).unwrap();
    assert!(before < 5, "{before}");
    assert_eq!(scene.at(1), 5);
}

/// Opens directories whose n-th call of all is the last.
struct Failing(u64);
impl StoreOpener for Failing {
    fn create(&self, settings: &StoreSettings) -> Result<Arc<dyn Store>, StoreError> {
        self.open(settings)
    }
    fn open(&self, settings: &StoreSettings) -> Result<Arc<dyn Store>, StoreError> {
        let store = FaultyStore::new(DirStore::open(settings.path.as_deref().unwrap(), &SystemClock::default())?);
        store.arm(Fault::CallBefore(self.0));
        Ok(Arc::new(store))
    }
}

#[test]
fn a_store_that_fails_while_copies_are_counted_leaves_the_rest_of_the_screen() {
    let (mut uncounted, mut counted) = (0, 0);
    for n in 1..40 {
        let scene = Scene::new(1);
        let engine = Engine::load(&scene.world.config, Arc::new(Failing(n)), scene.world.clock()).unwrap();
        let status = engine.status().unwrap();
        assert_eq!(status.jobs.len(), 1, "{n}");
        let told = engine.todo(&status, &[]).iter().any(|what| what.contains("could not be counted"));
        assert_eq!(told, status.copies_problem.is_some(), "{n}");
        uncounted += usize::from(told);
        if status.copies.is_some() {
            counted = n;
            break;
        }
    }
    assert!(uncounted > 0 && counted > 0, "{uncounted} times it struck in the count, {counted}");
}
