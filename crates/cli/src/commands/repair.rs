//! `repair` and `copies`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use darkslide_engine::{CopiesGroup, CopiesReport, Cure, GroupBy, Harm, Mend, RepairOptions, RepairPlan, Repaired};
use serde_json::json;

use crate::args::{By, Copies, Repair};
use crate::output::{self, Exit};
use crate::progress::Watcher;
use crate::{confirm, wiring};

/// Lines of one sort before the rest is only counted.
const LINES_MAX: usize = 50;

fn harm(harm: &Harm) -> String {
    match harm {
        Harm::Missing => "is missing".into(),
        Harm::Truncated { found } => format!("has {found} only"),
        Harm::Damaged { why } => format!("is damaged ({why})"),
    }
}

fn cure(cure: &Cure) -> String {
    match cure {
        Cure::Parity { shards } => format!("heal {shards} shards from its parity"),
        Cure::Store { from } => format!("copy it from {}", from.join(" or ")),
        Cure::Library { chunks, files } => {
            format!("seal {chunks} chunks again out of the library ({files} files), into a new pack")
        }
        Cure::Elsewhere => "nothing to do: all that it held lies in other packs, and they are kept".into(),
        Cure::NextBackup => "the next backup writes it again".into(),
        Cure::Nothing { why } => format!("CANNOT be repaired: {why}"),
    }
}

fn tell_plan(plan: &RepairPlan) {
    for Mend { store, object, size, harm: wrong, cure: by } in plan.mends.iter().take(LINES_MAX) {
        output::line(format_args!("{store}: {object} ({size}) {}: {}", harm(wrong), cure(by)));
    }
    if plan.mends.len() > LINES_MAX {
        output::line(format_args!("and {} more", plan.mends.len() - LINES_MAX));
    }
    for one in &plan.unprotected {
        output::line(format_args!(
            "{}: {} objects have no sound parity: read {} and make it",
            one.store, one.objects, one.bytes
        ));
    }
    for lost in &plan.hopeless {
        output::line(format_args!(
            "LOST: {} chunks of {} are in no store and not in the library; {} photographs need them:",
            lost.chunks, lost.object, lost.count
        ));
        lost.photographs.iter().take(LINES_MAX).for_each(|path| output::line(format_args!("  {path}")));
    }
    for (store, why) in &plan.unreached {
        output::line(format_args!("{store} was not looked at: {why}"));
    }
    if let Some(cost) = plan.cost.filter(|_| !plan.is_empty()) {
        output::line(format_args!("It costs about {cost}; {} are copied from other stores", plan.copied()));
    }
    if plan.is_empty() {
        output::line("Nothing to repair, as far as is known: `audit` and `scrub` find damage.");
    }
}

fn tell_done(done: &Repaired) {
    output::line(format_args!(
        "{} healed from parity, {} copied from another store, {} chunks in {} new packs ({} snapshots keep them), {} got parity",
        done.healed,
        done.copied,
        done.chunks,
        done.packs.len(),
        done.snapshots,
        done.protected
    ));
    for (path, why) in &done.unread {
        output::line(format_args!("could not be read: {path}: {why}"));
    }
    for (store, object, why) in &done.failed {
        let place = if store.is_empty() { String::new() } else { format!("{store}: ") };
        output::line(format_args!("NOT repaired: {place}{object}: {why}"));
    }
}

