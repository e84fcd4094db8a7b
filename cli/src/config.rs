//! `exhibit.toml` as the person's tool reads it: the sections of the ledger and the proxy, and its own `[client]`.
//!
//! ```toml
//! [client]                                       # how `exhibit` reaches the ledger
//! ledger = "https://127.0.0.1:7443"
//! certificate = "tls/operator.pem"
//! key = "tls/operator.key"
//! ca = "tls/ca.pem"
//! trust = "trust.toml"                           # the log's key and its administrators
//! person = "/home/you/.ssh/id_ed25519.pub"       # the key that you read and decide with, where no argument names one
//! administrator = "administrator.key"            # only where keys are enrolled
//! ```
//!
//! Paths are relative to the file. An unknown name is refused with its line and the nearest right spelling.

use std::path::{Path, PathBuf};

use exhibit_schemas::bundle::{TrustAnchors, TrustError};
use exhibit_startup::configuration::{ConfigurationError, File};
use serde::Deserialize;

use crate::files::{self, FileError};

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file is refused.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// The file of the trust anchors cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The trust anchors are refused.
    #[error("{path}: {error}")]
    Trust {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: TrustError,
    },
}

/// How to reach the ledger.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Client {
    /// `https://HOST:PORT`.
    pub(crate) ledger: String,
    /// The client's certificate chain, PEM.
    pub(crate) certificate: PathBuf,
    /// Its private key, PEM.
    pub(crate) key: PathBuf,
    /// The authority that the ledger's certificate must be of, PEM.
    pub(crate) ca: PathBuf,
    /// The trust anchors, against which the ledger's answers are checked.
    pub(crate) trust: PathBuf,
    /// The person's key: a private key file, a public key file of a key that ssh-agent holds, or such a public key itself.
    pub(crate) person: Option<String>,
    /// The administrator's key, where keys are enrolled from here.
    pub(crate) administrator: Option<PathBuf>,
}

/// The whole file; the sections of the ledger and the proxy are read by their own crates.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    file: File,
    sections: Sections,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sections {
    client: Option<Client>,
    ledger: Option<exhibit_ledger::Config>,
    proxy: Option<exhibit_proxy::Config>,
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ConfigError::Configuration`].
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        let file = File::read(path)?;
        let sections = file.parse()?;
        Ok(Self { file, sections })
    }

    /// The file's directory, which its paths are relative to.
    pub(crate) fn directory(&self) -> &Path {
        self.file.directory()
    }

    /// How to reach the ledger, with paths that stand on their own.
    ///
    /// # Errors
    /// [`ConfigError::Configuration`] when it is missing.
    pub(crate) fn client(&self) -> Result<Client, ConfigError> {
        let client = self
            .sections
            .client
            .clone()
            .ok_or_else(|| self.file.missing("client"))?;
        let place = |path: PathBuf| self.directory().join(path);
        Ok(Client {
            ledger: client.ledger,
            certificate: place(client.certificate),
            key: place(client.key),
            ca: place(client.ca),
            trust: place(client.trust),
            person: client.person.map(|person| {
                if person.starts_with("ssh-") {
                    person
                } else {
                    place(person.into()).to_string_lossy().into_owned()
                }
            }),
            administrator: client.administrator.map(place),
        })
    }

    /// The ledger's section, with paths that stand on their own.
    ///
    /// # Errors
    /// [`ConfigError::Configuration`] when it is missing or does not fit together.
    pub(crate) fn ledger(&self) -> Result<exhibit_ledger::Config, ConfigError> {
        let ledger = self
            .sections
            .ledger
            .clone()
            .ok_or_else(|| self.file.missing("ledger"))?;
        let resolved = ledger.resolve(self.directory());
        Ok(resolved.map_err(|error| self.file.refuse(&error.place(), &error))?)
    }

    /// The proxy's section, with paths that stand on their own.
    ///
    /// # Errors
    /// [`ConfigError::Configuration`] when it is missing or does not fit together.
    pub(crate) fn proxy(&self) -> Result<exhibit_proxy::Config, ConfigError> {
        let proxy = self.sections.proxy.clone().ok_or_else(|| self.file.missing("proxy"))?;
        let resolved = proxy.resolve(self.directory());
        Ok(resolved.map_err(|error| self.file.refuse(&error.place(), &error))?)
    }

    /// The trust anchors of `[client] trust`.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub(crate) fn trust(&self) -> Result<TrustAnchors, ConfigError> {
        let path = self.client()?.trust;
        let text = files::read_text(&path)?;
        TrustAnchors::parse(&text).map_err(|error| ConfigError::Trust { path, error })
    }
}

#[cfg(test)]
mod tests;
