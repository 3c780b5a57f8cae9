//! Reading chunks by id: find the pack, read the covering segments, open them,
//! decode one frame.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use darkslide_catalog::{Catalog, Location, PackFacts, PackId, Trusted};
use darkslide_format::frame::Unframer;
use darkslide_format::identity::Identities;
use darkslide_format::limits::PAGE_MAX;
use darkslide_format::manifest::{ChunkRow, PackKind};
use darkslide_format::pages::PageSource;
use darkslide_format::stream::Opener;
use darkslide_format::{FormatError, IdKey, frame, seal, unpack};
use darkslide_store::{Store, StoreError};
use darkslide_words::{Bytes, ChunkId};

use crate::ChunkError;
use crate::places::Places;

/// Plaintext opened at once where small chunks lie close together.
pub(crate) const WINDOW: u64 = 1 << 20;
/// Packs whose keys and windows are kept.
const PACKS_MAX: usize = 8;

/// What opens and names chunks.
#[derive(Clone)]
pub struct Opened {
    /// Identities that open packs.
    pub identities: Identities,
    /// Makes chunk ids.
    pub id_key: IdKey,
}

struct OpenPack {
    facts: PackFacts,
    opener: Opener,
    window_at: u64,
    window: Vec<u8>,
    used: u64,
}

/// Reads chunks; one for each thread.
pub struct ChunkReader {
    catalog: Catalog,
    stores: Vec<Arc<dyn Store>>,
    keys: Opened,
    packs: HashMap<PackId, OpenPack>,
    unframer: Unframer,
    scratch: Vec<u8>,
    clock: u64,
    touched: BTreeMap<PackId, Bytes>,
    read: Bytes,
    places: Arc<Places>,
}

impl ChunkReader {
    /// Reads from the first store that can give what is asked.
    pub fn new(catalog: Catalog, stores: Vec<Arc<dyn Store>>, keys: Opened) -> Result<Self, FormatError> {
        Ok(Self {
            catalog,
            stores,
            keys,
            packs: HashMap::new(),
            unframer: Unframer::new()?,
            scratch: Vec::new(),
            clock: 0,
            touched: BTreeMap::new(),
            read: Bytes(0),
            places: Arc::default(),
        })
    }

    /// Looks where chunks were found before, before it asks the catalog.
    pub(crate) fn knowing(self, places: Arc<Places>) -> Self {
        Self { places, ..self }
    }

    /// The packs read from so far, with their sealed sizes.
    pub fn touched(&self) -> &BTreeMap<PackId, Bytes> {
        &self.touched
    }

    /// Sealed bytes read so far.
    pub fn bytes_read(&self) -> Bytes {
        self.read
    }

    /// The catalog it looks into.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Appends a chunk's plaintext to `out`. Its length and its seal are checked;
    /// its id is not, for callers that check the whole file's hash.
    pub fn append(&mut self, kind: PackKind, id: ChunkId, out: &mut Vec<u8>) -> Result<(), ChunkError> {
        self.any_place(kind, id, out, |_, _| Ok(()))
    }

    /// Appends a chunk's plaintext to `out`, checked against its id. Tries all
    /// places where it lies.
    pub fn append_checked(&mut self, kind: PackKind, id: ChunkId, out: &mut Vec<u8>) -> Result<(), ChunkError> {
        self.any_place(kind, id, out, |key, plain| unpack::check(id, plain, key))
    }

    fn any_place(
        &mut self,
        kind: PackKind,
        id: ChunkId,
        out: &mut Vec<u8>,
        check: impl Fn(&IdKey, &[u8]) -> Result<(), FormatError>,
    ) -> Result<(), ChunkError> {
        let mut problem = ChunkError::Unlisted { id };
        let kept = self.places.get(kind, id);
        if let Some(location) = kept {
            match self.one_place(kind, &location, out, &check) {
                Ok(()) => return Ok(()),
                Err(error) => problem = error,
            }
        }
        for location in self.catalog.locations(kind.code(), id, Trusted::No)? {
            if Some(location) == kept {
                continue;
            }
            match self.one_place(kind, &location, out, &check) {
                Ok(()) => return Ok(()),
                Err(error) => problem = graver(problem, error),
            }
        }
        Err(problem)
    }

