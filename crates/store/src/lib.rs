//! Stores: where objects go. The trait, its outcomes, the contract that every
//! store passes, and doubles for tests.
//!
//! Level 1. **Invariant:** a store knows names, bytes, classes and readability,
//! not what a pack is. Reading something cold is an outcome, not an error.

pub mod contract;
mod error;
mod faulty;
mod memory;
mod recording;

use std::ops::Range;

use darkslide_words::{Bytes, ObjectName, Temperature, Time};

pub use error::StoreError;
pub use faulty::{Fault, FaultyStore};
pub use memory::MemoryStore;
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

    /// Reads an object or a range of it. A range beyond the end is
    /// [`StoreError::Short`].
    fn read(&self, name: &ObjectName, range: Option<Range<u64>>) -> Result<ReadOutcome, StoreError>;

    /// Lists the objects whose names begin with `prefix`, in no special order.
    /// Objects that are still being written do not appear.
    fn list(&self, prefix: &str, each: &mut OnListed<'_>) -> Result<(), StoreError>;

    /// Deletes an object; its absence is no error.
    fn delete(&self, name: &ObjectName) -> Result<(), StoreError>;
}

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
