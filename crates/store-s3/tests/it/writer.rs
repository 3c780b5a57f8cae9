//! The writer's credential: every call that a backup makes goes through, and
//! nothing that reads, replaces, thaws or destroys.

use darkslide_store::{PutOutcome, ReadOutcome, Store, StoreError, ThawAsk, list_all};
use darkslide_store_s3::{Answer, Fact, LockMode, S3Settings};
use darkslide_words::{Temperature, Tier};

use crate::cloud::{BUCKET, Cloud, facts, name, quick};

/// The writer's policy: create-only PUTs of two classes, listing, and reading of
/// what a lost catalog is rebuilt from.
fn policy(prefix: &str) -> String {
    let readable = ["darkslide.json", "config/*", "writers/*", "index/*", "refs/*", "condemned/*"]
        .map(|path| format!("\"arn:aws:s3:::{BUCKET}/{prefix}{path}\""))
        .join(",");
    format!(
        r#"{{"Version":"2012-10-17","Statement":[
        {{"Sid":"Put","Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::{BUCKET}/{prefix}*",
          "Condition":{{"StringEquals":{{"s3:x-amz-storage-class":["DEEP_ARCHIVE","STANDARD"]}},
                        "Null":{{"s3:if-none-match":"false"}}}}}},
        {{"Sid":"Read","Effect":"Allow","Action":"s3:GetObject","Resource":[{readable}]}},
        {{"Sid":"List","Effect":"Allow","Action":["s3:ListBucket","s3:GetBucketLocation"],
          "Resource":"arn:aws:s3:::{BUCKET}"}},
        {{"Sid":"NoDestroy","Effect":"Deny","Action":["s3:DeleteObject","s3:DeleteObjectVersion",
          "s3:PutLifecycleConfiguration","s3:PutBucketVersioning","s3:BypassGovernanceRetention",
          "s3:PutObjectRetention","s3:PutObjectLegalHold","s3:PutBucketPolicy"],
          "Resource":["arn:aws:s3:::{BUCKET}","arn:aws:s3:::{BUCKET}/*"]}}]}}"#
    )
}

fn writer(cloud: &Cloud) -> S3Settings {
    let mut settings = cloud.settings();
    settings.credentials = Some(cloud.user("writer", &[policy(&settings.prefix)]));
    settings
}

fn denied<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::Denied { .. })), "{result:?}");
}

#[test]
fn a_backup_s_calls_go_through() {
    let cloud = Cloud::new();
    let store = quick(writer(&cloud));
    store.reach().unwrap();
    let put = |at: &str, bytes: &[u8], t| store.put(&name(at), bytes, &facts(bytes, t)).unwrap();
    assert_eq!(put("darkslide.json", b"{}", Temperature::Hot), PutOutcome::Created);
    assert_eq!(put("packs/ab/one", b"sealed", Temperature::Cold), PutOutcome::Created);
    assert_eq!(put("warm/ab/two", b"sealed", Temperature::Warm), PutOutcome::Created);
    assert_eq!(put("index/three", b"sealed", Temperature::Hot), PutOutcome::Created);
    assert_eq!(put("packs/ab/one", b"sealed", Temperature::Cold), PutOutcome::AlreadyThere);
    let longer = b"sealed otherwise";
    let different = store.put(&name("packs/ab/one"), longer, &facts(longer, Temperature::Cold));
    assert!(matches!(different, Err(StoreError::Different { .. })), "{different:?}");
    assert_eq!(list_all(&store, "packs/").unwrap().len(), 1);
    assert_eq!(store.read(&name("index/three"), None).unwrap(), ReadOutcome::Bytes(b"sealed".to_vec()));
    assert_eq!(store.read(&name("config/1.json"), None).unwrap(), ReadOutcome::Missing);
}

#[test]
fn nothing_else_does() {
    let cloud = Cloud::new();
    let settings = writer(&cloud);
    let (key, prefix) = (settings.credentials.clone().unwrap(), settings.prefix.clone());
    let store = quick(settings.clone());
    for (at, temperature) in [("packs/ab/one", Temperature::Cold), ("warm/ab/two", Temperature::Warm)] {
        store.put(&name(at), b"sealed", &facts(b"sealed", temperature)).unwrap();
        denied(store.read(&name(at), None));
        denied(store.read(&name(at), Some(0..1)));
        denied(store.delete(&name(at)));
    }
    let pack = name("packs/ab/one");
    denied(store.thaw(&pack, &ThawAsk { tier: Tier::Bulk, days: Some(1), span: None }));
    denied(store.extend_lock_to(&pack, cloud.sim.now(), LockMode::Governance));
    assert_eq!(store.bucket_facts().unwrap().versioning, Fact::NotAllowed);
    // Replacing needs a PUT without `If-None-Match`, which the policy does not allow.
    assert!(!cloud.client(&key).put(&format!("{prefix}warm/ab/two"), b"ransom"));
    // Nor a class that is not in the plan.
    let mut dear = settings;
    dear.classes.cold = darkslide_words::StorageClass::GlacierIr;
    denied(quick(dear).put(&name("packs/ab/dear"), b"x", &facts(b"x", Temperature::Cold)));
    assert_eq!(list_all(&store, "").unwrap().len(), 2);
}

#[test]
fn a_writer_s_probe_says_what_it_may_not_and_what_it_leaves() {
    let cloud = Cloud::new();
    let store = quick(writer(&cloud));
    let probe = store.probe("w1").unwrap();
    assert_eq!((&probe.create_only, &probe.verifies_crc64, &probe.deletes), (&Answer::Yes, &Answer::Yes, &Answer::No));
    assert!(matches!(probe.reads, Answer::Unknown(_)) && matches!(probe.thaws, Answer::Unknown(_)), "{probe}");
    assert_eq!(probe.returns_crc64, Answer::Yes);
    let mut left = probe.left.clone();
    left.sort();
    let listed: Vec<_> = list_all(&store, "probe/").unwrap().into_iter().map(|l| l.name).collect();
    assert!(!left.is_empty() && left == listed);
    assert!(store.server().create_only);
}
