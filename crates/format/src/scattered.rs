//! BLAKE3 of bytes that lie scattered. Its library takes pieces that begin and end where its own subtrees do; others
//! cost it up to half as much again. Here they may end anywhere, and most of them stay where they are: what is copied is a
//! chunk of 1 KiB that lies in two of them, and up to 16 KiB that wait for what comes next.

use blake3::hazmat::{self, HasherExt as _};
use blake3::platform::{Platform, le_bytes_from_words_32};
use blake3::{CHUNK_LEN, Hasher, IncrementCounter};

use crate::many::{CHUNK_END, CHUNK_START, Hash, Mode, PARENT};

/// Chunks that are hashed together at least: as many as the widest vector unit has lanes.
const LANES: usize = 16;
/// Chunks whose nodes are joined together; a power of two.
const WINDOW: usize = 256;

/// The hash of what comes in pieces.
pub struct Scattered {
    platform: Platform,
    mode: Mode,
    /// The last bytes: of up to [`LANES`] chunks, the last of which may not be whole. Not empty if anything came.
    carry: Vec<u8>,
    /// Nodes of the chunks of the last window, always some times [`LANES`].
    nodes: Vec<Hash>,
    /// Nodes of the windows before it: one for each bit of their number, the largest first.
    windows: Vec<Hash>,
    window: u64,
    out: Vec<u8>,
}

impl Scattered {
    /// With or without a key.
    pub fn new(key: Option<&Hash>) -> Self {
        Self::on(Platform::detect(), key)
    }

    fn on(platform: Platform, key: Option<&Hash>) -> Self {
        let (carry, nodes) = (Vec::with_capacity(LANES * CHUNK_LEN), Vec::with_capacity(WINDOW));
        let mode = Mode::new(key);
        Self { platform, mode, carry, nodes, windows: Vec::new(), window: 0, out: Vec::new() }
    }

    /// Forgets all that came.
    pub fn restart(&mut self) {
        self.carry.clear();
        self.nodes.clear();
        self.windows.clear();
        self.window = 0;
    }

    /// Chunks of which there are nodes.
    fn chunks(&self) -> u64 {
        self.window * WINDOW as u64 + self.nodes.len() as u64
    }

    /// The next bytes, wherever they lie.
    pub fn update(&mut self, pieces: &[&[u8]]) {
        let all = self.carry.len() + pieces.iter().map(|piece| piece.len()).sum::<usize>();
        // One byte at least stays: the last node is made in another way.
        let ready = all.saturating_sub(1) / CHUNK_LEN / LANES * LANES;
        let mut carry = std::mem::take(&mut self.carry);
        // What was carried is never more than what goes now.
        let mut gone = if ready == 0 { 0 } else { ready * CHUNK_LEN - carry.len() };
        if ready > 0 {
            let (places, bridges) = chunks(&carry, pieces, ready);
            let mut bridges = bridges.iter();
            let lanes: Vec<&[u8; CHUNK_LEN]> =
                places.into_iter().filter_map(|at| at.or_else(|| bridges.next())).collect();
            self.hash(&lanes);
            carry.clear();
        }
        for piece in pieces {
            let (_, rest) = piece.split_at(gone.min(piece.len()));
            gone -= piece.len() - rest.len();
            carry.extend_from_slice(rest);
        }
        self.carry = carry;
    }

    /// The nodes of these chunks, window by window.
    fn hash(&mut self, mut lanes: &[&[u8; CHUNK_LEN]]) {
        while !lanes.is_empty() {
            let (some, rest) = lanes.split_at(lanes.len().min(WINDOW - self.nodes.len()));
            let Mode { words, flags } = &self.mode;
            self.out.resize(some.len() * 32, 0);
            let (counter, yes) = (self.chunks(), IncrementCounter::Yes);
            self.platform.hash_many(some, words, counter, yes, *flags, CHUNK_START, CHUNK_END, &mut self.out);
            self.nodes.extend_from_slice(self.out.as_chunks().0);
            lanes = rest;
            if self.nodes.len() == WINDOW {
                let mut nodes = std::mem::take(&mut self.nodes);
                self.join(&mut nodes, 1);
                self.windows.append(&mut nodes);
                self.nodes = nodes;
                self.window += 1;
                self.join_windows();
            }
        }
    }

    /// Joins nodes that are next to each other until there are so many.
    fn join(&mut self, nodes: &mut Vec<Hash>, to: usize) {
        while nodes.len() > to {
            let pairs: Vec<&[u8; 64]> = nodes.as_flattened().as_chunks().0.iter().collect();
            self.out.resize(pairs.len() * 32, 0);
            let Mode { words, flags } = &self.mode;
            self.platform.hash_many(&pairs, words, 0, IncrementCounter::No, flags | PARENT, 0, 0, &mut self.out);
            nodes.clear();
            nodes.extend_from_slice(self.out.as_chunks().0);
        }
    }

    /// Joins the nodes of windows as far as they are complete trees. More bytes follow, so that none is the root.
    fn join_windows(&mut self) {
        let key = le_bytes_from_words_32(&self.mode.words);
        while self.windows.len() > self.window.count_ones() as usize
            && let (Some(right), Some(left)) = (self.windows.pop(), self.windows.pop())
        {
            self.windows.push(hazmat::merge_subtrees_non_root(&left, &right, self.mode.hazmat(&key)));
        }
    }

