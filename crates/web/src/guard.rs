//! What stands before every answer: the host name, headers that keep browsers strict, a bound on
//! what is sent.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};

use crate::refusal::Refusal;
use crate::site::Site;

/// The largest body of a request: a selection of many thousand photographs.
const BODY_MAX: usize = 8 << 20;

/// How long a request may take until its answer begins, its body included.
const ANSWER_TIME: Duration = Duration::from_secs(120);

/// No script, style, picture or connection but our own; nothing inline; in no foreign frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; \
    connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const STRICT: &[(&str, &str)] = &[
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), microphone=(), geolocation=(), payment=()"),
];

/// The routes with all of it around.
pub fn around(routes: Router<Arc<Site>>, site: &Arc<Site>) -> Router {
    routes
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(middleware::from_fn_with_state(site.clone(), strict))
        .with_state(site.clone())
}

async fn strict(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let mut response = match is_ours(&site, request.headers()) {
        true => match tokio::time::timeout(ANSWER_TIME, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "it takes too long: try again later")
                .into_response(),
        },
        false => Refusal::new(
            StatusCode::MISDIRECTED_REQUEST,
            "foreign",
            "this page does not go by that name: set `names` in [serve]",
        )
        .into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in STRICT {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if site.is_secure() {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// True if the request means this page: otherwise a foreign site may have pointed its name here.
fn is_ours(site: &Site, headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return false };
    let name = name_of(host);
    // An address is no name that anybody could point elsewhere.
    name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || site.settings.names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// A host without its port.
fn name_of(host: &str) -> &str {
    match host.rfind(':') {
        Some(at) if !host[at..].contains(']') => &host[..at],
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_loses_its_port_only() {
        for (host, name) in
            [("a:80", "a"), ("a", "a"), ("[::1]:7", "[::1]"), ("[::1]", "[::1]"), ("1.2.3.4:5", "1.2.3.4")]
        {
            assert_eq!(name_of(host), name);
        }
    }
}
