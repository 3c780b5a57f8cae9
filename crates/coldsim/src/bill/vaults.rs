//! What vaults cost.
//!
//! Source: <https://aws.amazon.com/s3/glacier/pricing/> and the AWS price list (service
//! `AmazonGlacier`), as published by third parties. Taken on a stated basis, where no public
//! source gave it:
//! - Bulk retrieval costs what it did in former years;
//! - `eu-central-1`: storage is 16 per cent of `STANDARD`, as that of `GLACIER`; requests and
//!   retrieval are 20 per cent above `us-east-1`; a capacity unit is published (120);
//! - every call of a multipart upload that creates something is an upload request; an inventory
//!   is one Standard retrieval request, and its bytes are free;
//! - parts that are not an archive yet are stored at the rate of archives.

use darkslide_words::{Tier, Time};
use serde::{Deserialize, Serialize};

use super::month::Month;
use super::rates::{GB, place};
use super::sum::Priced;
use super::{DAY_NS, Meter, Use, milliseconds};
use crate::glacier::model::Glacier;
use crate::state::Charge;

/// Billed on top of each archive.
const OVERHEAD_BYTES: u64 = 32 << 10;
/// An archive is billed at least so long.
const DAYS_MIN: i64 = 90;

/// What is counted of vaults, each in its own unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum VaultUse {
    /// Byte-milliseconds, overhead included.
    Storage,
    /// Byte-milliseconds of parts.
    Parts,
    /// Byte-milliseconds that were not stored.
    EarlyDelete,
    /// Requests.
    Upload,
    /// Requests.
    Inventory,
    /// Requests.
    Retrieval(Tier),
    /// Bytes.
    Retrieved(Tier),
    /// Units.
    Capacity,
}

/// What a region asks for, in billionths of a US dollar.
#[derive(Debug, Clone, Copy)]
pub(super) struct VaultRates {
    /// A GB for a month.
    storage: u64,
    /// An upload request.
    upload: u64,
    /// A retrieval request: Bulk, Standard, Expedited.
    request: [u64; 3],
    /// A GB retrieved: Bulk, Standard, Expedited.
    retrieve: [u64; 3],
    /// A capacity unit.
    capacity: u64,
}

impl VaultRates {
    pub(super) const US_EAST_1: Self = Self {
        storage: 3_600_000,
        upload: 30_000,
        request: [25_000, 30_000, 10_000_000],
        retrieve: [2_500_000, 10_000_000, 30_000_000],
        capacity: 100_000_000_000,
    };

    pub(super) const EU_CENTRAL_1: Self = Self {
        storage: 3_900_000,
        upload: 36_000,
        request: [30_000, 36_000, 12_000_000],
        retrieve: [3_000_000, 12_000_000, 36_000_000],
        capacity: 120_000_000_000,
    };
}

impl VaultUse {
    pub(super) fn rate(self, rates: &VaultRates) -> u64 {
        match self {
            Self::Storage | Self::Parts | Self::EarlyDelete => rates.storage,
            Self::Upload => rates.upload,
            Self::Inventory => rates.request[place(Tier::Standard)],
            Self::Retrieval(tier) => rates.request[place(tier)],
            Self::Retrieved(tier) => rates.retrieve[place(tier)],
            Self::Capacity => rates.capacity,
        }
    }

    /// Its line, with so many byte-milliseconds to a GB-month.
    pub(super) fn priced(self, per_gb_month: u128) -> Priced {
        let (what, unit, per_unit) = match self {
            Self::Storage => ("vault storage".to_string(), "GB-month", per_gb_month),
            Self::Parts => ("vault storage: parts of unfinished uploads".to_string(), "GB-month", per_gb_month),
            Self::EarlyDelete => ("vault early deletion".to_string(), "GB-month", per_gb_month),
            Self::Upload => ("vault upload requests".to_string(), "request", 1),
            Self::Inventory => ("vault inventory requests".to_string(), "request", 1),
            Self::Retrieval(tier) => (format!("vault retrieval requests, {tier}"), "request", 1),
            Self::Retrieved(tier) => (format!("vault retrieval, {tier}"), "GB", GB),
            Self::Capacity => ("vault capacity units".to_string(), "unit", 1),
        };
        Priced { what, unit, per_unit }
    }
}

/// How many days the month of an instant has.
pub(crate) fn days_in_month(at: Time) -> u64 {
    u64::try_from(Month::of(at).milliseconds() / 86_400_000).unwrap_or(31).max(28)
}

impl Meter {
    /// Requests, bytes or units, now.
    pub(crate) fn vault(&mut self, what: VaultUse, n: u64) {
        self.count(Use::Vault(what), n.into());
    }

    /// An archive lay there for a time.
    pub(crate) fn vault_stored(&mut self, bytes: u64, from: Time, to: Time) {
        self.span(&Use::Vault(VaultUse::Storage), bytes.saturating_add(OVERHEAD_BYTES), from, to);
    }

    /// A part lay there for a time.
    pub(crate) fn vault_parts(&mut self, bytes: u64, from: Time, to: Time) {
        self.span(&Use::Vault(VaultUse::Parts), bytes, from, to);
    }

    /// An archive that came at `since` was deleted: what is missing from 90 days is charged now.
    pub(crate) fn vault_removed(&mut self, bytes: u64, since: Time, at: Time) {
        self.at(at);
        let due = Time(since.0.saturating_add(DAYS_MIN.saturating_mul(DAY_NS)));
        let missing = u128::from(bytes.saturating_add(OVERHEAD_BYTES)) * milliseconds(at, due);
        self.count_in(Month::of(at), Use::Vault(VaultUse::EarlyDelete), missing);
    }
}

impl Glacier {
    /// What lies in vaults from when it was last metered, but not before `until`, up to `now`.
    pub(crate) fn storage_charges(&self, until: Time, now: Time) -> Vec<Charge> {
        let mut charges = Vec::new();
        for vault in self.vaults.values() {
            charges.extend(vault.archives.values().map(|archive| Charge::VaultStored {
                bytes: archive.size,
                from: archive.billed_from.max(until),
                to: now,
            }));
            let parts = vault.uploads.values().flat_map(|upload| upload.parts.values());
            charges.extend(parts.map(|part| Charge::VaultParts {
                bytes: part.size,
                from: part.billed_from.max(until),
                to: now,
            }));
        }
        charges
    }
}
