//! `[[job]]`, `[daemon]`, `[logs]` of `darkslide.toml`: what runs by itself, and when.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use darkslide_audit::{Rotation, Sample};
use darkslide_words::{Bytes, Money};
use serde::{Deserialize, Deserializer, Serialize};

use crate::schedule::{Schedule, Windows, parse_span};
use crate::{Conditions, Settings, parse_bytes};

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobKind {
    /// Every card that is in goes into the library.
    Ingest,
    /// A library to its mirror.
    Mirror,
    /// A library into the repository.
    Backup,
    /// Other programs' catalogs are looked at.
    Catalogs,
    /// What the repository claims is held against the stores.
    Audit,
    /// Stored bytes are read and checked.
    Scrub,
    /// A random sample is restored.
    Drill,
    /// Snapshots are dropped by the rules of retention.
    Forget,
    /// Packs that nothing needs are condemned and deleted.
    Prune,
    /// One after the other.
    #[serde(rename = "forget+prune")]
    ForgetAndPrune,
    /// The account in the cloud is held against what it should be.
    CloudVerify,
}

/// What a machine must hold to do a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Nothing: it stays on this machine's disks.
    Anyone,
    /// `writer.json`, enrolled.
    Writer,
    /// The index identity, which is in `writer.json`; or an identity.
    Auditor,
    /// The index identity, and credentials that may delete.
    Pruner,
    /// An identity, and credentials that may read and thaw.
    Restorer,
}

impl Role {
    /// For people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Anyone => "anyone",
            Self::Writer => "writer",
            Self::Auditor => "auditor",
            Self::Pruner => "pruner",
            Self::Restorer => "restorer",
        }
    }
}

impl JobKind {
    /// As it stands in the configuration and in the rows of runs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Mirror => "mirror",
            Self::Backup => "backup",
            Self::Catalogs => "catalogs",
            Self::Audit => "audit",
            Self::Scrub => "scrub",
            Self::Drill => "drill",
            Self::Forget => "forget",
            Self::Prune => "prune",
            Self::ForgetAndPrune => "forget+prune",
            Self::CloudVerify => "cloud-verify",
        }
    }

    /// What a machine must hold to do it.
    pub fn role(self) -> Role {
        match self {
            Self::Ingest | Self::Mirror | Self::Catalogs => Role::Anyone,
            Self::Backup => Role::Writer,
            Self::Audit | Self::Scrub | Self::CloudVerify => Role::Auditor,
            Self::Forget | Self::Prune | Self::ForgetAndPrune => Role::Pruner,
            Self::Drill => Role::Restorer,
        }
    }

    /// True if it changes what this machine remembers: two of these never run at once.
    pub fn is_exclusive(self) -> bool {
        !matches!(self, Self::Catalogs | Self::Audit | Self::Scrub | Self::CloudVerify)
    }
}

/// What a job does while the machine runs on its battery, or on a line that is paid by volume.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnCondition {
    /// It runs.
    #[default]
    Run,
    /// It waits, and stops where it is running; afterwards it goes on.
    Skip,
}

impl OnCondition {
    fn is_run(&self) -> bool {
        *self == Self::Run
    }
}

/// A schedule of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct When(pub Schedule);

impl TryFrom<String> for When {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Schedule::parse(&text).map(Self).map_err(|error| error.to_string())
    }
}

impl From<When> for String {
    fn from(when: When) -> Self {
        when.0.text().to_string()
    }
}

/// A span of time of the configuration, such as `30 min`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span {
    text: String,
    /// How long.
    pub time: Duration,
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match parse_span(&text) {
            Some(time) => Ok(Self { text, time }),
            None => Err(format!("`{text}` is no span of time such as `30 min`, `6h` or `14 days`")),
        }
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.text
    }
}

/// Windows of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Closed {
    texts: Vec<String>,
    /// As they are meant.
    pub windows: Windows,
}

impl Closed {
    fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }
}

impl TryFrom<Vec<String>> for Closed {
    type Error = String;

