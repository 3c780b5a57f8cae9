//! Vault calls over HTTP: named, their signature checked, archives taken in while they are hashed.

use futures::TryStreamExt;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited, StreamBody};
use hyper::body::{Frame, Incoming};

use super::body::{Draining, Sent};
use super::{Answer, Cut, Server, access_key, header, plain, sigv4};
use crate::Logged;
use crate::account::Caller;
use crate::blobs::Segment;
use crate::faults::Strike;
use crate::glacier::route::{self, Named, Operation};
use crate::glacier::tree::TreeHasher;
use crate::glacier::{Call, Failure, Outcome, Received, Reply, ReplyBody, UPLOAD_BYTES_MAX};
use crate::sim::Sim;

/// The version of the API that every call names.
const VERSION: &str = "2012-06-01";
/// The largest body that is no archive.
const BODY_BYTES_MAX: usize = 1 << 20;

/// True if a request is for vaults: it says so, or is signed for them.
pub(super) fn is_call(headers: &HeaderMap) -> bool {
    let signed = || header(headers, "authorization").is_some_and(|text| text.contains("/glacier/aws4_request"));
    headers.contains_key("x-amz-glacier-version") || signed()
}

fn error(failure: &Failure) -> Answer {
    let mut answer = plain(failure.status, "application/json", failure.json().to_string());
    if let Ok(code) = HeaderValue::from_str(&failure.code) {
        answer.headers_mut().insert("x-amzn-errortype", code);
    }
    answer
}

impl From<sigv4::Refused> for Failure {
    fn from(refused: sigv4::Refused) -> Self {
        let (status, code) = match refused.code {
            "MissingAuthenticationToken" => (400, "MissingAuthenticationTokenException"),
            "InvalidClientTokenId" => (400, "UnrecognizedClientException"),
            "IncompleteSignature" => (400, "IncompleteSignatureException"),
            _ => (refused.status, "InvalidSignatureException"),
        };
        Self::new(status, code, refused.message)
    }
}

/// What a fault that was asked for looks like here.
fn asked_for(status: u16, code: &str) -> Failure {
    match code {
        "SlowDown" => Failure::new(400, "ThrottlingException", "Rate exceeded"),
        code => Failure::new(status, code, "a fault that was asked for"),
    }
}

impl Server {
    /// A call for vaults, with what tests want to go wrong.
    pub(super) async fn glacier(&self, request: Request<Incoming>) -> Result<Answer, Cut> {
        let (parts, body) = request.into_parts();
        let named = route::name(&parts.method, parts.uri.path(), parts.uri.query().unwrap_or_default());
        let operation = named.operation.map(Operation::name).unwrap_or_default();
        let strike = self.sim.faults().strike(&operation, &named.vault);
        let mut logged = Logged {
            method: parts.method.to_string(),
            operation,
            bucket: named.vault.clone(),
            key: named.id.clone(),
            access_key: access_key(&parts.headers, &crate::operation::Named::default()),
            status: 0,
        };
        let waits = parts.headers.contains_key(http::header::EXPECT);
        let answer = self.struck_vault(&parts, &named, Draining::new(body, waits), &strike).await;
        logged.status = answer.as_ref().map_or(0, |answer| answer.status().as_u16());
        self.sim.note(logged);
        answer
    }

    async fn struck_vault(&self, parts: &Parts, named: &Named, body: Draining, strike: &Strike) -> Result<Answer, Cut> {
        if !strike.delay.is_zero() {
            tokio::time::sleep(strike.delay).await;
        }
        if strike.cut_before {
            return Err(Cut);
        }
        let outcome = match &strike.error {
            Some((status, code)) => Err(asked_for(*status, code)),
            None => respond(&self.sim, parts, named, body).await,
        };
        let answer = outcome.and_then(|reply| self.written(reply));
        let mut answer = answer.unwrap_or_else(|failure| error(&failure));
        if strike.cut_after {
            return Err(Cut);
        }
        answer.body_mut().cut_after(strike.cut_answer);
        let id = format!("COLDSIM{:09X}", self.sim.request_number());
        if let Ok(id) = HeaderValue::from_str(&id) {
            answer.headers_mut().insert("x-amzn-requestid", id);
        }
        Ok(answer)
    }

