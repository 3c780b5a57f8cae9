//! What the repository costs: this month, the months to come, another class; what
//! a backup or a deletion would cost.

use std::collections::BTreeMap;
use std::time::Duration;

use darkslide_catalog::{Catalog, LedgerRow};
use darkslide_format::canon;
use darkslide_format::names::{self, Kind};
use darkslide_format::snapshot::Snapshot;
use darkslide_price::{
    BackupFacts, BackupQuote, Holding, Prices, Puts, Quote, Removal, WhatIf, backup_quote, delete_quote, forecast,
    monthly, what_if,
};
use darkslide_snapshot::{OneFileSystem, Rules};
use darkslide_words::{Bytes, Count, Money, StorageClass, Time};

use crate::pricing::classes_of;
use crate::{Engine, EngineError, StoreSettings};

/// Months of a forecast.
const MONTHS: u32 = 12;
/// A year, for the growth so far.
const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// Bills of months, by their number from now.
pub type Bills = Vec<(u32, Money)>;

/// What one store costs.
#[derive(Debug)]
pub struct StoreCost {
    /// Which.
    pub store: String,
    /// Items of a month as things are.
    pub monthly: Quote,
    /// The bills of this month and the next twelve.
    pub forecast: Bills,
    /// The same for each storage class by itself.
    pub by_class: Vec<(StorageClass, Bills)>,
    /// What another class would change.
    pub what_if: Option<WhatIf>,
}

/// What the repository costs.
#[derive(Debug)]
pub struct CostReport {
    /// Paid this month, by kind.
    pub spent: Vec<(String, Money)>,
    /// The entries of this month.
    pub entries: Vec<LedgerRow>,
    /// Each priced store.
    pub stores: Vec<StoreCost>,
    /// Growth a month that the forecast counts with.
    pub growth: Bytes,
    /// Age of the prices.
    pub price_age: Duration,
}

/// The forecast of each class by itself: prices of one do not hang on another.
fn by_class(prices: &Prices, holdings: &[Holding], more: &Holding) -> Result<Vec<(StorageClass, Bills)>, EngineError> {
    let mut classes: Vec<&StorageClass> = Vec::new();
    for class in holdings.iter().chain([more]).map(|holding| &holding.class) {
        if !classes.contains(&class) {
            classes.push(class);
        }
    }
    let of = |all: &[Holding], class: &StorageClass| -> Vec<Holding> {
        all.iter().filter(|holding| holding.class == *class).cloned().collect()
    };
    let growth = std::slice::from_ref(more);
    let one = |class: &StorageClass| {
        let months = forecast(prices, &of(holdings, class), &of(growth, class), MONTHS)?;
        Ok((class.clone(), months))
    };
    classes.into_iter().map(one).collect()
}

impl Engine {
    /// What is stored in a bucket, by class: as last listed, else as the index says
    /// it was written.
    fn holdings(&self, catalog: &Catalog, settings: &StoreSettings) -> Result<Vec<Holding>, EngineError> {
        let holding = |class, objects, bytes| Holding { class, access: None, objects, bytes, age_days: None };
        let listed = catalog.holdings(&settings.label())?;
        if !listed.is_empty() {
            return Ok(listed.into_iter().map(|(class, n, bytes)| holding(class, n, bytes)).collect());
        }
        let [cold, warm, hot] = classes_of(settings);
        let mut sums: BTreeMap<StorageClass, (Count, Bytes)> = BTreeMap::new();
        catalog.for_each_pack::<EngineError>(|_, facts, _, _| {
            let class = match names::parse(&facts.name).map(|p| p.kind) {
                Some(Kind::Packs) => &cold,
                Some(Kind::Warm) => &warm,
                _ => &hot,
            };
            let sum = sums.entry(class.clone()).or_default();
            sum.0 += Count(1);
            sum.1 += facts.size;
            Ok(())
        })?;
        Ok(sums.into_iter().map(|(class, (n, bytes))| holding(class, n, bytes)).collect())
    }

    /// Each bucket that costs something, with its prices.
    fn priced(&self) -> Result<Vec<(&StoreSettings, Prices)>, EngineError> {
        let mut book = self.price_book()?.by_store;
        Ok(self.settings.stores.iter().filter_map(|s| book.remove(&s.label()).map(|prices| (s, prices))).collect())
    }

    /// Sealed bytes that the backups of the last year added, by the month.
    fn growth(&self, catalog: &Catalog) -> Result<Bytes, EngineError> {
        let now = self.clock.now();
        let (mut bytes, mut first) = (0u64, now);
        for row in catalog.snapshots()? {
            let Some(payload) = row.payload.filter(|_| row.time.until(now) <= YEAR) else { continue };
            let snapshot: Snapshot = canon::from_bytes("a snapshot's row", &payload)?;
            bytes += snapshot.counts.stored_bytes.0;
            first = first.min(row.time);
        }
        let months = (first.until(now).as_secs_f64() / (YEAR.as_secs_f64() / 12.0)).max(1.0);
        // The first backup is no growth, but all that a young repository has to go by.
        Ok(Bytes((bytes as f64 / months) as u64))
    }

