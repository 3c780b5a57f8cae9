//! Prices of the configured stores, and what may be spent.

use std::collections::HashMap;
use std::sync::Arc;

use darkslide_catalog::{Catalog, PlaceRow};
use darkslide_price::{PriceTable, Prices};
use darkslide_store::Store;
use darkslide_words::{Count, Money, StorageClass, Time};

use crate::metered::{Allowance, MeterSetup, Metered, egress_used};
use crate::repository::Repository;
use crate::{Engine, EngineError, StoreSettings};

/// Download rate that is assumed where none is configured: 50 Mbit/s.
const DOWNLOAD: u64 = 50_000_000;

/// Prices by store label; stores that cost nothing are not in it.
pub struct PriceBook {
    /// The prices.
    pub by_store: HashMap<String, Prices>,
}

/// Classes of cold, warm and hot objects of a bucket, or of a vault and its companion.
pub fn classes_of(settings: &StoreSettings) -> [StorageClass; 3] {
    if settings.vault().is_some() {
        let companion = settings.companion.as_deref();
        let warm = companion.and_then(|companion| companion.warm_class.clone()).unwrap_or_default();
        return [StorageClass::Vault, warm, StorageClass::Standard];
    }
    [
        settings.class.clone().unwrap_or(StorageClass::DeepArchive),
        settings.warm_class.clone().unwrap_or(StorageClass::Standard),
        StorageClass::Standard,
    ]
}

/// A region's prices out of the built-in table.
pub fn builtin_prices(region: &str) -> Result<Prices, EngineError> {
    Ok(PriceTable::builtin().region(region)?)
}

/// True if what is hot lies in a directory, beside a vault: reading it costs nothing.
fn hot_at_hand(settings: &StoreSettings) -> bool {
    settings.companion.as_ref().is_some_and(|companion| companion.path.is_some())
}

impl Engine {
    /// Reads the price table; the configured one or the built-in one.
    pub fn price_table(&self) -> Result<PriceTable, EngineError> {
        let Some(file) = &self.settings.budget.prices else { return Ok(PriceTable::builtin()) };
        let path = self.settings.resolve(file);
        let text = std::fs::read_to_string(&path).map_err(|source| EngineError::Io {
            what: "reading the prices",
            path: path.clone(),
            source,
        })?;
        PriceTable::parse(&text).map_err(|e| EngineError::BadConfig { path, message: e.to_string() })
    }

    /// The prices of all configured stores that cost something.
    pub(crate) fn price_book(&self) -> Result<PriceBook, EngineError> {
        let table = self.price_table()?;
        let mut by_store = HashMap::new();
        for settings in &self.settings.stores {
            if let Some(region) = settings.price_region() {
                let prices = table.region(region)?;
                let prices = if hot_at_hand(settings) { prices.with_hot_at_hand() } else { prices };
                by_store.insert(settings.label(), prices);
            }
        }
        Ok(PriceBook { by_store })
    }

    /// Download rate in bits a second.
    pub(crate) fn download_rate(&self) -> u64 {
        self.settings.network.download.as_deref().and_then(crate::parse_bits).unwrap_or(DOWNLOAD)
    }

    /// The limits of a run, the stricter of the command's and the configuration's
    /// among them.
    pub(crate) fn allowances(&self, catalog: &Catalog, max_cost: Option<Money>) -> Result<Vec<Allowance>, EngineError> {
        let month = catalog.spent(self.clock.now().month_start())?;
        let budget = &self.settings.budget;
        Ok(vec![
            Allowance { limit: max_cost, which: "--max-cost", before: Money::ZERO },
            Allowance { limit: budget.per_run, which: "the budget per run", before: Money::ZERO },
            Allowance { limit: budget.per_month, which: "the budget per month", before: month },
        ])
    }

    /// Puts the priced stores of a repository behind meters; what they count is
    /// settled by the caller.
    pub(crate) fn meter(
        &self,
        repo: &mut Repository,
        max_cost: Option<Money>,
    ) -> Result<Vec<Arc<Metered>>, EngineError> {
        let limited = max_cost.is_some() || self.settings.budget.per_run.or(self.settings.budget.per_month).is_some();
        let book = match self.price_book() {
            // Without limits nothing has to be known of prices to back up.
            Err(EngineError::Price(_)) if !limited => return Ok(Vec::new()),
            book => book?,
        };
        if book.by_store.is_empty() {
            return Ok(Vec::new());
        }
        let spent = Arc::new(std::sync::Mutex::new(Money::ZERO));
        let catalog = Catalog::open(&self.catalog_path())?;
        let allowances = self.allowances(&catalog, max_cost)?;
        let egress_before = egress_used(&catalog, self.clock.now())?;
        let mut meters = Vec::new();
        for store in &mut repo.reached.stores {
            let label = store.label();
            let settings = self.settings.stores.iter().find(|s| s.label() == label);
            let (Some(prices), Some(settings)) = (book.by_store.get(&label), settings) else { continue };
            let setup = MeterSetup {
                prices: prices.clone(),
                classes: classes_of(settings),
                inside: self.settings.network.inside_aws,
                hot_at_hand: hot_at_hand(settings),
                egress_before,
                allowances: allowances.clone(),
                spent: spent.clone(),
            };
            let metered = Arc::new(Metered::new(store.clone(), setup));
            *store = metered.clone();
            meters.push(metered);
        }
        Ok(meters)
    }

    /// Settles meters into the ledger.
    pub(crate) fn settle(&self, meters: &[Arc<Metered>], reference: &str) -> Result<Money, EngineError> {
        let mut spent = Money::ZERO;
        if meters.is_empty() {
            return Ok(spent);
        }
        let catalog = Catalog::open(&self.catalog_path())?;
        for meter in meters {
            spent += meter.settle(&catalog, self.clock.now(), reference)?;
        }
        Ok(spent)
    }
}

/// Lists a store and remembers what it shows; how many objects.
pub fn refresh_places(catalog: &Catalog, store: &dyn Store, prefixes: &[&str], at: Time) -> Result<Count, EngineError> {
    let label = store.label();
    crate::vaults::hear_policy(catalog, store)?;
    let mut rows: Vec<PlaceRow> = Vec::new();
    let mut seen = Count(0);
    let put = |rows: &mut Vec<PlaceRow>| {
        let taken = std::mem::take(rows);
        catalog.transaction::<(), EngineError>(|| Ok(catalog.put_places(&label, &taken)?))
    };
    for prefix in prefixes {
        let mut failed = None;
        store.list(prefix, &mut |l| {
            seen += Count(1);
            rows.push(PlaceRow { name: l.name, class: l.class, readable: l.readable, size: l.size, seen: at });
            if rows.len() >= 10_000 {
                failed = failed.take().or(put(&mut rows).err());
            }
            Ok(())
        })?;
        failed.map_or(Ok(()), Err)?;
    }
    put(&mut rows)?;
    if prefixes.contains(&"") {
        catalog.forget_places(&label, at)?;
    }
    Ok(seen)
}
