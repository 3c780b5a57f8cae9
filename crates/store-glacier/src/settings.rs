//! Which vault, how it is reached, and how archives are sent. Values only; nothing here
//! speaks to anybody.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use darkslide_store::StoreError;
use darkslide_words::Bytes;

/// Bytes from which on an archive is sent in parts. Amazon advises so above 100 MB.
pub const MULTIPART_FROM: Bytes = Bytes::mib(100);
/// Bytes of a part, unless there would be too many of them.
pub const PART: Bytes = Bytes::mib(32);
/// Parts of an upload at most.
pub(crate) const PARTS_MAX: u64 = 10_000;
/// The smallest part and the largest.
pub(crate) const PART_MIN: u64 = 1 << 20;
pub(crate) const PART_MAX: u64 = 4 << 30;

/// A key given directly instead of through the environment or a profile.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// Access key id.
    pub id: String,
    /// Secret access key.
    pub secret: String,
    /// Session token of temporary credentials.
    pub token: Option<String>,
}

impl fmt::Debug for Key {
    /// Never shows the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

/// How long a call is repeated before its failure is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Attempts at one call.
    pub attempts_max: u32,
    /// Longest pause after the first failure; doubles with each further one.
    pub first: Duration,
    /// Longest pause of all.
    pub pause_max: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { attempts_max: 8, first: Duration::from_millis(400), pause_max: Duration::from_secs(30) }
    }
}

/// One vault, and the way there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultSettings {
    /// Its name.
    pub vault: String,
    /// Number of its account; that of the credentials where it is absent.
    pub account: Option<String>,
    /// Its region.
    pub region: Option<String>,
    /// A server other than Amazon's.
    pub endpoint: Option<String>,
    /// Profile of the shared AWS files.
    pub profile: Option<String>,
    /// Credentials given directly.
    pub credentials: Option<Key>,
    /// Where this machine remembers archives and jobs; in memory only, where it is absent.
    pub record: Option<PathBuf>,
    /// Archives of so many bytes or more are sent in parts.
    pub multipart_from: Bytes,
    /// Bytes of a part: 1 MiB times a power of two.
    pub part: Bytes,
    /// Bytes a second of uploads.
    pub limit_upload: Option<Bytes>,
    /// URL of an SQS queue that hears of finished jobs, from the topic that the vault tells.
    pub events: Option<String>,
    /// How long calls are repeated.
    pub patience: Patience,
}

impl VaultSettings {
    /// A vault, all else as it should be for Amazon's service.
    pub fn new(vault: impl Into<String>) -> Self {
        Self {
            vault: vault.into(),
            account: None,
            region: None,
            endpoint: None,
            profile: None,
            credentials: None,
            record: None,
            multipart_from: MULTIPART_FROM,
            part: PART,
            limit_upload: None,
            events: None,
            patience: Patience::default(),
        }
    }

    /// From `glacier://VAULT`.
    pub fn from_url(url: &str) -> Result<Self, StoreError> {
        let name = url.strip_prefix("glacier://").map(|name| name.trim_end_matches('/'));
        let settings = Self::new(name.unwrap_or_default());
        match name {
            Some(_) => settings.check().map(|()| settings),
            None => Err(StoreError::Setup {
                store: url.chars().take(200).collect(),
                why: "is not the URL of a Glacier vault".into(),
                advice: "write it as glacier://VAULT".into(),
            }),
        }
    }

    /// How the store is called in messages.
    pub fn label(&self) -> String {
        format!("glacier://{}", self.vault)
    }

    /// The account as it stands in requests.
    pub(crate) fn account(&self) -> &str {
        self.account.as_deref().unwrap_or("-")
    }

    /// Refuses what could never work.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let setup = |why: &str, advice: &str| StoreError::Setup {
            store: self.label().chars().take(300).collect(),
            why: why.into(),
            advice: advice.into(),
        };
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if self.vault.is_empty() || self.vault.len() > 255 || !self.vault.bytes().all(fits) {
            return Err(setup(
                "has no name that a vault could have",
                "a vault's name has up to 255 letters, digits, `.`, `_` and `-`",
            ));
        }
        let part = self.part.0;
        if !(PART_MIN..=PART_MAX).contains(&part) || !part.is_power_of_two() {
            return Err(setup(
                "is told parts of a size that cannot be",
                "a part has 1 MiB times a power of two, to 4 GiB",
            ));
        }
        if self.limit_upload == Some(Bytes(0)) || self.patience.attempts_max == 0 {
            return Err(setup("is told to do nothing", "set its upload limit and its attempts to 1 or more"));
        }
        Ok(())
    }

    /// Bytes of each part of an archive of that size; nothing where it is sent at once.
    pub(crate) fn part_of(&self, size: u64) -> Option<u64> {
        if size < self.multipart_from.0 {
            return None;
        }
        let mut part = self.part.0;
        while size.div_ceil(part) > PARTS_MAX && part < PART_MAX {
            part *= 2;
        }
        Some(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_powers_of_two_and_not_too_many() {
        let settings = VaultSettings::new("photos");
        assert_eq!(settings.part_of(64 << 20), None);
        assert_eq!(settings.part_of(100 << 20), Some(32 << 20));
        let huge = 3 << 40;
        let part = settings.part_of(huge).unwrap();
        assert!(part.is_power_of_two() && huge.div_ceil(part) <= PARTS_MAX);
    }

    #[test]
    fn what_could_never_work_is_refused() {
        assert_eq!(VaultSettings::from_url("glacier://photos/").unwrap().label(), "glacier://photos");
        for bad in ["glacier://", "glacier://a/b", "s3://x", "glacier://ä"] {
            assert!(VaultSettings::from_url(bad).is_err(), "{bad}");
        }
        let odd = VaultSettings { part: Bytes::mib(3), ..VaultSettings::new("photos") };
        assert!(odd.check().is_err());
    }
}
