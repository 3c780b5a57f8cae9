//! Stores: where objects go. The trait, its outcomes, the contract that every
//! store passes, and doubles for tests.
//!
//! Level 1. **Invariant:** a store knows names, bytes, classes and readability,
//! not what a pack is. Reading something cold is an outcome, not an error.

pub mod contract;
mod error;
mod faulty;
mod incoming;
mod memory;
mod mending;
mod recording;
pub mod rules;
pub mod vault;

use std::ops::Range;

use darkslide_words::{Bytes, ObjectName, Span, StorageClass, Temperature, Tier, Time};

pub use bytes::Bytes as Payload;
pub use darkslide_words::Readable;

pub use error::StoreError;
pub use faulty::{Fault, FaultyStore};
pub use incoming::{Gathered, Incoming};
pub use memory::MemoryStore;
pub use mending::{Healed, Mending, ParityState};
pub use recording::{Call, RecordingStore};

/// What a store can do. Data, so that plans can be made from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// A PUT of a name that exists is refused by the store itself.
    pub create_only: bool,
    /// Parts of an object can be read.
    pub ranges: bool,
    /// Some of its classes cannot be read at once.
    pub cold: bool,
    /// Objects can be deleted with these credentials, as far as is known.
    pub delete: bool,
    /// PUTs at once that are worth it: more than one where the way is long.
    pub puts: usize,
}

/// What goes with the bytes of a PUT.
#[derive(Debug, Clone, Copy)]
pub struct PutFacts {
    /// CRC64NVME of the bytes, for the store to check on arrival.
    pub crc64: u64,
    /// How often the object will be touched: chooses the storage class.
    pub temperature: Temperature,
}

/// How a PUT ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOutcome {
    /// The object is there now, durable.
    Created,
    /// The name existed with the same length; nothing was written.
    AlreadyThere,
}

/// How a read ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadOutcome {
    /// Here they are.
    Bytes(Vec<u8>),
    /// In an archive class; has to be thawed first.
    Cold {
        /// The storage class.
        class: String,
    },
    /// A thaw is under way.
    Thawing {
        /// Since when, if the store says.
        since: Option<Time>,
    },
    /// No such object.
    Missing,
}

impl ReadOutcome {
    /// The bytes, or the reason as an error.
    pub fn bytes(self, name: &ObjectName) -> Result<Vec<u8>, StoreError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Cold { class } => Err(StoreError::Cold { name: name.clone(), class }),
            Self::Thawing { .. } => Err(StoreError::Cold { name: name.clone(), class: "being thawed".into() }),
            Self::Missing => Err(StoreError::Missing { name: name.clone() }),
        }
    }
}

/// One object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: ObjectName,
    /// Stored bytes.
    pub size: Bytes,
    /// When the store took it, by the store's clock.
    pub modified: Time,
    /// Its storage class; of stores without classes `STANDARD`.
    pub class: StorageClass,
    /// Whether it can be read now.
    pub readable: Readable,
}

/// What a thaw asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThawAsk {
    /// How fast.
    pub tier: Tier,
    /// Days that the thawed copy stays; none for Intelligent-Tiering, where the
    /// object itself moves.
    pub days: Option<u32>,
    /// What of it is wanted; a store that cannot thaw a part thaws all. Nothing means all.
    pub span: Option<Span>,
}

/// How a request to thaw ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThawOutcome {
    /// It has begun.
    Started,
    /// It is thawed already; the thawed copy now stays for the days asked for.
    Extended,
    /// One is under way already, at the same or a faster tier.
    InProgress,
    /// Nothing to thaw: it can be read.
    NotCold,
    /// No capacity for this tier at the moment; nothing was begun.
    NoCapacity,
    /// A rule of the account allows no more before then; nothing was begun, and nothing is paid.
    HeldBack {
        /// When to ask again.
        until: Time,
    },
    /// The object cannot be thawed at this tier, now or later; nothing was begun.
    TierNotOffered,
    /// No such object.
    Missing,
}

/// Gets each object of a listing; an error ends the listing.
pub type OnListed<'a> = dyn FnMut(Listed) -> Result<(), StoreError> + 'a;

/// One place where objects go.
pub trait Store: Send + Sync {
    /// How it is called in messages: a path or a URL.
    fn label(&self) -> String;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Creates an object, durable when this returns. Never replaces one: a
    /// name that exists with another length is [`StoreError::Different`].
    fn put(&self, name: &ObjectName, bytes: &[u8], facts: &PutFacts) -> Result<PutOutcome, StoreError>;

    /// The same of bytes that are shared: a store that sends them over a line need
    /// not copy them.
    fn put_shared(&self, name: &ObjectName, bytes: &Payload, facts: &PutFacts) -> Result<PutOutcome, StoreError> {
        self.put(name, bytes, facts)
    }

