//! Opening a repository: reachable stores, verified documents, keys.

use std::sync::Arc;

use darkslide_catalog::Catalog;
use darkslide_format::config::Header;
use darkslide_format::identity::{Identities, IdentityFile};
use darkslide_format::keys::{self, RepositoryKeys};
use darkslide_format::names::{self, Kind};
use darkslide_format::signed::SecretKey;
use darkslide_format::trust::Trust;
use darkslide_format::{FormatError, canon, object_id};
use darkslide_restore::Opened;
use darkslide_store::{Store, list_all};
use darkslide_words::ObjectName;

use crate::{Engine, EngineError};

/// The stores that can be reached, and why others cannot.
pub struct Reached {
    /// Those that can.
    pub stores: Vec<Arc<dyn Store>>,
    /// Those that cannot: name and reason.
    pub missing: Vec<(String, String)>,
}

/// A repository with its verified documents.
pub struct Repository {
    /// The stores.
    pub reached: Reached,
    /// Who may sign.
    pub trust: Trust,
    /// Objects that were refused while opening, and why.
    pub refused: Vec<(ObjectName, FormatError)>,
}

impl Repository {
    /// The store to ask.
    pub fn store(&self) -> &dyn Store {
        &*self.reached.stores[0]
    }

    /// Opens the keys object with an identity: everything that it can open.
    pub fn keys(&self, identity: &IdentityFile) -> Result<RepositoryKeys, EngineError> {
        let opened = self.open_keys(identity)?;
        let keys = opened.into_iter().find_map(|o| match o {
            keys::Opened::Keys(keys) => Some(*keys),
            keys::Opened::Owner(_) => None,
        });
        keys.ok_or(EngineError::WrongIdentity)
    }

    /// The owner's key: beside the identity, or sealed to it.
    pub fn owner(&self, identity: &IdentityFile) -> Result<SecretKey, EngineError> {
        let wanted = self.trust.header().owner_key()?;
        if let Some(key) = identity.owner().filter(|k| k.public() == wanted) {
            return Ok(key.clone());
        }
        let found = self.open_keys(identity)?.into_iter().find_map(|o| match o {
            keys::Opened::Owner(key) => Some(key),
            keys::Opened::Keys(_) => None,
        });
        found.ok_or(EngineError::NotOwner)
    }

    fn open_keys(&self, identity: &IdentityFile) -> Result<Vec<keys::Opened>, EngineError> {
        let config = self.trust.config().ok_or_else(|| no_config(self.store()))?;
        let identities = identity.identities();
        let mut opened = Vec::new();
        for listed in list_all(self.store(), Kind::Keys.prefix())? {
            let Some(id) = names::parse(&listed.name).and_then(|p| p.id) else { continue };
            let bytes = self.store().read(&listed.name, None)?.bytes(&listed.name)?;
            if object_id(&bytes) != id {
                continue;
            }
            // Damaged or outdated ones do not matter while another one is good.
            opened.extend(keys::open(&bytes, &identities.all(), self.trust.header(), config));
        }
        Ok(opened)
    }

    /// What opens packs and names chunks.
    pub fn opened(&self, identity: &IdentityFile) -> Result<(Opened, RepositoryKeys), EngineError> {
        let keys = self.keys(identity)?;
        let mut identities: Identities = identity.identities();
        keys.epochs.iter().for_each(|(_, pair)| identities.add(pair));
        Ok((Opened { identities, id_key: keys.id_key.clone() }, keys))
    }
}

pub(crate) fn no_config(store: &dyn Store) -> EngineError {
    EngineError::NotARepository {
        store: store.label(),
        detail:
            "it has no valid configuration. If a founding was cut off, nothing was stored yet: remove it and init again"
                .into(),
    }
}

