//! From a message to its receivers: all channels at once, each with its own attempts.

use std::time::Duration;

use darkslide_words::{Clock, Time};
use serde::{Deserialize, Serialize};

use crate::channel::{Channel, Load, Patience, Signal};
use crate::failure::Failure;
use crate::message::{Kind, Message};
use crate::runtime;
use crate::secret::Blanks;

/// What a delivery takes from its surroundings.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// Tells how long it took.
    pub clock: &'a dyn Clock,
    /// True once everything has to end.
    pub stop: &'a (dyn Fn() -> bool + Sync),
}

impl std::fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings").finish_non_exhaustive()
    }
}

/// What became of a message on one channel: to be written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Name of the channel.
    pub channel: String,
    /// What it is: `webhook`, `email` …
    pub way: String,
    /// What was told.
    pub kind: Kind,
    /// When the message was made.
    pub time: Time,
    /// Attempts it took.
    pub attempts: u32,
    /// How long it took.
    pub took_ms: u64,
    /// Why it did not arrive, and what to do; nothing if it did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub why: Option<String>,
}

impl Delivery {
    /// True if the other side took it.
    pub fn is_delivered(&self) -> bool {
        self.why.is_none()
    }
}

impl std::fmt::Display for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.why {
            None => write!(f, "{} ({}) was told", self.channel, self.way),
            Some(why) => write!(f, "{} ({}) was not told: {why}", self.channel, self.way),
        }
    }
}

/// Sends a message to these channels; the outcomes are in their order. Whether a channel wants it is
/// not asked here.
pub fn deliver(channels: &[&Channel], message: &Message, around: &Surroundings<'_>) -> Vec<Delivery> {
    all(channels, &Load { message, signal: Signal::Success }, around)
}

/// Tells these watchers; the message is what they show beside the signal.
pub fn ping(channels: &[&Channel], signal: Signal, message: &Message, around: &Surroundings<'_>) -> Vec<Delivery> {
    all(channels, &Load { message, signal }, around)
}

fn all(channels: &[&Channel], load: &Load<'_>, around: &Surroundings<'_>) -> Vec<Delivery> {
    if channels.is_empty() {
        return Vec::new();
    }
    let work = async { futures::future::join_all(channels.iter().map(|channel| one(channel, load, around))).await };
    runtime::block(work).unwrap_or_else(|e| {
        let why = format!("there was no thread for it: {e}");
        channels.iter().map(|channel| outcome(channel, load, 0, Duration::ZERO, Some(why.clone()))).collect()
    })
}

fn outcome(channel: &Channel, load: &Load<'_>, attempts: u32, took: Duration, why: Option<String>) -> Delivery {
    Delivery {
        channel: channel.name.clone(),
        way: channel.way.word().to_string(),
        kind: load.message.kind,
        time: load.message.time,
        attempts,
        took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        why,
    }
}

/// Attempts until it goes well, the failure is final, or patience ends.
async fn one(channel: &Channel, load: &Load<'_>, around: &Surroundings<'_>) -> Delivery {
    let began = around.clock.elapsed();
    let mut blanks = Blanks::default();
    let mut attempts = 0;
    let failure = loop {
        attempts += 1;
        let failure = match attempt(channel, load, &mut blanks, around).await {
            Ok(()) => break None,
            Err(failure) => failure,
        };
        if !failure.again || attempts >= channel.patience.attempts_max || (around.stop)() {
            break Some(failure);
        }
        tokio::select! {
            () = tokio::time::sleep(pause(&channel.patience, attempts, failure.after)) => {}
            () = runtime::until(around.stop) => break Some(failure),
        }
    };
    let took = around.clock.elapsed().saturating_sub(began);
    outcome(channel, load, attempts, took, failure.map(|failure| blanks.blank(&failure.why)))
}

async fn attempt(
    channel: &Channel,
    load: &Load<'_>,
    blanks: &mut Blanks,
    around: &Surroundings<'_>,
) -> Result<(), Failure> {
    // A program is given its time and a second to end; nothing may take longer than that.
    let limit = channel.patience.attempt + Duration::from_secs(3);
    let limit = if matches!(channel.way, crate::Way::Command(_)) { limit } else { channel.patience.attempt };
    let is_command = matches!(channel.way, crate::Way::Command(_));
    let stopped = async {
        match is_command {
            // It is told itself, to end its children.
            true => std::future::pending().await,
            false => runtime::until(around.stop).await,
        }
    };
    tokio::select! {
        done = tokio::time::timeout(limit, channel.once(load, blanks, around.stop)) => {
            done.unwrap_or_else(|_| Err(Failure::passing(format!("no answer within {} seconds", limit.as_secs_f32()))))
        }
        () = stopped => Err(Failure::lasting("it was cut short, since Darkslide had to stop")),
    }
}

/// Doubles from attempt to attempt; what the server asks for goes first.
fn pause(patience: &Patience, attempts: u32, after: Option<Duration>) -> Duration {
    let doubled = patience.pause.saturating_mul(1 << (attempts - 1).min(16));
    after.unwrap_or(doubled).min(patience.pause_max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit_and_obey_the_server() {
        let patience = Patience::default();
        let secs = |attempts, after| pause(&patience, attempts, after).as_secs();
        assert_eq!([secs(1, None), secs(2, None), secs(3, None), secs(40, None)], [2, 4, 8, 60]);
        assert_eq!(secs(1, Some(Duration::from_secs(30))), 30);
        assert_eq!(secs(1, Some(Duration::from_secs(3000))), 60);
    }
}
