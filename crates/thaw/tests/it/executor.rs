//! Each outcome, and what a user may do in between.

use darkslide_catalog::{PackStep, ThawId, ThawState};
use darkslide_store::{StoreError, ThawAsk, ThawOutcome};
use darkslide_thaw::{PlanError, Stop, ThawError, Warmed};
use darkslide_words::{Money, Readable, StorageClass, Tier, Time};

use crate::cold::{DAY, Fault, HOUR};
use crate::drive::{World, name};

const GIB: u64 = 1 << 30;

fn deep(packs: usize) -> World {
    World::new(packs, GIB, StorageClass::DeepArchive, Tier::Standard)
}

fn error(world: &World, transient: bool) -> StoreError {
    let (store, source) = (world.store.label.clone(), std::io::Error::other("no"));
    match transient {
        true => StoreError::Io { store, what: "thawing".into(), source },
        false => StoreError::Denied { store, name: "packs/…".into(), source },
    }
}

#[test]
fn beginning_asks_for_nothing_and_the_rows_hold_the_plan() {
    let world = deep(3);
    let id = world.begin(Some(Money::from_usd(9.0)));
    assert_eq!(world.store.asked(), (0, 0));
    let (row, plan) = (world.catalog().thaw(id).unwrap().unwrap(), world.plan());
    assert_eq!((row.state, row.quoted, row.tier, row.days), (ThawState::Open, plan.total(), Tier::Standard, 3));
    let progress = world.with(|executor| executor.progress(id, world.now)).unwrap();
    assert_eq!((progress.cold.packs.0, progress.next_step_at), (3, Some(world.now)));
    assert_eq!(progress.ready_about, Some(world.now.plus(HOUR * 12)));
    let unknown = world.with(|executor| executor.step(ThawId(77), world.now));
    assert!(matches!(unknown, Err(ThawError::NoSuchThaw { id: ThawId(77) })));
}

#[test]
fn each_outcome_becomes_one_step_and_one_amount() {
    let mut world = deep(6);
    let id = world.begin(None);
    let outcomes = [
        ThawOutcome::Started,
        ThawOutcome::Extended,
        ThawOutcome::InProgress,
        ThawOutcome::NotCold,
        ThawOutcome::NoCapacity,
        ThawOutcome::Missing,
    ];
    world.store.answer(outcomes.map(Ok));
    world.step(id);
    let rows = world.rows(id);
    let by_name = |n| rows.iter().position(|row| row.name == name(n)).unwrap();
    let order: Vec<usize> = (0..6).map(by_name).collect();
    assert_eq!(order, [0, 1, 2, 3, 4, 5], "asked for in the order of the names");
    let steps: Vec<PackStep> = rows.iter().map(|row| row.step).collect();
    use PackStep::{Asked, Cold, Failed, Warm};
    assert_eq!(steps, [Asked, Warm, Asked, Warm, Cold, Failed]);
    let plan = world.plan();
    assert_eq!(rows[0].cost, plan.packs[0].ask);
    assert!(rows[1].cost > Money::ZERO && rows[1].cost < rows[0].cost, "the request and the copy, no retrieval");
    assert_eq!(rows[1].until, Some(world.now.plus(DAY * 3)));
    assert!(rows[2..].iter().all(|row| row.cost == Money::ZERO && row.pending == Money::ZERO));
    assert!(rows[4].due > world.now && rows[4].note.contains("standard"), "{}", rows[4].note);
    assert!(rows[5].note.contains("not in the store"), "{}", rows[5].note);
    assert_eq!(world.catalog().pending_costs().unwrap(), Money::ZERO);
    // What had no capacity is asked for later, and not before.
    world.now = world.now.plus(HOUR / 6);
    world.step(id);
    assert_eq!(world.row(id, 4).step, Cold);
    world.now = world.now.plus(HOUR / 6);
    world.step(id);
    assert_eq!(world.row(id, 4).step, Asked);
}

#[test]
fn a_tier_that_one_pack_does_not_have_fails_that_pack_alone_and_costs_nothing() {
    let world = deep(2);
    let id = world.begin(None);
    world.store.answer([Ok(ThawOutcome::TierNotOffered)]);
    let progress = world.step(id);
    assert_eq!((progress.failed.packs.0, progress.asked.packs.0), (1, 1));
    let row = world.row(id, 0);
    assert_eq!((row.step, row.cost, row.pending), (PackStep::Failed, Money::ZERO, Money::ZERO));
    assert!(row.note.contains("thaw it at standard or bulk"), "{}", row.note);
    let looks = world.spent(id) - world.row(id, 1).cost;
    assert!(looks <= Money(10_000), "only the other one is paid for, and a listing: {looks}");
}

