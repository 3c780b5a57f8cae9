//! `status`: how things stand, at a glance and without reading much.

use std::time::Duration;

use darkslide_catalog::{Catalog, RunRow};
use darkslide_format::canon;
use darkslide_format::snapshot::{Counts, Snapshot};
use darkslide_format::trust::Standing;
use darkslide_words::{Money, Name, Time};

use crate::secrets::{self, WriterFile};
use crate::{CopiesReport, Engine, EngineError};

/// A store.
#[derive(Debug, Clone)]
pub struct StoreStatus {
    /// Its place.
    pub label: String,
    /// Why it cannot be used, if so.
    pub problem: Option<String>,
}

/// A job.
#[derive(Debug, Clone)]
pub struct JobStatus {
    /// Its name.
    pub name: String,
    /// Its library.
    pub library: String,
    /// Its last complete snapshot: time, age, counts.
    pub last: Option<(Time, Duration, Counts)>,
    /// Its last run.
    pub run: Option<RunRow>,
    /// What that run could not do.
    pub failures: Vec<(Name, String)>,
}

/// How things stand.
#[derive(Debug)]
pub struct Status {
    /// The repository.
    pub repository: String,
    /// Name of this machine as a writer, and whether it may back up.
    pub writer: Option<(String, bool)>,
    /// The stores.
    pub stores: Vec<StoreStatus>,
    /// The jobs.
    pub jobs: Vec<JobStatus>,
    /// The mirrors, each with its last run.
    pub mirrors: Vec<(String, Option<RunRow>)>,
    /// Spent this calendar month (UTC), as the ledger has it.
    pub month: Money,
    /// What may be spent in a month.
    pub month_limit: Option<Money>,
    /// The last good drill.
    pub last_drill: Option<(Time, Duration)>,
    /// The copies of all files, held against the rule; nothing before the first backup.
    pub copies: Option<CopiesReport>,
    /// Why they could not be counted, if so.
    pub copies_problem: Option<String>,
    /// True if the configuration says how many there have to be.
    pub is_rule_set: bool,
}

impl Engine {
    /// How things stand.
    pub fn status(&self) -> Result<Status, EngineError> {
        let mut status = self.status_uncounted()?;
        if status.stores.iter().any(|store| store.problem.is_none()) {
            // A store that fails in the midst of it leaves the rest of the screen as it is.
            match self.copies_in_all() {
                Ok(copies) => status.copies = copies,
                Err(error) => status.copies_problem = Some(error.to_string()),
            }
        }
        Ok(status)
    }

    /// The same without counting copies.
    pub(crate) fn status_uncounted(&self) -> Result<Status, EngineError> {
        let repo = self.repository();
        let mut stores = Vec::new();
        let mut writer = None;
        let file = WriterFile::load(&secrets::path(&self.settings.state_dir())).ok();
        let own = file.as_ref().map(|f| f.secrets.id());
        match &repo {
            Ok(repo) => {
                stores.extend(repo.reached.stores.iter().map(|s| StoreStatus { label: s.label(), problem: None }));
                let missing = repo.reached.missing.iter();
                stores.extend(missing.map(|(l, p)| StoreStatus { label: l.clone(), problem: Some(p.clone()) }));
                writer = file.map(|f| {
                    (f.name, repo.trust.standing(f.secrets.signing.public().writer_id()) == Standing::Trusted)
                });
            }
            Err(error) => {
                let label = |s: &crate::StoreSettings| s.absolute(|path| self.settings.resolve(path)).label();
                let broken = |s| StoreStatus { label: label(s), problem: Some(error.to_string()) };
                stores.extend(self.settings.stores.iter().map(broken));
            }
        }
        let catalog = Catalog::open(&self.catalog_path())?;
        let runs = catalog.runs(1000)?;
        let now = self.clock.now();
        let mut jobs = Vec::new();
        for job in &self.settings.backups {
            let mut last = None;
            for row in catalog.snapshots()? {
                let Some(payload) = row.payload else { continue };
                let snapshot: Snapshot = canon::from_bytes("a snapshot's row", &payload)?;
                if snapshot.job == job.name && snapshot.complete && Some(snapshot.writer) == own {
                    last = Some((row.time, row.time.until(now), snapshot.counts));
                }
            }
            let run = runs.iter().find(|r| r.job == job.name).cloned();
            let failures = run.as_ref().map(|r| catalog.failures(r.id)).transpose()?.unwrap_or_default();
            let library = self.settings.resolve(&job.library).display().to_string();
            jobs.push(JobStatus { name: job.name.clone(), library, last, run, failures });
        }
        let last_drill = self.last_drill()?.map(|at| (at, at.until(now)));
        let run_of = |name: &str| runs.iter().find(|run| run.kind == "mirror" && run.job == name).cloned();
        let mirrors = self.settings.mirrors.iter().map(|mirror| (mirror.name.clone(), run_of(&mirror.name))).collect();
        let month = catalog.spent(now.month_start())?;
        let month_limit = self.settings.budget.per_month;
        let repository = self.settings.repository.id.clone();
        // Without a store nothing can be counted, and that is told already.
        let is_rule_set = !self.settings.copies.is_empty();
        Ok(Status {
            repository,
            writer,
            stores,
            jobs,
            mirrors,
            month,
            month_limit,
            last_drill,
            copies: None,
            copies_problem: None,
            is_rule_set,
        })
    }
}
