//! `backup`: one run of a job.

use std::collections::BTreeSet;
use std::time::Duration;

use darkslide_catalog::{Catalog, PackSet};
use darkslide_snapshot::{
    BackupPlan, CHECKPOINT_EVERY, Context, Done, EmptyLibrary, Keeper, OneFileSystem, Previewing, Reading, RefsReader,
    Replicated, Rules, replicate,
};
use darkslide_words::{Money, Name};

use crate::observe::BackupObserver;
use crate::runs::Account;
use crate::secrets::{self, WriterFile};
use crate::{BackupSettings, Engine, EngineError, TOOL, index_sync};

/// How a job is run.
#[derive(Debug, Clone, Default)]
pub struct BackupOptions {
    /// Which job; the only one where none is named.
    pub job: Option<String>,
    /// Read every file, to find rot.
    pub rehash: bool,
    /// An empty library is meant to be.
    pub allow_empty: bool,
    /// Files whose silent change is accepted.
    pub accept: Vec<Name>,
    /// Name of this machine.
    pub host: String,
    /// A checkpoint at least so often; the default where none is given.
    pub checkpoint_every: Option<Duration>,
    /// Never spend more than this on it.
    pub max_cost: Option<Money>,
    /// Words that the snapshot carries, for retention.
    pub tags: Vec<String>,
}

/// What a run did.
#[derive(Debug)]
pub struct BackupDone {
    /// The run.
    pub done: Done,
    /// What stores that were behind got first.
    pub replicated: Replicated,
    /// Objects that were refused, and why.
    pub refused: Vec<String>,
    /// What its requests cost.
    pub spent: Money,
}

impl Engine {
    /// Neither a store nor our own state is part of the library it lies in.
    pub(crate) fn never(&self) -> Vec<std::path::PathBuf> {
        let mut never: Vec<_> =
            self.settings.stores.iter().filter_map(|s| s.path.as_deref()).map(|p| self.settings.resolve(p)).collect();
        never.push(self.settings.state_dir());
        never
    }

    /// Runs a backup.
    pub fn backup(&self, options: &BackupOptions, observer: &dyn BackupObserver) -> Result<BackupDone, EngineError> {
        let job = self.settings.job(options.job.as_deref())?;
        let state = self.settings.state_dir();
        let writer = WriterFile::load(&secrets::path(&state))?;
        let _lock = secrets::lock(&state)?;
        self.recorded(&job.name, "backup", |run| {
            let done = self.back_up(job, &writer, options, run.run, &run.watch(observer, self.stop.as_deref()))?;
            let account = account(&done);
            Ok((done, account))
        })
    }

    fn back_up(
        &self,
        job: &BackupSettings,
        writer: &WriterFile,
        options: &BackupOptions,
        run: i64,
        observer: &dyn BackupObserver,
    ) -> Result<BackupDone, EngineError> {
        let state = self.settings.state_dir();
        let mut repo = self.repository()?;
        if writer.repository != repo.trust.repository() {
            return Err(EngineError::Exchanged { store: repo.store().label(), what: "repository" });
        }
        let meters = self.meter(&mut repo, options.max_cost)?;
        let refs = RefsReader { trust: &repo.trust, index: &writer.secrets.index };
        let (replicated, behind) = replicate(&repo.reached.stores, &refs, observer)?;
        let catalog = Catalog::open(&self.catalog_path())?;
        let mut refused: Vec<String> = repo.refused.drain(..).map(|(n, e)| format!("{n}: {e}")).collect();
        let segments = index_sync::segments(&catalog, repo.store(), &repo.trust, &writer.secrets.index)?;
        refused.extend(segments.iter().map(|(n, e)| format!("{n}: {e}")));
        drop(catalog);
        let one_file_system = if job.one_file_system { OneFileSystem::Yes } else { OneFileSystem::No };
        let plan = BackupPlan {
            job: job.name.clone(),
            library: self.settings.resolve(&job.library),
            host: options.host.clone(),
            rules: Rules::new(&job.exclude, &job.include, self.never(), one_file_system)?,
            reading: if options.rehash { Reading::All } else { Reading::Changed },
            empty: if options.allow_empty { EmptyLibrary::Allow } else { EmptyLibrary::Refuse },
            accept: options.accept.iter().cloned().collect::<BTreeSet<_>>(),
            work: state.join("work"),
            checkpoint_every: options.checkpoint_every.unwrap_or(CHECKPOINT_EVERY.min(self.settings.prune.grace() / 4)),
            tags: options.tags.clone(),
            tool: TOOL.to_string(),
        };
        let keeping = self.settings.previews.makes().then(|| self.keeping()).flatten();
        let previewing = self.settings.previews.makes().then(|| Previewing {
            maker: &*self.maker,
            workers: self.settings.previews.workers(),
            keeper: keeping.as_ref().map(|keeping| keeping as &dyn Keeper),
        });
        let done = darkslide_snapshot::backup(Context {
            catalog: &self.catalog_path(),
            stores: &repo.reached.stores,
            behind: &behind,
            trust: &repo.trust,
            writer: &writer.secrets,
            clock: &*self.clock,
            observer,
            plan: &plan,
            run,
            previewing,
            unreliable: PackSet::default(),
        });
        let spent = self.settle(&meters, "backup")?;
        let mut done = done?;
        done.behind.extend(repo.reached.missing);
        Ok(BackupDone { done, replicated, refused, spent })
    }
}

/// What the run's row and event tell.
fn account(run: &BackupDone) -> Account {
    let (done, counts) = (&run.done, &run.done.counts);
    let behind = done.behind.iter().map(|(store, why)| format!("the store {store} did not get this snapshot: {why}"));
    Account {
        summary: format!(
            "{} new, {} changed, {} removed, {} stored",
            counts.new_files, counts.changed_files, counts.removed_files, counts.stored_bytes
        ),
        files: counts.new_files + counts.changed_files,
        bytes: counts.stored_bytes,
        money: run.spent,
        failures: done.failures.iter().map(|one| (one.path.clone(), one.reason.clone())).collect(),
        warnings: behind.chain(run.refused.iter().map(|one| format!("refused: {one}"))).collect(),
        is_incomplete: !done.behind.is_empty(),
        ..Account::default()
    }
}
