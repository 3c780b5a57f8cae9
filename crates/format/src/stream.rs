//! age's payload: 64 KiB segments under ChaCha20-Poly1305 (STREAM), sealed in
//! place.
//!
//! A [`SealBuffer`] is laid out like the finished file from the start, with a
//! gap for each segment's tag, so that sealing needs no second buffer and
//! hashing sees each segment while it is still in the cache. What is final may be
//! sealed before the rest is there.

use std::collections::VecDeque;

use darkslide_words::ObjectId;
use ring::hkdf;
use zeroize::Zeroizing;

use crate::FormatError;
use crate::cipher::{Nonce, Opening, Sealing};
use crate::seal::Head;
use crate::space::{Pool, Space};

/// Plaintext bytes of a full segment.
pub const SEGMENT: usize = 64 * 1024;
/// Bytes that authentication adds to each.
pub const TAG: usize = 16;
/// Sealed bytes of a full segment.
pub const STRIDE: usize = SEGMENT + TAG;

/// The key of one payload.
pub struct StreamKey(Zeroizing<[u8; 32]>);

struct KeyLength;
impl hkdf::KeyType for KeyLength {
    fn len(&self) -> usize {
        32
    }
}

impl StreamKey {
    /// HKDF-SHA-256 of the file key, salted with the nonce (age v1).
    pub(crate) fn derive(file_key: &[u8; 16], nonce: &[u8; 16]) -> Result<Self, FormatError> {
        let failed = |_| FormatError::Failed { what: "deriving the payload key", detail: "HKDF refused".into() };
        let mut key = Zeroizing::new([0u8; 32]);
        hkdf::Salt::new(hkdf::HKDF_SHA256, nonce)
            .extract(file_key)
            .expand(&[b"payload"], KeyLength)
            .and_then(|okm| okm.fill(&mut *key))
            .map_err(failed)?;
        Ok(Self(key))
    }
}

fn nonce(segment: u64, last: bool) -> Nonce {
    let mut bytes = [0u8; 12];
    bytes[3..11].copy_from_slice(&segment.to_be_bytes());
    bytes[11] = u8::from(last);
    bytes
}

/// Segments of a payload of this sealed length; nothing where no payload has it.
pub fn segments(sealed_len: u64) -> Option<u64> {
    let stride = STRIDE as u64;
    let rest = sealed_len % stride;
    match (sealed_len, rest) {
        (0, _) => None,
        (_, 0) => Some(sealed_len / stride),
        // An empty last segment is allowed only where the payload is empty.
        (n, r) if r > TAG as u64 || (n == r && r == TAG as u64) => Some(sealed_len / stride + 1),
        _ => None,
    }
}

/// Plaintext bytes of a payload of this sealed length.
pub fn plain_len(sealed_len: u64) -> Option<u64> {
    segments(sealed_len).map(|n| sealed_len - n * TAG as u64)
}

/// Memory of the largest leaf: two large pages.
const LEAF: usize = 4 << 20;
/// Its segments. With the first of them goes the head of the file, which has room beside so many.
const LEAF_SEGMENTS: usize = 63;

/// Memory for leaves, which goes round.
#[derive(Debug, Clone)]
pub struct Leaves {
    pool: Pool,
    segments: usize,
    in_pack: usize,
}

impl Leaves {
    /// Of so many segments, so many in a pack.
    pub fn of(segments: usize, in_pack: usize) -> Self {
        let segments = segments.clamp(1, LEAF_SEGMENTS);
        Self { pool: Pool::new((segments + 1) * LEAF / (LEAF_SEGMENTS + 1)), segments, in_pack }
    }

    /// For packs of about `target` bytes: sixteen leaves or more make one.
    pub fn for_packs(target: u64) -> Self {
        let target = usize::try_from(target).unwrap_or(usize::MAX) / SEGMENT;
        let segments = (target / 16).clamp(1, LEAF_SEGMENTS);
        Self::of(segments, target.div_ceil(segments))
    }

