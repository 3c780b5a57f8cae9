//! A mirror whose file system tells no cases: FAT, NTFS, most shares.

use std::io;
use std::path::{Component, Path, PathBuf};

use darkslide_disk::{Disk, Facts, RealDisk, Sink, Source, Stat, Xattr};
use darkslide_words::Name;

use crate::harness::{World, all, limits};

/// Below `root`, a name is found in whatever case it lies there.
#[derive(Debug)]
struct Folding {
    root: PathBuf,
}

impl Folding {
    fn new(world: &World) -> Self {
        Self { root: world.path("mirror") }
    }

    fn at(&self, path: &Path) -> PathBuf {
        let Ok(below) = path.strip_prefix(&self.root) else { return path.to_path_buf() };
        let mut real = self.root.clone();
        for part in below.components() {
            let Component::Normal(wanted) = part else { continue };
            let lower = wanted.to_string_lossy().to_lowercase();
            let listed = std::fs::read_dir(&real).into_iter().flatten().filter_map(Result::ok);
            let names: Vec<_> = listed.map(|entry| entry.file_name()).collect();
            let exact = names.iter().find(|name| *name == wanted);
            let found = exact.or_else(|| names.iter().find(|name| name.to_string_lossy().to_lowercase() == lower));
            real.push(found.map_or(wanted, |name| name));
        }
        real
    }
}

impl Disk for Folding {
    fn list(&self, folder: &Path) -> io::Result<Vec<(Name, io::Result<Stat>)>> {
        RealDisk.list(&self.at(folder))
    }
    fn stat(&self, path: &Path) -> io::Result<Stat> {
        RealDisk.stat(&self.at(path))
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn Source>> {
        RealDisk.open(&self.at(path))
    }
    fn open_uncached(&self, path: &Path) -> io::Result<Box<dyn io::Read>> {
        RealDisk.open_uncached(&self.at(path))
    }
    fn create(&self, path: &Path) -> io::Result<Box<dyn Sink>> {
        RealDisk.create(&self.at(path))
    }
    fn sync_file(&self, path: &Path) -> io::Result<()> {
        RealDisk.sync_file(&self.at(path))
    }
    fn sync_all(&self, folder: &Path) -> io::Result<()> {
        RealDisk.sync_all(&self.at(folder))
    }
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        RealDisk.sync_folder(&self.at(folder))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        // A name that is there in another case is taken.
        let to = match self.at(to.parent().unwrap()).join(to.file_name().unwrap()) {
            free if self.at(to) == free => free,
            _ => return Err(io::ErrorKind::AlreadyExists.into()),
        };
        RealDisk.rename(&self.at(from), &to)
    }
    fn replace(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.replace(&self.at(from), &self.at(to))
    }
    fn make_folder(&self, path: &Path) -> io::Result<()> {
        RealDisk.make_folder(&self.at(path))
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove_file(&self.at(path))
    }
    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove_folder(&self.at(path))
    }
    fn symlink(&self, target: &Name, path: &Path) -> io::Result<()> {
        RealDisk.symlink(target, &self.at(path))
    }
    fn read_link(&self, path: &Path) -> io::Result<Name> {
        RealDisk.read_link(&self.at(path))
    }
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.hard_link(&self.at(from), &self.at(to))
    }
    fn xattrs(&self, path: &Path) -> io::Result<Vec<Xattr>> {
        RealDisk.xattrs(&self.at(path))
    }
    fn apply(&self, path: &Path, facts: &Facts) -> io::Result<()> {
        RealDisk.apply(&self.at(path), facts)
    }
    fn free(&self, folder: &Path) -> io::Result<u64> {
        RealDisk.free(&self.at(folder))
    }
}

fn names(world: &World) -> Vec<String> {
    world.tree("mirror").into_keys().collect()
}

