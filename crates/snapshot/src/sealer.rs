//! The other threads: each seals what is left of a full pack, writes the durable row, puts the
//! object. While they work the first thread fills the next pack. There are two where
//! the way to a store is long. Where it is at hand there is one, and a pack may wait for
//! it: packs take longer to fill or to seal by turns. Either way never more than three
//! packs and the open small ones are in memory.
//!
//! Where stores take objects in pieces, packs of large files come leaf by leaf: what is final of one is sealed and
//! written while the rest of it is filled.

use std::collections::HashMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use darkslide_catalog::{Catalog, PackId, Pending, Trusted};
use darkslide_format::index::IndexPack;
use darkslide_format::pack::{PackWriter, RunFacts, SealedPack};
use darkslide_format::signed::SecretKey;
use darkslide_format::space::Space;
use darkslide_format::stream::{Leaf, Leaves, Passes};
use darkslide_store::{Payload, PutFacts};
use darkslide_words::{OsRng, Rng as _};

use crate::SnapshotError;
use crate::convert::{chunk_facts, pack_facts};
use crate::stores::{Arrival, Stores};

/// Full packs that are sealed, put or waiting, beside the one that is being filled.
const AT_WORK_MAX: usize = 2;

/// Number of a pack within a run.
pub type Seq = u64;

/// A pack to seal.
pub struct Job {
    /// Its number.
    pub seq: Seq,
    /// It.
    pub writer: PackWriter,
    /// What its manifest says of the run.
    pub run: RunFacts,
}

/// What the other threads get.
enum Work {
    /// A leaf of a pack that is still being filled.
    Leaf(Seq, Leaf),
    /// A full pack, or what is left of it.
    Pack(Box<Job>),
}

/// A pack that is stored; its durable row waits to be replaced.
pub struct Stored {
    /// Its number in the run.
    pub seq: Seq,
    /// Its row for the index.
    pub index: IndexPack,
    /// Its memory, for the next pack, unless a store kept it.
    pub space: Option<Space>,
}

/// The first thread's ends of the channels.
pub struct Sealer {
    work: Option<SyncSender<Work>>,
    done: Receiver<Result<Stored, SnapshotError>>,
    /// Packs that were sent and are not stored yet.
    flying: usize,
    /// Packs that were stored while one was to be sent.
    early: Vec<Stored>,
    /// Memory for leaves, where packs of large files come in them.
    leaves: Option<Leaves>,
}

/// The ends of the threads that seal.
#[derive(Clone)]
pub struct SealerEnds {
    work: Arc<Mutex<Receiver<Work>>>,
    done: Sender<Result<Stored, SnapshotError>>,
    leaves: Option<Leaves>,
}

/// Makes the channels for so many threads. Where there is one, packs of large files may come in `leaves`.
pub fn channels(threads: usize, leaves: Option<Leaves>) -> (Sealer, SealerEnds) {
    let leaves = leaves.filter(|_| threads == 1);
    // Those of a file come all at once, when it is read to its end.
    let waiting = leaves.as_ref().map_or(AT_WORK_MAX.saturating_sub(threads), Leaves::in_pack);
    let (work, take) = sync_channel(waiting);
    let (give, done) = channel();
    let ends = SealerEnds { work: Arc::new(Mutex::new(take)), done: give, leaves: leaves.clone() };
    (Sealer { work: Some(work), done, flying: 0, early: Vec::new(), leaves }, ends)
}

impl Sealer {
    /// Memory for leaves, where packs of large files come in them.
    pub fn leaves(&self) -> Option<&Leaves> {
        self.leaves.as_ref()
    }

    /// Hands a pack over; waits while as many as may be are on their way.
    pub fn send(&mut self, job: Job) -> Result<(), SnapshotError> {
        while self.leaves.is_some() && self.flying >= AT_WORK_MAX {
            let stored = self.receive()?;
            self.early.push(stored);
        }
        self.flying += 1;
        self.give(Work::Pack(Box::new(job)))
    }

    /// Hands over what is final of a pack; waits while as much as may be waits.
    pub fn send_leaf(&mut self, seq: Seq, leaf: Leaf) -> Result<(), SnapshotError> {
        self.give(Work::Leaf(seq, leaf))
    }

