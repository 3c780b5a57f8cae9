//! Messages as buckets, topics and strangers write them.

use super::*;

fn record(event: &str, bucket: &str, key: &str, expiry: Option<&str>) -> String {
    let glacier = expiry.map_or(String::new(), |expiry| {
        format!(
            r#","glacierEventData":{{"restoreEventData":{{"lifecycleRestorationExpiryTime":"{expiry}",
            "lifecycleRestoreStorageClass":"DEEP_ARCHIVE"}}}}"#
        )
    });
    format!(
        r#"{{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"eu-west-1","eventTime":"2026-11-22T07:00:00.000Z",
        "eventName":"{event}","s3":{{"s3SchemaVersion":"1.0","bucket":{{"name":"{bucket}","arn":"arn:aws:s3:::{bucket}"}},
        "object":{{"key":"{key}","size":1024,"eTag":"x"}}}}{glacier}}}"#
    )
}

fn message(records: &[String]) -> String {
    format!(r#"{{"Records":[{}]}}"#, records.join(","))
}

fn of(body: &str) -> Result<Vec<(ObjectName, Event)>, String> {
    read(body, "photos", "nas/")
}

fn name(text: &str) -> ObjectName {
    ObjectName::new(text).unwrap()
}

#[test]
fn the_three_events_of_a_thaw() {
    let body = message(&[
        record("ObjectRestore:Post", "photos", "nas/packs/ab/one", None),
        record("s3:ObjectRestore:Completed", "photos", "nas/packs%2Fab%2Ftwo", Some("2026-11-30T00:00:00.000Z")),
        record("ObjectRestore:Delete", "photos", "nas/packs/ab/three", None),
        record("ObjectRestore:Completed", "photos", "nas/packs/ab/four", None),
    ]);
    let until = Some(Time::from_compact("20261130T000000.000Z").unwrap());
    assert_eq!(
        of(&body).unwrap(),
        [
            (name("packs/ab/one"), Event::Posted),
            (name("packs/ab/two"), Event::Completed { until }),
            (name("packs/ab/three"), Event::Expired),
            (name("packs/ab/four"), Event::Completed { until: None }),
        ]
    );
}

#[test]
fn a_topic_s_envelope_is_opened() {
    let inner = message(&[record("ObjectRestore:Post", "photos", "nas/a", None)]);
    let inner = serde_json::to_string(&inner).unwrap();
    let body = format!(r#"{{"Type":"Notification","MessageId":"1","TopicArn":"arn","Message":{inner}}}"#);
    assert_eq!(of(&body).unwrap(), [(name("a"), Event::Posted)]);
}

#[test]
fn the_greeting_is_understood_and_says_nothing() {
    let body = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-11-22T07:00:00.000Z","Bucket":"photos"}"#;
    assert_eq!(of(body).unwrap(), []);
}

#[test]
fn what_is_not_ours_or_nonsense_is_left_with_a_reason() {
    for (body, why) in [
        (message(&[record("ObjectRestore:Post", "others", "nas/a", None)]), "others"),
        (message(&[record("ObjectRestore:Post", "photos", "other/a", None)]), "not of this store"),
        (message(&[record("ObjectRestore:Post", "photos", "nas/a+b", None)]), "not of this store"),
        (message(&[record("ObjectRestore:Post", "photos", "nas/%zz", None)]), "not encoded"),
        (message(&[record("ObjectCreated:Put", "photos", "nas/a", None)]), "not about a thaw"),
        (message(&[record("ObjectRestore:Completed", "photos", "nas/a", Some("soon"))]), "no time"),
        (String::new(), "no event"),
        ("{}".into(), "no records"),
        ("[]".into(), "no event"),
        ("{\"Records\":7}".into(), "no event"),
        ("{\"Records\":[{}]}".into(), "no event"),
        ("\u{0}".into(), "no event"),
    ] {
        let left = of(&body).unwrap_err();
        assert!(left.contains(why), "{body}: {left}");
    }
    // One stranger among several: the message is left whole, nothing is half done.
    let mixed =
        [record("ObjectRestore:Post", "photos", "nas/a", None), record("ObjectRestore:Post", "x", "nas/a", None)];
    assert!(of(&message(&mixed)).is_err());
}
