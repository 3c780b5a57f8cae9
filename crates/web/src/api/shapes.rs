//! What the API tells: times as RFC 3339, bytes as numbers, money as decimal text in US dollars.

use darkslide_engine::words::{Money, Name, Tier, Time};
use darkslide_engine::{
    CopiesPlace, CopiesRule, EntryKind, JobPlan, JobPulse, Lacking, Line, Overview, Pulse, RunRow, SnapshotInfo,
    ThawInfo,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// As it is told.
pub fn when(at: Time) -> String {
    at.to_rfc3339_seconds()
}

/// Dollars as text, exact.
pub fn usd(money: Money) -> String {
    serde_json::to_value(money).ok().and_then(|value| value.as_str().map(str::to_string)).unwrap_or_default()
}

/// A path, as the API tells and takes it: text where it is text, else bytes.
pub fn path(name: &Name) -> String {
    name.to_string()
}

/// How fast a thaw is bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Speed {
    /// The cheapest: hours to two days.
    Bulk,
    /// Hours.
    Standard,
    /// Minutes, where it is offered.
    Expedited,
}

impl From<Tier> for Speed {
    fn from(tier: Tier) -> Self {
        match tier {
            Tier::Bulk => Self::Bulk,
            Tier::Standard => Self::Standard,
            Tier::Expedited => Self::Expedited,
        }
    }
}

impl From<Speed> for Tier {
    fn from(speed: Speed) -> Self {
        match speed {
            Speed::Bulk => Self::Bulk,
            Speed::Standard => Self::Standard,
            Speed::Expedited => Self::Expedited,
        }
    }
}

/// One execution of a job.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Run {
    /// Its number.
    run: i64,
    /// The `[[job]]`, or the library, mirror or card.
    job: String,
    /// The library, mirror or card.
    target: String,
    /// What kind of work.
    kind: String,
    /// Who or what started it.
    origin: &'static str,
    /// When it began.
    started: String,
    /// When it ended.
    ended: Option<String>,
    /// `complete`, `incomplete`, `failed`, `cancelled`, `cut off`; nothing while it goes on.
    outcome: Option<String>,
    /// In a line.
    summary: Option<String>,
    /// Files.
    files: u64,
    /// Their bytes.
    bytes: u64,
    /// What it cost.
    usd: String,
    /// Warnings.
    warnings: u64,
}

impl From<&RunRow> for Run {
    fn from(run: &RunRow) -> Self {
        Self {
            run: run.id,
            job: run.task.as_ref().unwrap_or(&run.job).clone(),
            target: run.job.clone(),
            kind: run.kind.clone(),
            origin: run.origin.word(),
            started: when(run.started),
            ended: run.ended.map(when),
            outcome: run.outcome.clone(),
            summary: run.summary.clone(),
            files: run.files.0,
            bytes: run.bytes.0,
            usd: usd(run.money),
            warnings: run.warnings.0,
        }
    }
}

/// A job, or a library or mirror that is run by hand.
#[derive(Debug, Serialize, ToSchema)]
pub struct Job {
    /// Its name.
    job: String,
    /// What it does.
    kind: &'static str,
    /// What a machine must hold to do it.
    role: &'static str,
    /// When it runs, as it stands in the configuration; nothing where it is run by hand.
    schedule: Option<String>,
    /// When it runs next.
    next: Option<String>,
    /// True while it runs.
    running: bool,
    /// Why this machine refuses it.
    refused: Option<String>,
    /// Its last run that has ended.
    last: Option<Run>,
    /// When it was last done whole.
    last_success: Option<String>,
    /// Files that its last run could not do.
    failed_files: u64,
    /// True for a `[[job]]`: it can be run from here.
    configured: bool,
}

