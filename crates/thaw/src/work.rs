//! One step at work: the thaw, its packs, the money that is left, and how each of them is written
//! down.

use std::collections::BTreeSet;
use std::time::Duration;

use darkslide_catalog::{Catalog, LedgerRow, PackStep, ThawId, ThawPackRow, ThawRow};
use darkslide_price::{PriceError, Prices};
use darkslide_store::{Store, StoreError};
use darkslide_words::{Money, StorageClass, Time};

use crate::budget::month_of;
use crate::progress::Stop;
use crate::{Budget, BudgetLeft, Executor, ThawError, cost};

/// What stands at a pack whose request may or may not have arrived.
pub(crate) const LOST: &str = "the answer to a request was lost; what became of it is looked up";

/// Pauses after "no capacity" and after "too many requests".
pub(crate) const NO_CAPACITY_PAUSE: Duration = Duration::from_secs(15 * 60);
pub(crate) const BUSY_PAUSE: Duration = Duration::from_secs(60);

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A thaw.
    Ask,
    /// A thawed copy that shall stay longer.
    Extend,
    /// A thaw under way that shall become faster.
    Hurry,
}

pub(crate) struct Work<'a> {
    pub(crate) executor: &'a Executor<'a>,
    pub(crate) thaw: ThawRow,
    pub(crate) packs: Vec<ThawPackRow>,
    pub(crate) now: Time,
    pub(crate) left: BudgetLeft,
    pub(crate) stop: Option<Stop>,
    pub(crate) notes: Vec<String>,
    /// Stores that gave no answer in this step.
    pub(crate) down: BTreeSet<String>,
}

/// Steps in which a pack's download is still to be paid for.
pub(crate) fn under_way(step: PackStep) -> bool {
    matches!(step, PackStep::Asking | PackStep::Asked | PackStep::Warm)
}

impl<'a> Work<'a> {
    pub(crate) fn load(executor: &'a Executor<'a>, id: ThawId, now: Time) -> Result<Self, ThawError> {
        let thaw = executor.catalog.thaw(id)?.ok_or(ThawError::NoSuchThaw { id })?;
        let packs = executor.catalog.thaw_packs(id)?;
        let reserved: Money = packs.iter().filter(|pack| under_way(pack.step)).map(|pack| pack.fetch).sum();
        let pending: Money = packs.iter().map(|pack| pack.pending).sum();
        let of_month = executor.catalog.spent(month_of(now))? + executor.catalog.pending_costs()?;
        let budget = Budget { per_run: thaw.max_cost, ..executor.settings.budget };
        let left = BudgetLeft::new(budget, thaw.spent + pending + reserved, of_month + reserved);
        Ok(Self { executor, thaw, packs, now, left, stop: None, notes: Vec::new(), down: BTreeSet::new() })
    }

    pub(crate) fn catalog(&self) -> &'a Catalog {
        self.executor.catalog
    }

    pub(crate) fn prices(&self, store: &str) -> Option<&'a Prices> {
        self.executor.prices.get(store)
    }

    /// The store of that label, unless it gave no answer before.
    pub(crate) fn store(&self, label: &str) -> Result<Option<&'a dyn Store>, ThawError> {
        if self.down.contains(label) {
            return Ok(None);
        }
        let unknown = || ThawError::UnknownStore { store: label.to_string() };
        self.executor.stores.get(label).copied().map(Some).ok_or_else(unknown)
    }

    /// Goes on without a store that gives no answer; any other error ends the step.
    pub(crate) fn without(&mut self, store: &str, error: StoreError) -> Result<(), ThawError> {
        if !error.is_transient() {
            return Err(error.into());
        }
        self.notes.push(format!("{error}; its packs wait until it answers"));
        self.down.insert(store.to_string());
        Ok(())
    }

    /// What a request for the pack costs.
    pub(crate) fn cost(&self, row: &ThawPackRow, kind: Kind) -> Result<Money, PriceError> {
        let prices = self.prices(&row.store);
        let days = row.days.unwrap_or(self.thaw.days);
        let size = cost::thawed(&row.class, row.size, row.span);
        let thaw = cost::Thaw { class: &row.class, tier: self.thaw.tier, days, size };
        match kind {
            Kind::Ask => cost::ask(prices, thaw),
            Kind::Extend => cost::extend(prices, thaw),
            Kind::Hurry => cost::hurry(prices, thaw),
        }
    }

    /// What the request was for whose outcome is open.
    pub(crate) fn kind(&self, row: &ThawPackRow) -> Kind {
        match (&row.job, row.until, row.tier < self.thaw.tier) {
            (None, Some(_), _) => Kind::Extend,
            (None, None, true) => Kind::Hurry,
            _ => Kind::Ask,
        }
    }

    pub(crate) fn days(&self, class: &StorageClass) -> Option<u32> {
        (*class != StorageClass::IntelligentTiering).then_some(self.thaw.days)
    }

    /// Writes rows down with what each has just cost, in one transaction.
    pub(crate) fn record(&mut self, changes: Vec<Change>) -> Result<(), ThawError> {
        if changes.is_empty() {
            return Ok(());
        }
        let (id, catalog) = (self.thaw.id, self.catalog());
        let rows = changes.iter().map(|change| self.ledger(change)).collect::<Vec<_>>();
        catalog.transaction(|| -> Result<(), ThawError> {
            for (change, ledger) in changes.iter().zip(rows) {
                catalog.put_thaw_pack(id, &change.row)?;
                if let Some(ledger) = ledger {
                    catalog.add_spent(id, change.paid)?;
                    catalog.add_ledger(&ledger)?;
                }
            }
            Ok(())
        })?;
        for change in changes {
            self.thaw.spent += change.paid;
            self.packs[change.at] = change.row;
        }
        Ok(())
    }

    fn ledger(&self, change: &Change) -> Option<LedgerRow> {
        (change.paid != Money::ZERO).then(|| LedgerRow {
            at: self.now,
            kind: change.what.into(),
            reference: format!("thaw {}", self.thaw.id),
            what: format!("{}, {}", change.row.name, change.row.store),
            quoted: change.quoted,
            actual: change.paid,
        })
    }
}

/// A pack's new row, and what its change has cost.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) at: usize,
    pub(crate) row: ThawPackRow,
    pub(crate) what: &'static str,
    pub(crate) quoted: Money,
    pub(crate) paid: Money,
}

impl Change {
    /// One that costs nothing.
    pub(crate) fn free(at: usize, row: ThawPackRow) -> Self {
        Self { at, row, what: "", quoted: Money::ZERO, paid: Money::ZERO }
    }

    /// One that pays `paid` of what was set aside for a request.
    pub(crate) fn paid(at: usize, mut row: ThawPackRow, kind: Kind, paid: Money) -> Self {
        let quoted = row.pending;
        row.cost += paid;
        row.pending = Money::ZERO;
        let what = match kind {
            Kind::Ask => "thaw",
            Kind::Extend => "longer thaw",
            Kind::Hurry => "faster thaw",
        };
        Self { at, row, what, quoted, paid }
    }
}
