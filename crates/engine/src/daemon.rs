//! The daemon: turn by turn it looks at the clock, begins what is due, and tells what must stop to
//! stop.
//!
//! **Invariant:** it remembers nothing that a restart would lose: what ran stands in the catalog. It
//! reads the wall clock anew on each turn and waits by the one that never jumps.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use darkslide_catalog::RunOrigin;
use darkslide_words::Time;

use crate::schedule::Held;
use crate::{
    Conditions, Engine, EngineError, JobDone, JobKind, JobPlan, JobSettings, OnCondition, RunStop, Senses, StartedBy,
};

/// The longest wait between two looks at the clock.
pub const TURN_MAX: Duration = Duration::from_secs(30);
/// The shortest.
const TURN_MIN: Duration = Duration::from_millis(200);
/// After somebody else's run was in the way.
const BUSY_WAIT: Duration = Duration::from_secs(60);
/// After a failure, doubled with each further one up to the most: what made no row would be due at once.
const FAILED_WAIT: Duration = Duration::from_secs(60);
const FAILED_WAIT_MAX: Duration = Duration::from_secs(900);
/// Tries to ingest a card that was put in.
const CARD_TRIES: u32 = 5;
/// Between two looks at what no run tells of.
const LOOK_EVERY: Duration = Duration::from_secs(3600);
/// What a card that is put in is called, as a job.
pub const INSERTION: &str = "insertion";

/// A job to run now.
#[derive(Debug, Clone)]
pub struct Order {
    /// Which.
    pub job: JobSettings,
    /// Why, and for which slot.
    pub by: StartedBy,
    /// The cards that were put in, for an ingest.
    pub cards: Vec<PathBuf>,
}

/// How an order ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It came to its end, or waits for something.
    Done(JobDone),
    /// Another process is at work on this configuration.
    Busy,
    /// It failed, or was stopped; its row tells.
    Failed(String),
}

/// Who does the work, beside the daemon's turns.
pub trait Hands {
    /// Begins an order; `stop` ends it at its next safe point.
    fn begin(&mut self, order: Order, stop: Arc<RunStop>);
    /// Orders that ended since the last time, by the job's name.
    fn ended(&mut self) -> Vec<(String, Ended)>;
}

/// What is to be done until the next turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// How long to wait at the most.
    pub wait: Duration,
    /// In a line, for people.
    pub status: String,
    /// What there is to say.
    pub notes: Vec<String>,
    /// True if it is time to look for cut-off runs, missing backups and thaws, on a thread.
    pub looks: bool,
    /// True if nothing runs and nothing that is due could begin.
    pub is_idle: bool,
}

#[derive(Debug)]
struct Running {
    job: JobSettings,
    stop: Arc<RunStop>,
    since: Duration,
    cards: Vec<PathBuf>,
}

/// What goes on.
#[derive(Debug)]
pub struct Daemon {
    seed: Vec<u8>,
    senses: Senses,
    running: BTreeMap<String, Running>,
    /// Not before this, by the clock that never jumps.
    not_before: BTreeMap<String, Duration>,
    cards: Vec<PathBuf>,
    /// Failures in a row, by the job's name.
    failures: BTreeMap<String, u32>,
    looked: Option<Duration>,
    told: BTreeSet<String>,
    /// Whether what is due was late already when it was first seen, by its slot.
    late: BTreeMap<String, (Option<Time>, bool)>,
    is_stopping: bool,
}

impl Daemon {
    /// Of this machine: the seed spreads the jitter of its jobs.
    pub fn new(seed: &[u8], senses: Senses) -> Self {
        Self {
            seed: seed.to_vec(),
            senses,
            running: BTreeMap::new(),
            not_before: BTreeMap::new(),
            cards: Vec::new(),
            failures: BTreeMap::new(),
            looked: None,
            told: BTreeSet::new(),
            late: BTreeMap::new(),
            is_stopping: false,
        }
    }

    /// Cards that were put in: they go before everything else.
    pub fn put_in(&mut self, cards: Vec<PathBuf>) {
        self.cards.extend(cards);
    }

    /// Tells everything to end at its next safe point, and begins nothing any more.
    pub fn stop(&mut self, why: &str) {
        self.is_stopping = true;
        self.running.values().for_each(|one| one.stop.stop(why));
    }

    /// Jobs that run.
    pub fn running(&self) -> Vec<String> {
        self.running.keys().cloned().collect()
    }

