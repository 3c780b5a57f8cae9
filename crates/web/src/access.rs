//! Who asks: from a cookie or a token to somebody with a role.
//!
//! **Invariant:** a cookie alone changes nothing: the request has to come from our own page and to
//! repeat what only that page can know.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use subtle::ConstantTimeEq as _;

use crate::Role;
use crate::refusal::Refusal;
use crate::serve::Peer;
use crate::sessions::Session;
use crate::site::Site;

/// The header that repeats what the page was told at its login.
pub const CSRF: &str = "x-darkslide-csrf";

/// Somebody who may look.
pub struct Reader(pub Session);

/// Somebody who may do what the page can do.
pub struct Operator;

impl FromRequestParts<Arc<Site>> for Reader {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Refusal> {
        let session = session(parts, site)?;
        if !matches!(parts.method, Method::GET | Method::HEAD) {
            proven(&parts.headers, &session)?;
        }
        Ok(Self(session))
    }
}

impl FromRequestParts<Arc<Site>> for Operator {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Refusal> {
        let Reader(session) = Reader::from_request_parts(parts, site).await?;
        match session.role {
            Role::Operator => Ok(Self),
            Role::Reader => {
                let text = "this login may look and change nothing: log in as an operator";
                Err(Refusal::new(StatusCode::FORBIDDEN, "forbidden", text))
            }
        }
    }
}

/// The address of whoever asks: behind a proxy, the one that it names last.
pub fn address(parts: &Parts, site: &Site) -> IpAddr {
    let peer = parts.extensions.get::<Peer>().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.0.ip());
    if !site.settings.behind_proxy || !peer.is_loopback() {
        return peer;
    }
    let last = parts.headers.get_all("x-forwarded-for").iter().next_back();
    let named = last.and_then(|value| value.to_str().ok()).and_then(|text| text.rsplit(',').next());
    named.and_then(|text| text.trim().parse().ok()).unwrap_or(peer)
}

/// The token of `Authorization: Bearer`.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// The cookie of our own.
pub fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let texts = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, _)| *known == name).map(|(_, value)| value.to_string())
}

/// Who asks, by a token or a cookie.
pub fn session(parts: &Parts, site: &Site) -> Result<Session, Refusal> {
    if let Some(token) = bearer(&parts.headers) {
        let known = site.logins()?.token(token);
        return known.map(|(name, role)| Session::of_token(name, role)).ok_or_else(Refusal::login);
    }
    let cookie = cookie(&parts.headers, site.cookie_name()).ok_or_else(Refusal::login)?;
    site.sessions().of(&cookie, site.elapsed()).ok_or_else(Refusal::login)
}

/// A request that changes something comes from our page.
fn proven(headers: &HeaderMap, session: &Session) -> Result<(), Refusal> {
    let Some(wanted) = &session.csrf else { return Ok(()) };
    let sent = headers.get(CSRF).map(|value| value.as_bytes()).unwrap_or_default();
    match is_from_here(headers) && bool::from(sent.ct_eq(wanted.as_bytes())) {
        true => Ok(()),
        false => {
            Err(Refusal::new(StatusCode::FORBIDDEN, "foreign", "the request did not come from this page: load it anew"))
        }
    }
}

/// False if the browser says that a foreign page asks.
pub fn is_from_here(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let same_site = text("sec-fetch-site").is_none_or(|site| matches!(site, "same-origin" | "none"));
    let same_origin = match (text("origin"), text("host")) {
        (None, _) => true,
        (Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, from)| from.eq_ignore_ascii_case(host)),
        (Some(_), None) => false,
    };
    same_site && same_origin
}
