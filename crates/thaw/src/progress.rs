//! How far a thaw is, for whoever asks.

use std::time::Duration;

use darkslide_catalog::{PackStep, ThawPackRow, ThawState};
use darkslide_words::{Bytes, Count, Money, Time};
use serde::Serialize;

use crate::{OverBudget, cost};

/// Packs and their stored bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Tally {
    /// How many.
    pub packs: Count,
    /// How large together.
    pub bytes: Bytes,
}

/// Why nothing more is asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// What is spent and what is left cost more than was confirmed.
    #[error("it costs {now} in all by now, and {confirmed} was confirmed; confirm the new amount, or cancel")]
    Dearer {
        /// What was confirmed.
        confirmed: Money,
        /// What it costs now.
        now: Money,
    },
    /// A limit is reached.
    #[error(transparent)]
    OverBudget(#[from] OverBudget),
}

impl Serialize for Stop {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

/// How far a thaw is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Not asked for yet.
    pub cold: Tally,
    /// Asked for, or being asked for.
    pub asked: Tally,
    /// Can be read.
    pub warm: Tally,
    /// Read.
    pub downloaded: Tally,
    /// Read and verified.
    pub verified: Tally,
    /// Given up; the notes say why.
    pub failed: Tally,
    /// By when all of it can be read, typically; nothing if it can.
    pub ready_about: Option<Time>,
    /// When the next step has something to do; nothing if none is needed.
    pub next_step_at: Option<Time>,
    /// What it has cost, downloads included.
    pub spent: Money,
    /// What there is to say.
    pub notes: Vec<String>,
    /// Why nothing more is asked for.
    pub stop: Option<Stop>,
}

/// Between two steps.
const LEAST: Duration = Duration::from_secs(60);

/// Between two looks at what is under way: a sixteenth of the time it takes, within limits. So a
/// thaw at bulk is looked at about 16 times.
pub(crate) fn next_look(row: &ThawPackRow, now: Time) -> Time {
    const MOST: Duration = Duration::from_secs(3 * 3600);
    let window = cost::window(&row.class, row.tier);
    let first = row.asked.unwrap_or(now).plus(window.first);
    let pause = (window.last.saturating_sub(window.first) / 16).clamp(LEAST, MOST);
    first.max(now.plus(pause))
}

/// Failures that are named; all are counted, and all stand in the rows.
const FAILED_SHOWN: usize = 20;

impl Progress {
    /// What a step could not do at once, it does not try again at once.
    pub(crate) fn after_step(&mut self, packs: &[ThawPackRow], now: Time) {
        if self.stop.is_some() {
            let open = packs.iter().filter(|pack| pack.step != PackStep::Cold);
            self.next_step_at = open.filter_map(|pack| wake(pack, now)).min();
        }
        self.next_step_at = self.next_step_at.map(|time| time.max(now.plus(LEAST)));
    }

    pub(crate) fn of(packs: &[ThawPackRow], state: ThawState, spent: Money, now: Time) -> Self {
        let tally = |steps: &[PackStep]| {
            let of = || packs.iter().filter(|pack| steps.contains(&pack.step));
            Tally { packs: Count(of().count() as u64), bytes: of().map(|pack| pack.size).sum() }
        };
        let open = state == ThawState::Open;
        let mut notes: Vec<String> = Vec::new();
        let mut failed = 0;
        for pack in packs.iter().filter(|pack| !pack.note.is_empty()) {
            match pack.step {
                PackStep::Failed if failed < FAILED_SHOWN => {
                    failed += 1;
                    notes.push(format!("{}: {}", pack.name, pack.note));
                }
                PackStep::Failed => {}
                _ if !notes.contains(&pack.note) => notes.push(pack.note.clone()),
                _ => {}
            }
        }
        Self {
            cold: tally(&[PackStep::Cold]),
            asked: tally(&[PackStep::Asking, PackStep::Asked]),
            warm: tally(&[PackStep::Warm]),
            downloaded: tally(&[PackStep::Downloaded]),
            verified: tally(&[PackStep::Verified]),
            failed: tally(&[PackStep::Failed]),
            ready_about: packs.iter().filter_map(|pack| ready(pack, now)).max().filter(|_| open),
            next_step_at: packs.iter().filter_map(|pack| wake(pack, now)).min().filter(|_| open),
            spent,
            notes,
            stop: None,
        }
    }
}

/// When a pack can be read, about; nothing where it can be already, or never.
pub fn ready(row: &ThawPackRow, now: Time) -> Option<Time> {
    let last = cost::window(&row.class, row.tier).last;
    match row.step {
        PackStep::Cold => Some(row.due.max(now).plus(last)),
        PackStep::Asking | PackStep::Asked => Some(row.asked.unwrap_or(now).plus(last).max(now)),
        _ => None,
    }
}

/// A thawed copy is looked at once more so long before it vanishes.
const BEFORE_END: Duration = Duration::from_secs(3600);

fn before(until: Time, now: Time) -> Time {
    match now.plus(BEFORE_END) < until {
        true => now.plus(now.until(until).saturating_sub(BEFORE_END)),
        false => until.max(now),
    }
}

fn wake(row: &ThawPackRow, now: Time) -> Option<Time> {
    match row.step {
        PackStep::Cold => Some(row.due.max(now)),
        PackStep::Asking => Some(now.plus(Duration::from_secs(60))),
        PackStep::Asked => Some(next_look(row, now)),
        PackStep::Warm => row.until.map(|until| before(until, now)),
        PackStep::Downloaded | PackStep::Verified | PackStep::Failed => None,
    }
}
