//! One file's content into packs: chunks, parts, deltas.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use darkslide_catalog::{BaseBlock, Catalog, Stat};
use darkslide_format::IdKey;
use darkslide_format::chunking::Cutter;
use darkslide_format::frame;
use darkslide_format::manifest::PackKind;
use darkslide_format::pack::Part;
use darkslide_format::space::Space;
use darkslide_words::{ChunkId, ContentHash, Name, Time};

use crate::SnapshotError;
use crate::facts;
use crate::packer::{Found, PackRef, Packer, Put};
use crate::read::{Cuts, Kit, Reader};

/// A pack that is fuller than this share of its target is closed before a file
/// that needs several.
const START_SHARE: u64 = 8;

/// What a file became.
#[derive(Debug)]
pub struct Content {
    /// Its chunks, in order.
    pub chunks: Vec<ChunkId>,
    /// Its hash.
    pub hash: ContentHash,
    /// Its bytes.
    pub size: u64,
    /// Packs that it needs.
    pub refs: Vec<PackRef>,
}

/// Why a file could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum FileProblem {
    /// The system said no.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It would not hold still.
    #[error("it kept changing while it was read")]
    Changing,
    /// Content differs though nothing else does.
    #[error(
        "ALARM: its content changed though its size and modification time did not (bit rot, or a program that \
         hides its edits). The last good version stays in the archive. If the change is meant, run `backup --accept PATH`"
    )]
    Rot,
    /// A database that could not be copied.
    #[error("{0}")]
    Database(#[from] crate::database::DatabaseError),
    /// Not something that can be archived.
    #[error("{0}")]
    Unsuitable(&'static str),
}

/// The file to store.
pub struct Subject<'a> {
    /// Path in the library.
    pub path: &'a Name,
    /// What was seen of it before it was opened.
    pub stat: &'a Stat,
    /// Kind of packs.
    pub kind: PackKind,
    /// True if what is read is a private copy that nobody changes.
    pub private: Private,
    /// For a database: its local base.
    pub base: Option<&'a mut Base>,
}

/// Whether somebody else can change what is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Private {
    /// A staging copy.
    Yes,
    /// The library's own file.
    No,
}

#[derive(PartialEq)]
enum Entry {
    /// None yet in this part.
    Unopened,
    /// A plain one, all new so far.
    Plain,
    /// Single chunks.
    Loose,
}

/// Stores files; keeps the read buffer between them.
pub struct FileStore<'r> {
    cutter: &'r Cutter,
    db_chunk: usize,
    key: &'r IdKey,
    kit: Kit,
}

impl<'r> FileStore<'r> {
    /// With the repository's way of cutting.
    pub fn new(cutter: &'r Cutter, db_chunk: usize, key: &'r IdKey) -> Self {
        Self { cutter, db_chunk, key, kit: Kit::of_cutter(cutter, key) }
    }

    /// Files of up to so many bytes are one chunk.
    pub fn uncut(&self) -> usize {
        self.cutter.min()
    }

    /// The read buffer, for other uses between files.
    pub fn space(&mut self) -> &mut Space {
        &mut self.kit.space
    }

    /// Reads `file` and stores what is new of it.
    pub fn store(
        &mut self,
        file: File,
        mut subject: Subject<'_>,
        packer: &mut Packer<'_>,
    ) -> Result<Result<Content, FileProblem>, SnapshotError> {
        let cuts = match subject.base {
            Some(_) => Cuts::Fixed(self.db_chunk),
            None => Cuts::Content(self.cutter),
        };
        let mut reader = Reader::new(file, subject.stat.size, cuts, &mut self.kit);
        let walked = chunks(self.cutter, self.key, &mut reader, &mut subject, packer)?;
        // A file of one chunk was looked at before that chunk was kept.
        let looked = walked.as_ref().is_ok_and(|walked| walked.2);
        let stable =
            subject.private == Private::Yes || looked || is_stable(reader.file(), subject.stat, reader.total());
        let total = reader.total();
        let hash = reader.finish();
        let (chunks, mut refs, _) = match walked {
            Ok(walked) if stable => walked,
            other => {
                packer.abandon_part(subject.kind);
                return Ok(Err(other.err().unwrap_or(FileProblem::Changing)));
            }
        };
        packer.end_part(subject.kind)?;
        refs.sort_unstable();
        refs.dedup();
        Ok(Ok(Content { chunks, hash, size: total, refs }))
    }
}

