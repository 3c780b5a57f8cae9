//! Doing: run a job, restore, go on with a thaw, ingest a card.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use darkslide_engine::words::{Money, Name, Tier};
use darkslide_engine::{
    CardState, Engine, Existing, IngestOptions, JobMeans, RestoreOptions, RunOrigin, StartedBy, ThawOptions, cards,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::look::Item;
use super::shapes::{Speed, usd, when};
use crate::access::{Operator, Reader};
use crate::keeper;
use crate::refusal::{Refusal, Refused};
use crate::site::Site;
use crate::tasks::Task;
use crate::unlock;

pub(super) type Sent<T> = Result<Json<T>, JsonRejection>;

pub(super) fn sent<T>(body: Sent<T>) -> Result<T, Refusal> {
    body.map(|Json(body)| body).map_err(|error| Refusal::bad(error.body_text()))
}

pub(super) fn part<T>(path: Result<Path<T>, PathRejection>) -> Result<T, Refusal> {
    path.map(|Path(part)| part).map_err(|error| Refusal::bad(error.body_text()))
}

/// US dollars.
pub(super) fn amount(text: &str) -> Result<Money, Refusal> {
    let bad = || Refusal::bad(format!("`{text}` is no amount of dollars such as `0.50`"));
    Money::parse(text).filter(|amount| *amount >= Money::ZERO).ok_or_else(bad)
}

/// Run a job now.
#[utoipa::path(
    post, path = "/api/v1/jobs/{job}/run", tag = "act", params(("job" = String, Path)),
    responses(
        (status = 202, description = "It began.", body = Task), (status = 401, body = Refused),
        (status = 403, body = Refused), (status = 409, description = "It runs already.", body = Refused),
        (status = 400, body = Refused), (status = 422, body = Refused), (status = 503, body = Refused),
    )
)]
pub async fn run_job(
    State(site): State<Arc<Site>>,
    _: Operator,
    path: Result<Path<String>, PathRejection>,
) -> Result<(StatusCode, Json<Task>), Refusal> {
    let name = part(path)?;
    let shared = site.clone();
    let work = move |engine: Engine| {
        let job = engine.job(&name)?.clone();
        engine.may_run(&job)?;
        let identity = match &job.identity {
            Some(file) => Some(unlock::from_file(engine.settings(), file, job.passphrase_file.as_deref())?),
            None => None,
        };
        let host = shared.means.host();
        shared.tasks.begin("job", &name, move |watch| {
            let by = StartedBy { origin: RunOrigin::Manual, task: Some(job.name.clone()), slot: None, cause: None };
            let engine = engine.for_job(&job).started_by(by).stopped_by(watch.stop.clone());
            let means = JobMeans { host, identity, cards: Vec::new() };
            engine.run_job(&job, &means, watch).map(|done| (done.text, None)).map_err(|e| e.to_string())
        })
    };
    Ok((StatusCode::ACCEPTED, Json(site.engine(work).await?)))
}

/// Tell a task to end at its next safe point.
#[utoipa::path(
    post, path = "/api/v1/tasks/{task}/stop", tag = "act", params(("task" = u64, Path)),
    responses(
        (status = 204), (status = 400, body = Refused), (status = 401, body = Refused), (status = 403, body = Refused),
        (status = 404, body = Refused),
    )
)]
pub async fn stop_task(
    State(site): State<Arc<Site>>,
    _: Operator,
    path: Result<Path<u64>, PathRejection>,
) -> Result<StatusCode, Refusal> {
    match site.tasks.stop(part(path)?) {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Refusal::unknown("there is no such task")),
    }
}

/// What is to be restored.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// `latest`, or the beginning of a snapshot's name.
    #[schema(min_length = 1)]
    snapshot: String,
    /// Files and folders; at least one.
    #[schema(min_items = 1)]
    paths: Vec<String>,
}

impl Selection {
    fn options(&self, to: PathBuf) -> Result<RestoreOptions, Refusal> {
        if self.snapshot.is_empty() || self.paths.is_empty() {
            return Err(Refusal::bad("choose at least one photograph"));
        }
        Ok(RestoreOptions {
            snapshot: self.snapshot.clone(),
            paths: self.paths.iter().map(|path| Name::from(path.as_str())).collect(),
            to,
            existing: Existing::Keep,
            accept_writers: Vec::new(),
        })
    }
}

