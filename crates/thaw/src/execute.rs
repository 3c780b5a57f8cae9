//! The executor: re-reads the rows, does what is due, writes it down, and ends. Nothing waits in
//! memory; the next call may come from another process.

use std::collections::BTreeMap;
use std::fmt;

use darkslide_catalog::{Catalog, LedgerRow, PackStep, ThawId, ThawPackRow, ThawRow, ThawState};
use darkslide_store::Store;
use darkslide_words::{Money, ObjectName, StorageClass, Time};
use serde::Serialize;

use crate::budget::month_of;
use crate::plan::{How, Planned, ThawPlan};
use crate::progress::{Progress, Tally};
use crate::work::{Work, under_way};
use crate::{Budget, BudgetLeft, PriceMap, ThawError, cost, show};

/// What all thaws on this machine share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The line's speed, bits per second.
    pub bandwidth: u64,
    /// What may be spent.
    pub budget: Budget,
    /// Packs from which on a store's bulk engine is used.
    pub bulk_from: u64,
}

/// A pack that can be read, by an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warmed {
    /// Label of the store.
    pub store: String,
    /// The pack.
    pub name: ObjectName,
    /// Until when, if that ends and the event says so.
    pub until: Option<Time>,
}

/// Makes plans true.
pub struct Executor<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) stores: BTreeMap<String, &'a dyn Store>,
    pub(crate) prices: &'a PriceMap,
    pub(crate) settings: Settings,
}

impl fmt::Debug for Executor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stores: Vec<&String> = self.stores.keys().collect();
        f.debug_struct("Executor").field("stores", &stores).field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// What a cancelled thaw leaves behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cancelled {
    /// What it has cost.
    pub paid: Money,
    /// Thawed, or being thawed: that cannot be taken back.
    pub thawed: Tally,
    /// By when the last thawed copy has vanished by itself; nothing if there is none.
    pub gone_by: Option<Time>,
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Nothing more is asked for. {} was paid.", self.paid)?;
        if self.thawed.packs.0 == 0 {
            return Ok(());
        }
        let packs = show::packs(self.thawed.packs.0);
        writeln!(f, "{packs} ({}) are thawed or being thawed; that cannot be taken back.", self.thawed.bytes)?;
        match self.gone_by {
            Some(time) => writeln!(f, "Thawed copies vanish by themselves, the last by about {}.", time.local()),
            None => Ok(()),
        }
    }
}

