//! What there is to a Glacier vault beside its being a store: inventories, jobs,
//! notifications, policies, tags, locks. Words and a trait; who speaks to the service
//! is in a crate of its own.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use darkslide_words::{Bytes, Count, Name, ObjectName, Span, Tier, Time};
use serde::Serialize;

pub use darkslide_words::RetrievalPolicy;

use crate::StoreError;

/// A vault, as the service describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VaultInfo {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// When it was made.
    pub created: Option<Time>,
    /// When the last inventory was taken; none was yet, where nothing is said.
    pub inventoried: Option<Time>,
    /// Archives at that time.
    pub archives: Count,
    /// Their bytes, with what each is billed for besides its own.
    pub bytes: Bytes,
}

/// Whose an archive is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// The archive that holds an object of this store.
    Ours,
    /// Another archive with the same object: an upload that was repeated.
    Duplicate,
    /// Somebody else's; it is left alone.
    Foreign,
    /// It was deleted, here or by somebody else.
    Gone,
}

impl Standing {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Duplicate => "duplicate",
            Self::Foreign => "foreign",
            Self::Gone => "gone",
        }
    }
}

/// What is known of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Archive {
    /// The service's id of it.
    pub id: String,
    /// Whose it is.
    pub standing: Standing,
    /// The object in it, where it is of this store.
    pub name: Option<ObjectName>,
    /// Its bytes.
    pub size: Bytes,
    /// Its SHA-256 tree hash, in hex.
    pub tree: String,
    /// When it was made.
    pub created: Time,
    /// What its uploader wrote beside it.
    pub description: String,
    /// The date of the newest inventory that shows it.
    pub inventoried: Option<Time>,
}

/// A file that another program put into an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ForeignFile {
    /// The archive's id.
    pub archive: String,
    /// Where the file was, below what that program backed up.
    pub path: Name,
    /// Its bytes.
    pub size: Bytes,
    /// When it was changed last, where that is known.
    pub modified: Option<Time>,
    /// Which program.
    pub by: String,
}

/// How far an inventory job is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "state")]
pub enum InventoryState {
    /// None was asked for, or the last one's output is gone and was read.
    None,
    /// Asked for.
    Working {
        /// The job.
        job: String,
        /// Since when.
        since: Time,
    },
    /// Read, and held against what is known.
    Read(Reconciled),
}

/// What an inventory made of what was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Reconciled {
    /// The date of the inventory: it knows nothing that came later.
    pub date: Time,
    /// Archives in it.
    pub archives: Count,
    /// Of this store and known before.
    pub known: Count,
    /// Of this store, and known again only now.
    pub found: Count,
    /// Second copies of the same object.
    pub duplicates: Count,
    /// Somebody else's.
    pub foreign: Count,
    /// Of this store, and too new for the inventory.
    pub too_new: Count,
    /// Of this store, older than the inventory and not in it.
    pub missing: Count,
    /// In it with another size or tree hash than what was uploaded.
    pub different: Count,
}

/// What an inventory says of one of our objects that is not simply there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum Doubt {
    /// It came after the inventory was taken: nothing is wrong.
    TooNew,
    /// The inventory is newer and does not show it.
    Missing,
    /// The inventory shows other bytes.
    Different,
}

/// An object about which the inventory does not say what is believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Doubtful {
    /// The object.
    pub name: ObjectName,
    /// Its bytes.
    pub size: Bytes,
    /// When it was uploaded.
    pub uploaded: Time,
    /// What is the matter.
    #[serde(flatten)]
    pub doubt: Doubt,
}

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum JobKind {
    /// Brings an archive, or a part of one.
    Archive,
    /// Brings an inventory.
    Inventory,
}

/// How a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// It works.
    Working,
    /// Its output can be read.
    Ready,
    /// It failed.
    Failed,
}

/// A job of a vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Job {
    /// The service's id of it.
    pub id: String,
    /// What it does.
    pub kind: JobKind,
    /// How it stands.
    pub state: JobState,
    /// The archive that it brings.
    pub archive: Option<String>,
    /// The object in that archive, where it is of this store.
    pub name: Option<ObjectName>,
    /// How fast.
    pub tier: Option<Tier>,
    /// Which part.
    pub span: Option<Span>,
    /// Whether that part has a tree hash of its own.
    pub tree: Option<String>,
    /// When it was asked for.
    pub created: Time,
    /// When it ended.
    pub completed: Option<Time>,
    /// Its output is kept at least until then.
    pub until: Option<Time>,
    /// What was written beside it.
    pub description: String,
}

