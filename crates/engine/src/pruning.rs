//! `prune`: what no snapshot needs is condemned, and deleted after the grace period.

use std::collections::{BTreeMap, HashSet};

use darkslide_audit::AuditError;
use darkslide_audit::prune::{
    Act, EarlyDeletion, Gathering, Hooks, PruneContext, PruneOptions as Options, PrunePlan, Pruned, StoreClock, Unit,
    gather, plan, prune,
};
use darkslide_catalog::{Catalog, LedgerRow, PackState};
use darkslide_format::names::{self, Kind};
use darkslide_store::{StoreError, list_all};
use darkslide_words::{Money, ObjectId, ObjectName, Time};

use crate::metered::Allowance;
use crate::observe::CheckObserver;
use crate::repository::Repository;
use crate::runs::Account;
use crate::secrets::{self, WriterFile};
use crate::{Engine, EngineError, index_sync, retention};

/// How a prune is run.
#[derive(Debug, Clone, Copy, Default)]
pub struct PruneOptions {
    /// What to do about minimum stays that are not over.
    pub early: EarlyDeletion,
    /// Never spend more than this on it.
    pub max_cost: Option<Money>,
}

/// What a prune did.
#[derive(Debug, Clone)]
pub struct PruneDone {
    /// Counts.
    pub pruned: Pruned,
    /// What waits still, and what blocks it.
    pub plan: PrunePlan,
    /// What its requests cost.
    pub spent: Money,
}

/// Plans that are made anew because the machine slept over the one before.
const ATTEMPTS: u32 = 3;

impl Engine {
    fn prune_options(&self, options: &PruneOptions) -> Options {
        Options { grace: self.settings.prune.grace(), early: options.early }
    }

    /// What a prune would do now, by this machine's clock. Puts and deletes nothing.
    pub fn prune_plan(&self, options: &PruneOptions) -> Result<PrunePlan, EngineError> {
        let writer = WriterFile::load(&secrets::path(&self.settings.state_dir()))?;
        let repo = self.repository()?;
        self.look(&repo, &writer, options, StoreClock::Taken(self.clock.now()))
    }

    fn look(
        &self,
        repo: &Repository,
        writer: &WriterFile,
        options: &PruneOptions,
        clock: StoreClock,
    ) -> Result<PrunePlan, EngineError> {
        let catalog = Catalog::open(&self.catalog_path())?;
        let index = &writer.secrets.index;
        index_sync::segments(&catalog, repo.store(), &repo.trust, index)?;
        let opened = retention::opened(&catalog)?;
        let refs: BTreeMap<ObjectName, ObjectId> = opened.into_iter().map(|(name, s)| (name, s.refs)).collect();
        let bases = catalog.bases_of_packs()?;
        let indexed = catalog.indexed()?.into_iter().collect();
        let book = self.price_book()?.by_store;
        let absent: Vec<String> = repo.reached.missing.iter().map(|(label, _)| label.clone()).collect();
        let options = self.prune_options(options);
        let facts = gather(&Gathering {
            stores: &repo.reached.stores,
            absent: &absent,
            trust: &repo.trust,
            index,
            opened: &refs,
            bases: &bases,
            indexed: &indexed,
            prices: &|label| book.get(label).cloned(),
            clock,
            options: &options,
        })?;
        Ok(plan(&facts, &options)?)
    }

    /// Prunes. `confirm` sees the plan before anything is condemned or deleted.
    pub fn prune(
        &self,
        options: &PruneOptions,
        confirm: &mut dyn FnMut(&PrunePlan) -> bool,
        observer: &dyn CheckObserver,
    ) -> Result<Option<PruneDone>, EngineError> {
        let state = self.settings.state_dir();
        let writer = WriterFile::load(&secrets::path(&state))?;
        let _lock = secrets::lock(&state)?;
        self.recorded(crate::recorded::REPOSITORY, "prune", |run| {
            let mut repo = self.repository()?;
            let meters = self.meter(&mut repo, options.max_cost)?;
            let watch = run.watch(observer, self.stop.as_deref());
            let outcome = self.prune_stores(&repo, &writer, options, confirm, &watch);
            let spent = self.settle(&meters, "prune")?;
            let done = outcome?.map(|(pruned, plan)| PruneDone { pruned, plan, spent });
            let account = account(done.as_ref());
            Ok((done, account))
        })
    }

