//! The price crate as its callers see it.

#![allow(clippy::unwrap_used)]

mod laws;
mod outlook;
mod quotes;
mod table;
mod worked;

use darkslide_price::{Access, Group, Holding, Line, PriceTable, Prices, RestoreFacts};
use darkslide_words::{Bytes, Count, Money, StorageClass, Tier};

/// 2^30 bytes.
const GIB: u64 = 1 << 30;

/// The built-in prices of a region.
fn prices(region: &str) -> Prices {
    PriceTable::builtin().region(region).unwrap()
}

fn virginia() -> Prices {
    prices("us-east-1")
}

fn total(lines: &[Line]) -> Money {
    lines.iter().map(|line| line.amount).sum()
}

fn usd(lines: &[Line]) -> f64 {
    total(lines).usd()
}

/// Equal to a hundredth of a cent.
fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-4
}

fn group(class: StorageClass, access: Option<Access>, objects: u64, bytes: u64) -> Group {
    Group { class, access, objects: Count(objects), bytes: Bytes(bytes) }
}

fn holding(class: StorageClass, objects: u64, bytes: u64) -> Holding {
    Holding { class, access: None, objects: Count(objects), bytes: Bytes(bytes), age_days: None }
}

/// A bulk thaw for a week, everything downloaded, one GET per object.
fn restore(groups: Vec<Group>) -> RestoreFacts {
    let download_bytes = groups.iter().map(|group| group.bytes).sum();
    let get_requests = groups.iter().map(|group| group.objects).sum();
    RestoreFacts {
        groups,
        tier: Tier::Bulk,
        days: 7,
        download_bytes,
        get_requests,
        egress_used_this_month: Bytes(0),
        inside_aws: false,
        via_batch: false,
    }
}
