//! The scrub: every object's bytes against its name and checksum; with an
//! identity, every chunk against its id.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use darkslide_catalog::Catalog;
use darkslide_format::frame::{self, Unframer};
use darkslide_format::identity::Identities;
use darkslide_format::manifest::{ChunkRow, Manifest};
use darkslide_format::names::{self, Kind};
use darkslide_format::stream::crc64;
use darkslide_format::trust::{Standing, Trust};
use darkslide_format::unpack::{self, OpenPack};
use darkslide_format::{FormatError, IdKey, object_id};
use darkslide_store::{Listed, ReadOutcome, Readable, Store, StoreError, list_all};
use darkslide_words::{Bytes, ChunkId, Count, ObjectName, Rng, SeededRng, StorageClass};

use crate::report::{Report, Severity};
use crate::{AuditError, Observer, Progress};

/// Which objects are read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sample {
    /// All.
    All,
    /// This share of the bytes, picked at random.
    Percent(u8),
}

/// What a scrub works with.
pub struct ScrubContext<'a> {
    /// The store.
    pub store: &'a dyn Store,
    /// This machine's catalog, which knows the packs' checksums.
    pub catalog: &'a std::path::Path,
    /// Who may sign.
    pub trust: &'a Trust,
    /// Opens packs; without it chunks are not looked at.
    pub keys: Option<(&'a Identities, &'a IdKey)>,
    /// Who watches.
    pub observer: &'a dyn Observer,
    /// Which objects.
    pub sample: Sample,
}

struct Shared<'a> {
    context: &'a ScrubContext<'a>,
    queue: Mutex<Vec<Listed>>,
    report: Mutex<Report>,
    checksums: HashMap<ObjectName, u64>,
    expected: Bytes,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a scrub on two threads.
pub fn scrub(context: &ScrubContext<'_>, rng: &mut dyn Rng) -> Result<Report, AuditError> {
    let mut seed = [0; 8];
    rng.fill(&mut seed);
    let mut order = SeededRng::new(u64::from_le_bytes(seed));
    let mut all: Vec<Listed> = list_all(context.store, "")?
        .into_iter()
        .filter(|l| names::parse(&l.name).is_some_and(|p| p.id.is_some() && p.kind != Kind::Condemned))
        .collect();
    let mut chosen = |_: &Listed| match context.sample {
        Sample::All => true,
        Sample::Percent(share) => order.below(100) < u64::from(share),
    };
    let mut queue: Vec<Listed> = all.extract_if(.., |l| chosen(l)).collect();
    if queue.is_empty() {
        // A small share of few objects is still one of them.
        queue.extend(all.into_iter().next());
    }
    queue.reverse();
    let mut checksums = HashMap::new();
    Catalog::open(context.catalog)?.for_each_pack::<AuditError>(|_, facts, _, _| {
        checksums.insert(facts.name, facts.crc64);
        Ok(())
    })?;
    let listed: std::collections::HashSet<ObjectName> =
        list_all(context.store, "")?.into_iter().map(|l| l.name).collect();
    let mut report = Report::default();
    let mut missing: Vec<&ObjectName> = checksums.keys().filter(|name| !listed.contains(*name)).collect();
    missing.sort();
    for name in missing {
        report.add(Severity::Damage, Some(name), "is in the index and missing from the store");
    }
    let expected = queue.iter().map(|l| l.size).sum();
    let shared = Shared { context, queue: Mutex::new(queue), report: Mutex::new(report), checksums, expected };
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

fn work(shared: &Shared<'_>) -> Result<(), AuditError> {
    let mut worker = Worker { shared, unframer: Unframer::new()?, bases: HashMap::new(), buffer: Vec::new() };
    loop {
        let next = lock(&shared.queue).pop();
        let Some(listed) = next.filter(|_| !shared.context.observer.cancelled()) else { return Ok(()) };
        worker.object(&listed);
        let mut report = lock(&shared.report);
        report.objects += Count(1);
        report.bytes += listed.size;
        let progress = Progress { objects: report.objects, bytes: report.bytes, expected: Some(shared.expected) };
        drop(report);
        shared.context.observer.progress(&progress);
    }
}

struct Worker<'a> {
    shared: &'a Shared<'a>,
    unframer: Unframer,
    bases: HashMap<ChunkId, Vec<u8>>,
    buffer: Vec<u8>,
}

