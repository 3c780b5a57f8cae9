//! The SHA-256 tree hash: leaves of 1 MiB, folded in pairs to one root.
//!
//! After "Computing Checksums" and "Receiving Checksums When Downloading Data" of the Amazon
//! Glacier developer guide.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use s3s::crypto::{Checksum as _, Sha256};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::blobs::Segment;

/// What a leaf covers.
pub(crate) const MIB: u64 = 1 << 20;

type Digest = [u8; 32];

/// The leaves of some bytes, in order; the last may cover less than a MiB.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Leaves(Vec<Digest>);

impl Leaves {
    /// The root over all of them, in hex; of nothing, that of no bytes.
    pub fn root(&self) -> String {
        hex::encode(root(&self.0))
    }

    /// The leaves of a stretch that begins on a MiB.
    pub fn of(&self, stretch: Stretch) -> Self {
        let from = usize::try_from(stretch.from / MIB).unwrap_or(usize::MAX).min(self.0.len());
        let to = usize::try_from(stretch.to.div_ceil(MIB)).unwrap_or(usize::MAX).clamp(from, self.0.len());
        Self(self.0[from..to].to_vec())
    }

    /// Appends the leaves of what comes next; what came before ends on a MiB.
    pub fn extend(&mut self, next: &Self) {
        self.0.extend_from_slice(&next.0);
    }
}

fn root(leaves: &[Digest]) -> Digest {
    let mut level = leaves.to_vec();
    while level.len() > 1 {
        let pair = |pair: &[Digest]| match pair {
            [one, other] => Sha256::checksum(&[&one[..], &other[..]].concat()),
            // An odd one out goes up as it is.
            rest => rest[0],
        };
        level = level.chunks(2).map(pair).collect();
    }
    level.first().copied().unwrap_or_else(|| Sha256::checksum(b""))
}

impl Serialize for Leaves {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(self.0.as_flattened()))
    }
}

impl<'de> Deserialize<'de> for Leaves {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = BASE64.decode(text).map_err(de::Error::custom)?;
        let (leaves, rest) = bytes.as_chunks::<32>();
        if rest.is_empty() { Ok(Self(leaves.to_vec())) } else { Err(de::Error::custom("a leaf has 32 bytes")) }
    }
}

/// Bytes `from` up to, not including, `to` of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stretch {
    pub from: u64,
    pub to: u64,
}

impl Stretch {
    pub fn whole(size: u64) -> Self {
        Self { from: 0, to: size }
    }

    pub fn bytes(self) -> u64 {
        self.to - self.from
    }

    /// This part of what the segments make up.
    pub fn cut(self, segments: &[Segment]) -> Vec<Segment> {
        let (mut at, mut found) = (0, Vec::new());
        for segment in segments {
            let (from, to) = (self.from.max(at), self.to.min(at + segment.len));
            if from < to {
                found.push(Segment { blob: segment.blob, offset: segment.offset + (from - at), len: to - from });
            }
            at += segment.len;
        }
        found
    }

    /// `0-1048575`.
    pub fn text(self) -> String {
        format!("{}-{}", self.from, self.to.saturating_sub(1))
    }

    /// True if both ends lie on a MiB, or the second at the end of the archive.
    pub fn is_mib_aligned(self, size: u64) -> bool {
        self.from.is_multiple_of(MIB) && (self.to.is_multiple_of(MIB) || self.to == size)
    }

    /// True if the stretch is a subtree of the archive's tree, so that it has a hash of its own.
    pub fn is_tree_aligned(self, size: u64) -> bool {
        if !self.is_mib_aligned(size) || self.from >= self.to {
            return false;
        }
        let (from, to, end) = (self.from / MIB, self.to.div_ceil(MIB), size.div_ceil(MIB));
        let span = (to - from).next_power_of_two();
        from.is_multiple_of(span) && (to - from == span || to == end)
    }
}

/// Both hashes of bytes that come in pieces.
pub(crate) struct TreeHasher {
    linear: Sha256,
    leaf: Sha256,
    in_leaf: u64,
    leaves: Vec<Digest>,
    bytes: u64,
}

/// What [`TreeHasher`] found.
#[derive(Debug, Clone)]
pub(crate) struct Hashed {
    /// SHA-256 of all, in hex.
    pub linear: String,
    pub leaves: Leaves,
    pub bytes: u64,
}

