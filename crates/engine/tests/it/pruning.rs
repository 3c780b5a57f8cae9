//! Forget and prune with real backups: in a directory that grows old, and with a prune
//! at each moment of a backup.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use darkslide_engine::words::{Bytes, Clock, FixedClock, ObjectName, OsRng};
use darkslide_engine::{
    Act, Engine, Fate, ForgetOptions, Founder, IdentityFile, InitOptions, JoinWith, OpenOptions, PackSizes,
    PruneOptions, Rules, StoreOpener, StoreSettings,
};
use darkslide_store::{
    Capabilities, MemoryStore, OnListed, PutFacts, PutOutcome, ReadOutcome, Store, StoreError, list_all,
};
use darkslide_store_dir::DirStore;

use crate::harness::{
    Quiet, Tree, World, audit, backup, identity, names, noise, restores, same, scrub, tree, try_backup,
};

const DAY: Duration = Duration::from_secs(86_400);

/// What happens at each call of a store.
type Hook = Box<dyn FnMut(u64) + Send>;

/// A store in memory with a clock, in which others work at each call.
struct Hooked {
    inner: Arc<MemoryStore>,
    calls: AtomicU64,
    hook: Mutex<Option<Hook>>,
}

impl Hooked {
    fn tick(&self) {
        let n = self.calls.fetch_add(1, Ordering::SeqCst);
        let taken = self.hook.lock().unwrap().take();
        if let Some(mut hook) = taken {
            hook(n);
            *self.hook.lock().unwrap() = Some(hook);
        }
    }
}

impl Store for Hooked {
    fn label(&self) -> String {
        "/store".into()
    }
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
    fn put(&self, name: &ObjectName, bytes: &[u8], facts: &PutFacts) -> Result<PutOutcome, StoreError> {
        self.tick();
        self.inner.put(name, bytes, facts)
    }
    fn read(&self, name: &ObjectName, range: Option<Range<u64>>) -> Result<ReadOutcome, StoreError> {
        self.tick();
        self.inner.read(name, range)
    }
    fn list(&self, prefix: &str, each: &mut OnListed<'_>) -> Result<(), StoreError> {
        self.tick();
        self.inner.list(prefix, each)
    }
    fn delete(&self, name: &ObjectName) -> Result<(), StoreError> {
        self.tick();
        self.inner.delete(name)
    }
}

/// Gives everybody the same store.
struct One(Arc<dyn Store>);

impl StoreOpener for One {
    fn create(&self, _: &StoreSettings) -> Result<Arc<dyn Store>, StoreError> {
        Ok(self.0.clone())
    }
    fn open(&self, _: &StoreSettings) -> Result<Arc<dyn Store>, StoreError> {
        Ok(self.0.clone())
    }
}

/// Opens directories.
struct Dirs(Arc<FixedClock>);

impl StoreOpener for Dirs {
    fn create(&self, settings: &StoreSettings) -> Result<Arc<dyn Store>, StoreError> {
        Ok(Arc::new(DirStore::create(settings.path.as_deref().unwrap())?))
    }
    fn open(&self, settings: &StoreSettings) -> Result<Arc<dyn Store>, StoreError> {
        Ok(Arc::new(DirStore::open(settings.path.as_deref().unwrap(), &*self.0)?))
    }
}

struct Desk {
    folder: tempfile::TempDir,
    clock: Arc<FixedClock>,
    me: IdentityFile,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("library")).unwrap();
        // Today: a directory's times are the machine's.
        let today = darkslide_engine::words::SystemClock::default().now();
        Self { folder, clock: Arc::new(FixedClock::new(today)), me: identity() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, seed: u64, bytes: usize) {
        let path = self.path("library").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, noise(seed, bytes)).unwrap();
    }

    fn pass(&self, days: u32) {
        self.clock.set(self.clock.now().plus(days * DAY));
    }

    fn init(&self, opener: Arc<dyn StoreOpener>) -> Engine {
        let options = InitOptions {
            cloud: Default::default(),
            config: self.path("studio.toml"),
            library: self.path("library"),
            stores: vec![StoreSettings::dir(self.path("store"))],
            founder: Founder::Identity(same(&self.me)),
            writer: "studio".into(),
            pack: PackSizes { target: Bytes::mib(16), ..PackSizes::default() },
        };
        Engine::init(options, opener, self.clock.clone(), &mut OsRng).unwrap().0
    }

    fn join(&self, name: &str, opener: Arc<dyn StoreOpener>) -> Engine {
        let options = OpenOptions {
            config: self.path(&format!("{name}.toml")),
            stores: vec![StoreSettings::dir(self.path("store"))],
            with: JoinWith::Identity(same(&self.me)),
            library: None,
            writer: name.into(),
            owner: None,
        };
        Engine::open(options, opener, self.clock.clone(), &mut OsRng).unwrap().0
    }
}

