//! The walk through the library, folder by folder, and what it makes of each
//! file: unchanged, new, changed, gone, silently changed.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use darkslide_catalog::{Catalog, DirId, DirRow, FileRow, PackId, PackSet, Stat};
use darkslide_format::IdKey;
use darkslide_format::canon;
use darkslide_format::limits::{FOLDER_DEPTH_MAX, NAME_MAX, PAGE_ITEMS_MAX};
use darkslide_format::manifest::{PackKind, Recipe};
use darkslide_format::pages::PageBuilder;
use darkslide_format::tree::{Entry, EntryKind, FileClass};
use darkslide_words::{Bytes, ChunkId, Count, Name};

use crate::database::{self, State};
use crate::execute::{Context, Failure};
use crate::facts::{self, Accounts};
use crate::finish::{Finish, empty_page, segment_due};
use crate::listing::{self, Item, Listing, What};
use crate::packer::{PackRef, Packer, Put, known};
use crate::plan::Reading;
use crate::read;
use crate::sealer::Seq;
use crate::store_file::{Base, Content, FileProblem, FileStore, Private, Subject};
use crate::{Progress, SnapshotError};

/// Tries at a file that changes while it is read.
const TRIES: usize = 3;
/// Sidecars and settings, which change often however large.
const WARM_EXTENSIONS: &[&str] =
    &["xmp", "pp3", "dop", "cos", "comask", "nksc", "on1", "vrd", "aae", "thm", "xml", "cosessiondb", "cocatalogdb"];

/// A file row that waits for its packs.
struct Waiting {
    dir: DirId,
    row: FileRow,
    refs: Vec<PackRef>,
}

