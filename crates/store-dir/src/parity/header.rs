//! The header of a parity file: in blocks that are checked one by one, and stored twice, so that
//! it survives damage in many places.

use std::ops::Range;

/// The first bytes of a parity file.
const MAGIC: &[u8; 8] = b"DSPARITY";
/// Version of the layout.
const VERSION: u32 = 1;
/// What disks lose at once.
const SECTOR: u64 = 4096;
/// Shards of an object at most, and of its parity.
const SHARDS_MAX: u64 = 1024;
/// Bytes of a block's content; its BLAKE3 follows.
const BLOCK: usize = SECTOR as usize - HASH;
const HASH: usize = 32;
/// Bytes before the hashes of the shards.
const FIXED: usize = 8 + 4 * 4 + 8 * 2 + HASH;

/// How an object is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Bytes of the object.
    pub length: u64,
    /// Bytes of a shard.
    pub shard: usize,
    /// Shards of the object; the last is filled up with zeros.
    pub data: usize,
    /// Shards of parity.
    pub parity: usize,
}

impl Shape {
    /// Of an object of this length with so much parity, in percent. Shards are whole sectors, so
    /// that a lost sector is one lost shard; what is smaller than a sector is a single shard.
    pub fn of(length: u64, percent: u32) -> Self {
        let shard = match length {
            0..=SECTOR => length.next_multiple_of(2).max(2),
            _ => SECTOR * length.div_ceil(SECTOR * SHARDS_MAX),
        };
        let data = length.div_ceil(shard).max(1);
        let parity = (data * u64::from(percent.clamp(1, 100))).div_ceil(100);
        Self { length, shard: shard as usize, data: data as usize, parity: parity as usize }
    }

    fn is_sound(&self) -> bool {
        let counts = 1..=SHARDS_MAX as usize;
        let full = (self.data as u64).checked_mul(self.shard as u64);
        counts.contains(&self.data)
            && counts.contains(&self.parity)
            && self.shard > 0
            && self.shard.is_multiple_of(2)
            && full.is_some_and(|full| full <= 1 << 40 && full >= self.length)
            && (self.data as u64 - 1) * (self.shard as u64) <= self.length
    }

    fn range(&self, n: usize) -> Range<usize> {
        n * self.shard..(n + 1) * self.shard
    }

    /// Bytes of the object that lie in a shard.
    pub fn bytes_of(&self, n: usize) -> usize {
        (self.length as usize).saturating_sub(n * self.shard).min(self.shard)
    }

    /// A shard of an object, filled up with zeros where the object ends; `space` holds it then.
    pub fn piece<'p>(&self, object: &'p [u8], n: usize, space: &'p mut Vec<u8>) -> &'p [u8] {
        let range = self.range(n);
        if range.end as u64 <= self.length && range.end <= object.len() {
            return &object[range];
        }
        space.clear();
        let end = (self.length as usize).min(range.end).min(object.len());
        space.extend_from_slice(&object[range.start.min(end)..end]);
        space.resize(self.shard, 0);
        space
    }
}

/// What a parity file says of its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// How the object is cut.
    pub shape: Shape,
    /// BLAKE3 of the object.
    pub whole: [u8; HASH],
    /// BLAKE3 of each shard: those of the object, then those of parity.
    pub hashes: Vec<[u8; HASH]>,
}

/// The hash of a block depends on its place: no block passes for another.
fn check(n: usize, content: &[u8]) -> [u8; HASH] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(n as u32).to_le_bytes()).update(content);
    *hasher.finalize().as_bytes()
}

fn content_len(shape: &Shape) -> usize {
    FIXED + (shape.data + shape.parity) * HASH
}

/// Where a block lies in a header whose content has this length.
fn block(content: usize, n: usize) -> Range<usize> {
    let from = n * (BLOCK + HASH);
    from..from + BLOCK.min(content - n * BLOCK) + HASH
}

/// The block at this place if it is whole.
fn whole_block(file: &[u8], at: usize, content: usize, n: usize) -> Option<&[u8]> {
    let range = block(content, n);
    let bytes = file.get(at.checked_add(range.start)?..at.checked_add(range.end)?)?;
    let (inner, hash) = bytes.split_at(bytes.len() - HASH);
    (check(n, inner) == hash).then_some(inner)
}

fn fixed(bytes: &[u8]) -> Option<(Shape, [u8; HASH])> {
    let (magic, rest) = bytes.get(..FIXED)?.split_at(8);
    let half = |n: usize| rest[n * 4..n * 4 + 4].try_into().map(u32::from_le_bytes).ok();
    let word = |n: usize| rest[16 + n * 8..24 + n * 8].try_into().map(u64::from_le_bytes).ok();
    if magic != MAGIC || half(0)? != VERSION {
        return None;
    }
    let shape = Shape {
        data: usize::try_from(half(1)?).ok()?,
        parity: usize::try_from(half(2)?).ok()?,
        shard: usize::try_from(word(0)?).ok()?,
        length: word(1)?,
    };
    shape.is_sound().then_some((shape, rest[32..].try_into().ok()?))
}

impl Header {
    /// Bytes of an encoded header.
    pub fn len(&self) -> usize {
        let content = content_len(&self.shape);
        content + content.div_ceil(BLOCK) * HASH
    }

    /// As it stands in the file.
    pub fn encode(&self) -> Vec<u8> {
        let shape = &self.shape;
        let mut content = Vec::with_capacity(content_len(shape));
        content.extend_from_slice(MAGIC);
        for half in [VERSION, shape.data as u32, shape.parity as u32, 0] {
            content.extend_from_slice(&half.to_le_bytes());
        }
        for word in [shape.shard as u64, shape.length] {
            content.extend_from_slice(&word.to_le_bytes());
        }
        content.extend_from_slice(&self.whole);
        self.hashes.iter().for_each(|hash| content.extend_from_slice(hash));
        let mut out = Vec::with_capacity(self.len());
        for (n, piece) in content.chunks(BLOCK).enumerate() {
            out.extend_from_slice(piece);
            out.extend_from_slice(&check(n, piece));
        }
        out
    }

    /// Put together from the blocks of both headers that are whole; true if all are.
    pub fn read(file: &[u8]) -> Option<(Self, bool)> {
        let begins = |at: usize| {
            let (shape, whole) = fixed(file.get(at..)?)?;
            whole_block(file, at, content_len(&shape), 0).map(|_| (shape, whole))
        };
        // The second one is found by its first bytes where the first one does not say where it is.
        let second = || {
            let mut ends = (0..file.len().saturating_sub(FIXED)).rev();
            ends.find_map(|at| file[at..].starts_with(MAGIC).then(|| begins(at)).flatten())
        };
        let (shape, whole) = begins(0).or_else(second)?;
        let content = content_len(&shape);
        let mut header = Self { shape, whole, hashes: Vec::new() };
        let again = header.len().checked_add(shape.parity.checked_mul(shape.shard)?)?;
        let (mut joined, mut sound) = (Vec::with_capacity(content), file.len() == again + header.len());
        for n in 0..content.div_ceil(BLOCK) {
            let (a, b) = (whole_block(file, 0, content, n), whole_block(file, again, content, n));
            sound &= a.is_some() && b.is_some();
            joined.extend_from_slice(a.or(b)?);
        }
        header.hashes = joined[FIXED..].chunks_exact(HASH).filter_map(|hash| hash.try_into().ok()).collect();
        Some((header, sound))
    }
}
