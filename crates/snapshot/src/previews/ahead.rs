//! Previews before a backup: of files that have just come into a library. They go into packs as those of a
//! backup do, and the backup that stores the files finds them described.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use darkslide_catalog::Catalog;
use darkslide_format::pack::RunFacts;
use darkslide_format::space::Space;
use darkslide_format::trust::{Standing, Trust};
use darkslide_store::Store;
use darkslide_words::{Clock, ContentHash, Count, Name, Time};

use super::press::{Pressing, Wanted, channel};
use super::{Previewed, Previewing, wants};
use crate::execute::WriterSecrets;
use crate::stores::Stores;
use crate::{SnapshotError, facts, finish, read};

/// What previews are made with ahead of a backup.
pub struct Ahead<'a> {
    /// Where the catalog lies; each thread opens it.
    pub catalog: &'a Path,
    /// Where packs go: each takes them all, and one that fails is brought up by the next backup.
    pub stores: &'a [Arc<dyn Store>],
    /// Who may sign.
    pub trust: &'a Trust,
    /// This machine's secrets.
    pub writer: &'a WriterSecrets,
    /// The time.
    pub clock: &'a dyn Clock,
    /// Makes them.
    pub previewing: Previewing<'a>,
    /// True when no more shall be begun.
    pub is_over: &'a dyn Fn() -> bool,
}

/// A file that came into a library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Its path in the library.
    pub path: Name,
    /// Where it lies.
    pub file: PathBuf,
    /// What it held when it came.
    pub hash: ContentHash,
    /// Its bytes then.
    pub size: u64,
    /// And its time.
    pub mtime: Time,
}

impl Arrival {
    /// It, open, if it is what it was when it came: by size and time, else by its content.
    fn open(&self) -> Option<File> {
        let mut file = facts::open(&self.file).ok()?;
        let now = file.metadata().ok()?;
        let mtime = Time::from_parts(now.mtime(), now.mtime_nsec());
        let is_same = now.len() == self.size && mtime == self.mtime;
        match is_same || read::hash(&mut file, &mut Space::default()).ok()? == self.hash {
            true => Some(file),
            false => None,
        }
    }
}

/// Makes previews of those that previews are made of and no pack describes.
pub fn ahead(ahead: &Ahead<'_>, arrivals: &[Arrival]) -> Result<Previewed, SnapshotError> {
    let writer = ahead.writer.id();
    if ahead.trust.standing(writer) != Standing::Trusted {
        return Err(SnapshotError::NotEnrolled { name: ahead.trust.writer_name(writer) });
    }
    let config = ahead.trust.config().ok_or(SnapshotError::NoConfig)?;
    let catalog = Catalog::open(ahead.catalog)?;
    let mut seen = BTreeSet::new();
    let mut due = Vec::new();
    for one in arrivals.iter().filter(|one| one.size > 0 && wants(&one.path)) {
        if seen.insert(one.hash) && !catalog.has_preview(&one.hash)? {
            due.push(one);
        }
    }
    if due.is_empty() {
        return Ok(Previewed::default());
    }
    let time = finish::not_before(&catalog, writer, ahead.clock.now())?;
    let run = RunFacts { repository: ahead.trust.repository(), writer, time, sequence: Count(0) };
    let (stores, recipients) = (Stores::new(ahead.stores, &[]), config.data_recipients()?);
    std::thread::scope(|scope| {
        let (previewing, catalog, key) = (ahead.previewing.clone(), ahead.catalog, &ahead.writer.signing);
        let pressing = Pressing { previewing, catalog, stores: &stores, recipients: &recipients, run, key };
        let (press, pressed) = channel(scope, pressing);
        for one in due {
            if (ahead.is_over)() {
                break;
            }
            // Gone, or another by now: the backup sees what it is.
            if let Some(file) = one.open() {
                press.want(Wanted { path: one.path.clone(), hash: one.hash, file });
            }
        }
        drop(press);
        pressed.join().map_err(|_| SnapshotError::SealerGone)?
    })
}
