//! A Bloom filter over known chunk ids: most new chunks are told from known
//! ones without asking the catalog.

use darkslide_words::ChunkId;

/// Bits per expected chunk; with four probes about 1 in 400 new chunks is
/// looked up for nothing.
const BITS_PER_CHUNK: u64 = 16;
const PROBES: usize = 4;

/// Ids are keyed hashes already, so their bytes serve as the filter's hashes.
pub struct Bloom {
    words: Vec<u64>,
    mask: u64,
}

impl Bloom {
    /// For about this many chunks.
    pub fn new(expected: u64) -> Self {
        let bits = (expected.max(1 << 16) * BITS_PER_CHUNK).next_power_of_two();
        Self { words: vec![0; (bits / 64) as usize], mask: bits - 1 }
    }

    fn probes(&self, kind: i64, id: ChunkId) -> [(usize, u64); PROBES] {
        let bytes = id.as_bytes();
        std::array::from_fn(|n| {
            let mut word = [0u8; 8];
            word.copy_from_slice(&bytes[n * 8..n * 8 + 8]);
            let bit = u64::from_le_bytes(word).rotate_left(kind as u32 * 7) & self.mask;
            ((bit / 64) as usize, 1 << (bit % 64))
        })
    }

    /// Adds a chunk.
    pub fn insert(&mut self, kind: i64, id: ChunkId) {
        for (at, bit) in self.probes(kind, id) {
            self.words[at] |= bit;
        }
    }

    /// False if the chunk was certainly never added.
    pub fn may_have(&self, kind: i64, id: ChunkId) -> bool {
        self.probes(kind, id).iter().all(|(at, bit)| self.words[*at] & bit != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use darkslide_words::{Rng as _, SeededRng};

    #[test]
    fn never_denies_a_member_and_seldom_claims_a_stranger() {
        let mut rng = SeededRng::new(1);
        let mut bloom = Bloom::new(1000);
        let members: Vec<_> = (0..1000).map(|_| ChunkId::new(rng.bytes())).collect();
        members.iter().for_each(|id| bloom.insert(1, *id));
        assert!(members.iter().all(|id| bloom.may_have(1, *id)));
        let strangers = (0..10_000).filter(|_| bloom.may_have(1, ChunkId::new(rng.bytes()))).count();
        assert!(strangers < 100, "{strangers}");
    }
}
