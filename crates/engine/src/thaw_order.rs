//! What a thaw is for, as it stands in its row: whoever goes on with it needs no more.

use std::path::PathBuf;

use darkslide_catalog::ThawRow;
use darkslide_restore::Existing;
use darkslide_words::{Name, ObjectName};
use serde::{Deserialize, Serialize};

use crate::{EngineError, RestoreOptions};

/// What a thaw is for, in its row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) snapshot: String,
    pub(crate) paths: Vec<Name>,
    pub(crate) to: PathBuf,
    pub(crate) overwrite: bool,
    pub(crate) accept: Vec<String>,
    /// Label of a vault that is left: its archives go to `to`, which is a store then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) leaves: Option<String>,
}

impl Order {
    pub(crate) fn of(options: &RestoreOptions, snapshot: &ObjectName) -> Self {
        Self {
            snapshot: snapshot.to_string(),
            paths: options.paths.clone(),
            to: crate::founding::absolute(&options.to),
            overwrite: options.existing == Existing::Replace,
            accept: options.accept_writers.clone(),
            leaves: None,
        }
    }

    /// Moving what a vault holds to another store.
    pub(crate) fn leaving(vault: &str, to: &str) -> Self {
        Self {
            snapshot: String::new(),
            paths: Vec::new(),
            to: to.into(),
            overwrite: false,
            accept: Vec::new(),
            leaves: Some(vault.to_string()),
        }
    }

    pub(crate) fn options(&self) -> RestoreOptions {
        RestoreOptions {
            snapshot: self.snapshot.clone(),
            paths: self.paths.clone(),
            to: self.to.clone(),
            existing: if self.overwrite { Existing::Replace } else { Existing::Keep },
            accept_writers: self.accept.clone(),
        }
    }
}

/// Reads it.
pub(crate) fn read_order(row: &ThawRow) -> Result<Order, EngineError> {
    serde_json::from_str(&row.order)
        .map_err(|e| EngineError::BadConfig { path: PathBuf::from(format!("thaw {}", row.id)), message: e.to_string() })
}
