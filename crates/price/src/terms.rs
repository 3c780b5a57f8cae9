//! What belongs to a storage class besides its prices: minimum stay and size, overhead, tiers.
//!
//! Source: the user guide's page on storage classes and the S3 pricing page's footnotes.

use std::fmt;

use darkslide_words::{Bytes, StorageClass, Tier};
use serde::{Deserialize, Serialize};

/// Where in Intelligent-Tiering an object lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Used within 30 days.
    Frequent,
    /// Idle for 30 days.
    Infrequent,
    /// Idle for 90 days; readable at once.
    ArchiveInstant,
    /// Archive Access, where configured: has to be thawed like `GLACIER`.
    Archive,
    /// Deep Archive Access, where configured: has to be thawed like `DEEP_ARCHIVE`.
    DeepArchive,
}

impl Access {
    /// The tier in S3's `x-amz-archive-status`, which names only the two that need a thaw.
    pub fn from_archive_status(name: &str) -> Option<Self> {
        match name {
            "ARCHIVE_ACCESS" => Some(Self::Archive),
            "DEEP_ARCHIVE_ACCESS" => Some(Self::DeepArchive),
            _ => None,
        }
    }

    /// True if an object there has to be thawed before it can be read.
    pub fn is_archive(self) -> bool {
        matches!(self, Self::Archive | Self::DeepArchive)
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Frequent => "Frequent Access",
            Self::Infrequent => "Infrequent Access",
            Self::ArchiveInstant => "Archive Instant Access",
            Self::Archive => "Archive Access",
            Self::DeepArchive => "Deep Archive Access",
        })
    }
}

/// What an object of a class is billed for besides its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Terms {
    /// Days that are billed even if the object goes earlier.
    pub min_days: u32,
    /// Bytes that are billed even if the object is smaller.
    pub min_bytes: Bytes,
    /// Bytes added per object, at the rate of the class.
    pub overhead: Bytes,
    /// Bytes added per object, at the rate of `STANDARD`.
    pub overhead_standard: Bytes,
}

/// The 40 KB of an archived object: 32 at the archive's rate, 8 at that of `STANDARD`.
const ARCHIVED: Terms =
    Terms { min_days: 0, min_bytes: Bytes(0), overhead: Bytes::kib(32), overhead_standard: Bytes::kib(8) };

/// The terms of a class. Objects in the archive tiers of Intelligent-Tiering carry the archives'
/// overhead (footnote on the S3 pricing page) but no minimum stay. A class this version does not
/// know has none.
pub fn terms(class: &StorageClass, access: Option<Access>) -> Terms {
    let at_least = |min_days, min_bytes| Terms { min_days, min_bytes, ..Terms::default() };
    match class {
        StorageClass::Standard | StorageClass::Other(_) => Terms::default(),
        StorageClass::StandardIa | StorageClass::OnezoneIa => at_least(30, Bytes::kib(128)),
        StorageClass::GlacierIr => at_least(90, Bytes::kib(128)),
        StorageClass::Glacier => Terms { min_days: 90, ..ARCHIVED },
        StorageClass::DeepArchive => Terms { min_days: 180, ..ARCHIVED },
        StorageClass::Vault => {
            Terms { min_days: crate::vault::MIN_DAYS, overhead: crate::vault::OVERHEAD, ..Terms::default() }
        }
        StorageClass::IntelligentTiering if access.is_some_and(Access::is_archive) => ARCHIVED,
        StorageClass::IntelligentTiering => Terms::default(),
    }
}

/// The tiers at which a class can be thawed, cheapest first; none if it needs no thaw. For
/// Intelligent-Tiering all that some of its objects may need.
pub fn tiers_offered(class: &StorageClass) -> &'static [Tier] {
    match class {
        StorageClass::Glacier | StorageClass::IntelligentTiering | StorageClass::Vault => &Tier::ALL,
        StorageClass::DeepArchive => &[Tier::Bulk, Tier::Standard],
        _ => &[],
    }
}

/// True if a lifecycle rule can move objects from one class to another. The other ways lead
/// through a copy, and out of an archive through a thaw first.
///
/// Source: user guide, lifecycle-transition-general-considerations, "Supported transitions".
pub fn lifecycle_allows(from: &StorageClass, to: &StorageClass) -> bool {
    use StorageClass::{DeepArchive, Glacier, GlacierIr, IntelligentTiering, OnezoneIa, Standard, StandardIa};
    match (from, to) {
        (StorageClass::Other(_) | StorageClass::Vault, _) => false,
        (_, StorageClass::Other(_) | StorageClass::Vault | Standard) => false,
        (Standard, _) => true,
        (StandardIa, to) => *to != StandardIa,
        (IntelligentTiering, to) => matches!(to, OnezoneIa | GlacierIr | Glacier | DeepArchive),
        (OnezoneIa | GlacierIr, to) => matches!(to, Glacier | DeepArchive),
        (Glacier, to) => *to == DeepArchive,
        (DeepArchive, _) => false,
    }
}