    /// The hash of all that came.
    pub fn finish(&mut self) -> Hash {
        let key = le_bytes_from_words_32(&self.mode.words);
        let mode = self.mode.hazmat(&key);
        let mut last = match mode {
            hazmat::Mode::KeyedHash(key) => Hasher::new_keyed(key),
            _ => Hasher::new(),
        };
        let chunks = self.chunks();
        if chunks == 0 {
            return *last.update(&self.carry).finalize().as_bytes();
        }
        let last = last.set_input_offset(chunks * CHUNK_LEN as u64).update(&self.carry).finalize_non_root();
        let mut nodes = self.nodes.clone();
        let groups = nodes.len() / LANES;
        self.join(&mut nodes, groups);
        nodes.push(last);
        while nodes.len() > 2 || (nodes.len() > 1 && !self.windows.is_empty()) {
            nodes = nodes
                .chunks(2)
                .map(|pair| match pair {
                    [left, right] => hazmat::merge_subtrees_non_root(left, right, mode),
                    // It waits for the next round.
                    _ => pair[0],
                })
                .collect();
        }
        // The root, and what is on its right side.
        let mut spine: Vec<Hash> = self.windows.clone();
        spine.append(&mut nodes);
        while let (Some(right), Some(left)) = (spine.pop(), spine.pop()) {
            if spine.is_empty() {
                return *hazmat::merge_subtrees_root(&left, &right, mode).as_bytes();
            }
            spine.push(hazmat::merge_subtrees_non_root(&left, &right, mode));
        }
        unreachable!("two nodes or more are left")
    }
}

/// The first `ready` chunks of what was carried and the pieces: where each lies, none where it lies in two of them; and
/// those.
#[allow(clippy::type_complexity)]
fn chunks<'p>(
    carry: &'p [u8],
    pieces: &[&'p [u8]],
    ready: usize,
) -> (Vec<Option<&'p [u8; CHUNK_LEN]>>, Vec<[u8; CHUNK_LEN]>) {
    let (mut places, mut bridges) = (Vec::with_capacity(ready), Vec::with_capacity(pieces.len()));
    let (mut bridge, mut filled) = ([0; CHUNK_LEN], 0);
    let mut left = ready * CHUNK_LEN;
    for piece in std::iter::once(&carry).chain(pieces) {
        let mut piece = &piece[..piece.len().min(left)];
        left -= piece.len();
        if filled > 0 {
            let (some, rest) = piece.split_at(piece.len().min(CHUNK_LEN - filled));
            bridge[filled..filled + some.len()].copy_from_slice(some);
            (filled, piece) = (filled + some.len(), rest);
            if filled == CHUNK_LEN {
                bridges.push(bridge);
                places.push(None);
                filled = 0;
            }
        }
        let (whole, tail) = piece.as_chunks();
        places.extend(whole.iter().map(Some));
        if !tail.is_empty() {
            bridge[..tail.len()].copy_from_slice(tail);
            filled = tail.len();
        }
    }
    (places, bridges)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Those that this machine has, the fastest first.
    fn platforms() -> Vec<Platform> {
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        let others = [Platform::avx2(), Platform::sse41(), Platform::sse2()];
        #[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
        let others = [None];
        [Some(Platform::detect())].into_iter().chain(others).chain([Some(Platform::portable())]).flatten().collect()
    }

    /// Hashes data in updates of pieces, and begins anew with the same memory.
    fn check(platform: Platform, data: &[u8], updates: &[Vec<usize>]) {
        let key = [7; 32];
        let mut keyed = Scattered::on(platform, Some(&key));
        let mut plain = Scattered::on(platform, None);
        for round in 0..2 {
            let mut rest = data;
            let mut cut = |len: &usize| {
                let (piece, after) = rest.split_at(rest.len().min(*len));
                rest = after;
                piece
            };
            for update in updates {
                let pieces: Vec<&[u8]> = update.iter().map(&mut cut).collect();
                keyed.update(&pieces);
                plain.update(&pieces);
            }
            let last = [cut(&usize::MAX)];
            keyed.update(&last);
            plain.update(&last);
            assert_eq!(keyed.finish(), *blake3::keyed_hash(&key, data).as_bytes(), "{} {round}", data.len());
            assert_eq!(plain.finish(), *blake3::hash(data).as_bytes(), "{} {round}", data.len());
            assert_eq!(plain.finish(), *blake3::hash(data).as_bytes(), "asked again");
            keyed.restart();
            plain.restart();
        }
    }

    fn data(len: usize) -> Vec<u8> {
        (0..len).map(|n| (n / 7 * 31 + n + n / 1000) as u8).collect()
    }

    #[test]
    fn lengths_around_each_node_of_the_tree() {
        let data = data(5 * WINDOW * CHUNK_LEN + 5000);
        for chunks in
            [0, 1, 2, 15, 16, 17, 31, 32, 33, 255, 256, 257, 271, 272, 273, 511, 512, 513, 768, 769, 1024, 1280]
        {
            for more in [0, 1, 63, 64, 65, 1023] {
                for (n, platform) in platforms().into_iter().enumerate().filter(|(n, _)| *n == 0 || more < 2) {
                    let data = &data[..chunks * CHUNK_LEN + more];
                    check(platform, data, &[vec![13, 65_523], vec![300_000]]);
                    if n == 0 {
                        check(platform, data, &[]);
                    }
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn pieces_that_end_anywhere_have_the_hash_of_all(
            len in 0usize..1_500_000,
            updates in proptest::collection::vec(proptest::collection::vec(0usize..100_000, 0..6), 0..12),
        ) {
            check(Platform::detect(), &data(len), &updates);
        }
    }
}
