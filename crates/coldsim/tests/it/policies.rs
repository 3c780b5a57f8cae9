//! Access keys with policies: each operation needs its action.

use darkslide_coldsim::{AccessKey, ColdSimError};

use crate::client::{Bench, Client};

/// A user with one policy.
fn user(bench: &Bench, statements: &str, boundary: Option<&str>) -> Client {
    let policy = |statements: &str| format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
    let key = AccessKey {
        id: "AKIAUSER".into(),
        secret: "secret".into(),
        user: "writer".into(),
        policies: vec![policy(statements)],
        boundary: boundary.map(policy),
    };
    bench.sim.add_key(key).unwrap();
    Client::new(bench.server.addr(), "AKIAUSER", "secret")
}

const WRITER: &str = r#"
    {"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::photos/data/*",
     "Condition":{"StringEquals":{"s3:x-amz-storage-class":"DEEP_ARCHIVE"},"Null":{"s3:if-none-match":"false"}}},
    {"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::photos",
     "Condition":{"StringLike":{"s3:prefix":"data/*"}}}"#;

#[test]
fn a_writer_creates_in_its_class_and_nothing_else() {
    let bench = Bench::new();
    bench.put("data/old", "STANDARD", b"old");
    let writer = user(&bench, WRITER, None);
    let put = |key: &str, headers: &[(&str, &str)]| writer.call("PUT", &format!("/photos/{key}"), headers, b"x").status;
    let right = [("x-amz-storage-class", "DEEP_ARCHIVE"), ("if-none-match", "*")];
    assert_eq!(put("data/new", &right), 200);
    assert_eq!(put("data/new2", &right[..1]), 403);
    assert_eq!(put("data/new2", &[("x-amz-storage-class", "STANDARD"), ("if-none-match", "*")]), 403);
    assert_eq!(put("elsewhere", &right), 403);
    for (method, target) in [
        ("GET", "/photos/data/old"),
        ("HEAD", "/photos/data/old"),
        ("DELETE", "/photos/data/old"),
        ("DELETE", "/photos/data/old?versionId=null"),
        ("POST", "/photos/data/new?restore"),
        ("GET", "/photos?list-type=2"),
        ("GET", "/photos?versions"),
        ("GET", "/photos?lifecycle"),
        ("GET", "/"),
    ] {
        assert_eq!(writer.call(method, target, &[], b"").status, 403, "{method} {target}");
    }
    assert_eq!(writer.call("GET", "/photos?list-type=2&prefix=data%2F", &[], b"").status, 200);
}

