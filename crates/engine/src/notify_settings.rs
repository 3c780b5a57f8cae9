//! `[[notify]]` and `[[hook]]` of `darkslide.toml`: who is told of what, and what runs around jobs.
//!
//! **Invariant:** no secret stands in them, and none is shown: not what a setting holds, and not the
//! line of the file where a mistake is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use darkslide_notify::{
    Begins, Channel, Details, Email, Encryption, Hook, HookPoint, KINDS_DEFAULT, Kind, MaybeSecret, Ntfy, Patience,
    Ping, Program, REPEAT, SecretRef, Sns, Way, Webhook, Weight,
};
use serde::{Deserialize, Deserializer, Serialize};

use crate::Settings;
use crate::job_settings::Span;
use crate::manual::nearest;

/// The way of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelKind {
    /// A POST with JSON.
    Webhook,
    /// Pushes to telephones.
    Ntfy,
    /// E-mail.
    Email,
    /// Amazon SNS.
    Sns,
    /// A program.
    Command,
    /// A watcher from outside.
    Ping,
}

impl ChannelKind {
    /// As it is written in the configuration, with an article.
    fn word(self) -> &'static str {
        match self {
            Self::Webhook => "a webhook",
            Self::Ntfy => "ntfy",
            Self::Email => "email",
            Self::Sns => "sns",
            Self::Command => "a command",
            Self::Ping => "a ping",
        }
    }

    /// Keys that it needs, and those that it may have besides.
    fn keys(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Self::Webhook => (&["url"], &["headers", "sign", "ca"]),
            Self::Ntfy => (&["topic"], &["server", "priority", "tags", "token", "user", "password", "ca"]),
            Self::Email => (&["host", "from", "to"], &["port", "tls", "user", "password", "ca"]),
            Self::Sns => (&["topic_arn"], &["region", "profile", "endpoint"]),
            Self::Command => (&["command"], &["env"]),
            Self::Ping => (&["url"], &["start", "ca"]),
        }
    }
}

/// Keys of every channel.
const KEYS_OF_ALL: &[&str] = &["name", "kind", "on", "jobs", "repeat", "details", "timeout", "attempts"];
/// Attempts that are still bounded in a sensible way.
const ATTEMPTS_MAX: u32 = 10;
/// The longest time for one attempt.
const TIMEOUT_MAX: Duration = Duration::from_secs(300);
/// How long a hook may take where nothing is set.
const HOOK_TIME: Duration = Duration::from_secs(300);
/// Names under which runs go that belong to no job.
const OTHER_NAMES: &[&str] = &["repository", "cards", "catalogs"];

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotifySettings {
    /// Its name.
    pub name: String,
    /// Its way.
    pub kind: ChannelKind,
    /// What it is told.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_more")]
    pub on: Vec<Kind>,
    /// Of which jobs; of all where empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_more")]
    pub jobs: Vec<String>,
    /// How long the same thing is not told again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Span>,
    /// Whether it gets what may name photographs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub details: bool,
    /// Time for one attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// Attempts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// Where a webhook or a ping goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<MaybeSecret>,
    /// Further headers of a webhook.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, MaybeSecret>,
    /// The key with which a webhook's body is signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sign: Option<SecretRef>,
    /// Certificates of one's own authority, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// ntfy's server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<MaybeSecret>,
    /// ntfy's topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<MaybeSecret>,
    /// ntfy's priority, from 1 to 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// ntfy's tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_more")]
    pub tags: Vec<String>,
    /// ntfy's access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretRef>,
    /// User of ntfy or of the mail server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Its password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretRef>,
    /// The mail server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Its port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// How the way to the mail server is sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Encryption>,
    /// Sender of mails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Receivers of mails.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_more")]
    pub to: Vec<String>,
    /// SNS's topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic_arn: Option<String>,
    /// SNS's region; that of the topic where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Profile of the shared AWS files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Server other than Amazon's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Program and arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Further variables of the program's environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, MaybeSecret>,
    /// Whether a watcher is told that a run begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<bool>,
}

