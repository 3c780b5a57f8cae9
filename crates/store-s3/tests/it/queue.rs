//! Events of thaws through a queue.

use std::time::Duration;

use aws_sdk_s3::types::{Event as WireEvent, NotificationConfiguration, QueueConfiguration};
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::QueueAttributeName;
use darkslide_store::{Store, ThawAsk};
use darkslide_store_s3::events::{Event, ThawEvents};
use darkslide_words::{Temperature, Tier};

use crate::cloud::{BUCKET, Cloud, HOUR, REGION, facts, name};

const ACCOUNT: &str = "123456789012";

fn sqs(cloud: &Cloud) -> aws_sdk_sqs::Client {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static(REGION))
        .endpoint_url(cloud.endpoint())
        .credentials_provider(Credentials::new("coldsim", "coldsim-secret", None, None, "test"))
        .build();
    aws_sdk_sqs::Client::from_conf(config)
}

#[test]
fn a_finished_thaw_is_learned_of_and_confirmed() {
    let cloud = Cloud::new();
    let store = cloud.store();
    let (admin, sqs) = (cloud.admin(), sqs(&cloud));
    let arn = format!("arn:aws:sqs:{REGION}:{ACCOUNT}:thaws");
    // S3 sends to a queue that lets it.
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"Service":"s3.amazonaws.com"}},
            "Action":"sqs:SendMessage","Resource":"{arn}"}}]}}"#
    );
    let create = sqs.create_queue().queue_name("thaws").attributes(QueueAttributeName::Policy, policy);
    let url = admin.runtime.block_on(create.send()).unwrap().queue_url.unwrap();
    let queue =
        QueueConfiguration::builder().queue_arn(arn).events(WireEvent::from("s3:ObjectRestore:*")).build().unwrap();
    let notify = NotificationConfiguration::builder().queue_configurations(queue).build();
    let set = admin.s3.put_bucket_notification_configuration().bucket(BUCKET).notification_configuration(notify);
    admin.runtime.block_on(set.send()).unwrap();

    let pack = name("packs/ab/one");
    store.put(&pack, b"cold", &facts(b"cold", Temperature::Cold)).unwrap();
    store.thaw(&pack, &ThawAsk { tier: Tier::Bulk, days: Some(2), span: None }).unwrap();
    admin.runtime.block_on(sqs.send_message().queue_url(&url).message_body("not ours").send()).unwrap();
    cloud.sim.advance(HOUR * 50);

    let events = ThawEvents::new(&store, &url, Some(&cloud.endpoint()));
    let mut seen = Vec::new();
    let mut left = 0;
    loop {
        let drained = events.drain(Duration::ZERO).unwrap();
        if drained.is_empty() {
            break;
        }
        seen.extend(drained.events.clone());
        left += drained.left.len();
        events.confirm(drained).unwrap();
    }
    assert_eq!(left, 1, "the stranger's message is left");
    assert!(seen.contains(&(pack.clone(), Event::Posted)), "{seen:?}");
    let done = seen.iter().any(|(name, event)| *name == pack && matches!(event, Event::Completed { until: Some(_) }));
    assert!(done, "{seen:?}");

    // What was confirmed does not come again, what was left does.
    cloud.sim.advance(HOUR);
    let again = events.drain(Duration::ZERO).unwrap();
    assert_eq!((again.events.len(), again.left.len()), (0, 1));
    assert!(again.left[0].why.contains("no event"), "{:?}", again.left);
}
