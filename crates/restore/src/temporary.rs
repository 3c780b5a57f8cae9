//! A file that is being written: without any name, or under a temporary one, until all of it was verified.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use darkslide_format::tree::Entry;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, linkat, openat, renameat, renameat_with, unlinkat};
use rustix::io::Errno;

use crate::plan::Existing;

/// How the temporary names begin; what a killed restore leaves is swept by the
/// next one into the same folder.
pub const PARTIAL: &str = ".darkslide-partial-";

static SERIAL: AtomicU64 = AtomicU64::new(0);

/// A temporary name.
pub fn name() -> String {
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    format!("{PARTIAL}{}-{serial}", std::process::id())
}

/// Makes temporary files; keeps the folder of the last one open, since the next one's is mostly the same.
#[derive(Debug)]
pub struct Maker {
    folder: Option<(PathBuf, Arc<File>)>,
    /// False once a file system did not take files without a name, or would not give them one.
    nameless: bool,
}

/// One temporary file. It is closed before the name that it may have is used or removed: some network drives send
/// what was written only then.
#[derive(Debug)]
pub struct Temporary {
    /// It.
    pub file: File,
    named: Option<Named>,
}

/// A temporary name, removed in the end unless its file was placed.
#[derive(Debug)]
struct Named {
    folder: Arc<File>,
    name: String,
}

/// Why a file did not get its name.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// Files without a name get none here: the same has to be done with a temporary one.
    #[error("files without a name cannot be given one here")]
    Nameless,
    /// The system said no.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Default for Maker {
    fn default() -> Self {
        Self { folder: None, nameless: true }
    }
}

