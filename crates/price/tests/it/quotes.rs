//! Quotes for restores, backups and deletions, and how they print.

use std::time::Duration;

use darkslide_price::{
    Access, BackupFacts, PriceError, Puts, Quote, Removal, RestoreFacts, backup_quote, delete_quote, download_time,
    restore_quote, tiers_offered, times, vault_times,
};
use darkslide_words::{Bytes, Count, Money, StorageClass, Tier};

use crate::{GIB, close, group, prices, restore, usd, virginia};

/// The amount of the line that begins so.
fn amount(quote: &Quote, what: &str) -> f64 {
    let lines: Vec<_> = quote.lines.iter().filter(|line| line.what.starts_with(what)).cloned().collect();
    assert!(!lines.is_empty(), "{what} is not in\n{quote}");
    usd(&lines)
}

/// One shoot of 50 GiB in 800 packs, thawed in bulk for a week and downloaded.
#[test]
fn a_shoot_out_of_deep_archive() {
    let facts = restore(vec![group(StorageClass::DeepArchive, None, 800, 50 * GIB)]);
    let quote = restore_quote(&virginia(), &facts).unwrap();
    assert!(close(amount(&quote, "Thaw requests"), 0.8 * 0.025));
    assert!(close(amount(&quote, "Thawed bytes"), 50.0 * 0.0025));
    assert!(close(amount(&quote, "Thawed copies for 7 days"), 50.0 * 7.0 / 30.0 * 0.023));
    assert!(close(amount(&quote, "Download requests"), 0.8 * 0.0004));
    assert_eq!(amount(&quote, "Download, of the 100 GB free"), 0.0);
    assert_eq!(quote.lines.len(), 5, "{quote}");
    let used = RestoreFacts { egress_used_this_month: Bytes(200 * GIB), ..facts.clone() };
    let paid = restore_quote(&virginia(), &used).unwrap();
    assert!(close(amount(&paid, "Download to the internet"), 50.0 * 0.09), "{paid}");
    let inside = restore_quote(&virginia(), &RestoreFacts { inside_aws: true, ..used }).unwrap();
    assert!(!inside.lines.iter().any(|line| line.unit == "GB") && inside.total() < paid.total());
}

#[test]
fn a_restore_from_many_classes() {
    let groups = vec![
        group(StorageClass::Standard, None, 10, 10 * GIB),
        group(StorageClass::GlacierIr, None, 20, 10 * GIB),
        group(StorageClass::Glacier, None, 30, 10 * GIB),
        group(StorageClass::IntelligentTiering, Some(Access::Infrequent), 40, 10 * GIB),
    ];
    let facts = RestoreFacts { get_requests: Count(1_001), tier: Tier::Standard, ..restore(groups) };
    let quote = restore_quote(&virginia(), &facts).unwrap();
    assert!(close(amount(&quote, "Bytes read, GLACIER_IR"), 0.3));
    assert!(close(amount(&quote, "Thawed bytes, GLACIER, standard"), 0.1));
    assert!(!quote.to_string().contains("Back in"), "nothing was thawed in Intelligent-Tiering");
    let gets: f64 = quote.lines.iter().filter(|l| l.what.starts_with("Download requests")).map(|l| l.quantity).sum();
    assert_eq!(gets, 1_001.0, "shared, none lost");
}

#[test]
fn intelligent_tiering_thaws_free_but_becomes_dearer() {
    let class = StorageClass::IntelligentTiering;
    let facts = restore(vec![group(class.clone(), Some(Access::DeepArchive), 100, 100 * GIB)]);
    let quote = restore_quote(&virginia(), &facts).unwrap();
    assert_eq!(amount(&quote, "Thaw requests") + amount(&quote, "Thawed bytes"), 0.0);
    assert!(close(amount(&quote, "Back in Frequent"), 100.0 * 720.0 / 730.0 * (0.023 - 0.00099)), "{quote}");
    assert!(close(amount(&quote, "Back in Infrequent"), 100.0 * 1440.0 / 730.0 * (0.0125 - 0.00099)), "{quote}");
    assert!(!quote.to_string().contains("Thawed copies"));
    let fast = |access| {
        let facts = restore(vec![group(class.clone(), access, 1_000, 100 * GIB)]);
        restore_quote(&virginia(), &RestoreFacts { tier: Tier::Expedited, ..facts })
    };
    let known = fast(Some(Access::Archive)).unwrap();
    assert_eq!((amount(&known, "Thaw requests"), amount(&known, "Thawed bytes")), (10.0, 3.0));
    assert!(fast(None).unwrap().notes.iter().any(|note| note.contains("not known")));
    let error = fast(Some(Access::DeepArchive)).unwrap_err().to_string();
    assert!(error.contains("Deep Archive Access") && error.contains("bulk or standard"), "{error}");
}

