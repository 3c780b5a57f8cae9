//! How readable packs are, as far as listings and thaws have told: what was never listed is taken for what
//! the store's class makes of it.

use std::collections::{BTreeMap, HashMap};

use darkslide_catalog::{Catalog, PackHeat, PackId, PackState, PackStep, PhotographId, ThawState};
use darkslide_format::names::{self, Kind};
use darkslide_words::{ObjectName, Readable, StorageClass, Time};

use super::PhotographState;
use crate::{Engine, EngineError};

/// A store, as far as the catalog and the configuration know it.
pub struct Place {
    /// Its label.
    pub label: String,
    /// True if it is outside the house.
    pub off_site: bool,
    cold: bool,
    class: StorageClass,
    warm_class: StorageClass,
}

/// A pack of a thaw that is under way.
#[derive(Debug, Clone, Copy)]
struct Under {
    state: PhotographState,
    at: Option<Time>,
}

/// What is known of all stores.
pub struct Heat {
    places: Vec<Place>,
    under: HashMap<ObjectName, Under>,
    all: PackHeat,
    now: Time,
}

/// How readable something is, and until or from when.
pub type Reading = (PhotographState, Option<String>);

impl Place {
    fn assumed(&self, name: &ObjectName) -> PhotographState {
        let class = match names::parse(name).map(|parsed| parsed.kind) {
            Some(Kind::Packs) => &self.class,
            _ => &self.warm_class,
        };
        match self.cold && class.is_archive() {
            true => PhotographState::Cold,
            false => PhotographState::Readable,
        }
    }

    /// The class in which a pack lies here.
    pub fn class_of(&self, catalog: &Catalog, name: &ObjectName) -> Result<Option<StorageClass>, EngineError> {
        if !self.cold {
            return Ok(None);
        }
        let listed = catalog.place(&self.label, name)?.map(|row| row.class);
        let is_pack = names::parse(name).is_some_and(|parsed| parsed.kind == Kind::Packs);
        Ok(Some(listed.unwrap_or_else(|| if is_pack { self.class.clone() } else { self.warm_class.clone() })))
    }
}

impl Heat {
    /// Looks; at every pack only where a list is to be filtered by a state.
    pub fn look(engine: &Engine, catalog: &Catalog, filter: Option<PhotographState>) -> Result<Self, EngineError> {
        let places = engine.store_settings().into_iter().map(|store| Place {
            label: store.label(),
            off_site: store.is_off_site(),
            cold: store.url.is_some(),
            class: store.class.clone().unwrap_or(StorageClass::DeepArchive),
            warm_class: store.warm_class.clone().unwrap_or_default(),
        });
        let (places, now) = (places.collect(), engine.clock.now());
        let mut heat = Self { places, under: under(catalog)?, all: PackHeat::default(), now };
        if filter.is_some() {
            heat.all = heat.every_pack(catalog)?;
        }
        Ok(heat)
    }

    /// The stores.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// The ranks of all packs.
    pub fn of_all(&self) -> PackHeat {
        self.all.clone()
    }

    fn every_pack(&self, catalog: &Catalog) -> Result<PackHeat, EngineError> {
        let mut listed: Vec<HashMap<ObjectName, Readable>> = Vec::new();
        for place in &self.places {
            let mut seen = HashMap::new();
            catalog.for_each_place::<EngineError>(&place.label, |row| {
                seen.insert(row.name, row.readable);
                Ok(())
            })?;
            listed.push(seen);
        }
        let (mut ranks, mut counts) = (Vec::new(), BTreeMap::new());
        catalog.for_each_known_pack::<EngineError>(|id, facts, state, _| {
            let each = self.places.iter().zip(&listed);
            let best = each.map(|(place, seen)| self.one(place, &facts.name, seen.get(&facts.name).copied()).0).min();
            let best = best.filter(|_| is_there(state)).unwrap_or(PhotographState::Nowhere);
            *counts.entry(best.rank()).or_insert(0u64) += 1;
            ranks.push((id, best.rank()));
            Ok(())
        })?;
        let usual =
            counts.iter().max_by_key(|(_, count)| **count).map_or(PhotographState::Cold.rank(), |(rank, _)| *rank);
        ranks.retain(|(_, rank)| *rank != usual);
        Ok(PackHeat { usual, others: ranks })
    }

