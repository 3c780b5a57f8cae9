//! Making a restore true: one thread walks the tree and makes folders, two write
//! files.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use darkslide_catalog::{Catalog, PackId};
use darkslide_format::pages::{Descend, Lost, salvage_below};
use darkslide_format::tree::{Entry, EntryKind};
use darkslide_store::{Store, StoreError};
use darkslide_words::{Bytes, ContentHash, Count, Name, ObjectName};

use crate::files::{self, FileError, FileWriter, Outcome, Vacancy};
use crate::plan::{Existing, RestorePlan, frames_of};
use crate::small::Ahead;
use crate::{ChunkError, ChunkReader, Observer, Opened, Pages, Progress, RestoreError, meta};

/// Files handed to a thread at once: neighbours, which mostly lie in one pack.
const BATCH_FILES: usize = 2048;
/// A batch of so many ends with its folder, so that two threads seldom wait for
/// the same folder's lock.
const BATCH_FOLDER: usize = 64;
/// Bytes after which a batch is handed over.
const BATCH_BYTES: u64 = 64 << 20;

/// A file that could not be restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Casualty {
    /// Its path in the library.
    pub path: Name,
    /// Why.
    pub reason: String,
}

/// What a restore did.
#[derive(Debug, Clone, Default)]
pub struct Restored {
    /// Files and links written and verified.
    pub files: Count,
    /// Their bytes.
    pub bytes: Bytes,
    /// Files that were there already, with the same content.
    pub present: Count,
    /// Files whose packs cannot be read yet, or were restored by an earlier run.
    pub passed_over: Count,
    /// Packs read from.
    pub packs: Count,
    /// Their sealed sizes: what a thaw would have to make readable.
    pub pack_bytes: Bytes,
    /// Sealed bytes that were read.
    pub bytes_read: Bytes,
    /// What could not be restored.
    pub casualties: Vec<Casualty>,
    /// Packs that were believed to be readable and are cold; their files are
    /// neither restored nor casualties.
    pub cold: BTreeSet<ObjectName>,
}

struct Task {
    path: Name,
    entry: Entry,
    target: PathBuf,
    vacancy: Vacancy,
}

type Batch = Vec<Task>;

/// What the threads share.
struct Shared<'o> {
    done: Mutex<Restored>,
    packs: Mutex<BTreeMap<PackId, Bytes>>,
    /// First names of hard links, and whether each is restored.
    linked: Mutex<HashMap<PathBuf, bool>>,
    fatal: Mutex<Option<RestoreError>>,
    observer: &'o dyn Observer,
    expected: Bytes,
    /// True if what is cold now is restored later.
    waits: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared<'_> {
    fn casualty(&self, path: &Name, reason: String) {
        self.observer.problem(path, &reason);
        lock(&self.done).casualties.push(Casualty { path: path.clone(), reason });
    }

    fn settled(&self, path: &Name, entry: &Entry, result: Result<Outcome, FileError>) {
        let mut done = match result {
            Err(FileError::Chunk(ChunkError::Store(StoreError::Cold { name, .. }))) if self.waits => {
                lock(&self.done).cold.insert(name);
                return;
            }
            Err(error) => return self.casualty(path, error.to_string()),
            Ok(Outcome::Present) => {
                let mut done = lock(&self.done);
                done.present += Count(1);
                done
            }
            Ok(Outcome::Written) => {
                let mut done = lock(&self.done);
                done.files += Count(1);
                done.bytes += entry.bytes();
                done
            }
        };
        let progress = Progress { files: done.files + done.present, bytes: done.bytes, expected: Some(self.expected) };
        let often = progress.files.0.is_multiple_of(32) || entry.bytes().0 > 1 << 20;
        done.packs = Count(0);
        drop(done);
        if often {
            self.observer.progress(&progress);
        }
    }

    fn stopped(&self) -> bool {
        lock(&self.fatal).is_some() || self.observer.cancelled()
    }
}

