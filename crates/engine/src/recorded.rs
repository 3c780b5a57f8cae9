//! Checks, drills and restores as runs: the same work, with a row, a log and an event.

use darkslide_audit::{Report, Severity};
use darkslide_format::identity::IdentityFile;
use darkslide_thaw::ThawPlan;
use darkslide_words::{Count, Name, Rng};

use crate::observe::{CheckObserver, RestoreObserver};
use crate::runs::Account;
use crate::{CheckOptions, ColdRestore, DrillOutcome, Engine, EngineError, RestoreOptions, ThawOptions};

/// What the repository is called in rows of runs.
pub(crate) const REPOSITORY: &str = "repository";
/// Findings that a log names.
const NAMED_MAX: usize = 1000;

impl Engine {
    /// Audits every store that can be reached.
    pub fn audit(&self, identity: Option<&IdentityFile>, observer: &dyn CheckObserver) -> Result<Report, EngineError> {
        self.recorded(REPOSITORY, "audit", |run| {
            let report = self.audit_stores(identity, &run.watch(observer, self.stop.as_deref()))?;
            let account = checked(&report);
            Ok((report, account))
        })
    }

    /// Scrubs every store that can be reached.
    pub fn scrub(
        &self,
        options: CheckOptions,
        identity: Option<&IdentityFile>,
        rng: &mut dyn Rng,
        observer: &dyn CheckObserver,
    ) -> Result<Report, EngineError> {
        self.recorded(REPOSITORY, "scrub", |run| {
            let report = self.scrub_stores(options, identity, rng, &run.watch(observer, self.stop.as_deref()))?;
            let account = checked(&report);
            Ok((report, account))
        })
    }

    /// Goes on with the drill that was begun, or begins one: a random sample whose quote stays
    /// under the limit.
    pub fn drill(
        &self,
        options: &ThawOptions,
        identity: &IdentityFile,
        rng: &mut dyn Rng,
        confirm: &mut dyn FnMut(&ThawPlan) -> bool,
        observer: &dyn RestoreObserver,
    ) -> Result<DrillOutcome, EngineError> {
        self.recorded(REPOSITORY, "drill", |run| {
            let watch = run.watch(observer, self.stop.as_deref());
            let outcome = self.practise(options, identity, rng, confirm, &watch)?;
            let account = practised(&outcome);
            Ok((outcome, account))
        })
    }

    /// Restores; what is cold is thawed first. The same order again goes on with the thaw that it
    /// began. `confirm` sees the plan before anything is spent.
    pub fn restore_cold(
        &self,
        options: &RestoreOptions,
        thaw: &ThawOptions,
        identity: &IdentityFile,
        confirm: &mut dyn FnMut(&ThawPlan) -> bool,
        observer: &dyn RestoreObserver,
    ) -> Result<ColdRestore, EngineError> {
        self.recorded(REPOSITORY, "restore", |run| {
            let watch = run.watch(observer, self.stop.as_deref());
            let outcome = self.restore_through(options, thaw, identity, confirm, &watch)?;
            let account = restored(&outcome);
            Ok((outcome, account))
        })
    }
}

/// What a check found.
fn checked(report: &Report) -> Account {
    let (damages, warnings) = (report.damages(), report.count(Severity::Warning));
    let found = report.findings.iter().filter(|finding| finding.severity != Severity::Note);
    Account {
        summary: format!("{} objects, {}: {damages} damages, {warnings} warnings", report.objects, report.bytes),
        files: Count(report.objects.0),
        bytes: report.bytes,
        warnings: found.take(NAMED_MAX).map(ToString::to_string).collect(),
        failed: (damages > 0).then(|| format!("{damages} DAMAGES in {} objects", report.objects)),
        ..Account::default()
    }
}

fn practised(outcome: &DrillOutcome) -> Account {
    match outcome {
        DrillOutcome::Good { files, bytes, .. } => Account {
            summary: format!("{files} photographs came back, {bytes}, every byte as it was stored"),
            files: *files,
            bytes: *bytes,
            ..Account::default()
        },
        DrillOutcome::Bad(bad) => Account {
            failed: Some(format!("{} photographs did not come back", bad.len())),
            failures: bad.clone(),
            ..Account::default()
        },
        DrillOutcome::Waiting(waiting) => restored(waiting),
        DrillOutcome::Declined => declined(),
    }
}

fn declined() -> Account {
    Account { waits: Some("the price was not confirmed; nothing was asked for".into()), ..Account::default() }
}

fn restored(outcome: &ColdRestore) -> Account {
    match outcome {
        ColdRestore::Done(done) => Account {
            summary: format!("{} files restored and verified, {}", done.files, done.bytes),
            files: done.files,
            bytes: done.bytes,
            failures: done.casualties.iter().map(|one| (Name::clone(&one.path), one.reason.clone())).collect(),
            ..Account::default()
        },
        ColdRestore::Waiting { id, progress, restored } => {
            let ready = progress.ready_about.map(|at| format!(", ready about {}", at.local())).unwrap_or_default();
            Account {
                waits: Some(format!("waits for thaw {id}{ready}; {} files restored by now", restored.files)),
                files: restored.files,
                bytes: restored.bytes,
                ..Account::default()
            }
        }
        ColdRestore::Declined => declined(),
    }
}
