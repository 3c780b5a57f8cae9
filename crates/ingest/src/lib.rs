//! Card to library: copied once, to every target, read back; and whether the card may be
//! formatted.
//!
//! Level 2; the photograph's first step. **Invariant:** a card is never written to, and nothing in a
//! library is ever replaced. A file counts as copied when it was read back, past the page cache,
//! and was the same. Knows no pack and no cloud.

mod beside;
mod card;
mod check;
mod copier;
mod error;
mod execute;
mod manifests;
pub mod mhl;
mod plan;
mod shelf;
mod template;
mod volumes;

use darkslide_words::{Bytes, Count, Name};

pub use card::{Card, CardFile, IGNORED, scan};
pub use check::{CardState, Checked, CopyAt, PlaceKind, Rule, Verdict, check_places, hash_card, verdict};
pub use error::IngestError;
pub use execute::{Arrived, Failure, Ingest, Ingested, Renamed, apart, ingest};
pub use plan::{IngestPlan, Item, Options, plan, read_facts};
pub use shelf::{Place, Shelf};
pub use template::{Template, TemplateError};
pub use volumes::{Volume, cards, looks_like_a_card, volume_of};

/// How far an ingest is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// Files done.
    pub files: Count,
    /// Bytes read from cards.
    pub bytes: Bytes,
    /// Bytes that there are.
    pub expected: Option<Bytes>,
}

/// Watches an ingest or a check; called from several threads.
pub trait Observer: Sync {
    /// How far it is.
    fn progress(&self, progress: &Progress);
    /// A file that could not be done.
    fn problem(&self, path: &Name, reason: &str);
    /// Something worth knowing.
    fn note(&self, text: &str);
    /// True if it shall stop.
    fn cancelled(&self) -> bool;
}
