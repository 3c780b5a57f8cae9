//! Ids as the service gives them out: long, of a small alphabet, never twice.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use s3s::crypto::{Checksum as _, Sha256};

use crate::state::{Record, State};

/// 92 characters.
const JOB_BYTES: usize = 69;
/// 138 characters, with the number at the end.
const ARCHIVE_BYTES: usize = 95;
/// 24 characters.
const SHORT_BYTES: usize = 18;

fn expanded(seed: &str, bytes: usize) -> Vec<u8> {
    let blocks = (0..bytes.div_ceil(32)).flat_map(|block| Sha256::checksum(format!("{block} {seed}").as_bytes()));
    blocks.take(bytes).collect()
}

fn archive_id(vault: &str, number: u64) -> String {
    let mut bytes = expanded(&format!("archive {vault} {number}"), ARCHIVE_BYTES);
    bytes.extend(number.to_be_bytes());
    BASE64.encode(bytes)
}

/// True if an archive of the vault has, or had, this id.
pub(super) fn is_archive_id(vault: &str, id: &str, counter: u64) -> bool {
    let bytes = BASE64.decode(id).unwrap_or_default();
    let number = bytes.last_chunk().map(|last| u64::from_be_bytes(*last));
    number.is_some_and(|number| number <= counter && archive_id(vault, number) == id)
}

impl State {
    fn next_number(&mut self) -> u64 {
        self.counter += 1;
        self.dirty.insert(Record::Clock);
        self.counter
    }

    pub(super) fn fresh_archive_id(&mut self, vault: &str) -> String {
        let number = self.next_number();
        archive_id(vault, number)
    }

    /// Of a job or a multipart upload.
    pub(super) fn fresh_long_id(&mut self) -> String {
        let number = self.next_number();
        BASE64.encode(expanded(&format!("job {number} {}", self.now.0), JOB_BYTES))
    }

    /// Of a lock or a capacity unit.
    pub(super) fn fresh_short_id(&mut self) -> String {
        let number = self.next_number();
        BASE64.encode(expanded(&format!("lock {number} {}", self.now.0), SHORT_BYTES))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_id_is_known_again() {
        let id = archive_id("photos", 7);
        assert_eq!(id.len(), 138);
        assert!(is_archive_id("photos", &id, 7));
        assert!(!is_archive_id("photos", &id, 6), "not given out yet");
        assert!(!is_archive_id("other", &id, 7));
        assert!(!is_archive_id("photos", "", 7) && !is_archive_id("photos", "nonsense", 7));
    }
}
