//! The scrub: objects' bytes against their names and checksums; with an identity, every chunk
//! against its id; parity beside them, where there is any. What was read is remembered as the
//! scrub goes on, so that the next one goes on from there.

mod chunks;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use darkslide_catalog::{Catalog, Checked, ScrubRow};
use darkslide_format::frame::Unframer;
use darkslide_format::identity::Identities;
use darkslide_format::names::{self, Kind};
use darkslide_format::stream::crc64;
use darkslide_format::trust::Trust;
use darkslide_format::{FormatError, IdKey, object_id};
use darkslide_store::{Listed, ParityState, ReadOutcome, Readable, Store, StoreError};
use darkslide_words::{Bytes, ChunkId, Clock, Count, ObjectId, ObjectName, StorageClass};

use crate::report::{Report, Severity};
use crate::rotation::Turn;
use crate::{AuditError, Observer, Progress, replaced};

/// What a scrub works with.
pub struct ScrubContext<'a> {
    /// The stores.
    pub stores: &'a [Arc<dyn Store>],
    /// This machine's catalog: it knows the packs' checksums, and remembers what was read.
    pub catalog: &'a Path,
    /// Who may sign.
    pub trust: &'a Trust,
    /// Opens packs; without it chunks are not looked at.
    pub keys: Option<(&'a Identities, &'a IdKey)>,
    /// Who watches.
    pub observer: &'a dyn Observer,
    /// The time.
    pub clock: &'a dyn Clock,
    /// No further object is begun after this, by the clock's running time.
    pub until: Option<Duration>,
}

impl ScrubContext<'_> {
    fn is_over(&self) -> bool {
        self.observer.cancelled() || self.until.is_some_and(|until| self.clock.elapsed() >= until)
    }
}

struct Shared<'a> {
    context: &'a ScrubContext<'a>,
    queue: Mutex<Vec<Turn>>,
    report: Mutex<Report>,
    checksums: HashMap<ObjectName, u64>,
    listed: &'a [HashSet<ObjectName>],
    expected: Bytes,
}

/// What the stores hold.
pub struct Inventories {
    /// Every object that has a name by its content, and when it was read last.
    pub turns: Vec<Turn>,
    names: Vec<HashSet<ObjectName>>,
}

/// Objects after which what was found is written down.
const REMEMBER: usize = 32;

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lists the stores.
pub fn inventories(context: &ScrubContext<'_>) -> Result<Inventories, AuditError> {
    let catalog = Catalog::open(context.catalog)?;
    let (mut turns, mut names) = (Vec::new(), Vec::new());
    for (n, store) in context.stores.iter().enumerate() {
        let mut seen = HashMap::new();
        catalog.for_each_scrub::<AuditError>(&store.label(), |row| {
            seen.insert(row.name, (row.checked, row.size));
            Ok(())
        })?;
        let mut listed = HashSet::new();
        store.list("", &mut |one| {
            listed.insert(one.name.clone());
            if names::parse(&one.name).is_some_and(|p| p.id.is_some() && p.kind != Kind::Condemned) {
                let last = seen.get(&one.name).filter(|(_, size)| *size == one.size).map(|(at, _)| *at);
                turns.push(Turn { store: n, listed: one, last });
            }
            Ok(())
        })?;
        names.push(listed);
    }
    turns.sort_by(|a, b| (a.store, &a.listed.name).cmp(&(b.store, &b.listed.name)));
    Ok(Inventories { turns, names })
}

/// True for an object that can be read without a thaw.
pub fn is_at_hand(listed: &Listed) -> bool {
    !matches!(listed.readable, Readable::Cold | Readable::Thawing)
}

/// Reads what the queue says on two threads, in its order.
pub fn scrub(
    context: &ScrubContext<'_>,
    queue: Vec<Turn>,
    inventories: &Inventories,
    report: Report,
) -> Result<Report, AuditError> {
    let mut checksums = HashMap::new();
    let catalog = Catalog::open(context.catalog)?;
    catalog.for_each_pack::<AuditError>(|_, facts, _, _| {
        checksums.insert(facts.name, facts.crc64);
        Ok(())
    })?;
    let expected = queue.iter().map(|turn| turn.listed.size).sum();
    let mut queue = queue;
    queue.reverse();
    let shared = Shared {
        context,
        queue: Mutex::new(queue),
        report: Mutex::new(report),
        checksums,
        listed: &inventories.names,
        expected,
    };
    shared.missing(&catalog)?;
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(|| work(&shared))).collect();
        workers.into_iter().try_for_each(|w| w.join().unwrap_or(Err(AuditError::Cancelled)))
    })?;
    let mut report = std::mem::take(&mut *lock(&shared.report));
    report.findings.sort_by(|a, b| a.object.cmp(&b.object));
    match context.observer.cancelled() {
        true => Err(AuditError::Cancelled),
        false => Ok(report),
    }
}