impl<'a> Executor<'a> {
    /// Over these stores, each known by its label.
    pub fn new(catalog: &'a Catalog, stores: &[&'a dyn Store], prices: &'a PriceMap, settings: Settings) -> Self {
        let stores = stores.iter().map(|store| (store.label(), *store)).collect();
        Self { catalog, stores, prices, settings }
    }

    /// Writes a plan down as confirmed; nothing is asked for yet. `order` says what it is for, as
    /// JSON, for whoever goes on with it. The lower one of `max_cost` and the budget's limit for a
    /// run holds. Refused if the plan costs more, or if it is over before the month is, and costs
    /// more than the month has left.
    pub fn begin(&self, plan: &ThawPlan, order: &str, max_cost: Option<Money>, now: Time) -> Result<ThawId, ThawError> {
        let max_cost = [max_cost, self.settings.budget.per_run].into_iter().flatten().min();
        let quoted = plan.quote.total();
        let ends_within = month_of(now.plus(plan.last_byte)) == month_of(now);
        let budget = Budget { per_run: max_cost, per_month: self.settings.budget.per_month.filter(|_| ends_within) };
        let of_month = self.catalog.spent(month_of(now))? + self.catalog.pending_costs()?;
        BudgetLeft::new(budget, Money::ZERO, of_month).take(quoted)?;
        if let Some(pack) = plan.packs.iter().find(|pack| !self.stores.contains_key(&pack.store)) {
            return Err(ThawError::UnknownStore { store: pack.store.clone() });
        }
        let row = ThawRow {
            id: ThawId(0),
            made: now,
            ended: None,
            state: ThawState::Open,
            order: order.to_string(),
            tier: plan.tier,
            days: plan.days,
            max_cost,
            quoted,
            spent: Money::ZERO,
        };
        let packs: Vec<ThawPackRow> = plan.packs.iter().map(|pack| pack_row(plan, pack, now)).collect();
        Ok(self.catalog.add_thaw(&row, &packs)?)
    }

    /// Does what is due: looks at what is under way, counts anew what is left, goes on with bulk
    /// jobs, makes thawed copies stay, asks for what is due. May be called at any time, also when
    /// the step before was killed anywhere.
    pub fn step(&self, id: ThawId, now: Time) -> Result<Progress, ThawError> {
        self.step_with(id, now, None)
    }

    /// The same, with events in place of listings; what no event can tell is listed all the same.
    pub fn step_after_events(&self, id: ThawId, now: Time, ready: &[Warmed]) -> Result<Progress, ThawError> {
        self.step_with(id, now, Some(ready))
    }

    fn step_with(&self, id: ThawId, now: Time, ready: Option<&[Warmed]>) -> Result<Progress, ThawError> {
        let mut work = Work::load(self, id, now)?;
        if work.thaw.state != ThawState::Open {
            return Ok(Progress::of(&work.packs, work.thaw.state, work.thaw.spent, now));
        }
        if let Some(ready) = ready {
            work.hear(ready)?;
        }
        let unsettled = |row: &ThawPackRow| row.step == PackStep::Asking && row.job.is_none();
        if ready.is_none() || work.packs.iter().any(unsettled) {
            work.look()?;
        }
        work.expire()?;
        work.run_jobs()?;
        work.requote()?;
        if work.stop.is_none() {
            work.extend()?;
            work.hurry()?;
            work.ask_due()?;
        }
        let state = self.end_if_verified(&work.thaw, &work.packs, now)?;
        let mut progress = Progress::of(&work.packs, state, work.thaw.spent, now);
        progress.notes.append(&mut work.notes);
        progress.stop = work.stop;
        progress.after_step(&work.packs, now);
        Ok(progress)
    }

    /// How far it is, without asking anybody.
    pub fn progress(&self, id: ThawId, now: Time) -> Result<Progress, ThawError> {
        let thaw = self.row(id)?;
        Ok(Progress::of(&self.catalog.thaw_packs(id)?, thaw.state, thaw.spent, now))
    }

    /// These packs were read. Their download is entered in the ledger, once.
    pub fn downloaded(&self, id: ThawId, names: &[ObjectName], now: Time) -> Result<(), ThawError> {
        self.advance(id, names, PackStep::Downloaded, now)
    }

    /// These packs were read and are what they should be. With the last one the thaw is done.
    pub fn verified(&self, id: ThawId, names: &[ObjectName], now: Time) -> Result<(), ThawError> {
        self.advance(id, names, PackStep::Verified, now)
    }

    /// These packs were found cold when they were to be read: they are asked for again.
    pub fn found_cold(&self, id: ThawId, names: &[ObjectName], now: Time) -> Result<(), ThawError> {
        let thaw = self.row(id)?;
        self.change(id, names, |row| {
            // Also what was read before: a file that lies in two packs needs both at once.
            if matches!(row.step, PackStep::Warm | PackStep::Downloaded | PackStep::Verified) {
                crate::look::cold(row, thaw.tier);
                (row.due, row.note) = (now, "it could not be read though it was believed to be readable".into());
            }
        })
    }

    /// Gives failed packs another chance: all of them are asked for again.
    pub fn retry(&self, id: ThawId, now: Time) -> Result<(), ThawError> {
        let thaw = self.open(id)?;
        let all: Vec<ObjectName> = self.catalog.thaw_packs(id)?.into_iter().map(|row| row.name).collect();
        self.change(id, &all, |row| {
            if row.step == PackStep::Failed {
                crate::look::cold(row, thaw.tier);
                (row.due, row.note) = (now, String::new());
            }
        })
    }

    /// Somebody has seen what it costs now, and wants it: the answer to [`crate::Stop`].
    pub fn confirm(&self, id: ThawId, quoted: Money, max_cost: Option<Money>) -> Result<(), ThawError> {
        let thaw = self.open(id)?;
        Ok(self.catalog.confirm_thaw(id, thaw.tier, quoted, max_cost)?)
    }

    /// Asks for nothing more. What was asked for goes on by itself, and is paid.
    pub fn cancel(&self, id: ThawId, now: Time) -> Result<Cancelled, ThawError> {
        let mut work = Work::load(self, id, now)?;
        if work.thaw.state == ThawState::Done {
            return Err(ThawError::Ended { id, state: work.thaw.state.word() });
        }
        // What became of these is not looked up any more: they count as asked for and paid.
        let mut changes = Vec::new();
        for (at, row) in work.packs.iter().enumerate().filter(|(_, row)| row.step == PackStep::Asking) {
            let mut change = crate::work::Change::paid(at, row.clone(), work.kind(row), row.pending);
            change.row.step = PackStep::Asked;
            changes.push(change);
        }
        work.record(changes)?;
        if work.thaw.state == ThawState::Open {
            self.catalog.end_thaw(id, ThawState::Cancelled, now)?;
        }
        let thawed: Vec<&ThawPackRow> =
            work.packs.iter().filter(|row| row.asked.is_some() && under_way(row.step)).collect();
        Ok(Cancelled {
            paid: work.thaw.spent,
            thawed: Tally {
                packs: darkslide_words::Count(thawed.len() as u64),
                bytes: thawed.iter().map(|row| row.size).sum(),
            },
            gone_by: thawed.iter().filter_map(|row| gone_by(row, now)).max(),
        })
    }

    pub(crate) fn row(&self, id: ThawId) -> Result<ThawRow, ThawError> {
        self.catalog.thaw(id)?.ok_or(ThawError::NoSuchThaw { id })
    }

    pub(crate) fn open(&self, id: ThawId) -> Result<ThawRow, ThawError> {
        let row = self.row(id)?;
        match row.state {
            ThawState::Open => Ok(row),
            state => Err(ThawError::Ended { id, state: state.word() }),
        }
    }

    fn end_if_verified(&self, thaw: &ThawRow, packs: &[ThawPackRow], now: Time) -> Result<ThawState, ThawError> {
        let done = packs.iter().all(|row| row.step == PackStep::Verified);
        if !done || thaw.state != ThawState::Open {
            return Ok(thaw.state);
        }
        self.catalog.end_thaw(thaw.id, ThawState::Done, now)?;
        Ok(ThawState::Done)
    }

    fn advance(&self, id: ThawId, names: &[ObjectName], to: PackStep, now: Time) -> Result<(), ThawError> {
        let thaw = self.row(id)?;
        let mut packs = self.catalog.thaw_packs(id)?;
        let names: std::collections::BTreeSet<&ObjectName> = names.iter().collect();
        self.catalog.transaction(|| -> Result<(), ThawError> {
            for row in packs.iter_mut().filter(|row| names.contains(&row.name)) {
                if row.step >= to && row.step != PackStep::Failed {
                    continue;
                }
                let fresh = !matches!(row.step, PackStep::Downloaded | PackStep::Verified);
                // A request without an answer did arrive: it was read.
                let paid = std::mem::take(&mut row.pending) + if fresh { row.fetch } else { Money::ZERO };
                row.cost += paid - if fresh { row.fetch } else { Money::ZERO };
                (row.step, row.note, row.job) = (to, String::new(), None);
                self.catalog.put_thaw_pack(id, row)?;
                if paid != Money::ZERO {
                    self.catalog.add_spent(id, paid)?;
                    self.catalog.add_ledger(&LedgerRow {
                        at: now,
                        kind: "download".into(),
                        reference: format!("thaw {id}"),
                        what: format!("{}, {}", row.name, row.store),
                        quoted: paid,
                        actual: paid,
                    })?;
                }
            }
            self.end_if_verified(&thaw, &packs, now).map(|_| ())
        })
    }

    fn change(&self, id: ThawId, names: &[ObjectName], change: impl Fn(&mut ThawPackRow)) -> Result<(), ThawError> {
        let packs = self.catalog.thaw_packs(id)?;
        let names: std::collections::BTreeSet<&ObjectName> = names.iter().collect();
        self.catalog.transaction(|| -> Result<(), ThawError> {
            for mut row in packs.into_iter().filter(|row| names.contains(&row.name)) {
                let was = row.clone();
                change(&mut row);
                if row != was {
                    self.catalog.put_thaw_pack(id, &row)?;
                }
            }
            Ok(())
        })
    }
}

