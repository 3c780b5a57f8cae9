//! Repairs: what is damaged × where good bytes come from; power cuts on the way; what cannot be
//! repaired is named.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use darkslide_engine::words::{Clock as _, OsRng, SystemClock};
use darkslide_engine::{
    Cure, Engine, Founder, Harm, InitOptions, PackSizes, RepairOptions, RepairPlan, Repaired, Severity, StoreOpener,
    StoreSettings,
};
use darkslide_store::{Fault, Store, StoreError};
use darkslide_store_dir::DirStore;

use crate::harness::{Quiet, Shelf, World, audit, backup, identity, names, noise, restores, same, scrub, tree};

/// Directories as they are, and stores in memory, which are written once, under `/stores/`.
pub struct Places {
    pub shelf: Arc<Shelf>,
}

impl StoreOpener for Places {
    fn create(&self, settings: &StoreSettings) -> Result<Arc<dyn Store>, StoreError> {
        match settings.path.as_deref() {
            Some(path) if !path.starts_with("/stores") => {
                Ok(Arc::new(DirStore::create(path)?.with_parity(settings.parity_percent())))
            }
            _ => self.shelf.create(settings),
        }
    }

    fn open(&self, settings: &StoreSettings) -> Result<Arc<dyn Store>, StoreError> {
        match settings.path.as_deref() {
            Some(path) if !path.starts_with("/stores") => {
                Ok(Arc::new(DirStore::open(path, &SystemClock::default())?.with_parity(settings.parity_percent())))
            }
            _ => self.shelf.open(settings),
        }
    }
}

struct Scene {
    world: World,
    me: darkslide_engine::IdentityFile,
}

impl Scene {
    /// Three shoots with sidecars, backed up one by one.
    fn new(stores: Vec<StoreSettings>) -> Self {
        Self::with(stores, &[])
    }

    /// The same with a file of several chunks in some of them.
    fn with(stores: Vec<StoreSettings>, large: &[&str]) -> Self {
        let scene = Self { world: World::empty(), me: identity() };
        let options = InitOptions {
            cloud: Default::default(),
            config: scene.world.config.clone(),
            library: scene.world.library.clone(),
            stores,
            founder: Founder::Identity(same(&scene.me)),
            writer: "studio".into(),
            pack: PackSizes { target: darkslide_engine::words::Bytes::mib(16), ..PackSizes::default() },
        };
        Engine::init(options, scene.opener(), scene.world.clock(), &mut OsRng).unwrap();
        for (n, shoot) in ["a", "b", "c"].iter().enumerate() {
            scene.world.write(&format!("{shoot}/IMG_1.CR3"), &noise(n as u64, 300_000));
            if large.contains(shoot) {
                scene.world.write(&format!("{shoot}/IMG_2.CR3"), &noise(n as u64 + 50, 40_000_000));
            }
            scene.world.write(&format!("{shoot}/IMG_1.xmp"), format!("sidecar of {shoot}").as_bytes());
            backup(&scene.engine());
        }
        scene
    }

    fn opener(&self) -> Arc<dyn StoreOpener> {
        Arc::new(Places { shelf: self.world.shelf.clone() })
    }

    fn engine(&self) -> Engine {
        Engine::load(&self.world.config, self.opener(), self.world.clock()).unwrap()
    }

    fn plan(&self) -> RepairPlan {
        self.engine().plan_repair(&RepairOptions::default()).unwrap()
    }

    fn repair(&self) -> Repaired {
        let plan = self.plan();
        self.engine().repair(&plan, &RepairOptions::default(), &Quiet).unwrap()
    }

    /// Every snapshot comes back, and no check finds damage.
    fn is_whole(&self, context: &str) {
        let report = audit(&self.engine(), Some(&self.me));
        assert_eq!(report.damages(), 0, "{context}: {:?}", report.findings);
        let scrubbed = scrub(&self.engine(), Some(&self.me));
        assert_eq!(scrubbed.damages(), 0, "{context}: {:?}", scrubbed.findings);
        let out = self.world.target(&context.replace(|c: char| !c.is_ascii_alphanumeric(), "_"));
        restores(&self.engine(), "latest", &out, &self.me, &tree(&self.world.library));
    }
}

fn folder(scene_folder: &tempfile::TempDir, name: &str) -> PathBuf {
    scene_folder.path().join(name)
}

/// The files of a directory store below a prefix that are objects, sorted.
fn objects(root: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = tree(root)
        .into_iter()
        .filter(|(path, facts)| facts.0 == 'f' && path.to_string_lossy().starts_with(prefix))
        .map(|(path, _)| root.join(path))
        .collect();
    all.sort();
    all
}

const HARMS: [&str; 3] = ["missing", "truncated", "flipped"];

