//! What S3 Control answers: descriptions of jobs, and refusals.

use darkslide_words::{Tier, Time};

use super::request::Operation;
use super::xml::{leaf, node};
use super::{Job, Status};
use crate::queue::instant;

/// Why a request is refused.
#[derive(Debug)]
pub(super) struct Refusal {
    status: u16,
    code: &'static str,
    message: String,
}

impl Refusal {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequestException", message)
    }

    pub(super) fn malformed(message: impl Into<String>) -> Self {
        Self::new(400, "MalformedXML", message)
    }

    pub(super) fn not_implemented(message: impl Into<String>) -> Self {
        Self::new(501, "NotImplemented", message)
    }

    /// Status and body.
    pub(super) fn answer(self) -> (u16, String) {
        let error = leaf("Code", Some(self.code)) + &leaf("Message", Some(&self.message));
        (self.status, document("ErrorResponse", &(node("Error", &error) + &leaf("RequestId", Some("COLDSIM")))))
    }
}

fn document(name: &str, inside: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <{name} xmlns=\"http://awss3control.amazonaws.com/doc/2018-08-20/\">{inside}</{name}>"
    )
}

/// `CreateJobResult`.
pub(super) fn created(id: &str) -> String {
    document("CreateJobResult", &leaf("JobId", Some(id)))
}

/// `UpdateJobStatusResult`.
pub(super) fn updated(job: &Job) -> String {
    let inside = leaf("JobId", Some(&job.id))
        + &leaf("Status", Some(job.status.name()))
        + &leaf("StatusUpdateReason", job.reason.as_deref());
    document("UpdateJobStatusResult", &inside)
}

/// `ListJobsResult`.
pub(super) fn list(jobs: &[&Job], next: Option<&str>) -> String {
    let members: String = jobs
        .iter()
        .map(|job| {
            let inside = [
                leaf("JobId", Some(&job.id)),
                leaf("Description", job.spec.description.as_deref()),
                leaf("Operation", Some(job.spec.operation.name())),
                leaf("Priority", Some(&job.spec.priority.to_string())),
                leaf("Status", Some(job.status.name())),
                leaf("CreationTime", Some(&instant(job.created))),
                leaf("TerminationDate", job.ended.map(instant).as_deref()),
                progress(job, job.ended.unwrap_or(job.created)),
            ];
            node("member", &inside.concat())
        })
        .collect();
    document("ListJobsResult", &(node("Jobs", &members) + &leaf("NextToken", next)))
}

/// `DescribeJobResult`.
pub(super) fn describe(job: &Job, region: &str, account: &str, now: Time) -> String {
    let spec = &job.spec;
    let truth = |truth: bool| if truth { "true" } else { "false" };
    let failures = job.failure.as_ref().map(|(code, reason)| {
        let failure = leaf("FailureCode", Some(code)) + &leaf("FailureReason", Some(reason));
        node("FailureReasons", &node("member", &failure))
    });
    let suspended = job.status == Status::Suspended;
    let inside = [
        leaf("JobId", Some(&job.id)),
        leaf("ConfirmationRequired", Some(truth(spec.confirmation_required))),
        leaf("Description", spec.description.as_deref()),
        leaf("JobArn", Some(&format!("arn:aws:s3:{region}:{account}:job/{}", job.id))),
        leaf("Status", Some(job.status.name())),
        manifest(job),
        node("Operation", &operation(&spec.operation)),
        leaf("Priority", Some(&spec.priority.to_string())),
        progress(job, now),
        leaf("StatusUpdateReason", job.reason.as_deref()),
        failures.unwrap_or_default(),
        report(job),
        leaf("CreationTime", Some(&instant(job.created))),
        leaf("TerminationDate", job.ended.map(instant).as_deref()),
        leaf("RoleArn", Some(&spec.role)),
        leaf("SuspendedDate", job.suspended.map(instant).as_deref()),
        leaf("SuspendedCause", suspended.then_some("AwaitingConfirmation")),
    ];
    document("DescribeJobResult", &node("Job", &inside.concat()))
}

fn manifest(job: &Job) -> String {
    let manifest = &job.spec.manifest;
    let fields: String = manifest.fields.iter().map(|field| leaf("member", Some(field.name()))).collect();
    let spec = leaf("Format", Some("S3BatchOperations_CSV_20180820")) + &node("Fields", &fields);
    let location = leaf("ObjectArn", Some(&manifest.arn))
        + &leaf("ObjectVersionId", manifest.version.as_deref())
        + &leaf("ETag", Some(&manifest.etag));
    node("Manifest", &(node("Spec", &spec) + &node("Location", &location)))
}

fn operation(operation: &Operation) -> String {
    let inside = match operation {
        Operation::Restore { days, tier } => {
            let tier = if *tier == Tier::Bulk { "BULK" } else { "STANDARD" };
            let days = days.map(|days| days.to_string());
            leaf("ExpirationInDays", days.as_deref()) + &leaf("GlacierJobTier", Some(tier))
        }
        Operation::Checksum { algorithm } => {
            leaf("ChecksumAlgorithm", Some(algorithm)) + &leaf("ChecksumType", Some("FULL_OBJECT"))
        }
    };
    node(operation.name(), &inside)
}

fn report(job: &Job) -> String {
    let Some(report) = &job.spec.report else {
        return node("Report", &leaf("Enabled", Some("false")));
    };
    let scope = if report.failed_only { "FailedTasksOnly" } else { "AllTasks" };
    let inside = [
        leaf("Bucket", Some(&format!("arn:aws:s3:::{}", report.bucket))),
        leaf("Format", Some("Report_CSV_20180820")),
        leaf("Enabled", Some("true")),
        leaf("Prefix", report.prefix.as_deref()),
        leaf("ReportScope", Some(scope)),
    ];
    node("Report", &inside.concat())
}

fn progress(job: &Job, now: Time) -> String {
    let number = |n: usize| n.to_string();
    let active = job.activated.map(|since| since.until(job.ended.unwrap_or(now)).as_secs());
    let timers = active.map(|seconds| node("Timers", &leaf("ElapsedTimeInActiveSeconds", Some(&seconds.to_string()))));
    let inside = [
        leaf("TotalNumberOfTasks", Some(&number(job.total))),
        leaf("NumberOfTasksSucceeded", Some(&number(job.succeeded))),
        leaf("NumberOfTasksFailed", Some(&number(job.failed))),
        timers.unwrap_or_default(),
    ];
    node("ProgressSummary", &inside.concat())
}

impl Operation {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Restore { .. } => "S3InitiateRestoreObject",
            Self::Checksum { .. } => "S3ComputeObjectChecksum",
        }
    }
}
