//! Bringing a store up that is behind: copies what it lacks from one that is
//! not, in the order of writing, so that a snapshot is never there before what
//! it needs. What was forgotten or pruned in one store is not brought back from
//! another, and tombstones stay where they were put.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use darkslide_format::keys::KeyPair;
use darkslide_format::limits::{LARGE_PLAIN_MAX, LARGE_SEALED_MAX, PLAIN_OBJECT_MAX};
use darkslide_format::names::{self, Kind};
use darkslide_format::reach::{self, AllRefs, JudgedRefs, Root};
use darkslide_format::signed::DocType;
use darkslide_format::snapshot::{Condemned, Refs};
use darkslide_format::stream::crc64;
use darkslide_format::trust::{Standing, Trust};
use darkslide_format::{frame, object_id, seal};
use darkslide_store::{PutFacts, Store, StoreError};
use darkslide_words::{Bytes, Count, ObjectId, ObjectName, Temperature};

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

/// What tells which packs a snapshot needs.
pub struct RefsReader<'a> {
    /// Who may sign.
    pub trust: &'a Trust,
    /// Opens refs.
    pub index: &'a KeyPair,
}

type Inventory = HashMap<ObjectName, u64>;
/// Every place of each name: stored bytes and number of the store.
type Places<'a> = HashMap<&'a ObjectName, Vec<(u64, usize)>>;

/// Copies from the others what each store lacks. For each store nothing if it
/// has everything now, else why not.
pub fn replicate(
    stores: &[Arc<dyn Store>],
    refs: &RefsReader<'_>,
    observer: &dyn Observer,
) -> Result<(Replicated, Vec<Option<String>>), SnapshotError> {
    let mut done = Replicated::default();
    if stores.len() < 2 {
        return Ok((done, vec![None; stores.len()]));
    }
    let inventories: Vec<Result<Inventory, StoreError>> = stores.iter().map(|s| inventory(&**s)).collect();
    // Every place of a name, the longest first: a shorter one was cut off.
    let mut all: Places<'_> = HashMap::new();
    for (n, inventory) in inventories.iter().enumerate() {
        for (name, size) in inventory.iter().flatten() {
            all.entry(name).or_default().push((*size, n));
        }
    }
    all.values_mut().for_each(|places| places.sort_by_key(|(size, n)| (std::cmp::Reverse(*size), *n)));
    let gone = Copying { stores, all: &all, refs, observer }.gone();
    all.retain(|name, _| !gone.contains(*name) && !is_tombstone(name));
    let mut behind = Vec::new();
    for (n, inventory) in inventories.iter().enumerate() {
        behind.push(match inventory {
            Err(error) => Some(error.to_string()),
            Ok(inventory) => Copying { stores, all: &all, refs, observer }.bring_up(n, inventory, &mut done)?,
        });
    }
    Ok((done, behind))
}

struct Copying<'a> {
    stores: &'a [Arc<dyn Store>],
    all: &'a Places<'a>,
    refs: &'a RefsReader<'a>,
    observer: &'a dyn Observer,
}

