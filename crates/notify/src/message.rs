//! What is told, before any channel has put it into its own form.

use darkslide_words::Time;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A run failed.
    Failure,
    /// A run is done, but not everything could be.
    Warning,
    /// A run was complete, and the one before it was not.
    Recovered,
    /// A run was complete.
    Finished,
    /// A run was told to stop, and a later one goes on.
    Stopped,
    /// A run was cut off: by a power cut, or killed.
    #[serde(alias = "cut_off")]
    CutOff,
    /// A job has had no good run for too long.
    #[serde(alias = "no_backup", alias = "no-backup", alias = "no_backup_for")]
    NoBackupFor,
    /// Photographs out of the cold can be read.
    #[serde(alias = "thaw_ready")]
    ThawReady,
    /// A card may be formatted.
    #[serde(alias = "card_safe")]
    CardSafe,
    /// Somebody tries whether messages arrive.
    Test,
}

/// What a channel tells where its `on` is left out.
pub const KINDS_DEFAULT: &[Kind] =
    &[Kind::Failure, Kind::Warning, Kind::Recovered, Kind::CutOff, Kind::NoBackupFor, Kind::ThawReady];

impl Kind {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 10] = [
        Self::Failure,
        Self::Warning,
        Self::Recovered,
        Self::Finished,
        Self::Stopped,
        Self::CutOff,
        Self::NoBackupFor,
        Self::ThawReady,
        Self::CardSafe,
        Self::Test,
    ];

    /// As it is written in the configuration and in messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Failure => "failure",
            Self::Warning => "warning",
            Self::Recovered => "recovered",
            Self::Finished => "finished",
            Self::Stopped => "stopped",
            Self::CutOff => "cut-off",
            Self::NoBackupFor => "no-backup-for",
            Self::ThawReady => "thaw-ready",
            Self::CardSafe => "card-safe",
            Self::Test => "test",
        }
    }

    /// The kind of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// How much it matters.
    pub fn severity(self) -> Severity {
        match self {
            Self::Failure | Self::NoBackupFor => Severity::Failure,
            Self::Warning | Self::CutOff => Severity::Warning,
            _ => Severity::Info,
        }
    }

    /// Whether a job stands worse after it than it should.
    pub(crate) fn is_bad(self) -> bool {
        self.severity() != Severity::Info
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// How much something matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// To be looked at.
    Warning,
    /// Something is not safe.
    Failure,
}

impl Severity {
    /// As it stands in messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Failure => "failure",
        }
    }
}

/// A message, the same for every channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// What kind.
    pub kind: Kind,
    /// Of which job.
    pub job: Option<String>,
    /// Of which run of it.
    pub run: Option<i64>,
    /// When it happened.
    pub time: Time,
    /// On which machine.
    pub machine: String,
    /// How much it matters.
    pub severity: Severity,
    /// In a line.
    pub title: String,
    /// In a few lines.
    pub text: String,
    /// For programs: counts and times; no names of photographs.
    pub facts: Value,
    /// What may name photographs. Only channels with `details` get it.
    pub details: Vec<String>,
}

/// Details that a message carries at most.
const DETAILS_MAX: usize = 50;

impl Message {
    /// The text as a channel with or without `details` shows it.
    pub fn body(&self, details: Details) -> String {
        let shown = self.details(details);
        let mut body = self.text.clone();
        if !shown.is_empty() {
            body.push_str("\n\n");
            body.push_str(&shown.join("\n"));
            let more = self.details.len() - shown.len();
            if more > 0 {
                body.push_str(&format!("\nand {more} more"));
            }
        }
        body
    }

    /// The names that its job goes by: its own, and that of the library or mirror it works on.
    pub fn names(&self) -> Vec<&str> {
        self.job.as_deref().into_iter().chain(self.facts.get("target").and_then(Value::as_str)).collect()
    }

    /// For programs.
    pub fn to_json(&self, details: Details) -> Value {
        let mut out = Map::new();
        out.insert("version".into(), json!(1));
        out.insert("kind".into(), json!(self.kind.word()));
        out.insert("job".into(), json!(self.job));
        out.insert("run".into(), json!(self.run));
        out.insert("time".into(), json!(self.time.to_rfc3339_seconds()));
        out.insert("machine".into(), json!(self.machine));
        out.insert("severity".into(), json!(self.severity.word()));
        out.insert("title".into(), json!(self.title));
        out.insert("text".into(), json!(self.text));
        out.insert("facts".into(), self.facts.clone());
        if details == Details::Shown {
            out.insert("details".into(), json!(self.details(details)));
        }
        Value::Object(out)
    }

    fn details(&self, details: Details) -> &[String] {
        match details {
            Details::Shown => &self.details[..self.details.len().min(DETAILS_MAX)],
            Details::Withheld => &[],
        }
    }

    /// The same for the same message: receivers can tell a repetition by it.
    pub(crate) fn id(&self) -> String {
        let text = self.to_json(Details::Shown).to_string();
        hex::encode(&ring::digest::digest(&ring::digest::SHA256, text.as_bytes()).as_ref()[..16])
    }
}

/// Whether a channel gets what may name photographs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Details {
    /// Only jobs and counts leave the house.
    #[default]
    Withheld,
    /// Names and reasons, too.
    Shown,
}
