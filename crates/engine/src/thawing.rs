//! Restores through a thaw: plan, quote, confirm, rows; and going on with it, by
//! hand or by schedule, until the last photograph is there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::time::Duration;

use darkslide_catalog::{Catalog, PackStep, ThawId, ThawRow, ThawState};
use darkslide_format::identity::IdentityFile;
use darkslide_format::names::{self, Kind};
use darkslide_restore::{Casualty, PackFilter, RestorePlan, Restored, restore};
use darkslide_store::Store;
use darkslide_thaw::{
    Budget, Cancelled, Executor, How, Need, Options, Place, PriceMap, Progress, ThawPlan, Upgrade, Warmed, compare,
    plan,
};
use darkslide_words::{Bytes, Money, Name, ObjectName, Readable, RetrievalPolicy, StorageClass, Tier, Time};

use crate::metered::{add_egress, egress_used};
use crate::observe::RestoreObserver;
use crate::pricing::{classes_of, refresh_places};
use crate::repository::Repository;
use crate::thaw_order::{Order, read_order};
use crate::vaults::{known_policy, see_parts};
use crate::{Engine, EngineError, RestoreOptions, secrets};

/// How cold packs are thawed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThawOptions {
    /// How fast.
    pub tier: Tier,
    /// Days that thawed copies stay; as many as the download needs where none are
    /// given.
    pub days: Option<u32>,
    /// Never to be exceeded.
    pub max_cost: Option<Money>,
}

/// What a restore would cost.
#[derive(Debug)]
pub struct RestoreQuote {
    /// What is restored.
    pub restore: RestorePlan,
    /// The thaw at the tier that was asked for.
    pub thaw: ThawPlan,
    /// At every tier.
    pub tiers: Vec<(Tier, Result<ThawPlan, String>)>,
    /// Age of the prices.
    pub price_age: Duration,
    /// When the stores were last listed; never, where nothing is known of one.
    pub seen: Option<Time>,
    /// Packs that no store is known to hold.
    pub lost: u64,
}

/// How a restore through a thaw ended for now.
#[derive(Debug)]
pub enum ColdRestore {
    /// All is there.
    Done(Restored),
    /// Something is still frozen: run again later.
    Waiting {
        /// Number of the thaw.
        id: i64,
        /// How far it is.
        progress: Progress,
        /// What was restored by now, in this step.
        restored: Restored,
    },
    /// Whoever was asked said no.
    Declined,
}

/// A thaw in a list.
#[derive(Debug, Clone)]
pub struct ThawInfo {
    /// Its number.
    pub id: i64,
    /// Its row.
    pub row: ThawRow,
    /// Where its photographs go.
    pub to: PathBuf,
    /// Which ones.
    pub paths: Vec<Name>,
    /// How far it is.
    pub progress: Progress,
}

/// Days that thawed copies stay at the least: a weekend.
const DAYS_MIN: u32 = 3;
/// Days at the most; what takes longer is thawed in waves.
const DAYS_MAX: u32 = 14;

fn days_for(download: Bytes, rate: u64) -> u32 {
    let days = darkslide_price::download_time(download, rate).as_secs_f64() / 86_400.0;
    // A quarter of the stay is kept as a margin by the waves.
    ((days * 4.0 / 3.0).ceil() as u32 + 1).clamp(DAYS_MIN, DAYS_MAX)
}

impl Engine {
    pub(crate) fn price_map(&self) -> Result<PriceMap, EngineError> {
        Ok(self.price_book()?.by_store.into_iter().collect())
    }

