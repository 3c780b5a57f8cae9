//! `logs`: runs, and what they wrote down.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use darkslide_engine::{Engine, LogLine, RunRow, span_text};
use serde_json::{Value, json};

use super::cold::pause;
use crate::args::Logs;
use crate::output::{self, Exit};
use crate::wiring;

/// How often a log is looked at for more.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Shows runs, or the log of one.
pub fn logs(config: Option<PathBuf>, args: &Logs) -> Result<Exit> {
    let engine = wiring::engine(config)?;
    let as_json = args.json.json;
    if args.follow {
        return follow(&engine, args, as_json);
    }
    if let Some(id) = args.run {
        return one(&engine, id, as_json);
    }
    let runs = engine.runs(args.job.as_deref(), args.last)?;
    if runs.is_empty() && !as_json {
        output::line("There were no runs.");
    }
    for run in &runs {
        match as_json {
            true => output::value(&run_json(run)),
            false => output::line(run_line(run)),
        }
    }
    Ok(Exit::Ok)
}

fn one(engine: &Engine, id: i64, as_json: bool) -> Result<Exit> {
    let (run, failures) = engine.run(id)?;
    let lines = engine.log(id, 0);
    if as_json {
        let mut value = run_json(&run);
        value["failures"] = failures.iter().map(|(path, why)| json!({"path": path, "reason": why})).collect();
        output::value(&value);
        lines.iter().for_each(|line| tell(id, line, true));
        return Ok(Exit::Ok);
    }
    output::line(run_line(&run));
    lines.iter().for_each(|line| tell(id, line, false));
    if lines.is_empty() {
        output::line("Its log is not kept any more; what it could not do:");
        failures.iter().for_each(|(path, why)| output::line(format_args!("  {path}: {why}")));
    }
    Ok(Exit::Ok)
}

/// The log of a run as it grows; without a number that of the one that goes on, or of the next.
fn follow(engine: &Engine, args: &Logs, as_json: bool) -> Result<Exit> {
    let newest = |engine: &Engine| -> Result<Option<RunRow>> {
        match args.run {
            Some(id) => Ok(Some(engine.run(id)?.0)),
            None => Ok(engine.runs(args.job.as_deref(), 1)?.pop()),
        }
    };
    let mut over = match newest(engine)? {
        // What is over already is not waited for, unless it is named.
        Some(run) if run.outcome.is_some() && args.run.is_none() => Some(run.id),
        _ => None,
    };
    loop {
        match newest(engine)? {
            Some(run) if over != Some(run.id) => {
                let mut told = 0;
                loop {
                    let ended = engine.run(run.id)?.0.outcome.is_some();
                    let lines = engine.log(run.id, told);
                    told += lines.len();
                    lines.iter().for_each(|line| tell(run.id, line, as_json));
                    if ended {
                        break;
                    }
                    if !pause(LOOK_EVERY) {
                        return Ok(Exit::Cancelled);
                    }
                }
                if args.run.is_some() {
                    return Ok(Exit::Ok);
                }
                over = Some(run.id);
            }
            _ => {}
        }
        if !pause(LOOK_EVERY) {
            return Ok(Exit::Cancelled);
        }
    }
}

fn tell(run: i64, line: &LogLine, as_json: bool) {
    match as_json {
        true => output::value(&json!({"run": run, "time": line.time, "level": line.level, "text": line.text})),
        false => output::line(format_args!("{}  {:7}  {}", line.time, line.level.word(), line.text)),
    }
}

fn run_line(run: &RunRow) -> String {
    let name = run.task.as_ref().unwrap_or(&run.job);
    let took = run.ended.map(|ended| span_text(run.started.until(ended))).unwrap_or_default();
    let outcome = run.outcome.as_deref().unwrap_or("going on");
    let summary = run.summary.as_deref().map(|text| format!(": {}", text.lines().next().unwrap_or_default()));
    let text = summary.unwrap_or_default();
    format!(
        "{:>6}  {}  {name} ({}, {})  {outcome}{text}  {took}",
        run.id,
        run.started.local(),
        run.kind,
        run.origin.word()
    )
    .trim_end()
    .to_string()
}

/// A run for programs.
pub fn run_json(run: &RunRow) -> Value {
    json!({
        "run": run.id, "job": run.task.as_ref().unwrap_or(&run.job), "target": run.job, "kind": run.kind,
        "origin": run.origin.word(), "slot": run.slot.map(|at| at.to_string()), "after_run": run.cause,
        "started": run.started.to_string(), "ended": run.ended.map(|at| at.to_string()), "outcome": run.outcome,
        "summary": run.summary, "files": run.files, "bytes": run.bytes, "spent": run.money, "warnings": run.warnings,
    })
}
