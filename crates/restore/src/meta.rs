//! Times, modes, owners, attributes of what was restored.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use darkslide_format::tree::Entry;
use rustix::fs::{AtFlags, CWD, Gid, Mode, Timespec, Timestamps, Uid};

/// Applies an entry's facts to an open file or folder. Owners only when root;
/// set-id bits only together with their owner. What is as it should be is left so: a look costs less than a change.
pub fn apply(file: &File, entry: &Entry) -> io::Result<()> {
    const SYSTEM: [&[u8]; 3] = [b"security.", b"system.", b"trusted."];
    for xattr in entry.xattrs.iter().filter(|x| !SYSTEM.iter().any(|s| x.name.as_bytes().starts_with(s))) {
        let name = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(xattr.name.as_bytes());
        // A file system without attributes keeps the photograph, not them.
        let _ = xattr::FileExt::set_xattr(file, name, &xattr.value.0);
    }
    let is = rustix::fs::fstat(file.as_fd())?;
    let (mut bits, mut mode) = (entry.mode & 0o777, Some(is.st_mode & 0o7777));
    let nobody = entry.uid == u32::MAX || entry.gid == u32::MAX;
    if rustix::process::geteuid().is_root() && !nobody {
        let mut owned = (is.st_uid, is.st_gid) == (entry.uid, entry.gid);
        if !owned {
            // That may take set-id bits away. File systems without owners keep the photograph, not them, nor those bits.
            mode = None;
            let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
            owned = rustix::fs::fchown(file.as_fd(), Some(uid), Some(gid)).is_ok();
        }
        if owned {
            bits = entry.mode & 0o7777;
        }
    }
    if mode != Some(bits) {
        ignore_unsupported(rustix::fs::fchmod(file.as_fd(), Mode::from_raw_mode(bits)))?;
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use darkslide_format::canon::B64;
    use darkslide_format::tree::{EntryKind, Xattr};
    use darkslide_words::{Name, Time};
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    /// A file with this mode, after an entry was applied to it: its mode and owner.
    fn applied(mode: u32, entry: &Entry) -> (u32, u32, u32) {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_permissions(std::fs::Permissions::from_mode(mode)).unwrap();
        apply(file.as_file(), entry).unwrap();
        let is = file.as_file().metadata().unwrap();
        assert_eq!(is.mtime(), 1_700_000_000);
        (is.mode() & 0o7777, is.uid(), is.gid())
    }

    #[test]
    fn owners_modes_and_set_id_bits_are_what_the_entry_says() {
        let mut entry = Entry::bare(EntryKind::File, Name::from("a"), 0o100_640);
        entry.mtime = Time(1_700_000_000_000_000_000);
        let root = rustix::process::geteuid().is_root();
        let probe = tempfile::NamedTempFile::new().unwrap();
        let may_give = std::os::unix::fs::chown(probe.path(), Some(1234), Some(4321)).is_ok();
        let us = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let wanted = [us, (us.0, 4321), (1234, us.1), (1234, 4321), (u32::MAX, us.1)];
        for (uid, gid) in wanted {
            (entry.uid, entry.gid) = (uid, gid);
            for bits in [0o640, 0o644, 0o400, 0o4755, 0o2750, 0o1777] {
                entry.mode = 0o100_000 | bits;
                // A set-id bit goes with its owner, who is somebody only where we may say who.
                let owned = root && uid != u32::MAX && (may_give || (uid, gid) == us);
                let wanted = if owned { (bits, uid, gid) } else { (bits & 0o777, us.0, us.1) };
                for before in [0o600, 0o644, bits] {
                    assert_eq!(applied(before, &entry), wanted, "{before:o} {bits:o} {uid} {gid}");
                }
            }
        }
    }

    #[test]
    fn attributes_go_to_the_open_file_and_those_of_the_system_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, b"").unwrap();
        if xattr::set(&path, "user.probe", b"1").is_err() {
            return;
        }
        let mut entry = Entry::bare(EntryKind::File, Name::from("a"), 0o640);
        let attribute = |name: &str| Xattr { name: Name::from(name), value: B64(b"blue".into()) };
        entry.xattrs = vec![attribute("trusted.tag"), attribute("user.tag")];
        apply(&File::open(&path).unwrap(), &entry).unwrap();
        assert_eq!(xattr::get(&path, "user.tag").unwrap().as_deref(), Some(&b"blue"[..]));
        assert_eq!(xattr::get(&path, "trusted.tag").unwrap(), None);
    }
}
