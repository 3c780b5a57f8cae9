//! Writing a pack: frames go straight into the buffer in which they are sealed.

use std::io::{self, Read};

use darkslide_words::{Bytes, ChunkId, Count, Name, ObjectId, ObjectName, RepositoryId, Time, WriterId};

use crate::frame::{self, Frame, Framer, RawFrame};
use crate::index::{IndexPack, Span};
use crate::manifest::{self, BaseRow, ChunkRow, Manifest, PackKind};
use crate::seal::{self, Head, Recipients};
use crate::signed::{self, DocType, SecretKey};
use crate::space::Space;
use crate::stream::{Leaf, Leaves, OnSealed, Passes, SealBuffer, Sealed};
use crate::tarball::{self, BLOCK};
use crate::{FORMAT, FormatError, canon};

pub use crate::tarball::TarFacts;

/// What the manifest says of the run.
#[derive(Debug, Clone, Copy)]
pub struct RunFacts {
    /// Repository.
    pub repository: RepositoryId,
    /// Writer.
    pub writer: WriterId,
    /// Start of the run.
    pub time: Time,
    /// Number of this pack in the run.
    pub sequence: Count,
}

/// Which part of a file an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// One of several, from 1.
    Number(u32),
}

/// Where the base of a delta lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// In the same pack.
    Here(ChunkId),
    /// In another one, which the manifest names.
    Elsewhere(BaseRow),
}

impl Base {
    /// The base chunk.
    pub fn chunk(&self) -> ChunkId {
        match self {
            Self::Here(chunk) => *chunk,
            Self::Elsewhere(row) => row.chunk,
        }
    }
}

struct OpenPart {
    header: Vec<u8>,
    header_at: usize,
    rows_at: usize,
    size: u64,
}

/// A finished pack, ready for a store.
#[derive(Debug)]
pub struct SealedPack {
    /// Its name.
    pub name: ObjectName,
    /// Its id.
    pub id: ObjectId,
    /// The sealed bytes; none where they were handed on in pieces.
    pub bytes: Space,
    /// CRC64NVME of them.
    pub crc64: u64,
    /// Its row for the index.
    pub index: IndexPack,
}

/// A pack that is being filled.
pub struct PackWriter {
    kind: PackKind,
    head: Head,
    buffer: SealBuffer,
    framer: Framer,
    glue: Vec<u8>,
    /// The frame of the glue.
    frame: Vec<u8>,
    part: Option<OpenPart>,
    /// A chunk of the open part that is still coming.
    coming: Option<RawFrame>,
    rows: Vec<ChunkRow>,
    bases: Vec<BaseRow>,
    /// Recipes, as JSON.
    recipes: Vec<u8>,
    recipe_count: usize,
}

/// What a manifest costs at most per row of the chunk table, for the estimate of [`PackWriter::len`]; recipes
/// take half of their JSON.
const ROW_ESTIMATE: usize = 64;

impl PackWriter {
    /// Starts a pack; `space` is reused for its bytes.
    pub fn new(kind: PackKind, recipients: &Recipients, space: Space) -> Result<Self, FormatError> {
        let (head, key) = seal::begin(recipients)?;
        Self::begin(kind, SealBuffer::new(&head, key, space), head)
    }

    /// Starts a pack that is handed on in leaves while it fills; its memory comes from `leaves`.
    pub fn leaf_by_leaf(kind: PackKind, recipients: &Recipients, leaves: Leaves) -> Result<Self, FormatError> {
        let (head, key) = seal::begin(recipients)?;
        Self::begin(kind, SealBuffer::leaf_by_leaf(&head, key, leaves), head)
    }

    fn begin(kind: PackKind, buffer: SealBuffer, head: Head) -> Result<Self, FormatError> {
        Ok(Self {
            kind,
            buffer,
            head,
            framer: Framer::new()?,
            glue: Vec::new(),
            frame: Vec::new(),
            part: None,
            coming: None,
            rows: Vec::new(),
            bases: Vec::new(),
            recipes: Vec::new(),
            recipe_count: 0,
        })
    }

    /// Kind of pack.
    pub fn kind(&self) -> PackKind {
        self.kind
    }

    /// About how many bytes it will have.
    pub fn len(&self) -> u64 {
        let manifest = self.rows.len() * ROW_ESTIMATE + self.recipes.len() / 2;
        (self.buffer.len() + self.glue.len() + manifest) as u64
    }

