//! What every store promises, and what this one adds to it.

use darkslide_coldsim::{Fault, FaultKind};
use darkslide_store::{PutOutcome, ReadOutcome, Store, StoreError, list_all};
use darkslide_store_s3::{Answer, Checksum, Key, S3Store, When};
use darkslide_words::{StorageClass, Temperature};

use crate::cloud::{Cloud, facts, name, noise, quick};

#[test]
fn contract() {
    let cloud = Cloud::new();
    darkslide_store::contract::run(&|| Box::new(cloud.store()));
}

#[test]
fn contract_with_sha_256() {
    let cloud = Cloud::new();
    darkslide_store::contract::run(&|| {
        let mut settings = cloud.settings();
        settings.checksum = Checksum::Sha256;
        Box::new(quick(settings))
    });
}

#[test]
fn contract_as_for_older_servers() {
    let cloud = Cloud::new();
    darkslide_store::contract::run(&|| {
        let mut settings = cloud.settings();
        settings.checksums = When::Required;
        settings.server.create_only = false;
        settings.parallel = 1;
        Box::new(quick(settings))
    });
}

#[test]
fn each_temperature_goes_to_its_class() {
    let cloud = Cloud::new();
    let mut settings = cloud.settings();
    settings.classes.warm = StorageClass::StandardIa;
    let store = quick(settings);
    for (at, temperature) in [("a", Temperature::Cold), ("b", Temperature::Warm), ("c", Temperature::Hot)] {
        store.put(&name(at), b"x", &facts(b"x", temperature)).unwrap();
    }
    let classes: Vec<_> = list_all(&store, "").unwrap().into_iter().map(|l| l.class).collect();
    assert_eq!(classes, [StorageClass::DeepArchive, StorageClass::StandardIa, StorageClass::Standard]);
}

#[test]
fn a_wrong_checksum_is_refused_and_nothing_is_stored() {
    let cloud = Cloud::new();
    let store = cloud.store();
    let mut wrong = facts(b"sent", Temperature::Cold);
    wrong.crc64 ^= 1;
    cloud.sim.forget_requests();
    let refused = store.put(&name("packs/x"), b"sent", &wrong);
    assert!(matches!(refused, Err(StoreError::Corrupted { .. })), "{refused:?}");
    assert_eq!(cloud.calls("PutObject"), 1);
    assert_eq!(list_all(&store, "").unwrap(), []);
}

#[test]
fn a_listing_of_many_takes_one_call_a_thousand() {
    let cloud = Cloud::new();
    let store = cloud.store();
    std::thread::scope(|scope| {
        for part in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for n in (part..1203).step_by(4) {
                    store.put(&name(&format!("index/{n:05}")), b"x", &facts(b"x", Temperature::Hot)).unwrap();
                }
            });
        }
    });
    cloud.sim.forget_requests();
    assert_eq!(list_all(&store, "index/").unwrap().len(), 1203);
    assert_eq!((cloud.calls("ListObjectsV2"), cloud.sim.requests().len()), (2, 2));
}

#[test]
fn keys_of_others_are_skipped_and_counted() {
    let cloud = Cloud::new();
    let store = cloud.store();
    let prefix = store.settings().prefix.clone();
    let admin = cloud.admin();
    for key in ["a b", "ü", "x//y", "folder/", "100%"] {
        assert!(admin.put(&format!("{prefix}{key}"), b"x"));
    }
    store.put(&name("ours"), b"x", &facts(b"x", Temperature::Hot)).unwrap();
    let listed = list_all(&store, "").unwrap();
    assert_eq!((listed.len(), listed[0].name.as_str(), store.foreign()), (1, "ours", 5));
}

#[test]
fn two_prefixes_do_not_see_each_other() {
    let cloud = Cloud::new();
    let (one, two) = (cloud.store(), cloud.store());
    one.put(&name("x"), b"1", &facts(b"1", Temperature::Hot)).unwrap();
    assert_eq!(two.put(&name("x"), b"two", &facts(b"two", Temperature::Hot)).unwrap(), PutOutcome::Created);
    assert_eq!(one.read(&name("x"), None).unwrap(), ReadOutcome::Bytes(b"1".to_vec()));
}

