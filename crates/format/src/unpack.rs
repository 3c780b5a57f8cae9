//! Reading packs: one chunk from a range of bytes, or a whole pack without index.

use darkslide_words::{ChunkId, RepositoryId};

use crate::frame::{self, Unframer};
use crate::limits::MANIFEST_MAX;
use crate::manifest::{ChunkRow, Manifest};
use crate::signed::{self, DocType, PublicKey};
use crate::{FormatError, IdKey, seal, stream};

/// Sealed bytes opened at a time.
const PIECE: usize = 16 * stream::STRIDE;

/// A pack's zstd stream, opened whole.
pub struct OpenPack {
    /// The concatenated frames.
    pub stream: Vec<u8>,
}

/// A pack's manifest and who signed it.
#[derive(Debug)]
pub struct SignedManifest {
    /// The manifest.
    pub manifest: Manifest,
    /// Its signer; whether that is a trusted writer is the caller's question.
    pub signer: PublicKey,
}

impl OpenPack {
    /// Opens the sealed bytes of a pack.
    pub fn open(sealed: &[u8], identities: &[&dyn age::Identity]) -> Result<Self, FormatError> {
        FormatError::limit("a pack", sealed.len() as u64, crate::limits::PACK_MAX)?;
        let opener = seal::open_head(sealed, identities)?;
        let last = opener.last_segment(sealed.len() as u64).ok_or(FormatError::Tampered { segment: 0 })?;
        let payload = &sealed[opener.payload_at() as usize..];
        let mut plain = Vec::with_capacity(stream::plain_len(payload.len() as u64).unwrap_or(0) as usize);
        let mut scratch = Vec::with_capacity(PIECE);
        // Piece by piece: the sealed bytes stay as they are, and are not copied whole.
        for (n, piece) in payload.chunks(PIECE).enumerate() {
            scratch.clear();
            scratch.extend_from_slice(piece);
            opener.open_segments((n * PIECE / stream::STRIDE) as u64, last, &mut scratch, &mut plain)?;
        }
        Ok(Self { stream: plain })
    }

    /// Finds the manifest without an index: the last frame but one.
    pub fn manifest(&self, repository: Option<RepositoryId>) -> Result<SignedManifest, FormatError> {
        let (mut at, mut before_last, mut last) = (0, None, None);
        while at < self.stream.len() {
            let len = frame::frame_len(&self.stream[at..])?;
            before_last = last;
            last = Some(at..at + len);
            at += len;
        }
        let range = before_last.ok_or_else(|| FormatError::malformed("a pack", "it has no manifest"))?;
        let document = frame::unpack_json("manifest", &self.stream[range], MANIFEST_MAX)?;
        let verified = signed::verify(DocType::Manifest, &document)?;
        let manifest = Manifest::parse(verified.payload, repository)?;
        if verified.signer.writer_id() != manifest.writer {
            return Err(FormatError::NotTrusted {
                what: "manifest",
                signer: verified.signer.writer_id().to_string(),
                wanted: "the writer that it names",
            });
        }
        Ok(SignedManifest { manifest, signer: verified.signer })
    }

    /// The bytes of a frame.
    pub fn frame(&self, row: &ChunkRow) -> Result<&[u8], FormatError> {
        let from = row.off.0 as usize;
        let to = from.saturating_add(row.len.0 as usize);
        self.stream.get(from..to).ok_or(FormatError::WrongChunk { id: row.id })
    }
}

/// Decodes the frame of a full chunk, or the outer frame of a delta, appending
/// to `out`. The plain length of a delta's outer frame follows from its length.
pub fn decode(
    row: &ChunkRow,
    frame_bytes: &[u8],
    unframer: &mut Unframer,
    out: &mut Vec<u8>,
) -> Result<(), FormatError> {
    row.check()?;
    let plain = match row.base {
        None => row.plain.0 as usize,
        Some(_) => outer_len(frame_bytes.len()).ok_or(FormatError::WrongChunk { id: row.id })?,
    };
    unframer.decode(frame_bytes, plain, out)
}

/// Content length of a frame of raw blocks of this length.
fn outer_len(frame_len: usize) -> Option<usize> {
    let mut guess = frame_len.checked_sub(frame::raw_len(0))?;
    while frame::raw_len(guess) > frame_len {
        guess -= 3;
    }
    (frame::raw_len(guess) == frame_len).then_some(guess)
}

/// Checks a decoded chunk against its id.
pub fn check(id: ChunkId, plain: &[u8], key: &IdKey) -> Result<(), FormatError> {
    match key.chunk_id(plain) == id {
        true => Ok(()),
        false => Err(FormatError::WrongChunk { id }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outer_lengths_invert_raw_lengths() {
        for len in [0, 1, 131_071, 131_072, 131_073, 262_144, 262_145, 1_000_000] {
            assert_eq!(outer_len(frame::raw_len(len)), Some(len), "{len}");
        }
        assert_eq!(outer_len(5), None);
    }
}
