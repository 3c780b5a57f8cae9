//! What the simulator remembers: buckets, versions, uploads, keys.

use std::collections::BTreeMap;

use darkslide_words::{StorageClass, Tier, Time};
use serde::{Deserialize, Serialize};

use crate::bill::Access;
use crate::blobs::Segment;
use crate::sums::{Algorithm, Cover, Sum};

/// Whether a bucket keeps old versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum Versioning {
    #[default]
    Off,
    Enabled,
    Suspended,
}

/// A bucket; its versions and uploads are recorded apart.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Bucket {
    pub name: String,
    pub created: Time,
    pub versioning: Versioning,
    /// Object Lock is on; it cannot be turned off again.
    pub lock: bool,
    /// Configurations by name (`lifecycle`, `policy`, `intelligent-tiering/ID`), as XML or JSON.
    pub config: BTreeMap<String, String>,
    /// Versions of each key, the newest first.
    #[serde(skip)]
    pub objects: BTreeMap<String, Vec<Version>>,
    /// Multipart uploads by id.
    #[serde(skip)]
    pub uploads: BTreeMap<String, Upload>,
}

/// Headers that a client sends with an object and gets back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Headers {
    pub content_type: Option<String>,
    pub content_encoding: Option<String>,
    pub content_disposition: Option<String>,
    pub content_language: Option<String>,
    pub cache_control: Option<String>,
    pub website_redirect: Option<String>,
    pub metadata: BTreeMap<String, String>,
}

/// How an object is encrypted; bodies are kept as they came all the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Encryption {
    /// `AES256`, `aws:kms`; none with a key of the customer.
    pub algorithm: Option<String>,
    pub kms_key: Option<String>,
    /// MD5 of the customer's key (SSE-C), base64.
    pub customer_md5: Option<String>,
}

/// A lock's mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum LockMode {
    Governance,
    Compliance,
}

/// Object Lock of a version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lock {
    pub retention: Option<(LockMode, Time)>,
    pub legal_hold: bool,
}

/// A part of a completed multipart upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartInfo {
    pub size: u64,
    pub sum: Option<String>,
}

/// A restore that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Restore {
    pub tier: Tier,
    /// None in Intelligent-Tiering.
    pub days: Option<u32>,
    /// When it is or was done.
    pub done: Time,
    /// When the copy goes; none while it is being made.
    pub expiry: Option<Time>,
    /// Until when it is billed: the days asked for. The hours to midnight that it
    /// stays besides are not (S3 user guide, restoring-objects: storage of the copy
    /// for the days that are specified).
    #[serde(default)]
    pub paid: Time,
}

/// Where an object of Intelligent-Tiering is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tiering {
    pub access: Access,
    /// Last read or write.
    pub touched: Time,
}

/// A version of an object, or a delete marker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Version {
    /// `null` where the bucket kept no versions.
    pub id: String,
    pub marker: bool,
    pub body: Vec<Segment>,
    pub size: u64,
    pub etag: String,
    pub class: StorageClass,
    pub modified: Time,
    pub noncurrent_since: Option<Time>,
    pub headers: Headers,
    pub encryption: Encryption,
    pub sum: Option<Sum>,
    pub parts: Vec<PartInfo>,
    pub tags: BTreeMap<String, String>,
    pub lock: Lock,
    pub restore: Option<Restore>,
    pub tiering: Option<Tiering>,
    /// Since when it is in its class.
    pub class_since: Time,
    /// Until when its storage was metered.
    pub billed_from: Time,
}

/// A part of an upload that is not complete.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Part {
    pub body: Vec<Segment>,
    pub size: u64,
    pub md5: [u8; 16],
    pub crc64: String,
    pub sum: Option<Sum>,
    pub modified: Time,
}

/// A multipart upload that is not complete.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Upload {
    pub key: String,
    /// The user who began it, and who may list its parts and abort it.
    pub initiator: String,
    pub initiated: Time,
    pub class: StorageClass,
    pub headers: Headers,
    pub encryption: Encryption,
    pub tags: BTreeMap<String, String>,
    pub lock: Lock,
    /// What the client asked for, if it did.
    pub algorithm: Option<(Algorithm, Cover)>,
    pub parts: BTreeMap<u32, Part>,
}

