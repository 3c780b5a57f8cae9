//! A store whose requests are priced: each one is held against the budget before
//! it is made, and all of them end in the ledger. Thaws are the executor's, which
//! knows more of them.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use darkslide_catalog::{Catalog, LedgerRow};
use darkslide_format::names::Kind;
use darkslide_price::Prices;
use darkslide_store::{
    BulkEngine, Capabilities, OnListed, Payload, PutFacts, PutOutcome, ReadOutcome, Store, StoreError, ThawAsk,
    ThawOutcome,
};
use darkslide_words::{Bytes, Count, Money, ObjectName, StorageClass, Temperature, Time};

use crate::EngineError;

/// Objects of a listing that one request shows.
const LIST_PAGE: u64 = 1000;

/// What a run may spend.
#[derive(Debug, Clone, Copy, Default)]
pub struct Allowance {
    /// At most this; nothing where there is no limit.
    pub limit: Option<Money>,
    /// Which limit that is, for the message.
    pub which: &'static str,
    /// Spent against it before this run.
    pub before: Money,
}

#[derive(Debug, Default)]
struct Tally {
    puts: Vec<(StorageClass, u64, Money)>,
    lists: (u64, Money),
    gets: (u64, Money),
    egress: (Bytes, Money),
    locks: (u64, Money),
}

/// The decorator.
pub struct Metered {
    inner: Arc<dyn Store>,
    prices: Prices,
    classes: [StorageClass; 3],
    inside: bool,
    hot_at_hand: bool,
    egress_before: Bytes,
    allowances: Vec<Allowance>,
    tally: Mutex<Tally>,
    /// Spent by all stores of the run.
    spent: Arc<Mutex<Money>>,
}

/// What a metered store is set up with.
pub struct MeterSetup {
    /// The prices of its region.
    pub prices: Prices,
    /// Classes of cold, warm and hot objects.
    pub classes: [StorageClass; 3],
    /// True where nothing leaves the region.
    pub inside: bool,
    /// True where all but packs lies in a directory.
    pub hot_at_hand: bool,
    /// Sent out this month already.
    pub egress_before: Bytes,
    /// The limits.
    pub allowances: Vec<Allowance>,
    /// What all stores of the run spend together.
    pub spent: Arc<Mutex<Money>>,
}

fn sum(lines: Vec<darkslide_price::Line>) -> Money {
    lines.into_iter().map(|line| line.amount).sum()
}

impl Metered {
    /// Prices the requests to `inner`.
    pub fn new(inner: Arc<dyn Store>, setup: MeterSetup) -> Self {
        let MeterSetup { prices, classes, inside, hot_at_hand, egress_before, allowances, spent } = setup;
        Self { inner, prices, classes, inside, hot_at_hand, egress_before, allowances, tally: Mutex::default(), spent }
    }

    fn tally(&self) -> std::sync::MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn class(&self, temperature: Temperature) -> &StorageClass {
        match temperature {
            Temperature::Cold => &self.classes[0],
            Temperature::Warm => &self.classes[1],
            Temperature::Hot => &self.classes[2],
        }
    }

    /// Takes the cost of a request before it is made.
    fn take(&self, cost: Money, what: &str) -> Result<(), StoreError> {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        for allowance in &self.allowances {
            let Some(limit) = allowance.limit else { continue };
            let after = allowance.before + *spent + cost;
            if after > limit {
                let (store, which) = (self.inner.label(), allowance.which);
                let why = format!("would cost more than {which} allows: {what} would bring it to {after} of {limit}");
                return Err(StoreError::OverBudget { store, why });
            }
        }
        *spent += cost;
        Ok(())
    }

    fn price(
        &self,
        lines: Result<Vec<darkslide_price::Line>, darkslide_price::PriceError>,
    ) -> Result<Money, StoreError> {
        lines.map(sum).map_err(|error| StoreError::Setup {
            store: self.inner.label(),
            why: error.to_string(),
            advice: "name the region (`region` or `prices` of the [[store]]) or a file with prices".into(),
        })
    }

    /// Takes the cost of a PUT, and notes it.
    fn pay_put(&self, facts: &PutFacts) -> Result<(), StoreError> {
        let class = self.class(facts.temperature).clone();
        let cost = self.price(self.prices.put(&class, Count(1)))?;
        self.take(cost, "the next upload")?;
        {
            let mut tally = self.tally();
            match tally.puts.iter_mut().find(|(c, ..)| *c == class) {
                Some((_, n, sum)) => {
                    *n += 1;
                    *sum += cost;
                }
                None => tally.puts.push((class, 1, cost)),
            }
        }
        Ok(())
    }

