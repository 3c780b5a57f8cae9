//! A directory as a store: fsync of file and folder, rename into place,
//! create-only.
//!
//! Level 2. **Invariant:** an object appears under its name only whole and
//! durable; a name that exists is never replaced, but by mending, with bytes that
//! have the name's hash. What a crash leaves behind lies in `tmp/` and is swept
//! when it is a day old. Parity lies in `parity/`, what was damaged in `damaged/`.

mod arriving;
mod mend;
mod output;
mod parity;

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use darkslide_disk::{Disk, RealDisk};
use darkslide_store::{
    Capabilities, Incoming, Listed, Mending, OnListed, PutFacts, PutOutcome, ReadOutcome, Readable, Store, StoreError,
};
use darkslide_words::{Bytes, Clock, ObjectName, StorageClass, Time};
use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};

use crate::arriving::Arriving;
use crate::output::{Blocks, Output};

/// Where unfinished objects lie.
const TMP: &str = "tmp";
/// Where parity lies: for each object a file of its name and `.rs`.
const PARITY: &str = "parity";
/// Where damaged objects are kept.
const DAMAGED: &str = "damaged";
/// Folders that hold no objects.
const OURS: [&str; 3] = [TMP, PARITY, DAMAGED];
/// Age after which a leftover is swept, unless somebody holds it.
const LEFTOVER: Duration = Duration::from_secs(24 * 3600);

/// A directory that holds objects.
#[derive(Debug)]
pub struct DirStore {
    root: PathBuf,
    serial: AtomicU64,
    /// Percent; 0 for none.
    parity: u32,
    disk: Box<dyn Disk>,
    /// Memory to write from.
    blocks: Blocks,
}

impl DirStore {
    /// Makes the directory where it is absent.
    pub fn create(root: &Path) -> Result<Self, StoreError> {
        let store = Self::at(root);
        fs::create_dir_all(root.join(TMP)).map_err(|source| store.unreachable(source))?;
        let parent = root.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        sync_dir(parent).map_err(|source| store.unreachable(source))?;
        Ok(store)
    }

    /// Opens one that exists; an absent one (an unplugged disk) is an error,
    /// not a new directory.
    pub fn open(root: &Path, clock: &dyn Clock) -> Result<Self, StoreError> {
        let store = Self::at(root);
        fs::read_dir(root).map_err(|source| store.unreachable(source))?;
        store.sweep(clock);
        Ok(store)
    }

    /// The same on another disk: parity and mending go through it, so that tests let each of
    /// their operations fail.
    pub fn on(self, disk: Box<dyn Disk>) -> Self {
        Self { disk, ..self }
    }

    fn at(root: &Path) -> Self {
        let (serial, disk, blocks) = (AtomicU64::new(0), Box::new(RealDisk), Blocks::default());
        Self { root: root.to_path_buf(), serial, parity: 0, disk, blocks }
    }

