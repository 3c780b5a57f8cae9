//! Photographs: a timeline, pages of it, one with all that it tells, its thumbnail.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use darkslide_engine::words::ContentHash;
use darkslide_engine::{Engine, PhotographAsk, PhotographId, PhotographOrder, PhotographState, area_of};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::access::Reader;
use crate::refusal::{Refusal, Refused};
use crate::site::Site;

/// Which photographs. What is left out asks for nothing.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// Of this job's library.
    job: Option<String>,
    /// Taken from then on: `2024`, `2024-05` or `2024-05-31`.
    from: Option<String>,
    /// Taken until the end of that year, month or day.
    until: Option<String>,
    camera: Option<String>,
    lens: Option<String>,
    /// `raw`, `picture`, `video`.
    kind: Option<String>,
    /// End of the name, such as `nef`.
    r#type: Option<String>,
    /// With at least so many stars; -1 takes rejected ones, too.
    #[param(minimum = -1, maximum = 5)]
    stars: Option<i8>,
    /// In this folder, or below.
    folder: Option<String>,
    /// With this in path or name.
    text: Option<String>,
    /// Only those of which it is known where they were taken.
    placed: Option<bool>,
    /// Taken within this area: west, south, east, north in degrees, such as `16.2,48.1,16.5,48.3`.
    area: Option<String>,
    /// `readable`, `warm`, `thawing`, `cold`, `nowhere`.
    state: Option<String>,
    /// The first taken come first.
    oldest: Option<bool>,
    /// What the page before gave as `next`.
    after: Option<String>,
    /// How many at most; 200 unless told otherwise.
    #[param(minimum = 1, maximum = 2000)]
    limit: Option<u32>,
}

impl Wanted {
    fn ask(self) -> Result<PhotographAsk, Refusal> {
        let state = match self.state.as_deref() {
            None => None,
            Some(word) => {
                let bad = || Refusal::bad(format!("`{word}` is no state of a photograph"));
                Some(PhotographState::from_word(word).ok_or_else(bad)?)
            }
        };
        if self.stars.is_some_and(|stars| !(-1..=5).contains(&stars)) {
            return Err(Refusal::bad("`stars` is between -1 and 5"));
        }
        if self.limit.is_some_and(|limit| !(1..=2000).contains(&limit)) {
            return Err(Refusal::bad("`limit` is between 1 and 2000"));
        }
        let order = if self.oldest == Some(true) { PhotographOrder::Oldest } else { PhotographOrder::Newest };
        Ok(PhotographAsk {
            job: self.job,
            from: self.from,
            until: self.until,
            cameras: self.camera.into_iter().collect(),
            lenses: self.lens.into_iter().collect(),
            kinds: self.kind.into_iter().collect(),
            types: self.r#type.into_iter().collect(),
            stars: self.stars,
            folder: self.folder,
            text: self.text,
            placed: self.placed == Some(true),
            area: self.area.as_deref().map(area_of).transpose()?,
            state,
            order,
            after: self.after,
            limit: self.limit.map(|limit| limit as usize),
        })
    }
}

fn ask(query: Result<Query<Wanted>, QueryRejection>) -> Result<PhotographAsk, Refusal> {
    query.map_err(|error| Refusal::bad(error.body_text()))?.0.ask()
}

/// A photograph in a list: what the grid shows.
#[derive(Debug, Serialize, ToSchema)]
pub struct Photograph {
    id: i64,
    job: String,
    folder: String,
    name: String,
    /// Names of what travels with it.
    beside: Vec<String>,
    /// Content hash: the key of its thumbnail.
    hash: String,
    bytes: u64,
    /// When it was taken, on the wall clock there.
    taken: String,
    kind: String,
    camera: Option<String>,
    lens: Option<String>,
    stars: Option<i8>,
    latitude: Option<f64>,
    longitude: Option<f64>,
    width: Option<u32>,
    height: Option<u32>,
    /// `readable`, `warm`, `thawing`, `cold`, `nowhere`.
    state: &'static str,
    /// While warm: until when; while thawing: when it is ready, as far as is known.
    until: Option<String>,
}

impl From<darkslide_engine::Photograph> for Photograph {
    fn from(one: darkslide_engine::Photograph) -> Self {
        Self {
            id: one.id.0,
            job: one.job,
            folder: one.folder,
            name: one.name,
            beside: one.beside,
            hash: one.hash,
            bytes: one.size.0,
            taken: one.taken,
            kind: one.kind,
            camera: one.camera,
            lens: one.lens,
            stars: one.stars,
            latitude: one.latitude,
            longitude: one.longitude,
            width: one.width,
            height: one.height,
            state: one.state.word(),
            until: one.until,
        }
    }
}

/// A page of photographs.
#[derive(Debug, Serialize, ToSchema)]
pub struct Photographs {
    photographs: Vec<Photograph>,
    /// What to ask for next; nothing at the end.
    next: Option<String>,
}

/// Photographs that fit, a page of them.
#[utoipa::path(
    get, path = "/api/v1/photographs", tag = "photographs", params(Wanted),
    responses(
        (status = 200, body = Photographs), (status = 400, body = Refused), (status = 401, body = Refused),
        (status = 422, body = Refused), (status = 503, body = Refused),
    )
)]
pub async fn page(
    State(site): State<Arc<Site>>,
    _: Reader,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Photographs>, Refusal> {
    let ask = ask(query)?;
    let work = move |engine: Engine| {
        let page = engine.photographs(&ask)?;
        Ok(Photographs { photographs: page.photographs.into_iter().map(Photograph::from).collect(), next: page.next })
    };
    site.engine(work).await.map(Json)
}

/// A month, and how many photographs are of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Month {
    year: i32,
    month: u8,
    count: u64,
}

