//! Signature version 4 for the services that `s3s` does not verify: all but S3 itself.
//!
//! After "Authenticating Requests (AWS Signature Version 4)" of the S3 API reference; only
//! signatures in the header, over a body of which at least the hash is known.

use http::request::Parts;
use s3s::crypto::{Checksum as _, Sha256};

use super::header;
use crate::account::Caller;
use crate::s3::convert::{query_pairs, url_encoded};
use crate::sim::Sim;

/// How far the client's clock may be off, in seconds.
const SKEW_SECONDS_MAX: i64 = 15 * 60;
/// The block of SHA-256, for HMAC.
const BLOCK_BYTES: usize = 64;

/// Why a call is refused.
pub(super) struct Refused {
    pub status: u16,
    pub code: &'static str,
    pub message: String,
}

fn refused(code: &'static str, message: impl Into<String>) -> Refused {
    Refused { status: 403, code, message: message.into() }
}

/// What the header `Authorization` says.
struct Authorization<'a> {
    access_key: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

impl<'a> Authorization<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix("AWS4-HMAC-SHA256")?;
        let field = |name: &str| rest.split(',').find_map(|part| part.trim().strip_prefix(name));
        let mut credential = field("Credential=")?.split('/');
        Some(Self {
            access_key: credential.next()?,
            date: credential.next()?,
            region: credential.next()?,
            service: credential.next()?,
            signed_headers: field("SignedHeaders=")?,
            signature: field("Signature=")?,
        })
    }
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0_u8; BLOCK_BYTES];
    if key.len() > BLOCK_BYTES {
        block[..32].copy_from_slice(&Sha256::checksum(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Sha256::checksum(&[&block.map(|b| b ^ 0x36)[..], message].concat());
    Sha256::checksum(&[&block.map(|b| b ^ 0x5c)[..], &inner[..]].concat())
}

/// `20260131T235959Z` as seconds since 1970.
fn seconds_of(date: &str) -> Option<i64> {
    let compact = format!("{}.000Z", date.strip_suffix('Z')?);
    darkslide_words::Time::from_compact(&compact).ok().map(darkslide_words::Time::seconds)
}

fn canonical_query(query: &str) -> String {
    let encode = |text: &str| url_encoded(text).replace('/', "%2F");
    let mut pairs: Vec<String> =
        query_pairs(query).iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    pairs.sort();
    pairs.join("&")
}

fn string_to_sign(parts: &Parts, auth: &Authorization<'_>, declared: &str, at: &str) -> Option<String> {
    let mut headers = String::new();
    for name in auth.signed_headers.split(';') {
        let values: Vec<String> =
            parts.headers.get_all(name).iter().filter_map(|v| v.to_str().ok()).map(trimmed).collect();
        if values.is_empty() {
            return None;
        }
        headers.push_str(&format!("{name}:{}\n", values.join(",")));
    }
    // S3 Control encodes the path once, as it stands in the request; the queue's path is `/`.
    // All others encode it once more.
    let once = parts.uri.path();
    let path = if auth.service == "glacier" { url_encoded(once) } else { once.to_string() };
    let query = canonical_query(parts.uri.query().unwrap_or_default());
    let request = format!("{}\n{path}\n{query}\n{headers}\n{}\n{declared}", parts.method, auth.signed_headers);
    let scope = format!("{}/{}/{}/aws4_request", auth.date, auth.region, auth.service);
    Some(format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{}", hex::encode(Sha256::checksum(request.as_bytes()))))
}

/// A header's value without spaces around it, and with single ones within.
fn trimmed(value: &str) -> String {
    value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

/// The service that a call is signed for, whether the signature is right or not.
pub(super) fn service(headers: &http::HeaderMap) -> Option<&str> {
    Some(Authorization::parse(header(headers, "authorization")?)?.service)
}

fn wrong() -> Refused {
    let message = "The request signature we calculated does not match the signature you provided.";
    refused("SignatureDoesNotMatch", message)
}

/// Who signed the call.
pub(super) fn verify(sim: &Sim, parts: &Parts, body: &[u8]) -> Result<Caller, Refused> {
    let hash = hex::encode(Sha256::checksum(body));
    let declared = header(&parts.headers, "x-amz-content-sha256").unwrap_or(&hash);
    if declared != hash && declared != "UNSIGNED-PAYLOAD" {
        return Err(wrong());
    }
    verify_declared(sim, parts, declared)
}

/// Who signed the call with this hash of its body, which is still to be held against it.
pub(super) fn verify_declared(sim: &Sim, parts: &Parts, declared: &str) -> Result<Caller, Refused> {
    let text = header(&parts.headers, "authorization");
    let text = text.ok_or_else(|| refused("MissingAuthenticationToken", "Request is missing Authentication Token"))?;
    let auth =
        Authorization::parse(text).ok_or_else(|| refused("IncompleteSignature", "Authorization is not readable"))?;
    let caller = sim.with(|state| state.caller(auth.access_key));
    let caller = caller
        .ok_or_else(|| refused("InvalidClientTokenId", "The security token included in the request is invalid."))?;
    let at = header(&parts.headers, "x-amz-date").unwrap_or_default();
    let age = seconds_of(at).map(|at| (sim.real_now().seconds() - at).abs());
    if age.is_none_or(|age| age > SKEW_SECONDS_MAX) || !at.starts_with(auth.date) {
        return Err(refused("RequestTimeTooSkewed", "the request's time is too far from the server's"));
    }
    let signed = string_to_sign(parts, &auth, declared, at).ok_or_else(wrong)?;
    let mut secret = hmac(format!("AWS4{}", caller.secret).as_bytes(), auth.date.as_bytes());
    for step in [auth.region, auth.service, "aws4_request"] {
        secret = hmac(&secret, step.as_bytes());
    }
    let signature = hex::encode(hmac(&secret, signed.as_bytes()));
    if signature != auth.signature {
        return Err(wrong());
    }
    let token = header(&parts.headers, "x-amz-security-token");
    if caller.check_token(token, sim.real_now()).is_err() {
        let message = "The security token included in the request is expired or invalid";
        return Err(refused("ExpiredToken", message));
    }
    let service = auth.service.to_string();
    sim.with(|state| state.used(&caller.key, &service));
    Ok(caller)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_of_rfc_4231() {
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex::encode(hmac(b"Jefe", b"what do ya want for nothing?")), expected);
        let expected = "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54";
        let long = [0xaa_u8; 131];
        assert_eq!(hex::encode(hmac(&long, b"Test Using Larger Than Block-Size Key - Hash Key First")), expected);
    }

    #[test]
    fn authorization_and_dates_are_read() {
        let text = "AWS4-HMAC-SHA256 Credential=AK/20260131/us-east-1/sqs/aws4_request, SignedHeaders=host;x-amz-date, Signature=abc";
        let auth = Authorization::parse(text).unwrap();
        assert_eq!((auth.access_key, auth.service, auth.signature), ("AK", "sqs", "abc"));
        assert_eq!(seconds_of("19700101T000100Z"), Some(60));
        assert_eq!(seconds_of("nonsense"), None);
        assert_eq!(canonical_query("b=2&a=x/y&c"), "a=x%2Fy&b=2&c=");
    }
}
