//! Multipart uploads.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use super::model::{NewObject, Part, PartInfo, Upload, Version};
use super::objects::Conditions;
use super::{Record, State};
use crate::sums::{Algorithm, Cover, Sum, combine, multipart_etag};

/// The smallest part but the last.
const PART_BYTES_MIN: u64 = 5 * 1024 * 1024;

/// A part as the client names it when it completes an upload.
#[derive(Debug, Clone)]
pub(crate) struct NamedPart {
    pub number: u32,
    pub etag: String,
    pub sum: Option<(Algorithm, String)>,
}

/// How an upload is to be completed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Completion {
    pub parts: Vec<NamedPart>,
    pub conditions: Conditions,
    /// The checksum that the client expects of the whole.
    pub sum: Option<(Algorithm, String)>,
    pub size: Option<u64>,
}

fn no_such_upload() -> S3Error {
    s3_error!(NoSuchUpload, "The specified multipart upload does not exist.")
}

impl State {
    pub fn upload(&self, bucket: &str, key: &str, id: &str) -> S3Result<&Upload> {
        self.bucket(bucket)?.uploads.get(id).filter(|u| u.key == key).ok_or_else(no_such_upload)
    }

    pub fn begin_upload(&mut self, bucket: &str, upload: Upload) -> S3Result<String> {
        let mut probe = NewObject { lock: upload.lock.clone(), ..NewObject::default() };
        self.lock_on_write(bucket, &mut probe)?;
        let id = self.fresh_id();
        self.bucket_mut(bucket)?.uploads.insert(id.clone(), upload);
        self.dirty.insert(Record::Upload(bucket.to_string(), id.clone()));
        Ok(id)
    }

    /// Adds a part, or replaces the one of the same number.
    pub fn put_part(&mut self, bucket: &str, key: &str, id: &str, number: u32, part: Part) -> S3Result<()> {
        let wanted = self.upload(bucket, key, id)?.algorithm;
        if let Some((algorithm, _)) = wanted
            && part.sum.as_ref().map(|s| s.algorithm) != Some(algorithm)
        {
            let actual = part.sum.as_ref().map_or("null", |s| s.algorithm.name()).to_ascii_lowercase();
            let expected = algorithm.name().to_ascii_lowercase();
            return Err(s3_error!(
                InvalidRequest,
                "Checksum Type mismatch occurred, expected checksum Type: {expected}, actual checksum Type: {actual}"
            ));
        }
        self.refer(&part.body);
        let upload = self.bucket_mut(bucket)?.uploads.get_mut(id).ok_or_else(no_such_upload)?;
        let replaced = upload.parts.insert(number, part);
        if let Some(old) = replaced {
            self.release(&old.body);
        }
        self.dirty.insert(Record::Upload(bucket.to_string(), id.to_string()));
        Ok(())
    }

    pub fn abort_upload(&mut self, bucket: &str, key: &str, id: &str) -> S3Result<()> {
        self.upload(bucket, key, id)?;
        self.end_upload(bucket, id);
        Ok(())
    }

    /// Forgets an upload and the bytes of its parts.
    pub(super) fn end_upload(&mut self, bucket: &str, id: &str) {
        let Some(upload) = self.buckets.get_mut(bucket).and_then(|b| b.uploads.remove(id)) else { return };
        self.bill_upload(&upload);
        for part in upload.parts.values() {
            self.release(&part.body);
        }
        self.dirty.insert(Record::Upload(bucket.to_string(), id.to_string()));
    }

