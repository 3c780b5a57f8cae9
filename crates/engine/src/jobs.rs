//! Jobs: what each kind does with the engine, what a machine must hold for it, and what is known of
//! its past.
//!
//! **Invariant:** a job whose secret this machine does not hold is refused before anything is done,
//! with where it belongs.

use std::collections::BTreeSet;

use darkslide_catalog::{Catalog, RunOutcome, RunRow, RunsOf, Scheduled};
use darkslide_format::identity::IdentityFile;
use darkslide_words::{Money, OsRng, Tier, Time};
use jiff::tz::TimeZone;

use crate::job_settings::Role;
use crate::observe::{BackupObserver, CheckObserver, IngestObserver, MirrorObserver, RestoreObserver};
use crate::runs::Account;
use crate::schedule::{Decision, Entry, Past, Ran, RanEnd, SET_BACK_MAX, decide};
use crate::secrets::{self, WriterFile};
use crate::{
    BackupOptions, CheckOptions, ColdRestore, Conditions, DRILL_COST, DrillOutcome, Engine, EngineError, ErrorKind,
    ForgetOptions, IngestOptions, JobKind, JobSettings, PruneOptions, Report, ThawOptions, cards,
};

/// Watches any kind of job.
pub trait Watch: BackupObserver + IngestObserver + MirrorObserver + RestoreObserver + CheckObserver {}
impl<T: BackupObserver + IngestObserver + MirrorObserver + RestoreObserver + CheckObserver> Watch for T {}

/// What a job is given by whoever runs it.
#[derive(Debug, Default)]
pub struct JobMeans {
    /// Name of this machine.
    pub host: String,
    /// What opens photographs, where the job names it.
    pub identity: Option<IdentityFile>,
    /// Cards for an ingest; all that are in where none are given.
    pub cards: Vec<std::path::PathBuf>,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobDone {
    /// In a line.
    pub text: String,
    /// True if all of it was done.
    pub is_whole: bool,
    /// When to go on with what it waits for; nothing if it is over.
    pub waits_until: Option<Time>,
}

impl JobDone {
    fn new(is_whole: bool, text: String) -> Self {
        Self { text, is_whole, waits_until: None }
    }
}

/// A job, when it runs, and what it last did.
#[derive(Debug, Clone)]
pub struct JobPlan {
    /// The job.
    pub job: JobSettings,
    /// Why this machine refuses it.
    pub refused: Option<String>,
    /// What it should do now, and when next.
    pub decision: Decision,
    /// Its last run.
    pub last: Option<RunRow>,
}

impl Engine {
    /// A job by name.
    pub fn job(&self, name: &str) -> Result<&JobSettings, EngineError> {
        let jobs = &self.settings.jobs;
        jobs.iter().find(|job| job.name == name).ok_or_else(|| EngineError::NoJob {
            job: name.to_string(),
            known: match jobs.is_empty() {
                true => "none. Add a [[job]] with a name, a kind and a schedule".into(),
                false => jobs.iter().map(|job| job.name.as_str()).collect::<Vec<_>>().join(", "),
            },
        })
    }

    /// Refuses a job for which this machine lacks something, and says where it belongs.
    pub fn may_run(&self, job: &JobSettings) -> Result<(), EngineError> {
        let role = job.kind.role();
        let lacks = match role {
            Role::Anyone => None,
            Role::Writer => self.lacks_writer(),
            // It opens nothing of the repository: what it needs are credentials, which it finds or says.
            Role::Auditor if job.kind == JobKind::CloudVerify => None,
            Role::Auditor if job.identity.is_some() => self.lacks_identity(job),
            Role::Auditor => self.lacks_writer().map(|why| format!("{why}. With `identity = FILE` it needs none")),
            Role::Pruner => self.lacks_writer().or_else(|| self.lacks_pruner()),
            Role::Restorer => self.lacks_identity(job),
        };
        match lacks {
            Some(why) => Err(EngineError::NotHere { job: job.name.clone(), role: role.word(), why }),
            None => Ok(()),
        }
    }

    fn lacks_writer(&self) -> Option<String> {
        let path = secrets::path(&self.settings.state_dir());
        let error = WriterFile::load(&path).err()?;
        let why = match path.exists() {
            true => error.to_string(),
            false => format!("there is no {}", path.display()),
        };
        Some(format!(
            "{why}. It belongs on a machine that was enrolled: `darkslide writer enroll` makes its secrets, \
             `darkslide open --writer FILE` brings them"
        ))
    }

    fn lacks_identity(&self, job: &JobSettings) -> Option<String> {
        let Some(path) = &job.identity else {
            return Some(
                "it opens photographs, and no `identity = FILE` is set. It belongs on a machine that does not back up, \
                 with `reader_profile` for buckets; best one where the identity is plugged in"
                    .into(),
            );
        };
        let path = self.settings.resolve(path);
        let there = path.is_file();
        (!there).then(|| {
            format!("the identity {} is not there: plug it in, or move the job to where it is", path.display())
        })
    }

