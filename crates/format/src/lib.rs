//! The repository format: bytes to and from packs, trees, snapshots, index,
//! keys; sealing and opening; chunking. `docs/format.md` is the specification.
//!
//! Level 1. **Invariant:** pure. No disk, no network, no clock: everything here
//! is a function of its arguments (and of fresh randomness where keys are made).
//! Whatever it reads may be hostile: every length is checked against
//! [`limits`] before anything is allocated for it.

pub mod canon;
pub mod chunking;
mod cipher;
pub mod config;
mod error;
pub mod frame;
pub mod fuzzing;
pub mod identity;
pub mod index;
pub mod keys;
pub mod limits;
pub mod manifest;
pub mod many;
pub mod names;
pub mod pack;
pub mod pages;
pub mod paper;
pub mod previews;
pub mod reach;
pub mod recover;
pub mod scattered;
pub mod seal;
pub mod signed;
pub mod snapshot;
pub mod space;
pub mod stream;
mod tarball;
pub mod tree;
pub mod trust;
pub mod unpack;

pub use error::FormatError;

/// The format version that this crate writes and reads.
pub const FORMAT: u32 = 1;

/// Features that this crate understands; version 1 defines none.
pub const FEATURES: &[&str] = &[];

/// Keyed BLAKE3 with the id key: the secret that makes chunk ids, page splits
/// and chunk boundaries unguessable.
#[derive(Clone)]
pub struct IdKey(zeroize::Zeroizing<[u8; 32]>);

impl IdKey {
    /// Wraps the secret.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(zeroize::Zeroizing::new(bytes))
    }

    /// The secret itself, for sealing it.
    pub fn secret(&self) -> &[u8; 32] {
        &self.0
    }

    /// The id of a chunk or page with this plaintext.
    pub fn chunk_id(&self, plain: &[u8]) -> darkslide_words::ChunkId {
        darkslide_words::ChunkId::new(*blake3::keyed_hash(&self.0, plain).as_bytes())
    }

    /// The same of plaintext that comes in pieces: what they hash to.
    pub fn begin(&self) -> scattered::Scattered {
        scattered::Scattered::new(Some(&self.0))
    }

    /// What a config records so that a reader knows the right key.
    pub fn check(&self) -> String {
        hex::encode(blake3::keyed_hash(&self.0, b"darkslide id key check").as_bytes())
    }
}

impl std::fmt::Debug for IdKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdKey(secret)")
    }
}

/// The object id of stored bytes.
pub fn object_id(stored: &[u8]) -> darkslide_words::ObjectId {
    darkslide_words::ObjectId::new(*blake3::hash(stored).as_bytes())
}
