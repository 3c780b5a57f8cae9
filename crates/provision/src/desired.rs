//! What shall be there: plain data, checked, without a word to AWS.

use std::collections::BTreeMap;
use std::fmt;

use darkslide_words::Money;
use serde::{Deserialize, Serialize};

mod names;

pub use names::{
    AccountId, BucketName, IamName, IamPath, KeyPrefix, NameError, Partition, QueueName, Region, VaultName,
};

/// The tag on everything that this program made; its value is [`Desired::owner_tag`].
pub const MANAGED_TAG: &str = "darkslide";

/// The tag on topics and queues that were made here, and not found; only those are ever deleted.
pub const MADE_TAG: &str = "darkslide-made";

/// All that shall be in the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// The account.
    pub account: AccountId,
    /// Where bucket, vaults, queue and topic lie; the partition follows from it.
    pub region: Region,
    /// What [`MANAGED_TAG`] says: the repository's id, or a name. Two setups in one account differ in it.
    pub owner_tag: String,
    /// Further tags on all that takes tags.
    pub tags: BTreeMap<String, String>,
    /// The bucket of the repository; absent where there are vaults alone.
    pub bucket: Option<BucketDesired>,
    /// Vaults of Amazon Glacier.
    pub vaults: Vec<VaultDesired>,
    /// Where the news of a finished thaw goes.
    pub thaw_events: ThawEvents,
    /// Who may do what.
    pub identities: Vec<Identity>,
    /// The permissions boundary of all users and roles here.
    pub boundary: Boundary,
    /// Users of NAS programs.
    pub nas: Vec<NasUser>,
    /// The account's limit on retrievals from vaults in this region; left alone where absent.
    pub retrieval: Option<RetrievalLimit>,
    /// An alarm on the account's bill.
    pub budget: Option<BudgetAlarm>,
    /// How the server is reached.
    pub transport: Transport,
}

/// How the server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// Over TLS, as always at Amazon's: the bucket refuses everything else.
    #[default]
    Tls,
    /// In the clear: another server on this machine or network, which would refuse everything.
    Plain,
}

impl Desired {
    /// Nothing yet, in this account and region.
    pub fn new(account: AccountId, region: Region, owner_tag: impl Into<String>) -> Self {
        Self {
            account,
            region,
            owner_tag: owner_tag.into(),
            tags: BTreeMap::new(),
            bucket: None,
            vaults: Vec::new(),
            thaw_events: ThawEvents::default(),
            identities: Vec::new(),
            boundary: Boundary::None,
            nas: Vec::new(),
            retrieval: None,
            budget: None,
            transport: Transport::default(),
        }
    }

    /// The partition of the region: `aws`, `aws-cn`, `aws-us-gov`.
    pub fn partition(&self) -> Partition {
        self.region.partition()
    }

    /// All tags, with [`MANAGED_TAG`].
    pub fn all_tags(&self) -> BTreeMap<String, String> {
        let mut tags = self.tags.clone();
        tags.insert(MANAGED_TAG.to_string(), self.owner_tag.clone());
        tags
    }

    /// The key of KMS that encrypts the bucket, where it is somebody's own.
    pub fn kms_key(&self) -> Option<&str> {
        match &self.bucket.as_ref()?.encryption {
            Encryption::S3 => None,
            Encryption::Kms { key_arn } => Some(key_arn),
        }
    }

    /// An identity, where it is asked for.
    pub fn identity(&self, kind: IdentityKind) -> Option<&Identity> {
        self.identities.iter().find(|identity| identity.kind == kind)
    }

    /// `arn:aws:s3:::bucket`.
    pub fn bucket_arn(&self, bucket: &BucketDesired) -> String {
        format!("arn:{}:s3:::{}", self.partition(), bucket.name)
    }

    /// `arn:aws:s3:::bucket/prefix/pattern`; the pattern is a key below the repository's prefix, or `*`.
    pub fn object_arn(&self, bucket: &BucketDesired, pattern: &str) -> String {
        format!("{}/{}{pattern}", self.bucket_arn(bucket), bucket.prefix)
    }

    /// `arn:aws:glacier:region:account:vaults/name`.
    pub fn vault_arn(&self, vault: &VaultName) -> String {
        format!("arn:{}:glacier:{}:{}:vaults/{vault}", self.partition(), self.region, self.account)
    }

