//! Forget, prune, repair: each first as a plan that somebody sees, then as a run that does no more than was
//! seen. Stores are listed for a plan, so plans are tasks as well; what they found is their outcome.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use darkslide_engine::{
    Act, Cure, EarlyDeletion, Engine, Fate, ForgetOptions, Harm, PruneOptions, PrunePlan, RepairOptions, RepairPlan,
    RetentionPlan, RunOrigin, StartedBy, Vouched, Wait,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::act::{Sent, amount, sent};
use super::shapes::{path, usd, when};
use crate::access::Operator;
use crate::refusal::{Refusal, Refused};
use crate::site::Site;
use crate::tasks::{Ended, Task, Watch};

/// Lines of a plan that are told one by one.
const TOLD_MAX: usize = 500;

type Begun = Result<(StatusCode, Json<Task>), Refusal>;

fn by_hand(engine: Engine, watch: &Watch) -> Engine {
    let by = StartedBy { origin: RunOrigin::Manual, ..StartedBy::default() };
    engine.started_by(by).stopped_by(watch.stop.clone())
}

async fn begin(
    site: Arc<Site>,
    kind: &'static str,
    what: &'static str,
    work: impl FnOnce(Engine, &Watch, &Site) -> Ended + Send + 'static,
) -> Begun {
    let shared = site.clone();
    let task = site.engine(move |engine| {
        let own = shared.clone();
        shared.tasks.begin(kind, what, move |watch| work(by_hand(engine, watch), watch, &own))
    });
    Ok((StatusCode::ACCEPTED, Json(task.await?)))
}

fn told<T: Serialize>(text: String, plan: &T) -> Ended {
    Ok((text, serde_json::to_value(plan).ok()))
}

fn why(error: impl ToString) -> String {
    error.to_string()
}

/// A snapshot, and what becomes of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Judged {
    snapshot: String,
    time: String,
    /// The library; nothing where nobody vouches for it.
    job: Option<String>,
    writer: Option<String>,
    forget: bool,
    /// Why.
    reasons: Vec<String>,
}

/// Which snapshots are kept, by the rules of their jobs.
#[derive(Debug, Serialize, ToSchema)]
pub struct ForgetPlan {
    snapshots: Vec<Judged>,
    /// How many would be forgotten.
    forgotten: u64,
}

impl From<&RetentionPlan> for ForgetPlan {
    fn from(plan: &RetentionPlan) -> Self {
        let one = |judged: &darkslide_engine::Judged| {
            let author = match &judged.snapshot.vouched {
                Vouched::By(author) | Vouched::Newest(author) => Some(author),
                Vouched::Nobody(_) => None,
            };
            Judged {
                snapshot: judged.snapshot.name.to_string(),
                time: when(judged.snapshot.made()),
                job: author.map(|author| author.job.clone()),
                writer: author.map(|author| author.name.clone()),
                forget: judged.fate.is_forget(),
                reasons: match &judged.fate {
                    Fate::Keep(reasons) => reasons.clone(),
                    Fate::Forget(why) => vec![why.clone()],
                },
            }
        };
        Self { snapshots: plan.snapshots.iter().map(one).collect(), forgotten: plan.forgotten().count() as u64 }
    }
}

fn forget_plan(engine: &Engine, site: &Site) -> Result<RetentionPlan, String> {
    // With what opens photographs, snapshots of other machines are told of, too.
    let identity = site.unlocked.identity(engine.settings()).map_err(|refusal| refusal.body.message)?;
    engine.forget_plan(&ForgetOptions::default(), identity.as_deref()).map_err(why)
}

/// Which snapshots the rules of their jobs keep, and why: the task's outcome. Forgets nothing.
#[utoipa::path(
    post, path = "/api/v1/forget/plan", tag = "upkeep",
    responses(
        (status = 202, body = Task), (status = 401, body = Refused), (status = 403, body = Refused),
        (status = 409, body = Refused), (status = 503, body = Refused),
    )
)]
pub async fn plan_forget(State(site): State<Arc<Site>>, _: Operator) -> Begun {
    begin(site, "plan", "forget", |engine, _, site| {
        let plan = ForgetPlan::from(&forget_plan(&engine.for_pruning(), site)?);
        told(format!("{} of {} snapshots would be forgotten", plan.forgotten, plan.snapshots.len()), &plan)
    })
    .await
}

/// Snapshots that somebody has seen in a plan.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Forget {
    /// Their names, as the plan told them. If the rules forget another one by now, nothing is done.
    #[schema(min_items = 1)]
    snapshots: Vec<String>,
}

