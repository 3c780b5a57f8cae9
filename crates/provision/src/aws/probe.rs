//! Harmless attempts with the credentials of one identity, to see what is refused.
//!
//! **Invariant:** nothing is written, replaced or deleted, whether an attempt is allowed or not: a PUT
//! carries a checksum that cannot be right, a DELETE a condition that cannot hold, and each goes to a
//! name under which nothing lies. Only a GET may meet something, and then reads one byte of it.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{GlacierJobParameters, RestoreRequest, StorageClass, Tier};

use super::{AwsCloud, AwsSettings};
use crate::cloud::CloudError;
use crate::desired::{BucketName, KeyPrefix, Region};
use crate::verify::{Attempt, Outcome, Probe, Replacing, Setting};

/// Whose MD5 is not that of any body that is sent.
const WRONG_MD5: &str = "AAAAAAAAAAAAAAAAAAAAAA==";
/// Holds where something lies, and nothing does. With an ETag in its place AWS would want `s3:GetObject`, too.
const WHATEVER_LIES_HERE: &str = "*";
/// Answers that come only after the right was granted.
const AFTER_THE_GATE: &[&str] = &[
    "BadDigest",
    "InvalidDigest",
    "NoSuchKey",
    "NotFound",
    "NoSuchVersion",
    "PreconditionFailed",
    "ConditionalRequestConflict",
    "InvalidObjectState",
    "InvalidRange",
    "NoSuchLifecycleConfiguration",
    "NoSuchBucketPolicy",
    "ObjectLockConfigurationNotFoundError",
];
const REFUSED: &[&str] = &["AccessDenied", "Forbidden", "HTTP 403"];

/// The bucket as one identity sees it.
#[derive(Debug)]
pub struct ProbeBucket {
    cloud: AwsCloud,
    bucket: BucketName,
    prefix: KeyPrefix,
}

impl ProbeBucket {
    /// With these credentials. Asks nobody yet.
    pub fn open(
        region: &Region,
        settings: &AwsSettings,
        bucket: &BucketName,
        prefix: &KeyPrefix,
    ) -> Result<Self, CloudError> {
        let cloud = AwsCloud::open(region, settings)?;
        Ok(Self { cloud, bucket: bucket.clone(), prefix: prefix.clone() })
    }

    /// A name in a folder under which nothing lies; a whole name as it is.
    fn key(&self, below: &str) -> String {
        let nothing =
            if below.ends_with('/') || below == "elsewhere" { "darkslide-verify-nothing-lies-here" } else { "" };
        format!("{}{below}{nothing}", self.prefix)
    }

    fn look(&self, setting: Setting) -> Result<(), CloudError> {
        let (s3, bucket) = (&self.cloud.s3, self.bucket.as_str());
        match setting {
            Setting::Versioning => {
                let asked = s3.get_bucket_versioning().bucket(bucket).send();
                self.cloud.ask("GetBucketVersioning", &self.bucket, asked).map(|_| ())
            }
            Setting::ObjectLock => {
                let asked = s3.get_object_lock_configuration().bucket(bucket).send();
                self.cloud.ask("GetObjectLockConfiguration", &self.bucket, asked).map(|_| ())
            }
            Setting::Lifecycle => {
                let asked = s3.get_bucket_lifecycle_configuration().bucket(bucket).send();
                self.cloud.ask("GetBucketLifecycleConfiguration", &self.bucket, asked).map(|_| ())
            }
            Setting::Policy => {
                let asked = s3.get_bucket_policy().bucket(bucket).send();
                self.cloud.ask("GetBucketPolicy", &self.bucket, asked).map(|_| ())
            }
        }
    }
}

impl Probe for ProbeBucket {
    fn attempt(&self, attempt: &Attempt) -> Result<Outcome, CloudError> {
        let (s3, bucket) = (&self.cloud.s3, self.bucket.as_str());
        let done = match attempt {
            Attempt::List => {
                let prefix = self.prefix.as_str();
                let listed = s3.list_objects_v2().bucket(bucket).prefix(prefix).max_keys(1).send();
                self.cloud.ask("ListObjectsV2", &self.bucket, listed).map(|_| ())
            }
            Attempt::ListVersions => {
                let listed = s3.list_object_versions().bucket(bucket).prefix(self.prefix.as_str()).max_keys(1).send();
                self.cloud.ask("ListObjectVersions", &self.bucket, listed).map(|_| ())
            }
            Attempt::Look(setting) => self.look(*setting),
            Attempt::Put { below, class, replacing } => {
                let put = s3.put_object().bucket(bucket).key(self.key(below)).content_md5(WRONG_MD5);
                let put = put.set_storage_class(class.as_ref().map(|class| StorageClass::from(class.as_str())));
                let put = match replacing {
                    Replacing::Never => put.if_none_match("*"),
                    Replacing::Allowed => put,
                };
                let sent = put.body(ByteStream::from_static(b"darkslide cloud verify")).send();
                self.cloud.ask("PutObject", &self.bucket, sent).map(|_| ())
            }
            Attempt::Get { below } => {
                let got = s3.get_object().bucket(bucket).key(self.key(below)).range("bytes=0-0").send();
                self.cloud.ask("GetObject", &self.bucket, got).map(|_| ())
            }
            Attempt::Delete { below } => {
                let deleted =
                    s3.delete_object().bucket(bucket).key(self.key(below)).if_match(WHATEVER_LIES_HERE).send();
                self.cloud.ask("DeleteObject", &self.bucket, deleted).map(|_| ())
            }
            Attempt::Thaw { below } => {
                let tier = GlacierJobParameters::builder().tier(Tier::Bulk).build();
                let tier = tier.map_err(|bad| super::unfit("RestoreObject", &self.bucket, bad))?;
                let request = RestoreRequest::builder().days(1).glacier_job_parameters(tier).build();
                let asked = s3.restore_object().bucket(bucket).key(self.key(below)).restore_request(request).send();
                self.cloud.ask("RestoreObject", &self.bucket, asked).map(|_| ())
            }
        };
        match done {
            Ok(()) => Ok(Outcome::Allowed),
            Err(error) => match error.code() {
                Some(code) if AFTER_THE_GATE.contains(&code) => Ok(Outcome::Allowed),
                Some(code) if REFUSED.contains(&code) => Ok(Outcome::Refused),
                _ => Err(error),
            },
        }
    }
}