    /// How many make about a pack.
    pub fn in_pack(&self) -> usize {
        self.in_pack
    }

    /// Gives back what is not needed any more.
    pub fn give(&self, space: Space) {
        self.pool.give(space);
    }
}

/// A stretch of whole segments, laid out as in the finished file, that is not changed any more.
pub struct Leaf {
    bytes: Space,
    /// Bytes before the first segment.
    head: usize,
    /// With the first leaf of a file, what is to be made of it and of those after it.
    passes: Option<Box<Passes>>,
}

impl Leaf {
    /// What is made of this leaf and those after it; with the first one only.
    pub fn begins(&mut self) -> Option<Box<Passes>> {
        self.passes.take()
    }

    /// Its memory, for the next one.
    pub fn into_space(self) -> Space {
        self.bytes
    }
}

/// Gets the sealed bytes of a file, piece by piece.
pub type OnSealed<'a> = dyn FnMut(&[u8]) + 'a;

/// A file that is being sealed: whole, in one stretch of memory, or leaf by leaf while it grows.
pub struct SealBuffer {
    /// Those that are still here; of a whole file all that there is.
    leaves: VecDeque<Space>,
    /// Leaves that were handed on.
    gone: usize,
    /// Where further leaves come from; nothing for a whole file.
    pool: Option<Leaves>,
    head: usize,
    len: usize,
    key: StreamKey,
    passes: Option<Passes>,
}

/// What is made of each segment in turn: sealed, hashed, summed up.
pub struct Passes {
    cipher: Sealing,
    id: blake3::Hasher,
    crc: crc_fast::Digest,
    /// Segments that are sealed.
    segments: usize,
    /// Bytes of the file before the leaf at hand.
    before: usize,
    /// Bytes of the leaf that were hashed.
    hashed: usize,
}

