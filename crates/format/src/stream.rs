//! age's payload: 64 KiB segments under ChaCha20-Poly1305 (STREAM), sealed in
//! place.
//!
//! A [`SealBuffer`] is laid out like the finished file from the start, with a
//! gap for each segment's tag, so that sealing needs no second buffer and
//! hashing sees each segment while it is still in the cache. What is final may be
//! sealed before the rest is there.

use darkslide_words::ObjectId;
use ring::hkdf;
use zeroize::Zeroizing;

use crate::FormatError;
use crate::cipher::{Nonce, Opening, Sealing};
use crate::seal::Head;
use crate::space::Space;

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

/// A file that is being sealed.
pub struct SealBuffer {
    bytes: Space,
    head: usize,
    len: usize,
    key: StreamKey,
    passes: Option<Passes>,
}

/// What is made of each segment in turn: sealed, hashed, summed up.
struct Passes {
    cipher: Sealing,
    id: blake3::Hasher,
    crc: crc_fast::Digest,
    /// Bytes of the file that were hashed.
    hashed: usize,
    /// Segments that are sealed.
    segments: usize,
}

impl Passes {
    fn new(key: &StreamKey) -> Result<Self, FormatError> {
        let crc = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme);
        Ok(Self { cipher: Sealing::new(&key.0)?, id: blake3::Hasher::new(), crc, hashed: 0, segments: 0 })
    }

    /// Over the next segment of a file whose payload begins at `head`.
    fn next(&mut self, file: &mut [u8], head: usize, last: bool) -> Result<(), FormatError> {
        let from = head + self.segments * STRIDE;
        let to = (from + STRIDE).min(file.len());
        let (plain, gap) = file[from..to].split_at_mut(to - from - TAG);
        let tag = self
            .cipher
            .seal(nonce(self.segments as u64, last), plain)
            .ok_or_else(|| FormatError::Failed { what: "sealing", detail: "the cipher refused".into() })?;
        gap.copy_from_slice(&tag);
        self.segments += 1;
        // In pieces that begin where BLAKE3's own do: others cost it a fifth more.
        let end = if last { to } else { to - to % SEGMENT };
        self.id.update(&file[self.hashed..end]);
        self.crc.update(&file[self.hashed..end]);
        self.hashed = end;
        Ok(())
    }
}

/// Unsealed bytes of which the first are still in the nearest caches.
const NEAR: usize = 4 * SEGMENT;

/// A sealed file and its names.
#[derive(Debug)]
pub struct Sealed {
    /// Header, nonce and sealed payload.
    pub bytes: Space,
    /// BLAKE3 of them.
    pub id: ObjectId,
    /// CRC64NVME of them.
    pub crc64: u64,
}

impl SealBuffer {
    /// Starts with the header; `space` is reused for the bytes.
    pub fn new(head: &Head, key: StreamKey, mut space: Space) -> Self {
        space.truncate(0);
        space.extend(&head.header);
        space.extend(&head.nonce);
        Self { head: space.len(), bytes: space, len: 0, key, passes: None }
    }

    /// Plaintext bytes so far.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True while nothing was appended.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn at(&self, plain: usize) -> usize {
        self.head + plain + plain / SEGMENT * TAG
    }

    /// Adds plaintext.
    pub fn append(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let within = self.len % SEGMENT;
            if within == 0 && self.len > 0 {
                self.bytes.extend(&[0; TAG]);
            }
            let n = data.len().min(SEGMENT - within);
            self.bytes.extend(&data[..n]);
            self.len += n;
            data = &data[n..];
        }
    }

    /// Plaintext that is sealed already. It is not there to be read or replaced any more: a segment that were
    /// sealed twice would give away both its versions.
    fn sealed(&self) -> usize {
        self.passes.as_ref().map_or(0, |passes| passes.segments * SEGMENT)
    }

    /// All that was appended is final: seals whole segments that are still in the cache, which spares bringing
    /// them back. Where more than that waits, after a large chunk, it and all that comes after it wait for the end.
    pub fn settle(&mut self) -> Result<(), FormatError> {
        // The last one is sealed in another way.
        let whole = self.len.saturating_sub(1) / SEGMENT;
        if whole * SEGMENT == self.sealed() || self.len - self.sealed() > NEAR {
            return Ok(());
        }
        let passes = match &mut self.passes {
            Some(passes) => passes,
            none => none.insert(Passes::new(&self.key)?),
        };
        while passes.segments < whole {
            passes.next(&mut self.bytes, self.head, false)?;
        }
        Ok(())
    }

    /// Replaces plaintext that was appended before, and not settled.
    pub fn overwrite(&mut self, mut offset: usize, mut data: &[u8]) {
        assert!(offset >= self.sealed(), "sealed bytes are replaced");
        while !data.is_empty() {
            let n = data.len().min(SEGMENT - offset % SEGMENT);
            let at = self.at(offset);
            self.bytes[at..at + n].copy_from_slice(&data[..n]);
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
            let at = self.at(offset);
            out.extend_from_slice(&self.bytes[at..at + n]);
            offset += n;
        }
        out
    }

    /// Forgets all plaintext from `len` on, which was not settled.
    pub fn truncate(&mut self, len: usize) {
        // The tag of what is sealed stands before the first byte after it.
        assert!(len > self.sealed() || self.sealed() == 0, "sealed bytes are forgotten");
        self.len = self.len.min(len);
        let gaps = self.len.saturating_sub(1) / SEGMENT;
        self.bytes.truncate(self.head + self.len + gaps * TAG);
    }

    /// Seals every segment and names the file.
    pub fn finish(mut self) -> Result<Sealed, FormatError> {
        self.bytes.extend(&[0; TAG]);
        let mut passes = self.passes.take().map_or_else(|| Passes::new(&self.key), Ok)?;
        let segments = (self.bytes.len() - self.head).div_ceil(STRIDE);
        while passes.segments < segments {
            let last = passes.segments + 1 == segments;
            passes.next(&mut self.bytes, self.head, last)?;
        }
        let Passes { id, crc, .. } = passes;
        Ok(Sealed { id: ObjectId::new(*id.finalize().as_bytes()), crc64: crc.finalize(), bytes: self.bytes })
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
