//! Writing and deleting objects.

use darkslide_words::Time;
use s3s::dto::ETagCondition;
use s3s::{S3Result, s3_error};

use super::events::Happening;
use super::model::{Bucket, NewObject, Version, Versioning};
use super::{Charge, State};
use crate::blobs::Segment;

/// What has to hold of a key before it is written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Conditions {
    pub if_match: Option<ETagCondition>,
    pub if_none_match: Option<ETagCondition>,
}

impl Conditions {
    /// 412 or 404 if they do not hold; a deleted key counts as one that never was.
    pub fn check(&self, bucket: &Bucket, key: &str) -> S3Result<()> {
        let current = bucket.current(key);
        let failed = || s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold");
        match &self.if_none_match {
            Some(ETagCondition::Any) if current.is_some() => return Err(failed()),
            Some(ETagCondition::ETag(_)) => {
                return Err(s3_error!(NotImplemented, "writes take If-None-Match only with the value *"));
            }
            _ => {}
        }
        match (&self.if_match, current) {
            (None, _) | (Some(ETagCondition::Any), Some(_)) => Ok(()),
            (Some(_), None) => Err(s3_error!(NoSuchKey, "The specified key does not exist.")),
            (Some(ETagCondition::ETag(wanted)), Some(version)) if wanted.value() == version.etag => Ok(()),
            (Some(ETagCondition::ETag(_)), Some(_)) => Err(failed()),
        }
    }
}

/// What a delete did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Deleted {
    /// A delete marker was made, or deleted.
    pub marker: bool,
    pub version: Option<String>,
}

impl State {
    /// Writes an object, atomically with its conditions; the body's references pass to it.
    pub fn put(
        &mut self,
        bucket: &str,
        key: &str,
        mut new: NewObject,
        conditions: &Conditions,
        event: &str,
    ) -> S3Result<Version> {
        conditions.check(self.bucket(bucket)?, key)?;
        self.lock_on_write(bucket, &mut new)?;
        // Before the old version goes: a copy onto itself shares its bytes.
        self.refer(&new.body);
        let versioning = self.bucket(bucket)?.versioning;
        let id = if versioning == Versioning::Enabled { self.fresh_id() } else { "null".to_string() };
        if versioning != Versioning::Enabled {
            self.remove_version(bucket, key, "null");
        }
        let version = Version::new(id, new, self.now);
        self.push_version(bucket, key, version.clone());
        self.happened(event, bucket, key, &version);
        Ok(version)
    }

    fn push_version(&mut self, bucket: &str, key: &str, version: Version) {
        let now = self.now;
        if let Some(bucket) = self.buckets.get_mut(bucket) {
            let versions = bucket.objects.entry(key.to_string()).or_default();
            if let Some(old) = versions.first_mut() {
                old.noncurrent_since.get_or_insert(now);
            }
            versions.insert(0, version);
        }
        self.touch_object(bucket, key);
    }

    /// Ends a version: what it cost is metered, its bytes go with their last reference.
    pub fn remove_version(&mut self, bucket: &str, key: &str, id: &str) -> Option<Version> {
        self.bill_version(bucket, key, id);
        let found = self.buckets.get_mut(bucket)?;
        let versions = found.objects.get_mut(key)?;
        let at = versions.iter().position(|v| v.id == id)?;
        let removed = versions.remove(at);
        if let Some(first) = versions.first_mut() {
            first.noncurrent_since = None;
        } else {
            found.objects.remove(key);
        }
        if !removed.marker {
            self.charge(Charge::Removed(removed.class.clone(), removed.size, removed.class_since));
        }
        self.release(&removed.body);
        self.touch_object(bucket, key);
        Some(removed)
    }

    /// DELETE of a key or a version; `bypass` lifts governance.
    pub fn delete(&mut self, bucket: &str, key: &str, id: Option<&str>, bypass: bool) -> S3Result<Deleted> {
        let versioning = self.bucket(bucket)?.versioning;
        if let Some(id) = id {
            if let Some(version) = self.bucket(bucket)?.version(key, Some(id)) {
                self.check_unlocked(version, bypass)?;
            }
            let removed = self.remove_version(bucket, key, id);
            if let Some(version) = &removed {
                self.happened("ObjectRemoved:Delete", bucket, key, version);
            }
            let marker = removed.is_some_and(|v| v.marker);
            return Ok(Deleted { marker, version: Some(id.to_string()) });
        }
        match versioning {
            Versioning::Off => {
                if let Some(version) = self.remove_version(bucket, key, "null") {
                    self.happened("ObjectRemoved:Delete", bucket, key, &version);
                }
                Ok(Deleted::default())
            }
            Versioning::Enabled | Versioning::Suspended => {
                let version = self.mark_deleted(bucket, key);
                self.happened("ObjectRemoved:DeleteMarkerCreated", bucket, key, &version);
                Ok(Deleted { marker: true, version: Some(version.id) })
            }
        }
    }

    /// Puts a delete marker on top.
    pub fn mark_deleted(&mut self, bucket: &str, key: &str) -> Version {
        let enabled = self.buckets.get(bucket).is_some_and(|b| b.versioning == Versioning::Enabled);
        let id = if enabled {
            self.fresh_id()
        } else {
            self.remove_version(bucket, key, "null");
            "null".to_string()
        };
        let marker = Version::delete_marker(id, self.now);
        self.push_version(bucket, key, marker.clone());
        marker
    }

    /// Moves a version into another class, as a lifecycle rule does; the ETag stays.
    pub fn transition(&mut self, bucket: &str, key: &str, id: &str, class: &darkslide_words::StorageClass, at: Time) {
        self.bill_version(bucket, key, id);
        let now = self.now;
        let Some(version) = self.buckets.get_mut(bucket).and_then(|b| b.version_mut(key, Some(id))) else { return };
        let left = (version.class.clone(), version.size, version.class_since);
        version.class = class.clone();
        version.class_since = at;
        version.restore = None;
        let tiering = super::model::Tiering { access: crate::bill::Access::Frequent, touched: now };
        version.tiering = (*class == darkslide_words::StorageClass::IntelligentTiering).then_some(tiering);
        let moved = version.clone();
        self.charge(Charge::Removed(left.0, left.1, left.2));
        self.charge(Charge::Request(crate::bill::RequestKind::LifecycleTransition, class.clone()));
        self.touch_object(bucket, key);
        self.happened("LifecycleTransition", bucket, key, &moved);
    }

    /// The body of an object that can be read now; a read counts for Intelligent-Tiering.
    pub fn read(&mut self, bucket: &str, key: &str, id: Option<&str>) -> S3Result<(Version, Vec<Segment>)> {
        let now = self.now;
        let version = self.object(bucket, key, id)?;
        if !version.is_readable() {
            return Err(crate::s3::errors::invalid_object_state(version));
        }
        let version = version.clone();
        if version.tiering.is_some() {
            self.touch_tiering(bucket, key, &version.id, now);
        }
        let body = version.body.clone();
        Ok((version, body))
    }

    fn happened(&mut self, event: &str, bucket: &str, key: &str, version: &Version) {
        self.emit(&Happening { event, bucket, key, version, glacier: None });
    }
}