    fn lacks_pruner(&self) -> Option<String> {
        let lacking =
            self.settings.stores.iter().find(|store| store.url.is_some() && store.pruner_profile.is_none())?;
        Some(format!(
            "the store {} has no `pruner_profile`: credentials that may delete. They belong on a machine that does \
             not back up, so that a stolen writer destroys nothing",
            lacking.label()
        ))
    }

    /// Runs a job to its end. What fails before any run began is a failed run all the same.
    pub fn run_job(&self, job: &JobSettings, means: &JobMeans, watch: &dyn Watch) -> Result<JobDone, EngineError> {
        self.may_run(job)?;
        let before = Catalog::open(&self.catalog_path())?.last_run()?;
        let done = self.do_job(job, means, watch);
        if let Err(error) = &done {
            let target = job.row(&self.settings);
            let runs = Catalog::open(&self.catalog_path())?.runs_after(&runs_of(job, &target), before)?;
            let passes = matches!(error, EngineError::Running) || error.kind() == ErrorKind::Cancelled;
            if runs.is_empty() && !passes {
                self.failed_before(job, &error.to_string())?;
            }
        }
        done
    }

    /// A run of a job that failed before its work could begin: a row, a log, an event.
    pub fn failed_before(&self, job: &JobSettings, why: &str) -> Result<(), EngineError> {
        self.recorded(&job.row(&self.settings), job.kind.word(), |_| {
            Ok(((), Account { failed: Some(why.to_string()), ..Account::default() }))
        })
    }

    fn do_job(&self, job: &JobSettings, means: &JobMeans, watch: &dyn Watch) -> Result<JobDone, EngineError> {
        let target = job.target(&self.settings);
        let identity = means.identity.as_ref();
        match job.kind {
            JobKind::Ingest => self.ingest_all(job, means, watch),
            JobKind::Mirror => {
                let done = self.mirror(Some(&target), &BTreeSet::new(), watch)?;
                let copied = done.new_files + done.changed_files;
                let text = format!("{copied} files copied, {}, {} to the trash", done.bytes, done.trashed);
                Ok(JobDone::new(done.failures.is_empty(), text))
            }
            JobKind::Backup => {
                let (host, max_cost) = (means.host.clone(), job.max_cost);
                let options = BackupOptions { job: Some(target), host, max_cost, ..BackupOptions::default() };
                let done = self.backup(&options, watch)?;
                let whole = done.done.failures.is_empty() && done.done.behind.is_empty() && done.refused.is_empty();
                let counts = &done.done.counts;
                let text = format!(
                    "{} new, {} changed, {} stored",
                    counts.new_files, counts.changed_files, counts.stored_bytes
                );
                Ok(JobDone::new(whole, text))
            }
            JobKind::Catalogs => self.look_at_catalogs(),
            JobKind::Audit => Ok(checked(&self.audit(identity, watch)?)),
            JobKind::Scrub => {
                Ok(checked(&self.scrub(CheckOptions { sample: job.sample() }, identity, &mut OsRng, watch)?))
            }
            JobKind::Drill => self.practise_by_itself(job, identity, watch),
            JobKind::Forget => self.forget_by_itself(job, identity),
            JobKind::Prune => self.prune_by_itself(job, watch),
            JobKind::ForgetAndPrune => {
                let forgotten = self.forget_by_itself(job, identity)?;
                let pruned = self.prune_by_itself(job, watch)?;
                let text = format!("{}; {}", forgotten.text, pruned.text);
                Ok(JobDone::new(forgotten.is_whole && pruned.is_whole, text))
            }
            JobKind::CloudVerify => self.cloud_verify_by_itself(),
        }
    }

    /// The same, with the credentials that the job's role has, and its limit.
    pub fn for_job(self, job: &JobSettings) -> Self {
        let engine = match job.kind {
            JobKind::Drill | JobKind::Scrub => self.for_reading(),
            JobKind::Audit if job.identity.is_some() => self.for_reading(),
            JobKind::Audit => self.for_auditing(),
            JobKind::Forget | JobKind::Prune | JobKind::ForgetAndPrune => self.for_pruning(),
            _ => self,
        };
        match &job.limit_upload {
            Some(rate) => engine.with_limit_upload(rate),
            None => engine,
        }
    }

    fn forget_by_itself(&self, job: &JobSettings, identity: Option<&IdentityFile>) -> Result<JobDone, EngineError> {
        let options = ForgetOptions { job: job.target.clone(), ..ForgetOptions::default() };
        let plan = self.forget_plan(&options, identity)?;
        let done = self.forget(&plan)?;
        Ok(JobDone::new(done.absent.is_empty(), format!("{} snapshots forgotten", done.snapshots)))
    }

