//! Learning from a queue that jobs ended: the vault tells an SNS topic, and the topic an SQS queue.
//!
//! A message is deleted when what it says was written down. What is about another vault, or cannot
//! be understood, stays in the queue.

use darkslide_store::vault::{JobKind, JobState, Standing};
use darkslide_store::{StoreError, Warmed};
use darkslide_words::{Tier, Time};
use serde::Deserialize;

use crate::VaultStore;
use crate::amazon::{span, time};
use crate::jobs::row;
use crate::service::JobFacts;

/// Looks into the queue at once, so that a flood of others' messages ends.
const LOOKS_MAX: u32 = 200;

/// What a topic puts around a message.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope {
    r#type: String,
    message: String,
}

/// A job that ended, in the words of DescribeJob.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Ended {
    action: String,
    job_id: String,
    #[serde(rename = "VaultARN")]
    vault: String,
    status_code: String,
    archive_id: Option<String>,
    job_description: Option<String>,
    creation_date: Option<String>,
    completion_date: Option<String>,
    tier: Option<String>,
    retrieval_byte_range: Option<String>,
    archive_size_in_bytes: Option<u64>,
    inventory_size_in_bytes: Option<u64>,
    #[serde(rename = "SHA256TreeHash")]
    tree: Option<String>,
}

/// The job that a message is about; nothing if it is none of this vault's, or of no job.
fn read(body: &str, vault: &str) -> Option<JobFacts> {
    let inner = serde_json::from_str::<Envelope>(body).ok().filter(|around| around.r#type == "Notification");
    let text = inner.map_or_else(|| body.to_string(), |around| around.message);
    let job: Ended = serde_json::from_str(&text).ok()?;
    if job.vault.rsplit('/').next() != Some(vault) {
        return None;
    }
    Some(JobFacts {
        kind: match job.action.as_str() {
            "ArchiveRetrieval" => JobKind::Archive,
            "InventoryRetrieval" => JobKind::Inventory,
            _ => return None,
        },
        succeeded: match job.status_code.as_str() {
            "Succeeded" => Some(true),
            "Failed" => Some(false),
            _ => return None,
        },
        id: job.job_id,
        archive: job.archive_id,
        description: job.job_description.unwrap_or_default(),
        created: time(job.creation_date.as_deref())?,
        completed: Some(time(job.completion_date.as_deref())?),
        tier: job.tier.as_deref().and_then(Tier::from_name),
        span: job.retrieval_byte_range.as_deref().and_then(span),
        archive_size: job.archive_size_in_bytes,
        tree: job.tree,
        inventory_size: job.inventory_size_in_bytes,
    })
}

impl VaultStore {
    /// What the queue says was brought out of the vault, and until when it can be read; nothing where
    /// there is no queue.
    pub(crate) fn hear(&self) -> Result<Option<Warmed>, StoreError> {
        let Some(queue) = &self.settings.events else { return Ok(None) };
        let mut warmed = Vec::new();
        for _ in 0..LOOKS_MAX {
            let messages = self.asked("reading the queue", self.service.messages(queue))?;
            let mut understood = Vec::new();
            for message in messages {
                let Some(job) = read(&message.body, &self.settings.vault) else { continue };
                warmed.extend(self.heard(job)?);
                understood.push(message.handle);
            }
            if understood.is_empty() {
                break;
            }
            self.asked("clearing the queue", self.service.forget_messages(queue, &understood))?;
        }
        Ok(Some(warmed))
    }

    /// Writes a job down, and says which object it makes readable.
    fn heard(&self, job: JobFacts) -> Result<Option<(darkslide_words::ObjectName, Option<Time>)>, StoreError> {
        let now = self.clock.now();
        let job = row(job);
        self.record.put_job(&job, now)?;
        let until = job.until().filter(|until| job.state == JobState::Ready && *until > now);
        let (Some(archive), Some(until)) = (&job.archive, until) else { return Ok(None) };
        let ours = self.record.archive(archive)?.filter(|row| row.standing == Standing::Ours);
        Ok(ours.and_then(|row| row.name).map(|name| (name, Some(until))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use darkslide_words::Span;

    fn job(vault: &str, status: &str) -> String {
        format!(
            r#"{{"Action":"ArchiveRetrieval","ArchiveId":"a1","ArchiveSizeInBytes":9000000,"Completed":true,
            "CompletionDate":"2026-03-10T14:00:00.000Z","CreationDate":"2026-03-10T10:00:00.000Z",
            "JobDescription":null,"JobId":"j1","RetrievalByteRange":"0-1048575","SHA256TreeHash":null,
            "SNSTopic":null,"StatusCode":"{status}","StatusMessage":"x","Tier":"Standard","InventorySizeInBytes":null,
            "VaultARN":"arn:aws:glacier:us-east-1:123456789012:vaults/{vault}"}}"#
        )
    }

    #[test]
    fn a_message_is_read_in_its_envelope_and_without() {
        let plain = job("photos", "Succeeded");
        let around = serde_json::json!({"Type": "Notification", "TopicArn": "t", "Message": plain}).to_string();
        for body in [plain, around] {
            let job = read(&body, "photos").unwrap();
            assert_eq!((job.id.as_str(), job.succeeded, job.tier), ("j1", Some(true), Some(Tier::Standard)));
            assert_eq!(job.span, Some(Span { from: 0, to: 1 << 20 }));
        }
        assert_eq!(read(&job("photos", "Failed"), "photos").unwrap().succeeded, Some(false));
    }

    #[test]
    fn what_is_not_ours_is_left() {
        for body in [job("others", "Succeeded"), job("photos", "InProgress"), "{}".into(), "x".into()] {
            assert_eq!(read(&body, "photos"), None, "{body}");
        }
    }
}
