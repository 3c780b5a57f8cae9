//! Bulk thaws and checksums as jobs of the cloud.

use darkslide_store::{Readable, Store, StoreError, list_all};
use darkslide_store_s3::bulk::{Bulk, BulkOutcome, BulkSettings, BulkState, BulkWork};
use darkslide_words::{ObjectName, Temperature, Tier};

use crate::cloud::{BUCKET, Cloud, HOUR, facts, name, noise, quick};

const ACCOUNT: &str = "123456789012";
const THAW: BulkWork = BulkWork::Thaw { tier: Tier::Bulk, days: Some(3) };

fn settings(cloud: &Cloud) -> BulkSettings {
    BulkSettings {
        account: ACCOUNT.into(),
        role_arn: format!("arn:aws:iam::{ACCOUNT}:role/darkslide-batch"),
        bucket: BUCKET.into(),
        prefix: "papers/".into(),
        endpoint: Some(cloud.endpoint()),
    }
}

/// Lets virtual time pass until the job is over.
fn finish(cloud: &Cloud, bulk: &Bulk, job: &str) -> BulkState {
    for _ in 0..20 {
        let status = bulk.describe(job).unwrap();
        if status.state.is_over() {
            return status.state;
        }
        cloud.sim.advance(HOUR / 6);
    }
    panic!("the job does not end: {:?}", bulk.describe(job));
}

#[test]
fn a_bulk_thaw_begins_what_is_cold_and_reports_each_object() {
    let cloud = Cloud::new();
    let store = quick(cloud.settings());
    let packs: Vec<ObjectName> = (0..5).map(|n| name(&format!("packs/ab/{n}"))).collect();
    for pack in &packs {
        store.put(pack, b"sealed", &facts(b"sealed", Temperature::Cold)).unwrap();
    }
    store.put(&name("index/hot"), b"hot", &facts(b"hot", Temperature::Hot)).unwrap();
    let mut names = packs.clone();
    names.extend([name("index/hot"), name("packs/ab/none")]);
    let bulk = Bulk::new(&store, settings(&cloud)).unwrap();
    let job = bulk.start("run-1", &names, &THAW).unwrap();
    assert_eq!(bulk.start("run-1", &names, &THAW).unwrap(), job, "the same token is the same job");
    assert_eq!(finish(&cloud, &bulk, &job), BulkState::Done);
    let (outcomes, unasked) = bulk.outcomes("run-1", &job, &names).unwrap();
    assert_eq!(unasked.rows, 0);
    let outcomes: Vec<_> = outcomes.into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(outcomes[..5], [const { BulkOutcome::Done }; 5]);
    assert_eq!(outcomes[5..], [BulkOutcome::NotCold, BulkOutcome::Missing]);
    assert!(list_all(&store, "packs/").unwrap().iter().all(|l| l.readable == Readable::Thawing));
    cloud.sim.advance(HOUR * 49);
    assert!(list_all(&store, "packs/").unwrap().iter().all(|l| matches!(l.readable, Readable::Until(_))));
}

#[test]
fn a_checksum_job_computes_in_the_cold_what_was_sent() {
    let cloud = Cloud::new();
    let store = quick(cloud.settings());
    let mut wanted = Vec::new();
    for n in 1..4 {
        let (at, bytes) = (name(&format!("packs/{n}")), noise(n * 1000));
        let facts = facts(&bytes, Temperature::Cold);
        store.put(&at, &bytes, &facts).unwrap();
        wanted.push((at, BulkOutcome::Checksum(facts.crc64)));
    }
    let names: Vec<_> = wanted.iter().map(|(name, _)| name.clone()).collect();
    let bulk = Bulk::new(&store, settings(&cloud)).unwrap();
    let job = bulk.start("sum-1", &names, &BulkWork::Checksum).unwrap();
    assert_eq!(finish(&cloud, &bulk, &job), BulkState::Done);
    assert_eq!(bulk.outcomes("sum-1", &job, &names).unwrap().0, wanted);
}

#[test]
fn what_no_job_can_do_is_refused_before_it_costs() {
    let cloud = Cloud::new();
    let store = quick(cloud.settings());
    let bulk = Bulk::new(&store, settings(&cloud)).unwrap();
    let names = [name("packs/x")];
    cloud.sim.forget_requests();
    let fast = BulkWork::Thaw { tier: Tier::Expedited, days: Some(1) };
    for refused in [bulk.start("t", &names, &fast), bulk.start("t", &[], &THAW), bulk.start("a/b", &names, &THAW)] {
        assert!(matches!(refused, Err(StoreError::Setup { .. })), "{refused:?}");
    }
    assert_eq!(cloud.sim.requests().len(), 0);
    for change in [
        |s: &mut BulkSettings| s.account = "1".into(),
        |s: &mut BulkSettings| s.role_arn = "role".into(),
        |s: &mut BulkSettings| s.prefix = "papers".into(),
    ] {
        let mut settings = settings(&cloud);
        change(&mut settings);
        assert!(Bulk::new(&store, settings).is_err());
    }
}
