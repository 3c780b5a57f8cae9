//! Plans and progress as a photographer reads them.

use std::fmt;
use std::time::Duration;

use darkslide_words::{Bytes, Count};

use crate::plan::{How, Planned, ThawPlan, Wave};
use crate::progress::{Progress, Tally};

/// A span for people, rounded up: `40 minutes`, `12 hours`, `5 days`.
pub(crate) fn span(time: Duration) -> String {
    let minutes = time.as_secs().div_ceil(60);
    let (number, unit) = match minutes {
        0 => return "no time".into(),
        1..120 => (minutes, "minute"),
        120..4320 => (minutes.div_ceil(60), "hour"),
        _ => (minutes.div_ceil(24 * 60), "day"),
    };
    format!("{} {unit}{}", Count(number), if number == 1 { "" } else { "s" })
}

pub(crate) fn packs(count: u64) -> String {
    format!("{} pack{}", Count(count), if count == 1 { "" } else { "s" })
}

/// `100 Mbit/s`.
pub(crate) fn speed(bits_per_second: u64) -> String {
    let (number, unit) = match bits_per_second {
        0..1_000_000 => (bits_per_second as f64 / 1e3, "kbit/s"),
        _ => (bits_per_second as f64 / 1e6, "Mbit/s"),
    };
    let number = if number < 10.0 { format!("{number:.1}") } else { format!("{number:.0}") };
    format!("{} {unit}", number.trim_end_matches(".0"))
}

impl ThawPlan {
    /// The packs, one a line: wave, how, size, class, store, name.
    pub fn listing(&self) -> Listing<'_> {
        Listing(&self.packs)
    }

    fn tally(&self, how: How) -> (u64, Bytes, Bytes) {
        let of = || self.packs.iter().filter(|pack| pack.how == how);
        (of().count() as u64, of().map(|pack| pack.size).sum(), of().map(|pack| pack.wanted).sum())
    }
}

/// Exactly which packs.
#[derive(Debug)]
pub struct Listing<'a>(&'a [Planned]);

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for pack in self.0 {
            let Planned { name, size, store, class, .. } = pack;
            let when = match pack.how {
                How::Ready => "ready".to_string(),
                How::Thaw => format!("wave {}", pack.wave),
            };
            writeln!(f, "{when:<8} {size:>8}  {:<19} {store}  {name}", class.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Display for ThawPlan {
    /// Counts and bytes, waves, when it is there, what it costs, what was assumed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ready, _, ready_bytes) = self.tally(How::Ready);
        let (cold, cold_size, cold_bytes) = self.tally(How::Thaw);
        if ready + cold == 0 {
            return writeln!(f, "Nothing has to be read from a store.");
        }
        if ready > 0 {
            writeln!(f, "{} can be read now: {ready_bytes} to download.", packs(ready))?;
        }
        if cold > 0 {
            let days = if self.days == 1 { "1 day".into() } else { format!("{} days", self.days) };
            writeln!(
                f,
                "{} {} to be thawed first, at {}: {cold_size}, to stay for {days}; {cold_bytes} of it to download.",
                packs(cold),
                if cold == 1 { "has" } else { "have" },
                self.tier
            )?;
        }
        if self.waves.len() > 1 {
            writeln!(f)?;
            for (at, Wave { packs: n, bytes, due, ready_last, .. }) in self.waves.iter().enumerate() {
                let (due, ready) = (self.made.until(*due), self.made.until(*ready_last));
                let due = if due.is_zero() { "at once".into() } else { format!("after {}", span(due)) };
                let ready = span(ready);
                writeln!(f, "Wave {}: {}, {bytes}, asked for {due}, ready within {ready}", at + 1, packs(n.0))?;
            }
        }
        writeln!(f)?;
        match self.first_byte.is_zero() {
            true => writeln!(f, "First photograph: at once")?,
            false => writeln!(f, "First photograph: within {}", span(self.first_byte))?,
        }
        writeln!(f, "Last photograph:  within {}, download included", span(self.last_byte))?;
        writeln!(f, "\n{}", self.quote)?;
        self.assumptions.iter().try_for_each(|text| writeln!(f, "- {text}"))
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = [
            ("not asked for yet", self.cold),
            ("being thawed", self.asked),
            ("can be read", self.warm),
            ("downloaded", self.downloaded),
            ("verified", self.verified),
            ("failed", self.failed),
        ];
        for (what, Tally { packs: n, bytes }) in steps.into_iter().filter(|(_, tally)| tally.packs.0 > 0) {
            writeln!(f, "{}, {bytes}: {what}", packs(n.0))?;
        }
        writeln!(f, "Spent so far: {}", self.spent)?;
        if let Some(time) = self.ready_about {
            writeln!(f, "All can be read by about {}", time.local())?;
        }
        if let Some(stop) = &self.stop {
            writeln!(f, "Nothing more is asked for: {stop}")?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "- {note}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_rounded_up_to_what_one_would_say() {
        let shown = |seconds| span(Duration::from_secs(seconds));
        assert_eq!([0, 1, 60, 300].map(shown), ["no time", "1 minute", "1 minute", "5 minutes"]);
        assert_eq!([7200, 43_201, 172_800].map(shown), ["2 hours", "13 hours", "48 hours"]);
        assert_eq!([100_000_000, 1_850_000, 64_000].map(speed), ["100 Mbit/s", "1.9 Mbit/s", "64 kbit/s"]);
        assert_eq!([259_200, 259_201].map(shown), ["3 days", "4 days"]);
    }
}