impl TreeHasher {
    pub fn new() -> Self {
        Self { linear: Sha256::new(), leaf: Sha256::new(), in_leaf: 0, leaves: Vec::new(), bytes: 0 }
    }

    pub fn update(&mut self, mut piece: &[u8]) {
        self.linear.update(piece);
        self.bytes += piece.len() as u64;
        while !piece.is_empty() {
            let room = usize::try_from(MIB - self.in_leaf).unwrap_or(usize::MAX);
            let (now, later) = piece.split_at(room.min(piece.len()));
            self.leaf.update(now);
            self.in_leaf += now.len() as u64;
            if self.in_leaf == MIB {
                self.close_leaf();
            }
            piece = later;
        }
    }

    fn close_leaf(&mut self) {
        let leaf = std::mem::replace(&mut self.leaf, Sha256::new());
        self.leaves.push(leaf.finalize());
        self.in_leaf = 0;
    }

    pub fn finish(mut self) -> Hashed {
        if self.in_leaf > 0 {
            self.close_leaf();
        }
        Hashed { linear: hex::encode(self.linear.finalize()), leaves: Leaves(self.leaves), bytes: self.bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashed(bytes: &[u8], piece: usize) -> Hashed {
        let mut hasher = TreeHasher::new();
        bytes.chunks(piece).for_each(|piece| hasher.update(piece));
        hasher.finish()
    }

    /// The definition, top down: the left subtree covers the largest power of two below the size.
    fn naive(bytes: &[u8]) -> Digest {
        let mib = MIB as usize;
        if bytes.len() <= mib {
            return Sha256::checksum(bytes);
        }
        let left = bytes.len().div_ceil(mib).next_power_of_two() / 2 * mib;
        let (left, right) = (naive(&bytes[..left]), naive(&bytes[left..]));
        Sha256::checksum(&[left, right].concat())
    }

    fn sample(bytes: usize) -> Vec<u8> {
        (0..bytes).map(|n| (n.wrapping_mul(2_654_435_761) >> 11) as u8).collect()
    }

    #[test]
    fn the_tree_is_folded_in_pairs() {
        for bytes in [0, 1, 1 << 20, (1 << 20) + 1, 3 << 20, (6 << 20) + 5, 7 << 20] {
            let sample = sample(bytes);
            let found = hashed(&sample, 300_007);
            assert_eq!(found.leaves.root(), hex::encode(naive(&sample)), "{bytes}");
            assert_eq!(found.linear, hex::encode(Sha256::checksum(&sample)));
            assert_eq!(found.bytes, bytes as u64);
            let text = serde_json::to_string(&found.leaves).unwrap();
            assert_eq!(serde_json::from_str::<Leaves>(&text).unwrap(), found.leaves);
        }
    }

    /// A subtree of the whole tree, found by walking all of them.
    fn is_subtree(from: u64, to: u64, low: u64, high: u64) -> bool {
        if (from, to) == (low, high) {
            return true;
        }
        if high - low < 2 {
            return false;
        }
        let middle = low + (high - low).next_power_of_two() / 2;
        is_subtree(from, to, low, middle) || is_subtree(from, to, middle, high)
    }

    #[test]
    fn aligned_is_what_is_a_subtree() {
        for end in 1..40_u64 {
            // An archive that ends within its last MiB.
            let size = end * MIB - 7;
            for from in 0..end {
                for to in from + 1..=end {
                    let stretch = Stretch { from: from * MIB, to: (to * MIB).min(size) };
                    assert_eq!(stretch.is_tree_aligned(size), is_subtree(from, to, 0, end), "{from}..{to} of {end}");
                }
            }
        }
        assert!(!Stretch { from: 1, to: MIB }.is_tree_aligned(5 * MIB));
        assert!(!Stretch { from: 0, to: 5 }.is_tree_aligned(5 * MIB));
    }

    #[test]
    fn a_stretch_has_the_root_of_its_own_leaves() {
        let sample = sample((5 << 20) + 9);
        let all = hashed(&sample, 1 << 16).leaves;
        let tail = Stretch { from: 4 * MIB, to: sample.len() as u64 };
        assert_eq!(all.of(tail).root(), hex::encode(naive(&sample[4 << 20..])));
    }
}