/// What a tier would cost, and how long it would take.
#[derive(Debug, Serialize, ToSchema)]
pub struct TierQuote {
    tier: Speed,
    /// In all; nothing where it is not offered.
    usd: Option<String>,
    /// From the first request to the first photograph.
    first_seconds: Option<u64>,
    /// From the first request to the end of the download.
    last_seconds: Option<u64>,
    /// Days that thawed copies stay.
    days: Option<u32>,
    items: Vec<Item>,
    /// What was assumed.
    assumptions: Vec<String>,
    /// Why it is not offered.
    not_offered: Option<String>,
}

/// What a restore would cost, by tier.
#[derive(Debug, Serialize, ToSchema)]
pub struct Quoted {
    files: u64,
    bytes: u64,
    packs: u64,
    /// What is downloaded.
    pack_bytes: u64,
    tiers: Vec<TierQuote>,
    /// Packs that no store is known to hold.
    lost_packs: u64,
    price_age_days: u64,
    /// When the stores were last listed.
    seen: Option<String>,
}

/// What a restore would cost and how long it would take. Asks no store, spends nothing.
#[utoipa::path(
    post, path = "/api/v1/quote", tag = "act", request_body = Selection,
    responses(
        (status = 200, body = Quoted), (status = 400, body = Refused), (status = 401, body = Refused),
        (status = 403, body = Refused), (status = 409, body = Refused), (status = 422, body = Refused),
        (status = 503, body = Refused),
    )
)]
pub async fn quote(State(site): State<Arc<Site>>, _: Reader, body: Sent<Selection>) -> Result<Json<Quoted>, Refusal> {
    let options = sent(body)?.options(PathBuf::from("."))?;
    let work = move |engine: Engine| {
        let thaw = ThawOptions { tier: Tier::Bulk, days: None, max_cost: None };
        let quote = engine.quote_restore(&options, &thaw)?;
        let tier = |(tier, plan): &(Tier, Result<darkslide_engine::ThawPlan, String>)| {
            let made = plan.as_ref().ok();
            TierQuote {
                tier: Speed::from(*tier),
                usd: made.map(|plan| usd(plan.total())),
                first_seconds: made.map(|plan| plan.first_byte.as_secs()),
                last_seconds: made.map(|plan| plan.last_byte.as_secs()),
                days: made.map(|plan| plan.days),
                items: made.map_or_else(Vec::new, |plan| plan.quote.lines.iter().map(Item::from).collect()),
                assumptions: made.map_or_else(Vec::new, |plan| plan.assumptions.clone()),
                not_offered: plan.as_ref().err().cloned(),
            }
        };
        Ok(Quoted {
            files: quote.restore.files.0,
            bytes: quote.restore.bytes.0,
            packs: quote.restore.packs.0,
            pack_bytes: quote.restore.pack_bytes.0,
            tiers: quote.tiers.iter().map(tier).collect(),
            lost_packs: quote.lost,
            price_age_days: quote.price_age.as_secs() / 86_400,
            seen: quote.seen.map(when),
        })
    };
    site.engine(work).await.map(Json)
}

/// A restore that is confirmed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Restore {
    /// Which photographs.
    selection: Selection,
    /// Where to: a folder of the machine that serves the page, from its root. What is there already stays.
    #[schema(min_length = 1)]
    to: String,
    /// How fast.
    tier: Speed,
    /// What it must not cost, in US dollars, such as `0.50`.
    #[schema(pattern = r"^[0-9]{1,9}(\.[0-9]{1,9})?$")]
    max_usd: String,
}

