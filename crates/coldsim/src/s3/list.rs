//! Listings of objects and versions.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as TOKEN;
use s3s::dto::*;
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};

use super::Answer;
use super::convert::{timestamp, url_encoded};
use super::objects::etag;
use crate::sim::Sim;
use crate::state::ACCOUNT;
use crate::state::model::{Bucket, Version};

/// Entries of one page.
const PAGE_MAX: i32 = 1000;

/// What is listed.
struct Wanted<'a> {
    prefix: &'a str,
    delimiter: &'a str,
    /// Only keys after this one; common prefixes too.
    after: &'a str,
    max: usize,
}

/// A page of keys.
struct Page<'a> {
    objects: Vec<(&'a str, &'a Version)>,
    prefixes: Vec<String>,
    /// The last key or common prefix of a page that is not the last one.
    next: Option<String>,
}

/// The common prefix that a key falls under.
fn common<'k>(key: &'k str, prefix: &str, delimiter: &str) -> Option<&'k str> {
    if delimiter.is_empty() {
        return None;
    }
    let at = key.get(prefix.len()..)?.find(delimiter)?;
    key.get(..prefix.len() + at + delimiter.len())
}

fn page<'a>(bucket: &'a Bucket, wanted: &Wanted<'_>) -> Page<'a> {
    let mut found = Page { objects: Vec::new(), prefixes: Vec::new(), next: None };
    let start = wanted.prefix.max(wanted.after).to_string();
    let mut last = String::new();
    for (key, versions) in bucket.objects.range(start..) {
        if !key.starts_with(wanted.prefix) {
            break;
        }
        let Some(version) = versions.first().filter(|v| !v.marker) else { continue };
        if !wanted.after.is_empty() && key.as_str() <= wanted.after {
            continue;
        }
        let group = common(key, wanted.prefix, wanted.delimiter);
        if group.is_some_and(|group| group == wanted.after || found.prefixes.last().is_some_and(|p| p == group)) {
            continue;
        }
        if found.objects.len() + found.prefixes.len() >= wanted.max {
            found.next = (wanted.max > 0).then_some(last);
            return found;
        }
        match group {
            Some(group) => found.prefixes.push(group.to_string()),
            None => found.objects.push((key, version)),
        }
        last = group.unwrap_or(key).to_string();
    }
    found
}

fn max_of(max: Option<i32>) -> S3Result<i32> {
    match max {
        Some(max) if max < 0 => {
            Err(s3_error!(InvalidArgument, "Argument maxKeys must be an integer between 0 and 2147483647"))
        }
        max => Ok(max.unwrap_or(PAGE_MAX).min(PAGE_MAX)),
    }
}

fn wants_restore(attributes: Option<&OptionalObjectAttributesList>) -> bool {
    attributes.into_iter().flatten().any(|a| super::attributes::names(a.as_str(), "RestoreStatus"))
}

fn restore_status(version: &Version) -> Option<RestoreStatus> {
    let restore = version.restore.as_ref()?;
    Some(RestoreStatus {
        is_restore_in_progress: Some(restore.expiry.is_none()),
        restore_expiry_date: restore.expiry.map(timestamp),
    })
}

fn owner() -> Owner {
    Owner { display_name: None, id: Some(ACCOUNT.to_string()) }
}

/// Names as the client wants them written.
struct Writing {
    encode: bool,
    restore: bool,
    owner: bool,
}

impl Writing {
    fn name(&self, text: &str) -> String {
        if self.encode { url_encoded(text) } else { text.to_string() }
    }

    fn prefixes(&self, prefixes: &[String]) -> Option<CommonPrefixList> {
        let all = prefixes.iter().map(|prefix| CommonPrefix { prefix: Some(self.name(prefix)) });
        (!prefixes.is_empty()).then(|| all.collect())
    }

    fn object(&self, key: &str, version: &Version) -> Object {
        Object {
            key: Some(self.name(key)),
            e_tag: etag(version),
            last_modified: Some(timestamp(version.modified)),
            size: i64::try_from(version.size).ok(),
            storage_class: Some(version.class.as_str().to_string().into()),
            checksum_algorithm: version.sum.as_ref().map(|s| vec![ChecksumAlgorithm::from_static(s.algorithm.name())]),
            checksum_type: version.sum.as_ref().map(|s| ChecksumType::from_static(s.cover.name())),
            restore_status: self.restore.then(|| restore_status(version)).flatten(),
            owner: self.owner.then(owner),
        }
    }