/// How many photographs fit, month by month.
#[derive(Debug, Serialize, ToSchema)]
pub struct Timeline {
    count: u64,
    bytes: u64,
    months: Vec<Month>,
}

/// How many photographs fit, month by month.
#[utoipa::path(
    get, path = "/api/v1/photographs/timeline", tag = "photographs", params(Wanted),
    responses(
        (status = 200, body = Timeline), (status = 400, body = Refused), (status = 401, body = Refused),
        (status = 422, body = Refused), (status = 503, body = Refused),
    )
)]
pub async fn timeline(
    State(site): State<Arc<Site>>,
    _: Reader,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Timeline>, Refusal> {
    let ask = ask(query)?;
    let work = move |engine: Engine| {
        let told = engine.photograph_timeline(&ask)?;
        let month = |one: &darkslide_engine::MonthCount| Month { year: one.year, month: one.month, count: one.count };
        Ok(Timeline { count: told.count.0, bytes: told.size.0, months: told.months.iter().map(month).collect() })
    };
    site.engine(work).await.map(Json)
}

/// A value to filter by.
#[derive(Debug, Serialize, ToSchema)]
pub struct Choice {
    value: String,
    count: u64,
}

/// What there is to filter by.
#[derive(Debug, Serialize, ToSchema)]
pub struct Choices {
    cameras: Vec<Choice>,
    lenses: Vec<Choice>,
    kinds: Vec<Choice>,
    types: Vec<Choice>,
    stars: Vec<Choice>,
    folders: Vec<Choice>,
}

/// What there is to filter by among those that fit, with how many each would leave.
#[utoipa::path(
    get, path = "/api/v1/photographs/choices", tag = "photographs", params(Wanted),
    responses(
        (status = 200, body = Choices), (status = 400, body = Refused), (status = 401, body = Refused),
        (status = 422, body = Refused), (status = 503, body = Refused),
    )
)]
pub async fn choices(
    State(site): State<Arc<Site>>,
    _: Reader,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Choices>, Refusal> {
    let ask = ask(query)?;
    let work = move |engine: Engine| {
        let told = engine.photograph_facets(&ask)?;
        let all = |facets: Vec<darkslide_engine::Facet>| -> Vec<Choice> {
            facets.into_iter().map(|one| Choice { value: one.value, count: one.count }).collect()
        };
        Ok(Choices {
            cameras: all(told.cameras),
            lenses: all(told.lenses),
            kinds: all(told.kinds),
            types: all(told.types),
            stars: all(told.stars),
            folders: told.folders.into_iter().map(|(value, count)| Choice { value, count }).collect(),
        })
    };
    site.engine(work).await.map(Json)
}

/// A photograph with all that is known of it: facts, files, copies and how readable they are, packs.
#[utoipa::path(
    get, path = "/api/v1/photographs/{photograph}", tag = "photographs", params(("photograph" = i64, Path)),
    responses(
        (status = 200, body = Object), (status = 400, body = Refused), (status = 401, body = Refused),
        (status = 422, body = Refused), (status = 503, body = Refused),
    )
)]
pub async fn one(
    State(site): State<Arc<Site>>,
    _: Reader,
    path: Result<Path<i64>, PathRejection>,
) -> Result<Json<Value>, Refusal> {
    let Path(id) = path.map_err(|error| Refusal::bad(error.body_text()))?;
    let work = move |engine: Engine| {
        let told = engine.photograph(PhotographId(id))?;
        serde_json::to_value(&told).map_err(|error| Refusal::bad(error.to_string()))
    };
    site.engine(work).await.map(Json)
}

/// The thumbnail of a photograph, by its content.
#[utoipa::path(
    get, path = "/api/v1/thumbnails/{hash}", tag = "photographs",
    params(("hash" = String, Path, description = "Content hash.", pattern = "^[0-9a-f]{64}$")),
    responses(
        (status = 200, description = "A JPEG.", content_type = "image/jpeg"), (status = 400, body = Refused),
        (status = 401, body = Refused), (status = 404, body = Refused), (status = 409, body = Refused),
        (status = 422, body = Refused), (status = 503, body = Refused),
    )
)]
pub async fn thumbnail(
    State(site): State<Arc<Site>>,
    _: Reader,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let Path(text) = path.map_err(|error| Refusal::bad(error.body_text()))?;
    let hash: ContentHash = text.parse().map_err(|_| Refusal::bad("that is no content hash"))?;
    let shared = site.clone();
    let work = move |engine: Engine| {
        // What is kept here needs no identity; the rest is not asked for without one.
        let identity = shared.unlocked.identity(engine.settings()).unwrap_or_default();
        Ok(engine.for_reading().thumbnail(&hash, identity.as_deref())?)
    };
    let jpeg = site.engine(work).await?.ok_or_else(|| Refusal::unknown("there is no thumbnail of that"))?;
    let kept = [(header::CONTENT_TYPE, "image/jpeg"), (header::CACHE_CONTROL, "private, max-age=31536000, immutable")];
    Ok((kept, jpeg).into_response())
}
