//! S3 Batch Operations: jobs that restore the objects of a list, or compute
//! checksums over them, through the REST-XML protocol of S3 Control.
//!
//! **Invariant:** a job does nothing before it is ready, does each line of its
//! manifest once, and tells in its report what became of each. It acts on
//! objects only through [`BatchTarget`]; here are the records and the clockwork.

mod answer;
mod manifest;
mod report;
mod request;
#[cfg(test)]
mod tests;
mod xml;

use std::time::Duration;

use darkslide_words::{Tier, Time};
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use crate::bill::Meter;
use answer::Refusal;
use manifest::Task;
use report::Outcome;
use request::{Operation, Spec};

/// From creation until the manifest is read.
const NEW: Duration = Duration::from_secs(5);
/// Reading the manifest.
const PREPARING: Duration = Duration::from_secs(60);
/// From ready until the first task.
const READY: Duration = Duration::from_secs(120);
/// A job that waits for confirmation fails after this time.
const SUSPENDED: Duration = Duration::from_secs(30 * 86_400);
/// Ended jobs are forgotten after this time.
const REMEMBERED: Duration = Duration::from_secs(90 * 86_400);
/// Tasks done in one second.
const TASKS_PER_SECOND: usize = 1_000;
/// A job gives up when more than half of its tasks failed, after this many.
const TASKS_BEFORE_GIVING_UP: usize = 1_000;

/// Why a task failed: HTTP status, code, message.
pub type TaskError = (u16, String, String);

/// A checksum over a whole stored object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectChecksum {
    /// In base64.
    pub base64: String,
    /// The object's ETag, without quotes.
    pub etag: String,
}

/// What jobs act on.
pub trait BatchTarget {
    /// Body and ETag (without quotes) of an object that can be read now.
    fn read_object(&mut self, bucket: &str, key: &str, version: Option<&str>) -> Option<(Vec<u8>, String)>;
    /// Writes an object; false if it cannot be written.
    fn write_object(&mut self, bucket: &str, key: &str, body: Vec<u8>) -> bool;
    /// Starts a restore as `RestoreObject` does. `days` is `None` for
    /// Intelligent-Tiering.
    fn restore(
        &mut self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        tier: Tier,
        days: Option<u32>,
    ) -> Result<(), TaskError>;
    /// Computes a checksum (`CRC64NVME`, `SHA256`, …) over a whole stored
    /// object, thawed or not.
    fn checksum(
        &mut self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        algorithm: &str,
    ) -> Result<ObjectChecksum, TaskError>;
}

/// One HTTP request to S3 Control.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// `GET` or `POST`.
    pub method: &'a str,
    /// `/v20180820/jobs…`.
    pub path: &'a str,
    /// Without the question mark.
    pub query: &'a str,
    /// XML.
    pub body: &'a [u8],
    /// The account that asks, twelve digits.
    pub account: &'a str,
}

/// All jobs of the account.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Jobs {
    region: String,
    /// Oldest first.
    jobs: Vec<Job>,
    created: u64,
}

/// Where a job stands, by the names of S3 Control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Status {
    New,
    Preparing,
    Suspended,
    Ready,
    Active,
    Complete,
    Failed,
    Cancelled,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Job {
    id: String,
    token: String,
    spec: Spec,
    status: Status,
    created: Time,
    /// When the next step is due.
    due: Option<Time>,
    suspended: Option<Time>,
    activated: Option<Time>,
    ended: Option<Time>,
    /// Said with a change of status.
    reason: Option<String>,
    /// Code and reason.
    failure: Option<(String, String)>,
    total: usize,
    succeeded: usize,
    failed: usize,
    /// From the manifest; emptied when the job has ended.
    tasks: Vec<Task>,
    /// Of the first tasks; emptied when the job has ended.
    outcomes: Vec<Outcome>,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::New => "New",
            Self::Preparing => "Preparing",
            Self::Suspended => "Suspended",
            Self::Ready => "Ready",
            Self::Active => "Active",
            Self::Complete => "Complete",
            Self::Failed => "Failed",
            Self::Cancelled => "Cancelled",
        }
    }
}

impl Jobs {
    /// No jobs yet. The region is part of their ARNs.
    pub fn new(region: &str) -> Self {
        Self { region: region.to_string(), ..Self::default() }
    }

    /// Answers one request, with status and XML.
    pub fn handle(
        &mut self,
        call: &Call<'_>,
        now: Time,
        target: &mut dyn BatchTarget,
        meter: &mut Meter,
    ) -> (u16, String) {
        self.tick(now, target, meter);
        let answer = match self.route(call) {
            Ok(Route::Create) => self.create(call, now),
            Ok(Route::List) => self.list(call.query),
            Ok(Route::Describe(id)) => {
                let region = self.region.clone();
                self.find(id).map(|job| answer::describe(job, &region, call.account, now))
            }
            Ok(Route::Update(id)) => self.update(id, call.query, now, target, meter),
            Err(refusal) => Err(refusal),
        };
        match answer {
            Ok(xml) => (200, xml),
            Err(refusal) => refusal.answer(),
        }
    }

