//! The pulse: what this machine remembers of its jobs, thaws and money. From the catalog alone, so
//! it can be asked for at any time and costs nothing.

use std::collections::{BTreeMap, BTreeSet};

use darkslide_catalog::{Catalog, RunOutcome, RunRow, RunsOf};
use darkslide_format::canon;
use darkslide_format::snapshot::{Counts, Snapshot};
use darkslide_words::{Count, Money, Time};

use crate::schedule::Held;
use crate::secrets::{self, WriterFile};
use crate::{Engine, EngineError, JobKind, JobPlan, ThawInfo, ThawState};

/// Runs of a job that are looked through for its last outcomes.
const RUNS_MOST: u32 = 200;

/// A job, or a library or mirror that is run by hand alone.
#[derive(Debug, Clone)]
pub struct JobPulse {
    /// Its name.
    pub name: String,
    /// What it does.
    pub kind: JobKind,
    /// Its last run that has ended.
    pub last: Option<RunRow>,
    /// Files that this run could not do.
    pub failed: Count,
    /// True while one goes on.
    pub is_running: bool,
    /// When the last run of each outcome ended.
    pub outcomes: BTreeMap<&'static str, Time>,
    /// When it runs next; of one that is due, now.
    pub next: Option<Time>,
    /// Why this machine refuses it.
    pub refused: Option<String>,
}

/// A library that is backed up.
#[derive(Debug, Clone)]
pub struct LibraryPulse {
    /// Its name.
    pub name: String,
    /// This machine's last complete snapshot.
    pub last: Option<(Time, Counts)>,
}

/// What this machine remembers.
#[derive(Debug, Clone)]
pub struct Pulse {
    /// When.
    pub now: Time,
    /// Jobs.
    pub jobs: Vec<JobPulse>,
    /// Libraries.
    pub libraries: Vec<LibraryPulse>,
    /// Thaws that are under way.
    pub thaws: Vec<ThawInfo>,
    /// Spent this calendar month (UTC).
    pub month: Money,
    /// What may be spent in one.
    pub month_limit: Option<Money>,
    /// The last good drill.
    pub last_drill: Option<Time>,
    /// Number of the last run of all.
    pub last_run: i64,
}

impl Engine {
    /// What is remembered. Calls no store. `host` is the name of this machine.
    pub fn pulse(&self, host: &str) -> Result<Pulse, EngineError> {
        let catalog = Catalog::open(&self.catalog_path())?;
        let now = self.clock.now();
        let mut jobs = Vec::new();
        for plan in self.job_plans(&BTreeSet::new(), &self.jitter_seed(host))? {
            let target = plan.job.row(&self.settings);
            let mut pulse = self.pulse_of(&catalog, &plan.job.name, plan.job.kind, &target)?;
            pulse.next = next(&plan, now);
            pulse.refused = plan.refused;
            jobs.push(pulse);
        }
        let is_job = |kind: JobKind, name: &str| {
            self.settings.jobs.iter().any(|job| job.kind == kind && job.row(&self.settings) == name)
        };
        let backups = self.settings.backups.iter().map(|backup| (JobKind::Backup, &backup.name));
        let mirrors = self.settings.mirrors.iter().map(|mirror| (JobKind::Mirror, &mirror.name));
        for (kind, name) in backups.chain(mirrors).filter(|(kind, name)| !is_job(*kind, name)) {
            jobs.push(self.pulse_of(&catalog, name, kind, name)?);
        }
        let thaws = self.thaws()?.into_iter().filter(|thaw| thaw.row.state == ThawState::Open).collect();
        Ok(Pulse {
            now,
            jobs,
            libraries: self.libraries(&catalog)?,
            thaws,
            month: catalog.spent(now.month_start())?,
            month_limit: self.settings.budget.per_month,
            last_drill: self.last_drill()?,
            last_run: catalog.last_run()?,
        })
    }

    fn pulse_of(&self, catalog: &Catalog, name: &str, kind: JobKind, target: &str) -> Result<JobPulse, EngineError> {
        let runs = catalog.latest_runs(&RunsOf { task: name, kind: kind.word(), target }, RUNS_MOST)?;
        let mut outcomes = BTreeMap::new();
        for run in &runs {
            if let (Some(how), Some(ended)) = (run.how(), run.ended) {
                outcomes.entry(how.word()).or_insert(ended);
            }
        }
        let is_running = runs.iter().any(|run| run.how().is_none());
        let last = runs.into_iter().find(|run| run.how().is_some());
        let failed = match &last {
            Some(run) if run.how() != Some(RunOutcome::Complete) => catalog.failures(run.id)?.len(),
            _ => 0,
        };
        let name = name.to_string();
        let failed = Count(failed as u64);
        Ok(JobPulse { name, kind, last, failed, is_running, outcomes, next: None, refused: None })
    }

    fn libraries(&self, catalog: &Catalog) -> Result<Vec<LibraryPulse>, EngineError> {
        let own = WriterFile::load(&secrets::path(&self.settings.state_dir())).ok().map(|file| file.secrets.id());
        let mut last: BTreeMap<String, (Time, Counts)> = BTreeMap::new();
        for row in catalog.snapshots()? {
            let Some(payload) = row.payload else { continue };
            let snapshot: Snapshot = canon::from_bytes("a snapshot's row", &payload)?;
            let newer = last.get(&snapshot.job).is_none_or(|(time, _)| *time <= row.time);
            if snapshot.complete && own == Some(snapshot.writer) && newer {
                last.insert(snapshot.job.clone(), (row.time, snapshot.counts));
            }
        }
        let of = |name: &String| LibraryPulse { name: name.clone(), last: last.get(name).cloned() };
        Ok(self.settings.backups.iter().map(|backup| of(&backup.name)).collect())
    }
}

/// When a job runs next.
fn next(plan: &JobPlan, now: Time) -> Option<Time> {
    if plan.refused.is_some() {
        return None;
    }
    match (&plan.decision.due, &plan.decision.held) {
        (Some(_), Some(Held::Window(_, at))) => Some(*at),
        (Some(_), None) => Some(now),
        _ => plan.decision.next,
    }
}
