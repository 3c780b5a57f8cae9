//! Looking: what the stores' listings, or events, say of the packs that matter.
//!
//! A listing gives 1,000 objects a call; no pack is ever asked about alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use darkslide_catalog::{LedgerRow, PackStep, PlaceRow, ThawPackRow};
use darkslide_store::{Listed, Store};
use darkslide_words::{Money, ObjectName, Readable, Tier, Time};

use crate::work::{Change, Kind, LOST, Work};
use crate::{ThawError, Warmed, cost};

/// Objects in one answer to a listing request.
const PAGE: u64 = 1_000;
/// Without knowing how much a store holds, more folders than this are listed as one.
const FOLDERS_MAX: usize = 64;
/// A request so young may not show in a listing yet.
const SETTLING: Duration = Duration::from_secs(15 * 60);

const DAY: Duration = Duration::from_secs(24 * 3600);
/// What Intelligent-Tiering brings back stays so long at the least (user guide, access tiers).
const MOVED_BACK_DAYS: u32 = 90;

const EXPIRED: &str = "its thawed copy vanished before it was downloaded";
const GONE: &str = "it is not in the store any more; `darkslide audit` tells what that means";

/// A name's folder, with its `/`.
pub(crate) fn folder(name: &str) -> &str {
    name.rfind('/').map_or("", |at| &name[..=at])
}

/// The prefixes whose listing takes the fewest calls: each folder, or all that they share. `held`
/// is what the store holds, 0 if that is not known.
pub(crate) fn prefixes<'a>(names: impl Iterator<Item = &'a str>, held: u64) -> Vec<String> {
    let folders: BTreeSet<&str> = names.map(folder).collect();
    let one = match held {
        0 => folders.len() > FOLDERS_MAX,
        held => folders.len() as u64 > held.div_ceil(PAGE),
    };
    if !one || folders.len() < 2 {
        let nested = |f: &&str| folders.iter().any(|other| other != f && f.starts_with(other));
        return folders.iter().filter(|f| !nested(f)).map(ToString::to_string).collect();
    }
    let (Some(first), Some(last)) = (folders.first(), folders.last()) else {
        return Vec::new();
    };
    // In sorted order what the outer two share, all share.
    let shared = first.bytes().zip(last.bytes()).take_while(|(a, b)| a == b).count();
    vec![folder(&first[..shared]).to_string()]
}

/// Requests that one look takes.
pub(crate) fn calls<'a>(names: impl Iterator<Item = &'a str>, held: u64) -> u64 {
    let names: Vec<&str> = names.collect();
    let prefixes = prefixes(names.iter().copied(), held);
    match &prefixes[..] {
        [] => 0,
        [_] => held.max(names.len() as u64).div_ceil(PAGE).max(1),
        several => several.len() as u64,
    }
}

/// What a listing showed.
struct Seen {
    listed: Vec<(usize, Listed)>,
    requests: u64,
}

