//! `init`: founding a repository.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use darkslide_catalog::Catalog;
use darkslide_format::chunking::Chunking;
use darkslide_format::config::{Config, Header, NamedRecipient, PackSizes};
use darkslide_format::identity::IdentityFile;
use darkslide_format::keys::{self, RepositoryKeys};
use darkslide_format::names::{self, Kind};
use darkslide_format::signed::{self, DocType, SecretKey};
use darkslide_format::stream::crc64;
use darkslide_format::trust::{WriterDoc, writer_document};
use darkslide_format::{FORMAT, canon, object_id, recover, seal};
use darkslide_snapshot::WriterSecrets;
use darkslide_store::{PutFacts, PutOutcome, Store, StoreError};
use darkslide_words::{Clock, Count, ObjectName, RepositoryId, Rng, Temperature};

use crate::secrets::{self, WriterFile};
use crate::settings::RepositorySettings;
use crate::{
    BackupSettings, BudgetSettings, CloudSettings, Engine, EngineError, NetworkSettings, Settings, StoreOpener,
    StoreSettings,
};

/// Who founds.
#[allow(clippy::large_enum_variant)] // one of a kind, short-lived
pub enum Founder {
    /// Somebody whose identity is at hand.
    Identity(IdentityFile),
    /// Recipients whose private keys are elsewhere: name and `age1…`.
    Recipients(Vec<(String, String)>),
}

/// What a founding needs.
pub struct InitOptions {
    /// The configuration file to write.
    pub config: PathBuf,
    /// The library.
    pub library: PathBuf,
    /// Where the copies go.
    pub stores: Vec<StoreSettings>,
    /// Who founds.
    pub founder: Founder,
    /// Name of this machine as a writer.
    pub writer: String,
    /// Sizes of packs.
    pub pack: PackSizes,
    /// What shall be in the AWS account.
    pub cloud: CloudSettings,
}

/// What was founded.
#[derive(Debug)]
pub struct Founded {
    /// The repository.
    pub repository: RepositoryId,
    /// The configuration file.
    pub config: PathBuf,
    /// Whom photographs are sealed to.
    pub recipients: Vec<String>,
    /// The owner's public key: the trust root.
    pub owner: String,
}