impl Job {
    /// From its pulse, and its plan where it is a `[[job]]`.
    pub fn of(pulse: &JobPulse, plan: Option<&JobPlan>) -> Self {
        Self {
            job: pulse.name.clone(),
            kind: pulse.kind.word(),
            role: pulse.kind.role().word(),
            schedule: plan.and_then(|plan| plan.job.schedule()).map(|schedule| schedule.text().to_string()),
            next: pulse.next.map(when),
            running: pulse.is_running,
            refused: pulse.refused.clone(),
            last: pulse.last.as_ref().map(Run::from),
            last_success: pulse.outcomes.get("complete").copied().map(when),
            failed_files: pulse.failed.0,
            configured: plan.is_some(),
        }
    }
}

/// Packs and bytes at a step of a thaw.
#[derive(Debug, Serialize, ToSchema)]
pub struct Step {
    /// `cold`, `asked`, `warm`, `downloaded`, `verified`, `failed`.
    step: &'static str,
    /// Packs.
    packs: u64,
    /// Their bytes.
    bytes: u64,
}

/// A thaw, and how far it is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Thaw {
    /// Its number.
    thaw: i64,
    /// `open`, `done`, `cancelled`.
    state: &'static str,
    /// When it began.
    begun: String,
    /// Which photographs; all where none are named.
    paths: Vec<String>,
    /// Where they go.
    to: String,
    /// How fast.
    tier: String,
    /// What it was quoted.
    quoted_usd: String,
    /// What it has cost.
    spent_usd: String,
    /// What it must not cost.
    max_usd: Option<String>,
    /// How far its packs are.
    steps: Vec<Step>,
    /// When all can be read, about.
    ready_about: Option<String>,
    /// When something is to be done next.
    next_step: Option<String>,
    /// What there is to say.
    notes: Vec<String>,
}

impl From<&ThawInfo> for Thaw {
    fn from(thaw: &ThawInfo) -> Self {
        let p = &thaw.progress;
        let steps = [
            ("cold", &p.cold),
            ("asked", &p.asked),
            ("warm", &p.warm),
            ("downloaded", &p.downloaded),
            ("verified", &p.verified),
            ("failed", &p.failed),
        ];
        Self {
            thaw: thaw.id,
            state: thaw.row.state.word(),
            begun: when(thaw.row.made),
            paths: thaw.paths.iter().map(path).collect(),
            to: thaw.to.display().to_string(),
            tier: thaw.row.tier.to_string(),
            quoted_usd: usd(thaw.row.quoted),
            spent_usd: usd(thaw.row.spent),
            max_usd: thaw.row.max_cost.map(usd),
            steps: steps.map(|(step, tally)| Step { step, packs: tally.packs.0, bytes: tally.bytes.0 }).into(),
            ready_about: p.ready_about.map(when),
            next_step: p.next_step_at.map(when),
            notes: p.notes.clone(),
        }
    }
}

/// The rule: how many copies are enough.
#[derive(Debug, Serialize, ToSchema)]
pub struct Rule {
    copies: u64,
    media: u64,
    off_site: bool,
}

/// A place that may hold copies.
#[derive(Debug, Serialize, ToSchema)]
pub struct Place {
    place: String,
    medium: String,
    off_site: bool,
    /// As of when its copies count as verified.
    verified: Option<String>,
    /// Why it counts for nothing, if so.
    problem: Option<String>,
    files: u64,
}

/// Files that do not have what a part of the rule asks for.
#[derive(Debug, Serialize, ToSchema)]
pub struct Lacks {
    copies: u64,
    media: u64,
    off_site: u64,
    /// Any of these.
    any: u64,
}

/// What was counted when the stores were last listed.
#[derive(Debug, Serialize, ToSchema)]
pub struct Counted {
    /// When.
    at: String,
    /// True if the rule holds for each file.
    safe: bool,
    rule: Rule,
    lacking: Lacks,
    files: u64,
    bytes: u64,
    /// Packs, and their sealed bytes.
    packs: u64,
    pack_bytes: u64,
    places: Vec<Place>,
    /// Stores, and why they cannot be used, if so.
    stores: Vec<Store>,
    /// What is not as it should be, each with what to do.
    todo: Vec<String>,
    /// The worst files, and what they lack.
    worst: Vec<Worst>,
    /// Name of this machine as a writer, and whether it is enrolled.
    writer: Option<Writer>,
    repository: String,
}

