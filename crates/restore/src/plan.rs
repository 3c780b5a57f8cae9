//! What a restore intends: which files of which tree, to where, and what it
//! needs.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use darkslide_catalog::Catalog;
use darkslide_format::manifest::PackKind;
use darkslide_format::pages::{Descend, Lost, chunks_of, salvage_below};
use darkslide_format::tree::{Entry, EntryKind, FileClass};
use darkslide_words::{Bytes, ChunkId, Count, Name};

use crate::{Pages, RestoreError};

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
}

impl RestorePlan {
    /// Walks the tree and adds up, without reading any photograph.
    pub fn make(
        catalog: &Catalog,
        pages: &mut Pages<'_>,
        root: ChunkId,
        selection: Selection,
        to: PathBuf,
        existing: Existing,
    ) -> Result<Self, RestoreError> {
        let (mut files, mut bytes, mut packs) = (Count(0), Bytes(0), BTreeSet::new());
        let mut found = vec![false; selection.paths().len()];
        // A plan only counts; what cannot be read is named by the restore itself.
        let mut lost = |_: &Name, _: crate::ChunkError| Lost::GoOn;
        let mut each = |pages: &mut Pages<'_>, path: &Name, entry: &Entry| {
            for (n, wanted) in selection.paths().iter().enumerate() {
                found[n] |= wanted == path;
            }
            if selection.wants(path) && entry.kind == EntryKind::File {
                files += Count(1);
                bytes += entry.bytes();
                for chunk in chunks_of(pages, entry).unwrap_or_default() {
                    let places = catalog.locations(kind_of(entry).code(), chunk, darkslide_catalog::Trusted::No)?;
                    packs.extend(places.first().map(|l| l.pack));
                }
            }
            Ok(if selection.leads_to(path) { Descend::Into } else { Descend::Over })
        };
        salvage_below(pages, root, &mut each, &mut lost)?;
        if let Some(missing) = found.iter().position(|f| !f) {
            return Err(RestoreError::NotInSnapshot { path: selection.paths()[missing].to_string() });
        }
        let mut pack_bytes = Bytes(0);
        for pack in &packs {
            pack_bytes += catalog.pack(*pack).map_err(crate::ChunkError::from)?.size;
        }
        let packs = Count(packs.len() as u64);
        Ok(Self { root, selection, to, existing, files, bytes, packs, pack_bytes })
    }
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
    fn selections_follow_components() {
        let s = Selection::new(vec![Name::from("2024/wedding/"), Name::from("./a.txt")]);
        let n = |t: &str| Name::from(t);
        assert!(s.wants(&n("2024/wedding/IMG_1.CR3")) && s.wants(&n("2024/wedding")) && s.wants(&n("a.txt")));
        assert!(!s.wants(&n("2024/wedding2")) && !s.wants(&n("2024")));
        assert!(s.leads_to(&n("2024")) && !s.leads_to(&n("2025")));
        assert!(Selection::default().wants(&n("anything")));
    }
}
