//! The founding facts and the configuration object.

use darkslide_words::{Bytes, Count, ObjectId, RepositoryId, Time};
use serde::{Deserialize, Serialize};

use crate::canon::B64;
use crate::chunking::Chunking;
use crate::limits::PACK_TARGET;
use crate::seal::{self, Recipients};
use crate::signed::PublicKey;
use crate::{FORMAT, FormatError, canon};

/// `darkslide.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// When the repository was founded.
    pub created: Time,
    /// Required features.
    pub features: Vec<String>,
    /// Format version.
    pub format: u32,
    /// The owner's Ed25519 key: the trust root.
    pub owner: B64,
    /// The repository's id.
    pub repository: RepositoryId,
}

impl Header {
    /// Founding facts of a new repository.
    pub fn new(repository: RepositoryId, owner: &PublicKey, created: Time) -> Self {
        Self { created, features: Vec::new(), format: FORMAT, owner: B64(owner.as_bytes().to_vec()), repository }
    }

    /// Parses and checks.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        FormatError::limit("darkslide.json", bytes.len() as u64, crate::limits::PLAIN_OBJECT_MAX as u64)?;
        let header: Self = canon::checked("darkslide.json", bytes, None)?;
        header.owner_key().map(|_| header.clone())
    }

    /// The owner's key.
    pub fn owner_key(&self) -> Result<PublicKey, FormatError> {
        PublicKey::from_bytes(&self.owner.0)
            .ok_or_else(|| FormatError::malformed("darkslide.json", "the owner is not an Ed25519 key"))
    }
}

/// A named recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedRecipient {
    /// For people.
    pub name: String,
    /// `age1…`.
    pub recipient: String,
}

/// An epoch's recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochRecipient {
    /// Number, from 1.
    pub epoch: Count,
    /// `age1…`.
    pub recipient: String,
}

/// Sizes of packs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackSizes {
    /// A pack is closed before it grows beyond this.
    pub target: Bytes,
    /// Files under this many bytes are warm.
    pub warm_below: Bytes,
}

impl Default for PackSizes {
    fn default() -> Self {
        Self { target: Bytes::mib(64), warm_below: Bytes::kib(128) }
    }
}

/// `config/<n>.json`'s payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// How files are cut.
    pub chunking: Chunking,
    /// When it was made.
    pub created: Time,
    /// The current epoch.
    pub epoch: Count,
    /// All epochs' recipients.
    pub epochs: Vec<EpochRecipient>,
    /// Required features.
    pub features: Vec<String>,
    /// Format version.
    pub format: u32,
    /// Tells the right id key.
    pub id_key_check: String,
    /// Recipient of index and refs objects.
    pub index_recipient: String,
    /// This object's number.
    pub number: Count,
    /// Sizes of packs.
    pub pack: PackSizes,
    /// BLAKE3 of the config before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<ObjectId>,
    /// Whom to seal to.
    pub recipients: Vec<NamedRecipient>,
    /// Repository.
    pub repository: RepositoryId,
}

impl Config {
    /// Parses and checks a payload.
    pub fn parse(payload: &[u8], repository: RepositoryId) -> Result<Self, FormatError> {
        let config: Self = canon::checked("config", payload, Some(repository))?;
        config.chunking.check()?;
        if config.recipients.is_empty() || !PACK_TARGET.contains(&config.pack.target.0) {
            return Err(FormatError::malformed("config", "no recipients, or a pack target out of range"));
        }
        let numbers: std::collections::BTreeSet<Count> = config.epochs.iter().map(|e| e.epoch).collect();
        if numbers.len() != config.epochs.len() {
            return Err(FormatError::malformed("config", "an epoch stands twice"));
        }
        config.data_recipients()?;
        config.index_recipients()?;
        Ok(config)
    }

    fn people(&self) -> impl Iterator<Item = &str> {
        self.recipients.iter().map(|r| r.recipient.as_str())
    }

    /// Whom keys objects are sealed to.
    pub fn key_recipients(&self) -> Result<Recipients, FormatError> {
        Recipients::parse(self.people())
    }

    /// Whom packs and snapshots are sealed to.
    pub fn data_recipients(&self) -> Result<Recipients, FormatError> {
        let epoch = self
            .epochs
            .iter()
            .find(|e| e.epoch == self.epoch)
            .ok_or_else(|| FormatError::malformed("config", "the current epoch has no recipient"))?;
        Recipients::parse(self.people().chain([epoch.recipient.as_str()]))
    }

    /// Whom index and refs objects are sealed to.
    pub fn index_recipients(&self) -> Result<Recipients, FormatError> {
        Recipients::parse(self.people().chain([self.index_recipient.as_str()]))
    }

    /// True if this recipient is among the current ones.
    pub fn has_recipient(&self, text: &str) -> bool {
        let wanted = seal::parse_recipient(text).map(|r| r.to_string());
        wanted.is_ok_and(|w| self.recipients.iter().any(|r| r.recipient == w))
    }
}
