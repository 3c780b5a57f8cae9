//! A program that is started, fed, watched and, if need be, ended with all its children.
//!
//! **Invariant:** never through a shell; only what is meant for it stands in its environment; it ends
//! in bounded time, and what it prints takes bounded memory.

use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use zeroize::Zeroizing;

use crate::runtime;
use crate::secret::Blanks;

/// What of a program's standard error is kept: its end.
const STDERR_MAX: usize = 8 * 1024;
/// Lines of it that are told.
const LINES_MAX: usize = 20;
/// The longest line that is told.
const LINE_MAX: usize = 400;
/// Between the polite signal and the other one.
const GRACE: Duration = Duration::from_secs(1);
/// How long an ended program's output is waited for: a child in the background may hold it open.
const DRAIN: Duration = Duration::from_millis(300);

/// What of our own environment a program gets: where things are, how to speak to its user and to the
/// desktop. No credentials.
const INHERITED: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
];

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// By itself, with this code.
    Exit(i32),
    /// By a signal of somebody else.
    Signal(i32),
    /// It took too long, and was killed with its children.
    TimedOut,
    /// Darkslide was told to stop, and killed it with its children.
    Stopped,
    /// It could not be started.
    NotStarted(String),
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exit(0) => f.write_str("went well"),
            Self::Exit(code) => write!(f, "ended with code {code}"),
            Self::Signal(number) => write!(f, "was ended by signal {number}"),
            Self::TimedOut => f.write_str("took too long and was killed with its children"),
            Self::Stopped => f.write_str("was killed with its children, since Darkslide had to stop"),
            Self::NotStarted(why) => write!(f, "could not be started: {why}"),
        }
    }
}

/// A program to run.
pub(crate) struct Call<'a> {
    /// Program and arguments.
    pub(crate) argv: &'a [String],
    /// For its standard input.
    pub(crate) input: &'a [u8],
    /// Besides what it inherits.
    pub(crate) env: &'a [(String, Zeroizing<String>)],
    /// How long it may take.
    pub(crate) limit: Duration,
    /// What of its standard output is kept: its beginning.
    pub(crate) stdout_max: usize,
}

/// What came of it.
pub(crate) struct Done {
    pub(crate) ended: Ended,
    pub(crate) stdout: Zeroizing<Vec<u8>>,
    stderr: Vec<u8>,
}

impl Done {
    /// The last lines of its standard error, harmless to show.
    pub(crate) fn stderr_lines(&self, blanks: &Blanks) -> Vec<String> {
        // Half of a secret would not be recognised: a line that lost its beginning is left out.
        let lost = self.stderr.len() >= STDERR_MAX;
        let whole = if lost { self.stderr.iter().position(|b| *b == b'\n').map_or(STDERR_MAX, |at| at + 1) } else { 0 };
        let text = blanks.blank(&String::from_utf8_lossy(self.stderr.get(whole..).unwrap_or_default()));
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(LINES_MAX)..].iter().map(|line| crate::tidy(line, LINE_MAX)).collect()
    }
}

/// Bytes as they come; which end of them is kept is up to the reader.
type Kept = Arc<Mutex<Vec<u8>>>;

impl Call<'_> {
    /// Runs it until it ends, its time is over, or `stop` says so.
    pub(crate) async fn run(&self, stop: &(dyn Fn() -> bool + Sync)) -> Done {
        let (stdout, stderr) = (Kept::default(), Kept::default());
        let ended = match self.spawn() {
            Err(why) => Ended::NotStarted(why),
            Ok(mut child) => self.watch(&mut child, &stdout, &stderr, stop).await,
        };
        let take = |kept: &Kept| std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner));
        Done { ended, stdout: Zeroizing::new(take(&stdout)), stderr: take(&stderr) }
    }

    fn spawn(&self) -> Result<Child, String> {
        let (program, arguments) = self.argv.split_first().ok_or("no program is named")?;
        let mut command = Command::new(program);
        command.args(arguments).env_clear().process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.envs(INHERITED.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.envs(self.env.iter().map(|(name, value)| (name, value.as_str())));
        command.spawn().map_err(|e| format!("{program}: {e}"))
    }

    async fn watch(&self, child: &mut Child, out: &Kept, err: &Kept, stop: &(dyn Fn() -> bool + Sync)) -> Ended {
        let mut readers = tokio::task::JoinSet::new();
        if let Some(pipe) = child.stdout.take() {
            readers.spawn(drain(pipe, out.clone(), self.stdout_max, End::First));
        }
        if let Some(pipe) = child.stderr.take() {
            readers.spawn(drain(pipe, err.clone(), STDERR_MAX, End::Last));
        }
        let mut feeding = tokio::task::JoinSet::new();
        if let Some(mut pipe) = child.stdin.take() {
            let input = Zeroizing::new(self.input.to_vec());
            // A program that does not read its input is no failure.
            feeding.spawn(async move { drop(pipe.write_all(&input).await) });
        }
        let cut = tokio::select! {
            status = child.wait() => Err(status),
            () = tokio::time::sleep(self.limit) => Ok(Ended::TimedOut),
            () = runtime::until(stop) => Ok(Ended::Stopped),
        };
        let ended = match cut {
            Ok(cut) => {
                kill(child).await;
                cut
            }
            Err(status) => how(status),
        };
        let all = async { while readers.join_next().await.is_some() {} };
        // What is still held open is left: the readers end with their set.
        drop(tokio::time::timeout(DRAIN, all).await);
        ended
    }
}

fn how(status: std::io::Result<std::process::ExitStatus>) -> Ended {
    use std::os::unix::process::ExitStatusExt as _;
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => Ended::Exit(code),
            (None, signal) => Ended::Signal(signal.unwrap_or_default()),
        },
        Err(e) => Ended::NotStarted(format!("its end was not seen: {e}")),
    }
}

/// Ends the program and whatever it started. Its number is ours as long as it is not waited for, so
/// no stranger is hit.
async fn kill(child: &mut Child) {
    if let Some(group) = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)) {
        // Gone is what it should be.
        let _ = kill_process_group(group, Signal::TERM);
        tokio::time::sleep(GRACE).await;
        let _ = kill_process_group(group, Signal::KILL);
    }
    drop(child.wait().await);
}

/// Which end of an output is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    First,
    Last,
}

/// Reads all, so that the program never waits; keeps a bounded part.
async fn drain(mut pipe: impl AsyncRead + Unpin, kept: Kept, max: usize, end: End) {
    let mut piece = Zeroizing::new(vec![0; 4096]);
    while let Ok(n @ 1..) = pipe.read(&mut piece).await {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        match end {
            End::First => {
                let room = max.saturating_sub(kept.len()).min(n);
                kept.extend_from_slice(&piece[..room]);
            }
            End::Last => {
                kept.extend_from_slice(&piece[..n]);
                let over = kept.len().saturating_sub(max);
                kept.drain(..over);
            }
        }
    }
}
