//! Pages: folders and chunk lists, split by content when they are long, so that
//! one change in a folder of 200,000 rewrites a few KiB.

use darkslide_words::{ChunkId, Name};
use serde::{Deserialize, Serialize};

use crate::limits::{FOLDER_DEPTH_MAX, PAGE_ITEMS_MAX, PAGE_ITEMS_MIN, PAGE_MAX, PAGE_NESTING_MAX, PATH_MAX};
use crate::tree::{Entry, EntryKind};
use crate::{FormatError, IdKey, canon};

/// What a page holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Entries of a folder.
    Dir,
    /// Pages of a folder.
    DirIndex,
    /// Chunks of a file.
    List,
    /// Pages of a chunk list.
    ListIndex,
}

impl Family {
    fn word(self) -> (&'static str, &'static str) {
        match self {
            Self::Dir => ("entries", "dir"),
            Self::DirIndex => ("parts", "dir-index"),
            Self::List => ("chunks", "list"),
            Self::ListIndex => ("parts", "list-index"),
        }
    }

    fn index(self) -> Self {
        match self {
            Self::Dir | Self::DirIndex => Self::DirIndex,
            Self::List | Self::ListIndex => Self::ListIndex,
        }
    }
}

/// Items as JSON, with commas between.
#[derive(Default)]
struct Items {
    json: Vec<u8>,
    /// Of each: where it ends, and whether a page may end with it.
    ends: Vec<(usize, bool)>,
}

impl Items {
    fn push(&mut self, json: &[u8], may_end: bool) {
        if !self.ends.is_empty() {
            self.json.push(b',');
        }
        self.json.extend_from_slice(json);
        self.ends.push((self.json.len(), may_end));
    }

    fn iter(&self) -> impl Iterator<Item = (&[u8], bool)> {
        let mut start = 0;
        self.ends.iter().map(move |(end, may_end)| {
            let json = &self.json[start..*end];
            start = end + 1;
            (json, *may_end)
        })
    }
}

/// Collects items into pages; hands each finished page to the caller, who
/// stores it and returns its id.
pub struct PageBuilder<'k> {
    key: &'k IdKey,
    family: Family,
    items: Items,
    split: bool,
    parts: Vec<ChunkId>,
}

impl<'k> PageBuilder<'k> {
    /// For a folder's entries, which must come sorted by name.
    pub fn dir(key: &'k IdKey) -> Self {
        Self::new(key, Family::Dir)
    }

    /// For a file's chunks.
    pub fn list(key: &'k IdKey) -> Self {
        Self::new(key, Family::List)
    }

    fn new(key: &'k IdKey, family: Family) -> Self {
        Self { key, family, items: Items::default(), split: false, parts: Vec::new() }
    }

    /// Adds an entry.
    pub fn entry<E>(&mut self, entry: &Entry, store: &mut impl FnMut(Vec<u8>) -> Result<ChunkId, E>) -> Result<(), E>
    where
        E: From<FormatError>,
    {
        self.encoded(entry.name.as_bytes(), &entry.to_json()?, store)
    }

    /// Adds an entry that is JSON already.
    pub fn encoded<E>(
        &mut self,
        name: &[u8],
        json: &[u8],
        store: &mut impl FnMut(Vec<u8>) -> Result<ChunkId, E>,
    ) -> Result<(), E> {
        let may_end = self.may_end(name);
        self.push(json, may_end, store)
    }

    /// Adds a chunk id.
    pub fn chunk<E>(&mut self, id: ChunkId, store: &mut impl FnMut(Vec<u8>) -> Result<ChunkId, E>) -> Result<(), E> {
        let may_end = self.may_end(id.as_bytes());
        self.push(format!("\"{id}\"").as_bytes(), may_end, store)
    }

    fn may_end(&self, key: &[u8]) -> bool {
        blake3::keyed_hash(self.key.secret(), key).as_bytes()[0] & 63 == 0
    }

    fn push<E>(
        &mut self,
        json: &[u8],
        may_end: bool,
        store: &mut impl FnMut(Vec<u8>) -> Result<ChunkId, E>,
    ) -> Result<(), E> {
        self.items.push(json, may_end);
        let len = self.items.ends.len();
        if !self.split && len > PAGE_ITEMS_MAX {
            self.split = true;
            for (json, may_end) in std::mem::take(&mut self.items).iter() {
                self.push(json, may_end, store)?;
            }
        } else if self.split && ((len >= PAGE_ITEMS_MIN && may_end) || len == PAGE_ITEMS_MAX) {
            let id = store(self.page())?;
            self.parts.push(id);
        }
        Ok(())
    }

