//! `backup` and `restore`.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use darkslide_engine::words::{Money, Name};
use darkslide_engine::{
    BackupDone, BackupOptions, ColdRestore, Engine, Existing, RestoreOptions, Restored, ThawOptions, ThawPlan,
};
use serde_json::json;

use super::cold;
use crate::args::{Backup, Restore};
use crate::output::{self, Exit};
use crate::progress::Watcher;
use crate::{confirm, keyfile, wiring};

/// A path of the command line as a path of the library.
pub fn name(path: &Path) -> Name {
    Name::new(path.as_os_str().as_bytes())
}

/// Runs a backup.
pub fn backup(config: Option<PathBuf>, args: Backup) -> Result<Exit> {
    let mut engine = wiring::engine(config)?;
    if let Some(rate) = &args.limit_upload {
        anyhow::ensure!(darkslide_engine::parse_bytes(rate).is_some(), "--limit-upload {rate}: such as 2MB is wanted");
        engine = engine.with_limit_upload(rate);
    }
    if let Some(refused) = quote_first(&engine, args.job.as_deref(), args.max_cost)? {
        return Ok(refused);
    }
    let options = BackupOptions {
        job: args.job,
        rehash: args.rehash,
        allow_empty: args.allow_empty,
        accept: args.accept.iter().map(|p| name(p)).collect(),
        host: wiring::host(),
        checkpoint_every: None,
        max_cost: args.max_cost,
        tags: args.tag,
    };
    let watcher = Watcher::new(args.json.json);
    let began = std::time::Instant::now();
    let result = engine.backup(&options, &watcher);
    watcher.finish();
    let done = result?;
    if args.json.json {
        output::value(&backup_json(&done, began.elapsed().as_secs_f64()));
    } else {
        tell_backup(&done, began.elapsed().as_secs_f64());
    }
    let whole = done.done.failures.is_empty() && done.done.behind.is_empty() && done.refused.is_empty();
    Ok(if whole { Exit::Ok } else { Exit::Incomplete })
}

/// Says what the backup will cost, where it costs anything; refuses what is over the
/// limit before anything is sent.
fn quote_first(engine: &Engine, job: Option<&str>, max_cost: Option<Money>) -> Result<Option<Exit>> {
    let quotes = match engine.new_bytes(job).and_then(|bytes| engine.quote_backup(bytes)) {
        Ok(quotes) => quotes,
        // Something without a price stops nothing that has no limit.
        Err(error) if max_cost.is_some() => return Err(error.into()),
        Err(_) => return Ok(None),
    };
    let mut total = Money::ZERO;
    for (store, quote) in &quotes {
        let (once, monthly) = (quote.once.total(), quote.monthly.total());
        eprintln!("{store}: about {once} to store what is new, then {monthly} a month");
        total += once;
    }
    if let Some(limit) = max_cost.filter(|limit| total > *limit) {
        eprintln!("darkslide: that is more than --max-cost {limit} allows; nothing was sent");
        return Ok(Some(Exit::Refused));
    }
    Ok(None)
}

fn backup_json(run: &BackupDone, seconds: f64) -> serde_json::Value {
    let done = &run.done;
    json!({
        "snapshot": done.snapshot,
        "time": done.time.to_string(),
        "counts": done.counts,
        "failures": done.failures.iter().map(|f| json!({"path": f.path, "reason": f.reason})).collect::<Vec<_>>(),
        "behind": done.behind.iter().map(|(s, r)| json!({"store": s, "reason": r})).collect::<Vec<_>>(),
        "replicated_bytes": run.replicated.bytes,
        "previews": {
            "made": done.previewed.made,
            "thumbnails": done.previewed.pictured,
            "troubled": done.previewed.troubled,
            "stored": done.previewed.stored,
        },
        "refused": run.refused,
        "spent": run.spent,
        "run": done.run,
        "seconds": seconds,
    })
}

fn tell_backup(run: &BackupDone, seconds: f64) {
    let (done, counts) = (&run.done, &run.done.counts);
    output::line(format_args!("Snapshot of {}", done.time.local()));
    output::line(format_args!(
        "  {} files, {} in the library: {} new, {} changed, {} removed",
        counts.files, counts.bytes, counts.new_files, counts.changed_files, counts.removed_files
    ));
    output::line(format_args!("  {} sealed and stored in {seconds:.1} s", counts.stored_bytes));
    let previewed = &done.previewed;
    if previewed.made.0 > 0 {
        let some = previewed.troubled.0;
        let troubled = if some > 0 { format!(", {some} that could not be made whole") } else { String::new() };
        output::line(format_args!("  {} previews, {}{troubled}", previewed.made, previewed.stored));
    }
    if run.spent > Money::ZERO {
        output::line(format_args!("  requests for {}", run.spent));
    }
    if run.replicated.objects.0 > 0 {
        output::line(format_args!("  {} copied to stores that were behind", run.replicated.bytes));
    }
    for refused in &run.refused {
        eprintln!("refused: {refused}");
    }
    for (store, reason) in &done.behind {
        eprintln!("The store {store} did not get this snapshot: {reason}. A later run brings it up.");
    }
    if !done.failures.is_empty() {
        eprintln!("{} could not be stored:", done.failures.len());
        for failure in &done.failures {
            eprintln!("  {}: {}", failure.path, failure.reason);
        }
    }
}

