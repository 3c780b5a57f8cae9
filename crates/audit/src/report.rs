//! What a check found.

use std::collections::BTreeMap;
use std::fmt;

use darkslide_words::{Bytes, Count, ObjectName, StorageClass, Time};
use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Note,
    /// Something to look at; nothing is lost.
    Warning,
    /// Something is damaged or missing.
    Damage,
}

/// One thing found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// Which object, if it is one's.
    pub object: Option<ObjectName>,
    /// What, and what now.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Damage => "DAMAGE",
        };
        match &self.object {
            Some(object) => write!(f, "{word}: {object}: {}", self.what),
            None => write!(f, "{word}: {}", self.what),
        }
    }
}

/// How a rotating scrub stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rotated {
    /// Bytes of all that is read in turn.
    pub total: Bytes,
    /// Bytes whose turn it was.
    pub due: Bytes,
    /// Bytes that were read.
    pub read: Bytes,
    /// Objects that were never read before.
    pub never: Count,
    /// When the object that waited longest had been read.
    pub oldest: Option<Time>,
    /// Days within which everything is to be read.
    pub every_days: u64,
    /// Days that a full round takes at one such run a day; nothing where all that was due was read.
    pub round_days: Option<u64>,
}

/// All that a check found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// In the order found.
    pub findings: Vec<Finding>,
    /// Objects looked at.
    pub objects: Count,
    /// Their bytes.
    pub bytes: Bytes,
    /// Snapshots checked.
    pub snapshots: Count,
    /// Chunks whose content was checked.
    pub chunks: Count,
    /// Objects that these credentials may not read: they were found, not checked.
    pub denied: Count,
    /// How the rotation stands, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotated: Option<Rotated>,
    /// Damaged objects that parity can heal.
    pub healable: Count,
    /// Whole objects that have no parity though their store is to have it.
    pub without_parity: Count,
    /// Objects whose bytes were read and are damaged, and how.
    #[serde(skip)]
    pub rotten: Vec<(ObjectName, Bytes, String)>,
    /// Objects that lie in the cold and were not read, by storage class.
    pub cold: BTreeMap<StorageClass, (Count, Bytes)>,
}

impl Report {
    /// Adds a finding.
    pub fn add(&mut self, severity: Severity, object: Option<&ObjectName>, what: impl fmt::Display) {
        self.findings.push(Finding { severity, object: object.cloned(), what: what.to_string() });
    }

    /// One more object that lies in the cold.
    pub fn add_cold(&mut self, class: &StorageClass, size: Bytes) {
        let (objects, bytes) = self.cold.entry(class.clone()).or_default();
        *objects += Count(1);
        *bytes += size;
    }

    /// Number of damages.
    pub fn damages(&self) -> usize {
        self.count(Severity::Damage)
    }

    /// Number of findings of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|f| f.severity == severity).count()
    }
}