    /// Makes an object of the parts, atomically with its conditions.
    pub fn complete_upload(&mut self, bucket: &str, key: &str, id: &str, how: &Completion) -> S3Result<Version> {
        let upload = self.upload(bucket, key, id)?.clone();
        let parts = chosen_parts(&upload, &how.parts)?;
        let size: u64 = parts.iter().map(|p| p.size).sum();
        if how.size.is_some_and(|expected| expected != size) {
            return Err(s3_error!(InvalidRequest, "The provided x-amz-mp-object-size does not match the parts"));
        }
        let sum = whole_sum(&upload, &parts)?;
        if let Some((algorithm, expected)) = &how.sum
            && *algorithm == sum.algorithm
            && sum.value.split('-').next() != expected.split('-').next()
        {
            return Err(s3_error!(
                BadDigest,
                "The {} you specified did not match the calculated checksum.",
                algorithm.name()
            ));
        }
        let md5s: Vec<[u8; 16]> = parts.iter().map(|p| p.md5).collect();
        let info = |p: &&Part| PartInfo { size: p.size, sum: p.sum.as_ref().map(|s| s.value.clone()) };
        let new = NewObject {
            body: parts.iter().flat_map(|p| p.body.iter().copied()).collect(),
            etag: multipart_etag(&md5s),
            class: upload.class.clone(),
            headers: upload.headers.clone(),
            encryption: upload.encryption.clone(),
            sum: Some(sum),
            parts: parts.iter().map(info).collect(),
            tags: upload.tags.clone(),
            lock: upload.lock.clone(),
        };
        let version = self.put(bucket, key, new, &how.conditions, "ObjectCreated:CompleteMultipartUpload")?;
        self.end_upload(bucket, id);
        Ok(version)
    }
}

/// The parts that the client names, checked as S3 does.
fn chosen_parts<'a>(upload: &'a Upload, named: &[NamedPart]) -> S3Result<Vec<&'a Part>> {
    if named.is_empty() {
        return Err(s3_error!(MalformedXML, "You must specify at least one part"));
    }
    if named.windows(2).any(|pair| pair[0].number >= pair[1].number) {
        return Err(s3_error!(InvalidPartOrder, "The list of parts was not in ascending order."));
    }
    let mut parts = Vec::with_capacity(named.len());
    for (at, name) in named.iter().enumerate() {
        let part = upload.parts.get(&name.number).filter(|p| hex::encode(p.md5) == name.etag);
        let Some(part) = part else {
            return Err(s3_error!(InvalidPart, "part {} could not be found, or its ETag does not match", name.number));
        };
        if part.size < PART_BYTES_MIN && at + 1 < named.len() {
            return Err(S3Error::with_message(
                S3ErrorCode::EntityTooSmall,
                format!("part {} has {} bytes; all but the last need 5 MiB", name.number, part.size),
            ));
        }
        check_named_sum(upload, name, part)?;
        parts.push(part);
    }
    Ok(parts)
}

fn check_named_sum(upload: &Upload, name: &NamedPart, part: &Part) -> S3Result<()> {
    match (&name.sum, upload.algorithm) {
        (None, Some((algorithm, Cover::Composite))) => Err(s3_error!(
            InvalidRequest,
            "The upload was created using a {} checksum. The complete request must include the checksum for each part. \
             It was missing for part {} in the request.",
            algorithm.name().to_ascii_lowercase(),
            name.number
        )),
        (Some((algorithm, value)), _) => {
            let crc64 = (*algorithm == Algorithm::Crc64Nvme).then_some(part.crc64.as_str());
            let kept = part.sum.as_ref().filter(|s| s.algorithm == *algorithm).map(|s| s.value.as_str()).or(crc64);
            match kept {
                Some(kept) if kept == value => Ok(()),
                _ => Err(s3_error!(InvalidPart, "the checksum of part {} does not match", name.number)),
            }
        }
        (None, _) => Ok(()),
    }
}

/// The checksum of the whole: what the client asked for, else CRC64NVME.
fn whole_sum(upload: &Upload, parts: &[&Part]) -> S3Result<Sum> {
    let (algorithm, cover) = upload.algorithm.unwrap_or((Algorithm::Crc64Nvme, Cover::FullObject));
    let of_part = |part: &&Part| match &part.sum {
        Some(sum) if sum.algorithm == algorithm => (sum.value.clone(), part.size),
        _ => (part.crc64.clone(), part.size),
    };
    let sums: Vec<(String, u64)> = parts.iter().map(of_part).collect();
    let value = combine(algorithm, cover, &sums);
    let value = value.ok_or_else(|| s3_error!(InvalidRequest, "the parts' checksums cannot be combined"))?;
    Ok(Sum { algorithm, value, cover })
}

/// MD5 from base64, as in `Content-MD5`.
pub(crate) fn decode_md5(text: &str) -> Option<[u8; 16]> {
    BASE64.decode(text).ok()?.try_into().ok()
}
