//! BLAKE3 of many small inputs at once. Each by itself fills only as many lanes of a vector unit
//! as it has chunks of 1 KiB; together they fill all of them.

use blake3::platform::{Platform, le_bytes_from_words_32, words_from_le_bytes_32};
use blake3::{BLOCK_LEN, CHUNK_LEN, IncrementCounter};
use darkslide_words::{ChunkId, ContentHash};

use crate::IdKey;

/// Inputs above this fill a vector unit by themselves.
pub const INPUT_MAX: u64 = 16 << 10;
/// Inputs that are worth having together: more fill the lanes hardly better.
pub const INPUTS_MAX: usize = 64;
/// Their bytes: what the nearest caches hold.
pub const BYTES_MAX: usize = 256 << 10;

/// A hash, or the chaining value of a node of an input's tree.
pub(crate) type Hash = [u8; 32];

/// What BLAKE3 without a key begins with, and its flags: tables 1 and 3 of its paper.
const IV: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];
pub(crate) const CHUNK_START: u8 = 1;
pub(crate) const CHUNK_END: u8 = 1 << 1;
pub(crate) const PARENT: u8 = 1 << 2;
const ROOT: u8 = 1 << 3;
const KEYED_HASH: u8 = 1 << 4;

/// Hashes inputs together; keeps its working memory. For inputs of some KiB: a turn has a lane for each place between
/// that of the shortest and of the longest.
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

/// An input's last chunk, which is not whole.
struct Tail<'i> {
    /// It. Empty only where the input is.
    chunk: &'i [u8],
    /// Its place among the input's chunks.
    counter: u64,
    /// Where its node goes.
    goes: Goes,
    /// The chaining value so far, and the bytes that are in it.
    words: [u32; 8],
    done: usize,
}

/// Where a tail's node goes.
#[derive(Clone, Copy)]
enum Goes {
    /// Among the nodes.
    Node(usize),
    /// Nowhere: it is all of this input.
    Root(usize),
}

/// With or without a key.
#[derive(Clone, Copy)]
pub(crate) struct Mode {
    pub words: [u32; 8],
    pub flags: u8,
}

impl Mode {
    pub fn new(key: Option<&Hash>) -> Self {
        match key {
            Some(key) => Self { words: words_from_le_bytes_32(key), flags: KEYED_HASH },
            None => Self { words: IV, flags: 0 },
        }
    }

    /// The same for the library's `hazmat`; `key` is its words.
    pub fn hazmat<'k>(&self, key: &'k Hash) -> blake3::hazmat::Mode<'k> {
        match self.flags {
            KEYED_HASH => blake3::hazmat::Mode::KeyedHash(key),
            _ => blake3::hazmat::Mode::Hash,
        }
    }
}

impl Default for Many {
    fn default() -> Self {
        let (nodes, trees, blocks) = (Vec::new(), Vec::new(), Vec::new());
        Self { platform: Platform::detect(), nodes, trees, blocks, places: Vec::new(), out: Vec::new() }
    }
}

impl Many {
    /// Content hash of each input.
    pub fn hashes(&mut self, inputs: &[&[u8]]) -> Vec<ContentHash> {
        let mut hashes = vec![ContentHash::new([0; 32]); inputs.len()];
        self.each(inputs, None, |n, hash| hashes[n] = ContentHash::new(hash));
        hashes
    }

    /// Content hash and chunk id of each input.
    pub fn ids(&mut self, key: &IdKey, inputs: &[&[u8]]) -> Vec<(ContentHash, ChunkId)> {
        let mut ids = vec![ChunkId::new([0; 32]); inputs.len()];
        self.each(inputs, Some(key.secret()), |n, hash| ids[n] = ChunkId::new(hash));
        self.hashes(inputs).into_iter().zip(ids).collect()
    }

    /// Hands the hash of each input to `give`, in no special order.
    fn each(&mut self, inputs: &[&[u8]], key: Option<&Hash>, mut give: impl FnMut(usize, Hash)) {
        let mode = Mode::new(key);
        self.nodes.clear();
        self.trees.clear();
        let mut tails = Vec::with_capacity(inputs.len());
        for (n, input) in inputs.iter().enumerate() {
            let start = self.nodes.len();
            // One chunk is its own root, which is another computation.
            let (nodes, whole) = match input.len() > CHUNK_LEN {
                true => (input.len().div_ceil(CHUNK_LEN), input.len() / CHUNK_LEN),
                false => (0, 0),
            };
            let chunk = &input[whole * CHUNK_LEN..];
            let goes = if nodes == 0 { Goes::Root(n) } else { Goes::Node(start + whole) };
            if nodes == 0 || !chunk.is_empty() {
                tails.push(Tail { chunk, counter: whole as u64, goes, words: mode.words, done: 0 });
            }
            self.trees.push(Tree { start, nodes });
            self.nodes.resize(start + nodes, Hash::default());
        }
        self.leaves(inputs, mode);
        tails.sort_unstable_by_key(|tail| tail.counter);
        self.heads::<{ 12 * BLOCK_LEN }>(&mut tails, mode);
        self.heads::<{ 8 * BLOCK_LEN }>(&mut tails, mode);
        self.heads::<{ 4 * BLOCK_LEN }>(&mut tails, mode);
        for tail in tails {
            let node = self.rest(&tail, mode);
            match tail.goes {
                Goes::Root(n) => give(n, node),
                Goes::Node(place) => self.nodes[place] = node,
            }
        }
        while self.trees.iter().any(|t| t.nodes > 1) {
            self.parents(mode, &mut give);
        }
    }

