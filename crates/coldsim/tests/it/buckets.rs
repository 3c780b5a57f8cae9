//! Buckets: configurations, lifecycle, Object Lock.

use darkslide_words::{Clock, SystemClock, Time};

use crate::client::{Bench, DAY, HOUR, Reply, START};

#[test]
fn a_bucket_is_deleted_only_when_it_is_empty() {
    let bench = Bench::new();
    assert_eq!(bench.client.call("PUT", "/photos", &[], b"").code(), "BucketAlreadyOwnedByYou");
    bench.put("k", "STANDARD", b"x");
    assert_eq!(bench.client.call("DELETE", "/photos", &[], b"").code(), "BucketNotEmpty");
    bench.client.call("DELETE", "/photos/k", &[], b"");
    assert_eq!(bench.client.call("DELETE", "/photos", &[], b"").status, 204);
    assert_eq!(bench.get("k").code(), "NoSuchBucket");
}

#[test]
fn archive_tiers_need_their_documented_days() {
    let bench = Bench::new();
    let put = |tiers: &[(&str, u32)]| {
        let tiers = tiers
            .iter()
            .map(|(tier, days)| format!("<Tiering><AccessTier>{tier}</AccessTier><Days>{days}</Days></Tiering>"));
        let tiers: String = tiers.collect();
        let xml = format!(
            "<IntelligentTieringConfiguration><Id>x</Id><Status>Enabled</Status>{tiers}</IntelligentTieringConfiguration>"
        );
        bench.configure("intelligent-tiering&id=x", &xml).status
    };
    assert_eq!(put(&[("ARCHIVE_ACCESS", 89)]), 400);
    assert_eq!(put(&[("ARCHIVE_ACCESS", 731)]), 400);
    assert_eq!(put(&[("DEEP_ARCHIVE_ACCESS", 179)]), 400);
    assert_eq!(put(&[("ARCHIVE_ACCESS", 300), ("DEEP_ARCHIVE_ACCESS", 200)]), 400);
    assert_eq!(put(&[("FREEZER", 200)]), 400);
    assert_eq!(put(&[("ARCHIVE_ACCESS", 90), ("DEEP_ARCHIVE_ACCESS", 180)]), 200);
    let query = "/photos?intelligent-tiering&id=x";
    let back = bench.client.call("GET", query, &[], b"").text();
    assert_eq!(back.matches("<Tiering>").count(), 2, "{back}");
    assert_eq!(bench.client.call("DELETE", query, &[], b"").status, 204);
    assert_eq!(bench.client.call("GET", query, &[], b"").code(), "NoSuchConfiguration");
}

