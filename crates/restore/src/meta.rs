//! Times, modes, owners, attributes of what was restored.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use darkslide_format::tree::Entry;
use rustix::fs::{AtFlags, CWD, Gid, Mode, Timespec, Timestamps, Uid};

/// Applies an entry's facts to an open file or folder. Owners only when root;
/// set-id bits only together with their owner.
pub fn apply(file: &File, path: &Path, entry: &Entry) -> io::Result<()> {
    const SYSTEM: [&[u8]; 3] = [b"security.", b"system.", b"trusted."];
    for xattr in entry.xattrs.iter().filter(|x| !SYSTEM.iter().any(|s| x.name.as_bytes().starts_with(s))) {
        let name = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(xattr.name.as_bytes());
        // A file system without attributes keeps the photograph, not them.
        let _ = xattr::set(path, name, &xattr.value.0);
    }
    let mut bits = entry.mode & 0o777;
    let nobody = entry.uid == u32::MAX || entry.gid == u32::MAX;
    if rustix::process::geteuid().is_root() && !nobody {
        // File systems without owners keep the photograph, not them, nor set-id bits.
        let owned = rustix::fs::fchown(file.as_fd(), Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)));
        if owned.is_ok() {
            bits = entry.mode & 0o7777;
        }
    }
    ignore_unsupported(rustix::fs::fchmod(file.as_fd(), Mode::from_raw_mode(bits)))?;
    rustix::fs::futimens(file.as_fd(), &times(entry))?;
    Ok(())
}

/// The same for a symbolic link.
pub fn apply_link(path: &Path, entry: &Entry) -> io::Result<()> {
    if rustix::process::geteuid().is_root() && entry.uid != u32::MAX && entry.gid != u32::MAX {
        let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
        ignore_unsupported(rustix::fs::chownat(CWD, path, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW))?;
    }
    rustix::fs::utimensat(CWD, path, &times(entry), AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(())
}

/// File systems without modes or owners say so; that is no failure of a restore.
fn ignore_unsupported(result: Result<(), rustix::io::Errno>) -> io::Result<()> {
    use rustix::io::Errno;
    match result {
        Err(Errno::PERM | Errno::NOTSUP | Errno::NOSYS | Errno::INVAL) => Ok(()),
        other => Ok(other?),
    }
}

fn times(entry: &Entry) -> Timestamps {
    let at = Timespec { tv_sec: entry.mtime.seconds(), tv_nsec: entry.mtime.nanos().into() };
    Timestamps { last_access: at, last_modification: at }
}
