//! Limits: reached exactly, missed by a cent, of a month; what is dearer than confirmed.

use darkslide_catalog::{LedgerRow, PackStep, ThawState};
use darkslide_price::PriceTable;
use darkslide_thaw::{Limit, OverBudget, Stop, ThawError};
use darkslide_words::{Money, StorageClass, Tier, Time};

use crate::drive::{World, name};

const GIB: u64 = 1 << 30;
const CENT: Money = Money(10_000_000);

fn world() -> World {
    let mut world = World::new(6, 20 * GIB, StorageClass::DeepArchive, Tier::Standard);
    world.options.bandwidth = 10_000_000_000;
    world
}

/// Somebody else's bill in this month.
fn spend(world: &World, at: Time, money: Money) {
    let (quoted, actual) = (money, money);
    let row = LedgerRow { at, kind: "backup".into(), reference: "run 1".into(), what: "x".into(), quoted, actual };
    world.catalog().add_ledger(&row).unwrap();
}

#[test]
fn a_limit_that_is_reached_exactly_is_enough() {
    let mut world = world();
    let total = world.plan().total();
    let id = world.begin(Some(total));
    world.finish(id);
    assert_eq!(world.state(id), ThawState::Done);
    assert!(world.spent(id) <= total);
    assert!(world.spent(id) > total - CENT, "what was quoted is what it costs: {} {total}", world.spent(id));
}

