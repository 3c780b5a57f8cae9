//! The demo's cloud: the simulator in this process, its clock turned by hand, its
//! bill laid beside the quotes.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use darkslide_coldsim::{ColdSim, Options, Running};
use darkslide_engine::words::{Bytes, Clock, Money, SystemClock, Time};
use darkslide_engine::{StoreOpener, StoreSettings};
use darkslide_store::{ReadOutcome, Store, StoreError, list_all};
use darkslide_store_s3::{Key, S3Store};

use crate::buckets;

const BUCKET: &str = "photos";

/// A simulated Deep Archive.
pub struct Cloud {
    sim: ColdSim,
    running: Running,
    began: Instant,
}

/// Opens buckets with the simulator's key.
struct Opener;

impl Opener {
    fn store(settings: &StoreSettings) -> Result<Arc<dyn Store>, StoreError> {
        let mut s3 = buckets::resolve(settings)?;
        s3.credentials = Some(Key { id: "coldsim".into(), secret: "coldsim-secret".into(), token: None });
        Ok(Arc::new(S3Store::create(s3)?))
    }
}

impl StoreOpener for Opener {
    fn create(&self, settings: &StoreSettings) -> Result<Arc<dyn Store>, StoreError> {
        Self::store(settings)
    }

    fn open(&self, settings: &StoreSettings) -> Result<Arc<dyn Store>, StoreError> {
        Self::store(settings)
    }
}

/// The simulator's time.
struct Turned(ColdSim, Instant);

impl Clock for Turned {
    fn now(&self) -> Time {
        self.0.now()
    }

    fn elapsed(&self) -> Duration {
        self.1.elapsed()
    }
}

impl Cloud {
    /// Starts it, with everything in `dir`.
    pub fn start(dir: &Path) -> Result<Self> {
        let real = Arc::new(SystemClock::default());
        let options = Options { dir: Some(dir.to_path_buf()), ..Options::new(real.now()) };
        let sim = ColdSim::open(options, real)?;
        sim.create_bucket(BUCKET)?;
        let running = sim.start(([127, 0, 0, 1], 0).into())?;
        Ok(Self { sim, running, began: Instant::now() })
    }

    /// The store to configure.
    pub fn settings(&self) -> StoreSettings {
        StoreSettings {
            endpoint: Some(self.running.url()),
            region: Some("us-east-1".into()),
            ..StoreSettings::parse(&format!("s3://{BUCKET}/studio"))
        }
    }

    /// Opens stores there.
    pub fn opener(&self) -> Arc<dyn StoreOpener> {
        Arc::new(Opener)
    }

    /// Its clock.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(Turned(self.sim.clone(), self.began))
    }

    /// Lets time pass there.
    pub fn turn(&self, by: Duration) {
        self.sim.advance(by);
    }

    /// Begins a new page of the bill.
    pub fn new_bill(&self) {
        self.sim.reset_bill();
    }

    /// What was billed since for thaws and downloads, and what for listings and
    /// looks at metadata; the archive's own storage apart.
    pub fn billed(&self) -> (Money, Money) {
        let (mut thaws, mut looks) = (Money::ZERO, Money::ZERO);
        for line in self.sim.bill().lines {
            let standing = line.what.contains("storage") && !line.what.contains("thawed copies");
            let look = line.what.contains("LIST") || line.what.starts_with("STANDARD");
            match (standing, look) {
                (true, _) => {}
                (false, true) if !line.what.contains("thawed copies") => looks += line.amount,
                _ => thaws += line.amount,
            }
        }
        (thaws, looks)
    }

    /// Downloads what can be read, as any S3 program would: for tools that know
    /// nothing of Darkslide. How much that was.
    pub fn download(&self, to: &Path) -> Result<Bytes> {
        let store = Opener::store(&self.settings())?;
        let mut total = 0;
        for listed in list_all(&*store, "")? {
            let ReadOutcome::Bytes(bytes) = store.read(&listed.name, None)? else { continue };
            let path = to.join(listed.name.as_str());
            let folder = path.parent().context("an object without a folder")?;
            std::fs::create_dir_all(folder)?;
            total += bytes.len() as u64;
            std::fs::write(path, bytes)?;
        }
        Ok(Bytes(total))
    }
}
