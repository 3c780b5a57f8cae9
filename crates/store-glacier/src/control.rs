//! The vault beside its being a store: what is asked of it by name.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use darkslide_store::StoreError;
use darkslide_store::vault::{
    Doubtful, ForeignFile, InventoryState, Job, Notifications, OnArchive, Reconciled, RetrievalPolicy, Standing, Vault,
    VaultInfo, VaultLock,
};
use darkslide_words::{Bytes, Span, Tier};

use crate::record::ArchiveRow;
use crate::tree::Sums;
use crate::{VaultStore, description, foreign};

/// Bytes of an output that are read at once.
const PIECE: u64 = 64 << 20;
/// An upload that was begun so long ago is one that nobody goes on with: the service itself may
/// forget it after a day.
const ORPHAN: Duration = Duration::from_secs(24 * 3600);

impl Vault for VaultStore {
    fn describe(&self) -> Result<VaultInfo, StoreError> {
        self.asked("asking for its description", self.service.describe())
    }

    fn vaults(&self) -> Result<Vec<VaultInfo>, StoreError> {
        self.asked("listing vaults", self.service.vaults())
    }

    fn start_inventory(&self) -> Result<String, StoreError> {
        self.ask_inventory()
    }

    fn inventory(&self) -> Result<InventoryState, StoreError> {
        self.read_inventory()
    }

    fn last_inventory(&self) -> Result<Option<Reconciled>, StoreError> {
        self.last_made()
    }

    fn archives(&self, each: &mut OnArchive<'_>) -> Result<(), StoreError> {
        let mut after = String::new();
        loop {
            let page = self.record.page(&after)?;
            let Some(last) = page.last() else { return Ok(()) };
            after.clone_from(&last.id);
            page.into_iter().try_for_each(|row| each(row.shown()))?;
        }
    }

    fn foreign_files(&self, mapping: Option<&Path>) -> Result<Vec<ForeignFile>, StoreError> {
        let (mut files, mut known) = (Vec::new(), BTreeMap::new());
        self.archives(&mut |archive| {
            if archive.standing == Standing::Foreign {
                files.extend(foreign::of_description(&archive));
                known.insert(archive.id, archive.size);
            }
            Ok(())
        })?;
        if let Some(mapping) = mapping {
            files.extend(foreign::of_mapping(mapping, &known, &self.label)?);
        }
        Ok(files)
    }

    fn doubtful(&self) -> Result<Vec<Doubtful>, StoreError> {
        self.doubts()
    }

    fn jobs(&self) -> Result<Vec<Job>, StoreError> {
        self.refresh_jobs()?;
        let mut all = Vec::new();
        for job in self.record.jobs()? {
            let row = job.archive.as_deref().map(|id| self.record.archive(id)).transpose()?.flatten();
            all.push(job.shown(row.and_then(|row| row.name)));
        }
        Ok(all)
    }

    fn retrieve(&self, archive: &str, tier: Tier, span: Option<Span>) -> Result<String, StoreError> {
        self.asked("asking for an archive", self.begin(archive, tier, span, "darkslide"))
    }

    fn fetch(&self, job: &str, to: &mut dyn Write) -> Result<(Bytes, bool), StoreError> {
        let facts = self.asked("asking for a job", self.service.job(job))?;
        let not_ready = |why: &str| StoreError::Setup {
            store: self.label.clone(),
            why: format!("has nothing to read in that job: {why}"),
            advice: "`darkslide vault jobs` shows all jobs and how they stand".into(),
        };
        match facts.succeeded {
            Some(true) => {}
            None => return Err(not_ready("it works still")),
            Some(false) => return Err(not_ready("it failed")),
        }
        let size = match (facts.span, facts.archive_size.or(facts.inventory_size)) {
            (Some(span), _) => Some(span.len()),
            (None, size) => size,
        };
        let io = |source| StoreError::Io { store: self.label.clone(), what: "writing what was fetched".into(), source };
        let (mut sums, mut from) = (Sums::new(), 0);
        loop {
            let part = size.map(|size| Span { from, to: (from + PIECE).min(size) });
            if part.is_some_and(Span::is_empty) {
                break;
            }
            let output = self.asked("reading a job's output", self.service.output(job, part))?;
            sums.update(&output.bytes);
            to.write_all(&output.bytes).map_err(io)?;
            from += output.bytes.len() as u64;
            if part.is_none() {
                break;
            }
        }
        match facts.tree {
            Some(tree) if tree != sums.tree() => Err(StoreError::Io {
                store: self.label.clone(),
                what: "reading a job's output".into(),
                source: std::io::Error::other(format!("its tree hash is {}, and {tree} was promised", sums.tree())),
            }),
            tree => Ok((Bytes(from), tree.is_some())),
        }
    }

