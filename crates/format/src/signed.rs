//! Signed documents: a payload and an Ed25519 signature over its bytes as stored.

use darkslide_words::WriterId;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::FormatError;
use crate::canon::{self, B64};

/// What a signature is for; part of what is signed, so that a document of one
/// type can never pass for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocType {
    /// A configuration, by the owner.
    Config,
    /// An enrolment or revocation, by the owner.
    Writer,
    /// A pack's manifest.
    Manifest,
    /// An index segment.
    Index,
    /// A snapshot's list of packs.
    Refs,
    /// A snapshot.
    Snapshot,
    /// A tombstone.
    Condemned,
    /// The table of a pack of previews.
    Previews,
}

impl DocType {
    /// The word that is signed, and shown in errors.
    pub fn word(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Writer => "writer",
            Self::Manifest => "manifest",
            Self::Index => "index",
            Self::Refs => "refs",
            Self::Snapshot => "snapshot",
            Self::Condemned => "condemned",
            Self::Previews => "previews",
        }
    }
}

/// A public signing key.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// From its 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; 32] = bytes.try_into().ok()?;
        let key = VerifyingKey::from_bytes(&bytes).ok()?;
        (!key.is_weak()).then_some(Self(key))
    }

    /// Its 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The writer id that belongs to it.
    pub fn writer_id(&self) -> WriterId {
        let mut id = [0; 16];
        id.copy_from_slice(&blake3::hash(self.as_bytes()).as_bytes()[..16]);
        WriterId::new(id)
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({})", canon::encode(self.as_bytes()))
    }
}

/// A secret signing key: the owner's or a writer's.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// From its 32-byte seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The seed, for storing it.
    pub fn seed(&self) -> zeroize::Zeroizing<[u8; 32]> {
        zeroize::Zeroizing::new(self.0.to_bytes())
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretKey(secret)")
    }
}

#[derive(Deserialize)]
struct Incoming<'a> {
    #[serde(borrow)]
    payload: &'a RawValue,
    signature: B64,
    signer: B64,
}

fn message(kind: DocType, payload: &[u8]) -> Vec<u8> {
    let mut message = format!("darkslide/1/{}\n", kind.word()).into_bytes();
    // Ed25519 reads its message twice with SHA-512; payloads may be megabytes.
    message.extend_from_slice(blake3::hash(payload).as_bytes());
    message
}

/// Signs a payload and wraps it into a document.
pub fn sign<T: Serialize>(kind: DocType, payload: &T, key: &SecretKey) -> Result<Vec<u8>, FormatError> {
    sign_written(kind, key, |document| canon::append(document, payload))
}

/// The same of a payload that `write` adds as canonical JSON: it may be megabytes, and is neither copied nor
/// read again.
pub(crate) fn sign_written(
    kind: DocType,
    key: &SecretKey,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), FormatError>,
) -> Result<Vec<u8>, FormatError> {
    let mut document = b"{\"payload\":".to_vec();
    let start = document.len();
    write(&mut document)?;
    let signature = key.0.sign(&message(kind, &document[start..]));
    let (signature, signer) = (canon::encode(&signature.to_bytes()), canon::encode(key.public().as_bytes()));
    document.extend_from_slice(format!(",\"signature\":\"{signature}\",\"signer\":\"{signer}\"}}").as_bytes());
    Ok(document)
}

/// A document whose signature holds; whether the signer may is the caller's question.
#[derive(Debug)]
pub struct Verified<'a> {
    /// The payload's bytes.
    pub payload: &'a [u8],
    /// Who signed.
    pub signer: PublicKey,
}

/// Checks a document's signature over the bytes as they stand.
pub fn verify(kind: DocType, document: &[u8]) -> Result<Verified<'_>, FormatError> {
    let what = kind.word();
    let doc: Incoming<'_> = serde_json::from_slice(document).map_err(|e| FormatError::malformed(what, e))?;
    let signer = PublicKey::from_bytes(&doc.signer.0)
        .ok_or_else(|| FormatError::malformed(what, "the signer is not an Ed25519 key"))?;
    let signature = Signature::from_slice(&doc.signature.0)
        .map_err(|_| FormatError::malformed(what, "the signature is not 64 bytes"))?;
    let payload = doc.payload.get().as_bytes();
    signer.0.verify_strict(&message(kind, payload), &signature).map_err(|_| FormatError::BadSignature { what })?;
    Ok(Verified { payload, signer })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flipped_bit_or_another_type_is_refused() {
        let key = SecretKey::from_seed(&[3; 32]);
        let doc = sign(DocType::Config, &serde_json::json!({"a": "b"}), &key).unwrap();
        assert_eq!(verify(DocType::Config, &doc).unwrap().payload, br#"{"a":"b"}"#);
        assert!(matches!(verify(DocType::Writer, &doc), Err(FormatError::BadSignature { .. })));
        let at = doc.windows(3).position(|w| w == b"\"b\"").unwrap() + 1;
        let mut bad = doc.clone();
        bad[at] = b'c';
        assert!(matches!(verify(DocType::Config, &bad), Err(FormatError::BadSignature { .. })));
        for cut in 0..doc.len() {
            assert!(verify(DocType::Config, &doc[..cut]).is_err());
        }
    }
}
