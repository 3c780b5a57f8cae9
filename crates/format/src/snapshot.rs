//! Snapshots, refs and tombstones.

use std::collections::{BTreeSet, HashMap};

use darkslide_words::{Bytes, Count, Name, ObjectId, ObjectName, RepositoryId, Time, WriterId};
use serde::{Deserialize, Serialize};

use crate::limits::REFS_CHAIN_MAX;
use crate::signed::DocType;
use crate::tree::{Entry, EntryKind};
use crate::trust::{Standing, Trust};
use crate::{FormatError, canon, names};

/// What a run saw and did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Bytes of all files in the tree.
    pub bytes: Bytes,
    /// Files that were there before with other content or metadata.
    pub changed_files: Count,
    /// Folders in the tree.
    pub dirs: Count,
    /// Files that could not be stored in this run.
    pub failed: Count,
    /// Files in the tree.
    pub files: Count,
    /// Files that were not there before.
    pub new_files: Count,
    /// Files that were there before and are gone.
    pub removed_files: Count,
    /// Sealed bytes that the run added.
    pub stored_bytes: Bytes,
    /// Symbolic links in the tree.
    pub symlinks: Count,
}

/// A snapshot's payload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// False for a checkpoint, whose tree is empty.
    pub complete: bool,
    /// What the run saw and did.
    pub counts: Counts,
    /// Required features.
    pub features: Vec<String>,
    /// Format version.
    pub format: u32,
    /// Name of the machine.
    pub host: String,
    /// Name of the job.
    pub job: String,
    /// Where the library was.
    pub library: Name,
    /// The job's snapshot before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predecessor: Option<ObjectName>,
    /// The packs that it needs.
    pub refs: ObjectId,
    /// Repository.
    pub repository: RepositoryId,
    /// The library's root.
    pub root: Entry,
    /// Words that the user gave it, for retention.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The instant, in whole milliseconds.
    pub time: Time,
    /// Program and version.
    pub tool: String,
    /// Who wrote it.
    pub writer: WriterId,
}

impl Snapshot {
    /// Parses and checks a payload.
    pub fn parse(payload: &[u8], repository: RepositoryId) -> Result<Self, FormatError> {
        let snapshot: Self = canon::checked("snapshot", payload, Some(repository))?;
        snapshot.root.check()?;
        match snapshot.root.kind == EntryKind::Dir && snapshot.root.tree.is_some() {
            true => Ok(snapshot),
            false => Err(FormatError::malformed("snapshot", "its root is no folder")),
        }
    }
}

/// A refs object's payload: which packs a snapshot needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refs {
    /// Packs beside the base's.
    pub add: Vec<ObjectName>,
    /// Packs of previews beside the base's: what the snapshot is shown with, and is whole without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add_previews: Vec<ObjectName>,
    /// Another refs object, whose packs count too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<ObjectId>,
    /// Whether the snapshot is complete; absent in those of before retention.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete: Option<bool>,
    /// Required features.
    pub features: Vec<String>,
    /// Format version.
    pub format: u32,
    /// Name of the job.
    pub job: String,
    /// The job's snapshot before: so the writer vouches for that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predecessor: Option<ObjectName>,
    /// Packs of the base that are not needed any more.
    pub remove: Vec<ObjectName>,
    /// Packs of previews of the base that are not needed any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove_previews: Vec<ObjectName>,
    /// Repository.
    pub repository: RepositoryId,
    /// The snapshot's time.
    pub snapshot_time: Time,
    /// The snapshot's tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Who wrote it.
    pub writer: WriterId,
}

impl Refs {
    /// Parses and checks a payload.
    pub fn parse(payload: &[u8], repository: RepositoryId) -> Result<Self, FormatError> {
        canon::checked("refs", payload, Some(repository))
    }

    /// All packs that it stands for, with those on which it builds; or why that
    /// cannot be told.
    pub fn resolve(&self, all: &HashMap<ObjectId, Refs>) -> Result<BTreeSet<ObjectName>, String> {
        self.resolved(all, |refs| (&refs.add, &refs.remove))
    }

    /// The same of packs of previews.
    pub fn resolve_previews(&self, all: &HashMap<ObjectId, Refs>) -> Result<BTreeSet<ObjectName>, String> {
        self.resolved(all, |refs| (&refs.add_previews, &refs.remove_previews))
    }

    fn resolved(
        &self,
        all: &HashMap<ObjectId, Refs>,
        which: impl Fn(&Refs) -> (&Vec<ObjectName>, &Vec<ObjectName>),
    ) -> Result<BTreeSet<ObjectName>, String> {
        let mut chain = vec![self];
        while let Some(base) = chain.last().and_then(|r| r.base) {
            if chain.len() >= REFS_CHAIN_MAX {
                return Err("the chain of its refs is too long, or loops".into());
            }
            match all.get(&base) {
                Some(next) => chain.push(next),
                None => return Err(format!("refs/{base}.age, on which its refs build, is missing or damaged")),
            }
        }
        let mut packs = BTreeSet::new();
        for refs in chain.into_iter().rev() {
            let (add, remove) = which(refs);
            packs.extend(add.iter().cloned());
            remove.iter().for_each(|gone| {
                packs.remove(gone);
            });
        }
        Ok(packs)
    }
}

/// A tombstone's payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condemned {
    /// Required features.
    pub features: Vec<String>,
    /// Format version.
    pub format: u32,
    /// The condemned pack or refs object, or the snapshot that was forgotten.
    pub object: ObjectName,
    /// Repository.
    pub repository: RepositoryId,
    /// When it was condemned.
    pub time: Time,
}

impl Condemned {
    /// Parses and checks a payload.
    pub fn parse(payload: &[u8], repository: RepositoryId) -> Result<Self, FormatError> {
        canon::checked("condemned", payload, Some(repository))
    }

    /// A tombstone of this object.
    pub fn new(repository: RepositoryId, object: ObjectName, time: Time) -> Self {
        Self { features: Vec::new(), format: crate::FORMAT, object, repository, time }
    }

    /// Reads `condemned/<id>` as it lies in a store: what it condemns, if whoever
    /// signed it may. A forged one is nothing.
    pub fn valid(trust: &Trust, id: ObjectId, bytes: &[u8]) -> Option<Self> {
        let (verified, standing) = trust.by_writer(DocType::Condemned, bytes).ok()?;
        let may = standing == Standing::Trusted || trust.is_owner(&verified.signer);
        let doc = Self::parse(verified.payload, trust.repository()).ok().filter(|_| may)?;
        (names::parse(&doc.object).and_then(|p| p.id) == Some(id)).then_some(doc)
    }
}