    fn try_from(texts: Vec<String>) -> Result<Self, String> {
        let windows = Windows::parse(&texts).map_err(|error| error.to_string().replace("schedule", "window"))?;
        Ok(Self { texts, windows })
    }
}

impl From<Closed> for Vec<String> {
    fn from(closed: Closed) -> Self {
        closed.texts
    }
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobSettings {
    /// Its name.
    pub name: String,
    /// What it does.
    pub kind: JobKind,
    /// Of which `[[backup]]` or `[[mirror]]`; the only one where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// When; by hand alone where absent, or after the one job that it comes after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<When>,
    /// How much later at the most, by chance, the same on each start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter: Option<Span>,
    /// Jobs that go first.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_more")]
    pub after: Vec<String>,
    /// When it must not run.
    #[serde(default, skip_serializing_if = "Closed::is_empty")]
    pub not: Closed,
    /// Bytes a second to each bucket at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_upload: Option<String>,
    /// On the battery.
    #[serde(default, skip_serializing_if = "OnCondition::is_run")]
    pub on_battery: OnCondition,
    /// On a line that is paid by volume.
    #[serde(default, skip_serializing_if = "OnCondition::is_run")]
    pub metered: OnCondition,
    /// A run that takes longer is stopped, and has failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// Never spend more on a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_cost: Option<Money>,
    /// A scrub reads each object again within this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<Span>,
    /// Bytes that a scrub reads at the most, such as `50 GB`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<String>,
    /// Time that a scrub reads at the most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_time: Option<Span>,
    /// Share of the objects that a scrub reads by chance, in percent, instead of those whose turn it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// What an ingest calls the shoot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_code: Option<String>,
    /// Identity file, for a drill, or a check that looks deeper.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<PathBuf>,
    /// File with the identity file's passphrase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passphrase_file: Option<PathBuf>,
}

/// A name, or a list of names.
fn one_or_more<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    struct Names;
    impl<'de> serde::de::Visitor<'de> for Names {
        type Value = Vec<String>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the name of a job, or a list of names")
        }
        fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Self::Value, E> {
            Ok(vec![name.to_string()])
        }
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut names = Vec::new();
            while let Some(name) = list.next_element()? {
                names.push(name);
            }
            Ok(names)
        }
    }
    from.deserialize_any(Names)
}

/// No jitter is longer: it is told apart by days.
const JITTER_MAX: Duration = Duration::from_secs(86_400);

/// A scrub reads each object again within this time, unless told otherwise.
pub const SCRUB_EVERY: Duration = Duration::from_secs(90 * 86_400);

