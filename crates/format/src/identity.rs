//! Identity files: an age identity, and beside it the owner's signing key in a
//! comment that age passes over.

use age::x25519;
use bech32::{FromBase32 as _, ToBase32 as _, Variant};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use crate::signed::SecretKey;
use crate::{FormatError, seal};

const OWNER_HRP: &str = "darkslide-owner-";
const OWNER_COMMENT: &str = "# darkslide owner key: ";
/// Work factor above which an encrypted identity file is refused: 1 GiB of
/// memory and some seconds; age itself writes 18.
const SCRYPT_LOG_N_MAX: u8 = 20;

/// Identities that open things: the user's, and the epochs'. Shared by threads.
#[derive(Clone, Default)]
pub struct Identities(Vec<x25519::Identity>);

impl Identities {
    /// For the functions that open.
    pub fn all(&self) -> Vec<&dyn age::Identity> {
        self.0.iter().map(|i| i as &dyn age::Identity).collect()
    }

    /// Adds a key pair of the repository's.
    pub fn add(&mut self, pair: &crate::keys::KeyPair) {
        self.0.push(pair.key().clone());
    }

    /// True without any.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Debug for Identities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identities({})", self.0.len())
    }
}

/// What an identity file holds.
pub struct IdentityFile {
    identities: Vec<x25519::Identity>,
    owner: Option<SecretKey>,
}

impl std::fmt::Debug for IdentityFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IdentityFile({} identities)", self.identities.len())
    }
}

impl IdentityFile {
    /// Makes a new identity and owner key.
    pub fn generate(owner_seed: &[u8; 32]) -> Self {
        Self { identities: vec![x25519::Identity::generate()], owner: Some(SecretKey::from_seed(owner_seed)) }
    }

    /// True if these bytes are an age file: an identity behind a passphrase.
    pub fn is_encrypted(bytes: &[u8]) -> bool {
        let bytes = bytes.trim_ascii_start();
        bytes.starts_with(b"age-encryption.org/") || bytes.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----")
    }

    /// Reads a plain identity file.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let text = std::str::from_utf8(bytes).map_err(|_| FormatError::BadIdentity("it is not text".into()))?;
        let mut file = Self { identities: Vec::new(), owner: None };
        for (n, line) in text.lines().enumerate() {
            let line = line.trim();
            if let Some(key) = line.strip_prefix(OWNER_COMMENT) {
                file.owner = Some(parse_owner(key)?);
            } else if !line.is_empty() && !line.starts_with('#') {
                let identity = line.parse().map_err(|e: &str| {
                    FormatError::BadIdentity(format!("line {}: {e}; AGE-SECRET-KEY-1… is wanted", n + 1))
                })?;
                file.identities.push(identity);
            }
        }
        match file.identities.is_empty() {
            true => Err(FormatError::BadIdentity("it holds no AGE-SECRET-KEY-1… line".into())),
            false => Ok(file),
        }
    }

    /// Reads an identity file behind a passphrase.
    pub fn decrypt(bytes: &[u8], passphrase: &SecretString) -> Result<Self, FormatError> {
        use std::io::Read as _;
        let bad = |e: std::io::Error| FormatError::BadIdentity(e.to_string());
        let mut binary = Vec::new();
        age::armor::ArmoredReader::new(bytes.trim_ascii_start()).take(1 << 20).read_to_end(&mut binary).map_err(bad)?;
        let mut identity = age::scrypt::Identity::new(passphrase.clone());
        identity.set_max_work_factor(SCRYPT_LOG_N_MAX);
        let plain = seal::open(&binary, &[&identity], 1 << 20).map_err(|e| match e {
            FormatError::NotARecipient => FormatError::WrongPassphrase,
            FormatError::BadHeader(text) if text.to_lowercase().contains("decryption") => FormatError::WrongPassphrase,
            other => other,
        })?;
        Self::parse(&Zeroizing::new(plain))
    }

    /// The file's text.
    pub fn text(&self, made: &str) -> Zeroizing<String> {
        let mut text =
            Zeroizing::new(format!("# Darkslide identity, made {made}. Whoever holds it can open the photographs.\n"));
        for identity in &self.identities {
            text.push_str(&format!("# public key: {}\n", identity.to_public()));
        }
        if let Some(owner) = &self.owner {
            text.push_str(OWNER_COMMENT);
            text.push_str(&owner_text(owner));
            text.push('\n');
        }
        for identity in &self.identities {
            text.push_str(identity.to_string().expose_secret());
            text.push('\n');
        }
        text
    }

    /// The file's text behind a passphrase, as age makes it (armored).
    pub fn encrypt(&self, made: &str, passphrase: &SecretString) -> Result<Vec<u8>, FormatError> {
        use std::io::Write as _;
        let failed = |e: std::io::Error| FormatError::Failed { what: "encrypting the identity", detail: e.to_string() };
        let armor =
            age::armor::ArmoredWriter::wrap_output(Vec::new(), age::armor::Format::AsciiArmor).map_err(failed)?;
        let mut writer = age::Encryptor::with_user_passphrase(passphrase.clone()).wrap_output(armor).map_err(failed)?;
        writer.write_all(self.text(made).as_bytes()).map_err(failed)?;
        writer.finish().and_then(|armor| armor.finish()).map_err(failed)
    }

    /// What opens things.
    pub fn identities(&self) -> Identities {
        Identities(self.identities.clone())
    }

    /// The public halves, `age1…`.
    pub fn recipients(&self) -> Vec<String> {
        self.identities.iter().map(|i| i.to_public().to_string()).collect()
    }

    /// The owner's key, if this is an owner's file.
    pub fn owner(&self) -> Option<&SecretKey> {
        self.owner.as_ref()
    }

    /// The secrets as two texts, for the paper key.
    pub fn secrets(&self) -> (Zeroizing<String>, Option<Zeroizing<String>>) {
        let identity = self.identities[0].to_string();
        let owner = self.owner.as_ref().map(|o| Zeroizing::new(owner_text(o)));
        (Zeroizing::new(identity.expose_secret().to_string()), owner)
    }

    /// From the two texts.
    pub fn from_secrets(identity: &str, owner: Option<&str>) -> Result<Self, FormatError> {
        let identity = identity.parse().map_err(|e: &str| FormatError::BadIdentity(e.to_string()))?;
        let owner = owner.map(parse_owner).transpose()?;
        Ok(Self { identities: vec![identity], owner })
    }
}

