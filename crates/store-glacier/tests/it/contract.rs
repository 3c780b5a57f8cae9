//! The contract, held to with every object in the vault: a read of a cold object thaws it, turns the
//! clock, and reads again.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use darkslide_coldsim::{ColdSim, Options, Running};
use darkslide_store::vault::{EVENTS, Notifications, RetrievalPolicy, Vault};
use darkslide_store::{
    Capabilities, MemoryStore, OnListed, PutFacts, PutOutcome, ReadOutcome, Store, StoreError, ThawAsk, ThawOutcome,
};
use darkslide_store_glacier::{Key, NoSleep, Surroundings, VaultSettings, VaultStore};
use darkslide_words::{Bytes, Clock, ObjectName, OsRng, Span, SystemClock, Temperature, Tier, Time};

struct SimClock(ColdSim);

impl Clock for SimClock {
    fn now(&self) -> Time {
        self.0.now()
    }
    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

struct World {
    sim: ColdSim,
    running: Running,
}

impl World {
    fn new() -> Self {
        let start = Time::from_compact("20260310T093000.000Z").unwrap();
        let sim = ColdSim::open(Options::new(start), Arc::new(SystemClock::default())).unwrap();
        let running = sim.start(([127, 0, 0, 1], 0).into()).unwrap();
        Self { sim, running }
    }

    fn settings(&self) -> VaultSettings {
        VaultSettings {
            endpoint: Some(self.running.url()),
            region: Some("us-east-1".into()),
            credentials: Some(Key { id: "coldsim".into(), secret: "coldsim-secret".into(), token: None }),
            multipart_from: Bytes::mib(2),
            part: Bytes::mib(1),
            ..VaultSettings::new("photos")
        }
    }

    fn open(&self, settings: VaultSettings) -> Result<VaultStore, StoreError> {
        let around = Surroundings { sleeper: Arc::new(NoSleep), rng: Box::new(OsRng) };
        VaultStore::create(settings, Arc::new(MemoryStore::default()), Arc::new(SimClock(self.sim.clone())), around)
    }
}

/// Everything goes into the vault, and is thawed as soon as it is read.
struct Frozen {
    world: World,
    store: VaultStore,
}

impl Frozen {
    fn new() -> Self {
        let world = World::new();
        let store = world.open(world.settings()).unwrap();
        Self { world, store }
    }
}

impl Store for Frozen {
    fn label(&self) -> String {
        self.store.label()
    }
    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }
    fn put(&self, name: &ObjectName, bytes: &[u8], facts: &PutFacts) -> Result<PutOutcome, StoreError> {
        self.world.sim.advance(Duration::from_secs(1));
        self.store.put(name, bytes, &PutFacts { temperature: Temperature::Cold, ..*facts })
    }
    fn read(&self, name: &ObjectName, range: Option<Range<u64>>) -> Result<ReadOutcome, StoreError> {
        let ask = ThawAsk { tier: Tier::Expedited, days: Some(1), span: None };
        for _ in 0..3 {
            match self.store.read(name, range.clone())? {
                ReadOutcome::Cold { .. } => assert_eq!(self.store.thaw(name, &ask)?, ThawOutcome::Started),
                ReadOutcome::Thawing { .. } => self.world.sim.advance(Duration::from_secs(600)),
                found => return Ok(found),
            }
        }
        self.store.read(name, range)
    }
    fn list(&self, prefix: &str, each: &mut OnListed<'_>) -> Result<(), StoreError> {
        self.store.list(prefix, each)
    }
    fn delete(&self, name: &ObjectName) -> Result<(), StoreError> {
        self.store.delete(name)
    }
}

#[test]
fn archives_keep_the_contract() {
    darkslide_store::contract::run(&|| Box::new(Frozen::new()));
}

