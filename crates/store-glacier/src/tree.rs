//! The tree hash that goes with an archive: SHA-256 over pieces of 1 MiB, paired up to one. Computed
//! in one pass for the whole and for all of its parts. (SHA-256 of the whole, which signs a
//! request's body, the SDK computes by itself.)
//!
//! Source: Glacier developer guide, checksum-calculations.

use sha2::{Digest as _, Sha256};

/// Bytes of a leaf.
pub(crate) const LEAF: usize = 1 << 20;

type Node = [u8; 32];

/// The leaves of some bytes.
#[derive(Debug, Clone)]
pub(crate) struct Sums {
    leaf: Sha256,
    in_leaf: usize,
    leaves: Vec<Node>,
}

impl Sums {
    pub(crate) fn new() -> Self {
        Self { leaf: Sha256::new(), in_leaf: 0, leaves: Vec::new() }
    }

    /// Of bytes that are all at hand.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut sums = Self::new();
        sums.update(bytes);
        sums
    }

    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at(bytes.len().min(LEAF - self.in_leaf));
            self.leaf.update(piece);
            self.in_leaf += piece.len();
            if self.in_leaf == LEAF {
                self.leaves.push(self.leaf.finalize_reset().into());
                self.in_leaf = 0;
            }
            bytes = rest;
        }
    }

    fn all(&self) -> Vec<Node> {
        let mut leaves = self.leaves.clone();
        if self.in_leaf > 0 || leaves.is_empty() {
            leaves.push(self.leaf.clone().finalize().into());
        }
        leaves
    }

    /// The tree hash, in hex.
    pub(crate) fn tree(&self) -> String {
        hex::encode(root(self.all()))
    }

    /// The tree hash of the part that begins at `from` and has `len` bytes; `from` is a multiple of
    /// 1 MiB, and so is `len` but at the end.
    pub(crate) fn tree_of(&self, from: u64, len: u64) -> String {
        let leaves = self.all();
        let first = (from as usize / LEAF).min(leaves.len());
        let last = ((from + len) as usize).div_ceil(LEAF).min(leaves.len());
        hex::encode(root(leaves[first..last].to_vec()))
    }
}

/// Pairs are hashed together until one is left; a last one without a partner goes up as it is.
fn root(mut nodes: Vec<Node>) -> Node {
    while nodes.len() > 1 {
        nodes = nodes
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => Sha256::new().chain_update(left).chain_update(right).finalize().into(),
                single => single[0],
            })
            .collect();
    }
    nodes.first().copied().unwrap_or_else(|| Sha256::digest([]).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 31 / 7 + i / 1000) as u8).collect()
    }

    /// Written by recursion instead: the left half is the largest power of two that leaves something.
    fn naive(bytes: &[u8]) -> Node {
        let leaves = bytes.len().div_ceil(LEAF).max(1);
        if leaves == 1 {
            return Sha256::digest(bytes).into();
        }
        let left = leaves.next_power_of_two() / 2 * LEAF;
        let mut both = naive(&bytes[..left]).to_vec();
        both.extend(naive(&bytes[left..]));
        Sha256::digest(both).into()
    }

    #[test]
    fn the_tree_is_the_documented_one() {
        for len in [0, 1, LEAF - 1, LEAF, LEAF + 1, 2 * LEAF, 3 * LEAF + 17, 5 * LEAF, 7 * LEAF + 1] {
            let bytes = bytes(len);
            let sums = Sums::of(&bytes);
            assert_eq!(sums.tree(), hex::encode(naive(&bytes)), "{len}");
        }
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Sums::new().tree(), empty);
    }

    #[test]
    fn it_does_not_matter_in_which_pieces_the_bytes_come_nor_where_a_part_lies() {
        let bytes = bytes(6 * LEAF + 99);
        let whole = Sums::of(&bytes);
        let mut pieces = Sums::new();
        bytes.chunks(77_777).for_each(|piece| pieces.update(piece));
        assert_eq!(pieces.tree(), whole.tree());
        for (from, to) in [(0, 2), (2, 4), (4, 7), (6, 7)] {
            let (from, to) = (from * LEAF, (to * LEAF).min(bytes.len()));
            assert_eq!(whole.tree_of(from as u64, (to - from) as u64), Sums::of(&bytes[from..to]).tree());
        }
    }
}
