//! Retention: which snapshots are kept, and why; which are forgotten. Pure: facts and
//! rules in, a plan out.
//!
//! **Invariant:** each writer and job is counted by itself, and only what trusted
//! writers vouch for counts: nobody pushes another's snapshots out. No time is later
//! than the store says, and no clock of this machine is asked. The last complete
//! snapshot of a job is never forgotten.

mod periods;
mod show;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use darkslide_format::trust::Standing;
use darkslide_words::{ObjectName, Time, WriterId};
use jiff::tz::TimeZone;
use serde::Serialize;

pub use periods::Period;

/// How many snapshots are kept: the newest of each of the last so many periods that
/// have any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// The last so many.
    pub last: u32,
    /// Of hours, days, weeks, months and years.
    pub periods: BTreeMap<Period, u32>,
    /// All that are not older than this, counted back from the newest.
    pub within: Option<Duration>,
    /// All with one of these tags.
    pub tags: Vec<String>,
}

impl Rules {
    /// True if they keep nothing: then there are none, and everything is kept.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What is known of who wrote a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Vouched {
    /// It was opened here, or its writer named it later on: this one wrote it.
    By(Author),
    /// The newest of a writer's job, by refs alone: they name no object, so that another
    /// one may pretend to be it. Kept, and counted for nothing.
    Newest(Author),
    /// Nobody that is known vouches for it; why that is so.
    Nobody(String),
}

/// Whose snapshot it is, and what kind of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The writer.
    pub writer: WriterId,
    /// Its name, for people.
    pub name: String,
    /// How it stands.
    pub standing: Standing,
    /// The job.
    pub job: String,
    /// False for a checkpoint.
    pub complete: bool,
    /// The snapshot's tags.
    pub tags: Vec<String>,
}

/// A snapshot, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotFacts {
    /// Object name.
    pub name: ObjectName,
    /// The time that it claims.
    pub time: Time,
    /// When a store took it, by that store's clock.
    pub stored: Time,
    /// Who vouches for it.
    pub vouched: Vouched,
}

impl SnapshotFacts {
    /// When it was made: as it says, but not later than the store took it. A clock that
    /// was ahead moves nothing.
    pub fn made(&self) -> Time {
        self.time.min(self.stored)
    }

    fn author(&self) -> Option<&Author> {
        match &self.vouched {
            Vouched::By(author) | Vouched::Newest(author) => Some(author),
            Vouched::Nobody(_) => None,
        }
    }
}

/// What is wanted.
pub struct Policy<'a> {
    /// The rules of a writer's job; nothing where it has none.
    pub rules: &'a dyn Fn(&Author) -> Option<Rules>,
    /// Where days begin.
    pub zone: TimeZone,
    /// Time after which a checkpoint that nothing followed is forgotten.
    pub grace: Duration,
    /// Snapshots that the user names: they are forgotten, whoever wrote them.
    pub named: BTreeSet<ObjectName>,
}

/// What happens to a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It stays, for all these reasons.
    Keep(Vec<String>),
    /// It goes.
    Forget(String),
}

impl Fate {
    /// True if it goes.
    pub fn is_forget(&self) -> bool {
        matches!(self, Self::Forget(_))
    }
}

/// A snapshot and what happens to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The snapshot.
    pub snapshot: SnapshotFacts,
    /// What happens to it.
    pub fate: Fate,
}

/// What will be forgotten. Nothing is decided later.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RetentionPlan {
    /// All snapshots, by writer and job, oldest first.
    pub snapshots: Vec<Judged>,
}

impl RetentionPlan {
    /// Those that go.
    pub fn forgotten(&self) -> impl Iterator<Item = &SnapshotFacts> {
        self.snapshots.iter().filter(|j| j.fate.is_forget()).map(|j| &j.snapshot)
    }
}

/// Decides.
pub fn plan(snapshots: Vec<SnapshotFacts>, policy: &Policy<'_>) -> RetentionPlan {
    // The store's time, as far as snapshots tell it.
    let seen = snapshots.iter().map(|s| s.stored).max().unwrap_or_default();
    let mut groups: BTreeMap<Option<(String, WriterId)>, Vec<SnapshotFacts>> = BTreeMap::new();
    for snapshot in snapshots {
        let group = snapshot.author().map(|author| (author.job.clone(), author.writer));
        groups.entry(group).or_default().push(snapshot);
    }
    let mut plan = RetentionPlan::default();
    for (group, mut list) in groups {
        list.sort_by(|a, b| (a.made(), &a.name).cmp(&(b.made(), &b.name)));
        let fates = match group {
            Some(_) => Group { list: &list, policy, seen }.fates(),
            None => list.iter().map(|snapshot| stranger(snapshot, policy)).collect(),
        };
        let judged = list.into_iter().zip(fates);
        plan.snapshots.extend(judged.map(|(snapshot, fate)| Judged { snapshot, fate }));
    }
    plan
}

const NAMED: &str = "you named it";

fn stranger(snapshot: &SnapshotFacts, policy: &Policy<'_>) -> Fate {
    match &snapshot.vouched {
        _ if policy.named.contains(&snapshot.name) => Fate::Forget(NAMED.into()),
        Vouched::Nobody(why) => Fate::Keep(vec![why.clone()]),
        _ => Fate::Keep(Vec::new()),
    }
}