#[test]
fn a_missing_key_is_told_only_to_those_who_may_list() {
    let bench = Bench::new();
    let read = r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::photos/*"}"#;
    let reader = user(&bench, read, None);
    assert_eq!(reader.call("GET", "/photos/never", &[], b"").status, 403);
    let list = r#"{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::photos"}"#;
    let reader = user(&bench, &format!("{read},{list}"), None);
    assert_eq!(reader.call("GET", "/photos/never", &[], b"").status, 404);
    assert_eq!(reader.call("HEAD", "/photos/never", &[], b"").status, 404);
}

#[test]
fn whoever_began_an_upload_may_abort_it() {
    let bench = Bench::new();
    let put = r#"{"Effect":"Allow","Action":"s3:PutObject","Resource":"*"}"#;
    let writer = user(&bench, put, None);
    let own = writer.call("POST", "/photos/k?uploads", &[], b"").element("UploadId").unwrap();
    let other = bench.client.call("POST", "/photos/k?uploads", &[], b"").element("UploadId").unwrap();
    let call = |method: &str, id: &str| writer.call(method, &format!("/photos/k?uploadId={id}"), &[], b"").status;
    assert_eq!((call("GET", &other), call("DELETE", &other)), (403, 403));
    assert_eq!((call("GET", &own), call("DELETE", &own)), (200, 204));
    let deny = r#"{"Effect":"Deny","Action":"s3:AbortMultipartUpload","Resource":"*"}"#;
    let writer = user(&bench, &format!("{put},{deny}"), None);
    let own = writer.call("POST", "/photos/k?uploads", &[], b"").element("UploadId").unwrap();
    assert_eq!(writer.call("DELETE", &format!("/photos/k?uploadId={own}"), &[], b"").status, 403);
}

#[test]
fn bulk_deletes_are_refused_key_by_key() {
    let bench = Bench::new();
    bench.put("a", "STANDARD", b"x");
    bench.put("b", "STANDARD", b"x");
    let deleter =
        user(&bench, r#"{"Effect":"Allow","Action":"s3:DeleteObject","Resource":"arn:aws:s3:::photos/a"}"#, None);
    let xml = "<Delete><Object><Key>a</Key></Object><Object><Key>b</Key></Object></Delete>";
    let reply = deleter.call("POST", "/photos?delete", &[], xml.as_bytes()).text();
    assert!(reply.contains("<Deleted><Key>a</Key>"), "{reply}");
    assert!(reply.contains("<Code>AccessDenied</Code><Key>b</Key>"), "{reply}");
    assert_eq!((bench.get("a").status, bench.get("b").status), (404, 200));
}

#[test]
fn a_boundary_caps_and_a_bucket_policy_denies() {
    let bench = Bench::new();
    bench.put("k", "STANDARD", b"x");
    let all = r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#;
    let capped = user(&bench, all, Some(r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}"#));
    assert_eq!(capped.call("GET", "/photos/k", &[], b"").status, 200);
    assert_eq!(capped.call("DELETE", "/photos/k", &[], b"").status, 403);
    let tls = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*",
        "Resource":["arn:aws:s3:::photos","arn:aws:s3:::photos/*"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}"#;
    assert_eq!(bench.configure("policy", tls).status, 204);
    // Loopback stands for TLS, unless the client says that it does not.
    assert_eq!(bench.get("k").status, 200);
    assert_eq!(bench.client.call("GET", "/photos/k", &[("x-coldsim-insecure", "1")], b"").status, 403);
}

#[test]
fn governance_is_bypassed_only_with_the_right() {
    let bench = Bench::new();
    bench.client.call("PUT", "/locked", &[("x-amz-bucket-object-lock-enabled", "true")], b"");
    let headers = [
        ("x-amz-object-lock-mode", "GOVERNANCE"),
        ("x-amz-object-lock-retain-until-date", "2026-03-01T00:00:00Z"),
        ("content-md5", "ndTkYSaMgDT1yFZOFVxnpg=="),
    ];
    let put = bench.client.call("PUT", "/locked/k", &headers, b"x");
    let target = format!("/locked/k?versionId={}", put.header("x-amz-version-id").unwrap());
    let delete =
        |client: &Client| client.call("DELETE", &target, &[("x-amz-bypass-governance-retention", "true")], b"").status;
    let may_delete = r#"{"Effect":"Allow","Action":"s3:DeleteObjectVersion","Resource":"*"}"#;
    assert_eq!(delete(&user(&bench, may_delete, None)), 403);
    let may_bypass = r#"{"Effect":"Allow","Action":"s3:BypassGovernanceRetention","Resource":"*"}"#;
    assert_eq!(delete(&user(&bench, &format!("{may_delete},{may_bypass}"), None)), 204);
}

#[test]
fn a_second_factor_is_told_by_a_header() {
    let bench = Bench::new();
    bench.put("k", "STANDARD", b"x");
    let with_factor = r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"*",
        "Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}"#;
    let user = user(&bench, with_factor, None);
    assert_eq!(user.call("GET", "/photos/k", &[], b"").status, 403);
    assert_eq!(user.call("GET", "/photos/k", &[("x-coldsim-mfa", "1")], b"").status, 200);
}

#[test]
fn a_malformed_policy_is_refused() {
    let bench = Bench::new();
    let key =
        AccessKey { id: "x".into(), secret: "x".into(), user: "x".into(), policies: vec!["{}".into()], boundary: None };
    assert!(matches!(bench.sim.add_key(key), Err(ColdSimError::Policy { .. })));
}