impl Shared<'_> {
    /// Packs of the index that a store does not list.
    fn missing(&self, catalog: &Catalog) -> Result<(), AuditError> {
        for (store, listed) in self.listed.iter().enumerate() {
            let mut missing: Vec<&ObjectName> = self.checksums.keys().filter(|name| !listed.contains(*name)).collect();
            missing.sort();
            for name in missing {
                match replaced(catalog, name, &|other| listed.contains(other))? {
                    true => self.add(Severity::Note, store, name, crate::REPLACED),
                    false => self.add(Severity::Damage, store, name, "is in the index and missing from the store"),
                }
            }
        }
        Ok(())
    }

    fn add(&self, severity: Severity, store: usize, name: &ObjectName, what: impl std::fmt::Display) {
        let label = self.context.stores[store].label();
        let what = match self.context.stores.len() {
            1 => what.to_string(),
            _ => format!("[{label}] {what}"),
        };
        lock(&self.report).add(severity, Some(name), what);
    }
}

fn work(shared: &Shared<'_>) -> Result<(), AuditError> {
    let catalog = Catalog::open(shared.context.catalog)?;
    let stores = shared.context.stores.len();
    let mut worker = Worker {
        shared,
        catalog,
        unframer: Unframer::new()?,
        bases: HashMap::new(),
        buffer: Vec::new(),
        store: 0,
        wrong: Vec::new(),
        worn: false,
        looked: vec![Vec::new(); stores],
    };
    loop {
        if shared.context.is_over() {
            break;
        }
        let Some(turn) = lock(&shared.queue).pop() else { break };
        worker.turn(&turn)?;
        let mut report = lock(&shared.report);
        report.objects += Count(1);
        report.bytes += turn.listed.size;
        let progress = Progress { objects: report.objects, bytes: report.bytes, expected: Some(shared.expected) };
        drop(report);
        shared.context.observer.progress(&progress);
    }
    worker.remember()
}

struct Worker<'a> {
    shared: &'a Shared<'a>,
    catalog: Catalog,
    unframer: Unframer,
    bases: HashMap<ChunkId, Vec<u8>>,
    buffer: Vec<u8>,
    store: usize,
    /// What is wrong with the object at hand.
    wrong: Vec<String>,
    /// True if its parity is damaged.
    worn: bool,
    /// What was found and is not written down yet, by store.
    looked: Vec<Vec<ScrubRow>>,
}

/// Whether an object was read.
#[derive(PartialEq)]
enum Looked {
    At,
    NotAt,
}

