//! A thaw that is under way: pack by pack, for more money, faster.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use darkslide_engine::words::Money;
use darkslide_engine::{Engine, ThawPack};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::act::{amount, known_thaw, part, sent};
use super::look::{Item, asked};
use super::shapes::{Speed, usd, when};
use crate::access::{Operator, Reader};
use crate::keeper;
use crate::refusal::{Refusal, Refused};
use crate::site::Site;

/// A pack of a thaw.
#[derive(Debug, Serialize, ToSchema)]
pub struct Pack {
    pack: String,
    store: String,
    class: String,
    /// Stored bytes: what is thawed.
    bytes: u64,
    /// Bytes of it that are downloaded.
    wanted_bytes: u64,
    /// `cold`, `asking`, `asked`, `warm`, `downloaded`, `verified`, `failed`.
    step: &'static str,
    tier: String,
    asked: Option<String>,
    /// When it can be read, about.
    ready_about: Option<String>,
    /// Until when it can be read.
    until: Option<String>,
    usd: String,
    /// What there is to say of it.
    note: String,
}

impl From<&ThawPack> for Pack {
    fn from(pack: &ThawPack) -> Self {
        Self {
            pack: pack.object.to_string(),
            store: pack.store.clone(),
            class: pack.class.to_string(),
            bytes: pack.bytes.0,
            wanted_bytes: pack.wanted.0,
            step: pack.step,
            tier: pack.tier.to_string(),
            asked: pack.asked.map(when),
            ready_about: pack.ready_about.map(when),
            until: pack.until.map(when),
            usd: usd(pack.cost),
            note: pack.note.clone(),
        }
    }
}

/// A page of a thaw's packs.
#[derive(Debug, Serialize, ToSchema)]
pub struct Packs {
    packs: Vec<Pack>,
    /// How many there are of what was asked for.
    count: u64,
    /// Where the next page begins; nothing at the end.
    next: Option<u64>,
}

/// Which packs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WhichPacks {
    /// At this step only; of all if none is named.
    step: Option<String>,
    /// The first that is wanted, counted from 0.
    #[param(minimum = 0)]
    from: Option<u32>,
    /// How many at most; 100 unless told otherwise.
    #[param(minimum = 1, maximum = 1000)]
    most: Option<u32>,
}

/// How far each pack of a thaw is.
#[utoipa::path(
    get, path = "/api/v1/thaws/{thaw}/packs", tag = "look", params(("thaw" = i64, Path), WhichPacks),
    responses(
        (status = 200, body = Packs), (status = 400, body = Refused), (status = 401, body = Refused),
        (status = 422, body = Refused), (status = 503, body = Refused),
    )
)]
pub async fn packs(
    State(site): State<Arc<Site>>,
    _: Reader,
    path: Result<Path<i64>, PathRejection>,
    query: Result<Query<WhichPacks>, QueryRejection>,
) -> Result<Json<Packs>, Refusal> {
    let (id, query) = (part(path)?, asked(query)?);
    let (from, most) = (query.from.unwrap_or(0) as usize, query.most.unwrap_or(100) as usize);
    if !(1..=1000).contains(&most) {
        return Err(Refusal::bad("`most` is between 1 and 1000"));
    }
    let work = move |engine: Engine| {
        known_thaw(&engine, id)?;
        let mut all = engine.thaw_packs(id)?;
        all.retain(|pack| query.step.as_ref().is_none_or(|step| pack.step == step));
        let next = (all.len() > from.saturating_add(most)).then_some((from + most) as u64);
        let packs = all.iter().skip(from).take(most).map(Pack::from).collect();
        Ok(Packs { packs, count: all.len() as u64, next })
    };
    site.engine(work).await.map(Json)
}

/// Whether a thaw goes on by itself.
#[derive(Debug, Serialize, ToSchema)]
pub struct Stopped {
    /// Why it asks for nothing more; nothing if it goes on.
    why: Option<String>,
    /// For how much it would go on, in all.
    usd: Option<String>,
}

/// Do the next step of a thaw, and tell whether it stopped because it costs more than was confirmed. Needs
/// nothing that opens photographs.
#[utoipa::path(
    post, path = "/api/v1/thaws/{thaw}/stopped", tag = "act", params(("thaw" = i64, Path)),
    responses(
        (status = 200, body = Stopped), (status = 400, body = Refused), (status = 401, body = Refused),
        (status = 403, body = Refused), (status = 409, body = Refused), (status = 422, body = Refused),
        (status = 503, body = Refused),
    )
)]
pub async fn stopped(
    State(site): State<Arc<Site>>,
    _: Operator,
    path: Result<Path<i64>, PathRejection>,
) -> Result<Json<Stopped>, Refusal> {
    let id = part(path)?;
    let work = move |engine: Engine| {
        known_thaw(&engine, id)?;
        let stopped = engine.for_reading().stopped_at(id)?;
        let why = stopped.as_ref().map(|stopped| stopped.stop.to_string());
        Ok(Json(Stopped { why, usd: stopped.map(|stopped| usd(stopped.now)) }))
    };
    site.engine(work).await
}

/// What a thaw may cost from here on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct More {
    /// In all, in US dollars, such as `0.50`.
    #[schema(pattern = r"^[0-9]{1,9}(\.[0-9]{1,9})?$")]
    max_usd: String,
}

