//! Routes, and the document that describes them.

mod act;
mod cloud;
mod configuration;
mod events;
mod login;
mod look;
mod map;
mod measure;
mod notify;
mod photographs;
mod shapes;
mod thawing;
mod upkeep;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post, put};
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};

use crate::refusal::{Refusal, Refused};
use crate::site::Site;

/// The document that describes the API.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Darkslide",
        version = "1",
        description = "What the page of Darkslide is drawn from. Times are RFC 3339 in UTC, bytes are numbers, money \
            is decimal text in US dollars. A request that changes something repeats `csrf` of its login in \
            `x-darkslide-csrf`; one that shows a token need not.",
        license(name = "Apache-2.0 OR MIT"),
    ),
    paths(
        login::begin, login::who, login::end, look::overview, look::jobs, look::runs, look::run, look::snapshots,
        look::files, look::find, look::diff, look::thaws, look::tasks, photographs::page,
        photographs::timeline, photographs::choices, photographs::one, photographs::thumbnail, look::cost, look::history,
        map::map, cloud::cloud, cloud::verify, thawing::packs, thawing::stopped, thawing::confirm, thawing::upgrade_quote,
        thawing::upgrade, upkeep::plan_forget, upkeep::forget, upkeep::plan_prune, upkeep::prune, upkeep::plan_repair,
        upkeep::repair, notify::channels, notify::test, act::run_job, act::stop_task,
        act::quote, act::restore, act::step_thaw, act::cancel_thaw, act::hand_identity, act::forget_identity,
        act::list_cards, act::ingest, act::check_card, configuration::settings, configuration::save,
        configuration::explained, events::events, measure::metrics,
    ),
    components(schemas(Refused)),
    security(("token" = []), ("cookie" = []))
)]
struct Document;

/// The document that describes the API, as it is checked in.
pub fn openapi() -> String {
    let mut document = Document::openapi();
    let components = document.components.get_or_insert_default();
    let token = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    components.add_security_scheme("token", token);
    let cookie = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new("darkslide")));
    components.add_security_scheme("cookie", cookie);
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// All routes.
pub fn routes() -> Router<Arc<Site>> {
    let api = Router::new()
        .route("/login", post(login::begin).delete(login::end).get(login::who))
        .route("/overview", get(look::overview))
        .route("/jobs", get(look::jobs))
        .route("/jobs/{job}/run", post(act::run_job))
        .route("/runs", get(look::runs))
        .route("/runs/{run}", get(look::run))
        .route("/snapshots", get(look::snapshots))
        .route("/files", get(look::files))
        .route("/find", get(look::find))
        .route("/diff", get(look::diff))
        .route("/thaws", get(look::thaws))
        .route("/thaws/{thaw}/step", post(act::step_thaw))
        .route("/thaws/{thaw}/cancel", post(act::cancel_thaw))
        .route("/thaws/{thaw}/packs", get(thawing::packs))
        .route("/thaws/{thaw}/stopped", post(thawing::stopped))
        .route("/thaws/{thaw}/confirm", post(thawing::confirm))
        .route("/thaws/{thaw}/upgrade", get(thawing::upgrade_quote).post(thawing::upgrade))
        .route("/map", get(map::map))
        .route("/cloud", get(cloud::cloud))
        .route("/cloud/verify", post(cloud::verify))
        .route("/forget/plan", post(upkeep::plan_forget))
        .route("/forget", post(upkeep::forget))
        .route("/prune/plan", post(upkeep::plan_prune))
        .route("/prune", post(upkeep::prune))
        .route("/repair/plan", post(upkeep::plan_repair))
        .route("/repair", post(upkeep::repair))
        .route("/channels", get(notify::channels))
        .route("/channels/test", post(notify::test))
        .route("/photographs", get(photographs::page))
        .route("/photographs/timeline", get(photographs::timeline))
        .route("/photographs/choices", get(photographs::choices))
        .route("/photographs/{photograph}", get(photographs::one))
        .route("/thumbnails/{hash}", get(photographs::thumbnail))
        .route("/tasks", get(look::tasks))
        .route("/tasks/{task}/stop", post(act::stop_task))
        .route("/cost", get(look::cost))
        .route("/history", get(look::history))
        .route("/quote", post(act::quote))
        .route("/restores", post(act::restore))
        .route("/identity", put(act::hand_identity).delete(act::forget_identity))
        .route("/cards", get(act::list_cards))
        .route("/cards/ingest", post(act::ingest))
        .route("/cards/check", post(act::check_card))
        .route("/settings", get(configuration::settings).put(configuration::save))
        .route("/settings/keys", get(configuration::explained))
        .route("/events", get(events::events))
        .method_not_allowed_fallback(|| async {
            Refusal::new(axum::http::StatusCode::METHOD_NOT_ALLOWED, "user", "that is not done with this address")
        });
    Router::new()
        .route("/metrics", get(measure::metrics))
        .nest("/api/v1", api)
        .merge(crate::assets::routes())
        .fallback(|| async { Refusal::unknown("there is no such page") })
}
