//! What a repair costs: listings, downloads from one store, uploads to another; by the same prices
//! that hold it to its limits.

use darkslide_price::{Line, PriceError, Prices};
use darkslide_words::{Bytes, Count, Money, StorageClass, Temperature};

use super::survey::Survey;
use super::{Cure, RepairPlan, execute};
use crate::metered::egress_used;
use crate::pricing::classes_of;
use crate::{Engine, EngineError};

/// Objects of a listing that one request shows.
const LIST_PAGE: u64 = 1000;
/// Listings beside that of everything: segments, what is condemned, refs, snapshots.
const LISTINGS_MORE: u64 = 4;

fn sum(lines: Vec<Line>) -> Money {
    lines.into_iter().map(|line| line.amount).sum()
}

/// What the plan costs; nothing where no store has prices.
pub fn cost(survey: &Survey<'_>, plan: &RepairPlan) -> Result<Option<Money>, EngineError> {
    let book = match survey.engine.price_book() {
        Err(EngineError::Price(_)) => return Ok(None),
        book => book?,
    };
    if book.by_store.is_empty() {
        return Ok(None);
    }
    let (mut total, mut sent) = (Money::ZERO, egress_used(&survey.catalog, survey.engine.clock.now())?);
    for shelf in &survey.shelves {
        if let Some(prices) = book.by_store.get(&shelf.label) {
            let pages = (shelf.listed.len() as u64).div_ceil(LIST_PAGE).max(1);
            total += sum(prices.list(Count(pages + LISTINGS_MORE)));
        }
    }
    for mend in &plan.mends {
        if let Cure::Store { from } = &mend.cure
            && let Some(prices) = from.first().and_then(|label| book.by_store.get(label))
        {
            total += sum(prices.get(&StorageClass::Standard, Count(1))?);
            if !survey.engine.settings.network.inside_aws {
                total += sum(prices.egress(mend.size, sent));
                sent += mend.size;
            }
        }
        if let Some(prices) = book.by_store.get(&mend.store)
            && matches!(mend.cure, Cure::Store { .. } | Cure::Library { .. })
        {
            // Sealed again, an object becomes one, or a part of one.
            total += put(survey.engine, prices, &mend.store, execute::temperature(&mend.object))?;
        }
    }
    Ok(Some(total))
}

fn put(engine: &Engine, prices: &Prices, store: &str, temperature: Temperature) -> Result<Money, PriceError> {
    let settings = engine.settings.stores.iter().find(|settings| settings.label() == store);
    let [cold, warm, hot] =
        settings.map_or([StorageClass::Standard, StorageClass::Standard, StorageClass::Standard], classes_of);
    let class = match temperature {
        Temperature::Cold => cold,
        Temperature::Warm => warm,
        Temperature::Hot => hot,
    };
    Ok(sum(prices.put(&class, Count(1))?))
}

impl RepairPlan {
    /// Bytes that are copied out of other stores.
    pub fn copied(&self) -> Bytes {
        let copies = self.mends.iter().filter(|mend| matches!(mend.cure, Cure::Store { .. }));
        Bytes(copies.map(|mend| mend.size.0).sum())
    }
}