    /// Where each pack of a restore lies, as far as is known without asking.
    pub(crate) fn needs(
        &self,
        catalog: &Catalog,
        restore: &RestorePlan,
    ) -> Result<(Vec<Need>, Option<Time>), EngineError> {
        let mut seen: Option<Time> = None;
        let mut needs = Vec::with_capacity(restore.needs.len());
        for pack in &restore.needs {
            let mut copies = Vec::new();
            for settings in &self.store_settings() {
                let store = settings.label();
                if let Some(path) = &settings.path {
                    // Cut short it would be no copy, and a good one elsewhere would not be asked for.
                    let whole = std::fs::metadata(path.join(pack.name.as_str())).is_ok_and(|m| m.len() == pack.size.0);
                    if whole {
                        let (class, readable) = (StorageClass::Standard, Readable::Now);
                        copies.push(Place { store, class, readable, local: true });
                    }
                    continue;
                }
                let [cold, warm, hot] = classes_of(settings);
                let by_kind = match names::parse(&pack.name).map(|p| p.kind) {
                    Some(Kind::Packs) => cold,
                    Some(Kind::Warm) => warm,
                    _ => hot,
                };
                let place = match catalog.place(&store, &pack.name)? {
                    Some(row) => {
                        seen = Some(seen.map_or(row.seen, |s| s.min(row.seen)));
                        Place { store, class: row.class, readable: row.readable, local: false }
                    }
                    None => {
                        let readable = match &by_kind {
                            class if class.is_archive() => Readable::Cold,
                            StorageClass::IntelligentTiering => Readable::Unknown,
                            _ => Readable::Now,
                        };
                        Place { store, class: by_kind, readable, local: false }
                    }
                };
                copies.push(place);
            }
            // One that is nowhere is no matter of thawing: the restore names what it held.
            if copies.is_empty() {
                continue;
            }
            let (name, size, wanted, gets) = (pack.name.clone(), pack.size, pack.download, pack.reads);
            needs.push(Need { name, size, wanted, span: Some(pack.span), gets, copies });
        }
        Ok((needs, seen))
    }

    pub(crate) fn plan_options(
        &self,
        catalog: &Catalog,
        needs: &[Need],
        thaw: &ThawOptions,
    ) -> Result<Options, EngineError> {
        let bandwidth = self.download_rate();
        let download = needs.iter().map(|n| n.wanted).sum();
        let bulk = self.settings.stores.iter().filter(|s| s.batch.is_some()).map(|s| s.label()).collect();
        Ok(Options {
            tier: thaw.tier,
            days: thaw.days.unwrap_or_else(|| days_for(download, bandwidth)),
            bandwidth,
            now: self.clock.now(),
            egress_used: egress_used(catalog, self.clock.now())?,
            inside_aws: self.settings.network.inside_aws,
            bulk,
            bulk_from: self.settings.network.batch_from(),
            held: self.held(catalog)?,
            policies: self.policies(catalog)?,
        })
    }

    /// The data retrieval policies of the vaults, as last heard.
    fn policies(&self, catalog: &Catalog) -> Result<BTreeMap<String, RetrievalPolicy>, EngineError> {
        let vaults = self.store_settings().into_iter().filter(|s| s.vault().is_some()).map(|s| s.label());
        let mut policies = BTreeMap::new();
        for label in vaults {
            policies.extend(known_policy(catalog, &label)?.map(|policy| (label, policy)));
        }
        Ok(policies)
    }

    /// Objects in each bucket, as last listed.
    fn held(&self, catalog: &Catalog) -> Result<std::collections::BTreeMap<String, u64>, EngineError> {
        let mut held = std::collections::BTreeMap::new();
        for settings in self.settings.stores.iter().filter(|s| s.url.is_some()) {
            let objects = catalog.holdings(&settings.label())?.iter().map(|(_, objects, _)| objects.0).sum();
            held.insert(settings.label(), objects);
        }
        Ok(held)
    }

    /// What a restore would cost and how long it would take, by tier. Calls no store.
    pub fn quote_restore(&self, options: &RestoreOptions, thaw: &ThawOptions) -> Result<RestoreQuote, EngineError> {
        let mut browser = self.offline()?;
        let (_, snapshot) = browser.find(&options.snapshot, &options.accept_writers)?;
        let selection = darkslide_restore::Selection::new(options.paths.clone());
        let catalog = Catalog::open(&self.catalog_path())?;
        let root = crate::browse::root_of(&snapshot)?;
        let restore =
            RestorePlan::make(&catalog, &mut browser.pages(), root, selection, options.to.clone(), options.existing)?;
        let (needs, seen) = self.needs(&catalog, &restore)?;
        let (wanted, prices) = (self.plan_options(&catalog, &needs, thaw)?, self.price_map()?);
        let tiers = compare(&needs, &wanted, &prices).into_iter();
        let tiers = tiers.map(|(tier, made)| (tier, made.map_err(|e| e.to_string()))).collect();
        let price_age = self.price_table()?.age(self.clock.now());
        let lost = (restore.needs.len() - needs.len()) as u64;
        Ok(RestoreQuote { thaw: plan(&needs, &wanted, &prices)?, restore, tiers, price_age, seen, lost })
    }

