//! Plans: which copy, which wave, how much, how long.

use std::time::Duration;

use darkslide_thaw::{How, Options, Place, PlanError, compare, plan};
use darkslide_words::{Bytes, Money, Readable, StorageClass, Tier, Time};

use crate::cold::{DAY, HOUR};
use crate::drive::{name, need, options, place, us_east_1};

const GIB: u64 = 1 << 30;

fn local() -> Place {
    Place { store: "disk".into(), class: StorageClass::Standard, readable: Readable::Now, local: true }
}

fn other(store: &str, class: StorageClass, readable: Readable) -> Place {
    Place { store: store.into(), class, readable, local: false }
}

#[test]
fn the_cheapest_readable_copy_wins() {
    let prices = us_east_1();
    let deep = place(StorageClass::DeepArchive, Readable::Cold);
    let flexible = place(StorageClass::Glacier, Readable::Cold);
    let warm = place(StorageClass::GlacierIr, Readable::Now);
    let ia = place(StorageClass::StandardIa, Readable::Now);
    let own = other("attic", StorageClass::Standard, Readable::Now);
    let cases = [
        (vec![deep.clone(), warm.clone(), local()], "disk", How::Ready, StorageClass::Standard),
        (vec![deep.clone(), warm.clone(), ia.clone()], "s3", How::Ready, StorageClass::StandardIa),
        (vec![deep.clone(), ia, own], "attic", How::Ready, StorageClass::Standard),
        (vec![deep.clone(), warm], "s3", How::Ready, StorageClass::GlacierIr),
        (vec![deep.clone(), flexible.clone()], "s3", How::Thaw, StorageClass::Glacier),
        (vec![flexible, deep.clone()], "s3", How::Thaw, StorageClass::Glacier),
    ];
    for (copies, store, how, class) in cases {
        let plan = plan(&[need(1, GIB, copies.clone())], &options(Tier::Bulk), &prices).unwrap();
        let pack = &plan.packs[0];
        assert_eq!((&pack.store[..], pack.how, &pack.class), (store, how, &class), "{copies:?}");
    }
    let thawing = place(StorageClass::DeepArchive, Readable::Thawing);
    let under_way = other("second", StorageClass::DeepArchive, Readable::Thawing);
    let plan = plan(&[need(1, GIB, [deep, under_way, thawing])], &options(Tier::Bulk), &prices).unwrap();
    assert_eq!(plan.packs[0].store, "second", "under way, and free");
}

#[test]
fn a_tier_that_is_not_offered_is_refused_by_name_unless_another_copy_has_it() {
    let deep = || place(StorageClass::DeepArchive, Readable::Cold);
    let needs = [
        need(1, GIB, [deep()]),
        need(2, GIB, [deep(), place(StorageClass::Glacier, Readable::Cold)]),
        need(3, GIB, [deep(), local()]),
        need(4, GIB, [deep()]),
    ];
    let prices = us_east_1();
    let error = plan(&needs, &options(Tier::Expedited), &prices).unwrap_err();
    let PlanError::TierNotOffered { tier: Tier::Expedited, groups } = &error else {
        panic!("{error}");
    };
    assert_eq!(groups.len(), 1);
    assert_eq!(groups[0].packs, [name(1), name(4)]);
    assert_eq!(groups[0].offered, [Tier::Bulk, Tier::Standard]);
    let text = error.to_string();
    assert!(text.contains("bulk or standard") && text.contains(name(4).as_str()), "{text}");
    assert!(plan(&needs[1..3], &options(Tier::Expedited), &prices).is_ok());
    // A server without prices is no reason to ask for what no archive of that class has.
    let own = [need(1, GIB, [other("attic", StorageClass::DeepArchive, Readable::Cold)])];
    assert!(matches!(plan(&own, &options(Tier::Expedited), &prices), Err(PlanError::TierNotOffered { .. })));
    assert_eq!(plan(&own, &options(Tier::Bulk), &prices).unwrap().total(), Money::ZERO);

    let all = compare(&needs[..1], &options(Tier::Bulk), &prices);
    let tiers: Vec<(Tier, bool)> = all.iter().map(|(tier, plan)| (*tier, plan.is_ok())).collect();
    assert_eq!(tiers, [(Tier::Bulk, true), (Tier::Standard, true), (Tier::Expedited, false)]);
    let total = |at: usize| all[at].1.as_ref().unwrap().total();
    assert!(total(0) < total(1));
}

