//! zstd frames: one per chunk; raw blocks for what does not compress; deltas
//! against a prefix.

mod raw;

use std::cell::RefCell;
use std::io::Write as _;

use crate::FormatError;

use raw::{BLOCK, RAW_HEAD};
pub use raw::{RawFrame, put_raw, put_sparse, raw_len};

/// How a chunk is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Raw blocks, at memory speed.
    Raw,
    /// Each byte by how often it comes (Huffman coding of literals), without much of a search for repeats: pixels as a
    /// sensor gives them.
    Literals,
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

/// Extensions of files that are mostly pixels, where they are not compressed. Elsewhere a part says little of the rest.
fn is_pixels(extension: &str) -> bool {
    matches!(
        extension,
        "tif"
            | "tiff"
            | "dng"
            | "nef"
            | "nrw"
            | "arw"
            | "sr2"
            | "raf"
            | "rw2"
            | "rwl"
            | "orf"
            | "pef"
            | "srw"
            | "3fr"
            | "fff"
            | "iiq"
            | "mef"
            | "mos"
            | "erf"
            | "kdc"
            | "dcr"
            | "mrw"
            | "x3f"
    )
}

/// Bits of collision entropy (Rényi's of order 2) from which bytes are taken for incompressible: that of noise is 8,
/// whatever is sampled of it, give or take 33 / n of n bytes (at 512, 0.06).
const DENSE: f64 = 7.6;
/// Bits below which half of the slices speak for all.
const LOOSE: f64 = 7.1;

/// Chunks below this are told from noise by their entropy alone.
const SMALL: usize = 16 * 1024;
/// Pixels from here on are asked whether they repeat: of fewer, samples would be a large part.
const WORTH_ASKING: usize = 4 << 20;
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
    literals: zstd::bulk::Compressor<'static>,
    fast: zstd::bulk::Compressor<'static>,
    dense: zstd::bulk::Compressor<'static>,
    sampler: zstd::bulk::Compressor<'static>,
    space: Vec<u8>,
}

fn failed(e: impl std::fmt::Display) -> FormatError {
    FormatError::Failed { what: "compressing", detail: e.to_string() }
}

/// Searches for repeats at a negative level, and codes literals all the same, which those do not by themselves.
fn coding_literals(level: i32) -> std::io::Result<zstd::bulk::Compressor<'static>> {
    let mut compressor = zstd::bulk::Compressor::new(level)?;
    let literals = zstd::zstd_safe::CParameter::LiteralCompressionMode(zstd::zstd_safe::ParamSwitch::Enable);
    compressor.set_parameter(literals)?;
    Ok(compressor)
}

/// Samples of a chunk: so many bytes in the middle of every so many. A file often begins with something else.
#[derive(Clone, Copy)]
struct Samples {
    len: usize,
    step: usize,
}

/// Whether anything is to be gained.
const ANY: Samples = Samples { len: 32 << 10, step: 1 << 20 };
/// Whether rows of pixels are like each other: two of the widest go in.
const ROWS: Samples = Samples { len: 256 << 10, step: 8 << 20 };

impl Samples {
    /// Their bytes before and after this compressor.
    fn pack(self, chunk: &[u8], by: &mut zstd::bulk::Compressor<'_>, space: &mut Vec<u8>) -> (usize, usize) {
        let (mut plain, mut packed) = (0, 0);
        for window in chunk.chunks(self.step) {
            let len = window.len().min(self.len);
            let sample = &window[(window.len() - len) / 2..][..len];
            space.clear();
            space.reserve(zstd::zstd_safe::compress_bound(sample.len()));
            plain += sample.len();
            packed += by.compress_to_buffer(sample, space).unwrap_or(sample.len());
        }
        (plain, packed)
    }
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
    /// Prepares all levels.
    pub fn new() -> Result<Self, FormatError> {
        Ok(Self {
            literals: coding_literals(-64).map_err(failed)?,
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
            Some(e) if is_pixels(e) && chunk.len() >= WORTH_ASKING && !self.repeats(chunk) => Packing::Literals,
            _ => Packing::Fast,
        }
    }

    /// True if level −1 makes samples at least 3 % smaller. What is too small for repeats of any length to matter is
    /// judged by its entropy alone.
    fn gains(&mut self, chunk: &[u8]) -> bool {
        if chunk.len() < SMALL {
            return false;
        }
        let (plain, packed) = ANY.pack(chunk, &mut self.sampler, &mut self.space);
        packed * 100 < plain * 97
    }

    /// True if searching for repeats makes samples at least 2 % smaller than coding literals does, or if they become
    /// so small that there must be many.
    fn repeats(&mut self, chunk: &[u8]) -> bool {
        let (plain, literals) = ROWS.pack(chunk, &mut self.literals, &mut self.space);
        literals * 4 < plain || {
            let (_, searched) = ROWS.pack(chunk, &mut self.fast, &mut self.space);
            searched * 100 < literals * 98
        }
    }

    /// Frames a chunk; what would not shrink by 2 % stays raw.
    pub fn frame<'a>(&'a mut self, plain: &'a [u8], packing: Packing) -> Result<Frame<'a>, FormatError> {
        let compressor = match packing {
            Packing::Raw => return Ok(Frame::Raw(plain)),
            Packing::Literals => &mut self.literals,
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
            none => none.insert(coding_literals(-4).map_err(failed)?),
        };
        compressor.compress(plain).map_err(failed)
    })
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
mod tests;
