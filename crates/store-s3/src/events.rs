//! Events of thaws, from a queue that the bucket writes to: learning that
//! something is thawed without listing.
//!
//! A message is deleted only when the caller has written down what it said. What
//! is not ours, or cannot be understood, stays in the queue and is reported.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::types::DeleteMessageBatchRequestEntry;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use aws_smithy_types::retry::RetryConfig;
use darkslide_store::StoreError;
use darkslide_words::{ObjectName, Time};
use serde::Deserialize;

use crate::S3Store;
use crate::failure::Failure;
use crate::link::{ANSWER, Link, timeouts};
use crate::list::time;
use crate::percent::{Plus, decode};

/// The longest that a queue lets one wait.
const WAIT_MAX: Duration = Duration::from_secs(20);
/// Messages a call: the most that a queue gives or deletes at once.
const MESSAGES: i32 = 10;

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A thaw was asked for.
    Posted,
    /// It can be read.
    Completed {
        /// The thawed copy stays until then; Intelligent-Tiering says none.
        until: Option<Time>,
    },
    /// The thawed copy is gone.
    Expired,
}

/// A message that was left in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The queue's id of it.
    pub id: String,
    /// Why.
    pub why: String,
}

/// What one look into the queue brought.
#[derive(Debug, Default)]
pub struct Drained {
    /// What happened, in the order of the messages; the same may come twice.
    pub events: Vec<(ObjectName, Event)>,
    /// Messages that were left.
    pub left: Vec<Left>,
    /// Handles of the messages that were understood.
    handles: Vec<String>,
}

impl Drained {
    /// True if the queue had nothing at all.
    pub fn is_empty(&self) -> bool {
        self.handles.is_empty() && self.left.is_empty()
    }
}

/// A queue that the bucket of a store writes to.
pub struct ThawEvents {
    link: Arc<Link>,
    sqs: aws_sdk_sqs::Client,
    queue_url: String,
    bucket: String,
    prefix: String,
}

impl fmt::Debug for ThawEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThawEvents").field("queue_url", &self.queue_url).finish_non_exhaustive()
    }
}

impl ThawEvents {
    /// The queue with this URL, at this endpoint if it is not Amazon's; with the
    /// store's own region and credentials. Asks nobody yet.
    pub fn new(store: &S3Store, queue_url: &str, endpoint: Option<&str>) -> Self {
        let mut config = aws_sdk_sqs::config::Builder::from(&store.link.sdk)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts());
        if let Some(endpoint) = endpoint {
            config = config.endpoint_url(endpoint);
        }
        Self {
            link: store.link.clone(),
            sqs: aws_sdk_sqs::Client::from_conf(config.build()),
            queue_url: queue_url.into(),
            bucket: store.settings.bucket.clone(),
            prefix: store.settings.prefix.clone(),
        }
    }

    /// Takes up to ten messages, waiting up to `wait` (at most 20 s) for the first.
    pub fn drain(&self, wait: Duration) -> Result<Drained, StoreError> {
        let seconds = i32::try_from(wait.min(WAIT_MAX).as_secs()).unwrap_or(0);
        let received = self.link.attempts(ANSWER, || async {
            let receive = self.sqs.receive_message().queue_url(&self.queue_url).max_number_of_messages(MESSAGES);
            Ok(receive.wait_time_seconds(seconds).send().await?)
        });
        let answer = self.link.block(received).map_err(|f| self.error(&f))?;
        let mut drained = Drained::default();
        for message in answer.messages.unwrap_or_default() {
            let id = message.message_id.unwrap_or_default();
            let understood = read(message.body.as_deref().unwrap_or_default(), &self.bucket, &self.prefix);
            match (understood, message.receipt_handle) {
                (Ok(events), Some(handle)) => {
                    drained.events.extend(events);
                    drained.handles.push(handle);
                }
                (Ok(_), None) => drained.left.push(Left { id, why: "it has no handle to delete it by".into() }),
                (Err(why), _) => drained.left.push(Left { id, why }),
            }
        }
        Ok(drained)
    }

    /// Deletes what was understood, once the caller has written it down. What
    /// cannot be deleted now comes again, which does no harm.
    pub fn confirm(&self, drained: Drained) -> Result<(), StoreError> {
        for (batch, handles) in drained.handles.chunks(MESSAGES as usize).enumerate() {
            let mut entries = Vec::with_capacity(handles.len());
            for (at, handle) in handles.iter().enumerate() {
                let entry =
                    DeleteMessageBatchRequestEntry::builder().id(format!("m{batch}-{at}")).receipt_handle(handle);
                entries.push(entry.build().map_err(|e| self.error(&Failure::unreadable(e.to_string())))?);
            }
            let deleted = self.link.attempts(ANSWER, || async {
                let delete = self.sqs.delete_message_batch().queue_url(&self.queue_url);
                delete.set_entries(Some(entries.clone())).send().await?;
                Ok(())
            });
            self.link.block(deleted).map_err(|f| self.error(&f))?;
        }
        Ok(())
    }

    fn error(&self, failure: &Failure) -> StoreError {
        failure.error(&self.link.label, &format!("reading the queue {}", self.queue_url), None)
    }
}