    fn written(&self, reply: Reply) -> Outcome<Answer> {
        let mut answer = match reply.body {
            ReplyBody::Nothing => plain(reply.status, "application/json", ""),
            ReplyBody::Json(value) => plain(reply.status, "application/json", value.to_string()),
            ReplyBody::Stored(segments) => {
                let length: u64 = segments.iter().map(|segment| segment.len).sum();
                let pieces = self.sim.blobs.stream(&segments, 0..length).map_err(|error| unavailable(&error))?;
                let body = s3s::Body::http_body_unsync(StreamBody::new(pieces.map_ok(Frame::data)));
                let mut answer = Response::new(Sent::metered(body, self.sim.clone(), None));
                answer.headers_mut().insert(http::header::CONTENT_LENGTH, HeaderValue::from(length));
                answer
            }
        };
        *answer.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in reply.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                answer.headers_mut().insert(name, value);
            }
        }
        Ok(answer)
    }
}

fn unavailable(error: &std::io::Error) -> Failure {
    Failure::new(500, "ServiceUnavailableException", format!("the simulator's storage failed: {error}"))
}

async fn respond(sim: &Sim, parts: &Parts, named: &Named, body: Draining) -> Outcome<Reply> {
    match header(&parts.headers, "x-amz-glacier-version") {
        Some(VERSION) => {}
        Some(other) => return Err(Failure::invalid(format!("Invalid API version: {other}"))),
        None => return Err(Failure::missing("API version")),
    }
    let unknown = || Failure::new(400, "BadRequest", format!("no such operation: {} {}", parts.method, parts.uri));
    let operation = named.operation.ok_or_else(unknown)?;
    if operation.uploads() {
        return upload(sim, parts, named, operation, body).await;
    }
    let bytes = Limited::new(body, BODY_BYTES_MAX).collect().await;
    let bytes = bytes.map_err(|error| Failure::new(400, "SerializationException", error.to_string()))?.to_bytes();
    let who = sigv4::verify(sim, parts, &bytes)?;
    let asks = operation == Operation::InitiateJob && asks_expedited(&bytes);
    let no_capacity = asks && sim.faults().refuses_expedited("InitiateJob", &named.vault);
    let call = Call { operation, named, headers: &parts.headers, body: &bytes, who: &who, no_capacity };
    sim.with(|state| {
        state.admit(&call, sim.enforce)?;
        state.call_glacier(&call)
    })
}

fn asks_expedited(body: &[u8]) -> bool {
    let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    body.get("Tier").and_then(|tier| tier.as_str()) == Some("Expedited")
}

/// An archive or a part: whatever is wrong with it, nothing of it stays.
async fn upload(sim: &Sim, parts: &Parts, named: &Named, operation: Operation, body: Draining) -> Outcome<Reply> {
    let declared = header(&parts.headers, "x-amz-content-sha256");
    let declared = declared.ok_or_else(|| Failure::missing("x-amz-content-sha256"))?;
    let who: Caller = sigv4::verify_declared(sim, parts, declared)?;
    let call = Call { operation, named, headers: &parts.headers, body: &[], who: &who, no_capacity: false };
    let length = header(&parts.headers, "content-length").and_then(|text| text.parse().ok());
    let length: u64 = length.ok_or_else(|| Failure::missing("Content-Length"))?;
    sim.with(|state| {
        state.admit(&call, sim.enforce)?;
        state.expect_upload(&call, length)
    })?;
    let received = receive(sim, body).await?;
    let segment = received.segment;
    let taken = if received.hashed.linear == declared {
        // Policies and locks may have changed while the bytes came.
        sim.with(|state| {
            state.admit(&call, sim.enforce)?;
            state.take_upload(&call, received)
        })
    } else {
        Err(wrong_hash(declared, &received.hashed.linear))
    };
    if taken.is_err() {
        sim.blobs.remove(segment.blob);
    }
    taken
}

fn wrong_hash(declared: &str, computed: &str) -> Failure {
    let message = "The value passed in as x-amz-content-sha256 does not match the computed payload hash.";
    let message = format!("{message} Computed digest: {computed} expected hash: {declared}");
    Failure::new(403, "InvalidSignatureException", message)
}

async fn receive(sim: &Sim, mut body: Draining) -> Outcome<Received> {
    let mut hasher = TreeHasher::new();
    let mut writer = sim.blobs.create().map_err(|error| unavailable(&error))?;
    let mut bytes = 0_u64;
    while let Some(frame) = body.frame().await {
        let cut = |_| Failure::new(408, "RequestTimeoutException", "The archive did not come whole.");
        let Ok(piece) = frame.map_err(cut)?.into_data() else { continue };
        bytes += piece.len() as u64;
        if bytes > UPLOAD_BYTES_MAX {
            return Err(Failure::invalid("Invalid Content-Length: more than 4 GiB came"));
        }
        hasher.update(&piece);
        writer.write(&piece).map_err(|error| unavailable(&error))?;
    }
    let segment: Segment = writer.finish().map_err(|error| unavailable(&error))?;
    Ok(Received { segment, hashed: hasher.finish() })
}
