//! Single files out of the repository, for whoever holds an identity: to heal what rotted.

use std::path::PathBuf;

use darkslide_words::Name;

use crate::observe::RestoreObserver;
use crate::{Engine, EngineError, Existing, IdentityFile, RestoreOptions};

/// Fetches files into a folder of its own.
pub struct Restorer<'r> {
    /// The engine.
    pub engine: &'r Engine,
    /// What opens photographs.
    pub identity: &'r IdentityFile,
    /// Where they go.
    pub folder: PathBuf,
    /// Who watches.
    pub observer: &'r dyn RestoreObserver,
}

impl Restorer<'_> {
    /// Restores one file from a job's last snapshot, if it can be read without a thaw.
    pub(crate) fn fetch(&self, job: &str, path: &Name) -> Result<PathBuf, EngineError> {
        let options = RestoreOptions {
            snapshot: format!("latest:{job}"),
            paths: vec![path.clone()],
            to: self.folder.clone(),
            existing: Existing::Replace,
            accept_writers: Vec::new(),
        };
        let plan = self.engine.restore_plan(&options, Some(self.identity))?;
        let done = self.engine.restore(&plan, self.identity, self.observer)?;
        match done.casualties.first() {
            None => Ok(darkslide_disk::path_of(&self.folder, path)),
            Some(casualty) => Err(EngineError::NotHealed { path: path.to_string(), why: casualty.reason.clone() }),
        }
    }
}
