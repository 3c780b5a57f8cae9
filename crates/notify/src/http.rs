//! HTTP as messages need it: one POST, no redirects, a short answer.

use std::error::Error as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response, StatusCode, Url};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::ExposeSecret as _;
use secrecy::SecretString;

use crate::failure::Failure;
use crate::secret::{Blanks, MaybeSecret};

/// What of an answer is read.
const ANSWER_MAX: usize = 2048;
/// What of an answer is told.
const ANSWER_TOLD: usize = 200;
/// The longest pause that a server may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
/// Time for a connection to be made.
const CONNECT: Duration = Duration::from_secs(10);

/// The client: roots of the system, and of `ca` where a server of one's own has its own.
pub(crate) fn client(ca: Option<&Path>) -> Result<Client, Failure> {
    let broken = |why: String| Failure::lasting(format!("TLS cannot be set up: {why}"));
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for certificate in certificates(ca)? {
        roots.add(certificate).map_err(|e| broken(e.to_string()))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| broken(e.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Client::builder()
        .use_preconfigured_tls(tls)
        // A token must not follow to where a redirect leads.
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .user_agent(concat!("darkslide/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|e| broken(reason(&e)))
}

/// The certificates in a PEM file.
fn certificates(ca: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let Some(path) = ca else { return Ok(Vec::new()) };
    let bad = |why: String| Failure::lasting(format!("ca = {}: {why}", path.display()));
    let pem = std::fs::read(path).map_err(|e| bad(e.to_string()))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(bad("there is no certificate in it: a PEM file is wanted".into())),
        Err(e) => Err(bad(e.to_string())),
    }
}

/// Reads a URL that may be a secret, and hides what of it must not be seen.
pub(crate) async fn address(url: &MaybeSecret, blanks: &mut Blanks) -> Result<Url, Failure> {
    let text = url.fetch().await?;
    blanks.hide(&text);
    // The parser's own error shows nothing of the text.
    let url = Url::parse(text.expose_secret()).map_err(|e| Failure::lasting(format!("its url is none: {e}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(Failure::lasting("its url is none of http:// or https://"));
    }
    blanks.hide_url(&url);
    Ok(url)
}

/// What of a URL may be seen.
pub(crate) fn place(url: &Url) -> String {
    let port = url.port().map_or(String::new(), |port| format!(":{port}"));
    format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
}

/// A header out of a setting.
pub(crate) fn header(headers: &mut HeaderMap, name: &str, value: &SecretString) -> Result<(), Failure> {
    let key = HeaderName::try_from(name).map_err(|_| Failure::lasting(format!("`{name}` is no name of a header")))?;
    let mut value = HeaderValue::from_str(value.expose_secret())
        .map_err(|_| Failure::lasting(format!("the header {name} has a line break or another control character")))?;
    value.set_sensitive(true);
    headers.insert(key, value);
    Ok(())
}

/// One POST; anything but a 2xx is a failure.
pub(crate) async fn post(
    client: &Client,
    url: &Url,
    headers: HeaderMap,
    body: Vec<u8>,
    blanks: &Blanks,
) -> Result<(), Failure> {
    let at = place(url);
    let sent = client.post(url.clone()).headers(headers).body(body).send().await;
    let answer = sent.map_err(|e| unanswered(&at, &e))?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
    let after = after.map(|seconds| Duration::from_secs(seconds).min(RETRY_AFTER_MAX));
    let target = answer.headers().get("location").and_then(|value| url.join(value.to_str().ok()?).ok());
    let said = said(answer, blanks).await;
    let why = format!("{at} answered {status}{said}");
    if status.is_redirection() {
        let to = target.map_or("elsewhere".into(), |url| place(&url));
        return Err(Failure::lasting(format!("{at} sends on to {to}, which is not followed: give the final url")));
    }
    let again = status.is_server_error()
        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS);
    let hint = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ": check its token or password",
        StatusCode::NOT_FOUND | StatusCode::GONE => ": check the url or topic",
        _ => "",
    };
    match again {
        true => Err(Failure { after, ..Failure::passing(why) }),
        false => Err(Failure::lasting(format!("{why}{hint}"))),
    }
}

/// Nobody answered, or not in HTTP.
fn unanswered(at: &str, error: &reqwest::Error) -> Failure {
    let why = match (error.is_timeout(), error.is_connect()) {
        (true, _) => format!("{at} did not answer in time"),
        (_, true) => format!("{at} cannot be reached: {}", reason(error)),
        _ => format!("{at} broke off: {}", reason(error)),
    };
    // A certificate does not get better by asking again.
    match why.contains("certificate") {
        true => Failure::lasting(format!("{why}; for a certificate authority of your own set `ca`")),
        false => Failure::passing(why),
    }
}

/// The innermost cause: the outer ones show the URL.
fn reason(error: &reqwest::Error) -> String {
    let mut inner = error.source();
    while let Some(next) = inner.and_then(|cause| cause.source()) {
        inner = Some(next);
    }
    inner.map_or_else(|| "no more is known".into(), |cause| cause.to_string())
}

/// The beginning of an answer's body, harmless to show.
async fn said(mut answer: Response, blanks: &Blanks) -> String {
    let mut body = Vec::new();
    while let Ok(Some(piece)) = answer.chunk().await {
        body.extend_from_slice(&piece);
        if body.len() >= ANSWER_MAX {
            break;
        }
    }
    if body.len() >= ANSWER_MAX {
        // Half of a secret would not be recognised.
        let whole = body[..ANSWER_MAX].iter().rposition(|b| b.is_ascii_whitespace()).unwrap_or(0);
        body.truncate(whole);
    }
    match blanks.told(&String::from_utf8_lossy(&body), ANSWER_TOLD) {
        text if text.is_empty() => String::new(),
        text => format!(" and said `{text}`"),
    }
}
