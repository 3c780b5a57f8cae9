//! The daemon on a clock that tests set, with jobs that only pretend; and runs as rows, logs, events.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use darkslide_catalog::{Catalog, RunEnd, RunStart};
use darkslide_engine::words::{Bytes, Clock as _, Count, Money, Time};
use darkslide_engine::{
    Announce, BackupOptions, Before, Daemon, Ended, Engine, EngineError, Event, EventKind, Founder, Hands, JobDone,
    JobMeans, Level, Order, RunOrigin, RunOutcome, RunRow, RunStop, Senses, StartedBy, Starting,
};
use jiff::tz::TimeZone;

use crate::harness::{Quiet, World, backup, identity, same, try_backup};

const MINUTE: Duration = Duration::from_secs(60);

fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").unwrap()
}

fn at(text: &str) -> Time {
    let local: jiff::civil::DateTime = text.parse().unwrap();
    let at = local.to_zoned(berlin()).unwrap().timestamp();
    Time(i64::try_from(at.as_nanosecond()).unwrap())
}

fn local(time: Time) -> String {
    let at = jiff::Timestamp::from_nanosecond(i128::from(time.0)).unwrap();
    at.to_zoned(berlin()).strftime("%d %H:%M").to_string()
}

/// A founded world whose configuration has more in it.
fn world(more: &str) -> World {
    let world = World::empty();
    world.write("a.jpg", b"photograph");
    world.init(Founder::Identity(same(&identity())), 2).unwrap();
    let text = fs::read_to_string(&world.config).unwrap();
    fs::create_dir(world.folder.path().join("nas")).unwrap();
    let mirror = "[[mirror]]\nname = \"nas\"\ntarget = \"nas\"\n";
    fs::write(&world.config, format!("{text}\n{mirror}{more}")).unwrap();
    world
}

/// Pretends to work: each order takes its time, and its rows are in the catalog as of a real one.
struct Pretended {
    catalog: PathBuf,
    takes: Duration,
    now: Time,
    going_on: Vec<(Order, Arc<RunStop>, i64, Duration)>,
    over: Vec<(String, Ended)>,
    /// When what began, and why.
    begun: Vec<String>,
    /// When what ended, and how.
    ended: Vec<String>,
    is_busy: bool,
    waits_until: Option<Time>,
}

impl Pretended {
    fn pass(&mut self, time: Duration) {
        let catalog = Catalog::open(&self.catalog).unwrap();
        let mut rest = Vec::new();
        for (order, stop, run, left) in std::mem::take(&mut self.going_on) {
            let left = left.saturating_sub(time);
            if !left.is_zero() && !stop.is_stopped() {
                rest.push((order, stop, run, left));
                continue;
            }
            let (outcome, summary) = match (stop.reason(), self.waits_until) {
                (Some((why, true)), _) => (RunOutcome::Failed, why),
                (Some((why, false)), _) => (RunOutcome::Cancelled, why),
                (None, Some(_)) => (RunOutcome::Cancelled, "waits".into()),
                (None, None) => (RunOutcome::Complete, "done".into()),
            };
            let end = RunEnd {
                outcome,
                summary: summary.clone(),
                files: Count(0),
                bytes: Bytes(0),
                money: Money::ZERO,
                warnings: Count(0),
            };
            catalog.end_run(run, self.now, &end).unwrap();
            self.ended.push(format!("{} {} {}: {summary}", local(self.now), order.job.name, outcome.word()));
            let done = JobDone { text: summary, is_whole: true, waits_until: self.waits_until };
            self.over.push((order.job.name, Ended::Done(done)));
        }
        self.going_on = rest;
    }
}

impl Hands for Pretended {
    fn begin(&mut self, order: Order, stop: Arc<RunStop>) {
        self.begun.push(format!("{} {} {}", local(self.now), order.job.name, order.by.origin.word()));
        if self.is_busy {
            self.over.push((order.job.name, Ended::Busy));
            return;
        }
        let start = RunStart {
            job: "target".into(),
            task: order.by.task.clone(),
            kind: order.job.kind.word().into(),
            at: self.now,
            origin: order.by.origin,
            slot: order.by.slot,
            cause: order.by.cause,
        };
        let run = Catalog::open(&self.catalog).unwrap().begin_run(&start).unwrap();
        self.going_on.push((order, stop, run, self.takes));
    }

