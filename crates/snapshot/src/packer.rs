//! Which pack a chunk goes to: known or new, cold, warm or trees; where packs
//! end; what is still on its way to the stores.

use std::collections::BTreeMap;

use darkslide_catalog::{Catalog, Location, PackId, PackSet, Trusted};
use darkslide_format::index::IndexPack;
use darkslide_format::manifest::{BaseRow, PackKind};
use darkslide_format::pack::{Base, PackWriter, Part, RunFacts, TarFacts};
use darkslide_format::seal::Recipients;
use darkslide_format::space::Space;
use darkslide_words::{Bytes, ChunkId, Count, Name};

use crate::SnapshotError;
use crate::bloom::Bloom;
use crate::flying::{Flight, Flying};
use crate::sealer::{self, Job, Sealer, Seq, Stored};

/// Where a chunk lies: in a recorded pack, or in one of this run's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PackRef {
    /// Recorded.
    Known(PackId),
    /// Open or on its way.
    Flying(Seq),
}

/// Warm and tree packs are small: they change often, and are read often.
const SMALL_PACK: u64 = 16 << 20;
/// Rows of a manifest, which take a kilobyte of memory each until the pack is sealed: what bounds packs of files that
/// are tinier still.
const ROWS_MAX: usize = 8192;
/// A pack that holds less than this share of its target goes on into the next
/// folder.
const TINY_SHARE: u64 = 8;

/// Memory for a pack of about `target` bytes, with room for its manifest.
pub fn pack_space(target: u64) -> Space {
    let target = usize::try_from(target).unwrap_or(0);
    Space::large(target + target / 16 + (1 << 20))
}

struct Slot {
    kind: PackKind,
    target: u64,
    open: Option<(Seq, PackWriter)>,
    /// Of packs that are stored, for the next ones.
    spaces: Vec<Space>,
}

/// Where a chunk can be had: its place and, for a delta, the place of its base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The pack that holds it.
    pub at: PackRef,
    /// For a delta: its base, and the pack that holds that in full.
    pub base: Option<(ChunkId, PackRef)>,
    /// Length of its frame, where it is recorded.
    pub len: u64,
}

impl Found {
    /// The packs that it needs.
    pub fn refs(&self) -> impl Iterator<Item = PackRef> {
        std::iter::once(self.at).chain(self.base.map(|(_, at)| at))
    }
}

/// What became of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It was stored before.
    Known(Found),
    /// It was added.
    New(PackRef),
}

impl Put {
    /// The packs that the chunk needs.
    pub fn refs(&self) -> Vec<PackRef> {
        match self {
            Self::Known(found) => found.refs().collect(),
            Self::New(at) => vec![*at],
        }
    }
}

/// Fills packs.
pub struct Packer<'r> {
    catalog: &'r Catalog,
    recipients: &'r Recipients,
    run: RunFacts,
    sealer: Sealer,
    slots: [Slot; 3],
    next: Seq,
    flying: Flying,
    bloom: Option<Bloom>,
    unrecorded: Vec<Stored>,
    recorded: Vec<(Seq, PackId, IndexPack)>,
    sealed_bytes: Bytes,
}

/// Stored packs, or chunks of them, after which they are recorded in one go: the
/// chunk table is ordered by id, so that each pack touches all of it. Until then
/// their durable rows speak for them.
const RECORD_PACKS: usize = 16;
/// See [`RECORD_PACKS`].
const RECORD_CHUNKS: usize = 20_000;

impl<'r> Packer<'r> {
    /// With packs of about `target` bytes.
    pub fn new(catalog: &'r Catalog, recipients: &'r Recipients, run: RunFacts, sealer: Sealer, target: Bytes) -> Self {
        let slot = |kind: PackKind| Slot {
            kind,
            target: if kind == PackKind::Cold { target.0 } else { target.0.min(SMALL_PACK) },
            open: None,
            spaces: Vec::new(),
        };
        Self {
            catalog,
            recipients,
            run,
            sealer,
            slots: [slot(PackKind::Cold), slot(PackKind::Warm), slot(PackKind::Trees)],
            next: 1,
            flying: Flying::default(),
            bloom: None,
            unrecorded: Vec::new(),
            recorded: Vec::new(),
            sealed_bytes: Bytes(0),
        }
    }

