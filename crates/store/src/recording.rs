//! A store that writes down every call, so that tests can assert on what was
//! asked of it (and paid for).

use std::ops::Range;
use std::sync::Mutex;

use darkslide_words::{ObjectName, Tier};

use crate::{
    Capabilities, Gathered, Incoming, OnListed, PutFacts, PutOutcome, ReadOutcome, Store, StoreError, ThawAsk,
    ThawOutcome,
};

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// A PUT with this many bytes.
    Put(ObjectName, u64),
    /// A read of this many bytes, or of all.
    Read(ObjectName, Option<u64>),
    /// A listing of a prefix.
    List(String),
    /// A deletion.
    Delete(ObjectName),
    /// A request to thaw.
    Thaw(ObjectName, Tier),
}

/// Wraps a store.
#[derive(Debug)]
pub struct RecordingStore<S> {
    inner: S,
    calls: Mutex<Vec<Call>>,
}

impl<S: Store> RecordingStore<S> {
    /// Records the calls to `inner`.
    pub fn new(inner: S) -> Self {
        Self { inner, calls: Mutex::new(Vec::new()) }
    }

    /// The calls so far; forgets them.
    pub fn take(&self) -> Vec<Call> {
        std::mem::take(&mut self.calls.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// What it wraps.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    fn note(&self, call: Call) {
        self.calls.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(call);
    }
}

impl<S: Store> Store for RecordingStore<S> {
    fn label(&self) -> String {
        self.inner.label()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn put(&self, name: &ObjectName, bytes: &[u8], facts: &PutFacts) -> Result<PutOutcome, StoreError> {
        self.note(Call::Put(name.clone(), bytes.len() as u64));
        self.inner.put(name, bytes, facts)
    }

    fn incoming(&self) -> Option<Box<dyn Incoming + '_>> {
        Some(Box::new(Gathered::new(self)))
    }

    fn read(&self, name: &ObjectName, range: Option<Range<u64>>) -> Result<ReadOutcome, StoreError> {
        self.note(Call::Read(name.clone(), range.as_ref().map(|r| r.end - r.start)));
        self.inner.read(name, range)
    }

    fn list(&self, prefix: &str, each: &mut OnListed<'_>) -> Result<(), StoreError> {
        self.note(Call::List(prefix.into()));
        self.inner.list(prefix, each)
    }

    fn readable_part(
        &self,
        name: &ObjectName,
        span: darkslide_words::Span,
    ) -> Result<Option<crate::Readable>, StoreError> {
        self.inner.readable_part(name, span)
    }

    fn vault(&self) -> Option<&dyn crate::vault::Vault> {
        self.inner.vault()
    }

    fn mending(&self) -> Option<&dyn crate::Mending> {
        self.inner.mending()
    }

    fn thaw(&self, name: &ObjectName, ask: &ThawAsk) -> Result<ThawOutcome, StoreError> {
        self.note(Call::Thaw(name.clone(), ask.tier));
        self.inner.thaw(name, ask)
    }

    fn extend_lock(&self, name: &ObjectName, until: darkslide_words::Time) -> Result<bool, StoreError> {
        self.inner.extend_lock(name, until)
    }

    fn locked_until(&self, name: &ObjectName) -> Result<Option<darkslide_words::Time>, StoreError> {
        self.inner.locked_until(name)
    }

    fn delete(&self, name: &ObjectName) -> Result<(), StoreError> {
        self.note(Call::Delete(name.clone()));
        self.inner.delete(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryStore;

    #[test]
    fn contract() {
        crate::contract::run(&|| Box::new(RecordingStore::new(MemoryStore::default())));
    }

    #[test]
    fn calls_are_written_down_in_order() {
        let store = RecordingStore::new(MemoryStore::default());
        let name = ObjectName::new("a/b").unwrap();
        store.read(&name, Some(0..3)).unwrap();
        store.delete(&name).unwrap();
        assert_eq!(store.take(), [Call::Read(name.clone(), Some(3)), Call::Delete(name)]);
        assert_eq!(store.take(), []);
    }
}
