//! Bills that others have worked out: AWS's own articles, and two photographers.

use darkslide_price::{Access, PriceTable, terms};
use darkslide_words::{Bytes, Count, StorageClass, Tier};

use crate::{GIB, close, total, usd, virginia};

/// <https://repost.aws/knowledge-center/s3-manage-data-retrieval>: 15,000,000 objects, 100 TB
/// (102,400 GB) out of `GLACIER`.
#[test]
fn the_article_of_aws_on_retrieval() {
    let (objects, bytes) = (Count(15_000_000), Bytes(102_400 * GIB));
    let cost = |tier| {
        let prices = virginia();
        let requests = prices.restore_requests(&StorageClass::Glacier, None, tier, objects).unwrap();
        let retrieval = prices.retrieval(&StorageClass::Glacier, None, tier, bytes).unwrap();
        (usd(&requests), usd(&retrieval))
    };
    assert_eq!(cost(Tier::Standard), (750.0, 1_024.0));
    assert_eq!(cost(Tier::Expedited), (150_000.0, 3_072.0));
    assert_eq!(cost(Tier::Bulk), (0.0, 0.0));
}

/// A million objects in `DEEP_ARCHIVE`: overhead 32 KiB and 8 KiB each, upload, thaw.
#[test]
fn a_million_small_objects() {
    let (prices, class, objects) = (virginia(), StorageClass::DeepArchive, Count(1_000_000));
    let overhead = prices.storage(&class, None, objects, Bytes(0)).unwrap();
    let [archive, standard] = &overhead[..] else { panic!("{overhead:?}") };
    assert!(close(archive.quantity, 30.5176) && close(archive.amount.usd(), 0.0302), "{archive:?}");
    assert!(close(standard.quantity, 7.6294) && close(standard.amount.usd(), 0.1755), "{standard:?}");
    assert!((usd(&overhead) - 0.21).abs() < 0.005, "{overhead:?}");
    assert_eq!(usd(&prices.put(&class, objects).unwrap()), 50.0);
    assert_eq!(usd(&prices.restore_requests(&class, None, Tier::Bulk, objects).unwrap()), 25.0);
    assert_eq!(usd(&prices.restore_requests(&class, None, Tier::Standard, objects).unwrap()), 100.0);
}

/// "1 TB costs $0.99 a month, $11.88 a year": 1,000 GB of 2^30 bytes, without overhead. The same
/// terabyte on the side of a disk (10^12 bytes) is $0.92, one of 2^40 bytes $1.01.
#[test]
fn a_terabyte_in_deep_archive() {
    let month = |bytes| usd(&virginia().storage(&StorageClass::DeepArchive, None, Count(0), Bytes(bytes)).unwrap());
    assert_eq!(month(1_000 * GIB), 0.99);
    assert!(close(month(1_000 * GIB) * 12.0, 11.88));
    assert!(close(month(1_000_000_000_000), 0.9220));
    assert!(close(month(1 << 40), 1.0138));
}

/// "1.5 TB in a vault for about $6 a month" was written when a GB cost 0.004; today it is 0.0036.
#[test]
fn a_terabyte_and_a_half_in_a_vault() {
    let bytes = Bytes(1_500 * GIB);
    assert_eq!(usd(&virginia().vault_storage(Count(0), bytes)), 5.4);
    let vault =
        "storage = 0.004\nupload = 0.05\nretrieval_request = { standard = 0.05 }\nretrieve = { standard = 0.01 }";
    let then = format!(
        "version = 1\nas_of = 2018-04-04\n[regions.eu-west-1]\nlike = \"eu-west-1\"\n[regions.eu-west-1.vault]\n{vault}\n"
    );
    let then = PriceTable::parse(&then).unwrap().region("eu-west-1").unwrap();
    assert_eq!(usd(&then.vault_storage(Count(0), bytes)), 6.0);
    assert!(then.vault_retrieval(Tier::Bulk, Count(1), bytes).is_err());
}

/// Golden test of infracost, `data_transfer`: the steps after the free gigabytes.
#[test]
fn the_steps_of_transfer() {
    let gb = |n: u64| Bytes(n * GIB);
    let all = virginia().egress(gb(100 + 10_240 + 40_960 + 102_400 + 3_400), Bytes(0));
    let amounts: Vec<f64> = all.iter().map(|line| line.amount.usd()).collect();
    assert_eq!(amounts, [0.0, 921.6, 3_481.6, 7_168.0, 170.0]);
    assert_eq!(usd(&virginia().egress(gb(100), Bytes(0))), 0.0);
    assert!(close(usd(&virginia().egress(gb(100), gb(60))), 60.0 * 0.09));
    assert_eq!(virginia().egress(Bytes(0), gb(60)), []);
}

/// S3 pricing page: the first 50 TB, the next 450, what is over 500.
#[test]
fn the_steps_of_standard() {
    let lines = virginia().storage(&StorageClass::Standard, None, Count(9), Bytes(600_000 * GIB)).unwrap();
    let steps: Vec<(f64, f64)> = lines.iter().map(|line| (line.quantity, line.rate)).collect();
    assert_eq!(steps, [(51_200.0, 0.023), (460_800.0, 0.022), (88_000.0, 0.021)]);
}

