//! The plan: dates, money, locks, chains of refs, what blocks it.

use super::*;
use darkslide_price::PriceTable;
use darkslide_store::Readable;

const DAY: Duration = Duration::from_secs(86_400);

fn day(n: u32) -> Time {
    Time(1_790_000_000_000_000_000).plus(n * DAY)
}

fn object(kind: Kind, n: u8) -> ObjectName {
    names::object(kind, ObjectId::new([n; 32]))
}

fn pack(n: u8) -> ObjectName {
    object(Kind::Packs, n)
}

fn options() -> PruneOptions {
    PruneOptions { grace: 30 * DAY, early: EarlyDeletion::Wait }
}

/// A store on the 100th day that holds these objects since these days.
fn store(holds: &[(ObjectName, u32)]) -> StoreFacts {
    let listed = |(name, since): &(ObjectName, u32)| {
        let (class, readable) = (StorageClass::DeepArchive, Readable::Cold);
        (name.clone(), Listed { name: name.clone(), size: Bytes(64 << 20), modified: day(*since), class, readable })
    };
    StoreFacts {
        label: "s3://bucket".into(),
        now: day(100),
        inventory: holds.iter().map(listed).collect(),
        tombstones: BTreeMap::new(),
        prices: None,
        locks: BTreeMap::new(),
    }
}

fn facts(stores: Vec<StoreFacts>) -> PruneFacts {
    let (needs, bases, snapshots, indexed) = Default::default();
    PruneFacts { stores, absent: Vec::new(), needs, bases, snapshots, indexed }
}

fn condemn(store: &mut StoreFacts, object: &ObjectName, since: u32) {
    let tombstone = Tombstone { since: day(since), object: Some(object.clone()) };
    store.tombstones.insert(id(object).unwrap(), tombstone);
}

fn acts(plan: &PrunePlan) -> Vec<(Act, ObjectName)> {
    plan.units.iter().map(|u| (u.act, u.object.clone())).collect()
}

#[test]
fn what_is_young_is_spared_and_what_is_condemned_waits_for_the_grace_period() {
    let mut one = store(&[(pack(1), 69), (pack(2), 70), (pack(3), 1), (pack(4), 1), (pack(5), 1)]);
    condemn(&mut one, &pack(3), 69);
    condemn(&mut one, &pack(4), 70);
    let mut facts = facts(vec![one]);
    facts.needs.packs.insert(pack(5));
    let plan = plan(&facts, &options()).unwrap();
    assert_eq!(acts(&plan), [(Act::Condemn, pack(1)), (Act::Delete, pack(3))]);
    assert_eq!(plan.waiting.len(), 1);
    assert_eq!((&plan.waiting[0].object, &plan.waiting[0].wait), (&pack(4), &Wait::Grace { until: day(100) }));
    assert!(plan.to_string().contains("deleted from 2026-"), "{plan}");
}

#[test]
fn what_is_needed_is_condemned_no_more_whoever_did_it() {
    let mut one = store(&[(pack(1), 1)]);
    condemn(&mut one, &pack(1), 2);
    one.tombstones.insert(ObjectId::new([9; 32]), Tombstone { since: day(2), object: None });
    let mut facts = facts(vec![one]);
    facts.needs.packs.insert(pack(1));
    let plan = plan(&facts, &options()).unwrap();
    assert_eq!(acts(&plan), [(Act::Restore, pack(1)), (Act::Unbury, object(Kind::Condemned, 9))]);
}

#[test]
fn a_minimum_stay_is_waited_for_or_paid() {
    let mut one = store(&[(pack(1), 20)]);
    condemn(&mut one, &pack(1), 60);
    one.prices = Some(PriceTable::builtin().region("us-east-1").unwrap());
    let facts = facts(vec![one]);
    let waits = plan(&facts, &options()).unwrap();
    let Wait::Stay { free, today } = waits.waiting[0].wait else { panic!("{waits:?}") };
    assert_eq!(free, day(200));
    // 64 MiB and 32 KiB at 0.00099 a GiB and month, for the 100 days that are left.
    let gib = 64.0 / 1024.0 + 32.0 / (1024.0 * 1024.0);
    assert_eq!(today, Money::from_usd(gib * 0.00099 * 100.0 * 24.0 / 730.0));
    assert!(waits.to_string().contains("free to delete on 20"), "{waits}");
    assert!(waits.units.is_empty());
    let paid = plan(&facts, &PruneOptions { early: EarlyDeletion::Pay, ..options() }).unwrap();
    assert_eq!((acts(&paid), paid.total()), (vec![(Act::Delete, pack(1))], today));
}

