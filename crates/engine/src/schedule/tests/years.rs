//! Years on a clock that is set, stopped and wrong: exactly which runs happen.

use std::collections::BTreeSet;
use std::time::Duration;

use darkslide_words::{SeededRng, Time};
use jiff::tz::TimeZone;
use proptest::prelude::{ProptestConfig, prop_assert, proptest};

use super::decide::{Decision, Entry, Held, Past, Ran, RanEnd, SET_BACK_MAX, decide};
use super::tests::{at, local, zone};
use super::{Schedule, Windows};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
/// Of many rows the last ones tell all: more than any job here runs in two days.
const LOOKED_AT: usize = 500;

struct Job {
    name: &'static str,
    schedule: Schedule,
    jitter: Duration,
    windows: Windows,
    after: Vec<String>,
    takes: Duration,
    since: Option<Time>,
    since_run: i64,
}

fn job(name: &'static str, schedule: &str) -> Job {
    Job {
        name,
        schedule: Schedule::parse(schedule).unwrap(),
        jitter: Duration::ZERO,
        windows: Windows::default(),
        after: Vec::new(),
        takes: Duration::ZERO,
        since: None,
        since_run: 0,
    }
}

/// A row: whose, what, and whether a clock that was wrong told of it.
#[derive(Debug, Clone)]
struct Row {
    job: &'static str,
    ran: Ran,
    is_void: bool,
    missed: bool,
}

/// A machine with its wall clock and what it remembers.
struct Machine {
    zone: TimeZone,
    now: Time,
    jobs: Vec<Job>,
    /// The number of a run is its place, from 1 on.
    rows: Vec<Row>,
    /// Places of the rows of each job.
    by_job: Vec<Vec<usize>>,
    busy: Vec<(usize, Duration)>,
}

impl Machine {
    fn new(place: &str, from: &str, jobs: Vec<Job>) -> Self {
        let zone = zone(place);
        let by_job = jobs.iter().map(|_| Vec::new()).collect();
        Self { now: at(&zone, from), zone, jobs, rows: Vec::new(), by_job, busy: Vec::new() }
    }

    fn write_down(&mut self, n: usize, ran: Ran, missed: bool) {
        self.by_job[n].push(self.rows.len());
        self.rows.push(Row { job: self.jobs[n].name, ran, is_void: false, missed });
    }

    /// What the catalog tells of a job.
    fn past(&mut self, n: usize) -> Past {
        let (job, rows, now) = (&mut self.jobs[n], &self.rows, self.now);
        if job.since.is_none_or(|since| since > now) {
            (job.since, job.since_run) = (Some(now), rows.len() as i64);
        }
        let good = |row: &Row| row.ran.end == RanEnd::Done && Some(row.job) == job.schedule.follows();
        let followed = rows.iter().rposition(good).map(|at| at as i64 + 1);
        let floor = Entry::floor(&job.schedule, job.jitter, now, &self.zone);
        let counts = |row: &&Row| match job.schedule.follows() {
            Some(_) => row.job == job.name,
            None => {
                let last = now.plus(SET_BACK_MAX);
                let counts = !row.is_void && row.ran.started <= last;
                row.job == job.name && counts && row.ran.slot.max(Some(row.ran.started)) >= Some(floor)
            }
        };
        let own = self.by_job[n].iter().rev().take(LOOKED_AT).rev().map(|at| &rows[*at]);
        let runs = own.filter(counts).map(|row| row.ran).collect();
        Past { since: job.since.unwrap_or(now), since_run: job.since_run, runs, followed }
    }

    fn decisions(&mut self) -> Vec<Decision> {
        let now = self.now;
        let wrong = Time(now.0.saturating_add(SET_BACK_MAX.as_nanos() as i64));
        let (mut first, mut last) = (None::<Time>, None::<Time>);
        for row in self.rows.iter_mut().rev().take(LOOKED_AT) {
            let started = row.ran.started;
            if started <= wrong {
                (first, last) = (Some(first.map_or(started, |at| at.min(started))), last.max(Some(started)));
            } else if first.zip(last).is_some_and(|(first, last)| first.until(last) >= SET_BACK_MAX) {
                row.is_void = true;
            }
        }
        let pasts: Vec<Past> = (0..self.jobs.len()).map(|n| self.past(n)).collect();
        let entries: Vec<Entry<'_>> = self
            .jobs
            .iter()
            .zip(&pasts)
            .map(|(job, past)| Entry {
                name: job.name,
                schedule: Some(&job.schedule),
                jitter: job.jitter,
                windows: &job.windows,
                after: &job.after,
                past,
                is_kept: false,
            })
            .collect();
        let going_on: BTreeSet<String> = self.busy.iter().map(|(n, _)| self.jobs[*n].name.to_string()).collect();
        decide(&entries, &going_on, now, b"seed", &self.zone)
    }

