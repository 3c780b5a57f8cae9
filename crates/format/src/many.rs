//! BLAKE3 of many small inputs at once. Each by itself fills only as many lanes of a vector unit
//! as it has chunks of 1 KiB; together they fill all of them, at two thirds of the cost.

use blake3::platform::{Platform, le_bytes_from_words_32, words_from_le_bytes_32};
use blake3::{BLOCK_LEN, CHUNK_LEN, IncrementCounter};
use darkslide_words::{ChunkId, ContentHash};

use crate::IdKey;

/// A hash, or the chaining value of a node of an input's tree.
type Hash = [u8; 32];

/// What BLAKE3 without a key begins with, and its flags: tables 1 and 3 of its paper.
const IV: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];
const CHUNK_START: u8 = 1;
const CHUNK_END: u8 = 1 << 1;
const PARENT: u8 = 1 << 2;
const ROOT: u8 = 1 << 3;
const KEYED_HASH: u8 = 1 << 4;

/// Hashes inputs together; keeps its working memory.
pub struct Many {
    platform: Platform,
    /// Nodes of all inputs that have no parent yet, and where those of each input lie.
    nodes: Vec<Hash>,
    trees: Vec<Tree>,
    blocks: Vec<[u8; BLOCK_LEN]>,
    places: Vec<usize>,
    out: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Tree {
    start: usize,
    nodes: usize,
}

/// With or without a key.
#[derive(Clone, Copy)]
struct Mode {
    words: [u32; 8],
    flags: u8,
}

impl Default for Many {
    fn default() -> Self {
        let (nodes, trees, blocks) = (Vec::new(), Vec::new(), Vec::new());
        Self { platform: Platform::detect(), nodes, trees, blocks, places: Vec::new(), out: Vec::new() }
    }
}

impl Many {
    /// Content hash and chunk id of each input.
    pub fn ids(&mut self, key: &IdKey, inputs: &[&[u8]]) -> Vec<(ContentHash, ChunkId)> {
        let mut ids = vec![(ContentHash::new([0; 32]), ChunkId::new([0; 32])); inputs.len()];
        self.each(inputs, None, |n, hash| ids[n].0 = ContentHash::new(hash));
        self.each(inputs, Some(key.secret()), |n, hash| ids[n].1 = ChunkId::new(hash));
        ids
    }

    /// Hands the hash of each input to `give`, in no special order.
    fn each(&mut self, inputs: &[&[u8]], key: Option<&Hash>, mut give: impl FnMut(usize, Hash)) {
        let mode = match key {
            Some(key) => Mode { words: words_from_le_bytes_32(key), flags: KEYED_HASH },
            None => Mode { words: IV, flags: 0 },
        };
        self.nodes.clear();
        self.trees.clear();
        for (n, input) in inputs.iter().enumerate() {
            // One chunk is its own root, which is another computation.
            let nodes = if input.len() <= CHUNK_LEN { 0 } else { input.len().div_ceil(CHUNK_LEN) };
            match key {
                _ if nodes > 0 => {}
                Some(key) => give(n, *blake3::keyed_hash(key, input).as_bytes()),
                None => give(n, *blake3::hash(input).as_bytes()),
            }
            self.trees.push(Tree { start: self.nodes.len(), nodes });
            self.nodes.resize(self.nodes.len() + nodes, Hash::default());
        }
        self.leaves(inputs, mode);
        while self.trees.iter().any(|t| t.nodes > 1) {
            self.parents(mode, &mut give);
        }
    }

    /// The nodes of the inputs' chunks: all first ones, all second ones, and so on. Last ones that are not
    /// whole differ in length and place, and have a lane for themselves.
    fn leaves(&mut self, inputs: &[&[u8]], mode: Mode) {
        let most = self.trees.iter().map(|t| t.nodes).max().unwrap_or(0);
        let mut lanes: Vec<&[u8; CHUNK_LEN]> = Vec::with_capacity(inputs.len());
        for at in 0..most {
            lanes.clear();
            self.places.clear();
            for (input, tree) in inputs.iter().zip(&self.trees).filter(|(_, tree)| at < tree.nodes) {
                let rest = &input[at * CHUNK_LEN..];
                match rest.first_chunk() {
                    Some(whole) => {
                        lanes.push(whole);
                        self.places.push(tree.start + at);
                    }
                    None => self.nodes[tree.start + at] = last(self.platform, rest, at as u64, mode),
                }
            }
            self.out.resize(lanes.len() * 32, 0);
            let (counter, still) = (at as u64, IncrementCounter::No);
            self.platform.hash_many(
                &lanes,
                &mode.words,
                counter,
                still,
                mode.flags,
                CHUNK_START,
                CHUNK_END,
                &mut self.out,
            );
            for (node, place) in self.out.as_chunks().0.iter().zip(&self.places) {
                self.nodes[*place] = *node;
            }
        }
    }

