//! The checksum that S3 keeps of an object: told by HEAD, of cold objects too, without a thaw.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use darkslide_store::{StoreError, StoredSum};
use darkslide_words::ObjectName;

use crate::S3Store;
use crate::failure::Failure;
use crate::link::ANSWER;

/// Eight bytes in base64; a checksum of checksums (`…-7`) is none of the whole.
fn crc64(text: &str) -> StoredSum {
    let bytes = BASE64.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(StoredSum::NotKept, |bytes| StoredSum::Crc64(u64::from_be_bytes(bytes)))
}

impl S3Store {
    pub(crate) fn sum_from_head(&self, name: &ObjectName) -> Result<StoredSum, StoreError> {
        let key = self.key(name);
        let head = self.link.block(self.link.attempts(ANSWER, || async {
            let head = self.s3.head_object().bucket(&self.settings.bucket).key(&key);
            let head = head.checksum_mode(aws_sdk_s3::types::ChecksumMode::Enabled);
            Ok::<_, Failure>(head.send().await?)
        }));
        match head {
            Ok(head) => Ok(head.checksum_crc64_nvme().map_or(StoredSum::NotKept, crc64)),
            Err(failure) if failure.is_missing() => Ok(StoredSum::Missing),
            Err(failure) => Err(self.error(&failure, "asking for the checksum of", Some(name))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_checksum_of_the_whole_counts() {
        assert_eq!(crc64("AAAAAAAAAAE="), StoredSum::Crc64(1));
        for odd in ["", "AAAAAAAAAAE=-3", "AAAA", "????"] {
            assert_eq!(crc64(odd), StoredSum::NotKept, "{odd}");
        }
    }
}
