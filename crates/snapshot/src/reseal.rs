//! Chunks that no store holds any more, sealed again out of the library: into new packs, listed by
//! an index segment, and declared needed by each snapshot that needed the packs that are lost.
//!
//! A chunk's id decides whether it is the one: no file has to be unchanged, and nothing is
//! believed. What is cut off is continued: a pack is put behind its durable row, and adopted.

mod declare;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use darkslide_catalog::{Catalog, Trusted};
use darkslide_format::chunking::Cutter;
use darkslide_format::config::Config;
use darkslide_format::frame;
use darkslide_format::index::{IndexPack, Segment};
use darkslide_format::limits::LARGE_PLAIN_MAX;
use darkslide_format::manifest::PackKind;
use darkslide_format::names::{self, Kind};
use darkslide_format::object_id;
use darkslide_format::pack::{PackWriter, Part, RunFacts};
use darkslide_format::seal::{self, Recipients};
use darkslide_format::space::Space;
use darkslide_format::stream::crc64;
use darkslide_format::tree::{Entry, FileClass};
use darkslide_format::trust::{Standing, Trust};
use darkslide_store::{PutFacts, Store};
use darkslide_words::{Bytes, ChunkId, Clock, Count, Name, ObjectId, ObjectName, Temperature};

use crate::execute::WriterSecrets;
use crate::finish::{SEGMENT_CHUNKS_MAX, SEGMENT_PACKS_MAX};
use crate::packer::pack_space;
use crate::read::{Cuts, Kit, Reader};
use crate::sealer::{self, Job};
use crate::stores::Stores;
use crate::{Observer, SnapshotError, database, facts, listing, resume, store_file};

/// A file of the library that may hold lost chunks.
#[derive(Debug, Clone)]
pub struct Source {
    /// The job whose library it is in.
    pub job: String,
    /// Path in the library.
    pub path: Name,
    /// Where it is.
    pub file: PathBuf,
    /// What was stored of it last.
    pub entry: Entry,
}

/// Lost chunks, by the code of their packs' kind.
pub type Wanted = BTreeSet<(i64, ChunkId)>;

/// What was sealed again.
#[derive(Debug, Clone, Default)]
pub struct Resealed {
    /// The new packs.
    pub packs: Vec<ObjectName>,
    /// Their bytes.
    pub bytes: Bytes,
    /// The chunks that they hold.
    pub found: Wanted,
    /// Files that could not be read, and why.
    pub unread: Vec<(Name, String)>,
}

/// What sealing again works with.
pub struct Reseal<'a> {
    /// Where the catalog lies.
    pub catalog: &'a Path,
    /// Where objects go.
    pub stores: &'a [Arc<dyn Store>],
    /// Who may sign.
    pub trust: &'a Trust,
    /// This machine's secrets.
    pub writer: &'a WriterSecrets,
    /// The time.
    pub clock: &'a dyn Clock,
    /// Who watches.
    pub observer: &'a dyn Observer,
    /// The folder with the bases of databases.
    pub work: &'a Path,
}

/// Kinds, by their code.
const KINDS: [PackKind; 3] = [PackKind::Cold, PackKind::Warm, PackKind::Trees];

struct Sealing<'a> {
    context: &'a Reseal<'a>,
    config: &'a Config,
    catalog: Catalog,
    stores: Stores,
    recipients: Recipients,
    open: [Option<PackWriter>; 3],
    wanted: &'a Wanted,
    done: Resealed,
    sealed: u64,
    space: Option<Space>,
}

impl Reseal<'_> {
    /// Seals those of the wanted chunks that the sources hold; pages of trees come from the
    /// catalog. Every pack is in an index segment when this returns.
    pub fn seal(&self, wanted: &Wanted, sources: &[Source]) -> Result<Resealed, SnapshotError> {
        let id = self.writer.id();
        if self.trust.standing(id) != Standing::Trusted {
            return Err(SnapshotError::NotEnrolled { name: self.trust.writer_name(id) });
        }
        let config = self.trust.config().ok_or(SnapshotError::NoConfig)?;
        let stores = Stores::new(self.stores, &[]);
        let catalog = Catalog::open(self.catalog)?;
        resume::adopt(&catalog, &stores)?;
        let mut sealing = Sealing {
            context: self,
            config,
            catalog,
            stores,
            recipients: config.data_recipients()?,
            open: [None, None, None],
            wanted,
            done: Resealed::default(),
            sealed: 0,
            space: None,
        };
        sealing.pages()?;
        let cutter = Cutter::new(&config.chunking, &self.writer.id_key);
        for source in sources {
            if self.observer.cancelled() {
                return Err(SnapshotError::Cancelled);
            }
            if let Err(error) = sealing.source(source, &cutter)? {
                sealing.done.unread.push((source.path.clone(), error.to_string()));
            }
        }
        for kind in KINDS {
            sealing.flush(kind)?;
        }
        sealing.segments()?;
        Ok(sealing.done)
    }
}

