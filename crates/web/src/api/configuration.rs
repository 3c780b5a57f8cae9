//! The configuration: its text, checked before it is kept. What would let somebody who may log in
//! here run programs or be somebody else on this machine is not changed from a page.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use darkslide_engine::{Engine, Settings, keys};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::{Operator, Reader};
use crate::refusal::{Refusal, Refused};
use crate::site::Site;

/// Tables that a page does not change: they name programs, secrets, or whom to trust.
const KEPT: &[&str] = &["hook", "notify", "serve", "repository", "state", "store"];

/// The configuration.
#[derive(Debug, Serialize, ToSchema)]
pub struct Configuration {
    path: String,
    /// As it stands in the file.
    text: String,
    /// Tables that are changed in the file only.
    kept: Vec<&'static str>,
}

/// The configuration as it stands in its file.
#[utoipa::path(
    get, path = "/api/v1/settings", tag = "settings",
    responses(
        (status = 200, body = Configuration), (status = 401, body = Refused), (status = 403, body = Refused),
        (status = 503, body = Refused),
    )
)]
pub async fn settings(State(site): State<Arc<Site>>, _: Operator) -> Result<Json<Configuration>, Refusal> {
    let work = |engine: Engine| {
        let settings = engine.settings();
        Ok(Configuration { path: settings.path.display().to_string(), text: settings.text()?, kept: KEPT.to_vec() })
    };
    site.engine(work).await.map(Json)
}

/// A configuration that is to be kept.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Changed {
    /// What the file said when it was loaded.
    was: String,
    /// What it is to say.
    text: String,
    /// True to check it only.
    #[serde(default)]
    check: bool,
}

/// Check a configuration, and keep it: whole or not at all, comments and all.
#[utoipa::path(
    put, path = "/api/v1/settings", tag = "settings", request_body = Changed,
    responses(
        (status = 204), (status = 400, body = Refused), (status = 401, body = Refused), (status = 403, body = Refused),
        (status = 422, description = "It cannot be understood; the message says where.", body = Refused),
        (status = 503, body = Refused),
    )
)]
pub async fn save(
    State(site): State<Arc<Site>>,
    _: Operator,
    body: Result<Json<Changed>, JsonRejection>,
) -> Result<StatusCode, Refusal> {
    let Json(changed) = body.map_err(|error| Refusal::bad(error.body_text()))?;
    let work = move |engine: Engine| {
        let settings = engine.settings();
        Settings::parse(&settings.path, &changed.text)?;
        if let Some(table) = kept(&settings.text()?, &changed.text) {
            let text =
                format!("`{table}` is changed in the file, not from a page: it names programs, secrets or stores");
            return Err(Refusal::new(StatusCode::FORBIDDEN, "forbidden", text));
        }
        if !changed.check {
            settings.replace(&changed.was, &changed.text)?;
        }
        Ok(StatusCode::NO_CONTENT)
    };
    site.engine(work).await
}

/// The table that differs and must not. Both texts were understood already.
fn kept(now: &str, wanted: &str) -> Option<&'static str> {
    let read = |text: &str| toml::from_str::<toml::Table>(text).unwrap_or_default();
    let (now, wanted) = (read(now), read(wanted));
    KEPT.iter().copied().find(|table| now.get(*table) != wanted.get(*table))
}

/// What a key means.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyInfo {
    key: &'static str,
    default: Option<&'static str>,
    text: &'static str,
    example: Option<&'static str>,
}

/// What each key of the configuration means.
#[utoipa::path(
    get, path = "/api/v1/settings/keys", tag = "settings",
    responses((status = 200, body = Vec<KeyInfo>), (status = 401, body = Refused))
)]
pub async fn explained(_: Reader) -> Json<Vec<KeyInfo>> {
    let info = |key: &'static darkslide_engine::Key| KeyInfo {
        key: &key.name,
        default: key.default.as_deref(),
        text: &key.text,
        example: key.example.as_deref(),
    };
    Json(keys().iter().map(info).collect())
}

#[cfg(test)]
mod tests {
    use super::kept;

    #[test]
    fn programs_secrets_and_trust_are_not_changed_from_a_page() {
        let plain = "[[job]]\nname = \"a\"\n[[store]]\npath = \"x\"\n";
        assert_eq!(kept(plain, &plain.replace("\"a\"", "\"b\"")), None);
        assert_eq!(kept(plain, &format!("{plain}# words\n[budget]\nper_run = \"1\"\n")), None);
        assert_eq!(kept(plain, &plain.replace("\"x\"", "\"y\"")), Some("store"));
        assert_eq!(kept(plain, &format!("{plain}[[hook]]\ncommand = [\"sh\"]\n")), Some("hook"));
        assert_eq!(kept(plain, &format!("{plain}[[notify]]\ncommand = [\"sh\"]\n")), Some("notify"));
        assert_eq!(kept(plain, &format!("{plain}[serve]\nidentity = \"/x\"\n")), Some("serve"));
    }
}
