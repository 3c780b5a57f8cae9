//! How long to wait before a call is repeated: exponential, with full jitter.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use darkslide_words::{Clock as _, SystemClock};

use crate::settings::Patience;

/// A pause that can be awaited.
pub type Pause = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

/// Waits, and knows how long it has; an argument so that tests need not wait.
pub trait Sleeper: Send + Sync + fmt::Debug {
    /// Ends after `time`.
    fn sleep(&self, time: Duration) -> Pause;

    /// Time since some start; never jumps.
    fn elapsed(&self) -> Duration;
}

/// The real one.
#[derive(Debug, Default)]
pub struct TokioSleeper(SystemClock);

impl Sleeper for TokioSleeper {
    fn sleep(&self, time: Duration) -> Pause {
        Box::pin(tokio::time::sleep(time))
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// The pause after the `failures`-th failure (from 1): anything between nothing
/// and a span that doubles, so that many clients do not come back together.
pub(crate) fn pause(patience: &Patience, failures: u32, random: u64) -> Duration {
    let span = patience.first.saturating_mul(1 << (failures - 1).min(20)).min(patience.pause_max);
    let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(random % nanos.saturating_add(1).max(1))
}

/// A sleeper for tests: sleeping moves its time and takes none.
#[cfg(test)]
pub(crate) mod fake {
    use std::sync::Mutex;

    use super::*;

    #[derive(Debug, Default)]
    pub(crate) struct FakeSleeper(pub(crate) Mutex<Vec<Duration>>);

    impl Sleeper for FakeSleeper {
        fn sleep(&self, time: Duration) -> Pause {
            self.0.lock().unwrap().push(time);
            Box::pin(std::future::ready(()))
        }

        fn elapsed(&self) -> Duration {
            self.0.lock().unwrap().iter().sum()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_are_bounded_and_spread() {
        let patience =
            Patience { first: Duration::from_secs(1), pause_max: Duration::from_secs(20), ..Patience::default() };
        let longest = |failures| (0..5000u64).map(|r| pause(&patience, failures, r * 7_777_777_777)).max().unwrap();
        for (failures, most) in [(1, 1), (2, 2), (3, 4), (5, 16), (6, 20), (60, 20)] {
            let longest = longest(failures);
            let most = Duration::from_secs(most);
            assert!(longest <= most && longest > most.mul_f64(0.9), "{failures}: {longest:?}");
        }
        assert_eq!(pause(&patience, 3, 0), Duration::ZERO);
        let none = Patience { first: Duration::ZERO, ..patience };
        assert_eq!(pause(&none, 9, u64::MAX), Duration::ZERO);
    }
}