    /// A pack in one store.
    fn one(&self, place: &Place, name: &ObjectName, seen: Option<Readable>) -> (PhotographState, Option<Time>) {
        let listed = match seen {
            None => (place.assumed(name), None),
            Some(Readable::Now) => (PhotographState::Readable, None),
            Some(Readable::Until(until)) if until > self.now => (PhotographState::Warm, Some(until)),
            Some(Readable::Thawing) => (PhotographState::Thawing, None),
            Some(Readable::Cold | Readable::Until(_)) => (PhotographState::Cold, None),
            // Intelligent-Tiering does not tell; what a restore would find is said by a quote.
            Some(Readable::Unknown) => (PhotographState::Readable, None),
        };
        match self.under.get(name) {
            Some(under) if matches!(listed.0, PhotographState::Cold | PhotographState::Thawing) => {
                let over = under.state == PhotographState::Warm && under.at.is_some_and(|until| until <= self.now);
                if over { listed } else { (under.state, under.at) }
            }
            _ => listed,
        }
    }

    /// A pack in one store, by the catalog.
    pub fn of_pack(
        &self,
        catalog: &Catalog,
        place: &Place,
        pack: PackId,
    ) -> Result<(PhotographState, Option<Time>), EngineError> {
        if !is_there(catalog.pack_state(pack)?) {
            return Ok((PhotographState::Nowhere, None));
        }
        let name = catalog.pack(pack)?.name;
        let seen = catalog.place(&place.label, &name)?.map(|row| row.readable);
        Ok(self.one(place, &name, seen))
    }

    /// Packs in one store: as readable as the coldest of them; warm as long as all are.
    pub fn of_packs(&self, catalog: &Catalog, place: &Place, packs: &[PackId]) -> Result<Reading, EngineError> {
        let mut worst: Option<(PhotographState, Option<Time>)> = None;
        for pack in packs {
            let one = self.of_pack(catalog, place, *pack)?;
            worst = Some(match worst {
                Some(before) if before.0 > one.0 => before,
                Some(before) if before.0 == one.0 => match before.0 {
                    PhotographState::Warm => (one.0, before.1.min(one.1)),
                    _ => (one.0, before.1.max(one.1)),
                },
                _ => one,
            });
        }
        let (state, at) = worst.unwrap_or((PhotographState::Nowhere, None));
        Ok((state, at.map(|at| at.to_string())))
    }

    /// A photograph: pack by pack where each can be had soonest.
    pub fn of_photograph(&self, catalog: &Catalog, id: PhotographId) -> Result<Reading, EngineError> {
        let packs = catalog.packs_of_photograph(id)?;
        let mut best: Option<Reading> = None;
        for place in &self.places {
            let one = self.of_packs(catalog, place, &packs)?;
            if best.as_ref().is_none_or(|best| one.0 < best.0) {
                best = Some(one);
            }
        }
        Ok(best.unwrap_or((PhotographState::Nowhere, None)))
    }
}

fn is_there(state: PackState) -> bool {
    matches!(state, PackState::Stored | PackState::Condemned)
}

/// Packs of thaws that are under way.
fn under(catalog: &Catalog) -> Result<HashMap<ObjectName, Under>, EngineError> {
    let mut out = HashMap::new();
    for thaw in catalog.thaws()?.into_iter().filter(|thaw| thaw.state == ThawState::Open) {
        for pack in catalog.thaw_packs(thaw.id)? {
            let hours = darkslide_price::times(&pack.class, None, pack.tier).map(|window| window.last);
            let under = match pack.step {
                PackStep::Asked => Under {
                    state: PhotographState::Thawing,
                    at: pack.asked.zip(hours).map(|(asked, most)| asked.plus(most)),
                },
                PackStep::Warm | PackStep::Downloaded | PackStep::Verified => {
                    Under { state: PhotographState::Warm, at: pack.until }
                }
                PackStep::Cold | PackStep::Asking | PackStep::Failed => continue,
            };
            out.insert(pack.name, under);
        }
    }
    Ok(out)
}
