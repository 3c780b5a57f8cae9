//! Handing photographs over to be previewed, while they are open anyway.

use std::fs::File;

use darkslide_catalog::Stat;
use darkslide_words::{ContentHash, Name};

use super::{Visitor, os};
use crate::SnapshotError;
use crate::facts;
use crate::previews::{Wanted, wants};
use crate::read;

impl Visitor<'_> {
    /// The file once more, where a preview of it is wanted.
    pub(super) fn picture(&self, file: &File, path: &Name, stat: &Stat) -> Option<File> {
        (self.press.is_some() && stat.size > 0 && wants(path)).then(|| file.try_clone().ok()).flatten()
    }

    /// The content is stored: its preview is due, unless there is one.
    pub(super) fn want_preview(
        &mut self,
        file: Option<File>,
        path: &Name,
        hash: ContentHash,
    ) -> Result<(), SnapshotError> {
        let (Some(file), Some(press)) = (file, &self.press) else { return Ok(()) };
        if self.wanted.contains(&hash) || self.catalog.has_preview(&hash)? {
            return Ok(());
        }
        // Before the file's row: whoever sees that one, sees this one.
        self.catalog.add_due_preview(&self.context.plan.job, path, &hash)?;
        self.wanted.insert(hash);
        press.want(Wanted { path: path.clone(), hash, file });
        Ok(())
    }

    /// Makes what is due and was not wanted in this run: what one that was cut off left, and what somebody
    /// asked for. The file is read to see that it is still the one.
    pub fn due_previews(&mut self) -> Result<(), SnapshotError> {
        if self.press.is_none() {
            return Ok(());
        }
        let job = &self.context.plan.job;
        for (path, hash) in self.catalog.due_previews(job)? {
            if self.wanted.contains(&hash) {
                continue;
            }
            if self.context.observer.cancelled() {
                return Err(SnapshotError::Cancelled);
            }
            if self.catalog.has_preview(&hash)? {
                self.catalog.drop_due_preview(job, &path)?;
                continue;
            }
            let opened = facts::open(&self.context.plan.library.join(os(&path)));
            let same = opened.and_then(|mut file| Ok((read::hash(&mut file, self.files.space())?, file)));
            match (same, &self.press) {
                (Ok((now, file)), Some(press)) if now == hash => {
                    self.wanted.insert(hash);
                    press.want(Wanted { path, hash, file });
                }
                // Gone, or another by now: whatever it is, the walk has seen it.
                _ => self.catalog.drop_due_preview(job, &path)?,
            }
        }
        Ok(())
    }
}
