//! `vault leave`: out of a vault, into another store.

use anyhow::Result;
use darkslide_engine::words::{Bytes, Count, Money, StorageClass, Tier};
use darkslide_engine::{Engine, LeaveOptions, LeavePlan, Leaving, StoreSettings};
use serde_json::json;

use crate::args::Which;
use crate::confirm;
use crate::output::{self, Exit};

/// What was ordered.
pub struct Order {
    pub to: String,
    pub class: Option<String>,
    pub tier: Tier,
    pub max_cost: Option<Money>,
    pub empty: bool,
    pub yes: bool,
    pub as_json: bool,
}

/// The settings of the other store: those of the configuration, or what the arguments say.
fn target(engine: &Engine, which: &Which, order: &Order) -> StoreSettings {
    let parsed = StoreSettings::parse(&order.to);
    let configured = engine.store_settings().into_iter().find(|s| s.label() == parsed.label());
    let class = order.class.as_deref().map(|name| StorageClass::from_name(&name.to_ascii_uppercase()));
    configured.unwrap_or_else(|| match parsed.url.is_some() {
        true => StoreSettings {
            region: which.region.clone(),
            profile: which.profile.clone(),
            endpoint: which.endpoint.clone(),
            class,
            ..parsed
        },
        false => parsed,
    })
}

/// Moves, or empties.
pub fn leave(engine: Option<&Engine>, from: &StoreSettings, which: &Which, order: &Order) -> Result<Exit> {
    let Some(engine) = engine else {
        anyhow::bail!("leaving a vault needs the configuration of its repository: `darkslide open`")
    };
    let to = target(engine, which, order);
    if to.vault().is_some() {
        anyhow::bail!("{} is a vault, too: name a bucket or a folder", to.label());
    }
    match order.empty {
        true => empty(engine, from, &to, order),
        false => go(engine, from, &to, order),
    }
}

fn go(engine: &Engine, from: &StoreSettings, to: &StoreSettings, order: &Order) -> Result<Exit> {
    let mut problem = None;
    let mut ask = |plan: &LeavePlan| {
        let days = plan.thaw.last_byte.as_secs() / 86_400 + 1;
        let what = format!(
            "{} packs go from {} to {} in {} waves, about {days} days:\n{}\n{}Every month there:\n{}\nIn all, once: {}",
            plan.thaw.packs.len(),
            from.label(),
            to.label(),
            plan.thaw.waves.len(),
            plan.thaw.quote,
            plan.uploads,
            plan.monthly,
            plan.total()
        );
        confirm::spend(&what, order.yes).unwrap_or_else(|error| {
            problem = Some(error);
            false
        })
    };
    let options = LeaveOptions { tier: order.tier, max_cost: order.max_cost };
    let left = engine.leave_vault(from, to, options, &mut ask)?;
    if let Some(error) = problem {
        return Err(error);
    }
    match left {
        Leaving::Declined => Ok(Exit::Refused),
        Leaving::Moved { packs, others } => {
            match order.as_json {
                true => output::value(&json!({"moved": packs, "others": others, "left": 0})),
                false => output::line(format_args!(
                    "{} has all {packs} packs and {others} other objects; {} is as it was",
                    to.label(),
                    from.label()
                )),
            }
            eprintln!(
                "Next: a [[store]] for it, `darkslide audit`; then `darkslide vault leave --to {} --empty`",
                order.to
            );
            Ok(Exit::Ok)
        }
        Leaving::Waiting { id, moved, left, stop } => {
            match order.as_json {
                true => output::value(
                    &json!({"thaw": id, "moved": moved, "left": left, "stop": stop.as_ref().map(ToString::to_string)}),
                ),
                false => {
                    output::line(format_args!("{moved} packs moved, {left} to come (thaw {id}): run the same again"))
                }
            }
            match stop {
                Some(stop) => {
                    eprintln!("{stop}");
                    Ok(Exit::Refused)
                }
                None => Ok(Exit::Waiting),
            }
        }
    }
}

fn empty(engine: &Engine, from: &StoreSettings, to: &StoreSettings, order: &Order) -> Result<Exit> {
    let mut problem = None;
    let mut ask = |packs: Count, bytes: Bytes| {
        let what = format!(
            "{packs} packs with {bytes} would be deleted from {} for good; {} was seen to hold each of them. What is younger \
             than 90 days is billed for the rest of them.",
            from.label(),
            to.label()
        );
        confirm::spend(&what, order.yes).unwrap_or_else(|error| {
            problem = Some(error);
            false
        })
    };
    let left = engine.empty_vault(from, to, &mut ask)?;
    if let Some(error) = problem {
        return Err(error);
    }
    let Some(left) = left else { return Ok(Exit::Refused) };
    match order.as_json {
        true => output::value(&json!({"deleted": left.deleted, "bytes": left.bytes,
            "kept": left.kept.iter().map(|(o, why)| json!({"object": o, "reason": why})).collect::<Vec<_>>()})),
        false => {
            output::line(format_args!("{} packs with {} deleted, {} kept", left.deleted, left.bytes, left.kept.len()))
        }
    }
    left.kept.iter().for_each(|(object, why)| eprintln!("{object} stays: {why}"));
    Ok(if left.kept.is_empty() { Exit::Ok } else { Exit::Incomplete })
}