/// Mends what is missing or damaged.
pub fn repair(config: Option<PathBuf>, args: &Repair) -> Result<Exit> {
    let engine = wiring::engine(config)?;
    let options = RepairOptions { store: args.store.clone(), max_cost: args.max_cost };
    let plan = engine.plan_repair(&options)?;
    let as_json = args.json.json;
    if as_json {
        output::value(&json!({ "plan": plan }));
    } else {
        tell_plan(&plan);
    }
    let sound = plan.hopeless.is_empty() && plan.unreached.is_empty();
    if args.dry_run || plan.doable() == 0 {
        let idle = plan.mends.is_empty() && sound;
        return Ok(if idle { Exit::Ok } else { Exit::Incomplete });
    }
    if !confirm::spend("Nothing is deleted and nothing overwritten: what is damaged is set aside", args.yes)? {
        return Ok(Exit::Refused);
    }
    let watcher = Watcher::new(as_json);
    let done = engine.repair(&plan, &options, &watcher);
    watcher.finish();
    let done = done?;
    if as_json {
        let failed = |(store, object, why): &(String, _, String)| json!({"store": store, "object": object, "why": why});
        output::value(&json!({
            "healed": done.healed, "copied": done.copied, "packs": done.packs, "chunks": done.chunks,
            "snapshots": done.snapshots, "protected": done.protected,
            "failed": done.failed.iter().map(failed).collect::<Vec<_>>(),
            "unread": done.unread.iter().map(|(path, why)| json!({"path": path, "why": why})).collect::<Vec<_>>(),
        }));
    } else {
        tell_done(&done);
    }
    Ok(if done.failed.is_empty() && done.unread.is_empty() && sound { Exit::Ok } else { Exit::Incomplete })
}

fn tell_group(group: &CopiesGroup) {
    let worst = &group.worst;
    let off_site = if worst.off_site { ", one off-site" } else { "" };
    let verdict = match group.lacking.0 {
        0 => String::new(),
        n => format!(" - NOT ENOUGH for {n}"),
    };
    output::line(format_args!(
        "{}: {} files, {}: {} copies on {} media{off_site}{verdict}",
        group.name, group.files, group.bytes, worst.copies, worst.media
    ));
}

fn tell_copies(report: &CopiesReport) {
    output::line("");
    for place in &report.places {
        let verified = place.verified.as_deref().map(|at| format!(", verified as of {at}")).unwrap_or_default();
        let problem = place.problem.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
        let off_site = if place.off_site { ", off-site" } else { "" };
        output::line(format_args!(
            "{} ({}{off_site}): {} of {} files{verified}{problem}",
            place.place, place.medium, place.files, report.files
        ));
    }
    for (path, lacks) in &report.worst {
        output::line(format_args!("not enough: {path}: {lacks}"));
    }
    let rule = &report.rule;
    let off_site = if rule.off_site { ", one off-site" } else { "" };
    let wanted = format!("{} copies on {} media{off_site}", rule.copies, rule.media);
    match report.lacking.0 {
        0 => output::line(format_args!("All {} files have {wanted}.", report.files)),
        n => output::line(format_args!("{n} of {} files do NOT have {wanted}.", report.files)),
    }
}

/// The path as the catalog has it: below the library.
fn within(engine: &darkslide_engine::Engine, path: &Path) -> darkslide_engine::words::Name {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let settings = engine.settings();
    let libraries = settings.backups.iter().map(|backup| settings.resolve(&backup.library));
    let below = libraries.filter_map(|library| absolute.strip_prefix(library).ok().map(Path::to_path_buf)).next();
    super::library_name(below.as_deref().unwrap_or(path))
}

/// Tells how many copies there are of what.
pub fn copies(config: Option<PathBuf>, args: &Copies) -> Result<Exit> {
    let engine = wiring::engine(config)?;
    let by = match args.by {
        By::Photo => GroupBy::Photo,
        By::Shoot => GroupBy::Shoot,
        By::Year => GroupBy::Year,
    };
    let path = args.path.as_deref().map(|path| within(&engine, path));
    let as_json = args.json.json;
    let report = engine.copies(path.as_ref(), by, &mut |group| match as_json {
        true => output::value(&json!({ "group": group })),
        false => tell_group(group),
    })?;
    match as_json {
        true => output::value(&json!({ "copies": report })),
        false => tell_copies(&report),
    }
    Ok(if report.lacking.0 == 0 { Exit::Ok } else { Exit::Incomplete })
}
