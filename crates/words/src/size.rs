//! Sizes and counts: 64-bit numbers that are decimal strings in JSON.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub u64);

        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0.saturating_add(other.0))
            }
        }
        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                *self = *self + other;
            }
        }
        impl Sub for $name {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0))
            }
        }
        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
                all.fold(Self(0), Add::add)
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(itoa::Buffer::new().format(self.0))
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                crate::text::parsed(d, |text| {
                    let canonical = text == "0" || text.bytes().next().is_some_and(|b| (b'1'..=b'9').contains(&b));
                    match text.parse() {
                        Ok(n) if canonical => Ok(Self(n)),
                        _ => Err("a decimal number in a string is wanted"),
                    }
                })
            }
        }
    };
}

number!(
    /// A number of bytes; arithmetic saturates.
    Bytes
);
number!(
    /// A number of things; arithmetic saturates.
    Count
);

impl Bytes {
    /// `n` binary kilobytes.
    pub const fn kib(n: u64) -> Self {
        Self(n << 10)
    }
    /// `n` binary megabytes.
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }
}

impl fmt::Display for Bytes {
    /// For people, in decimal units as on the side of a disk: `1.2 GB`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
        let mut value = self.0 as f64;
        let mut unit = 0;
        while value >= 999.5 && unit + 1 < UNITS.len() {
            value /= 1000.0;
            unit += 1;
        }
        let text = match unit {
            0 => format!("{} B", self.0),
            _ if value < 9.95 => format!("{value:.1} {}", UNITS[unit]),
            _ => format!("{value:.0} {}", UNITS[unit]),
        };
        f.pad(&text)
    }
}

impl fmt::Display for Count {
    /// For people, with thousands apart: `200,000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        let mut text = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        f.pad(&text)
    }
}

/// How often something is touched, and so which storage class suits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Temperature {
    /// Originals and exports: written once, read hardly ever.
    Cold,
    /// Sidecars, catalogs, tiny files: change often.
    Warm,
    /// Metadata: always at hand, never in an archive class.
    Hot,
}

/// A part of an object: the bytes from `from` up to, and without, `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// First byte.
    pub from: u64,
    /// Byte after the last one.
    pub to: u64,
}

impl Span {
    /// How many bytes.
    pub fn len(self) -> u64 {
        self.to.saturating_sub(self.from)
    }

    /// True without bytes.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// True if all of `other` lies in it.
    pub fn covers(self, other: Self) -> bool {
        self.from <= other.from && other.to <= self.to
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(Bytes(999).to_string(), "999 B");
        assert_eq!(Bytes(1_250_000_000).to_string(), "1.2 GB");
        assert_eq!(Bytes(28_000_000).to_string(), "28 MB");
        assert_eq!(Count(200_000).to_string(), "200,000");
        assert_eq!(Count(7).to_string(), "7");
    }

    #[test]
    fn json_is_a_canonical_string() {
        assert_eq!(serde_json::to_string(&Bytes(u64::MAX)).unwrap(), "\"18446744073709551615\"");
        for bad in ["5", "\"05\"", "\"+5\"", "\"-5\"", "\"\"", "\"5 \""] {
            assert!(serde_json::from_str::<Bytes>(bad).is_err(), "{bad}");
        }
    }
}
