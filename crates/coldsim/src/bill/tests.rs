//! Bills computed by hand. Every expected amount is written out from the price
//! list and the length of the month, in billionths of a dollar.

use darkslide_words::{Money, StorageClass, Tier, Time};

use super::*;

const GIB: u64 = 1 << 30;

/// Midnight UTC.
fn day(year: i16, month: i8, day: i8) -> Time {
    let date = jiff::civil::date(year, month, day).to_zoned(jiff::tz::TimeZone::UTC).unwrap();
    Time(i64::try_from(date.timestamp().as_nanosecond()).unwrap())
}

fn kept(class: StorageClass, bytes: u64, from: Time, to: Time) -> Stored {
    Stored { class, access: None, bytes, from, to }
}

fn months(bill: &Bill) -> Vec<(&str, i64)> {
    bill.months.iter().map(|m| (m.month.as_str(), m.amount.0)).collect()
}

#[test]
fn a_gigabyte_costs_its_rate_in_every_month_however_long() {
    let mut meter = Meter::new("us-east-1");
    meter.stored(kept(StorageClass::Standard, GIB, day(2026, 1, 1), day(2026, 4, 1)));
    let bill = meter.bill();
    assert_eq!(months(&bill), [("2026-01", 23_000_000), ("2026-02", 23_000_000), ("2026-03", 23_000_000)]);
    assert_eq!(bill.total, Money(69_000_000));
    assert_eq!((bill.lines[0].unit.as_str(), bill.lines[0].quantity), ("GB-month", 1.0));
    // One day of February is 1/28 of the rate, one of January 1/31.
    let mut meter = Meter::new("us-east-1");
    meter.stored(kept(StorageClass::Standard, GIB, day(2026, 1, 31), day(2026, 2, 2)));
    assert_eq!(months(&meter.bill()), [("2026-01", 741_935), ("2026-02", 821_429)]);
}

#[test]
fn stretches_add_up_whatever_they_are_cut_into() {
    let (from, to) = (day(2026, 1, 17), day(2026, 5, 3));
    let mut whole = Meter::new("us-east-1");
    whole.stored(kept(StorageClass::DeepArchive, 12_345_678, from, to));
    let mut cut = Meter::new("us-east-1");
    let mut at = from;
    while at < to {
        let next = Time(at.0 + 7_777_777_777_777).min(to);
        cut.stored(kept(StorageClass::DeepArchive, 12_345_678, at, next));
        at = next;
    }
    assert_eq!(whole.bill(), cut.bill());
    // Nothing for no time.
    whole.stored(kept(StorageClass::DeepArchive, 12_345_678, to, to));
    whole.stored(kept(StorageClass::DeepArchive, 12_345_678, to, from));
    assert_eq!(whole.bill(), cut.bill());
}

#[test]
fn a_million_small_objects_in_deep_archive() {
    let mut meter = Meter::new("us-east-1");
    let put = day(2026, 4, 1);
    meter.at(put).request(RequestKind::Put, &StorageClass::DeepArchive, 1_000_000);
    // One object of no bytes shows the overhead: 32 KiB at 0.00099 and 8 KiB at 0.023, for April.
    for _ in 0..1_000 {
        meter.stored(kept(StorageClass::DeepArchive, 0, put, day(2026, 5, 1)));
    }
    let bill = meter.bill();
    assert_eq!(bill.amount_of("DEEP_ARCHIVE PUT requests"), Money(50_000_000_000), "50 dollars");
    // 1,000 × 32,768 / 2^30 = 0.030517578125 GB; × 990,000 = 30,212.40
    assert_eq!(bill.amount_of("DEEP_ARCHIVE storage"), Money(30_212));
    // 1,000 × 8,192 / 2^30 = 0.00762939453125 GB; × 23,000,000 = 175,476.07
    assert_eq!(bill.amount_of("STANDARD storage: names of archived objects"), Money(175_476));
}