fn harm(path: &Path, harm: &str) {
    let bytes = fs::read(path).unwrap();
    match harm {
        "missing" => fs::remove_file(path).unwrap(),
        "truncated" => fs::write(path, &bytes[..bytes.len() / 2]).unwrap(),
        _ => {
            let mut bytes = bytes;
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x10;
            fs::write(path, bytes).unwrap();
        }
    }
}

#[test]
fn rot_is_found_by_a_scrub_and_healed_from_parity() {
    let places = tempfile::tempdir().unwrap();
    let root = folder(&places, "disk");
    let scene = Scene::new(vec![StoreSettings { parity: Some("10 %".into()), ..StoreSettings::dir(&root) }]);
    let before = objects(&root, "packs/");
    let good: Vec<Vec<u8>> = before.iter().map(|path| fs::read(path).unwrap()).collect();
    for path in &before {
        harm(path, "flipped");
    }
    harm(&objects(&root, "snapshots/")[0], "flipped");
    assert_eq!(scene.plan(), RepairPlan::default(), "what nobody has read is not known to be damaged");
    let report = scrub(&scene.engine(), None);
    assert_eq!(report.healable.0, before.len() as u64 + 1, "{:?}", report.findings);
    assert_eq!(report.damages(), before.len() + 1);
    let untouched = tree(&root);
    let plan = scene.plan();
    assert!(plan.mends.iter().all(|mend| matches!(mend.cure, Cure::Parity { .. })), "{plan:?}");
    assert!(untouched == tree(&root), "a plan touches nothing");
    let done = scene.repair();
    assert_eq!((done.healed.0, done.failed.len()), (before.len() as u64 + 1, 0), "{done:?}");
    assert!(before.iter().zip(&good).all(|(path, good)| fs::read(path).unwrap() == *good));
    assert_eq!(objects(&root, "damaged/").len(), before.len() + 1, "what was damaged is kept");
    assert!(scene.plan().is_empty(), "{:?}", scene.plan());
    scene.is_whole("parity");
}

/// Every sort of object × every sort of damage, with another store that is whole.
#[test]
fn another_store_gives_what_one_has_lost() {
    for harmed in HARMS {
        let places = tempfile::tempdir().unwrap();
        let (one, two) = (folder(&places, "one"), folder(&places, "two"));
        let scene = Scene::new(vec![StoreSettings::dir(&one), StoreSettings::dir(&two)]);
        let mut victims = Vec::new();
        for kind in [
            "packs/",
            "warm/",
            "trees/",
            "index/",
            "previews/",
            "refs/",
            "snapshots/",
            "keys/",
            "config/",
            "writers/",
            "recover.py",
        ] {
            victims.push(objects(&one, kind).pop().unwrap());
        }
        let good: Vec<Vec<u8>> = victims.iter().map(|path| fs::read(path).unwrap()).collect();
        victims.iter().for_each(|path| harm(path, harmed));
        scrub(&scene.engine(), None);
        let plan = scene.plan();
        // The help for people is not named by its content: that a bit of it flipped nobody can tell.
        let expected = if harmed == "flipped" { victims.len() - 1 } else { victims.len() };
        assert_eq!(plan.mends.len(), expected, "{harmed}: {plan:?}");
        assert!(plan.mends.iter().all(|mend| matches!(mend.cure, Cure::Store { .. })), "{harmed}: {plan:?}");
        let only_two = RepairOptions { store: Some(two.display().to_string()), max_cost: None };
        assert_eq!(scene.engine().plan_repair(&only_two).unwrap(), RepairPlan::default(), "{harmed}");
        let done = scene.repair();
        assert_eq!((done.copied.0 as usize, done.failed.len()), (expected, 0), "{harmed}: {done:?}");
        for (path, good) in victims.iter().zip(&good).take(expected) {
            assert!(fs::read(path).unwrap() == *good, "{harmed}: {}", path.display());
        }
        let kept = if harmed == "missing" { 0 } else { expected };
        assert_eq!(objects(&one, "damaged/").len(), kept, "{harmed}");
        scene.is_whole(harmed);
    }
}