/// Reads a file's chunks and stores what is new of them: all of them, the packs that they need, and whether the file was
/// looked at once more before its only one was stored.
#[allow(clippy::type_complexity)]
fn chunks(
    cutter: &Cutter,
    key: &IdKey,
    reader: &mut Reader<'_, '_>,
    subject: &mut Subject<'_>,
    packer: &mut Packer<'_>,
) -> Result<Result<(Vec<ChunkId>, Vec<PackRef>, bool), FileProblem>, SnapshotError> {
    let (kind, extension) = (subject.kind, subject.path.extension());
    let (mut chunks, mut refs, mut looked) = (Vec::new(), Vec::new(), false);
    let mut parts = Parts::begin(subject, packer)?;
    let raw = subject.base.is_none() && frame::stays_raw(extension.as_deref());
    loop {
        if raw && !reader.at_end() && parts.take_pieces(subject, cutter.min()) {
            match parts.pour(subject, packer, reader)? {
                Ok(put) => refs.extend(put.refs()),
                Err(problem) => return Ok(Err(problem)),
            }
            chunks.push(reader.id());
            continue;
        }
        let read = reader.next_chunk().map(|chunk| chunk.map(<[u8]>::len));
        let len = match read {
            Ok(Some(len)) => len,
            Ok(None) => return Ok(Ok((chunks, refs, looked))),
            Err(error) => return Ok(Err(error.into())),
        };
        if reader.total() > subject.stat.size && subject.private == Private::No {
            return Ok(Err(FileProblem::Changing));
        }
        let single = chunks.is_empty() && reader.at_end();
        if single && subject.private == Private::No && !is_stable(reader.file(), subject.stat, reader.total()) {
            return Ok(Err(FileProblem::Changing));
        }
        looked = single;
        let chunk = reader.chunk();
        debug_assert_eq!(chunk.len(), len);
        let id = reader.id();
        let shortcut = match subject.base.as_deref_mut() {
            Some(base) => base.place(id, chunk, packer, key)?,
            None => Shortcut::None,
        };
        match shortcut {
            Shortcut::Known(found) => {
                parts.known(packer);
                refs.extend(found.refs());
            }
            Shortcut::Delta { frame, base, base_at } => {
                // Before the delta: it is no chunk of the entry that is open.
                parts.known(packer);
                let at = packer.delta(id, chunk.len() as u64, &frame, base, base_at)?;
                refs.extend([at, base_at]);
            }
            Shortcut::None => {
                let put = match single {
                    true => {
                        let facts = facts::tar_facts(subject.stat);
                        packer.whole(kind, subject.path, facts, id, chunk, extension.as_deref())?
                    }
                    false => parts.put(subject, packer, id, chunk, extension.as_deref())?,
                };
                refs.extend(put.refs());
                if let Some(base) = subject.base.as_deref_mut() {
                    base.full(id, chunk)?;
                }
            }
        }
        chunks.push(id);
    }
}

/// The entries of one file, part by part.
struct Parts {
    entry: Entry,
    number: u32,
    whole: bool,
}

