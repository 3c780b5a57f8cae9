//! Backups into Deep Archive and back, on the simulator: thaws that survive, money
//! that is not spent twice, credentials that may do little.

mod photographs;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use darkslide_coldsim::{AccessKey, ColdSim, Options, Running};
use darkslide_engine::words::{Bytes, Clock, Money, Name, OsRng, StorageClass, Tier, Time};
use darkslide_engine::{
    BackupOptions, BatchSettings, ColdChecksums, ColdRestore, DrillOutcome, Engine, EngineError, ErrorKind, Existing,
    Founder, IdentityFile, InitOptions, JoinWith, OpenOptions, PackSizes, RestoreOptions, StoreOpener, StoreSettings,
    ThawOptions, ThawPlan,
};
use darkslide_store::{Store, StoreError};
use darkslide_store_dir::DirStore;
use darkslide_store_s3::bulk::BulkSettings;
use darkslide_store_s3::{Key, S3Settings, S3Store};

use crate::harness::{Quiet, Tree, assert_same, identity, noise, same, tree};

const BUCKET: &str = "photos";

/// Opens the bucket with one access key, and directories.
struct Opener {
    key: &'static str,
}

impl StoreOpener for Opener {
    fn create(&self, settings: &StoreSettings) -> Result<Arc<dyn Store>, StoreError> {
        if let Some(path) = &settings.path {
            return Ok(Arc::new(DirStore::create(path)?));
        }
        let mut s3 = S3Settings::from_url(settings.url.as_deref().unwrap_or_default())?;
        s3.endpoint.clone_from(&settings.endpoint);
        s3.region = Some("us-east-1".into());
        if let Some(class) = &settings.class {
            s3.classes.cold = class.clone();
        }
        s3.credentials = Some(Key { id: self.key.into(), secret: format!("{}-secret", self.key), token: None });
        let (bucket, prefix) = (s3.bucket.clone(), s3.prefix.clone());
        let mut store = S3Store::create(s3)?;
        if let Some(queue) = &settings.events {
            store = store.with_events(queue);
        }
        let Some(batch) = &settings.batch else { return Ok(Arc::new(store)) };
        let (account, role_arn, endpoint) = (batch.account.clone(), batch.role.clone(), settings.endpoint.clone());
        Ok(Arc::new(store.with_bulk(BulkSettings { account, role_arn, bucket, prefix, endpoint })?))
    }

    fn open(&self, settings: &StoreSettings) -> Result<Arc<dyn Store>, StoreError> {
        self.create(settings)
    }
}

struct SimClock(ColdSim);

