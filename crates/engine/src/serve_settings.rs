//! `[serve]` of `darkslide.toml`: the web page, and who may see it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use darkslide_notify::{SecretError, SecretRef};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::Settings;
use crate::job_settings::Span;

/// Where the page listens unless told otherwise.
const LISTEN: &str = "127.0.0.1:7373";

/// The web page. With this table the daemon serves it too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServeSettings {
    /// Address and port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
    /// Names by which browsers know this machine, beside the address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// A chain of certificates in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// Its key in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// True where a proxy on this machine speaks TLS with the browsers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub behind_proxy: bool,
    /// What whoever reads `/metrics` has to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics_token: Option<SecretRef>,
    /// How long a login lasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_for: Option<Span>,
    /// What opens photographs for whoever is logged in as an operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<PathBuf>,
    /// Its passphrase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passphrase_file: Option<PathBuf>,
    /// How long what was counted about copies is told before it is counted again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count_every: Option<Span>,
}

impl ServeSettings {
    /// Where to listen.
    pub fn address(&self) -> Result<SocketAddr, String> {
        let text = self.listen.as_deref().unwrap_or(LISTEN);
        text.parse().map_err(|_| format!("[serve] listen = `{text}` is no address and port such as `{LISTEN}`"))
    }

    /// How long a login lasts: 12 hours unless told otherwise.
    pub fn login_for(&self) -> Duration {
        self.login_for.as_ref().map_or(Duration::from_secs(12 * 3600), |span| span.time)
    }

    /// How long a count of copies is told: 6 hours unless told otherwise.
    pub fn count_every(&self) -> Duration {
        self.count_every.as_ref().map_or(Duration::from_secs(6 * 3600), |span| span.time)
    }

    /// The token of `/metrics`, read anew: it may have been changed.
    pub fn metrics_token(&self, settings: &Settings) -> Result<Option<SecretString>, SecretError> {
        let folder = settings.path.parent().unwrap_or(Path::new("."));
        self.metrics_token.as_ref().map(|reference| reference.under(folder).read()).transpose()
    }

    /// What is wrong with it.
    pub fn problem(&self) -> Option<String> {
        let address = match self.address() {
            Ok(address) => address,
            Err(problem) => return Some(problem),
        };
        if self.certificate.is_some() != self.key.is_some() {
            return Some("[serve] has one of `certificate` and `key`: TLS needs both".into());
        }
        if let Some(problem) = self.metrics_token.as_ref().and_then(SecretRef::problem) {
            return Some(format!("[serve] metrics_token: {problem}"));
        }
        if self.passphrase_file.is_some() && self.identity.is_none() {
            return Some("[serve] has a `passphrase_file` and no `identity` that it opens".into());
        }
        let is_open = !address.ip().is_loopback() && self.certificate.is_none();
        is_open.then(|| {
            format!(
                "[serve] listen = `{address}` is reached from outside, and passwords would travel in the clear: set \
                 `certificate` and `key`, or listen on 127.0.0.1 with a proxy that speaks TLS before it"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> Option<String> {
        toml::from_str::<ServeSettings>(text).unwrap().problem()
    }

    #[test]
    fn by_default_only_this_machine_reaches_it() {
        let plain = ServeSettings::default();
        assert!(plain.address().unwrap().ip().is_loopback());
        assert_eq!(plain.problem(), None);
    }

    #[test]
    fn passwords_never_travel_in_the_clear() {
        assert!(problem("listen = \"0.0.0.0:80\"").unwrap().contains("in the clear"));
        assert_eq!(problem("listen = \"0.0.0.0:443\"\ncertificate = \"a\"\nkey = \"b\""), None);
        assert_eq!(problem("listen = \"[::1]:80\"\nbehind_proxy = true"), None);
        assert!(problem("certificate = \"a\"").unwrap().contains("needs both"));
        assert!(problem("listen = \"here\"").unwrap().contains("no address"));
        assert!(problem("metrics_token = \"abc\"").unwrap().contains("must not stand in the configuration"));
        assert!(problem("passphrase_file = \"a\"").unwrap().contains("identity"));
    }
}