impl JobSettings {
    /// Why it does not begin on this battery or line.
    pub(crate) fn kept_by(&self, conditions: Conditions) -> Option<&'static str> {
        if conditions.on_battery && self.on_battery == OnCondition::Skip {
            return Some("on the battery");
        }
        (conditions.metered && self.metered == OnCondition::Skip).then_some("on a metered line")
    }

    /// What a scrub of this job reads: those whose turn it is, or a share by chance.
    pub(crate) fn sample(&self) -> Sample {
        match self.percent {
            Some(percent) => Sample::Percent(percent),
            None => Sample::Rotation(Rotation {
                every: self.every.as_ref().map_or(SCRUB_EVERY, |span| span.time),
                bytes: self.budget.as_deref().and_then(parse_bytes).map(Bytes),
                time: self.budget_time.as_ref().map(|span| span.time),
            }),
        }
    }

    /// A job of this kind and nothing else set.
    pub fn of_kind(name: &str, kind: JobKind) -> Self {
        Self {
            name: name.to_string(),
            kind,
            target: None,
            schedule: None,
            jitter: None,
            after: Vec::new(),
            not: Closed::default(),
            limit_upload: None,
            on_battery: OnCondition::Run,
            metered: OnCondition::Run,
            timeout: None,
            max_cost: None,
            every: None,
            budget: None,
            budget_time: None,
            percent: None,
            job_code: None,
            identity: None,
            passphrase_file: None,
        }
    }

    /// Its schedule, also where it only says what it comes after.
    pub fn schedule(&self) -> Option<Schedule> {
        match (&self.schedule, &self.after[..]) {
            (Some(when), _) => Some(when.0.clone()),
            (None, [only]) => Some(Schedule::after(only)),
            (None, _) => None,
        }
    }

    /// How much later at the most.
    pub fn jitter(&self) -> Duration {
        self.jitter.as_ref().map(|span| span.time).unwrap_or_default()
    }

    /// Jobs that go first, and the one that it follows.
    fn comes_after(&self) -> Vec<String> {
        let follows = self.schedule().and_then(|schedule| schedule.follows().map(str::to_string));
        let mut all = self.after.clone();
        all.extend(follows.filter(|name| !self.after.contains(name)));
        all
    }

    /// What rows of runs call what it works on.
    pub(crate) fn row(&self, settings: &Settings) -> String {
        match self.kind {
            JobKind::Mirror | JobKind::Backup => self.target(settings),
            JobKind::Catalogs => "catalogs".into(),
            _ => crate::recorded::REPOSITORY.into(),
        }
    }

    /// The library or mirror that it works on.
    pub fn target(&self, settings: &Settings) -> String {
        let only = |mut names: Box<dyn Iterator<Item = &String> + '_>| names.next().cloned();
        let found = match self.kind {
            JobKind::Mirror => only(Box::new(settings.mirrors.iter().map(|mirror| &mirror.name))),
            JobKind::Backup | JobKind::Forget | JobKind::ForgetAndPrune => {
                only(Box::new(settings.backups.iter().map(|backup| &backup.name)))
            }
            _ => None,
        };
        self.target.clone().or(found).unwrap_or_else(|| "repository".into())
    }

    /// Why it cannot be, by itself.
    fn problem(&self, settings: &Settings) -> Option<String> {
        if self.name.is_empty() || self.name.contains(char::is_whitespace) {
            return Some("its name is empty or has spaces in it: one word is wanted, such as `nightly-mirror`".into());
        }
        if let Some(problem) = self.target_problem(settings) {
            return Some(problem);
        }
        if self.schedule.is_none() && self.after.len() > 1 {
            return Some("it comes after several jobs and has no schedule: say which one it follows, such as `schedule = \"after JOB\"`".into());
        }
        if self.jitter() > JITTER_MAX {
            return Some("its jitter is longer than a day".into());
        }
        if let Some(rate) = self.limit_upload.as_deref().filter(|rate| parse_bytes(rate).is_none()) {
            return Some(format!("limit_upload = `{rate}` is no amount such as `2 MB`"));
        }
        if self.percent.is_some_and(|percent| !(1..=100).contains(&percent)) {
            return Some("percent is a number from 1 to 100".into());
        }
        if let Some(budget) = self.budget.as_deref().filter(|budget| parse_bytes(budget).is_none()) {
            return Some(format!("budget = `{budget}` is no amount such as `50 GB`"));
        }
        if self.timeout.as_ref().is_some_and(|timeout| timeout.time.is_zero()) {
            return Some("its timeout is nothing: it would never run".into());
        }
        None
    }

    fn target_problem(&self, settings: &Settings) -> Option<String> {
        let (what, names): (&str, Vec<&str>) = match self.kind {
            JobKind::Mirror => ("[[mirror]]", settings.mirrors.iter().map(|one| one.name.as_str()).collect()),
            JobKind::Backup | JobKind::Forget | JobKind::ForgetAndPrune => {
                ("[[backup]]", settings.backups.iter().map(|one| one.name.as_str()).collect())
            }
            kind => {
                let why = |_| format!("a job of kind `{}` has no target", kind.word());
                return self.target.as_ref().map(why);
            }
        };
        match &self.target {
            Some(target) if !names.contains(&target.as_str()) => {
                Some(format!("there is no {what} `{target}`; there is: {}", list(&names)))
            }
            None if names.len() != 1 && !matches!(self.kind, JobKind::Forget | JobKind::ForgetAndPrune) => {
                Some(format!("target = which {what}? There is: {}", list(&names)))
            }
            _ => None,
        }
    }
}

