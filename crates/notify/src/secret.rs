//! Secrets by reference: settings say where a secret lies, never what it is.
//!
//! **Invariant:** a secret is read where it is used, right before it is used, and stands in no
//! message, error or JSON. What a setting holds instead of a reference is forgotten while it is parsed.

use std::fmt;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::process::{Call, Ended};

/// The largest secret.
const SECRET_BYTES_MAX: u64 = 64 * 1024;
/// How long a keyring may take; it may ask its user to unlock it.
const KEYRING_TIME: Duration = Duration::from_secs(20);
/// Pieces of a URL that are shorter are words, not tokens.
const PIECE_MIN: usize = 6;
/// The program that asks the keyring of a Linux desktop, and the one of macOS.
const SECRET_TOOL: &str = "secret-tool";
const SECURITY: &str = "security";

/// Where a secret lies.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretRef {
    /// `{ file = "…" }`: a file that its user alone can read; the text without the line's end.
    File(PathBuf),
    /// `{ env = "NAME" }`: a variable of the environment.
    Env(String),
    /// `{ keyring = "service/user" }`: the system's keyring.
    Keyring {
        /// Whose secret it is.
        service: String,
        /// Of which account.
        user: String,
    },
    /// The setting held the secret itself. It was forgotten; [`SecretRef::problem`] says what to do.
    Inline,
}

/// Why a secret cannot be had. Names where it should be, never what was found there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// Others can read the file.
    #[error("{path} holds a secret and others can read it: `chmod 600 {path}`")]
    Exposed {
        /// Which file.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("the secret in {path} cannot be read: {why}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// No such variable.
    #[error("the environment has no {name}: set it for this program (a service needs it in its unit file)")]
    NotSet {
        /// Which variable.
        name: String,
    },
    /// There is nothing in it.
    #[error("the secret in {at} is empty")]
    Empty {
        /// Where.
        at: String,
    },
    /// It is no text.
    #[error("the secret in {at} is no text of one piece: it has bytes that are not UTF-8, or is too long")]
    NotText {
        /// Where.
        at: String,
    },
    /// The keyring did not give it.
    #[error("the keyring did not give {at}: {why}")]
    Keyring {
        /// Service and user.
        at: String,
        /// Why, and what to do.
        why: String,
    },
    /// The setting held the secret itself.
    #[error("{INLINE}")]
    Inline,
}

const INLINE: &str = "a secret must not stand in the configuration: put it into a file of mode 0600 and write \
    { file = \"PATH\" }, or { env = \"NAME\" }, or { keyring = \"service/user\" }";

impl SecretRef {
    /// What is wrong with the reference itself. Reads nothing.
    pub fn problem(&self) -> Option<String> {
        let empty = match self {
            Self::Inline => return Some(INLINE.into()),
            Self::File(path) => path.as_os_str().is_empty(),
            Self::Env(name) => name.is_empty() || name.contains(['=', '\0']),
            Self::Keyring { service, user } => service.is_empty() || user.is_empty(),
        };
        empty.then(|| format!("{self} names nothing: a keyring's entry is \"service/user\""))
    }

    /// The same, a relative path being one below `folder`.
    pub fn under(&self, folder: &Path) -> Self {
        match self {
            Self::File(path) => Self::File(folder.join(path)),
            other => other.clone(),
        }
    }

    /// Reads it.
    pub fn read(&self) -> Result<SecretString, SecretError> {
        crate::runtime::block(self.fetch()).unwrap_or_else(|e| {
            Err(SecretError::Keyring { at: self.to_string(), why: format!("no thread for it: {e}") })
        })
    }

    pub(crate) async fn fetch(&self) -> Result<SecretString, SecretError> {
        match self {
            Self::File(path) => from_file(path),
            Self::Env(name) => match std::env::var(name) {
                Ok(text) => whole(text.into_bytes().into(), format!("${name}")),
                Err(std::env::VarError::NotPresent) => Err(SecretError::NotSet { name: name.clone() }),
                Err(std::env::VarError::NotUnicode(_)) => Err(SecretError::NotText { at: format!("${name}") }),
            },
            Self::Keyring { service, user } => from_keyring(service, user).await,
            Self::Inline => Err(SecretError::Inline),
        }
    }
}

fn from_file(path: &Path) -> Result<SecretString, SecretError> {
    let failed = |why: String| SecretError::File { path: path.to_path_buf(), why };
    // A pipe would be waited for.
    if !std::fs::metadata(path).map_err(|e| failed(e.to_string()))?.is_file() {
        return Err(failed("it is no file".into()));
    }
    let file = std::fs::File::open(path).map_err(|e| failed(e.to_string()))?;
    let facts = file.metadata().map_err(|e| failed(e.to_string()))?;
    if facts.mode() & 0o077 != 0 {
        return Err(SecretError::Exposed { path: path.to_path_buf() });
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    file.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|e| failed(e.to_string()))?;
    whole(bytes, path.display().to_string())
}

