//! The facts of a prune: listings, tombstones, refs, the stores' clocks. Reads only,
//! but for a tiny object that is put and deleted to learn what time a store has.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use darkslide_format::keys::KeyPair;
use darkslide_format::limits::{LARGE_PLAIN_MAX, LARGE_SEALED_MAX};
use darkslide_format::names::{self, Kind};
use darkslide_format::reach::{self, AllRefs, JudgedRefs, Root};
use darkslide_format::signed::DocType;
use darkslide_format::snapshot::Refs;
use darkslide_format::stream::crc64;
use darkslide_format::trust::Trust;
use darkslide_format::{FormatError, frame, object_id, seal};
use darkslide_price::Prices;
use darkslide_store::{Listed, PutFacts, Store, list_all};
use darkslide_words::{ObjectId, ObjectName, OsRng, Rng as _, Temperature, Time};

use super::{Act, PRUNED, PruneFacts, PruneOptions, StoreFacts, plan, tombs};
use crate::AuditError;

/// How the time is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreClock {
    /// By the store: something is put, listed, and deleted. What a deletion goes by.
    Asked,
    /// By this: for a plan that is only shown.
    Taken(Time),
}

/// Where the facts come from.
pub struct Gathering<'a> {
    /// The stores.
    pub stores: &'a [Arc<dyn Store>],
    /// Configured ones that cannot be reached.
    pub absent: &'a [String],
    /// Who may sign.
    pub trust: &'a Trust,
    /// Opens refs.
    pub index: &'a KeyPair,
    /// The refs of snapshots that were opened on this machine.
    pub opened: &'a BTreeMap<ObjectName, ObjectId>,
    /// Pairs of packs: the first holds a delta whose base lies in the second.
    pub bases: &'a [(ObjectName, ObjectName)],
    /// Packs that index segments list, as they were before this.
    pub indexed: &'a BTreeSet<ObjectName>,
    /// Prices, by label of the store.
    pub prices: &'a dyn Fn(&str) -> Option<Prices>,
    /// How the time is told.
    pub clock: StoreClock,
    /// The rules.
    pub options: &'a PruneOptions,
}

/// Gets the facts. Locks are asked for only of what would be deleted.
pub fn gather(from: &Gathering<'_>) -> Result<PruneFacts, AuditError> {
    // Snapshots before their refs, which were put before them; and once more after, for
    // those that came in between.
    let mut roots = snapshots(from)?;
    let mut stores = Vec::new();
    for store in from.stores {
        stores.push(look(from, &**store)?);
    }
    let mut refs_at: BTreeMap<ObjectName, Time> = BTreeMap::new();
    for listed in stores.iter().flat_map(|s| s.inventory.values()).filter(|l| is(&l.name, Kind::Refs)) {
        let first = refs_at.entry(listed.name.clone()).or_insert(listed.modified);
        *first = listed.modified.min(*first);
    }
    let (refs, damaged) = read_refs(from.stores, &refs_at, from.trust, from.index)?;
    let times: BTreeSet<Time> = refs.values().map(|judged| judged.refs.snapshot_time).collect();
    let later = snapshots(from)?;
    roots.extend(later.into_iter().filter(|(_, root)| times.contains(&root.time)));
    let list: Vec<Root> = roots.values().cloned().collect();
    let mut needs = reach::needs(&list, &refs);
    needs.unknown.extend(damaged);
    // Whoever reads a pack whole wants the bases of all its deltas.
    let bases = from.bases.iter().filter(|(delta, _)| needs.packs.contains(delta));
    let also: Vec<ObjectName> = bases.map(|(_, base)| base.clone()).collect();
    needs.packs.extend(also);
    let bases = refs.iter().map(|(id, judged)| (*id, judged.refs.base)).collect();
    let snapshots: BTreeSet<ObjectName> = roots.into_keys().collect();
    let mut facts =
        PruneFacts { stores, absent: from.absent.to_vec(), needs, bases, snapshots, indexed: from.indexed.clone() };
    let due = plan(&facts, from.options)?;
    for unit in due.units.into_iter().filter(|unit| unit.act == Act::Delete) {
        if let Some(until) = from.stores[unit.store].locked_until(&unit.object)? {
            facts.stores[unit.store].locks.insert(unit.object, until);
        }
    }
    Ok(facts)
}

fn is(name: &ObjectName, kind: Kind) -> bool {
    names::parse(name).is_some_and(|parsed| parsed.kind == kind)
}

