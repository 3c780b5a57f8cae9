//! The rules, on calendars with their oddities, and on what thieves and wrong clocks do.

use super::*;
use darkslide_words::ObjectId;

const DAY: i64 = 86_400_000_000_000;
/// 2026-11-01T12:00:00Z.
const NOON: i64 = 1_793_534_400_000_000_000;

fn author(writer: u8, complete: bool) -> Author {
    Author {
        writer: WriterId::new([writer; 16]),
        name: format!("writer {writer}"),
        standing: Standing::Trusted,
        job: "photos".into(),
        complete,
        tags: Vec::new(),
    }
}

fn facts(serial: u64, writer: u8, time: i64, stored: i64) -> SnapshotFacts {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&serial.to_le_bytes());
    id[8] = writer;
    let name = darkslide_format::names::snapshot(Time(time).to_millis(), ObjectId::new(id));
    SnapshotFacts { name, time: Time(time), stored: Time(stored), vouched: Vouched::By(author(writer, true)) }
}

/// One a day at noon, `days` of them, the last at [`NOON`].
fn daily(writer: u8, days: i64) -> Vec<SnapshotFacts> {
    (0..days).map(|n| NOON - (days - 1 - n) * DAY).map(|t| facts(t as u64, writer, t, t)).collect()
}

fn run(snapshots: Vec<SnapshotFacts>, rules: Rules) -> RetentionPlan {
    named(snapshots, rules, BTreeSet::new())
}

fn named(snapshots: Vec<SnapshotFacts>, rules: Rules, named: BTreeSet<ObjectName>) -> RetentionPlan {
    let grace = Duration::from_secs(30 * 86_400);
    plan(snapshots, &Policy { rules: &|_| Some(rules.clone()), zone: TimeZone::UTC, grace, named })
}

fn periods(list: &[(Period, u32)]) -> Rules {
    Rules { periods: list.iter().copied().collect(), ..Rules::default() }
}

fn kept(plan: &RetentionPlan) -> Vec<String> {
    let kept = plan.snapshots.iter().filter(|j| !j.fate.is_forget());
    kept.map(|j| j.snapshot.made().to_rfc3339_seconds()[..10].to_string()).collect()
}

fn reasons(plan: &RetentionPlan, n: usize) -> Vec<String> {
    match &plan.snapshots[n].fate {
        Fate::Keep(reasons) => reasons.clone(),
        Fate::Forget(why) => panic!("forgotten: {why}"),
    }
}

#[test]
fn each_is_kept_for_all_its_reasons() {
    let rules = Rules { last: 2, ..periods(&[(Period::Daily, 3), (Period::Weekly, 2), (Period::Monthly, 2)]) };
    let plan = run(daily(1, 40), rules);
    assert_eq!(kept(&plan), ["2026-10-25", "2026-10-30", "2026-10-31", "2026-11-01"]);
    let last = plan.snapshots.len() - 1;
    let wanted = ["the last complete one", "last", "daily 2026-11-01", "weekly 2026-W44", "monthly 2026-11"];
    assert_eq!(reasons(&plan, last), wanted);
    assert_eq!(reasons(&plan, last - 1), ["last", "daily 2026-10-31", "monthly 2026-10"]);
}

#[test]
fn months_of_every_length_and_leap_years() {
    let start = Time::from_compact("20231130T120000.000Z").unwrap().0;
    let list: Vec<_> = (0..500).map(|n| facts(n as u64, 1, start + n * DAY, start + n * DAY)).collect();
    let plan = run(list, periods(&[(Period::Monthly, 6), (Period::Yearly, 5)]));
    let wanted = ["2023-12-31", "2024-11-30", "2024-12-31", "2025-01-31", "2025-02-28", "2025-03-31", "2025-04-12"];
    assert_eq!(kept(&plan), wanted);
    let list: Vec<_> = (0..120).map(|n| facts(n as u64, 1, start + n * DAY, start + n * DAY)).collect();
    assert!(kept(&run(list, periods(&[(Period::Monthly, 9)]))).contains(&"2024-02-29".to_string()));
}

#[test]
fn within_counts_back_from_the_newest_and_no_clock_is_asked() {
    let rules = Rules { within: Some(Duration::from_secs(3 * 86_400)), ..Rules::default() };
    assert_eq!(kept(&run(daily(1, 10), rules)).len(), 4);
}

#[test]
fn tags_keep_and_what_has_no_rules_is_kept() {
    let mut list = daily(1, 5);
    if let Vouched::By(author) = &mut list[1].vouched {
        author.tags = vec!["delivered".into(), "wedding".into()];
    }
    let rules = Rules { last: 1, tags: vec!["wedding".into()], ..Rules::default() };
    let plan = run(list, rules);
    assert_eq!(reasons(&plan, 1), ["tag wedding"]);
    assert_eq!(kept(&plan).len(), 2);
    assert_eq!(kept(&run(daily(1, 5), Rules::default())).len(), 5);
}

