//! Control over HTTP under `/_coldsim/`, for loopback only and unsigned; and the calls to the
//! queue and to S3 Control once their signature is checked.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderValue, Method, Request};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Answer, Aside, header, plain};
use crate::access::{context_of, decide};
use crate::account::{self, Caller};
use crate::batch::Call;
use crate::iam::Decision;
use crate::operation::Named;
use crate::sim::Sim;
use crate::state::ACCOUNT;
use crate::state::model::AccessKey;
use crate::{ColdSim, Fault};

/// The largest control request.
const BODY_BYTES_MAX: usize = 4 << 20;
/// How often a waiting receiver looks again, in real time.
const LOOK_AGAIN: Duration = Duration::from_millis(25);

#[derive(Deserialize)]
struct Advance {
    advance_seconds: f64,
}

#[derive(Deserialize)]
struct NewBucket {
    name: String,
    #[serde(default)]
    object_lock: bool,
}

#[derive(Deserialize)]
struct Vaults {
    name: Option<String>,
    closed: Option<bool>,
}

#[derive(Deserialize)]
struct Late {
    late_seconds: f64,
}

type Outcome = Result<Value, String>;

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| format!("the body is not what is wanted here: {error}"))
}

fn seconds(number: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(number).map_err(|_| format!("{number} is no number of seconds to go forward"))
}

/// Answers a control request.
pub(super) async fn answer(sim: &Arc<Sim>, path: &str, request: Request<Incoming>, peer: SocketAddr) -> Answer {
    if !peer.ip().is_loopback() {
        return plain(403, "application/json", json!({ "error": "control is for loopback only" }).to_string());
    }
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return plain(400, "application/json", json!({ "error": error.to_string() }).to_string()),
    };
    let sim = ColdSim { sim: sim.clone() };
    match act(&sim, &parts.method, path.trim_end_matches('/'), &body) {
        None => plain(404, "application/json", json!({ "error": format!("there is no /_coldsim/{path}") }).to_string()),
        Some(Ok(value)) => plain(200, "application/json", value.to_string()),
        Some(Err(error)) => plain(400, "application/json", json!({ "error": error }).to_string()),
    }
}

fn clock(sim: &ColdSim) -> Value {
    let now = sim.now();
    json!({ "now": now.to_string(), "seconds": now.seconds() })
}

fn act(sim: &ColdSim, method: &Method, path: &str, body: &[u8]) -> Option<Outcome> {
    let done = || json!({});
    Some(match (method.as_str(), path) {
        ("GET", "clock") => Ok(clock(sim)),
        ("POST", "clock") => parse(body).and_then(|wanted: Advance| {
            sim.advance(seconds(wanted.advance_seconds)?);
            Ok(clock(sim))
        }),
        ("GET", "bill") => serde_json::to_value(sim.bill()).map_err(|error| error.to_string()),
        ("POST", "bill/reset") => {
            sim.reset_bill();
            Ok(done())
        }
        ("GET", "requests") => serde_json::to_value(sim.requests()).map_err(|error| error.to_string()),
        ("DELETE", "requests") => {
            sim.forget_requests();
            Ok(done())
        }
        ("POST", "faults") => parse(body).map(|fault: Fault| {
            sim.fault(fault);
            done()
        }),
        ("DELETE", "faults") => {
            sim.clear_faults();
            Ok(done())
        }
        ("POST", "keys") => parse(body).and_then(|key: AccessKey| {
            sim.add_key(key).map_err(|error| match std::error::Error::source(&error) {
                Some(source) => format!("{error}: {source}"),
                None => error.to_string(),
            })?;
            Ok(done())
        }),
        ("POST", "buckets") => parse(body).and_then(|bucket: NewBucket| {
            sim.make_bucket(&bucket.name, bucket.object_lock).map_err(|error| error.to_string())?;
            Ok(done())
        }),
        ("POST", "vaults") => parse(body).and_then(|wanted: Vaults| {
            wanted.name.iter().try_for_each(|name| sim.create_vault(name)).map_err(|error| error.to_string())?;
            if let Some(closed) = wanted.closed {
                sim.set_closed(closed);
            }
            Ok(done())
        }),
        ("POST", "events") => parse(body).and_then(|late: Late| {
            sim.store_events_late(seconds(late.late_seconds)?);
            Ok(done())
        }),
        _ => return None,
    })
}

/// A signed call to one of the services beside S3.
pub(super) async fn aside(sim: &Arc<Sim>, to: &Aside, parts: &Parts, body: &[u8], caller: &Caller) -> Answer {
    if let Err(denied) = allowed(sim, to, parts, body, caller) {
        return to.error(403, "AccessDenied", &denied);
    }
    match to {
        Aside::Queue(target) => queue(sim, target, parts, body).await,
        Aside::Query(service) => {
            let (status, xml) =
                of_account(sim, parts, caller, |state, call| account::answer(state, *service, body, call));
            plain(status, "text/xml", xml)
        }
        Aside::Budgets(target) => {
            let operation = target.rsplit('.').next().unwrap_or_default();
            let (status, json) =
                of_account(sim, parts, caller, |state, call| account::answer_json(state, operation, body, call));
            plain(status, "application/x-amz-json-1.1", json)
        }
        Aside::Jobs => {
            let call = Call {
                method: parts.method.as_str(),
                path: parts.uri.path(),
                query: parts.uri.query().unwrap_or_default(),
                body,
                account: header(&parts.headers, "x-amz-account-id").unwrap_or(ACCOUNT),
            };
            let (status, xml) = sim.with(|state| state.call_jobs(&call));
            plain(status, "application/xml", xml)
        }
    }
}