    /// One turn.
    pub fn turn(&mut self, engine: &Engine, hands: &mut dyn Hands) -> Result<Turn, EngineError> {
        let mut notes = self.collect(engine, hands);
        let (now, elapsed) = (engine.clock.now(), engine.clock.elapsed());
        let cares = |job: &JobSettings| job.on_battery == OnCondition::Skip || job.metered == OnCondition::Skip;
        let conditions = match engine.settings.jobs.iter().any(cares) {
            true => self.senses.look(),
            false => Conditions::default(),
        };
        let plans = engine.job_plans_under(conditions, &self.running.keys().cloned().collect(), &self.seed)?;
        self.restrain(engine, now, elapsed, conditions);
        let mut waiting = BTreeSet::new();
        self.remember_late(&plans);
        if !self.is_stopping {
            self.ingest_cards(hands, elapsed);
            self.begin(&plans, elapsed, conditions, hands, &mut notes, &mut waiting);
        }
        let looks = self.looked.is_none_or(|at| elapsed.saturating_sub(at) >= LOOK_EVERY);
        if looks {
            self.looked = Some(elapsed);
        }
        let wait = self.wait(&plans, now, elapsed);
        let is_idle = self.running.is_empty() && waiting.is_empty() && self.cards.is_empty();
        Ok(Turn { wait, status: self.status(&plans, now), notes, looks, is_idle })
    }

    /// What waits for something, or was stopped, is not late for that.
    fn remember_late(&mut self, plans: &[JobPlan]) {
        for plan in plans {
            let name = &plan.job.name;
            match plan.decision.due {
                Some(due) if self.late.get(name).is_none_or(|(slot, _)| *slot != due.slot) => {
                    self.late.insert(name.clone(), (due.slot, due.missed));
                }
                None if !self.running.contains_key(name) => {
                    self.late.remove(name);
                }
                _ => {}
            }
        }
    }

    /// Takes in what ended.
    fn collect(&mut self, engine: &Engine, hands: &mut dyn Hands) -> Vec<String> {
        let (now, elapsed) = (engine.clock.now(), engine.clock.elapsed());
        let mut notes = Vec::new();
        for (name, ended) in hands.ended() {
            let cards = self.running.remove(&name).map(|one| one.cards).unwrap_or_default();
            match ended {
                Ended::Done(done) => {
                    self.failures.remove(&name);
                    if let Some(until) = done.waits_until {
                        self.not_before.insert(name.clone(), elapsed + now.until(until));
                    }
                    let short = if done.is_whole { "" } else { " (not all of it)" };
                    notes.push(format!("{name}: {}{short}", done.text));
                }
                Ended::Busy => {
                    self.not_before.insert(name.clone(), elapsed + BUSY_WAIT);
                    self.cards.extend(cards);
                }
                Ended::Failed(why) => {
                    notes.push(format!("{name}: {why}"));
                    let failures = self.failures.entry(name.clone()).or_default();
                    *failures += 1;
                    let wait = FAILED_WAIT * 2u32.pow((*failures - 1).min(4));
                    self.not_before.insert(name.clone(), elapsed + wait.min(FAILED_WAIT_MAX));
                    if *failures < CARD_TRIES {
                        self.cards.extend(cards);
                    } else {
                        let give_up =
                            |card: &PathBuf| format!("{}: put it in again, or ingest it by hand", card.display());
                        notes.extend(cards.iter().map(give_up));
                        self.failures.remove(&name);
                    }
                }
            }
        }
        self.not_before.retain(|_, at| *at > elapsed);
        notes
    }

    /// Tells what must not go on to stop.
    fn restrain(&self, engine: &Engine, now: Time, elapsed: Duration, conditions: Conditions) {
        for one in self.running.values().filter(|one| !one.stop.is_stopped()) {
            let window = one.job.not.windows.closed(now, &engine.zone);
            if let Some(limit) = one.job.timeout.as_ref().filter(|limit| elapsed.saturating_sub(one.since) > limit.time)
            {
                let text = String::from(limit.clone());
                one.stop.fail(&format!("it took longer than its timeout of {text}"));
            } else if let Some(window) = window {
                one.stop.stop(&format!("stopped for the window {window}; it goes on afterwards"));
            } else if let Some(why) = one.job.kept_by(conditions) {
                one.stop.stop(&format!("stopped {why}; it goes on afterwards"));
            }
        }
    }

