//! Power cuts and full disks at every PUT: nothing acknowledged is lost, and the
//! next run goes on from there.

use darkslide_engine::Founder;
use darkslide_store::Fault;

use crate::harness::{World, audit, backup, identity, names, noise, restores, same, scrub, tree, try_backup};

fn library(world: &World, version: u64) {
    for n in 0..4 {
        world.write(&format!("2024/a/IMG_{n}.CR3"), &noise(n, 5_000_000));
        world.write(&format!("2024/a/IMG_{n}.xmp"), format!("sidecar {n} of version {version}").as_bytes());
    }
    world.write("2024/b/film.mov", &noise(100 + version, 20_000_000));
}

/// Runs a second backup with a fault at every PUT; after each the first snapshot
/// is whole and the next run completes.
fn at_every_put(fault: fn(u64) -> Fault) {
    let me = identity();
    for n in 1.. {
        let world = World::empty();
        library(&world, 1);
        let engine = world.init(Founder::Identity(same(&me)), 1).unwrap();
        let first = backup(&engine).done.snapshot;
        let before = tree(&world.library);
        library(&world, 2);
        world.store(0).arm(fault(n));
        let cut = try_backup(&world.engine());
        let struck = world.store(0).heal();
        assert_eq!(cut.is_err(), struck, "{n}: {cut:?}");
        let engine = world.engine();
        assert_eq!(audit(&engine, Some(&me)).damages(), 0, "{n}");
        restores(&engine, first.as_str(), &world.target("first"), &me, &before);
        let packs = names(&world.store(0), "packs/").len();
        let done = backup(&engine);
        restores(&engine, "latest", &world.target("latest"), &me, &tree(&world.library));
        assert_eq!(audit(&engine, Some(&me)).findings, [], "{n}");
        assert_eq!(scrub(&engine, Some(&me)).findings, [], "{n}");
        if !struck {
            assert!(n > 5, "the fault never struck");
            return;
        }
        // What was stored before the cut is not stored again.
        let after = names(&world.store(0), "packs/").len();
        assert!(after - packs <= 2, "{n}: {packs} packs became {after}; {:?}", done.done.counts);
    }
}

#[test]
fn power_cut_before_every_put() {
    at_every_put(Fault::PowerBefore);
}

#[test]
fn power_cut_after_every_put() {
    at_every_put(Fault::PowerAfter);
}

#[test]
fn disk_full_at_every_put() {
    at_every_put(Fault::FullAt);
}

#[test]
fn a_cut_first_backup_is_adopted_not_repeated() {
    let me = identity();
    let world = World::empty();
    library(&world, 1);
    world.init(Founder::Identity(same(&me)), 1).unwrap();
    world.store(0).arm(Fault::PowerAfter(2));
    try_backup(&world.engine()).unwrap_err();
    world.store(0).heal();
    let stored = names(&world.store(0), "packs/");
    assert_eq!(stored.len(), 2);
    backup(&world.engine());
    let all = names(&world.store(0), "packs/");
    assert!(stored.iter().all(|n| all.contains(n)));
    // 20 MB of RAW and a film of 20 MB, in packs of at most 16 MiB.
    assert!(all.len() <= 5, "{all:?}");
    assert_eq!(audit(&world.engine(), Some(&me)).findings, []);
}

#[test]
fn a_cut_founding_says_what_to_do() {
    for n in 1..=6 {
        let world = World::empty();
        world.shelf_armed(Fault::PowerBefore(n));
        let cut = world.init(Founder::Identity(identity()), 1);
        assert!(cut.is_err(), "{n}");
        assert!(!world.config.exists(), "{n}: a configuration of a repository that was not founded");
        world.store(0).heal();
        let joined = world.join("other", darkslide_engine::JoinWith::Identity(identity()));
        let error = joined.map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("no Darkslide repository"), "{n}: {error}");
    }
}

#[test]
fn a_clock_that_goes_back_keeps_snapshots_in_order() {
    let world = World::empty();
    library(&world, 1);
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 1).unwrap();
    let first = backup(&engine).done;
    world.clock.set(darkslide_engine::words::Time(1_000_000_000_000_000_000));
    world.write("new.xmp", b"later, by a clock that was set back");
    let second = backup(&engine).done;
    assert!(second.time > first.time);
    restores(&engine, "latest", &world.target("out"), &me, &tree(&world.library));
}

#[test]
fn checkpoints_protect_a_long_run_and_are_never_latest() {
    let world = World::empty();
    library(&world, 1);
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 1).unwrap();
    let first = backup(&engine).done.snapshot;
    library(&world, 2);
    world.write("2024/c/IMG.CR3", &noise(500, 9_000_000));
    world.write("2024/d/IMG.CR3", &noise(501, 9_000_000));
    let often = darkslide_engine::BackupOptions {
        checkpoint_every: Some(std::time::Duration::ZERO),
        ..darkslide_engine::BackupOptions::default()
    };
    let before = names(&world.store(0), "packs/");
    world.store(0).arm(Fault::PowerBefore(40));
    engine.backup(&often, &crate::harness::Quiet).unwrap_err();
    assert!(world.store(0).heal());
    let snapshots = engine.snapshots(Some(&me)).unwrap();
    let checkpoints = snapshots.iter().filter(|s| s.snapshot.as_ref().is_some_and(|s| !s.complete)).count();
    assert!(checkpoints >= 1, "{snapshots:?}");
    // New packs are named by a checkpoint's refs, and `latest` is still the whole one.
    assert!(names(&world.store(0), "packs/").len() > before.len());
    assert_eq!(audit(&engine, Some(&me)).damages(), 0);
    let plan = engine.restore_plan(&crate::harness::options("latest", &world.target("x")), Some(&me)).unwrap();
    let whole = engine.restore_plan(&crate::harness::options(first.as_str(), &world.target("x")), Some(&me)).unwrap();
    assert_eq!(plan.root, whole.root);
    engine.backup(&often, &crate::harness::Quiet).unwrap();
    restores(&engine, "latest", &world.target("latest"), &me, &tree(&world.library));
    assert_eq!(audit(&engine, Some(&me)).findings, []);
}
