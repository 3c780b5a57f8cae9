//! What can go wrong with a thaw.

use std::fmt;

use darkslide_catalog::{CatalogError, ThawId};
use darkslide_price::PriceError;
use darkslide_store::StoreError;
use darkslide_words::{Bytes, Money, ObjectName, RetrievalPolicy, StorageClass, Tier};

use crate::OverBudget;

/// Packs of one class that cannot be thawed as fast as was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotOffered {
    /// Their class.
    pub class: StorageClass,
    /// The tiers that it has.
    pub offered: Vec<Tier>,
    /// The packs.
    pub packs: Vec<ObjectName>,
}

impl fmt::Display for NotOffered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let offered: Vec<String> = self.offered.iter().map(Tier::to_string).collect();
        let offered = if offered.is_empty() { "no tier".into() } else { offered.join(" or ") };
        write!(f, "{} of class {}, which offers {offered}", names(&self.packs), self.class)
    }
}

/// The first few, and how many there are.
fn names(packs: &[ObjectName]) -> String {
    let shown: Vec<&str> = packs.iter().take(3).map(ObjectName::as_str).collect();
    match packs.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn list(groups: &[NotOffered]) -> String {
    groups.iter().map(NotOffered::to_string).collect::<Vec<_>>().join("; ")
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// No store is known to have it.
    #[error("no store is known to hold {}; `darkslide audit` looks again", names(packs))]
    Nowhere {
        /// The packs.
        packs: Vec<ObjectName>,
    },
    /// A class does not have the tier.
    #[error("cannot thaw at {tier}: {}; choose another tier", list(groups))]
    TierNotOffered {
        /// What was asked for.
        tier: Tier,
        /// What cannot have it.
        groups: Vec<NotOffered>,
    },
    /// The account's data retrieval policy lets less through at once than one pack needs.
    #[error(
        "the account's data retrieval policy ({policy}) lets at most {most} through at once, and these need more: {}; \
         thaw at the tier bulk, which is not under it, or change it with `darkslide vault retrieval-policy set`",
        names(packs)
    )]
    NeverLetThrough {
        /// The policy.
        policy: RetrievalPolicy,
        /// What it lets through at once.
        most: Bytes,
        /// The packs.
        packs: Vec<ObjectName>,
    },
    /// A thawed copy has to stay for a while.
    #[error("thawed copies for 0 days give nothing to read; ask for at least 1 day")]
    NoDays,
    /// Without a line there is no end.
    #[error("the download speed is 0; give the line's speed in bits per second")]
    NoLine,
    /// Something has no price.
    #[error(transparent)]
    Price(#[from] PriceError),
}

/// Why a thaw could not go on. What was done stays recorded; the next step goes on from there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ThawError {
    /// No such row.
    #[error("there is no thaw {id}; `darkslide thaw list` shows them")]
    NoSuchThaw {
        /// What was asked for.
        id: ThawId,
    },
    /// It is done or cancelled.
    #[error("thaw {id} is {state}; nothing more is asked for")]
    Ended {
        /// Which.
        id: ThawId,
        /// Its state's word.
        state: &'static str,
    },
    /// The plan names a store that is not among those given.
    #[error("the store {store} holds packs of this thaw, and is not configured here; add it, or plan again without it")]
    UnknownStore {
        /// Its label.
        store: String,
    },
    /// It would cost more than is allowed.
    #[error(transparent)]
    OverBudget(#[from] OverBudget),
    /// What became of some requests is not known.
    #[error("what became of some requests of thaw {id} is not known yet; try again in a minute")]
    Unsettled {
        /// Which.
        id: ThawId,
    },
    /// Asking again only helps at a faster tier.
    #[error("thaw {id} is at {have} already, and {wanted} is not faster")]
    NotFaster {
        /// Which.
        id: ThawId,
        /// Its tier.
        have: Tier,
        /// The tier asked for.
        wanted: Tier,
    },
    /// The upgrade costs more than was confirmed.
    #[error("the faster thaw costs {now} by now, and {confirmed} was confirmed; quote it again")]
    UpgradeDearer {
        /// What was confirmed.
        confirmed: Money,
        /// What it costs.
        now: Money,
    },
    /// No plan can be made of what is left.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A store refused in a way that will not pass by itself.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl From<PriceError> for ThawError {
    fn from(error: PriceError) -> Self {
        Self::Plan(error.into())
    }
}