    /// One look at the clock: what ends, and what begins, one at a time.
    fn turn(&mut self) -> Vec<Decision> {
        let decisions = self.decisions();
        for (n, decision) in decisions.iter().enumerate() {
            assert!(decision.next.is_none_or(|next| next > self.now), "next is after now: {decision:?}");
            let Some(due) = decision.due.filter(|_| decision.held.is_none() && self.busy.is_empty()) else { continue };
            let takes = self.jobs[n].takes;
            let end = if takes.is_zero() { RanEnd::Done } else { RanEnd::GoesOn };
            let ran = Ran { slot: due.slot, cause: due.cause, started: self.now, end };
            self.write_down(n, ran, due.missed);
            if !takes.is_zero() {
                self.busy.push((n, takes));
            }
        }
        decisions
    }

    /// Runs for so long, with a look each `step`.
    fn run(&mut self, time: Duration, step: Duration) {
        let mut left = time;
        while left > Duration::ZERO {
            self.turn();
            let step = step.min(left);
            self.now = self.now.plus(step);
            left -= step;
            self.end(step, RanEnd::Done);
        }
    }

    /// Sleeps until something begins, as the daemon does, but for its look each 30 seconds.
    fn sleep_until(&mut self, text: &str) {
        let end = at(&self.zone, text);
        while self.now < end {
            let next = self.turn().into_iter().filter_map(|decision| decision.next).min();
            self.now = next.unwrap_or(end).min(end);
        }
    }

    fn end(&mut self, passed: Duration, how: RanEnd) {
        let mut over = Vec::new();
        self.busy.retain_mut(|(n, left)| {
            *left = left.saturating_sub(passed);
            if left.is_zero() {
                over.push(*n);
            }
            !left.is_zero()
        });
        for n in over {
            let name = self.jobs[n].name;
            let row = self.rows.iter_mut().rfind(|row| row.job == name).unwrap();
            row.ran.end = how;
        }
    }

    /// Pulls the plug.
    fn cut(&mut self) {
        self.busy.iter_mut().for_each(|(_, left)| *left = Duration::ZERO);
        self.end(DAY, RanEnd::CutOff);
    }

    fn until(&mut self, text: &str, step: Duration) {
        let end = at(&self.zone, text);
        self.run(self.now.until(end), step);
    }

    fn off_until(&mut self, text: &str) {
        self.cut();
        self.now = at(&self.zone, text);
    }

    /// Slots and beginnings of a job's runs, in local time.
    fn told(&self, job: &str) -> Vec<String> {
        let rows = self.rows.iter().filter(|row| row.job == job);
        rows.map(|row| {
            let slot = row.ran.slot.map_or_else(|| "-".into(), |slot| local(&self.zone, slot));
            let missed = if row.missed { " missed" } else { "" };
            format!("{} at {}{missed}", &slot[..slot.len().min(16)], &local(&self.zone, row.ran.started)[..16])
        })
        .collect()
    }

    fn slots(&self, job: &str) -> Vec<Time> {
        self.rows.iter().filter(|row| row.job == job).filter_map(|row| row.ran.slot).collect()
    }
}

fn all_slots(schedule: &str, zone: &TimeZone, from: &str, until: &str) -> Vec<Time> {
    let (schedule, end) = (Schedule::parse(schedule).unwrap(), at(zone, until));
    let next = |now: &Time| schedule.next(*now, zone).filter(|slot| *slot < end);
    std::iter::successors(next(&at(zone, from)), next).collect()
}

#[test]
fn over_years_each_slot_runs_once_through_every_change_of_the_clock() {
    let texts = ["nightly 02:30", "weekly sun 02:15", "monthly last 02:00", "every 2 weeks", "0 3 * * *"];
    for (place, from, until, nights) in [
        ("Europe/Berlin", "2026-01-01T12:00", "2036-01-01T12:00", 3652),
        ("America/New_York", "2026-01-01T12:00", "2029-01-01T12:00", 1096),
        ("Australia/Lord_Howe", "2026-01-01T12:00", "2029-01-01T12:00", 1096),
        // 1096 nights of the calendar, one of them in a day that never was: it ran right after.
        ("Pacific/Apia", "2010-01-01T12:00", "2013-01-01T12:00", 1096),
    ] {
        let jobs = texts.iter().map(|text| job(text, text)).collect();
        let mut machine = Machine::new(place, from, jobs);
        machine.sleep_until(until);
        for text in texts {
            assert_eq!(machine.slots(text), all_slots(text, &machine.zone, from, until), "{text} in {place}");
        }
        assert_eq!(machine.slots("nightly 02:30").len(), nights, "{place}");
        assert!(machine.rows.iter().all(|row| !row.missed && row.ran.slot == Some(row.ran.started)), "{place}");
    }
}