#[test]
fn a_name_that_changed_its_case_changes_it_on_the_mirror_without_a_copy() {
    let world = World::new();
    world.write("library/shoot/berlin/IMG_1.CR3", b"one");
    world.write("library/shoot/berlin/IMG_2.CR3", b"two");
    let disk = Folding::new(&world);
    world.run(&disk, &all()).unwrap();
    let rename = |from: &str, to: &str| std::fs::rename(world.path(from), world.path(to)).unwrap();
    rename("library/shoot", "library/Shoot");
    rename("library/Shoot/berlin", "library/Shoot/Berlin");
    rename("library/Shoot/Berlin/IMG_2.CR3", "library/Shoot/Berlin/img_2.cr3");
    // Nothing goes to the trash, so that no brake is needed.
    let done = world.run(&disk, &limits(&[])).unwrap();
    assert!(done.failures.is_empty(), "{done:?}");
    assert_eq!((done.bytes.0, done.trashed.0), (0, 0), "{done:?}");
    assert_eq!(names(&world), ["Shoot", "Shoot/Berlin", "Shoot/Berlin/IMG_1.CR3", "Shoot/Berlin/img_2.cr3"]);
    assert_eq!(world.tree("library"), world.tree("mirror"));
    assert!(world.plan(&disk, &limits(&[])).unwrap().is_empty(), "and it is done");
    // What was verified is remembered under the new names, and under these alone.
    let rows = |folder: &str| {
        let catalog = darkslide_catalog::Catalog::open(&world.path("catalog")).unwrap();
        catalog.mirrored("nas", &folder.into()).unwrap().unwrap_or_default()
    };
    let known: Vec<_> =
        rows("Shoot/Berlin").into_iter().map(|row| (row.name.to_string(), row.hash.is_some())).collect();
    assert_eq!(known, [("IMG_1.CR3".to_string(), true), ("img_2.cr3".to_string(), true)]);
    assert!(rows("shoot/berlin").is_empty() && rows("Shoot/berlin").is_empty());
}

#[test]
fn an_edit_under_a_name_of_another_case_is_an_edit() {
    let world = World::new();
    world.write("library/a/IMG_1.CR3", b"one");
    let disk = Folding::new(&world);
    world.run(&disk, &all()).unwrap();
    std::fs::remove_file(world.path("library/a/IMG_1.CR3")).unwrap();
    world.write("library/a/img_1.cr3", b"edited");
    let done = world.run(&disk, &all()).unwrap();
    assert!(done.failures.is_empty(), "{done:?}");
    assert_eq!(world.tree("library"), world.tree("mirror"));
    assert!(world.trash().contains(&b"one"[..]));
}

#[test]
fn of_two_names_that_differ_by_case_alone_one_is_there_and_the_other_is_told() {
    let world = World::new();
    world.write("library/a/IMG_1.CR3", b"one");
    world.write("library/a/img_1.cr3", b"two");
    world.write("library/a/IMG_2.CR3", b"three");
    let disk = Folding::new(&world);
    let done = world.run(&disk, &all()).unwrap();
    assert_eq!(done.failures.len(), 1, "{done:?}");
    assert!(done.failures[0].reason.contains("case"), "{done:?}");
    assert_eq!(names(&world), ["a", "a/IMG_1.CR3", "a/IMG_2.CR3"]);
    let again = world.run(&disk, &all()).unwrap();
    assert_eq!((again.bytes.0, again.trashed.0, again.failures.len()), (0, 0, 1), "{again:?}");
}

#[test]
fn what_a_disk_or_server_keeps_for_itself_is_left_alone() {
    let world = World::new();
    world.write("library/a/IMG_1.CR3", b"one");
    world.write("library/lost+found/1234", b"rescued");
    for name in ["lost+found/x", "#recycle/y", "$RECYCLE.BIN/z", "a/@eaDir/thumb"] {
        world.write(&format!("mirror/{name}"), b"theirs");
    }
    let done = world.run(&RealDisk, &limits(&[])).unwrap();
    assert_eq!((done.trashed.0, done.new_files.0, done.failures.len()), (0, 1, 0), "{done:?}");
    assert!(world.path("mirror/a/@eaDir/thumb").exists() && world.path("mirror/#recycle/y").exists());
    assert!(!world.path("mirror/lost+found/1234").exists());
}
