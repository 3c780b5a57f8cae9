//! A world to test in: a library in a folder, stores in memory, a clock.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use darkslide_engine::observe::{BackupObserver, CheckObserver, RestoreObserver};
use darkslide_engine::words::{Bytes, Clock, FixedClock, Name, ObjectName, OsRng, Time};
use darkslide_engine::{
    BackupDone, BackupOptions, Engine, EngineError, Existing, Founder, IdentityFile, InitOptions, JoinWith,
    OpenOptions, PackSizes, Report, RestoreOptions, Restored, Sample, StoreOpener, StoreSettings,
};
use darkslide_store::{FaultyStore, MemoryStore, Store, StoreError};

pub type TestStore = FaultyStore<MemoryStore>;

/// Stores in memory, by path.
#[derive(Default)]
pub struct Shelf {
    stores: Mutex<HashMap<PathBuf, Arc<TestStore>>>,
    unplugged: Mutex<HashSet<PathBuf>>,
}

impl StoreOpener for Shelf {
    fn create(&self, settings: &StoreSettings) -> Result<Arc<dyn Store>, StoreError> {
        let mut stores = self.stores.lock().unwrap();
        let new = || Arc::new(FaultyStore::new(MemoryStore::default()));
        Ok(stores.entry(settings.path.clone().unwrap()).or_insert_with(new).clone())
    }

    fn open(&self, settings: &StoreSettings) -> Result<Arc<dyn Store>, StoreError> {
        let gone = self.unplugged.lock().unwrap().contains(settings.path.as_ref().unwrap());
        match self.stores.lock().unwrap().get(settings.path.as_ref().unwrap()) {
            Some(store) if !gone => Ok(store.clone()),
            _ => Err(StoreError::Unreachable { store: settings.label(), source: std::io::ErrorKind::NotFound.into() }),
        }
    }
}

pub struct Quiet;
impl BackupObserver for Quiet {}
impl RestoreObserver for Quiet {}
impl CheckObserver for Quiet {}

pub struct World {
    pub folder: tempfile::TempDir,
    pub library: PathBuf,
    pub shelf: Arc<Shelf>,
    pub clock: Arc<FixedClock>,
    pub config: PathBuf,
}

pub fn identity() -> IdentityFile {
    IdentityFile::generate(&[7; 32])
}

/// A copy: identity files are read anew each time.
pub fn same(identity: &IdentityFile) -> IdentityFile {
    IdentityFile::parse(identity.text("today").as_bytes()).unwrap()
}

impl World {
    pub fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("library");
        fs::create_dir(&library).unwrap();
        Self {
            library,
            shelf: Arc::default(),
            clock: Arc::new(FixedClock::new(Time(1_790_000_000_000_000_000))),
            config: folder.path().join("darkslide.toml"),
            folder,
        }
    }

    pub fn store_path(n: usize) -> PathBuf {
        PathBuf::from(format!("/stores/{n}"))
    }

    pub fn store(&self, n: usize) -> Arc<TestStore> {
        self.shelf.stores.lock().unwrap()[&Self::store_path(n)].clone()
    }

    pub fn put_store(&self, n: usize, store: MemoryStore) {
        self.shelf.stores.lock().unwrap().insert(Self::store_path(n), Arc::new(FaultyStore::new(store)));
    }

    pub fn unplug(&self, n: usize) {
        self.shelf.unplugged.lock().unwrap().insert(Self::store_path(n));
    }

    pub fn plug(&self, n: usize) {
        self.shelf.unplugged.lock().unwrap().remove(&Self::store_path(n));
    }

    pub fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    pub fn init(&self, founder: Founder, stores: usize) -> Result<Engine, EngineError> {
        let options = InitOptions {
            cloud: Default::default(),
            config: self.config.clone(),
            library: self.library.clone(),
            stores: (0..stores).map(|n| StoreSettings::dir(Self::store_path(n))).collect(),
            founder,
            writer: "studio".into(),
            pack: PackSizes { target: Bytes::mib(16), ..PackSizes::default() },
        };
        Engine::init(options, self.shelf.clone(), self.clock(), &mut OsRng).map(|(engine, _)| engine)
    }

    /// The same machine, started again.
    pub fn engine(&self) -> Engine {
        Engine::load(&self.config, self.shelf.clone(), self.clock()).unwrap()
    }

    pub fn join(&self, name: &str, with: JoinWith) -> Result<Engine, EngineError> {
        let options = OpenOptions {
            config: self.folder.path().join(name).join("darkslide.toml"),
            stores: vec![StoreSettings::dir(Self::store_path(0))],
            with,
            library: Some(self.library.clone()),
            writer: name.into(),
            owner: None,
        };
        Engine::open(options, self.shelf.clone(), self.clock(), &mut OsRng).map(|(engine, _)| engine)
    }

    pub fn write(&self, path: &str, bytes: &[u8]) -> PathBuf {
        let full = self.library.join(path);
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        fs::write(&full, bytes).unwrap();
        full
    }

    pub fn target(&self, name: &str) -> PathBuf {
        self.folder.path().join("out").join(name)
    }
}