/// How the chunks of a file go into packs.
#[derive(PartialEq)]
enum Shape {
    /// As one plain entry, or several in order: all of the file is lost.
    Plain,
    /// Each by itself.
    Loose,
}

impl Sealing<'_> {
    fn target(&self, kind: PackKind) -> u64 {
        match kind {
            PackKind::Cold => self.config.pack.target.0,
            _ => self.config.pack.target.0.min(16 << 20),
        }
    }

    fn is_wanted(&self, kind: PackKind, id: ChunkId) -> bool {
        let key = (kind.code(), id);
        self.wanted.contains(&key) && !self.done.found.contains(&key)
    }

    /// The open pack of this kind, with room for so many bytes more.
    fn writer(&mut self, kind: PackKind, more: u64) -> Result<&mut PackWriter, SnapshotError> {
        let slot = kind.code() as usize;
        let full = self.open[slot].as_ref().is_some_and(|w| !w.is_empty() && w.len() + more > self.target(kind));
        if full {
            self.flush(kind)?;
        }
        self.open_writer(kind)
    }

    /// The open pack of this kind, however full: a part that was begun ends in it.
    fn open_writer(&mut self, kind: PackKind) -> Result<&mut PackWriter, SnapshotError> {
        let slot = kind.code() as usize;
        if self.open[slot].is_none() {
            let space = self.space.take().unwrap_or_else(|| pack_space(self.target(kind)));
            self.open[slot] = Some(PackWriter::new(kind, &self.recipients, space)?);
        }
        self.open[slot].as_mut().ok_or(SnapshotError::SealerGone)
    }

    /// Seals the open pack and puts it behind its durable row.
    fn flush(&mut self, kind: PackKind) -> Result<(), SnapshotError> {
        let Some(writer) = self.open[kind.code() as usize].take().filter(|writer| !writer.is_empty()) else {
            return Ok(());
        };
        let context = self.context;
        self.sealed += 1;
        let run = RunFacts {
            repository: context.trust.repository(),
            writer: context.writer.id(),
            time: context.clock.now(),
            sequence: Count(self.sealed),
        };
        let job = Job { seq: self.sealed, writer, run };
        let stored = sealer::seal(job, &self.catalog, &self.stores, &context.writer.signing)?;
        sealer::record(&self.catalog, &[&stored.index])?;
        self.done.bytes += stored.index.size;
        self.done.packs.push(stored.index.object.clone());
        self.space = stored.space;
        Ok(())
    }

    /// Pages of lost trees, out of the cache.
    fn pages(&mut self) -> Result<(), SnapshotError> {
        let kind = PackKind::Trees;
        let wanted: Vec<ChunkId> = self.wanted.iter().filter(|(k, _)| *k == kind.code()).map(|(_, id)| *id).collect();
        for id in wanted {
            let Some(framed) = self.catalog.page(id)? else { continue };
            let Ok(page) = frame::unpack_json("a page", &framed, LARGE_PLAIN_MAX) else { continue };
            if self.context.writer.id_key.chunk_id(&page) == id {
                self.writer(kind, framed.len() as u64)?.page(id, page.len(), &framed);
                self.done.found.insert((kind.code(), id));
            }
        }
        Ok(())
    }

    /// One file, and the base of a database.
    fn source(&mut self, source: &Source, cutter: &Cutter) -> Result<Result<(), std::io::Error>, SnapshotError> {
        let known = source.entry.chunks.as_deref();
        let kind = if source.entry.class == Some(FileClass::Cold) { PackKind::Cold } else { PackKind::Warm };
        if known.is_some_and(|chunks| !chunks.iter().any(|id| self.is_wanted(kind, *id))) {
            return Ok(Ok(()));
        }
        let opened = facts::open(&source.file).and_then(|file| Ok((file.metadata()?, file)));
        let (meta, file) = match opened {
            Ok(opened) => opened,
            Err(error) => return Ok(Err(error)),
        };
        let is_database = database::is_database(&file, meta.len());
        let fixed = Cuts::Fixed(self.config.chunking.db.0 as usize);
        let cuts = if is_database { fixed } else { Cuts::Content(cutter) };
        if let Err(error) = self.file(source, kind, file, &meta, cuts)? {
            return Ok(Err(error));
        }
        if is_database {
            let base = self.context.work.join("bases").join(store_file::base_name(&source.job, &source.path));
            if let Ok(file) = facts::open(&base) {
                let key = &self.context.writer.id_key;
                let mut kit = Kit::new(Space::default(), key);
                let mut reader = Reader::new(file, u64::MAX, fixed, &mut kit);
                while let Ok(Some(_)) = reader.next_chunk() {
                    self.loose(kind, reader.id(), reader.chunk(), source)?;
                }
            }
        }
        Ok(Ok(()))
    }

    fn loose(&mut self, kind: PackKind, id: ChunkId, chunk: &[u8], source: &Source) -> Result<(), SnapshotError> {
        if self.is_wanted(kind, id) {
            let extension = source.path.extension();
            self.writer(kind, chunk.len() as u64)?.loose(id, chunk, extension.as_deref())?;
            self.done.found.insert((kind.code(), id));
        }
        Ok(())
    }

    fn file(
        &mut self,
        source: &Source,
        kind: PackKind,
        file: std::fs::File,
        meta: &std::fs::Metadata,
        cuts: Cuts<'_>,
    ) -> Result<Result<(), std::io::Error>, SnapshotError> {
        let (known, extension) = (source.entry.chunks.as_deref(), source.path.extension());
        let facts = facts::tar_facts(&listing::stat_of(meta));
        let lost = |known: &[ChunkId]| known.len() > 1 && known.iter().all(|id| self.is_wanted(kind, *id));
        let fits = meta.len() <= self.target(kind);
        // A file of which one chunk comes twice is stored chunk by chunk.
        let distinct = known.is_some_and(|known| known.iter().collect::<BTreeSet<_>>().len() == known.len());
        let mut shape = if fits && distinct && known.is_some_and(lost) { Shape::Plain } else { Shape::Loose };
        if shape == Shape::Plain {
            self.writer(kind, meta.len())?.begin_part(&source.path, Part::Whole, facts)?;
        }
        let mut kit = Kit::new(Space::default(), &self.context.writer.id_key);
        let mut reader = Reader::new(file, meta.len(), cuts, &mut kit);
        let mut chunks = Vec::new();
        loop {
            let read = reader.next_chunk().map(|chunk| chunk.is_some());
            if !matches!(read, Ok(true)) {
                // What is there of it by now stands by itself where the file is not what it was.
                if shape == Shape::Plain && known != Some(&chunks[..]) {
                    self.open_writer(kind)?.loosen_part();
                }
                self.open_writer(kind)?.end_part();
                match read {
                    Err(error) => return Ok(Err(error)),
                    Ok(_) => break,
                }
            }
            let (chunk, id) = (reader.chunk(), reader.id());
            if shape == Shape::Plain && known.and_then(|known| known.get(chunks.len())) != Some(&id) {
                self.open_writer(kind)?.loosen_part();
                shape = Shape::Loose;
            }
            let single = chunks.is_empty() && reader.at_end();
            match shape {
                Shape::Plain => {
                    self.open_writer(kind)?.part_chunk(id, chunk, extension.as_deref())?;
                    self.done.found.insert((kind.code(), id));
                }
                Shape::Loose if single && self.is_wanted(kind, id) => {
                    let writer = self.writer(kind, chunk.len() as u64)?;
                    writer.whole(&source.path, facts, id, chunk, extension.as_deref())?;
                    self.done.found.insert((kind.code(), id));
                }
                Shape::Loose => self.loose(kind, id, chunk, source)?,
            }
            chunks.push(id);
        }
        let hash = reader.finish();
        // As it was: its recipe, in case that was in the lost pack.
        if source.entry.hash == Some(hash) && source.entry.database.is_none() {
            let entry = Entry { chunks: Some(chunks), list: None, ..source.entry.clone() };
            self.open_writer(kind)?.recipe(&source.path, &entry.to_json()?)?;
        }
        Ok(Ok(()))
    }

    /// Index segments of all packs that none lists yet.
    fn segments(&self) -> Result<(), SnapshotError> {
        let mut packs = resume::unindexed(&self.catalog, &[])?;
        while !packs.is_empty() {
            let mut chunks = 0;
            let fits = |pack: &&IndexPack| {
                chunks += pack.chunks.len();
                chunks <= SEGMENT_CHUNKS_MAX
            };
            let n = packs.iter().take(SEGMENT_PACKS_MAX).take_while(fits).count().max(1);
            self.segment(packs.drain(..n).collect())?;
        }
        Ok(())
    }

    fn segment(&self, packs: Vec<IndexPack>) -> Result<(), SnapshotError> {
        let (trust, writer) = (self.context.trust, self.context.writer);
        let segment = Segment::new(trust.repository(), writer.id(), self.context.clock.now(), packs);
        let document = segment.sign(&writer.signing)?;
        let id = put_sealed(&self.stores, &document, &self.config.index_recipients()?, Kind::Index)?;
        self.catalog.transaction(|| {
            let mut rows = Vec::new();
            for pack in &segment.packs {
                rows.extend(self.catalog.pack_named(&pack.object)?);
            }
            Ok::<_, SnapshotError>(self.catalog.add_segment(id, writer.id(), Trusted::Yes, &rows)?)
        })
    }
}

/// Seals a signed document and puts it; its id.
fn put_sealed(stores: &Stores, document: &[u8], to: &Recipients, kind: Kind) -> Result<ObjectId, SnapshotError> {
    let sealed = seal::seal(to, &frame::pack_json(document)?)?;
    let id = object_id(&sealed);
    let facts = PutFacts { crc64: crc64(&sealed), temperature: Temperature::Hot };
    stores.put(&names::object(kind, id), &sealed.into(), &facts)?;
    Ok(id)
}
