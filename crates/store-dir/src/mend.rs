//! Parity on the disk, and damaged objects set aside and replaced. Each step leaves the object
//! under its name, damaged or whole; what is damaged is kept in `damaged/`, for ever.

use std::io;
use std::path::{Path, PathBuf};

use darkslide_disk::{Facts, Kind, Source, hash_uncached, make_folders};
use darkslide_store::{Healed, Mending, ParityState, Store as _, StoreError};
use darkslide_words::{Bytes, Count, ObjectId, ObjectName, Time};

use crate::output::WRITE;
use crate::parity::{self, Damage, Parity};
use crate::{DAMAGED, DirStore, LEFTOVER, PARITY};

/// Bytes that are passed over where the disk cannot read: what it reads at once.
const SECTOR: usize = 4096;

impl DirStore {
    /// Where the parity of an object lies.
    pub(crate) fn parity_path(&self, name: &ObjectName) -> PathBuf {
        self.root().join(PARITY).join(format!("{name}.rs"))
    }

    /// Writes the parity of these bytes, durable when this returns. What is there is replaced: it
    /// can be computed at any time.
    pub(crate) fn write_parity(&self, name: &ObjectName, object: &[u8], percent: u32) -> Result<(), StoreError> {
        let file = parity::make(object, percent);
        let to = self.parity_path(name);
        let write = || -> io::Result<()> {
            let temporary = self.write_through(&file)?;
            let place = || {
                let folder = to.parent().unwrap_or(self.root());
                make_folders(&*self.disk, folder)?;
                self.disk.replace(&temporary, &to)?;
                self.disk.sync_folder(folder)
            };
            place().inspect_err(|_| {
                let _ = self.disk.remove_file(&temporary);
            })
        };
        write().map_err(|source| self.error("writing the parity of", name, source))
    }

    /// Somebody else was faster under this name, perhaps with other bytes: then the parity that
    /// was written is of those.
    pub(crate) fn parity_of_another(&self, name: &ObjectName, ours: &[u8]) -> Result<(), StoreError> {
        if self.parity == 0 {
            return Ok(());
        }
        match self.salvage(&self.path(name), name)? {
            Some(theirs) if theirs != ours => self.write_parity(name, &theirs, self.parity),
            _ => Ok(()),
        }
    }

    /// A temporary file of these bytes, durable.
    fn write_through(&self, bytes: &[u8]) -> io::Result<PathBuf> {
        let folder = self.root().join(crate::TMP);
        make_folders(&*self.disk, &folder)?;
        let path = self.temporary();
        let write = || -> io::Result<()> {
            let mut sink = self.disk.create(&path)?;
            bytes.chunks(WRITE).try_for_each(|piece| sink.write_all(piece))?;
            drop(sink);
            self.disk.sync_file(&path)
        };
        write().inspect_err(|_| {
            let _ = self.disk.remove_file(&path);
        })?;
        Ok(path)
    }

