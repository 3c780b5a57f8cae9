//! A quote: line items, their total, and what was assumed. A value; prints as a table.

use std::fmt;

use darkslide_words::{Count, Money};
use serde::{Deserialize, Serialize};

/// Unit of requests; its rate is printed per 1,000.
pub(crate) const REQUESTS: &str = "requests";
/// Unit of objects; its rate is printed per 1,000.
pub(crate) const OBJECTS: &str = "objects";
/// Unit of storage.
pub(crate) const GIB_MONTHS: &str = "GiB-months";

/// One item: `amount` is `quantity` × `rate`, rounded to a billionth of a dollar.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// What is paid for.
    pub what: String,
    /// How much of it.
    pub quantity: f64,
    /// Of what: `GiB-months`, `GiB`, `GB`, `requests`, `objects`, `jobs`.
    pub unit: String,
    /// US dollars for one unit.
    pub rate: f64,
    /// The product.
    pub amount: Money,
    /// True if the table says that its source for the rate is weak.
    pub unconfirmed: bool,
}

impl Line {
    /// The line, with its amount.
    pub fn new(what: impl Into<String>, quantity: f64, unit: &str, rate: f64) -> Self {
        let amount = Money::from_usd(quantity * rate);
        Self { what: what.into(), quantity, unit: unit.to_string(), rate, amount, unconfirmed: false }
    }
}

/// What something will cost.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Quote {
    /// Which prices, as `eu-central-1, 2026-11-22`.
    pub prices: String,
    /// The items.
    pub lines: Vec<Line>,
    /// What was assumed, in sentences.
    pub notes: Vec<String>,
}

impl Quote {
    /// The sum of the lines.
    pub fn total(&self) -> Money {
        self.lines.iter().map(|line| line.amount).sum()
    }

    /// Adds the lines and notes of `other`; items at the same rate become one line. Amounts are
    /// added as they stand, so the total is exactly the sum of both. (Two quotes for downloads
    /// each count the free gigabytes they were told are left: plan them one after the other.)
    pub fn merge(&mut self, other: Quote) {
        if self.prices.is_empty() {
            self.prices = other.prices;
        } else if !other.prices.is_empty() && !self.prices.contains(&other.prices) {
            self.prices = format!("{}; {}", self.prices, other.prices);
        }
        self.extend(other.lines);
        other.notes.into_iter().for_each(|note| self.note(note));
    }

    pub(crate) fn extend(&mut self, lines: impl IntoIterator<Item = Line>) {
        for line in lines {
            let same = |have: &&mut Line| {
                (&have.what, &have.unit, have.unconfirmed) == (&line.what, &line.unit, line.unconfirmed)
                    && have.rate.to_bits() == line.rate.to_bits()
            };
            match self.lines.iter_mut().find(same) {
                Some(have) => {
                    have.quantity += line.quantity;
                    have.amount += line.amount;
                }
                None => self.lines.push(line),
            }
        }
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

impl fmt::Display for Quote {
    /// A table: what, how much, at which rate, the amount; then the total and the notes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows: Vec<[String; 4]> = self.lines.iter().map(row).collect();
        rows.push(["Total".into(), String::new(), String::new(), self.total().to_string()]);
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let [what, quantity, rate, amount] = [0, 1, 2, 3].map(width);
        for [a, b, c, d] in &rows {
            writeln!(f, "{a:<what$}  {b:>quantity$}  {c:<rate$}  {d:>amount$}")?;
        }
        if self.lines.iter().any(|line| line.unconfirmed) {
            writeln!(f, "? no good source for this rate; compare it with https://aws.amazon.com/s3/pricing/")?;
        }
        for note in &self.notes {
            writeln!(f, "- {note}")?;
        }
        match self.prices.is_empty() {
            true => Ok(()),
            false => writeln!(f, "Prices: {}, list prices before tax", self.prices),
        }
    }
}

fn row(line: &Line) -> [String; 4] {
    let mark = if line.unconfirmed { "?" } else { "" };
    let counted = matches!(&line.unit[..], REQUESTS | OBJECTS);
    let rate = match (line.rate == 0.0, counted) {
        (true, _) => "free".to_string(),
        (_, true) => format!("× {}{mark} per 1,000", usd(line.rate * 1000.0)),
        (_, false) => format!("× {}{mark}", usd(line.rate)),
    };
    let unit = match (line.quantity == 1.0, line.unit.strip_suffix('s')) {
        (true, Some(one)) => one,
        _ => &line.unit,
    };
    [line.what.clone(), format!("{} {unit}", quantity(line.quantity)), rate, line.amount.to_string()]
}

/// Dollars with as many decimals as the rate has, at least two.
fn usd(rate: f64) -> String {
    let text = format!("{rate:.9}");
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
    format!("${whole}.{:0<2}", decimals.trim_end_matches('0'))
}

/// Whole numbers with thousands apart, others with three digits.
fn quantity(n: f64) -> String {
    match n {
        n if n >= 100.0 || n.fract() == 0.0 => Count(n.round() as u64).to_string(),
        n if n >= 10.0 => format!("{n:.1}"),
        n if n >= 1.0 => format!("{n:.2}"),
        n => format!("{n:.*}", (2.0 - n.log10().floor()).clamp(3.0, 9.0) as usize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_quantities_keep_their_digits() {
        assert_eq!([0.09, 0.00099, 10.0, 0.0245].map(usd), ["$0.09", "$0.00099", "$10.00", "$0.0245"]);
        let shown = [1.0, 0.5, 12_345.6, 99.94, 0.000_123_4, 3.456].map(quantity);
        assert_eq!(shown, ["1", "0.500", "12,346", "99.9", "0.000123", "3.46"]);
    }
}
