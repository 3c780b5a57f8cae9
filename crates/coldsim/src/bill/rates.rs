//! Price lists, in billionths of a US dollar.
//!
//! Sources: <https://aws.amazon.com/s3/pricing/> and the AWS price list
//! (services `AmazonS3`, `AmazonGlacier`, `AmazonS3GlacierDeepArchive`,
//! `AWSDataTransfer`), as published by third parties up to September 2026.
//!
//! What no public source gave is taken on a stated basis:
//! - `GLACIER_IR` in all regions: PUT and transition at 0.02 per 1,000.
//! - `eu-west-1`: everything as `us-east-1`; its storage prices are confirmed.
//! - `eu-central-1`: storage of the colder classes is the share of `STANDARD`
//!   that is published for Frankfurt (55, 20, 16 and 7 per cent, rounded);
//!   volume steps lie 0.001 apart, as in `us-east-1`; PUT, LIST and GET of
//!   `STANDARD` are 8 per cent above `us-east-1`; requests, transitions and
//!   retrieval of the archive classes are 20 per cent above, as the highest
//!   published request price (0.12) and Expedited capacity (120) are.

use darkslide_words::{StorageClass, Tier};

use super::Access;
use super::vaults::VaultRates;

/// 2^30 bytes.
pub(super) const GB: u128 = 1 << 30;
/// Free transfer out each month, in GB.
pub(super) const FREE_EGRESS_GB: u128 = 100;
/// Transfer out beyond the free part: up to so many GB, at so much for each.
/// The same in all three regions.
pub(super) const EGRESS_STEPS: [(Option<u128>, u64); 4] =
    [(Some(10 << 10), 90_000_000), (Some(50 << 10), 85_000_000), (Some(150 << 10), 70_000_000), (None, 50_000_000)];
/// A monitored object for a month.
pub(super) const MONITORING: u64 = 2_500;
/// A Batch Operations job.
pub(super) const JOB: u64 = 250_000_000;
/// An object of a job.
pub(super) const JOB_OBJECT: u64 = 1_000;

/// What a class costs.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClassRates {
    /// A GB for a month.
    pub(super) storage: u64,
    /// Requests, each.
    pub(super) put: u64,
    pub(super) get: u64,
    pub(super) transition: u64,
    /// Restore requests, each: Bulk, Standard, Expedited.
    pub(super) restore: [u64; 3],
    /// Thawing a GB: Bulk, Standard, Expedited.
    pub(super) thaw: [u64; 3],
    /// Reading a GB.
    pub(super) read: u64,
}

/// The price list of a region.
#[derive(Debug)]
pub(super) struct Rates {
    pub(super) region: &'static str,
    /// `STANDARD`, and the frequent tier: up to so many GB, at so much for each.
    pub(super) standard_steps: [(Option<u128>, u64); 3],
    standard: ClassRates,
    standard_ia: ClassRates,
    onezone_ia: ClassRates,
    intelligent: ClassRates,
    glacier_ir: ClassRates,
    glacier: ClassRates,
    deep_archive: ClassRates,
    pub(super) vault: VaultRates,
}

const NO_THAW: [u64; 3] = [0, 0, 0];

const fn steps(first: u64, second: u64, third: u64) -> [(Option<u128>, u64); 3] {
    [(Some(50 << 10), first), (Some(500 << 10), second), (None, third)]
}

