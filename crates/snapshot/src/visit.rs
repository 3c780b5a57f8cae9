//! The walk through the library, folder by folder, and what it makes of each
//! file: unchanged, new, changed, gone, silently changed.

mod files;
mod pictures;
mod rows;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use darkslide_catalog::{Catalog, DirId, DirRow, FileRow, PackId, Stat};
use darkslide_format::IdKey;
use darkslide_format::canon;
use darkslide_format::limits::{FOLDER_DEPTH_MAX, NAME_MAX};
use darkslide_format::manifest::PackKind;
use darkslide_format::pages::PageBuilder;
use darkslide_format::tree::{Entry, EntryKind};
use darkslide_words::{Bytes, ContentHash, Count, Name};

use self::files::{Filed, Place};
use self::rows::{Waiting, WaitingDir, store_page};
use crate::database;
use crate::execute::{Context, Failure};
use crate::facts::{self, Accounts};
use crate::finish::Finish;
use crate::listing::{self, Item, Listing, What};
use crate::packer::{PackRef, Packer};
use crate::plan::Reading;
use crate::previews::{Press, wants};
use crate::sealer::Seq;
use crate::small::Ahead;
use crate::store_file::FileStore;
use crate::{Progress, SnapshotError};

/// Files above this are worth a look at what else goes on after each.
const LARGE: u64 = 1 << 20;

/// A file with several names.
struct Linked {
    entry: Entry,
    refs: Vec<PackRef>,
}

/// What the walk counted.
#[derive(Debug, Default)]
pub struct Tally {
    /// For the snapshot.
    pub counts: darkslide_format::snapshot::Counts,
    /// What could not be stored.
    pub failures: Vec<Failure>,
    /// True once any row changed.
    pub changed: bool,
}

/// The walk.
pub struct Visitor<'r> {
    pub(crate) context: &'r Context<'r>,
    pub(crate) catalog: &'r Catalog,
    pub(crate) packer: Packer<'r>,
    files: FileStore<'r>,
    small: Ahead,
    key: &'r IdKey,
    accounts: Accounts,
    warm_below: u64,
    db_chunk: usize,
    strict: bool,
    device: u64,
    links: HashMap<(u64, u64), Linked>,
    waiting: BTreeMap<Seq, Vec<Waiting>>,
    ready: Vec<(DirId, FileRow)>,
    /// Rows since the last look at what is stored by now.
    filed: usize,
    dirs: Vec<WaitingDir>,
    pub(crate) rows: BTreeMap<Seq, PackId>,
    pub(crate) unindexed: Vec<darkslide_format::index::IndexPack>,
    pub(crate) tally: Tally,
    pub(crate) press: Option<Press>,
    /// Content whose preview was wanted in this run.
    wanted: HashSet<ContentHash>,
    loose_recipes: Vec<PackRef>,
    progress: Progress,
    finish: Option<&'r Finish<'r>>,
    last_checkpoint: std::time::Duration,
}

/// What a walk needs to begin.
pub struct Begin<'r> {
    pub context: &'r Context<'r>,
    pub catalog: &'r Catalog,
    pub packer: Packer<'r>,
    pub files: FileStore<'r>,
    pub warm_below: u64,
    pub db_chunk: usize,
    /// True if packs were lost or condemned, so that nothing known can be
    /// taken over unseen.
    pub strict: bool,
    /// Where files go whose previews are wanted.
    pub press: Option<Press>,
    pub expected: Option<Bytes>,
}

/// Entries of a folder on their way into pages.
struct Pages<'k> {
    builder: PageBuilder<'k>,
    refs: Vec<PackRef>,
    subs: std::vec::IntoIter<(Name, Vec<u8>)>,
    next_sub: Option<(Name, Vec<u8>)>,
}

impl<'r> Visitor<'r> {
    /// Ready to go.
    pub fn new(begin: Begin<'r>) -> Self {
        Self {
            key: &begin.context.writer.id_key,
            context: begin.context,
            catalog: begin.catalog,
            packer: begin.packer,
            small: Ahead::new(begin.files.uncut()),
            files: begin.files,
            accounts: Accounts::read(Path::new("/etc")),
            warm_below: begin.warm_below,
            db_chunk: begin.db_chunk,
            strict: begin.strict,
            device: 0,
            links: HashMap::new(),
            waiting: BTreeMap::new(),
            ready: Vec::new(),
            filed: 0,
            dirs: Vec::new(),
            rows: BTreeMap::new(),
            unindexed: Vec::new(),
            tally: Tally::default(),
            press: begin.press,
            wanted: HashSet::new(),
            loose_recipes: Vec::new(),
            progress: Progress { expected: begin.expected, ..Progress::default() },
            finish: None,
            last_checkpoint: begin.context.clock.elapsed(),
        }
    }

