//! What can go wrong with the catalog.

use std::path::PathBuf;

/// Why the catalog could not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// There is none.
    #[error("there is no catalog at {path}: `darkslide open` rebuilds it from the repository")]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// There is one already.
    #[error("a catalog exists at {path}; it was not touched")]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// SQLite cannot read it.
    #[error("the catalog {path} is damaged ({source}): move it away and rebuild it with `darkslide open`")]
    Damaged {
        /// Where.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// Some other database.
    #[error("{path} is not a Darkslide catalog")]
    NotACatalog {
        /// Where.
        path: PathBuf,
    },
    /// Made by a later Darkslide.
    #[error("the catalog {path} is of version {found}, made by a newer Darkslide: use that one")]
    Newer {
        /// Where.
        path: PathBuf,
        /// Its version.
        found: i64,
    },
    /// A row that should not be possible.
    #[error("the catalog holds a broken row ({what}): move it away and rebuild it with `darkslide open`")]
    BrokenRow {
        /// Which.
        what: &'static str,
    },
    /// SQLite reported something.
    #[error("the catalog: {0}")]
    Sqlite(#[from] rusqlite::Error),
}
