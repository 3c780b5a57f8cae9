//! Library against mirror, folder by folder, in one sorted walk through both and through what the
//! last run saw.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::PathBuf;

use darkslide_catalog::MirroredFile;
use darkslide_disk::{Kind, Stat, hash_cached, path_of};
use darkslide_words::{Count, Name};

use crate::plan::{Copy, MirrorPlan};
use crate::probe::{Abilities, probe};
use crate::{Mirror, MirrorError, Progress, TEMPORARY, TRASH, sweep};

/// Folders within folders.
const DEPTH_MAX: usize = 256;
/// Rotten files that are named.
const ROT_MAX: usize = 1000;

/// What tells a file of the library, whatever its name: inode, size, time of change.
type Identity = (u64, u64, i64);

type Listed = BTreeMap<Name, Stat>;
type Names = Vec<(Name, io::Result<Stat>)>;

/// Bytes of a folder of a few dozen names.
const SMALL_FOLDER: u64 = 4096;

/// What file systems and servers keep in the root of a disk or share for themselves.
const NO_LIBRARY: [&str; 14] = [
    TEMPORARY,
    TRASH,
    "lost+found",
    "#recycle",
    "@Recycle",
    "#snapshot",
    "@Recently-Snapshot",
    "$RECYCLE.BIN",
    "RECYCLER",
    "System Volume Information",
    ".Trashes",
    ".Spotlight-V100",
    ".fseventsd",
    ".TemporaryItems",
];

fn is_no_library(name: &Name) -> bool {
    let bytes = name.as_bytes();
    bytes.starts_with(b".Trash-") || NO_LIBRARY.iter().any(|not| bytes == not.as_bytes())
}

/// What is neither copied nor trashed: a NAS keeps `@eaDir` in every folder.
pub(crate) fn is_passed_over(folder: &Name, name: &Name) -> bool {
    folder.is_empty() && is_no_library(name) || is_part(name) || name.as_bytes() == b"@eaDir"
}

/// A copy that is not verified yet.
fn is_part(name: &Name) -> bool {
    name.as_bytes().starts_with(b".darkslide-part-")
}

/// A name as a file system sees it that tells no cases.
fn folded(name: &Name) -> Vec<u8> {
    match std::str::from_utf8(name.as_bytes()) {
        Ok(text) => text.to_lowercase().into_bytes(),
        Err(_) => name.as_bytes().to_ascii_lowercase(),
    }
}

pub(crate) struct Comparison<'c> {
    mirror: &'c Mirror<'c>,
    abilities: Abilities,
    plan: MirrorPlan,
    rot: Vec<Name>,
    known: bool,
    /// Files that are new in the library, to be held against those that vanished.
    new: Vec<(Name, Stat)>,
    /// Files that vanished from the library, whole on the mirror: by their identity in the library.
    vanished: HashMap<Identity, (Name, MirroredFile)>,
    /// The first name of each file that has several.
    linked: HashMap<(u64, u64), Name>,
    take_rot: bool,
}

impl<'c> Comparison<'c> {
    pub(crate) fn new(mirror: &'c Mirror<'c>) -> Result<Self, MirrorError> {
        let real = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
        let (source, target) = (real(&mirror.source), real(&mirror.target));
        if source.starts_with(&target) || target.starts_with(&source) {
            return Err(MirrorError::Overlap { source_path: source, target });
        }
        let no_target = |source| MirrorError::NoTarget { path: mirror.target.clone(), source };
        // A mount point without its disk is no place for a second library.
        mirror.disk.stat(&mirror.target).map_err(no_target)?;
        sweep(mirror.disk, &mirror.target).map_err(no_target)?;
        let abilities = probe(mirror.disk, &mirror.target.join(TEMPORARY)).map_err(no_target)?;
        Ok(Self {
            mirror,
            abilities,
            plan: MirrorPlan { abilities: Some(abilities), ..MirrorPlan::default() },
            rot: Vec::new(),
            known: false,
            new: Vec::new(),
            vanished: HashMap::new(),
            linked: HashMap::new(),
            take_rot: false,
        })
    }

