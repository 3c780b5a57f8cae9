//! How the repository grew and what it cost, month by month, as far as this machine knows.

use std::collections::BTreeMap;

use darkslide_catalog::Catalog;
use darkslide_format::canon;
use darkslide_format::snapshot::Snapshot;
use darkslide_words::{Bytes, Count, Money, Time};
use serde::Serialize;

use crate::{Engine, EngineError};

/// A month that is over, or the one that is going on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PastMonth {
    /// `2026-03`, in UTC, as bills count.
    pub month: String,
    /// Files of the libraries in the newest whole snapshot of each at the month's end.
    pub files: Count,
    /// Their bytes.
    pub bytes: Bytes,
    /// Sealed bytes that the month's backups added.
    pub added: Bytes,
    /// What was paid in the month.
    pub spent: Money,
}

/// Years of months, as numbers: `2026 * 12 + 2` is March.
fn number(at: Time) -> i32 {
    let text = at.to_rfc3339_seconds();
    let part =
        |from: usize, to: usize| text.get(from..to).and_then(|part| part.parse::<i32>().ok()).unwrap_or_default();
    part(0, 4) * 12 + part(5, 7) - 1
}

/// What a month adds to the one before.
#[derive(Debug, Default)]
struct Change {
    /// The last whole snapshot of each library in it.
    whole: BTreeMap<String, (Time, Count, Bytes)>,
    added: u64,
    spent: Money,
}

/// Each month from the first of which something is known to the last.
fn months(mut changes: BTreeMap<i32, Change>, now: i32) -> Vec<PastMonth> {
    let Some(first) = changes.keys().next().copied() else { return Vec::new() };
    let mut libraries: BTreeMap<String, (Count, Bytes)> = BTreeMap::new();
    let mut out = Vec::new();
    for month in first..=now.max(first) {
        let Change { whole, added, spent } = changes.remove(&month).unwrap_or_default();
        libraries.extend(whole.into_iter().map(|(job, (_, files, bytes))| (job, (files, bytes))));
        out.push(PastMonth {
            month: format!("{:04}-{:02}", month.div_euclid(12), month.rem_euclid(12) + 1),
            files: libraries.values().map(|(files, _)| *files).fold(Count(0), |sum, one| Count(sum.0 + one.0)),
            bytes: libraries.values().map(|(_, bytes)| *bytes).sum(),
            added: Bytes(added),
            spent,
        });
    }
    out
}

impl Engine {
    /// How it grew and what it cost, month by month, the first one first. Snapshots that were forgotten, and
    /// those of other machines that were not opened here, are not in it.
    pub fn history(&self) -> Result<Vec<PastMonth>, EngineError> {
        let catalog = Catalog::open(&self.catalog_path())?;
        let mut changes: BTreeMap<i32, Change> = BTreeMap::new();
        for row in catalog.snapshots()? {
            let Some(payload) = row.payload else { continue };
            let snapshot: Snapshot = canon::from_bytes("a snapshot's row", &payload)?;
            let change = changes.entry(number(row.time)).or_default();
            change.added += snapshot.counts.stored_bytes.0;
            if snapshot.complete {
                let last = change.whole.entry(snapshot.job).or_insert((row.time, Count(0), Bytes(0)));
                if row.time >= last.0 {
                    *last = (row.time, snapshot.counts.files, snapshot.counts.bytes);
                }
            }
        }
        for paid in catalog.ledger(Time::default())? {
            changes.entry(number(paid.at)).or_default().spent += paid.actual;
        }
        Ok(months(changes, number(self.clock.now())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        Time::from_compact(text).unwrap()
    }

    #[test]
    fn months_without_anything_keep_what_was_there() {
        let mut changes: BTreeMap<i32, Change> = BTreeMap::new();
        let first = changes.entry(number(at("20251130T120000.000Z"))).or_default();
        first.added = 700;
        first.whole.insert("photos".into(), (at("20251130T120000.000Z"), Count(3), Bytes(900)));
        let second = changes.entry(number(at("20260201T000000.000Z"))).or_default();
        second.whole.insert("video".into(), (at("20260201T000000.000Z"), Count(1), Bytes(50)));
        second.spent = Money::from_usd(1.5);
        let told = months(changes, number(at("20260331T235959.000Z")));
        let names: Vec<&str> = told.iter().map(|one| one.month.as_str()).collect();
        assert_eq!(names, ["2025-11", "2025-12", "2026-01", "2026-02", "2026-03"]);
        assert_eq!(told.iter().map(|one| one.bytes.0).collect::<Vec<_>>(), [900, 900, 900, 950, 950]);
        assert_eq!(told.iter().map(|one| one.added.0).collect::<Vec<_>>(), [700, 0, 0, 0, 0]);
        assert_eq!(told[3].spent, Money::from_usd(1.5));
        assert_eq!(told[4].files, Count(4));
        assert!(months(BTreeMap::new(), 7).is_empty());
    }
}
