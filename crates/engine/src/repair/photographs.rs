//! Which chunks a lost pack leaves without a place, which files of the library hold them, and which
//! photographs are lost where none does.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use darkslide_catalog::{PackId, Trusted};
use darkslide_disk::{Disk as _, RealDisk, path_of};
use darkslide_format::canon;
use darkslide_format::manifest::PackKind;
use darkslide_format::pages::{Descend, Lost, PageSource, chunks_of, salvage_below};
use darkslide_format::snapshot::Snapshot;
use darkslide_format::tree::{Entry, EntryKind};
use darkslide_restore::Pages;
use darkslide_snapshot::reseal::Source;
use darkslide_words::{ChunkId, Count, Name, ObjectName};

use super::survey::Survey;
use crate::EngineError;

/// Photographs that are named for a pack.
const NAMED_MAX: usize = 200;

/// Chunks of a pack that lie in full in no other pack that some store holds.
pub fn lost_chunks(survey: &Survey<'_>, pack: &ObjectName) -> Result<Vec<ChunkId>, EngineError> {
    let catalog = &survey.catalog;
    let Some(id) = catalog.pack_named(pack)? else { return Ok(Vec::new()) };
    let (kind, gone) = (catalog.pack(id)?.kind, catalog.lost()?);
    let mut lost = Vec::new();
    for chunk in catalog.chunks_of_pack(id)? {
        let mut found = false;
        for other in catalog.locations(kind, chunk.id, Trusted::Yes)? {
            if other.pack == id || other.chunk.base.is_some() || found {
                continue;
            }
            let facts = catalog.pack(other.pack)?;
            found = !gone.contains(&facts.name)
                && survey.shelves.iter().any(|shelf| shelf.holds(&facts.name, facts.size.0));
        }
        if !found {
            lost.push(chunk.id);
        }
    }
    Ok(lost)
}

/// Gets each file, and those of the packs that it needs.
type OnFile<'f> = dyn FnMut(Source, Vec<&ObjectName>) -> Result<(), EngineError> + 'f;

/// Calls `each` with the files of all libraries that need one of these packs, and those packs.
fn files_of(
    survey: &Survey<'_>,
    packs: &HashMap<PackId, ObjectName>,
    each: &mut OnFile<'_>,
) -> Result<(), EngineError> {
    let (catalog, settings) = (&survey.catalog, &survey.engine.settings);
    for job in catalog.library_jobs()? {
        let Some(backup) = settings.backups.iter().find(|backup| backup.name == job) else { continue };
        let library = settings.resolve(&backup.library);
        catalog.for_each_folder::<EngineError>(&job, &mut |folder, dir| {
            catalog.for_each_file::<EngineError>(dir, &mut |row| {
                let of: Vec<&ObjectName> = row.packs.iter().filter_map(|pack| packs.get(&pack)).collect();
                if of.is_empty() {
                    return Ok(());
                }
                let entry: Entry = canon::from_bytes("a row of the catalog", &row.entry)?;
                let path = folder.join(&row.name);
                let file = path_of(&library, &path);
                match entry.kind {
                    EntryKind::File => each(Source { job: job.clone(), path, file, entry }, of),
                    _ => Ok(()),
                }
            })
        })?;
    }
    Ok(())
}

fn rows<'n>(
    survey: &Survey<'_>,
    packs: impl Iterator<Item = &'n ObjectName>,
) -> Result<HashMap<PackId, ObjectName>, EngineError> {
    let mut all = HashMap::new();
    for name in packs {
        all.extend(survey.catalog.pack_named(name)?.map(|id| (id, name.clone())));
    }
    Ok(all)
}

/// How many files of the library need each pack.
pub fn sources<'n>(
    survey: &Survey<'_>,
    packs: impl Iterator<Item = &'n ObjectName>,
) -> Result<BTreeMap<ObjectName, Count>, EngineError> {
    let mut counts: BTreeMap<ObjectName, Count> = BTreeMap::new();
    let rows = rows(survey, packs)?;
    if rows.is_empty() {
        return Ok(counts);
    }
    files_of(survey, &rows, &mut |_, of| {
        of.into_iter().for_each(|pack| *counts.entry(pack.clone()).or_default() += Count(1));
        Ok(())
    })?;
    Ok(counts)
}

