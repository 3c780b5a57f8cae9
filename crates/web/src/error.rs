//! Why the page cannot be served. What a request gets instead of an answer is in `refusal`.

use std::net::SocketAddr;
use std::path::PathBuf;

use darkslide_engine::EngineError;

/// Why the page cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebError {
    /// What the engine said.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A key of the configuration.
    #[error("{0}")]
    Settings(String),
    /// The address is taken, or is none of this machine's.
    #[error("the page cannot be served at {address}: {source}; choose another `listen` in [serve], or --listen")]
    NotBound {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// Certificate or key.
    #[error("{path}, for TLS: {why}")]
    Certificate {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A file of ours.
    #[error("{what} {path}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file with the logins is not one.
    #[error(
        "{path} holds the logins of the page and cannot be understood: {why}; `darkslide serve password` makes it anew once it is moved away"
    )]
    Logins {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// No thread, no random bytes.
    #[error("the system gave no {what}: {source}")]
    System {
        /// What.
        what: &'static str,
        /// What it said.
        source: std::io::Error,
    },
    /// A password that anybody guesses.
    #[error("the password has {0} characters; it needs 10 at the least")]
    ShortPassword(usize),
}
