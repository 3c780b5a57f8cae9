//! Asking: first the row, durable, then the request, then its outcome.

use std::collections::BTreeMap;
use std::time::Duration;

use darkslide_catalog::PackStep;
use darkslide_price::download_time;
use darkslide_store::{StoreError, ThawAsk};
use darkslide_words::{Bytes, Money, StorageClass, Time};

use crate::progress::Stop;
use crate::work::{BUSY_PAUSE, Change, Kind, LOST, Work, under_way};
use crate::{ThawError, bulk_pays, cost, waves};

/// Differences below a cent stop nothing: looks by listing, rounding.
const TOLERANCE: Money = Money(10_000_000);

/// How often a thawed copy is made to stay longer: whoever does not come for it pays no more.
const EXTENSIONS_MAX: u32 = 2;

impl Work<'_> {
    /// Counts anew what is left; stops if it is dearer than what was confirmed.
    pub(crate) fn requote(&mut self) -> Result<(), ThawError> {
        let mut all = self.thaw.spent + self.job_fees();
        for row in &self.packs {
            all += row.pending;
            if under_way(row.step) || row.step == PackStep::Cold {
                all += row.fetch;
            }
            all += match row.step {
                PackStep::Cold => self.cost(row, Kind::Ask)?,
                PackStep::Asked if row.tier < self.thaw.tier => self.cost(row, Kind::Hurry)?,
                _ => Money::ZERO,
            };
        }
        if all > self.thaw.quoted + TOLERANCE {
            self.stop = Some(Stop::Dearer { confirmed: self.thaw.quoted, now: all });
        }
        Ok(())
    }

    /// What the bulk jobs that are still to be made cost, besides their requests.
    fn job_fees(&self) -> Money {
        let mut jobs: BTreeMap<(u32, &str, bool), u64> = BTreeMap::new();
        for row in self.packs.iter().filter(|row| row.step == PackStep::Cold) {
            let moving = row.class == StorageClass::IntelligentTiering;
            *jobs.entry((row.wave, &row.store, moving)).or_default() += 1;
        }
        let by_job = |label: &str, packs| {
            let has_engine = self.executor.stores.get(label).is_some_and(|store| store.bulk().is_some());
            has_engine && bulk_pays(packs, self.executor.settings.bulk_from, self.thaw.tier)
        };
        let fees = jobs.into_iter().filter(|((_, label, _), packs)| by_job(label, *packs));
        fees.map(|((_, label, _), packs)| cost::job(self.prices(label), packs)).sum()
    }

    /// Makes thawed copies stay that would vanish before their turn in the download, where that is
    /// no dearer than thawing again.
    pub(crate) fn extend(&mut self) -> Result<(), ThawError> {
        let mut ending: Vec<(Time, usize)> = Vec::new();
        for (at, row) in self.packs.iter().enumerate() {
            let until = row.until.filter(|until| row.step == PackStep::Warm && *until > self.now);
            ending.extend(until.map(|until| (until, at)));
        }
        ending.sort_unstable();
        let mut queue = Bytes(0);
        for (until, at) in ending {
            let row = &self.packs[at];
            queue += row.wanted;
            let turn = self.now.plus(download_time(queue, self.executor.settings.bandwidth));
            // What a job brought out of a vault cannot be made to stay: another job would be paid anew.
            let can_stay = row.days.is_some() && row.class != StorageClass::Vault;
            let worth = turn > until && row.extensions < EXTENSIONS_MAX && can_stay;
            if worth && self.cost(row, Kind::Extend)? <= self.cost(row, Kind::Ask)? {
                self.ask(at, Kind::Extend)?;
            }
        }
        Ok(())
    }

    /// Asks again for what shall come faster than it was asked for.
    pub(crate) fn hurry(&mut self) -> Result<(), ThawError> {
        for at in 0..self.packs.len() {
            let row = &self.packs[at];
            if row.step == PackStep::Asked && row.tier < self.thaw.tier && row.due <= self.now {
                self.ask(at, Kind::Hurry)?;
            }
        }
        Ok(())
    }

    /// Asks for what is due, store by store, wave by wave.
    pub(crate) fn ask_due(&mut self) -> Result<(), ThawError> {
        self.hold_waves()?;
        let mut due: BTreeMap<(u32, String, bool), Vec<usize>> = BTreeMap::new();
        for (at, row) in self.packs.iter().enumerate() {
            if row.step == PackStep::Cold && row.due <= self.now {
                let moving = row.class == StorageClass::IntelligentTiering;
                due.entry((row.wave, row.store.clone(), moving)).or_default().push(at);
            }
        }
        for ((_, label, _), group) in due {
            let Some(store) = self.store(&label)? else {
                continue;
            };
            let pays = bulk_pays(group.len() as u64, self.executor.settings.bulk_from, self.thaw.tier);
            if let (Some(bulk), true) = (store.bulk(), pays) {
                self.submit(bulk, &label, &group)?;
                continue;
            }
            for at in group {
                self.ask(at, Kind::Ask)?;
            }
        }
        Ok(())
    }

    /// Puts a wave off while the downloads before it take longer than was planned.
    fn hold_waves(&mut self) -> Result<(), ThawError> {
        let open = |step| under_way(step) || step == PackStep::Cold;
        let mut by_wave: BTreeMap<u32, Bytes> = BTreeMap::new();
        for row in self.packs.iter().filter(|row| row.wave > 0 && open(row.step)) {
            *by_wave.entry(row.wave).or_default() += row.wanted;
        }
        let mut held = Vec::new();
        for (at, row) in self.packs.iter().enumerate() {
            if row.step != PackStep::Cold || row.due > self.now || row.wave < 2 {
                continue;
            }
            let ahead = by_wave.range(..row.wave).map(|(_, bytes)| *bytes).sum();
            let busy = download_time(ahead, self.executor.settings.bandwidth);
            let lead = waves::lead(cost::window(&row.class, self.thaw.tier).last, self.thaw.days);
            let wait = busy.saturating_sub(lead);
            if wait > Duration::ZERO {
                let mut row = row.clone();
                row.due = self.now.plus(wait);
                held.push(Change::free(at, row));
            }
        }
        self.record(held)
    }

    /// Takes the cost from the budget and writes the pack down as being asked for. False if
    /// nothing shall be asked for.
    pub(crate) fn take(&mut self, at: usize, kind: Kind) -> Result<Option<Change>, ThawError> {
        let mut row = self.packs[at].clone();
        // Had an extension come too late, it would be a thaw: that is what is set aside for it.
        let cost = self.cost(&row, if kind == Kind::Extend { Kind::Ask } else { kind })?;
        let fetch = if kind == Kind::Ask { row.fetch } else { Money::ZERO };
        if let Err(over) = self.left.take(cost + fetch) {
            self.stop = Some(over.into());
            return Ok(None);
        }
        (row.step, row.pending, row.due) = (PackStep::Asking, cost, self.now);
        if kind == Kind::Ask {
            (row.asked, row.until, row.tier) = (Some(self.now), None, self.thaw.tier);
        }
        Ok(Some(Change::free(at, row)))
    }

    /// One request.
    fn ask(&mut self, at: usize, kind: Kind) -> Result<(), ThawError> {
        let label = self.packs[at].store.clone();
        let Some(store) = self.store(&label)?.filter(|_| self.stop.is_none()) else {
            return Ok(());
        };
        let Some(asking) = self.take(at, kind)? else {
            return Ok(());
        };
        let (name, days, span) = (asking.row.name.clone(), asking.row.days, asking.row.span);
        self.record(vec![asking])?;
        match store.thaw(&name, &ThawAsk { tier: self.thaw.tier, days, span }) {
            Ok(outcome) => self.settle(at, kind, outcome),
            Err(error) => self.refused(at, kind, error),
        }
    }

    /// No outcome: it depends on whether the store can have had the request.
    fn refused(&mut self, at: usize, kind: Kind, error: StoreError) -> Result<(), ThawError> {
        let label = self.packs[at].store.clone();
        let change = match &error {
            StoreError::Busy { .. } => self.undone(at, kind, self.now.plus(BUSY_PAUSE), ""),
            StoreError::Setup { .. } => self.undone(at, kind, self.now, ""),
            _ if error.is_transient() => {
                let mut row = self.packs[at].clone();
                row.note = LOST.into();
                Change::free(at, row)
            }
            _ if kind == Kind::Ask => self.failed(at, kind, &error.to_string()),
            _ => self.undone(at, kind, self.now.plus(BUSY_PAUSE), &error.to_string()),
        };
        self.release(&change);
        self.record(vec![change])?;
        match &error {
            StoreError::Setup { .. } => Err(error.into()),
            _ if error.is_transient() => self.without(&label, error),
            _ => Ok(()),
        }
    }
}
