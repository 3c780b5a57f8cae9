//! What a restore intends: which files of which tree, to where, and what it
//! needs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use darkslide_catalog::{Catalog, ChunkFacts, PackId, Trusted};
use darkslide_format::manifest::PackKind;
use darkslide_format::pages::{Descend, Lost, chunks_of, salvage_below};
use darkslide_format::stream::{SEGMENT, STRIDE};
use darkslide_format::tree::{Entry, EntryKind, FileClass};
use darkslide_words::{Bytes, ChunkId, Count, Name, ObjectName, Span};

use crate::chunks::WINDOW;
use crate::places::Places;
use crate::{ChunkError, Pages, RestoreError};

/// What happens to files that are in the target already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// They stay; a different one is reported.
    Keep,
    /// They are replaced.
    Replace,
}

/// Which part of the tree is wanted.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    paths: Vec<Name>,
}

impl Selection {
    /// Files and folders by path; none means all.
    pub fn new(paths: Vec<Name>) -> Self {
        let trim = |p: Name| {
            let text = p.as_bytes();
            let text = text.strip_prefix(b"./").unwrap_or(text);
            Name::new(text.strip_suffix(b"/").unwrap_or(text))
        };
        Self { paths: paths.into_iter().map(trim).filter(|p| !p.is_empty()).collect() }
    }

    /// The paths.
    pub fn paths(&self) -> &[Name] {
        &self.paths
    }

    /// True if this path is wanted itself.
    pub fn wants(&self, path: &Name) -> bool {
        self.paths.is_empty() || self.paths.iter().any(|p| below(path.as_bytes(), p.as_bytes()))
    }

    /// True if something below this folder may be wanted.
    pub fn leads_to(&self, path: &Name) -> bool {
        self.wants(path) || self.paths.iter().any(|p| below(p.as_bytes(), path.as_bytes()))
    }
}

fn below(path: &[u8], top: &[u8]) -> bool {
    path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// The intent of one restore.
#[derive(Debug, Clone)]
pub struct RestorePlan {
    /// Page of the snapshot's root.
    pub root: ChunkId,
    /// Which part of it.
    pub selection: Selection,
    /// Where to.
    pub to: PathBuf,
    /// What happens to files that are there.
    pub existing: Existing,
    /// Files that it will write.
    pub files: Count,
    /// Their bytes.
    pub bytes: Bytes,
    /// Packs that it needs.
    pub packs: Count,
    /// Their sealed bytes.
    pub pack_bytes: Bytes,
    /// Those packs, by name, and what of each.
    pub needs: Vec<PackNeed>,
    /// Where not all packs can be read yet: which files to restore now.
    pub now: Option<PackFilter>,
    /// Where it found their chunks.
    pub(crate) places: Arc<Places>,
}

/// What a restore needs of one pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackNeed {
    /// Its row.
    pub id: PackId,
    /// Its name.
    pub name: ObjectName,
    /// Its sealed bytes.
    pub size: Bytes,
    /// Bytes of the frames that are wanted.
    pub wanted: Bytes,
    /// Where in the pack all of those reads lie.
    pub span: Span,
    /// Bytes that are read for them: whole segments, and small frames together.
    pub download: Bytes,
    /// Reads that this takes.
    pub reads: Count,
}

/// Which files are restored: those whose packs can all be read, unless an earlier
/// run restored them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackFilter {
    /// Packs that can be read now.
    pub ready: BTreeSet<PackId>,
    /// Packs out of which everything was restored before.
    pub done: BTreeSet<PackId>,
    /// True once nothing more will thaw: what is cold now is lost to this restore.
    pub last: bool,
}

impl PackFilter {
    /// Whether a file in these packs is to be restored now.
    pub fn wants(&self, packs: &BTreeSet<PackId>) -> bool {
        let new = packs.is_empty() || packs.iter().any(|p| !self.done.contains(p));
        new && packs.iter().all(|p| self.ready.contains(p) || self.done.contains(p))
    }
}

