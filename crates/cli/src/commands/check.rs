//! `audit`, `scrub`.

use std::path::PathBuf;

use anyhow::Result;
use darkslide_engine::words::OsRng;
use darkslide_engine::{CheckOptions, ColdChecksums, Report, Rotation, SCRUB_EVERY, Sample, Severity};
use serde_json::json;

use crate::args::{Audit, Scrub};
use crate::output::{self, Exit};
use crate::progress::Watcher;
use crate::{confirm, keyfile, wiring};

fn tell_parity(report: &Report) {
    if report.healable.0 > 0 {
        output::line(format_args!("{} damaged objects can be healed: `darkslide repair`", report.healable));
    }
    if report.without_parity.0 > 0 {
        output::line(format_args!("{} objects have no parity yet: `darkslide repair` makes it", report.without_parity));
    }
    if let Some(rotated) = &report.rotated {
        output::line(format_args!(
            "read {} of {} whose turn it was; {} in all, to be read every {} days",
            rotated.read, rotated.due, rotated.total, rotated.every_days
        ));
    }
}

fn tell(report: &Report, as_json: bool, what: &str) -> Exit {
    let damages = report.damages();
    if as_json {
        output::value(&json!({
            "objects": report.objects, "bytes": report.bytes, "snapshots": report.snapshots, "chunks": report.chunks,
            "damages": damages, "findings": report.findings, "denied": report.denied,
            "healable": report.healable, "without_parity": report.without_parity,
            "rotation": report.rotated.map(|r| json!({
                "total": r.total, "due": r.due, "read": r.read, "never": r.never,
                "oldest": r.oldest.map(|at| at.to_string()), "every_days": r.every_days, "round_days": r.round_days,
            })),
            "cold": report.cold.iter().map(|(class, (n, bytes))| json!({"class": class, "objects": n, "bytes": bytes}))
                .collect::<Vec<_>>(),
        }));
    } else {
        for finding in &report.findings {
            output::line(finding);
        }
        output::line(format_args!("{what}: {} objects with {}", report.objects, report.bytes));
        for (class, (objects, bytes)) in &report.cold {
            output::line(format_args!(
                "{objects} objects with {bytes} lie in {class} and were not read: a drill thaws some"
            ));
        }
        tell_parity(report);
        if report.denied.0 > 0 {
            output::line(format_args!(
                "{} of them these credentials may not read: another identity checks them",
                report.denied
            ));
        }
        let verdict = match (damages, report.count(Severity::Warning)) {
            (0, 0) => "nothing wrong".to_string(),
            (0, warnings) => format!("no damage, {warnings} warnings"),
            (1, _) => "1 DAMAGE; `restore` still gets everything that does not need it".to_string(),
            (damages, _) => format!("{damages} DAMAGES; `restore` still gets everything that does not need them"),
        };
        output::line(verdict);
    }
    if damages > 0 { Exit::Failed } else { Exit::Ok }
}

/// Renews the locks of all that is still needed.
fn extend_locks(engine: &darkslide_engine::Engine, days: u32, yes: bool, as_json: bool) -> Result<Exit> {
    let quote = engine.quote_locks()?;
    let what =
        format!("To keep {} objects locked for {days} days takes as many requests: {}", quote.objects, quote.cost);
    if !confirm::spend(&what, yes)? {
        return Ok(Exit::Refused);
    }
    let done = engine.extend_locks(days)?;
    if as_json {
        output::value(&json!({"locked": done.objects, "spent": done.cost}));
    } else if done.objects.0 == 0 && done.refused.0 == 0 {
        output::line("No store has Object Lock: nothing was locked.");
    } else {
        output::line(format_args!("{} objects stay locked for {days} days, for {}", done.objects, done.cost));
    }
    if done.refused.0 > 0 {
        eprintln!(
            "{} locks the store would not change: those objects are locked for longer, or gone, or these credentials \
             may not (s3:PutObjectRetention, which no identity of `cloud apply` has: use the administrator's profile)",
            done.refused
        );
        return Ok(Exit::Incomplete);
    }
    Ok(Exit::Ok)
}

