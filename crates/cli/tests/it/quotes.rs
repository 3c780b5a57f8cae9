//! Quotes against the simulator's bill: two arithmetics, written apart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use darkslide_catalog::{Catalog, PackStep, PlaceRow, ThawState};
use darkslide_coldsim::{ColdSim, Options as SimOptions};
use darkslide_price::{PriceTable, download_time};
use darkslide_store_s3::{Key, S3Settings, S3Store};
use darkslide_thaw::{Budget, Executor, Need, Options, Place, PlanError, Settings, plan};
use darkslide_words::{Bytes, Count, FixedClock, ObjectName, Readable, StorageClass, Tier, Time};

const BUCKET: &str = "photos";
/// Bits a second: fast enough that a library is one wave, or nearly.
const LINE: u64 = 1_000_000_000;

struct Scenario {
    what: &'static str,
    packs: u64,
    size: u64,
    days: u32,
}

/// One shoot, a year, a library.
const SCENARIOS: [Scenario; 3] = [
    Scenario { what: "one shoot", packs: 45, size: 67_000_000, days: 3 },
    Scenario { what: "a year", packs: 400, size: 500_000_000, days: 5 },
    Scenario { what: "a library", packs: 1000, size: 512_000_000, days: 7 },
];

fn needs(scenario: &Scenario, class: &StorageClass, label: &str) -> Vec<Need> {
    (0..scenario.packs)
        .map(|n| {
            let readable = match class {
                StorageClass::IntelligentTiering => Readable::Unknown,
                class if class.is_archive() => Readable::Cold,
                _ => Readable::Now,
            };
            Need {
                name: ObjectName::new(format!("packs/{:02x}/{n:064x}.tar.zst.age", n % 256)).unwrap(),
                size: Bytes(scenario.size),
                wanted: Bytes(scenario.size / 100 * 99),
                gets: Count(scenario.size / 5_000_000),
                copies: vec![Place { store: label.to_string(), class: class.clone(), readable, local: false }],
            }
        })
        .collect()
}