fn keep_last(n: u32) -> ForgetOptions {
    let rules = Rules { last: n, ..Rules::default() };
    ForgetOptions { rules: Some(rules), writers: vec!["studio".into()], ..ForgetOptions::default() }
}

fn forget(engine: &Engine, options: &ForgetOptions) -> u64 {
    let plan = engine.forget_plan(options, None).unwrap();
    engine.forget(&plan).unwrap().snapshots.0
}

fn prune(engine: &Engine) -> darkslide_engine::PruneDone {
    engine.prune(&PruneOptions::default(), &mut |_| true, &Quiet).unwrap().unwrap()
}

/// All of a store's objects become so many days older.
fn age(root: &Path, days: u32) {
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            age(&path, days);
        } else {
            let file = fs::File::options().write(true).open(&path).unwrap();
            let modified = file.metadata().unwrap().modified().unwrap();
            file.set_modified(modified - days * DAY).unwrap();
        }
    }
}

fn objects(store: &dyn Store, prefix: &str) -> usize {
    list_all(store, prefix).unwrap().len()
}

#[test]
fn backups_are_forgotten_and_pruned_and_what_is_kept_comes_back() {
    let desk = Desk::new();
    let opener = Arc::new(Dirs(desk.clock.clone()));
    let engine = desk.init(opener.clone());
    let other = desk.join("laptop", opener.clone());
    let root = desk.path("store");
    // The directory grows old; the clock of the machines stays a little ahead of it.
    let mut kept: Vec<(ObjectName, Tree)> = Vec::new();
    for n in 0..6 {
        desk.write(&format!("2024/shoot-{n}/IMG.CR3"), n, 300_000);
        desk.write("2024/notes.xmp", 100 + n, 2_000);
        if n >= 2 {
            fs::remove_dir_all(desk.path("library").join(format!("2024/shoot-{}", n - 2))).unwrap();
        }
        desk.pass(1);
        let snapshot = backup(&engine).done.snapshot;
        kept.push((snapshot, tree(&desk.path("library"))));
        age(&root, 1);
    }
    let store = DirStore::open(&root, &*desk.clock).unwrap();
    let before = (objects(&store, "packs/"), objects(&store, "refs/"));
    // A plan says why, and does nothing.
    let plan = engine.forget_plan(&keep_last(2), None).unwrap();
    assert_eq!(plan.forgotten().count(), 4);
    assert!(plan.to_string().contains("the last complete one, last"), "{plan}");
    assert_eq!(objects(&store, "snapshots/"), 6);
    assert_eq!(forget(&engine, &keep_last(2)), 4);
    assert_eq!(forget(&engine, &keep_last(2)), 0, "a second time there is nothing to do");
    assert_eq!(objects(&store, "snapshots/"), 2);
    assert_eq!(audit(&engine, Some(&desk.me)).damages(), 0);
    assert_eq!(audit(&other, Some(&desk.me)).damages(), 0, "another machine learns that it was forgotten");
    // All is young: nothing happens. Then it is condemned, then deleted.
    assert_eq!(prune(&engine).pruned.condemned.0, 0);
    age(&root, 31);
    let dry = engine.prune_plan(&PruneOptions::default()).unwrap();
    assert!(dry.sum(Act::Condemn).0.0 > 0 && dry.sum(Act::Delete).0.0 == 0, "{dry}");
    assert!(prune(&engine).pruned.condemned.0 > 0);
    assert_eq!(objects(&store, "packs/"), before.0);
    assert_eq!(audit(&engine, Some(&desk.me)).damages(), 0);
    age(&root, 31);
    let done = prune(&engine);
    assert!(done.pruned.deleted.0 > 0 && done.pruned.bytes.0 > 600_000, "{:?}", done.pruned);
    assert!(objects(&store, "packs/") < before.0 && objects(&store, "refs/") <= before.1);
    assert_eq!(audit(&engine, Some(&desk.me)).damages(), 0);
    assert_eq!(audit(&other, Some(&desk.me)).damages(), 0);
    prune(&engine);
    let again = prune(&engine);
    assert!(again.plan.is_empty(), "{}", again.plan);
    assert_eq!(objects(&store, "condemned/"), 4, "that four were forgotten is remembered, no more");
    for machine in [&engine, &other] {
        assert_eq!(audit(machine, Some(&desk.me)).damages(), 0);
        assert_eq!(scrub(machine, Some(&desk.me)).damages(), 0);
    }
    for (n, (snapshot, wanted)) in kept.iter().enumerate().skip(4) {
        restores(&engine, snapshot.as_str(), &desk.path(&format!("out-{n}")), &desk.me, wanted);
    }
    // A machine that joins now knows nothing of what was there.
    let new = desk.join("new", opener);
    restores(&new, kept[5].0.as_str(), &desk.path("out-new"), &desk.me, &kept[5].1);
    assert_eq!(audit(&new, Some(&desk.me)).damages(), 0);
    // What was deleted is stored again when it comes back.
    desk.write("2024/shoot-0/IMG.CR3", 0, 300_000);
    backup(&engine);
    restores(&engine, "latest", &desk.path("out-last"), &desk.me, &tree(&desk.path("library")));
    assert_eq!(audit(&engine, Some(&desk.me)).damages(), 0);
}