    /// Sealed bytes stored so far.
    pub fn sealed_bytes(&self) -> Bytes {
        self.sealed_bytes
    }

    fn slot(&mut self, kind: PackKind) -> &mut Slot {
        &mut self.slots[kind.code() as usize]
    }

    fn bloom(&mut self) -> Result<&mut Bloom, SnapshotError> {
        if self.bloom.is_none() {
            let mut bloom = Bloom::new(self.catalog.chunk_count()? * 2);
            self.catalog.for_each_chunk::<SnapshotError>(|pack, chunk| {
                // All kinds under each: a chunk's kind is its pack's, and a false hit only costs a look.
                let _ = pack;
                (0..3).for_each(|kind| bloom.insert(kind, chunk.id));
                Ok(())
            })?;
            self.bloom = Some(bloom);
        }
        // invariant: it was just made.
        self.bloom.as_mut().ok_or(SnapshotError::SealerGone)
    }

    /// Where a chunk can be had already. A delta whose base cannot be had is as
    /// good as none.
    pub fn find(&mut self, kind: PackKind, id: ChunkId) -> Result<Option<Found>, SnapshotError> {
        if let Some(Flight { seq, base }) = self.flying.get(kind, id).cloned() {
            let at = PackRef::Flying(seq);
            let Some(base) = base.map(|base| *base) else { return Ok(Some(Found { at, base: None, len: 0 })) };
            let full = self.full(kind, base)?;
            return Ok(full.map(|full| Found { at, base: Some((base, full)), len: 0 }));
        }
        for location in self.places(kind, id)? {
            let (at, len) = (PackRef::Known(location.pack), location.chunk.len.0);
            let Some(base) = location.chunk.base else { return Ok(Some(Found { at, base: None, len })) };
            if let Some(full) = self.full(kind, base)? {
                return Ok(Some(Found { at, base: Some((base, full)), len }));
            }
        }
        Ok(None)
    }

    /// Where a chunk lies in full, not as a delta.
    pub fn full(&mut self, kind: PackKind, id: ChunkId) -> Result<Option<PackRef>, SnapshotError> {
        if let Some(Flight { seq, base: None }) = self.flying.get(kind, id) {
            return Ok(Some(PackRef::Flying(*seq)));
        }
        let places = self.places(kind, id)?;
        Ok(places.into_iter().find(|l| l.chunk.base.is_none()).map(|l| PackRef::Known(l.pack)))
    }

    /// The recorded places of a chunk that trusted writers vouch for.
    fn places(&mut self, kind: PackKind, id: ChunkId) -> Result<Vec<Location>, SnapshotError> {
        if !self.bloom()?.may_have(kind.code(), id) {
            return Ok(Vec::new());
        }
        Ok(self.catalog.locations(kind.code(), id, Trusted::Yes)?)
    }

    fn open(&mut self, kind: PackKind) -> Result<(Seq, &mut PackWriter), SnapshotError> {
        if self.slot(kind).open.is_none() {
            let leaves = self.sealer.leaves().filter(|_| kind == PackKind::Cold).cloned();
            let recipients = self.recipients;
            let slot = self.slot(kind);
            let writer = match leaves {
                Some(leaves) => PackWriter::leaf_by_leaf(kind, recipients, leaves)?,
                None => {
                    let space = slot.spaces.pop().unwrap_or_else(|| pack_space(slot.target));
                    PackWriter::new(kind, recipients, space)?
                }
            };
            let seq = self.next;
            self.next += 1;
            self.slot(kind).open = Some((seq, writer));
        }
        let (seq, writer) = self.slot(kind).open.as_mut().ok_or(SnapshotError::SealerGone)?;
        Ok((*seq, writer))
    }

