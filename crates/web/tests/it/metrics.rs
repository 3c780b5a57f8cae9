//! `/metrics` as text: read by a reader of its own, and held against the facts that went in.

use std::collections::BTreeMap;

use darkslide_engine::words::{Bytes, Count, Money, Time};
use darkslide_engine::{
    CopiesPlace, CopiesReport, CopiesRule, JobKind, JobPulse, Lacking, LibraryPulse, Overview, Pulse, RunOrigin,
    RunRow, Status, StoreStatus,
};
use darkslide_web::exposition;

use crate::exposition::Exposition;

const NOW: i64 = 1_790_000_000;

fn at(seconds: i64) -> Time {
    Time::from_parts(seconds, 0)
}

fn run(outcome: &str) -> RunRow {
    RunRow {
        id: 7,
        job: "photos".into(),
        task: Some("nightly".into()),
        kind: "backup".into(),
        started: at(NOW - 900),
        ended: Some(at(NOW - 600)),
        outcome: Some(outcome.into()),
        summary: None,
        origin: RunOrigin::Schedule,
        slot: None,
        cause: None,
        files: Count(12),
        bytes: Bytes(34_000),
        money: Money::ZERO,
        warnings: Count(1),
    }
}

fn job(name: &str, outcome: Option<&'static str>) -> JobPulse {
    let outcomes = outcome.map(|outcome| (outcome, at(NOW - 600))).into_iter();
    JobPulse {
        name: name.into(),
        kind: JobKind::Backup,
        last: outcome.map(run),
        failed: Count(3),
        is_running: outcome.is_none(),
        outcomes: outcomes.chain([("complete", at(NOW - 90_000))]).collect::<BTreeMap<_, _>>(),
        next: Some(at(NOW + 3600)),
        refused: None,
    }
}

fn pulse(jobs: Vec<JobPulse>) -> Pulse {
    Pulse {
        now: at(NOW),
        jobs,
        libraries: vec![LibraryPulse { name: "photos".into(), last: None }],
        thaws: Vec::new(),
        month: Money::from_usd(1.25),
        month_limit: None,
        last_drill: Some(at(NOW - 86_400)),
        last_run: 7,
    }
}

fn overview(lacking: Lacking, files: u64) -> Overview {
    let place = |name: &str, problem: Option<String>| CopiesPlace {
        place: name.into(),
        medium: "disk \"a\"\\b".into(),
        off_site: false,
        verified: None,
        problem,
        files: Count(files),
    };
    Overview {
        at: at(NOW - 60),
        status: Status {
            repository: "r".into(),
            writer: None,
            stores: vec![StoreStatus { label: "s3://b/p".into(), problem: Some("no line".into()) }],
            jobs: Vec::new(),
            mirrors: Vec::new(),
            month: Money::ZERO,
            month_limit: None,
            last_drill: None,
            copies: None,
            copies_problem: None,
            is_rule_set: false,
        },
        plans: Vec::new(),
        todo: vec!["do this".into()],
        copies: CopiesReport {
            rule: CopiesRule { copies: 3, media: 2, off_site: true },
            places: vec![place("/library", None), place("a\nb", Some("is not there".into()))],
            files: Count(files),
            bytes: Bytes(5000),
            lacking: lacking.copies.max(lacking.media).max(lacking.off_site),
            worst: Vec::new(),
        },
        lacking,
        stored: (Count(2), Bytes(6000)),
    }
}