impl Worker<'_> {
    fn damage(&mut self, name: &ObjectName, what: impl std::fmt::Display) {
        self.wrong.push(what.to_string());
        self.shared.add(Severity::Damage, self.store, name, what);
    }

    /// Writes down what was found.
    fn remember(&mut self) -> Result<(), AuditError> {
        let (catalog, looked) = (&self.catalog, &mut self.looked);
        catalog.transaction::<(), AuditError>(|| {
            for (store, rows) in self.shared.context.stores.iter().zip(looked.iter()) {
                catalog.put_scrubs(&store.label(), rows)?;
            }
            Ok(())
        })?;
        looked.iter_mut().for_each(Vec::clear);
        Ok(())
    }

    fn turn(&mut self, turn: &Turn) -> Result<(), AuditError> {
        self.store = turn.store;
        self.wrong.clear();
        self.worn = false;
        if self.object(&turn.listed)? == Looked::At {
            let wrong = std::mem::take(&mut self.wrong);
            let outcome = match (wrong.is_empty(), self.worn) {
                (false, _) => Checked::Damaged,
                (true, true) => Checked::Worn,
                (true, false) => Checked::Good,
            };
            self.looked[turn.store].push(ScrubRow {
                name: turn.listed.name.clone(),
                size: turn.listed.size,
                checked: self.shared.context.clock.now(),
                outcome,
                why: wrong.into_iter().next().unwrap_or_default(),
            });
        }
        match self.looked.iter().map(Vec::len).sum::<usize>() >= REMEMBER {
            true => self.remember(),
            false => Ok(()),
        }
    }

    fn object(&mut self, listed: &Listed) -> Result<Looked, AuditError> {
        let name = &listed.name;
        let cold = |class: &StorageClass| {
            lock(&self.shared.report).add_cold(class, listed.size);
            Ok(Looked::NotAt)
        };
        if !is_at_hand(listed) {
            return cold(&listed.class);
        }
        let Some(parsed) = names::parse(name) else { return Ok(Looked::NotAt) };
        let store = self.shared.context.stores[self.store].clone();
        let bytes = match store.read(name, None) {
            Ok(ReadOutcome::Bytes(bytes)) => bytes,
            Ok(ReadOutcome::Cold { .. } | ReadOutcome::Thawing { .. }) => return cold(&listed.class),
            Ok(other) => {
                self.damage(name, format!("could not be read: {other:?}"));
                return Ok(Looked::NotAt);
            }
            Err(StoreError::Denied { .. }) => {
                lock(&self.shared.report).denied += Count(1);
                return Ok(Looked::NotAt);
            }
            // The place is gone, not the object: that says nothing of its bytes.
            Err(error @ (StoreError::Unreachable { .. } | StoreError::OverBudget { .. })) => return Err(error.into()),
            Err(error) => {
                let remedy = self.remedy(&*store, name, parsed.id, None)?;
                self.damage(name, format!("{error}{remedy}"));
                return Ok(Looked::At);
            }
        };
        if parsed.id != Some(object_id(&bytes)) {
            self.rotten(&*store, name, parsed.id, &bytes)?;
            return Ok(Looked::At);
        }
        self.parity(&*store, name, parsed.id, &bytes)?;
        if self.shared.checksums.get(name).is_some_and(|crc| *crc != crc64(&bytes)) {
            let what = "its CRC64NVME is not the one in the index, though its BLAKE3 is right: the index is wrong";
            self.shared.add(Severity::Damage, self.store, name, what);
        }
        if let Some((identities, key)) = self.shared.context.keys
            && matches!(parsed.kind, Kind::Packs | Kind::Warm | Kind::Trees)
            && let Err(error) = self.pack(name, bytes, identities, key)
        {
            // Its bytes are those of its name: no other copy of it is better.
            self.shared.add(Severity::Damage, self.store, name, error);
        }
        Ok(Looked::At)
    }

    /// An object whose bytes are not those of its name.
    fn rotten(
        &mut self,
        store: &dyn Store,
        name: &ObjectName,
        id: Option<ObjectId>,
        bytes: &[u8],
    ) -> Result<(), AuditError> {
        let listed = &self.shared.listed[self.store];
        if replaced(&self.catalog, name, &|other| listed.contains(other))? {
            self.wrong.push(FormatError::WrongObject.to_string());
            let what = format!("{}; {}", FormatError::WrongObject, crate::REPLACED);
            self.shared.add(Severity::Warning, self.store, name, what);
            return Ok(());
        }
        let remedy = self.remedy(store, name, id, Some(bytes))?;
        self.damage(name, format!("{}{remedy}", FormatError::WrongObject));
        Ok(())
    }

    /// What parity can do for a damaged object, as the end of a sentence.
    fn remedy(
        &self,
        store: &dyn Store,
        name: &ObjectName,
        id: Option<ObjectId>,
        bytes: Option<&[u8]>,
    ) -> Result<String, AuditError> {
        let Some(mending) = store.mending() else { return Ok(String::new()) };
        Ok(match mending.parity(name, id, bytes)? {
            ParityState::Healable { damaged, spare } => {
                lock(&self.shared.report).healable += Count(1);
                format!("; {damaged} shards of it are damaged, and its parity heals {spare}: `darkslide repair` does")
            }
            ParityState::Beyond { damaged, spare } => {
                format!("; {damaged} shards of it are damaged, more than the {spare} that its parity heals")
            }
            ParityState::Lost | ParityState::Foreign => "; its parity is damaged, too".into(),
            ParityState::Absent | ParityState::Whole | ParityState::Worn { .. } => String::new(),
        })
    }

    /// The parity of an object that is whole.
    fn parity(
        &mut self,
        store: &dyn Store,
        name: &ObjectName,
        id: Option<ObjectId>,
        bytes: &[u8],
    ) -> Result<(), AuditError> {
        let Some(mending) = store.mending() else { return Ok(()) };
        match mending.parity(name, id, Some(bytes))? {
            ParityState::Absent if mending.parity_percent() > 0 => {
                lock(&self.shared.report).without_parity += Count(1);
            }
            ParityState::Absent | ParityState::Whole => {}
            state => {
                let what = match state {
                    ParityState::Worn { damaged } => format!("is whole, but its parity has {damaged} damaged shards"),
                    _ => "is whole, but its parity cannot be used".to_string(),
                };
                let what = format!("{what}: `darkslide repair` makes it anew");
                self.shared.add(Severity::Warning, self.store, name, what);
                self.worn = true;
            }
        }
        Ok(())
    }
}
