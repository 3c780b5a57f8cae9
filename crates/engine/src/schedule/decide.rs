//! What is due now, what waits for what, and when next.

use std::collections::BTreeSet;
use std::time::Duration;

use darkslide_words::Time;
use jiff::tz::TimeZone;

use super::{Schedule, Windows};

/// A run that begins later than this after it could have was missed.
pub(crate) const MISSED_AFTER: Duration = Duration::from_secs(300);
/// A clock that was set back by up to this much makes nothing run twice. What ran further in the
/// future than that was told by a clock that was wrong.
pub const SET_BACK_MAX: Duration = Duration::from_secs(86_400);
/// A slot whose runs are cut off so often is given up.
const CUT_OFF_MAX: usize = 3;
/// Slots that are looked at for one that has come with its jitter.
const LOOKED_AT_MAX: usize = 64;

/// A job, as far as time goes.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    /// Its name.
    pub name: &'a str,
    /// When it runs; by hand alone where there is none.
    pub schedule: Option<&'a Schedule>,
    /// How much later at the most.
    pub jitter: Duration,
    /// When it must not run.
    pub windows: &'a Windows,
    /// Jobs that go first where they are due too.
    pub after: &'a [String],
    /// What is known of it.
    pub past: &'a Past,
    /// True if it cannot begin whatever its time: whoever comes after it does not wait.
    pub is_kept: bool,
}

/// A run of the past, or of now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ran {
    /// The slot that it served.
    pub slot: Option<Time>,
    /// The run of another job that it followed.
    pub cause: Option<i64>,
    /// When it began.
    pub started: Time,
    /// How it ended.
    pub end: RanEnd,
}

/// How a run ended, as far as its slot is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RanEnd {
    /// It goes on.
    GoesOn,
    /// The work was done.
    Done,
    /// It failed: the slot is served all the same.
    Failed,
    /// It was told to stop: the slot is not served.
    Stopped,
    /// Its process died: the slot is not served, unless that happens again and again.
    CutOff,
}

/// What is known of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// Since when it is scheduled as it is; slots before are none of it.
    pub since: Time,
    /// The last run of any job at that time.
    pub since_run: i64,
    /// Its runs from the slot on that may be due, without those of a wrong clock; of a job that follows
    /// another one, those since that one's last good run.
    pub runs: Vec<Ran>,
    /// The last good run of the job that it follows.
    pub followed: Option<i64>,
}

impl Past {
    /// Of a job that was never seen before.
    pub fn new(since: Time) -> Self {
        Self { since, since_run: 0, runs: Vec::new(), followed: None }
    }

    fn has_served(&self, slot: Time, now: Time) -> bool {
        let cut = self.runs.iter().filter(|run| run.slot == Some(slot) && run.end == RanEnd::CutOff).count();
        let serves = |run: &Ran| match run.end {
            RanEnd::Stopped | RanEnd::CutOff => false,
            // By hand or for another slot: it counts if it began since.
            _ if run.slot.is_none() && run.end == RanEnd::Failed => false,
            _ => {
                run.slot == Some(slot)
                    || [run.slot, Some(run.started)].iter().flatten().any(|at| (slot..=now).contains(at))
            }
        };
        cut >= CUT_OFF_MAX || self.runs.iter().any(serves)
    }

    fn has_followed(&self, run: i64) -> bool {
        let same = |one: &&Ran| one.cause.is_some_and(|cause| cause >= run);
        let cut = self.runs.iter().filter(same).filter(|one| one.end == RanEnd::CutOff).count();
        let ended = |one: &Ran| !matches!(one.end, RanEnd::Stopped | RanEnd::CutOff);
        // By hand, after the run that it follows: as good.
        let by_hand = |one: &Ran| one.cause.is_none() && matches!(one.end, RanEnd::Done | RanEnd::GoesOn);
        cut >= CUT_OFF_MAX || self.runs.iter().any(by_hand) || self.runs.iter().filter(same).any(ended)
    }
}

/// What a job should do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Its name.
    pub name: String,
    /// Why it is due, if it is.
    pub due: Option<Due>,
    /// Why it does not begin all the same.
    pub held: Option<Held>,
    /// When its next slot begins, after now; not before windows open.
    pub next: Option<Time>,
}