    fn ended(&mut self) -> Vec<(String, Ended)> {
        std::mem::take(&mut self.over)
    }
}

/// A machine whose daemon takes turns as its clock is moved.
struct Machine {
    world: World,
    daemon: Daemon,
    hands: Pretended,
    notes: Vec<String>,
}

impl Machine {
    fn new(jobs: &str, from: &str) -> Self {
        Self::with(jobs, from, Senses { power: "/nowhere".into(), line: Vec::new() })
    }

    fn with(jobs: &str, from: &str, senses: Senses) -> Self {
        let world = world(jobs);
        world.clock.set(at(from));
        let catalog = world.engine().settings().state_dir().join("catalog.sqlite");
        let hands = Pretended {
            catalog,
            takes: 10 * MINUTE,
            now: at(from),
            going_on: Vec::new(),
            over: Vec::new(),
            begun: Vec::new(),
            ended: Vec::new(),
            is_busy: false,
            waits_until: None,
        };
        Self { world, daemon: Daemon::new(b"seed", senses), hands, notes: Vec::new() }
    }

    fn until(&mut self, text: &str) {
        let engine = self.world.engine().in_zone(berlin());
        while self.hands.now < at(text) {
            self.world.clock.set(self.hands.now);
            let turn = self.daemon.turn(&engine, &mut self.hands).unwrap();
            assert!(turn.wait <= Duration::from_secs(30), "it looks at the clock at least so often: {:?}", turn.wait);
            self.notes.extend(turn.notes);
            self.hands.now = self.hands.now.plus(MINUTE);
            self.hands.pass(MINUTE);
        }
    }

    fn begun(&mut self) -> Vec<String> {
        std::mem::take(&mut self.hands.begun)
    }
}

fn job(name: &str, kind: &str, more: &str) -> String {
    format!("[[job]]\nname = \"{name}\"\nkind = \"{kind}\"\n{more}\n")
}

#[test]
fn a_night_runs_one_after_the_other_and_checks_beside() {
    let jobs = job("mirror", "mirror", "schedule = \"nightly 02:00\"")
        + &job("backup", "backup", "after = \"mirror\"")
        + &job("audit", "audit", "schedule = \"nightly 02:00\"")
        + &job("second", "backup", "schedule = \"nightly 01:55\"");
    let mut machine = Machine::new(&jobs, "2026-06-01T12:00");
    machine.until("2026-06-02T12:00");
    assert_eq!(
        machine.begun(),
        ["02 01:55 second schedule", "02 02:00 audit schedule", "02 02:05 mirror schedule", "02 02:15 backup after"]
    );
    machine.until("2026-06-03T03:00");
    assert_eq!(machine.begun().len(), 4);
}

#[test]
fn what_was_missed_runs_once_and_a_clock_that_is_set_runs_nothing_twice() {
    let mut machine = Machine::new(&job("b", "backup", "schedule = \"nightly 02:00\""), "2026-06-01T12:00");
    machine.until("2026-06-03T12:00");
    assert_eq!(machine.begun(), ["02 02:00 b schedule", "03 02:00 b schedule"]);
    machine.hands.now = at("2026-06-20T09:00");
    machine.until("2026-06-21T12:00");
    assert_eq!(machine.begun(), ["20 09:00 b missed", "21 02:00 b schedule"]);
    machine.hands.now = at("2026-06-21T01:30");
    machine.until("2026-06-21T12:00");
    assert_eq!(machine.begun(), [""; 0], "set back over a run");
    machine.hands.now = at("2031-01-01T09:00");
    machine.until("2031-01-01T10:00");
    assert_eq!(machine.begun(), ["01 09:00 b missed"]);
    machine.hands.now = at("2026-06-21T13:00");
    machine.until("2026-06-24T12:00");
    assert_eq!(machine.begun(), ["22 02:00 b schedule", "23 02:00 b schedule", "24 02:00 b schedule"]);
}

