//! The state of the simulator, and what moves it on as virtual time passes.
//!
//! **Invariant:** whoever looks at the state has first called [`State::catch_up`], so all that
//! fell due before has happened, in order of its time.

pub(crate) mod batch_target;
pub(crate) mod events;
pub(crate) mod lifecycle;
pub(crate) mod lock;
pub(crate) mod model;
pub(crate) mod objects;
pub(crate) mod restore;
pub(crate) mod tiering;
pub(crate) mod uploads;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use darkslide_words::{StorageClass, Tier, Time};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};
use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::batch::Jobs;
use crate::bill::{Access, Meter, RequestKind, Stored, VaultUse};
use crate::blobs::{Blobs, Segment};
use crate::clock::midnight_after;
use crate::glacier::VaultDue;
use crate::glacier::model::Glacier;
use crate::queue::Queues;
use events::Waiting;
use model::{AccessKey, Bucket, Upload, Version};

/// The account that owns everything.
pub(crate) const ACCOUNT: &str = "123456789012";

/// What is written down when it changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Record {
    Bucket(String),
    Object(String, String),
    Upload(String, String),
    Vault(String),
    Archive(String, String),
    VaultUpload(String, String),
    VaultJob(String, String),
    Inventory(String),
    /// What belongs to the account of all vaults.
    Vaults,
    /// The time, and how many ids were given out.
    Clock,
    /// Meter, queues, jobs, keys, messages held back.
    Rest,
}

/// Something that happens by itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// A restore may be done: bucket, key, version.
    Restored(String, String, String),
    /// A temporary copy may go: bucket, key, version.
    Expired(String, String, String),
    /// Events were held back until now.
    Deliver,
    /// Batch jobs move on.
    Jobs,
    /// Something in a vault.
    Vault(String, VaultDue),
    /// Lifecycle and Intelligent-Tiering.
    Midnight,
}

/// What the meter is still to be told.
#[derive(Debug, Clone)]
pub(crate) enum Charge {
    Request(RequestKind, StorageClass),
    Stored(Stored),
    Removed(StorageClass, u64, Time),
    Thawed(StorageClass, Option<Access>, Tier, u64),
    ThawedCopy(u64, Time, Time),
    Retrieved(StorageClass, u64),
    Egress(u64),
    Vault(VaultUse, u64),
    VaultStored { bytes: u64, from: Time, to: Time },
    VaultParts { bytes: u64, from: Time, to: Time },
    VaultRemoved { bytes: u64, since: Time },
    Monitored(Time, Time),
}

/// The smallest object that Intelligent-Tiering monitors and moves, in bytes.
pub(crate) const TIERED_BYTES_MIN: u64 = 128 * 1024;

/// Everything.
pub(crate) struct State {
    pub region: String,
    /// Up to when all has happened.
    pub now: Time,
    pub buckets: BTreeMap<String, Bucket>,
    pub glacier: Glacier,
    pub keys: BTreeMap<String, AccessKey>,
    pub account: Account,
    pub queues: Queues,
    pub jobs: Jobs,
    pub meter: Meter,
    /// Storage before this was metered, whatever the versions say.
    pub billed_until: Time,
    pub counter: u64,
    /// Events come so many nanoseconds late.
    pub late_nanos: i64,
    pub waiting: Vec<Waiting>,
    pub blobs: Arc<Blobs>,
    agenda: BTreeSet<(Time, Due)>,
    references: HashMap<u64, u32>,
    charges: Vec<Charge>,
    /// What changed since it was last written down.
    pub dirty: BTreeSet<Record>,
}

impl State {
    pub fn new(region: &str, now: Time, blobs: Arc<Blobs>) -> Self {
        let mut state = Self {
            region: region.to_string(),
            now,
            buckets: BTreeMap::new(),
            glacier: Glacier::default(),
            keys: BTreeMap::new(),
            account: Account::default(),
            queues: Queues::new(region),
            jobs: Jobs::new(region),
            meter: Meter::new(region),
            billed_until: Time(i64::MIN),
            counter: 0,
            late_nanos: 0,
            waiting: Vec::new(),
            blobs,
            agenda: BTreeSet::new(),
            references: HashMap::new(),
            charges: Vec::new(),
            dirty: BTreeSet::new(),
        };
        state.plan(midnight_after(now), Due::Midnight);
        state
    }

    /// After loading: counts references and plans what is to come.
    pub fn wake(&mut self) {
        let mut planned = vec![(midnight_after(self.now), Due::Midnight)];
        let mut used: Vec<Segment> = Vec::new();
        for bucket in self.buckets.values() {
            for (key, versions) in &bucket.objects {
                for version in versions {
                    used.extend(&version.body);
                    planned.extend(restore::plan_of(&bucket.name, key, version));
                }
            }
            let parts = bucket.uploads.values().flat_map(|u| u.parts.values());
            used.extend(parts.flat_map(|p| &p.body));
        }
        used.extend(self.glacier.segments());
        planned.extend(self.glacier.plans());
        planned.extend(self.waiting.iter().map(|w| (w.due, Due::Deliver)));
        planned.extend(self.jobs.next_due().map(|at| (at, Due::Jobs)));
        self.agenda = planned.into_iter().collect();
        self.references.clear();
        self.refer(&used);
    }

