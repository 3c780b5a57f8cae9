//! Who may sign what: the owner, the chain of configs, writers and revocations.

use std::collections::BTreeMap;

use darkslide_words::{ObjectId, RepositoryId, Time, WriterId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::canon::B64;
use crate::config::{Config, Header};
use crate::limits::PLAIN_OBJECT_MAX;
use crate::signed::{self, DocType, PublicKey, SecretKey, Verified};
use crate::{FORMAT, FormatError, canon};

/// `writers/<id>.json`'s payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriterDoc {
    /// `enroll` or `revoke`.
    pub action: String,
    /// When.
    pub created: Time,
    /// Required features.
    pub features: Vec<String>,
    /// Format version.
    pub format: u32,
    /// The writer's public key.
    pub key: B64,
    /// For people.
    pub name: String,
    /// Why it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Repository.
    pub repository: RepositoryId,
    /// What it may do: `writer`.
    pub roles: Vec<String>,
}

/// A writer as the owner's documents describe it.
#[derive(Debug, Clone)]
pub struct Writer {
    /// For people.
    pub name: String,
    /// Its key.
    pub key: PublicKey,
    /// When it was enrolled.
    pub enrolled: Time,
    /// When and why it was revoked.
    pub revoked: Option<(Time, String)>,
}

/// How a signer stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Enrolled and not revoked.
    Trusted,
    /// Was revoked.
    Revoked,
    /// Was never enrolled.
    Unknown,
}

/// All that is known of who may sign.
#[derive(Debug, Clone)]
pub struct Trust {
    header: Header,
    owner: PublicKey,
    config: Option<(Config, ObjectId)>,
    writers: BTreeMap<WriterId, Writer>,
}

impl Trust {
    /// Starts from the founding facts.
    pub fn new(header: Header) -> Result<Self, FormatError> {
        let owner = header.owner_key()?;
        Ok(Self { header, owner, config: None, writers: BTreeMap::new() })
    }

    /// The founding facts.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The repository.
    pub fn repository(&self) -> RepositoryId {
        self.header.repository
    }

    /// The highest valid config so far.
    pub fn config(&self) -> Option<&Config> {
        self.config.as_ref().map(|(config, _)| config)
    }

    /// BLAKE3 of that config's bytes.
    pub fn config_id(&self) -> Option<ObjectId> {
        self.config.as_ref().map(|(_, id)| *id)
    }

    /// All writers.
    pub fn writers(&self) -> &BTreeMap<WriterId, Writer> {
        &self.writers
    }

