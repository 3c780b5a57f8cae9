//! Where a copy of the repository lies: a directory, a bucket, or a vault with a companion, and the
//! way there.

use std::path::{Path, PathBuf};

use darkslide_words::StorageClass;
use serde::{Deserialize, Serialize};

/// A place that holds a full copy: a directory (`path`), a bucket or a vault (`url`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreSettings {
    /// A directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// A bucket, `s3://bucket/prefix`; or a Glacier vault, `glacier://vault`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Number of a vault's account, where it is not that of the credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// A server other than Amazon's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The bucket's region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Profile of the shared AWS files with which this machine writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// File with this machine's key, in the form of `~/.aws/credentials`, instead of a profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<PathBuf>,
    /// Profile for forget and prune: the only one that may delete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pruner_profile: Option<String>,
    /// Profile for thaws and restores, where that is another identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reader_profile: Option<String>,
    /// Profile for audits, where that is another identity: it lists, and asks for checksums.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auditor_profile: Option<String>,
    /// Bucket in the path instead of the host name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_style: Option<bool>,
    /// Storage class of packs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<StorageClass>,
    /// Storage class of sidecars, catalogs, tiny files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm_class: Option<StorageClass>,
    /// Which checksum goes with each object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checksum: Option<ChecksumSetting>,
    /// `when_required` for servers without the newer checksums.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_checksum_calculation: Option<ChecksumsWhen>,
    /// Bytes a second, such as `2 MB`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_upload: Option<String>,
    /// Uploads at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel: Option<usize>,
    /// Region whose prices count, where it is not the bucket's; `none` for a server
    /// that costs nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prices: Option<String>,
    /// Outside the house; a bucket is, unless told otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub off_site: Option<bool>,
    /// What it is on: copies on one medium are lost together. A bucket is in the cloud, a directory
    /// on its disk, unless told otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media: Option<Media>,
    /// Parity beside each object of a directory, such as `10 %`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parity: Option<String>,
    /// S3 Batch Operations for bulk thaws.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchSettings>,
    /// URL of an SQS queue that gets the bucket's restore events, or hears of a vault's finished jobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<String>,
    /// Beside a vault: the directory or bucket that holds what must be at hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub companion: Option<Box<StoreSettings>>,
    /// Where this machine remembers a vault's archives and jobs; below its state.
    #[serde(skip)]
    pub record: Option<PathBuf>,
}

/// How the URL of a vault begins.
const VAULT: &str = "glacier://";

/// A kind of medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Media {
    /// A disk, or an array of them, in or at this machine.
    Disk,
    /// A server in the house.
    Nas,
    /// Somebody else's data centre.
    Cloud,
    /// Tapes, or discs.
    Tape,
}

impl Media {
    /// As it stands in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Nas => "nas",
            Self::Cloud => "cloud",
            Self::Tape => "tape",
        }
    }
}

/// A checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChecksumSetting {
    /// CRC64NVME.
    Crc64nvme,
    /// SHA-256.
    Sha256,
}

/// When checksums are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChecksumsWhen {
    /// With every object.
    WhenSupported,
    /// Only where the protocol asks for one.
    WhenRequired,
}

/// What a Batch job needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchSettings {
    /// Number of the account.
    pub account: String,
    /// Role that S3 takes on to work through the list.
    pub role: String,
    /// Bucket for lists and reports; the store's own where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// Control endpoint of another server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
}

impl StoreSettings {
    /// True if what lies there survives a fire in the house.
    pub fn is_off_site(&self) -> bool {
        self.off_site.unwrap_or(self.url.is_some())
    }

    /// A directory.
    pub fn dir(path: impl Into<PathBuf>) -> Self {
        Self { path: Some(path.into()), ..Self::default() }
    }

    /// A directory's path, `s3://bucket/prefix`, or `glacier://vault`.
    pub fn parse(text: &str) -> Self {
        match text.starts_with("s3://") || text.starts_with(VAULT) {
            true => Self { url: Some(text.to_string()), ..Self::default() },
            false => Self::dir(text),
        }
    }

    /// What it is called in messages before it was opened.
    pub fn label(&self) -> String {
        match (&self.path, &self.url) {
            (Some(path), _) => path.display().to_string(),
            (None, Some(url)) => url.trim_end_matches('/').to_string(),
            (None, None) => "(nowhere)".into(),
        }
    }

    /// The vault's name, where it is one.
    pub fn vault(&self) -> Option<&str> {
        self.url.as_deref()?.strip_prefix(VAULT).map(|name| name.trim_end_matches('/'))
    }

    /// With directories' paths made absolute.
    pub(crate) fn absolute(&self, resolve: impl Fn(&Path) -> PathBuf + Copy) -> Self {
        let companion = self.companion.as_ref().map(|companion| Box::new(companion.absolute(resolve)));
        let credentials = self.credentials.as_deref().map(resolve);
        Self { path: self.path.as_deref().map(resolve), credentials, companion, ..self.clone() }
    }

