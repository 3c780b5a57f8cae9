//! `daemon`: jobs on their schedule, cards as they are put in.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;
use darkslide_engine::{
    Daemon, Ended, Engine, EngineError, Event, EventKind, Hands, JobDone, JobMeans, Order, RunStop, Senses, TURN_MAX,
    Turn,
};
use sd_notify::NotifyState;

use super::jobs::identity_of;
use super::local::Arrivals;
use crate::args;
use crate::output::Exit;
use crate::wiring;

/// What runs has so long to come to a safe point when the daemon is told to stop. A pack that is on
/// its way for longer is sent again later.
const GRACE: Duration = Duration::from_secs(8);
/// How often it looks whether something ended.
const TICK: Duration = Duration::from_millis(100);
/// How often it looks for cards.
const CARDS_EVERY: Duration = Duration::from_secs(2);

/// Runs jobs, each on a thread.
struct Workers {
    config: PathBuf,
    sender: Sender<(String, Ended)>,
    receiver: Receiver<(String, Ended)>,
    ended: Vec<(String, Ended)>,
}

impl Workers {
    fn new(config: PathBuf) -> Self {
        let (sender, receiver) = channel();
        Self { config, sender, receiver, ended: Vec::new() }
    }

    /// Waits a moment; true if something ended.
    fn wait(&mut self, time: Duration) -> bool {
        match self.receiver.recv_timeout(time) {
            Ok(ended) => self.ended.push(ended),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        !self.ended.is_empty()
    }
}

impl Hands for Workers {
    fn begin(&mut self, order: Order, stop: Arc<RunStop>) {
        let (config, sender, name) = (self.config.clone(), self.sender.clone(), order.job.name.clone());
        eprintln!("{name} begins ({})", order.by.origin.word());
        std::thread::spawn(move || {
            let work = AssertUnwindSafe(|| work(&config, order, stop));
            let ended = match catch_unwind(work) {
                Ok(Ok(done)) => Ended::Done(done),
                Ok(Err(error)) if is_busy(&error) => Ended::Busy,
                Ok(Err(error)) => Ended::Failed(format!("{error:#}")),
                // Its row is found to be cut off, like after a crash.
                Err(_) => Ended::Failed("it broke down".into()),
            };
            // Whoever listened is gone with the process.
            let _ = sender.send((name, ended));
        });
    }

    fn ended(&mut self) -> Vec<(String, Ended)> {
        let mut all = std::mem::take(&mut self.ended);
        all.extend(self.receiver.try_iter());
        all
    }
}

fn is_busy(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref::<EngineError>(), Some(EngineError::Running))
}

fn work(config: &Path, order: Order, stop: Arc<RunStop>) -> Result<JobDone> {
    let engine = wiring::engine(Some(config.to_path_buf()))?;
    let identity = identity_of(&order.job, engine.settings());
    let engine = engine.for_job(&order.job).started_by(order.by).stopped_by(stop.clone());
    let identity = match identity {
        Ok(identity) => identity,
        Err(error) => {
            engine.failed_before(&order.job, &format!("{error:#}"))?;
            return Err(error);
        }
    };
    let means = JobMeans { host: wiring::host(), identity, cards: order.cards };
    Ok(engine.run_job(&order.job, &means, &*stop)?)
}

/// The configuration, and when it was last changed.
struct Configured {
    path: PathBuf,
    engine: Engine,
    changed: Option<SystemTime>,
}

impl Configured {
    fn load(path: PathBuf) -> Result<Self> {
        let changed = modified(&path);
        Ok(Self { engine: wiring::engine(Some(path.clone()))?, path, changed })
    }

    /// Reads it again where it was changed. One that cannot be read changes nothing.
    fn look(&mut self) {
        let changed = modified(&self.path);
        if changed == self.changed {
            return;
        }
        self.changed = changed;
        match wiring::engine(Some(self.path.clone())) {
            Ok(engine) => self.engine = engine,
            Err(error) => {
                eprintln!("darkslide: the configuration counts as it was: {error}");
                let text = format!("{error:#}. Until it is mended, no job begins.");
                let title = "the configuration cannot be read";
                let now = wiring::clock().now();
                self.engine.announcer().announce(&Event::new(EventKind::Failure, now, title, text));
            }
        }
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|meta| meta.modified()).ok()
}

