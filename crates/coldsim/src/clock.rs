//! The virtual clock: stands still unless it is moved, or runs at a multiple of real time.
//!
//! It never goes back: real time is taken from a clock that does not jump.

use std::sync::Arc;
use std::time::Duration;

use darkslide_words::{Clock, Time};

/// Nanoseconds in a day.
pub(crate) const DAY_NANOS: i64 = 86_400 * 1_000_000_000;

/// Virtual time as a function of real time.
pub(crate) struct VirtualClock {
    real: Arc<dyn Clock>,
    speed: f64,
    base: Time,
    base_elapsed: Duration,
}

impl VirtualClock {
    /// Begins at `start` and moves `speed` virtual seconds per real second.
    pub fn new(real: Arc<dyn Clock>, start: Time, speed: f64) -> Self {
        let base_elapsed = real.elapsed();
        let speed = if speed.is_finite() { speed.max(0.0) } else { 0.0 };
        Self { real, speed, base: start, base_elapsed }
    }

    /// The virtual time.
    pub fn now(&self) -> Time {
        if self.speed == 0.0 {
            return self.base;
        }
        let real = self.real.elapsed().saturating_sub(self.base_elapsed);
        let virtual_seconds = (real.as_secs_f64() * self.speed).min(1e10);
        self.base.plus(Duration::from_secs_f64(virtual_seconds))
    }

    /// Real time, for deadlines of clients that wait.
    pub fn real_now(&self) -> Time {
        self.real.now()
    }

    /// Jumps forward.
    pub fn advance(&mut self, by: Duration) {
        self.base = self.now().plus(by);
        self.base_elapsed = self.real.elapsed();
    }
}

/// The first midnight UTC after `at`; `at` itself if it is one.
pub(crate) fn midnight_from(at: Time) -> Time {
    let day = at.0.div_euclid(DAY_NANOS);
    let at_midnight = at.0.rem_euclid(DAY_NANOS) == 0;
    Time((day + i64::from(!at_midnight)).saturating_mul(DAY_NANOS))
}

/// The first midnight UTC later than `at`.
pub(crate) fn midnight_after(at: Time) -> Time {
    Time((at.0.div_euclid(DAY_NANOS) + 1).saturating_mul(DAY_NANOS))
}

/// Whole days later.
pub(crate) fn days_later(at: Time, days: i64) -> Time {
    Time(at.0.saturating_add(days.saturating_mul(DAY_NANOS)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use darkslide_words::FixedClock;

    #[test]
    fn stands_still_until_advanced() {
        let real = Arc::new(FixedClock::new(Time::from_parts(50, 0)));
        let mut clock = VirtualClock::new(real.clone(), Time::from_parts(1000, 0), 0.0);
        real.set(Time::from_parts(5_000, 0));
        assert_eq!(clock.now(), Time::from_parts(1000, 0));
        clock.advance(Duration::from_secs(5));
        assert_eq!(clock.now(), Time::from_parts(1005, 0));
    }

    #[test]
    fn runs_at_its_speed_and_jumps_from_where_it_is() {
        let real = Arc::new(FixedClock::new(Time::from_parts(0, 0)));
        let mut clock = VirtualClock::new(real.clone(), Time::from_parts(0, 0), 3600.0);
        real.set(Time::from_parts(2, 1_000_000));
        assert!((7200..7210).contains(&clock.now().seconds()), "{:?}", clock.now());
        clock.advance(Duration::from_secs(100_000));
        assert!((107_200..107_240).contains(&clock.now().seconds()), "{:?}", clock.now());
    }

    #[test]
    fn midnights() {
        let noon = Time::from_parts(43_200, 0);
        assert_eq!(midnight_from(noon).seconds(), 86_400);
        assert_eq!(midnight_from(Time::from_parts(86_400, 0)).seconds(), 86_400);
        assert_eq!(midnight_after(Time::from_parts(86_400, 0)).seconds(), 172_800);
    }
}
