//! The demo's cloud, a bucket or a vault: the simulator in this process, its clock turned by hand, its
//! bill laid beside the quotes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use darkslide_coldsim::{AccessKey, ColdSim, Options, Running};
use darkslide_engine::provision::desired::{AccountId, Desired, IdentityKind, Region, VaultDesired, VaultName};
use darkslide_engine::provision::policy::document;
use darkslide_engine::words::{Bytes, Clock, Money, SystemClock, Time};
use darkslide_engine::{StoreOpener, StoreSettings};
use darkslide_store::{ReadOutcome, Store, StoreError, list_all};
use darkslide_store_dir::DirStore;
use darkslide_store_glacier::{Key as VaultKey, Surroundings, VaultSettings, VaultStore};
use darkslide_store_s3::{Key, S3Store};

use crate::{buckets, vaults};

const BUCKET: &str = "photos";

/// Which way of working is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workflow {
    /// Into a bucket, in Deep Archive.
    Bucket,
    /// Into a Glacier vault.
    Vault,
}

/// Who asks for something of the vault: each with a key of his own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// Whose account it is.
    Owner,
    /// The NAS: it may add to the vault, and get nothing out of it.
    Writer,
    /// Who gets photographs back, and asks for inventories; he adds nothing.
    Restorer,
}

impl User {
    fn key(self) -> VaultKey {
        let id = match self {
            Self::Owner => "owner",
            Self::Writer => "nas",
            Self::Restorer => "safe",
        };
        VaultKey { id: id.into(), secret: format!("{id}-secret"), token: None }
    }

    /// What he may do: as `darkslide cloud export` writes it.
    fn policy(self, desired: &Desired) -> String {
        match self {
            Self::Owner => {
                r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#.into()
            }
            Self::Writer => document(IdentityKind::Writer, desired).to_string(),
            Self::Restorer => document(IdentityKind::Restorer, desired).to_string(),
        }
    }
}

/// The vault, as `[cloud]` would describe it.
fn desired() -> Result<Desired> {
    let vault = VaultDesired { name: VaultName::new(BUCKET)?, notify: true, keep_days: None, lock_days: None };
    let desired = Desired::new(AccountId::new("123456789012")?, Region::new("us-east-1")?, "demo");
    Ok(Desired { vaults: vec![vault], ..desired })
}

/// A simulated Deep Archive, or a vault.
pub struct Cloud {
    sim: ColdSim,
    running: Running,
    began: Instant,
    /// Beside a vault.
    companion: Option<PathBuf>,
    user: Arc<Mutex<User>>,
}

/// Opens buckets with the simulator's key, and vaults with that of whoever it is.
struct Opener {
    clock: Arc<dyn Clock>,
    user: Arc<Mutex<User>>,
}

impl Opener {
    fn vault(&self, settings: &StoreSettings) -> Result<VaultSettings, StoreError> {
        let mut vault = vaults::resolve(settings)?;
        vault.credentials = Some(self.user.lock().unwrap_or_else(PoisonError::into_inner).key());
        Ok(vault)
    }

    fn bucket(settings: &StoreSettings) -> Result<Arc<dyn Store>, StoreError> {
        let mut s3 = buckets::resolve(settings)?;
        s3.credentials = Some(Key { id: "coldsim".into(), secret: "coldsim-secret".into(), token: None });
        Ok(Arc::new(S3Store::create(s3)?))
    }
}

impl StoreOpener for Opener {
    fn create(&self, settings: &StoreSettings) -> Result<Arc<dyn Store>, StoreError> {
        let Some(path) = settings.companion.as_ref().and_then(|c| c.path.as_ref()) else {
            return Self::bucket(settings);
        };
        let companion = Arc::new(DirStore::create(path)?);
        let (vault, around) = (self.vault(settings)?, Surroundings::default());
        Ok(Arc::new(VaultStore::create(vault, companion, self.clock.clone(), around)?))
    }

    fn open(&self, settings: &StoreSettings) -> Result<Arc<dyn Store>, StoreError> {
        let Some(path) = settings.companion.as_ref().and_then(|c| c.path.as_ref()) else {
            return Self::bucket(settings);
        };
        let companion = Arc::new(DirStore::open(path, &*self.clock)?);
        let (vault, around) = (self.vault(settings)?, Surroundings::default());
        Ok(Arc::new(VaultStore::open(vault, companion, self.clock.clone(), around)?))
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
    /// Starts it, with everything in `folder`.
    pub fn start(folder: &Path, workflow: Workflow) -> Result<Self> {
        let real = Arc::new(SystemClock::default());
        let options = Options { dir: Some(folder.join("cloud")), ..Options::new(real.now()) };
        let sim = ColdSim::open(options, real)?;
        match workflow {
            Workflow::Bucket => sim.create_bucket(BUCKET)?,
            Workflow::Vault => {
                for user in [User::Owner, User::Writer, User::Restorer] {
                    let VaultKey { id, secret, .. } = user.key();
                    let policies = vec![user.policy(&desired()?)];
                    sim.add_key(AccessKey { user: id.clone(), id, secret, policies, boundary: None })?;
                }
            }
        }
        let running = sim.start(([127, 0, 0, 1], 0).into())?;
        let companion = (workflow == Workflow::Vault).then(|| folder.join("other-house/companion"));
        let user = Arc::new(Mutex::new(User::Owner));
        Ok(Self { sim, running, began: Instant::now(), companion, user })
    }

    /// From here on this one asks for everything.
    pub fn act_as(&self, user: User) {
        *self.user.lock().unwrap_or_else(PoisonError::into_inner) = user;
    }

    /// The store to configure.
    pub fn settings(&self) -> StoreSettings {
        let companion = self.companion.clone().map(|path| Box::new(StoreSettings::dir(path)));
        let url = if companion.is_some() { "glacier://photos".into() } else { format!("s3://{BUCKET}/studio") };
        StoreSettings {
            endpoint: Some(self.running.url()),
            region: Some("us-east-1".into()),
            companion,
            ..StoreSettings::parse(&url)
        }
    }

    /// Puts an archive of another program into the vault.
    pub fn add_stranger(&self) -> Result<()> {
        use darkslide_store::{MemoryStore, PutFacts};
        // The same vault, as another program sees it: with a set of archives of its own.
        let vault = self.opening().vault(&self.settings())?;
        let other = VaultStore::create(vault, Arc::new(MemoryStore::default()), self.clock(), Surroundings::default())?;
        let name = darkslide_engine::words::ObjectName::new("packs/of-another-program")?;
        let temperature = darkslide_engine::words::Temperature::Cold;
        other.put(&name, b"holiday.avi", &PutFacts { crc64: 0, temperature })?;
        Ok(())
    }

    /// Opens stores there.
    pub fn opener(&self) -> Arc<dyn StoreOpener> {
        Arc::new(self.opening())
    }

    fn opening(&self) -> Opener {
        Opener { clock: self.clock(), user: self.user.clone() }
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
        let store = Opener::bucket(&self.settings())?;
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