/// The text without the line's end, if it can be a secret.
fn whole(bytes: Zeroizing<Vec<u8>>, at: String) -> Result<SecretString, SecretError> {
    if bytes.len() as u64 > SECRET_BYTES_MAX {
        return Err(SecretError::NotText { at });
    }
    match std::str::from_utf8(&bytes).map(|text| text.trim_end_matches(['\n', '\r'])) {
        Ok("") => Err(SecretError::Empty { at }),
        Ok(text) if !text.contains('\0') => Ok(text.to_string().into()),
        _ => Err(SecretError::NotText { at }),
    }
}

/// Asks the program that the system brings for its keyring: no library, and it works wherever a
/// desktop's keyring does.
async fn from_keyring(service: &str, user: &str) -> Result<SecretString, SecretError> {
    let at = format!("{service}/{user}");
    let failed = |why: String| SecretError::Keyring { at: at.clone(), why };
    let argv: &[&str] = if cfg!(target_os = "macos") {
        &[SECURITY, "find-generic-password", "-w", "-s", service, "-a", user]
    } else {
        &[SECRET_TOOL, "lookup", "service", service, "username", user]
    };
    let argv: Vec<String> = argv.iter().map(|part| part.to_string()).collect();
    let call =
        Call { argv: &argv, input: &[], env: &[], limit: KEYRING_TIME, stdout_max: SECRET_BYTES_MAX as usize + 1 };
    let done = call.run(&|| false).await;
    match done.ended {
        Ended::Exit(0) => whole(done.stdout, format!("the keyring, {at}")),
        Ended::NotStarted(_) => Err(failed(format!(
            "there is no `{}`. On Debian it is in libsecret-tools; a machine without a desktop has no keyring: \
             use {{ file = \"…\" }}",
            argv[0]
        ))),
        Ended::TimedOut => Err(failed("it did not answer; it may be locked and ask on the desktop".into())),
        // Its own words could repeat what it found.
        _ => Err(failed(format!(
            "it has no such entry, or is locked, or there is no session. `secret-tool store --label=Darkslide \
             service {service} username {user}` makes one; a service without a desktop session needs {{ file = \"…\" }}"
        ))),
    }
}

impl fmt::Display for SecretRef {
    /// Where it lies.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{{ file = \"{}\" }}", path.display()),
            Self::Env(name) => write!(f, "{{ env = \"{name}\" }}"),
            Self::Keyring { service, user } => write!(f, "{{ keyring = \"{service}/{user}\" }}"),
            Self::Inline => f.write_str("(not shown)"),
        }
    }
}

impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for SecretRef {
    /// As it is written in the configuration: where, not what.
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(1))?;
        match self {
            Self::File(path) => map.serialize_entry("file", path)?,
            Self::Env(name) => map.serialize_entry("env", name)?,
            Self::Keyring { service, user } => map.serialize_entry("keyring", &format!("{service}/{user}"))?,
            Self::Inline => map.serialize_entry("file", "")?,
        }
        map.end()
    }
}

/// Reads a reference, or a text where the setting allows one.
struct Reading;

/// What stands in the file.
enum Read {
    Ref(SecretRef),
    Text(String),
}