    /// All that can be read of a file; what cannot is zeros. Nothing where there is no file.
    fn salvage(&self, path: &Path, name: &ObjectName) -> Result<Option<Vec<u8>>, StoreError> {
        let failed = |source| self.error("reading", name, source);
        let source = match self.disk.open(path) {
            Ok(source) => source,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return match self.disk.stat(self.root()) {
                    Ok(_) => Ok(None),
                    Err(source) => Err(self.unreachable(source)),
                };
            }
            Err(error) => return Err(failed(error)),
        };
        let size = source.stat().map_err(failed)?.size as usize;
        salvage_from(&*source, size).map(Some).map_err(failed)
    }

    /// The object as it lies there; where it is missing, what was set aside last.
    fn remains(&self, name: &ObjectName) -> Result<Vec<u8>, StoreError> {
        if let Some(bytes) = self.salvage(&self.path(name), name)? {
            return Ok(bytes);
        }
        let aside = (0..).map(|n| self.aside_path(name, n)).take_while(|path| self.disk.stat(path).is_ok()).last();
        let found = aside.map(|path| self.salvage(&path, name)).transpose()?;
        Ok(found.flatten().unwrap_or_default())
    }

    fn aside_path(&self, name: &ObjectName, n: u32) -> PathBuf {
        self.root().join(DAMAGED).join(format!("{name}.{n}"))
    }

    /// Puts good bytes under a name, whatever is there: that is kept in `damaged/`.
    fn replace_damaged(&self, name: &ObjectName, good: &[u8]) -> Result<(), StoreError> {
        let replace = || -> io::Result<()> {
            let temporary = self.write_through(good)?;
            let wanted = blake3::hash(good);
            let place = || {
                // What the disk gives back, not what it was given.
                if hash_uncached(&*self.disk, &temporary, &mut |_| true)?.as_bytes() != wanted.as_bytes() {
                    return Err(io::Error::other("what was written was read back otherwise: this disk fails"));
                }
                let to = self.path(name);
                make_folders(&*self.disk, to.parent().unwrap_or(self.root()))?;
                // It is as old as what it replaces: that bounds what a snapshot may say of its time.
                if let Ok(before) = self.disk.stat(&to) {
                    self.disk.apply(&temporary, &Facts::dated(before.mtime))?;
                }
                self.set_aside(name, &to)?;
                self.disk.replace(&temporary, &to)?;
                self.disk.sync_folder(to.parent().unwrap_or(self.root()))
            };
            place().inspect_err(|_| {
                let _ = self.disk.remove_file(&temporary);
            })
        };
        replace().map_err(|source| self.error("replacing", name, source))
    }

    /// Gives a damaged object a second name in `damaged/`, durable; where the file system knows no
    /// second names, its only one.
    fn set_aside(&self, name: &ObjectName, object: &Path) -> io::Result<()> {
        let found = match self.disk.stat(object) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            found => found?,
        };
        for n in 0.. {
            let aside = self.aside_path(name, n);
            match self.disk.stat(&aside) {
                // Set aside by a try before this one, which ended here.
                Ok(there) if there.inode == found.inode => return Ok(()),
                Ok(_) => continue,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            let folder = aside.parent().unwrap_or(self.root());
            make_folders(&*self.disk, folder)?;
            match self.disk.hard_link(object, &aside) {
                // EPERM, EOPNOTSUPP, EMLINK, ENOSYS.
                Err(error) if matches!(error.raw_os_error(), Some(1 | 95 | 31 | 38)) => {
                    self.disk.rename(object, &aside)?;
                }
                linked => linked?,
            }
            return self.disk.sync_folder(folder);
        }
        Ok(())
    }

    fn state(&self, parity: Option<&Parity<'_>>, object: &[u8], id: Option<ObjectId>) -> (ParityState, Option<Damage>) {
        let Some(parity) = parity else { return (ParityState::Lost, None) };
        if id.is_some_and(|id| *id.as_bytes() != parity.header.whole) {
            return (ParityState::Foreign, None);
        }
        let damage = parity.examine(object);
        let count = |list: &[usize]| Count(list.len() as u64);
        let (damaged, spare) = (count(&damage.data), Count(damage.spare() as u64));
        let state = match () {
            () if damage.object_is_whole() && damage.parity.is_empty() && parity.header_whole => ParityState::Whole,
            () if damage.object_is_whole() => ParityState::Worn { damaged: count(&damage.parity) },
            () if damage.can_be_healed() => ParityState::Healable { damaged, spare },
            () => ParityState::Beyond { damaged, spare },
        };
        (state, Some(damage))
    }
}

