//! Pages, scripts and styles, as they lie in the binary. They hold no data, so whoever is not logged
//! in may have them; all data comes from the API.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use crate::site::Site;

/// A file, with its place and what it is sent as.
struct Asset {
    path: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

macro_rules! assets {
    ($($path:literal $kind:literal;)*) => {
        &[$(Asset { path: concat!("/assets/", $path), kind: $kind, bytes: include_bytes!(concat!("../pages/", $path)) },)*]
    };
}

static ASSETS: &[Asset] = assets! {
    "style.css" "text/css; charset=utf-8";
    "app.js" "text/javascript; charset=utf-8";
    "api.js" "text/javascript; charset=utf-8";
    "parts.js" "text/javascript; charset=utf-8";
    "grid.js" "text/javascript; charset=utf-8";
    "dashboard.js" "text/javascript; charset=utf-8";
    "photographs.js" "text/javascript; charset=utf-8";
    "map.js" "text/javascript; charset=utf-8";
    "plots.js" "text/javascript; charset=utf-8";
    "thaws.js" "text/javascript; charset=utf-8";
    "upkeep.js" "text/javascript; charset=utf-8";
    "restore.js" "text/javascript; charset=utf-8";
    "jobs.js" "text/javascript; charset=utf-8";
    "snapshots.js" "text/javascript; charset=utf-8";
    "cards.js" "text/javascript; charset=utf-8";
    "cloud.js" "text/javascript; charset=utf-8";
    "settings.js" "text/javascript; charset=utf-8";
    "icon.svg" "image/svg+xml";
};

/// The one page: which of its views is shown, its script decides by the address.
static SHELL: Asset =
    Asset { path: "/", kind: "text/html; charset=utf-8", bytes: include_bytes!("../pages/index.html") };

/// Addresses of its views.
const VIEWS: &[&str] =
    &["/", "/photographs", "/map", "/restore", "/jobs", "/snapshots", "/cards", "/cloud", "/upkeep", "/settings"];

fn tag(asset: &'static Asset) -> &'static str {
    static TAGS: OnceLock<Vec<(&'static str, String)>> = OnceLock::new();
    let all = TAGS.get_or_init(|| {
        let of = |asset: &'static Asset| (asset.path, format!("\"{}\"", &blake3::hash(asset.bytes).to_hex()[..16]));
        ASSETS.iter().chain([&SHELL]).map(of).collect()
    });
    all.iter().find(|(path, _)| *path == asset.path).map_or("", |(_, tag)| tag)
}

fn answer(asset: &'static Asset, headers: &HeaderMap) -> Response {
    let tag = tag(asset);
    let kept = [(header::ETAG, tag), (header::CACHE_CONTROL, "no-cache")];
    match headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        true => (StatusCode::NOT_MODIFIED, kept).into_response(),
        false => (kept, [(header::CONTENT_TYPE, asset.kind)], asset.bytes).into_response(),
    }
}

/// Their routes.
pub fn routes() -> Router<Arc<Site>> {
    let mut routes = Router::new();
    for asset in ASSETS {
        routes = routes.route(asset.path, get(move |headers: HeaderMap| async move { answer(asset, &headers) }));
    }
    for view in VIEWS {
        routes = routes.route(view, get(|headers: HeaderMap| async move { answer(&SHELL, &headers) }));
    }
    routes
}