    pub(crate) fn run(&mut self, take_rot: bool) -> Result<(), MirrorError> {
        self.take_rot = take_rot;
        let root = &self.mirror.source;
        let listed =
            self.mirror.disk.list(root).map_err(|source| MirrorError::NoSource { path: root.clone(), source })?;
        let there = self.mirror.disk.list(&self.mirror.target);
        self.folder(&Name::default(), listed, Some(there), 0)
    }

    pub(crate) fn finish(mut self) -> Result<(MirrorPlan, Vec<Name>, bool), MirrorError> {
        self.pair_moves();
        self.plan.trashed.sort();
        Ok((self.plan, self.rot, self.known))
    }

    /// One folder that the library has; `there` where the mirror has it, too.
    fn folder(
        &mut self,
        path: &Name,
        listed: Names,
        there: Option<io::Result<Names>>,
        depth: usize,
    ) -> Result<(), MirrorError> {
        if self.mirror.observer.cancelled() {
            return Err(MirrorError::Cancelled);
        }
        let source = self.readable(path, listed);
        let mut target = match there {
            Some(there) => self.target_list(path, there)?,
            None => Listed::new(),
        };
        let mut state = self.state(path)?;
        if !self.abilities.cases {
            self.recase(path, &source, &mut target, &mut state);
        }
        self.plan.target_files += Count(target.values().filter(|stat| stat.kind == Kind::File).count() as u64);
        let mut cases: BTreeSet<Vec<u8>> = BTreeSet::new();
        let (mut mirrored, mut remembered) = (0, 0);
        for (name, stat) in &source {
            let (there, known) = (target.get(name), state.get(name));
            mirrored += usize::from(there.is_some());
            remembered += usize::from(known.is_some());
            let below = path.join(name);
            if !self.abilities.cases && !cases.insert(folded(name)) {
                let why = "its name differs from another's by case alone, which the mirror cannot tell apart";
                self.fail(&below, why.into());
                continue;
            }
            self.one(&below, stat, there, known, depth)?;
        }
        if mirrored < target.len() {
            for (name, stat) in target.iter().filter(|(name, _)| !source.contains_key(*name)) {
                self.gone(&path.join(name), stat, state.get(name), depth)?;
            }
        }
        if remembered < state.len() {
            self.plan.forgotten.insert(path.clone());
        }
        self.mirror.observer.progress(&Progress { files: self.plan.files, ..Progress::default() });
        Ok(())
    }

    fn readable(&mut self, path: &Name, listed: Names) -> Listed {
        // Sorted already, so that all of it goes into the map at once.
        let mut out = Vec::with_capacity(listed.len());
        for (name, stat) in listed {
            match stat {
                _ if is_passed_over(path, &name) => {}
                Ok(stat) if stat.kind == Kind::Special => {
                    self.mirror.observer.note(&format!("{}: neither file, folder nor link", path.join(&name)));
                }
                Ok(stat) => out.push((name, stat)),
                Err(error) => {
                    self.plan.source_incomplete = true;
                    self.fail(&path.join(&name), error.to_string());
                }
            }
        }
        out.into_iter().collect()
    }

    fn target_list(&mut self, path: &Name, listed: io::Result<Names>) -> Result<Listed, MirrorError> {
        let root = path_of(&self.mirror.target, path);
        let listed = listed.map_err(|source| MirrorError::NoTarget { path: root.clone(), source })?;
        let mut out = Vec::with_capacity(listed.len());
        for (name, stat) in listed {
            if is_part(&name) {
                self.plan.leftovers.push(path.join(&name));
                continue;
            }
            if is_passed_over(path, &name) {
                continue;
            }
            let stat = stat.map_err(|source| MirrorError::NoTarget { path: path_of(&root, &name), source })?;
            out.push((name, stat));
        }
        Ok(out.into_iter().collect())
    }

