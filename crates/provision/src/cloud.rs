//! How this crate speaks to AWS: a trait, so that tests can put a model of AWS in its place, and let
//! any call fail.
//!
//! **Invariant:** each writing method is one call of AWS. What a power cut can come between is
//! therefore what lies between two of them.

use std::fmt;

use darkslide_words::Time;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::desired::{AccountId, BucketName, IamName, IamPath, QueueName, VaultName};

/// A thing in an account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Thing {
    /// A managed policy: the permissions boundary.
    Policy(IamPath, IamName),
    /// A topic of SNS.
    Topic(QueueName),
    /// A queue of SQS.
    Queue(QueueName),
    /// A bucket of S3.
    Bucket(BucketName),
    /// A vault of Amazon Glacier.
    Vault(VaultName),
    /// The account's settings of Amazon Glacier in the region.
    Retrieval,
    /// A user of IAM.
    User(IamName),
    /// A role of IAM.
    Role(IamName),
    /// A budget of AWS Budgets.
    Budget(String),
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy(_, name) => write!(f, "policy {name}"),
            Self::Topic(name) => write!(f, "topic {name}"),
            Self::Queue(name) => write!(f, "queue {name}"),
            Self::Bucket(name) => write!(f, "bucket {name}"),
            Self::Vault(name) => write!(f, "vault {name}"),
            Self::Retrieval => f.write_str("retrievals from vaults"),
            Self::User(name) => write!(f, "user {name}"),
            Self::Role(name) => write!(f, "role {name}"),
            Self::Budget(name) => write!(f, "budget {name}"),
        }
    }
}

/// Which of its settings.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aspect {
    /// That it is there, and what can be given only when it is made.
    Itself,
    /// Tags: `{"key": "value"}`. Tags of others are kept.
    Tags,
    /// A bucket's object ownership.
    Ownership,
    /// A bucket's public access block.
    PublicAccess,
    /// A bucket's versioning.
    Versioning,
    /// A bucket's Object Lock and default retention; a vault's lock, which is read alone.
    Lock,
    /// A bucket's default encryption.
    Encryption,
    /// The policy document: of a bucket, queue, topic or vault the resource's, of a user or role the
    /// inline one. Statements of others in a resource's policy are kept.
    Policy,
    /// A bucket's lifecycle rules. Rules of others are kept.
    Lifecycle,
    /// A bucket's Intelligent-Tiering archive configuration.
    Tiering,
    /// A bucket's or vault's notifications. A bucket's of others are kept.
    Notifications,
    /// A bucket's inventory.
    Inventory,
    /// A user's or role's permissions boundary.
    Boundary,
    /// Who may take on a role.
    Trust,
    /// That a topic tells an address.
    Email(String),
    /// The limit on retrievals, or of a budget.
    Limit,
    /// A user's access key, handed over once.
    Key,
}

impl fmt::Display for Aspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Itself => "itself",
            Self::Tags => "tags",
            Self::Ownership => "object ownership",
            Self::PublicAccess => "public access block",
            Self::Versioning => "versioning",
            Self::Lock => "object lock",
            Self::Encryption => "default encryption",
            Self::Policy => "policy",
            Self::Lifecycle => "lifecycle rules",
            Self::Tiering => "Intelligent-Tiering archive",
            Self::Notifications => "notifications",
            Self::Inventory => "inventory",
            Self::Boundary => "permissions boundary",
            Self::Trust => "trust",
            Self::Email(address) => return write!(f, "e-mail to {address}"),
            Self::Limit => "limit",
            Self::Key => "access key",
        })
    }
}

/// A setting of a thing: what one call sets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Item {
    /// The thing.
    pub thing: Thing,
    /// The setting.
    pub aspect: Aspect,
}

impl Item {
    /// The two together.
    pub fn new(thing: Thing, aspect: Aspect) -> Self {
        Self { thing, aspect }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.aspect {
            Aspect::Itself => write!(f, "{}", self.thing),
            _ => write!(f, "{}: {}", self.thing, self.aspect),
        }
    }
}

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Caller {
    /// The account.
    pub account: AccountId,
    /// The user or role.
    pub arn: String,
}

/// The id of an access key, which is no secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KeyId(pub String);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a key opens anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// It does.
    Active,
    /// It does not.
    Inactive,
}

/// A user's key, as AWS lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyInfo {
    /// Its id.
    pub id: KeyId,
    /// Its state.
    pub state: KeyState,
    /// When it was made.
    pub created: Option<Time>,
}

