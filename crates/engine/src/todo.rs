//! What is not as it should be, each with what to do about it: the same words on every surface.

use std::collections::BTreeSet;
use std::time::Duration;

use darkslide_catalog::RunRow;

use crate::{JobPlan, Settings, Status};

/// What is to be done; nothing where all is as it should be.
pub(crate) fn todo(status: &Status, plans: &[JobPlan], settings: &Settings) -> Vec<String> {
    let mut todo = Vec::new();
    for store in status.stores.iter().filter(|store| store.problem.is_some()) {
        todo.push(format!("make the store {} reachable; the next backup brings it up", store.label));
    }
    if matches!(status.writer, Some((_, false))) {
        todo.push("enroll this machine (`darkslide writer enroll`): it cannot back up".into());
    }
    for job in &status.jobs {
        match &job.last {
            None if status.writer.is_some() => todo.push(format!("back up {} for the first time", job.name)),
            Some((_, since, _)) if *since > settings.daemon.no_backup_for() => {
                todo.push(format!("back up {}: the last snapshot is of {}", job.name, ago(*since)));
            }
            _ => {}
        }
        if !job.failures.is_empty() {
            todo.push(format!("look at the {} files of {} that were not stored", job.failures.len(), job.name));
        }
    }
    let see = |name: &str, run: &RunRow| {
        let outcome = run.outcome.as_deref().unwrap_or_default();
        format!("see why the last run of {name} was {outcome}: `darkslide logs --run {}`", run.id)
    };
    let runs = status.jobs.iter().filter_map(|job| Some((&job.name, job.run.as_ref()?)));
    let mirrors = status.mirrors.iter().filter_map(|(name, run)| Some((name, run.as_ref()?)));
    todo.extend(runs.chain(mirrors).filter(|(_, run)| has_failed(run)).map(|(name, run)| see(name, run)));
    let told: BTreeSet<i64> = status.jobs.iter().filter_map(|job| Some(job.run.as_ref()?.id)).collect();
    for plan in plans {
        todo.extend(plan.refused.clone());
        let last = plan.last.as_ref().filter(|run| has_failed(run) && !told.contains(&run.id));
        todo.extend(last.map(|run| see(&plan.job.name, run)));
    }
    for (name, _) in status.mirrors.iter().filter(|(_, run)| run.is_none()) {
        todo.push(format!("bring the mirror {name} up for the first time: `darkslide mirror {name}`"));
    }
    if let Some(report) = status.copies.as_ref().filter(|report| status.is_rule_set && report.lacking.0 > 0) {
        let (lacking, files) = (report.lacking, report.files);
        todo.push(format!("bring {lacking} of {files} files to the copies that the rule asks for: `darkslide copies`"));
    }
    if let Some(why) = &status.copies_problem {
        todo.push(format!("see why the copies could not be counted: {why}"));
    }
    if status.writer.is_none() && !status.jobs.is_empty() {
        todo.push("this machine holds no secrets to back up with: `darkslide open` makes it a writer again".into());
    }
    todo
}

fn has_failed(run: &RunRow) -> bool {
    !matches!(run.outcome.as_deref(), Some("complete" | "cancelled") | None)
}

/// `just now`, `5 min ago`, `3 h ago`, `9 days ago`.
pub fn ago(age: Duration) -> String {
    let minutes = age.as_secs() / 60;
    match minutes {
        0 => "just now".into(),
        1..60 => format!("{minutes} min ago"),
        60..2880 => format!("{} h ago", minutes / 60),
        _ => format!("{} days ago", minutes / 1440),
    }
}
