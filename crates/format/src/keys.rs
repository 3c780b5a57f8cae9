//! Keys objects: the epochs' identities, the writers' shared secrets, the owner
//! key of a repository that was founded for absent identities.

use age::x25519;
use darkslide_words::{Count, RepositoryId};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use crate::canon::B64;
use crate::config::{Config, EpochRecipient, Header};
use crate::limits::{SMALL_PLAIN_MAX, SMALL_SEALED_MAX};
use crate::seal::{self, Recipients};
use crate::signed::SecretKey;
use crate::{FORMAT, FormatError, IdKey, canon, frame};

/// An X25519 key pair of the repository's own: an epoch's or the index's.
#[derive(Clone)]
pub struct KeyPair(x25519::Identity);

impl KeyPair {
    /// A new one.
    pub fn generate() -> Self {
        Self(x25519::Identity::generate())
    }

    /// From `AGE-SECRET-KEY-1…`.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        text.parse().map(Self).map_err(|e: &str| FormatError::BadIdentity(e.to_string()))
    }

    /// `AGE-SECRET-KEY-1…`.
    pub fn secret_text(&self) -> zeroize::Zeroizing<String> {
        zeroize::Zeroizing::new(self.0.to_string().expose_secret().to_string())
    }

    /// `age1…`.
    pub fn recipient(&self) -> String {
        self.0.to_public().to_string()
    }

    pub(crate) fn key(&self) -> &x25519::Identity {
        &self.0
    }

    /// What opens.
    pub fn identity(&self) -> &dyn age::Identity {
        &self.0
    }
}

impl std::fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyPair({})", self.recipient())
    }
}

#[derive(Serialize, Deserialize)]
struct EpochSecret {
    epoch: Count,
    identity: String,
}

#[derive(Serialize, Deserialize)]
struct KeysDoc {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    epochs: Vec<EpochSecret>,
    features: Vec<String>,
    format: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    index_identity: Option<String>,
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner_key: Option<B64>,
    repository: RepositoryId,
}

/// All of a repository's secrets.
#[derive(Debug, Clone)]
pub struct RepositoryKeys {
    /// Each epoch's key pair, by number.
    pub epochs: Vec<(Count, KeyPair)>,
    /// The id key.
    pub id_key: IdKey,
    /// The index identity.
    pub index: KeyPair,
}

impl RepositoryKeys {
    /// New secrets with a first epoch.
    pub fn generate(id_key: [u8; 32]) -> Self {
        Self { epochs: vec![(Count(1), KeyPair::generate())], id_key: IdKey::new(id_key), index: KeyPair::generate() }
    }

    /// The epochs as a config lists them.
    pub fn epoch_recipients(&self) -> Vec<EpochRecipient> {
        let row = |(epoch, pair): &(Count, KeyPair)| EpochRecipient { epoch: *epoch, recipient: pair.recipient() };
        self.epochs.iter().map(row).collect()
    }

    /// Seals them.
    pub fn seal(&self, repository: RepositoryId, to: &Recipients) -> Result<Vec<u8>, FormatError> {
        let secret =
            |(epoch, pair): &(Count, KeyPair)| EpochSecret { epoch: *epoch, identity: pair.secret_text().to_string() };
        let doc = KeysDoc {
            epochs: self.epochs.iter().map(secret).collect(),
            features: Vec::new(),
            format: FORMAT,
            id_key: Some(hex::encode(self.id_key.secret())),
            index_identity: Some(self.index.secret_text().to_string()),
            kind: "keys".into(),
            owner_key: None,
            repository,
        };
        seal_doc(&doc, to)
    }

    /// Checks them against what the owner signed for.
    fn check(&self, config: &Config) -> Result<(), FormatError> {
        if self.id_key.check() != config.id_key_check {
            return Err(FormatError::WrongKeys { what: "id key" });
        }
        if self.index.recipient() != config.index_recipient {
            return Err(FormatError::WrongKeys { what: "index identity" });
        }
        let ours = self.epoch_recipients();
        match config.epochs.iter().all(|e| ours.contains(e)) {
            true => Ok(()),
            false => Err(FormatError::WrongKeys { what: "identity of an epoch" }),
        }
    }
}

fn seal_doc(doc: &KeysDoc, to: &Recipients) -> Result<Vec<u8>, FormatError> {
    let plain = zeroize::Zeroizing::new(canon::to_bytes(doc)?);
    seal::seal(to, &frame::pack_json(&plain)?)
}

/// Seals the owner key of a repository founded for absent identities.
pub fn seal_owner(owner: &SecretKey, repository: RepositoryId, to: &Recipients) -> Result<Vec<u8>, FormatError> {
    let doc = KeysDoc {
        epochs: Vec::new(),
        features: Vec::new(),
        format: FORMAT,
        id_key: None,
        index_identity: None,
        kind: "owner".into(),
        owner_key: Some(B64(owner.seed().to_vec())),
        repository,
    };
    seal_doc(&doc, to)
}

/// What a keys object turned out to hold.
#[derive(Debug)]
pub enum Opened {
    /// The repository's secrets.
    Keys(Box<RepositoryKeys>),
    /// The owner key.
    Owner(Box<SecretKey>),
}

/// Opens a keys object and checks it against the signed facts.
pub fn open(
    bytes: &[u8],
    identities: &[&dyn age::Identity],
    header: &Header,
    config: &Config,
) -> Result<Opened, FormatError> {
    let packed = seal::open(bytes, identities, SMALL_SEALED_MAX)?;
    let plain = zeroize::Zeroizing::new(frame::unpack_json("keys object", &packed, SMALL_PLAIN_MAX)?);
    let doc: KeysDoc = canon::checked("keys object", &plain, Some(header.repository))?;
    let missing = |what: &'static str| FormatError::malformed("keys object", format!("no {what}"));
    if doc.kind == "owner" {
        let seed = doc.owner_key.ok_or_else(|| missing("owner_key"))?;
        let seed: [u8; 32] = seed.0.try_into().map_err(|_| missing("owner_key of 32 bytes"))?;
        let key = SecretKey::from_seed(&seed);
        return match key.public() == header.owner_key()? {
            true => Ok(Opened::Owner(Box::new(key))),
            false => Err(FormatError::WrongKeys { what: "owner key" }),
        };
    }
    let mut id_key = [0u8; 32];
    hex::decode_to_slice(doc.id_key.ok_or_else(|| missing("id_key"))?, &mut id_key)
        .map_err(|_| missing("id_key of 32 bytes"))?;
    let epochs: Result<Vec<_>, FormatError> =
        doc.epochs.iter().map(|e| Ok((e.epoch, KeyPair::parse(&e.identity)?))).collect();
    // The object is not signed: whatever the owner did not sign for is not ours.
    let signed =
        |(n, pair): &(Count, KeyPair)| config.epochs.iter().any(|e| e.epoch == *n && e.recipient == pair.recipient());
    let keys = RepositoryKeys {
        epochs: epochs?.into_iter().filter(signed).collect(),
        id_key: IdKey::new(id_key),
        index: KeyPair::parse(&doc.index_identity.ok_or_else(|| missing("index_identity"))?)?,
    };
    keys.check(config)?;
    Ok(Opened::Keys(Box::new(keys)))
}
