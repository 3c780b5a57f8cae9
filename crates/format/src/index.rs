//! Index segments: where chunks lie. Derived; always rebuildable from packs.

use darkslide_words::{Bytes, ObjectId, ObjectName, RepositoryId, Time, WriterId};
use serde::{Deserialize, Serialize};

use crate::canon::B64;
use crate::manifest::{ChunkRow, PackKind};
use crate::names::{self, Kind};
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

    /// Parses and checks a payload.
    pub fn parse(payload: &[u8], repository: RepositoryId) -> Result<Self, FormatError> {
        let segment: Self = canon::checked("index segment", payload, Some(repository))?;
        segment.packs.iter().try_for_each(IndexPack::check)?;
        Ok(segment)
    }
}
