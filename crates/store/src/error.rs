//! What can go wrong in a store.

use darkslide_words::ObjectName;

/// Why a store could not do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The place itself is not there: unplugged, unmounted, deleted.
    #[error("the store {store} cannot be reached: {source}")]
    Unreachable {
        /// Which store.
        store: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// No space is left.
    #[error("the store {store} is full: {name} was not stored; make room and run again, nothing is lost")]
    Full {
        /// Which store.
        store: String,
        /// What was being written.
        name: ObjectName,
    },
    /// Not allowed.
    #[error("the store {store} refuses access to {name}: {source}")]
    Denied {
        /// Which store.
        store: String,
        /// Which object.
        name: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The name exists with other bytes.
    #[error("{name} exists in the store {store} with another content; nothing was overwritten")]
    Different {
        /// Which store.
        store: String,
        /// Which object.
        name: ObjectName,
    },
    /// The object is shorter than the range that was asked for.
    #[error("{name} has only {size} bytes: truncated")]
    Short {
        /// Which object.
        name: ObjectName,
        /// Its stored bytes.
        size: u64,
    },
    /// What arrived is not what was sent.
    #[error("{name} did not arrive whole in the store {store}: the checksum differs")]
    Corrupted {
        /// Which store.
        store: String,
        /// Which object.
        name: ObjectName,
    },
    /// The object is not there.
    #[error("{name} is missing from the store")]
    Missing {
        /// Which object.
        name: ObjectName,
    },
    /// The object is in an archive class.
    #[error("{name} is cold ({class}): it has to be thawed first")]
    Cold {
        /// Which object.
        name: ObjectName,
        /// Its storage class.
        class: String,
    },
    /// Something about the way to the store is wrong, and will stay so until
    /// somebody changes it: region, credentials, clock, the bucket's name.
    #[error("the store {store} {why}; {advice}")]
    Setup {
        /// Which store.
        store: String,
        /// What is wrong, after its name.
        why: String,
        /// What to do now.
        advice: String,
    },
    /// A hard limit of what may be spent; the request was not made.
    #[error("the store {store} {why}")]
    OverBudget {
        /// Which store.
        store: String,
        /// Which limit, and what it would take.
        why: String,
    },
    /// The store asks for fewer requests, and kept asking.
    #[error("the store {store} is busy: {what}; run again later, nothing is lost")]
    Busy {
        /// Which store.
        store: String,
        /// What was being done.
        what: String,
    },
    /// Anything else that the system reported.
    #[error("{what} in the store {store}: {source}")]
    Io {
        /// Which store.
        store: String,
        /// What was being done.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
}

impl StoreError {
    /// True if trying again later, with nothing changed, may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Corrupted { .. } | Self::Busy { .. } | Self::Io { .. })
    }
}
