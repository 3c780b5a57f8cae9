//! What can go wrong between packs and files.

use std::path::PathBuf;

use darkslide_catalog::CatalogError;
use darkslide_format::FormatError;
use darkslide_store::StoreError;
use darkslide_words::{ChunkId, ObjectName};

/// Why a chunk cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkError {
    /// The index knows no place of it.
    #[error("chunk {} is in no pack that the index knows", id.short())]
    Unlisted {
        /// The chunk.
        id: ChunkId,
    },
    /// The page is not in this machine's cache.
    #[error("this machine did not write that snapshot: `--identity FILE` opens it")]
    NotCached {
        /// The page.
        id: ChunkId,
    },
    /// Its pack is damaged or does not open.
    #[error("pack {pack}: {source}")]
    Pack {
        /// The pack.
        pack: ObjectName,
        /// What is wrong.
        source: FormatError,
    },
    /// Its pack is not there, or cold.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The page that lists it is damaged.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// Why a restore could not go on. Single files never end one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The target cannot be used.
    #[error("the target {path}: {source}")]
    Target {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// No space is left.
    #[error("the disk of {path} is full; make room and run the same command again, it goes on from here")]
    Full {
        /// Where.
        path: PathBuf,
    },
    /// Nothing matches.
    #[error("`{path}` is not in this snapshot; `darkslide ls` shows what is")]
    NotInSnapshot {
        /// The path asked for.
        path: String,
    },
    /// The user stopped it.
    #[error("stopped; what was restored stays, the same command goes on from here")]
    Cancelled,
    /// The tree cannot be read.
    #[error(transparent)]
    Chunk(#[from] ChunkError),
}

impl From<FormatError> for RestoreError {
    fn from(error: FormatError) -> Self {
        Self::Chunk(error.into())
    }
}
