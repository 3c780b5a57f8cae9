//! What a simulation of a loss needs from the world it runs in; whoever calls brings one.

use std::time::Duration;

use darkslide_store::Store;
use darkslide_words::{Bytes, Count, Money, ObjectName, StorageClass, Time};

use crate::EngineError;

/// An object of the library as the simulated world has to hold it.
#[derive(Debug, Clone)]
pub struct Inventory {
    /// The object.
    pub name: ObjectName,
    /// Its bytes.
    pub size: Bytes,
    /// Its storage class.
    pub class: StorageClass,
}

/// Makes a world that holds these objects.
pub type MakeWorld<'w> = dyn Fn(&[Inventory]) -> Result<Box<dyn ColdWorld>, EngineError> + 'w;

/// A world with a store, a clock and a bill of its own.
pub trait ColdWorld {
    /// The store, holding the inventory.
    fn store(&self) -> &dyn Store;
    /// Its time.
    fn now(&self) -> Time;
    /// Lets time pass.
    fn advance(&self, by: Duration);
    /// Fetches a part of an object without moving bytes; false if it is cold.
    fn fetch(&self, name: &ObjectName, bytes: Bytes, reads: Count) -> bool;
    /// What all requests, retrievals and transfers have cost.
    fn bill(&self) -> Money;
}
