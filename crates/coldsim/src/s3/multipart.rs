//! Multipart uploads.

use std::sync::Arc;

use darkslide_words::StorageClass;
use s3s::dto::*;
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};

use super::Answer;
use super::convert::{timestamp, url_encoded};
use super::copies::source_of;
use super::errors::{class_note, storage_failed};
use super::objects::{class_of, cover_of, encryption_of, etag, headers_of, lock_of, set_sum, shown_version, tags_of};
use super::receive::receive;
use crate::blobs::Segment;
use crate::sim::Sim;
use crate::state::model::{Headers, Part, Upload};
use crate::state::objects::Conditions;
use crate::state::uploads::{Completion, NamedPart};
use crate::sums::{Algorithm, Cover, Digests, Sum};

/// Parts are numbered from 1 to this.
const PART_NUMBER_MAX: i32 = 10_000;
/// Entries of one page.
const PAGE_MAX: i32 = 1000;

/// The checksum that the client wants for the whole.
fn wanted_sum(input: &CreateMultipartUploadInput) -> S3Result<Option<(Algorithm, Cover)>> {
    let Some(name) = &input.checksum_algorithm else {
        if input.checksum_type.is_some() {
            return Err(s3_error!(
                InvalidRequest,
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
            ));
        }
        return Ok(None);
    };
    let algorithm = Algorithm::from_name(name.as_str());
    let algorithm =
        algorithm.ok_or_else(|| s3_error!(NotImplemented, "the checksum {} is not simulated", name.as_str()))?;
    let cover = match &input.checksum_type {
        None => algorithm.default_cover(),
        Some(kind) => {
            let unknown = || s3_error!(InvalidRequest, "Value for x-amz-checksum-type header is invalid.");
            Cover::from_name(kind.as_str()).ok_or_else(unknown)?
        }
    };
    if !algorithm.allows(cover) {
        return Err(s3_error!(
            InvalidRequest,
            "The {} checksum type cannot be used with the {} checksum algorithm.",
            cover.name(),
            algorithm.name().to_ascii_lowercase()
        ));
    }
    Ok(Some((algorithm, cover)))
}

pub(super) fn create_multipart_upload(
    sim: &Arc<Sim>,
    req: S3Request<CreateMultipartUploadInput>,
) -> Answer<CreateMultipartUploadOutput> {
    let signer = req.credentials.map(|credentials| credentials.access_key);
    let input = req.input;
    let algorithm = wanted_sum(&input)?;
    let class = class_of(input.storage_class.as_ref())?;
    let encryption = encryption_of(
        input.server_side_encryption.as_ref(),
        input.ssekms_key_id.as_ref(),
        input.sse_customer_key_md5.as_ref(),
    );
    let mut upload = Upload {
        key: input.key.clone(),
        initiator: String::new(),
        initiated: sim.now(),
        class: class.clone(),
        headers: headers_of!(input),
        encryption: encryption.clone(),
        tags: tags_of(input.tagging.as_deref())?,
        lock: lock_of(
            input.object_lock_mode.as_ref(),
            input.object_lock_retain_until_date.as_ref(),
            input.object_lock_legal_hold_status.as_ref(),
        )?,
        algorithm,
        parts: std::collections::BTreeMap::new(),
    };
    let id = sim.with(|state| {
        upload.initiated = state.now;
        upload.initiator = signer.and_then(|id| Some(state.caller(&id)?.arn)).unwrap_or_default();
        state.begin_upload(&input.bucket, upload)
    })?;
    let mut answer = S3Response::new(CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(id),
        checksum_algorithm: input.checksum_algorithm,
        checksum_type: algorithm.map(|(_, cover)| ChecksumType::from_static(cover.name())),
        server_side_encryption: encryption.algorithm.map(ServerSideEncryption::from),
        ..Default::default()
    });
    class_note(&mut answer.headers, &billed_class(&class));
    Ok(answer)
}

/// The start of an upload and its parts cost as those of `STANDARD` if the object goes to an archive.
fn billed_class(class: &StorageClass) -> StorageClass {
    if class.is_archive() { StorageClass::Standard } else { class.clone() }
}