    /// Writes what was spent into the ledger; starts anew.
    pub fn settle(&self, catalog: &Catalog, at: Time, reference: &str) -> Result<Money, EngineError> {
        let tally = std::mem::take(&mut *self.tally());
        let label = self.inner.label();
        let mut rows = Vec::new();
        let mut row = |kind: &str, what: String, actual: Money| {
            if actual > Money::ZERO {
                let (kind, reference) = (kind.to_string(), reference.to_string());
                rows.push(LedgerRow { at, kind, reference, what, quoted: actual, actual });
            }
        };
        for (class, n, cost) in &tally.puts {
            row("requests", format!("{n} PUT, {class}, {label}"), *cost);
        }
        row("requests", format!("{} LIST, {label}", tally.lists.0), tally.lists.1);
        row("requests", format!("{} GET, {label}", tally.gets.0), tally.gets.1);
        row("download", format!("{} from {label}", tally.egress.0), tally.egress.1);
        row("locks", format!("{} extended, {label}", tally.locks.0), tally.locks.1);
        let total = rows.iter().map(|row| row.actual).sum();
        let key = egress_key(at);
        let before = catalog.meta(&key)?.and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes);
        catalog.transaction::<(), EngineError>(|| {
            rows.iter().try_for_each(|row| catalog.add_ledger(row))?;
            Ok(catalog.set_meta(&key, &(before + tally.egress.0.0).to_le_bytes())?)
        })?;
        Ok(total)
    }
}

/// Bytes sent out in the month of `at`, as far as the catalog knows.
pub fn egress_used(catalog: &Catalog, at: Time) -> Result<Bytes, EngineError> {
    let bytes = catalog.meta(&egress_key(at))?.and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes);
    Ok(Bytes(bytes))
}

/// Counts bytes that were sent out past the meters.
pub fn add_egress(catalog: &Catalog, at: Time, bytes: Bytes) -> Result<(), EngineError> {
    let sum = egress_used(catalog, at)? + bytes;
    Ok(catalog.set_meta(&egress_key(at), &sum.0.to_le_bytes())?)
}

fn egress_key(at: Time) -> String {
    format!("egress {}", &at.to_string()[..7])
}

