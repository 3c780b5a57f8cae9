//! Files on disks: one operation each, behind a trait, and the copy that is read once, written to
//! every target, and read back.
//!
//! Level 1; what cards, libraries and mirrors have in common. **Invariant:** nothing is replaced
//! and nothing is followed: a new file appears under a name that was free, and a symbolic link is
//! a file of its own. It knows no photograph, no rule and no catalog.

mod copy;
mod faulty;
mod real;
mod zeros;

use std::fmt;
use std::io;
use std::path::Path;

use darkslide_words::{Name, Time};

pub use copy::{Copied, CopyError, Order, PIECE, Placed, copy, hash_cached, hash_uncached, place, sample};
pub use faulty::{FaultyDisk, Harm, Op};
pub use real::RealDisk;

/// What a name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Symlink,
    /// A device, socket or pipe.
    Special,
}

/// What a look at a name tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: Kind,
    /// Bytes.
    pub size: u64,
    /// Last change of the content.
    pub mtime: Time,
    /// Last change of the inode.
    pub ctime: Time,
    /// Device and inode: the same file, whatever its name.
    pub inode: (u64, u64),
    /// Permission bits.
    pub mode: u32,
    /// Owner and group.
    pub owner: (u32, u32),
    /// Names of the inode.
    pub links: u64,
    /// Bytes that it occupies: fewer than `size` where it has holes.
    pub allocated: u64,
}

impl Stat {
    /// True if size and time are as they were: what an honest program changes with the content.
    pub fn same_content_facts(&self, other: &Stat) -> bool {
        self.size == other.size && self.mtime == other.mtime
    }
}

/// An extended attribute.
pub type Xattr = (Name, Vec<u8>);

/// What a file carries beside its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Last change of the content.
    pub mtime: Time,
    /// Permission bits, where they shall be set.
    pub mode: Option<u32>,
    /// Owner and group, where they shall be set.
    pub owner: Option<(u32, u32)>,
    /// Extended attributes of the user.
    pub xattrs: Vec<Xattr>,
}

impl Facts {
    /// The time alone.
    pub fn dated(mtime: Time) -> Self {
        Self { mtime, mode: None, owner: None, xattrs: Vec::new() }
    }
}

/// A file that is being read.
pub trait Source: io::Read {
    /// A look at the open file.
    fn stat(&self) -> io::Result<Stat>;
    /// Reads at a place, wherever the reading is.
    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize>;
}

/// A new file that is being written.
pub trait Sink {
    /// Appends.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Appends a hole.
    fn skip(&mut self, len: u64) -> io::Result<()>;
    /// Sets what it carries; the bytes are handed to the system, durable only after a sync.
    fn finish(self: Box<Self>, facts: &Facts) -> io::Result<()>;
}

/// Operations on files. Paths are absolute; symbolic links are never followed in the last place.
pub trait Disk: Send + Sync + fmt::Debug {
    /// The names in a folder with a look at each, sorted by name. What vanished since is left out.
    fn list(&self, folder: &Path) -> io::Result<Vec<(Name, io::Result<Stat>)>>;
    /// A look at a name.
    fn stat(&self, path: &Path) -> io::Result<Stat>;
    /// Opens a file for reading.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Source>>;
    /// Opens a file for reading past the page cache, as far as the file system allows.
    fn open_uncached(&self, path: &Path) -> io::Result<Box<dyn io::Read>>;
    /// Makes a new file; the name must be free.
    fn create(&self, path: &Path) -> io::Result<Box<dyn Sink>>;
    /// Makes one file durable.
    fn sync_file(&self, path: &Path) -> io::Result<()>;
    /// Makes everything on the file system of this folder durable.
    fn sync_all(&self, folder: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
    /// Gives a file another name, which must be free.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives a file of our own another name, in the place of what is under it.
    fn replace(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes one folder; one that exists is an error.
    fn make_folder(&self, path: &Path) -> io::Result<()>;
    /// Removes a file or link.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty folder.
    fn remove_folder(&self, path: &Path) -> io::Result<()>;
    /// Makes a symbolic link.
    fn symlink(&self, target: &Name, path: &Path) -> io::Result<()>;
    /// Where a symbolic link points.
    fn read_link(&self, path: &Path) -> io::Result<Name>;
    /// Another name for a file.
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// The user's extended attributes; none where the file system has none.
    fn xattrs(&self, path: &Path) -> io::Result<Vec<Xattr>>;
    /// Sets what a file, folder or link carries.
    fn apply(&self, path: &Path, facts: &Facts) -> io::Result<()>;
    /// Bytes that are free.
    fn free(&self, folder: &Path) -> io::Result<u64>;
}

/// Makes a folder and those above it, as far as they are missing; their names are durable.
pub fn make_folders(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.stat(path) {
        // A library's root, or a year, may well be a link to another disk.
        Ok(stat) if matches!(stat.kind, Kind::Folder | Kind::Symlink) => return Ok(()),
        Ok(_) => return Err(io::Error::new(io::ErrorKind::NotADirectory, "a file is in the way")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let parent = path.parent();
    if let Some(parent) = parent {
        make_folders(disk, parent)?;
    }
    match disk.make_folder(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        other => other?,
    }
    parent.map_or(Ok(()), |parent| disk.sync_folder(parent))
}

/// A name of the house as a path of the system.
pub fn path_of(root: &Path, name: &Name) -> std::path::PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    if name.is_empty() { root.to_path_buf() } else { root.join(std::ffi::OsStr::from_bytes(name.as_bytes())) }
}
