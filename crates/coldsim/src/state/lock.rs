//! Object Lock: what a version carries, what a bucket gives it by default, what it forbids.

use darkslide_words::Time;
use s3s::dto::{DefaultRetention, ObjectLockConfiguration};
use s3s::{S3Error, S3Result, s3_error};

use super::State;
use super::model::{LockMode, NewObject, Version};
use crate::clock::days_later;
use crate::s3::convert::from_xml;

impl LockMode {
    pub fn name(self) -> &'static str {
        match self {
            Self::Governance => "GOVERNANCE",
            Self::Compliance => "COMPLIANCE",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Governance, Self::Compliance].into_iter().find(|m| m.name() == name)
    }
}

fn denied() -> S3Error {
    s3_error!(AccessDenied, "Access Denied because object protected by object lock.")
}

/// When a default retention ends that begins at `now`.
fn default_until(default: &DefaultRetention, now: Time) -> Option<(LockMode, Time)> {
    let mode = LockMode::from_name(default.mode.as_ref()?.as_str())?;
    let days = match (default.days, default.years) {
        (Some(days), _) => i64::from(days),
        (None, Some(years)) => i64::from(years) * 365,
        (None, None) => return None,
    };
    Some((mode, days_later(now, days)))
}

impl State {
    /// Checks the lock a writer asks for, and gives the bucket's default where it asks for none.
    /// True if the bucket locks what is written without being asked.
    pub fn locks_by_default(&self, bucket: &str) -> bool {
        let config = self.buckets.get(bucket).and_then(|bucket| bucket.config.get("object-lock"));
        let config = config.and_then(|text| from_xml::<ObjectLockConfiguration>(text).ok());
        config.and_then(|config| config.rule).is_some_and(|rule| rule.default_retention.is_some())
    }

    pub(super) fn lock_on_write(&self, bucket: &str, new: &mut NewObject) -> S3Result<()> {
        let bucket = self.bucket(bucket)?;
        let asks = new.lock.retention.is_some() || new.lock.legal_hold;
        if asks && !bucket.lock {
            return Err(s3_error!(InvalidRequest, "Bucket is missing Object Lock Configuration"));
        }
        if let Some((_, until)) = new.lock.retention {
            if until <= self.now {
                return Err(s3_error!(InvalidArgument, "The retain until date must be in the future!"));
            }
        } else if let Some(text) = bucket.config.get("object-lock") {
            let config: ObjectLockConfiguration = from_xml(text)?;
            let default = config.rule.and_then(|rule| rule.default_retention);
            new.lock.retention = default.and_then(|default| default_until(&default, self.now));
        }
        Ok(())
    }

    /// Refuses to delete what is locked.
    pub fn check_unlocked(&self, version: &Version, bypass: bool) -> S3Result<()> {
        if version.lock.legal_hold {
            return Err(denied());
        }
        match version.lock.retention {
            Some((_, until)) if until <= self.now => Ok(()),
            Some((LockMode::Compliance, _)) => Err(denied()),
            Some((LockMode::Governance, _)) if !bypass => Err(denied()),
            _ => Ok(()),
        }
    }

    /// PutObjectRetention: compliance only gets longer, governance gets shorter only with `bypass`.
    pub fn set_retention(
        &mut self,
        bucket: &str,
        key: &str,
        id: Option<&str>,
        wanted: Option<(LockMode, Time)>,
        bypass: bool,
    ) -> S3Result<()> {
        if !self.bucket(bucket)?.lock {
            return Err(s3_error!(InvalidRequest, "Bucket is missing Object Lock Configuration"));
        }
        let now = self.now;
        if wanted.is_some_and(|(_, until)| until <= now) {
            return Err(s3_error!(InvalidArgument, "The retain until date must be in the future!"));
        }
        let version = self.object_mut(bucket, key, id)?;
        let allowed = match version.lock.retention.filter(|(_, until)| *until > now) {
            None => true,
            Some((mode, until)) => {
                let longer = wanted.is_some_and(|(_, new)| new >= until);
                let as_strict = wanted.is_some_and(|(new, _)| new == mode || new == LockMode::Compliance);
                (longer && as_strict) || (mode == LockMode::Governance && bypass)
            }
        };
        if !allowed {
            return Err(denied());
        }
        version.lock.retention = wanted;
        Ok(())
    }

    pub fn set_legal_hold(&mut self, bucket: &str, key: &str, id: Option<&str>, on: bool) -> S3Result<()> {
        if !self.bucket(bucket)?.lock {
            return Err(s3_error!(InvalidRequest, "Bucket is missing Object Lock Configuration"));
        }
        self.object_mut(bucket, key, id)?.lock.legal_hold = on;
        Ok(())
    }
}
