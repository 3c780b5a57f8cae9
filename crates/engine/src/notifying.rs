//! The engine's events on their way out: messages to channels, pings to watchers, programs around
//! jobs. What became of them goes into the run's log.
//!
//! **Invariant:** whatever happens here, the run that is told of has ended as it has; a hook that is
//! required and fails keeps one from beginning, and nothing else does.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use darkslide_notify::{
    Channel, Delivery, Happening, Hook, HookPoint, HookRun, Kind, Memory, Message, Patience, Signal, Surroundings,
    Weight, compose, deliver, ping,
};
use darkslide_words::{Clock, Time};
use serde_json::{Value, json};

use crate::events::{Announce, Before, Event, EventKind, Starting};
use crate::{CardState, Engine, EngineError, Settings, Verdict};

/// The file below the state folder with what was told already.
const MEMORY: &str = "notifications.json";
/// How long a hook may still take, and a message may still try, when everything has to end.
const LAST_MOMENTS: Duration = Duration::from_secs(5);
/// Runs of which it is known what was said.
const RUNS_MAX: usize = 16;

/// Says whether everything has to end.
pub type StopSign = Arc<dyn Fn() -> bool + Send + Sync>;

/// Delivers events by the configuration.
pub struct Dispatcher {
    channels: Vec<Channel>,
    hooks: Vec<Hook>,
    machine: String,
    memory: PathBuf,
    clock: Arc<dyn Clock>,
    stop: StopSign,
    /// What became of it, by run.
    said: Mutex<BTreeMap<i64, Vec<String>>>,
    /// One at a time reads, changes and writes the memory.
    remembering: Mutex<()>,
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher")
            .field("channels", &self.channels)
            .field("hooks", &self.hooks)
            .finish_non_exhaustive()
    }
}

/// A channel, and what became of the last message to it.
#[derive(Debug, Clone)]
pub struct ChannelInfo {
    /// Its name.
    pub name: String,
    /// What it is: `webhook`, `email` …
    pub way: &'static str,
    /// What it is told.
    pub on: Vec<&'static str>,
    /// The last message to it.
    pub last: Option<Delivery>,
}

impl Engine {
    /// The same, telling its events to the channels and hooks of the configuration, if there are any.
    /// `stop` says whether everything has to end.
    pub fn notifying(self, machine: &str, stop: StopSign) -> Self {
        if self.settings.notify.is_empty() && self.settings.hooks.is_empty() {
            return self;
        }
        let dispatcher = self.dispatcher(machine, stop);
        self.announcing(Arc::new(dispatcher))
    }

    /// Tells that a card may be formatted; nothing where it may not.
    pub(crate) fn tell_card_safe(&self, label: &str, said: &Verdict) {
        if said.state != CardState::SafeToFormat {
            return;
        }
        let text = format!("{label}: {said}");
        let event = Event::new(EventKind::CardSafe, self.clock.now(), "a card is safe to format", text);
        self.tell(&event.of_job("cards").fact("files", said.files.len()));
    }

    /// What delivers events by the configuration.
    pub fn dispatcher(&self, machine: &str, stop: StopSign) -> Dispatcher {
        Dispatcher::new(&self.settings, machine, self.clock.clone(), stop)
    }
}

impl Dispatcher {
    fn new(settings: &Settings, machine: &str, clock: Arc<dyn Clock>, stop: StopSign) -> Self {
        Self {
            channels: settings.notify.iter().map(|one| one.channel(settings)).collect(),
            hooks: settings.hooks.iter().map(|one| one.hook(settings)).collect(),
            machine: machine.to_string(),
            memory: settings.state_dir().join(MEMORY),
            clock,
            stop,
            said: Mutex::default(),
            remembering: Mutex::default(),
        }
    }

    /// Sends a test to a channel, or to all; what became of each. A watcher gets one only by its
    /// name: to it a test is a sign that a run went well.
    pub fn test(&self, channel: Option<&str>) -> Result<Vec<Delivery>, EngineError> {
        let is_meant = |one: &&Channel| match channel {
            Some(name) => name == one.name,
            None => !is_ping(one),
        };
        let chosen: Vec<&Channel> = self.channels.iter().filter(is_meant).collect();
        if let Some(name) = channel.filter(|_| chosen.is_empty()) {
            return Err(EngineError::NoSuch { what: "[[notify]]", name: name.to_string() });
        }
        let message = self.message(Kind::Test, None, None, self.clock.now(), &[]);
        let (watchers, others): (Vec<&Channel>, Vec<&Channel>) = chosen.iter().partition(|one| is_ping(one));
        let around = Surroundings { clock: &*self.clock, stop: &*self.stop };
        let mut done = deliver(&others, &message, &around);
        done.extend(ping(&watchers, Signal::Success, &message, &around));
        self.remember(|memory| memory.note(&message, &done));
        Ok(done)
    }