/// A finished folder that waits for its pages.
struct WaitingDir {
    dir: DirId,
    entry: Vec<u8>,
    page: ChunkId,
    /// Packs of its pages; nothing where those in the row still hold.
    refs: Option<Vec<PackRef>>,
}

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
    key: &'r IdKey,
    accounts: Accounts,
    warm_below: u64,
    db_chunk: usize,
    strict: bool,
    device: u64,
    links: HashMap<(u64, u64), Linked>,
    waiting: HashMap<Seq, Vec<Waiting>>,
    ready: Vec<(DirId, FileRow)>,
    dirs: Vec<WaitingDir>,
    pub(crate) rows: HashMap<Seq, PackId>,
    pub(crate) unindexed: Vec<darkslide_format::index::IndexPack>,
    pub(crate) tally: Tally,
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
            files: begin.files,
            accounts: Accounts::read(Path::new("/etc")),
            warm_below: begin.warm_below,
            db_chunk: begin.db_chunk,
            strict: begin.strict,
            device: 0,
            links: HashMap::new(),
            waiting: HashMap::new(),
            ready: Vec::new(),
            dirs: Vec::new(),
            rows: HashMap::new(),
            unindexed: Vec::new(),
            tally: Tally::default(),
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
        let first = listing::list(&plan.library, &Name::default(), &plan.rules, 0).map_err(missing)?;
        self.device = std::os::unix::fs::MetadataExt::dev(&meta);
        let name = plan
            .library
            .file_name()
            .map_or_else(|| Name::from("library"), |n| Name::new(std::os::unix::ffi::OsStrExt::as_bytes(n)));
        let row = self.catalog.dir(&plan.job, DirId(0), &Name::default())?;
        let empty = first.dirs.is_empty() && first.files.is_empty();
        if empty && row.page.is_some() && plan.empty == crate::EmptyLibrary::Refuse {
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
        let mut subs = subs.to_vec().into_iter();
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
        for (at, item) in listing.files.iter().enumerate() {
            while let Some((name, _)) = known.next_if(|(name, _)| *name < item.name) {
                gone.push(name);
            }
            let before = known.next_if(|(name, _)| *name == item.name).map(|(_, stat)| stat);
            self.count(item)?;
            let full = absolute.join(os(&item.name));
            let stat = self.stat_with_log(item, &full);
            let same = before == Some(stat) && self.context.plan.reading == Reading::Changed;
            if same && !self.strict && pages.is_none() {
                continue;
            }
            let usable = same && self.still_stored(row.id, &item.name)?;
            let entry = match usable {
                true => self.catalog.file(row.id, &item.name)?.map(|f| f.entry),
                false => self.file(row.id, &full, &path.join(&item.name), item, stat, before.is_some())?,
            };
            if pages.is_none() && !usable {
                let mut begun = Some(self.pages(subs));
                let names: Vec<Name> = listing.files[..at].iter().map(|f| f.name.clone()).collect();
                self.replay(row.id, &names, &mut begun)?;
                *pages = begun;
            }
            if let (Some(pages), Some(entry)) = (pages.as_mut(), entry) {
                self.add(pages, &item.name, entry)?;
            }
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
        if counts.files.0.is_multiple_of(64) || item.stat.size > 1 << 20 {
            self.progress.stored = self.packer.sealed_bytes();
            self.context.observer.progress(&self.progress);
            if self.context.observer.cancelled() {
                return Err(SnapshotError::Cancelled);
            }
        }
        Ok(())
    }

    /// A database's stat covers its log too.
    fn stat_with_log(&self, item: &Item, full: &Path) -> Stat {
        let may_be = item.what == What::File
            && matches!(
                item.name.extension().as_deref(),
                Some("lrcat" | "db" | "sqlite" | "sqlite3" | "cocatalogdb" | "cosessiondb")
            );
        Stat { beside: if may_be { database::wal_stamp(full) } else { 0 }, ..item.stat }
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
                self.add(pages, name, row.entry)?;
            }
        }
        Ok(())
    }

    /// Adds an entry to a folder's pages, after the folders that sort before it.
    fn add(&mut self, pages: &mut Pages<'r>, name: &Name, entry: Vec<u8>) -> Result<(), SnapshotError> {
        while let Some((sub, json)) = pages.next_sub.take_if(|(sub, _)| *sub < *name) {
            pages.next_sub = pages.subs.next();
            self.push(pages, &sub, json)?;
        }
        self.push(pages, name, entry)
    }

    fn push(&mut self, pages: &mut Pages<'r>, name: &Name, entry: Vec<u8>) -> Result<(), SnapshotError> {
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
                    self.push(&mut pages, &sub, json)?;
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
        let json = canon::to_bytes(&entry)?;
        let changed = row.entry.as_deref() != Some(&json);
        if changed && !path.is_empty() && !same_but_tree(row.entry.as_deref(), &bare) {
            self.packer.recipe(PackKind::Warm, Recipe { entry: bare, path: path.clone() })?;
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

    /// One file or link that is new, changed, or to be compared. Its entry, or
    /// the last good one, or nothing.
    fn file(
        &mut self,
        dir: DirId,
        full: &Path,
        path: &Name,
        item: &Item,
        stat: Stat,
        known: bool,
    ) -> Result<Option<Vec<u8>>, SnapshotError> {
        let before = if known { self.catalog.file(dir, &item.name)? } else { None };
        let made = match item.what {
            _ if item.name.as_bytes().len() > NAME_MAX => Err(FileProblem::Unsuitable("its name is too long")),
            What::Symlink => self.symlink(full, item, stat),
            _ => self.regular(full, path, item, stat, before.as_ref())?,
        };
        let (entry, refs, stat) = match made {
            Ok(made) => made,
            Err(FileProblem::Io(e)) if e.kind() == std::io::ErrorKind::NotFound => {
                self.context.observer.note(&format!("{path}: gone before it was read"));
                return Ok(None);
            }
            Err(problem) => {
                self.fail(path, problem.to_string())?;
                return Ok(before.map(|b| b.entry));
            }
        };
        let (short, list_refs) = self.long_list(entry.clone())?;
        let json = canon::to_bytes(&short)?;
        let differs = before.as_ref().is_none_or(|b| b.entry != json);
        if differs {
            let counts = &mut self.tally.counts;
            match before {
                Some(_) => counts.changed_files += Count(1),
                None => counts.new_files += Count(1),
            }
            self.packer.recipe(class_kind(entry.class), Recipe { entry, path: path.clone() })?;
        }
        self.tally.changed = true;
        let refs = refs.into_iter().chain(list_refs).collect();
        let row = FileRow { name: item.name.clone(), stat, entry: json.clone(), packs: PackSet::default() };
        self.wait(Waiting { dir, row, refs });
        self.flush_ready()?;
        Ok(Some(json))
    }

    /// A long chunk list goes to pages of its own.
    fn long_list(&mut self, mut entry: Entry) -> Result<(Entry, Vec<PackRef>), SnapshotError> {
        let mut refs = Vec::new();
        if let Some(chunks) = entry.chunks.take_if(|c| c.len() > PAGE_ITEMS_MAX) {
            let (packer, catalog, key) = (&mut self.packer, self.catalog, self.key);
            let mut store = |page: Vec<u8>| store_page(packer, catalog, key, &mut refs, &page);
            let mut builder = PageBuilder::list(key);
            for chunk in chunks {
                builder.chunk(chunk, &mut store)?;
            }
            entry.list = Some(builder.finish(&mut store)?);
        }
        Ok((entry, refs))
    }

    #[allow(clippy::type_complexity)]
    fn symlink(&mut self, full: &Path, item: &Item, stat: Stat) -> Result<(Entry, Vec<PackRef>, Stat), FileProblem> {
        let target = std::fs::read_link(full)?;
        let mut entry = facts::entry(EntryKind::Symlink, &item.name, &stat, &self.accounts);
        entry.target = Some(Name::new(std::os::unix::ffi::OsStrExt::as_bytes(target.as_os_str())));
        Ok((entry, Vec::new(), stat))
    }

    #[allow(clippy::type_complexity)]
    fn regular(
        &mut self,
        full: &Path,
        path: &Name,
        item: &Item,
        stat: Stat,
        before: Option<&FileRow>,
    ) -> Result<Result<(Entry, Vec<PackRef>, Stat), FileProblem>, SnapshotError> {
        let inode = (item.device, stat.inode);
        if stat.links > 1
            && let Some(linked) = self.links.get(&inode)
        {
            let entry = Entry { name: item.name.clone(), ..linked.entry.clone() };
            return Ok(Ok((entry, linked.refs.clone(), stat)));
        }
        let mut entry = facts::entry(EntryKind::File, &item.name, &stat, &self.accounts);
        entry.xattrs = facts::xattrs(full);
        entry.link = (stat.links > 1).then(|| format!("{:x}-{:x}", item.device, stat.inode));
        let refs = match self.content(full, path, item, stat, before, &mut entry)? {
            Ok(refs) => refs,
            Err(problem) => return Ok(Err(problem)),
        };
        if stat.links > 1 {
            self.links.insert(inode, Linked { entry: entry.clone(), refs: refs.clone() });
        }
        Ok(Ok((entry, refs, stat)))
    }

    /// Fills in what the content says; the packs that it needs.
    fn content(
        &mut self,
        full: &Path,
        path: &Name,
        item: &Item,
        stat: Stat,
        before: Option<&FileRow>,
        entry: &mut Entry,
    ) -> Result<Result<Vec<PackRef>, FileProblem>, SnapshotError> {
        let mut last = FileProblem::Changing;
        for _ in 0..TRIES {
            let mut file = match facts::open(full) {
                Ok(file) => file,
                Err(error) => return Ok(Err(error.into())),
            };
            if let Some(row) = before.filter(|b| b.stat.same_content_facts(&stat)) {
                match self.compare(&mut file, path, row, entry)? {
                    Compared::Same(refs) => return Ok(Ok(refs)),
                    Compared::Problem(problem) => return Ok(Err(problem)),
                    Compared::Store => {}
                }
            }
            // A fresh look: the file may have changed since the folder was listed.
            let now = file.metadata().map(|m| Stat { beside: stat.beside, ..listing::stat_of(&m) });
            let now = match now {
                Ok(now) => now,
                Err(error) => return Ok(Err(error.into())),
            };
            (entry.mtime, entry.mode) = (now.mtime, now.mode);
            match self.store(file, full, path, item, &now, entry)? {
                Err(FileProblem::Changing) => last = FileProblem::Changing,
                other => return Ok(other),
            }
        }
        Ok(Err(last))
    }

    /// A file whose size and time are as before, though something else is not.
    fn compare(
        &mut self,
        file: &mut File,
        path: &Name,
        row: &FileRow,
        entry: &mut Entry,
    ) -> Result<Compared, SnapshotError> {
        let old: Entry = canon::from_bytes("a row of the catalog", &row.entry)?;
        let hash = match read::hash(file, self.files.space()) {
            Ok(hash) => hash,
            Err(error) => return Ok(Compared::Problem(error.into())),
        };
        self.progress.read += old.bytes();
        if let Err(error) = std::io::Seek::rewind(file) {
            return Ok(Compared::Problem(error.into()));
        }
        // A database's copy is not its file, so its hash says nothing here.
        if old.database.is_some() || row.packs.iter().any(|p| self.context.unreliable.contains(p)) {
            return Ok(Compared::Store);
        }
        if old.hash != Some(hash) {
            return Ok(match self.context.plan.accept.contains(path) {
                true => Compared::Store,
                false => Compared::Problem(FileProblem::Rot),
            });
        }
        let list = old.list.is_some();
        if list {
            return Ok(Compared::Store);
        }
        (entry.chunks, entry.hash, entry.size, entry.class) = (old.chunks, old.hash, old.size, old.class);
        entry.holes = old.holes;
        Ok(Compared::Same(row.packs.iter().map(PackRef::Known).collect()))
    }

    /// Stores the content of an opened file.
    fn store(
        &mut self,
        file: File,
        full: &Path,
        path: &Name,
        item: &Item,
        stat: &Stat,
        entry: &mut Entry,
    ) -> Result<Result<Vec<PackRef>, FileProblem>, SnapshotError> {
        let is_database = database::is_database(&file);
        let warm = is_database
            || stat.size < self.warm_below
            || path.extension().is_some_and(|e| WARM_EXTENSIONS.contains(&e.as_str()));
        let kind = if warm { PackKind::Warm } else { PackKind::Cold };
        entry.class = Some(if warm { FileClass::Warm } else { FileClass::Cold });
        if item.blocks * 512 < stat.size {
            entry.holes = facts::holes(&file, stat.size);
        }
        let stored = match is_database {
            true => self.database(file, full, path, stat, entry)?,
            false => {
                let subject = Subject { path, stat, kind, private: Private::No, base: None };
                self.files.store(file, subject, &mut self.packer)?
            }
        };
        let Content { chunks, hash, size, refs } = match stored {
            Ok(content) => content,
            Err(problem) => return Ok(Err(problem)),
        };
        self.progress.read += Bytes(size);
        entry.chunks = Some(chunks);
        entry.hash = Some(hash);
        entry.size = Some(Bytes(size));
        Ok(Ok(refs))
    }

    /// Stores a database: as it is if nobody has it open, else a checked copy.
    fn database(
        &mut self,
        file: File,
        full: &Path,
        path: &Name,
        stat: &Stat,
        entry: &mut Entry,
    ) -> Result<Result<Content, FileProblem>, SnapshotError> {
        let plan = self.context.plan;
        let (mut file, mut stat, mut private) = (file, *stat, Private::No);
        let staging = plan.work.join("staging.sqlite");
        let state = database::state(full, &file);
        if state != State::Closed {
            let work = |source| SnapshotError::Work { what: "preparing", path: plan.work.clone(), source };
            std::fs::create_dir_all(&plan.work).map_err(work)?;
            crate::store_file::private_file(&staging).map_err(work)?;
            match database::copy(full, state, &staging) {
                Ok(facts) => entry.database = Some(facts),
                Err(database::DatabaseError::Changed) => return Ok(Err(FileProblem::Changing)),
                Err(error) => return Ok(Err(error.into())),
            }
            file = File::open(&staging).map_err(work)?;
            stat.size = file.metadata().map_err(work)?.len();
            entry.holes = Vec::new();
            private = Private::Yes;
        }
        let mut base = Base::open(&plan.work.join("bases"), self.catalog, &plan.job, path, stat.size, self.db_chunk)?;
        let subject = Subject { path, stat: &stat, kind: PackKind::Warm, private, base: Some(&mut base) };
        let stored = self.files.store(file, subject, &mut self.packer)?;
        if private == Private::Yes {
            let _ = std::fs::remove_file(&staging);
        }
        if stored.is_ok() {
            self.catalog.transaction(|| self.catalog.set_base_blocks(&plan.job, path, base.blocks()))?;
        }
        Ok(stored)
    }
}

/// A database's log, journal and shared memory are part of its copy.
fn drop_companions(absolute: &Path, listing: &mut Listing) {
    let owner = |item: &Item| database::belongs_to_database(item.name.as_bytes()).map(Name::new);
    let part_of = |item: &Item| {
        owner(item).is_some_and(|owner| {
            listing.files.binary_search_by(|i| i.name.cmp(&owner)).is_ok()
                && facts::open(&absolute.join(os(&owner))).is_ok_and(|f| database::is_database(&f))
        })
    };
    let drop: Vec<bool> = listing.files.iter().map(part_of).collect();
    let mut drop = drop.into_iter();
    listing.files.retain(|_| !drop.next().unwrap_or(false));
}

/// What comparing a file with its last version found.
enum Compared {
    Same(Vec<PackRef>),
    Store,
    Problem(FileProblem),
}

fn os(name: &Name) -> &std::ffi::OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(name.as_bytes())
}

