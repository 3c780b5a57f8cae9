//! Readable packs → files.
//!
//! Level 2. **Invariant:** a file appears under its name only after every byte
//! of it was verified; nothing is overwritten unless told; nothing is written
//! outside the target; one damaged pack costs only the files that need it.

mod chunks;
mod error;
mod execute;
mod files;
mod meta;
mod places;
mod plan;
mod small;
mod temporary;

pub use chunks::{ChunkReader, Opened, Pages};
pub use error::{ChunkError, RestoreError};
pub use execute::{Casualty, Restored, restore};
pub use plan::{Existing, PackFilter, PackNeed, RestorePlan, Selection};

use darkslide_words::{Bytes, Count, Name};

/// How far a restore is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// Files restored.
    pub files: Count,
    /// Their bytes.
    pub bytes: Bytes,
    /// Bytes that there are.
    pub expected: Option<Bytes>,
}

/// Watches a restore; may end it.
pub trait Observer: Sync {
    /// Called often; must return at once.
    fn progress(&self, _progress: &Progress) {}
    /// A file could not be restored.
    fn problem(&self, _path: &Name, _reason: &str) {}
    /// True to stop; what is restored stays.
    fn cancelled(&self) -> bool {
        false
    }
}
