//! What can be wrong with bytes that claim to be ours.

/// Why an object, or a part of one, was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// Written by a later Darkslide.
    #[error("it is of format version {found}, this Darkslide reads version 1: use a newer one")]
    NewerFormat {
        /// The version it says.
        found: u64,
    },
    /// Needs a feature that this version does not have.
    #[error("it needs the feature `{feature}`, which this Darkslide does not know: use a newer one")]
    UnknownFeature {
        /// The feature's name.
        feature: String,
    },
    /// Belongs to another repository.
    #[error("it belongs to another repository ({found})")]
    OtherRepository {
        /// The repository it names.
        found: String,
    },
    /// Over one of the format's limits.
    #[error("{what} is {found}, the limit is {limit}")]
    OverLimit {
        /// What is too large.
        what: &'static str,
        /// Its size.
        found: u64,
        /// The format's limit.
        limit: u64,
    },
    /// Does not have the form it should have.
    #[error("{what} is malformed: {detail}")]
    Malformed {
        /// What.
        what: &'static str,
        /// How.
        detail: String,
    },
    /// The signature does not match.
    #[error("the signature of the {what} does not match its content: it was damaged or forged")]
    BadSignature {
        /// Type of the document.
        what: &'static str,
    },
    /// Signed by somebody without the right to.
    #[error("the {what} is signed by {signer}, who is not {wanted}")]
    NotTrusted {
        /// Type of the document.
        what: &'static str,
        /// The signer's key, shortened, or name.
        signer: String,
        /// Who would have been.
        wanted: &'static str,
    },
    /// None of the identities opens it.
    #[error("none of the given identities opens it: it was sealed to other recipients")]
    NotARecipient,
    /// The passphrase of an encrypted identity file is wrong.
    #[error("the passphrase does not open the identity file")]
    WrongPassphrase,
    /// The age header is broken.
    #[error("its age header is damaged: {0}")]
    BadHeader(String),
    /// A sealed segment fails its authentication.
    #[error("its sealed bytes fail authentication at segment {segment}: damaged or truncated")]
    Tampered {
        /// Number of the 64 KiB segment.
        segment: u64,
    },
    /// The stored bytes are not those that the name stands for.
    #[error("its bytes do not have the BLAKE3 that its name says: damaged or exchanged")]
    WrongObject,
    /// A chunk's bytes are not those that its id stands for.
    #[error("chunk {id} does not decode to what its id says")]
    WrongChunk {
        /// The chunk.
        id: darkslide_words::ChunkId,
    },
    /// A recipient that is no age recipient.
    #[error("`{text}` is not an age recipient (age1…): {detail}")]
    BadRecipient {
        /// What was given.
        text: String,
        /// Why not.
        detail: String,
    },
    /// A text that is no identity.
    #[error("the identity file is not usable: {0}")]
    BadIdentity(String),
    /// The keys in `keys/` contradict the signed configuration.
    #[error("the {what} in the keys object is not the one that the owner signed for")]
    WrongKeys {
        /// Which key.
        what: &'static str,
    },
    /// Something needed for sealing or compressing failed.
    #[error("{what} failed: {detail}")]
    Failed {
        /// What.
        what: &'static str,
        /// How.
        detail: String,
    },
}

impl FormatError {
    pub(crate) fn malformed(what: &'static str, detail: impl std::fmt::Display) -> Self {
        Self::Malformed { what, detail: detail.to_string() }
    }

    pub(crate) fn limit(what: &'static str, found: u64, limit: u64) -> Result<(), Self> {
        match found <= limit {
            true => Ok(()),
            false => Err(Self::OverLimit { what, found, limit }),
        }
    }
}
