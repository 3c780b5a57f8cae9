//! Frames in raw blocks: written by hand, at memory speed, at once or while their content comes.

use std::io::{self, Read};
use std::ops::Range;

use crate::stream::SealBuffer;

/// Largest content of one zstd block.
pub(super) const BLOCK: usize = 128 * 1024;
/// Bytes before the first block of a raw frame.
pub(super) const RAW_HEAD: usize = 10;

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
}

impl RawFrame {
    /// Begins one, with what has to be known of its end left open.
    pub fn begin(out: &mut SealBuffer) -> Self {
        let at = out.len();
        out.append(&[0; RAW_HEAD + 3]);
        Self { at, plain: 0 }
    }

    /// Where the block begins, with its header, that holds the content up to `plain`.
    fn block_at(&self, plain: usize) -> usize {
        self.at + RAW_HEAD + (plain.div_ceil(BLOCK).max(1) - 1) * (3 + BLOCK)
    }

    /// Bytes of content in that block.
    fn in_block(plain: usize) -> usize {
        plain - (plain.div_ceil(BLOCK).max(1) - 1) * BLOCK
    }

    /// Makes room for content with `add`, block by block.
    fn extend(&mut self, out: &mut SealBuffer, mut more: usize, mut add: impl FnMut(&mut SealBuffer, usize)) {
        while more > 0 {
            if Self::in_block(self.plain) == BLOCK {
                out.overwrite(self.block_at(self.plain), &block_header(BLOCK, false));
                out.append(&[0; 3]);
            }
            let n = more.min(BLOCK - Self::in_block(self.plain) % BLOCK);
            add(out, n);
            self.plain += n;
            more -= n;
        }
    }

    /// Adds content.
    pub fn add(&mut self, out: &mut SealBuffer, mut piece: &[u8]) {
        self.extend(out, piece.len(), |out, n| {
            let (some, rest) = piece.split_at(n);
            out.append(some);
            piece = rest;
        });
    }

    /// Adds what `from` gives, up to `most` bytes, without a copy; how many there were.
    pub fn read(&mut self, out: &mut SealBuffer, from: impl Read, most: usize) -> io::Result<usize> {
        let before = self.plain;
        self.extend(out, most, SealBuffer::grow);
        let got = out.fill(self.ranges(before..self.plain), from);
        self.truncate(out, before + got.as_ref().copied().unwrap_or(0));
        got
    }

    /// Where content lies in the pack, block by block.
    fn ranges(&self, content: Range<usize>) -> impl Iterator<Item = Range<usize>> + use<> {
        let (frame, mut from) = (*self, content.start);
        std::iter::from_fn(move || {
            let to = content.end.min((from / BLOCK + 1) * BLOCK);
            let at = frame.block_at(from + 1) + 3 + from % BLOCK;
            let range = at..at + (to - from);
            let more = from < content.end;
            from = to;
            more.then_some(range)
        })
    }

    /// Content from `from` on, where it lies.
    pub fn pieces<'o>(&self, out: &'o SealBuffer, from: usize) -> impl Iterator<Item = &'o [u8]> {
        self.ranges(from..self.plain).flat_map(|range| out.pieces(range))
    }

    /// Forgets content from `to` on.
    pub fn truncate(&mut self, out: &mut SealBuffer, to: usize) {
        self.plain = self.plain.min(to);
        out.truncate(self.block_at(self.plain) + 3 + Self::in_block(self.plain));
    }

    /// That was all.
    pub fn end(self, out: &mut SealBuffer) {
        let last = block_header(Self::in_block(self.plain), true);
        out.overwrite(self.block_at(self.plain), &last);
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