/// Runs a restore.
pub fn restore(
    plan: &RestorePlan,
    catalog: &Path,
    stores: &[Arc<dyn Store>],
    keys: &Opened,
    observer: &dyn Observer,
) -> Result<Restored, RestoreError> {
    let target = |source| RestoreError::Target { path: plan.to.clone(), source };
    fs::create_dir_all(&plan.to).map_err(target)?;
    files::folder(&plan.to).map_err(target)?;
    // It may be given as a link with a slash behind it, which is a folder; below it no link is followed.
    let to = fs::canonicalize(&plan.to).map_err(target)?;
    let open = || -> Result<ChunkReader, RestoreError> {
        let catalog = Catalog::open(catalog).map_err(ChunkError::from)?;
        Ok(ChunkReader::new(catalog, stores.to_vec(), keys.clone())?.knowing(plan.places.clone()))
    };
    let shared = Shared {
        done: Mutex::default(),
        packs: Mutex::default(),
        linked: Mutex::default(),
        fatal: Mutex::default(),
        observer,
        expected: plan.bytes,
        waits: plan.now.as_ref().is_some_and(|now| !now.last),
    };
    let mut writers = vec![FileWriter::new(open()?), FileWriter::new(open()?)];
    let (mut walker, walk_catalog) = (open()?, Catalog::open(catalog).map_err(ChunkError::from)?);
    walk_catalog.relax().map_err(ChunkError::from)?;
    let walked = std::thread::scope(|scope| {
        let (send, take) = sync_channel::<Batch>(2);
        let take = Arc::new(Mutex::new(take));
        for writer in &mut writers {
            let (take, shared) = (take.clone(), &shared);
            scope.spawn(move || work(writer, &take, shared, plan.existing));
        }
        drop(take);
        let mut walk = Walk {
            plan,
            to: &to,
            send: Some(send),
            batch: Vec::new(),
            batch_bytes: 0,
            links: HashMap::new(),
            later: Vec::new(),
            dirs: Vec::new(),
            made: HashSet::new(),
            shared: &shared,
        };
        let mut pages = Pages::new(&walk_catalog, &mut walker);
        walk.run(&mut pages).map(|()| (walk.later, walk.dirs))
    });
    let (later, dirs) = walked?;
    if let Some(error) = lock(&shared.fatal).take() {
        finish_dirs(&dirs, &shared);
        return Err(error);
    }
    link_up(&later, &mut writers[0], &shared, plan.existing);
    finish_dirs(&dirs, &shared);
    if observer.cancelled() {
        return Err(RestoreError::Cancelled);
    }
    sync(&plan.to);
    Ok(add_up(&shared, &mut writers))
}

/// What was done, and read for it.
fn add_up(shared: &Shared<'_>, writers: &mut [FileWriter]) -> Restored {
    let mut packs = std::mem::take(&mut *lock(&shared.packs));
    let mut done = std::mem::take(&mut *lock(&shared.done));
    for writer in writers {
        packs.extend(writer.reader().touched());
        done.bytes_read += writer.reader().bytes_read();
    }
    done.packs = Count(packs.len() as u64);
    done.pack_bytes = packs.values().copied().sum();
    done.casualties.sort_by(|a, b| a.path.cmp(&b.path));
    done
}

/// What is on the way to the disk, onto the disk.
fn sync(path: &Path) {
    if let Ok(folder) = File::open(path) {
        let _ = rustix::fs::syncfs(&folder);
    }
}

fn work(writer: &mut FileWriter, batches: &Mutex<Receiver<Batch>>, shared: &Shared<'_>, existing: Existing) {
    let mut ahead = Ahead::default();
    loop {
        let batch = lock(batches).recv();
        let Ok(batch) = batch else { return };
        writer.reader().catalog().hold();
        work_on(writer, &mut ahead, &batch, shared, existing);
        writer.reader().catalog().release();
    }
}

fn work_on(writer: &mut FileWriter, ahead: &mut Ahead, batch: &[Task], shared: &Shared<'_>, existing: Existing) {
    let mut left = batch;
    while !left.is_empty() {
        if shared.stopped() {
            return;
        }
        // What may be there already is not read before that is known.
        let next = left.iter().take_while(|task| task.vacancy == Vacancy::Free).map(|task| &task.entry);
        let read = ahead.read(writer.reader(), next);
        let (some, others) = left.split_at(read.max(1));
        for (n, task) in some.iter().enumerate() {
            if shared.stopped() {
                return;
            }
            let result = match ahead.take(n).transpose() {
                Ok(content) => writer.restore(&task.entry, &task.target, existing, task.vacancy, content),
                Err(error) => Err(error.into()),
            };
            done_with(task, result, shared);
        }
        left = others;
    }
}

fn done_with(task: &Task, result: Result<Outcome, FileError>, shared: &Shared<'_>) {
    if let Err(error) = &result
        && let Some(fatal) = files::fatal(error, &task.target)
    {
        lock(&shared.fatal).get_or_insert(fatal);
        return;
    }
    if result.is_ok()
        && task.entry.link.is_some()
        && let Some(done) = lock(&shared.linked).get_mut(&task.target)
    {
        *done = true;
    }
    shared.settled(&task.path, &task.entry, result);
}

/// The walking thread.
struct Walk<'w> {
    plan: &'w RestorePlan,
    to: &'w Path,
    send: Option<SyncSender<Batch>>,
    batch: Batch,
    batch_bytes: u64,
    links: HashMap<(String, Option<ContentHash>, u64), PathBuf>,
    later: Vec<(Task, PathBuf)>,
    dirs: Vec<(Name, Entry, PathBuf)>,
    /// Paths of folders that this restore made.
    made: HashSet<Vec<u8>>,
    shared: &'w Shared<'w>,
}

