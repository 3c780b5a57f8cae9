//! Calendar months in UTC, as bills have them.

use std::fmt;

use darkslide_words::Time;
use serde::{Deserialize, Serialize};

/// A calendar month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Month {
    year: i16,
    /// From 1.
    month: i8,
}

impl Month {
    /// The month an instant falls in.
    pub(super) fn of(time: Time) -> Self {
        let instant = jiff::Timestamp::from_nanosecond(i128::from(time.0)).unwrap_or_default();
        let date = instant.to_zoned(jiff::tz::TimeZone::UTC).date();
        Self { year: date.year(), month: date.month() }
    }

    /// The month after.
    pub(super) fn next(self) -> Self {
        match self.month {
            12 => Self { year: self.year + 1, month: 1 },
            month => Self { year: self.year, month: month + 1 },
        }
    }

    /// Its first instant.
    pub(super) fn start(self) -> Time {
        let first = jiff::civil::Date::new(self.year, self.month, 1).unwrap_or_default();
        let midnight = first.to_zoned(jiff::tz::TimeZone::UTC).map(|at| at.timestamp().as_nanosecond());
        let nanoseconds = midnight.unwrap_or_default();
        // A year past the end of `Time` saturates, so that walking months ends.
        let bound = if nanoseconds < 0 { i64::MIN } else { i64::MAX };
        Time(i64::try_from(nanoseconds).unwrap_or(bound))
    }

    /// The first instant that is no longer in it.
    pub(super) fn end(self) -> Time {
        self.next().start()
    }

    /// How long it is.
    pub(super) fn milliseconds(self) -> u128 {
        super::milliseconds(self.start(), self.end())
    }
}

impl fmt::Display for Month {
    /// `2026-11`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}
