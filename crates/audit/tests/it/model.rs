//! Sequences of everything that can happen, against a model that knows only which
//! snapshots there are and what each needs: what is referred to is never deleted, and
//! what is not goes in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use darkslide_audit::AuditError;
use darkslide_store::{Fault, Store as _};
use darkslide_words::{ObjectName, Time};
use proptest::prelude::*;

use crate::world::{DAY, Machine, World};

const NANOS: i64 = 86_400_000_000_000;

/// What happens.
#[derive(Debug, Clone)]
enum Event {
    Step(usize, u64),
    Dies(usize),
    Pass(u32),
    Forget(usize),
    Thief(Theft),
    /// With a clock that is wrong by days, interrupted at calls, cut off at one.
    Prune(i64, Vec<(u64, Event)>, Option<(bool, u64)>),
}

/// What a stolen writer does before it is revoked.
#[derive(Debug, Clone)]
enum Theft {
    /// A snapshot dated by days into the past or the future, needing some of what is there.
    Snapshot(i64, u64),
    /// Refs of the time of somebody's snapshot, that need nothing.
    Refs(usize),
    /// Refs that build on nothing.
    Broken(usize),
    /// A tombstone of a pack, dated by days.
    Condemn(usize, i64),
    /// A pack that nothing needs.
    Pack,
    /// Bytes that are no refs.
    Nonsense,
}

type Snapshots = BTreeMap<ObjectName, BTreeSet<ObjectName>>;

/// What the model knows, and who acts.
struct State {
    machines: Vec<Machine>,
    snapshots: Snapshots,
    stolen: BTreeSet<ObjectName>,
}

fn happens(world: &World, state: &mut State, event: &Event) {
    match event {
        Event::Step(n, choice) => {
            let put = state.machines[n % 2].step(world, *choice);
            state.snapshots.extend(put);
        }
        Event::Dies(n) => state.machines[n % 2].dies(),
        Event::Pass(days) => world.pass(*days * DAY + DAY / 7),
        Event::Forget(n) => {
            let name = state.snapshots.keys().nth(n % state.snapshots.len().max(1)).cloned();
            if let Some(name) = name {
                // The power may be gone: then it is forgotten or it is not.
                let done = world.forget(&BTreeSet::from([name.clone()])).is_ok();
                if done || !world.names("snapshots/").contains(&name) {
                    state.snapshots.remove(&name);
                }
            }
        }
        Event::Thief(theft) => steal(world, state, theft),
        Event::Prune(..) => {}
    }
}

fn steal(world: &World, state: &mut State, theft: &Theft) {
    let packs: Vec<ObjectName> = world.names("packs/").into_iter().collect();
    let victim = |n: usize| state.snapshots.keys().nth(n % state.snapshots.len().max(1));
    let time = |name: &ObjectName| darkslide_format::names::parse(name).unwrap().time.unwrap();
    match theft {
        Theft::Snapshot(days, choice) => {
            let needed: BTreeSet<_> =
                packs.into_iter().enumerate().filter(|(n, _)| choice >> (n % 60) & 1 == 1).map(|(_, p)| p).collect();
            let at = Time(world.now().0 + days * NANOS).plus(std::time::Duration::from_millis(300)).to_millis();
            world.put_refs(3, &world.refs(3, at, None, &needed));
            state.stolen.insert(world.put_snapshot(3, at));
        }
        Theft::Refs(n) => {
            if let Some(name) = victim(*n) {
                world.put_refs(3, &world.refs(3, time(name), None, &BTreeSet::new()));
            }
        }
        Theft::Broken(n) => {
            if let Some(name) = victim(*n) {
                let nowhere = darkslide_words::ObjectId::new([99; 32]);
                world.put_refs(3, &world.refs(3, time(name), Some(nowhere), &BTreeSet::new()));
            }
        }
        Theft::Condemn(n, days) => {
            if let Some(pack) = packs.get(n % packs.len().max(1)) {
                world.condemn(3, pack, Time(world.now().0 + days * NANOS));
            }
        }
        Theft::Pack => drop(world.put_pack(3)),
        Theft::Nonsense => {
            let bytes = format!("nonsense {}", world.now().0).into_bytes();
            let name = darkslide_format::names::object(
                darkslide_format::names::Kind::Refs,
                darkslide_format::object_id(&bytes),
            );
            let hot = darkslide_store::PutFacts { crc64: 0, temperature: darkslide_words::Temperature::Hot };
            world.store.inner().put(&name, &bytes, &hot).unwrap();
        }
    }
}

/// Whatever a snapshot needs is there.
fn holds(world: &World, state: &State) {
    let packs = world.names("packs/");
    for (snapshot, needed) in &state.snapshots {
        let lost: Vec<_> = needed.difference(&packs).collect();
        assert!(lost.is_empty(), "{snapshot} lost {lost:?}");
    }
}

fn prunes(world: &Arc<World>, state: &Arc<Mutex<State>>, wrong: i64, at: &[(u64, Event)], cut: Option<(bool, u64)>) {
    if let Some((after, n)) = cut {
        world.store.arm(if after { Fault::CallAfter(n) } else { Fault::CallBefore(n) });
    }
    let (others, who, at) = (world.clone(), state.clone(), at.to_vec());
    let by = Box::new(move |call: u64| {
        for (_, event) in at.iter().filter(|(n, _)| *n == call) {
            happens(&others, &mut who.lock().unwrap(), event);
        }
    });
    let result = world.prune(wrong * NANOS, Some(by));
    let struck = world.store.heal();
    match result {
        Ok(_) => {}
        Err(AuditError::Stale) => {}
        Err(error) => assert!(struck, "{error}"),
    }
}