    fn prune_by_itself(&self, job: &JobSettings, watch: &dyn Watch) -> Result<JobDone, EngineError> {
        let options = PruneOptions { max_cost: job.max_cost, ..PruneOptions::default() };
        let limit = job.max_cost.unwrap_or(Money::ZERO);
        // Nothing is paid for early deletion unless the configuration says how much.
        let done = self.prune(&options, &mut |plan| plan.total() <= limit, watch)?;
        Ok(match done {
            Some(done) => JobDone::new(true, format!("{} objects deleted, {}", done.pruned.deleted, done.pruned.bytes)),
            None => JobDone::new(false, format!("it would cost more than {limit}")),
        })
    }

    fn ingest_all(&self, job: &JobSettings, means: &JobMeans, watch: &dyn Watch) -> Result<JobDone, EngineError> {
        let cards = match means.cards.is_empty() {
            true => cards().into_iter().map(|card| card.root).collect(),
            false => means.cards.clone(),
        };
        if cards.is_empty() {
            let text = "no card is in".to_string();
            let account = Account { summary: text.clone(), ..Account::default() };
            return self.recorded("cards", "ingest", |_| Ok((JobDone::new(true, text), account)));
        }
        let job_code = job.job_code.clone().unwrap_or_default();
        let options = IngestOptions { cards, job_code, host: means.host.clone(), ..IngestOptions::default() };
        let done = self.ingest(&options, watch)?;
        Ok(JobDone::new(done.is_whole(), format!("{} files copied from {} cards", done.copied(), done.cards.len())))
    }

    fn look_at_catalogs(&self) -> Result<JobDone, EngineError> {
        self.recorded("catalogs", "catalogs", |_| {
            let found = self.catalogs()?;
            let bad = found.iter().filter(|one| !one.is_sound());
            let failures: Vec<_> = bad.map(|one| (one.path.clone(), one.check.clone().unwrap_or_default())).collect();
            let missing = found.iter().filter_map(|one| Some((one, one.missing.filter(|missing| missing.0 > 0)?)));
            let warnings: Vec<_> = missing
                .map(|(one, missing)| format!("{}: {missing} of its photographs are missing", one.path))
                .collect();
            let summary = format!("{} catalogs, {} of them not sound", found.len(), failures.len());
            let done = JobDone::new(failures.is_empty(), summary.clone());
            Ok((done, Account { summary, failures, warnings, ..Account::default() }))
        })
    }

    fn practise_by_itself(
        &self,
        job: &JobSettings,
        identity: Option<&IdentityFile>,
        watch: &dyn Watch,
    ) -> Result<JobDone, EngineError> {
        let identity = identity.ok_or(EngineError::NeedIdentity { what: "a drill" })?;
        let limit = job.max_cost.unwrap_or(DRILL_COST);
        let options = ThawOptions { tier: Tier::Bulk, days: None, max_cost: Some(limit) };
        // What it may cost was said in the configuration.
        let outcome = self.drill(&options, identity, &mut OsRng, &mut |plan| plan.total() <= limit, watch)?;
        Ok(match outcome {
            DrillOutcome::Good { files, bytes, .. } => {
                JobDone::new(true, format!("{files} photographs came back, {bytes}"))
            }
            DrillOutcome::Bad(bad) => JobDone::new(false, format!("{} photographs did not come back", bad.len())),
            DrillOutcome::Declined => JobDone::new(false, format!("it would cost more than {limit}")),
            DrillOutcome::Waiting(waiting) => {
                let now = self.clock.now();
                let ready = match &*waiting {
                    ColdRestore::Waiting { progress, .. } => progress.ready_about,
                    _ => None,
                };
                let (soon, late) = (now.plus(LOOK_AFTER), now.plus(LOOK_AFTER * 24));
                let until = ready.unwrap_or(late).clamp(soon, late);
                JobDone { text: "the sample is still frozen".into(), is_whole: true, waits_until: Some(until) }
            }
        })
    }

    /// Spreads the jitter of this machine's jobs.
    pub fn jitter_seed(&self, host: &str) -> Vec<u8> {
        format!("{}\n{host}", self.settings.repository.id).into_bytes()
    }

    /// All jobs: what they should do now, when next, and what they last did. Remembers since when
    /// each is scheduled, and which runs a wrong clock told of.
    pub fn job_plans(&self, going_on: &BTreeSet<String>, seed: &[u8]) -> Result<Vec<JobPlan>, EngineError> {
        self.job_plans_under(Conditions::default(), going_on, seed)
    }