/// Let a thaw go on that stopped because it costs more than was confirmed.
#[utoipa::path(
    post, path = "/api/v1/thaws/{thaw}/confirm", tag = "act", params(("thaw" = i64, Path)), request_body = More,
    responses(
        (status = 200, body = Stopped), (status = 400, body = Refused), (status = 401, body = Refused),
        (status = 403, body = Refused), (status = 422, body = Refused), (status = 503, body = Refused),
        (status = 409, description = "It costs more than that by now, or there is nothing to confirm.", body = Refused),
    )
)]
pub async fn confirm(
    State(site): State<Arc<Site>>,
    _: Operator,
    path: Result<Path<i64>, PathRejection>,
    body: Result<Json<More>, JsonRejection>,
) -> Result<Json<Stopped>, Refusal> {
    let id = part(path)?;
    let limit = amount(&sent(body)?.max_usd)?;
    let shared = site.clone();
    let work = move |engine: Engine| {
        known_thaw(&engine, id)?;
        let engine = engine.for_reading();
        let Some(stopped) = engine.stopped_at(id)? else {
            return Err(Refusal::new(
                axum::http::StatusCode::CONFLICT,
                "user",
                "it goes on: there is nothing to confirm",
            ));
        };
        if stopped.now > limit {
            let text = format!("it costs {} in all by now: look at it again", stopped.now);
            return Err(Refusal::new(axum::http::StatusCode::CONFLICT, "refused", text));
        }
        engine.confirm_thaw(id, stopped.now, Some(limit))?;
        // With what opens photographs it goes on at once; else whoever comes next does it.
        let _ = keeper::step(&shared, id);
        Ok(Json(Stopped { why: None, usd: Some(usd(stopped.now)) }))
    };
    site.engine(work).await
}

/// A faster tier.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Faster {
    tier: Speed,
}

/// What a faster thaw costs.
#[derive(Debug, Serialize, ToSchema)]
pub struct Hurry {
    tier: Speed,
    /// Packs under way that are asked for again.
    again: u64,
    /// Packs that were not asked for yet.
    later: u64,
    /// What is asked for from here on.
    usd: String,
    /// What the whole thaw costs then.
    whole_usd: String,
    items: Vec<Item>,
}

/// What a faster tier would cost a thaw that is under way. Asks no store, spends nothing.
#[utoipa::path(
    get, path = "/api/v1/thaws/{thaw}/upgrade", tag = "look", params(("thaw" = i64, Path), Faster),
    responses(
        (status = 200, body = Hurry), (status = 400, body = Refused), (status = 401, body = Refused),
        (status = 409, body = Refused), (status = 422, body = Refused), (status = 503, body = Refused),
    )
)]
pub async fn upgrade_quote(
    State(site): State<Arc<Site>>,
    _: Reader,
    path: Result<Path<i64>, PathRejection>,
    query: Result<Query<Faster>, QueryRejection>,
) -> Result<Json<Hurry>, Refusal> {
    let (id, tier) = (part(path)?, asked(query)?.tier);
    let work = move |engine: Engine| {
        known_thaw(&engine, id)?;
        let quote = engine.upgrade_quote(id, tier.into())?;
        Ok(Json(Hurry {
            tier,
            again: quote.again.0,
            later: quote.later.0,
            usd: usd(quote.quote.total()),
            whole_usd: usd(quote.quoted),
            items: quote.quote.lines.iter().map(Item::from).collect(),
        }))
    };
    site.engine(work).await
}

/// A faster thaw that is confirmed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Hurried {
    tier: Speed,
    /// What was quoted for it: it does not begin if that is not enough by now.
    #[schema(pattern = r"^[0-9]{1,9}(\.[0-9]{1,9})?$")]
    usd: String,
    /// What the whole thaw may cost from here on.
    #[schema(pattern = r"^[0-9]{1,9}(\.[0-9]{1,9})?$")]
    max_usd: String,
}

/// Ask again at a faster tier for what is still frozen.
#[utoipa::path(
    post, path = "/api/v1/thaws/{thaw}/upgrade", tag = "act", params(("thaw" = i64, Path)), request_body = Hurried,
    responses(
        (status = 200, body = Stopped), (status = 400, body = Refused), (status = 401, body = Refused),
        (status = 403, body = Refused), (status = 409, body = Refused), (status = 422, body = Refused),
        (status = 503, body = Refused),
    )
)]
pub async fn upgrade(
    State(site): State<Arc<Site>>,
    _: Operator,
    path: Result<Path<i64>, PathRejection>,
    body: Result<Json<Hurried>, JsonRejection>,
) -> Result<Json<Stopped>, Refusal> {
    let (id, body) = (part(path)?, sent(body)?);
    let (confirmed, limit): (Money, Money) = (amount(&body.usd)?, amount(&body.max_usd)?);
    let work = move |engine: Engine| {
        known_thaw(&engine, id)?;
        let progress = engine.for_reading().upgrade_thaw_within(id, body.tier.into(), confirmed, limit)?;
        Ok(Json(Stopped { why: progress.stop.map(|stop| stop.to_string()), usd: None }))
    };
    site.engine(work).await
}
