//! From counts to a bill.
//!
//! **Invariant:** volume steps start anew each month; `STANDARD` objects, names
//! of archived objects and thawed copies share one volume, as they share one
//! usage type.

use std::collections::BTreeMap;

use darkslide_words::{Money, StorageClass};

use super::month::Month;
use super::rates::{self, GB, Rates};
use super::{Access, Bill, LineItem, MonthTotal, RequestKind, Use};

/// Draws the bill.
pub(super) fn bill(region: &str, counts: &BTreeMap<(Month, Use), u128>) -> Bill {
    let rates = Rates::of(region);
    let mut drawn = Bill {
        region: region.to_string(),
        priced_as: rates.region.to_string(),
        lines: Vec::new(),
        months: Vec::new(),
        total: Money::ZERO,
    };
    let mut sheet: Option<Sheet<'_>> = None;
    for ((month, what), count) in counts {
        if sheet.as_ref().is_none_or(|sheet| sheet.month != *month) {
            if let Some(done) = sheet.take() {
                done.close(&mut drawn);
            }
            sheet = Some(Sheet::new(*month, rates));
        }
        if let Some(sheet) = &mut sheet {
            sheet.add(what, *count);
        }
    }
    if let Some(done) = sheet {
        done.close(&mut drawn);
    }
    drawn
}

/// A month being summed.
struct Sheet<'a> {
    month: Month,
    rates: &'a Rates,
    lines: Vec<LineItem>,
    /// Byte-milliseconds of `STANDARD` billed so far.
    standard: u128,
}

/// Something that is priced by the unit.
pub(super) struct Priced {
    pub(super) what: String,
    pub(super) unit: &'static str,
    /// How much of what is counted makes one unit.
    pub(super) per_unit: u128,
}

impl<'a> Sheet<'a> {
    fn new(month: Month, rates: &'a Rates) -> Self {
        Self { month, rates, lines: Vec::new(), standard: 0 }
    }

    fn close(self, bill: &mut Bill) {
        let amount = self.lines.iter().map(|line| line.amount).sum();
        bill.lines.extend(self.lines);
        bill.months.push(MonthTotal { month: self.month.to_string(), amount });
        bill.total += amount;
    }

    fn add(&mut self, what: &Use, count: u128) {
        match what {
            Use::Storage(class, access) => self.storage(class, *access, count),
            Use::Names => self.standard_storage("STANDARD storage: names of archived objects", count),
            Use::Copies => self.standard_storage("STANDARD storage: thawed copies", count),
            Use::EarlyDelete(class) => {
                let rate = self.rates.class(class).storage;
                self.line(&self.gb_months(format!("{class} early deletion")), count, rate);
            }
            Use::Monitoring => {
                let what = "INTELLIGENT_TIERING monitoring".to_string();
                let per_unit = self.month.milliseconds();
                self.line(&Priced { what, unit: "object-month", per_unit }, count, rates::MONITORING);
            }
            Use::Request(kind, class) => self.requests(*kind, class, count),
            Use::Thaw(class, tier) => {
                let rate = self.rates.class(class).thaw[rates::place(*tier)];
                self.line(&gb(format!("{class} retrieval, {tier}")), count, rate);
            }
            Use::Read(class) => {
                let rate = self.rates.class(class).read;
                self.line(&gb(format!("{class} retrieval")), count, rate);
            }
            Use::Egress => self.egress(count),
            Use::Jobs => self.line(&each("Batch Operations jobs".into(), "job"), count, rates::JOB),
            Use::JobObjects => {
                self.line(&each("Batch Operations objects".into(), "object"), count, rates::JOB_OBJECT);
            }
            Use::Vault(what) => {
                let per_gb_month = GB * self.month.milliseconds();
                self.line(&what.priced(per_gb_month), count, what.rate(&self.rates.vault));
            }
        }
    }