/// When a key was last used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastUse {
    /// When, to some minutes.
    pub at: Time,
    /// With which service.
    pub service: String,
}

/// A key as AWS hands it out, once. `Debug` does not show the secret.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// Its id.
    pub id: KeyId,
    /// Its secret.
    pub secret: SecretString,
}

/// What a bucket or vault holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Contents {
    /// Nothing.
    Nothing,
    /// Data, in words such as `objects, the first of them packs/00/…`.
    Data(String),
    /// It cannot be told; counts as data.
    Unknown(String),
}

/// One question to the policy simulator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Question {
    /// Such as `s3:PutObject`.
    pub action: String,
    /// An ARN.
    pub resource: String,
    /// Keys of the request's context, each with its values.
    pub context: Vec<(String, Vec<String>)>,
}

/// What the simulator says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// `allowed`.
    Allowed,
    /// `explicitDeny` or `implicitDeny`.
    Denied,
}

/// Why a call gave no answer that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloudError {
    /// AWS refused it.
    #[error("{call} on {thing} was refused: {code}: {message}")]
    Refused {
        /// The call.
        call: &'static str,
        /// On what.
        thing: String,
        /// AWS's word for it.
        code: String,
        /// In AWS's words.
        message: String,
    },
    /// No answer came: it may have been done or not.
    #[error("{call} on {thing} got no answer: {message}; run the command again, it goes on from here")]
    NoAnswer {
        /// The call.
        call: &'static str,
        /// On what.
        thing: String,
        /// What happened.
        message: String,
    },
    /// The machine has no credentials, or no region.
    #[error("{why}; {advice}")]
    Setup {
        /// What is missing.
        why: String,
        /// What to do.
        advice: String,
    },
    /// The answer has another shape than expected.
    #[error("{call} on {thing} answered in another shape: {message}")]
    Unreadable {
        /// The call.
        call: &'static str,
        /// On what.
        thing: String,
        /// What is odd.
        message: String,
    },
}

impl CloudError {
    /// AWS's code, where it refused.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            _ => None,
        }
    }
}

/// AWS, as far as it is needed here.
pub trait Cloud: Send + Sync {
    /// Whose credentials these are (`sts:GetCallerIdentity`, which nobody can be refused).
    fn caller(&self) -> Result<Caller, CloudError>;

    /// A setting as it is; nothing where the thing or the setting is absent.
    fn read(&self, item: &Item) -> Result<Option<Value>, CloudError>;

    /// Makes the thing, or sets the setting. One call.
    fn write(&self, item: &Item, state: &Value) -> Result<(), CloudError>;

    /// Removes the thing, or the setting. One call. What is gone already is no error.
    fn delete(&self, item: &Item) -> Result<(), CloudError>;

    /// The users (or roles) below a path.
    fn users(&self, path: &IamPath) -> Result<Vec<IamName>, CloudError>;

    /// The roles below a path.
    fn roles(&self, path: &IamPath) -> Result<Vec<IamName>, CloudError>;

    /// Whether a bucket or vault holds data: objects, old versions, unfinished uploads.
    fn contents(&self, thing: &Thing) -> Result<Contents, CloudError>;

    /// A user's keys.
    fn keys(&self, user: &IamName) -> Result<Vec<KeyInfo>, CloudError>;

    /// When a key was last used; nothing where it never was.
    fn key_last_use(&self, key: &KeyId) -> Result<Option<LastUse>, CloudError>;

    /// A further key for a user. One call.
    fn create_key(&self, user: &IamName) -> Result<NewKey, CloudError>;

    /// Switches a key on or off. One call.
    fn set_key(&self, user: &IamName, key: &KeyId, state: KeyState) -> Result<(), CloudError>;

    /// Removes a key for good. One call. What is gone already is no error.
    fn delete_key(&self, user: &IamName, key: &KeyId) -> Result<(), CloudError>;

    /// Asks the policy simulator about a user or role, by its ARN; the answers in the order of the
    /// questions. The resource's policy counts too where one is given.
    fn simulate(
        &self,
        identity_arn: &str,
        questions: &[Question],
        resource_policy: Option<&Value>,
    ) -> Result<Vec<Decision>, CloudError>;
}

/// AWS, and a way to try keys out.
pub trait Hands: Cloud + crate::keys::KeyProver {}
impl<T: Cloud + crate::keys::KeyProver> Hands for T {}
