//! The end of a run, and its checkpoints: index segments, refs, snapshot.

use std::collections::BTreeSet;

use darkslide_catalog::{Catalog, JobState, PackSet, SnapshotRow, Trusted};
use darkslide_format::canon;
use darkslide_format::frame;
use darkslide_format::index::{IndexPack, Segment};
use darkslide_format::limits::LARGE_PLAIN_MAX;
use darkslide_format::names::{self, Kind};
use darkslide_format::pages::PageBuilder;
use darkslide_format::seal::{self, Recipients};
use darkslide_format::signed::{self, DocType};
use darkslide_format::snapshot::{Counts, Refs, Snapshot};
use darkslide_format::stream::crc64;
use darkslide_format::tree::{Entry, EntryKind};
use darkslide_format::{FORMAT, object_id};
use darkslide_store::PutFacts;
use darkslide_words::{ChunkId, Name, ObjectId, ObjectName, Temperature, Time, WriterId};

use crate::execute::Context;
use crate::stores::Stores;
use crate::{SnapshotError, resume};

/// Refs objects in a row that are differences; then one is whole again.
const REFS_DEPTH: u32 = 32;

/// What the end of a run needs.
pub struct Finish<'r> {
    pub context: &'r Context<'r>,
    pub catalog: &'r Catalog,
    pub stores: &'r Stores,
}

/// A snapshot that is about to be put.
struct Coming<'a> {
    needed: &'a PackSet,
    previews: &'a BTreeSet<ObjectName>,
    state: &'a JobState,
    time: Time,
    complete: bool,
}

impl Finish<'_> {
    /// Seals a signed document and puts it; its object id.
    fn put(
        &self,
        document: &[u8],
        recipients: &Recipients,
        name: impl Fn(ObjectId) -> ObjectName,
    ) -> Result<ObjectName, SnapshotError> {
        let sealed = seal::seal(recipients, &frame::pack_json(document)?)?;
        let name = name(object_id(&sealed));
        let facts = PutFacts { crc64: crc64(&sealed), temperature: Temperature::Hot };
        self.stores.put(&name, &sealed.into(), &facts)?;
        Ok(name)
    }

    /// Writes a segment of the packs that no segment lists; forgets them.
    pub fn segment(&self, packs: &mut Vec<IndexPack>) -> Result<(), SnapshotError> {
        let left = resume::unindexed(self.catalog, packs)?;
        packs.extend(left);
        if packs.is_empty() {
            return Ok(());
        }
        let trust = self.context.trust;
        let config = trust.config().ok_or(SnapshotError::NoConfig)?;
        let writer = self.context.writer.id();
        let segment = Segment::new(trust.repository(), writer, self.context.clock.now(), std::mem::take(packs));
        let document = segment.sign(&self.context.writer.signing)?;
        let name = self.put(&document, &config.index_recipients()?, |id| names::object(Kind::Index, id))?;
        let id = names::parse(&name).and_then(|p| p.id).ok_or(SnapshotError::NoConfig)?;
        self.catalog.transaction(|| {
            let mut rows = Vec::new();
            for pack in &segment.packs {
                rows.extend(self.catalog.pack_named(&pack.object)?);
            }
            Ok::<_, SnapshotError>(self.catalog.add_segment(id, writer, Trusted::Yes, &rows)?)
        })
    }

    /// Puts the refs of a snapshot that is to come; their id and the length of their chain.
    fn refs(&self, coming: &Coming<'_>, base: Option<ObjectId>) -> Result<(ObjectId, u32), SnapshotError> {
        let (plan, trust, state) = (self.context.plan, self.context.trust, coming.state);
        let config = trust.config().ok_or(SnapshotError::NoConfig)?;
        let before = if base.is_some() { state.packs.clone() } else { PackSet::default() };
        let shown = if base.is_some() { state.previews.clone() } else { BTreeSet::new() };
        let names = |from: &PackSet, without: &PackSet| -> Result<Vec<ObjectName>, SnapshotError> {
            let mut list = Vec::new();
            for pack in from.iter().filter(|p| !without.contains(*p)) {
                list.push(self.catalog.pack(pack)?.name);
            }
            list.sort();
            Ok(list)
        };
        let refs = Refs {
            add: names(coming.needed, &before)?,
            add_previews: coming.previews.difference(&shown).cloned().collect(),
            base,
            complete: Some(coming.complete),
            features: Vec::new(),
            format: FORMAT,
            job: plan.job.clone(),
            predecessor: state.snapshot.clone(),
            remove: names(&before, coming.needed)?,
            remove_previews: shown.difference(coming.previews).cloned().collect(),
            repository: trust.repository(),
            snapshot_time: coming.time,
            tags: plan.tags.clone(),
            writer: self.context.writer.id(),
        };
        let document = signed::sign(DocType::Refs, &refs, &self.context.writer.signing)?;
        let name = self.put(&document, &config.index_recipients()?, |id| names::object(Kind::Refs, id))?;
        let id = names::parse(&name).and_then(|p| p.id).ok_or(SnapshotError::NoConfig)?;
        Ok((id, if base.is_some() { state.refs_depth + 1 } else { 0 }))
    }

    /// Puts the refs, then looks whether all that they name is still to be relied on.
    /// In this order nothing can be deleted in between, however long this machine
    /// sleeps: a prune that has not seen these refs has condemned before, and that is
    /// seen here; one that has seen them deletes nothing of theirs.
    fn declare(&self, coming: &Coming<'_>) -> Result<(ObjectId, u32), SnapshotError> {
        let holds = |id| resume::refs_hold(self.stores, self.context.trust, id);
        let mut base = coming.state.refs.filter(|_| coming.state.refs_depth < REFS_DEPTH);
        if let Some(id) = base
            && !holds(id)?
        {
            base = None;
        }
        let mut declared = self.refs(coming, base)?;
        if let Some(id) = base
            && !holds(id)?
        {
            declared = self.refs(coming, None)?;
        }
        let again = resume::reconcile(self.catalog, self.stores, self.context.trust)?;
        // Those that were lost before the run are stored anew, or named as failures.
        let lost = again.iter().find(|p| coming.needed.contains(*p) && !self.context.unreliable.contains(*p));
        match lost {
            Some(lost) => {
                let name = self.catalog.pack(lost)?.name;
                Err(SnapshotError::Store(darkslide_store::StoreError::Missing { name }))
            }
            None => Ok(declared),
        }
    }

    /// Writes refs and snapshot of the finished library. Packs that vanished or
    /// were condemned while the run went on end it: the next one stores their
    /// content again.
    pub fn snapshot(&self, root: &[u8], counts: Counts, also: &PackSet) -> Result<(ObjectName, Time), SnapshotError> {
        let root: Entry = canon::from_bytes("the root", root)?;
        let mut needed = self.catalog.needed_packs(&self.context.plan.job)?;
        needed.extend(also);
        self.write(root, counts, needed, true)
    }

    /// Writes a checkpoint: a snapshot without a tree that keeps the packs of a
    /// long run from being pruned.
    pub fn checkpoint(&self, page: ChunkId, counts: Counts, packs: PackSet) -> Result<(), SnapshotError> {
        let mut root = Entry::bare(EntryKind::Dir, Name::from("checkpoint"), 0o40755);
        root.tree = Some(page);
        self.write(root, counts, packs, false).map(|_| ())
    }

    fn write(
        &self,
        root: Entry,
        counts: Counts,
        needed: PackSet,
        complete: bool,
    ) -> Result<(ObjectName, Time), SnapshotError> {
        let (plan, trust) = (self.context.plan, self.context.trust);
        let config = trust.config().ok_or(SnapshotError::NoConfig)?;
        let state = self.catalog.job(&plan.job)?;
        let time = self.time()?;
        // A checkpoint has no tree, but what its run has stored so far is its library's all the same.
        crate::photographs::settle(self.catalog)?;
        let previews = self.catalog.needed_previews(&plan.job)?;
        let coming = Coming { needed: &needed, previews: &previews, state: &state, time, complete };
        let (refs, depth) = self.declare(&coming)?;
        let snapshot = Snapshot {
            complete,
            counts,
            features: Vec::new(),
            format: FORMAT,
            host: plan.host.clone(),
            job: plan.job.clone(),
            library: Name::new(std::os::unix::ffi::OsStrExt::as_bytes(plan.library.as_os_str())),
            predecessor: state.snapshot.clone(),
            refs,
            repository: trust.repository(),
            root,
            tags: plan.tags.clone(),
            time,
            tool: plan.tool.clone(),
            writer: self.context.writer.id(),
        };
        let document = signed::sign(DocType::Snapshot, &snapshot, &self.context.writer.signing)?;
        let name = self.put(&document, &config.data_recipients()?, |id| names::snapshot(time, id))?;
        let row = SnapshotRow {
            name: name.clone(),
            time,
            payload: Some(canon::to_bytes(&snapshot)?),
            standing: Some("trusted".into()),
        };
        let state =
            JobState { snapshot: Some(name.clone()), refs: Some(refs), refs_depth: depth, packs: needed, previews };
        self.catalog.transaction(|| {
            self.catalog.put_snapshot(&row)?;
            self.catalog.set_job(&plan.job, &state)
        })?;
        Ok((name, time))
    }

    /// The snapshot's time, in whole milliseconds.
    fn time(&self) -> Result<Time, SnapshotError> {
        Ok(not_before(self.catalog, self.context.writer.id(), self.context.clock.now())?.to_millis())
    }
}

