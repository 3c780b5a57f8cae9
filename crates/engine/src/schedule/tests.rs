//! Slots against a model that lets the clock run, minute by minute; words; windows.

use std::time::Duration;

use darkslide_words::Time;
use jiff::civil::{DateTime, date};
use jiff::tz::TimeZone;
use proptest::prelude::{Just, Strategy, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::{Rule, Schedule, Windows, parse_span, slots, span_text, time_of, timestamp};

pub(super) fn zone(name: &str) -> TimeZone {
    // invariant: the list of zones is there: Debian's package `tzdata`.
    TimeZone::get(name).unwrap_or_else(|error| panic!("{name}: {error}; is tzdata installed?"))
}

/// A local time of this zone; the first, if it comes twice.
pub(super) fn at(zone: &TimeZone, text: &str) -> Time {
    slots::instant(text.parse::<DateTime>().unwrap(), zone).unwrap()
}

pub(super) fn local(zone: &TimeZone, time: Time) -> String {
    zone.to_datetime(timestamp(time)).strftime("%F %T").to_string()
}

const MINUTE: Duration = Duration::from_secs(60);
/// Places and years whose clocks do something odd.
const ODD: [(&str, &str, i32); 6] = [
    ("Europe/Berlin", "2025-12-30T00:00", 370),
    ("America/New_York", "2026-01-01T00:00", 370),
    ("Australia/Lord_Howe", "2026-01-01T00:00", 370),
    // A whole day, the 30th of December 2011, was left out.
    ("Pacific/Apia", "2011-09-01T00:00", 250),
    ("Asia/Kathmandu", "1985-12-20T00:00", 30),
    ("UTC", "2026-01-01T00:00", 40),
];
const TEXTS: [&str; 19] = [
    "nightly 02:30",
    "daily 00:00",
    "daily 23:59",
    "nightly 03:00",
    "weekly sun 02:15",
    "weekly fri",
    "every 2 weeks",
    "every 2 weeks sat 12:00",
    "every 3 days 02:45",
    "monthly 30 02:00",
    "monthly last 02:30",
    "monthly",
    "0 2 * * *",
    "30 2,3 * * sun",
    "15,45 2 1-7 * *",
    "hourly",
    "*/20 * * * *",
    "10 */2 * * *",
    "every 6 hours",
];

/// What the words mean, said once more and in another way: does this time of the calendar count?
fn counts(text: &str, at: DateTime) -> bool {
    let monday = date(1970, 1, 5);
    let days = at.date().duration_since(monday).as_hours() / 24;
    let (time, last) = ((at.hour(), at.minute()), at.date().days_in_month());
    match text {
        "nightly 02:30" => time == (2, 30),
        "daily 00:00" => time == (0, 0),
        "daily 23:59" => time == (23, 59),
        "nightly 03:00" => time == (3, 0),
        "weekly sun 02:15" => time == (2, 15) && days % 7 == 6,
        "weekly fri" => time == (2, 0) && days % 7 == 4,
        "every 2 weeks" => time == (2, 0) && days % 14 == 6,
        "every 2 weeks sat 12:00" => time == (12, 0) && days % 14 == 5,
        "every 3 days 02:45" => time == (2, 45) && days % 3 == 0,
        "monthly 30 02:00" => time == (2, 0) && at.day() == last.min(30),
        "monthly last 02:30" => time == (2, 30) && at.day() == last,
        "monthly" => time == (2, 0) && at.day() == 1,
        "0 2 * * *" => time == (2, 0),
        "30 2,3 * * sun" => (time == (2, 30) || time == (3, 30)) && days % 7 == 6,
        "15,45 2 1-7 * *" => (time == (2, 15) || time == (2, 45)) && at.day() <= 7,
        "hourly" => time.1 == 0,
        "*/20 * * * *" => time.1 % 20 == 0,
        "10 */2 * * *" => time.1 == 10 && time.0 % 2 == 0,
        other => panic!("{other}"),
    }
}

/// Lets a clock run and writes down when each slot comes: a time of the calendar when the clock
/// first shows it or has jumped past it; real time whenever the clock shows it.
fn by_the_clock(text: &str, zone: &TimeZone, from: Time, days: i32) -> Vec<Time> {
    let real = matches!(text, "hourly" | "*/20 * * * *" | "10 */2 * * *");
    let mut out = Vec::new();
    let mut shown = zone.to_datetime(timestamp(from));
    let end = from.plus(Duration::from_secs(86_400 * days as u64));
    let mut now = from;
    loop {
        now = now.plus(MINUTE);
        if now > end {
            return out;
        }
        let local = zone.to_datetime(timestamp(now));
        if text == "every 6 hours" {
            if (now.seconds() - 4 * 86_400) % (6 * 3600) == 0 {
                out.push(now);
            }
        } else if real {
            if counts(text, local) {
                out.push(now);
            }
        } else {
            let mut passed = shown;
            while passed < local {
                passed = passed.checked_add(jiff::SignedDuration::from_mins(1)).unwrap();
                if counts(text, passed) && out.last() != Some(&now) {
                    out.push(now);
                }
            }
        }
        shown = shown.max(local);
    }
}

#[test]
fn every_slot_comes_when_the_clock_shows_it_or_has_jumped_past_it() {
    for (name, from, days) in ODD {
        let zone = zone(name);
        let from = at(&zone, from);
        let end = from.plus(Duration::from_secs(86_400 * days as u64));
        for text in TEXTS {
            let schedule = Schedule::parse(text).unwrap();
            let wanted = by_the_clock(text, &zone, from, days);
            let mut found = Vec::new();
            let mut now = from;
            while let Some(next) = schedule.next(now, &zone).filter(|next| *next <= end) {
                assert!(next > now);
                found.push(next);
                now = next;
            }
            let told = |times: &[Time]| times.iter().map(|time| local(&zone, *time)).collect::<Vec<_>>();
            assert_eq!(told(&found), told(&wanted), "{text} in {name}");
            assert_eq!(found, wanted, "{text} in {name}");
            for pair in found.windows(2) {
                let middle = Time(pair[0].0 + (pair[1].0 - pair[0].0) / 2);
                for until in [pair[0], middle, Time(pair[1].0 - 1)] {
                    let last = schedule.last(until, &zone).unwrap();
                    assert_eq!(local(&zone, last), local(&zone, pair[0]), "{text} in {name} up to {until}");
                }
            }
        }
    }
}

#[test]
fn what_the_clock_skips_runs_right_after_and_what_it_shows_twice_runs_once() {
    let times = |text: &str, name: &str, from: &str, n: usize| {
        let (zone, schedule) = (zone(name), Schedule::parse(text).unwrap());
        let mut now = at(&zone, from);
        let mut next = || {
            now = schedule.next(now, &zone).unwrap();
            let instant = timestamp(now).to_zoned(zone.clone());
            instant.strftime("%F %R %:z").to_string()
        };
        (0..n).map(|_| next()).collect::<Vec<_>>()
    };
    let spring = times("nightly 02:30", "Europe/Berlin", "2026-03-28T12:00", 2);
    assert_eq!(spring, ["2026-03-29 03:00 +02:00", "2026-03-30 02:30 +02:00"]);
    let autumn = times("nightly 02:30", "Europe/Berlin", "2026-10-24T12:00", 2);
    assert_eq!(autumn, ["2026-10-25 02:30 +02:00", "2026-10-26 02:30 +01:00"]);
    let lord_howe = times("nightly 02:15", "Australia/Lord_Howe", "2026-10-03T12:00", 2);
    assert_eq!(lord_howe, ["2026-10-04 02:30 +11:00", "2026-10-05 02:15 +11:00"]);
    let lord_howe = times("nightly 01:45", "Australia/Lord_Howe", "2026-04-04T12:00", 2);
    assert_eq!(lord_howe, ["2026-04-05 01:45 +11:00", "2026-04-06 01:45 +10:30"]);
    let apia = times("nightly 02:00", "Pacific/Apia", "2011-12-28T12:00", 3);
    assert_eq!(apia, ["2011-12-29 02:00 -10:00", "2011-12-31 00:00 +14:00", "2011-12-31 02:00 +14:00"]);
    let hours = times("hourly", "America/New_York", "2026-11-01T00:30", 3);
    assert_eq!(hours, ["2026-11-01 01:00 -04:00", "2026-11-01 01:00 -05:00", "2026-11-01 02:00 -05:00"]);
}

#[test]
fn words_mean_what_people_mean() {
    let berlin = zone("Europe/Berlin");
    for (text, from, next) in [
        ("nightly", "2026-06-01T12:00", "2026-06-02 02:00:00"),
        ("Daily 2:05", "2026-06-01T12:00", "2026-06-02 02:05:00"),
        ("weekly", "2026-06-01T12:00", "2026-06-07 02:00:00"),
        ("weekly Wednesday 03:00", "2026-06-01T12:00", "2026-06-03 03:00:00"),
        ("weekly 05:00", "2026-06-01T12:00", "2026-06-07 05:00:00"),
        ("every day 04:00", "2026-06-01T12:00", "2026-06-02 04:00:00"),
        ("every 90 minutes", "2026-06-01T12:00", "2026-06-01 12:30:00"),
        ("every second", "2026-06-01T12:00", "2026-06-01 12:00:01"),
        ("monthly 31. 04:00", "2026-06-01T12:00", "2026-06-30 04:00:00"),
        ("monthly last", "2028-02-01T12:00", "2028-02-29 02:00:00"),
        ("0 0 1 1 *", "2026-06-01T12:00", "2027-01-01 00:00:00"),
        ("0 9 * * mon-fri", "2026-06-05T12:00", "2026-06-08 09:00:00"),
        ("*/10 * * * * *", "2026-06-01T12:00", "2026-06-01 12:00:10"),
    ] {
        let schedule = Schedule::parse(text).unwrap();
        assert_eq!(local(&berlin, schedule.next(at(&berlin, from), &berlin).unwrap()), next, "{text}");
        assert_eq!(schedule.text(), text);
    }
    let after = Schedule::parse("after Nightly-Mirror").unwrap();
    assert_eq!((after.follows(), after.next(Time(0), &berlin)), (Some("Nightly-Mirror"), None));
    assert_eq!(after.rule, Schedule::after("Nightly-Mirror").rule);
    assert!(matches!(Schedule::parse("hourly").unwrap().rule, Rule::Cron { real: true, .. }));
    assert!(matches!(Schedule::parse("0 2 * * *").unwrap().rule, Rule::Cron { real: false, .. }));
}

#[test]
fn what_is_no_schedule_is_told_with_what_would_be_one() {
    for (text, said) in [
        ("", "it is empty"),
        ("sometimes", "`sometimes` is not known; such as `nightly 02:00`"),
        ("nightly 24:00", "from 00:00 to 23:59"),
        ("nightly 2", "`2` is no time of day"),
        ("nightly 02:00 sun", "`sun` is too much"),
        ("weekly caturday", "`caturday` is no weekday: mon"),
        ("monthly 32", "1 to 31, or `last`"),
        ("every", "every what?"),
        ("every 2", "2 what?"),
        ("every 0 days", "from 1 to 10000"),
        ("every 2 fortnights", "`fortnights` is no unit"),
        ("every 2 hours 02:00", "without a time of day"),
        ("after", "the name of one job"),
        ("after this job", "the name of one job"),
        ("0 2 * *", "5 fields"),
        ("0 25 * * *", "does not hold"),
        ("0 0 30 2 *", "never comes"),
    ] {
        let error = Schedule::parse(text).unwrap_err().to_string();
        assert!(error.contains(said) && error.contains("is no schedule"), "{text}: {error}");
    }
    let seconds = |text| parse_span(text).map(|span| span.as_secs());
    assert_eq!(
        ["90s", "30 min", "6h", "14 days", "2 weeks"].map(seconds),
        [90, 1800, 21_600, 1_209_600, 1_209_600].map(Some)
    );
    assert_eq!(["", "h", "-1 h", "1.5h", "1 month", "200000 d", "99999999999999999999 d"].map(seconds), [None; 7]);
    assert_eq!(span_text(Duration::from_secs(7 * 86_400)), "7 days");
}

#[test]
fn windows_close_and_open_as_the_clock_shows() {
    let berlin = zone("Europe/Berlin");
    let opens = |texts: &[&str], from: &str| {
        let windows = Windows::parse(texts).unwrap();
        local(&berlin, windows.open_from(at(&berlin, from), &berlin))
    };
    let evening = ["18:00-23:00"];
    assert_eq!(opens(&evening, "2026-06-01T17:59"), "2026-06-01 17:59:00");
    assert_eq!(opens(&evening, "2026-06-01T18:00"), "2026-06-01 23:00:00");
    assert_eq!(opens(&evening, "2026-06-01T23:00"), "2026-06-01 23:00:00");
    assert_eq!(opens(&["22:00-06:00"], "2026-06-01T23:10"), "2026-06-02 06:00:00");
    assert_eq!(opens(&["22:00-06:00"], "2026-06-01T05:59"), "2026-06-01 06:00:00");
    // Saturday is the 6th of June.
    assert_eq!(opens(&["sat,sun 00:00-24:00"], "2026-06-06T10:00"), "2026-06-08 00:00:00");
    assert_eq!(opens(&["sat 22:00-06:00"], "2026-06-07T05:00"), "2026-06-07 06:00:00");
    assert_eq!(opens(&["sat 22:00-06:00"], "2026-06-06T05:00"), "2026-06-06 05:00:00");
    assert_eq!(opens(&["mon-fri 18:00-23:00", "23:00-01:00"], "2026-06-05T20:00"), "2026-06-06 01:00:00");
    assert_eq!(opens(&["fri-mon 08:00-09:00"], "2026-06-07T08:30"), "2026-06-07 09:00:00");
    // The end is skipped: open right after the gap. It comes twice: open at the first.
    assert_eq!(opens(&["22:00-02:30"], "2026-03-28T23:00"), "2026-03-29 03:00:00");
    assert_eq!(opens(&["22:00-02:30"], "2026-10-24T23:00"), "2026-10-25 02:30:00");
    for (text, said) in [
        ("18:00", "a window such as"),
        ("18:00-18:00", "00:00-24:00"),
        ("x 18:00-19:00", "weekdays are"),
        ("18:00-25:00", "a window such as"),
        ("24:00-18:00", "a window such as"),
    ] {
        assert!(Windows::parse(&[text]).unwrap_err().to_string().contains(said), "{text}");
    }
    assert!(Windows::parse(&["12:00-00:00", "00:00-12:00"]).unwrap_err().to_string().contains("never run"));
    assert!(Windows::parse::<&str>(&[]).unwrap().closed(Time(0), &berlin).is_none());
}

#[test]
fn jitter_is_the_same_all_day_and_on_each_start_and_spreads() {
    let berlin = zone("Europe/Berlin");
    let most = Duration::from_secs(1800);
    let on = |seed: &[u8], job: &str, time: &str| Schedule::jitter(at(&berlin, time), most, seed, job, &berlin);
    assert_eq!(on(b"a", "x", "2026-06-01T02:00"), on(b"a", "x", "2026-06-01T22:00"));
    let mut found = std::collections::BTreeSet::new();
    for day in 1..=28 {
        for (seed, job) in [("a", "x"), ("a", "y"), ("b", "x")] {
            let jitter = on(seed.as_bytes(), job, &format!("2026-06-{day:02}T02:00"));
            assert!(jitter <= most);
            found.insert(jitter);
        }
    }
    assert!(found.len() > 60, "{} of 84 differ", found.len());
    assert!(Schedule::jitter(Time(0), Duration::ZERO, b"a", "x", &berlin).is_zero());
}

fn any_schedule() -> impl Strategy<Value = Schedule> {
    let text = prop_oneof![
        proptest::sample::select(TEXTS.to_vec()).prop_map(str::to_string),
        (0..24u8, 0..60u8).prop_map(|(h, m)| format!("nightly {h:02}:{m:02}")),
        (1..9u8, 0..24u8, 0..60u8).prop_map(|(n, h, m)| format!("every {n} days {h:02}:{m:02}")),
        (1..500u32).prop_map(|n| format!("every {n} minutes")),
        (0..60u8, 0..24u8, 1..29u8).prop_map(|(m, h, d)| format!("{m} {h} {d} * *")),
        (0..60u8, 1..12u8).prop_map(|(m, h)| format!("{m} */{h} * * *")),
        Just("0 12 29 2 *".to_string()),
    ];
    text.prop_map(|text| Schedule::parse(&text).unwrap())
}

proptest! {
    #[test]
    fn next_and_last_agree(schedule in any_schedule(), place in 0..6usize, second in 0..400 * 86_400u32, nanos in 0..2u32) {
        let (name, from, _) = ODD[place];
        let zone = zone(name);
        let now = Time(at(&zone, from).0 + i64::from(second) * 1_000_000_000 + i64::from(nanos));
        let next = schedule.next(now, &zone).unwrap();
        prop_assert!(next > now);
        prop_assert_eq!(schedule.last(next, &zone), Some(next));
        let last = schedule.last(now, &zone).unwrap();
        prop_assert!(last <= now);
        prop_assert_eq!(schedule.next(last, &zone), Some(next), "nothing lies between {} and {}", last, next);
        prop_assert_eq!(schedule.last(Time(next.0 - 1), &zone), Some(last));
        prop_assert_eq!(time_of(timestamp(next)), next);
    }

    #[test]
    fn after_a_window_it_is_open_and_before_it_was_not(hours in (0..24u8, 0..24u8), day in 0..8usize, minute in 0..400 * 1440u32, place in 0..6usize) {
        let (name, from, _) = ODD[place];
        let zone = zone(name);
        let (a, b) = hours;
        let days = ["", "mon ", "tue ", "wed ", "thu ", "fri ", "sat ", "sat,sun "][day];
        let Ok(windows) = Windows::parse(&[format!("{days}{a:02}:30-{b:02}:15")]) else { return Ok(()) };
        let now = at(&zone, from).plus(MINUTE * minute);
        let open = windows.open_from(now, &zone);
        prop_assert!(windows.closed(open, &zone).is_none());
        prop_assert!(open >= now && (open == now) == windows.closed(now, &zone).is_none());
        if open > now {
            prop_assert!(windows.closed(Time(open.0 - 1), &zone).is_some());
        }
    }
}
