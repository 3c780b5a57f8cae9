//! The ways on which a message goes out, each in a file of its own.

mod command;
mod email;
mod ntfy;
mod ping;
mod sns;
mod webhook;

use std::collections::BTreeSet;
use std::time::Duration;

pub use command::Program;
pub(crate) use command::environment;
pub use email::{Email, Encryption};
pub use ntfy::Ntfy;
pub use ping::{Begins, Ping};
pub use sns::Sns;
pub use webhook::Webhook;

use crate::failure::Failure;
use crate::message::{Details, Kind, Message};
use crate::secret::Blanks;

/// How often and how long one tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Attempts, the first one included.
    pub attempts_max: u32,
    /// Time for one attempt, the answer included.
    pub attempt: Duration,
    /// The first pause; each next one is twice as long.
    pub pause: Duration,
    /// The longest pause.
    pub pause_max: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            attempts_max: 3,
            attempt: Duration::from_secs(15),
            pause: Duration::from_secs(2),
            pause_max: Duration::from_secs(60),
        }
    }
}

/// Where messages go to, and which.
#[derive(Debug, Clone, PartialEq)]
pub struct Channel {
    /// Its name.
    pub name: String,
    /// What it is told.
    pub on: BTreeSet<Kind>,
    /// Of which jobs; of all where empty.
    pub jobs: BTreeSet<String>,
    /// How long the same thing is not told again.
    pub repeat: Duration,
    /// Whether it gets what may name photographs.
    pub details: Details,
    /// How often and how long one tries.
    pub patience: Patience,
    /// The way.
    pub way: Way,
}

/// A way out of the house.
#[derive(Debug, Clone, PartialEq)]
pub enum Way {
    /// A POST with JSON.
    Webhook(Webhook),
    /// ntfy: pushes to telephones.
    Ntfy(Ntfy),
    /// E-mail.
    Email(Email),
    /// Amazon SNS.
    Sns(Sns),
    /// A program.
    Command(Program),
    /// A watcher from outside, as healthchecks.io: hears that jobs run, not what they say.
    Ping(Ping),
}

/// What a watcher from outside hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// A run begins.
    Start,
    /// It did all of its work.
    Success,
    /// It did not.
    Fail,
}

impl Signal {
    /// In messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Success => "success",
            Self::Fail => "fail",
        }
    }
}

impl Channel {
    /// Whether this channel is for that; `names` are those that the job goes by.
    pub fn wants(&self, kind: Kind, names: &[&str]) -> bool {
        let ours = !matches!(self.way, Way::Ping(_)) && (kind == Kind::Test || self.on.contains(&kind));
        ours && (names.is_empty() || self.covers(names))
    }

    /// Whether this is a watcher of that job.
    pub fn watches(&self, names: &[&str]) -> bool {
        matches!(self.way, Way::Ping(_)) && self.covers(names)
    }

    fn covers(&self, names: &[&str]) -> bool {
        self.jobs.is_empty() || names.iter().any(|name| self.jobs.contains(*name))
    }

    /// One attempt. Whatever must not be seen is in `blanks` afterwards, also when it fails.
    pub(crate) async fn once(
        &self,
        load: &Load<'_>,
        blanks: &mut Blanks,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<(), Failure> {
        let letter = Letter { message: load.message, details: self.details };
        match &self.way {
            Way::Webhook(way) => way.send(&letter, blanks).await,
            Way::Ntfy(way) => way.send(&letter, blanks).await,
            Way::Email(way) => way.send(&letter, self.patience.attempt, blanks).await,
            Way::Sns(way) => way.send(&letter, blanks).await,
            Way::Command(way) => way.send(&letter, self.patience.attempt, blanks, stop).await,
            Way::Ping(way) => way.send(&letter, load.signal, blanks).await,
        }
    }
}

impl Way {
    /// What it is, as in the configuration.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Ntfy(_) => "ntfy",
            Self::Email(_) => "email",
            Self::Sns(_) => "sns",
            Self::Command(_) => "command",
            Self::Ping(_) => "ping",
        }
    }
}

/// What is to go out.
pub(crate) struct Load<'a> {
    pub(crate) message: &'a Message,
    pub(crate) signal: Signal,
}

/// A message as one channel may see it.
pub(crate) struct Letter<'a> {
    pub(crate) message: &'a Message,
    pub(crate) details: Details,
}

impl Letter<'_> {
    pub(crate) fn body(&self) -> String {
        self.message.body(self.details)
    }

    pub(crate) fn json(&self) -> Vec<u8> {
        self.message.to_json(self.details).to_string().into_bytes()
    }
}