impl Clock for SimClock {
    fn now(&self) -> Time {
        self.0.now()
    }
    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

pub struct Cold {
    folder: tempfile::TempDir,
    pub sim: ColdSim,
    running: Running,
    identity: IdentityFile,
}

impl Cold {
    pub fn new() -> Self {
        let start = Time::from_compact("20260310T093000.000Z").unwrap();
        let real = Arc::new(darkslide_engine::words::SystemClock::default());
        let sim = ColdSim::open(Options::new(start), real).unwrap();
        sim.create_bucket(BUCKET).unwrap();
        let running = sim.start(([127, 0, 0, 1], 0).into()).unwrap();
        Self { folder: tempfile::tempdir().unwrap(), sim, running, identity: identity() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path("library").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Two shoots of incompressible photographs with sidecars.
    pub fn library(&self) -> Tree {
        for (shoot, seed) in [("2024/hike", 10u64), ("2024/wedding", 20)] {
            for n in 0..4 {
                self.write(&format!("{shoot}/IMG_{n}.CR3"), &noise(seed + n, 3_000_000));
                self.write(&format!("{shoot}/IMG_{n}.xmp"), format!("<x:{shoot}:{n}/>").as_bytes());
            }
        }
        tree(&self.path("library"))
    }

    pub fn bucket(&self) -> StoreSettings {
        StoreSettings { endpoint: Some(self.running.url()), ..StoreSettings::parse(&format!("s3://{BUCKET}/nas")) }
    }

    pub fn init(&self, stores: Vec<StoreSettings>) -> Engine {
        let options = InitOptions {
            cloud: Default::default(),
            config: self.path("darkslide.toml"),
            library: self.path("library"),
            stores,
            founder: Founder::Identity(same(&self.identity)),
            writer: "nas".into(),
            pack: PackSizes { target: Bytes::mib(16), ..PackSizes::default() },
        };
        Engine::init(options, Arc::new(Opener { key: "coldsim" }), self.clock(), &mut OsRng).unwrap().0
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SimClock(self.sim.clone()))
    }

    /// A process that starts anew.
    pub fn engine(&self, key: &'static str) -> Engine {
        Engine::load(&self.path("darkslide.toml"), Arc::new(Opener { key }), self.clock()).unwrap()
    }

    fn restore(&self, engine: &Engine, order: &RestoreOptions) -> Result<ColdRestore, EngineError> {
        engine.restore_cold(order, &BULK, &self.identity, &mut yes, &Quiet)
    }

    fn count(&self, operation: &str) -> usize {
        self.sim.requests().iter().filter(|r| r.operation == operation).count()
    }
}

pub fn backup(engine: &Engine) {
    let options = BackupOptions { host: "nas".into(), ..BackupOptions::default() };
    let done = engine.backup(&options, &Quiet).unwrap();
    assert!(done.done.failures.is_empty() && done.refused.is_empty());
    assert!(done.spent > Money::ZERO, "requests cost something");
}

fn order(to: &Path, paths: &[&str]) -> RestoreOptions {
    RestoreOptions {
        snapshot: "latest".into(),
        paths: paths.iter().map(|p| Name::from(*p)).collect(),
        to: to.to_path_buf(),
        existing: Existing::Keep,
        accept_writers: Vec::new(),
    }
}

const BULK: ThawOptions = ThawOptions { tier: Tier::Bulk, days: None, max_cost: None };

fn yes(_: &ThawPlan) -> bool {
    true
}

#[test]
fn a_thaw_survives_processes_and_is_paid_once() {
    let cold = Cold::new();
    let library = cold.library();
    backup(&cold.init(vec![cold.bucket()]));
    let to = cold.path("out");
    cold.sim.forget_requests();
    // A quote makes no call, and restoring costs what it said at the most.
    let engine = cold.engine("coldsim");
    let quote = engine.quote_restore(&order(&to, &[]), &BULK).unwrap();
    assert_eq!(cold.sim.requests(), [], "a quote asks nobody");
    assert!(quote.thaw.total() > Money::ZERO && quote.tiers.len() == 3);
    let packs = quote.thaw.packs.iter().filter(|p| p.wave > 0).count();
    assert!(packs >= 2);
    // Every step in a process of its own; the same order again and again.
    let mut steps = 0;
    let done = loop {
        steps += 1;
        match cold.restore(&cold.engine("coldsim"), &order(&to, &[])).unwrap() {
            ColdRestore::Done(done) => break done,
            ColdRestore::Waiting { progress, .. } => {
                assert_eq!(progress.stop, None);
                assert!(steps < 60, "it ends");
                cold.sim.advance(Duration::from_secs(3 * 3600));
            }
            ColdRestore::Declined => panic!("nobody declined"),
        }
    };
    assert!(steps > 10 && done.casualties.is_empty());
    assert_same(&library, &tree(&to));
    assert_eq!(cold.count("RestoreObject"), packs, "each pack was asked for once");
    let thaws = engine.thaws().unwrap();
    assert!(thaws[0].row.spent <= thaws[0].row.quoted, "{:?}", thaws[0].row);
    // Thawed copies that are still there are used and not paid again.
    assert!(matches!(cold.restore(&engine, &order(&cold.path("again"), &[])).unwrap(), ColdRestore::Done(_)));
    assert_same(&library, &tree(&cold.path("again")));
    assert_eq!(cold.count("RestoreObject"), packs);
}

#[test]
fn one_shoot_thaws_that_shoot_alone_on_a_new_machine() {
    let cold = Cold::new();
    cold.library();
    let wanted = tree(&cold.path("library/2024/hike"));
    backup(&cold.init(vec![cold.bucket()]));
    let options = OpenOptions {
        config: cold.path("new/darkslide.toml"),
        stores: vec![cold.bucket()],
        with: JoinWith::Identity(same(&cold.identity)),
        library: None,
        writer: "new".into(),
        owner: None,
    };
    let engine = Engine::open(options, Arc::new(Opener { key: "coldsim" }), cold.clock(), &mut OsRng).unwrap().0;
    let hike = order(&cold.path("out"), &["2024/hike"]);
    let mut outcome = cold.restore(&engine, &hike).unwrap();
    while matches!(outcome, ColdRestore::Waiting { .. }) {
        cold.sim.advance(Duration::from_secs(48 * 3600));
        outcome = cold.restore(&engine, &hike).unwrap();
    }
    assert_same(&wanted, &tree(&cold.path("out/2024/hike")));
    let log = cold.sim.requests();
    let asked: Vec<_> = log.iter().filter(|r| r.operation == "RestoreObject").map(|r| &r.key).collect();
    assert_eq!(asked.len(), 1, "{asked:?}");
    let read = |r: &&darkslide_coldsim::Logged| r.operation == "GetObject" && r.key.starts_with("nas/packs/");
    assert!(log.iter().filter(read).all(|r| r.key == *asked[0]), "nothing else was downloaded");
}

#[test]
fn money_is_a_hard_stop() {
    let cold = Cold::new();
    cold.library();
    backup(&cold.init(vec![cold.bucket()]));
    cold.sim.forget_requests();
    let engine = cold.engine("coldsim");
    let cent = ThawOptions { max_cost: Some(Money(1000)), ..BULK };
    let refused = engine.restore_cold(&order(&cold.path("out"), &[]), &cent, &cold.identity, &mut yes, &Quiet);
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Refused);
    let mut no = |_: &ThawPlan| false;
    let said = engine.restore_cold(&order(&cold.path("out"), &[]), &BULK, &cold.identity, &mut no, &Quiet);
    assert!(matches!(said, Ok(ColdRestore::Declined)));
    assert_eq!(cold.count("RestoreObject"), 0);
    cold.write("2025/new.CR3", &noise(99, 2_000_000));
    let dear = BackupOptions { host: "nas".into(), max_cost: Some(Money(1000)), ..BackupOptions::default() };
    assert_eq!(engine.backup(&dear, &Quiet).unwrap_err().kind(), ErrorKind::Refused);
    backup(&engine);
}

#[test]
fn a_local_copy_is_used_before_anything_is_thawed() {
    let cold = Cold::new();
    let library = cold.library();
    backup(&cold.init(vec![cold.bucket(), StoreSettings::dir(cold.path("disk"))]));
    cold.sim.forget_requests();
    let engine = cold.engine("coldsim");
    let quote = engine.quote_restore(&order(&cold.path("out"), &[]), &BULK).unwrap();
    assert_eq!(quote.thaw.total(), Money::ZERO);
    assert!(matches!(cold.restore(&engine, &order(&cold.path("out"), &[])).unwrap(), ColdRestore::Done(_)));
    assert_same(&library, &tree(&cold.path("out")));
    assert_eq!(cold.count("RestoreObject"), 0);
}

/// The policy of a machine that backs up: create-only PUTs in the right class, list,
/// get of what it needs to deduplicate; no photograph, no deletion.
const WRITER: &str = r#"{"Version":"2012-10-17","Statement":[
  {"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::photos/nas/*",
   "Condition":{"StringEquals":{"s3:x-amz-storage-class":["DEEP_ARCHIVE","STANDARD"]},"Null":{"s3:if-none-match":"false"}}},
  {"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::photos"},
  {"Effect":"Allow","Action":"s3:GetObject","Resource":["arn:aws:s3:::photos/nas/darkslide.json",
   "arn:aws:s3:::photos/nas/config/*","arn:aws:s3:::photos/nas/writers/*","arn:aws:s3:::photos/nas/index/*",
   "arn:aws:s3:::photos/nas/refs/*","arn:aws:s3:::photos/nas/condemned/*"]}]}"#;

