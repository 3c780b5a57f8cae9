//! The whole matrix of identities and requests; `docs/identities.md` shows it, and tests hold the two
//! against each other.
//!
//! **Invariant:** pure. What does not apply to a desired state (a vault where there is none, a wrong class that
//! is the right one here) is no line of its matrix.

use darkslide_words::StorageClass;

use crate::cloud::Question;
use crate::desired::{BucketDesired, Desired, IamName, IamPath, IdentityKind, VaultName};

/// Action, thing, what the request says, and who may: **w**riter, **r**estorer, **a**uditor, **p**runer, ad**m**in.
const LINES: [(&str, &str, &str, &str); 86] = [
    ("s3:PutObject", "packs/ab/1", "cold, new", "w"),
    ("s3:PutObject", "packs/ab/1", "cold", ""),
    ("s3:PutObject", "packs/ab/1", "standard, new", ""),
    ("s3:PutObject", "packs/ab/1", "new", ""),
    ("s3:PutObject", "warm/ab/1", "warm, new", "w"),
    ("s3:PutObject", "warm/ab/1", "cold, new", ""),
    ("s3:PutObject", "darkslide.json", "standard, new", "w"),
    ("s3:PutObject", "config/1.json", "standard, new", "w"),
    ("s3:PutObject", "keys/1.age", "standard, new", "w"),
    ("s3:PutObject", "writers/1.json", "standard, new", "w"),
    ("s3:PutObject", "trees/1", "standard, new", "w"),
    ("s3:PutObject", "trees/1", "cold, new", ""),
    ("s3:PutObject", "index/1.age", "standard, new", "wp"),
    ("s3:PutObject", "index/1.age", "standard", ""),
    ("s3:PutObject", "refs/1.age", "standard, new", "w"),
    ("s3:PutObject", "snapshots/1.age", "standard, new", "w"),
    ("s3:PutObject", "previews/1", "standard, new", "w"),
    ("s3:PutObject", "RECOVER.txt", "standard, new", "w"),
    ("s3:PutObject", "condemned/1", "standard, new", "p"),
    ("s3:PutObject", "batch/1/manifest.csv", "standard, new", "ra"),
    ("s3:PutObject", "elsewhere", "standard, new", ""),
    ("s3:GetObject", "packs/ab/1", "", "r"),
    ("s3:GetObject", "warm/ab/1", "", "r"),
    ("s3:GetObject", "trees/1", "", "r"),
    ("s3:GetObject", "previews/1", "", "r"),
    ("s3:GetObject", "keys/1.age", "", "r"),
    ("s3:GetObject", "snapshots/1.age", "", "ra"),
    ("s3:GetObject", "darkslide.json", "", "wrap"),
    ("s3:GetObject", "config/1.json", "", "wrap"),
    ("s3:GetObject", "writers/1.json", "", "wrap"),
    ("s3:GetObject", "index/1.age", "", "wrap"),
    ("s3:GetObject", "refs/1.age", "", "wrap"),
    ("s3:GetObject", "condemned/1", "", "wrap"),
    ("s3:DeleteObject", "packs/ab/1", "", "p"),
    ("s3:DeleteObject", "snapshots/1.age", "", "p"),
    ("s3:DeleteObject", "condemned/1", "", "p"),
    ("s3:DeleteObject", "darkslide.json", "", ""),
    ("s3:DeleteObject", "config/1.json", "", ""),
    ("s3:DeleteObject", "keys/1.age", "", ""),
    ("s3:DeleteObject", "writers/1.json", "", ""),
    ("s3:DeleteObjectVersion", "packs/ab/1", "", ""),
    ("s3:RestoreObject", "packs/ab/1", "", "r"),
    ("s3:RestoreObject", "keys/1.age", "", ""),
    ("s3:PutObjectRetention", "packs/ab/1", "", ""),
    ("s3:PutObjectLegalHold", "packs/ab/1", "", ""),
    ("s3:BypassGovernanceRetention", "packs/ab/1", "", ""),
    ("s3:ListBucket", "bucket", "", "wrapm"),
    ("s3:ListBucketVersions", "bucket", "", "am"),
    ("s3:GetBucketVersioning", "bucket", "", "am"),
    ("s3:GetBucketObjectLockConfiguration", "bucket", "", "apm"),
    ("s3:GetLifecycleConfiguration", "bucket", "", "am"),
    ("s3:GetBucketPublicAccessBlock", "bucket", "", "am"),
    ("s3:GetBucketPolicy", "bucket", "", "m"),
    ("s3:PutBucketVersioning", "bucket", "", "m"),
    ("s3:PutLifecycleConfiguration", "bucket", "", "m"),
    ("s3:PutEncryptionConfiguration", "bucket", "", "m"),
    ("s3:PutBucketPublicAccessBlock", "bucket", "", "m"),
    ("s3:PutBucketTagging", "bucket", "", "m"),
    ("s3:DeleteBucket", "bucket", "", "m"),
    ("s3:CreateJob", "jobs", "S3ComputeObjectChecksum", "a"),
    ("s3:CreateJob", "jobs", "S3InitiateRestoreObject", "r"),
    ("s3:CreateJob", "jobs", "S3DeleteObjectTagging", ""),
    ("sqs:ReceiveMessage", "queue", "", "r"),
    ("sqs:DeleteMessage", "queue", "", "r"),
    ("sqs:SetQueueAttributes", "queue", "", "m"),
    ("sns:Publish", "topic", "", ""),
    ("sns:GetTopicAttributes", "topic", "", "m"),
    ("iam:GetUser", "user", "", "m"),
    ("iam:CreateUser", "user", "", "m"),
    ("iam:PutUserPolicy", "user", "", "m"),
    ("iam:CreateAccessKey", "user", "", "m"),
    ("iam:AttachUserPolicy", "user", "", ""),
    ("iam:CreateLoginProfile", "user", "", ""),
    ("iam:CreateUser", "other user", "", ""),
    ("iam:PutUserPolicy", "other user", "", ""),
    ("iam:CreateAccessKey", "other user", "", ""),
    ("glacier:UploadArchive", "vault", "", "w"),
    ("glacier:InitiateJob", "vault", "", "ra"),
    ("glacier:GetJobOutput", "vault", "", "ra"),
    ("glacier:DeleteArchive", "vault", "", "p"),
    ("glacier:DescribeVault", "vault", "", "wrapm"),
    ("glacier:CreateVault", "vault", "", "m"),
    ("glacier:SetVaultNotifications", "vault", "", "m"),
    ("glacier:CompleteVaultLock", "vault", "", "m"),
    ("glacier:DeleteArchive", "other vault", "", ""),
    ("budgets:ModifyBudget", "budget", "", "m"),
];

