//! The bandwidth limit and the bound on parallel uploads.

use std::sync::Arc;
use std::time::Duration;

use darkslide_coldsim::{Fault, FaultKind};
use darkslide_store::{ReadOutcome, Store};
use darkslide_store_s3::{S3Store, Sleeper as _, Surroundings};
use darkslide_words::{Bytes, Clock as _, SeededRng, SystemClock, Temperature};

use crate::cloud::{Cloud, QuickSleeper, facts, name, noise};

#[test]
fn all_uploads_share_one_limit() {
    let cloud = Cloud::new();
    let sleeper = Arc::new(QuickSleeper::default());
    let mut settings = cloud.settings();
    settings.limit_upload = Some(Bytes(1_000_000));
    let surroundings = Surroundings { sleeper: sleeper.clone(), rng: Box::new(SeededRng::new(1)) };
    let store = S3Store::connect_with(settings, surroundings).unwrap();
    std::thread::scope(|scope| {
        for n in 0..4 {
            let store = &store;
            scope.spawn(move || {
                let bytes = noise(1_000_000 + n);
                store.put(&name(&format!("packs/{n}")), &bytes, &facts(&bytes, Temperature::Hot)).unwrap();
            });
        }
    });
    // Four million bytes at a million a second. Time moves only by waiting here,
    // and those who wait at once move it by all their waits.
    let took = sleeper.elapsed();
    assert!(took > Duration::from_millis(3700), "{took:?}");
    for n in 0..4 {
        let bytes = noise(1_000_000 + n);
        assert_eq!(store.read(&name(&format!("packs/{n}")), None).unwrap(), ReadOutcome::Bytes(bytes));
    }
}

#[test]
fn a_limited_upload_takes_its_time_and_no_longer() {
    let cloud = Cloud::new();
    let sleeper = Arc::new(QuickSleeper::default());
    let mut settings = cloud.settings();
    settings.limit_upload = Some(Bytes(500_000));
    let surroundings = Surroundings { sleeper: sleeper.clone(), rng: Box::new(SeededRng::new(1)) };
    let store = S3Store::connect_with(settings, surroundings).unwrap();
    let bytes = noise(1_000_000);
    store.put(&name("x"), &bytes, &facts(&bytes, Temperature::Hot)).unwrap();
    let took = sleeper.elapsed();
    assert!(took > Duration::from_millis(1800) && took <= Duration::from_millis(2000), "{took:?}");
    assert_eq!(store.read(&name("x"), None).unwrap(), ReadOutcome::Bytes(bytes));
}

#[test]
fn no_more_uploads_at_once_than_set() {
    let cloud = Cloud::new();
    let mut settings = cloud.settings();
    settings.parallel = 2;
    let store = S3Store::connect(settings).unwrap();
    // Each PUT takes 200 ms on the server: eight by two are four rounds.
    cloud.sim.fault(Fault::new(FaultKind::Delay { millis: 200 }).on("PutObject").times(8));
    let clock = SystemClock::default();
    std::thread::scope(|scope| {
        for n in 0..8 {
            let store = &store;
            scope.spawn(move || store.put(&name(&format!("{n}")), b"x", &facts(b"x", Temperature::Hot)).unwrap());
        }
    });
    let took = clock.elapsed();
    assert!(took >= Duration::from_millis(800), "{took:?}");
}