    /// Begins an object whose bytes come piece by piece and whose name comes last; nothing where the store wants
    /// whole objects. Nothing happens in the store before the first piece.
    fn incoming(&self) -> Option<Box<dyn Incoming + '_>> {
        None
    }

    /// Reads an object or a range of it. A range beyond the end is
    /// [`StoreError::Short`].
    fn read(&self, name: &ObjectName, range: Option<Range<u64>>) -> Result<ReadOutcome, StoreError>;

    /// Lists the objects whose names begin with `prefix`, in no special order.
    /// Objects that are still being written do not appear.
    fn list(&self, prefix: &str, each: &mut OnListed<'_>) -> Result<(), StoreError>;

    /// Deletes an object; its absence is no error.
    fn delete(&self, name: &ObjectName) -> Result<(), StoreError>;

    /// Objects that were thawed since the last call, and until when, by the events
    /// that the store sends; nothing where it sends none.
    fn warmed(&self) -> Result<Option<Warmed>, StoreError> {
        Ok(None)
    }

    /// Keeps an object from being deleted or replaced until then, by whomever; false
    /// where the store has no such locks.
    fn extend_lock(&self, _name: &ObjectName, _until: Time) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// Until when an object is kept from being deleted; nothing where it is not.
    fn locked_until(&self, _name: &ObjectName) -> Result<Option<Time>, StoreError> {
        Ok(None)
    }

    /// The engine that does many requests at once, where the store has one and it
    /// is set up.
    fn bulk(&self) -> Option<&dyn BulkEngine> {
        None
    }

    /// The vault in which its cold objects lie, where that is one.
    fn vault(&self) -> Option<&dyn vault::Vault> {
        None
    }

    /// Whether a part of an object can be read, by what the last listing showed; asks nobody.
    /// Nothing where the store cannot thaw a part, or has no such object in the cold.
    fn readable_part(&self, _name: &ObjectName, _span: Span) -> Result<Option<Readable>, StoreError> {
        Ok(None)
    }

    /// The checksum that the store keeps of an object since it was put; asks for no bytes, and
    /// needs no thaw.
    fn stored_sum(&self, _name: &ObjectName) -> Result<StoredSum, StoreError> {
        Ok(StoredSum::NotKept)
    }

    /// How the store is set up, as far as it tells: for a check-up. Asks, and changes nothing.
    fn rules(&self) -> Result<Vec<rules::Rule>, StoreError> {
        Ok(Vec::new())
    }

    /// What it can do against damage to its objects; nothing where they are written once.
    fn mending(&self) -> Option<&dyn Mending> {
        None
    }

    /// Asks for a cold object to be thawed. This costs money: whoever calls has
    /// quoted it, and has written down that it is about to.
    fn thaw(&self, name: &ObjectName, _ask: &ThawAsk) -> Result<ThawOutcome, StoreError> {
        let there = self.read(name, Some(0..0))?;
        Ok(if there == ReadOutcome::Missing { ThawOutcome::Missing } else { ThawOutcome::NotCold })
    }
}

/// A checksum that a store keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredSum {
    /// CRC64NVME of the whole object.
    Crc64(u64),
    /// It keeps none, or another one.
    NotKept,
    /// No such object.
    Missing,
}

/// Objects that were thawed, and until when if that ends.
pub type Warmed = Vec<(ObjectName, Option<Time>)>;

/// What became of one object of a bulk job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkResult {
    /// The object.
    pub name: ObjectName,
    /// How its request ended; the server's words where it failed.
    pub outcome: Result<ThawOutcome, String>,
}

/// How far a bulk job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BulkState {
    /// Not all requests were made yet.
    Working {
        /// Requests made.
        done: u64,
        /// Of so many.
        of: u64,
    },
    /// All requests were made; what became of each.
    Finished(Vec<BulkResult>),
    /// The job ended without making its requests.
    Failed(String),
}

/// A store's own engine for many requests: a list goes in, a job works through it,
/// a report comes out. It begins thaws, and says nothing of when they end.
pub trait BulkEngine: Send + Sync {
    /// Submits a job; its id. The same `token` never makes a second one.
    fn submit(&self, names: &[ObjectName], ask: &ThawAsk, token: &str) -> Result<String, StoreError>;
    /// How far it is.
    fn state(&self, job: &str) -> Result<BulkState, StoreError>;

    /// Submits a job that computes the CRC64NVME of objects where they lie, cold ones
    /// too; its id. Nothing where the engine cannot.
    fn submit_checksums(&self, _names: &[ObjectName], _token: &str) -> Result<Option<String>, StoreError> {
        Ok(None)
    }

    /// What such a job found, once it is over.
    fn checksums(&self, _job: &str) -> Result<Option<Sums>, StoreError> {
        Ok(None)
    }
}

/// CRC64NVME of objects, or the server's words where it could not be computed.
pub type Sums = Vec<(ObjectName, Result<u64, String>)>;

/// A listing as a vector, sorted by name: for prefixes that hold few objects.
pub fn list_all(store: &dyn Store, prefix: &str) -> Result<Vec<Listed>, StoreError> {
    let mut all = Vec::new();
    store.list(prefix, &mut |listed| {
        all.push(listed);
        Ok(())
    })?;
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}