#[test]
fn a_clock_that_was_wrong_for_a_while_makes_nothing_run_again() {
    let mut machine = Machine::new(&job("b", "backup", "schedule = \"nightly 02:00\""), "2026-06-01T12:00");
    machine.until("2026-06-03T12:00");
    machine.begun();
    machine.hands.now = at("2020-01-01T00:00");
    machine.until("2020-01-01T01:30");
    machine.hands.now = at("2026-06-03T12:30");
    machine.until("2026-06-04T12:00");
    assert_eq!(machine.begun(), ["04 02:00 b schedule"]);
}

#[test]
fn nobody_waits_for_a_job_that_does_not_begin() {
    let power = tempfile::tempdir().unwrap();
    fs::create_dir_all(power.path().join("BAT0")).unwrap();
    fs::write(power.path().join("BAT0/type"), "Battery\n").unwrap();
    fs::write(power.path().join("BAT0/status"), "Discharging").unwrap();
    let senses = Senses { power: power.path().to_path_buf(), line: Vec::new() };
    let jobs = job("drill", "drill", "schedule = \"nightly 02:00\"")
        + &job("careful", "mirror", "schedule = \"nightly 02:00\"\non_battery = \"skip\"")
        + &job("b", "backup", "schedule = \"nightly 02:00\"\nafter = [\"drill\", \"careful\"]");
    let mut machine = Machine::with(&jobs, "2026-06-01T12:00", senses);
    machine.until("2026-06-02T12:00");
    assert_eq!(machine.begun(), ["02 02:00 b schedule"]);
}

#[test]
fn a_window_stops_what_runs_and_it_goes_on_afterwards() {
    let jobs = job("b", "backup", "schedule = \"daily 17:30\"\nnot = [\"18:00-23:00\"]");
    let mut machine = Machine::new(&jobs, "2026-06-01T12:00");
    machine.hands.takes = 60 * MINUTE;
    machine.until("2026-06-02T12:00");
    assert_eq!(machine.begun(), ["01 17:30 b schedule", "01 23:00 b schedule"]);
    assert_eq!(
        machine.hands.ended,
        [
            "01 18:01 b cancelled: stopped for the window 18:00-23:00; it goes on afterwards",
            "02 00:00 b complete: done"
        ]
    );
}

#[test]
fn a_timeout_is_a_failure_and_is_not_tried_again_before_its_time() {
    let mut machine =
        Machine::new(&job("b", "backup", "schedule = \"daily 02:00\"\ntimeout = \"1h\""), "2026-06-01T12:00");
    machine.hands.takes = 600 * MINUTE;
    machine.until("2026-06-02T12:00");
    assert_eq!(machine.begun(), ["02 02:00 b schedule"]);
    assert_eq!(machine.hands.ended, ["02 03:02 b failed: it took longer than its timeout of 1h"]);
}

#[test]
fn a_card_goes_first_and_what_made_room_goes_on() {
    let mut machine = Machine::new(&job("b", "backup", "schedule = \"daily 02:00\""), "2026-06-01T12:00");
    machine.hands.takes = 30 * MINUTE;
    machine.until("2026-06-02T02:10");
    machine.daemon.put_in(vec!["/media/card".into()]);
    machine.until("2026-06-02T02:20");
    let cards: Vec<_> = machine.hands.going_on.iter().map(|(order, ..)| order.cards.clone()).collect();
    assert_eq!(cards, [[PathBuf::from("/media/card")]]);
    machine.until("2026-06-02T04:00");
    assert_eq!(machine.begun(), ["02 02:00 b schedule", "02 02:11 insertion insertion", "02 02:41 b schedule"]);
    assert!(machine.hands.ended[0].ends_with("a card was put in: it goes first"), "{:?}", machine.hands.ended);
}

