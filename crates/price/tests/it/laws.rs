//! What holds for any numbers.

use darkslide_price::{Access, PriceError, PriceTable, Quote, monthly, restore_quote};
use darkslide_words::{Bytes, Count, Money, StorageClass, Tier};
use proptest::prelude::*;

use crate::{group, holding, prices, restore, total, virginia};

const BUILTIN: &str = include_str!("../../data/aws.toml");

fn class() -> impl Strategy<Value = StorageClass> {
    prop::sample::select(StorageClass::KNOWN.to_vec())
}

fn region() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["us-east-1", "eu-west-1", "eu-central-1"])
}

fn access() -> impl Strategy<Value = Option<Access>> {
    use Access::{Archive, ArchiveInstant, DeepArchive, Frequent, Infrequent};
    prop::option::of(prop::sample::select(vec![Frequent, Infrequent, ArchiveInstant, Archive, DeepArchive]))
}

/// Up to four petabytes.
fn bytes() -> impl Strategy<Value = u64> {
    prop_oneof![0..1u64 << 20, 0..1u64 << 40, 0..1u64 << 52]
}

fn near(a: Money, b: Money, nanos: i64) -> bool {
    (a.0 - b.0).abs() <= nanos
}

proptest! {
    #[test]
    fn storage_grows_with_bytes_and_objects(
        region in region(), class in class(), access in access(), n in 0..1u64 << 30, more in 0..1u64 << 20, a in bytes(), b in bytes()
    ) {
        let cost = |objects, bytes| total(&prices(region).storage(&class, access, Count(objects), Bytes(bytes)).unwrap());
        prop_assert!(cost(n, a) <= cost(n, a + b));
        prop_assert!(cost(n, a) <= cost(n + more, a));
        prop_assert!(cost(n, a).0 >= 0);
    }

    #[test]
    fn a_total_is_the_sum_of_its_lines(region in region(), a in bytes(), b in bytes(), n in 0..1u64 << 30) {
        let groups = vec![
            group(StorageClass::DeepArchive, None, n, a),
            group(StorageClass::IntelligentTiering, None, n / 2, b),
            group(StorageClass::GlacierIr, None, n / 3, a),
        ];
        let quote = restore_quote(&prices(region), &restore(groups)).unwrap();
        prop_assert_eq!(quote.total(), total(&quote.lines));
        for line in &quote.lines {
            prop_assert_eq!(line.amount, Money::from_usd(line.quantity * line.rate));
            prop_assert!(line.quantity > 0.0 && line.amount.0 >= 0);
        }
    }

    #[test]
    fn merging_adds_exactly(a in bytes(), b in bytes(), class in class(), other in class()) {
        let month = |class: &StorageClass, bytes| monthly(&virginia(), &[holding(class.clone(), 5, bytes)]).unwrap();
        let (one, two) = (month(&class, a), month(&other, b));
        let mut both = one.clone();
        both.merge(two.clone());
        prop_assert_eq!(both.total(), one.total() + two.total());
        let mut nothing = Quote::default();
        nothing.merge(one.clone());
        prop_assert_eq!(nothing, one);
    }

    #[test]
    fn transfer_in_two_goes_costs_what_it_costs_in_one(region in region(), used in bytes(), a in bytes(), b in bytes()) {
        let prices = prices(region);
        let cost = |bytes, used| total(&prices.egress(Bytes(bytes), Bytes(used)));
        // One nano-dollar per line, and what f64 loses of a petabyte's price.
        prop_assert!(near(cost(a, used) + cost(b, used + a), cost(a + b, used), 1_000));
        prop_assert!(cost(a, used) <= cost(a + b, used));
        prop_assert!(cost(a, used + b) >= Money::ZERO);
    }

    #[test]
    fn holdings_share_the_steps_of_their_class(region in region(), class in class(), access in access(), a in bytes(), b in bytes()) {
        let of = |bytes: u64, objects| darkslide_price::Holding { access, ..holding(class.clone(), objects, bytes) };
        let month = |holdings: &[_]| monthly(&prices(region), holdings).unwrap().total();
        // Objects of one size, large enough to be billed and monitored as they are.
        let large = 1 << 22;
        let (a, b) = (a / large, b / large);
        let split = month(&[of(a * large, a), of(b * large, b)]);
        prop_assert!(near(split, month(&[of((a + b) * large, a + b)]), 1_000));
    }

    #[test]
    fn a_restore_grows_with_bytes_days_and_speed(class in class(), access in access(), a in bytes(), b in bytes(), days in 1..400u32) {
        let prices = virginia();
        let facts = restore(vec![group(class.clone(), access, 1_000, a)]);
        let cost = |facts: &_| restore_quote(&prices, facts).unwrap().total();
        let base = darkslide_price::RestoreFacts { days, ..facts };
        let mut larger = base.clone();
        larger.groups[0].bytes = Bytes(a + b);
        prop_assert!(cost(&base) <= cost(&larger));
        let longer = darkslide_price::RestoreFacts { days: days + 1, ..base.clone() };
        prop_assert!(cost(&base) <= cost(&longer));
        let faster = darkslide_price::RestoreFacts { tier: Tier::Standard, ..base.clone() };
        prop_assert!(cost(&base) <= cost(&faster));
        let inside = darkslide_price::RestoreFacts { inside_aws: true, ..base.clone() };
        prop_assert!(cost(&inside) <= cost(&base));
    }

    #[test]
    fn an_unknown_access_tier_is_never_quoted_too_low(access in access(), bytes in 0..1u64 << 44, n in 1..1u64 << 20, fast: bool) {
        let class = StorageClass::IntelligentTiering;
        let tier = if fast { Tier::Expedited } else { Tier::Standard };
        let quote = |access| {
            let facts = restore(vec![group(class.clone(), access, n, bytes)]);
            restore_quote(&virginia(), &darkslide_price::RestoreFacts { tier, ..facts }).map(|quote| quote.total())
        };
        let unknown = quote(None).unwrap();
        match quote(access) {
            Ok(known) => prop_assert!(known <= unknown),
            // Deep Archive Access has no Expedited at all.
            Err(error) => prop_assert!(fast && access == Some(Access::DeepArchive), "{error}"),
        }
        let month = |access| total(&virginia().storage(&class, access, Count(n), Bytes(bytes.max(n << 17))).unwrap());
        prop_assert!(month(access) <= month(None));
    }

    #[test]
    fn a_damaged_table_is_refused_in_words(at in 0..BUILTIN.len(), cut in 0..60usize, put in "[a-z0-9\\[\\]{}=\",.#\näß -]{0,12}") {
        let mut text = BUILTIN.to_string();
        let end = (at + cut).min(text.len());
        text.replace_range(at..end, &put);
        if let Err(error) = PriceTable::parse(&text) {
            let PriceError::Table { line, problem, .. } = &error else { panic!("{error}") };
            prop_assert!(*line >= 1 && *line <= 1 + text.lines().count() && !problem.is_empty(), "{error}");
            prop_assert!(!error.to_string().contains('\n'), "{error}");
        }
    }
}
