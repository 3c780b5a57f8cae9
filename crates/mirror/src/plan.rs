//! The plan: what differs, and what would be done about it.

use std::collections::BTreeSet;
use std::fmt;

use darkslide_disk::Stat;
use darkslide_words::{Bytes, Count, Name};

use crate::compare::Comparison;
use crate::{Abilities, Brake, Mirror, MirrorError};

/// A file to be copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Copy {
    pub(crate) path: Name,
    pub(crate) stat: Stat,
    /// What lies there goes to the trash first.
    pub(crate) replaces: bool,
}

/// What would be done, in this order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MirrorPlan {
    /// Unverified copies that a run which died left on the mirror.
    pub(crate) leftovers: Vec<Name>,
    /// Names that the mirror has in another case: from, to; parents first.
    pub(crate) recased: Vec<(Name, Name, Stat)>,
    /// Folders to be made, parents first.
    pub(crate) folders: Vec<(Name, Stat)>,
    /// Files that were moved: from, to.
    pub(crate) moves: Vec<(Name, Name, Stat)>,
    /// What goes to the trash.
    pub(crate) trashed: Vec<Name>,
    /// Files to be copied.
    pub(crate) copies: Vec<Copy>,
    /// Symbolic links: path and where to.
    pub(crate) symlinks: Vec<(Name, Name, Stat)>,
    /// Further names of files: path, the name that it has already.
    pub(crate) hard_links: Vec<(Name, Name)>,
    /// Files and folders whose mode or attributes changed.
    pub(crate) touched: Vec<(Name, Stat)>,
    /// Files that go to the trash, those in folders counted.
    pub trashed_files: Count,
    /// Files of the library.
    pub files: Count,
    /// Files that the mirror held.
    pub target_files: Count,
    /// What could not be looked at, and why.
    pub failures: Vec<(Name, String)>,
    /// True if parts of the library could not be read: then nothing is deleted.
    pub source_incomplete: bool,
    /// Why nothing should be touched.
    pub brakes: Vec<Brake>,
    /// What the mirror's file system keeps.
    pub abilities: Option<Abilities>,
    /// Files that are as they were and were not known yet.
    pub(crate) learned: Vec<(Name, Stat)>,
    /// Folders of which the catalog remembers files that are gone.
    pub(crate) forgotten: BTreeSet<Name>,
}

impl MirrorPlan {
    /// What a path was called before names changed their case: what is remembered of it goes by that.
    pub(crate) fn before(&self, path: &Name) -> Name {
        let mut path = path.clone();
        for (from, to, _) in self.recased.iter().rev() {
            let below = path.as_bytes().strip_prefix(to.as_bytes()).filter(|rest| rest.is_empty() || rest[0] == b'/');
            if let Some(below) = below {
                path = Name::new([from.as_bytes(), below].concat());
            }
        }
        path
    }

    /// Bytes to be copied.
    pub fn bytes(&self) -> Bytes {
        Bytes(self.copies.iter().map(|copy| copy.stat.size).sum())
    }

    /// New files.
    pub fn new_files(&self) -> Count {
        Count(self.copies.iter().filter(|copy| !copy.replaces).count() as u64)
    }

    /// Files that changed.
    pub fn changed_files(&self) -> Count {
        Count(self.copies.iter().filter(|copy| copy.replaces).count() as u64)
    }

    /// Files that were moved.
    pub fn moved_files(&self) -> Count {
        Count(self.moves.len() as u64)
    }

    /// Leaves what may only seem to be gone: what goes is what something else takes the place of, and
    /// what moved is copied.
    fn keep_everything(&mut self) {
        let moves = std::mem::take(&mut self.moves);
        self.copies.extend(moves.into_iter().map(|(_, path, stat)| Copy { path, stat, replaces: false }));
        let folders = self.folders.iter().map(|(path, _)| path.clone());
        let copies = self.copies.iter().map(|copy| copy.path.clone());
        let links = self.symlinks.iter().map(|(path, ..)| path.clone());
        let further = self.hard_links.iter().map(|(path, _)| path.clone());
        let taken: BTreeSet<Name> = folders.chain(copies).chain(links).chain(further).collect();
        self.trashed.retain(|path| taken.contains(path));
        self.trashed_files = Count(self.trashed.len() as u64);
    }