/// Forget the snapshots of a plan. What only they needed stays until a prune.
#[utoipa::path(
    post, path = "/api/v1/forget", tag = "upkeep", request_body = Forget,
    responses(
        (status = 202, body = Task), (status = 400, body = Refused), (status = 401, body = Refused),
        (status = 403, body = Refused), (status = 409, body = Refused), (status = 503, body = Refused),
    )
)]
pub async fn forget(State(site): State<Arc<Site>>, _: Operator, body: Sent<Forget>) -> Begun {
    let seen: BTreeSet<String> = sent(body)?.snapshots.into_iter().collect();
    if seen.is_empty() {
        return Err(Refusal::bad("the plan forgets nothing"));
    }
    begin(site, "forget", "snapshots", move |engine, _, site| {
        let engine = engine.for_pruning();
        let plan = forget_plan(&engine, site)?;
        if let Some(other) = plan.forgotten().find(|snapshot| !seen.contains(snapshot.name.as_str())) {
            return Err(format!("the plan is another one by now: it forgets {}, too; look at it again", other.name));
        }
        let done = engine.forget(&plan).map_err(why)?;
        let text = format!("{} snapshots forgotten; a prune frees what only they needed", done.snapshots);
        match done.absent.first() {
            None => Ok((text, None)),
            Some((store, why)) => Err(format!("{text}; the store {store} still holds them: {why}")),
        }
    })
    .await
}

/// An object that is deleted, condemned or kept after all, or that waits.
#[derive(Debug, Serialize, ToSchema)]
pub struct Unit {
    store: String,
    object: String,
    bytes: u64,
    /// `delete`, `condemn`, `restore`, `wait`.
    act: &'static str,
    /// For what it waits: `grace`, `stay`, `lock`.
    waits_for: Option<&'static str>,
    until: Option<String>,
    usd: String,
}

/// Objects and their bytes.
#[derive(Debug, Serialize, ToSchema)]
pub struct Sum {
    objects: u64,
    bytes: u64,
}

/// What a prune would do.
#[derive(Debug, Serialize, ToSchema)]
pub struct PruneToldPlan {
    delete: Sum,
    condemn: Sum,
    /// Needed again.
    restore: Sum,
    waiting: Sum,
    /// What deleting before minimum stays are over costs.
    usd: String,
    /// The first of them, one by one.
    units: Vec<Unit>,
    /// Objects of which it cannot be told what they need, and why: as long as there is one, nothing is deleted.
    blocked: Vec<(String, String)>,
    /// Stores that could not be looked at.
    absent: Vec<String>,
}

fn act(act: Act) -> Option<&'static str> {
    match act {
        Act::Delete => Some("delete"),
        Act::Condemn => Some("condemn"),
        Act::Restore => Some("restore"),
        Act::Unbury | Act::Finish => None,
    }
}

impl From<&PrunePlan> for PruneToldPlan {
    fn from(plan: &PrunePlan) -> Self {
        let sum = |act: Act| {
            let (objects, bytes) = plan.sum(act);
            Sum { objects: objects.0, bytes: bytes.0 }
        };
        let done = plan.units.iter().filter_map(|unit| {
            let act = act(unit.act)?;
            let (store, object) = (plan.stores[unit.store].clone(), unit.object.to_string());
            Some(Unit { store, object, bytes: unit.size.0, act, waits_for: None, until: None, usd: usd(unit.cost) })
        });
        let waiting = plan.waiting.iter().map(|waiting| {
            let (word, until, cost) = match waiting.wait {
                Wait::Grace { until } => ("grace", until, None),
                Wait::Stay { free, today } => ("stay", free, Some(today)),
                Wait::Locked { until } => ("lock", until, None),
            };
            Unit {
                store: plan.stores[waiting.store].clone(),
                object: waiting.object.to_string(),
                bytes: waiting.size.0,
                act: "wait",
                waits_for: Some(word),
                until: Some(when(until)),
                usd: usd(cost.unwrap_or_default()),
            }
        });
        Self {
            delete: sum(Act::Delete),
            condemn: sum(Act::Condemn),
            restore: sum(Act::Restore),
            waiting: Sum {
                objects: plan.waiting.len() as u64,
                bytes: plan.waiting.iter().map(|waiting| waiting.size.0).sum(),
            },
            usd: usd(plan.total()),
            units: done.chain(waiting).take(TOLD_MAX).collect(),
            blocked: plan.blocked.iter().take(TOLD_MAX).map(|(name, why)| (name.to_string(), why.clone())).collect(),
            absent: plan.absent.clone(),
        }
    }
}

