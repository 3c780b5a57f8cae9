//! `open`: a machine joins a repository, new or after losing its catalog.

use std::path::PathBuf;
use std::sync::Arc;

use darkslide_catalog::Catalog;
use darkslide_format::canon;
use darkslide_format::identity::IdentityFile;
use darkslide_format::keys::KeyPair;
use darkslide_format::names::{self, Kind};
use darkslide_format::signed::SecretKey;
use darkslide_format::trust::{WriterDoc, writer_document};
use darkslide_snapshot::WriterSecrets;
use darkslide_words::{Clock, Count, RepositoryId, Rng};

use crate::founding::{absolute, make_private, put_all, state_of};
use crate::secrets::{self, WriterFile};
use crate::settings::RepositorySettings;
use crate::{
    BackupSettings, BudgetSettings, Engine, EngineError, NetworkSettings, Settings, StoreOpener, StoreSettings,
    index_sync, repository,
};

/// With what a machine joins.
#[allow(clippy::large_enum_variant)] // one of a kind, short-lived
pub enum JoinWith {
    /// An identity: everything comes back; the machine is enrolled if the
    /// identity carries the owner key.
    Identity(IdentityFile),
    /// A writer's secrets: enough to back up further.
    Writer(PathBuf),
}

/// What joining needs.
pub struct OpenOptions {
    /// The configuration file to write.
    pub config: PathBuf,
    /// Where the copies lie.
    pub stores: Vec<StoreSettings>,
    /// With what.
    pub with: JoinWith,
    /// The library of this machine, if it has one.
    pub library: Option<PathBuf>,
    /// Name of this machine as a writer.
    pub writer: String,
    /// The owner's public key, confirmed by the user, where it is not the one
    /// beside the identity.
    pub owner: Option<String>,
}

/// What joining found.
#[derive(Debug)]
pub struct Joined {
    /// The repository.
    pub repository: RepositoryId,
    /// Packs in the rebuilt catalog.
    pub packs: Count,
    /// Snapshots in the repository.
    pub snapshots: Count,
    /// True if this machine may back up.
    pub enrolled: bool,
    /// Objects that were refused, and why.
    pub refused: Vec<String>,
}

impl Engine {
    /// Joins a repository: rebuilds the catalog and writes the configuration.
    pub fn open(
        options: OpenOptions,
        opener: Arc<dyn StoreOpener>,
        clock: Arc<dyn Clock>,
        rng: &mut dyn Rng,
    ) -> Result<(Self, Joined), EngineError> {
        if options.config.exists() {
            return Err(EngineError::ConfigExists { path: options.config });
        }
        let mut stores = Vec::new();
        for settings in &options.stores {
            stores.push(opener.open(&settings.clone().recorded(&state_of(&options.config)))?);
        }
        let first = stores.first().ok_or_else(|| EngineError::NoStore { detail: "none is named".into() })?;
        let (mut trust, mut refused) = repository::load_trust(&**first, None)?;
        for store in &stores[1..] {
            let (merged, more) = repository::load_trust(&**store, Some(trust))?;
            trust = merged;
            refused.extend(more);
        }
        let settings = settings_for(&options, &trust)?;
        let state = settings.state_dir();
        make_private(&state)?;
        let reached = repository::Reached { stores: stores.clone(), missing: Vec::new() };
        let repo = repository::Repository { reached, trust, refused };
        let (writer, index, identities) = match &options.with {
            JoinWith::Identity(identity) => {
                recognise(identity, &repo, options.owner.as_deref())?;
                let (opened, keys) = repo.opened(identity)?;
                let writer = enroll_self(&repo, identity, &keys, &options, &*clock, rng)?;
                (writer, keys.index.clone(), Some(opened.identities))
            }
            JoinWith::Writer(path) => {
                let file = WriterFile::load(path)?;
                if file.repository != repo.trust.repository() {
                    return Err(EngineError::Exchanged { store: repo.store().label(), what: "repository" });
                }
                let index = file.secrets.index.clone();
                (Some(file), index, None)
            }
        };
        let enrolled = writer.is_some();
        let target = secrets::path(&state);
        if let Some(file) = writer.filter(|_| !target.exists()) {
            file.save_new(&target)?;
        }
        let (packs, refused) = rebuild(&state, &repo, &index, identities.as_ref())?;
        settings.save_new()?;
        let snapshots = darkslide_store::list_all(repo.store(), Kind::Snapshots.prefix())?.len() as u64;
        let joined =
            Joined { repository: repo.trust.repository(), packs, snapshots: Count(snapshots), enrolled, refused };
        Ok((Self::new(settings, opener, clock), joined))
    }
}

