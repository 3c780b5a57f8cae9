//! Canonical JSON, and the facts that every document carries.

use base64::Engine as _;
use darkslide_words::{Name, RepositoryId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{FEATURES, FORMAT, FormatError};

/// Serialises. Structs declare their fields in alphabetical order, so that what
/// comes out is canonical; a test holds every document type to it.
pub fn to_bytes<T: Serialize>(value: &T) -> Result<Vec<u8>, FormatError> {
    let mut out = Vec::new();
    append(&mut out, value)?;
    Ok(out)
}

/// Serialises to the end of `out`.
pub fn append<T: Serialize>(out: &mut Vec<u8>, value: &T) -> Result<(), FormatError> {
    serde_json::to_writer(out, value).map_err(|e| FormatError::Failed { what: "writing JSON", detail: e.to_string() })
}

/// Adds a name. Most need no escapes.
pub(crate) fn name(out: &mut Vec<u8>, name: &Name) -> Result<(), FormatError> {
    let text = name.as_bytes();
    // All bytes are looked at, since that goes by many at once.
    let plain = |byte: u8| (b' '..=b'~').contains(&byte) & (byte != b'"') & (byte != b'\\');
    if !text.iter().fold(true, |all, byte| all & plain(*byte)) {
        return append(out, name);
    }
    out.push(b'"');
    out.extend_from_slice(text);
    out.push(b'"');
    Ok(())
}

/// Begins a field of an object that is written by hand, whose keys come sorted.
#[inline]
pub(crate) fn key(out: &mut Vec<u8>, key: &str) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
}

/// A field of it that is a number.
pub(crate) fn number(out: &mut Vec<u8>, name: &str, number: u32) {
    key(out, name);
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// A field of it that is a number as text, which keeps all its digits in every reader.
pub(crate) fn digits(out: &mut Vec<u8>, name: &str, number: impl itoa::Integer) {
    word(out, name, itoa::Buffer::new().format(number));
}

/// A field of it that is a word: of letters or digits alone.
#[inline]
pub(crate) fn word(out: &mut Vec<u8>, name: &str, word: &str) {
    key(out, name);
    out.push(b'"');
    out.extend_from_slice(word.as_bytes());
    out.push(b'"');
}

/// A field of it that is left out where there is nothing.
pub(crate) fn optional<T: Serialize>(out: &mut Vec<u8>, name: &str, value: &Option<T>) -> Result<(), FormatError> {
    let Some(value) = value else { return Ok(()) };
    key(out, name);
    append(out, value)
}

/// Parses; `what` names the document in errors.
pub fn from_bytes<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, FormatError> {
    // Looked at as a whole, which goes faster than text by text.
    let text = std::str::from_utf8(bytes).map_err(|e| FormatError::malformed(what, e))?;
    serde_json::from_str(text).map_err(|e| FormatError::malformed(what, e))
}

/// The keys that every document carries, read before anything else of it.
#[derive(Debug, Deserialize)]
pub struct Common {
    format: u64,
    features: Vec<String>,
    repository: Option<String>,
}

impl Common {
    /// Refuses other formats, unknown features and other repositories.
    pub fn check(&self, repository: Option<RepositoryId>) -> Result<(), FormatError> {
        if self.format != u64::from(FORMAT) {
            return Err(FormatError::NewerFormat { found: self.format });
        }
        if let Some(unknown) = self.features.iter().find(|f| !FEATURES.contains(&f.as_str())) {
            return Err(FormatError::UnknownFeature { feature: unknown.clone() });
        }
        let found = self.repository.clone().unwrap_or_default();
        match repository {
            Some(ours) if ours.to_string() != found => Err(FormatError::OtherRepository { found }),
            _ => Ok(()),
        }
    }
}

/// Checks the common keys of a document, then parses all of it.
pub fn checked<T: DeserializeOwned>(
    what: &'static str,
    bytes: &[u8],
    repository: Option<RepositoryId>,
) -> Result<T, FormatError> {
    from_bytes::<Common>(what, bytes)?.check(repository)?;
    from_bytes(what, bytes)
}

/// Bytes that are base64 in JSON.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct B64(pub Vec<u8>);

impl Serialize for B64 {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for B64 {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        darkslide_words::parsed(d, |text| decode(text).map(B64).ok_or("broken base64"))
    }
}

/// Standard base64 with padding.
pub fn encode(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// The reverse; nothing where the text is broken.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_features_and_repositories_are_checked_first() {
        let ours = RepositoryId::new([7; 16]);
        let check = |json: &str| checked::<serde_json::Value>("test", json.as_bytes(), Some(ours)).map(|_| ());
        assert!(check(&format!(r#"{{"features":[],"format":1,"repository":"{ours}","x":1}}"#)).is_ok());
        assert!(matches!(
            check(&format!(r#"{{"features":[],"format":2,"repository":"{ours}"}}"#)),
            Err(FormatError::NewerFormat { found: 2 })
        ));
        assert!(matches!(
            check(&format!(r#"{{"features":["warp"],"format":1,"repository":"{ours}"}}"#)),
            Err(FormatError::UnknownFeature { feature }) if feature == "warp"
        ));
        assert!(matches!(
            check(r#"{"features":[],"format":1,"repository":"00"}"#),
            Err(FormatError::OtherRepository { .. })
        ));
    }
}
