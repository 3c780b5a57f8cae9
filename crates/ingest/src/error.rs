//! Why an ingest could not be done.

use std::io;
use std::path::PathBuf;

use darkslide_catalog::CatalogError;

/// Nothing on the card was touched, nothing in the library was replaced.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IngestError {
    /// The card cannot be read at all.
    #[error("the card {path} cannot be read: {source}")]
    NoCard {
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It was pulled while it was read.
    #[error("the card {path} was taken out; put it in and run the same command again: it goes on where it was")]
    Pulled {
        /// Where.
        path: PathBuf,
    },
    /// A target cannot be used.
    #[error("the target {path} cannot be used: {source}")]
    NoTarget {
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A target within the card, or the card within a target.
    #[error("{target} and the card {card} lie within each other; a card is never written to")]
    Overlap {
        /// The target.
        target: PathBuf,
        /// The card.
        card: PathBuf,
    },
    /// A manifest that cannot be read.
    #[error("the manifest {path} cannot be read: {why}")]
    BadManifest {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// There is no manifest.
    #[error("there is no MHL at {path}: name a folder that holds `ascmhl`, or a file that ends with .mhl")]
    NoManifest {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Cancelled.
    #[error("cancelled; what was copied is verified and stays")]
    Cancelled,
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}
