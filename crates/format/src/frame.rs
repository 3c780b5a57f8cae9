//! zstd frames: one per chunk; raw blocks for what does not compress; deltas
//! against a prefix.

use std::cell::RefCell;
use std::io::Write as _;

use crate::FormatError;
use crate::stream::SealBuffer;

/// Largest content of one zstd block.
const BLOCK: usize = 128 * 1024;
/// Bytes before the first block of a raw frame.
const RAW_HEAD: usize = 10;

/// How a chunk is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Raw blocks, at memory speed.
    Raw,
    /// Level 1.
    Fast,
    /// Level 3: catalogs, XMP.
    Dense,
}

/// Extensions of files whose format compresses already. Of the RAW ones those that always do: CR2 is lossless JPEG,
/// CR3 Canon's CRX; other makers' cameras let one choose.
fn is_compressed(extension: &str) -> bool {
    matches!(
        extension,
        "jpg"
            | "jpeg"
            | "jpe"
            | "heic"
            | "heif"
            | "hif"
            | "avif"
            | "webp"
            | "jxl"
            | "png"
            | "gif"
            | "mp4"
            | "mov"
            | "m4v"
            | "mts"
            | "m2ts"
            | "lrv"
            | "thm"
            | "mp3"
            | "m4a"
            | "aac"
            | "zip"
            | "gz"
            | "xz"
            | "zst"
            | "7z"
            | "rar"
            | "cr2"
            | "cr3"
            | "crm"
            | "braw"
            | "insv"
    )
}

/// True if chunks of such a file are never compressed, whatever is in them.
pub fn stays_raw(extension: Option<&str>) -> bool {
    extension.is_some_and(is_compressed)
}

/// Extensions of texts and databases, which deserve a better level.
fn is_text(extension: &str) -> bool {
    matches!(
        extension,
        "xmp"
            | "lrcat"
            | "lrcat-data"
            | "db"
            | "sqlite"
            | "cocatalogdb"
            | "cosessiondb"
            | "txt"
            | "xml"
            | "json"
            | "csv"
            | "html"
            | "cos"
            | "pp3"
            | "dop"
            | "on1"
            | "nksc"
            | "log"
    )
}

/// Bits of collision entropy (Rényi's of order 2) from which bytes are taken for incompressible: that of noise is 8,
/// whatever is sampled of it, give or take 33 / n of n bytes (at 512, 0.06).
const DENSE: f64 = 7.6;
/// Bits below which half of the slices speak for all.
const LOOSE: f64 = 7.1;

/// Chunks below this are not sampled for repeats.
const SMALL: usize = 16 * 1024;
/// Bytes of each slice of which the entropy is taken, and how many bytes lie
/// from one to the next at most: closer in a small chunk, to have eight of them.
const SLICE: usize = 128;
/// See [`SLICE`].
const STEP: usize = 16 * 1024;

/// How often each byte was seen. Counting in two places spares waiting for the last count of the same byte.
struct Counts {
    of: [[u32; 256]; 2],
    sampled: usize,
}

impl Counts {
    fn new() -> Self {
        Self { of: [[0; 256]; 2], sampled: 0 }
    }

    fn add(&mut self, slice: &[u8]) {
        let (twos, rest) = slice.as_chunks::<2>();
        let [even, odd] = &mut self.of;
        for [one, other] in twos {
            even[usize::from(*one)] += 1;
            odd[usize::from(*other)] += 1;
        }
        rest.iter().for_each(|byte| even[usize::from(*byte)] += 1);
        self.sampled += slice.len();
    }

    /// Bits of collision entropy: how rarely two of the bytes are the same. Unlike Shannon's it is what it is
    /// however few bytes there are, and takes no logarithm of each count.
    fn entropy(&self) -> f64 {
        let [even, odd] = &self.of;
        let mut sums = [0f32; 8];
        for (some, others) in even.as_chunks::<8>().0.iter().zip(odd.as_chunks::<8>().0) {
            for ((sum, one), other) in sums.iter_mut().zip(some).zip(others) {
                let count = (one + other) as f32;
                *sum += count * count;
            }
        }
        let n = self.sampled as f64;
        let same = sums.iter().map(|sum| f64::from(*sum)).sum::<f64>() - n;
        (n * (n - 1.0) / same).log2()
    }
}

/// Slices of a chunk, from all over it.
fn slices(chunk: &[u8]) -> impl Iterator<Item = &[u8]> {
    let step = (chunk.len() / 8).clamp(SLICE, STEP);
    chunk.chunks(step).map(|window| &window[..window.len().min(SLICE)])
}

