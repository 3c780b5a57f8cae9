//! What all requests share.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use darkslide_engine::words::{Clock, Time};
use darkslide_engine::{Engine, ServeSettings};
use tokio::sync::{Semaphore, watch};

use crate::looked::Looked;
use crate::refusal::Refusal;
use crate::sessions::Sessions;
use crate::tasks::Tasks;
use crate::tries::Tries;
use crate::unlock::Unlocked;
use crate::{Logins, Means, WebError};

/// Calls of the engine at once.
const ENGINE_MAX: usize = 4;
/// Pages that hear what changes, at once.
const LISTENERS_MAX: usize = 32;
/// How long a request waits for its turn.
const TURN: Duration = Duration::from_secs(20);

/// What all requests share.
pub struct Site {
    pub(crate) means: Arc<dyn Means>,
    pub(crate) settings: ServeSettings,
    pub(crate) stopping: watch::Receiver<bool>,
    pub(crate) looked: Looked,
    pub(crate) tasks: Arc<Tasks>,
    pub(crate) unlocked: Unlocked,
    /// Pages that are open and hear what changes.
    pub(crate) listeners: Arc<Semaphore>,
    clock: Arc<dyn Clock>,
    state: PathBuf,
    is_tls: bool,
    turns: Arc<Semaphore>,
    hashing: Semaphore,
    sessions: Mutex<Sessions>,
    tries: Mutex<Tries>,
}

impl Site {
    /// Of a configuration.
    pub fn new(
        means: Arc<dyn Means>,
        engine: &Engine,
        settings: ServeSettings,
        is_tls: bool,
        stopping: watch::Receiver<bool>,
    ) -> Result<Self, WebError> {
        let state = engine.settings().state_dir();
        // What cannot be read is told now, not at the first login.
        Logins::load(&state)?;
        Ok(Self {
            clock: means.clock(),
            means,
            settings,
            stopping,
            looked: Looked::default(),
            tasks: Arc::default(),
            unlocked: Unlocked::default(),
            listeners: Arc::new(Semaphore::new(LISTENERS_MAX)),
            state,
            is_tls,
            turns: Arc::new(Semaphore::new(ENGINE_MAX)),
            hashing: Semaphore::new(1),
            sessions: Mutex::default(),
            tries: Mutex::default(),
        })
    }

    /// True where browsers speak TLS.
    pub fn is_secure(&self) -> bool {
        self.is_tls || self.settings.behind_proxy
    }

    /// Name of the cookie: with TLS one that no other host may set.
    pub fn cookie_name(&self) -> &'static str {
        if self.is_secure() { "__Host-darkslide" } else { "darkslide" }
    }

    /// By the clock that never jumps.
    pub fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    /// The time.
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// Who may log in, read anew.
    pub fn logins(&self) -> Result<Logins, Refusal> {
        let broken = |e: WebError| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "config", e.to_string());
        Logins::load(&self.state).map_err(broken)
    }

    /// Who is logged in.
    pub fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logins that failed.
    pub fn tries(&self) -> MutexGuard<'_, Tries> {
        self.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with an engine, on a thread where it may block.
    pub async fn engine<T: Send + 'static>(
        &self,
        work: impl FnOnce(Engine) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let means = self.means.clone();
        self.blocking(move || work(means.engine()?)).await
    }

    /// Does something that blocks, when its turn comes.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let busy = || Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "too much is asked at once: try again");
        let turn = tokio::time::timeout(TURN, self.turns.clone().acquire_owned()).await;
        let turn = turn.map_err(|_| busy())?.map_err(|_| busy())?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        done.await.unwrap_or_else(|_| {
            let text = "something broke down in Darkslide: see what its process said";
            Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", text))
        })
    }

    /// The same for hashing passwords, one at a time: it takes memory.
    pub async fn hash<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
        let busy = |_| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "too many log in at once: try again");
        let _turn = self.hashing.acquire().await.map_err(busy)?;
        tokio::task::spawn_blocking(work).await.map_err(|_| {
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the login could not be checked: try again")
        })
    }

    /// Counts copies anew if it is time, beside everything else.
    pub fn look(self: &Arc<Self>) {
        let site = self.clone();
        // Without a thread it is counted the next time.
        let _ = std::thread::Builder::new().name("count".into()).spawn(move || site.count());
    }

    fn count(&self) {
        let host = self.means.host();
        let engine = self.means.engine();
        let run = engine.as_ref().ok().and_then(|engine| Some(engine.runs(None, 1).ok()?.first()?.id));
        if !self.looked.is_due(run, self.elapsed(), self.settings.count_every()) {
            return;
        }
        let counted = engine.and_then(|engine| engine.overview(&host)).map_err(|error| error.to_string());
        self.looked.done(counted, run.unwrap_or_default(), self.elapsed());
    }
}
