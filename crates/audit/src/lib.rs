//! Audit: what the repository claims against what a store holds. Scrub: every
//! byte against its name. Retention and prune: what may go.
//!
//! Level 2. **Invariant:** the checks read only; nothing is repaired on its own, and
//! nothing is deleted but what a plan of [`retention`] or [`prune`] names.

mod audit;
mod places;
pub mod prune;
mod report;
pub mod retention;
mod rotation;
mod scrub;
mod vouch;

pub use audit::{AuditContext, audit};
pub use places::{Classes, Sums, checksums, replaced};
pub use report::{Finding, Report, Rotated, Severity};
pub use rotation::{Rotation, Round, Sample, Turn, round, runs_of_round, sample};
pub use scrub::{Inventories, ScrubContext, inventories, is_at_hand, scrub};
pub use vouch::vouch;

use darkslide_words::{Bytes, Count};

/// Said of a pack that is lost where nothing is lost with it.
pub(crate) const REPLACED: &str = "is lost, but all that it held lies in other packs: nothing is lost";

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
    /// Something has no price.
    #[error(transparent)]
    Price(#[from] darkslide_price::PriceError),
    /// The repository has no configuration.
    #[error("the repository has no valid configuration")]
    NoConfig,
    /// The facts are older than a deletion may rely upon.
    #[error("the machine slept, or its clock was set, while it pruned: run it again")]
    Stale,
    /// The user stopped it.
    #[error("stopped")]
    Cancelled,
}