    /// Rows of its manifest so far: of chunks or of recipes, whichever are more.
    pub fn rows(&self) -> usize {
        self.rows.len().max(self.recipe_count)
    }

    /// True while it holds neither chunk nor recipe.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.recipe_count == 0
    }

    /// Frames a chunk into the entry that is open, or as a new one.
    fn put_frame(&mut self, id: ChunkId, plain: &[u8], extension: Option<&str>) -> Result<(), FormatError> {
        let off = self.buffer.len();
        let packing = self.framer.choose(extension, plain);
        let buffer = &mut self.buffer;
        match self.framer.frame(plain, packing)? {
            Frame::Raw(plain) => frame::put_raw(plain, |piece| buffer.append(piece)),
            Frame::Packed(frame) => buffer.append(frame),
        }
        self.push_row(id, off, plain.len(), None);
        Ok(())
    }

    fn push_row(&mut self, id: ChunkId, off: usize, plain: usize, base: Option<ChunkId>) {
        self.rows.push(ChunkRow {
            base,
            id,
            len: Bytes((self.buffer.len() - off) as u64),
            off: Bytes(off as u64),
            plain: Bytes(plain as u64),
        });
    }

    /// Writes pending tar bytes as a frame of their own.
    fn flush_glue(&mut self) {
        if self.glue.is_empty() {
            return;
        }
        // Its pieces are short, and the buffer is laid out in segments: rather once for all of them.
        let frame = &mut self.frame;
        frame.clear();
        frame::put_sparse(&self.glue, |piece| frame.extend_from_slice(piece));
        self.buffer.append(frame);
        self.glue.clear();
    }

    fn pad(&mut self, size: u64) {
        self.glue.resize(self.glue.len() + tarball::padding(size), 0);
    }

    /// A whole file of one new chunk.
    pub fn whole(
        &mut self,
        path: &Name,
        facts: TarFacts,
        id: ChunkId,
        plain: &[u8],
        extension: Option<&str>,
    ) -> Result<(), FormatError> {
        self.entry(&tarball::escape(path), facts, id, plain, extension)
    }

    /// A page, as the frame it is in already.
    pub fn page(&mut self, id: ChunkId, plain: usize, frame: &[u8]) {
        self.loosen_part();
        let facts = TarFacts { mode: 0o644, ..TarFacts::default() };
        let path = format!(".darkslide/chunks/{id}");
        tarball::put_header(&mut self.glue, path.as_bytes(), plain as u64, facts);
        self.flush_glue();
        let off = self.buffer.len();
        self.buffer.append(frame);
        self.push_row(id, off, plain, None);
        self.pad(plain as u64);
    }

    /// A new chunk of a part that has known ones too.
    pub fn loose(&mut self, id: ChunkId, plain: &[u8], extension: Option<&str>) -> Result<(), FormatError> {
        let facts = TarFacts { mode: 0o644, ..TarFacts::default() };
        self.entry(format!(".darkslide/chunks/{id}").as_bytes(), facts, id, plain, extension)
    }

    fn entry(
        &mut self,
        path: &[u8],
        facts: TarFacts,
        id: ChunkId,
        plain: &[u8],
        extension: Option<&str>,
    ) -> Result<(), FormatError> {
        self.loosen_part();
        tarball::put_header(&mut self.glue, path, plain.len() as u64, facts);
        self.flush_glue();
        self.put_frame(id, plain, extension)?;
        self.pad(plain.len() as u64);
        // No part is open that could be taken back. Packs of larger files are left to the threads that seal.
        match self.kind {
            PackKind::Warm => self.buffer.settle(),
            PackKind::Cold | PackKind::Trees => Ok(()),
        }
    }

    /// A delta: `frame` makes chunk `id` of `plain` bytes from its base.
    pub fn delta(&mut self, id: ChunkId, plain: u64, frame: &[u8], base: Base) -> Result<(), FormatError> {
        self.loosen_part();
        let facts = TarFacts { mode: 0o644, ..TarFacts::default() };
        let path = format!(".darkslide/deltas/{id}.zst");
        tarball::put_header(&mut self.glue, path.as_bytes(), frame.len() as u64, facts);
        self.flush_glue();
        let off = self.buffer.len();
        let buffer = &mut self.buffer;
        frame::put_raw(frame, |piece| buffer.append(piece));
        self.push_row(id, off, plain as usize, Some(base.chunk()));
        self.pad(frame.len() as u64);
        if let Base::Elsewhere(row) = base
            && !self.bases.contains(&row)
        {
            self.bases.push(row);
        }
        Ok(())
    }

    /// Opens the entry of a part of several chunks, all of them new so far.
    pub fn begin_part(&mut self, path: &Name, part: Part, facts: TarFacts) -> Result<(), FormatError> {
        let mut name = tarball::escape(path).into_owned();
        if let Part::Number(n) = part {
            name.extend_from_slice(format!(".darkslide-part-{n:04}").as_bytes());
        }
        self.flush_glue();
        let header = tarball::header(&name, 0, facts);
        let header_at = self.buffer.len();
        let buffer = &mut self.buffer;
        // Raw, so that the size can be written into it when it is known.
        frame::put_raw(&header, |piece| buffer.append(piece));
        self.part = Some(OpenPart { header, header_at, rows_at: self.rows.len(), size: 0 });
        Ok(())
    }

    /// Adds a chunk to the open part.
    pub fn part_chunk(&mut self, id: ChunkId, plain: &[u8], extension: Option<&str>) -> Result<(), FormatError> {
        self.put_frame(id, plain, extension)?;
        if let Some(part) = &mut self.part {
            part.size += plain.len() as u64;
        }
        Ok(())
    }

    /// Begins a chunk of the open part that comes in pieces and is not compressed; whether it is new shows in the
    /// end.
    pub fn begin_chunk(&mut self) {
        self.coming = Some(RawFrame::begin(&mut self.buffer));
    }

    /// Its next bytes.
    pub fn chunk_piece(&mut self, piece: &[u8]) {
        if let Some(coming) = &mut self.coming {
            coming.add(&mut self.buffer, piece);
        }
    }

    /// Its next bytes, up to `most`, read without a copy; how many there were.
    pub fn read_chunk(&mut self, from: impl Read, most: usize) -> io::Result<usize> {
        let Some(coming) = &mut self.coming else { panic!("no chunk is coming") };
        coming.read(&mut self.buffer, from, most)
    }

    /// Its bytes so far, from `from` on, where they lie.
    pub fn chunk_pieces(&self, from: usize) -> impl Iterator<Item = &[u8]> {
        self.coming.iter().flat_map(move |coming| coming.pieces(&self.buffer, from))
    }

    /// It ends at `to` already.
    pub fn cut_chunk(&mut self, to: usize) {
        if let Some(coming) = &mut self.coming {
            coming.truncate(&mut self.buffer, to);
        }
    }

    /// It has come, and it is new.
    pub fn end_chunk(&mut self, id: ChunkId) {
        let (Some(came), Some(part)) = (self.coming.take(), &mut self.part) else {
            panic!("no chunk is coming into an open part");
        };
        part.size += came.plain as u64;
        came.end(&mut self.buffer);
        self.push_row(id, came.at, came.plain, None);
    }

    /// It is known, or will not come: as if it had not begun.
    pub fn undo_chunk(&mut self) {
        if let Some(coming) = self.coming.take() {
            self.buffer.truncate(coming.at);
        }
    }

    /// Closes the open part: its chunks were all new and stand as one entry.
    pub fn end_part(&mut self) {
        self.undo_chunk();
        let Some(mut part) = self.part.take() else {
            return;
        };
        tarball::set_size(&mut part.header, part.size);
        let mut at = part.header_at;
        let buffer = &mut self.buffer;
        frame::put_raw(&part.header, |piece| {
            buffer.overwrite(at, piece);
            at += piece.len();
        });
        self.pad(part.size);
    }

    /// The open part turned out to have known chunks: what it has so far
    /// becomes entries of single chunks.
    pub fn loosen_part(&mut self) {
        self.undo_chunk();
        let Some(part) = self.part.take() else { return };
        let moved: Vec<ChunkRow> = self.rows.drain(part.rows_at..).collect();
        let frames: Vec<Vec<u8>> =
            moved.iter().map(|row| self.buffer.read(row.off.0 as usize, row.len.0 as usize)).collect();
        self.buffer.truncate(part.header_at);
        let facts = TarFacts { mode: 0o644, ..TarFacts::default() };
        for (row, bytes) in moved.into_iter().zip(frames) {
            let path = format!(".darkslide/chunks/{}", row.id);
            tarball::put_header(&mut self.glue, path.as_bytes(), row.plain.0, facts);
            self.flush_glue();
            let off = self.buffer.len();
            self.buffer.append(&bytes);
            self.push_row(row.id, off, row.plain.0 as usize, row.base);
            self.pad(row.plain.0);
        }
    }

    /// Takes the open part back, as if it had never begun: the file changed while
    /// it was read. The ids of its chunks.
    pub fn abandon_part(&mut self) -> Vec<ChunkId> {
        self.undo_chunk();
        let Some(part) = self.part.take() else { return Vec::new() };
        self.buffer.truncate(part.header_at);
        self.rows.drain(part.rows_at..).map(|row| row.id).collect()
    }

    /// Leaves of which nothing can be taken back any more.
    pub fn ready(&mut self) -> Result<Vec<Leaf>, FormatError> {
        let to = self.part.as_ref().map_or(self.buffer.len(), |part| part.header_at);
        self.buffer.ready(to)
    }

    /// True if it is handed on in leaves.
    pub fn in_leaves(&self) -> bool {
        self.buffer.is_in_leaves()
    }

    /// True while a part is open.
    pub fn in_part(&self) -> bool {
        self.part.is_some()
    }

    /// Records a file version, given its entry with all its chunks as JSON.
    pub fn recipe(&mut self, path: &Name, entry: &[u8]) -> Result<(), FormatError> {
        manifest::put_recipe(&mut self.recipes, path, entry)?;
        self.recipe_count += 1;
        Ok(())
    }

    /// Adds the manifest, signs, and seals what is not sealed yet.
    pub fn finish(self, run: &RunFacts, random: [u8; 16], key: &SecretKey) -> Result<SealedPack, FormatError> {
        self.close(run, random, key, SealBuffer::finish)
    }

    /// The same of a pack in leaves: `passes` are over those that were handed on, and all that is left goes to
    /// `sealed`, which has had what was made of them.
    pub fn finish_after(
        self,
        passes: Option<Box<Passes>>,
        run: &RunFacts,
        random: [u8; 16],
        key: &SecretKey,
        sealed: &mut OnSealed<'_>,
    ) -> Result<SealedPack, FormatError> {
        self.close(run, random, key, |buffer| buffer.finish_after(passes, sealed))
    }

    fn close(
        mut self,
        run: &RunFacts,
        random: [u8; 16],
        key: &SecretKey,
        seal: impl FnOnce(SealBuffer) -> Result<Sealed, FormatError>,
    ) -> Result<SealedPack, FormatError> {
        self.end_part();
        let manifest = Manifest {
            bases: std::mem::take(&mut self.bases),
            chunks: std::mem::take(&mut self.rows),
            features: Vec::new(),
            format: FORMAT,
            kind: self.kind,
            recipes: Vec::new(),
            repository: run.repository,
            sequence: run.sequence,
            time: run.time,
            writer: run.writer,
        };
        let recipes = std::mem::take(&mut self.recipes);
        let write = |out: &mut Vec<u8>| manifest::put_payload(out, &manifest, &recipes);
        let document = signed::sign_written(DocType::Manifest, key, write)?;
        drop(recipes);
        let path = format!(".darkslide/{}.json", hex::encode(random));
        let facts = TarFacts { mode: 0o644, ..TarFacts::default() };
        tarball::put_header(&mut self.glue, path.as_bytes(), document.len() as u64, facts);
        self.flush_glue();
        let off = self.buffer.len();
        let packed = frame::pack_json(&document)?;
        self.buffer.append(&packed);
        let len = self.buffer.len() - off;
        self.pad(document.len() as u64);
        self.glue.resize(self.glue.len() + 2 * BLOCK, 0);
        self.flush_glue();
        let sealed = seal(self.buffer)?;
        FormatError::limit("a pack", sealed.len as u64, crate::limits::PACK_MAX)?;
        let name = self.kind.object(sealed.id);
        Ok(SealedPack {
            id: sealed.id,
            crc64: sealed.crc64,
            index: IndexPack {
                chunks: manifest.chunks,
                crc64: format!("{:016x}", sealed.crc64),
                header: canon::B64(self.head.header),
                kind: self.kind,
                manifest: Span { len: Bytes(len as u64), off: Bytes(off as u64) },
                nonce: canon::B64(self.head.nonce.to_vec()),
                object: name.clone(),
                size: Bytes(sealed.len as u64),
            },
            name,
            bytes: sealed.bytes,
        })
    }
}