#[test]
fn on_the_battery_it_waits_and_stops() {
    let power = tempfile::tempdir().unwrap();
    let supply = |status: &str| {
        fs::create_dir_all(power.path().join("BAT0")).unwrap();
        fs::write(power.path().join("BAT0/type"), "Battery\n").unwrap();
        fs::write(power.path().join("BAT0/status"), status).unwrap();
    };
    supply("Charging");
    let senses = Senses { power: power.path().to_path_buf(), line: Vec::new() };
    let jobs = job("careful", "backup", "schedule = \"hourly\"\non_battery = \"skip\"")
        + &job("bold", "audit", "schedule = \"hourly\"");
    let mut machine = Machine::with(&jobs, "2026-06-01T12:30", senses);
    machine.hands.takes = 30 * MINUTE;
    machine.until("2026-06-01T13:10");
    supply("Discharging");
    machine.until("2026-06-01T15:10");
    supply("Charging");
    machine.until("2026-06-01T15:40");
    let begun = machine.begun();
    let of = |name: &str| begun.iter().filter(|line| line.contains(name)).cloned().collect::<Vec<_>>();
    assert_eq!(of("careful"), ["01 13:00 careful schedule", "01 15:10 careful schedule"]);
    assert_eq!(of("bold").len(), 3);
    assert!(machine.hands.ended[0].contains("stopped on the battery"), "{:?}", machine.hands.ended);
}

#[test]
fn somebody_elses_run_is_waited_for_and_is_no_failure() {
    let mut machine = Machine::new(&job("b", "backup", "schedule = \"daily 02:00\""), "2026-06-01T12:00");
    machine.hands.is_busy = true;
    machine.until("2026-06-02T02:05");
    let tries = machine.begun().len();
    assert!((2..=4).contains(&tries), "{tries} tries in five minutes");
    machine.hands.is_busy = false;
    machine.until("2026-06-02T04:00");
    assert_eq!(machine.begun().len(), 1);
    let rows = machine.world.engine().runs(Some("b"), 9).unwrap();
    assert_eq!(rows.len(), 1, "nothing was recorded as failed: {rows:?}");
}

#[test]
fn what_waits_for_a_thaw_is_looked_at_when_it_is_ready() {
    let mut machine = Machine::new(&job("b", "audit", "schedule = \"weekly tue 02:00\""), "2026-06-01T12:00");
    machine.hands.waits_until = Some(at("2026-06-02T08:00"));
    machine.until("2026-06-02T08:00");
    assert_eq!(machine.begun(), ["02 02:00 b schedule"]);
    machine.hands.waits_until = None;
    machine.until("2026-06-04T12:00");
    assert_eq!(machine.begun(), ["02 08:00 b schedule"]);
}

#[test]
fn a_job_whose_secret_is_elsewhere_is_refused_once_and_says_where_it_belongs() {
    let drill = job("drill", "drill", "schedule = \"hourly\"");
    let mut machine = Machine::new(&drill, "2026-06-01T12:00");
    machine.until("2026-06-01T18:00");
    assert_eq!((machine.begun(), machine.notes.len()), (vec![], 1), "{:?}", machine.notes);
    assert!(machine.notes[0].contains("restorer") && machine.notes[0].contains("identity"), "{:?}", machine.notes);
    let engine = machine.world.engine();
    let refused = engine.run_job(engine.job("drill").unwrap(), &JobMeans::default(), &RunStop::default());
    assert!(matches!(refused, Err(EngineError::NotHere { role: "restorer", .. })), "{refused:?}");
    fs::rename(engine.settings().state_dir().join("writer.json"), machine.world.folder.path().join("away")).unwrap();
    for (kind, role) in [("backup", "writer"), ("audit", "auditor"), ("scrub", "auditor"), ("prune", "pruner")] {
        let text = fs::read_to_string(&machine.world.config).unwrap();
        fs::write(&machine.world.config, text + &job(kind, kind, "")).unwrap();
        let engine = machine.world.engine();
        let error = engine.may_run(engine.job(kind).unwrap()).unwrap_err().to_string();
        assert!(error.contains(role) && error.contains("writer enroll"), "{error}");
    }
}