    /// Leaves `out` as it was if the chunk cannot be had there.
    fn one_place(
        &mut self,
        kind: PackKind,
        location: &Location,
        out: &mut Vec<u8>,
        check: &impl Fn(&IdKey, &[u8]) -> Result<(), FormatError>,
    ) -> Result<(), ChunkError> {
        let at = out.len();
        let result = self
            .decode(kind, location, out)
            .and_then(|()| check(&self.keys.id_key, &out[at..]).map_err(|source| self.in_pack(location.pack, source)));
        if result.is_err() {
            out.truncate(at);
        }
        result
    }

    fn in_pack(&self, pack: PackId, source: FormatError) -> ChunkError {
        match self.catalog.pack(pack) {
            Ok(facts) => ChunkError::Pack { pack: facts.name, source },
            Err(error) => error.into(),
        }
    }

    fn decode(&mut self, kind: PackKind, location: &Location, out: &mut Vec<u8>) -> Result<(), ChunkError> {
        let chunk = &location.chunk;
        let row = ChunkRow { base: chunk.base, id: chunk.id, len: chunk.len, off: chunk.off, plain: chunk.plain };
        row.check().map_err(|source| self.in_pack(location.pack, source))?;
        let Some(base) = chunk.base else { return self.decode_frame(location.pack, &row, out) };
        let mut delta = Vec::new();
        self.decode_frame(location.pack, &row, &mut delta)?;
        let mut prefix = Vec::new();
        let mut problem = ChunkError::Unlisted { id: base };
        for full in
            self.catalog.locations(kind.code(), base, Trusted::No)?.into_iter().filter(|l| l.chunk.base.is_none())
        {
            prefix.clear();
            let read = self.decode(kind, &full, &mut prefix).and_then(|()| {
                unpack::check(base, &prefix, &self.keys.id_key).map_err(|source| self.in_pack(full.pack, source))
            });
            match read {
                Ok(()) => break,
                Err(error) => {
                    prefix.clear();
                    problem = error;
                }
            }
        }
        if prefix.is_empty() {
            return Err(problem);
        }
        let plain = frame::undelta(&delta, &prefix, chunk.plain.0 as usize);
        out.extend_from_slice(&plain.map_err(|source| self.in_pack(location.pack, source))?);
        Ok(())
    }

    fn decode_frame(&mut self, pack: PackId, row: &ChunkRow, out: &mut Vec<u8>) -> Result<(), ChunkError> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let result = self.stream(pack, row.off.0, row.len.0, &mut scratch).and_then(|from| {
            let frame = match from {
                From::Scratch => &scratch[..],
                From::Window(range) => self.packs.get(&pack).map_or(&[][..], |p| &p.window[range]),
            };
            unpack::decode(row, frame, &mut self.unframer, out).map_err(|source| self.in_pack(pack, source))
        });
        self.scratch = scratch;
        result
    }

    /// Makes the stream's bytes `off..off + len` available.
    fn stream(&mut self, pack: PackId, off: u64, len: u64, scratch: &mut Vec<u8>) -> Result<From, ChunkError> {
        self.open(pack)?;
        let Some(open) = self.packs.get_mut(&pack) else {
            return Err(ChunkError::Unlisted { id: ChunkId::new([0; 32]) });
        };
        let within = |open: &OpenPack| {
            let from = off.checked_sub(open.window_at)? as usize;
            let to = from + len as usize;
            (to <= open.window.len()).then_some(from..to)
        };
        if let Some(range) = within(open) {
            return Ok(From::Window(range));
        }
        let size = open.facts.size.0;
        let end = darkslide_format::stream::plain_len(size.saturating_sub(open.opener.payload_at())).unwrap_or(0);
        if off.checked_add(len).is_none_or(|to| to > end) {
            return Err(ChunkError::Pack {
                pack: open.facts.name.clone(),
                source: FormatError::Malformed { what: "the index", detail: "a frame beyond the pack's end".into() },
            });
        }
        let mut problem = None;
        for store in &self.stores {
            // Neighbours at once; if something there is damaged, just what is needed.
            let small = len < WINDOW / 2;
            if small {
                let ahead = WINDOW.max(len).min(end - off);
                let read = open_range(&**store, open, off, ahead, scratch, &mut self.read);
                if let Ok(start) = read {
                    std::mem::swap(&mut open.window, scratch);
                    open.window_at = start;
                    if let Some(range) = within(open) {
                        return Ok(From::Window(range));
                    }
                }
            }
            match open_range(&**store, open, off, len, scratch, &mut self.read) {
                Ok(start) => {
                    scratch.drain(..(off - start) as usize);
                    scratch.truncate(len as usize);
                    return Ok(From::Scratch);
                }
                Err(error) => {
                    problem = Some(match problem {
                        Some(before) => graver(error, before),
                        None => error,
                    });
                }
            }
        }
        Err(problem.unwrap_or_else(|| StoreError::Missing { name: open.facts.name.clone() }.into()))
    }

    fn open(&mut self, pack: PackId) -> Result<(), ChunkError> {
        self.clock += 1;
        if let Some(open) = self.packs.get_mut(&pack) {
            open.used = self.clock;
            return Ok(());
        }
        if self.packs.len() >= PACKS_MAX
            && let Some(oldest) = self.packs.iter().min_by_key(|(_, p)| p.used).map(|(id, _)| *id)
        {
            self.packs.remove(&oldest);
        }
        let facts = self.catalog.pack(pack)?;
        let mut head = facts.header.clone();
        head.extend_from_slice(&facts.nonce);
        let opener = seal::open_head(&head, &self.keys.identities.all())
            .map_err(|source| ChunkError::Pack { pack: facts.name.clone(), source })?;
        self.touched.insert(pack, facts.size);
        self.packs.insert(pack, OpenPack { facts, opener, window_at: 0, window: Vec::new(), used: self.clock });
        Ok(())
    }
}

