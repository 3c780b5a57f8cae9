//! What was told already, and how each job stands: so that "it works again" can be said, and the
//! same failure does not ring every night.
//!
//! A small value that the caller keeps between runs. If it is lost, something is told once more.

use std::collections::BTreeMap;
use std::time::Duration;

use darkslide_words::Time;
use serde::{Deserialize, Serialize};

use crate::channel::Channel;
use crate::deliver::Delivery;
use crate::message::{Kind, Message};

/// How long the same thing is not told again where nothing else is set: less than a day, so that a
/// nightly job that began some minutes earlier is not passed over.
pub const REPEAT: Duration = Duration::from_secs(20 * 3600);
/// Things remembered at most; the oldest go first.
const TOLD_MAX: usize = 1000;

/// What is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// Jobs whose last run was not good.
    bad: BTreeMap<String, Bad>,
    /// What each channel was told last.
    told: BTreeMap<String, Told>,
    /// The last delivery of each channel.
    last: BTreeMap<String, Delivery>,
}

/// A job that is not well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Bad {
    since: Time,
    runs: u64,
}

/// One thing that a channel was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    at: Time,
    job: String,
    /// How often it came again since, and was not told.
    kept_back: u64,
}

impl Memory {
    /// What it is in the light of what was before: a good run after a bad one is a recovery. Adds to
    /// the message how long it was bad.
    pub fn judge(&mut self, message: &mut Message) {
        let Some(job) = message.job.clone() else { return };
        if matches!(message.kind, Kind::Failure | Kind::Warning | Kind::CutOff) {
            let bad = self.bad.entry(job).or_insert(Bad { since: message.time, runs: 0 });
            bad.runs += 1;
            return;
        }
        if !matches!(message.kind, Kind::Finished | Kind::Recovered) {
            return;
        }
        // Whatever was told of this job is over: the next failure is news.
        self.told.retain(|_, told| told.job != job);
        if let Some(bad) = self.bad.remove(&job) {
            let runs = if bad.runs == 1 { "run".into() } else { format!("{} runs", bad.runs) };
            message.text =
                format!("{} Before it, the {runs} since {} did not go well.", message.text, bad.since.local());
            if let serde_json::Value::Object(facts) = &mut message.facts {
                facts.insert("bad_runs".into(), bad.runs.into());
                facts.insert("bad_since".into(), bad.since.to_rfc3339_seconds().into());
            }
            if message.kind == Kind::Finished {
                message.kind = Kind::Recovered;
                message.severity = Kind::Recovered.severity();
                message.title = message.title.replace(" went well on ", " works again on ");
            }
        }
    }

    /// The channels that are to be told, by their place in the list. What they were told less than
    /// their `repeat` ago is kept back.
    pub fn choose(&mut self, channels: &[Channel], message: &Message) -> Vec<usize> {
        let mut chosen = Vec::new();
        for (n, channel) in channels.iter().enumerate() {
            if !channel.wants(message.kind, &message.names()) {
                continue;
            }
            let told = self.told.get_mut(&key(&channel.name, message));
            match told.filter(|told| is_recent(told.at, message.time, channel.repeat)) {
                Some(told) => told.kept_back += 1,
                None => chosen.push(n),
            }
        }
        chosen
    }

    /// How often this was kept back since the channel last heard it.
    pub fn kept_back(&self, channel: &str, message: &Message) -> u64 {
        self.told.get(&key(channel, message)).map_or(0, |told| told.kept_back)
    }

    /// Remembers what came of it. What did not arrive is told again next time.
    pub fn note(&mut self, message: &Message, deliveries: &[Delivery]) {
        for delivery in deliveries {
            self.last.insert(delivery.channel.clone(), delivery.clone());
            if delivery.is_delivered() && message.kind.is_bad() {
                let job = message.job.clone().unwrap_or_default();
                let told = Told { at: message.time, job, kept_back: 0 };
                self.told.insert(key(&delivery.channel, message), told);
            }
        }
        while self.told.len() > TOLD_MAX {
            let oldest = self.told.iter().min_by_key(|(_, told)| told.at).map(|(key, _)| key.clone());
            oldest.map(|key| self.told.remove(&key));
        }
    }

    /// The last delivery of a channel.
    pub fn last(&self, channel: &str) -> Option<&Delivery> {
        self.last.get(channel)
    }

    /// Forgets channels that are gone.
    pub fn keep(&mut self, channels: &[Channel]) {
        self.last.retain(|name, _| channels.iter().any(|channel| channel.name == *name));
    }
}

/// Less than `repeat` ago. A clock that was set back makes nothing recent for ever.
fn is_recent(at: Time, now: Time, repeat: Duration) -> bool {
    at <= now && at.until(now) < repeat
}

