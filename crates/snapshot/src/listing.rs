//! One folder, listed and sorted.

use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use darkslide_catalog::Stat;
use darkslide_words::{Name, Time};

use crate::rules::{OneFileSystem, Rules};

/// What a name in a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A regular file.
    File,
    /// A symbolic link.
    Symlink,
    /// A folder.
    Dir,
    /// A device, socket or pipe: not a photograph.
    Special,
}

/// One name.
#[derive(Debug, Clone)]
pub struct Item {
    /// Its name.
    pub name: Name,
    /// What it is.
    pub what: What,
    /// What tells whether it changed.
    pub stat: Stat,
    /// The device it lies on.
    pub device: u64,
    /// 512-byte blocks that it occupies: fewer than its size means holes.
    pub blocks: u64,
}

/// A folder's content that belongs to the library.
#[derive(Debug, Default)]
pub struct Listing {
    /// Folders, sorted by name.
    pub dirs: Vec<Item>,
    /// Files and links, sorted by name.
    pub files: Vec<Item>,
    /// Names that could not be looked at, and why.
    pub unreadable: Vec<(Name, io::Error)>,
    /// Special files, passed over.
    pub special: Vec<Name>,
    /// Names that have a database log (`-wal`) beside them.
    pub logged: std::collections::HashSet<Name>,
}

/// What a stat says.
pub fn stat_of(meta: &fs::Metadata) -> Stat {
    Stat {
        size: meta.len(),
        mtime: Time::from_parts(meta.mtime(), meta.mtime_nsec()),
        ctime: Time::from_parts(meta.ctime(), meta.ctime_nsec()),
        inode: meta.ino(),
        mode: meta.mode(),
        uid: meta.uid(),
        gid: meta.gid(),
        links: meta.nlink() as u32,
        beside: 0,
    }
}

fn item(name: Name, meta: &fs::Metadata) -> Item {
    let kind = meta.file_type();
    let what = match () {
        () if kind.is_file() => What::File,
        () if kind.is_symlink() => What::Symlink,
        () if kind.is_dir() => What::Dir,
        () => What::Special,
    };
    Item { name, what, stat: stat_of(meta), device: meta.dev(), blocks: meta.blocks() }
}

/// Lists a folder by the rules.
pub fn list(absolute: &Path, relative: &Name, rules: &Rules, device: u64) -> io::Result<Listing> {
    let (mut listing, mut path) = (Listing::default(), Name::default());
    for entry in fs::read_dir(absolute)? {
        let entry = entry?;
        let name = Name::new(entry.file_name().into_vec());
        if let Some(owner) = name.as_bytes().strip_suffix(b"-wal") {
            listing.logged.insert(Name::new(owner));
        }
        relative.join_into(&name, &mut path);
        // The type in the listing spares a look at what is excluded.
        let is_dir = entry.file_type().map(|t| t.is_dir());
        let wanted = match is_dir {
            Ok(true) => rules.wants_dir(&path),
            _ => rules.wants_file(&path),
        };
        if !wanted {
            continue;
        }
        let meta = match entry.metadata() {
            Ok(meta) => meta,
            // Gone since the folder was listed.
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => {
                listing.unreadable.push((name, e));
                continue;
            }
        };
        let item = item(name, &meta);
        match item.what {
            What::Dir if rules.is_never(item.device, item.stat.inode) => {}
            What::Dir if rules.one_file_system() == OneFileSystem::Yes && item.device != device => {}
            What::Dir => listing.dirs.push(item),
            What::Special => listing.special.push(item.name),
            What::File | What::Symlink => listing.files.push(item),
        }
    }
    listing.dirs.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    listing.files.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(listing)
}

/// Bytes of all files that belong to the library: one look at each, for a
/// progress bar's sake. What cannot be read counts nothing.
pub fn total(root: &Path, rules: &Rules) -> darkslide_words::Bytes {
    let device = fs::metadata(root).map_or(0, |m| m.dev());
    let mut bytes = 0u64;
    let mut open = vec![(root.to_path_buf(), Name::default())];
    while let Some((absolute, path)) = open.pop() {
        let Ok(listing) = list(&absolute, &path, rules, device) else {
            continue;
        };
        bytes += listing.files.iter().map(|f| f.stat.size).sum::<u64>();
        for dir in listing.dirs {
            let name = std::ffi::OsStr::from_bytes(dir.name.as_bytes());
            open.push((absolute.join(name), path.join(&dir.name)));
        }
    }
    darkslide_words::Bytes(bytes)
}