    fn storage(&mut self, class: &StorageClass, access: Option<Access>, count: u128) {
        match (class, access) {
            (StorageClass::Standard, _) => self.standard_storage("STANDARD storage", count),
            (_, Some(Access::Frequent)) => {
                let priced = self.gb_months(format!("{class} storage, frequent access"));
                let mut before = 0;
                self.stepped(&priced, count, &mut before, &self.rates.standard_steps);
            }
            (_, Some(access)) => {
                let tier = match access {
                    Access::Frequent => "frequent",
                    Access::Infrequent => "infrequent",
                    Access::ArchiveInstant => "archive instant",
                    Access::Archive => "archive",
                    Access::DeepArchive => "deep archive",
                };
                let rate = self.rates.access(access);
                self.line(&self.gb_months(format!("{class} storage, {tier} access")), count, rate);
            }
            (_, None) => {
                let rate = self.rates.class(class).storage;
                self.line(&self.gb_months(format!("{class} storage")), count, rate);
            }
        }
    }

    fn standard_storage(&mut self, what: &str, count: u128) {
        let priced = self.gb_months(what.to_string());
        let mut before = self.standard;
        self.stepped(&priced, count, &mut before, &self.rates.standard_steps);
        self.standard = before;
    }

    fn requests(&mut self, kind: RequestKind, class: &StorageClass, count: u128) {
        let rates = self.rates.class(class);
        let (what, rate) = match kind {
            RequestKind::Put => (format!("{class} PUT requests"), rates.put),
            RequestKind::List => ("LIST requests".to_string(), rates.put),
            RequestKind::Get => (format!("{class} GET requests"), rates.get),
            RequestKind::LifecycleTransition => (format!("{class} lifecycle transitions"), rates.transition),
            RequestKind::Restore(tier) => {
                (format!("{class} restore requests, {tier}"), rates.restore[rates::place(tier)])
            }
            RequestKind::Select => (format!("{class} SELECT requests"), rates.get),
            RequestKind::Delete => ("DELETE requests".to_string(), 0),
            RequestKind::Cancel => ("cancelled uploads".to_string(), 0),
        };
        self.line(&each(what, "request"), count, rate);
    }

    fn egress(&mut self, bytes: u128) {
        let free = bytes.min(rates::FREE_EGRESS_GB * GB);
        self.line(&gb("transfer out to the internet".into()), free, 0);
        let mut before = 0;
        let priced = gb("transfer out to the internet".into());
        self.stepped(&priced, bytes - free, &mut before, &rates::EGRESS_STEPS);
    }

    /// One line for each volume step that is reached; `before` is what was
    /// billed on the same steps already.
    fn stepped(&mut self, priced: &Priced, count: u128, before: &mut u128, steps: &[(Option<u128>, u64)]) {
        let mut left = count;
        for (up_to, rate) in steps {
            let room = up_to.map_or(left, |units| (units * priced.per_unit).saturating_sub(*before));
            let here = left.min(room);
            self.line(priced, here, *rate);
            *before += here;
            left -= here;
        }
    }

    fn line(&mut self, priced: &Priced, count: u128, rate: u64) {
        if count == 0 {
            return;
        }
        let billionths = (count * u128::from(rate) + priced.per_unit / 2) / priced.per_unit;
        self.lines.push(LineItem {
            month: self.month.to_string(),
            what: priced.what.clone(),
            quantity: count as f64 / priced.per_unit as f64,
            unit: priced.unit.to_string(),
            rate: Money(i64::try_from(rate).unwrap_or(i64::MAX)),
            amount: Money(i64::try_from(billionths).unwrap_or(i64::MAX)),
        });
    }

    /// Byte-milliseconds, of which a GB for this month makes one unit.
    fn gb_months(&self, what: String) -> Priced {
        Priced { what, unit: "GB-month", per_unit: GB * self.month.milliseconds() }
    }
}

fn gb(what: String) -> Priced {
    Priced { what, unit: "GB", per_unit: GB }
}

fn each(what: String, unit: &'static str) -> Priced {
    Priced { what, unit, per_unit: 1 }
}
