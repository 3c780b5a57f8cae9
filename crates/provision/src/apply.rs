//! Making a plan true, one call at a time.
//!
//! **Invariant:** each setting is read again before it is written, so that a run that was cut off
//! anywhere goes on, and one that is started twice does nothing twice.

use serde::Serialize;

use crate::ProvisionError;
use crate::cloud::{Aspect, Cloud, Item, Thing};
use crate::facts::read;
use crate::keys::{self, KeyKeeper};
use crate::plan::{Act, Plan, Step};
use crate::wanted::merged;

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Applied {
    /// Settings that were written.
    pub written: Vec<String>,
    /// Things that were removed.
    pub removed: Vec<String>,
    /// Users that got a key, and where its secret went.
    pub keys: Vec<(String, String)>,
}

/// Hears of each step before it is taken.
pub trait Watcher {
    /// A step that changes something.
    fn step(&mut self, step: &Step);
}

impl<F: FnMut(&Step)> Watcher for F {
    fn step(&mut self, step: &Step) {
        self(step);
    }
}

/// Takes the steps of a plan. Refused while something is in its way.
pub fn apply(
    plan: &Plan,
    cloud: &dyn Cloud,
    keeper: &dyn KeyKeeper,
    watcher: &mut dyn Watcher,
) -> Result<Applied, ProvisionError> {
    if !plan.blocked.is_empty() {
        return Err(ProvisionError::Blocked(plan.blocked.join("\n")));
    }
    let mut done = Applied::default();
    for step in plan.changes() {
        watcher.step(step);
        match (step.act, &step.item.thing, &step.item.aspect) {
            (Act::Delete, thing, _) => {
                remove(thing, cloud, keeper)?;
                done.removed.push(thing.to_string());
            }
            (_, Thing::User(user), Aspect::Key) => {
                if let Some(place) = keys::settle(user, cloud, keeper)? {
                    done.keys.push((user.to_string(), place));
                }
            }
            _ => {
                if set(plan, step, cloud)? {
                    done.written.push(step.item.to_string());
                }
            }
        }
    }
    Ok(done)
}

/// True if it had to be written.
fn set(plan: &Plan, step: &Step, cloud: &dyn Cloud) -> Result<bool, ProvisionError> {
    let Some(after) = &step.after else { return Ok(false) };
    let there = read(&step.item, cloud)?;
    let state = merged(&step.item, there.as_ref(), after);
    if there.as_ref() == Some(&state) {
        return Ok(false);
    }
    // What was made by this plan may have got defaults from AWS; what was there before was shown.
    let own = Item::new(step.item.thing.clone(), Aspect::Itself);
    let made_here = plan.steps.iter().any(|other| other.item == own && other.act == Act::Create);
    if !made_here && there != step.before && there.is_some() {
        return Err(ProvisionError::Moved { what: step.item.to_string() });
    }
    cloud.write(&step.item, &state).map_err(|error| ProvisionError::of(error, &step.item.thing))?;
    Ok(true)
}

/// A thing with what hangs on it.
fn remove(thing: &Thing, cloud: &dyn Cloud, keeper: &dyn KeyKeeper) -> Result<(), ProvisionError> {
    match thing {
        Thing::User(user) => {
            for key in cloud.keys(user)? {
                cloud.delete_key(user, &key.id)?;
                keeper.forget(user, &key.id)?;
            }
            cloud.delete(&Item::new(thing.clone(), Aspect::Policy))?;
        }
        Thing::Role(_) => cloud.delete(&Item::new(thing.clone(), Aspect::Policy))?,
        Thing::Budget(_) => return Ok(cloud.delete(&Item::new(thing.clone(), Aspect::Limit))?),
        // Asked again at the last moment: what a backup wrote since the plan is not touched.
        Thing::Bucket(_) | Thing::Vault(_) => match cloud.contents(thing)? {
            crate::cloud::Contents::Nothing => {}
            crate::cloud::Contents::Data(what) | crate::cloud::Contents::Unknown(what) => {
                return Err(ProvisionError::HoldsData { thing: thing.to_string(), what });
            }
        },
        _ => {}
    }
    cloud.delete(&Item::new(thing.clone(), Aspect::Itself)).map_err(|error| ProvisionError::of(error, thing))
}