impl Maker {
    /// For a file that `entry` describes and that shall be at `target`. What may replace another one needs a name: a
    /// link replaces nothing.
    pub fn make(&mut self, entry: &Entry, target: &Path, existing: Existing) -> io::Result<Temporary> {
        let folder = self.folder(target)?;
        let nameless = self.nameless && existing == Existing::Keep;
        if nameless && let Ok(file) = without_name(&folder, entry) {
            return Ok(Temporary { file, named: None });
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let name = name();
        let file = File::from(openat(&folder, name.as_str(), flags, Mode::RUSR | Mode::WUSR)?);
        // If neither could be made, this says nothing against those without a name.
        self.nameless &= !nameless;
        Ok(Temporary { file, named: Some(Named { folder, name }) })
    }

    /// The folder that `target` shall be in. A link that took its place since it was made is not followed.
    fn folder(&mut self, target: &Path) -> io::Result<Arc<File>> {
        let path = target.parent().unwrap_or(Path::new(""));
        if let Some((_, folder)) = self.folder.as_ref().filter(|(open, _)| open == path) {
            return Ok(folder.clone());
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = Arc::new(File::from(openat(CWD, path, flags, Mode::empty())?));
        self.folder = Some((path.to_path_buf(), folder.clone()));
        Ok(folder)
    }

    /// Gives a file its name.
    pub fn place(&mut self, temporary: Temporary, target: &Path, existing: Existing) -> Result<(), PlaceError> {
        let Temporary { file, named } = temporary;
        let name = target.file_name().unwrap_or_default();
        if let Some(mut named) = named {
            drop(file);
            rename(&*named.folder, named.name.as_ref(), name, existing)?;
            named.name.clear();
            return Ok(());
        }
        match give_name(&file, &*self.folder(target)?, name) {
            Ok(()) => Ok(()),
            Err(
                error @ (Errno::EXIST | Errno::NAMETOOLONG | Errno::NOSPC | Errno::DQUOT | Errno::IO | Errno::ROFS),
            ) => Err(io::Error::from(error).into()),
            Err(_) => {
                (self.nameless, self.folder) = (false, None);
                Err(PlaceError::Nameless)
            }
        }
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        if !self.name.is_empty() {
            let _ = unlinkat(&self.folder, self.name.as_str(), AtFlags::empty());
        }
    }
}

fn without_name(folder: &File, entry: &Entry) -> rustix::io::Result<File> {
    // Nobody sees it before it is whole, so it may have its mode at once. Attributes are set only where the mode lets
    // one write.
    let mode = if entry.xattrs.is_empty() { entry.mode & 0o777 } else { 0o600 };
    let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
    Ok(File::from(openat(folder, ".", flags, Mode::from_raw_mode(mode))?))
}

/// Before Linux 6.10 the first way needs a capability, the second one `/proc`.
fn give_name(file: &File, folder: &File, name: &OsStr) -> rustix::io::Result<()> {
    match linkat(file, "", folder, name, AtFlags::EMPTY_PATH) {
        Err(Errno::NOENT | Errno::INVAL) => by_proc(file, folder, name),
        other => other,
    }
}

fn by_proc(file: &File, folder: &File, name: &OsStr) -> rustix::io::Result<()> {
    use std::os::fd::AsRawFd as _;
    let way = format!("/proc/self/fd/{}", file.as_raw_fd());
    linkat(CWD, way.as_str(), folder, name, AtFlags::SYMLINK_FOLLOW)
}

/// Gives what has a temporary name its own, in the same folder.
pub fn rename(folder: impl AsFd, temporary: &OsStr, name: &OsStr, existing: Existing) -> io::Result<()> {
    if existing == Existing::Replace {
        return Ok(renameat(&folder, temporary, &folder, name)?);
    }
    match renameat_with(&folder, temporary, &folder, name, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            linkat(&folder, temporary, &folder, name, AtFlags::empty())?;
            Ok(unlinkat(&folder, temporary, AtFlags::empty())?)
        }
        other => Ok(other?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use darkslide_format::tree::EntryKind;
    use darkslide_words::Name;
    use std::fs;
    use std::io::Write as _;
    use std::os::unix::fs::MetadataExt as _;

    fn makers() -> [Maker; 2] {
        [Maker::default(), Maker { nameless: false, ..Maker::default() }]
    }

    fn takes_files_without_a_name(folder: &Path) -> bool {
        openat(CWD, folder, OFlags::WRONLY | OFlags::TMPFILE, Mode::RUSR).is_ok()
    }

    fn entry() -> Entry {
        Entry::bare(EntryKind::File, Name::from("a"), 0o640)
    }

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// A file with this content, placed.
    fn put(maker: &mut Maker, target: &Path, existing: Existing, content: &[u8]) -> Result<(), PlaceError> {
        let mut temporary = maker.make(&entry(), target, existing)?;
        temporary.file.write_all(content)?;
        maker.place(temporary, target, existing)
    }

    #[test]
    fn nothing_has_the_files_name_before_it_is_placed_or_after_it_was_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let here = takes_files_without_a_name(dir.path());
        for (n, mut maker) in makers().into_iter().enumerate() {
            let folder = dir.path().join(n.to_string());
            let nameless = n == 0 && here;
            fs::create_dir(&folder).unwrap();
            let target = folder.join("IMG_1.CR3");
            let given_up = maker.make(&entry(), &target, Existing::Keep).unwrap();
            assert_eq!(names(&folder).is_empty(), nameless);
            assert!(names(&folder).iter().all(|name| name.starts_with(PARTIAL)));
            drop(given_up);
            assert_eq!(names(&folder).len(), 0);
            put(&mut maker, &target, Existing::Keep, b"a photograph").unwrap();
            assert_eq!(names(&folder), ["IMG_1.CR3"]);
            assert_eq!(
                (fs::read(&target).unwrap(), fs::metadata(&target).unwrap().nlink()),
                (b"a photograph".into(), 1)
            );
            // A folder that is gone is no reason to think ill of files without a name.
            let gone = maker.make(&entry(), &dir.path().join("gone/a"), Existing::Keep);
            assert_eq!(gone.unwrap_err().kind(), io::ErrorKind::NotFound);
            assert_eq!(maker.nameless, nameless);
        }
    }

    #[test]
    fn a_file_that_is_there_is_replaced_only_where_that_was_said() {
        for mut maker in makers() {
            let dir = tempfile::tempdir().unwrap();
            let target = dir.path().join("a");
            fs::write(&target, b"somebody else's").unwrap();
            let Err(PlaceError::Io(error)) = put(&mut maker, &target, Existing::Keep, b"ours") else { panic!() };
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!((fs::read(&target).unwrap(), names(dir.path()).len()), (b"somebody else's".into(), 1));
            put(&mut maker, &target, Existing::Replace, b"ours").unwrap();
            assert_eq!((fs::read(&target).unwrap(), names(dir.path()).len()), (b"ours".into(), 1));
        }
    }

    #[test]
    fn a_file_that_cannot_be_given_a_name_is_made_with_one() {
        let dir = tempfile::tempdir().unwrap();
        if !takes_files_without_a_name(dir.path()) {
            return;
        }
        let (mut maker, target) = (Maker::default(), dir.path().join("a"));
        // Of those that are opened so, the system never makes a link.
        let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::EXCL;
        let file = File::from(openat(CWD, dir.path(), flags, Mode::RUSR).unwrap());
        let placed = maker.place(Temporary { file, named: None }, &target, Existing::Keep);
        assert!(matches!(placed, Err(PlaceError::Nameless)));
        let temporary = maker.make(&entry(), &target, Existing::Keep).unwrap();
        assert!(temporary.named.is_some());
        maker.place(temporary, &target, Existing::Keep).unwrap();
        assert_eq!(names(dir.path()), ["a"]);
    }

    #[test]
    fn the_way_without_a_capability_gives_a_name_too() {
        let dir = tempfile::tempdir().unwrap();
        if !takes_files_without_a_name(dir.path()) || !Path::new("/proc/self/fd").is_dir() {
            return;
        }
        let temporary = Maker::default().make(&entry(), &dir.path().join("a"), Existing::Keep).unwrap();
        let folder = File::open(dir.path()).unwrap();
        by_proc(&temporary.file, &folder, OsStr::new("a")).unwrap();
        assert_eq!(names(dir.path()), ["a"]);
        assert_eq!(by_proc(&temporary.file, &folder, OsStr::new("a")), Err(Errno::EXIST));
    }

    #[test]
    fn nothing_goes_through_a_link_that_took_the_folders_place() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(other.path(), dir.path().join("shoot")).unwrap();
        for mut maker in makers() {
            for existing in [Existing::Keep, Existing::Replace] {
                assert!(put(&mut maker, &dir.path().join("shoot/a"), existing, b"ours").is_err());
            }
        }
        assert_eq!(names(other.path()).len(), 0);
    }
}
