//! Photographs' rows out of the library's: one for each group of files, the original first, with the packs
//! that hold it and the sidecar that rates it; then what they show, out of the previews.

use std::collections::{BTreeMap, BTreeSet};

use darkslide_catalog::{
    Catalog, DirId, FileRow, PackId, PhotographId, PhotographRow, Shown, Stale, StaleFolder, Trusted,
};
use darkslide_format::canon;
use darkslide_format::manifest::PackKind;
use darkslide_format::previews::{Int, PreviewFacts};
use darkslide_format::tree::{Entry, EntryKind, FileClass};
use darkslide_photo::{DateSource, Kind, Taken, groups};
use darkslide_words::{Bytes, ChunkId, Name};

use crate::SnapshotError;
use crate::previews::is_rating;

/// Folders, and rows, that are settled in one transaction.
const FOLDERS: usize = 64;
/// See [`FOLDERS`].
const ROWS: usize = 2000;

/// Brings the photographs up with the library's rows and the previews.
pub fn settle(catalog: &Catalog) -> Result<(), SnapshotError> {
    if catalog.photographs_stale()? == Stale::No {
        return Ok(());
    }
    loop {
        let folders = catalog.stale_folders(FOLDERS)?;
        if folders.is_empty() {
            break;
        }
        catalog.transaction(|| folders.iter().try_for_each(|folder| of_library(catalog, folder)))?;
    }
    while catalog.refresh_photographs(ROWS, &show)? > 0 {}
    Ok(())
}

/// The photographs of a folder of the library whose files changed.
fn of_library(catalog: &Catalog, folder: &StaleFolder) -> Result<(), SnapshotError> {
    let dir = folder.dir;
    if let Some((job, path)) = &folder.at {
        let at = Folder { catalog, job, path, dir: Some(dir) };
        let known = at.known()?;
        // Sidecars and what else lies about make no photograph by themselves.
        if known.is_empty() && !catalog.any_stale(dir, &mut |name| Kind::of(name).is_original())? {
            return Ok(catalog.folder_is_fresh(folder)?);
        }
        let stale = catalog.stale_files(dir)?;
        let names: Vec<Name> = catalog.stats(dir)?.into_iter().map(|(name, _)| name).collect();
        let mut entry = |name: &Name| -> Result<Option<(Entry, Vec<PackId>)>, SnapshotError> {
            let Some(FileRow { entry, packs, .. }) = catalog.file(dir, name)? else { return Ok(None) };
            let entry: Entry = canon::from_bytes("a row of the catalog", &entry)?;
            let held = match &entry.chunks {
                Some(chunks) => holding(catalog, &entry, chunks)?,
                None => packs.iter().collect(),
            };
            Ok(Some((entry, held)))
        };
        at.settle(known, &names, &|name| stale.binary_search(name).is_ok(), &mut entry)?;
    }
    Ok(catalog.folder_is_fresh(folder)?)
}

/// The photographs of a folder of a snapshot's tree, on a machine that does not hold the library.
pub fn of_snapshot(
    catalog: &Catalog,
    job: &str,
    path: &Name,
    entries: &BTreeMap<Name, (Entry, Vec<ChunkId>)>,
) -> Result<(), SnapshotError> {
    let names: Vec<Name> = entries.keys().cloned().collect();
    let mut entry = |name: &Name| -> Result<Option<(Entry, Vec<PackId>)>, SnapshotError> {
        let Some((entry, chunks)) = entries.get(name) else { return Ok(None) };
        Ok(Some((entry.clone(), holding(catalog, entry, chunks)?)))
    };
    let at = Folder { catalog, job, path, dir: None };
    at.settle(at.known()?, &names, &|_| false, &mut entry)
}

/// True for what photographs and their companions are called.
pub fn belongs(name: &Name) -> bool {
    Kind::of(name) != Kind::Other
}

/// Makes previews due of all photographs of a job, and of the sidecars that rate them, that have none;
/// how many.
pub fn make_due(catalog: &Catalog, job: &str) -> Result<u64, SnapshotError> {
    catalog.transaction(|| {
        let mut due = catalog.make_previews_due(job)?;
        let rated = catalog.rated_photographs(job)?;
        for row in rated {
            let (Some(sidecar), Some(name)) = (row.sidecar, rating_of(&row.beside)) else { continue };
            if !catalog.has_preview(&sidecar)? {
                catalog.add_due_preview(job, &row.folder.join(name), &sidecar)?;
                due += 1;
            }
        }
        Ok(due)
    })
}

/// The sidecar that rates: that of the file itself before that of the stem.
fn rating_of(beside: &[Name]) -> Option<&Name> {
    beside.iter().filter(|name| is_rating(name)).max_by_key(|name| name.as_bytes().len())
}

/// The packs that hold these chunks, one for each.
fn holding(catalog: &Catalog, entry: &Entry, chunks: &[ChunkId]) -> Result<Vec<PackId>, SnapshotError> {
    let kind = match entry.class {
        Some(FileClass::Warm) => PackKind::Warm,
        _ => PackKind::Cold,
    };
    let mut packs = BTreeSet::new();
    for chunk in chunks {
        packs.extend(catalog.locations(kind.code(), *chunk, Trusted::No)?.first().map(|place| place.pack));
    }
    Ok(packs.into_iter().collect())
}

