//! Looking: the glance, jobs, runs, snapshots, thaws, money.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use darkslide_engine::words::{Money, Name};
use darkslide_engine::{Change, Engine, Recursive};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::shapes::{self, Entries, Entry, Glance, Job, Run, Snapshot, Thaw, usd};
use crate::access::Reader;
use crate::refusal::{Refusal, Refused};
use crate::site::Site;
use crate::tasks::Task;

pub(super) type Asked<T> = Result<Query<T>, QueryRejection>;

pub(super) fn asked<T>(query: Asked<T>) -> Result<T, Refusal> {
    query.map(|Query(query)| query).map_err(|error| Refusal::bad(error.body_text()))
}

/// Something has to be named.
fn named(texts: &[&str]) -> Result<(), Refusal> {
    match texts.iter().any(|text| text.is_empty()) {
        true => Err(Refusal::bad("what is asked for has a name: it is empty")),
        false => Ok(()),
    }
}

/// The most lines of any list.
const MOST: usize = 10_000;

/// One glance: is everything safe, what runs, what is to be done.
#[utoipa::path(
    get, path = "/api/v1/overview", tag = "look",
    responses((status = 200, body = Glance), (status = 401, body = Refused), (status = 503, body = Refused))
)]
pub async fn overview(State(site): State<Arc<Site>>, _: Reader) -> Result<Json<Glance>, Refusal> {
    site.look();
    let shared = site.clone();
    let work = move |engine: Engine| {
        let host = shared.means.host();
        let plans = engine.job_plans(&BTreeSet::new(), &engine.jitter_seed(&host))?;
        let pulse = engine.pulse(&host)?;
        let counted = shared.looked.last();
        let glance = Glance::new(host, &pulse, &plans, (counted.as_deref(), shared.looked.problem()));
        Ok(glance.unlocked(
            shared.unlocked.is_held() || engine.settings().serve.as_ref().is_some_and(|s| s.identity.is_some()),
        ))
    };
    site.engine(work).await.map(Json)
}

/// Jobs, with their last and next runs.
#[utoipa::path(
    get, path = "/api/v1/jobs", tag = "look",
    responses((status = 200, body = Vec<Job>), (status = 401, body = Refused), (status = 503, body = Refused))
)]
pub async fn jobs(State(site): State<Arc<Site>>, _: Reader) -> Result<Json<Vec<Job>>, Refusal> {
    let host = site.means.host();
    let work = move |engine: Engine| {
        let plans = engine.job_plans(&BTreeSet::new(), &engine.jitter_seed(&host))?;
        Ok(shapes::jobs(&engine.pulse(&host)?, &plans))
    };
    site.engine(work).await.map(Json)
}

/// Which runs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Runs {
    /// Of this job, library or mirror; of all if none is named.
    job: Option<String>,
    /// How many; 50 unless told otherwise.
    #[param(minimum = 1, maximum = 1000)]
    most: Option<u32>,
}

/// Runs, the newest first.
#[utoipa::path(
    get, path = "/api/v1/runs", tag = "look", params(Runs),
    responses(
        (status = 200, body = Vec<Run>), (status = 400, body = Refused),
        (status = 401, body = Refused), (status = 503, body = Refused),
    )
)]
pub async fn runs(State(site): State<Arc<Site>>, _: Reader, query: Asked<Runs>) -> Result<Json<Vec<Run>>, Refusal> {
    let query = asked(query)?;
    let most = query.most.unwrap_or(50);
    if !(1..=1000).contains(&most) {
        return Err(Refusal::bad("`most` is between 1 and 1000"));
    }
    let work = move |engine: Engine| Ok(engine.runs(query.job.as_deref(), most)?.iter().map(Run::from).collect());
    site.engine(work).await.map(Json)
}

/// A line of a log.
#[derive(Debug, Serialize, ToSchema)]
pub struct LogLine {
    time: String,
    /// `info`, `warning`, `error`, …
    level: &'static str,
    text: String,
}