#[test]
fn batch_operations_take_a_job_per_kind_and_no_expedited() {
    let groups = vec![
        group(StorageClass::DeepArchive, None, 600_000, GIB),
        group(StorageClass::Glacier, None, 300_000, GIB),
        group(StorageClass::IntelligentTiering, None, 100_000, GIB),
        group(StorageClass::Standard, None, 5, GIB),
    ];
    let facts = RestoreFacts { via_batch: true, ..restore(groups) };
    assert!(close(amount(&restore_quote(&virginia(), &facts).unwrap(), "S3 Batch Operations"), 2.0 * 0.25 + 1.0));
    let fast = restore(vec![group(StorageClass::Glacier, None, 1, 1)]);
    let fast = RestoreFacts { via_batch: true, tier: Tier::Expedited, ..fast };
    assert_eq!(restore_quote(&virginia(), &fast).unwrap_err(), PriceError::BatchExpedited);
    let nothing_cold = RestoreFacts { groups: vec![group(StorageClass::Standard, None, 5, GIB)], ..facts };
    assert!(!restore_quote(&virginia(), &nothing_cold).unwrap().to_string().contains("Batch"));
}

#[test]
fn what_cannot_be_bought_is_an_error() {
    let facts = restore(vec![group(StorageClass::DeepArchive, None, 1, 1)]);
    let fast = RestoreFacts { tier: Tier::Expedited, ..facts.clone() };
    let error = restore_quote(&virginia(), &fast).unwrap_err().to_string();
    assert!(error.contains("DEEP_ARCHIVE") && error.contains("bulk or standard"), "{error}");
    let error = restore_quote(&virginia(), &RestoreFacts { days: 0, ..facts }).unwrap_err();
    assert!(matches!(error, PriceError::NoDays { .. }) && error.to_string().contains("at least 1 day"));
    let other = restore(vec![group(StorageClass::Other("X".into()), None, 1, 1)]);
    assert!(matches!(restore_quote(&virginia(), &other), Err(PriceError::NoClass { .. })));
    let hot = RestoreFacts { days: 0, ..restore(vec![group(StorageClass::Standard, None, 1, 1)]) };
    assert!(restore_quote(&virginia(), &hot).is_ok(), "nothing is thawed");
}

#[test]
fn a_backup_costs_now_and_every_month() {
    let put = |class, objects, gib| Puts { class, objects: Count(objects), bytes: Bytes(gib * GIB) };
    let facts = BackupFacts {
        puts: vec![put(StorageClass::DeepArchive, 16_000, 1_000), put(StorageClass::Standard, 2_000, 10)],
        lists: Count(20),
    };
    let quote = backup_quote(&virginia(), &facts).unwrap();
    assert!(close(quote.once.total().usd(), 0.8 + 0.01 + 0.0001));
    let overhead = 16_000.0 * (32.0 * 0.00099 + 8.0 * 0.023) / 1_048_576.0;
    assert!(close(quote.monthly.total().usd(), 0.99 + 0.23 + overhead), "{quote}");
    assert!(quote.once.notes.iter().any(|note| note.contains("180 days")), "{quote}");
    assert_eq!(quote.once.notes.len(), 1);
}

#[test]
fn deleting_costs_what_is_left_of_the_minimum_stay() {
    let removal = |class, age_days| Removal { class, bytes: Bytes(1_000 * GIB), age_days, objects: Count(0) };
    let all = [
        removal(StorageClass::DeepArchive, 30),
        removal(StorageClass::Glacier, 200),
        removal(StorageClass::Standard, 0),
    ];
    let quote = delete_quote(&virginia(), &all).unwrap();
    assert!(close(quote.total().usd(), 0.99 * 150.0 * 24.0 / 730.0), "{quote}");
    assert_eq!(quote.lines.len(), 1);
    assert!(quote.lines[0].what.contains("150 of 180"));
}