/// Reads and verifies header, configs and writers.
pub fn load_trust(store: &dyn Store) -> Result<(Trust, Vec<(ObjectName, FormatError)>), EngineError> {
    let name = names::header();
    let none = |detail: &str| EngineError::NotARepository { store: store.label(), detail: detail.into() };
    let bytes = match store.read(&name, None)? {
        darkslide_store::ReadOutcome::Missing => return Err(none("there is no darkslide.json")),
        found => found.bytes(&name)?,
    };
    let header = Header::parse(&bytes).map_err(|source| EngineError::Object { object: name, source })?;
    let mut trust = Trust::new(header)?;
    let mut refused = Vec::new();
    for kind in [Kind::Config, Kind::Writers] {
        for listed in list_all(store, kind.prefix())? {
            let Some(parsed) = names::parse(&listed.name) else { continue };
            let bytes = store.read(&listed.name, None)?.bytes(&listed.name)?;
            let added = match (parsed.number, parsed.id) {
                (Some(number), _) => trust.add_config(number, &bytes),
                (_, Some(id)) => trust.add_writer(id, &bytes),
                _ => Ok(()),
            };
            match added {
                Ok(()) => {}
                // Ours cannot read what a newer one wrote; going on would be a guess.
                Err(source @ (FormatError::NewerFormat { .. } | FormatError::UnknownFeature { .. })) => {
                    return Err(EngineError::Object { object: listed.name, source });
                }
                Err(error) => refused.push((listed.name, error)),
            }
        }
    }
    match trust.config() {
        Some(_) => Ok((trust, refused)),
        None => match refused.pop() {
            Some((object, source)) => Err(EngineError::Object { object, source }),
            None => Err(no_config(store)),
        },
    }
}

impl Engine {
    /// Opens the configured stores.
    pub(crate) fn reach(&self) -> Result<Reached, EngineError> {
        let (mut stores, mut missing) = (Vec::new(), Vec::new());
        for settings in &self.settings.stores {
            let path = self.settings.resolve(&settings.path);
            let resolved = crate::StoreSettings { path: path.clone() };
            match self.opener.open(&resolved) {
                Ok(store) => stores.push(store),
                Err(error) => missing.push((path.display().to_string(), error.to_string())),
            }
        }
        match stores.is_empty() {
            false => Ok(Reached { stores, missing }),
            true => {
                let detail: Vec<String> = missing.into_iter().map(|(_, reason)| reason).collect();
                Err(EngineError::NoStore { detail: detail.join("; ") })
            }
        }
    }

    /// Opens the repository and holds it against what this machine knows.
    pub(crate) fn repository(&self) -> Result<Repository, EngineError> {
        let mut reached = self.reach()?;
        let mut loaded = None;
        let mut problem = None;
        // A store that is empty or foreign does not hide a good one.
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for store in std::mem::take(&mut reached.stores) {
            match load_trust(&*store).and_then(|(trust, refused)| {
                self.pinned(&*store, &trust)?;
                Ok((trust, refused))
            }) {
                Ok(trust) => {
                    loaded.get_or_insert(trust);
                    good.push(store);
                }
                Err(EngineError::NotARepository { .. }) if loaded.is_some() => good.push(store),
                Err(error) => {
                    bad.push((store.label(), error.to_string()));
                    problem.get_or_insert(error);
                }
            }
        }
        reached.stores = good;
        reached.missing.extend(bad);
        match (loaded, problem) {
            (Some((trust, refused)), _) => Ok(Repository { reached, trust, refused }),
            (None, Some(problem)) => Err(problem),
            (None, None) => Err(EngineError::NoStore { detail: "none is configured".into() }),
        }
    }

    fn pinned(&self, store: &dyn Store, trust: &Trust) -> Result<(), EngineError> {
        let exchanged = |what| Err(EngineError::Exchanged { store: store.label(), what });
        let pins = &self.settings.repository;
        if trust.repository().to_string() != pins.id {
            return exchanged("repository");
        }
        if canon::encode(trust.header().owner_key()?.as_bytes()) != pins.owner {
            return exchanged("owner");
        }
        let Ok(catalog) = Catalog::open(&self.catalog_path()) else { return Ok(()) };
        let seen = catalog.meta("config_number")?.and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes);
        let shown = trust.config().map_or(0, |c| c.number.0);
        match shown.cmp(&seen) {
            std::cmp::Ordering::Less => Err(EngineError::RolledBack { store: store.label(), shown, seen }),
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Greater => Ok(catalog.set_meta("config_number", &shown.to_le_bytes())?),
        }
    }
}