#[test]
fn the_machine_that_backs_up_needs_no_right_to_read_photographs_or_to_delete() {
    let cold = Cold::new();
    cold.library();
    cold.init(vec![cold.bucket()]);
    let key = AccessKey {
        id: "writer".into(),
        secret: "writer-secret".into(),
        user: "writer".into(),
        policies: vec![WRITER.into()],
        boundary: None,
    };
    cold.sim.add_key(key).unwrap();
    cold.sim.forget_requests();
    let engine = cold.engine("writer");
    backup(&engine);
    cold.write("2024/hike/IMG_9.CR3", &noise(77, 1_000_000));
    backup(&engine);
    for request in cold.sim.requests() {
        let allowed = request.status < 400 || request.status == 404;
        assert!(allowed, "{request:?}");
        assert!(!request.operation.starts_with("Delete"), "{request:?}");
        let control = ["darkslide.json", "config/", "writers/", "index/", "refs/", "condemned/"];
        let read = matches!(request.operation.as_str(), "GetObject" | "HeadObject");
        let of_control = control.iter().any(|c| request.key.strip_prefix("nas/").is_some_and(|k| k.starts_with(c)));
        assert!(!read || of_control, "{request:?}");
    }
    let report = engine.audit(None, &Quiet).unwrap();
    assert_eq!(report.damages(), 0, "{:?}", report.findings);
    assert!(report.denied.0 > 0, "what it may not read is said");
    // Stolen, its key opens and destroys nothing.
    let stolen = Opener { key: "writer" }.open(&cold.bucket()).unwrap();
    for listed in darkslide_store::list_all(&*stolen, "packs/").unwrap() {
        assert!(matches!(stolen.read(&listed.name, None), Err(StoreError::Denied { .. })));
        assert!(matches!(stolen.delete(&listed.name), Err(StoreError::Denied { .. })));
    }
}