    fn give(&mut self, work: Work) -> Result<(), SnapshotError> {
        match self.work.as_ref().is_some_and(|sender| sender.send(work).is_ok()) {
            true => Ok(()),
            // The thread ended with an error; that one is waiting to be read.
            false => Err(self.done.try_iter().find_map(Result::err).unwrap_or(SnapshotError::SealerGone)),
        }
    }

    /// Packs that are stored by now.
    pub fn poll(&mut self) -> Result<Vec<Stored>, SnapshotError> {
        let stored: Vec<Stored> = self.done.try_iter().collect::<Result<_, _>>()?;
        self.flying -= stored.len();
        let mut all = std::mem::take(&mut self.early);
        all.extend(stored);
        Ok(all)
    }

    /// Waits for one more pack; nothing if none is under way.
    pub fn wait(&mut self) -> Result<Option<Stored>, SnapshotError> {
        match self.early.pop() {
            Some(early) => Ok(Some(early)),
            None if self.flying == 0 => Ok(None),
            None => self.receive().map(Some),
        }
    }

    fn receive(&mut self) -> Result<Stored, SnapshotError> {
        let stored = self.done.recv().map_err(|_| SnapshotError::SealerGone)??;
        self.flying -= 1;
        Ok(stored)
    }
}

/// A thread that seals: works until there is nothing more to come or something fails.
pub fn run(ends: SealerEnds, catalog: &Path, stores: &Stores, key: &SecretKey) {
    let catalog = match Catalog::open(catalog) {
        Ok(catalog) => catalog,
        Err(error) => {
            let _ = ends.done.send(Err(error.into()));
            return;
        }
    };
    let mut bench = Bench { catalog: &catalog, stores, key, leaves: ends.leaves, coming: HashMap::new() };
    loop {
        let work = ends.work.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(work) = work else { return };
        // A panic here must end the run, not leave it waiting for a pack that never comes.
        let sealed = std::panic::AssertUnwindSafe(|| bench.work(work));
        let result = std::panic::catch_unwind(sealed).unwrap_or(Err(SnapshotError::SealerGone)).transpose();
        let failed = matches!(result, Some(Err(_)));
        if result.is_some_and(|result| ends.done.send(result).is_err()) || failed {
            return;
        }
    }
}

/// Where a thread seals.
struct Bench<'s> {
    catalog: &'s Catalog,
    stores: &'s Stores,
    key: &'s SecretKey,
    leaves: Option<Leaves>,
    /// Packs of which leaves came, and which go on.
    coming: HashMap<Seq, (Box<Passes>, Arrival<'s>)>,
}

impl Bench<'_> {
    fn work(&mut self, work: Work) -> Result<Option<Stored>, SnapshotError> {
        match work {
            Work::Leaf(seq, leaf) => self.leaf(seq, leaf).map(|()| None),
            Work::Pack(job) if job.writer.in_leaves() => self.rest(*job).map(Some),
            Work::Pack(job) => seal(*job, self.catalog, self.stores, self.key).map(Some),
        }
    }

    fn leaf(&mut self, seq: Seq, mut leaf: Leaf) -> Result<(), SnapshotError> {
        if let Some(passes) = leaf.begins() {
            self.coming.insert(seq, (passes, self.stores.incoming()));
        }
        let (passes, arrival) = self.coming.get_mut(&seq).ok_or(SnapshotError::SealerGone)?;
        passes.leaf(&mut leaf, &mut |sealed| arrival.write(sealed))?;
        if let Some(leaves) = &self.leaves {
            leaves.give(leaf.into_space());
        }
        Ok(())
    }

    /// Seals and writes what is left of a pack. It has no name before its durable row is written.
    fn rest(&mut self, job: Job) -> Result<Stored, SnapshotError> {
        let kind = job.writer.kind();
        let (passes, mut arrival) = match self.coming.remove(&job.seq) {
            Some((passes, arrival)) => (Some(passes), arrival),
            None => (None, self.stores.incoming()),
        };
        let sealed = &mut |sealed: &[u8]| arrival.write(sealed);
        let pack = job.writer.finish_after(passes, &job.run, OsRng.bytes(), self.key, sealed)?;
        announce(self.catalog, &pack)?;
        arrival.finish(&pack.name, &PutFacts { crc64: pack.crc64, temperature: kind.temperature() })?;
        Ok(Stored { seq: job.seq, index: pack.index, space: None })
    }
}

