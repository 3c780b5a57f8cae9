//! Names: of files (any bytes) and of objects in a store (a small alphabet).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A byte string that names something in a file system: a file name, a path
/// with `/` between components, or a link target. Need not be UTF-8.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Name(Vec<u8>);

impl Name {
    /// Any bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// True for the empty path (the library's root).
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True if this is good as one component: not empty, `.`, `..`, and free
    /// of `/` and NUL.
    pub fn is_component(&self) -> bool {
        !matches!(self.0.as_slice(), b"" | b"." | b"..") && !self.0.iter().any(|b| matches!(b, b'/' | 0))
    }

    /// This path with one more component.
    pub fn join(&self, component: &Name) -> Name {
        let mut path = Name(Vec::with_capacity(self.0.len() + 1 + component.0.len()));
        self.join_into(component, &mut path);
        path
    }

    /// The same, in memory that is there.
    pub fn join_into(&self, component: &Name, path: &mut Name) {
        path.0.clear();
        path.0.extend_from_slice(&self.0);
        if !path.0.is_empty() {
            path.0.push(b'/');
        }
        path.0.extend_from_slice(&component.0);
    }

    /// Other bytes, in memory that is there.
    pub fn assign(&mut self, bytes: &[u8]) {
        self.0.clear();
        self.0.extend_from_slice(bytes);
    }

    /// The last component.
    pub fn file_name(&self) -> &[u8] {
        self.0.rsplit(|b| *b == b'/').next().unwrap_or(&self.0)
    }

    /// The lower-cased extension without the dot, or nothing.
    pub fn extension(&self) -> Option<String> {
        let dot = self.0.iter().rposition(|b| matches!(b, b'.' | b'/')).filter(|at| self.0[*at] == b'.')?;
        // A name that begins with its dot has none.
        let begins = dot == 0 || self.0[dot - 1] == b'/';
        (!begins).then(|| String::from_utf8_lossy(&self.0[dot + 1..]).to_ascii_lowercase())
    }
}

impl fmt::Display for Name {
    /// For people: bytes that are not UTF-8, control characters and backslashes
    /// are shown as `\xNN`, so that a name cannot play tricks on a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in self.0.utf8_chunks() {
            for c in part.valid().chars() {
                match c {
                    '\\' => f.write_str("\\\\")?,
                    c if c.is_control() => {
                        let mut bytes = [0u8; 4];
                        for b in c.encode_utf8(&mut bytes).bytes() {
                            write!(f, "\\x{b:02x}")?;
                        }
                    }
                    c => fmt::Write::write_char(f, c)?,
                }
            }
            for b in part.invalid() {
                write!(f, "\\x{b:02x}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Name(text.as_bytes().to_vec())
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => s.serialize_str(text),
            Err(_) => {
                use serde::ser::SerializeMap as _;
                let mut map = s.serialize_map(Some(1))?;
                map.serialize_entry("b64", &base64::encode(&self.0))?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(Form)
    }
}

/// A text, or an object with base64.
struct Form;

impl<'de> serde::de::Visitor<'de> for Form {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Name, E> {
        Ok(Name::from(text))
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Name, A::Error> {
        #[derive(Deserialize)]
        struct Encoded {
            b64: String,
        }
        let Encoded { b64 } = Encoded::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
        base64::decode(&b64).map(Name).ok_or_else(|| serde::de::Error::custom("a name's base64 is broken"))
    }
}

/// The few lines of base64 (standard alphabet, padded) that names need.
mod base64 {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    pub(super) fn encode(bytes: &[u8]) -> String {
        bytes
            .chunks(3)
            .flat_map(|c| {
                let n = (u32::from(c[0]) << 16)
                    | (u32::from(*c.get(1).unwrap_or(&0)) << 8)
                    | u32::from(*c.get(2).unwrap_or(&0));
                (0..4).map(move |i| match i <= c.len() {
                    true => ALPHABET[(n >> (18 - 6 * i)) as usize & 63] as char,
                    false => '=',
                })
            })
            .collect()
    }

    pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
        let body = text.trim_end_matches('=');
        if !text.len().is_multiple_of(4) || text.len() - body.len() > 2 {
            return None;
        }
        let mut out = Vec::with_capacity(body.len() * 3 / 4);
        let (mut acc, mut bits) = (0u32, 0);
        for b in body.bytes() {
            let v = ALPHABET.iter().position(|a| *a == b)? as u32;
            acc = (acc << 6) | v;
            bits += 6;
            if bits >= 8 {
                bits -= 8;
                out.push((acc >> bits) as u8);
                acc &= (1 << bits) - 1;
            }
        }
        (acc == 0).then_some(out)
    }
}

/// A name that no store may carry.
#[derive(Debug, Clone, thiserror::Error)]
#[error("`{0}` is not an object name: letters, digits, `.`, `_`, `-` and inner `/` are allowed, up to 512")]
pub struct BadName(String);

/// The name of an object in a store, such as `packs/ab/abcd….tar.zst.age`.
///
/// Components are never empty, `.` or `..`, so a store may use it as a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ObjectName(String);

impl ObjectName {
    /// Checks the alphabet and the components.
    pub fn new(text: impl Into<String>) -> Result<Self, BadName> {
        let text = text.into();
        let fits = text.len() <= 512
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/'))
            && text.split('/').all(|c| !matches!(c, "" | "." | ".."));
        match fits {
            true => Ok(Self(text)),
            false => Err(BadName(text.chars().take(80).collect())),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ObjectName {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        crate::text::parsed(d, |text| ObjectName::new(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn object_names_cannot_climb() {
        for bad in ["", "/a", "a/", "a//b", "../a", "a/./b", "a b", "ä", "a\0"] {
            assert!(ObjectName::new(bad).is_err(), "{bad}");
        }
        assert!(ObjectName::new("packs/ab/cd.tar.zst.age").is_ok());
    }

    #[test]
    fn hostile_names_are_shown_harmlessly() {
        assert_eq!(Name::new(b"a\x1b[31m\n\xff".to_vec()).to_string(), "a\\x1b[31m\\x0a\\xff");
        assert!(!Name::from("..").is_component() && !Name::from("a/b").is_component());
        assert_eq!(Name::from("x/IMG_1.CR3").extension().as_deref(), Some("cr3"));
        assert_eq!(Name::from(".hidden").extension(), None);
        assert_eq!(Name::from("2024.06/.hidden").extension(), None);
        assert_eq!(Name::from("2024.06/IMG_1").extension(), None);
        assert_eq!(Name::from("..").extension().as_deref(), Some(""));
    }

    proptest! {
        #[test]
        fn any_bytes_survive_json(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let name = Name::new(bytes);
            let json = serde_json::to_string(&name).unwrap();
            prop_assert_eq!(serde_json::from_str::<Name>(&json).unwrap(), name);
        }
    }
}