    /// Names that differ by case alone are one name there: what lies under it gets the library's.
    fn recase(&mut self, path: &Name, source: &Listed, target: &mut Listed, state: &mut BTreeMap<Name, MirroredFile>) {
        let others = target.keys().filter(|name| !source.contains_key(*name));
        let mut others: BTreeMap<Vec<u8>, Name> = others.map(|name| (folded(name), name.clone())).collect();
        for (name, stat) in source {
            let same_kind = |old: &Name| target.get(old).is_some_and(|there| there.kind == stat.kind);
            if target.contains_key(name) || !others.get(&folded(name)).is_some_and(same_kind) {
                continue;
            }
            let Some(old) = others.remove(&folded(name)) else { continue };
            if let Some(there) = target.remove(&old) {
                target.insert(name.clone(), there);
            }
            if let Some(row) = state.remove(&old) {
                state.insert(name.clone(), MirroredFile { name: name.clone(), ..row });
            }
            let (from, to) = (path.join(&old), path.join(name));
            if stat.kind == Kind::File {
                self.plan.forgotten.insert(path.clone());
            }
            self.plan.recased.push((from, to, *stat));
        }
    }

    fn state(&mut self, path: &Name) -> Result<BTreeMap<Name, MirroredFile>, MirrorError> {
        let before = self.plan.before(path);
        if before != *path {
            self.plan.forgotten.insert(before.clone());
        }
        let rows = self.mirror.catalog.mirrored(&self.mirror.job, &before)?.unwrap_or_default();
        self.known |= !rows.is_empty();
        Ok(rows.into_iter().map(|row| (row.name.clone(), row)).collect())
    }

    fn fail(&mut self, path: &Name, why: String) {
        self.mirror.observer.problem(path, &why);
        self.plan.failures.push((path.clone(), why));
    }

    /// One name that the library has.
    fn one(
        &mut self,
        path: &Name,
        stat: &Stat,
        target: Option<&Stat>,
        state: Option<&MirroredFile>,
        depth: usize,
    ) -> Result<(), MirrorError> {
        if target.is_some_and(|there| there.kind != stat.kind) {
            match target {
                // All that is in it goes, and counts.
                Some(there) if there.kind == Kind::Folder => self.gone(path, there, state, depth)?,
                _ => {
                    self.plan.trashed.push(path.clone());
                    self.plan.trashed_files += Count(1);
                }
            }
            return self.one(path, stat, None, None, depth);
        }
        match stat.kind {
            Kind::Folder => self.subfolder(path, stat, target, depth),
            Kind::Symlink => {
                self.symlink(path, stat, target);
                Ok(())
            }
            _ => {
                self.plan.files += Count(1);
                self.file(path, stat, target, state);
                Ok(())
            }
        }
    }

    fn subfolder(&mut self, path: &Name, stat: &Stat, target: Option<&Stat>, depth: usize) -> Result<(), MirrorError> {
        if depth >= DEPTH_MAX {
            self.plan.source_incomplete = true;
            self.fail(path, "folders are nested too deeply".into());
            return Ok(());
        }
        let (listed, there) = self.both(path, stat, target);
        let listed = match listed {
            Ok(listed) => listed,
            Err(error) => {
                self.plan.source_incomplete = true;
                self.fail(path, format!("the folder cannot be listed: {error}"));
                return Ok(());
            }
        };
        match target {
            None => self.plan.folders.push((path.clone(), *stat)),
            Some(there) if self.carries_other(stat, there) => self.plan.touched.push((path.clone(), *stat)),
            Some(_) => {}
        }
        self.folder(path, listed, there, depth + 1)
    }

    /// Lists a folder on both sides; a large one on both at once.
    fn both(&self, path: &Name, stat: &Stat, target: Option<&Stat>) -> (io::Result<Names>, Option<io::Result<Names>>) {
        let disk = self.mirror.disk;
        let (from, to) = (path_of(&self.mirror.source, path), path_of(&self.mirror.target, path));
        let source = || disk.list(&from);
        let there = || disk.list(&to);
        match target {
            None => (source(), None),
            // The size of a folder tells how many names it has had, about; a thread costs more than a few.
            Some(_) if stat.size <= SMALL_FOLDER => (source(), Some(there())),
            Some(_) => std::thread::scope(|scope| {
                let other = scope.spawn(there);
                let source = source();
                let there = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                (source, Some(there))
            }),
        }
    }

