//! The drill: get a random sample back, through a thaw where it is cold, and hold
//! every byte against what was stored. Practised, a restore is no surprise.

use std::path::PathBuf;

use darkslide_catalog::Catalog;
use darkslide_format::identity::IdentityFile;
use darkslide_format::pages::{Descend, for_each_below};
use darkslide_format::tree::EntryKind;
use darkslide_restore::{Existing, RestorePlan, Selection};
use darkslide_thaw::{ThawPlan, plan};
use darkslide_words::{Bytes, Count, Money, Name, ObjectName, Rng, SeededRng, Time};
use serde::{Deserialize, Serialize};

use crate::browse::root_of;
use crate::observe::RestoreObserver;
use crate::thawing::{ColdRestore, ThawOptions};
use crate::{Engine, EngineError, RestoreOptions};

/// Photographs in a sample at the most.
const SAMPLE: usize = 16;
/// What a drill may cost where no limit is given: half a dollar.
pub const DRILL_COST: Money = Money(500_000_000);
/// Where the catalog keeps the drill that is going on.
const GOING_ON: &str = "drill";
/// Where it keeps the last good one.
const LAST: &str = "last drill";

/// A drill that is going on.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Sample {
    snapshot: String,
    paths: Vec<Name>,
    to: PathBuf,
}

/// How a drill ended for now.
#[derive(Debug)]
pub enum DrillOutcome {
    /// Every byte of the sample came back.
    Good {
        /// Photographs.
        files: Count,
        /// Their bytes.
        bytes: Bytes,
        /// Which they were.
        paths: Vec<Name>,
    },
    /// Some did not; each with its reason.
    Bad(Vec<(Name, String)>),
    /// The sample is still frozen: run again later.
    Waiting(Box<ColdRestore>),
    /// Whoever was asked said no.
    Declined,
}

impl Engine {
    /// Goes on with the drill that was begun, or begins one: a random sample whose
    /// quote stays under `max_cost`.
    pub(crate) fn practise(
        &self,
        options: &ThawOptions,
        identity: &IdentityFile,
        rng: &mut dyn Rng,
        confirm: &mut dyn FnMut(&ThawPlan) -> bool,
        observer: &dyn RestoreObserver,
    ) -> Result<DrillOutcome, EngineError> {
        let catalog = Catalog::open(&self.catalog_path())?;
        let max_cost = options.max_cost.unwrap_or(DRILL_COST);
        let options = ThawOptions { max_cost: Some(max_cost), ..*options };
        let begun = catalog.meta(GOING_ON)?.and_then(|json| serde_json::from_slice::<Sample>(&json).ok());
        let sample = match begun {
            Some(sample) => sample,
            None => {
                let sample = self.pick(&catalog, &options, identity, rng)?;
                let _ = std::fs::remove_dir_all(&sample.to);
                catalog.set_meta(GOING_ON, &serde_json::to_vec(&sample).unwrap_or_default())?;
                sample
            }
        };
        let restore = RestoreOptions {
            snapshot: sample.snapshot.clone(),
            paths: sample.paths.clone(),
            to: sample.to.clone(),
            existing: Existing::Keep,
            accept_writers: Vec::new(),
        };
        // Thawed and restored by `thaw wait` in the meantime: only the looking is left.
        let restored = ObjectName::new(sample.snapshot.clone())
            .is_ok_and(|snapshot| sample.to.exists() && self.is_thawed(&restore, &snapshot).unwrap_or(false));
        let outcome = match restored {
            true => Ok(ColdRestore::Done(darkslide_restore::Restored::default())),
            false => self.restore_through(&restore, &options, identity, confirm, observer),
        };
        let done = match outcome {
            Ok(ColdRestore::Done(done)) => done,
            Ok(ColdRestore::Declined) => {
                self.end_drill(&catalog, &sample)?;
                return Ok(DrillOutcome::Declined);
            }
            Ok(waiting) => return Ok(DrillOutcome::Waiting(Box::new(waiting))),
            Err(error) => {
                // What cannot go on is not tried for ever.
                if catalog.thaws()?.iter().all(|t| t.ended.is_some()) {
                    self.end_drill(&catalog, &sample)?;
                }
                return Err(error);
            }
        };
        let restored = sample.paths.iter().filter(|path| restored_file(&sample.to, path).is_some());
        let bytes = restored.clone().filter_map(|path| restored_file(&sample.to, path)).sum::<u64>();
        let (came, wanted) = (restored.count(), sample.paths.len());
        self.end_drill(&catalog, &sample)?;
        if !done.casualties.is_empty() || came < wanted {
            let mut bad: Vec<(Name, String)> = done.casualties.into_iter().map(|c| (c.path, c.reason)).collect();
            if bad.is_empty() {
                bad.push((Name::from("(sample)"), format!("{came} of {wanted} came back")));
            }
            return Ok(DrillOutcome::Bad(bad));
        }
        catalog.set_meta(LAST, &self.clock.now().0.to_le_bytes())?;
        Ok(DrillOutcome::Good { files: Count(came as u64), bytes: Bytes(bytes), paths: sample.paths })
    }

