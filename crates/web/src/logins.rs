//! Who may log in: a file of mode 0600 in the state folder, with a hash for each password (Argon2)
//! and each token (BLAKE3: a token is random, nobody guesses it).
//!
//! **Invariant:** neither a password nor a token stands in it, and none is ever shown again.

use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use argon2::password_hash::SaltString;
use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordHasher as _, PasswordVerifier as _, Version};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use darkslide_engine::words::{OsRng, Rng as _};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::WebError;

/// The shortest password, in characters.
const PASSWORD_MIN: usize = 10;
/// The longest, in bytes: hashing is work.
pub const PASSWORD_MAX: usize = 1024;
/// What Argon2 takes: 19 MiB, two passes, as OWASP recommends at the least.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
/// So that a token is known as one when it is found somewhere.
const TOKEN_PREFIX: &str = "darkslide-";

/// What somebody who is logged in may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look.
    Reader,
    /// Whatever the page can do.
    Operator,
}

impl Role {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Operator => "operator",
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    name: String,
    role: Role,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Doc {
    login: Vec<Login>,
}

/// A login in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoginInfo {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// True if it is a token, not a password.
    pub is_token: bool,
}

/// The file.
#[derive(Debug)]
pub struct Logins {
    path: PathBuf,
    all: Vec<Login>,
}

fn argon2() -> Result<Argon2<'static>, argon2::Error> {
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(MEMORY_KIB, PASSES, 1, None)?))
}

fn token_hash(token: &str) -> String {
    blake3::hash(token.as_bytes()).to_hex().to_string()
}

impl Logins {
    /// Reads the file of a state folder; there may be none yet.
    pub fn load(state: &Path) -> Result<Self, WebError> {
        let path = state.join("serve-logins.json");
        let bad = |why: String| WebError::Logins { path: path.clone(), why };
        let io = |source| WebError::Io { what: "reading the logins in", path: path.clone(), source };
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Self { path, all: Vec::new() }),
            Err(e) => return Err(io(e)),
        };
        if std::fs::metadata(&path).map_err(io)?.mode() & 0o077 != 0 {
            return Err(bad(format!("others can read it: `chmod 600 {}`", path.display())));
        }
        let doc: Doc = serde_json::from_slice(&bytes).map_err(|e| bad(e.to_string()))?;
        Ok(Self { path, all: doc.login })
    }

    /// All of them.
    pub fn list(&self) -> Vec<LoginInfo> {
        let of =
            |login: &Login| LoginInfo { name: login.name.clone(), role: login.role, is_token: login.token.is_some() };
        self.all.iter().map(of).collect()
    }

    /// Sets somebody's password; the login of that name is replaced.
    pub fn set_password(&mut self, name: &str, role: Role, password: &str) -> Result<(), WebError> {
        let long = password.chars().count();
        if long < PASSWORD_MIN || password.len() > PASSWORD_MAX {
            return Err(WebError::ShortPassword(long));
        }
        let bad = |why: String| WebError::Logins { path: self.path.clone(), why };
        let salt = SaltString::encode_b64(&OsRng.bytes::<16>()).map_err(|e| bad(e.to_string()))?;
        let hasher = argon2().map_err(|e| bad(e.to_string()))?;
        let hash = hasher.hash_password(password.as_bytes(), &salt).map_err(|e| bad(e.to_string()))?.to_string();
        self.put(Login { name: name.to_string(), role, password: Some(hash), token: None })
    }

    /// Makes a token; the login of that name is replaced. It is not kept anywhere.
    pub fn make_token(&mut self, name: &str, role: Role) -> Result<Zeroizing<String>, WebError> {
        let secret = Zeroizing::new(OsRng.bytes::<32>());
        let token = Zeroizing::new(format!("{TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(secret.as_slice())));
        self.put(Login { name: name.to_string(), role, password: None, token: Some(token_hash(&token)) })?;
        Ok(token)
    }

    /// Takes a login away; false if there is none of that name.
    pub fn remove(&mut self, name: &str) -> Result<bool, WebError> {
        let before = self.all.len();
        self.all.retain(|login| login.name != name);
        self.save()?;
        Ok(self.all.len() < before)
    }

    fn put(&mut self, login: Login) -> Result<(), WebError> {
        self.all.retain(|known| known.name != login.name);
        self.all.push(login);
        self.save()
    }

    fn save(&self) -> Result<(), WebError> {
        let io = |source| WebError::Io { what: "writing the logins to", path: self.path.clone(), source };
        let text = serde_json::to_vec_pretty(&Doc { login: self.all.clone() }).map_err(|e| io(e.into()))?;
        let new = self.path.with_extension("new");
        let _ = std::fs::remove_file(&new);
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new).map_err(io)?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(io)?;
        std::fs::rename(&new, &self.path).map_err(io)
    }

    /// Whose token it is.
    pub fn token(&self, token: &str) -> Option<(String, Role)> {
        let hash = token_hash(token);
        let is = |login: &&Login| {
            login.token.as_ref().is_some_and(|known| bool::from(known.as_bytes().ct_eq(hash.as_bytes())))
        };
        self.all.iter().find(is).map(|login| (login.name.clone(), login.role))
    }

    /// Whose password, or token, it is. Takes as long for a name that does not exist.
    pub fn secret(&self, name: &str, secret: &str) -> Option<(String, Role)> {
        if secret.starts_with(TOKEN_PREFIX) {
            return self.token(secret);
        }
        let hasher = argon2().ok()?;
        let known = self.all.iter().find(|login| login.name == name && login.password.is_some());
        let hash = known.and_then(|login| login.password.as_deref()).unwrap_or(NOBODY);
        let hash = PasswordHash::new(hash).ok()?;
        let is = secret.len() <= PASSWORD_MAX && hasher.verify_password(secret.as_bytes(), &hash).is_ok();
        known.filter(|_| is).map(|login| (login.name.clone(), login.role))
    }
}

/// A hash that no password has: for names that do not exist.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_kept_as_hashes_that_only_their_user_can_read() {
        let state = tempfile::tempdir().unwrap();
        let mut logins = Logins::load(state.path()).unwrap();
        logins.set_password("anna", Role::Operator, "a long password").unwrap();
        let token = logins.make_token("screen", Role::Reader).unwrap();
        let path = state.path().join("serve-logins.json");
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("a long password") && !text.contains(token.as_str()));
        let logins = Logins::load(state.path()).unwrap();
        assert_eq!(logins.secret("anna", "a long password"), Some(("anna".into(), Role::Operator)));
        assert_eq!(logins.secret("anna", "a wrong password"), None);
        assert_eq!(logins.secret("berta", "a long password"), None);
        assert_eq!(logins.secret("screen", ""), None);
        assert_eq!(logins.secret("", &token), Some(("screen".into(), Role::Reader)));
        assert_eq!(logins.token("darkslide-x"), None);
        assert!(PasswordHash::new(NOBODY).is_ok(), "a name that does not exist costs as much time");
    }

    #[test]
    fn what_is_short_or_exposed_is_refused() {
        let state = tempfile::tempdir().unwrap();
        let mut logins = Logins::load(state.path()).unwrap();
        assert!(matches!(logins.set_password("a", Role::Reader, "short"), Err(WebError::ShortPassword(5))));
        logins.make_token("a", Role::Reader).unwrap();
        assert!(logins.remove("a").unwrap() && !logins.remove("a").unwrap());
        use std::os::unix::fs::PermissionsExt as _;
        let path = state.path().join("serve-logins.json");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Logins::load(state.path()).unwrap_err().to_string().contains("chmod 600"));
    }
}
