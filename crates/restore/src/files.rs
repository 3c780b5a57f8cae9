//! One file: written without its name, verified, named.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use darkslide_format::pages::chunks_of;
use darkslide_format::tree::Entry;
use darkslide_words::{Bytes, ChunkId, ContentHash};
use rustix::fs::CWD;

use crate::plan::{Existing, kind_of};
use crate::temporary::{self, Maker, PARTIAL, PlaceError};
use crate::{ChunkError, ChunkReader, RestoreError, meta};

/// Bytes written at a time; larger writes make the kernel fetch large pages, which
/// costs more than the copying.
const WRITE: usize = 64 * 1024;

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Written and verified.
    Written,
    /// Was there already, with the same content.
    Present,
}

/// Whether something may have a file's name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vacancy {
    /// That is looked at first.
    Unknown,
    /// The folder was made a moment ago and nothing may be replaced, so a look would most
    /// likely be for nothing; if it is taken after all, giving it to the file tells.
    Free,
}

/// Why one file was not restored.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Another file has its name.
    #[error("another file of this name is in the target; it was not touched (`--overwrite` replaces it)")]
    Exists,
    /// Its bytes are not those that were stored.
    #[error("its content does not match its hash; nothing was written")]
    Wrong,
    /// A chunk cannot be had.
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    /// It is whole and could not be given its name.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The system said no.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl FileError {
    /// True if every other file will fail in the same way.
    pub fn is_full(&self) -> bool {
        let (Self::Io(error) | Self::Place(PlaceError::Io(error))) = self else { return false };
        matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

/// Writes files; one for each thread.
pub struct FileWriter {
    reader: ChunkReader,
    buffer: Vec<u8>,
    maker: Maker,
}

impl FileWriter {
    /// Reads through `reader`.
    pub fn new(reader: ChunkReader) -> Self {
        Self { reader, buffer: Vec::new(), maker: Maker::default() }
    }

    /// What reads.
    pub fn reader(&mut self) -> &mut ChunkReader {
        &mut self.reader
    }

    /// Restores a file to `target`. `content` is all of it, verified, if that was read before.
    pub fn restore(
        &mut self,
        entry: &Entry,
        target: &Path,
        existing: Existing,
        vacancy: Vacancy,
        content: Option<&[u8]>,
    ) -> Result<Outcome, FileError> {
        if vacancy == Vacancy::Unknown
            && let Some(outcome) = there_already(entry, target, existing)?
        {
            return Ok(outcome);
        }
        match self.write(entry, target, existing, content) {
            Err(FileError::Place(PlaceError::Nameless)) => self.restore(entry, target, existing, vacancy, content),
            Err(FileError::Place(PlaceError::Io(e)))
                if e.kind() == io::ErrorKind::AlreadyExists && vacancy == Vacancy::Free =>
            {
                self.restore(entry, target, existing, Vacancy::Unknown, content)
            }
            other => other.map(|()| Outcome::Written),
        }
    }

    fn write(
        &mut self,
        entry: &Entry,
        target: &Path,
        existing: Existing,
        content: Option<&[u8]>,
    ) -> Result<(), FileError> {
        let mut temporary = self.maker.make(entry, target, existing)?;
        let file = &mut temporary.file;
        match content {
            Some(content) => file.write_all(content)?,
            None => self.read(file, entry)?,
        }
        meta::apply(file, entry)?;
        Ok(self.maker.place(temporary, target, existing)?)
    }

    /// From the packs into the file, and verified.
    fn read(&mut self, file: &mut File, entry: &Entry) -> Result<(), FileError> {
        let chunks = list(&mut self.reader, entry)?;
        if self.fill(file, entry, &chunks, Checked::Whole)? == entry.hash {
            return Ok(());
        }
        // Some chunk is not what its id says: look at each, and at other places.
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        match self.fill(file, entry, &chunks, Checked::Each)? == entry.hash {
            true => Ok(()),
            false => Err(FileError::Wrong),
        }
    }

    /// Writes the chunks, leaving holes; the hash of what they are.
    fn fill(
        &mut self,
        file: &mut File,
        entry: &Entry,
        chunks: &[ChunkId],
        checked: Checked,
    ) -> Result<Option<ContentHash>, FileError> {
        let mut hash = blake3::Hasher::new();
        let mut at = 0;
        for chunk in chunks {
            self.buffer.clear();
            match checked {
                Checked::Whole => self.reader.append(kind_of(entry), *chunk, &mut self.buffer)?,
                Checked::Each => self.reader.append_checked(kind_of(entry), *chunk, &mut self.buffer)?,
            }
            hash.update(&self.buffer);
            write_around_holes(file, &self.buffer, at, &entry.holes)?;
            at += self.buffer.len() as u64;
        }
        if !entry.holes.is_empty() {
            file.set_len(at)?;
        }
        Ok(Some(ContentHash::new(*hash.finalize().as_bytes())).filter(|_| at == entry.bytes().0))
    }
}

/// What became of a file whose name is taken; nothing if it is to be written.
fn there_already(entry: &Entry, target: &Path, existing: Existing) -> Result<Option<Outcome>, FileError> {
    match fs::symlink_metadata(target) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e.into()),
        Ok(found) if found.is_file() && found.len() == entry.bytes().0 && Some(hash_of(target)?) == entry.hash => {
            if existing == Existing::Replace {
                meta::apply(&File::open(target)?, entry)?;
            }
            Ok(Some(Outcome::Present))
        }
        Ok(found) if existing == Existing::Keep || found.is_dir() => Err(FileError::Exists),
        Ok(_) => Ok(None),
    }
}

