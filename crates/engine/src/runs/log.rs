//! The log of a run: a plain text file, `TIME LEVEL text` in each line, and the lock that says that
//! its process lives.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use darkslide_words::{Clock, Time};
use serde::Serialize;

use crate::job_settings::LogSettings;
use crate::{EngineError, RunStop};

/// Between two lines on progress.
const PROGRESS_EVERY: Duration = Duration::from_secs(30);
/// A longer line is cut: no file's name is.
const LINE_MAX: usize = 8192;

/// How grave a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// What goes on.
    Info,
    /// Something strange, or a file that could not be.
    Warning,
    /// Why it failed.
    Error,
}

impl Level {
    /// As it stands in the file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        }
    }
}

/// A line of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// When, in UTC.
    pub time: String,
    /// How grave.
    pub level: Level,
    /// What.
    pub text: String,
}

/// Reads a line of the file.
pub(crate) fn line_of(line: &str) -> LogLine {
    let (time, rest) = line.split_once(' ').unwrap_or(("", line));
    let (word, text) = rest.split_once(' ').unwrap_or(("", rest));
    let level = [Level::Warning, Level::Error].into_iter().find(|level| level.word() == word);
    LogLine { time: time.to_string(), level: level.unwrap_or(Level::Info), text: text.to_string() }
}

fn line(now: Time, level: Level, text: &str) -> String {
    let mut flat: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if flat.len() > LINE_MAX {
        let end = (0..=LINE_MAX).rev().find(|at| flat.is_char_boundary(*at)).unwrap_or(0);
        flat.truncate(end);
    }
    format!("{} {} {flat}\n", now.to_millis(), level.word())
}

/// Runs whose log this process holds: their lock tells it nothing.
static OURS: Mutex<BTreeSet<(PathBuf, i64)>> = Mutex::new(BTreeSet::new());

/// The log of a run that goes on.
pub(crate) struct RunLog {
    /// Number of the run.
    pub run: i64,
    /// When it began.
    pub began: Time,
    folder: PathBuf,
    file: Mutex<File>,
    clock: Arc<dyn Clock>,
    warnings: AtomicU64,
    progress: Mutex<Option<Duration>>,
    because: Mutex<Option<(String, bool)>>,
    failures: Mutex<HashSet<u64>>,
}

impl RunLog {
    /// Makes the file and holds its lock.
    pub(crate) fn create(
        folder: &Path,
        run: i64,
        job: &str,
        clock: Arc<dyn Clock>,
        began: Time,
    ) -> Result<Self, EngineError> {
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
        let name: String = job.chars().take(60).map(plain).collect();
        let path = folder.join(format!("{run:08}-{name}.log"));
        let io = |source| EngineError::Io { what: "writing the log", path: path.clone(), source };
        fs::create_dir_all(folder).map_err(io)?;
        let file = fs::OpenOptions::new().append(true).create(true).mode(0o600).open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(EngineError::Running),
            Err(fs::TryLockError::Error(source)) => return Err(io(source)),
        }
        ours().insert((folder.to_path_buf(), run));
        Ok(Self {
            run,
            began,
            folder: folder.to_path_buf(),
            file: Mutex::new(file),
            clock,
            warnings: AtomicU64::new(0),
            progress: Mutex::new(None),
            because: Mutex::new(None),
            failures: Mutex::default(),
        })
    }

    /// Writes a line. A log that cannot be written stops no run.
    pub(crate) fn write(&self, level: Level, text: &str) {
        let text = line(self.clock.now(), level, text);
        let _ = self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(text.as_bytes());
    }

    pub(crate) fn note(&self, text: &str) {
        self.write(Level::Info, text);
    }

    pub(crate) fn warning(&self, text: &str) {
        self.warnings.fetch_add(1, Ordering::Relaxed);
        self.write(Level::Warning, text);
    }

    /// A file that could not be; told once. It counts with the failures, not with the warnings.
    pub(crate) fn failure(&self, text: &str) {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        if self.failures.lock().unwrap_or_else(PoisonError::into_inner).insert(hasher.finish()) {
            self.write(Level::Warning, text);
        }
    }

    pub(crate) fn warnings(&self) -> u64 {
        self.warnings.load(Ordering::Relaxed)
    }

    /// A line on progress, now and then.
    pub(crate) fn progress(&self, text: impl FnOnce() -> String) {
        let now = self.clock.elapsed();
        let mut last = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_some_and(|at| now.saturating_sub(at) >= PROGRESS_EVERY);
        if last.is_none() || due {
            *last = Some(now);
        }
        drop(last);
        if due {
            self.write(Level::Info, &text());
        }
    }

    /// Why it was told to stop.
    pub(crate) fn stop_because(&self, stop: &RunStop) {
        *self.because.lock().unwrap_or_else(PoisonError::into_inner) = stop.reason();
    }

    pub(crate) fn stopped_because(&self) -> Option<(String, bool)> {
        self.because.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for RunLog {
    fn drop(&mut self) {
        ours().remove(&(self.folder.clone(), self.run));
    }
}

fn ours() -> std::sync::MutexGuard<'static, BTreeSet<(PathBuf, i64)>> {
    OURS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// True if this process holds the run's log.
pub(crate) fn is_ours(run: i64, folder: &Path) -> bool {
    ours().contains(&(folder.to_path_buf(), run))
}

/// Where a run's log lies.
pub(crate) fn path(folder: &Path, run: i64) -> Option<PathBuf> {
    let start = format!("{run:08}-");
    let names = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    names.into_iter().find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&start)))
}

