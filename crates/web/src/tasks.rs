//! What was begun from the page: each on a thread of its own, told of while it goes on and for a
//! while after. What has to survive a restart stands in the catalog: runs and thaws.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use darkslide_engine::RunStop;
use darkslide_engine::observe::{
    BackupObserver, BackupProgress, CheckObserver, CheckProgress, IngestObserver, IngestProgress, MirrorObserver,
    MirrorProgress, RestoreObserver, RestoreProgress,
};
use darkslide_engine::words::{Bytes, Name};
use serde::Serialize;
use utoipa::ToSchema;

use crate::refusal::Refusal;

/// Tasks at once.
const AT_ONCE: usize = 4;
/// Tasks that are remembered.
const KNOWN_MAX: usize = 50;

/// Something that was begun from the page.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Task {
    /// Its number, until the page ends.
    pub task: u64,
    /// `job`, `restore`, `ingest`, `check`, `cloud-verify`, `plan`, `forget`, `prune`, `repair`, `test`.
    pub kind: &'static str,
    /// Of what: a job's name, a card, a folder.
    pub what: String,
    /// `going on`, `done`, `failed`.
    pub state: &'static str,
    /// Bytes by now.
    pub bytes: u64,
    /// Bytes in all, where that is known.
    pub expected: Option<u64>,
    /// What there is to say, in a line.
    pub text: String,
    /// What came out of it, for those kinds that have more to say.
    #[schema(value_type = Option<Object>)]
    pub outcome: Option<serde_json::Value>,
}

struct Known {
    task: Task,
    stop: Arc<RunStop>,
}

/// All of them.
#[derive(Default)]
pub struct Tasks {
    known: Mutex<(u64, Vec<Known>)>,
}

/// How a task ended well: a line, and more where there is more.
pub type Ended = Result<(String, Option<serde_json::Value>), String>;

impl Tasks {
    fn known(&self) -> MutexGuard<'_, (u64, Vec<Known>)> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All, the newest first.
    pub fn list(&self) -> Vec<Task> {
        self.known().1.iter().rev().map(|known| known.task.clone()).collect()
    }

    /// Begins one. Two of the same kind of the same thing never run at once.
    pub fn begin(
        self: &Arc<Self>,
        kind: &'static str,
        what: &str,
        work: impl FnOnce(&Watch) -> Ended + Send + 'static,
    ) -> Result<Task, Refusal> {
        let busy = |text: String| Refusal::new(StatusCode::CONFLICT, "busy", text);
        let stop = Arc::new(RunStop::default());
        let task = {
            let mut known = self.known();
            let going = |one: &&Known| one.task.state == GOING;
            if known.1.iter().filter(going).any(|one| one.task.kind == kind && one.task.what == what) {
                return Err(busy(format!("{kind} of {what} goes on already")));
            }
            if known.1.iter().filter(going).count() >= AT_ONCE {
                return Err(busy(format!("{AT_ONCE} things go on already: wait for one to end")));
            }
            known.0 += 1;
            let task = Task {
                task: known.0,
                kind,
                what: what.to_string(),
                state: GOING,
                bytes: 0,
                expected: None,
                text: String::new(),
                outcome: None,
            };
            known.1.push(Known { task: task.clone(), stop: stop.clone() });
            if known.1.len() > KNOWN_MAX
                && let Some(oldest) = known.1.iter().position(|one| one.task.state != GOING)
            {
                known.1.remove(oldest);
            }
            task
        };
        let watch = Watch { tasks: self.clone(), task: task.task, stop };
        let run = move || {
            let ended = catch_unwind(AssertUnwindSafe(|| work(&watch))).unwrap_or_else(|_| Err("it broke down".into()));
            watch.tasks.change(watch.task, |task| match ended {
                Ok((text, outcome)) => (task.state, task.text, task.outcome) = ("done", text, outcome),
                Err(text) => (task.state, task.text) = ("failed", text),
            });
        };
        if std::thread::Builder::new().name("task".into()).spawn(run).is_err() {
            self.change(task.task, |task| (task.state, task.text) = ("failed", "the system gave no thread".into()));
        }
        Ok(task)
    }

