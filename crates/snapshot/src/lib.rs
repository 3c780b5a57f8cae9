//! Library → chunks → packs → store: one run of a backup.
//!
//! Level 2. **Invariant:** needs no identity: it can seal, never open. What it
//! puts into a store is put in the order packs, trees, index, refs, snapshot, each
//! behind a durable row, so that a run that is cut off anywhere is continued by
//! the next one. The library is only ever read.

mod bloom;
mod convert;
mod database;
mod error;
mod execute;
mod facts;
mod finish;
mod flying;
mod foreign;
mod listing;
mod packer;
pub mod photographs;
mod plan;
pub mod previews;
mod read;
mod replicate;
pub mod reseal;
mod resume;
mod rules;
mod sealer;
mod small;
mod store_file;
mod stores;
mod visit;

pub use convert::{chunk_facts, index_pack, pack_facts};
pub use error::SnapshotError;
pub use execute::{Context, Done, Failure, WriterSecrets, backup};
pub use foreign::{ForeignCatalog, ForeignKind, examine, foreign_kind};
pub use listing::total as library_bytes;
pub use plan::{BackupPlan, CHECKPOINT_EVERY, EmptyLibrary, Reading};
pub use previews::{Keeper, Made, Maker, Previewed, Previewing};
pub use replicate::{RefsReader, Replicated, replicate};
pub use rules::{DEFAULT_EXCLUDES, OneFileSystem, Rules, RulesError};

use darkslide_words::{Bytes, Count, Name};

/// How far a run is.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// Files looked at.
    pub files: Count,
    /// Their bytes.
    pub bytes: Bytes,
    /// Bytes read from the library.
    pub read: Bytes,
    /// Sealed bytes that all stores have taken.
    pub stored: Bytes,
    /// Bytes that there are, as far as is known.
    pub expected: Option<Bytes>,
}

/// Watches a run; may end it.
pub trait Observer: Sync {
    /// Called often; must return at once.
    fn progress(&self, _progress: &Progress) {}
    /// A file could not be stored, or something needs attention.
    fn problem(&self, _path: &Name, _reason: &str) {}
    /// Something the user may want to know.
    fn note(&self, _text: &str) {}
    /// True to stop the run as soon as it can be continued later.
    fn cancelled(&self) -> bool {
        false
    }
    /// True if the total should be counted first, for a time left.
    fn wants_total(&self) -> bool {
        false
    }
}
