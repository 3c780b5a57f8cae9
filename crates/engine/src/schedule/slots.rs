//! The slots of a schedule: the next one after a time, and the last one up to it.

use std::time::Duration;

use darkslide_words::Time;
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::{Rule, Schedule, time_of, timestamp};

/// Days and seconds are counted from here: a Monday.
const EPOCH: Date = jiff::civil::date(1970, 1, 5);
const EPOCH_SECONDS: i64 = 4 * 86_400;
/// Steps of a search: more than a time zone has changes of its clock in a lifetime.
const STEPS_MAX: usize = 4000;

impl Schedule {
    /// The first slot after `after`.
    pub fn next(&self, after: Time, zone: &TimeZone) -> Option<Time> {
        match &self.rule {
            Rule::After { .. } => None,
            Rule::Seconds { every } => {
                let passed = (after.seconds() - EPOCH_SECONDS).div_euclid(*every);
                in_reach(EPOCH_SECONDS + (passed + 1) * every)
            }
            Rule::Cron { real: true, .. } => self.next_real(after, zone),
            _ => {
                let mut local = zone.to_datetime(timestamp(after));
                for _ in 0..STEPS_MAX {
                    local = self.later(local)?;
                    let slot = instant(local, zone)?;
                    if slot > after {
                        return Some(slot);
                    }
                }
                None
            }
        }
    }

    /// The last slot up to `until`, itself included.
    pub fn last(&self, until: Time, zone: &TimeZone) -> Option<Time> {
        match &self.rule {
            Rule::After { .. } => None,
            Rule::Seconds { every } => {
                let passed = (until.seconds() - EPOCH_SECONDS).div_euclid(*every);
                in_reach(EPOCH_SECONDS + passed * every)
            }
            Rule::Cron { real: true, .. } => self.last_real(until, zone),
            _ => {
                let mut local = latest_local(until, zone);
                let mut inclusive = true;
                for _ in 0..STEPS_MAX {
                    local = self.earlier(local, inclusive)?;
                    inclusive = false;
                    let slot = instant(local, zone)?;
                    if slot <= until {
                        return Some(slot);
                    }
                }
                None
            }
        }
    }

    /// In real time: within a stretch of one offset the calendar is even.
    fn next_real(&self, after: Time, zone: &TimeZone) -> Option<Time> {
        let mut from = timestamp(after);
        let mut inclusive = false;
        for _ in 0..STEPS_MAX {
            let offset = zone.to_offset(from);
            let end = zone.following(from).next().map(|change| change.timestamp());
            let local = self.cron_next(offset.to_datetime(from), inclusive)?;
            let slot = offset.to_timestamp(local).ok()?;
            match end {
                Some(end) if slot >= end => (from, inclusive) = (end, true),
                _ => return Some(time_of(slot)),
            }
        }
        None
    }

    fn last_real(&self, until: Time, zone: &TimeZone) -> Option<Time> {
        let mut upto = timestamp(until);
        for _ in 0..STEPS_MAX {
            let offset = zone.to_offset(upto);
            // The change that began this stretch, which may be right now.
            let next = upto.checked_add(jiff::SignedDuration::from_nanos(1)).ok()?;
            let begin = zone.preceding(next).next().map(|change| change.timestamp());
            let local = self.cron_last(offset.to_datetime(upto))?;
            let slot = offset.to_timestamp(local).ok()?;
            match begin {
                Some(begin) if slot < begin => upto = begin.checked_sub(jiff::SignedDuration::from_nanos(1)).ok()?,
                _ => return Some(time_of(slot)),
            }
        }
        None
    }

    fn cron_next(&self, local: DateTime, inclusive: bool) -> Option<DateTime> {
        let Rule::Cron { cron, .. } = &self.rule else { return None };
        let whole = local.subsec_nanosecond() == 0;
        cron.find_next_occurrence(&local, inclusive && whole).ok()
    }

    fn cron_last(&self, local: DateTime) -> Option<DateTime> {
        let Rule::Cron { cron, .. } = &self.rule else { return None };
        let second = local.with().subsec_nanosecond(0).build().ok()?;
        cron.find_previous_occurrence(&second, true).ok()
    }

