//! The account behind the buckets: who shall be there, what the last verification found, and a new one.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use darkslide_engine::provision::Unkept;
use darkslide_engine::{CloudChecked, CloudIdentity, Engine, JobKind, RunOrigin, StartedBy};
use serde::Serialize;
use utoipa::ToSchema;

use super::shapes::when;
use crate::access::{Operator, Reader};
use crate::refusal::{Refusal, Refused};
use crate::site::Site;
use crate::tasks::Task;

/// Somebody who shall be there.
#[derive(Debug, Serialize, ToSchema)]
pub struct Member {
    /// `writer`, `restorer`, `auditor`, `pruner`, `admin`.
    identity: &'static str,
    /// Its name in IAM.
    name: String,
    /// `user` or `role`.
    form: &'static str,
    /// True where this machine holds credentials of it, and so can try.
    here: bool,
}

/// A line of the matrix.
#[derive(Debug, Serialize, ToSchema)]
pub struct Line {
    identity: &'static str,
    /// The request.
    what: String,
    /// `allowed` or `refused`.
    expected: String,
    /// What the policy simulator says; nothing where it was not asked.
    simulated: Option<String>,
    /// What came of trying; nothing where it was not tried.
    tried: Option<String>,
    /// True where somebody may more, or less, than expected.
    surprise: bool,
}

/// What a verification found.
#[derive(Debug, Serialize, ToSchema)]
pub struct Matrix {
    at: String,
    /// The run that found it.
    run: i64,
    /// True where each line was looked at, and nothing is wrong.
    good: bool,
    lines: Vec<Line>,
    surprises: u64,
    /// Lines that were neither simulated nor tried.
    unknown: u64,
    /// What could not be looked at, and why.
    left_out: Vec<String>,
    /// Settings that are not as they shall be.
    drift: Vec<String>,
}

/// The account.
#[derive(Debug, Serialize, ToSchema)]
pub struct Cloud {
    identities: Vec<Member>,
    /// Why it cannot be told who they are, if so.
    problem: Option<String>,
    /// The `[[job]]` that verifies them by itself.
    job: Option<String>,
    /// What the last verification found; nothing if there was none.
    last: Option<Matrix>,
}

impl From<&CloudIdentity> for Member {
    fn from(one: &CloudIdentity) -> Self {
        let form = if one.is_role { "role" } else { "user" };
        Self { identity: one.kind.word(), name: one.name.clone(), form, here: one.is_here }
    }
}

impl From<&CloudChecked> for Matrix {
    fn from(kept: &CloudChecked) -> Self {
        let found = &kept.verified;
        let line = |row: &darkslide_engine::provision::verify::Row| Line {
            identity: row.identity.word(),
            what: row.what.clone(),
            expected: row.expected.to_string(),
            simulated: row.simulated.map(|outcome| outcome.to_string()),
            tried: row.tried.map(|outcome| outcome.to_string()),
            surprise: !row.is_as_expected(),
        };
        Self {
            at: when(kept.at),
            run: kept.run,
            good: found.is_good(),
            lines: found.rows.iter().map(line).collect(),
            surprises: found.surprises().count() as u64,
            unknown: found.unknown().count() as u64,
            left_out: found.left_out.clone(),
            drift: found.drift.clone(),
        }
    }
}

/// Who shall be in the account, and what the last verification found. Asks nobody outside.
#[utoipa::path(
    get, path = "/api/v1/cloud", tag = "cloud",
    responses((status = 200, body = Cloud), (status = 401, body = Refused), (status = 503, body = Refused))
)]
pub async fn cloud(State(site): State<Arc<Site>>, _: Reader) -> Result<Json<Cloud>, Refusal> {
    let work = |engine: Engine| {
        let (identities, problem) = match engine.cloud_identities() {
            Ok(identities) => (identities.iter().map(Member::from).collect(), None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        let job = engine.settings().jobs.iter().find(|job| job.kind == JobKind::CloudVerify);
        let job = job.map(|job| job.name.clone());
        Ok(Cloud { identities, problem, job, last: engine.cloud_checked()?.as_ref().map(Matrix::from) })
    };
    site.engine(work).await.map(Json)
}

/// Prove what each identity may and may not, and look for settings that have changed. Reads, simulates, and
/// tries what does no harm; changes nothing. Its outcome is the matrix.
#[utoipa::path(
    post, path = "/api/v1/cloud/verify", tag = "cloud",
    responses(
        (status = 202, description = "It began.", body = Task), (status = 401, body = Refused),
        (status = 403, body = Refused), (status = 409, body = Refused), (status = 503, body = Refused),
    )
)]
pub async fn verify(State(site): State<Arc<Site>>, _: Operator) -> Result<(StatusCode, Json<Task>), Refusal> {
    let shared = site.clone();
    let work = move |engine: Engine| {
        shared.tasks.begin("cloud-verify", "cloud", move |watch| {
            let by = StartedBy { origin: RunOrigin::Manual, ..StartedBy::default() };
            let engine = engine.started_by(by).stopped_by(watch.stop.clone());
            let keeper = engine.cloud_keys().keeper().unwrap_or_else(|| Box::new(Unkept));
            let found = engine.cloud_verify_recorded(&*keeper).map_err(|e| e.to_string())?;
            let kept = engine.cloud_checked().map_err(|e| e.to_string())?;
            let text = match (found.is_good(), found.surprises().count(), found.drift.len()) {
                (true, ..) => format!("all {} lines are as they should be", found.rows.len()),
                (false, surprises, drift) => format!(
                    "{surprises} surprises, {drift} settings drifted, {} of {} lines not looked at",
                    found.unknown().count(),
                    found.rows.len()
                ),
            };
            Ok((text, kept.as_ref().and_then(|kept| serde_json::to_value(Matrix::from(kept)).ok())))
        })
    };
    Ok((StatusCode::ACCEPTED, Json(site.engine(work).await?)))
}
