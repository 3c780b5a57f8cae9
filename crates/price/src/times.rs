//! How long a thaw and a download take.

use std::time::Duration;

use darkslide_words::{Bytes, StorageClass, Tier};

use crate::Access;

/// When thawed objects can be read, counted from the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Not before; zero where AWS names only a latest time.
    pub first: Duration,
    /// Typically by then.
    pub last: Duration,
}

const fn minutes(first: u64, last: u64) -> Option<Window> {
    Some(Window { first: Duration::from_secs(first * 60), last: Duration::from_secs(last * 60) })
}

const fn hours(first: u64, last: u64) -> Option<Window> {
    minutes(first * 60, last * 60)
}

/// The retrieval time that AWS documents; `None` where the tier is not offered and where there
/// is nothing to thaw. For Intelligent-Tiering with an unknown access tier, the slowest of those
/// that offer the tier.
///
/// Expedited holds for objects up to 250 MB; larger ones add their bytes at up to 300 MB/s. Very
/// large thaws (hundreds of TB, tens of millions of objects) take longer at every tier.
/// Source: user guide, restoring-objects-retrieval-options.
pub fn times(class: &StorageClass, access: Option<Access>, tier: Tier) -> Option<Window> {
    let deep = match (class, access) {
        (StorageClass::Glacier | StorageClass::Vault, _) => false,
        (StorageClass::IntelligentTiering, Some(Access::Archive)) => false,
        (StorageClass::DeepArchive, _) | (StorageClass::IntelligentTiering, Some(Access::DeepArchive)) => true,
        (StorageClass::IntelligentTiering, None) => tier != Tier::Expedited,
        _ => return None,
    };
    match (deep, tier) {
        (false, tier) => vault_times(tier),
        (true, Tier::Expedited) => None,
        (true, Tier::Standard) => hours(0, 12),
        (true, Tier::Bulk) => hours(0, 48),
    }
}

/// The same for archives in an Amazon Glacier vault.
///
/// Source: Glacier developer guide, downloading-an-archive-two-steps.
pub fn vault_times(tier: Tier) -> Option<Window> {
    match tier {
        Tier::Expedited => minutes(1, 5),
        Tier::Standard => hours(3, 5),
        Tier::Bulk => hours(5, 12),
    }
}

/// How long the download takes on a line of that speed; without a line, for ever.
pub fn download_time(bytes: Bytes, bits_per_second: u64) -> Duration {
    if bytes.0 == 0 {
        return Duration::ZERO;
    }
    let seconds = (u128::from(bytes.0) * 8).div_ceil(u128::from(bits_per_second).max(1));
    match (bits_per_second, u64::try_from(seconds)) {
        (1.., Ok(seconds)) => Duration::from_secs(seconds),
        _ => Duration::MAX,
    }
}