/// `STANDARD_IA`, `ONEZONE_IA` and `GLACIER_IR` bill at least 128 KiB an object.
#[test]
fn small_objects_are_billed_as_128_kib() {
    for class in [StorageClass::StandardIa, StorageClass::OnezoneIa, StorageClass::GlacierIr] {
        let cost = |bytes| total(&virginia().storage(&class, None, Count(8), Bytes(bytes)).unwrap());
        assert_eq!(cost(8), cost(8 * 128 * 1024), "{class}");
        assert!(cost(8 * 128 * 1024) < cost(8 * 129 * 1024), "{class}");
    }
}

/// Intelligent-Tiering: 0.0025 per 1,000 monitored objects; smaller than 128 KiB is not monitored;
/// each access tier at its own rate, the archive tiers with the archives' overhead.
#[test]
fn intelligent_tiering_by_access_tier() {
    let (prices, class) = (virginia(), StorageClass::IntelligentTiering);
    let of = |access, objects, bytes| prices.storage(&class, Some(access), Count(objects), Bytes(bytes)).unwrap();
    let rates = [
        (Access::Frequent, 0.023),
        (Access::Infrequent, 0.0125),
        (Access::ArchiveInstant, 0.004),
        (Access::Archive, 0.0036),
        (Access::DeepArchive, 0.00099),
    ];
    for (access, rate) in rates {
        assert_eq!(usd(&of(access, 0, 1_000 * GIB)), 1_000.0 * rate, "{access}");
        // Three steps of Frequent Access or one rate, two overheads in an archive tier, monitoring.
        let lines = of(access, 1_000_000, 1_000_000 * GIB).len();
        let rates = if access == Access::Frequent { 3 } else { 1 };
        assert_eq!(lines, rates + 1 + if access.is_archive() { 2 } else { 0 }, "{access}");
    }
    let monitored = |objects, bytes| of(Access::Infrequent, objects, bytes).into_iter().find(|l| l.unit == "objects");
    assert_eq!(monitored(1_000_000, 1_000_000 * GIB).unwrap().amount.usd(), 2.5);
    assert_eq!(monitored(1_000_000, 100_000), None);
    assert_eq!(monitored(10, 131_072 * 3).unwrap().quantity, 3.0);
}

/// A week of a thawed copy of 100 GiB: 100 × 7 ÷ 30 GiB-months at `STANDARD`.
#[test]
fn thawed_copies_and_early_deletion_are_pro_rata() {
    let prices = virginia();
    let week = prices.thawed_copy(Bytes(100 * GIB), 7).unwrap();
    assert!(close(usd(&week), 100.0 * 7.0 / 30.0 * 0.023), "{week:?}");
    // 1,000 GiB in DEEP_ARCHIVE, 80 of 180 days old: 100 days are left.
    let early =
        |age| usd(&prices.early_deletion(&StorageClass::DeepArchive, Count(0), Bytes(1_000 * GIB), age).unwrap());
    assert!(close(early(80), 0.99 * 2400.0 / 730.0), "{}", early(80));
    assert!(close(early(0), 0.99 * 4320.0 / 730.0));
    assert_eq!([early(180), early(9_999)], [0.0, 0.0]);
    for (class, days) in [
        (StorageClass::Standard, 0),
        (StorageClass::IntelligentTiering, 0),
        (StorageClass::StandardIa, 30),
        (StorageClass::OnezoneIa, 30),
        (StorageClass::GlacierIr, 90),
        (StorageClass::Glacier, 90),
        (StorageClass::DeepArchive, 180),
    ] {
        assert_eq!(terms(&class, None).min_days, days, "{class}");
        let free = |age| prices.early_deletion(&class, Count(1), Bytes(GIB), age).unwrap().is_empty();
        assert!(free(days) && (days == 0 || !free(days - 1)), "{class}");
    }
    assert!(close(usd(&prices.vault_early_deletion(Count(0), Bytes(1_000 * GIB), 60)), 3.6 * 720.0 / 730.0));
}

/// The remaining fees, one by one.
#[test]
fn fees_of_requests_batch_inventory_and_vaults() {
    let prices = virginia();
    let thousand = Count(1_000);
    let puts: Vec<f64> = StorageClass::KNOWN.iter().map(|class| usd(&prices.put(class, thousand).unwrap())).collect();
    assert_eq!(puts, [0.005, 0.01, 0.01, 0.005, 0.02, 0.03, 0.05]);
    let gets: Vec<f64> = StorageClass::KNOWN.iter().map(|class| usd(&prices.get(class, thousand).unwrap())).collect();
    assert_eq!(gets, [0.0004, 0.001, 0.001, 0.0004, 0.01, 0.0004, 0.0004]);
    assert_eq!(usd(&prices.transition(&StorageClass::DeepArchive, thousand).unwrap()), 0.05);
    assert!(prices.transition(&StorageClass::Standard, thousand).is_err(), "nothing moves into STANDARD by rule");
    assert_eq!(usd(&prices.read(&StorageClass::GlacierIr, Bytes(100 * GIB)).unwrap()), 3.0);
    assert_eq!(prices.read(&StorageClass::Standard, Bytes(GIB)).unwrap(), []);
    assert_eq!((usd(&prices.list(thousand)), usd(&prices.delete(thousand))), (0.005, 0.0));
    assert_eq!(usd(&prices.batch(Count(1), Count(2_000_000))), 2.25);
    assert_eq!(usd(&prices.inventory(Count(4_000_000))), 0.01);
    assert_eq!(usd(&prices.vault_upload(thousand)), 0.03);
    let retrieved = prices.vault_retrieval(Tier::Standard, thousand, Bytes(100 * GIB)).unwrap();
    assert_eq!(usd(&retrieved), 0.03 + 1.0);
}
