//! May this card be formatted? For each file, by content: how many verified copies there are, and
//! where.

use std::collections::{BTreeMap, BTreeSet};

use darkslide_catalog::{CardFileRow, Catalog};
use darkslide_disk::{Disk, hash_uncached, sample};
use darkslide_words::{Bytes, ContentHash, Count, Name, Time};
use serde::Serialize;

use crate::shelf::{Look, Wanted};
use crate::{Card, CardFile, IngestError, Observer, Progress, Shelf};

/// What a place is to the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PlaceKind {
    /// A library.
    Library,
    /// A second target.
    Second,
    /// A mirror.
    Mirror,
    /// A store of the repository.
    Store,
}

/// A verified copy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct CopyAt {
    /// What kind of place.
    pub kind: PlaceKind,
    /// What it is called.
    pub place: String,
    /// Path there; in a repository the path in its snapshot.
    pub path: Name,
    /// The medium: copies on one medium go with it.
    #[serde(skip)]
    pub medium: String,
    /// True if it is not in this house.
    pub off_site: bool,
    /// The file itself, whatever its names: two names of one file are one copy.
    #[serde(skip)]
    pub file: Option<(u64, u64)>,
}

/// When a file of a card is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Verified copies.
    pub copies: u64,
    /// On so many media.
    pub places: u64,
    /// At least one that is off-site.
    pub off_site: bool,
}

/// A file of the card.
#[derive(Debug, Clone, Serialize)]
pub struct Checked {
    /// Path on the card.
    pub path: Name,
    /// Bytes.
    pub size: Bytes,
    /// Content.
    pub hash: ContentHash,
    /// Where it is.
    pub copies: Vec<CopyAt>,
}

/// How a card stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CardState {
    /// Everything on it is safe by the rule.
    SafeToFormat,
    /// It is not.
    NotSafe,
    /// There is nothing on it.
    Empty,
}

/// What is said of a card.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    /// The card's label.
    pub card: String,
    /// What it says, in a word.
    pub state: CardState,
    /// When.
    pub at: Time,
    /// Its files, and where they are.
    pub files: Vec<Checked>,
    /// Files that are not safe, and why.
    pub unsafe_files: Vec<(Name, String)>,
    /// Files without a byte.
    pub empty: Vec<Name>,
    /// Names that were passed over.
    pub ignored: Vec<Name>,
    /// Bytes of its files.
    pub bytes: Bytes,
}

/// Reads every file of the card past the page cache and takes its hash.
pub fn hash_card(
    disk: &dyn Disk,
    catalog: &Catalog,
    card: &Card,
    observer: &dyn Observer,
    now: Time,
) -> Result<BTreeMap<Name, Result<ContentHash, String>>, IngestError> {
    let row = catalog.card(&card.volume.id, &card.volume.label, now)?;
    let mut seen = Progress { expected: Some(card.bytes()), ..Progress::default() };
    let mut out = BTreeMap::new();
    for file in &card.files {
        let hash = hash_uncached(disk, &card.path(&file.path), &mut |piece| {
            seen.bytes += Bytes(piece.len() as u64);
            observer.progress(&seen);
            !observer.cancelled()
        });
        seen.files += Count(1);
        if observer.cancelled() {
            return Err(IngestError::Cancelled);
        }
        if hash.is_err() && disk.stat(&card.volume.root).is_err() {
            return Err(IngestError::Pulled { path: card.volume.root.clone() });
        }
        if let Ok(hash) = hash {
            let (path, size, mtime) = (file.path.clone(), Bytes(file.stat.size), file.stat.mtime);
            catalog.put_card_file(row.id, &CardFileRow { path, size, mtime, hash })?;
        }
        out.insert(file.path.clone(), hash.map_err(|error| format!("it cannot be read: {error}")));
    }
    Ok(out)
}

/// Where a place stands in the rule.
pub type PlaceFacts = (PlaceKind, String, bool);

