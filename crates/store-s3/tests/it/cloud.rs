//! A cloud of one's own for each test.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::primitives::ByteStream;
use darkslide_coldsim::{AccessKey, ColdSim, Options, Running};
use darkslide_store::PutFacts;
use darkslide_store_s3::{Key, Pause, S3Settings, S3Store, Sleeper, Surroundings};
use darkslide_words::{ObjectName, SeededRng, SystemClock, Temperature, Time};

pub(crate) const REGION: &str = "eu-west-1";
pub(crate) const BUCKET: &str = "photos-of-ada";
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// A sleeper whose time moves only by sleeping, which takes none.
#[derive(Debug, Default)]
pub(crate) struct QuickSleeper(Mutex<Duration>);

impl Sleeper for QuickSleeper {
    fn sleep(&self, time: Duration) -> Pause {
        *self.0.lock().unwrap() += time;
        Box::pin(std::future::ready(()))
    }

    fn elapsed(&self) -> Duration {
        *self.0.lock().unwrap()
    }
}

pub(crate) struct Cloud {
    pub(crate) sim: ColdSim,
    running: Running,
    prefixes: AtomicU32,
}

impl fmt::Debug for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cloud({})", self.running.addr())
    }
}

impl Cloud {
    /// With one bucket; virtual time stands still unless it is advanced.
    pub(crate) fn new() -> Self {
        let start = Time::from_compact("20261122T120000.000Z").unwrap();
        let options = Options { dir: None, region: REGION.into(), start, speed: 0.0, enforce: true };
        let sim = ColdSim::open(options, Arc::new(SystemClock::default())).unwrap();
        let running = sim.start(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        sim.create_bucket(BUCKET).unwrap();
        Self { sim, running, prefixes: AtomicU32::new(0) }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.running.addr())
    }

    /// The administrator's settings, with a prefix of their own.
    pub(crate) fn settings(&self) -> S3Settings {
        let n = self.prefixes.fetch_add(1, Ordering::SeqCst);
        let mut settings = S3Settings::new(BUCKET, format!("nas/{n}"));
        settings.region = Some(REGION.into());
        settings.endpoint = Some(self.endpoint());
        settings.credentials = Some(Key { id: "coldsim".into(), secret: "coldsim-secret".into(), token: None });
        settings
    }

    /// A store that never really waits.
    pub(crate) fn store(&self) -> S3Store {
        quick(self.settings())
    }

    /// A user with these policies.
    pub(crate) fn user(&self, name: &str, policies: &[String]) -> Key {
        let key = Key { id: format!("AK{}", name.to_uppercase()), secret: format!("{name}-secret"), token: None };
        let added = self.sim.add_key(AccessKey {
            id: key.id.clone(),
            secret: key.secret.clone(),
            user: name.into(),
            policies: policies.to_vec(),
            boundary: None,
        });
        added.unwrap();
        key
    }

    /// Answered requests of one operation since the log was forgotten.
    pub(crate) fn calls(&self, operation: &str) -> usize {
        self.sim.requests().iter().filter(|request| request.operation == operation).count()
    }

    /// A plain client, for what a store does not do.
    pub(crate) fn client(&self, key: &Key) -> Plain {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static(REGION))
            .endpoint_url(self.endpoint())
            .force_path_style(true)
            .credentials_provider(Credentials::new(&key.id, &key.secret, None, None, "test"))
            .build();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Plain { s3: aws_sdk_s3::Client::from_conf(config), runtime }
    }

    pub(crate) fn admin(&self) -> Plain {
        self.client(&self.settings().credentials.unwrap())
    }
}

/// The SDK's client, blocking.
#[derive(Debug)]
pub(crate) struct Plain {
    pub(crate) s3: aws_sdk_s3::Client,
    pub(crate) runtime: tokio::runtime::Runtime,
}

impl Plain {
    /// PUTs as a careless program would: replacing, in `STANDARD`.
    pub(crate) fn put(&self, key: &str, bytes: &[u8]) -> bool {
        let put = self.s3.put_object().bucket(BUCKET).key(key).body(ByteStream::from(bytes.to_vec()));
        self.runtime.block_on(put.send()).is_ok()
    }
}

pub(crate) fn quick(settings: S3Settings) -> S3Store {
    let surroundings = Surroundings { sleeper: Arc::new(QuickSleeper::default()), rng: Box::new(SeededRng::new(7)) };
    S3Store::connect_with(settings, surroundings).unwrap()
}

pub(crate) fn name(text: &str) -> ObjectName {
    ObjectName::new(text).unwrap()
}

/// Facts that are true of the bytes.
pub(crate) fn facts(bytes: &[u8], temperature: Temperature) -> PutFacts {
    PutFacts { crc64: crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes), temperature }
}

/// Bytes that differ from place to place.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut rng = SeededRng::new(len as u64);
    (0..len).map(|_| rng.number() as u8).collect()
}