    fn change(&self, id: u64, how: impl FnOnce(&mut Task)) {
        if let Some(known) = self.known().1.iter_mut().find(|known| known.task.task == id) {
            how(&mut known.task);
        }
    }

    /// Tells one to end at its next safe point; false if there is none of that number.
    pub fn stop(&self, id: u64) -> bool {
        let known = self.known();
        let found = known.1.iter().find(|known| known.task.task == id);
        found.inspect(|known| known.stop.stop("stopped from the page; the next run goes on")).is_some()
    }

    /// Tells all to end.
    pub fn stop_all(&self) {
        self.known().1.iter().for_each(|known| known.stop.stop("the page ends; the next run goes on"));
    }

    /// True while one goes on.
    pub fn is_busy(&self) -> bool {
        self.known().1.iter().any(|known| known.task.state == GOING)
    }
}

const GOING: &str = "going on";

/// Watches a task's work.
pub struct Watch {
    tasks: Arc<Tasks>,
    task: u64,
    /// What ends it.
    pub stop: Arc<RunStop>,
}

impl Watch {
    fn show(&self, bytes: Bytes, expected: Option<Bytes>, text: String) {
        self.tasks.change(self.task, |task| {
            (task.bytes, task.expected, task.text) = (bytes.0, expected.map(|all| all.0), text);
        });
    }

    fn say(&self, text: String) {
        self.tasks.change(self.task, |task| task.text = text);
    }
}

macro_rules! watches {
    ($observer:ident, $progress:ident $(, $note:ident)?) => {
        impl $observer for Watch {
            $(fn $note(&self, text: &str) {
                self.say(text.to_string());
            })?
            fn progress(&self, p: &$progress) {
                self.show(p.bytes, p.expected, format!("{} files", p.files));
            }
            fn problem(&self, path: &Name, reason: &str) {
                self.say(format!("{path}: {reason}"));
            }
            fn cancelled(&self) -> bool {
                self.stop.is_stopped()
            }
        }
    };
}

watches!(BackupObserver, BackupProgress, note);
watches!(IngestObserver, IngestProgress, note);
watches!(MirrorObserver, MirrorProgress, note);
watches!(RestoreObserver, RestoreProgress);

impl CheckObserver for Watch {
    fn progress(&self, p: &CheckProgress) {
        self.show(p.bytes, p.expected, format!("{} objects", p.objects));
    }
    fn cancelled(&self) -> bool {
        self.stop.is_stopped()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(tasks: &Tasks, id: u64) -> Task {
        loop {
            let task = tasks.list().into_iter().find(|task| task.task == id).unwrap();
            if task.state != GOING {
                return task;
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_task_is_told_of_and_stopped_and_may_break_down() {
        let tasks = Arc::new(Tasks::default());
        let wait = |watch: &Watch| {
            while !watch.stop.is_stopped() {
                std::thread::yield_now();
            }
            Ok(("stopped".to_string(), None))
        };
        let first = tasks.begin("job", "a", wait).unwrap();
        assert_eq!(tasks.begin("job", "a", wait).unwrap_err().body.kind, "busy");
        let broken = tasks.begin("job", "b", |_| panic!("as it may")).unwrap();
        assert_eq!(ended(&tasks, broken.task).state, "failed");
        assert!(tasks.stop(first.task) && !tasks.stop(99));
        assert_eq!(ended(&tasks, first.task).text, "stopped");
        assert!(!tasks.is_busy());
    }

    #[test]
    fn only_so_many_go_on_at_once() {
        let tasks = Arc::new(Tasks::default());
        let wait = |watch: &Watch| {
            while !watch.stop.is_stopped() {
                std::thread::yield_now();
            }
            Ok((String::new(), None))
        };
        let ids: Vec<_> = (0..AT_ONCE).map(|n| tasks.begin("job", &n.to_string(), wait).unwrap().task).collect();
        assert!(tasks.begin("job", "one more", wait).is_err());
        tasks.stop_all();
        ids.into_iter().for_each(|id| _ = ended(&tasks, id));
        tasks.begin("job", "one more", wait).unwrap();
        tasks.stop_all();
    }
}