/// The snapshots of one writer's job, oldest first.
struct Group<'a> {
    list: &'a [SnapshotFacts],
    policy: &'a Policy<'a>,
    seen: Time,
}

impl Group<'_> {
    fn fates(&self) -> Vec<Fate> {
        let reasons = self.reasons();
        let last = self.last_complete();
        let judged = self.list.iter().zip(reasons).enumerate();
        judged.map(|(n, (snapshot, reasons))| self.fate(n, snapshot, reasons, last)).collect()
    }

    fn fate(&self, n: usize, snapshot: &SnapshotFacts, mut reasons: Vec<String>, last: Option<usize>) -> Fate {
        let Some(author) = snapshot.author() else { return Fate::Keep(Vec::new()) };
        let trusted = author.standing == Standing::Trusted;
        if trusted && last == Some(n) {
            reasons.insert(0, "the last complete one".into());
            return Fate::Keep(reasons);
        }
        if self.policy.named.contains(&snapshot.name) {
            return Fate::Forget(NAMED.into());
        }
        if !trusted {
            let standing = if author.standing == Standing::Revoked { "revoked" } else { "unknown" };
            return Fate::Keep(vec![format!("its writer is {standing}: it counts for nothing, forget it by name")]);
        }
        if matches!(snapshot.vouched, Vouched::Newest(_)) {
            reasons.push("the newest, for which nothing vouches yet".into());
        }
        if !author.complete {
            return self.checkpoint(n, snapshot, reasons);
        }
        match (self.policy.rules)(author).filter(|rules| !rules.is_empty()) {
            None => Fate::Keep(vec!["its job has no rules".into()]),
            Some(_) if reasons.is_empty() => Fate::Forget("no rule keeps it".into()),
            Some(_) => Fate::Keep(reasons),
        }
    }

    /// A checkpoint keeps the packs of a run that is not over.
    fn checkpoint(&self, n: usize, snapshot: &SnapshotFacts, reasons: Vec<String>) -> Fate {
        let complete = |s: &SnapshotFacts| counts(s) && s.author().is_some_and(|a| a.complete);
        if self.list[n + 1..].iter().any(complete) {
            return Fate::Forget("a checkpoint; a complete one followed".into());
        }
        if snapshot.stored.until(self.seen) > self.policy.grace {
            return Fate::Forget("a checkpoint; nothing followed within the grace period".into());
        }
        let mut all = vec!["a checkpoint of a run that may go on".to_string()];
        all.extend(reasons);
        Fate::Keep(all)
    }

    /// The newest complete one that somebody vouches for; else the newest at all.
    fn last_complete(&self) -> Option<usize> {
        let complete = |s: &&SnapshotFacts| s.author().is_some_and(|a| a.complete);
        let vouched = self.list.iter().rposition(|s| complete(&s) && counts(s));
        vouched.or_else(|| self.list.iter().rposition(|s| complete(&s)))
    }

    /// Why each one is kept by the rules. Those that came to the store long after the
    /// time that they claim are counted by themselves: whoever dates one back pushes
    /// none of the others out, and one that was copied to a new store still counts.
    fn reasons(&self) -> Vec<Vec<String>> {
        let mut reasons = vec![Vec::new(); self.list.len()];
        let complete = |s: &SnapshotFacts| counts(s) && s.author().is_some_and(|a| a.complete);
        let late = |n: &usize| self.list[*n].made().until(self.list[*n].stored) > LATE;
        let newest_first = (0..self.list.len()).rev().filter(|n| complete(&self.list[*n]));
        let (late, on_time): (Vec<usize>, Vec<usize>) = newest_first.partition(late);
        self.count(&on_time, &mut reasons);
        self.count(&late, &mut reasons);
        reasons
    }

    fn count(&self, newest_first: &[usize], reasons: &mut [Vec<String>]) {
        let Some(newest) = newest_first.first().map(|n| &self.list[*n]) else { return };
        let Some(rules) = newest.author().and_then(|author| (self.policy.rules)(author)) else { return };
        for n in newest_first.iter().take(rules.last as usize) {
            reasons[*n].push("last".to_string());
        }
        for (period, wanted) in &rules.periods {
            let mut seen = BTreeSet::new();
            for n in newest_first {
                let name = period.of(self.list[*n].made(), &self.policy.zone);
                if seen.len() < *wanted as usize && seen.insert(name.clone()) {
                    reasons[*n].push(format!("{period} {name}"));
                }
            }
        }
        for n in newest_first {
            let snapshot = &self.list[*n];
            if rules.within.is_some_and(|within| snapshot.made().until(newest.made()) <= within) {
                reasons[*n].push("within".to_string());
            }
            let tags = snapshot.author().map_or(&[][..], |a| &a.tags[..]);
            reasons[*n].extend(tags.iter().filter(|tag| rules.tags.contains(tag)).map(|tag| format!("tag {tag}")));
        }
    }
}

/// A snapshot is put when it is made; one that claims to be so much older was dated
/// back, or was copied to the store later.
const LATE: Duration = Duration::from_secs(24 * 3600);

/// True if it counts: somebody trusted vouches for it.
fn counts(snapshot: &SnapshotFacts) -> bool {
    matches!(&snapshot.vouched, Vouched::By(author) if author.standing == Standing::Trusted)
}

#[cfg(test)]
mod tests;