#[test]
fn a_lock_is_waited_for() {
    let mut one = store(&[(pack(1), 1), (pack(2), 1)]);
    condemn(&mut one, &pack(1), 2);
    condemn(&mut one, &pack(2), 2);
    one.locks = BTreeMap::from([(pack(1), day(150)), (pack(2), day(99))]);
    let plan = plan(&facts(vec![one]), &options()).unwrap();
    assert_eq!(acts(&plan), [(Act::Delete, pack(2))]);
    assert_eq!(plan.waiting[0].wait, Wait::Locked { until: day(150) });
    assert!(plan.to_string().contains("locked until 20"), "{plan}");
}

#[test]
fn what_cannot_be_told_blocks_deletions_and_nothing_else() {
    let mut one = store(&[(pack(1), 1), (pack(2), 1), (pack(3), 1)]);
    condemn(&mut one, &pack(1), 2);
    condemn(&mut one, &pack(3), 2);
    let mut facts = facts(vec![one]);
    facts.needs.packs.insert(pack(3));
    facts.needs.unknown.push((object(Kind::Refs, 7), "it is damaged in every store".into()));
    let plan = plan(&facts, &options()).unwrap();
    assert_eq!(acts(&plan), [(Act::Restore, pack(3))]);
    assert!(plan.to_string().contains("nothing is condemned"), "{plan}");
}

#[test]
fn refs_go_head_first_and_never_from_under_one_that_stays() {
    // 3 builds on 2, that on 1; 5 is needed and builds on 4.
    let refs = |n| object(Kind::Refs, n);
    let mut one = store(&[(refs(1), 1), (refs(2), 1), (refs(3), 90), (refs(4), 1), (refs(5), 1)]);
    let mut facts = facts(vec![one.clone()]);
    let link = |n: u8, base: Option<u8>| (ObjectId::new([n; 32]), base.map(|b| ObjectId::new([b; 32])));
    facts.bases = BTreeMap::from([link(1, None), link(2, Some(1)), link(3, Some(2)), link(4, None), link(5, Some(4))]);
    facts.needs.refs = BTreeSet::from([ObjectId::new([4; 32]), ObjectId::new([5; 32])]);
    // The head is young: all stay.
    assert_eq!(acts(&plan(&facts, &options()).unwrap()), []);
    // The head is condemned, and not long enough: nothing under it is deleted.
    (1..=2).for_each(|n| condemn(&mut one, &refs(n), 2));
    condemn(&mut one, &refs(3), 95);
    facts.stores = vec![one.clone()];
    assert_eq!(acts(&plan(&facts, &options()).unwrap()), []);
    condemn(&mut one, &refs(3), 2);
    facts.stores = vec![one];
    assert_eq!(acts(&plan(&facts, &options()).unwrap()).len(), 3);
}

#[test]
fn a_tombstone_stays_until_its_pack_is_gone_from_all_stores() {
    let mut near = store(&[]);
    let mut far = store(&[(pack(1), 1)]);
    condemn(&mut near, &pack(1), 2);
    condemn(&mut far, &pack(1), 90);
    let mut both = facts(vec![near.clone(), far]);
    let waits = plan(&both, &options()).unwrap();
    assert_eq!((acts(&waits), waits.dead.len()), (vec![], 0));
    both.stores = vec![near];
    both.absent = vec!["far".into()];
    assert_eq!(acts(&plan(&both, &options()).unwrap()), []);
    both.absent.clear();
    let over = plan(&both, &options()).unwrap();
    assert_eq!((acts(&over), over.dead), (vec![(Act::Finish, pack(1))], BTreeSet::from([pack(1)])));
}

#[test]
fn that_a_snapshot_was_forgotten_is_remembered_for_a_year() {
    let name = names::snapshot(day(1), ObjectId::new([5; 32]));
    let mut one = store(&[]);
    condemn(&mut one, &name, 2);
    one.now = day(366);
    let mut facts = facts(vec![one]);
    assert_eq!(acts(&plan(&facts, &options()).unwrap()), []);
    facts.stores[0].now = day(368);
    assert_eq!(acts(&plan(&facts, &options()).unwrap()), [(Act::Finish, name.clone())]);
    // One that is still somewhere is not over.
    facts.snapshots.insert(name);
    assert_eq!(acts(&plan(&facts, &options()).unwrap()), []);
}