    /// When a job next moves on by itself.
    pub fn next_due(&self) -> Option<Time> {
        self.jobs.iter().filter_map(|job| job.due).min()
    }

    /// Does what is due by `now`, in order of time and, at one time, of priority.
    pub fn tick(&mut self, now: Time, target: &mut dyn BatchTarget, meter: &mut Meter) {
        self.jobs.retain(|job| job.ended.is_none_or(|ended| ended.until(now) < REMEMBERED));
        while let Some(due) = self.next_due().filter(|due| *due <= now) {
            let ready = self.jobs.iter_mut().filter(|job| job.due == Some(due));
            // The first of equals: of the oldest.
            let next = ready.reduce(|a, b| if b.spec.priority > a.spec.priority { b } else { a });
            if let Some(job) = next {
                job.step(due, target, meter);
            }
        }
    }

    fn route<'c>(&self, call: &Call<'c>) -> Result<Route<'c>, Refusal> {
        let rest = call.path.trim_end_matches('/').strip_prefix("/v20180820/jobs");
        let parts: Vec<&str> = rest.map(|rest| rest.split('/').collect()).unwrap_or_default();
        match (call.method, &parts[..]) {
            ("POST", [""]) => Ok(Route::Create),
            ("GET", [""]) => Ok(Route::List),
            ("GET", ["", id]) => Ok(Route::Describe(id)),
            ("POST", ["", id, "status"]) => Ok(Route::Update(id)),
            _ => Err(Refusal::not_implemented(format!("{} {} is not simulated", call.method, call.path))),
        }
    }

    fn find(&mut self, id: &str) -> Result<&mut Job, Refusal> {
        let found = self.jobs.iter_mut().find(|job| job.id == id);
        found.ok_or_else(|| Refusal::new(404, "NotFoundException", format!("no job has the id {id}")))
    }

    fn create(&mut self, call: &Call<'_>, now: Time) -> Result<String, Refusal> {
        let (token, spec) = request::parse(call.body, call.account)?;
        if let Some(job) = self.jobs.iter().find(|job| job.token == token) {
            if job.spec == spec {
                return Ok(answer::created(&job.id));
            }
            let message = "the ClientRequestToken was used with other parameters; take a new token";
            return Err(Refusal::new(400, "IdempotencyException", message));
        }
        self.created += 1;
        let id = job_id(call.account, self.created);
        let answer = answer::created(&id);
        self.jobs.push(Job::new(id, token, spec, now));
        Ok(answer)
    }

    fn list(&self, query: &str) -> Result<String, Refusal> {
        let query = request::query(query);
        let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let bad = |message: &str| Refusal::new(400, "InvalidRequestException", message);
        let most = match value("maxResults") {
            None => 1_000,
            Some(text) => text
                .parse()
                .ok()
                .filter(|n| (1..=1_000).contains(n))
                .ok_or_else(|| bad("maxResults must be between 1 and 1000"))?,
        };
        let statuses: Vec<&str> = query.iter().filter(|(k, _)| k == "jobStatuses").map(|(_, v)| v.as_str()).collect();
        let newest_first = self.jobs.iter().rev();
        let mut wanted = newest_first.filter(|job| statuses.is_empty() || statuses.contains(&job.status.name()));
        if let Some(token) = value("nextToken") {
            // The token is the id of the last job that was listed.
            if !wanted.by_ref().any(|job| job.id == token) {
                return Err(Refusal::new(400, "InvalidNextTokenException", "the token is of no list"));
            }
        }
        let mut page: Vec<&Job> = wanted.take(most + 1).collect();
        let more = page.len() > most;
        page.truncate(most);
        let token = if more { page.last().map(|job| job.id.as_str()) } else { None };
        Ok(answer::list(&page, token))
    }

    fn update(
        &mut self,
        id: &str,
        query: &str,
        now: Time,
        target: &mut dyn BatchTarget,
        meter: &mut Meter,
    ) -> Result<String, Refusal> {
        let query = request::query(query);
        let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let job = self.find(id)?;
        let wanted = value("requestedJobStatus").unwrap_or_default();
        match (wanted.as_str(), job.status) {
            ("Ready", Status::Suspended) => {
                job.status = Status::Ready;
                job.suspended = None;
                job.due = Some(now.plus(READY));
            }
            ("Cancelled", Status::Complete | Status::Failed | Status::Cancelled) | ("Ready", _) => {
                let message = format!("a job that is {} cannot become {wanted}", job.status.name());
                return Err(Refusal::new(400, "JobStatusException", message));
            }
            ("Cancelled", _) => job.end(Status::Cancelled, now, target, meter),
            _ => return Err(Refusal::bad("requestedJobStatus must be Ready or Cancelled")),
        }
        job.reason = value("statusUpdateReason");
        Ok(answer::updated(job))
    }
}

