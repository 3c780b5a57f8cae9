//! The trash: what vanished or changed, by the day and minute when it went.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use darkslide_disk::{Disk, Kind, make_folders, path_of};
use darkslide_words::{Bytes, Name, Time};

/// Its folder, in the root of what it belongs to.
pub const TRASH: &str = ".darkslide-trash";
/// Folders within folders.
const DEPTH_MAX: usize = 256;
/// Names that are tried where one is taken.
const NAMES_MAX: u32 = 10_000;

/// How much of it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// For how long.
    pub age: Duration,
    /// How much, if there is a limit.
    pub bytes: Option<Bytes>,
}

/// Where things of one run go.
#[derive(Debug)]
pub(crate) struct Trash {
    root: PathBuf,
    folder: PathBuf,
}

impl Trash {
    pub(crate) fn new(root: &Path, now: Time) -> Self {
        Self { root: root.to_path_buf(), folder: root.join(TRASH).join(now.compact()) }
    }

    /// Moves a file, link or folder there, under its path; where it is then.
    pub(crate) fn take(&self, disk: &dyn Disk, path: &Name) -> io::Result<PathBuf> {
        let from = path_of(&self.root, path);
        let to = path_of(&self.folder, path);
        if let Some(parent) = to.parent() {
            make_folders(disk, parent)?;
        }
        for n in 1..NAMES_MAX {
            let name = match n {
                1 => to.clone(),
                n => to.with_file_name(suffixed(&to, n)),
            };
            match disk.rename(&from, &name) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                other => return other.map(|()| name),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

fn suffixed(path: &Path, n: u32) -> std::ffi::OsString {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{n}"));
    name
}

/// Removes what is older than it is kept, and the oldest beyond the size; bytes that went.
pub(crate) fn expire(disk: &dyn Disk, root: &Path, kept: &Kept, now: Time) -> io::Result<Bytes> {
    let trash = root.join(TRASH);
    let mut runs = Vec::new();
    for (name, _) in disk.list(&trash).or_else(absent)? {
        let Some(at) = std::str::from_utf8(name.as_bytes()).ok().and_then(|n| Time::from_compact(n).ok()) else {
            continue;
        };
        let folder = path_of(&trash, &name);
        let size = size(disk, &folder, 0)?;
        runs.push((at, folder, size));
    }
    runs.sort_by_key(|(at, ..)| *at);
    let mut all: u64 = runs.iter().map(|(_, _, size)| size).sum();
    let mut gone = Bytes(0);
    for (at, folder, size) in runs {
        let old = at.until(now) > kept.age;
        let much = kept.bytes.is_some_and(|most| all > most.0);
        if old || much {
            remove(disk, &folder, 0)?;
            gone += Bytes(size);
            all -= size;
        }
    }
    Ok(gone)
}

fn absent<T: Default>(error: io::Error) -> io::Result<T> {
    if error.kind() == io::ErrorKind::NotFound { Ok(T::default()) } else { Err(error) }
}

fn size(disk: &dyn Disk, folder: &Path, depth: usize) -> io::Result<u64> {
    let mut bytes = 0;
    for (name, stat) in disk.list(folder)? {
        let stat = stat?;
        bytes += match stat.kind {
            Kind::Folder if depth < DEPTH_MAX => size(disk, &path_of(folder, &name), depth + 1)?,
            _ => stat.size,
        };
    }
    Ok(bytes)
}

fn remove(disk: &dyn Disk, folder: &Path, depth: usize) -> io::Result<()> {
    for (name, stat) in disk.list(folder)? {
        let path = path_of(folder, &name);
        match stat?.kind {
            Kind::Folder if depth < DEPTH_MAX => remove(disk, &path, depth + 1)?,
            Kind::Folder => return Err(io::Error::other("folders are nested too deeply")),
            _ => disk.remove_file(&path)?,
        }
    }
    disk.remove_folder(folder)
}
