//! Frames in raw blocks: written by hand, at memory speed, at once or while their content comes.

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