    /// `arn:aws:sqs:region:account:name`.
    pub fn queue_arn(&self, queue: &QueueName) -> String {
        format!("arn:{}:sqs:{}:{}:{queue}", self.partition(), self.region, self.account)
    }

    /// `arn:aws:sns:region:account:name`.
    pub fn topic_arn(&self, topic: &QueueName) -> String {
        format!("arn:{}:sns:{}:{}:{topic}", self.partition(), self.region, self.account)
    }

    /// `arn:aws:iam::account:user/path/name`.
    pub fn user_arn(&self, path: &IamPath, name: &IamName) -> String {
        format!("arn:{}:iam::{}:user{path}{name}", self.partition(), self.account)
    }

    /// `arn:aws:iam::account:role/path/name`.
    pub fn role_arn(&self, path: &IamPath, name: &IamName) -> String {
        format!("arn:{}:iam::{}:role{path}{name}", self.partition(), self.account)
    }

    /// The ARN of an identity, a user's or a role's.
    pub fn identity_arn(&self, identity: &Identity) -> String {
        match &identity.form {
            Form::User => self.user_arn(&identity.path, &identity.name),
            Form::Role { .. } => self.role_arn(&identity.path, &identity.name),
        }
    }

    /// The ARN of the permissions boundary, where there is one.
    pub fn boundary_arn(&self) -> Option<String> {
        match &self.boundary {
            Boundary::None => None,
            Boundary::Managed { path, name } => {
                Some(format!("arn:{}:iam::{}:policy{path}{name}", self.partition(), self.account))
            }
            Boundary::Existing { arn } => Some(arn.clone()),
        }
    }
}

/// The bucket of the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketDesired {
    /// Its name.
    pub name: BucketName,
    /// Which names it must differ from.
    pub namespace: Namespace,
    /// Where in it the repository lies: empty, or ending in `/`.
    pub prefix: KeyPrefix,
    /// Storage class of packs, which the writer's policy insists on.
    pub cold_class: darkslide_words::StorageClass,
    /// Storage class of warm packs.
    pub warm_class: darkslide_words::StorageClass,
    /// Default encryption.
    pub encryption: Encryption,
    /// Object Lock with a default retention.
    pub lock: Option<LockDesired>,
    /// Days after which an old version goes; versions appear only where something was deleted or replaced.
    pub old_versions: OldVersions,
    /// Days after which an upload in parts that was never finished is dropped.
    pub abort_uploads_days: u32,
    /// Intelligent-Tiering's archive tiers.
    pub tiering: Option<Tiering>,
    /// Moves of packs that were written into another class than wanted (by prefix).
    pub transitions: Vec<Transition>,
    /// A listing of the bucket, written by S3 itself.
    pub inventory: Option<InventoryDesired>,
}

/// Which names a bucket's name must differ from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Namespace {
    /// All of the world's.
    #[default]
    Global,
    /// Those of the account in the region; the name ends in `-ACCOUNT-REGION-an`.
    AccountRegional,
}

/// Default encryption.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encryption {
    /// Keys that S3 keeps (`AES256`); packs are sealed anyway.
    #[default]
    S3,
    /// A key of KMS, by its ARN.
    Kms {
        /// The key.
        key_arn: String,
    },
}

/// Object Lock's default retention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockDesired {
    /// Whether anybody may shorten it.
    pub mode: LockMode,
    /// For how long.
    pub days: u32,
}

/// Whether a retention can be shortened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LockMode {
    /// By who holds `s3:BypassGovernanceRetention`.
    Governance,
    /// By nobody, the account's owner included.
    Compliance,
}

/// What becomes of versions that are no longer current.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldVersions {
    /// Days after which they are deleted.
    pub expire_days: u32,
    /// Days after which they move to an archive class before that; never where absent.
    pub archive_days: Option<u32>,
}

/// Intelligent-Tiering's archive tiers, for objects of that class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tiering {
    /// Archive Access after so many idle days, 90 to 730; never where absent.
    pub archive_days: Option<u32>,
    /// Deep Archive Access after so many idle days, 180 to 730; never where absent.
    pub deep_archive_days: Option<u32>,
}

impl Default for Tiering {
    fn default() -> Self {
        Self { archive_days: Some(90), deep_archive_days: Some(180) }
    }
}

