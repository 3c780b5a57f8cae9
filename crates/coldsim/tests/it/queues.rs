//! Events of restores in a queue, Batch Operations, control over HTTP.

use std::time::Duration;

use darkslide_coldsim::Bill;
use serde_json::{Value, json};

use crate::client::{Bench, Client, HOUR, exchange};

const NOTIFICATION: &str = "<NotificationConfiguration><QueueConfiguration><Id>thaws</Id>\
    <Queue>arn:aws:sqs:us-east-1:123456789012:thaws</Queue><Event>s3:ObjectRestore:*</Event>\
    <Filter><S3Key><FilterRule><Name>prefix</Name><Value>data/</Value></FilterRule></S3Key></Filter>\
    </QueueConfiguration></NotificationConfiguration>";

fn names(messages: &[String]) -> Vec<String> {
    let name = |text: &String| {
        let message: Value = serde_json::from_str(text).unwrap();
        let name = message["Records"][0]["eventName"].as_str().or(message["Event"].as_str());
        name.unwrap().to_string()
    };
    messages.iter().map(name).collect()
}

#[test]
fn restores_are_announced_in_the_queue() {
    let bench = Bench::new();
    assert_eq!(bench.configure("notification", NOTIFICATION).code(), "InvalidArgument");
    bench.sim.create_queue("thaws");
    assert_eq!(bench.configure("notification", NOTIFICATION).status, 200);
    assert_eq!(names(&bench.sim.take_messages("thaws")), ["s3:TestEvent"]);
    bench.put("data/a%20b", "GLACIER", b"x");
    bench.put("else", "GLACIER", b"x");
    bench.restore("data/a%20b", "Standard", Some(1));
    bench.restore("else", "Standard", Some(1));
    assert_eq!(names(&bench.sim.take_messages("thaws")), ["ObjectRestore:Post"]);
    bench.advance(5 * HOUR);
    let messages = bench.sim.take_messages("thaws");
    assert_eq!(names(&messages), ["ObjectRestore:Completed"]);
    let message: Value = serde_json::from_str(&messages[0]).unwrap();
    let record = &message["Records"][0];
    assert_eq!(record["s3"]["object"]["key"], "data/a+b");
    let data = &record["glacierEventData"]["restoreEventData"];
    assert_eq!(data["lifecycleRestorationExpiryTime"], "2026-01-17T00:00:00.000Z");
    assert_eq!(data["lifecycleRestoreStorageClass"], "GLACIER");
    bench.advance(48 * HOUR);
    assert_eq!(names(&bench.sim.take_messages("thaws")), ["ObjectRestore:Delete"]);
}

#[test]
fn events_may_be_late() {
    let bench = Bench::new();
    bench.sim.create_queue("thaws");
    bench.configure("notification", NOTIFICATION);
    bench.sim.take_messages("thaws");
    bench.sim.store_events_late(Duration::from_secs(90));
    bench.put("data/k", "GLACIER", b"x");
    bench.restore("data/k", "Expedited", Some(1));
    assert!(bench.sim.take_messages("thaws").is_empty());
    bench.advance(90);
    assert_eq!(names(&bench.sim.take_messages("thaws")), ["ObjectRestore:Post"]);
}

/// A client of the queue.
fn queue(bench: &Bench, secret: &str, operation: &str, body: &Value) -> (u16, Value) {
    let client = Client { service: "sqs", ..Client::new(bench.server.addr(), "coldsim", secret) };
    let target = format!("AmazonSQS.{operation}");
    let headers = [("x-amz-target", target.as_str()), ("content-type", "application/x-amz-json-1.0")];
    let reply = client.call("POST", "/", &headers, body.to_string().as_bytes());
    (reply.status, serde_json::from_slice(&reply.body).unwrap_or_default())
}

#[test]
fn the_queue_is_signed_for_and_waits_for_messages() {
    let bench = Bench::new();
    let (status, made) = queue(&bench, "coldsim-secret", "CreateQueue", &json!({ "QueueName": "q" }));
    assert_eq!(status, 200);
    let url = made["QueueUrl"].as_str().unwrap().to_string();
    assert_eq!(queue(&bench, "wrong", "ReceiveMessage", &json!({ "QueueUrl": url })).0, 403);
    let receive = json!({ "QueueUrl": url, "WaitTimeSeconds": 20 });
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| queue(&bench, "coldsim-secret", "ReceiveMessage", &receive));
        let send = json!({ "QueueUrl": url, "MessageBody": "hello" });
        assert_eq!(queue(&bench, "coldsim-secret", "SendMessage", &send).0, 200);
        assert_eq!(waiting.join().unwrap().1["Messages"][0]["Body"], "hello");
    });
}

