//! Instants, and the clock as an argument. The only file that asks the system
//! for the time.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Nanoseconds since 1970-01-01T00:00:00 UTC; reaches from 1677 to 2262.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(pub i64);

/// A text that is no time.
#[derive(Debug, Clone, thiserror::Error)]
#[error("`{0}` is not a time such as 20260131T235959.000Z")]
pub struct BadTime(String);

impl Time {
    /// From seconds and nanoseconds; saturates.
    pub fn from_parts(seconds: i64, nanos: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
    }

    /// Whole seconds, rounded down.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000_000)
    }

    /// Nanoseconds within the second.
    pub fn nanos(self) -> u32 {
        self.0.rem_euclid(1_000_000_000) as u32
    }

    /// Cut to whole milliseconds.
    pub fn to_millis(self) -> Self {
        Self(self.0 - self.0.rem_euclid(1_000_000))
    }

    /// How long before `later`; zero if it is not.
    pub fn until(self, later: Time) -> Duration {
        Duration::from_nanos(u64::try_from(later.0.saturating_sub(self.0)).unwrap_or(0))
    }

    /// This much later.
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// `20260131T235959.000Z`, as in the names of snapshots.
    pub fn compact(self) -> String {
        let t = self.civil();
        format!(
            "{:04}{:02}{:02}T{:02}{:02}{:02}.{:03}Z",
            t.year(),
            t.month(),
            t.day(),
            t.hour(),
            t.minute(),
            t.second(),
            self.nanos() / 1_000_000
        )
    }

    /// Reads what [`Time::compact`] writes.
    pub fn from_compact(text: &str) -> Result<Self, BadTime> {
        let bad = || BadTime(text.chars().take(40).collect());
        let ascii = text.len() == 20 && text.is_ascii();
        let digits = |range: std::ops::Range<usize>| -> Option<i16> {
            let part = text.get(range)?;
            part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok())?
        };
        if !ascii || &text[8..9] != "T" || &text[15..16] != "." || &text[19..] != "Z" {
            return Err(bad());
        }
        let field = |range| digits(range).ok_or_else(bad);
        let small = |range| field(range).map(|n| n as i8);
        let civil = jiff::civil::DateTime::new(
            field(0..4)?,
            small(4..6)?,
            small(6..8)?,
            small(9..11)?,
            small(11..13)?,
            small(13..15)?,
            i32::from(field(16..19)?) * 1_000_000,
        )
        .map_err(|_| bad())?;
        let zoned = civil.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| bad())?;
        Ok(Self(i64::try_from(zoned.timestamp().as_nanosecond()).map_err(|_| bad())?))
    }

    /// The first instant of its month, UTC: bills count in these.
    pub fn month_start(self) -> Self {
        let t = self.civil();
        let first = Self::from_compact(&format!("{:04}{:02}01T000000.000Z", t.year(), t.month()));
        first.unwrap_or(self)
    }

    /// `2026-01-31T23:59:59Z`.
    pub fn to_rfc3339_seconds(self) -> String {
        self.civil().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// `2026-01-31 23:59:59` in the machine's zone, for people.
    pub fn local(self) -> String {
        let zoned = self.timestamp().to_zoned(jiff::tz::TimeZone::system());
        zoned.strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    fn timestamp(self) -> jiff::Timestamp {
        jiff::Timestamp::from_nanosecond(i128::from(self.0)).unwrap_or_default()
    }

    fn civil(self) -> jiff::civil::DateTime {
        self.timestamp().to_zoned(jiff::tz::TimeZone::UTC).datetime()
    }
}

impl fmt::Display for Time {
    /// RFC 3339 in UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.timestamp())
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(itoa::Buffer::new().format(self.0))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        crate::text::parsed(d, |text| {
            let digits = text.strip_prefix('-').unwrap_or(text);
            let canonical = text == "0" || digits.bytes().next().is_some_and(|b| (b'1'..=b'9').contains(&b));
            match text.parse() {
                Ok(n) if canonical => Ok(Self(n)),
                _ => Err("nanoseconds in a string are wanted"),
            }
        })
    }
}

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Wall-clock time; may jump.
    fn now(&self) -> Time;
    /// Time since some start; never jumps.
    fn elapsed(&self) -> Duration;
}

/// The system's clocks.
#[derive(Debug)]
pub struct SystemClock(std::time::Instant);

impl Default for SystemClock {
    fn default() -> Self {
        Self(std::time::Instant::now())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Time {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Time(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A clock that tests set; every look moves it by one millisecond.
#[derive(Debug)]
pub struct FixedClock(AtomicI64);

impl FixedClock {
    /// Starts at `at`.
    pub fn new(at: Time) -> Self {
        Self(AtomicI64::new(at.0))
    }

    /// Jumps to `at`, forwards or back.
    pub fn set(&self, at: Time) {
        self.0.store(at.0, Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Time {
        Time(self.0.fetch_add(1_000_000, Ordering::SeqCst))
    }

    fn elapsed(&self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.load(Ordering::SeqCst)).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_begin_at_their_first_midnight() {
        let at = |text: &str| Time::from_compact(text).unwrap();
        assert_eq!(at("20240229T235959.999Z").month_start(), at("20240201T000000.000Z"));
        assert_eq!(at("20261201T000000.000Z").month_start(), at("20261201T000000.000Z"));
    }

    #[test]
    fn compact_round_trips() {
        let t = Time::from_parts(1_790_000_000, 123_000_000);
        assert_eq!(t.compact(), "20260921T141320.123Z");
        assert_eq!(Time::from_compact(&t.compact()).unwrap(), t);
        for bad in ["", "20260921T141320.123", "20261321T141320.123Z", "2026092xT141320.123Z", "20260921T141320.12äZ"]
        {
            assert!(Time::from_compact(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn before_the_epoch() {
        let t = Time::from_parts(-2, 500_000_000);
        assert_eq!((t.seconds(), t.nanos()), (-2, 500_000_000));
        assert_eq!(serde_json::to_string(&t).unwrap(), "\"-1500000000\"");
        assert_eq!(serde_json::from_str::<Time>("\"-1500000000\"").unwrap(), t);
    }
}
