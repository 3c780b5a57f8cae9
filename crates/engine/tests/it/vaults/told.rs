//! A thaw that hears of finished jobs from a queue, and one whose queue is of no use.

use darkslide_engine::vault::{EVENTS, Notifications};

use super::*;

fn site(queue: &'static str) -> Site {
    let site = Site { queue: Some(queue), ..Site::new() };
    site.sim.create_queue("thaws");
    site.library();
    backup(&site.init());
    let vault = site.engine().open_vault(&site.settings()).unwrap();
    let topic = "arn:aws:sns:us-east-1:123456789012:thaws".to_string();
    let events = EVENTS.map(str::to_string).to_vec();
    vault.get().set_notifications(Some(&Notifications { topic, events })).unwrap();
    site
}

/// Restores, looking every quarter of an hour; how often the jobs were listed before the end.
fn listings(site: &Site) -> usize {
    let to = order(&site.path("out"), &[]);
    site.sim.forget_requests();
    for _ in 0..4 * 13 {
        match site.restore(&site.engine(), &to, &BULK).unwrap() {
            ColdRestore::Done(done) => {
                assert!(done.casualties.is_empty(), "{:?}", done.casualties);
                assert_same(&tree(&site.path("library")), &tree(&site.path("out")));
                return site.count("ListJobs");
            }
            ColdRestore::Waiting { progress, .. } => assert_eq!(progress.stop, None),
            ColdRestore::Declined => panic!("nobody declined"),
        }
        site.sim.advance(HOUR / 4);
    }
    panic!("it does not end");
}

#[test]
fn a_queue_tells_a_waiting_thaw_what_is_ready_without_asking_for_jobs() {
    let site = site("thaws");
    let asked = listings(&site);
    assert!(asked <= 2, "before anything was asked for, at most: {asked}");
}

#[test]
fn a_queue_that_is_of_no_use_is_no_reason_to_stand_still() {
    let asked = listings(&site("nowhere"));
    assert!(asked > 10, "polling goes on: {asked}");
}
