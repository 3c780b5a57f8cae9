//! Tombstones: put, judged, taken away.

use std::collections::BTreeMap;

use darkslide_format::limits::PLAIN_OBJECT_MAX;
use darkslide_format::names::{self, Kind};
use darkslide_format::signed::{self, DocType, SecretKey};
use darkslide_format::snapshot::Condemned;
use darkslide_format::stream::crc64;
use darkslide_format::trust::Trust;
use darkslide_store::{PutFacts, PutOutcome, Store, StoreError, list_all};
use darkslide_words::{ObjectId, ObjectName, Temperature, Time};

use super::Tombstone;
use crate::AuditError;

/// The name of an object's tombstone.
pub(super) fn tombstone(object: &ObjectName) -> ObjectName {
    match names::parse(object) {
        Some(parsed) if parsed.kind != Kind::Condemned => {
            parsed.id.map_or_else(|| object.clone(), |id| names::object(Kind::Condemned, id))
        }
        _ => object.clone(),
    }
}

/// Puts an object's tombstone. One that is there and holds is enough; one that is not
/// valid gives way.
pub fn bury(
    store: &dyn Store,
    object: &ObjectName,
    trust: &Trust,
    signer: &SecretKey,
    at: Time,
) -> Result<(), AuditError> {
    let name = tombstone(object);
    let bytes = signed::sign(DocType::Condemned, &Condemned::new(trust.repository(), object.clone(), at), signer)?;
    let facts = PutFacts { crc64: crc64(&bytes), temperature: Temperature::Hot };
    for last in [false, true] {
        match store.put(&name, &bytes, &facts) {
            Ok(PutOutcome::Created) => return Ok(()),
            Ok(PutOutcome::AlreadyThere) | Err(StoreError::Different { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let there = store.read(&name, None)?.bytes(&name)?;
        let valid = names::parse(&name).and_then(|p| p.id).and_then(|id| Condemned::valid(trust, id, &there));
        if valid.is_some() {
            return Ok(());
        }
        match last {
            false => store.delete(&name)?,
            true => return Err(StoreError::Different { store: store.label(), name }.into()),
        }
    }
    Ok(())
}

/// All tombstones of a store, judged.
pub(super) fn tombstones(store: &dyn Store, trust: &Trust) -> Result<BTreeMap<ObjectId, Tombstone>, AuditError> {
    let mut all = BTreeMap::new();
    for listed in list_all(store, Kind::Condemned.prefix())? {
        let Some(id) = names::parse(&listed.name).and_then(|p| p.id) else { continue };
        let object = match listed.size.0 <= PLAIN_OBJECT_MAX as u64 {
            false => None,
            true => match store.read(&listed.name, None)?.bytes(&listed.name) {
                Ok(bytes) => Condemned::valid(trust, id, &bytes).map(|doc| doc.object),
                Err(StoreError::Missing { .. }) => continue,
                Err(error) => return Err(error.into()),
            },
        };
        all.insert(id, Tombstone { since: listed.modified, object });
    }
    Ok(all)
}
