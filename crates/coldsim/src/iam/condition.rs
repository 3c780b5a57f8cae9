//! Conditions of a statement: an operator, a key, and the values it is
//! compared with.
//!
//! **Invariant:** a key that the request does not carry fails a positive
//! operator and passes a negated one, unless `IfExists`, `Null` or a set
//! operator says otherwise, as the IAM User Guide has it.

use std::net::IpAddr;

use super::pattern::{Case, Pattern, Variables};
use super::{PolicyError, Scope};

/// One operator on one key.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    test: Test,
    negated: bool,
    set: Set,
    if_exists: bool,
    /// In lower case.
    key: String,
    values: Vec<Pattern>,
}

/// How many of the request's values have to pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    /// No set operator: the key has one value.
    One,
    ForAll,
    ForAny,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Test {
    Same,
    SameIgnoringCase,
    Like,
    Arn,
    Number(Order),
    Date(Order),
    Truth,
    Absent,
    Address,
}

const OPERATORS: [(&str, Test, bool); 27] = [
    ("StringEquals", Test::Same, false),
    ("StringNotEquals", Test::Same, true),
    ("StringEqualsIgnoreCase", Test::SameIgnoringCase, false),
    ("StringNotEqualsIgnoreCase", Test::SameIgnoringCase, true),
    ("StringLike", Test::Like, false),
    ("StringNotLike", Test::Like, true),
    ("ArnEquals", Test::Arn, false),
    ("ArnLike", Test::Arn, false),
    ("ArnNotEquals", Test::Arn, true),
    ("ArnNotLike", Test::Arn, true),
    ("NumericEquals", Test::Number(Order::Equal), false),
    ("NumericNotEquals", Test::Number(Order::Equal), true),
    ("NumericLessThan", Test::Number(Order::Less), false),
    ("NumericLessThanEquals", Test::Number(Order::LessOrEqual), false),
    ("NumericGreaterThan", Test::Number(Order::Greater), false),
    ("NumericGreaterThanEquals", Test::Number(Order::GreaterOrEqual), false),
    ("DateEquals", Test::Date(Order::Equal), false),
    ("DateNotEquals", Test::Date(Order::Equal), true),
    ("DateLessThan", Test::Date(Order::Less), false),
    ("DateLessThanEquals", Test::Date(Order::LessOrEqual), false),
    ("DateGreaterThan", Test::Date(Order::Greater), false),
    ("DateGreaterThanEquals", Test::Date(Order::GreaterOrEqual), false),
    ("Bool", Test::Truth, false),
    ("BinaryEquals", Test::Same, false),
    ("Null", Test::Absent, false),
    ("IpAddress", Test::Address, false),
    ("NotIpAddress", Test::Address, true),
];

impl Condition {
    /// Reads an operator such as `ForAllValues:StringLikeIfExists`, and checks
    /// its values.
    pub(super) fn parse(
        operator: &str,
        key: &str,
        values: &[String],
        variables: Variables,
    ) -> Result<Self, PolicyError> {
        let (set, rest) = match operator.split_once(':') {
            None => (Set::One, operator),
            Some(("ForAllValues", rest)) => (Set::ForAll, rest),
            Some(("ForAnyValue", rest)) => (Set::ForAny, rest),
            Some(_) => return Err(PolicyError(format!("Invalid Condition type : {operator}"))),
        };
        let (name, if_exists) = match rest.strip_suffix("IfExists") {
            Some(name) => (name, true),
            None => (rest, false),
        };
        let found = OPERATORS.iter().find(|(known, _, _)| *known == name);
        let Some((_, test, negated)) = found.copied() else {
            return Err(PolicyError(format!("Invalid Condition type : {operator}")));
        };
        if test == Test::Absent && (if_exists || set != Set::One) {
            return Err(PolicyError(format!("Invalid Condition type : {operator}; Null stands alone")));
        }
        if !key.contains(':') || key.starts_with(':') {
            return Err(PolicyError(format!("condition key `{key}` must be prefaced by a vendor, such as s3:prefix")));
        }
        if let Some(bad) = values.iter().find(|value| !test.takes(value)) {
            return Err(PolicyError(format!("{operator} of {key} cannot compare with `{bad}`")));
        }
        let text = matches!(test, Test::Same | Test::SameIgnoringCase | Test::Like | Test::Arn);
        let variables = if text { variables } else { Variables::Literal };
        let values = values.iter().map(|value| Pattern::parse(value, variables)).collect::<Result<_, _>>()?;
        Ok(Self { test, negated, set, if_exists, key: key.to_lowercase(), values })
    }

