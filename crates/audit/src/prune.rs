//! Prune: what nothing needs is condemned, and deleted when the grace period is over.
//! Pure: facts in, a plan out; [`gather`] gets the facts, [`execute`] makes it true.
//!
//! **Invariant:** nothing that a snapshot refers to is deleted, whoever wrote that,
//! however long machines sleep and whatever their clocks say: what is unneeded goes by
//! the refs, how long it has been condemned goes by the store's own clock. Whole packs
//! go, or stay; nothing is written anew but index segments.

mod execute;
mod gather;
mod segments;
mod show;
mod tombs;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use darkslide_format::names::{self, Kind};
use darkslide_format::reach::Needs;
use darkslide_price::{PriceError, Prices, terms};
use darkslide_store::Listed;
use darkslide_words::{Bytes, Count, Money, ObjectId, ObjectName, StorageClass, Time};
use serde::Serialize;

pub use execute::{Hooks, PruneContext, Pruned, forget, prune};
pub use gather::{Gathering, StoreClock, gather, read_refs};
pub use tombs::bury;

/// Kinds of objects that a prune deletes, besides index segments.
pub const PRUNED: [Kind; 5] = [Kind::Packs, Kind::Warm, Kind::Trees, Kind::Previews, Kind::Refs];

/// How long the tombstone of a forgotten snapshot tells other machines so.
const REMEMBERED: Duration = Duration::from_secs(365 * 86_400);

/// A tombstone in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// Since when, by the store's clock.
    pub since: Time,
    /// What it condemns; nothing for one that is forged or broken.
    pub object: Option<ObjectName>,
}

/// What is known of one store.
#[derive(Debug, Clone)]
pub struct StoreFacts {
    /// How it is called.
    pub label: String,
    /// The time by its own clock.
    pub now: Time,
    /// Packs and refs that it holds.
    pub inventory: BTreeMap<ObjectName, Listed>,
    /// Tombstones that it holds, by the id of what they condemn.
    pub tombstones: BTreeMap<ObjectId, Tombstone>,
    /// Its prices, if it costs anything.
    pub prices: Option<Prices>,
    /// Until when objects that are due are locked.
    pub locks: BTreeMap<ObjectName, Time>,
}

/// What a plan is made from.
#[derive(Debug, Clone)]
pub struct PruneFacts {
    /// The stores that are at hand.
    pub stores: Vec<StoreFacts>,
    /// Configured stores that are not.
    pub absent: Vec<String>,
    /// What is needed.
    pub needs: Needs,
    /// On which other refs object each one builds.
    pub bases: BTreeMap<ObjectId, Option<ObjectId>>,
    /// Snapshots in any store.
    pub snapshots: BTreeSet<ObjectName>,
    /// Packs that index segments list.
    pub indexed: BTreeSet<ObjectName>,
}

/// What to do about minimum stays that are not over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EarlyDeletion {
    /// Wait: the rest is billed anyway.
    #[default]
    Wait,
    /// Delete, and pay the rest at once.
    Pay,
}

/// How it is done.
#[derive(Debug, Clone, Copy)]
pub struct PruneOptions {
    /// How long something is condemned before it is deleted.
    pub grace: Duration,
    /// About minimum stays.
    pub early: EarlyDeletion,
}

/// One thing to do to one object in one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Take the tombstone away: it is needed again, or still.
    Restore,
    /// Take a forged, broken or revoked writer's tombstone away.
    Unbury,
    /// Put a tombstone.
    Condemn,
    /// Delete it.
    Delete,
    /// Take the tombstone away of what is gone from all stores.
    Finish,
}

/// One step of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unit {
    /// Number of the store.
    pub store: usize,
    /// What.
    pub act: Act,
    /// To which object: never the tombstone, always what it stands for.
    pub object: ObjectName,
    /// Its stored bytes.
    pub size: Bytes,
    /// Its class.
    pub class: StorageClass,
    /// What deleting it now costs, for a minimum stay that is not over.
    pub cost: Money,
}

/// Why something that is condemned is not deleted yet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// The grace period is not over.
    Grace {
        /// Until then.
        until: Time,
    },
    /// The minimum stay of its class is not over.
    Stay {
        /// Free to delete from then on.
        free: Time,
        /// What it costs today.
        today: Money,
    },
    /// Object Lock.
    Locked {
        /// Until then.
        until: Time,
    },
}

