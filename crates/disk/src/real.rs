//! The operating system's file systems.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Seek as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use darkslide_words::{Name, Time};
use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, RenameFlags, Timespec, Timestamps, Uid};
use rustix::io::Errno;

use crate::{Disk, Facts, Kind, Sink, Source, Stat, Xattr};

/// Attributes of the system, not of the photographer.
const SYSTEM_XATTRS: [&[u8]; 3] = [b"security.", b"system.", b"trusted."];

/// Reads past the page cache start at multiples of this, into memory that does.
const ALIGN: usize = 4096;

/// Bytes of one read past the page cache.
const DIRECT: usize = 1 << 20;

/// The real thing.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

fn stat_of(meta: &fs::Metadata) -> Stat {
    let kind = meta.file_type();
    Stat {
        kind: match () {
            () if kind.is_file() => Kind::File,
            () if kind.is_dir() => Kind::Folder,
            () if kind.is_symlink() => Kind::Symlink,
            () => Kind::Special,
        },
        size: meta.len(),
        mtime: Time::from_parts(meta.mtime(), meta.mtime_nsec()),
        ctime: Time::from_parts(meta.ctime(), meta.ctime_nsec()),
        inode: (meta.dev(), meta.ino()),
        mode: meta.mode() & 0o7777,
        owner: (meta.uid(), meta.gid()),
        links: meta.nlink(),
        allocated: meta.blocks() * 512,
    }
}

fn is_listed(folder: &Path, name: &OsStr) -> bool {
    fs::read_dir(folder).is_ok_and(|mut all| all.any(|entry| entry.is_ok_and(|entry| entry.file_name() == name)))
}

fn open_flags(path: &Path, more: OFlags) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | more;
    let opened = rustix::fs::open(path, flags | OFlags::NOATIME, Mode::empty())
        .or_else(|_| rustix::fs::open(path, flags, Mode::empty()))?;
    Ok(File::from(opened))
}

impl Disk for RealDisk {
    fn list(&self, folder: &Path) -> io::Result<Vec<(Name, io::Result<Stat>)>> {
        let mut out = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = Name::new(entry.file_name().as_bytes());
            match entry.metadata() {
                // Gone since, if it is not listed any more; else a name that cannot be looked up.
                Err(error) if error.kind() == io::ErrorKind::NotFound && !is_listed(folder, &entry.file_name()) => {}
                meta => out.push((name, meta.map(|meta| stat_of(&meta)))),
            }
        }
        out.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Ok(out)
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        Ok(stat_of(&fs::symlink_metadata(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Source>> {
        let file = open_flags(path, OFlags::empty())?;
        let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Sequential);
        Ok(Box::new(Reading(file)))
    }

    fn open_uncached(&self, path: &Path) -> io::Result<Box<dyn Read>> {
        let (file, direct) = match open_flags(path, OFlags::DIRECT) {
            Ok(file) => (file, true),
            Err(_) => (open_flags(path, OFlags::empty())?, false),
        };
        // What is dirty cannot be dropped; whoever asks has synced it.
        let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
        match direct {
            true => Ok(Box::new(Direct::new(file)?)),
            false => Ok(Box::new(file)),
        }
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn Sink>> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::open(path, flags, Mode::from_raw_mode(0o666))?);
        Ok(Box::new(Writing { file, path: path.to_path_buf(), hole: false }))
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        open_flags(path, OFlags::empty())?.sync_all()
    }

    fn sync_all(&self, folder: &Path) -> io::Result<()> {
        Ok(rustix::fs::syncfs(File::open(folder)?)?)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        match File::open(folder)?.sync_all() {
            // Some shares cannot sync a folder; they do so by themselves.
            Err(error) if matches!(error.raw_os_error(), Some(22 | 95)) => Ok(()),
            other => other,
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // A share that knows no such rename: a look first, then the ordinary one.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => match fs::symlink_metadata(to) {
                Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => fs::rename(from, to),
                Err(error) => Err(error),
            },
            other => Ok(other?),
        }
    }

