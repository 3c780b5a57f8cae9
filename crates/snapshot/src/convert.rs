//! Between the format's index rows and the catalog's.

use darkslide_catalog::{ChunkFacts, PackFacts};
use darkslide_format::canon::B64;
use darkslide_format::index::{IndexPack, Span};
use darkslide_format::manifest::{ChunkRow, PackKind};

/// What the catalog keeps of an index row.
pub fn pack_facts(row: &IndexPack) -> PackFacts {
    PackFacts {
        name: row.object.clone(),
        kind: row.kind.code(),
        size: row.size,
        crc64: row.crc().unwrap_or_default(),
        header: row.header.0.clone(),
        nonce: row.nonce.0.clone(),
        manifest_off: row.manifest.off,
        manifest_len: row.manifest.len,
    }
}

/// What the catalog keeps of its chunks.
pub fn chunk_facts(row: &IndexPack) -> Vec<ChunkFacts> {
    let fact = |c: &ChunkRow| ChunkFacts { id: c.id, off: c.off, len: c.len, plain: c.plain, base: c.base };
    row.chunks.iter().map(fact).collect()
}

/// The index row of a pack that the catalog knows.
pub fn index_pack(facts: &PackFacts, chunks: &[ChunkFacts]) -> IndexPack {
    let row = |c: &ChunkFacts| ChunkRow { base: c.base, id: c.id, len: c.len, off: c.off, plain: c.plain };
    IndexPack {
        chunks: chunks.iter().map(row).collect(),
        crc64: format!("{:016x}", facts.crc64),
        header: B64(facts.header.clone()),
        kind: PackKind::from_code(facts.kind).unwrap_or(PackKind::Cold),
        manifest: Span { len: facts.manifest_len, off: facts.manifest_off },
        nonce: B64(facts.nonce.clone()),
        object: facts.name.clone(),
        size: facts.size,
    }
}