#[test]
fn a_part_is_thawed_alone_and_the_whole_is_checked_by_its_tree_hash() {
    let frozen = Frozen::new();
    let bytes: Vec<u8> = (0..5_500_000u32).map(|i| (i * 31 / 7) as u8).collect();
    let name = ObjectName::new("packs/ab/one").unwrap();
    let facts = PutFacts { crc64: 0, temperature: Temperature::Cold };
    frozen.store.put(&name, &bytes, &facts).unwrap();
    let wanted = Span { from: 2_200_000, to: 2_900_000 };
    let ask = ThawAsk { tier: Tier::Expedited, days: Some(1), span: Some(wanted) };
    assert_eq!(frozen.store.thaw(&name, &ask).unwrap(), ThawOutcome::Started);
    frozen.world.sim.advance(Duration::from_secs(600));
    frozen.store.list("", &mut |_| Ok(())).unwrap();
    let part = frozen.store.read(&name, Some(wanted.from..wanted.to)).unwrap();
    assert_eq!(part, ReadOutcome::Bytes(bytes[wanted.from as usize..wanted.to as usize].to_vec()));
    assert!(matches!(frozen.store.read(&name, None).unwrap(), ReadOutcome::Cold { .. }));
    assert_eq!(frozen.read(&name, None).unwrap(), ReadOutcome::Bytes(bytes));
}

#[test]
fn what_is_set_at_the_vault_is_told_by_it() {
    let world = World::new();
    let store = world.open(world.settings()).unwrap();
    assert_eq!(store.vaults().unwrap().len(), 1);
    assert_eq!(store.describe().unwrap().name, "photos");
    assert_eq!((store.notifications().unwrap(), store.access_policy().unwrap()), (None, None));
    let topic = "arn:aws:sns:us-east-1:000000000000:thaws".to_string();
    let told = Notifications { topic, events: EVENTS.map(str::to_string).to_vec() };
    // A topic has to exist to be told.
    if store.set_notifications(Some(&told)).is_ok() {
        assert_eq!(store.notifications().unwrap(), Some(told));
        store.set_notifications(None).unwrap();
    }
    assert_eq!(store.notifications().unwrap(), None);
    store.add_tags(&[("owner".to_string(), "me".to_string())].into()).unwrap();
    assert_eq!(store.tags().unwrap(), [("owner".to_string(), "me".to_string())].into());
    store.remove_tags(&["owner".to_string()]).unwrap();
    assert!(store.tags().unwrap().is_empty());
    let hourly = RetrievalPolicy::BytesPerHour { bytes: Bytes(5 << 30) };
    store.set_retrieval_policy(hourly).unwrap();
    assert_eq!(store.retrieval_policy().unwrap(), hourly);
    store.set_retrieval_policy(RetrievalPolicy::None).unwrap();
    assert_eq!(store.lock().unwrap(), None);
}

#[test]
fn a_lock_is_tried_and_given_up_or_stays() {
    let world = World::new();
    let store = world.open(world.settings()).unwrap();
    let arn = store.describe().unwrap().arn;
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"keep","Principal":"*","Effect":"Deny","Action":"glacier:DeleteArchive",
        "Resource":"{arn}","Condition":{{"NumericLessThan":{{"glacier:ArchiveAgeInDays":"365"}}}}}}]}}"#
    );
    let name = ObjectName::new("packs/ab/one").unwrap();
    store.put(&name, b"x", &PutFacts { crc64: 0, temperature: Temperature::Cold }).unwrap();
    store.initiate_lock(&policy).unwrap();
    assert_eq!(store.lock().unwrap().unwrap().state, "InProgress");
    assert!(matches!(store.delete(&name), Err(StoreError::Denied { .. })), "it can be tried");
    store.abort_lock().unwrap();
    assert_eq!(store.lock().unwrap(), None);
    let id = store.initiate_lock(&policy).unwrap();
    store.complete_lock(&id).unwrap();
    assert_eq!(store.lock().unwrap().unwrap().state, "Locked");
    assert!(store.abort_lock().is_err());
    world.sim.advance(Duration::from_secs(366 * 24 * 3600));
    store.delete(&name).unwrap();
}

#[test]
fn an_account_without_vaults_is_told_what_to_use_instead() {
    let world = World::new();
    world.sim.close_vaults();
    let error = world.open(world.settings()).unwrap_err();
    assert!(matches!(error, StoreError::Setup { .. }) && error.to_string().contains("DEEP_ARCHIVE"), "{error}");
}
