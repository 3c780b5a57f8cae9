//! `ingest`, `card`, `mirror`, `catalogs`: what happens on this machine's disks.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use darkslide_engine::words::{Bytes, Count};
use darkslide_engine::{
    CardState, Engine, IngestOptions, Ingested, MhlFinding, Restorer, Verdict, Verified, cards, verify_mhl,
};
use serde_json::json;

use crate::args::{CardCommand, Ingest, Json, Mirror};
use crate::output::{self, Exit};
use crate::progress::Watcher;
use crate::{keyfile, wiring};

/// How often `--watch` looks for cards.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Runs an ingest.
pub fn ingest(config: Option<PathBuf>, args: Ingest) -> Result<Exit> {
    let engine = wiring::engine(config)?;
    let mut options = IngestOptions {
        cards: args.cards.clone(),
        to: args.to.clone(),
        second: args.second.clone(),
        job_code: args.job_code.clone(),
        template: args.template.clone(),
        host: wiring::host(),
    };
    if args.watch {
        return watch(&engine, &mut options, args.json.json);
    }
    if options.cards.is_empty() {
        options.cards = cards().into_iter().map(|card| card.root).collect();
        anyhow::ensure!(!options.cards.is_empty(), "no card is in: name the folder where it is mounted");
    }
    if args.dry_run {
        return dry_run(&engine, &options, args.json.json);
    }
    once(&engine, &options, args.json.json)
}

fn once(engine: &Engine, options: &IngestOptions, as_json: bool) -> Result<Exit> {
    let watcher = Watcher::new(as_json);
    let began = std::time::Instant::now();
    let done = engine.ingest(options, &watcher);
    watcher.finish();
    let done = done?;
    match as_json {
        true => {
            let seconds = began.elapsed().as_secs_f64();
            output::value(&json!({"cards": done.cards, "previews": done.previews, "seconds": seconds}));
        }
        false => {
            done.cards.iter().for_each(|card| tell(card, began.elapsed()));
            let previews = &done.previews;
            if previews.made > Count(0) {
                output::line(format_args!(
                    "Previews: {} made and sealed, {} with a thumbnail",
                    previews.made, previews.pictured
                ));
            }
        }
    }
    Ok(if done.is_whole() { Exit::Ok } else { Exit::Incomplete })
}

/// Cards as they are put in.
#[derive(Debug, Default)]
pub struct Arrivals {
    known: BTreeSet<(PathBuf, String)>,
}

impl Arrivals {
    /// Those that came since the last look. One that was taken out is new when it comes back.
    pub fn look(&mut self) -> Vec<PathBuf> {
        let now: BTreeSet<_> = cards().into_iter().map(|card| (card.root, card.id)).collect();
        let new = now.difference(&self.known).map(|(root, _)| root.clone()).collect();
        self.known = now;
        new
    }
}

