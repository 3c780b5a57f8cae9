//! A repository in memory: writers that keep the protocol step by step, a thief who does
//! not, and a prune that others interrupt.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use darkslide_audit::AuditError;
use darkslide_audit::prune::{
    EarlyDeletion, Gathering, Hooks, PruneContext, PruneOptions, Pruned, StoreClock, forget, gather, plan, prune,
};
use darkslide_format::canon::B64;
use darkslide_format::config::{Config, EpochRecipient, Header, NamedRecipient, PackSizes};
use darkslide_format::index::{IndexPack, Segment, Span};
use darkslide_format::keys::KeyPair;
use darkslide_format::manifest::PackKind;
use darkslide_format::names::{self, Kind};
use darkslide_format::signed::{self, DocType, SecretKey};
use darkslide_format::snapshot::{Condemned, Refs};
use darkslide_format::trust::{Trust, WriterDoc, writer_document};
use darkslide_format::{FORMAT, frame, object_id, seal};
use darkslide_store::{
    Capabilities, FaultyStore, Listed, MemoryStore, OnListed, PutFacts, PutOutcome, ReadOutcome, Store, StoreError,
    list_all,
};
use darkslide_words::{
    Bytes, Clock, Count, FixedClock, ObjectId, ObjectName, RepositoryId, Temperature, Time, WriterId,
};

pub const DAY: Duration = Duration::from_secs(86_400);
pub const GRACE: Duration = Duration::from_secs(30 * 86_400);
const REPOSITORY: RepositoryId = RepositoryId::new([7; 16]);
const HOT: PutFacts = PutFacts { crc64: 0, temperature: Temperature::Hot };
const START: Time = Time(1_790_000_000_000_000_000);

pub type Inner = FaultyStore<MemoryStore>;

/// What others do at each call of a prune.
pub type Interruption = Box<dyn FnMut(u64) + Send>;

/// A store that lets others work before each of its calls.
pub struct Interrupted {
    pub inner: Arc<Inner>,
    calls: AtomicU64,
    pub by: Mutex<Option<Interruption>>,
}

impl Interrupted {
    fn tick(&self) {
        let n = self.calls.fetch_add(1, Ordering::SeqCst);
        // Taken out meanwhile: others use the store, too.
        let taken = self.by.lock().unwrap().take();
        if let Some(mut by) = taken {
            by(n);
            *self.by.lock().unwrap() = Some(by);
        }
    }
}

impl Store for Interrupted {
    fn label(&self) -> String {
        self.inner.label()
    }
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
    fn put(&self, name: &ObjectName, bytes: &[u8], facts: &PutFacts) -> Result<PutOutcome, StoreError> {
        self.tick();
        self.inner.put(name, bytes, facts)
    }
    fn read(&self, name: &ObjectName, range: Option<Range<u64>>) -> Result<ReadOutcome, StoreError> {
        self.tick();
        self.inner.read(name, range)
    }
    fn list(&self, prefix: &str, each: &mut OnListed<'_>) -> Result<(), StoreError> {
        self.tick();
        self.inner.list(prefix, each)
    }
    fn delete(&self, name: &ObjectName) -> Result<(), StoreError> {
        self.tick();
        self.inner.delete(name)
    }
}

/// The parts that everybody shares.
pub struct World {
    pub clock: Arc<FixedClock>,
    pub store: Arc<Inner>,
    pub trust: Trust,
    pub index: KeyPair,
    owner: SecretKey,
    serial: AtomicU64,
    at: AtomicU64,
}

pub fn key(n: u8) -> SecretKey {
    SecretKey::from_seed(&[n; 32])
}

pub fn writer(n: u8) -> WriterId {
    key(n).public().writer_id()
}