pub fn try_backup(engine: &Engine) -> Result<BackupDone, EngineError> {
    engine.backup(&BackupOptions { host: "studio".into(), ..BackupOptions::default() }, &Quiet)
}

/// A backup that must succeed wholly.
pub fn backup(engine: &Engine) -> BackupDone {
    let done = try_backup(engine).unwrap();
    assert_eq!(done.done.failures, []);
    assert_eq!(done.done.behind, []);
    assert_eq!(done.refused, [""; 0]);
    done
}

pub fn options(snapshot: &str, to: &Path) -> RestoreOptions {
    RestoreOptions {
        snapshot: snapshot.into(),
        paths: Vec::new(),
        to: to.to_path_buf(),
        existing: Existing::Keep,
        accept_writers: Vec::new(),
    }
}

pub fn try_restore(
    engine: &Engine,
    options: &RestoreOptions,
    identity: &IdentityFile,
) -> Result<Restored, EngineError> {
    let plan = engine.restore_plan(options, Some(identity))?;
    engine.restore(&plan, identity, &Quiet)
}

/// A restore that must give back exactly this tree.
pub fn restores(engine: &Engine, snapshot: &str, to: &Path, identity: &IdentityFile, wanted: &Tree) {
    let done = try_restore(engine, &options(snapshot, to), identity).unwrap();
    assert_eq!(done.casualties, []);
    assert_same(wanted, &tree(to));
}

pub fn audit(engine: &Engine, identity: Option<&IdentityFile>) -> Report {
    engine.audit(identity, &Quiet).unwrap()
}

pub fn scrub(engine: &Engine, identity: Option<&IdentityFile>) -> Report {
    let options = darkslide_engine::CheckOptions { sample: Sample::All };
    engine.scrub(options, identity, &mut OsRng, &Quiet).unwrap()
}

/// A tree on disk: path → kind, mode, mtime, content.
pub type Tree = BTreeMap<PathBuf, (char, u32, i64, i64, Vec<u8>)>;

pub fn tree(root: &Path) -> Tree {
    let mut all = Tree::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let meta = fs::symlink_metadata(&path).unwrap();
            let (kind, content) = match meta.file_type() {
                t if t.is_dir() => {
                    open.push(path.clone());
                    ('d', Vec::new())
                }
                t if t.is_symlink() => ('l', fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()),
                _ => ('f', fs::read(&path).unwrap()),
            };
            let key = path.strip_prefix(root).unwrap().to_path_buf();
            all.insert(key, (kind, meta.mode(), meta.mtime(), meta.mtime_nsec(), content));
        }
    }
    all
}

/// Compares without printing megabytes.
pub fn assert_same(wanted: &Tree, found: &Tree) {
    let names = |t: &Tree| t.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(wanted), names(found));
    for (path, wanted) in wanted {
        let found = &found[path];
        assert!(wanted.4 == found.4, "{} has other content", path.display());
        assert_eq!(
            (wanted.0, wanted.1, wanted.2, wanted.3),
            (found.0, found.1, found.2, found.3),
            "{}",
            path.display()
        );
    }
}

pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    use darkslide_engine::words::{Rng as _, SeededRng};
    let mut bytes = vec![0; len];
    SeededRng::new(seed).fill(&mut bytes);
    bytes
}

pub fn names(store: &TestStore, prefix: &str) -> Vec<ObjectName> {
    darkslide_store::list_all(store.inner(), prefix).unwrap().into_iter().map(|l| l.name).collect()
}

pub fn path(text: &str) -> Name {
    Name::from(text)
}

impl World {
    /// A store that will fail, before it is founded.
    pub fn shelf_armed(&self, fault: darkslide_store::Fault) {
        let store = Arc::new(FaultyStore::new(MemoryStore::default()));
        store.arm(fault);
        self.shelf.stores.lock().unwrap().insert(Self::store_path(0), store);
    }
}