    fn discard(&self, archive: &str) -> Result<(), StoreError> {
        let row = self.record.archive(archive)?;
        if row.as_ref().is_some_and(|row| row.standing == Standing::Ours) {
            return Err(StoreError::Setup {
                store: self.label.clone(),
                why: "holds an object of this repository in that archive".into(),
                advice: "what nothing needs any more is deleted by `darkslide prune`".into(),
            });
        }
        self.asked("deleting an archive", self.delete_one(archive))?;
        let gone = Some(self.clock.now());
        match row {
            Some(row) => self.record.put_archive(&ArchiveRow { standing: Standing::Gone, gone, ..row }),
            None => Ok(()),
        }
    }

    fn sweep_uploads(&self) -> Result<u64, StoreError> {
        let now = self.clock.now();
        let mut swept = 0;
        for upload in self.asked("listing uploads", self.service.uploads())? {
            let ours = description::read(&upload.description).is_some_and(|d| d.set == self.set);
            if ours && upload.created.plus(ORPHAN) < now {
                match self.service.abort_upload(&upload.id) {
                    Err(failure) if !failure.is_missing() => {
                        return Err(self.error(&failure, "ending an upload", None));
                    }
                    _ => swept += 1,
                }
                self.record.drop_upload_id(&upload.id)?;
            }
        }
        Ok(swept)
    }

    fn notifications(&self) -> Result<Option<Notifications>, StoreError> {
        self.asked("asking for its notifications", self.service.notifications())
    }

    fn set_notifications(&self, notifications: Option<&Notifications>) -> Result<(), StoreError> {
        self.asked("setting its notifications", self.service.set_notifications(notifications))
    }

    fn access_policy(&self) -> Result<Option<String>, StoreError> {
        self.asked("asking for its access policy", self.service.access_policy())
    }

    fn set_access_policy(&self, policy: Option<&str>) -> Result<(), StoreError> {
        self.asked("setting its access policy", self.service.set_access_policy(policy))
    }

    fn tags(&self) -> Result<BTreeMap<String, String>, StoreError> {
        self.asked("asking for its tags", self.service.tags())
    }

    fn add_tags(&self, tags: &BTreeMap<String, String>) -> Result<(), StoreError> {
        self.asked("adding tags", self.service.add_tags(tags))
    }

    fn remove_tags(&self, keys: &[String]) -> Result<(), StoreError> {
        self.asked("removing tags", self.service.remove_tags(keys))
    }

    fn lock(&self) -> Result<Option<VaultLock>, StoreError> {
        self.asked("asking for its lock", self.service.lock())
    }

    fn initiate_lock(&self, policy: &str) -> Result<String, StoreError> {
        self.asked("beginning a lock", self.service.initiate_lock(policy))
    }

    fn complete_lock(&self, id: &str) -> Result<(), StoreError> {
        self.asked("completing the lock", self.service.complete_lock(id))
    }

    fn abort_lock(&self) -> Result<(), StoreError> {
        self.asked("giving up the lock", self.service.abort_lock())
    }

    fn retrieval_policy(&self) -> Result<RetrievalPolicy, StoreError> {
        self.asked("asking for the data retrieval policy", self.service.retrieval_policy())
    }

    fn set_retrieval_policy(&self, policy: RetrievalPolicy) -> Result<(), StoreError> {
        self.asked("setting the data retrieval policy", self.service.set_retrieval_policy(policy))?;
        self.forget_policy();
        Ok(())
    }
}
