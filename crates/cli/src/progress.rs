//! Progress for people: a bar with rate and time left on a terminal, else
//! nothing; problems are always told.

use std::io::IsTerminal as _;
use std::sync::Mutex;

use darkslide_engine::observe::{
    BackupObserver, BackupProgress, CheckObserver, CheckProgress, IngestObserver, IngestProgress, MirrorObserver,
    MirrorProgress, RestoreObserver, RestoreProgress,
};
use darkslide_engine::words::{Bytes, Name};
use indicatif::{ProgressBar, ProgressStyle};

use crate::wiring;

/// Problems told as they happen; the rest is told at the end.
const TOLD: usize = 20;

/// Watches long work.
pub struct Watcher {
    bar: Option<ProgressBar>,
    quiet: bool,
    told: Mutex<usize>,
}

impl Watcher {
    /// With a bar where a person looks on.
    pub fn new(json: bool) -> Self {
        let bar = (!json && std::io::stderr().is_terminal()).then(ProgressBar::no_length);
        if let Some(bar) = &bar {
            bar.enable_steady_tick(std::time::Duration::from_millis(200));
        }
        Self { bar, quiet: json, told: Mutex::new(0) }
    }

    fn show(&self, done: Bytes, expected: Option<Bytes>, message: String) {
        let Some(bar) = &self.bar else { return };
        match expected {
            Some(total) if bar.length() != Some(total.0.max(1)) => {
                bar.set_length(total.0.max(1));
                let style = "{spinner} {bar:30} {percent:>3} %  {decimal_bytes}/{decimal_total_bytes}  {decimal_bytes_per_sec}  {eta} left  {msg}";
                if let Ok(style) = ProgressStyle::with_template(style) {
                    bar.set_style(style);
                }
            }
            _ => {}
        }
        bar.set_position(done.0);
        bar.set_message(message);
    }

    /// A line for people that does not disturb the bar.
    pub fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None if !self.quiet => eprintln!("{text}"),
            None => {}
        }
    }

    fn tell(&self, path: &Name, reason: &str) {
        let mut told = self.told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *told += 1;
        match *told {
            n if n <= TOLD => self.say(&format!("{path}: {reason}")),
            n if n == TOLD + 1 => self.say("more problems; all are named at the end"),
            _ => {}
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl BackupObserver for Watcher {
    fn progress(&self, p: &BackupProgress) {
        self.show(p.bytes, p.expected, format!("{} files, {} stored", p.files, p.stored));
    }
    fn problem(&self, path: &Name, reason: &str) {
        self.tell(path, reason);
    }
    fn note(&self, text: &str) {
        self.say(text);
    }
    fn cancelled(&self) -> bool {
        wiring::interrupted()
    }
    fn wants_total(&self) -> bool {
        self.bar.is_some()
    }
}

impl IngestObserver for Watcher {
    fn progress(&self, p: &IngestProgress) {
        self.show(p.bytes, p.expected, format!("{} files", p.files));
    }
    fn problem(&self, path: &Name, reason: &str) {
        self.tell(path, reason);
    }
    fn note(&self, text: &str) {
        self.say(text);
    }
    fn cancelled(&self) -> bool {
        wiring::interrupted()
    }
}

impl MirrorObserver for Watcher {
    fn progress(&self, p: &MirrorProgress) {
        self.show(p.bytes, p.expected, format!("{} files", p.files));
    }
    fn problem(&self, path: &Name, reason: &str) {
        self.tell(path, reason);
    }
    fn note(&self, text: &str) {
        self.say(text);
    }
    fn cancelled(&self) -> bool {
        wiring::interrupted()
    }
}

impl RestoreObserver for Watcher {
    fn progress(&self, p: &RestoreProgress) {
        self.show(p.bytes, p.expected, format!("{} files", p.files));
    }
    fn problem(&self, path: &Name, reason: &str) {
        self.tell(path, reason);
    }
    fn cancelled(&self) -> bool {
        wiring::interrupted()
    }
}

impl CheckObserver for Watcher {
    fn progress(&self, p: &CheckProgress) {
        self.show(p.bytes, p.expected, format!("{} objects", p.objects));
    }
    fn cancelled(&self) -> bool {
        wiring::interrupted()
    }
}