/// Has the stores check what lies in the cold, or reads what they found.
fn cold_checksums(engine: &darkslide_engine::Engine, yes: bool, as_json: bool) -> Result<Exit> {
    let cost = engine.quote_cold_checksums()?;
    let what =
        format!("To have the checksums of all cold packs computed costs {cost} (and what the region asks for it)");
    if cost > darkslide_words::Money::ZERO && !confirm::spend(&what, yes)? {
        return Ok(Exit::Refused);
    }
    let mut sound = true;
    for one in engine.cold_checksums()? {
        let text = match &one.state {
            ColdChecksums::NotOffered => "no checksums without a thaw: there is no [store.batch]".to_string(),
            ColdChecksums::Submitted { packs } => {
                format!("the checksums of {packs} packs are being computed; ask again later")
            }
            ColdChecksums::Working => "the checksums are still being computed; ask again later".to_string(),
            ColdChecksums::Failed(why) => {
                sound = false;
                format!("the job ended without checksums: {why}; the same command submits another")
            }
            ColdChecksums::Done { good, bad, newer } => {
                sound &= bad.is_empty();
                let list: String = bad.iter().map(|(name, why)| format!("\n  DAMAGE: {name}: {why}")).collect();
                format!("{good} packs have the checksum of the index, {} have not, {newer} are newer{list}", bad.len())
            }
        };
        match as_json {
            true => output::value(&json!({"store": one.store, "cold_checksums": text, "sound": sound})),
            false => output::line(format_args!("{}: {text}", one.store)),
        }
    }
    Ok(if sound { Exit::Ok } else { Exit::Failed })
}

/// Asks the stores for the checksums that they keep.
fn stored_checksums(engine: &darkslide_engine::Engine, yes: bool, as_json: bool) -> Result<Exit> {
    let cost = engine.quote_stored_checksums()?;
    let what = format!("To ask for the checksum of each pack costs {cost}");
    if cost > darkslide_words::Money::ZERO && !confirm::spend(&what, yes)? {
        return Ok(Exit::Refused);
    }
    let watcher = Watcher::new(as_json);
    let told = engine.stored_checksums(&watcher);
    watcher.finish();
    let (report, stores) = told?;
    if !as_json {
        for (store, sums) in &stores {
            output::line(format_args!(
                "{store}: {} packs have the checksum of the index, {} have not, of {} it keeps none",
                sums.good, sums.bad, sums.unknown
            ));
        }
        report.findings.iter().for_each(output::line);
        if stores.is_empty() {
            output::line("No store keeps checksums: a directory is read by `scrub`.");
        }
    } else {
        let store = |(store, sums): &(String, darkslide_engine::Sums)| json!({"store": store, "good": sums.good, "bad": sums.bad, "unknown": sums.unknown});
        output::value(&json!({
            "checksums": stores.iter().map(store).collect::<Vec<_>>(), "findings": report.findings,
            "denied": report.denied,
        }));
    }
    Ok(if report.damages() > 0 { Exit::Failed } else { Exit::Ok })
}

/// Audits.
pub fn audit(config: Option<PathBuf>, args: &Audit) -> Result<Exit> {
    let identity = keyfile::given(&args.identity)?;
    if let Some(days) = args.extend_locks {
        let exit = extend_locks(&wiring::engine(config.clone())?, days, args.yes, args.json.json)?;
        if exit != Exit::Ok {
            return Ok(exit);
        }
    }
    if args.cold_checksums {
        let exit = cold_checksums(&wiring::reader(config.clone())?, args.yes, args.json.json)?;
        if exit != Exit::Ok {
            return Ok(exit);
        }
    }
    if args.checksums {
        let exit = stored_checksums(&wiring::auditor(config.clone())?, args.yes, args.json.json)?;
        if exit != Exit::Ok {
            return Ok(exit);
        }
    }
    let watcher = Watcher::new(args.json.json);
    let engine = if identity.is_some() { wiring::reader(config)? } else { wiring::auditor(config)? };
    let report = engine.audit(identity.as_ref(), &watcher);
    watcher.finish();
    let report = report?;
    let what = match identity {
        Some(_) => format!("audited with {} snapshots and their trees", report.snapshots),
        None => format!("audited with {} snapshots (--identity looks into their trees too)", report.snapshots),
    };
    Ok(tell(&report, args.json.json, &what))
}

/// Scrubs.
pub fn scrub(config: Option<PathBuf>, args: &Scrub) -> Result<Exit> {
    let identity = keyfile::given(&args.identity)?;
    let turns = args.every.is_some() || args.budget.is_some() || args.budget_time.is_some();
    let sample = match (args.all, turns) {
        (true, _) => Sample::All,
        (false, true) => Sample::Rotation(Rotation {
            every: args.every.unwrap_or(SCRUB_EVERY),
            bytes: args.budget,
            time: args.budget_time,
        }),
        (false, false) => Sample::Percent(args.sample),
    };
    let watcher = Watcher::new(args.json.json);
    let report = wiring::reader(config)?.scrub(CheckOptions { sample }, identity.as_ref(), &mut OsRng, &watcher);
    watcher.finish();
    let report = report?;
    let what = match identity {
        Some(_) => format!("read every byte, checked {} chunks", report.chunks),
        None => "read every byte against its name (--identity checks every chunk too)".to_string(),
    };
    Ok(tell(&report, args.json.json, &what))
}
