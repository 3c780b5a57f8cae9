//! `quote`, `thaw`: what the cold costs, and how it is going.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use darkslide_engine::words::Money;
use darkslide_engine::{
    ColdRestore, Engine, Existing, IdentityFile, RestoreOptions, RestoreQuote, StoppedThaw, ThawInfo, ThawOptions,
    ThawState,
};
use serde_json::{Value, json};

use super::work::{self, name};
use crate::args::{Quote, ThawCommand};
use crate::output::{self, Exit};
use crate::progress::Watcher;
use crate::{confirm, keyfile, wiring};

/// Between two looks at a thaw.
pub const EVERY: Duration = Duration::from_secs(900);

/// Runs `quote …`.
pub fn quote(config: Option<PathBuf>, args: Quote) -> Result<Exit> {
    let engine = wiring::engine(config)?;
    match args {
        Quote::Restore { snapshot, paths, thaw, refresh, packs, browse } => {
            let options = RestoreOptions {
                snapshot,
                paths: paths.iter().map(|p| name(p)).collect(),
                to: PathBuf::from("."),
                existing: Existing::Keep,
                accept_writers: Vec::new(),
            };
            if refresh {
                let objects = engine.refresh()?;
                // A page of a listing shows a thousand objects and costs 0.005 dollars in a thousand.
                let price = Money::from_usd((objects / 1000 + 1) as f64 * 0.005e-3);
                eprintln!("Listed {objects} objects, for about {price}.");
            }
            let wanted = ThawOptions { tier: thaw.tier, days: thaw.days, max_cost: thaw.max_cost };
            let quote = engine.quote_restore(&options, &wanted)?;
            let over = thaw.max_cost.is_some_and(|limit| quote.thaw.total() > limit);
            match browse.json.json {
                true => output::value(&quote_json(&quote, packs)),
                false => tell_quote(&quote, packs),
            }
            if over {
                eprintln!("That is more than --max-cost allows.");
            }
            Ok(if over { Exit::Refused } else { Exit::Ok })
        }
        Quote::Backup { add, json } => super::money::quote_backup(&engine, add.as_deref(), json.json),
        Quote::Prune(json) => super::money::quote_prune(&engine, json.json),
    }
}

fn quote_json(quote: &RestoreQuote, packs: bool) -> Value {
    let tiers: Vec<Value> = quote
        .tiers
        .iter()
        .map(|(tier, plan)| match plan {
            Ok(plan) => json!({
                "tier": tier, "total": plan.total(), "first_byte_seconds": plan.first_byte.as_secs(),
                "last_byte_seconds": plan.last_byte.as_secs(),
            }),
            Err(why) => json!({"tier": tier, "not_offered": why}),
        })
        .collect();
    let mut plan = serde_json::to_value(&quote.thaw).unwrap_or_default();
    if let (false, Some(fields)) = (packs, plan.as_object_mut()) {
        fields.remove("packs");
    }
    json!({
        "files": quote.restore.files, "bytes": quote.restore.bytes, "packs": quote.restore.packs,
        "pack_bytes": quote.restore.pack_bytes, "total": quote.thaw.total(), "tiers": tiers, "plan": plan,
        "lost_packs": quote.lost, "price_age_days": quote.price_age.as_secs() / 86_400, "seen": quote.seen.map(|t| t.to_string()),
    })
}

fn tell_quote(quote: &RestoreQuote, packs: bool) {
    output::line(format_args!(
        "{} files, {}, out of {} packs with {}",
        quote.restore.files, quote.restore.bytes, quote.restore.packs, quote.restore.pack_bytes
    ));
    output::line("");
    output::line(&quote.thaw);
    output::line(by_tier(quote).trim_end());
    if quote.lost > 0 {
        output::line(format_args!("\n{} packs are in no store: `darkslide audit` tells what that means", quote.lost));
    }
    match quote.seen {
        Some(at) => {
            output::line(format_args!("\nAs the stores were listed on {} (--refresh lists again).", at.local()))
        }
        None => output::line("\nThe stores were not listed yet: taken as they were written (--refresh lists them)."),
    }
    output::line(format_args!("The prices are {} days old.", quote.price_age.as_secs() / 86_400));
    if packs {
        output::line("");
        output::line(quote.thaw.listing());
    }
}

