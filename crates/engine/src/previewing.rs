//! Previews: made with each backup, made afterwards on demand, fetched back from a repository, counted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use darkslide_catalog::{Catalog, PreviewPack, PreviewStats, Thumbnails};
use darkslide_format::identity::IdentityFile;
use darkslide_format::limits::PREVIEWS_MAX;
use darkslide_format::names::{self, Kind};
use darkslide_format::pages::{Descend, chunks_of, for_each_below};
use darkslide_format::previews::OpenPreviews;
use darkslide_format::snapshot::Snapshot;
use darkslide_format::tree::{Entry, EntryKind};
use darkslide_format::trust::Standing;
use darkslide_snapshot::previews::{Keeper, records};
use darkslide_store::list_all;
use darkslide_words::{Bytes, ChunkId, ContentHash, Count, Name, ObjectName};
use serde::{Deserialize, Serialize};

use crate::browse::{Browser, root_of};
use crate::observe::BackupObserver;
use crate::{BackupDone, BackupOptions, Engine, EngineError, parse_bytes};

/// Bytes of thumbnails that are kept where nothing is set: about 300,000 photographs.
const CACHE_MAX: Bytes = Bytes(10_000_000_000);
/// Thumbnails that are written into the file at once.
const TOGETHER: usize = 32;
/// Previews that are made at once, where nothing is set, at most.
const WORKERS_MAX: usize = 4;

/// How previews are made and kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreviewSettings {
    /// False where backups make none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub make: Option<bool>,
    /// How many are made at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<usize>,
    /// Folder for the thumbnails that are kept on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<PathBuf>,
    /// Bytes of thumbnails that are kept, such as `10 GB`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_max: Option<String>,
}

impl PreviewSettings {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn problem(&self) -> Option<String> {
        let max = self.cache_max.as_deref().filter(|max| parse_bytes(max).is_none());
        let none = self.workers == Some(0);
        max.map(|max| format!("[previews] cache_max = `{max}` is no amount such as `10 GB`"))
            .or_else(|| none.then(|| "[previews] workers = 0: for no previews, say `make = false`".into()))
    }

    pub(crate) fn makes(&self) -> bool {
        self.make.unwrap_or(true)
    }

    pub(crate) fn cache_max(&self) -> Bytes {
        self.cache_max.as_deref().and_then(parse_bytes).map_or(CACHE_MAX, Bytes)
    }

    pub(crate) fn folder(&self, state: &Path) -> PathBuf {
        self.cache.clone().unwrap_or_else(|| state.join("previews"))
    }

    pub(crate) fn workers(&self) -> usize {
        // Sealing has the rest.
        let half = std::thread::available_parallelism().map_or(1, |cores| cores.get() / 2);
        self.workers.unwrap_or(half.clamp(1, WORKERS_MAX))
    }
}

/// Keeps the thumbnails of a backup, a few at a time.
pub(crate) struct Keeping {
    kept: Mutex<(Thumbnails, Vec<(ContentHash, Vec<u8>)>)>,
    day: i64,
}

impl Keeping {
    fn flush((thumbnails, waiting): &mut (Thumbnails, Vec<(ContentHash, Vec<u8>)>), day: i64) {
        let all: Vec<(ContentHash, &[u8])> = waiting.iter().map(|(hash, jpeg)| (*hash, &jpeg[..])).collect();
        // A thumbnail that is not kept here is in the repository.
        let _ = thumbnails.keep(&all, day);
        waiting.clear();
    }
}

impl Keeper for Keeping {
    fn keep(&self, content: &ContentHash, jpeg: &[u8]) {
        let mut kept = self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        kept.1.push((*content, jpeg.to_vec()));
        if kept.1.len() >= TOGETHER {
            Self::flush(&mut kept, self.day);
        }
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        let kept = self.kept.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        Self::flush(kept, self.day);
    }
}

/// How the previews are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PreviewStatus {
    /// True if backups make them.
    pub makes: bool,
    /// Photographs and their previews.
    #[serde(flatten)]
    pub stats: PreviewStats,
    /// Thumbnails that are kept on this machine.
    pub kept: Count,
    /// Their bytes.
    pub kept_bytes: Bytes,
    /// Bytes that they may have.
    pub kept_max: Bytes,
}

