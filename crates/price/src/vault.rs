//! Amazon Glacier vaults: the older service beside S3, with archives instead of objects.

use darkslide_words::{Bytes, Count, Span, Tier};

use crate::quote::{GIB_MONTHS, REQUESTS};
use crate::requests::not_offered;
use crate::{ClassPrices, GIB, Line, PriceError, Prices, Rate, VaultPrices, months};

/// Billed per archive besides its bytes. Source: S3 developer guide, object-archival.
pub(crate) const OVERHEAD: Bytes = Bytes::kib(32);

/// Billed even if an archive is deleted earlier. Source: Glacier developer guide, deleting-an-archive.
pub(crate) const MIN_DAYS: u32 = 90;

/// Ranges of archives begin and end at these.
const MIB: u64 = 1 << 20;

/// The part of an archive of `size` bytes that a retrieval job has to name for `wanted`: on
/// boundaries of 1 MiB, and such that the service gives a tree hash for it, where that takes at
/// most twice the bytes. Source: Glacier developer guide, checksum-calculations-range.
pub fn retrieval_span(wanted: Span, size: Bytes) -> Span {
    let all = size.0.div_ceil(MIB).max(1);
    let first = (wanted.from / MIB).min(all - 1);
    let last = wanted.to.div_ceil(MIB).clamp(first + 1, all);
    let (mut from, mut to) = (first, last);
    // The smallest aligned block of a power of two that holds it.
    let mut block = (last - first).next_power_of_two();
    while from / block * block + block < to {
        block *= 2;
    }
    (from, to) = (from / block * block, (from / block * block + block).min(all));
    if to - from > 2 * (last - first) {
        (from, to) = (first, last);
    }
    Span { from: from * MIB, to: (to * MIB).min(size.0) }
}

/// True if the service gives a tree hash for that part of an archive of `size` bytes.
pub fn is_tree_aligned(span: Span, size: Bytes) -> bool {
    let all = size.0.div_ceil(MIB).max(1);
    let whole = span.from.is_multiple_of(MIB) && (span.to.is_multiple_of(MIB) || span.to == size.0);
    let (from, to) = (span.from / MIB, span.to.div_ceil(MIB));
    if !whole || from >= to || to > all {
        return false;
    }
    let block = (to - from).next_power_of_two();
    from.is_multiple_of(block) && (to - from == block || to == all)
}

/// A vault's prices in the form of a storage class: an upload is a PUT, a retrieval job a thaw.
pub(crate) fn as_class(vault: &VaultPrices) -> ClassPrices {
    ClassPrices {
        storage: vault.storage,
        storage_steps: Vec::new(),
        put: vault.upload,
        get: Rate::default(),
        transition: None,
        read: None,
        restore: Some(vault.retrieval_request),
        retrieve: Some(vault.retrieve),
    }
}

/// The key in the table of a rate that is asked for by the class's name.
pub(crate) fn key_of(key: &str) -> Option<String> {
    let rest = key.strip_prefix("classes.VAULT.")?;
    let (rate, tier) = rest.split_once('.').map_or((rest, None), |(rate, tier)| (rate, Some(tier)));
    let own = match rate {
        "put" => "upload",
        "restore" => "retrieval_request",
        other => other,
    };
    Some(tier.map_or_else(|| format!("vault.{own}"), |tier| format!("vault.{own}.{tier}")))
}

impl Prices {
    /// The same where what is hot lies in a directory of this machine: requests for it, and their
    /// listings, cost nothing.
    pub fn with_hot_at_hand(mut self) -> Self {
        self.requests.list = Rate::default();
        if let Some(hot) = self.classes.get_mut(&darkslide_words::StorageClass::Standard) {
            (hot.put, hot.get, hot.storage) = (Rate::default(), Rate::default(), Rate::default());
            hot.storage_steps.clear();
        }
        self
    }

    /// A month in a vault: bytes and 32 KiB per archive, ÷ 2^30 × the rate.
    pub fn vault_storage(&self, archives: Count, bytes: Bytes) -> Vec<Line> {
        self.vault_line(
            "storage",
            "Storage, vault".into(),
            vault_gib(archives, bytes),
            GIB_MONTHS,
            self.vault.storage.usd(),
        )
    }

    /// Uploads: one request per archive, or per part of a multipart upload.
    pub fn vault_upload(&self, requests: Count) -> Vec<Line> {
        let rate = self.vault.upload.each();
        self.vault_line("upload", "Upload requests, vault".into(), requests.0 as f64, REQUESTS, rate)
    }

    /// Retrieval: one request per job, and the bytes asked for ÷ 2^30 × the tier's rate.
    pub fn vault_retrieval(&self, tier: Tier, jobs: Count, bytes: Bytes) -> Result<Vec<Line>, PriceError> {
        let rates = (self.vault.retrieval_request.at(tier), self.vault.retrieve.at(tier));
        let (Some(request), Some(gib)) = rates else {
            let offered = Tier::ALL.into_iter().filter(|tier| self.vault.retrieve.at(*tier).is_some());
            return Err(not_offered("a vault".into(), tier, offered));
        };
        let what = |what: &str| format!("{what}, vault, {tier}");
        let key = |name: &str| format!("{name}.{tier}");
        let jobs = jobs.0 as f64;
        let mut lines =
            self.vault_line(&key("retrieval_request"), what("Retrieval jobs"), jobs, REQUESTS, request.each());
        let quantity = bytes.0 as f64 / GIB;
        lines.extend(self.vault_line(&key("retrieve"), what("Retrieved bytes"), quantity, "GiB", gib.usd()));
        Ok(lines)
    }

