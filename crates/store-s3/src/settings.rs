//! What a bucket is called, how it is reached, and which storage classes are
//! written to it. Values only; nothing here speaks to anybody.

use std::fmt;
use std::time::Duration;

use darkslide_store::StoreError;
use darkslide_words::{Bytes, StorageClass, Temperature};
use serde::{Deserialize, Serialize};

/// Uploads at once, unless told otherwise.
pub const PARALLEL: usize = 4;

/// Which storage class each temperature gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classes {
    /// Of originals and exports.
    pub cold: StorageClass,
    /// Of sidecars, catalogs, tiny files: what changes often.
    pub warm: StorageClass,
    /// Of metadata, which is always at hand.
    pub hot: StorageClass,
}

impl Default for Classes {
    fn default() -> Self {
        Self { cold: StorageClass::DeepArchive, warm: StorageClass::Standard, hot: StorageClass::Standard }
    }
}

impl Classes {
    /// The class for a temperature.
    pub fn of(&self, temperature: Temperature) -> &StorageClass {
        match temperature {
            Temperature::Cold => &self.cold,
            Temperature::Warm => &self.warm,
            Temperature::Hot => &self.hot,
        }
    }

    /// Says which temperature would freeze what has to be readable at once.
    fn check(&self) -> Result<(), String> {
        for (temperature, class) in [("warm", &self.warm), ("hot", &self.hot)] {
            if class.is_archive() {
                return Err(format!("would keep its {temperature} objects in {class}, where they cannot be read"));
            }
        }
        Ok(())
    }
}

/// Which full-object checksum goes with every PUT, for the server to verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Checksum {
    /// CRC64NVME, which the caller has computed already.
    #[default]
    Crc64Nvme,
    /// SHA-256, computed here: a fifth of a second of processor per 256 MB.
    Sha256,
}

/// When checksums are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum When {
    /// With every object (Amazon S3, and servers that know the newer headers).
    #[default]
    Supported,
    /// Only where S3's own rules ask for one: for older servers, which drop or
    /// refuse the newer headers. PUTs then carry a Content-MD5 instead, so bytes
    /// damaged on the way are still refused; but no checksum is kept beside the
    /// object, so whole reads are not compared with anything here (their names
    /// are hashes, which the caller compares), and no server can check an object
    /// in the cold later.
    Required,
}

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

/// What a server is known to do or not to do, as [`crate::S3Store::probe`] finds
/// out; worth keeping, since a probe costs a dozen requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerFacts {
    /// Refuses to replace an object when asked to. Where it does not, every PUT
    /// looks first, and only one machine should write at a time.
    pub create_only: bool,
    /// Has cold classes: where it does not, archive classes are mere labels and
    /// everything can be read at once.
    pub thaws: bool,
}

impl Default for ServerFacts {
    /// As Amazon S3.
    fn default() -> Self {
        Self { create_only: true, thaws: true }
    }
}

/// How long a call is repeated before its failure is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Attempts at one call.
    pub attempts_max: u32,
    /// No attempt begins later than this after the first.
    pub total_max: Duration,
    /// Longest pause after the first failure; doubles with each further one.
    pub first: Duration,
    /// Longest pause of all.
    pub pause_max: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            attempts_max: 10,
            total_max: Duration::from_secs(15 * 60),
            first: Duration::from_millis(400),
            pause_max: Duration::from_secs(30),
        }
    }
}

/// One bucket (and a prefix in it), and the way there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Settings {
    /// The bucket.
    pub bucket: String,
    /// What stands before every object name: empty, or ending with `/`.
    pub prefix: String,
    /// Its region; otherwise the environment's or the profile's, and with an
    /// endpoint of one's own `us-east-1`.
    pub region: Option<String>,
    /// URL of a server other than Amazon's.
    pub endpoint: Option<String>,
    /// Profile in the shared AWS files; then credentials come from it alone, not
    /// from the environment, so that two stores never mix their identities.
    pub profile: Option<String>,
    /// Bucket in the path instead of the host name; unless told, with an endpoint.
    pub path_style: Option<bool>,
    /// Which storage classes are written.
    pub classes: Classes,
    /// Which checksum goes with a PUT.
    pub checksum: Checksum,
    /// When checksums are sent.
    pub checksums: When,
    /// Bytes a second, over all uploads of this store together.
    pub limit_upload: Option<Bytes>,
    /// Uploads at once.
    pub parallel: usize,
    /// Credentials given directly.
    pub credentials: Option<Key>,
    /// How long calls are repeated.
    pub patience: Patience,
    /// What is known of the server.
    pub server: ServerFacts,
}

impl S3Settings {
    /// A bucket and a prefix, all else as it should be for Amazon S3.
    pub fn new(bucket: impl Into<String>, prefix: impl Into<String>) -> Self {
        let prefix = prefix.into();
        let prefix = prefix.trim_matches('/');
        Self {
            bucket: bucket.into(),
            prefix: if prefix.is_empty() { String::new() } else { format!("{prefix}/") },
            region: None,
            endpoint: None,
            profile: None,
            path_style: None,
            classes: Classes::default(),
            checksum: Checksum::default(),
            checksums: When::default(),
            limit_upload: None,
            parallel: PARALLEL,
            credentials: None,
            patience: Patience::default(),
            server: ServerFacts::default(),
        }
    }

    /// From `s3://bucket/prefix`.
    pub fn from_url(url: &str) -> Result<Self, StoreError> {
        let (bucket, prefix) = parse_url(url)?;
        Ok(Self::new(bucket, prefix))
    }