const US_EAST_1: Rates = Rates {
    region: "us-east-1",
    standard_steps: steps(23_000_000, 22_000_000, 21_000_000),
    standard: ClassRates {
        storage: 23_000_000,
        put: 5_000,
        get: 400,
        transition: 0,
        restore: NO_THAW,
        thaw: NO_THAW,
        read: 0,
    },
    standard_ia: ClassRates {
        storage: 12_500_000,
        put: 10_000,
        get: 1_000,
        transition: 10_000,
        restore: NO_THAW,
        thaw: NO_THAW,
        read: 10_000_000,
    },
    onezone_ia: ClassRates {
        storage: 10_000_000,
        put: 10_000,
        get: 1_000,
        transition: 10_000,
        restore: NO_THAW,
        thaw: NO_THAW,
        read: 10_000_000,
    },
    // Thawing from its archive tiers is free but for Expedited.
    intelligent: ClassRates {
        storage: 23_000_000,
        put: 5_000,
        get: 400,
        transition: 10_000,
        restore: [0, 0, 10_000_000],
        thaw: [0, 0, 30_000_000],
        read: 0,
    },
    glacier_ir: ClassRates {
        storage: 4_000_000,
        put: 20_000,
        get: 10_000,
        transition: 20_000,
        restore: NO_THAW,
        thaw: NO_THAW,
        read: 30_000_000,
    },
    glacier: ClassRates {
        storage: 3_600_000,
        put: 30_000,
        get: 400,
        transition: 30_000,
        restore: [0, 50_000, 10_000_000],
        thaw: [0, 10_000_000, 30_000_000],
        read: 0,
    },
    // Expedited is not offered.
    deep_archive: ClassRates {
        storage: 990_000,
        put: 50_000,
        get: 400,
        transition: 50_000,
        restore: [25_000, 100_000, 0],
        thaw: [2_500_000, 20_000_000, 0],
        read: 0,
    },
    vault: VaultRates::US_EAST_1,
};

const EU_WEST_1: Rates = Rates { region: "eu-west-1", ..US_EAST_1 };

const EU_CENTRAL_1: Rates = Rates {
    region: "eu-central-1",
    standard_steps: steps(24_500_000, 23_500_000, 22_500_000),
    standard: ClassRates { storage: 24_500_000, put: 5_400, get: 430, ..US_EAST_1.standard },
    standard_ia: ClassRates { storage: 13_500_000, ..US_EAST_1.standard_ia },
    onezone_ia: ClassRates { storage: 10_800_000, ..US_EAST_1.onezone_ia },
    intelligent: ClassRates {
        storage: 24_500_000,
        put: 5_400,
        get: 430,
        restore: [0, 0, 12_000_000],
        thaw: [0, 0, 36_000_000],
        ..US_EAST_1.intelligent
    },
    glacier_ir: ClassRates { storage: 5_000_000, ..US_EAST_1.glacier_ir },
    glacier: ClassRates {
        storage: 3_900_000,
        put: 36_000,
        get: 430,
        transition: 36_000,
        restore: [0, 60_000, 12_000_000],
        thaw: [0, 12_000_000, 36_000_000],
        read: 0,
    },
    deep_archive: ClassRates {
        storage: 1_800_000,
        put: 60_000,
        get: 430,
        transition: 60_000,
        restore: [30_000, 120_000, 0],
        thaw: [3_000_000, 24_000_000, 0],
        read: 0,
    },
    vault: VaultRates::EU_CENTRAL_1,
};

impl Rates {
    /// The price list of a region; that of `us-east-1` if it has none here.
    pub(super) fn of(region: &str) -> &'static Self {
        const ALL: [&Rates; 3] = [&US_EAST_1, &EU_WEST_1, &EU_CENTRAL_1];
        ALL.into_iter().find(|rates| rates.region == region).unwrap_or(&US_EAST_1)
    }

    /// What a class costs; one that is not known, as `STANDARD`.
    pub(super) fn class(&self, class: &StorageClass) -> &ClassRates {
        match class {
            StorageClass::Standard | StorageClass::Other(_) | StorageClass::Vault => &self.standard,
            StorageClass::StandardIa => &self.standard_ia,
            StorageClass::OnezoneIa => &self.onezone_ia,
            StorageClass::IntelligentTiering => &self.intelligent,
            StorageClass::GlacierIr => &self.glacier_ir,
            StorageClass::Glacier => &self.glacier,
            StorageClass::DeepArchive => &self.deep_archive,
        }
    }

    /// A GB for a month in an access tier other than the frequent one: the
    /// tiers cost what the classes do that they resemble.
    pub(super) fn access(&self, access: Access) -> u64 {
        match access {
            Access::Frequent => self.intelligent.storage,
            Access::Infrequent => self.standard_ia.storage,
            Access::ArchiveInstant => self.glacier_ir.storage,
            Access::Archive => self.glacier.storage,
            Access::DeepArchive => self.deep_archive.storage,
        }
    }
}

/// The place of a tier in the arrays above.
pub(super) fn place(tier: Tier) -> usize {
    match tier {
        Tier::Bulk => 0,
        Tier::Standard => 1,
        Tier::Expedited => 2,
    }
}
