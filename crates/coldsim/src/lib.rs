//! A simulator of cold storage: S3 and Glacier vaults over HTTP on a virtual clock, with a bill.
//!
//! Level 1. **Invariant:** what a client may read, when a restore is done and what it costs
//! follow from the requests and the virtual clock alone; real time serves only to check
//! signatures and to move the clock where a speed is set.
//!
//! It answers what a backup to archive storage needs of S3: all storage classes, versions,
//! multipart uploads, checksums, conditional writes, restores, lifecycle rules,
//! Intelligent-Tiering, Object Lock, notifications through a queue, Batch Operations, IAM
//! policies; and of the services around it: IAM, STS, SNS, SQS and Budgets. It does not make data public, replicate, host web sites or speak TLS.
//!
//! Over HTTP it is controlled, from loopback and unsigned, under `/_coldsim/`: `GET clock`,
//! `POST clock {"advance_seconds":N}`, `GET bill`, `POST bill/reset`, `GET requests`,
//! `DELETE requests`, `POST faults` (a [`Fault`]), `DELETE faults`, `POST keys` (an
//! [`AccessKey`]), `POST buckets {"name":N,"object_lock":false}`, `POST events
//! {"late_seconds":N}`, `POST vaults {"name":N}` or `{"closed":true}`. The queue listens at `/`,
//! S3 Control at `/v20180820/`, vaults where a call names their API's version. Two request
//! headers change what policies see: `x-coldsim-insecure` (no TLS) and `x-coldsim-mfa` (a second
//! factor).

mod access;
mod account;
mod batch;
mod bill;
mod blobs;
mod clock;
mod faults;
mod glacier;
mod iam;
mod operation;
mod persist;
mod queue;
mod s3;
mod server;
mod sim;
mod state;
mod sums;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use darkslide_words::{Clock, StorageClass, Time};
use serde::{Deserialize, Serialize};

pub use bill::{Bill, LineItem, MonthTotal};
pub use faults::{Fault, FaultKind};
pub use iam::{Decision, PolicyError};
pub use server::Running;
pub use state::model::AccessKey;

use iam::PolicyDocument;
use sim::Sim;
use state::Record;
use state::model::NewObject;
use state::objects::Conditions;

/// No blob has this number.
const NO_BLOB: u64 = 0;

/// How the simulator is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where all is kept; in memory if there is none.
    pub dir: Option<PathBuf>,
    /// The region it stands for: its prices, its name.
    pub region: String,
    /// Virtual time at the first start; a directory remembers its own.
    pub start: Time,
    /// Virtual seconds per real second; 0 stands still unless advanced.
    pub speed: f64,
    /// Policies are enforced; signatures are always checked.
    pub enforce: bool,
}

impl Options {
    /// In memory, in `us-east-1`, from `start`, standing still, policies enforced.
    pub fn new(start: Time) -> Self {
        Self { dir: None, region: "us-east-1".into(), start, speed: 0.0, enforce: true }
    }
}

/// Why the simulator cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ColdSimError {
    /// The directory cannot be read or written.
    #[error("the simulator's directory {} cannot be used; choose another or repair it", dir.display())]
    Directory {
        /// Which.
        dir: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {listen}; choose another address")]
    Listen {
        /// Which.
        listen: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// A policy of a key is not one.
    #[error("a policy of the key {key} is refused")]
    Policy {
        /// Which key.
        key: String,
        /// Why.
        source: PolicyError,
    },
    /// The bucket cannot be made.
    #[error("the bucket `{name}` cannot be made: {reason}")]
    Bucket {
        /// Which.
        name: String,
        /// Why.
        reason: String,
    },
    /// The vault cannot be made.
    #[error("the vault `{name}` cannot be made: {reason}")]
    Vault {
        /// Which.
        name: String,
        /// Why.
        reason: String,
    },
}

/// A request that was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logged {
    /// HTTP method.
    pub method: String,
    /// Operation, such as `PutObject`; of a queue or S3 Control, `AmazonSQS.…` or `S3Control`.
    pub operation: String,
    /// Bucket; empty if it names none.
    pub bucket: String,
    /// Key; empty if it names none.
    pub key: String,
    /// Access key that signed; empty if none did.
    pub access_key: String,
    /// HTTP status; 0 if the connection was cut before an answer.
    pub status: u16,
}

