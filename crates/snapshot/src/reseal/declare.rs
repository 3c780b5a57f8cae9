//! What snapshots need instead of a lost pack: one more refs object each, which only adds. So a
//! prune keeps the packs that now hold what the lost one held.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use darkslide_format::frame;
use darkslide_format::limits::{LARGE_PLAIN_MAX, LARGE_SEALED_MAX, PLAIN_OBJECT_MAX};
use darkslide_format::names::{self, Kind};
use darkslide_format::object_id;
use darkslide_format::seal;
use darkslide_format::signed::{self, DocType};
use darkslide_format::snapshot::{Condemned, Refs};
use darkslide_format::trust::Standing;
use darkslide_store::list_all;
use darkslide_words::{Count, ObjectId, ObjectName, Time};

use super::{Reseal, put_sealed};
use crate::SnapshotError;
use crate::stores::Stores;

/// For each lost pack those that hold now what it held.
pub type Successors = BTreeMap<ObjectName, BTreeSet<ObjectName>>;

impl Reseal<'_> {
    /// Refs objects of all stores, of writers that are or were enrolled.
    pub fn refs(&self) -> Result<HashMap<ObjectId, Refs>, SnapshotError> {
        let mut all = HashMap::new();
        for store in self.stores {
            for listed in list_all(&**store, Kind::Refs.prefix())? {
                let Some(id) = names::parse(&listed.name).and_then(|p| p.id).filter(|id| !all.contains_key(id)) else {
                    continue;
                };
                if listed.size.0 > LARGE_SEALED_MAX as u64 {
                    continue;
                }
                // Damaged in this store, it may be whole in another.
                let Ok(bytes) = store.read(&listed.name, None).and_then(|r| r.bytes(&listed.name)) else { continue };
                all.extend(self.parse(id, &bytes).map(|refs| (id, refs)));
            }
        }
        Ok(all)
    }

    fn parse(&self, id: ObjectId, bytes: &[u8]) -> Option<Refs> {
        if object_id(bytes) != id {
            return None;
        }
        let packed = seal::open(bytes, &[self.writer.index.identity()], LARGE_SEALED_MAX).ok()?;
        let document = frame::unpack_json("refs", &packed, LARGE_PLAIN_MAX).ok()?;
        let (verified, standing) = self.trust.by_writer(DocType::Refs, &document).ok()?;
        let refs = Refs::parse(verified.payload, self.trust.repository()).ok()?;
        (standing != Standing::Unknown && refs.writer == verified.signer.writer_id()).then_some(refs)
    }

    /// Names of what was forgotten or condemned in any store.
    pub fn condemned(&self) -> Result<BTreeSet<ObjectName>, SnapshotError> {
        let mut all = BTreeSet::new();
        for store in self.stores {
            for listed in list_all(&**store, Kind::Condemned.prefix())? {
                let Some(id) = names::parse(&listed.name).and_then(|p| p.id) else { continue };
                if listed.size.0 > PLAIN_OBJECT_MAX as u64 {
                    continue;
                }
                let Ok(bytes) = store.read(&listed.name, None).and_then(|r| r.bytes(&listed.name)) else { continue };
                all.extend(Condemned::valid(self.trust, id, &bytes).map(|doc| doc.object));
            }
        }
        Ok(all)
    }

    /// Times of the snapshots that some store holds and nobody forgot.
    pub fn snapshot_times(&self, condemned: &BTreeSet<ObjectName>) -> Result<BTreeSet<Time>, SnapshotError> {
        let mut times = BTreeSet::new();
        for store in self.stores {
            let listed = list_all(&**store, Kind::Snapshots.prefix())?;
            let kept = listed.iter().filter(|listed| !condemned.contains(&listed.name));
            times.extend(kept.filter_map(|listed| names::parse(&listed.name).and_then(|p| p.time)));
        }
        Ok(times)
    }

    /// Says of each snapshot that needed a lost pack that it needs its successors; how many were
    /// said something of. What was said before is not said again.
    pub fn declare(&self, lost: &Successors) -> Result<Count, SnapshotError> {
        let config = self.trust.config().ok_or(SnapshotError::NoConfig)?;
        let stores = Stores::new(self.stores, &[]);
        let (all, mut said) = (self.refs()?, Count(0));
        for time in self.snapshot_times(&self.condemned()?)? {
            let mut own: Vec<(usize, ObjectId, BTreeSet<ObjectName>)> = Vec::new();
            for (id, refs) in all.iter().filter(|(_, refs)| refs.snapshot_time == time) {
                let depth = std::iter::successors(refs.base, |base| all.get(base).and_then(|refs| refs.base)).take(64);
                if let Ok(packs) = refs.resolve(&all) {
                    own.push((depth.count(), *id, packs));
                }
            }
            own.sort();
            let needed: BTreeSet<&ObjectName> = own.iter().flat_map(|(.., packs)| packs).collect();
            let successors = lost.iter().filter(|(pack, _)| needed.contains(pack)).flat_map(|(_, new)| new);
            let add: BTreeSet<ObjectName> = successors.filter(|pack| !needed.contains(pack)).cloned().collect();
            let Some((_, base, _)) = own.first().filter(|_| !add.is_empty()) else { continue };
            let refs = Refs {
                add: add.into_iter().collect(),
                add_previews: Vec::new(),
                base: Some(*base),
                remove: Vec::new(),
                remove_previews: Vec::new(),
                writer: self.writer.id(),
                ..all[base].clone()
            };
            let document = signed::sign(DocType::Refs, &refs, &self.writer.signing)?;
            put_sealed(&stores, &document, &config.index_recipients()?, Kind::Refs)?;
            said += Count(1);
        }
        Ok(said)
    }
}