impl Work<'_> {
    /// Learns from listings what became of the packs that were asked for, or are about to be.
    pub(crate) fn look(&mut self) -> Result<(), ThawError> {
        let mut wanted: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, row) in self.packs.iter().enumerate() {
            if matches!(row.step, PackStep::Cold | PackStep::Asking | PackStep::Asked | PackStep::Warm) {
                wanted.entry(row.store.clone()).or_default().push(at);
            }
        }
        for (label, all) in wanted {
            let matters = |at: &&usize| self.matters(**at);
            let of_interest: Vec<usize> = all.iter().filter(matters).copied().collect();
            if of_interest.is_empty() {
                continue;
            }
            let Some(store) = self.store(&label)? else {
                continue;
            };
            match self.list(store, &label, &of_interest)?.map(|seen| self.parts(store, seen)).transpose()? {
                Some(seen) => self.seen(&label, &of_interest, seen)?,
                None => continue,
            }
        }
        Ok(())
    }

    fn matters(&self, at: usize) -> bool {
        let row = &self.packs[at];
        match row.step {
            PackStep::Asked => true,
            PackStep::Asking => !self.has_job(at),
            PackStep::Cold => row.due <= self.now,
            PackStep::Warm => row.until.is_some_and(|until| until <= self.now),
            PackStep::Downloaded | PackStep::Verified | PackStep::Failed => false,
        }
    }

    fn list(&mut self, store: &dyn Store, label: &str, of_interest: &[usize]) -> Result<Option<Seen>, ThawError> {
        let index: HashMap<&ObjectName, usize> = of_interest.iter().map(|at| (&self.packs[*at].name, *at)).collect();
        let held: u64 = self.catalog().holdings(label)?.iter().map(|(_, objects, _)| objects.0).sum();
        let mut seen = Seen { listed: Vec::new(), requests: 0 };
        let mut failed = None;
        for prefix in prefixes(index.keys().map(|name| name.as_str()), held) {
            let mut objects = 0;
            let outcome = store.list(&prefix, &mut |listed| {
                objects += 1;
                if let Some(at) = index.get(&listed.name) {
                    seen.listed.push((*at, listed));
                }
                Ok(())
            });
            seen.requests += u64::max(1, u64::div_ceil(objects, PAGE));
            if let Err(error) = outcome {
                failed = Some(error);
                break;
            }
        }
        match failed {
            Some(error) => self.without(label, error).map(|()| None),
            None => Ok(Some(seen)),
        }
    }

    /// Where a store thaws parts of objects, it is the wanted part that matters.
    fn parts(&self, store: &dyn Store, mut seen: Seen) -> Result<Seen, ThawError> {
        for (at, listed) in &mut seen.listed {
            if let Some(span) = self.packs[*at].span
                && let Some(readable) = store.readable_part(&listed.name, span)?
            {
                listed.readable = readable;
            }
        }
        Ok(seen)
    }

    /// Writes down what a listing showed: places, packs, and what the listing cost.
    fn seen(&mut self, label: &str, of_interest: &[usize], seen: Seen) -> Result<(), ThawError> {
        let now = self.now;
        let place = |(_, l): &(usize, Listed)| PlaceRow {
            name: l.name.clone(),
            class: l.class.clone(),
            readable: l.readable,
            size: l.size,
            seen: now,
        };
        let places: Vec<PlaceRow> = seen.listed.iter().map(place).collect();
        let paid = cost::looks(self.prices(label), seen.requests);
        let (id, catalog) = (self.thaw.id, self.catalog());
        let ledger = LedgerRow {
            at: now,
            kind: "look".into(),
            reference: format!("thaw {id}"),
            what: format!("{} listing requests, {label}", seen.requests),
            quoted: paid,
            actual: paid,
        };
        catalog.transaction(|| -> Result<(), ThawError> {
            catalog.put_places(label, &places)?;
            if paid != Money::ZERO {
                catalog.add_spent(id, paid)?;
                catalog.add_ledger(&ledger)?;
            }
            Ok(())
        })?;
        self.thaw.spent += paid;
        self.left.spend(paid);
        let mut listed: HashMap<usize, Listed> = seen.listed.into_iter().collect();
        let mut changes = Vec::new();
        for at in of_interest {
            changes.extend(match listed.remove(at) {
                Some(listed) => self.learn(*at, &listed)?,
                None => Some(self.gone(*at, GONE)?),
            });
        }
        changes.iter().for_each(|change| self.release(change));
        self.record(changes)
    }

    /// What a pack's line in the listing means for it.
    fn learn(&self, at: usize, listed: &Listed) -> Result<Option<Change>, ThawError> {
        let mut row = self.packs[at].clone();
        if row.class != listed.class {
            (row.days, row.class) = (self.days(&listed.class), listed.class.clone());
        }
        let until = match listed.readable {
            Readable::Now => Some(None),
            Readable::Until(time) if time > self.now => Some(Some(time)),
            // Intelligent-Tiering says no more than that no thaw is under way (any more).
            Readable::Unknown if row.step == PackStep::Asked => Some(None),
            _ => None,
        };
        let thawing = listed.readable == Readable::Thawing;
        let kind = self.kind(&row);
        Ok(Some(match (row.step, until) {
            (PackStep::Asking, until) if until.is_some() || thawing => return self.arrived(at, kind, until),
            (PackStep::Asking, _) => self.never_seen(at, kind)?,
            (PackStep::Cold | PackStep::Asked | PackStep::Warm, Some(until)) => {
                // Readable all the time: there was nothing to pay for.
                let never_cold = row.step == PackStep::Cold && until.is_none() && row.days.is_some();
                let paid = if never_cold { Money::ZERO } else { self.unanswered(&row)? };
                (row.step, row.until, row.note, row.pending) = (PackStep::Warm, until, String::new(), paid);
                Change::paid(at, row, kind, paid)
            }
            (PackStep::Cold, None) if thawing => {
                let paid = self.unanswered(&row)?;
                (row.step, row.asked, row.tier) = (PackStep::Asked, Some(self.now), self.thaw.tier);
                (row.note, row.pending) = (String::new(), paid);
                Change::paid(at, row, kind, paid)
            }
            (PackStep::Asked, None) if thawing || self.is_young(row.asked) => {
                return Ok(same(&self.packs[at], at, row));
            }
            (PackStep::Asked | PackStep::Warm, None) => {
                let paid = self.unanswered(&row)?;
                cold(&mut row, self.thaw.tier);
                (row.pending, row.due, row.note) = (paid, self.now, EXPIRED.into());
                Change::paid(at, row, kind, paid)
            }
            _ => return Ok(same(&self.packs[at], at, row)),
        }))
    }

    /// The request without an answer left no trace. If it is so long ago that a thawed copy may have
    /// come and vanished since, it counts as paid; else it did not arrive.
    fn never_seen(&self, at: usize, kind: Kind) -> Result<Change, ThawError> {
        let mut row = self.packs[at].clone();
        let stays = row.days.unwrap_or(MOVED_BACK_DAYS);
        let (paid, note) = match row.due.plus(DAY * stays) <= self.now {
            true => (self.at_most(&row, kind)?, EXPIRED),
            false => (Money::ZERO, LOST),
        };
        let tier = self.thaw.tier.max(row.tier);
        cold(&mut row, tier);
        (row.due, row.note) = (self.now, note.into());
        Ok(Change::paid(at, row, kind, paid))
    }

    /// What the request before may have cost, of whose answer and traces nothing was known so far.
    pub(crate) fn unanswered(&self, row: &ThawPackRow) -> Result<Money, ThawError> {
        let asked_again = match row.step {
            PackStep::Cold => Kind::Ask,
            PackStep::Asked if row.tier < self.thaw.tier => Kind::Hurry,
            _ => return Ok(Money::ZERO),
        };
        Ok(if row.note == LOST { self.cost(row, asked_again)? } else { Money::ZERO })
    }

    fn is_young(&self, asked: Option<Time>) -> bool {
        asked.is_some_and(|asked| asked.plus(SETTLING) > self.now)
    }

    /// The request without an answer did arrive, by all signs: it counts as paid.
    fn arrived(&self, at: usize, kind: Kind, until: Option<Option<Time>>) -> Result<Option<Change>, ThawError> {
        let mut row = self.packs[at].clone();
        let taken = row.pending;
        row.job = None;
        let Some(until) = until else {
            // A thaw is under way; whether at the faster tier, asking again tells.
            if kind == Kind::Hurry {
                return Ok(Some(self.undone(at, kind, self.now, LOST)));
            }
            (row.step, row.until, row.note) = (PackStep::Asked, None, String::new());
            return Ok(Some(Change::paid(at, row, kind, taken)));
        };
        let paid = match (kind, until) {
            // It was readable all the time: there was nothing to pay for.
            (Kind::Ask, None) if row.days.is_some() => Money::ZERO,
            _ => self.at_most(&row, kind)?,
        };
        row.extensions += u32::from(kind == Kind::Extend);
        (row.step, row.until, row.note) = (PackStep::Warm, until, String::new());
        Ok(Some(Change::paid(at, row, kind, paid)))
    }

    /// Learns from events instead: what has become readable.
    pub(crate) fn hear(&mut self, ready: &[Warmed]) -> Result<(), ThawError> {
        let heard: HashMap<(&str, &ObjectName), &Warmed> =
            ready.iter().map(|w| ((w.store.as_str(), &w.name), w)).collect();
        let mut changes = Vec::new();
        for (at, row) in self.packs.iter().enumerate() {
            let warm = heard.get(&(row.store.as_str(), &row.name));
            match (row.step, warm) {
                (PackStep::Asked | PackStep::Cold, Some(warm)) => {
                    let (mut row, kind, paid) = (row.clone(), self.kind(row), self.unanswered(row)?);
                    (row.step, row.until, row.note) = (PackStep::Warm, self.heard_until(&row, warm), String::new());
                    row.pending = paid;
                    changes.push(Change::paid(at, row, kind, paid));
                }
                (PackStep::Asking, Some(warm)) if !self.has_job(at) => {
                    let mut change = Change::paid(at, row.clone(), self.kind(row), row.pending);
                    let until = self.heard_until(row, warm);
                    (change.row.step, change.row.until, change.row.note) = (PackStep::Warm, until, String::new());
                    changes.push(change);
                }
                _ => {}
            }
        }
        changes.iter().for_each(|change| self.release(change));
        self.record(changes)
    }

    /// An event may leave out when the copy vanishes; its days cannot begin before it was asked for.
    fn heard_until(&self, row: &ThawPackRow, warm: &Warmed) -> Option<Time> {
        warm.until.or_else(|| self.stays(row, row.asked.unwrap_or(self.now)))
    }

    /// Thawed copies whose time is over are cold again, whatever was heard of them.
    pub(crate) fn expire(&mut self) -> Result<(), ThawError> {
        let mut changes = Vec::new();
        for (at, row) in self.packs.iter().enumerate() {
            let over = row.until.is_some_and(|until| until <= self.now);
            if row.step == PackStep::Warm && over && !self.down.contains(&row.store) {
                let mut row = row.clone();
                cold(&mut row, self.thaw.tier);
                (row.due, row.note) = (self.now, EXPIRED.into());
                changes.push(Change::free(at, row));
            }
        }
        changes.iter().for_each(|change| self.release(change));
        self.record(changes)
    }
}

