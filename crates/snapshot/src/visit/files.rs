//! One file of the walk: compared with its last version, read, stored; databases
//! through a checked copy.

use std::fs::File;
use std::path::{Path, PathBuf};

use darkslide_catalog::{DirId, FileRow, PackSet, Stat};
use darkslide_format::canon;
use darkslide_format::limits::{NAME_MAX, PAGE_ITEMS_MAX};
use darkslide_format::manifest::PackKind;
use darkslide_format::pages::PageBuilder;
use darkslide_format::tree::{Entry, EntryKind, FileClass};
use darkslide_words::{Bytes, Count, Name};

use super::rows::{FILED_MAX, Waiting, store_page};
use super::{LARGE, Linked, Visitor, os};
use crate::SnapshotError;
use crate::database::{self, State};
use crate::facts;
use crate::listing::{self, Item, What};
use crate::packer::PackRef;
use crate::read;
use crate::small::Small;
use crate::store_file::{Base, Content, FileProblem, Private, Subject};

/// Tries at a file that changes while it is read.
const TRIES: usize = 3;

/// Extensions of sidecars and settings, which change often however large.
fn changes_often(extension: &str) -> bool {
    matches!(
        extension,
        "xmp"
            | "pp3"
            | "dop"
            | "cos"
            | "comask"
            | "nksc"
            | "on1"
            | "vrd"
            | "aae"
            | "thm"
            | "xml"
            | "cosessiondb"
            | "cocatalogdb"
    )
}

/// What comparing a file with its last version found.
enum Compared {
    Same(Vec<PackRef>),
    Store,
    Problem(FileProblem),
}

/// Where a file lies.
pub(super) struct Place<'a> {
    /// Its folder, opened: spares the way to it for each file.
    pub folder: Option<&'a File>,
    /// That folder's path.
    pub absolute: &'a Path,
    /// Its place in the folder's listing.
    pub at: usize,
}

impl Place<'_> {
    /// The file's path.
    pub fn full(&self, item: &Item) -> PathBuf {
        self.absolute.join(os(&item.name))
    }

    pub fn open(&self, item: &Item) -> std::io::Result<File> {
        match self.folder {
            Some(folder) => facts::open_in(folder, os(&item.name)),
            None => facts::open(&self.full(item)),
        }
    }
}

/// What a file has become.
pub(super) struct Filed {
    /// Its entry as JSON: the new one, or the last good one.
    pub entry: Vec<u8>,
    /// Of a new one: the stat that it was made at, and the packs that it needs.
    stored: Option<(Stat, Vec<PackRef>)>,
}

impl Filed {
    /// As it was.
    pub fn before(row: FileRow) -> Self {
        Self { entry: row.entry, stored: None }
    }
}

/// An entry, the packs that it needs, and the stat that it was made at.
type Made = (Entry, Vec<PackRef>, Stat);

fn class_kind(class: Option<FileClass>) -> PackKind {
    match class {
        Some(FileClass::Cold) => PackKind::Cold,
        _ => PackKind::Warm,
    }
}

