//! What to do about the difference: a pure function of facts, and a value that reads like a diff.

use std::collections::BTreeMap;
use std::fmt;

use darkslide_price::Quote;
use serde::Serialize;
use serde_json::Value;

use crate::ProvisionError;
use crate::cloud::{Aspect, Contents, Item, Thing};
use crate::cost::{self, Pricing};
use crate::desired::{Desired, IamName, VaultDesired};
use crate::facts::Facts;
use crate::keys::KeyNext;
use crate::policy;
use crate::show;
use crate::wanted::{Want, canonical, merged, wanted};

/// What becomes of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// It is absent, and will be there.
    Create,
    /// It is there, and will be another.
    Change,
    /// It stays as it is.
    Leave,
    /// It goes.
    Delete,
}

/// One setting, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// Which.
    pub item: Item,
    /// What becomes of it.
    pub act: Act,
    /// Why.
    pub why: String,
    /// As it is.
    pub before: Option<Value>,
    /// As it will be.
    pub after: Option<Value>,
}

/// What will be done. A value: nothing is decided while it is applied.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// Every setting, in the order of doing.
    pub steps: Vec<Step>,
    /// What stands in the way; nothing is done while something does.
    pub blocked: Vec<String>,
    /// What stays though it is no longer wanted, and why.
    pub remains: Vec<String>,
    /// What no plan does, since it can never be undone, and how it is done.
    pub by_hand: Vec<String>,
    /// What the settings themselves cost in a month, and what storage would.
    pub monthly: Quote,
}

impl Plan {
    /// The steps that change something.
    pub fn changes(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.act != Act::Leave)
    }

    /// True where all is as it shall be.
    pub fn is_empty(&self) -> bool {
        self.changes().next().is_none()
    }

    /// How many steps of each kind.
    pub fn counts(&self) -> BTreeMap<Act, usize> {
        let mut counts = BTreeMap::new();
        self.steps.iter().for_each(|step| *counts.entry(step.act).or_default() += 1);
        counts
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show::plan(self, f)
    }
}

/// What has to be done so that the account is as desired.
pub fn plan(desired: &Desired, facts: &Facts, pricing: Option<&Pricing<'_>>) -> Result<Plan, ProvisionError> {
    policy::check(desired)?;
    let wants = wanted(desired);
    let mut plan = empty(desired, cost::monthly(desired, pricing)?);
    for want in &wants {
        plan.blocked.extend(obstacle(desired, facts, want));
        plan.steps.push(match want.item.aspect {
            Aspect::Key => key_step(facts, want),
            _ => step(facts, want),
        });
    }
    for stray in &facts.strays {
        plan.steps.push(removal(stray, None, "not wanted any more"));
    }
    plan.by_hand = desired.vaults.iter().filter_map(|vault| lock_by_hand(desired, facts, vault)).collect();
    Ok(plan)
}

/// What has to be done so that nothing of it is left but data.
pub fn plan_destroy(desired: &Desired, facts: &Facts) -> Result<Plan, ProvisionError> {
    let mut plan = empty(desired, Quote::default());
    let mut things: Vec<(Thing, Option<Value>)> = Vec::new();
    for want in wanted(desired) {
        let alone = matches!(want.item.thing, Thing::Budget(_));
        if (want.item.aspect == Aspect::Itself || alone)
            && !things.iter().any(|(thing, _)| *thing == want.item.thing)
            && let Some(state) = facts.state(&want.item)
        {
            things.push((want.item.thing.clone(), Some(state.clone())));
        }
    }
    things.extend(facts.strays.iter().map(|stray| (stray.clone(), None)));
    // Whoever could still write goes before what is written to.
    for (thing, before) in things.into_iter().rev() {
        let foreign = match (facts.owner(&thing), &thing) {
            (Some(owner), _) => owner != desired.owner_tag,
            (None, Thing::Budget(_)) => false,
            (None, _) => !facts.strays.contains(&thing),
        };
        match facts.contents.get(&thing) {
            _ if facts.caller.arn == arn_of(desired, &thing) => {
                plan.remains.push(format!("{thing}: these are its credentials; delete it with others"));
            }
            _ if facts.was_found(&thing) => {
                plan.remains.push(format!("{thing}: it was there before this setup, and may be used by others"));
            }
            _ if foreign => plan.remains.push(format!("{thing}: it does not carry the tag of this setup")),
            Some(Contents::Data(what)) => plan.remains.push(format!("{thing}, with all its settings: it holds {what}")),
            Some(Contents::Unknown(why)) => {
                plan.remains.push(format!("{thing}, with all its settings: whether it is empty cannot be told: {why}"));
            }
            _ => plan.steps.push(removal(&thing, before, "wanted no more")),
        }
    }
    Ok(plan)
}

