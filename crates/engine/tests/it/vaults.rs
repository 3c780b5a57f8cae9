//! Backups into a Glacier vault with a companion, and back, on the simulator: thaws of parts, kills,
//! lost machines, lost companions, and the way out.

mod dying;
mod killed;
mod paced;
mod told;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use darkslide_coldsim::{ColdSim, Fault, FaultKind, Options, Running};
use darkslide_engine::vault::{InventoryState, Standing};
use darkslide_engine::words::{Bytes, Clock, Money, Name, OsRng, StorageClass, Tier, Time};
use darkslide_engine::{
    BackupOptions, ColdRestore, Engine, EngineError, Existing, Founder, IdentityFile, ImportOptions, InitOptions,
    JoinWith, LeaveOptions, LeavePlan, Leaving, OpenOptions, PackSizes, Payer, RestoreOptions, Severity, StoreOpener,
    StoreSettings, ThawOptions, ThawPlan,
};
use darkslide_store::{Store, StoreError};
use darkslide_store_dir::DirStore;
use darkslide_store_glacier::{NoSleep, Surroundings, VaultSettings, VaultStore};
use darkslide_store_s3::{Key, S3Settings, S3Store};

use crate::harness::{Quiet, Tree, assert_same, identity, noise, same, tree};
use dying::{Dying, Switch};

const VAULT: &str = "photos";
const HOUR: Duration = Duration::from_secs(3600);

/// Opens vaults and buckets of the simulator, and directories.
struct Opener {
    sim: ColdSim,
    url: String,
    switch: Arc<Switch>,
    parts: Option<Bytes>,
}

impl Opener {
    fn vault_settings(&self, settings: &StoreSettings) -> VaultSettings {
        let mut vault = VaultSettings::from_url(&settings.label()).unwrap();
        vault.endpoint = Some(self.url.clone());
        vault.region = Some("us-east-1".into());
        vault.record.clone_from(&settings.record);
        vault.events.clone_from(&settings.events);
        vault.patience.attempts_max = 2;
        if let Some(part) = self.parts {
            (vault.multipart_from, vault.part) = (part, part);
        }
        vault.credentials =
            Some(darkslide_store_glacier::Key { id: "coldsim".into(), secret: "coldsim-secret".into(), token: None });
        vault
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SimClock(self.sim.clone()))
    }

    fn surroundings() -> Surroundings {
        Surroundings { sleeper: Arc::new(NoSleep), rng: Box::new(OsRng) }
    }

    /// What can be killed at any of its calls.
    fn mortal(&self, inner: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(Dying { inner, switch: self.switch.clone() })
    }

    fn plain(&self, settings: &StoreSettings, new: bool) -> Result<Arc<dyn Store>, StoreError> {
        match &settings.path {
            Some(path) if new => Ok(Arc::new(DirStore::create(path)?)),
            Some(path) => Ok(Arc::new(DirStore::open(path, &*self.clock())?)),
            None => {
                let mut s3 = S3Settings::from_url(settings.url.as_deref().unwrap_or_default())?;
                s3.endpoint = Some(self.url.clone());
                s3.region = Some("us-east-1".into());
                s3.patience.attempts_max = 2;
                s3.patience.first = Duration::from_millis(1);
                s3.classes.cold = settings.class.clone().unwrap_or(StorageClass::DeepArchive);
                s3.credentials = Some(Key { id: "coldsim".into(), secret: "coldsim-secret".into(), token: None });
                Ok(Arc::new(S3Store::create(s3)?))
            }
        }
    }
}

impl StoreOpener for Opener {
    fn create(&self, settings: &StoreSettings) -> Result<Arc<dyn Store>, StoreError> {
        let Some(companion) = &settings.companion else { return self.plain(settings, true) };
        let companion = self.mortal(self.plain(companion, true)?);
        let (vault, around) = (self.vault_settings(settings), Self::surroundings());
        Ok(self.mortal(Arc::new(VaultStore::create(vault, companion, self.clock(), around)?)))
    }

    fn open(&self, settings: &StoreSettings) -> Result<Arc<dyn Store>, StoreError> {
        let Some(companion) = &settings.companion else { return self.plain(settings, false) };
        let companion = self.mortal(self.plain(companion, false)?);
        let (vault, around) = (self.vault_settings(settings), Self::surroundings());
        Ok(self.mortal(Arc::new(VaultStore::open(vault, companion, self.clock(), around)?)))
    }

