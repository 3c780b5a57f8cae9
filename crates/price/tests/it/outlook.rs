//! Forecasts and other classes.

use darkslide_price::{Access, Holding, forecast, lifecycle_allows, monthly, what_if};
use darkslide_words::{Bytes, Count, Money, StorageClass};

use crate::{GIB, close, holding, virginia};

#[test]
fn a_growing_library_costs_more_every_month() {
    let prices = virginia();
    let now = [holding(StorageClass::DeepArchive, 16_000, 1_000 * GIB)];
    let growth = [holding(StorageClass::DeepArchive, 1_600, 100 * GIB)];
    let bills = forecast(&prices, &now, &growth, 24).unwrap();
    assert_eq!(bills.len(), 25);
    assert_eq!(bills[0], (0, monthly(&prices, &now).unwrap().total()));
    let doubled = monthly(&prices, &[holding(StorageClass::DeepArchive, 32_000, 2_000 * GIB)]).unwrap().total();
    assert!(close(bills[10].1.usd(), doubled.usd() + 1.6 * 0.05), "{bills:?}");
    assert!(bills.windows(2).all(|pair| pair[0].1 < pair[1].1 && pair[0].0 + 1 == pair[1].0));
    let still = forecast(&prices, &now, &[], 3).unwrap();
    assert!(still.iter().all(|bill| bill.1 == still[0].1));
}

#[test]
fn moving_to_deep_archive_pays_back() {
    let prices = virginia();
    let now = [Holding { age_days: Some(400), ..holding(StorageClass::Standard, 100_000, 5_000 * GIB) }];
    let what = what_if(&prices, &now, &StorageClass::DeepArchive).unwrap();
    assert!(close(what.now_monthly.usd(), 115.0));
    assert!(close(what.transition_cost.usd(), 5.0));
    assert_eq!(what.early_deletion, Money::ZERO);
    assert!(what.then_monthly.usd() > 4.95 && what.then_monthly.usd() < 5.0);
    assert_eq!(what.pays_back_after_months, Some(1));
    assert_eq!(what.once.total(), what.transition_cost + what.early_deletion);
    // Many tiny objects never pay back: the overhead costs more than it saves.
    let tiny = [holding(StorageClass::Standard, 10_000_000, GIB)];
    assert_eq!(what_if(&prices, &tiny, &StorageClass::DeepArchive).unwrap().pays_back_after_months, None);
}

#[test]
fn leaving_early_costs_the_rest_and_unknown_ages_count_as_new() {
    let of = |age_days| {
        let now = [Holding { age_days, ..holding(StorageClass::Glacier, 100, 1_000 * GIB) }];
        what_if(&virginia(), &now, &StorageClass::DeepArchive).unwrap()
    };
    assert_eq!(of(Some(90)).early_deletion, Money::ZERO);
    assert!(of(Some(30)).early_deletion < of(None).early_deletion);
    assert_eq!(of(None).early_deletion, of(Some(0)).early_deletion);
    assert!(of(None).once.notes.iter().any(|note| note.contains("age")));
    assert!(of(None).pays_back_after_months > of(Some(90)).pays_back_after_months);
}

#[test]
fn the_way_out_of_deep_archive_is_a_thaw_and_a_copy() {
    let now = [Holding { age_days: Some(365), ..holding(StorageClass::DeepArchive, 1_000, 1_000 * GIB) }];
    let what = what_if(&virginia(), &now, &StorageClass::GlacierIr).unwrap();
    let copies = 1_000.0 * 2.0 / 30.0 * 0.023;
    assert!(close(what.transition_cost.usd(), 0.025 + 2.5 + copies + 0.02), "{}", what.once);
    assert_eq!(what.pays_back_after_months, None, "it costs more afterwards");
    assert!(what.once.notes.iter().any(|note| note.contains("copied")));
    let same = what_if(&virginia(), &now, &StorageClass::DeepArchive).unwrap();
    assert_eq!((same.transition_cost, same.now_monthly), (Money::ZERO, same.then_monthly));
    assert!(what_if(&virginia(), &now, &StorageClass::Other("X".into())).is_err());
}

#[test]
fn every_move_between_known_classes_has_a_price() {
    for from in StorageClass::KNOWN {
        for to in StorageClass::KNOWN {
            let holding = Holding {
                access: (from == StorageClass::IntelligentTiering).then_some(Access::DeepArchive),
                class: from.clone(),
                objects: Count(1_000),
                bytes: Bytes(GIB),
                age_days: Some(365),
            };
            let what = what_if(&virginia(), &[holding], &to).unwrap();
            assert_eq!(what.transition_cost > Money::ZERO, from != to, "{from} → {to}");
            let copied = what.once.notes.iter().any(|note| note.contains("copied"));
            assert_eq!(copied, from != to && !lifecycle_allows(&from, &to), "{from} → {to}");
        }
    }
    assert!(!lifecycle_allows(&StorageClass::IntelligentTiering, &StorageClass::StandardIa));
    assert!(!lifecycle_allows(&StorageClass::OnezoneIa, &StorageClass::GlacierIr));
}