    fn puts(&self, settings: &StoreSettings, bytes: Bytes) -> Puts {
        let [cold, ..] = classes_of(settings);
        // Packs have their target size or, where a folder ends, a little less.
        Puts { class: cold, objects: Count(bytes.0.div_ceil(48 << 20)), bytes }
    }

    /// What was spent this month, what is stored, what is to come.
    pub fn cost(&self, to: Option<&StorageClass>, growth: Option<Bytes>) -> Result<CostReport, EngineError> {
        let catalog = Catalog::open(&self.catalog_path())?;
        let entries = catalog.ledger(self.clock.now().month_start())?;
        let mut spent: BTreeMap<String, Money> = BTreeMap::new();
        for entry in &entries {
            *spent.entry(entry.kind.clone()).or_default() += entry.actual;
        }
        let growth = match growth {
            Some(growth) => growth,
            None => self.growth(&catalog)?,
        };
        let mut stores = Vec::new();
        for (settings, prices) in self.priced()? {
            let holdings = self.holdings(&catalog, settings)?;
            let more = self.puts(settings, growth);
            let more =
                Holding { class: more.class, access: None, objects: more.objects, bytes: growth, age_days: None };
            stores.push(StoreCost {
                store: settings.label(),
                monthly: monthly(&prices, &holdings)?,
                by_class: by_class(&prices, &holdings, &more)?,
                forecast: forecast(&prices, &holdings, &[more], MONTHS)?,
                what_if: to.map(|class| what_if(&prices, &holdings, class)).transpose()?,
            });
        }
        let spent = spent.into_iter().collect();
        let price_age = self.price_table()?.age(self.clock.now());
        Ok(CostReport { spent, entries, stores, growth, price_age })
    }

    /// Bytes that a job's library, or all, hold beyond their last snapshots; nothing
    /// where no store costs anything.
    pub fn new_bytes(&self, job: Option<&str>) -> Result<Bytes, EngineError> {
        if self.price_book()?.by_store.is_empty() {
            return Ok(Bytes(0));
        }
        let mut new = 0u64;
        let known = self.status_counts()?;
        for job in self.settings.backups.iter().filter(|b| job.is_none_or(|job| b.name == job)) {
            let one = if job.one_file_system { OneFileSystem::Yes } else { OneFileSystem::No };
            let rules = Rules::new(&job.exclude, &job.include, self.never(), one)?;
            let now = darkslide_snapshot::library_bytes(&self.settings.resolve(&job.library), &rules);
            new += now.0.saturating_sub(known.get(&job.name).map_or(0, |b| b.0));
        }
        Ok(Bytes(new))
    }

    /// Bytes of each job's last complete snapshot.
    fn status_counts(&self) -> Result<BTreeMap<String, Bytes>, EngineError> {
        let catalog = Catalog::open(&self.catalog_path())?;
        let mut known: BTreeMap<String, (Time, Bytes)> = BTreeMap::new();
        for row in catalog.snapshots()? {
            let Some(payload) = row.payload else { continue };
            let snapshot: Snapshot = canon::from_bytes("a snapshot's row", &payload)?;
            let last = known.entry(snapshot.job).or_default();
            if snapshot.complete && row.time > last.0 {
                *last = (row.time, snapshot.counts.bytes);
            }
        }
        Ok(known.into_iter().map(|(job, (_, bytes))| (job, bytes)).collect())
    }

    /// What storing so much more costs, at once and every month; each priced store.
    pub fn quote_backup(&self, bytes: Bytes) -> Result<Vec<(String, BackupQuote)>, EngineError> {
        let mut quotes = Vec::new();
        for (settings, prices) in self.priced()? {
            let cold = self.puts(settings, bytes);
            // Trees, index, refs, snapshot, and the control objects that are looked at.
            let hot = Puts { class: StorageClass::Standard, objects: Count(5 + cold.objects.0 / 64), bytes: Bytes(0) };
            let catalog = Catalog::open(&self.catalog_path())?;
            let stored = self.holdings(&catalog, settings)?.iter().map(|h| h.objects.0).sum::<u64>();
            let facts = BackupFacts { puts: vec![cold, hot], lists: Count(12 + stored / 1000) };
            quotes.push((settings.label(), backup_quote(&prices, &facts)?));
        }
        Ok(quotes)
    }

    /// What deleting everything now would cost: the rest of the minimum stays, as if
    /// all had been written today.
    pub fn quote_prune(&self) -> Result<Vec<(String, Quote)>, EngineError> {
        let catalog = Catalog::open(&self.catalog_path())?;
        let mut quotes = Vec::new();
        for (settings, prices) in self.priced()? {
            let removals: Vec<Removal> = self
                .holdings(&catalog, settings)?
                .into_iter()
                .map(|h| Removal { class: h.class, bytes: h.bytes, age_days: 0, objects: h.objects })
                .collect();
            quotes.push((settings.label(), delete_quote(&prices, &removals)?));
        }
        Ok(quotes)
    }
}
