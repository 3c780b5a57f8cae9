//! Bringing a store up that is behind: copies what it lacks from one that is
//! not, in the order of writing, so that a snapshot is never there before what
//! it needs.

use std::collections::HashMap;
use std::sync::Arc;

use darkslide_format::names::{self, Kind};
use darkslide_format::object_id;
use darkslide_format::stream::crc64;
use darkslide_store::{PutFacts, Store, StoreError};
use darkslide_words::{Bytes, Count, ObjectName, Temperature};

use crate::{Observer, SnapshotError};

/// What was copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replicated {
    /// Objects.
    pub objects: Count,
    /// Their bytes.
    pub bytes: Bytes,
}

/// The order in which objects may appear.
const ORDER: &[Kind] = &[
    Kind::Header,
    Kind::Config,
    Kind::Keys,
    Kind::Writers,
    Kind::Recover,
    Kind::Packs,
    Kind::Warm,
    Kind::Trees,
    Kind::Index,
    Kind::Previews,
    Kind::Refs,
    Kind::Condemned,
    Kind::Snapshots,
];

fn inventory(store: &dyn Store) -> Result<HashMap<ObjectName, u64>, StoreError> {
    let mut all = HashMap::new();
    store.list("", &mut |l| {
        all.insert(l.name, l.size.0);
        Ok(())
    })?;
    Ok(all)
}

/// Copies from the others what each store lacks. For each store nothing if it
/// has everything now, else why not.
pub fn replicate(
    stores: &[Arc<dyn Store>],
    observer: &dyn Observer,
) -> Result<(Replicated, Vec<Option<String>>), SnapshotError> {
    let mut done = Replicated::default();
    if stores.len() < 2 {
        return Ok((done, vec![None; stores.len()]));
    }
    let inventories: Vec<Result<_, StoreError>> = stores.iter().map(|s| inventory(&**s)).collect();
    let mut all: HashMap<&ObjectName, usize> = HashMap::new();
    for (n, inventory) in inventories.iter().enumerate() {
        for name in inventory.iter().flatten() {
            all.entry(name.0).or_insert(n);
        }
    }
    let mut behind = Vec::new();
    for (n, inventory) in inventories.iter().enumerate() {
        behind.push(match inventory {
            Err(error) => Some(error.to_string()),
            Ok(inventory) => {
                let mut lacks: Vec<(&ObjectName, usize)> = all
                    .iter()
                    .filter(|(name, from)| **from != n && !inventory.contains_key(**name))
                    .map(|(name, from)| (*name, *from))
                    .collect();
                lacks.sort_by_key(|(name, _)| (rank(name), (*name).clone()));
                copy(stores, n, &lacks, &mut done, observer)?
            }
        });
    }
    // A store that nobody can read from is no reason to stop: it is behind.
    Ok((done, behind))
}

fn rank(name: &ObjectName) -> usize {
    let kind = names::parse(name).map(|p| p.kind);
    ORDER.iter().position(|k| Some(*k) == kind).unwrap_or(ORDER.len())
}

fn copy(
    stores: &[Arc<dyn Store>],
    to: usize,
    lacks: &[(&ObjectName, usize)],
    done: &mut Replicated,
    observer: &dyn Observer,
) -> Result<Option<String>, SnapshotError> {
    let mut failed = None;
    for (name, from) in lacks {
        if observer.cancelled() {
            return Err(SnapshotError::Cancelled);
        }
        let Some(parsed) = names::parse(name) else {
            continue;
        };
        if failed.is_some() && parsed.kind == Kind::Snapshots {
            break;
        }
        match copy_one(&*stores[*from], &*stores[to], name, parsed) {
            Ok(bytes) => {
                done.objects += Count(1);
                done.bytes += bytes;
            }
            Err(error) => failed = Some(error),
        }
    }
    Ok(failed)
}

fn copy_one(from: &dyn Store, to: &dyn Store, name: &ObjectName, parsed: names::Parsed) -> Result<Bytes, String> {
    let bytes = from.read(name, None).and_then(|r| r.bytes(name)).map_err(|e| e.to_string())?;
    let named_by_content = !matches!(parsed.kind, Kind::Config | Kind::Recover | Kind::Condemned);
    if let Some(id) = parsed.id.filter(|_| named_by_content)
        && object_id(&bytes) != id
    {
        return Err(format!("{name} is damaged in {} and was not copied", from.label()));
    }
    let temperature = match parsed.kind {
        Kind::Packs => Temperature::Cold,
        Kind::Warm => Temperature::Warm,
        _ => Temperature::Hot,
    };
    to.put(name, &bytes, &PutFacts { crc64: crc64(&bytes), temperature }).map_err(|e| e.to_string())?;
    Ok(Bytes(bytes.len() as u64))
}