    /// With a place below this machine's state for what it remembers of a vault.
    pub(crate) fn recorded(self, state: &Path) -> Self {
        let record = self.vault().map(|vault| state.join("vaults").join(format!("{vault}.sqlite")));
        Self { record: record.or(self.record.clone()), ..self }
    }

    /// With another profile, here and in the companion.
    fn with_profile(&self, of: impl Fn(&Self) -> Option<String> + Copy) -> Self {
        let companion = self.companion.as_ref().map(|companion| Box::new(companion.with_profile(of)));
        match of(self) {
            Some(profile) => Self { profile: Some(profile), credentials: None, companion, ..self.clone() },
            None => Self { companion, ..self.clone() },
        }
    }

    /// As who reads: with the identity that may thaw.
    pub(crate) fn for_reading(&self) -> Self {
        self.with_profile(|store| store.reader_profile.clone())
    }

    /// As who forgets and prunes.
    pub(crate) fn for_pruning(&self) -> Self {
        self.with_profile(|store| store.pruner_profile.clone())
    }

    /// As who audits.
    pub(crate) fn for_auditing(&self) -> Self {
        self.with_profile(|store| store.auditor_profile.clone())
    }

    /// Parity of each object, in percent; 0 where it is switched off.
    pub fn parity_percent(&self) -> u32 {
        self.parity.as_deref().and_then(parse_percent).unwrap_or(0)
    }

    /// Why it cannot be.
    pub(crate) fn problem(&self) -> Option<String> {
        let only_buckets = self.endpoint.is_some()
            || self.region.is_some()
            || self.profile.is_some()
            || self.credentials.is_some()
            || self.auditor_profile.is_some()
            || self.pruner_profile.is_some()
            || self.class.is_some()
            || self.warm_class.is_some();
        if self.vault().is_some() {
            return self.vault_problem();
        }
        if self.companion.is_some() || self.account.is_some() {
            return Some(format!("the store {} is no vault: it has no companion and no account", self.label()));
        }
        if let Some(parity) = &self.parity {
            if self.url.is_some() {
                return Some(format!("the store {} is a bucket: parity is for directories", self.label()));
            }
            if parse_percent(parity).is_none() {
                return Some(format!("parity = `{parity}` is no share such as `10 %`, at most 100 %"));
            }
        }
        match (&self.path, &self.url) {
            (None, None) => Some("a [[store]] needs a `path` or a `url`".into()),
            (Some(_), Some(_)) => Some("a [[store]] has a `path` or a `url`, not both".into()),
            (None, Some(_)) if self.profile.is_some() && self.credentials.is_some() => {
                Some(format!("the store {} has a `profile` and `credentials`: one of them is enough", self.label()))
            }
            (None, Some(url)) if !url.starts_with("s3://") => {
                Some(format!("the store `{url}` is no s3://bucket/prefix and no glacier://vault"))
            }
            (Some(path), None) if only_buckets => {
                Some(format!("the store {} is a directory: it has no region, profile or class", path.display()))
            }
            _ => None,
        }
    }

    /// Why it cannot be a vault.
    fn vault_problem(&self) -> Option<String> {
        let label = self.label();
        let of_buckets = [
            ("class", self.class.is_some()),
            ("warm_class", self.warm_class.is_some()),
            ("checksum", self.checksum.is_some()),
            ("request_checksum_calculation", self.request_checksum_calculation.is_some()),
            ("path_style", self.path_style.is_some()),
            ("batch", self.batch.is_some()),
            ("parallel", self.parallel.is_some()),
            ("parity", self.parity.is_some()),
        ];
        if let Some((key, _)) = of_buckets.into_iter().find(|(_, set)| *set) {
            return Some(format!("the store {label} is a vault: it has no `{key}`; its companion may"));
        }
        if self.path.is_some() {
            return Some("a [[store]] has a `path` or a `url`, not both".into());
        }
        match self.companion.as_deref() {
            None => Some(format!(
                "the store {label} is a vault: it needs a [store.companion] with a `path` or a `url` for what must be at hand"
            )),
            Some(companion) if companion.vault().is_some() => {
                Some(format!("the companion of {label} is a vault, too: it has to be a directory or a bucket"))
            }
            Some(companion) if companion.class.as_ref().is_some_and(StorageClass::is_archive) => {
                Some(format!("the companion of {label} would freeze what must be at hand: leave its `class` out"))
            }
            Some(companion) => companion.problem(),
        }
    }

    /// Region whose prices count; nothing for a store that costs nothing.
    pub fn price_region(&self) -> Option<&str> {
        match (&self.prices, &self.region) {
            _ if self.url.is_none() => None,
            (Some(none), _) if none == "none" => None,
            (Some(region), _) | (None, Some(region)) => Some(region),
            (None, None) => Some("us-east-1"),
        }
    }
}

