//! Writer, restorer, auditor, pruner.
//!
//! A user carries at most 2,048 characters of policy, and a bucket's name may have 63. So actions are
//! allowed below the repository's prefix as a whole, and then denied but for kinds of objects, whose
//! patterns need no bucket. So no part of the prefix may be called like a kind (`check` refuses it). What fits a
//! pattern of kinds in some other place, such as `elsewhere/trees/x`, is no name of a repository's object.

use serde_json::{Value, json};

use super::{BATCH, COLD, CONDEMNED, CONTROL, HOT, PRUNED, WARM, of, pattern};
use crate::desired::{BucketDesired, Desired};

/// Whether versions are locked, and for how long.
const LOCK: &str = "s3:GetBucketObjectLockConfiguration";

/// Kinds of objects, wherever they lie; for denials alone.
fn kinds(below: &[&str]) -> Vec<String> {
    below.iter().map(|below| format!("arn:*:s3:::*/{}", pattern(below))).collect()
}

/// What a bucket's documents are made of.
struct Place<'a> {
    desired: &'a Desired,
    bucket: &'a BucketDesired,
}

impl<'a> Place<'a> {
    fn of(desired: &'a Desired) -> Option<Self> {
        desired.bucket.as_ref().map(|bucket| Self { desired, bucket })
    }

    fn bucket_arn(&self) -> String {
        self.desired.bucket_arn(self.bucket)
    }

    /// Everything of the repository.
    fn below(&self) -> String {
        self.desired.object_arn(self.bucket, "*")
    }

    /// Listing. It cannot be bound to the repository's prefix: with `s3:prefix` in a condition, the GET of a
    /// name that is missing is answered by 403 in place of 404.
    fn list(&self) -> Value {
        json!({
            "Sid": "DarkslideList", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": self.bucket_arn(),
        })
    }

    /// An action on kinds of objects, and on no others.
    fn only(&self, word: &str, action: &str, below: &[&str]) -> [Value; 2] {
        let sid = |more: &str| format!("Darkslide{word}{more}");
        [
            json!({ "Sid": sid(""), "Effect": "Allow", "Action": action, "Resource": self.below() }),
            json!({ "Sid": sid("Only"), "Effect": "Deny", "Action": action, "NotResource": kinds(below) }),
        ]
    }

    fn read(&self, below: &[&str]) -> [Value; 2] {
        self.only("Read", "s3:GetObject", below)
    }

    /// Create-only PUTs of one class. Parts of an upload carry neither header: nothing but whole PUTs go through.
    fn put(&self, word: &str, class: &str, resource: &str) -> Value {
        json!({
            "Sid": format!("Darkslide{word}"), "Effect": "Allow", "Action": "s3:PutObject", "Resource": resource,
            "Condition": {
                "StringEquals": { "s3:x-amz-storage-class": class },
                "Null": { "s3:if-none-match": "false" },
            },
        })
    }

    /// Manifests of batch jobs.
    fn manifests(&self) -> Value {
        self.put("Manifest", "STANDARD", &self.desired.object_arn(self.bucket, &pattern(BATCH)))
    }

    /// A kind of batch job, with a role of the identity's path to do it.
    fn jobs(&self, operation: &str) -> Vec<Value> {
        let path = self.desired.identities.first().map_or_else(|| "/".to_string(), |i| i.path.to_string());
        let role = format!("arn:{}:iam::{}:role{path}*", self.desired.partition(), self.desired.account);
        vec![
            json!({
                "Sid": "DarkslideJob", "Effect": "Allow", "Action": "s3:CreateJob", "Resource": "*",
                "Condition": { "StringEquals": { "s3:RequestJobOperation": operation } },
            }),
            json!({
                "Sid": "DarkslideJobs", "Effect": "Allow", "Action": "s3:DescribeJob",
                "Resource": format!(
                    "arn:{}:s3:{}:{}:job/*", self.desired.partition(), self.desired.region, self.desired.account
                ),
            }),
            json!({
                "Sid": "DarkslideJobRole", "Effect": "Allow", "Action": "iam:PassRole", "Resource": role,
                "Condition": { "StringEquals": { "iam:PassedToService": "batchoperations.s3.amazonaws.com" } },
            }),
        ]
    }
}

