//! The web page: an HTTP API, pages that are drawn from it, and metrics.
//!
//! Level 4, over the engine only: what a request wants done, a function of the engine does. How it
//! listens and who may ask is here.
//!
//! **Invariant:** nobody sees anything without a login but the login page itself, and `/metrics` on
//! this machine. Nothing is fetched from anywhere else. No request waits for a thaw: thaws are rows.

mod access;
mod api;
mod assets;
mod error;
mod guard;
mod keeper;
mod logins;
mod looked;
mod metrics;
mod refusal;
mod serve;
mod sessions;
mod site;
mod tasks;
mod tls;
mod tries;
mod unlock;

use std::sync::Arc;

use darkslide_engine::words::Clock;
use darkslide_engine::{Engine, EngineError};

pub use api::openapi;
pub use error::WebError;
pub use logins::{LoginInfo, Logins, Role};
pub use metrics::exposition;
pub use serve::{Server, start};

/// What the page is given by whoever serves it.
pub trait Means: Send + Sync + 'static {
    /// The engine of the configuration as it is now.
    fn engine(&self) -> Result<Engine, EngineError>;
    /// The clock.
    fn clock(&self) -> Arc<dyn Clock>;
    /// Name of this machine.
    fn host(&self) -> String;
}