/// What was fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PreviewsFetched {
    /// Packs of previews that were read.
    pub packs: Count,
    /// Their sealed bytes.
    pub bytes: Bytes,
    /// Previews in them.
    pub previews: Count,
    /// Thumbnails that are kept now.
    pub thumbnails: Count,
    /// Photographs in the snapshots that were looked through.
    pub photographs: Count,
    /// Packs that were refused, and why.
    pub refused: Vec<(ObjectName, String)>,
}

impl Engine {
    /// Keeps the thumbnails of a run, where that is possible.
    pub(crate) fn keeping(&self) -> Option<Keeping> {
        let thumbnails = self.thumbnails().ok()?;
        Some(Keeping { kept: Mutex::new((thumbnails, Vec::new())), day: self.day() })
    }

    /// How the previews are.
    pub fn previews_status(&self) -> Result<PreviewStatus, EngineError> {
        let catalog = self.photographs_catalog()?;
        let (kept, kept_bytes) = self.thumbnails()?.size()?;
        Ok(PreviewStatus {
            makes: self.settings.previews.makes(),
            stats: catalog.preview_stats()?,
            kept,
            kept_bytes,
            kept_max: self.settings.previews.cache_max(),
        })
    }

    /// Makes the previews of all photographs of a job that have none: they are made due, and a backup makes
    /// what is due. How many were due, and the backup.
    pub fn make_previews(
        &self,
        options: &BackupOptions,
        observer: &dyn BackupObserver,
    ) -> Result<(Count, BackupDone), EngineError> {
        if !self.settings.previews.makes() {
            return Err(EngineError::PreviewsOff);
        }
        let job = self.settings.job(options.job.as_deref())?;
        let catalog = self.photographs_catalog()?;
        // What was lost, or is known to be damaged, is made again.
        darkslide_snapshot::previews::reconcile(&catalog, self.repository()?.store())?;
        let due = darkslide_snapshot::photographs::make_due(&catalog, &job.name)?;
        drop(catalog);
        Ok((Count(due), self.backup(options, observer)?))
    }

    /// Takes previews back from the repository: what photographs tell into the catalog, thumbnails into the
    /// file that is kept here; and the photographs of libraries that are not on this machine out of their
    /// newest snapshots. Nothing is thawed.
    pub fn fetch_previews(
        &self,
        identity: &IdentityFile,
        observer: &dyn BackupObserver,
    ) -> Result<PreviewsFetched, EngineError> {
        let mut browser = self.browser(Some(identity))?;
        let mut done = PreviewsFetched::default();
        self.fetch_packs(&mut browser, observer, &mut done)?;
        self.fetch_photographs(&mut browser, observer, &mut done)?;
        darkslide_snapshot::photographs::settle(&browser.catalog)?;
        Ok(done)
    }

