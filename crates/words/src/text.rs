//! Values that are text in JSON, read without memory for the text.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserializer;
use serde::de::{Error, Visitor};

/// What `parse` makes of a text. Asking for a `String`, or for a `Cow` without saying that it borrows, would copy it first.
pub fn parsed<'de, D, T, E>(from: D, parse: impl FnOnce(&str) -> Result<T, E>) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    E: fmt::Display,
{
    from.deserialize_str(Text(parse, PhantomData))
}

struct Text<F, T>(F, PhantomData<T>);

impl<T, E: fmt::Display, F: FnOnce(&str) -> Result<T, E>> Visitor<'_> for Text<F, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<R: Error>(self, text: &str) -> Result<T, R> {
        (self.0)(text).map_err(R::custom)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Bytes, ChunkId, Name, ObjectName, Time};

    #[test]
    fn texts_are_read_with_their_escapes_and_nothing_else_is() {
        assert_eq!(serde_json::from_str::<Bytes>(r#""1\u0030""#).unwrap(), Bytes(10));
        assert_eq!(serde_json::from_str::<Time>(r#""-5""#).unwrap(), Time(-5));
        assert_eq!(serde_json::from_str::<Name>(r#""a\n\u00e9""#).unwrap(), Name::from("a\né"));
        assert_eq!(serde_json::from_str::<Name>(r#"{"b64":"/w=="}"#).unwrap(), Name::new(b"\xff".to_vec()));
        let id = "7".repeat(64);
        assert_eq!(serde_json::from_str::<ChunkId>(&format!("\"{id}\"")).unwrap().to_string(), id);
        for bad in ["10", r#""""#, r#""010""#, r#""1 ""#, "null", r#"["1"]"#] {
            assert!(serde_json::from_str::<Bytes>(bad).is_err(), "{bad}");
            assert!(serde_json::from_str::<Time>(bad).is_err(), "{bad}");
            assert!(serde_json::from_str::<ChunkId>(bad).is_err(), "{bad}");
        }
        for bad in ["1", "null", "{}", r#"["a"]"#, r#"{"b64":"/w="}"#, r#"{"b64":1}"#] {
            assert!(serde_json::from_str::<Name>(bad).is_err(), "{bad}");
        }
        assert!(serde_json::from_str::<ObjectName>(r#""a/../b""#).unwrap_err().to_string().contains("a/../b"));
    }
}