/// What is left to do about the lock of a vault.
fn lock_by_hand(desired: &Desired, facts: &Facts, vault: &VaultDesired) -> Option<String> {
    let (wanted, name) = (policy::vault_lock(desired, vault)?, &vault.name);
    let days = vault.lock_days?;
    let begin = format!("`darkslide vault lock initiate --keep-days {days} --vault {name}`");
    let complete = format!("`darkslide vault lock complete ID --vault {name}`");
    let Some(lock) = facts.locks.get(name).and_then(Option::as_ref) else {
        return Some(format!("vault {name} has no lock yet: {begin}, try it, then {complete} within 24 hours"));
    };
    let same = canonical(&lock["policy"]) == canonical(&wanted);
    match (lock["state"].as_str(), same) {
        (Some("Locked"), true) => None,
        (Some("Locked"), false) => Some(format!(
            "vault {name} is locked by another policy for ever; correct `lock_days`, or use another vault"
        )),
        (_, true) => Some(format!(
            "the lock of vault {name} lapses {} unless it is completed: {complete}",
            lock["lapses"].as_str().unwrap_or("within 24 hours")
        )),
        (_, false) => Some(format!(
            "vault {name} is being locked by another policy: `darkslide vault lock abort --vault {name}`, then {begin}"
        )),
    }
}

/// The ARN of a user or role; empty for all else.
fn arn_of(desired: &Desired, thing: &Thing) -> String {
    let identity = |name: &IamName| desired.identities.iter().find(|one| one.name == *name);
    match thing {
        Thing::User(name) | Thing::Role(name) => {
            identity(name).map(|one| desired.identity_arn(one)).unwrap_or_default()
        }
        _ => String::new(),
    }
}

fn empty(desired: &Desired, monthly: Quote) -> Plan {
    Plan {
        account: desired.account.to_string(),
        region: desired.region.to_string(),
        steps: Vec::new(),
        blocked: Vec::new(),
        remains: Vec::new(),
        by_hand: Vec::new(),
        monthly,
    }
}

fn removal(thing: &Thing, before: Option<Value>, why: &str) -> Step {
    let aspect = match thing {
        Thing::Budget(_) => Aspect::Limit,
        _ => Aspect::Itself,
    };
    Step { item: Item::new(thing.clone(), aspect), act: Act::Delete, why: why.into(), before, after: None }
}

fn step(facts: &Facts, want: &Want) -> Step {
    let before = facts.state(&want.item);
    let after = merged(&want.item, before, &want.state);
    let act = match before {
        None => Act::Create,
        Some(there) if *there == after => Act::Leave,
        Some(_) => Act::Change,
    };
    Step { item: want.item.clone(), act, why: want.why.clone(), before: before.cloned(), after: Some(after) }
}

fn key_step(facts: &Facts, want: &Want) -> Step {
    let keys = match &want.item.thing {
        Thing::User(user) => facts.keys.get(user),
        _ => None,
    };
    let (act, why) = match keys.map(crate::keys::KeyFacts::next) {
        None | Some(KeyNext::Create { .. }) => (Act::Create, want.why.clone()),
        Some(KeyNext::Leave(_)) => (Act::Leave, want.why.clone()),
        Some(KeyNext::Confirm(key)) => (Act::Change, format!("{key} was handed over; only its note is missing")),
        Some(KeyNext::Crowded(ids)) => (Act::Leave, format!("others made its keys: {}", ids.join(", "))),
    };
    let before = keys.and_then(|keys| keys.shown());
    Step { item: want.item.clone(), act, why, before, after: None }
}

/// Why a thing that is there cannot be made ours.
fn obstacle(desired: &Desired, facts: &Facts, want: &Want) -> Option<String> {
    let thing = &want.item.thing;
    if want.item.aspect != Aspect::Itself {
        return None;
    }
    let there = facts.state(&want.item)?;
    let tag = crate::desired::MANAGED_TAG;
    match (facts.owner(thing), thing) {
        (Some(owner), _) if owner != desired.owner_tag => {
            return Some(format!("{thing} belongs to another setup ({tag} = {owner}); give this one another name"));
        }
        (None, Thing::Bucket(name)) => {
            if let Some(Contents::Data(what) | Contents::Unknown(what)) = facts.contents.get(thing) {
                return Some(format!(
                    "{thing} exists and is not empty ({what}), and the repository would lie in it without a prefix: its \
                     rules would be rules for all of it. Use s3://{name}/PREFIX, or another bucket"
                ));
            }
        }
        (None, Thing::User(_) | Thing::Role(_) | Thing::Policy(..)) => {
            return Some(format!(
                "{thing} exists and was not made by this setup; give this one another name, or hand it over with the tag {tag} = {}",
                desired.owner_tag
            ));
        }
        _ => {}
    }
    let differs = |name: &str| {
        let (is, shall) = (&there[name], &want.state[name]);
        (!is.is_null() && !shall.is_null() && canonical(is) != canonical(shall)).then(|| (is.clone(), shall.clone()))
    };
    let (is, shall) = differs("path")?;
    Some(format!("{thing} has the path {is}, and {shall} is asked for; correct `path`, or remove it first"))
}
