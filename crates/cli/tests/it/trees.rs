//! Comparing trees.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What has to be equal.
#[derive(Clone, Copy, PartialEq)]
pub enum Same {
    /// The set of names; kind, content, mode and modification time of each.
    Everything,
    /// Kind and content of every name of the first tree.
    Contents,
}

/// All names below a folder, relative to it.
pub fn walk(root: &Path) -> BTreeSet<PathBuf> {
    let mut all = BTreeSet::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            }
            all.insert(entry.path().strip_prefix(root).unwrap().to_path_buf());
        }
    }
    all
}

/// The names of files alone.
pub fn files(root: &Path) -> BTreeSet<PathBuf> {
    walk(root).into_iter().filter(|p| fs::symlink_metadata(root.join(p)).unwrap().is_file()).collect()
}

/// How one name differs, if it does.
fn difference(a: &Path, b: &Path, same: Same) -> Option<&'static str> {
    let Ok(other) = fs::symlink_metadata(b) else { return Some("is missing") };
    let one = fs::symlink_metadata(a).unwrap();
    if one.file_type() != other.file_type() {
        return Some("is of another kind");
    }
    let content = match one.file_type() {
        t if t.is_dir() => true,
        t if t.is_symlink() => fs::read_link(a).unwrap() == fs::read_link(b).unwrap(),
        _ => one.len() == other.len() && fs::read(a).unwrap() == fs::read(b).unwrap(),
    };
    let mtime = (one.mtime(), one.mtime_nsec()) == (other.mtime(), other.mtime_nsec());
    match same {
        _ if !content => Some("has another content"),
        Same::Everything if one.mode() != other.mode() => Some("has another mode"),
        Same::Everything if !mtime => Some("has another modification time"),
        _ => None,
    }
}

/// Holds one tree against another.
#[track_caller]
pub fn assert_same(library: &Path, other: &Path, same: Same) {
    let names = walk(library);
    assert!(!names.is_empty(), "{} is empty: nothing would be compared", library.display());
    let mut differences: Vec<String> = names
        .iter()
        .filter_map(|n| difference(&library.join(n), &other.join(n), same).map(|d| format!("{} {d}", n.display())))
        .collect();
    if same == Same::Everything {
        let more = walk(other).into_iter().filter(|n| !names.contains(n));
        differences.extend(more.map(|n| format!("{} should not be there", n.display())));
    }
    assert!(differences.is_empty(), "{} against {}: {differences:#?}", library.display(), other.display());
}