/// Looks for the card's files on disks: each candidate is read whole, past the page cache.
pub fn check_places(
    disk: &dyn Disk,
    catalog: &Catalog,
    card: &Card,
    hashes: &BTreeMap<Name, Result<ContentHash, String>>,
    shelves: &[(Shelf, PlaceFacts)],
    now: Time,
) -> Result<BTreeMap<Name, Vec<CopyAt>>, IngestError> {
    let look = Look { disk, catalog, fresh: true, now };
    let mut out: BTreeMap<Name, Vec<CopyAt>> = BTreeMap::new();
    for file in &card.files {
        let Some(Ok(hash)) = hashes.get(&file.path) else { continue };
        let Ok(head) = sample(disk, &card.path(&file.path)) else { continue };
        let wanted = Wanted { size: file.stat.size, head, hash: *hash, counts: &|_| true };
        for (shelf, (kind, medium, off_site)) in shelves {
            let Some(path) = shelf.find(&look, &wanted)? else { continue };
            let inode = disk.stat(&shelf.path(&path)).map(|stat| stat.inode).ok();
            out.entry(file.path.clone()).or_default().push(CopyAt {
                kind: *kind,
                place: shelf.place.label.clone(),
                path,
                medium: medium.clone(),
                off_site: *off_site,
                file: inode,
            });
        }
    }
    Ok(out)
}

/// Holds what was found against the rule.
pub fn verdict(
    card: &Card,
    hashes: &BTreeMap<Name, Result<ContentHash, String>>,
    mut copies: BTreeMap<Name, Vec<CopyAt>>,
    rule: &Rule,
    at: Time,
) -> Verdict {
    let mut unsafe_files: Vec<(Name, String)> = card.unreadable.clone();
    let mut files = Vec::new();
    for file in &card.files {
        let found = copies.remove(&file.path).unwrap_or_default();
        match hashes.get(&file.path) {
            Some(Ok(hash)) => {
                unsafe_files.extend(rule.lacks(&found).map(|why| (file.path.clone(), why)));
                files.push(checked(file, *hash, found));
            }
            Some(Err(why)) => unsafe_files.push((file.path.clone(), why.clone())),
            None => unsafe_files.push((file.path.clone(), "it was not read".into())),
        }
    }
    let nothing = card.files.is_empty() && card.unreadable.is_empty();
    Verdict {
        card: card.volume.label.clone(),
        state: match unsafe_files.is_empty() {
            _ if nothing => CardState::Empty,
            true => CardState::SafeToFormat,
            false => CardState::NotSafe,
        },
        at,
        files,
        unsafe_files,
        empty: card.files.iter().filter(|file| file.stat.size == 0).map(|file| file.path.clone()).collect(),
        ignored: card.ignored.clone(),
        bytes: card.bytes(),
    }
}

fn checked(file: &CardFile, hash: ContentHash, copies: Vec<CopyAt>) -> Checked {
    Checked { path: file.path.clone(), size: Bytes(file.stat.size), hash, copies }
}

impl Rule {
    /// What the rule misses, in words; nothing if it is kept.
    pub fn lacks(&self, copies: &[CopyAt]) -> Option<String> {
        let mut seen = BTreeSet::new();
        // A place that is another's under a second name, or linked to it, adds nothing.
        let apart: Vec<&CopyAt> = copies.iter().filter(|copy| copy.file.is_none_or(|file| seen.insert(file))).collect();
        let places: BTreeSet<(PlaceKind, &str)> = apart.iter().map(|copy| (copy.kind, copy.place.as_str())).collect();
        let media: BTreeSet<&str> = apart.iter().map(|copy| copy.medium.as_str()).collect();
        let named = || {
            let names: Vec<&str> = copies.iter().map(|copy| copy.place.as_str()).collect();
            if names.is_empty() { "nowhere".to_string() } else { format!("in {}", names.join(", ")) }
        };
        if (places.len() as u64) < self.copies {
            return Some(format!("{} verified copies of {} that are wanted: {}", places.len(), self.copies, named()));
        }
        if (media.len() as u64) < self.places {
            return Some(format!(
                "all its copies are on {} of {} media that are wanted: {}",
                media.len(),
                self.places,
                named()
            ));
        }
        if self.off_site && !apart.iter().any(|copy| copy.off_site) {
            return Some(format!("no copy is off-site: {}", named()));
        }
        None
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = self.files.len();
        match self.state {
            CardState::Empty => write!(f, "{}: nothing is on this card", self.card),
            CardState::SafeToFormat => {
                write!(
                    f,
                    "{}: SAFE TO FORMAT: all {count} files, {} are verified where they should be",
                    self.card, self.bytes
                )
            }
            CardState::NotSafe => {
                write!(f, "{}: NOT SAFE TO FORMAT: {} of its files are not safe", self.card, self.unsafe_files.len())
            }
        }
    }
}