    /// Cards go first: what else is long and can go on later makes room.
    fn ingest_cards(&mut self, hands: &mut dyn Hands, elapsed: Duration) {
        if self.cards.is_empty() || self.running.contains_key(INSERTION) {
            return;
        }
        let exclusive: Vec<&Running> = self.running.values().filter(|one| one.job.kind.is_exclusive()).collect();
        if !exclusive.is_empty() {
            let makes_room = |one: &&&Running| matches!(one.job.kind, JobKind::Backup | JobKind::Mirror);
            exclusive.iter().filter(makes_room).for_each(|one| one.stop.stop("a card was put in: it goes first"));
            return;
        }
        if self.not_before.contains_key(INSERTION) {
            return;
        }
        let job = JobSettings::of_kind(INSERTION, JobKind::Ingest);
        let by = StartedBy { origin: RunOrigin::Insertion, ..StartedBy::default() };
        let cards = std::mem::take(&mut self.cards);
        self.start(Order { job, by, cards }, elapsed, hands);
    }

    fn begin(
        &mut self,
        plans: &[JobPlan],
        elapsed: Duration,
        conditions: Conditions,
        hands: &mut dyn Hands,
        notes: &mut Vec<String>,
        waiting: &mut BTreeSet<String>,
    ) {
        let mut due: Vec<&JobPlan> =
            plans.iter().filter(|plan| plan.decision.due.is_some() && plan.decision.held.is_none()).collect();
        due.sort_by_key(|plan| plan.decision.due.map(|due| due.since));
        for plan in due {
            let (job, Some(why)) = (&plan.job, plan.decision.due) else { continue };
            if let Some(refused) = &plan.refused {
                if self.told.insert(job.name.clone()) {
                    notes.push(refused.clone());
                }
                continue;
            }
            let kept = self.not_before.contains_key(&job.name) || job.kept_by(conditions).is_some();
            let taken = !self.cards.is_empty() || self.running.values().any(|one| one.job.kind.is_exclusive());
            if kept {
                continue;
            }
            if job.kind.is_exclusive() && taken {
                waiting.insert(job.name.clone());
                continue;
            }
            let was_late = self.late.get(&job.name).is_some_and(|(_, late)| *late);
            let origin = match (why.cause, was_late) {
                (Some(_), _) => RunOrigin::After,
                (None, true) => RunOrigin::Missed,
                (None, false) => RunOrigin::Schedule,
            };
            let by = StartedBy { origin, task: Some(job.name.clone()), slot: why.slot, cause: why.cause };
            self.start(Order { job: job.clone(), by, cards: Vec::new() }, elapsed, hands);
        }
    }

    fn start(&mut self, order: Order, elapsed: Duration, hands: &mut dyn Hands) {
        let stop = Arc::new(RunStop::default());
        let cards = order.cards.clone();
        let running = Running { job: order.job.clone(), stop: stop.clone(), since: elapsed, cards };
        self.running.insert(order.job.name.clone(), running);
        hands.begin(order, stop);
    }

    /// Until something may change; never long, since the clock may be set.
    fn wait(&self, plans: &[JobPlan], now: Time, elapsed: Duration) -> Duration {
        let opens = |plan: &JobPlan| match &plan.decision.held {
            Some(Held::Window(_, at)) => Some(*at),
            _ => None,
        };
        let times = plans.iter().flat_map(|plan| [plan.decision.next, opens(plan)]).flatten();
        let next = times.map(|at| now.until(at)).chain(self.not_before.values().map(|at| at.saturating_sub(elapsed)));
        next.min().unwrap_or(TURN_MAX).clamp(TURN_MIN, TURN_MAX)
    }

    fn status(&self, plans: &[JobPlan], now: Time) -> String {
        if self.is_stopping {
            return format!("stopping: {}", self.running().join(", "));
        }
        if !self.running.is_empty() {
            return format!("running: {}", self.running().join(", "));
        }
        let next = plans.iter().filter(|plan| plan.refused.is_none());
        let next = next.filter_map(|plan| Some((plan.decision.next?, &plan.job.name))).min();
        match next {
            Some((at, name)) if at > now => format!("next: {name}, {}", at.local()),
            _ => "nothing is scheduled".into(),
        }
    }
}

/// Held while a daemon works with a configuration.
#[derive(Debug)]
pub struct OnlyDaemon(#[allow(dead_code)] std::fs::File);

impl Engine {
    /// Refuses a second daemon on this configuration.
    pub fn only_daemon(&self) -> Result<OnlyDaemon, EngineError> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let path = self.settings.state_dir().join("daemon.lock");
        let io = |source| EngineError::Io { what: "locking", path: path.clone(), source };
        let mut options = std::fs::OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => Ok(OnlyDaemon(file)),
            Err(std::fs::TryLockError::WouldBlock) => Err(EngineError::DaemonRuns),
            Err(std::fs::TryLockError::Error(source)) => Err(io(source)),
        }
    }
}
