//! Where files are cut: by content with a keyed gear hash, databases at fixed
//! offsets.

use darkslide_words::Bytes;
use serde::{Deserialize, Serialize};

use crate::{FormatError, IdKey, limits};

/// Parameters in the configuration object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunking {
    /// Chunk length of databases.
    pub db: Bytes,
    /// A cut is where this many top bits of the gear hash are zero.
    pub mask_bits: u32,
    /// Longest chunk.
    pub max: Bytes,
    /// Shortest chunk; the scanner skips these bytes.
    pub min: Bytes,
}

impl Default for Chunking {
    /// 4 to 16 MiB, about 5 on average: an edited header costs one chunk, and
    /// four fifths of the bytes are never scanned.
    fn default() -> Self {
        Self { db: Bytes::mib(1), mask_bits: 20, max: Bytes::mib(16), min: Bytes::mib(4) }
    }
}

impl Chunking {
    /// Refuses what no writer could work with.
    pub fn check(&self) -> Result<(), FormatError> {
        let fits = (64..=limits::CHUNK_MAX as u64).contains(&self.min.0)
            && (self.min.0..=limits::CHUNK_MAX as u64).contains(&self.max.0)
            && (4096..=limits::CHUNK_MAX as u64).contains(&self.db.0)
            && (1..=40).contains(&self.mask_bits);
        match fits {
            true => Ok(()),
            false => Err(FormatError::malformed("config", "chunking parameters out of range")),
        }
    }
}

/// Bytes that the gear hash remembers.
const WINDOW: usize = 64;

/// Bytes of each of four lanes that are scanned at once.
const LANE: usize = 1024;

/// The gear hash: each byte shifts it by one bit and adds a random number of its own.
struct Gear {
    table: [u64; 256],
    /// A cut is where the hash is below this.
    limit: u64,
}

impl Gear {
    fn next(&self, hash: u64, byte: u8) -> u64 {
        (hash << 1).wrapping_add(self.table[usize::from(byte)])
    }

    fn update(&self, hash: u64, bytes: &[u8]) -> u64 {
        bytes.iter().fold(hash, |hash, byte| self.next(hash, *byte))
    }

    /// How many bytes there are up to the first after which the hash is below the limit, if it gets there; and the
    /// hash after all of them.
    fn find(&self, mut hash: u64, bytes: &[u8]) -> (Option<usize>, u64) {
        for (at, byte) in bytes.iter().enumerate() {
            hash = self.next(hash, *byte);
            if hash < self.limit {
                return (Some(at + 1), hash);
            }
        }
        (None, hash)
    }

    /// The same in four lanes at once: each byte waits for the one before it, and other lanes go on meanwhile. Where a
    /// lane begins, the hash follows from the bytes before.
    fn find_fast(&self, mut hash: u64, bytes: &[u8]) -> (Option<usize>, u64) {
        let (blocks, rest) = bytes.as_chunks::<{ 4 * LANE }>();
        for (n, block) in blocks.iter().enumerate() {
            let [a, b, c, d] = [0, 1, 2, 3].map(|lane| &block[lane * LANE..][..LANE]);
            let before = |lane: &[u8]| self.update(0, &lane[LANE - WINDOW..]);
            let mut hashes = [hash, before(a), before(b), before(c)];
            let mut found = false;
            for (((a, b), c), d) in a.iter().zip(b).zip(c).zip(d) {
                let [w, x, y, z] = hashes;
                hashes = [self.next(w, *a), self.next(x, *b), self.next(y, *c), self.next(z, *d)];
                found = hashes.iter().any(|hash| *hash < self.limit);
                if found {
                    break;
                }
            }
            if found {
                // In which lane first is another question.
                let (at, hash) = self.find(hash, block);
                return (at.map(|at| n * 4 * LANE + at), hash);
            }
            hash = hashes[3];
        }
        let (at, hash) = self.find(hash, rest);
        (at.map(|at| bytes.len() - rest.len() + at), hash)
    }
}

/// Finds cut points.
pub struct Cutter {
    gear: Box<Gear>,
    min: usize,
    max: usize,
}

impl Cutter {
    /// Derives the gear table from the id key.
    pub fn new(chunking: &Chunking, key: &IdKey) -> Self {
        let mut table = [0u64; 256];
        let mut output = blake3::Hasher::new_keyed(key.secret()).update(b"darkslide gear table").finalize_xof();
        for word in table.iter_mut() {
            let mut bytes = [0; 8];
            output.fill(&mut bytes);
            *word = u64::from_le_bytes(bytes);
        }
        Self {
            gear: Box::new(Gear { table, limit: 1 << (64 - chunking.mask_bits) }),
            min: chunking.min.0 as usize,
            max: chunking.max.0 as usize,
        }
    }

    /// Shortest chunk but the last of a file: what is no longer is never cut.
    pub fn min(&self) -> usize {
        self.min
    }

    /// Longest chunk: what [`Cutter::cut`] has to see unless the file ends before.
    pub fn max(&self) -> usize {
        self.max
    }

    /// Begins a chunk.
    pub fn begin(&self) -> Scan<'_> {
        Scan { cutter: self, hash: 0, seen: 0 }
    }

    /// Length of the chunk at the start of `bytes`, which holds the rest of the
    /// file or at least [`Cutter::max`] bytes of it.
    pub fn cut(&self, bytes: &[u8]) -> usize {
        self.begin().feed(bytes).unwrap_or(bytes.len())
    }
}

/// The search for the end of one chunk, piece by piece.
pub struct Scan<'c> {
    cutter: &'c Cutter,
    hash: u64,
    seen: usize,
}