    /// True if nothing differs.
    pub fn is_empty(&self) -> bool {
        self.leftovers.is_empty()
            && self.recased.is_empty()
            && self.folders.is_empty()
            && self.moves.is_empty()
            && self.trashed.is_empty()
            && self.copies.is_empty()
            && self.symlinks.is_empty()
            && self.hard_links.is_empty()
            && self.touched.is_empty()
    }
}

impl fmt::Display for MirrorPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} files in the library: {} new, {} changed, {} moved, {} to the trash; {} to copy",
            self.files,
            self.new_files(),
            self.changed_files(),
            self.moved_files(),
            self.trashed_files,
            self.bytes()
        )?;
        for (from, to, _) in self.recased.iter().chain(&self.moves) {
            writeln!(f, "  move   {from} -> {to}")?;
        }
        for path in &self.trashed {
            writeln!(f, "  trash  {path}")?;
        }
        for copy in &self.copies {
            let word = if copy.replaces { "update" } else { "copy  " };
            writeln!(f, "  {word} {} ({})", copy.path, Bytes(copy.stat.size))?;
        }
        for brake in &self.brakes {
            writeln!(f, "BRAKE: {brake}")?;
        }
        Ok(())
    }
}

/// What a run may do without being asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Files that may always go to the trash or change.
    pub files: u64,
    /// Share of the mirror's files that may, in percent.
    pub percent: u64,
    /// A file that marks the library as being there.
    pub sentinel: Option<String>,
    /// Brakes that are off: `empty`, `deletions`, `changes`, `rot`.
    pub allowed: BTreeSet<String>,
}

impl Limits {
    fn most(&self, of: Count) -> Count {
        Count((of.0 * self.percent / 100).max(self.files))
    }

    fn allows(&self, what: &str) -> bool {
        self.allowed.contains(what)
    }

    fn brakes(&self, plan: &MirrorPlan, known: bool, rot: Vec<Name>, has_sentinel: bool) -> Vec<Brake> {
        let mut out = Vec::new();
        if let (Some(sentinel), false) = (&self.sentinel, has_sentinel) {
            out.push(Brake::Sentinel { sentinel: sentinel.clone() });
        }
        let held = known || plan.target_files.0 > 0;
        if plan.files.0 == 0 && held && !self.allows("empty") {
            out.push(Brake::Empty);
        }
        if known && plan.target_files.0 == 0 && plan.files.0 > 0 && !self.allows("empty") {
            out.push(Brake::Absent);
        }
        let (of, most) = (plan.target_files, self.most(plan.target_files));
        if plan.trashed_files > most && !self.allows("deletions") {
            out.push(Brake::Deletions { files: plan.trashed_files, of, most });
        }
        if plan.changed_files() > most && !self.allows("changes") {
            out.push(Brake::Changes { files: plan.changed_files(), of, most });
        }
        if !rot.is_empty() && !self.allows("rot") {
            out.push(Brake::Rot { paths: rot });
        }
        out
    }
}

/// Compares library and mirror. Nothing is touched but a few tiny files on the mirror, which tell
/// what its file system keeps.
pub fn plan(mirror: &Mirror<'_>, limits: &Limits) -> Result<MirrorPlan, MirrorError> {
    let mut comparison = Comparison::new(mirror)?;
    comparison.run(limits.allows("rot"))?;
    let (mut plan, rot, known) = comparison.finish()?;
    let has_sentinel = limits.sentinel.as_ref().is_none_or(|name| mirror.disk.stat(&mirror.source.join(name)).is_ok());
    if plan.source_incomplete {
        mirror.observer.note("parts of the library cannot be read: nothing is deleted on the mirror in this run");
        plan.keep_everything();
    }
    plan.brakes = limits.brakes(&plan, known, rot, has_sentinel);
    Ok(plan)
}