/// Runs a restore.
pub fn restore(config: Option<PathBuf>, args: Restore) -> Result<Exit> {
    let engine = wiring::reader(config)?;
    let options = RestoreOptions {
        snapshot: args.snapshot,
        paths: args.paths.iter().map(|p| name(p)).collect(),
        to: args.to,
        existing: if args.overwrite { Existing::Replace } else { Existing::Keep },
        accept_writers: args.accept_writer,
    };
    if args.dry_run {
        let identity = keyfile::given(&args.identity)?;
        let plan = engine.restore_plan(&options, identity.as_ref())?;
        match args.json.json {
            true => output::value(&json!({
                "files": plan.files, "bytes": plan.bytes, "packs": plan.packs, "pack_bytes": plan.pack_bytes,
            })),
            false => output::line(&plan),
        }
        return Ok(Exit::Ok);
    }
    let identity = keyfile::needed(&args.identity, "restoring photographs")?;
    let thaw = ThawOptions { tier: args.thaw.tier, days: args.thaw.days, max_cost: args.thaw.max_cost };
    let (as_json, yes) = (args.json.json, args.yes);
    let watcher = Watcher::new(as_json);
    let began = std::time::Instant::now();
    let mut problem = None;
    let mut confirm = |plan: &ThawPlan| {
        // A sum below a cent is not worth a question.
        let small = plan.total() < Money::from_usd(0.01) && plan.packs.iter().all(|p| p.wave == 0);
        let mut text = plan.to_string();
        if let (false, Ok(quote)) = (small, engine.quote_restore(&options, &thaw)) {
            text.push_str(&cold::by_tier(&quote));
            text.push_str("Which packs: `darkslide quote restore … --packs`.");
        }
        confirm::spend(&text, yes || small).unwrap_or_else(|error| {
            problem = Some(error);
            false
        })
    };
    let result = engine.restore_cold(&options, &thaw, &identity, &mut confirm, &watcher);
    watcher.finish();
    if let Some(error) = problem {
        return Err(error);
    }
    let seconds = began.elapsed().as_secs_f64();
    match result? {
        ColdRestore::Waiting { id, .. } if args.wait => cold::wait_for(&engine, id, &identity, cold::EVERY, as_json),
        other => Ok(tell_outcome(&other, seconds, as_json)),
    }
}

/// Tells how a restore stands; its exit code.
pub fn tell_outcome(outcome: &ColdRestore, seconds: f64, as_json: bool) -> Exit {
    match outcome {
        ColdRestore::Declined => {
            eprintln!("Nothing was asked for, nothing was spent.");
            Exit::Refused
        }
        ColdRestore::Done(done) => {
            match as_json {
                true => output::value(&restore_json(done, seconds)),
                false => tell_restore(done, seconds),
            }
            if done.casualties.is_empty() { Exit::Ok } else { Exit::Incomplete }
        }
        ColdRestore::Waiting { id, progress, restored } => {
            if as_json {
                output::value(&json!({
                    "waiting": true, "thaw": id, "progress": progress, "restored": restore_json(restored, seconds),
                }));
            } else {
                if restored.files.0 + restored.present.0 > 0 {
                    tell_restore(restored, seconds);
                }
                output::line(format_args!("Thaw {id}:\n{progress}"));
                match progress.ready_about {
                    Some(at) => output::line(format_args!(
                        "Waiting. Ready about {}: run the same command then, or `darkslide thaw wait`.",
                        at.local()
                    )),
                    None => output::line("Waiting. Run the same command again, or `darkslide thaw wait`."),
                }
            }
            if progress.stop.is_some() { Exit::Refused } else { Exit::Waiting }
        }
    }
}

fn restore_json(done: &Restored, seconds: f64) -> serde_json::Value {
    json!({
        "files": done.files,
        "bytes_restored": done.bytes,
        "files_present": done.present,
        "packs": done.packs,
        "pack_bytes": done.pack_bytes,
        "bytes_read": done.bytes_read,
        "casualties": done.casualties.iter().map(|c| json!({"path": c.path, "reason": c.reason})).collect::<Vec<_>>(),
        "seconds": seconds,
    })
}

fn tell_restore(done: &Restored, seconds: f64) {
    output::line(format_args!("{} files, {} restored and verified in {seconds:.1} s", done.files, done.bytes));
    if done.present.0 > 0 {
        output::line(format_args!("  {} were there already, with the same content", done.present));
    }
    output::line(format_args!("  out of {} packs with {}", done.packs, done.pack_bytes));
    if !done.casualties.is_empty() {
        eprintln!("{} could not be restored:", done.casualties.len());
        for casualty in &done.casualties {
            eprintln!("  {}: {}", casualty.path, casualty.reason);
        }
    }
}