#[test]
fn a_machine_without_an_identity_knows_whose_each_snapshot_is() {
    let desk = Desk::new();
    let clock: Arc<dyn Clock> = desk.clock.clone();
    let store = Arc::new(MemoryStore::with_clock(clock));
    let opener = Arc::new(One(store.clone()));
    let engine = desk.init(opener.clone());
    let pruner = desk.join("pruner", opener);
    for n in 0..4 {
        desk.write("IMG.CR3", n, 50_000);
        desk.pass(1);
        backup(&engine);
    }
    let plan = pruner.forget_plan(&keep_last(2), None).unwrap();
    // The newest has nobody yet who names it; it stays beside the two that count.
    let fates: Vec<bool> = plan.snapshots.iter().map(|j| j.fate.is_forget()).collect();
    assert_eq!(fates, [true, false, false, false], "{plan}");
    assert!(matches!(&plan.snapshots[3].fate, Fate::Keep(why) if why[0].contains("nothing vouches")), "{plan}");
    // Without a word about the writer only this machine's own are meant.
    let own = ForgetOptions { writers: Vec::new(), ..keep_last(2) };
    assert_eq!(pruner.forget_plan(&own, None).unwrap().forgotten().count(), 0);
    let opened = pruner.forget_plan(&keep_last(2), Some(&desk.me)).unwrap();
    assert_eq!(opened.forgotten().count(), 2);
    let named = ForgetOptions { snapshots: vec![plan.snapshots[1].snapshot.name.to_string()], ..Default::default() };
    assert_eq!(forget(&pruner, &named), 1);
    assert_eq!(objects(&*store, "snapshots/"), 3);
}

#[test]
fn a_store_that_was_away_brings_nothing_back() {
    let world = World::empty();
    for n in 0..2 {
        world.put_store(n, MemoryStore::with_clock(world.clock()));
    }
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 2).unwrap();
    let pass = |days: u32| world.clock.set(world.clock.now().plus(days * DAY));
    for n in 0..3 {
        world.write(&format!("shoot-{n}/IMG.CR3"), &noise(n, 200_000));
        if n > 0 {
            fs::remove_dir_all(world.library.join(format!("shoot-{}", n - 1))).unwrap();
        }
        pass(1);
        backup(&engine);
    }
    let count = |n: usize, prefix: &str| names(&world.store(n), prefix).len();
    world.unplug(1);
    let done = engine.forget(&engine.forget_plan(&keep_last(1), None).unwrap()).unwrap();
    assert_eq!((done.snapshots.0, done.absent.len()), (2, 1));
    assert_eq!((count(0, "snapshots/"), count(1, "snapshots/")), (1, 3));
    world.plug(1);
    world.write("shoot-2/IMG.xmp", b"edited");
    backup(&engine);
    assert_eq!((count(0, "snapshots/"), count(1, "snapshots/")), (2, 4), "what was forgotten stays so");
    assert_eq!(forget(&engine, &keep_last(2)), 2);
    assert_eq!((count(0, "snapshots/"), count(1, "snapshots/")), (2, 2));
    pass(31);
    assert!(prune(&engine).pruned.condemned.0 > 0);
    pass(31);
    // Deleted in one store; the other one, which still has it, is away.
    world.unplug(1);
    let before = count(0, "packs/");
    assert!(prune(&engine).pruned.deleted.0 > 0);
    let after = count(0, "packs/");
    assert!(after < before && count(1, "packs/") == before);
    world.plug(1);
    assert!(prune(&engine).pruned.deleted.0 > 0);
    backup(&engine);
    assert_eq!((count(0, "packs/"), count(1, "packs/")), (after, after));
    prune(&engine);
    assert!(prune(&engine).plan.is_empty());
    assert_eq!(audit(&engine, Some(&me)).damages(), 0);
    assert_eq!(scrub(&engine, Some(&me)).damages(), 0);
    for n in 0..2 {
        world.unplug(1 - n);
        restores(&world.engine(), "latest", &world.target(&format!("{n}")), &me, &tree(&world.library));
        world.plug(1 - n);
    }
}

