//! What plans ask of vaults: a retrieval with the account's policy, a backup, a month.

use std::fmt;
use std::time::Duration;

use darkslide_words::{Bytes, Count, Tier};
use serde::{Deserialize, Serialize};

use crate::{BackupQuote, PriceError, Prices, Quote, vault_times};

/// A job's rate is its bytes over so many hours. Source: Glacier FAQ, on retrieval policies.
const RATE_HOURS: u64 = 4;
/// The free allowance of a month, and the shortest share of a day. Source: Glacier FAQ.
const FREE_A_DAY: Bytes = Bytes((10 << 30) / 31);

/// The account's data retrieval policy. It is about the tier Standard only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum RetrievalPolicy {
    /// Everything is accepted.
    #[default]
    None,
    /// No more than a day's share of the free allowance.
    FreeTier,
    /// So many bytes an hour, counted over the jobs in progress.
    BytesPerHour(Bytes),
}

impl fmt::Display for RetrievalPolicy {
    /// As the API names its strategies.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::FreeTier => f.write_str("FreeTier"),
            Self::BytesPerHour(most) => write!(f, "BytesPerHour {}", most.0),
        }
    }
}

impl RetrievalPolicy {
    /// How many bytes it lets be in progress at once at a tier, or in a day under `FreeTier`; none
    /// if it does not care.
    pub fn at_once(self, tier: Tier) -> Option<Bytes> {
        match self {
            Self::BytesPerHour(most) if tier == Tier::Standard => Some(Bytes(most.0.saturating_mul(RATE_HOURS))),
            Self::FreeTier if tier == Tier::Standard => Some(FREE_A_DAY),
            _ => None,
        }
    }

    /// How long it takes until all is retrieved, at the longest; none if the tier is not offered.
    pub fn duration(self, tier: Tier, bytes: Bytes) -> Option<Duration> {
        let longest = vault_times(tier)?.last;
        let Some(at_once) = self.at_once(tier) else { return Some(longest) };
        let rounds = u32::try_from(bytes.0.div_ceil(at_once.0.max(1)).max(1)).unwrap_or(u32::MAX);
        let round = if self == Self::FreeTier { Duration::from_secs(86_400) } else { longest };
        Some(round.saturating_mul(rounds - 1).saturating_add(longest))
    }
}

/// What is to be retrieved from a vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultRestoreFacts {
    /// How fast.
    pub tier: Tier,
    /// Each asks for a range of an archive, or for all of it.
    pub jobs: Count,
    /// What they ask for together: whole MiB.
    pub bytes: Bytes,
    /// What the largest of them asks for.
    pub largest: Bytes,
    /// What is downloaded of it.
    pub download_bytes: Bytes,
    /// What the account has sent to the internet this month.
    pub egress_used_this_month: Bytes,
    /// The account's policy, as it was last read.
    pub policy: RetrievalPolicy,
}

/// What is to be uploaded to a vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultBackupFacts {
    /// New archives.
    pub archives: Count,
    /// Of these, what is sent in parts.
    pub multipart: Count,
    /// The parts of those.
    pub parts: Count,
    /// How large all archives are together.
    pub bytes: Bytes,
}

/// What a retrieval from a vault costs: jobs and bytes by tier, transfer. Its notes say what the
/// account's policy does to it; a policy that would never let the largest job through is an error.
pub fn vault_restore_quote(prices: &Prices, facts: &VaultRestoreFacts) -> Result<Quote, PriceError> {
    if let Some(at_once) = facts.policy.at_once(facts.tier).filter(|at_once| facts.largest > *at_once) {
        let (policy, largest) = (facts.policy, facts.largest);
        return Err(PriceError::RetrievalPolicy { policy, largest, at_once });
    }
    let mut quote = prices.quote();
    quote.extend(prices.vault_retrieval(facts.tier, facts.jobs, facts.bytes)?);
    quote.extend(prices.egress(facts.download_bytes, facts.egress_used_this_month));
    if let Some(at_once) = facts.policy.at_once(facts.tier).filter(|at_once| facts.bytes > *at_once) {
        let rounds = facts.bytes.0.div_ceil(at_once.0.max(1));
        let policy = facts.policy;
        quote.note(format!(
            "The account's data retrieval policy ({policy}) lets {at_once} through at a time: {rounds} rounds."
        ));
    }
    quote.note(
        "What a job retrieved can be downloaded for 24 hours; after that it has to be retrieved, and paid, again.",
    );
    Ok(quote)
}