    /// Lists the priced stores, so that quotes know how things stand.
    pub fn refresh(&self) -> Result<u64, EngineError> {
        let mut repo = self.repository()?;
        let meters = self.meter(&mut repo, None)?;
        let catalog = Catalog::open(&self.catalog_path())?;
        let mut objects = 0;
        for store in &repo.reached.stores {
            if self.is_bucket(&store.label()) {
                objects += refresh_places(&catalog, &**store, &[""], self.clock.now())?.0;
            }
        }
        self.settle(&meters, "refresh")?;
        Ok(objects)
    }

    fn is_bucket(&self, label: &str) -> bool {
        self.settings.stores.iter().any(|s| s.url.is_some() && s.label() == label)
    }

    /// Restores; what is cold is thawed first. The same order again goes on with
    /// the thaw that it began. `confirm` sees the plan before anything is spent.
    pub(crate) fn restore_through(
        &self,
        options: &RestoreOptions,
        thaw: &ThawOptions,
        identity: &IdentityFile,
        confirm: &mut dyn FnMut(&ThawPlan) -> bool,
        observer: &dyn RestoreObserver,
    ) -> Result<ColdRestore, EngineError> {
        let browser = self.browser(Some(identity))?;
        let (info, _) = browser.find(&options.snapshot, &options.accept_writers)?;
        let order = Order::of(options, &info.name);
        drop(browser);
        let catalog = Catalog::open(&self.catalog_path())?;
        for row in catalog.thaws()?.into_iter().filter(|row| row.state == ThawState::Open) {
            if serde_json::from_str::<Order>(&row.order).is_ok_and(|begun| begun == order) {
                return self.continue_thaw(row.id.0, identity, observer);
            }
        }
        let restore_plan = self.restore_plan(&order.options(), Some(identity))?;
        let repo = self.repository()?;
        for store in &repo.reached.stores {
            if self.is_bucket(&store.label()) {
                let prefixes = [Kind::Packs.prefix(), Kind::Warm.prefix()];
                refresh_places(&catalog, &**store, &prefixes, self.clock.now())?;
            }
        }
        let (mut needs, _) = self.needs(&catalog, &restore_plan)?;
        see_parts(&mut needs, &repo)?;
        let prices = self.price_map()?;
        let made = plan(&needs, &self.plan_options(&catalog, &needs, thaw)?, &prices)?;
        let costs = made.total() > Money::ZERO;
        if costs && !confirm(&made) {
            return Ok(ColdRestore::Declined);
        }
        let free = !costs && made.packs.iter().all(|p| p.how == How::Ready);
        if free {
            return Ok(ColdRestore::Done(self.restore(&restore_plan, identity, observer)?));
        }
        let text = serde_json::to_string(&order).map_err(|e| EngineError::BadConfig {
            path: PathBuf::from("the order of the thaw"),
            message: e.to_string(),
        })?;
        let stores: Vec<&dyn Store> = repo.reached.stores.iter().map(|s| &**s).collect();
        let executor = Executor::new(&catalog, &stores, &prices, self.thaw_settings());
        // Whoever gave the same order in the meantime has begun it: it is not begun, and paid, twice.
        let lock = secrets::lock(&self.settings.state_dir())?;
        let begun = catalog.thaws()?.into_iter().find(|row| row.state == ThawState::Open && row.order == text);
        let id = match begun {
            Some(row) => row.id,
            None => executor.begin(&made, &text, thaw.max_cost, self.clock.now())?,
        };
        drop(lock);
        self.step(&repo, &catalog, id, &restore_plan, identity, observer)
    }

    pub(crate) fn thaw_settings(&self) -> darkslide_thaw::Settings {
        let budget = &self.settings.budget;
        darkslide_thaw::Settings {
            bandwidth: self.download_rate(),
            budget: Budget { per_run: budget.per_run, per_month: budget.per_month },
            bulk_from: self.settings.network.batch_from(),
        }
    }

    /// Goes on with a thaw: looks what is ready, restores it, asks for what is due.
    pub fn continue_thaw(
        &self,
        id: i64,
        identity: &IdentityFile,
        observer: &dyn RestoreObserver,
    ) -> Result<ColdRestore, EngineError> {
        let catalog = Catalog::open(&self.catalog_path())?;
        let row = catalog.thaw(ThawId(id))?.ok_or(darkslide_thaw::ThawError::NoSuchThaw { id: ThawId(id) })?;
        let order = read_order(&row)?;
        if order.leaves.is_some() {
            let name = format!("{id} (it moves a vault: go on with `darkslide vault leave`)");
            return Err(EngineError::NoSuch { what: "restore in thaw", name });
        }
        let restore_plan = self.restore_plan(&order.options(), Some(identity))?;
        let repo = self.repository()?;
        self.step(&repo, &catalog, ThawId(id), &restore_plan, identity, observer)
    }