#[test]
fn writers_and_jobs_are_counted_by_themselves() {
    let mut list = daily(1, 3);
    list.extend(daily(2, 3));
    let mut other = daily(1, 2);
    for (n, snapshot) in other.iter_mut().enumerate() {
        snapshot.name = darkslide_format::names::snapshot(snapshot.time, ObjectId::new([200 + n as u8; 32]));
        snapshot.vouched = Vouched::By(Author { job: "films".into(), ..author(1, true) });
    }
    list.extend(other);
    let plan = run(list, Rules { last: 1, ..Rules::default() });
    assert_eq!(plan.forgotten().count(), 8 - 3);
}

#[test]
fn the_last_complete_one_is_never_forgotten() {
    let mut list = daily(1, 3);
    list[2].vouched = Vouched::By(author(1, false));
    let all: BTreeSet<ObjectName> = list.iter().map(|s| s.name.clone()).collect();
    let plan = named(list, Rules { tags: vec!["none".into()], ..Rules::default() }, all);
    assert_eq!(reasons(&plan, 1), ["the last complete one"]);
    assert!(plan.snapshots[0].fate.is_forget() && plan.snapshots[2].fate.is_forget());
}

#[test]
fn a_clock_that_was_ahead_moves_nothing() {
    let mut list = daily(1, 10);
    // The fifth claims a year more than the store's time.
    list[4].time = Time(list[4].time.0 + 365 * DAY);
    let plan = run(list.clone(), periods(&[(Period::Daily, 3)]));
    assert_eq!(kept(&plan), ["2026-10-30", "2026-10-31", "2026-11-01"]);
    assert!(plan.to_string().contains("its clock was ahead"), "{plan}");
}

#[test]
fn what_is_dated_back_pushes_nothing_out() {
    let mut list = daily(1, 10);
    let before = kept(&run(list.clone(), periods(&[(Period::Daily, 5), (Period::Weekly, 4)])));
    // A thief fills all of last month, an hour later than the good ones.
    list.extend((0..40).map(|n| facts(1000 + n as u64, 1, NOON - n * DAY + DAY / 24, NOON + DAY * 2)));
    let plan = run(list, periods(&[(Period::Daily, 5), (Period::Weekly, 4)]));
    let good: Vec<_> = plan.snapshots.iter().filter(|j| j.snapshot.time == j.snapshot.stored).cloned().collect();
    assert_eq!(kept(&RetentionPlan { snapshots: good })[..], before[..]);
}

#[test]
fn a_store_that_was_copied_still_counts() {
    let copied: Vec<_> =
        daily(1, 40).into_iter().map(|s| SnapshotFacts { stored: Time(NOON + 5 * DAY), ..s }).collect();
    let rules = periods(&[(Period::Daily, 7)]);
    assert_eq!(kept(&run(copied, rules.clone())), kept(&run(daily(1, 40), rules)));
}

#[test]
fn untrusted_ones_count_for_nothing_and_stay_until_they_are_named() {
    let mut list = daily(1, 5);
    for (n, standing) in [(7u8, Standing::Revoked), (8, Standing::Unknown)] {
        let mut junk = facts(500 + u64::from(n), 1, NOON + DAY, NOON + DAY);
        junk.vouched = Vouched::By(Author { standing, ..author(1, true) });
        list.push(junk);
    }
    let mut unknown = facts(900, 1, NOON + 2 * DAY, NOON + 2 * DAY);
    unknown.vouched = Vouched::Nobody("it was never opened here".into());
    let name = unknown.name.clone();
    list.push(unknown);
    let plan = run(list.clone(), Rules { last: 2, ..Rules::default() });
    let stay: Vec<u64> =
        plan.snapshots.iter().filter(|j| !j.fate.is_forget()).map(|j| j.snapshot.stored.0 as u64).collect();
    assert_eq!(stay.len(), 2 + 3, "{plan}");
    assert!(named(list, Rules::default(), BTreeSet::from([name.clone()])).forgotten().any(|s| s.name == name));
}

#[test]
fn the_newest_without_a_voucher_is_kept_and_pushes_nothing_out() {
    let mut list = daily(1, 4);
    list[3].vouched = Vouched::Newest(author(1, true));
    let plan = run(list, Rules { last: 1, ..Rules::default() });
    assert_eq!(reasons(&plan, 2), ["the last complete one", "last"]);
    assert_eq!(reasons(&plan, 3), ["the newest, for which nothing vouches yet"]);
    assert_eq!(plan.forgotten().count(), 2);
}

#[test]
fn checkpoints_go_when_a_complete_one_followed_or_nothing_did() {
    let mut list = daily(1, 45);
    for n in [0, 3, 44] {
        list[n].vouched = Vouched::By(author(1, false));
    }
    let plan = run(list, Rules { last: 100, ..Rules::default() });
    let gone: Vec<_> = plan.snapshots.iter().map(|j| j.fate.is_forget()).collect();
    assert!(gone[0] && gone[3] && !gone[44]);
    assert_eq!(gone.iter().filter(|g| **g).count(), 2);
    // Alone, it stays for the grace period of the store's time.
    let alone = |age: i64| {
        let mut checkpoint = facts(1, 1, NOON - age * DAY, NOON - age * DAY);
        checkpoint.vouched = Vouched::By(author(1, false));
        let plan = run(vec![checkpoint, facts(2, 2, NOON, NOON)], Rules { last: 1, ..Rules::default() });
        plan.forgotten().count()
    };
    assert_eq!((alone(29), alone(31)), (0, 1));
}
