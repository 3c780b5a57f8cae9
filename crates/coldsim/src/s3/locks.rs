//! Object Lock: retention and legal hold of versions, default of the bucket.

use std::sync::Arc;

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::Answer;
use super::convert::{from_xml, timestamp, to_time, to_xml};
use crate::access::Identity;
use crate::sim::Sim;
use crate::state::Record;
use crate::state::model::{LockMode, Versioning};

pub(super) fn get_object_retention(
    sim: &Arc<Sim>,
    req: S3Request<GetObjectRetentionInput>,
) -> Answer<GetObjectRetentionOutput> {
    let input = req.input;
    sim.with(|state| {
        let version = state.object(&input.bucket, &input.key, input.version_id.as_deref())?;
        let Some((mode, until)) = version.lock.retention else {
            let message = "The specified object does not have a ObjectLock configuration";
            return Err(s3_error!(NoSuchObjectLockConfiguration, "{message}"));
        };
        let retention = ObjectLockRetention {
            mode: Some(ObjectLockRetentionMode::from_static(mode.name())),
            retain_until_date: Some(timestamp(until)),
        };
        Ok(S3Response::new(GetObjectRetentionOutput { retention: Some(retention) }))
    })
}

pub(super) fn put_object_retention(
    sim: &Arc<Sim>,
    req: S3Request<PutObjectRetentionInput>,
) -> Answer<PutObjectRetentionOutput> {
    let bypass = req.input.bypass_governance_retention == Some(true) && Identity::may_bypass(&req.extensions);
    let input = req.input;
    let wanted = match input.retention {
        Some(ObjectLockRetention { mode: Some(mode), retain_until_date: Some(until) }) => {
            let mode = LockMode::from_name(mode.as_str());
            Some((
                mode.ok_or_else(|| s3_error!(MalformedXML, "the mode is GOVERNANCE or COMPLIANCE"))?,
                to_time(&until),
            ))
        }
        None | Some(ObjectLockRetention { mode: None, retain_until_date: None }) => None,
        Some(_) => return Err(s3_error!(MalformedXML, "Mode and RetainUntilDate go together")),
    };
    sim.with(|state| {
        state.set_retention(&input.bucket, &input.key, input.version_id.as_deref(), wanted, bypass)?;
        Ok(S3Response::new(PutObjectRetentionOutput::default()))
    })
}

pub(super) fn get_object_legal_hold(
    sim: &Arc<Sim>,
    req: S3Request<GetObjectLegalHoldInput>,
) -> Answer<GetObjectLegalHoldOutput> {
    let input = req.input;
    sim.with(|state| {
        let version = state.object(&input.bucket, &input.key, input.version_id.as_deref())?;
        if !state.bucket(&input.bucket)?.lock {
            return Err(s3_error!(InvalidRequest, "Bucket is missing Object Lock Configuration"));
        }
        let status = ObjectLockLegalHoldStatus::from_static(if version.lock.legal_hold { "ON" } else { "OFF" });
        let legal_hold = Some(ObjectLockLegalHold { status: Some(status) });
        Ok(S3Response::new(GetObjectLegalHoldOutput { legal_hold }))
    })
}

pub(super) fn put_object_legal_hold(
    sim: &Arc<Sim>,
    req: S3Request<PutObjectLegalHoldInput>,
) -> Answer<PutObjectLegalHoldOutput> {
    let input = req.input;
    let status = input.legal_hold.and_then(|hold| hold.status);
    let on = match status.as_ref().map(ObjectLockLegalHoldStatus::as_str) {
        Some("ON") => true,
        Some("OFF") => false,
        _ => return Err(s3_error!(MalformedXML, "the status of a legal hold is ON or OFF")),
    };
    sim.with(|state| {
        state.set_legal_hold(&input.bucket, &input.key, input.version_id.as_deref(), on)?;
        Ok(S3Response::new(PutObjectLegalHoldOutput::default()))
    })
}

pub(super) fn get_object_lock_configuration(
    sim: &Arc<Sim>,
    req: S3Request<GetObjectLockConfigurationInput>,
) -> Answer<GetObjectLockConfigurationOutput> {
    sim.with(|state| {
        let bucket = state.bucket(&req.input.bucket)?;
        if !bucket.lock {
            let message = "Object Lock configuration does not exist for this bucket";
            return Err(s3_error!(ObjectLockConfigurationNotFoundError, "{message}"));
        }
        let config: ObjectLockConfiguration = match bucket.config.get("object-lock") {
            Some(text) => from_xml(text)?,
            None => ObjectLockConfiguration {
                object_lock_enabled: Some(ObjectLockEnabled::from_static("Enabled")),
                rule: None,
            },
        };
        Ok(S3Response::new(GetObjectLockConfigurationOutput { object_lock_configuration: Some(config) }))
    })
}

fn check_default(config: &ObjectLockConfiguration) -> S3Result<()> {
    if config.object_lock_enabled.as_ref().map(ObjectLockEnabled::as_str) != Some("Enabled") {
        return Err(s3_error!(MalformedXML, "ObjectLockEnabled is Enabled"));
    }
    let Some(default) = config.rule.as_ref().and_then(|rule| rule.default_retention.as_ref()) else { return Ok(()) };
    let length = match (default.days, default.years) {
        (Some(days), None) => days,
        (None, Some(years)) => years,
        _ => return Err(s3_error!(MalformedXML, "a default retention has either Days or Years")),
    };
    if length < 1 || default.mode.as_ref().and_then(|m| LockMode::from_name(m.as_str())).is_none() {
        return Err(s3_error!(InvalidArgument, "Default retention period must be a positive integer value"));
    }
    Ok(())
}

pub(super) fn put_object_lock_configuration(
    sim: &Arc<Sim>,
    req: S3Request<PutObjectLockConfigurationInput>,
) -> Answer<PutObjectLockConfigurationOutput> {
    let input = req.input;
    let Some(config) = input.object_lock_configuration else {
        return Err(s3_error!(MalformedXML, "ObjectLockConfiguration is missing"));
    };
    check_default(&config)?;
    let text = to_xml(&config)?;
    sim.with(|state| {
        let bucket = state.bucket_mut(&input.bucket)?;
        if bucket.versioning != Versioning::Enabled {
            let message = "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration";
            return Err(s3_error!(InvalidBucketState, "{message}"));
        }
        bucket.lock = true;
        bucket.config.insert("object-lock".into(), text);
        state.dirty.insert(Record::Bucket(input.bucket.clone()));
        Ok(S3Response::new(PutObjectLockConfigurationOutput::default()))
    })
}