#[test]
fn a_refusal_fails_one_pack_and_can_be_tried_again() {
    let mut world = deep(2);
    let id = world.begin(None);
    world.store.answer([Err(error(&world, false))]);
    let progress = world.step(id);
    assert_eq!((progress.failed.packs.0, progress.asked.packs.0), (1, 1));
    assert!(progress.notes[0].contains(name(0).as_str()) && progress.notes[0].contains("refuses access"));
    assert_eq!(world.row(id, 0).cost, Money::ZERO);
    for _ in 0..40 {
        world.turn(id).unwrap();
    }
    assert_eq!(world.state(id), ThawState::Open, "not done while something failed");
    world.with(|executor| executor.retry(id, world.now)).unwrap();
    world.finish(id);
}

#[test]
fn what_only_somebody_can_mend_ends_the_step_and_fails_no_pack() {
    let mut world = deep(3);
    let id = world.begin(None);
    let (store, why, advice) = ("s3".to_string(), "has no credentials".to_string(), "set some".to_string());
    world.store.answer([Err(StoreError::Setup { store, why, advice })]);
    let failed = world.with(|executor| executor.step(id, world.now));
    assert!(matches!(failed, Err(ThawError::Store(StoreError::Setup { .. }))));
    assert!(world.rows(id).iter().all(|row| row.step == PackStep::Cold && row.pending == Money::ZERO));
    world.finish(id);
}

#[test]
fn a_store_that_gives_no_answer_is_left_alone_until_the_next_step() {
    let mut world = deep(5);
    let id = world.begin(None);
    world.store.answer([Err(error(&world, true))]);
    let progress = world.step(id);
    assert_eq!(world.store.asked().0, 0, "the one request that got no answer was the only one");
    assert_eq!((progress.asked.packs.0, progress.cold.packs.0), (1, 4));
    assert!(world.row(id, 0).pending > Money::ZERO, "set aside until it is known");
    assert!(world.row(id, 0).note.contains("looked up"));
    world.finish(id);
    assert!(world.store.begun().values().all(|times| *times == 1));
}

#[test]
fn a_listing_shows_what_needs_no_request() {
    let mut world = deep(4);
    let id = world.begin(None);
    let ask = ThawAsk { tier: Tier::Standard, days: Some(3), span: None };
    world.store.thaw_elsewhere(&name(0), &ask);
    world.store.reclass(&name(1), StorageClass::Standard);
    world.store.remove(&name(2));
    world.step(id);
    let steps: Vec<PackStep> = (0..4).map(|n| world.row(id, n).step).collect();
    assert_eq!(steps, [PackStep::Asked, PackStep::Warm, PackStep::Failed, PackStep::Asked]);
    assert_eq!(world.store.asked().0, 1, "only one had to be asked for");
    let place = world.catalog().place("s3", &name(0)).unwrap().unwrap();
    assert_eq!((place.readable, place.seen), (Readable::Thawing, world.now));
    world.now = world.now.plus(HOUR * 13);
    world.step(id);
    assert_eq!(world.row(id, 0).step, PackStep::Warm);
    let until = world.row(id, 0).until.unwrap();
    assert_eq!(world.catalog().place("s3", &name(0)).unwrap().unwrap().readable, Readable::Until(until));
}

#[test]
fn events_take_the_place_of_listings() {
    let mut world = deep(2);
    let id = world.begin(None);
    world.step(id);
    let lists = world.store.asked().1;
    world.now = world.now.plus(HOUR * 12);
    let until = Some(world.now.plus(DAY));
    let ready = [Warmed { store: "s3".into(), name: name(0), until }];
    let progress = world.with(|executor| executor.step_after_events(id, world.now, &ready)).unwrap();
    assert_eq!((progress.warm.packs.0, progress.asked.packs.0), (1, 1));
    assert_eq!((world.row(id, 0).until, world.store.asked().1), (until, lists), "nothing was listed");
    let elsewhere = [Warmed { store: "other".into(), name: name(1), until }];
    world.with(|executor| executor.step_after_events(id, world.now, &elsewhere)).unwrap();
    assert_eq!(world.row(id, 1).step, PackStep::Asked);
    let silent = [Warmed { store: "s3".into(), name: name(1), until: None }];
    world.with(|executor| executor.step_after_events(id, world.now, &silent)).unwrap();
    let row = world.row(id, 1);
    assert_eq!((row.step, row.until), (PackStep::Warm, row.asked.map(|asked| asked.plus(DAY * 3))));
}