    /// Bytes that the open pack of this kind still takes.
    pub fn room(&mut self, kind: PackKind) -> u64 {
        let slot = self.slot(kind);
        match &slot.open {
            Some((_, writer)) if writer.rows() >= ROWS_MAX => 0,
            Some((_, writer)) => slot.target.saturating_sub(writer.len()),
            None => slot.target,
        }
    }

    /// The target size of a kind's packs.
    pub fn target(&mut self, kind: PackKind) -> u64 {
        self.slot(kind).target
    }

    fn added(&mut self, kind: PackKind, id: ChunkId, seq: Seq, base: Option<ChunkId>) -> Result<(), SnapshotError> {
        self.bloom()?.insert(kind.code(), id);
        self.flying.insert(kind, id, Flight { seq, base: base.map(Box::new) });
        Ok(())
    }

    /// A whole file of one chunk.
    pub fn whole(
        &mut self,
        kind: PackKind,
        path: &Name,
        facts: TarFacts,
        id: ChunkId,
        plain: &[u8],
        extension: Option<&str>,
    ) -> Result<Put, SnapshotError> {
        if let Some(known) = self.find(kind, id)? {
            return Ok(Put::Known(known));
        }
        self.make_room(kind, plain.len() as u64)?;
        let (seq, writer) = self.open(kind)?;
        writer.whole(path, facts, id, plain, extension)?;
        self.added(kind, id, seq, None)?;
        self.hand_on(kind)?;
        Ok(Put::New(PackRef::Flying(seq)))
    }

    /// A page, as the frame it is in already.
    pub fn page(&mut self, id: ChunkId, plain: usize, frame: &[u8]) -> Result<Put, SnapshotError> {
        let kind = PackKind::Trees;
        if let Some(known) = self.find(kind, id)? {
            return Ok(Put::Known(known));
        }
        self.make_room(kind, frame.len() as u64)?;
        let (seq, writer) = self.open(kind)?;
        writer.page(id, plain, frame);
        self.added(kind, id, seq, None)?;
        Ok(Put::New(PackRef::Flying(seq)))
    }

    /// A chunk that stands alone, of a part with known chunks.
    pub fn loose(
        &mut self,
        kind: PackKind,
        id: ChunkId,
        plain: &[u8],
        extension: Option<&str>,
    ) -> Result<Put, SnapshotError> {
        if let Some(known) = self.find(kind, id)? {
            return Ok(Put::Known(known));
        }
        self.make_room(kind, plain.len() as u64)?;
        let (seq, writer) = self.open(kind)?;
        writer.loose(id, plain, extension)?;
        self.added(kind, id, seq, None)?;
        self.hand_on(kind)?;
        Ok(Put::New(PackRef::Flying(seq)))
    }

    /// A delta chunk, against a base that lies in full at `base_at`.
    pub fn delta(
        &mut self,
        id: ChunkId,
        plain: u64,
        frame: &[u8],
        base: ChunkId,
        base_at: PackRef,
    ) -> Result<PackRef, SnapshotError> {
        let kind = PackKind::Warm;
        self.make_room(kind, frame.len() as u64)?;
        let mut row = None;
        if let PackRef::Flying(flying) = base_at
            && self.slot(kind).open.as_ref().is_none_or(|(seq, _)| *seq != flying)
        {
            // Its pack's name is known only when it is sealed.
            self.settle(flying)?;
            row = self.places(kind, base)?.into_iter().find(|l| l.chunk.base.is_none()).map(|l| l.pack);
        } else if let PackRef::Known(pack) = base_at {
            row = Some(pack);
        }
        let base = match row {
            Some(pack) => Base::Elsewhere(BaseRow { chunk: base, object: self.catalog.pack(pack)?.name }),
            None => Base::Here(base),
        };
        let (seq, writer) = self.open(kind)?;
        let base_id = base.chunk();
        writer.delta(id, plain, frame, base)?;
        self.added(kind, id, seq, Some(base_id))?;
        Ok(PackRef::Flying(seq))
    }