    /// The same, with so much parity beside each new object, in percent; 0 for none.
    pub fn with_parity(self, percent: u32) -> Self {
        Self { parity: percent.min(100), ..self }
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Removes what crashed runs left in `tmp/` a day ago or longer.
    fn sweep(&self, clock: &dyn Clock) {
        let Ok(entries) = fs::read_dir(self.root.join(TMP)) else {
            return;
        };
        for entry in entries.flatten() {
            let old = entry
                .metadata()
                .is_ok_and(|m| Time::from_parts(m.mtime(), m.mtime_nsec()).until(clock.now()) > LEFTOVER);
            if old && !is_held(&entry.path()) {
                // A leftover that cannot be removed harms nobody.
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn path(&self, name: &ObjectName) -> PathBuf {
        self.root.join(name.as_str())
    }

    fn unreachable(&self, source: io::Error) -> StoreError {
        StoreError::Unreachable { store: self.label(), source }
    }

    fn error(&self, what: &str, name: &ObjectName, source: io::Error) -> StoreError {
        let store = self.label();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full { store, name: name.clone() },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                StoreError::Denied { store, name: name.to_string(), source }
            }
            _ if !self.root.exists() => self.unreachable(source),
            _ => StoreError::Io { store, what: format!("{what} {name}"), source },
        }
    }

    /// A name in `tmp/` that nobody else uses.
    fn temporary(&self) -> PathBuf {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        self.root.join(TMP).join(format!("{}-{serial}-{:016x}", std::process::id(), unique(serial)))
    }

    /// Makes that file, and holds it; also its folder, where the store is there and that is not.
    fn open_temporary(&self, path: &Path) -> io::Result<File> {
        let file = match open_new(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound && self.root.exists() => {
                fs::create_dir_all(self.root.join(TMP))?;
                open_new(path)?
            }
            opened => opened?,
        };
        // For this handle alone: under a shared lock some network drives let nobody write. Where the file system has no
        // locks, a day has to do.
        let _ = flock(&file, FlockOperation::NonBlockingLockExclusive);
        Ok(file)
    }

    fn write_temporary(&self, name: &ObjectName, bytes: &[u8]) -> Result<PathBuf, StoreError> {
        let path = self.temporary();
        let write = || -> io::Result<()> {
            let mut output = Output::new(self.open_temporary(&path)?, Some(bytes.len()), &self.blocks);
            output.write(bytes)?;
            output.finish()?.sync_all()
        };
        write().map_err(|source| {
            let _ = fs::remove_file(&path);
            self.error("writing", name, source)
        })?;
        Ok(path)
    }

    /// What becomes of an object of `size` bytes whose name is there already.
    fn there(&self, name: &ObjectName, size: u64) -> Result<PutOutcome, StoreError> {
        let there = fs::symlink_metadata(self.path(name)).map_err(|e| self.error("checking", name, e))?;
        match there.len() == size {
            true => Ok(PutOutcome::AlreadyThere),
            false => Err(StoreError::Different { store: self.label(), name: name.clone() }),
        }
    }

    fn is_there(&self, name: &ObjectName) -> bool {
        fs::symlink_metadata(self.path(name)).is_ok()
    }

    /// Moves a finished file to its name, unless that exists.
    fn settle(&self, from: &Path, name: &ObjectName) -> io::Result<bool> {
        let to = self.path(name);
        if let Some(folder) = to.parent() {
            make_folders(&self.root, folder)?;
        }
        match renameat_with(CWD, from, CWD, &to, RenameFlags::NOREPLACE) {
            Ok(()) => {}
            Err(rustix::io::Errno::EXIST) => return Ok(false),
            // File systems without the flag: a hard link refuses to replace, too.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {
                match fs::hard_link(from, &to) {
                    Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
                    linked => linked?,
                }
                fs::remove_file(from)?;
            }
            Err(other) => return Err(other.into()),
        }
        sync_dir(to.parent().unwrap_or(&self.root))?;
        Ok(true)
    }
}

fn unique(serial: u64) -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(serial)
}

/// True if a process is still writing it.
fn is_held(path: &Path) -> bool {
    // Some file systems lock for writers only.
    let Ok(file) = File::options().write(true).open(path) else { return false };
    flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(rustix::io::Errno::WOULDBLOCK)
}

fn open_new(path: &Path) -> io::Result<File> {
    fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(path)
}

fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes missing folders below the root and makes each durable in its parent.
fn make_folders(root: &Path, folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent().filter(|_| folder != root) {
        make_folders(root, parent)?;
        match fs::create_dir(folder) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
            _ => sync_dir(parent)?,
        }
    }
    Ok(())
}

impl Store for DirStore {
    fn label(&self) -> String {
        self.root.display().to_string()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { create_only: true, ranges: true, cold: false, delete: true, puts: 1 }
    }