/// Quoted and billed, in dollars; nothing where the tier is not offered.
fn play(scenario: &Scenario, class: &StorageClass, tier: Tier, region: &str) -> Option<(f64, f64)> {
    let start = Time::from_compact("20260903T101500.000Z").unwrap();
    let options = SimOptions { region: region.into(), ..SimOptions::new(start) };
    let sim = ColdSim::open(options, Arc::new(FixedClock::new(start))).unwrap();
    sim.create_bucket(BUCKET).unwrap();
    let running = sim.start(([127, 0, 0, 1], 0).into()).unwrap();
    let mut settings = S3Settings::new(BUCKET, "");
    settings.endpoint = Some(running.url());
    settings.region = Some(region.into());
    settings.credentials = Some(Key { id: "coldsim".into(), secret: "coldsim-secret".into(), token: None });
    let store = S3Store::connect(settings).unwrap();
    let label = darkslide_store::Store::label(&store);
    let needs = needs(scenario, class, &label);
    for need in &needs {
        sim.add_hollow(BUCKET, need.name.as_str(), need.size.0, class).unwrap();
    }
    let tiering = *class == StorageClass::IntelligentTiering;
    if tiering {
        sim.archive_idle(BUCKET, 90, 180);
        sim.advance(Duration::from_secs(200 * 86_400));
        sim.reset_bill();
    }
    let prices = BTreeMap::from([(label.clone(), PriceTable::builtin().region(region).unwrap())]);
    let wanted = Options {
        tier,
        days: scenario.days,
        bandwidth: LINE,
        now: sim.now(),
        egress_used: Bytes(0),
        inside_aws: false,
        bulk: BTreeSet::new(),
        held: BTreeMap::from([(label.clone(), scenario.packs)]),
    };
    let made = match plan(&needs, &wanted, &prices) {
        Err(PlanError::TierNotOffered { .. }) => return None,
        made => made.unwrap(),
    };
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::create(&folder.path().join("catalog")).unwrap();
    let row = |need: &Need| PlaceRow {
        name: need.name.clone(),
        class: class.clone(),
        readable: need.copies[0].readable,
        size: need.size,
        seen: sim.now(),
    };
    catalog.put_places(&label, &needs.iter().map(row).collect::<Vec<_>>()).unwrap();
    let executor = Executor::new(&catalog, &[&store], &prices, Settings { bandwidth: LINE, budget: Budget::default() });
    let id = executor.begin(&made, "{}", Some(made.total()), sim.now()).unwrap();
    loop {
        let progress = executor.step(id, sim.now()).unwrap();
        assert_eq!(progress.stop, None, "the quote is also the limit");
        let mut names = Vec::new();
        for row in catalog.thaw_packs(id).unwrap().into_iter().filter(|row| row.step == PackStep::Warm) {
            sim.advance(download_time(row.wanted, LINE));
            let need = needs.iter().find(|n| n.name == row.name).unwrap();
            assert!(sim.download_hollow(BUCKET, row.name.as_str(), need.wanted.0, need.gets.0), "{} froze", row.name);
            names.push(row.name);
        }
        executor.verified(id, &names, sim.now()).unwrap();
        if catalog.thaw(id).unwrap().unwrap().state == ThawState::Done {
            break;
        }
        let at = executor.progress(id, sim.now()).unwrap().next_step_at.expect("something is due");
        sim.advance(sim.now().until(at).max(Duration::from_secs(60)));
    }
    let actual = catalog.thaw(id).unwrap().unwrap().spent.usd();
    assert!(actual <= made.total().usd() + 1e-5, "spent {actual} of {}", made.total());
    if tiering {
        // What it costs is that the objects are dearer for half a year: the bill beside that of
        // a world where nothing was thawed.
        let since = start.plus(Duration::from_secs(200 * 86_400));
        let still = untouched(&needs, class, since);
        let end = since.plus(Duration::from_secs(200 * 86_400));
        sim.advance(sim.now().until(end));
        still.advance(still.now().until(end));
        return Some((made.total().usd(), (sim.bill().total - still.bill().total).usd()));
    }
    sim.advance(Duration::from_secs(86_400 * u64::from(scenario.days + 2)));
    let standing = |what: &str| what.contains("storage") && !what.contains("thawed copies");
    let billed = sim.bill().lines.iter().filter(|l| !standing(&l.what)).map(|l| l.amount.usd()).sum();
    Some((made.total().usd(), billed))
}

/// The same objects at the same time, and nobody thaws them.
fn untouched(needs: &[Need], class: &StorageClass, since: Time) -> ColdSim {
    let start = Time::from_compact("20260903T101500.000Z").unwrap();
    let sim = ColdSim::open(SimOptions::new(start), Arc::new(FixedClock::new(start))).unwrap();
    sim.create_bucket(BUCKET).unwrap();
    for need in needs {
        sim.add_hollow(BUCKET, need.name.as_str(), need.size.0, class).unwrap();
    }
    sim.archive_idle(BUCKET, 90, 180);
    sim.advance(start.until(since));
    sim.reset_bill();
    sim
}

#[test]
fn quotes_are_within_one_percent_of_the_bill() {
    let mut off = Vec::new();
    for class in StorageClass::KNOWN {
        for scenario in &SCENARIOS {
            // What has reached Deep Archive Access has no Expedited.
            let tiers: &[Tier] = match class {
                StorageClass::IntelligentTiering => &[Tier::Bulk, Tier::Standard],
                ref class if class.is_archive() => &Tier::ALL,
                _ => &[Tier::Bulk],
            };
            for tier in tiers {
                let Some((quoted, billed)) = play(scenario, &class, *tier, "us-east-1") else { continue };
                let ratio = quoted / billed;
                println!("{class:?} {tier} {}: {quoted:.5} {billed:.5} {ratio:.4}", scenario.what);
                if (ratio - 1.0).abs() > 0.01 {
                    off.push(format!("{class} {tier} {}: quoted {quoted}, billed {billed}", scenario.what));
                }
            }
        }
    }
    assert!(off.is_empty(), "{off:#?}");
}
