//! Renewing Object Locks: what is still needed stays undeletable for a while longer.
//! A job of its own identity; the writer's credentials do not suffice.

use std::time::Duration;

use darkslide_catalog::{Catalog, PackState};
use darkslide_format::names::Kind;
use darkslide_store::Store;
use darkslide_words::{Count, Money, ObjectName};

use crate::{Engine, EngineError};

/// Locks and their price.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Locks {
    /// Objects.
    pub objects: Count,
    /// Objects whose lock the store would not change: locked for longer, mostly.
    pub refused: Count,
    /// What the requests cost.
    pub cost: Money,
}

/// Kinds of objects that recovery needs; tombstones are not among them.
const KEPT: &[Kind] = &[
    Kind::Header,
    Kind::Config,
    Kind::Keys,
    Kind::Writers,
    Kind::Recover,
    Kind::Packs,
    Kind::Warm,
    Kind::Trees,
    Kind::Index,
    Kind::Refs,
    Kind::Snapshots,
];

impl Engine {
    /// Objects of a store that are still needed: all but packs that were condemned.
    fn to_lock(&self, store: &dyn Store) -> Result<Vec<ObjectName>, EngineError> {
        let catalog = Catalog::open(&self.catalog_path())?;
        let mut condemned = std::collections::HashSet::new();
        catalog.for_each_pack::<EngineError>(|_, facts, state, _| {
            if state == PackState::Condemned {
                condemned.insert(facts.name);
            }
            Ok(())
        })?;
        let mut names = Vec::new();
        store.list("", &mut |listed| {
            let kind = darkslide_format::names::parse(&listed.name).map(|parsed| parsed.kind);
            if kind.is_some_and(|kind| KEPT.contains(&kind)) && !condemned.contains(&listed.name) {
                names.push(listed.name);
            }
            Ok(())
        })?;
        Ok(names)
    }

    /// What renewing all locks would cost; lists the buckets.
    pub fn quote_locks(&self) -> Result<Locks, EngineError> {
        let (repo, book) = (self.repository()?, self.price_book()?);
        let mut locks = Locks::default();
        for store in &repo.reached.stores {
            let Some(prices) = book.by_store.get(&store.label()) else { continue };
            let objects = Count(self.to_lock(&**store)?.len() as u64);
            locks.objects += objects;
            let lines = prices.put(&darkslide_words::StorageClass::Standard, objects)?;
            locks.cost += lines.into_iter().map(|line| line.amount).sum::<Money>();
        }
        Ok(locks)
    }

    /// Keeps everything that is still needed locked for so many days from now.
    pub fn extend_locks(&self, days: u32) -> Result<Locks, EngineError> {
        let mut repo = self.repository()?;
        let meters = self.meter(&mut repo, None)?;
        let until = self.clock.now().plus(Duration::from_secs(u64::from(days) * 86_400));
        let mut locks = Locks::default();
        let mut run = || -> Result<(), EngineError> {
            for store in &repo.reached.stores {
                for name in self.to_lock(&**store)? {
                    match store.extend_lock(&name, until) {
                        Ok(true) => locks.objects += Count(1),
                        Ok(false) => break,
                        // One that is locked for longer, or gone, keeps no other from its lock.
                        Err(error) if !error.is_transient() => locks.refused += Count(1),
                        Err(error) => return Err(error.into()),
                    }
                }
            }
            Ok(())
        };
        let outcome = run();
        locks.cost = self.settle(&meters, "locks")?;
        outcome.map(|()| locks)
    }
}
