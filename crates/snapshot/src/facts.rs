//! What a snapshot keeps of a file beside its bytes: times, mode, owner, holes,
//! extended attributes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use darkslide_catalog::Stat;
use darkslide_format::canon::B64;
use darkslide_format::pack::TarFacts;
use darkslide_format::tree::{Entry, EntryKind, Xattr};
use darkslide_words::{Bytes, Name};
use rustix::fs::SeekFrom;

/// Extended attributes that belong to the system, not to the photographer.
const SYSTEM_XATTRS: &[&[u8]] = &[b"security.", b"system.", b"trusted."];

/// Names of users and groups, read once from `/etc`.
#[derive(Debug, Default)]
pub struct Accounts {
    users: BTreeMap<u32, Arc<str>>,
    groups: BTreeMap<u32, Arc<str>>,
}

impl Accounts {
    /// Reads `passwd` and `group` below `etc`; missing files mean no names.
    pub fn read(etc: &Path) -> Self {
        let parse = |file: &str| -> BTreeMap<u32, Arc<str>> {
            let text = std::fs::read_to_string(etc.join(file)).unwrap_or_default();
            text.lines()
                .filter_map(|line| {
                    let mut fields = line.split(':');
                    let name = fields.next()?;
                    Some((fields.nth(1)?.parse().ok()?, name.into()))
                })
                .collect()
        };
        Self { users: parse("passwd"), groups: parse("group") }
    }
}

/// The entry of a file, link or folder without what its content adds.
pub fn entry(kind: EntryKind, name: &Name, stat: &Stat, accounts: &Accounts) -> Entry {
    Entry {
        gid: stat.gid,
        group: accounts.groups.get(&stat.gid).cloned(),
        mtime: stat.mtime,
        uid: stat.uid,
        user: accounts.users.get(&stat.uid).cloned(),
        ..Entry::bare(kind, name.clone(), stat.mode)
    }
}

/// What tar shows of a file.
pub fn tar_facts(stat: &Stat) -> TarFacts {
    TarFacts { mode: stat.mode, uid: stat.uid, gid: stat.gid, mtime: stat.mtime.seconds() }
}

/// The user's extended attributes, sorted by name. File systems without them
/// have none.
pub fn xattrs(path: &Path) -> Vec<Xattr> {
    xattr::list(path).map_or_else(|_| Vec::new(), |names| users(names, |name| xattr::get(path, name)))
}

/// The same of an open file.
pub fn xattrs_of(file: &File) -> Vec<Xattr> {
    use xattr::FileExt as _;
    // Most have none but the system's, which is seen without memory for their names.
    let mut names = [0u8; 256];
    if let Ok(len) = rustix::fs::flistxattr(file, &mut names)
        && names[..len].split(|byte| *byte == 0).all(|name| name.is_empty() || is_system(name))
    {
        return Vec::new();
    }
    file.list_xattr().map_or_else(|_| Vec::new(), |names| users(names, |name| file.get_xattr(name)))
}

fn is_system(name: &[u8]) -> bool {
    SYSTEM_XATTRS.iter().any(|prefix| name.starts_with(prefix))
}

fn users(names: xattr::XAttrs, get: impl Fn(&std::ffi::OsStr) -> io::Result<Option<Vec<u8>>>) -> Vec<Xattr> {
    let mut out: Vec<Xattr> = names
        .filter(|name| !is_system(name.as_bytes()))
        .filter_map(|name| {
            let value = get(&name).ok()??;
            Some(Xattr { name: Name::new(name.as_bytes()), value: B64(value) })
        })
        .collect();
    out.sort();
    out
}

/// The holes of a file: offsets and lengths. None where the file system cannot
/// tell.
pub fn holes(file: &File, size: u64) -> Vec<(Bytes, Bytes)> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < size {
        let Ok(hole) = rustix::fs::seek(file, SeekFrom::Hole(at)) else {
            break;
        };
        if hole >= size {
            break;
        }
        let data = rustix::fs::seek(file, SeekFrom::Data(hole)).unwrap_or(size).min(size);
        out.push((Bytes(hole), Bytes(data - hole)));
        at = data;
    }
    if rustix::fs::seek(file, SeekFrom::Start(0)).is_err() {
        out.clear();
    }
    out
}

/// Opens a file for reading without following a link and, where allowed,
/// without changing its access time.
pub fn open(path: &Path) -> io::Result<File> {
    open_in(rustix::fs::CWD, path.as_os_str())
}

/// The same of a name in an open folder, which spares the way to it.
pub fn open_in(folder: impl std::os::fd::AsFd, name: &std::ffi::OsStr) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags, openat};
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = openat(&folder, name, flags | OFlags::NOATIME, Mode::empty())
        .or_else(|_| openat(&folder, name, flags, Mode::empty()))?;
    Ok(File::from(opened))
}
