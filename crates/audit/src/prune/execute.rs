//! Making a plan true: one recorded step after the other. Each step is harmless when it
//! is done twice, and what a crash leaves undone is in the next plan.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use darkslide_format::keys::KeyPair;
use darkslide_format::names::{self, Kind};
use darkslide_format::signed::SecretKey;
use darkslide_format::trust::Trust;
use darkslide_store::{Store, list_all};
use darkslide_words::{Bytes, Clock, Count, Money, ObjectName, Time};

use super::{Act, PrunePlan, Unit, segments, tombs};
use crate::AuditError;

/// Deletions after which it is looked again whether all is still condemned.
const LOOK_EVERY: usize = 100;

/// A plan that is older is not to be trusted any more: the machine slept.
const FRESH: Duration = Duration::from_secs(3600);

/// What a prune works with.
pub struct PruneContext<'a> {
    /// The stores of the plan, in its order.
    pub stores: &'a [Arc<dyn Store>],
    /// Who may sign.
    pub trust: &'a Trust,
    /// Signs tombstones and segments: an enrolled writer's.
    pub signer: &'a SecretKey,
    /// Opens index segments.
    pub index: &'a KeyPair,
    /// The time.
    pub clock: &'a dyn Clock,
    /// When the facts were gathered: wall clock, and the one that does not jump.
    pub gathered: (Time, Duration),
}

/// Watches each step.
pub trait Hooks {
    /// Before it; an error ends the prune.
    fn before(&mut self, _unit: &Unit) -> Result<(), AuditError> {
        Ok(())
    }
    /// When it is done.
    fn after(&mut self, _unit: &Unit) -> Result<(), AuditError> {
        Ok(())
    }
    /// True to stop; the next prune goes on.
    fn cancelled(&self) -> bool {
        false
    }
}

/// What a prune did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Objects condemned.
    pub condemned: Count,
    /// Objects that are condemned no more.
    pub restored: Count,
    /// Objects deleted.
    pub deleted: Count,
    /// Their bytes.
    pub bytes: Bytes,
    /// What minimum stays cost.
    pub cost: Money,
}

/// Executes a plan. [`AuditError::Stale`] asks for a new one.
pub fn prune(plan: &PrunePlan, context: &PruneContext<'_>, hooks: &mut dyn Hooks) -> Result<Pruned, AuditError> {
    let mut done = Pruned::default();
    let mut standing = Standing { seen: BTreeSet::new(), left: 0 };
    let (last, first): (Vec<&Unit>, Vec<&Unit>) = plan.units.iter().partition(|unit| unit.act == Act::Finish);
    for unit in first {
        begin(unit, context, hooks)?;
        if unit.act == Act::Delete && !standing.holds(unit, context)? {
            // Somebody found that it is needed.
            return Err(AuditError::Stale);
        }
        step(unit, context, &mut done)?;
        hooks.after(unit)?;
    }
    // A tombstone goes when its pack is gone and no segment lists that any more.
    let left = match plan.dead.is_empty() {
        true => BTreeSet::new(),
        false => segments::replace(context, &plan.dead)?,
    };
    for unit in last.into_iter().filter(|unit| !left.contains(&unit.object)) {
        begin(unit, context, hooks)?;
        step(unit, context, &mut done)?;
        hooks.after(unit)?;
    }
    Ok(done)
}

fn begin(unit: &Unit, context: &PruneContext<'_>, hooks: &mut dyn Hooks) -> Result<(), AuditError> {
    if hooks.cancelled() {
        return Err(AuditError::Cancelled);
    }
    fresh(context)?;
    hooks.before(unit)
}

/// Tombstones that were there a short while ago.
struct Standing {
    seen: BTreeSet<(usize, ObjectName)>,
    left: usize,
}

impl Standing {
    fn holds(&mut self, unit: &Unit, context: &PruneContext<'_>) -> Result<bool, AuditError> {
        if self.left == 0 {
            self.seen.clear();
            for (n, store) in context.stores.iter().enumerate() {
                let listed = list_all(&**store, Kind::Condemned.prefix())?;
                self.seen.extend(listed.into_iter().map(|l| (n, l.name)));
            }
            self.left = LOOK_EVERY;
        }
        self.left -= 1;
        Ok(self.seen.contains(&(unit.store, tombs::tombstone(&unit.object))))
    }
}

fn fresh(context: &PruneContext<'_>) -> Result<(), AuditError> {
    let (wall, steady) = context.gathered;
    let (now, elapsed) = (context.clock.now(), context.clock.elapsed());
    // The steady clock may stand still while a machine sleeps, the other one may jump.
    match wall.until(now) > FRESH || now.until(wall) > FRESH || elapsed.saturating_sub(steady) > FRESH {
        true => Err(AuditError::Stale),
        false => Ok(()),
    }
}

fn step(unit: &Unit, context: &PruneContext<'_>, done: &mut Pruned) -> Result<(), AuditError> {
    let store = &*context.stores[unit.store];
    match unit.act {
        Act::Condemn => {
            tombs::bury(store, &unit.object, context.trust, context.signer, context.clock.now())?;
            done.condemned += Count(1);
        }
        Act::Restore | Act::Unbury | Act::Finish => {
            store.delete(&tombs::tombstone(&unit.object))?;
            done.restored += Count(u64::from(unit.act == Act::Restore));
        }
        Act::Delete => {
            store.delete(&unit.object)?;
            done.deleted += Count(1);
            done.bytes += unit.size;
            done.cost += unit.cost;
        }
    }
    Ok(())
}

/// Forgets snapshots: a tombstone that tells other machines so, then the deletion, in
/// each store. `did` is called when one is gone from all of them.
pub fn forget(
    snapshots: &BTreeSet<ObjectName>,
    context: &PruneContext<'_>,
    did: &mut dyn FnMut(&ObjectName) -> Result<(), AuditError>,
) -> Result<Count, AuditError> {
    let mut forgotten = Count(0);
    for name in snapshots.iter().filter(|n| names::parse(n).is_some_and(|p| p.kind == Kind::Snapshots)) {
        fresh(context)?;
        for store in context.stores {
            tombs::bury(&**store, name, context.trust, context.signer, context.clock.now())?;
        }
        context.stores.iter().try_for_each(|store| store.delete(name))?;
        forgotten += Count(1);
        did(name)?;
    }
    Ok(forgotten)
}
