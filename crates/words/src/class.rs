//! Storage classes of S3 and the tiers of a thaw.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Bytes, Time};

/// An S3 storage class. Names that this version does not know are carried as
/// they are, never refused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum StorageClass {
    /// `STANDARD`.
    #[default]
    Standard,
    /// `STANDARD_IA`: infrequent access.
    StandardIa,
    /// `ONEZONE_IA`: infrequent access, one zone.
    OnezoneIa,
    /// `INTELLIGENT_TIERING`.
    IntelligentTiering,
    /// `GLACIER_IR`: instant retrieval.
    GlacierIr,
    /// `GLACIER`: flexible retrieval, minutes to hours.
    Glacier,
    /// `DEEP_ARCHIVE`: hours to days.
    DeepArchive,
    /// An archive in an Amazon Glacier vault: no class of S3, but what stands in its place there.
    Vault,
    /// A class of another time or another server.
    Other(String),
}

impl StorageClass {
    /// All of S3 that this version knows.
    pub const KNOWN: [Self; 7] = [
        Self::Standard,
        Self::StandardIa,
        Self::OnezoneIa,
        Self::IntelligentTiering,
        Self::GlacierIr,
        Self::Glacier,
        Self::DeepArchive,
    ];

    /// Its name on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Standard => "STANDARD",
            Self::StandardIa => "STANDARD_IA",
            Self::OnezoneIa => "ONEZONE_IA",
            Self::IntelligentTiering => "INTELLIGENT_TIERING",
            Self::GlacierIr => "GLACIER_IR",
            Self::Glacier => "GLACIER",
            Self::DeepArchive => "DEEP_ARCHIVE",
            Self::Vault => "VAULT",
            Self::Other(name) => name,
        }
    }

    /// The class of that name; an empty one is `STANDARD`, as S3 means it.
    pub fn from_name(name: &str) -> Self {
        if name.is_empty() {
            return Self::Standard;
        }
        let mut known = Self::KNOWN.into_iter().chain([Self::Vault]);
        known.find(|c| c.as_str() == name).unwrap_or_else(|| Self::Other(name.to_string()))
    }

    /// True if every object of the class has to be thawed before it can be read.
    pub fn is_archive(&self) -> bool {
        matches!(self, Self::Glacier | Self::DeepArchive | Self::Vault)
    }

    /// True if an object of the class may have to be thawed.
    pub fn may_be_cold(&self) -> bool {
        self.is_archive() || *self == Self::IntelligentTiering
    }
}

impl fmt::Display for StorageClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<String> for StorageClass {
    fn from(name: String) -> Self {
        Self::from_name(&name)
    }
}

impl From<StorageClass> for String {
    fn from(class: StorageClass) -> Self {
        class.as_str().to_string()
    }
}

/// Whether an object can be read now, as far as a listing says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Readable {
    /// At once.
    #[default]
    Now,
    /// Only after a thaw.
    Cold,
    /// A thaw is under way.
    Thawing,
    /// A thawed copy lies beside it until then.
    Until(Time),
    /// The listing cannot tell: Intelligent-Tiering does not say what it has reached.
    Unknown,
}

/// How fast, and how dear, a thaw is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// The cheapest: hours to two days.
    Bulk,
    /// Hours.
    Standard,
    /// Minutes; not from `DEEP_ARCHIVE`.
    Expedited,
}

impl Tier {
    /// All, cheapest first.
    pub const ALL: [Self; 3] = [Self::Bulk, Self::Standard, Self::Expedited];

    /// Its name on the wire.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Bulk => "Bulk",
            Self::Standard => "Standard",
            Self::Expedited => "Expedited",
        }
    }

    /// The tier of that name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.as_str().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.as_str().to_ascii_lowercase())
    }
}

/// The data retrieval policy of an account in a region: how much may be retrieved from vaults at the
/// tier Standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "strategy")]
pub enum RetrievalPolicy {
    /// As much as is asked for.
    #[default]
    None,
    /// A day's share of what is free; all else is refused.
    FreeTier,
    /// So many bytes an hour, counted over the jobs in progress; what is beyond that is refused.
    BytesPerHour {
        /// The bytes.
        bytes: Bytes,
    },
}

impl fmt::Display for RetrievalPolicy {
    /// As the API names its strategies.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::FreeTier => f.write_str("FreeTier"),
            Self::BytesPerHour { bytes } => write!(f, "BytesPerHour, {bytes}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_and_unknown_ones_are_carried() {
        for class in StorageClass::KNOWN.into_iter().chain([StorageClass::Vault]) {
            assert_eq!(StorageClass::from_name(class.as_str()), class);
        }
        let unknown = StorageClass::from_name("FSX_ONTAP");
        assert_eq!((unknown.as_str(), unknown.is_archive()), ("FSX_ONTAP", false));
        assert_eq!(StorageClass::from_name(""), StorageClass::Standard);
        assert_eq!(Tier::from_name("BULK"), Some(Tier::Bulk));
        assert_eq!(Tier::from_name("slow"), None);
    }
}