/// The action that a call to S3 Control needs.
fn job_action(parts: &Parts) -> &'static str {
    match (parts.method.as_str(), parts.uri.path()) {
        ("POST", path) if path.ends_with("/jobs") => "s3:CreateJob",
        ("POST", path) if path.ends_with("/priority") => "s3:UpdateJobPriority",
        ("POST", _) => "s3:UpdateJobStatus",
        (_, path) if path.ends_with("/jobs") => "s3:ListJobs",
        _ => "s3:DescribeJob",
    }
}

/// What a new batch job is to do, as `s3:RequestJobOperation` names it.
fn job_operation(to: &Aside, body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok().filter(|_| matches!(to, Aside::Jobs))?;
    let inside = text.split_once("<Operation>")?.1.trim_start().strip_prefix('<')?;
    let end = inside.find(|c: char| !c.is_ascii_alphanumeric())?;
    Some(inside[..end].to_string())
}

/// The ARN of the queue that a call names by URL or name.
fn queue_arn(region: &str, body: &[u8]) -> String {
    let call: Value = serde_json::from_slice(body).unwrap_or_default();
    let named = call.get("QueueUrl").or(call.get("QueueName")).and_then(Value::as_str).unwrap_or_default();
    let name = named.rsplit('/').next().unwrap_or_default();
    format!("arn:aws:sqs:{region}:{ACCOUNT}:{name}")
}

/// Lets the account answer.
fn of_account<R>(
    sim: &Sim,
    parts: &Parts,
    caller: &Caller,
    answer: impl FnOnce(&mut crate::state::State, &account::Call<'_>) -> R,
) -> R {
    let real_now = sim.real_now();
    sim.with(|state| {
        let context = context_of(state, Some(caller), &Named::default(), &parts.headers);
        let call = account::Call { caller, context: &context, enforce: sim.enforce, real_now };
        answer(state, &call)
    })
}

fn allowed(sim: &Sim, to: &Aside, parts: &Parts, body: &[u8], caller: &Caller) -> Result<(), String> {
    let (action, resource) = match to {
        // The account knows which of its resources a call is about.
        Aside::Query(_) | Aside::Budgets(_) => return Ok(()),
        Aside::Jobs => (job_action(parts).to_string(), "*".to_string()),
        Aside::Queue(target) => {
            let name = target.trim_start_matches("AmazonSQS.");
            // Batches need the right to the single call.
            (format!("sqs:{}", name.trim_end_matches("Batch")), queue_arn(&sim.region, body))
        }
    };
    if !sim.enforce {
        return Ok(());
    }
    let decision = sim.with(|state| {
        let mut context = context_of(state, Some(caller), &Named::default(), &parts.headers);
        let policy = state.queues.policy(&resource);
        if let Some(operation) = job_operation(to, body) {
            context.insert("s3:requestjoboperation".into(), vec![operation]);
        }
        decide(Some(caller), policy, &action, &resource, &context)
    });
    match decision {
        Ok(Decision::Allow) => Ok(()),
        Ok(_) => Err(format!("User: {} is not authorized to perform: {action} on resource: {resource}", caller.arn)),
        Err(error) => Err(error.to_string()),
    }
}

async fn queue(sim: &Sim, target: &str, parts: &Parts, body: &[u8]) -> Answer {
    let host = header(&parts.headers, "host").unwrap_or("127.0.0.1");
    let base = format!("http://{host}");
    let call: Value = serde_json::from_slice(body).unwrap_or_default();
    let wait = call.get("WaitTimeSeconds").and_then(Value::as_u64).unwrap_or(0).min(20);
    let receives = target.ends_with("ReceiveMessage");
    let deadline = sim.real_now().plus(Duration::from_secs(if receives { wait } else { 0 }));
    loop {
        let answer = sim.with(|state| {
            state.dirty.insert(crate::state::Record::Rest);
            state.queues.handle(target, body, &base, ACCOUNT, state.now)
        });
        let empty = receives && answer.status == 200 && !answer.body.contains("\"ReceiptHandle\"");
        if empty && sim.real_now() < deadline {
            tokio::time::sleep(LOOK_AGAIN).await;
            continue;
        }
        let mut found = plain(answer.status, "application/x-amz-json-1.0", answer.body);
        if let Some(kind) = answer.error_type.and_then(|kind| HeaderValue::from_str(&kind).ok()) {
            found.headers_mut().insert("x-amzn-query-error", kind);
        }
        return found;
    }
}
