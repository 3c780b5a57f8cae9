//! Thaws: every answer of the server, and what can be read when.

use darkslide_coldsim::{Fault, FaultKind};
use darkslide_store::{ReadOutcome, Readable, Store, StoreError, StoredSum, ThawAsk, ThawOutcome, list_all};
use darkslide_words::{StorageClass, Temperature, Tier};

use crate::cloud::{BUCKET, Cloud, HOUR, facts, name, noise, quick};

const BULK: ThawAsk = ThawAsk { tier: Tier::Bulk, days: Some(3), span: None };

#[test]
fn from_cold_to_thawed_and_back() {
    let cloud = Cloud::new();
    let store = cloud.store();
    let pack = name("packs/ab/one");
    let bytes = noise(5000);
    store.put(&pack, &bytes, &facts(&bytes, Temperature::Cold)).unwrap();
    let cold = ReadOutcome::Cold { class: "DEEP_ARCHIVE".into() };
    let readable = || list_all(&store, "packs/").unwrap()[0].readable;

    assert_eq!(store.read(&pack, None).unwrap(), cold);
    assert_eq!(store.read(&pack, Some(0..10)).unwrap(), cold);
    assert_eq!(store.read(&pack, Some(0..0)).unwrap(), cold);
    assert_eq!(readable(), Readable::Cold);

    assert_eq!(store.thaw(&pack, &BULK).unwrap(), ThawOutcome::Started);
    assert_eq!(store.thaw(&pack, &BULK).unwrap(), ThawOutcome::InProgress);
    assert_eq!(store.read(&pack, None).unwrap(), ReadOutcome::Thawing { since: None });
    assert_eq!(readable(), Readable::Thawing);

    cloud.sim.advance(HOUR * 49);
    assert_eq!(store.read(&pack, None).unwrap(), ReadOutcome::Bytes(bytes.clone()));
    assert_eq!(store.read(&pack, Some(7..4000)).unwrap(), ReadOutcome::Bytes(bytes[7..4000].to_vec()));
    assert!(matches!(store.read(&pack, Some(4000..5001)), Err(StoreError::Short { size: 5000, .. })));
    let Readable::Until(first) = readable() else { panic!("{:?}", readable()) };
    assert!(first > cloud.sim.now().plus(HOUR * 48));

    let longer = ThawAsk { tier: Tier::Bulk, days: Some(9), span: None };
    assert_eq!(store.thaw(&pack, &longer).unwrap(), ThawOutcome::Extended);
    let Readable::Until(later) = readable() else { panic!("{:?}", readable()) };
    assert!(later > first);

    cloud.sim.advance(HOUR * 24 * 12);
    assert_eq!(store.read(&pack, None).unwrap(), cold);
    assert_eq!(readable(), Readable::Cold);
}

/// HEAD tells the checksum of an upload, of a cold object too, and asks for no thaw.
#[test]
fn the_checksum_that_is_kept_is_told_without_a_thaw() {
    let cloud = Cloud::new();
    let store = cloud.store();
    let (pack, bytes) = (name("packs/ab/one"), noise(5000));
    let wanted = facts(&bytes, Temperature::Cold);
    store.put(&pack, &bytes, &wanted).unwrap();
    assert_eq!(store.stored_sum(&pack).unwrap(), StoredSum::Crc64(wanted.crc64));
    assert_eq!(store.stored_sum(&name("packs/none")).unwrap(), StoredSum::Missing);
    let mut settings = cloud.settings();
    settings.checksum = darkslide_store_s3::Checksum::Sha256;
    let store = quick(settings);
    store.put(&name("packs/other"), &bytes, &wanted).unwrap();
    assert_eq!(store.stored_sum(&name("packs/other")).unwrap(), StoredSum::NotKept);
    assert_eq!(list_all(&store, "packs/").unwrap()[0].readable, Readable::Cold);
}

