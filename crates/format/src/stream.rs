//! age's payload: 64 KiB segments under ChaCha20-Poly1305 (STREAM), sealed in
//! place.
//!
//! A [`SealBuffer`] is laid out like the finished file from the start, with a
//! gap for each segment's tag, so that sealing needs no second buffer and
//! hashing sees each segment while it is still in the cache. What is final may be
//! sealed before the rest is there, or go out in leaves to be sealed by another thread.

mod leaves;
mod passes;

use std::collections::VecDeque;
use std::io::{self, IoSliceMut, Read};
use std::ops::Range;

use darkslide_words::ObjectId;
use ring::hkdf;
use zeroize::Zeroizing;

use crate::FormatError;
use crate::cipher::{Nonce, Opening};
use crate::seal::Head;
use crate::space::Space;

pub use leaves::{Leaf, Leaves};
pub use passes::{OnSealed, Passes};

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
        self.extend(data.len(), |segment, n| {
            let (some, rest) = data.split_at(n);
            segment.extend(some);
            data = rest;
        });
    }

    /// Adds plaintext that is to be written over, by [`SealBuffer::fill`]; until then it is that of another pack.
    pub(crate) fn grow(&mut self, more: usize) {
        self.extend(more, Space::grow);
    }

    /// Adds so many bytes, segment by segment.
    fn extend(&mut self, mut more: usize, mut add: impl FnMut(&mut Space, usize)) {
        while more > 0 {
            let within = self.len % SEGMENT;
            if within == 0 && self.len > 0 {
                self.last().extend(&[0; TAG]);
                let next = self.pool.as_ref().filter(|leaves| (self.len / SEGMENT).is_multiple_of(leaves.segments));
                self.leaves.extend(next.map(|leaves| leaves.pool.take()));
            }
            let n = more.min(SEGMENT - within);
            add(self.last(), n);
            self.len += n;
            more -= n;
        }
    }

    /// Reads into plaintext that was appended before, and not settled: into these ranges of it, which ascend. How many
    /// bytes there were.
    pub(crate) fn fill(
        &mut self,
        ranges: impl Iterator<Item = Range<usize>>,
        mut from: impl Read,
    ) -> io::Result<usize> {
        let spots: Vec<(usize, Range<usize>)> = ranges.flat_map(|range| self.spots(range)).collect();
        let (mut spots, mut slices) = (spots.into_iter().peekable(), Vec::new());
        for (number, leaf) in self.leaves.iter_mut().enumerate() {
            let (mut rest, mut at) = (&mut leaf[..], 0);
            while let Some((_, Range { start, end })) = spots.next_if(|(leaf, _)| *leaf == number) {
                let (slice, after) = rest[start - at..].split_at_mut(end - start);
                slices.push(IoSliceMut::new(slice));
                (rest, at) = (after, end);
            }
        }
        debug_assert!(spots.next().is_none(), "they do not ascend");
        let (mut slices, mut got) = (&mut slices[..], 0);
        while !slices.is_empty() {
            match from.read_vectored(slices) {
                Ok(0) => break,
                Ok(n) => {
                    got += n;
                    IoSliceMut::advance_slices(&mut slices, n);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(got)
    }

    /// Where plaintext lies that was appended before: leaves that are here, and what of each.
    fn spots(&self, range: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> + use<'_> {
        assert!(range.start >= self.sealed() && range.end <= self.len, "bytes are asked for that are not there");
        let mut from = range.start;
        std::iter::from_fn(move || {
            let n = (range.end - from).min(SEGMENT - from % SEGMENT);
            let (leaf, at) = self.spot(from);
            from += n;
            (n > 0).then_some((leaf, at..at + n))
        })
    }

    /// Plaintext that was appended before, and not settled, where it lies.
    pub fn pieces(&self, range: Range<usize>) -> impl Iterator<Item = &[u8]> {
        self.spots(range).map(|(leaf, at)| &self.leaves[leaf][at])
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
    pub fn read(&self, offset: usize, len: usize) -> Vec<u8> {
        self.pieces(offset..offset + len).collect::<Vec<_>>().concat()
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
mod tests;
