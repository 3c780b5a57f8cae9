//! The prices of one region.

use darkslide_words::{StorageClass, Tier, Time};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

use crate::{Line, PriceError, Quote};

/// US dollars for some unit: finite, not negative.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Serialize)]
pub struct Rate(f64);

/// Dearer than anything AWS sells by the GB, the request or the object.
const RATE_MAX: f64 = 1e6;

impl Rate {
    /// In dollars.
    pub fn usd(self) -> f64 {
        self.0
    }

    /// For one, where the table says for 1,000.
    pub(crate) fn each(self) -> f64 {
        self.0 / 1000.0
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let usd = f64::deserialize(d)?;
        match (0.0..=RATE_MAX).contains(&usd) {
            true => Ok(Self(usd)),
            false => Err(serde::de::Error::custom(format!("{usd} is no price in US dollars (0 to {RATE_MAX})"))),
        }
    }
}

/// A lower rate from some quantity on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Above so many GB in the month,
    pub over_gb: Rate,
    /// each costs so much.
    pub usd: Rate,
}

/// Rates by retrieval tier; a tier without one is not offered.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TierRates {
    /// Minutes.
    pub expedited: Option<Rate>,
    /// Hours.
    pub standard: Option<Rate>,
    /// Hours to two days.
    pub bulk: Option<Rate>,
}

impl TierRates {
    /// The rate of a tier.
    pub fn at(&self, tier: Tier) -> Option<Rate> {
        match tier {
            Tier::Expedited => self.expedited,
            Tier::Standard => self.standard,
            Tier::Bulk => self.bulk,
        }
    }
}

/// The prices of a storage class: storage per GB-month, reading per GB, requests per 1,000.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassPrices {
    /// Storage; in Intelligent-Tiering that of Frequent Access.
    pub storage: Rate,
    /// Cheaper storage for the bytes above a limit.
    #[serde(default)]
    pub storage_steps: Vec<Step>,
    /// PUT, COPY and POST.
    pub put: Rate,
    /// GET and others.
    pub get: Rate,
    /// Lifecycle transition into the class.
    pub transition: Option<Rate>,
    /// Reading where no thaw is needed.
    pub read: Option<Rate>,
    /// A restore request, in a class that needs a thaw.
    pub restore: Option<TierRates>,
    /// Retrieval per GB, in a class that needs a thaw.
    pub retrieve: Option<TierRates>,
}

/// What Intelligent-Tiering has besides its class's prices: storage per GB-month by access tier
/// (Frequent is the class's), monitoring and Expedited requests per 1,000, Expedited bytes per GB.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TieringPrices {
    /// Storage in Infrequent Access.
    pub infrequent: Rate,
    /// Storage in Archive Instant Access.
    pub archive_instant: Rate,
    /// Storage in Archive Access.
    pub archive: Rate,
    /// Storage in Deep Archive Access.
    pub deep_archive: Rate,
    /// Monitoring and automation, per month.
    pub monitoring: Rate,
    /// A restore request at Expedited; the other tiers are free.
    pub expedited_restore: Rate,
    /// Retrieval at Expedited; the other tiers are free.
    pub expedited_retrieve: Rate,
}

/// Requests whose price does not depend on a class, per 1,000.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestPrices {
    pub(crate) list: Rate,
    pub(crate) delete: Rate,
}

/// Transfer to the internet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferPrices {
    /// Bytes in a GB of transfer: 10^9 or 2^30.
    pub gb_bytes: u64,
    /// GB free every month, for the whole account.
    pub free_gb: Rate,
    /// Per GB after the free ones.
    pub usd: Rate,
    /// Cheaper GB, counted after the free ones.
    pub steps: Vec<Step>,
}

/// S3 Batch Operations and S3 Inventory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchPrices {
    /// A Batch Operations job.
    pub job: Rate,
    /// A million objects in such a job.
    pub per_million: Rate,
    /// A million objects listed in an inventory.
    pub inventory_per_million: Rate,
}

