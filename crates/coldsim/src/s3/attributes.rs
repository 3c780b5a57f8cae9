//! GetObjectAttributes and the tags of objects.

use std::sync::Arc;

use s3s::dto::*;
use s3s::{S3Error, S3Request, S3Response};

use super::Answer;
use super::convert::timestamp;
use super::objects::{cover_of, etag, pairs_of, set_sum, shown_version};
use crate::sim::Sim;
use crate::state::model::{PartInfo, Version};
use crate::sums::{Algorithm, Sum};

/// The most parts of one answer.
const PARTS_MAX: i32 = 1000;

pub(super) fn get_object_attributes(
    sim: &Arc<Sim>,
    req: S3Request<GetObjectAttributesInput>,
) -> Answer<GetObjectAttributesOutput> {
    let input = req.input;
    let (version, version_id) = sim.with(|state| {
        let version = state.object(&input.bucket, &input.key, input.version_id.as_deref())?.clone();
        let id = shown_version(state, &input.bucket, &version);
        Ok::<_, S3Error>((version, id))
    })?;
    let wants = |name: &str| input.object_attributes.iter().any(|wanted| names(wanted.as_str(), name));
    let mut output = GetObjectAttributesOutput {
        last_modified: Some(timestamp(version.modified)),
        version_id,
        ..Default::default()
    };
    if wants("ETag") {
        output.e_tag = etag(&version);
    }
    if wants("ObjectSize") {
        output.object_size = i64::try_from(version.size).ok();
    }
    if wants("StorageClass") {
        output.storage_class = Some(version.class.as_str().to_string().into());
    }
    if wants("Checksum")
        && let Some(sum) = &version.sum
    {
        let mut checksum = Checksum { checksum_type: cover_of(Some(sum)), ..Default::default() };
        // The number of parts is not part of the value here.
        let value = sum.value.split('-').next().unwrap_or_default().to_string();
        set_sum!(checksum, &Some(Sum { value, ..sum.clone() }));
        output.checksum = Some(checksum);
    }
    if wants("ObjectParts") && !version.parts.is_empty() {
        output.object_parts = Some(parts_of(&version, input.part_number_marker, input.max_parts));
    }
    Ok(S3Response::new(output))
}

/// `s3s` leaves several names in one header together.
pub(super) fn names(list: &str, name: &str) -> bool {
    list.split(',').any(|item| item.trim() == name)
}

fn parts_of(version: &Version, marker: Option<i32>, max: Option<i32>) -> GetObjectAttributesParts {
    let (marker, max) = (marker.unwrap_or(0), max.unwrap_or(PARTS_MAX).clamp(0, PARTS_MAX));
    let composite = version.sum.as_ref().filter(|s| s.cover == crate::sums::Cover::Composite);
    let shown = |(number, part): (i32, &PartInfo)| {
        let mut shown =
            ObjectPart { part_number: Some(number), size: i64::try_from(part.size).ok(), ..Default::default() };
        if let (Some(sum), Some(value)) = (composite, &part.sum) {
            set_sum!(shown, &Some(Sum { value: value.clone(), ..sum.clone() }));
        }
        shown
    };
    let after = (1..).zip(&version.parts).filter(|(number, _)| *number > marker);
    let found: Vec<ObjectPart> = after.take(usize::try_from(max).unwrap_or(0)).map(shown).collect();
    let last = found.last().and_then(|part| part.part_number).unwrap_or(marker);
    let total = i32::try_from(version.parts.len()).unwrap_or(i32::MAX);
    GetObjectAttributesParts {
        is_truncated: Some(last < total),
        max_parts: Some(max),
        next_part_number_marker: Some(last),
        part_number_marker: Some(marker),
        // S3 lists them only where each part has a checksum of its own.
        parts: composite.is_some().then_some(found),
        total_parts_count: Some(total),
    }
}

pub(super) fn get_object_tagging(
    sim: &Arc<Sim>,
    req: S3Request<GetObjectTaggingInput>,
) -> Answer<GetObjectTaggingOutput> {
    let input = req.input;
    sim.with(|state| {
        let version = state.object(&input.bucket, &input.key, input.version_id.as_deref())?;
        let tag = |(key, value): (&String, &String)| Tag { key: Some(key.clone()), value: Some(value.clone()) };
        let tag_set = version.tags.iter().map(tag).collect();
        let version_id = shown_version(state, &input.bucket, version);
        Ok(S3Response::new(GetObjectTaggingOutput { tag_set, version_id }))
    })
}

pub(super) fn put_object_tagging(
    sim: &Arc<Sim>,
    req: S3Request<PutObjectTaggingInput>,
) -> Answer<PutObjectTaggingOutput> {
    let input = req.input;
    let tags = pairs_of(input.tagging.tag_set)?;
    sim.with(|state| {
        let version = state.object_mut(&input.bucket, &input.key, input.version_id.as_deref())?;
        version.tags = tags;
        let version = version.clone();
        let version_id = shown_version(state, &input.bucket, &version);
        Ok(S3Response::new(PutObjectTaggingOutput { version_id }))
    })
}

pub(super) fn delete_object_tagging(
    sim: &Arc<Sim>,
    req: S3Request<DeleteObjectTaggingInput>,
) -> Answer<DeleteObjectTaggingOutput> {
    let input = req.input;
    sim.with(|state| {
        let version = state.object_mut(&input.bucket, &input.key, input.version_id.as_deref())?;
        version.tags.clear();
        let version = version.clone();
        let version_id = shown_version(state, &input.bucket, &version);
        Ok(S3Response::new(DeleteObjectTaggingOutput { version_id }))
    })
}