/// The frames of a file: pack and length of each, bases of deltas too. Chunks that
/// no index lists are left out; the restore itself names them.
pub fn frames_of(
    catalog: &Catalog,
    pages: &mut Pages<'_>,
    entry: &Entry,
    mut each: impl FnMut(PackId, &ChunkFacts),
) -> Result<(), ChunkError> {
    let kind = kind_of(entry).code();
    for chunk in chunks_of(pages, entry).unwrap_or_default() {
        let Some(place) = catalog.locations(kind, chunk, Trusted::No)?.into_iter().next() else { continue };
        each(place.pack, &place.chunk);
        let Some(base) = place.chunk.base else { continue };
        let full = catalog.locations(kind, base, Trusted::No)?.into_iter().find(|l| l.chunk.base.is_none());
        if let Some(full) = full {
            each(full.pack, &full.chunk);
        }
    }
    Ok(())
}

impl RestorePlan {
    /// The same of fewer files.
    pub fn only(&self, now: PackFilter) -> Self {
        Self { now: Some(now), ..self.clone() }
    }

    /// Walks the tree and adds up, without reading any photograph.
    pub fn make(
        catalog: &Catalog,
        pages: &mut Pages<'_>,
        root: ChunkId,
        selection: Selection,
        to: PathBuf,
        existing: Existing,
    ) -> Result<Self, RestoreError> {
        let (mut files, mut bytes) = (Count(0), Bytes(0));
        let mut packs: BTreeMap<PackId, Vec<(u64, u64)>> = BTreeMap::new();
        let mut found = vec![false; selection.paths().len()];
        let mut places = Places::default();
        // A plan only counts; what cannot be read is named by the restore itself.
        let mut lost = |_: &Name, _: ChunkError| Lost::GoOn;
        let mut each = |pages: &mut Pages<'_>, path: &Name, entry: &Entry| {
            for (n, wanted) in selection.paths().iter().enumerate() {
                found[n] |= wanted == path;
            }
            if selection.wants(path) && entry.kind == EntryKind::File {
                files += Count(1);
                bytes += entry.bytes();
                frames_of(catalog, pages, entry, |pack, chunk| {
                    packs.entry(pack).or_default().push((chunk.off.0, chunk.len.0));
                    places.keep(kind_of(entry), pack, chunk);
                })?;
            }
            Ok(if selection.leads_to(path) { Descend::Into } else { Descend::Over })
        };
        salvage_below(pages, root, &mut each, &mut lost)?;
        if let Some(missing) = found.iter().position(|f| !f) {
            return Err(RestoreError::NotInSnapshot { path: selection.paths()[missing].to_string() });
        }
        let mut needs = Vec::with_capacity(packs.len());
        for (id, mut frames) in packs {
            let facts = catalog.pack(id).map_err(ChunkError::from)?;
            frames.sort_unstable();
            frames.dedup();
            let wanted = Bytes(frames.iter().map(|(_, len)| len).sum());
            let (download, reads) = reads_of(&frames, facts.size);
            let span = span_of(&frames, (facts.header.len() + facts.nonce.len()) as u64, facts.size);
            needs.push(PackNeed { id, name: facts.name, size: facts.size, wanted, span, download, reads });
        }
        let packs = Count(needs.len() as u64);
        let pack_bytes = needs.iter().map(|n| n.size).sum();
        let places = Arc::new(places);
        Ok(Self { root, selection, to, existing, files, bytes, packs, pack_bytes, needs, now: None, places })
    }
}

/// What reading these frames of a pack takes, in their order: bytes and reads.
fn reads_of(frames: &[(u64, u64)], pack: Bytes) -> (Bytes, Count) {
    let (mut bytes, mut reads, mut window_to) = (0, 0, 0);
    for (off, len) in frames {
        if off + len <= window_to {
            continue;
        }
        let small = *len < WINDOW / 2;
        let to = if small { off + WINDOW.max(*len) } else { off + len };
        let segments = (to.saturating_sub(1) / SEGMENT as u64) - off / SEGMENT as u64 + 1;
        if small {
            window_to = (off / SEGMENT as u64 + segments) * SEGMENT as u64;
        }
        bytes += (segments * STRIDE as u64).min(pack.0);
        reads += 1;
    }
    (Bytes(bytes), Count(reads))
}

