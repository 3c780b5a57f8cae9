//! Index segments that list packs which are gone: replaced by ones that do not, then
//! deleted. A segment is derived, and a new one is put before an old one goes.
//!
//! **Invariant:** no row of a pack that is there is lost, and no row becomes more
//! trusted than it was.

use std::collections::{BTreeMap, BTreeSet};

use darkslide_format::index::{IndexPack, Segment};
use darkslide_format::limits::{LARGE_PLAIN_MAX, LARGE_SEALED_MAX};
use darkslide_format::names::{self, Kind};
use darkslide_format::signed::DocType;
use darkslide_format::stream::crc64;
use darkslide_format::trust::Standing;
use darkslide_format::{FormatError, frame, object_id, seal};
use darkslide_store::{PutFacts, ReadOutcome, StoreError, list_all};
use darkslide_words::{ObjectId, ObjectName, Temperature};

use super::execute::PruneContext;
use crate::AuditError;

/// A segment, and how its writer stands.
struct Judged {
    segment: Segment,
    standing: Standing,
    bytes: Vec<u8>,
}

/// What is remembered of each segment while all are looked at.
struct Seen {
    standing: Standing,
    supersedes: Vec<ObjectId>,
    /// It lists packs that are gone.
    dead: bool,
    /// It lists nothing any more: its replacement takes its place, too.
    empty: bool,
}

/// Chunks of one new segment.
const CHUNKS_MAX: usize = 40_000;

/// Replaces segments that list dead packs, in all stores. Dead packs that are still
/// listed afterwards, by a segment that is left alone.
pub(super) fn replace(
    context: &PruneContext<'_>,
    dead: &BTreeSet<ObjectName>,
) -> Result<BTreeSet<ObjectName>, AuditError> {
    let mut left = BTreeSet::new();
    let mut seen: BTreeMap<ObjectId, Seen> = BTreeMap::new();
    for id in all(context)? {
        match read(context, id)? {
            Ok(judged) if judged.standing == Standing::Unknown => {}
            Ok(Judged { segment, standing, .. }) => {
                let dead = segment.packs.iter().any(|pack| dead.contains(&pack.object));
                let empty = segment.packs.is_empty() && standing == Standing::Trusted;
                seen.insert(id, Seen { standing, supersedes: segment.supersedes, dead, empty });
            }
            // Nobody relies on what is no segment; of a damaged one nobody knows what it lists.
            Err(error) if is_damage(&error) => return Ok(dead.clone()),
            Err(_) => {}
        }
    }
    if !seen.values().any(|seen| seen.dead) {
        return Ok(left);
    }
    let mut next = Next { context, packs: BTreeMap::new(), old: Vec::new(), supersedes: BTreeSet::new() };
    for (id, facts) in seen.iter().filter(|(_, seen)| seen.dead || seen.empty) {
        let Ok(judged) = read(context, *id)? else { return Ok(dead.clone()) };
        let mut segment = judged.segment;
        let gone: Vec<_> = segment.packs.extract_if(.., |pack| dead.contains(&pack.object)).collect();
        if !segment.packs.is_empty() && facts.standing != Standing::Trusted {
            // His rows serve reading only; signed by us they would be believed.
            left.extend(gone.into_iter().map(|pack| pack.object));
            continue;
        }
        match replacement(context, &seen, *id, &segment)? {
            Some((name, bytes)) => {
                put(context, &name, &bytes)?;
                delete(context, *id)?;
            }
            None => next.add(*id, facts, segment.packs)?,
        }
    }
    next.put()?;
    Ok(left)
}

/// The segment that takes the place of others.
struct Next<'a> {
    context: &'a PruneContext<'a>,
    packs: BTreeMap<ObjectName, IndexPack>,
    old: Vec<ObjectId>,
    supersedes: BTreeSet<ObjectId>,
}