    fn version(&self, key: &str, version: &Version, latest: bool) -> ObjectVersion {
        let object = self.object(key, version);
        ObjectVersion {
            key: object.key,
            e_tag: object.e_tag,
            last_modified: object.last_modified,
            size: object.size,
            storage_class: Some(version.class.as_str().to_string().into()),
            checksum_algorithm: object.checksum_algorithm,
            checksum_type: object.checksum_type,
            restore_status: object.restore_status,
            owner: Some(owner()),
            is_latest: Some(latest),
            version_id: Some(version.id.clone()),
        }
    }
}

fn is_url(encoding: Option<&EncodingType>) -> bool {
    encoding.is_some_and(|encoding| encoding.as_str() == "url")
}

pub(super) fn list_objects_v2(sim: &Arc<Sim>, req: S3Request<ListObjectsV2Input>) -> Answer<ListObjectsV2Output> {
    let input = req.input;
    let max = max_of(input.max_keys)?;
    let token = |token: &String| {
        let key = TOKEN.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        key.ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))
    };
    let resumed = input.continuation_token.as_ref().map(token).transpose()?;
    let after = resumed.or(input.start_after.clone()).unwrap_or_default();
    let writing = Writing {
        encode: is_url(input.encoding_type.as_ref()),
        restore: wants_restore(input.optional_object_attributes.as_ref()),
        owner: input.fetch_owner == Some(true),
    };
    let output = sim.with(|state| {
        let wanted = Wanted {
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter: input.delimiter.as_deref().unwrap_or_default(),
            after: &after,
            max: usize::try_from(max).unwrap_or(0),
        };
        let page = page(state.bucket(&input.bucket)?, &wanted);
        Ok::<_, S3Error>(ListObjectsV2Output {
            key_count: i32::try_from(page.objects.len() + page.prefixes.len()).ok(),
            contents: Some(page.objects.iter().map(|(key, version)| writing.object(key, version)).collect()),
            common_prefixes: writing.prefixes(&page.prefixes),
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next.map(|key| TOKEN.encode(key)),
            ..Default::default()
        })
    })?;
    Ok(S3Response::new(ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: Some(writing.name(input.prefix.as_deref().unwrap_or_default())),
        delimiter: input.delimiter.as_deref().map(|d| writing.name(d)),
        max_keys: Some(max),
        continuation_token: input.continuation_token,
        start_after: input.start_after.as_deref().map(|key| writing.name(key)),
        encoding_type: input.encoding_type,
        ..output
    }))
}

pub(super) fn list_objects(sim: &Arc<Sim>, req: S3Request<ListObjectsInput>) -> Answer<ListObjectsOutput> {
    let input = req.input;
    let max = max_of(input.max_keys)?;
    let writing = Writing {
        encode: is_url(input.encoding_type.as_ref()),
        restore: wants_restore(input.optional_object_attributes.as_ref()),
        owner: true,
    };
    let output = sim.with(|state| {
        let wanted = Wanted {
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter: input.delimiter.as_deref().unwrap_or_default(),
            after: input.marker.as_deref().unwrap_or_default(),
            max: usize::try_from(max).unwrap_or(0),
        };
        let page = page(state.bucket(&input.bucket)?, &wanted);
        // S3 names the next marker only if there is a delimiter; otherwise it is the last key.
        let next = page.next.as_deref().filter(|_| input.delimiter.is_some());
        Ok::<_, S3Error>(ListObjectsOutput {
            contents: Some(page.objects.iter().map(|(key, version)| writing.object(key, version)).collect()),
            common_prefixes: writing.prefixes(&page.prefixes),
            is_truncated: Some(page.next.is_some()),
            next_marker: next.map(|key| writing.name(key)),
            ..Default::default()
        })
    })?;
    Ok(S3Response::new(ListObjectsOutput {
        name: Some(input.bucket),
        prefix: Some(writing.name(input.prefix.as_deref().unwrap_or_default())),
        marker: Some(writing.name(input.marker.as_deref().unwrap_or_default())),
        delimiter: input.delimiter.as_deref().map(|d| writing.name(d)),
        max_keys: Some(max),
        encoding_type: input.encoding_type,
        ..output
    }))
}