/// A request that somebody may or may not make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// The action as IAM calls it.
    pub action: &'static str,
    /// A key below the repository's prefix, or a thing of the account.
    pub on: &'static str,
    /// What the request says: class, `new`, or the kind of a batch job.
    pub with: &'static str,
    who: &'static str,
}

/// All lines.
pub fn lines() -> impl Iterator<Item = Line> {
    LINES.into_iter().map(|(action, on, with, who)| Line { action, on, with, who })
}

impl Line {
    /// Whether an identity may.
    pub fn allows(&self, kind: IdentityKind) -> bool {
        let letter = match kind {
            IdentityKind::Writer => 'w',
            IdentityKind::Restorer => 'r',
            IdentityKind::Auditor => 'a',
            IdentityKind::Pruner => 'p',
            IdentityKind::Admin => 'm',
        };
        self.who.contains(letter)
    }

    /// The words of `with`.
    pub fn words(&self) -> impl Iterator<Item = &'static str> {
        self.with.split(", ").filter(|word| !word.is_empty())
    }

    /// True where the request says that it replaces nothing.
    pub fn is_new(&self) -> bool {
        self.words().any(|word| word == "new")
    }

    /// The storage class that the request carries.
    pub fn class(&self, bucket: &BucketDesired) -> Option<StorageClass> {
        self.words().find_map(|word| match word {
            "cold" => Some(bucket.cold_class.clone()),
            "warm" => Some(bucket.warm_class.clone()),
            "standard" => Some(StorageClass::Standard),
            _ => None,
        })
    }

    /// True where it is about an object.
    pub fn is_of_object(&self) -> bool {
        self.on.contains('/') || self.on.ends_with(".json") || self.on.ends_with(".txt") || self.on == "elsewhere"
    }

    /// What it is about, in the words of AWS; nothing where there is no such thing.
    pub fn resource(&self, desired: &Desired) -> Option<String> {
        let events = &desired.thaw_events;
        Some(match self.on {
            "bucket" => desired.bucket_arn(desired.bucket.as_ref()?),
            "jobs" => desired.bucket.as_ref().map(|_| "*".to_string())?,
            "queue" => desired.queue_arn(events.queue.as_ref()?),
            "topic" => desired.topic_arn(events.topic.as_ref()?),
            "user" => {
                let ours = desired.identities.first().map(|one| (&one.path, &one.name));
                let (path, name) = desired.nas.first().map(|nas| (&nas.path, &nas.name)).or(ours)?;
                desired.user_arn(path, name)
            }
            "other user" => {
                let own = desired.identities.first().map(|one| one.path.as_str())?;
                // Below `/` lies everybody.
                let elsewhere = (own != "/").then(|| IamPath::new(format!("/not{own}")).ok()).flatten()?;
                desired.user_arn(&elsewhere, &IamName::new("somebody").ok()?)
            }
            "vault" => desired.vault_arn(&desired.vaults.first()?.name),
            "other vault" => {
                let ours = &desired.vaults.first()?.name;
                desired.vault_arn(&VaultName::new(format!("not-{ours}")).ok()?)
            }
            "budget" => format!(
                "arn:{}:budgets::{}:budget/{}",
                desired.partition(),
                desired.account,
                desired.budget.as_ref()?.name
            ),
            key => desired.object_arn(desired.bucket.as_ref()?, key),
        })
    }

    /// What a policy would look at.
    fn context(&self, desired: &Desired) -> Vec<(String, Vec<String>)> {
        let mut context = Vec::new();
        let mut set = |key: &str, value: String| context.push((key.to_string(), vec![value]));
        set("aws:SecureTransport", "true".into());
        set("s3:TlsVersion", "1.3".into());
        if let Some(class) = desired.bucket.as_ref().and_then(|bucket| self.class(bucket)) {
            set("s3:x-amz-storage-class", class.to_string());
        }
        if self.is_new() {
            set("s3:if-none-match", "*".into());
        }
        if self.action == "s3:PutObject" {
            set("s3:ObjectCreationOperation", "true".into());
        }
        if self.on == "jobs" {
            set("s3:RequestJobOperation", self.with.into());
        }
        if let Some(boundary) = desired.boundary_arn().filter(|_| self.action.starts_with("iam:")) {
            set("iam:PermissionsBoundary", boundary);
        }
        context
    }

    /// True where the class that it calls wrong is the right one in this bucket.
    fn is_right_here(&self, bucket: &BucketDesired) -> bool {
        let right = match self.on.split('/').next() {
            Some("packs") => ("cold", &bucket.cold_class),
            Some("warm") => ("warm", &bucket.warm_class),
            _ => ("standard", &StorageClass::Standard),
        };
        let differs = self.words().any(|word| ["cold", "warm", "standard"].contains(&word) && word != right.0);
        differs && self.class(bucket).as_ref() == Some(right.1)
    }

    /// The question to the policy simulator; nothing where the line does not apply.
    pub fn question(&self, desired: &Desired) -> Option<Question> {
        if desired.bucket.as_ref().is_some_and(|bucket| self.is_right_here(bucket)) {
            return None;
        }
        let resource = self.resource(desired)?;
        Some(Question { action: self.action.to_string(), resource, context: self.context(desired) })
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.action, self.on)?;
        if self.with.is_empty() { Ok(()) } else { write!(f, " ({})", self.with) }
    }
}
