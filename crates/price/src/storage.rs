//! Storage: by class and access tier, overheads, minimums, thawed copies, early deletion.

use darkslide_words::{Bytes, Count, StorageClass};

use crate::prices::cut;
use crate::quote::{GIB_MONTHS, OBJECTS};
use crate::{Access, GIB, Line, PriceError, Prices, Rate, Step, months, terms};

/// Objects smaller than this stay in Frequent Access and are not monitored.
const MONITORED_FROM: u64 = 128 << 10;

/// Which storage rate applies.
struct Storage<'a> {
    key: String,
    rate: Rate,
    steps: &'a [Step],
    label: String,
}

impl Prices {
    /// A month of storage.
    ///
    /// Bytes (at least the class's minimum per object) ÷ 2^30 × the class's rate, in steps where
    /// the class has them; for each object of an archive 32 KiB at its rate and 8 KiB at that of
    /// `STANDARD`; in Intelligent-Tiering the fee per monitored object. Objects are taken to be of
    /// one size: with a minimum size, give small and large ones separately. An unknown access tier
    /// is taken to be the dearest, Frequent.
    ///
    /// Source: user guide, storage-class-intro and intelligent-tiering-overview.
    pub fn storage(
        &self,
        class: &StorageClass,
        access: Option<Access>,
        objects: Count,
        bytes: Bytes,
    ) -> Result<Vec<Line>, PriceError> {
        self.storage_beyond(class, access, objects, bytes, 0.0)
    }

    /// The same where so many GiB of the class lie there already, for the steps.
    pub(crate) fn storage_beyond(
        &self,
        class: &StorageClass,
        access: Option<Access>,
        objects: Count,
        bytes: Bytes,
        gib_before: f64,
    ) -> Result<Vec<Line>, PriceError> {
        let storage = self.storage_rate(class, access)?;
        let terms = terms(class, access);
        let billed = billed(bytes, objects, terms.min_bytes) / GIB;
        let mut lines = Vec::new();
        for (part, rate) in cut(storage.rate, storage.steps, gib_before, gib_before + billed) {
            let stepped = rate.to_bits() != storage.rate.usd().to_bits();
            let key = if stepped { format!("classes.{class}.storage_steps") } else { storage.key.clone() };
            lines.extend(self.line(&key, format!("Storage, {}", storage.label), part, GIB_MONTHS, rate));
        }
        let overhead = gib(terms.overhead, objects);
        let what = format!("Overhead, 32 KiB an object, {}", storage.label);
        lines.extend(self.line(&storage.key, what, overhead, GIB_MONTHS, storage.rate.usd()));
        if terms.overhead_standard.0 > 0 {
            let standard = self.storage_rate(&StorageClass::Standard, None)?;
            let quantity = gib(terms.overhead_standard, objects);
            let what = "Overhead, 8 KiB an object, STANDARD".to_string();
            lines.extend(self.line(&standard.key, what, quantity, GIB_MONTHS, standard.rate.usd()));
        }
        if *class == StorageClass::IntelligentTiering {
            // Of small objects no more can reach the limit than would fill the bytes.
            let monitored = objects.0.min(bytes.0 / MONITORED_FROM) as f64;
            let what = "Monitoring, INTELLIGENT_TIERING".to_string();
            let rate = self.tiering.monitoring.each();
            lines.extend(self.line("intelligent_tiering.monitoring", what, monitored, OBJECTS, rate));
        }
        Ok(lines)
    }

    /// The copies that a thaw makes, for some days: bytes ÷ 2^30 × days × 24 ÷ 730 × the first rate
    /// of `STANDARD`, besides the storage in the archive. (A thaw in Intelligent-Tiering makes none.)
    ///
    /// Source: user guide, restoring-objects: a restored copy is billed as additional storage.
    pub fn thawed_copy(&self, bytes: Bytes, days: u32) -> Result<Vec<Line>, PriceError> {
        let standard = self.storage_rate(&StorageClass::Standard, None)?;
        // Days out of a month of 30: exact in those, 3 % too much in longer ones.
        let quantity = bytes.0 as f64 / GIB * f64::from(days) / 30.0;
        let what = format!("Thawed copies for {days} day{}, STANDARD", if days == 1 { "" } else { "s" });
        Ok(self.line(&standard.key, what, quantity, GIB_MONTHS, standard.rate.usd()).into_iter().collect())
    }

