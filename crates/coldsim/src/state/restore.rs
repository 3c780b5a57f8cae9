//! The restore of archived objects: asked for, under way, readable for some days, gone.

use std::time::Duration;

use darkslide_words::{StorageClass, Tier, Time};
use http::StatusCode;
use s3s::crypto::{Checksum as _, Sha256};
use s3s::{S3Error, S3Result, s3_error};

use super::events::Happening;
use super::model::{Restore, Version};
use super::{Charge, Due, State};
use crate::bill::{Access, RequestKind};
use crate::clock::{days_later, midnight_from};
use crate::s3::errors::custom;

/// How a restore request was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accepted {
    /// 202: it is under way.
    Started,
    /// 200: the copy is there, and its expiry was moved.
    Extended,
}

/// What RestoreObject asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub tier: Tier,
    pub days: Option<u32>,
    /// There is no capacity for Expedited restores now.
    pub no_capacity: bool,
}

/// True for `DEEP_ARCHIVE` and the Deep Archive Access tier.
fn is_deep(version: &Version) -> bool {
    version.class == StorageClass::DeepArchive || version.access() == Some(Access::DeepArchive)
}

/// The documented window of a tier, in minutes.
fn window_minutes(deep: bool, tier: Tier) -> Option<(u64, u64)> {
    match (deep, tier) {
        (false, Tier::Expedited) => Some((1, 5)),
        (false, Tier::Standard) => Some((3 * 60, 5 * 60)),
        (false, Tier::Bulk) => Some((5 * 60, 12 * 60)),
        (true, Tier::Expedited) => None,
        (true, Tier::Standard) => Some((9 * 60, 12 * 60)),
        (true, Tier::Bulk) => Some((30 * 60, 48 * 60)),
    }
}

/// Somewhere in the window, the same for the same version and instant.
fn delay(bucket: &str, key: &str, id: &str, at: Time, window: (u64, u64)) -> Duration {
    let digest = Sha256::checksum(format!("{bucket}\0{key}\0{id}\0{}", at.0).as_bytes());
    let number = digest[..8].iter().fold(0_u64, |n, byte| n << 8 | u64::from(*byte));
    let (from, to) = (window.0 * 60_000, window.1 * 60_000);
    Duration::from_millis(from + number % (to - from))
}

/// What a version will do by itself.
pub(crate) fn plan_of(bucket: &str, key: &str, version: &Version) -> Option<(Time, Due)> {
    let restore = version.restore.as_ref()?;
    let (bucket, key, id) = (bucket.to_string(), key.to_string(), version.id.clone());
    Some(match restore.expiry {
        None => (restore.done, Due::Restored(bucket, key, id)),
        Some(expiry) => (expiry, Due::Expired(bucket, key, id)),
    })
}

fn in_progress() -> S3Error {
    s3_error!(RestoreAlreadyInProgress, "Object restore is already in progress")
}

/// Refuses what could never be: classes, tiers and days that do not go together.
fn check_request(version: &Version, wanted: Wanted) -> S3Result<(u64, u64)> {
    let tiered = version.tiering.is_some();
    if tiered && !version.is_archived() {
        let message = "This operation is not allowed against this storage tier.";
        return Err(custom(StatusCode::FORBIDDEN, "ObjectAlreadyInActiveTierError", message));
    }
    if !version.is_archived() {
        return Err(s3_error!(InvalidObjectState, "Restore is not allowed for the object's current storage class"));
    }
    match (tiered, wanted.days) {
        (true, Some(_)) => {
            return Err(s3_error!(MalformedXML, "Days must not be given for objects in INTELLIGENT_TIERING"));
        }
        (false, None | Some(0)) => return Err(s3_error!(MalformedXML, "Days must be given and be at least 1")),
        _ => {}
    }
    let Some(window) = window_minutes(is_deep(version), wanted.tier) else {
        return Err(s3_error!(InvalidArgument, "Retrieval option is not supported by this storage class"));
    };
    if wanted.tier == Tier::Expedited && wanted.no_capacity {
        let message = "Glacier expedited retrievals are currently not available, please try again later";
        return Err(custom(StatusCode::SERVICE_UNAVAILABLE, "GlacierExpeditedRetrievalNotAvailable", message));
    }
    Ok(window)
}