/// What to do about minimum stays that are not over.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Early {
    /// Wait until they are.
    Wait,
    /// Pay for what is left of them.
    Pay,
}

impl From<Early> for EarlyDeletion {
    fn from(early: Early) -> Self {
        match early {
            Early::Wait => Self::Wait,
            Early::Pay => Self::Pay,
        }
    }
}

/// How a prune is planned.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PruneAsked {
    early: Early,
}

/// What a prune would do: the task's outcome. Puts and deletes nothing.
#[utoipa::path(
    post, path = "/api/v1/prune/plan", tag = "upkeep", request_body = PruneAsked,
    responses(
        (status = 202, body = Task), (status = 400, body = Refused), (status = 401, body = Refused),
        (status = 403, body = Refused), (status = 409, body = Refused), (status = 503, body = Refused),
    )
)]
pub async fn plan_prune(State(site): State<Arc<Site>>, _: Operator, body: Sent<PruneAsked>) -> Begun {
    let options = PruneOptions { early: sent(body)?.early.into(), max_cost: None };
    begin(site, "plan", "prune", move |engine, _, _| {
        let plan = PruneToldPlan::from(&engine.for_pruning().prune_plan(&options).map_err(why)?);
        let (delete, condemn) = (plan.delete.objects, plan.condemn.objects);
        told(format!("{delete} objects would be deleted, {condemn} condemned"), &plan)
    })
    .await
}

/// A prune that is confirmed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Prune {
    early: Early,
    /// Objects to be deleted, as the plan told: if it is more by now, nothing is done.
    #[schema(minimum = 0)]
    delete: i32,
    /// What it must not cost, in US dollars, such as `0.50`.
    #[schema(pattern = r"^[0-9]{1,9}(\.[0-9]{1,9})?$")]
    max_usd: String,
}

/// Delete what no snapshot needs and whose grace is over; condemn what no snapshot needs any more.
#[utoipa::path(
    post, path = "/api/v1/prune", tag = "upkeep", request_body = Prune,
    responses(
        (status = 202, body = Task), (status = 400, body = Refused), (status = 401, body = Refused),
        (status = 403, body = Refused), (status = 409, body = Refused), (status = 503, body = Refused),
    )
)]
pub async fn prune(State(site): State<Arc<Site>>, _: Operator, body: Sent<Prune>) -> Begun {
    let body = sent(body)?;
    let (limit, most) = (amount(&body.max_usd)?, u64::try_from(body.delete));
    let most = most.map_err(|_| Refusal::bad("`delete` is 0 or more"))?;
    begin(site, "prune", "repository", move |engine, watch, _| {
        let options = PruneOptions { early: body.early.into(), max_cost: Some(limit) };
        let seen = |plan: &PrunePlan| plan.total() <= limit && plan.sum(Act::Delete).0.0 <= most;
        match engine.for_pruning().prune(&options, &mut |plan| seen(plan), watch).map_err(why)? {
            None => Err("the plan is another one by now: it deletes more, or costs more, than was seen".into()),
            Some(done) => {
                let pruned = done.pruned;
                let text = format!(
                    "{} objects with {} deleted, {} condemned, {} needed again, for {}",
                    pruned.deleted,
                    pruned.bytes,
                    pruned.condemned,
                    pruned.restored,
                    done.spent + pruned.cost
                );
                told(text, &PruneToldPlan::from(&done.plan))
            }
        }
    })
    .await
}

/// An object that needs mending.
#[derive(Debug, Serialize, ToSchema)]
pub struct Mend {
    store: String,
    object: String,
    bytes: u64,
    /// What is wrong.
    harm: String,
    /// What mends it.
    cure: String,
    /// True where a repair does it.
    doable: bool,
}

/// A pack with content that nothing at hand brings back.
#[derive(Debug, Serialize, ToSchema)]
pub struct Hopeless {
    object: String,
    /// Photographs that need it.
    photographs: Vec<String>,
    /// How many those are; more than are named.
    count: u64,
}

/// What a repair would do.
#[derive(Debug, Serialize, ToSchema)]
pub struct RepairToldPlan {
    /// Things that will be done.
    doable: u64,
    /// The first of them, one by one.
    mends: Vec<Mend>,
    hopeless: Vec<Hopeless>,
    /// Stores with objects that are to get parity, how many, and their bytes.
    unprotected: Vec<(String, u64, u64)>,
    /// Stores that could not be looked at, and why.
    unreached: Vec<(String, String)>,
    /// What it costs, about; nothing where no store has prices.
    usd: Option<String>,
}