    /// The next time of the calendar after `local`.
    fn later(&self, local: DateTime) -> Option<DateTime> {
        match &self.rule {
            Rule::Days { every, first, at } => {
                let day = days(local.date());
                let mut slot = day + (first - day).rem_euclid(*every);
                if slot == day && *at <= local.time() {
                    slot += every;
                }
                Some(date(slot)?.to_datetime(*at))
            }
            Rule::Monthly { day, at } => {
                let this = in_month(local.date(), *day)?.to_datetime(*at);
                match this > local {
                    true => Some(this),
                    false => {
                        let next = local.date().last_of_month().tomorrow().ok()?;
                        Some(in_month(next, *day)?.to_datetime(*at))
                    }
                }
            }
            _ => self.cron_next(local, false),
        }
    }

    /// The last time of the calendar before `local`, or at it.
    fn earlier(&self, local: DateTime, inclusive: bool) -> Option<DateTime> {
        let fits = |one: DateTime| if inclusive { one <= local } else { one < local };
        match &self.rule {
            Rule::Days { every, first, at } => {
                let day = days(local.date());
                let mut slot = day - (day - first).rem_euclid(*every);
                if !fits(date(slot)?.to_datetime(*at)) {
                    slot -= every;
                }
                Some(date(slot)?.to_datetime(*at))
            }
            Rule::Monthly { day, at } => {
                let this = in_month(local.date(), *day)?.to_datetime(*at);
                match fits(this) {
                    true => Some(this),
                    false => {
                        let before = local.date().first_of_month().yesterday().ok()?;
                        Some(in_month(before, *day)?.to_datetime(*at))
                    }
                }
            }
            _ if inclusive => self.cron_last(local),
            _ => self.cron_last(local.checked_sub(jiff::SignedDuration::from_secs(1)).ok()?),
        }
    }

    /// How much later than its slot a job begins: the same for all slots of a day, and on every
    /// start of the machine.
    pub(super) fn jitter(slot: Time, most: Duration, seed: &[u8], job: &str, zone: &TimeZone) -> Duration {
        if most.is_zero() {
            return most;
        }
        let day = zone.to_datetime(timestamp(slot)).date();
        let mut hasher = blake3::Hasher::new_derive_key("darkslide 2026 jitter of a job on a day");
        for part in [seed, job.as_bytes(), day.to_string().as_bytes()] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let mut number = [0; 8];
        hasher.finalize_xof().fill(&mut number);
        Duration::from_secs(u64::from_le_bytes(number) % (most.as_secs() + 1))
    }
}

/// The latest time that a local clock has shown up to `until`: where it was set back just before,
/// that is later than what it shows now.
fn latest_local(until: Time, zone: &TimeZone) -> DateTime {
    let at = timestamp(until);
    let local = zone.to_datetime(at);
    let next = at.checked_add(jiff::SignedDuration::from_nanos(1)).unwrap_or(at);
    let Some(change) = zone.preceding(next).next() else { return local };
    match change.timestamp().checked_sub(jiff::SignedDuration::from_nanos(1)) {
        Ok(before) => local.max(zone.to_offset(before).to_datetime(before)),
        Err(_) => local,
    }
}

fn in_reach(seconds: i64) -> Option<Time> {
    let time = Time::from_parts(seconds, 0);
    (time.seconds() == seconds).then_some(time)
}

fn days(date: Date) -> i64 {
    date.duration_since(EPOCH).as_hours() / 24
}

fn date(days: i64) -> Option<Date> {
    EPOCH.checked_add(jiff::SignedDuration::from_hours(days.checked_mul(24)?)).ok()
}

fn in_month(date: Date, day: i8) -> Option<Date> {
    date.with().day(day.min(date.days_in_month())).build().ok()
}

/// The instant of a local time: right after the gap if it is skipped, the first if it comes twice.
pub(super) fn instant(local: DateTime, zone: &TimeZone) -> Option<Time> {
    let ambiguous = zone.to_ambiguous_timestamp(local);
    let at = match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).ok()?,
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(local).ok()?,
        AmbiguousOffset::Gap { before, .. } => {
            let within = before.to_timestamp(local).ok()?;
            let next = within.checked_add(jiff::SignedDuration::from_nanos(1)).ok()?;
            zone.preceding(next).next()?.timestamp()
        }
    };
    Some(time_of(at))
}