#[test]
fn what_cannot_be_planned_says_why() {
    let prices = us_east_1();
    let cold = || [need(1, GIB, [place(StorageClass::DeepArchive, Readable::Cold)])];
    let nowhere = plan(&[need(9, 1, [])], &options(Tier::Bulk), &prices).unwrap_err();
    assert!(nowhere.to_string().contains(name(9).as_str()), "{nowhere}");
    let no_line = Options { bandwidth: 0, ..options(Tier::Bulk) };
    assert!(matches!(plan(&cold(), &no_line, &prices), Err(PlanError::NoLine)));
    let no_days = Options { days: 0, ..options(Tier::Bulk) };
    assert!(matches!(plan(&cold(), &no_days, &prices), Err(PlanError::NoDays)));
    let own = [need(1, GIB, [other("attic", StorageClass::Glacier, Readable::Cold)])];
    assert!(matches!(plan(&own, &no_days, &prices), Err(PlanError::NoDays)), "also where nothing is paid");
    let ready = [need(1, GIB, [place(StorageClass::Standard, Readable::Now)])];
    assert!(plan(&ready, &no_days, &prices).is_ok(), "no thaw, no days");
    let odd = [need(1, GIB, [place(StorageClass::Other("FSX".into()), Readable::Unknown)])];
    assert!(matches!(plan(&odd, &options(Tier::Bulk), &prices), Err(PlanError::Price(_))));
    let nothing = plan(&[], &options(Tier::Bulk), &prices).unwrap();
    assert_eq!((nothing.total(), nothing.last_byte, nothing.waves.len()), (Money::ZERO, Duration::ZERO, 0));
}

#[test]
fn a_quote_holds_every_item() {
    let needs: Vec<_> = (0..100).map(|n| need(n, GIB, [place(StorageClass::DeepArchive, Readable::Cold)])).collect();
    let options = Options { egress_used: Bytes(50_000_000_000), ..options(Tier::Standard) };
    let plan = plan(&needs, &options, &us_east_1()).unwrap();
    let prices = us_east_1();
    let gb = prices["s3"].transfer().gb_bytes as f64;
    let sent = 100.0 * GIB as f64 + 50e9;
    let transfer = (sent / gb - 100.0) * 0.09;
    let want = 100.0 * 0.0001                          // requests
        + 100.0 * 0.02                                 // retrieval
        + 100.0 * 0.023 * 3.0 / 30.0           // copies, three days
        + 100.0 * 0.000_000_4                          // GET
        + transfer                                     // transfer beyond the free 100 GB
        + 7.0 * 17.0 * 0.000_005; // looks: seven folders, 17 times
    assert!((plan.total().usd() - want).abs() < 1e-6, "{} {want}\n{plan}", plan.total().usd());
    let shares: Money = plan.packs.iter().map(|pack| pack.ask + pack.fetch).sum();
    assert!(shares <= plan.total(), "{shares}");
    assert!(shares.usd() > plan.total().usd() - 7.0 * 17.0 * 0.000_005 - 1e-6);
    let inside = darkslide_thaw::plan(&needs, &Options { inside_aws: true, ..options }, &us_east_1()).unwrap();
    assert!((plan.total().usd() - inside.total().usd() - transfer).abs() < 1e-6);
}

#[test]
fn a_bulk_job_is_quoted_where_it_will_be_used() {
    let needs: Vec<_> =
        (0..1000).map(|n| need(n, 1 << 20, [place(StorageClass::DeepArchive, Readable::Cold)])).collect();
    let mut options = options(Tier::Bulk);
    let without = plan(&needs, &options, &us_east_1()).unwrap().total().usd();
    options.bulk.insert("s3".into());
    let with = plan(&needs, &options, &us_east_1()).unwrap().total().usd();
    assert!((with - without - 0.251).abs() < 1e-6, "{with} {without}");
    let fewer = plan(&needs[1..], &options, &us_east_1()).unwrap();
    assert!(!fewer.to_string().contains("Batch"));
}

#[test]
fn on_a_slow_line_waves_become_ready_when_the_download_before_ends() {
    // 20 GB a day; 100 packs of 1 GB; copies live 4 days: 3 days, 60 packs, a wave.
    let gb = 1_000_000_000;
    let needs: Vec<_> = (0..100).map(|n| need(n, gb, [place(StorageClass::DeepArchive, Readable::Cold)])).collect();
    let options = Options { days: 4, bandwidth: 20 * gb * 8 / 86_400 + 1, ..options(Tier::Standard) };
    let plan = plan(&needs, &options, &us_east_1()).unwrap();
    assert_eq!(plan.waves.iter().map(|wave| wave.packs.0).collect::<Vec<_>>(), [60, 40]);
    assert!(plan.packs.iter().take(60).all(|pack| pack.wave == 1) && plan.packs[60].wave == 2);
    let at = |time: Time| options.now.until(time).as_secs_f64() / 3600.0;
    let (first, second) = (&plan.waves[0], &plan.waves[1]);
    assert_eq!((at(first.due), at(first.ready_first), at(first.ready_last)), (0.0, 0.0, 12.0));
    // Wave 1 is downloaded 12 + 72 hours after the start; the slow end of Standard is 12 hours.
    assert!((at(second.due) - 72.0).abs() < 0.01, "{}", at(second.due));
    assert!((at(second.ready_last) - 84.0).abs() < 0.01);
    assert_eq!(plan.first_byte, HOUR * 12);
    assert!((plan.last_byte.as_secs_f64() / 3600.0 - (84.0 + 48.0)).abs() < 0.01);
    let text = plan.to_string();
    assert!(text.contains("Wave 2: 40 packs, 40 GB, asked for after 3 days, ready within 4 days"), "{text}");
    assert!(text.contains("2 waves"), "{text}");
    // At bulk the lead is a quarter of the days at most, so that no copy dies early.
    let bulk = darkslide_thaw::plan(&needs, &Options { tier: Tier::Bulk, ..options.clone() }, &us_east_1()).unwrap();
    assert!((at(bulk.waves[1].due) - (48.0 + 72.0 - 24.0)).abs() < 0.01);
    // A fast line needs one wave.
    let fast = Options { bandwidth: 1_000_000_000, ..options };
    let plan = darkslide_thaw::plan(&needs, &fast, &us_east_1()).unwrap();
    assert_eq!(plan.waves.len(), 1);
}

