//! One run: resume, walk, finish. Each step leaves the store and the catalog so
//! that the next run can go on from there.

use std::path::Path;
use std::sync::Arc;
use std::thread::ScopedJoinHandle;

use darkslide_catalog::{Catalog, PackSet};
use darkslide_format::IdKey;
use darkslide_format::chunking::Cutter;
use darkslide_format::keys::KeyPair;
use darkslide_format::pack::RunFacts;
use darkslide_format::signed::SecretKey;
use darkslide_format::snapshot::Counts;
use darkslide_format::stream::Leaves;
use darkslide_format::trust::{Standing, Trust};
use darkslide_store::Store;
use darkslide_words::{Bytes, Clock, Count, Name, ObjectName, Time, WriterId};

use crate::finish::Finish;
use crate::packer::Packer;
use crate::plan::BackupPlan;
use crate::previews::{self, Pressing, Previewed, Previewing};
use crate::store_file::FileStore;
use crate::stores::Stores;
use crate::visit::{Begin, Visitor};
use crate::{Observer, SnapshotError, resume, sealer};

/// A writer's secrets: what the machine that backs up holds.
#[derive(Debug, Clone)]
pub struct WriterSecrets {
    /// Signs what it writes.
    pub signing: SecretKey,
    /// Makes chunk ids.
    pub id_key: IdKey,
    /// Opens index and refs.
    pub index: KeyPair,
}

impl WriterSecrets {
    /// Its id.
    pub fn id(&self) -> WriterId {
        self.signing.public().writer_id()
    }
}

/// What a run works with.
pub struct Context<'a> {
    /// Where the catalog lies; each thread opens it.
    pub catalog: &'a Path,
    /// Where objects go.
    pub stores: &'a [Arc<dyn Store>],
    /// Which of them lack something, and why; in the same order.
    pub behind: &'a [Option<String>],
    /// Who may sign.
    pub trust: &'a Trust,
    /// This machine's secrets.
    pub writer: &'a WriterSecrets,
    /// The time.
    pub clock: &'a dyn Clock,
    /// Who watches.
    pub observer: &'a dyn Observer,
    /// The intent.
    pub plan: &'a BackupPlan,
    /// Number of the run: its row in the catalog.
    pub run: i64,
    /// Makes previews; nothing where there are to be none.
    pub previewing: Option<Previewing<'a>>,
    /// Packs that were lost or condemned; filled in by the run.
    pub unreliable: PackSet,
}

/// A file that could not be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Its path in the library.
    pub path: Name,
    /// Why.
    pub reason: String,
}

/// What a run did.
#[derive(Debug, Clone)]
pub struct Done {
    /// The snapshot.
    pub snapshot: ObjectName,
    /// Its time.
    pub time: Time,
    /// What it saw and did.
    pub counts: Counts,
    /// What could not be stored.
    pub failures: Vec<Failure>,
    /// Stores that did not get everything, and why.
    pub behind: Vec<(String, String)>,
    /// Number of the run.
    pub run: i64,
    /// What became of the previews.
    pub previewed: Previewed,
}

/// Runs a backup. Its row is begun and ended by whoever calls this.
pub fn backup(mut context: Context<'_>) -> Result<Done, SnapshotError> {
    let catalog = Catalog::open(context.catalog)?;
    catalog.relax()?;
    let started = crate::finish::not_before(&catalog, context.writer.id(), context.clock.now())?;
    let run = context.run;
    attempt(&mut context, &catalog, run, started)
}

fn attempt(context: &mut Context<'_>, catalog: &Catalog, run: i64, started: Time) -> Result<Done, SnapshotError> {
    let writer = context.writer.id();
    if context.trust.standing(writer) != Standing::Trusted {
        return Err(SnapshotError::NotEnrolled { name: context.trust.writer_name(writer) });
    }
    let config = context.trust.config().ok_or(SnapshotError::NoConfig)?;
    let stores = Stores::new(context.stores, context.behind);
    resume::adopt(catalog, &stores)?;
    context.unreliable = resume::reconcile(catalog, &stores, context.trust)?;
    if let Some(store) = stores.first() {
        previews::reconcile(catalog, &*store)?;
    }
    // What the library does not need any more makes nobody look at its files again.
    let needed = catalog.needed_packs(&context.plan.job)?;
    let strict = context.unreliable.iter().any(|pack| needed.contains(pack));
    let recipients = config.data_recipients()?;
    let cutter = Cutter::new(&config.chunking, &context.writer.id_key);
    let facts = RunFacts { repository: context.trust.repository(), writer, time: started, sequence: Count(0) };
    let leaves = stores.take_pieces().then(|| Leaves::for_packs(config.pack.target.0));
    let (sender, ends) = sealer::channels(stores.puts(), leaves);
    let context = &*context;
    std::thread::scope(|scope| {
        let key = &context.writer.signing;
        let (path, stores) = (context.catalog, &stores);
        for _ in 0..stores.puts() {
            let ends = ends.clone();
            scope.spawn(move || sealer::run(ends, path, stores, key));
        }
        drop(ends);
        let (press, pressed) = context.previewing.clone().map_or((None, None), |previewing| {
            let recipients = &recipients;
            let pressing = Pressing { previewing, catalog: path, stores, recipients, run: facts, key };
            let (press, handle) = previews::channel(scope, pressing);
            (Some(press), Some(handle))
        });
        let packer = Packer::new(catalog, &recipients, facts, sender, config.pack.target);
        let visitor = Visitor::new(Begin {
            context,
            catalog,
            packer,
            files: FileStore::new(&cutter, config.chunking.db.0 as usize, &context.writer.id_key),
            warm_below: config.pack.warm_below.0,
            db_chunk: config.chunking.db.0 as usize,
            strict,
            press,
            expected: expected(context),
        });
        let finish = Finish { context, catalog, stores };
        walk(visitor, &finish, run, pressed)
    })
}

/// Bytes that the walk will see: counted first where somebody wants to know.
fn expected(context: &Context<'_>) -> Option<Bytes> {
    context.observer.wants_total().then(|| crate::listing::total(&context.plan.library, &context.plan.rules))
}

type Pressed<'scope> = ScopedJoinHandle<'scope, Result<Previewed, SnapshotError>>;

fn walk<'r>(
    mut visitor: Visitor<'r>,
    finish: &'r Finish<'r>,
    run: i64,
    pressed: Option<Pressed<'_>>,
) -> Result<Done, SnapshotError> {
    visitor.checkpoints(finish);
    let root = visitor.library()?;
    visitor.settle()?;
    finish.segment(&mut visitor.unindexed)?;
    visitor.settle_dirs()?;
    // What a run that was cut off left due; then the press ends, and all that it made is stored.
    visitor.due_previews()?;
    drop(visitor.press.take());
    let previewed = match pressed.map(ScopedJoinHandle::join) {
        Some(pressed) => pressed.map_err(|_| SnapshotError::SealerGone)??,
        None => Previewed::default(),
    };
    let recipes = visitor.loose_recipes();
    let mut counts = visitor.tally.counts;
    counts.stored_bytes = visitor.packer.sealed_bytes();
    let (name, time) = finish.snapshot(&root, counts, &recipes)?;
    let (failures, behind) = (visitor.tally.failures, finish.stores.behind());
    Ok(Done { snapshot: name, time, counts, failures, behind, run, previewed })
}
