//! The `[ledger]` section of `exhibit.toml`. Paths are relative to the file.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::webhooks::Webhook;

/// How a ledger runs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
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
    /// The same with its paths taken from the directory of the file that it stands in.
    #[must_use]
    pub fn relative_to(mut self, directory: &Path) -> Self {
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
        self
    }
}
