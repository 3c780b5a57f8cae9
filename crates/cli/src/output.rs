//! Exit codes, errors, JSON.

use std::io::Write as _;
use std::process::ExitCode;

use darkslide_engine::{EngineError, ErrorKind};
use serde_json::{Value, json};

/// The published exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// Failed.
    Failed = 1,
    /// Wrong usage.
    Usage = 2,
    /// Done, but something could not be.
    Incomplete = 3,
    /// Waiting for a thaw.
    Waiting = 4,
    /// Refused by a brake or budget.
    Refused = 5,
    /// Cancelled.
    Cancelled = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Prints a line of data. A reader that went away (`| head`) is no error.
pub fn line(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Prints a JSON value on a line.
pub fn value(value: &Value) {
    line(value);
}

/// Tells an error; its exit code.
pub fn fail(error: &anyhow::Error, as_json: bool) -> Exit {
    let kind = error.downcast_ref::<EngineError>().map(EngineError::kind);
    let exit = match kind {
        Some(ErrorKind::Refused) => Exit::Refused,
        Some(ErrorKind::Cancelled) => Exit::Cancelled,
        Some(ErrorKind::User) => Exit::Usage,
        _ => Exit::Failed,
    };
    let text = chain(error);
    if as_json {
        value(&json!({"error": text, "exit": exit as u8}));
    }
    eprintln!("darkslide: {text}");
    exit
}

/// The error and its causes, without saying anything twice.
fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause);
        }
    }
    text
}