    fn replace(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn symlink(&self, target: &Name, path: &Path) -> io::Result<()> {
        std::os::unix::fs::symlink(OsStr::from_bytes(target.as_bytes()), path)
    }

    fn read_link(&self, path: &Path) -> io::Result<Name> {
        Ok(Name::new(fs::read_link(path)?.as_os_str().as_bytes()))
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn xattrs(&self, path: &Path) -> io::Result<Vec<Xattr>> {
        let Ok(names) = xattr::list(path) else { return Ok(Vec::new()) };
        let users = names.filter(|name| !SYSTEM_XATTRS.iter().any(|s| name.as_bytes().starts_with(s)));
        let read = |name: std::ffi::OsString| Some((Name::new(name.as_bytes()), xattr::get(path, &name).ok()??));
        let mut out: Vec<Xattr> = users.filter_map(read).collect();
        out.sort();
        Ok(out)
    }

    fn apply(&self, path: &Path, facts: &Facts) -> io::Result<()> {
        let link = fs::symlink_metadata(path)?.file_type().is_symlink();
        if let Some((uid, gid)) = facts.owner {
            let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
            unsupported(rustix::fs::chownat(CWD, path, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW))?;
        }
        if !link {
            for (name, value) in &facts.xattrs {
                // A file system without attributes keeps the photograph, not them.
                let _ = xattr::set(path, OsStr::from_bytes(name.as_bytes()), value);
            }
            if let Some(mode) = facts.mode {
                unsupported(rustix::fs::chmod(path, Mode::from_raw_mode(mode)))?;
            }
        }
        Ok(rustix::fs::utimensat(CWD, path, &times(facts.mtime), AtFlags::SYMLINK_NOFOLLOW)?)
    }

    fn free(&self, folder: &Path) -> io::Result<u64> {
        let facts = rustix::fs::statvfs(folder)?;
        Ok(facts.f_bavail.saturating_mul(facts.f_frsize))
    }
}

/// File systems without modes or owners say so; the bytes are what counts.
fn unsupported(result: Result<(), Errno>) -> io::Result<()> {
    match result {
        Err(Errno::PERM | Errno::NOTSUP | Errno::NOSYS | Errno::INVAL) => Ok(()),
        other => Ok(other?),
    }
}

fn times(mtime: Time) -> Timestamps {
    let at = Timespec { tv_sec: mtime.seconds(), tv_nsec: mtime.nanos().into() };
    Timestamps { last_access: at, last_modification: at }
}

struct Reading(File);

impl Read for Reading {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl Source for Reading {
    fn stat(&self) -> io::Result<Stat> {
        Ok(stat_of(&self.0.metadata()?))
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(&self.0, buf, at)
    }
}

struct Writing {
    file: File,
    path: std::path::PathBuf,
    hole: bool,
}

impl Sink for Writing {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hole = false;
        self.file.write_all(bytes)
    }

    fn skip(&mut self, len: u64) -> io::Result<()> {
        self.hole = true;
        self.file.seek_relative(i64::try_from(len).map_err(io::Error::other)?)
    }

    fn finish(mut self: Box<Self>, facts: &Facts) -> io::Result<()> {
        if self.hole {
            let len = self.file.stream_position()?;
            self.file.set_len(len)?;
        }
        let plain = facts.owner.is_none() && facts.xattrs.is_empty();
        if !plain {
            return RealDisk.apply(&self.path, facts);
        }
        if let Some(mode) = facts.mode {
            unsupported(rustix::fs::fchmod(&self.file, Mode::from_raw_mode(mode)))?;
        }
        Ok(rustix::fs::futimens(&self.file, &times(facts.mtime))?)
    }
}

/// Reads past the page cache, in aligned pieces.
struct Direct {
    file: File,
    space: Vec<u8>,
    /// Bytes of one read: no more than the file has.
    piece: usize,
    /// What of `space` is read and not yet given.
    ready: std::ops::Range<usize>,
    at: u64,
    ended: bool,
}

impl Direct {
    fn new(file: File) -> io::Result<Self> {
        // One more than there is, so that the end shows in the same read.
        let len = usize::try_from(file.metadata()?.len()).unwrap_or(DIRECT).saturating_add(1);
        let piece = len.next_multiple_of(ALIGN).min(DIRECT);
        Ok(Self { file, space: vec![0; piece + ALIGN], piece, ready: 0..0, at: 0, ended: false })
    }

    fn more(&mut self) -> io::Result<()> {
        use std::os::unix::fs::FileExt as _;
        let from = self.space.as_ptr().align_offset(ALIGN).min(ALIGN);
        let piece = &mut self.space[from..from + self.piece];
        // Direct reads stay aligned until the end of the file, where one comes short.
        let got = match self.file.read_at(piece, self.at) {
            // The file system takes the flag and not the reads.
            Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
                let flags = rustix::fs::fcntl_getfl(&self.file)?;
                rustix::fs::fcntl_setfl(&self.file, flags - OFlags::DIRECT)?;
                self.file.read_at(piece, self.at)?
            }
            other => other?,
        };
        self.ended = got == 0 || got < piece.len() && self.at + got as u64 >= self.file.metadata()?.len();
        self.at += got as u64;
        self.ready = from..from + got;
        Ok(())
    }
}

impl Read for Direct {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.ready.is_empty() && !self.ended {
            self.more()?;
        }
        let len = self.ready.len().min(buf.len());
        buf[..len].copy_from_slice(&self.space[self.ready.start..self.ready.start + len]);
        self.ready.start += len;
        Ok(len)
    }
}
