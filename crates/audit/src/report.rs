//! What a check found.

use std::collections::BTreeMap;
use std::fmt;

use darkslide_words::{Bytes, Count, ObjectName, StorageClass};
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