#[test]
fn a_batch_job_restores_what_its_manifest_names() {
    let bench = Bench::new();
    bench.put("a%20b", "DEEP_ARCHIVE", b"x");
    let manifest = bench.put("manifest.csv", "STANDARD", b"photos,a%20b\n");
    let etag = manifest.header("etag").unwrap().trim_matches('"').to_string();
    let xml = format!(
        "<CreateJobRequest><ConfirmationRequired>false</ConfirmationRequired><Operation><S3InitiateRestoreObject>\
         <ExpirationInDays>2</ExpirationInDays><GlacierJobTier>BULK</GlacierJobTier></S3InitiateRestoreObject></Operation>\
         <Report><Enabled>false</Enabled></Report><ClientRequestToken>t</ClientRequestToken><Manifest><Spec>\
         <Format>S3BatchOperations_CSV_20180820</Format><Fields><member>Bucket</member><member>Key</member></Fields></Spec>\
         <Location><ObjectArn>arn:aws:s3:::photos/manifest.csv</ObjectArn><ETag>{etag}</ETag></Location></Manifest>\
         <Priority>1</Priority><RoleArn>arn:aws:iam::123456789012:role/batch</RoleArn></CreateJobRequest>"
    );
    let headers = [("x-amz-account-id", "123456789012")];
    let unsigned = Client::new(bench.server.addr(), "coldsim", "wrong");
    assert_eq!(unsigned.call("POST", "/v20180820/jobs", &headers, xml.as_bytes()).status, 403);
    let made = bench.client.call("POST", "/v20180820/jobs", &headers, xml.as_bytes());
    assert!(made.status < 300, "{}", made.text());
    let job = made.element("JobId").unwrap();
    bench.advance(HOUR);
    let shown = bench.client.call("GET", &format!("/v20180820/jobs/{job}"), &headers, b"");
    assert_eq!(shown.element("Status").as_deref(), Some("Complete"), "{}", shown.text());
    assert_eq!(bench.head("a%20b").header("x-amz-restore"), Some("ongoing-request=\"true\""));
    bench.advance(48 * HOUR);
    assert_eq!(bench.get("a%20b").body, b"x");
}

/// A control request.
fn control(bench: &Bench, method: &str, path: &str, body: &str) -> (u16, Value) {
    let target = format!("/_coldsim/{path}");
    let headers = [("host".to_string(), "localhost".to_string())];
    let reply = exchange(bench.server.addr(), method, &target, &headers, body.as_bytes()).unwrap();
    (reply.status, serde_json::from_slice(&reply.body).unwrap())
}

#[test]
fn everything_is_controlled_over_http() {
    let bench = Bench::new();
    let (_, clock) = control(&bench, "POST", "clock", r#"{"advance_seconds":86400}"#);
    assert_eq!(clock["now"], "2026-01-16T12:00:00Z");
    assert_eq!(control(&bench, "GET", "clock", "").1, clock);
    assert_eq!(control(&bench, "POST", "clock", r#"{"advance_seconds":-1}"#).0, 400);
    assert_eq!(control(&bench, "POST", "clock", "{}").0, 400);
    assert_eq!(control(&bench, "POST", "buckets", r#"{"name":"other"}"#).0, 200);
    assert_eq!(control(&bench, "POST", "buckets", r#"{"name":"NO"}"#).0, 400);
    let key = json!({ "id": "K", "secret": "S", "user": "u", "policies": [
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListBucket","Resource":"*"}]}"# ] });
    assert_eq!(control(&bench, "POST", "keys", &key.to_string()).0, 200);
    let user = Client::new(bench.server.addr(), "K", "S");
    assert_eq!(user.call("GET", "/other?list-type=2", &[], b"").status, 200);
    let fault = json!({ "operation": "PutObject", "kind": "fail", "status": 500, "code": "InternalError" });
    assert_eq!(control(&bench, "POST", "faults", &fault.to_string()).0, 200);
    assert_eq!(bench.client.call("PUT", "/other/k", &[], b"x").code(), "InternalError");
    let (_, requests) = control(&bench, "GET", "requests", "");
    assert_eq!(requests[1]["operation"], "PutObject");
    assert_eq!((&requests[0]["access_key"], &requests[1]["status"]), (&json!("K"), &json!(500)));
    assert_eq!(control(&bench, "DELETE", "requests", "").0, 200);
    assert!(bench.sim.requests().is_empty());
    let (status, bill) = control(&bench, "GET", "bill", "");
    assert_eq!(status, 200);
    let bill: Bill = serde_json::from_value(bill).unwrap();
    assert_eq!(bill.region, "us-east-1");
    assert_eq!(control(&bench, "POST", "bill/reset", "").0, 200);
    assert_eq!(control(&bench, "GET", "nothing", "").0, 404);
}