/// From the first byte that is read for these frames to the last, in a pack whose payload begins at
/// `payload`.
fn span_of(frames: &[(u64, u64)], payload: u64, pack: Bytes) -> Span {
    let first = frames.iter().map(|(off, _)| off / SEGMENT as u64).min().unwrap_or(0);
    let end = |(off, len): &(u64, u64)| if *len < WINDOW / 2 { off + WINDOW.max(*len) } else { off + len };
    let last = frames.iter().map(end).max().unwrap_or(0).saturating_sub(1) / SEGMENT as u64;
    let at = |segment: u64| payload + segment * STRIDE as u64;
    Span { from: at(first).min(pack.0), to: at(last + 1).min(pack.0) }
}

/// Kind of packs that hold a file.
pub fn kind_of(entry: &Entry) -> PackKind {
    match entry.class {
        Some(FileClass::Warm) => PackKind::Warm,
        _ => PackKind::Cold,
    }
}

impl fmt::Display for RestorePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} files, {}, out of {} packs with {}, to {}",
            self.files,
            self.bytes,
            self.packs,
            self.pack_bytes,
            self.to.display()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_are_whole_segments_and_small_frames_share_one() {
        let (segment, stride) = (SEGMENT as u64, STRIDE as u64);
        let large = Bytes(1 << 30);
        assert_eq!(reads_of(&[], large), (Bytes(0), Count(0)));
        // One byte more than a segment, from the middle of one: two segments.
        assert_eq!(reads_of(&[(segment / 2, WINDOW)], large), (Bytes(17 * stride), Count(1)));
        // A hundred small frames in a megabyte: one window.
        let small: Vec<(u64, u64)> = (0..100).map(|n| (n * 10_000, 9_000)).collect();
        assert_eq!(reads_of(&small, large), (Bytes(16 * stride), Count(1)));
        assert_eq!(reads_of(&small, Bytes(5000)), (Bytes(5000), Count(1)));
        // Two far apart: two.
        assert_eq!(reads_of(&[(0, 10), (10 * WINDOW, 10)], large).1, Count(2));
    }

    #[test]
    fn the_span_holds_every_read() {
        let (segment, stride) = (SEGMENT as u64, STRIDE as u64);
        let pack = Bytes(300 + 100 * stride);
        assert_eq!(span_of(&[], 300, pack), Span { from: 300, to: 300 + stride });
        let large = (3 * segment + 5, WINDOW);
        assert_eq!(span_of(&[large], 300, pack), Span { from: 300 + 3 * stride, to: 300 + 20 * stride });
        // A small frame is read with its neighbours.
        assert_eq!(span_of(&[(segment, 10)], 300, pack), Span { from: 300 + stride, to: 300 + 17 * stride });
        assert_eq!(span_of(&[(99 * segment, 10), large], 300, pack), Span { from: 300 + 3 * stride, to: pack.0 });
    }

    #[test]
    fn only_files_whose_packs_can_all_be_read_are_wanted_and_once() {
        let set = |ids: &[i64]| ids.iter().map(|n| PackId(*n)).collect::<BTreeSet<_>>();
        let filter = PackFilter { ready: set(&[2, 3]), done: set(&[1]), last: false };
        assert!(filter.wants(&set(&[2])) && filter.wants(&set(&[1, 3])) && filter.wants(&set(&[])));
        assert!(!filter.wants(&set(&[1])) && !filter.wants(&set(&[2, 4])));
    }

    #[test]
    fn selections_follow_components() {
        let s = Selection::new(vec![Name::from("2024/wedding/"), Name::from("./a.txt")]);
        let n = |t: &str| Name::from(t);
        assert!(s.wants(&n("2024/wedding/IMG_1.CR3")) && s.wants(&n("2024/wedding")) && s.wants(&n("a.txt")));
        assert!(!s.wants(&n("2024/wedding2")) && !s.wants(&n("2024")));
        assert!(s.leads_to(&n("2024")) && !s.leads_to(&n("2025")));
        assert!(Selection::default().wants(&n("anything")));
    }
}