/// Reads what can be read of a file; sectors that the disk has lost are zeros.
pub(crate) fn salvage_from(source: &dyn Source, size: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; size];
    let (mut at, mut step) = (0, WRITE);
    while at < bytes.len() {
        let end = (at + step).min(bytes.len());
        match source.read_at(at as u64, &mut bytes[at..end]) {
            // It became shorter meanwhile.
            Ok(0) => bytes.truncate(at),
            // Larger steps again once the bad part is past.
            Ok(read) => (at, step) = (at + read, if (at + read) % WRITE == 0 { WRITE } else { step }),
            // EIO: nearer, then past the sector.
            Err(error) if error.raw_os_error() == Some(5) && step > SECTOR => step = SECTOR,
            Err(error) if error.raw_os_error() == Some(5) => {
                bytes[at..end].fill(0);
                at = end;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

fn is(bytes: &[u8], id: Option<ObjectId>) -> bool {
    id.is_none_or(|id| blake3::hash(bytes).as_bytes() == id.as_bytes())
}

impl Mending for DirStore {
    fn parity_percent(&self) -> u32 {
        self.parity
    }

    fn has_parity(&self, name: &ObjectName) -> bool {
        self.disk.stat(&self.parity_path(name)).is_ok()
    }

    fn parity(&self, name: &ObjectName, id: Option<ObjectId>, bytes: Option<&[u8]>) -> Result<ParityState, StoreError> {
        let Some(file) = self.salvage(&self.parity_path(name), name)? else { return Ok(ParityState::Absent) };
        let read;
        let object = match bytes {
            Some(bytes) => bytes,
            None => {
                read = self.remains(name)?;
                &read
            }
        };
        Ok(self.state(parity::read(&file).as_ref(), object, id).0)
    }

    fn protect(&self, name: &ObjectName, id: Option<ObjectId>) -> Result<bool, StoreError> {
        let Some(bytes) = self.salvage(&self.path(name), name)? else { return Ok(false) };
        if self.parity == 0 || !is(&bytes, id) {
            return Ok(false);
        }
        self.write_parity(name, &bytes, self.parity)?;
        Ok(true)
    }

    fn heal(&self, name: &ObjectName, id: Option<ObjectId>) -> Result<Healed, StoreError> {
        let Some(file) = self.salvage(&self.parity_path(name), name)? else {
            return Ok(Healed::Not(ParityState::Absent));
        };
        let object = self.remains(name)?;
        let parity = parity::read(&file);
        let (state, damage) = self.state(parity.as_ref(), &object, id);
        let (Some(parity), Some(damage)) = (parity, damage) else { return Ok(Healed::Not(state)) };
        match state {
            // Whole, but perhaps only where it was set aside.
            ParityState::Whole | ParityState::Worn { .. } if self.disk.stat(&self.path(name)).is_ok() => {
                return Ok(Healed::Whole);
            }
            ParityState::Whole | ParityState::Worn { .. } | ParityState::Healable { .. } => {}
            other => return Ok(Healed::Not(other)),
        }
        let shards = Count(damage.data.len() as u64);
        let spare = Count(damage.spare() as u64);
        let Some(good) = parity.rebuild(object, &damage).filter(|good| is(good, id)) else {
            return Ok(Healed::Not(ParityState::Beyond { damaged: shards, spare }));
        };
        drop(file);
        self.replace_damaged(name, &good)?;
        Ok(Healed::Healed { shards })
    }

    fn exchange(&self, name: &ObjectName, good: &[u8]) -> Result<(), StoreError> {
        if self.parity > 0 {
            self.write_parity(name, good, self.parity)?;
        }
        self.replace_damaged(name, good)
    }

    fn sweep_parity(&self, now: Time) -> Result<(Count, Bytes), StoreError> {
        let mut gone = (Count(0), Bytes(0));
        self.sweep_below(&self.root().join(PARITY), "", now, &mut gone).map_err(|source| StoreError::Io {
            store: self.label(),
            what: "looking through the parity".into(),
            source,
        })?;
        Ok(gone)
    }
}

impl DirStore {
    /// Removes parity files without an object, once they are old: one that is young may be of an
    /// object that is being put.
    fn sweep_below(&self, folder: &Path, below: &str, now: Time, gone: &mut (Count, Bytes)) -> io::Result<()> {
        let entries = match self.disk.list(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for (entry, stat) in entries {
            let (Ok(stat), Ok(text)) = (stat, std::str::from_utf8(entry.as_bytes())) else { continue };
            let path = folder.join(text);
            let name = format!("{below}{text}");
            if stat.kind == Kind::Folder {
                self.sweep_below(&path, &format!("{name}/"), now, gone)?;
            } else if let Some(Ok(object)) = name.strip_suffix(".rs").map(ObjectName::new) {
                let old = stat.mtime.until(now) > LEFTOVER;
                let there = match self.disk.stat(&self.path(&object)) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => false,
                    // Whatever cannot be looked at is taken to be there.
                    _ => true,
                };
                if old && !there && self.disk.stat(&self.aside_path(&object, 0)).is_err() {
                    self.disk.remove_file(&path)?;
                    gone.0 += Count(1);
                    gone.1 += Bytes(stat.size);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