/// The same thing has the same key: channel, kind, job and reason, whatever the counts are. Hashed,
/// so that it may lie about.
fn key(channel: &str, message: &Message) -> String {
    let reason: String = message.details.join("\n").chars().filter(|c| !c.is_ascii_digit()).collect();
    let all = [channel, message.kind.word(), message.job.as_deref().unwrap_or_default(), &reason].join("\0");
    hex::encode(&ring::digest::digest(&ring::digest::SHA256, all.as_bytes()).as_ref()[..16])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::{Patience, Program, Way};
    use crate::message::{Details, KINDS_DEFAULT};
    use crate::wording::{Happening, compose};

    const DAY: u64 = 24 * 3600;

    fn channel(repeat: Duration) -> Channel {
        Channel {
            name: "phone".into(),
            on: KINDS_DEFAULT.iter().copied().collect(),
            jobs: ["nas".to_string()].into(),
            repeat,
            details: Details::Withheld,
            patience: Patience::default(),
            way: Way::Command(Program { argv: vec!["true".into()], env: BTreeMap::new() }),
        }
    }

    fn message(kind: Kind, at: u64, why: &str) -> Message {
        let happening = Happening {
            kind,
            job: Some("nas".into()),
            run: None,
            time: Time::from_parts(at as i64, 0),
            facts: serde_json::Map::new(),
            details: vec![why.into()],
        };
        compose(&happening, "raid")
    }

    fn delivered(message: &Message) -> Vec<Delivery> {
        vec![Delivery {
            channel: "phone".into(),
            way: "command".into(),
            kind: message.kind,
            time: message.time,
            attempts: 1,
            took_ms: 1,
            why: None,
        }]
    }

    /// Goes through a happening as a dispatcher does; true if the channel was told.
    fn happens(memory: &mut Memory, channels: &[Channel], mut message: Message) -> bool {
        memory.judge(&mut message);
        let told = !memory.choose(channels, &message).is_empty();
        if told {
            memory.note(&message, &delivered(&message));
        }
        told
    }

    #[test]
    fn the_same_failure_rings_once_in_its_time_and_a_new_one_at_once() {
        let channels = [channel(Duration::from_secs(3 * DAY))];
        let mut memory = Memory::default();
        let mut nights = Vec::new();
        for night in 0..9 {
            let failure = message(Kind::Failure, night * DAY, &format!("disk full, {night} left"));
            nights.push(happens(&mut memory, &channels, failure));
        }
        assert_eq!(nights, [true, false, false, true, false, false, true, false, false]);
        let same = message(Kind::Failure, 9 * DAY - 1, "disk full, 7 left");
        assert_eq!(memory.kept_back("phone", &same), 2);
        assert!(happens(&mut memory, &channels, message(Kind::Failure, 9 * DAY - 1, "no such host")));
        assert!(!happens(&mut memory, &channels, same));
    }

    #[test]
    fn a_good_run_after_bad_ones_is_a_recovery_and_ends_the_quiet() {
        let channels = [channel(REPEAT)];
        let mut memory = Memory::default();
        assert!(!happens(&mut memory, &channels, message(Kind::Finished, 1, "")), "nothing had been wrong");
        assert!(happens(&mut memory, &channels, message(Kind::Failure, 2, "x")));
        assert!(!happens(&mut memory, &channels, message(Kind::Failure, 3, "x")));
        let mut good = message(Kind::Finished, 4, "");
        memory.judge(&mut good);
        assert_eq!((good.kind, good.title.as_str()), (Kind::Recovered, "nas works again on raid"));
        assert_eq!(good.facts["bad_runs"], 2);
        let mut again = message(Kind::Finished, 5, "");
        memory.judge(&mut again);
        assert_eq!(again.kind, Kind::Finished);
        assert!(happens(&mut memory, &channels, message(Kind::Failure, 6, "x")), "the next failure is news");
    }

    #[test]
    fn what_did_not_arrive_is_told_again() {
        let channels = [channel(REPEAT)];
        let mut memory = Memory::default();
        let failure = message(Kind::Failure, 1, "x");
        assert_eq!(memory.choose(&channels, &failure), [0]);
        let mut lost = delivered(&failure);
        lost[0].why = Some("no answer".into());
        memory.note(&failure, &lost);
        assert_eq!(memory.choose(&channels, &failure), [0]);
        assert_eq!(memory.last("phone"), Some(&lost[0]));
        memory.keep(&[]);
        assert_eq!(memory.last("phone"), None);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_silence() {
        let channels = [channel(REPEAT)];
        let mut memory = Memory::default();
        assert!(happens(&mut memory, &channels, message(Kind::Failure, 9000 * DAY, "x")));
        assert!(happens(&mut memory, &channels, message(Kind::Failure, 10 * DAY, "x")));
    }

    #[test]
    fn other_jobs_and_other_kinds_are_not_for_it() {
        let channels = [channel(REPEAT)];
        let mut memory = Memory::default();
        let mut other = message(Kind::Failure, 1, "x");
        other.job = Some("cards".into());
        assert!(memory.choose(&channels, &other).is_empty());
        assert!(memory.choose(&channels, &message(Kind::CardSafe, 1, "x")).is_empty());
        assert_eq!(memory.choose(&channels, &message(Kind::Test, 1, "x")), [0]);
    }

    #[test]
    fn it_survives_being_written_down_and_stays_small() {
        let channels = [channel(REPEAT)];
        let mut memory = Memory::default();
        for n in 0..u64::try_from(TOLD_MAX).unwrap() + 50 {
            let letters: String = n.to_string().bytes().map(|b| char::from(b - b'0' + b'a')).collect();
            assert!(happens(&mut memory, &channels, message(Kind::Failure, n, &letters)));
        }
        assert_eq!(memory.told.len(), TOLD_MAX);
        let text = serde_json::to_string(&memory).unwrap();
        assert_eq!(serde_json::from_str::<Memory>(&text).unwrap(), memory);
        assert_eq!(serde_json::from_str::<Memory>("{}").unwrap(), Memory::default());
    }
}