    /// True if mode or time differ on the mirror, as far as it keeps them.
    fn carries_other(&self, stat: &Stat, there: &Stat) -> bool {
        let mode = self.abilities.modes && stat.mode != there.mode;
        mode || !self.abilities.same_time(stat.mtime, there.mtime)
    }

    fn symlink(&mut self, path: &Name, stat: &Stat, target: Option<&Stat>) {
        if !self.abilities.symlinks {
            self.fail(path, "the mirror's file system has no symbolic links".into());
            return;
        }
        let wanted = match self.mirror.disk.read_link(&path_of(&self.mirror.source, path)) {
            Ok(wanted) => wanted,
            Err(error) => return self.fail(path, error.to_string()),
        };
        let has = target.and_then(|_| self.mirror.disk.read_link(&path_of(&self.mirror.target, path)).ok());
        if has.as_ref() == Some(&wanted) {
            if target.is_some_and(|there| !self.abilities.same_time(stat.mtime, there.mtime)) {
                self.plan.touched.push((path.clone(), *stat));
            }
            return;
        }
        if target.is_some() {
            self.plan.trashed.push(path.clone());
        }
        self.plan.symlinks.push((path.clone(), wanted, *stat));
    }

    fn file(&mut self, path: &Name, stat: &Stat, target: Option<&Stat>, state: Option<&MirroredFile>) {
        if stat.links > 1 && self.abilities.hard_links {
            let first = self.linked.entry(stat.inode).or_insert_with(|| path.clone()).clone();
            if first != *path {
                if target.is_none() {
                    self.plan.hard_links.push((path.clone(), first));
                } else if !self.same(stat, target) {
                    self.plan.trashed.push(path.clone());
                    self.plan.trashed_files += Count(1);
                    self.plan.hard_links.push((path.clone(), first));
                }
                return;
            }
        }
        let Some(there) = target else {
            self.new.push((path.clone(), *stat));
            return;
        };
        if !self.same(stat, target) {
            self.plan.copies.push(Copy { path: path.clone(), stat: *stat, replaces: true });
            return;
        }
        match state {
            // Exactly as the last run saw it.
            Some(row) if row.size == stat.size && row.mtime == stat.mtime && row.ctime == stat.ctime => {
                if self.plan.before(path) != *path {
                    self.plan.learned.push((path.clone(), *stat));
                }
            }
            Some(row) if row.size == stat.size && row.mtime == stat.mtime => self.stirred(path, stat, row),
            // Edited within what the mirror's coarse clock can tell.
            Some(_) if there.mtime != stat.mtime => {
                self.plan.copies.push(Copy { path: path.clone(), stat: *stat, replaces: true });
                return;
            }
            _ => self.plan.learned.push((path.clone(), *stat)),
        }
        if self.abilities.modes && stat.mode != there.mode {
            self.plan.touched.push((path.clone(), *stat));
        }
    }

    fn same(&self, stat: &Stat, target: Option<&Stat>) -> bool {
        target.is_some_and(|there| there.size == stat.size && self.abilities.same_time(stat.mtime, there.mtime))
    }

    /// The inode changed, size and time did not: a new mode, a new name, or other content.
    fn stirred(&mut self, path: &Name, stat: &Stat, row: &MirroredFile) {
        let Some(known) = row.hash else {
            self.plan.learned.push((path.clone(), *stat));
            return;
        };
        match hash_cached(self.mirror.disk, &path_of(&self.mirror.source, path), &mut |_| true) {
            Ok(hash) if hash == known => {
                self.plan.learned.push((path.clone(), *stat));
                self.plan.touched.push((path.clone(), *stat));
            }
            Ok(_) => {
                if self.rot.len() < ROT_MAX {
                    self.rot.push(path.clone());
                }
                if self.take_rot {
                    self.plan.copies.push(Copy { path: path.clone(), stat: *stat, replaces: true });
                }
            }
            Err(error) => {
                self.plan.source_incomplete = true;
                self.fail(path, error.to_string());
            }
        }
    }