    /// The page of the collected items.
    fn page(&mut self) -> Vec<u8> {
        let (items, page) = self.family.word();
        let list = &mut self.items;
        let mut out = Vec::with_capacity(list.json.len() + 64);
        let field = |out: &mut Vec<u8>| {
            out.extend_from_slice(format!("\"{items}\":[").as_bytes());
            out.extend_from_slice(&list.json);
            out.push(b']');
        };
        out.push(b'{');
        let word = format!("\"page\":\"{page}\"");
        // Keys in order: `chunks` and `entries` stand before `page`, `parts` after it.
        if items < "page" {
            field(&mut out);
            out.push(b',');
            out.extend_from_slice(word.as_bytes());
        } else {
            out.extend_from_slice(word.as_bytes());
            out.push(b',');
            field(&mut out);
        }
        out.push(b'}');
        list.json.clear();
        list.ends.clear();
        out
    }

    /// Stores what is left and the index pages; the id of the top page.
    pub fn finish<E>(mut self, store: &mut impl FnMut(Vec<u8>) -> Result<ChunkId, E>) -> Result<ChunkId, E> {
        if !self.split {
            let page = self.page();
            return store(page);
        }
        if !self.items.ends.is_empty() {
            let id = store(self.page())?;
            self.parts.push(id);
        }
        if let [only] = self.parts[..] {
            return Ok(only);
        }
        let mut above = Self::new(self.key, self.family.index());
        for id in std::mem::take(&mut self.parts) {
            above.chunk(id, store)?;
        }
        above.finish(store)
    }
}

/// A parsed page.
#[derive(Debug, Deserialize)]
pub struct Page {
    #[serde(default)]
    chunks: Vec<ChunkId>,
    #[serde(default)]
    entries: Vec<Entry>,
    page: Family,
    #[serde(default)]
    parts: Vec<ChunkId>,
}

impl Page {
    /// Parses and checks one page.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        FormatError::limit("a page", bytes.len() as u64, PAGE_MAX as u64)?;
        let page: Self = canon::from_bytes("a page", bytes)?;
        page.entries.iter().try_for_each(Entry::check)?;
        Ok(page)
    }
}

/// Gives the plaintext of pages, checked against their ids.
pub trait PageSource {
    /// What reading can fail with.
    type Error: From<FormatError>;
    /// The page's bytes.
    fn page(&mut self, id: ChunkId) -> Result<Vec<u8>, Self::Error>;
}

/// Gets each entry of a folder.
pub type OnEntry<'e, S> = dyn FnMut(&mut S, Entry) -> Result<(), <S as PageSource>::Error> + 'e;
/// Gets each page of a folder or list.
type OnPage<'e, S> = dyn FnMut(&mut S, Page) -> Result<(), <S as PageSource>::Error> + 'e;

/// Calls `each` for every entry of a folder, in order.
pub fn for_each_entry<S: PageSource>(source: &mut S, top: ChunkId, each: &mut OnEntry<'_, S>) -> Result<(), S::Error> {
    // No name is empty.
    let mut last = Vec::new();
    walk(source, top, Family::Dir, 0, &mut |source, page: Page| {
        for entry in page.entries {
            if last.as_slice() >= entry.name.as_bytes() {
                return Err(
                    FormatError::malformed("a folder", format!("`{}` is out of order or twice", entry.name)).into()
                );
            }
            last.clear();
            last.extend_from_slice(entry.name.as_bytes());
            each(source, entry)?;
        }
        Ok(())
    })
}

/// The chunks of a file.
pub fn chunks_of<S: PageSource>(source: &mut S, entry: &Entry) -> Result<Vec<ChunkId>, S::Error> {
    if let Some(chunks) = &entry.chunks {
        return Ok(chunks.clone());
    }
    let Some(list) = entry.list else {
        return Ok(Vec::new());
    };
    let mut all = Vec::new();
    // Every chunk but the last is at least a byte; a list that is longer lies.
    let most = entry.bytes().0.saturating_add(1);
    walk(source, list, Family::List, 0, &mut |_, page: Page| {
        all.extend(page.chunks);
        Ok(FormatError::limit("a chunk list", all.len() as u64, most.min(LIST_MAX))?)
    })?;
    Ok(all)
}

