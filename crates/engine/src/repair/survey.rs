//! What every store lists, what is believed damaged, what is needed: the facts of a repair.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use darkslide_catalog::{Catalog, Checked, PackState};
use darkslide_format::names::{self, Kind};
use darkslide_format::trust::Trust;
use darkslide_snapshot::reseal::Reseal;
use darkslide_store::{Readable, Store};
use darkslide_words::{ObjectId, ObjectName};

use super::RepairOptions;
use crate::repository::Repository;
use crate::secrets::{self, WriterFile};
use crate::{Engine, EngineError, index_sync};

/// Watches nothing.
pub struct Silent;
impl darkslide_snapshot::Observer for Silent {}

/// One store as it is.
pub struct Shelf {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Its label.
    pub label: String,
    /// What it lists: size, and whether it can be read now.
    pub listed: HashMap<ObjectName, (u64, bool)>,
    /// What is believed damaged there, and why.
    pub damaged: BTreeMap<ObjectName, String>,
    /// What is whole there, though its parity is not.
    pub worn: BTreeSet<ObjectName>,
    /// True if this repair mends it.
    pub chosen: bool,
}

impl Shelf {
    /// True if the object is there as far as is known.
    pub fn holds(&self, name: &ObjectName, size: u64) -> bool {
        self.listed.get(name).is_some_and(|(found, _)| *found == size) && !self.damaged.contains_key(name)
    }
}

/// All of it.
pub struct Survey<'e> {
    /// The engine.
    pub engine: &'e Engine,
    /// The repository.
    pub repo: &'e Repository,
    /// This machine's secrets, where it is a writer.
    pub writer: Option<WriterFile>,
    /// The catalog.
    pub catalog: Catalog,
    /// The stores that can be reached.
    pub shelves: Vec<Shelf>,
    /// Packs that snapshots need; nothing where it cannot be told.
    pub needed: Option<HashSet<ObjectName>>,
    /// What was forgotten or condemned.
    pub condemned: BTreeSet<ObjectName>,
    /// Where bases of databases lie.
    pub work: PathBuf,
}

impl<'e> Survey<'e> {
    /// Looks at everything.
    pub fn make(engine: &'e Engine, repo: &'e Repository, options: &RepairOptions) -> Result<Self, EngineError> {
        let state = engine.settings.state_dir();
        let catalog = Catalog::open(&engine.catalog_path())?;
        let writer = WriterFile::load(&secrets::path(&state)).ok();
        let mut survey = Self {
            engine,
            repo,
            writer,
            catalog,
            shelves: Vec::new(),
            needed: None,
            condemned: BTreeSet::new(),
            work: state.join("work"),
        };
        if let Some(writer) = &survey.writer {
            for store in &repo.reached.stores {
                index_sync::segments(&survey.catalog, &**store, &repo.trust, &writer.secrets.index)?;
            }
        }
        for store in &repo.reached.stores {
            let shelf = survey.shelf(store, options)?;
            survey.shelves.push(shelf);
        }
        if let Some(wanted) = options.store.as_ref().filter(|_| !survey.shelves.iter().any(|shelf| shelf.chosen)) {
            let known = survey.shelves.iter().map(|shelf| shelf.label.clone()).collect::<Vec<_>>().join(", ");
            return Err(EngineError::NoStore {
                detail: format!("`{wanted}` is none that can be reached; there are {known}"),
            });
        }
        survey.needs()?;
        Ok(survey)
    }

    fn shelf(&self, store: &Arc<dyn Store>, options: &RepairOptions) -> Result<Shelf, EngineError> {
        let label = store.label();
        let mut listed = HashMap::new();
        store.list("", &mut |one| {
            let at_hand = !matches!(one.readable, Readable::Cold | Readable::Thawing);
            listed.insert(one.name, (one.size.0, at_hand));
            Ok(())
        })?;
        let (mut damaged, mut worn) = (BTreeMap::new(), BTreeSet::new());
        for row in self.catalog.damaged_in(&label)? {
            // Another length since then is another finding.
            if listed.get(&row.name).is_none_or(|(size, _)| *size != row.size.0) {
                continue;
            }
            match row.outcome {
                Checked::Worn => {
                    worn.insert(row.name);
                }
                _ => {
                    damaged.insert(row.name, row.why);
                }
            }
        }
        self.configs(&**store, &listed, &mut damaged);
        let chosen = options.store.as_ref().is_none_or(|wanted| *wanted == label);
        Ok(Shelf { store: store.clone(), label, listed, damaged, worn, chosen })
    }

