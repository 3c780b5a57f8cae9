//! GET and HEAD: versions, conditions, ranges, parts.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, StatusCode};
use s3s::dto::*;
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};

use super::Answer;
use super::convert::{timestamp, to_time};
use super::errors::{NOTE_STATUS, class_note, custom, for_marker, storage_failed};
use super::objects::{cover_of, customer, etag, set_sum, shown_class, shown_version, sse};
use crate::sim::Sim;
use crate::state::State;
use crate::state::model::Version;
use crate::sums::Algorithm;

/// Conditions of a read; times are compared in whole seconds, as HTTP has them.
pub(super) struct ReadConditions<'a> {
    pub if_match: Option<&'a ETagCondition>,
    pub if_none_match: Option<&'a ETagCondition>,
    pub modified_since: Option<&'a Timestamp>,
    pub unmodified_since: Option<&'a Timestamp>,
}

impl ReadConditions<'_> {
    pub fn check(&self, version: &Version) -> S3Result<()> {
        let fits = |condition: &ETagCondition| match condition {
            ETagCondition::Any => true,
            ETagCondition::ETag(tag) => tag.value() == version.etag,
        };
        let failed = || s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold");
        let modified = version.modified.seconds();
        if self.if_match.is_some_and(|condition| !fits(condition)) {
            return Err(failed());
        }
        if self.if_match.is_none() && self.unmodified_since.is_some_and(|at| modified > to_time(at).seconds()) {
            return Err(failed());
        }
        let unchanged = match self.if_none_match {
            Some(condition) => fits(condition),
            None => self.modified_since.is_some_and(|at| modified <= to_time(at).seconds()),
        };
        if unchanged {
            let mut error = s3_error!(NotModified);
            error.set_status_code(http::StatusCode::NOT_MODIFIED);
            return Err(error);
        }
        Ok(())
    }
}

/// A version for GET and HEAD, with the id to show.
pub(super) fn find(state: &State, bucket: &str, key: &str, id: Option<&str>) -> S3Result<(Version, Option<String>)> {
    match state.object(bucket, key, id) {
        Ok(version) => Ok((version.clone(), shown_version(state, bucket, version))),
        Err(error) => match state.bucket(bucket)?.version(key, id).filter(|v| v.marker) {
            Some(marker) => Err(for_marker(error, marker)),
            None => Err(error),
        },
    }
}

pub(super) fn check_customer_key(version: &Version, md5: Option<&String>) -> S3Result<()> {
    match (&version.encryption.customer_md5, md5) {
        (Some(_), None) => Err(s3_error!(
            InvalidRequest,
            "The object was stored using a form of Server Side Encryption. The correct parameters must be provided."
        )),
        (Some(kept), Some(given)) if kept != given => Err(s3_error!(AccessDenied, "the customer key is another one")),
        (None, Some(_)) => {
            Err(s3_error!(InvalidRequest, "The encryption parameters are not applicable to this object."))
        }
        _ => Ok(()),
    }
}

/// The stretch that a range or a part number means, and how many parts there are.
fn stretch(
    version: &Version,
    range: Option<&Range>,
    part: Option<i32>,
) -> S3Result<(std::ops::Range<u64>, Option<i32>)> {
    let parts = i32::try_from(version.parts.len()).unwrap_or(i32::MAX);
    if let Some(number) = part {
        let at = usize::try_from(number - 1).unwrap_or(usize::MAX);
        if version.parts.is_empty() && number == 1 {
            return Ok((0..version.size, None));
        }
        let Some(part) = version.parts.get(at) else {
            return Err(custom(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "InvalidPartNumber",
                "The requested partnumber is not satisfiable",
            ));
        };
        let from: u64 = version.parts[..at].iter().map(|p| p.size).sum();
        return Ok((from..from + part.size, Some(parts)));
    }
    match range {
        None => Ok((0..version.size, None)),
        Some(range) => Ok((range.check(version.size)?, None)),
    }
}

