//! Concrete stores, the clock, Ctrl-C, where files lie by default.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use darkslide_engine::words::{Clock, SystemClock};
use darkslide_engine::{CloudOpener, Engine, EngineError, StoreOpener, StoreSettings};
use darkslide_store::{Store, StoreError};
use darkslide_store_dir::DirStore;

use crate::{buckets, cloud_opener, maker, vaults};

/// Makes directory stores, buckets and vaults.
pub struct Opener;

impl StoreOpener for Opener {
    fn create(&self, settings: &StoreSettings) -> Result<Arc<dyn Store>, StoreError> {
        match &settings.path {
            Some(path) => Ok(Arc::new(DirStore::create(path)?.with_parity(settings.parity_percent()))),
            None if settings.vault().is_some() => Ok(Arc::new(vaults::create(settings)?)),
            None => Ok(Arc::new(buckets::create(settings)?)),
        }
    }

    fn open(&self, settings: &StoreSettings) -> Result<Arc<dyn Store>, StoreError> {
        match &settings.path {
            Some(path) => Ok(Arc::new(DirStore::open(path, &*clock())?.with_parity(settings.parity_percent()))),
            None if settings.vault().is_some() => Ok(Arc::new(vaults::open(settings)?)),
            None => Ok(Arc::new(buckets::open(settings)?)),
        }
    }

    fn visit(&self, settings: &StoreSettings) -> Result<Arc<dyn Store>, StoreError> {
        Ok(Arc::new(vaults::visit(settings)?))
    }

    fn rebuild(&self, settings: &StoreSettings, set: &str) -> Result<Arc<dyn Store>, StoreError> {
        Ok(Arc::new(vaults::rebuild(settings, set)?))
    }

    fn cloud(&self) -> Option<&dyn CloudOpener> {
        Some(&cloud_opener::Aws)
    }
}

/// The opener.
pub fn opener() -> Arc<dyn StoreOpener> {
    Arc::new(Opener)
}

/// The system's clock.
pub fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::default())
}

/// The configuration: as given, or in the user's configuration folder.
pub fn config_path(given: Option<PathBuf>) -> PathBuf {
    given.unwrap_or_else(|| {
        let base = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
        let home = || std::env::var_os("HOME").map_or_else(|| PathBuf::from("."), PathBuf::from).join(".config");
        base.unwrap_or_else(home).join("darkslide/darkslide.toml")
    })
}

/// The engine of a configuration.
pub fn engine(config: Option<PathBuf>) -> Result<Engine, EngineError> {
    let engine = Engine::load(&config_path(config), opener(), clock())?;
    let engine = match PRICES.get() {
        Some(file) => engine.with_prices(file),
        None => engine,
    };
    let engine = engine.notifying(&host(), Arc::new(interrupted)).with_maker(Arc::new(maker::Separate::new()));
    // A catalog that cannot be opened is told of by whatever needs it.
    for run in engine.notice_cut_off().unwrap_or_default() {
        let name = run.task.as_ref().unwrap_or(&run.job);
        eprintln!(
            "Run {}, {} of {name}, begun {}, was cut off; the next run goes on.",
            run.id,
            run.kind,
            run.started.local()
        );
    }
    Ok(engine)
}

static PRICES: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();

/// Takes prices from this file from here on.
pub fn set_prices(file: PathBuf) {
    // Only the first counts; there is one command line.
    let _ = PRICES.set(file);
}

/// The engine for work with an identity: with each store's `reader_profile`.
pub fn reader(config: Option<PathBuf>) -> Result<Engine, EngineError> {
    Ok(engine(config)?.for_reading())
}

/// The engine for audits: with each store's `auditor_profile`.
pub fn auditor(config: Option<PathBuf>) -> Result<Engine, EngineError> {
    Ok(engine(config)?.for_auditing())
}

/// Name of this machine.
pub fn host() -> String {
    let read = |path: &str| std::fs::read_to_string(path).ok().map(|s| s.trim().to_string()).filter(|s| !s.is_empty());
    read("/proc/sys/kernel/hostname").or_else(|| read("/etc/hostname")).unwrap_or_else(|| "this machine".into())
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Ends long work cleanly on Ctrl-C or a stop; the second time at once.
pub fn on_interrupt() {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // Without handlers an interrupt is a crash, which the next run survives too.
        let _ = signal_hook::flag::register_conditional_shutdown(signal, 130, flag.clone());
        let _ = signal_hook::flag::register(signal, flag.clone());
    }
    std::thread::spawn(move || {
        while !flag.load(Ordering::Relaxed) {
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        INTERRUPTED.store(true, Ordering::Relaxed);
    });
}

/// True once the user wants it to end.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}
