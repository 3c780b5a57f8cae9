//! Events of objects, sent to the queues and topics that the bucket's notification configuration names.

use darkslide_words::{StorageClass, Time};
use s3s::dto::{Event, NotificationConfiguration, NotificationConfigurationFilter};
use serde::{Deserialize, Serialize};

use super::model::Version;
use super::{Due, Record, State};
use crate::queue::{S3Event, s3_event, s3_test_event};
use crate::s3::convert::from_xml;

/// A message that is held back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Waiting {
    pub due: Time,
    pub queue: String,
    pub body: String,
}

/// Something happened to a version.
pub(crate) struct Happening<'a> {
    /// Without `s3:`.
    pub event: &'a str,
    pub bucket: &'a str,
    pub key: &'a str,
    pub version: &'a Version,
    pub glacier: Option<(Time, &'a StorageClass)>,
}

/// Where events go: to a queue or a topic.
struct Destination {
    id: Option<String>,
    arn: String,
    events: Vec<Event>,
    filter: Option<NotificationConfigurationFilter>,
}

fn destinations(config: NotificationConfiguration) -> Vec<Destination> {
    let queues = config.queue_configurations.unwrap_or_default().into_iter();
    let queues = queues.map(|q| Destination { id: q.id, arn: q.queue_arn, events: q.events, filter: q.filter });
    let topics = config.topic_configurations.unwrap_or_default().into_iter();
    let topics = topics.map(|t| Destination { id: t.id, arn: t.topic_arn, events: t.events, filter: t.filter });
    queues.chain(topics).collect()
}

/// True if a configuration asks for the event: by name, or `s3:ObjectRestore:*`.
fn asks_for(config: &Destination, event: &str, key: &str) -> bool {
    let full = format!("s3:{event}");
    let named = config.events.iter().any(|wanted| {
        let wanted: &str = wanted.as_ref();
        wanted == full || wanted.strip_suffix('*').is_some_and(|start| full.starts_with(start))
    });
    let rules = config.filter.as_ref().and_then(|f| f.key.as_ref()).and_then(|k| k.filter_rules.as_ref());
    let fits = rules.into_iter().flatten().all(|rule| {
        let value = rule.value.as_deref().unwrap_or_default();
        match rule.name.as_ref().map(|n| n.as_str().to_ascii_lowercase()).as_deref() {
            Some("suffix") => key.ends_with(value),
            _ => key.starts_with(value),
        }
    });
    named && fits
}

impl State {
    /// Sends an event to all who asked for it.
    pub(crate) fn emit(&mut self, what: &Happening<'_>) {
        let Some(text) = self.buckets.get(what.bucket).and_then(|b| b.config.get("notification")) else { return };
        let Ok(config) = from_xml::<NotificationConfiguration>(text) else { return };
        for to in destinations(config) {
            if !asks_for(&to, what.event, what.key) {
                continue;
            }
            let version = what.version;
            let body = s3_event(&S3Event {
                event: what.event,
                region: &self.region,
                bucket: what.bucket,
                configuration: to.id.as_deref().unwrap_or("coldsim"),
                key: what.key,
                size: version.size,
                etag: &version.etag,
                version: (version.id != "null").then_some(version.id.as_str()),
                at: self.now,
                glacier: what.glacier,
            });
            self.send(to.arn, body);
        }
    }

    /// What S3 sends when a notification configuration is put.
    pub(crate) fn send_test_event(&mut self, queue: &str, bucket: &str) -> bool {
        let body = s3_test_event(bucket, self.now);
        self.dirty.insert(Record::Rest);
        self.arrive(queue, body)
    }

    /// Puts a message of S3 into a queue, or publishes it; false if there is no such place.
    fn arrive(&mut self, to: &str, body: String) -> bool {
        if self.topic(to).is_some() {
            self.publish(to, Some("Amazon S3 Notification"), &body);
            return true;
        }
        self.queues.send(to, body, self.now)
    }

    fn send(&mut self, queue: String, body: String) {
        self.dirty.insert(Record::Rest);
        if self.late_nanos > 0 {
            let due = Time(self.now.0.saturating_add(self.late_nanos));
            self.plan(due, Due::Deliver);
            self.waiting.push(Waiting { due, queue, body });
        } else {
            // A queue that is gone loses its messages, as in AWS.
            self.arrive(&queue, body);
        }
    }

    /// Sends what was held back long enough.
    pub(super) fn deliver(&mut self) {
        let now = self.now;
        let (due, later): (Vec<_>, Vec<_>) = self.waiting.drain(..).partition(|w| w.due <= now);
        self.waiting = later;
        for message in due {
            self.arrive(&message.queue, message.body);
        }
    }
}