    fn step(
        &self,
        repo: &Repository,
        catalog: &Catalog,
        id: ThawId,
        restore_plan: &RestorePlan,
        identity: &IdentityFile,
        observer: &dyn RestoreObserver,
    ) -> Result<ColdRestore, EngineError> {
        let _lock = secrets::lock(&self.settings.state_dir())?;
        let prices = self.price_map()?;
        let stores: Vec<&dyn Store> = repo.reached.stores.iter().map(|s| &**s).collect();
        let executor = Executor::new(catalog, &stores, &prices, self.thaw_settings());
        let stop = self.ask(&executor, catalog, repo, id)?;
        let rows: HashMap<String, PackStep> =
            catalog.thaw_packs(id)?.into_iter().map(|row| (row.name.to_string(), row.step)).collect();
        let (filter, ready) = readable(restore_plan, &rows);
        let first = filter.done.is_empty() && rows.values().all(|step| *step != PackStep::Verified);
        let restored = match ready.is_empty() && !first {
            true => Restored::default(),
            false => {
                let wave = restore_plan.only(filter);
                let (opened, _) = repo.opened(identity)?;
                restore(&wave, &self.catalog_path(), &self.nearest_first(repo), &opened, observer)?
            }
        };
        let now = self.clock.now();
        let all_buckets = repo.reached.stores.iter().all(|s| self.is_bucket(&s.label()));
        if all_buckets && !self.settings.network.inside_aws {
            add_egress(catalog, now, restored.bytes_read)?;
        }
        let mut restored = restored;
        for name in restored.cold.iter().filter(|name| !rows.contains_key(name.as_str())) {
            let reason = "it is cold, and was not when this thaw was planned: give the same order again".to_string();
            restored.casualties.push(Casualty { path: Name::new(name.as_str()), reason });
        }
        remember_casualties(catalog, id, &mut restored)?;
        let cold: Vec<ObjectName> = restored.cold.iter().cloned().collect();
        let read: Vec<ObjectName> = ready.into_iter().filter(|name| !restored.cold.contains(name)).collect();
        // First what is cold after all: with the last verified pack the thaw is over.
        executor.found_cold(id, &cold, now)?;
        executor.verified(id, &read, now)?;
        let mut progress = executor.progress(id, now)?;
        progress.stop = stop;
        let stuck = progress.failed.packs.0 > 0 && progress.cold.packs.0 + progress.asked.packs.0 == 0;
        if stuck && progress.warm.packs.0 == 0 {
            return self.give_up(repo, catalog, id, restore_plan, identity, observer).map(ColdRestore::Done);
        }
        let state = catalog.thaw(id)?.map(|row| row.state);
        match state {
            Some(ThawState::Open) => Ok(ColdRestore::Waiting { id: id.0, progress, restored }),
            Some(ThawState::Done) => Ok(ColdRestore::Done(restored)),
            Some(ThawState::Cancelled) | None => {
                Err(darkslide_thaw::ThawError::Ended { id, state: ThawState::Cancelled.word() }.into())
            }
        }
    }

    /// One step of the executor; by events where the stores send them and nothing
    /// is overdue.
    fn ask(
        &self,
        executor: &Executor<'_>,
        catalog: &Catalog,
        repo: &Repository,
        id: ThawId,
    ) -> Result<Option<darkslide_thaw::Stop>, EngineError> {
        let now = self.clock.now();
        let (mut warmed, mut by_events) = (Vec::new(), true);
        for store in repo.reached.stores.iter().filter(|s| self.is_bucket(&s.label())) {
            // A queue that cannot be asked is no reason to stand still: a listing tells as much.
            match store.warmed().unwrap_or(None) {
                Some(events) => {
                    let label = store.label();
                    warmed.extend(events.into_iter().map(|(name, until)| Warmed { store: label.clone(), name, until }));
                }
                None => by_events = false,
            }
        }
        let overdue = executor.progress(id, now)?.ready_about.is_none_or(|at| at <= now);
        let begun = catalog.thaw_packs(id)?.iter().any(|row| row.asked.is_some());
        let progress = match by_events && begun && !overdue {
            true => executor.step_after_events(id, now, &warmed)?,
            false => executor.step(id, now)?,
        };
        Ok(progress.stop)
    }