#[test]
fn what_is_not_cold_or_not_there() {
    let cloud = Cloud::new();
    let store = cloud.store();
    store.put(&name("index/x"), b"hot", &facts(b"hot", Temperature::Hot)).unwrap();
    assert_eq!(store.thaw(&name("index/x"), &BULK).unwrap(), ThawOutcome::NotCold);
    assert_eq!(store.thaw(&name("packs/none"), &BULK).unwrap(), ThawOutcome::Missing);
    let mut settings = cloud.settings();
    settings.classes.cold = StorageClass::IntelligentTiering;
    let store = quick(settings);
    store.put(&name("packs/x"), b"moving", &facts(b"moving", Temperature::Cold)).unwrap();
    let ask = ThawAsk { tier: Tier::Standard, days: None, span: None };
    assert_eq!(store.thaw(&name("packs/x"), &ask).unwrap(), ThawOutcome::NotCold);
    assert_eq!(list_all(&store, "").unwrap()[0].readable, Readable::Unknown);
}

#[test]
fn no_capacity_is_said_once_and_not_asked_again() {
    let cloud = Cloud::new();
    let mut settings = cloud.settings();
    settings.classes.cold = StorageClass::Glacier;
    let store = quick(settings);
    store.put(&name("packs/x"), b"cold", &facts(b"cold", Temperature::Cold)).unwrap();
    let fast = ThawAsk { tier: Tier::Expedited, days: Some(1), span: None };
    cloud.sim.fault(Fault::new(FaultKind::NoExpeditedCapacity));
    cloud.sim.forget_requests();
    assert_eq!(store.thaw(&name("packs/x"), &fast).unwrap(), ThawOutcome::NoCapacity);
    assert_eq!(cloud.calls("RestoreObject"), 1);
    assert_eq!(store.thaw(&name("packs/x"), &fast).unwrap(), ThawOutcome::Started);
}

#[test]
fn a_tier_that_a_class_does_not_have_is_refused() {
    let cloud = Cloud::new();
    let store = cloud.store();
    store.put(&name("packs/x"), b"cold", &facts(b"cold", Temperature::Cold)).unwrap();
    let fast = ThawAsk { tier: Tier::Expedited, days: Some(1), span: None };
    assert_eq!(store.thaw(&name("packs/x"), &fast).unwrap(), ThawOutcome::TierNotOffered);
    assert_eq!(list_all(&store, "").unwrap()[0].readable, Readable::Cold);
    let mut settings = cloud.settings();
    settings.classes.cold = StorageClass::IntelligentTiering;
    let store = quick(settings);
    // Smaller ones are never moved.
    let large = noise(200_000);
    store.put(&name("packs/y"), &large, &facts(&large, Temperature::Cold)).unwrap();
    cloud.sim.archive_idle(BUCKET, 90, Some(180));
    let fast = ThawAsk { tier: Tier::Expedited, days: None, span: None };
    cloud.sim.advance(HOUR * 24 * 100);
    assert_eq!(store.thaw(&name("packs/y"), &fast).unwrap(), ThawOutcome::Started, "out of Archive Access");
    cloud.sim.advance(HOUR * 24 * 200);
    assert_eq!(store.thaw(&name("packs/y"), &fast).unwrap(), ThawOutcome::TierNotOffered, "Deep Archive Access");
}

#[test]
fn a_thaw_whose_answer_is_lost_is_not_begun_twice() {
    let cloud = Cloud::new();
    let store = cloud.store();
    store.put(&name("packs/x"), b"cold", &facts(b"cold", Temperature::Cold)).unwrap();
    cloud.sim.fault(Fault::new(FaultKind::CutAfter).on("RestoreObject"));
    assert_eq!(store.thaw(&name("packs/x"), &BULK).unwrap(), ThawOutcome::InProgress);
    assert_eq!(list_all(&store, "").unwrap()[0].readable, Readable::Thawing);
}

#[test]
fn where_nothing_is_cold_archive_classes_are_labels() {
    let cloud = Cloud::new();
    let mut settings = cloud.settings();
    settings.server.thaws = false;
    let store = quick(settings);
    store.put(&name("packs/x"), b"label", &facts(b"label", Temperature::Cold)).unwrap();
    assert!(!store.capabilities().cold);
    assert_eq!(list_all(&store, "").unwrap()[0].readable, Readable::Now);
    cloud.sim.forget_requests();
    assert_eq!(store.thaw(&name("packs/x"), &BULK).unwrap(), ThawOutcome::NotCold);
    assert_eq!(store.thaw(&name("packs/none"), &BULK).unwrap(), ThawOutcome::Missing);
    assert_eq!(cloud.calls("RestoreObject"), 0);
}
