//! Index segments: where chunks lie. Derived; always rebuildable from packs.

use darkslide_words::{Bytes, ObjectId, ObjectName, RepositoryId, Time, WriterId};
use serde::{Deserialize, Serialize};

use crate::canon::B64;
use crate::manifest::{self, ChunkRow, PackKind};
use crate::names::{self, Kind};
use crate::signed::{self, DocType, SecretKey};
use crate::{FORMAT, FormatError, canon};

/// A range of the zstd stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Length.
    pub len: Bytes,
    /// Offset.
    pub off: Bytes,
}

/// One pack in a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexPack {
    /// Its chunks.
    pub chunks: Vec<ChunkRow>,
    /// CRC64NVME of the sealed bytes.
    pub crc64: String,
    /// The age header, verbatim.
    pub header: B64,
    /// Kind of pack.
    pub kind: PackKind,
    /// The manifest's frame.
    pub manifest: Span,
    /// The payload nonce.
    pub nonce: B64,
    /// The pack's name.
    pub object: ObjectName,
    /// Sealed bytes.
    pub size: Bytes,
}

impl IndexPack {
    /// The pack's id.
    pub fn id(&self) -> Option<ObjectId> {
        names::parse(&self.object)?.id
    }

    /// Adds it as canonical JSON.
    pub fn append_to(&self, out: &mut Vec<u8>) -> Result<(), FormatError> {
        #[derive(Serialize)]
        struct After<'a> {
            crc64: &'a str,
            header: &'a B64,
            kind: PackKind,
            manifest: Span,
            nonce: &'a B64,
            object: &'a ObjectName,
            size: Bytes,
        }
        let Self { chunks, crc64, header, kind, manifest, nonce, object, size } = self;
        let after = After { crc64, header, kind: *kind, manifest: *manifest, nonce, object, size: *size };
        out.extend_from_slice(b"{\"chunks\":");
        manifest::put_rows(out, chunks);
        out.push(b',');
        out.extend_from_slice(&canon::to_bytes(&after)?[1..]);
        Ok(())
    }

    /// The CRC64NVME.
    pub fn crc(&self) -> Option<u64> {
        u64::from_str_radix(&self.crc64, 16).ok().filter(|_| self.crc64.len() == 16)
    }

    fn check(&self) -> Result<(), FormatError> {
        let kind = match names::parse(&self.object).map(|p| p.kind) {
            Some(Kind::Packs) => PackKind::Cold,
            Some(Kind::Warm) => PackKind::Warm,
            Some(Kind::Trees) => PackKind::Trees,
            _ => {
                return Err(FormatError::malformed("an index segment", format!("`{}` is no pack", self.object)));
            }
        };
        if kind != self.kind || self.crc().is_none() || self.nonce.0.len() != 16 {
            return Err(FormatError::malformed("an index segment", format!("the row of {}", self.object)));
        }
        FormatError::limit("an age header", self.header.0.len() as u64, crate::limits::HEADER_MAX as u64)?;
        FormatError::limit("a pack", self.size.0, crate::limits::PACK_MAX)?;
        self.chunks.iter().try_for_each(ChunkRow::check)
    }
}

/// A segment's payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Required features.
    pub features: Vec<String>,
    /// Format version.
    pub format: u32,
    /// The packs.
    pub packs: Vec<IndexPack>,
    /// Repository.
    pub repository: RepositoryId,
    /// Segments that this one replaces.
    pub supersedes: Vec<ObjectId>,
    /// When it was written.
    pub time: Time,
    /// By whom.
    pub writer: WriterId,
}

impl Segment {
    /// A segment of these packs.
    pub fn new(repository: RepositoryId, writer: WriterId, time: Time, packs: Vec<IndexPack>) -> Self {
        Self { features: Vec::new(), format: FORMAT, packs, repository, supersedes: Vec::new(), time, writer }
    }

    /// Signed, as a document.
    pub fn sign(&self, key: &SecretKey) -> Result<Vec<u8>, FormatError> {
        signed::sign_written(DocType::Index, key, |out| self.append_to(out))
    }

    /// Adds it as canonical JSON.
    fn append_to(&self, out: &mut Vec<u8>) -> Result<(), FormatError> {
        #[derive(Serialize)]
        struct Before<'a> {
            features: &'a [String],
            format: u32,
        }
        #[derive(Serialize)]
        struct After<'a> {
            repository: RepositoryId,
            supersedes: &'a [ObjectId],
            time: Time,
            writer: WriterId,
        }
        let Self { features, format, packs, repository, supersedes, time, writer } = self;
        canon::append(out, &Before { features, format: *format })?;
        out.pop();
        out.extend_from_slice(b",\"packs\":[");
        for (n, pack) in packs.iter().enumerate() {
            if n > 0 {
                out.push(b',');
            }
            pack.append_to(out)?;
        }
        out.extend_from_slice(b"],");
        let after = After { repository: *repository, supersedes, time: *time, writer: *writer };
        out.extend_from_slice(&canon::to_bytes(&after)?[1..]);
        Ok(())
    }

    /// Parses and checks a payload.
    pub fn parse(payload: &[u8], repository: RepositoryId) -> Result<Self, FormatError> {
        let segment: Self = canon::checked("index segment", payload, Some(repository))?;
        segment.packs.iter().try_for_each(IndexPack::check)?;
        Ok(segment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use darkslide_words::ChunkId;

    #[test]
    fn what_is_written_by_hand_is_what_serde_writes() {
        let row = |n: u8| ChunkRow {
            base: (n == 2).then(|| ChunkId::new([9; 32])),
            id: ChunkId::new([n; 32]),
            len: Bytes(n.into()),
            off: Bytes(1 << n),
            plain: Bytes(0),
        };
        let id = ObjectId::new([4; 32]);
        let pack = |rows: u8| IndexPack {
            chunks: (0..rows).map(row).collect(),
            crc64: "0123456789abcdef".into(),
            header: B64(vec![1, 2, 3]),
            kind: PackKind::Warm,
            manifest: Span { len: Bytes(5), off: Bytes(6) },
            nonce: B64(vec![7; 16]),
            object: PackKind::Warm.object(id),
            size: Bytes(u64::MAX),
        };
        for packs in [vec![], vec![pack(0)], vec![pack(3), pack(1)]] {
            for pack in &packs {
                let mut out = Vec::new();
                pack.append_to(&mut out).unwrap();
                assert_eq!(out, canon::to_bytes(pack).unwrap());
            }
            let (repository, writer) = (RepositoryId::new([1; 16]), WriterId::new([2; 16]));
            let segment = Segment { supersedes: vec![id], ..Segment::new(repository, writer, Time(-3), packs) };
            let key = SecretKey::from_seed(&[3; 32]);
            assert_eq!(segment.sign(&key).unwrap(), signed::sign(DocType::Index, &segment, &key).unwrap());
        }
    }
}
