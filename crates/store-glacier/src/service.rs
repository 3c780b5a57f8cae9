//! The calls that are made to the service, as a trait: Amazon's SDK behind it in earnest, a
//! double in tests. Everything here is synchronous and has been repeated where that helps.

use std::collections::BTreeMap;

use bytes::Bytes;
use darkslide_store::vault::{JobKind, Notifications, RetrievalPolicy, VaultInfo, VaultLock};
use darkslide_words::{Span, Tier, Time};

use crate::failure::Failure;

/// An archive that the service took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Uploaded {
    pub(crate) archive: String,
    /// The tree hash that it computed.
    pub(crate) tree: Option<String>,
}

/// Bytes on their way, with their hashes.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    pub(crate) bytes: Bytes,
    pub(crate) tree: String,
}

/// A multipart upload under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OpenUpload {
    pub(crate) id: String,
    pub(crate) description: String,
    pub(crate) created: Time,
}

/// A part that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) from: u64,
    pub(crate) tree: String,
}

/// What a job shall do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JobAsk {
    Archive { archive: String, tier: Tier, span: Option<Span>, description: String },
    Inventory { description: String },
}

/// A job, as the service tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JobFacts {
    pub(crate) id: String,
    pub(crate) kind: JobKind,
    pub(crate) archive: Option<String>,
    pub(crate) description: String,
    pub(crate) created: Time,
    pub(crate) completed: Option<Time>,
    /// Nothing while it works.
    pub(crate) succeeded: Option<bool>,
    pub(crate) tier: Option<Tier>,
    pub(crate) span: Option<Span>,
    /// Bytes of the whole archive.
    pub(crate) archive_size: Option<u64>,
    /// Tree hash of the output, where it has one.
    pub(crate) tree: Option<String>,
    /// Bytes of an inventory.
    pub(crate) inventory_size: Option<u64>,
}

/// What was read of a job's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) bytes: Vec<u8>,
    /// Tree hash of just these bytes, where the service gives one.
    pub(crate) tree: Option<String>,
}

/// What lay in a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) body: String,
    /// To delete it by.
    pub(crate) handle: String,
}

type Answer<T> = Result<T, Failure>;

/// The calls.
pub(crate) trait Service: Send + Sync {
    fn upload(&self, description: &str, body: &Body) -> Answer<Uploaded>;
    fn begin_upload(&self, description: &str, part: u64) -> Answer<String>;
    fn put_part(&self, upload: &str, from: u64, body: &Body) -> Answer<Option<String>>;
    fn complete_upload(&self, upload: &str, size: u64, tree: &str) -> Answer<Uploaded>;
    fn abort_upload(&self, upload: &str) -> Answer<()>;
    fn parts(&self, upload: &str) -> Answer<Vec<Part>>;
    fn uploads(&self) -> Answer<Vec<OpenUpload>>;
    fn delete(&self, archive: &str) -> Answer<()>;

    /// Never repeated where it may have arrived: each one costs money.
    fn begin_job(&self, ask: &JobAsk) -> Answer<String>;
    fn jobs(&self) -> Answer<Vec<JobFacts>>;
    fn job(&self, id: &str) -> Answer<JobFacts>;
    /// A part of the output, counted from its own start; all of it where none is named.
    fn output(&self, job: &str, part: Option<Span>) -> Answer<Output>;

    /// Up to ten messages of a queue, without waiting.
    fn messages(&self, queue: &str) -> Answer<Vec<Message>>;
    fn forget_messages(&self, queue: &str, handles: &[String]) -> Answer<()>;

    fn describe(&self) -> Answer<VaultInfo>;
    fn create(&self) -> Answer<()>;
    fn vaults(&self) -> Answer<Vec<VaultInfo>>;
    fn notifications(&self) -> Answer<Option<Notifications>>;
    fn set_notifications(&self, notifications: Option<&Notifications>) -> Answer<()>;
    fn access_policy(&self) -> Answer<Option<String>>;
    fn set_access_policy(&self, policy: Option<&str>) -> Answer<()>;
    fn tags(&self) -> Answer<BTreeMap<String, String>>;
    fn add_tags(&self, tags: &BTreeMap<String, String>) -> Answer<()>;
    fn remove_tags(&self, keys: &[String]) -> Answer<()>;
    fn lock(&self) -> Answer<Option<VaultLock>>;
    fn initiate_lock(&self, policy: &str) -> Answer<String>;
    fn complete_lock(&self, id: &str) -> Answer<()>;
    fn abort_lock(&self) -> Answer<()>;
    fn retrieval_policy(&self) -> Answer<RetrievalPolicy>;
    fn set_retrieval_policy(&self, policy: RetrievalPolicy) -> Answer<()>;
}
