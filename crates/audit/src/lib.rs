//! Audit: what the repository claims against what a store holds. Scrub: every
//! byte against its name.
//!
//! Level 2. **Invariant:** reads only; never repairs on its own.

mod audit;
mod report;
mod scrub;

pub use audit::{AuditContext, audit};
pub use report::{Finding, Report, Severity};
pub use scrub::{Sample, ScrubContext, scrub};

use darkslide_words::{Bytes, Count};

/// How far a check is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// Objects checked.
    pub objects: Count,
    /// Their bytes.
    pub bytes: Bytes,
    /// Bytes that there are.
    pub expected: Option<Bytes>,
}

/// Watches a check; may end it.
pub trait Observer: Sync {
    /// Called often; must return at once.
    fn progress(&self, _progress: &Progress) {}
    /// True to stop; the report says how far it came.
    fn cancelled(&self) -> bool {
        false
    }
}

/// Why a check could not go on. Damage never ends one: it is reported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] darkslide_store::StoreError),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] darkslide_catalog::CatalogError),
    /// The format refused to begin.
    #[error(transparent)]
    Format(#[from] darkslide_format::FormatError),
    /// The user stopped it.
    #[error("stopped")]
    Cancelled,
}