fn list(names: &[&str]) -> String {
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

/// What is wrong with the jobs, with the line of `text` where it stands.
pub(crate) fn problem(settings: &Settings, text: &str) -> Option<String> {
    let names: Vec<&str> = settings.jobs.iter().map(|job| job.name.as_str()).collect();
    for (n, job) in settings.jobs.iter().enumerate() {
        let twice = names[..n].contains(&names[n]).then(|| "another [[job]] has this name".to_string());
        let stranger = job.comes_after().into_iter().find(|name| !names.contains(&name.as_str()));
        let stranger = stranger
            .map(|name| format!("it comes after `{name}`, and there is no such [[job]]; there is: {}", list(&names)));
        if let Some(why) = job.problem(settings).or(twice).or(stranger) {
            return Some(format!("{}[[job]] `{}`: {why}", line_of(text, n), job.name));
        }
    }
    let cycle = cycle(&settings.jobs)?;
    let n = names.iter().position(|name| *name == cycle[0]).unwrap_or_default();
    let way = cycle.iter().chain(&cycle[..1]).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" after ");
    Some(format!("{}the jobs wait for each other and none would ever run: {way}", line_of(text, n)))
}

/// Where the n-th job stands.
fn line_of(text: &str, n: usize) -> String {
    let heads =
        text.lines().enumerate().filter(|(_, line)| line.split_whitespace().collect::<String>().starts_with("[[job]]"));
    heads.map(|(at, _)| format!("line {}: ", at + 1)).nth(n).unwrap_or_default()
}

/// Jobs that come after each other in a circle.
fn cycle(jobs: &[JobSettings]) -> Option<Vec<String>> {
    let after = |name: &str| jobs.iter().find(|job| job.name == name).map(JobSettings::comes_after).unwrap_or_default();
    for job in jobs {
        let mut way = vec![job.name.clone()];
        let mut left = vec![after(&job.name)];
        let mut seen = BTreeSet::new();
        while let Some(options) = left.last_mut() {
            let Some(name) = options.pop() else {
                left.pop();
                way.pop();
                continue;
            };
            if name == job.name {
                return Some(way);
            }
            if seen.insert(name.clone()) {
                left.push(after(&name));
                way.push(name);
            }
        }
    }
    None
}

/// The daemon.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DaemonSettings {
    /// Without a backup for so long, somebody is told: once, and again each day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_backup_for: Option<Span>,
}

impl DaemonSettings {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// How long a library may be without a backup: 7 days unless told otherwise.
    pub fn no_backup_for(&self) -> Duration {
        self.no_backup_for.as_ref().map_or(Duration::from_secs(7 * 86_400), |span| span.time)
    }
}

/// The logs of runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    /// How long they are kept, such as `30d`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<String>,
    /// How large they may get together, such as `200 MB`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<String>,
}

impl LogSettings {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// How long: 30 days unless told otherwise.
    pub fn keep(&self) -> Duration {
        self.keep.as_deref().and_then(parse_span).unwrap_or(Duration::from_secs(30 * 86_400))
    }

    /// Bytes in all: 200 MB unless told otherwise.
    pub fn max(&self) -> u64 {
        self.max.as_deref().and_then(parse_bytes).unwrap_or(200_000_000)
    }

    pub(crate) fn problem(&self) -> Option<String> {
        let keep = self.keep.as_deref().filter(|keep| parse_span(keep).is_none());
        let max = self.max.as_deref().filter(|max| parse_bytes(max).is_none());
        let keep = keep.map(|keep| format!("[logs] keep = `{keep}` is no span of time such as `30d`"));
        keep.or(max.map(|max| format!("[logs] max = `{max}` is no amount such as `200 MB`")))
    }
}

#[cfg(test)]
mod tests;