/// Something that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// Number of the store.
    pub store: usize,
    /// Which object.
    pub object: ObjectName,
    /// Its stored bytes.
    pub size: Bytes,
    /// Its class.
    pub class: StorageClass,
    /// What for.
    pub wait: Wait,
}

/// What will be done. Nothing is decided later.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrunePlan {
    /// The stores, in the order of their numbers.
    pub stores: Vec<String>,
    /// Configured stores that could not be looked at.
    pub absent: Vec<String>,
    /// What to do, in this order.
    pub units: Vec<Unit>,
    /// What waits.
    pub waiting: Vec<Waiting>,
    /// Packs that are gone from all stores: index segments that list them are replaced.
    pub dead: BTreeSet<ObjectName>,
    /// Objects of which it cannot be told what they need: as long as there is one,
    /// nothing is condemned and nothing deleted.
    pub blocked: Vec<(ObjectName, String)>,
}

impl PrunePlan {
    /// What the deletions cost.
    pub fn total(&self) -> Money {
        self.units.iter().map(|unit| unit.cost).sum()
    }

    /// Objects of which this is done, and their bytes.
    pub fn sum(&self, act: Act) -> (Count, Bytes) {
        let units = self.units.iter().filter(|unit| unit.act == act);
        units.fold((Count(0), Bytes(0)), |(n, bytes), unit| (Count(n.0 + 1), Bytes(bytes.0 + unit.size.0)))
    }

    /// True if there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.units.is_empty() && self.dead.is_empty()
    }
}

/// Decides.
pub fn plan(facts: &PruneFacts, options: &PruneOptions) -> Result<PrunePlan, PriceError> {
    let mut plan = PrunePlan {
        stores: facts.stores.iter().map(|s| s.label.clone()).collect(),
        absent: facts.absent.clone(),
        blocked: facts.needs.unknown.clone(),
        ..PrunePlan::default()
    };
    for (n, store) in facts.stores.iter().enumerate() {
        let mut planner = Planner { facts, options, n, store, plan: &mut plan };
        planner.tombstones();
        if facts.needs.unknown.is_empty() {
            planner.objects()?;
        }
    }
    if facts.needs.unknown.is_empty() && facts.absent.is_empty() {
        let there = |name: &ObjectName| facts.stores.iter().any(|s| s.inventory.contains_key(name));
        let gone = facts.indexed.iter().filter(|name| !facts.needs.packs.contains(*name) && !there(name));
        plan.dead.extend(gone.cloned());
    }
    // Deletions in the order of writing reversed as far as it matters: refs go last.
    let order = |unit: &Unit| (unit.act, kind(&unit.object) == Some(Kind::Refs), unit.store);
    plan.units.sort_by(|a, b| (order(a), &a.object).cmp(&(order(b), &b.object)));
    Ok(plan)
}

fn kind(name: &ObjectName) -> Option<Kind> {
    names::parse(name).map(|parsed| parsed.kind)
}

fn id(name: &ObjectName) -> Option<ObjectId> {
    names::parse(name)?.id
}

/// What may happen to an object that nothing needs.
enum Due {
    Spare,
    Condemn,
    Wait(Wait),
    Delete(Money),
}

struct Planner<'a> {
    facts: &'a PruneFacts,
    options: &'a PruneOptions,
    n: usize,
    store: &'a StoreFacts,
    plan: &'a mut PrunePlan,
}