impl World {
    /// With writers 1 to 4, of whom 4 is the pruner.
    pub fn new() -> Self {
        let clock = Arc::new(FixedClock::new(START));
        let (owner, index) = (key(100), KeyPair::generate());
        let header = Header {
            created: START,
            features: Vec::new(),
            format: FORMAT,
            owner: B64(owner.public().as_bytes().to_vec()),
            repository: REPOSITORY,
        };
        let mut trust = Trust::new(header).unwrap();
        for n in 1..=4 {
            let doc = WriterDoc::enroll(REPOSITORY, &key(n).public(), &format!("writer {n}"), START);
            let (id, bytes) = writer_document(&doc, &owner).unwrap();
            trust.add_writer(id, &bytes).unwrap();
        }
        let epoch = KeyPair::generate();
        let config = Config {
            chunking: darkslide_format::chunking::Chunking::default(),
            created: START,
            epoch: Count(1),
            epochs: vec![EpochRecipient { epoch: Count(1), recipient: epoch.recipient() }],
            features: Vec::new(),
            format: FORMAT,
            id_key_check: darkslide_format::IdKey::new([1; 32]).check(),
            index_recipient: index.recipient(),
            number: Count(1),
            pack: PackSizes::default(),
            previous: None,
            recipients: vec![NamedRecipient { name: "me".into(), recipient: epoch.recipient() }],
            repository: REPOSITORY,
        };
        trust.add_config(1, &signed::sign(DocType::Config, &config, &owner).unwrap()).unwrap();
        let store = Arc::new(FaultyStore::new(MemoryStore::with_clock(clock.clone())));
        Self { clock, store, trust, index, owner, serial: AtomicU64::new(0), at: AtomicU64::new(START.0 as u64) }
    }

    pub fn revoke(&mut self, n: u8) {
        let writer = self.trust.writers()[&writer(n)].clone();
        let doc = WriterDoc::revoke(REPOSITORY, &writer, "stolen", START);
        let (id, bytes) = writer_document(&doc, &self.owner).unwrap();
        self.trust.add_writer(id, &bytes).unwrap();
    }

    /// Time passes, for the store and for everybody.
    pub fn pass(&self, by: Duration) {
        let at = self.at.fetch_add(by.as_nanos() as u64, Ordering::SeqCst) + by.as_nanos() as u64;
        self.clock.set(Time(at as i64));
    }

    pub fn now(&self) -> Time {
        Time(self.at.load(Ordering::SeqCst) as i64)
    }

    fn put(&self, name: &ObjectName, bytes: &[u8]) {
        self.store.inner().put(name, bytes, &HOT).unwrap();
    }

    fn sealed(&self, document: &[u8]) -> Vec<u8> {
        let recipients = self.trust.config().unwrap().index_recipients().unwrap();
        seal::seal(&recipients, &frame::pack_json(document).unwrap()).unwrap()
    }

    pub fn list(&self, prefix: &str) -> Vec<Listed> {
        list_all(self.store.inner(), prefix).unwrap()
    }

    pub fn names(&self, prefix: &str) -> BTreeSet<ObjectName> {
        self.list(prefix).into_iter().map(|l| l.name).collect()
    }

    /// Any bytes as a pack, and a segment that lists it.
    pub fn put_pack(&self, by: u8) -> ObjectName {
        let serial = self.serial.fetch_add(1, Ordering::SeqCst);
        let bytes = format!("pack {serial} of {by}").into_bytes();
        let name = names::object(Kind::Packs, object_id(&bytes));
        self.put(&name, &bytes);
        let row = IndexPack {
            chunks: Vec::new(),
            crc64: format!("{:016x}", 0),
            header: B64(Vec::new()),
            kind: PackKind::Cold,
            manifest: Span { len: Bytes(0), off: Bytes(0) },
            nonce: B64(vec![0; 16]),
            object: name.clone(),
            size: Bytes(bytes.len() as u64),
        };
        let segment = Segment::new(REPOSITORY, writer(by), self.now(), vec![row]);
        let sealed = self.sealed(&signed::sign(DocType::Index, &segment, &key(by)).unwrap());
        self.put(&names::object(Kind::Index, object_id(&sealed)), &sealed);
        name
    }

    pub fn refs(&self, by: u8, time: Time, base: Option<ObjectId>, add: &BTreeSet<ObjectName>) -> Refs {
        Refs {
            add: add.iter().cloned().collect(),
            add_previews: Vec::new(),
            base,
            complete: Some(true),
            features: Vec::new(),
            format: FORMAT,
            job: "photos".into(),
            predecessor: None,
            remove: Vec::new(),
            remove_previews: Vec::new(),
            repository: REPOSITORY,
            snapshot_time: time,
            tags: Vec::new(),
            writer: writer(by),
        }
    }

    pub fn put_refs(&self, by: u8, refs: &Refs) -> ObjectId {
        let sealed = self.sealed(&signed::sign(DocType::Refs, refs, &key(by)).unwrap());
        self.put(&names::object(Kind::Refs, object_id(&sealed)), &sealed);
        object_id(&sealed)
    }