impl Parts {
    fn begin(subject: &Subject<'_>, packer: &mut Packer<'_>) -> Result<Self, SnapshotError> {
        let (size, target) = (subject.stat.size, packer.target(subject.kind));
        let whole = size <= target;
        // A file that fits into a pack is never split; a larger one may begin in
        // a pack that is almost empty.
        let wanted = if whole { size } else { target - target / START_SHARE };
        packer.make_room(subject.kind, wanted)?;
        Ok(Self { entry: Entry::Unopened, number: 1, whole })
    }

    fn known(&mut self, packer: &mut Packer<'_>) {
        if self.entry == Entry::Plain {
            packer.loosen_part(PackKind::Cold);
            packer.loosen_part(PackKind::Warm);
        }
        self.entry = Entry::Loose;
    }

    /// True if the next chunk can be put together while it is read: all of the file goes into this pack, as one entry
    /// so far.
    fn take_pieces(&self, subject: &Subject<'_>, uncut: usize) -> bool {
        self.whole && subject.stat.size > uncut as u64 && self.entry != Entry::Loose
    }

    /// Reads a chunk into the open pack, and keeps it there if it is new.
    fn pour(
        &mut self,
        subject: &Subject<'_>,
        packer: &mut Packer<'_>,
        reader: &mut Reader<'_, '_>,
    ) -> Result<Result<Put, FileProblem>, SnapshotError> {
        let kind = subject.kind;
        self.open(subject, packer)?;
        let pack = packer.begin_chunk(kind)?;
        match reader.pour(pack) {
            Ok(1..) => {}
            // It has become shorter.
            Ok(0) => return Ok(Err(FileProblem::Changing)),
            Err(error) => return Ok(Err(error.into())),
        }
        let put = packer.end_chunk(kind, reader.id())?;
        if let Put::Known(_) = put {
            self.known(packer);
        }
        Ok(Ok(put))
    }

    /// Opens the entry, unless one is open.
    fn open(&mut self, subject: &Subject<'_>, packer: &mut Packer<'_>) -> Result<(), SnapshotError> {
        if self.entry == Entry::Unopened {
            let part = if self.whole { Part::Whole } else { Part::Number(self.number) };
            packer.begin_part(subject.kind, subject.path, part, facts::tar_facts(subject.stat))?;
            self.entry = Entry::Plain;
        }
        Ok(())
    }

    fn put(
        &mut self,
        subject: &Subject<'_>,
        packer: &mut Packer<'_>,
        id: ChunkId,
        chunk: &[u8],
        extension: Option<&str>,
    ) -> Result<Put, SnapshotError> {
        let kind = subject.kind;
        if let Some(at) = packer.find(kind, id)? {
            self.known(packer);
            return Ok(Put::Known(at));
        }
        if !self.whole && packer.room(kind) < chunk.len() as u64 {
            packer.end_part(kind)?;
            packer.make_room(kind, chunk.len() as u64)?;
            self.number += 1;
            self.entry = Entry::Unopened;
        }
        self.open(subject, packer)?;
        match self.entry {
            Entry::Plain => Ok(Put::New(packer.part_chunk(kind, id, chunk, extension)?)),
            _ => packer.loose(kind, id, chunk, extension),
        }
    }
}

/// True if a file of which `read` bytes were read is still as it was seen before.
pub fn is_stable(file: &File, before: &Stat, read: u64) -> bool {
    // Not by the standard library, whose way is longer.
    rustix::fs::fstat(file).is_ok_and(|now| {
        let mtime = Time::from_parts(now.st_mtime, now.st_mtime_nsec as i64);
        now.st_size as u64 == before.size && mtime == before.mtime && before.size == read
    })
}

/// What spares a block from being stored in full.
enum Shortcut {
    /// It is stored as a delta already.
    Known(Found),
    /// It is a small delta against this base.
    Delta { frame: Vec<u8>, base: ChunkId, base_at: PackRef },
    /// Nothing does.
    None,
}

/// A delta of more than this share of its block is not worth it: the block is
/// stored in full and becomes the new base. So all deltas of a database together
/// stay under a quarter of it.
const DELTA_SHARE: usize = 4;