/// A request of a user, for [`decide`].
#[derive(Debug, Clone, Default)]
pub struct Question<'a> {
    /// Such as `s3:PutObject`.
    pub action: &'a str,
    /// An ARN.
    pub resource: &'a str,
    /// Condition keys in lower case, with their values.
    pub context: BTreeMap<String, Vec<String>>,
    /// The user's policies.
    pub policies: &'a [String],
    /// What caps them.
    pub boundary: Option<&'a str>,
    /// The policy of the bucket, queue or topic.
    pub of_resource: Option<&'a str>,
}

/// What policies decide, without a simulator that runs: the evaluation that its requests go through.
pub fn decide(question: &Question<'_>) -> Result<Decision, PolicyError> {
    let policies = question.policies.iter().map(|text| PolicyDocument::parse_identity(text));
    let policies = policies.collect::<Result<Vec<_>, _>>()?;
    let boundary = question.boundary.map(PolicyDocument::parse_identity).transpose()?;
    let of_resource = question.of_resource.map(PolicyDocument::parse_resource).transpose()?;
    let arn = format!("arn:aws:iam::{}:user/asked", state::ACCOUNT);
    let request = iam::Request {
        action: question.action,
        resource: question.resource,
        principal: iam::PrincipalOf::User { account: state::ACCOUNT, arn: &arn },
        context: &question.context,
    };
    Ok(iam::evaluate(&policies, boundary.as_ref(), of_resource.as_ref(), &request))
}

/// A simulator. Clones are the same one.
#[derive(Clone)]
pub struct ColdSim {
    sim: Arc<Sim>,
}

impl ColdSim {
    /// Opens the directory, or begins in memory. The key `coldsim` with the secret
    /// `coldsim-secret` may do everything.
    pub fn open(options: Options, real: Arc<dyn Clock>) -> Result<Self, ColdSimError> {
        Ok(Self { sim: Arc::new(Sim::open(&options, real)?) })
    }

    /// Serves HTTP on its own thread until the result is dropped.
    pub fn start(&self, listen: SocketAddr) -> Result<Running, ColdSimError> {
        server::start(self.sim.clone(), listen)
    }

    /// Virtual time.
    pub fn now(&self) -> Time {
        self.sim.now()
    }

    /// Moves virtual time; all that falls due happens, in order.
    pub fn advance(&self, by: Duration) {
        self.sim.advance(by);
    }

    /// Adds an access key, or replaces the one of the same id.
    pub fn add_key(&self, key: AccessKey) -> Result<(), ColdSimError> {
        for text in key.policies.iter().chain(&key.boundary) {
            PolicyDocument::parse_identity(text)
                .map_err(|source| ColdSimError::Policy { key: key.id.clone(), source })?;
        }
        self.sim.with(|state| {
            state.keys.insert(key.id.clone(), key);
            state.dirty.insert(Record::Rest);
        });
        Ok(())
    }

    /// Makes a bucket; one that is there already stays as it is.
    pub fn create_bucket(&self, name: &str) -> Result<(), ColdSimError> {
        self.make_bucket(name, false)
    }

    /// Makes a bucket with versions and Object Lock.
    pub fn create_locked_bucket(&self, name: &str) -> Result<(), ColdSimError> {
        self.make_bucket(name, true)
    }

    fn make_bucket(&self, name: &str, lock: bool) -> Result<(), ColdSimError> {
        if !s3s::path::check_bucket_name(name) {
            let reason = "a name has 3 to 63 lower-case letters, digits, dots and hyphens".to_string();
            return Err(ColdSimError::Bucket { name: name.to_string(), reason });
        }
        self.sim.with(|state| match state.buckets.contains_key(name) {
            true => Ok(()),
            false => state
                .create_bucket(name, lock)
                .map_err(|error| ColdSimError::Bucket { name: name.to_string(), reason: error.to_string() }),
        })
    }