impl Next<'_> {
    fn add(&mut self, old: ObjectId, facts: &Seen, packs: Vec<IndexPack>) -> Result<(), AuditError> {
        self.old.push(old);
        self.supersedes.insert(old);
        if facts.standing == Standing::Trusted {
            // A machine may have been away while that one was there.
            self.supersedes.extend(&facts.supersedes);
        }
        for pack in packs {
            self.packs.entry(pack.object.clone()).or_insert(pack);
        }
        match self.packs.values().map(|pack| pack.chunks.len()).sum::<usize>() > CHUNKS_MAX {
            true => self.put(),
            false => Ok(()),
        }
    }

    /// Puts it, then deletes those that it replaces.
    fn put(&mut self) -> Result<(), AuditError> {
        if self.old.is_empty() {
            return Ok(());
        }
        let context = self.context;
        let config = context.trust.config().ok_or(AuditError::NoConfig)?;
        let writer = context.signer.public().writer_id();
        let packs = std::mem::take(&mut self.packs).into_values().collect();
        let mut new = Segment::new(context.trust.repository(), writer, context.clock.now(), packs);
        new.supersedes = std::mem::take(&mut self.supersedes).into_iter().collect();
        let document = new.sign(context.signer)?;
        let sealed = seal::seal(&config.index_recipients()?, &frame::pack_json(&document)?)?;
        put(context, &names::object(Kind::Index, object_id(&sealed)), &sealed)?;
        std::mem::take(&mut self.old).into_iter().try_for_each(|old| delete(context, old))
    }
}

fn put(context: &PruneContext<'_>, name: &ObjectName, bytes: &[u8]) -> Result<(), AuditError> {
    for store in context.stores {
        store.put(name, bytes, &PutFacts { crc64: crc64(bytes), temperature: Temperature::Hot })?;
    }
    Ok(())
}

fn delete(context: &PruneContext<'_>, id: ObjectId) -> Result<(), AuditError> {
    let name = names::object(Kind::Index, id);
    Ok(context.stores.iter().try_for_each(|store| store.delete(&name))?)
}

/// A segment that replaces this one already: an earlier prune was cut off.
fn replacement(
    context: &PruneContext<'_>,
    seen: &BTreeMap<ObjectId, Seen>,
    old: ObjectId,
    wanted: &Segment,
) -> Result<Option<(ObjectName, Vec<u8>)>, AuditError> {
    let fits = |seen: &Seen| seen.standing == Standing::Trusted && !seen.dead && seen.supersedes.contains(&old);
    for (id, _) in seen.iter().filter(|(_, seen)| fits(seen)) {
        // What another one says it replaces is not taken on faith.
        if let Ok(judged) = read(context, *id)?
            && wanted.packs.iter().all(|pack| judged.segment.packs.contains(pack))
        {
            return Ok(Some((names::object(Kind::Index, *id), judged.bytes)));
        }
    }
    Ok(None)
}

fn all(context: &PruneContext<'_>) -> Result<BTreeSet<ObjectId>, AuditError> {
    let mut ids = BTreeSet::new();
    for store in context.stores {
        let listed = list_all(&**store, Kind::Index.prefix())?;
        ids.extend(listed.iter().filter_map(|l| names::parse(&l.name)?.id));
    }
    Ok(ids)
}

fn is_damage(error: &FormatError) -> bool {
    matches!(error, FormatError::WrongObject | FormatError::NewerFormat { .. } | FormatError::UnknownFeature { .. })
}

/// Reads a segment from whichever store has it whole.
fn read(context: &PruneContext<'_>, id: ObjectId) -> Result<Result<Judged, FormatError>, AuditError> {
    let name = names::object(Kind::Index, id);
    let mut failed = None::<StoreError>;
    for store in context.stores {
        match store.read(&name, None) {
            Ok(ReadOutcome::Bytes(bytes)) if object_id(&bytes) == id => return Ok(parse(context, bytes)),
            Ok(_) => {}
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(Err(FormatError::WrongObject)), |error| Err(error.into()))
}

fn parse(context: &PruneContext<'_>, bytes: Vec<u8>) -> Result<Judged, FormatError> {
    let packed = seal::open(&bytes, &[context.index.identity()], LARGE_SEALED_MAX)?;
    let document = frame::unpack_json("index segment", &packed, LARGE_PLAIN_MAX)?;
    let (verified, mut standing) = context.trust.by_writer(DocType::Index, &document)?;
    let segment = Segment::parse(verified.payload, context.trust.repository())?;
    if segment.writer != verified.signer.writer_id() {
        standing = Standing::Unknown;
    }
    Ok(Judged { segment, standing, bytes })
}