    /// The key it looks at, in lower case.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// True if the request meets it.
    pub(super) fn holds(&self, scope: &Scope<'_>) -> bool {
        let present = scope.values(&self.key);
        if self.test == Test::Absent {
            let absent = if present.is_none() { "true" } else { "false" };
            return self.values.iter().any(|v| v.text(scope).is_some_and(|v| v.eq_ignore_ascii_case(absent)));
        }
        let Some(present) = present else {
            return match self.set {
                Set::One => self.if_exists || self.negated,
                Set::ForAll => true,
                Set::ForAny => self.if_exists,
            };
        };
        let is_one_of = |value: &String| self.values.iter().any(|v| self.test.passes(v, value, scope));
        match self.set {
            Set::One => present.iter().any(is_one_of) != self.negated,
            Set::ForAll => present.iter().all(|value| is_one_of(value) != self.negated),
            Set::ForAny => present.iter().any(|value| is_one_of(value) != self.negated),
        }
    }
}

impl Test {
    /// True if a policy may compare with `value`.
    fn takes(self, value: &str) -> bool {
        match self {
            Self::Same | Self::SameIgnoringCase | Self::Like | Self::Arn => true,
            Self::Number(_) => number(value).is_some(),
            Self::Date(_) => seconds(value).is_some(),
            Self::Truth | Self::Absent => truth(value).is_some(),
            Self::Address => Network::parse(value).is_some(),
        }
    }

    /// True if `value`, of the request, passes against `wanted`, of the policy.
    fn passes(self, wanted: &Pattern, value: &str, scope: &Scope<'_>) -> bool {
        let text = || wanted.text(scope);
        match self {
            Self::Same => text().is_some_and(|w| w == value),
            Self::SameIgnoringCase => text().is_some_and(|w| w.to_lowercase() == value.to_lowercase()),
            Self::Like => wanted.matches(value, Case::Differs, scope),
            Self::Arn => wanted.matches_arn(value, scope),
            Self::Number(order) => {
                let wanted = text().and_then(|w| number(&w));
                wanted.zip(number(value)).is_some_and(|(w, v)| order.holds(v.total_cmp(&w)))
            }
            Self::Date(order) => {
                let wanted = text().and_then(|w| seconds(&w));
                wanted.zip(seconds(value)).is_some_and(|(w, v)| order.holds(v.total_cmp(&w)))
            }
            Self::Truth => {
                let wanted = text().and_then(|w| truth(&w));
                wanted.is_some() && wanted == truth(value)
            }
            Self::Address => {
                let wanted = text().and_then(|w| Network::parse(&w));
                wanted.zip(value.parse().ok()).is_some_and(|(network, address)| network.holds(address))
            }
            Self::Absent => false,
        }
    }
}

impl Order {
    fn holds(self, ordering: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

fn number(text: &str) -> Option<f64> {
    // `+ 0.0` so that -0 equals 0 in the total order.
    text.trim().parse::<f64>().ok().filter(|n| n.is_finite()).map(|n| n + 0.0)
}

fn truth(text: &str) -> Option<bool> {
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    if is("true") {
        Some(true)
    } else if is("false") {
        Some(false)
    } else {
        None
    }
}

/// A date in ISO 8601 or in seconds since 1970.
fn seconds(text: &str) -> Option<f64> {
    if let Some(number) = number(text) {
        return Some(number);
    }
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Some(instant.as_second() as f64 + f64::from(instant.subsec_nanosecond()) / 1e9);
    }
    let day: jiff::civil::Date = text.parse().ok()?;
    let midnight = day.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(midnight.timestamp().as_second() as f64)
}

/// A range of addresses in CIDR notation; an address alone is a range of one.
struct Network {
    address: u128,
    mask: u128,
    v6: bool,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let (bits, v6, width) = bits(address.parse().ok()?);
        let length = length.unwrap_or(width);
        if length > width {
            return None;
        }
        let ones = u128::MAX.checked_shl(width - length).unwrap_or(0);
        Some(Self { address: bits & ones, mask: ones, v6 })
    }

    fn holds(&self, address: IpAddr) -> bool {
        let (bits, v6, _) = bits(address);
        v6 == self.v6 && bits & self.mask == self.address
    }
}

fn bits(address: IpAddr) -> (u128, bool, u32) {
    match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), false, 32),
        IpAddr::V6(v6) => (v6.to_bits(), true, 128),
    }
}
