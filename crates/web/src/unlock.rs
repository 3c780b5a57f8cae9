//! What opens photographs: from the file that the configuration names, or handed to the page.
//!
//! **Invariant:** what was handed over is in memory alone, and is gone when the page ends.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;
use darkslide_engine::{IdentityFile, Settings};
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::refusal::Refusal;

/// The largest identity file.
const IDENTITY_MAX: u64 = 64 * 1024;

/// What was handed over.
#[derive(Default)]
pub struct Unlocked(Mutex<Option<Arc<IdentityFile>>>);

impl Unlocked {
    fn held(&self) -> std::sync::MutexGuard<'_, Option<Arc<IdentityFile>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the text of an identity file.
    pub fn hand(&self, text: &[u8], passphrase: Option<String>) -> Result<(), Refusal> {
        let identity = read(text, passphrase.map(SecretString::from))?;
        *self.held() = Some(Arc::new(identity));
        Ok(())
    }

    /// Forgets it.
    pub fn forget(&self) {
        *self.held() = None;
    }

    /// True if something was handed over.
    pub fn is_held(&self) -> bool {
        self.held().is_some()
    }

    /// What there is.
    pub fn identity(&self, settings: &Settings) -> Result<Option<Arc<IdentityFile>>, Refusal> {
        if let Some(identity) = self.held().clone() {
            return Ok(Some(identity));
        }
        let Some(serve) = &settings.serve else { return Ok(None) };
        match &serve.identity {
            Some(path) => from_file(settings, path, serve.passphrase_file.as_deref()).map(Arc::new).map(Some),
            None => Ok(None),
        }
    }
}

/// An identity file, and the file with its passphrase.
pub fn from_file(settings: &Settings, path: &Path, passphrase: Option<&Path>) -> Result<IdentityFile, Refusal> {
    let path = settings.resolve(path);
    let failed = |path: &Path, why: String| {
        Refusal::new(StatusCode::CONFLICT, "config", format!("the identity, {}: {why}", path.display()))
    };
    let size = std::fs::metadata(&path).map_err(|e| failed(&path, e.to_string()))?.len();
    if size > IDENTITY_MAX {
        return Err(failed(&path, "it is too large for one".into()));
    }
    let text = Zeroizing::new(std::fs::read(&path).map_err(|e| failed(&path, e.to_string()))?);
    let passphrase = match passphrase.map(|path| settings.resolve(path)) {
        Some(path) => {
            let text = std::fs::read_to_string(&path).map_err(|e| failed(&path, e.to_string()))?;
            Some(SecretString::from(text.trim_end_matches(['\n', '\r']).to_string()))
        }
        None => None,
    };
    read(&text, passphrase)
}

fn read(text: &[u8], passphrase: Option<SecretString>) -> Result<IdentityFile, Refusal> {
    let bad = |e: darkslide_engine::FormatError| Refusal::bad(e.to_string());
    match (IdentityFile::is_encrypted(text), passphrase) {
        (false, _) => IdentityFile::parse(text).map_err(bad),
        (true, Some(passphrase)) => IdentityFile::decrypt(text, &passphrase).map_err(bad),
        (true, None) => Err(Refusal::bad("this identity is protected by a passphrase: give that, too")),
    }
}