    /// Nothing more will thaw and some packs failed: what they hold is named, and the
    /// thaw ends. The same order again begins a new one.
    fn give_up(
        &self,
        repo: &Repository,
        catalog: &Catalog,
        id: ThawId,
        restore_plan: &RestorePlan,
        identity: &IdentityFile,
        observer: &dyn RestoreObserver,
    ) -> Result<Restored, EngineError> {
        let mut filter = PackFilter { last: true, ..PackFilter::default() };
        let rows = catalog.thaw_packs(id)?;
        for need in &restore_plan.needs {
            match rows.iter().find(|row| row.name == need.name).map(|row| row.step) {
                Some(PackStep::Failed) => filter.ready.insert(need.id),
                _ => filter.done.insert(need.id),
            };
        }
        let rest = restore_plan.only(filter);
        let (opened, _) = repo.opened(identity)?;
        let mut restored = restore(&rest, &self.catalog_path(), &self.nearest_first(repo), &opened, observer)?;
        let failed: Vec<_> = rows.iter().filter(|row| row.step == PackStep::Failed).collect();
        for casualty in &mut restored.casualties {
            // Why the pack did not thaw tells more than that it is cold.
            if let Some(row) = failed.iter().find(|row| casualty.reason.starts_with(row.name.as_str())) {
                casualty.reason = format!("{}: {}", row.name, row.note);
            }
        }
        if restored.casualties.is_empty() {
            let reasons: Vec<String> = failed.iter().map(|row| format!("{}: {}", row.name, row.note)).collect();
            restored.casualties.push(Casualty { path: Name::from("(packs)"), reason: reasons.join("; ") });
        }
        remember_casualties(catalog, id, &mut restored)?;
        catalog.end_thaw(id, ThawState::Cancelled, self.clock.now())?;
        Ok(restored)
    }

    /// What a stopped thaw costs by now, and why it stopped; nothing if it goes on.
    pub fn stopped_thaw(&self, id: i64) -> Result<Option<darkslide_thaw::Stop>, EngineError> {
        let repo = self.repository()?;
        let _lock = secrets::lock(&self.settings.state_dir())?;
        let (catalog, prices) = (Catalog::open(&self.catalog_path())?, self.price_map()?);
        let stores: Vec<&dyn Store> = repo.reached.stores.iter().map(|s| &**s).collect();
        let executor = Executor::new(&catalog, &stores, &prices, self.thaw_settings());
        Ok(executor.step(ThawId(id), self.clock.now())?.stop)
    }

    /// Confirms a stopped thaw anew: what it costs now, and the limit from here on.
    pub fn confirm_thaw(&self, id: i64, quoted: Money, max_cost: Option<Money>) -> Result<(), EngineError> {
        let _lock = secrets::lock(&self.settings.state_dir())?;
        let (catalog, prices) = (Catalog::open(&self.catalog_path())?, self.price_map()?);
        let executor = Executor::new(&catalog, &[], &prices, self.thaw_settings());
        Ok(executor.confirm(ThawId(id), quoted, max_cost)?)
    }

    /// Directories before buckets: what is at hand is not paid for.
    pub(crate) fn nearest_first(&self, repo: &Repository) -> Vec<std::sync::Arc<dyn Store>> {
        let mut stores = repo.reached.stores.clone();
        stores.sort_by_key(|store| self.is_bucket(&store.label()));
        stores
    }

    /// True if a thaw for this very order is done already.
    pub(crate) fn is_thawed(&self, options: &RestoreOptions, snapshot: &ObjectName) -> Result<bool, EngineError> {
        let (catalog, wanted) = (Catalog::open(&self.catalog_path())?, Order::of(options, snapshot));
        let same = |row: &ThawRow| serde_json::from_str::<Order>(&row.order).is_ok_and(|order| order == wanted);
        Ok(catalog.thaws()?.iter().any(|row| row.state == ThawState::Done && same(row)))
    }