/// What a PUT and a GET need of a key of KMS that encrypts the bucket.
const KMS: [&str; 2] = ["kms:GenerateDataKey", "kms:Decrypt"];

fn kms(desired: &Desired) -> Option<Value> {
    let key = desired.kms_key()?;
    Some(json!({ "Sid": "DarkslideKey", "Effect": "Allow", "Action": KMS, "Resource": key }))
}

fn vaults(desired: &Desired, actions: &[&str]) -> Option<Value> {
    let arns: Vec<String> = desired.vaults.iter().map(|vault| desired.vault_arn(&vault.name)).collect();
    let actions: Vec<String> = actions.iter().map(|action| format!("glacier:{action}")).collect();
    (!arns.is_empty())
        .then(|| json!({ "Sid": "DarkslideVaults", "Effect": "Allow", "Action": actions, "Resource": arns }))
}

/// Whatever else is given to who holds this: nothing but these actions.
fn nothing_else(desired: &Desired, actions: &[&str]) -> Value {
    let mut actions = actions.to_vec();
    if desired.kms_key().is_some() {
        actions.extend(KMS);
    }
    if !desired.vaults.is_empty() || actions.is_empty() {
        actions.push("glacier:*");
    }
    json!({ "Sid": "DarkslideNothingElse", "Effect": "Deny", "NotAction": actions, "Resource": "*" })
}

/// Puts new objects in their class, lists, reads the control documents.
pub(super) fn writer(desired: &Desired) -> Value {
    let mut statements = Vec::new();
    if let Some(place) = Place::of(desired) {
        let bucket = place.bucket;
        let (cold, warm) = (bucket.cold_class.as_str(), bucket.warm_class.as_str());
        let all: Vec<&str> = COLD.iter().chain(&WARM).chain(&HOT).copied().collect();
        statements = vec![
            place.put("PutCold", cold, &desired.object_arn(bucket, &pattern(COLD[0]))),
            place.put("PutWarm", warm, &desired.object_arn(bucket, &pattern(WARM[0]))),
            place.put("PutHot", "STANDARD", &place.below()),
            json!({
                "Sid": "DarkslidePutOnly", "Effect": "Deny", "Action": "s3:PutObject",
                "NotResource": kinds(&all),
            }),
        ];
        // Else the third statement would let packs through in STANDARD.
        let elsewhere: Vec<&str> =
            [(cold, COLD[0]), (warm, WARM[0])].into_iter().filter(|(c, _)| *c != "STANDARD").map(|(_, k)| k).collect();
        if !elsewhere.is_empty() {
            statements.push(json!({
                "Sid": "DarkslideClass", "Effect": "Deny", "Action": "s3:PutObject", "Resource": kinds(&elsewhere),
                "Condition": { "StringEquals": { "s3:x-amz-storage-class": "STANDARD" } },
            }));
        }
        statements.push(place.list());
        statements.extend(place.read(&CONTROL));
    }
    statements.push(nothing_else(desired, &["s3:PutObject", "s3:GetObject", "s3:ListBucket"]));
    statements.extend(kms(desired));
    // Of archives it may upload and nothing else; the upload of parts has six actions.
    let actions = ["UploadArchive", "*Multipart*", "ListParts", "DescribeVault"];
    statements.extend(vaults(desired, &actions));
    of(statements)
}

