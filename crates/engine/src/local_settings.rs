//! The parts of `darkslide.toml` for cards and mirrors.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use darkslide_ingest::{Rule, Template};
use darkslide_mirror::{Kept, Limits};
use darkslide_words::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Media, parse_bytes};

/// How cards are ingested.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IngestSettings {
    /// Where photographs go; the only job's library where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub library: Option<PathBuf>,
    /// Further targets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub second: Vec<PathBuf>,
    /// Folders and names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// When a day begins, such as `03:00`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day_starts: Option<String>,
    /// True if the daemon ingests each card that is put in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub on_insertion: bool,
}

/// The template where none is set.
pub const TEMPLATE: &str = "{date:%Y}/{date:%Y-%m-%d}_{job}/{name}";

impl IngestSettings {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn day_starts(&self) -> Option<jiff::SignedDuration> {
        let (hours, minutes) = self.day_starts.as_deref().unwrap_or("03:00").split_once(':')?;
        let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
        let fits = (0..24).contains(&hours) && (0..60).contains(&minutes);
        fits.then(|| jiff::SignedDuration::from_mins(hours * 60 + minutes))
    }

    pub(crate) fn problem(&self) -> Option<String> {
        if let Some(Err(error)) = self.template.as_deref().map(Template::parse) {
            return Some(format!("[ingest] {error}"));
        }
        let day = self.day_starts.as_deref().unwrap_or_default();
        self.day_starts().is_none().then(|| format!("[ingest] day_starts = `{day}` is no time such as `03:00`"))
    }
}

/// When a card may be formatted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SafeSettings {
    /// Verified copies of each file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copies: Option<u64>,
    /// Media that they are on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub places: Option<u64>,
    /// At least one of them outside the house.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub off_site: bool,
}

impl SafeSettings {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn rule(&self) -> Rule {
        Rule { copies: self.copies.unwrap_or(2), places: self.places.unwrap_or(2), off_site: self.off_site }
    }
}

/// A mirror.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MirrorSettings {
    /// Name of the job.
    pub name: String,
    /// The library; the only job's where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub library: Option<PathBuf>,
    /// Where the mirror is. It has to be there.
    pub target: PathBuf,
    /// Days that the trash is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trash_days: Option<u64>,
    /// How large the trash may get, such as `200 GB`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trash_max: Option<String>,
    /// Files that may go or change in one run without a question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brake_files: Option<u64>,
    /// Or this share of the mirror's files, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brake_percent: Option<u64>,
    /// A file in the library's root without which it is taken for absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentinel: Option<String>,
    /// True if it is outside the house.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub off_site: bool,
    /// What it is on, where that is no disk of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media: Option<Media>,
}

impl MirrorSettings {
    pub(crate) fn problem(&self) -> Option<String> {
        let size = self.trash_max.as_deref().filter(|size| parse_bytes(size).is_none());
        if self.name.is_empty() {
            return Some("a [[mirror]] has no name".into());
        }
        size.map(|size| format!("[[mirror]] {}: trash_max = `{size}` is no amount such as `200 GB`", self.name))
    }

    pub(crate) fn kept(&self) -> Kept {
        Kept {
            age: Duration::from_secs(self.trash_days.unwrap_or(30) * 24 * 3600),
            bytes: self.trash_max.as_deref().and_then(parse_bytes).map(Bytes),
        }
    }

    pub(crate) fn limits(&self, allowed: BTreeSet<String>) -> Limits {
        Limits {
            files: self.brake_files.unwrap_or(100),
            percent: self.brake_percent.unwrap_or(10),
            sentinel: self.sentinel.clone(),
            allowed,
        }
    }
}