fn say(state: &[NotifyState<'_>]) {
    // Without systemd nobody listens.
    let _ = sd_notify::notify(state);
}

/// Runs the daemon.
pub fn run(config: Option<PathBuf>, args: &args::Daemon) -> Result<Exit> {
    let path = std::path::absolute(wiring::config_path(config))?;
    let mut configured = Configured::load(path.clone())?;
    let _only = configured.engine.only_daemon()?;
    let seed = configured.engine.jitter_seed(&wiring::host());
    let mut daemon = Daemon::new(&seed, Senses::default());
    let mut workers = Workers::new(path);
    let mut arrivals = Arrivals::default();
    say(&[NotifyState::Ready]);
    let mut told = String::new();
    let mut looking = None;
    while !wiring::interrupted() {
        configured.look();
        let turn = match daemon.turn(&configured.engine, &mut workers) {
            Ok(turn) => turn,
            Err(error) if args.once && daemon.running().is_empty() => return Err(error.into()),
            Err(error) => {
                eprintln!("darkslide: {error}; trying again");
                let (status, notes) = (error.to_string(), Vec::new());
                Turn { wait: TURN_MAX, status, notes, looks: false, is_idle: false }
            }
        };
        turn.notes.iter().for_each(|note| eprintln!("{note}"));
        if told != turn.status {
            say(&[NotifyState::Status(&turn.status)]);
            told.clone_from(&turn.status);
        }
        if turn.looks {
            looking = Some(look_around(&configured.path));
        }
        if args.once && turn.is_idle {
            // What it has to tell is told before the process ends.
            looking.take().map(std::thread::JoinHandle::join);
            return Ok(Exit::Ok);
        }
        wait(turn.wait, &mut workers, &mut daemon, configured.engine.settings().ingest.on_insertion, &mut arrivals);
    }
    say(&[NotifyState::Stopping]);
    stop(&mut daemon, &mut workers, &configured.engine)
}

/// Until something ends, a card is put in, or the time is over.
fn wait(time: Duration, workers: &mut Workers, daemon: &mut Daemon, on_insertion: bool, arrivals: &mut Arrivals) {
    let until = Instant::now() + time;
    let mut cards_at = Instant::now();
    loop {
        say(&[NotifyState::Watchdog]);
        if on_insertion && Instant::now() >= cards_at {
            let cards = arrivals.look();
            if !cards.is_empty() {
                daemon.put_in(cards);
                return;
            }
            cards_at = Instant::now() + CARDS_EVERY;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || wiring::interrupted() || workers.wait(TICK.min(left)) {
            return;
        }
    }
}

/// What no run tells of: on a thread, since stores may answer slowly.
fn look_around(config: &Path) -> std::thread::JoinHandle<()> {
    let config = config.to_path_buf();
    std::thread::spawn(move || {
        // Loading it tells of runs that were cut off.
        let Ok(engine) = wiring::engine(Some(config)) else { return };
        let engine = engine.for_reading();
        for problem in [engine.no_backup_alarms().err(), engine.thaw_alarms().err()].into_iter().flatten() {
            eprintln!("darkslide: {problem}");
        }
    })
}

fn stop(daemon: &mut Daemon, workers: &mut Workers, engine: &Engine) -> Result<Exit> {
    const WHY: &str = "the daemon was told to stop; it goes on at its next start";
    daemon.stop(WHY);
    let until = Instant::now() + GRACE;
    let mut left = daemon.running().len();
    while left > 0 && Instant::now() < until {
        workers.wait(TICK);
        left = left.saturating_sub(workers.ended().len());
    }
    if left > 0 {
        engine.abandon_runs(WHY)?;
    }
    Ok(Exit::Ok)
}
