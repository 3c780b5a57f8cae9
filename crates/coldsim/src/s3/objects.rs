//! PutObject and RestoreObject, and what operations on objects share.

use std::collections::BTreeMap;
use std::sync::Arc;

use darkslide_words::{StorageClass, Tier};
use http::{HeaderValue, StatusCode};
use s3s::dto::{self, *};
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};

use super::Answer;
use super::convert::{query_pairs, to_time};
use super::errors::{NOTE_STATUS, class_note, custom};
use super::receive::receive;
use crate::sim::Sim;
use crate::state::State;
use crate::state::model::{Encryption, Headers, Lock, LockMode, NewObject, Version};
use crate::state::objects::Conditions;
use crate::state::restore::{Accepted, Wanted};
use crate::sums::{Algorithm, Sum};

/// Keys of at most so many tags.
const TAGS_MAX: usize = 10;

/// The class a client names; S3 refuses those it does not know.
pub(super) fn class_of(name: Option<&dto::StorageClass>) -> S3Result<StorageClass> {
    let name = name.map_or("STANDARD", |class| class.as_str());
    let class = StorageClass::from_name(name);
    match &class {
        StorageClass::Other(name) if name != "REDUCED_REDUNDANCY" => {
            Err(s3_error!(InvalidStorageClass, "The storage class you specified is not valid"))
        }
        _ => Ok(class),
    }
}

/// How a class is named to clients; `STANDARD` is not.
pub(super) fn shown_class(class: &StorageClass) -> Option<dto::StorageClass> {
    (*class != StorageClass::Standard).then(|| class.as_str().to_string().into())
}

pub(super) fn tags_of(header: Option<&str>) -> S3Result<BTreeMap<String, String>> {
    let pairs = query_pairs(header.unwrap_or_default());
    check_tags(pairs)
}

fn check_tags(pairs: Vec<(String, String)>) -> S3Result<BTreeMap<String, String>> {
    let number = pairs.len();
    let tags: BTreeMap<String, String> = pairs.into_iter().collect();
    if number > TAGS_MAX {
        return Err(custom(
            StatusCode::BAD_REQUEST,
            "BadRequest",
            format!("Object tags cannot be greater than {TAGS_MAX}"),
        ));
    }
    if tags.len() < number {
        return Err(s3_error!(InvalidTag, "Cannot provide multiple Tags with the same key"));
    }
    if tags.iter().any(|(key, value)| key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256) {
        return Err(s3_error!(InvalidTag, "a tag's key has 1 to 128 characters, its value at most 256"));
    }
    Ok(tags)
}

pub(super) fn lock_of(
    mode: Option<&ObjectLockMode>,
    until: Option<&Timestamp>,
    hold: Option<&ObjectLockLegalHoldStatus>,
) -> S3Result<Lock> {
    let retention = match (mode, until) {
        (None, None) => None,
        (Some(mode), Some(until)) => {
            let unknown = || s3_error!(InvalidArgument, "Unknown wormMode directive.");
            Some((LockMode::from_name(mode.as_str()).ok_or_else(unknown)?, to_time(until)))
        }
        _ => {
            return Err(s3_error!(
                InvalidArgument,
                "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied"
            ));
        }
    };
    Ok(Lock { retention, legal_hold: hold.is_some_and(|status| status.as_str() == "ON") })
}

/// `aws-chunked` is a way of sending and no property of the object.
pub(super) fn stored_encoding(encoding: Option<String>) -> Option<String> {
    let kept: Vec<&str> = encoding.as_deref()?.split(',').map(str::trim).filter(|e| *e != "aws-chunked").collect();
    let kept = kept.into_iter().filter(|e| !e.is_empty()).collect::<Vec<_>>().join(",");
    (!kept.is_empty()).then_some(kept)
}

pub(super) fn encryption_of(
    algorithm: Option<&ServerSideEncryption>,
    kms_key: Option<&String>,
    customer_md5: Option<&String>,
) -> Encryption {
    match customer_md5 {
        Some(md5) => Encryption { customer_md5: Some(md5.clone()), ..Encryption::default() },
        None => Encryption {
            algorithm: Some(algorithm.map_or("AES256", |a| a.as_str()).to_string()),
            kms_key: kms_key.cloned(),
            customer_md5: None,
        },
    }
}

/// Fields of one name in the input become fields of [`Headers`].
macro_rules! headers_of {
    ($input:expr) => {
        Headers {
            content_type: $input.content_type.clone(),
            content_encoding: super::objects::stored_encoding($input.content_encoding.clone()),
            content_disposition: $input.content_disposition.clone(),
            content_language: $input.content_language.clone(),
            cache_control: $input.cache_control.clone(),
            website_redirect: $input.website_redirect_location.clone(),
            metadata: $input.metadata.clone().unwrap_or_default().into_iter().collect(),
        }
    };
}
pub(super) use headers_of;

/// Sets the five checksum fields of an output.
macro_rules! set_sum {
    ($output:expr, $sum:expr) => {
        if let Some(sum) = $sum {
            let value = Some(sum.value.clone());
            match sum.algorithm {
                Algorithm::Crc32 => $output.checksum_crc32 = value,
                Algorithm::Crc32c => $output.checksum_crc32c = value,
                Algorithm::Crc64Nvme => $output.checksum_crc64nvme = value,
                Algorithm::Sha1 => $output.checksum_sha1 = value,
                Algorithm::Sha256 => $output.checksum_sha256 = value,
            }
        }
    };
}
pub(super) use set_sum;