#[test]
fn each_part_of_the_rule_is_told_by_itself() {
    let lacking = Lacking { off_site: Count(4), ..Lacking::default() };
    let text = exposition(&pulse(Vec::new()), Some(&overview(lacking, 9)), "1.2.3");
    let read = Exposition::read(&text);
    assert_eq!(read.value("darkslide_safe", &[]), 0.0);
    assert_eq!(read.value("darkslide_rule_holds", &[("part", "copies")]), 1.0);
    assert_eq!(read.value("darkslide_rule_holds", &[("part", "media")]), 1.0);
    assert_eq!(read.value("darkslide_rule_holds", &[("part", "off_site")]), 0.0);
    assert_eq!(read.value("darkslide_rule_lacking_files", &[("part", "off_site")]), 4.0);
    assert_eq!(read.value("darkslide_rule", &[("part", "copies")]), 3.0);
    assert_eq!(read.value("darkslide_lacking_files", &[]), 4.0);
    assert_eq!(read.value("darkslide_files", &[]), 9.0);
    assert_eq!(read.value("darkslide_bytes", &[]), 5000.0);
    assert_eq!(read.value("darkslide_pack_bytes", &[]), 6000.0);
    assert_eq!(read.value("darkslide_todo", &[]), 1.0);
    assert_eq!(read.value("darkslide_counted_timestamp_seconds", &[]), (NOW - 60) as f64);
    assert_eq!(read.value("darkslide_copies_files", &[("place", "/library"), ("medium", "disk \"a\"\\b")]), 9.0);
    assert_eq!(read.value("darkslide_place_counts", &[("place", "a\nb")]), 0.0);
    assert_eq!(read.value("darkslide_store_reachable", &[("store", "s3://b/p")]), 0.0);
    assert_eq!(read.value("darkslide_build_info", &[("version", "1.2.3")]), 1.0);
}

#[test]
fn all_is_safe_only_where_there_is_something() {
    let safe = |files| {
        let text = exposition(&pulse(Vec::new()), Some(&overview(Lacking::default(), files)), "1");
        Exposition::read(&text).value("darkslide_safe", &[])
    };
    assert_eq!((safe(9), safe(0)), (1.0, 0.0));
}

#[test]
fn jobs_tell_their_outcomes_as_timestamps() {
    let jobs = vec![job("nightly", Some("incomplete")), job("new", None)];
    let read = Exposition::read(&exposition(&pulse(jobs), None, "1"));
    let of = |name: &str, more: &[(&str, &str)]| {
        let labels: Vec<_> = [("job", "nightly"), ("kind", "backup")].into_iter().chain(more.iter().copied()).collect();
        read.value(name, &labels)
    };
    let second = |before: i64| (NOW - before) as f64;
    assert_eq!(of("darkslide_job_last_success_timestamp_seconds", &[]), second(90_000));
    assert_eq!(of("darkslide_job_last_start_timestamp_seconds", &[]), second(900));
    assert_eq!(of("darkslide_job_last_end_timestamp_seconds", &[]), second(600));
    assert_eq!(of("darkslide_job_next_timestamp_seconds", &[]), second(-3600));
    assert_eq!(of("darkslide_job_outcome_timestamp_seconds", &[("outcome", "incomplete")]), second(600));
    assert_eq!(of("darkslide_job_last_outcome", &[("outcome", "incomplete")]), 1.0);
    assert_eq!(of("darkslide_job_last_outcome", &[("outcome", "complete")]), 0.0);
    assert_eq!(of("darkslide_job_failed_files", &[]), 3.0);
    assert_eq!(of("darkslide_job_last_files", &[]), 12.0);
    assert_eq!(of("darkslide_job_last_bytes", &[]), 34_000.0);
    assert_eq!(of("darkslide_job_last_warnings", &[]), 1.0);
    assert_eq!(of("darkslide_job_running", &[]), 0.0);
    assert_eq!(read.value("darkslide_job_running", &[("job", "new")]), 1.0);
    assert_eq!(read.find("darkslide_job_failed_files", &[("job", "new")]), None, "it never ended");
}

#[test]
fn what_is_not_known_is_absent_and_never_zero() {
    let read = Exposition::read(&exposition(&pulse(Vec::new()), None, "1"));
    for name in ["darkslide_safe", "darkslide_files", "darkslide_month_limit_usd", "darkslide_snapshot_files"] {
        assert_eq!(read.find(name, &[]), None, "{name}");
    }
    assert_eq!(read.value("darkslide_month_cost_usd", &[]), 1.25);
    assert_eq!(read.value("darkslide_drill_last_success_timestamp_seconds", &[]), (NOW - 86_400) as f64);
    assert_eq!(read.value("darkslide_thaws", &[]), 0.0);
}

#[test]
fn the_page_about_metrics_names_each_and_no_other() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md")).unwrap();
    let told: std::collections::BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let all = exposition(&pulse(Vec::new()), Some(&overview(Lacking::default(), 1)), "1");
    let read = Exposition::read(&all);
    assert_eq!(told, read.0.keys().map(String::as_str).collect());
}