#[test]
fn told_to_stop_it_tells_all_and_begins_nothing() {
    let jobs = job("b", "backup", "schedule = \"hourly\"") + &job("a", "audit", "schedule = \"hourly\"");
    let mut machine = Machine::new(&jobs, "2026-06-01T12:30");
    machine.hands.takes = 300 * MINUTE;
    machine.until("2026-06-01T13:05");
    assert_eq!(machine.daemon.running(), ["a", "b"]);
    machine.daemon.stop("enough");
    machine.until("2026-06-01T15:00");
    assert_eq!((machine.begun().len(), machine.daemon.running().len()), (2, 0));
    assert!(machine.hands.ended.iter().all(|line| line.ends_with("cancelled: enough")));
    // Its next start goes on.
    let mut again = Daemon::new(b"seed", Senses { power: "/nowhere".into(), line: Vec::new() });
    std::mem::swap(&mut again, &mut machine.daemon);
    machine.hands.now = at("2026-06-01T15:30");
    machine.until("2026-06-01T15:35");
    assert_eq!(machine.begun(), ["01 15:30 b missed", "01 15:30 a missed"]);
}

#[test]
fn one_daemon_a_configuration() {
    let world = world("");
    let first = world.engine().only_daemon().unwrap();
    assert!(matches!(world.engine().only_daemon(), Err(EngineError::DaemonRuns)));
    drop(first);
    world.engine().only_daemon().unwrap();
}

/// Writes down what it hears.
#[derive(Default)]
struct Ear {
    heard: Mutex<Vec<Event>>,
    asked: Mutex<Vec<Starting>>,
    veto: Mutex<Before>,
}

impl Announce for Ear {
    fn announce(&self, event: &Event) {
        self.heard.lock().unwrap().push(event.clone());
    }
    fn before(&self, starting: &Starting) -> Before {
        self.asked.lock().unwrap().push(starting.clone());
        self.veto.lock().unwrap().clone()
    }
    fn after(&self, starting: &Starting, event: &Event) -> Option<String> {
        Some(format!("after {} of {}: {}", starting.kind, starting.job, event.kind.word()))
    }
}

impl Ear {
    fn kinds(&self) -> Vec<EventKind> {
        std::mem::take(&mut *self.heard.lock().unwrap()).into_iter().map(|event| event.kind).collect()
    }
}

fn newest(engine: &Engine) -> RunRow {
    engine.runs(None, 1).unwrap().pop().unwrap()
}

#[test]
fn every_kind_of_work_is_a_row_with_a_log_whoever_starts_it() {
    let world = world("");
    let engine = world.engine();
    let done = backup(&engine);
    let row = newest(&engine);
    assert_eq!((row.id, row.job.as_str(), row.kind.as_str()), (done.done.run, "photos", "backup"));
    assert_eq!((row.how(), row.origin, row.task), (Some(RunOutcome::Complete), RunOrigin::Manual, None));
    assert_eq!((row.files, row.warnings), (Count(1), Count(0)));
    assert!(row.bytes > Bytes(0) && row.ended >= Some(row.started));
    let log = engine.log(row.id, 0);
    assert!(log.first().unwrap().text.contains("backup of photos begins (manual)"), "{log:?}");
    assert!(log.last().unwrap().text.starts_with("complete: 1 new"), "{log:?}");
    assert_eq!(engine.log(row.id, 1).len(), log.len() - 1);

    engine.mirror(None, &Default::default(), &RunStop::default()).unwrap();
    assert_eq!(
        (newest(&engine).kind, newest(&engine).job, newest(&engine).files),
        ("mirror".into(), "nas".into(), Count(1))
    );
    engine.audit(None, &Quiet).unwrap();
    assert_eq!((newest(&engine).kind, newest(&engine).how()), ("audit".into(), Some(RunOutcome::Complete)));
    let scrub = darkslide_engine::CheckOptions { sample: darkslide_engine::Sample::All };
    engine.scrub(scrub, None, &mut darkslide_engine::words::OsRng, &Quiet).unwrap();
    assert_eq!(newest(&engine).kind, "scrub");
    fs::create_dir_all(world.folder.path().join("card/DCIM/100TEST")).unwrap();
    fs::write(world.folder.path().join("card/DCIM/100TEST/IMG_1.JPG"), b"new").unwrap();
    let cards = vec![world.folder.path().join("card")];
    let ingest = darkslide_engine::IngestOptions { cards, ..Default::default() };
    engine.ingest(&ingest, &RunStop::default()).unwrap();
    assert_eq!((newest(&engine).kind, newest(&engine).files), ("ingest".into(), Count(1)));
    let by = StartedBy { origin: RunOrigin::Missed, task: Some("nightly".into()), slot: Some(Time(5)), cause: Some(3) };
    let engine = engine.started_by(by);
    backup(&engine);
    let row = newest(&engine);
    assert_eq!(
        (row.task.as_deref(), row.origin, row.slot, row.cause),
        (Some("nightly"), RunOrigin::Missed, Some(Time(5)), Some(3))
    );
    assert_eq!(engine.runs(Some("nightly"), 9).unwrap().len(), 1);
    assert_eq!(engine.runs(Some("photos"), 9).unwrap().len(), 2);
    assert_eq!(engine.runs(None, 99).unwrap().iter().filter(|run| run.how().is_none()).count(), 0);
}

