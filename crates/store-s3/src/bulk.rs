//! S3 Batch Operations: thaws and checksums of very many objects as one job that
//! runs in the cloud.
//!
//! A job reads a manifest, which lies under `batch/` in a bucket beside its
//! report. It only begins the thaws; that they are done tells a listing or an
//! event. What it did with each object stands in its report.

mod manifest;
mod report;

use std::fmt;
use std::sync::Arc;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3control::config::endpoint::{Endpoint, EndpointFuture, Params, ResolveEndpoint};
use aws_sdk_s3control::types::{
    ComputeObjectChecksumAlgorithm, ComputeObjectChecksumType, JobDescriptor, JobManifest, JobManifestFieldName,
    JobManifestFormat, JobManifestLocation, JobManifestSpec, JobOperation, JobReport, JobReportFormat, JobReportScope,
    JobStatus, S3ComputeObjectChecksumOperation, S3GlacierJobTier, S3InitiateRestoreObjectOperation,
};
use aws_smithy_types::error::operation::BuildError;
use aws_smithy_types::retry::RetryConfig;
use darkslide_store::StoreError;
use darkslide_words::{ObjectName, Tier};

use crate::S3Store;
use crate::failure::Failure;
use crate::link::{ANSWER, Link, timeouts, transfer_time};

pub use report::{BulkOutcome, Unasked};

/// Who runs the jobs, and where their papers lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkSettings {
    /// The account's twelve digits.
    pub account: String,
    /// ARN of the role that does the work; its partition is used throughout.
    pub role_arn: String,
    /// Bucket for manifests and reports, in the same region.
    pub bucket: String,
    /// Stands before `batch/` in it: empty, or ending with `/`.
    pub prefix: String,
    /// URL of an S3 Control service other than Amazon's.
    pub endpoint: Option<String>,
}

/// What a job does with each object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BulkWork {
    /// Asks for a thaw.
    Thaw {
        /// Bulk or Standard; jobs know no Expedited.
        tier: Tier,
        /// Days that the thawed copies stay; none for Intelligent-Tiering, whose
        /// objects cannot share a job with others.
        days: Option<u32>,
    },
    /// Computes the CRC64NVME where the object lies, also in the cold.
    Checksum,
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BulkState {
    /// Being prepared, or waiting for its turn.
    Waiting,
    /// Somebody has to confirm it first.
    Unconfirmed,
    /// Under way.
    Running,
    /// Every object was dealt with, well or not.
    Done,
    /// Given up; the reasons.
    Failed(Vec<String>),
    /// Stopped by somebody.
    Cancelled,
}

impl BulkState {
    /// True if nothing more will happen, so that the report is there.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Done | Self::Failed(_) | Self::Cancelled)
    }
}

/// A job as the service describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkStatus {
    /// How far it is.
    pub state: BulkState,
    /// Objects in it, once they are counted.
    pub total: u64,
    /// Objects dealt with well.
    pub succeeded: u64,
    /// Objects that were refused.
    pub failed: u64,
}

/// Makes jobs over the objects of one store, and reads what they did.
pub struct Bulk {
    link: Arc<Link>,
    s3: aws_sdk_s3::Client,
    control: aws_sdk_s3control::Client,
    settings: BulkSettings,
    /// Where the objects are.
    bucket: String,
    prefix: String,
}

impl fmt::Debug for Bulk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bulk").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Always the same URL: Amazon's own puts the account before the host's name.
#[derive(Debug)]
struct Fixed(String);

impl ResolveEndpoint for Fixed {
    fn resolve_endpoint<'a>(&'a self, _params: &'a Params) -> EndpointFuture<'a> {
        EndpointFuture::ready(Ok(Endpoint::builder().url(self.0.clone()).build()))
    }
}