    /// The nodes of the inputs' whole chunks: all first ones, all second ones, and so on.
    fn leaves(&mut self, inputs: &[&[u8]], mode: Mode) {
        let most = self.trees.iter().map(|t| t.nodes).max().unwrap_or(0);
        let mut lanes: Vec<&[u8; CHUNK_LEN]> = Vec::with_capacity(inputs.len().next_power_of_two());
        for at in 0..most {
            lanes.clear();
            self.places.clear();
            for (input, tree) in inputs.iter().zip(&self.trees).filter(|(_, tree)| at < tree.nodes) {
                if let Some(whole) = input[at * CHUNK_LEN..].first_chunk() {
                    lanes.push(whole);
                    self.places.push(tree.start + at);
                }
            }
            self.hash(&mut lanes, at as u64, IncrementCounter::No, mode, CHUNK_END);
            for (node, place) in self.out.as_chunks().0.iter().zip(&self.places) {
                self.nodes[*place] = *node;
            }
        }
    }

    /// Chunks, or their first blocks, together; what comes of each is in `out`, and of some more after them.
    fn hash<const N: usize>(
        &mut self,
        lanes: &mut Vec<&[u8; N]>,
        counter: u64,
        counts: IncrementCounter,
        mode: Mode,
        flags_end: u8,
    ) {
        let Some(last) = lanes.last().copied() else { return };
        // Those that fill no vector are hashed by halves of one: rather something in vain than several turns.
        let over = lanes.len() % self.platform.simd_degree();
        lanes.resize(lanes.len() - over + if over == 0 { 0 } else { over.next_power_of_two() }, last);
        self.out.resize(lanes.len() * 32, 0);
        self.platform.hash_many(lanes, &mode.words, counter, counts, mode.flags, CHUNK_START, flags_end, &mut self.out);
    }

    /// The first `N` bytes of the tails that have more. Tails differ in length and in place, of which one turn can
    /// take several only where they are the same or follow each other.
    fn heads<const N: usize>(&mut self, tails: &mut [Tail<'_>], mode: Mode) {
        let mut todo: Vec<usize> =
            (0..tails.len()).filter(|n| tails[*n].done == 0 && tails[*n].chunk.len() > N).collect();
        while todo.len() > 1 {
            let (turn, counts) = turn(&todo, tails);
            let lane = |n: &usize| tails[*n].chunk.first_chunk::<N>();
            let Some(first) = turn.iter().flatten().next() else { return };
            let counter = tails[*first].counter;
            // A place without a tail is hashed in vain.
            let mut lanes: Vec<&[u8; N]> =
                turn.iter().filter_map(|n| n.as_ref().or(Some(first)).and_then(lane)).collect();
            self.hash(&mut lanes, counter, counts, mode, 0);
            for (node, n) in self.out.as_chunks().0.iter().zip(&turn) {
                let Some(n) = n else { continue };
                (tails[*n].words, tails[*n].done) = (words_from_le_bytes_32(node), N);
            }
            todo.retain(|n| tails[*n].done == 0);
        }
    }

    /// The node of a tail: its blocks that are left.
    fn rest(&self, tail: &Tail<'_>, mode: Mode) -> Hash {
        let (mut words, mut rest) = (tail.words, &tail.chunk[tail.done..]);
        let mut start = if tail.done == 0 { CHUNK_START } else { 0 };
        while let Some((block, after)) = rest.split_first_chunk().filter(|(_, after)| !after.is_empty()) {
            self.platform.compress_in_place(&mut words, block, BLOCK_LEN as u8, tail.counter, mode.flags | start);
            (rest, start) = (after, 0);
        }
        let mut block = [0; BLOCK_LEN];
        block[..rest.len()].copy_from_slice(rest);
        let root = if matches!(tail.goes, Goes::Root(_)) { ROOT } else { 0 };
        let flags = mode.flags | start | CHUNK_END | root;
        self.platform.compress_in_place(&mut words, &block, rest.len() as u8, tail.counter, flags);
        le_bytes_from_words_32(&words)
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

/// Which of the tails `todo`, which are sorted by their counters, to take in one turn: those of one counter, or one
/// each of counters that follow each other. Whichever way takes fewer turns for all of them.
fn turn(todo: &[usize], tails: &[Tail<'_>]) -> (Vec<Option<usize>>, IncrementCounter) {
    let counter = |n: &usize| tails[*n].counter;
    let groups = || todo.chunk_by(|a, b| counter(a) == counter(b));
    let most = groups().map(<[usize]>::len).max().unwrap_or(0);
    let longest = groups().max_by_key(|group| group.len()).unwrap_or_default();
    if groups().count() <= most {
        return (longest.iter().copied().map(Some).collect(), IncrementCounter::No);
    }
    let mut turn = Vec::new();
    for first in groups().filter_map(<[usize]>::first) {
        let place = (counter(first) - counter(&todo[0])) as usize;
        turn.resize(place, None);
        turn.push(Some(*first));
    }
    (turn, IncrementCounter::Yes)
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
