//! The messages S3 sends about objects.

use darkslide_words::{StorageClass, Time};
use md5::{Digest, Md5};
use serde_json::{Value, json};

/// Something that happened to an object.
#[derive(Debug, Clone, Copy)]
pub struct S3Event<'a> {
    /// Its name without `s3:`, as in `ObjectRestore:Completed`.
    pub event: &'a str,
    /// Where the bucket is.
    pub region: &'a str,
    /// The bucket.
    pub bucket: &'a str,
    /// Id of the notification configuration that asked for it.
    pub configuration: &'a str,
    /// The key as it is; the message carries it URL-encoded, with `+` for a space.
    pub key: &'a str,
    /// The object's size.
    pub size: u64,
    /// The object's ETag, without quotes.
    pub etag: &'a str,
    /// The object's version, in a bucket that keeps versions.
    pub version: Option<&'a str>,
    /// When it happened.
    pub at: Time,
    /// With `ObjectRestore:Completed`, and `ObjectRestore:Delete`: when the
    /// thawed copy expires or expired, and the class the object is in.
    pub glacier: Option<(Time, &'a StorageClass)>,
}

/// The body of the message about an event.
pub fn s3_event(event: &S3Event<'_>) -> String {
    let request_id = digest(&format!("{} {} {} {}", event.event, event.bucket, event.key, event.at.0));
    let mut object = json!({
        "key": encode(event.key),
        "size": event.size,
        "eTag": event.etag,
        // Grows with time, as the real one does for one key.
        "sequencer": format!("{:016X}", event.at.0),
    });
    if let Some(version) = event.version {
        object["versionId"] = Value::from(version);
    }
    let mut record = json!({
        "eventVersion": "2.3",
        "eventSource": "aws:s3",
        "awsRegion": event.region,
        "eventTime": instant(event.at),
        "eventName": event.event,
        "userIdentity": { "principalId": "s3.amazonaws.com" },
        "requestParameters": { "sourceIPAddress": "s3.amazonaws.com" },
        "responseElements": { "x-amz-request-id": &request_id[..16], "x-amz-id-2": request_id },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": event.configuration,
            "bucket": {
                "name": event.bucket,
                "ownerIdentity": { "principalId": "COLDSIM" },
                "arn": format!("arn:aws:s3:::{}", event.bucket),
            },
            "object": object,
        },
    });
    if let Some((expires, class)) = event.glacier {
        record["glacierEventData"] = json!({
            "restoreEventData": {
                "lifecycleRestorationExpiryTime": instant(expires),
                "lifecycleRestoreStorageClass": class.as_str(),
            }
        });
    }
    json!({ "Records": [record] }).to_string()
}

/// The body of the message S3 sends when a notification is set up.
pub fn s3_test_event(bucket: &str, now: Time) -> String {
    let request_id = digest(&format!("test {bucket} {}", now.0));
    json!({
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": instant(now),
        "Bucket": bucket,
        "RequestId": &request_id[..16],
        "HostId": request_id,
    })
    .to_string()
}

/// RFC 3339 in UTC, always with milliseconds.
pub(crate) fn instant(time: Time) -> String {
    let at = jiff::Timestamp::from_nanosecond(i128::from(time.0)).unwrap_or_default();
    format!("{at:.3}")
}

fn digest(text: &str) -> String {
    hex::encode_upper(Md5::digest(text.as_bytes()))
}

/// As a form encodes it; slashes stay.
fn encode(key: &str) -> String {
    let mut encoded = String::new();
    for byte in key.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' | b'/' => encoded.push(byte as char),
            b' ' => encoded.push('+'),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