    /// A name that the library has no more.
    fn gone(
        &mut self,
        path: &Name,
        stat: &Stat,
        state: Option<&MirroredFile>,
        depth: usize,
    ) -> Result<(), MirrorError> {
        self.plan.trashed.push(path.clone());
        match stat.kind {
            Kind::Folder => self.gone_below(path, depth),
            _ => {
                self.plan.trashed_files += Count(1);
                self.vanish(path, stat, state);
                Ok(())
            }
        }
    }

    /// Its files may have been moved, each to somewhere else.
    fn gone_below(&mut self, folder: &Name, depth: usize) -> Result<(), MirrorError> {
        if depth >= DEPTH_MAX {
            return Ok(());
        }
        let state = self.state(folder)?;
        self.plan.forgotten.insert(folder.clone());
        let there = self.mirror.disk.list(&path_of(&self.mirror.target, folder));
        for (name, stat) in self.target_list(folder, there)? {
            let path = folder.join(&name);
            match stat.kind {
                Kind::Folder => self.gone_below(&path, depth + 1)?,
                _ => {
                    self.plan.target_files += Count(1);
                    self.plan.trashed_files += Count(1);
                    self.vanish(&path, &stat, state.get(&name));
                }
            }
        }
        Ok(())
    }

    fn vanish(&mut self, path: &Name, there: &Stat, state: Option<&MirroredFile>) {
        let Some(row) = state.filter(|row| there.size == row.size && self.abilities.same_time(there.mtime, row.mtime))
        else {
            return;
        };
        self.vanished.insert((row.inode, row.size, row.mtime.0), (path.clone(), row.clone()));
    }

    /// What is new and what vanished, where they are one file: by its identity in the library, else
    /// by its content.
    fn pair_moves(&mut self) {
        let mut by_facts: HashMap<(u64, i64), Vec<Identity>> = HashMap::new();
        for key in self.vanished.keys() {
            by_facts.entry((key.1, key.2)).or_default().push(*key);
        }
        let mut moved: BTreeSet<Name> = BTreeSet::new();
        for (path, stat) in std::mem::take(&mut self.new) {
            let exact = (stat.inode.1, stat.size, stat.mtime.0);
            // File systems that count whole seconds have no inodes to rely on either.
            let telling = stat.mtime.0 % 1_000_000_000 != 0;
            let found = match self.vanished.contains_key(&exact) && telling {
                true => Some(exact),
                false => self.same_content(&path, &stat, by_facts.get(&(stat.size, stat.mtime.0))),
            };
            match found.and_then(|key| self.vanished.remove(&key)) {
                Some((from, _)) => {
                    moved.insert(from.clone());
                    self.plan.trashed_files = Count(self.plan.trashed_files.0.saturating_sub(1));
                    self.plan.moves.push((from, path, stat));
                }
                None => self.plan.copies.push(Copy { path, stat, replaces: false }),
            }
        }
        self.plan.trashed.retain(|gone| !moved.contains(gone));
    }

    fn same_content(&mut self, path: &Name, stat: &Stat, candidates: Option<&Vec<Identity>>) -> Option<Identity> {
        if stat.size == 0 {
            return None;
        }
        let open: Vec<Identity> = candidates?.iter().filter(|key| self.vanished.contains_key(key)).copied().collect();
        if open.is_empty() {
            return None;
        }
        let hash = match hash_cached(self.mirror.disk, &path_of(&self.mirror.source, path), &mut |_| true) {
            Ok(hash) => hash,
            Err(_) => {
                // The old copy may be the only good one: nothing is deleted.
                self.plan.source_incomplete = true;
                return None;
            }
        };
        open.into_iter().find(|key| self.vanished[key].1.hash == Some(hash))
    }
}