/// A run, what it could not do, and its log from a line on.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunLog {
    run: Run,
    /// Path and reason.
    failures: Vec<(String, String)>,
    /// Lines of its log.
    lines: Vec<LogLine>,
    /// Where the next lines begin.
    next: usize,
}

/// From where on.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct From_ {
    /// The first line that is wanted, counted from 0.
    #[param(minimum = 0)]
    from: Option<i32>,
}

/// A run with its log.
#[utoipa::path(
    get, path = "/api/v1/runs/{run}", tag = "look", params(("run" = i64, Path), From_),
    responses(
        (status = 200, body = RunLog), (status = 400, body = Refused), (status = 401, body = Refused),
        (status = 422, body = Refused), (status = 503, body = Refused),
    )
)]
pub async fn run(
    State(site): State<Arc<Site>>,
    _: Reader,
    path: Result<Path<i64>, axum::extract::rejection::PathRejection>,
    query: Asked<From_>,
) -> Result<Json<RunLog>, Refusal> {
    let Path(id) = path.map_err(|error| Refusal::bad(error.body_text()))?;
    let from = asked(query)?.from.unwrap_or(0);
    let from = usize::try_from(from).map_err(|_| Refusal::bad("`from` counts lines from 0"))?;
    let work = move |engine: Engine| {
        let (row, failures) = engine.run(id)?;
        let lines: Vec<_> = engine.log(id, from).into_iter().take(MOST).collect();
        let next = from.saturating_add(lines.len());
        let line =
            |line: darkslide_engine::LogLine| LogLine { time: line.time, level: line.level.word(), text: line.text };
        Ok(RunLog {
            run: Run::from(&row),
            failures: failures.iter().take(MOST).map(|(name, why)| (shapes::path(name), why.clone())).collect(),
            lines: lines.into_iter().map(line).collect(),
            next,
        })
    };
    site.engine(work).await.map(Json)
}

/// Snapshots, the newest first.
#[utoipa::path(
    get, path = "/api/v1/snapshots", tag = "look",
    responses((status = 200, body = Vec<Snapshot>), (status = 401, body = Refused), (status = 503, body = Refused))
)]
pub async fn snapshots(State(site): State<Arc<Site>>, _: Reader) -> Result<Json<Vec<Snapshot>>, Refusal> {
    let unlocked = site.clone();
    let work = move |engine: Engine| {
        let identity = unlocked.unlocked.identity(engine.settings())?;
        let engine = if identity.is_some() { engine.for_reading() } else { engine };
        Ok(engine.snapshots(identity.as_deref())?.iter().rev().map(Snapshot::from).collect())
    };
    site.engine(work).await.map(Json)
}

/// A folder in a snapshot.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Folder {
    /// `latest`, or the beginning of a snapshot's name.
    #[param(min_length = 1)]
    snapshot: String,
    /// The folder; the library's root where there is none.
    path: Option<String>,
}

/// What a folder holds.
#[utoipa::path(
    get, path = "/api/v1/files", tag = "look", params(Folder),
    responses(
        (status = 200, body = Entries), (status = 400, body = Refused), (status = 401, body = Refused),
        (status = 409, body = Refused), (status = 422, body = Refused), (status = 503, body = Refused),
    )
)]
pub async fn files(State(site): State<Arc<Site>>, _: Reader, query: Asked<Folder>) -> Result<Json<Entries>, Refusal> {
    let query = asked(query)?;
    named(&[&query.snapshot])?;
    let path = Name::from(query.path.as_deref().unwrap_or_default());
    let unlocked = site.clone();
    let work = move |engine: Engine| {
        let identity = unlocked.unlocked.identity(engine.settings())?;
        let engine = if identity.is_some() { engine.for_reading() } else { engine };
        let mut all = Entries { entries: Vec::new(), more: false };
        engine.ls(&query.snapshot, &path, Recursive::No, identity.as_deref(), &mut |line| match all.entries.len() {
            MOST.. => all.more = true,
            _ => all.entries.push(Entry::of(&line)),
        })?;
        Ok(all)
    };
    site.engine(work).await.map(Json)
}

