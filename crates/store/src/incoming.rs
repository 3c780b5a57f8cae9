//! Objects that come in pieces, before their names are known.

use darkslide_words::ObjectName;

use crate::{PutFacts, PutOutcome, Store, StoreError};

/// An object that is coming, piece by piece. Dropped before it is finished, nothing is left of it.
pub trait Incoming: Send {
    /// The next bytes. What goes wrong with them is told in the end.
    fn write(&mut self, piece: &[u8]);

    /// All of it has come, and this is its name: as [`Store::put`].
    fn finish(self: Box<Self>, name: &ObjectName, facts: &PutFacts) -> Result<PutOutcome, StoreError>;
}

/// For stores that take no less than whole objects: keeps the pieces in memory, and puts them in the end.
pub struct Gathered<'s> {
    store: &'s dyn Store,
    bytes: Vec<u8>,
}

impl<'s> Gathered<'s> {
    /// For this store.
    pub fn new(store: &'s dyn Store) -> Self {
        Self { store, bytes: Vec::new() }
    }
}

impl Incoming for Gathered<'_> {
    fn write(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
    }

    fn finish(self: Box<Self>, name: &ObjectName, facts: &PutFacts) -> Result<PutOutcome, StoreError> {
        self.store.put(name, &self.bytes, facts)
    }
}
