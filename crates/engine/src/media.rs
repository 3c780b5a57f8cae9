//! Which medium a place is on: copies on one medium go together, whatever its partitions are called.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Engine;

/// What a place's files would be lost with: the disk, the array, the server; else the file system.
pub(crate) fn medium(root: &Path) -> String {
    use std::os::unix::fs::MetadataExt as _;
    // A place that is not made yet will be where the folder above it is.
    let there = root.ancestors().find_map(|path| fs::metadata(path).ok());
    let Some(meta) = there else { return format!("place {}", root.display()) };
    let (major, minor) = (rustix::fs::major(meta.dev()), rustix::fs::minor(meta.dev()));
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let device = format!("{major}:{minor}");
    match disk(&device) {
        Some(disk) => disk,
        None => mounted_from(&mounts, &device)
            .or_else(|| {
                // A subvolume has a number of its own, which no mount has.
                let path = root.ancestors().find_map(|path| path.canonicalize().ok())?;
                mounted_from(&mounts, &mount_of(&mounts, &path)?)
            })
            .unwrap_or_else(|| format!("file system {device}")),
    }
}

/// The disk that a block device is, or is a partition of; an array and a volume across disks is
/// one medium by itself, on one disk it is that disk.
fn disk(device: &str) -> Option<String> {
    whole(&fs::canonicalize(format!("/sys/dev/block/{device}")).ok()?, 0)
}

/// Devices upon devices.
const DEPTH_MAX: usize = 8;

fn whole(device: &Path, depth: usize) -> Option<String> {
    let parent = device.join("partition").exists().then(|| device.parent()).flatten();
    let device: PathBuf = parent.unwrap_or(device).to_path_buf();
    let below = fs::read_dir(device.join("slaves")).ok().into_iter().flatten().filter_map(Result::ok);
    let below: Vec<PathBuf> = below.filter_map(|slave| fs::canonicalize(slave.path()).ok()).collect();
    match &below[..] {
        [one] if depth < DEPTH_MAX => whole(one, depth + 1),
        _ => Some(format!("disk {}", device.file_name()?.to_string_lossy())),
    }
}

/// Where a file system without a block device of its own comes from: a disk, or a server, all of
/// whose shares are one medium.
fn mounted_from(mounts: &str, device: &str) -> Option<String> {
    let line = mounts.lines().find(|line| line.split(' ').nth(2) == Some(device))?;
    let source = line.split(" - ").nth(1)?.split(' ').nth(1)?;
    if line.split(" - ").nth(1)?.starts_with("zfs ") {
        return Some(format!("pool {}", source.split('/').next().unwrap_or(source)));
    }
    if let Some(share) = source.strip_prefix("//") {
        return Some(format!("server {}", share.split('/').next().unwrap_or(share).to_lowercase()));
    }
    if let Some((server, _)) = source.split_once(":/").filter(|(server, _)| !server.contains('/')) {
        return Some(format!("server {}", server.to_lowercase()));
    }
    if source.starts_with("/dev/") {
        use std::os::unix::fs::MetadataExt as _;
        let number = fs::metadata(source).ok()?.rdev();
        return disk(&format!("{}:{}", rustix::fs::major(number), rustix::fs::minor(number)));
    }
    None
}

/// The number of the mount that a path lies in: the one with the longest name that it begins with.
fn mount_of(mounts: &str, path: &Path) -> Option<String> {
    let mounted = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        let (number, place) = (fields.nth(2)?, fields.nth(1)?.replace("\\040", " "));
        path.starts_with(&place).then(|| (place.len(), number.to_string()))
    });
    mounted.max().map(|(_, number)| number)
}

/// The medium of a store.
pub(crate) fn store_medium(engine: &Engine, label: &str) -> String {
    let path = engine.store_settings().into_iter().find(|s| s.label() == label).and_then(|s| s.path);
    path.map_or_else(|| format!("store {label}"), |path| medium(&path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_one_disk_are_one_medium_also_before_they_exist() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(medium(folder.path()), medium(&folder.path().join("not/yet")));
    }

    #[test]
    fn shares_of_one_server_are_one_medium() {
        let mounts = "41 1 0:38 / /mnt/a rw - cifs //NAS/photo rw\n42 1 0:39 / /mnt/b rw - nfs4 nas:/archive rw\n\
                      43 1 0:40 / /mnt/c rw - tmpfs tmpfs rw\n";
        assert_eq!(mounted_from(mounts, "0:38").as_deref(), Some("server nas"));
        assert_eq!(mounted_from(mounts, "0:39").as_deref(), Some("server nas"));
        assert_eq!(mounted_from(mounts, "0:40"), None);
        assert_eq!(mounted_from(mounts, "9:9"), None);
        let mounts =
            format!("{mounts}44 1 0:41 / /tank/a rw - zfs tank/a rw\n45 1 0:42 / /tank/b rw - zfs tank/b/c rw\n");
        assert_eq!(mounted_from(&mounts, "0:41"), mounted_from(&mounts, "0:42"));
        assert_eq!(mount_of(&mounts, Path::new("/mnt/a/photos")).as_deref(), Some("0:38"));
    }
}
