//! A process that is killed, or a connection that breaks, at every call and at every write.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::time::Duration;

use darkslide_catalog::{ThawId, ThawState};
use darkslide_words::{StorageClass, Tier};

use crate::cold::Fault;
use crate::drive::World;

const MIB64: u64 = 64 << 20;

/// Goes on after whatever goes wrong, as a scheduler would.
fn live_through(world: &mut World, id: ThawId) {
    for _ in 0..2_000 {
        let turn = catch_unwind(AssertUnwindSafe(|| world.turn(id)));
        match turn {
            Ok(Ok(progress)) => assert_eq!(progress.stop, None, "{progress}"),
            _ => world.reopen(),
        }
        if world.state(id) == ThawState::Done {
            return;
        }
    }
    panic!("no end in sight: {}", world.step(id));
}

/// Everything came, nothing was thawed twice, and the ledger does not hide a cent.
fn check(world: &World, id: ThawId, when: &str) {
    assert_eq!(world.state(id), ThawState::Done, "{when}");
    let begun = world.store.begun();
    assert_eq!(begun.len(), world.needs.len(), "{when}");
    assert!(begun.values().all(|times| *times == 1), "thawed twice: {when} {begun:?}");
    let (paid, bill) = (world.thawing_paid(), world.store.bill());
    // Amounts are rounded down to the billionth, pack by pack.
    let rounding = 4e-9 * world.needs.len() as f64;
    assert!((bill - paid).abs() < rounding, "{when}: ledger {paid}, bill {bill}");
    assert!(world.spent(id) <= world.plan().total(), "{when}: {}", world.spent(id));
    assert_eq!(world.catalog().pending_costs().unwrap().0, 0, "{when}");
}

/// Power cuts are meant to happen; other panics are told as ever.
fn quietly() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref::<&str>() != Some(&"power cut") {
                usual(info);
            }
        }));
    });
}

fn every_call(fault: Fault, make: impl Fn() -> World) {
    quietly();
    for call in 1.. {
        let mut world = make();
        let id = world.begin(None);
        world.store.fail_at(call, fault);
        live_through(&mut world, id);
        if !world.store.fault_is_over() {
            assert!(call > 5, "the faults hit something");
            return;
        }
        check(&world, id, &format!("{fault:?} at call {call}"));
    }
}

const FAULTS: [Fault; 4] = [Fault::DieBefore, Fault::DieAfter, Fault::BreakBefore, Fault::BreakAfter];

#[test]
fn singly_asked_for() {
    for fault in FAULTS {
        every_call(fault, || World::new(2, MIB64, StorageClass::DeepArchive, Tier::Bulk));
    }
}

#[test]
fn in_several_waves() {
    for fault in FAULTS {
        every_call(fault, || {
            let mut world = World::new(3, MIB64, StorageClass::Glacier, Tier::Expedited);
            world.options.bandwidth = 5_000;
            world.options.days = 2;
            assert_eq!(world.plan().waves.len(), 3);
            world
        });
    }
}

#[test]
fn by_a_bulk_job() {
    for fault in FAULTS {
        every_call(fault, || {
            let mut world = World::new(1_000, 1 << 20, StorageClass::DeepArchive, Tier::Bulk);
            world.store.with_bulk = true;
            world.at_once = 1_000;
            world.store.delay = Some(Duration::from_secs(3600));
            world.store.jobs_take(2);
            world.options.bulk.insert("s3".into());
            world.options.bandwidth = 100_000_000_000;
            world
        });
    }
}

/// Makes the n-th row written from now on fail, and with it its transaction.
fn fail_write(world: &World, n: u32) -> rusqlite::Connection {
    let conn = rusqlite::Connection::open(world.path()).unwrap();
    let trigger = |event: &str| {
        format!(
            "CREATE TRIGGER cut_{} BEFORE {event} BEGIN UPDATE cut SET n = n - 1;
             SELECT RAISE(ABORT, 'power cut') WHERE (SELECT n FROM cut) = 0; END;",
            event.replace(' ', "_")
        )
    };
    let triggers: String = ["INSERT ON thaw_packs", "INSERT ON ledger", "UPDATE ON thaws", "INSERT ON places"]
        .into_iter()
        .map(trigger)
        .collect();
    conn.execute_batch(&format!("CREATE TABLE cut (n INTEGER); INSERT INTO cut VALUES ({n}); {triggers}")).unwrap();
    conn
}

#[test]
fn at_every_write_of_the_catalog() {
    for n in 1.. {
        let mut world = World::new(2, MIB64, StorageClass::DeepArchive, Tier::Standard);
        let id = world.begin(None);
        let conn = fail_write(&world, n);
        let mut failed = false;
        while !failed && world.state(id) != ThawState::Done {
            failed = world.turn(id).is_err();
        }
        conn.execute_batch(
            "DROP TRIGGER cut_INSERT_ON_thaw_packs; DROP TRIGGER cut_INSERT_ON_ledger; DROP TRIGGER cut_UPDATE_ON_thaws;
             DROP TRIGGER cut_INSERT_ON_places; DROP TABLE cut;",
        )
        .unwrap();
        if !failed {
            assert!(n > 20, "the faults hit something");
            return;
        }
        world.finish(id);
        check(&world, id, &format!("write {n}"));
    }
}
