//! Libraries to back up.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use rusqlite::Connection;

pub const MIB: usize = 1 << 20;

/// Bytes that do not compress; the same for the same seed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Writes a file and the folders above it.
pub fn put(root: &Path, name: impl AsRef<Path>, bytes: &[u8]) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// A few small files.
pub fn small(root: &Path) {
    put(root, "2024/wedding/IMG_0001.CR3", &noise(1, 300_000));
    put(root, "2024/wedding/IMG_0001.xmp", b"<x:xmpmeta rating='3'/>\n");
    put(root, "2024/wedding/IMG_0002.CR3", &noise(2, 200_000));
    put(root, "2025/IMG_0003.CR3", &noise(3, 100_000));
    put(root, "notes.txt", b"hello\n");
}

/// About 80 MB in files of 4 MiB.
pub fn large(root: &Path) {
    for n in 0..20 {
        put(root, format!("day{}/IMG_{n:04}.CR3", n / 7), &noise(100 + n, 4 * MIB));
    }
}

/// One file of 40 MiB.
pub fn one_clip(root: &Path) {
    put(root, "clip.mov", &noise(7, 40 * MIB));
}

/// Names of [`strange`] that are wholly new when they are first stored, and small.
pub fn wholly_new() -> Vec<&'static OsStr> {
    vec![
        OsStr::new("edited.tif"),
        OsStr::new("renamed-later.CR3"),
        OsStr::new("deleted-later.jpg"),
        OsStr::new("new\nline \u{1b}[31m.jpg"),
        OsStr::from_bytes(b"not-utf-8-\xff\xfe.jpg"),
        OsStr::new(LONG),
        OsStr::new("catalog.lrcat"),
    ]
}

const LONG: &str = "\
    nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn\
    nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn";

/// Everything that is hard: doubles, a clip larger than a pack, holes, odd names, links, a
/// database.
pub fn strange(root: &Path) {
    assert_eq!(LONG.len(), 200);
    one_clip(root);
    let twin = noise(11, 300_000);
    put(root, "twin.CR3", &twin);
    put(root, "selects/deep/twin-copy.CR3", &twin);
    for (seed, name) in wholly_new().into_iter().enumerate().filter(|(_, name)| *name != "catalog.lrcat") {
        put(root, name, &noise(20 + seed as u64, if name == "edited.tif" { 12 * MIB } else { 50_000 }));
    }
    put(root, "empty.txt", b"");
    fs::create_dir(root.join("empty-folder")).unwrap();
    let mut sparse = File::create(root.join("sparse.img")).unwrap();
    sparse.set_len(20 * MIB as u64).unwrap();
    sparse.seek(SeekFrom::Start(9 * MIB as u64)).unwrap();
    sparse.write_all(&noise(12, 100_000)).unwrap();
    put(root, "linked.jpg", &noise(13, 70_000));
    fs::hard_link(root.join("linked.jpg"), root.join("selects/linked-too.jpg")).unwrap();
    symlink("twin.CR3", root.join("link")).unwrap();
    symlink("/nowhere/at\nall", root.join("selects/dangling")).unwrap();
    fs::set_permissions(root.join("twin.CR3"), fs::Permissions::from_mode(0o640)).unwrap();
    let mut database = Connection::open(root.join("catalog.lrcat")).unwrap();
    database.execute("CREATE TABLE photo (id INTEGER PRIMARY KEY, data BLOB)", []).unwrap();
    let rows = database.transaction().unwrap();
    for n in 0..8_000u64 {
        rows.execute("INSERT INTO photo (data) VALUES (?1)", [noise(n, 200)]).unwrap();
    }
    rows.commit().unwrap();
    database.close().unwrap();
}

/// A day's work on [`strange`]: rename, delete, edit in part, update the database.
pub fn edit_strange(root: &Path) {
    fs::create_dir_all(root.join("renamed")).unwrap();
    fs::rename(root.join("renamed-later.CR3"), root.join("renamed/now.CR3")).unwrap();
    fs::remove_file(root.join("deleted-later.jpg")).unwrap();
    let mut file = fs::OpenOptions::new().write(true).open(root.join("edited.tif")).unwrap();
    file.seek(SeekFrom::Start(4 * MIB as u64)).unwrap();
    file.write_all(b"edited in part").unwrap();
    let database = Connection::open(root.join("catalog.lrcat")).unwrap();
    let changed = database.execute("UPDATE photo SET data = zeroblob(200) WHERE id % 400 = 0", []).unwrap();
    assert_eq!(changed, 20);
    database.close().unwrap();
}