/// The local copy of a database's last full blocks, against which changed ones
/// are stored as deltas.
pub struct Base {
    file: File,
    old: Vec<BaseBlock>,
    new: Vec<BaseBlock>,
    block: usize,
}

impl Base {
    /// Opens the base of a database, empty where there is none.
    pub fn open(folder: &Path, catalog: &Catalog, job: &str, path: &Name, block: usize) -> Result<Self, SnapshotError> {
        let at = folder.join(base_name(job, path));
        let work = |source| SnapshotError::Work { what: "opening the database's base", path: at.clone(), source };
        std::fs::create_dir_all(folder).map_err(work)?;
        let file = private_file(&at).map_err(work)?;
        let old = catalog.base_blocks(job, path)?;
        Ok(Self { file, old, new: Vec::new(), block })
    }

    /// The blocks as they stand now, for the catalog.
    pub fn blocks(&self) -> &[BaseBlock] {
        &self.new
    }

    /// Whether the next block need not be stored in full: known as a delta, or
    /// made into one now. A known full block goes the ordinary way, and becomes
    /// the base.
    fn place(
        &mut self,
        id: ChunkId,
        chunk: &[u8],
        packer: &mut Packer<'_>,
        key: &IdKey,
    ) -> Result<Shortcut, SnapshotError> {
        match packer.find(PackKind::Warm, id)? {
            Some(found @ Found { base: Some((base, _)), len, .. }) => {
                self.new.push(BaseBlock { chunk: base, delta: len });
                return Ok(Shortcut::Known(found));
            }
            Some(_) => return Ok(Shortcut::None),
            None => {}
        }
        let Some(base) = self.old.get(self.new.len()).map(|b| b.chunk) else { return Ok(Shortcut::None) };
        let Some(base_at) = packer.full(PackKind::Warm, base)? else { return Ok(Shortcut::None) };
        let Some(bytes) = self.read(base, key) else { return Ok(Shortcut::None) };
        let frame = frame::delta(chunk, &bytes)?;
        if frame.len() * DELTA_SHARE > chunk.len() {
            return Ok(Shortcut::None);
        }
        self.new.push(BaseBlock { chunk: base, delta: frame.len() as u64 });
        Ok(Shortcut::Delta { frame, base, base_at })
    }

    /// The base's bytes at the current place, if they are still what they were.
    fn read(&self, wanted: ChunkId, key: &IdKey) -> Option<Vec<u8>> {
        let mut bytes = vec![0; self.block];
        let offset = (self.new.len() * self.block) as u64;
        let mut len = 0;
        while len < bytes.len() {
            match self.file.read_at(&mut bytes[len..], offset + len as u64) {
                Ok(0) => break,
                Ok(n) => len += n,
                Err(_) => return None,
            }
        }
        bytes.truncate(len);
        (key.chunk_id(&bytes) == wanted).then_some(bytes)
    }

    /// The next block is stored in full: it becomes the base at its place.
    fn full(&mut self, id: ChunkId, chunk: &[u8]) -> Result<(), SnapshotError> {
        let offset = (self.new.len() * self.block) as u64;
        let work =
            |source| SnapshotError::Work { what: "writing the database's base", path: PathBuf::from("bases"), source };
        self.file.write_all_at(chunk, offset).map_err(work)?;
        if chunk.len() < self.block {
            self.file.set_len(offset + chunk.len() as u64).map_err(work)?;
        }
        self.new.push(BaseBlock { chunk: id, delta: 0 });
        Ok(())
    }
}

/// What the local base of a database is called.
pub fn base_name(job: &str, path: &Name) -> String {
    let mut name = blake3::Hasher::new();
    name.update(job.as_bytes()).update(&[0]).update(path.as_bytes());
    name.finalize().to_hex().to_string()
}

/// A file that only this user can read.
pub fn private_file(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    std::fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}
