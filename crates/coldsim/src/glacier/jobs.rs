//! Jobs: asked for, done hours later, told to whoever listens, gone a day after.

use std::time::Duration;

use s3s::crypto::{Checksum as _, Sha256};
use serde::Deserialize;
use serde_json::{Value, json};

use super::model::{Format, JobKind, JobState, VaultJob};
use super::vaults::checked_topic;
use super::{Call, Failure, Outcome, Reply, VaultDue, checked_description};
use crate::queue::instant;
use crate::state::{ACCOUNT, Due, Record, State};

/// Output and id of a job are kept so long after its end; the service promises no more.
pub(crate) const OUTPUT_KEPT: Duration = Duration::from_secs(24 * 3600);
/// Jobs of a list.
const LISTED_MAX: usize = 50;

/// What InitiateJob takes.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct WantedJob {
    r#type: Option<String>,
    pub archive_id: Option<String>,
    description: Option<String>,
    pub tier: Option<String>,
    pub retrieval_byte_range: Option<String>,
    #[serde(rename = "SNSTopic")]
    topic: Option<String>,
    pub format: Option<String>,
    pub inventory_retrieval_parameters: Option<WantedListing>,
}

/// Which part of an inventory.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct WantedListing {
    pub start_date: Option<String>,
    pub end_date: Option<String>,
    pub limit: Option<String>,
    pub marker: Option<String>,
}

/// The archive that a call's body names, if it is a job's.
pub(super) fn archive_of(body: &[u8]) -> Option<String> {
    serde_json::from_slice::<WantedJob>(body).ok()?.archive_id
}

/// Somewhere in a window of minutes, the same for the same job and instant.
pub(super) fn delay(seed: &str, window: (u64, u64)) -> Duration {
    let digest = Sha256::checksum(seed.as_bytes());
    let number = digest[..8].iter().fold(0_u64, |n, byte| n << 8 | u64::from(*byte));
    let (from, to) = (window.0 * 60_000, window.1 * 60_000);
    Duration::from_millis(from + number % (to - from))
}

