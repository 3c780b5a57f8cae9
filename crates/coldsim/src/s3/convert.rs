//! Between what the simulator keeps and what `s3s` speaks.

use std::time::{Duration, SystemTime};

use darkslide_words::Time;
use s3s::dto::{Timestamp, TimestampFormat};
use s3s::xml::{Deserialize, Deserializer, Serialize, Serializer};
use s3s::{S3Result, s3_error};

/// A stored configuration as its type.
pub(crate) fn from_xml<T: for<'xml> Deserialize<'xml>>(text: &str) -> S3Result<T> {
    let mut reader = Deserializer::new(text.as_bytes());
    T::deserialize(&mut reader).map_err(|error| s3_error!(error, InternalError, "a stored configuration is damaged"))
}

/// A configuration as it is stored.
pub(crate) fn to_xml<T: Serialize>(value: &T) -> S3Result<String> {
    let mut bytes = Vec::new();
    let written = value.serialize(&mut Serializer::new(&mut bytes));
    written.map_err(|error| s3_error!(error, InternalError, "a configuration cannot be written"))?;
    String::from_utf8(bytes).map_err(|error| s3_error!(error, InternalError, "a configuration is not text"))
}

/// S3's timestamps have milliseconds.
pub(crate) fn timestamp(at: Time) -> Timestamp {
    let at = at.to_millis().0;
    let size = Duration::from_nanos(at.unsigned_abs());
    let epoch = SystemTime::UNIX_EPOCH;
    Timestamp::from(if at < 0 { epoch - size } else { epoch + size })
}

/// Back from `s3s`.
pub(crate) fn to_time(at: &Timestamp) -> Time {
    let mut text = Vec::new();
    // Seconds since 1970 with a fraction; what cannot be written lies beyond the simulator's time.
    if at.format(TimestampFormat::EpochSeconds, &mut text).is_err() {
        return Time(i64::MAX);
    }
    let text = String::from_utf8_lossy(&text);
    let (seconds, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let nanos = format!("{fraction:0<9}").get(..9).and_then(|n| n.parse().ok()).unwrap_or(0);
    Time::from_parts(seconds.parse().unwrap_or(i64::MAX), nanos)
}

/// `Fri, 21 Dec 2012 00:00:00 GMT`.
pub(crate) fn http_date(at: Time) -> String {
    let mut text = Vec::new();
    match timestamp(at).format(TimestampFormat::HttpDate, &mut text) {
        Ok(()) => String::from_utf8_lossy(&text).into_owned(),
        Err(_) => String::new(),
    }
}

/// Percent-encoding as S3 does it for `encoding-type=url`.
pub(crate) fn url_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The text behind percent signs; `+` is a space in queries only.
pub(crate) fn url_decoded(text: &str, plus_is_space: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        if let Some(byte) = escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            out.push(byte);
            at += 3;
            continue;
        }
        out.push(if plus_is_space && bytes[at] == b'+' { b' ' } else { bytes[at] });
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// `a=1&b=2` as pairs.
pub(crate) fn query_pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(name, value)| (url_decoded(name, true), url_decoded(value, true))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_both_ways() {
        for at in [0, 1_790_000_000_123_000_000, 4_102_444_800_000_000_000] {
            let at = Time(at);
            assert_eq!(to_time(&timestamp(at)), at, "{at:?}");
        }
        assert_eq!(http_date(Time::from_parts(1_356_048_000, 0)), "Fri, 21 Dec 2012 00:00:00 GMT");
    }

    #[test]
    fn percent_signs() {
        assert_eq!(url_encoded("a/b c+é.txt"), "a/b%20c%2B%C3%A9.txt");
        assert_eq!(url_decoded("a/b%20c%2B%C3%A9.txt", false), "a/b c+é.txt");
        assert_eq!(url_decoded("100%", true), "100%");
        assert_eq!(
            query_pairs("a=1+2&b&c=%3D"),
            [("a", "1 2"), ("b", ""), ("c", "=")].map(|(a, b)| (a.into(), b.into()))
        );
    }
}