/// Thaws and reads everything of the repository. No condition of IAM knows the tier of a thaw: its cost is
/// capped by the program alone.
pub(super) fn restorer(desired: &Desired) -> Value {
    let mut statements = Vec::new();
    if let Some(place) = Place::of(desired) {
        let packs = [COLD[0], WARM[0]].map(|kind| desired.object_arn(place.bucket, &pattern(kind)));
        statements = vec![
            place.list(),
            json!({
                "Sid": "DarkslideRead", "Effect": "Allow", "Action": "s3:GetObject", "Resource": place.below(),
            }),
            json!({
                "Sid": "DarkslideThaw", "Effect": "Allow", "Action": "s3:RestoreObject", "Resource": packs,
            }),
            place.manifests(),
        ];
        statements.extend(place.jobs("S3InitiateRestoreObject"));
    }
    if let Some(queue) = &desired.thaw_events.queue {
        statements.push(json!({
            "Sid": "DarkslideThawEvents", "Effect": "Allow",
            "Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage"], "Resource": desired.queue_arn(queue),
        }));
    }
    statements.extend(kms(desired));
    statements.extend(vaults(desired, &["DescribeVault", "InitiateJob", "DescribeJob", "ListJobs", "GetJobOutput"]));
    of(statements)
}

/// Lists, reads what is no photograph, has checksums computed. It may not even ask for a photograph's HEAD, which
/// is GET to IAM: class, size and state of a thaw come from the listing.
pub(super) fn auditor(desired: &Desired) -> Value {
    let mut statements = Vec::new();
    if let Some(place) = Place::of(desired) {
        let bucket_arn = place.bucket_arn();
        let mut below = CONTROL.to_vec();
        below.extend(["snapshots/", BATCH]);
        statements = vec![
            place.list(),
            json!({
                "Sid": "DarkslideLook", "Effect": "Allow", "Resource": bucket_arn,
                "Action": [
                    "s3:GetBucketVersioning", "s3:GetBucketObjectLockConfiguration", "s3:GetLifecycleConfiguration",
                    "s3:GetBucketPolicyStatus", "s3:GetBucketPublicAccessBlock", "s3:ListBucketVersions",
                ],
            }),
            place.manifests(),
        ];
        statements.extend(place.read(&below));
        statements.extend(place.jobs("S3ComputeObjectChecksum"));
    }
    statements.extend(kms(desired));
    // `InitiateJob` fetches inventories and archives alike; without it a vault has no inventory.
    statements.extend(vaults(desired, &["DescribeVault", "ListJobs", "DescribeJob", "InitiateJob", "GetJobOutput"]));
    of(statements)
}

/// Puts tombstones and what replaces old segments, and deletes; reads no photograph, and no lock bends for it.
pub(super) fn pruner(desired: &Desired) -> Value {
    let (mut statements, mut actions) = (Vec::new(), Vec::new());
    if let Some(place) = Place::of(desired) {
        actions = vec!["s3:PutObject", "s3:GetObject", "s3:ListBucket", "s3:DeleteObject", LOCK];
        statements = vec![
            place.list(),
            json!({ "Sid": "DarkslideLock", "Effect": "Allow", "Action": LOCK, "Resource": place.bucket_arn() }),
            place.put("Condemn", "STANDARD", &place.below()),
            json!({
                "Sid": "DarkslideCondemnOnly", "Effect": "Deny", "Action": "s3:PutObject",
                "NotResource": kinds(&[CONDEMNED, "index/"]),
            }),
        ];
        statements.extend(place.read(&CONTROL));
        statements.extend(place.only("Delete", "s3:DeleteObject", &PRUNED));
        if place.bucket.lock.is_some() {
            actions.push("s3:GetObjectRetention");
            statements.push(json!({
                "Sid": "DarkslideRetention", "Effect": "Allow", "Action": "s3:GetObjectRetention",
                "Resource": place.below(),
            }));
        }
    }
    statements.push(nothing_else(desired, &actions));
    statements.extend(kms(desired));
    statements.extend(vaults(desired, &["DescribeVault", "DeleteArchive"]));
    of(statements)
}
