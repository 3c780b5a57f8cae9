//! What a request gets instead of an answer: a status and a JSON body that says what happened, to
//! which thing, and what to do.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use darkslide_engine::{EngineError, ErrorKind};
use serde::Serialize;
use utoipa::ToSchema;

/// Why a request was refused.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Refused {
    /// For programs: `user`, `config`, `environment`, `integrity`, `refused`, `cancelled`, `login`, `forbidden`,
    /// `foreign`, `limit`, `unknown`, `busy`, `internal`.
    pub kind: &'static str,
    /// For people.
    pub message: String,
}

/// A refusal on its way out.
#[derive(Debug)]
pub struct Refusal {
    /// HTTP's status.
    pub status: StatusCode,
    /// What it says.
    pub body: Refused,
}

impl Refusal {
    /// With its kind, in words.
    pub fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, body: Refused { kind, message: message.into() } }
    }

    /// Nobody is logged in.
    pub fn login() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "login", "log in first")
    }

    /// There is no such thing.
    pub fn unknown(what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "unknown", what)
    }

    /// What was sent cannot be understood.
    pub fn bad(what: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "user", what)
    }
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        let (status, kind) = match error.kind() {
            ErrorKind::User => (StatusCode::UNPROCESSABLE_ENTITY, "user"),
            ErrorKind::Config => (StatusCode::UNPROCESSABLE_ENTITY, "config"),
            ErrorKind::Environment => (StatusCode::SERVICE_UNAVAILABLE, "environment"),
            ErrorKind::Integrity => (StatusCode::CONFLICT, "integrity"),
            ErrorKind::Refused => (StatusCode::CONFLICT, "refused"),
            ErrorKind::Cancelled => (StatusCode::CONFLICT, "cancelled"),
        };
        Self::new(status, kind, error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}
