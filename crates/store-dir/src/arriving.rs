//! An object that comes in pieces: they are written as they come, and the file gets its name in the end.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;

use darkslide_store::{Incoming, PutFacts, PutOutcome, StoreError};
use darkslide_words::ObjectName;

use crate::DirStore;

/// An object in `tmp/`.
pub struct Arriving<'s> {
    store: &'s DirStore,
    path: PathBuf,
    file: Option<File>,
    size: u64,
    /// What went wrong first; after it nothing more is written.
    failed: Option<io::Error>,
}

impl<'s> Arriving<'s> {
    pub fn new(store: &'s DirStore) -> Self {
        Self { store, path: store.temporary(), file: None, size: 0, failed: None }
    }

    /// One whose file is `/dev/full`.
    #[cfg(test)]
    pub fn full(store: &'s DirStore) -> Self {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").ok();
        let mut arriving = Self::new(store);
        let _ = fs::write(&arriving.path, b"");
        arriving.file = full;
        arriving
    }

    fn open(&mut self) -> io::Result<&mut File> {
        match &mut self.file {
            Some(file) => Ok(file),
            none => Ok(none.insert(self.store.open_temporary(&self.path)?)),
        }
    }

    fn remove(&mut self) {
        if self.file.take().is_some() {
            let _ = fs::remove_file(&self.path);
        }
    }

    /// All of it is on the disk.
    fn sync(&mut self) -> io::Result<()> {
        match self.failed.take() {
            Some(failed) => Err(failed),
            None => self.open()?.sync_all(),
        }
    }
}

impl Incoming for Arriving<'_> {
    fn write(&mut self, piece: &[u8]) {
        self.size += piece.len() as u64;
        if self.failed.is_none()
            && let Err(error) = self.open().and_then(|file| file.write_all(piece))
        {
            // A full disk has room for others from now on, not only when all has come.
            self.remove();
            self.failed = Some(error);
        }
    }

    fn finish(mut self: Box<Self>, name: &ObjectName, _: &PutFacts) -> Result<PutOutcome, StoreError> {
        let (store, size) = (self.store, self.size);
        if store.is_there(name) {
            return store.there(name, size);
        }
        self.sync().map_err(|source| store.error("writing", name, source))?;
        // Not every drive renames what is open.
        self.file = None;
        let settled = store.settle(&self.path, name).map_err(|source| store.error("placing", name, source));
        if !matches!(settled, Ok(true)) {
            let _ = fs::remove_file(&self.path);
        }
        match settled? {
            true => Ok(PutOutcome::Created),
            false => store.there(name, size),
        }
    }
}

impl Drop for Arriving<'_> {
    fn drop(&mut self) {
        self.remove();
    }
}
