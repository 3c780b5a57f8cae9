//! The other threads: each seals what is left of a full pack, writes the durable row, puts the
//! object. While they work the first thread fills the next pack. There are two where
//! the way to a store is long. Where it is at hand there is one, and a pack may wait for
//! it: packs take longer to fill or to seal by turns. Either way never more than three
//! packs and the open small ones are in memory.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use darkslide_catalog::{Catalog, PackId, Pending, Trusted};
use darkslide_format::index::IndexPack;
use darkslide_format::pack::{PackWriter, RunFacts};
use darkslide_format::signed::SecretKey;
use darkslide_format::space::Space;
use darkslide_store::{Payload, PutFacts};
use darkslide_words::{Bytes, OsRng, Rng as _};

use crate::SnapshotError;
use crate::convert::{chunk_facts, pack_facts};
use crate::stores::Stores;

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
    jobs: Option<SyncSender<Job>>,
    done: Receiver<Result<Stored, SnapshotError>>,
    flying: usize,
}

/// The ends of the threads that seal.
#[derive(Clone)]
pub struct SealerEnds {
    jobs: Arc<Mutex<Receiver<Job>>>,
    done: Sender<Result<Stored, SnapshotError>>,
}

/// Makes the channels for so many threads.
pub fn channels(threads: usize) -> (Sealer, SealerEnds) {
    let waiting = AT_WORK_MAX.saturating_sub(threads);
    let (jobs, take) = sync_channel(waiting);
    let (give, done) = channel();
    (Sealer { jobs: Some(jobs), done, flying: 0 }, SealerEnds { jobs: Arc::new(Mutex::new(take)), done: give })
}

impl Sealer {
    /// Hands a pack over; waits while as many as may be are on their way.
    pub fn send(&mut self, job: Job) -> Result<(), SnapshotError> {
        self.flying += 1;
        match self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok()) {
            true => Ok(()),
            // The thread ended with an error; that one is waiting to be read.
            false => Err(self.done.try_iter().find_map(Result::err).unwrap_or(SnapshotError::SealerGone)),
        }
    }

    /// Packs that are stored by now.
    pub fn poll(&mut self) -> Result<Vec<Stored>, SnapshotError> {
        let stored: Vec<Stored> = self.done.try_iter().collect::<Result<_, _>>()?;
        self.flying -= stored.len();
        Ok(stored)
    }

    /// Waits for one more pack; nothing if none is under way.
    pub fn wait(&mut self) -> Result<Option<Stored>, SnapshotError> {
        if self.flying == 0 {
            return Ok(None);
        }
        let stored = self.done.recv().map_err(|_| SnapshotError::SealerGone)??;
        self.flying -= 1;
        Ok(Some(stored))
    }
}

/// A thread that seals: works until the jobs end or something fails.
pub fn run(ends: SealerEnds, catalog: &Path, stores: &Stores, key: &SecretKey) {
    let catalog = match Catalog::open(catalog) {
        Ok(catalog) => catalog,
        Err(error) => {
            let _ = ends.done.send(Err(error.into()));
            return;
        }
    };
    loop {
        let job = ends.jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        // A panic here must end the run, not leave it waiting for a pack that never comes.
        let sealed = std::panic::AssertUnwindSafe(|| seal(job, &catalog, stores, key));
        let result = std::panic::catch_unwind(sealed).unwrap_or(Err(SnapshotError::SealerGone));
        let failed = result.is_err();
        if ends.done.send(result).is_err() || failed {
            return;
        }
    }
}

/// Seals one pack, writes its durable row, puts it.
pub fn seal(job: Job, catalog: &Catalog, stores: &Stores, key: &SecretKey) -> Result<Stored, SnapshotError> {
    let kind = job.writer.kind();
    let pack = job.writer.finish(&job.run, OsRng.bytes(), key)?;
    let mut payload = Vec::new();
    pack.index.append_to(&mut payload)?;
    catalog.add_pending(&Pending {
        name: pack.name.clone(),
        size: Bytes(pack.bytes.len() as u64),
        crc64: pack.crc64,
        payload,
    })?;
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
    use darkslide_store::{MemoryStore, Store};
    use darkslide_words::{ChunkId, Count, Name, RepositoryId, Time};

    fn job(key: &SecretKey) -> Job {
        let recipient = KeyPair::generate().recipient();
        let recipients = Recipients::parse([recipient.as_str()]).unwrap();
        let mut writer = PackWriter::new(PackKind::Cold, &recipients, Space::large(1 << 20)).unwrap();
        let (path, plain) = (Name::from("a.CR3"), [7; 5000]);
        writer.whole(&path, TarFacts::default(), ChunkId::new([1; 32]), &plain, None).unwrap();
        let writer_id = key.public().writer_id();
        let run =
            RunFacts { repository: RepositoryId::new([2; 16]), writer: writer_id, time: Time(0), sequence: Count(1) };
        Job { seq: 1, writer, run }
    }

    #[test]
    fn two_full_packs_are_on_their_way_however_many_threads_there_are() {
        let key = SecretKey::from_seed(&[3; 32]);
        for (threads, waiting) in [(1, 1), (2, 0), (3, 0)] {
            // Nobody takes a pack: what is accepted all the same is what waits.
            let (sender, _ends) = channels(threads);
            let jobs = sender.jobs.as_ref().unwrap();
            let accepted = (0..5).take_while(|_| jobs.try_send(job(&key)).is_ok()).count();
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
}
