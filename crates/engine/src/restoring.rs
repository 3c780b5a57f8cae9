//! `restore`: from a snapshot back to files.

use std::path::PathBuf;

use darkslide_format::identity::IdentityFile;
use darkslide_restore::{Existing, RestorePlan, Restored, Selection, restore};
use darkslide_words::Name;

use crate::browse::root_of;
use crate::observe::RestoreObserver;
use crate::{Engine, EngineError};

/// What is restored, and where to.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// Which snapshot: `latest`, or the beginning of its name.
    pub snapshot: String,
    /// Files and folders; none means all.
    pub paths: Vec<Name>,
    /// Where to.
    pub to: PathBuf,
    /// What happens to files that are there.
    pub existing: Existing,
    /// Writers that are accepted though they are not trusted.
    pub accept_writers: Vec<String>,
}

impl Engine {
    /// What a restore would do: files, bytes, packs. Reads no photograph.
    pub fn restore_plan(
        &self,
        options: &RestoreOptions,
        identity: Option<&IdentityFile>,
    ) -> Result<RestorePlan, EngineError> {
        let mut browser = self.browser(identity)?;
        let (_, snapshot) = browser.find(&options.snapshot, &options.accept_writers)?;
        let selection = Selection::new(options.paths.clone());
        let catalog = darkslide_catalog::Catalog::open(&self.catalog_path())?;
        let root = root_of(&snapshot)?;
        // A connection of its own, which only looks.
        catalog.hold();
        Ok(RestorePlan::make(&catalog, &mut browser.pages(), root, selection, options.to.clone(), options.existing)?)
    }

    /// Restores what a plan says.
    pub fn restore(
        &self,
        plan: &RestorePlan,
        identity: &IdentityFile,
        observer: &dyn RestoreObserver,
    ) -> Result<Restored, EngineError> {
        let repo = self.repository()?;
        let (opened, _) = repo.opened(identity)?;
        Ok(restore(plan, &self.catalog_path(), &self.nearest_first(&repo), &opened, observer)?)
    }
}