/// What uploads to a vault cost now, and what the archives cost every month.
pub fn vault_backup_quote(prices: &Prices, facts: &VaultBackupFacts) -> BackupQuote {
    let mut once = prices.quote();
    // An upload in parts is one request for each part, one to begin it, one to complete it.
    let single = facts.archives.0.saturating_sub(facts.multipart.0);
    let requests = single.saturating_add(facts.parts.0).saturating_add(facts.multipart.0.saturating_mul(2));
    once.extend(prices.vault_upload(Count(requests)));
    BackupQuote { once, monthly: vault_monthly(prices, facts.archives, facts.bytes) }
}

/// A month of so many archives.
pub fn vault_monthly(prices: &Prices, archives: Count, bytes: Bytes) -> Quote {
    let mut quote = prices.quote();
    quote.extend(prices.vault_storage(archives, bytes));
    quote.note("Each archive is billed with 32 KiB besides its bytes, and for at least 90 days.");
    quote
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PriceTable;

    const GIB: u64 = 1 << 30;

    fn facts(tier: Tier, policy: RetrievalPolicy) -> VaultRestoreFacts {
        VaultRestoreFacts {
            tier,
            jobs: Count(1_000),
            bytes: Bytes(100 * GIB),
            largest: Bytes(GIB),
            download_bytes: Bytes(0),
            egress_used_this_month: Bytes(0),
            policy,
        }
    }

    fn quote(facts: &VaultRestoreFacts) -> Result<Quote, PriceError> {
        let table = PriceTable::builtin();
        vault_restore_quote(&table.region("us-east-1").unwrap(), facts)
    }

    #[test]
    fn a_retrieval_costs_its_jobs_and_its_bytes() {
        for (tier, dollars) in [(Tier::Bulk, 0.025 + 0.25), (Tier::Standard, 0.03 + 1.0), (Tier::Expedited, 10.0 + 3.0)]
        {
            let found = quote(&facts(tier, RetrievalPolicy::None)).unwrap();
            assert!((found.total().usd() - dollars).abs() < 1e-9, "{tier}: {found}");
        }
    }

    #[test]
    fn a_policy_slows_standard_retrievals_and_no_others() {
        let hour = Duration::from_secs(3600);
        let policy = RetrievalPolicy::BytesPerHour(Bytes(5 * GIB));
        // 20 GiB at a time: five rounds of five hours.
        assert_eq!(policy.duration(Tier::Standard, Bytes(100 * GIB)), Some(25 * hour));
        assert_eq!(policy.duration(Tier::Bulk, Bytes(100 * GIB)), Some(12 * hour));
        assert_eq!(RetrievalPolicy::None.duration(Tier::Standard, Bytes(100 * GIB)), Some(5 * hour));
        let noted = |tier| quote(&facts(tier, policy)).unwrap().notes.iter().any(|note| note.contains("5 rounds"));
        assert!(noted(Tier::Standard) && !noted(Tier::Bulk));
        let narrow = RetrievalPolicy::BytesPerHour(Bytes(GIB / 8));
        let refused = quote(&facts(Tier::Standard, narrow));
        assert!(matches!(refused, Err(PriceError::RetrievalPolicy { .. })), "a job of a GiB never fits");
        assert!(quote(&facts(Tier::Bulk, narrow)).is_ok());
        let free = RetrievalPolicy::FreeTier;
        assert_eq!(free.duration(Tier::Standard, Bytes(GIB)), Some(3 * 24 * hour + 5 * hour), "four days' shares");
    }

    #[test]
    fn parts_begin_and_end_with_a_request_each() {
        let table = PriceTable::builtin();
        let facts = VaultBackupFacts { archives: Count(10), multipart: Count(2), parts: Count(16), bytes: Bytes(GIB) };
        let found = vault_backup_quote(&table.region("us-east-1").unwrap(), &facts);
        assert_eq!(found.once.lines[0].quantity, 28.0);
        assert!((found.monthly.lines[0].quantity - 1.0 - 10.0 / 32_768.0).abs() < 1e-12);
    }
}