/// Restore; what is cold is thawed first. The thaw is rows: it goes on after a restart.
#[utoipa::path(
    post, path = "/api/v1/restores", tag = "act", request_body = Restore,
    responses(
        (status = 202, description = "It began.", body = Task), (status = 400, body = Refused),
        (status = 401, body = Refused), (status = 403, body = Refused), (status = 409, body = Refused),
        (status = 422, body = Refused), (status = 503, body = Refused),
    )
)]
pub async fn restore(
    State(site): State<Arc<Site>>,
    _: Operator,
    body: Sent<Restore>,
) -> Result<(StatusCode, Json<Task>), Refusal> {
    let restore = sent(body)?;
    let to = PathBuf::from(&restore.to);
    if !to.is_absolute() || to.components().any(|part| part == std::path::Component::ParentDir) {
        return Err(Refusal::bad("the folder begins with `/` and has no `..`: it is one of the machine that serves"));
    }
    let limit = amount(&restore.max_usd)?;
    let options = restore.selection.options(to)?;
    let thaw = ThawOptions { tier: restore.tier.into(), days: None, max_cost: Some(limit) };
    let shared = site.clone();
    let work = move |engine: Engine| {
        let identity = shared.unlocked.identity(engine.settings())?.ok_or_else(no_identity)?;
        // What cannot be is told now, not by the task.
        engine.quote_restore(&options, &thaw)?;
        shared.tasks.begin("restore", &restore.to, move |watch| {
            let engine = engine.for_reading().stopped_by(watch.stop.clone());
            let mut confirm = |plan: &darkslide_engine::ThawPlan| plan.total() <= limit;
            let outcome = engine.restore_cold(&options, &thaw, &identity, &mut confirm, watch);
            outcome.map(|outcome| (keeper::told(&outcome), None)).map_err(|e| e.to_string())
        })
    };
    Ok((StatusCode::ACCEPTED, Json(site.engine(work).await?)))
}

pub(super) fn no_identity() -> Refusal {
    let text = "hand over the identity that opens photographs first; it stays in memory until the page ends";
    Refusal::new(StatusCode::CONFLICT, "identity", text)
}

/// Do the next step of a thaw now.
#[utoipa::path(
    post, path = "/api/v1/thaws/{thaw}/step", tag = "act", params(("thaw" = i64, Path)),
    responses(
        (status = 202, body = Task), (status = 400, body = Refused), (status = 401, body = Refused),
        (status = 403, body = Refused), (status = 409, body = Refused), (status = 422, body = Refused),
        (status = 503, body = Refused),
    )
)]
pub async fn step_thaw(
    State(site): State<Arc<Site>>,
    _: Operator,
    path: Result<Path<i64>, PathRejection>,
) -> Result<(StatusCode, Json<Task>), Refusal> {
    let id = part(path)?;
    let shared = site.clone();
    let work = move |engine: Engine| {
        known_thaw(&engine, id)?;
        shared.unlocked.identity(engine.settings())?.ok_or_else(no_identity)?;
        keeper::step(&shared, id)
    };
    Ok((StatusCode::ACCEPTED, Json(site.engine(work).await?)))
}

pub(super) fn known_thaw(engine: &Engine, id: i64) -> Result<(), Refusal> {
    match engine.thaws()?.iter().any(|thaw| thaw.id == id) {
        true => Ok(()),
        false => Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "user", format!("there is no thaw {id}"))),
    }
}

/// What became of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Said {
    /// In a line.
    text: String,
}

/// Ask for nothing more.
#[utoipa::path(
    post, path = "/api/v1/thaws/{thaw}/cancel", tag = "act", params(("thaw" = i64, Path)),
    responses(
        (status = 200, body = Said), (status = 400, body = Refused), (status = 401, body = Refused),
        (status = 403, body = Refused), (status = 409, body = Refused), (status = 422, body = Refused),
        (status = 503, body = Refused),
    )
)]
pub async fn cancel_thaw(
    State(site): State<Arc<Site>>,
    _: Operator,
    path: Result<Path<i64>, PathRejection>,
) -> Result<Json<Said>, Refusal> {
    let id = part(path)?;
    let work = move |engine: Engine| {
        known_thaw(&engine, id)?;
        Ok(Json(Said { text: engine.cancel_thaw(id)?.to_string() }))
    };
    site.engine(work).await
}

/// What opens photographs.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The text of the identity file.
    identity: String,
    /// Its passphrase, if it has one.
    passphrase: Option<String>,
}

/// Hand over the identity that opens photographs. It stays in memory until the page ends.
#[utoipa::path(
    put, path = "/api/v1/identity", tag = "act", request_body = Identity,
    responses(
        (status = 204), (status = 400, body = Refused), (status = 401, body = Refused), (status = 403, body = Refused),
        (status = 503, body = Refused),
    )
)]
pub async fn hand_identity(
    State(site): State<Arc<Site>>,
    _: Operator,
    body: Sent<Identity>,
) -> Result<StatusCode, Refusal> {
    let body = sent(body)?;
    let text = zeroize::Zeroizing::new(body.identity.into_bytes());
    let shared = site.clone();
    site.blocking(move || shared.unlocked.hand(&text, body.passphrase)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Forget the identity that was handed over.
#[utoipa::path(
    delete, path = "/api/v1/identity", tag = "act",
    responses((status = 204), (status = 401, body = Refused), (status = 403, body = Refused))
)]
pub async fn forget_identity(State(site): State<Arc<Site>>, _: Operator) -> StatusCode {
    site.unlocked.forget();
    StatusCode::NO_CONTENT
}