impl Planner<'_> {
    fn needed(&self, name: &ObjectName) -> bool {
        let needs = &self.facts.needs;
        needs.packs.contains(name)
            || (kind(name) == Some(Kind::Refs) && id(name).is_some_and(|id| needs.refs.contains(&id)))
    }

    fn unit(&mut self, act: Act, object: &ObjectName, cost: Money) {
        let listed = self.store.inventory.get(object);
        let (size, class) = listed.map_or_else(Default::default, |l| (l.size, l.class.clone()));
        self.plan.units.push(Unit { store: self.n, act, object: object.clone(), size, class, cost });
    }

    fn in_any_store(&self, name: &ObjectName) -> bool {
        self.facts.stores.iter().any(|s| s.inventory.contains_key(name))
    }

    fn tombstones(&mut self) {
        for (id, tombstone) in &self.store.tombstones {
            let Some(object) = &tombstone.object else {
                self.unit(Act::Unbury, &names::object(Kind::Condemned, *id), Money::ZERO);
                continue;
            };
            let over = match kind(object) {
                _ if self.needed(object) => {
                    self.unit(Act::Restore, object, Money::ZERO);
                    continue;
                }
                Some(Kind::Snapshots) => {
                    let old = tombstone.since.until(self.store.now) > REMEMBERED;
                    old && !self.facts.snapshots.contains(object)
                }
                Some(kind) if PRUNED.contains(&kind) => !self.in_any_store(object) && self.facts.absent.is_empty(),
                _ => true,
            };
            if over {
                self.unit(Act::Finish, object, Money::ZERO);
                if matches!(kind(object), Some(Kind::Packs | Kind::Warm | Kind::Trees)) {
                    self.plan.dead.insert(object.clone());
                }
            }
        }
    }

    fn objects(&mut self) -> Result<(), PriceError> {
        let mut due = BTreeMap::new();
        for (name, listed) in &self.store.inventory {
            if !self.needed(name) {
                due.insert(name.clone(), self.due(listed)?);
            }
        }
        // A refs object stays while one stays that builds on it.
        let condemned = self.chained(&due, |due| !matches!(due, Due::Spare));
        let deleted = self.chained(&due, |due| matches!(due, Due::Delete(_)));
        for (name, what) in due {
            let refs = id(&name).filter(|_| kind(&name) == Some(Kind::Refs));
            let stays = |chained: &HashSet<ObjectId>| refs.is_some_and(|id| chained.contains(&id));
            match what {
                Due::Condemn if !stays(&condemned) => self.unit(Act::Condemn, &name, Money::ZERO),
                Due::Delete(cost) if !stays(&deleted) => self.unit(Act::Delete, &name, cost),
                Due::Wait(wait) => {
                    let listed = &self.store.inventory[&name];
                    let (size, class) = (listed.size, listed.class.clone());
                    self.plan.waiting.push(Waiting { store: self.n, object: name, size, class, wait });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Refs on which others build that do not go.
    fn chained(&self, due: &BTreeMap<ObjectName, Due>, goes: impl Fn(&Due) -> bool) -> HashSet<ObjectId> {
        let mut chained = HashSet::new();
        for name in self.store.inventory.keys().filter(|name| kind(name) == Some(Kind::Refs)) {
            if due.get(name).is_some_and(&goes) {
                continue;
            }
            let base = |id: ObjectId| self.facts.bases.get(&id).copied().flatten();
            let mut next = id(name).and_then(base);
            while let Some(id) = next.filter(|id| chained.insert(*id)) {
                next = base(id);
            }
        }
        chained
    }

    /// What may happen to an object that nothing needs.
    fn due(&self, listed: &Listed) -> Result<Due, PriceError> {
        let now = self.store.now;
        let tombstone = id(&listed.name).and_then(|id| self.store.tombstones.get(&id));
        let Some(since) = tombstone.filter(|t| t.object.as_ref() == Some(&listed.name)).map(|t| t.since) else {
            // What is young may be a run's that has put no checkpoint yet.
            let young = listed.modified.until(now) <= self.options.grace;
            return Ok(if young { Due::Spare } else { Due::Condemn });
        };
        let until = since.plus(self.options.grace);
        if now <= until {
            return Ok(Due::Wait(Wait::Grace { until }));
        }
        if let Some(until) = self.store.locks.get(&listed.name).filter(|until| now < **until) {
            return Ok(Due::Wait(Wait::Locked { until: *until }));
        }
        let Some(prices) = &self.store.prices else { return Ok(Due::Delete(Money::ZERO)) };
        let days = terms(&listed.class, None).min_days;
        let free = listed.modified.plus(Duration::from_secs(u64::from(days) * 86_400));
        if now >= free {
            return Ok(Due::Delete(Money::ZERO));
        }
        let age = u32::try_from(listed.modified.until(now).as_secs() / 86_400).unwrap_or(u32::MAX);
        let lines = prices.early_deletion(&listed.class, Count(1), listed.size, age)?;
        let today = lines.into_iter().map(|line| line.amount).sum();
        Ok(match self.options.early {
            EarlyDeletion::Pay => Due::Delete(today),
            EarlyDeletion::Wait => Due::Wait(Wait::Stay { free, today }),
        })
    }
}

#[cfg(test)]
mod tests;
