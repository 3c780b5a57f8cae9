//! When jobs run: schedules from text, windows, jitter, and the decision what is due.
//!
//! **Invariant:** pure. The time, the zone and what ran before come in; nothing is read or
//! remembered here. The same input gives the same answer on every machine.
//!
//! How it counts time:
//! - A schedule is a set of *slots*, instants that follow from its text and the time zone alone. So
//!   a restart, or a run that was late, shifts nothing.
//! - A slot at a time of day that the clock skips is right after the gap; of one that comes twice,
//!   the first counts. Cron expressions with `*` or a step for the hour, and `hourly`, mean real
//!   time instead: each hour that passes. `every 6 hours` counts hours that pass since 1970-01-05,
//!   UTC; `every 2 weeks` counts days of the calendar since that Monday.
//! - Of the slots that are past, only the last one counts: what was missed runs once.

mod decide;
mod slots;
mod text;
mod windows;

#[cfg(test)]
mod tests;
#[cfg(test)]
#[path = "schedule/tests/years.rs"]
mod years;

pub use decide::{Decision, Due, Held};
pub(crate) use decide::{Entry, Past, Ran, RanEnd, SET_BACK_MAX, decide};
pub use text::{ScheduleError, parse_span, span_text};
pub use windows::Windows;

use darkslide_words::Time;
use jiff::civil;

/// When a job runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    text: String,
    rule: Rule,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    /// A cron expression; `real` if it means each hour that passes.
    Cron { cron: Box<croner::Cron>, real: bool },
    /// Every so many days, counted from Monday, 1970-01-05, from this day of that count on.
    Days { every: i64, first: i64, at: civil::Time },
    /// Every so many seconds that pass, counted from that Monday, UTC.
    Seconds { every: i64 },
    /// This day of each month; the last one where there is no such day.
    Monthly { day: i8, at: civil::Time },
    /// After each good run of this job.
    After { job: String },
}

impl Schedule {
    /// Reads a cron expression, or words.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        Ok(Self { text: text.trim().to_string(), rule: text::rule(text)? })
    }

    /// After each good run of this job.
    pub fn after(job: &str) -> Self {
        Self { text: format!("after {job}"), rule: Rule::After { job: job.to_string() } }
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The job that it follows, if it follows one.
    pub fn follows(&self) -> Option<&str> {
        match &self.rule {
            Rule::After { job } => Some(job),
            _ => None,
        }
    }
}

pub(crate) fn timestamp(time: Time) -> jiff::Timestamp {
    // invariant: 64 bits of nanoseconds lie well within what jiff holds.
    jiff::Timestamp::from_nanosecond(i128::from(time.0)).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

pub(crate) fn time_of(at: jiff::Timestamp) -> Time {
    let nanos = at.as_nanosecond().clamp(i128::from(i64::MIN), i128::from(i64::MAX));
    Time(i64::try_from(nanos).unwrap_or(i64::MAX))
}