/// What is looked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Pattern {
    /// With `*` and `?`; of paths if it has a `/`.
    #[param(min_length = 1)]
    pattern: String,
}

/// Files whose names fit, in all snapshots.
#[utoipa::path(
    get, path = "/api/v1/find", tag = "look", params(Pattern),
    responses(
        (status = 200, body = Entries), (status = 400, body = Refused), (status = 401, body = Refused),
        (status = 409, body = Refused), (status = 422, body = Refused), (status = 503, body = Refused),
    )
)]
pub async fn find(State(site): State<Arc<Site>>, _: Reader, query: Asked<Pattern>) -> Result<Json<Entries>, Refusal> {
    let query = asked(query)?;
    named(&[&query.pattern])?;
    let unlocked = site.clone();
    let work = move |engine: Engine| {
        let identity = unlocked.unlocked.identity(engine.settings())?;
        let engine = if identity.is_some() { engine.for_reading() } else { engine };
        let mut all = Entries { entries: Vec::new(), more: false };
        engine.find(&query.pattern, identity.as_deref(), &mut |found| match all.entries.len() {
            1000.. => all.more = true,
            _ => all.entries.push(Entry::of(&found.line).found_in(found.snapshot.as_str())),
        })?;
        Ok(all)
    };
    site.engine(work).await.map(Json)
}

/// Two snapshots.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Two {
    /// The older one.
    #[param(min_length = 1)]
    old: String,
    /// The newer one.
    #[param(min_length = 1)]
    new: String,
}

/// What changed between two snapshots.
#[utoipa::path(
    get, path = "/api/v1/diff", tag = "look", params(Two),
    responses(
        (status = 200, body = Entries), (status = 400, body = Refused), (status = 401, body = Refused),
        (status = 409, body = Refused), (status = 422, body = Refused), (status = 503, body = Refused),
    )
)]
pub async fn diff(State(site): State<Arc<Site>>, _: Reader, query: Asked<Two>) -> Result<Json<Entries>, Refusal> {
    let query = asked(query)?;
    named(&[&query.old, &query.new])?;
    let unlocked = site.clone();
    let work = move |engine: Engine| {
        let identity = unlocked.unlocked.identity(engine.settings())?;
        let engine = if identity.is_some() { engine.for_reading() } else { engine };
        let mut all = Entries { entries: Vec::new(), more: false };
        engine.diff(&query.old, &query.new, identity.as_deref(), &mut |difference| {
            let word = match difference.change {
                Change::Added => "added",
                Change::Removed => "removed",
                Change::Modified => "modified",
                Change::Metadata => "metadata",
            };
            match all.entries.len() {
                MOST.. => all.more = true,
                _ => all.entries.push(Entry::of(&difference.line).changed(word)),
            }
        })?;
        Ok(all)
    };
    site.engine(work).await.map(Json)
}

/// Thaws, the newest first.
#[utoipa::path(
    get, path = "/api/v1/thaws", tag = "look",
    responses((status = 200, body = Vec<Thaw>), (status = 401, body = Refused), (status = 503, body = Refused))
)]
pub async fn thaws(State(site): State<Arc<Site>>, _: Reader) -> Result<Json<Vec<Thaw>>, Refusal> {
    site.engine(|engine| Ok(engine.thaws()?.iter().rev().map(Thaw::from).collect())).await.map(Json)
}

/// What was begun from the page, the newest first.
#[utoipa::path(
    get, path = "/api/v1/tasks", tag = "look",
    responses((status = 200, body = Vec<Task>), (status = 401, body = Refused))
)]
pub async fn tasks(State(site): State<Arc<Site>>, _: Reader) -> Json<Vec<Task>> {
    Json(site.tasks.list())
}

