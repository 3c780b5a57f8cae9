//! Schedules and spans of time as people write them.

use std::time::Duration;

use croner::parser::{CronParser, Seconds};
use jiff::civil;

use super::Rule;

/// Why a text is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no schedule: {why}")]
pub struct ScheduleError {
    /// What was written.
    pub text: String,
    /// What is wrong, and what would be right.
    pub why: String,
}

/// Said where nothing better is known.
const HINT: &str = "such as `nightly 02:00`, `hourly`, `weekly sun 03:00`, `every 2 weeks`, `every 6 hours`, \
                    `monthly 1 04:00`, `after JOB`, or a cron expression such as `0 2 * * *` are wanted";
/// When in the night, where no time is given.
const NIGHT: civil::Time = civil::time(2, 0, 0, 0);
pub(super) const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

pub(super) fn rule(text: &str) -> Result<Rule, ScheduleError> {
    let bad = |why: String| ScheduleError { text: text.trim().to_string(), why };
    let lower = text.trim().to_ascii_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let at = |word: Option<&&str>| match word {
        None => Ok(NIGHT),
        Some(word) => {
            clock(word).ok_or_else(|| bad(format!("`{word}` is no time of day such as `02:00`, from 00:00 to 23:59")))
        }
    };
    let at_most = |n: usize| match words.get(n) {
        Some(word) => Err(bad(format!("`{word}` is too much; {HINT}"))),
        None => Ok(()),
    };
    match words[..] {
        [] => Err(bad(format!("it is empty; {HINT}"))),
        ["nightly" | "daily", ..] => {
            at_most(2)?;
            Ok(Rule::Days { every: 1, first: 0, at: at(words.get(1))? })
        }
        ["hourly", ..] => {
            at_most(1)?;
            cron("0 * * * *").map_err(bad)
        }
        ["weekly", ..] => weeks(1, &words[1..]).map_err(bad),
        ["monthly", ..] => {
            at_most(3)?;
            let day = match words.get(1) {
                None => Some(1),
                Some(&"last") => Some(31),
                Some(day) => day.trim_end_matches('.').parse().ok().filter(|day| (1..=31).contains(day)),
            };
            let wrong = || bad(format!("`{}` is no day of a month: 1 to 31, or `last`", words[1]));
            Ok(Rule::Monthly { day: day.ok_or_else(wrong)?, at: at(words.get(2))? })
        }
        ["after", _] => {
            // Names keep their case.
            let job = text.split_whitespace().nth(1).unwrap_or_default();
            Ok(Rule::After { job: job.to_string() })
        }
        ["after", ..] => Err(bad("`after` wants the name of one job, without spaces".into())),
        ["every", ..] => every(&words[1..]).map_err(bad),
        [first, ..] if looks_like_cron(first) && (words.len() == 5 || words.len() == 6) => cron(text).map_err(bad),
        [first, ..] if looks_like_cron(first) => Err(bad(format!(
            "a cron expression has 5 fields (minute hour day month weekday), this has {}",
            words.len()
        ))),
        [first, ..] => Err(bad(format!("`{first}` is not known; {HINT}"))),
    }
}

fn looks_like_cron(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit() || c == '*')
}

fn cron(text: &str) -> Result<Rule, String> {
    let parser = CronParser::builder().seconds(Seconds::Optional).build();
    let cron = parser.parse(text).map_err(|error| format!("the cron expression does not hold: {error}"))?;
    // A day that never comes, such as the 30th of February.
    let some_day = civil::date(2024, 1, 1).at(0, 0, 0, 0);
    cron.find_next_occurrence(&some_day, true).map_err(|_| "it never comes".to_string())?;
    let fields: Vec<&str> = text.split_whitespace().collect();
    let hour = fields.len().checked_sub(4).and_then(|at| fields.get(at)).copied().unwrap_or_default();
    let real = hour.contains(['*', '/']);
    Ok(Rule::Cron { cron: Box::new(cron), real })
}

