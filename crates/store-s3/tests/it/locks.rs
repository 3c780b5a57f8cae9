//! Object Lock: facts of the bucket, and locks made longer.

use aws_sdk_s3::types::{
    DefaultRetention as WireDefault, ObjectLockConfiguration, ObjectLockEnabled, ObjectLockRetentionMode,
    ObjectLockRule,
};
use darkslide_store::{Store, StoreError};
use darkslide_store_s3::{DefaultRetention, Fact, Lock, LockMode, Versioning};
use darkslide_words::Temperature;

use crate::cloud::{Cloud, HOUR, facts, name, quick};

#[test]
fn a_plain_bucket_promises_nothing() {
    let cloud = Cloud::new();
    let store = cloud.store();
    let found = store.bucket_facts().unwrap();
    assert_eq!(found.versioning, Fact::Known(Versioning::Off));
    assert_eq!((found.lock, found.retention), (Fact::Known(false), Fact::Known(None)));
    store.put(&name("x"), b"x", &facts(b"x", Temperature::Hot)).unwrap();
    assert_eq!((store.lock_state(&name("x")).unwrap(), store.locked_until(&name("x")).unwrap()), (None, None));
}

#[test]
fn locks_are_read_and_made_longer() {
    let cloud = Cloud::new();
    let admin = cloud.admin();
    let create = admin.s3.create_bucket().bucket("locked-bucket").object_lock_enabled_for_bucket(true);
    let create = create.create_bucket_configuration(
        aws_sdk_s3::types::CreateBucketConfiguration::builder()
            .location_constraint(aws_sdk_s3::types::BucketLocationConstraint::from(crate::cloud::REGION))
            .build(),
    );
    admin.runtime.block_on(create.send()).unwrap();
    let retention = WireDefault::builder().mode(ObjectLockRetentionMode::Governance).days(30).build();
    let lock = ObjectLockConfiguration::builder()
        .object_lock_enabled(ObjectLockEnabled::Enabled)
        .rule(ObjectLockRule::builder().default_retention(retention).build())
        .build();
    let set = admin.s3.put_object_lock_configuration().bucket("locked-bucket").object_lock_configuration(lock);
    admin.runtime.block_on(set.send()).unwrap();

    let mut settings = cloud.settings();
    settings.bucket = "locked-bucket".into();
    let store = quick(settings);
    let found = store.bucket_facts().unwrap();
    assert_eq!((found.versioning, found.lock), (Fact::Known(Versioning::On), Fact::Known(true)));
    let days = Some(DefaultRetention { mode: LockMode::Governance, days: 30 });
    assert_eq!(found.retention, Fact::Known(days));

    store.put(&name("packs/x"), b"x", &facts(b"x", Temperature::Cold)).unwrap();
    let first = store.lock_state(&name("packs/x")).unwrap().unwrap();
    assert_eq!(first.mode, LockMode::Governance);
    let until = first.until.plus(HOUR * 24 * 90);
    store.extend_lock_to(&name("packs/x"), until, LockMode::Compliance).unwrap();
    // What a prune asks: until when.
    let end = store.locked_until(&name("packs/x")).unwrap().unwrap();
    assert!(end >= until && end.seconds() <= until.seconds() + 1);
    let extended = store.lock_state(&name("packs/x")).unwrap();
    let Some(Lock { mode: LockMode::Compliance, until: found }) = extended else { panic!("{extended:?}") };
    assert!(found >= until && found.seconds() <= until.seconds() + 1);
    let shorter = store.extend_lock_to(&name("packs/x"), first.until, LockMode::Compliance);
    assert!(matches!(shorter, Err(StoreError::Denied { .. })), "{shorter:?}");
}
