//! Money: US dollars, exact to a billionth.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Billionths of a dollar: a GET costs 400 of them. Arithmetic saturates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Money(pub i64);

/// Billionths in a dollar.
const NANO: f64 = 1e9;

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// So many dollars, rounded to a billionth.
    pub fn from_usd(usd: f64) -> Self {
        Self((usd * NANO).round() as i64)
    }

    /// In dollars.
    pub fn usd(self) -> f64 {
        self.0 as f64 / NANO
    }

    /// Reads `12.34`, `$12.34` or `0.5 USD`.
    pub fn parse(text: &str) -> Option<Self> {
        let number = text.trim().trim_start_matches('$').trim_end_matches("USD").trim();
        let usd: f64 = number.parse().ok()?;
        (usd.is_finite() && (0.0..9e9).contains(&usd)).then(|| Self::from_usd(usd))
    }
}

impl Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Money {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Money {
    /// Two decimals from a cent on, else as many as show two digits: `$0.0031`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let usd = self.usd();
        let sign = if usd < 0.0 { "-" } else { "" };
        let size = usd.abs();
        let decimals = match size {
            0.0 => 2,
            s if s >= 0.10 => 2,
            s => ((1.0 - s.log10().floor()) as usize).min(9),
        };
        f.pad(&format!("{sign}${size:.decimals$}"))
    }
}

impl Serialize for Money {
    /// Dollars as a decimal string, so that no reader rounds them.
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let sign = if self.0 < 0 { "-" } else { "" };
        let all = self.0.unsigned_abs();
        s.collect_str(&format_args!("{sign}{}.{:09}", all / 1_000_000_000, all % 1_000_000_000))
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Text(String),
            Number(f64),
        }
        let text = match Either::deserialize(d)? {
            Either::Text(text) => text,
            Either::Number(number) => number.to_string(),
        };
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => (-1, digits),
            None => (1, &text[..]),
        };
        let money = Self::parse(digits);
        money.map(|m| Self(sign * m.0)).ok_or_else(|| serde::de::Error::custom("an amount in US dollars is wanted"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_amounts_keep_two_digits() {
        let shown = |usd| Money::from_usd(usd).to_string();
        assert_eq!(shown(0.0), "$0.00");
        assert_eq!(shown(12.345), "$12.35");
        assert_eq!(shown(0.31), "$0.31");
        assert_eq!(shown(0.0031), "$0.0031");
        assert_eq!(shown(0.000_000_4), "$0.00000040");
        assert_eq!(shown(-1.5), "-$1.50");
    }

    #[test]
    fn amounts_survive_json_and_are_read_as_people_write_them() {
        for money in [Money(0), Money(1), Money(400), Money(-1_500_000_000), Money(i64::from(u32::MAX) * 7)] {
            let json = serde_json::to_string(&money).unwrap();
            assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money, "{json}");
        }
        assert_eq!(Money::parse("$0.50"), Some(Money(500_000_000)));
        assert_eq!(Money::parse("3 USD"), Some(Money(3_000_000_000)));
        assert_eq!(Money::parse("-1"), None);
        assert_eq!(Money::parse("lots"), None);
    }
}