#[test]
fn each_hour_that_passes_runs_once_through_every_change_of_the_clock() {
    for (place, from, until, hours) in [
        ("Europe/Berlin", "2026-03-20T12:30", "2026-04-03T12:30", 14 * 24 - 1),
        ("Europe/Berlin", "2026-10-20T12:30", "2026-11-03T12:30", 14 * 24 + 1),
        ("America/New_York", "2026-10-25T12:30", "2026-11-08T12:30", 14 * 24 + 1),
        // Half an hour back: two o'clock is shown once all the same.
        ("Australia/Lord_Howe", "2026-03-28T12:30", "2026-04-11T12:30", 14 * 24),
        ("Pacific/Apia", "2011-12-20T12:30", "2012-01-03T12:30", 13 * 24),
    ] {
        let mut machine = Machine::new(place, from, vec![job("h", "hourly")]);
        machine.sleep_until(until);
        assert_eq!(machine.slots("h"), all_slots("hourly", &machine.zone, from, until), "{place}");
        assert_eq!(machine.slots("h").len(), hours, "{place}");
    }
}

#[test]
fn what_was_missed_while_off_for_weeks_runs_once() {
    let jobs = || vec![job("nightly", "nightly 02:00"), job("hourly", "hourly"), job("fortnight", "every 2 weeks")];
    let mut machine = Machine::new("Europe/Berlin", "2026-03-01T12:00", jobs());
    machine.until("2026-03-03T12:00", 5 * MINUTE);
    machine.off_until("2026-04-10T18:20");
    machine.until("2026-04-12T00:10", 5 * MINUTE);
    assert_eq!(
        machine.told("nightly"),
        [
            "2026-03-02 02:00 at 2026-03-02 02:00",
            "2026-03-03 02:00 at 2026-03-03 02:00",
            "2026-04-10 02:00 at 2026-04-10 18:20 missed",
            "2026-04-11 02:00 at 2026-04-11 02:00"
        ]
    );
    assert_eq!(machine.told("fortnight"), ["2026-04-05 02:00 at 2026-04-10 18:20 missed"]);
    let hours = machine.told("hourly");
    assert_eq!(hours.len(), 47 + 1 + 30, "{hours:?}");
    assert_eq!(hours[47], "2026-04-10 18:00 at 2026-04-10 18:20 missed");
    // A machine that is never on at night runs once a day, when it comes on.
    let mut office = Machine::new("Europe/Berlin", "2026-03-02T09:00", jobs());
    for day in 2..30 {
        office.off_until(&format!("2026-03-{day:02}T09:00"));
        office.until(&format!("2026-03-{day:02}T17:00"), 5 * MINUTE);
    }
    let told = office.told("nightly");
    assert_eq!(told.len(), 27, "{told:?}");
    assert!(told.iter().all(|line| line.ends_with("09:00 missed")), "{told:?}");
}

#[test]
fn a_clock_that_is_set_back_runs_nothing_twice() {
    for hours in 1..=24u32 {
        let mut machine =
            Machine::new("Europe/Berlin", "2026-06-01T12:00", vec![job("n", "nightly 02:00"), job("h", "hourly")]);
        machine.until("2026-06-05T02:10", 5 * MINUTE);
        machine.now = Time(machine.now.0 - i64::from(hours) * 3_600_000_000_000);
        let turned_back = machine.rows.len();
        machine.until("2026-06-05T02:10", 5 * MINUTE);
        assert_eq!(machine.rows.len(), turned_back, "{hours} hours back, all of them known already");
        machine.until("2026-06-09T12:00", 5 * MINUTE);
        for (name, text) in [("n", "nightly 02:00"), ("h", "hourly")] {
            let wanted = all_slots(text, &machine.zone, "2026-06-01T12:00", "2026-06-09T12:00");
            assert_eq!(machine.slots(name), wanted, "{hours} hours back");
        }
    }
}

