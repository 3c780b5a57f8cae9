//! Chunks of this run that are not recorded yet, and the packs that they are in.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use darkslide_format::manifest::PackKind;
use darkslide_words::ChunkId;

use crate::sealer::Seq;

/// A chunk that is on its way.
#[derive(Debug, Clone)]
pub struct Flight {
    /// The pack.
    pub seq: Seq,
    /// For a delta: its base.
    pub base: Option<Box<ChunkId>>,
}

/// By kind of pack and chunk.
#[derive(Default)]
pub struct Flying([HashMap<ChunkId, Flight, BuildHasherDefault<OfIds>>; 3]);

impl Flying {
    fn of(&mut self, kind: PackKind) -> &mut HashMap<ChunkId, Flight, BuildHasherDefault<OfIds>> {
        &mut self.0[kind.code() as usize]
    }

    /// A chunk is in a pack now.
    pub fn insert(&mut self, kind: PackKind, id: ChunkId, flight: Flight) {
        self.of(kind).insert(id, flight);
    }

    /// Where a chunk is.
    pub fn get(&mut self, kind: PackKind, id: ChunkId) -> Option<&Flight> {
        self.of(kind).get(&id)
    }

    /// A chunk is recorded, or given up.
    pub fn remove(&mut self, kind: PackKind, id: ChunkId) {
        self.of(kind).remove(&id);
    }
}

/// Ids are keyed hashes already, so that their first bytes will do.
#[derive(Default)]
pub struct OfIds(u64);

impl Hasher for OfIds {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    /// The length of what follows, the same for all.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::BuildHasher as _;

    #[test]
    fn ids_are_told_apart_and_kinds_too() {
        let hash = |id: [u8; 32]| BuildHasherDefault::<OfIds>::default().hash_one(ChunkId::new(id));
        assert_eq!(hash([7; 32]), u64::from_le_bytes([7; 8]), "an id's hash is its first bytes");
        let (a, b) = (ChunkId::new([7; 32]), ChunkId::new(std::array::from_fn(|n| if n < 8 { 7 } else { n as u8 })));
        let mut flying = Flying::default();
        flying.insert(PackKind::Warm, a, Flight { seq: 1, base: None });
        flying.insert(PackKind::Warm, b, Flight { seq: 2, base: Some(Box::new(a)) });
        let seq = |flying: &mut Flying, kind, id| flying.get(kind, id).map(|flight| flight.seq);
        assert_eq!((seq(&mut flying, PackKind::Warm, a), seq(&mut flying, PackKind::Warm, b)), (Some(1), Some(2)));
        assert_eq!(seq(&mut flying, PackKind::Cold, a), None);
        flying.remove(PackKind::Warm, a);
        assert_eq!((seq(&mut flying, PackKind::Warm, a), seq(&mut flying, PackKind::Warm, b)), (None, Some(2)));
    }
}
