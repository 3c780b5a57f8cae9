//! A client's view of the queues, through the protocol.

use darkslide_words::StorageClass;
use serde_json::{Value, json};

use super::*;

const ACCOUNT: &str = "123456789012";
const URL: &str = "http://127.0.0.1:9000/123456789012/thaws";

fn at(seconds: i64) -> Time {
    Time::from_parts(1_790_000_000 + seconds, 0)
}

/// A queue `thaws`, made at the start.
fn queues() -> Queues {
    let mut queues = Queues::new("eu-west-1");
    call(&mut queues, "CreateQueue", json!({ "QueueName": "thaws" }), 0);
    queues
}

fn answer(queues: &mut Queues, action: &str, body: Value, seconds: i64) -> Answer {
    let target = format!("AmazonSQS.{action}");
    queues.handle(&target, body.to_string().as_bytes(), "http://127.0.0.1:9000", ACCOUNT, at(seconds))
}

/// All messages of `thaws`, handed out or not, oldest first.
fn bodies(queues: &Queues) -> Vec<&str> {
    queues.queues["thaws"].messages.iter().map(|message| message.body.as_str()).collect()
}

/// The body of a good answer.
fn call(queues: &mut Queues, action: &str, body: Value, seconds: i64) -> Value {
    let answer = answer(queues, action, body, seconds);
    assert_eq!((answer.status, &answer.error_type), (200, &None), "{}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

/// The code by which a client tells a refusal.
fn refused(queues: &mut Queues, action: &str, body: Value, seconds: i64) -> String {
    let answer = answer(queues, action, body, seconds);
    assert_eq!(answer.status, 400, "{}", answer.body);
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert!(body["__type"].as_str().unwrap().starts_with("com.amazonaws.sqs#"), "{body}");
    assert!(!body["message"].as_str().unwrap().is_empty());
    answer.error_type.unwrap()
}

fn receive(queues: &mut Queues, most: u64, seconds: i64) -> Vec<Value> {
    let body = json!({ "QueueUrl": URL, "MaxNumberOfMessages": most, "WaitTimeSeconds": 20 });
    call(queues, "ReceiveMessage", body, seconds)["Messages"].as_array().cloned().unwrap_or_default()
}

#[test]
fn a_message_comes_back_until_it_is_deleted() {
    let mut queues = queues();
    assert!(queues.send("arn:aws:sqs:eu-west-1:123456789012:thaws", "hello".into(), at(1)));
    let first = receive(&mut queues, 10, 2);
    assert_eq!(first.len(), 1);
    assert_eq!(first[0]["Body"], "hello");
    assert_eq!(first[0]["MD5OfBody"], "5d41402abc4b2a76b9719d911017c592");
    assert!(receive(&mut queues, 10, 31).is_empty(), "hidden for 30 seconds");
    let again = receive(&mut queues, 10, 32);
    assert_eq!(again[0]["MessageId"], first[0]["MessageId"]);
    assert_ne!(again[0]["ReceiptHandle"], first[0]["ReceiptHandle"]);

    // The old receipt is accepted and deletes nothing; the new one does.
    let delete = |handle: &Value| json!({ "QueueUrl": URL, "ReceiptHandle": handle });
    assert_eq!(call(&mut queues, "DeleteMessage", delete(&first[0]["ReceiptHandle"]), 33), json!({}));
    assert_eq!(bodies(&queues), ["hello"]);
    call(&mut queues, "DeleteMessage", delete(&again[0]["ReceiptHandle"]), 34);
    assert!(bodies(&queues).is_empty());
    call(&mut queues, "DeleteMessage", delete(&again[0]["ReceiptHandle"]), 35);
    assert!(receive(&mut queues, 10, 100_000).is_empty());
}

#[test]
fn ten_at_most_and_batches_tell_what_failed() {
    let mut queues = queues();
    for n in 0..12 {
        queues.send("thaws", format!("message {n}"), at(n));
    }
    let taken = receive(&mut queues, 10, 20);
    assert_eq!(taken.len(), 10);
    assert_eq!(receive(&mut queues, 10, 20).len(), 2);
    let mut entries: Vec<Value> = taken
        .iter()
        .enumerate()
        .map(|(n, m)| json!({ "Id": format!("m{n}"), "ReceiptHandle": m["ReceiptHandle"] }))
        .collect();
    entries[3]["ReceiptHandle"] = json!("nonsense");
    let result = call(&mut queues, "DeleteMessageBatch", json!({ "QueueUrl": URL, "Entries": entries }), 21);
    assert_eq!(result["Successful"].as_array().unwrap().len(), 9);
    assert_eq!(result["Failed"][0]["Id"], "m3");
    assert_eq!(result["Failed"][0]["Code"], "ReceiptHandleIsInvalid");
    assert_eq!(bodies(&queues), ["message 3", "message 10", "message 11"]);

    let twice = json!({ "QueueUrl": URL, "Entries": [entries[0], entries[0]] });
    assert!(refused(&mut queues, "DeleteMessageBatch", twice, 22).contains("BatchEntryIdsNotDistinct"));
    let none = json!({ "QueueUrl": URL, "Entries": [] });
    assert!(refused(&mut queues, "DeleteMessageBatch", none, 22).contains("EmptyBatchRequest"));
}

#[test]
fn sending_delays_and_visibility() {
    let mut queues = queues();
    let sent =
        call(&mut queues, "SendMessage", json!({ "QueueUrl": URL, "MessageBody": "late", "DelaySeconds": 60 }), 0);
    assert_eq!(sent["MD5OfMessageBody"], "f2c67381db28fa11c59fe7a6df0f2587");
    assert!(receive(&mut queues, 1, 59).is_empty());
    let got = receive(&mut queues, 1, 60);
    assert_eq!(got[0]["MessageId"], sent["MessageId"]);
    let visible = |seconds: u64| json!({ "QueueUrl": URL, "ReceiptHandle": got[0]["ReceiptHandle"], "VisibilityTimeout": seconds });
    call(&mut queues, "ChangeMessageVisibility", visible(3_600), 61);
    assert!(receive(&mut queues, 1, 3_660).is_empty());
    call(&mut queues, "ChangeMessageVisibility", visible(0), 3_660);
    assert_eq!(receive(&mut queues, 1, 3_660).len(), 1);
    assert!(refused(&mut queues, "ChangeMessageVisibility", visible(5), 3_660).contains("MessageNotInflight"));
    let batch =
        json!({ "QueueUrl": URL, "Entries": [{ "Id": "a", "MessageBody": "x" }, { "Id": "b", "MessageBody": "" }] });
    let result = call(&mut queues, "SendMessageBatch", batch, 3_661);
    assert_eq!((&result["Successful"][0]["Id"], &result["Failed"][0]["Id"]), (&json!("a"), &json!("b")));
    // Kept for four days.
    assert_eq!(receive(&mut queues, 10, 345_599).len(), 2);
    assert_eq!(receive(&mut queues, 10, 345_660).len(), 1);
}

#[test]
fn attributes_are_strings_and_unknown_ones_are_refused() {
    let mut queues = queues();
    queues.send("thaws", "a".into(), at(1));
    queues.send("thaws", "b".into(), at(1));
    receive(&mut queues, 1, 2);
    let all = json!({ "QueueUrl": URL, "AttributeNames": ["All"] });
    let attributes = call(&mut queues, "GetQueueAttributes", all, 3)["Attributes"].clone();
    assert_eq!(attributes["QueueArn"], "arn:aws:sqs:eu-west-1:123456789012:thaws");
    assert_eq!(attributes["ApproximateNumberOfMessages"], "1");
    assert_eq!(attributes["ApproximateNumberOfMessagesNotVisible"], "1");
    assert_eq!(attributes["VisibilityTimeout"], "30");
    assert_eq!(attributes["CreatedTimestamp"], "1790000000");

    let policy = r#"{"Version":"2012-10-17","Statement":[]}"#;
    let set = json!({ "QueueUrl": URL, "Attributes": { "Policy": policy, "VisibilityTimeout": "5" } });
    call(&mut queues, "SetQueueAttributes", set, 4);
    let two = json!({ "QueueUrl": URL, "AttributeNames": ["Policy", "VisibilityTimeout"] });
    let got = call(&mut queues, "GetQueueAttributes", two, 5);
    assert_eq!(got["Attributes"], json!({ "Policy": policy, "VisibilityTimeout": "5" }));
    let of_message = json!({ "QueueUrl": URL, "MessageSystemAttributeNames": ["All"] });
    let got = call(&mut queues, "ReceiveMessage", of_message, 6);
    assert_eq!(got["Messages"][0]["Attributes"]["SentTimestamp"], "1790000001000");
    assert_eq!(got["Messages"][0]["Attributes"]["ApproximateReceiveCount"], "1");
    assert!(receive(&mut queues, 1, 10).is_empty());
    assert_eq!(receive(&mut queues, 1, 11).len(), 1, "the new timeout holds");

    for bad in [json!({ "RedrivePolicy": "{}" }), json!({ "FifoQueue": "true" })] {
        let body = json!({ "QueueUrl": URL, "Attributes": bad });
        assert_eq!(refused(&mut queues, "SetQueueAttributes", body, 7), "InvalidAttributeName;Sender");
    }
    for bad in [json!({ "VisibilityTimeout": "43201" }), json!({ "Policy": "no json" })] {
        let body = json!({ "QueueUrl": URL, "Attributes": bad });
        assert_eq!(refused(&mut queues, "SetQueueAttributes", body, 7), "InvalidAttributeValue;Sender");
    }
}

#[test]
fn queues_by_name_and_the_errors_clients_know() {
    let mut queues = queues();
    let name = json!({ "QueueName": "thaws" });
    assert_eq!(call(&mut queues, "GetQueueUrl", name.clone(), 1)["QueueUrl"], URL);
    assert_eq!(call(&mut queues, "CreateQueue", name, 1)["QueueUrl"], URL);
    let other = json!({ "QueueName": "thaws", "Attributes": { "DelaySeconds": "9" } });
    assert_eq!(refused(&mut queues, "CreateQueue", other, 1), "QueueAlreadyExists;Sender");
    assert_eq!(call(&mut queues, "ListQueues", json!({}), 1)["QueueUrls"], json!([URL]));
    assert_eq!(call(&mut queues, "ListQueues", json!({ "QueueNamePrefix": "x" }), 1), json!({}));
    let missing = json!({ "QueueName": "nothing" });
    assert_eq!(refused(&mut queues, "GetQueueUrl", missing, 1), "AWS.SimpleQueueService.NonExistentQueue;Sender");
    assert_eq!(refused(&mut queues, "ReceiveMessage", json!({}), 1), "MissingParameter;Sender");
    let many = json!({ "QueueUrl": URL, "MaxNumberOfMessages": 11 });
    assert_eq!(refused(&mut queues, "ReceiveMessage", many, 1), "InvalidParameterValue;Sender");
    assert_eq!(refused(&mut queues, "StartMessageMoveTask", json!({}), 1), "InvalidAction;Sender");
    assert!(!queues.send("nothing", "lost".into(), at(1)));

    queues.send("thaws", "x".into(), at(2));
    call(&mut queues, "PurgeQueue", json!({ "QueueUrl": URL }), 3);
    assert!(bodies(&queues).is_empty());
    let again = refused(&mut queues, "PurgeQueue", json!({ "QueueUrl": URL }), 62);
    assert_eq!(again, "AWS.SimpleQueueService.PurgeQueueInProgress;Sender");
    call(&mut queues, "PurgeQueue", json!({ "QueueUrl": URL }), 63);
    call(&mut queues, "DeleteQueue", json!({ "QueueUrl": URL }), 64);
    assert!(!queues.queues.contains_key("thaws"));
}

#[test]
fn queues_survive_json() {
    let mut queues = queues();
    queues.send("thaws", "kept".into(), at(1));
    let taken = receive(&mut queues, 1, 2);
    let mut back: Queues = serde_json::from_str(&serde_json::to_string(&queues).unwrap()).unwrap();
    assert!(receive(&mut back, 1, 3).is_empty());
    call(&mut back, "DeleteMessage", json!({ "QueueUrl": URL, "ReceiptHandle": taken[0]["ReceiptHandle"] }), 4);
    assert!(bodies(&back).is_empty());
    back.send("thaws", "next".into(), at(5));
    assert_ne!(receive(&mut back, 1, 6)[0]["MessageId"], taken[0]["MessageId"]);
}

#[test]
fn the_event_of_a_finished_thaw() {
    let event = S3Event {
        event: "ObjectRestore:Completed",
        region: "eu-west-1",
        bucket: "photos",
        configuration: "thaws",
        key: "2026/one two+ä.age",
        size: 7,
        etag: "d41d8cd98f00b204e9800998ecf8427e",
        version: Some("v1"),
        at: Time::from_parts(1_790_000_000, 5_000_000),
        glacier: Some((Time::from_parts(1_790_640_000, 0), &StorageClass::DeepArchive)),
    };
    let message: Value = serde_json::from_str(&s3_event(&event)).unwrap();
    let record = &message["Records"][0];
    assert_eq!(record["eventName"], "ObjectRestore:Completed");
    assert_eq!(record["eventTime"], "2026-09-21T14:13:20.005Z");
    assert_eq!(record["s3"]["object"]["key"], "2026/one+two%2B%C3%A4.age");
    assert_eq!(record["s3"]["object"]["versionId"], "v1");
    assert_eq!(record["s3"]["bucket"]["arn"], "arn:aws:s3:::photos");
    assert_eq!(
        record["glacierEventData"]["restoreEventData"],
        json!({ "lifecycleRestorationExpiryTime": "2026-09-29T00:00:00.000Z", "lifecycleRestoreStorageClass": "DEEP_ARCHIVE" })
    );
    let put = S3Event { event: "ObjectCreated:Put", version: None, glacier: None, ..event };
    let message: Value = serde_json::from_str(&s3_event(&put)).unwrap();
    assert_eq!(message["Records"][0]["glacierEventData"], Value::Null);
    let test: Value = serde_json::from_str(&s3_test_event("photos", at(0))).unwrap();
    assert_eq!((&test["Event"], &test["Bucket"]), (&json!("s3:TestEvent"), &json!("photos")));
}