/// An access key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKey {
    /// The public half.
    pub id: String,
    /// The secret half.
    pub secret: String,
    /// The user it belongs to.
    pub user: String,
    /// Policies of the user, as JSON.
    #[serde(default)]
    pub policies: Vec<String>,
    /// The user's permissions boundary, as JSON.
    #[serde(default)]
    pub boundary: Option<String>,
}

/// All that is needed for a new version; the state adds id, times and lock.
#[derive(Debug, Clone, Default)]
pub(crate) struct NewObject {
    pub body: Vec<Segment>,
    pub etag: String,
    pub class: StorageClass,
    pub headers: Headers,
    pub encryption: Encryption,
    pub sum: Option<Sum>,
    pub parts: Vec<PartInfo>,
    pub tags: BTreeMap<String, String>,
    pub lock: Lock,
}

impl Bucket {
    pub fn new(name: &str, created: Time) -> Self {
        Self {
            name: name.to_string(),
            created,
            versioning: Versioning::Off,
            lock: false,
            config: BTreeMap::new(),
            objects: BTreeMap::new(),
            uploads: BTreeMap::new(),
        }
    }

    /// The current version of a key, unless it is deleted.
    pub fn current(&self, key: &str) -> Option<&Version> {
        self.objects.get(key)?.first().filter(|v| !v.marker)
    }

    /// A version by id, or the newest; delete markers too.
    pub fn version(&self, key: &str, id: Option<&str>) -> Option<&Version> {
        let versions = self.objects.get(key)?;
        match id {
            None => versions.first(),
            Some(id) => versions.iter().find(|v| v.id == id),
        }
    }

    pub fn version_mut(&mut self, key: &str, id: Option<&str>) -> Option<&mut Version> {
        let versions = self.objects.get_mut(key)?;
        match id {
            None => versions.first_mut(),
            Some(id) => versions.iter_mut().find(|v| v.id == id),
        }
    }

    /// True if versions are named to clients.
    pub fn is_versioned(&self) -> bool {
        self.versioning != Versioning::Off
    }
}

impl Version {
    /// A delete marker.
    pub fn delete_marker(id: String, now: Time) -> Self {
        Self { marker: true, ..Self::new(id, NewObject::default(), now) }
    }

    pub fn new(id: String, new: NewObject, now: Time) -> Self {
        let tiering = Tiering { access: Access::Frequent, touched: now };
        Self {
            id,
            marker: false,
            size: new.body.iter().map(|s| s.len).sum(),
            body: new.body,
            etag: new.etag,
            tiering: (new.class == StorageClass::IntelligentTiering).then_some(tiering),
            class: new.class,
            modified: now,
            noncurrent_since: None,
            headers: new.headers,
            encryption: new.encryption,
            sum: new.sum,
            parts: new.parts,
            tags: new.tags,
            lock: new.lock,
            restore: None,
            class_since: now,
            billed_from: now,
        }
    }

    /// The access tier, in Intelligent-Tiering.
    pub fn access(&self) -> Option<Access> {
        self.tiering.as_ref().map(|t| t.access)
    }

    /// True if it lies where it has to be restored from.
    pub fn is_archived(&self) -> bool {
        self.class.is_archive() || matches!(self.access(), Some(Access::Archive | Access::DeepArchive))
    }

    /// True if its bytes can be read now.
    pub fn is_readable(&self) -> bool {
        !self.is_archived() || self.restore.as_ref().is_some_and(|r| r.expiry.is_some())
    }

    /// Value of `x-amz-restore`.
    pub fn restore_header(&self) -> Option<String> {
        let restore = self.restore.as_ref()?;
        Some(match restore.expiry {
            None => "ongoing-request=\"true\"".to_string(),
            Some(expiry) => {
                format!("ongoing-request=\"false\", expiry-date=\"{}\"", crate::s3::convert::http_date(expiry))
            }
        })
    }

    /// Value of `x-amz-archive-status`.
    pub fn archive_status(&self) -> Option<&'static str> {
        match self.access()? {
            Access::Archive => Some("ARCHIVE_ACCESS"),
            Access::DeepArchive => Some("DEEP_ARCHIVE_ACCESS"),
            _ => None,
        }
    }
}
