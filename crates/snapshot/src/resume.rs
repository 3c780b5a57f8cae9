//! The beginning of a run: what an earlier one left half done, and which known
//! packs can still be relied upon.

use std::collections::{HashMap, HashSet};

use darkslide_catalog::{Catalog, ChunkFacts, PackId, PackSet, PackState};
use darkslide_format::canon;
use darkslide_format::index::IndexPack;
use darkslide_format::limits::PLAIN_OBJECT_MAX;
use darkslide_format::names::{self, Kind};
use darkslide_format::snapshot::Condemned;
use darkslide_format::trust::Trust;
use darkslide_store::{StoreError, list_all};
use darkslide_words::{ObjectId, ObjectName};

use crate::convert::index_pack;
use crate::stores::Stores;
use crate::{SnapshotError, sealer};

/// Looks at each PUT that was begun and not recorded: if the object is in the
/// store with the right size it is adopted, else its content will be sealed anew.
pub fn adopt(catalog: &Catalog, stores: &Stores) -> Result<u64, SnapshotError> {
    let pending = catalog.pending()?;
    let Some(store) = stores.first() else {
        return Ok(0);
    };
    let mut adopted = 0;
    for put in pending {
        let there = list_all(&*store, put.name.as_str())?.into_iter().any(|l| l.name == put.name && l.size == put.size);
        if names::parse(&put.name).is_some_and(|p| p.kind == Kind::Previews) {
            match there && crate::previews::adopt(catalog, &put).is_ok() {
                true => adopted += 1,
                false => catalog.drop_pending(&put.name)?,
            }
            continue;
        }
        let index: Result<IndexPack, _> = canon::from_bytes("a durable row", &put.payload);
        match index {
            Ok(index) if there => {
                sealer::record(catalog, &[&index])?;
                adopted += 1;
            }
            _ => catalog.drop_pending(&put.name)?,
        }
    }
    Ok(adopted)
}

/// Compares the packs that the catalog knows with the store's listing and with the
/// tombstones of all stores. Packs that no new snapshot may rely on. Tombstones are
/// looked at first: whoever prunes removes one only after its pack.
pub fn reconcile(catalog: &Catalog, stores: &Stores, trust: &Trust) -> Result<PackSet, SnapshotError> {
    let Some(store) = stores.first() else {
        return Ok(PackSet::default());
    };
    let mut known = HashSet::new();
    catalog.for_each_known_pack::<SnapshotError>(|_, facts, _, _| {
        known.extend(names::parse(&facts.name).and_then(|p| p.id));
        Ok(())
    })?;
    let condemned = condemned(stores, trust, &|id| known.contains(&id))?;
    let mut listed: HashMap<ObjectName, u64> = HashMap::new();
    for kind in [Kind::Packs, Kind::Warm, Kind::Trees] {
        store.list(kind.prefix(), &mut |l| {
            listed.insert(l.name, l.size.0);
            Ok(())
        })?;
    }
    let lost = catalog.lost()?;
    let (mut unreliable, mut changes) = (PackSet::default(), Vec::new());
    catalog.for_each_known_pack::<SnapshotError>(|id, facts, state, trusted| {
        let is_condemned = names::parse(&facts.name).and_then(|p| p.id).is_some_and(|id| condemned.contains(&id));
        let found = match listed.get(&facts.name) {
            None if is_condemned || state == PackState::Pruned => PackState::Pruned,
            _ if is_condemned => PackState::Condemned,
            // Listed, but its bytes are damaged, and a repair found them nowhere.
            _ if lost.contains(&facts.name) => PackState::Gone,
            Some(size) if *size == facts.size.0 => PackState::Stored,
            _ => PackState::Gone,
        };
        // What only a revoked or unknown writer vouches for is as good as gone.
        if found != PackState::Stored || !trusted {
            unreliable.insert(id);
        }
        if found != state {
            changes.push((id, found));
        }
        Ok(())
    })?;
    let mut segments = HashSet::new();
    store.list(Kind::Index.prefix(), &mut |l| {
        segments.extend(names::parse(&l.name).and_then(|p| p.id));
        Ok(())
    })?;
    // Lost segments are written again: packs that no segment lists are indexed anew.
    let lost: Vec<ObjectId> = catalog.segments()?.into_iter().filter(|id| !segments.contains(id)).collect();
    catalog.transaction(|| lost.iter().try_for_each(|id| catalog.drop_segment(*id)))?;
    catalog.transaction(|| changes.iter().try_for_each(|(id, state)| catalog.set_pack_state(*id, *state)))?;
    Ok(unreliable)
}

/// True if a refs object is in the store and new ones may build on it. What it builds
/// on itself is there as long as it is, and as long as it is not condemned.
pub fn refs_hold(stores: &Stores, trust: &Trust, id: ObjectId) -> Result<bool, SnapshotError> {
    let Some(store) = stores.first() else { return Ok(false) };
    if !condemned(stores, trust, &|found| found == id)?.is_empty() {
        return Ok(false);
    }
    let name = names::object(Kind::Refs, id);
    Ok(list_all(&*store, name.as_str())?.iter().any(|l| l.name == name))
}

/// Ids among the wanted ones that have a valid tombstone in any store.
fn condemned(
    stores: &Stores,
    trust: &Trust,
    wanted: &dyn Fn(ObjectId) -> bool,
) -> Result<HashSet<ObjectId>, SnapshotError> {
    let mut ids = HashSet::new();
    for store in stores.current() {
        for listed in list_all(&*store, Kind::Condemned.prefix())? {
            let id = names::parse(&listed.name).and_then(|p| p.id);
            let Some(id) = id.filter(|id| wanted(*id) && !ids.contains(id)) else { continue };
            if listed.size.0 > PLAIN_OBJECT_MAX as u64 {
                continue;
            }
            let bytes = match store.read(&listed.name, None)?.bytes(&listed.name) {
                Ok(bytes) => bytes,
                Err(StoreError::Missing { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            // A forged tombstone would only make us store more; it is not obeyed.
            if Condemned::valid(trust, id, &bytes).is_some() {
                ids.insert(id);
            }
        }
    }
    Ok(ids)
}

/// Index rows of packs that no segment lists, beside those at hand.
pub fn unindexed(catalog: &Catalog, at_hand: &[IndexPack]) -> Result<Vec<IndexPack>, SnapshotError> {
    let known: HashSet<&ObjectName> = at_hand.iter().map(|p| &p.object).collect();
    let mut wanted: HashMap<PackId, Vec<ChunkFacts>> = HashMap::new();
    for pack in catalog.unindexed()? {
        if !known.contains(&catalog.pack(pack)?.name) {
            wanted.insert(pack, Vec::new());
        }
    }
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    catalog.for_each_chunk::<SnapshotError>(|pack, chunk| {
        if let Some(chunks) = wanted.get_mut(&pack) {
            chunks.push(chunk);
        }
        Ok(())
    })?;
    let mut out = Vec::new();
    for (pack, mut chunks) in wanted {
        chunks.sort_by_key(|c| c.off);
        out.push(index_pack(&catalog.pack(pack)?, &chunks));
    }
    out.sort_by(|a, b| a.object.cmp(&b.object));
    Ok(out)
}