    /// What a snapshot holds nobody of these can open: any bytes do.
    pub fn put_snapshot(&self, by: u8, time: Time) -> ObjectName {
        let serial = self.serial.fetch_add(1, Ordering::SeqCst);
        let bytes = format!("snapshot {serial} of {by}").into_bytes();
        let name = names::snapshot(time, object_id(&bytes));
        self.put(&name, &bytes);
        name
    }

    /// A tombstone by a writer who means no good, or by a stranger.
    pub fn condemn(&self, by: u8, object: &ObjectName, time: Time) {
        let doc = Condemned::new(REPOSITORY, object.clone(), time);
        let bytes = signed::sign(DocType::Condemned, &doc, &key(by)).unwrap();
        let id = names::parse(object).unwrap().id.unwrap();
        let _ = self.store.inner().put(&names::object(Kind::Condemned, id), &bytes, &HOT);
    }

    /// Objects with a tombstone that holds.
    pub fn condemned(&self) -> BTreeSet<ObjectId> {
        let valid = |l: &Listed| {
            let id = names::parse(&l.name)?.id?;
            let bytes = self.store.inner().read(&l.name, None).unwrap().bytes(&l.name).ok()?;
            Condemned::valid(&self.trust, id, &bytes).map(|_| id)
        };
        self.list("condemned/").iter().filter_map(valid).collect()
    }

    /// Prunes with a clock that is wrong by so much; others may interrupt it.
    pub fn prune(&self, wrong: i64, by: Option<Interruption>) -> Result<Pruned, AuditError> {
        let store = Interrupted { inner: self.store.clone(), calls: AtomicU64::new(0), by: Mutex::new(by) };
        let stores: [Arc<dyn Store>; 1] = [Arc::new(store)];
        let clock = Wrong { right: self.clock.clone(), by: wrong };
        let options = PruneOptions { grace: GRACE, early: EarlyDeletion::Wait };
        let gathered = (clock.now(), clock.elapsed());
        let facts = gather(&Gathering {
            stores: &stores,
            absent: &[],
            trust: &self.trust,
            index: &self.index,
            opened: &BTreeMap::new(),
            bases: &[],
            indexed: &self.indexed(),
            prices: &|_| None,
            clock: StoreClock::Asked,
            options: &options,
        })?;
        let plan = plan(&facts, &options)?;
        let signer = key(4);
        let context = PruneContext {
            stores: &stores,
            trust: &self.trust,
            signer: &signer,
            index: &self.index,
            clock: &clock,
            gathered,
        };
        prune(&plan, &context, &mut Quiet)
    }
}

struct Quiet;
impl Hooks for Quiet {}

impl World {
    /// Forgets these snapshots.
    pub fn forget(&self, names: &BTreeSet<ObjectName>) -> Result<(), AuditError> {
        let stores: [Arc<dyn Store>; 1] = [self.store.clone()];
        let (signer, gathered) = (key(4), (self.clock.now(), self.clock.elapsed()));
        let (trust, index, clock) = (&self.trust, &self.index, &*self.clock);
        let context = PruneContext { stores: &stores, trust, signer: &signer, index, clock, gathered };
        forget(names, &context, &mut |_| Ok(())).map(drop)
    }

    /// Packs that trusted segments list.
    pub fn indexed(&self) -> BTreeSet<ObjectName> {
        let mut all = BTreeSet::new();
        for listed in self.list("index/") {
            let bytes = self.store.inner().read(&listed.name, None).unwrap().bytes(&listed.name).unwrap();
            let packed = seal::open(&bytes, &[self.index.identity()], 1 << 20).unwrap();
            let document = frame::unpack_json("segment", &packed, 1 << 20).unwrap();
            let (verified, _) = self.trust.by_writer(DocType::Index, &document).unwrap();
            all.extend(Segment::parse(verified.payload, REPOSITORY).unwrap().packs.into_iter().map(|p| p.object));
        }
        all
    }

    /// A segment that lists several packs, by the rows of their own.
    pub fn join_segments(&self, by: u8) {
        let mut packs = Vec::new();
        for listed in self.list("index/") {
            let bytes = self.store.inner().read(&listed.name, None).unwrap().bytes(&listed.name).unwrap();
            let packed = seal::open(&bytes, &[self.index.identity()], 1 << 20).unwrap();
            let document = frame::unpack_json("segment", &packed, 1 << 20).unwrap();
            let verified = signed::verify(DocType::Index, &document).unwrap();
            packs.extend(Segment::parse(verified.payload, REPOSITORY).unwrap().packs);
            self.store.inner().delete(&listed.name).unwrap();
        }
        let segment = Segment::new(REPOSITORY, writer(by), self.now(), packs);
        let sealed = self.sealed(&signed::sign(DocType::Index, &segment, &key(by)).unwrap());
        self.put(&names::object(Kind::Index, object_id(&sealed)), &sealed);
    }
}

