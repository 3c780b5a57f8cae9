//! An S3 bucket as a store: every storage class, create-only, thaws, and
//! whatever else the bucket's server can do for objects that are cold.
//!
//! Level 2. **Invariant:** every object is sent by one PUT that refuses to
//! replace and names its storage class and its checksum. No call is made that
//! was not asked for, and what costs money is never repeated blindly.

pub mod bulk;
mod engine;
pub mod events;
mod failure;
mod limit;
mod link;
mod list;
mod lock;
mod percent;
mod probe;
mod put;
mod read;
mod retry;
mod rules;
mod settings;
mod sum;
mod thaw;

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use darkslide_store::{
    BulkEngine, Capabilities, OnListed, Payload, PutFacts, PutOutcome, ReadOutcome, Store, StoreError, StoredSum,
    ThawAsk, ThawOutcome,
};
use darkslide_words::{ObjectName, Time};
use tokio::sync::Semaphore;

use failure::{Failure, Kind};
use limit::Gate;
use link::Link;

pub use link::Surroundings;
pub use lock::{BucketFacts, DefaultRetention, Fact, Lock, LockMode, Versioning};
pub use probe::{Answer, Probe};
pub use retry::{Pause, Sleeper, TokioSleeper};
pub use settings::{Checksum, Classes, Key, PARALLEL, Patience, S3Settings, ServerFacts, When, parse_url};

/// Packs on their way at once: two, and the one that is being filled, are what a
/// small machine's memory is meant to hold.
const PUTS: usize = 2;

/// One bucket, or a prefix of one.
pub struct S3Store {
    link: Arc<Link>,
    s3: aws_sdk_s3::Client,
    settings: S3Settings,
    uploads: Semaphore,
    gate: Option<Arc<Gate>>,
    /// What is known of the server by now.
    server: Mutex<ServerFacts>,
    /// Keys in listings that are not names of ours.
    foreign: AtomicU64,
    /// Batch jobs, where they are set up.
    bulk: Option<bulk::Bulk>,
    /// The queue of the bucket's restore events, where one is set up.
    events: Option<events::ThawEvents>,
    /// Mode of the locks that are extended, once it was asked for.
    lock_mode: std::sync::OnceLock<Option<LockMode>>,
}

impl fmt::Debug for S3Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Store").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl S3Store {
    /// Prepares the way; asks nobody over the network yet.
    pub fn connect(settings: S3Settings) -> Result<Self, StoreError> {
        Self::connect_with(settings, Surroundings::default())
    }

    /// The same, with the waiting and the randomness given.
    pub fn connect_with(settings: S3Settings, surroundings: Surroundings) -> Result<Self, StoreError> {
        settings.check()?;
        let link = Arc::new(Link::open(&settings, surroundings)?);
        let gate = settings.limit_upload.map(|rate| Arc::new(Gate::new(rate.0, link.sleeper.clone())));
        Ok(Self {
            s3: link.s3(&settings),
            uploads: Semaphore::new(settings.parallel.min(Semaphore::MAX_PERMITS)),
            gate,
            server: Mutex::new(settings.server),
            foreign: AtomicU64::new(0),
            bulk: None,
            events: None,
            lock_mode: std::sync::OnceLock::new(),
            link,
            settings,
        })
    }

    /// Prepares the way and looks whether the bucket answers, with the one call
    /// that every identity of ours may make: a listing of its own prefix. The
    /// bucket itself is made by whoever administrates it.
    pub fn create(settings: S3Settings) -> Result<Self, StoreError> {
        let store = Self::connect(settings)?;
        store.reach()?;
        Ok(store)
    }

    /// Lists one object at most: is the bucket there, and may we?
    pub fn reach(&self) -> Result<(), StoreError> {
        let prefix = &self.settings.prefix;
        let page = self.link.block(self.page(prefix, None, 1));
        page.map(drop).map_err(|f| self.error(&f, "listing", None))
    }

    /// How it was set up.
    pub fn settings(&self) -> &S3Settings {
        &self.settings
    }

    /// Keys that listings so far have skipped, because they are no names of ours.
    pub fn foreign(&self) -> u64 {
        self.foreign.load(Ordering::Relaxed)
    }

    /// What is known of the server: from the settings, or from a probe since.
    pub fn server(&self) -> ServerFacts {
        *self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self, name: &ObjectName) -> String {
        format!("{}{name}", self.settings.prefix)
    }

    fn error(&self, failure: &Failure, what: &str, name: Option<&ObjectName>) -> StoreError {
        if let (Kind::NoCredentials, Some(profile)) = (failure.kind, &self.settings.profile) {
            return StoreError::Setup {
                store: self.link.label.clone(),
                why: format!("has nobody to speak for: the profile `{profile}` gives no AWS credentials"),
                advice: "check its name and its keys in the shared AWS files, or sign in to it again".into(),
            };
        }
        let what = name.map_or_else(|| what.to_string(), |name| format!("{what} {name}"));
        failure.error(&self.link.label, &what, name)
    }
}