/// What each tier would cost, and how long it would take.
pub fn by_tier(quote: &RestoreQuote) -> String {
    let mut text = String::from("By tier:\n");
    for (tier, plan) in &quote.tiers {
        text.push_str(&match plan {
            Ok(plan) => format!(
                "  {:<10} {:>10}   first {}, all within {}\n",
                tier,
                plan.total().to_string(),
                if plan.first_byte.is_zero() { "at once".into() } else { format!("within {}", hours(plan.first_byte)) },
                hours(plan.last_byte)
            ),
            Err(_) => format!("  {tier:<10} not offered for all of it\n"),
        });
    }
    text
}

/// `90 minutes`, `13 hours`, `3 days`.
pub fn hours(time: Duration) -> String {
    match time.as_secs() {
        s if s < 7200 => format!("{} minutes", s.div_ceil(60)),
        s if s < 3 * 86_400 => format!("{} hours", s.div_ceil(3600)),
        s => format!("{} days", s.div_ceil(86_400)),
    }
}

/// Runs `thaw …`.
pub fn thaw(config: Option<PathBuf>, command: ThawCommand) -> Result<Exit> {
    let engine = wiring::reader(config)?;
    match command {
        ThawCommand::List(json) => list(&engine, json.json),
        ThawCommand::Packs { id, json } => packs(&engine, engine.open_thaw(id)?, json.json),
        ThawCommand::Wait { id, every, identity, json } => {
            let id = engine.open_thaw(id)?;
            let identity = keyfile::needed(&identity, "restoring what is thawed")?;
            wait_for(&engine, id, &identity, Duration::from_secs(every.max(1)), json.json)
        }
        ThawCommand::Confirm { id, max_cost, yes, json } => {
            let id = engine.open_thaw(id)?;
            confirm_stopped(&engine, id, max_cost, yes, json.json)
        }
        ThawCommand::Cancel { id, json } => {
            let id = engine.open_thaw(id)?;
            let cancelled = engine.cancel_thaw(id)?;
            match json.json {
                true => output::value(&json!({"thaw": id, "cancelled": cancelled})),
                false => output::line(format_args!("Thaw {id}: {cancelled}")),
            }
            Ok(Exit::Ok)
        }
        ThawCommand::Upgrade { id, tier, max_cost, yes, json } => {
            let id = engine.open_thaw(id)?;
            let upgrade = engine.upgrade_quote(id, tier)?;
            if !confirm::spend(&upgrade.to_string(), yes)? {
                return Ok(Exit::Refused);
            }
            let confirmed = upgrade.quote.total();
            let progress = match max_cost {
                Some(limit) => engine.upgrade_thaw_within(id, tier, confirmed, limit)?,
                None => engine.upgrade_thaw(id, tier, confirmed)?,
            };
            match json.json {
                true => output::value(&json!({"thaw": id, "upgrade": upgrade, "progress": progress})),
                false => output::line(format_args!("Thaw {id}:\n{progress}")),
            }
            Ok(Exit::Waiting)
        }
    }
}

fn confirm_stopped(engine: &Engine, id: i64, max_cost: Option<Money>, yes: bool, as_json: bool) -> Result<Exit> {
    let limit = engine.thaws()?.into_iter().find(|info| info.id == id).and_then(|info| info.row.max_cost);
    let Some(StoppedThaw { stop, now }) = engine.stopped_at(id)? else {
        output::line(format_args!("Thaw {id} goes on; there is nothing to confirm."));
        return Ok(Exit::Waiting);
    };
    let limit = max_cost.or(limit.map(|limit| limit.max(now)));
    if !confirm::spend(&format!("Thaw {id} stopped: {stop}\nIt would go on for {now} in all."), yes)? {
        return Ok(Exit::Refused);
    }
    engine.confirm_thaw(id, now, limit)?;
    match as_json {
        true => output::value(&json!({"thaw": id, "confirmed": now, "max_cost": limit})),
        false => output::line(format_args!("Thaw {id} may cost {now} now. Run `darkslide thaw wait` to go on.")),
    }
    Ok(Exit::Waiting)
}

