//! `/metrics`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use secrecy::ExposeSecret as _;
use subtle::ConstantTimeEq as _;

use crate::access::{self, bearer};
use crate::metrics;
use crate::refusal::{Refusal, Refused};
use crate::serve::Peer;
use crate::site::Site;

/// What Prometheus reads.
#[utoipa::path(
    get, path = "/metrics", tag = "metrics", security((), ("token" = [])),
    responses(
        (status = 200, description = "In Prometheus' text format.", body = String, content_type = "text/plain"),
        (status = 401, body = Refused),
        (status = 503, body = Refused),
    )
)]
pub async fn metrics(State(site): State<Arc<Site>>, parts: Parts) -> Result<Response, Refusal> {
    allowed(&site, &parts).await?;
    site.look();
    let host = site.means.host();
    let pulse = site.engine(move |engine| Ok(engine.pulse(&host)?)).await?;
    let text = metrics::exposition(&pulse, site.looked.last().as_deref(), env!("CARGO_PKG_VERSION"));
    Ok(([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response())
}

/// With a token, whoever shows it; without one, programs on this machine. Somebody who is logged
/// in may look, too.
async fn allowed(site: &Site, parts: &Parts) -> Result<(), Refusal> {
    let settings = site.settings.clone();
    let wanted = match settings.metrics_token.is_some() {
        true => {
            let read = move |engine: darkslide_engine::Engine| {
                settings.metrics_token(engine.settings()).map_err(|error| {
                    let text = format!("the token of [serve] metrics_token: {error}");
                    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "config", text)
                })
            };
            site.engine(read).await?
        }
        false => None,
    };
    let shown = bearer(&parts.headers);
    let is_known = match &wanted {
        Some(wanted) => {
            shown.is_some_and(|shown| bool::from(shown.as_bytes().ct_eq(wanted.expose_secret().as_bytes())))
        }
        None => is_local(site, parts),
    };
    if is_known || access::session(parts, site).is_ok() {
        return Ok(());
    }
    let text = match wanted {
        Some(_) => "send the token of [serve] metrics_token as `Authorization: Bearer TOKEN`",
        None => "without `metrics_token` in [serve] only programs on this machine may read it",
    };
    Err(Refusal::new(StatusCode::UNAUTHORIZED, "login", text))
}

/// True for a program on this machine; not for what a proxy passes on.
fn is_local(site: &Site, parts: &Parts) -> bool {
    let passed_on = ["x-forwarded-for", "forwarded", "via"].iter().any(|name| parts.headers.contains_key(*name));
    let from_page = parts.headers.contains_key("sec-fetch-site");
    let peer = parts.extensions.get::<Peer>().is_some_and(|peer| peer.0.ip().is_loopback());
    peer && !passed_on && !from_page && !site.settings.behind_proxy
}
