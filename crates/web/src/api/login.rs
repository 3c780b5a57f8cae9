//! Logging in and out.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::Role;
use crate::access::{self, Reader, cookie, is_from_here};
use crate::refusal::{Refusal, Refused};
use crate::sessions::Session;
use crate::site::Site;

/// Who logs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// Name of the login; a token needs none.
    #[serde(default)]
    name: String,
    /// Password or token.
    secret: String,
}

/// Somebody who is logged in.
#[derive(Debug, Serialize, ToSchema)]
pub struct Who {
    /// Name of the login.
    name: String,
    /// What it may do.
    role: Role,
    /// What the page repeats in `x-darkslide-csrf` with each request that changes something.
    csrf: Option<String>,
}

impl From<Session> for Who {
    fn from(session: Session) -> Self {
        Self { name: session.name, role: session.role, csrf: session.csrf }
    }
}

/// Log in. The answer sets a cookie.
#[utoipa::path(
    post, path = "/api/v1/login", tag = "login", request_body = Login, security(()),
    responses(
        (status = 200, body = Who),
        (status = 400, body = Refused),
        (status = 401, body = Refused),
        (status = 403, body = Refused),
        (status = 429, description = "Too many failed; `Retry-After` says how long to wait.", body = Refused),
    )
)]
pub async fn begin(
    State(site): State<Arc<Site>>,
    parts: Parts,
    body: Result<Json<Login>, axum::extract::rejection::JsonRejection>,
) -> Result<Response, Refusal> {
    if !is_from_here(&parts.headers) {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "foreign", "a foreign page cannot log anybody in"));
    }
    let Json(login) = body.map_err(|error| Refusal::bad(error.body_text()))?;
    let secret = Zeroizing::new(login.secret);
    let address = access::address(&parts, &site);
    if let Some(wait) = site.tries().wait(address, site.elapsed()) {
        return Ok(later(wait.as_secs() + 1));
    }
    let logins = site.logins()?;
    // Counted before it is checked, so that tries at once do not slip through together.
    site.tries().failed(address, site.elapsed());
    let found = site.hash(move || logins.secret(&login.name, &secret)).await?;
    let Some((name, role)) = found else {
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, "login", "name and password, or token, are not known"));
    };
    site.tries().succeeded(address);
    let long = site.settings.login_for();
    let (cookie, session) = site.sessions().begin(name, role, site.elapsed(), long);
    Ok((set_cookie(&site, &cookie, long.as_secs())?, Json(Who::from(session))).into_response())
}

fn later(seconds: u64) -> Response {
    let text = format!("too many logins failed: try again in {seconds} seconds");
    let refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, "limit", text);
    ([(header::RETRY_AFTER, seconds.to_string())], refusal).into_response()
}

fn set_cookie(site: &Site, value: &str, seconds: u64) -> Result<HeaderMap, Refusal> {
    let secure = if site.is_secure() { "; Secure" } else { "" };
    let name = site.cookie_name();
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
    let value = HeaderValue::from_str(&text).map_err(|_| Refusal::login())?;
    Ok(HeaderMap::from_iter([(header::SET_COOKIE, value)]))
}

/// Who is logged in.
#[utoipa::path(
    get, path = "/api/v1/login", tag = "login",
    responses((status = 200, body = Who), (status = 401, body = Refused))
)]
pub async fn who(Reader(session): Reader) -> Json<Who> {
    Json(session.into())
}

/// Log out.
#[utoipa::path(
    delete, path = "/api/v1/login", tag = "login",
    responses((status = 204), (status = 401, body = Refused), (status = 403, body = Refused))
)]
pub async fn end(State(site): State<Arc<Site>>, Reader(_): Reader, headers: HeaderMap) -> Result<Response, Refusal> {
    if let Some(cookie) = cookie(&headers, site.cookie_name()) {
        site.sessions().end(&cookie);
    }
    Ok((StatusCode::NO_CONTENT, set_cookie(&site, "", 0)?).into_response())
}