#[test]
fn a_drill_thaws_a_sample_and_is_remembered() {
    let cold = Cold::new();
    cold.library();
    let engine = cold.init(vec![cold.bucket()]);
    backup(&engine);
    assert_eq!(engine.status().unwrap().last_drill, None);
    let drill = || engine.drill(&BULK, &cold.identity, &mut OsRng, &mut yes, &Quiet).unwrap();
    let mut outcome = drill();
    while matches!(outcome, DrillOutcome::Waiting(_)) {
        cold.sim.advance(Duration::from_secs(24 * 3600));
        outcome = drill();
    }
    let DrillOutcome::Good { files, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(files.0, 16);
    assert!(engine.status().unwrap().last_drill.is_some());
    let left = std::fs::read_dir(engine.settings().state_dir()).unwrap().flatten();
    assert!(!left.map(|e| e.file_name()).any(|name| name.to_string_lossy().starts_with("drill")));
    let poor = ThawOptions { max_cost: Some(Money(10)), ..BULK };
    cold.sim.advance(Duration::from_secs(30 * 86_400));
    engine.refresh().unwrap();
    let refused = engine.drill(&poor, &cold.identity, &mut OsRng, &mut yes, &Quiet).unwrap_err();
    assert!(matches!(refused, EngineError::DrillTooDear { .. }), "{refused}");
}

#[test]
fn costs_and_other_classes_are_told_without_a_call() {
    let cold = Cold::new();
    cold.library();
    let engine = cold.init(vec![cold.bucket()]);
    backup(&engine);
    cold.sim.forget_requests();
    let report = engine.cost(Some(&StorageClass::Standard), None).unwrap();
    assert_eq!(cold.sim.requests(), []);
    assert_eq!(report.stores.len(), 1);
    let store = &report.stores[0];
    assert!(store.monthly.total() > Money::ZERO && store.forecast.len() == 13);
    let what_if = store.what_if.as_ref().unwrap();
    assert!(what_if.then_monthly > what_if.now_monthly);
    assert!(report.spent.iter().any(|(kind, sum)| kind == "requests" && *sum > Money::ZERO));
    assert!(engine.quote_backup(Bytes(1 << 40)).unwrap()[0].1.once.total() > Money::from_usd(0.5));
    assert!(engine.quote_prune().unwrap()[0].1.total() > Money::ZERO);
}

#[test]
fn the_store_itself_checks_what_lies_in_the_cold() {
    let cold = Cold::new();
    cold.library();
    let role = "arn:aws:iam::000000000000:role/batch".to_string();
    let batch = BatchSettings { account: "000000000000".into(), role, bucket: None, endpoint: None };
    let engine = cold.init(vec![StoreSettings { batch: Some(batch), ..cold.bucket() }]);
    backup(&engine);
    assert!(engine.quote_cold_checksums().unwrap() >= Money::from_usd(0.25));
    let state = || engine.cold_checksums().unwrap().remove(0).state;
    assert!(matches!(state(), ColdChecksums::Submitted { packs } if packs.0 >= 2));
    assert_eq!(state(), ColdChecksums::Working);
    assert_eq!(engine.quote_cold_checksums().unwrap(), Money::ZERO, "a job that runs is not paid again");
    cold.sim.advance(Duration::from_secs(3600));
    let done = state();
    assert!(
        matches!(&done, ColdChecksums::Done { good, bad, newer } if good.0 >= 2 && bad.is_empty() && newer.0 == 0),
        "{done:?}"
    );
    assert_eq!(cold.count("RestoreObject"), 0, "nothing was thawed for it");
}

/// HEAD tells a bucket's own checksums: of cold packs too, by an auditor, without a thaw; an object
/// that was exchanged is found and remembered.
#[test]
fn an_auditor_asks_for_the_checksums_that_a_bucket_keeps() {
    let cold = Cold::new();
    cold.library();
    let engine = cold.init(vec![cold.bucket()]);
    backup(&engine);
    let auditor = || cold.engine("coldsim").for_auditing();
    assert!(auditor().quote_stored_checksums().unwrap() > Money::ZERO);
    cold.sim.forget_requests();
    let (report, sums) = auditor().stored_checksums(&Quiet).unwrap();
    assert!(sums[0].1.good.0 >= 2 && sums[0].1.bad.0 == 0 && sums[0].1.unknown.0 == 0, "{sums:?}");
    assert_eq!(report.findings, []);
    assert_eq!(cold.count("RestoreObject"), 0);
    assert!(cold.count("HeadObject") >= 2 && cold.count("PutObject") == 0);
    let text = std::fs::read_to_string(cold.path("darkslide.toml")).unwrap();
    let with = text.replacen("[[store]]", "[[store]]\nauditor_profile = \"auditor\"", 1);
    std::fs::write(cold.path("darkslide.toml"), with).unwrap();
    let profile = |engine: &Engine| engine.settings().stores[0].profile.clone();
    assert_eq!(profile(&auditor()).as_deref(), Some("auditor"));
    assert_ne!(profile(&cold.engine("coldsim")).as_deref(), Some("auditor"));
}

/// What lies in another class than it should is told, from the listing alone.
#[test]
fn an_audit_tells_what_lies_in_another_class() {
    let cold = Cold::new();
    cold.library();
    backup(&cold.init(vec![cold.bucket()]));
    assert_eq!(audit_of(&cold).findings, []);
    let text = std::fs::read_to_string(cold.path("darkslide.toml")).unwrap();
    let with = text.replacen("[[store]]", "[[store]]\nclass = \"GLACIER\"", 1);
    std::fs::write(cold.path("darkslide.toml"), with).unwrap();
    let report = audit_of(&cold);
    assert_eq!(report.damages(), 0);
    let told = report.findings.iter().find(|f| f.what.contains("DEEP_ARCHIVE instead of GLACIER"));
    assert!(told.is_some(), "{:?}", report.findings);
}

fn audit_of(cold: &Cold) -> darkslide_engine::Report {
    cold.engine("coldsim").audit(None, &Quiet).unwrap()
}

#[test]
fn a_bulk_job_of_the_cloud_asks_for_a_whole_library() {
    let cold = Cold::new();
    let library = cold.library();
    let role = "arn:aws:iam::000000000000:role/batch".to_string();
    let batch = BatchSettings { account: "000000000000".into(), role, bucket: None, endpoint: None };
    backup(&cold.init(vec![StoreSettings { batch: Some(batch), ..cold.bucket() }]));
    let config = cold.path("darkslide.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{text}\n[network]\nbatch_from = 2\n")).unwrap();
    let to = cold.path("out");
    let quote = cold.engine("coldsim").quote_restore(&order(&to, &[]), &BULK).unwrap();
    let packs = quote.thaw.packs.iter().filter(|p| p.wave > 0).count();
    assert!(packs >= 2 && quote.thaw.to_string().contains("Batch"), "{}", quote.thaw);
    cold.sim.forget_requests();
    let mut steps = 0;
    let done = loop {
        steps += 1;
        match cold.restore(&cold.engine("coldsim"), &order(&to, &[])).unwrap() {
            ColdRestore::Done(done) => break done,
            ColdRestore::Waiting { progress, .. } => {
                assert!(progress.stop.is_none() && steps < 60, "{progress:?}");
                cold.sim.advance(Duration::from_secs(3 * 3600));
            }
            ColdRestore::Declined => panic!("nobody declined"),
        }
    };
    assert!(done.casualties.is_empty());
    assert_same(&library, &tree(&to));
    assert_eq!(cold.count("RestoreObject"), 0, "no request of ours");
    let job = cold.sim.bill().lines.into_iter().find(|line| line.what.contains("Batch") && line.what.contains("job"));
    assert!(job.is_some_and(|job| job.amount == Money::from_usd(0.25)), "one job: {:?}", cold.sim.bill().lines);
    let row = &cold.engine("coldsim").thaws().unwrap()[0].row;
    assert!(row.spent >= Money::from_usd(0.25) && row.spent <= row.quoted, "{row:?}");
}

