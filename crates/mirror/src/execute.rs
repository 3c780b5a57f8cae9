//! Doing it: what moved is moved, what goes goes to the trash, what is new is copied, synced, read
//! back, named.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use darkslide_catalog::{Catalog, MirroredFile};
use darkslide_disk::{
    CopyError, Disk, Facts, Kind, Order, Placed, Stat, copy, hash_uncached, make_folders, path_of, place,
};
use darkslide_words::{Bytes, Clock, ContentHash, Count, Name};
use serde::Serialize;

use crate::error::told;
use crate::plan::{Copy, MirrorPlan};
use crate::trash::{Kept, Trash, expire};
use crate::{Mirror, MirrorError, Observer, Progress, TEMPORARY, parent};

/// Files and bytes that are made durable by one sync.
const BATCH_FILES: usize = 1024;
const BATCH_BYTES: u64 = 512 << 20;
/// Copies under way.
const WORKERS: usize = 2;
/// How often what was copied is remembered on the way.
const FLUSH_AFTER: Duration = Duration::from_secs(30);
/// No space, quota used up, read-only, no such device: nothing more can be written.
const TARGET_IS_DONE: [i32; 5] = [28, 122, 30, 19, 6];

/// A file that could not be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Which.
    pub path: Name,
    /// Why.
    pub reason: String,
}

/// What a run did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Mirrored {
    /// Files of the library.
    pub files: Count,
    /// Files copied that were new.
    pub new_files: Count,
    /// Files copied that had changed.
    pub changed_files: Count,
    /// Files moved.
    pub moved_files: Count,
    /// Names that went to the trash.
    pub trashed: Count,
    /// Bytes copied.
    pub bytes: Bytes,
    /// Bytes of old trash that was removed.
    pub expired: Bytes,
    /// Files that could not be done.
    pub failures: Vec<Failure>,
}

/// What the workers share: not the catalog, which is one thread's.
struct Run<'r> {
    disk: &'r dyn Disk,
    clock: &'r dyn Clock,
    observer: &'r dyn Observer,
    source: &'r Path,
    root: &'r Path,
    plan: &'r MirrorPlan,
    trash: Trash,
    done: Mutex<Mirrored>,
    /// What the catalog shall know: rows by folder.
    rows: Mutex<BTreeMap<Name, BTreeMap<Name, Option<MirroredFile>>>>,
    stop: Mutex<Option<String>>,
    bytes: Bytes,
    /// Files that could not be moved: what they lie in stays.
    stuck: Mutex<Vec<Name>>,
    /// Folders that could not be made, a link being in the way: nothing is written through it.
    blocked: Mutex<Vec<Name>>,
}