    /// True if some object or part lies in the blob.
    pub fn is_used(&self, blob: u64) -> bool {
        self.references.contains_key(&blob)
    }

    pub fn plan(&mut self, at: Time, due: Due) {
        self.agenda.insert((at, due));
    }

    /// Lets everything happen that falls due up to `now`, in order.
    pub fn catch_up(&mut self, now: Time) {
        while let Some((at, _)) = self.agenda.first()
            && *at <= now
            && let Some((at, due)) = self.agenda.pop_first()
        {
            self.now = self.now.max(at);
            self.happen(due);
        }
        self.now = self.now.max(now);
        self.meter.at(self.now);
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Restored(bucket, key, version) => self.restore_done(&bucket, &key, &version),
            Due::Expired(bucket, key, version) => self.copy_expires(&bucket, &key, &version),
            Due::Deliver => self.deliver(),
            Due::Jobs => self.run_jobs(),
            Due::Vault(vault, due) => self.vault_due(&vault, &due),
            Due::Midnight => {
                self.run_lifecycle();
                self.run_tiering();
                self.plan(midnight_after(self.now), Due::Midnight);
            }
        }
        self.dirty.insert(Record::Rest);
    }

    /// Tells the meter what has piled up; false if that is nothing.
    pub fn settle(&mut self) -> bool {
        let now = self.now;
        if self.charges.is_empty() {
            return false;
        }
        let meter = self.meter.at(now);
        for charge in self.charges.drain(..) {
            match charge {
                Charge::Request(kind, class) => meter.request(kind, &class, 1),
                Charge::Stored(what) => meter.stored(what),
                Charge::Removed(class, bytes, since) => meter.removed(&class, bytes, since, now),
                Charge::Thawed(class, access, tier, bytes) => meter.thawed(&class, access, tier, bytes),
                Charge::ThawedCopy(bytes, from, to) => meter.thawed_copy(bytes, from, to),
                Charge::Retrieved(class, bytes) => meter.retrieved(&class, bytes),
                Charge::Egress(bytes) => meter.egress(bytes, now),
                Charge::Vault(what, n) => meter.vault(what, n),
                Charge::VaultStored { bytes, from, to } => meter.vault_stored(bytes, from, to),
                Charge::VaultParts { bytes, from, to } => meter.vault_parts(bytes, from, to),
                Charge::VaultRemoved { bytes, since } => meter.vault_removed(bytes, since, now),
                Charge::Monitored(from, to) => meter.monitored(1, from, to),
            }
        }
        true
    }

    pub fn charge(&mut self, charge: Charge) {
        self.charges.push(charge);
    }

    /// Meters the storage of all that lies there up to now.
    pub fn bill_storage(&mut self) {
        let now = self.now;
        let mut charges = Vec::new();
        for bucket in self.buckets.values() {
            for version in bucket.objects.values().flatten() {
                charges.extend(storage_charges(version, self.billed_until, now));
            }
            for upload in bucket.uploads.values() {
                charges.extend(part_charges(upload, self.billed_until, now));
            }
        }
        charges.extend(self.glacier.storage_charges(self.billed_until, now));
        self.charges.extend(charges);
        self.settle();
        self.billed_until = now;
        self.dirty.insert(Record::Rest);
    }

    /// Meters what a version cost until now; it is billed anew from here.
    pub fn bill_version(&mut self, bucket: &str, key: &str, id: &str) {
        let (now, until) = (self.now, self.billed_until);
        let Some(version) = self.buckets.get_mut(bucket).and_then(|b| b.version_mut(key, Some(id))) else { return };
        let charges = storage_charges(version, until, now);
        version.billed_from = now;
        self.charges.extend(charges);
    }

    /// Meters the parts of an upload that ends.
    pub fn bill_upload(&mut self, upload: &Upload) {
        let charges = part_charges(upload, self.billed_until, self.now);
        self.charges.extend(charges);
    }

    /// Forgets the bill so far.
    pub fn reset_bill(&mut self) {
        self.charges.clear();
        self.meter = Meter::new(&self.region);
        self.meter.at(self.now);
        self.billed_until = self.now;
        self.dirty.insert(Record::Rest);
    }

    /// A name nobody had before: of a version, an upload, a request.
    pub fn fresh_id(&mut self) -> String {
        self.counter += 1;
        self.dirty.insert(Record::Clock);
        let seed = format!("{} {}", self.counter, self.now.0);
        let digest = s3s::crypto::Checksum::finalize({
            let mut sha: s3s::crypto::Sha256 = s3s::crypto::Checksum::new();
            s3s::crypto::Checksum::update(&mut sha, seed.as_bytes());
            sha
        });
        hex::encode(&digest[..16])
    }

    pub fn refer(&mut self, segments: &[Segment]) {
        for segment in segments {
            *self.references.entry(segment.blob).or_default() += 1;
        }
    }

    pub fn release(&mut self, segments: &[Segment]) {
        for segment in segments {
            if let Some(count) = self.references.get_mut(&segment.blob) {
                *count -= 1;
                if *count == 0 {
                    self.references.remove(&segment.blob);
                    self.blobs.remove(segment.blob);
                }
            }
        }
    }

    pub fn bucket(&self, name: &str) -> S3Result<&Bucket> {
        self.buckets.get(name).ok_or_else(no_such_bucket)
    }

    pub fn bucket_mut(&mut self, name: &str) -> S3Result<&mut Bucket> {
        self.buckets.get_mut(name).ok_or_else(no_such_bucket)
    }

    /// A version that is an object; the errors are those of GET and HEAD.
    pub fn object(&self, bucket: &str, key: &str, id: Option<&str>) -> S3Result<&Version> {
        match (self.bucket(bucket)?.version(key, id), id) {
            (Some(version), _) if !version.marker => Ok(version),
            (Some(_), Some(_)) => Err(s3_error!(MethodNotAllowed, "a delete marker has no content")),
            (_, None) => Err(s3_error!(NoSuchKey, "The specified key does not exist.")),
            (None, Some(_)) => Err(s3_error!(NoSuchVersion, "The specified version does not exist.")),
        }
    }

    pub fn object_mut(&mut self, bucket: &str, key: &str, id: Option<&str>) -> S3Result<&mut Version> {
        self.object(bucket, key, id)?;
        self.dirty.insert(Record::Object(bucket.to_string(), key.to_string()));
        let found = self.buckets.get_mut(bucket).and_then(|b| b.version_mut(key, id));
        found.ok_or_else(|| S3Error::new(S3ErrorCode::NoSuchKey))
    }

    pub fn touch_object(&mut self, bucket: &str, key: &str) {
        self.dirty.insert(Record::Object(bucket.to_string(), key.to_string()));
    }

    /// Makes a bucket, or says that it is there.
    pub fn create_bucket(&mut self, name: &str, lock: bool) -> S3Result<()> {
        if self.buckets.contains_key(name) {
            return Err(s3_error!(BucketAlreadyOwnedByYou, "the bucket `{name}` is yours already"));
        }
        let mut bucket = Bucket::new(name, self.now);
        if lock {
            bucket.lock = true;
            bucket.versioning = model::Versioning::Enabled;
        }
        self.buckets.insert(name.to_string(), bucket);
        self.dirty.insert(Record::Bucket(name.to_string()));
        Ok(())
    }

    pub fn delete_bucket(&mut self, name: &str) -> S3Result<()> {
        let bucket = self.bucket(name)?;
        if !bucket.objects.is_empty() || !bucket.uploads.is_empty() {
            return Err(s3_error!(BucketNotEmpty, "The bucket you tried to delete is not empty"));
        }
        self.buckets.remove(name);
        self.dirty.insert(Record::Bucket(name.to_string()));
        Ok(())
    }
}