/// Chunks of one file: 64 TiB in the smallest usual chunks.
const LIST_MAX: u64 = 1 << 24;

fn walk<S: PageSource>(
    source: &mut S,
    id: ChunkId,
    family: Family,
    depth: usize,
    each: &mut OnPage<'_, S>,
) -> Result<(), S::Error> {
    FormatError::limit("the nesting of pages", depth as u64, PAGE_NESTING_MAX as u64)?;
    let bytes = source.page(id)?;
    let page = Page::parse(&bytes)?;
    drop(bytes);
    if page.page == family {
        // An empty page under an index page is nobody's, and would let a few pages stand for endlessly many.
        if depth > 0 && page.entries.is_empty() && page.chunks.is_empty() {
            return Err(FormatError::malformed("a page", "empty, under an index page").into());
        }
        return each(source, page);
    }
    if page.parts.is_empty() {
        return Err(FormatError::malformed("a page", "an index page without parts").into());
    }
    if page.page != family.index() {
        return Err(FormatError::malformed("a page", "of another kind than its place says").into());
    }
    for part in page.parts {
        walk(source, part, family, depth + 1, each)?;
    }
    Ok(())
}

/// Calls `each` with the path and entry of everything below a folder, parents
/// before children, in order. `each` says for a folder whether to go into it. The
/// first page that cannot be read ends the walk.
pub fn for_each_below<S: PageSource>(source: &mut S, top: ChunkId, each: &mut Each<'_, S>) -> Result<(), S::Error> {
    let mut first = None;
    salvage_below(source, top, each, &mut |_, error| {
        first.get_or_insert(error);
        Lost::Stop
    })?;
    first.map_or(Ok(()), Err)
}

/// What a walk calls for each entry.
pub type Each<'e, S> = dyn FnMut(&mut S, &Name, &Entry) -> Result<Descend, <S as PageSource>::Error> + 'e;

/// What a walk does after a folder that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// It goes on with everything else.
    GoOn,
    /// It ends.
    Stop,
}

/// The same, and a folder of which a page cannot be read does not end it: `lost`
/// is told its path, and what was read of it before counts.
pub fn salvage_below<S: PageSource>(
    source: &mut S,
    top: ChunkId,
    each: &mut Each<'_, S>,
    lost: &mut dyn FnMut(&Name, S::Error) -> Lost,
) -> Result<(), S::Error> {
    let mut stopped = false;
    let mut walk = Below { each, lost, stopped: &mut stopped };
    walk.folder(source, top, &Name::default(), 0)
}

struct Below<'w, 'e, S: PageSource> {
    each: &'w mut Each<'e, S>,
    lost: &'w mut dyn FnMut(&Name, S::Error) -> Lost,
    stopped: &'w mut bool,
}

impl<S: PageSource> Below<'_, '_, S> {
    fn folder(&mut self, source: &mut S, top: ChunkId, path: &Name, depth: usize) -> Result<(), S::Error> {
        FormatError::limit("the depth of folders", depth as u64, FOLDER_DEPTH_MAX as u64)?;
        FormatError::limit("a path", path.as_bytes().len() as u64, PATH_MAX as u64)?;
        // What `each` itself fails with ends the walk; what reading fails with need not.
        let mut fatal = None;
        let mut full = Name::default();
        let read = for_each_entry(source, top, &mut |source, entry| {
            if *self.stopped || fatal.is_some() {
                return Ok(());
            }
            path.join_into(&entry.name, &mut full);
            let step = (self.each)(source, &full, &entry).and_then(|descend| match (entry.kind, entry.tree, descend) {
                (EntryKind::Dir, Some(tree), Descend::Into) => self.folder(source, tree, &full, depth + 1),
                _ => Ok(()),
            });
            fatal = step.err();
            Ok(())
        });
        if let Some(error) = fatal {
            return Err(error);
        }
        match read {
            Err(error) if !*self.stopped => {
                *self.stopped |= (self.lost)(path, error) == Lost::Stop;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Whether a walk goes into a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Descend {
    /// Go on into it.
    Into,
    /// Pass it by.
    Over,
}
