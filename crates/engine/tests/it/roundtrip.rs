//! What goes in comes out: any tree, any sequence of edits.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use darkslide_engine::words::{Name, SeededRng};
use darkslide_engine::{Change, Engine, EntryKind, Founder, IdentityFile, JoinWith, Recursive};
use proptest::prelude::*;

use crate::harness::{
    World, assert_same, audit, backup, identity, names, noise, options, path, restores, same, scrub, tree, try_restore,
};

fn odd_library(world: &World) {
    world.write("2024/wedding/IMG_0001.CR3", &noise(1, 300_000));
    world.write("2024/wedding/IMG_0001.xmp", b"<x:xmpmeta>a sidecar</x:xmpmeta>");
    world.write("2024/wedding/copy.CR3", &noise(1, 300_000));
    world.write("empty.txt", b"");
    world.write("film.mov", &noise(2, 40 << 20));
    world.write(".darkslide/looks-like-ours", b"but is not");
    world.write("film.mov.darkslide-part-0001", b"nor is this");
    let long = "x".repeat(255);
    world.write(&long, b"a name of 255 bytes");
    world.write("line\nbreak \x1b[31m\\.txt", b"hostile");
    let raw = world.library.join(std::ffi::OsStr::from_bytes(b"latin-\xe9\xff.jpg"));
    fs::write(raw, noise(3, 1000)).unwrap();
    fs::create_dir_all(world.library.join("2025/nothing yet")).unwrap();
    std::os::unix::fs::symlink("2024/wedding/IMG_0001.CR3", world.library.join("best")).unwrap();
    std::os::unix::fs::symlink("loop", world.library.join("loop")).unwrap();
    fs::hard_link(world.library.join("2024/wedding/IMG_0001.xmp"), world.library.join("linked.xmp")).unwrap();
    let sparse = fs::File::create(world.library.join("sparse.bin")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, &noise(4, 5000), 9_000_000).unwrap();
    sparse.set_len(20_000_000).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o640);
    fs::set_permissions(world.library.join("empty.txt"), mode).unwrap();
}

#[test]
fn everything_comes_back() {
    let world = World::empty();
    odd_library(&world);
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 1).unwrap();
    backup(&engine);
    let wanted = tree(&world.library);
    let out = world.target("a");
    restores(&engine, "latest", &out, &me, &wanted);
    use std::os::unix::fs::MetadataExt as _;
    let meta = |p: &str| fs::metadata(out.join(p)).unwrap();
    assert_eq!(meta("linked.xmp").ino(), meta("2024/wedding/IMG_0001.xmp").ino(), "hard links stay linked");
    assert!(meta("sparse.bin").blocks() * 512 < 5_000_000, "holes stay holes");
    assert_eq!(audit(&engine, Some(&me)).findings, []);
    assert_eq!(scrub(&engine, Some(&me)).findings, []);
    // Again into the same place: everything is there already.
    let again = try_restore(&engine, &options("latest", &out), &me).unwrap();
    assert_eq!((again.files.0, again.casualties.len()), (0, 0));
    assert_same(&wanted, &tree(&out));
    // On a new machine, from repository and identity alone.
    let elsewhere = world.join("elsewhere", JoinWith::Identity(same(&me))).unwrap();
    restores(&elsewhere, "latest", &world.target("b"), &me, &wanted);
}

#[test]
fn an_unchanged_library_stores_nothing_and_reads_nothing() {
    let world = World::empty();
    odd_library(&world);
    let engine = world.init(Founder::Identity(identity()), 1).unwrap();
    backup(&engine);
    let packs = |world: &World| {
        crate::harness::names(&world.store(0), "packs/").len() + crate::harness::names(&world.store(0), "trees/").len()
    };
    let before = packs(&world);
    let again = backup(&world.engine());
    let counts = again.done.counts;
    assert_eq!((counts.new_files.0, counts.changed_files.0, counts.stored_bytes.0), (0, 0, 0));
    assert_eq!(packs(&world), before);
}

#[test]
fn renames_and_duplicates_store_no_bytes_again() {
    let world = World::empty();
    world.write("a.CR3", &noise(1, 6_000_000));
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 1).unwrap();
    backup(&engine);
    let packs = || names(&world.store(0), "packs/");
    let before = packs();
    fs::rename(world.library.join("a.CR3"), world.library.join("b.CR3")).unwrap();
    world.write("c.CR3", &noise(1, 6_000_000));
    let done = backup(&engine);
    assert!(done.done.counts.stored_bytes.0 < 20_000, "{:?}", done.done.counts);
    assert_eq!(packs(), before, "no object in the class of the large ones for a recipe alone");
    assert_eq!(done.done.counts.removed_files.0, 1);
    restores(&engine, "latest", &world.target("out"), &me, &tree(&world.library));
}