    /// When the last good drill was.
    pub fn last_drill(&self) -> Result<Option<Time>, EngineError> {
        let catalog = Catalog::open(&self.catalog_path())?;
        let at = catalog.meta(LAST)?.and_then(|bytes| bytes.try_into().ok());
        Ok(at.map(|bytes| Time(i64::from_le_bytes(bytes))))
    }

    fn end_drill(&self, catalog: &Catalog, sample: &Sample) -> Result<(), EngineError> {
        catalog.set_meta(GOING_ON, b"")?;
        match std::fs::remove_dir_all(&sample.to) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(EngineError::Io { what: "clearing away the drill in", path: sample.to.clone(), source: e })
            }
            _ => Ok(()),
        }
    }

    /// Picks photographs at random, fewer and fewer until they fit the budget.
    fn pick(
        &self,
        catalog: &Catalog,
        options: &ThawOptions,
        identity: &IdentityFile,
        rng: &mut dyn Rng,
    ) -> Result<Sample, EngineError> {
        let mut browser = self.browser(Some(identity))?;
        let (info, snapshot) = browser.find("latest", &[])?;
        let root = root_of(&snapshot)?;
        let (mut paths, mut seen): (Vec<Name>, u64) = (Vec::new(), 0);
        let mut seed = [0; 8];
        rng.fill(&mut seed);
        let mut dice = SeededRng::new(u64::from_le_bytes(seed));
        for_each_below(&mut browser.pages(), root, &mut |_, path, entry| {
            if entry.kind == EntryKind::File && entry.bytes().0 > 0 {
                seen += 1;
                let at = dice.below(seen);
                match paths.len() < SAMPLE {
                    true => paths.push(path.clone()),
                    false if at < SAMPLE as u64 => paths[at as usize] = path.clone(),
                    false => {}
                }
            }
            Ok(Descend::Into)
        })?;
        if paths.is_empty() {
            return Err(EngineError::NoPath { path: "(no photograph)".into() });
        }
        let limit = options.max_cost.unwrap_or(DRILL_COST);
        // A folder of its own: so its order is never that of an earlier drill.
        let to = self.settings.state_dir().join(format!("drill-{:x}", self.clock.now().0));
        loop {
            let made = RestorePlan::make(
                catalog,
                &mut browser.pages(),
                root,
                Selection::new(paths.clone()),
                to.clone(),
                Existing::Keep,
            )?;
            let (needs, _) = self.needs(catalog, &made)?;
            let total = plan(&needs, &self.plan_options(catalog, &needs, options)?, &self.price_map()?)?.total();
            if total <= limit {
                return Ok(Sample { snapshot: info.name.to_string(), paths, to });
            }
            if paths.len() == 1 {
                return Err(EngineError::DrillTooDear { limit, least: total });
            }
            paths.truncate(paths.len() / 2);
        }
    }
}

fn restored_file(to: &std::path::Path, path: &Name) -> Option<u64> {
    let relative = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(path.as_bytes());
    std::fs::metadata(to.join(relative)).ok().map(|m| m.len())
}
