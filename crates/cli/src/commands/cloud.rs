//! `cloud`: the AWS account behind a bucket.

use std::path::PathBuf;

use anyhow::Result;
use darkslide_engine::provision::apply::Watcher;
use darkslide_engine::provision::{Applied, KeyKeeper, Plan, Step};
use darkslide_engine::{Engine, KeyPlace};
use serde_json::json;

use crate::args::{CloudApply, CloudCommand, CloudRotate, Json};
use crate::output::{self, Exit};
use crate::shown_keys::ShownKeys;
use crate::{confirm, wiring};

/// Runs `cloud`.
pub fn cloud(config: Option<PathBuf>, command: CloudCommand) -> Result<Exit> {
    let engine = || wiring::engine(config.clone());
    match command {
        CloudCommand::Plan(json) => plan(&engine()?, &json),
        CloudCommand::Apply(args) => apply(&engine()?, &args),
        CloudCommand::Destroy(args) => destroy(&engine()?, &args),
        CloudCommand::Rotate(args) => rotate(&engine()?, &args),
        CloudCommand::Verify(json) => verify(&engine()?, &json),
        // It can do without a configuration.
        CloudCommand::Export(args) => super::cloud_export::export(config, &args),
    }
}

/// Where new keys go.
fn keeper(place: &KeyPlace) -> Box<dyn KeyKeeper> {
    place.keeper().unwrap_or_else(|| Box::new(ShownKeys))
}

fn plan(engine: &Engine, json: &Json) -> Result<Exit> {
    let plan = engine.cloud()?.plan(&*keeper(&engine.cloud_keys()))?;
    match json.json {
        true => output::value(&serde_json::to_value(&plan)?),
        false => output::line(plan.to_string().trim_end()),
    }
    Ok(if plan.blocked.is_empty() { Exit::Ok } else { Exit::Refused })
}

fn apply(engine: &Engine, args: &CloudApply) -> Result<Exit> {
    let (setup, keeper) = (engine.cloud()?, keeper(&engine.cloud_keys()));
    let plan = setup.plan(&*keeper)?;
    if !agreed(&plan, args)? {
        return Ok(Exit::Refused);
    }
    let done = setup.apply(&plan, &*keeper, &mut Told)?;
    let rest = setup.plan(&*keeper)?;
    let left: Vec<String> = rest.changes().map(|step| step.item.to_string()).collect();
    tell(&done, &left, args.json.json);
    Ok(if left.is_empty() { Exit::Ok } else { Exit::Incomplete })
}

fn destroy(engine: &Engine, args: &CloudApply) -> Result<Exit> {
    let (setup, keeper) = (engine.cloud()?, keeper(&engine.cloud_keys()));
    let plan = setup.plan_destroy(&*keeper)?;
    if !agreed(&plan, args)? {
        return Ok(Exit::Refused);
    }
    let done = setup.apply(&plan, &*keeper, &mut Told)?;
    tell(&done, &plan.remains, args.json.json);
    Ok(if plan.remains.is_empty() { Exit::Ok } else { Exit::Incomplete })
}

/// Shows a plan and asks, where there is something to ask for.
fn agreed(plan: &Plan, args: &CloudApply) -> Result<bool> {
    if plan.is_empty() || !plan.blocked.is_empty() {
        eprintln!("{}", plan.to_string().trim_end());
        return Ok(true);
    }
    confirm::spend(plan.to_string().trim_end(), args.yes)
}

/// Tells each step on standard error.
pub struct Told;

impl Watcher for Told {
    fn step(&mut self, step: &Step) {
        eprintln!("{:?} {}", step.act, step.item);
    }
}

/// What was done, and what is left.
pub fn tell(done: &Applied, left: &[String], as_json: bool) {
    if as_json {
        output::value(&json!({"done": done, "left": left}));
        return;
    }
    output::line(format_args!("{} settings written, {} things removed", done.written.len(), done.removed.len()));
    for (user, place) in &done.keys {
        output::line(format_args!("the key of {user}: {place}"));
    }
    if !done.keys.is_empty() {
        output::line(
            "Keep on this machine the writer's alone. Carry each of the others to where it is used: append its file to \
             ~/.aws/credentials there, and name it in the [[store]] as reader_profile, auditor_profile or pruner_profile.",
        );
    }
    left.iter().for_each(|what| output::line(format_args!("left: {what}")));
}

fn rotate(engine: &Engine, args: &CloudRotate) -> Result<Exit> {
    let (setup, keeper) = (engine.cloud()?, keeper(&engine.cloud_keys()));
    let done = match args.finish {
        true => setup.finish_rotation(&args.who, &*keeper)?,
        false => setup.rotate(&args.who, &*keeper)?,
    };
    if args.json.json {
        output::value(&serde_json::to_value(&done)?);
        return Ok(Exit::Ok);
    }
    output::line(format_args!("the new key of {} is {}: {}", done.user, done.new, done.place));
    for (word, keys) in [("gone", &done.gone), ("works on", &done.kept)] {
        for old in keys {
            let used = old.last_use.as_ref().map_or("never used".into(), |last| format!("last used {}", last.at));
            output::line(format_args!("{word}: {}, {used}", old.info.id));
        }
    }
    if !done.kept.is_empty() {
        let who = &args.who;
        output::line(format_args!(
            "Carry the new key to where it is used, then: darkslide cloud rotate {who} --finish"
        ));
    }
    Ok(Exit::Ok)
}

fn verify(engine: &Engine, json: &Json) -> Result<Exit> {
    let found = engine.cloud_verify_recorded(&*keeper(&engine.cloud_keys()))?;
    match json.json {
        true => output::value(&json!({"good": found.is_good(), "matrix": found})),
        false => output::line(found.to_string().trim_end()),
    }
    Ok(if found.is_good() { Exit::Ok } else { Exit::Failed })
}