#[test]
fn what_intelligent_tiering_holds_too_deep_for_a_tier_is_named_and_not_paid() {
    let cold = Cold::new();
    let library = cold.library();
    backup(&cold.init(vec![StoreSettings { class: Some(StorageClass::IntelligentTiering), ..cold.bucket() }]));
    cold.sim.archive_idle(BUCKET, 90, Some(180));
    cold.sim.advance(Duration::from_secs(200 * 86_400));
    let fast = ThawOptions { tier: Tier::Expedited, ..BULK };
    let to = cold.path("out");
    let quote = cold.engine("coldsim").quote_restore(&order(&to, &[]), &fast).unwrap();
    assert!(quote.thaw.to_string().contains("cannot be thawed at this tier"), "{}", quote.thaw);
    let at = |tier: &ThawOptions| {
        cold.engine("coldsim").restore_cold(&order(&to, &[]), tier, &cold.identity, &mut yes, &Quiet).unwrap()
    };
    let ColdRestore::Done(done) = at(&fast) else { panic!("nothing is under way") };
    assert!(done.casualties.iter().any(|c| c.reason.contains("thaw it at standard or bulk")), "{done:?}");
    let paid: Money = cold.engine("coldsim").thaws().unwrap().iter().map(|t| t.row.spent).sum();
    assert!(paid < Money::from_usd(0.001), "looking alone costs: {paid:?}");
    let mut steps = 0;
    while let ColdRestore::Waiting { .. } = at(&BULK) {
        steps += 1;
        assert!(steps < 60, "it comes at another tier");
        cold.sim.advance(Duration::from_secs(3 * 3600));
    }
    assert_same(&library, &tree(&to));
}

