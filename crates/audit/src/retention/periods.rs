//! Hours, days, weeks, months and years, as the calendar of a place has them.

use std::fmt;

use darkslide_words::Time;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A kind of period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// A clock hour; the one that comes twice in autumn is two.
    Hourly,
    /// From midnight to midnight, also where that is 23 or 25 hours.
    Daily,
    /// From Monday on, numbered as ISO 8601 does.
    Weekly,
    /// A calendar month.
    Monthly,
    /// A calendar year.
    Yearly,
}

impl Period {
    /// All, the shortest first.
    pub const ALL: [Self; 5] = [Self::Hourly, Self::Daily, Self::Weekly, Self::Monthly, Self::Yearly];

    /// The period of this kind that an instant falls into.
    pub fn of(self, at: Time, zone: &TimeZone) -> String {
        let instant = Timestamp::from_nanosecond(i128::from(at.0)).unwrap_or_default();
        let local = instant.to_zoned(zone.clone());
        match self {
            Self::Hourly => local.strftime("%Y-%m-%d %H:00%:z").to_string(),
            Self::Daily => local.strftime("%Y-%m-%d").to_string(),
            Self::Weekly => {
                let week = local.date().iso_week_date();
                format!("{}-W{:02}", week.year(), week.week())
            }
            Self::Monthly => local.strftime("%Y-%m").to_string(),
            Self::Yearly => local.strftime("%Y").to_string(),
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Yearly => "yearly",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin() -> TimeZone {
        // The rule of the zone itself: needs no database on the machine.
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    fn at(text: &str) -> Time {
        Time(i64::try_from(text.parse::<Timestamp>().unwrap().as_nanosecond()).unwrap())
    }

    fn name(period: Period, text: &str) -> String {
        period.of(at(text), &berlin())
    }

    #[test]
    fn days_end_at_local_midnight_also_when_the_clock_changes() {
        // The day the clock goes forward has 23 hours, the one it goes back 25.
        assert_eq!(name(Period::Daily, "2026-03-28T22:59:59Z"), "2026-03-28");
        assert_eq!(name(Period::Daily, "2026-03-28T23:00:00Z"), "2026-03-29");
        assert_eq!(name(Period::Daily, "2026-03-29T21:59:59Z"), "2026-03-29");
        assert_eq!(name(Period::Daily, "2026-03-29T22:00:00Z"), "2026-03-30");
        assert_eq!(name(Period::Daily, "2026-10-24T22:00:00Z"), "2026-10-25");
        assert_eq!(name(Period::Daily, "2026-10-25T22:59:59Z"), "2026-10-25");
        assert_eq!(name(Period::Daily, "2026-10-25T23:00:00Z"), "2026-10-26");
    }

    #[test]
    fn the_hour_that_comes_twice_is_two() {
        let (first, second) =
            (name(Period::Hourly, "2026-10-25T00:30:00Z"), name(Period::Hourly, "2026-10-25T01:30:00Z"));
        assert_eq!(first, "2026-10-25 02:00+02:00");
        assert_eq!(second, "2026-10-25 02:00+01:00");
    }

    #[test]
    fn weeks_are_those_of_iso_8601() {
        // 2026 has 53 weeks, 2027 begins on a Friday; 2024-12-30 belongs to 2025.
        assert_eq!(name(Period::Weekly, "2027-01-03T12:00:00Z"), "2026-W53");
        assert_eq!(name(Period::Weekly, "2027-01-03T23:00:00Z"), "2027-W01");
        assert_eq!(name(Period::Weekly, "2024-12-30T12:00:00Z"), "2025-W01");
    }

    #[test]
    fn months_and_years_end_at_local_midnight() {
        assert_eq!(name(Period::Monthly, "2024-02-29T22:59:59Z"), "2024-02");
        assert_eq!(name(Period::Monthly, "2024-02-29T23:00:00Z"), "2024-03");
        assert_eq!(name(Period::Yearly, "2026-12-31T22:59:59Z"), "2026");
        assert_eq!(name(Period::Yearly, "2026-12-31T23:00:00Z"), "2027");
    }
}