/// Ingests each card that is put in, until told to stop.
fn watch(engine: &Engine, options: &mut IngestOptions, as_json: bool) -> Result<Exit> {
    let mut arrivals = Arrivals::default();
    let mut exit = Exit::Ok;
    eprintln!("Waiting for cards; Ctrl-C ends it.");
    while !wiring::interrupted() {
        options.cards = arrivals.look();
        if !options.cards.is_empty() {
            match once(engine, options, as_json) {
                Ok(Exit::Ok) => {}
                Ok(other) => exit = other,
                Err(error) => exit = output::fail(&error, as_json),
            }
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(exit)
}

fn dry_run(engine: &Engine, options: &IngestOptions, as_json: bool) -> Result<Exit> {
    for (card, plan) in engine.plan_ingest(options)? {
        if as_json {
            let items: Vec<_> = plan
                .items
                .iter()
                .map(|item| json!({"path": item.path, "to": item.target(), "size": item.stat.size}))
                .collect();
            output::value(&json!({"card": card.volume.label, "root": card.volume.root, "files": items}));
            continue;
        }
        output::line(format_args!("{}: {} files, {}", card.volume.label, plan.items.len(), plan.bytes()));
        for item in &plan.items {
            output::line(format_args!("  {} -> {}", item.path, item.target()));
        }
    }
    Ok(Exit::Ok)
}

fn tell(card: &Ingested, took: Duration) {
    output::line(format_args!(
        "{}: {} files, {} copied and verified in {:.1} s; {} were there already",
        card.card,
        card.copied,
        card.bytes,
        took.as_secs_f64(),
        card.present
    ));
    for folder in &card.folders {
        output::line(format_args!("  into {folder}"));
    }
    for renamed in &card.renamed {
        output::line(format_args!("  {} is {} in {}: its name was taken", renamed.path, renamed.name, renamed.target));
    }
    for path in &card.empty {
        eprintln!("  {path} is empty: nothing was recorded in it");
    }
    if card.changed {
        eprintln!("The card changed while it was read: run the same command again.");
    }
    if !card.failures.is_empty() {
        eprintln!("{} could not be brought everywhere:", card.failures.len());
        for failure in &card.failures {
            eprintln!("  {}: {}", failure.path, failure.reason);
        }
    } else if !card.changed {
        output::line(format_args!("  Safe to format? `darkslide card check {}`", card.root.display()));
    }
}

/// `card`.
pub fn card(config: Option<PathBuf>, command: CardCommand) -> Result<Exit> {
    match command {
        CardCommand::List(json) => {
            let found = cards();
            if json.json {
                let rows: Vec<_> =
                    found.iter().map(|c| json!({"root": c.root, "label": c.label, "id": c.id})).collect();
                output::value(&json!(rows));
            } else {
                found.iter().for_each(|card| output::line(format_args!("{}  {}", card.root.display(), card.label)));
            }
            Ok(Exit::Ok)
        }
        CardCommand::Check { card, json } => check(config, card, &json),
        CardCommand::VerifyMhl { path, json } => mhl(&path, &json),
    }
}

fn check(config: Option<PathBuf>, card: Option<PathBuf>, as_json: &Json) -> Result<Exit> {
    let engine = wiring::engine(config)?;
    let root = match (card, &cards()[..]) {
        (Some(card), _) => card,
        (None, [only]) => only.root.clone(),
        (None, found) => anyhow::bail!("{} cards are in: name the folder where it is mounted", found.len()),
    };
    let watcher = Watcher::new(as_json.json);
    let said = engine.check_card(&root, &watcher);
    watcher.finish();
    let said = said?;
    match as_json.json {
        true => output::value(&serde_json::to_value(&said)?),
        false => tell_verdict(&said),
    }
    Ok(if said.state == CardState::SafeToFormat { Exit::Ok } else { Exit::Incomplete })
}

fn tell_verdict(said: &Verdict) {
    for file in &said.files {
        let mut places: Vec<&str> = file.copies.iter().map(|copy| copy.place.as_str()).collect();
        places.dedup();
        let shown = if places.is_empty() { "nowhere".to_string() } else { places.join(", ") };
        output::line(format_args!("{}  {}  {shown}", file.path, file.copies.len()));
    }
    for path in &said.empty {
        output::line(format_args!("{path} is empty: nothing was recorded in it"));
    }
    for path in &said.ignored {
        output::line(format_args!("passed over, as systems leave it on cards: {path}"));
    }
    for (path, why) in &said.unsafe_files {
        output::line(format_args!("not safe: {path}: {why}"));
    }
    output::line(said);
}

fn mhl(path: &std::path::Path, as_json: &Json) -> Result<Exit> {
    let watcher = Watcher::new(as_json.json);
    let report = verify_mhl(path, &watcher);
    watcher.finish();
    let report = report?;
    if as_json.json {
        output::value(&serde_json::to_value(&report)?);
    } else {
        for finding in &report.findings {
            output::line(match finding {
                MhlFinding::Mismatch { path, wanted, found } => format!("changed: {path}: {found} instead of {wanted}"),
                MhlFinding::Missing { path } => format!("missing: {path}"),
                MhlFinding::Unreadable { path, why } => format!("unreadable: {path}: {why}"),
                MhlFinding::Additional { path } => format!("not listed: {path}"),
                MhlFinding::NoHash { path } => format!("cannot be checked: {path}"),
                MhlFinding::ChangedManifest { manifest } => format!("manifest changed: {manifest}"),
                MhlFinding::MissingManifest { manifest } => format!("manifest missing: {manifest}"),
            });
        }
        output::line(format_args!(
            "{} files, {} as {} manifests list them; {} findings",
            report.good,
            report.bytes,
            report.manifests,
            report.findings.len()
        ));
    }
    Ok(if report.is_good() { Exit::Ok } else { Exit::Incomplete })
}

/// `mirror`.
pub fn mirror(config: Option<PathBuf>, args: Mirror) -> Result<Exit> {
    let engine = wiring::engine(config)?;
    let allowed: BTreeSet<String> = args.allow.iter().cloned().collect();
    let job = args.job.as_deref();
    let watcher = Watcher::new(args.json.json);
    if args.verify || args.heal {
        return verify(&engine, &args, &watcher);
    }
    if args.dry_run {
        let plan = engine.plan_mirror(job, &allowed, &watcher);
        watcher.finish();
        let plan = plan?;
        match args.json.json {
            true => output::value(&json!({
                "files": plan.files, "new": plan.new_files(), "changed": plan.changed_files(),
                "moved": plan.moved_files(), "to_trash": plan.trashed_files, "bytes": plan.bytes(),
                "brakes": plan.brakes, "failures": plan.failures,
            })),
            false => output::line(plan.to_string().trim_end()),
        }
        return Ok(if plan.brakes.is_empty() { Exit::Ok } else { Exit::Refused });
    }
    let began = std::time::Instant::now();
    let done = engine.mirror(job, &allowed, &watcher);
    watcher.finish();
    let done = done?;
    if args.json.json {
        let mut value = serde_json::to_value(&done)?;
        value["seconds"] = began.elapsed().as_secs_f64().into();
        output::value(&value);
    } else {
        output::line(format_args!(
            "{} files in the library: {} new, {} changed, {} moved, {} to the trash; {} copied and verified in {:.1} s",
            done.files,
            done.new_files,
            done.changed_files,
            done.moved_files,
            done.trashed,
            done.bytes,
            began.elapsed().as_secs_f64()
        ));
        if done.expired > Bytes(0) {
            output::line(format_args!("  {} of old trash removed", done.expired));
        }
        for failure in &done.failures {
            eprintln!("  {}: {}", failure.path, failure.reason);
        }
    }
    Ok(if done.failures.is_empty() { Exit::Ok } else { Exit::Incomplete })
}

fn verify(engine: &Engine, args: &Mirror, watcher: &Watcher) -> Result<Exit> {
    let job = args.job.as_deref();
    let found = engine.verify_mirror(job, watcher);
    watcher.finish();
    let found = found?;
    let healed = match args.heal && !found.rot.is_empty() {
        true => {
            let folder = engine.settings().state_dir().join("work/heal");
            let identity = keyfile::given(&args.identity)?;
            let restorer = identity.as_ref().map(|identity| Restorer {
                engine,
                identity,
                folder: folder.clone(),
                observer: watcher,
            });
            let healed = engine.heal_mirror(job, &found, restorer.as_ref(), watcher);
            // What was fetched is in its place, or not wanted.
            let _ = std::fs::remove_dir_all(&folder);
            healed?
        }
        false => Vec::new(),
    };
    match args.json.json {
        true => output::value(&json!({"verified": found, "healed": healed})),
        false => tell_verified(&found),
    }
    for one in &healed {
        match &one.failed {
            None if !args.json.json => output::line(format_args!("healed: {}; the bad file is in the trash", one.path)),
            Some(why) => eprintln!("not healed: {}: {why}", one.path),
            None => {}
        }
    }
    let mended = healed.len() == found.rot.len() && healed.iter().all(|one| one.failed.is_none());
    let good = found.unreadable.is_empty() && (found.rot.is_empty() || mended);
    Ok(if good { Exit::Ok } else { Exit::Incomplete })
}

fn tell_verified(found: &Verified) {
    for rot in &found.rot {
        let side = match rot.agrees {
            darkslide_engine::Agrees::Library => "the library is as it was; the mirror rotted",
            darkslide_engine::Agrees::Mirror => "the mirror is as it was; the library rotted",
            darkslide_engine::Agrees::Neither => "neither side is as it was",
            darkslide_engine::Agrees::Unknown => "which side is right is not known",
        };
        output::line(format_args!("differs: {}: {side}", rot.path));
        output::line(format_args!("  library {}\n  mirror  {}", rot.library, rot.mirror));
        if let Some(hash) = rot.catalog {
            output::line(format_args!("  copied  {hash}"));
        }
        if let Some(hash) = rot.repository {
            output::line(format_args!("  backup  {hash}"));
        }
    }
    for path in &found.behind {
        output::line(format_args!("behind: {path}: the next run brings it"));
    }
    for (path, why) in &found.unreadable {
        output::line(format_args!("unreadable: {path}: {why}"));
    }
    output::line(format_args!("{} files, {} are the same on both sides", found.good, found.bytes));
}

/// `catalogs`.
pub fn catalogs(config: Option<PathBuf>, as_json: &Json) -> Result<Exit> {
    let found = wiring::engine(config)?.catalogs()?;
    if as_json.json {
        output::value(&serde_json::to_value(&found)?);
    }
    for one in found.iter().filter(|_| !as_json.json) {
        output::line(format_args!(
            "{}  ({}, {}, changed {})",
            one.path,
            one.kind.name(),
            one.size,
            one.changed.local()
        ));
        if let Some(check) = &one.check {
            let open = if one.open { ", open in its program" } else { "" };
            output::line(format_args!("  check: {check}{open}"));
        }
        if let (Some(photographs), Some(missing)) = (one.photographs, one.missing) {
            output::line(format_args!("  {photographs} photographs, {missing} of them missing"));
            one.missing_paths.iter().for_each(|path| output::line(format_args!("    missing: {path}")));
        }
        match (one.backed_up, one.last_backup) {
            (true, Some(at)) => output::line(format_args!("  backed up as it is, {}", at.local())),
            (false, Some(at)) => {
                output::line(format_args!("  the last backup, {}, does not hold it as it is now", at.local()))
            }
            _ => output::line("  never backed up"),
        }
    }
    Ok(if found.iter().all(darkslide_engine::CatalogInfo::is_sound) { Exit::Ok } else { Exit::Incomplete })
}