    /// Opens a part of several chunks.
    pub fn begin_part(
        &mut self,
        kind: PackKind,
        path: &Name,
        part: Part,
        facts: TarFacts,
    ) -> Result<(), SnapshotError> {
        let (_, writer) = self.open(kind)?;
        Ok(writer.begin_part(path, part, facts)?)
    }

    /// A new chunk of the open part.
    pub fn part_chunk(
        &mut self,
        kind: PackKind,
        id: ChunkId,
        plain: &[u8],
        extension: Option<&str>,
    ) -> Result<PackRef, SnapshotError> {
        let (seq, writer) = self.open(kind)?;
        writer.part_chunk(id, plain, extension)?;
        self.added(kind, id, seq, None)?;
        Ok(PackRef::Flying(seq))
    }

    /// Begins a chunk of the open part that comes in pieces: where it goes.
    pub fn begin_chunk(&mut self, kind: PackKind) -> Result<&mut PackWriter, SnapshotError> {
        let (_, writer) = self.open(kind)?;
        writer.begin_chunk();
        Ok(writer)
    }

    /// It has come; it is kept if it is new.
    pub fn end_chunk(&mut self, kind: PackKind, id: ChunkId) -> Result<Put, SnapshotError> {
        let known = self.find(kind, id)?;
        let (seq, writer) = self.open(kind)?;
        if let Some(known) = known {
            writer.undo_chunk();
            return Ok(Put::Known(known));
        }
        writer.end_chunk(id);
        self.added(kind, id, seq, None)?;
        Ok(Put::New(PackRef::Flying(seq)))
    }

    /// Closes the open part.
    pub fn end_part(&mut self, kind: PackKind) -> Result<(), SnapshotError> {
        if let Some((_, writer)) = &mut self.slot(kind).open {
            writer.end_part();
        }
        self.hand_on(kind)
    }

    /// Lets what is final of the open pack be sealed while the rest of it is filled.
    fn hand_on(&mut self, kind: PackKind) -> Result<(), SnapshotError> {
        let Some((seq, writer)) = &mut self.slot(kind).open else { return Ok(()) };
        let (seq, leaves) = (*seq, writer.ready()?);
        leaves.into_iter().try_for_each(|leaf| self.sealer.send_leaf(seq, leaf))
    }

    /// Turns the open part into single chunks.
    pub fn loosen_part(&mut self, kind: PackKind) {
        if let Some((_, writer)) = &mut self.slot(kind).open {
            writer.loosen_part();
        }
    }

    /// Takes the open part back.
    pub fn abandon_part(&mut self, kind: PackKind) {
        if let Some((_, writer)) = &mut self.slot(kind).open {
            for id in writer.abandon_part() {
                self.flying.remove(kind, id);
            }
        }
    }

    /// Records a file version: beside its last new chunk where that pack is
    /// still open, else in an open pack that is there anyway. The pack, which the
    /// snapshot needs from then on. `entry` is its JSON, with all its chunks.
    pub fn recipe(&mut self, kind: PackKind, path: &Name, entry: &[u8]) -> Result<PackRef, SnapshotError> {
        let kind = match &self.slot(kind).open {
            Some((_, writer)) if !writer.is_empty() => kind,
            _ => PackKind::Warm,
        };
        let (seq, writer) = self.open(kind)?;
        writer.recipe(path, entry)?;
        // A run of renames alone must not grow one manifest without bound.
        if self.room(kind) == 0 {
            self.flush(kind)?;
        }
        Ok(PackRef::Flying(seq))
    }

    /// Closes the open pack where it could not take `more` bytes.
    pub fn make_room(&mut self, kind: PackKind, more: u64) -> Result<(), SnapshotError> {
        let full = self.room(kind) < more;
        let used = self.slot(kind).open.as_ref().is_some_and(|(_, writer)| !writer.is_empty());
        match full && used {
            true => self.flush(kind),
            false => Ok(()),
        }
    }