#[test]
fn intelligent_tiering_comes_back_without_days() {
    let mut world = World::new(3, GIB, StorageClass::IntelligentTiering, Tier::Standard);
    let id = world.begin(None);
    world.step(id);
    assert!(world.rows(id).iter().all(|row| row.days.is_none() && row.step == PackStep::Asked));
    world.finish(id);
    assert!(world.rows(id).iter().all(|row| row.until.is_none()));
}

#[test]
fn a_copy_that_would_vanish_before_its_download_ends_stays_longer_for_the_price_of_a_request() {
    let mut world = deep(3);
    let id = world.begin(None);
    world.step(id);
    world.now = world.now.plus(HOUR * 12);
    world.step(id);
    // The line has become so slow that a pack takes 35 hours, and copies stay three days.
    world.options.bandwidth = GIB * 8 / (35 * 3600);
    let bill = world.store.bill();
    world.step(id);
    let rows = world.rows(id);
    assert_eq!(rows.iter().map(|row| row.extensions).sum::<u32>(), 1, "the third would not make it");
    let one = world.store.bill() - bill;
    assert!(one < 0.02, "no retrieval: {one}");
    assert!(rows.iter().all(|row| row.step == PackStep::Warm));
    let quoted = world.plan().total();
    let more = Money(quoted.0 * 2);
    world.with(|executor| executor.confirm(id, more, None)).unwrap();
    world.finish(id);
    assert!(world.store.begun().values().all(|times| *times == 1), "nothing was thawed twice");
    assert!((world.thawing_paid() - world.store.bill()).abs() < 1e-7);
}

#[test]
fn whoever_does_not_come_for_a_copy_does_not_pay_for_it_for_ever() {
    let mut world = deep(1);
    let id = world.begin(None);
    for _ in 0..200 {
        let progress = world.step(id);
        world.now = progress.next_step_at.unwrap_or(world.now).max(world.now);
        if progress.stop.is_some() {
            break;
        }
    }
    let progress = world.step(id);
    assert!(matches!(progress.stop, Some(Stop::Dearer { .. })), "{progress}");
    assert_eq!(world.row(id, 0).step, PackStep::Cold);
    assert!(progress.notes.iter().any(|note| note.contains("vanished before it was downloaded")), "{progress}");
    assert_eq!(world.store.begun()[&name(0)], 1);
    assert!(world.row(id, 0).extensions <= 2);
    assert!((world.thawing_paid() - world.store.bill()).abs() < 1e-7);
}

#[test]
fn cancelling_asks_for_nothing_more_and_says_what_was_paid() {
    let mut world = deep(3);
    let id = world.begin(None);
    world.store.answer([Ok(ThawOutcome::Started), Ok(ThawOutcome::NoCapacity), Ok(ThawOutcome::NoCapacity)]);
    world.step(id);
    let cancelled = world.with(|executor| executor.cancel(id, world.now)).unwrap();
    assert_eq!((cancelled.paid, cancelled.thawed.packs.0), (world.spent(id), 1));
    assert_eq!(cancelled.gone_by, Some(world.now.plus(HOUR * 12 + DAY * 4)));
    let text = cancelled.to_string();
    assert!(text.contains("Nothing more is asked for") && text.contains("vanish by themselves"), "{text}");
    let asked = world.store.asked();
    world.now = world.now.plus(DAY);
    let progress = world.step(id);
    assert_eq!((world.store.asked(), progress.next_step_at), (asked, None));
    assert_eq!(world.state(id), ThawState::Cancelled);
    let again = world.with(|executor| executor.confirm(id, Money(1), None));
    assert!(matches!(again, Err(ThawError::Ended { state: "cancelled", .. })));
    // A request without an answer counts as paid.
    let lost = deep(1);
    let id = lost.begin(None);
    lost.store.answer([Err(error(&lost, true))]);
    lost.step(id);
    let cancelled = lost.with(|executor| executor.cancel(id, lost.now)).unwrap();
    assert!(cancelled.paid >= lost.plan().packs[0].ask);
    assert_eq!(lost.catalog().pending_costs().unwrap(), Money::ZERO);
}