impl Visitor<'_> {
    /// One file or link that is new, changed, or to be compared. Its entry, or
    /// the last good one, or nothing.
    pub(super) fn file(
        &mut self,
        dir: DirId,
        place: &Place<'_>,
        path: &Name,
        item: &Item,
        stat: Stat,
        known: bool,
    ) -> Result<Option<Filed>, SnapshotError> {
        let before = if known { self.catalog.file(dir, &item.name)? } else { None };
        let made = match item.what {
            _ if item.name.as_bytes().len() > NAME_MAX => Err(FileProblem::Unsuitable("its name is too long")),
            What::Symlink => self.symlink(place, item, stat),
            _ => self.regular(place, path, item, stat, before.as_ref())?,
        };
        let (entry, mut refs, stat) = match made {
            Ok(made) => made,
            Err(FileProblem::Io(e)) if e.kind() == std::io::ErrorKind::NotFound => {
                self.context.observer.note(&format!("{path}: gone before it was read"));
                self.drop_row(dir, &item.name, known)?;
                return Ok(None);
            }
            Err(problem) => {
                let lost = before.as_ref().is_some_and(|b| b.packs.iter().any(|p| self.context.unreliable.contains(p)));
                if lost {
                    // What was stored of it is gone too: the snapshot must not claim it.
                    self.fail(path, format!("{problem}; and the pack that held its last version is lost"))?;
                    self.drop_row(dir, &item.name, known)?;
                    return Ok(None);
                }
                self.fail(path, problem.to_string())?;
                return Ok(before.map(Filed::before));
            }
        };
        let kind = class_kind(entry.class);
        let full = entry.to_json()?;
        let (short, list_refs) = self.long_list(entry)?;
        let short = short.map(|entry| entry.to_json()).transpose()?;
        let json = short.as_ref().unwrap_or(&full);
        let differs = before.as_ref().is_none_or(|b| b.entry != *json);
        // Also where the content is stored anew because its pack was lost: the recipe
        // may have been in that one.
        let again = refs.iter().any(|r| matches!(r, PackRef::Flying(_)))
            || before.as_ref().is_some_and(|b| b.packs.iter().any(|p| self.context.unreliable.contains(p)));
        let recipe = match differs || again {
            true => Some(self.packer.recipe(kind, path, &full)?),
            false => None,
        };
        if differs {
            let counts = &mut self.tally.counts;
            match before {
                Some(_) => counts.changed_files += Count(1),
                None => counts.new_files += Count(1),
            }
        }
        self.tally.changed = true;
        // Mostly the recipe is beside its file.
        refs.extend(list_refs.into_iter().chain(recipe.filter(|at| !refs.contains(at))));
        Ok(Some(Filed { entry: short.unwrap_or(full), stored: Some((stat, refs)) }))
    }

    /// The row of a file that was stored is written once its packs are.
    pub(super) fn filed(&mut self, dir: DirId, item: &Item, filed: Filed) -> Result<(), SnapshotError> {
        let Some((stat, refs)) = filed.stored else { return Ok(()) };
        let row = FileRow { name: item.name.clone(), stat, entry: filed.entry, packs: PackSet::default() };
        self.wait(Waiting { dir, row, refs });
        self.filed += 1;
        // Not for each small file: packs are stored more rarely.
        match self.filed >= FILED_MAX || item.stat.size > LARGE {
            true => self.flush_ready(),
            false => Ok(()),
        }
    }

    /// Forgets a file that is in no page any more.
    fn drop_row(&mut self, dir: DirId, name: &Name, known: bool) -> Result<(), SnapshotError> {
        if known {
            self.catalog.transaction::<(), SnapshotError>(|| Ok(self.catalog.remove_file(dir, name)?))?;
            self.tally.counts.removed_files += Count(1);
        }
        Ok(())
    }

    /// A long chunk list goes to pages of its own: the entry that names those, or
    /// nothing where the list is short.
    fn long_list(&mut self, mut entry: Entry) -> Result<(Option<Entry>, Vec<PackRef>), SnapshotError> {
        let mut refs = Vec::new();
        let Some(chunks) = entry.chunks.take_if(|c| c.len() > PAGE_ITEMS_MAX) else { return Ok((None, refs)) };
        let (packer, catalog, key) = (&mut self.packer, self.catalog, self.key);
        let mut store = |page: Vec<u8>| store_page(packer, catalog, key, &mut refs, &page);
        let mut builder = PageBuilder::list(key);
        for chunk in chunks {
            builder.chunk(chunk, &mut store)?;
        }
        entry.list = Some(builder.finish(&mut store)?);
        Ok((Some(entry), refs))
    }

    fn symlink(&mut self, place: &Place<'_>, item: &Item, stat: Stat) -> Result<Made, FileProblem> {
        let target = std::fs::read_link(place.full(item))?;
        let mut entry = facts::entry(EntryKind::Symlink, &item.name, &stat, &self.accounts);
        entry.target = Some(Name::new(std::os::unix::ffi::OsStrExt::as_bytes(target.as_os_str())));
        Ok((entry, Vec::new(), stat))
    }

    fn regular(
        &mut self,
        place: &Place<'_>,
        path: &Name,
        item: &Item,
        stat: Stat,
        before: Option<&FileRow>,
    ) -> Result<Result<Made, FileProblem>, SnapshotError> {
        let inode = (item.device, stat.inode);
        if stat.links > 1
            && let Some(linked) = self.links.get(&inode)
        {
            let entry = Entry { name: item.name.clone(), ..linked.entry.clone() };
            return Ok(Ok((entry, linked.refs.clone(), stat)));
        }
        let mut entry = facts::entry(EntryKind::File, &item.name, &stat, &self.accounts);
        entry.link = (stat.links > 1).then(|| format!("{:x}-{:x}", item.device, stat.inode));
        let (refs, stat) = match self.content(place, path, item, stat, before, &mut entry)? {
            Ok(made) => made,
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
        place: &Place<'_>,
        path: &Name,
        item: &Item,
        stat: Stat,
        before: Option<&FileRow>,
        entry: &mut Entry,
    ) -> Result<Result<(Vec<PackRef>, Stat), FileProblem>, SnapshotError> {
        if let Some(small) = self.small.take(place.at) {
            return Ok(Ok((self.store_small(small, path, &stat, entry)?, stat)));
        }
        let mut last = FileProblem::Changing;
        for attempt in 0..TRIES {
            let mut file = match place.open(item) {
                Ok(file) => file,
                Err(error) => return Ok(Err(error.into())),
            };
            entry.xattrs = facts::xattrs_of(&file);
            if let Some(row) = before.filter(|b| b.stat.same_content_facts(&stat)) {
                match self.compare(&mut file, path, row, entry)? {
                    Compared::Same(refs) => return Ok(Ok((refs, stat))),
                    Compared::Problem(problem) => return Ok(Err(problem)),
                    Compared::Store => {}
                }
            }
            // The first try takes the listing's word; if the file has changed since, a
            // fresh look begins the next one.
            let now = match attempt {
                0 => Ok(stat),
                _ => file.metadata().map(|m| Stat { beside: stat.beside, ..listing::stat_of(&m) }),
            };
            let now = match now {
                Ok(now) => now,
                Err(error) => return Ok(Err(error.into())),
            };
            (entry.mtime, entry.mode) = (now.mtime, now.mode);
            match self.store(file, place, path, item, &now, entry)? {
                Err(FileProblem::Changing) => last = FileProblem::Changing,
                Err(problem) => return Ok(Err(problem)),
                // The row remembers what was stored, not what the listing saw before.
                Ok(refs) => return Ok(Ok((refs, now))),
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
        // Edited since the folder was listed: no rot, but a change.
        let still = file.metadata().is_ok_and(|m| {
            let now = listing::stat_of(&m);
            now.size == row.stat.size && now.mtime == row.stat.mtime
        });
        // A database's copy is not its file, so its hash says nothing here.
        if old.database.is_some() || !still {
            return Ok(Compared::Store);
        }
        let lost = row.packs.iter().any(|p| self.context.unreliable.contains(p));
        if old.hash != Some(hash) && !self.context.plan.accept.contains(path) {
            if !lost {
                return Ok(Compared::Problem(FileProblem::Rot));
            }
            // The last good version may be gone: better this one than none, but not silently.
            self.fail(path, format!("{}; its last good version is lost, so this one is stored", FileProblem::Rot))?;
        }
        if old.hash != Some(hash) || lost {
            return Ok(Compared::Store);
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
        place: &Place<'_>,
        path: &Name,
        item: &Item,
        stat: &Stat,
        entry: &mut Entry,
    ) -> Result<Result<Vec<PackRef>, FileProblem>, SnapshotError> {
        let pictured = self.picture(&file, path, stat);
        let is_database = database::is_database(&file, stat.size);
        let extension = path.extension();
        let kind = match is_database {
            true => PackKind::Warm,
            false => self.kind(stat, extension.as_deref()),
        };
        if item.blocks * 512 < stat.size {
            entry.holes = facts::holes(&file, stat.size);
        }
        let stored = match is_database {
            true => self.database(file, &place.full(item), path, stat, entry)?,
            false => {
                let subject = Subject { path, stat, kind, private: Private::No, base: None };
                self.files.store(file, subject, &mut self.packer)?
            }
        };
        match stored {
            Ok(content) => self.stored(content, kind, pictured, path, entry).map(Ok),
            Err(problem) => Ok(Err(problem)),
        }
    }

    /// Stores a file that was read ahead.
    fn store_small(
        &mut self,
        small: Small,
        path: &Name,
        stat: &Stat,
        entry: &mut Entry,
    ) -> Result<Vec<PackRef>, SnapshotError> {
        let extension = path.extension();
        let kind = self.kind(stat, extension.as_deref());
        let (facts, plain) = (facts::tar_facts(stat), self.small.bytes(&small));
        let refs = self.packer.whole(kind, path, facts, small.id, plain, extension.as_deref())?.refs();
        let content = Content { chunks: vec![small.id], hash: small.hash, size: plain.len() as u64, refs };
        entry.xattrs = small.xattrs;
        self.stored(content, kind, small.file, path, entry)
    }

    /// The packs that a file goes to which is no database.
    fn kind(&self, stat: &Stat, extension: Option<&str>) -> PackKind {
        match stat.size < self.warm_below || extension.is_some_and(changes_often) {
            true => PackKind::Warm,
            false => PackKind::Cold,
        }
    }

    /// What is stored goes into the entry; the packs that it needs.
    fn stored(
        &mut self,
        content: Content,
        kind: PackKind,
        pictured: Option<File>,
        path: &Name,
        entry: &mut Entry,
    ) -> Result<Vec<PackRef>, SnapshotError> {
        let Content { chunks, hash, size, refs } = content;
        self.progress.read += Bytes(size);
        self.want_preview(pictured, path, hash)?;
        entry.class = Some(if kind == PackKind::Warm { FileClass::Warm } else { FileClass::Cold });
        entry.chunks = Some(chunks);
        entry.hash = Some(hash);
        entry.size = Some(Bytes(size));
        Ok(refs)
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
        let mut base = Base::open(&plan.work.join("bases"), self.catalog, &plan.job, path, self.db_chunk)?;
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