    /// Configurations are named by a number: only their signatures tell whether they are whole.
    fn configs(
        &self,
        store: &dyn Store,
        listed: &HashMap<ObjectName, (u64, bool)>,
        damaged: &mut BTreeMap<ObjectName, String>,
    ) {
        for name in listed.keys() {
            let Some(number) = names::parse(name).filter(|p| p.kind == Kind::Config).and_then(|p| p.number) else {
                continue;
            };
            let Ok(bytes) = store.read(name, None).and_then(|read| read.bytes(name)) else { continue };
            let checked = Trust::new(self.repo.trust.header().clone()).and_then(|mut t| t.add_config(number, &bytes));
            if let Err(why) = checked {
                damaged.insert(name.clone(), why.to_string());
            }
        }
    }

    /// What seals again and knows refs, on a machine that is a writer.
    pub fn reseal<'s>(&'s self, path: &'s std::path::Path) -> Option<Reseal<'s>> {
        Some(Reseal {
            catalog: path,
            stores: &self.repo.reached.stores,
            trust: &self.repo.trust,
            writer: &self.writer.as_ref()?.secrets,
            clock: &*self.engine.clock,
            observer: &Silent,
            work: &self.work,
        })
    }

    /// Which packs the snapshots need that nobody forgot.
    fn needs(&mut self) -> Result<(), EngineError> {
        let path = self.engine.catalog_path();
        let Some(reseal) = self.reseal(&path) else { return Ok(()) };
        let condemned = reseal.condemned()?;
        let (all, mut needed) = (reseal.refs()?, HashSet::new());
        let mut known = true;
        for time in reseal.snapshot_times(&condemned)? {
            let own: Vec<_> = all.values().filter(|refs| refs.snapshot_time == time).collect();
            known &= !own.is_empty();
            for refs in own {
                needed.extend(refs.resolve_previews(&all).into_iter().flatten());
                match refs.resolve(&all) {
                    Ok(packs) => needed.extend(packs),
                    Err(_) => known = false,
                }
            }
        }
        self.condemned = condemned;
        self.needed = known.then_some(needed);
        Ok(())
    }

    /// True if the object belongs into every store.
    pub fn is_wanted(&self, name: &ObjectName) -> bool {
        let Some(parsed) = names::parse(name) else { return false };
        match parsed.kind {
            Kind::Condemned => false,
            _ if self.condemned.contains(name) && !self.is_needed(name) => false,
            Kind::Packs | Kind::Warm | Kind::Trees => self.is_needed(name),
            _ => true,
        }
    }

    fn is_needed(&self, name: &ObjectName) -> bool {
        self.needed.as_ref().is_some_and(|needed| needed.contains(name))
            || (self.needed.is_none() && !self.condemned.contains(name))
    }

    /// Every object that should be in every store, and its bytes: what the catalog knows of packs,
    /// else what most of it any store has.
    pub fn wanted(&self) -> Result<BTreeMap<ObjectName, u64>, EngineError> {
        let mut all: BTreeMap<ObjectName, u64> = BTreeMap::new();
        for (name, (size, _)) in self.shelves.iter().flat_map(|shelf| &shelf.listed) {
            if self.is_wanted(name) {
                let most = all.entry(name.clone()).or_default();
                *most = (*most).max(*size);
            }
        }
        self.catalog.for_each_pack::<EngineError>(|_, facts, state, trusted| {
            let known = trusted && matches!(state, PackState::Stored | PackState::Gone);
            if known && self.is_wanted(&facts.name) {
                all.insert(facts.name, facts.size.0);
            }
            Ok(())
        })?;
        Ok(all)
    }
}

/// What an object's bytes have to hash to, where its name says so.
pub fn id_of(name: &ObjectName) -> Option<ObjectId> {
    names::parse(name).filter(|p| !matches!(p.kind, Kind::Config | Kind::Recover | Kind::Header)).and_then(|p| p.id)
}