/// The thief is found out, everybody finishes, and nothing is left over.
fn ends(mut world: World, mut state: State) {
    world.revoke(3);
    world.forget(&state.stolen).unwrap();
    for machine in &mut state.machines {
        machine.dies();
        world.pass(DAY);
        state.snapshots.extend([machine.finish(&world)]);
    }
    for _ in 0..4 {
        world.pass(31 * DAY);
        world.prune(0, None).unwrap();
        holds(&world, &state);
    }
    let needed: BTreeSet<ObjectName> = state.snapshots.values().flatten().cloned().collect();
    assert_eq!(world.names("packs/"), needed, "what nothing needs is gone");
    assert_eq!(world.indexed(), needed, "the index lists what is there");
    let left = world.condemned().len();
    let remembered = world.names("condemned/").len();
    assert_eq!(left, remembered, "forged tombstones are gone");
    assert!(world.names("refs/").len() <= state.snapshots.len() + 64, "refs that nothing builds on are gone");
}

fn theft() -> impl Strategy<Value = Theft> {
    prop_oneof![
        (-400i64..400, any::<u64>()).prop_map(|(days, choice)| Theft::Snapshot(days, choice)),
        any::<usize>().prop_map(Theft::Refs),
        any::<usize>().prop_map(Theft::Broken),
        (any::<usize>(), -400i64..400).prop_map(|(n, days)| Theft::Condemn(n, days)),
        Just(Theft::Pack),
        Just(Theft::Nonsense),
    ]
}

fn calm() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0usize..2, any::<u64>()).prop_map(|(n, choice)| Event::Step(n, choice)),
        1 => (0usize..2).prop_map(Event::Dies),
        3 => (0u32..70).prop_map(Event::Pass),
        1 => any::<usize>().prop_map(Event::Forget),
        2 => theft().prop_map(Event::Thief),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let interruptions = proptest::collection::vec((0u64..60, calm()), 0..6);
    let cut = proptest::option::of((any::<bool>(), 1u64..60));
    let prune = (-40i64..40, interruptions, cut).prop_map(|(wrong, at, cut)| Event::Prune(wrong, at, cut));
    prop_oneof![5 => calm(), 2 => prune]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_is_needed_stays_and_all_else_goes(
        events in proptest::collection::vec(event(), 1..60),
        wrong in proptest::array::uniform2(-20i64..20),
    ) {
        let world = Arc::new(World::new());
        let machines = vec![Machine::new(1, wrong[0] * NANOS), Machine::new(2, wrong[1] * NANOS)];
        let state = State { machines, snapshots: Snapshots::new(), stolen: BTreeSet::new() };
        let state = Arc::new(Mutex::new(state));
        for event in &events {
            match event {
                Event::Prune(wrong, at, cut) => prunes(&world, &state, *wrong, at, *cut),
                other => happens(&world, &mut state.lock().unwrap(), other),
            }
            holds(&world, &state.lock().unwrap());
        }
        let world = Arc::into_inner(world).unwrap();
        ends(world, Arc::into_inner(state).unwrap().into_inner().unwrap());
    }
}

/// A world with two snapshots of which one is to go, so that packs, refs, tombstones and
/// a segment with living and dead rows are dealt with.
fn aged() -> (World, ObjectName, BTreeSet<ObjectName>) {
    let world = World::new();
    let mut machine = Machine::new(1, 0);
    let (first, _) = machine.finish(&world);
    let (_, needed) = machine.finish(&world);
    world.join_segments(1);
    world.pass(DAY);
    (world, first, needed)
}

/// Forgets, prunes for three months; each call of the store may be the last of a run.
fn at_every_call(fault: fn(u64) -> Fault) {
    for n in 1.. {
        let (world, first, needed) = aged();
        let mut struck = false;
        let gone = BTreeSet::from([first]);
        world.store.arm(fault(n));
        let mut work: Vec<Box<dyn Fn() -> Result<(), AuditError>>> = vec![Box::new(|| world.forget(&gone))];
        work.extend((0..4).map(|_| {
            let world = &world;
            Box::new(move || {
                world.pass(31 * DAY);
                world.prune(0, None).map(drop)
            }) as Box<dyn Fn() -> Result<(), AuditError>>
        }));
        for step in &work {
            if step().is_err() {
                struck |= world.store.heal();
                step().unwrap();
            }
        }
        drop(work);
        struck |= world.store.heal();
        world.pass(31 * DAY);
        world.prune(0, None).unwrap();
        assert_eq!(world.names("packs/"), needed, "{n}");
        assert_eq!(world.indexed(), needed, "{n}");
        assert_eq!(world.names("snapshots/").len(), 1, "{n}");
        assert_eq!(world.names("index/").len(), 1, "{n}: a cut prune left two segments");
        assert_eq!(world.names("condemned/").len(), 1, "{n}: that a snapshot was forgotten is remembered, no more");
        if !struck {
            assert!(n > 40, "the fault struck {n} times only");
            return;
        }
    }
}

#[test]
fn a_cut_before_any_call_is_gone_on_from() {
    at_every_call(Fault::CallBefore);
}

#[test]
fn a_cut_after_any_call_is_gone_on_from() {
    at_every_call(Fault::CallAfter);
}