impl Walk<'_> {
    fn run(&mut self, pages: &mut Pages<'_>) -> Result<(), RestoreError> {
        let shared = self.shared;
        let selection = &self.plan.selection;
        let mut lost = |path: &Name, error: ChunkError| {
            if selection.leads_to(path) {
                shared.casualty(path, format!("part of this folder's list cannot be read: {error}"));
            }
            Lost::GoOn
        };
        let walked =
            salvage_below(pages, self.plan.root, &mut |pages, path, entry| self.visit(pages, path, entry), &mut lost);
        self.hand_over();
        self.send = None;
        match walked {
            _ if self.shared.stopped() => Ok(()),
            // The rest of the tree cannot be read: what was found is restored.
            Err(error) => {
                self.shared.casualty(&Name::from("(part of the tree)"), error.to_string());
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn visit(&mut self, pages: &mut Pages<'_>, path: &Name, entry: &Entry) -> Result<Descend, ChunkError> {
        let selection = &self.plan.selection;
        if self.shared.stopped() || !selection.leads_to(path) {
            return Ok(Descend::Over);
        }
        if entry.kind == EntryKind::File
            && let Some(filter) = &self.plan.now
        {
            let mut packs = BTreeSet::new();
            frames_of(pages.catalog(), pages, entry, |pack, _| {
                packs.insert(pack);
            })?;
            if !filter.wants(&packs) {
                lock(&self.shared.done).passed_over += Count(1);
                return Ok(Descend::Over);
            }
        }
        let relative = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(path.as_bytes());
        let target = self.to.join(relative);
        match entry.kind {
            EntryKind::Dir => return Ok(self.dir(path, entry, target)),
            EntryKind::Symlink => {
                let made = files::symlink(entry, &target, self.plan.existing);
                self.shared.settled(path, entry, made);
            }
            EntryKind::File => {
                let above = path.as_bytes().iter().rposition(|b| *b == b'/').unwrap_or(0);
                // Giving a file its name tells whether that is taken only where nothing may be replaced.
                let free = self.plan.existing == Existing::Keep && self.made.contains(&path.as_bytes()[..above]);
                let vacancy = if free { Vacancy::Free } else { Vacancy::Unknown };
                self.file(Task { path: path.clone(), entry: entry.clone(), target, vacancy });
            }
        }
        Ok(Descend::Over)
    }

    fn dir(&mut self, path: &Name, entry: &Entry, target: PathBuf) -> Descend {
        if self.batch.len() >= BATCH_FOLDER {
            self.hand_over();
        }
        match files::folder(&target) {
            Ok(Vacancy::Free) => {
                self.made.insert(path.as_bytes().to_vec());
            }
            Ok(Vacancy::Unknown) => {}
            Err(error) => {
                self.shared.casualty(path, error.to_string());
                return Descend::Over;
            }
        }
        if self.plan.selection.wants(path) {
            self.dirs.push((path.clone(), entry.clone(), target));
        }
        Descend::Into
    }

    fn file(&mut self, task: Task) {
        if let Some(link) = &task.entry.link {
            let link = (link.clone(), task.entry.hash, task.entry.bytes().0);
            if let Some(first) = self.links.get(&link) {
                self.later.push((task, first.clone()));
                return;
            }
            lock(&self.shared.linked).insert(task.target.clone(), false);
            self.links.insert(link, task.target.clone());
        }
        self.batch_bytes = self.batch_bytes.saturating_add(task.entry.bytes().0);
        self.batch.push(task);
        if self.batch.len() >= BATCH_FILES || self.batch_bytes >= BATCH_BYTES {
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        self.batch_bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        if let Some(send) = self.send.as_ref().filter(|_| !batch.is_empty())
            && send.send(batch).is_err()
        {
            // Both writers ended: they said why.
            self.send = None;
        }
    }
}

/// Further names of files that are restored by now.
fn link_up(later: &[(Task, PathBuf)], writer: &mut FileWriter, shared: &Shared<'_>, existing: Existing) {
    for (task, first) in later {
        let same = |a: &Path, b: &Path| {
            use std::os::unix::fs::MetadataExt as _;
            let key = |p: &Path| fs::symlink_metadata(p).map(|m| (m.dev(), m.ino()));
            matches!((key(a), key(b)), (Ok(a), Ok(b)) if a == b)
        };
        // Only what this run restored or found good: another file may have the name.
        let good = lock(&shared.linked).get(first).copied().unwrap_or(false);
        let result = match good.then(|| fs::hard_link(first, &task.target)) {
            None => writer.restore(&task.entry, &task.target, existing, Vacancy::Unknown, None),
            Some(Ok(())) => Ok(Outcome::Written),
            Some(Err(_)) if same(first, &task.target) => Ok(Outcome::Present),
            // No links here, or the first name failed: a file of its own.
            Some(Err(_)) => writer.restore(&task.entry, &task.target, existing, Vacancy::Unknown, None),
        };
        shared.settled(&task.path, &task.entry, result);
    }
}

/// Times and modes of folders, innermost first, after their content is there.
fn finish_dirs(dirs: &[(Name, Entry, PathBuf)], shared: &Shared<'_>) {
    for (path, entry, target) in dirs.iter().rev() {
        let applied = File::open(target).and_then(|folder| meta::apply(&folder, entry));
        if let Err(error) = applied {
            shared.casualty(path, format!("its times and modes: {error}"));
        }
    }
}
