//! Errors as servers write them, and what becomes of them.

use super::*;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;

use aws_sdk_s3::operation::get_object::GetObjectError;

fn refused(status: u16, code: &str) -> Failure {
    let facts = Facts { status, code: code.into(), message: "said so".into(), ..Facts::default() };
    Failure { kind: Kind::Refused, facts: Box::new(facts) }
}

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Failure {
    let header = |name: &str| headers.iter().find(|(n, _)| *n == name).map(|(_, v)| v.to_string());
    Failure { kind: Kind::Refused, facts: Box::new(read_answer(status, &header, body)) }
}

fn name() -> ObjectName {
    ObjectName::new("packs/ab/cd").unwrap()
}

#[test]
fn what_is_repeated_and_what_is_not() {
    for (status, code) in [
        (500, "InternalError"),
        (502, ""),
        (503, "SlowDown"),
        (503, ""),
        (504, ""),
        (429, "TooManyRequests"),
        (400, "RequestTimeout"),
        (400, "ThrottlingException"),
        (409, "ConditionalRequestConflict"),
        (409, "OperationAborted"),
    ] {
        assert!(refused(status, code).is_worth_repeating(), "{status} {code}");
    }
    for (status, code) in [
        (503, "GlacierExpeditedRetrievalNotAvailable"),
        (501, "NotImplemented"),
        (507, ""),
        (412, "PreconditionFailed"),
        (409, "RestoreAlreadyInProgress"),
        (403, "AccessDenied"),
        (403, "InvalidObjectState"),
        (404, "NoSuchKey"),
        (400, "BadDigest"),
        (301, "PermanentRedirect"),
    ] {
        assert!(!refused(status, code).is_worth_repeating(), "{status} {code}");
    }
    assert!(Failure::no_answer("cut").is_worth_repeating());
    assert!(!Failure::unreadable("?").is_worth_repeating());
}

#[test]
fn codes_become_the_errors_that_users_can_act_on() {
    let kind = |status, code| refused(status, code).error("s3://b", "reading", Some(&name()));
    assert!(matches!(kind(403, "AccessDenied"), StoreError::Denied { .. }));
    assert!(matches!(kind(403, ""), StoreError::Denied { .. }));
    assert!(matches!(kind(503, "SlowDown"), StoreError::Busy { .. }));
    assert!(matches!(kind(429, ""), StoreError::Busy { .. }));
    assert!(matches!(kind(500, "InternalError"), StoreError::Io { .. }));
    assert!(matches!(kind(404, "NoSuchKey"), StoreError::Missing { .. }));
    assert!(matches!(kind(400, "BadDigest"), StoreError::Corrupted { .. }));
    assert!(matches!(kind(403, "QuotaExceeded"), StoreError::Full { .. }));
    for (status, code) in [
        (404, "NoSuchBucket"),
        (403, "InvalidAccessKeyId"),
        (403, "SignatureDoesNotMatch"),
        (400, "ExpiredToken"),
        (400, "InvalidStorageClass"),
        (400, "InvalidArgument"),
        (501, "NotImplemented"),
        (301, "PermanentRedirect"),
    ] {
        let error = kind(status, code);
        assert!(matches!(error, StoreError::Setup { .. }) && !error.is_transient(), "{code}: {error}");
    }
    assert!(matches!(Failure::no_answer("refused").error("s3://b", "x", None), StoreError::Unreachable { .. }));
}

#[test]
fn a_wrong_checksum_header_is_damage_not_setup() {
    let body = "<Error><Code>InvalidRequest</Code>\
                <Message>Value for x-amz-checksum-crc64nvme header is invalid.</Message></Error>";
    let error = answer(400, &[], body).error("s3://b", "writing", Some(&name()));
    assert!(matches!(error, StoreError::Corrupted { .. }), "{error}");
}

#[test]
fn the_right_region_is_named() {
    let malformed = "<?xml version=\"1.0\"?><Error><Code>AuthorizationHeaderMalformed</Code><Message>the region \
                     'us-east-1' is wrong; expecting 'eu-central-1'</Message><Region>eu-central-1</Region></Error>";
    let redirect = [("x-amz-bucket-region", "eu-central-1")];
    for failure in [answer(400, &[], malformed), answer(301, &redirect, ""), answer(400, &redirect, "")] {
        let error = failure.error("s3://b", "listing", None).to_string();
        assert!(error.contains("region = \"eu-central-1\""), "{error}");
    }
    let error = refused(301, "PermanentRedirect").error("s3://b", "listing", None).to_string();
    assert!(error.contains("region"), "{error}");
}

#[test]
fn both_clocks_are_shown() {
    let body = "<Error><Code>RequestTimeTooSkewed</Code><Message>too large</Message>\
                <RequestTime>20260101T000000Z</RequestTime><ServerTime>2026-11-22T07:00:00Z</ServerTime></Error>";
    let error = answer(403, &[], body).error("s3://b", "listing", None).to_string();
    assert!(error.contains("20260101T000000Z") && error.contains("2026-11-22T07:00:00Z"), "{error}");
}

#[test]
fn a_range_beyond_the_end_tells_the_size() {
    assert_eq!(answer(416, &[("content-range", "bytes */1234")], "").facts.size, Some(1234));
    let body = "<Error><Code>InvalidRange</Code><ActualObjectSize>77</ActualObjectSize></Error>";
    let failure = answer(416, &[], body);
    assert!(failure.is_beyond_the_end() && failure.facts.size == Some(77));
}

#[test]
fn hostile_answers_are_read_without_harm() {
    for body in
        ["", "<Code>", "</Code><Code>", "<Code></Code>", "<Error><Code>A</Code", "\u{0}\u{ff}", &"x".repeat(100_000)]
    {
        let failure = answer(400, &[("content-range", "bytes */-1")], body);
        assert!(failure.facts.code.is_empty() && failure.facts.size.is_none(), "{body:.40}");
        failure.error("s3://b", "reading", Some(&name()));
    }
    assert_eq!(element(&format!("<Code>{}</Code>", "x".repeat(300)), "Code"), None);
}

#[test]
fn the_sdk_s_errors_are_told_apart() {
    let io = |text: &str| ConnectorError::io(io::Error::other(text.to_string()).into());
    let dispatch = |error| Failure::from(SdkError::<GetObjectError, HttpResponse>::dispatch_failure(error));
    assert_eq!(dispatch(io("connection reset")).kind, Kind::NoAnswer);
    assert_eq!(dispatch(ConnectorError::timeout("slow".into())).kind, Kind::NoAnswer);
    assert_eq!(dispatch(io("invalid peer certificate: UnknownIssuer")).kind, Kind::Untrusted);
    let missing = io::Error::other("CredentialsNotLoaded: no providers in chain provided credentials");
    let failure = dispatch(ConnectorError::other(missing.into(), None));
    assert_eq!(failure.kind, Kind::NoCredentials);
    let error = failure.error("s3://b", "listing", None).to_string();
    assert!(error.contains("AWS_ACCESS_KEY_ID"), "{error}");

    let status = StatusCode::try_from(503).unwrap();
    let body = "<Error><Code>SlowDown</Code><Message>Reduce your request rate</Message></Error>";
    let raw = HttpResponse::new(status, SdkBody::from(body));
    let failure = Failure::from(SdkError::<GetObjectError, HttpResponse>::response_error("unreadable", raw));
    assert!(failure.is_throttling() && failure.status() == 503);
}
