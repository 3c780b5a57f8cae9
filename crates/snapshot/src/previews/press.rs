//! The threads beside the walk: workers make previews, one presses them into packs, seals and puts these.
//! In memory are two bounded queues, one photograph a worker, and one pack that is being filled.

use std::fs::File;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Scope, ScopedJoinHandle};

use darkslide_catalog::{Catalog, Pending};
use darkslide_format::canon;
use darkslide_format::pack::RunFacts;
use darkslide_format::previews::PreviewWriter;
use darkslide_format::seal::Recipients;
use darkslide_format::signed::SecretKey;
use darkslide_store::{Payload, PutFacts};
use darkslide_words::{Bytes, ContentHash, Count, Name, OsRng, Rng as _, Temperature};

use super::{Made, Previewed, Previewing, Row, Source, record};
use crate::SnapshotError;
use crate::stores::Stores;

/// Bytes of a pack of previews: some hundreds of photographs, which one look brings all at once.
const PACK: usize = 8 << 20;
/// Previews of a pack: those without a thumbnail are small.
const PACK_ROWS: usize = 4000;
/// Files that wait for a worker; each is open.
const QUEUE: usize = 32;
/// Problems that are told by name.
const TOLD: usize = 20;

/// A file whose preview is wanted.
pub struct Wanted {
    /// Its path in the library.
    pub path: Name,
    /// Its content, as it was stored.
    pub hash: ContentHash,
    /// It, open.
    pub file: File,
}

/// The walk's end: takes what is wanted.
pub struct Press(SyncSender<Wanted>);

impl Press {
    /// Hands a file over; waits while all workers are behind. Nothing where they ended: that is told at the end.
    pub fn want(&self, wanted: Wanted) {
        let _ = self.0.send(wanted);
    }
}

/// What the threads need.
pub struct Pressing<'a> {
    pub previewing: Previewing<'a>,
    pub catalog: &'a std::path::Path,
    pub stores: &'a Stores,
    pub recipients: &'a Recipients,
    pub run: RunFacts,
    pub key: &'a SecretKey,
}

/// Starts the threads. The press ends when the walk's end is dropped.
pub fn channel<'scope, 'a: 'scope>(
    scope: &'scope Scope<'scope, '_>,
    pressing: Pressing<'a>,
) -> (Press, ScopedJoinHandle<'scope, Result<Previewed, SnapshotError>>) {
    let (want, take) = sync_channel(QUEUE);
    // Bounded, too: while a pack is on a slow way nobody makes more than a few.
    let (give, made) = sync_channel(QUEUE);
    let take = Arc::new(Mutex::new(take));
    for _ in 0..pressing.previewing.workers.max(1) {
        let (take, give, maker) = (take.clone(), give.clone(), pressing.previewing.maker);
        scope.spawn(move || work(&take, &give, maker));
    }
    drop(give);
    (Press(want), scope.spawn(move || press(&pressing, &made)))
}

fn work(take: &Mutex<Receiver<Wanted>>, give: &SyncSender<(Wanted, Made)>, maker: &dyn super::Maker) {
    loop {
        let wanted = take.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(wanted) = wanted else { return };
        let name = wanted.path.file_name();
        let name = Name::new(name);
        let source = Source { name: &name, file: &wanted.file };
        // A file that makes the reader panic is one more without a thumbnail.
        let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| maker.make(&source)));
        let failed = |_| Made { problem: Some("reading it failed".into()), ..Made::default() };
        if give.send((wanted, made.unwrap_or_else(failed))).is_err() {
            return;
        }
    }
}

fn press(pressing: &Pressing<'_>, made: &Receiver<(Wanted, Made)>) -> Result<Previewed, SnapshotError> {
    let catalog = Catalog::open(pressing.catalog)?;
    let mut done = Previewed::default();
    let mut open: Option<(PreviewWriter, usize)> = None;
    for (wanted, made) in made {
        done.made += Count(1);
        if let Some(jpeg) = &made.thumbnail {
            done.pictured += Count(1);
            if let Some(keeper) = pressing.previewing.keeper {
                keeper.keep(&wanted.hash, jpeg);
            }
        }
        if let Some(problem) = &made.problem {
            done.troubled += Count(1);
            if done.problems.len() < TOLD {
                done.problems.push((wanted.path.clone(), problem.clone()));
            }
        }
        let (mut writer, rows) = match open.take() {
            Some(open) => open,
            None => (PreviewWriter::new(pressing.recipients)?, 0),
        };
        writer.add(wanted.hash, made.facts, made.thumbnail.as_deref(), made.problem);
        if writer.len() >= PACK || rows + 1 >= PACK_ROWS {
            done.stored += put(pressing, &catalog, writer)?;
        } else {
            open = Some((writer, rows + 1));
        }
    }
    if let Some((writer, _)) = open {
        done.stored += put(pressing, &catalog, writer)?;
    }
    Ok(done)
}

/// Seals a pack, writes its durable row, puts it, records it.
fn put(pressing: &Pressing<'_>, catalog: &Catalog, writer: PreviewWriter) -> Result<Bytes, SnapshotError> {
    let run = &pressing.run;
    let pack = writer.finish(run.repository, run.writer, run.time, OsRng.bytes(), pressing.key)?;
    let size = Bytes(pack.bytes.len() as u64);
    let row = Row { rows: pack.rows, size };
    let payload = canon::to_bytes(&row)?;
    catalog.add_pending(&Pending { name: pack.name.clone(), size, crc64: pack.crc64, payload })?;
    let facts = PutFacts { crc64: pack.crc64, temperature: Temperature::Hot };
    pressing.stores.put(&pack.name, &Payload::from(pack.bytes), &facts)?;
    record(catalog, &pack.name, &row)?;
    Ok(size)
}