    fn visit(&self, settings: &StoreSettings) -> Result<Arc<dyn Store>, StoreError> {
        Ok(Arc::new(VaultStore::visit(self.vault_settings(settings), self.clock(), Self::surroundings())?))
    }

    fn rebuild(&self, settings: &StoreSettings, set: &str) -> Result<Arc<dyn Store>, StoreError> {
        let companion = self.plain(settings.companion.as_ref().unwrap(), true)?;
        let (vault, around) = (self.vault_settings(settings), Self::surroundings());
        Ok(Arc::new(VaultStore::rebuild(vault, companion, self.clock(), around, set)?))
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

struct Site {
    folder: tempfile::TempDir,
    sim: ColdSim,
    running: Running,
    identity: IdentityFile,
    switch: Arc<Switch>,
    /// The companion is a bucket of the simulator.
    bucket: bool,
    /// The store hears of finished jobs from a queue of that name.
    queue: Option<&'static str>,
    /// Archives go into the vault in parts of so many bytes.
    parts: Option<Bytes>,
}

impl Site {
    fn new() -> Self {
        let start = Time::from_compact("20260310T093000.000Z").unwrap();
        let real = Arc::new(darkslide_engine::words::SystemClock::default());
        let sim = ColdSim::open(Options::new(start), real).unwrap();
        let running = sim.start(([127, 0, 0, 1], 0).into()).unwrap();
        let (folder, switch) = (tempfile::tempdir().unwrap(), Arc::default());
        Self { folder, sim, running, identity: identity(), switch, bucket: false, queue: None, parts: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path("library").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Two shoots of incompressible photographs with sidecars.
    fn library(&self) -> Tree {
        for (shoot, seed) in [("2024/hike", 10u64), ("2024/wedding", 20)] {
            for n in 0..4 {
                self.write(&format!("{shoot}/IMG_{n}.CR3"), &noise(seed + n, 3_000_000));
                self.write(&format!("{shoot}/IMG_{n}.xmp"), format!("<x:{shoot}:{n}/>").as_bytes());
            }
        }
        tree(&self.path("library"))
    }

    fn vault(&self) -> StoreSettings {
        let companion = match self.bucket {
            true => StoreSettings { class: Some(StorageClass::Standard), ..StoreSettings::parse("s3://beside/photos") },
            false => StoreSettings::dir(self.path("companion")),
        };
        StoreSettings {
            companion: Some(Box::new(companion)),
            events: self.queue.map(|name| format!("{}/123456789012/{name}", self.running.url())),
            ..StoreSettings::parse(&format!("glacier://{VAULT}"))
        }
    }

    fn opener(&self) -> Arc<Opener> {
        let (sim, url) = (self.sim.clone(), self.running.url());
        Arc::new(Opener { sim, url, switch: self.switch.clone(), parts: self.parts })
    }

    fn init(&self) -> Engine {
        let options = InitOptions {
            cloud: Default::default(),
            config: self.path("darkslide.toml"),
            library: self.path("library"),
            stores: vec![self.vault()],
            founder: Founder::Identity(same(&self.identity)),
            writer: "nas".into(),
            pack: PackSizes { target: Bytes::mib(16), ..PackSizes::default() },
        };
        Engine::init(options, self.opener(), self.opener().clock(), &mut OsRng).unwrap().0
    }

    /// A process that starts anew.
    fn engine(&self) -> Engine {
        Engine::load(&self.path("darkslide.toml"), self.opener(), self.opener().clock()).unwrap()
    }

    fn settings(&self) -> StoreSettings {
        self.engine().vault_settings(None).unwrap().unwrap()
    }

    fn restore(&self, engine: &Engine, order: &RestoreOptions, thaw: &ThawOptions) -> Result<ColdRestore, EngineError> {
        engine.restore_cold(order, thaw, &self.identity, &mut yes, &Quiet)
    }

    /// Restores in processes of their own, turning the clock, until all is there.
    fn restore_all(&self, to: &str, paths: &[&str], thaw: &ThawOptions) {
        let order = order(&self.path(to), paths);
        for _ in 0..40 {
            match self.restore(&self.engine(), &order, thaw).unwrap() {
                ColdRestore::Done(done) => {
                    assert!(done.casualties.is_empty(), "{:?}", done.casualties);
                    return;
                }
                ColdRestore::Waiting { progress, .. } => {
                    assert_eq!(progress.stop, None);
                    self.sim.advance(2 * HOUR);
                }
                ColdRestore::Declined => panic!("nobody declined"),
            }
        }
        panic!("it does not end");
    }

    fn count(&self, operation: &str) -> usize {
        self.sim.requests().iter().filter(|r| r.operation == operation && r.status < 400).count()
    }

    /// Reads an inventory, however long it takes.
    fn inventory(&self) -> darkslide_engine::vault::Reconciled {
        let vault = self.engine().open_vault(&self.settings()).unwrap();
        vault.get().start_inventory().unwrap();
        for _ in 0..30 {
            if let InventoryState::Read(made) = vault.get().inventory().unwrap() {
                return made;
            }
            self.sim.advance(HOUR);
        }
        panic!("no inventory came");
    }
}

fn backup(engine: &Engine) {
    let options = BackupOptions { host: "nas".into(), ..BackupOptions::default() };
    let done = engine.backup(&options, &Quiet).unwrap();
    assert!(done.done.failures.is_empty() && done.refused.is_empty());
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
const STANDARD: ThawOptions = ThawOptions { tier: Tier::Standard, days: None, max_cost: None };

fn yes(_: &ThawPlan) -> bool {
    true
}

#[test]
fn photographs_go_into_a_vault_and_come_back_for_what_was_quoted() {
    let site = Site::new();
    let library = site.library();
    backup(&site.init());
    let packs = site.count("UploadArchive");
    assert!(packs >= 2);
    let stored = site.sim.bill().total;
    let spent: Money = site.engine().cost(None, Some(Bytes(0))).unwrap().spent.iter().map(|(_, m)| *m).sum();
    assert!(near(spent, stored), "the ledger says {spent}, the bill {stored}");
    site.sim.reset_bill();
    site.sim.forget_requests();
    let quote = site.engine().quote_restore(&order(&site.path("out"), &[]), &STANDARD).unwrap();
    assert_eq!(site.sim.requests(), [], "a quote asks nobody");
    site.restore_all("out", &[], &STANDARD);
    assert_same(&library, &tree(&site.path("out")));
    assert_eq!(site.count("InitiateJob"), packs, "each pack was asked for once");
    let billed = thawed(&site.sim);
    let asked: Money = quote.thaw.packs.iter().map(|pack| pack.ask).sum();
    assert!(near(asked, billed), "quoted {asked}, billed {billed}");
}

/// What the simulator bills for jobs and what they bring.
fn thawed(sim: &ColdSim) -> Money {
    let bill = sim.bill();
    bill.lines.iter().filter(|line| line.what.contains("etriev")).map(|line| line.amount).sum()
}

fn near(ours: Money, theirs: Money) -> bool {
    (ours.0 - theirs.0).abs() * 100 <= ours.0.max(theirs.0)
}

#[test]
fn one_photograph_thaws_a_part_of_one_pack() {
    let site = Site::new();
    site.library();
    backup(&site.init());
    site.sim.forget_requests();
    site.sim.reset_bill();
    site.restore_all("out", &["2024/hike/IMG_2.CR3"], &BULK);
    let restored = std::fs::read(site.path("out/2024/hike/IMG_2.CR3")).unwrap();
    assert_eq!(restored, noise(12, 3_000_000));
    assert_eq!(site.count("InitiateJob"), 1);
    let vault = site.engine().open_vault(&site.settings()).unwrap();
    let job = vault.get().jobs().unwrap().into_iter().find(|job| job.name.is_some()).unwrap();
    let part = job.span.unwrap();
    let archives = vault.archives().unwrap();
    let pack = archives.iter().find(|a| a.name == job.name).unwrap();
    assert!(part.len() <= 8 << 20 && part.len() < pack.size.0, "{part:?} of {}", pack.size);
}

#[test]
fn a_thaw_that_is_killed_at_any_call_is_paid_once() {
    for kind in [FaultKind::CutAfter, FaultKind::CutBefore] {
        for operation in ["InitiateJob", "ListJobs", "GetJobOutput"] {
            for skip in 0..2 {
                let site = Site::new();
                let library = site.library();
                backup(&site.init());
                let packs = site.count("UploadArchive");
                // A read that breaks off once is made again; one that fails for good is told as such.
                let count = if operation == "GetJobOutput" { 1 } else { 2 };
                let operation_of = Some(operation.to_string());
                let fault = Fault { operation: operation_of, key_prefix: None, skip, count, kind: kind.clone() };
                site.sim.fault(fault);
                let to = order(&site.path("out"), &[]);
                for _ in 0..40 {
                    match site.restore(&site.engine(), &to, &BULK) {
                        Ok(ColdRestore::Done(done)) if done.casualties.is_empty() => break,
                        Ok(ColdRestore::Done(done)) => panic!("{operation} {skip}: {:?}", done.casualties),
                        Ok(ColdRestore::Waiting { .. }) => site.sim.advance(2 * HOUR),
                        Ok(ColdRestore::Declined) => panic!("nobody declined"),
                        // A process that ends with an error is started again.
                        Err(_) => {}
                    }
                }
                assert_same(&library, &tree(&site.path("out")));
                let vault = site.engine().open_vault(&site.settings()).unwrap();
                let jobs = vault.get().jobs().unwrap().into_iter().filter(|job| job.name.is_some()).count();
                assert_eq!(jobs, packs, "{operation} {skip} {kind:?}: none was asked for twice");
            }
        }
    }
}

#[test]
fn a_lost_machine_restores_from_companion_and_vault_without_an_inventory() {
    let site = Site::new();
    let library = site.library();
    backup(&site.init());
    for lost in ["darkslide.toml", "darkslide-state", "library"] {
        let path = site.path(lost);
        if path.is_dir() { std::fs::remove_dir_all(path).unwrap() } else { std::fs::remove_file(path).unwrap() }
    }
    let options = OpenOptions {
        config: site.path("darkslide.toml"),
        stores: vec![site.vault()],
        with: JoinWith::Identity(same(&site.identity)),
        library: None,
        writer: "new".into(),
        owner: None,
    };
    site.sim.forget_requests();
    Engine::open(options, site.opener(), site.opener().clock(), &mut OsRng).unwrap();
    assert_eq!(site.count("InitiateJob"), 0, "no inventory was needed");
    site.restore_all("out", &[], &BULK);
    assert_same(&library, &tree(&site.path("out")));
}

#[test]
fn receipts_that_were_lost_come_back_from_an_inventory() {
    let site = Site::new();
    let library = site.library();
    backup(&site.init());
    site.sim.advance(26 * HOUR);
    std::fs::remove_dir_all(site.path("companion/archives")).unwrap();
    std::fs::remove_dir_all(site.path("darkslide-state/vaults")).unwrap();
    let made = site.inventory();
    assert!(made.found.0 >= 2 && made.missing.0 == 0, "{made:?}");
    site.restore_all("out", &[], &BULK);
    assert_same(&library, &tree(&site.path("out")));
}

#[test]
fn an_audit_knows_what_is_too_new_and_leaves_others_archives_alone() {
    let site = Site::new();
    site.library();
    let engine = site.init();
    backup(&engine);
    site.sim.advance(26 * HOUR);
    site.inventory();
    site.write("2025/new.CR3", &noise(50, 2_000_000));
    backup(&site.engine());
    let report = site.engine().audit(Some(&site.identity), &Quiet).unwrap();
    assert_eq!(report.damages(), 0, "{:?}", report.findings);
    let told = |text: &str| report.findings.iter().any(|f| f.severity == Severity::Note && f.what.contains(text));
    assert!(told("too new for the inventory"), "{:?}", report.findings);
    assert!(!report.findings.iter().any(|f| f.what.contains("does not show it")));
}

#[test]
fn a_vault_is_left_for_a_bucket_and_emptied_by_a_command_of_its_own() {
    let site = Site::new();
    let library = site.library();
    backup(&site.init());
    site.sim.create_bucket("new-home").unwrap();
    let to = StoreSettings { class: Some(StorageClass::Standard), ..StoreSettings::parse("s3://new-home/photos") };
    let options = LeaveOptions { tier: Tier::Bulk, max_cost: None };
    let mut plans = 0;
    let mut ask = |plan: &LeavePlan| {
        plans += 1;
        plan.total() > Money::ZERO
    };
    let nothing = site.engine().empty_vault(&site.settings(), &to, &mut |_, _| true).unwrap().unwrap();
    assert!(nothing.deleted.0 == 0 && nothing.kept.len() >= 2, "nothing is there yet, so nothing goes");
    let mut moved = None;
    for _ in 0..20 {
        match site.engine().leave_vault(&site.settings(), &to, options, &mut ask).unwrap() {
            Leaving::Moved { packs, .. } => {
                moved = Some(packs);
                break;
            }
            Leaving::Waiting { stop, .. } => assert_eq!(stop, None),
            Leaving::Declined => panic!("nobody declined"),
        }
        site.sim.advance(4 * HOUR);
    }
    let packs = moved.expect("it ends");
    assert_eq!((plans, site.count("InitiateJob")), (1, packs.0 as usize));
    let vault = site.engine().open_vault(&site.settings()).unwrap();
    let ours = || vault.archives().unwrap().iter().filter(|a| a.standing == Standing::Ours).count();
    assert_eq!(ours() as u64, packs.0, "the vault is as it was");
    // The bucket alone is the whole repository.
    let new = OpenOptions {
        config: site.path("new/darkslide.toml"),
        stores: vec![to.clone()],
        with: JoinWith::Identity(same(&site.identity)),
        library: None,
        writer: "new".into(),
        owner: None,
    };
    let engine = Engine::open(new, site.opener(), site.opener().clock(), &mut OsRng).unwrap().0;
    assert!(matches!(site.restore(&engine, &order(&site.path("out"), &[]), &BULK).unwrap(), ColdRestore::Done(_)));
    assert_same(&library, &tree(&site.path("out")));
    let left = site.engine().empty_vault(&site.settings(), &to, &mut |_, _| true).unwrap().unwrap();
    assert_eq!((left.deleted, left.kept.len(), ours()), (packs, 0, 0));
}

/// Uploads an archive as another program would, with words of its own beside it.
fn stranger(site: &Site, description: &str, bytes: &[u8]) {
    use aws_sdk_glacier::config::{BehaviorVersion, Credentials, Region};
    let config = aws_sdk_glacier::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("coldsim", "coldsim-secret", None, None, "test"))
        .endpoint_url(site.running.url())
        .build();
    let client = aws_sdk_glacier::Client::from_conf(config);
    let upload = client.upload_archive().account_id("-").vault_name(VAULT).archive_description(description);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(upload.body(bytes.to_vec().into()).send()).unwrap();
}

#[test]
fn files_of_another_program_come_back_under_their_names_and_over_nothing() {
    let site = Site::new();
    site.library();
    backup(&site.init());
    // {"filename":"2012/Zürich.CR2","mtime":"20130102T030405Z"}, and {"filename":"../out.CR2", … }
    let named = "mt2 eyJmaWxlbmFtZSI6IjIwMTIvWsO8cmljaC5DUjIiLCJtdGltZSI6IjIwMTMwMTAyVDAzMDQwNVoifQ";
    let evil = "mt2 eyJmaWxlbmFtZSI6Ii4uL291dC5DUjIiLCJtdGltZSI6IjIwMTMwMTAyVDAzMDQwNVoifQ";
    let bytes = noise(70, 2_500_000);
    stranger(&site, named, &bytes);
    stranger(&site, evil, b"evil");
    stranger(&site, "who knows", b"unnamed");
    site.sim.advance(26 * HOUR);
    let made = site.inventory();
    assert_eq!(made.foreign.0, 3);
    let vault = site.engine().open_vault(&site.settings()).unwrap();
    let files = vault.get().foreign_files(None).unwrap();
    assert_eq!(files.len(), 2);
    let to = site.path("imported");
    let options = ImportOptions { files, to: to.clone(), tier: Tier::Bulk, max_cost: None };
    let step = |yes: bool| {
        Payer::Repository(&site.engine()).import(&vault, &site.settings(), &options, &mut |_, _, _| yes).unwrap()
    };
    let refused = step(false);
    assert_eq!((refused.declined.0, refused.waiting.0, refused.failed.len()), (1, 0, 1), "no name leads out");
    assert_eq!(step(true).waiting.0, 1);
    assert_eq!(step(false).waiting.0, 1, "it is asked for once");
    site.sim.advance(13 * HOUR);
    let done = step(false);
    assert_eq!((done.written.0, done.waiting.0, done.bytes.0), (1, 0, 2_500_000));
    assert_eq!(std::fs::read(to.join("2012/Zürich.CR2")).unwrap(), bytes);
    let modified = std::fs::metadata(to.join("2012/Zürich.CR2")).unwrap().modified().unwrap();
    let since = modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(since, 1_357_095_845);
    assert_eq!(step(false).there.0, 1);
    std::fs::write(to.join("2012/Zürich.CR2"), b"mine").unwrap();
    assert_eq!(step(false).failed.len(), 2, "another file was not touched");
    assert_eq!(std::fs::read(to.join("2012/Zürich.CR2")).unwrap(), b"mine");
}