/// Why a job is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The slot.
    pub slot: Option<Time>,
    /// The run of another job.
    pub cause: Option<i64>,
    /// Since when it could have begun.
    pub since: Time,
    /// True if that is long ago.
    pub missed: bool,
}

/// Why a job that is due does not begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// It goes on already.
    GoesOn,
    /// A window is closed; when it opens.
    Window(String, Time),
    /// A job goes first.
    Before(String),
}

/// Decides for all jobs. `going_on` are those that run now.
pub fn decide(
    jobs: &[Entry<'_>],
    going_on: &BTreeSet<String>,
    now: Time,
    seed: &[u8],
    zone: &TimeZone,
) -> Vec<Decision> {
    let due: Vec<Option<Due>> = jobs.iter().map(|job| job.due(now, seed, zone)).collect();
    let waits = |name: &String| {
        let other = jobs.iter().position(|job| job.name == name);
        going_on.contains(name)
            || other.is_some_and(|at| due[at].is_some() && !jobs[at].is_kept && jobs[at].is_open(now, zone))
    };
    let each = jobs.iter().zip(&due).map(|(job, due)| Decision {
        name: job.name.to_string(),
        due: *due,
        held: due.and_then(|_| {
            if going_on.contains(job.name) {
                return Some(Held::GoesOn);
            }
            if let Some(window) = job.windows.closed(now, zone) {
                return Some(Held::Window(window.to_string(), job.windows.open_from(now, zone)));
            }
            job.after.iter().find(|name| waits(name)).cloned().map(Held::Before)
        }),
        next: job.next(now, seed, zone),
    });
    each.collect()
}

impl Entry<'_> {
    fn is_open(&self, now: Time, zone: &TimeZone) -> bool {
        self.windows.closed(now, zone).is_none()
    }

    fn ripe(&self, slot: Time, seed: &[u8], zone: &TimeZone) -> Time {
        slot.plus(Schedule::jitter(slot, self.jitter, seed, self.name, zone))
    }

    /// From where on runs have to be known, to decide what is due.
    pub fn floor(schedule: &Schedule, jitter: Duration, now: Time, zone: &TimeZone) -> Time {
        let before = Time(now.0.saturating_sub(i64::try_from(jitter.as_nanos()).unwrap_or(i64::MAX)));
        schedule.last(before, zone).unwrap_or(now)
    }

    /// The last slot that has come.
    fn slot(&self, now: Time, seed: &[u8], zone: &TimeZone) -> Option<Time> {
        let schedule = self.schedule?;
        let mut slot = schedule.last(now, zone)?;
        for _ in 0..LOOKED_AT_MAX {
            if self.ripe(slot, seed, zone) <= now {
                return Some(slot);
            }
            slot = schedule.last(Time(slot.0 - 1), zone)?;
        }
        // So dense that every slot of the last hours waits: the first that cannot wait any more.
        Some(Self::floor(schedule, self.jitter, now, zone))
    }

    fn due(&self, now: Time, seed: &[u8], zone: &TimeZone) -> Option<Due> {
        let schedule = self.schedule?;
        if schedule.follows().is_some() {
            let run = self.past.followed.filter(|run| *run > self.past.since_run)?;
            let due = Due { slot: None, cause: Some(run), since: now, missed: false };
            return (!self.past.has_followed(run)).then_some(due);
        }
        let slot = self.slot(now, seed, zone).filter(|slot| *slot > self.past.since)?;
        if self.past.has_served(slot, now) {
            return None;
        }
        let since = self.windows.open_from(self.ripe(slot, seed, zone), zone);
        Some(Due { slot: Some(slot), cause: None, since, missed: since.until(now) > MISSED_AFTER })
    }

    /// When it begins next, if nothing else keeps it.
    fn next(&self, now: Time, seed: &[u8], zone: &TimeZone) -> Option<Time> {
        let schedule = self.schedule?;
        let mut slot = Self::floor(schedule, self.jitter, now, zone);
        for _ in 0..LOOKED_AT_MAX * 4 {
            slot = schedule.next(slot, zone)?;
            let begins = self.windows.open_from(self.ripe(slot, seed, zone), zone);
            let done = self.past.runs.iter().any(|run| run.slot == Some(slot) && run.end == RanEnd::Done);
            if begins > now && slot > self.past.since && !done {
                return Some(begins);
            }
        }
        schedule.next(now, zone)
    }
}
