//! `[[proxy.postgres]]`: one listener of agents, and the server behind it.
//!
//! ```toml
//! [[proxy.postgres]]
//! target = "clinic"               # name of the target in the policy
//! listen = "127.0.0.1:6432"
//! tls = { certificate = "tls/proxy.pem", key = "tls/proxy.key" }
//! server = { host = "127.0.0.1", port = 5432, user = "exhibit", password_file = "secrets/clinic.password", tls = "verify-full", ca = "tls/pg-ca.pem" }
//! masking = "database"            # what `exhibit target apply` installed masks; "proxy", the proxy itself, when absent
//! # in `server`, where wanted: database = "clinic", channel_binding = "require" (or "prefer", "disable")
//! ```
//!
//! Not here: reading the file, and the other sections.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use exhibit_startup::pem::PemError;
use serde::Deserialize;

/// A listener and its server. Paths are relative to the file of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the target in the policy.
    pub target: String,
    /// Where agents come in.
    pub listen: SocketAddr,
    /// What agents see.
    pub tls: Tls,
    /// The server.
    pub server: Server,
    /// Who masks; the proxy when absent.
    #[serde(default)]
    pub masking: Masking,
}

/// Who masks what the policy says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Masking {
    /// The proxy, where it can prove that masks reach every masked column of a reply; it refuses everything else.
    #[default]
    Proxy,
    /// The database, by what [`crate::enforce`] installed; a session is refused where that is not as it has to be.
    Database,
}

/// The certificate that agents see.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// PEM file of the chain, own certificate first.
    pub certificate: PathBuf,
    /// PEM file of its key.
    pub key: PathBuf,
}

/// The server, and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The only database that agents may name; any when absent.
    pub database: Option<String>,
    /// The role that the proxy acts as.
    pub user: String,
    /// File of its password.
    pub password_file: PathBuf,
    /// How the server is known.
    pub tls: ServerTls,
    /// PEM file of the authorities that it is known by.
    pub ca: Option<PathBuf>,
    /// Whether the proof of the password is bound to the TLS channel; `prefer` when absent.
    #[serde(default)]
    pub channel_binding: ChannelBinding,
}

/// Whether the proof of the password is bound to the TLS channel (SCRAM-SHA-256-PLUS, `tls-server-end-point`), so that it
/// is worth nothing to somebody between the proxy and the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelBinding {
    /// Always.
    Require,
    /// Where there is TLS and the server offers it. A server that offers it finds out when somebody hid that.
    #[default]
    Prefer,
    /// Never: for servers whose certificate no binding is defined for, such as one signed with Ed25519.
    Disable,
}

/// How the server is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServerTls {
    /// By a certificate of `ca` for its name.
    VerifyFull,
    /// By a certificate of `ca`.
    VerifyCa,
    /// Not at all; taken for loopback addresses only.
    Off,
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// TLS is off for a server that is not on this machine.
    #[error("target `{target}`: tls = \"off\" is taken only for a loopback address, not for `{host}`")]
    Plain {
        /// The target.
        target: String,
        /// The server's host.
        host: String,
    },
    /// `ca` is missing, or there although TLS is off.
    #[error("target `{target}`: give `ca` exactly when tls is verify-full or verify-ca")]
    Authority {
        /// The target.
        target: String,
    },
    /// There is no channel to bind to.
    #[error("target `{target}`: channel_binding = \"require\" needs TLS, which is off")]
    Binding {
        /// The target.
        target: String,
    },
    /// A file cannot be read.
    #[error("target `{target}`: {} cannot be read: {error}", path.display())]
    File {
        /// The target.
        target: String,
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file of certificates or keys that is refused.
    #[error("target `{target}`: {error}")]
    Pem {
        /// The target.
        target: String,
        /// Why.
        error: PemError,
    },
    /// Certificates or keys that cannot be used.
    #[error("target `{target}`: {} does not hold what TLS needs: {reason}", path.display())]
    Tls {
        /// The target.
        target: String,
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The address cannot be listened on.
    #[error("target `{target}`: cannot listen on {address}: {error}")]
    Listen {
        /// The target.
        target: String,
        /// The address.
        address: SocketAddr,
        /// Why.
        error: std::io::Error,
    },
}

impl Config {
    /// The same, with every path relative to `base`.
    #[must_use]
    pub fn resolved(mut self, base: &Path) -> Self {
        let paths = [
            &mut self.tls.certificate,
            &mut self.tls.key,
            &mut self.server.password_file,
        ];
        for path in paths.into_iter().chain(self.server.ca.as_mut()) {
            *path = base.join(&*path);
        }
        self
    }

    /// Checks what fits together.
    ///
    /// # Errors
    /// [`ConfigError::Plain`], [`ConfigError::Authority`], [`ConfigError::Binding`].
    pub fn check(&self) -> Result<(), ConfigError> {
        let target = self.target.clone();
        let Server { host, tls, ca, .. } = &self.server;
        let loopback = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        match tls {
            ServerTls::Off if !loopback => Err(ConfigError::Plain {
                target,
                host: host.clone(),
            }),
            ServerTls::Off if self.server.channel_binding == ChannelBinding::Require => {
                Err(ConfigError::Binding { target })
            }
            ServerTls::Off if ca.is_some() => Err(ConfigError::Authority { target }),
            ServerTls::VerifyFull | ServerTls::VerifyCa if ca.is_none() => Err(ConfigError::Authority { target }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use ChannelBinding::{Disable, Prefer, Require};
    use ServerTls::{Off, VerifyCa, VerifyFull};

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let check = |host: &str, tls: ServerTls, authority: bool, channel_binding: ChannelBinding, taken: bool| {
            let config = Config {
                target: "clinic".to_owned(),
                listen: SocketAddr::from(([127, 0, 0, 1], 0)),
                tls: Tls {
                    certificate: "c".into(),
                    key: "k".into(),
                },
                server: Server {
                    host: host.to_owned(),
                    port: 5432,
                    database: None,
                    user: "exhibit".to_owned(),
                    password_file: "p".into(),
                    tls,
                    ca: authority.then(|| "ca".into()),
                    channel_binding,
                },
                masking: Masking::default(),
            };
            assert_eq!(config.check().is_ok(), taken, "{:?}", config.server);
        };
        check("db.example", VerifyFull, true, Require, true);
        check("db.example", VerifyCa, true, Prefer, true);
        check("db.example", VerifyFull, false, Prefer, false);
        check("db.example", Off, false, Disable, false);
        check("127.0.0.1", Off, false, Prefer, true);
        check("127.0.0.1", Off, true, Prefer, false);
        check("localhost", Off, false, Require, false);
    }
}