#[test]
fn runs_are_told_as_events_and_success_after_failure_too() {
    let world = world("");
    let ear = Arc::new(Ear::default());
    let engine = || world.engine().announcing(ear.clone());
    backup(&engine());
    assert_eq!(ear.kinds(), [EventKind::Finished]);
    world.unplug(0);
    world.unplug(1);
    try_backup(&engine()).unwrap_err();
    world.plug(0);
    assert_eq!(ear.kinds(), [EventKind::Failure]);
    let behind = try_backup(&engine()).unwrap();
    assert_eq!(behind.done.behind.len(), 1);
    let heard = ear.heard.lock().unwrap().pop().unwrap();
    assert_eq!(
        (heard.kind, heard.job.as_deref(), heard.run),
        (EventKind::Warning, Some("photos"), Some(behind.done.run))
    );
    assert!(heard.text.contains("did not get this snapshot"), "{heard:?}");
    assert_eq!((&heard.facts["kind"], &heard.facts["outcome"]), (&"backup".into(), &"incomplete".into()));
    world.plug(1);
    backup(&engine());
    assert_eq!(ear.kinds(), [EventKind::Recovered]);
    backup(&engine());
    assert_eq!(ear.kinds(), [EventKind::Finished]);
    let log = engine().log(newest(&engine()).id, 0);
    assert_eq!(log.last().unwrap().text, "after backup of photos: finished");
}

#[test]
fn whoever_is_asked_before_a_run_can_stop_it() {
    let world = world("");
    let ear = Arc::new(Ear::default());
    *ear.veto.lock().unwrap() = Before::Stop("the NAS is asleep".into());
    let engine = world.engine().announcing(ear.clone());
    let refused = try_backup(&engine);
    assert!(matches!(&refused, Err(EngineError::Vetoed { why, .. }) if why == "the NAS is asleep"), "{refused:?}");
    assert_eq!(ear.kinds(), [EventKind::Failure]);
    let row = newest(&engine);
    assert_eq!(row.how(), Some(RunOutcome::Failed));
    let asked = ear.asked.lock().unwrap()[0].clone();
    assert_eq!((asked.run, asked.origin.as_str()), (row.id, "manual"));
    *ear.veto.lock().unwrap() = Before::Warn("slow today".into());
    backup(&engine);
    assert_eq!(ear.kinds(), [EventKind::Warning]);
    let log = engine.log(newest(&engine).id, 0);
    assert!(log.iter().any(|line| line.level == Level::Warning && line.text == "slow today"), "{log:?}");
}