enum Route<'c> {
    Create,
    List,
    Describe(&'c str),
    Update(&'c str),
}

impl Job {
    fn new(id: String, token: String, spec: Spec, now: Time) -> Self {
        Self {
            id,
            token,
            spec,
            status: Status::New,
            created: now,
            due: Some(now.plus(NEW)),
            suspended: None,
            activated: None,
            ended: None,
            reason: None,
            failure: None,
            total: 0,
            succeeded: 0,
            failed: 0,
            tasks: Vec::new(),
            outcomes: Vec::new(),
        }
    }

    /// Does the step that is due at `at`.
    fn step(&mut self, at: Time, target: &mut dyn BatchTarget, meter: &mut Meter) {
        match self.status {
            Status::New => self.move_on(Status::Preparing, at.plus(PREPARING)),
            Status::Preparing => match manifest::read(&self.spec.manifest, target) {
                Ok(tasks) => {
                    self.total = tasks.len();
                    self.tasks = tasks;
                    if self.spec.confirmation_required {
                        self.suspended = Some(at);
                        self.move_on(Status::Suspended, at.plus(SUSPENDED));
                    } else {
                        self.move_on(Status::Ready, at.plus(READY));
                    }
                }
                Err((code, reason)) => self.fail(code, reason, at, target, meter),
            },
            Status::Suspended => {
                let reason = "nobody confirmed the job within 30 days".to_string();
                self.fail("ConfirmationExpired", reason, at, target, meter);
            }
            Status::Ready => {
                self.activated = Some(at);
                self.move_on(Status::Active, at);
            }
            Status::Active => self.work(at, target, meter),
            Status::Complete | Status::Failed | Status::Cancelled => self.due = None,
        }
    }

    fn move_on(&mut self, status: Status, due: Time) {
        (self.status, self.due) = (status, Some(due));
    }

    /// Does the tasks of one second, and ends the job a second after the last.
    fn work(&mut self, at: Time, target: &mut dyn BatchTarget, meter: &mut Meter) {
        let done = self.outcomes.len();
        if done == self.tasks.len() {
            return self.end(Status::Complete, at, target, meter);
        }
        for task in self.tasks.iter().skip(done).take(TASKS_PER_SECOND) {
            let outcome = self.spec.operation.act(task, target);
            let count = if outcome.error.is_none() { &mut self.succeeded } else { &mut self.failed };
            *count += 1;
            self.outcomes.push(outcome);
        }
        if self.outcomes.len() >= TASKS_BEFORE_GIVING_UP && self.failed * 2 > self.outcomes.len() {
            let reason = format!("{} of the first {} tasks failed", self.failed, self.outcomes.len());
            return self.fail("TooManyTaskFailures", reason, at, target, meter);
        }
        self.due = Some(at.plus(Duration::from_secs(1)));
    }

    fn fail(&mut self, code: &str, reason: String, at: Time, target: &mut dyn BatchTarget, meter: &mut Meter) {
        self.failure = Some((code.to_string(), reason));
        self.end(Status::Failed, at, target, meter);
    }

    /// Ends the job: writes its report and charges for it, if it had begun.
    fn end(&mut self, status: Status, at: Time, target: &mut dyn BatchTarget, meter: &mut Meter) {
        self.status = status;
        if !self.outcomes.is_empty() && !report::write(self, at, target) {
            let bucket = self.spec.report.as_ref().map(|r| r.bucket.as_str()).unwrap_or_default();
            let reason = format!("the report cannot be written to the bucket {bucket}");
            self.failure.get_or_insert(("ReportNotWritten".to_string(), reason));
            self.status = if status == Status::Cancelled { status } else { Status::Failed };
        }
        if self.activated.is_some() {
            meter.at(at).batch_job(self.outcomes.len() as u64);
        }
        (self.due, self.ended) = (None, Some(at));
        (self.tasks, self.outcomes) = (Vec::new(), Vec::new());
    }
}

impl Operation {
    fn act(&self, task: &Task, target: &mut dyn BatchTarget) -> Outcome {
        let version = task.version.as_deref();
        let result = match self {
            Self::Restore { days, tier } => {
                target.restore(&task.bucket, &task.key, version, *tier, *days).map(|()| "Successful".to_string())
            }
            Self::Checksum { algorithm } => target
                .checksum(&task.bucket, &task.key, version, algorithm)
                .map(|sum| report::checksum_message(algorithm, &sum)),
        };
        match result {
            Ok(message) => Outcome { error: None, status: 200, message },
            Err((status, code, message)) => Outcome { error: Some(code), status, message },
        }
    }
}

/// An id in the shape of a UUID, different for each job.
fn job_id(account: &str, number: u64) -> String {
    let hex = hex::encode(Md5::digest(format!("job {account} {number}").as_bytes()));
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}
