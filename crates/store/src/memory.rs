//! A store in memory, for tests and dry runs.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;

use darkslide_words::{Bytes, ObjectName, StorageClass, Time};

use crate::{Capabilities, Listed, OnListed, PutFacts, PutOutcome, ReadOutcome, Readable, Store, StoreError};

/// Objects in a map.
#[derive(Debug, Default)]
pub struct MemoryStore {
    objects: Mutex<BTreeMap<ObjectName, Vec<u8>>>,
}

impl MemoryStore {
    fn objects(&self) -> std::sync::MutexGuard<'_, BTreeMap<ObjectName, Vec<u8>>> {
        self.objects.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Changes an object behind everybody's back, as a failing disk would.
    pub fn damage(&self, name: &ObjectName, change: impl FnOnce(&mut Vec<u8>)) -> bool {
        self.objects().get_mut(name).map(change).is_some()
    }

    /// A copy of everything, to start again from.
    pub fn snapshot(&self) -> Self {
        Self { objects: Mutex::new(self.objects().clone()) }
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
        let mut objects = self.objects();
        match objects.get(name) {
            Some(there) if there.len() == bytes.len() => Ok(PutOutcome::AlreadyThere),
            Some(_) => Err(StoreError::Different { store: self.label(), name: name.clone() }),
            None => {
                objects.insert(name.clone(), bytes.to_vec());
                Ok(PutOutcome::Created)
            }
        }
    }

    fn read(&self, name: &ObjectName, range: Option<Range<u64>>) -> Result<ReadOutcome, StoreError> {
        let objects = self.objects();
        let Some(bytes) = objects.get(name) else {
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
            .map(|(name, bytes)| (name.clone(), bytes.len() as u64))
            .collect();
        names.into_iter().try_for_each(|(name, size)| {
            each(Listed {
                name,
                size: Bytes(size),
                modified: Time(0),
                class: StorageClass::Standard,
                readable: Readable::Now,
            })
        })
    }

    fn delete(&self, name: &ObjectName) -> Result<(), StoreError> {
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
