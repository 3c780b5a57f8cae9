//! What the simulated months would have cost: a meter that the simulator feeds
//! and a bill drawn from it.
//!
//! **Invariant:** written from the published price list and rules of S3 alone.
//! It shares neither code nor figures with the program's own estimates, so that
//! one can be held against the other. Amounts are exact integers until the last
//! division, and each use is counted in the calendar month (UTC) it falls in.

mod month;
mod rates;
mod sum;
#[cfg(test)]
mod tests;
mod vaults;

use std::collections::BTreeMap;

use darkslide_words::{Money, StorageClass, Tier, Time};
use serde::{Deserialize, Serialize};

use month::Month;
pub(crate) use vaults::{VaultUse, days_in_month};

/// Below this, `STANDARD_IA`, `ONEZONE_IA` and `GLACIER_IR` bill as if it were
/// this much, and `INTELLIGENT_TIERING` neither monitors nor moves an object.
pub const SMALL_OBJECT_BYTES: u64 = 128 << 10;
/// Billed on top of each archived object at the rate of its class.
const INDEX_BYTES: u64 = 32 << 10;
/// Billed on top of each archived object at the rate of `STANDARD`.
const NAME_BYTES: u64 = 8 << 10;
const DAY_NS: i64 = 86_400_000_000_000;

/// A kind of request, as S3 prices them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RequestKind {
    /// PUT, COPY and POST into the class. The start and the parts of a
    /// multipart upload are priced as `STANDARD` when the class is an archive;
    /// only its completion at the archive's price.
    Put,
    /// Any listing; priced as `STANDARD` whatever the class.
    List,
    /// GET, HEAD and every other read.
    Get,
    /// A lifecycle rule moved an object into the class.
    LifecycleTransition,
    /// A restore, from the class, at the tier.
    Restore(Tier),
    /// A query inside an object.
    Select,
    /// A delete: free.
    Delete,
    /// An aborted upload: free.
    Cancel,
}

/// The access tier of an object in `INTELLIGENT_TIERING`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Access {
    /// Where every object begins.
    Frequent,
    /// After 30 days without access.
    Infrequent,
    /// After 90 days without access.
    ArchiveInstant,
    /// If the bucket asks for it: has to be thawed.
    Archive,
    /// If the bucket asks for it: has to be thawed.
    DeepArchive,
}

impl Access {
    /// True for the tiers an object has to be thawed from.
    pub fn is_archive(self) -> bool {
        matches!(self, Self::Archive | Self::DeepArchive)
    }
}

/// One object version in one class for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its class; for the parts of an unfinished upload to an archive class,
    /// `STANDARD`.
    pub class: StorageClass,
    /// Its access tier in `INTELLIGENT_TIERING`, where `None` means frequent.
    pub access: Option<Access>,
    /// Its size; minimum and overhead are added here.
    pub bytes: u64,
    /// From when.
    pub from: Time,
    /// Until when.
    pub to: Time,
}

/// What is counted, each in its own unit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Use {
    /// Byte-milliseconds, minimum and index included.
    Storage(StorageClass, Option<Access>),
    /// Byte-milliseconds of the names of archived objects.
    Names,
    /// Byte-milliseconds of thawed copies.
    Copies,
    /// Byte-milliseconds that were not stored.
    EarlyDelete(StorageClass),
    /// Object-milliseconds.
    Monitoring,
    /// Requests.
    Request(RequestKind, StorageClass),
    /// Bytes thawed.
    Thaw(StorageClass, Tier),
    /// Bytes read from a class that charges for it.
    Read(StorageClass),
    /// Bytes out to the internet.
    Egress,
    /// Jobs of Batch Operations.
    Jobs,
    /// Objects they acted on.
    JobObjects,
    /// What a vault costs.
    Vault(VaultUse),
}