/// As if it had never been asked for, except for what that cost.
pub(crate) fn cold(row: &mut ThawPackRow, tier: Tier) {
    (row.step, row.asked, row.until, row.tier, row.job) = (PackStep::Cold, None, None, tier, None);
}

fn same(was: &ThawPackRow, at: usize, row: ThawPackRow) -> Option<Change> {
    (*was != row).then(|| Change::free(at, row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_folders_are_listed_one_by_one_and_many_as_one() {
        let of = |names: &[&str], held| prefixes(names.iter().copied(), held);
        assert_eq!(of(&["packs/ab/1", "packs/ab/2"], 0), ["packs/ab/"]);
        assert_eq!(of(&["packs/ab/1", "packs/cd/2"], 0), ["packs/ab/", "packs/cd/"]);
        assert_eq!(of(&["packs/ab/1", "packs/cd/2"], 900), ["packs/"], "one call shows all");
        assert_eq!(of(&["packs/ab/1", "packs/cd/2"], 250_000), ["packs/ab/", "packs/cd/"]);
        assert_eq!(of(&["packs/ab/1", "warm/cd/2"], 900), [""]);
        assert_eq!(of(&["packs/a", "packs/ab/1", "x"], 250_000), [""], "what contains the others is enough");
        assert_eq!(of(&["packs/a", "packs/ab/1"], 250_000), ["packs/"]);
        let many: Vec<String> = (0..=FOLDERS_MAX).map(|n| format!("packs/{n:03}/x")).collect();
        assert_eq!(prefixes(many.iter().map(String::as_str), 0), ["packs/"]);
        assert_eq!(of(&["alone"], 5), [""]);
    }
}