/// A store.
#[derive(Debug, Serialize, ToSchema)]
pub struct Store {
    store: String,
    problem: Option<String>,
}

/// A file that lacks something.
#[derive(Debug, Serialize, ToSchema)]
pub struct Worst {
    path: String,
    lacks: String,
}

/// This machine as a writer.
#[derive(Debug, Serialize, ToSchema)]
pub struct Writer {
    name: String,
    enrolled: bool,
}

impl From<&Overview> for Counted {
    fn from(overview: &Overview) -> Self {
        let CopiesRule { copies, media, off_site } = overview.copies.rule;
        let Lacking { copies: few, media: same, off_site: inside } = overview.lacking;
        let place = |place: &CopiesPlace| Place {
            place: place.place.clone(),
            medium: place.medium.clone(),
            off_site: place.off_site,
            verified: place.verified.clone(),
            problem: place.problem.clone(),
            files: place.files.0,
        };
        let status = &overview.status;
        let stores = status.stores.iter().map(|s| Store { store: s.label.clone(), problem: s.problem.clone() });
        let worst = overview.copies.worst.iter().map(|(name, lacks)| Worst { path: path(name), lacks: lacks.clone() });
        Self {
            at: when(overview.at),
            safe: overview.is_safe(),
            rule: Rule { copies, media, off_site },
            lacking: Lacks { copies: few.0, media: same.0, off_site: inside.0, any: overview.copies.lacking.0 },
            files: overview.copies.files.0,
            bytes: overview.copies.bytes.0,
            packs: overview.stored.0.0,
            pack_bytes: overview.stored.1.0,
            places: overview.copies.places.iter().map(place).collect(),
            stores: stores.collect(),
            todo: overview.todo.clone(),
            worst: worst.collect(),
            writer: status.writer.as_ref().map(|(name, enrolled)| Writer { name: name.clone(), enrolled: *enrolled }),
            repository: status.repository.clone(),
        }
    }
}

/// A library that is backed up.
#[derive(Debug, Serialize, ToSchema)]
pub struct Library {
    library: String,
    /// This machine's last complete snapshot of it.
    last: Option<String>,
    files: u64,
    bytes: u64,
}

/// One glance.
#[derive(Debug, Serialize, ToSchema)]
pub struct Glance {
    /// This machine's clock.
    now: String,
    /// Its name.
    host: String,
    /// What was last counted; nothing while it is counted for the first time.
    counted: Option<Counted>,
    /// Why counting failed the last time, if so.
    problem: Option<String>,
    jobs: Vec<Job>,
    libraries: Vec<Library>,
    /// Thaws that are under way.
    thaws: Vec<Thaw>,
    month_usd: String,
    month_limit_usd: Option<String>,
    last_drill: Option<String>,
    /// True if somebody here can open photographs.
    unlocked: bool,
}

impl Glance {
    /// From what is remembered and what was counted.
    pub fn new(host: String, pulse: &Pulse, plans: &[JobPlan], counted: (Option<&Overview>, Option<String>)) -> Self {
        Self {
            now: when(pulse.now),
            host,
            counted: counted.0.map(Counted::from),
            problem: counted.1,
            jobs: jobs(pulse, plans),
            libraries: pulse
                .libraries
                .iter()
                .map(|library| Library {
                    library: library.name.clone(),
                    last: library.last.as_ref().map(|(at, _)| when(*at)),
                    files: library.last.as_ref().map_or(0, |(_, counts)| counts.files.0),
                    bytes: library.last.as_ref().map_or(0, |(_, counts)| counts.bytes.0),
                })
                .collect(),
            thaws: pulse.thaws.iter().map(Thaw::from).collect(),
            month_usd: usd(pulse.month),
            month_limit_usd: pulse.month_limit.map(usd),
            last_drill: pulse.last_drill.map(when),
            unlocked: false,
        }
    }

