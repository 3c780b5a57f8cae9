//! What all parts of the running simulator share: the state behind its lock, the clock, the
//! journal, faults, the log of requests.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use darkslide_words::{Clock, Time};

use crate::ColdSimError;
use crate::account::ALLOW_ALL;
use crate::blobs::Blobs;
use crate::clock::VirtualClock;
use crate::faults::Faults;
use crate::persist::Journal;
use crate::state::model::AccessKey;
use crate::state::{Record, State};
use crate::{Logged, Options};

/// The meter is written down after so many changes of it, and when the simulator stops.
const METER_CHANGES_MAX: u32 = 64;

/// So many requests are remembered at most.
const LOGGED_MAX: usize = 1_000_000;

/// The running simulator.
pub(crate) struct Sim {
    inner: Mutex<Inner>,
    faults: Mutex<Faults>,
    log: Mutex<Vec<Logged>>,
    requests: AtomicU64,
    pub blobs: Arc<Blobs>,
    pub enforce: bool,
    pub region: String,
}

struct Inner {
    state: State,
    clock: VirtualClock,
    journal: Option<Journal>,
    /// Held as long as the directory is in use.
    _lock: Option<File>,
    meter_changes: u32,
    /// Why the journal could not be written, once.
    broken: Option<io::Error>,
}

impl Sim {
    pub fn open(options: &Options, real: Arc<dyn Clock>) -> Result<Self, ColdSimError> {
        let at = |dir: &Path| {
            let dir = dir.to_path_buf();
            move |source| ColdSimError::Directory { dir, source }
        };
        let lock =
            options.dir.as_deref().map(lock).transpose().map_err(at(options.dir.as_deref().unwrap_or("".as_ref())))?;
        let mut blobs = Blobs::open(None).map_err(at("memory".as_ref()))?;
        if let Some(dir) = &options.dir {
            blobs = Blobs::open(Some(dir.join("objects"))).map_err(at(dir))?;
        }
        let blobs = Arc::new(blobs);
        let mut state = State::new(&options.region, options.start, blobs.clone());
        let mut journal = None;
        if let Some(dir) = &options.dir {
            let (opened, found) = Journal::open(dir.join("journal.jsonl"), &mut state).map_err(at(dir))?;
            journal = Some(opened);
            if found {
                state.wake();
                blobs.sweep(|id| state.is_used(id)).map_err(at(dir))?;
            }
        }
        let admin = AccessKey {
            id: "coldsim".into(),
            secret: "coldsim-secret".into(),
            user: "coldsim".into(),
            policies: vec![ALLOW_ALL.into()],
            boundary: None,
        };
        state.keys.entry(admin.id.clone()).or_insert(admin);
        state.dirty.insert(Record::Rest);
        let clock = VirtualClock::new(real, state.now, options.speed);
        let inner = Inner { state, clock, journal, _lock: lock, meter_changes: 0, broken: None };
        let sim = Self {
            inner: Mutex::new(inner),
            faults: Mutex::default(),
            log: Mutex::default(),
            requests: AtomicU64::new(0),
            blobs,
            enforce: options.enforce,
            region: options.region.clone(),
        };
        sim.with(|_| ());
        Ok(sim)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // A panic under the lock is a bug that its own request reports; the others go on.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn log(&self) -> MutexGuard<'_, Vec<Logged>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a request; the oldest are forgotten when there are too many.
    pub fn note(&self, request: Logged) {
        let mut log = self.log();
        if log.len() >= LOGGED_MAX {
            log.drain(..LOGGED_MAX / 2);
        }
        log.push(request);
    }

    /// A number for each request, since the start.
    pub fn request_number(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Looks at or changes the state as it is now.
    pub fn with<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        let mut inner = self.inner();
        let now = inner.clock.now();
        inner.state.catch_up(now);
        let result = act(&mut inner.state);
        inner.write_down();
        result
    }

    /// Moves virtual time on; all that falls due happens.
    pub fn advance(&self, by: Duration) {
        self.inner().clock.advance(by);
        self.with(|state| state.dirty.insert(Record::Clock));
    }

    pub fn now(&self) -> Time {
        self.with(|state| state.now)
    }

    /// Real time, which clients sign with.
    pub fn real_now(&self) -> Time {
        self.inner().clock.real_now()
    }

    /// Why changes are not on disk, if they are not.
    pub fn broken(&self) -> Option<String> {
        self.inner().broken.as_ref().map(ToString::to_string)
    }
}

/// Takes the directory for this simulator alone.
fn lock(dir: &Path) -> io::Result<File> {
    fs::create_dir_all(dir)?;
    let file = File::options().create(true).truncate(false).write(true).open(dir.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(io::Error::other("another simulator uses it; stop that one first")),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

impl Inner {
    fn write_down(&mut self) {
        let charged = self.state.settle();
        let mut dirty: BTreeSet<Record> = std::mem::take(&mut self.state.dirty);
        self.meter_changes += u32::from(charged);
        if self.meter_changes >= METER_CHANGES_MAX {
            dirty.insert(Record::Rest);
        }
        if dirty.contains(&Record::Rest) {
            self.meter_changes = 0;
        }
        if dirty.is_empty() {
            return;
        }
        if let Some(journal) = &mut self.journal
            && let Err(error) = journal.append(&self.state, &dirty)
        {
            self.broken.get_or_insert(error);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.state.dirty.insert(Record::Rest);
        self.write_down();
    }
}