/// Writes the durable row of a pack that is about to be stored.
fn announce(catalog: &Catalog, pack: &SealedPack) -> Result<(), SnapshotError> {
    let mut payload = Vec::new();
    pack.index.append_to(&mut payload)?;
    let (name, size, crc64) = (pack.name.clone(), pack.index.size, pack.crc64);
    Ok(catalog.add_pending(&Pending { name, size, crc64, payload })?)
}

/// Seals one pack, writes its durable row, puts it.
pub fn seal(job: Job, catalog: &Catalog, stores: &Stores, key: &SecretKey) -> Result<Stored, SnapshotError> {
    let kind = job.writer.kind();
    let pack = job.writer.finish(&job.run, OsRng.bytes(), key)?;
    announce(catalog, &pack)?;
    let space = Arc::new(pack.bytes);
    let bytes = Payload::from_owner(Held(Arc::clone(&space)));
    stores.put(&pack.name, &bytes, &PutFacts { crc64: pack.crc64, temperature: kind.temperature() })?;
    drop(bytes);
    Ok(Stored { seq: job.seq, index: pack.index, space: Arc::into_inner(space) })
}

/// A pack's memory while stores have it.
struct Held(Arc<Space>);

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Records stored packs in place of their durable rows, in one transaction.
pub fn record(catalog: &Catalog, packs: &[&IndexPack]) -> Result<Vec<PackId>, SnapshotError> {
    catalog.transaction(|| {
        let mut rows = Vec::with_capacity(packs.len());
        let mut chunks = Vec::new();
        for index in packs {
            let row = catalog.add_pack(&pack_facts(index), None, Trusted::Yes)?;
            if row.is_new {
                chunks.extend(chunk_facts(index).into_iter().map(|c| (index.kind.code(), row.id, c)));
            }
            catalog.drop_pending(&index.object)?;
            rows.push(row.id);
        }
        catalog.add_chunks(&chunks)?;
        Ok(rows)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use darkslide_format::keys::KeyPair;
    use darkslide_format::manifest::PackKind;
    use darkslide_format::pack::TarFacts;
    use darkslide_format::seal::Recipients;
    use darkslide_store::{Fault, FaultyStore, MemoryStore, Store, StoreError};
    use darkslide_words::{ChunkId, Count, Name, ObjectName, RepositoryId, Time};

    fn recipients() -> Recipients {
        let recipient = KeyPair::generate().recipient();
        Recipients::parse([recipient.as_str()]).unwrap()
    }

    fn run_facts(key: &SecretKey) -> RunFacts {
        let writer = key.public().writer_id();
        RunFacts { repository: RepositoryId::new([2; 16]), writer, time: Time(0), sequence: Count(1) }
    }

    fn job(key: &SecretKey) -> Job {
        let mut writer = PackWriter::new(PackKind::Cold, &recipients(), Space::large(1 << 20)).unwrap();
        let (path, plain) = (Name::from("a.CR3"), [7; 5000]);
        writer.whole(&path, TarFacts::default(), ChunkId::new([1; 32]), &plain, None).unwrap();
        Job { seq: 1, writer, run: run_facts(key) }
    }

    #[test]
    fn two_full_packs_are_on_their_way_however_many_threads_there_are() {
        let key = SecretKey::from_seed(&[3; 32]);
        for (threads, waiting) in [(1, 1), (2, 0), (3, 0)] {
            // Nobody takes a pack: what is accepted all the same is what waits.
            let (sender, _ends) = channels(threads, None);
            let work = sender.work.as_ref().unwrap();
            let accepted = (0..5).take_while(|_| work.try_send(Work::Pack(Box::new(job(&key)))).is_ok()).count();
            assert_eq!(accepted, waiting, "{threads} threads");
        }
    }

    #[test]
    fn what_was_stored_is_what_was_sealed_and_its_memory_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::create(&folder.path().join("catalog.db")).unwrap();
        let store = Arc::new(MemoryStore::default());
        let stores = Stores::new(&[store.clone() as Arc<dyn Store>], &[None]);
        let key = SecretKey::from_seed(&[3; 32]);
        let stored = seal(job(&key), &catalog, &stores, &key).unwrap();
        let space = stored.space.expect("no store keeps it");
        let object = &stored.index.object;
        assert_eq!(store.read(object, None).unwrap().bytes(object).unwrap(), space[..]);
        assert_eq!(stored.index.size.0, space.len() as u64);
    }

    /// Fills `packs` packs of 30 files, which go out in leaves of a segment, into these stores.
    /// What is stored of them, and the names that have a durable row.
    fn in_leaves(stores: &Stores, packs: u64) -> (Result<Vec<Stored>, SnapshotError>, Vec<ObjectName>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalog.db");
        let catalog = Catalog::create(&path).unwrap();
        let key = SecretKey::from_seed(&[3; 32]);
        let recipients = recipients();
        let (mut sealer, ends) = channels(1, Some(Leaves::of(1, 16)));
        let (path, the_key) = (&path, &key);
        let stored = std::thread::scope(|scope| {
            scope.spawn(move || run(ends, path, stores, the_key));
            let mut stored = Vec::new();
            for seq in 1..=packs {
                let leaves = sealer.leaves().unwrap().clone();
                let mut writer = PackWriter::leaf_by_leaf(PackKind::Cold, &recipients, leaves)?;
                for n in 0..30u8 {
                    let (path, id) = (Name::from(format!("{n}.CR3").as_str()), ChunkId::new([n; 32]));
                    writer.whole(&path, TarFacts::default(), id, &[n; 30_000], Some("cr3"))?;
                    writer.ready()?.into_iter().try_for_each(|leaf| sealer.send_leaf(seq, leaf))?;
                }
                sealer.send(Job { seq, writer, run: run_facts(&key) })?;
                assert!(sealer.flying <= AT_WORK_MAX);
                stored.extend(sealer.poll()?);
            }
            while let Some(pack) = sealer.wait()? {
                stored.push(pack);
            }
            drop(sealer);
            Ok(stored)
        });
        (stored, catalog.pending().unwrap().into_iter().map(|pending| pending.name).collect())
    }

    #[test]
    fn packs_that_came_in_leaves_are_stored_under_their_names() {
        let store = Arc::new(MemoryStore::default());
        let stores = Stores::new(&[store.clone() as Arc<dyn Store>], &[None]);
        assert!(stores.take_pieces());
        let (stored, pending) = in_leaves(&stores, 5);
        let stored = stored.unwrap();
        assert!(stored.iter().all(|pack| pending.contains(&pack.index.object)) && pending.len() == 5);
        assert_eq!(stored.iter().map(|pack| pack.seq).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        for pack in stored {
            let object = &pack.index.object;
            let bytes = store.read(object, None).unwrap().bytes(object).unwrap();
            assert_eq!(bytes.len() as u64, pack.index.size.0);
            assert_eq!(PackKind::Cold.object(darkslide_format::object_id(&bytes)), *object);
            assert_eq!(format!("{:016x}", darkslide_format::stream::crc64(&bytes)), pack.index.crc64);
            assert_eq!(pack.index.chunks.len(), 30);
        }
    }

    #[test]
    fn a_store_that_cannot_take_a_pack_in_leaves_falls_behind_and_the_others_go_on() {
        let (full, good) = (Arc::new(FaultyStore::new(MemoryStore::default())), Arc::new(MemoryStore::default()));
        let stores = Stores::new(&[full.clone() as Arc<dyn Store>, good.clone() as Arc<dyn Store>], &[None, None]);
        full.arm(Fault::FullAt(2));
        assert_eq!(in_leaves(&stores, 3).0.unwrap().len(), 3);
        assert_eq!((good.len(), full.inner().len()), (3, 1));
        assert_eq!(stores.behind().len(), 1);
        let alone = Stores::new(&[full.clone() as Arc<dyn Store>], &[None]);
        full.arm(Fault::FullAt(1));
        let (stored, pending) = in_leaves(&alone, 3);
        let Err(SnapshotError::NoStore(StoreError::Full { name, .. })) = stored else { panic!("it is full") };
        assert_eq!(pending, [name], "the row is there before the object would be");
    }
}
