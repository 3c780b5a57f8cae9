//! A library in the simulated cold, and its page: all in one process, so that its clock can be turned.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use darkslide_coldsim::{ColdSim, Options, Running};
use darkslide_engine::observe::BackupObserver;
use darkslide_engine::provision::aws::{AwsCloud, AwsSettings, PathStyle, ProbeBucket};
use darkslide_engine::provision::cloud::{Aspect, Item, KeyId, NewKey, Thing};
use darkslide_engine::provision::desired::{BucketDesired, IamName, IdentityKind, Region};
use darkslide_engine::provision::keys::read_key_file;
use darkslide_engine::provision::verify::Probe;
use darkslide_engine::provision::{CloudError, Hands};
use darkslide_engine::words::{Bytes, Clock, OsRng, Rng as _, SeededRng, SystemClock, Time};
use darkslide_engine::{
    BackupOptions, CloudAccess, CloudOpener, Engine, EngineError, Founder, IdentityFile, InitOptions, PackSizes,
    StoreOpener, StoreSettings,
};
use darkslide_store::{Store, StoreError};
use darkslide_store_s3::{Key, S3Settings, S3Store};
use darkslide_web::{Logins, Means, Role, Server};
use secrecy::SecretString;

use crate::pictures::{picture, place};

const BUCKET: &str = "photos";

struct Opener;

impl StoreOpener for Opener {
    fn create(&self, settings: &StoreSettings) -> Result<Arc<dyn Store>, StoreError> {
        let mut s3 = S3Settings::from_url(settings.url.as_deref().unwrap_or_default())?;
        s3.endpoint.clone_from(&settings.endpoint);
        s3.region = Some("us-east-1".into());
        s3.credentials = Some(Key { id: "coldsim".into(), secret: "coldsim-secret".into(), token: None });
        Ok(Arc::new(S3Store::create(s3)?))
    }

    fn open(&self, settings: &StoreSettings) -> Result<Arc<dyn Store>, StoreError> {
        self.create(settings)
    }

    fn cloud(&self) -> Option<&dyn CloudOpener> {
        Some(self)
    }
}

/// As the root of the account, or with a key that was made.
fn as_whom(access: &CloudAccess) -> (Region, AwsSettings) {
    let root = || NewKey { id: KeyId("coldsim".into()), secret: SecretString::from("coldsim-secret".to_string()) };
    let key = access.key_file.as_ref().map_or_else(root, |file| read_key_file(file).unwrap().unwrap());
    let settings =
        AwsSettings { profile: None, key: Some(key), endpoint: access.endpoint.clone(), path_style: PathStyle::Path };
    (Region::new(&access.region).unwrap(), settings)
}

impl CloudOpener for Opener {
    fn open(&self, access: &CloudAccess) -> Result<Arc<dyn Hands>, CloudError> {
        let (region, settings) = as_whom(access);
        Ok(Arc::new(AwsCloud::open(&region, &settings)?))
    }

    fn probe(&self, access: &CloudAccess, bucket: &BucketDesired) -> Result<Box<dyn Probe>, CloudError> {
        let (region, settings) = as_whom(access);
        Ok(Box::new(ProbeBucket::open(&region, &settings, &bucket.name, &bucket.prefix)?))
    }
}

/// The simulator's time; what never jumps is real.
struct Turned(ColdSim, SystemClock);

impl Clock for Turned {
    fn now(&self) -> Time {
        self.0.now()
    }
    fn elapsed(&self) -> Duration {
        self.1.elapsed()
    }
}

struct Wired {
    config: PathBuf,
    clock: Arc<Turned>,
}

impl Means for Wired {
    fn engine(&self) -> Result<Engine, EngineError> {
        Engine::load(&self.config, Arc::new(Opener), self.clock.clone())
    }
    fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }
    fn host(&self) -> String {
        "studio".into()
    }
}

struct Quiet;

impl BackupObserver for Quiet {}

/// A library in Deep Archive.
pub struct World {
    folder: tempfile::TempDir,
    pub sim: ColdSim,
    running: Running,
    identity: IdentityFile,
    clock: Arc<Turned>,
}

