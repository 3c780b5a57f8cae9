//! What one pack costs: to ask for, to keep longer, to ask for faster, to download.
//!
//! Amounts for single packs are rounded down to the billionth of a dollar, so that together they
//! never exceed the line of a quote that covers them all.

use std::collections::BTreeMap;
use std::time::Duration;

use darkslide_price::{
    Group, Line, PriceError, Prices, RestoreFacts, Window, restore_quote, retrieval_span, tiers_offered, times,
};
use darkslide_words::{Bytes, Count, Money, Span, StorageClass, Tier};

/// Prices by store label. A store that is not in it costs nothing: it is somebody's own server.
pub type PriceMap = BTreeMap<String, Prices>;

/// What is thawed, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Thaw<'a> {
    pub(crate) class: &'a StorageClass,
    pub(crate) tier: Tier,
    pub(crate) days: u32,
    pub(crate) size: Bytes,
}

/// Bytes that are thawed: of an archive in a vault the part that is wanted, of all else the whole.
pub(crate) fn thawed(class: &StorageClass, size: Bytes, span: Option<Span>) -> Bytes {
    match span.filter(|_| *class == StorageClass::Vault) {
        Some(span) => Bytes(retrieval_span(span, size).len()),
        None => size,
    }
}

fn sum(lines: impl IntoIterator<Item = Line>) -> Money {
    lines.into_iter().map(|line| Money((line.quantity * line.rate * 1e9).floor() as i64)).sum()
}

/// Request, retrieval, and the thawed copy (or the return to Frequent Access).
pub(crate) fn ask(prices: Option<&Prices>, thaw: Thaw<'_>) -> Result<Money, PriceError> {
    let Some(prices) = prices else {
        return Ok(Money::ZERO);
    };
    Ok(sum(restore_quote(prices, &thaw_facts(group(thaw.class, Count(1), thaw.size), thaw.tier, thaw.days))?.lines))
}

/// Cold objects of one class.
pub(crate) fn group(class: &StorageClass, objects: Count, bytes: Bytes) -> Group {
    Group { class: class.clone(), access: None, objects, bytes }
}

/// Only the thaw: downloads are counted apart, pack by pack.
pub(crate) fn thaw_facts(group: Group, tier: Tier, days: u32) -> RestoreFacts {
    RestoreFacts {
        groups: vec![group],
        tier,
        days,
        download_bytes: Bytes(0),
        get_requests: Count(0),
        egress_used_this_month: Bytes(0),
        inside_aws: false,
        via_batch: false,
    }
}

/// Making a thawed copy stay longer: the request, and the copy for its days anew; what a thaw costs
/// without its retrieval.
pub(crate) fn extend(prices: Option<&Prices>, thaw: Thaw<'_>) -> Result<Money, PriceError> {
    let Some(prices) = prices else {
        return Ok(Money::ZERO);
    };
    Ok(ask(Some(prices), thaw)? - sum(prices.retrieval(thaw.class, None, thaw.tier, thaw.size)?))
}

/// Asking again at a faster tier while a thaw is under way: request and retrieval once more; the
/// thawed copy is the same one.
pub(crate) fn hurry(prices: Option<&Prices>, thaw: Thaw<'_>) -> Result<Money, PriceError> {
    Ok(sum(hurry_lines(prices, thaw, Count(1))?))
}

/// The lines of that, for objects of `thaw.size` bytes together.
pub(crate) fn hurry_lines(prices: Option<&Prices>, thaw: Thaw<'_>, objects: Count) -> Result<Vec<Line>, PriceError> {
    let Some(prices) = prices else {
        return Ok(Vec::new());
    };
    let mut lines = prices.restore_requests(thaw.class, None, thaw.tier, objects)?;
    lines.extend(prices.retrieval(thaw.class, None, thaw.tier, thaw.size)?);
    Ok(lines)
}

