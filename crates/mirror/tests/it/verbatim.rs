//! The mirror is the library.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use darkslide_disk::{FaultyDisk, Op, RealDisk};

use crate::harness::{World, all, limits, noise};

fn library(world: &World) {
    for n in 0..6u64 {
        world.write(&format!("library/2024/shoot {}/IMG_{n}.CR3", n % 2), &noise(n, 20_000 + n as usize));
        world.write(&format!("library/2024/shoot {}/IMG_{n}.xmp", n % 2), &noise(n + 50, 300));
    }
}

#[test]
fn times_modes_links_holes_attributes_and_hostile_names() {
    let world = World::new();
    library(&world);
    let path = |name: &str| world.path(&format!("library/{name}"));
    std::fs::set_permissions(path("2024/shoot 0/IMG_0.CR3"), std::fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("../elsewhere", path("link")).unwrap();
    std::os::unix::fs::symlink(".", path("loop")).unwrap();
    std::fs::hard_link(path("2024/shoot 0/IMG_0.CR3"), path("best.CR3")).unwrap();
    std::fs::create_dir(path("empty")).unwrap();
    let odd = world.path("library").join(std::ffi::OsStr::from_bytes(b"a\nb\xff"));
    std::fs::write(&odd, b"odd").unwrap();
    std::fs::write(path(&"x".repeat(255)), b"").unwrap();
    let sparse = std::fs::File::create(path("sparse.tif")).unwrap();
    sparse.set_len(3 << 20).unwrap();
    std::os::unix::fs::FileExt::write_at(&sparse, b"end", 2 << 20).unwrap();
    let keeps = xattr_set(&path("best.CR3"));
    let done = world.run(&RealDisk, &limits(&[])).unwrap();
    assert!(done.failures.is_empty(), "{:?}", done.failures);
    assert_eq!(world.tree("library"), world.tree("mirror"));
    let meta = |name: &str| std::fs::metadata(world.path(&format!("mirror/{name}"))).unwrap();
    assert!(meta("sparse.tif").blocks() * 512 < 1 << 20, "holes stay holes");
    assert_eq!(meta("best.CR3").ino(), meta("2024/shoot 0/IMG_0.CR3").ino());
    if keeps {
        assert!(xattr_is(&world.path("mirror/best.CR3")));
    }
    let again = world.plan(&RealDisk, &limits(&[])).unwrap();
    assert!(again.is_empty() && again.brakes.is_empty(), "{again:?}");
}

fn xattr_set(path: &std::path::Path) -> bool {
    rustix_set(path).is_some()
}

fn rustix_set(path: &std::path::Path) -> Option<()> {
    let out = std::process::Command::new("setfattr").args(["-n", "user.label", "-v", "red"]).arg(path).output();
    out.ok().filter(|out| out.status.success()).map(|_| ())
}

fn xattr_is(path: &std::path::Path) -> bool {
    let facts = darkslide_disk::Disk::xattrs(&RealDisk, path).unwrap();
    facts.iter().any(|(name, value)| name.as_bytes() == b"user.label" && value == b"red")
}

#[test]
fn an_unchanged_run_opens_no_file() {
    let world = World::new();
    library(&world);
    world.run(&RealDisk, &limits(&[])).unwrap();
    let disk = FaultyDisk::new(RealDisk);
    let plan = world.plan(&disk, &limits(&[])).unwrap();
    assert!(plan.is_empty());
    assert!(!disk.ops().contains(&Op::Open) && !disk.ops().contains(&Op::OpenUncached), "{:?}", disk.ops());
}

#[test]
fn what_vanished_or_changed_is_in_the_trash() {
    let world = World::new();
    library(&world);
    world.run(&RealDisk, &limits(&[])).unwrap();
    std::fs::remove_file(world.path("library/2024/shoot 0/IMG_0.CR3")).unwrap();
    world.write("library/2024/shoot 1/IMG_1.xmp", b"edited");
    world.date("library/2024/shoot 1/IMG_1.xmp", 5);
    let done = world.run(&RealDisk, &limits(&[])).unwrap();
    assert_eq!((done.changed_files.0, done.trashed.0), (1, 1), "{done:?}");
    assert_eq!(world.tree("library"), world.tree("mirror"));
    assert!(world.trash().contains(&noise(0, 20_000)) && world.trash().contains(&noise(51, 300)));
    // A month later it is gone.
    world.later(std::time::Duration::from_secs(31 * 86_400));
    let done = world.run(&RealDisk, &limits(&[])).unwrap();
    assert_eq!((done.expired.0, world.trash().len()), (20_300, 0));
}

#[test]
fn moves_and_renames_copy_nothing() {
    let world = World::new();
    library(&world);
    world.run(&RealDisk, &limits(&[])).unwrap();
    std::fs::rename(world.path("library/2024/shoot 0"), world.path("library/2024/wedding")).unwrap();
    std::fs::rename(world.path("library/2024/shoot 1/IMG_1.CR3"), world.path("library/best.cr3")).unwrap();
    // Through another file system the inode is another: known by content.
    let moved = world.path("library/2024/shoot 1/IMG_3.CR3");
    let time = std::fs::metadata(&moved).unwrap().modified().unwrap();
    let bytes = std::fs::read(&moved).unwrap();
    std::fs::remove_file(&moved).unwrap();
    world.write("library/copied/IMG_3.CR3", &bytes);
    let copied = std::fs::File::options().write(true).open(world.path("library/copied/IMG_3.CR3")).unwrap();
    copied.set_modified(time).unwrap();
    let plan = world.plan(&RealDisk, &limits(&[])).unwrap();
    assert_eq!((plan.moved_files().0, plan.bytes().0), (8, 0), "{plan}");
    let done = world.run(&RealDisk, &limits(&[])).unwrap();
    assert_eq!((done.moved_files.0, done.bytes.0), (8, 0), "{done:?}");
    assert_eq!(world.tree("library"), world.tree("mirror"));
    assert!(world.trash().is_empty());
    assert!(world.plan(&RealDisk, &limits(&[])).unwrap().is_empty());
}

#[test]
fn a_file_where_a_folder_was_and_the_reverse() {
    let world = World::new();
    library(&world);
    world.write("library/thing/inside.jpg", b"1");
    world.write("library/other", b"2");
    world.run(&RealDisk, &limits(&[])).unwrap();
    std::fs::remove_dir_all(world.path("library/thing")).unwrap();
    std::fs::remove_file(world.path("library/other")).unwrap();
    world.write("library/thing", b"3");
    world.write("library/other/inside.jpg", b"4");
    let done = world.run(&RealDisk, &all()).unwrap();
    assert!(done.failures.is_empty(), "{done:?}");
    assert_eq!(world.tree("library"), world.tree("mirror"));
    assert!(world.trash().contains(b"1".as_slice()) && world.trash().contains(b"2".as_slice()));
}

#[test]
fn a_mirror_that_was_filled_by_hand_is_taken_over() {
    let world = World::new();
    library(&world);
    let status = std::process::Command::new("cp")
        .args(["-a", world.path("library").join(".").to_str().unwrap(), world.path("mirror").to_str().unwrap()])
        .status();
    assert!(status.unwrap().success());
    let done = world.run(&RealDisk, &limits(&[])).unwrap();
    assert_eq!((done.new_files.0, done.bytes.0), (0, 0), "{done:?}");
}

#[test]
fn what_a_run_that_died_left_unverified_is_swept_and_never_copied() {
    let world = World::new();
    world.write("library/a/IMG_1.CR3", b"one");
    world.write("library/a/.darkslide-part-1-1", b"a restore that died here");
    world.write("mirror/a/.darkslide-part-2-2", b"half");
    world.run(&RealDisk, &limits(&[])).unwrap();
    assert!(!world.path("mirror/a/.darkslide-part-2-2").exists());
    assert!(!world.path("mirror/a/.darkslide-part-1-1").exists());
    assert_eq!(std::fs::read(world.path("mirror/a/IMG_1.CR3")).unwrap(), b"one");
}