    /// Whether somebody here can open photographs.
    pub fn unlocked(self, unlocked: bool) -> Self {
        Self { unlocked, ..self }
    }
}

/// Jobs, with the plans of those that are configured.
pub fn jobs(pulse: &Pulse, plans: &[JobPlan]) -> Vec<Job> {
    let plan = |job: &JobPulse| plans.iter().find(|plan| plan.job.name == job.name && plan.job.kind == job.kind);
    pulse.jobs.iter().map(|job| Job::of(job, plan(job))).collect()
}

/// A snapshot in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Snapshot {
    /// As it is named in other requests.
    snapshot: String,
    time: String,
    /// Nothing where it was not opened on this machine.
    job: Option<String>,
    host: Option<String>,
    complete: Option<bool>,
    files: Option<u64>,
    bytes: Option<u64>,
    new_files: Option<u64>,
    changed_files: Option<u64>,
    removed_files: Option<u64>,
    writer: Option<String>,
    trusted: Option<bool>,
}

impl From<&SnapshotInfo> for Snapshot {
    fn from(info: &SnapshotInfo) -> Self {
        let said = info.snapshot.as_ref();
        let counts = said.map(|said| &said.counts);
        let bare = info.name.as_str().strip_prefix("snapshots/").unwrap_or(info.name.as_str());
        Self {
            snapshot: bare.strip_suffix(".age").unwrap_or(bare).to_string(),
            time: when(info.time),
            job: said.map(|said| said.job.clone()),
            host: said.map(|said| said.host.clone()),
            complete: said.map(|said| said.complete),
            files: counts.map(|counts| counts.files.0),
            bytes: counts.map(|counts| counts.bytes.0),
            new_files: counts.map(|counts| counts.new_files.0),
            changed_files: counts.map(|counts| counts.changed_files.0),
            removed_files: counts.map(|counts| counts.removed_files.0),
            writer: info.writer.as_ref().map(|(name, _)| name.clone()),
            trusted: info.writer.as_ref().map(|(_, standing)| *standing == darkslide_engine::Standing::Trusted),
        }
    }
}

/// A name in a snapshot.
#[derive(Debug, Serialize, ToSchema)]
pub struct Entry {
    /// Path in the library.
    path: String,
    /// `file`, `dir`, `symlink`.
    kind: &'static str,
    bytes: u64,
    changed: String,
    /// In a comparison: `added`, `removed`, `modified`, `metadata`.
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<&'static str>,
    /// In a search: the newest snapshot that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot: Option<String>,
}

impl Entry {
    /// A line of a listing.
    pub fn of(line: &Line) -> Self {
        let kind = match line.kind {
            EntryKind::File => "file",
            EntryKind::Dir => "dir",
            EntryKind::Symlink => "symlink",
        };
        let (path, changed) = (path(&line.path), when(line.mtime));
        Self { path, kind, bytes: line.size.0, changed, change: None, snapshot: None }
    }

    /// In a comparison.
    pub fn changed(self, change: &'static str) -> Self {
        Self { change: Some(change), ..self }
    }

    /// In a search.
    pub fn found_in(self, snapshot: &str) -> Self {
        let bare = snapshot.strip_prefix("snapshots/").unwrap_or(snapshot);
        Self { snapshot: Some(bare.strip_suffix(".age").unwrap_or(bare).to_string()), ..self }
    }
}

/// A list that may have been cut.
#[derive(Debug, Serialize, ToSchema)]
pub struct Entries {
    /// What there is, at most so many as were asked for.
    pub entries: Vec<Entry>,
    /// True if there is more.
    pub more: bool,
}