    /// Makes a vault; one that is there already stays as it is.
    pub fn create_vault(&self, name: &str) -> Result<(), ColdSimError> {
        let made = self.sim.with(|state| state.make_vault(name));
        made.map_err(|error| ColdSimError::Vault { name: name.to_string(), reason: error.to_string() })
    }

    /// Vaults behave as for an account to which the service is closed: as long as no archive is
    /// there, every call is refused with `NoLongerSupportedException`.
    pub fn close_vaults(&self) {
        self.set_closed(true);
    }

    fn set_closed(&self, closed: bool) {
        self.sim.with(|state| {
            state.glacier.account.closed = closed;
            state.dirty.insert(Record::Vaults);
        });
    }

    /// Makes a queue that S3 may send notifications to; one that is there already stays as it is. Its ARN
    /// is `arn:aws:sqs:REGION:123456789012:NAME`.
    pub fn create_queue(&self, name: &str) {
        let policy = serde_json::json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": { "Service": "s3.amazonaws.com" }, "Action": "sqs:SendMessage",
            "Resource": format!("arn:aws:sqs:{}:{}:{name}", self.sim.region, state::ACCOUNT),
            "Condition": { "StringEquals": { "aws:SourceAccount": state::ACCOUNT } },
        }] });
        let wanted = serde_json::json!({ "QueueName": name, "Attributes": { "Policy": policy.to_string() } });
        self.call_queue("CreateQueue", &wanted);
    }

    /// Receives and deletes all messages of a queue that can be seen now, the oldest first.
    pub fn take_messages(&self, queue: &str) -> Vec<String> {
        let url = format!("http://queue/{}/{queue}", state::ACCOUNT);
        let mut bodies = Vec::new();
        loop {
            let wanted = serde_json::json!({ "QueueUrl": url, "MaxNumberOfMessages": 10 });
            let answer = self.call_queue("ReceiveMessage", &wanted);
            let messages = answer.get("Messages").and_then(serde_json::Value::as_array).cloned().unwrap_or_default();
            if messages.is_empty() {
                return bodies;
            }
            for message in messages {
                let text = |name: &str| message.get(name).and_then(|v| v.as_str()).unwrap_or_default().to_string();
                bodies.push(text("Body"));
                let gone = serde_json::json!({ "QueueUrl": url, "ReceiptHandle": text("ReceiptHandle") });
                self.call_queue("DeleteMessage", &gone);
            }
        }
    }

    fn call_queue(&self, operation: &str, wanted: &serde_json::Value) -> serde_json::Value {
        let target = format!("AmazonSQS.{operation}");
        let answer = self.sim.with(|state| {
            state.dirty.insert(Record::Rest);
            let body = wanted.to_string();
            state.queues.handle(&target, body.as_bytes(), "http://queue", state::ACCOUNT, state.now)
        });
        serde_json::from_str(&answer.body).unwrap_or_default()
    }

    /// Makes a queue and lets a bucket send it what becomes of its restores.
    pub fn send_restores(&self, bucket: &str, queue: &str) {
        self.create_queue(queue);
        let arn = format!("arn:aws:sqs:{}:{}:{queue}", self.sim.region, state::ACCOUNT);
        let text = format!(
            "<NotificationConfiguration><QueueConfiguration><Id>restores</Id><Queue>{arn}</Queue>\
             <Event>s3:ObjectRestore:*</Event></QueueConfiguration></NotificationConfiguration>"
        );
        self.sim.with(|state| {
            if let Some(bucket) = state.buckets.get_mut(bucket) {
                bucket.config.insert("notification".into(), text);
            }
            state.dirty.insert(Record::Rest);
        });
    }

    /// Lets Intelligent-Tiering archive the objects of a bucket after so many idle days.
    pub fn archive_idle(&self, bucket: &str, archive_days: u32, deep_days: Option<u32>) {
        let tier = |name: &str, days| format!("<Tiering><AccessTier>{name}</AccessTier><Days>{days}</Days></Tiering>");
        let text = format!(
            "<IntelligentTieringConfiguration><Id>idle</Id><Status>Enabled</Status>{}{}</IntelligentTieringConfiguration>",
            tier("ARCHIVE_ACCESS", archive_days),
            deep_days.map(|days| tier("DEEP_ARCHIVE_ACCESS", days)).unwrap_or_default()
        );
        self.sim.with(|state| {
            if let Some(bucket) = state.buckets.get_mut(bucket) {
                bucket.config.insert("intelligent-tiering/idle".into(), text);
            }
            state.dirty.insert(Record::Rest);
        });
    }

    /// Puts an object of which only the size is kept: for drills on libraries too
    /// large to copy. It is listed, thawed and billed; its bytes cannot be read.
    pub fn add_hollow(&self, bucket: &str, key: &str, size: u64, class: &StorageClass) -> Result<(), ColdSimError> {
        let body = vec![blobs::Segment { blob: NO_BLOB, offset: 0, len: size }];
        let new = NewObject { body, etag: "hollow".into(), class: class.clone(), ..NewObject::default() };
        let put = self.sim.with(|state| state.put(bucket, key, new, &Conditions::default(), "s3:ObjectCreated:Put"));
        put.map(|_| ()).map_err(|error| ColdSimError::Bucket { name: bucket.to_string(), reason: error.to_string() })
    }

    /// Puts an archive of which only the size is kept, as [`ColdSim::add_hollow`] does an object;
    /// its tree hash is that of nothing. Gives its id.
    pub fn add_hollow_archive(&self, vault: &str, description: &str, size: u64) -> Result<String, ColdSimError> {
        let body = vec![blobs::Segment { blob: NO_BLOB, offset: 0, len: size }];
        let put = self.sim.with(|state| state.put_archive(vault, description, size, body));
        put.map_err(|error| ColdSimError::Vault { name: vault.to_string(), reason: error.to_string() })
    }

    /// Meters the download of a part of an object as if it were sent in so many
    /// reads; false if it is not there, or cold.
    pub fn download_hollow(&self, bucket: &str, key: &str, bytes: u64, reads: u64) -> bool {
        self.sim.with(|state| {
            let version = state.buckets.get(bucket).and_then(|b| b.current(key)).filter(|v| v.is_readable());
            let Some(class) = version.map(|v| v.class.clone()) else { return false };
            let now = state.now;
            let meter = state.meter.at(now);
            meter.request(bill::RequestKind::Get, &class, reads);
            meter.retrieved(&class, bytes);
            meter.egress(bytes, now);
            state.dirty.insert(Record::Rest);
            true
        })
    }

    /// The bill up to now.
    pub fn bill(&self) -> Bill {
        self.sim.with(|state| {
            state.bill_storage();
            state.meter.bill()
        })
    }

    /// Forgets the bill so far.
    pub fn reset_bill(&self) {
        self.sim.with(state::State::reset_bill);
    }

    /// The requests since the start or since they were forgotten.
    pub fn requests(&self) -> Vec<Logged> {
        self.sim.log().clone()
    }

    /// Forgets the requests so far.
    pub fn forget_requests(&self) {
        self.sim.log().clear();
    }

    /// Lets something go wrong.
    pub fn fault(&self, fault: Fault) {
        self.sim.faults().add(fault);
    }

    /// Takes back all faults that have not struck yet.
    pub fn clear_faults(&self) {
        self.sim.faults().clear();
    }

    /// Events reach their queues so much later.
    pub fn store_events_late(&self, by: Duration) {
        self.sim.with(|state| {
            state.late_nanos = i64::try_from(by.as_nanos()).unwrap_or(i64::MAX);
            state.dirty.insert(Record::Rest);
        });
    }

    /// Why changes no longer reach the directory, if they do not.
    pub fn broken(&self) -> Option<String> {
        self.sim.broken()
    }
}