#[test]
fn configurations_are_read_back_and_bad_ones_refused() {
    let bench = Bench::new();
    let rule = |inner: &str| {
        let xml =
            format!("<LifecycleConfiguration><Rule><Status>Enabled</Status>{inner}</Rule></LifecycleConfiguration>");
        bench.configure("lifecycle", &xml).status
    };
    let early = "<Filter/><Transition><Days>10</Days><StorageClass>STANDARD_IA</StorageClass></Transition>";
    assert_eq!(rule(early), 400);
    assert_eq!(rule("<Filter/>"), 400);
    assert_eq!(rule("<Filter/><Expiration><Days>0</Days></Expiration>"), 400);
    assert_eq!(bench.get("?lifecycle").code(), "NoSuchLifecycleConfiguration");
    let abort =
        "<AbortIncompleteMultipartUpload><DaysAfterInitiation>3</DaysAfterInitiation></AbortIncompleteMultipartUpload>";
    assert_eq!(rule(&format!("<Filter><Prefix>x</Prefix></Filter>{abort}")), 200);
    assert!(bench.get("?lifecycle").text().contains(abort));
    let public = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::photos/*"}]}"#;
    assert_eq!(bench.configure("policy", public).code(), "AccessDenied");
    assert_eq!(bench.configure("policy", "{}").code(), "MalformedPolicy");
    let tls = public.replace("Allow", "Deny").replace("s3:GetObject", "s3:Nothing");
    assert_eq!(bench.configure("policy", &tls).status, 204);
    assert_eq!(bench.get("?policy").text(), tls);
}

fn class_of(bench: &Bench, key: &str) -> String {
    bench.head(key).header("x-amz-storage-class").unwrap_or("STANDARD").to_string()
}

#[test]
fn lifecycle_rules_run_at_midnight() {
    let bench = Bench::new();
    bench.enable_versions();
    let xml = "<LifecycleConfiguration>\
        <Rule><ID>down</ID><Status>Enabled</Status><Filter><Prefix>data/</Prefix></Filter>\
        <Transition><Days>0</Days><StorageClass>DEEP_ARCHIVE</StorageClass></Transition>\
        <NoncurrentVersionExpiration><NoncurrentDays>10</NoncurrentDays></NoncurrentVersionExpiration>\
        <AbortIncompleteMultipartUpload><DaysAfterInitiation>3</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule>\
        <Rule><ID>tmp</ID><Status>Enabled</Status><Filter><Prefix>tmp/</Prefix></Filter>\
        <Expiration><Days>7</Days></Expiration></Rule></LifecycleConfiguration>";
    assert_eq!(bench.configure("lifecycle", xml).status, 200);
    let big = vec![0; 128 * 1024];
    bench.put("data/big", "STANDARD", &big);
    bench.put("data/big", "STANDARD", &big);
    bench.put("data/small", "STANDARD", &big[1..]);
    bench.put("tmp/x", "STANDARD", b"x");
    bench.client.call("POST", "/photos/data/up?uploads", &[], b"");
    bench.advance(12 * HOUR - 1);
    assert_eq!(class_of(&bench, "data/big"), "STANDARD");
    bench.advance(1);
    assert_eq!(class_of(&bench, "data/big"), "DEEP_ARCHIVE");
    assert_eq!(class_of(&bench, "data/small"), "STANDARD");
    bench.advance(4 * DAY);
    assert!(!bench.get("?uploads").text().contains("<Upload>"));
    assert_eq!(bench.get("tmp/x").status, 200);
    bench.advance(4 * DAY);
    assert_eq!(bench.get("tmp/x").status, 404);
    assert_eq!(bench.get("?versions&prefix=data%2Fbig").text().matches("<Version>").count(), 2);
    bench.advance(3 * DAY);
    assert_eq!(bench.get("?versions&prefix=data%2Fbig").text().matches("<Version>").count(), 1);
}

#[test]
fn newer_noncurrent_versions_are_kept() {
    let bench = Bench::new();
    bench.enable_versions();
    let xml = "<LifecycleConfiguration><Rule><ID>old</ID><Status>Enabled</Status><Filter><Prefix/></Filter>\
        <Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>\
        <NoncurrentVersionTransition><NoncurrentDays>1</NoncurrentDays><StorageClass>GLACIER</StorageClass>\
        </NoncurrentVersionTransition><NoncurrentVersionExpiration><NoncurrentDays>5</NoncurrentDays>\
        <NewerNoncurrentVersions>2</NewerNoncurrentVersions></NoncurrentVersionExpiration></Rule></LifecycleConfiguration>";
    let reply = bench.configure("lifecycle", xml);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let body = vec![0; 128 * 1024];
    for _ in 0..5 {
        bench.put("k", "STANDARD", &body);
    }
    bench.advance(2 * DAY);
    let listed = bench.get("?versions").text();
    assert_eq!(listed.matches("<StorageClass>GLACIER</StorageClass>").count(), 4, "{listed}");
    bench.advance(5 * DAY);
    assert_eq!(bench.get("?versions").text().matches("<Version>").count(), 3);
    // A delete marker with nothing below it goes by itself.
    bench.client.call("DELETE", "/photos/never", &[], b"");
    assert!(bench.get("?versions").text().contains("<DeleteMarker>"));
    bench.advance(DAY);
    assert!(!bench.get("?versions").text().contains("<DeleteMarker>"));
}

/// A bench with Object Lock in `locked`.
fn locked() -> Bench {
    let bench = Bench::new();
    let headers = [("x-amz-bucket-object-lock-enabled", "true")];
    assert_eq!(bench.client.call("PUT", "/locked", &headers, b"").status, 200);
    bench
}

/// MD5 of the body `x`: what may be locked has to say what it is.
const SUM: (&str, &str) = ("content-md5", "ndTkYSaMgDT1yFZOFVxnpg==");

fn put_locked(bench: &Bench, mode: &str, days: u64) -> String {
    let until = format!("{}", Time::from_parts(START + i64::try_from(days * DAY).unwrap(), 0));
    let asks = [("x-amz-object-lock-mode", mode), ("x-amz-object-lock-retain-until-date", until.as_str())];
    assert_eq!(bench.client.call("PUT", "/locked/k", &asks, b"x").code(), "InvalidRequest");
    let headers = [asks[0], asks[1], SUM];
    let reply = bench.client.call("PUT", "/locked/k", &headers, b"x");
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.header("x-amz-version-id").unwrap().to_string()
}

fn delete(bench: &Bench, version: &str, bypass: bool) -> Reply {
    let headers = [("x-amz-bypass-governance-retention", "true")];
    let headers = if bypass { &headers[..] } else { &[] };
    bench.client.call("DELETE", &format!("/locked/k?versionId={version}"), headers, b"")
}

#[test]
fn compliance_holds_until_its_time_has_come() {
    let bench = locked();
    let version = put_locked(&bench, "COMPLIANCE", 10);
    assert_eq!(delete(&bench, &version, true).code(), "AccessDenied");
    // A plain delete only hides it.
    assert_eq!(bench.client.call("DELETE", "/locked/k", &[], b"").status, 204);
    let retain = |days: u64| {
        let until = Time::from_parts(START + i64::try_from(days * DAY).unwrap(), 0);
        let xml = format!("<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>");
        bench.client.call("PUT", &format!("/locked/k?retention&versionId={version}"), &[], xml.as_bytes()).status
    };
    assert_eq!((retain(5), retain(20)), (403, 200));
    bench.advance(19 * DAY);
    assert_eq!(delete(&bench, &version, true).status, 403);
    bench.advance(DAY);
    assert_eq!(delete(&bench, &version, false).status, 204);
}

#[test]
fn governance_yields_to_the_bypass_and_legal_hold_to_nothing() {
    let bench = locked();
    let version = put_locked(&bench, "GOVERNANCE", 10);
    assert_eq!(delete(&bench, &version, false).status, 403);
    let hold = |status: &str| {
        let xml = format!("<LegalHold><Status>{status}</Status></LegalHold>");
        bench.client.call("PUT", &format!("/locked/k?legal-hold&versionId={version}"), &[], xml.as_bytes()).status
    };
    assert_eq!(hold("ON"), 200);
    assert_eq!(delete(&bench, &version, true).status, 403);
    assert_eq!(hold("OFF"), 200);
    assert_eq!(delete(&bench, &version, true).status, 204);
}

#[test]
fn a_bucket_gives_its_default_retention() {
    let bench = locked();
    let xml = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>\
        <Mode>COMPLIANCE</Mode><Days>3</Days></DefaultRetention></Rule></ObjectLockConfiguration>";
    assert_eq!(bench.client.call("PUT", "/locked?object-lock", &[], xml.as_bytes()).status, 200);
    assert_eq!(bench.client.call("PUT", "/locked/k", &[], b"x").status, 400);
    let put = bench.client.call("PUT", "/locked/k", &[SUM], b"x");
    let version = put.header("x-amz-version-id").unwrap().to_string();
    let head = bench.client.call("HEAD", "/locked/k", &[], b"");
    assert_eq!(head.header("x-amz-object-lock-mode"), Some("COMPLIANCE"));
    assert_eq!(delete(&bench, &version, true).status, 403);
    let suspend = "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>";
    assert_eq!(bench.client.call("PUT", "/locked?versioning", &[], suspend.as_bytes()).code(), "InvalidBucketState");
    // The virtual clock decides, not the real one.
    assert!(SystemClock::default().now() > bench.sim.now());
    bench.advance(3 * DAY);
    assert_eq!(delete(&bench, &version, false).status, 204);
}
