//! Windows in which a job must not run, such as `18:00-23:00` or `sat,sun 08:00-20:00`.

use darkslide_words::Time;
use jiff::civil::{self, Weekday};
use jiff::tz::TimeZone;

use super::text::{ScheduleError, WEEKDAYS, clock};
use super::{slots, timestamp};

/// Times of the week that are closed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Windows {
    closed: Vec<Window>,
}

/// From a minute of a day to another one, which may be the next day's.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Window {
    text: String,
    /// The weekdays on which it begins, Monday first.
    days: [bool; 7],
    from: u16,
    to: u16,
}

const DAY: u16 = 24 * 60;

impl Windows {
    /// Reads all of them; refuses what would leave no minute of the week.
    pub fn parse<S: AsRef<str>>(texts: &[S]) -> Result<Self, ScheduleError> {
        let all = Self { closed: texts.iter().map(|text| Window::parse(text.as_ref())).collect::<Result<_, _>>()? };
        let open = (0..7).any(|day| (0..DAY).any(|minute| all.closing(day, minute).is_none()));
        if !all.closed.is_empty() && !open {
            let text = texts.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
            let why = "together these close the whole week: the job would never run".to_string();
            return Err(ScheduleError { text, why });
        }
        Ok(all)
    }

    /// The window that is closed on this weekday (0 is Monday) at this minute.
    fn closing(&self, day: usize, minute: u16) -> Option<&Window> {
        let yesterday = (day + 6) % 7;
        self.closed.iter().find(|window| {
            let today = window.days[day] && minute >= window.from && (minute < window.to || window.crosses());
            today || (window.crosses() && window.days[yesterday] && minute < window.to)
        })
    }

    /// The window that is closed at this time, as it was written.
    pub fn closed(&self, at: Time, zone: &TimeZone) -> Option<&str> {
        Some(self.window(at, zone)?.text.as_str())
    }

    fn window(&self, at: Time, zone: &TimeZone) -> Option<&Window> {
        let local = zone.to_datetime(timestamp(at));
        let minute = local.hour() as u16 * 60 + local.minute() as u16;
        self.closing(number(local.weekday()), minute)
    }

    /// The first time from `at` on that is not closed.
    pub fn open_from(&self, at: Time, zone: &TimeZone) -> Time {
        let mut at = at;
        // Each step leaves a window; a week has no more of them than these.
        for _ in 0..(self.closed.len() * 16 + 16) {
            let Some(window) = self.window(at, zone) else { return at };
            let Some(end) = window.end(at, zone) else { return at };
            at = end;
        }
        at
    }
}

impl Window {
    fn crosses(&self) -> bool {
        self.to <= self.from
    }

    fn parse(text: &str) -> Result<Self, ScheduleError> {
        let bad = |why: &str| ScheduleError { text: text.trim().to_string(), why: why.to_string() };
        let form = "a window such as `18:00-23:00`, `22:00-06:00` or `sat,sun 08:00-20:00` is wanted";
        let lower = text.trim().to_ascii_lowercase();
        let (days, span) = match lower.rsplit_once(char::is_whitespace) {
            Some((days, span)) => {
                (Self::days(days).ok_or_else(|| bad("weekdays are mon, tue, wed, thu, fri, sat, sun"))?, span)
            }
            None => ([true; 7], lower.as_str()),
        };
        let (from, to) = span.split_once('-').ok_or_else(|| bad(form))?;
        let minutes = |at: civil::Time| at.hour() as u16 * 60 + at.minute() as u16;
        let from = clock(from.trim()).map(minutes).ok_or_else(|| bad(form))?;
        let to = match to.trim() {
            "24:00" => DAY,
            to => clock(to).map(minutes).ok_or_else(|| bad(form))?,
        };
        if from == to {
            return Err(bad("it begins when it ends; a whole day is `00:00-24:00`"));
        }
        Ok(Self { text: text.trim().to_string(), days, from, to })
    }

    /// `sat`, `sat,sun`, `mon-fri`.
    fn days(text: &str) -> Option<[bool; 7]> {
        let mut days = [false; 7];
        let day_of = |word: &str| WEEKDAYS.iter().position(|day| word.trim().starts_with(day));
        for part in text.split(',') {
            let (first, last) = match part.split_once('-') {
                Some((first, last)) => (day_of(first)?, day_of(last)?),
                None => (day_of(part)?, day_of(part)?),
            };
            let length = (last + 7 - first) % 7;
            (0..=length).for_each(|step| days[(first + step) % 7] = true);
        }
        Some(days)
    }

    /// When the window that is closed at `at` opens.
    fn end(&self, at: Time, zone: &TimeZone) -> Option<Time> {
        let local = zone.to_datetime(timestamp(at));
        let minute = local.hour() as u16 * 60 + local.minute() as u16;
        let tomorrow = self.to == DAY || (self.crosses() && minute >= self.from && self.days[number(local.weekday())]);
        let date = if tomorrow { local.date().tomorrow().ok()? } else { local.date() };
        let minute = self.to % DAY;
        let time = civil::Time::new((minute / 60) as i8, (minute % 60) as i8, 0, 0).ok()?;
        let end = date.to_datetime(time);
        match slots::instant(end, zone)? {
            end if end > at => Some(end),
            // It is the second time that the clock shows this hour.
            _ => {
                let later = zone.to_ambiguous_timestamp(end).later().ok()?;
                Some(super::time_of(later)).filter(|end| *end > at)
            }
        }
    }
}

fn number(day: Weekday) -> usize {
    usize::try_from(day.to_monday_zero_offset()).unwrap_or(0)
}