/// Counts everything that costs. Small, whatever happens: one number for each
/// month and use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meter {
    region: String,
    now: Time,
    #[serde(with = "pairs")]
    counts: BTreeMap<(Month, Use), u128>,
}

impl Meter {
    /// A meter at the prices of a region: `us-east-1`, `eu-west-1` or
    /// `eu-central-1`. Another region is billed as `us-east-1`, and the bill
    /// says so.
    pub fn new(region: &str) -> Self {
        Self { region: region.to_string(), now: Time(0), counts: BTreeMap::new() }
    }

    /// Tells the meter the time, for events that bring none of their own:
    /// `meter.at(now).request(…)`. Never goes back. Events with a time tell it
    /// too.
    pub fn at(&mut self, now: Time) -> &mut Self {
        self.now = self.now.max(now);
        self
    }

    /// `n` requests were answered.
    pub fn request(&mut self, kind: RequestKind, class: &StorageClass, n: u64) {
        let class = match kind {
            RequestKind::List | RequestKind::Delete | RequestKind::Cancel => StorageClass::Standard,
            _ => class.clone(),
        };
        self.count(Use::Request(kind, class), n.into());
    }

    /// An object version stopped being stored this way, or the bill is drawn
    /// up to `to`; the next stretch begins there.
    pub fn stored(&mut self, what: Stored) {
        let Stored { class, access, bytes, from, to } = what;
        let small = bytes < SMALL_OBJECT_BYTES;
        let access = match class {
            StorageClass::IntelligentTiering if small => Some(Access::Frequent),
            StorageClass::IntelligentTiering => access.or(Some(Access::Frequent)),
            _ => None,
        };
        let archived = class.is_archive() || access.is_some_and(Access::is_archive);
        if archived {
            self.span(&Use::Names, NAME_BYTES, from, to);
        }
        let billed = billed_bytes(&class, bytes) + if access.is_some() && archived { INDEX_BYTES } else { 0 };
        self.span(&Use::Storage(class, access), billed, from, to);
    }

    /// An object version that entered its class at `since` left it at `at`:
    /// removed, overwritten in a bucket without versions, or moved to another
    /// class. What is missing from the minimum of the class is charged now, at
    /// its storage rate.
    pub fn removed(&mut self, class: &StorageClass, bytes: u64, since: Time, at: Time) {
        self.at(at);
        let due = since.0.saturating_add(minimum_days(class).saturating_mul(DAY_NS));
        let missing = milliseconds(at, Time(due));
        if missing > 0 {
            let use_ = Use::EarlyDelete(class.clone());
            self.count_in(Month::of(at), use_, u128::from(billed_bytes(class, bytes)) * missing);
        }
    }

    /// A restore that has to fetch the bytes was accepted; asking again for a
    /// thawed object only to keep it longer is a request and nothing more.
    pub fn thawed(&mut self, class: &StorageClass, access: Option<Access>, tier: Tier, bytes: u64) {
        if class.is_archive() || access.is_some_and(Access::is_archive) {
            self.count(Use::Thaw(class.clone(), tier), bytes.into());
        }
    }

    /// The thawed copy of an object lay beside it.
    pub fn thawed_copy(&mut self, bytes: u64, from: Time, to: Time) {
        self.span(&Use::Copies, bytes, from, to);
    }

    /// Bytes were read from an object; only the infrequent-access and instant
    /// classes charge for it.
    pub fn retrieved(&mut self, class: &StorageClass, bytes: u64) {
        if matches!(class, StorageClass::StandardIa | StorageClass::OnezoneIa | StorageClass::GlacierIr) {
            self.count(Use::Read(class.clone()), bytes.into());
        }
    }

    /// Bytes went out to the internet.
    pub fn egress(&mut self, bytes: u64, at: Time) {
        self.at(at);
        self.count_in(Month::of(at), Use::Egress, bytes.into());
    }