#[test]
fn a_pack_larger_than_a_wave_gets_one_of_its_own() {
    let needs: Vec<_> = (0..3).map(|n| need(n, GIB, [place(StorageClass::Glacier, Readable::Cold)])).collect();
    let options = Options { days: 1, bandwidth: 1000, ..options(Tier::Bulk) };
    let plan = plan(&needs, &options, &us_east_1()).unwrap();
    assert_eq!(plan.packs.iter().map(|pack| pack.wave).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn thawed_copies_count_as_readable_only_if_their_turn_comes_in_time() {
    let options = Options { bandwidth: 8_000_000, ..options(Tier::Bulk) };
    // 1 GB takes 1,000 s, and a third more is asked for: 1,334 s, then 2,667 s.
    let warm = |seconds: i64| {
        let until = Time::from_parts(options.now.seconds() + seconds, 0);
        [place(StorageClass::DeepArchive, Readable::Until(until))]
    };
    let needs = [
        need(1, 1_000_000_000, warm(2_600)),
        need(2, 1_000_000_000, warm(1_400)),
        need(3, 1_000_000_000, warm(-5)),
        need(4, 1_000_000_000, warm(2_700)),
    ];
    let plan = plan(&needs, &options, &us_east_1()).unwrap();
    let how = |n: usize| plan.packs.iter().find(|pack| pack.name == name(n)).unwrap().how;
    assert_eq!([1, 2, 3, 4].map(how), [How::Thaw, How::Ready, How::Thaw, How::Ready]);
    let ready: Vec<_> = plan.packs.iter().take(2).map(|pack| pack.name.clone()).collect();
    assert_eq!(ready, [name(2), name(4)], "what vanishes first is read first");
    assert_eq!(plan.first_byte, Duration::ZERO);
    assert!(plan.assumptions.iter().any(|text| text.contains("may vanish")), "{plan}");
}

#[test]
fn what_is_not_known_counts_as_cold_and_the_plan_says_so() {
    let moving = StorageClass::IntelligentTiering;
    let needs: Vec<_> = (0..5).map(|n| need(n, GIB, [place(moving.clone(), Readable::Unknown)])).collect();
    let options = Options { days: 0, bandwidth: 1000, ..options(Tier::Standard) };
    let plan = plan(&needs, &options, &us_east_1()).unwrap();
    assert!(plan.packs.iter().all(|pack| pack.how == How::Thaw));
    assert_eq!(plan.waves.len(), 1, "what does not vanish again needs no waves");
    let text = plan.to_string();
    assert!(text.contains("Not known to be readable at once") && text.contains("5 packs, counted as cold"), "{text}");
}

#[test]
fn the_page_and_the_json_tell_the_same() {
    let needs = [
        need(1, GIB, [place(StorageClass::DeepArchive, Readable::Cold)]),
        need(2, 2 * GIB, [local()]),
        need(3, GIB, [place(StorageClass::DeepArchive, Readable::Thawing)]),
    ];
    let plan = plan(&needs, &options(Tier::Bulk), &us_east_1()).unwrap();
    let page = plan.to_string();
    for part in [
        "1 pack can be read now: 2.1 GB to download.",
        "2 packs have to be thawed first, at bulk: 2.1 GB, to stay for 3 days; 2.1 GB of it to download.",
        "First photograph: at once",
        "Last photograph:  within 49 hours, download included",
        "Thawed bytes, DEEP_ARCHIVE, bulk",
        "Total",
        "Already being thawed: 1 pack, counted",
        "100 Mbit/s",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    let listing = plan.listing().to_string();
    assert_eq!(listing.lines().count(), 3);
    assert!(listing.lines().next().unwrap().starts_with("ready") && listing.contains(name(3).as_str()), "{listing}");
    let json: serde_json::Value = serde_json::to_value(&plan).unwrap();
    assert_eq!(json["tier"], "bulk");
    assert_eq!(json["last_byte"], plan.last_byte.as_secs());
    assert_eq!(json["packs"].as_array().unwrap().len(), 3);
    assert!(plan.last_byte > DAY * 2);
}
