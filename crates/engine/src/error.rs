//! Errors with a kind and, where there is one, a hint what to do now.

use std::path::PathBuf;

use darkslide_words::ObjectName;

/// Whose fault it is: decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// What was asked for cannot be.
    User,
    /// The configuration.
    Config,
    /// Disk, network, permissions.
    Environment,
    /// Something is damaged or forged.
    Integrity,
    /// A brake.
    Refused,
    /// The user stopped it.
    Cancelled,
}

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// No configuration file.
    #[error("there is no configuration at {path}: `darkslide init` founds a repository, `darkslide open` joins one")]
    NoConfig {
        /// Where it should be.
        path: PathBuf,
    },
    /// Not a photograph's number on this machine.
    #[error("there is no photograph {id} on this machine: `darkslide photos` lists them")]
    NoPhotograph {
        /// The number.
        id: i64,
    },
    /// A date that is none.
    #[error("`{text}` is no date such as 2024, 2024-05 or 2024-05-31")]
    BadDate {
        /// As it was written.
        text: String,
    },
    /// No piece of the earth.
    #[error("`{text}` is no area: west, south, east and north in degrees, such as 16.2,48.1,16.5,48.3")]
    BadArea {
        /// As it was written.
        text: String,
    },
    /// Not what a page gave as its end.
    #[error("`{text}` is not what a page of photographs gave as `next`: ask for the first page again")]
    BadCursor {
        /// As it was given.
        text: String,
    },
    /// Previews are to be made, and not to be made.
    #[error("previews are switched off: [previews] make = false")]
    PreviewsOff,
    /// A configuration file exists.
    #[error("{path} exists and was not touched: choose another --config")]
    ConfigExists {
        /// Where.
        path: PathBuf,
    },
    /// Somebody else wrote it in the meantime.
    #[error("{path} was changed in the meantime, and was not touched: load it again")]
    ConfigChanged {
        /// Which file.
        path: PathBuf,
    },
    /// It cannot be understood.
    #[error("{path}: {message}")]
    BadConfig {
        /// Which file.
        path: PathBuf,
        /// What is wrong, with the line.
        message: String,
    },
    /// No such job.
    #[error("there is no job `{job}` in the configuration; there is: {known}")]
    NoJob {
        /// What was asked for.
        job: String,
        /// What there is.
        known: String,
    },
    /// A key that the configuration does not have.
    #[error("there is no key `{key}`: {hint}")]
    NoKey {
        /// What was asked for.
        key: String,
        /// What may have been meant.
        hint: String,
    },
    /// A file of ours.
    #[error("{what} {path}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file with secrets that others can read.
    #[error("{path} holds secrets and others can read it: `chmod 600 {path}`")]
    Exposed {
        /// Which file.
        path: PathBuf,
    },
    /// Whoever is asked before a run said no.
    #[error("{job} was kept from running: {why}")]
    Vetoed {
        /// Which job.
        job: String,
        /// Why.
        why: String,
    },
    /// This machine does not hold what a job needs.
    #[error("the job `{job}` needs the {role}'s part, and this machine does not hold it: {why}")]
    NotHere {
        /// Which job.
        job: String,
        /// Which role.
        role: &'static str,
        /// What is missing, and where it belongs.
        why: String,
    },
    /// A daemon is at work.
    #[error("a daemon is at work with this configuration: it runs what is due")]
    DaemonRuns,
    /// It comes with a later version.
    #[error("{what} is not available in this version of Darkslide")]
    NotAvailable {
        /// What.
        what: String,
    },
    /// Another run holds the lock.
    #[error("another run of Darkslide is going on with this configuration; try again when it is done")]
    Running,
    /// A configuration of that number exists with another content.
    #[error(
        "{object} exists in {store} with another content: somebody else changed the configuration at the same time, or the store was tampered with; nothing was changed, run `audit`"
    )]
    NotPublished {
        /// Which object.
        object: ObjectName,
        /// Where.
        store: String,
    },
    /// The store holds a repository already.
    #[error("{store} holds a repository already: `darkslide open` joins it")]
    Founded {
        /// Which store.
        store: String,
    },
    /// The store holds no repository.
    #[error("{store} holds no Darkslide repository: {detail}")]
    NotARepository {
        /// Which store.
        store: String,
        /// What is missing.
        detail: String,
    },
    /// Another repository or owner than the configuration knows.
    #[error(
        "{store} shows another {what} than the one this machine knows: it was exchanged, or the configuration points to the wrong place"
    )]
    Exchanged {
        /// Which store.
        store: String,
        /// `repository` or `owner`.
        what: &'static str,
    },
    /// An old configuration object is shown.
    #[error(
        "{store} shows configuration {shown}, this machine has seen {seen}: newer objects were removed, or an old copy was put in place"
    )]
    RolledBack {
        /// Which store.
        store: String,
        /// The highest that it shows.
        shown: u64,
        /// The highest that was seen.
        seen: u64,
    },
    /// None of the stores can be reached.
    #[error("no store can be reached: {detail}")]
    NoStore {
        /// Each one's reason.
        detail: String,
    },
    /// This needs the private key.
    #[error("{what} needs the identity: give `--identity FILE` (it should not lie on this machine; plug it in)")]
    NeedIdentity {
        /// What was asked for.
        what: &'static str,
    },
    /// The identity opens nothing here.
    #[error(
        "the identity opens none of the repository's keys: it is not a recipient (or keys/ is damaged; `recover.py` works without)"
    )]
    WrongIdentity,
    /// The repository belongs to somebody else.
    #[error(
        "this repository's owner is not the one of your identity. If it was founded for your public key alone (`init --recipient`), compare its owner key with the one that was shown then and confirm it: --owner {owner}"
    )]
    OtherOwner {
        /// The owner's public key.
        owner: String,
    },
    /// The owner's key is needed.
    #[error("this needs the owner's identity: the given one carries no owner key, and no keys object holds one for it")]
    NotOwner,
    /// No such snapshot.
    #[error("there is no snapshot `{wanted}`; `darkslide snapshots` lists them")]
    NoSnapshot {
        /// What was asked for.
        wanted: String,
    },
    /// Several fit.
    #[error("`{wanted}` fits several snapshots: give more of its name")]
    AmbiguousSnapshot {
        /// What was asked for.
        wanted: String,
    },
    /// The snapshot was not opened on this machine.
    #[error("{name} was made by another machine: `--identity FILE` opens it")]
    Sealed {
        /// Which snapshot.
        name: ObjectName,
    },
    /// The newest snapshot cannot be read.
    #[error("the newest snapshot {name} cannot be read: {detail}. The one before it is {older}: name it to use it")]
    NewestDamaged {
        /// Which one.
        name: ObjectName,
        /// What is wrong.
        detail: String,
        /// The one before.
        older: ObjectName,
    },
    /// Signed by somebody who is not trusted.
    #[error(
        "{name} was written by {writer}, who is {standing}: refused. If you know better, `--accept-writer {writer}`"
    )]
    Untrusted {
        /// Which snapshot.
        name: ObjectName,
        /// Whose.
        writer: String,
        /// `revoked` or `unknown`.
        standing: &'static str,
    },
    /// No such path.
    #[error("`{path}` is not in this snapshot")]
    NoPath {
        /// What was asked for.
        path: String,
    },
    /// No such recipient or writer.
    #[error("there is no {what} `{name}`")]
    NoSuch {
        /// `recipient` or `writer`.
        what: &'static str,
        /// What was asked for.
        name: String,
    },
    /// Removing it would leave nobody.
    #[error("`{name}` is the last recipient: without one nobody could open new photographs")]
    LastRecipient {
        /// Which.
        name: String,
    },
    /// An object is not what it should be.
    #[error("{object}: {source}")]
    Object {
        /// Which object.
        object: ObjectName,
        /// What is wrong.
        source: darkslide_format::FormatError,
    },
    /// A rule cannot be read.
    #[error(transparent)]
    Rule(#[from] darkslide_snapshot::RulesError),
    /// A pattern cannot be read.
    #[error("the pattern is not valid: {0}")]
    Pattern(#[from] globset::Error),
    /// The format refused.
    #[error(transparent)]
    Format(#[from] darkslide_format::FormatError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] darkslide_store::StoreError),
    /// A template cannot be used.
    #[error("{0}")]
    Template(String),
    /// A photograph could not be fetched to heal another.
    #[error("{path} could not be had from the repository: {why}")]
    NotHealed {
        /// Which.
        path: String,
        /// Why.
        why: String,
    },
    /// An ingest, or the check of a card, failed.
    #[error(transparent)]
    Ingest(#[from] darkslide_ingest::IngestError),
    /// A mirror failed, or was stopped.
    #[error(transparent)]
    Mirror(darkslide_mirror::MirrorError),
    /// Not even one photograph can be had for the limit.
    #[error("the cheapest sample costs {least}, and the limit is {limit}: raise --max-cost")]
    DrillTooDear {
        /// The limit.
        limit: darkslide_words::Money,
        /// What one photograph costs.
        least: darkslide_words::Money,
    },
    /// A thaw could not go on.
    #[error(transparent)]
    Thaw(#[from] darkslide_thaw::ThawError),
    /// There is no way to thaw it.
    #[error(transparent)]
    Plan(#[from] darkslide_thaw::PlanError),
    /// Something has no price.
    #[error(transparent)]
    Price(#[from] darkslide_price::PriceError),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] darkslide_catalog::CatalogError),
    /// The backup failed.
    #[error(transparent)]
    Snapshot(#[from] darkslide_snapshot::SnapshotError),
    /// The restore failed.
    #[error(transparent)]
    Restore(#[from] darkslide_restore::RestoreError),
    /// A chunk cannot be had.
    #[error(transparent)]
    Chunk(#[from] darkslide_restore::ChunkError),
    /// The account could not be set up, or looked at.
    #[error(transparent)]
    Provision(#[from] darkslide_provision::ProvisionError),
    /// The check failed.
    #[error(transparent)]
    Audit(#[from] darkslide_audit::AuditError),
}

impl EngineError {
    /// True if the same may work later with nothing changed.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Running | Self::NoStore { .. } => true,
            Self::Store(error) | Self::Thaw(darkslide_thaw::ThawError::Store(error)) => error.is_transient(),
            _ => false,
        }
    }

    /// Whose fault it is.
    pub fn kind(&self) -> ErrorKind {
        use darkslide_audit::AuditError;
        use darkslide_restore::RestoreError;
        use darkslide_snapshot::SnapshotError;
        use darkslide_store::StoreError;
        match self {
            Self::NoConfig { .. }
            | Self::BadConfig { .. }
            | Self::NoJob { .. }
            | Self::NotHere { .. }
            | Self::NotAvailable { .. }
            | Self::Rule(_) => ErrorKind::Config,
            Self::ConfigExists { .. }
            | Self::ConfigChanged { .. }
            | Self::NoKey { .. }
            | Self::Founded { .. }
            | Self::NeedIdentity { .. }
            | Self::WrongIdentity
            | Self::NotOwner
            | Self::OtherOwner { .. }
            | Self::NoSnapshot { .. }
            | Self::Thaw(
                darkslide_thaw::ThawError::NoSuchThaw { .. }
                | darkslide_thaw::ThawError::Ended { .. }
                | darkslide_thaw::ThawError::NotFaster { .. }
                | darkslide_thaw::ThawError::Plan(darkslide_thaw::PlanError::TierNotOffered { .. }),
            )
            | Self::AmbiguousSnapshot { .. }
            | Self::Sealed { .. }
            | Self::NoPath { .. }
            | Self::NoPhotograph { .. }
            | Self::BadDate { .. }
            | Self::BadArea { .. }
            | Self::BadCursor { .. }
            | Self::PreviewsOff
            | Self::Template(_)
            | Self::Ingest(
                darkslide_ingest::IngestError::Overlap { .. } | darkslide_ingest::IngestError::NoManifest { .. },
            )
            | Self::NoSuch { .. }
            | Self::LastRecipient { .. }
            | Self::Running
            | Self::DaemonRuns
            | Self::Pattern(_)
            | Self::Format(darkslide_format::FormatError::BadRecipient { .. })
            | Self::Chunk(darkslide_restore::ChunkError::NotCached { .. })
            | Self::Restore(RestoreError::NotInSnapshot { .. }) => ErrorKind::User,
            Self::Provision(error) => provision_kind(error),
            Self::Exchanged { .. }
            | Self::RolledBack { .. }
            | Self::Untrusted { .. }
            | Self::Object { .. }
            | Self::Format(_) => ErrorKind::Integrity,
            Self::Snapshot(SnapshotError::LibraryEmpty { .. })
            | Self::DrillTooDear { .. }
            | Self::Vetoed { .. }
            | Self::Mirror(darkslide_mirror::MirrorError::Braked { .. })
            | Self::Thaw(darkslide_thaw::ThawError::OverBudget(_) | darkslide_thaw::ThawError::UpgradeDearer { .. })
            | Self::Store(StoreError::OverBudget { .. })
            | Self::Audit(AuditError::Store(StoreError::OverBudget { .. }))
            | Self::Snapshot(SnapshotError::Store(StoreError::OverBudget { .. }))
            | Self::Snapshot(SnapshotError::NoStore(StoreError::OverBudget { .. })) => ErrorKind::Refused,
            Self::Snapshot(SnapshotError::Cancelled)
            | Self::Restore(RestoreError::Cancelled)
            | Self::Ingest(darkslide_ingest::IngestError::Cancelled)
            | Self::Mirror(darkslide_mirror::MirrorError::Cancelled)
            | Self::Audit(AuditError::Cancelled) => ErrorKind::Cancelled,
            _ => ErrorKind::Environment,
        }
    }
}

fn provision_kind(error: &darkslide_provision::ProvisionError) -> ErrorKind {
    use darkslide_provision::ProvisionError as Error;
    match error {
        Error::Name(_)
        | Error::Price(_)
        | Error::Impossible { .. }
        | Error::OtherAccount { .. }
        | Error::NoVaults { .. } => ErrorKind::Config,
        Error::Blocked(_) | Error::HoldsData { .. } | Error::Moved { .. } => ErrorKind::Refused,
        Error::NotConfigured { .. } => ErrorKind::User,
        _ => ErrorKind::Environment,
    }
}
