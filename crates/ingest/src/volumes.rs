//! Mounted volumes, and which of them are cards.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Folders in a card's root by which cameras are known. Source: DCF 2.0 (`DCIM`); AVCHD, XAVC,
/// P2, XDCAM, XF.
const MARKS: &[&str] = &["DCIM", "PRIVATE", "AVCHD", "CONTENTS", "XDROOT", "BPAV", "CLIP", "M4ROOT"];

/// A mounted file system, or a folder that is taken for a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Where it is.
    pub root: PathBuf,
    /// What tells it from others: the file system's id where there is one.
    pub id: String,
    /// What it is called.
    pub label: String,
}

impl Volume {
    /// True for a file system of its own.
    pub fn is_mounted(&self) -> bool {
        self.id.starts_with(MOUNTED)
    }
}

/// How the id of a mounted file system begins.
const MOUNTED: &str = "volume ";

/// True if a folder looks like the root of a card.
pub fn looks_like_a_card(root: &Path) -> bool {
    MARKS.iter().any(|mark| root.join(mark).is_dir())
}

/// The cards that are in, in the order of their places.
pub fn cards() -> Vec<Volume> {
    let disks = sysinfo::Disks::new_with_refreshed_list();
    let mut found: Vec<Volume> = disks
        .iter()
        .flat_map(|disks| disks.iter())
        .filter(|disk| disk.mount_point() != Path::new("/") && looks_like_a_card(disk.mount_point()))
        .map(|disk| mounted(disk.mount_point(), disk.name(), disk.total_space()))
        .collect();
    found.sort_by(|a, b| a.root.cmp(&b.root));
    found.dedup_by(|a, b| a.root == b.root);
    found
}

/// The volume at a path; a folder that is no mount point is one by itself.
pub fn volume_of(root: &Path) -> Volume {
    let root = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
    let disks = sysinfo::Disks::new_with_refreshed_list();
    let disk =
        disks.iter().flat_map(|disks| disks.iter()).find(|disk| disk.mount_point() == root && root != Path::new("/"));
    match disk {
        Some(disk) => mounted(&root, disk.name(), disk.total_space()),
        None => Volume { id: format!("folder {}", root.display()), label: last_name(&root), root },
    }
}

fn mounted(root: &Path, device: &OsStr, size: u64) -> Volume {
    let named = |folder: &str| alias(Path::new(folder), Path::new(device));
    let label = named("/dev/disk/by-label").unwrap_or_else(|| last_name(root));
    let id = match named("/dev/disk/by-uuid") {
        Some(uuid) => format!("{MOUNTED}{uuid}"),
        None => format!("{MOUNTED}{label}, {size} bytes"),
    };
    Volume { root: root.to_path_buf(), id, label }
}

/// The name under which a folder of links knows a device.
fn alias(links: &Path, device: &Path) -> Option<String> {
    let device = device.canonicalize().ok()?;
    let mut links = std::fs::read_dir(links).ok()?.filter_map(Result::ok);
    let link = links.find(|link| link.path().canonicalize().is_ok_and(|target| target == device))?;
    Some(link.file_name().to_string_lossy().replace("\\x20", " "))
}

fn last_name(root: &Path) -> String {
    root.file_name().map_or_else(|| "card".to_string(), |name| name.to_string_lossy().into_owned())
}
