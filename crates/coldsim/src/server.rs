//! HTTP: faults, control, and the calls to services beside S3 are taken off first, all else is S3.

mod body;
mod control;
mod glacier;
mod sigv4;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use darkslide_words::StorageClass;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::access::{Keys, Policies};
use crate::account::{self, Service};
use crate::bill::RequestKind;
use crate::faults::Strike;
use crate::operation::{self, Named};
use crate::s3::Api;
use crate::s3::errors::{NOTE_CLASS, NOTE_ERROR, NOTE_STATUS};
use crate::sim::Sim;
use crate::state::Charge;
use crate::{ColdSimError, Logged};
use body::{Draining, Sent};

/// The largest call to a service beside S3.
const ASIDE_BYTES_MAX: usize = 4 << 20;
/// So long a stop waits for calls that are being answered.
const STOP_TIME_MAX: Duration = Duration::from_secs(2);
/// Threads that serve.
const WORKERS: usize = 4;

/// A server that runs; it stops when this is dropped.
pub struct Running {
    addr: SocketAddr,
    stop: Option<watch::Sender<bool>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Serves until the process ends.
    pub fn wait(mut self) {
        if let Some(thread) = self.thread.take() {
            // A panic of the server ends the wait; there is nothing else to do.
            let _ = thread.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // Nobody hears it if the thread has ended already.
            let _ = stop.send(true);
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Binds, then serves on a thread of its own.
pub(crate) fn start(sim: Arc<Sim>, listen: SocketAddr) -> Result<Running, ColdSimError> {
    let failed = |source| ColdSimError::Listen { listen, source };
    let listener = std::net::TcpListener::bind(listen).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_name("coldsim")
        .enable_all()
        .build()
        .map_err(failed)?;
    let (stop, stopped) = watch::channel(false);
    let serve = move || {
        runtime.block_on(accept(sim, listener, stopped));
        // Connections that wait for more requests must not hold the stop up.
        runtime.shutdown_timeout(STOP_TIME_MAX);
    };
    let thread = std::thread::Builder::new().name("coldsim".into()).spawn(serve).map_err(failed)?;
    Ok(Running { addr, stop: Some(stop), thread: Some(thread) })
}

async fn accept(sim: Arc<Sim>, listener: std::net::TcpListener, mut stopped: watch::Receiver<bool>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let mut builder = S3ServiceBuilder::new(Api { sim: sim.clone() });
    builder.set_auth(Keys(sim.clone()));
    builder.set_access(Policies(sim.clone()));
    let server = Arc::new(Server { s3: builder.build(), sim });
    loop {
        let accepted = tokio::select! {
            _ = stopped.changed() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => drop(tokio::spawn(server.clone().serve(stream, peer))),
            // Out of file handles: wait for some to be closed.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

struct Server {
    s3: S3Service,
    sim: Arc<Sim>,
}

/// The connection is to be cut without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection was cut on purpose")]
struct Cut;

type Answer = Response<Sent>;

/// An answer that is all here.
fn plain(status: u16, kind: &'static str, text: impl Into<bytes::Bytes>) -> Answer {
    let mut answer = Response::new(Sent::of(s3s::Body::from(text.into())));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

/// An error as S3 writes it.
fn s3_error(status: u16, code: &str, message: &str) -> Answer {
    let escaped = quick_xml::escape::escape(message);
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{escaped}</Message></Error>"
    );
    plain(status, "application/xml", text)
}

impl Server {
    async fn serve(self: Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        // Small answers would else wait for the client's acknowledgement.
        let _ = stream.set_nodelay(true);
        let service = hyper::service::service_fn(|request| self.clone().answer(request, peer));
        // A connection that breaks concerns its client only.
        let _ = hyper::server::conn::http1::Builder::new()
            .half_close(true)
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>, peer: SocketAddr) -> Result<Answer, Cut> {
        let path = request.uri().path().to_string();
        if let Some(rest) = path.strip_prefix("/_coldsim/") {
            return Ok(control::answer(&self.sim, rest, request, peer).await);
        }
        let target = header(request.headers(), "x-amz-target").map(str::to_string);
        if let Some(target) = target.filter(|target| target.starts_with("AmazonSQS.")) {
            return self.aside(&target.clone(), request, Aside::Queue(target)).await;
        }
        if glacier::is_call(request.headers()) {
            return self.glacier(request).await;
        }
        let target = header(request.headers(), "x-amz-target").map(str::to_string);
        if let Some(target) = target.filter(|target| target.starts_with("AWSBudgetServiceGateway.")) {
            let operation = target.replace("AWSBudgetServiceGateway", "Budgets");
            return self.aside(&operation, request, Aside::Budgets(target)).await;
        }
        let form = header(request.headers(), "content-type");
        if form.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"))
            && let Some(service) = sigv4::service(request.headers()).and_then(Service::of_scope)
        {
            return self.aside("", request, Aside::Query(service)).await;
        }
        if path.starts_with("/v20180820/") {
            return self.aside("S3Control", request, Aside::Jobs).await;
        }
        self.s3(request).await
    }

    /// A call to S3, with what tests want to go wrong.
    async fn s3(&self, request: Request<Incoming>) -> Result<Answer, Cut> {
        let uri = request.uri();
        let named = operation::name(request.method(), uri.path(), uri.query().unwrap_or_default(), request.headers());
        let mut logged = Logged {
            method: request.method().to_string(),
            operation: named.operation.to_string(),
            bucket: named.bucket.clone(),
            key: named.key.clone(),
            access_key: access_key(request.headers(), &named),
            status: 0,
        };
        let strike = self.sim.faults().strike(named.operation, &named.key);
        let waits = request.headers().contains_key(http::header::EXPECT);
        let request = request.map(|body| s3s::Body::http_body(Draining::new(body, waits)));
        let answer = self.struck(request, &named, &strike).await;
        logged.status = answer.as_ref().map_or(0, |answer| answer.status().as_u16());
        self.sim.note(logged);
        answer
    }

    async fn struck(&self, request: Request<s3s::Body>, named: &Named, strike: &Strike) -> Result<Answer, Cut> {
        if !strike.delay.is_zero() {
            tokio::time::sleep(strike.delay).await;
        }
        if strike.cut_before {
            return Err(Cut);
        }
        let mut answer = match &strike.error {
            Some((status, code)) => s3_error(*status, code, "a fault that was asked for"),
            None => match self.s3.call(request).await {
                Ok(answer) => self.finished(answer, named).await,
                Err(error) => s3_error(500, "InternalError", &format!("{error:?}")),
            },
        };
        if strike.cut_after {
            return Err(Cut);
        }
        answer.body_mut().cut_after(strike.cut_answer);
        let id = format!("COLDSIM{:09X}", self.sim.request_number());
        if let Ok(id) = HeaderValue::from_str(&id) {
            answer.headers_mut().insert("x-amz-request-id", id);
        }
        Ok(answer)
    }

    /// Carries out the notes of the operation, and charges for the request.
    async fn finished(&self, answer: Response<s3s::Body>, named: &Named) -> Answer {
        let (mut parts, body) = answer.into_parts();
        let note = |headers: &mut HeaderMap, name: &str| {
            headers.remove(name).and_then(|value| value.to_str().ok().map(str::to_string))
        };
        let class = note(&mut parts.headers, NOTE_CLASS).map(|name| StorageClass::from_name(&name));
        let status = note(&mut parts.headers, NOTE_STATUS).and_then(|text| text.parse().ok());
        parts.status = status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(parts.status);
        let body = match note(&mut parts.headers, NOTE_ERROR) {
            None => body,
            Some(more) => {
                let whole = body.collect().await.map(|all| all.to_bytes()).unwrap_or_default();
                let text = String::from_utf8_lossy(&whole).replace("</Error>", &format!("{more}</Error>"));
                parts.headers.remove(http::header::CONTENT_LENGTH);
                s3s::Body::from(text)
            }
        };
        if let Some(kind) = kind_of(named.operation).filter(|_| !parts.status.is_server_error()) {
            let class = class.clone().unwrap_or_default();
            self.sim.with(|state| state.charge(Charge::Request(kind, class)));
        }
        let read_class = class.filter(|_| named.operation == "GetObject");
        Response::from_parts(parts, Sent::metered(body, self.sim.clone(), read_class))
    }

    /// A call to one of the services beside S3.
    async fn aside(&self, operation: &str, request: Request<Incoming>, to: Aside) -> Result<Answer, Cut> {
        let (parts, body) = request.into_parts();
        let Ok(bytes) = Limited::new(body, ASIDE_BYTES_MAX).collect().await.map(|all| all.to_bytes()) else {
            return Ok(to.error(413, "RequestEntityTooLarge", "the body broke off or is larger than 4 MiB"));
        };
        let query = parts.uri.query().unwrap_or_default();
        let named = Named { query: crate::s3::convert::query_pairs(query), ..Named::default() };
        let operation = &match &to {
            Aside::Query(service) => format!("{}.{}", service.prefix().to_uppercase(), account::action_of(&bytes)),
            _ => operation.to_string(),
        };
        let strike = self.sim.faults().strike(operation, "");
        let mut logged = Logged {
            method: parts.method.to_string(),
            operation: operation.to_string(),
            bucket: String::new(),
            key: String::new(),
            access_key: access_key(&parts.headers, &named),
            status: 0,
        };
        tokio::time::sleep(strike.delay).await;
        let answer = match (&strike.error, sigv4::verify(&self.sim, &parts, &bytes)) {
            _ if strike.cut_before => Err(Cut),
            (Some((status, code)), _) => Ok(to.error(*status, code, "a fault that was asked for")),
            (None, Err(refused)) => Ok(to.error(refused.status, refused.code, &refused.message)),
            (None, Ok(caller)) => Ok(control::aside(&self.sim, &to, &parts, &bytes, &caller).await),
        };
        let answer = if strike.cut_after { Err(Cut) } else { answer };
        logged.status = answer.as_ref().map_or(0, |answer| answer.status().as_u16());
        self.sim.note(logged);
        answer
    }
}

/// Services beside S3.
enum Aside {
    /// The operation of the queue, `AmazonSQS.ReceiveMessage` and so on.
    Queue(String),
    /// S3 Control.
    Jobs,
    /// IAM, STS, SNS: the query protocol.
    Query(Service),
    /// The operation of the budgets.
    Budgets(String),
}

impl Aside {
    fn error(&self, status: u16, code: &str, message: &str) -> Answer {
        match self {
            Self::Jobs => s3_error(status, code, message),
            Self::Query(service) => plain(status, "text/xml", account::fault_xml(*service, status, code, message)),
            Self::Budgets(_) => {
                let text = serde_json::json!({ "__type": code, "message": message });
                plain(status, "application/x-amz-json-1.1", text.to_string())
            }
            Self::Queue(_) => {
                let text = serde_json::json!({ "__type": format!("com.amazonaws.sqs#{code}"), "message": message });
                plain(status, "application/x-amz-json-1.0", text.to_string())
            }
        }
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The access key of the signature, checked or not.
fn access_key(headers: &HeaderMap, named: &Named) -> String {
    let in_header = header(headers, "authorization").and_then(|text| text.split("Credential=").nth(1));
    let credential = in_header.or(named.value("X-Amz-Credential")).unwrap_or_default();
    credential.split('/').next().unwrap_or_default().to_string()
}

/// What a request costs as; restores are charged when they are accepted.
fn kind_of(operation: &str) -> Option<RequestKind> {
    Some(match operation {
        "RestoreObject" => return None,
        "AbortMultipartUpload" => RequestKind::Cancel,
        name if name.starts_with("Delete") => RequestKind::Delete,
        name if name.starts_with("List") => RequestKind::List,
        name if name.starts_with("Get") || name.starts_with("Head") => RequestKind::Get,
        _ => RequestKind::Put,
    })
}