pub(super) fn cover_of(sum: Option<&Sum>) -> Option<ChecksumType> {
    sum.map(|s| ChecksumType::from_static(s.cover.name()))
}

pub(super) fn etag(version: &Version) -> Option<ETag> {
    Some(ETag::Strong(version.etag.clone()))
}

/// The version id, where the bucket names versions.
pub(super) fn shown_version(state: &State, bucket: &str, version: &Version) -> Option<String> {
    let versioned = state.buckets.get(bucket).is_some_and(crate::state::model::Bucket::is_versioned);
    versioned.then(|| version.id.clone())
}

pub(super) fn sse(version: &Version) -> Option<ServerSideEncryption> {
    version.encryption.algorithm.clone().map(ServerSideEncryption::from)
}

pub(super) fn customer(version: &Version) -> (Option<String>, Option<String>) {
    let md5 = version.encryption.customer_md5.clone();
    (md5.is_some().then(|| "AES256".to_string()), md5)
}

/// True if the request says what its bytes should be, before or after them.
fn carries_sum(headers: &http::HeaderMap) -> bool {
    let sum = |name: &str| name == "content-md5" || name == "x-amz-trailer" || name.starts_with("x-amz-checksum-");
    headers.keys().any(|name| sum(name.as_str()))
}

pub(super) async fn put_object(sim: &Arc<Sim>, mut req: S3Request<PutObjectInput>) -> Answer<PutObjectOutput> {
    let input = &mut req.input;
    let class = class_of(input.storage_class.as_ref())?;
    let lock = lock_of(
        input.object_lock_mode.as_ref(),
        input.object_lock_retain_until_date.as_ref(),
        input.object_lock_legal_hold_status.as_ref(),
    )?;
    let tags = tags_of(input.tagging.as_deref())?;
    let asked = input.object_lock_mode.is_some() || input.object_lock_legal_hold_status.is_some();
    let locks = sim.with(|state| state.bucket(&input.bucket).map(|_| state.locks_by_default(&input.bucket)))?;
    if (asked || locks) && !carries_sum(&req.headers) {
        return Err(s3_error!(
            InvalidRequest,
            "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters"
        ));
    }
    let received = receive(&sim.blobs, &req.headers, input.body.take(), req.trailing_headers.as_ref()).await?;
    let new = NewObject {
        body: vec![received.segment],
        etag: received.digests.etag(),
        class: class.clone(),
        headers: headers_of!(input),
        encryption: encryption_of(
            input.server_side_encryption.as_ref(),
            input.ssekms_key_id.as_ref(),
            input.sse_customer_key_md5.as_ref(),
        ),
        sum: received.sum(),
        parts: Vec::new(),
        tags,
        lock,
    };
    let conditions = Conditions { if_match: input.if_match.clone(), if_none_match: input.if_none_match.clone() };
    let written = sim.with(|state| {
        let version = state.put(&input.bucket, &input.key, new, &conditions, "ObjectCreated:Put")?;
        let id = shown_version(state, &input.bucket, &version);
        Ok::<_, S3Error>((version, id))
    });
    let (version, version_id) = written.inspect_err(|_| sim.blobs.remove(received.segment.blob))?;
    let (sse_customer_algorithm, sse_customer_key_md5) = customer(&version);
    let mut output = PutObjectOutput {
        e_tag: etag(&version),
        checksum_type: cover_of(version.sum.as_ref()),
        server_side_encryption: sse(&version),
        ssekms_key_id: version.encryption.kms_key.clone(),
        sse_customer_algorithm,
        sse_customer_key_md5,
        version_id,
        ..Default::default()
    };
    set_sum!(output, &version.sum);
    let mut answer = S3Response::new(output);
    class_note(&mut answer.headers, &class);
    Ok(answer)
}

pub(super) fn restore_object(sim: &Arc<Sim>, req: S3Request<RestoreObjectInput>) -> Answer<RestoreObjectOutput> {
    let input = req.input;
    let Some(request) = input.restore_request else {
        return Err(s3_error!(MalformedXML, "RestoreRequest is missing"));
    };
    if request.type_.is_some() || request.select_parameters.is_some() {
        return Err(s3_error!(NotImplemented, "SELECT restores are not simulated; S3 closed them to new customers"));
    }
    let tier = request.glacier_job_parameters.map(|p| p.tier).or(request.tier);
    let name = tier.as_ref().map_or("Standard", |tier| tier.as_str());
    let unknown = || s3_error!(MalformedXML, "the tier `{name}` is none of Bulk, Standard, Expedited");
    let tier = Tier::from_name(name).ok_or_else(unknown)?;
    let days = request.days.map(|days| u32::try_from(days).unwrap_or(0));
    let no_capacity = tier == Tier::Expedited && sim.faults().refuses_expedited("RestoreObject", &input.key);
    let wanted = Wanted { tier, days, no_capacity };
    let accepted = sim.with(|state| state.restore(&input.bucket, &input.key, input.version_id.as_deref(), wanted))?;
    let mut answer = S3Response::new(RestoreObjectOutput::default());
    let status = if accepted == Accepted::Started { "202" } else { "200" };
    answer.headers.insert(NOTE_STATUS, HeaderValue::from_static(status));
    Ok(answer)
}

pub(super) fn pairs_of(tags: TagSet) -> S3Result<BTreeMap<String, String>> {
    let pairs = tags.into_iter().map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default()));
    check_tags(pairs.collect())
}
