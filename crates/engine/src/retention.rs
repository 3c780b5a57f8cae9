//! `forget`: which snapshots are kept, by the rules of their job; and dropping the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use darkslide_audit::prune::{self, PruneContext, read_refs};
use darkslide_audit::retention::{Author, Policy, RetentionPlan, Rules, plan};
use darkslide_audit::vouch;
use darkslide_catalog::Catalog;
use darkslide_format::canon;
use darkslide_format::identity::IdentityFile;
use darkslide_format::keys::KeyPair;
use darkslide_format::names::{self, Kind};
use darkslide_format::snapshot::Snapshot;
use darkslide_store::{Store, list_all};
use darkslide_words::{Count, ObjectName, Time, WriterId};

use crate::repository::Repository;
use crate::runs::Account;
use crate::secrets::{self, WriterFile};
use crate::{Engine, EngineError, index_sync};

/// What is forgotten.
#[derive(Debug, Clone, Default)]
pub struct ForgetOptions {
    /// Of this job alone; of all jobs of the configuration where none is named.
    pub job: Option<String>,
    /// These rules instead of the configured ones.
    pub rules: Option<Rules>,
    /// Names of the writers whose snapshots are meant, instead of the configured ones.
    pub writers: Vec<String>,
    /// Snapshots by the beginning of their name or id; no rules are applied then.
    pub snapshots: Vec<String>,
}

/// What a forget did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Snapshots that are gone.
    pub snapshots: Count,
    /// Stores that could not be reached, and why: they still hold them.
    pub absent: Vec<(String, String)>,
}

/// Snapshots that this machine has opened.
pub(crate) fn opened(catalog: &Catalog) -> Result<BTreeMap<ObjectName, Snapshot>, EngineError> {
    let mut opened = BTreeMap::new();
    for row in catalog.snapshots()? {
        if let Some(payload) = row.payload {
            opened.insert(row.name, canon::from_bytes("a snapshot's row", &payload)?);
        }
    }
    Ok(opened)
}

/// Names of a kind in all stores, and when a store took each first.
fn first_seen(stores: &[Arc<dyn Store>], kind: Kind) -> Result<BTreeMap<ObjectName, Time>, EngineError> {
    let mut all: BTreeMap<ObjectName, Time> = BTreeMap::new();
    for listed in stores.iter().map(|store| list_all(&**store, kind.prefix())).collect::<Result<Vec<_>, _>>()?.concat()
    {
        let first = all.entry(listed.name).or_insert(listed.modified);
        *first = listed.modified.min(*first);
    }
    all.retain(|name, _| names::parse(name).is_some_and(|p| p.kind == kind));
    Ok(all)
}

impl Engine {
    /// The same, with the identity of `pruner_profile` where a store names one: for
    /// forget and prune.
    pub fn for_pruning(mut self) -> Self {
        self.settings.stores.iter_mut().for_each(|store| *store = store.for_pruning());
        self
    }

    /// What opens index and refs: a writer's, or whoever has an identity.
    fn index_key(&self, repo: &Repository, identity: Option<&IdentityFile>) -> Result<KeyPair, EngineError> {
        match identity {
            Some(identity) => Ok(repo.keys(identity)?.index),
            None => Ok(WriterFile::load(&secrets::path(&self.settings.state_dir()))?.secrets.index),
        }
    }

    /// What would be forgotten, with reasons. With an identity snapshots of other machines
    /// are opened; without, their writers' refs tell what they are.
    pub fn forget_plan(
        &self,
        options: &ForgetOptions,
        identity: Option<&IdentityFile>,
    ) -> Result<RetentionPlan, EngineError> {
        if let (Some(job), None) = (&options.job, &options.rules) {
            self.settings.job(Some(job))?;
        }
        let repo = self.repository()?;
        let catalog = Catalog::open(&self.catalog_path())?;
        if let Some(identity) = identity {
            let (all, _) = repo.opened(identity)?;
            index_sync::snapshots(&catalog, repo.store(), &repo.trust, Some(&all.identities))?;
        }
        let index = self.index_key(&repo, identity)?;
        let stores = &repo.reached.stores;
        let (snapshots, refs) = (first_seen(stores, Kind::Snapshots)?, first_seen(stores, Kind::Refs)?);
        let (refs, _) = read_refs(stores, &refs, &repo.trust, &index)?;
        let facts = vouch(&snapshots, &opened(&catalog)?, &refs, &repo.trust);
        let named = named(&options.snapshots, &snapshots)?;
        let own = WriterFile::load(&secrets::path(&self.settings.state_dir())).ok().map(|file| file.secrets.id());
        let rules = |author: &Author| match named.is_empty() {
            true => self.rules_of(author, options, own),
            // Who names snapshots means those alone.
            false => None,
        };
        let grace = self.settings.prune.grace();
        Ok(plan(facts, &Policy { rules: &rules, zone: self.zone.clone(), grace, named: named.clone() }))
    }