#[test]
fn locks_of_what_is_needed_are_extended() {
    let cold = Cold::new();
    cold.library();
    cold.sim.create_locked_bucket("locked").unwrap();
    let bucket = StoreSettings { url: Some("s3://locked/nas".into()), ..cold.bucket() };
    let engine = cold.init(vec![bucket]);
    backup(&engine);
    let quote = engine.quote_locks().unwrap();
    assert!(quote.objects.0 > 10 && quote.cost > Money::ZERO);
    cold.sim.forget_requests();
    let done = engine.extend_locks(90).unwrap();
    assert_eq!(done.objects, quote.objects);
    assert_eq!(cold.count("PutObjectRetention") as u64, quote.objects.0);
    // A bucket without locks is left alone.
    let other = Cold::new();
    other.library();
    let engine = other.init(vec![other.bucket()]);
    backup(&engine);
    assert_eq!(engine.extend_locks(90).unwrap().objects.0, 0);
}

#[test]
fn events_tell_what_is_thawed_and_their_loss_is_made_up_for() {
    for lost in [false, true] {
        let cold = Cold::new();
        let library = cold.library();
        cold.sim.send_restores(BUCKET, "thaws");
        let queue = format!("{}/123456789012/thaws", cold.running.url());
        let engine = cold.init(vec![StoreSettings { events: Some(queue), ..cold.bucket() }]);
        backup(&engine);
        let all = order(&cold.path("out"), &[]);
        let begun = cold.restore(&engine, &all).unwrap();
        assert!(matches!(begun, ColdRestore::Waiting { .. }));
        cold.sim.advance(Duration::from_secs(40 * 3600));
        if lost {
            assert!(!cold.sim.take_messages("thaws").is_empty());
        }
        cold.sim.forget_requests();
        let mut outcome = cold.restore(&engine, &all).unwrap();
        if !lost {
            let heard = cold.sim.requests().iter().filter(|r| r.operation.contains("ReceiveMessage")).count();
            assert!(heard > 0, "the queue was asked");
            assert!(cold.sim.take_messages("thaws").is_empty(), "and what it said was taken");
        }
        while matches!(outcome, ColdRestore::Waiting { .. }) {
            cold.sim.advance(Duration::from_secs(10 * 3600));
            outcome = cold.restore(&engine, &all).unwrap();
        }
        assert_same(&library, &tree(&cold.path("out")));
        assert_eq!(cold.count("RestoreObject"), 0, "nothing was asked for again");
    }
}

