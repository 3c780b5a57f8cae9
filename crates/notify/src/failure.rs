//! Why a message did not arrive, and whether trying again may help.

use std::time::Duration;

use crate::secret::SecretError;

/// One attempt that failed.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// What, where, what now.
    pub(crate) why: String,
    /// True if the same may work later.
    pub(crate) again: bool,
    /// How long the other side wants to be left alone.
    pub(crate) after: Option<Duration>,
}

impl Failure {
    /// It may pass: worth another attempt.
    pub(crate) fn passing(why: impl Into<String>) -> Self {
        Self { why: why.into(), again: true, after: None }
    }

    /// It will be the same next time.
    pub(crate) fn lasting(why: impl Into<String>) -> Self {
        Self { why: why.into(), again: false, after: None }
    }
}

impl From<SecretError> for Failure {
    fn from(error: SecretError) -> Self {
        Self::lasting(error.to_string())
    }
}
