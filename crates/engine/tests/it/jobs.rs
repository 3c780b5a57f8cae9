//! Jobs as runs: what counts as done, what failed before it began, what met somebody else's run.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use darkslide_catalog::{Catalog, RunEnd, RunStart};
use darkslide_engine::words::{Bytes, Clock as _, Count, Money, OsRng, Time};
use darkslide_engine::{
    EngineError, Founder, JobMeans, RunOrigin, RunOutcome, RunStop, StartedBy, ThawOptions, words::Tier,
};

use darkslide_format::identity::IdentityFile;

use crate::harness::{Quiet, World, backup, identity, same};

const DAY: Duration = Duration::from_secs(86_400);

fn world(jobs: &str) -> World {
    world_of(&identity(), jobs)
}

fn world_of(owner: &IdentityFile, jobs: &str) -> World {
    let world = World::empty();
    world.write("a.jpg", b"photograph");
    world.init(Founder::Identity(same(owner)), 2).unwrap();
    let text = fs::read_to_string(&world.config).unwrap();
    fs::write(&world.config, format!("{text}\n{jobs}")).unwrap();
    world
}

fn row(world: &World, kind: &str, slot: Time, outcome: RunOutcome) {
    let catalog = Catalog::open(&world.engine().settings().state_dir().join("catalog.sqlite")).unwrap();
    let at = world.clock.now();
    let (job, task) = ("repository".to_string(), Some("clean".to_string()));
    let start =
        RunStart { job, task, kind: kind.into(), at, origin: RunOrigin::Schedule, slot: Some(slot), cause: None };
    let run = catalog.begin_run(&start).unwrap();
    let (files, bytes, money, warnings) = (Count(0), Bytes(0), Money::ZERO, Count(0));
    catalog.end_run(run, at, &RunEnd { outcome, summary: String::new(), files, bytes, money, warnings }).unwrap();
}

#[test]
fn forget_and_prune_is_done_when_the_prune_is() {
    let world = world(
        "[[job]]\nname = \"clean\"\nkind = \"forget+prune\"\nschedule = \"daily 02:00\"\n\
         [[job]]\nname = \"next\"\nkind = \"audit\"\nafter = \"clean\"\n",
    );
    let due = |world: &World| {
        let plans = world.engine().job_plans(&BTreeSet::new(), b"seed").unwrap();
        let due = |n: usize| plans[n].decision.due;
        (due(0).and_then(|due| due.slot), due(1).is_some())
    };
    assert_eq!(due(&world), (None, false));
    world.clock.set(world.clock.now().plus(2 * DAY));
    let (slot, follows) = due(&world);
    let slot = slot.unwrap();
    assert!(!follows);
    row(&world, "forget", slot, RunOutcome::Complete);
    assert_eq!(due(&world), (Some(slot), false), "the half of it");
    row(&world, "prune", slot, RunOutcome::CutOff);
    assert_eq!(due(&world), (Some(slot), false));
    row(&world, "prune", slot, RunOutcome::Complete);
    assert_eq!(due(&world), (None, true));
    world.clock.set(world.clock.now().plus(DAY));
    let slot = due(&world).0.unwrap();
    row(&world, "forget", slot, RunOutcome::Failed);
    assert_eq!(due(&world).0, None, "a forget that fails ends it");
}

#[test]
fn what_fails_before_its_work_begins_is_a_failed_run_and_is_told() {
    let world = world("[[job]]\nname = \"b\"\nkind = \"backup\"\ntarget = \"photos\"\nschedule = \"hourly\"\n");
    let slot = Time(5);
    let by = || StartedBy { origin: RunOrigin::Schedule, task: Some("b".into()), slot: Some(slot), cause: None };
    let engine = world.engine().started_by(by());
    let job = engine.job("b").unwrap().clone();
    world.unplug(0);
    world.unplug(1);
    let failed = engine.run_job(&job, &JobMeans { host: "here".into(), ..JobMeans::default() }, &RunStop::default());
    assert!(failed.is_err());
    let rows = engine.runs(Some("b"), 9).unwrap();
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!((rows[0].how(), rows[0].slot), (Some(RunOutcome::Failed), Some(slot)));
    engine.failed_before(&job, "the passphrase is wrong").unwrap();
    let row = engine.runs(Some("b"), 1).unwrap().pop().unwrap();
    assert_eq!((row.how(), row.summary.as_deref()), (Some(RunOutcome::Failed), Some("the passphrase is wrong")));
}

#[test]
fn a_drill_that_meets_another_run_is_no_failure() {
    let owner = identity();
    let world = world_of(&owner, "");
    backup(&world.engine());
    let lock = fs::File::options().write(true).open(world.engine().settings().state_dir().join("lock")).unwrap();
    lock.lock().unwrap();
    let options = ThawOptions { tier: Tier::Bulk, days: None, max_cost: None };
    let by = StartedBy { origin: RunOrigin::Schedule, task: Some("d".into()), slot: None, cause: None };
    let engine = world.engine().started_by(by);
    let met = engine.drill(&options, &owner, &mut OsRng, &mut |_| true, &Quiet);
    assert!(matches!(met, Err(EngineError::Running)), "{met:?}");
    assert_eq!(engine.runs(Some("d"), 9).unwrap().len(), 0);
    drop(lock);
    engine.drill(&options, &owner, &mut OsRng, &mut |_| true, &Quiet).unwrap();
    assert_eq!(engine.runs(Some("d"), 9).unwrap()[0].how(), Some(RunOutcome::Complete));
}
