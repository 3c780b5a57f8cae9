//! What the simulator remembers of vaults.

use std::collections::BTreeMap;

use darkslide_words::{Tier, Time};
use serde::{Deserialize, Serialize};

use super::tree::{Leaves, Stretch};
use crate::blobs::Segment;

/// Vaults, and what belongs to the account as a whole.
#[derive(Debug, Clone, Default)]
pub(crate) struct Glacier {
    pub vaults: BTreeMap<String, Vault>,
    pub account: Account,
}

/// What belongs to the account.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Account {
    pub retrieval: RetrievalPolicy,
    pub capacity: Vec<Capacity>,
    /// As for accounts that were opened after the service was closed to them: without an
    /// archive, every call is refused.
    pub closed: bool,
}

/// The data retrieval policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum RetrievalPolicy {
    #[default]
    None,
    FreeTier,
    BytesPerHour(u64),
}

/// A provisioned capacity unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Capacity {
    pub id: String,
    pub from: Time,
    pub to: Time,
}

/// A vault; its archives, uploads, jobs and inventory are recorded apart.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Vault {
    pub name: String,
    pub created: Time,
    pub tags: BTreeMap<String, String>,
    pub notifications: Option<Notifications>,
    pub access_policy: Option<String>,
    pub lock: Option<VaultLock>,
    /// When the next inventory is taken; none before the first archive.
    pub inventory_due: Option<Time>,
    /// Archives came or went since the last inventory.
    pub changed: bool,
    #[serde(skip)]
    pub archives: BTreeMap<String, Archive>,
    #[serde(skip)]
    pub uploads: BTreeMap<String, VaultUpload>,
    #[serde(skip)]
    pub jobs: BTreeMap<String, VaultJob>,
    #[serde(skip)]
    pub inventory: Option<Inventory>,
}

/// Whom a vault tells of its jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Notifications {
    pub topic: String,
    pub events: Vec<String>,
}

/// A lock policy, on trial or for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VaultLock {
    pub id: String,
    pub policy: String,
    pub created: Time,
    /// When it goes unless it is completed; none if it is.
    pub expires: Option<Time>,
}

/// An archive.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Archive {
    pub description: Option<String>,
    pub created: Time,
    pub size: u64,
    pub leaves: Leaves,
    pub body: Vec<Segment>,
    /// Until when its storage was metered.
    pub billed_from: Time,
}

/// A part of an upload that is not complete.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct VaultPart {
    pub size: u64,
    pub leaves: Leaves,
    pub body: Segment,
    pub billed_from: Time,
}

/// A multipart upload.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct VaultUpload {
    pub description: Option<String>,
    pub part_size: u64,
    pub created: Time,
    /// Last call for it.
    pub touched: Time,
    /// By their first byte.
    pub parts: BTreeMap<u64, VaultPart>,
    /// What it became, if it is complete: remembered a while for who asks again.
    pub archive: Option<String>,
}

/// An inventory, as the vault was then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Inventory {
    pub taken: Time,
    pub items: Vec<Item>,
}

/// An archive of an inventory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Item {
    pub id: String,
    pub description: Option<String>,
    pub created: Time,
    pub size: u64,
    pub tree_hash: String,
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum JobState {
    Running,
    Succeeded,
    /// And why.
    Failed(String),
}

/// A job.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct VaultJob {
    pub kind: JobKind,
    pub description: Option<String>,
    pub topic: Option<String>,
    pub created: Time,
    /// When it is or was done.
    pub done: Time,
    pub progress: JobState,
    /// What can be downloaded; of a retrieval only once it is done.
    pub output: Vec<Segment>,
}

/// What a job brings.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum JobKind {
    Archive(Retrieval),
    Inventory(Listing),
}

/// A part of an archive, or all of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Retrieval {
    pub archive: String,
    pub archive_description: Option<String>,
    pub size: u64,
    pub tree_hash: String,
    pub stretch: Stretch,
    /// Those of the stretch.
    pub leaves: Leaves,
    pub tier: Tier,
}

/// An inventory, or a part of one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Listing {
    pub format: Format,
    pub wanted: Option<ListingRange>,
    /// Where the next listing goes on.
    pub next: Option<String>,
}

/// How an inventory is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Format {
    Json,
    Csv,
}

/// What part of an inventory, as it was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ListingRange {
    pub start: Option<Time>,
    pub end: Option<Time>,
    pub limit: Option<u64>,
    pub marker: Option<String>,
}

impl Vault {
    pub fn new(name: &str, created: Time) -> Self {
        Self {
            name: name.to_string(),
            created,
            tags: BTreeMap::new(),
            notifications: None,
            access_policy: None,
            lock: None,
            inventory_due: None,
            changed: false,
            archives: BTreeMap::new(),
            uploads: BTreeMap::new(),
            jobs: BTreeMap::new(),
            inventory: None,
        }
    }
}

impl VaultUpload {
    pub fn is_open(&self) -> bool {
        self.archive.is_none()
    }

    /// When it vanishes if nobody does anything with it.
    pub fn expires(&self) -> Time {
        self.touched.plus(super::multipart::IDLE_MAX)
    }
}

impl VaultJob {
    /// When id and output vanish.
    pub fn expires(&self) -> Time {
        self.done.plus(super::jobs::OUTPUT_KEPT)
    }

    pub fn bytes(&self) -> u64 {
        self.output.iter().map(|segment| segment.len).sum()
    }
}
