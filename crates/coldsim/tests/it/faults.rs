//! Faults: calls that fail, wait or break off, before or after they were executed.

use std::time::Duration;

use darkslide_coldsim::{Fault, FaultKind};
use darkslide_words::{Clock, SystemClock};

use crate::client::Bench;

fn put(bench: &Bench, key: &str) -> Option<u16> {
    bench.client.try_call("PUT", &format!("/photos/{key}"), &[], b"x").ok().map(|reply| reply.status)
}

#[test]
fn the_third_put_fails_and_is_not_executed() {
    let bench = Bench::new();
    let kind = FaultKind::Fail { status: 500, code: "InternalError".into() };
    bench.sim.fault(Fault::new(kind).on("PutObject").under("data/").after(2));
    let found: Vec<_> = ["data/1", "else", "data/2", "data/3", "data/4"].map(|key| put(&bench, key)).to_vec();
    assert_eq!(found, [Some(200), Some(200), Some(200), Some(500), Some(200)]);
    assert_eq!(bench.get("data/3").status, 404);
}

#[test]
fn throttling_lasts_for_a_number_of_calls() {
    let bench = Bench::new();
    bench.sim.fault(Fault::new(FaultKind::Throttle).times(2));
    let first = bench.client.call("PUT", "/photos/k", &[], b"x");
    assert_eq!((first.status, first.code().as_str()), (503, "SlowDown"));
    assert_eq!((put(&bench, "k"), put(&bench, "k")), (Some(503), Some(200)));
}

#[test]
fn a_connection_is_cut_before_or_after_the_call_is_executed() {
    let bench = Bench::new();
    bench.sim.fault(Fault::new(FaultKind::CutBefore));
    assert_eq!(put(&bench, "before"), None);
    assert_eq!(bench.get("before").status, 404);
    bench.sim.fault(Fault::new(FaultKind::CutAfter));
    assert_eq!(put(&bench, "after"), None);
    assert_eq!(bench.get("after").status, 200);
    let statuses: Vec<u16> = bench.sim.requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [0, 404, 0, 200]);
}

#[test]
fn an_answer_is_cut_after_some_bytes() {
    let bench = Bench::new();
    bench.put("k", "STANDARD", &vec![1; 1_000_000]);
    for after in [0, 1, 300_000] {
        bench.sim.fault(Fault::new(FaultKind::CutAnswer { after }).on("GetObject"));
        let broken = bench.client.try_call("GET", "/photos/k", &[], b"").unwrap_err();
        assert_eq!(broken.to_string(), format!("{after} bytes of 1000000"));
    }
    assert_eq!(bench.get("k").body.len(), 1_000_000);
}

#[test]
fn an_answer_is_delayed_and_faults_are_taken_back() {
    let bench = Bench::new();
    bench.sim.fault(Fault::new(FaultKind::Delay { millis: 200 }));
    let clock = SystemClock::default();
    assert_eq!(put(&bench, "k"), Some(200));
    assert!(clock.elapsed() >= Duration::from_millis(200));
    bench.sim.fault(Fault::new(FaultKind::Throttle));
    bench.sim.clear_faults();
    assert_eq!(put(&bench, "k"), Some(200));
}

#[test]
fn a_refused_upload_is_read_to_its_end_so_that_the_client_sees_why() {
    let bench = Bench::new();
    let big = vec![0; 20_000_000];
    let reply = bench.client.call("PUT", "/missing-bucket/k", &[], &big);
    assert_eq!(reply.code(), "NoSuchBucket");
    bench.sim.fault(Fault::new(FaultKind::Throttle));
    assert_eq!(bench.client.call("PUT", "/photos/k", &[], &big).code(), "SlowDown");
}