impl State {
    pub(super) fn initiate_job(&mut self, call: &Call<'_>) -> Outcome<Reply> {
        let vault = &call.named.vault;
        self.vault(vault)?;
        let wanted: WantedJob = call.parse()?;
        let description = checked_description(wanted.description.as_deref())?;
        let topic = wanted.topic.as_deref().filter(|topic| !topic.is_empty()).map(checked_topic).transpose()?;
        let (kind, output, window) = match wanted.r#type.as_deref() {
            Some("archive-retrieval") => {
                let (retrieval, window) = self.begin_retrieval(call, &wanted)?;
                (JobKind::Archive(retrieval), Vec::new(), window)
            }
            Some("inventory-retrieval") => {
                let (listing, output) = self.begin_listing(vault, &wanted)?;
                (JobKind::Inventory(listing), output, super::retrieval::STANDARD_MINUTES)
            }
            Some("select") => return Err(Failure::invalid("Invalid job type: select is no longer offered")),
            Some(other) => return Err(Failure::invalid(format!("Invalid job type: {other}"))),
            None => return Err(Failure::missing("Type")),
        };
        let id = self.fresh_long_id();
        let done = self.now.plus(delay(&format!("{vault} {id} {}", self.now.0), window));
        let progress = JobState::Running;
        let job = VaultJob { kind, description, topic, created: self.now, done, progress, output };
        self.part_of_vault_mut(vault)?.jobs.insert(id.clone(), job);
        self.plan(done, Due::Vault(vault.clone(), VaultDue::JobDone(id.clone())));
        self.dirty.insert(Record::VaultJob(vault.clone(), id.clone()));
        let path = format!("/{ACCOUNT}/vaults/{vault}/jobs/{id}");
        let reply = Reply::status(202).with("x-amz-job-output-path", format!("{path}/output"));
        Ok(reply.with("location", path).with("x-amz-job-id", id))
    }

    /// A job that is not forgotten yet.
    pub(super) fn job(&self, call: &Call<'_>) -> Outcome<&VaultJob> {
        let id = &call.named.id;
        let found = self.vault(&call.named.vault)?.jobs.get(id);
        found.ok_or_else(|| Failure::not_found(format!("The job ID was not found: {id}")))
    }

    pub(super) fn describe_job(&mut self, call: &Call<'_>) -> Outcome<Reply> {
        let job = self.job(call)?;
        Ok(Reply::json(self.job_json(&call.named.vault, &call.named.id, job)))
    }

    pub(super) fn list_jobs(&mut self, call: &Call<'_>) -> Outcome<Reply> {
        let vault = self.vault(&call.named.vault)?;
        let status = call.named.value("statuscode");
        if let Some(status) = status.filter(|status| !["InProgress", "Succeeded", "Failed"].contains(status)) {
            return Err(Failure::invalid(format!("The job status code is not valid: {status}")));
        }
        let completed = match call.named.value("completed") {
            None => None,
            Some("true") => Some(true),
            Some("false") => Some(false),
            Some(other) => return Err(Failure::invalid(format!("Invalid value of completed: {other}"))),
        };
        let wanted = |job: &VaultJob| {
            status.is_none_or(|status| status == job.progress.code())
                && completed.is_none_or(|completed| completed == (job.progress != JobState::Running))
        };
        let mut jobs: Vec<_> = vault.jobs.iter().filter(|(_, job)| wanted(job)).collect();
        jobs.sort_by_key(|(id, job)| (job.created, id.as_str()));
        let items = jobs.into_iter().map(|(id, job)| (id.clone(), self.job_json(&vault.name, id, job))).collect();
        let (here, marker) = call.page(LISTED_MAX)?.cut(items)?;
        Ok(Reply::json(json!({ "JobList": here, "Marker": marker })))
    }

    /// A job as DescribeJob tells it; notifications say the same.
    pub(super) fn job_json(&self, vault: &str, id: &str, job: &VaultJob) -> Value {
        let ended = job.progress != JobState::Running;
        let mut found = json!({
            "Action": "InventoryRetrieval",
            "ArchiveId": null,
            "ArchiveSHA256TreeHash": null,
            "ArchiveSizeInBytes": null,
            "Completed": ended,
            "CompletionDate": ended.then(|| instant(job.done)),
            "CreationDate": instant(job.created),
            "InventoryRetrievalParameters": null,
            "InventorySizeInBytes": null,
            "JobDescription": job.description,
            "JobId": id,
            "RetrievalByteRange": null,
            "SHA256TreeHash": null,
            "SNSTopic": job.topic,
            "StatusCode": job.progress.code(),
            "StatusMessage": job.progress.message(),
            "Tier": null,
            "VaultARN": self.vault_arn(vault),
        });
        match &job.kind {
            JobKind::Archive(retrieval) => {
                found["Action"] = json!("ArchiveRetrieval");
                found["ArchiveId"] = json!(retrieval.archive);
                found["ArchiveSHA256TreeHash"] = json!(retrieval.tree_hash);
                found["ArchiveSizeInBytes"] = json!(retrieval.size);
                found["RetrievalByteRange"] = json!(retrieval.stretch.text());
                found["SHA256TreeHash"] = json!(retrieval.told_hash(ended));
                found["Tier"] = json!(super::retrieval::tier_name(retrieval.tier));
            }
            JobKind::Inventory(listing) => {
                found["InventorySizeInBytes"] = json!(ended.then(|| job.bytes()));
                let format = if listing.format == Format::Csv { "CSV" } else { "JSON" };
                if let Some(range) = &listing.wanted {
                    let marker = if ended { &listing.next } else { &range.marker };
                    found["InventoryRetrievalParameters"] = json!({
                        "Format": format,
                        "StartDate": range.start.map(instant),
                        "EndDate": range.end.map(instant),
                        "Limit": range.limit.map(|limit| limit.to_string()),
                        "Marker": marker,
                    });
                }
            }
        }
        found
    }

    /// A job's time has come.
    pub(super) fn job_done(&mut self, vault: &str, id: &str) {
        let outcome = self.finished_output(vault, id);
        let Some(job) = self.glacier.vaults.get_mut(vault).and_then(|vault| vault.jobs.get_mut(id)) else { return };
        if job.progress != JobState::Running {
            return;
        }
        match outcome {
            Ok(output) => {
                job.progress = JobState::Succeeded;
                let taken = output.is_some();
                job.output = output.unwrap_or_else(|| std::mem::take(&mut job.output));
                let output = job.output.clone();
                // That of an inventory was referred to when it was written.
                if taken {
                    self.refer(&output);
                }
            }
            Err(why) => job.progress = JobState::Failed(why),
        }
        self.dirty.insert(Record::VaultJob(vault.to_string(), id.to_string()));
        self.plan_job_end(vault, id);
        self.tell_of_job(vault, id);
    }

    fn plan_job_end(&mut self, vault: &str, id: &str) {
        let job = self.glacier.vaults.get(vault).and_then(|vault| vault.jobs.get(id));
        if let Some(expires) = job.map(VaultJob::expires) {
            self.plan(expires, Due::Vault(vault.to_string(), VaultDue::JobExpires(id.to_string())));
        }
    }

    pub(super) fn forget_job(&mut self, vault: &str, id: &str) {
        let gone = self.glacier.vaults.get_mut(vault).and_then(|vault| vault.jobs.remove(id));
        if let Some(job) = gone {
            self.release(&job.output);
        }
        self.dirty.insert(Record::VaultJob(vault.to_string(), id.to_string()));
    }

    /// Sends what became of a job to the topic of the job and to that of the vault.
    fn tell_of_job(&mut self, name: &str, id: &str) {
        let Some(vault) = self.glacier.vaults.get(name) else { return };
        let Some(job) = vault.jobs.get(id) else { return };
        let event = match job.kind {
            JobKind::Archive(_) => "ArchiveRetrievalCompleted",
            JobKind::Inventory(_) => "InventoryRetrievalCompleted",
        };
        let of_vault = vault.notifications.as_ref().filter(|told| told.events.iter().any(|wanted| wanted == event));
        let topics: Vec<String> =
            job.topic.iter().cloned().chain(of_vault.map(|notifications| notifications.topic.clone())).collect();
        let message = self.job_json(name, id, job).to_string();
        for topic in topics {
            self.tell(&topic, &message);
        }
    }
}

impl JobState {
    fn code(&self) -> &'static str {
        match self {
            Self::Running => "InProgress",
            Self::Succeeded => "Succeeded",
            Self::Failed(_) => "Failed",
        }
    }

    fn message(&self) -> &str {
        match self {
            Self::Running => "Operation in progress.",
            Self::Succeeded => "Succeeded",
            Self::Failed(why) => why,
        }
    }
}
