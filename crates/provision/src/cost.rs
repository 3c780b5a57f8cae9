//! What the settings cost in a month, as far as the price table knows.

use darkslide_price::{Holding, Prices, Quote};
use darkslide_words::{Bytes, Count, StorageClass};

use crate::desired::{Desired, Frequency};

/// Prices, and what is going to be stored.
#[derive(Debug, Clone)]
pub struct Pricing<'a> {
    /// The region's.
    pub prices: &'a Prices,
    /// What lies there, or will; an example of 1 TiB is priced where this is empty.
    pub holdings: Vec<Holding>,
}

impl Pricing<'_> {
    fn stored(&self, class: &StorageClass) -> (Vec<Holding>, bool) {
        match self.holdings.is_empty() {
            false => (self.holdings.clone(), false),
            true => (vec![example(class)], true),
        }
    }
}

/// 1 TiB in packs of 64 MiB.
fn example(class: &StorageClass) -> Holding {
    Holding { class: class.clone(), access: None, objects: Count(1 << 14), bytes: Bytes(1 << 40), age_days: None }
}

/// Storage of what is expected, and the inventory where one is asked for.
pub(crate) fn monthly(desired: &Desired, pricing: Option<&Pricing<'_>>) -> Result<Quote, darkslide_price::PriceError> {
    let Some(pricing) = pricing else {
        return Ok(Quote { notes: vec!["No prices: this server costs nothing.".into()], ..Quote::default() });
    };
    let mut quote = pricing.prices.quote();
    if let Some(bucket) = &desired.bucket {
        let (holdings, made_up) = pricing.stored(&bucket.cold_class);
        quote.merge(darkslide_price::monthly(pricing.prices, &holdings)?);
        if made_up {
            quote.notes.push("Storage is an example: 1 TiB of originals in packs of 64 MiB.".into());
        }
        if let Some(inventory) = &bucket.inventory {
            let objects: u64 = holdings.iter().map(|holding| holding.objects.0).sum();
            let runs = match inventory.frequency {
                Frequency::Daily => 30,
                Frequency::Weekly => 4,
            };
            quote.lines.extend(pricing.prices.inventory(Count(objects * runs)));
        }
        if bucket.old_versions.archive_days.is_some() {
            quote.notes.push("Old versions are billed like objects until they expire.".into());
        }
    }
    quote.notes.push("Users, roles, policies and settings cost nothing. Requests of queue, topic and budget are not in the price table.".into());
    Ok(quote)
}
