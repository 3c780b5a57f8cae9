//! Runs are rows: whatever long work is done, by whomever it was started, begins and ends a row of
//! the catalog, with a log file beside it.
//!
//! **Invariant:** a row without an outcome whose log nobody holds is a run that was cut off. The log
//! is made and locked in the same transaction as its row, so no other process can see it otherwise.

mod log;
mod watched;

use std::path::PathBuf;
use std::sync::Arc;

use darkslide_catalog::{Catalog, RunEnd, RunOrigin, RunOutcome, RunRow, RunStart};
use darkslide_words::{Bytes, Count, Money, Name, Time};

pub use log::{Level, LogLine};
pub(crate) use log::{RunLog, held, line_of};
pub use watched::RunStop;

use crate::events::{Announce, Before, Event, EventKind, Starting};
use crate::{Engine, EngineError, ErrorKind};

/// Who or what starts the runs of an engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StartedBy {
    /// Who or what.
    pub origin: RunOrigin,
    /// The `[[job]]`, where it is one.
    pub task: Option<String>,
    /// The time of its schedule that it serves.
    pub slot: Option<Time>,
    /// The run of another job that it follows.
    pub cause: Option<i64>,
}

/// What a run did, for its row and its event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// In a line.
    pub summary: String,
    /// Files.
    pub files: Count,
    /// Bytes.
    pub bytes: Bytes,
    /// What it cost.
    pub money: Money,
    /// What could not be done.
    pub failures: Vec<(Name, String)>,
    /// What was strange.
    pub warnings: Vec<String>,
    /// True if not all was done, though no file is to blame.
    pub is_incomplete: bool,
    /// For what it waits: it is not over, and the same work goes on with it later.
    pub waits: Option<String>,
    /// Why it failed, though it came to its end: a check that found damage.
    pub failed: Option<String>,
}

impl Account {
    /// How the work ended that came to its end, and in a line.
    fn outcome(&self) -> (RunOutcome, String) {
        match (&self.failed, &self.waits) {
            (Some(why), _) => (RunOutcome::Failed, why.clone()),
            (None, Some(what)) => (RunOutcome::Cancelled, what.clone()),
            (None, None) if self.failures.is_empty() && !self.is_incomplete => {
                (RunOutcome::Complete, self.summary.clone())
            }
            (None, None) => (RunOutcome::Incomplete, self.summary.clone()),
        }
    }
}

/// Files that an event names.
const NAMED_MAX: usize = 20;
/// Kinds of work that take the lock of this machine only in their midst.
const TAKES_LOCK_LATER: [&str; 2] = ["drill", "restore"];

impl Engine {
    /// The same, whose runs are started by this.
    pub fn started_by(self, by: StartedBy) -> Self {
        Self { by, ..self }
    }

    /// The same, telling its events to this.
    pub fn announcing(self, to: Arc<dyn Announce>) -> Self {
        Self { announce: to, ..self }
    }

    /// The same, whose runs end at their next safe point once this says so.
    pub fn stopped_by(self, stop: Arc<RunStop>) -> Self {
        Self { stop: Some(stop), ..self }
    }

    /// The same, with schedules in this time zone instead of the machine's.
    pub fn in_zone(self, zone: jiff::tz::TimeZone) -> Self {
        Self { zone, ..self }
    }

    /// Where events go.
    pub fn announcer(&self) -> Arc<dyn Announce> {
        self.announce.clone()
    }

    /// Tells an event.
    pub(crate) fn tell(&self, event: &Event) {
        self.announce.announce(event);
    }

    pub(crate) fn log_dir(&self) -> PathBuf {
        self.settings.state_dir().join("logs")
    }

