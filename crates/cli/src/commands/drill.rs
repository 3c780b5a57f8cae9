//! `drill`: practise getting photographs back.

use std::path::PathBuf;

use anyhow::Result;
use darkslide_engine::words::{Money, OsRng};
use darkslide_engine::{ColdRestore, DrillOutcome, Engine, IdentityFile, ThawOptions, ThawPlan};
use serde_json::json;

use super::{cold, work};
use crate::args::Drill;
use crate::output::{self, Exit};
use crate::progress::Watcher;
use crate::{confirm, keyfile, wiring};

/// Runs `drill`.
pub fn run(config: Option<PathBuf>, args: Drill) -> Result<Exit> {
    let engine = wiring::reader(config)?;
    let identity = keyfile::needed(&args.identity, "a drill")?;
    if args.simulate {
        return super::loss::run(&engine, args.json.json);
    }
    let as_json = args.json.json;
    loop {
        let outcome = once(&engine, &identity, &args)?;
        match outcome {
            DrillOutcome::Waiting(waiting) if args.wait => {
                let stopped = matches!(&*waiting, ColdRestore::Waiting { progress, .. } if progress.stop.is_some());
                if stopped || !cold::pause(cold::EVERY) {
                    return Ok(if stopped { tell(&DrillOutcome::Waiting(waiting), as_json) } else { Exit::Cancelled });
                }
            }
            other => return Ok(tell(&other, as_json)),
        }
    }
}

fn once(engine: &Engine, identity: &IdentityFile, args: &Drill) -> Result<DrillOutcome> {
    let options = ThawOptions { tier: args.thaw.tier, days: args.thaw.days, max_cost: args.thaw.max_cost };
    let watcher = Watcher::new(args.json.json);
    let mut problem = None;
    let mut confirm = |plan: &ThawPlan| {
        let small = plan.total() < Money::from_usd(0.01) && plan.packs.iter().all(|p| p.wave == 0);
        confirm::spend(&plan.to_string(), args.yes || small).unwrap_or_else(|error| {
            problem = Some(error);
            false
        })
    };
    let outcome = engine.drill(&options, identity, &mut OsRng, &mut confirm, &watcher);
    watcher.finish();
    match problem {
        Some(error) => Err(error),
        None => Ok(outcome?),
    }
}

fn tell(outcome: &DrillOutcome, as_json: bool) -> Exit {
    match outcome {
        DrillOutcome::Good { files, bytes, paths } => {
            match as_json {
                true => output::value(&json!({"good": true, "files": files, "bytes": bytes, "paths": paths})),
                false => {
                    output::line(format_args!("{files} photographs came back, {bytes}, every byte as it was stored:"));
                    paths.iter().for_each(|path| output::line(format_args!("  {path}")));
                }
            }
            Exit::Ok
        }
        DrillOutcome::Bad(bad) => {
            if as_json {
                let list: Vec<_> = bad.iter().map(|(path, why)| json!({"path": path, "reason": why})).collect();
                output::value(&json!({"good": false, "failures": list}));
            } else {
                output::line("THE DRILL FAILED. These did not come back:");
                bad.iter().for_each(|(path, why)| output::line(format_args!("  {path}: {why}")));
                output::line("`darkslide audit` and `scrub` tell more.");
            }
            Exit::Failed
        }
        DrillOutcome::Waiting(waiting) => work::tell_outcome(waiting, 0.0, as_json),
        DrillOutcome::Declined => {
            eprintln!("Nothing was asked for, nothing was spent.");
            Exit::Refused
        }
    }
}
