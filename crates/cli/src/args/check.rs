//! Arguments of what looks after the repository: audit, scrub, repair, copies.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use darkslide_engine::parse_bytes;
use darkslide_words::{Bytes, Money};

use super::{Identity, Json, money};

#[derive(Debug, Args)]
pub struct Audit {
    /// Renew the Object Lock of what is still needed for so many days (its own identity; priced first)
    #[arg(long, value_name = "DAYS")]
    pub extend_locks: Option<u32>,
    /// Have the stores compute the checksums of all packs where they lie, without a thaw (S3 Batch
    /// Operations; priced first). Run again later to read the result
    #[arg(long)]
    pub cold_checksums: bool,
    /// Ask each bucket for the checksum that it keeps of each pack: one HEAD each, cold ones too, no
    /// thaw (priced first)
    #[arg(long)]
    pub checksums: bool,
    /// Spend what the quote says without asking
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub identity: Identity,
    #[command(flatten)]
    pub json: Json,
}

#[derive(Debug, Args)]
pub struct Scrub {
    /// Read every object
    #[arg(long, conflicts_with_all = ["sample", "every", "budget", "budget_time"])]
    pub all: bool,
    /// Read this share of the objects, picked at random
    #[arg(long, value_name = "PERCENT", default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub sample: u8,
    /// Read what was read longest ago, so that all is read again within this time, such as 90d
    /// [default with a budget: 90d]
    #[arg(long, value_name = "TIME", value_parser = span, conflicts_with = "sample")]
    pub every: Option<Duration>,
    /// Read so much of it at most, such as '50 GB'
    #[arg(long, value_name = "BYTES", value_parser = amount, conflicts_with = "sample")]
    pub budget: Option<Bytes>,
    /// Read for so long at most, such as 1h
    #[arg(long, value_name = "TIME", value_parser = span, conflicts_with = "sample")]
    pub budget_time: Option<Duration>,
    #[command(flatten)]
    pub identity: Identity,
    #[command(flatten)]
    pub json: Json,
}

/// Reads `90d`, `1h`, `30min`, `20 s`, `2w`.
pub fn span(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time such as 90d, 12h or 30min");
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let seconds = match unit.trim() {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return Err(wrong()),
    };
    let seconds = number.parse::<u64>().ok().and_then(|n| n.checked_mul(seconds));
    // A hundred years are for ever.
    seconds.filter(|s| (1..=100 * 366 * 86_400).contains(s)).map(Duration::from_secs).ok_or_else(wrong)
}

/// Reads `50 GB`.
pub fn amount(text: &str) -> Result<Bytes, String> {
    parse_bytes(text).map(Bytes).ok_or_else(|| format!("`{text}` is no amount such as `50 GB`"))
}

#[derive(Debug, Args)]
pub struct Repair {
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Only in this store: its path or URL
    #[arg(long, value_name = "STORE")]
    pub store: Option<String>,
    /// Stop before it costs more than this, in US dollars
    #[arg(long, value_name = "USD", value_parser = money)]
    pub max_cost: Option<Money>,
    /// Do it without asking
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub json: Json,
}

/// How copies are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum By {
    /// Each file by itself
    Photo,
    /// Folder by folder
    Shoot,
    /// Year by year
    Year,
}

#[derive(Debug, Args)]
pub struct Copies {
    /// Only this file or folder of the library
    pub path: Option<PathBuf>,
    /// How it is told
    #[arg(long, value_enum, default_value_t = By::Shoot)]
    pub by: By,
    #[command(flatten)]
    pub json: Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_people_write_them() {
        for (text, seconds) in [("90d", 90 * 86_400), ("1h", 3600), ("30 min", 1800), ("2w", 14 * 86_400), ("7s", 7)] {
            assert_eq!(span(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "d", "5", "0d", "-1d", "1y", "99999999999999999999d", "999999999w"] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }
}