fn class_kind(class: Option<FileClass>) -> PackKind {
    match class {
        Some(FileClass::Cold) => PackKind::Cold,
        _ => PackKind::Warm,
    }
}

/// True if a folder's old entry differs from the new facts in its tree alone.
fn same_but_tree(old: Option<&[u8]>, bare: &Entry) -> bool {
    let old = old.and_then(|json| canon::from_bytes::<Entry>("a row", json).ok());
    old.is_some_and(|old| Entry { tree: None, ..old } == *bare)
}

fn store_page(
    packer: &mut Packer<'_>,
    catalog: &Catalog,
    key: &IdKey,
    refs: &mut Vec<PackRef>,
    page: &[u8],
) -> Result<ChunkId, SnapshotError> {
    let id = key.chunk_id(page);
    let put = packer.loose(PackKind::Trees, id, page, Some("json"))?;
    let (Put::Known(at) | Put::New(at)) = put;
    // A known page may be missing from the cache of a rebuilt catalog.
    if matches!(put, Put::New(_)) || catalog.page(id)?.is_none() {
        catalog.put_page(id, &darkslide_format::frame::pack_json(page)?)?;
    }
    refs.push(at);
    Ok(id)
}

impl Visitor<'_> {
    fn wait(&mut self, waiting: Waiting) {
        let unsettled = waiting.refs.iter().find_map(|r| match r {
            PackRef::Flying(seq) if !self.rows.contains_key(seq) => Some(*seq),
            _ => None,
        });
        match unsettled {
            Some(seq) => self.waiting.entry(seq).or_default().push(waiting),
            None => {
                let packs = known(&waiting.refs, &self.rows);
                self.ready.push((waiting.dir, FileRow { packs, ..waiting.row }));
            }
        }
    }

    /// Records the rows whose packs are all stored, in one transaction.
    fn flush_ready(&mut self) -> Result<(), SnapshotError> {
        for (seq, row, index) in self.packer.take_stored()? {
            self.rows.insert(seq, row);
            self.unindexed.push(index);
            for waiting in self.waiting.remove(&seq).unwrap_or_default() {
                self.wait(waiting);
            }
        }
        if self.ready.len() >= 1000 {
            self.write_ready()?;
        }
        let Some(finish) = self.finish else {
            return Ok(());
        };
        let now = self.context.clock.elapsed();
        if now.saturating_sub(self.last_checkpoint) >= self.context.plan.checkpoint_every {
            self.last_checkpoint = now;
            self.finish = None;
            let done = self.checkpoint(finish);
            self.finish = Some(finish);
            done?;
        } else if segment_due(&self.unindexed) {
            finish.segment(&mut self.unindexed)?;
        }
        Ok(())
    }

    /// Stores what is open and keeps it from being pruned while the run goes on.
    fn checkpoint(&mut self, finish: &Finish<'_>) -> Result<(), SnapshotError> {
        let (packer, catalog, key) = (&mut self.packer, self.catalog, self.key);
        let mut refs = Vec::new();
        let page = empty_page(key, &mut |page| store_page(packer, catalog, key, &mut refs, &page))?;
        self.settle()?;
        let mut packs = self.catalog.job(&self.context.plan.job)?.packs;
        packs.extend(&known(&refs, &self.rows));
        packs.extend(&self.rows.values().copied().collect());
        finish.segment(&mut self.unindexed)?;
        finish.checkpoint(page, self.tally.counts, packs)
    }

    fn write_ready(&mut self) -> Result<(), SnapshotError> {
        let ready = std::mem::take(&mut self.ready);
        self.catalog.transaction(|| {
            ready.iter().try_for_each(|(dir, row)| Ok::<_, SnapshotError>(self.catalog.put_file(*dir, row)?))
        })
    }

    /// Stores all packs and records all rows.
    pub fn settle(&mut self) -> Result<(), SnapshotError> {
        self.packer.finish()?;
        self.flush_ready()?;
        self.write_ready()
    }

    /// Records the finished folders: their pages show their rows.
    pub fn settle_dirs(&mut self) -> Result<(), SnapshotError> {
        let dirs = std::mem::take(&mut self.dirs);
        self.catalog.transaction(|| {
            dirs.iter().try_for_each(|d| {
                let packs = d.refs.as_ref().map(|refs| known(refs, &self.rows));
                Ok::<_, SnapshotError>(self.catalog.finish_dir(d.dir, &d.entry, d.page, packs.as_ref())?)
            })
        })?;
        Ok(())
    }
}
