//! One at a time for each name: a vault does not refuse a second archive with the same object,
//! so this machine must not send two at once.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use darkslide_words::ObjectName;

/// Names that are being worked on.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    taken: Mutex<BTreeSet<ObjectName>>,
    ended: Condvar,
}

/// Ends with it.
pub(crate) struct Turn<'a> {
    turns: &'a Turns,
    name: ObjectName,
}

impl Turns {
    fn taken(&self) -> MutexGuard<'_, BTreeSet<ObjectName>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nobody else works on that name.
    pub(crate) fn take(&self, name: &ObjectName) -> Turn<'_> {
        let mut taken = self.taken();
        while !taken.insert(name.clone()) {
            taken = self.ended.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        Turn { turns: self, name: name.clone() }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.taken().remove(&self.name);
        self.turns.ended.notify_all();
    }
}
