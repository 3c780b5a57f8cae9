//! A store in memory, for tests and dry runs.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use darkslide_words::{Bytes, Clock, ObjectName, StorageClass, Time};

use crate::{
    Capabilities, Gathered, Incoming, Listed, OnListed, PutFacts, PutOutcome, ReadOutcome, Readable, Store, StoreError,
};

/// An object and when it came.
type Held = (Vec<u8>, Time);

/// Objects in a map.
#[derive(Default)]
pub struct MemoryStore {
    objects: Mutex<BTreeMap<ObjectName, Held>>,
    locks: Mutex<BTreeMap<ObjectName, Time>>,
    clock: Option<Arc<dyn Clock>>,
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryStore({} objects)", self.len())
    }
}

impl MemoryStore {
    /// A store whose own clock says when an object came; without one all came at 0.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self { clock: Some(clock), ..Self::default() }
    }

    fn objects(&self) -> std::sync::MutexGuard<'_, BTreeMap<ObjectName, Held>> {
        self.objects.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Changes an object behind everybody's back, as a failing disk would.
    pub fn damage(&self, name: &ObjectName, change: impl FnOnce(&mut Vec<u8>)) -> bool {
        self.objects().get_mut(name).map(|(bytes, _)| change(bytes)).is_some()
    }

    /// A copy of everything, to start again from.
    pub fn snapshot(&self) -> Self {
        let locks = self.locks().clone();
        Self { objects: Mutex::new(self.objects().clone()), locks: Mutex::new(locks), clock: self.clock.clone() }
    }

    fn locks(&self) -> std::sync::MutexGuard<'_, BTreeMap<ObjectName, Time>> {
        self.locks.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn now(&self) -> Time {
        self.clock.as_ref().map_or(Time(0), |clock| clock.now())
    }

    /// Number of objects.
    pub fn len(&self) -> usize {
        self.objects().len()
    }

    /// True without objects.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Store for MemoryStore {
    fn label(&self) -> String {
        "memory".into()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { create_only: true, ranges: true, cold: false, delete: true, puts: 1 }
    }

    fn put(&self, name: &ObjectName, bytes: &[u8], _facts: &PutFacts) -> Result<PutOutcome, StoreError> {
        let now = self.now();
        let mut objects = self.objects();
        match objects.get(name).map(|(bytes, _)| bytes) {
            Some(there) if there.len() == bytes.len() => Ok(PutOutcome::AlreadyThere),
            Some(_) => Err(StoreError::Different { store: self.label(), name: name.clone() }),
            None => {
                objects.insert(name.clone(), (bytes.to_vec(), now));
                Ok(PutOutcome::Created)
            }
        }
    }

    fn incoming(&self) -> Option<Box<dyn Incoming + '_>> {
        Some(Box::new(Gathered::new(self)))
    }

    fn read(&self, name: &ObjectName, range: Option<Range<u64>>) -> Result<ReadOutcome, StoreError> {
        let objects = self.objects();
        let Some((bytes, _)) = objects.get(name) else {
            return Ok(ReadOutcome::Missing);
        };
        let size = bytes.len() as u64;
        let range = range.unwrap_or(0..size);
        let part = bytes.get(range.start as usize..range.end as usize);
        match part {
            Some(part) => Ok(ReadOutcome::Bytes(part.to_vec())),
            None => Err(StoreError::Short { name: name.clone(), size }),
        }
    }

    fn list(&self, prefix: &str, each: &mut OnListed<'_>) -> Result<(), StoreError> {
        let names: Vec<_> = self
            .objects()
            .iter()
            .filter(|(name, _)| name.as_str().starts_with(prefix))
            .map(|(name, (bytes, at))| (name.clone(), bytes.len() as u64, *at))
            .collect();
        names.into_iter().try_for_each(|(name, size, modified)| {
            each(Listed { name, size: Bytes(size), modified, class: StorageClass::Standard, readable: Readable::Now })
        })
    }

    fn extend_lock(&self, name: &ObjectName, until: Time) -> Result<bool, StoreError> {
        self.locks().insert(name.clone(), until);
        Ok(true)
    }

    fn locked_until(&self, name: &ObjectName) -> Result<Option<Time>, StoreError> {
        Ok(self.locks().get(name).copied())
    }

    fn delete(&self, name: &ObjectName) -> Result<(), StoreError> {
        if self.locked_until(name)?.is_some_and(|until| self.now() < until) {
            let source = std::io::Error::other("locked");
            return Err(StoreError::Denied { store: self.label(), name: name.to_string(), source });
        }
        self.objects().remove(name);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn contract() {
        crate::contract::run(&|| Box::new(super::MemoryStore::default()));
    }
}