    /// The channels, and what became of the last message to each.
    pub fn channels(&self) -> Vec<ChannelInfo> {
        let memory = self.load();
        let info = |channel: &Channel| ChannelInfo {
            name: channel.name.clone(),
            way: channel.way.word(),
            on: match is_ping(channel) {
                true => vec!["start", "success", "fail"],
                false => channel.on.iter().map(|kind| kind.word()).collect(),
            },
            last: memory.last(&channel.name).cloned(),
        };
        self.channels.iter().map(info).collect()
    }

    fn message(&self, kind: Kind, job: Option<&str>, run: Option<i64>, time: Time, facts: &[(&str, Value)]) -> Message {
        let facts = facts.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        let job = job.map(str::to_string);
        compose(&Happening { kind, job, run, time, facts, details: Vec::new() }, &self.machine)
    }

    /// Does the work as long as nothing has to end; in the last moments, briefly.
    fn within<T>(&self, work: impl FnOnce(&Surroundings<'_>, Option<Duration>) -> T) -> T {
        match (self.stop)() {
            false => work(&Surroundings { clock: &*self.clock, stop: &*self.stop }, None),
            true => work(&Surroundings { clock: &*self.clock, stop: &|| false }, Some(LAST_MOMENTS)),
        }
    }

    fn send(&self, channels: &[&Channel], message: &Message, signal: Option<Signal>) -> Vec<Delivery> {
        self.within(|around, limit| {
            let hurried: Vec<Channel> = channels.iter().map(|channel| hurry((*channel).clone(), limit)).collect();
            let hurried: Vec<&Channel> = hurried.iter().collect();
            match signal {
                None => deliver(&hurried, message, around),
                Some(signal) => ping(&hurried, signal, message, around),
            }
        })
    }

    fn tell(&self, event: &Event) -> Vec<Delivery> {
        let mut message = compose(&happening(event), &self.machine);
        let chosen = self.remember(|memory| {
            memory.judge(&mut message);
            memory.choose(&self.channels, &message)
        });
        let channels: Vec<&Channel> = chosen.iter().map(|n| &self.channels[*n]).collect();
        let kept_back = {
            let memory = self.load();
            channels.iter().map(|channel| memory.kept_back(&channel.name, &message)).max().unwrap_or_default()
        };
        let mut sent = message.clone();
        if kept_back > 0 {
            sent.text = format!("{}\n\nIt was the same {kept_back} times since you last heard of it.", sent.text);
        }
        let mut done = self.send(&channels, &sent, None);
        if let Some(signal) = signal(event) {
            let names = message.names();
            let watchers: Vec<&Channel> = self.channels.iter().filter(|channel| channel.watches(&names)).collect();
            done.extend(self.send(&watchers, &message, Some(signal)));
        }
        self.remember(|memory| memory.note(&message, &done));
        done
    }

    /// Runs the hooks of that point, one after the other.
    fn hooks(&self, point: HookPoint, job: Option<&str>, names: &[&str], event: &Value) -> Vec<(HookRun, Weight)> {
        let wanted = self.hooks.iter().filter(|hook| hook.wants(point, names));
        let run = |hook: &Hook| {
            let done = self.within(|around, limit| {
                let limit = limit.map_or(hook.limit, |limit| limit.min(hook.limit));
                Hook { limit, ..hook.clone() }.run(point, job, event, around)
            });
            (done, hook.weight)
        };
        wanted.map(run).collect()
    }

    fn say(&self, run: Option<i64>, lines: impl IntoIterator<Item = String>) {
        let Some(run) = run else { return };
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.entry(run).or_default().extend(lines);
        while said.len() > RUNS_MAX {
            said.pop_first();
        }
    }

    /// A memory that cannot be read is an empty one: something is told once more.
    fn load(&self) -> Memory {
        fs::read(&self.memory).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    fn remember<T>(&self, change: impl FnOnce(&mut Memory) -> T) -> T {
        let _one = self.remembering.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.load();
        let mut memory = before.clone();
        memory.keep(&self.channels);
        let result = change(&mut memory);
        if memory != before {
            // Unwritten, it is told once more.
            let _ = self.store(&memory);
        }
        result
    }

    /// Whole or not at all, for its user alone.
    fn store(&self, memory: &Memory) -> std::io::Result<()> {
        let new = self.memory.with_extension(format!("{}.new", std::process::id()));
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(serde_json::to_string(memory)?.as_bytes())?;
        fs::rename(&new, &self.memory)
    }
}

impl Announce for Dispatcher {
    fn announce(&self, event: &Event) {
        let told = self.tell(event).iter().map(ToString::to_string).collect::<Vec<_>>();
        self.say(event.run, told);
        let names = names(event);
        let on = HookPoint::On(kind(event));
        let ran = self.hooks(on, event.job.as_deref(), &names, &for_hook(on, event));
        self.say(event.run, ran.iter().map(|(run, _)| run.to_string()));
    }

    fn before(&self, starting: &Starting) -> Before {
        let names = [starting.job.as_str(), starting.target.as_str()];
        let event = json!({
            "version": 1, "hook": "before", "job": starting.job, "target": starting.target, "kind": starting.kind,
            "run": starting.run, "time": starting.time.to_rfc3339_seconds(), "origin": starting.origin,
        });
        let ran = self.hooks(HookPoint::Before, Some(&starting.job), &names, &event);
        self.say(Some(starting.run), ran.iter().map(|(run, _)| run.to_string()));
        let (must, may): (Vec<_>, Vec<_>) =
            ran.iter().filter(|(run, _)| !run.is_good()).partition(|(_, weight)| *weight == Weight::Required);
        if let Some((run, _)) = must.first() {
            return Before::Stop(run.to_string());
        }
        let watchers: Vec<&Channel> = self.channels.iter().filter(|channel| channel.watches(&names)).collect();
        let facts = [("kind", Value::from(starting.kind.as_str()))];
        // It is told as a signal; the words are beside it.
        let mut message = self.message(Kind::Test, Some(&starting.job), Some(starting.run), starting.time, &facts);
        message.title = format!("{} of {} begins on {}", starting.kind, starting.job, self.machine);
        message.text.clear();
        let done = self.send(&watchers, &message, Some(Signal::Start));
        let lost = done.iter().filter(|delivery| !delivery.is_delivered());
        self.say(Some(starting.run), lost.map(ToString::to_string));
        match may.first() {
            Some((run, _)) => Before::Warn(run.to_string()),
            None => Before::Go,
        }
    }

    fn after(&self, starting: &Starting, event: &Event) -> Option<String> {
        let names = [starting.job.as_str(), starting.target.as_str()];
        let ran = self.hooks(HookPoint::After, Some(&starting.job), &names, &for_hook(HookPoint::After, event));
        self.say(Some(starting.run), ran.iter().map(|(run, _)| run.to_string()));
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.remove(&starting.run).filter(|lines| !lines.is_empty()).map(|lines| lines.join("\n"))
    }
}

fn is_ping(channel: &Channel) -> bool {
    matches!(channel.way, darkslide_notify::Way::Ping(_))
}

/// In the last moments: once, and briefly.
fn hurry(channel: Channel, limit: Option<Duration>) -> Channel {
    let Some(limit) = limit else { return channel };
    let patience = Patience { attempts_max: 1, attempt: limit.min(channel.patience.attempt), ..channel.patience };
    Channel { patience, ..channel }
}

fn kind(event: &Event) -> Kind {
    // Both lists have the same words; a test holds them together.
    Kind::from_word(event.kind.word()).unwrap_or(Kind::Warning)
}

/// What the watchers outside hear; nothing where a run was only stopped and goes on later.
fn signal(event: &Event) -> Option<Signal> {
    match kind(event) {
        Kind::Finished | Kind::Recovered => Some(Signal::Success),
        Kind::Failure | Kind::Warning | Kind::CutOff | Kind::NoBackupFor => Some(Signal::Fail),
        _ => None,
    }
}

fn names(event: &Event) -> Vec<&str> {
    event.job.as_deref().into_iter().chain(event.facts.get("target").and_then(Value::as_str)).collect()
}

/// The event in neutral words. Its own sentences may name photographs: they are details.
fn happening(event: &Event) -> Happening {
    Happening {
        kind: kind(event),
        job: event.job.clone(),
        run: event.run,
        time: event.time,
        facts: event.facts.clone(),
        details: vec![event.text.clone()],
    }
}

/// All that is known, for a program on this machine.
fn for_hook(point: HookPoint, event: &Event) -> Value {
    json!({
        "version": 1, "hook": point.word(), "event": event.kind.word(), "job": event.job, "run": event.run,
        "time": event.time.to_rfc3339_seconds(), "title": event.title, "text": event.text, "facts": event.facts,
    })
}

#[cfg(test)]
mod tests;