#[test]
fn a_probe_finds_everything_and_leaves_nothing() {
    let cloud = Cloud::new();
    let store = cloud.store();
    let probe = store.probe("20261122-1").unwrap();
    assert!(probe.rows().iter().all(|(_, answer)| **answer == Answer::Yes), "{probe}");
    assert_eq!(list_all(&store, "").unwrap(), []);
    assert!(probe.server().create_only && probe.server().thaws && probe.advice().is_empty());
}

#[test]
fn what_is_wrong_with_the_way_is_said() {
    let cloud = Cloud::new();
    let create = |change: &dyn Fn(&mut darkslide_store_s3::S3Settings)| {
        let mut settings = cloud.settings();
        settings.patience.attempts_max = 2;
        settings.patience.first = std::time::Duration::ZERO;
        change(&mut settings);
        S3Store::create(settings).map(|_| ())
    };
    create(&|_| {}).unwrap();
    let key = |id: &str, secret: &str| Some(Key { id: id.into(), secret: secret.into(), token: None });
    for (what, result) in [
        ("does not exist", create(&|s| s.bucket = "no-such-bucket".into())),
        ("access key", create(&|s| s.credentials = key("AKNOBODY", "x"))),
        ("signed wrongly", create(&|s| s.credentials = key("coldsim", "wrong"))),
    ] {
        let error = result.unwrap_err();
        assert!(matches!(error, StoreError::Setup { .. }) && error.to_string().contains(what), "{what}: {error}");
    }
    let gone = create(&|s| s.endpoint = Some("http://127.0.0.1:9".into())).unwrap_err();
    assert!(matches!(gone, StoreError::Unreachable { .. }), "{gone}");
}

#[test]
fn without_credentials_or_region_it_is_said_where_they_were_looked_for() {
    let cloud = Cloud::new();
    let mut settings = cloud.settings();
    settings.credentials = None;
    settings.profile = Some("no-such-profile-of-darkslide".into());
    let error = S3Store::create(settings.clone()).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, StoreError::Setup { .. }) && text.contains("gives no AWS credentials"), "{text}");
    assert!(text.contains("no-such-profile-of-darkslide"), "{text}");
    assert_eq!(cloud.sim.requests().len(), 0);
    settings.region = None;
    settings.endpoint = None;
    let error = S3Store::connect(settings).unwrap_err();
    assert!(matches!(error, StoreError::Setup { .. }) && error.to_string().contains("has no region"), "{error}");
}

#[test]
fn refusals_of_the_way_say_what_to_change_and_are_not_repeated() {
    let cloud = Cloud::new();
    for (status, code, what) in [
        (403, "RequestTimeTooSkewed", "clocks differ"),
        (400, "ExpiredToken", "expired"),
        (301, "PermanentRedirect", "region"),
        (400, "AuthorizationHeaderMalformed", "region"),
    ] {
        cloud.sim.forget_requests();
        let kind = FaultKind::Fail { status, code: code.into() };
        cloud.sim.fault(Fault::new(kind).on("ListObjectsV2"));
        let error = cloud.store().reach().unwrap_err();
        assert!(matches!(error, StoreError::Setup { .. }) && !error.is_transient(), "{code}: {error}");
        assert!(error.to_string().contains(what), "{code}: {error}");
        assert_eq!(cloud.sim.requests().len(), 1, "{code}");
    }
}

#[test]
fn where_the_server_would_replace_the_store_looks_first() {
    let cloud = Cloud::new();
    let mut settings = cloud.settings();
    settings.server.create_only = false;
    let store = quick(settings);
    assert!(!store.capabilities().create_only);
    let put = |bytes: &[u8]| store.put(&name("x"), bytes, &facts(bytes, Temperature::Hot));
    assert_eq!(put(b"one").unwrap(), PutOutcome::Created);
    cloud.sim.forget_requests();
    assert_eq!(put(b"one").unwrap(), PutOutcome::AlreadyThere);
    assert!(matches!(put(b"longer"), Err(StoreError::Different { .. })));
    assert_eq!((cloud.calls("PutObject"), cloud.calls("ListObjectsV2")), (0, 2));
}

#[test]
fn it_works_from_within_another_runtime() {
    let cloud = Cloud::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let bytes = noise(300_000);
    runtime.block_on(async {
        let store = cloud.store();
        store.put(&name("x"), &bytes, &facts(&bytes, Temperature::Hot)).unwrap();
        assert_eq!(store.read(&name("x"), None).unwrap(), ReadOutcome::Bytes(bytes.clone()));
    });
}