fn no_such_bucket() -> S3Error {
    s3_error!(NoSuchBucket, "The specified bucket does not exist")
}

/// What a version costs from when it was last metered, but not before `until`, up to `now`.
fn storage_charges(version: &Version, until: Time, now: Time) -> Vec<Charge> {
    if version.marker {
        return Vec::new();
    }
    let mut charges = Vec::new();
    let from = version.billed_from.max(until);
    if from < now {
        let (class, access) = (version.class.clone(), version.access());
        charges.push(Charge::Stored(Stored { class, access, bytes: version.size, from, to: now }));
        if access.is_some() && version.size >= TIERED_BYTES_MIN {
            charges.push(Charge::Monitored(from, now));
        }
    }
    if let Some(restore) = version.restore.as_ref().filter(|r| r.expiry.is_some()) {
        let from = restore.done.max(until).max(version.billed_from);
        let to = restore.expiry.map_or(now, |e| e.min(now)).min(restore.paid);
        if from < to {
            charges.push(Charge::ThawedCopy(version.size, from, to));
        }
    }
    charges
}

/// Parts of uploads lie in `STANDARD`, whatever class the object is to have.
fn part_charges(upload: &Upload, until: Time, now: Time) -> Vec<Charge> {
    let parts = upload.parts.values().map(|part| (part.size, part.modified.max(until)));
    let parts = parts.filter(|(_, from)| *from < now);
    parts
        .map(|(bytes, from)| {
            Charge::Stored(Stored { class: StorageClass::Standard, access: None, bytes, from, to: now })
        })
        .collect()
}