/// No other store, no parity: the library gives the same chunks, sealed into new packs.
#[test]
fn the_library_gives_what_no_store_has() {
    for harmed in HARMS {
        for kind in ["packs/", "warm/", "trees/"] {
            let places = tempfile::tempdir().unwrap();
            let root = folder(&places, "disk");
            let large: &[&str] = if kind == "packs/" && harmed == "missing" { &["b"] } else { &[] };
            let scene = Scene::with(vec![StoreSettings::dir(&root)], large);
            let context = format!("{kind} {harmed}");
            let victims = objects(&root, kind);
            victims.iter().for_each(|path| harm(path, harmed));
            if harmed == "flipped" {
                scrub(&scene.engine(), None);
            }
            let plan = scene.plan();
            let by_library = |mend: &darkslide_engine::Mend| matches!(mend.cure, Cure::Library { .. });
            assert!(plan.mends.len() == victims.len() && plan.mends.iter().all(by_library), "{context}: {plan:?}");
            assert_eq!(plan.hopeless, [], "{context}");
            let refs = objects(&root, "refs/").len();
            let done = scene.repair();
            assert_eq!((done.failed.len(), done.unread.len()), (0, 0), "{context}: {done:?}");
            assert!(done.snapshots.0 >= 1 && !done.packs.is_empty(), "{context}: {done:?}");
            assert_eq!(objects(&root, "refs/").len(), refs + done.snapshots.0 as usize, "{context}");
            assert!(victims.iter().all(|path| path.exists() == (harmed != "missing")), "{context}: nothing is deleted");
            // Once more does nothing more.
            let again = scene.repair();
            assert_eq!((again.packs.len(), again.snapshots.0, again.failed.len()), (0, 0, 0), "{context}: {again:?}");
            let report = audit(&scene.engine(), Some(&scene.me));
            assert_eq!(report.damages(), 0, "{context}: {:?}", report.findings);
            assert!(report.findings.iter().any(|f| f.severity == Severity::Note) || harmed == "flipped", "{context}");
            scene.is_whole(&context);
            // The next snapshot relies on the new packs alone.
            backup(&scene.engine());
            victims.iter().filter(|path| path.exists()).for_each(|path| fs::remove_file(path).unwrap());
            restores(&scene.engine(), "latest", &scene.world.target("after"), &scene.me, &tree(&scene.world.library));
        }
    }
}

/// A store that overwrites nothing: the damaged object stays, its content goes into a new pack.
#[test]
fn a_store_that_is_written_once_gets_a_new_pack() {
    let scene = Scene::new(vec![StoreSettings::dir(World::store_path(0))]);
    let store = scene.world.store(0);
    let victim = names(&store, "packs/")[0].clone();
    store.inner().damage(&victim, |bytes| bytes[5000] ^= 1);
    let rotten = store.read(&victim, None).unwrap();
    scrub(&scene.engine(), None);
    let plan = scene.plan();
    assert!(matches!(plan.mends[..], [darkslide_engine::Mend { cure: Cure::Library { .. }, .. }]), "{plan:?}");
    assert!(matches!(plan.mends[0].harm, Harm::Damaged { .. }));
    let done = scene.repair();
    assert_eq!(done.failed, [], "{done:?}");
    assert_eq!(store.read(&victim, None).unwrap(), rotten, "nothing is overwritten");
    // A later scrub knows that nothing is lost with it.
    let report = scrub(&scene.engine(), None);
    assert_eq!((report.damages(), report.count(Severity::Warning)), (0, 1), "{:?}", report.findings);
    // New snapshots do not rely on what is rotten, though it is listed.
    scene.world.write("d/IMG_9.CR3", &fs::read(scene.world.library.join("a/IMG_1.CR3")).unwrap());
    backup(&scene.engine());
    store.inner().delete(&victim).unwrap();
    restores(&scene.engine(), "latest", &scene.world.target("out"), &scene.me, &tree(&scene.world.library));
}

#[test]
fn what_cannot_be_repaired_is_named_with_its_photographs() {
    let scene = Scene::new(vec![StoreSettings::dir(World::store_path(0))]);
    let store = scene.world.store(0);
    // Gone from the library, then gone from the store; older snapshots alone hold it.
    fs::remove_dir_all(scene.world.library.join("a")).unwrap();
    backup(&scene.engine());
    let before: Vec<_> = names(&store, "");
    let all = names(&store, "packs/");
    all.iter().for_each(|pack| store.inner().delete(pack).unwrap());
    let plan = scene.plan();
    let lost: Vec<String> = plan.hopeless.iter().flat_map(|pack| &pack.photographs).map(ToString::to_string).collect();
    assert!(lost.iter().any(|path| path == "a/IMG_1.CR3"), "{plan:?}");
    assert!(lost.iter().all(|path| path.starts_with("a/")), "the library still has the others: {lost:?}");
    let done = scene.repair();
    assert!(!done.failed.is_empty() && !done.packs.is_empty(), "{done:?}");
    assert!(names(&store, "").len() > before.len() - all.len());
    // All that could be brought back was.
    restores(&scene.engine(), "latest", &scene.world.target("out"), &scene.me, &tree(&scene.world.library));
}