/// The last sign of life of a run that nobody holds any more; nothing if its process lives.
pub(crate) fn held(folder: &Path, run: i64, started: Time) -> Option<Time> {
    let Some(file) = path(folder, run).and_then(|path| File::open(path).ok()) else { return Some(started) };
    match file.try_lock_shared() {
        Ok(()) => {
            let modified = file.metadata().and_then(|meta| meta.modified()).ok();
            let since = modified.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
            let at = since.and_then(|since| i64::try_from(since.as_nanos()).ok()).map(Time);
            Some(at.unwrap_or(started).max(started))
        }
        // Whoever cannot tell says that it lives.
        Err(_) => None,
    }
}

/// Adds a line to the log of a run that is over, where it is kept.
pub(crate) fn append(folder: &Path, run: i64, now: Time, level: Level, text: &str) {
    let Some(path) = path(folder, run) else { return };
    if let Ok(mut file) = fs::OpenOptions::new().read(true).append(true).open(path) {
        let start = if ends_a_line(&file) { "" } else { "\n" };
        let _ = file.write_all(format!("{start}{}", line(now, level, text)).as_bytes());
    }
}

fn ends_a_line(file: &File) -> bool {
    use std::os::unix::fs::FileExt as _;
    let length = file.metadata().map_or(0, |meta| meta.len());
    let mut last = [b'\n'];
    length == 0 || file.read_exact_at(&mut last, length - 1).is_err() || last[0] == b'\n'
}

/// Removes logs that are older than they are kept, and then the oldest until all fit. Those of runs
/// that go on stay.
pub(crate) fn sweep(folder: &Path, settings: &LogSettings, now: Time) -> Result<(), EngineError> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    let mut logs: Vec<(Time, u64, PathBuf)> = Vec::new();
    for entry in entries.flatten() {
        let Ok(meta) = entry.metadata() else { continue };
        let modified = meta.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        if entry.path().extension().is_some_and(|ext| ext == "log") {
            logs.push((Time(0).plus(modified), meta.len(), entry.path()));
        }
    }
    logs.sort();
    let mut total: u64 = logs.iter().map(|(_, bytes, _)| bytes).sum();
    for (modified, bytes, path) in logs {
        if modified.until(now) <= settings.keep() && total <= settings.max() {
            continue;
        }
        let free = File::open(&path).is_ok_and(|file| file.try_lock_shared().is_ok());
        if free && fs::remove_file(&path).is_ok() {
            total -= bytes;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Level, RunLog, append, held, line, line_of, path, sweep};
    use crate::job_settings::LogSettings;
    use darkslide_words::{Clock as _, FixedClock, Time};
    use std::sync::Arc;
    use std::time::Duration;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn a_line_comes_back_and_stays_one_line() {
        let at = Time::from_compact("20260131T235959.123Z").unwrap();
        for level in [Level::Info, Level::Warning, Level::Error] {
            let written = line(at, level, "IMG 1.CR3:\nnot read");
            assert_eq!(written.matches('\n').count(), 1);
            let read = line_of(written.trim_end());
            assert_eq!((read.level, read.text.as_str()), (level, "IMG 1.CR3: not read"));
            assert_eq!(read.time, "2026-01-31T23:59:59.123Z");
        }
        assert!(line(at, Level::Info, &"ä".repeat(9000)).len() < 9000);
        assert_eq!(line_of("torn").text, "torn");
    }

    #[test]
    fn a_log_is_held_while_its_run_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(FixedClock::new(Time(5)));
        let log = RunLog::create(folder.path(), 7, "a/b c", clock, Time(5)).unwrap();
        assert!(path(folder.path(), 7).unwrap().ends_with("00000007-a_b_c.log"));
        assert_eq!(held(folder.path(), 7, Time(5)), None);
        drop(log);
        assert!(held(folder.path(), 7, Time(5)).unwrap() > Time(5), "the file tells when it was last written");
        assert_eq!(held(folder.path(), 8, Time(6)), Some(Time(6)), "without a log it is gone");
        append(folder.path(), 7, Time(0), Level::Error, "cut off");
        assert!(std::fs::read_to_string(path(folder.path(), 7).unwrap()).unwrap().ends_with(" ERROR cut off\n"));
    }

    #[test]
    fn old_logs_go_and_then_the_oldest_until_they_fit() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(FixedClock::new(Time(0)));
        let make = |run: i64, age: u32, bytes: usize| {
            let log = RunLog::create(folder.path(), run, "job", clock.clone(), Time(0)).unwrap();
            log.note(&"x".repeat(bytes));
            let path = path(folder.path(), run).unwrap();
            let at = std::time::UNIX_EPOCH + 1000 * DAY - age * DAY;
            std::fs::File::options().append(true).open(path).unwrap().set_modified(at).unwrap();
            log
        };
        for (run, age) in [(1, 31), (2, 29), (3, 10), (4, 1)] {
            drop(make(run, age, 1000));
        }
        let lives = make(5, 40, 1000);
        std::fs::write(folder.path().join("other.txt"), "not ours").unwrap();
        let now = Time(0).plus(1000 * DAY);
        let there = || [1, 2, 3, 4, 5].map(|run| path(folder.path(), run).is_some());
        sweep(folder.path(), &LogSettings::default(), now).unwrap();
        assert_eq!(there(), [false, true, true, true, true], "30 days; the one that goes on stays");
        let small = LogSettings { max: Some("2.5 kB".into()), ..LogSettings::default() };
        sweep(folder.path(), &small, now).unwrap();
        assert_eq!(there(), [false, false, false, true, true]);
        drop(lives);
        sweep(folder.path(), &LogSettings { keep: Some("0d".into()), ..small }, now.plus(DAY)).unwrap();
        assert!(there().iter().all(|there| !there) && folder.path().join("other.txt").exists());
        assert!(clock.now() > Time(0));
    }
}
