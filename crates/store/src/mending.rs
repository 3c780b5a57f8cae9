//! What a store on a disk of one's own can do against damage: parity beside its objects, and a
//! damaged object set aside and replaced. A bucket has neither: what is in it is written once.

use darkslide_words::{Bytes, Count, ObjectId, ObjectName, Time};

use crate::StoreError;

/// How an object and its parity stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParityState {
    /// There is none for this object.
    Absent,
    /// The object is whole, and so is its parity.
    Whole,
    /// The object is whole, its parity is not: it has to be made anew.
    Worn {
        /// Shards of the parity that are damaged.
        damaged: Count,
    },
    /// The object is damaged, and its parity suffices to heal it.
    Healable {
        /// Shards of the object that are damaged.
        damaged: Count,
        /// Damaged shards that could be healed.
        spare: Count,
    },
    /// The object is damaged beyond what its parity can heal.
    Beyond {
        /// Shards of the object that are damaged.
        damaged: Count,
        /// Damaged shards that could be healed.
        spare: Count,
    },
    /// The parity file itself cannot be used: damaged in all that describes it.
    Lost,
    /// The parity is of other bytes than those that the object's name stands for.
    Foreign,
}

/// What healing did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Healed {
    /// The object was whole.
    Whole,
    /// It is whole again, byte for byte; the damaged one was set aside.
    Healed {
        /// Shards that were computed anew.
        shards: Count,
    },
    /// Not by parity; nothing was touched.
    Not(ParityState),
}

/// Mends objects. Nothing is ever deleted: what is damaged is set aside.
pub trait Mending: Send + Sync {
    /// Parity that new objects get, in percent of their bytes; 0 where it is switched off.
    fn parity_percent(&self) -> u32;

    /// True if there is a parity file for the object, whatever it is worth.
    fn has_parity(&self, name: &ObjectName) -> bool;

    /// Holds an object against its parity. `bytes` are the object's where the caller has read
    /// them already. `id` is the BLAKE3 that its bytes have to have, where that is known.
    fn parity(&self, name: &ObjectName, id: Option<ObjectId>, bytes: Option<&[u8]>) -> Result<ParityState, StoreError>;

    /// Makes the parity of an object anew; false, and nothing is made, where its bytes are not
    /// those of `id`. Where no id is known the caller vouches for the bytes.
    fn protect(&self, name: &ObjectName, id: Option<ObjectId>) -> Result<bool, StoreError>;

    /// Heals an object from its parity. What comes out has this id, or nothing is changed.
    fn heal(&self, name: &ObjectName, id: Option<ObjectId>) -> Result<Healed, StoreError>;

    /// Sets a damaged object aside and puts these bytes in its place; also where it is missing.
    fn exchange(&self, name: &ObjectName, good: &[u8]) -> Result<(), StoreError>;

    /// Removes parity of objects that are not there any more; how many files and bytes that were.
    fn sweep_parity(&self, now: Time) -> Result<(Count, Bytes), StoreError>;
}
