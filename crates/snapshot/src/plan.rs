//! What a backup run intends: settled before it begins, and printable.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use darkslide_words::Name;

use crate::rules::Rules;

/// Which files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Those whose size, times or inode changed.
    Changed,
    /// All, comparing contents: finds rot.
    All,
}

/// What an empty library means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmptyLibrary {
    /// The disk is not mounted.
    Refuse,
    /// It is meant to be.
    Allow,
}

/// The intent of one run.
#[derive(Debug, Clone)]
pub struct BackupPlan {
    /// Name of the job.
    pub job: String,
    /// The library's root.
    pub library: PathBuf,
    /// Name of this machine.
    pub host: String,
    /// What belongs to the library.
    pub rules: Rules,
    /// Which files are read.
    pub reading: Reading,
    /// What an empty library means.
    pub empty: EmptyLibrary,
    /// Files whose silent change the user accepts.
    pub accept: BTreeSet<Name>,
    /// Where staging copies and bases of databases lie.
    pub work: PathBuf,
    /// A checkpoint at least so often.
    pub checkpoint_every: Duration,
    /// Words that the snapshot carries, for retention.
    pub tags: Vec<String>,
    /// Program and version, for the snapshot.
    pub tool: String,
}

/// A quarter of the 30 days that a condemned pack is kept.
pub const CHECKPOINT_EVERY: Duration = Duration::from_secs(30 * 24 * 3600 / 4);

impl fmt::Display for BackupPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reading = match self.reading {
            Reading::Changed => "what changed",
            Reading::All => "every file, to find rot",
        };
        write!(f, "job {}: {} → sealed packs; reads {reading}", self.job, self.library.display())
    }
}