impl Worker<'_> {
    fn damage(&self, name: &ObjectName, what: impl std::fmt::Display) {
        lock(&self.shared.report).add(Severity::Damage, Some(name), what);
    }

    fn object(&mut self, listed: &Listed) {
        let name = &listed.name;
        let cold = |class: &StorageClass| lock(&self.shared.report).add_cold(class, listed.size);
        if matches!(listed.readable, Readable::Cold | Readable::Thawing) {
            return cold(&listed.class);
        }
        let bytes = match self.shared.context.store.read(name, None) {
            Ok(ReadOutcome::Bytes(bytes)) => bytes,
            Ok(ReadOutcome::Cold { .. } | ReadOutcome::Thawing { .. }) => return cold(&listed.class),
            Ok(other) => return self.damage(name, format!("could not be read: {other:?}")),
            Err(StoreError::Denied { .. }) => {
                lock(&self.shared.report).denied += Count(1);
                return;
            }
            Err(error) => return self.damage(name, error),
        };
        let Some(parsed) = names::parse(name) else { return };
        if parsed.id != Some(object_id(&bytes)) {
            return self.damage(name, FormatError::WrongObject);
        }
        if self.shared.checksums.get(name).is_some_and(|crc| *crc != crc64(&bytes)) {
            self.damage(
                name,
                "its CRC64NVME is not the one in the index, though its BLAKE3 is right: the index is wrong",
            );
        }
        if let Some((identities, key)) = self.shared.context.keys
            && matches!(parsed.kind, Kind::Packs | Kind::Warm | Kind::Trees)
            && let Err(error) = self.pack(name, bytes, identities, key)
        {
            self.damage(name, error);
        }
    }

    fn pack(
        &mut self,
        name: &ObjectName,
        bytes: Vec<u8>,
        identities: &Identities,
        key: &IdKey,
    ) -> Result<(), FormatError> {
        let pack = OpenPack::open(&bytes, &identities.all())?;
        drop(bytes);
        let trust = self.shared.context.trust;
        let signed = pack.manifest(Some(trust.repository()))?;
        let standing = trust.standing(signed.signer.writer_id());
        if standing != Standing::Trusted {
            let what = format!("its writer {} is {standing:?}", trust.writer_name(signed.signer.writer_id()));
            lock(&self.shared.report).add(Severity::Warning, Some(name), what);
        }
        let manifest = signed.manifest;
        let mut checked = Count(0);
        for row in &manifest.chunks {
            let result = self.chunk(&pack, &manifest, row, identities, key);
            match result {
                Ok(()) => checked += Count(1),
                Err(error) => self.damage(name, error),
            }
        }
        lock(&self.shared.report).chunks += checked;
        Ok(())
    }

    fn chunk(
        &mut self,
        pack: &OpenPack,
        manifest: &Manifest,
        row: &ChunkRow,
        identities: &Identities,
        key: &IdKey,
    ) -> Result<(), FormatError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let result =
            unpack::decode(row, pack.frame(row)?, &mut self.unframer, &mut buffer).and_then(|()| match row.base {
                None => unpack::check(row.id, &buffer, key),
                Some(base) => {
                    let base = self.base(pack, manifest, base, identities)?;
                    let plain = frame::undelta(&buffer, &base, row.plain.0 as usize)?;
                    unpack::check(row.id, &plain, key)
                }
            });
        self.buffer = buffer;
        result
    }

    /// The plaintext of a delta's base, in this pack or the one that is named.
    fn base(
        &mut self,
        pack: &OpenPack,
        manifest: &Manifest,
        id: ChunkId,
        identities: &Identities,
    ) -> Result<Vec<u8>, FormatError> {
        let in_table = |m: &Manifest| m.chunks.iter().copied().find(|r| r.id == id && r.base.is_none());
        let mut plain = Vec::new();
        if let Some(row) = in_table(manifest) {
            unpack::decode(&row, pack.frame(&row)?, &mut self.unframer, &mut plain)?;
            return Ok(plain);
        }
        if let Some(known) = self.bases.get(&id) {
            return Ok(known.clone());
        }
        let lost =
            || FormatError::Malformed { what: "a delta", detail: format!("its base {} cannot be had", id.short()) };
        let object = manifest.bases.iter().find(|b| b.chunk == id).map(|b| b.object.clone()).ok_or_else(lost)?;
        let Ok(ReadOutcome::Bytes(bytes)) = self.shared.context.store.read(&object, None) else { return Err(lost()) };
        let other = OpenPack::open(&bytes, &identities.all())?;
        let table = other.manifest(Some(self.shared.context.trust.repository()))?.manifest;
        // All bases that this pack names there, while it is open; one pack's worth.
        self.bases.clear();
        for wanted in manifest.bases.iter().filter(|b| b.object == object) {
            if let Some(row) = table.chunks.iter().find(|r| r.id == wanted.chunk && r.base.is_none()) {
                let mut plain = Vec::new();
                unpack::decode(row, other.frame(row)?, &mut self.unframer, &mut plain)?;
                self.bases.insert(wanted.chunk, plain);
            }
        }
        self.bases.get(&id).cloned().ok_or_else(lost)
    }
}
