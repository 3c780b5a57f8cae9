//! `status`: one screen: is everything safe, what is not, what to do.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use darkslide_engine::{JobPlan, RunRow, Settings, Status};
use serde_json::json;

use super::jobs;
use crate::output::{self, Exit};
use crate::wiring;

/// Tells how things stand.
pub fn status(config: Option<PathBuf>, as_json: bool) -> Result<Exit> {
    let engine = wiring::engine(config)?;
    let status = engine.status()?;
    let plans = engine.job_plans(&BTreeSet::new(), &engine.jitter_seed(&wiring::host()))?;
    let todo = todo(&status, &plans, engine.settings());
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

/// What is not as it should be, each with what to do about it.
fn todo(status: &Status, plans: &[JobPlan], settings: &Settings) -> Vec<String> {
    let mut todo = Vec::new();
    for store in &status.stores {
        if store.problem.is_some() {
            todo.push(format!("make the store {} reachable; the next backup brings it up", store.label));
        }
    }
    if matches!(status.writer, Some((_, false))) {
        todo.push("enroll this machine (`darkslide writer enroll`): it cannot back up".into());
    }
    for job in &status.jobs {
        match &job.last {
            None if status.writer.is_some() => todo.push(format!("back up {} for the first time", job.name)),
            Some((_, since, _)) if *since > settings.daemon.no_backup_for() => {
                todo.push(format!("back up {}: the last snapshot is of {}", job.name, age(*since)));
            }
            _ => {}
        }
        if !job.failures.is_empty() {
            todo.push(format!("look at the {} files of {} that were not stored", job.failures.len(), job.name));
        }
    }
    let failed = |run: &RunRow| !matches!(run.outcome.as_deref(), Some("complete" | "cancelled") | None);
    let runs = status.jobs.iter().filter_map(|job| Some((&job.name, job.run.as_ref()?)));
    for (name, run) in runs.chain(status.mirrors.iter().filter_map(|(name, run)| Some((name, run.as_ref()?)))) {
        if failed(run) {
            let outcome = run.outcome.as_deref().unwrap_or_default();
            todo.push(format!("see why the last run of {name} was {outcome}: `darkslide logs --run {}`", run.id));
        }
    }
    let told: BTreeSet<i64> = status.jobs.iter().filter_map(|job| Some(job.run.as_ref()?.id)).collect();
    for plan in plans {
        todo.extend(plan.refused.clone());
        let last = plan.last.as_ref().filter(|run| failed(run) && !told.contains(&run.id));
        if let Some(run) = last {
            let outcome = run.outcome.as_deref().unwrap_or_default();
            let name = &plan.job.name;
            todo.push(format!("see why the last run of {name} was {outcome}: `darkslide logs --run {}`", run.id));
        }
    }
    for (name, _) in status.mirrors.iter().filter(|(_, run)| run.is_none()) {
        todo.push(format!("bring the mirror {name} up for the first time: `darkslide mirror {name}`"));
    }
    if let Some(report) = status.copies.as_ref().filter(|report| status.is_rule_set && report.lacking.0 > 0) {
        let (lacking, files) = (report.lacking, report.files);
        todo.push(format!("bring {lacking} of {files} files to the copies that the rule asks for: `darkslide copies`"));
    }
    if status.writer.is_none() && !status.jobs.is_empty() {
        todo.push("this machine holds no secrets to back up with: `darkslide open` makes it a writer again".into());
    }
    todo
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
        "last_drill": status.last_drill.map(|(at, _)| at.to_string()),
    })
}

fn age(age: Duration) -> String {
    let minutes = age.as_secs() / 60;
    match minutes {
        0 => "just now".into(),
        1..60 => format!("{minutes} min ago"),
        60..2880 => format!("{} h ago", minutes / 60),
        _ => format!("{} days ago", minutes / 1440),
    }
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
        Some((at, ago)) => output::line(format_args!("  last good drill {} ({})", at.local(), age(*ago))),
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
                age(*since),
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