fn list(engine: &Engine, as_json: bool) -> Result<Exit> {
    let thaws = engine.thaws()?;
    if as_json {
        output::value(&Value::Array(thaws.iter().map(info_json).collect()));
        return Ok(Exit::Ok);
    }
    if thaws.is_empty() {
        output::line("No thaw was ever begun.");
    }
    for info in &thaws {
        let what = match info.paths.is_empty() {
            true => "everything".to_string(),
            false => info.paths.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        };
        output::line(format_args!(
            "Thaw {}, {}, begun {}: {what} to {}; {} quoted, {} spent",
            info.id,
            info.row.state.word(),
            info.row.made.local(),
            shown(&info.to),
            info.row.quoted,
            info.row.spent
        ));
        if info.row.state == ThawState::Open {
            for line in info.progress.to_string().lines() {
                output::line(format_args!("  {line}"));
            }
        }
    }
    Ok(Exit::Ok)
}

fn packs(engine: &Engine, id: i64, as_json: bool) -> Result<Exit> {
    let packs = engine.thaw_packs(id)?;
    if as_json {
        output::value(&serde_json::to_value(&packs)?);
        return Ok(Exit::Ok);
    }
    for pack in &packs {
        let ready = pack.ready_about.map(|at| format!(", ready about {}", at.local()));
        let until = pack.until.map(|at| format!(", until {}", at.local()));
        let (when, note) = (ready.or(until).unwrap_or_default(), &pack.note);
        output::line(format_args!("{:<10} {:>9}  {}{when}  {note}", pack.step, pack.bytes.to_string(), pack.object));
    }
    Ok(Exit::Ok)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn info_json(info: &ThawInfo) -> Value {
    json!({
        "id": info.id, "state": info.row.state.word(), "begun": info.row.made.to_string(), "to": shown(&info.to),
        "paths": info.paths, "tier": info.row.tier, "days": info.row.days, "quoted": info.row.quoted,
        "spent": info.row.spent, "max_cost": info.row.max_cost, "progress": info.progress,
    })
}

/// Goes on with a thaw until it is done, looking now and then.
pub fn wait_for(engine: &Engine, id: i64, identity: &IdentityFile, every: Duration, as_json: bool) -> Result<Exit> {
    loop {
        let watcher = Watcher::new(as_json);
        let began = std::time::Instant::now();
        let result = engine.continue_thaw(id, identity, &watcher);
        watcher.finish();
        let outcome = match result {
            Ok(outcome) => outcome,
            // Something else is running, or the line is down: thawed copies do not wait for ever,
            // so this goes on as soon as it can.
            Err(error) if error.may_pass() => {
                eprintln!("darkslide: {error}; trying again later");
                if !pause(every) {
                    return Ok(Exit::Cancelled);
                }
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let stopped = matches!(&outcome, ColdRestore::Waiting { progress, .. } if progress.stop.is_some());
        if stopped || !matches!(outcome, ColdRestore::Waiting { .. }) {
            return Ok(work::tell_outcome(&outcome, began.elapsed().as_secs_f64(), as_json));
        }
        if let (ColdRestore::Waiting { progress, .. }, false) = (&outcome, as_json) {
            eprint!("{progress}");
        }
        if !pause(every) {
            return Ok(Exit::Cancelled);
        }
    }
}

/// Sleeps; false if the user wants it to end.
pub fn pause(time: Duration) -> bool {
    let until = std::time::Instant::now() + time;
    while std::time::Instant::now() < until {
        if wiring::interrupted() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(100).min(time));
    }
    true
}
