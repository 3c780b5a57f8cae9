//! Several stores, each a full copy; and several machines at once.

use darkslide_engine::{BackupOptions, Founder, JoinWith};
use darkslide_store::{Fault, Store as _};

use crate::harness::{World, audit, backup, identity, names, noise, restores, same, tree, try_backup};

#[test]
fn a_store_that_was_away_is_brought_up() {
    let world = World::empty();
    world.write("a.CR3", &noise(1, 500_000));
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 2).unwrap();
    backup(&engine);
    world.unplug(1);
    world.write("b.CR3", &noise(2, 500_000));
    let done = try_backup(&world.engine()).unwrap().done;
    assert_eq!(done.behind.len(), 1, "{:?}", done.behind);
    assert_eq!(names(&world.store(1), "snapshots/").len(), 1);
    world.plug(1);
    world.write("c.CR3", &noise(3, 500_000));
    let done = backup(&world.engine());
    assert!(done.replicated.objects.0 >= 3, "{:?}", done.replicated);
    assert_eq!(names(&world.store(0), ""), names(&world.store(1), ""));
    // Either one alone is enough.
    world.unplug(0);
    restores(&world.engine(), "latest", &world.target("out"), &me, &tree(&world.library));
    world.plug(0);
    assert_eq!(audit(&world.engine(), Some(&me)).findings, []);
}

#[test]
fn a_store_that_fails_on_the_way_gets_no_snapshot() {
    let world = World::empty();
    world.write("a.CR3", &noise(1, 500_000));
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 2).unwrap();
    world.store(1).arm(Fault::FullAt(1));
    let done = try_backup(&engine).unwrap().done;
    world.store(1).heal();
    assert_eq!(done.behind.len(), 1);
    assert_eq!(names(&world.store(1), "snapshots/").len(), 0, "a snapshot without its packs");
    backup(&world.engine());
    assert_eq!(names(&world.store(0), ""), names(&world.store(1), ""));
    world.unplug(0);
    restores(&world.engine(), "latest", &world.target("out"), &me, &tree(&world.library));
}

#[test]
fn a_damaged_object_is_not_spread() {
    let world = World::empty();
    world.write("a.CR3", &noise(1, 500_000));
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 2).unwrap();
    backup(&engine);
    let pack = names(&world.store(0), "packs/")[0].clone();
    world.store(0).inner().damage(&pack, |bytes| bytes[1000] ^= 1);
    world.store(1).inner().delete(&pack).unwrap();
    let done = try_backup(&world.engine()).unwrap().done;
    assert!(done.behind.iter().any(|(_, reason)| reason.contains("damaged")), "{:?}", done.behind);
    assert!(names(&world.store(1), "packs/").iter().all(|n| *n != pack));
    // Snapshots that do not need it reach the second store all the same.
    std::fs::remove_file(world.library.join("a.CR3")).unwrap();
    world.write("b.CR3", &noise(2, 500_000));
    try_backup(&world.engine()).unwrap();
    try_backup(&world.engine()).unwrap();
    let (first, second) = (names(&world.store(0), "snapshots/").len(), names(&world.store(1), "snapshots/").len());
    assert!(second >= first - 2, "{second} of {first}");
}

#[test]
fn a_pack_is_read_from_the_store_that_has_it_whole() {
    let world = World::empty();
    world.write("a.CR3", &noise(1, 500_000));
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 2).unwrap();
    backup(&engine);
    let pack = names(&world.store(0), "packs/")[0].clone();
    world.store(0).inner().delete(&pack).unwrap();
    restores(&engine, "latest", &world.target("out"), &me, &tree(&world.library));
}

#[test]
fn several_machines_write_at_once_and_share_chunks() {
    let world = World::empty();
    for n in 0..6 {
        world.write(&format!("IMG_{n}.CR3"), &noise(n, 1_500_000));
    }
    let me = identity();
    let first = world.init(Founder::Identity(same(&me)), 1).unwrap();
    let second = world.join("second", JoinWith::Identity(same(&me))).unwrap();
    std::thread::scope(|scope| {
        for engine in [&first, &second] {
            scope.spawn(move || {
                for _ in 0..3 {
                    let options = BackupOptions { host: "somewhere".into(), ..BackupOptions::default() };
                    engine.backup(&options, &crate::harness::Quiet).unwrap();
                }
            });
        }
    });
    let wanted = tree(&world.library);
    for snapshot in first.snapshots(Some(&me)).unwrap() {
        let out = world.target(&snapshot.name.as_str().replace('/', "_"));
        restores(&first, snapshot.name.as_str(), &out, &me, &wanted);
    }
    assert_eq!(audit(&first, Some(&me)).findings, []);
    // A third machine finds everything stored already.
    let third = world.join("third", JoinWith::Identity(same(&me))).unwrap();
    assert!(backup(&third).done.counts.stored_bytes.0 < 30_000);
}
