//! Reading: bytes, or the reason why there are none yet.

use std::ops::Range;
use std::time::Duration;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crc_fast::CrcAlgorithm;
use darkslide_store::{ReadOutcome, StoreError};
use darkslide_words::{ObjectName, StorageClass};
use sha2::{Digest as _, Sha256};

use crate::S3Store;
use crate::failure::Failure;
use crate::link::{ANSWER, transfer_time};
use crate::settings::When;

/// Silence after which a download is begun again.
const SILENCE: Duration = Duration::from_secs(60);
/// Time for one attempt at an object whose size is not known before.
const WHOLE: u64 = 5 << 30;
/// Reserved at once for an answer, whatever length it claims.
const RESERVE: u64 = 128 << 20;

/// What one GET brought.
struct Got {
    bytes: Vec<u8>,
    /// Size of the whole object, if only a part came.
    of: Option<u64>,
    /// What the server knows the bytes' checksum to be, and whether it is.
    sound: Option<bool>,
}

impl S3Store {
    pub(crate) fn read_object(&self, name: &ObjectName, range: Option<Range<u64>>) -> Result<ReadOutcome, StoreError> {
        let key = self.key(name);
        if let Some(range) = &range
            && range.is_empty()
        {
            return self.read_nothing(name, &key, range.start);
        }
        let limit = transfer_time(range.as_ref().map_or(WHOLE, |r| r.end - r.start));
        let got = self.link.block(self.link.attempts(limit, || self.get(&key, range.as_ref())));
        match got {
            Ok(got) => self.examine(name, range, got),
            Err(failure) if failure.is_missing() => Ok(ReadOutcome::Missing),
            Err(failure) if failure.is("InvalidObjectState") => self.why_cold(name, &key, &failure),
            Err(failure) if failure.is_beyond_the_end() => {
                let size = match failure.facts.size {
                    Some(size) => size,
                    None => self.size_from_head(name, &key)?,
                };
                Err(StoreError::Short { name: name.clone(), size })
            }
            Err(failure) => Err(self.error(&failure, "reading", Some(name))),
        }
    }

    fn examine(&self, name: &ObjectName, range: Option<Range<u64>>, got: Got) -> Result<ReadOutcome, StoreError> {
        if got.sound == Some(false) {
            return Err(StoreError::Corrupted { store: self.link.label.clone(), name: name.clone() });
        }
        let Some(range) = range else {
            return Ok(ReadOutcome::Bytes(got.bytes));
        };
        let mut bytes = got.bytes;
        let size = got.of.unwrap_or(bytes.len() as u64);
        if range.end > size {
            return Err(StoreError::Short { name: name.clone(), size });
        }
        if got.of.is_none() {
            // The server does not know ranges and sent the whole.
            bytes = bytes[range.start as usize..range.end as usize].to_vec();
        }
        match bytes.len() as u64 == range.end - range.start {
            true => Ok(ReadOutcome::Bytes(bytes)),
            false => {
                let odd = Failure::unreadable(format!("{} bytes came for a range of another length", bytes.len()));
                Err(self.error(&odd, "reading", Some(name)))
            }
        }
    }

    /// One GET, to its last byte.
    async fn get(&self, key: &str, range: Option<&Range<u64>>) -> Result<Got, Failure> {
        let get = self.s3.get_object().bucket(&self.settings.bucket).key(key);
        let get = get.set_range(range.map(|r| format!("bytes={}-{}", r.start, r.end - 1)));
        let whole = range.is_none();
        let compare = whole && self.settings.checksums == When::Supported;
        // By hand, not by the SDK's switch: it would wrap the body as well.
        let get = get.customize().mutate_request(move |request| {
            if compare {
                request.headers_mut().insert("x-amz-checksum-mode", "ENABLED");
            }
        });
        let answer = tokio::time::timeout(ANSWER, get.send());
        let mut answer = answer.await.map_err(|_| Failure::no_answer("the server does not answer"))??;
        let mut bytes = Vec::with_capacity(answer.content_length().unwrap_or(0).clamp(0, RESERVE as i64) as usize);
        loop {
            match tokio::time::timeout(SILENCE, answer.body.next()).await {
                Err(_) => return Err(Failure::no_answer("the download has stopped")),
                Ok(None) => break,
                Ok(Some(Err(error))) => return Err(Failure::no_answer(format!("the download broke: {error}"))),
                Ok(Some(Ok(piece))) => bytes.extend_from_slice(&piece),
            }
        }
        if answer.content_length().is_some_and(|length| length != bytes.len() as i64) {
            return Err(Failure::no_answer("the download ended early"));
        }
        let of = answer.content_range().and_then(|range| range.rsplit_once('/')?.1.parse().ok());
        let sound = if whole { is_sound(&answer, &bytes) } else { None };
        Ok(Got { bytes, of, sound })
    }

    /// Nothing of an object: whether it is there and can be read.
    fn read_nothing(&self, name: &ObjectName, key: &str, at: u64) -> Result<ReadOutcome, StoreError> {
        let head = match self.link.block(self.head(key)) {
            Ok(head) => head,
            Err(failure) if failure.is_missing() => return Ok(ReadOutcome::Missing),
            Err(failure) => return Err(self.error(&failure, "asking for", Some(name))),
        };
        if let Some(cold) = cold(&head).filter(|_| self.server().thaws) {
            return Ok(cold);
        }
        match size(&head) {
            size if size < at => Err(StoreError::Short { name: name.clone(), size }),
            _ => Ok(ReadOutcome::Bytes(Vec::new())),
        }
    }