    /// Objects of at least [`SMALL_OBJECT_BYTES`] in `INTELLIGENT_TIERING` were
    /// monitored for a time.
    pub fn monitored(&mut self, objects: u64, from: Time, to: Time) {
        self.span(&Use::Monitoring, objects, from, to);
    }

    /// A Batch Operations job ran over so many objects.
    pub fn batch_job(&mut self, objects: u64) {
        self.count(Use::Jobs, 1);
        self.count(Use::JobObjects, objects.into());
    }

    /// The bill for everything so far.
    pub fn bill(&self) -> Bill {
        sum::bill(&self.region, &self.counts)
    }

    fn count(&mut self, what: Use, n: u128) {
        self.count_in(Month::of(self.now), what, n);
    }

    fn count_in(&mut self, month: Month, what: Use, n: u128) {
        if n > 0 {
            *self.counts.entry((month, what)).or_default() += n;
        }
    }

    /// `amount` for a time, in the months it falls in.
    fn span(&mut self, what: &Use, amount: u64, from: Time, to: Time) {
        if to <= from {
            return;
        }
        self.at(to);
        let mut month = Month::of(from);
        loop {
            let until = month.end().min(to);
            let time = milliseconds(from.max(month.start()), until);
            self.count_in(month, what.clone(), u128::from(amount) * time);
            if until == to {
                return;
            }
            month = month.next();
        }
    }
}

/// What a class bills for an object of `bytes`, at its own rate.
fn billed_bytes(class: &StorageClass, bytes: u64) -> u64 {
    match class {
        StorageClass::StandardIa | StorageClass::OnezoneIa | StorageClass::GlacierIr => bytes.max(SMALL_OBJECT_BYTES),
        StorageClass::Glacier | StorageClass::DeepArchive => bytes.saturating_add(INDEX_BYTES),
        _ => bytes,
    }
}

/// How long a class bills at least.
fn minimum_days(class: &StorageClass) -> i64 {
    match class {
        StorageClass::StandardIa | StorageClass::OnezoneIa => 30,
        StorageClass::GlacierIr | StorageClass::Glacier => 90,
        StorageClass::DeepArchive => 180,
        _ => 0,
    }
}

/// Whole milliseconds between the starts of two milliseconds, so that
/// adjoining stretches add up; none if `to` is not later.
fn milliseconds(from: Time, to: Time) -> u128 {
    let ms = |t: Time| t.0.div_euclid(1_000_000);
    u128::try_from(ms(to) - ms(from)).unwrap_or(0)
}

/// One line of the bill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LineItem {
    /// `2026-11`, in UTC.
    pub month: String,
    /// `DEEP_ARCHIVE storage`; the same for each volume step of one thing.
    pub what: String,
    /// How many units, for people: the amount is not computed from it.
    pub quantity: f64,
    /// `GB-month` (of 2^30 bytes), `GB`, `request`, `object-month`, `object` or `job`.
    pub unit: String,
    /// Price of a unit.
    pub rate: Money,
    /// What it comes to.
    pub amount: Money,
}

/// The sum of one month.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MonthTotal {
    /// `2026-11`, in UTC.
    pub month: String,
    /// What it comes to.
    pub amount: Money,
}

/// A bill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bill {
    /// Where the objects lay.
    pub region: String,
    /// Whose prices are used; differs from `region` if that has no price list here.
    pub priced_as: String,
    /// By month, then by thing.
    pub lines: Vec<LineItem>,
    /// One for each month that has lines.
    pub months: Vec<MonthTotal>,
    /// Sum of everything.
    pub total: Money,
}

impl Bill {
    /// Sum of all lines called `what`, over all months and volume steps.
    pub fn amount_of(&self, what: &str) -> Money {
        self.lines.iter().filter(|line| line.what == what).map(|line| line.amount).sum()
    }
}

/// A map whose keys are no strings, as a list of pairs.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub(super) fn deserialize<'de, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::deserialize(deserializer)?.into_iter().collect())
    }
}