    /// Deleting archives before 90 days are over: the remaining days at the storage rate.
    pub fn vault_early_deletion(&self, archives: Count, bytes: Bytes, age_days: u32) -> Vec<Line> {
        let days = MIN_DAYS.saturating_sub(age_days);
        let what = format!("{days} of {MIN_DAYS} minimum days left, vault");
        let quantity = vault_gib(archives, bytes) * months(days);
        self.vault_line("storage", what, quantity, GIB_MONTHS, self.vault.storage.usd())
    }

    fn vault_line(&self, key: &str, what: String, quantity: f64, unit: &str, rate: f64) -> Vec<Line> {
        self.line(&format!("vault.{key}"), what, quantity, unit, rate).into_iter().collect()
    }
}

fn vault_gib(archives: Count, bytes: Bytes) -> f64 {
    (bytes.0 as f64 + archives.0 as f64 * OVERHEAD.0 as f64) / GIB
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: u64, to: u64) -> Span {
        Span { from, to }
    }

    #[test]
    fn what_is_retrieved_covers_what_is_wanted_and_is_aligned_where_that_is_cheap() {
        for all in 1..40u64 {
            for short in [0, 77] {
                let size = Bytes(all * MIB - short);
                for from in 0..all {
                    for to in from + 1..=all {
                        let wanted = span(from * MIB + 5, (to * MIB - 90).min(size.0));
                        let got = retrieval_span(wanted, size);
                        assert!(got.covers(wanted) && got.to <= size.0, "{wanted:?} {got:?}");
                        assert!(got.from.is_multiple_of(MIB) && (got.to.is_multiple_of(MIB) || got.to == size.0));
                        let exact = span(from * MIB, (to * MIB).min(size.0));
                        assert!(got.len() <= 2 * exact.len() + MIB, "{wanted:?} {got:?}");
                        assert!(got == exact || is_tree_aligned(got, size), "{wanted:?} {got:?}");
                        if is_tree_aligned(exact, size) {
                            assert_eq!(got, exact);
                        }
                    }
                }
            }
        }
        assert_eq!(retrieval_span(span(0, 1), Bytes(1)), span(0, 1));
        assert_eq!(
            retrieval_span(span(3 * MIB, 5 * MIB), Bytes(64 * MIB)),
            span(3 * MIB, 5 * MIB),
            "8 would be too many"
        );
        assert_eq!(retrieval_span(span(5 * MIB, 8 * MIB), Bytes(64 * MIB)), span(4 * MIB, 8 * MIB));
    }

    #[test]
    fn alignment_is_as_the_service_has_it() {
        let size = Bytes(7 * MIB - 3);
        for (from, to, aligned) in [(0, 7, true), (4, 7, true), (6, 7, true), (2, 4, true), (2, 3, true), (1, 3, false)]
        {
            assert_eq!(is_tree_aligned(span(from * MIB, (to * MIB).min(size.0)), size), aligned, "{from}..{to}");
        }
        assert!(!is_tree_aligned(span(1, MIB), size) && !is_tree_aligned(span(0, MIB - 1), size));
        assert!(!is_tree_aligned(span(MIB, MIB), size));
    }

    #[test]
    fn a_vault_is_priced_like_a_class() {
        let prices = crate::PriceTable::builtin().region("us-east-1").unwrap();
        let vault = &darkslide_words::StorageClass::Vault;
        let gib = Bytes(1 << 30);
        for tier in Tier::ALL {
            let ours: f64 =
                prices.vault_retrieval(tier, Count(3), gib).unwrap().iter().map(|l| l.quantity * l.rate).sum();
            let mut lines = prices.restore_requests(vault, None, tier, Count(3)).unwrap();
            lines.extend(prices.retrieval(vault, None, tier, gib).unwrap());
            let class: f64 = lines.iter().map(|l| l.quantity * l.rate).sum();
            assert!((ours - class).abs() < 1e-12, "{tier}");
            assert_eq!(lines[0].unconfirmed, tier == Tier::Bulk, "as the table says of its own key");
        }
        let total = |lines: Vec<Line>| lines.iter().map(|l| l.quantity * l.rate).sum::<f64>();
        let stored = total(prices.storage(vault, None, Count(5), gib).unwrap());
        assert!((stored - total(prices.vault_storage(Count(5), gib))).abs() < 1e-12);
        let early = total(prices.early_deletion(vault, Count(5), gib, 30).unwrap());
        assert!((early - total(prices.vault_early_deletion(Count(5), gib, 30))).abs() < 1e-12);
        let free = prices.with_hot_at_hand();
        assert!(total(free.list(Count(9))) == 0.0 && total(free.put(vault, Count(9)).unwrap()) > 0.0);
    }
}
