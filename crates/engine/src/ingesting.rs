//! `ingest` and `card check`: a card into the library, and whether it may be formatted.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use darkslide_catalog::{Catalog, DirId, FileRow, PackState};
use darkslide_disk::RealDisk;
use darkslide_format::canon;
use darkslide_format::tree::Entry;
use darkslide_ingest::{
    Card, CardState, CopyAt, Ingest, IngestPlan, Ingested, Options, Place, PlaceKind, Shelf, Template, Verdict, apart,
    check_places, hash_card, ingest, plan, read_facts, scan, verdict, volume_of,
};
use darkslide_store::list_all;
use darkslide_words::{ContentHash, Count, Name};

use crate::arriving::{ArrivalPreviews, IngestDone};
use crate::local_settings::TEMPLATE;
use crate::media::{medium, store_medium};
use crate::observe::IngestObserver;
use crate::repository::Repository;
use crate::runs::Account;
use crate::{Engine, EngineError, founding};

/// How cards are ingested.
#[derive(Debug, Clone, Default)]
pub struct IngestOptions {
    /// Cards: where they are mounted, or folders.
    pub cards: Vec<PathBuf>,
    /// Instead of the configured library.
    pub to: Option<PathBuf>,
    /// Besides the configured ones.
    pub second: Vec<PathBuf>,
    /// What the shoot is called.
    pub job_code: String,
    /// Instead of the configured template.
    pub template: Option<String>,
    /// Name of this machine.
    pub host: String,
}

/// Where the number of `{counter}` is remembered.
const COUNTER: &str = "ingest counter";

impl Engine {
    /// The library that cards go to.
    pub fn ingest_library(&self, to: Option<&Path>) -> Result<PathBuf, EngineError> {
        if let Some(to) = to {
            return Ok(founding::absolute(to));
        }
        match &self.settings.ingest.library {
            Some(library) => Ok(self.settings.resolve(library)),
            None => Ok(self.settings.resolve(&self.settings.job(None)?.library)),
        }
    }

    fn targets(&self, options: &IngestOptions) -> Result<Vec<Place>, EngineError> {
        let library = self.ingest_library(options.to.as_deref())?;
        let mut roots = vec![library];
        roots.extend(self.settings.ingest.second.iter().map(|path| self.settings.resolve(path)));
        roots.extend(options.second.iter().map(|path| founding::absolute(path)));
        let mut places: Vec<Place> = Vec::new();
        for root in roots {
            if !places.iter().any(|place| place.root == root) {
                places.push(Place { label: root.display().to_string(), root });
            }
        }
        Ok(places)
    }

