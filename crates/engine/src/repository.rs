//! Opening a repository: reachable stores, verified documents, keys.

use std::sync::Arc;

use darkslide_catalog::Catalog;
use darkslide_format::config::Header;
use darkslide_format::identity::{Identities, IdentityFile};
use darkslide_format::keys::{self, RepositoryKeys};
use darkslide_format::limits::{PLAIN_OBJECT_MAX, SMALL_SEALED_MAX};
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
            keys::Opened::Owner(key) => Some(*key),
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
            // Damaged or outdated ones do not matter while another one, or another store's, is good.
            for store in self.reached.stores.iter().filter(|_| listed.size.0 <= SMALL_SEALED_MAX as u64) {
                let Ok(bytes) = store.read(&listed.name, None).and_then(|r| r.bytes(&listed.name)) else { continue };
                if object_id(&bytes) == id {
                    opened.extend(keys::open(&bytes, &identities.all(), self.trust.header(), config));
                    break;
                }
            }
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

fn no_header(store: &dyn Store) -> EngineError {
    EngineError::NotARepository {
        store: store.label(),
        detail: "there is no darkslide.json; is the disk mounted?".into(),
    }
}

/// Reads and verifies header, configs and writers, adding to what other stores of
/// the repository showed.
pub fn load_trust(
    store: &dyn Store,
    known: Option<Trust>,
) -> Result<(Trust, Vec<(ObjectName, FormatError)>), EngineError> {
    let name = names::header();
    let bytes = match store.read(&name, None)? {
        darkslide_store::ReadOutcome::Missing => return Err(no_header(store)),
        found => found.bytes(&name)?,
    };
    let header = Header::parse(&bytes).map_err(|source| EngineError::Object { object: name, source })?;
    let mut trust = match known {
        Some(trust) if *trust.header() == header => trust,
        Some(_) => return Err(EngineError::Exchanged { store: store.label(), what: "repository" }),
        None => Trust::new(header)?,
    };
    let mut refused = Vec::new();
    for kind in [Kind::Config, Kind::Writers] {
        for listed in list_all(store, kind.prefix())? {
            let Some(parsed) = names::parse(&listed.name) else { continue };
            if listed.size.0 > PLAIN_OBJECT_MAX as u64 {
                let limit = PLAIN_OBJECT_MAX as u64;
                refused
                    .push((listed.name, FormatError::OverLimit { what: "the document", found: listed.size.0, limit }));
                continue;
            }
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
        for resolved in self.store_settings() {
            let resolved = if self.reads { resolved.for_reading() } else { resolved };
            match self.opener.open(&resolved) {
                Ok(store) => stores.push(store),
                Err(error) => missing.push((resolved.label(), error.to_string())),
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

    /// Opens the repository and holds it against what this machine knows. What the
    /// owner signed counts wherever it is found: a store that was away does not
    /// bring back an old configuration, nor a writer that was revoked.
    pub(crate) fn repository(&self) -> Result<Repository, EngineError> {
        let reached = self.reach()?;
        let mut missing = reached.missing;
        let catalog = Catalog::open(&self.catalog_path()).ok();
        let (mut stores, mut empty, mut merged) = (Vec::new(), Vec::new(), None::<Trust>);
        let (mut refused, mut problem) = (Vec::new(), None);
        let mut later = Vec::new();
        for store in reached.stores {
            match self.trusted(&*store, merged.clone()) {
                Ok((trust, bad)) => {
                    merged = Some(trust);
                    refused.extend(bad);
                    self.remember(catalog.as_ref(), &*store)?;
                    stores.push(store);
                }
                Err(EngineError::NotARepository { .. }) if !self.remembered(catalog.as_ref(), &*store)? => {
                    empty.push(store)
                }
                Err(error) => later.push((store, error)),
            }
        }
        // What one lost of its documents, another one has: it is a copy that needs mending.
        for (store, error) in later {
            match merged.clone().map(|trust| self.trusted(&*store, Some(trust))) {
                Some(Ok((trust, bad))) => {
                    merged = Some(trust);
                    refused.extend(bad);
                    stores.push(store);
                }
                _ => {
                    missing.push((store.label(), error.to_string()));
                    problem.get_or_insert(error);
                }
            }
        }
        let Some(trust) = merged else {
            let none = || EngineError::NoStore { detail: "none holds the repository".into() };
            return Err(problem.unwrap_or_else(|| empty.first().map_or_else(none, |s| no_header(&**s))));
        };
        let mut trust = trust;
        if let Some(catalog) = &catalog {
            apply_remembered(&mut trust, catalog)?;
        }
        self.not_rolled_back(catalog.as_ref(), &*stores[0], &trust)?;
        // A place that never held this repository is to become a copy of it.
        stores.extend(empty);
        Ok(Repository { reached: Reached { stores, missing }, trust, refused })
    }

    fn trusted(
        &self,
        store: &dyn Store,
        known: Option<Trust>,
    ) -> Result<(Trust, Vec<(ObjectName, FormatError)>), EngineError> {
        let found = load_trust(store, known)?;
        self.pinned(store, &found.0)?;
        Ok(found)
    }

    fn remembered(&self, catalog: Option<&Catalog>, store: &dyn Store) -> Result<bool, EngineError> {
        let key = format!("store {}", store.label());
        Ok(catalog.map(|c| c.meta(&key)).transpose()?.flatten().is_some())
    }

    /// Once a place has held the repository, finding it empty means that its disk
    /// is not there.
    fn remember(&self, catalog: Option<&Catalog>, store: &dyn Store) -> Result<(), EngineError> {
        if let Some(catalog) = catalog
            && !self.remembered(Some(catalog), store)?
        {
            catalog.set_meta(&format!("store {}", store.label()), b"seen")?;
        }
        Ok(())
    }

    fn pinned(&self, store: &dyn Store, trust: &Trust) -> Result<(), EngineError> {
        let exchanged = |what| Err(EngineError::Exchanged { store: store.label(), what });
        let pins = &self.settings.repository;
        if trust.repository().to_string() != pins.id {
            return exchanged("repository");
        }
        match canon::encode(trust.header().owner_key()?.as_bytes()) == pins.owner {
            true => Ok(()),
            false => exchanged("owner"),
        }
    }

    fn not_rolled_back(&self, catalog: Option<&Catalog>, store: &dyn Store, trust: &Trust) -> Result<(), EngineError> {
        let Some(catalog) = catalog else { return Ok(()) };
        let seen = catalog.meta("config_number")?.and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes);
        let shown = trust.config().map_or(0, |c| c.number.0);
        for (writer, _) in trust.writers().iter().filter(|(_, w)| w.revoked.is_some()) {
            let key = format!("revoked {writer}");
            if catalog.meta(&key)?.is_none() {
                catalog.set_meta(&key, b"seen")?;
            }
        }
        match shown.cmp(&seen) {
            std::cmp::Ordering::Less => Err(EngineError::RolledBack { store: store.label(), shown, seen }),
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Greater => Ok(catalog.set_meta("config_number", &shown.to_le_bytes())?),
        }
    }
}

/// Writers that this machine has seen revoked stay so, whatever a store shows.
pub(crate) fn apply_remembered(trust: &mut Trust, catalog: &Catalog) -> Result<(), EngineError> {
    let writers: Vec<_> = trust.writers().keys().copied().collect();
    for writer in writers {
        if catalog.meta(&format!("revoked {writer}"))?.is_some() {
            trust.revoke_remembered(writer);
        }
    }
    Ok(())
}