fn harm(harm: &Harm) -> String {
    match harm {
        Harm::Missing => "is missing".into(),
        Harm::Truncated { found } => format!("has {found} only"),
        Harm::Damaged { why } => format!("is damaged: {why}"),
    }
}

fn cure(cure: &Cure) -> String {
    match cure {
        Cure::Parity { shards } => format!("heal {shards} shards from its parity"),
        Cure::Store { from } => format!("copy it from {}", from.join(" or ")),
        Cure::Library { chunks, files } => format!("seal {chunks} chunks of {files} files again out of the library"),
        Cure::Elsewhere => "nothing to do: all that it held lies in other packs".into(),
        Cure::NextBackup => "the next backup writes it again".into(),
        Cure::Nothing { why } => format!("cannot be repaired: {why}"),
    }
}

impl From<&RepairPlan> for RepairToldPlan {
    fn from(plan: &RepairPlan) -> Self {
        let mend = |mend: &darkslide_engine::Mend| Mend {
            store: mend.store.clone(),
            object: mend.object.to_string(),
            bytes: mend.size.0,
            harm: harm(&mend.harm),
            cure: cure(&mend.cure),
            doable: !matches!(mend.cure, Cure::Nothing { .. } | Cure::NextBackup),
        };
        let hopeless = |lost: &darkslide_engine::Hopeless| Hopeless {
            object: lost.object.to_string(),
            photographs: lost.photographs.iter().map(path).collect(),
            count: lost.count.0,
        };
        Self {
            doable: plan.doable() as u64,
            mends: plan.mends.iter().take(TOLD_MAX).map(mend).collect(),
            hopeless: plan.hopeless.iter().take(TOLD_MAX).map(hopeless).collect(),
            unprotected: plan.unprotected.iter().map(|one| (one.store.clone(), one.objects.0, one.bytes.0)).collect(),
            unreached: plan.unreached.clone(),
            usd: plan.cost.map(usd),
        }
    }
}

/// What is missing or damaged, and what would mend it: the task's outcome. Mends nothing.
#[utoipa::path(
    post, path = "/api/v1/repair/plan", tag = "upkeep",
    responses(
        (status = 202, body = Task), (status = 401, body = Refused), (status = 403, body = Refused),
        (status = 409, body = Refused), (status = 503, body = Refused),
    )
)]
pub async fn plan_repair(State(site): State<Arc<Site>>, _: Operator) -> Begun {
    begin(site, "plan", "repair", |engine, _, _| {
        let plan = RepairToldPlan::from(&engine.plan_repair(&RepairOptions::default()).map_err(why)?);
        let text = match (plan.doable, plan.mends.is_empty()) {
            (0, true) => "nothing to repair, as far as is known: an audit or a scrub finds damage".to_string(),
            (doable, _) => format!("{doable} things can be mended; {} packs are lost", plan.hopeless.len()),
        };
        told(text, &plan)
    })
    .await
}

/// A repair that is confirmed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Repair {
    /// What it must not cost, in US dollars, such as `0.50`.
    #[schema(pattern = r"^[0-9]{1,9}(\.[0-9]{1,9})?$")]
    max_usd: String,
}

/// Mend what is missing or damaged. Deletes nothing and overwrites nothing.
#[utoipa::path(
    post, path = "/api/v1/repair", tag = "upkeep", request_body = Repair,
    responses(
        (status = 202, body = Task), (status = 400, body = Refused), (status = 401, body = Refused),
        (status = 403, body = Refused), (status = 409, body = Refused), (status = 503, body = Refused),
    )
)]
pub async fn repair(State(site): State<Arc<Site>>, _: Operator, body: Sent<Repair>) -> Begun {
    let limit = amount(&sent(body)?.max_usd)?;
    begin(site, "repair", "repository", move |engine, watch, _| {
        let options = RepairOptions { store: None, max_cost: Some(limit) };
        let plan = engine.plan_repair(&options).map_err(why)?;
        if let Some(cost) = plan.cost.filter(|cost| *cost > limit) {
            return Err(format!("it costs about {cost} by now, and {limit} was confirmed; look at it again"));
        }
        let done = engine.repair(&plan, &options, watch).map_err(why)?;
        let text = format!(
            "{} healed from parity, {} copied from another store, {} chunks sealed again, {} got parity",
            done.healed, done.copied, done.chunks, done.protected
        );
        match (done.failed.first(), done.unread.first()) {
            (Some((_, object, why)), _) => Err(format!("{text}; {object} could not be mended: {why}")),
            (None, Some((path, why))) => Err(format!("{text}; {path} could not be read: {why}")),
            (None, None) => Ok((text, None)),
        }
    })
    .await
}