    /// Writes segments and checkpoints on the way.
    pub fn checkpoints(&mut self, finish: &'r Finish<'r>) {
        self.finish = Some(finish);
    }

    /// Visits the whole library; its root's entry (JSON).
    pub fn library(&mut self) -> Result<Vec<u8>, SnapshotError> {
        let plan = self.context.plan;
        let missing = |source| SnapshotError::LibraryMissing { path: plan.library.clone(), source };
        let meta = std::fs::metadata(&plan.library).map_err(missing)?;
        self.device = std::os::unix::fs::MetadataExt::dev(&meta);
        let first = listing::list(&plan.library, &Name::default(), &plan.rules, self.device).map_err(missing)?;
        let name = plan
            .library
            .file_name()
            .map_or_else(|| Name::from("library"), |n| Name::new(std::os::unix::ffi::OsStrExt::as_bytes(n)));
        let row = self.catalog.dir(&plan.job, DirId(0), &Name::default())?;
        let empty = first.dirs.is_empty() && first.files.is_empty();
        if empty && plan.empty == crate::EmptyLibrary::Refuse {
            let before =
                !self.catalog.stats(row.id)?.is_empty() || !self.catalog.dirs_below(&plan.job, row.id)?.is_empty();
            if before {
                return Err(SnapshotError::LibraryEmpty { path: plan.library.clone() });
            }
        }
        let stat = listing::stat_of(&meta);
        let item = Item { name, what: What::Dir, stat, device: self.device, blocks: 0 };
        let entry = self.dir(&row, &plan.library.clone(), &Name::default(), &item, 0)?;
        entry.ok_or_else(|| missing(std::io::Error::other("it vanished")))
    }

    fn fail(&mut self, path: &Name, reason: String) -> Result<(), SnapshotError> {
        self.context.observer.problem(path, &reason);
        self.tally.counts.failed += Count(1);
        self.tally.failures.push(Failure { path: path.clone(), reason });
        Ok(())
    }

    /// One folder. Its entry; nothing if it could not be read and never was.
    fn dir(
        &mut self,
        row: &DirRow,
        absolute: &Path,
        path: &Name,
        item: &Item,
        depth: usize,
    ) -> Result<Option<Vec<u8>>, SnapshotError> {
        let plan = self.context.plan;
        let listing = match listing::list(absolute, path, &plan.rules, self.device) {
            _ if depth >= FOLDER_DEPTH_MAX => {
                self.fail(path, format!("deeper than {FOLDER_DEPTH_MAX} folders"))?;
                return Ok(row.entry.clone());
            }
            Err(error) => {
                self.fail(path, error.to_string())?;
                return Ok(row.entry.clone().filter(|_| row.page.is_some()));
            }
            Ok(mut listing) => {
                drop_companions(absolute, &mut listing);
                listing
            }
        };
        self.report(&listing, path)?;
        let (subs, subs_changed) = self.below(row, absolute, path, &listing, depth)?;
        let known = self.catalog.stats(row.id)?;
        let mut pages = None;
        if row.page.is_none() || subs_changed || self.strict {
            pages = Some(self.pages(&subs));
        }
        let gone = self.files(row, absolute, path, &listing, known, &subs, &mut pages)?;
        if gone && pages.is_none() {
            pages = Some(self.pages(&subs));
            let files: Vec<Name> = listing.files.iter().map(|f| f.name.clone()).collect();
            self.replay(row.id, &files, &mut pages)?;
        }
        self.packer.end_folder()?;
        self.tally.counts.dirs += Count(1);
        self.finish_dir(row, absolute, path, item, pages)
    }

    fn report(&mut self, listing: &Listing, path: &Name) -> Result<(), SnapshotError> {
        for (name, error) in &listing.unreadable {
            self.fail(&path.join(name), error.to_string())?;
        }
        for name in &listing.special {
            self.context.observer.note(&format!("{}: a device, socket or pipe; passed over", path.join(name)));
        }
        Ok(())
    }