fn guard<T>(lock: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Executes a plan. One with brakes is refused. What fails is named; the rest is done.
pub fn execute(mirror: &Mirror<'_>, plan: &MirrorPlan, kept: &Kept) -> Result<Mirrored, MirrorError> {
    if !plan.brakes.is_empty() {
        return Err(MirrorError::Braked { brakes: plan.brakes.clone() });
    }
    let now = mirror.clock.now();
    let failures = plan.failures.iter().map(|(path, reason)| Failure { path: path.clone(), reason: reason.clone() });
    let done = Mirrored { files: plan.files, failures: failures.collect(), ..Mirrored::default() };
    let run = Run {
        disk: mirror.disk,
        clock: mirror.clock,
        observer: mirror.observer,
        source: &mirror.source,
        root: &mirror.target,
        plan,
        trash: Trash::new(&mirror.target, now),
        done: Mutex::new(done),
        rows: Mutex::default(),
        stop: Mutex::default(),
        bytes: plan.bytes(),
        stuck: Mutex::default(),
        blocked: Mutex::default(),
    };
    match expire(mirror.disk, &mirror.target, kept, now) {
        Ok(bytes) => guard(&run.done).expired = bytes,
        Err(error) => mirror.observer.note(&format!("old trash could not be removed: {error}")),
    }
    run.sweep();
    run.recased(mirror);
    run.folders();
    run.moves(mirror);
    run.trashed();
    run.copies(mirror)?;
    run.flush(mirror)?;
    run.links();
    run.touched();
    run.learn(mirror);
    run.flush(mirror)?;
    run.forget(mirror)?;
    // Names are durable from here on; contents were before they got theirs.
    if let Err(source) = mirror.disk.sync_all(&mirror.target) {
        return Err(MirrorError::NoTarget { path: mirror.target.clone(), source });
    }
    let cancelled = mirror.observer.cancelled();
    // The folder is empty unless something failed.
    let _ = mirror.disk.remove_folder(&mirror.target.join(TEMPORARY));
    if cancelled {
        return Err(MirrorError::Cancelled);
    }
    if let Some(why) = guard(&run.stop).take() {
        mirror.observer.note(&format!("the mirror takes nothing more: {why}"));
    }
    Ok(run.done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
}

impl Run<'_> {
    fn target(&self, path: &Name) -> PathBuf {
        path_of(self.root, path)
    }

    fn fail(&self, path: &Name, error: &dyn std::fmt::Display) {
        let reason = error.to_string();
        self.observer.problem(path, &reason);
        guard(&self.done).failures.push(Failure { path: path.clone(), reason });
    }

    /// A failure on the mirror: for this file, or for good.
    fn target_failed(&self, path: &Name, error: &io::Error) {
        if error.raw_os_error().is_some_and(|number| TARGET_IS_DONE.contains(&number)) {
            guard(&self.stop).get_or_insert_with(|| error.to_string());
        }
        self.fail(path, &told(path, error));
    }

    fn stopped(&self) -> bool {
        guard(&self.stop).is_some() || self.observer.cancelled()
    }

    fn facts(&self, path: &Name, stat: &Stat) -> Facts {
        let modes = self.plan.abilities.is_some_and(|abilities| abilities.modes);
        let xattrs = self.disk.xattrs(&path_of(self.source, path)).unwrap_or_default();
        Facts { mtime: stat.mtime, mode: modes.then_some(stat.mode), owner: None, xattrs }
    }

    fn remember(&self, path: &Name, stat: &Stat, hash: Option<ContentHash>) {
        let name = Name::new(path.file_name());
        let row = MirroredFile {
            name: name.clone(),
            size: stat.size,
            mtime: stat.mtime,
            ctime: stat.ctime,
            inode: stat.inode.1,
            hash,
        };
        guard(&self.rows).entry(parent(path)).or_default().insert(name, Some(row));
    }

    fn folders(&self) {
        // What is in the way goes first.
        let new = self.taken_first();
        for path in self.plan.trashed.iter().filter(|path| new.contains(path)) {
            self.discard(path);
        }
        for (path, _) in &self.plan.folders {
            let at = self.target(path);
            if self.is_blocked(path) {
                guard(&self.blocked).push(path.clone());
            } else if self.disk.stat(&at).is_ok_and(|stat| stat.kind == Kind::Symlink) {
                guard(&self.blocked).push(path.clone());
                self.fail(path, &"a symbolic link is in the way on the mirror and could not be moved to the trash");
            } else if let Err(error) = make_folders(self.disk, &at) {
                self.target_failed(path, &error);
            }
        }
    }

    /// Removes what a run that died left unverified.
    fn sweep(&self) {
        for path in &self.plan.leftovers {
            match self.disk.remove_file(&self.target(path)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => self.target_failed(path, &error),
                _ => {}
            }
        }
    }

    /// True for what lies in a folder that could not be made.
    fn is_blocked(&self, path: &Name) -> bool {
        let within =
            |folder: &Name| path.as_bytes().strip_prefix(folder.as_bytes()).is_some_and(|r| r.starts_with(b"/"));
        guard(&self.blocked).iter().any(within)
    }

    /// By a name between, since both are one name there.
    fn recased(&self, mirror: &Mirror<'_>) {
        let mut known = Known::new(mirror, self.plan);
        for (n, (from, to, stat)) in self.plan.recased.iter().enumerate() {
            let (old, new) = (self.target(from), self.target(to));
            let between = new.with_file_name(format!(".darkslide-case-{n}"));
            let renamed = self.disk.rename(&old, &between).and_then(|()| {
                self.disk.rename(&between, &new).inspect_err(|_| {
                    // If that fails, too, the next run takes it for gone: it goes to the trash, and is copied.
                    let _ = self.disk.rename(&between, &old);
                })
            });
            match renamed {
                Err(error) => self.target_failed(to, &error),
                Ok(()) if stat.kind == Kind::File => {
                    let hash = known.hash(from, stat);
                    guard(&self.done).moved_files += Count(1);
                    self.remember(to, stat, hash);
                }
                Ok(()) => {}
            }
        }
    }

    fn moves(&self, mirror: &Mirror<'_>) {
        let mut known = Known::new(mirror, self.plan);
        for (from, to, stat) in &self.plan.moves {
            if self.is_blocked(to) {
                guard(&self.stuck).push(from.clone());
                self.fail(to, &"its folder could not be made on the mirror");
                continue;
            }
            let moved = make_folders(self.disk, &self.target(&parent(to)))
                .and_then(|()| self.disk.rename(&self.target(from), &self.target(to)));
            match moved {
                Ok(()) => {
                    let hash = known.hash(from, stat);
                    guard(&self.done).moved_files += Count(1);
                    self.remember(to, stat, hash);
                }
                Err(error) => {
                    guard(&self.stuck).push(from.clone());
                    self.target_failed(to, &error);
                }
            }
        }
    }

    fn trashed(&self) {
        let new = self.taken_first();
        let stuck = guard(&self.stuck).clone();
        let holds = |path: &Name| stuck.iter().any(|file| file.as_bytes().starts_with(path.as_bytes()));
        for path in self.plan.trashed.iter().filter(|path| !new.contains(path) && !holds(path)) {
            self.discard(path);
        }
    }

    /// Names that new folders and moved files take: what lies there goes before anything else.
    fn taken_first(&self) -> BTreeSet<&Name> {
        let folders = self.plan.folders.iter().map(|(path, _)| path);
        folders.chain(self.plan.moves.iter().map(|(_, to, _)| to)).collect()
    }

    fn discard(&self, path: &Name) {
        match self.trash.take(self.disk, path) {
            Ok(_) => {
                guard(&self.done).trashed += Count(1);
                let name = Name::new(path.file_name());
                guard(&self.rows).entry(parent(path)).or_default().entry(name).or_insert(None);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.target_failed(path, &error),
        }
    }

    /// Two at a time; what was copied is remembered as it comes, so that a run which is cut off has
    /// not been for nothing.
    fn copies(&self, mirror: &Mirror<'_>) -> Result<(), MirrorError> {
        let batches = batches(&self.plan.copies);
        let next = AtomicUsize::new(0);
        let (done, finished) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            for worker in 0..WORKERS.min(batches.len()) {
                let (next, batches, done) = (&next, &batches, done.clone());
                scope.spawn(move || {
                    while let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
                        self.batch(batch, worker);
                        let _ = done.send(());
                    }
                });
            }
            drop(done);
            let mut last = self.clock.now();
            for () in finished {
                let now = self.clock.now();
                if last.until(now) >= FLUSH_AFTER {
                    self.disk
                        .sync_all(self.root)
                        .map_err(|source| MirrorError::NoTarget { path: self.root.to_path_buf(), source })?;
                    self.flush(mirror)?;
                    last = now;
                }
            }
            Ok(())
        })
    }

    /// Copies a batch, syncs once, reads each back and names it.
    fn batch(&self, batch: &[Copy], worker: usize) {
        let now = self.clock.now().0 as u64;
        let mut written = Vec::new();
        for (n, one) in batch.iter().enumerate() {
            if self.stopped() {
                break;
            }
            if self.is_blocked(&one.path) {
                self.fail(&one.path, &"its folder could not be made on the mirror");
                continue;
            }
            let name = Order::temporary(now, (n * WORKERS + worker) as u64);
            // In its own folder: file systems keep the files of a folder together from the start.
            let temporary = self.target(&parent(&one.path).join(&name));
            if let Some((stat, hash)) = self.write(one, &temporary) {
                written.push((one, temporary, stat, hash));
            }
        }
        if written.is_empty() {
            return;
        }
        if let Err(error) = self.disk.sync_all(self.root) {
            for (one, temporary, ..) in written {
                let _ = self.disk.remove_file(&temporary);
                self.target_failed(&one.path, &error);
            }
            return;
        }
        for (one, temporary, stat, hash) in written {
            if let Err(error) = self.name(one, &temporary, &stat, hash) {
                // Swept by the next run, if it cannot be removed now.
                let _ = self.disk.remove_file(&temporary);
                self.target_failed(&one.path, &error);
            }
        }
    }

    fn write(&self, one: &Copy, temporary: &std::path::Path) -> Option<(Stat, ContentHash)> {
        let facts = self.facts(&one.path, &one.stat);
        let from = path_of(self.source, &one.path);
        let to = [temporary.to_path_buf()];
        let order = Order { from: &from, to: &to, facts: Some(&facts) };
        let copied = copy(self.disk, &order, &mut |_| !self.observer.cancelled());
        match copied {
            Ok(mut copied) => match copied.failed.remove(0) {
                None if copied.stat.same_content_facts(&one.stat) => Some((copied.stat, copied.hash)),
                None => {
                    let _ = self.disk.remove_file(temporary);
                    self.fail(&one.path, &CopyError::Changed);
                    None
                }
                Some(error) => {
                    self.target_failed(&one.path, &error);
                    None
                }
            },
            Err(CopyError::Cancelled) => None,
            Err(error) => {
                self.fail(&one.path, &error);
                None
            }
        }
    }

    /// What is replaced goes to the trash only now that its successor is whole.
    fn name(&self, one: &Copy, temporary: &std::path::Path, stat: &Stat, hash: ContentHash) -> io::Result<()> {
        let differs = |found: ContentHash| {
            let why =
                format!("what was written reads back differently ({} instead of {})", found.short(), hash.short());
            Err(io::Error::new(io::ErrorKind::InvalidData, why))
        };
        let path = self.target(&one.path);
        if one.replaces {
            let found = hash_uncached(self.disk, temporary, &mut |_| true)?;
            if found != hash {
                return differs(found);
            }
            self.trash.take(self.disk, &one.path)?;
            self.disk.rename(temporary, &path)?;
        } else {
            match place(self.disk, temporary, &path, hash)? {
                Placed::Yes => {}
                Placed::Taken => return Err(io::ErrorKind::AlreadyExists.into()),
                Placed::Differs { found } => return differs(found),
            }
        }
        self.remember(&one.path, stat, Some(hash));
        let mut done = guard(&self.done);
        if one.replaces {
            done.changed_files += Count(1);
        } else {
            done.new_files += Count(1);
        }
        done.bytes += Bytes(stat.size);
        let files = Count(done.new_files.0 + done.changed_files.0);
        let progress = Progress { files, bytes: done.bytes, expected: Some(self.bytes) };
        drop(done);
        self.observer.progress(&progress);
        Ok(())
    }

    fn links(&self) {
        for (path, first) in self.plan.hard_links.iter().filter(|(path, _)| !self.is_blocked(path)) {
            if let Err(error) = self.disk.hard_link(&self.target(first), &self.target(path)) {
                self.target_failed(path, &error);
            }
        }
        for (path, to, stat) in self.plan.symlinks.iter().filter(|(path, ..)| !self.is_blocked(path)) {
            let at = self.target(path);
            let made = self.disk.symlink(to, &at);
            if let Err(error) = made.and_then(|()| self.disk.apply(&at, &Facts::dated(stat.mtime))) {
                self.target_failed(path, &error);
            }
        }
    }

    /// Modes, attributes, and the times of folders, whose content is settled by now: deepest first.
    fn touched(&self) {
        if self.stopped() {
            return;
        }
        let mut folders: BTreeMap<Name, ()> = guard(&self.rows).keys().map(|folder| (folder.clone(), ())).collect();
        folders.extend(self.plan.folders.iter().map(|(path, _)| (path.clone(), ())));
        folders.extend(self.plan.folders.iter().map(|(path, _)| (parent(path), ())));
        folders.extend(self.plan.symlinks.iter().map(|(path, ..)| (parent(path), ())));
        folders.extend(self.plan.hard_links.iter().map(|(path, _)| (parent(path), ())));
        folders.extend(self.plan.touched.iter().map(|(path, _)| (path.clone(), ())));
        let planned: BTreeMap<&Name, &Stat> = self.plan.touched.iter().map(|(path, stat)| (path, stat)).collect();
        let reached = |path: &Name| !path.is_empty() && !self.is_blocked(path) && !guard(&self.blocked).contains(path);
        for path in folders.into_keys().rev().filter(reached) {
            let Ok(stat) = self.disk.stat(&path_of(self.source, &path)) else { continue };
            let file = stat.kind != Kind::Folder;
            if file && planned.get(&path).is_none_or(|planned| !planned.same_content_facts(&stat)) {
                // Edited meanwhile: old content must not get the new time.
                continue;
            }
            match self.disk.apply(&self.target(&path), &self.facts(&path, &stat)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => self.target_failed(&path, &error),
                _ => {}
            }
        }
    }

    /// Files that are as they were, and that the catalog does not know so yet.
    fn learn(&self, mirror: &Mirror<'_>) {
        let mut known = Known::new(mirror, self.plan);
        for (path, stat) in &self.plan.learned {
            self.remember(path, stat, known.hash(path, stat));
        }
    }

    /// Writes rows into the catalog, folder by folder.
    fn flush(&self, mirror: &Mirror<'_>) -> Result<(), MirrorError> {
        let rows = std::mem::take(&mut *guard(&self.rows));
        let catalog: &Catalog = mirror.catalog;
        catalog.transaction(|| -> Result<(), MirrorError> {
            for (folder, changes) in &rows {
                let before = catalog.mirrored(&mirror.job, folder)?.unwrap_or_default();
                let mut files: BTreeMap<Name, MirroredFile> =
                    before.into_iter().map(|row| (row.name.clone(), row)).collect();
                for (name, row) in changes {
                    match row {
                        Some(row) => files.insert(name.clone(), row.clone()),
                        None => files.remove(name),
                    };
                }
                catalog.put_mirrored(&mirror.job, folder, &files.into_values().collect::<Vec<_>>())?;
            }
            Ok(())
        })?;
        // Folders get their times after this.
        *guard(&self.rows) = rows.into_keys().map(|folder| (folder, BTreeMap::new())).collect();
        Ok(())
    }

    /// Folders and files that are gone from the library, where nothing kept them on the mirror.
    fn forget(&self, mirror: &Mirror<'_>) -> Result<(), MirrorError> {
        for folder in &self.plan.forgotten {
            let source = path_of(self.source, folder);
            let listed = match self.disk.list(&source) {
                Ok(listed) => listed.into_iter().map(|(name, _)| name).collect::<BTreeSet<_>>(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    mirror.catalog.remove_mirrored(&mirror.job, folder)?;
                    continue;
                }
                // What cannot be looked at is not gone.
                Err(_) => continue,
            };
            let mut files = mirror.catalog.mirrored(&mirror.job, folder)?.unwrap_or_default();
            files.retain(|row| listed.contains(&row.name));
            mirror.catalog.put_mirrored(&mirror.job, folder, &files)?;
        }
        Ok(())
    }
}