/// A card that is in.
#[derive(Debug, Serialize, ToSchema)]
pub struct Card {
    /// As it is named in other requests.
    root: String,
    label: String,
}

/// Cards that are in.
#[utoipa::path(
    get, path = "/api/v1/cards", tag = "look",
    responses((status = 200, body = Vec<Card>), (status = 401, body = Refused), (status = 503, body = Refused))
)]
pub async fn list_cards(State(site): State<Arc<Site>>, _: Reader) -> Result<Json<Vec<Card>>, Refusal> {
    let card = |card: darkslide_engine::Volume| Card { root: card.root.display().to_string(), label: card.label };
    site.blocking(move || Ok(Json(cards().into_iter().map(card).collect()))).await
}

/// A card.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OneCard {
    /// One of the cards that are in.
    root: String,
    /// For an ingest: what the shoot is called.
    #[serde(default)]
    job_code: String,
}

fn a_card(root: &str) -> Result<PathBuf, Refusal> {
    let found = cards().into_iter().find(|card| card.root.display().to_string() == root);
    let gone = || Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "user", format!("no card is in at {root}: put it in"));
    found.map(|card| card.root).ok_or_else(gone)
}

/// Copy a card into the library, verified.
#[utoipa::path(
    post, path = "/api/v1/cards/ingest", tag = "act", request_body = OneCard,
    responses(
        (status = 202, body = Task), (status = 400, body = Refused), (status = 401, body = Refused),
        (status = 403, body = Refused), (status = 409, body = Refused), (status = 422, body = Refused),
        (status = 503, body = Refused),
    )
)]
pub async fn ingest(
    State(site): State<Arc<Site>>,
    _: Operator,
    body: Sent<OneCard>,
) -> Result<(StatusCode, Json<Task>), Refusal> {
    let body = sent(body)?;
    let shared = site.clone();
    let work = move |engine: Engine| {
        let card = a_card(&body.root)?;
        let host = shared.means.host();
        shared.tasks.begin("ingest", &body.root, move |watch| {
            let options =
                IngestOptions { cards: vec![card], job_code: body.job_code, host, ..IngestOptions::default() };
            let engine = engine.stopped_by(watch.stop.clone());
            let done = engine.ingest(&options, watch).map_err(|e| e.to_string())?;
            let copied = done.copied();
            let failed: usize = done.cards.iter().map(|card| card.failures.len()).sum();
            let text = match failed {
                0 => format!("{copied} files copied and verified"),
                failed => format!("{copied} files copied; {failed} could not be"),
            };
            Ok((text, serde_json::to_value(&done).ok()))
        })
    };
    Ok((StatusCode::ACCEPTED, Json(site.engine(work).await?)))
}

/// May a card be formatted? Reads every copy of its files again.
#[utoipa::path(
    post, path = "/api/v1/cards/check", tag = "act", request_body = OneCard,
    responses(
        (status = 202, body = Task), (status = 400, body = Refused), (status = 401, body = Refused),
        (status = 403, body = Refused), (status = 409, body = Refused), (status = 422, body = Refused),
        (status = 503, body = Refused),
    )
)]
pub async fn check_card(
    State(site): State<Arc<Site>>,
    _: Operator,
    body: Sent<OneCard>,
) -> Result<(StatusCode, Json<Task>), Refusal> {
    let body = sent(body)?;
    let shared = site.clone();
    let work = move |engine: Engine| {
        let card = a_card(&body.root)?;
        shared.tasks.begin("check", &body.root, move |watch| {
            let said = engine.check_card(&card, watch).map_err(|e| e.to_string())?;
            let text = match said.state {
                CardState::SafeToFormat => "SAFE TO FORMAT: each file has its verified copies".to_string(),
                CardState::NotSafe => format!("NOT SAFE: {} files lack copies", said.unsafe_files.len()),
                CardState::Empty => "there is nothing on it".to_string(),
            };
            Ok((text, serde_json::to_value(&said).ok()))
        })
    };
    Ok((StatusCode::ACCEPTED, Json(site.engine(work).await?)))
}