/// What `SECURITY.md` gives whoever forgets and prunes.
const PRUNER: &str = r#"{"Version":"2012-10-17","Statement":[
 {"Effect":"Allow","Action":["s3:ListBucket","s3:GetBucketObjectLockConfiguration"],
  "Resource":"arn:aws:s3:::photos"},
 {"Effect":"Allow","Action":"s3:GetObject","Resource":["arn:aws:s3:::photos/nas/darkslide.json",
  "arn:aws:s3:::photos/nas/config/*","arn:aws:s3:::photos/nas/writers/*","arn:aws:s3:::photos/nas/index/*",
  "arn:aws:s3:::photos/nas/refs/*","arn:aws:s3:::photos/nas/condemned/*"]},
 {"Effect":"Allow","Action":"s3:PutObject","Resource":["arn:aws:s3:::photos/nas/condemned/*",
  "arn:aws:s3:::photos/nas/index/*"]},
 {"Effect":"Allow","Action":"s3:DeleteObject","Resource":["arn:aws:s3:::photos/nas/packs/*",
  "arn:aws:s3:::photos/nas/warm/*","arn:aws:s3:::photos/nas/trees/*","arn:aws:s3:::photos/nas/refs/*",
  "arn:aws:s3:::photos/nas/index/*","arn:aws:s3:::photos/nas/condemned/*","arn:aws:s3:::photos/nas/snapshots/*",
  "arn:aws:s3:::photos/nas/previews/*"]}]}"#;