#[test]
fn an_upgrade_asks_again_at_the_faster_tier_and_is_quoted_first() {
    let mut world = World::new(3, GIB, StorageClass::DeepArchive, Tier::Bulk);
    let id = world.begin(None);
    world.store.answer([Ok(ThawOutcome::NoCapacity)]);
    world.step(id);
    let slower = world.with(|executor| executor.upgrade_quote(id, Tier::Bulk, world.now));
    assert!(matches!(slower, Err(ThawError::NotFaster { .. })));
    let refused = world.with(|executor| executor.upgrade_quote(id, Tier::Expedited, world.now));
    assert!(matches!(refused, Err(ThawError::Plan(PlanError::TierNotOffered { .. }))));
    let upgrade = world.with(|executor| executor.upgrade_quote(id, Tier::Standard, world.now)).unwrap();
    assert_eq!((upgrade.again.0, upgrade.later.0), (2, 1));
    let copy = 0.023 * 3.0 / 30.0;
    assert!((upgrade.quote.total().usd() - (3.0 * 0.0201 + copy)).abs() < 1e-7, "{upgrade}");
    assert_eq!(world.store.asked().0, 2, "a quote asks for nothing");
    let total = upgrade.quote.total();
    let dearer = world.with(|executor| executor.upgrade(id, Tier::Standard, total - Money(1), world.now));
    assert!(matches!(dearer, Err(ThawError::UpgradeDearer { .. })));

    let bill = world.store.bill();
    world.now = world.now.plus(HOUR);
    let progress = world.with(|executor| executor.upgrade(id, Tier::Standard, total, world.now)).unwrap();
    assert_eq!(progress.stop, None);
    assert!((world.store.bill() - bill - total.usd()).abs() < 1e-7);
    assert!(world.rows(id).iter().all(|row| row.step == PackStep::Asked && row.tier == Tier::Standard));
    assert_eq!(progress.ready_about, Some(world.now.plus(HOUR * 12)));
    world.finish(id);
    assert!((world.thawing_paid() - world.store.bill()).abs() < 1e-7);
}

#[test]
fn an_upgrade_that_passes_the_limit_or_is_unsure_does_not_begin() {
    let world = World::new(1, GIB, StorageClass::DeepArchive, Tier::Bulk);
    let id = world.begin(Some(world.plan().total()));
    world.step(id);
    let all = Money::from_usd(99.0);
    let over = world.with(|executor| executor.upgrade(id, Tier::Standard, all, world.now));
    assert!(matches!(over, Err(ThawError::OverBudget(_))), "{over:?}");
    assert_eq!(world.catalog().thaw(id).unwrap().unwrap().tier, Tier::Bulk);

    let mut unsure = World::new(1, GIB, StorageClass::DeepArchive, Tier::Bulk);
    unsure.store.with_bulk = true;
    let id = unsure.begin(None);
    unsure.store.fail_at(2, crate::cold::Fault::BreakAfter);
    unsure.step(id);
    assert_eq!(unsure.row(id, 0).step, PackStep::Asking);
    // The listing tells what became of it, and the upgrade goes through.
    unsure.now = unsure.now.plus(HOUR);
    unsure.with(|executor| executor.upgrade(id, Tier::Standard, all, unsure.now)).unwrap();
    assert_eq!((unsure.row(id, 0).step, unsure.row(id, 0).tier), (PackStep::Asked, Tier::Standard));
    unsure.finish(id);
}

#[test]
fn a_bulk_job_that_fails_is_told_and_not_made_again_by_itself() {
    let mut world = World::new(1_000, 1 << 20, StorageClass::DeepArchive, Tier::Bulk);
    world.store.with_bulk = true;
    world.options.bulk.insert("s3".into());
    world.at_once = 1_000;
    let id = world.begin(Some(world.plan().total()));
    let progress = world.step(id);
    assert_eq!((progress.asked.packs.0, world.store.jobs()), (1_000, 1));
    assert!(world.rows(id).iter().all(|row| row.step == PackStep::Asking));
    world.store.fail_jobs();
    world.now = world.now.plus(HOUR);
    let progress = world.step(id);
    assert_eq!(progress.failed.packs.0, 1_000);
    assert!(progress.notes.len() <= 21 && progress.notes[0].contains("bulk job"), "{progress}");
    assert!(progress.notes[0].contains("may not read the manifest"), "{progress}");
    assert_eq!(world.store.jobs(), 1);
    // Tried again, it is a job of its own, whose fee has to fit too.
    world.with(|executor| executor.retry(id, world.now)).unwrap();
    assert!(matches!(world.step(id).stop, Some(Stop::Dearer { .. })), "a second fee was not confirmed");
    let more = Money(world.plan().total().0 * 2);
    world.with(|executor| executor.confirm(id, more, None)).unwrap();
    world.finish(id);
    assert_eq!(world.store.jobs(), 2);
    assert!(world.store.begun().values().all(|times| *times == 1));
}

