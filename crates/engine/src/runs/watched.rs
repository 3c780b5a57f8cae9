//! Watchers of long work, with the run's log beside them, and the word that ends it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use darkslide_words::Name;

use super::RunLog;
use crate::observe::{
    BackupObserver, BackupProgress, CheckObserver, CheckProgress, IngestObserver, IngestProgress, MirrorObserver,
    MirrorProgress, RestoreObserver, RestoreProgress,
};

/// Tells a run to end at its next safe point, and why. Itself a watcher that says nothing.
#[derive(Debug, Default)]
pub struct RunStop {
    flag: AtomicBool,
    why: Mutex<Option<(String, bool)>>,
}

impl RunStop {
    /// Ends the run at its next safe point; a later one goes on. The first reason counts.
    pub fn stop(&self, why: &str) {
        self.end(why, false);
    }

    /// The same, and it has failed: it took too long.
    pub fn fail(&self, why: &str) {
        self.end(why, true);
    }

    fn end(&self, why: &str, failed: bool) {
        let mut reason = self.why.lock().unwrap_or_else(PoisonError::into_inner);
        reason.get_or_insert_with(|| (why.to_string(), failed));
        self.flag.store(true, Ordering::SeqCst);
    }

    /// True once it has been told.
    pub fn is_stopped(&self) -> bool {
        self.flag.load(Ordering::SeqCst)
    }

    /// Why, and whether that is a failure.
    pub fn reason(&self) -> Option<(String, bool)> {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A watcher and a log: what the one hears stands in the other.
pub(crate) struct Watched<'a, O: ?Sized> {
    inner: &'a O,
    log: &'a RunLog,
    stop: Option<&'a RunStop>,
}

impl RunLog {
    /// The watcher, with this log beside it.
    pub(crate) fn watch<'a, O: ?Sized>(&'a self, inner: &'a O, stop: Option<&'a RunStop>) -> Watched<'a, O> {
        Watched { inner, log: self, stop }
    }
}

impl<O: ?Sized> Watched<'_, O> {
    fn stopped(&self) -> bool {
        let Some(stop) = self.stop.filter(|stop| stop.is_stopped()) else { return false };
        self.log.stop_because(stop);
        true
    }

    fn problem(&self, path: &Name, reason: &str) {
        self.log.failure(&format!("{path}: {reason}"));
    }
}

impl<O: BackupObserver + ?Sized> BackupObserver for Watched<'_, O> {
    fn progress(&self, p: &BackupProgress) {
        self.log.progress(|| format!("{} files, {}, {} stored", p.files, p.bytes, p.stored));
        self.inner.progress(p);
    }
    fn problem(&self, path: &Name, reason: &str) {
        self.problem(path, reason);
        self.inner.problem(path, reason);
    }
    fn note(&self, text: &str) {
        self.log.note(text);
        self.inner.note(text);
    }
    fn cancelled(&self) -> bool {
        self.stopped() || self.inner.cancelled()
    }
    fn wants_total(&self) -> bool {
        self.inner.wants_total()
    }
}

impl<O: IngestObserver + ?Sized> IngestObserver for Watched<'_, O> {
    fn progress(&self, p: &IngestProgress) {
        self.log.progress(|| format!("{} files, {}", p.files, p.bytes));
        self.inner.progress(p);
    }
    fn problem(&self, path: &Name, reason: &str) {
        self.problem(path, reason);
        self.inner.problem(path, reason);
    }
    fn note(&self, text: &str) {
        self.log.note(text);
        self.inner.note(text);
    }
    fn cancelled(&self) -> bool {
        self.stopped() || self.inner.cancelled()
    }
}

impl<O: MirrorObserver + ?Sized> MirrorObserver for Watched<'_, O> {
    fn progress(&self, p: &MirrorProgress) {
        self.log.progress(|| format!("{} files, {}", p.files, p.bytes));
        self.inner.progress(p);
    }
    fn problem(&self, path: &Name, reason: &str) {
        self.problem(path, reason);
        self.inner.problem(path, reason);
    }
    fn note(&self, text: &str) {
        self.log.note(text);
        self.inner.note(text);
    }
    fn cancelled(&self) -> bool {
        self.stopped() || self.inner.cancelled()
    }
}

impl<O: RestoreObserver + ?Sized> RestoreObserver for Watched<'_, O> {
    fn progress(&self, p: &RestoreProgress) {
        self.log.progress(|| format!("{} files, {}", p.files, p.bytes));
        self.inner.progress(p);
    }
    fn problem(&self, path: &Name, reason: &str) {
        self.problem(path, reason);
        self.inner.problem(path, reason);
    }
    fn cancelled(&self) -> bool {
        self.stopped() || self.inner.cancelled()
    }
}

impl<O: CheckObserver + ?Sized> CheckObserver for Watched<'_, O> {
    fn progress(&self, p: &CheckProgress) {
        self.log.progress(|| format!("{} objects, {}", p.objects, p.bytes));
        self.inner.progress(p);
    }
    fn cancelled(&self) -> bool {
        self.stopped() || self.inner.cancelled()
    }
}

impl BackupObserver for RunStop {
    fn cancelled(&self) -> bool {
        self.is_stopped()
    }
}

impl RestoreObserver for RunStop {
    fn cancelled(&self) -> bool {
        self.is_stopped()
    }
}

impl CheckObserver for RunStop {
    fn cancelled(&self) -> bool {
        self.is_stopped()
    }
}

impl IngestObserver for RunStop {
    fn progress(&self, _: &IngestProgress) {}
    fn problem(&self, _: &Name, _: &str) {}
    fn note(&self, _: &str) {}
    fn cancelled(&self) -> bool {
        self.is_stopped()
    }
}

impl MirrorObserver for RunStop {
    fn progress(&self, _: &MirrorProgress) {}
    fn problem(&self, _: &Name, _: &str) {}
    fn note(&self, _: &str) {}
    fn cancelled(&self) -> bool {
        self.is_stopped()
    }
}