    fn rules_of(&self, author: &Author, options: &ForgetOptions, own: Option<WriterId>) -> Option<Rules> {
        if options.job.as_ref().is_some_and(|job| *job != author.job) {
            return None;
        }
        let job = self.settings.backups.iter().find(|backup| backup.name == author.job);
        let configured = job.map_or(&[][..], |job| &job.keep.writers[..]);
        let writers = if options.writers.is_empty() { configured } else { &options.writers[..] };
        let meant = match writers.is_empty() {
            true => Some(author.writer) == own,
            false => writers.iter().any(|name| *name == author.name || *name == author.writer.to_string()),
        };
        let rules = options.rules.clone().or_else(|| job.map(|job| job.keep.rules()));
        rules.filter(|_| meant)
    }

    /// Forgets what the plan says. Their packs stay until a prune.
    pub fn forget(&self, plan: &RetentionPlan) -> Result<Forgotten, EngineError> {
        let state = self.settings.state_dir();
        let writer = WriterFile::load(&secrets::path(&state))?;
        let _lock = secrets::lock(&state)?;
        self.recorded(crate::recorded::REPOSITORY, "forget", |_| {
            let mut repo = self.repository()?;
            let meters = self.meter(&mut repo, None)?;
            let outcome = self.drop_snapshots(plan, &repo, &writer);
            let money = self.settle(&meters, "forget")?;
            let done = Forgotten { snapshots: outcome?, absent: repo.reached.missing };
            let summary = format!("{} snapshots forgotten", done.snapshots);
            let is_incomplete = !done.absent.is_empty();
            Ok((done, Account { summary, money, is_incomplete, ..Account::default() }))
        })
    }

    fn drop_snapshots(
        &self,
        plan: &RetentionPlan,
        repo: &Repository,
        writer: &WriterFile,
    ) -> Result<Count, EngineError> {
        let catalog = Catalog::open(&self.catalog_path())?;
        let names: BTreeSet<ObjectName> = plan.forgotten().map(|snapshot| snapshot.name.clone()).collect();
        let context = PruneContext {
            stores: &repo.reached.stores,
            trust: &repo.trust,
            signer: &writer.secrets.signing,
            index: &writer.secrets.index,
            clock: &*self.clock,
            gathered: (self.clock.now(), self.clock.elapsed()),
        };
        Ok(prune::forget(&names, &context, &mut |name| Ok(catalog.drop_snapshot(name)?))?)
    }
}

/// The snapshots that are meant.
fn named(wanted: &[String], snapshots: &BTreeMap<ObjectName, Time>) -> Result<BTreeSet<ObjectName>, EngineError> {
    let mut all = BTreeSet::new();
    for wanted in wanted {
        let fits = |name: &&ObjectName| {
            let id = names::parse(name).and_then(|p| p.id).map(|id| id.to_string()).unwrap_or_default();
            let bare = name.as_str().trim_start_matches(Kind::Snapshots.prefix());
            !wanted.is_empty()
                && (id.starts_with(wanted) || bare.starts_with(wanted) || name.as_str().starts_with(wanted))
        };
        let mut found = snapshots.keys().filter(fits);
        match (found.next(), found.next()) {
            (Some(one), None) => all.insert(one.clone()),
            (Some(_), Some(_)) => return Err(EngineError::AmbiguousSnapshot { wanted: wanted.clone() }),
            (None, _) => return Err(EngineError::NoSnapshot { wanted: wanted.clone() }),
        };
    }
    Ok(all)
}