/// A clock that is wrong.
struct Wrong {
    right: Arc<FixedClock>,
    by: i64,
}

impl Clock for Wrong {
    fn now(&self) -> Time {
        Time(self.right.now().0 + self.by)
    }
    fn elapsed(&self) -> Duration {
        self.right.elapsed()
    }
}

/// A machine that backs up, one step at a time.
pub struct Machine {
    pub n: u8,
    /// Its clock is wrong by so much.
    pub wrong: i64,
    /// Its job's last refs.
    base: Option<(ObjectId, BTreeSet<ObjectName>)>,
    last: Time,
    step: Step,
}

enum Step {
    Idle,
    Chosen(BTreeSet<ObjectName>),
    Declared(Declared),
    Checked(Declared),
}

struct Declared {
    needed: BTreeSet<ObjectName>,
    time: Time,
    refs: ObjectId,
    base: Option<ObjectId>,
}

impl Machine {
    pub fn new(n: u8, wrong: i64) -> Self {
        Self { n, wrong, base: None, last: Time(0), step: Step::Idle }
    }

    /// The next step of its run; a snapshot that it put, and what that needs.
    pub fn step(&mut self, world: &World, choice: u64) -> Option<(ObjectName, BTreeSet<ObjectName>)> {
        let step = std::mem::replace(&mut self.step, Step::Idle);
        self.step = match step {
            Step::Idle => {
                // Some of what is there, whoever stored it, and something new.
                let good = good(world);
                let chosen = good.into_iter().enumerate().filter(|(n, _)| choice >> (n % 60) & 1 == 1);
                let mut needed: BTreeSet<_> = chosen.map(|(_, pack)| pack).collect();
                needed.insert(world.put_pack(self.n));
                Step::Chosen(needed)
            }
            Step::Chosen(needed) => Step::Declared(self.declare(world, needed)),
            Step::Declared(declared) => {
                let base = declared.base.is_none_or(|id| holds(world, id));
                match base && declared.needed.is_subset(&good(world)) {
                    true => Step::Checked(declared),
                    // The run ends here; the next one begins anew.
                    false => Step::Idle,
                }
            }
            Step::Checked(Declared { needed, time, refs, .. }) => {
                let name = world.put_snapshot(self.n, time);
                self.base = Some((refs, needed.clone()));
                return Some((name, needed));
            }
        };
        None
    }

    /// Its process dies: the next run begins from what it has recorded.
    pub fn dies(&mut self) {
        self.step = Step::Idle;
    }

    /// Runs to the end of a run; what it put.
    pub fn finish(&mut self, world: &World) -> (ObjectName, BTreeSet<ObjectName>) {
        (0..).find_map(|_| self.step(world, 0)).unwrap()
    }

    fn declare(&mut self, world: &World, needed: BTreeSet<ObjectName>) -> Declared {
        // Two machines never put snapshots in the same millisecond here.
        let now = Time(world.now().0 + self.wrong).plus(u32::from(self.n) * Duration::from_millis(100));
        let time = now.max(self.last.plus(Duration::from_millis(1))).to_millis();
        self.last = time;
        let base = self.base.clone().filter(|(id, _)| holds(world, *id));
        let (id, before) = base.map_or((None, BTreeSet::new()), |(id, before)| (Some(id), before));
        let mut refs = world.refs(self.n, time, id, &needed.difference(&before).cloned().collect());
        refs.remove = before.difference(&needed).cloned().collect();
        let put = world.put_refs(self.n, &refs);
        Declared { needed, time, refs: put, base: id }
    }
}

/// What a writer may rely on. Tombstones are looked at before the listing.
fn good(world: &World) -> BTreeSet<ObjectName> {
    let condemned = world.condemned();
    let mut good = world.names("packs/");
    good.retain(|pack| names::parse(pack).unwrap().id.is_some_and(|id| !condemned.contains(&id)));
    good
}

fn holds(world: &World, refs: ObjectId) -> bool {
    let condemned = world.condemned();
    !condemned.contains(&refs) && world.names("refs/").contains(&names::object(Kind::Refs, refs))
}