#[test]
fn a_hundred_gigabytes_for_a_year_in_deep_archive() {
    let mut meter = Meter::new("eu-west-1");
    // 1,000 packs of 100 MiB.
    for _ in 0..1_000 {
        meter.stored(kept(StorageClass::DeepArchive, 104_857_600, day(2026, 1, 1), day(2027, 1, 1)));
    }
    let bill = meter.bill();
    // (104,857,600 + 32,768) × 1,000 / 2^30 = 97.686767578125 GB; × 990,000 = 96,709,899.90 a month.
    assert_eq!(bill.amount_of("DEEP_ARCHIVE storage"), Money(12 * 96_709_900));
    assert_eq!(bill.amount_of("STANDARD storage: names of archived objects"), Money(12 * 175_476));
    assert_eq!((bill.months.len(), bill.priced_as.as_str()), (12, "eu-west-1"));
}

#[test]
fn small_objects_bill_as_128_kib_where_there_is_a_minimum() {
    for (class, rate) in [
        (StorageClass::StandardIa, 12_500_000),
        (StorageClass::OnezoneIa, 10_000_000),
        (StorageClass::GlacierIr, 4_000_000),
    ] {
        let mut meter = Meter::new("us-east-1");
        for _ in 0..8_192 {
            meter.stored(kept(class.clone(), 1, day(2026, 6, 1), day(2026, 7, 1)));
        }
        assert_eq!(meter.bill().total, Money(rate), "8,192 × 128 KiB are 1 GiB: {class}");
    }
    let mut meter = Meter::new("us-east-1");
    meter.stored(kept(StorageClass::Standard, 1 << 20, day(2026, 6, 1), day(2026, 7, 1)));
    assert_eq!(meter.bill().total, Money(22_461), "STANDARD has no minimum: 23,000,000 / 1,024");
}

#[test]
fn standard_gets_cheaper_by_volume_within_a_month() {
    let mut meter = Meter::new("us-east-1");
    // 600 TiB for June: 51,200 + 460,800 + 102,400 GB.
    meter.stored(kept(StorageClass::Standard, 614_400 * GIB, day(2026, 6, 1), day(2026, 7, 1)));
    let bill = meter.bill();
    let lines: Vec<(f64, i64, i64)> = bill.lines.iter().map(|l| (l.quantity, l.rate.0, l.amount.0)).collect();
    assert_eq!(
        lines,
        [
            (51_200.0, 23_000_000, 1_177_600_000_000),
            (460_800.0, 22_000_000, 10_137_600_000_000),
            (102_400.0, 21_000_000, 2_150_400_000_000)
        ]
    );
    // A thawed copy comes on top, in the step that is reached.
    meter.thawed_copy(GIB, day(2026, 6, 1), day(2026, 7, 1));
    assert_eq!(meter.bill().amount_of("STANDARD storage: thawed copies"), Money(21_000_000));
    // The steps begin anew.
    meter.thawed_copy(GIB, day(2026, 7, 1), day(2026, 8, 1));
    assert_eq!(meter.bill().amount_of("STANDARD storage: thawed copies"), Money(44_000_000));
}

#[test]
fn what_leaves_too_early_is_charged_for_the_days_it_should_have_stayed() {
    // 30 of 180 days stored; 150 days missing; charged in the month of the delete (June, 30 days).
    let mut meter = Meter::new("us-east-1");
    let bytes = GIB - 32_768;
    meter.removed(&StorageClass::DeepArchive, bytes, day(2026, 5, 2), day(2026, 6, 1));
    let bill = meter.bill();
    assert_eq!(months(&bill), [("2026-06", 4_950_000)], "150 / 30 × 990,000");
    assert_eq!(bill.amount_of("DEEP_ARCHIVE early deletion"), Money(4_950_000));
    // After the minimum, and from a class that has none: nothing.
    let mut meter = Meter::new("us-east-1");
    meter.removed(&StorageClass::DeepArchive, bytes, day(2026, 1, 1), day(2026, 6, 30));
    meter.removed(&StorageClass::Standard, bytes, day(2026, 6, 29), day(2026, 6, 30));
    meter.removed(&StorageClass::IntelligentTiering, bytes, day(2026, 6, 29), day(2026, 6, 30));
    assert_eq!(meter.bill().total, Money(0));
    // 90 days for GLACIER, 30 for STANDARD_IA with its least size.
    meter.removed(&StorageClass::Glacier, bytes, day(2026, 6, 1), day(2026, 6, 1));
    meter.removed(&StorageClass::StandardIa, 1, day(2026, 5, 17), day(2026, 6, 1));
    let bill = meter.bill();
    assert_eq!(bill.amount_of("GLACIER early deletion"), Money(10_800_000), "90 / 30 × 3,600,000");
    assert_eq!(bill.amount_of("STANDARD_IA early deletion"), Money(763), "12,500,000 / 8,192 / 2 = 762.94");
}