#[test]
fn a_limit_that_is_a_cent_short_begins_nothing() {
    let world = world();
    let total = world.plan().total();
    let refused = world.with(|executor| executor.begin(&world.plan(), "{}", Some(total - CENT), world.now));
    let Err(ThawError::OverBudget(over)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(over, OverBudget { which: Limit::Run, limit: total - CENT, spent: Money::ZERO, needed: total });
    assert_eq!(world.catalog().thaws().unwrap(), []);
    assert_eq!(world.store.asked(), (0, 0));
}

#[test]
fn the_limit_for_a_run_holds_without_being_asked_for_and_the_lower_one_counts() {
    let mut world = world();
    let total = world.plan().total();
    world.budget.per_run = Some(total - CENT);
    let refused = world.with(|executor| executor.begin(&world.plan(), "{}", Some(total + CENT), world.now));
    assert!(matches!(refused, Err(ThawError::OverBudget(OverBudget { which: Limit::Run, .. }))));
    world.budget.per_run = Some(total);
    let id = world.begin(Some(total + total));
    assert_eq!(world.catalog().thaw(id).unwrap().unwrap().max_cost, Some(total));
}

#[test]
fn a_limit_lowered_on_the_way_stops_before_the_request_that_would_pass_it() {
    let mut world = world();
    let id = world.begin(None);
    let one = world.plan().packs[0].ask + world.plan().packs[0].fetch;
    let quoted = world.catalog().thaw(id).unwrap().unwrap().quoted;
    let limit = Money(one.0 * 4 + one.0 / 2);
    world.with(|executor| executor.confirm(id, quoted, Some(limit))).unwrap();
    let progress = world.step(id);
    assert_eq!((progress.asked.packs.0, progress.cold.packs.0), (4, 2));
    let Some(Stop::OverBudget(over)) = progress.stop else {
        panic!("{progress}");
    };
    assert_eq!((over.which, over.limit, over.needed), (Limit::Run, limit, one));
    assert_eq!(world.store.asked().0, 4, "no request went out for the others");
    // What was paid for is downloaded all the same, within the limit.
    for _ in 0..50 {
        world.turn(id).unwrap();
    }
    assert_eq!(world.step(id).verified.packs.0, 4);
    assert!(world.spent(id) <= limit);
    // Somebody raises it.
    world.with(|executor| executor.confirm(id, quoted, None)).unwrap();
    world.finish(id);
    assert!(world.store.begun().values().all(|times| *times == 1));
}

#[test]
fn the_month_counts_everything_in_the_ledger_and_nothing_of_the_month_before() {
    let mut world = world();
    let total = world.plan().total();
    let month = Time::from_compact("20260901T000000.000Z").unwrap();
    spend(&world, Time(month.0 - 1), Money::from_usd(1000.0));
    spend(&world, month, Money::from_usd(3.0));
    world.budget.per_month = Some(total + Money::from_usd(3.0) - Money(1));
    let refused = world.with(|executor| executor.begin(&world.plan(), "{}", None, world.now));
    let Err(ThawError::OverBudget(over)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!((over.which, over.spent, over.needed), (Limit::Month, Money::from_usd(3.0), total));

    world.budget.per_month = Some(total + Money::from_usd(3.0));
    let id = world.begin(None);
    // In the meantime something else is paid, as much as one pack costs.
    let one = world.plan().packs[0].ask + world.plan().packs[0].fetch;
    spend(&world, world.now, one);
    let progress = world.step(id);
    assert_eq!((progress.asked.packs.0, progress.cold.packs.0), (5, 1));
    assert!(matches!(progress.stop, Some(Stop::OverBudget(OverBudget { which: Limit::Month, .. }))), "{progress}");
    // In the next month there is money again.
    world.now = Time::from_compact("20261001T000000.000Z").unwrap();
    world.budget.per_month = Some(total + total);
    let quoted = Money(total.0 * 3);
    world.with(|executor| executor.confirm(id, quoted, None)).unwrap();
    world.finish(id);
}

#[test]
fn what_became_dearer_is_not_asked_for_until_it_is_confirmed() {
    let mut world = world();
    let id = world.begin(None);
    let confirmed = world.plan().total();
    let table = include_str!("../../../price/data/aws.toml")
        .replace("retrieve.standard = 0.02 #", "retrieve.standard = 0.05 #");
    let dearer = PriceTable::parse(&table).unwrap().region("us-east-1").unwrap();
    assert_ne!(dearer, world.prices["s3"], "the price did change");
    world.prices.insert("s3".into(), dearer);
    let progress = world.step(id);
    let Some(Stop::Dearer { confirmed: was, now }) = progress.stop.clone() else {
        panic!("{progress}");
    };
    assert_eq!(was, confirmed);
    assert!((now.usd() - confirmed.usd() - 120.0 * 0.03).abs() < 0.01, "{now}");
    assert_eq!(world.store.asked().0, 0);
    assert!(progress.to_string().contains("confirm the new amount"), "{progress}");
    assert_eq!(progress.next_step_at, None, "nothing is to be done until somebody confirms");
    world.with(|executor| executor.confirm(id, now, None)).unwrap();
    world.finish(id);
    assert!(world.spent(id) <= now + CENT);
}

#[test]
fn objects_that_moved_to_another_class_are_quoted_anew_before_the_first_request() {
    let mut world = World::new(2, 20 * GIB, StorageClass::Glacier, Tier::Bulk);
    world.options.bandwidth = 10_000_000_000;
    let id = world.begin(None);
    world.store.reclass(&name(0), StorageClass::DeepArchive);
    let progress = world.step(id);
    assert!(matches!(progress.stop, Some(Stop::Dearer { .. })), "{progress}");
    assert_eq!(world.row(id, 0).class, StorageClass::DeepArchive);
    assert_eq!(world.store.asked().0, 0);
}

#[test]
fn the_ledger_has_an_entry_for_all_that_was_spent() {
    let mut world = world();
    let id = world.begin(None);
    world.finish(id);
    let ledger = world.catalog().ledger(Time(0)).unwrap();
    let of = |kind: &str| ledger.iter().filter(|row| row.kind == kind).count();
    assert_eq!((of("thaw"), of("download")), (6, 6));
    assert!(of("look") > 1);
    assert!(ledger.iter().all(|row| row.reference == format!("thaw {id}") && row.quoted >= row.actual));
    assert_eq!(ledger.iter().map(|row| row.actual).sum::<Money>(), world.spent(id));
    assert_eq!(world.catalog().spent(Time(0)).unwrap(), world.spent(id));
    // Told twice, paid once.
    let spent = world.spent(id);
    world.with(|executor| executor.downloaded(id, &[name(0)], world.now)).unwrap();
    world.with(|executor| executor.verified(id, &[name(0)], world.now)).unwrap();
    assert_eq!(world.spent(id), spent);
    assert!(world.rows(id).iter().all(|row| row.step == PackStep::Verified && row.cost > Money::ZERO));
}