fn part_number(number: i32) -> S3Result<u32> {
    if !(1..=PART_NUMBER_MAX).contains(&number) {
        let message = "Part number must be an integer between 1 and 10000, inclusive";
        return Err(s3_error!(InvalidArgument, "{message}"));
    }
    Ok(number.unsigned_abs())
}

fn part_of(segments: Vec<Segment>, digests: &Digests, sum: Option<Sum>, now: darkslide_words::Time) -> Part {
    Part {
        size: segments.iter().map(|s| s.len).sum(),
        body: segments,
        md5: digests.md5,
        crc64: digests.get(Algorithm::Crc64Nvme).unwrap_or_default().to_string(),
        sum,
        modified: now,
    }
}

pub(super) async fn upload_part(sim: &Arc<Sim>, mut req: S3Request<UploadPartInput>) -> Answer<UploadPartOutput> {
    let number = part_number(req.input.part_number)?;
    let body = req.input.body.take();
    let input = &req.input;
    let class = sim.with(|state| state.upload(&input.bucket, &input.key, &input.upload_id).map(|u| u.class.clone()))?;
    let received = receive(&sim.blobs, &req.headers, body, req.trailing_headers.as_ref()).await?;
    let sum = received.declared.clone();
    let written = sim.with(|state| {
        let part = part_of(vec![received.segment], &received.digests, sum.clone(), state.now);
        state.put_part(&input.bucket, &input.key, &input.upload_id, number, part)
    });
    written.inspect_err(|_| sim.blobs.remove(received.segment.blob))?;
    let mut output = UploadPartOutput {
        e_tag: Some(ETag::Strong(received.digests.etag())),
        server_side_encryption: Some(ServerSideEncryption::from_static("AES256")),
        ..Default::default()
    };
    set_sum!(output, &sum);
    let mut answer = S3Response::new(output);
    class_note(&mut answer.headers, &billed_class(&class));
    Ok(answer)
}

/// `bytes=0-5242879` of a copy source.
fn copied_range(text: Option<&str>, size: u64) -> S3Result<std::ops::Range<u64>> {
    let Some(text) = text else { return Ok(0..size) };
    let invalid =
        || s3_error!(InvalidArgument, "The x-amz-copy-source-range value must be of the form bytes=first-last");
    let range = Range::parse(text).map_err(|_| invalid())?;
    match range {
        Range::Int { first, last: Some(last) } if last < size => Ok(first..last + 1),
        Range::Int { last: Some(_), .. } => {
            Err(s3_error!(InvalidArgument, "Range specified is not valid for source object"))
        }
        _ => Err(invalid()),
    }
}

/// The segments of `range` within `body`.
fn cut(body: &[Segment], range: &std::ops::Range<u64>) -> Vec<Segment> {
    let mut at = 0;
    let mut found = Vec::new();
    for segment in body {
        let (from, to) = (range.start.max(at), range.end.min(at + segment.len));
        if from < to {
            found.push(Segment { blob: segment.blob, offset: segment.offset + from - at, len: to - from });
        }
        at += segment.len;
    }
    found
}

pub(super) fn upload_part_copy(sim: &Arc<Sim>, req: S3Request<UploadPartCopyInput>) -> Answer<UploadPartCopyOutput> {
    let input = req.input;
    let number = part_number(input.part_number)?;
    let (from_bucket, from_key, from_id) = source_of(&input.copy_source)?;
    let (digests, sum, now, source_id) = sim.with(|state| {
        let wanted = state.upload(&input.bucket, &input.key, &input.upload_id)?.algorithm.map(|(a, _)| a);
        let (source, body) = state.read(&from_bucket, &from_key, from_id.as_deref())?;
        let if_match = Conditions { if_match: input.copy_source_if_match.clone(), if_none_match: None };
        if_match.check(state.bucket(&from_bucket)?, &from_key)?;
        let range = copied_range(input.copy_source_range.as_deref(), source.size)?;
        let segments = cut(&body, &range);
        let bytes = state.blobs.read(&segments).map_err(storage_failed)?;
        let digests = Digests::of(&bytes, wanted.as_slice());
        let sum = wanted.and_then(|algorithm| {
            let value = digests.get(algorithm)?.to_string();
            Some(Sum { algorithm, value, cover: Cover::FullObject })
        });
        let part = part_of(segments, &digests, sum.clone(), state.now);
        state.put_part(&input.bucket, &input.key, &input.upload_id, number, part)?;
        state.charge(crate::state::Charge::Retrieved(source.class.clone(), range.end - range.start));
        let source_id = shown_version(state, &from_bucket, &source);
        Ok::<_, S3Error>((digests, sum, state.now, source_id))
    })?;
    let mut result = CopyPartResult {
        e_tag: Some(ETag::Strong(digests.etag())),
        last_modified: Some(timestamp(now)),
        ..Default::default()
    };
    set_sum!(result, &sum);
    Ok(S3Response::new(UploadPartCopyOutput {
        copy_part_result: Some(result),
        copy_source_version_id: source_id,
        ..Default::default()
    }))
}