/// Of two problems the later, unless the earlier says that waiting helps.
fn graver(before: ChunkError, after: ChunkError) -> ChunkError {
    match before {
        ChunkError::Store(StoreError::Cold { .. }) => before,
        _ => after,
    }
}

/// Where the bytes asked for are.
enum From {
    Window(std::ops::Range<usize>),
    Scratch,
}

/// Opens the segments that cover a range, from one store; where in the stream
/// they begin.
fn open_range(
    store: &dyn Store,
    pack: &OpenPack,
    off: u64,
    len: u64,
    out: &mut Vec<u8>,
    read: &mut Bytes,
) -> Result<u64, ChunkError> {
    let (size, name) = (pack.facts.size.0, &pack.facts.name);
    let in_pack = |source| ChunkError::Pack { pack: name.clone(), source };
    let beyond =
        || in_pack(FormatError::Malformed { what: "the index", detail: "a frame beyond the pack's end".into() });
    let (range, first) = pack.opener.covering(off, len, size).ok_or_else(beyond)?;
    let last = pack.opener.last_segment(size).ok_or_else(beyond)?;
    let mut sealed = store.read(name, Some(range))?.bytes(name)?;
    *read += Bytes(sealed.len() as u64);
    out.clear();
    pack.opener.open_segments(first, last, &mut sealed, out).map_err(in_pack)?;
    Ok(first * darkslide_format::stream::SEGMENT as u64)
}

/// Pages of trees: from this machine's cache, or from the repository.
pub struct Pages<'r> {
    catalog: &'r Catalog,
    reader: Option<&'r mut ChunkReader>,
}

impl<'r> Pages<'r> {
    /// From the cache alone: what this machine wrote.
    pub fn cached(catalog: &'r Catalog) -> Self {
        Self { catalog, reader: None }
    }

    /// The catalog it looks into.
    pub fn catalog(&self) -> &'r Catalog {
        self.catalog
    }

    /// From the cache, else from the repository.
    pub fn new(catalog: &'r Catalog, reader: &'r mut ChunkReader) -> Self {
        Self { catalog, reader: Some(reader) }
    }
}

impl PageSource for Pages<'_> {
    type Error = ChunkError;

    fn page(&mut self, id: ChunkId) -> Result<Vec<u8>, ChunkError> {
        if let Some(packed) = self.catalog.page(id)? {
            let page = frame::unpack_json("a cached page", &packed, PAGE_MAX);
            // A damaged cache is no loss where the repository can be asked.
            let good =
                |page: &Vec<u8>| self.reader.as_ref().is_none_or(|r| unpack::check(id, page, &r.keys.id_key).is_ok());
            match page {
                Ok(page) if good(&page) => return Ok(page),
                Err(error) if self.reader.is_none() => return Err(error.into()),
                _ => {}
            }
        }
        let Some(reader) = self.reader.as_deref_mut() else { return Err(ChunkError::NotCached { id }) };
        let mut page = Vec::new();
        reader.append_checked(PackKind::Trees, id, &mut page)?;
        // So that the next quote or listing needs no call. A cache that cannot be
        // written to, while a backup runs, is none.
        let _ = frame::pack_json(&page).map(|packed| self.catalog.put_page(id, &packed));
        Ok(page)
    }
}