/// Gives a file's entry, and the packs that hold it.
type EntryOf<'e> = dyn FnMut(&Name) -> Result<Option<(Entry, Vec<PackId>)>, SnapshotError> + 'e;

struct Folder<'a> {
    catalog: &'a Catalog,
    job: &'a str,
    path: &'a Name,
    dir: Option<DirId>,
}

impl Folder<'_> {
    /// Its photographs as they are known so far.
    fn known(&self) -> Result<BTreeMap<Name, PhotographRow>, SnapshotError> {
        Ok(self.catalog.photographs_in(self.job, self.path)?.into_iter().collect())
    }

    fn settle(
        &self,
        mut known: BTreeMap<Name, PhotographRow>,
        names: &[Name],
        changed: &dyn Fn(&Name) -> bool,
        entry: &mut EntryOf<'_>,
    ) -> Result<(), SnapshotError> {
        for group in groups(names) {
            let Some(original) = group.original().filter(|name| Kind::of(name).is_original()) else { continue };
            let beside: Vec<Name> = group.files[1..].iter().map(|(_, name)| name.clone()).collect();
            let before = known.remove(original);
            let same = before.as_ref().is_some_and(|row| row.beside == beside);
            if same && self.dir.is_some() && !changed(original) && !beside.iter().any(changed) {
                continue;
            }
            let Some((found, packs)) = entry(original)? else { continue };
            let (EntryKind::File, Some(hash)) = (found.kind, found.hash) else { continue };
            let sidecar =
                rating_of(&beside).map(&mut *entry).transpose()?.flatten().and_then(|(sidecar, _)| sidecar.hash);
            let row = PhotographRow {
                id: PhotographId(0),
                job: self.job.to_string(),
                folder: self.path.clone(),
                name: original.clone(),
                beside,
                hash,
                sidecar,
                size: found.size.unwrap_or(Bytes(0)),
                mtime: found.mtime,
                shown: undescribed(original, found.mtime.0),
            };
            if before.as_ref().is_some_and(|old| is_same(old, &row)) && self.dir.is_none() {
                continue;
            }
            self.catalog.put_photograph(self.dir, &row, &packs)?;
        }
        known.values().try_for_each(|gone| Ok(self.catalog.drop_photograph(gone.id)?))
    }
}

/// True if nothing of a photograph's files changed.
fn is_same(old: &PhotographRow, new: &PhotographRow) -> bool {
    (&old.hash, &old.sidecar, &old.beside, old.mtime) == (&new.hash, &new.sidecar, &new.beside, new.mtime)
}

/// What is known of a photograph by its name and its file system alone.
fn undescribed(name: &Name, mtime: i64) -> Shown {
    let kind = match Kind::of(name) {
        Kind::Raw => "raw",
        Kind::Video => "video",
        _ => "picture",
    };
    Shown {
        taken: mtime.div_euclid(1_000_000),
        dated: "file".into(),
        kind: kind.into(),
        extension: name.extension().unwrap_or_default(),
        ..Shown::default()
    }
}

/// What a photograph shows, out of the preview of its content and that of its sidecar.
fn show(row: &PhotographRow, own: Option<&[u8]>, sidecar: Option<&[u8]>) -> Shown {
    let parse = |facts: Option<&[u8]>| facts.and_then(|facts| PreviewFacts::parse(facts).ok()).unwrap_or_default();
    let (own, sidecar) = (parse(own), parse(sidecar));
    let mut shown = undescribed(&row.name, row.mtime.0);
    let dated = [&own, &sidecar].into_iter().find_map(|facts| Some((wall_clock(facts.taken.as_deref()?)?, facts)));
    if let Some((taken, facts)) = dated {
        shown.taken = taken;
        shown.zone = facts.offset.and_then(|seconds| i32::try_from(seconds.0).ok());
        shown.dated = facts.dated.clone().unwrap_or_default();
    }
    let small = |n: Option<Int>| n.and_then(|n| u32::try_from(n.0).ok());
    shown.camera = camera(own.make.as_deref(), own.model.as_deref());
    shown.lens = own.lens;
    shown.rating = sidecar.rating.or(own.rating).and_then(|stars| i8::try_from(stars.0).ok());
    shown.place = own.latitude.zip(own.longitude).map(|(north, east)| (north.0, east.0));
    shown.pixels = small(own.width).zip(small(own.height));
    shown
}

/// Milliseconds since 1970 as if the wall clock showed UTC.
fn wall_clock(text: &str) -> Option<i64> {
    let taken = Taken::from_iso(text, DateSource::Original)?;
    let taken = Taken { offset: Some(0), ..taken };
    Some(taken.instant(&jiff::tz::TimeZone::UTC)?.0.div_euclid(1_000_000))
}

/// `Canon EOS R6`, also where the maker does not say it in the model.
fn camera(make: Option<&str>, model: Option<&str>) -> Option<String> {
    let (make, model) = (make.unwrap_or_default().trim(), model.unwrap_or_default().trim());
    let brand = make.split_whitespace().next().unwrap_or_default();
    let said = model.to_lowercase().starts_with(&brand.to_lowercase());
    let text = if said { model.to_string() } else { format!("{brand} {model}").trim().to_string() };
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests;