    /// Does `work` as a run: a row, a log, and an event at its end. Whatever lock it needs is taken
    /// before, so that waiting for another run is no failed run.
    pub(crate) fn recorded<T>(
        &self,
        job: &str,
        kind: &str,
        work: impl FnOnce(&RunLog) -> Result<(T, Account), EngineError>,
    ) -> Result<T, EngineError> {
        let catalog = Catalog::open(&self.catalog_path())?;
        if self.by.task.is_some() && TAKES_LOCK_LATER.contains(&kind) {
            // Busy is no run: whoever waits would make a row with each try.
            drop(crate::secrets::lock(&self.settings.state_dir())?);
        }
        let log = self.begin(&catalog, job, kind)?;
        let starting = Starting {
            job: self.by.task.as_deref().unwrap_or(job).to_string(),
            target: job.to_string(),
            kind: kind.to_string(),
            run: log.run,
            time: log.began,
            origin: self.by.origin.word().to_string(),
        };
        let before = self.announce.before(&starting);
        if let Before::Warn(why) = &before {
            log.warning(why);
        }
        let done = match (self.stop.as_deref().filter(|stop| stop.is_stopped()), before) {
            // A hook that ends because everything has to vetoes nothing: the run goes on later.
            (Some(stop), _) => {
                log.stop_because(stop);
                Err(EngineError::Audit(darkslide_audit::AuditError::Cancelled))
            }
            (None, Before::Stop(why)) => Err(EngineError::Vetoed { job: job.to_string(), why }),
            (None, _) => work(&log),
        };
        let (result, account, error) = match done {
            Ok((done, account)) => (Ok(done), account, None),
            Err(error) => {
                let text = error.to_string();
                // What met another run is not done, and did not fail: it comes again.
                let cancelled = error.kind() == ErrorKind::Cancelled || matches!(error, EngineError::Running);
                (Err(error), Account::default(), Some((text, cancelled)))
            }
        };
        let event = self.end(&catalog, &starting, &log, account, error)?;
        self.tell(&event);
        if let Some(said) = self.announce.after(&starting, &event) {
            log.note(&said);
        }
        result
    }

    fn begin(&self, catalog: &Catalog, job: &str, kind: &str) -> Result<RunLog, EngineError> {
        let now = self.clock.now();
        log::sweep(&self.log_dir(), &self.settings.logs, now)?;
        let start = RunStart {
            job: job.to_string(),
            task: self.by.task.clone(),
            kind: kind.to_string(),
            at: now,
            origin: self.by.origin,
            slot: self.by.slot,
            cause: self.by.cause,
        };
        let log = catalog.transaction(|| {
            let run = catalog.begin_run(&start)?;
            RunLog::create(&self.log_dir(), run, job, self.clock.clone(), now)
        })?;
        log.note(&format!("{kind} of {job} begins ({})", self.by.origin.word()));
        Ok(log)
    }

    /// Ends the row; the event that tells of it.
    fn end(
        &self,
        catalog: &Catalog,
        starting: &Starting,
        log: &RunLog,
        account: Account,
        error: Option<(String, bool)>,
    ) -> Result<Event, EngineError> {
        account.warnings.iter().for_each(|text| log.warning(text));
        let (outcome, summary) = match error {
            Some((text, true)) => match log.stopped_because() {
                Some((why, true)) => (RunOutcome::Failed, why),
                Some((why, false)) => (RunOutcome::Cancelled, why),
                None => (RunOutcome::Cancelled, text),
            },
            Some((text, false)) => (RunOutcome::Failed, text),
            None => account.outcome(),
        };
        for (path, reason) in &account.failures {
            log.failure(&format!("{path}: {reason}"));
        }
        let level = if outcome == RunOutcome::Failed { Level::Error } else { Level::Info };
        log.write(level, &format!("{}: {summary}", outcome.word()));
        let end = RunEnd {
            outcome,
            summary: summary.clone(),
            files: account.files,
            bytes: account.bytes,
            money: account.money,
            warnings: Count(log.warnings()),
        };
        let now = self.clock.now();
        let before = catalog.runs_of(&starting.target, 50)?;
        catalog.transaction(|| {
            account.failures.iter().try_for_each(|(path, why)| catalog.add_failure(log.run, path, why))?;
            catalog.end_run(log.run, now, &end)
        })?;
        let kind = self.event_kind(catalog, starting, &end, &before)?;
        let (job, work) = (&starting.job, &starting.kind);
        let title = match kind {
            EventKind::Failure => format!("{work} of {job} failed"),
            EventKind::Warning => format!("{work} of {job} is done, with warnings"),
            EventKind::Recovered => format!("{work} of {job} is complete again"),
            EventKind::Stopped => format!("{work} of {job} was stopped"),
            _ => format!("{work} of {job} is done"),
        };
        let named: Vec<String> =
            account.failures.iter().take(NAMED_MAX).map(|(path, why)| format!("{path}: {why}")).collect();
        let mut text = summary;
        for line in account.warnings.iter().take(NAMED_MAX).chain(&named) {
            text.push('\n');
            text.push_str(line);
        }
        let event = Event::new(kind, now, title, text).of_job(job).of_run(log.run);
        Ok(event
            .fact("kind", work.as_str())
            .fact("target", starting.target.as_str())
            .fact("origin", starting.origin.as_str())
            .fact("outcome", outcome.word())
            .fact("started", starting.time.to_string())
            .fact("seconds", starting.time.until(now).as_secs())
            .fact("files", end.files.0)
            .fact("bytes", end.bytes.0)
            .fact("usd", end.money.to_string())
            .fact("warnings", end.warnings.0)
            .fact("failures", named))
    }

