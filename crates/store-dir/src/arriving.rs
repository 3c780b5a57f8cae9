//! An object that comes in pieces: they are written as they come, and the file gets its name in the end.

use std::fs;
use std::io;
use std::path::PathBuf;

use darkslide_store::{Incoming, PutFacts, PutOutcome, StoreError};
use darkslide_words::ObjectName;

use crate::DirStore;
use crate::output::Output;

/// An object in `tmp/`.
pub struct Arriving<'s> {
    store: &'s DirStore,
    path: PathBuf,
    /// Its file, while it is written.
    output: Option<Output>,
    /// True while the file lies there.
    lies: bool,
    size: u64,
    /// What went wrong first; after it nothing more is written.
    failed: Option<io::Error>,
}

impl<'s> Arriving<'s> {
    pub fn new(store: &'s DirStore) -> Self {
        Self { store, path: store.temporary(), output: None, lies: false, size: 0, failed: None }
    }

    /// One whose file is `/dev/full`.
    #[cfg(test)]
    pub fn full(store: &'s DirStore) -> Self {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").ok();
        let mut arriving = Self::new(store);
        let _ = fs::write(&arriving.path, b"");
        (arriving.output, arriving.lies) = (full.map(Output::Through), true);
        arriving
    }

    /// Its file, made at the first call.
    fn output(&mut self) -> io::Result<&mut Output> {
        match &mut self.output {
            Some(output) => Ok(output),
            none => {
                let file = self.store.open_temporary(&self.path)?;
                self.lies = true;
                Ok(none.insert(Output::new(file, None, &self.store.blocks)))
            }
        }
    }

    fn remove(&mut self) {
        self.output = None;
        if std::mem::take(&mut self.lies) {
            let _ = fs::remove_file(&self.path);
        }
    }

    /// All of it is on the disk, and its file is closed: not every drive renames what is open.
    fn sync(&mut self) -> io::Result<()> {
        if let Some(failed) = self.failed.take() {
            return Err(failed);
        }
        self.output()?;
        self.output.take().map_or(Ok(()), |output| output.finish()?.sync_all())
    }
}

impl Incoming for Arriving<'_> {
    fn write(&mut self, piece: &[u8]) {
        self.size += piece.len() as u64;
        if self.failed.is_none()
            && let Err(error) = self.output().and_then(|output| output.write(piece))
        {
            // A full disk has room for others from now on, not only when all has come. So it does where a thread writes.
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
        match store.settle(&self.path, name).map_err(|source| store.error("placing", name, source))? {
            true => {
                self.lies = false;
                Ok(PutOutcome::Created)
            }
            false => store.there(name, size),
        }
    }
}

impl Drop for Arriving<'_> {
    fn drop(&mut self) {
        self.remove();
    }
}
