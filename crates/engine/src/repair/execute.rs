//! A repair, one thing after the other. Whatever cuts it off, the next plan finds what is left.

use std::collections::{BTreeMap, BTreeSet};

use darkslide_catalog::{Checked, PackState, ScrubRow, Trusted};
use darkslide_format::names::{self, Kind};
use darkslide_format::object_id;
use darkslide_format::stream::crc64;
use darkslide_format::trust::Trust;
use darkslide_snapshot::reseal::{Resealed, Wanted};
use darkslide_store::{Healed, PutFacts};
use darkslide_words::{Bytes, Count, Name, ObjectName, Temperature};

use super::survey::{Shelf, Survey, id_of};
use super::{Cure, Harm, Mend, RepairOptions, RepairPlan, photographs, plan};
use crate::observe::CheckObserver;
use crate::runs::Account;
use crate::{Engine, EngineError};

/// What a repair did.
#[derive(Debug, Clone, Default)]
pub struct Repaired {
    /// Objects healed from their parity.
    pub healed: Count,
    /// Objects copied from another store.
    pub copied: Count,
    /// New packs with content out of the library.
    pub packs: Vec<ObjectName>,
    /// Chunks in them.
    pub chunks: Count,
    /// Snapshots that were told of them.
    pub snapshots: Count,
    /// Objects that got parity.
    pub protected: Count,
    /// Parity files without an object that were removed.
    pub swept: Count,
    /// What could not be repaired: store, object, why.
    pub failed: Vec<(String, ObjectName, String)>,
    /// Files of the library that could not be read, and why.
    pub unread: Vec<(Name, String)>,
}

impl Engine {
    /// Does what a plan says. Stops between two steps where the observer wants it to.
    pub fn repair(
        &self,
        plan: &RepairPlan,
        options: &RepairOptions,
        observer: &dyn CheckObserver,
    ) -> Result<Repaired, EngineError> {
        let _lock = crate::secrets::lock(&self.settings.state_dir())?;
        self.recorded(crate::recorded::REPOSITORY, "repair", |run| {
            let observer = &run.watch(observer, self.stop.as_deref());
            let mut repo = self.repository()?;
            let meters = self.meter(&mut repo, options.max_cost)?;
            let outcome = Survey::make(self, &repo, options).and_then(|survey| {
                let mut repair = Repair { survey, done: Repaired::default(), lost: BTreeSet::new(), observer };
                repair.run(plan)?;
                Ok(repair.done)
            });
            let money = self.settle(&meters, "repair")?;
            let done = outcome?;
            let account = Account { money, ..told(&done) };
            Ok((done, account))
        })
    }
}

/// For its row.
fn told(done: &Repaired) -> Account {
    let stored = |(store, object, why): &(String, ObjectName, String)| {
        (Name::from(object.as_str()), if store.is_empty() { why.clone() } else { format!("{store}: {why}") })
    };
    let failures = done.failed.iter().map(stored).chain(done.unread.iter().cloned()).collect();
    let mended = done.healed.0 + done.copied.0 + done.packs.len() as u64;
    Account {
        summary: format!("{mended} objects mended, {} got parity", done.protected),
        files: Count(mended),
        failures,
        ..Account::default()
    }
}

struct Repair<'e> {
    survey: Survey<'e>,
    done: Repaired,
    /// Packs whose content is to be sealed again.
    lost: BTreeSet<ObjectName>,
    observer: &'e dyn CheckObserver,
}

