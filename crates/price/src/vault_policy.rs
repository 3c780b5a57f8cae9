//! What the account's data retrieval policy does to a retrieval from a vault: no price, but time.

use std::fmt;
use std::time::Duration;

use darkslide_words::{Bytes, Tier};
use serde::{Deserialize, Serialize};

use crate::vault_times;

/// A job's rate is its bytes over so many hours. Source: Glacier FAQ, on retrieval policies.
const RATE_HOURS: u64 = 4;
/// The free allowance of a month, as the shortest share of a day. Source: Glacier FAQ.
const FREE_A_DAY: Bytes = Bytes((10 << 30) / 31);
const DAY: Duration = Duration::from_secs(24 * 3600);

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

    /// How long it takes until all is retrieved, if the next round begins when the last one has
    /// ended at the latest; none if the tier is not offered.
    pub fn duration(self, tier: Tier, bytes: Bytes) -> Option<Duration> {
        let longest = vault_times(tier)?.last;
        let Some(at_once) = self.at_once(tier) else { return Some(longest) };
        let rounds = u32::try_from(rounds(bytes, at_once)).unwrap_or(u32::MAX);
        let round = if self == Self::FreeTier { DAY } else { longest };
        Some(round.saturating_mul(rounds - 1).saturating_add(longest))
    }

    /// What a quote has to say of it; nothing if all goes at once. `largest` is what the largest
    /// job asks for.
    pub fn note(self, tier: Tier, bytes: Bytes, largest: Bytes) -> Option<String> {
        let at_once = self.at_once(tier)?;
        if largest > at_once {
            return Some(format!(
                "The account's data retrieval policy ({self}) lets {at_once} through at a time and never {largest}, which \
                 one archive needs: retrieve at the tier bulk, in smaller ranges, or change the policy."
            ));
        }
        let rounds = rounds(bytes, at_once);
        let each = if self == Self::FreeTier { "a day each" } else { "five hours each" };
        let told = || {
            format!(
                "The account's data retrieval policy ({self}) lets {at_once} through at a time: {rounds} rounds, {each}."
            )
        };
        (rounds > 1).then(told)
    }
}

fn rounds(bytes: Bytes, at_once: Bytes) -> u64 {
    bytes.0.div_ceil(at_once.0.max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;
    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_policy_slows_standard_retrievals_and_no_others() {
        let (policy, bytes) = (RetrievalPolicy::BytesPerHour(Bytes(5 * GIB)), Bytes(100 * GIB));
        // 20 GiB at a time: five rounds of five hours.
        assert_eq!(policy.duration(Tier::Standard, bytes), Some(25 * HOUR));
        assert_eq!(policy.duration(Tier::Bulk, bytes), Some(12 * HOUR));
        assert_eq!(RetrievalPolicy::None.duration(Tier::Standard, bytes), Some(5 * HOUR));
        assert_eq!(policy.duration(Tier::Standard, Bytes(0)), Some(5 * HOUR));
        let free = RetrievalPolicy::FreeTier;
        assert_eq!(free.duration(Tier::Standard, Bytes(GIB)), Some(3 * DAY + 5 * HOUR), "four days' shares");
    }

    #[test]
    fn a_quote_is_told_only_what_matters() {
        let policy = RetrievalPolicy::BytesPerHour(Bytes(5 * GIB));
        let note = |policy: RetrievalPolicy, tier, bytes, largest| policy.note(tier, Bytes(bytes), Bytes(largest));
        assert!(note(policy, Tier::Standard, 100 * GIB, GIB).unwrap().contains("5 rounds, five hours each"));
        assert_eq!(note(policy, Tier::Bulk, 100 * GIB, GIB), None);
        assert_eq!(note(policy, Tier::Standard, 20 * GIB, GIB), None, "all at once");
        assert_eq!(note(RetrievalPolicy::None, Tier::Standard, 100 * GIB, GIB), None);
        assert!(note(policy, Tier::Standard, 21 * GIB, 21 * GIB).unwrap().contains("never"));
    }
}
