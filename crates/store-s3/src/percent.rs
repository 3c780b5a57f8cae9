//! Percent-encoding of keys: in manifests, reports, events and listings.

/// Encodes all but letters, digits, `-._~` and `/`.
pub(crate) fn encode(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    for b in key.bytes() {
        match b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'/') {
            true => out.push(char::from(b)),
            false => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}

/// What a `+` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plus {
    /// A space, as in forms, events and listings.
    Space,
    /// Itself.
    Plus,
}

/// Decodes; nothing if an escape is broken or the result is not UTF-8.
pub(crate) fn decode(text: &str, plus: Plus) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        match b {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                out.push((digit()? * 16 + digit()?) as u8);
            }
            b'+' if plus == Plus::Space => out.push(b' '),
            other => out.push(other),
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_come_back() {
        for key in ["packs/ab/cd.tar.zst.age", "a b", "a+b", "100 %", "ü/ö,\"x\"\n", "~.-_"] {
            let text = encode(key);
            assert!(text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b',' | b'"' | b'+')), "{text}");
            assert_eq!(decode(&text, Plus::Plus).as_deref(), Some(key));
            assert_eq!(decode(&text, Plus::Space).as_deref(), Some(key));
        }
        assert_eq!(decode("a+b", Plus::Space).as_deref(), Some("a b"));
        assert_eq!(decode("a+b", Plus::Plus).as_deref(), Some("a+b"));
        for broken in ["%", "%4", "%zz", "%ff"] {
            assert_eq!(decode(broken, Plus::Plus), None, "{broken}");
        }
    }
}
