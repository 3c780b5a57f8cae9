//! Keys in a folder: a file for each user, mode 0600, in the form of `~/.aws/credentials`.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::{KeyKeeper, Slot};
use crate::ProvisionError;
use crate::cloud::{KeyId, NewKey};
use crate::desired::IamName;

/// A key file is some hundred bytes.
const FILE_MAX: u64 = 64 << 10;

/// A folder of keys.
#[derive(Debug, Clone)]
pub struct KeyFiles {
    folder: PathBuf,
}

impl KeyFiles {
    /// The folder, which is made with the first key.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Where a user's key is, or will be.
    pub fn path(&self, user: &IamName, slot: Slot) -> PathBuf {
        let end = match slot {
            Slot::Current => "credentials",
            Slot::Next => "credentials.next",
        };
        self.folder.join(format!("{user}.{end}"))
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> ProvisionError {
    let path = path.to_path_buf();
    move |source| ProvisionError::KeyFile { path, source }
}

/// The key of such a file; nothing where the file is absent, or holds none.
pub fn read_key_file(path: &Path) -> Result<Option<NewKey>, ProvisionError> {
    let text = match fs::metadata(path) {
        Ok(meta) if meta.len() > FILE_MAX => return Ok(None),
        Ok(_) => Zeroizing::new(fs::read_to_string(path).map_err(at(path))?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at(path)(error)),
    };
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(name)?.trim_start().strip_prefix('='));
        line.map(|value| value.trim().to_string()).filter(|value| !value.is_empty())
    };
    let key = value("aws_access_key_id").zip(value("aws_secret_access_key"));
    Ok(key.map(|(id, secret)| NewKey { id: KeyId(id), secret: SecretString::from(secret) }))
}

impl KeyKeeper for KeyFiles {
    fn held(&self, user: &IamName, slot: Slot) -> Result<Option<KeyId>, ProvisionError> {
        Ok(self.read(user, slot)?.map(|key| key.id))
    }

    fn read(&self, user: &IamName, slot: Slot) -> Result<Option<NewKey>, ProvisionError> {
        read_key_file(&self.path(user, slot))
    }

    fn keep(&self, user: &IamName, slot: Slot, key: &NewKey) -> Result<String, ProvisionError> {
        let path = self.path(user, slot);
        if let Some(held) = self.held(user, slot)? {
            // A successor that AWS does not know any more may be replaced, a key in use never.
            match slot {
                Slot::Current if held != key.id => return Err(ProvisionError::KeyFileTaken { path }),
                _ => {}
            }
        }
        write(&self.folder, &path, user, key).map_err(|source| ProvisionError::KeyNotWritten {
            key: key.id.to_string(),
            path: path.clone(),
            source,
        })?;
        Ok(path.display().to_string())
    }

    fn promote(&self, user: &IamName) -> Result<String, ProvisionError> {
        let (from, to) = (self.path(user, Slot::Next), self.path(user, Slot::Current));
        match fs::rename(&from, &to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(&to)(error)),
            _ => sync(&self.folder).map_err(at(&self.folder)).map(|()| to.display().to_string()),
        }
    }

    fn forget(&self, user: &IamName, key: &KeyId) -> Result<(), ProvisionError> {
        for slot in [Slot::Current, Slot::Next] {
            if self.held(user, slot)?.as_ref() == Some(key) {
                let path = self.path(user, slot);
                fs::remove_file(&path).map_err(at(&path))?;
            }
        }
        Ok(())
    }
}

/// Whole and durable, or not there.
fn write(folder: &Path, path: &Path, user: &IamName, key: &NewKey) -> io::Result<()> {
    make_folder(folder)?;
    let temporary = path.with_extension("credentials.part");
    // A leftover of a run that was cut off.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let text = Zeroizing::new(format!(
        "[{user}]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
        key.id,
        key.secret.expose_secret()
    ));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    sync(folder)
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn sync(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    fs::File::open(folder)?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str) -> NewKey {
        NewKey { id: KeyId(id.into()), secret: SecretString::from("s3cr3t/+=") }
    }

    #[test]
    fn a_key_is_kept_for_its_owner_alone_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let files = KeyFiles::new(folder.path().join("keys"));
        let user = IamName::new("writer").unwrap();
        assert_eq!(files.held(&user, Slot::Current).unwrap(), None);
        let place = files.keep(&user, Slot::Current, &key("A")).unwrap();
        assert_eq!(place, files.path(&user, Slot::Current).display().to_string());
        let read = files.read(&user, Slot::Current).unwrap().unwrap();
        assert_eq!((read.id.0.as_str(), read.secret.expose_secret()), ("A", "s3cr3t/+="));
        assert!(matches!(files.keep(&user, Slot::Current, &key("B")), Err(ProvisionError::KeyFileTaken { .. })));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(Path::new(&place)), mode(&folder.path().join("keys"))), (0o600, 0o700));
        }
        files.keep(&user, Slot::Next, &key("B")).unwrap();
        files.promote(&user).unwrap();
        assert_eq!(files.held(&user, Slot::Current).unwrap(), Some(KeyId("B".into())));
        assert_eq!(files.held(&user, Slot::Next).unwrap(), None);
        assert!(!format!("{:?}", key("A")).contains("s3cr3t"));
    }
}
