//! Every operation fails once, at every place: the card is untouched, no wrong file has a right
//! name, and the next run completes.

use std::collections::BTreeSet;

use darkslide_disk::{FaultyDisk, Harm, Op, RealDisk};
use darkslide_ingest::Ingested;

use crate::harness::{World, card, noise, real};

const NO_SPACE: i32 = 28;
const IO: i32 = 5;

fn small(world: &World) {
    for n in 1..=3u64 {
        world.write(&format!("card/DCIM/100CANON/IMG_000{n}.CR3"), &noise(n, 30_000));
    }
    world.write("card/PRIVATE/AVCHD/BDMV/INDEX.BDM", &noise(9, 400));
}

/// Whatever bears a name in a target is whole.
fn no_wrong_file(world: &World, at: &str) {
    let good: BTreeSet<Vec<u8>> = world.files("card").into_values().collect();
    for root in ["library", "second"] {
        for (name, bytes) in world.files(root) {
            assert!(name.starts_with(".darkslide-tmp/") || good.contains(&bytes), "{at}: {root}/{name} is wrong");
        }
    }
}

fn complete(world: &World, at: &str) {
    let done = world.ingest(&real(), "card", "").unwrap();
    assert!(done.is_whole(), "{at}: {done:?}");
    for root in ["library", "second"] {
        let files = world.files(root);
        let good: BTreeSet<Vec<u8>> = world.files("card").into_values().collect();
        assert_eq!(files.into_values().collect::<BTreeSet<_>>(), good, "{at}: {root}");
    }
}

fn each(harm: Harm) {
    for n in 1.. {
        let world = World::new();
        small(&world);
        let before = world.files("card");
        let disk = FaultyDisk::new(RealDisk);
        disk.arm(n, harm);
        let done = world.ingest(&disk, "card", "");
        let Some(op) = disk.heal() else { return assert!(n > 60, "only {n} operations") };
        let at = format!("{harm:?} at {op:?}, operation {n}");
        assert_eq!(world.files("card"), before, "{at}: the card");
        no_wrong_file(&world, &at);
        claims_hold(&world, done.as_ref().ok(), &at);
        complete(&world, &at);
    }
}

/// What is said to be everywhere is.
fn claims_hold(world: &World, done: Option<&Ingested>, at: &str) {
    let Some(done) = done.filter(|done| done.failures.is_empty()) else { return };
    let good: BTreeSet<Vec<u8>> = world.files("card").into_values().collect();
    let whole = |root| world.files(root).into_values().collect::<BTreeSet<_>>().is_superset(&good);
    assert!(done.changed || (whole("library") && whole("second")), "{at}: {done:?}");
}

#[test]
fn an_error_at_every_operation() {
    each(Harm::Errno(IO));
}

#[test]
fn a_full_disk_at_every_operation() {
    each(Harm::Short(NO_SPACE));
}

#[test]
fn a_pulled_card_or_a_power_cut_at_every_operation() {
    each(Harm::Dead);
}

#[test]
fn a_flipped_bit_in_what_is_read_back_is_found() {
    let world = World::new();
    small(&world);
    let disk = FaultyDisk::new(RealDisk);
    disk.arm_at(Op::ReadUncached, 1, Harm::Flip);
    let done = world.ingest(&disk, "card", "").unwrap();
    assert_eq!(disk.heal(), Some(Op::ReadUncached));
    assert!(done.failures.len() == 1 && done.failures[0].reason.contains("reads back differently"), "{done:?}");
    no_wrong_file(&world, "a flipped bit");
    complete(&world, "a flipped bit");
}

#[test]
fn a_bad_sector_is_named_and_the_rest_is_copied() {
    let mut named = 0;
    for n in (5..120).step_by(7) {
        let world = World::new();
        card(&world, "card");
        let disk = FaultyDisk::new(RealDisk);
        disk.arm_at(Op::Read, n, Harm::Errno(IO));
        let done = world.ingest(&disk, "card", "").unwrap();
        if disk.heal().is_none() {
            break;
        }
        assert_eq!(done.failures.len() as u64 + done.copied.0, 11, "{done:?}");
        // Where the facts alone cannot be read, the photograph is copied all the same.
        named += done.failures.iter().filter(|failure| failure.reason.contains("cannot be read")).count();
    }
    assert!(named > 0);
}

#[test]
fn one_full_target_does_not_stop_the_other() {
    let world = World::new();
    small(&world);
    let disk = FaultyDisk::new(RealDisk);
    // The second write is the first file's to the second target.
    disk.arm_at(Op::Write, 2, Harm::Short(NO_SPACE));
    let done = world.ingest(&disk, "card", "").unwrap();
    assert_eq!(disk.heal(), Some(Op::Write));
    assert!(!done.is_whole() && done.failures.iter().all(|f| f.reason.starts_with("second")), "{done:?}");
    assert_eq!(world.files("library").len(), 4);
    assert_eq!(world.files("second").len(), 0, "nothing more is tried on a full disk");
    complete(&world, "a full second target");
}
