//! A parity file: what it holds, and what can be done with it. Bytes in, bytes out; the disk is
//! `mend`'s business. `docs/parity.md` has the layout.
//!
//! An object is cut into shards of one size; from them as many parity shards are computed as its
//! share says. Any that many damaged shards, of either sort, can be computed anew. Which are
//! damaged, the BLAKE3 of each tells.

mod code;
mod header;

pub use header::{Header, Shape};

/// A parity file that was read, with the hashes of its shards.
pub struct Parity<'f> {
    /// What it says.
    pub header: Header,
    /// True if every block of both headers is whole.
    pub header_whole: bool,
    shards: &'f [u8],
}

/// Which shards are damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Of the object.
    pub data: Vec<usize>,
    /// Of the parity.
    pub parity: Vec<usize>,
    /// True if the object has another length than it should.
    pub length: bool,
    spare: usize,
}

impl Damage {
    /// True if the object is as it was.
    pub fn object_is_whole(&self) -> bool {
        self.data.is_empty() && !self.length
    }

    /// Parity shards that can be used.
    pub fn spare(&self) -> usize {
        self.spare
    }

    /// True if what is left suffices.
    pub fn can_be_healed(&self) -> bool {
        self.data.len() <= self.spare
    }
}

/// The parity file of an object.
pub fn make(object: &[u8], percent: u32) -> Vec<u8> {
    let shape = Shape::of(object.len() as u64, percent);
    let parity = code::encode(&shape, object);
    let mut hashes = Vec::with_capacity(shape.data + shape.parity);
    let mut last = Vec::new();
    for n in 0..shape.data {
        hashes.push(*blake3::hash(shape.piece(object, n, &mut last)).as_bytes());
    }
    hashes.extend(parity.chunks(shape.shard).map(|shard| *blake3::hash(shard).as_bytes()));
    let header = Header { shape, whole: *blake3::hash(object).as_bytes(), hashes }.encode();
    let mut file = Vec::with_capacity(parity.len() + 2 * header.len());
    file.extend_from_slice(&header);
    file.extend_from_slice(&parity);
    file.extend_from_slice(&header);
    file
}

/// Reads a parity file; nothing where no header can be put together from its two.
pub fn read(file: &[u8]) -> Option<Parity<'_>> {
    let (header, header_whole) = Header::read(file)?;
    let from = header.len().min(file.len());
    let to = (from + header.shape.parity * header.shape.shard).min(file.len());
    Some(Parity { header_whole, shards: &file[from..to], header })
}

impl Parity<'_> {
    fn shard(&self, n: usize) -> Option<&[u8]> {
        let size = self.header.shape.shard;
        let shard = self.shards.get(n * size..(n + 1) * size)?;
        let wanted = &self.header.hashes[self.header.shape.data + n];
        (blake3::hash(shard).as_bytes() == wanted).then_some(shard)
    }

    /// Which shards of the object, and of this file, are damaged.
    pub fn examine(&self, object: &[u8]) -> Damage {
        let shape = &self.header.shape;
        let mut last = Vec::new();
        let mut is_whole = |n: usize| {
            let enough = object.len() >= (n * shape.shard + shape.bytes_of(n));
            enough && *blake3::hash(shape.piece(object, n, &mut last)).as_bytes() == self.header.hashes[n]
        };
        let data = (0..shape.data).filter(|n| !is_whole(*n)).collect();
        let parity: Vec<usize> = (0..shape.parity).filter(|n| self.shard(*n).is_none()).collect();
        Damage { data, spare: shape.parity - parity.len(), parity, length: object.len() as u64 != shape.length }
    }

    /// The object as it was; nothing where the damage is too large.
    pub fn rebuild(&self, mut object: Vec<u8>, damage: &Damage) -> Option<Vec<u8>> {
        let shape = &self.header.shape;
        if !damage.can_be_healed() {
            return None;
        }
        object.resize(shape.data * shape.shard, 0);
        // Beyond its end the last shard is zeros, whatever stands there now.
        object[shape.length as usize..].fill(0);
        if !damage.data.is_empty() {
            let spare: Vec<(usize, &[u8])> =
                (0..shape.parity).filter_map(|n| Some((n, self.shard(n)?))).take(damage.data.len()).collect();
            code::decode(shape, &mut object, &damage.data, &spare)?;
        }
        object.truncate(shape.length as usize);
        (*blake3::hash(&object).as_bytes() == self.header.whole).then_some(object)
    }
}

#[cfg(test)]
mod tests;