    /// What an ingest would do with each card.
    pub fn plan_ingest(&self, options: &IngestOptions) -> Result<Vec<(Card, IngestPlan)>, EngineError> {
        let text = options.template.as_deref().or(self.settings.ingest.template.as_deref()).unwrap_or(TEMPLATE);
        let template = Template::parse(text).map_err(|error| EngineError::Template(error.to_string()))?;
        let catalog = Catalog::open(&self.catalog_path())?;
        let stored = catalog.meta(COUNTER)?.and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok());
        let mut counter = stored.unwrap_or(1);
        let mut out = Vec::new();
        for root in &options.cards {
            let card = scan(&RealDisk, &volume_of(root))?;
            let facts = read_facts(&RealDisk, &card);
            let wanted = Options {
                template: template.clone(),
                job_code: options.job_code.clone(),
                day_starts: self.settings.ingest.day_starts().unwrap_or_default(),
                zone: jiff::tz::TimeZone::system(),
                counter,
            };
            let made = plan(&card, &facts, &wanted);
            counter = made.counter;
            out.push((card, made));
        }
        Ok(out)
    }

    /// Ingests cards, side by side; then makes previews of what came.
    pub fn ingest(&self, options: &IngestOptions, observer: &dyn IngestObserver) -> Result<IngestDone, EngineError> {
        let _lock = crate::secrets::lock(&self.settings.state_dir())?;
        let planned = self.plan_ingest(options)?;
        let catalog = Catalog::open(&self.catalog_path())?;
        let labels: Vec<&str> = planned.iter().map(|(card, _)| card.volume.label.as_str()).collect();
        self.recorded(&labels.join(", "), "ingest", |run| {
            if planned.iter().any(|(_, plan)| plan.counted) {
                let next = planned.iter().map(|(_, plan)| plan.counter).max().unwrap_or(1);
                catalog.set_meta(COUNTER, next.to_string().as_bytes())?;
            }
            let observer = run.watch(observer, self.stop.as_deref());
            let work = Ingest {
                disk: &RealDisk,
                catalog: &self.catalog_path(),
                clock: &*self.clock,
                observer: &observer,
                targets: self.targets(options)?,
                host: options.host.clone(),
                tool: ("darkslide".into(), env!("CARGO_PKG_VERSION").into()),
            };
            let cards = ingest(&work, &planned)?;
            let previews = match work.targets.first() {
                Some(library) => self.preview_arrivals(library, &cards, &observer),
                None => ArrivalPreviews::default(),
            };
            let account = account(&cards);
            Ok((IngestDone { cards, previews }, account))
        })
    }

    /// For each file of a card, where verified copies are; and whether it may be formatted. Every
    /// copy on a disk is read again, and the stores are listed.
    pub fn check_card(&self, root: &Path, observer: &dyn IngestObserver) -> Result<Verdict, EngineError> {
        let now = self.clock.now();
        let card = scan(&RealDisk, &volume_of(root))?;
        let catalog = Catalog::open(&self.catalog_path())?;
        let hashes = hash_card(&RealDisk, &catalog, &card, observer, now)?;
        let sizes: BTreeSet<u64> = card.files.iter().map(|file| file.stat.size).collect();
        let mut shelves = Vec::new();
        // A folder that is taken for a card is on some disk by its nature.
        let own = card.volume.is_mounted().then(|| medium(&card.volume.root));
        for (place, kind, off_site) in self.places()? {
            // A card within a library would be its own copy.
            apart(&place.root, &card.volume.root)?;
            let medium = medium(&place.root);
            if own.as_ref() == Some(&medium) {
                observer.note(&format!("{}: it lies on the card's own medium and counts for nothing", place.label));
                continue;
            }
            shelves.push((Shelf::new(&RealDisk, place, &sizes)?, (kind, medium, off_site)));
        }
        let mut copies = check_places(&RealDisk, &catalog, &card, &hashes, &shelves, now)?;
        self.in_stores(&catalog, &card, &hashes, &mut copies, observer)?;
        let mut said = verdict(&card, &hashes, copies, &self.settings.safe.rule(), now);
        if !scan(&RealDisk, &card.volume).is_ok_and(|again| card.is_unchanged(&again)) {
            said.state = CardState::NotSafe;
            said.unsafe_files.push((Name::default(), "the card changed while it was read: ask again".into()));
        }
        let row = catalog.card(&card.volume.id, &card.volume.label, now)?;
        catalog.set_verdict(row.id, &said.to_string())?;
        self.tell_card_safe(&card.volume.label, &said);
        Ok(said)
    }

    /// Places on disks that hold copies, without those that are away.
    fn places(&self) -> Result<Vec<(Place, PlaceKind, bool)>, EngineError> {
        let mut out: Vec<(Place, PlaceKind, bool)> = Vec::new();
        let mut add = |root: PathBuf, kind, off_site| {
            if !out.iter().any(|(place, ..)| place.root == root) {
                out.push((Place { label: root.display().to_string(), root }, kind, off_site));
            }
        };
        if let Ok(library) = self.ingest_library(None) {
            add(library, PlaceKind::Library, false);
        }
        for job in &self.settings.backups {
            add(self.settings.resolve(&job.library), PlaceKind::Library, false);
        }
        for second in &self.settings.ingest.second {
            add(self.settings.resolve(second), PlaceKind::Second, false);
        }
        for mirror in &self.settings.mirrors {
            add(self.settings.resolve(&mirror.target), PlaceKind::Mirror, mirror.off_site);
        }
        Ok(out)
    }

    /// Adds the copies in the repository: files whose content the last run stored under a path of
    /// the library, where a store lists all packs that they need.
    fn in_stores(
        &self,
        catalog: &Catalog,
        card: &Card,
        hashes: &BTreeMap<Name, Result<ContentHash, String>>,
        copies: &mut BTreeMap<Name, Vec<CopyAt>>,
        observer: &dyn IngestObserver,
    ) -> Result<(), EngineError> {
        let repo = match self.repository() {
            Ok(repo) => repo,
            Err(error) => {
                observer.note(&format!("the repository counts for nothing: {error}"));
                return Ok(());
            }
        };
        let listed = self.listed_stores(&repo, catalog)?;
        // What a run has stored that was cut off, no snapshot names yet.
        let runs = catalog.runs(1000)?;
        let last = |job: &str| runs.iter().find(|run| run.job == job && run.kind == "backup");
        let whole =
            |job: &str| last(job).is_some_and(|run| matches!(run.outcome.as_deref(), Some("complete" | "incomplete")));
        let unfinished: BTreeSet<String> =
            self.settings.backups.iter().map(|job| job.name.clone()).filter(|job| !whole(job)).collect();
        let mut last_snapshot = BTreeMap::new();
        for job in &self.settings.backups {
            last_snapshot.insert(&job.name, catalog.job(&job.name)?.snapshot);
        }
        let memory = LibraryMemory::new(catalog);
        for file in &card.files {
            let Some(Ok(hash)) = hashes.get(&file.path) else { continue };
            let found = copies.entry(file.path.clone()).or_default();
            for path in found.iter().filter(|copy| copy.kind == PlaceKind::Library).cloned().collect::<Vec<_>>() {
                for job in &self.settings.backups {
                    let root = self.settings.resolve(&job.library);
                    if root.display().to_string() != path.place {
                        continue;
                    }
                    let Some(row) = memory.file(&job.name, &path.path)? else { continue };
                    let entry: Entry = canon::from_bytes("a row of the catalog", &row.entry)?;
                    if entry.hash != Some(*hash) || unfinished.contains(&job.name) {
                        continue;
                    }
                    let needs = pack_names(catalog, &row)?;
                    let Some(snapshot) = last_snapshot.get(&job.name).cloned().flatten() else { continue };
                    for (label, off_site, names) in &listed {
                        let all =
                            needs.as_ref().is_some_and(|packs| packs.iter().all(|(n, s)| names.get(n) == Some(s)));
                        if all && names.contains_key(snapshot.as_str()) {
                            found.push(CopyAt {
                                kind: PlaceKind::Store,
                                place: label.clone(),
                                path: path.path.clone(),
                                medium: store_medium(self, label),
                                off_site: *off_site,
                                file: None,
                            });
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// What the run's row and event tell.
fn account(done: &[Ingested]) -> Account {
    let copied: Count = done.iter().map(|card| card.copied).sum();
    let changed = done.iter().filter(|card| card.changed);
    let failures = done.iter().flat_map(|card| &card.failures);
    Account {
        summary: format!("{copied} files copied"),
        files: copied,
        bytes: done.iter().map(|card| card.bytes).sum(),
        failures: failures.map(|one| (one.path.clone(), one.reason.clone())).collect(),
        warnings: changed.map(|card| format!("the card {} changed while it was read", card.card)).collect(),
        is_incomplete: !done.iter().all(Ingested::is_whole),
        ..Account::default()
    }
}

impl Engine {
    /// What each store holds, by its prefixes: a snapshot is put where all that it needs is.
    /// What was found damaged or lost is not there.
    fn listed_stores(&self, repo: &Repository, catalog: &Catalog) -> Result<Vec<ListedStore>, EngineError> {
        let mut listed: Vec<ListedStore> = Vec::new();
        let lost = catalog.lost()?;
        for store in &repo.reached.stores {
            let mut names = BTreeMap::new();
            for prefix in ["packs/", "warm/", "snapshots/"] {
                let all = list_all(&**store, prefix)?;
                names.extend(all.into_iter().map(|one| (one.name.as_str().to_string(), one.size.0)));
            }
            let label = store.label();
            let damaged = catalog.damaged_in(&label)?;
            for name in lost.iter().chain(damaged.iter().map(|row| &row.name)) {
                names.remove(name.as_str());
            }
            let settings = self.store_settings();
            let off_site = settings.iter().find(|s| s.label() == label).is_some_and(|s| s.is_off_site());
            listed.push((label, off_site, names));
        }
        Ok(listed)
    }
}

/// A store: its label, whether it is off-site, and names and sizes of its packs and snapshots.
type ListedStore = (String, bool, BTreeMap<String, u64>);

/// Names and sizes of the packs that a file needs; nothing if one of them is condemned or gone.
fn pack_names(catalog: &Catalog, row: &FileRow) -> Result<Option<Vec<(String, u64)>>, EngineError> {
    let mut out = Vec::new();
    for id in row.packs.iter() {
        if catalog.pack_state(id)? != PackState::Stored {
            return Ok(None);
        }
        let facts = catalog.pack(id)?;
        out.push((facts.name.as_str().to_string(), facts.size.0));
    }
    Ok(Some(out))
}

/// What the last backup stored, by path; each folder is looked up once.
pub(crate) struct LibraryMemory<'c> {
    catalog: &'c Catalog,
    folders: RefCell<HashMap<(String, Name), Option<DirId>>>,
}

impl<'c> LibraryMemory<'c> {
    pub(crate) fn new(catalog: &'c Catalog) -> Self {
        Self { catalog, folders: RefCell::default() }
    }

    /// The row of a file.
    pub(crate) fn file(&self, job: &str, path: &Name) -> Result<Option<FileRow>, EngineError> {
        let bytes = path.as_bytes();
        let split = bytes.iter().rposition(|b| *b == b'/');
        let folder = Name::new(split.map_or(&b""[..], |at| &bytes[..at]));
        match self.folder(job, &folder)? {
            Some(dir) => Ok(self.catalog.file(dir, &Name::new(path.file_name()))?),
            None => Ok(None),
        }
    }

    /// What it stored of a path, if that is the version which lies in the library now.
    pub(crate) fn hash(&self, job: &str, library: &Path, path: &Name) -> Option<ContentHash> {
        use darkslide_disk::Disk as _;
        let row = self.file(job, path).ok()??;
        let now = RealDisk.stat(&darkslide_disk::path_of(library, path)).ok()?;
        if row.stat.size != now.size || row.stat.mtime != now.mtime {
            return None;
        }
        canon::from_bytes::<Entry>("a row of the catalog", &row.entry).ok()?.hash
    }

    fn folder(&self, job: &str, path: &Name) -> Result<Option<DirId>, EngineError> {
        let key = (job.to_string(), path.clone());
        if let Some(known) = self.folders.borrow().get(&key) {
            return Ok(*known);
        }
        let found = if path.is_empty() {
            self.below(job, DirId(0), &Name::default())?
        } else {
            let bytes = path.as_bytes();
            let split = bytes.iter().rposition(|b| *b == b'/');
            let parent = Name::new(split.map_or(&b""[..], |at| &bytes[..at]));
            match self.folder(job, &parent)? {
                Some(dir) => self.below(job, dir, &Name::new(path.file_name()))?,
                None => None,
            }
        };
        self.folders.borrow_mut().insert(key, found);
        Ok(found)
    }

    fn below(&self, job: &str, parent: DirId, name: &Name) -> Result<Option<DirId>, EngineError> {
        let folders = self.catalog.dirs_below(job, parent)?;
        Ok(folders.into_iter().find(|(below, _)| below == name).map(|(_, id)| id))
    }
}
