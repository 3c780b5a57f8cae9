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
    for xattr in &entry.xattrs {
        let name = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(xattr.name.as_bytes());
        // A file system without attributes keeps the photograph, not them.
        let _ = xattr::set(path, name, &xattr.value.0);
    }
    let root = rustix::process::geteuid().is_root();
    let mut bits = entry.mode & 0o777;
    if root {
        rustix::fs::fchown(file.as_fd(), Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)))?;
        bits = entry.mode & 0o7777;
    }
    rustix::fs::fchmod(file.as_fd(), Mode::from_raw_mode(bits))?;
    rustix::fs::futimens(file.as_fd(), &times(entry))?;
    Ok(())
}

/// The same for a symbolic link.
pub fn apply_link(path: &Path, entry: &Entry) -> io::Result<()> {
    if rustix::process::geteuid().is_root() {
        let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
        rustix::fs::chownat(CWD, path, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    }
    rustix::fs::utimensat(CWD, path, &times(entry), AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(())
}

fn times(entry: &Entry) -> Timestamps {
    let at = Timespec { tv_sec: entry.mtime.seconds(), tv_nsec: entry.mtime.nanos().into() };
    Timestamps { last_access: at, last_modification: at }
}