/// A page of versions, delete markers among them.
#[derive(Default)]
struct VersionPage<'a> {
    entries: Vec<(&'a str, &'a Version, bool)>,
    prefixes: Vec<String>,
    /// Key and version of the last entry of a page that is not the last one.
    next: Option<(String, Option<String>)>,
}

fn version_page<'a>(bucket: &'a Bucket, wanted: &Wanted<'_>, after_version: Option<&str>) -> VersionPage<'a> {
    let mut found = VersionPage::default();
    let mut last = None;
    let start = wanted.prefix.max(wanted.after).to_string();
    for (key, versions) in bucket.objects.range(start..) {
        if !key.starts_with(wanted.prefix) {
            break;
        }
        let group = common(key, wanted.prefix, wanted.delimiter);
        if let Some(group) = group
            && (group == wanted.after || found.prefixes.last().is_some_and(|p| p == group))
        {
            continue;
        }
        let resumes = !wanted.after.is_empty() && key.as_str() == wanted.after;
        let seen = match after_version.filter(|_| resumes) {
            Some(id) => versions.iter().position(|v| v.id == id).map_or(versions.len(), |at| at + 1),
            None if resumes => versions.len(),
            None => 0,
        };
        let entries = if group.is_some() { 1 } else { versions.len() };
        for (at, version) in versions.iter().enumerate().take(entries).skip(seen) {
            if found.entries.len() + found.prefixes.len() >= wanted.max {
                found.next = last;
                return found;
            }
            match group {
                Some(group) => {
                    found.prefixes.push(group.to_string());
                    last = Some((group.to_string(), None));
                }
                None => {
                    found.entries.push((key, version, at == 0));
                    last = Some((key.clone(), Some(version.id.clone())));
                }
            }
        }
    }
    found
}

pub(super) fn list_object_versions(
    sim: &Arc<Sim>,
    req: S3Request<ListObjectVersionsInput>,
) -> Answer<ListObjectVersionsOutput> {
    let input = req.input;
    let max = max_of(input.max_keys)?;
    let writing = Writing {
        encode: is_url(input.encoding_type.as_ref()),
        restore: wants_restore(input.optional_object_attributes.as_ref()),
        owner: true,
    };
    let output = sim.with(|state| {
        let wanted = Wanted {
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter: input.delimiter.as_deref().unwrap_or_default(),
            after: input.key_marker.as_deref().unwrap_or_default(),
            max: usize::try_from(max).unwrap_or(0),
        };
        let page = version_page(state.bucket(&input.bucket)?, &wanted, input.version_id_marker.as_deref());
        let (markers, versions): (Vec<_>, Vec<_>) = page.entries.iter().partition(|(_, v, _)| v.marker);
        let marker = |(key, version, latest): &(&str, &Version, bool)| DeleteMarkerEntry {
            is_latest: Some(*latest),
            key: Some(writing.name(key)),
            last_modified: Some(timestamp(version.modified)),
            owner: Some(owner()),
            version_id: Some(version.id.clone()),
        };
        Ok::<_, S3Error>(ListObjectVersionsOutput {
            versions: Some(versions.iter().map(|(key, v, latest)| writing.version(key, v, *latest)).collect()),
            delete_markers: Some(markers.iter().map(marker).collect()),
            common_prefixes: writing.prefixes(&page.prefixes),
            is_truncated: Some(page.next.is_some()),
            next_key_marker: page.next.as_ref().map(|(key, _)| writing.name(key)),
            next_version_id_marker: page.next.and_then(|(_, id)| id),
            ..Default::default()
        })
    })?;
    Ok(S3Response::new(ListObjectVersionsOutput {
        name: Some(input.bucket),
        prefix: Some(writing.name(input.prefix.as_deref().unwrap_or_default())),
        delimiter: input.delimiter.as_deref().map(|d| writing.name(d)),
        key_marker: Some(writing.name(input.key_marker.as_deref().unwrap_or_default())),
        version_id_marker: Some(input.version_id_marker.unwrap_or_default()),
        max_keys: Some(max),
        encoding_type: input.encoding_type,
        ..output
    }))
}
