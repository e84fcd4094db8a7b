//! The `[proxy]` section of `exhibit.toml`: unknown keys are refused, paths are relative to the file.
//!
//! ```toml
//! [proxy]
//! directory = "proxy"             # proxy.key, digest.key, mask.key, credentials.key, and the link's state
//! policy = "policy.toml"
//! api_keys = "api-keys.toml"
//! trust = "trust.toml"
//! ledger = { url = "https://127.0.0.1:7443", certificate = "tls/proxy.pem", key = "tls/proxy.key", ca = "tls/ca.pem" }
//!
//! [[proxy.oidc]]                  # whose tokens are taken; see `exhibit_identity::oidc`
//! issuer = "https://token.actions.githubusercontent.com"
//! audience = ["https://exhibit.clinic.example"]
//! claims = "github-actions"
//!
//! [[proxy.aws]]                   # which callers of AWS are taken; see `exhibit_identity::aws`
//! region = "eu-central-1"
//! audience = "https://exhibit.clinic.example"
//! accounts = ["123456789012"]
//!
//! [[proxy.certificates]]          # whose client certificates are taken; see `exhibit_identity::certificate`
//! name = "build"
//! ca = "tls/agents-ca.pem"
//!
//! [[proxy.postgres]]
//! target = "clinic"
//! listen = "127.0.0.1:6432"
//! tls = { certificate = "tls/proxy.pem", key = "tls/proxy.key" }
//! server = { host = "127.0.0.1", port = 5432, user = "exhibit", password_file = "secrets/clinic.password", tls = "off" }
//!
//! [[proxy.s3]]
//! target = "lake"
//! listen = "127.0.0.1:9443"
//! region = "us-east-1"
//! tls = { certificate = "tls/proxy.pem", key = "tls/proxy.key" }
//! store = { url = "http://127.0.0.1:7480", access_key_id = "EXHIBIT", secret_file = "secrets/lake.secret" }
//! ```
//!
//! Not here: reading the files that it names.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use exhibit_startup::configuration::Step;
use serde::Deserialize;

/// The `[proxy]` section.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where `proxy.key`, `digest.key`, `mask.key`, `credentials.key` and the link's state are.
    pub directory: PathBuf,
    /// The policy.
    pub policy: PathBuf,
    /// The API keys of agents.
    pub api_keys: PathBuf,
    /// The trust anchors.
    pub trust: PathBuf,
    /// The ledger of another process; absent where both run in one.
    pub ledger: Option<LedgerConfig>,
    /// Issuers of tokens.
    #[serde(default)]
    pub oidc: Vec<exhibit_identity::oidc::Config>,
    /// Endpoints of AWS STS, on whose word callers are taken.
    #[serde(default)]
    pub aws: Vec<exhibit_identity::aws::Config>,
    /// Authorities of client certificates.
    #[serde(default)]
    pub certificates: Vec<exhibit_identity::certificate::Config>,
    /// Listeners for PostgreSQL.
    #[serde(default)]
    pub postgres: Vec<exhibit_postgres::Config>,
    /// Listeners for stores of objects.
    #[serde(default)]
    pub s3: Vec<exhibit_s3::Config>,
}

/// How the ledger of another process is reached.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerConfig {
    /// `https://host:port`.
    pub url: String,
    /// Our certificate, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
    /// Who vouches for the ledger's certificate, PEM.
    pub ca: PathBuf,
}

