//! One PUT an object: create-only, with its storage class and its checksum.

use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::StorageClass as WireClass;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use darkslide_store::{PutFacts, PutOutcome, StoreError};
use darkslide_words::{ObjectName, StorageClass};
use md5::Md5;
use sha2::{Digest as _, Sha256};

use crate::S3Store;
use crate::failure::Failure;
use crate::limit::Pace;
use crate::link::transfer_time;
use crate::settings::{Checksum, When};

/// Rounds of "it exists" and "it is not listed" before that is reported: more
/// than one only where somebody deletes at the same time.
const ROUNDS: u32 = 3;

/// The checksum that goes with a PUT, in base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sum {
    Crc64(String),
    Sha256(String),
    Md5(String),
}

impl Sum {
    pub(crate) fn crc64(value: u64) -> Self {
        Self::Crc64(BASE64.encode(value.to_be_bytes()))
    }

    pub(crate) fn sha256(bytes: &[u8]) -> Self {
        Self::Sha256(BASE64.encode(Sha256::digest(bytes)))
    }

    pub(crate) fn md5(bytes: &[u8]) -> Self {
        Self::Md5(BASE64.encode(Md5::digest(bytes)))
    }
}

/// One object on its way.
#[derive(Debug)]
pub(crate) struct Parcel<'a> {
    pub(crate) key: &'a str,
    pub(crate) body: &'a Bytes,
    pub(crate) class: &'a StorageClass,
    pub(crate) sum: &'a Sum,
}

/// What the server said of an object that it took.
#[derive(Debug, Default)]
pub(crate) struct Receipt {
    pub(crate) crc64: Option<String>,
    pub(crate) sha256: Option<String>,
    pub(crate) etag: Option<String>,
}

impl S3Store {
    pub(crate) fn put_object(
        &self,
        name: &ObjectName,
        body: Bytes,
        facts: &PutFacts,
    ) -> Result<PutOutcome, StoreError> {
        let key = self.key(name);
        let sum = match (self.settings.checksums, self.settings.checksum) {
            (When::Required, _) => Sum::md5(&body),
            (When::Supported, Checksum::Crc64Nvme) => Sum::crc64(facts.crc64),
            (When::Supported, Checksum::Sha256) => Sum::sha256(&body),
        };
        let class = self.settings.classes.of(facts.temperature);
        let parcel = Parcel { key: &key, body: &body, class, sum: &sum };
        self.link.block(self.deliver(name, &parcel))
    }

    async fn deliver(&self, name: &ObjectName, parcel: &Parcel<'_>) -> Result<PutOutcome, StoreError> {
        let failed = |f: Failure| self.error(&f, "writing", Some(name));
        // Never closed, so it always grants; without a permit nothing would break but the bound.
        let _permit = self.uploads.acquire().await.ok();
        if !self.server().create_only
            && let Some(size) = self.size_of(parcel.key).await.map_err(failed)?
        {
            return self.compare(name, parcel, size);
        }
        for _ in 0..ROUNDS {
            let limit = self.time_for(parcel.body.len() as u64);
            match self.link.attempts(limit, || self.send(parcel, true)).await {
                Ok(receipt) => return self.accept(name, parcel, &receipt),
                Err(failure) if failure.is_taken() => {
                    if let Some(size) = self.size_of(parcel.key).await.map_err(failed)? {
                        return self.compare(name, parcel, size);
                    }
                }
                Err(failure) => return Err(failed(failure)),
            }
        }
        Err(failed(Failure::unreadable("the server says that the name exists, and does not list it")))
    }

    /// What exists under a name is ours if it is as long: names are hashes.
    fn compare(&self, name: &ObjectName, parcel: &Parcel<'_>, size: u64) -> Result<PutOutcome, StoreError> {
        match size == parcel.body.len() as u64 {
            true => Ok(PutOutcome::AlreadyThere),
            false => Err(StoreError::Different { store: self.link.label.clone(), name: name.clone() }),
        }
    }

    /// Compares what the server says it computed, if it says so.
    fn accept(&self, name: &ObjectName, parcel: &Parcel<'_>, receipt: &Receipt) -> Result<PutOutcome, StoreError> {
        let theirs = match parcel.sum {
            Sum::Crc64(ours) => receipt.crc64.as_ref().map(|theirs| theirs == ours),
            Sum::Sha256(ours) => receipt.sha256.as_ref().map(|theirs| theirs == ours),
            Sum::Md5(_) => None,
        };
        match theirs {
            Some(false) => Err(StoreError::Corrupted { store: self.link.label.clone(), name: name.clone() }),
            _ => Ok(PutOutcome::Created),
        }
    }

    /// Time for one attempt: what a slow line needs, and what the limit imposes
    /// when all uploads share it.
    fn time_for(&self, bytes: u64) -> Duration {
        let shared = bytes.saturating_mul(self.settings.parallel as u64);
        let paced = self.gate.as_ref().map_or(0, |gate| shared / gate.rate());
        transfer_time(bytes) + Duration::from_secs(paced.saturating_mul(2))
    }

    /// One PUT.
    pub(crate) async fn send(&self, parcel: &Parcel<'_>, create_only: bool) -> Result<Receipt, Failure> {
        let mut put = self
            .s3
            .put_object()
            .bucket(&self.settings.bucket)
            .key(parcel.key)
            .body(ByteStream::from(parcel.body.clone()))
            .storage_class(WireClass::from(parcel.class.as_str()));
        if create_only {
            put = put.if_none_match("*");
        }
        put = match parcel.sum {
            Sum::Crc64(sum) => put.checksum_crc64_nvme(sum),
            Sum::Sha256(sum) => put.checksum_sha256(sum),
            Sum::Md5(sum) => put.content_md5(sum),
        };
        let mut put = put.customize();
        if self.is_private() && !matches!(parcel.sum, Sum::Md5(_)) {
            // TLS keeps the bytes as they are, and the signed checksum binds them:
            // hashing them once more would cost a quarter of the pipeline.
            put = put.disable_payload_signing();
        }
        if let Some(gate) = &self.gate {
            put = put.interceptor(Pace { bytes: parcel.body.clone(), gate: gate.clone() });
        }
        let done = put.send().await?;
        Ok(Receipt { crc64: done.checksum_crc64_nvme, sha256: done.checksum_sha256, etag: done.e_tag })
    }

    /// True if the way is encrypted.
    fn is_private(&self) -> bool {
        let endpoint = self.settings.endpoint.as_deref().or(self.link.sdk.endpoint_url());
        !endpoint.is_some_and(|url| url.starts_with("http://"))
    }
}

#[cfg(test)]
#[path = "put/tests.rs"]
mod tests;
