//! `run` and `schedule`: jobs by hand, and when they run by themselves.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Result;
use darkslide_engine::words::Time;
use darkslide_engine::{Held, IdentityFile, JobDone, JobMeans, JobPlan, JobSettings, RunOrigin, Settings, StartedBy};
use serde_json::{Value, json};

use super::service;
use crate::args::{Identity, Run, Schedule, ScheduleCommand};
use crate::output::{self, Exit};
use crate::progress::Watcher;
use crate::{keyfile, wiring};

/// The identity that a job names.
pub fn identity_of(job: &JobSettings, settings: &Settings) -> Result<Option<IdentityFile>> {
    keyfile::given(&Identity {
        identity: job.identity.as_deref().map(|path| settings.resolve(path)),
        passphrase_file: job.passphrase_file.as_deref().map(|path| settings.resolve(path)),
    })
}

/// Runs a job now.
pub fn run(config: Option<PathBuf>, args: &Run) -> Result<Exit> {
    let engine = wiring::engine(config)?;
    let job = engine.job(&args.job)?.clone();
    engine.may_run(&job)?;
    let identity = identity_of(&job, engine.settings())?;
    let by = StartedBy { origin: RunOrigin::Manual, task: Some(job.name.clone()), slot: None, cause: None };
    let engine = engine.for_job(&job).started_by(by);
    let watcher = Watcher::new(args.json.json);
    let means = JobMeans { host: wiring::host(), identity, cards: Vec::new() };
    let done = engine.run_job(&job, &means, &watcher);
    watcher.finish();
    Ok(tell(&job, &done?, args.json.json))
}

fn tell(job: &JobSettings, done: &JobDone, as_json: bool) -> Exit {
    match as_json {
        true => output::value(&json!({
            "job": job.name, "kind": job.kind, "text": done.text, "whole": done.is_whole,
            "waits_until": done.waits_until.map(|at| at.to_string()),
        })),
        false => output::line(format_args!("{}: {}", job.name, done.text)),
    }
    match (done.waits_until, done.is_whole) {
        (Some(_), _) => Exit::Waiting,
        (None, true) => Exit::Ok,
        (None, false) => Exit::Incomplete,
    }
}

/// `schedule`.
pub fn schedule(config: Option<PathBuf>, args: &Schedule) -> Result<Exit> {
    match &args.command {
        Some(ScheduleCommand::Install(service)) => return service::install(config, service),
        Some(ScheduleCommand::Uninstall(service)) => return service::uninstall(config, service),
        None => {}
    }
    let engine = wiring::engine(config)?;
    let seed = engine.jitter_seed(&wiring::host());
    let plans = engine.job_plans(&BTreeSet::new(), &seed)?;
    let now = wiring::clock().now();
    if args.json.json {
        output::value(&Value::Array(plans.iter().map(|plan| plan_json(plan, now)).collect()));
        return Ok(Exit::Ok);
    }
    if plans.is_empty() {
        output::line("Nothing is scheduled: add a [[job]] with a name, a kind and a schedule to the configuration.");
        return Ok(Exit::Ok);
    }
    let mut rows = vec![["JOB", "KIND", "SCHEDULE", "LAST RUN", "NEXT RUN"].map(String::from)];
    rows.extend(plans.iter().map(row));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..5).map(width).collect();
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        output::line(cells.join("  ").trim_end());
    }
    for plan in &plans {
        if let Some(refused) = &plan.refused {
            eprintln!("{refused}");
        }
    }
    Ok(Exit::Ok)
}

fn schedule_text(job: &JobSettings) -> String {
    let schedule = job.schedule().map_or_else(|| "by hand".into(), |schedule| schedule.text().to_string());
    match job.after.is_empty() || job.schedule.is_none() {
        true => schedule,
        false => format!("{schedule}, after {}", job.after.join(", ")),
    }
}

pub(super) fn row(plan: &JobPlan) -> [String; 5] {
    let last = plan.last.as_ref().map_or_else(
        || "never".into(),
        |run| format!("{} {}", run.started.local(), run.outcome.as_deref().unwrap_or("(going on)")),
    );
    [plan.job.name.clone(), plan.job.kind.word().into(), schedule_text(&plan.job), last, next_text(plan)]
}

fn next_text(plan: &JobPlan) -> String {
    if plan.refused.is_some() {
        return "not on this machine".into();
    }
    match (&plan.decision.due, &plan.decision.held) {
        (Some(_), Some(Held::Window(window, at))) => format!("{} ({window} is closed)", at.local()),
        (Some(_), Some(Held::Before(other))) => format!("after {other}"),
        (Some(due), _) if due.missed => "now (missed)".into(),
        (Some(_), _) => "now".into(),
        (None, _) => match (plan.decision.next, plan.job.schedule()) {
            (Some(at), _) => at.local(),
            (None, Some(schedule)) => schedule.text().to_string(),
            (None, None) => "-".into(),
        },
    }
}

pub(super) fn plan_json(plan: &JobPlan, now: Time) -> Value {
    let due = plan.decision.due.map(|due| {
        json!({
            "slot": due.slot.map(|at| at.to_string()), "since": due.since.to_string(), "missed": due.missed,
            "after_run": due.cause,
        })
    });
    let held = plan.decision.held.as_ref().map(|held| match held {
        Held::GoesOn => json!({"why": "goes on"}),
        Held::Window(window, at) => json!({"why": "window", "window": window, "until": at.to_string()}),
        Held::Before(job) => json!({"why": "after", "job": job}),
    });
    json!({
        "job": plan.job.name, "kind": plan.job.kind, "role": plan.job.kind.role().word(),
        "schedule": schedule_text(&plan.job), "now": now.to_string(), "due": due, "held": held,
        "next": plan.decision.next.map(|at| at.to_string()), "refused": plan.refused,
        "last": plan.last.as_ref().map(super::logs::run_json),
    })
}