impl Copying<'_> {
    /// Copies what one store lacks; why it is still behind, if it is.
    fn bring_up(
        &self,
        to: usize,
        inventory: &Inventory,
        done: &mut Replicated,
    ) -> Result<Option<String>, SnapshotError> {
        let mut failed: BTreeMap<ObjectName, String> = BTreeMap::new();
        let mut lacks = Vec::new();
        for (name, places) in self.all {
            match inventory.get(*name) {
                None => lacks.push(*name),
                // Nothing is held up for a thumbnail: an audit and a scrub tell of it.
                Some(size) if *size < places[0].0 && is_preview(name) => {}
                Some(size) if *size < places[0].0 => {
                    let what = format!("{name} is truncated there; remove it, and it is copied again");
                    failed.insert((*name).clone(), what);
                }
                Some(_) => {}
            }
        }
        lacks.sort_by_key(|name| (rank(name), (*name).clone()));
        for name in lacks {
            if self.observer.cancelled() {
                return Err(SnapshotError::Cancelled);
            }
            let Some(parsed) = names::parse(name) else { continue };
            // A snapshot is never there before what it needs.
            if parsed.kind == Kind::Snapshots && !failed.is_empty() && self.needs_any(parsed, &failed) {
                continue;
            }
            match self.copy(name, parsed, to) {
                Ok(bytes) => {
                    done.objects += Count(1);
                    done.bytes += bytes;
                }
                Err(why) if parsed.kind == Kind::Previews => self.observer.note(&why),
                Err(why) => {
                    failed.insert(name.clone(), why);
                }
            }
        }
        Ok(failed.into_values().next())
    }

    fn copy(&self, name: &ObjectName, parsed: names::Parsed, to: usize) -> Result<Bytes, String> {
        let mut why = format!("{name} is nowhere to be had");
        for (_, from) in self.all.get(name).into_iter().flatten().filter(|(_, from)| *from != to) {
            match copy_one(&*self.stores[*from], &*self.stores[to], name, parsed) {
                Ok(bytes) => return Ok(bytes),
                Err(error) => why = error,
            }
        }
        Err(why)
    }

    /// True if the snapshot needs one of these objects, or if that cannot be told.
    fn needs_any(&self, snapshot: names::Parsed, failed: &BTreeMap<ObjectName, String>) -> bool {
        let all = self.all_refs();
        let own: Vec<&Refs> = all.values().filter(|r| Some(r.snapshot_time) == snapshot.time).collect();
        own.is_empty()
            || own.iter().any(|refs| match refs.resolve(&all) {
                Ok(packs) => packs.iter().any(|pack| failed.contains_key(pack)),
                Err(_) => true,
            })
    }

    /// What some store lacks because it was forgotten or pruned there: snapshots with a
    /// tombstone, and condemned packs and refs that no other snapshot needs.
    fn gone(&self) -> HashSet<ObjectName> {
        let condemned: Vec<ObjectName> = self.all.keys().filter_map(|name| self.condemned(name)).collect();
        let kind = |name: &ObjectName| names::parse(name).map(|p| p.kind);
        let (gone, rest): (Vec<_>, Vec<_>) =
            condemned.into_iter().partition(|name| kind(name) == Some(Kind::Snapshots));
        let mut gone: HashSet<ObjectName> = gone.into_iter().collect();
        if rest.is_empty() {
            return gone;
        }
        let judged = |(id, refs): (ObjectId, Refs)| {
            let stored = refs.snapshot_time;
            (id, JudgedRefs { refs, standing: Standing::Trusted, stored })
        };
        let refs: AllRefs = self.all_refs().into_iter().map(judged).collect();
        let root = |name: &ObjectName| {
            let time = names::parse(name).filter(|p| p.kind == Kind::Snapshots)?.time?;
            Some(Root { name: name.clone(), time, refs: None })
        };
        let roots: Vec<Root> = self.all.keys().filter(|n| !gone.contains(**n)).filter_map(|n| root(n)).collect();
        let needs = reach::needs(&roots, &refs);
        if !needs.unknown.is_empty() {
            return gone;
        }
        let needed = |name: &ObjectName| {
            let refs = names::parse(name).filter(|p| p.kind == Kind::Refs).and_then(|p| p.id);
            needs.packs.contains(name) || refs.is_some_and(|id| needs.refs.contains(&id))
        };
        gone.extend(rest.into_iter().filter(|name| !needed(name)));
        gone
    }

    /// What a tombstone condemns, where that is not in every store.
    fn condemned(&self, tombstone: &ObjectName) -> Option<ObjectName> {
        let id = names::parse(tombstone).filter(|p| p.kind == Kind::Condemned)?.id?;
        let readable = self.all[tombstone].iter().filter(|(size, _)| *size <= PLAIN_OBJECT_MAX as u64);
        let mut read = readable.filter_map(|(_, n)| self.stores[*n].read(tombstone, None).ok()?.bytes(tombstone).ok());
        let object = read.find_map(|bytes| Condemned::valid(self.refs.trust, id, &bytes))?.object;
        let places = self.all.get(&object).map_or(0, Vec::len);
        (1..self.stores.len()).contains(&places).then_some(object)
    }

    fn all_refs(&self) -> HashMap<ObjectId, Refs> {
        let mut out = HashMap::new();
        for (name, places) in self.all {
            let Some(id) = names::parse(name).filter(|p| p.kind == Kind::Refs).and_then(|p| p.id) else { continue };
            for (_, from) in places {
                let Ok(bytes) = self.stores[*from].read(name, None).and_then(|r| r.bytes(name)) else { continue };
                if let Some(refs) = self.refs.parse(id, &bytes) {
                    out.insert(id, refs);
                    break;
                }
            }
        }
        out
    }
}

impl RefsReader<'_> {
    fn parse(&self, id: ObjectId, bytes: &[u8]) -> Option<Refs> {
        if object_id(bytes) != id {
            return None;
        }
        let packed = seal::open(bytes, &[self.index.identity()], LARGE_SEALED_MAX).ok()?;
        let document = frame::unpack_json("refs", &packed, LARGE_PLAIN_MAX).ok()?;
        let (verified, standing) = self.trust.by_writer(DocType::Refs, &document).ok()?;
        (standing != Standing::Unknown).then(|| Refs::parse(verified.payload, self.trust.repository()).ok())?
    }
}

fn is_preview(name: &ObjectName) -> bool {
    names::parse(name).is_some_and(|p| p.kind == Kind::Previews)
}

fn is_tombstone(name: &ObjectName) -> bool {
    names::parse(name).is_some_and(|p| p.kind == Kind::Condemned)
}

fn rank(name: &ObjectName) -> usize {
    let kind = names::parse(name).map(|p| p.kind);
    ORDER.iter().position(|k| Some(*k) == kind).unwrap_or(ORDER.len())
}

fn copy_one(from: &dyn Store, to: &dyn Store, name: &ObjectName, parsed: names::Parsed) -> Result<Bytes, String> {
    let bytes = from.read(name, None).and_then(|r| r.bytes(name)).map_err(|e| e.to_string())?;
    let named_by_content = !matches!(parsed.kind, Kind::Config | Kind::Recover);
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