impl Store for Metered {
    fn label(&self) -> String {
        self.inner.label()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn put(&self, name: &ObjectName, bytes: &[u8], facts: &PutFacts) -> Result<PutOutcome, StoreError> {
        self.pay_put(facts)?;
        self.inner.put(name, bytes, facts)
    }

    fn put_shared(&self, name: &ObjectName, bytes: &Payload, facts: &PutFacts) -> Result<PutOutcome, StoreError> {
        self.pay_put(facts)?;
        self.inner.put_shared(name, bytes, facts)
    }

    fn read(&self, name: &ObjectName, range: Option<Range<u64>>) -> Result<ReadOutcome, StoreError> {
        let mut cost = self.price(self.prices.get(&StorageClass::Standard, Count(1)))?;
        let wanted = range.as_ref().map_or(0, |r| r.end - r.start);
        let used = self.egress_before + self.tally().egress.0;
        let local = self.inside || self.hot_at_hand && !name.as_str().starts_with(Kind::Packs.prefix());
        let sent = |bytes: u64| if local { Money::ZERO } else { sum(self.prices.egress(Bytes(bytes), used)) };
        self.take(cost + sent(wanted), "the next download")?;
        let outcome = self.inner.read(name, range)?;
        let arrived = match &outcome {
            ReadOutcome::Bytes(bytes) => bytes.len() as u64,
            _ => 0,
        };
        let (expected, actual) = (sent(wanted), sent(arrived));
        {
            let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
            *spent = *spent + actual - expected;
        }
        let mut tally = self.tally();
        tally.gets.0 += 1;
        tally.gets.1 += std::mem::take(&mut cost);
        if !local {
            tally.egress.0 += Bytes(arrived);
            tally.egress.1 += actual;
        }
        Ok(outcome)
    }

    fn list(&self, prefix: &str, each: &mut OnListed<'_>) -> Result<(), StoreError> {
        let page = sum(self.prices.list(Count(1)));
        let note = |cost: Money| {
            let mut tally = self.tally();
            tally.lists.0 += 1;
            tally.lists.1 += cost;
        };
        self.take(page, "the next listing")?;
        note(page);
        let mut seen = 0u64;
        self.inner.list(prefix, &mut |listed| {
            seen += 1;
            if seen > LIST_PAGE && seen % LIST_PAGE == 1 {
                self.take(page, "the next page of a listing")?;
                note(page);
            }
            each(listed)
        })
    }

    fn delete(&self, name: &ObjectName) -> Result<(), StoreError> {
        self.inner.delete(name)
    }

    fn warmed(&self) -> Result<Option<darkslide_store::Warmed>, StoreError> {
        self.inner.warmed()
    }

    fn extend_lock(&self, name: &ObjectName, until: Time) -> Result<bool, StoreError> {
        // S3 prices PutObjectRetention as it does a PUT into STANDARD.
        let cost = self.price(self.prices.put(&StorageClass::Standard, Count(1)))?;
        self.take(cost, "the next lock")?;
        let mut tally = self.tally();
        tally.locks.0 += 1;
        tally.locks.1 += cost;
        drop(tally);
        self.inner.extend_lock(name, until)
    }

    fn stored_sum(&self, name: &ObjectName) -> Result<darkslide_store::StoredSum, StoreError> {
        // S3 prices a HEAD as it does a GET from STANDARD, whatever the object's class.
        let cost = self.price(self.prices.get(&StorageClass::Standard, Count(1)))?;
        self.take(cost, "the next checksum")?;
        {
            let mut tally = self.tally();
            tally.gets.0 += 1;
            tally.gets.1 += cost;
        }
        self.inner.stored_sum(name)
    }

    fn readable_part(
        &self,
        name: &ObjectName,
        span: darkslide_words::Span,
    ) -> Result<Option<darkslide_store::Readable>, StoreError> {
        self.inner.readable_part(name, span)
    }

    fn vault(&self) -> Option<&dyn darkslide_store::vault::Vault> {
        self.inner.vault()
    }

    fn mending(&self) -> Option<&dyn darkslide_store::Mending> {
        self.inner.mending()
    }

    fn locked_until(&self, name: &ObjectName) -> Result<Option<Time>, StoreError> {
        let cost = self.price(self.prices.get(&StorageClass::Standard, Count(1)))?;
        self.take(cost, "the next question for a lock")?;
        let mut tally = self.tally();
        tally.gets.0 += 1;
        tally.gets.1 += cost;
        drop(tally);
        self.inner.locked_until(name)
    }

    fn bulk(&self) -> Option<&dyn BulkEngine> {
        self.inner.bulk()
    }

    fn thaw(&self, name: &ObjectName, ask: &ThawAsk) -> Result<ThawOutcome, StoreError> {
        self.inner.thaw(name, ask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use darkslide_price::PriceTable;
    use darkslide_store::MemoryStore;

    fn metered(limit: Option<f64>) -> Metered {
        let allowance = Allowance { limit: limit.map(Money::from_usd), which: "--max-cost", before: Money::ZERO };
        let setup = MeterSetup {
            prices: PriceTable::builtin().region("us-east-1").unwrap(),
            classes: [StorageClass::DeepArchive, StorageClass::Standard, StorageClass::Standard],
            inside: false,
            hot_at_hand: false,
            egress_before: Bytes(100 << 30),
            allowances: vec![allowance],
            spent: Arc::default(),
        };
        Metered::new(Arc::new(MemoryStore::default()), setup)
    }

    fn put(store: &Metered, at: &str, temperature: Temperature) -> Result<PutOutcome, StoreError> {
        store.put(&ObjectName::new(at).unwrap(), &[7; 1000], &PutFacts { crc64: 0, temperature })
    }

    #[test]
    fn requests_cost_what_the_table_says_and_end_in_the_ledger() {
        let store = metered(None);
        put(&store, "packs/a", Temperature::Cold).unwrap();
        put(&store, "index/b", Temperature::Hot).unwrap();
        store.list("", &mut |_| Ok(())).unwrap();
        store.read(&ObjectName::new("packs/a").unwrap(), None).unwrap();
        // 0.05 and 0.005 for a thousand PUTs, 0.005 for LISTs, 0.0004 for GETs, 0.09 for a GiB out.
        let wanted = Money::from_usd(0.05e-3 + 0.005e-3 + 0.005e-3 + 0.0004e-3 + 1000.0 * 0.09 / f64::from(1 << 30));
        assert_eq!(*store.spent.lock().unwrap(), wanted);
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::create(&folder.path().join("c")).unwrap();
        let at = Time::from_parts(1_800_000_000, 0);
        assert_eq!(store.settle(&catalog, at, "run 1").unwrap(), wanted);
        assert_eq!(catalog.spent(Time(0)).unwrap(), wanted);
        assert_eq!(egress_used(&catalog, at).unwrap(), Bytes(1000));
        assert_eq!(store.settle(&catalog, at, "run 1").unwrap(), Money::ZERO, "once");
    }

    #[test]
    fn the_limit_is_checked_before_the_request() {
        let store = metered(Some(0.000_12));
        put(&store, "packs/a", Temperature::Cold).unwrap();
        put(&store, "packs/b", Temperature::Cold).unwrap();
        let refused = put(&store, "packs/c", Temperature::Cold);
        assert!(matches!(&refused, Err(StoreError::OverBudget { .. })), "{refused:?}");
        assert_eq!(store.inner.read(&ObjectName::new("packs/c").unwrap(), None).unwrap(), ReadOutcome::Missing);
        put(&store, "index/c", Temperature::Hot).unwrap();
    }
}