    fn by_owner<'a>(&self, kind: DocType, document: &'a [u8]) -> Result<Verified<'a>, FormatError> {
        FormatError::limit("the document", document.len() as u64, PLAIN_OBJECT_MAX as u64)?;
        let verified = signed::verify(kind, document)?;
        match verified.signer == self.owner {
            true => Ok(verified),
            false => Err(FormatError::NotTrusted {
                what: kind.word(),
                signer: canon::encode(verified.signer.as_bytes()),
                wanted: "the owner",
            }),
        }
    }

    /// Takes `config/<number>.json` into account.
    pub fn add_config(&mut self, number: u64, document: &[u8]) -> Result<(), FormatError> {
        let verified = self.by_owner(DocType::Config, document)?;
        let config = Config::parse(verified.payload, self.repository())?;
        if config.number.0 != number {
            return Err(FormatError::malformed("config", "its number is not the one of its name"));
        }
        if self.config().is_none_or(|known| known.number < config.number) {
            self.config = Some((config, crate::object_id(document)));
        }
        Ok(())
    }

    /// Takes `writers/<id>.json` into account.
    pub fn add_writer(&mut self, id: ObjectId, document: &[u8]) -> Result<(), FormatError> {
        if crate::object_id(document) != id {
            return Err(FormatError::WrongObject);
        }
        let verified = self.by_owner(DocType::Writer, document)?;
        let doc: WriterDoc = canon::checked("writer", verified.payload, Some(self.repository()))?;
        let key = PublicKey::from_bytes(&doc.key.0)
            .ok_or_else(|| FormatError::malformed("writer", "its key is not an Ed25519 key"))?;
        if !doc.roles.iter().any(|role| role == "writer") {
            return Ok(());
        }
        let revoked = match doc.action.as_str() {
            "enroll" => None,
            "revoke" => Some((doc.created, doc.reason.unwrap_or_default())),
            other => {
                return Err(FormatError::malformed("writer", format!("unknown action `{other}`")));
            }
        };
        let writer = self.writers.entry(key.writer_id()).or_insert(Writer {
            name: doc.name.clone(),
            key,
            enrolled: doc.created,
            revoked: None,
        });
        match revoked {
            Some(revoked) => writer.revoked = Some(revoked),
            None => {
                writer.name = doc.name;
                writer.enrolled = doc.created;
            }
        }
        Ok(())
    }

    /// Treats a writer as revoked whose revocation was seen before and is hidden now.
    pub fn revoke_remembered(&mut self, writer: WriterId) {
        if let Some(known) = self.writers.get_mut(&writer) {
            known.revoked.get_or_insert((known.enrolled, "revoked before; the document is missing now".into()));
        }
    }

    /// True if this is the owner's key.
    pub fn is_owner(&self, key: &PublicKey) -> bool {
        *key == self.owner
    }

    /// How a writer stands.
    pub fn standing(&self, writer: WriterId) -> Standing {
        match self.writers.get(&writer) {
            Some(Writer { revoked: None, .. }) => Standing::Trusted,
            Some(_) => Standing::Revoked,
            None => Standing::Unknown,
        }
    }

    /// A writer's name, or its id.
    pub fn writer_name(&self, writer: WriterId) -> String {
        self.writers.get(&writer).map_or_else(|| writer.to_string(), |w| w.name.clone())
    }

    /// Verifies a writer's document; says who signed and how he stands.
    pub fn by_writer<'a>(&self, kind: DocType, document: &'a [u8]) -> Result<(Verified<'a>, Standing), FormatError> {
        let verified = signed::verify(kind, document)?;
        let standing = self.standing(verified.signer.writer_id());
        Ok((verified, standing))
    }

    /// Verifies and parses a document of a trusted writer.
    pub fn trusted<T: DeserializeOwned>(&self, kind: DocType, document: &[u8]) -> Result<T, FormatError> {
        let (verified, standing) = self.by_writer(kind, document)?;
        let wanted = match standing {
            Standing::Trusted => {
                return canon::checked(kind.word(), verified.payload, Some(self.repository()));
            }
            Standing::Revoked => "trusted any more: its writer was revoked",
            Standing::Unknown => "an enrolled writer",
        };
        let signer = self.writer_name(verified.signer.writer_id());
        Err(FormatError::NotTrusted { what: kind.word(), signer, wanted })
    }
}

/// Signs an enrolment or a revocation; the document and its object id.
pub fn writer_document(doc: &WriterDoc, owner: &SecretKey) -> Result<(ObjectId, Vec<u8>), FormatError> {
    let bytes = signed::sign(DocType::Writer, doc, owner)?;
    Ok((crate::object_id(&bytes), bytes))
}

impl WriterDoc {
    /// An enrolment.
    pub fn enroll(repository: RepositoryId, key: &PublicKey, name: &str, created: Time) -> Self {
        Self {
            action: "enroll".into(),
            created,
            features: Vec::new(),
            format: FORMAT,
            key: B64(key.as_bytes().to_vec()),
            name: name.into(),
            reason: None,
            repository,
            roles: vec!["writer".into()],
        }
    }

    /// A revocation.
    pub fn revoke(repository: RepositoryId, writer: &Writer, reason: &str, created: Time) -> Self {
        Self {
            action: "revoke".into(),
            reason: Some(reason.into()),
            ..Self::enroll(repository, &writer.key, &writer.name, created)
        }
    }
}
