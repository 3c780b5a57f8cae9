//! A store that fails when told to.
//!
//! Fault model: the power goes at the n-th PUT, either before the bytes are
//! durable (the object is not there) or after (it is, but nobody was told);
//! from then on every call fails until [`FaultyStore::heal`]. Or at the n-th call of
//! any kind, before it was made or after. Or one PUT finds the disk full. Bytes never change silently here; damage is
//! [`crate::MemoryStore::damage`]'s work.

use std::ops::Range;
use std::sync::Mutex;

use darkslide_words::ObjectName;

use crate::{Capabilities, Gathered, Incoming, OnListed, PutFacts, PutOutcome, ReadOutcome, Store, StoreError};

/// What goes wrong, and at which PUT (from 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Power is lost before the n-th PUT is durable.
    PowerBefore(u64),
    /// Power is lost after the n-th PUT is durable, before it returns.
    PowerAfter(u64),
    /// The n-th PUT and all later ones find no space.
    FullAt(u64),
    /// Power is lost before the n-th call, whatever it is.
    CallBefore(u64),
    /// Power is lost after the n-th call was made, before it returns.
    CallAfter(u64),
}

#[derive(Debug, Default)]
struct State {
    fault: Option<Fault>,
    puts: u64,
    calls: u64,
    dead: bool,
}

/// Wraps a store.
#[derive(Debug)]
pub struct FaultyStore<S> {
    inner: S,
    state: Mutex<State>,
}

impl<S: Store> FaultyStore<S> {
    /// Works until told otherwise.
    pub fn new(inner: S) -> Self {
        Self { inner, state: Mutex::default() }
    }

    /// Sets the fault and counts PUTs from here.
    pub fn arm(&self, fault: Fault) {
        *self.state() = State { fault: Some(fault), ..State::default() };
    }

    /// Works again. Returns true if the fault had struck.
    pub fn heal(&self) -> bool {
        let mut state = self.state();
        let struck = state.dead;
        *state = State::default();
        struck
    }

    /// What it wraps.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn dead(&self) -> StoreError {
        StoreError::Unreachable { store: self.label(), source: std::io::Error::other("power lost") }
    }

    fn alive(&self) -> Result<(), StoreError> {
        let mut state = self.state();
        state.calls += 1;
        state.dead |= matches!(state.fault, Some(Fault::CallBefore(n)) if state.calls == n);
        match state.dead && !matches!(state.fault, Some(Fault::FullAt(_))) {
            true => Err(self.dead()),
            false => Ok(()),
        }
    }

    /// The outcome of a call, unless the power went before it returned.
    fn returns<T>(&self, outcome: T) -> Result<T, StoreError> {
        let mut state = self.state();
        state.dead |= matches!(state.fault, Some(Fault::CallAfter(n)) if state.calls == n);
        match state.dead && !matches!(state.fault, Some(Fault::FullAt(_))) {
            true => Err(self.dead()),
            false => Ok(outcome),
        }
    }
}

impl<S: Store> Store for FaultyStore<S> {
    fn label(&self) -> String {
        self.inner.label()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn put(&self, name: &ObjectName, bytes: &[u8], facts: &PutFacts) -> Result<PutOutcome, StoreError> {
        self.alive()?;
        let fault = {
            let mut state = self.state();
            state.puts += 1;
            let due = match state.fault {
                Some(Fault::PowerBefore(n) | Fault::PowerAfter(n)) => state.puts == n,
                Some(Fault::FullAt(n)) => state.puts >= n,
                _ => false,
            };
            state.dead |= due;
            state.fault.filter(|_| due)
        };
        match fault {
            None => self.returns(self.inner.put(name, bytes, facts)?),
            Some(Fault::PowerBefore(_)) => Err(self.dead()),
            Some(Fault::FullAt(_)) => Err(StoreError::Full { store: self.label(), name: name.clone() }),
            Some(Fault::PowerAfter(_)) => {
                self.inner.put(name, bytes, facts)?;
                Err(self.dead())
            }
            Some(Fault::CallBefore(_) | Fault::CallAfter(_)) => Err(self.dead()),
        }
    }

    fn incoming(&self) -> Option<Box<dyn Incoming + '_>> {
        Some(Box::new(Gathered::new(self)))
    }

    fn read(&self, name: &ObjectName, range: Option<Range<u64>>) -> Result<ReadOutcome, StoreError> {
        self.alive()?;
        self.returns(self.inner.read(name, range)?)
    }

    fn list(&self, prefix: &str, each: &mut OnListed<'_>) -> Result<(), StoreError> {
        self.alive()?;
        self.inner.list(prefix, each)?;
        self.returns(())
    }

    fn readable_part(
        &self,
        name: &ObjectName,
        span: darkslide_words::Span,
    ) -> Result<Option<crate::Readable>, StoreError> {
        self.alive()?;
        self.inner.readable_part(name, span)
    }

    fn vault(&self) -> Option<&dyn crate::vault::Vault> {
        self.alive().ok()?;
        self.inner.vault()
    }

    fn mending(&self) -> Option<&dyn crate::Mending> {
        self.alive().ok()?;
        self.inner.mending()
    }

    fn extend_lock(&self, name: &ObjectName, until: darkslide_words::Time) -> Result<bool, StoreError> {
        self.alive()?;
        self.returns(self.inner.extend_lock(name, until)?)
    }

    fn locked_until(&self, name: &ObjectName) -> Result<Option<darkslide_words::Time>, StoreError> {
        self.alive()?;
        self.returns(self.inner.locked_until(name)?)
    }

    fn delete(&self, name: &ObjectName) -> Result<(), StoreError> {
        self.alive()?;
        self.inner.delete(name)?;
        self.returns(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryStore;
    use darkslide_words::Temperature;

    #[test]
    fn contract() {
        crate::contract::run(&|| Box::new(FaultyStore::new(MemoryStore::default())));
    }

    #[test]
    fn faults_strike_where_armed() {
        let facts = PutFacts { crc64: 0, temperature: Temperature::Hot };
        let name = |n: u32| ObjectName::new(format!("o{n}")).unwrap();
        let store = FaultyStore::new(MemoryStore::default());
        store.arm(Fault::PowerAfter(2));
        store.put(&name(1), b"1", &facts).unwrap();
        assert!(store.put(&name(2), b"2", &facts).is_err());
        assert!(store.read(&name(1), None).is_err());
        assert!(store.heal());
        assert_eq!(store.inner().len(), 2);
        store.arm(Fault::PowerBefore(1));
        assert!(store.put(&name(3), b"3", &facts).is_err());
        store.heal();
        assert_eq!(store.read(&name(3), None).unwrap(), ReadOutcome::Missing);
        store.arm(Fault::CallAfter(2));
        store.read(&name(1), None).unwrap();
        assert!(store.delete(&name(2)).is_err());
        assert!(store.read(&name(1), None).is_err());
        assert!(store.heal());
        assert_eq!(store.read(&name(2), None).unwrap(), ReadOutcome::Missing);
        store.arm(Fault::CallBefore(1));
        assert!(store.delete(&name(1)).is_err());
        store.heal();
        store.arm(Fault::FullAt(1));
        assert!(matches!(store.put(&name(4), b"4", &facts), Err(StoreError::Full { .. })));
        assert!(store.read(&name(1), None).is_ok());
    }
}