    /// A folder's files are done: its pack ends here unless it is tiny.
    pub fn end_folder(&mut self) -> Result<(), SnapshotError> {
        let slot = self.slot(PackKind::Cold);
        let ends = slot.open.as_ref().is_some_and(|(_, writer)| writer.len() >= slot.target / TINY_SHARE);
        match ends {
            true => self.flush(PackKind::Cold),
            false => Ok(()),
        }
    }

    fn flush(&mut self, kind: PackKind) -> Result<(), SnapshotError> {
        let Some((seq, writer)) = self.slot(kind).open.take() else {
            return Ok(());
        };
        if writer.is_empty() {
            return Ok(());
        }
        let run = RunFacts { sequence: Count(seq), ..self.run };
        self.sealer.send(Job { seq, writer, run })?;
        let stored = self.sealer.poll()?;
        self.keep(stored)
    }

    fn keep(&mut self, stored: Vec<Stored>) -> Result<(), SnapshotError> {
        for mut pack in stored {
            self.sealed_bytes += pack.index.size;
            let space = pack.space.take();
            self.slot(pack.index.kind).spaces.extend(space);
            self.unrecorded.push(pack);
        }
        let chunks: usize = self.unrecorded.iter().map(|p| p.index.chunks.len()).sum();
        match self.unrecorded.len() >= RECORD_PACKS || chunks >= RECORD_CHUNKS {
            true => self.record(),
            false => Ok(()),
        }
    }

    /// Records all stored packs in place of their durable rows.
    fn record(&mut self) -> Result<(), SnapshotError> {
        let packs = std::mem::take(&mut self.unrecorded);
        let indexes: Vec<&IndexPack> = packs.iter().map(|p| &p.index).collect();
        let rows = sealer::record(self.catalog, &indexes)?;
        for (pack, row) in packs.into_iter().zip(rows) {
            for chunk in &pack.index.chunks {
                self.flying.remove(pack.index.kind, chunk.id);
            }
            self.recorded.push((pack.seq, row, pack.index));
        }
        Ok(())
    }

    /// Packs that were recorded since the last call: their number in the run, row
    /// and index row.
    pub fn take_stored(&mut self) -> Result<Vec<(Seq, PackId, IndexPack)>, SnapshotError> {
        let polled = self.sealer.poll()?;
        self.keep(polled)?;
        Ok(std::mem::take(&mut self.recorded))
    }

    /// Waits until pack `seq` is recorded; closes it first if it is open.
    fn settle(&mut self, seq: Seq) -> Result<(), SnapshotError> {
        let open = self.slots.iter().find(|s| s.open.as_ref().is_some_and(|(n, _)| *n == seq)).map(|s| s.kind);
        if let Some(kind) = open {
            self.flush(kind)?;
        }
        while !self.unrecorded.iter().any(|s| s.seq == seq) && !self.recorded.iter().any(|s| s.0 == seq) {
            match self.sealer.wait()? {
                Some(stored) => self.keep(vec![stored])?,
                None => break,
            }
        }
        self.record()
    }

    /// Closes and stores everything: data packs first, then pages.
    pub fn finish(&mut self) -> Result<(), SnapshotError> {
        for kind in [PackKind::Cold, PackKind::Warm] {
            self.flush(kind)?;
        }
        self.drain()?;
        self.flush(PackKind::Trees)?;
        self.drain()
    }

    fn drain(&mut self) -> Result<(), SnapshotError> {
        while let Some(stored) = self.sealer.wait()? {
            self.keep(vec![stored])?;
        }
        self.record()
    }
}

/// The recorded packs of a list of references, once none is flying.
pub fn known(refs: &[PackRef], rows: &BTreeMap<Seq, PackId>) -> PackSet {
    refs.iter()
        .filter_map(|r| match r {
            PackRef::Known(pack) => Some(*pack),
            PackRef::Flying(seq) => rows.get(seq).copied(),
        })
        .collect()
}