    /// All thaws, and how far they are; asks no store.
    pub fn thaws(&self) -> Result<Vec<ThawInfo>, EngineError> {
        let (catalog, prices) = (Catalog::open(&self.catalog_path())?, self.price_map()?);
        let executor = Executor::new(&catalog, &[], &prices, self.thaw_settings());
        let mut all = Vec::new();
        for row in catalog.thaws()? {
            let order = read_order(&row)?;
            let progress = executor.progress(row.id, self.clock.now())?;
            all.push(ThawInfo { id: row.id.0, to: order.to, paths: order.paths, row, progress });
        }
        Ok(all)
    }

    /// The number of the only open thaw, where none is named.
    pub fn open_thaw(&self, id: Option<i64>) -> Result<i64, EngineError> {
        let open: BTreeSet<i64> =
            self.thaws()?.into_iter().filter(|t| t.row.state == ThawState::Open).map(|t| t.id).collect();
        match (id, open.len()) {
            (Some(id), _) => Ok(id),
            (None, 1) => Ok(open.into_iter().next().unwrap_or_default()),
            (None, 0) => Err(EngineError::NoSuch { what: "open thaw", name: "(none is going on)".into() }),
            (None, _) => Err(EngineError::NoSuch { what: "single open thaw", name: format!("{open:?}") }),
        }
    }

    /// Asks for nothing more.
    pub fn cancel_thaw(&self, id: i64) -> Result<Cancelled, EngineError> {
        // Not beside a step that is asking just now.
        let _lock = secrets::lock_soon(&self.settings.state_dir())?;
        let (catalog, prices) = (Catalog::open(&self.catalog_path())?, self.price_map()?);
        let executor = Executor::new(&catalog, &[], &prices, self.thaw_settings());
        Ok(executor.cancel(ThawId(id), self.clock.now())?)
    }

    /// What hurrying would cost.
    pub fn upgrade_quote(&self, id: i64, tier: Tier) -> Result<Upgrade, EngineError> {
        let (catalog, prices) = (Catalog::open(&self.catalog_path())?, self.price_map()?);
        let executor = Executor::new(&catalog, &[], &prices, self.thaw_settings());
        Ok(executor.upgrade_quote(ThawId(id), tier, self.clock.now())?)
    }

    /// Hurries: `confirmed` is what was quoted.
    pub fn upgrade_thaw(&self, id: i64, tier: Tier, confirmed: Money) -> Result<Progress, EngineError> {
        let repo = self.repository()?;
        let _lock = secrets::lock_soon(&self.settings.state_dir())?;
        let (catalog, prices) = (Catalog::open(&self.catalog_path())?, self.price_map()?);
        let stores: Vec<&dyn Store> = repo.reached.stores.iter().map(|s| &**s).collect();
        let executor = Executor::new(&catalog, &stores, &prices, self.thaw_settings());
        Ok(executor.upgrade(ThawId(id), tier, confirmed, self.clock.now())?)
    }
}

/// Which packs of a restore can be read now, and the names of those that the thaw
/// knows.
fn readable(restore_plan: &RestorePlan, rows: &HashMap<String, PackStep>) -> (PackFilter, Vec<ObjectName>) {
    let (mut filter, mut ready) = (PackFilter::default(), Vec::new());
    for need in &restore_plan.needs {
        match rows.get(need.name.as_str()) {
            Some(PackStep::Warm | PackStep::Downloaded) => {
                filter.ready.insert(need.id);
                ready.push(need.name.clone());
            }
            Some(PackStep::Verified) => {
                filter.done.insert(need.id);
            }
            // In no store: what it held is named each time.
            None => {
                filter.ready.insert(need.id);
            }
            _ => {}
        }
    }
    (filter, ready)
}

/// Keeps what could not be restored with the thaw, so that the last step tells all of
/// it, and adds what earlier steps kept.
fn remember_casualties(catalog: &Catalog, id: ThawId, restored: &mut Restored) -> Result<(), EngineError> {
    let key = format!("casualties {id}");
    let before: Vec<(Name, String)> =
        catalog.meta(&key)?.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
    for (path, reason) in before {
        if !restored.casualties.iter().any(|casualty| casualty.path == path) {
            restored.casualties.push(Casualty { path, reason });
        }
    }
    let all: Vec<(&Name, &String)> = restored.casualties.iter().map(|c| (&c.path, &c.reason)).collect();
    if all.is_empty() {
        return Ok(());
    }
    Ok(catalog.set_meta(&key, &serde_json::to_vec(&all).unwrap_or_default())?)
}
