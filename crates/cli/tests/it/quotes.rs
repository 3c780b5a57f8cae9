//! Quotes against the simulator's bill: two arithmetics, written apart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use darkslide_catalog::{Catalog, PackStep, PlaceRow, ThawState};
use darkslide_coldsim::{ColdSim, Options as SimOptions};
use darkslide_price::{PriceTable, download_time};
use darkslide_store_s3::bulk::BulkSettings;
use darkslide_store_s3::{Key, S3Settings, S3Store};
use darkslide_thaw::{BULK_FROM, Budget, Executor, Need, Options, Place, PlanError, Settings, plan};
use darkslide_words::{Bytes, Clock, Count, FixedClock, ObjectName, Readable, StorageClass, SystemClock, Tier, Time};

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
                span: None,
                gets: Count(scenario.size / 5_000_000),
                copies: vec![Place { store: label.to_string(), class: class.clone(), readable, local: false }],
            }
        })
        .collect()
}

/// Of the archives of Intelligent-Tiering only the nearer one has Expedited.
fn deep_days(tier: Tier) -> Option<u32> {
    (tier != Tier::Expedited).then_some(180)
}

/// Who asks for the thaws: this machine, pack by pack, or the cloud's batch jobs.
#[derive(PartialEq)]
enum Asks {
    Singly,
    ByJob,
}

/// Quoted and billed, in dollars; nothing where the tier is not offered.
fn play(scenario: &Scenario, class: &StorageClass, tier: Tier, asks: Asks) -> Option<(f64, f64)> {
    let region = "us-east-1";
    let start = Time::from_compact("20260903T101500.000Z").unwrap();
    let options = SimOptions { region: region.into(), ..SimOptions::new(start) };
    // S3 Control looks at the time of each request, and the client knows no other than the system's.
    let real: Arc<dyn Clock> = match asks {
        Asks::Singly => Arc::new(FixedClock::new(start)),
        Asks::ByJob => Arc::new(SystemClock::default()),
    };
    let sim = ColdSim::open(options, real).unwrap();
    sim.create_bucket(BUCKET).unwrap();
    let running = sim.start(([127, 0, 0, 1], 0).into()).unwrap();
    let mut settings = S3Settings::new(BUCKET, "");
    settings.endpoint = Some(running.url());
    settings.region = Some(region.into());
    settings.credentials = Some(Key { id: "coldsim".into(), secret: "coldsim-secret".into(), token: None });
    let store = S3Store::connect(settings).unwrap();
    let store = match asks {
        Asks::Singly => store,
        Asks::ByJob => store.with_bulk(batch(running.url())).unwrap(),
    };
    let label = darkslide_store::Store::label(&store);
    let needs = needs(scenario, class, &label);
    for need in &needs {
        sim.add_hollow(BUCKET, need.name.as_str(), need.size.0, class).unwrap();
    }
    let tiering = *class == StorageClass::IntelligentTiering;
    if tiering {
        sim.archive_idle(BUCKET, 90, deep_days(tier));
        sim.advance(Duration::from_secs(200 * 86_400));
        sim.reset_bill();
    }
    let prices = BTreeMap::from([(label.clone(), PriceTable::builtin().region(region).unwrap())]);
    let wanted = Options {
        policies: Default::default(),
        tier,
        days: scenario.days,
        bandwidth: LINE,
        now: sim.now(),
        egress_used: Bytes(0),
        inside_aws: false,
        bulk: if asks == Asks::ByJob { BTreeSet::from([label.clone()]) } else { BTreeSet::new() },
        bulk_from: BULK_FROM,
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
    let settings = Settings { bandwidth: LINE, budget: Budget::default(), bulk_from: BULK_FROM };
    let executor = Executor::new(&catalog, &[&store], &prices, settings);
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
    let jobs = sim.bill().lines.iter().filter(|line| line.what.contains("Batch")).count();
    assert_eq!(jobs > 0, asks == Asks::ByJob, "{:?}", sim.bill().lines);
    let actual = catalog.thaw(id).unwrap().unwrap().spent.usd();
    assert!(actual <= made.total().usd() + 1e-5, "spent {actual} of {}", made.total());
    if tiering {
        // What it costs is that the objects are dearer for half a year: the bill beside that of
        // a world where nothing was thawed.
        let since = start.plus(Duration::from_secs(200 * 86_400));
        let still = untouched(&needs, class, since, deep_days(tier));
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

fn batch(endpoint: String) -> BulkSettings {
    BulkSettings {
        account: "123456789012".into(),
        role_arn: "arn:aws:iam::123456789012:role/darkslide-batch".into(),
        bucket: BUCKET.into(),
        prefix: String::new(),
        endpoint: Some(endpoint),
    }
}

/// The same objects at the same time, and nobody thaws them.
fn untouched(needs: &[Need], class: &StorageClass, since: Time, deep_days: Option<u32>) -> ColdSim {
    let start = Time::from_compact("20260903T101500.000Z").unwrap();
    let sim = ColdSim::open(SimOptions::new(start), Arc::new(FixedClock::new(start))).unwrap();
    sim.create_bucket(BUCKET).unwrap();
    for need in needs {
        sim.add_hollow(BUCKET, need.name.as_str(), need.size.0, class).unwrap();
    }
    sim.archive_idle(BUCKET, 90, deep_days);
    sim.advance(start.until(since));
    sim.reset_bill();
    sim
}

fn hold(class: &StorageClass, tier: Tier, scenario: &Scenario, asks: Asks) -> Option<String> {
    let (quoted, billed) = play(scenario, class, tier, asks)?;
    let ratio = quoted / billed;
    println!("{class:?} {tier} {}: {quoted:.5} {billed:.5} {ratio:.4}", scenario.what);
    let off = (ratio - 1.0).abs() > 0.01;
    off.then(|| format!("{class} {tier} {}: quoted {quoted}, billed {billed}", scenario.what))
}

#[test]
fn quotes_are_within_one_percent_of_the_bill() {
    let mut off = Vec::new();
    for class in StorageClass::KNOWN {
        for scenario in &SCENARIOS {
            let thaws = class.is_archive() || class == StorageClass::IntelligentTiering;
            let tiers: &[Tier] = if thaws { &Tier::ALL } else { &[Tier::Bulk] };
            off.extend(tiers.iter().filter_map(|tier| hold(&class, *tier, scenario, Asks::Singly)));
        }
    }
    assert!(off.is_empty(), "{off:#?}");
}

#[test]
fn a_library_thawed_by_batch_jobs_costs_what_was_quoted() {
    let library = &SCENARIOS[2];
    let mut off = Vec::new();
    for class in [StorageClass::Glacier, StorageClass::DeepArchive, StorageClass::IntelligentTiering] {
        off.extend(
            [Tier::Bulk, Tier::Standard].map(|tier| hold(&class, tier, library, Asks::ByJob)).into_iter().flatten(),
        );
    }
    assert!(off.is_empty(), "{off:#?}");
}