/// Who is told when jobs end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Notifications {
    /// The SNS topic.
    pub topic: String,
    /// `ArchiveRetrievalCompleted`, `InventoryRetrievalCompleted`.
    pub events: Vec<String>,
}

/// The events of a vault.
pub const EVENTS: [&str; 2] = ["ArchiveRetrievalCompleted", "InventoryRetrievalCompleted"];

/// A vault's lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VaultLock {
    /// The policy, as JSON.
    pub policy: String,
    /// `InProgress` or `Locked`.
    pub state: String,
    /// When it lapses if it is not completed.
    pub expires: Option<Time>,
    /// When it was begun.
    pub created: Option<Time>,
}

/// Gets each archive; an error ends it.
pub type OnArchive<'a> = dyn FnMut(Archive) -> Result<(), StoreError> + 'a;

/// A Glacier vault. Asking costs nothing but where it says so.
pub trait Vault: Send + Sync {
    /// What the service says of it.
    fn describe(&self) -> Result<VaultInfo, StoreError>;
    /// All vaults of the account in this region.
    fn vaults(&self) -> Result<Vec<VaultInfo>, StoreError>;

    /// Asks for an inventory, unless one is under way; the job's id. Costs a request.
    fn start_inventory(&self) -> Result<String, StoreError>;
    /// Looks how far it is; reads it where it is ready, and holds it against what is known.
    fn inventory(&self) -> Result<InventoryState, StoreError>;
    /// What the last inventory that was read made of what was known then.
    fn last_inventory(&self) -> Result<Option<Reconciled>, StoreError>;
    /// The archives that are known, from uploads and inventories; in the order of their ids.
    fn archives(&self, each: &mut OnArchive<'_>) -> Result<(), StoreError>;
    /// The files of other programs in archives that are not this store's, as far as those programs
    /// say: in descriptions, or in a `mapping`, the file that Synology's keeps in a second vault.
    fn foreign_files(&self, mapping: Option<&Path>) -> Result<Vec<ForeignFile>, StoreError>;
    /// Objects of which the last inventory does not say what is believed.
    fn doubtful(&self) -> Result<Vec<Doubtful>, StoreError>;

    /// The jobs that the service knows: those of the last day or so.
    fn jobs(&self) -> Result<Vec<Job>, StoreError>;
    /// Asks for an archive by its id, or a part of it, whoever's it is; the job's id. Costs money.
    fn retrieve(&self, archive: &str, tier: Tier, span: Option<Span>) -> Result<String, StoreError>;
    /// Writes the output of a job that is ready; its bytes, and whether a tree hash vouches for all of them.
    fn fetch(&self, job: &str, to: &mut dyn Write) -> Result<(Bytes, bool), StoreError>;
    /// Deletes an archive that is no object of this store: a duplicate, or one of somebody else's.
    fn discard(&self, archive: &str) -> Result<(), StoreError>;
    /// Multipart uploads of this store that were begun so long ago that nobody goes on with
    /// them are ended; how many.
    fn sweep_uploads(&self) -> Result<u64, StoreError>;

    /// Who is told.
    fn notifications(&self) -> Result<Option<Notifications>, StoreError>;
    /// Sets who is told; nobody, where nothing is given.
    fn set_notifications(&self, notifications: Option<&Notifications>) -> Result<(), StoreError>;
    /// The access policy, as JSON.
    fn access_policy(&self) -> Result<Option<String>, StoreError>;
    /// Sets it; removes it, where nothing is given.
    fn set_access_policy(&self, policy: Option<&str>) -> Result<(), StoreError>;
    /// The tags.
    fn tags(&self) -> Result<BTreeMap<String, String>, StoreError>;
    /// Adds tags, and replaces values of those that are there.
    fn add_tags(&self, tags: &BTreeMap<String, String>) -> Result<(), StoreError>;
    /// Removes tags by their keys.
    fn remove_tags(&self, keys: &[String]) -> Result<(), StoreError>;
    /// The lock.
    fn lock(&self) -> Result<Option<VaultLock>, StoreError>;
    /// Begins a lock with this policy; the lock's id, needed to complete it within 24 hours.
    fn initiate_lock(&self, policy: &str) -> Result<String, StoreError>;
    /// Completes it. From then on nobody can ever change it.
    fn complete_lock(&self, id: &str) -> Result<(), StoreError>;
    /// Gives up a lock that is not completed.
    fn abort_lock(&self) -> Result<(), StoreError>;
    /// The account's data retrieval policy in this region.
    fn retrieval_policy(&self) -> Result<RetrievalPolicy, StoreError>;
    /// Sets it, for the whole account in this region.
    fn set_retrieval_policy(&self, policy: RetrievalPolicy) -> Result<(), StoreError>;
}