    /// The folders of a folder: their entries, and whether any changed.
    #[allow(clippy::type_complexity)]
    fn below(
        &mut self,
        row: &DirRow,
        absolute: &Path,
        path: &Name,
        listing: &Listing,
        depth: usize,
    ) -> Result<(Vec<(Name, Vec<u8>)>, bool), SnapshotError> {
        let job = &self.context.plan.job;
        let (mut subs, mut changed) = (Vec::new(), false);
        for item in &listing.dirs {
            let sub = self.catalog.dir(job, row.id, &item.name)?;
            let full = absolute.join(os(&item.name));
            let below = path.join(&item.name);
            if item.name.as_bytes().len() > NAME_MAX {
                self.fail(&below, "its name is too long".into())?;
                continue;
            }
            let entry = self.dir(&sub, &full, &below, item, depth + 1)?;
            changed |= entry != sub.entry || sub.page.is_none();
            subs.extend(entry.map(|entry| (item.name.clone(), entry)));
        }
        for (name, id) in self.catalog.dirs_below(job, row.id)? {
            let unreadable = listing.unreadable.iter().any(|(n, _)| *n == name);
            if !unreadable && listing.dirs.binary_search_by(|i| i.name.cmp(&name)).is_err() {
                changed = true;
                let removed = self.catalog.transaction(|| {
                    self.catalog.open_dir(row.id)?;
                    self.catalog.remove_dir(job, id)
                })?;
                self.tally.counts.removed_files += Count(removed);
            }
        }
        Ok((subs, changed))
    }