    fn event_kind(
        &self,
        catalog: &Catalog,
        starting: &Starting,
        end: &RunEnd,
        before: &[RunRow],
    ) -> Result<EventKind, EngineError> {
        let alarm = self.was_missing(catalog, &starting.target, &starting.kind, end.outcome)?;
        let same = before.iter().filter(|run| run.kind == starting.kind && run.id != starting.run);
        let last = same.filter_map(RunRow::how).find(|how| *how != RunOutcome::Cancelled);
        let ill = alarm || last.is_some_and(|how| how != RunOutcome::Complete);
        Ok(match end.outcome {
            RunOutcome::Failed | RunOutcome::CutOff => EventKind::Failure,
            RunOutcome::Cancelled => EventKind::Stopped,
            RunOutcome::Incomplete => EventKind::Warning,
            RunOutcome::Complete if end.warnings.0 > 0 => EventKind::Warning,
            RunOutcome::Complete if ill => EventKind::Recovered,
            RunOutcome::Complete => EventKind::Finished,
        })
    }

    /// Runs whose process or machine died in their midst and that nobody has reported yet. Each is
    /// marked, logged, and told once.
    pub fn notice_cut_off(&self) -> Result<Vec<RunRow>, EngineError> {
        if !self.catalog_path().exists() {
            return Ok(Vec::new());
        }
        let catalog = Catalog::open(&self.catalog_path())?;
        let mut found = Vec::new();
        for row in catalog.runs_going_on()? {
            let Some(last_seen) = held(&self.log_dir(), row.id, row.started) else { continue };
            if !catalog.cut_off(row.id, last_seen)? {
                continue;
            }
            let now = self.clock.now();
            log::append(&self.log_dir(), row.id, now, Level::Error, "cut off: its process or the machine died");
            let (job, work) = (row.task.as_ref().unwrap_or(&row.job), &row.kind);
            let text = format!(
                "The {work} of {job} that began {} was cut off: its process or the machine died in its midst. \
                 Nothing that was reported as done is lost; the next run goes on.",
                row.started.local()
            );
            let title = format!("{work} of {job} was cut off");
            let event = Event::new(EventKind::CutOff, now, title, text).of_job(job).of_run(row.id);
            let started = row.started.to_string();
            self.tell(&event.fact("kind", work.as_str()).fact("started", started).fact("outcome", "cut off"));
            found.extend(catalog.run(row.id)?);
        }
        Ok(found)
    }

    /// Ends the row of a run that does not come to its end in time: for a process that has to go.
    pub fn abandon_runs(&self, why: &str) -> Result<usize, EngineError> {
        let catalog = Catalog::open(&self.catalog_path())?;
        let mut ended = 0;
        for row in catalog.runs_going_on()?.into_iter().filter(|row| log::is_ours(row.id, &self.log_dir())) {
            let now = self.clock.now();
            log::append(&self.log_dir(), row.id, now, Level::Warning, &format!("cancelled: {why}"));
            let end = RunEnd {
                outcome: RunOutcome::Cancelled,
                summary: why.to_string(),
                files: Count(0),
                bytes: Bytes(0),
                money: Money::ZERO,
                warnings: Count(0),
            };
            catalog.end_run(row.id, now, &end)?;
            ended += 1;
        }
        Ok(ended)
    }

    /// Runs, the newest first: of a job, or of all.
    pub fn runs(&self, job: Option<&str>, most: u32) -> Result<Vec<RunRow>, EngineError> {
        let catalog = Catalog::open(&self.catalog_path())?;
        Ok(match job {
            Some(job) => catalog.runs_of(job, most)?,
            None => catalog.runs(most)?,
        })
    }

    /// A run by its number, and what it could not do.
    pub fn run(&self, id: i64) -> Result<(RunRow, Vec<(Name, String)>), EngineError> {
        let catalog = Catalog::open(&self.catalog_path())?;
        let row = catalog.run(id)?.ok_or_else(|| EngineError::NoSuch { what: "run", name: id.to_string() })?;
        let failures = catalog.failures(id)?;
        Ok((row, failures))
    }

    /// The lines of a run's log from the n-th on; nothing where it is not kept any more.
    pub fn log(&self, run: i64, from: usize) -> Vec<LogLine> {
        let path = log::path(&self.log_dir(), run);
        let text = path.and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        String::from_utf8_lossy(&text[..whole]).lines().skip(from).map(line_of).collect()
    }
}