    fn fetch_packs(
        &self,
        browser: &mut Browser,
        observer: &dyn BackupObserver,
        done: &mut PreviewsFetched,
    ) -> Result<(), EngineError> {
        let (Some(repo), Some(opened)) = (&browser.repo, &browser.opened) else { return Ok(()) };
        let catalog = &browser.catalog;
        let mut kept = self.thumbnails()?;
        let known: BTreeSet<ObjectName> =
            catalog.preview_packs()?.into_iter().filter(|(_, there)| *there).map(|(pack, _)| pack.name).collect();
        let (mut there, mut seen) = (BTreeSet::new(), BTreeSet::new());
        for store in &repo.reached.stores {
            for listed in list_all(&**store, Kind::Previews.prefix())? {
                let Some(id) = names::parse(&listed.name).and_then(|parsed| parsed.id) else { continue };
                there.insert(listed.name.clone());
                if seen.contains(&listed.name) || listed.size.0 > PREVIEWS_MAX as u64 {
                    continue;
                }
                if observer.cancelled() {
                    return Err(EngineError::Snapshot(darkslide_snapshot::SnapshotError::Cancelled));
                }
                let read = store.read(&listed.name, None).and_then(|read| read.bytes(&listed.name));
                let opened = read.map_err(|e| e.to_string()).and_then(|bytes| {
                    OpenPreviews::open(id, &bytes, &opened.identities.all(), &repo.trust).map_err(|e| e.to_string())
                });
                let previews = match opened {
                    Ok(previews) => previews,
                    Err(why) => {
                        done.refused.push((listed.name, why));
                        continue;
                    }
                };
                let rows = &previews.table.previews;
                if !known.contains(&listed.name) {
                    let (pack, records) =
                        (PreviewPack { name: listed.name.clone(), size: listed.size }, records(rows)?);
                    catalog.transaction(|| catalog.add_preview_pack(&pack, &records))?;
                }
                let all: Vec<_> = rows.iter().filter_map(|row| Some((row.hash, previews.thumbnail(row)?))).collect();
                kept.keep(&all, self.day())?;
                done.packs += Count(1);
                done.bytes += listed.size;
                done.previews += Count(rows.len() as u64);
                done.thumbnails += Count(all.len() as u64);
                seen.insert(listed.name);
            }
        }
        // One that another store gave is not refused any more.
        done.refused.retain(|(name, _)| !seen.contains(name));
        kept.bound()?;
        catalog.reconcile_preview_packs(&there)?;
        Ok(())
    }

    fn fetch_photographs(
        &self,
        browser: &mut Browser,
        observer: &dyn BackupObserver,
        done: &mut PreviewsFetched,
    ) -> Result<(), EngineError> {
        let here: BTreeSet<String> = browser.catalog.library_jobs()?.into_iter().collect();
        let mut newest: BTreeMap<String, Snapshot> = BTreeMap::new();
        for info in browser.list()? {
            let trusted = info.writer.as_ref().is_some_and(|(_, standing)| *standing == Standing::Trusted);
            let Some(snapshot) = info.snapshot.filter(|snapshot| snapshot.complete && trusted) else { continue };
            // The library's own rows are the better ones.
            if !here.contains(&snapshot.job) {
                newest.insert(snapshot.job.clone(), snapshot);
            }
        }
        for (job, snapshot) in newest {
            done.photographs += Count(look_through(browser, &job, &snapshot, observer)?);
        }
        Ok(())
    }
}

type Entries = BTreeMap<Name, (Entry, Vec<ChunkId>)>;

/// The photographs of a snapshot, folder by folder; how many.
fn look_through(
    browser: &mut Browser,
    job: &str,
    snapshot: &Snapshot,
    observer: &dyn BackupObserver,
) -> Result<u64, EngineError> {
    // The tree is walked through a second connection: the first one writes.
    let mut folders: BTreeMap<Name, Entries> = BTreeMap::new();
    let mut pages = browser.pages();
    let mut cancelled = false;
    for_each_below(&mut pages, root_of(snapshot)?, &mut |pages, path, entry| {
        cancelled |= observer.cancelled();
        if entry.kind == EntryKind::File && darkslide_snapshot::photographs::belongs(&entry.name) {
            let chunks = chunks_of(pages, entry)?;
            let bytes = path.as_bytes();
            let cut = bytes.iter().rposition(|b| *b == b'/').unwrap_or(0);
            let lean = Entry { chunks: None, xattrs: Vec::new(), ..entry.clone() };
            folders.entry(Name::new(&bytes[..cut])).or_default().insert(entry.name.clone(), (lean, chunks));
        }
        Ok(if cancelled { Descend::Over } else { Descend::Into })
    })?;
    drop(pages);
    if cancelled {
        return Err(EngineError::Snapshot(darkslide_snapshot::SnapshotError::Cancelled));
    }
    let catalog: &Catalog = &browser.catalog;
    catalog.transaction(|| {
        for (folder, entries) in &folders {
            darkslide_snapshot::photographs::of_snapshot(catalog, job, folder, entries)?;
        }
        catalog.keep_folders(job, &mut |folder| folders.contains_key(folder))?;
        Ok::<_, EngineError>(())
    })?;
    Ok(catalog
        .photograph_count(&darkslide_catalog::PhotographQuery { jobs: vec![job.into()], ..Default::default() })?
        .0)
}