#[test]
fn what_is_deleted_in_one_store_alone_does_not_hold_a_backup_up() {
    let world = World::empty();
    for n in 0..2 {
        world.put_store(n, MemoryStore::with_clock(world.clock()));
    }
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 2).unwrap();
    let pass = |days: u32| world.clock.set(world.clock.now().plus(days * DAY));
    world.write("a/IMG.CR3", &noise(1, 200_000));
    backup(&engine);
    fs::remove_dir_all(world.library.join("a")).unwrap();
    world.write("b/IMG.CR3", &noise(2, 200_000));
    pass(1);
    backup(&engine);
    assert_eq!(forget(&engine, &keep_last(1)), 1);
    pass(31);
    prune(&engine);
    pass(31);
    world.unplug(1);
    assert!(prune(&engine).pruned.deleted.0 > 0);
    let left = names(&world.store(0), "packs/").len();
    world.plug(1);
    // `backup` checks that no store is behind.
    backup(&engine);
    assert_eq!(names(&world.store(0), "packs/").len(), left, "what was pruned is not copied back");
    assert_eq!(audit(&engine, Some(&me)).damages(), 0);
}

/// One machine backs up, another one prunes at the n-th call of it; what happens then is
/// given. Whatever is put must hold.
fn race(condemned_before: bool) {
    for n in 0.. {
        let desk = Desk::new();
        let clock: Arc<dyn Clock> = desk.clock.clone();
        let inner = Arc::new(MemoryStore::with_clock(clock));
        let hooked = Arc::new(Hooked { inner: inner.clone(), calls: AtomicU64::new(0), hook: Mutex::default() });
        let plain = Arc::new(Hooked { inner, calls: AtomicU64::new(0), hook: Mutex::default() });
        let engine = desk.init(Arc::new(One(hooked.clone())));
        let pruner = Arc::new(desk.join("pruner", Arc::new(One(plain))));
        desk.write("b/IMG_3.CR3", 3, 200_000);
        backup(&engine);
        // A run of its own, so that nothing else lies in its packs.
        desk.write("a/IMG_1.CR3", 1, 60_000);
        desk.write("a/IMG_2.CR3", 2, 200_000);
        desk.pass(1);
        backup(&engine);
        fs::remove_dir_all(desk.path("library").join("a")).unwrap();
        desk.pass(1);
        backup(&engine);
        assert_eq!(forget(&engine, &keep_last(1)), 2);
        desk.pass(31);
        let dry = pruner.prune_plan(&PruneOptions::default()).unwrap();
        assert!(dry.units.iter().any(|u| u.object.as_str().starts_with("packs/")), "{dry}");
        if condemned_before {
            assert!(prune(&pruner).pruned.condemned.0 > 0);
            desk.pass(31);
        }
        // The same photographs come back: their chunks are known, and about to go.
        desk.write("a/IMG_1.CR3", 1, 60_000);
        desk.write("a/IMG_2.CR3", 2, 200_000);
        let begun = hooked.calls.load(Ordering::SeqCst);
        let (who, when) = (pruner.clone(), desk.clock.clone());
        *hooked.hook.lock().unwrap() = Some(Box::new(move |call| {
            if call == begun + n {
                prune(&who);
                when.set(when.now().plus(31 * DAY));
                prune(&who);
            }
        }));
        let raced = try_backup(&engine);
        let over = hooked.calls.load(Ordering::SeqCst) <= begun + n;
        *hooked.hook.lock().unwrap() = None;
        if let Ok(done) = &raced {
            restores(&engine, done.done.snapshot.as_str(), &desk.path("raced"), &desk.me, &tree(&desk.path("library")));
        }
        assert_eq!(audit(&engine, Some(&desk.me)).damages(), 0, "{n}");
        backup(&engine);
        for _ in 0..3 {
            desk.pass(31);
            prune(&pruner);
        }
        restores(&engine, "latest", &desk.path("latest"), &desk.me, &tree(&desk.path("library")));
        assert_eq!(audit(&engine, Some(&desk.me)).damages(), 0, "{n}");
        if over {
            assert!(n > 20, "a backup has more calls than {n}");
            return;
        }
    }
}

#[test]
fn a_prune_that_condemns_and_deletes_at_any_moment_of_a_backup() {
    race(false);
}

#[test]
fn a_prune_that_deletes_at_any_moment_of_a_backup() {
    race(true);
}