/// True if bytes by themselves say that nothing is to be gained. Every second slice says it of most noise, and of
/// most texts that they are none; else the others are asked too.
fn is_dense(chunk: &[u8]) -> bool {
    let mut counts = Counts::new();
    let mut bits = |first: usize| {
        slices(chunk).skip(first).step_by(2).for_each(|slice| counts.add(slice));
        counts.entropy()
    };
    let half = bits(0);
    half >= DENSE || (half >= LOOSE && bits(1) >= DENSE)
}

/// Makes frames; keeps the compressors' working memory.
pub struct Framer {
    fast: zstd::bulk::Compressor<'static>,
    dense: zstd::bulk::Compressor<'static>,
    sampler: zstd::bulk::Compressor<'static>,
    space: Vec<u8>,
}

fn failed(e: impl std::fmt::Display) -> FormatError {
    FormatError::Failed { what: "compressing", detail: e.to_string() }
}

/// A chunk ready for a pack.
#[derive(Debug, Clone, Copy)]
pub enum Frame<'a> {
    /// Stored in raw blocks; this is the plaintext.
    Raw(&'a [u8]),
    /// A complete zstd frame.
    Packed(&'a [u8]),
}

impl Framer {
    /// Prepares both levels.
    pub fn new() -> Result<Self, FormatError> {
        Ok(Self {
            fast: zstd::bulk::Compressor::new(1).map_err(failed)?,
            dense: zstd::bulk::Compressor::new(3).map_err(failed)?,
            sampler: zstd::bulk::Compressor::new(-1).map_err(failed)?,
            space: Vec::new(),
        })
    }

    /// Decides from the file's extension and samples of the chunk. Incompressible
    /// bytes cost 0.02 CPU seconds per GB to find out, against 1.5 to compress.
    pub fn choose(&mut self, extension: Option<&str>, chunk: &[u8]) -> Packing {
        match extension {
            Some(e) if is_compressed(e) => Packing::Raw,
            _ if chunk.len() >= 512 && is_dense(chunk) && !self.gains(chunk) => Packing::Raw,
            Some(e) if is_text(e) => Packing::Dense,
            _ => Packing::Fast,
        }
    }

    /// True if level −1 makes 32 KiB of every MiB at least 3 % smaller. What is too
    /// small for repeats of any length to matter is judged by its entropy alone.
    fn gains(&mut self, chunk: &[u8]) -> bool {
        if chunk.len() < SMALL {
            return false;
        }
        let (mut plain, mut packed) = (0, 0);
        for window in chunk.chunks(1 << 20) {
            let sample = &window[..window.len().min(32 * 1024)];
            self.space.clear();
            self.space.reserve(zstd::zstd_safe::compress_bound(sample.len()));
            plain += sample.len();
            packed += self.sampler.compress_to_buffer(sample, &mut self.space).unwrap_or(sample.len());
        }
        packed * 100 < plain * 97
    }

    /// Frames a chunk; what would not shrink by 2 % stays raw.
    pub fn frame<'a>(&'a mut self, plain: &'a [u8], packing: Packing) -> Result<Frame<'a>, FormatError> {
        let compressor = match packing {
            Packing::Raw => return Ok(Frame::Raw(plain)),
            Packing::Fast => &mut self.fast,
            Packing::Dense => &mut self.dense,
        };
        self.space.clear();
        self.space.reserve(zstd::zstd_safe::compress_bound(plain.len()));
        let len = compressor.compress_to_buffer(plain, &mut self.space).map_err(failed)?;
        match len + RAW_HEAD < plain.len() - plain.len() / 50 {
            true => Ok(Frame::Packed(&self.space[..len])),
            false => Ok(Frame::Raw(plain)),
        }
    }
}

/// A frame made with `base` as its prefix, as `zstd --patch-from` makes it.
pub fn delta(plain: &[u8], base: &[u8]) -> Result<Vec<u8>, FormatError> {
    let mut encoder = zstd::stream::Encoder::with_ref_prefix(Vec::new(), 3, base).map_err(failed)?;
    // The window must reach over the chunk back to the start of the prefix.
    let window = (plain.len() + base.len()).max(1024).next_power_of_two().trailing_zeros();
    encoder.window_log(window.clamp(10, 27)).map_err(failed)?;
    encoder.long_distance_matching(true).map_err(failed)?;
    encoder.set_pledged_src_size(Some(plain.len() as u64)).map_err(failed)?;
    encoder.write_all(plain).map_err(failed)?;
    encoder.finish().map_err(failed)
}

/// Decodes a delta frame.
pub fn undelta(frame: &[u8], base: &[u8], plain_len: usize) -> Result<Vec<u8>, FormatError> {
    use std::io::Read as _;
    let bad = |e: std::io::Error| FormatError::malformed("a delta frame", e);
    let mut decoder = zstd::stream::read::Decoder::with_ref_prefix(frame, base).map_err(bad)?;
    decoder.window_log_max(27).map_err(bad)?;
    let mut plain = Vec::with_capacity(plain_len);
    decoder.take(plain_len as u64 + 1).read_to_end(&mut plain).map_err(bad)?;
    expect_len(plain.len(), plain_len)?;
    Ok(plain)
}

fn expect_len(found: usize, wanted: usize) -> Result<(), FormatError> {
    match found == wanted {
        true => Ok(()),
        false => Err(FormatError::malformed("a frame", format!("{found} bytes where {wanted} were promised"))),
    }
}

/// What stands before the blocks of a frame of so much content.
fn raw_head(plain: usize) -> [u8; RAW_HEAD] {
    // Descriptor 0x80: content size in four bytes, no checksum, no dictionary;
    // window 0x38: 128 KiB, all that raw blocks need.
    let mut head = [0x28, 0xb5, 0x2f, 0xfd, 0x80, 0x38, 0, 0, 0, 0];
    head[6..].copy_from_slice(&(plain as u32).to_le_bytes());
    head
}

/// What stands before a raw block.
fn block_header(len: usize, last: bool) -> [u8; 3] {
    let [a, b, c, _] = ((len as u32) << 3 | u32::from(last)).to_le_bytes();
    [a, b, c]
}

/// Length of the raw frame of `plain` bytes.
pub fn raw_len(plain: usize) -> usize {
    RAW_HEAD + plain + 3 * plain.div_ceil(BLOCK).max(1)
}

/// Hands the pieces of a raw frame of `plain` to `put`, without copying it.
pub fn put_raw(plain: &[u8], mut put: impl FnMut(&[u8])) {
    put(&raw_head(plain.len()));
    let mut rest = plain;
    loop {
        let (block, after) = rest.split_at(rest.len().min(BLOCK));
        put(&block_header(block.len(), after.is_empty()));
        put(block);
        if after.is_empty() {
            return;
        }
        rest = after;
    }
}

/// A raw frame that is put together while its content comes; in the end it is the one that [`put_raw`] makes.
#[derive(Debug, Clone, Copy)]
pub struct RawFrame {
    /// Where it begins in the pack.
    pub at: usize,
    /// Bytes of content so far.
    pub plain: usize,
    /// Where the last block's header stands.
    block_at: usize,
    /// Bytes in the last block.
    block: usize,
}

impl RawFrame {
    /// Begins one, with what has to be known of its end left open.
    pub fn begin(out: &mut SealBuffer) -> Self {
        let at = out.len();
        out.append(&[0; RAW_HEAD]);
        Self { at, plain: 0, block_at: Self::block(out), block: 0 }
    }

    fn block(out: &mut SealBuffer) -> usize {
        let at = out.len();
        out.append(&[0; 3]);
        at
    }

    fn close_block(&self, out: &mut SealBuffer, last: bool) {
        out.overwrite(self.block_at, &block_header(self.block, last));
    }

    /// Adds content.
    pub fn add(&mut self, out: &mut SealBuffer, mut piece: &[u8]) {
        while !piece.is_empty() {
            if self.block == BLOCK {
                self.close_block(out, false);
                (self.block_at, self.block) = (Self::block(out), 0);
            }
            let (some, rest) = piece.split_at(piece.len().min(BLOCK - self.block));
            out.append(some);
            self.block += some.len();
            self.plain += some.len();
            piece = rest;
        }
    }

    /// That was all.
    pub fn end(self, out: &mut SealBuffer) {
        self.close_block(out, true);
        out.overwrite(self.at, &raw_head(self.plain));
    }
}

/// Hands the pieces of a frame of `plain` to `put`: runs of zeros as one byte,
/// everything else raw. Tar headers and padding are little else than zeros, and
/// there are two for each file: this costs a fiftieth of compressing them. The
/// first block is raw even if it is zeros: `zstd` up to 1.4.3 stumbles over the
/// other kind there.
pub fn put_sparse(plain: &[u8], mut put: impl FnMut(&[u8])) {
    put(&raw_head(plain.len()));
    let mut rest = plain;
    loop {
        let (zeros, len) = match next_block(rest) {
            (true, _) if rest.len() == plain.len() => (false, 1),
            found => found,
        };
        let (block, after) = rest.split_at(len);
        let field = (len as u32) << 3 | u32::from(zeros) << 1 | u32::from(after.is_empty());
        put(&field.to_le_bytes()[..3]);
        put(if zeros { &block[..1] } else { block });
        if after.is_empty() {
            return;
        }
        rest = after;
    }
}

/// Whether the next block is zeros, and how many bytes it takes. A run of zeros
/// is worth a block of its own from eight bytes on; looked for in words, so one
/// of less than fifteen may pass for bytes like others.
fn next_block(rest: &[u8]) -> (bool, usize) {
    let rest = &rest[..rest.len().min(BLOCK)];
    let zero = |word: &[u8; 8]| u64::from_ne_bytes(*word) == 0;
    let (words, _) = rest.as_chunks::<8>();
    let run = words.iter().take_while(|word| zero(word)).count() * 8;
    let run = run + rest[run..].iter().take_while(|b| **b == 0).count();
    if run >= 8 || (run > 0 && run == rest.len()) {
        return (true, run);
    }
    let Some(word) = words.iter().position(zero) else { return (false, rest.len()) };
    let before = rest[..word * 8].iter().rev().take_while(|b| **b == 0).count();
    (false, word * 8 - before)
}

/// Decodes frames of known content length.
pub struct Unframer(zstd::bulk::Decompressor<'static>);

impl Unframer {
    /// Prepares a decoder.
    pub fn new() -> Result<Self, FormatError> {
        zstd::bulk::Decompressor::new().map(Self).map_err(failed)
    }

    /// Decodes exactly one frame of exactly `plain_len` bytes, appending to `out`.
    pub fn decode(&mut self, frame: &[u8], plain_len: usize, out: &mut Vec<u8>) -> Result<(), FormatError> {
        if let Some(whole) = single_raw_block(frame, plain_len) {
            out.extend_from_slice(whole);
            return Ok(());
        }
        let one = zstd::zstd_safe::find_frame_compressed_size(frame)
            .map_err(|_| FormatError::malformed("a frame", "it is cut off or no zstd frame"))?;
        expect_len(one, frame.len())?;
        let at = out.len();
        if at == 0 {
            out.reserve(plain_len);
            let spare = out.capacity();
            self.0
                .decompress_to_buffer(frame, out)
                .map_err(|e| FormatError::malformed("a frame", format!("{e} (space {spare})")))?;
            return expect_len(out.len(), plain_len);
        }
        let plain = self.0.decompress(frame, plain_len).map_err(|e| FormatError::malformed("a frame", e))?;
        expect_len(plain.len(), plain_len)?;
        out.extend_from_slice(&plain);
        Ok(())
    }
}

/// The content of a frame that is one raw block, as small chunks often are.
fn single_raw_block(frame: &[u8], plain_len: usize) -> Option<&[u8]> {
    let fits = plain_len <= BLOCK && frame.len() == raw_len(plain_len);
    let mut wanted = [0u8; RAW_HEAD + 3];
    let mut at = 0;
    if !fits {
        return None;
    }
    let content = &frame[RAW_HEAD + 3..];
    let mut same = true;
    put_raw(content, |piece| {
        if at < wanted.len() {
            wanted[at..at + piece.len()].copy_from_slice(piece);
            at += piece.len();
        }
    });
    same &= frame[..RAW_HEAD + 3] == wanted;
    same.then_some(content)
}

/// Length of the frame at the start of `stream`.
pub fn frame_len(stream: &[u8]) -> Result<usize, FormatError> {
    zstd::zstd_safe::find_frame_compressed_size(stream)
        .ok()
        .filter(|len| *len > 0 && *len <= stream.len())
        .ok_or_else(|| FormatError::malformed("a pack", "no complete zstd frame where one should start"))
}

/// Compresses a sealed JSON object. Much of it are ids, in which there is nothing to be found: level −4 looks
/// for less than level 1 and, with its literals compressed all the same, makes it as small for a sixth less.
pub fn pack_json(plain: &[u8]) -> Result<Vec<u8>, FormatError> {
    thread_local! {
        /// With its tables, which are not asked of the system again for each page.
        static OF_JSON: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
    }
    OF_JSON.with_borrow_mut(|kept| {
        let compressor = match kept {
            Some(compressor) => compressor,
            none => none.insert(of_json().map_err(failed)?),
        };
        compressor.compress(plain).map_err(failed)
    })
}

fn of_json() -> std::io::Result<zstd::bulk::Compressor<'static>> {
    let mut compressor = zstd::bulk::Compressor::new(-4)?;
    let literals = zstd::zstd_safe::CParameter::LiteralCompressionMode(zstd::zstd_safe::ParamSwitch::Enable);
    compressor.set_parameter(literals)?;
    Ok(compressor)
}

/// Decompresses a sealed JSON object of at most `limit` bytes.
pub fn unpack_json(what: &'static str, packed: &[u8], limit: usize) -> Result<Vec<u8>, FormatError> {
    use std::io::Read as _;
    let bad = |e: std::io::Error| FormatError::malformed(what, e);
    let decoder = zstd::stream::read::Decoder::new(packed).map_err(bad)?;
    let mut plain = Vec::new();
    decoder.take(limit as u64 + 1).read_to_end(&mut plain).map_err(bad)?;
    FormatError::limit(what, plain.len() as u64, limit as u64)?;
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use darkslide_words::{Rng as _, SeededRng};

    fn noise(len: usize) -> Vec<u8> {
        let mut out = vec![0; len];
        SeededRng::new(len as u64).fill(&mut out);
        out
    }

    #[test]
    fn a_raw_frame_in_pieces_is_the_one_at_once() {
        let sealed = |fill: &dyn Fn(&mut SealBuffer)| {
            let head = crate::seal::Head { header: b"header\n".to_vec(), nonce: [2; 16] };
            let key = crate::stream::StreamKey::derive(&[1; 16], &[2; 16]).unwrap();
            let mut buffer = SealBuffer::new(&head, key, crate::space::Space::default());
            buffer.append(b"before");
            fill(&mut buffer);
            buffer.append(b"after");
            buffer.finish().unwrap().id
        };
        for len in [1, 1000, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 5 * BLOCK + 17] {
            let plain: Vec<u8> = (0..len).map(|n| (n * 7 / 3) as u8).collect();
            let at_once = sealed(&|buffer| put_raw(&plain, |piece| buffer.append(piece)));
            for step in [777, BLOCK, BLOCK + 1, 3 * BLOCK] {
                let in_pieces = sealed(&|buffer| {
                    let mut frame = RawFrame::begin(buffer);
                    plain.chunks(step).for_each(|piece| frame.add(buffer, piece));
                    assert_eq!((frame.plain, frame.at), (len, 6));
                    frame.end(buffer);
                });
                assert_eq!(in_pieces, at_once, "{len} by {step}");
            }
        }
    }

    #[test]
    fn raw_frames_are_zstd_frames() {
        for len in [0, 1, 255, 256, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 3 * BLOCK + 77] {
            let plain = noise(len);
            let mut frame = Vec::new();
            put_raw(&plain, |piece| frame.extend_from_slice(piece));
            assert_eq!(frame.len(), raw_len(len));
            assert_eq!(frame_len(&frame).unwrap(), frame.len());
            assert_eq!(zstd::stream::decode_all(&frame[..]).unwrap(), plain);
            let mut out = Vec::new();
            Unframer::new().unwrap().decode(&frame, len, &mut out).unwrap();
            assert_eq!(out, plain);
            assert!(Unframer::new().unwrap().decode(&frame, len + 1, &mut Vec::new()).is_err());
        }
    }

    #[test]
    fn sparse_frames_are_zstd_frames() {
        let mut cases: Vec<Vec<u8>> = vec![vec![], vec![0], vec![1], vec![0; 7], vec![0; 3 * BLOCK + 5], noise(600)];
        for gaps in [1, 7, 8, 9, 100] {
            let mut mixed = vec![0; gaps];
            for piece in [1, 5, 200] {
                mixed.extend(noise(piece).into_iter().map(|b| b | 1));
                mixed.resize(mixed.len() + gaps, 0);
            }
            cases.push(mixed);
        }
        cases.push([noise(BLOCK + 1), vec![0; BLOCK + 1], noise(9)].concat());
        for plain in cases {
            let mut frame = Vec::new();
            put_sparse(&plain, |piece| frame.extend_from_slice(piece));
            assert_eq!(frame_len(&frame).unwrap(), frame.len());
            assert_eq!(zstd::stream::decode_all(&frame[..]).unwrap(), plain);
        }
        let header = crate::tarball::header(b"2024/x/IMG_0001.xmp", 77, crate::tarball::TarFacts::default());
        let mut len = 0;
        put_sparse(&header, |piece| len += piece.len());
        assert!(len < 180, "{len}");
    }

    #[test]
    fn entropy_is_that_of_the_bytes() {
        let entropy = |chunk: &[u8]| {
            let mut counts = Counts::new();
            slices(chunk).for_each(|slice| counts.add(slice));
            counts.entropy()
        };
        let close = |chunk: &[u8], bits: f64| assert!((entropy(chunk) - bits).abs() < 0.02, "{}", entropy(chunk));
        close(&[7; 5000], 0.0);
        let noise = noise(1 << 20);
        close(&noise, 8.0);
        close(&noise.iter().map(|byte| byte & 0x7f).collect::<Vec<u8>>(), 7.0);
        close(&(0..1 << 20).map(|i| (i & 1) as u8).collect::<Vec<u8>>(), 1.0);
        // Of (a, a, b) one pair in three is the same.
        close(&[1, 1, 2], 3f64.log2());
        // Slices lie all over the chunk: text after noise is seen.
        let mixed = [&noise[..1000], &b"text that repeats ".repeat(300)].concat();
        assert!(entropy(&mixed) < 7.0);
        // Where no two bytes are the same there is nothing to be found.
        assert!(entropy(&[1, 2, 3]) >= DENSE);
    }

    #[test]
    fn half_a_look_takes_no_noise_for_text_and_no_text_for_noise() {
        let mut rng = SeededRng::new(9);
        let (mut seen, mut dense) = (0, 0);
        for len in (1024..16_000).step_by(37) {
            let mut noise = vec![0; len];
            rng.fill(&mut noise);
            (seen, dense) = (seen + 1, dense + usize::from(is_dense(&noise)));
            // Seven bits of each byte: an eighth can be saved.
            noise.iter_mut().for_each(|byte| *byte >>= 1);
            assert!(!is_dense(&noise), "{len}");
        }
        assert!(dense * 100 >= seen * 99, "{dense} of {seen}");
    }

    #[test]
    fn incompressible_stays_raw_and_text_shrinks() {
        let mut framer = Framer::new().unwrap();
        let mut choose = |extension, chunk: &[u8]| framer.choose(extension, chunk);
        assert_eq!(choose(Some("cr3"), &noise(1 << 20)), Packing::Raw);
        for len in [512, 1000, 2000, 4096, 8000] {
            assert_eq!(choose(Some("bin"), &noise(len)), Packing::Raw, "{len}");
            assert_eq!(choose(Some("bin"), &b"text that repeats ".repeat(len / 18)), Packing::Fast, "{len}");
        }
        let smooth: Vec<u8> = (0..1 << 20).map(|i| (i >> 12) as u8).collect();
        assert_eq!(choose(Some("tif"), &smooth), Packing::Fast);
        assert_eq!(choose(Some("nef"), &smooth), Packing::Fast);
        assert_eq!(choose(Some("cr2"), &smooth), Packing::Raw);
        assert_eq!(choose(Some("cr3"), &smooth), Packing::Raw);
        assert_eq!(choose(Some("xmp"), &smooth[..5000]), Packing::Dense);
        assert_eq!(choose(Some("xmp"), &noise(5000)), Packing::Raw);
        assert!(matches!(framer.frame(&noise(10_000), Packing::Dense).unwrap(), Frame::Raw(_)));
        assert!(matches!(framer.frame(&smooth, Packing::Fast).unwrap(), Frame::Packed(p) if p.len() < 10_000));
        // A 16-bit RAW without compression has high entropy but repeats: not raw.
        let mut repeated = noise(3000);
        repeated = repeated.repeat(400);
        assert_eq!(framer.choose(Some("raw"), &repeated), Packing::Fast);
    }

    #[test]
    fn deltas_are_small_and_need_their_base() {
        let base = noise(1 << 20);
        let mut changed = base.clone();
        changed[500_000..500_100].copy_from_slice(&noise(100));
        let frame = delta(&changed, &base).unwrap();
        assert!(frame.len() < 1000, "{}", frame.len());
        assert_eq!(undelta(&frame, &base, changed.len()).unwrap(), changed);
        assert!(undelta(&frame, &changed[..1000], changed.len()).is_err());
        assert!(undelta(&frame, &base, changed.len() - 1).is_err());
    }
}
