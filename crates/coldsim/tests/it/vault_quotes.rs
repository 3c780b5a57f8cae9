//! Quotes for vaults against the bill: two arithmetics and two price lists, written apart.

use darkslide_coldsim::Options;
use darkslide_price::{Line, Pace, PriceTable};
use darkslide_words::{Bytes, Count, Money, RetrievalPolicy, Tier, Time};
use serde_json::json;

use crate::client::{DAY, HOUR};
use crate::glacier::{MIB, Vaults, code, sample};

const REGIONS: [&str; 3] = ["us-east-1", "eu-west-1", "eu-central-1"];

/// Noon of 2026-06-01: a month of 30 days lies ahead.
const JUNE: i64 = 1_780_315_200;

fn vaults(region: &str) -> Vaults {
    let vaults = Vaults::with(Options { region: region.into(), ..Options::new(Time::from_parts(JUNE, 0)) });
    vaults.bench.sim.reset_bill();
    vaults
}

fn usd(lines: &[Line]) -> f64 {
    lines.iter().map(|line| line.amount.usd()).sum()
}

fn holds(what: &str, quote: &[Line], bill: Money) {
    let (quoted, billed) = (usd(quote), bill.usd());
    assert!(billed > 0.0 && (quoted - billed).abs() <= 0.01 * billed, "{what}: quoted {quoted}, billed {billed}");
}

fn name(tier: Tier) -> &'static str {
    match tier {
        Tier::Bulk => "Bulk",
        Tier::Standard => "Standard",
        Tier::Expedited => "Expedited",
    }
}

/// A hundred packs, of each a few MiB as one photograph needs, and some whole ones.
#[test]
fn a_retrieval_costs_what_was_quoted_at_each_tier() {
    for region in REGIONS {
        let prices = PriceTable::builtin().region(region).unwrap();
        for tier in Tier::ALL {
            let vaults = vaults(region);
            let (pack, part) = (64 * MIB as u64, 3 * MIB as u64);
            let packs: Vec<String> = (0..100)
                .map(|n| vaults.bench.sim.add_hollow_archive("photos", &format!("packs/{n}"), pack).unwrap())
                .collect();
            vaults.bench.sim.reset_bill();
            let mut bytes = 0;
            for (n, id) in packs.iter().enumerate() {
                let range = if n % 4 == 0 { (0, pack) } else { (part, 2 * part) };
                bytes += range.1 - range.0;
                let range = format!("{}-{}", range.0, range.1 - 1);
                vaults.job(&json!({
                    "Type": "archive-retrieval", "ArchiveId": id, "Tier": name(tier), "RetrievalByteRange": range,
                }));
            }
            let quote = prices.vault_retrieval(tier, Count(100), Bytes(bytes)).unwrap();
            holds(&format!("{region} {tier}"), &quote, vaults.bench.sim.bill().total);
        }
    }
}

#[test]
fn a_backup_and_the_months_after_it_cost_what_was_quoted() {
    for region in REGIONS {
        let prices = PriceTable::builtin().region(region).unwrap();
        let vaults = vaults(region);
        for n in 0..20 {
            vaults.bench.sim.add_hollow_archive("photos", &n.to_string(), 500_000_000).unwrap();
        }
        holds("uploads", &prices.vault_upload(Count(20)), vaults.bench.sim.bill().total);
        vaults.bench.sim.reset_bill();
        vaults.bench.advance(30 * DAY);
        let month = prices.vault_storage(Count(20), Bytes(10_000_000_000));
        holds("a month", &month, vaults.bench.sim.bill().total);
        // In three parts: two requests more.
        vaults.bench.sim.reset_bill();
        crate::vaults::upload_in_parts(&vaults, &sample(2 * MIB + 1), 1);
        let bill = vaults.bench.sim.bill();
        holds("parts", &prices.vault_upload(Count(5)), bill.amount_of("vault upload requests"));
    }
}

#[test]
fn early_deletion_costs_what_was_quoted() {
    let prices = PriceTable::builtin().region("us-east-1").unwrap();
    let vaults = vaults("us-east-1");
    let id = vaults.bench.sim.add_hollow_archive("photos", "one", 10_000_000_000).unwrap();
    vaults.bench.advance(20 * DAY);
    vaults.bench.sim.reset_bill();
    assert_eq!(vaults.delete(&id).status, 204);
    let quoted = usd(&prices.vault_early_deletion(Count(1), Bytes(10_000_000_000), 20));
    let billed = vaults.bench.sim.bill().total.usd();
    // The quote counts months of 730 hours; June has 720.
    assert!((quoted / billed - 720.0 / 730.0).abs() < 1e-3, "quoted {quoted}, billed {billed}");
}

/// What a quote says of a policy is what the vault does: as many jobs at once as fit, no more.
#[test]
fn a_policy_lets_through_what_the_quote_counts_on() {
    let vaults = vaults("us-east-1");
    let limit = 100 * MIB as u64;
    let rule = json!({ "Policy": { "Rules": [{ "Strategy": "BytesPerHour", "BytesPerHour": limit }] } });
    assert_eq!(vaults.json("PUT", "/-/policies/data-retrieval", &rule).status, 204);
    let policy = RetrievalPolicy::BytesPerHour { bytes: Bytes(limit) };
    let pace = Pace::of(policy, Tier::Standard).unwrap();
    let at_once = pace.at_once.0;
    let pack = 40 * MIB as u64;
    let id = vaults.bench.sim.add_hollow_archive("photos", "one", pack).unwrap();
    let wanted = json!({ "Type": "archive-retrieval", "ArchiveId": id });
    let (mut left, mut rounds) = (25, 0);
    while left > 0 {
        let mut through = 0;
        while left > 0 && vaults.try_job(&wanted).status == 202 {
            (left, through) = (left - 1, through + 1);
        }
        assert!(through > 0 && through * pack <= at_once && (left == 0 || (through + 1) * pack > at_once), "{through}");
        if left > 0 {
            assert_eq!(code(&vaults.try_job(&wanted)), "PolicyEnforcedException");
        }
        vaults.bench.advance(5 * HOUR);
        rounds += 1;
    }
    assert_eq!(25_u64.div_ceil(at_once / pack), rounds);
    assert_eq!(pace.next_round(Time(0)), Time(0).plus(std::time::Duration::from_secs(5 * HOUR)));
    let prices = PriceTable::builtin().region("us-east-1").unwrap();
    let quote = prices.vault_retrieval(Tier::Standard, Count(25), Bytes(25 * pack)).unwrap();
    let bill = vaults.bench.sim.bill();
    let retrieved = bill.amount_of("vault retrieval, standard") + bill.amount_of("vault retrieval requests, standard");
    holds("what was refused cost nothing", &quote, retrieved);
}