/// What the catalog remembers, each folder looked up once.
struct Known<'k> {
    mirror: &'k Mirror<'k>,
    plan: &'k MirrorPlan,
    folders: BTreeMap<Name, BTreeMap<Name, MirroredFile>>,
}

impl<'k> Known<'k> {
    fn new(mirror: &'k Mirror<'k>, plan: &'k MirrorPlan) -> Self {
        Self { mirror, plan, folders: BTreeMap::new() }
    }

    /// The content of a file, if what is remembered is this version of it.
    fn hash(&mut self, path: &Name, stat: &Stat) -> Option<ContentHash> {
        let path = &self.plan.before(path);
        let folder = parent(path);
        if !self.folders.contains_key(&folder) {
            let rows = self.mirror.catalog.mirrored(&self.mirror.job, &folder).ok().flatten().unwrap_or_default();
            self.folders.insert(folder.clone(), rows.into_iter().map(|row| (row.name.clone(), row)).collect());
        }
        let row = self.folders.get(&folder)?.get(&Name::new(path.file_name()))?;
        row.hash.filter(|_| row.size == stat.size && row.mtime == stat.mtime)
    }
}

fn batches(copies: &[Copy]) -> Vec<&[Copy]> {
    let mut out = Vec::new();
    let (mut from, mut bytes) = (0, 0);
    for (n, copy) in copies.iter().enumerate() {
        bytes += copy.stat.size;
        if n + 1 - from >= BATCH_FILES || bytes >= BATCH_BYTES {
            out.push(&copies[from..=n]);
            (from, bytes) = (n + 1, 0);
        }
    }
    if from < copies.len() {
        out.push(&copies[from..]);
    }
    out
}