/// The one checksum that a struct with the five fields carries.
macro_rules! given_sum {
    ($from:expr) => {
        [
            (Algorithm::Crc32, &$from.checksum_crc32),
            (Algorithm::Crc32c, &$from.checksum_crc32c),
            (Algorithm::Crc64Nvme, &$from.checksum_crc64nvme),
            (Algorithm::Sha1, &$from.checksum_sha1),
            (Algorithm::Sha256, &$from.checksum_sha256),
        ]
        .into_iter()
        .find_map(|(algorithm, value)| Some((algorithm, value.clone()?)))
    };
}

pub(super) fn complete_multipart_upload(
    sim: &Arc<Sim>,
    req: S3Request<CompleteMultipartUploadInput>,
) -> Answer<CompleteMultipartUploadOutput> {
    let input = req.input;
    let named = |part: CompletedPart| {
        Ok(NamedPart {
            number: part_number(part.part_number.unwrap_or(0))?,
            sum: given_sum!(part),
            etag: part.e_tag.map(ETag::into_value).unwrap_or_default(),
        })
    };
    let parts = input.multipart_upload.clone().and_then(|upload| upload.parts).unwrap_or_default();
    let how = Completion {
        parts: parts.into_iter().map(named).collect::<S3Result<_>>()?,
        conditions: Conditions { if_match: input.if_match.clone(), if_none_match: input.if_none_match.clone() },
        sum: given_sum!(input),
        size: input.mpu_object_size.and_then(|size| u64::try_from(size).ok()),
    };
    let (version, version_id) = sim.with(|state| {
        let version = state.complete_upload(&input.bucket, &input.key, &input.upload_id, &how)?;
        let id = shown_version(state, &input.bucket, &version);
        Ok::<_, S3Error>((version, id))
    })?;
    let mut output = CompleteMultipartUploadOutput {
        location: Some(format!("/{}/{}", input.bucket, url_encoded(&input.key))),
        bucket: Some(input.bucket),
        key: Some(input.key),
        e_tag: etag(&version),
        checksum_type: cover_of(version.sum.as_ref()),
        server_side_encryption: version.encryption.algorithm.clone().map(ServerSideEncryption::from),
        version_id,
        ..Default::default()
    };
    set_sum!(output, &version.sum);
    let mut answer = S3Response::new(output);
    class_note(&mut answer.headers, &version.class);
    Ok(answer)
}

pub(super) fn abort_multipart_upload(
    sim: &Arc<Sim>,
    req: S3Request<AbortMultipartUploadInput>,
) -> Answer<AbortMultipartUploadOutput> {
    let input = req.input;
    sim.with(|state| state.abort_upload(&input.bucket, &input.key, &input.upload_id))?;
    Ok(S3Response::new(AbortMultipartUploadOutput::default()))
}

