//! Checksums: computed while a body arrives, compared with what the client declared, combined
//! for multipart uploads.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use serde::{Deserialize, Serialize};

/// A checksum algorithm of S3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

/// Whether a checksum covers the object or the checksums of its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Cover {
    FullObject,
    Composite,
}

/// A stored checksum, in base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sum {
    pub algorithm: Algorithm,
    pub value: String,
    pub cover: Cover,
}

impl Algorithm {
    pub const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// `CRC64NVME` and the like.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.name().eq_ignore_ascii_case(name))
    }

    /// `x-amz-checksum-crc64nvme` and the like.
    pub fn header(self) -> String {
        format!("x-amz-checksum-{}", self.name().to_ascii_lowercase())
    }

    fn bytes(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// True if `value` is base64 of the right length, so that it could match.
    pub fn is_wellformed(self, value: &str) -> bool {
        BASE64.decode(value).is_ok_and(|raw| raw.len() == self.bytes())
    }

    fn crc(self) -> Option<crc_fast::CrcAlgorithm> {
        match self {
            Self::Crc32 => Some(crc_fast::CrcAlgorithm::Crc32IsoHdlc),
            Self::Crc32c => Some(crc_fast::CrcAlgorithm::Crc32Iscsi),
            Self::Crc64Nvme => Some(crc_fast::CrcAlgorithm::Crc64Nvme),
            Self::Sha1 | Self::Sha256 => None,
        }
    }

    /// The one that multipart uploads use if the client asks for none.
    pub fn default_cover(self) -> Cover {
        if self == Self::Crc64Nvme { Cover::FullObject } else { Cover::Composite }
    }

    /// True if S3 offers this cover for multipart uploads.
    pub fn allows(self, cover: Cover) -> bool {
        match cover {
            Cover::FullObject => self.crc().is_some(),
            Cover::Composite => self != Self::Crc64Nvme,
        }
    }
}

impl Cover {
    pub fn name(self) -> &'static str {
        match self {
            Self::FullObject => "FULL_OBJECT",
            Self::Composite => "COMPOSITE",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        [Self::FullObject, Self::Composite].into_iter().find(|c| c.name() == name)
    }
}

/// MD5 and the wanted checksums of a body.
pub(crate) struct Hasher {
    md5: Md5,
    sums: ChecksumHasher,
}

/// What a [`Hasher`] found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Digests {
    pub md5: [u8; 16],
    sums: Vec<(Algorithm, String)>,
}

impl Hasher {
    /// MD5 and CRC64NVME always, the others if wanted.
    pub fn new(wanted: &[Algorithm]) -> Self {
        let wants = |a| wanted.contains(&a);
        let sums = ChecksumHasher {
            crc32: wants(Algorithm::Crc32).then(Crc32::new),
            crc32c: wants(Algorithm::Crc32c).then(Crc32c::new),
            sha1: wants(Algorithm::Sha1).then(Sha1::new),
            sha256: wants(Algorithm::Sha256).then(Sha256::new),
            crc64nvme: Some(Crc64Nvme::new()),
        };
        Self { md5: Md5::new(), sums }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.sums.update(bytes);
    }

    pub fn finish(self) -> Digests {
        let found = self.sums.finalize();
        let sums = [
            (Algorithm::Crc32, found.checksum_crc32),
            (Algorithm::Crc32c, found.checksum_crc32c),
            (Algorithm::Crc64Nvme, found.checksum_crc64nvme),
            (Algorithm::Sha1, found.checksum_sha1),
            (Algorithm::Sha256, found.checksum_sha256),
        ];
        let sums = sums.into_iter().filter_map(|(a, value)| Some((a, value?))).collect();
        Digests { md5: self.md5.finalize(), sums }
    }
}

impl Digests {
    /// Of bytes that are all here.
    pub fn of(bytes: &[u8], wanted: &[Algorithm]) -> Self {
        let mut hasher = Hasher::new(wanted);
        hasher.update(bytes);
        hasher.finish()
    }

    pub fn get(&self, algorithm: Algorithm) -> Option<&str> {
        self.sums.iter().find(|(a, _)| *a == algorithm).map(|(_, value)| value.as_str())
    }

    pub fn etag(&self) -> String {
        hex::encode(self.md5)
    }
}

/// The ETag of a multipart upload: MD5 of the parts' MD5s, and their number.
pub(crate) fn multipart_etag(parts: &[[u8; 16]]) -> String {
    format!("{}-{}", hex::encode(Md5::checksum(&parts.concat())), parts.len())
}

/// The checksum of a multipart upload from those of its parts (base64, bytes covered).
pub(crate) fn combine(algorithm: Algorithm, cover: Cover, parts: &[(String, u64)]) -> Option<String> {
    let raw: Vec<Vec<u8>> = parts.iter().map(|(value, _)| BASE64.decode(value).ok()).collect::<Option<_>>()?;
    match cover {
        Cover::Composite => {
            let all = raw.concat();
            let digests = Digests::of(&all, &[algorithm]);
            Some(format!("{}-{}", digests.get(algorithm)?, parts.len()))
        }
        Cover::FullObject => {
            let crc = algorithm.crc()?;
            let number = |raw: &[u8]| raw.iter().fold(0_u64, |n, byte| n << 8 | u64::from(*byte));
            let mut sums = raw.iter().zip(parts).map(|(raw, (_, len))| (number(raw), *len));
            let (first, _) = sums.next()?;
            let whole = sums.fold(first, |sum, (next, len)| crc_fast::checksum_combine(crc, sum, next, len));
            Some(BASE64.encode(&whole.to_be_bytes()[8 - algorithm.bytes()..]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_object_sums_of_parts_equal_those_of_the_whole() {
        let (a, b, c) = (b"hello ".as_slice(), b"cold ".as_slice(), b"world".as_slice());
        let whole = [a, b, c].concat();
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
            let sum = |bytes: &[u8]| Digests::of(bytes, &[algorithm]).get(algorithm).unwrap().to_string();
            let parts = [a, b, c].map(|part| (sum(part), part.len() as u64));
            assert_eq!(combine(algorithm, Cover::FullObject, &parts).unwrap(), sum(&whole), "{algorithm:?}");
        }
    }

    #[test]
    fn composite_sums_carry_the_number_of_parts() {
        let sum = Digests::of(b"q", &[Algorithm::Sha256]).get(Algorithm::Sha256).unwrap().to_string();
        let composite = combine(Algorithm::Sha256, Cover::Composite, &[(sum.clone(), 1), (sum, 1)]).unwrap();
        assert!(composite.ends_with("-2"), "{composite}");
        assert_eq!(composite.len(), 44 + 2);
    }

    #[test]
    fn known_values() {
        // The check value of CRC-64/NVME for "123456789" in the CRC catalogue.
        let digests = Digests::of(b"123456789", &Algorithm::ALL);
        let expected = BASE64.encode(0xae8b_1486_0a79_9888_u64.to_be_bytes());
        assert_eq!(digests.get(Algorithm::Crc64Nvme), Some(expected.as_str()));
        assert_eq!(digests.get(Algorithm::Crc32), Some(BASE64.encode(0xcbf4_3926_u32.to_be_bytes()).as_str()));
        assert_eq!(digests.etag(), "25f9e794323b453885f5181f1b624d0b");
        assert!(Algorithm::Crc32.is_wellformed("AAAAAA==") && !Algorithm::Crc32.is_wellformed("AAAA"));
    }
}