fn gone_by(row: &ThawPackRow, now: Time) -> Option<Time> {
    let days = row.days?;
    let stay = std::time::Duration::from_secs(u64::from(days.saturating_add(1)) * 24 * 3600);
    let ready = row.asked.unwrap_or(now).plus(cost::window(&row.class, row.tier).last).max(now);
    Some(row.until.unwrap_or(ready.plus(stay)))
}

fn pack_row(plan: &ThawPlan, pack: &Planned, now: Time) -> ThawPackRow {
    let moving = pack.class == StorageClass::IntelligentTiering;
    // Waves were timed from when the plan was made.
    let after = pack.wave.checked_sub(1).and_then(|at| plan.waves.get(at as usize));
    let wait = after.map_or(std::time::Duration::ZERO, |wave| plan.made.until(wave.due));
    ThawPackRow {
        store: pack.store.clone(),
        name: pack.name.clone(),
        size: pack.size,
        wanted: pack.wanted,
        span: pack.span,
        class: pack.class.clone(),
        step: if pack.how == How::Ready { PackStep::Warm } else { PackStep::Cold },
        wave: pack.wave,
        tier: plan.tier,
        days: (!moving).then_some(plan.days),
        due: now.plus(wait),
        asked: None,
        until: pack.until,
        cost: Money::ZERO,
        pending: Money::ZERO,
        fetch: pack.fetch,
        extensions: 0,
        job: None,
        note: String::new(),
    }
}