impl World {
    /// With so many photographs, each of 132 KiB: the smallest that goes into the cold.
    pub fn new(photographs: usize) -> Self {
        let start = Time::from_compact("20260310T093000.000Z").unwrap();
        let sim = ColdSim::open(Options::new(start), Arc::new(SystemClock::default())).unwrap();
        sim.create_bucket(BUCKET).unwrap();
        let running = sim.start(([127, 0, 0, 1], 0).into()).unwrap();
        let clock = Arc::new(Turned(sim.clone(), SystemClock::default()));
        let identity = IdentityFile::generate(&OsRng.bytes::<32>());
        let world = Self { folder: tempfile::tempdir().unwrap(), sim, running, identity, clock };
        world.photographs(photographs);
        world.found();
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Shoots of a hundred, over twenty years. What fills them up goes after the picture, where
    /// readers of pictures do not look.
    fn photographs(&self, count: usize) {
        let mut rng = SeededRng::new(8);
        for n in 0..count {
            let (shoot, minute) = (n / 100, n % 60);
            let (year, month) = (2006 + shoot * 20 / (count / 100 + 1), 1 + shoot * 5 % 12);
            let folder = self.path(&format!("library/{year}/{year}-{month:02}-03_shoot{shoot}"));
            std::fs::create_dir_all(&folder).unwrap();
            let camera = ["Fujica GW690", "Linhof Technika", "Rolleiflex T"][shoot % 3];
            let taken = format!("{year}:{month:02}:03 {:02}:{minute:02}:00", 8 + n % 100 / 10);
            let mut bytes = picture(n, camera, &taken, place(shoot, n));
            let filled = bytes.len();
            bytes.resize(132 << 10, 0);
            rng.fill(&mut bytes[filled..]);
            std::fs::write(folder.join(format!("DSC_{n:05}.JPG")), bytes).unwrap();
        }
    }

    fn found(&self) {
        let url = StoreSettings::parse(&format!("s3://{BUCKET}/studio"));
        let store = StoreSettings { endpoint: Some(self.running.url()), region: Some("us-east-1".into()), ..url };
        let copy = IdentityFile::parse(self.identity.text("today").as_bytes()).unwrap();
        let options = InitOptions {
            cloud: Default::default(),
            config: self.path("darkslide.toml"),
            library: self.path("library"),
            stores: vec![store],
            founder: Founder::Identity(copy),
            writer: "studio".into(),
            pack: PackSizes { target: Bytes::mib(16), ..PackSizes::default() },
        };
        let engine = Engine::init(options, Arc::new(Opener), self.clock.clone(), &mut OsRng).unwrap().0;
        drop(engine);
        self.backup();
        let more = "\n# A job of its own.\n[[job]]\nname = \"nightly\"\nkind = \"backup\"\nschedule = \"nightly 02:00\"\n\n\
            [serve]\nlisten = \"127.0.0.1:0\"\n";
        let path = self.path("darkslide.toml");
        let old = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, old + more).unwrap();
        std::fs::write(self.path("identity.txt"), self.identity.text("today").as_bytes()).unwrap();
    }

    /// An engine of it.
    pub fn engine(&self) -> Engine {
        Engine::load(&self.path("darkslide.toml"), Arc::new(Opener), self.clock.clone()).unwrap()
    }

    /// Backs up.
    pub fn backup(&self) {
        let options = BackupOptions { host: "studio".into(), ..BackupOptions::default() };
        assert!(self.engine().backup(&options, &Quiet).unwrap().done.failures.is_empty());
    }

    /// Appends to its configuration.
    pub fn configure(&self, more: &str) {
        let path = self.path("darkslide.toml");
        let old = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, old + more).unwrap();
    }

    /// Sets its account up: identities, their keys, the bucket's settings.
    pub fn set_up_account(&self) {
        let engine = self.engine();
        let (setup, keeper) = (engine.cloud().unwrap(), engine.cloud_keys().keeper().unwrap());
        let plan = setup.plan(&*keeper).unwrap();
        setup.apply(&plan, &*keeper, &mut |_: &_| {}).unwrap();
    }

    /// Lets the writer read, which it must not.
    pub fn open_up(&self) {
        let access =
            CloudAccess { region: "us-east-1".into(), endpoint: Some(self.running.url()), ..CloudAccess::default() };
        let identities = self.engine().cloud_identities().unwrap();
        let writer = identities.iter().find(|one| one.kind == IdentityKind::Writer).unwrap();
        let item = Item::new(Thing::User(IamName::new(&writer.name).unwrap()), Aspect::Policy);
        let all = serde_json::json!({"Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]});
        CloudOpener::open(&Opener, &access).unwrap().write(&item, &all).unwrap();
    }

    /// Serves its page.
    pub fn serve(&self) -> Server {
        let wired = Wired { config: self.path("darkslide.toml"), clock: self.clock.clone() };
        darkslide_web::start(Arc::new(wired), None).unwrap()
    }

    /// A token to log in with.
    pub fn token(&self, name: &str, role: Role) -> String {
        let state = self.engine().settings().state_dir();
        Logins::load(&state).unwrap().make_token(name, role).unwrap().to_string()
    }
}