    /// The same, on this battery and line: nobody waits for a job that does not begin on them.
    pub(crate) fn job_plans_under(
        &self,
        conditions: Conditions,
        going_on: &BTreeSet<String>,
        seed: &[u8],
    ) -> Result<Vec<JobPlan>, EngineError> {
        let zone = &self.zone;
        let catalog = Catalog::open(&self.catalog_path())?;
        let now = self.clock.now();
        catalog.void_runs_after(now.plus(SET_BACK_MAX), SET_BACK_MAX)?;
        let jobs = &self.settings.jobs;
        let refused: Vec<_> = jobs.iter().map(|job| self.may_run(job).err().map(|error| error.to_string())).collect();
        let mut pasts = Vec::new();
        for job in jobs {
            pasts.push(self.past(&catalog, job, now, zone)?);
        }
        let schedules: Vec<_> = jobs.iter().map(JobSettings::schedule).collect();
        let entries: Vec<Entry<'_>> = (0..jobs.len())
            .map(|at| Entry {
                name: &jobs[at].name,
                schedule: schedules[at].as_ref(),
                jitter: jobs[at].jitter(),
                windows: &jobs[at].not.windows,
                after: &jobs[at].after,
                past: &pasts[at],
                is_kept: refused[at].is_some() || jobs[at].kept_by(conditions).is_some(),
            })
            .collect();
        let decisions = decide(&entries, going_on, now, seed, zone);
        let mut plans = Vec::new();
        for ((job, decision), refused) in jobs.iter().zip(decisions).zip(refused) {
            let target = job.row(&self.settings);
            let last = catalog.latest_runs(&runs_of(job, &target), 1)?.pop();
            plans.push(JobPlan { job: job.clone(), refused, decision, last });
        }
        Ok(plans)
    }

    fn past(&self, catalog: &Catalog, job: &JobSettings, now: Time, zone: &TimeZone) -> Result<Past, EngineError> {
        let Some(schedule) = job.schedule() else { return Ok(Past::new(now)) };
        let known = catalog.scheduled(&job.name)?.filter(|one| one.text == schedule.text() && one.since <= now);
        let scheduled = match known {
            Some(scheduled) => scheduled,
            // New, changed, or seen first by a clock that was wrong.
            None => {
                let text = schedule.text().to_string();
                let new = Scheduled { text, since: now, since_run: catalog.last_run()? };
                catalog.set_scheduled(&job.name, &new)?;
                new
            }
        };
        let target = job.row(&self.settings);
        let of = runs_of(job, &target);
        let (rows, followed) = match schedule.follows().and_then(|name| self.job(name).ok()) {
            Some(first) => {
                let target = first.row(&self.settings);
                let rows = catalog.latest_runs(&runs_of(first, &target), 50)?;
                let ends = |row: &&RunRow| row.how().is_some_and(RunOutcome::is_done) && !is_first_part(first, row);
                let good = rows.iter().find(ends).map(|row| row.id);
                (catalog.runs_after(&of, good.unwrap_or_default())?, good)
            }
            None => {
                let floor = Entry::floor(&schedule, job.jitter(), now, zone);
                (catalog.runs_since(&of, floor, now.plus(SET_BACK_MAX))?, None)
            }
        };
        let runs = rows.iter().filter(|row| !is_first_part(job, row)).map(ran).collect();
        Ok(Past { since: scheduled.since, since_run: scheduled.since_run, runs, followed })
    }
}

/// Between two looks at something that waits, at the least.
const LOOK_AFTER: std::time::Duration = std::time::Duration::from_secs(900);

fn runs_of<'a>(job: &'a JobSettings, target: &'a str) -> RunsOf<'a> {
    RunsOf { task: &job.name, kind: job.kind.word(), target }
}

/// True of a forget that was done for a prune: the job is done when the prune is.
fn is_first_part(job: &JobSettings, row: &RunRow) -> bool {
    let done = row.how().is_some_and(RunOutcome::is_done);
    job.kind == JobKind::ForgetAndPrune && row.kind == JobKind::Forget.word() && done
}

/// A row, as far as a schedule goes by it.
fn ran(row: &RunRow) -> Ran {
    let end = match row.how() {
        None => RanEnd::GoesOn,
        Some(RunOutcome::Complete | RunOutcome::Incomplete) => RanEnd::Done,
        Some(RunOutcome::Failed) => RanEnd::Failed,
        Some(RunOutcome::Cancelled) => RanEnd::Stopped,
        Some(RunOutcome::CutOff) => RanEnd::CutOff,
    };
    Ran { slot: row.slot, cause: row.cause, started: row.started, end }
}

fn checked(report: &Report) -> JobDone {
    let damages = report.damages();
    JobDone::new(damages == 0, format!("{} objects, {} damages", report.objects, damages))
}