/// An item of a bill.
#[derive(Debug, Serialize, ToSchema)]
pub struct Item {
    what: String,
    quantity: f64,
    unit: String,
    rate: f64,
    usd: String,
    /// True if the source of its rate is weak.
    unconfirmed: bool,
}

impl From<&darkslide_engine::PriceLine> for Item {
    fn from(line: &darkslide_engine::PriceLine) -> Self {
        Self {
            what: line.what.clone(),
            quantity: line.quantity,
            unit: line.unit.clone(),
            rate: line.rate,
            usd: usd(line.amount),
            unconfirmed: line.unconfirmed,
        }
    }
}

/// What one store costs.
#[derive(Debug, Serialize, ToSchema)]
pub struct StoreCost {
    store: String,
    /// A month as things are.
    month_usd: String,
    items: Vec<Item>,
    /// Bills of the months to come, by their number from now.
    forecast: Vec<(u32, String)>,
    /// The same for each storage class by itself.
    by_class: Vec<ClassCost>,
}

/// What is to come for one storage class.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClassCost {
    class: String,
    forecast: Vec<(u32, String)>,
}

/// What the repository costs.
#[derive(Debug, Serialize, ToSchema)]
pub struct Cost {
    /// Paid this month, by kind.
    spent: Vec<(String, String)>,
    stores: Vec<StoreCost>,
    /// Bytes a month that the forecast counts with.
    growth_bytes: u64,
    price_age_days: u64,
}

/// A month that is over, or the one that is going on.
#[derive(Debug, Serialize, ToSchema)]
pub struct PastMonth {
    /// `2026-03`, in UTC.
    month: String,
    /// Files of the libraries at its end, as backed up.
    files: u64,
    /// Their bytes.
    bytes: u64,
    /// Sealed bytes that its backups added.
    added_bytes: u64,
    /// What was paid in it.
    spent_usd: String,
}

/// How it grew and what it cost, month by month, the first one first.
#[utoipa::path(
    get, path = "/api/v1/history", tag = "look",
    responses((status = 200, body = Vec<PastMonth>), (status = 401, body = Refused), (status = 503, body = Refused))
)]
pub async fn history(State(site): State<Arc<Site>>, _: Reader) -> Result<Json<Vec<PastMonth>>, Refusal> {
    let month = |one: darkslide_engine::PastMonth| PastMonth {
        month: one.month,
        files: one.files.0,
        bytes: one.bytes.0,
        added_bytes: one.added.0,
        spent_usd: usd(one.spent),
    };
    site.engine(move |engine| Ok(engine.history()?.into_iter().map(month).collect())).await.map(Json)
}

/// What the repository costs: this month, and the months to come.
#[utoipa::path(
    get, path = "/api/v1/cost", tag = "look",
    responses(
        (status = 200, body = Cost), (status = 401, body = Refused), (status = 422, body = Refused),
        (status = 503, body = Refused),
    )
)]
pub async fn cost(State(site): State<Arc<Site>>, _: Reader) -> Result<Json<Cost>, Refusal> {
    let work = |engine: Engine| {
        let report = engine.cost(None, None)?;
        let months = |all: &[(u32, Money)]| all.iter().map(|(month, bill)| (*month, usd(*bill))).collect();
        let store = |store: &darkslide_engine::StoreCost| StoreCost {
            store: store.store.clone(),
            month_usd: usd(store.monthly.total()),
            items: store.monthly.lines.iter().map(Item::from).collect(),
            forecast: months(&store.forecast),
            by_class: store
                .by_class
                .iter()
                .map(|(class, all)| ClassCost { class: class.to_string(), forecast: months(all) })
                .collect(),
        };
        Ok(Cost {
            spent: report.spent.iter().map(|(kind, paid)| (kind.clone(), usd(*paid))).collect(),
            stores: report.stores.iter().map(store).collect(),
            growth_bytes: report.growth.0,
            price_age_days: report.price_age.as_secs() / 86_400,
        })
    };
    site.engine(work).await.map(Json)
}