    /// Joins two neighbours each; one that is left over waits for the next round. Where there are
    /// but two, what comes of them is the hash.
    fn parents(&mut self, mode: Mode, give: &mut impl FnMut(usize, Hash)) {
        for root in [false, true] {
            self.blocks.clear();
            self.places.clear();
            for (n, tree) in self.trees.iter_mut().enumerate().filter(|(_, t)| t.nodes > 1 && (t.nodes == 2) == root) {
                let nodes = &mut self.nodes[tree.start..tree.start + tree.nodes];
                for (at, pair) in nodes.as_chunks::<2>().0.iter().enumerate() {
                    let mut block = [0; BLOCK_LEN];
                    block[..32].copy_from_slice(&pair[0]);
                    block[32..].copy_from_slice(&pair[1]);
                    self.blocks.push(block);
                    self.places.push(if root { n } else { tree.start + at });
                }
                nodes[tree.nodes / 2] = nodes[tree.nodes - 1];
                tree.nodes = if root { 0 } else { tree.nodes.div_ceil(2) };
            }
            let lanes: Vec<&[u8; BLOCK_LEN]> = self.blocks.iter().collect();
            self.out.resize(lanes.len() * 32, 0);
            let flags = mode.flags | PARENT | if root { ROOT } else { 0 };
            self.platform.hash_many(&lanes, &mode.words, 0, IncrementCounter::No, flags, 0, 0, &mut self.out);
            for (node, place) in self.out.as_chunks().0.iter().zip(&self.places) {
                match root {
                    true => give(*place, *node),
                    false => self.nodes[*place] = *node,
                }
            }
        }
    }
}

/// The node of an input's last chunk, which is not whole.
fn last(platform: Platform, chunk: &[u8], counter: u64, mode: Mode) -> Hash {
    let mut words = mode.words;
    let count = chunk.len().div_ceil(BLOCK_LEN);
    for (n, piece) in chunk.chunks(BLOCK_LEN).enumerate() {
        let mut block = [0; BLOCK_LEN];
        block[..piece.len()].copy_from_slice(piece);
        let start = if n == 0 { CHUNK_START } else { 0 };
        let end = if n + 1 == count { CHUNK_END } else { 0 };
        platform.compress_in_place(&mut words, &block, piece.len() as u8, counter, mode.flags | start | end);
    }
    le_bytes_from_words_32(&words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(lengths: &[usize], seed: u8) {
        let data: Vec<Vec<u8>> =
            lengths.iter().map(|len| (0..*len).map(|n| (n / 7 * 31 + n + len) as u8 ^ seed).collect()).collect();
        let inputs: Vec<&[u8]> = data.iter().map(Vec::as_slice).collect();
        let key = IdKey::new([seed; 32]);
        for (input, (hash, id)) in inputs.iter().zip(Many::default().ids(&key, &inputs)) {
            assert_eq!(hash.as_bytes(), blake3::hash(input).as_bytes(), "{} bytes", input.len());
            assert_eq!(id, key.chunk_id(input), "{} bytes", input.len());
        }
    }

    #[test]
    fn lengths_around_each_node_of_the_tree() {
        let lengths: Vec<usize> =
            (0..=20).flat_map(|chunks| [0, 1, 63, 64, 65, 512, 1023].map(|more| chunks * CHUNK_LEN + more)).collect();
        check(&lengths, 3);
        lengths.iter().for_each(|len| check(&[*len], 5));
        check(&[], 0);
    }

    proptest! {
        #[test]
        fn hashes_are_those_of_each_by_itself(lengths in proptest::collection::vec(0usize..40_000, 0..40), seed: u8) {
            check(&lengths, seed);
        }
    }
}