pub(super) fn list_parts(sim: &Arc<Sim>, req: S3Request<ListPartsInput>) -> Answer<ListPartsOutput> {
    let input = req.input;
    let upload = sim.with(|state| state.upload(&input.bucket, &input.key, &input.upload_id).cloned())?;
    let marker = input.part_number_marker.unwrap_or(0).max(0);
    let max = input.max_parts.unwrap_or(PAGE_MAX).clamp(0, PAGE_MAX);
    let shown = |(number, part): (&u32, &crate::state::model::Part)| {
        let mut shown = Part2 {
            part_number: i32::try_from(*number).ok(),
            size: i64::try_from(part.size).ok(),
            e_tag: Some(ETag::Strong(hex::encode(part.md5))),
            last_modified: Some(timestamp(part.modified)),
            ..Default::default()
        };
        set_sum!(shown, &part.sum);
        shown
    };
    let after = upload.parts.range(marker.unsigned_abs() + 1..);
    let parts: Vec<Part2> = after.clone().take(usize::try_from(max).unwrap_or(0)).map(shown).collect();
    let last = parts.last().and_then(|part| part.part_number);
    Ok(S3Response::new(ListPartsOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        is_truncated: Some(after.count() > parts.len()),
        max_parts: Some(max),
        part_number_marker: Some(marker),
        next_part_number_marker: last,
        parts: Some(parts),
        storage_class: Some(upload.class.as_str().to_string().into()),
        checksum_algorithm: upload.algorithm.map(|(a, _)| ChecksumAlgorithm::from_static(a.name())),
        checksum_type: upload.algorithm.map(|(_, cover)| ChecksumType::from_static(cover.name())),
        ..Default::default()
    }))
}

/// `s3s`'s name for a listed part, beside the simulator's own.
use s3s::dto::Part as Part2;

pub(super) fn list_multipart_uploads(
    sim: &Arc<Sim>,
    req: S3Request<ListMultipartUploadsInput>,
) -> Answer<ListMultipartUploadsOutput> {
    let input = req.input;
    let prefix = input.prefix.clone().unwrap_or_default();
    let marker = (input.key_marker.clone().unwrap_or_default(), input.upload_id_marker.clone());
    let max = input.max_uploads.unwrap_or(PAGE_MAX).clamp(0, PAGE_MAX);
    let mut found: Vec<(String, String, Upload)> = sim.with(|state| {
        let uploads = &state.bucket(&input.bucket)?.uploads;
        let all = uploads.iter().filter(|(_, upload)| upload.key.starts_with(&prefix));
        Ok::<_, S3Error>(all.map(|(id, upload)| (upload.key.clone(), id.clone(), upload.clone())).collect())
    })?;
    found.sort_by(|a, b| (&a.0, a.2.initiated, &a.1).cmp(&(&b.0, b.2.initiated, &b.1)));
    if input.key_marker.is_some() {
        let at = found.iter().position(|(key, id, _)| *key == marker.0 && Some(id) == marker.1.as_ref());
        match at {
            Some(at) => drop(found.drain(..=at)),
            None => found.retain(|(key, _, _)| *key > marker.0),
        }
    }
    let truncated = found.len() > usize::try_from(max).unwrap_or(0);
    found.truncate(usize::try_from(max).unwrap_or(0));
    let encode = input.encoding_type.as_ref().is_some_and(|e| e.as_str() == "url");
    let shown = |key: &str| if encode { url_encoded(key) } else { key.to_string() };
    let last = found.last().filter(|_| truncated);
    Ok(S3Response::new(ListMultipartUploadsOutput {
        next_key_marker: last.map(|(key, _, _)| shown(key)),
        next_upload_id_marker: last.map(|(_, id, _)| id.clone()),
        uploads: Some(
            found
                .iter()
                .map(|(key, id, upload)| MultipartUpload {
                    key: Some(shown(key)),
                    upload_id: Some(id.clone()),
                    initiated: Some(timestamp(upload.initiated)),
                    storage_class: Some(upload.class.as_str().to_string().into()),
                    checksum_algorithm: upload.algorithm.map(|(a, _)| ChecksumAlgorithm::from_static(a.name())),
                    checksum_type: upload.algorithm.map(|(_, cover)| ChecksumType::from_static(cover.name())),
                    ..Default::default()
                })
                .collect(),
        ),
        bucket: Some(input.bucket),
        is_truncated: Some(truncated),
        key_marker: input.key_marker,
        max_uploads: Some(max),
        prefix: input.prefix,
        upload_id_marker: input.upload_id_marker,
        encoding_type: input.encoding_type,
        ..Default::default()
    }))
}
