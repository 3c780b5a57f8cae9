//! Every operation fails once: the library is untouched, no wrong file bears a right name, and the
//! next run completes.

use std::collections::BTreeSet;

use darkslide_disk::{FaultyDisk, Harm, Op, RealDisk};

use crate::harness::{World, all, noise};

/// A library that was mirrored once and has changed in every way since.
fn changed() -> (World, BTreeSet<Vec<u8>>) {
    let world = World::new();
    for n in 0..4u64 {
        world.write(&format!("library/a/IMG_{n}.CR3"), &noise(n, 3000));
        world.date(&format!("library/a/IMG_{n}.CR3"), n);
    }
    world.run(&RealDisk, &all()).unwrap();
    let mut good: BTreeSet<Vec<u8>> = (0..4).map(|n| noise(n, 3000)).collect();
    std::fs::remove_file(world.path("library/a/IMG_0.CR3")).unwrap();
    std::fs::rename(world.path("library/a/IMG_1.CR3"), world.path("library/moved.CR3")).unwrap();
    world.write("library/a/IMG_2.CR3", &noise(20, 3000));
    world.write("library/b/new.CR3", &noise(21, 3000));
    std::os::unix::fs::symlink("a", world.path("library/link")).unwrap();
    good.extend([noise(20, 3000), noise(21, 3000)]);
    (world, good)
}

fn each(harm: Harm) {
    for n in 1.. {
        let (world, good) = changed();
        let before = world.tree("library");
        let disk = FaultyDisk::new(RealDisk);
        disk.arm(n, harm);
        let _ = world.run(&disk, &all());
        let Some(op) = disk.heal() else { return assert!(n > 50, "only {n} operations") };
        let at = format!("{harm:?} at {op:?}, operation {n}");
        assert_eq!(world.tree("library"), before, "{at}: the library");
        for (name, (kind, .., bytes)) in world.tree("mirror") {
            assert!(kind != 'f' || good.contains(&bytes), "{at}: {name} is wrong");
        }
        // Nothing is lost: each content that was on the mirror is there or in its trash.
        let there: BTreeSet<Vec<u8>> =
            world.tree("mirror").into_values().map(|(.., bytes)| bytes).chain(world.trash()).collect();
        for n in 0..4 {
            assert!(there.contains(&noise(n, 3000)), "{at}: IMG_{n} is gone");
        }
        world.later(std::time::Duration::from_secs(60));
        let done = world.run(&RealDisk, &all()).unwrap();
        assert!(done.failures.is_empty(), "{at}: {done:?}");
        assert_eq!(world.tree("library"), world.tree("mirror"), "{at}: after the next run");
    }
}

#[test]
fn an_error_at_every_operation() {
    each(Harm::Errno(5));
}

#[test]
fn a_full_disk_at_every_operation() {
    each(Harm::Short(28));
}

#[test]
fn a_power_cut_at_every_operation() {
    each(Harm::Dead);
}

#[test]
fn a_flipped_bit_in_what_is_read_back_is_found() {
    // Each file takes two reads, the second of which finds its end.
    for n in [1, 3] {
        let (world, good) = changed();
        let disk = FaultyDisk::new(RealDisk);
        disk.arm_at(Op::ReadUncached, n, Harm::Flip);
        let done = world.run(&disk, &all()).unwrap();
        assert_eq!(disk.heal(), Some(Op::ReadUncached));
        assert!(done.failures.iter().any(|f| f.reason.contains("reads back differently")), "{done:?}");
        assert!(world.tree("mirror").into_values().all(|(kind, .., bytes)| kind != 'f' || good.contains(&bytes)));
    }
}