#[derive(Deserialize)]
struct Message {
    #[serde(rename = "Records")]
    records: Option<Vec<Record>>,
    /// The bucket's greeting when notifications are set up.
    #[serde(rename = "Event")]
    event: Option<String>,
    /// A topic between bucket and queue wraps the message in its own.
    #[serde(rename = "Type")]
    kind: Option<String>,
    #[serde(rename = "Message")]
    inner: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    event_name: String,
    s3: Place,
    glacier_event_data: Option<Glacier>,
}

#[derive(Deserialize)]
struct Place {
    bucket: Bucket,
    object: Object,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
struct Object {
    key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Glacier {
    restore_event_data: Option<Restore>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Restore {
    lifecycle_restoration_expiry_time: Option<String>,
}

/// All events of a message, or why it has to be left.
fn read(body: &str, bucket: &str, prefix: &str) -> Result<Vec<(ObjectName, Event)>, String> {
    let parse = |text: &str| serde_json::from_str::<Message>(text).map_err(|e| format!("it is no event of S3: {e}"));
    let mut message = parse(body)?;
    if message.kind.as_deref() == Some("Notification")
        && let Some(inner) = &message.inner
    {
        message = parse(inner)?;
    }
    if message.event.as_deref() == Some("s3:TestEvent") {
        return Ok(Vec::new());
    }
    let records = message.records.ok_or("it is no event of S3: it has no records")?;
    records.iter().map(|record| read_record(record, bucket, prefix)).collect()
}

fn read_record(record: &Record, bucket: &str, prefix: &str) -> Result<(ObjectName, Event), String> {
    let shown = |text: &str| text.chars().filter(|c| !c.is_control()).take(120).collect::<String>();
    if record.s3.bucket.name != bucket {
        return Err(format!("it is about the bucket {}", shown(&record.s3.bucket.name)));
    }
    let key = decode(&record.s3.object.key, Plus::Space).ok_or("its key is not encoded as S3 does it")?;
    let name = key.strip_prefix(prefix).and_then(|name| ObjectName::new(name).ok());
    let name = name.ok_or_else(|| format!("it is about {}, which is not of this store", shown(&key)))?;
    let restore = record.glacier_event_data.as_ref().and_then(|g| g.restore_event_data.as_ref());
    let expiry = restore.and_then(|r| r.lifecycle_restoration_expiry_time.as_deref());
    let event = match record.event_name.strip_prefix("s3:").unwrap_or(&record.event_name) {
        "ObjectRestore:Post" => Event::Posted,
        "ObjectRestore:Delete" => Event::Expired,
        "ObjectRestore:Completed" => Event::Completed {
            until: expiry
                .map(|text| DateTime::from_str(text, Format::DateTime).map(|at| time(&at)))
                .transpose()
                .map_err(|e| format!("its expiry is no time: {e}"))?,
        },
        other => return Err(format!("it is about {}, not about a thaw", shown(other))),
    };
    Ok((name, event))
}

#[cfg(test)]
#[path = "events/tests.rs"]
mod tests;
