//! CopyObject: a copy shares the bytes of its source.

use std::sync::Arc;

use darkslide_words::StorageClass;
use http::HeaderMap;
use s3s::dto::*;
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};

use super::Answer;
use super::convert::timestamp;
use super::errors::{class_note, storage_failed};
use super::objects::{
    class_of, cover_of, encryption_of, etag, headers_of, lock_of, set_sum, shown_version, sse, tags_of,
};
use super::reads::{ReadConditions, check_customer_key, find};
use crate::sim::Sim;
use crate::state::State;
use crate::state::model::{Headers, NewObject, Version};
use crate::state::objects::Conditions;
use crate::sums::{Algorithm, Cover, Digests, Sum};

/// Larger objects are copied by parts.
const COPY_BYTES_MAX: u64 = 5 << 30;

pub(super) fn copy_object(sim: &Arc<Sim>, req: S3Request<CopyObjectInput>) -> Answer<CopyObjectOutput> {
    let input = &req.input;
    let (bucket, key) = (&input.bucket, &input.key);
    let class = class_of(input.storage_class.as_ref())?;
    let (from_bucket, from_key, from_id) = source_of(&input.copy_source)?;
    let asked = input.checksum_algorithm.as_ref().and_then(|a| Algorithm::from_name(a.as_str()));
    let conditions = ReadConditions {
        if_match: input.copy_source_if_match.as_ref(),
        if_none_match: input.copy_source_if_none_match.as_ref(),
        modified_since: input.copy_source_if_modified_since.as_ref(),
        unmodified_since: input.copy_source_if_unmodified_since.as_ref(),
    };
    let of_target = target_conditions(&req.headers)?;
    let copied = sim.with(|state| {
        let (source, source_id) = find(state, &from_bucket, &from_key, from_id.as_deref())?;
        conditions
            .check(&source)
            .map_err(|_| s3_error!(PreconditionFailed, "the source does not fit the conditions"))?;
        let (source, body) = state.read(&from_bucket, &from_key, Some(&source.id))?;
        check_copy(input, &source, (&from_bucket, &from_key), &class)?;
        let replace = input.metadata_directive.as_ref().is_some_and(|d| d.as_str() == "REPLACE");
        let retag = input.tagging_directive.as_ref().is_some_and(|d| d.as_str() == "REPLACE");
        let new = NewObject {
            headers: if replace { headers_of!(input) } else { source.headers.clone() },
            tags: if retag { tags_of(input.tagging.as_deref())? } else { source.tags.clone() },
            encryption: encryption_of(
                input.server_side_encryption.as_ref(),
                input.ssekms_key_id.as_ref(),
                input.sse_customer_key_md5.as_ref(),
            ),
            lock: lock_of(
                input.object_lock_mode.as_ref(),
                input.object_lock_retain_until_date.as_ref(),
                input.object_lock_legal_hold_status.as_ref(),
            )?,
            class: class.clone(),
            ..copied_content(state, &source, body, asked)?
        };
        let version = state.put(bucket, key, new, &of_target, "ObjectCreated:Copy")?;
        let id = shown_version(state, bucket, &version);
        state.charge(crate::state::Charge::Retrieved(source.class.clone(), source.size));
        Ok::<_, S3Error>((version, id, source_id))
    });
    let (version, version_id, copy_source_version_id) = copied?;
    let mut result = CopyObjectResult {
        e_tag: etag(&version),
        last_modified: Some(timestamp(version.modified)),
        checksum_type: cover_of(version.sum.as_ref()),
        ..Default::default()
    };
    set_sum!(result, &version.sum);
    let mut answer = S3Response::new(CopyObjectOutput {
        copy_object_result: Some(result),
        copy_source_version_id,
        server_side_encryption: sse(&version),
        version_id,
        ..Default::default()
    });
    class_note(&mut answer.headers, &class);
    Ok(answer)
}

/// `If-Match` and `If-None-Match` of a copy concern its target; `s3s` does not parse them.
fn target_conditions(headers: &HeaderMap) -> S3Result<Conditions> {
    let parse = |name: &str| {
        let condition = headers.get(name).map(|value| ETagCondition::parse_http_header(value.as_bytes()));
        condition.transpose().map_err(|_| s3_error!(InvalidArgument, "{name} is neither an ETag nor *"))
    };
    Ok(Conditions { if_match: parse("if-match")?, if_none_match: parse("if-none-match")? })
}

pub(super) fn source_of(source: &CopySource) -> S3Result<(String, String, Option<String>)> {
    match source {
        CopySource::Bucket { bucket, key, version_id } => {
            Ok((bucket.to_string(), key.to_string(), version_id.as_deref().map(str::to_string)))
        }
        _ => Err(s3_error!(NotImplemented, "access points are not simulated; copy from BUCKET/KEY")),
    }
}

fn check_copy(
    input: &CopyObjectInput,
    source: &Version,
    (from_bucket, from_key): (&str, &str),
    class: &StorageClass,
) -> S3Result<()> {
    check_customer_key(source, input.copy_source_sse_customer_key_md5.as_ref())?;
    if source.size > COPY_BYTES_MAX {
        return Err(s3_error!(
            InvalidRequest,
            "The specified copy source is larger than the maximum allowable size for a copy source: {COPY_BYTES_MAX}"
        ));
    }
    let onto_itself = (from_bucket, from_key) == (&input.bucket, &input.key) && input.copy_source_is_current();
    let replaces = input.metadata_directive.as_ref().is_some_and(|d| d.as_str() == "REPLACE");
    if onto_itself && !replaces && *class == source.class && input.server_side_encryption.is_none() {
        return Err(s3_error!(
            InvalidRequest,
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's \
             metadata, storage class, website redirect location or encryption attributes."
        ));
    }
    Ok(())
}

/// Whether the source names no version.
trait Current {
    fn copy_source_is_current(&self) -> bool;
}

impl Current for CopyObjectInput {
    fn copy_source_is_current(&self) -> bool {
        matches!(&self.copy_source, CopySource::Bucket { version_id: None, .. })
    }
}

/// Body, ETag and checksum of a copy: the ETag is that of one part, the bytes are not moved.
fn copied_content(
    state: &State,
    source: &Version,
    body: Vec<crate::blobs::Segment>,
    asked: Option<Algorithm>,
) -> S3Result<NewObject> {
    let full = source.sum.clone().filter(|s| s.cover == Cover::FullObject);
    let wanted = asked.or(full.as_ref().map(|s| s.algorithm)).unwrap_or(Algorithm::Crc64Nvme);
    let same = source.parts.is_empty() && full.as_ref().is_some_and(|s| s.algorithm == wanted);
    if same {
        return Ok(NewObject { body, etag: source.etag.clone(), sum: full, ..NewObject::default() });
    }
    let bytes = state.blobs.read(&body).map_err(storage_failed)?;
    let digests = Digests::of(&bytes, &[wanted]);
    let value = digests.get(wanted).unwrap_or_default().to_string();
    let sum = Some(Sum { algorithm: wanted, value, cover: Cover::FullObject });
    Ok(NewObject { body, etag: digests.etag(), sum, ..NewObject::default() })
}