/// Why a section is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Two listeners share an address.
    #[error("proxy.{section}: {address} is listened on twice")]
    ListenTwice {
        /// Its section.
        section: &'static str,
        /// The second of them, from 0.
        listener: usize,
        /// The address.
        address: SocketAddr,
    },
    /// An issuer is refused.
    #[error("proxy.oidc: {error}")]
    Issuer {
        /// Which, from 0.
        place: usize,
        /// Why.
        error: exhibit_identity::oidc::ConfigError,
    },
    /// An endpoint of AWS STS is refused.
    #[error("proxy.aws: {error}")]
    Aws {
        /// Which, from 0.
        place: usize,
        /// Why.
        error: exhibit_identity::aws::ConfigError,
    },
    /// Authorities of client certificates are refused.
    #[error("proxy.certificates: {error}")]
    Certificates {
        /// Which, from 0.
        place: usize,
        /// Why.
        error: exhibit_identity::certificate::ConfigError,
    },
    /// A listener for PostgreSQL is refused.
    #[error("proxy.postgres: {error}")]
    Postgres {
        /// Which, from 0.
        listener: usize,
        /// Why.
        error: exhibit_postgres::ConfigError,
    },
    /// A listener for a store of objects is refused.
    #[error("proxy.s3: {error}")]
    S3 {
        /// Which, from 0.
        listener: usize,
        /// Why.
        error: exhibit_s3::ConfigError,
    },
}

impl ConfigError {
    /// Where the fault is in the file that holds the section.
    pub fn place(&self) -> [Step; 3] {
        let (section, element) = match self {
            Self::ListenTwice { section, listener, .. } => (*section, *listener),
            Self::Postgres { listener, .. } => ("postgres", *listener),
            Self::S3 { listener, .. } => ("s3", *listener),
            Self::Issuer { place, .. } => ("oidc", *place),
            Self::Aws { place, .. } => ("aws", *place),
            Self::Certificates { place, .. } => ("certificates", *place),
        };
        [Step::Key("proxy"), Step::Key(section), Step::Element(element)]
    }
}

impl Config {
    /// Targets whose database masks by itself, under the key that was applied there.
    pub fn masked_by_database(&self) -> impl Iterator<Item = &str> {
        let enforced = |listener: &&exhibit_postgres::Config| listener.masking == exhibit_postgres::Masking::Database;
        let listeners = self.postgres.iter().filter(enforced);
        listeners.map(|listener| listener.target.as_str())
    }