/// What a chunk is checked against.
#[derive(Clone, Copy)]
enum Checked {
    /// The whole file's hash.
    Whole,
    /// Its own id.
    Each,
}

fn list(reader: &mut ChunkReader, entry: &Entry) -> Result<Vec<ChunkId>, FileError> {
    if let Some(chunks) = &entry.chunks {
        return Ok(chunks.clone());
    }
    struct Direct<'r>(&'r mut ChunkReader);
    impl darkslide_format::pages::PageSource for Direct<'_> {
        type Error = ChunkError;
        fn page(&mut self, id: ChunkId) -> Result<Vec<u8>, ChunkError> {
            let mut page = Vec::new();
            self.0.append_checked(darkslide_format::manifest::PackKind::Trees, id, &mut page)?;
            Ok(page)
        }
    }
    Ok(chunks_of(&mut Direct(reader), entry)?)
}

fn write_around_holes(file: &mut File, bytes: &[u8], at: u64, holes: &[(Bytes, Bytes)]) -> io::Result<()> {
    if holes.is_empty() {
        return bytes.chunks(WRITE).try_for_each(|piece| file.write_all(piece));
    }
    let end = at + bytes.len() as u64;
    let mut from = at;
    let start = holes.partition_point(|(off, len)| off.0 + len.0 <= at);
    for (off, len) in holes[start..].iter().take_while(|(off, _)| off.0 < end) {
        let to = off.0.max(from);
        let hole = &bytes[(to - at) as usize..((off.0 + len.0).clamp(to, end) - at) as usize];
        if hole.iter().any(|b| *b != 0) {
            // Not what the entry says; what was hashed is written.
            continue;
        }
        write_at(file, &bytes[(from - at) as usize..(to - at) as usize], from)?;
        from = (off.0 + len.0).clamp(from, end);
    }
    write_at(file, &bytes[(from - at) as usize..], from)
}

fn write_at(file: &mut File, bytes: &[u8], at: u64) -> io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    file.seek(SeekFrom::Start(at))?;
    bytes.chunks(WRITE).try_for_each(|piece| file.write_all(piece))
}

