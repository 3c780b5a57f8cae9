//! A whole thaw from plan to the last verified pack, on the virtual clock.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use darkslide_catalog::{Catalog, PackStep, ThawId, ThawPackRow, ThawState};
use darkslide_price::{PriceTable, download_time};
use darkslide_store::{ReadOutcome, Store};
use darkslide_thaw::{
    BULK_FROM, Budget, Executor, Need, Options, Place, PriceMap, Progress, Settings, ThawError, ThawPlan, plan,
};
use darkslide_words::{Bytes, Count, Money, ObjectName, Readable, StorageClass, Tier, Time};

use crate::cold::ColdStore;

pub const START: i64 = 1_790_000_000;

pub fn name(n: usize) -> ObjectName {
    ObjectName::new(format!("packs/{:02x}/{n:04}.tar.zst.age", n % 7)).unwrap()
}

pub fn us_east_1() -> PriceMap {
    let table = PriceTable::builtin();
    PriceMap::from([("s3".to_string(), table.region("us-east-1").unwrap())])
}

pub fn options(tier: Tier) -> Options {
    Options {
        policies: Default::default(),
        tier,
        days: 3,
        bandwidth: 100_000_000,
        now: Time::from_parts(START, 0),
        egress_used: Bytes(0),
        inside_aws: false,
        bulk: BTreeSet::new(),
        bulk_from: BULK_FROM,
        held: BTreeMap::new(),
    }
}

pub fn place(class: StorageClass, readable: Readable) -> Place {
    Place { store: "s3".into(), class, readable, local: false }
}

pub fn need(n: usize, size: u64, places: impl IntoIterator<Item = Place>) -> Need {
    let size = Bytes(size);
    Need { name: name(n), size, wanted: size, span: None, gets: Count(1), copies: places.into_iter().collect() }
}

/// A killed process loses nothing by it, and a test waits less.
fn relaxed(catalog: Catalog) -> Catalog {
    catalog.relax().unwrap();
    catalog
}

/// A cold store with packs in it, its catalog, and what is needed of them.
pub struct World {
    pub folder: tempfile::TempDir,
    catalog: Catalog,
    pub store: ColdStore,
    pub prices: PriceMap,
    pub options: Options,
    pub needs: Vec<Need>,
    pub budget: Budget,
    pub now: Time,
    /// Packs that are downloaded in one turn.
    pub at_once: usize,
}

impl World {
    pub fn new(packs: usize, size: u64, class: StorageClass, tier: Tier) -> Self {
        let options = options(tier);
        let store = ColdStore::new(options.now);
        let readable = match class {
            StorageClass::IntelligentTiering => Readable::Unknown,
            _ => Readable::Cold,
        };
        let mut needs = Vec::new();
        for n in 0..packs {
            store.add(&name(n), size, class.clone());
            needs.push(need(n, size, [place(class.clone(), readable)]));
        }
        let folder = tempfile::tempdir().unwrap();
        let now = options.now;
        let catalog = relaxed(Catalog::create(&folder.path().join("catalog.sqlite")).unwrap());
        let (prices, budget) = (us_east_1(), Budget::default());
        Self { folder, catalog, store, prices, options, needs, budget, now, at_once: 1 }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("catalog.sqlite")
    }

    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// As after a kill: what the process before had in memory is gone.
    pub fn reopen(&mut self) {
        self.catalog = relaxed(Catalog::open(&self.path()).unwrap());
    }

    pub fn plan(&self) -> ThawPlan {
        plan(&self.needs, &self.options, &self.prices).unwrap()
    }

    /// Runs `work` with an executor of its own.
    pub fn with<T>(&self, work: impl FnOnce(&Executor<'_>) -> T) -> T {
        let settings =
            Settings { bandwidth: self.options.bandwidth, budget: self.budget, bulk_from: self.options.bulk_from };
        self.store.set_now(self.now);
        work(&Executor::new(&self.catalog, &[&self.store as &dyn Store], &self.prices, settings))
    }

    pub fn begin(&self, max_cost: Option<Money>) -> ThawId {
        self.with(|executor| executor.begin(&self.plan(), "{}", max_cost, self.now)).unwrap()
    }

    pub fn step(&self, id: ThawId) -> Progress {
        self.with(|executor| executor.step(id, self.now)).unwrap()
    }

    pub fn rows(&self, id: ThawId) -> Vec<ThawPackRow> {
        self.catalog().thaw_packs(id).unwrap()
    }

    pub fn row(&self, id: ThawId, n: usize) -> ThawPackRow {
        self.rows(id).into_iter().find(|row| row.name == name(n)).unwrap()
    }

    pub fn spent(&self, id: ThawId) -> Money {
        self.catalog().thaw(id).unwrap().unwrap().spent
    }

    /// What of it went for looks and downloads, which the store's own bill leaves out.
    pub fn thawing_paid(&self) -> f64 {
        let ledger = self.catalog().ledger(Time(0)).unwrap();
        let thaws = ledger.iter().filter(|row| row.kind != "look" && row.kind != "download");
        thaws.map(|row| row.actual.usd()).sum()
    }

    /// One step, then as many packs over the line as go at once, if some can be read; else time
    /// passes until something is to be done. Errors are what a user would see.
    pub fn turn(&mut self, id: ThawId) -> Result<Progress, ThawError> {
        let progress = self.with(|executor| executor.step(id, self.now))?;
        let in_step = |rows: &[ThawPackRow], step| -> Vec<ObjectName> {
            rows.iter().filter(|row| row.step == step).map(|row| row.name.clone()).collect()
        };
        let mut rows = self.rows(id);
        rows.sort_by_key(|row| (row.until.unwrap_or(Time(i64::MAX)), row.wave));
        let mut warm = in_step(&rows, PackStep::Warm);
        let read = in_step(&rows, PackStep::Downloaded);
        warm.truncate(self.at_once);
        if warm.is_empty() && read.is_empty() {
            self.now = progress.next_step_at.unwrap_or(self.now).max(self.now);
            return Ok(progress);
        }
        self.store.set_now(self.now);
        let can_be_read = |name: &ObjectName| matches!(self.store.read(name, None), Ok(ReadOutcome::Bytes(_)));
        let (good, bad): (Vec<_>, Vec<_>) = warm.into_iter().partition(can_be_read);
        let wanted = rows.iter().filter(|row| good.contains(&row.name)).map(|row| row.wanted).sum();
        self.now = self.now.plus(download_time(wanted, self.options.bandwidth));
        self.with(|executor| -> Result<(), ThawError> {
            executor.found_cold(id, &bad, self.now)?;
            executor.downloaded(id, &good, self.now)?;
            executor.verified(id, &[good, read].concat(), self.now)
        })?;
        Ok(progress)
    }

    /// Turns until all is verified; panics if that takes for ever.
    pub fn finish(&mut self, id: ThawId) {
        for _ in 0..20_000 {
            let progress = self.turn(id).unwrap();
            assert_eq!(progress.stop, None, "{progress}");
            if self.state(id) == ThawState::Done {
                return;
            }
        }
        panic!("no end in sight: {}", self.step(id));
    }

    pub fn state(&self, id: ThawId) -> ThawState {
        self.catalog().thaw(id).unwrap().unwrap().state
    }
}