impl Bulk {
    /// For the objects of `store`, with its region and credentials. Asks nobody yet.
    pub fn new(store: &S3Store, settings: BulkSettings) -> Result<Self, StoreError> {
        let setup = |why: &str, advice: &str| {
            let store = store.link.label.clone();
            Err(StoreError::Setup { store, why: why.into(), advice: advice.into() })
        };
        if settings.account.len() != 12 || !settings.account.bytes().all(|b| b.is_ascii_digit()) {
            return setup("has no account id for batch jobs", "set the account's twelve digits");
        }
        if partition(&settings.role_arn).is_none() {
            return setup("has no role for batch jobs", "set the ARN of the role, such as arn:aws:iam::…:role/…");
        }
        if !settings.prefix.is_empty() && !settings.prefix.ends_with('/') {
            return setup("has a prefix for batch jobs without `/` at its end", "add it");
        }
        let mut config = aws_sdk_s3control::config::Builder::from(&store.link.sdk)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts());
        if let Some(endpoint) = &settings.endpoint {
            config = config.endpoint_resolver(Fixed(endpoint.trim_end_matches('/').into()));
        }
        Ok(Self {
            link: store.link.clone(),
            s3: store.s3.clone(),
            control: aws_sdk_s3control::Client::from_conf(config.build()),
            bucket: store.settings.bucket.clone(),
            prefix: store.settings.prefix.clone(),
            settings,
        })
    }

    /// Makes a job and returns its id. The caller has quoted it, and has written
    /// down `token`: the same token again finds the same job instead of making
    /// and paying for a second one.
    pub fn start(&self, token: &str, names: &[ObjectName], work: &BulkWork) -> Result<String, StoreError> {
        let refused = |why: &str, advice: &str| {
            let store = self.link.label.clone();
            Err(StoreError::Setup { store, why: why.into(), advice: advice.into() })
        };
        if ObjectName::new(token).is_err() || token.contains('/') || token.len() > 64 {
            return refused("was given a batch job whose token is no name", "use letters, digits, `-`, up to 64");
        }
        if names.is_empty() {
            return refused("was given a batch job without objects", "choose at least one");
        }
        if matches!(work, BulkWork::Thaw { tier: Tier::Expedited, .. }) {
            return refused(
                "cannot run an Expedited thaw as a batch job",
                "choose Bulk or Standard, or thaw one by one",
            );
        }
        let failed = |what: &str| {
            let what = what.to_string();
            move |f: Failure| f.error(&self.link.label, &what, None)
        };
        let csv = manifest::write(&self.bucket, &self.prefix, names);
        let key = format!("{}manifest.csv", self.folder(token));
        let etag = self.link.block(self.lay_down(&key, csv)).map_err(failed("writing the manifest of a batch job"))?;
        let created = self.link.block(self.create(token, &key, &etag, work));
        created.map_err(failed("making a batch job"))
    }

    /// How far a job is.
    pub fn describe(&self, job: &str) -> Result<BulkStatus, StoreError> {
        let asked = self.link.attempts(ANSWER, || async {
            let describe = self.control.describe_job().account_id(&self.settings.account).job_id(job);
            Ok(describe.send().await?)
        });
        let failed = |f: Failure| f.error(&self.link.label, &format!("asking for the batch job {job}"), None);
        let answer = self.link.block(asked).map_err(failed)?;
        let described = answer.job.ok_or_else(|| failed(Failure::unreadable("the answer describes no job")))?;
        Ok(status(&described))
    }

    /// What became of each object of `names`, by the report of a job that is over,
    /// in their order; and what the report says beside them.
    pub fn outcomes(
        &self,
        token: &str,
        job: &str,
        names: &[ObjectName],
    ) -> Result<(Vec<(ObjectName, BulkOutcome)>, Unasked), StoreError> {
        let failed =
            |f: Failure| f.error(&self.link.label, &format!("reading the report of the batch job {job}"), None);
        let rows = self.link.block(self.rows(token, job)).map_err(failed)?;
        Ok(report::reconcile(&self.bucket, &self.prefix, names, &rows))
    }

    /// What became of every object that the report of a job that is over names.
    pub fn reported(&self, token: &str, job: &str) -> Result<Vec<(ObjectName, BulkOutcome)>, StoreError> {
        let failed =
            |f: Failure| f.error(&self.link.label, &format!("reading the report of the batch job {job}"), None);
        let rows = self.link.block(self.rows(token, job)).map_err(failed)?;
        let names = report::names(&self.bucket, &self.prefix, &rows);
        Ok(report::reconcile(&self.bucket, &self.prefix, &names, &rows).0)
    }

    fn folder(&self, token: &str) -> String {
        format!("{}batch/{token}/", self.settings.prefix)
    }

    fn arn(&self, rest: &str) -> String {
        format!("arn:{}:s3:::{rest}", partition(&self.settings.role_arn).unwrap_or("aws"))
    }

    /// PUTs the manifest, or finds the one of an earlier attempt. Returns its ETag.
    async fn lay_down(&self, key: &str, csv: String) -> Result<String, Failure> {
        let body = bytes::Bytes::from(csv);
        let put = self.link.attempts(transfer_time(body.len() as u64), || async {
            let put = self.s3.put_object().bucket(&self.settings.bucket).key(key).if_none_match("*");
            let put = put.storage_class(aws_sdk_s3::types::StorageClass::Standard);
            Ok(put.body(ByteStream::from(body.clone())).content_type("text/csv").send().await?)
        });
        let etag = match put.await {
            Ok(done) => done.e_tag,
            Err(failure) if failure.is_taken() => {
                let list = self.link.attempts(ANSWER, || async {
                    let list = self.s3.list_objects_v2().bucket(&self.settings.bucket).prefix(key).max_keys(1);
                    Ok(list.send().await?)
                });
                let there = list.await?.contents.unwrap_or_default().into_iter().next();
                let there = there.filter(|object| object.key() == Some(key));
                if there.as_ref().and_then(|object| object.size()) != Some(body.len() as i64) {
                    return Err(Failure::unreadable("another job's manifest lies under the same token; use a new one"));
                }
                there.and_then(|object| object.e_tag)
            }
            Err(failure) => return Err(failure),
        };
        let etag = etag.ok_or_else(|| Failure::unreadable("the manifest has no ETag"))?;
        Ok(etag.trim_matches('"').to_string())
    }

    async fn create(&self, token: &str, key: &str, etag: &str, work: &BulkWork) -> Result<String, Failure> {
        let built = |e: BuildError| Failure::unreadable(e.to_string());
        let location = JobManifestLocation::builder()
            .object_arn(self.arn(&format!("{}/{key}", self.settings.bucket)))
            .e_tag(etag)
            .build()
            .map_err(built)?;
        let spec = JobManifestSpec::builder()
            .format(JobManifestFormat::S3BatchOperationsCsv20180820)
            .fields(JobManifestFieldName::Bucket)
            .fields(JobManifestFieldName::Key)
            .build()
            .map_err(built)?;
        let manifest = JobManifest::builder().spec(spec).location(location).build();
        let report = JobReport::builder()
            .bucket(self.arn(&self.settings.bucket))
            .prefix(self.folder(token).trim_end_matches('/'))
            .format(JobReportFormat::ReportCsv20180820)
            .enabled(true)
            .report_scope(JobReportScope::AllTasks)
            .build();
        let answer = self.link.attempts(ANSWER, || async {
            let create = self.control.create_job().account_id(&self.settings.account);
            let create = create.client_request_token(token).role_arn(&self.settings.role_arn).priority(10);
            let create = create.operation(operation(work)).manifest(manifest.clone()).report(report.clone());
            Ok(create.confirmation_required(false).description(format!("Darkslide {token}")).send().await?)
        });
        answer.await?.job_id.ok_or_else(|| Failure::unreadable("the job was made without an id"))
    }

    /// Every row of a job's report.
    async fn rows(&self, token: &str, job: &str) -> Result<Vec<report::Row>, Failure> {
        let folder = format!("{}job-{job}/", self.folder(token));
        let index = self.fetch(&self.settings.bucket, &format!("{folder}manifest.json")).await?;
        let index = report::Index::read(&index).map_err(Failure::unreadable)?;
        let mut rows = Vec::new();
        for part in index.parts() {
            let text = self.fetch(&part.bucket, &part.key).await?;
            rows.extend(index.rows(&text).map_err(Failure::unreadable)?);
        }
        Ok(rows)
    }

    async fn fetch(&self, bucket: &str, key: &str) -> Result<String, Failure> {
        let fetched = self.link.attempts(transfer_time(1 << 30), || async {
            let answer = self.s3.get_object().bucket(bucket).key(key).send().await?;
            let body =
                answer.body.collect().await.map_err(|e| Failure::no_answer(format!("the download broke: {e}")))?;
            Ok(Vec::from(body.into_bytes()))
        });
        String::from_utf8(fetched.await?).map_err(|_| Failure::unreadable(format!("{key} is not text")))
    }
}