/// Fields that GET and HEAD share.
macro_rules! describe {
    ($output:expr, $version:expr, $input:expr, $stretch:expr, $whole:expr) => {
        $output.accept_ranges = Some("bytes".into());
        $output.cache_control = $version.headers.cache_control.clone();
        $output.content_disposition = $version.headers.content_disposition.clone();
        $output.content_encoding = $version.headers.content_encoding.clone();
        $output.content_language = $version.headers.content_language.clone();
        $output.content_length = i64::try_from($stretch.end - $stretch.start).ok();
        let default_type = || "binary/octet-stream".to_string();
        $output.content_type = Some($version.headers.content_type.clone().unwrap_or_else(default_type));
        $output.e_tag = etag($version);
        $output.last_modified = Some(timestamp($version.modified));
        $output.metadata = Some($version.headers.metadata.clone().into_iter().collect());
        $output.website_redirect_location = $version.headers.website_redirect.clone();
        $output.object_lock_mode = $version.lock.retention.map(|(mode, _)| ObjectLockMode::from_static(mode.name()));
        $output.object_lock_retain_until_date = $version.lock.retention.map(|(_, until)| timestamp(until));
        $output.object_lock_legal_hold_status =
            $version.lock.legal_hold.then(|| ObjectLockLegalHoldStatus::from_static("ON"));
        $output.restore = $version.restore_header();
        $output.storage_class = shown_class(&$version.class);
        $output.server_side_encryption = sse($version);
        $output.ssekms_key_id = $version.encryption.kms_key.clone();
        ($output.sse_customer_algorithm, $output.sse_customer_key_md5) = customer($version);
        let wants_sum = $input.checksum_mode.as_ref().is_some_and(|mode| mode.as_str() == "ENABLED");
        if wants_sum && $whole {
            set_sum!($output, &$version.sum);
            $output.checksum_type = cover_of($version.sum.as_ref());
        }
    };
}

pub(super) fn get_object(sim: &Arc<Sim>, req: S3Request<GetObjectInput>) -> Answer<GetObjectOutput> {
    let input = req.input;
    let (bucket, key, id) = (&input.bucket, &input.key, input.version_id.as_deref());
    let (version, version_id, body) = sim.with(|state| {
        let (version, shown) = find(state, bucket, key, id)?;
        check_customer_key(&version, input.sse_customer_key_md5.as_ref())?;
        let conditions = ReadConditions {
            if_match: input.if_match.as_ref(),
            if_none_match: input.if_none_match.as_ref(),
            modified_since: input.if_modified_since.as_ref(),
            unmodified_since: input.if_unmodified_since.as_ref(),
        };
        conditions.check(&version)?;
        let (version, body) = state.read(bucket, key, Some(&version.id))?;
        Ok::<_, S3Error>((version, shown, body))
    })?;
    let (stretch, parts_count) = stretch(&version, input.range.as_ref(), input.part_number)?;
    let partial = input.range.is_some() || parts_count.is_some();
    let pieces = sim.blobs.stream(&body, stretch.clone()).map_err(storage_failed)?;
    let mut output = GetObjectOutput { body: Some(StreamingBlob::wrap(pieces)), version_id, ..Default::default() };
    describe!(output, &version, input, stretch, stretch == (0..version.size));
    output.parts_count = parts_count;
    output.tag_count = i32::try_from(version.tags.len()).ok().filter(|n| *n > 0);
    if partial {
        output.content_range = Some(format!("bytes {}-{}/{}", stretch.start, stretch.end.max(1) - 1, version.size));
    }
    let mut answer = S3Response::new(output);
    class_note(&mut answer.headers, &version.class);
    if partial {
        answer.headers.insert(NOTE_STATUS, HeaderValue::from_static("206"));
    }
    note_archive(&mut answer.headers, &version);
    Ok(answer)
}

fn note_archive(headers: &mut HeaderMap, version: &Version) {
    if let Some(status) = version.archive_status() {
        headers.insert("x-amz-archive-status", HeaderValue::from_static(status));
    }
}

pub(super) fn head_object(sim: &Arc<Sim>, req: S3Request<HeadObjectInput>) -> Answer<HeadObjectOutput> {
    let input = req.input;
    let (version, version_id) =
        sim.with(|state| find(state, &input.bucket, &input.key, input.version_id.as_deref()))?;
    check_customer_key(&version, input.sse_customer_key_md5.as_ref())?;
    let conditions = ReadConditions {
        if_match: input.if_match.as_ref(),
        if_none_match: input.if_none_match.as_ref(),
        modified_since: input.if_modified_since.as_ref(),
        unmodified_since: input.if_unmodified_since.as_ref(),
    };
    conditions.check(&version)?;
    let (stretch, parts_count) = stretch(&version, input.range.as_ref(), input.part_number)?;
    let mut output = HeadObjectOutput { version_id, parts_count, ..Default::default() };
    describe!(output, &version, input, stretch, stretch == (0..version.size));
    let mut answer = S3Response::new(output);
    class_note(&mut answer.headers, &version.class);
    note_archive(&mut answer.headers, &version);
    Ok(answer)
}
