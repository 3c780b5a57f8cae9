//! `mirror`: a library to a second place, verbatim.

use std::collections::BTreeSet;

use darkslide_catalog::Catalog;
use darkslide_disk::RealDisk;
use darkslide_mirror::{Healed, Mirror, MirrorError, MirrorPlan, Mirrored, Rot, Verified, execute, heal, plan, verify};
use darkslide_words::Name;

use crate::identity_use::Restorer;
use crate::ingesting::LibraryMemory;
use crate::observe::MirrorObserver;
use crate::runs::Account;
use crate::{Engine, EngineError, MirrorSettings};

impl Engine {
    /// A mirror job by name; the only one where none is named.
    fn mirror_job(&self, name: Option<&str>) -> Result<&MirrorSettings, EngineError> {
        let all = &self.settings.mirrors;
        let found = match (name, &all[..]) {
            (None, [only]) => Some(only),
            (name, all) => all.iter().find(|job| Some(job.name.as_str()) == name),
        };
        found.ok_or_else(|| EngineError::NoJob {
            job: name.unwrap_or("(none named)").to_string(),
            known: match all.is_empty() {
                true => "none. Add a [[mirror]] with a name and a target".to_string(),
                false => all.iter().map(|job| job.name.as_str()).collect::<Vec<_>>().join(", "),
            },
        })
    }

    fn with_mirror<T>(
        &self,
        job: &MirrorSettings,
        observer: &dyn MirrorObserver,
        work: impl FnOnce(&Mirror<'_>) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let catalog = Catalog::open(&self.catalog_path())?;
        let library = match &job.library {
            Some(library) => library,
            None => &self.settings.job(None)?.library,
        };
        work(&Mirror {
            disk: &RealDisk,
            catalog: &catalog,
            clock: &*self.clock,
            observer,
            job: job.name.clone(),
            source: self.settings.resolve(library),
            target: self.settings.resolve(&job.target),
        })
    }

    /// What a run would do.
    pub fn plan_mirror(
        &self,
        job: Option<&str>,
        allowed: &BTreeSet<String>,
        observer: &dyn MirrorObserver,
    ) -> Result<MirrorPlan, EngineError> {
        let job = self.mirror_job(job)?;
        self.with_mirror(job, observer, |mirror| Ok(plan(mirror, &job.limits(allowed.clone()))?))
    }

    /// Brings a mirror up.
    pub fn mirror(
        &self,
        job: Option<&str>,
        allowed: &BTreeSet<String>,
        observer: &dyn MirrorObserver,
    ) -> Result<Mirrored, EngineError> {
        let job = self.mirror_job(job)?;
        let _lock = crate::secrets::lock(&self.settings.state_dir())?;
        self.recorded(&job.name, "mirror", |run| {
            let done = self.with_mirror(job, &run.watch(observer, self.stop.as_deref()), |mirror| {
                let plan = plan(mirror, &job.limits(allowed.clone()))?;
                Ok(execute(mirror, &plan, &job.kept())?)
            })?;
            let copied = done.new_files + done.changed_files;
            let failures = done.failures.iter().map(|one| (one.path.clone(), one.reason.clone())).collect();
            let summary = format!("{copied} files copied");
            let account = Account { summary, files: copied, bytes: done.bytes, failures, ..Account::default() };
            Ok((done, account))
        })
    }

    /// Reads both sides whole and compares.
    pub fn verify_mirror(&self, job: Option<&str>, observer: &dyn MirrorObserver) -> Result<Verified, EngineError> {
        let job = self.mirror_job(job)?;
        self.with_mirror(job, observer, |mirror| {
            let memory = LibraryMemory::new(mirror.catalog);
            let backup = self.backup_of(&mirror.source);
            let known = |path: &Name| backup.as_ref().and_then(|backup| memory.hash(backup, &mirror.source, path));
            Ok(verify(mirror, &known)?)
        })
    }

    /// Copies the good side over the bad one; what neither side has comes from the repository, if
    /// `restorer` can open it.
    pub fn heal_mirror(
        &self,
        job: Option<&str>,
        found: &Verified,
        restorer: Option<&Restorer<'_>>,
        observer: &dyn MirrorObserver,
    ) -> Result<Vec<Healed>, EngineError> {
        let job = self.mirror_job(job)?;
        let _lock = crate::secrets::lock(&self.settings.state_dir())?;
        self.with_mirror(job, observer, |mirror| {
            let backup = self.backup_of(&mirror.source);
            let elsewhere = |rot: &Rot| {
                let restorer = restorer.filter(|_| rot.repository.is_some())?;
                restorer.fetch(backup.as_deref()?, &rot.path).map_err(|error| observer.note(&error.to_string())).ok()
            };
            Ok(heal(mirror, found, &elsewhere)?)
        })
    }

    /// The backup job of a library.
    fn backup_of(&self, library: &std::path::Path) -> Option<String> {
        let job = self.settings.backups.iter().find(|job| self.settings.resolve(&job.library) == library)?;
        Some(job.name.clone())
    }
}

impl From<MirrorError> for EngineError {
    fn from(error: MirrorError) -> Self {
        match error {
            MirrorError::Catalog(error) => Self::Catalog(error),
            other => Self::Mirror(other),
        }
    }
}
