//! The writer's secrets on this machine: one file, mode 0600.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use darkslide_format::IdKey;
use darkslide_format::keys::KeyPair;
use darkslide_format::signed::SecretKey;
use darkslide_snapshot::WriterSecrets;
use darkslide_words::RepositoryId;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::EngineError;

#[derive(Serialize, Deserialize)]
struct Doc {
    id_key: String,
    index_identity: String,
    name: String,
    repository: RepositoryId,
    signing_key: String,
}

/// The file below the state folder.
pub fn path(state: &Path) -> PathBuf {
    state.join("writer.json")
}

/// Held while a run changes this machine's catalog; released when dropped, also
/// by a crash.
#[derive(Debug)]
pub struct RunLock(#[allow(dead_code)] fs::File);

/// Takes the lock, or says that another run is going on.
pub fn lock(state: &Path) -> Result<RunLock, EngineError> {
    let path = state.join("lock");
    let io = |source| EngineError::Io { what: "locking", path: path.clone(), source };
    let file = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(RunLock(file)),
        Err(fs::TryLockError::WouldBlock) => Err(EngineError::Running),
        Err(fs::TryLockError::Error(source)) => Err(io(source)),
    }
}

/// How often, and after how long each, [`lock_soon`] tries again: for 20 seconds.
const TRIES: u32 = 200;
/// See [`TRIES`].
const PAUSE: Duration = Duration::from_millis(100);

/// The same for what somebody decided and waits for, which must not be refused because a step of a thaw
/// happens to be under way: waits a while for the other to end.
pub fn lock_soon(state: &Path) -> Result<RunLock, EngineError> {
    for _ in 0..TRIES {
        match lock(state) {
            Err(EngineError::Running) => std::thread::sleep(PAUSE),
            other => return other,
        }
    }
    lock(state)
}

/// A writer's secrets and where they belong.
#[derive(Debug, Clone)]
pub struct WriterFile {
    /// Name of the machine.
    pub name: String,
    /// The repository.
    pub repository: RepositoryId,
    /// The secrets.
    pub secrets: WriterSecrets,
}

impl WriterFile {
    /// Writes a new file, readable by this user alone; never replaces one.
    pub fn save_new(&self, path: &Path) -> Result<(), EngineError> {
        let io = |source| EngineError::Io { what: "writing", path: path.to_path_buf(), source };
        let doc = Doc {
            id_key: hex::encode(self.secrets.id_key.secret()),
            index_identity: self.secrets.index.secret_text().to_string(),
            name: self.name.clone(),
            repository: self.repository,
            signing_key: hex::encode(self.secrets.signing.seed().as_slice()),
        };
        let text = Zeroizing::new(serde_json::to_vec_pretty(&doc).map_err(|e| io(e.into()))?);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(io)?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(io)
    }

    /// Reads a file; refuses one that others can read.
    pub fn load(path: &Path) -> Result<Self, EngineError> {
        let io = |source| EngineError::Io { what: "reading this machine's secrets", path: path.to_path_buf(), source };
        if fs::metadata(path).map_err(io)?.mode() & 0o077 != 0 {
            return Err(EngineError::Exposed { path: path.to_path_buf() });
        }
        let text = Zeroizing::new(fs::read(path).map_err(io)?);
        let bad = |e: String| EngineError::BadConfig { path: path.to_path_buf(), message: e };
        let doc: Doc = serde_json::from_slice(&text).map_err(|e| bad(e.to_string()))?;
        let key = |text: &str| -> Result<[u8; 32], EngineError> {
            let mut bytes = [0; 32];
            hex::decode_to_slice(text, &mut bytes).map_err(|_| bad("a key is not 32 bytes in hexadecimal".into()))?;
            Ok(bytes)
        };
        Ok(Self {
            name: doc.name,
            repository: doc.repository,
            secrets: WriterSecrets {
                signing: SecretKey::from_seed(&key(&doc.signing_key)?),
                id_key: IdKey::new(key(&doc.id_key)?),
                index: KeyPair::parse(&doc.index_identity)?,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_waits_for_what_is_over_soon() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock(folder.path()).unwrap();
        assert!(matches!(lock(folder.path()), Err(EngineError::Running)));
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| lock_soon(folder.path()).map(drop));
            std::thread::sleep(3 * PAUSE);
            assert!(!waits.is_finished(), "it waits as long as somebody holds it");
            drop(held);
            waits.join().unwrap().unwrap();
        });
    }
}
