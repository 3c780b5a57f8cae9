//! How long to wait before a call is repeated: exponential, with full jitter.

use std::fmt;
use std::time::Duration;

use crate::settings::Patience;

/// Waits; an argument so that tests need not.
pub trait Sleeper: Send + Sync + fmt::Debug {
    /// Returns after `time`.
    fn sleep(&self, time: Duration);
}

/// The real one.
#[derive(Debug, Default, Clone, Copy)]
pub struct ThreadSleeper;

impl Sleeper for ThreadSleeper {
    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// Never waits.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoSleep;

impl Sleeper for NoSleep {
    fn sleep(&self, _: Duration) {}
}

/// The pause after the `failures`-th failure (from 1): anything between nothing and a span that
/// doubles, so that many clients do not come back together.
pub(crate) fn pause(patience: &Patience, failures: u32, random: u64) -> Duration {
    let span = patience.first.saturating_mul(1 << (failures - 1).min(20)).min(patience.pause_max);
    let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(random % nanos.saturating_add(1).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_bounded() {
        let patience = Patience { first: Duration::from_secs(1), pause_max: Duration::from_secs(8), attempts_max: 9 };
        let longest = |failures| (0..4000u64).map(|r| pause(&patience, failures, r * 7_777_777_777)).max().unwrap();
        for (failures, most) in [(1, 1), (2, 2), (3, 4), (4, 8), (40, 8)] {
            let most = Duration::from_secs(most);
            assert!(longest(failures) <= most && longest(failures) > most.mul_f64(0.9), "{failures}");
        }
    }
}