/// Puts a small object into every store. A name that is taken must have the very
/// same content: these objects are what everything else relies on.
pub(crate) fn put_all(stores: &[Arc<dyn Store>], name: &ObjectName, bytes: &[u8]) -> Result<(), EngineError> {
    for store in stores {
        let put = store.put(name, bytes, &PutFacts { crc64: crc64(bytes), temperature: Temperature::Hot });
        let taken = || EngineError::NotPublished { object: name.clone(), store: store.label() };
        match put {
            Ok(PutOutcome::Created) => {}
            Ok(PutOutcome::AlreadyThere) if store.read(name, None)?.bytes(name)? == bytes => {}
            Ok(PutOutcome::AlreadyThere) | Err(StoreError::Different { .. }) => return Err(taken()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

impl Engine {
    /// Founds a repository and writes this machine's configuration.
    pub fn init(
        options: InitOptions,
        opener: Arc<dyn StoreOpener>,
        clock: Arc<dyn Clock>,
        rng: &mut dyn Rng,
    ) -> Result<(Self, Founded), EngineError> {
        if options.config.exists() {
            return Err(EngineError::ConfigExists { path: options.config });
        }
        let mut seed = || {
            let mut bytes = zeroize::Zeroizing::new([0u8; 32]);
            rng.fill(&mut *bytes);
            bytes
        };
        let (recipients, given_owner) = match &options.founder {
            Founder::Identity(file) => {
                let named = |recipient| NamedRecipient { name: "owner".into(), recipient };
                (file.recipients().into_iter().map(named).collect::<Vec<_>>(), file.owner().cloned())
            }
            Founder::Recipients(list) => {
                let parse = |(name, text): &(String, String)| {
                    let recipient = seal::parse_recipient(text)?.to_string();
                    Ok::<_, EngineError>(NamedRecipient { name: name.clone(), recipient })
                };
                (list.iter().map(parse).collect::<Result<Vec<_>, _>>()?, None)
            }
        };
        // A founder without an owner key gets one, sealed to the founding recipients.
        let made_owner = given_owner.is_none().then(|| SecretKey::from_seed(&seed()));
        let owner = given_owner.or_else(|| made_owner.clone()).ok_or(EngineError::NotOwner)?;
        let keys = RepositoryKeys::generate(*seed());
        let signing = SecretKey::from_seed(&seed());
        let mut id = [0; 16];
        rng.fill(&mut id);
        let repository = RepositoryId::new(id);
        let config = first_config(repository, recipients, &keys, options.pack, &*clock);
        let parts = Parts {
            repository,
            owner: &owner,
            made_owner,
            keys: &keys,
            config,
            signing: &signing,
            writer: &options.writer,
        };

        let mut stores = Vec::new();
        for settings in &options.stores {
            let store = opener.create(&settings.clone().recorded(&state_of(&options.config)))?;
            if store.read(&names::header(), None)? != darkslide_store::ReadOutcome::Missing {
                return Err(EngineError::Founded { store: store.label() });
            }
            stores.push(store);
        }
        let recipients = parts.config.recipients.iter().map(|r| r.recipient.clone()).collect();
        let writer = WriterSecrets { signing: signing.clone(), id_key: keys.id_key.clone(), index: keys.index.clone() };
        let settings = settings_for(&options, repository, &owner);
        // Local first: without its secrets this machine could not use what it founds.
        prepare_state(&settings, &WriterFile { name: options.writer.clone(), repository, secrets: writer })?;
        parts.store(&stores, &*clock)?;
        settings.save_new()?;
        let owner = canon::encode(owner.public().as_bytes());
        let founded = Founded { repository, config: settings.path.clone(), recipients, owner };
        Ok((Self::new(settings, opener, clock), founded))
    }
}

fn first_config(
    repository: RepositoryId,
    recipients: Vec<NamedRecipient>,
    keys: &RepositoryKeys,
    pack: PackSizes,
    clock: &dyn Clock,
) -> Config {
    Config {
        chunking: Chunking::default(),
        created: clock.now(),
        epoch: Count(1),
        epochs: keys.epoch_recipients(),
        features: Vec::new(),
        format: FORMAT,
        id_key_check: keys.id_key.check(),
        index_recipient: keys.index.recipient(),
        number: Count(1),
        pack,
        previous: None,
        recipients,
        repository,
    }
}

/// The objects of a founding.
struct Parts<'a> {
    repository: RepositoryId,
    owner: &'a SecretKey,
    made_owner: Option<SecretKey>,
    keys: &'a RepositoryKeys,
    config: Config,
    signing: &'a SecretKey,
    writer: &'a str,
}

impl Parts<'_> {
    /// Puts them. The header comes first: it claims the place.
    fn store(&self, stores: &[Arc<dyn Store>], clock: &dyn Clock) -> Result<(), EngineError> {
        let header = canon::to_bytes(&Header::new(self.repository, &self.owner.public(), clock.now()))?;
        put_all(stores, &names::header(), &header)?;
        let to = self.config.key_recipients()?;
        let mut sealed = vec![self.keys.seal(self.repository, &to)?];
        if let Some(owner) = &self.made_owner {
            sealed.push(keys::seal_owner(owner, self.repository, &to)?);
        }
        for bytes in &sealed {
            put_all(stores, &names::object(Kind::Keys, object_id(bytes)), bytes)?;
        }
        let enrolment = WriterDoc::enroll(self.repository, &self.signing.public(), self.writer, clock.now());
        let (id, bytes) = writer_document(&enrolment, self.owner)?;
        put_all(stores, &names::object(Kind::Writers, id), &bytes)?;
        let [text, script] = names::recover_files();
        put_all(stores, &text, recover::recover_txt(self.repository).as_bytes())?;
        put_all(stores, &script, recover::RECOVER_PY.as_bytes())?;
        let config = signed::sign(DocType::Config, &self.config, self.owner)?;
        put_all(stores, &names::config(1), &config)
    }
}

fn settings_for(options: &InitOptions, repository: RepositoryId, owner: &SecretKey) -> Settings {
    let name = options.config.file_stem().map_or_else(|| "darkslide".into(), |s| s.to_string_lossy().to_string());
    Settings {
        path: std::path::absolute(&options.config).unwrap_or_else(|_| options.config.clone()),
        repository: RepositorySettings { id: repository.to_string(), owner: canon::encode(owner.public().as_bytes()) },
        state: PathBuf::from(format!("{name}-state")),
        stores: options.stores.iter().map(|s| s.absolute(absolute)).collect(),
        backups: vec![BackupSettings {
            name: "photos".into(),
            library: absolute(&options.library),
            ..BackupSettings::default()
        }],
        previews: Default::default(),
        serve: None,
        prune: Default::default(),
        budget: BudgetSettings::default(),
        network: NetworkSettings::default(),
        cloud: options.cloud.clone(),
        ingest: Default::default(),
        copies: crate::CopiesSettings::default(),
        safe: Default::default(),
        mirrors: Vec::new(),
        jobs: Vec::new(),
        daemon: Default::default(),
        logs: Default::default(),
        notify: Vec::new(),
        hooks: Vec::new(),
    }
}

/// Where the state of a new configuration lies.
pub(crate) fn state_of(config: &std::path::Path) -> PathBuf {
    let name = config.file_stem().map_or_else(|| "darkslide".into(), |s| s.to_string_lossy().to_string());
    absolute(config).with_file_name(format!("{name}-state"))
}

pub(crate) fn absolute(path: &std::path::Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

/// Makes the state folder with catalog and secrets.
pub(crate) fn prepare_state(settings: &Settings, writer: &WriterFile) -> Result<(), EngineError> {
    let state = settings.state_dir();
    make_private(&state)?;
    writer.save_new(&secrets::path(&state))?;
    let catalog = Catalog::create(&state.join("catalog.sqlite"))?;
    catalog.set_meta("config_number", &1u64.to_le_bytes())?;
    Ok(())
}

/// A folder that only this user can enter.
pub(crate) fn make_private(path: &std::path::Path) -> Result<(), EngineError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let io = |source| EngineError::Io { what: "making", path: path.to_path_buf(), source };
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(io)?;
    }
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
            fs::set_permissions(path, private).map_err(io)
        }
        other => other.map_err(io),
    }
}
