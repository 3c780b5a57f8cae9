//! A POST with the message as JSON, signed if wanted.

use std::collections::BTreeMap;
use std::path::PathBuf;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};

use crate::channel::Letter;
use crate::failure::Failure;
use crate::http;
use crate::secret::{Blanks, MaybeSecret, SecretRef};

/// The header with the signature: `sha256=` and HMAC-SHA256 of the body, in hexadecimal.
pub const SIGNATURE: &str = "x-darkslide-signature";
/// The header by which a receiver knows a repetition.
pub const DELIVERY: &str = "x-darkslide-delivery";

/// A webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Where to.
    pub url: MaybeSecret,
    /// Further headers, such as a token.
    pub headers: BTreeMap<String, MaybeSecret>,
    /// The key of the signature.
    pub sign: Option<SecretRef>,
    /// Certificates of one's own authority, in PEM.
    pub ca: Option<PathBuf>,
}

impl Webhook {
    pub(crate) async fn send(&self, letter: &Letter<'_>, blanks: &mut Blanks) -> Result<(), Failure> {
        let url = http::address(&self.url, blanks).await?;
        let body = letter.json();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        http::header(&mut headers, DELIVERY, &SecretString::from(letter.message.id()))?;
        for (name, value) in &self.headers {
            let value = value.fetch().await?;
            blanks.hide(&value);
            http::header(&mut headers, name, &value)?;
        }
        if let Some(key) = &self.sign {
            let key = key.fetch().await?;
            blanks.hide(&key);
            http::header(&mut headers, SIGNATURE, &signature(&key, &body))?;
        }
        http::post(&http::client(self.ca.as_deref())?, &url, headers, body, blanks).await
    }
}

fn signature(key: &SecretString, body: &[u8]) -> SecretString {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key.expose_secret().as_bytes());
    format!("sha256={}", hex::encode(ring::hmac::sign(&key, body))).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_rfc_4231() {
        let key = SecretString::from("Jefe");
        let expected = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(signature(&key, b"what do ya want for nothing?").expose_secret(), expected);
    }
}
