//! Listening: a thread with a small runtime, connections within bounds, an end within seconds.
//!
//! **Invariant:** what the engine does blocks, so it runs on other threads, of which there are few;
//! a request that finds all of them at work for long is told so.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tower_service::Service as _;

use crate::site::Site;
use crate::{Means, WebError, api, guard, keeper, tls};

/// Connections at once.
const CONNECTIONS_MAX: usize = 256;
/// Threads for what blocks.
const BLOCKING_MAX: usize = 12;
/// How long the head of a request, or a TLS handshake, may take.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long requests that are under way have when the page ends.
const GRACE: Duration = Duration::from_secs(4);
/// Between two looks whether what runs has ended.
const TICK: Duration = Duration::from_millis(50);

/// Who is at the other end.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// A page that is served.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    is_tls: bool,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Where it listens; of port 0, the port that the system chose.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// As a browser wants it.
    pub fn url(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}/", self.address)
    }

    /// Ends it: nothing new is accepted, what is under way has a few seconds.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // Nobody listens any more if the thread broke down.
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// Serves the page, on a thread of its own, until it is told to stop. `listen` goes before what the
/// configuration says.
pub fn start(means: Arc<dyn Means>, listen: Option<SocketAddr>) -> Result<Server, WebError> {
    let engine = means.engine()?;
    let mut settings = engine.settings().serve.clone().unwrap_or_default();
    if let Some(listen) = listen {
        settings.listen = Some(listen.to_string());
    }
    if let Some(problem) = settings.problem() {
        return Err(WebError::Settings(problem));
    }
    let wanted = settings.address().map_err(WebError::Settings)?;
    let tls = match (&settings.certificate, &settings.key) {
        (Some(certificate), Some(key)) => {
            Some(tls::acceptor(&engine.settings().resolve(certificate), &engine.settings().resolve(key))?)
        }
        _ => None,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(BLOCKING_MAX)
        .thread_name("web")
        .enable_all()
        .build()
        .map_err(|source| WebError::System { what: "threads for the page", source })?;
    let bound = |source| WebError::NotBound { address: wanted, source };
    let listener = runtime.block_on(TcpListener::bind(wanted)).map_err(bound)?;
    let address = listener.local_addr().map_err(bound)?;
    let (stop, stopping) = watch::channel(false);
    let is_tls = tls.is_some();
    let site = Arc::new(Site::new(means, &engine, settings, is_tls, stopping.clone())?);
    let app = guard::around(api::routes(), &site);
    site.look();
    keeper::keep(&site);
    let tasks = site.tasks.clone();
    let serving = move || {
        runtime.block_on(accept(listener, tls, app, stopping));
        tasks.stop_all();
        let mut left = GRACE;
        while tasks.is_busy() && !left.is_zero() {
            std::thread::sleep(TICK);
            left = left.saturating_sub(TICK);
        }
        runtime.shutdown_timeout(GRACE);
    };
    let thread = std::thread::Builder::new().name("web".into()).spawn(serving);
    let thread = thread.map_err(|source| WebError::System { what: "thread for the page", source })?;
    Ok(Server { address, is_tls, stop, thread: Some(thread) })
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, app: Router, mut stopping: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = room.clone().acquire_owned().await else { return };
        let (stream, peer) = tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                // Too many open files, or a peer that is gone already: both pass.
                Err(_) => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let (app, tls, stopping) = (app.clone(), tls.clone(), stopping.clone());
        tokio::spawn(async move {
            converse(stream, peer, tls, app, stopping).await;
            drop(place);
        });
    }
    drop(listener);
    // Each connection holds a place until it is over.
    let all = room.acquire_many(CONNECTIONS_MAX as u32);
    let _ = tokio::time::timeout(GRACE, all).await;
}

async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    app: Router,
    stopping: watch::Receiver<bool>,
) {
    // A peer that does without is only slower.
    let _ = stream.set_nodelay(true);
    match tls {
        None => answer(stream, peer, app, stopping).await,
        Some(tls) => {
            // Whoever speaks no TLS here gets no answer.
            if let Ok(Ok(stream)) = tokio::time::timeout(HEAD_TIME, tls.accept(stream)).await {
                answer(stream, peer, app, stopping).await;
            }
        }
    }
}

async fn answer<S>(stream: S, peer: SocketAddr, app: Router, mut stopping: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        app.clone().call(request)
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(64 * 1024);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    // A peer that breaks off is no error of ours.
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stopping.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