impl Passes {
    fn new(key: &StreamKey) -> Result<Self, FormatError> {
        let (cipher, id) = (Sealing::new(&key.0)?, blake3::Hasher::new());
        let crc = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme);
        Ok(Self { cipher, id, crc, segments: 0, before: 0, hashed: 0 })
    }

    /// Over the next segment, which begins at `from` in its leaf.
    fn next(&mut self, leaf: &mut [u8], from: usize, last: bool) -> Result<(), FormatError> {
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
    fn rest(
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

    fn names(self) -> (ObjectId, u64) {
        (ObjectId::new(*self.id.finalize().as_bytes()), self.crc.finalize())
    }
}

/// Unsealed bytes of which the first are still in the nearest caches.
const NEAR: usize = 4 * SEGMENT;

/// A sealed file and its names.
#[derive(Debug)]
pub struct Sealed {
    /// Header, nonce and sealed payload; none where they were handed on in pieces.
    pub bytes: Space,
    /// How many bytes there are.
    pub len: usize,
    /// BLAKE3 of them.
    pub id: ObjectId,
    /// CRC64NVME of them.
    pub crc64: u64,
}

impl SealBuffer {
    /// Starts a whole file with the header; `space` is reused for the bytes.
    pub fn new(head: &Head, key: StreamKey, space: Space) -> Self {
        Self::begin(head, key, space, None)
    }

    /// Starts a file that is handed on in leaves.
    pub fn leaf_by_leaf(head: &Head, key: StreamKey, leaves: Leaves) -> Self {
        Self::begin(head, key, leaves.pool.take(), Some(leaves))
    }

    fn begin(head: &Head, key: StreamKey, mut space: Space, pool: Option<Leaves>) -> Self {
        space.truncate(0);
        space.extend(&head.header);
        space.extend(&head.nonce);
        let head = space.len();
        Self { leaves: VecDeque::from([space]), gone: 0, pool, head, len: 0, key, passes: None }
    }

    /// True if it is handed on in leaves.
    pub fn is_in_leaves(&self) -> bool {
        self.pool.is_some()
    }

    /// Plaintext bytes so far.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True while nothing was appended.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of the leaf that a segment is in, and its place there.
    fn leaf_of(&self, segment: usize) -> (usize, usize) {
        let (leaf, within) = match &self.pool {
            Some(leaves) => (segment / leaves.segments, segment % leaves.segments),
            None => (0, segment),
        };
        (leaf, within * STRIDE + if leaf == 0 { self.head } else { 0 })
    }

    /// The first segment of a leaf.
    fn first_of(&self, leaf: usize) -> usize {
        leaf * self.pool.as_ref().map_or(0, |leaves| leaves.segments)
    }

    /// Which of the leaves that are here a byte of plaintext is in, and where.
    fn spot(&self, plain: usize) -> (usize, usize) {
        let (leaf, at) = self.leaf_of(plain / SEGMENT);
        (leaf - self.gone, at + plain % SEGMENT)
    }

    fn last(&mut self) -> &mut Space {
        let last = self.leaves.len() - 1;
        &mut self.leaves[last]
    }

    /// Adds plaintext.
    pub fn append(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let within = self.len % SEGMENT;
            if within == 0 && self.len > 0 {
                self.last().extend(&[0; TAG]);
                let next = self.pool.as_ref().filter(|leaves| (self.len / SEGMENT).is_multiple_of(leaves.segments));
                self.leaves.extend(next.map(|leaves| leaves.pool.take()));
            }
            let n = data.len().min(SEGMENT - within);
            self.last().extend(&data[..n]);
            self.len += n;
            data = &data[n..];
        }
    }

    /// Plaintext that is sealed already, or handed on. It is not there to be read or replaced any more: a segment
    /// that were sealed twice would give away both its versions.
    fn sealed(&self) -> usize {
        let settled = self.passes.as_ref().map_or(0, |passes| passes.segments);
        settled.max(self.first_of(self.gone)) * SEGMENT
    }

    /// All that was appended to a whole file is final: seals whole segments that are still in the cache, which spares
    /// bringing them back. Where more than that waits, after a large chunk, it and all that comes after it wait for
    /// the end.
    pub fn settle(&mut self) -> Result<(), FormatError> {
        // The last one is sealed in another way.
        let whole = self.len.saturating_sub(1) / SEGMENT;
        if self.pool.is_some() || whole * SEGMENT == self.sealed() || self.len - self.sealed() > NEAR {
            return Ok(());
        }
        let passes = match &mut self.passes {
            Some(passes) => passes,
            none => none.insert(Passes::new(&self.key)?),
        };
        while passes.segments < whole {
            passes.next(&mut self.leaves[0], self.head + passes.segments * STRIDE, false)?;
        }
        Ok(())
    }

    /// Hands on the leaves that are full where plaintext up to `to` is final.
    pub fn ready(&mut self, to: usize) -> Result<Vec<Leaf>, FormatError> {
        let mut ready = Vec::new();
        let Some(leaves) = &self.pool else { return Ok(ready) };
        // The last segment stays: it is sealed in another way. So does that before `to`, up to which all may be taken
        // back.
        let to = to.min(self.len).saturating_sub(1) / SEGMENT / leaves.segments;
        while self.gone < to
            && let Some(bytes) = self.leaves.pop_front()
        {
            // The first takes along what is to be made of all.
            let (head, passes) = match self.gone {
                0 => (self.head, Some(Box::new(Passes::new(&self.key)?))),
                _ => (0, None),
            };
            ready.push(Leaf { bytes, head, passes });
            self.gone += 1;
        }
        Ok(ready)
    }

    /// Replaces plaintext that was appended before, and not settled.
    pub fn overwrite(&mut self, mut offset: usize, mut data: &[u8]) {
        assert!(offset >= self.sealed(), "sealed bytes are replaced");
        while !data.is_empty() {
            let n = data.len().min(SEGMENT - offset % SEGMENT);
            let (leaf, at) = self.spot(offset);
            self.leaves[leaf][at..at + n].copy_from_slice(&data[..n]);
            offset += n;
            data = &data[n..];
        }
    }

    /// A copy of plaintext that was appended before, and not settled.
    pub fn read(&self, mut offset: usize, len: usize) -> Vec<u8> {
        assert!(offset >= self.sealed(), "sealed bytes are read");
        let end = offset + len;
        let mut out = Vec::with_capacity(len);
        while offset < end {
            let n = (end - offset).min(SEGMENT - offset % SEGMENT);
            let (leaf, at) = self.spot(offset);
            out.extend_from_slice(&self.leaves[leaf][at..at + n]);
            offset += n;
        }
        out
    }

    /// Forgets all plaintext from `len` on, which was not settled.
    pub fn truncate(&mut self, len: usize) {
        // The tag of what is sealed stands before the first byte after it.
        assert!(len > self.sealed() || self.sealed() == 0, "sealed bytes are forgotten");
        self.len = self.len.min(len);
        let (leaf, end) = match self.len.checked_sub(1) {
            Some(last) => self.spot(last),
            None => (0, self.head - 1),
        };
        while self.leaves.len() > leaf + 1
            && let (Some(leaves), Some(space)) = (&self.pool, self.leaves.pop_back())
        {
            leaves.give(space);
        }
        self.leaves[leaf].truncate(end + 1);
    }

    /// Seals every segment and names the file.
    pub fn finish(mut self) -> Result<Sealed, FormatError> {
        assert!(self.pool.is_none(), "it is not in one stretch");
        let passes = self.passes.take().map_or_else(|| Passes::new(&self.key), Ok)?;
        self.end(passes, &mut |_| ())
    }

    /// Seals what was not handed on and names the file; `passes` are over what was.
    pub fn finish_after(self, passes: Option<Box<Passes>>, sealed: &mut OnSealed<'_>) -> Result<Sealed, FormatError> {
        let passes = passes.map_or_else(|| Passes::new(&self.key), |passes| Ok(*passes))?;
        self.end(passes, sealed)
    }

    fn end(mut self, mut passes: Passes, sealed: &mut OnSealed<'_>) -> Result<Sealed, FormatError> {
        assert!(self.pool.is_none() || passes.segments == self.first_of(self.gone), "leaves are missing");
        self.last().extend(&[0; TAG]);
        let mut whole = Space::default();
        let count = self.leaves.len();
        for (n, mut leaf) in std::mem::take(&mut self.leaves).into_iter().enumerate() {
            let number = self.gone + n;
            let head = if number == 0 { self.head } else { 0 };
            passes.rest(&mut leaf, head, self.first_of(number), n + 1 == count, sealed)?;
            match &self.pool {
                Some(leaves) => leaves.give(leaf),
                None => whole = leaf,
            }
        }
        let len = passes.before;
        let (id, crc64) = passes.names();
        Ok(Sealed { bytes: whole, len, id, crc64 })
    }
}