/// The requests of a download, and reading where a class charges for that; without the transfer.
pub(crate) fn fetch(
    prices: Option<&Prices>,
    class: &StorageClass,
    gets: Count,
    wanted: Bytes,
) -> Result<Money, PriceError> {
    let Some(prices) = prices else {
        return Ok(Money::ZERO);
    };
    let mut lines = prices.get(class, gets)?;
    if !class.is_archive() {
        lines.extend(prices.read(class, wanted)?);
    }
    Ok(sum(lines))
}

/// `part`'s share of what `whole` costs, rounded down.
pub(crate) fn share(cost: Money, part: Bytes, whole: Bytes) -> Money {
    let of = i128::from(whole.0.max(1));
    Money((i128::from(cost.0) * i128::from(part.0) / of) as i64)
}

/// A bulk job over so many objects.
pub(crate) fn job(prices: Option<&Prices>, objects: u64) -> Money {
    prices.map_or(Money::ZERO, |prices| sum(prices.batch(Count(1), Count(objects))))
}

/// LIST requests.
pub(crate) fn looks(prices: Option<&Prices>, requests: u64) -> Money {
    prices.map_or(Money::ZERO, |prices| sum(prices.list(Count(requests))))
}

/// True if objects of the class can be asked for at that tier. Of a class that this version does
/// not know anything may be asked; the store will say.
pub(crate) fn offers(class: &StorageClass, tier: Tier) -> bool {
    matches!(class, StorageClass::Other(_)) || tiers_offered(class).contains(&tier)
}

/// When it can be read, counted from the request; of what nobody documents the slowest.
pub(crate) fn window(class: &StorageClass, tier: Tier) -> Window {
    const DAYS_2: Duration = Duration::from_secs(48 * 3600);
    times(class, None, tier).unwrap_or(Window { first: Duration::ZERO, last: DAYS_2 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use darkslide_price::PriceTable;
    use darkslide_words::Time;

    #[test]
    fn single_packs_never_cost_more_than_the_quote_for_all() {
        let table = PriceTable::builtin();
        let prices = &table.region("us-east-1").unwrap();
        for class in [StorageClass::Glacier, StorageClass::DeepArchive, StorageClass::IntelligentTiering] {
            let (size, n) = (Bytes(64_123_457), 977);
            let thaw = Thaw { class: &class, tier: Tier::Standard, days: 3, size };
            let one = ask(Some(prices), thaw).unwrap();
            let facts = thaw_facts(group(&class, Count(n), Bytes(size.0 * n)), Tier::Standard, 3);
            let all = restore_quote(prices, &facts).unwrap().total();
            assert!(one.0 * n as i64 <= all.0, "{class}");
            assert!(one.0 * n as i64 > all.0 - 5 * n as i64, "{class}: and hardly less");
        }
        assert!(prices.as_of() > Time(0));
    }

    #[test]
    fn keeping_and_hurrying_cost_parts_of_a_thaw() {
        let table = PriceTable::builtin();
        let region = table.region("us-east-1").unwrap();
        let prices = Some(&region);
        let gib = Bytes(1 << 30);
        let thaw = Thaw { class: &StorageClass::DeepArchive, tier: Tier::Standard, days: 1, size: gib };
        let usd = |n: f64| Money::from_usd(n).0;
        let copy = 0.023 / 30.0;
        let near = |got: Money, want: f64| assert!((got.0 - usd(want)).abs() <= 2, "{got} {want}");
        near(ask(prices, thaw).unwrap(), 0.0001 + 0.02 + copy);
        near(extend(prices, thaw).unwrap(), 0.0001 + copy);
        near(hurry(prices, thaw).unwrap(), 0.0001 + 0.02);
        // Where retrieval is free, keeping costs what thawing again does, and saves the wait.
        let free = Thaw { class: &StorageClass::Glacier, tier: Tier::Bulk, ..thaw };
        assert_eq!(extend(prices, free).unwrap(), ask(prices, free).unwrap());
        assert_eq!(ask(None, thaw).unwrap(), Money::ZERO);
        assert_eq!(share(Money(10), Bytes(1), Bytes(3)), Money(3));
        assert_eq!(share(Money(10), Bytes(0), Bytes(0)), Money(0));
    }
}