impl Store for S3Store {
    fn label(&self) -> String {
        self.link.label.clone()
    }

    fn capabilities(&self) -> Capabilities {
        let classes = &self.settings.classes;
        let cold = [&classes.cold, &classes.warm, &classes.hot].into_iter().any(|class| class.may_be_cold());
        let server = self.server();
        Capabilities {
            create_only: server.create_only,
            ranges: true,
            cold: cold && server.thaws,
            delete: true,
            puts: self.settings.parallel.min(PUTS),
        }
    }

    fn put(&self, name: &ObjectName, bytes: &[u8], facts: &PutFacts) -> Result<PutOutcome, StoreError> {
        self.put_object(name, Payload::copy_from_slice(bytes), facts)
    }

    fn put_shared(&self, name: &ObjectName, bytes: &Payload, facts: &PutFacts) -> Result<PutOutcome, StoreError> {
        self.put_object(name, bytes.clone(), facts)
    }

    fn read(&self, name: &ObjectName, range: Option<Range<u64>>) -> Result<ReadOutcome, StoreError> {
        self.read_object(name, range)
    }

    fn list(&self, prefix: &str, each: &mut OnListed<'_>) -> Result<(), StoreError> {
        self.list_objects(prefix, each)
    }

    fn delete(&self, name: &ObjectName) -> Result<(), StoreError> {
        let key = self.key(name);
        let deleted = self.link.block(self.delete_key(&key));
        match deleted {
            Err(failure) if !failure.is_missing() => Err(self.error(&failure, "deleting", Some(name))),
            _ => Ok(()),
        }
    }

    fn warmed(&self) -> Result<Option<darkslide_store::Warmed>, StoreError> {
        self.drain()
    }

    fn extend_lock(&self, name: &ObjectName, until: Time) -> Result<bool, StoreError> {
        self.keep_locked(name, until)
    }

    fn locked_until(&self, name: &ObjectName) -> Result<Option<Time>, StoreError> {
        self.lock_end(name)
    }

    fn stored_sum(&self, name: &ObjectName) -> Result<StoredSum, StoreError> {
        self.sum_from_head(name)
    }

    fn rules(&self) -> Result<Vec<darkslide_store::rules::Rule>, StoreError> {
        self.all_rules()
    }

    fn bulk(&self) -> Option<&dyn BulkEngine> {
        self.bulk.as_ref().map(|bulk| bulk as &dyn BulkEngine)
    }

    fn thaw(&self, name: &ObjectName, ask: &ThawAsk) -> Result<ThawOutcome, StoreError> {
        self.thaw_object(name, ask)
    }
}

impl S3Store {
    async fn delete_key(&self, key: &str) -> Result<(), Failure> {
        self.link
            .attempts(link::ANSWER, || async {
                self.s3.delete_object().bucket(&self.settings.bucket).key(key).send().await?;
                Ok(())
            })
            .await
    }
}