/// CRC64NVME of stored bytes.
pub fn crc64(bytes: &[u8]) -> u64 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes)
}

/// Opens segments of one sealed file.
pub struct Opener {
    key: StreamKey,
    payload_at: u64,
}

impl Opener {
    pub(crate) fn new(key: StreamKey, payload_at: u64) -> Self {
        Self { key, payload_at }
    }

    /// Where the payload starts in the file.
    pub fn payload_at(&self) -> u64 {
        self.payload_at
    }

    /// Sealed bytes of the file that hold the plaintext `offset..offset + len`
    /// of a file of `file_len` bytes, and the number of the first segment.
    pub fn covering(&self, offset: u64, len: u64, file_len: u64) -> Option<(std::ops::Range<u64>, u64)> {
        let sealed = file_len.checked_sub(self.payload_at)?;
        let plain = plain_len(sealed)?;
        let end = offset.checked_add(len).filter(|end| *end <= plain && len > 0)?;
        let first = offset / SEGMENT as u64;
        let last = (end - 1) / SEGMENT as u64;
        let from = self.payload_at + first * STRIDE as u64;
        let to = (self.payload_at + (last + 1) * STRIDE as u64).min(file_len);
        Some((from..to, first))
    }

    /// Opens consecutive segments in place and appends their plaintext to
    /// `out`; `sealed` starts at segment `first`, `last` is the file's last one.
    pub fn open_segments(
        &self,
        first: u64,
        last: u64,
        sealed: &mut [u8],
        out: &mut Vec<u8>,
    ) -> Result<(), FormatError> {
        let mut cipher = Opening::new(&self.key.0)?;
        for (n, segment) in sealed.chunks_mut(STRIDE).enumerate() {
            let n = first + n as u64;
            let plain = cipher.open(nonce(n, n == last), segment).ok_or(FormatError::Tampered { segment: n })?;
            out.extend_from_slice(plain);
        }
        Ok(())
    }

