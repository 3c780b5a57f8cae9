//! Library to mirror: one-way and verbatim, read without Darkslide by anybody.
//!
//! Level 2; beside the way into the repository. **Invariant:** the library is not written to but by
//! [`heal`], which is asked for by name. Nothing on the mirror is destroyed: what goes, goes to a
//! dated trash. A brake stops before anything is touched. Knows no pack and no cloud.

mod compare;
mod error;
mod execute;
mod plan;
mod probe;
mod trash;
mod verify;

use darkslide_words::{Bytes, Count, Name};

pub use error::{Brake, MirrorError};
pub use execute::{Failure, Mirrored, execute};
pub use plan::{Limits, MirrorPlan, plan};
pub use probe::Abilities;
pub use trash::{Kept, TRASH};
pub use verify::{Agrees, Healed, Rot, Verified, heal, verify};

/// What a mirror works with.
pub struct Mirror<'m> {
    /// Disks.
    pub disk: &'m dyn darkslide_disk::Disk,
    /// What earlier runs saw.
    pub catalog: &'m darkslide_catalog::Catalog,
    /// The clock.
    pub clock: &'m dyn darkslide_words::Clock,
    /// Who watches.
    pub observer: &'m dyn Observer,
    /// Name of the job.
    pub job: String,
    /// The library.
    pub source: std::path::PathBuf,
    /// The mirror.
    pub target: std::path::PathBuf,
}

/// How far it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// Files done.
    pub files: Count,
    /// Bytes done.
    pub bytes: Bytes,
    /// Bytes that there are.
    pub expected: Option<Bytes>,
}

/// Watches; called from several threads.
pub trait Observer: Sync {
    /// How far it is.
    fn progress(&self, progress: &Progress);
    /// A file that could not be done.
    fn problem(&self, path: &Name, reason: &str);
    /// Something worth knowing.
    fn note(&self, text: &str);
    /// True if it shall stop.
    fn cancelled(&self) -> bool;
}

/// Folder for files that are not verified yet, in the mirror's root.
pub(crate) const TEMPORARY: &str = ".darkslide-tmp";

pub(crate) fn parent(path: &Name) -> Name {
    let bytes = path.as_bytes();
    Name::new(bytes.iter().rposition(|b| *b == b'/').map_or(&b""[..], |at| &bytes[..at]))
}

/// Makes the folder of temporary files and empties it of what a run that died left there.
pub(crate) fn sweep(disk: &dyn darkslide_disk::Disk, root: &std::path::Path) -> std::io::Result<()> {
    let folder = root.join(TEMPORARY);
    darkslide_disk::make_folders(disk, &folder)?;
    for (name, _) in disk.list(&folder)? {
        if name.as_bytes().starts_with(b".darkslide-part-") {
            disk.remove_file(&darkslide_disk::path_of(&folder, &name))?;
        }
    }
    Ok(())
}
