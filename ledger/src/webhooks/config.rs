//! The `[[ledger.webhooks]]` section.
//!
//! ```toml
//! [[ledger.webhooks]]
//! name = "on-call"
//! url_file = "secrets/on-call.url"          # or `url`, where the address itself is no secret
//! secret_file = "secrets/on-call.secret"    # `whsec_…`; may be left out for Slack and Teams, whose addresses are the secret
//! shape = "generic"                         # or "slack", "teams"; generic if left out
//! statement = true                          # whether the masked statement is told; true if left out
//! ca = "tls/hooks-ca.pem"                   # who vouches for its certificate; the system's authorities if left out
//! ```

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use exhibit_startup::pem::PemError;
use hyper::Uri;
use serde::Deserialize;
use zeroize::Zeroizing;

/// Bytes of a secret, decoded (Standard Webhooks, "Signature scheme").
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// What secrets begin with (Standard Webhooks).
const SECRET_PREFIX: &str = "whsec_";

/// Whose words a notification is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// JSON of our own, documented in `docs/webhooks.md`.
    #[default]
    Generic,
    /// An incoming webhook of Slack: blocks of plain text.
    Slack,
    /// A workflow of Microsoft Teams: an adaptive card.
    Teams,
}

/// One webhook.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// What the log calls it.
    pub name: String,
    /// Where it is.
    pub url: Option<String>,
    /// A file with the address, where that is a secret.
    pub url_file: Option<PathBuf>,
    /// The file of the key that notifications are signed with.
    pub secret_file: Option<PathBuf>,
    /// What it understands.
    #[serde(default)]
    pub shape: Shape,
    /// Whether it is told the statement, as it is recorded.
    #[serde(default = "yes")]
    pub statement: bool,
    /// Who vouches for its certificate, PEM.
    pub ca: Option<PathBuf>,
}

fn yes() -> bool {
    true
}

/// Why a webhook cannot be used. No address and no secret is repeated.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The section breaks a rule.
    #[error("ledger.webhooks `{name}`: {rule}")]
    Rule {
        /// The webhook.
        name: String,
        /// The rule.
        rule: &'static str,
    },
    /// A file cannot be read.
    #[error("ledger.webhooks `{name}`: {} cannot be read: {error}", path.display())]
    File {
        /// The webhook.
        name: String,
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// Authorities cannot be read.
    #[error("ledger.webhooks `{name}`: {error}")]
    Pem {
        /// The webhook.
        name: String,
        /// What is wrong.
        error: PemError,
    },
    /// TLS cannot be set up.
    #[error("ledger.webhooks `{name}`: {error}")]
    Tls {
        /// The webhook.
        name: String,
        /// What is wrong.
        error: rustls::Error,
    },
}

impl Webhook {
    pub(crate) fn relative_to(&mut self, directory: &Path) {
        let paths = [&mut self.url_file, &mut self.secret_file, &mut self.ca];
        for path in paths.into_iter().flatten() {
            *path = directory.join(&*path);
        }
    }

    fn rule(&self, rule: &'static str) -> WebhookError {
        WebhookError::Rule {
            name: self.name.clone(),
            rule,
        }
    }

    fn text(&self, path: &Path) -> Result<Zeroizing<String>, WebhookError> {
        let text = std::fs::read_to_string(path).map_err(|error| WebhookError::File {
            name: self.name.clone(),
            path: path.to_owned(),
            error,
        })?;
        let text = Zeroizing::new(text);
        Ok(Zeroizing::new(text.trim().to_owned()))
    }

    /// Where it is: over TLS, or on this machine.
    pub(super) fn address(&self) -> Result<Uri, WebhookError> {
        let text = match (&self.url, &self.url_file) {
            (Some(url), None) => Zeroizing::new(url.clone()),
            (None, Some(path)) => self.text(path)?,
            _ => return Err(self.rule("give `url` or `url_file`, one of them")),
        };
        let uri: Uri = text.parse().map_err(|_| self.rule("its address is no URL"))?;
        let named = uri
            .authority()
            .is_some_and(|authority| !authority.as_str().contains('@'));
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let here = host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
        match uri.scheme_str() {
            Some("https") if named => Ok(uri),
            Some("http") if named && here => Ok(uri),
            _ => Err(self
                .rule("its address is an https URL without a user name (http is taken for a loopback address only)")),
        }
    }

    /// The key that its notifications are signed with.
    pub(super) fn secret(&self) -> Result<Option<Zeroizing<Vec<u8>>>, WebhookError> {
        let Some(path) = &self.secret_file else {
            return match self.shape {
                Shape::Generic => Err(self.rule("give `secret_file`: a generic notification is signed")),
                Shape::Slack | Shape::Teams => Ok(None),
            };
        };
        let text = self.text(path)?;
        let decoded = text
            .strip_prefix(SECRET_PREFIX)
            .and_then(|text| STANDARD.decode(text).ok());
        let decoded = decoded.map(Zeroizing::new);
        match decoded.filter(|bytes| SECRET_BYTES.contains(&bytes.len())) {
            Some(bytes) => Ok(Some(bytes)),
            None => Err(self.rule("its secret is `whsec_` and 24 to 64 bytes in base64 (make one with: printf 'whsec_%s' \"$(head -c 32 /dev/urandom | base64)\")")),
        }
    }
}
