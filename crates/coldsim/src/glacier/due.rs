//! What happens to vaults by itself.

use darkslide_words::Time;

use super::model::{Glacier, JobState};
use crate::blobs::Segment;
use crate::state::{Due, Record, State};

/// Something that falls due in a vault.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum VaultDue {
    /// The next inventory.
    Inventory,
    /// A lock that was not completed goes.
    LockExpires,
    /// An upload that nobody touches goes.
    UploadExpires(String),
    /// A job is done.
    JobDone(String),
    /// A job is forgotten.
    JobExpires(String),
}

impl Glacier {
    /// All that is to come, after loading.
    pub fn plans(&self) -> Vec<(Time, Due)> {
        let mut planned = Vec::new();
        for vault in self.vaults.values() {
            let mut plan = |at: Time, due: VaultDue| planned.push((at, Due::Vault(vault.name.clone(), due)));
            if let Some(due) = vault.inventory_due {
                plan(due, VaultDue::Inventory);
            }
            if let Some(expires) = vault.lock.as_ref().and_then(|lock| lock.expires) {
                plan(expires, VaultDue::LockExpires);
            }
            for (id, upload) in &vault.uploads {
                plan(upload.expires(), VaultDue::UploadExpires(id.clone()));
            }
            for (id, job) in &vault.jobs {
                match job.progress {
                    JobState::Running => plan(job.done, VaultDue::JobDone(id.clone())),
                    _ => plan(job.expires(), VaultDue::JobExpires(id.clone())),
                }
            }
        }
        planned
    }

    /// All that archives, parts and outputs lie in.
    pub fn segments(&self) -> Vec<Segment> {
        let mut used = Vec::new();
        for vault in self.vaults.values() {
            used.extend(vault.archives.values().flat_map(|archive| &archive.body).copied());
            used.extend(vault.uploads.values().flat_map(|upload| upload.parts.values()).map(|part| part.body));
            used.extend(vault.jobs.values().flat_map(|job| &job.output).copied());
        }
        used
    }
}

impl State {
    pub fn vault_due(&mut self, vault: &str, due: &VaultDue) {
        match due {
            VaultDue::Inventory => self.take_inventory(vault),
            VaultDue::LockExpires => self.lock_expires(vault),
            VaultDue::UploadExpires(id) => {
                let upload = self.glacier.vaults.get(vault).and_then(|vault| vault.uploads.get(id));
                if upload.is_some_and(|upload| upload.expires() <= self.now) {
                    self.forget_upload(vault, id);
                }
            }
            VaultDue::JobDone(id) => self.job_done(vault, id),
            VaultDue::JobExpires(id) => self.forget_job(vault, id),
        }
        self.dirty.insert(Record::Clock);
    }

    /// Sends a message of a vault to a topic. Where there is no such topic, the queue of the same name
    /// gets what it would get from one that it is subscribed to.
    pub(super) fn tell(&mut self, topic: &str, message: &str) {
        if self.topic(topic).is_some() {
            self.publish(topic, Some("Notification From Amazon Glacier Service"), message);
            return;
        }
        let envelope = serde_json::json!({
            "Type": "Notification",
            "MessageId": self.fresh_id(),
            "TopicArn": topic,
            "Message": message,
            "Timestamp": crate::queue::instant(self.now),
        });
        self.dirty.insert(Record::Rest);
        // A topic that is not there loses its messages, as in AWS.
        self.queues.send(topic, envelope.to_string(), self.now);
    }
}