#[test]
fn thawing_by_class_and_tier() {
    let deep = StorageClass::DeepArchive;
    let price = |class: &StorageClass, access, tier| {
        let mut meter = Meter::new("us-east-1");
        meter.at(day(2026, 11, 22)).request(RequestKind::Restore(tier), class, 1_000);
        meter.thawed(class, access, tier, 100 * GIB);
        let bill = meter.bill();
        (
            bill.amount_of(&format!("{class} restore requests, {tier}")).0,
            bill.amount_of(&format!("{class} retrieval, {tier}")).0,
        )
    };
    assert_eq!(price(&deep, None, Tier::Bulk), (25_000_000, 250_000_000), "0.025 and 0.25");
    assert_eq!(price(&deep, None, Tier::Standard), (100_000_000, 2_000_000_000), "0.10 and 2.00");
    let glacier = StorageClass::Glacier;
    assert_eq!(price(&glacier, None, Tier::Bulk), (0, 0));
    assert_eq!(price(&glacier, None, Tier::Standard), (50_000_000, 1_000_000_000));
    assert_eq!(price(&glacier, None, Tier::Expedited), (10_000_000_000, 3_000_000_000));
    let tiered = StorageClass::IntelligentTiering;
    assert_eq!(price(&tiered, Some(Access::DeepArchive), Tier::Standard), (0, 0));
    assert_eq!(price(&tiered, Some(Access::Archive), Tier::Bulk), (0, 0));
    assert_eq!(price(&tiered, Some(Access::Archive), Tier::Expedited), (10_000_000_000, 3_000_000_000));
}

#[test]
fn requests_and_reads() {
    let mut meter = Meter::new("us-east-1");
    meter.at(day(2026, 11, 1));
    for class in StorageClass::KNOWN {
        meter.request(RequestKind::Put, &class, 1_000);
        meter.request(RequestKind::List, &class, 1_000);
        meter.request(RequestKind::Get, &class, 1_000);
        meter.request(RequestKind::Delete, &class, 1_000);
        meter.request(RequestKind::LifecycleTransition, &class, 1_000);
        meter.retrieved(&class, GIB);
    }
    let bill = meter.bill();
    let amounts = |what: &str| -> Vec<i64> {
        StorageClass::KNOWN.iter().map(|class| bill.amount_of(&format!("{class} {what}")).0 / 100_000).collect()
    };
    // In ten-thousandths: STANDARD, STANDARD_IA, ONEZONE_IA, INTELLIGENT_TIERING, GLACIER_IR, GLACIER, DEEP_ARCHIVE.
    assert_eq!(amounts("PUT requests"), [50, 100, 100, 50, 200, 300, 500]);
    assert_eq!(amounts("GET requests"), [4, 10, 10, 4, 100, 4, 4]);
    assert_eq!(amounts("lifecycle transitions"), [0, 100, 100, 100, 200, 300, 500]);
    assert_eq!(amounts("retrieval"), [0, 100, 100, 0, 300, 0, 0]);
    assert_eq!(bill.amount_of("LIST requests"), Money(35_000_000), "7,000 at 0.005 for 1,000");
    let deletes = bill.lines.iter().find(|line| line.what == "DELETE requests").unwrap();
    assert_eq!((deletes.quantity, deletes.amount), (7_000.0, Money(0)));
}