/// `aws`, `aws-cn`, …: the second field of an ARN.
fn partition(arn: &str) -> Option<&str> {
    let mut fields = arn.split(':');
    (fields.next() == Some("arn")).then(|| fields.next())?.filter(|partition| partition.starts_with("aws"))
}

fn operation(work: &BulkWork) -> JobOperation {
    match work {
        BulkWork::Thaw { tier, days } => {
            let tier = match tier {
                Tier::Bulk => S3GlacierJobTier::Bulk,
                // Expedited was refused before.
                Tier::Standard | Tier::Expedited => S3GlacierJobTier::Standard,
            };
            let days = days.map(|days| i32::try_from(days).unwrap_or(i32::MAX));
            let thaw = S3InitiateRestoreObjectOperation::builder().glacier_job_tier(tier).set_expiration_in_days(days);
            JobOperation::builder().s3_initiate_restore_object(thaw.build()).build()
        }
        BulkWork::Checksum => {
            let sum = S3ComputeObjectChecksumOperation::builder()
                .checksum_algorithm(ComputeObjectChecksumAlgorithm::Crc64Nvme)
                .checksum_type(ComputeObjectChecksumType::FullObject);
            JobOperation::builder().s3_compute_object_checksum(sum.build()).build()
        }
    }
}

fn status(job: &JobDescriptor) -> BulkStatus {
    let count = |n: Option<i64>| n.and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
    let progress = job.progress_summary();
    let state = match job.status() {
        Some(JobStatus::Suspended) => BulkState::Unconfirmed,
        Some(JobStatus::Active | JobStatus::Completing | JobStatus::Pausing | JobStatus::Paused) => BulkState::Running,
        Some(JobStatus::Complete) => BulkState::Done,
        Some(JobStatus::Cancelling | JobStatus::Failing) => BulkState::Running,
        Some(JobStatus::Cancelled) => BulkState::Cancelled,
        Some(JobStatus::Failed) => {
            let said = |f: &aws_sdk_s3control::types::JobFailure| {
                [f.failure_code(), f.failure_reason()].into_iter().flatten().collect::<Vec<_>>().join(": ")
            };
            BulkState::Failed(job.failure_reasons().iter().map(said).collect())
        }
        _ => BulkState::Waiting,
    };
    BulkStatus {
        state,
        total: count(progress.and_then(|p| p.total_number_of_tasks())),
        succeeded: count(progress.and_then(|p| p.number_of_tasks_succeeded())),
        failed: count(progress.and_then(|p| p.number_of_tasks_failed())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_s3control::types::{JobFailure, JobProgressSummary};

    #[test]
    fn partitions_follow_the_role() {
        assert_eq!(partition("arn:aws:iam::123456789012:role/x"), Some("aws"));
        assert_eq!(partition("arn:aws-cn:iam::123456789012:role/x"), Some("aws-cn"));
        for bad in ["", "role/x", "arn", "arn:", "arn:other:iam::1:role/x"] {
            assert_eq!(partition(bad), None, "{bad}");
        }
    }

    #[test]
    fn jobs_are_described() {
        let progress = JobProgressSummary::builder().total_number_of_tasks(9).number_of_tasks_failed(2).build();
        let job = |status| JobDescriptor::builder().status(status).progress_summary(progress.clone());
        let done = status(&job(JobStatus::Complete).build());
        assert_eq!(done, BulkStatus { state: BulkState::Done, total: 9, succeeded: 0, failed: 2 });
        let reason = JobFailure::builder().failure_code("403").failure_reason("no").build();
        let failed = status(&job(JobStatus::Failed).failure_reasons(reason).build());
        assert_eq!(failed.state, BulkState::Failed(vec!["403: no".into()]));
        assert!(failed.state.is_over() && !status(&job(JobStatus::Preparing).build()).state.is_over());
        assert_eq!(status(&JobDescriptor::builder().build()).state, BulkState::Waiting);
    }

    #[test]
    fn days_are_absent_where_none_are_asked_for() {
        let thaw = |days| operation(&BulkWork::Thaw { tier: Tier::Bulk, days });
        let restore = |op: &JobOperation| op.s3_initiate_restore_object().cloned().unwrap();
        assert_eq!(restore(&thaw(None)).expiration_in_days(), None);
        assert_eq!(restore(&thaw(Some(7))).expiration_in_days(), Some(7));
        assert_eq!(restore(&thaw(None)).glacier_job_tier(), Some(&S3GlacierJobTier::Bulk));
        let sum = operation(&BulkWork::Checksum);
        assert!(sum.s3_compute_object_checksum().is_some() && sum.s3_initiate_restore_object().is_none());
    }
}
