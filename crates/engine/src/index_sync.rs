//! Bringing the catalog up with the repository: index segments of all writers,
//! and the snapshots.

use darkslide_catalog::{Catalog, PackState, SnapshotRow, Trusted};
use darkslide_format::identity::Identities;
use darkslide_format::index::Segment;
use darkslide_format::keys::KeyPair;
use darkslide_format::limits::{LARGE_PLAIN_MAX, LARGE_SEALED_MAX, SMALL_PLAIN_MAX, SMALL_SEALED_MAX};
use darkslide_format::names::{self, Kind};
use darkslide_format::signed::DocType;
use darkslide_format::snapshot::{Condemned, Snapshot};
use darkslide_format::trust::{Standing, Trust};
use darkslide_format::{FormatError, canon, frame, object_id, seal};
use darkslide_snapshot::{chunk_facts, pack_facts};
use darkslide_store::{Store, StoreError, list_all};
use darkslide_words::{ObjectId, ObjectName, Time};

use crate::EngineError;

/// Reads the segments that the catalog does not know. Objects that were refused,
/// and why.
pub fn segments(
    catalog: &Catalog,
    store: &dyn Store,
    trust: &Trust,
    index: &KeyPair,
) -> Result<Vec<(ObjectName, FormatError)>, EngineError> {
    let mut refused = Vec::new();
    for listed in list_all(store, Kind::Index.prefix())? {
        if listed.size.0 > LARGE_SEALED_MAX as u64 {
            refused.push((listed.name, too_large(listed.size.0, LARGE_SEALED_MAX)));
            continue;
        }
        let Some(id) = names::parse(&listed.name).and_then(|p| p.id) else { continue };
        if catalog.has_segment(id)? {
            continue;
        }
        let bytes = match store.read(&listed.name, None)?.bytes(&listed.name) {
            Ok(bytes) => bytes,
            // A prune replaced it meanwhile; the new one is taken next time.
            Err(StoreError::Missing { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        match parse(&bytes, id, trust, index) {
            Ok((segment, trusted)) => take(catalog, id, &segment, trusted)?,
            Err(error) => refused.push((listed.name, error)),
        }
    }
    for (writer, facts) in trust.writers() {
        if facts.revoked.is_some() {
            catalog.transaction(|| catalog.distrust(*writer))?;
        }
    }
    Ok(refused)
}

fn too_large(found: u64, limit: usize) -> FormatError {
    FormatError::OverLimit { what: "the sealed object", found, limit: limit as u64 }
}

fn parse(bytes: &[u8], id: ObjectId, trust: &Trust, index: &KeyPair) -> Result<(Segment, Trusted), FormatError> {
    if object_id(bytes) != id {
        return Err(FormatError::WrongObject);
    }
    let packed = seal::open(bytes, &[index.identity()], LARGE_SEALED_MAX)?;
    let document = frame::unpack_json("index segment", &packed, LARGE_PLAIN_MAX)?;
    let (verified, standing) = trust.by_writer(DocType::Index, &document)?;
    let segment = Segment::parse(verified.payload, trust.repository())?;
    if segment.writer != verified.signer.writer_id() {
        return Err(FormatError::NotTrusted {
            what: "index",
            signer: trust.writer_name(verified.signer.writer_id()),
            wanted: "the writer that it names",
        });
    }
    match standing {
        Standing::Trusted => Ok((segment, Trusted::Yes)),
        // His packs may hold what his snapshots need; nobody else relies on them.
        Standing::Revoked => Ok((segment, Trusted::No)),
        Standing::Unknown => Err(FormatError::NotTrusted {
            what: "index",
            signer: segment.writer.to_string(),
            wanted: "an enrolled writer",
        }),
    }
}

fn take(catalog: &Catalog, id: ObjectId, segment: &Segment, trusted: Trusted) -> Result<(), EngineError> {
    catalog.transaction(|| {
        let (mut rows, mut chunks) = (Vec::new(), Vec::new());
        for pack in &segment.packs {
            let added = catalog.add_pack(&pack_facts(pack), Some(id), trusted)?;
            if added.is_new {
                chunks.extend(chunk_facts(pack).into_iter().map(|c| (pack.kind.code(), added.id, c)));
            }
            rows.push(added.id);
        }
        catalog.add_chunks(&chunks)?;
        catalog.add_segment(id, segment.writer, trusted, &rows)?;
        if trusted == Trusted::Yes {
            segment.supersedes.iter().try_for_each(|old| supersede(catalog, *old))?;
        }
        Ok(())
    })
}

/// Lets go of a segment that another one replaces. What that one left out was pruned;
/// should it be in the store all the same, the next backup finds it there.
fn supersede(catalog: &Catalog, old: ObjectId) -> Result<(), EngineError> {
    for pack in catalog.packs_of_segment(old)? {
        catalog.set_pack_state(pack, PackState::Pruned)?;
    }
    Ok(catalog.drop_segment(old)?)
}

/// Lists the snapshots; opens those that are not open yet, where identities are
/// at hand. Objects that were refused, and why.
pub fn snapshots(
    catalog: &Catalog,
    store: &dyn Store,
    trust: &Trust,
    identities: Option<&Identities>,
) -> Result<Vec<(ObjectName, FormatError)>, EngineError> {
    let known: std::collections::HashMap<ObjectName, bool> =
        catalog.snapshots()?.into_iter().map(|row| (row.name, row.payload.is_some())).collect();
    let mut refused = Vec::new();
    let all = list_all(store, Kind::Snapshots.prefix())?;
    let there: std::collections::HashSet<&ObjectName> = all.iter().map(|listed| &listed.name).collect();
    for name in known.keys().filter(|name| !there.contains(name)) {
        // One that is gone without a tombstone is an audit's business.
        if was_forgotten(store, trust, name)? {
            catalog.drop_snapshot(name)?;
        }
    }
    for listed in all {
        if listed.size.0 > SMALL_SEALED_MAX as u64 {
            refused.push((listed.name, too_large(listed.size.0, SMALL_SEALED_MAX)));
            continue;
        }
        let Some(parsed) = names::parse(&listed.name) else { continue };
        let (Some(id), Some(time)) = (parsed.id, parsed.time) else { continue };
        let mut row = SnapshotRow { name: listed.name.clone(), time, payload: None, standing: None };
        let done = known.get(&listed.name).copied();
        match identities {
            _ if done == Some(true) => continue,
            None if done.is_some() => continue,
            None => {}
            Some(identities) => {
                let bytes = store.read(&listed.name, None)?.bytes(&listed.name)?;
                match open(&bytes, id, time, trust, identities) {
                    Ok(snapshot) => row.payload = Some(canon::to_bytes(&snapshot)?),
                    Err(error) => {
                        refused.push((listed.name, error));
                        continue;
                    }
                }
            }
        }
        catalog.put_snapshot(&row)?;
    }
    Ok(refused)
}

/// True if a tombstone tells that somebody who may forgot the snapshot.
fn was_forgotten(store: &dyn Store, trust: &Trust, name: &ObjectName) -> Result<bool, EngineError> {
    let Some(id) = names::parse(name).and_then(|p| p.id) else { return Ok(false) };
    let tombstone = names::object(Kind::Condemned, id);
    match store.read(&tombstone, None)?.bytes(&tombstone) {
        Ok(bytes) => Ok(Condemned::valid(trust, id, &bytes).is_some()),
        Err(_) => Ok(false),
    }
}

fn open(
    bytes: &[u8],
    id: ObjectId,
    time: Time,
    trust: &Trust,
    identities: &Identities,
) -> Result<Snapshot, FormatError> {
    if object_id(bytes) != id {
        return Err(FormatError::WrongObject);
    }
    let packed = seal::open(bytes, &identities.all(), SMALL_SEALED_MAX)?;
    let document = frame::unpack_json("snapshot", &packed, SMALL_PLAIN_MAX)?;
    let (verified, _) = trust.by_writer(DocType::Snapshot, &document)?;
    let snapshot = Snapshot::parse(verified.payload, trust.repository())?;
    if snapshot.time != time {
        return Err(FormatError::Malformed { what: "snapshot", detail: "its time is not the one of its name".into() });
    }
    match snapshot.writer == verified.signer.writer_id() {
        true => Ok(snapshot),
        false => Err(FormatError::NotTrusted {
            what: "snapshot",
            signer: trust.writer_name(verified.signer.writer_id()),
            wanted: "the writer that it names",
        }),
    }
}
