//! The `[ledger]` section of `exhibit.toml`. Paths are relative to the file.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use exhibit_identity::oidc;
use exhibit_startup::configuration::Step;
use serde::Deserialize;

use crate::readers::Readers;
use crate::webhooks::Webhook;

/// How a ledger runs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The log's name, as genesis says.
    pub origin: String,
    /// Where the store, `log.key` and `ledger.key` are.
    pub directory: PathBuf,
    /// Address of the HTTPS API.
    pub listen: SocketAddr,
    /// Its certificate, and whose client certificates are taken.
    pub tls: Tls,
    /// Who is told that an approval waits.
    #[serde(default)]
    pub webhooks: Vec<Webhook>,
    /// Who may read; nobody where there is none.
    #[serde(default)]
    pub readers: Vec<Readers>,
    /// Whose tokens are taken from readers.
    #[serde(default)]
    pub oidc: Vec<oidc::Config>,
}

/// Why a section is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// An issuer is refused.
    #[error("ledger.oidc: {error}")]
    Issuer {
        /// Which, from 0.
        place: usize,
        /// Why.
        error: oidc::ConfigError,
    },
    /// Readers are named of nobody, or of an issuer whose tokens are not taken.
    #[error("ledger.readers: {rule}")]
    Readers {
        /// Which, from 0.
        place: usize,
        /// Why.
        rule: &'static str,
    },
}

impl ConfigError {
    /// Where the fault is in the file that holds the section.
    pub fn place(&self) -> [Step; 3] {
        let (section, element) = match self {
            Self::Issuer { place, .. } => ("oidc", *place),
            Self::Readers { place, .. } => ("readers", *place),
        };
        [Step::Key("ledger"), Step::Key(section), Step::Element(element)]
    }
}

/// The files of mutual TLS, all PEM.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The server's certificate chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authority that every client certificate must be of.
    pub client_ca: PathBuf,
}

impl Config {
    /// Makes every path relative to the directory of the file that it stands in, and checks what fits together.
    ///
    /// # Errors
    /// [`ConfigError`] for the first fault.
    pub fn resolve(mut self, directory: &Path) -> Result<Self, ConfigError> {
        for path in [
            &mut self.directory,
            &mut self.tls.certificate,
            &mut self.tls.key,
            &mut self.tls.client_ca,
        ] {
            *path = directory.join(&*path);
        }
        for webhook in &mut self.webhooks {
            webhook.relative_to(directory);
        }
        let issuers = self.oidc.into_iter().enumerate();
        self.oidc = issuers
            .map(|(place, issuer)| {
                let resolved = issuer.resolved(directory);
                resolved.map_err(|error| ConfigError::Issuer { place, error })
            })
            .collect::<Result<_, _>>()?;
        for (place, readers) in self.readers.iter().enumerate() {
            readers
                .check(&self.oidc)
                .map_err(|rule| ConfigError::Readers { place, rule })?;
        }
        Ok(self)
    }
}
