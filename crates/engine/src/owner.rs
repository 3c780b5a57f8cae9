//! The owner's work: recipients and epochs, writers.

use std::path::Path;

use darkslide_format::config::{Config, EpochRecipient, NamedRecipient};
use darkslide_format::identity::IdentityFile;
use darkslide_format::keys::{KeyPair, RepositoryKeys};
use darkslide_format::names::{self, Kind};
use darkslide_format::signed::{self, DocType, SecretKey};
use darkslide_format::trust::{WriterDoc, writer_document};
use darkslide_format::{object_id, seal};
use darkslide_words::{Count, Rng, Time, WriterId};

use crate::founding::put_all;
use crate::joining::enroll;
use crate::repository::{Repository, no_config};
use crate::{Engine, EngineError};

/// A recipient.
#[derive(Debug, Clone)]
pub struct RecipientInfo {
    /// For people.
    pub name: String,
    /// `age1…`.
    pub recipient: String,
}

/// A writer.
#[derive(Debug, Clone)]
pub struct WriterInfo {
    /// Its id.
    pub id: WriterId,
    /// For people.
    pub name: String,
    /// When it was enrolled.
    pub enrolled: Time,
    /// When and why it was revoked.
    pub revoked: Option<(Time, String)>,
}

impl Engine {
    /// The recipients, and the number of the current epoch.
    pub fn recipients(&self) -> Result<(Vec<RecipientInfo>, Count), EngineError> {
        let repo = self.repository()?;
        let config = repo.trust.config().ok_or_else(|| no_config(repo.store()))?;
        let info = |r: &NamedRecipient| RecipientInfo { name: r.name.clone(), recipient: r.recipient.clone() };
        Ok((config.recipients.iter().map(info).collect(), config.epoch))
    }

    /// Adds a recipient: one small object opens all old packs to it.
    pub fn add_recipient(&self, name: &str, recipient: &str, identity: &IdentityFile) -> Result<(), EngineError> {
        let repo = self.repository()?;
        let (owner, keys) = (repo.owner(identity)?, repo.keys(identity)?);
        let recipient = seal::parse_recipient(recipient)?.to_string();
        let mut config = current(&repo)?;
        if config.has_recipient(&recipient) {
            return Ok(());
        }
        config.recipients.push(NamedRecipient { name: name.to_string(), recipient });
        self.publish(&repo, config, &keys, &owner)
    }

    /// Removes a recipient and starts a new epoch. What was sealed to it before
    /// stays readable to it.
    pub fn remove_recipient(&self, wanted: &str, identity: &IdentityFile) -> Result<(), EngineError> {
        let repo = self.repository()?;
        let (owner, mut keys) = (repo.owner(identity)?, repo.keys(identity)?);
        let mut config = current(&repo)?;
        let fits = |r: &NamedRecipient| r.name == wanted || r.recipient == wanted;
        if !config.recipients.iter().any(fits) {
            return Err(EngineError::NoSuch { what: "recipient", name: wanted.to_string() });
        }
        config.recipients.retain(|r| !fits(r));
        if config.recipients.is_empty() {
            return Err(EngineError::LastRecipient { name: wanted.to_string() });
        }
        let epoch = Count(config.epoch.0 + 1);
        let pair = KeyPair::generate();
        config.epochs.push(EpochRecipient { epoch, recipient: pair.recipient() });
        config.epoch = epoch;
        keys.epochs.push((epoch, pair));
        self.publish(&repo, config, &keys, &owner)
    }

    /// Seals the keys to the recipients of a new configuration, then signs that.
    fn publish(
        &self,
        repo: &Repository,
        mut config: Config,
        keys: &RepositoryKeys,
        owner: &SecretKey,
    ) -> Result<(), EngineError> {
        config.number = Count(config.number.0 + 1);
        config.previous = repo.trust.config_id();
        config.created = self.clock.now();
        let sealed = keys.seal(repo.trust.repository(), &config.key_recipients()?)?;
        put_all(&repo.reached.stores, &names::object(Kind::Keys, object_id(&sealed)), &sealed)?;
        let document = signed::sign(DocType::Config, &config, owner)?;
        put_all(&repo.reached.stores, &names::config(config.number.0), &document)
    }

    /// The writers.
    pub fn writers(&self) -> Result<Vec<WriterInfo>, EngineError> {
        let repo = self.repository()?;
        let info = |(id, w): (&WriterId, &darkslide_format::trust::Writer)| WriterInfo {
            id: *id,
            name: w.name.clone(),
            enrolled: w.enrolled,
            revoked: w.revoked.clone(),
        };
        Ok(repo.trust.writers().iter().map(info).collect())
    }

    /// Enrolls a new machine; writes its secrets to `out`, to be carried there.
    pub fn enroll_writer(
        &self,
        name: &str,
        out: &Path,
        identity: &IdentityFile,
        rng: &mut dyn Rng,
    ) -> Result<WriterId, EngineError> {
        let repo = self.repository()?;
        if out.exists() {
            return Err(EngineError::ConfigExists { path: out.to_path_buf() });
        }
        let (owner, keys) = (repo.owner(identity)?, repo.keys(identity)?);
        let file = enroll(&repo, &owner, keys.id_key.clone(), keys.index.clone(), name, &*self.clock, rng)?;
        file.save_new(out)?;
        Ok(file.secrets.id())
    }

    /// Revokes a writer: its snapshots are refused from now on unless asked for
    /// by name.
    pub fn revoke_writer(&self, wanted: &str, reason: &str, identity: &IdentityFile) -> Result<(), EngineError> {
        let repo = self.repository()?;
        let owner = repo.owner(identity)?;
        let mut fitting = repo.trust.writers().iter().filter(|(id, w)| w.name == wanted || id.to_string() == wanted);
        let missing =
            || EngineError::NoSuch { what: "writer (give its id if several have the name)", name: wanted.to_string() };
        let (writer, None) = (fitting.next().ok_or_else(missing)?.1, fitting.next()) else { return Err(missing()) };
        let doc = WriterDoc::revoke(repo.trust.repository(), writer, reason, self.clock.now());
        let (id, bytes) = writer_document(&doc, &owner)?;
        put_all(&repo.reached.stores, &names::object(Kind::Writers, id), &bytes)
    }
}

fn current(repo: &Repository) -> Result<Config, EngineError> {
    repo.trust.config().cloned().ok_or_else(|| no_config(repo.store()))
}