/// A hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookSettings {
    /// Its name.
    pub name: String,
    /// When it runs.
    #[serde(deserialize_with = "one_or_more")]
    pub on: Vec<HookPoint>,
    /// For which jobs; for all where empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_more")]
    pub jobs: Vec<String>,
    /// Program and arguments; never through a shell.
    pub command: Vec<String>,
    /// Further variables of its environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, MaybeSecret>,
    /// How long it may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// Whether a run does not begin where this fails before it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
}

/// One, or a list.
fn one_or_more<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    struct Items<T>(std::marker::PhantomData<T>);
    impl<'de, T: Deserialize<'de>> serde::de::Visitor<'de> for Items<T> {
        type Value = Vec<T>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a text, or a list of texts")
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(vec![T::deserialize(serde::de::value::StrDeserializer::new(text))?])
        }
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut items = Vec::new();
            while let Some(item) = list.next_element()? {
                items.push(item);
            }
            Ok(items)
        }
    }
    from.deserialize_any(Items(std::marker::PhantomData))
}

impl NotifySettings {
    /// Why it cannot be.
    fn problem(&self, settings: &Settings) -> Option<String> {
        if let Some(problem) = name_problem(&self.name).or_else(|| self.keys_problem()) {
            return Some(problem);
        }
        if self.on.contains(&Kind::Test) {
            return Some("`test` in `on`: `darkslide notify test` reaches every channel".into());
        }
        if let Some(span) = self.timeout.as_ref().filter(|span| span.time.is_zero() || span.time > TIMEOUT_MAX) {
            return Some(format!("timeout = `{}`: more than nothing, and 5 min at most", String::from(span.clone())));
        }
        if let Some(n) = self.attempts.filter(|n| !(1..=ATTEMPTS_MAX).contains(n)) {
            return Some(format!("attempts = {n}: from 1 to {ATTEMPTS_MAX}"));
        }
        if self.kind == ChannelKind::Ping && !self.on.is_empty() {
            return Some("`on` is no key of a ping: it hears of every run of its `jobs`".into());
        }
        self.secrets_problem().or_else(|| jobs_problem(&self.jobs, settings)).or_else(|| self.way_problem(settings))
    }

    /// Keys that do not belong to its kind, or are lacking.
    fn keys_problem(&self) -> Option<String> {
        let (needed, besides) = self.kind.keys();
        let set = serde_json::to_value(self).unwrap_or_default();
        let set: BTreeSet<&str> = set.as_object().into_iter().flat_map(|map| map.keys().map(String::as_str)).collect();
        let what = self.kind.word();
        if let Some(key) = needed.iter().find(|key| !set.contains(**key)) {
            return Some(format!("{what} needs `{key}`; `darkslide config explain notify.{key}` says what it is"));
        }
        let known: Vec<&str> = needed.iter().chain(besides).copied().collect();
        let stranger = set.iter().find(|key| !known.contains(key) && !KEYS_OF_ALL.contains(key))?;
        Some(format!("`{stranger}` is no key of {what}, which has: {}", known.join(", ")))
    }

    fn secrets_problem(&self) -> Option<String> {
        let refs = [("sign", &self.sign), ("token", &self.token), ("password", &self.password)];
        let refs = refs.into_iter().filter_map(|(key, place)| Some((key, place.as_ref()?.problem()?)));
        let maybe = [("url", &self.url), ("server", &self.server), ("topic", &self.topic)];
        let maybe = maybe.into_iter().filter_map(|(key, place)| Some((key, place.as_ref()?.problem()?)));
        let maps =
            self.headers.iter().chain(&self.env).filter_map(|(key, place)| Some((key.as_str(), place.problem()?)));
        let found = refs.chain(maybe).chain(maps).next();
        found.map(|(key, problem)| format!("{key}: {problem}"))
    }

    fn way_problem(&self, settings: &Settings) -> Option<String> {
        if self.user.is_some() != self.password.is_some() {
            return Some("`user` and `password` go together".into());
        }
        if self.token.is_some() && self.user.is_some() {
            return Some("`token`, or `user` and `password`: not both".into());
        }
        if let Some(priority) = self.priority.filter(|priority| !(1..=5).contains(priority)) {
            return Some(format!("priority = {priority}: from 1 (quiet) to 5 (loud)"));
        }
        match self.channel(settings).way {
            Way::Email(mailbox) => mailbox.problem(),
            Way::Sns(topic) if topic.region().is_none() => Some("its topic_arn names no region: set `region`".into()),
            Way::Command(program) => command_problem(&program.argv),
            _ => None,
        }
    }