    /// The last segment's number in a file of this length.
    pub fn last_segment(&self, file_len: u64) -> Option<u64> {
        segments(file_len.checked_sub(self.payload_at)?).map(|n| n - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> StreamKey {
        StreamKey::derive(&[1; 16], &[2; 16]).unwrap()
    }

    fn head() -> Head {
        Head { header: b"header\n".to_vec(), nonce: [2; 16] }
    }

    #[test]
    fn overwrite_read_and_truncate_work_across_segments() {
        for cut in [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT, 3 * SEGMENT + 5] {
            let mut buffer = SealBuffer::new(&head(), key(), Space::default());
            let data: Vec<u8> = (0..4 * SEGMENT + 7).map(|i| (i * 7 / 3) as u8).collect();
            buffer.append(&data[..100]);
            buffer.append(&data[100..]);
            buffer.truncate(cut);
            assert_eq!(buffer.len(), cut);
            buffer.append(&data[cut..]);
            let at = SEGMENT - 3;
            buffer.overwrite(at, b"abcdefg");
            assert_eq!(buffer.read(at - 1, 9)[1..8], *b"abcdefg");
            let mut wanted = data.clone();
            wanted[at..at + 7].copy_from_slice(b"abcdefg");
            let sealed = buffer.finish().unwrap();
            assert_eq!(sealed.crc64, crc64(&sealed.bytes));
            assert_eq!(sealed.id, crate::object_id(&sealed.bytes));
            let opener = Opener::new(key(), 23);
            let len = sealed.bytes.len() as u64;
            let mut payload = sealed.bytes[23..].to_vec();
            let mut out = Vec::new();
            opener.open_segments(0, opener.last_segment(len).unwrap(), &mut payload, &mut out).unwrap();
            assert_eq!(out, wanted);
            let (range, first) = opener.covering(at as u64, 7, len).unwrap();
            let mut part = sealed.bytes[range.start as usize..range.end as usize].to_vec();
            out.clear();
            opener.open_segments(first, opener.last_segment(len).unwrap(), &mut part, &mut out).unwrap();
            assert_eq!(out[at - first as usize * SEGMENT..][..7], *b"abcdefg");
        }
    }

    /// A file of `data`, appended so many bytes at a time; settled each time, or never.
    fn sealed(data: &[u8], step: usize, settled: bool) -> Sealed {
        let mut buffer = SealBuffer::new(&head(), key(), Space::default());
        for piece in data.chunks(step) {
            buffer.append(piece);
            if settled {
                buffer.settle().unwrap();
                assert!(buffer.len() - buffer.sealed() <= SEGMENT);
            }
        }
        buffer.finish().unwrap()
    }

    #[test]
    fn what_is_settled_on_the_way_is_sealed_as_at_the_end() {
        let data: Vec<u8> = (0..9 * SEGMENT + 7).map(|i| (i * 7 / 3) as u8).collect();
        for len in [0, 1, SEGMENT, SEGMENT + 1, 5 * SEGMENT, 9 * SEGMENT + 7] {
            for step in [4099, SEGMENT, SEGMENT + 1, 3 * SEGMENT] {
                let (at_once, on_the_way) = (sealed(&data[..len], step, false), sealed(&data[..len], step, true));
                assert_eq!(on_the_way.bytes[..], at_once.bytes[..], "{len} by {step}");
                assert_eq!((on_the_way.id, on_the_way.crc64), (at_once.id, at_once.crc64), "{len} by {step}");
                assert_eq!(at_once.id, crate::object_id(&at_once.bytes));
            }
        }
    }

    #[test]
    fn what_is_taken_back_after_settling_leaves_no_trace() {
        let data: Vec<u8> = (0..3 * SEGMENT).map(|i| (i * 11 / 5) as u8).collect();
        let made = |settled: bool| {
            let mut buffer = SealBuffer::new(&head(), key(), Space::default());
            buffer.append(&data[..SEGMENT + 100]);
            if settled {
                buffer.settle().unwrap();
            }
            buffer.append(&[9; SEGMENT]);
            buffer.truncate(SEGMENT + 50);
            buffer.append(&data[SEGMENT + 50..2 * SEGMENT + 60]);
            buffer.overwrite(SEGMENT + 7, b"other");
            if settled {
                buffer.settle().unwrap();
            }
            buffer.append(&data[2 * SEGMENT + 60..]);
            assert_eq!(buffer.sealed(), if settled { 2 * SEGMENT } else { 0 });
            buffer.finish().unwrap()
        };
        let (on_the_way, at_once) = (made(true), made(false));
        assert_eq!(on_the_way.bytes[..], at_once.bytes[..]);
        assert_eq!((on_the_way.id, on_the_way.crc64), (at_once.id, at_once.crc64));
    }

    #[test]
    fn what_is_settled_is_neither_read_nor_replaced_nor_forgotten() {
        let settled = || {
            let mut buffer = SealBuffer::new(&head(), key(), Space::default());
            buffer.append(&[1; SEGMENT + 9]);
            buffer.settle().unwrap();
            buffer
        };
        let refuses = |what: fn(&mut SealBuffer)| {
            let mut buffer = settled();
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| what(&mut buffer))).is_err()
        };
        assert!(refuses(|buffer| buffer.truncate(SEGMENT)));
        assert!(refuses(|buffer| buffer.overwrite(SEGMENT - 1, b"ab")));
        assert!(refuses(|buffer| drop(buffer.read(SEGMENT - 1, 2))));
        assert!(!refuses(|buffer| buffer.truncate(SEGMENT + 1)));
        assert!(!refuses(|buffer| buffer.overwrite(SEGMENT, b"ab")));
        assert_eq!(settled().read(SEGMENT, 9), [1; 9]);
    }