#[test]
fn intelligent_tiering_by_access_with_monitoring() {
    let (from, to) = (day(2026, 9, 1), day(2026, 10, 1));
    let tier = |access, bytes| {
        let mut meter = Meter::new("us-east-1");
        meter.stored(Stored { class: StorageClass::IntelligentTiering, access, bytes, from, to });
        meter.bill()
    };
    assert_eq!(tier(None, GIB).total, Money(23_000_000));
    assert_eq!(tier(Some(Access::Infrequent), GIB).total, Money(12_500_000));
    assert_eq!(tier(Some(Access::ArchiveInstant), GIB).total, Money(4_000_000));
    // 2^30 + 32 KiB at 0.00099 = 990,030.21; 8 KiB at 0.023 = 175.48.
    let deep = tier(Some(Access::DeepArchive), GIB);
    assert_eq!(deep.amount_of("INTELLIGENT_TIERING storage, deep archive access"), Money(990_030));
    assert_eq!(deep.total, Money(990_030 + 175));
    // Too small to leave the frequent tier: 131,071 / 2^30 × 23,000,000 = 2,807.60.
    assert_eq!(tier(Some(Access::Infrequent), 131_071).total, Money(2_808));

    let mut meter = Meter::new("us-east-1");
    meter.monitored(1_000_000, from, day(2026, 9, 16));
    assert_eq!(meter.bill().total, Money(1_250_000_000), "half a month of 2.50");
}

#[test]
fn transfer_out_is_free_at_first_and_steps_start_anew_each_month() {
    let mut meter = Meter::new("eu-central-1");
    meter.egress(100 * GIB, day(2026, 10, 31));
    assert_eq!(meter.bill().total, Money(0));
    meter.egress(10 * GIB, day(2026, 10, 31));
    assert_eq!(meter.bill().total, Money(900_000_000));
    meter.egress(10 * GIB, day(2026, 11, 1));
    assert_eq!(meter.bill().total, Money(900_000_000));
    // 100 free + 10,240 at 0.09 + 40,960 at 0.085 + 102,400 at 0.07 + 1,000 at 0.05.
    let mut meter = Meter::new("us-east-1");
    meter.egress(154_700 * GIB, day(2026, 12, 1));
    assert_eq!(meter.bill().total, Money(921_600_000_000 + 3_481_600_000_000 + 7_168_000_000_000 + 50_000_000_000));
}

#[test]
fn batch_jobs() {
    let mut meter = Meter::new("us-east-1");
    meter.at(day(2026, 11, 1)).batch_job(200_000);
    meter.batch_job(0);
    // 2 × 0.25, and 200,000 at 1.00 a million.
    assert_eq!(meter.bill().total, Money(700_000_000));
}

#[test]
fn events_without_a_time_count_where_the_meter_stands_and_it_never_goes_back() {
    let mut meter = Meter::new("us-east-1");
    meter.at(day(2026, 2, 28)).request(RequestKind::Get, &StorageClass::Standard, 10);
    meter.egress(0, day(2026, 3, 1));
    meter.at(day(2026, 1, 1)).request(RequestKind::Get, &StorageClass::Standard, 20);
    assert_eq!(months(&meter.bill()), [("2026-02", 4_000), ("2026-03", 8_000)]);
}

#[test]
fn frankfurt_and_places_without_a_price_list() {
    let mut meter = Meter::new("eu-central-1");
    meter.stored(kept(StorageClass::DeepArchive, GIB - 32_768, day(2026, 6, 1), day(2026, 7, 1)));
    let bill = meter.bill();
    assert_eq!(bill.amount_of("DEEP_ARCHIVE storage"), Money(1_800_000));
    assert_eq!(bill.amount_of("STANDARD storage: names of archived objects"), Money(187), "8 KiB at 0.0245 = 186.92");
    let elsewhere = Meter::new("ap-south-2").bill();
    assert_eq!((elsewhere.region.as_str(), elsewhere.priced_as.as_str()), ("ap-south-2", "us-east-1"));
}

#[test]
fn a_meter_survives_json() {
    let mut meter = Meter::new("us-east-1");
    // More byte-milliseconds than 64 bits hold.
    meter.stored(kept(StorageClass::Standard, 1 << 50, day(2026, 1, 1), day(2026, 12, 1)));
    meter.at(day(2026, 12, 1)).request(RequestKind::Restore(Tier::Bulk), &StorageClass::DeepArchive, 3);
    let json = serde_json::to_string(&meter).unwrap();
    let back: Meter = serde_json::from_str(&json).unwrap();
    assert_eq!((&back, back.bill()), (&meter, meter.bill()));
    let bill = serde_json::to_string(&meter.bill()).unwrap();
    assert_eq!(serde_json::from_str::<Bill>(&bill).unwrap().total, meter.bill().total);
}
