//! E-mail over SMTP.

use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use secrecy::ExposeSecret as _;

use crate::channel::Letter;
use crate::failure::Failure;
use crate::secret::{Blanks, SecretRef};

/// The longest mail.
const BYTES_MAX: usize = 200_000;

/// A mailbox and the server that takes mail for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    /// Name of the server.
    pub host: String,
    /// Port; 587, 465 or 25 by `encryption` where none is set.
    pub port: Option<u16>,
    /// How the way there is sealed.
    pub encryption: Encryption,
    /// User and password.
    pub login: Option<(String, SecretRef)>,
    /// Sender.
    pub from: String,
    /// Receivers.
    pub to: Vec<String>,
    /// Certificates of one's own authority, in PEM.
    pub ca: Option<PathBuf>,
}

/// How the way to a server is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encryption {
    /// Plain at first, then TLS; never goes on without it.
    #[default]
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// Not at all: for a server on this machine.
    None,
}

impl Email {
    /// What is wrong with it, as far as one can tell without asking the server.
    pub fn problem(&self) -> Option<String> {
        if self.host.is_empty() || self.host.contains(['/', ' ', ':']) {
            return Some(format!("host = `{}` is no name of a server", crate::tidy(&self.host, 80)));
        }
        let bad = |text: &&String| text.parse::<Mailbox>().is_err();
        if let Some(text) = std::iter::once(&self.from).chain(&self.to).find(bad) {
            return Some(format!("`{}` is no address such as `me@example.org`", crate::tidy(text, 80)));
        }
        if self.to.is_empty() {
            return Some("`to` names nobody".into());
        }
        let near = matches!(self.host.as_str(), "localhost" | "127.0.0.1" | "::1");
        let bare = self.login.is_some() && self.encryption == Encryption::None && !near;
        bare.then(|| "a password never travels unsealed: tls = \"starttls\" or \"tls\"".into())
    }

    pub(crate) async fn send(&self, letter: &Letter<'_>, limit: Duration, blanks: &mut Blanks) -> Result<(), Failure> {
        if let Some(problem) = self.problem() {
            return Err(Failure::lasting(problem));
        }
        let mail = self.mail(letter)?;
        let port = self.port.unwrap_or(match self.encryption {
            Encryption::StartTls => 587,
            Encryption::Tls => 465,
            Encryption::None => 25,
        });
        let mut server = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&self.host)
            .port(port)
            .timeout(Some(limit))
            .tls(self.tls()?);
        if let Some((user, password)) = &self.login {
            let password = password.fetch().await?;
            blanks.hide(&password);
            blanks.hide_text(&format!("\0{user}\0{}", password.expose_secret()));
            server = server.credentials(Credentials::new(user.clone(), password.expose_secret().to_string()));
        }
        server.build().send(mail).await.map(drop).map_err(|error| self.failure(port, &error, blanks))
    }

    fn tls(&self) -> Result<Tls, Failure> {
        if self.encryption == Encryption::None {
            return Ok(Tls::None);
        }
        let mut parameters = TlsParameters::builder(self.host.clone());
        if let Some(path) = &self.ca {
            let bad = |why: String| Failure::lasting(format!("ca = {}: {why}", path.display()));
            let pem = std::fs::read(path).map_err(|e| bad(e.to_string()))?;
            let certificate = Certificate::from_pem(&pem).map_err(|e| bad(e.to_string()))?;
            parameters = parameters.add_root_certificate(certificate);
        }
        let parameters = parameters.build().map_err(|e| Failure::lasting(format!("TLS cannot be set up: {e}")))?;
        Ok(match self.encryption {
            Encryption::Tls => Tls::Wrapper(parameters),
            _ => Tls::Required(parameters),
        })
    }

    fn mail(&self, letter: &Letter<'_>) -> Result<lettre::Message, Failure> {
        let message = letter.message;
        let address = |text: &String| -> Result<Mailbox, Failure> {
            text.parse().map_err(|e| Failure::lasting(format!("`{text}` is no address: {e}")))
        };
        let from = address(&self.from)?;
        let domain = from.email.domain().to_string();
        let seconds = u64::try_from(message.time.seconds()).unwrap_or_default();
        let mut mail: MessageBuilder = lettre::Message::builder()
            .from(from)
            .subject(&message.title)
            .date(UNIX_EPOCH + Duration::from_secs(seconds))
            // The same in each attempt: mail programs show it once.
            .message_id(Some(format!("<{}@{domain}>", message.id())))
            // Nobody is away to a program.
            .raw_header(raw("Auto-Submitted", "auto-generated"))
            .raw_header(raw("X-Darkslide-Event", message.kind.word()));
        for to in &self.to {
            mail = mail.to(address(to)?);
        }
        let body = format!("{}\n\n-- \nDarkslide on {}\n", letter.body(), message.machine);
        let body = crate::cut(&body, BYTES_MAX).to_string();
        mail.header(ContentType::TEXT_PLAIN).body(body).map_err(|e| Failure::lasting(format!("no mail: {e}")))
    }

    fn failure(&self, port: u16, error: &lettre::transport::smtp::Error, blanks: &Blanks) -> Failure {
        let mut why = error.to_string();
        let mut inner = std::error::Error::source(error);
        while let Some(cause) = inner {
            let text = cause.to_string();
            if !why.contains(&text) {
                why = format!("{why}: {text}");
            }
            inner = cause.source();
        }
        let why = format!("{}:{port}: {}", self.host, blanks.told(&why, 300));
        let lasting = error.is_permanent() || error.is_client() || error.is_tls() || why.contains("certificate");
        match lasting {
            false => Failure::passing(why),
            true if why.contains("certificate") => {
                Failure::lasting(format!("{why}; for a certificate authority of your own set `ca`"))
            }
            true => Failure::lasting(why),
        }
    }
}

fn raw(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_string())
}