#[test]
fn told_to_stop_a_run_ends_as_cancelled_with_the_reason() {
    let world = world("");
    let (ear, stop) = (Arc::new(Ear::default()), Arc::new(RunStop::default()));
    stop.stop("the daemon was told to stop");
    let engine = world.engine().announcing(ear.clone()).stopped_by(stop.clone());
    let options = BackupOptions { host: "studio".into(), ..BackupOptions::default() };
    let error = engine.backup(&options, &Quiet).unwrap_err();
    assert_eq!(error.kind(), darkslide_engine::ErrorKind::Cancelled, "{error}");
    let row = newest(&engine);
    assert_eq!((row.how(), row.summary.as_deref()), (Some(RunOutcome::Cancelled), Some("the daemon was told to stop")));
    assert_eq!(ear.kinds(), [EventKind::Stopped]);
    let late = Arc::new(RunStop::default());
    late.fail("it took too long");
    try_backup(&world.engine().stopped_by(late)).unwrap_err();
    assert_eq!(newest(&engine).how(), Some(RunOutcome::Failed));
}

#[test]
fn a_run_that_was_cut_off_is_marked_and_told_once() {
    let world = world("");
    let ear = Arc::new(Ear::default());
    let engine = || world.engine().announcing(ear.clone());
    let catalog = Catalog::open(&engine().settings().state_dir().join("catalog.sqlite")).unwrap();
    let start = RunStart {
        job: "photos".into(),
        task: Some("nightly".into()),
        kind: "backup".into(),
        at: world.clock.now(),
        origin: RunOrigin::Schedule,
        slot: None,
        cause: None,
    };
    let run = catalog.begin_run(&start).unwrap();
    let found = engine().notice_cut_off().unwrap();
    assert_eq!((found.len(), found[0].id, found[0].how()), (1, run, Some(RunOutcome::CutOff)));
    assert_eq!(engine().notice_cut_off().unwrap(), []);
    let heard = ear.heard.lock().unwrap().pop().unwrap();
    assert_eq!((heard.kind, heard.job.as_deref(), heard.run), (EventKind::CutOff, Some("nightly"), Some(run)));
    // Then a good one is a recovery.
    backup(&engine());
    assert_eq!(ear.kinds(), [EventKind::Recovered]);
}

#[test]
fn without_a_backup_for_too_long_somebody_is_told_each_day_until_there_is_one() {
    let world = world("[daemon]\nno_backup_for = \"3 days\"\n");
    let ear = Arc::new(Ear::default());
    let engine = || world.engine().announcing(ear.clone());
    let mut now = world.clock.now();
    let day = Duration::from_secs(86_400);
    let mut look = |hours: u32| {
        now = now.plus(Duration::from_secs(3600) * hours);
        world.clock.set(now);
        engine().no_backup_alarms().unwrap()
    };
    assert_eq!(look(0), [""; 0], "never backed up, but only seen now");
    assert_eq!(look(71), [""; 0]);
    assert_eq!(look(2), ["photos"]);
    assert_eq!(look(23), [""; 0], "once a day");
    assert_eq!(look(2), ["photos"]);
    assert!(ear.heard.lock().unwrap()[0].text.contains("never backed up"));
    ear.kinds();
    backup(&engine());
    assert_eq!(ear.kinds(), [EventKind::Recovered]);
    assert_eq!(look(71), [""; 0]);
    assert_eq!(look(2), ["photos"]);
    let heard = ear.heard.lock().unwrap().pop().unwrap();
    assert_eq!((heard.kind, heard.job.as_deref()), (EventKind::NoBackupFor, Some("photos")));
    assert!(heard.title.contains("3 days") && heard.facts["last"].is_string(), "{heard:?}");
    // A clock that goes back makes no alarm, and does not keep the next one from coming.
    world.clock.set(Time(now.0 - 200 * day.as_nanos() as i64));
    assert_eq!(engine().no_backup_alarms().unwrap(), [""; 0]);
    world.clock.set(now.plus(2 * day));
    assert_eq!(engine().no_backup_alarms().unwrap(), ["photos"]);
}
