//! Sealing, hashing and summing up, segment by segment, in one pass over the memory.

use darkslide_words::ObjectId;

use super::{Leaf, SEGMENT, STRIDE, StreamKey, TAG, nonce};
use crate::FormatError;
use crate::cipher::Sealing;

/// Gets the sealed bytes of a file, piece by piece.
pub type OnSealed<'a> = dyn FnMut(&[u8]) + 'a;

/// What is made of each segment in turn: sealed, hashed, summed up.
pub struct Passes {
    cipher: Sealing,
    id: blake3::Hasher,
    crc: crc_fast::Digest,
    /// Segments that are sealed.
    pub(super) segments: usize,
    /// Bytes of the file before the leaf at hand.
    pub(super) before: usize,
    /// Bytes of the leaf that were hashed.
    hashed: usize,
}

impl Passes {
    pub(super) fn new(key: &StreamKey) -> Result<Self, FormatError> {
        let (cipher, id) = (Sealing::new(&key.0)?, blake3::Hasher::new());
        let crc = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme);
        Ok(Self { cipher, id, crc, segments: 0, before: 0, hashed: 0 })
    }

    /// Over the next segment, which begins at `from` in its leaf.
    pub(super) fn next(&mut self, leaf: &mut [u8], from: usize, last: bool) -> Result<(), FormatError> {
        let to = (from + STRIDE).min(leaf.len());
        let (plain, gap) = leaf[from..to].split_at_mut(to - from - TAG);
        let tag = self
            .cipher
            .seal(nonce(self.segments as u64, last), plain)
            .ok_or_else(|| FormatError::Failed { what: "sealing", detail: "the cipher refused".into() })?;
        gap.copy_from_slice(&tag);
        self.segments += 1;
        // In pieces that begin where BLAKE3's own do: others cost it a fifth more.
        let end = if last { to } else { to - (self.before + to) % SEGMENT };
        self.hash(leaf, end);
        Ok(())
    }

    fn hash(&mut self, leaf: &[u8], to: usize) {
        if to > self.hashed {
            self.id.update(&leaf[self.hashed..to]);
            self.crc.update(&leaf[self.hashed..to]);
            self.hashed = to;
        }
    }

    /// Over all segments of a leaf; each is handed to `sealed` while it is in the cache.
    pub fn leaf(&mut self, leaf: &mut Leaf, sealed: &mut OnSealed<'_>) -> Result<(), FormatError> {
        let first = self.segments;
        self.rest(&mut leaf.bytes, leaf.head, first, false, sealed)
    }

    /// Over the segments that are not sealed yet of a leaf whose first is number `first`.
    pub(super) fn rest(
        &mut self,
        leaf: &mut [u8],
        head: usize,
        first: usize,
        last: bool,
        sealed: &mut OnSealed<'_>,
    ) -> Result<(), FormatError> {
        let mut given = 0;
        let mut from = head + (self.segments - first) * STRIDE;
        while from < leaf.len() {
            let to = from + STRIDE;
            self.next(leaf, from, last && to >= leaf.len())?;
            sealed(&leaf[given..self.hashed]);
            (given, from) = (self.hashed, to);
        }
        self.hash(leaf, leaf.len());
        sealed(&leaf[given..]);
        self.before += leaf.len();
        self.hashed = 0;
        Ok(())
    }

    pub(super) fn names(self) -> (ObjectId, u64) {
        (ObjectId::new(*self.id.finalize().as_bytes()), self.crc.finalize())
    }
}
