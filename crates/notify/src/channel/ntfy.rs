//! ntfy: a push to a telephone, by ntfy.sh or a server of one's own.

use std::path::PathBuf;

use base64::Engine as _;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use crate::channel::Letter;
use crate::failure::Failure;
use crate::http;
use crate::message::{Kind, Severity};
use crate::secret::{Blanks, MaybeSecret, SecretRef};

/// The server where none is named.
pub const SERVER: &str = "https://ntfy.sh";
/// What ntfy takes as a message; more it turns into an attachment.
const BYTES_MAX: usize = 4000;

/// A topic of an ntfy server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ntfy {
    /// The server; [`SERVER`] where none is named.
    pub server: Option<MaybeSecret>,
    /// The topic. On a public server whoever knows it reads along.
    pub topic: MaybeSecret,
    /// From 1 to 5; by severity where none is set.
    pub priority: Option<u8>,
    /// Tags; by kind where none are set.
    pub tags: Vec<String>,
    /// Access token.
    pub token: Option<SecretRef>,
    /// Or user and password.
    pub login: Option<(String, SecretRef)>,
    /// Certificates of one's own authority, in PEM.
    pub ca: Option<PathBuf>,
}

impl Ntfy {
    pub(crate) async fn send(&self, letter: &Letter<'_>, blanks: &mut Blanks) -> Result<(), Failure> {
        let server = self.server.clone().unwrap_or_else(|| SERVER.into());
        let url = http::address(&server, blanks).await?;
        let topic = self.topic.fetch().await?;
        blanks.hide(&topic);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(token) = &self.token {
            let token = token.fetch().await?;
            blanks.hide(&token);
            let bearer = SecretString::from(format!("Bearer {}", token.expose_secret()));
            http::header(&mut headers, "authorization", &bearer)?;
        } else if let Some((user, password)) = &self.login {
            let password = password.fetch().await?;
            blanks.hide(&password);
            let both = SecretString::from(format!("{user}:{}", password.expose_secret()));
            let both = base64::engine::general_purpose::STANDARD.encode(both.expose_secret());
            blanks.hide_text(&both);
            http::header(&mut headers, "authorization", &SecretString::from(format!("Basic {both}")))?;
        }
        let message = letter.message;
        // As JSON to the root: headers would not carry every letter of a title.
        let body = json!({
            "topic": topic.expose_secret(),
            "title": message.title,
            "message": crate::cut(&letter.body(), BYTES_MAX),
            "priority": self.priority.unwrap_or_else(|| priority(message.severity)),
            "tags": if self.tags.is_empty() { vec![tag(message.kind).to_string()] } else { self.tags.clone() },
        });
        let body = body.to_string().into_bytes();
        http::post(&http::client(self.ca.as_deref())?, &url, headers, body, blanks).await
    }
}

/// ntfy's scale: 3 is its default, 4 rings through most quiet hours.
fn priority(severity: Severity) -> u8 {
    match severity {
        Severity::Failure => 4,
        Severity::Warning => 3,
        Severity::Info => 2,
    }
}

/// Names of emoji that ntfy puts before the title.
fn tag(kind: Kind) -> &'static str {
    match kind {
        Kind::Failure | Kind::NoBackupFor => "rotating_light",
        Kind::Warning | Kind::CutOff => "warning",
        Kind::Finished | Kind::Recovered | Kind::CardSafe => "white_check_mark",
        Kind::Stopped => "pause_button",
        Kind::ThawReady => "ice_cube",
        Kind::Test => "wave",
    }
}