    fn prune_stores(
        &self,
        repo: &Repository,
        writer: &WriterFile,
        options: &PruneOptions,
        confirm: &mut dyn FnMut(&PrunePlan) -> bool,
        observer: &dyn CheckObserver,
    ) -> Result<Option<(Pruned, PrunePlan)>, EngineError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let gathered = (self.clock.now(), self.clock.elapsed());
            let plan = self.look(repo, writer, options, StoreClock::Asked)?;
            let catalog = Catalog::open(&self.catalog_path())?;
            let mut steps = Steps {
                engine: self,
                catalog: &catalog,
                allowances: self.allowances(&catalog, options.max_cost)?,
                stores: &plan.stores,
                spent: Money::ZERO,
                observer,
            };
            steps.allows(plan.total(), plan.stores.first().map_or("", String::as_str))?;
            if !confirm(&plan) {
                return Ok(None);
            }
            let context = PruneContext {
                stores: &repo.reached.stores,
                trust: &repo.trust,
                signer: &writer.secrets.signing,
                index: &writer.secrets.index,
                clock: &*self.clock,
                gathered,
            };
            match prune(&plan, &context, &mut steps) {
                Err(AuditError::Stale) if attempt < ATTEMPTS => {}
                Err(error) => return Err(error.into()),
                Ok(done) => {
                    self.forget_segments(repo, writer, &catalog)?;
                    return Ok(Some((done, plan)));
                }
            }
        }
    }

    /// Takes the segments that were put, and lets go of those that listed pruned packs alone.
    fn forget_segments(&self, repo: &Repository, writer: &WriterFile, catalog: &Catalog) -> Result<(), EngineError> {
        index_sync::segments(catalog, repo.store(), &repo.trust, &writer.secrets.index)?;
        let listed = list_all(repo.store(), Kind::Index.prefix())?;
        let there: HashSet<ObjectId> = listed.iter().filter_map(|l| names::parse(&l.name)?.id).collect();
        for segment in catalog.segments()?.into_iter().filter(|id| !there.contains(id)) {
            let mut pruned = true;
            for pack in catalog.packs_of_segment(segment)? {
                pruned &= catalog.pack_state(pack)? == PackState::Pruned;
            }
            if pruned {
                catalog.transaction(|| catalog.drop_segment(segment))?;
            }
        }
        Ok(())
    }
}

fn account(done: Option<&PruneDone>) -> Account {
    let Some(done) = done else {
        return Account { summary: "declined".into(), is_incomplete: true, ..Account::default() };
    };
    let Pruned { condemned, restored, deleted, bytes, cost } = done.pruned;
    let mut summary = format!("{deleted} objects with {bytes} deleted, {condemned} condemned");
    if restored.0 > 0 {
        summary.push_str(&format!(", {restored} needed again"));
    }
    let warnings = done.plan.blocked.iter().map(|(object, why)| format!("cannot tell what {object} needs: {why}"));
    let is_incomplete = !done.plan.blocked.is_empty() || !done.plan.absent.is_empty();
    let (bytes, money) = (bytes, done.spent + cost);
    Account { summary, bytes, money, is_incomplete, warnings: warnings.collect(), ..Account::default() }
}

/// Each step, held against the limits and recorded.
struct Steps<'a> {
    engine: &'a Engine,
    catalog: &'a Catalog,
    allowances: Vec<Allowance>,
    stores: &'a [String],
    spent: Money,
    observer: &'a dyn CheckObserver,
}

impl Steps<'_> {
    fn allows(&self, cost: Money, store: &str) -> Result<(), AuditError> {
        for allowance in self.allowances.iter().filter(|_| cost > Money::ZERO) {
            let after = allowance.before + self.spent + cost;
            if let Some(limit) = allowance.limit.filter(|limit| after > *limit) {
                let (store, which) = (store.to_string(), allowance.which);
                let why = format!(
                    "would cost more than {which} allows: deleting before minimum stays are over would bring it to {after} \
                     of {limit}"
                );
                return Err(StoreError::OverBudget { store, why }.into());
            }
        }
        Ok(())
    }
}

impl Hooks for Steps<'_> {
    fn before(&mut self, unit: &Unit) -> Result<(), AuditError> {
        self.allows(unit.cost, &self.stores[unit.store])
    }

    fn after(&mut self, unit: &Unit) -> Result<(), AuditError> {
        let state = match unit.act {
            Act::Condemn => Some(PackState::Condemned),
            Act::Restore => Some(PackState::Stored),
            // Gone from this store; from all of them once the last one is done.
            Act::Delete => Some(PackState::Pruned),
            Act::Unbury | Act::Finish => None,
        };
        let at: Time = self.engine.clock.now();
        self.spent += unit.cost;
        Ok(self.catalog.transaction(|| {
            if let (Some(state), Some(pack)) = (state, self.catalog.pack_named(&unit.object)?) {
                self.catalog.set_pack_state(pack, state)?;
            }
            if unit.cost > Money::ZERO {
                self.catalog.add_ledger(&LedgerRow {
                    at,
                    kind: "early deletion".into(),
                    reference: "prune".into(),
                    what: format!("{}, {}", unit.object, self.stores[unit.store]),
                    quoted: unit.cost,
                    actual: unit.cost,
                })?;
            }
            Ok::<_, darkslide_catalog::CatalogError>(())
        })?)
    }

    fn cancelled(&self) -> bool {
        self.observer.cancelled()
    }
}