/// The files of the library that need one of these packs.
pub fn files(survey: &Survey<'_>, packs: &BTreeSet<ObjectName>) -> Result<Vec<Source>, EngineError> {
    let mut all = Vec::new();
    files_of(survey, &rows(survey, packs.iter())?, &mut |source, _| {
        all.push(source);
        Ok(())
    })?;
    Ok(all)
}

/// A file's chunks; none where its list cannot be read.
fn chunks(pages: &mut impl PageSource, entry: &Entry) -> Vec<ChunkId> {
    chunks_of(pages, entry).unwrap_or_default()
}

/// Those of the lost chunks that neither the library, nor a database's local base, nor the cache of
/// pages seems to hold.
pub fn not_at_hand(survey: &Survey<'_>, pack: &ObjectName, lost: &[ChunkId]) -> Result<BTreeSet<ChunkId>, EngineError> {
    let catalog = &survey.catalog;
    let mut left: BTreeSet<ChunkId> = lost.iter().copied().collect();
    if kind_of(pack) == Some(PackKind::Trees) {
        for id in lost {
            if catalog.page(*id)?.is_some() {
                left.remove(id);
            }
        }
        return Ok(left);
    }
    let mut pages = Pages::cached(catalog);
    files_of(survey, &rows(survey, std::iter::once(pack))?, &mut |source, _| {
        let now = RealDisk.stat(&source.file);
        if now
            .is_ok_and(|now| Some(now.size) == source.entry.size.map(|size| size.0) && now.mtime == source.entry.mtime)
        {
            for id in chunks(&mut pages, &source.entry) {
                left.remove(&id);
            }
        }
        for block in catalog.base_blocks(&source.job, &source.path)? {
            left.remove(&block.chunk);
        }
        Ok(())
    })?;
    Ok(left)
}

fn kind_of(pack: &ObjectName) -> Option<PackKind> {
    use darkslide_format::names::{Kind, parse};
    match parse(pack)?.kind {
        Kind::Packs => Some(PackKind::Cold),
        Kind::Warm => Some(PackKind::Warm),
        Kind::Trees => Some(PackKind::Trees),
        _ => None,
    }
}

/// The photographs that need these chunks: of the library as it was seen last, and of all snapshots
/// whose trees this machine has; some of them by name, and how many they are.
pub fn named(
    survey: &Survey<'_>,
    pack: &ObjectName,
    missing: &BTreeSet<ChunkId>,
) -> Result<(Vec<Name>, Count), EngineError> {
    let catalog = &survey.catalog;
    let mut found: BTreeSet<Name> = BTreeSet::new();
    let mut pages = Pages::cached(catalog);
    files_of(survey, &rows(survey, std::iter::once(pack))?, &mut |source, _| {
        if chunks(&mut pages, &source.entry).iter().any(|id| missing.contains(id)) {
            found.insert(source.path);
        }
        Ok(())
    })?;
    let mut seen = HashSet::new();
    for row in catalog.snapshots()? {
        let Some(payload) = row.payload else { continue };
        let snapshot: Snapshot = canon::from_bytes("a snapshot's row", &payload)?;
        let Some(top) = snapshot.root.tree.filter(|top| seen.insert(*top)) else { continue };
        let mut each = |pages: &mut Pages<'_>, path: &Name, entry: &Entry| {
            if entry.kind == EntryKind::File && chunks(pages, entry).iter().any(|id| missing.contains(id)) {
                found.insert(path.clone());
            }
            Ok(match entry.tree {
                Some(tree) if !seen.insert(tree) => Descend::Over,
                _ => Descend::Into,
            })
        };
        // Trees that this machine does not have tell nothing.
        let _ = salvage_below(&mut pages, top, &mut each, &mut |_, _| Lost::GoOn);
    }
    let count = Count(found.len() as u64);
    Ok((found.into_iter().take(NAMED_MAX).collect(), count))
}