#[test]
fn a_clock_that_was_far_off_costs_one_run_and_starves_nothing() {
    for (wrong, text) in
        [("2026-09-01T10:00", "three months"), ("2099-01-01T10:00", "decades"), ("2026-06-08T10:00", "days")]
    {
        let mut machine =
            Machine::new("Europe/Berlin", "2026-06-01T12:00", vec![job("n", "nightly 02:00"), job("w", "weekly sun")]);
        machine.until("2026-06-04T10:00", 5 * MINUTE);
        assert_eq!(machine.slots("n").len(), 3);
        machine.now = at(&machine.zone, wrong);
        machine.run(HOUR, 5 * MINUTE);
        assert_eq!(machine.slots("n").len(), 4, "{text} ahead: one run too many, not one for each night");
        machine.now = at(&machine.zone, "2026-06-04T11:00");
        machine.sleep_until("2026-10-01T12:00");
        // Each night afterwards, also those that the wrong clock had shown.
        let nights = all_slots("nightly 02:00", &machine.zone, "2026-06-04T11:00", "2026-10-01T12:00");
        assert_eq!(machine.slots("n")[4..], nights, "{text} ahead");
        let weeks = all_slots("weekly sun", &machine.zone, "2026-06-04T11:00", "2026-10-01T12:00");
        assert_eq!(machine.slots("w")[machine.slots("w").len() - weeks.len()..], weeks, "{text} ahead");
    }
    // Wrong from its first start on: nothing waits for the year that it showed.
    let mut machine = Machine::new("Europe/Berlin", "2099-01-01T12:00", vec![job("n", "nightly 02:00")]);
    machine.run(3 * DAY, 5 * MINUTE);
    machine.now = at(&machine.zone, "2026-06-01T12:00");
    machine.until("2026-06-11T12:00", 5 * MINUTE);
    assert_eq!(machine.slots("n").len(), 3 + 10);
    // In the past for a while: then the nights that it missed run once.
    let mut machine = Machine::new("Europe/Berlin", "2026-06-01T12:00", vec![job("n", "nightly 02:00")]);
    machine.until("2026-06-03T12:00", 5 * MINUTE);
    machine.now = at(&machine.zone, "1970-01-02T00:00");
    machine.run(HOUR, 5 * MINUTE);
    machine.now = at(&machine.zone, "2026-06-06T12:00");
    machine.until("2026-06-07T12:00", 5 * MINUTE);
    assert_eq!(
        machine.told("n")[2..],
        ["2026-06-06 02:00 at 2026-06-06 12:00 missed", "2026-06-07 02:00 at 2026-06-07 02:00"]
    );
}

#[test]
fn windows_put_off_and_one_job_follows_another() {
    let mut upload = job("upload", "hourly");
    upload.windows = Windows::parse(&["18:00-23:00"]).unwrap();
    let follower = job("follower", "after upload");
    let mut last = job("last", "hourly");
    last.after = vec!["upload".into()];
    let mut machine = Machine::new("Europe/Berlin", "2026-06-01T16:30", vec![last, upload, follower]);
    machine.jobs.iter_mut().for_each(|job| job.takes = 10 * MINUTE);
    machine.until("2026-06-02T00:30", 5 * MINUTE);
    assert_eq!(
        machine.told("upload"),
        [
            "2026-06-01 17:00 at 2026-06-01 17:00",
            "2026-06-01 23:00 at 2026-06-01 23:00",
            "2026-06-02 00:00 at 2026-06-02 00:00"
        ]
    );
    let begun = |name: &str| {
        machine
            .rows
            .iter()
            .filter(|row| row.job == name)
            .map(|row| local(&machine.zone, row.ran.started)[11..16].to_string())
            .collect::<Vec<_>>()
    };
    // While the other one is kept by its window, it does not keep those that come after it.
    assert_eq!(begun("last"), ["17:10", "18:00", "19:00", "20:00", "21:00", "22:00", "23:10", "00:10"]);
    assert_eq!(begun("follower"), ["17:20", "23:20", "00:20"]);
    let followed: Vec<_> = machine.rows.iter().filter(|row| row.job == "follower").map(|row| row.ran.cause).collect();
    assert!(followed.iter().all(Option::is_some) && followed.is_sorted(), "{followed:?}");
}

#[test]
fn what_is_cut_off_goes_on_but_not_for_ever() {
    let mut long = job("long", "nightly 02:00");
    long.takes = 5 * HOUR;
    let mut machine = Machine::new("Europe/Berlin", "2026-06-01T12:00", vec![long]);
    machine.until("2026-06-02T03:00", 5 * MINUTE);
    for hour in 4..10 {
        machine.off_until(&format!("2026-06-02T{hour:02}:00"));
        machine.until(&format!("2026-06-02T{hour:02}:30"), 5 * MINUTE);
    }
    let told = machine.told("long");
    assert_eq!(told.len(), 3, "three times for one slot: {told:?}");
    machine.until("2026-06-03T12:00", 5 * MINUTE);
    assert_eq!(machine.told("long")[3..], ["2026-06-03 02:00 at 2026-06-03 02:00"]);
    // What was told to stop goes on as often as it takes.
    let mut machine = Machine::new("Europe/Berlin", "2026-06-01T12:00", vec![job("long", "nightly 02:00")]);
    machine.jobs[0].takes = 5 * HOUR;
    machine.until("2026-06-02T02:30", 5 * MINUTE);
    for _ in 0..10 {
        machine.busy[0].1 = Duration::ZERO;
        machine.end(DAY, RanEnd::Stopped);
        machine.run(20 * MINUTE, 5 * MINUTE);
    }
    assert_eq!(machine.rows.len(), 11);
}

