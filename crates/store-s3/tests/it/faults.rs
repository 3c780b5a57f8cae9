//! Servers that fail, throttle and hang up: what is repeated, and that nothing
//! is stored or lost by it.

use darkslide_coldsim::{Fault, FaultKind};
use darkslide_store::{PutOutcome, ReadOutcome, Store, StoreError, list_all};
use darkslide_words::Temperature;

use crate::cloud::{Cloud, facts, name, noise, quick};

fn failing(status: u16, code: &str) -> FaultKind {
    FaultKind::Fail { status, code: code.into() }
}

#[test]
fn puts_get_through_and_store_once() {
    let bytes = noise(200_000);
    for (kind, times, outcome) in [
        (failing(500, "InternalError"), 3, PutOutcome::Created),
        (failing(503, "ServiceUnavailable"), 2, PutOutcome::Created),
        (failing(409, "ConditionalRequestConflict"), 2, PutOutcome::Created),
        (failing(400, "RequestTimeout"), 1, PutOutcome::Created),
        (FaultKind::Throttle, 4, PutOutcome::Created),
        (FaultKind::CutBefore, 2, PutOutcome::Created),
        // The first attempt did store it; the second finds it.
        (FaultKind::CutAfter, 1, PutOutcome::AlreadyThere),
    ] {
        let cloud = Cloud::new();
        let store = cloud.store();
        cloud.sim.fault(Fault::new(kind.clone()).on("PutObject").times(times));
        let put = store.put(&name("packs/x"), &bytes, &facts(&bytes, Temperature::Hot));
        assert_eq!(put.unwrap(), outcome, "{kind:?}");
        let versions = list_all(&store, "").unwrap();
        assert_eq!((versions.len(), versions[0].size.0), (1, 200_000), "{kind:?}");
        assert_eq!(store.read(&name("packs/x"), None).unwrap(), ReadOutcome::Bytes(bytes.clone()), "{kind:?}");
    }
}

#[test]
fn many_uploads_under_random_faults_all_arrive_once() {
    let cloud = Cloud::new();
    let store = cloud.store();
    for n in 0..40 {
        let kind = [FaultKind::Throttle, FaultKind::CutBefore, FaultKind::CutAfter, failing(500, "InternalError")];
        cloud.sim.fault(Fault::new(kind[n % 4].clone()).on("PutObject").after((n * 3) as u64));
    }
    std::thread::scope(|scope| {
        for part in 0..8usize {
            let store = &store;
            scope.spawn(move || {
                for n in 0..10 {
                    let bytes = noise(1000 + part * 10 + n);
                    let at = name(&format!("packs/{part}/{n}"));
                    store.put(&at, &bytes, &facts(&bytes, Temperature::Hot)).unwrap();
                }
            });
        }
    });
    let listed = list_all(&store, "").unwrap();
    assert_eq!(listed.len(), 80);
    for object in listed {
        let bytes = store.read(&object.name, None).unwrap().bytes(&object.name).unwrap();
        assert_eq!(bytes, noise(object.size.0 as usize));
    }
}

#[test]
fn downloads_that_break_are_begun_again() {
    let cloud = Cloud::new();
    let store = cloud.store();
    let bytes = noise(300_000);
    store.put(&name("x"), &bytes, &facts(&bytes, Temperature::Hot)).unwrap();
    for after in [0, 1, 100_000, 299_999] {
        cloud.sim.fault(Fault::new(FaultKind::CutAnswer { after }).on("GetObject"));
        assert_eq!(store.read(&name("x"), None).unwrap(), ReadOutcome::Bytes(bytes.clone()), "{after}");
    }
    cloud.sim.fault(Fault::new(FaultKind::CutAnswer { after: 10 }).on("GetObject").times(2));
    assert_eq!(store.read(&name("x"), Some(5..200_000)).unwrap(), ReadOutcome::Bytes(bytes[5..200_000].to_vec()));
}

#[test]
fn listings_and_deletions_are_repeated_too() {
    let cloud = Cloud::new();
    let store = cloud.store();
    store.put(&name("x"), b"x", &facts(b"x", Temperature::Hot)).unwrap();
    cloud.sim.fault(Fault::new(FaultKind::Throttle).on("ListObjectsV2").times(2));
    cloud.sim.fault(Fault::new(FaultKind::CutBefore).on("DeleteObject").times(2));
    assert_eq!(list_all(&store, "").unwrap().len(), 1);
    store.delete(&name("x")).unwrap();
    assert_eq!(list_all(&store, "").unwrap(), []);
}

#[test]
fn patience_ends_and_says_so() {
    let cloud = Cloud::new();
    let mut settings = cloud.settings();
    settings.patience.attempts_max = 3;
    let store = quick(settings);
    let put = || store.put(&name("x"), b"x", &facts(b"x", Temperature::Hot));
    cloud.sim.fault(Fault::new(FaultKind::Throttle).on("PutObject").times(3));
    let busy = put().unwrap_err();
    assert!(matches!(busy, StoreError::Busy { .. }) && busy.is_transient(), "{busy}");
    cloud.sim.fault(Fault::new(FaultKind::CutBefore).on("PutObject").times(3));
    let gone = put().unwrap_err();
    assert!(matches!(gone, StoreError::Unreachable { .. }) && gone.is_transient(), "{gone}");
    assert_eq!(list_all(&store, "").unwrap(), []);
    assert_eq!(put().unwrap(), PutOutcome::Created);
}

#[test]
fn what_is_final_is_not_repeated() {
    let cloud = Cloud::new();
    let store = cloud.store();
    cloud.sim.fault(Fault::new(failing(403, "AccessDenied")).on("PutObject"));
    cloud.sim.forget_requests();
    let denied = store.put(&name("x"), b"x", &facts(b"x", Temperature::Hot)).unwrap_err();
    assert!(matches!(denied, StoreError::Denied { .. }), "{denied}");
    assert_eq!(cloud.calls("PutObject"), 1);
}