/// The hash of a file that is there.
fn hash_of(path: &Path) -> io::Result<ContentHash> {
    let mut file = File::open(path)?;
    let mut hash = blake3::Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(ContentHash::new(*hash.finalize().as_bytes())),
            n => hash.update(&buffer[..n]),
        };
    }
}

/// Restores a symbolic link.
pub fn symlink(entry: &Entry, target: &Path, existing: Existing) -> Result<Outcome, FileError> {
    let Some(wanted) = &entry.target else { return Err(FileError::Wrong) };
    let wanted = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(wanted.as_bytes());
    match fs::symlink_metadata(target) {
        Ok(found) if found.is_symlink() && fs::read_link(target)?.as_os_str() == wanted => return Ok(Outcome::Present),
        Ok(found) if existing == Existing::Keep || found.is_dir() => return Err(FileError::Exists),
        _ => {}
    }
    let temporary = target.with_file_name(temporary::name());
    std::os::unix::fs::symlink(wanted, &temporary)?;
    let place = || temporary::rename(CWD, temporary.as_os_str(), target.as_os_str(), existing);
    let placed = meta::apply_link(&temporary, entry).and_then(|()| place());
    if placed.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    placed?;
    Ok(Outcome::Written)
}

/// Makes a folder in the target, or finds it there; never goes through a link. Whether
/// names in it may be taken.
pub fn folder(path: &Path) -> io::Result<Vacancy> {
    // Private until its content and then its mode are there.
    match std::os::unix::fs::DirBuilderExt::mode(&mut fs::DirBuilder::new(), 0o700).create(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        other => return other.map(|()| Vacancy::Free),
    }
    if !fs::symlink_metadata(path)?.is_dir() {
        return Err(io::Error::new(io::ErrorKind::NotADirectory, "something that is no folder has its name"));
    }
    for entry in fs::read_dir(path)?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(PARTIAL) {
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(Vacancy::Unknown)
}

/// Ends a restore on an error that every file would meet.
pub fn fatal(error: &FileError, target: &Path) -> Option<RestoreError> {
    error.is_full().then(|| RestoreError::Full { path: target.to_path_buf() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Opened;
    use darkslide_catalog::Catalog;
    use darkslide_format::IdKey;
    use darkslide_format::tree::{EntryKind, FileClass};
    use darkslide_words::Name;

    fn empty_file() -> Entry {
        Entry {
            chunks: Some(Vec::new()),
            class: Some(FileClass::Warm),
            hash: Some(ContentHash::new(*blake3::hash(b"").as_bytes())),
            size: Some(Bytes(0)),
            ..Entry::bare(EntryKind::File, Name::from("a"), 0o644)
        }
    }

    #[test]
    fn a_name_that_was_thought_free_and_is_taken_is_looked_at_after_all() {
        let dir = tempfile::tempdir().unwrap();
        let catalog = Catalog::create(&dir.path().join("catalog")).unwrap();
        let keys = Opened { identities: Default::default(), id_key: IdKey::new([1; 32]) };
        let reader = ChunkReader::new(catalog, Vec::new(), keys).unwrap();
        let mut writer = FileWriter::new(reader);
        let (folder, entry) = (dir.path().join("made"), empty_file());
        assert_eq!(super::folder(&folder).unwrap(), Vacancy::Free);
        assert_eq!(super::folder(&folder).unwrap(), Vacancy::Unknown);
        let target = folder.join("a");
        let mut restore = |existing| writer.restore(&entry, &target, existing, Vacancy::Free, None);
        assert_eq!(restore(Existing::Keep).unwrap(), Outcome::Written);
        // The same name again, as a file system without cases makes of two.
        assert_eq!(restore(Existing::Keep).unwrap(), Outcome::Present);
        fs::write(&target, b"somebody else's").unwrap();
        assert!(matches!(restore(Existing::Keep), Err(FileError::Exists)));
        assert_eq!(fs::read(&target).unwrap(), b"somebody else's");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing temporary stays");
    }
}
