//! `forget` and `prune`.

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use darkslide_engine::words::Money;
use darkslide_engine::{
    Act, EarlyDeletion, Fate, ForgetOptions, PruneOptions, PrunePlan, RetentionPlan, Vouched, Wait,
};
use serde_json::{Value, json};

use crate::args::{Forget, Prune};
use crate::output::{self, Exit};
use crate::progress::Watcher;
use crate::{confirm, keyfile, wiring};

/// Runs `forget`.
pub fn forget(config: Option<PathBuf>, args: Forget) -> Result<Exit> {
    let engine = wiring::engine(config)?.for_pruning();
    let identity = keyfile::given(&args.identity)?;
    let options = ForgetOptions {
        rules: args.keep.rules().map_err(|why| anyhow!(why))?,
        job: args.job,
        writers: args.writer,
        snapshots: args.snapshot,
    };
    let plan = engine.forget_plan(&options, identity.as_ref())?;
    let as_json = args.json.json;
    if !as_json {
        output::line(&plan);
    }
    if args.dry_run || plan.forgotten().next().is_none() {
        if as_json {
            output::value(&json!({"snapshots": judged(&plan), "forgotten": 0}));
        }
        return Ok(Exit::Ok);
    }
    let done = engine.forget(&plan)?;
    let absent: Vec<Value> = done.absent.iter().map(|(s, why)| json!({"store": s, "reason": why})).collect();
    match as_json {
        true => output::value(&json!({"snapshots": judged(&plan), "forgotten": done.snapshots, "absent": absent})),
        false => output::line(format_args!(
            "{} snapshots forgotten. What only they needed is freed by `darkslide prune`.",
            done.snapshots
        )),
    }
    for (store, why) in &done.absent {
        eprintln!("The store {store} still holds them: {why}. Run it again when the store is there.");
    }
    Ok(if done.absent.is_empty() { Exit::Ok } else { Exit::Incomplete })
}

fn judged(plan: &RetentionPlan) -> Vec<Value> {
    let one = |judged: &darkslide_engine::Judged| {
        let snapshot = &judged.snapshot;
        let author = match &snapshot.vouched {
            Vouched::By(author) | Vouched::Newest(author) => Some(author),
            Vouched::Nobody(_) => None,
        };
        let (forget, why) = match &judged.fate {
            Fate::Keep(reasons) => (false, reasons.clone()),
            Fate::Forget(why) => (true, vec![why.clone()]),
        };
        json!({
            "name": snapshot.name, "time": snapshot.made().to_string(), "forget": forget, "reasons": why,
            "job": author.map(|a| &a.job), "writer": author.map(|a| &a.name), "complete": author.map(|a| a.complete),
            "tags": author.map(|a| &a.tags),
        })
    };
    plan.snapshots.iter().map(one).collect()
}

/// Runs `prune`.
pub fn prune(config: Option<PathBuf>, args: Prune) -> Result<Exit> {
    let engine = wiring::engine(config)?.for_pruning();
    let early = if args.pay_early_deletion { EarlyDeletion::Pay } else { EarlyDeletion::Wait };
    let options = PruneOptions { early, max_cost: args.max_cost };
    let as_json = args.json.json;
    if args.dry_run {
        let plan = engine.prune_plan(&options)?;
        match as_json {
            true => output::value(&plan_json(&plan)),
            false => output::line(plan.to_string().trim_end()),
        }
        return Ok(whole(&plan));
    }
    let watcher = Watcher::new(as_json);
    let mut problem = None;
    let mut ask = |plan: &PrunePlan| {
        if !as_json {
            output::line(plan.to_string().trim_end());
        }
        let total = plan.total();
        let what = format!("Deleting before minimum stays are over costs {total}.");
        total == Money::ZERO
            || confirm::spend(&what, args.yes).unwrap_or_else(|error| {
                problem = Some(error);
                false
            })
    };
    let result = engine.prune(&options, &mut ask, &watcher);
    watcher.finish();
    if let Some(error) = problem {
        return Err(error);
    }
    let Some(done) = result? else {
        eprintln!("Nothing was deleted, nothing was spent.");
        return Ok(Exit::Refused);
    };
    let pruned = done.pruned;
    if as_json {
        let mut value = plan_json(&done.plan);
        value["done"] = json!({
            "condemned": pruned.condemned, "restored": pruned.restored, "deleted": pruned.deleted,
            "bytes": pruned.bytes, "early_deletion": pruned.cost, "spent": done.spent,
        });
        output::value(&value);
    } else {
        output::line(format_args!(
            "{} objects with {} deleted, {} condemned, {} needed again",
            pruned.deleted, pruned.bytes, pruned.condemned, pruned.restored
        ));
        if done.spent + pruned.cost > Money::ZERO {
            output::line(format_args!("  for {} of requests and {} of early deletion", done.spent, pruned.cost));
        }
    }
    Ok(whole(&done.plan))
}

fn whole(plan: &PrunePlan) -> Exit {
    if plan.blocked.is_empty() && plan.absent.is_empty() { Exit::Ok } else { Exit::Incomplete }
}

fn plan_json(plan: &PrunePlan) -> Value {
    let sum = |act: Act| {
        let (objects, bytes) = plan.sum(act);
        json!({"objects": objects, "bytes": bytes})
    };
    let unit = |unit: &darkslide_engine::Unit| {
        json!({
            "store": plan.stores[unit.store], "act": unit.act, "object": unit.object, "bytes": unit.size,
            "class": unit.class, "cost": unit.cost,
        })
    };
    let waiting = |waiting: &darkslide_engine::Waiting| {
        let (what, until, today) = match waiting.wait {
            Wait::Grace { until } => ("grace", until, None),
            Wait::Stay { free, today } => ("minimum_stay", free, Some(today)),
            Wait::Locked { until } => ("lock", until, None),
        };
        json!({
            "store": plan.stores[waiting.store], "object": waiting.object, "bytes": waiting.size,
            "class": waiting.class, "waits_for": what, "until": until.to_string(), "cost_today": today,
        })
    };
    json!({
        "stores": plan.stores, "absent": plan.absent, "condemn": sum(Act::Condemn), "delete": sum(Act::Delete),
        "restore": sum(Act::Restore), "early_deletion": plan.total(),
        "units": plan.units.iter().map(unit).collect::<Vec<_>>(),
        "waiting": plan.waiting.iter().map(waiting).collect::<Vec<_>>(),
        "blocked": plan.blocked.iter().map(|(o, why)| json!({"object": o, "reason": why})).collect::<Vec<_>>(),
    })
}
