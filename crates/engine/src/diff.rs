//! What changed between two snapshots.

use std::collections::BTreeMap;

use darkslide_format::FormatError;
use darkslide_format::identity::IdentityFile;
use darkslide_format::limits::FOLDER_DEPTH_MAX;
use darkslide_format::pages::for_each_entry;
use darkslide_format::tree::{Entry, EntryKind};
use darkslide_restore::Pages;
use darkslide_words::{ChunkId, Name};

use crate::browse::root_of;
use crate::{Engine, EngineError, Line};

/// How a name differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Only in the second.
    Added,
    /// Only in the first.
    Removed,
    /// Other content.
    Modified,
    /// Other times, modes, owners or attributes.
    Metadata,
}

/// One difference.
#[derive(Debug, Clone)]
pub struct Difference {
    /// How.
    pub change: Change,
    /// The name as it is in the second (or was in the first).
    pub line: Line,
}

struct Diff<'d> {
    each: &'d mut dyn FnMut(Difference),
}

impl Diff<'_> {
    fn say(&mut self, change: Change, path: &Name, entry: &Entry) {
        (self.each)(Difference { change, line: Line::of(path, entry) });
    }

    fn folders(
        &mut self,
        pages: &mut Pages<'_>,
        at: &Name,
        old: Option<ChunkId>,
        new: Option<ChunkId>,
    ) -> Result<(), EngineError> {
        if old == new {
            return Ok(());
        }
        let (mut before, after) = (entries(pages, old)?, entries(pages, new)?);
        for (name, now) in after {
            let path = at.join(&name);
            match before.remove(&name) {
                None => self.alone(pages, Change::Added, &path, &now)?,
                Some(was) if was.kind != now.kind => {
                    self.alone(pages, Change::Removed, &path, &was)?;
                    self.alone(pages, Change::Added, &path, &now)?;
                }
                Some(was) if now.kind == EntryKind::Dir => self.folders(pages, &path, was.tree, now.tree)?,
                Some(was) if was.hash != now.hash || was.target != now.target => {
                    self.say(Change::Modified, &path, &now)
                }
                Some(was) if was != now => self.say(Change::Metadata, &path, &now),
                Some(_) => {}
            }
        }
        for (name, was) in before {
            self.alone(pages, Change::Removed, &at.join(&name), &was)?;
        }
        Ok(())
    }

    /// A name that only one side has, with everything below it.
    fn alone(&mut self, pages: &mut Pages<'_>, change: Change, path: &Name, entry: &Entry) -> Result<(), EngineError> {
        self.say(change, path, entry);
        too_deep(path)?;
        for (name, below) in entries(pages, entry.tree)? {
            self.alone(pages, change, &path.join(&name), &below)?;
        }
        Ok(())
    }
}

/// Refuses trees that are deeper than the format allows.
fn too_deep(path: &Name) -> Result<(), EngineError> {
    let depth = path.as_bytes().iter().filter(|b| **b == b'/').count();
    match depth <= FOLDER_DEPTH_MAX {
        true => Ok(()),
        false => Err(FormatError::OverLimit {
            what: "the depth of folders",
            found: depth as u64,
            limit: FOLDER_DEPTH_MAX as u64,
        }
        .into()),
    }
}

fn entries(pages: &mut Pages<'_>, top: Option<ChunkId>) -> Result<BTreeMap<Name, Entry>, EngineError> {
    let mut all = BTreeMap::new();
    if let Some(top) = top {
        for_each_entry(pages, top, &mut |_, entry| {
            all.insert(entry.name.clone(), entry);
            Ok(())
        })?;
    }
    Ok(all)
}

impl Engine {
    /// Calls `each` for every difference between two snapshots, sorted by path
    /// within each folder.
    pub fn diff(
        &self,
        old: &str,
        new: &str,
        identity: Option<&IdentityFile>,
        each: &mut dyn FnMut(Difference),
    ) -> Result<(), EngineError> {
        let mut browser = self.browser(identity)?;
        let (old, new) = (browser.find(old, &[])?.1, browser.find(new, &[])?.1);
        let (old, new) = (root_of(&old)?, root_of(&new)?);
        Diff { each }.folders(&mut browser.pages(), &Name::default(), Some(old), Some(new))
    }
}