/// Reads `2 MB`, `500 kB/s`, `1.5MiB`, `250000`: bytes.
pub fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim().trim_end_matches("/s").trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let value = number.parse::<f64>().ok()? * factor;
    (1.0..1e18).contains(&value).then_some(value as u64)
}

/// Reads `10 %`, `10%`, `10`, `0`: percent, at most 100.
pub fn parse_percent(text: &str) -> Option<u32> {
    let number = text.trim().trim_end_matches('%').trim();
    number.parse().ok().filter(|percent| *percent <= 100)
}

/// Reads `50 Mbit/s`, `1 Gbit`, `100000000`: bits a second.
pub fn parse_bits(text: &str) -> Option<u64> {
    let lower = text.trim().to_ascii_lowercase();
    let rate = lower.trim_end_matches("/s").trim_end_matches("ps").trim();
    let (number, factor) = match () {
        () if rate.ends_with("gbit") => (rate.trim_end_matches("gbit"), 1e9),
        () if rate.ends_with("mbit") => (rate.trim_end_matches("mbit"), 1e6),
        () if rate.ends_with("kbit") => (rate.trim_end_matches("kbit"), 1e3),
        () => (rate.trim_end_matches("bit"), 1.0),
    };
    let value = number.trim().parse::<f64>().ok()? * factor;
    (1.0..1e15).contains(&value).then_some(value as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_people_write_them() {
        for (text, bytes) in [("2 MB", 2_000_000), ("1.5MiB", 1_572_864), ("500kB/s", 500_000), ("77", 77)] {
            assert_eq!(parse_bytes(text), Some(bytes), "{text}");
        }
        for (text, bits) in [("50 Mbit/s", 50_000_000), ("1 Gbit", 1_000_000_000), ("8000", 8000), ("16 Mbps", 0)] {
            assert_eq!(parse_bits(text).unwrap_or(0), bits, "{text}");
        }
        for bad in ["", "fast", "-1 MB", "0", "1 parsec"] {
            assert_eq!((parse_bytes(bad), parse_bits(bad)), (None, None), "{bad}");
        }
    }

    #[test]
    fn parity_is_a_share_of_a_directory() {
        let with = |text: &str| StoreSettings { parity: Some(text.into()), ..StoreSettings::dir("a") };
        for (text, percent) in [("10 %", 10), ("25%", 25), ("0", 0), (" 100 % ", 100)] {
            assert_eq!((with(text).problem(), with(text).parity_percent()), (None, percent), "{text}");
        }
        for bad in ["", "ten", "101 %", "-1", "5 MB"] {
            assert!(with(bad).problem().is_some(), "{bad}");
        }
        let bucket = StoreSettings { parity: Some("10 %".into()), ..StoreSettings::parse("s3://bucket") };
        assert!(bucket.problem().is_some_and(|why| why.contains("directories")));
        assert_eq!(StoreSettings::dir("a").parity_percent(), 0);
    }

    #[test]
    fn a_store_is_a_directory_or_a_bucket() {
        assert_eq!(StoreSettings::parse("/mnt/x").problem(), None);
        assert_eq!(StoreSettings::parse("s3://bucket/x").problem(), None);
        assert!(StoreSettings::default().problem().is_some());
        let vault = StoreSettings::parse("glacier://photos");
        assert!(vault.problem().is_some_and(|why| why.contains("[store.companion]")));
        let with = |companion: StoreSettings| StoreSettings { companion: Some(Box::new(companion)), ..vault.clone() };
        let whole = with(StoreSettings::dir("a"));
        assert_eq!(
            (whole.problem(), whole.vault(), whole.label().as_str()),
            (None, Some("photos"), "glacier://photos")
        );
        assert_eq!(with(StoreSettings::parse("s3://bucket")).problem(), None);
        assert!(with(vault.clone()).problem().is_some() && with(StoreSettings::default()).problem().is_some());
        let frozen = StoreSettings { class: Some(StorageClass::Glacier), ..StoreSettings::parse("s3://bucket") };
        assert!(with(frozen).problem().is_some_and(|why| why.contains("at hand")));
        let classed = StoreSettings { class: Some(StorageClass::Glacier), ..whole.clone() };
        assert!(classed.problem().is_some_and(|why| why.contains("`class`")));
        let dir = StoreSettings { companion: whole.companion.clone(), ..StoreSettings::dir("b") };
        assert!(dir.problem().is_some_and(|why| why.contains("no vault")));
        assert!(StoreSettings { region: Some("x".into()), ..StoreSettings::dir("a") }.problem().is_some());
        assert!(StoreSettings { url: Some("s3://b".into()), ..StoreSettings::dir("a") }.problem().is_some());
        let bucket = StoreSettings { region: Some("eu-central-1".into()), ..StoreSettings::parse("s3://bucket") };
        assert_eq!(bucket.price_region(), Some("eu-central-1"));
        assert_eq!(StoreSettings { prices: Some("none".into()), ..bucket }.price_region(), None);
        assert_eq!(StoreSettings::dir("a").price_region(), None);
    }
}
