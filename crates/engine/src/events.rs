//! Events: what somebody should hear of, or a command should run on; and the trait through which
//! the engine tells them. Who delivers them, and how, is not decided here.
//!
//! **Invariant:** an event that cannot be delivered changes nothing about the run that it tells of.
//! Only the word of [`Announce::before`] can keep a run from beginning.

use darkslide_words::Time;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// A run failed.
    Failure,
    /// A run was done, but something could not be, or was strange.
    Warning,
    /// A run was complete, and the one before it was not.
    Recovered,
    /// A run was complete, like the one before it.
    Finished,
    /// A run was told to stop, and a later one goes on.
    Stopped,
    /// A run's process or machine died in its midst.
    CutOff,
    /// There was no backup for too long.
    NoBackupFor,
    /// What a thaw asked for can be read.
    ThawReady,
    /// A card may be formatted.
    CardSafe,
}

impl EventKind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Failure,
        Self::Warning,
        Self::Recovered,
        Self::Finished,
        Self::Stopped,
        Self::CutOff,
        Self::NoBackupFor,
        Self::ThawReady,
        Self::CardSafe,
    ];

    /// As it stands in JSON and in settings.
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
        }
    }
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// In which job.
    pub job: Option<String>,
    /// In which run.
    pub run: Option<i64>,
    /// When.
    pub time: Time,
    /// In a few words.
    pub title: String,
    /// In sentences, for people.
    pub text: String,
    /// For programs; names as in `darkslide logs --json`.
    pub facts: Map<String, Value>,
}

impl Event {
    /// Without job, run and facts.
    pub fn new(kind: EventKind, time: Time, title: impl Into<String>, text: impl Into<String>) -> Self {
        let (title, text) = (title.into(), text.into());
        Self { kind, job: None, run: None, time, title, text, facts: Map::new() }
    }

    /// Of this job.
    pub fn of_job(mut self, job: &str) -> Self {
        self.job = Some(job.to_string());
        self
    }

    /// Of this run.
    pub fn of_run(mut self, run: i64) -> Self {
        self.run = Some(run);
        self
    }

    /// With a fact.
    pub fn fact(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(name.to_string(), value.into());
        self
    }
}

/// A run that is about to begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Starting {
    /// Its job: the `[[job]]`, or the library, mirror or card.
    pub job: String,
    /// The library, mirror or card.
    pub target: String,
    /// What kind of work.
    pub kind: String,
    /// Its number.
    pub run: i64,
    /// When.
    pub time: Time,
    /// Who or what started it: `manual`, `schedule`, `missed`, `insertion`, `after`.
    pub origin: String,
}

/// What is heard before a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Before {
    /// Nothing speaks against it.
    #[default]
    Go,
    /// It goes on, but somebody should know this.
    Warn(String),
    /// It must not begin: the run fails, with this as its reason.
    Stop(String),
}

/// Tells events to whoever wants to know, and runs what is to run around jobs.
pub trait Announce: Send + Sync {
    /// Something happened. Must not wait for long: what takes time is bounded there.
    fn announce(&self, event: &Event);

    /// Before a run; its row exists.
    fn before(&self, _starting: &Starting) -> Before {
        Before::Go
    }

    /// After each run that [`Announce::before`] was asked about, also one that it stopped; after
    /// the event was announced. What is returned goes into the run's log.
    fn after(&self, _starting: &Starting, _event: &Event) -> Option<String> {
        None
    }
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silence;

impl Announce for Silence {
    fn announce(&self, _event: &Event) {}
}

#[cfg(test)]
mod tests {
    use super::{Event, EventKind};
    use darkslide_words::Time;

    #[test]
    fn an_event_is_told_in_json_as_it_is_named() {
        for kind in EventKind::ALL {
            let event = Event::new(kind, Time(5), "title", "text").of_job("nas").of_run(3).fact("files", 2);
            let value = serde_json::to_value(&event).unwrap();
            assert_eq!(value["kind"], kind.word());
            assert_eq!((&value["job"], &value["run"], &value["facts"]["files"]), (&"nas".into(), &3.into(), &2.into()));
            assert_eq!(serde_json::from_value::<Event>(value).unwrap(), event);
        }
    }
}