impl Repair<'_> {
    fn run(&mut self, plan: &RepairPlan) -> Result<(), EngineError> {
        let stopped = || EngineError::from(darkslide_audit::AuditError::Cancelled);
        for mend in &plan.mends {
            if self.observer.cancelled() {
                return Err(stopped());
            }
            self.mend(mend)?;
        }
        self.library()?;
        for at in 0..self.survey.shelves.len() {
            if self.observer.cancelled() {
                return Err(stopped());
            }
            self.protect(at)?;
        }
        Ok(())
    }

    fn shelf(&self, label: &str) -> Option<&Shelf> {
        self.survey.shelves.iter().find(|shelf| shelf.label == label)
    }

    fn fail(&mut self, mend: &Mend, why: impl ToString) {
        self.done.failed.push((mend.store.clone(), mend.object.clone(), why.to_string()));
    }

    fn mend(&mut self, mend: &Mend) -> Result<(), EngineError> {
        match &mend.cure {
            Cure::Parity { .. } | Cure::Store { .. } => match self.replaced(mend) {
                Ok(()) => self.is_good(&mend.store, &mend.object, mend.size),
                // What the plan took for whole was not: the library is left.
                Err(_) if is_pack(&mend.object) => {
                    self.lost.insert(mend.object.clone());
                    Ok(())
                }
                Err(why) => {
                    self.fail(mend, why);
                    Ok(())
                }
            },
            Cure::Library { .. } | Cure::Elsewhere => {
                self.lost.insert(mend.object.clone());
                Ok(())
            }
            Cure::NextBackup => Ok(()),
            Cure::Nothing { why } => {
                self.fail(mend, why);
                Ok(())
            }
        }
    }

    /// Parity first, then the other stores; why none of them could.
    fn replaced(&mut self, mend: &Mend) -> Result<(), String> {
        let name = &mend.object;
        let shelf = self.shelf(&mend.store).ok_or("the store cannot be reached any more")?;
        if matches!(mend.cure, Cure::Parity { .. })
            && let Some(mending) = shelf.store.mending()
            && let Healed::Healed { .. } | Healed::Whole = mending.heal(name, id_of(name)).map_err(|e| e.to_string())?
        {
            self.done.healed += Count(1);
            return Ok(());
        }
        let mut why = "no other store has it whole".to_string();
        for other in self.survey.shelves.iter().filter(|o| o.label != mend.store && o.holds(name, mend.size.0)) {
            let bytes = match other.store.read(name, Some(0..mend.size.0)).and_then(|read| read.bytes(name)) {
                Ok(bytes) if self.is_right(name, &bytes) => bytes,
                Ok(_) => {
                    why = format!("{} has other bytes under its name", other.label);
                    continue;
                }
                Err(error) => {
                    why = error.to_string();
                    continue;
                }
            };
            let put = match (&mend.harm, shelf.store.mending()) {
                (Harm::Missing, _) => {
                    let facts = PutFacts { crc64: crc64(&bytes), temperature: temperature(name) };
                    shelf.store.put(name, &bytes, &facts).map(|_| ())
                }
                (_, Some(mending)) => mending.exchange(name, &bytes),
                (_, None) => return Err("nothing is overwritten there".into()),
            };
            put.map_err(|error| error.to_string())?;
            self.done.copied += Count(1);
            return Ok(());
        }
        Err(why)
    }

    /// True if these are the bytes that belong under the name.
    fn is_right(&self, name: &ObjectName, bytes: &[u8]) -> bool {
        let trust = &self.survey.repo.trust;
        let Some(parsed) = names::parse(name) else { return false };
        match parsed.kind {
            Kind::Header => darkslide_format::config::Header::parse(bytes).is_ok_and(|found| found == *trust.header()),
            Kind::Config => Trust::new(trust.header().clone())
                .and_then(|mut fresh| fresh.add_config(parsed.number.unwrap_or_default(), bytes))
                .is_ok(),
            // Help for people, of whatever version.
            Kind::Recover => !bytes.is_empty(),
            _ => id_of(name) == Some(object_id(bytes)),
        }
    }

    /// An object is whole now.
    fn is_good(&mut self, store: &str, name: &ObjectName, size: Bytes) -> Result<(), EngineError> {
        let now = self.survey.engine.clock.now();
        let row = ScrubRow { name: name.clone(), size, checked: now, outcome: Checked::Good, why: String::new() };
        let catalog = &self.survey.catalog;
        catalog.transaction::<(), EngineError>(|| {
            catalog.put_scrubs(store, &[row])?;
            Ok(catalog.forget_lost(name)?)
        })?;
        if let Some(shelf) = self.survey.shelves.iter_mut().find(|shelf| shelf.label == store) {
            shelf.listed.insert(name.clone(), (size.0, true));
            shelf.damaged.remove(name);
        }
        Ok(())
    }

    /// Seals the content of lost packs again, and says who needs it.
    fn library(&mut self) -> Result<(), EngineError> {
        if self.lost.is_empty() {
            return Ok(());
        }
        let path = self.survey.engine.catalog_path();
        let mut wanted = Wanted::new();
        for name in &self.lost {
            let Some(id) = self.survey.catalog.pack_named(name)? else { continue };
            let kind = self.survey.catalog.pack(id)?.kind;
            wanted.extend(photographs::lost_chunks(&self.survey, name)?.into_iter().map(|chunk| (kind, chunk)));
        }
        let sources = photographs::files(&self.survey, &self.lost)?;
        let Some(reseal) = self.survey.reseal(&path) else {
            let why = "this machine is no writer: run `repair` on the one that backs up";
            let failed = self.lost.iter().map(|name| (String::new(), name.clone(), why.to_string()));
            self.done.failed.extend(failed);
            return Ok(());
        };
        let Resealed { packs, found, unread, .. } = reseal.seal(&wanted, &sources)?;
        let successors = self.successors(&packs)?;
        let snapshots = reseal.declare(&successors)?;
        (self.done.snapshots, self.done.chunks, self.done.unread) = (snapshots, Count(found.len() as u64), unread);
        self.done.packs = packs;
        self.tell_lost(&wanted, &found)
    }

    /// For each lost pack those that hold its chunks now.
    fn successors(&self, new: &[ObjectName]) -> Result<BTreeMap<ObjectName, BTreeSet<ObjectName>>, EngineError> {
        let catalog = &self.survey.catalog;
        let mut all = BTreeMap::new();
        for name in &self.lost {
            let Some(id) = catalog.pack_named(name)? else { continue };
            let (kind, mut packs) = (catalog.pack(id)?.kind, BTreeSet::new());
            for chunk in catalog.chunks_of_pack(id)? {
                for other in catalog.locations(kind, chunk.id, Trusted::Yes)? {
                    let facts = catalog.pack(other.pack)?;
                    let held = |shelf: &Shelf| shelf.holds(&facts.name, facts.size.0);
                    let is_there = new.contains(&facts.name) || self.survey.shelves.iter().any(held);
                    if other.pack != id && other.chunk.base.is_none() && is_there {
                        packs.insert(facts.name);
                        break;
                    }
                }
            }
            all.insert(name.clone(), packs);
        }
        Ok(all)
    }

    /// Packs that no store has whole any more are relied upon no more, though some list them; what
    /// of their content was nowhere to be found is told.
    fn tell_lost(&mut self, wanted: &Wanted, found: &Wanted) -> Result<(), EngineError> {
        let now = self.survey.engine.clock.now();
        for name in &self.lost {
            let catalog = &self.survey.catalog;
            let Some(id) = catalog.pack_named(name)? else { continue };
            let facts = catalog.pack(id)?;
            // A store that is away may have it.
            let all_asked = self.survey.repo.reached.missing.is_empty();
            if all_asked && !self.survey.shelves.iter().any(|shelf| shelf.holds(name, facts.size.0)) {
                catalog.transaction::<(), EngineError>(|| {
                    catalog.put_lost(name, now)?;
                    Ok(catalog.set_pack_state(id, PackState::Gone)?)
                })?;
            }
            let chunks = catalog.chunks_of_pack(id)?;
            let left = chunks.iter().map(|chunk| (facts.kind, chunk.id));
            let left = left.filter(|key| wanted.contains(key) && !found.contains(key)).count();
            if left > 0 {
                let why = format!("{left} of its {} chunks are nowhere in the library", chunks.len());
                self.done.failed.push((String::new(), name.clone(), why));
            }
        }
        Ok(())
    }

    /// Parity for what lacks it.
    fn protect(&mut self, at: usize) -> Result<(), EngineError> {
        let wanted = self.survey.wanted()?;
        let shelf = &self.survey.shelves[at];
        let Some(mending) = shelf.store.mending().filter(|mending| shelf.chosen && mending.parity_percent() > 0) else {
            return Ok(());
        };
        let (label, now) = (shelf.label.clone(), self.survey.engine.clock.now());
        for (name, size) in plan::without_parity(shelf, &wanted) {
            if self.observer.cancelled() {
                break;
            }
            let whole = mending.protect(name, id_of(name))?;
            self.done.protected += Count(u64::from(whole));
            let why = if whole { "" } else { "its bytes are not those of its name" };
            if !whole {
                let why = format!("{why}: run `repair` again");
                self.done.failed.push((label.clone(), name.clone(), why));
            }
            let outcome = if whole { Checked::Good } else { Checked::Damaged };
            let row = ScrubRow { name: name.clone(), size: Bytes(size), checked: now, outcome, why: why.into() };
            self.survey.catalog.put_scrubs(&label, &[row])?;
        }
        self.done.swept += mending.sweep_parity(now)?.0;
        Ok(())
    }
}

fn is_pack(name: &ObjectName) -> bool {
    names::parse(name).is_some_and(|parsed| matches!(parsed.kind, Kind::Packs | Kind::Warm | Kind::Trees))
}

pub(super) fn temperature(name: &ObjectName) -> Temperature {
    match names::parse(name).map(|parsed| parsed.kind) {
        Some(Kind::Packs) => Temperature::Cold,
        Some(Kind::Warm) => Temperature::Warm,
        _ => Temperature::Hot,
    }
}
