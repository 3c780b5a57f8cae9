//! `repair`: what is missing or damaged, and what mends it: parity, another store, the library. A
//! plan first; then one thing after the other, each of which the next try finds done or undone.
//!
//! Nothing is deleted and nothing overwritten: what is damaged on a disk is set aside, and in a
//! bucket it stays; its content is sealed again under a new name.

mod execute;
mod photographs;
mod plan;
mod quote;
mod survey;

use darkslide_words::{Bytes, Count, Money, Name, ObjectName};
use serde::Serialize;

use crate::{Engine, EngineError};

pub use execute::Repaired;

/// What is wrong with an object in a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Harm {
    /// It is not there.
    Missing,
    /// It has another length.
    Truncated {
        /// Its bytes.
        found: Bytes,
    },
    /// Its bytes are not what they were.
    Damaged {
        /// As it was found.
        why: String,
    },
}

/// What mends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cure {
    /// Computed from the parity beside it.
    Parity {
        /// Damaged shards.
        shards: Count,
    },
    /// Copied from another store.
    Store {
        /// Those that list it whole, the first one first.
        from: Vec<String>,
    },
    /// Sealed again out of the library, into a new pack.
    Library {
        /// Chunks that are lost.
        chunks: Count,
        /// Files that hold them, as far as the catalog knows.
        files: Count,
    },
    /// Nothing to do: all that it held lies in other packs.
    Elsewhere,
    /// The next backup writes it again.
    NextBackup,
    /// Nothing that is at hand.
    Nothing {
        /// Why, and what could.
        why: String,
    },
}

/// One object that needs mending in one store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mend {
    /// The store.
    pub store: String,
    /// The object.
    pub object: ObjectName,
    /// Bytes that it should have.
    pub size: Bytes,
    /// What is wrong.
    pub harm: Harm,
    /// What mends it.
    pub cure: Cure,
}

/// A pack with content that nothing at hand brings back, and what it held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hopeless {
    /// The pack.
    pub object: ObjectName,
    /// Chunks of it that are nowhere to be had.
    pub chunks: Count,
    /// Photographs that need them: paths in the library, or in older snapshots.
    pub photographs: Vec<Name>,
    /// How many those are; more than are named.
    pub count: Count,
}

/// Parity that a store is to have and lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unprotected {
    /// The store.
    pub store: String,
    /// Objects without it, or whose parity is damaged.
    pub objects: Count,
    /// Their bytes, which are read for it.
    pub bytes: Bytes,
}

/// What a repair is about to do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RepairPlan {
    /// Object by object.
    pub mends: Vec<Mend>,
    /// What cannot be repaired.
    pub hopeless: Vec<Hopeless>,
    /// Parity to be made.
    pub unprotected: Vec<Unprotected>,
    /// Stores that could not be looked at, and why.
    pub unreached: Vec<(String, String)>,
    /// What it costs; nothing where no store has prices.
    pub cost: Option<Money>,
}

impl RepairPlan {
    /// True if everything is as it should be.
    pub fn is_empty(&self) -> bool {
        self.mends.is_empty() && self.unprotected.is_empty()
    }

    /// Things that will be done.
    pub fn doable(&self) -> usize {
        let idle = |mend: &&Mend| !matches!(mend.cure, Cure::Nothing { .. } | Cure::NextBackup);
        self.mends.iter().filter(idle).count() + self.unprotected.len()
    }
}

/// What is repaired.
#[derive(Debug, Clone, Default)]
pub struct RepairOptions {
    /// Only this store, by its label; all where none is named.
    pub store: Option<String>,
    /// It stops before it costs more than this.
    pub max_cost: Option<Money>,
}

impl Engine {
    /// What is missing or damaged, and what would mend it. Lists the stores; reads only what is
    /// believed damaged on disks. What damage there is, `audit` and `scrub` find.
    pub fn plan_repair(&self, options: &RepairOptions) -> Result<RepairPlan, EngineError> {
        let repo = self.repository()?;
        let survey = survey::Survey::make(self, &repo, options)?;
        plan::plan(&survey)
    }
}