    /// Makes every path relative to `base`, and checks what fits together.
    ///
    /// # Errors
    /// [`ConfigError`] for the first fault.
    pub fn resolve(mut self, base: &Path) -> Result<Self, ConfigError> {
        let mut paths = vec![
            &mut self.directory,
            &mut self.policy,
            &mut self.api_keys,
            &mut self.trust,
        ];
        if let Some(ledger) = &mut self.ledger {
            paths.extend([&mut ledger.certificate, &mut ledger.key, &mut ledger.ca]);
        }
        for path in paths {
            *path = base.join(&*path);
        }
        let oidc = self.oidc.into_iter().enumerate();
        self.oidc = oidc
            .map(|(place, issuer)| {
                let resolved = issuer.resolved(base);
                resolved.map_err(|error| ConfigError::Issuer { place, error })
            })
            .collect::<Result<_, _>>()?;
        let aws = self.aws.into_iter().enumerate();
        self.aws = aws
            .map(|(place, section)| {
                let resolved = section.resolved(base);
                resolved.map_err(|error| ConfigError::Aws { place, error })
            })
            .collect::<Result<_, _>>()?;
        let certificates = self.certificates.into_iter().enumerate();
        self.certificates = certificates
            .map(|(place, section)| {
                let resolved = section.resolved(base);
                resolved.map_err(|error| ConfigError::Certificates { place, error })
            })
            .collect::<Result<_, _>>()?;
        self.postgres = self
            .postgres
            .into_iter()
            .map(|listener| listener.resolved(base))
            .collect();
        self.s3 = self.s3.into_iter().map(|listener| listener.resolved(base)).collect();
        let mut seen = std::collections::BTreeSet::new();
        for (place, listener) in self.postgres.iter().enumerate() {
            listener
                .check()
                .map_err(|error| ConfigError::Postgres { listener: place, error })?;
            // Port 0 asks the system for a free one, which is another one each time.
            if listener.listen.port() != 0 && !seen.insert(listener.listen) {
                return Err(ConfigError::ListenTwice {
                    section: "postgres",
                    listener: place,
                    address: listener.listen,
                });
            }
        }
        for (place, listener) in self.s3.iter().enumerate() {
            listener
                .check()
                .map_err(|error| ConfigError::S3 { listener: place, error })?;
            if listener.listen.port() != 0 && !seen.insert(listener.listen) {
                return Err(ConfigError::ListenTwice {
                    section: "s3",
                    listener: place,
                    address: listener.listen,
                });
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use exhibit_policy::snapshot::Snapshot;

    use super::Config;

    const SECTION: &str = r#"
directory = "proxy"
policy = "policy.toml"
api_keys = "api-keys.toml"
trust = "/etc/trust.toml"
[[postgres]]
target = "clinic"
listen = "127.0.0.1:6432"
tls = { certificate = "tls/proxy.pem", key = "tls/proxy.key" }
server = { host = "127.0.0.1", port = 5432, user = "exhibit", password_file = "p", tls = "off" }
"#;

    fn check(from: &str, to: &str, wanted: &str) {
        assert!(SECTION.contains(from), "{from}");
        let error = match toml::from_str::<Config>(&SECTION.replacen(from, to, 1)) {
            Ok(config) => config.resolve(Path::new("/x")).unwrap_err().to_string(),
            Err(error) => error.to_string(),
        };
        assert!(error.contains(wanted), "{error}");
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        let config = toml::from_str::<Config>(SECTION)
            .unwrap()
            .resolve(Path::new("/x"))
            .unwrap();
        assert_eq!(config.policy, Path::new("/x/policy.toml"));
        assert_eq!(config.trust, Path::new("/etc/trust.toml"));
        assert_eq!(config.postgres[0].server.password_file, Path::new("/x/p"));
    }

    /// `docs/s3.md` shows a section and a policy for it.
    #[test]
    fn what_the_page_on_stores_shows_is_read() {
        let page = include_str!("../../docs/s3.md");
        let block = |begins: &str| {
            let blocks = page.split("```toml\n").skip(1);
            let mut blocks = blocks.filter_map(|block| block.split("```").next());
            blocks.find(|block| block.starts_with(begins)).unwrap()
        };
        let section = block("[[proxy.s3]]").replace("[[proxy.s3]]", "[[s3]]");
        let (globals, _) = SECTION.split_once("[[postgres]]").unwrap();
        let config: Config = toml::from_str(&format!("{globals}{section}")).unwrap();
        let config = config.resolve(Path::new("/x")).unwrap();
        assert_eq!(config.s3[0].store.secret_file, Path::new("/x/secrets/lake.secret"));
        let role = "version = 1\n[[roles]]\nname = \"pipeline\"\nmatch = { groups = [\"pipelines\"] }\n";
        let policy = Snapshot::parse(format!("{role}{}", block("[[targets]]")).as_bytes()).unwrap();
        let open = policy.reading("lake", "work/a.bin");
        assert!(open.document().is_some_and(|document| !document.phi));
        assert!(policy.reading("lake", "clinic-exports/a.csv").document().unwrap().phi);
    }

    #[test]
    fn a_section_is_refused_whole() {
        check("policy =", "polizy =", "polizy");
        let issuer = "[[oidc]]\nissuer = \"http://issuer.example\"\naudience = [\"exhibit\"]\n[[postgres]]";
        check(
            "[[postgres]]",
            issuer,
            "proxy.oidc: issuer `http://issuer.example`: it is not an https URL",
        );
        let aws = "[[aws]]\nregion = \"eu-central-1\"\naudience = \"exhibit\"\naccounts = []\n[[postgres]]";
        check("[[postgres]]", aws, "proxy.aws: STS of `eu-central-1`: give `accounts`");
        check("port = 5432,", "", "port");
        check("host = \"127.0.0.1\"", "host = \"db\"", "only for a loopback");
        check("\"off\"", "\"verify-full\"", "give `ca`");
        check("\"off\"", "\"prefer\"", "prefer");
        let listener = SECTION.split_once("[[postgres]]").unwrap().1;
        let twice = format!("[[postgres]]{listener}[[postgres]]");
        check("[[postgres]]", &twice, "listened on twice");
    }
}
