//! The overview: is everything safe, by the rule? It asks the stores, so whoever serves it keeps
//! it for a while.

use std::collections::BTreeSet;

use darkslide_catalog::Catalog;
use darkslide_words::{Bytes, Count, Time};
use serde::Serialize;

use crate::{CopiesReport, Engine, EngineError, GroupBy, JobPlan, Status, todo};

/// Files that do not have what a part of the rule asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Lacking {
    /// Too few copies.
    pub copies: Count,
    /// On too few media.
    pub media: Count,
    /// None outside the house.
    pub off_site: Count,
}

/// How things stand, and how the photographs' copies do.
#[derive(Debug)]
pub struct Overview {
    /// When it was looked.
    pub at: Time,
    /// Stores, jobs, mirrors.
    pub status: Status,
    /// Jobs, when they run.
    pub plans: Vec<JobPlan>,
    /// What to do; nothing where all is as it should be.
    pub todo: Vec<String>,
    /// Copies, held against the rule.
    pub copies: CopiesReport,
    /// For how many files each part of the rule does not hold.
    pub lacking: Lacking,
    /// Packs that the index knows, and their sealed bytes.
    pub stored: (Count, Bytes),
}

impl Overview {
    /// True if the rule holds for each file, of which there are some. A photograph that came into
    /// the library since the last backup is not in it.
    pub fn is_safe(&self) -> bool {
        self.copies.files.0 > 0 && self.copies.lacking.0 == 0
    }
}

impl Engine {
    /// What is not as it should be, each with what to do.
    pub fn todo(&self, status: &Status, plans: &[JobPlan]) -> Vec<String> {
        todo::todo(status, plans, &self.settings)
    }

    /// How everything stands. Lists the stores. `host` is the name of this machine.
    pub fn overview(&self, host: &str) -> Result<Overview, EngineError> {
        let at = self.clock.now();
        let mut status = self.status_uncounted()?;
        let plans = self.job_plans(&BTreeSet::new(), &self.jitter_seed(host))?;
        let rule = self.settings.copies.rule();
        let mut lacking = Lacking::default();
        let copies = self.copies(None, GroupBy::Photo, &mut |file| {
            let worst = &file.worst;
            lacking.copies += Count(u64::from(worst.copies < rule.copies));
            lacking.media += Count(u64::from(worst.media < rule.media));
            lacking.off_site += Count(u64::from(rule.off_site && !worst.off_site));
        })?;
        status.copies = (copies.files.0 > 0).then(|| copies.clone());
        let todo = self.todo(&status, &plans);
        let mut stored = (Count(0), Bytes(0));
        Catalog::open(&self.catalog_path())?.for_each_pack::<EngineError>(|_, facts, _, _| {
            stored.0 += Count(1);
            stored.1 += facts.size;
            Ok(())
        })?;
        Ok(Overview { at, status, plans, todo, copies, lacking, stored })
    }
}