    /// How the store is called in messages: a URL that [`parse_url`] reads.
    pub fn label(&self) -> String {
        match self.prefix.trim_end_matches('/') {
            "" => format!("s3://{}", self.bucket),
            prefix => format!("s3://{}/{prefix}", self.bucket),
        }
    }

    /// True if the bucket's name goes into the path.
    pub(crate) fn in_path(&self) -> bool {
        self.path_style.unwrap_or(self.endpoint.is_some())
    }

    /// Refuses what could never work, or would freeze metadata.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let setup = |why: String, advice: &str| StoreError::Setup { store: self.label(), why, advice: advice.into() };
        parse_url(&self.label())?;
        self.classes.check().map_err(|why| setup(why, "set `warm` and `hot` to STANDARD or another class that can"))?;
        let url = self.endpoint.as_deref().unwrap_or("https://");
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(setup(format!("has the endpoint `{url}`"), "an endpoint begins with https:// or http://"));
        }
        if self.limit_upload == Some(Bytes(0)) || self.parallel == 0 || self.patience.attempts_max == 0 {
            let why = "is told to do nothing: its upload limit, its parallel uploads or its attempts are 0";
            return Err(setup(why.into(), "set each to 1 or more, or leave it out"));
        }
        Ok(())
    }
}

/// Takes `s3://bucket/prefix` apart; the prefix comes without slashes at its ends.
pub fn parse_url(url: &str) -> Result<(String, String), StoreError> {
    let bad = |why: &str| StoreError::Setup {
        store: url.chars().take(200).collect(),
        why: why.into(),
        advice: "write it as s3://bucket/prefix, both of letters, digits, `.`, `_` and `-`".into(),
    };
    let rest = url.strip_prefix("s3://").ok_or_else(|| bad("is not the URL of an S3 bucket"))?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let fits = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if bucket.len() < 3 || bucket.len() > 255 || !fits(bucket) || bucket.starts_with(['.', '-']) {
        return Err(bad("has no bucket name that could exist"));
    }
    let prefix = prefix.strip_suffix('/').filter(|inner| !inner.is_empty()).unwrap_or(prefix);
    if !prefix.is_empty() && !prefix.split('/').all(|part| fits(part) && !matches!(part, "" | "." | "..")) {
        return Err(bad("has a prefix that cannot be used"));
    }
    // S3 allows keys of 1,024 bytes, our own names have up to 512.
    if prefix.len() > 500 {
        return Err(bad("has a prefix of more than 500 characters"));
    }
    Ok((bucket.to_string(), prefix.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart_and_put_together() {
        let read = |url: &str| parse_url(url).unwrap();
        assert_eq!(read("s3://photos"), ("photos".into(), "".into()));
        assert_eq!(read("s3://photos/"), ("photos".into(), "".into()));
        assert_eq!(read("s3://photos/nas/raid-1/"), ("photos".into(), "nas/raid-1".into()));
        for url in ["s3://photos", "s3://photos/a/b"] {
            assert_eq!(S3Settings::from_url(url).unwrap().label(), url);
        }
        assert_eq!(S3Settings::from_url("s3://photos/a/b").unwrap().prefix, "a/b/");
        for bad in ["photos", "http://photos", "s3://", "s3://ab", "s3:///x", "s3://ph otos", "s3://photos/a//b"] {
            assert!(matches!(parse_url(bad), Err(StoreError::Setup { .. })), "{bad}");
        }
        for bad in ["s3://photos/../x", "s3://photos/ä", "s3://photos//", "s3://photos/a b", "s3://-photos"] {
            assert!(matches!(parse_url(bad), Err(StoreError::Setup { .. })), "{bad}");
        }
    }

    #[test]
    fn metadata_is_never_frozen() {
        let mut settings = S3Settings::new("photos", "");
        settings.check().unwrap();
        assert_eq!(settings.classes.of(Temperature::Cold), &StorageClass::DeepArchive);
        settings.classes.cold = StorageClass::Glacier;
        settings.check().unwrap();
        settings.classes.hot = StorageClass::Glacier;
        assert!(settings.check().unwrap_err().to_string().contains("hot objects in GLACIER"));
        settings.classes.hot = StorageClass::GlacierIr;
        settings.classes.warm = StorageClass::DeepArchive;
        assert!(settings.check().unwrap_err().to_string().contains("warm objects in DEEP_ARCHIVE"));
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        let with = |change: &dyn Fn(&mut S3Settings)| {
            let mut settings = S3Settings::new("photos", "x");
            change(&mut settings);
            settings.check()
        };
        assert!(with(&|_| {}).is_ok());
        assert!(with(&|s| s.endpoint = Some("localhost:9000".into())).is_err());
        assert!(with(&|s| s.endpoint = Some("http://localhost:9000".into())).is_ok());
        assert!(with(&|s| s.parallel = 0).is_err());
        assert!(with(&|s| s.limit_upload = Some(Bytes(0))).is_err());
        assert!(with(&|s| s.bucket = "a".into()).is_err());
    }

    #[test]
    fn secrets_are_not_shown() {
        let mut settings = S3Settings::new("photos", "");
        settings.credentials = Some(Key { id: "AKIA".into(), secret: "hush".into(), token: Some("quiet".into()) });
        let shown = format!("{settings:?}");
        assert!(shown.contains("AKIA") && !shown.contains("hush") && !shown.contains("quiet"));
    }
}