    fn put(&self, name: &ObjectName, bytes: &[u8], facts: &PutFacts) -> Result<PutOutcome, StoreError> {
        if self.is_there(name) {
            return self.there(name, bytes.len() as u64);
        }
        debug_assert_eq!(crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes), facts.crc64);
        let temporary = self.write_temporary(name, bytes)?;
        let discard = |error| {
            let _ = fs::remove_file(&temporary);
            error
        };
        // Before the object has its name: whoever finds it there finds its parity, too.
        if self.parity > 0 {
            self.write_parity(name, bytes, self.parity).map_err(discard)?;
        }
        let settled = self.settle(&temporary, name).map_err(|source| discard(self.error("placing", name, source)))?;
        if settled {
            return Ok(PutOutcome::Created);
        }
        let _ = fs::remove_file(&temporary);
        self.parity_of_another(name, bytes)?;
        self.there(name, bytes.len() as u64)
    }

    fn incoming(&self) -> Option<Box<dyn Incoming + '_>> {
        // Parity is made of whole objects.
        (self.parity == 0).then(|| Box::new(Arriving::new(self)) as Box<dyn Incoming>)
    }

    fn read(&self, name: &ObjectName, range: Option<Range<u64>>) -> Result<ReadOutcome, StoreError> {
        let mut file = match File::open(self.path(name)) {
            Ok(file) => file,
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                // An unplugged disk has no objects, but that does not make them missing.
                return match self.root.is_dir() {
                    true => Ok(ReadOutcome::Missing),
                    false => Err(self.unreachable(e)),
                };
            }
            Err(e) => return Err(self.error("reading", name, e)),
        };
        let failed = |e| self.error("reading", name, e);
        let Some(range) = range else {
            let mut bytes = Vec::with_capacity(file.metadata().map_err(failed)?.len() as usize);
            file.read_to_end(&mut bytes).map_err(failed)?;
            return Ok(ReadOutcome::Bytes(bytes));
        };
        file.seek(SeekFrom::Start(range.start)).map_err(failed)?;
        let wanted = range.end.saturating_sub(range.start);
        let mut bytes = Vec::with_capacity(wanted as usize);
        io::Read::by_ref(&mut file).take(wanted).read_to_end(&mut bytes).map_err(failed)?;
        match bytes.len() as u64 == wanted {
            true => Ok(ReadOutcome::Bytes(bytes)),
            false => Err(StoreError::Short { name: name.clone(), size: file.metadata().map_err(failed)?.len() }),
        }
    }

    fn list(&self, prefix: &str, each: &mut OnListed<'_>) -> Result<(), StoreError> {
        let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        if !self.root.is_dir() {
            return Err(self.unreachable(io::ErrorKind::NotFound.into()));
        }
        if OURS.contains(&folder.split('/').next().unwrap_or_default()) {
            return Ok(());
        }
        self.list_folder(folder, prefix, each)
    }

    fn delete(&self, name: &ObjectName) -> Result<(), StoreError> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(self.error("deleting", name, e));
            }
            _ => {}
        }
        let _ = path.parent().map(sync_dir);
        // Parity without an object harms nobody, and is swept.
        let _ = fs::remove_file(self.parity_path(name));
        Ok(())
    }

    fn mending(&self) -> Option<&dyn Mending> {
        Some(self)
    }
}

impl DirStore {
    fn list_folder(&self, folder: &str, prefix: &str, each: &mut OnListed<'_>) -> Result<(), StoreError> {
        let failed = |source| StoreError::Io { store: self.label(), what: format!("listing {folder}"), source };
        let entries = match fs::read_dir(self.root.join(folder)) {
            Ok(entries) => entries,
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(());
            }
            Err(e) => return Err(failed(e)),
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let file_name = entry.file_name();
            let Some(file_name) = file_name.to_str() else {
                continue;
            };
            let text = match folder.is_empty() {
                true => file_name.to_string(),
                false => format!("{folder}/{file_name}"),
            };
            let inside = text.starts_with(prefix) || prefix.starts_with(&format!("{text}/"));
            if !inside || OURS.contains(&text.as_str()) {
                continue;
            }
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_dir() {
                self.list_folder(&text, prefix, each)?;
            } else if let Ok(name) = ObjectName::new(text)
                && meta.is_file()
            {
                let modified = Time::from_parts(meta.mtime(), meta.mtime_nsec());
                let (size, class, readable) = (Bytes(meta.len()), StorageClass::Standard, Readable::Now);
                each(Listed { name, size, modified, class, readable })?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
