//! What AWS storage costs: a dated table of prices, and the arithmetic on it.
//!
//! Level 1. **Invariant:** no I/O and no clock: the table is data, a quote is a value.
//! What has no price is an error that says how to give one, never a zero.
//!
//! Three conventions hold everywhere:
//! - A GB of storage and of retrieval is 2^30 bytes, printed as GiB. The worked example for a
//!   10 TB month in the S3 FAQ (<https://aws.amazon.com/s3/faqs/>) counts so. A GB of transfer has
//!   as many bytes as the table says; the built-in one takes 2^30 too, as the price list's steps
//!   count 10 TB as 10,240 GB.
//! - Storage is billed by the byte-hour over the hours of the calendar month. Here a month has
//!   [`HOURS_PER_MONTH`] hours, the average; a real month differs by at most 8 %.
//! - Where facts are missing (the ages of objects, the tier an object has reached) a quote takes
//!   the dearer case and says so in its notes.

mod error;
mod outlook;
mod plans;
mod prices;
mod quote;
mod requests;
mod storage;
mod table;
mod terms;
mod times;
mod transfer;
mod vault;
mod vault_policy;

pub use error::PriceError;
pub use outlook::{WhatIf, forecast, what_if};
pub use plans::{
    BackupFacts, BackupQuote, Group, Holding, Puts, Removal, RestoreFacts, backup_quote, delete_quote, monthly,
    restore_quote,
};
pub use prices::{BatchPrices, ClassPrices, Prices, Rate, Step, TierRates, TieringPrices, TransferPrices, VaultPrices};
pub use quote::{Line, Quote};
pub use table::PriceTable;
pub use terms::{Access, Terms, lifecycle_allows, terms, tiers_offered};
pub use times::{Window, download_time, times, vault_times};
pub use vault::{is_tree_aligned, retrieval_span};
pub use vault_policy::{Pace, midnight_after, midnight_before};

/// Bytes in a GB of storage or retrieval.
pub(crate) const GIB: f64 = 1_073_741_824.0;

/// Hours in an average month: 365 days of 24 hours, divided by 12. AWS's own calculator uses it.
pub const HOURS_PER_MONTH: f64 = 730.0;

/// So many days in months.
pub(crate) fn months(days: u32) -> f64 {
    f64::from(days) * 24.0 / HOURS_PER_MONTH
}