    /// The channel, with paths that may be relative to the configuration.
    pub(crate) fn channel(&self, settings: &Settings) -> Channel {
        let patience = Patience::default();
        Channel {
            name: self.name.clone(),
            on: if self.on.is_empty() { KINDS_DEFAULT } else { &self.on }.iter().copied().collect(),
            jobs: self.jobs.iter().cloned().collect(),
            repeat: self.repeat.as_ref().map_or(REPEAT, |span| span.time),
            details: if self.details { Details::Shown } else { Details::Withheld },
            patience: Patience {
                attempts_max: self.attempts.unwrap_or(patience.attempts_max),
                attempt: self.timeout.as_ref().map_or(patience.attempt, |span| span.time),
                ..patience
            },
            way: self.way(&settings.resolve(Path::new(""))),
        }
    }

    fn way(&self, folder: &Path) -> Way {
        let maybe = |value: &Option<MaybeSecret>| match value {
            Some(value) => value.under(folder),
            None => MaybeSecret::Plain(String::new()),
        };
        let map = |map: &BTreeMap<String, MaybeSecret>| environment(map, folder);
        let secret = |value: &Option<SecretRef>| value.as_ref().map(|value| value.under(folder));
        let ca = self.ca.as_ref().map(|path| folder.join(path));
        let login = self.user.clone().zip(secret(&self.password));
        match self.kind {
            ChannelKind::Webhook => Way::Webhook(Webhook {
                url: maybe(&self.url),
                headers: map(&self.headers),
                sign: secret(&self.sign),
                ca,
            }),
            ChannelKind::Ntfy => Way::Ntfy(Ntfy {
                server: self.server.as_ref().map(|server| server.under(folder)),
                topic: maybe(&self.topic),
                priority: self.priority,
                tags: self.tags.clone(),
                token: secret(&self.token),
                login,
                ca,
            }),
            ChannelKind::Email => Way::Email(Email {
                host: self.host.clone().unwrap_or_default(),
                port: self.port,
                encryption: self.tls.unwrap_or_default(),
                login,
                from: self.from.clone().unwrap_or_default(),
                to: self.to.clone(),
                ca,
            }),
            ChannelKind::Sns => Way::Sns(Sns {
                topic: self.topic_arn.clone().unwrap_or_default(),
                region: self.region.clone(),
                profile: self.profile.clone(),
                endpoint: self.endpoint.clone(),
            }),
            ChannelKind::Command => Way::Command(Program { argv: self.command.clone(), env: map(&self.env) }),
            ChannelKind::Ping => Way::Ping(Ping {
                url: maybe(&self.url),
                start: if self.start.unwrap_or(true) { Begins::Told } else { Begins::Untold },
                ca,
            }),
        }
    }
}

impl HookSettings {
    fn problem(&self, settings: &Settings) -> Option<String> {
        let bad_secret = || {
            let found = self.env.iter().find_map(|(key, place)| Some((key, place.problem()?)));
            found.map(|(key, problem)| format!("{key}: {problem}"))
        };
        if self.on.is_empty() {
            return Some("`on` is empty: before, after, or events such as failure".into());
        }
        if self.on.contains(&HookPoint::On(Kind::Test)) {
            return Some("`test` in `on`: there is no such event".into());
        }
        if self.required && !self.on.contains(&HookPoint::Before) {
            return Some("`required` has a meaning before a run alone: add `before` to `on`".into());
        }
        if self.timeout.as_ref().is_some_and(|timeout| timeout.time.is_zero()) {
            return Some("its timeout is nothing: it would be killed at once".into());
        }
        name_problem(&self.name)
            .or_else(|| command_problem(&self.command))
            .or_else(bad_secret)
            .or_else(|| jobs_problem(&self.jobs, settings))
    }

    /// The hook, with paths that may be relative to the configuration.
    pub(crate) fn hook(&self, settings: &Settings) -> Hook {
        Hook {
            name: self.name.clone(),
            on: self.on.iter().copied().collect(),
            jobs: self.jobs.iter().cloned().collect(),
            command: self.command.clone(),
            env: environment(&self.env, &settings.resolve(Path::new(""))),
            limit: self.timeout.as_ref().map_or(HOOK_TIME, |timeout| timeout.time),
            weight: if self.required { Weight::Required } else { Weight::Optional },
        }
    }
}

