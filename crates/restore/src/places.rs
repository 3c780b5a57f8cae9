//! Where a plan found chunks, for the restore that follows it: a second look at each in
//! the catalog would take a tenth of the time that a small file takes in all.

use std::collections::HashMap;

use darkslide_catalog::{ChunkFacts, Location, PackId};
use darkslide_format::manifest::PackKind;
use darkslide_words::{Bytes, ChunkId};

/// Chunks that are kept in mind: a terabyte of photographs, or as many sidecars, in
/// 17 MB of memory. The rest is looked up again.
const CHUNKS_MAX: usize = 224 * 1024;

/// A full chunk's place: kind, pack, and of its frame the offset, length, plain length.
#[derive(Debug, Clone, Copy)]
struct Place(PackKind, PackId, u64, u32, u32);

/// The places of chunks, as far as they are kept.
#[derive(Debug, Clone, Default)]
pub struct Places(HashMap<ChunkId, Place>);

impl Places {
    /// Keeps where a chunk lies. Not that of a delta, which needs a second place.
    pub fn keep(&mut self, kind: PackKind, pack: PackId, chunk: &ChunkFacts) {
        let (Ok(len), Ok(plain)) = (u32::try_from(chunk.len.0), u32::try_from(chunk.plain.0)) else { return };
        if chunk.base.is_none() && self.0.len() < CHUNKS_MAX {
            self.0.entry(chunk.id).or_insert(Place(kind, pack, chunk.off.0, len, plain));
        }
    }

    /// Where a chunk lies in packs of this kind, if that is kept.
    pub fn get(&self, kind: PackKind, id: ChunkId) -> Option<Location> {
        let Place(_, pack, off, len, plain) = self.0.get(&id).copied().filter(|place| place.0 == kind)?;
        let (len, plain) = (Bytes(len.into()), Bytes(plain.into()));
        Some(Location { pack, chunk: ChunkFacts { id, off: Bytes(off), len, plain, base: None } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_chunks_of_a_kind_are_kept_up_to_a_bound() {
        let chunk = |n: u64| {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&n.to_le_bytes());
            ChunkFacts { id: ChunkId::new(id), off: Bytes(n), len: Bytes(7), plain: Bytes(9), base: None }
        };
        let mut places = Places::default();
        places.keep(PackKind::Warm, PackId(3), &chunk(1));
        let found = Some(Location { pack: PackId(3), chunk: chunk(1) });
        assert_eq!(places.get(PackKind::Warm, chunk(1).id), found);
        assert_eq!(places.get(PackKind::Cold, chunk(1).id), None);
        // The first place stands; a delta and what is too large are not kept.
        places.keep(PackKind::Warm, PackId(4), &chunk(1));
        assert_eq!(places.get(PackKind::Warm, chunk(1).id), found);
        places.keep(PackKind::Warm, PackId(3), &ChunkFacts { base: Some(chunk(1).id), ..chunk(2) });
        places.keep(PackKind::Warm, PackId(3), &ChunkFacts { len: Bytes(1 << 32), ..chunk(3) });
        assert!([2, 3].iter().all(|n| places.get(PackKind::Warm, chunk(*n).id).is_none()));
        for n in 0..CHUNKS_MAX as u64 + 10 {
            places.keep(PackKind::Cold, PackId(1), &chunk(n));
        }
        assert_eq!(places.0.len(), CHUNKS_MAX);
    }
}