impl<'de> Visitor<'de> for Reading {
    type Value = Read;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("where the secret lies: { file = \"PATH\" }, { env = \"NAME\" } or { keyring = \"service/user\" }")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Read, E> {
        Ok(Read::Text(text.to_string()))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Read, E> {
        Err(E::custom("a number is no secret: put it into a file of mode 0600 and write { file = \"PATH\" }"))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Read, E> {
        self.visit_i64(0)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Read, E> {
        self.visit_i64(0)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Read, A::Error> {
        let one = || de::Error::custom("exactly one of file, env and keyring is wanted");
        let key = map.next_key::<String>()?.ok_or_else(one)?;
        let value = map.next_value::<String>()?;
        if map.next_key::<String>()?.is_some() {
            return Err(one());
        }
        let found = match key.as_str() {
            "file" => SecretRef::File(value.into()),
            "env" => SecretRef::Env(value),
            "keyring" => {
                let (service, user) = value.rsplit_once('/').unwrap_or((&value, ""));
                SecretRef::Keyring { service: service.into(), user: user.into() }
            }
            _ => return Err(de::Error::unknown_field(&key, &["file", "env", "keyring"])),
        };
        Ok(Read::Ref(found))
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    /// A text is taken for the secret itself and forgotten: an error at this place would show its
    /// line of the file.
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(match d.deserialize_any(Reading)? {
            Read::Ref(found) => found,
            Read::Text(text) => {
                drop(Zeroizing::new(text));
                Self::Inline
            }
        })
    }
}

/// A setting that may carry a secret, such as a URL with a token in it: as it stands, or by
/// reference. Neither is ever shown.
#[derive(Clone, PartialEq, Eq)]
pub enum MaybeSecret {
    /// As it stands in the configuration.
    Plain(String),
    /// Somewhere else.
    Ref(SecretRef),
}

impl MaybeSecret {
    /// What is wrong with it as far as one can tell without reading it.
    pub fn problem(&self) -> Option<String> {
        match self {
            Self::Plain(text) if text.is_empty() => Some("it is empty".into()),
            Self::Plain(_) => None,
            Self::Ref(place) => place.problem(),
        }
    }

    /// The same, a relative path being one below `folder`.
    pub fn under(&self, folder: &Path) -> Self {
        match self {
            Self::Plain(text) => Self::Plain(text.clone()),
            Self::Ref(place) => Self::Ref(place.under(folder)),
        }
    }

    pub(crate) async fn fetch(&self) -> Result<SecretString, SecretError> {
        match self {
            Self::Plain(text) => Ok(text.clone().into()),
            Self::Ref(place) => place.fetch().await,
        }
    }
}

impl From<&str> for MaybeSecret {
    fn from(text: &str) -> Self {
        Self::Plain(text.into())
    }
}

impl From<SecretRef> for MaybeSecret {
    fn from(place: SecretRef) -> Self {
        Self::Ref(place)
    }
}

impl fmt::Debug for MaybeSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(_) => f.write_str("(not shown)"),
            Self::Ref(place) => fmt::Debug::fmt(place, f),
        }
    }
}

impl Serialize for MaybeSecret {
    /// For showing: what stands in the configuration is left out.
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(_) => s.serialize_str("(not shown)"),
            Self::Ref(place) => place.serialize(s),
        }
    }
}

impl<'de> Deserialize<'de> for MaybeSecret {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(match d.deserialize_any(Reading)? {
            Read::Ref(found) => Self::Ref(found),
            Read::Text(text) => Self::Plain(text),
        })
    }
}

/// Whatever must not be seen, in each form in which a server or a program could give it back.
#[derive(Default)]
pub(crate) struct Blanks(Vec<Zeroizing<String>>);

impl Blanks {
    /// From here on this is blanked.
    pub(crate) fn hide(&mut self, secret: &SecretString) {
        self.hide_text(secret.expose_secret());
    }

    pub(crate) fn hide_text(&mut self, text: &str) {
        use base64::Engine as _;
        if text.is_empty() {
            return;
        }
        let quoted = serde_json::to_string(text).unwrap_or_default();
        let forms = [
            text.to_string(),
            percent(text),
            quoted.trim_matches('"').to_string(),
            base64::engine::general_purpose::STANDARD.encode(text),
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text),
        ];
        self.0.extend(forms.into_iter().map(Zeroizing::new));
        // Longer ones first: a part must not uncover the rest.
        self.0.sort_by_key(|form| std::cmp::Reverse(form.len()));
    }

    /// What of a URL may be secret: everything but scheme and host, and its pieces that are long
    /// enough to mean something.
    pub(crate) fn hide_url(&mut self, url: &reqwest::Url) {
        self.hide_text(url.as_str());
        let path = url.path().trim_matches('/');
        let pieces = [path, url.query().unwrap_or_default(), url.username()].into_iter().chain(path.split('/'));
        pieces.filter(|piece| piece.len() >= PIECE_MIN).for_each(|piece| self.hide_text(piece));
        url.query_pairs().filter(|(_, value)| value.len() >= PIECE_MIN).for_each(|(_, value)| self.hide_text(&value));
        self.hide_text(url.password().unwrap_or_default());
    }

    /// The text with everything hidden blanked.
    pub(crate) fn blank(&self, text: &str) -> String {
        let mut text = text.to_string();
        for form in &self.0 {
            if text.contains(form.as_str()) {
                text = text.replace(form.as_str(), "…");
            }
        }
        text
    }
}

impl Blanks {
    /// A line of a stranger's text with everything hidden blanked.
    pub(crate) fn told(&self, text: &str, bytes_max: usize) -> String {
        crate::tidy(&self.blank(text), bytes_max)
    }
}

fn percent(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().fold(String::new(), |mut out, byte| {
        match plain(byte) {
            true => out.push(byte as char),
            false => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}