fn owner_text(key: &SecretKey) -> String {
    // invariant: the prefix is constant and valid, and 32 bytes always encode.
    bech32::encode(OWNER_HRP, key.seed().to_base32(), Variant::Bech32).unwrap_or_default().to_uppercase()
}

fn parse_owner(text: &str) -> Result<SecretKey, FormatError> {
    let bad = |detail: String| FormatError::BadIdentity(format!("the owner key: {detail}"));
    let (hrp, data, _) = bech32::decode(text.trim()).map_err(|e| bad(e.to_string()))?;
    if hrp.to_lowercase() != OWNER_HRP {
        return Err(bad("DARKSLIDE-OWNER-1… is wanted".into()));
    }
    let seed = Zeroizing::new(Vec::from_base32(&data).map_err(|e| bad(e.to_string()))?);
    let seed: &[u8; 32] = seed.as_slice().try_into().map_err(|_| bad("32 bytes are wanted".into()))?;
    Ok(SecretKey::from_seed(seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_round_trip_plain_and_encrypted() {
        let file = IdentityFile::generate(&[5; 32]);
        let text = file.text("2026-11-22");
        let back = IdentityFile::parse(text.as_bytes()).unwrap();
        assert_eq!(back.recipients(), file.recipients());
        assert_eq!(back.owner().unwrap().public(), file.owner().unwrap().public());
        let secret = SecretString::from("correct horse".to_string());
        let sealed = file.encrypt("2026-11-22", &secret).unwrap();
        assert!(IdentityFile::is_encrypted(&sealed));
        assert_eq!(IdentityFile::decrypt(&sealed, &secret).unwrap().recipients(), file.recipients());
        let wrong = SecretString::from("wrong".to_string());
        assert!(matches!(IdentityFile::decrypt(&sealed, &wrong), Err(FormatError::WrongPassphrase)));
    }

    #[test]
    fn a_plain_age_keygen_file_is_an_identity_without_owner() {
        let file = IdentityFile::generate(&[5; 32]);
        let (identity, _) = file.secrets();
        let text = format!("# created: today\n{}\n", identity.as_str());
        assert!(IdentityFile::parse(text.as_bytes()).unwrap().owner().is_none());
        assert!(IdentityFile::parse(b"# nothing\n").is_err());
        assert!(IdentityFile::parse(b"hello\n").is_err());
    }
}
