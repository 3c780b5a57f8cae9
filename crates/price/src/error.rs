//! Why there is no price.

use darkslide_words::{Bytes, StorageClass, Tier};

use crate::RetrievalPolicy;

/// Why there is no price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// The table cannot be read.
    #[error(
        "the price table, line {line}, `{key}`: {problem}; correct the file that `prices` of [budget] names, or leave it out"
    )]
    Table {
        /// Counted from 1.
        line: usize,
        /// The full name of the key or table, as far as it is known.
        key: String,
        /// What is wrong.
        problem: String,
    },
    /// The table has no such region.
    #[error(
        "no prices for the region `{region}`; known are {known}; name a file with its prices as `prices` of [budget]"
    )]
    UnknownRegion {
        /// What was asked for.
        region: String,
        /// The regions of the table, comma-separated.
        known: String,
    },
    /// The region has no such class.
    #[error(
        "no price for the storage class `{class}` in {region}; give it as [regions.{region}.classes.{class}] in a file that `prices` of [budget] names"
    )]
    NoClass {
        /// What was asked for.
        class: StorageClass,
        /// The region.
        region: String,
    },
    /// The class has no such price.
    #[error("the price table has no `{key}` in {region}; add it to the file that `prices` of [budget] names")]
    NoRate {
        /// The key below the region.
        key: String,
        /// The region.
        region: String,
    },
    /// AWS does not sell this speed for this class.
    #[error("{class} cannot be thawed at the tier {tier}; choose {offered}")]
    TierNotOffered {
        /// The class, with its access tier where that decides.
        class: String,
        /// The tier asked for.
        tier: Tier,
        /// What can be had.
        offered: String,
    },
    /// S3 Batch Operations does not start Expedited restores.
    #[error("S3 Batch Operations cannot thaw at the tier expedited; choose bulk or standard, or thaw without it")]
    BatchExpedited,
    /// A thawed copy has to live.
    #[error("a thaw of {class} for 0 days gives nothing to read; ask for at least 1 day")]
    NoDays {
        /// The class.
        class: StorageClass,
    },
    /// The account's policy never lets a retrieval of this size through.
    #[error(
        "the account's data retrieval policy ({policy}) lets {at_once} through at a time, and one archive needs {largest}; retrieve at the tier bulk, in smaller ranges, or change the policy"
    )]
    RetrievalPolicy {
        /// The policy.
        policy: RetrievalPolicy,
        /// What the largest job asks for.
        largest: Bytes,
        /// What would be let through.
        at_once: Bytes,
    },
}