fn snapshots(from: &Gathering<'_>) -> Result<BTreeMap<ObjectName, Root>, AuditError> {
    let mut roots = BTreeMap::new();
    for store in from.stores {
        for listed in list_all(&**store, Kind::Snapshots.prefix())? {
            let Some(time) = names::parse(&listed.name).and_then(|p| p.time) else { continue };
            let refs = from.opened.get(&listed.name).copied();
            roots.insert(listed.name.clone(), Root { name: listed.name, time, refs });
        }
    }
    Ok(roots)
}

/// One store. Tombstones before objects: one that vanishes in between took its pack along.
fn look(from: &Gathering<'_>, store: &dyn Store) -> Result<StoreFacts, AuditError> {
    let now = match from.clock {
        StoreClock::Taken(now) => now,
        StoreClock::Asked => ask(store)?,
    };
    let tombstones = tombs::tombstones(store, from.trust)?;
    let mut inventory = BTreeMap::new();
    for kind in PRUNED {
        store.list(kind.prefix(), &mut |listed: Listed| {
            if is(&listed.name, kind) {
                inventory.insert(listed.name.clone(), listed);
            }
            Ok(())
        })?;
    }
    let label = store.label();
    let prices = (from.prices)(&label);
    Ok(StoreFacts { label, now, inventory, tombstones, prices, locks: BTreeMap::new() })
}

/// What time a store has: when it took something just now.
fn ask(store: &dyn Store) -> Result<Time, AuditError> {
    let mut bytes = b"darkslide asks what time it is: ".to_vec();
    bytes.extend_from_slice(&OsRng.bytes::<16>());
    let name = names::object(Kind::Condemned, object_id(&bytes));
    store.put(&name, &bytes, &PutFacts { crc64: crc64(&bytes), temperature: Temperature::Hot })?;
    let listed = list_all(store, name.as_str());
    store.delete(&name)?;
    let found = listed?.into_iter().find(|l| l.name == name).map(|l| l.modified);
    found.ok_or_else(|| darkslide_store::StoreError::Missing { name }.into())
}

/// Reads refs objects, from whichever store has them whole. What is no document of an
/// honest writer is left out; what is damaged, or newer than this program, is named.
#[allow(clippy::type_complexity)]
pub fn read_refs(
    stores: &[Arc<dyn Store>],
    names: &BTreeMap<ObjectName, Time>,
    trust: &Trust,
    index: &KeyPair,
) -> Result<(AllRefs, Vec<(ObjectName, String)>), AuditError> {
    let (mut all, mut damaged) = (AllRefs::new(), Vec::new());
    for (name, stored) in names {
        let Some(id) = names::parse(name).and_then(|p| p.id) else { continue };
        match whole(stores, name, id)? {
            Err(why) => damaged.push((name.clone(), why)),
            Ok(bytes) => match judge(&bytes, trust, index) {
                Ok((refs, standing)) => {
                    all.insert(id, JudgedRefs { refs, standing, stored: *stored });
                }
                Err(error @ (FormatError::NewerFormat { .. } | FormatError::UnknownFeature { .. })) => {
                    damaged.push((name.clone(), error.to_string()));
                }
                // Its bytes are what its name says, so nothing broke: it never was one.
                Err(_) => {}
            },
        }
    }
    Ok((all, damaged))
}

/// The bytes of an object as its name says they are.
fn whole(stores: &[Arc<dyn Store>], name: &ObjectName, id: ObjectId) -> Result<Result<Vec<u8>, String>, AuditError> {
    let mut why = Err("it is damaged in every store".to_string());
    for store in stores {
        match store.read(name, None) {
            Ok(darkslide_store::ReadOutcome::Bytes(bytes)) if object_id(&bytes) == id => return Ok(Ok(bytes)),
            Ok(_) => {}
            // Not to be allowed to read it, or not to reach it, is no damage.
            Err(error) if stores.len() == 1 => return Err(error.into()),
            Err(error) => why = Err(error.to_string()),
        }
    }
    Ok(why)
}

fn judge(
    bytes: &[u8],
    trust: &Trust,
    index: &KeyPair,
) -> Result<(Refs, darkslide_format::trust::Standing), FormatError> {
    let packed = seal::open(bytes, &[index.identity()], LARGE_SEALED_MAX)?;
    let document = frame::unpack_json("refs", &packed, LARGE_PLAIN_MAX)?;
    let (verified, standing) = trust.by_writer(DocType::Refs, &document)?;
    let refs = Refs::parse(verified.payload, trust.repository())?;
    match refs.writer == verified.signer.writer_id() {
        true => Ok((refs, standing)),
        false => Err(FormatError::NotTrusted { what: "refs", signer: refs.writer.to_string(), wanted: "its writer" }),
    }
}