#[test]
fn a_prune_of_the_cold_waits_or_pays_with_the_pruners_rights_alone() {
    use darkslide_engine::{EarlyDeletion, ForgetOptions, PruneOptions, Rules};
    let cold = Cold::new();
    cold.library();
    let engine = cold.init(vec![cold.bucket()]);
    backup(&engine);
    std::fs::remove_dir_all(cold.path("library/2024/hike")).unwrap();
    cold.sim.advance(Duration::from_secs(86_400));
    backup(&engine);
    let key = AccessKey {
        id: "pruner".into(),
        secret: "pruner-secret".into(),
        user: "pruner".into(),
        policies: vec![PRUNER.into()],
        boundary: None,
    };
    cold.sim.add_key(key).unwrap();
    cold.sim.forget_requests();
    let pruner = cold.engine("pruner").for_pruning();
    let keep = ForgetOptions { rules: Some(Rules { last: 1, ..Rules::default() }), ..ForgetOptions::default() };
    assert_eq!(pruner.forget(&pruner.forget_plan(&keep, None).unwrap()).unwrap().snapshots.0, 1);
    let prune = |options: PruneOptions| pruner.prune(&options, &mut |_| true, &Quiet);
    let month = Duration::from_secs(31 * 86_400);
    cold.sim.advance(month);
    assert!(prune(PruneOptions::default()).unwrap().unwrap().pruned.condemned.0 > 0);
    cold.sim.advance(month);
    // 63 of 180 days: cold packs wait for the rest of their stay.
    let waits = prune(PruneOptions::default()).unwrap().unwrap();
    assert_eq!(waits.pruned.cost, Money::ZERO);
    let plan = pruner.prune_plan(&PruneOptions::default()).unwrap();
    assert!(!plan.waiting.is_empty() && plan.to_string().contains("free to delete on 2026-09-"), "{plan}");
    let pay = |max_cost| PruneOptions { early: EarlyDeletion::Pay, max_cost };
    let quoted = pruner.prune_plan(&pay(None)).unwrap().total();
    assert!(quoted > Money::ZERO);
    let refused = prune(pay(Some(Money(quoted.0 / 2)))).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Refused, "{refused}");
    cold.sim.reset_bill();
    let paid = prune(pay(None)).unwrap().unwrap();
    assert!(paid.pruned.cost == quoted && paid.pruned.bytes.0 > 9_000_000, "{:?}", paid.pruned);
    let spent = engine.cost(None, None).unwrap().spent;
    assert!(spent.iter().any(|(kind, sum)| kind == "early deletion" && *sum == quoted), "{spent:?}");
    let billed = cold.sim.bill().amount_of("DEEP_ARCHIVE early deletion").usd();
    assert!((billed / quoted.usd() - 1.0).abs() < 0.1, "{billed} was billed, {quoted} quoted");
    prune(PruneOptions::default()).unwrap();
    for request in cold.sim.requests().iter().filter(|r| r.access_key == "pruner") {
        assert!(request.status < 400 || request.status == 404, "{request:?}");
    }
    assert_eq!(engine.audit(Some(&cold.identity), &Quiet).unwrap().damages(), 0);
    backup(&engine);
}
