//! All stores of a repository as one target: each gets a full copy; one that
//! fails falls behind and is brought up by a later run.

use std::sync::{Arc, Mutex};

use darkslide_store::{Incoming, Payload, PutFacts, PutOutcome, Store, StoreError};
use darkslide_words::ObjectName;

use crate::SnapshotError;

/// How a store stands in this run.
#[derive(Debug)]
enum Standing {
    /// Has everything and takes everything.
    Current,
    /// Lacks something; takes no snapshot in this run.
    Behind(String),
}

/// The stores of one run.
pub struct Stores {
    list: Vec<(Arc<dyn Store>, Mutex<Standing>)>,
}

impl Stores {
    /// All of them; `behind` says which lack something, and why.
    pub fn new(stores: &[Arc<dyn Store>], behind: &[Option<String>]) -> Self {
        let standing = |n: usize| match behind.get(n).cloned().flatten() {
            Some(reason) => Standing::Behind(reason),
            None => Standing::Current,
        };
        Self { list: stores.iter().enumerate().map(|(n, s)| (s.clone(), Mutex::new(standing(n)))).collect() }
    }

    /// The first store that has everything: the one to ask.
    pub fn first(&self) -> Option<Arc<dyn Store>> {
        self.list.iter().find(|(_, standing)| is_current(standing)).map(|(store, _)| store.clone())
    }

    /// Those that have everything.
    pub fn current(&self) -> Vec<Arc<dyn Store>> {
        self.list.iter().filter(|(_, standing)| is_current(standing)).map(|(store, _)| store.clone()).collect()
    }

    /// Puts an object into every store that is current. At least one must take it.
    pub fn put(&self, name: &ObjectName, bytes: &Payload, facts: &PutFacts) -> Result<PutOutcome, SnapshotError> {
        let current = self.list.iter().filter(|(_, standing)| is_current(standing));
        settle(name, current.map(|(store, standing)| (standing, store.put_shared(name, bytes, facts))))
    }

    /// True if every store that is current takes objects in pieces.
    pub fn take_pieces(&self) -> bool {
        self.current().iter().all(|store| store.incoming().is_some())
    }

    /// Begins an object that comes in pieces, in every store that is current; where [`Stores::take_pieces`].
    pub fn incoming(&self) -> Arrival<'_> {
        let current = self.list.iter().filter(|(_, standing)| is_current(standing));
        let begun = current.filter_map(|(store, standing)| match store.incoming() {
            Some(incoming) => Some((standing, incoming)),
            None => {
                fall_behind(standing, "it takes no objects in pieces any more".into());
                None
            }
        });
        Arrival(begun.collect())
    }

    /// Packs that are worth sending at once.
    pub fn puts(&self) -> usize {
        self.list.iter().map(|(store, _)| store.capabilities().puts).max().unwrap_or(1)
    }

    /// Which stores are behind, and why.
    pub fn behind(&self) -> Vec<(String, String)> {
        let reason =
            |standing: &Mutex<Standing>| match &*standing.lock().unwrap_or_else(std::sync::PoisonError::into_inner) {
                Standing::Behind(reason) => Some(reason.clone()),
                Standing::Current => None,
            };
        self.list.iter().filter_map(|(store, standing)| Some((store.label(), reason(standing)?))).collect()
    }
}

/// An object on its way into several stores.
pub struct Arrival<'s>(Vec<(&'s Mutex<Standing>, Box<dyn Incoming + 's>)>);

impl Arrival<'_> {
    /// The next bytes.
    pub fn write(&mut self, piece: &[u8]) {
        self.0.iter_mut().for_each(|(_, incoming)| incoming.write(piece));
    }

    /// All of it has come. At least one store must take it.
    pub fn finish(self, name: &ObjectName, facts: &PutFacts) -> Result<PutOutcome, SnapshotError> {
        // One may have fallen behind meanwhile.
        let current = self.0.into_iter().filter(|(standing, _)| is_current(standing));
        settle(name, current.map(|(standing, incoming)| (standing, incoming.finish(name, facts))))
    }
}

/// Who could not take an object is behind from now on.
fn settle<'s>(
    name: &ObjectName,
    outcomes: impl Iterator<Item = (&'s Mutex<Standing>, Result<PutOutcome, StoreError>)>,
) -> Result<PutOutcome, SnapshotError> {
    let (mut outcome, mut last) = (None, None);
    for (standing, put) in outcomes {
        match put {
            Ok(put) => outcome = Some(put),
            Err(error) => {
                fall_behind(standing, error.to_string());
                last = Some(error);
            }
        }
    }
    match (outcome, last) {
        (Some(outcome), _) => Ok(outcome),
        (None, Some(error)) => Err(SnapshotError::NoStore(error)),
        (None, None) => Err(SnapshotError::NoStore(StoreError::Missing { name: name.clone() })),
    }
}

fn fall_behind(standing: &Mutex<Standing>, reason: String) {
    *standing.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Standing::Behind(reason);
}

fn is_current(standing: &Mutex<Standing>) -> bool {
    matches!(*standing.lock().unwrap_or_else(std::sync::PoisonError::into_inner), Standing::Current)
}