#[test]
fn by_hand_after_its_time_is_as_good_and_before_it_is_not() {
    for (by_hand, end, runs) in
        [("T01:00", RanEnd::Done, true), ("T08:00", RanEnd::Done, false), ("T08:00", RanEnd::Failed, true)]
    {
        let mut machine = Machine::new("Europe/Berlin", "2026-06-01T12:00", vec![job("n", "nightly 02:00")]);
        machine.turn();
        let started = at(&machine.zone, &format!("2026-06-02{by_hand}"));
        let ran = Ran { slot: None, cause: None, started, end };
        machine.write_down(0, ran, false);
        machine.off_until("2026-06-02T09:00");
        machine.run(HOUR, 5 * MINUTE);
        assert_eq!(machine.slots("n").len(), usize::from(runs), "{by_hand} {end:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    /// Off, on, set back and forth, never to more than a day before what it has shown, with windows,
    /// jitter and runs that take their time: no slot twice, nothing in a closed window, and what is
    /// due and open has run.
    #[test]
    fn whatever_happens_to_the_clock(seed in 0..u64::MAX, place in 0..4usize) {
        let (place, from) = [
            ("Europe/Berlin", "2026-03-20T12:00"),
            ("America/New_York", "2026-10-25T12:00"),
            ("Australia/Lord_Howe", "2026-09-28T12:00"),
            ("Pacific/Apia", "2011-12-22T12:00"),
        ][place];
        let mut dice = SeededRng::new(seed);
        let mut jobs = vec![job("a", "nightly 02:15"), job("b", "every 90 minutes"), job("c", "*/30 * * * *"), job("d", "weekly sat 00:00")];
        for job in &mut jobs {
            job.jitter = MINUTE * dice.below(90) as u32;
            job.takes = MINUTE * dice.below(3) as u32 * 20;
            let (a, b) = (dice.below(24), dice.below(24));
            if a != b {
                job.windows = Windows::parse(&[format!("{a:02}:00-{b:02}:00")]).unwrap();
            }
        }
        let mut machine = Machine::new(place, from, jobs);
        let mut shown = machine.now;
        for _ in 0..25 {
            machine.run(MINUTE * dice.below(2000) as u32, MINUTE * (1 + dice.below(30) as u32));
            shown = shown.max(machine.now);
            match dice.below(3) {
                0 => machine.now = machine.now.plus(MINUTE * dice.below(10_000) as u32),
                1 => {
                    machine.cut();
                    machine.now = machine.now.plus(MINUTE * dice.below(3000) as u32);
                }
                _ => {
                    // Once and once more, too: together by a day at the most.
                    let back = Time(machine.now.0 - dice.below(1440) as i64 * 60_000_000_000);
                    machine.now = back.max(Time(shown.0 - SET_BACK_MAX.as_nanos() as i64));
                }
            }
        }
        for row in &machine.rows {
            let n = machine.jobs.iter().position(|job| job.name == row.job).unwrap();
            prop_assert!(machine.jobs[n].windows.closed(row.ran.started, &machine.zone).is_none());
            prop_assert!(row.ran.slot.is_none_or(|slot| slot <= row.ran.started));
        }
        for name in ["a", "b", "c", "d"] {
            let whole = machine.rows.iter().filter(|row| row.job == name && row.ran.end == RanEnd::Done);
            let mut slots: Vec<Time> = whole.filter(|row| !row.is_void).filter_map(|row| row.ran.slot).collect();
            let count = slots.len();
            slots.sort();
            slots.dedup();
            prop_assert!(slots.len() == count, "{} ran a slot twice", name);
        }
        // Left alone, everything that is open comes to its turn.
        machine.run(3 * DAY, 5 * MINUTE);
        machine.turn();
        for decision in machine.decisions() {
            let waits = matches!(decision.held, Some(Held::Window(..) | Held::GoesOn)) || !machine.busy.is_empty();
            prop_assert!(decision.due.is_none() || waits, "{decision:?}");
        }
    }
}
