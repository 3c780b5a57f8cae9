//! Whatever happens: the limit holds, the ledger is right, and it comes to an end.

use std::panic::{AssertUnwindSafe, catch_unwind};

use darkslide_catalog::{PackStep, ThawState};
use darkslide_store::{StoreError, ThawOutcome};
use darkslide_words::{Money, StorageClass, Tier};
use proptest::prelude::*;

use crate::cold::{Fault, HOUR};
use crate::drive::World;

#[derive(Debug, Clone)]
enum Event {
    Turn,
    Wait(u32),
    Fault(u64, Fault),
    Outcome(u8),
    Line(u64),
    Confirm,
}

fn event() -> impl Strategy<Value = Event> {
    let faults = vec![Fault::DieBefore, Fault::DieAfter, Fault::BreakBefore, Fault::BreakAfter];
    prop_oneof![
        6 => Just(Event::Turn),
        2 => (1u32..60).prop_map(Event::Wait),
        2 => (1u64..6, proptest::sample::select(faults)).prop_map(|(call, fault)| Event::Fault(call, fault)),
        1 => (0u8..4).prop_map(Event::Outcome),
        1 => (20_000u64..1_000_000_000).prop_map(Event::Line),
        1 => Just(Event::Confirm),
    ]
}

fn outcome(code: u8) -> Result<ThawOutcome, StoreError> {
    match code {
        0 => Ok(ThawOutcome::NoCapacity),
        1 => Ok(ThawOutcome::InProgress),
        2 => Err(StoreError::Busy { store: "s3".into(), what: "thawing".into() }),
        _ => Err(StoreError::Corrupted { store: "s3".into(), name: crate::drive::name(0) }),
    }
}

/// What can be thawed, at what.
fn kind() -> impl Strategy<Value = (StorageClass, Tier)> {
    proptest::sample::select(vec![
        (StorageClass::DeepArchive, Tier::Bulk),
        (StorageClass::DeepArchive, Tier::Standard),
        (StorageClass::Glacier, Tier::Standard),
        (StorageClass::Glacier, Tier::Expedited),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn no_more_is_asked_for_than_the_limit_allows(
        kind in kind(),
        packs in 1usize..6,
        size in 1u64..(2 << 30),
        percent in 100i64..260,
        events in proptest::collection::vec(event(), 1..60),
    ) {
        let mut world = World::new(packs, size, kind.0, kind.1);
        let total = world.plan().total();
        let limit = Money(total.0 * percent / 100);
        let id = world.begin(Some(limit));
        for event in events {
            match event {
                Event::Turn => {
                    let turn = catch_unwind(AssertUnwindSafe(|| world.turn(id)));
                    if !matches!(turn, Ok(Ok(_))) {
                        world.reopen();
                    }
                }
                Event::Wait(hours) => world.now = world.now.plus(HOUR * hours),
                Event::Fault(call, fault) => world.store.fail_at(call, fault),
                Event::Outcome(code) => world.store.answer([outcome(code)]),
                Event::Line(speed) => world.options.bandwidth = speed,
                Event::Confirm => {
                    let thaw = world.catalog().thaw(id).unwrap().unwrap();
                    if thaw.state == ThawState::Open {
                        let more = Money(thaw.quoted.0 * 3 / 2);
                        world.with(|executor| executor.confirm(id, more, Some(limit))).unwrap();
                    }
                }
            }
            let asked = world.store.bill();
            prop_assert!(asked <= limit.usd() + 1e-6, "asked for {asked}, limit {limit}");
            let rows = world.rows(id);
            let in_hand: Money = rows.iter().map(|row| row.pending).sum();
            let reserved: Money =
                rows.iter().filter(|row| matches!(row.step, PackStep::Asked | PackStep::Warm)).map(|row| row.fetch).sum();
            prop_assert!((world.spent(id) + in_hand).usd() + 1e-6 >= asked, "the ledger hides nothing");
            // Looks by listing are not held back: they are what tells that something is thawed.
            let looks = Money::from_usd(0.01);
            prop_assert!(world.spent(id) + in_hand + reserved <= limit + looks);
        }
    }
}
