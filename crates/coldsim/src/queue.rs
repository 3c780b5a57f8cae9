//! Queues, as SQS has them, for the events of the simulated buckets.
//!
//! On the way of an event: `state` makes it, [`s3_event`] writes it down,
//! [`Queues::send`] keeps it until a client takes it through
//! [`Queues::handle`], the AWS JSON protocol.
//!
//! **Invariant:** a message that was received and not deleted comes back when
//! its visibility timeout has passed on the virtual clock. Receiving never
//! waits: a long poll is answered at once with what is there.

mod event;
mod protocol;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use darkslide_words::Time;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

pub(crate) use event::instant;
pub use event::{S3Event, s3_event, s3_test_event};

/// Attributes that can be set, with least, greatest and first value.
const LIMITS: [(&str, u64, u64, u64); 5] = [
    ("DelaySeconds", 0, 900, 0),
    ("MaximumMessageSize", 1_024, 1_048_576, 1_048_576),
    ("MessageRetentionPeriod", 60, 1_209_600, 345_600),
    ("ReceiveMessageWaitTimeSeconds", 0, 20, 0),
    ("VisibilityTimeout", 0, 43_200, 30),
];
/// Received and not deleted, at most, as SQS limits a standard queue.
const IN_FLIGHT_MAX: usize = 120_000;
/// Between two purges.
const PURGE_PAUSE: Duration = Duration::from_secs(60);

/// All queues of the account, by name.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Queues {
    region: String,
    queues: BTreeMap<String, Queue>,
    /// Numbers messages, so that ids differ.
    sent: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Queue {
    created: Time,
    modified: Time,
    purged: Option<Time>,
    settings: BTreeMap<String, u64>,
    policy: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    /// True if SQS is not to encrypt what lies in it.
    #[serde(default)]
    plain: bool,
    messages: Vec<Message>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Message {
    id: String,
    body: String,
    sent: Time,
    /// Not handed out before.
    visible: Time,
    first_received: Option<Time>,
    /// How often it was handed out; the last receipt carries it.
    received: u64,
}

/// An HTTP answer of the queue service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// JSON, of content type `application/x-amz-json-1.0`.
    pub body: String,
    /// On errors, the value of the header `x-amzn-query-error`, from which
    /// clients take the code.
    pub error_type: Option<String>,
}

impl Queues {
    /// No queues yet. The region is part of their ARNs.
    pub fn new(region: &str) -> Self {
        Self { region: region.to_string(), ..Self::default() }
    }

    /// Puts a message into a queue given by name or ARN. False if there is no
    /// such queue: the message is lost, as S3 loses events for a queue that was
    /// deleted.
    pub fn send(&mut self, queue: &str, body: String, now: Time) -> bool {
        self.put(name_of(queue), body, None, now).is_some()
    }

    /// The policy of a queue given by name or ARN.
    pub fn policy(&self, queue: &str) -> Option<&str> {
        self.queues.get(name_of(queue))?.policy.as_deref()
    }

    /// Answers one call: `target` is the header `X-Amz-Target`, such as
    /// `AmazonSQS.ReceiveMessage`; URLs of queues begin with `base_url`
    /// (`http://127.0.0.1:9000`).
    pub fn handle(&mut self, target: &str, body: &[u8], base_url: &str, account: &str, now: Time) -> Answer {
        let place = protocol::Place { base_url, account, now };
        match self.call(target, body, &place) {
            Ok(body) => Answer { status: 200, body: body.to_string(), error_type: None },
            Err(fault) => fault.answer(),
        }
    }

    /// The id of the new message, or `None` without such a queue.
    fn put(&mut self, name: &str, body: String, delay_seconds: Option<u64>, now: Time) -> Option<String> {
        let queue = self.queues.get_mut(name)?;
        self.sent += 1;
        let id = message_id(name, self.sent);
        let delay = delay_seconds.unwrap_or_else(|| queue.setting("DelaySeconds"));
        let visible = now.plus(Duration::from_secs(delay));
        queue.messages.push(Message { id: id.clone(), body, sent: now, visible, first_received: None, received: 0 });
        Some(id)
    }
}

impl Queue {
    fn new(now: Time) -> Self {
        let settings = LIMITS.iter().map(|(name, _, _, first)| ((*name).to_string(), *first)).collect();
        Self {
            created: now,
            modified: now,
            purged: None,
            settings,
            policy: None,
            tags: BTreeMap::new(),
            plain: false,
            messages: Vec::new(),
        }
    }

    fn setting(&self, name: &str) -> u64 {
        self.settings.get(name).copied().unwrap_or_default()
    }

    /// Forgets what is older than the retention period.
    fn expire(&mut self, now: Time) {
        let kept = Duration::from_secs(self.setting("MessageRetentionPeriod"));
        self.messages.retain(|message| message.sent.until(now) < kept);
    }

    fn in_flight(&self, now: Time) -> usize {
        self.messages.iter().filter(|m| m.received > 0 && m.visible > now).count()
    }

    /// Hands out up to `most` messages, hidden from others for `seconds`.
    fn receive(&mut self, most: usize, seconds: u64, now: Time) -> Vec<Message> {
        self.expire(now);
        let ready = self.messages.iter_mut().filter(|m| m.visible <= now).take(most);
        let handed = ready.map(|message| {
            message.received += 1;
            message.first_received.get_or_insert(now);
            message.visible = now.plus(Duration::from_secs(seconds));
            message.clone()
        });
        handed.collect()
    }

    /// The message of a receipt, if the receipt is its latest.
    fn latest(&self, id: &str, received: u64) -> Option<usize> {
        self.messages.iter().position(|m| m.id == id && m.received == received)
    }
}

/// The name in a name or ARN.
fn name_of(queue: &str) -> &str {
    queue.rsplit(':').next().unwrap_or(queue)
}

/// An id in the shape of a UUID, different for each message.
fn message_id(queue: &str, number: u64) -> String {
    let digest = Md5::digest(format!("{queue} {number}").as_bytes());
    let hex = hex::encode(digest);
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

fn md5_of(body: &str) -> String {
    hex::encode(Md5::digest(body.as_bytes()))
}