#[test]
fn a_request_whose_answer_was_lost_counts_as_paid_when_the_thaw_turns_out_to_be_under_way() {
    let world = deep(1);
    let id = world.begin(None);
    world.store.answer([Err(error(&world, true))]);
    world.step(id);
    // The listing does not show it yet; asked for again, it is under way.
    world.store.answer([Ok(ThawOutcome::InProgress)]);
    world.step(id);
    let row = world.row(id, 0);
    assert_eq!((row.step, row.cost), (PackStep::Asked, world.plan().packs[0].ask));
}

/// A pack whose request breaks after it was made; then nobody looks for a week.
fn unseen(world: &mut World, id: ThawId, ask: impl FnOnce(&World)) {
    ask(world);
    assert_eq!(world.row(id, 0).step, PackStep::Asking);
    let owed = (world.thawing_paid(), world.store.bill());
    assert!(owed.0 + 1e-8 < owed.1, "the answer is open: {owed:?}");
    world.now = world.now.plus(DAY * 7);
    world.with(|executor| executor.confirm(id, Money::from_usd(1.0), None)).unwrap();
    world.step(id);
    assert!(
        (world.thawing_paid() - world.store.bill()).abs() < 1e-7,
        "{} {}",
        world.thawing_paid(),
        world.store.bill()
    );
}

#[test]
fn a_thawed_copy_that_came_and_vanished_unseen_is_in_the_ledger() {
    let mut asked = deep(1);
    let id = asked.begin(None);
    unseen(&mut asked, id, |world| {
        world.store.fail_at(2, Fault::BreakAfter);
        world.step(id);
    });
    assert_eq!((asked.row(id, 0).step, asked.store.begun()[&name(0)]), (PackStep::Asked, 2), "asked for again");
    asked.finish(id);

    let mut longer = deep(1);
    let id = longer.begin(None);
    longer.step(id);
    longer.now = longer.now.plus(HOUR * 12);
    longer.options.bandwidth = GIB * 8 / (100 * 3600);
    unseen(&mut longer, id, |world| {
        world.store.fail_at(2, Fault::BreakAfter);
        world.step(id);
    });

    let mut faster = World::new(1, GIB, StorageClass::DeepArchive, Tier::Bulk);
    let id = faster.begin(None);
    faster.step(id);
    unseen(&mut faster, id, |world| {
        let upgrade = world.with(|executor| executor.upgrade_quote(id, Tier::Standard, world.now)).unwrap();
        world.store.fail_at(2, Fault::BreakAfter);
        world.with(|executor| executor.upgrade(id, Tier::Standard, upgrade.quote.total(), world.now)).unwrap();
    });
}

#[test]
fn a_lost_request_that_can_still_be_told_from_none_is_not_charged() {
    let mut world = deep(1);
    let id = world.begin(None);
    world.store.fail_at(2, Fault::BreakBefore);
    world.step(id);
    assert_eq!(world.row(id, 0).step, PackStep::Asking);
    world.now = world.now.plus(DAY * 2);
    world.step(id);
    assert_eq!(world.store.begun()[&name(0)], 1);
    assert!((world.thawing_paid() - world.store.bill()).abs() < 1e-7, "asked for once, paid once");
}

/// A thaw at bulk of which the request to hurry arrives and its answer does not; asking again ends with `next`.
fn hurried(next: Result<ThawOutcome, StoreError>) -> (World, ThawId) {
    let world = World::new(1, GIB, StorageClass::DeepArchive, Tier::Bulk);
    let id = world.begin(None);
    world.step(id);
    let upgrade = world.with(|executor| executor.upgrade_quote(id, Tier::Standard, world.now)).unwrap();
    world.store.fail_at(2, Fault::BreakAfter);
    world.with(|executor| executor.upgrade(id, Tier::Standard, upgrade.quote.total(), world.now)).unwrap();
    world.store.answer([next]);
    // Some refusals end the step.
    let _ = world.with(|executor| executor.step(id, world.now));
    assert_eq!(world.row(id, 0).step, PackStep::Asked, "it is under way");
    world.with(|executor| executor.confirm(id, Money::from_usd(1.0), None)).unwrap();
    (world, id)
}

