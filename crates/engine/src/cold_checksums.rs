//! Checksums of packs that lie in the cold, computed by the store itself, without a
//! thaw: submitted as a job, read when it is done, held against the index.

use std::collections::HashMap;

use darkslide_catalog::{Catalog, Checked, LedgerRow, PackState, ScrubRow};
use darkslide_store::{BulkEngine, BulkState};
use darkslide_words::{Count, Money, ObjectName};

use crate::{Engine, EngineError};

/// How the checksums of one store stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColdChecksums {
    /// The store has no engine for it, or it is not set up.
    NotOffered,
    /// The job was submitted.
    Submitted {
        /// Packs in it.
        packs: Count,
    },
    /// It is not done yet.
    Working,
    /// It ended without a result; the next call submits another.
    Failed(String),
    /// It is done.
    Done {
        /// Packs whose checksum is the one in the index.
        good: Count,
        /// Those that are not, and what is wrong.
        bad: Vec<(ObjectName, String)>,
        /// Packs that were stored since it was submitted.
        newer: Count,
    },
}

/// One store's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreChecksums {
    /// Which store.
    pub store: String,
    /// How they stand.
    pub state: ColdChecksums,
}

/// Before the token of a job whose id is not known yet.
const TOKEN: &str = "token:";

/// How a checksum that is another one is told.
const DIFFERS: &str = "its CRC64NVME is";

fn key(label: &str) -> String {
    format!("checksums {label}")
}

impl Engine {
    fn packs_with_sums(&self, catalog: &Catalog) -> Result<HashMap<ObjectName, u64>, EngineError> {
        let mut sums = HashMap::new();
        catalog.for_each_pack::<EngineError>(|_, facts, state, _| {
            if state == PackState::Stored && facts.name.as_str().starts_with("packs/") {
                sums.insert(facts.name, facts.crc64);
            }
            Ok(())
        })?;
        Ok(sums)
    }

    /// What submitting the jobs costs.
    pub fn quote_cold_checksums(&self) -> Result<Money, EngineError> {
        let catalog = Catalog::open(&self.catalog_path())?;
        let packs = Count(self.packs_with_sums(&catalog)?.len() as u64);
        let book = self.price_book()?;
        let mut cost = Money::ZERO;
        for settings in self.settings.stores.iter().filter(|s| s.batch.is_some()) {
            let running = catalog.meta(&key(&settings.label()))?.is_some_and(|job| !job.is_empty());
            if let Some(prices) = book.by_store.get(&settings.label()).filter(|_| !running) {
                cost += prices.batch(Count(1), packs).into_iter().map(|line| line.amount).sum::<Money>();
            }
        }
        Ok(cost)
    }

    /// Submits a job to each store that can, or reads the result of the one before.
    pub fn cold_checksums(&self) -> Result<Vec<StoreChecksums>, EngineError> {
        let repo = self.repository()?;
        let catalog = Catalog::open(&self.catalog_path())?;
        let sums = self.packs_with_sums(&catalog)?;
        let mut all = Vec::new();
        for store in &repo.reached.stores {
            let label = store.label();
            let state = match store.bulk() {
                Some(bulk) if !sums.is_empty() => self.checksums_of(&catalog, &label, bulk, &sums)?,
                _ => ColdChecksums::NotOffered,
            };
            all.push(StoreChecksums { store: label, state });
        }
        Ok(all)
    }

    /// Remembers packs whose bytes are others than those that were stored, for `repair`.
    fn remember_bad(&self, catalog: &Catalog, label: &str, done: &ColdChecksums) -> Result<(), EngineError> {
        let ColdChecksums::Done { bad, .. } = done else { return Ok(()) };
        let mut rows = Vec::new();
        // What could not be computed is no damage.
        for (name, why) in bad.iter().filter(|(_, why)| why.starts_with(DIFFERS)) {
            let Some(pack) = catalog.pack_named(name)? else { continue };
            rows.push(ScrubRow {
                name: name.clone(),
                size: catalog.pack(pack)?.size,
                checked: self.clock.now(),
                outcome: Checked::Damaged,
                why: why.clone(),
            });
        }
        catalog.transaction(|| Ok(catalog.put_scrubs(label, &rows)?))
    }

    fn checksums_of(
        &self,
        catalog: &Catalog,
        label: &str,
        bulk: &dyn BulkEngine,
        sums: &HashMap<ObjectName, u64>,
    ) -> Result<ColdChecksums, EngineError> {
        let begun = catalog.meta(&key(label))?.and_then(|job| String::from_utf8(job).ok()).unwrap_or_default();
        let again = begun.strip_prefix(TOKEN).map(String::from);
        if !begun.is_empty() && again.is_none() {
            if let BulkState::Failed(why) = bulk.state(&begun)? {
                catalog.set_meta(&key(label), b"")?;
                return Ok(ColdChecksums::Failed(why));
            }
            let Some(found) = bulk.checksums(&begun)? else { return Ok(ColdChecksums::Working) };
            let done = compare(found, sums);
            // Remembered before the job is forgotten: its report is read once.
            self.remember_bad(catalog, label, &done)?;
            catalog.set_meta(&key(label), b"")?;
            return Ok(done);
        }
        let mut names: Vec<ObjectName> = sums.keys().cloned().collect();
        names.sort();
        let at = self.clock.now();
        // Written down first: a second try with it finds the same job.
        let token = again.unwrap_or_else(|| format!("sums-{:x}", at.0));
        catalog.set_meta(&key(label), format!("{TOKEN}{token}").as_bytes())?;
        let Some(job) = bulk.submit_checksums(&names, &token)? else { return Ok(ColdChecksums::NotOffered) };
        let packs = Count(names.len() as u64);
        let prices = self.price_book()?.by_store.remove(label);
        let lines = prices.map(|prices| prices.batch(Count(1), packs)).unwrap_or_default();
        let cost: Money = lines.into_iter().map(|line| line.amount).sum();
        catalog.transaction::<(), EngineError>(|| {
            catalog.set_meta(&key(label), job.as_bytes())?;
            catalog.add_ledger(&LedgerRow {
                at,
                kind: "checksums".into(),
                reference: job.clone(),
                what: format!("{packs} packs, {label}"),
                quoted: cost,
                actual: cost,
            })?;
            Ok(())
        })?;
        Ok(ColdChecksums::Submitted { packs })
    }
}

/// Holds what the store computed against the index. Packs that the report does not
/// name came later; that one is there at all is the audit's to say.
fn compare(found: darkslide_store::Sums, sums: &HashMap<ObjectName, u64>) -> ColdChecksums {
    let (mut good, mut bad, mut newer) = (Count(0), Vec::new(), Count(0));
    let mut found: HashMap<ObjectName, Result<u64, String>> = found.into_iter().collect();
    for (name, wanted) in sums {
        match found.remove(name) {
            Some(Ok(sum)) if sum == *wanted => good += Count(1),
            Some(Ok(sum)) => bad.push((name.clone(), format!("{DIFFERS} {sum:016x}, not {wanted:016x}"))),
            Some(Err(words)) => bad.push((name.clone(), words)),
            None => newer += Count(1),
        }
    }
    bad.sort();
    ColdChecksums::Done { good, bad, newer }
}
