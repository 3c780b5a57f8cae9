//! What stops a run before anything is touched.

use darkslide_disk::{FaultyDisk, Harm, Op, RealDisk};
use darkslide_mirror::{Brake, Limits, MirrorError};

use crate::harness::{World, limits, noise};

fn world() -> World {
    let world = World::new();
    for n in 0..20u64 {
        world.write(&format!("library/2024/IMG_{n}.CR3"), &noise(n, 2000));
        world.date(&format!("library/2024/IMG_{n}.CR3"), n);
    }
    world.run(&RealDisk, &limits(&[])).unwrap();
    world
}

fn braked(world: &World, limits: &Limits) -> Vec<Brake> {
    let before = world.tree("mirror");
    let refused = world.run(&RealDisk, limits);
    let Err(MirrorError::Braked { brakes }) = refused else { panic!("{refused:?}") };
    assert_eq!(world.tree("mirror"), before, "nothing was touched");
    assert!(world.trash().is_empty());
    brakes
}

#[test]
fn an_empty_library_an_absent_sentinel_and_mass_deletion() {
    let world = world();
    let sentinel = Limits { sentinel: Some(".library".into()), ..limits(&[]) };
    assert!(matches!(&braked(&world, &sentinel)[..], [Brake::Sentinel { .. }]));
    for n in 0..5 {
        std::fs::remove_file(world.path(&format!("library/2024/IMG_{n}.CR3"))).unwrap();
    }
    let brakes = braked(&world, &limits(&[]));
    assert!(matches!(brakes[..], [Brake::Deletions { files, of, most }] if (files.0, of.0, most.0) == (5, 20, 4)));
    world.run(&RealDisk, &limits(&["deletions"])).unwrap();
    assert_eq!(world.tree("library"), world.tree("mirror"));
    std::fs::remove_dir_all(world.path("library/2024")).unwrap();
    let other = World { folder: world.folder, clock: world.clock };
    let refused = other.run(&RealDisk, &limits(&["deletions"]));
    assert!(matches!(refused, Err(MirrorError::Braked { brakes }) if brakes == [Brake::Empty]));
}

#[test]
fn mass_change() {
    let world = world();
    for n in 0..8u64 {
        world.write(&format!("library/2024/IMG_{n}.CR3"), b"YOUR FILES ARE ENCRYPTED");
    }
    let brakes = braked(&world, &limits(&[]));
    assert!(matches!(brakes[..], [Brake::Changes { files, .. }] if files.0 == 8), "{brakes:?}");
}

#[test]
fn content_that_changed_under_its_old_time() {
    let world = world();
    world.write("library/2024/IMG_7.CR3", &noise(99, 2000));
    world.date("library/2024/IMG_7.CR3", 7);
    let brakes = braked(&world, &limits(&[]));
    assert!(matches!(&brakes[..], [Brake::Rot { paths }] if paths[0].to_string() == "2024/IMG_7.CR3"), "{brakes:?}");
    world.run(&RealDisk, &limits(&["rot"])).unwrap();
    assert_eq!(world.tree("library"), world.tree("mirror"));
    assert!(world.trash().contains(&noise(7, 2000)));
    // A new mode alone is no rot.
    use std::os::unix::fs::PermissionsExt as _;
    let path = world.path("library/2024/IMG_8.CR3");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    world.run(&RealDisk, &limits(&[])).unwrap();
    assert_eq!(world.tree("library"), world.tree("mirror"));
}

#[test]
fn a_library_that_cannot_be_read_deletes_nothing() {
    let world = world();
    std::fs::remove_file(world.path("library/2024/IMG_0.CR3")).unwrap();
    let disk = FaultyDisk::new(RealDisk);
    // The second folder that is listed after the sweep's is the library's.
    for n in 1..8 {
        disk.arm_at(Op::List, n, Harm::Errno(5));
        let done = world.run(&disk, &limits(&[]));
        if disk.heal().is_none() {
            break;
        }
        let there = world.path("mirror/2024/IMG_0.CR3").exists();
        assert!(there || done.is_ok_and(|done| done.failures.is_empty()), "list {n}");
    }
    assert!(world.run(&RealDisk, &limits(&[])).unwrap().failures.is_empty());
    assert!(!world.path("mirror/2024/IMG_0.CR3").exists());
}

#[test]
fn one_within_the_other_and_an_absent_mirror() {
    let world = World::new();
    std::fs::remove_dir(world.path("mirror")).unwrap();
    assert!(matches!(world.run(&RealDisk, &limits(&[])), Err(MirrorError::NoTarget { .. })));
    std::os::unix::fs::symlink(world.path("library"), world.path("mirror")).unwrap();
    assert!(matches!(world.run(&RealDisk, &limits(&[])), Err(MirrorError::Overlap { .. })));
}
