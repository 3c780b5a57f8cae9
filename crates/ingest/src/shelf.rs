//! A target, and what is on it already: found by content, wherever it lies and whatever it is
//! called by now.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

use darkslide_catalog::Catalog;
use darkslide_disk::{Disk, Kind, hash_uncached, path_of, sample};
use darkslide_words::{ContentHash, Name};

use crate::IngestError;

/// Folders in a library that hold no photographs of it.
const NOT_LIBRARY: [&str; 12] = [
    ".darkslide-tmp",
    ".darkslide-trash",
    "ascmhl",
    ".Trashes",
    "$RECYCLE.BIN",
    "RECYCLER",
    "#recycle",
    "@Recycle",
    "@Recently-Snapshot",
    "#snapshot",
    ".snapshots",
    "lost+found",
];

/// What lies in a trash will be gone.
fn is_no_library(name: &Name) -> bool {
    let bytes = name.as_bytes();
    bytes.starts_with(b".Trash-") || NOT_LIBRARY.iter().any(|not| bytes.eq_ignore_ascii_case(not.as_bytes()))
}
/// Folders within folders.
const DEPTH_MAX: usize = 128;

/// A place on a disk that holds copies: a library, a second target, a mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its root.
    pub root: PathBuf,
    /// What it is called.
    pub label: String,
}

impl Place {
    /// By what the catalog knows it.
    pub fn key(&self) -> String {
        self.root.to_string_lossy().into_owned()
    }
}

/// A place, and its files of the sizes that matter.
#[derive(Debug)]
pub struct Shelf {
    /// The place.
    pub place: Place,
    by_size: BTreeMap<u64, Vec<Name>>,
    /// Folders that could not be looked through.
    pub unreadable: Vec<(Name, String)>,
}

/// What a file of a card is looked up by.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'w> {
    pub(crate) size: u64,
    pub(crate) head: ContentHash,
    pub(crate) hash: ContentHash,
    /// Where it counts.
    pub(crate) counts: &'w dyn Fn(&Name) -> bool,
}

/// What a look at a shelf needs.
pub(crate) struct Look<'l> {
    pub(crate) disk: &'l dyn Disk,
    pub(crate) catalog: &'l Catalog,
    /// False if what the catalog remembers of an unchanged file will do.
    pub(crate) fresh: bool,
    pub(crate) now: darkslide_words::Time,
}

impl Shelf {
    /// Looks through a place for files of these sizes. A place that is not there yet is empty.
    pub fn new(disk: &dyn Disk, place: Place, sizes: &BTreeSet<u64>) -> Result<Self, IngestError> {
        let mut shelf = Self { place, by_size: BTreeMap::new(), unreadable: Vec::new() };
        let root = shelf.place.root.clone();
        match disk.list(&root) {
            Ok(listed) => shelf.take(disk, &Name::default(), listed, sizes, 0),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(IngestError::NoTarget { path: root, source }),
        }
        Ok(shelf)
    }

    fn take(
        &mut self,
        disk: &dyn Disk,
        folder: &Name,
        listed: Vec<(Name, io::Result<darkslide_disk::Stat>)>,
        sizes: &BTreeSet<u64>,
        depth: usize,
    ) {
        // A mirror's copies are not verified as long as they are called so.
        let named = listed.into_iter().filter(|(name, _)| !name.as_bytes().starts_with(b".darkslide-part-"));
        for (name, stat) in named {
            let path = folder.join(&name);
            match stat {
                Ok(stat) if stat.kind == Kind::File && sizes.contains(&stat.size) => self.add(stat.size, path),
                Ok(stat) if stat.kind == Kind::Folder => {
                    if depth >= DEPTH_MAX || is_no_library(&name) {
                        continue;
                    }
                    match disk.list(&path_of(&self.place.root, &path)) {
                        Ok(below) => self.take(disk, &path, below, sizes, depth + 1),
                        Err(error) => self.unreadable.push((path, error.to_string())),
                    }
                }
                _ => {}
            }
        }
    }

    /// A file that is there from now on.
    pub(crate) fn add(&mut self, size: u64, path: Name) {
        self.by_size.entry(size).or_default().push(path);
    }

    /// True if anything there has this size.
    pub(crate) fn may_hold(&self, size: u64) -> bool {
        self.by_size.contains_key(&size)
    }

    pub(crate) fn candidates(&self, size: u64) -> Vec<Name> {
        self.by_size.get(&size).cloned().unwrap_or_default()
    }

    pub(crate) fn path(&self, name: &Name) -> PathBuf {
        path_of(&self.place.root, name)
    }

    /// Where this content lies, if it does. Of files with its size and head, each is read whole
    /// past the page cache, unless the catalog remembers an unchanged one and that will do.
    pub(crate) fn find(&self, look: &Look<'_>, wanted: &Wanted<'_>) -> Result<Option<Name>, IngestError> {
        for path in self.candidates(wanted.size).into_iter().filter(|path| (wanted.counts)(path)) {
            if self.holds(look, &path, wanted)? {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    fn holds(&self, look: &Look<'_>, path: &Name, wanted: &Wanted<'_>) -> Result<bool, IngestError> {
        let absolute = self.path(path);
        let key = self.place.key();
        let Ok(stat) = look.disk.stat(&absolute) else { return Ok(false) };
        let known = look.catalog.copy(&key, path)?;
        let unchanged = known.filter(|row| row.size.0 == stat.size && row.mtime == stat.mtime);
        if let (Some(row), false) = (&unchanged, look.fresh) {
            return Ok(row.hash == wanted.hash);
        }
        let head = sample(look.disk, &absolute).is_ok_and(|head| head == wanted.head);
        if stat.size != wanted.size || !head {
            return Ok(false);
        }
        // Whoever put it there may not have made it durable.
        let folder = absolute.parent().unwrap_or(&self.place.root);
        if look.disk.sync_file(&absolute).and_then(|()| look.disk.sync_folder(folder)).is_err() {
            return Ok(false);
        }
        let Ok(hash) = hash_uncached(look.disk, &absolute, &mut |_| true) else { return Ok(false) };
        look.catalog.put_copy(
            &key,
            &darkslide_catalog::CopyRow {
                path: path.clone(),
                size: darkslide_words::Bytes(stat.size),
                mtime: stat.mtime,
                hash,
                verified: look.now,
            },
        )?;
        Ok(hash == wanted.hash)
    }
}