impl State {
    /// RestoreObject.
    pub fn restore(&mut self, bucket: &str, key: &str, id: Option<&str>, wanted: Wanted) -> S3Result<Accepted> {
        let now = self.now;
        let version = self.object(bucket, key, id)?;
        let window = check_request(version, wanted)?;
        let id = version.id.clone();
        let done = now.plus(delay(bucket, key, &id, now, window));
        match version.restore.clone() {
            Some(Restore { expiry: Some(_), .. }) => {
                self.extend_copy(bucket, key, &id, wanted)?;
                return Ok(Accepted::Extended);
            }
            Some(old) if wanted.tier <= old.tier || wanted.days != old.days => return Err(in_progress()),
            Some(old) => self.begin(bucket, key, &id, wanted, done.min(old.done))?,
            None => self.begin(bucket, key, &id, wanted, done)?,
        }
        Ok(Accepted::Started)
    }

    fn begin(&mut self, bucket: &str, key: &str, id: &str, wanted: Wanted, done: Time) -> S3Result<()> {
        let version = self.object_mut(bucket, key, Some(id))?;
        version.restore =
            Some(Restore { tier: wanted.tier, days: wanted.days, done, expiry: None, paid: Time::default() });
        let version = version.clone();
        let (class, access) = (version.class.clone(), version.access());
        self.charge(Charge::Thawed(class.clone(), access, wanted.tier, version.size));
        self.charge(Charge::Request(RequestKind::Restore(wanted.tier), class));
        self.plan(done, Due::Restored(bucket.to_string(), key.to_string(), id.to_string()));
        self.emit(&Happening { event: "ObjectRestore:Post", bucket, key, version: &version, glacier: None });
        Ok(())
    }

    /// Another restore of what can be read: only the expiry moves, only the request costs.
    fn extend_copy(&mut self, bucket: &str, key: &str, id: &str, wanted: Wanted) -> S3Result<()> {
        let paid = days_later(self.now, i64::from(wanted.days.unwrap_or(1)));
        let expiry = midnight_from(paid);
        self.bill_version(bucket, key, id);
        let version = self.object_mut(bucket, key, Some(id))?;
        let class = version.class.clone();
        if let Some(restore) = &mut version.restore {
            restore.expiry = Some(expiry);
            restore.paid = restore.paid.max(paid);
            restore.days = wanted.days;
        }
        self.charge(Charge::Request(RequestKind::Restore(wanted.tier), class));
        self.plan(expiry, Due::Expired(bucket.to_string(), key.to_string(), id.to_string()));
        Ok(())
    }

    /// A restore's time has come; a faster one may have been asked for since.
    pub(super) fn restore_done(&mut self, bucket: &str, key: &str, id: &str) {
        let now = self.now;
        let current = self.buckets.get(bucket).and_then(|b| b.version(key, Some(id))).and_then(|v| v.restore.clone());
        let Some(restore) = current.filter(|r| r.expiry.is_none() && r.done <= now) else { return };
        if restore.days.is_none() {
            self.bill_version(bucket, key, id);
        }
        let Ok(version) = self.object_mut(bucket, key, Some(id)) else { return };
        let class = version.class.clone();
        let mut expiry = None;
        match restore.days {
            Some(days) => {
                let paid = days_later(restore.done, i64::from(days));
                expiry = Some(midnight_from(paid));
                version.restore = Some(Restore { expiry, paid, ..restore });
            }
            None => {
                // In Intelligent-Tiering there is no copy: the object itself comes back.
                version.restore = None;
                if let Some(tiering) = &mut version.tiering {
                    tiering.access = Access::Frequent;
                    tiering.touched = now;
                }
            }
        }
        let version = version.clone();
        if let Some(expiry) = expiry {
            self.plan(expiry, Due::Expired(bucket.to_string(), key.to_string(), id.to_string()));
        }
        let glacier = expiry.map(|expiry| (expiry, &class));
        self.emit(&Happening { event: "ObjectRestore:Completed", bucket, key, version: &version, glacier });
    }

    /// A temporary copy's time has come; it may have been extended since.
    pub(super) fn copy_expires(&mut self, bucket: &str, key: &str, id: &str) {
        let now = self.now;
        let current = self.buckets.get(bucket).and_then(|b| b.version(key, Some(id))).and_then(|v| v.restore.clone());
        let Some(expiry) = current.and_then(|r| r.expiry).filter(|expiry| *expiry <= now) else { return };
        self.bill_version(bucket, key, id);
        let Ok(version) = self.object_mut(bucket, key, Some(id)) else { return };
        version.restore = None;
        let version = version.clone();
        let glacier = Some((expiry, &version.class));
        self.emit(&Happening { event: "ObjectRestore:Delete", bucket, key, version: &version, glacier });
    }
}
