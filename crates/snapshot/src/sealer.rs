//! The other threads: each seals a finished pack, writes the durable row, puts the
//! object. While they work the first thread fills the next pack; there is one where
//! the store is at hand and two where the way to it is long, so that never more than
//! three packs and the open small ones are in memory.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use darkslide_catalog::{Catalog, PackId, Pending, Trusted};
use darkslide_format::canon;
use darkslide_format::index::IndexPack;
use darkslide_format::pack::{PackWriter, RunFacts};
use darkslide_format::signed::SecretKey;
use darkslide_store::{Payload, PutFacts};
use darkslide_words::{Bytes, OsRng, Rng as _};

use crate::SnapshotError;
use crate::convert::{chunk_facts, pack_facts};
use crate::stores::Stores;

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
    /// The buffer, for the next pack.
    pub space: Vec<u8>,
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

/// Makes the channels.
pub fn channels() -> (Sealer, SealerEnds) {
    let (jobs, take) = sync_channel(0);
    let (give, done) = channel();
    (Sealer { jobs: Some(jobs), done, flying: 0 }, SealerEnds { jobs: Arc::new(Mutex::new(take)), done: give })
}

impl Sealer {
    /// Hands a pack over; waits while another one is being sealed.
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
    catalog.add_pending(&Pending {
        name: pack.name.clone(),
        size: Bytes(pack.bytes.len() as u64),
        crc64: pack.crc64,
        payload: canon::to_bytes(&pack.index)?,
    })?;
    let bytes = Payload::from(pack.bytes);
    stores.put(&pack.name, &bytes, &PutFacts { crc64: pack.crc64, temperature: kind.temperature() })?;
    // Nobody else holds them any more: this gives the buffer back, it does not copy.
    Ok(Stored { seq: job.seq, index: pack.index, space: bytes.into() })
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
        catalog.add_chunks(&mut chunks)?;
        Ok(rows)
    })
}