/// The power goes at the n-th PUT, before or after; the next repair goes on and nothing is missing.
#[test]
fn a_power_cut_at_every_put_of_a_repair() {
    for after in [false, true] {
        let mut cuts = 0;
        for n in 1.. {
            let scene = Scene::new(vec![StoreSettings::dir(World::store_path(0))]);
            let store = scene.world.store(0);
            for pack in names(&store, "packs/").iter().chain(&names(&store, "warm/")) {
                store.inner().delete(pack).unwrap();
            }
            let plan = scene.plan();
            store.arm(if after { Fault::PowerAfter(n) } else { Fault::PowerBefore(n) });
            let done = scene.engine().repair(&plan, &RepairOptions::default(), &Quiet);
            store.heal();
            let cut = done.is_err();
            if cut {
                cuts += 1;
                let done = scene.repair();
                assert_eq!(done.failed, [], "{after} {n}: {done:?}");
            }
            let again = scene.repair();
            assert_eq!((again.packs.len(), again.snapshots.0), (0, 0), "{after} {n}: {again:?}");
            let report = audit(&scene.engine(), Some(&scene.me));
            assert_eq!(report.damages(), 0, "{after} {n}: {:?}", report.findings);
            restores(&scene.engine(), "latest", &scene.world.target("out"), &scene.me, &tree(&scene.world.library));
            if !cut {
                break;
            }
        }
        assert!(cuts >= 4, "only {cuts} writes");
    }
}

#[test]
fn parity_for_what_was_stored_before_is_made_by_a_repair() {
    let places = tempfile::tempdir().unwrap();
    let root = folder(&places, "disk");
    let scene = Scene::new(vec![StoreSettings::dir(&root)]);
    assert!(scene.plan().is_empty());
    let text = fs::read_to_string(&scene.world.config).unwrap();
    let path = format!("path = \"{}\"", root.display());
    fs::write(&scene.world.config, text.replace(&path, &format!("{path}\nparity = \"10 %\""))).unwrap();
    let plan = scene.plan();
    assert!(plan.mends.is_empty() && plan.unprotected.len() == 1, "{plan:?}");
    assert_eq!(scrub(&scene.engine(), None).without_parity, plan.unprotected[0].objects);
    let done = scene.repair();
    assert_eq!(done.protected, plan.unprotected[0].objects);
    assert!(scene.plan().is_empty(), "{:?}", scene.plan());
    harm(&objects(&root, "packs/")[0], "flipped");
    assert_eq!(scrub(&scene.engine(), None).healable.0, 1);
    // A parity file that rots is found, and made anew.
    let worn = &objects(&root, "parity/packs/")[1];
    harm(worn, "flipped");
    assert_eq!(scrub(&scene.engine(), None).count(Severity::Warning), 1);
    let done = scene.repair();
    assert_eq!((done.healed.0, done.protected.0, done.failed.len()), (1, 1, 0), "{done:?}");
    scene.is_whole("made");
}

/// Budgets: what was read longest ago first, a share a night, and it says whether that is enough.
#[test]
fn a_scrub_within_a_budget_goes_on_where_it_was() {
    use darkslide_engine::words::Bytes;
    use darkslide_engine::{CheckOptions, Rotation, Sample};
    let places = tempfile::tempdir().unwrap();
    let scene = Scene::new(vec![StoreSettings::dir(folder(&places, "disk"))]);
    let day = std::time::Duration::from_secs(86_400);
    let night = |days: u32, bytes: u64| {
        let rotation = Rotation { every: days * day, bytes: Some(Bytes(bytes)), time: None };
        let options = CheckOptions { sample: Sample::Rotation(rotation) };
        let report = scene.engine().scrub(options, None, &mut OsRng, &Quiet).unwrap();
        assert_eq!(report.damages(), 0, "{:?}", report.findings);
        report
    };
    let first = night(90, 350_000);
    let rotated = first.rotated.unwrap();
    assert!(rotated.round_days.is_some_and(|days| (2..=5).contains(&days)), "{rotated:?}");
    assert!(first.bytes.0 > 0 && first.bytes.0 <= 350_000, "{}", first.bytes);
    let late = night(1, 100_000);
    assert!(late.findings.iter().any(|f| f.severity == Severity::Warning && f.what.contains("takes")), "{late:?}");
    let mut nights = 0;
    while night(90, 350_000).rotated.unwrap().round_days.is_some() {
        nights += 1;
        assert!(nights < 10, "a round has an end");
    }
    assert_eq!(night(90, 350_000).bytes, Bytes(0), "all was read lately");
    scene.world.clock.set(scene.world.clock.now().plus(85 * day));
    assert!(night(90, 350_000).bytes.0 > 0, "its turn comes again");
    let time = Rotation { every: day, bytes: None, time: Some(std::time::Duration::ZERO) };
    let none = scene.engine().scrub(CheckOptions { sample: Sample::Rotation(time) }, None, &mut OsRng, &Quiet).unwrap();
    assert_eq!(none.bytes, Bytes(0), "no time, nothing read");
    assert!(none.findings.iter().any(|f| f.severity == Severity::Warning), "and that is said");
}
