//! Why nothing more was done to the account.

use std::path::PathBuf;

use crate::cloud::{CloudError, Thing};
use crate::desired::NameError;

/// Why nothing more was done to the account.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// AWS refused a call, or did not answer.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// A name that AWS would refuse.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The price table has no price.
    #[error(transparent)]
    Price(#[from] darkslide_price::PriceError),
    /// What is wanted cannot be.
    #[error("{what}; {advice}")]
    Impossible {
        /// What.
        what: String,
        /// What to write instead.
        advice: String,
    },
    /// The credentials are those of another account.
    #[error(
        "the credentials are of account {found}, and `account` of [cloud] says {wanted}; \
         name another `profile`, or correct `account`"
    )]
    OtherAccount {
        /// Of the configuration.
        wanted: String,
        /// Of the credentials.
        found: String,
    },
    /// Something of that name is there and belongs to somebody else.
    #[error("nothing was changed:\n{0}")]
    Blocked(String),
    /// The account accepts no vaults.
    #[error(
        "Amazon Glacier takes no new customers (since December 2025), and this account has no vault: {thing} cannot \
         be had here. Keep packs in a bucket, in the class DEEP_ARCHIVE or GLACIER: a [[store]] with a `url`"
    )]
    NoVaults {
        /// What was asked for.
        thing: String,
    },
    /// A key could not be handed over.
    #[error("the key {key} could not be written to {}: {source}; it was deleted again", path.display())]
    KeyNotWritten {
        /// Its id.
        key: String,
        /// Where it should have gone.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// A key's file could not be read or moved.
    #[error("{}: {source}", path.display())]
    KeyFile {
        /// Which.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The system's keyring does not do it.
    #[error("the keyring ({program}): {why}")]
    Keyring {
        /// The program that was asked.
        program: String,
        /// What came of it.
        why: String,
    },
    /// A setting is not what it was when the plan was made.
    #[error("{what} has changed since the plan was made; make the plan again and look at it")]
    Moved {
        /// Which.
        what: String,
    },
    /// A bucket or vault is not empty.
    #[error("{thing} holds {what}: it was not touched")]
    HoldsData {
        /// Which.
        thing: String,
        /// What.
        what: String,
    },
    /// There is something at the place for a key's file.
    #[error("{} exists and holds another key; move it away, or name another `keys` folder in [cloud]", path.display())]
    KeyFileTaken {
        /// Where.
        path: PathBuf,
    },
    /// The user has two keys, AWS's maximum.
    #[error("the user {user} has two keys, as many as AWS allows: {keys}; {advice}")]
    TwoKeys {
        /// Who.
        user: String,
        /// Which.
        keys: String,
        /// What to do.
        advice: String,
    },
    /// A rotation waits for its end.
    #[error(
        "{user} has a new key already, and the old one, {old}, works on: carry the new one to where it is used, then run \
         `darkslide cloud rotate {user} --finish`"
    )]
    RotationUnderWay {
        /// Whose.
        user: String,
        /// The old key.
        old: String,
    },
    /// There is no such identity.
    #[error("no {what} is configured; {advice}")]
    NotConfigured {
        /// What.
        what: String,
        /// What to do.
        advice: String,
    },
    /// The new key does not work.
    #[error("the new key {key} of {user} does not work yet ({why}); the old one stays. Run the command again later")]
    KeyUnproven {
        /// Whose.
        user: String,
        /// Which.
        key: String,
        /// What was tried.
        why: String,
    },
}

impl ProvisionError {
    /// Amazon Glacier's refusal of new customers gets words of its own.
    pub(crate) fn of(error: CloudError, thing: &Thing) -> Self {
        match error.code() {
            Some("NoLongerSupportedException") => Self::NoVaults { thing: thing.to_string() },
            _ => Self::Cloud(error),
        }
    }
}
