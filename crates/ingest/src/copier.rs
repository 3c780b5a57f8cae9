//! One file of a card to all targets that lack it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use darkslide_catalog::{Catalog, CopyRow};
use darkslide_disk::{CopyError, Disk, Order, Placed, copy, hash_cached, make_folders, path_of, place, sample};
use darkslide_words::{Bytes, ContentHash, Name, Time};
use twox_hash::XxHash3_128;

use crate::beside::Around;
use crate::plan::{Item, join, parent};
use crate::shelf::{Look, Shelf, Wanted};
use crate::template::split_name;
use crate::{IngestError, Observer};

/// Folder for files that are not verified yet, in each target's root.
pub(crate) const TEMPORARY: &str = ".darkslide-tmp";
/// Other names that are tried when one is taken.
const SUFFIX_MAX: u32 = 9_999;
/// No space, quota used up, read-only, no such device: nothing more can be written there.
const TARGET_IS_DONE: [i32; 5] = [28, 122, 30, 19, 6];

/// What several cards share.
pub(crate) struct Bench<'b> {
    pub(crate) disk: &'b dyn Disk,
    pub(crate) observer: &'b dyn Observer,
    pub(crate) targets: Vec<Mutex<Target>>,
    /// For each target what this run placed there. Held while a file is read back and named, so
    /// that two cards with one photograph bring it once.
    pub(crate) placed: Vec<Mutex<BTreeMap<ContentHash, Name>>>,
    /// One card's manifests at a time.
    pub(crate) manifests: Mutex<()>,
    pub(crate) run: u64,
    pub(crate) number: AtomicU64,
    pub(crate) now: Time,
}

/// A target while it is written to.
pub(crate) struct Target {
    pub(crate) shelf: Shelf,
    /// Why nothing more is written to it.
    pub(crate) done: Option<String>,
    /// Folders that exist.
    folders: BTreeSet<Name>,
    /// Names that are given to files of this run.
    names: BTreeSet<Name>,
    /// Folders of structures that cards of this run have taken.
    pub(crate) trees: BTreeSet<Name>,
}

impl Target {
    pub(crate) fn new(shelf: Shelf) -> Self {
        Self { shelf, done: None, folders: BTreeSet::new(), names: BTreeSet::new(), trees: BTreeSet::new() }
    }
}

/// What became of a file in one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum There {
    /// Copied and verified, under this name.
    Copied(Name),
    /// It was there, under this name.
    Present(Name),
    /// Not there, and why.
    Failed(String),
}

/// What became of a file.
pub(crate) struct Outcome {
    pub(crate) there: Vec<There>,
    pub(crate) hash: ContentHash,
    /// The hash for manifests; nothing where the file was not read for copying.
    pub(crate) xxh: Option<u128>,
}

