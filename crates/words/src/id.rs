//! Ids: fixed-size byte strings, hexadecimal in text.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that is not the hexadecimal form of the id it should be.
#[derive(Debug, Clone, thiserror::Error)]
#[error("`{text}` is not {what}: {bytes} bytes in hexadecimal are wanted")]
pub struct BadId {
    what: &'static str,
    bytes: usize,
    text: String,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $len:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// Wraps raw bytes.
            pub const fn new(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// The raw bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// From a slice of exactly the right length.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }

            /// The first eight hexadecimal digits, for people.
            pub fn short(&self) -> String {
                hex::encode(&self.0[..4])
            }
        }

        impl $name {
            /// Adds its hexadecimal digits to a text.
            pub fn append_to(&self, out: &mut Vec<u8>) {
                let start = out.len();
                out.resize(start + $len * 2, 0);
                // There is room for all of them.
                let _ = faster_hex::hex_encode(&self.0, &mut out[start..]);
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = [0u8; $len * 2];
                f.write_str(faster_hex::hex_encode(&self.0, &mut text).map_err(|_| fmt::Error)?)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                let bad = || BadId {
                    what: $what,
                    bytes: $len,
                    text: text.chars().take(80).collect(),
                };
                // Not one digit more or less, and none of them upper-case.
                faster_hex::hex_decode_array_with_case(text.as_bytes(), faster_hex::CheckCase::Lower)
                    .map(Self)
                    .map_err(|_| bad())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                let mut text = [0u8; $len * 2];
                s.serialize_str(faster_hex::hex_encode(&self.0, &mut text).map_err(serde::ser::Error::custom)?)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                crate::text::parsed(d, str::parse)
            }
        }
    };
}

id!(
    /// BLAKE3 of an object's stored bytes: its name, checkable with `b3sum`.
    ObjectId, 32, "an object id"
);
id!(
    /// BLAKE3 of a chunk's (or page's) plaintext, keyed with the id key.
    ChunkId, 32, "a chunk id"
);
id!(
    /// Plain BLAKE3 of a whole file.
    ContentHash, 32, "a content hash"
);
id!(
    /// A repository's random id.
    RepositoryId, 16, "a repository id"
);
id!(
    /// First half of the BLAKE3 of a writer's public signing key.
    WriterId, 16, "a writer id"
);
id!(
    /// One run of a job, random.
    RunId, 16, "a run id"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_refusals() {
        let id = WriterId::new(*b"0123456789abcdef");
        assert_eq!(id.to_string().parse::<WriterId>().unwrap(), id);
        assert!("00".parse::<WriterId>().is_err());
        assert!(
            id.to_string().to_uppercase().parse::<WriterId>().is_ok()
                == id.to_string().chars().all(|c| c.is_ascii_digit())
        );
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(serde_json::from_str::<WriterId>(&json).unwrap(), id);
    }
}