    /// What a buffer in leaves comes to, each leaf sealed as soon as it is ready.
    struct Handed {
        buffer: SealBuffer,
        passes: Option<Box<Passes>>,
        leaves: Leaves,
        bytes: Vec<u8>,
    }

    impl Handed {
        fn new(segments: usize) -> Self {
            let leaves = Leaves::of(segments, 16);
            let buffer = SealBuffer::leaf_by_leaf(&head(), key(), leaves.clone());
            Self { buffer, passes: None, leaves, bytes: Vec::new() }
        }

        fn ready(&mut self, to: usize) {
            for mut leaf in self.buffer.ready(to).unwrap() {
                let passes = match leaf.begins() {
                    Some(passes) => self.passes.insert(passes),
                    None => self.passes.as_mut().unwrap(),
                };
                passes.leaf(&mut leaf, &mut |sealed| self.bytes.extend_from_slice(sealed)).unwrap();
                self.leaves.give(leaf.into_space());
            }
        }

        fn finish(mut self) -> (Sealed, Vec<u8>) {
            let sealed = self.buffer.finish_after(self.passes, &mut |sealed| self.bytes.extend_from_slice(sealed));
            (sealed.unwrap(), self.bytes)
        }
    }

    #[test]
    fn what_is_handed_on_in_leaves_is_sealed_as_in_one_stretch() {
        let data: Vec<u8> = (0..9 * SEGMENT + 7).map(|i| (i * 7 / 3) as u8).collect();
        for len in [0, 1, SEGMENT, SEGMENT + 1, 4 * SEGMENT, 4 * SEGMENT + 1, 9 * SEGMENT + 7] {
            for (segments, step) in [(1, 4099), (1, SEGMENT), (2, SEGMENT + 1), (3, 3 * SEGMENT), (63, 5 * SEGMENT)] {
                let whole = sealed(&data[..len], step, false);
                let mut handed = Handed::new(segments);
                for piece in data[..len].chunks(step) {
                    handed.buffer.append(piece);
                    let all = handed.buffer.len();
                    handed.ready(all);
                    assert!(handed.buffer.len() - handed.buffer.sealed() <= segments * SEGMENT);
                }
                let pool = handed.leaves.pool.clone();
                let (sealed, bytes) = handed.finish();
                assert!(bytes == whole.bytes[..], "{len} in leaves of {segments} by {step}");
                assert_eq!((sealed.id, sealed.crc64, sealed.len), (whole.id, whole.crc64, bytes.len()));
                assert!(
                    sealed.bytes.is_empty() && pool.len() <= 3 * SEGMENT / (segments * SEGMENT) + 2,
                    "it goes round"
                );
            }
        }
    }