#[test]
fn hurrying_whose_answer_was_lost_is_paid_however_asking_again_ends() {
    let refused = |n: u32| -> Result<ThawOutcome, StoreError> {
        let (store, source) = ("s3".to_string(), std::io::Error::other("no"));
        match n {
            0 => Err(StoreError::Busy { store, what: "thawing".into() }),
            1 => Err(StoreError::Denied { store, name: "packs/…".into(), source }),
            2 => Err(StoreError::Setup { store, why: "no role".into(), advice: "make one".into() }),
            3 => Ok(ThawOutcome::NoCapacity),
            4 => Ok(ThawOutcome::TierNotOffered),
            _ => Ok(ThawOutcome::HeldBack { until: Time(0) }),
        }
    };
    for n in 0..6 {
        for (away, by_event) in [(HOUR * 13, false), (HOUR * 13, true), (DAY * 7, false)] {
            let (mut world, id) = hurried(refused(n));
            world.now = world.now.plus(away);
            let came = Warmed { store: "s3".into(), name: name(0), until: None };
            match by_event {
                true => world.with(|executor| executor.step_after_events(id, world.now, &[came])).unwrap(),
                false => world.step(id),
            };
            assert!((world.thawing_paid() - world.store.bill()).abs() < 1e-7, "{n} {away:?} {by_event}");
        }
        let (world, id) = hurried(refused(n));
        world.store.remove(&name(0));
        world.step(id);
        assert_eq!(world.row(id, 0).step, PackStep::Failed);
        assert!((world.thawing_paid() - world.store.bill()).abs() < 1e-7, "{n}, and gone");
    }
    let (mut world, id) = hurried(refused(0));
    world.now = world.now.plus(HOUR);
    world.store.answer([Ok(ThawOutcome::Missing)]);
    world.step(id);
    assert_eq!(world.row(id, 0).step, PackStep::Failed);
    assert!((world.thawing_paid() - world.store.bill()).abs() < 1e-7, "missing");
}

#[test]
fn a_pack_that_is_gone_before_its_lost_answer_was_looked_up_counts_as_paid() {
    let world = deep(1);
    let id = world.begin(None);
    world.store.fail_at(2, Fault::BreakAfter);
    world.step(id);
    world.store.remove(&name(0));
    world.step(id);
    assert_eq!(world.row(id, 0).step, PackStep::Failed);
    assert!((world.thawing_paid() - world.store.bill()).abs() < 1e-7);
    assert_eq!(world.catalog().pending_costs().unwrap(), Money::ZERO);
}

#[test]
fn a_wave_waits_while_the_download_before_it_is_late() {
    let mut world = World::new(2, GIB, StorageClass::Glacier, Tier::Standard);
    world.options.days = 4;
    world.options.bandwidth = GIB * 8 / (2 * 24 * 3600);
    let id = world.begin(None);
    assert_eq!(world.plan().waves.len(), 2);
    let due = world.row(id, 1).due;
    assert!(due > world.now.plus(DAY * 2) && due < world.now.plus(DAY * 3));
    world.step(id);
    // Nobody downloads: the second wave is due, and would only vanish.
    world.now = due;
    world.step(id);
    assert_eq!((world.row(id, 0).step, world.row(id, 1).step), (PackStep::Warm, PackStep::Cold));
    assert!(world.row(id, 1).due > due);
    world.with(|executor| executor.verified(id, &[name(0)], world.now)).unwrap();
    world.now = world.row(id, 1).due;
    world.step(id);
    assert_eq!(world.row(id, 1).step, PackStep::Asked);
}

#[test]
fn a_store_that_is_not_configured_is_named() {
    let mut world = deep(1);
    world.store.label = "elsewhere".into();
    let refused = world.with(|executor| executor.begin(&world.plan(), "{}", None, world.now));
    assert!(matches!(refused, Err(ThawError::UnknownStore { store }) if store == "s3"));
    assert_eq!(world.catalog().ledger(Time(0)).unwrap(), []);
}
