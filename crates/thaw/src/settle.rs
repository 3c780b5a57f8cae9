//! What the outcome of a request makes of a pack, and of the money set aside for it.

use std::time::Duration;

use darkslide_catalog::{PackStep, ThawPackRow};
use darkslide_store::ThawOutcome;
use darkslide_words::{Money, Tier, Time};

use crate::ThawError;
use crate::work::{Change, Kind, LOST, NO_CAPACITY_PAUSE, Work, under_way};

const NO_CAPACITY: &str =
    "no capacity for this tier at the moment: asked for again in a quarter of an hour; the tier standard always has";

const HELD_BACK: &str = "the account's data retrieval policy allows no more at the moment: asked for again later; \
                         `darkslide vault retrieval-policy` shows it, the tiers bulk and expedited are not under it";

const NOT_OFFERED: &str = "the archive it lies in by now is not thawed at this tier; thaw it at standard or bulk";

/// By then whatever was asked for at a slower tier has come.
const SLOWEST: Duration = Duration::from_secs(48 * 3600);

impl Work<'_> {
    /// Writes down how the request for a pack ended.
    pub(crate) fn settle(&mut self, at: usize, kind: Kind, outcome: ThawOutcome) -> Result<(), ThawError> {
        let change = self.outcome(at, kind, outcome)?;
        self.release(&change);
        self.record(vec![change])
    }

    /// The change, not written yet.
    pub(crate) fn outcome(&self, at: usize, kind: Kind, outcome: ThawOutcome) -> Result<Change, ThawError> {
        let mut row = self.packs[at].clone();
        let taken = row.pending;
        // The request before this one may be the one that is under way, or paid for.
        let lost = std::mem::take(&mut row.note) == LOST;
        let unknown = lost && kind == Kind::Hurry;
        row.job = None;
        let paid = match outcome {
            ThawOutcome::Started => {
                (row.step, row.asked, row.until) = (PackStep::Asked, Some(self.now), None);
                row.tier = self.asked_at(&row, kind);
                taken
            }
            ThawOutcome::Extended => {
                let until = self.stays(&row, self.now);
                warm(&mut row, until);
                row.extensions += u32::from(kind == Kind::Extend);
                if lost { taken } else { taken.min(self.cost(&row, Kind::Extend)?) }
            }
            ThawOutcome::InProgress if kind == Kind::Extend => {
                row.step = PackStep::Warm;
                Money::ZERO
            }
            ThawOutcome::InProgress => {
                row.step = PackStep::Asked;
                row.asked = row.asked.or(Some(self.now));
                row.tier = self.asked_at(&row, kind);
                if lost { taken } else { Money::ZERO }
            }
            ThawOutcome::NotCold => {
                warm(&mut row, None);
                if lost { taken } else { Money::ZERO }
            }
            ThawOutcome::NoCapacity => {
                row.step = before(kind);
                row.due = self.now.plus(NO_CAPACITY_PAUSE);
                row.note = if unknown { LOST } else { NO_CAPACITY }.into();
                Money::ZERO
            }
            ThawOutcome::TierNotOffered if kind == Kind::Ask => {
                fail(&mut row, NOT_OFFERED);
                Money::ZERO
            }
            ThawOutcome::HeldBack { until } => {
                (row.step, row.due) = (before(kind), until.max(self.now));
                row.note = if unknown { LOST } else { HELD_BACK }.into();
                Money::ZERO
            }
            // It comes, or stays, as it was.
            ThawOutcome::TierNotOffered => {
                (row.step, row.due) = (before(kind), self.now.plus(SLOWEST));
                row.note = if unknown { LOST } else { NOT_OFFERED }.into();
                Money::ZERO
            }
            ThawOutcome::Missing => {
                fail(&mut row, "it is not in the store any more; `darkslide audit` tells what that means");
                if unknown { taken } else { Money::ZERO }
            }
        };
        Ok(Change::paid(at, row, kind, paid))
    }

    /// The tier of the request: a bulk job may be older than the thaw's tier.
    fn asked_at(&self, row: &ThawPackRow, kind: Kind) -> Tier {
        if kind == Kind::Ask { row.tier } else { self.thaw.tier }
    }

    /// Until when a copy stays whose days begin at `from`; a store may keep it until the midnight
    /// after.
    pub(crate) fn stays(&self, row: &ThawPackRow, from: Time) -> Option<Time> {
        row.days.map(|days| from.plus(Duration::from_secs(u64::from(days) * 24 * 3600)))
    }

    /// As if the request had not been made: nothing was begun and nothing is paid. What was not known of the request
    /// before it is not known now.
    pub(crate) fn undone(&self, at: usize, kind: Kind, due: Time, note: &str) -> Change {
        let mut row = self.packs[at].clone();
        let unknown = row.note == LOST && (kind == Kind::Hurry || note.is_empty());
        let note = if unknown { LOST } else { note };
        (row.step, row.due, row.note, row.job) = (before(kind), due, note.to_string(), None);
        Change::paid(at, row, kind, Money::ZERO)
    }

    /// Gives the pack up.
    pub(crate) fn failed(&self, at: usize, kind: Kind, why: &str) -> Change {
        let mut row = self.packs[at].clone();
        fail(&mut row, why);
        Change::paid(at, row, kind, Money::ZERO)
    }

    /// The pack is not in the store any more. A request without an answer may have been paid.
    pub(crate) fn gone(&self, at: usize, why: &str) -> Result<Change, ThawError> {
        let (mut row, kind) = (self.packs[at].clone(), self.kind(&self.packs[at]));
        let paid = match row.step {
            PackStep::Asking => self.at_most(&row, kind)?,
            _ => self.unanswered(&row)?,
        };
        row.pending = paid;
        fail(&mut row, why);
        Ok(Change::paid(at, row, kind, paid))
    }

    /// What a request that is written down has cost, if it arrived: an extension has more set aside for it.
    pub(crate) fn at_most(&self, row: &ThawPackRow, kind: Kind) -> Result<Money, ThawError> {
        Ok(match kind {
            Kind::Extend => row.pending.min(self.cost(row, kind)?),
            Kind::Ask | Kind::Hurry => row.pending,
        })
    }

    /// Brings the budget up to date with a change: gives back what it does not use of what was
    /// taken, and keeps its download's cost set aside as long as that is to come.
    pub(crate) fn release(&mut self, change: &Change) {
        let was = &self.packs[change.at];
        self.left.give(was.pending - change.paid);
        match (under_way(was.step), under_way(change.row.step)) {
            (true, false) => self.left.give(was.fetch),
            (false, true) => self.left.spend(change.row.fetch),
            _ => {}
        }
    }
}

fn warm(row: &mut ThawPackRow, until: Option<Time>) {
    (row.step, row.until) = (PackStep::Warm, until);
}

fn fail(row: &mut ThawPackRow, why: &str) {
    (row.step, row.note, row.job) = (PackStep::Failed, why.to_string(), None);
}

fn before(kind: Kind) -> PackStep {
    match kind {
        Kind::Ask => PackStep::Cold,
        Kind::Extend => PackStep::Warm,
        Kind::Hurry => PackStep::Asked,
    }
}
