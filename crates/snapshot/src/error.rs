//! Why a backup run could not go on.

use std::path::PathBuf;

use darkslide_catalog::CatalogError;
use darkslide_format::FormatError;
use darkslide_store::StoreError;

/// Why a run ended early. Single files never end one: they are counted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The library is not there.
    #[error("the library {path} cannot be read: {source}; is the disk mounted?")]
    LibraryMissing {
        /// Where it should be.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The library holds nothing, and held something before.
    #[error(
        "the library {path} is empty, and was not before: is the disk mounted? (`--allow-empty` if it is meant to be)"
    )]
    LibraryEmpty {
        /// Where it is.
        path: PathBuf,
    },
    /// No store takes objects any more.
    #[error("no store is left to write to: {0}")]
    NoStore(#[source] StoreError),
    /// The repository has no configuration.
    #[error("the repository has no valid configuration")]
    NoConfig,
    /// This machine may not write.
    #[error(
        "this machine's writer {name} is not enrolled, or was revoked: the owner enrolls it with `darkslide writer enroll`"
    )]
    NotEnrolled {
        /// The writer.
        name: String,
    },
    /// A working file of our own.
    #[error("{what} {path}: {source}")]
    Work {
        /// What was being done.
        what: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The user stopped it.
    #[error("stopped; the next run continues from here")]
    Cancelled,
    /// The sealing thread is gone.
    #[error("the sealing thread ended unexpectedly")]
    SealerGone,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The format refused.
    #[error(transparent)]
    Format(#[from] FormatError),
}
