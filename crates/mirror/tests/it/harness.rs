//! A library, a mirror, a catalog.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use darkslide_catalog::Catalog;
use darkslide_disk::Disk;
use darkslide_mirror::{Kept, Limits, Mirror, MirrorError, MirrorPlan, Mirrored, Observer, Progress, execute, plan};
use darkslide_words::{FixedClock, Name, Time};

pub struct Quiet;

impl Observer for Quiet {
    fn progress(&self, _: &Progress) {}
    fn problem(&self, _: &Name, _: &str) {}
    fn note(&self, _: &str) {}
    fn cancelled(&self) -> bool {
        false
    }
}

pub const KEPT: Kept = Kept { age: Duration::from_secs(30 * 86_400), bytes: None };

pub struct World {
    pub folder: tempfile::TempDir,
    pub clock: FixedClock,
}

pub fn limits(allowed: &[&str]) -> Limits {
    let allowed: BTreeSet<String> = allowed.iter().map(ToString::to_string).collect();
    Limits { files: 3, percent: 20, sentinel: None, allowed }
}

pub fn all() -> Limits {
    limits(&["empty", "deletions", "changes"])
}

impl World {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Catalog::create(&folder.path().join("catalog")).unwrap().close().unwrap();
        for name in ["library", "mirror"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder, clock: FixedClock::new(Time::from_compact("20261018T180000.000Z").unwrap()) }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn later(&self, by: Duration) {
        use darkslide_words::Clock as _;
        self.clock.set(self.clock.now().plus(by));
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Sets a file's time to so many seconds after some moment.
    pub fn date(&self, name: &str, seconds: u64) {
        let at = std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds);
        std::fs::File::options().write(true).open(self.path(name)).unwrap().set_modified(at).unwrap();
    }

    pub fn with<T>(&self, disk: &dyn Disk, work: impl FnOnce(&Mirror<'_>) -> T) -> T {
        let catalog = Catalog::open(&self.path("catalog")).unwrap();
        work(&Mirror {
            disk,
            catalog: &catalog,
            clock: &self.clock,
            observer: &Quiet,
            job: "nas".into(),
            source: self.path("library"),
            target: self.path("mirror"),
        })
    }

    pub fn plan(&self, disk: &dyn Disk, limits: &Limits) -> Result<MirrorPlan, MirrorError> {
        self.with(disk, |mirror| plan(mirror, limits))
    }

    pub fn run(&self, disk: &dyn Disk, limits: &Limits) -> Result<Mirrored, MirrorError> {
        self.with(disk, |mirror| execute(mirror, &plan(mirror, limits)?, &KEPT))
    }

    /// Everything below a folder but trash and temporary files: kind, mode, time, content.
    pub fn tree(&self, root: &str) -> BTreeMap<String, (char, u32, i64, Vec<u8>)> {
        let mut out = BTreeMap::new();
        collect(&self.path(root), &self.path(root), &mut out);
        out
    }

    /// Contents in the trash.
    pub fn trash(&self) -> BTreeSet<Vec<u8>> {
        let mut out = BTreeMap::new();
        let root = self.path("mirror/.darkslide-trash");
        collect(&root, &root, &mut out);
        out.into_values().filter(|(kind, ..)| *kind == 'f').map(|(.., bytes)| bytes).collect()
    }
}

fn collect(root: &Path, folder: &Path, out: &mut BTreeMap<String, (char, u32, i64, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        if name.starts_with(".darkslide-t") || name.contains(".darkslide-part-") {
            continue;
        }
        let meta = std::fs::symlink_metadata(&path).unwrap();
        let time = meta.mtime() * 1_000_000_000 + meta.mtime_nsec();
        if meta.is_dir() {
            out.insert(name, ('d', meta.mode(), time, Vec::new()));
            collect(root, &path, out);
        } else if meta.is_symlink() {
            let to = std::fs::read_link(&path).unwrap().to_string_lossy().into_owned();
            out.insert(name, ('l', 0, time, to.into_bytes()));
        } else {
            out.insert(name, ('f', meta.mode(), time, std::fs::read(&path).unwrap()));
        }
    }
}

pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    darkslide_words::Rng::fill(&mut darkslide_words::SeededRng::new(seed), &mut out);
    out
}