impl Scan<'_> {
    /// Looks at the next bytes; how many of them belong to the chunk, if it ends
    /// among them.
    pub fn feed(&mut self, piece: &[u8]) -> Option<usize> {
        let Cutter { gear, min, max } = self.cutter;
        let (min, max) = (*min, *max);
        let room = piece.len().min(max - self.seen);
        let at = |offset: usize| offset.clamp(self.seen, self.seen + room) - self.seen;
        let (warm, scan) = (at(min - WINDOW), at(min));
        let hash = gear.update(self.hash, &piece[warm..scan]);
        let (past, hash) = gear.find_fast(hash, &piece[scan..room]);
        let hit = past.map(|past| scan + past);
        self.hash = hash;
        self.seen += room;
        hit.or((self.seen == max).then_some(room))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use darkslide_words::{Rng as _, SeededRng};

    fn chunking() -> Chunking {
        Chunking { db: Bytes::mib(1), mask_bits: 12, max: Bytes::kib(64), min: Bytes::kib(16) }
    }

    fn cuts(cutter: &Cutter, mut data: &[u8]) -> Vec<usize> {
        let mut out = Vec::new();
        while !data.is_empty() {
            let n = cutter.cut(data);
            out.push(n);
            data = &data[n..];
        }
        out
    }

    #[test]
    fn golden_cut_points() {
        let mut data = vec![0; 300_000];
        SeededRng::new(1).fill(&mut data);
        let cutter = Cutter::new(&chunking(), &IdKey::new([9; 32]));
        // Changing these numbers means that every library would be stored again.
        assert_eq!(cuts(&cutter, &data), GOLDEN);
        let other = Cutter::new(&chunking(), &IdKey::new([8; 32]));
        assert_ne!(cuts(&other, &data), GOLDEN);
    }

    const GOLDEN: &[usize] = &[
        19805, 16895, 17195, 17890, 20073, 18426, 18616, 16762, 20440, 21461, 18235, 22899, 25965, 21874, 16586, 6878,
    ];

    #[test]
    fn the_definition_of_the_format_page() {
        let mut data = vec![0; 200_000];
        SeededRng::new(2).fill(&mut data);
        let cutter = Cutter::new(&chunking(), &IdKey::new([9; 32]));
        let naive = |bytes: &[u8]| {
            let mut h = 0u64;
            let end = bytes.len().min(64 * 1024);
            for (at, byte) in bytes.iter().enumerate().take(end).skip(16 * 1024 - 64) {
                h = h.wrapping_mul(2).wrapping_add(cutter.gear.table[usize::from(*byte)]);
                if at + 1 > 16 * 1024 && h >> 52 == 0 {
                    return at + 1;
                }
            }
            bytes.len().min(64 * 1024)
        };
        let mut rest = &data[..];
        while !rest.is_empty() {
            let n = cutter.cut(rest);
            assert_eq!(n, naive(rest));
            rest = &rest[n..];
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
        #[test]
        fn four_lanes_find_what_the_library_finds(
            seed: u64,
            len in 0usize..40_000,
            start in 0usize..200,
            bits in 4u32..20,
            values in 1u16..=256,
        ) {
            let mut data = vec![0; len];
            SeededRng::new(seed).fill(&mut data);
            // Few different bytes make runs in which the hash stands still.
            data.iter_mut().for_each(|byte| *byte = (u16::from(*byte) % values) as u8);
            let chunking = Chunking { mask_bits: bits, ..chunking() };
            let cutter = Cutter::new(&chunking, &IdKey::new([9; 32]));
            let (before, mut rest) = data.split_at(start.min(len));
            let mut library = gearhash::Hasher::new(&cutter.gear.table);
            library.update(before);
            let mut hash = cutter.gear.update(0, before);
            loop {
                let wanted = library.next_match(rest, u64::MAX << (64 - bits));
                let (found, after) = cutter.gear.find_fast(hash, rest);
                proptest::prop_assert_eq!(found, wanted);
                proptest::prop_assert_eq!(after, library.get_hash());
                hash = after;
                match found {
                    Some(at) => rest = &rest[at..],
                    None => break,
                }
            }
        }
    }

    #[test]
    fn an_insertion_changes_few_chunks() {
        let mut data = vec![0; 3_000_000];
        SeededRng::new(3).fill(&mut data);
        let cutter = Cutter::new(&chunking(), &IdKey::new([1; 32]));
        let before: std::collections::HashSet<usize> = tail_cuts(&cutter, &data);
        data.insert(5, 0);
        let after = tail_cuts(&cutter, &data);
        let same = before.intersection(&after).count();
        assert!(same * 10 > before.len() * 8, "{same} of {}", before.len());
    }

    #[test]
    fn pieces_do_not_matter() {
        let mut data = vec![0; 400_000];
        SeededRng::new(4).fill(&mut data);
        let cutter = Cutter::new(&chunking(), &IdKey::new([1; 32]));
        let whole = cuts(&cutter, &data);
        for step in [1000, 4096, 16 * 1024, 65_536, 100_000] {
            let (mut found, mut scan, mut len) = (Vec::new(), cutter.begin(), 0);
            for mut piece in data.chunks(step) {
                while let Some(n) = scan.feed(piece) {
                    found.push(len + n);
                    (scan, len) = (cutter.begin(), 0);
                    piece = &piece[n..];
                }
                len += piece.len();
            }
            found.extend((len > 0).then_some(len));
            assert_eq!(found, whole, "{step}");
        }
    }

    fn tail_cuts(cutter: &Cutter, data: &[u8]) -> std::collections::HashSet<usize> {
        let mut left = data.len();
        cuts(cutter, data)
            .into_iter()
            .map(|n| {
                left -= n;
                left
            })
            .collect()
    }
}
