//! `[[proxy.s3]]`: one listener of agents, and the store behind it.
//!
//! ```toml
//! [[proxy.s3]]
//! target = "lake"                       # name of the target in the policy
//! listen = "127.0.0.1:9443"
//! hosts = ["s3.gateway.example"]        # names below which hosts name buckets; path style alone if left out
//! region = "us-east-1"                  # what agents sign for
//! tls = { certificate = "tls/proxy.pem", key = "tls/proxy.key" }    # may be left out on a loopback address
//! store = { url = "https://store.example:7480", ca = "tls/store-ca.pem", access_key_id = "EXHIBIT", secret_file = "secrets/lake.secret" }
//! # in `store`, where wanted: region = "default"
//! ```
//!
//! Not here: reading the file, and the other sections.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use exhibit_startup::pem::PemError;
use hyper::Uri;
use serde::Deserialize;

use crate::signature::credential::{AccessKeyId, Region};

/// A listener and its store. Paths are relative to the file of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the target in the policy.
    pub target: String,
    /// Where agents come in.
    pub listen: SocketAddr,
    /// Our own names, below which hosts name buckets.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// The region that agents sign for.
    pub region: String,
    /// What agents see. Without it, the listener is for agents of this machine alone.
    pub tls: Option<Tls>,
    /// The store.
    pub store: Store,
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

/// The store, and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// `https://host:port`; `http://` for a loopback address alone.
    pub url: String,
    /// PEM file of the authorities that it is known by; those of the system if left out.
    pub ca: Option<PathBuf>,
    /// The region that requests to it are signed for; that of agents if left out.
    pub region: Option<String>,
    /// What the proxy is known by there.
    pub access_key_id: String,
    /// File of the secret.
    pub secret_file: PathBuf,
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The store's URL is none that is taken.
    #[error("target `{target}`: the store's `url` is https://host:port, or http://host:port of a loopback address")]
    Url {
        /// The target.
        target: String,
    },
    /// Agents of other machines would come without TLS.
    #[error("target `{target}`: `listen` is no loopback address, so `tls` has to be there")]
    Open {
        /// The target.
        target: String,
    },
    /// A region is none.
    #[error("target `{target}`: `{region}` is no region: 1 to 64 small letters, digits and `-`")]
    Region {
        /// The target.
        target: String,
        /// What was given.
        region: String,
    },
    /// A host is no name.
    #[error("target `{target}`: `{host}` in `hosts` is no host name in small letters")]
    Host {
        /// The target.
        target: String,
        /// What was given.
        host: String,
    },
    /// The access key id is none.
    #[error("target `{target}`: the store's `access_key_id` does not have 1 to 128 letters, digits, `_` and `-`")]
    AccessKeyId {
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

/// What a configuration says, read.
pub(crate) struct Checked {
    pub(crate) region: Region,
    pub(crate) store_region: Region,
    pub(crate) base: Uri,
    pub(crate) access_key_id: AccessKeyId,
}

impl Config {
    /// The same, with every path relative to `base`.
    #[must_use]
    pub fn resolved(mut self, base: &Path) -> Self {
        let own = self.tls.as_mut().map(|tls| [&mut tls.certificate, &mut tls.key]);
        let paths = own.into_iter().flatten().chain([&mut self.store.secret_file]);
        for path in paths.chain(self.store.ca.as_mut()) {
            *path = base.join(&*path);
        }
        self
    }

    /// Checks what is said.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn check(&self) -> Result<(), ConfigError> {
        self.checked().map(drop)
    }

    pub(crate) fn checked(&self) -> Result<Checked, ConfigError> {
        let target = || self.target.clone();
        let region = |text: &str| {
            Region::new(text).ok_or_else(|| ConfigError::Region {
                target: target(),
                region: text.to_owned(),
            })
        };
        let is_name = |host: &&String| {
            let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
            host.bytes().all(letters) && host.bytes().any(|byte| byte.is_ascii_lowercase())
        };
        if let Some(host) = self.hosts.iter().find(|host| !is_name(host)) {
            let host = host.clone();
            return Err(ConfigError::Host { target: target(), host });
        }
        if self.tls.is_none() && !self.listen.ip().is_loopback() {
            return Err(ConfigError::Open { target: target() });
        }
        let base: Option<Uri> = self.store.url.trim_end_matches('/').parse().ok();
        let base = base.filter(is_base);
        Ok(Checked {
            region: region(&self.region)?,
            store_region: region(self.store.region.as_ref().unwrap_or(&self.region))?,
            base: base.ok_or_else(|| ConfigError::Url { target: target() })?,
            access_key_id: AccessKeyId::new(&self.store.access_key_id)
                .ok_or_else(|| ConfigError::AccessKeyId { target: target() })?,
        })
    }
}

/// A scheme, a host, and nothing else; without TLS on this machine alone.
fn is_base(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default();
    let host = host.trim_matches(['[', ']']);
    let loopback = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    let bare = uri.path_and_query().is_none_or(|path| path.as_str() == "/")
        && uri
            .authority()
            .is_some_and(|authority| !authority.as_str().contains('@'));
    bare && match uri.scheme_str() {
        Some("https") => !host.is_empty(),
        Some("http") => loopback,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::Config;

    const SECTION: &str = r#"
target = "lake"
listen = "127.0.0.1:0"
hosts = ["s3.gateway.example"]
region = "us-east-1"
tls = { certificate = "c", key = "k" }
store = { url = "https://store.example:7480", access_key_id = "EXHIBIT", secret_file = "s" }
"#;

    fn check(from: &str, to: &str, wanted: &str) {
        assert!(SECTION.contains(from), "{from}");
        let config: Config = toml::from_str(&SECTION.replacen(from, to, 1)).unwrap();
        match config.check() {
            Ok(()) => assert_eq!(wanted, "", "{to}"),
            Err(error) => assert!(error.to_string().contains(wanted) && !wanted.is_empty(), "{error}"),
        }
    }

    #[test]
    fn a_section_is_taken_as_it_has_to_be() {
        check("lake", "lake", "");
        check("https://store.example:7480", "http://127.0.0.1:7480/", "");
        check("https://store.example:7480", "http://[::1]:7480", "");
        for url in [
            "http://store.example:7480",
            "https://store.example/path",
            "https://user@store.example",
            "ftp://127.0.0.1",
            "store.example",
        ] {
            check("https://store.example:7480", url, "the store's `url` is");
        }
        check("us-east-1", "US East", "is no region");
        check("s3.gateway.example", "127.0.0.1", "is no host name");
        check("EXHIBIT", "EX HIBIT", "access_key_id");
        let tls = "tls = { certificate = \"c\", key = \"k\" }\n";
        check(tls, "", "");
        let open = SECTION.replace(tls, "").replace("127.0.0.1:0", "0.0.0.0:0");
        let open: Config = toml::from_str(&open).unwrap();
        assert!(
            open.check()
                .is_err_and(|error| error.to_string().contains("`tls` has to be there"))
        );
    }
}
