//! `status`: one screen: is everything safe, what is not, what to do.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Result;
use darkslide_engine::{JobPlan, Status, ago};
use serde_json::json;

use super::jobs;
use crate::output::{self, Exit};
use crate::wiring;

/// Tells how things stand.
pub fn status(config: Option<PathBuf>, as_json: bool) -> Result<Exit> {
    let engine = wiring::engine(config)?;
    let status = engine.status()?;
    let plans = engine.job_plans(&BTreeSet::new(), &engine.jitter_seed(&wiring::host()))?;
    let todo = engine.todo(&status, &plans);
    if as_json {
        let mut told = status_json(&status);
        let now = wiring::clock().now();
        told["scheduled"] = plans.iter().map(|plan| jobs::plan_json(plan, now)).collect();
        told["todo"] = json!(todo);
        output::value(&told);
    } else {
        tell_status(&status);
        tell_scheduled(&plans);
        match todo.is_empty() {
            true => output::line(all_well(&status)),
            false => {
                output::line("\nWhat to do:");
                todo.iter().for_each(|what| output::line(format_args!("  {what}")));
            }
        }
    }
    Ok(if todo.is_empty() { Exit::Ok } else { Exit::Incomplete })
}

/// What is said where nothing has to be done.
fn all_well(status: &Status) -> String {
    let lacking = status.copies.as_ref().filter(|report| report.lacking.0 > 0);
    match lacking {
        None => "\nEverything is as it should be.".into(),
        Some(report) => format!(
            "\nEverything is as it should be.\nBy the rule of {} copies on {} media{}, {} of {} files lack something \
             yet (`darkslide copies`); with `[copies]` in the configuration this counts as a fault.",
            report.rule.copies,
            report.rule.media,
            if report.rule.off_site { ", one outside the house" } else { "" },
            report.lacking,
            report.files
        ),
    }
}

fn tell_scheduled(plans: &[JobPlan]) {
    if plans.is_empty() {
        return output::line("\nNothing runs by itself: `darkslide config explain job`");
    }
    output::line("\nBy itself:");
    for plan in plans {
        let [name, kind, _, last, next] = jobs::row(plan);
        output::line(format_args!("  {name} ({kind}): last {last}, next {next}"));
    }
}

fn status_json(status: &Status) -> serde_json::Value {
    let job = |j: &darkslide_engine::JobStatus| {
        json!({
            "name": j.name,
            "library": j.library,
            "last": j.last.as_ref().map(|(time, age, counts)| json!({
                "time": time.to_string(), "age_seconds": age.as_secs(), "counts": counts,
            })),
            "run": j.run.as_ref().map(|r| json!({
                "id": r.id, "started": r.started.to_string(), "ended": r.ended.map(|t| t.to_string()),
                "outcome": r.outcome, "summary": r.summary,
            })),
            "failures": j.failures.iter().map(|(p, r)| json!({"path": p, "reason": r})).collect::<Vec<_>>(),
        })
    };
    json!({
        "repository": status.repository,
        "writer": status.writer.as_ref().map(|(name, trusted)| json!({"name": name, "enrolled": trusted})),
        "stores": status.stores.iter().map(|s| json!({"store": s.label, "problem": s.problem})).collect::<Vec<_>>(),
        "jobs": status.jobs.iter().map(job).collect::<Vec<_>>(),
        "mirrors": status.mirrors.iter().map(|(name, run)| json!({
            "name": name, "run": run.as_ref().map(super::logs::run_json),
        })).collect::<Vec<_>>(),
        "spent_this_month": status.month,
        "month_limit": status.month_limit,
        "copies": status.copies,
        "copies_problem": status.copies_problem,
        "last_drill": status.last_drill.map(|(at, _)| at.to_string()),
    })
}

fn tell_status(status: &Status) {
    output::line(format_args!("Repository {}", status.repository));
    match &status.writer {
        Some((name, true)) => output::line(format_args!("  this machine backs up as {name}")),
        Some((name, false)) => output::line(format_args!("  this machine ({name}) is NOT enrolled: it cannot back up")),
        None => output::line("  this machine reads, and does not back up"),
    }
    for store in &status.stores {
        match &store.problem {
            None => output::line(format_args!("  store {}: reachable", store.label)),
            Some(problem) => output::line(format_args!("  store {}: {problem}", store.label)),
        }
    }
    match &status.last_drill {
        Some((at, since)) => output::line(format_args!("  last good drill {} ({})", at.local(), ago(*since))),
        None => output::line("  no drill yet: `darkslide drill` practises getting photographs back"),
    }
    let limit = status.month_limit.map(|limit| format!(" of {limit}")).unwrap_or_default();
    output::line(format_args!("  spent this month: {}{limit}", status.month));
    for place in status.copies.iter().flat_map(|report| &report.places) {
        let problem = place.problem.as_ref().map(|why| format!(", but it {why}")).unwrap_or_default();
        output::line(format_args!("  copies at {} ({}): {} files{problem}", place.place, place.medium, place.files));
    }
    for (name, run) in &status.mirrors {
        let told = run.as_ref().map_or_else(
            || "NEVER RUN".to_string(),
            |run| format!("last run {}: {}", run.started.local(), run.outcome.as_deref().unwrap_or("going on")),
        );
        output::line(format_args!("  mirror {name}: {told}"));
    }
    for job in &status.jobs {
        output::line(format_args!("\nJob {} ({})", job.name, job.library));
        match &job.last {
            Some((time, since, counts)) => output::line(format_args!(
                "  last snapshot {} ({}): {} files, {}",
                time.local(),
                ago(*since),
                counts.files,
                counts.bytes
            )),
            None => output::line("  NO BACKUP YET"),
        }
        if let Some(run) = &job.run {
            let outcome = run.outcome.as_deref().unwrap_or("cut off, or still running");
            let summary = run.summary.as_deref().map(|s| format!(": {s}")).unwrap_or_default();
            output::line(format_args!("  last run {}: {outcome}{summary}", run.started.local()));
        }
        for (path, reason) in &job.failures {
            output::line(format_args!("  not stored: {path}: {reason}"));
        }
    }
}