    /// What an Intelligent-Tiering object costs more after a thaw, which moves it back to Frequent
    /// Access: 30 days there and 60 in Infrequent Access, each above the rate it came from; and on
    /// the way to Deep Archive Access 90 in Archive Access, as its usual rules say (90 and 180 days).
    ///
    /// Source: user guide, intelligent-tiering-overview.
    pub fn back_to_frequent(&self, from: Access, bytes: Bytes) -> Result<Vec<Line>, PriceError> {
        let class = &StorageClass::IntelligentTiering;
        let was = self.storage_rate(class, Some(from))?;
        let mut stays = vec![(Access::Frequent, 30), (Access::Infrequent, 60)];
        if from == Access::DeepArchive {
            stays.push((Access::Archive, 90));
        }
        let mut lines = Vec::new();
        for (access, days) in stays {
            let now = self.storage_rate(class, Some(access))?;
            let what = format!("Back in {access} for {days} days, above {from}");
            let more = (now.rate.usd() - was.rate.usd()).max(0.0);
            let line = self.line(&now.key, what, bytes.0 as f64 / GIB * months(days), GIB_MONTHS, more);
            let doubt = self.is_unconfirmed(&was.key);
            lines.extend(line.map(|line| Line { unconfirmed: line.unconfirmed || doubt, ..line }));
        }
        Ok(lines)
    }

    /// Deleting, overwriting or moving before the minimum stay is over: the remaining days at the
    /// class's storage rate, on the billed bytes and the archive's own overhead.
    ///
    /// Source: user guide, lifecycle-transition-general-considerations (pro-rated charge). That
    /// the 32 KiB are charged too is the dearer reading.
    pub fn early_deletion(
        &self,
        class: &StorageClass,
        objects: Count,
        bytes: Bytes,
        age_days: u32,
    ) -> Result<Vec<Line>, PriceError> {
        let storage = self.storage_rate(class, None)?;
        let terms = terms(class, None);
        let days = terms.min_days.saturating_sub(age_days);
        let amount = billed(bytes, objects, terms.min_bytes) / GIB + gib(terms.overhead, objects);
        let what = format!("{days} of {} minimum days left, {class}", terms.min_days);
        Ok(self.line(&storage.key, what, amount * months(days), GIB_MONTHS, storage.rate.usd()).into_iter().collect())
    }

    fn storage_rate(&self, class: &StorageClass, access: Option<Access>) -> Result<Storage<'_>, PriceError> {
        let prices = self.class(class)?;
        let tiered = *class == StorageClass::IntelligentTiering;
        let tier = |name: &str, rate: Rate, access: Access| Storage {
            key: format!("intelligent_tiering.{name}"),
            rate,
            steps: &[],
            label: format!("{class}, {access}"),
        };
        Ok(match access.filter(|_| tiered) {
            Some(Access::Infrequent) => tier("infrequent", self.tiering.infrequent, Access::Infrequent),
            Some(Access::ArchiveInstant) => {
                tier("archive_instant", self.tiering.archive_instant, Access::ArchiveInstant)
            }
            Some(Access::Archive) => tier("archive", self.tiering.archive, Access::Archive),
            Some(Access::DeepArchive) => tier("deep_archive", self.tiering.deep_archive, Access::DeepArchive),
            Some(Access::Frequent) | None => Storage {
                key: format!("classes.{class}.storage"),
                rate: prices.storage,
                steps: &prices.storage_steps,
                label: if tiered { format!("{class}, {}", Access::Frequent) } else { class.to_string() },
            },
        })
    }
}

/// Bytes that are billed, as if all objects were of one size.
fn billed(bytes: Bytes, objects: Count, min_bytes: Bytes) -> f64 {
    (bytes.0 as f64).max(objects.0 as f64 * min_bytes.0 as f64)
}

fn gib(each: Bytes, objects: Count) -> f64 {
    each.0 as f64 * objects.0 as f64 / GIB
}