/// `2 weeks`, `2 weeks sun 03:00`, `3 days 04:00`, `6 hours`, `day`.
fn every(words: &[&str]) -> Result<Rule, String> {
    let (number, rest) = match words.first().map(|word| word.parse::<i64>()) {
        Some(Ok(number)) => (number, &words[1..]),
        Some(Err(_)) => (1, words),
        None => return Err(format!("every what? {HINT}")),
    };
    if !(1..=10_000).contains(&number) {
        return Err("a number from 1 to 10000 is wanted after `every`".into());
    }
    let seconds = |unit: i64, rest: &[&str]| match rest.first() {
        None => Ok(Rule::Seconds { every: number * unit }),
        Some(word) => {
            Err(format!("`{word}` is too much: hours, minutes and seconds are counted without a time of day"))
        }
    };
    match rest {
        ["week" | "weeks", rest @ ..] => weeks(number, rest),
        ["day" | "days", rest @ ..] => {
            let at = match rest {
                [] => NIGHT,
                [word] => clock(word).ok_or_else(|| format!("`{word}` is no time of day such as `02:00`"))?,
                [_, word, ..] => return Err(format!("`{word}` is too much; {HINT}")),
            };
            Ok(Rule::Days { every: number, first: 0, at })
        }
        ["hour" | "hours", rest @ ..] => seconds(3600, rest),
        ["minute" | "minutes" | "min", rest @ ..] => seconds(60, rest),
        ["second" | "seconds" | "s", rest @ ..] => seconds(1, rest),
        [unit, ..] => Err(format!("`{unit}` is no unit: weeks, days, hours, minutes or seconds are")),
        [] => Err(format!("{number} what? weeks, days, hours, minutes or seconds are units")),
    }
}

fn weeks(number: i64, rest: &[&str]) -> Result<Rule, String> {
    let day_of = |word: &str| WEEKDAYS.iter().position(|day| word.starts_with(day)).map(|day| day as i64);
    let (first, at) = match rest {
        [] => (Some(6), NIGHT),
        [one] if clock(one).is_some() => (Some(6), clock(one).unwrap_or(NIGHT)),
        [day] => (day_of(day), NIGHT),
        [day, at] => (day_of(day), clock(at).ok_or_else(|| format!("`{at}` is no time of day such as `03:00`"))?),
        [_, _, more, ..] => return Err(format!("`{more}` is too much; `weekly sun 03:00` is the form")),
    };
    let first = first.ok_or_else(|| format!("`{}` is no weekday: mon, tue, wed, thu, fri, sat or sun are", rest[0]))?;
    Ok(Rule::Days { every: 7 * number, first, at })
}

/// `02:00`, `2:00`.
pub(super) fn clock(text: &str) -> Option<civil::Time> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |part: &str, most: usize| {
        let fits = !part.is_empty() && part.len() <= most && part.bytes().all(|b| b.is_ascii_digit());
        fits.then(|| part.parse::<i8>().ok())?
    };
    let (hour, minute) = (digits(hour, 2)?, digits(minute, 2).filter(|_| minute.len() == 2)?);
    civil::Time::new(hour, minute, 0, 0).ok()
}

/// Reads `30 min`, `6h`, `30d`, `2 weeks`, `90s`.
pub fn parse_span(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let seconds = match unit.trim().to_ascii_lowercase().as_str() {
        "s" | "sec" | "second" | "seconds" => 1,
        "m" | "min" | "minute" | "minutes" => 60,
        "h" | "hour" | "hours" => 3600,
        "d" | "day" | "days" => 86_400,
        "w" | "week" | "weeks" => 7 * 86_400,
        _ => return None,
    };
    // A hundred years are for ever.
    let span = number.parse::<u64>().ok()?.checked_mul(seconds)?;
    (span <= 100 * 366 * 86_400).then(|| Duration::from_secs(span))
}

/// A span for people: the two largest units.
pub fn span_text(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        s if s < 120 => format!("{s} s"),
        s if s < 7200 => format!("{} min", s / 60),
        s if s < 172_800 => format!("{} h", s / 3600),
        s => format!("{} days", s / 86_400),
    }
}
