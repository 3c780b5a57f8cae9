//! What to do about the difference: a pure function of facts, and a value that reads like a diff.

use std::collections::BTreeMap;
use std::fmt;

use darkslide_price::Quote;
use serde::Serialize;
use serde_json::Value;

use crate::ProvisionError;
use crate::cloud::{Aspect, Contents, Item, Thing};
use crate::cost::{self, Pricing};
use crate::desired::Desired;
use crate::facts::Facts;
use crate::keys::KeyNext;
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

fn empty(desired: &Desired, monthly: Quote) -> Plan {
    Plan {
        account: desired.account.to_string(),
        region: desired.region.to_string(),
        steps: Vec::new(),
        blocked: Vec::new(),
        remains: Vec::new(),
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
