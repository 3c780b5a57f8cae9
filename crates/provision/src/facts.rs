//! What is there: read through the cloud before a plan is made. Reads only.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::ProvisionError;
use crate::cloud::{Aspect, Caller, Cloud, Contents, Item, Thing};
use crate::desired::{Desired, IamName, IamPath, MADE_TAG, MANAGED_TAG, VaultName};
use crate::keys::{KeyFacts, KeyKeeper};
use crate::wanted::wanted;

/// What is there.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// Whose credentials looked.
    pub caller: Caller,
    /// Each setting that is wanted, as it is.
    pub states: BTreeMap<Item, Option<Value>>,
    /// The keys of each user that is wanted and there.
    pub keys: BTreeMap<IamName, KeyFacts>,
    /// Users and roles of this setup that nobody wants any more.
    pub strays: Vec<Thing>,
    /// What wanted buckets and vaults hold: read for a destroy, and of a bucket that is to be taken up.
    pub contents: BTreeMap<Thing, Contents>,
    /// Locks of vaults that shall have one: `{"state", "policy"}`.
    pub locks: BTreeMap<VaultName, Option<Value>>,
}

/// What a look is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A plan to make.
    Apply,
    /// A plan to remove: also what buckets and vaults hold.
    Destroy,
}

/// Looks.
pub fn observe(
    desired: &Desired,
    cloud: &dyn Cloud,
    keeper: &dyn KeyKeeper,
    purpose: Purpose,
) -> Result<Facts, ProvisionError> {
    let caller = cloud.caller()?;
    if caller.account != desired.account {
        let (wanted, found) = (desired.account.to_string(), caller.account.to_string());
        return Err(ProvisionError::OtherAccount { wanted, found });
    }
    let mut facts = Facts {
        caller,
        states: BTreeMap::new(),
        keys: BTreeMap::new(),
        strays: Vec::new(),
        contents: BTreeMap::new(),
        locks: BTreeMap::new(),
    };
    let mut absent: BTreeSet<Thing> = BTreeSet::new();
    for want in wanted(desired) {
        let thing = &want.item.thing;
        // A thing that is not there has no settings, and no call is made for them.
        let state = match (&want.item.aspect, absent.contains(thing)) {
            (_, true) => None,
            (Aspect::Key, false) => {
                if let Thing::User(user) = thing {
                    let tags = facts.states.get(&Item::new(thing.clone(), Aspect::Tags)).cloned().flatten();
                    facts.keys.insert(user.clone(), KeyFacts::read(user, tags.as_ref(), cloud, keeper)?);
                }
                None
            }
            _ => read(&want.item, cloud)?,
        };
        if want.item.aspect == Aspect::Itself && state.is_none() {
            absent.insert(thing.clone());
        }
        if purpose == Purpose::Destroy
            && want.item.aspect == Aspect::Itself
            && state.is_some()
            && let Thing::Bucket(_) | Thing::Vault(_) = thing
        {
            facts.contents.insert(thing.clone(), cloud.contents(thing)?);
        }
        facts.states.insert(want.item, state);
    }
    // A bucket of others that this setup would move into: rules without a prefix would be rules for their data.
    if let Some(bucket) = desired.bucket.as_ref().filter(|bucket| bucket.prefix.as_str().is_empty()) {
        let thing = Thing::Bucket(bucket.name.clone());
        if purpose == Purpose::Apply && !absent.contains(&thing) && facts.owner(&thing).is_none() {
            facts.contents.insert(thing.clone(), cloud.contents(&thing)?);
        }
    }
    for vault in desired.vaults.iter().filter(|vault| vault.lock_days.is_some()) {
        let item = Item::new(Thing::Vault(vault.name.clone()), Aspect::Lock);
        let lock = if absent.contains(&item.thing) { None } else { read(&item, cloud)? };
        facts.locks.insert(vault.name.clone(), lock);
    }
    facts.strays = strays(desired, cloud, &facts)?;
    Ok(facts)
}

/// One setting; the refusal of new customers by Amazon Glacier gets words of its own.
pub(crate) fn read(item: &Item, cloud: &dyn Cloud) -> Result<Option<Value>, ProvisionError> {
    cloud.read(item).map_err(|error| ProvisionError::of(error, &item.thing))
}

/// Users and roles below our paths that carry our tag and are wanted by nobody.
fn strays(desired: &Desired, cloud: &dyn Cloud, facts: &Facts) -> Result<Vec<Thing>, ProvisionError> {
    let paths: BTreeSet<&IamPath> =
        desired.identities.iter().map(|i| &i.path).chain(desired.nas.iter().map(|n| &n.path)).collect();
    let mut out = Vec::new();
    for path in paths {
        // All users of an account lie below `/`: there it would be a walk through everybody.
        if path.as_str() == "/" {
            continue;
        }
        let users = cloud.users(path)?.into_iter().map(Thing::User);
        for thing in users.chain(cloud.roles(path)?.into_iter().map(Thing::Role)) {
            if facts.states.keys().any(|item| item.thing == thing) || out.contains(&thing) {
                continue;
            }
            let tags = cloud.read(&Item::new(thing.clone(), Aspect::Tags))?;
            if tags.is_some_and(|tags| tags[MANAGED_TAG] == desired.owner_tag.as_str()) {
                out.push(thing);
            }
        }
    }
    Ok(out)
}

impl Facts {
    /// A setting as it was read.
    pub(crate) fn state(&self, item: &Item) -> Option<&Value> {
        self.states.get(item).and_then(Option::as_ref)
    }

    /// True for a topic or queue that was there before this setup took it up.
    pub(crate) fn was_found(&self, thing: &Thing) -> bool {
        let tags = self.state(&Item::new(thing.clone(), Aspect::Tags));
        matches!(thing, Thing::Topic(_) | Thing::Queue(_)) && !tags.is_some_and(|tags| tags[MADE_TAG].is_string())
    }

    /// Whose tag a thing carries.
    pub(crate) fn owner(&self, thing: &Thing) -> Option<&str> {
        self.state(&Item::new(thing.clone(), Aspect::Tags)).and_then(|tags| tags[MANAGED_TAG].as_str())
    }
}