/// Amazon Glacier vaults: storage per GB-month, requests per 1,000, retrieval per GB.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VaultPrices {
    /// Storage.
    pub storage: Rate,
    /// An upload request.
    pub upload: Rate,
    /// A retrieval job.
    pub retrieval_request: TierRates,
    /// Retrieved bytes.
    pub retrieve: TierRates,
}

/// The prices of one region.
#[derive(Debug, Clone, PartialEq)]
pub struct Prices {
    pub(crate) region: String,
    pub(crate) name: String,
    pub(crate) as_of: (Time, String),
    pub(crate) unconfirmed: Vec<String>,
    pub(crate) classes: BTreeMap<StorageClass, ClassPrices>,
    pub(crate) tiering: TieringPrices,
    pub(crate) requests: RequestPrices,
    pub(crate) transfer: TransferPrices,
    pub(crate) batch: BatchPrices,
    pub(crate) vault: VaultPrices,
    /// The same in the form of a class.
    pub(crate) vault_class: ClassPrices,
}

impl Prices {
    /// The region's code: `eu-central-1`.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The region's name for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The start of the day on which the prices were collected.
    pub fn as_of(&self) -> Time {
        self.as_of.0
    }

    /// What no good source confirms, as keys below the region; a key covers all below it.
    pub fn unconfirmed(&self) -> &[String] {
        &self.unconfirmed
    }

    /// The prices of a class.
    pub fn class(&self, class: &StorageClass) -> Result<&ClassPrices, PriceError> {
        if *class == StorageClass::Vault {
            return Ok(&self.vault_class);
        }
        let missing = || PriceError::NoClass { class: class.clone(), region: self.region.clone() };
        self.classes.get(class).ok_or_else(missing)
    }

    /// The classes that have prices.
    pub fn classes(&self) -> impl Iterator<Item = (&StorageClass, &ClassPrices)> {
        self.classes.iter()
    }

    /// The prices of Intelligent-Tiering's access tiers.
    pub fn tiering(&self) -> &TieringPrices {
        &self.tiering
    }

    /// The prices of transfer to the internet.
    pub fn transfer(&self) -> &TransferPrices {
        &self.transfer
    }

    /// The prices of Batch Operations and Inventory.
    pub fn batch_prices(&self) -> &BatchPrices {
        &self.batch
    }

    /// The prices of Amazon Glacier vaults.
    pub fn vault(&self) -> &VaultPrices {
        &self.vault
    }

    /// An empty quote that names these prices.
    pub fn quote(&self) -> Quote {
        Quote { prices: format!("{}, {}", self.region, self.as_of.1), ..Quote::default() }
    }

    /// A line whose rate stands at `key`, marked if that is unconfirmed; none for no quantity.
    pub(crate) fn line(&self, key: &str, what: String, quantity: f64, unit: &str, rate: f64) -> Option<Line> {
        let line = Line { unconfirmed: self.is_unconfirmed(key), ..Line::new(what, quantity, unit, rate) };
        (quantity > 0.0).then_some(line)
    }

    pub(crate) fn is_unconfirmed(&self, key: &str) -> bool {
        let of_vault = crate::vault::key_of(key);
        let key = of_vault.as_deref().unwrap_or(key);
        let covers =
            |name: &String| key.strip_prefix(&name[..]).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        self.unconfirmed.iter().any(covers)
    }

    pub(crate) fn no_rate(&self, key: &str) -> PriceError {
        PriceError::NoRate { key: key.to_string(), region: self.region.clone() }
    }
}

/// Cuts the quantity from `from` to `to` at the steps; each part with its rate.
pub(crate) fn cut(base: Rate, steps: &[Step], from: f64, to: f64) -> impl Iterator<Item = (f64, f64)> {
    let starts = std::iter::once((0.0, base)).chain(steps.iter().map(|step| (step.over_gb.0, step.usd)));
    let ends = steps.iter().map(|step| step.over_gb.0).chain([f64::INFINITY]);
    starts.zip(ends).filter_map(move |((start, rate), end)| {
        let part = to.min(end) - from.max(start);
        (part > 0.0).then_some((part, rate.0))
    })
}