fn environment(map: &BTreeMap<String, MaybeSecret>, folder: &Path) -> BTreeMap<String, MaybeSecret> {
    map.iter().map(|(name, value)| (name.clone(), value.under(folder))).collect()
}

fn name_problem(name: &str) -> Option<String> {
    let bad = name.is_empty() || name.contains(char::is_whitespace);
    bad.then(|| "its name is empty or has spaces in it: one word is wanted, such as `phone`".into())
}

fn command_problem(argv: &[String]) -> Option<String> {
    match argv {
        [] => Some("command is empty: program and arguments, such as [\"/usr/local/bin/lights\", \"red\"]".into()),
        [program, ..] if program.is_empty() || program.contains(char::is_whitespace) && argv.len() == 1 => Some(
            "command is a list of program and arguments, each a text of its own; nothing goes through a shell".into(),
        ),
        _ => None,
    }
}

fn jobs_problem(jobs: &[String], settings: &Settings) -> Option<String> {
    let known: BTreeSet<&str> = (settings.jobs.iter().map(|job| job.name.as_str()))
        .chain(settings.backups.iter().map(|job| job.name.as_str()))
        .chain(settings.mirrors.iter().map(|job| job.name.as_str()))
        .chain(OTHER_NAMES.iter().copied())
        .collect();
    let stranger = jobs.iter().find(|job| !known.contains(job.as_str()))?;
    let hint = nearest(stranger, known.iter().copied()).map(|near| format!("; did you mean `{near}`?"));
    Some(format!("there is no job `{stranger}`{}", hint.unwrap_or_default()))
}

/// What is wrong with the channels and hooks, with the line of `text` where it stands.
pub(crate) fn problem(settings: &Settings, text: &str) -> Option<String> {
    let twice =
        |names: Vec<&str>, n: usize| names[..n].contains(&names[n]).then(|| "another one has this name".to_string());
    for (n, one) in settings.notify.iter().enumerate() {
        let names = settings.notify.iter().map(|one| one.name.as_str()).collect();
        if let Some(why) = one.problem(settings).or_else(|| twice(names, n)) {
            return Some(format!("{}[[notify]] `{}`: {why}", line_of(text, "[[notify]]", n), one.name));
        }
    }
    for (n, one) in settings.hooks.iter().enumerate() {
        let names = settings.hooks.iter().map(|one| one.name.as_str()).collect();
        if let Some(why) = one.problem(settings).or_else(|| twice(names, n)) {
            return Some(format!("{}[[hook]] `{}`: {why}", line_of(text, "[[hook]]", n), one.name));
        }
    }
    None
}

/// Where the n-th table of that name begins.
fn line_of(text: &str, table: &str, n: usize) -> String {
    let mut lines = text.lines().enumerate().filter(|(_, line)| line.trim_start().starts_with(table));
    lines.nth(n).map_or(String::new(), |(at, _)| format!("line {}: ", at + 1))
}

/// A mistake that the TOML reader found, with its line and column. Where it stands among channels and
/// hooks the line itself is not shown: it may hold a secret.
pub(crate) fn told(error: &toml::de::Error, text: &str) -> String {
    let at = error.span().map_or(text.len(), |span| span.start.min(text.len()));
    let before = text.get(..at).unwrap_or_default();
    let line_starts = before.rfind('\n').map_or(0, |at| at + 1);
    let own = text.get(line_starts..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let header = before.lines().chain([own]).rfind(|line| line.trim_start().starts_with('['));
    let secret = ["[[notify]]", "[notify.", "[[hook]]", "[hook.", "[serve]", "[serve."];
    match header.filter(|header| secret.iter().any(|start| header.trim_start().starts_with(start))) {
        Some(_) => {
            let column = before.len() - line_starts + 1;
            let line = before.matches('\n').count() + 1;
            format!("line {line}, column {column}: {}", error.message())
        }
        None => error.to_string().trim_end().to_string(),
    }
}

#[cfg(test)]
mod tests;