#[test]
fn times_are_those_of_the_documentation() {
    let minutes = |class: &StorageClass, access, tier| {
        times(class, access, tier).map(|w| (w.first.as_secs() / 60, w.last.as_secs() / 60))
    };
    use StorageClass::{DeepArchive, Glacier, IntelligentTiering, Standard};
    assert_eq!(minutes(&Glacier, None, Tier::Expedited), Some((1, 5)));
    assert_eq!(minutes(&Glacier, None, Tier::Standard), Some((180, 300)));
    assert_eq!(minutes(&Glacier, None, Tier::Bulk), Some((300, 720)));
    assert_eq!(minutes(&DeepArchive, None, Tier::Expedited), None);
    assert_eq!(minutes(&DeepArchive, None, Tier::Standard), Some((0, 720)));
    assert_eq!(minutes(&DeepArchive, None, Tier::Bulk), Some((0, 2880)));
    assert_eq!(minutes(&IntelligentTiering, Some(Access::Archive), Tier::Bulk), Some((300, 720)));
    assert_eq!(minutes(&IntelligentTiering, Some(Access::Frequent), Tier::Bulk), None);
    assert_eq!(minutes(&IntelligentTiering, None, Tier::Bulk), Some((0, 2880)));
    assert_eq!(minutes(&Standard, None, Tier::Bulk), None);
    assert_eq!(vault_times(Tier::Standard), times(&Glacier, None, Tier::Standard));
    for class in StorageClass::KNOWN {
        for tier in Tier::ALL {
            let offered = tiers_offered(&class).contains(&tier);
            assert_eq!(times(&class, None, tier).is_some(), offered, "{class} {tier}");
            let sold = virginia().restore_requests(&class, None, tier, Count(1));
            assert_eq!(sold.is_ok_and(|lines| !lines.is_empty()), offered, "{class} {tier}");
        }
    }
}

#[test]
fn download_times_round_up_and_never_divide_by_zero() {
    assert_eq!(download_time(Bytes(125_000_000_000), 100_000_000), Duration::from_secs(10_000));
    assert_eq!(download_time(Bytes(1), 100_000_000), Duration::from_secs(1));
    assert_eq!(download_time(Bytes(0), 0), Duration::ZERO);
    assert_eq!(download_time(Bytes(1), 0), Duration::MAX);
    assert_eq!(download_time(Bytes(u64::MAX), 1), Duration::MAX);
}

#[test]
fn a_quote_prints_as_a_table() {
    let facts = restore(vec![group(StorageClass::DeepArchive, None, 1_200, 150 * GIB)]);
    let text = restore_quote(&prices("eu-west-1"), &facts).unwrap().to_string();
    let want = "\
Thaw requests, DEEP_ARCHIVE, bulk            1,200 requests  × $0.025? per 1,000   $0.030
Thawed bytes, DEEP_ARCHIVE, bulk                    150 GiB  × $0.0025?             $0.38
Thawed copies for 7 days, STANDARD            35 GiB-months  × $0.023               $0.81
Download requests, DEEP_ARCHIVE              1,200 requests  × $0.0004? per 1,000  $0.00048
Download, of the 100 GB free each month              100 GB  free                   $0.00
Download to the internet                              50 GB  × $0.09                $4.50
Total                                                                               $5.71
";
    let squeeze =
        |text: &str| text.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>();
    assert_eq!(squeeze(&text)[..7], squeeze(want)[..], "{text}");
    assert!(text.contains("? no good source") && text.contains("midnight"), "{text}");
    assert!(text.ends_with("Prices: eu-west-1, 2026-11-22, list prices before tax\n"), "{text}");
    let widths: Vec<usize> = text.lines().take(7).map(|line| line.chars().count()).collect();
    assert!(widths.windows(2).all(|pair| pair[0] == pair[1]), "the amounts stand below each other:\n{text}");
}

#[test]
fn a_quote_survives_its_way_to_other_programs() {
    let facts = restore(vec![group(StorageClass::Glacier, None, 12, 34 * GIB)]);
    let quote = restore_quote(&prices("eu-central-1"), &facts).unwrap();
    let text = toml::to_string(&quote).unwrap();
    assert_eq!(toml::from_str::<Quote>(&text).unwrap(), quote, "{text}");
    assert_eq!(quote.total(), quote.lines.iter().map(|line| line.amount).sum::<Money>());
}