/// A lifecycle rule that moves objects below a prefix of the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// `packs/` or `warm/`: below the repository's prefix.
    pub below: String,
    /// Days since the object was written.
    pub days: u32,
    /// Where it goes.
    pub class: darkslide_words::StorageClass,
}

/// S3 Inventory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryDesired {
    /// The bucket that the lists go to; it must let S3 write there.
    pub bucket: BucketName,
    /// Below which prefix of it.
    pub prefix: String,
    /// How often.
    pub frequency: Frequency,
}

/// How often an inventory is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Frequency {
    /// Each day.
    Daily,
    /// Each week.
    Weekly,
}

/// Where the news of a finished thaw goes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ThawEvents {
    /// A queue of SQS, for this program to read.
    pub queue: Option<QueueName>,
    /// A topic of SNS, for people; vaults tell theirs through it too.
    pub topic: Option<QueueName>,
    /// Who is told by the topic, by e-mail; each address has to confirm.
    pub emails: Vec<String>,
}

/// A vault of Amazon Glacier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VaultDesired {
    /// Its name; an existing one is welcome.
    pub name: VaultName,
    /// True where the topic of [`ThawEvents`] hears of finished retrievals and inventories.
    pub notify: bool,
    /// An access policy that keeps others from deleting archives younger than this.
    pub keep_days: Option<u32>,
    /// A lock, which can never be undone once it is completed: no archive younger than so many days is
    /// deleted by anybody.
    pub lock_days: Option<u32>,
}

/// Who does what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdentityKind {
    /// Puts new objects, lists, reads the control documents; reads no photograph, deletes nothing.
    Writer,
    /// Thaws and reads.
    Restorer,
    /// Lists, asks for checksums.
    Auditor,
    /// Deletes what prune condemned.
    Pruner,
    /// Sets all of this up.
    Admin,
}

impl IdentityKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Writer, Self::Restorer, Self::Auditor, Self::Pruner, Self::Admin];

    /// As it stands in the configuration and in names.
    pub fn word(self) -> &'static str {
        match self {
            Self::Writer => "writer",
            Self::Restorer => "restorer",
            Self::Auditor => "auditor",
            Self::Pruner => "pruner",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for IdentityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A user or a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// What it may do.
    pub kind: IdentityKind,
    /// Its name in IAM.
    pub name: IamName,
    /// Its path in IAM: `/` or `/some/where/`.
    pub path: IamPath,
    /// A user with a key, or a role.
    pub form: Form,
}

/// A user with a key, or a role that somebody takes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// A user with an access key.
    User,
    /// A role.
    Role {
        /// ARNs of who may take it on; the account itself where empty.
        trusted: Vec<String>,
        /// Only with a second factor.
        mfa: Mfa,
        /// How long one taking on lasts, in seconds: 3600 to 43200.
        session_seconds: u32,
    },
}

/// Whether a second factor is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mfa {
    /// It is.
    Required,
    /// It is not.
    NotAsked,
}

/// What caps the rights of all users and roles here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Boundary {
    /// Nothing.
    #[default]
    None,
    /// A policy that is made here.
    Managed {
        /// Its path.
        path: IamPath,
        /// Its name.
        name: IamName,
    },
    /// One that exists.
    Existing {
        /// Its ARN.
        arn: String,
    },
}

/// A user of a NAS program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NasUser {
    /// Its name.
    pub name: IamName,
    /// Its path.
    pub path: IamPath,
    /// The program, and its place.
    pub program: NasProgram,
}

/// A NAS program that is given a user of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NasProgram {
    /// QNAP's Glacier app, with its vault.
    QnapGlacier {
        /// The vault, which the app wants to make itself.
        vault: VaultName,
    },
    /// Synology's Hyper Backup, with its bucket.
    HyperBackup {
        /// The bucket.
        bucket: BucketName,
    },
}

/// The account's limit on standard retrievals from vaults in a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RetrievalLimit {
    /// What costs nothing.
    FreeTier,
    /// So many bytes an hour.
    BytesPerHour(u64),
    /// None.
    Unlimited,
}

/// An alarm on the account's bill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetAlarm {
    /// Its name.
    pub name: String,
    /// US dollars a month.
    pub monthly: Money,
    /// At how many percent of it somebody is told.
    pub at_percent: u32,
    /// Who.
    pub emails: Vec<String>,
}