    #[test]
    fn up_to_where_all_may_be_taken_back_a_segment_stays() {
        for at in [2 * SEGMENT - 1, 2 * SEGMENT, 2 * SEGMENT + 1, 3 * SEGMENT] {
            let data: Vec<u8> = (0..5 * SEGMENT).map(|i| (i * 13 / 5) as u8).collect();
            let mut handed = Handed::new(1);
            handed.buffer.append(&data[..at]);
            handed.buffer.append(&[7; 3 * SEGMENT]);
            handed.ready(at);
            assert_eq!(handed.buffer.sealed(), (at - 1) / SEGMENT * SEGMENT, "{at}");
            handed.buffer.truncate(at);
            handed.buffer.append(&data[at..]);
            let (sealed, bytes) = handed.finish();
            let whole = self::sealed(&data, SEGMENT, false);
            assert!(bytes == whole.bytes[..] && sealed.id == whole.id, "{at}");
        }
    }

    #[test]
    fn what_is_handed_on_is_neither_replaced_nor_forgotten_nor_left_out() {
        let handed = || {
            let mut handed = Handed::new(1);
            handed.buffer.append(&[1; SEGMENT + 9]);
            handed.ready(usize::MAX);
            assert_eq!(handed.buffer.sealed(), SEGMENT);
            handed
        };
        let refuses = |what: fn(Handed)| std::panic::catch_unwind(|| what(handed())).is_err();
        assert!(refuses(|mut handed| handed.buffer.truncate(SEGMENT)));
        assert!(refuses(|mut handed| handed.buffer.overwrite(SEGMENT - 1, b"ab")));
        assert!(refuses(|handed| drop(handed.buffer.read(SEGMENT - 1, 2))));
        assert!(refuses(|handed| drop(handed.buffer.finish())), "it is in leaves");
        let none = |handed: Handed| handed.buffer.finish_after(None, &mut |_| ());
        assert!(std::panic::catch_unwind(|| none(handed())).is_err(), "a leaf is missing");
        assert!(!refuses(|mut handed| handed.buffer.overwrite(SEGMENT, b"ab")));
        assert!(!refuses(|handed| drop(handed.finish())));
    }

    #[test]
    fn lengths_that_no_payload_has() {
        assert_eq!(segments(0), None);
        assert_eq!(segments(15), None);
        assert_eq!(segments(16), Some(1));
        assert_eq!(segments(STRIDE as u64), Some(1));
        assert_eq!(segments(STRIDE as u64 + 16), None);
        assert_eq!(segments(STRIDE as u64 + 17), Some(2));
    }
}