/// The time, or one millisecond after this writer's last snapshot if the clock
/// went back behind it. What others' names say of the time moves nothing.
pub fn not_before(catalog: &Catalog, writer: WriterId, now: Time) -> Result<Time, SnapshotError> {
    let mut last = Time(0);
    for row in catalog.snapshots()? {
        let Some(payload) = row.payload else { continue };
        let snapshot: Snapshot = canon::from_bytes("a snapshot's row", &payload)?;
        if snapshot.writer == writer {
            last = last.max(row.time);
        }
    }
    Ok(now.max(last.to_millis().plus(std::time::Duration::from_millis(1))))
}

/// The page of a folder without entries, for checkpoints.
pub fn empty_page(
    key: &darkslide_format::IdKey,
    store: &mut impl FnMut(Vec<u8>) -> Result<ChunkId, SnapshotError>,
) -> Result<ChunkId, SnapshotError> {
    PageBuilder::dir(key).finish(store)
}

/// Bytes that an index segment may hold before it is written.
pub const SEGMENT_CHUNKS_MAX: usize = 40_000;

const _: () = assert!(SEGMENT_CHUNKS_MAX * 400 < LARGE_PLAIN_MAX);

/// Packs after which a segment is written.
pub const SEGMENT_PACKS_MAX: usize = 64;

/// True if enough packs wait for a segment.
pub fn segment_due(packs: &[IndexPack]) -> bool {
    packs.len() >= SEGMENT_PACKS_MAX || packs.iter().map(|p| p.chunks.len()).sum::<usize>() >= SEGMENT_CHUNKS_MAX
}