pub(crate) fn guard<T>(lock: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Bench<'_> {
    pub(crate) fn target(&self, n: usize) -> std::sync::MutexGuard<'_, Target> {
        guard(&self.targets[n])
    }

    /// Brings one file to every target. An error of the outer kind ends the card.
    pub(crate) fn bring(
        &self,
        catalog: &Catalog,
        from: &std::path::Path,
        item: &Item,
        around: &Around,
        on_read: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Result<Outcome, CopyError>, IngestError> {
        let mut there: Vec<Option<There>> = (0..self.targets.len()).map(|_| None).collect();
        let mut known = None;
        if (0..self.targets.len()).any(|n| self.target(n).shelf.may_hold(item.stat.size)) {
            match self.look_up(catalog, from, (item, around), &mut there, on_read)? {
                Ok(hash) => known = Some(hash),
                Err(error) => return Ok(Err(error)),
            }
        }
        for (n, state) in there.iter_mut().enumerate().filter(|(_, state)| state.is_none()) {
            let done = self.target(n).done.clone();
            *state = done.map(|why| There::Failed(format!("nothing more is written there: {why}")));
        }
        let missing: Vec<usize> = (0..there.len()).filter(|n| there[*n].is_none()).collect();
        if missing.is_empty() {
            let hash = match known {
                Some(hash) => hash,
                None => match self.hash_of(from, on_read) {
                    Ok(hash) => hash,
                    Err(error) => return Ok(Err(error)),
                },
            };
            return Ok(Ok(Outcome { there: there.into_iter().flatten().collect(), hash, xxh: None }));
        }
        self.copy(catalog, from, (item, around), (there, &missing, known), on_read)
    }

    fn hash_of(&self, from: &std::path::Path, on_read: &mut dyn FnMut(u64) -> bool) -> Result<ContentHash, CopyError> {
        hash_cached(self.disk, from, &mut |piece| on_read(piece.len() as u64)).map_err(|error| {
            match error.kind() == io::ErrorKind::Interrupted {
                true => CopyError::Cancelled,
                false => CopyError::Unreadable(error),
            }
        })
    }

    /// Looks whether targets that have a file of this size and head have this one.
    fn look_up(
        &self,
        catalog: &Catalog,
        from: &std::path::Path,
        (item, around): (&Item, &Around),
        there: &mut [Option<There>],
        on_read: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Result<ContentHash, CopyError>, IngestError> {
        let head = match sample(self.disk, from) {
            Ok(head) => head,
            Err(error) => return Ok(Err(CopyError::Unreadable(error))),
        };
        let hash = match self.hash_of(from, on_read) {
            Ok(hash) => hash,
            Err(error) => return Ok(Err(error)),
        };
        let look = Look { disk: self.disk, catalog, fresh: false, now: self.now };
        for (n, state) in there.iter_mut().enumerate() {
            let counts = |name: &Name| around.counts(n, item, name);
            let wanted = Wanted { size: item.stat.size, head, hash, counts: &counts };
            let found = self.target(n).shelf.find(&look, &wanted)?;
            *state = found.map(There::Present);
        }
        Ok(Ok(hash))
    }

    fn copy(
        &self,
        catalog: &Catalog,
        from: &std::path::Path,
        (item, around): (&Item, &Around),
        (mut there, missing, known): (Vec<Option<There>>, &[usize], Option<ContentHash>),
        on_read: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Result<Outcome, CopyError>, IngestError> {
        let mut open = Vec::new();
        for n in missing {
            match self.temporary(*n) {
                Ok(path) => open.push((*n, path)),
                Err(error) => there[*n] = Some(self.failed(*n, &error)),
            }
        }
        let paths: Vec<PathBuf> = open.iter().map(|(_, path)| path.clone()).collect();
        let mut xxh = XxHash3_128::new();
        let copied = copy(self.disk, &Order { from, to: &paths, facts: None }, &mut |piece| {
            xxh.write(piece);
            on_read(piece.len() as u64)
        });
        let copied = match copied {
            // A reader that gives other bytes the second time is not to be relied upon.
            Ok(copied) if known.is_some_and(|known| known != copied.hash) => {
                // Swept by the next run, if they cannot be removed now.
                open.iter().for_each(|(_, path)| _ = self.disk.remove_file(path));
                return Ok(Err(CopyError::Changed));
            }
            Ok(copied) => copied,
            Err(error) => return Ok(Err(error)),
        };
        for ((n, temporary), failed) in open.into_iter().zip(&copied.failed) {
            there[n] = Some(match failed {
                Some(error) => self.failed(n, error),
                None => match self.settle(n, (item, around), &temporary, copied.hash) {
                    Ok(state) => state,
                    Err(error) => {
                        // Swept by the next run, if it cannot be removed now.
                        let _ = self.disk.remove_file(&temporary);
                        self.failed(n, &error)
                    }
                },
            });
        }
        for (n, state) in there.iter().enumerate() {
            if let Some(There::Copied(name)) = state {
                let key = self.target(n).shelf.place.key();
                let (size, mtime) = (Bytes(item.stat.size), copied.stat.mtime);
                let row = CopyRow { path: name.clone(), size, mtime, hash: copied.hash, verified: self.now };
                catalog.put_copy(&key, &row)?;
            }
        }
        let there = there.into_iter().flatten().collect();
        Ok(Ok(Outcome { there, hash: copied.hash, xxh: Some(xxh.finish_128()) }))
    }

    /// A free name for a file that is not verified yet.
    fn temporary(&self, n: usize) -> io::Result<PathBuf> {
        let mut target = self.target(n);
        let folder = target.shelf.place.root.join(TEMPORARY);
        if target.folders.insert(Name::from(TEMPORARY)) {
            make_folders(self.disk, &folder)?;
        }
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        Ok(path_of(&folder, &Order::temporary(self.run, number)))
    }

    /// Durable, read back, and under its name.
    fn settle(
        &self,
        n: usize,
        (item, around): (&Item, &Around),
        temporary: &std::path::Path,
        hash: ContentHash,
    ) -> io::Result<There> {
        self.disk.sync_file(temporary)?;
        let mut placed = guard(&self.placed[n]);
        if let Some(name) = placed.get(&hash).filter(|name| around.counts(n, item, name)) {
            self.disk.remove_file(temporary)?;
            return Ok(There::Present(name.clone()));
        }
        let (wanted, first) = around.wanted(n, item);
        for attempt in first..SUFFIX_MAX {
            let name = suffixed(item, &wanted, attempt);
            let absolute = {
                let mut target = self.target(n);
                if !target.names.insert(name.clone()) {
                    continue;
                }
                let folder = parent(&name);
                let absolute = target.shelf.path(&name);
                if target.folders.insert(folder.clone()) {
                    make_folders(self.disk, &target.shelf.path(&folder))?;
                }
                absolute
            };
            match place(self.disk, temporary, &absolute, hash)? {
                Placed::Yes => {
                    let mut target = self.target(n);
                    target.shelf.add(item.stat.size, name.clone());
                    let folder = target.shelf.path(&parent(&name));
                    drop(target);
                    self.disk.sync_folder(&folder)?;
                    // Its temporary name has to be gone for good, too, or a sweep would find it again.
                    self.disk.sync_folder(temporary.parent().unwrap_or(&folder))?;
                    placed.insert(hash, name.clone());
                    return Ok(There::Copied(name));
                }
                // Something else has that name: the next one.
                Placed::Taken => {}
                Placed::Differs { found } => {
                    self.target(n).names.remove(&name);
                    let why = format!(
                        "what was written reads back differently ({} instead of {})",
                        found.short(),
                        hash.short()
                    );
                    return Err(io::Error::new(io::ErrorKind::InvalidData, why));
                }
            }
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, "too many files have that name"))
    }

    /// A target that failed: for this file, or for good.
    fn failed(&self, n: usize, error: &io::Error) -> There {
        if error.raw_os_error().is_some_and(|number| TARGET_IS_DONE.contains(&number)) {
            let mut target = self.target(n);
            if target.done.is_none() {
                let label = &target.shelf.place.label;
                self.observer.note(&format!("{label}: {error}; nothing more is written there"));
                target.done = Some(error.to_string());
            }
        }
        There::Failed(error.to_string())
    }
}

/// The name of a file, or the n-th other one: `IMG_1-2.CR3`. Of a structure that is kept whole the
/// structure's folder gets the number.
pub(crate) fn suffixed(item: &Item, wanted: &Name, attempt: u32) -> Name {
    if attempt == 0 {
        return wanted.clone();
    }
    let n = attempt + 1;
    if let Some(tree) = &item.tree {
        let rest = &item.below.as_bytes()[tree.as_bytes().len()..];
        return join(&item.folder, &Name::new([tree.as_bytes(), format!("-{n}").as_bytes(), rest].concat()));
    }
    let file = Name::new(wanted.file_name());
    let (stem, extension) = split_name(&file);
    let dot: &[u8] = if extension.is_empty() { b"" } else { b"." };
    let name = Name::new([stem, format!("-{n}").as_bytes(), dot, extension].concat());
    join(&parent(wanted), &name)
}