/// An owner recognises the own repository. One of another owner, though sealed to
/// this identity, may be a trap; it is joined only if its owner is named.
fn recognise(
    identity: &IdentityFile,
    repo: &repository::Repository,
    confirmed: Option<&str>,
) -> Result<(), EngineError> {
    let shown = repo.trust.header().owner_key()?;
    let text = canon::encode(shown.as_bytes());
    let good = match (confirmed, identity.owner()) {
        (Some(confirmed), _) => confirmed == text,
        (None, Some(own)) => own.public() == shown,
        // A recipient's file names no owner: the first contact decides.
        (None, None) => true,
    };
    match good {
        true => Ok(()),
        false => Err(EngineError::OtherOwner { owner: text }),
    }
}

fn settings_for(options: &OpenOptions, trust: &darkslide_format::trust::Trust) -> Result<Settings, EngineError> {
    let name = options.config.file_stem().map_or_else(|| "darkslide".into(), |s| s.to_string_lossy().to_string());
    let job = |library: &PathBuf| BackupSettings {
        name: "photos".into(),
        library: absolute(library),
        ..BackupSettings::default()
    };
    Ok(Settings {
        path: absolute(&options.config),
        repository: RepositorySettings {
            id: trust.repository().to_string(),
            owner: canon::encode(trust.header().owner_key()?.as_bytes()),
        },
        state: PathBuf::from(format!("{name}-state")),
        stores: options.stores.iter().map(|s| s.absolute(absolute)).collect(),
        backups: options.library.iter().map(job).collect(),
        previews: Default::default(),
        serve: None,
        prune: Default::default(),
        budget: BudgetSettings::default(),
        network: NetworkSettings::default(),
        cloud: Default::default(),
        ingest: Default::default(),
        copies: crate::CopiesSettings::default(),
        safe: Default::default(),
        mirrors: Vec::new(),
        jobs: Vec::new(),
        daemon: Default::default(),
        logs: Default::default(),
        notify: Vec::new(),
        hooks: Vec::new(),
    })
}

/// A machine whose user holds the owner key enrolls itself.
fn enroll_self(
    repo: &repository::Repository,
    identity: &IdentityFile,
    keys: &darkslide_format::keys::RepositoryKeys,
    options: &OpenOptions,
    clock: &dyn Clock,
    rng: &mut dyn Rng,
) -> Result<Option<WriterFile>, EngineError> {
    let owner = match repo.owner(identity) {
        Ok(owner) => owner,
        Err(EngineError::NotOwner) => return Ok(None),
        Err(error) => return Err(error),
    };
    enroll(repo, &owner, keys.id_key.clone(), keys.index.clone(), &options.writer, clock, rng).map(Some)
}

/// Makes a new writer, signs and stores its enrolment.
pub(crate) fn enroll(
    repo: &repository::Repository,
    owner: &SecretKey,
    id_key: darkslide_format::IdKey,
    index: KeyPair,
    name: &str,
    clock: &dyn Clock,
    rng: &mut dyn Rng,
) -> Result<WriterFile, EngineError> {
    let mut seed = zeroize::Zeroizing::new([0u8; 32]);
    rng.fill(&mut *seed);
    let signing = SecretKey::from_seed(&seed);
    let doc = WriterDoc::enroll(repo.trust.repository(), &signing.public(), name, clock.now());
    let (id, bytes) = writer_document(&doc, owner)?;
    put_all(&repo.reached.stores, &names::object(Kind::Writers, id), &bytes)?;
    Ok(WriterFile {
        name: name.to_string(),
        repository: repo.trust.repository(),
        secrets: WriterSecrets { signing, id_key, index },
    })
}

/// A new catalog from the repository. It appears under its name only when it is
/// whole.
fn rebuild(
    state: &std::path::Path,
    repo: &repository::Repository,
    index: &KeyPair,
    identities: Option<&darkslide_format::identity::Identities>,
) -> Result<(Count, Vec<String>), EngineError> {
    let path = state.join("catalog.sqlite");
    if path.exists() {
        return Err(darkslide_catalog::CatalogError::Exists { path }.into());
    }
    let building = state.join("catalog.building");
    let io = |source| EngineError::Io { what: "rebuilding the catalog", path: building.clone(), source };
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(state.join(format!("catalog.building{suffix}")));
    }
    let catalog = Catalog::create(&building)?;
    let number = repo.trust.config().map_or(0, |c| c.number.0);
    catalog.set_meta("config_number", &number.to_le_bytes())?;
    let mut refused: Vec<_> = repo.refused.iter().map(|(n, e)| format!("{n}: {e}")).collect();
    let segments = index_sync::segments(&catalog, repo.store(), &repo.trust, index)?;
    let snapshots = index_sync::snapshots(&catalog, repo.store(), &repo.trust, identities)?;
    refused.extend(segments.iter().chain(&snapshots).map(|(n, e)| format!("{n}: {e}")));
    let mut packs = Count(0);
    catalog.for_each_pack::<EngineError>(|_, _, _, _| {
        packs += Count(1);
        Ok(())
    })?;
    catalog.close()?;
    std::fs::rename(&building, &path).map_err(io)?;
    Ok((packs, refused))
}