    fn pages(&self, subs: &[(Name, Vec<u8>)]) -> Pages<'r> {
        let owned: Vec<(Name, Vec<u8>)> = subs.to_vec();
        let mut subs = owned.into_iter();
        let next_sub = subs.next();
        Pages { builder: PageBuilder::dir(self.key), refs: Vec::new(), subs, next_sub }
    }

    /// The files of a folder; true if any are gone.
    #[allow(clippy::too_many_arguments)]
    fn files(
        &mut self,
        row: &DirRow,
        absolute: &Path,
        path: &Name,
        listing: &Listing,
        known: Vec<(Name, Stat)>,
        subs: &[(Name, Vec<u8>)],
        pages: &mut Option<Pages<'r>>,
    ) -> Result<bool, SnapshotError> {
        let mut known = known.into_iter().peekable();
        let mut gone = Vec::new();
        let unreadable: Vec<Name> = listing.unreadable.iter().map(|(n, _)| n.clone()).collect();
        let folder = std::fs::File::open(absolute).ok();
        let new = known.peek().is_none();
        self.small.begin();
        let mut full = Name::default();
        for (at, item) in listing.files.iter().enumerate() {
            let place = Place { folder: folder.as_ref(), absolute, at };
            if new {
                let keep = |item: &Item| self.press.is_some() && wants(&item.name);
                self.small.read(&listing.files, at, self.key, |item| place.open(item), keep);
            }
            while let Some((name, _)) = known.next_if(|(name, _)| *name < item.name) {
                gone.push(name);
            }
            let before = known.next_if(|(name, _)| *name == item.name).map(|(_, stat)| stat);
            self.count(item)?;
            let logged = listing.logged.contains(&item.name);
            let stat = Stat { beside: if logged { database::wal_stamp(&place.full(item)) } else { 0 }, ..item.stat };
            let same = before == Some(stat) && self.context.plan.reading == Reading::Changed;
            if same && !self.strict && pages.is_none() {
                continue;
            }
            let usable = same && self.still_stored(row.id, &item.name)?;
            let filed = match usable {
                true => self.catalog.file(row.id, &item.name)?.map(Filed::before),
                false => {
                    path.join_into(&item.name, &mut full);
                    self.file(row.id, &place, &full, item, stat, before.is_some())?
                }
            };
            if pages.is_none() && !usable {
                let mut begun = Some(self.pages(subs));
                let names: Vec<Name> = listing.files[..at].iter().map(|f| f.name.clone()).collect();
                self.replay(row.id, &names, &mut begun)?;
                *pages = begun;
            }
            let Some(filed) = filed else { continue };
            if let Some(pages) = pages.as_mut() {
                self.add(pages, &item.name, &filed.entry)?;
            }
            self.filed(row.id, item, filed)?;
        }
        gone.extend(known.map(|(name, _)| name));
        gone.retain(|name| !unreadable.contains(name));
        let any = !gone.is_empty();
        self.catalog.transaction::<(), SnapshotError>(|| {
            gone.iter().try_for_each(|name| Ok(self.catalog.remove_file(row.id, name)?))
        })?;
        self.tally.counts.removed_files += Count(gone.len() as u64);
        self.tally.changed |= any;
        Ok(any)
    }

    fn count(&mut self, item: &Item) -> Result<(), SnapshotError> {
        let counts = &mut self.tally.counts;
        match item.what {
            What::Symlink => counts.symlinks += Count(1),
            _ => {
                counts.files += Count(1);
                counts.bytes += Bytes(item.stat.size);
            }
        }
        self.progress.files = counts.files;
        self.progress.bytes = counts.bytes;
        if counts.files.0.is_multiple_of(64) || item.stat.size > LARGE {
            self.progress.stored = self.packer.sealed_bytes();
            self.context.observer.progress(&self.progress);
            if self.context.observer.cancelled() {
                return Err(SnapshotError::Cancelled);
            }
        }
        Ok(())
    }

    /// True if all packs of a known file can still be relied upon.
    fn still_stored(&mut self, dir: DirId, name: &Name) -> Result<bool, SnapshotError> {
        if !self.strict {
            return Ok(true);
        }
        let Some(row) = self.catalog.file(dir, name)? else {
            return Ok(false);
        };
        Ok(row.packs.iter().all(|pack| !self.context.unreliable.contains(pack)))
    }

    /// Adds entries of unchanged files, from the catalog.
    fn replay(&mut self, dir: DirId, names: &[Name], pages: &mut Option<Pages<'r>>) -> Result<(), SnapshotError> {
        let Some(pages) = pages.as_mut() else {
            return Ok(());
        };
        for name in names {
            if let Some(row) = self.catalog.file(dir, name)? {
                self.add(pages, name, &row.entry)?;
            }
        }
        Ok(())
    }

    /// Adds an entry to a folder's pages, after the folders that sort before it.
    fn add(&mut self, pages: &mut Pages<'r>, name: &Name, entry: &[u8]) -> Result<(), SnapshotError> {
        while let Some((sub, json)) = pages.next_sub.take_if(|(sub, _)| *sub < *name) {
            pages.next_sub = pages.subs.next();
            self.push(pages, &sub, &json)?;
        }
        self.push(pages, name, entry)
    }

    fn push(&mut self, pages: &mut Pages<'r>, name: &Name, entry: &[u8]) -> Result<(), SnapshotError> {
        let (packer, catalog, key, refs) = (&mut self.packer, self.catalog, self.key, &mut pages.refs);
        pages.builder.encoded(name.as_bytes(), entry, &mut |page| store_page(packer, catalog, key, refs, &page))
    }

    /// Finishes a folder: its pages, its entry.
    fn finish_dir(
        &mut self,
        row: &DirRow,
        absolute: &Path,
        path: &Name,
        item: &Item,
        pages: Option<Pages<'r>>,
    ) -> Result<Option<Vec<u8>>, SnapshotError> {
        let mut entry = facts::entry(EntryKind::Dir, &item.name, &item.stat, &self.accounts);
        entry.xattrs = facts::xattrs(absolute);
        let bare = entry.clone();
        let mut refs = None;
        let page = match pages {
            Some(mut pages) => {
                while let Some((sub, json)) = pages.next_sub.take() {
                    pages.next_sub = pages.subs.next();
                    self.push(&mut pages, &sub, &json)?;
                }
                let (packer, catalog, key) = (&mut self.packer, self.catalog, self.key);
                let mut page_refs = pages.refs;
                let top = pages.builder.finish(&mut |page| store_page(packer, catalog, key, &mut page_refs, &page))?;
                refs = Some(page_refs);
                Some(top)
            }
            None => row.page,
        };
        entry.tree = page;
        let json = entry.to_json()?;
        let changed = row.entry.as_deref() != Some(&json);
        if !path.is_empty() && (self.strict || (changed && !same_but_tree(row.entry.as_deref(), &bare))) {
            let at = self.packer.recipe(PackKind::Warm, path, &bare.to_json()?)?;
            // With its pages' packs, or beside those of before.
            match &mut refs {
                Some(refs) => refs.push(at),
                None => self.loose_recipes.push(at),
            }
        }
        self.tally.changed |= changed;
        if let Some(page) = page
            && (changed || refs.is_some())
        {
            self.dirs.push(WaitingDir { dir: row.id, entry: json.clone(), page, refs });
        }
        self.flush_ready()?;
        Ok(Some(json))
    }
}

/// A database's log, journal and shared memory are part of its copy.
fn drop_companions(absolute: &Path, listing: &mut Listing) {
    let owner = |item: &Item| database::belongs_to_database(item.name.as_bytes()).map(Name::new);
    let part_of = |item: &Item| {
        owner(item).is_some_and(|owner| {
            listing.files.binary_search_by(|i| i.name.cmp(&owner)).is_ok()
                && facts::open(&absolute.join(os(&owner)))
                    .is_ok_and(|f| f.metadata().is_ok_and(|m| database::is_database(&f, m.len())))
        })
    };
    let drop: Vec<bool> = listing.files.iter().map(part_of).collect();
    let mut drop = drop.into_iter();
    listing.files.retain(|_| !drop.next().unwrap_or(false));
}

fn os(name: &Name) -> &std::ffi::OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(name.as_bytes())
}

/// True if a folder's old entry differs from the new facts in its tree alone.
fn same_but_tree(old: Option<&[u8]>, bare: &Entry) -> bool {
    let old = old.and_then(|json| canon::from_bytes::<Entry>("a row", json).ok());
    old.is_some_and(|old| Entry { tree: None, ..old } == *bare)
}