#[test]
fn an_edited_header_costs_one_chunk() {
    let world = World::empty();
    let mut bytes = noise(9, 30 << 20);
    world.write("big.tif", &bytes);
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 1).unwrap();
    backup(&engine);
    bytes[100..110].copy_from_slice(b"0123456789");
    world.write("big.tif", &bytes);
    let done = backup(&engine);
    assert!(done.done.counts.stored_bytes.0 < 17 << 20, "{:?}", done.done.counts);
    restores(&engine, "latest", &world.target("out"), &me, &tree(&world.library));
}

#[test]
fn a_raw_file_whose_later_chunks_are_known_costs_its_new_ones() {
    let world = World::empty();
    let bytes = noise(9, 30 << 20);
    world.write("a/one.CR3", &bytes);
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 1).unwrap();
    backup(&engine);
    // Its first chunks are new and come into an open entry before one shows to be known; after that new ones again.
    let mut other = noise(5, 13 << 20);
    other.extend_from_slice(&bytes[3 << 20..]);
    other.extend_from_slice(&noise(6, 9 << 20));
    world.write("b/two.CR3", &other);
    // Known to its end, and new in the same run, twice.
    world.write("b/three.CR3", &bytes);
    world.write("b/four.CR3", &other);
    let done = backup(&engine);
    let new = 13 + 16 + 9 + 16;
    assert!(((13 + 9) << 20..new << 20).contains(&done.done.counts.stored_bytes.0), "{:?}", done.done.counts);
    restores(&engine, "latest", &world.target("out"), &me, &tree(&world.library));
    assert_eq!(audit(&engine, Some(&me)).findings, []);
}

#[test]
fn folders_of_thousands_are_split_and_one_change_is_small() {
    let world = World::empty();
    for n in 0..3000 {
        world.write(&format!("many/IMG_{n:05}.xmp"), format!("sidecar {n}").as_bytes());
    }
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 1).unwrap();
    backup(&engine);
    world.write("many/IMG_01500.xmp", b"edited");
    let done = backup(&engine);
    assert_eq!(done.done.counts.changed_files.0, 1);
    // Pages, a warm pack and their headers, against 3,000 entries of a quarter KiB.
    assert!(done.done.counts.stored_bytes.0 < 40_000, "{:?}", done.done.counts);
    restores(&engine, "latest", &world.target("out"), &me, &tree(&world.library));
    assert_eq!(audit(&engine, Some(&me)).findings, []);
}

#[test]
fn looking_into_snapshots() {
    let world = World::empty();
    world.write("2024/a.CR3", b"one");
    world.write("2024/b.CR3", b"two");
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 1).unwrap();
    let first = backup(&engine).done.snapshot;
    world.write("2024/b.CR3", b"two, edited");
    fs::remove_file(world.library.join("2024/a.CR3")).unwrap();
    world.write("2025/c.CR3", b"three");
    backup(&engine);
    let mut lines = Vec::new();
    engine.ls("latest", &path("2024"), Recursive::No, None, &mut |l| lines.push(l.path.to_string())).unwrap();
    assert_eq!(lines, ["2024/b.CR3"]);
    let mut found = Vec::new();
    engine.find("*.cr3", None, &mut |f| found.push((f.line.path.to_string(), f.line.size.0))).unwrap();
    found.sort();
    let wanted = [("2024/a.CR3", 3), ("2024/b.CR3", 3), ("2024/b.CR3", 11), ("2025/c.CR3", 5)];
    assert_eq!(found, wanted.map(|(p, s)| (p.to_string(), s)));
    let mut changes = Vec::new();
    engine
        .diff(first.as_str(), "latest", None, &mut |d| {
            if d.line.kind == EntryKind::File {
                changes.push((d.change, d.line.path.to_string()));
            }
        })
        .unwrap();
    changes.sort_by(|a, b| a.1.cmp(&b.1));
    assert_eq!(
        changes,
        [
            (Change::Removed, "2024/a.CR3".to_string()),
            (Change::Modified, "2024/b.CR3".to_string()),
            (Change::Added, "2025/c.CR3".to_string())
        ]
    );
    let elsewhere = world.join("elsewhere", JoinWith::Identity(same(&me))).unwrap();
    assert_eq!(elsewhere.snapshots(Some(&me)).unwrap().len(), 2);
    assert!(elsewhere.ls("latest", &Name::default(), Recursive::No, Some(&me), &mut |_| {}).is_ok());
}

/// An edit of the library.
#[derive(Debug, Clone)]
enum Edit {
    Write(u8, u8, u32),
    Append(u8, u8),
    Remove(u8),
    Rename(u8, u8),
    RemoveFolder(u8),
    Link(u8, u8),
    Backup,
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = prop_oneof![
        4 => (any::<u8>(), any::<u8>(), 0u32..200_000).prop_map(|(p, s, n)| Edit::Write(p, s, n)),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(p, s)| Edit::Append(p, s)),
        2 => any::<u8>().prop_map(Edit::Remove),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(a, b)| Edit::Rename(a, b)),
        1 => any::<u8>().prop_map(Edit::RemoveFolder),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(a, b)| Edit::Link(a, b)),
        3 => Just(Edit::Backup),
    ];
    proptest::collection::vec(edit, 1..40)
}

