//! What the account's data retrieval policy does to retrievals from a vault: no price, but time.
//!
//! The service refuses a job at the tier Standard that would bring the rate of the jobs in progress
//! above the policy's bytes an hour; under `FreeTier` one that would go beyond the day's share of the
//! free allowance. Source: Glacier developer guide, data-retrieval-policy.

use std::time::Duration;

use darkslide_words::{Bytes, RetrievalPolicy, Tier, Time};

use crate::vault_times;

/// A job's rate is its bytes over so many hours. Source: Glacier FAQ, on retrieval policies.
const RATE_HOURS: u64 = 4;
/// The free allowance of a month, as the shortest share of a day. Source: Glacier FAQ.
const FREE_A_DAY: Bytes = Bytes((10 << 30) / 31);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// How fast a policy lets retrievals through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How much may be in progress at once, or asked for in a day.
    pub at_once: Bytes,
    /// It is counted by days (UTC), not over the jobs in progress.
    pub daily: bool,
    /// The longest that a job is in progress.
    longest: Duration,
}

impl Pace {
    /// The pace under a policy at a tier; none where all goes at once.
    pub fn of(policy: RetrievalPolicy, tier: Tier) -> Option<Self> {
        let longest = vault_times(Tier::Standard)?.last;
        match policy {
            _ if tier != Tier::Standard => None,
            RetrievalPolicy::None => None,
            RetrievalPolicy::FreeTier => Some(Self { at_once: FREE_A_DAY, daily: true, longest }),
            RetrievalPolicy::BytesPerHour { bytes } => {
                let at_once = Bytes(bytes.0.saturating_mul(RATE_HOURS));
                Some(Self { at_once, daily: false, longest })
            }
        }
    }

    /// What a job takes of it: rates are whole bytes an hour, rounded up.
    pub fn takes(self, job: Bytes) -> Bytes {
        match self.daily {
            true => job,
            false => Bytes(job.0.div_ceil(RATE_HOURS).saturating_mul(RATE_HOURS)),
        }
    }

    /// When the round after one that was asked for at `at` may be asked for, at the latest.
    pub fn next_round(self, at: Time) -> Time {
        match self.daily {
            true => midnight_after(at),
            false => at.plus(self.longest),
        }
    }
}

/// The midnight (UTC) at which a day's share is counted anew.
pub fn midnight_after(at: Time) -> Time {
    let day = DAY.as_nanos() as i64;
    Time((at.0.div_euclid(day) + 1).saturating_mul(day))
}

/// The midnight (UTC) at which this day's share began.
pub fn midnight_before(at: Time) -> Time {
    Time(midnight_after(at).0.saturating_sub(DAY.as_nanos() as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;
    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_policy_slows_standard_retrievals_and_no_others() {
        let policy = RetrievalPolicy::BytesPerHour { bytes: Bytes(5 * GIB) };
        let pace = Pace::of(policy, Tier::Standard).unwrap();
        assert_eq!((pace.at_once, pace.daily), (Bytes(20 * GIB), false));
        assert_eq!(pace.next_round(Time(0)), Time(0).plus(5 * HOUR));
        assert_eq!(Pace::of(policy, Tier::Bulk), None);
        assert_eq!(Pace::of(RetrievalPolicy::FreeTier, Tier::Expedited), None);
        assert_eq!(Pace::of(RetrievalPolicy::None, Tier::Standard), None);
    }

    #[test]
    fn the_free_share_is_counted_by_days() {
        let pace = Pace::of(RetrievalPolicy::FreeTier, Tier::Standard).unwrap();
        assert!(pace.daily && pace.at_once.0 * 31 <= 10 * GIB);
        let noon = Time(0).plus(36 * HOUR);
        assert_eq!(pace.next_round(noon), Time(0).plus(48 * HOUR));
        assert_eq!(
            (midnight_before(noon), midnight_after(Time(0))),
            (Time(0).plus(24 * HOUR), Time(0).plus(24 * HOUR))
        );
    }

    #[test]
    fn rates_are_rounded_up() {
        let pace = Pace::of(RetrievalPolicy::BytesPerHour { bytes: Bytes(1) }, Tier::Standard).unwrap();
        assert_eq!((pace.takes(Bytes(1)), pace.takes(Bytes(4)), pace.takes(Bytes(5))), (Bytes(4), Bytes(4), Bytes(8)));
    }
}