    /// The server says cold; whether a thaw is under way it says only to HEAD.
    fn why_cold(&self, name: &ObjectName, key: &str, refused: &Failure) -> Result<ReadOutcome, StoreError> {
        let unsaid = || ReadOutcome::Cold { class: refused.facts.class.clone().unwrap_or_else(|| "archived".into()) };
        match self.link.block(self.head(key)) {
            Ok(head) => Ok(cold(&head).unwrap_or_else(unsaid)),
            Err(failure) if failure.is_missing() => Ok(ReadOutcome::Missing),
            // Who may not HEAD still learns that it is cold.
            Err(failure) if failure.is_denied() => Ok(unsaid()),
            Err(failure) => Err(self.error(&failure, "asking for", Some(name))),
        }
    }

    fn size_from_head(&self, name: &ObjectName, key: &str) -> Result<u64, StoreError> {
        let head = self.link.block(self.head(key));
        head.map(|head| size(&head)).map_err(|f| self.error(&f, "asking for", Some(name)))
    }

    pub(crate) async fn head(&self, key: &str) -> Result<HeadObjectOutput, Failure> {
        self.link
            .attempts(ANSWER, || async {
                Ok(self.s3.head_object().bucket(&self.settings.bucket).key(key).send().await?)
            })
            .await
    }
}

fn size(head: &HeadObjectOutput) -> u64 {
    u64::try_from(head.content_length().unwrap_or_default()).unwrap_or_default()
}

/// The storage class in an answer about one object; absent means `STANDARD`.
pub(crate) fn class_of(head: &HeadObjectOutput) -> StorageClass {
    head.storage_class().map_or_else(StorageClass::default, |class| StorageClass::from_name(class.as_str()))
}

/// Why the object cannot be read, if it cannot.
pub(crate) fn cold(head: &HeadObjectOutput) -> Option<ReadOutcome> {
    let class = class_of(head);
    let restore = head.restore().unwrap_or_default();
    if restore.contains("ongoing-request=\"true\"") {
        return Some(ReadOutcome::Thawing { since: None });
    }
    let frozen = class.is_archive() || head.archive_status().is_some();
    let thawed = restore.contains("ongoing-request=\"false\"");
    (frozen && !thawed).then(|| ReadOutcome::Cold { class: class.to_string() })
}

/// Compares whole bytes with the checksum that came with them.
fn is_sound(answer: &GetObjectOutput, bytes: &[u8]) -> Option<bool> {
    // Of objects in parts, the checksum of checksums says nothing here.
    let full = |sum: &&str| !sum.contains('-');
    if let Some(theirs) = answer.checksum_crc64_nvme().filter(full) {
        let ours = crc_fast::checksum(CrcAlgorithm::Crc64Nvme, bytes);
        return Some(theirs == BASE64.encode(ours.to_be_bytes()));
    }
    let theirs = answer.checksum_sha256().filter(full)?;
    Some(theirs == BASE64.encode(Sha256::digest(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_s3::types::{ArchiveStatus, StorageClass as WireClass};

    #[test]
    fn heads_tell_cold_from_thawing_from_thawed() {
        let head = |class: Option<&str>, restore: Option<&str>| {
            let head = HeadObjectOutput::builder().set_storage_class(class.map(WireClass::from));
            cold(&head.set_restore(restore.map(str::to_string)).build())
        };
        let (ongoing, done) = ("ongoing-request=\"true\"", "ongoing-request=\"false\", expiry-date=\"Fri, 21 Dec\"");
        assert_eq!(head(None, None), None);
        assert_eq!(head(Some("GLACIER_IR"), None), None);
        assert_eq!(head(Some("DEEP_ARCHIVE"), None), Some(ReadOutcome::Cold { class: "DEEP_ARCHIVE".into() }));
        assert_eq!(head(Some("DEEP_ARCHIVE"), Some(ongoing)), Some(ReadOutcome::Thawing { since: None }));
        assert_eq!(head(Some("GLACIER"), Some(done)), None);
        assert_eq!(head(Some("INTELLIGENT_TIERING"), None), None);
        let moved = HeadObjectOutput::builder().storage_class(WireClass::IntelligentTiering);
        let moved = moved.archive_status(ArchiveStatus::DeepArchiveAccess).build();
        assert_eq!(cold(&moved), Some(ReadOutcome::Cold { class: "INTELLIGENT_TIERING".into() }));
    }

    #[test]
    fn whole_reads_are_compared() {
        let answer = |sum: &str| GetObjectOutput::builder().checksum_crc64_nvme(sum).build();
        assert_eq!(is_sound(&answer("rosUhgp5mIg="), b"123456789"), Some(true));
        assert_eq!(is_sound(&answer("rosUhgp5mIg="), b"123456788"), Some(false));
        assert_eq!(is_sound(&answer("rosUhgp5mIg=-3"), b"123456788"), None);
        assert_eq!(is_sound(&GetObjectOutput::builder().build(), b"x"), None);
        let sha = GetObjectOutput::builder().checksum_sha256("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
        assert_eq!(is_sound(&sha.build(), b""), Some(true));
    }
}