fn place(world: &World, n: u8) -> PathBuf {
    let extension = ["CR3", "xmp", "tif", "jpg"][usize::from(n / 4 % 4)];
    world.library.join(format!("f{}/g{}/{}.{extension}", n % 3, n / 3 % 2, n % 16))
}

fn apply(world: &World, edit: &Edit) {
    let into = |p: &PathBuf| fs::create_dir_all(p.parent().unwrap()).unwrap();
    match edit {
        Edit::Write(p, seed, len) => {
            let to = place(world, *p);
            into(&to);
            fs::write(to, noise(u64::from(*seed), *len as usize)).unwrap();
        }
        Edit::Append(p, seed) => {
            let to = place(world, *p);
            if let Ok(mut bytes) = fs::read(&to) {
                bytes.extend(noise(u64::from(*seed), 777));
                fs::write(to, bytes).unwrap();
            }
        }
        Edit::Remove(p) => drop(fs::remove_file(place(world, *p))),
        Edit::Rename(a, b) => {
            let (from, to) = (place(world, *a), place(world, *b));
            if from.exists() {
                into(&to);
                fs::rename(from, to).unwrap();
            }
        }
        Edit::RemoveFolder(p) => drop(fs::remove_dir_all(world.library.join(format!("f{}", p % 3)))),
        Edit::Link(a, b) => {
            let (from, to) = (place(world, *a), place(world, *b));
            if from.exists() && !to.exists() {
                into(&to);
                fs::hard_link(from, to).unwrap();
            }
        }
        Edit::Backup => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn any_sequence_of_edits(edits in edits(), seed in any::<u64>()) {
        let world = World::empty();
        world.write("keep.txt", b"never empty");
        let me = identity();
        let engine = world.init(Founder::Identity(same(&me)), 1).unwrap();
        let mut states = Vec::new();
        for edit in edits.iter().chain([&Edit::Backup]) {
            apply(&world, edit);
            if matches!(edit, Edit::Backup) {
                let done = backup(&world.engine());
                states.push((done.done.snapshot, tree(&world.library)));
            }
        }
        let pick = SeededRng::new(seed).below(states.len() as u64) as usize;
        for (n, at) in [pick, states.len() - 1].into_iter().enumerate() {
            let (snapshot, wanted) = &states[at];
            restores(&engine, snapshot.as_str(), &world.target(&n.to_string()), &me, wanted);
        }
        prop_assert_eq!(audit(&engine, Some(&me)).findings, vec![]);
        prop_assert_eq!(scrub(&engine, Some(&me)).findings, vec![]);
    }
}

#[test]
fn extended_attributes_come_back() {
    let world = World::empty();
    let file = world.write("a/IMG_1.CR3", b"photo");
    xattr::set(&file, "user.rating", b"5\0\xff").unwrap();
    xattr::set(world.library.join("a"), "user.shoot", b"wedding").unwrap();
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 1).unwrap();
    backup(&engine);
    let out = world.target("out");
    restores(&engine, "latest", &out, &me, &tree(&world.library));
    assert_eq!(xattr::get(out.join("a/IMG_1.CR3"), "user.rating").unwrap().unwrap(), b"5\0\xff");
    assert_eq!(xattr::get(out.join("a"), "user.shoot").unwrap().unwrap(), b"wedding");
}

/// One in a folder and one beside it, backed up.
fn two_photographs() -> (World, IdentityFile, Engine) {
    let world = World::empty();
    world.write("shoot/IMG_1.CR3", b"photo");
    world.write("IMG_2.CR3", b"another");
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 1).unwrap();
    backup(&engine);
    (world, me, engine)
}

#[test]
fn nothing_is_written_through_a_link_or_over_a_file() {
    let (world, me, engine) = two_photographs();
    let (out, outside) = (world.target("out"), world.folder.path().join("outside"));
    fs::create_dir_all(&out).unwrap();
    fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, out.join("shoot")).unwrap();
    fs::write(out.join("IMG_2.CR3"), b"mine").unwrap();
    let done = try_restore(&engine, &options("latest", &out), &me).unwrap();
    assert_eq!(done.casualties.len(), 2, "{:?}", done.casualties);
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert_eq!(fs::read(out.join("IMG_2.CR3")).unwrap(), b"mine");
    let replace =
        darkslide_engine::RestoreOptions { existing: darkslide_engine::Existing::Replace, ..options("latest", &out) };
    try_restore(&engine, &replace, &me).unwrap();
    assert_eq!(fs::read(out.join("IMG_2.CR3")).unwrap(), b"another");
}

#[test]
fn a_target_may_be_given_as_a_link_with_a_slash_behind_it() {
    let (world, me, engine) = two_photographs();
    let (out, link) = (world.target("out"), world.folder.path().join("link"));
    fs::create_dir_all(&out).unwrap();
    std::os::unix::fs::symlink(&out, &link).unwrap();
    let done = try_restore(&engine, &options("latest", &link.join("")), &me).unwrap();
    assert_eq!(done.casualties, []);
    assert_same(&tree(&world.library), &tree(&out));
}
