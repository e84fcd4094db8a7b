//! `exhibit.toml` as the person's tool reads it: the sections of the ledger and the proxy, and its own `[client]`.
//!
//! ```toml
//! [client]                                       # how `exhibit` reaches the ledger
//! ledger = "https://127.0.0.1:7443"
//! certificate = "tls/operator.pem"
//! key = "tls/operator.key"
//! ca = "tls/ca.pem"
//! trust = "trust.toml"                           # the log's key and its administrators
//! administrator = "administrator.key"            # only where keys are enrolled
//! ```
//!
//! Paths are relative to the file. An unknown name is refused with its line and the nearest right spelling.

use std::path::{Path, PathBuf};

use exhibit_schemas::bundle::{TrustAnchors, TrustError};
use serde::Deserialize;

use crate::files::{self, FileError};

/// Names further apart than this are not offered as the right spelling.
const SPELLING_DISTANCE_MAX: usize = 3;

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is not TOML, or something in it is unknown or missing.
    #[error("{path}, line {line}: {text}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        text: String,
    },
    /// The trust anchors are refused.
    #[error("{path}: {error}")]
    Trust {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: TrustError,
    },
    /// The proxy's section does not fit together.
    #[error("{path}: {error}")]
    Proxy {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: Box<exhibit_proxy::config::ConfigError>,
    },
    /// A section that the command needs is missing.
    #[error("{path} has no [{section}] section")]
    Section {
        /// The file.
        path: PathBuf,
        /// The section.
        section: &'static str,
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
    /// The administrator's key, where keys are enrolled from here.
    pub(crate) administrator: Option<PathBuf>,
}

/// The whole file; the sections of the ledger and the proxy are read by their own crates.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    path: PathBuf,
    file: File,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    client: Option<Client>,
    ledger: Option<exhibit_ledger::Config>,
    proxy: Option<exhibit_proxy::Config>,
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ConfigError::File`], [`ConfigError::Syntax`].
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = files::read_text(path)?;
        let file = toml::from_str(&text).map_err(|error| syntax(path, &text, &error))?;
        Ok(Self {
            path: path.to_owned(),
            file,
        })
    }

    /// The file's directory, which its paths are relative to.
    pub(crate) fn directory(&self) -> &Path {
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    /// How to reach the ledger, with paths that stand on their own.
    ///
    /// # Errors
    /// [`ConfigError::Section`].
    pub(crate) fn client(&self) -> Result<Client, ConfigError> {
        let client = self.file.client.clone().ok_or(self.missing("client"))?;
        let place = |path: PathBuf| self.directory().join(path);
        Ok(Client {
            ledger: client.ledger,
            certificate: place(client.certificate),
            key: place(client.key),
            ca: place(client.ca),
            trust: place(client.trust),
            administrator: client.administrator.map(place),
        })
    }

    /// The ledger's section, with paths that stand on their own.
    ///
    /// # Errors
    /// [`ConfigError::Section`].
    pub(crate) fn ledger(&self) -> Result<exhibit_ledger::Config, ConfigError> {
        let ledger = self.file.ledger.clone().ok_or(self.missing("ledger"))?;
        Ok(ledger.relative_to(self.directory()))
    }

    /// The proxy's section, with paths that stand on their own.
    ///
    /// # Errors
    /// [`ConfigError::Section`], [`ConfigError::Proxy`].
    pub(crate) fn proxy(&self) -> Result<exhibit_proxy::Config, ConfigError> {
        let proxy = self.file.proxy.clone().ok_or(self.missing("proxy"))?;
        proxy.resolve(self.directory()).map_err(|error| ConfigError::Proxy {
            path: self.path.clone(),
            error: Box::new(error),
        })
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

    fn missing(&self, section: &'static str) -> ConfigError {
        ConfigError::Section {
            path: self.path.clone(),
            section,
        }
    }
}

/// The error with the line that it is about, and the nearest right spelling of an unknown name.
fn syntax(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let start = error.span().map_or(0, |span| span.start);
    let line = text
        .as_bytes()
        .iter()
        .take(start)
        .filter(|byte| **byte == b'\n')
        .count()
        + 1;
    let message = error.message();
    let hint = nearest(message).map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
    ConfigError::Syntax {
        path: path.to_owned(),
        line,
        text: format!("{message}{hint}"),
    }
}

/// The nearest of the names in "unknown field `a`, expected one of `b`, `c`".
fn nearest(message: &str) -> Option<&str> {
    let mut names = message.strip_prefix("unknown field ")?.split('`').skip(1).step_by(2);
    let found = names.next()?;
    names
        .map(|name| (distance(found, name), name))
        .min()
        .filter(|(distance, _)| *distance <= SPELLING_DISTANCE_MAX)
        .map(|(_, name)| name)
}

/// The Levenshtein distance of two short names.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, character) in left.chars().enumerate() {
        let mut next = vec![above + 1];
        let mut beside = above + 1;
        for ((other, diagonal), over) in right.iter().zip(&row).zip(row.iter().skip(1)) {
            beside = (diagonal + usize::from(character != *other))
                .min(over + 1)
                .min(beside + 1);
            next.push(beside);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Config, distance};

    fn refused(text: &str) -> String {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("exhibit.toml");
        crate::files::create(&path, text.as_bytes(), 0o600).unwrap();
        let error = Config::read(&path).unwrap_err().to_string();
        error.replace(directory.path().to_str().unwrap(), "")
    }

    #[test]
    fn an_unknown_name_is_refused_with_its_line_and_the_nearest_spelling() {
        let text = "[client]\nledger = \"https://127.0.0.1:1\"\ncertificat = \"a\"\n";
        let error = refused(text);
        assert!(
            error.starts_with("/exhibit.toml, line 3: unknown field `certificat`"),
            "{error}"
        );
        assert!(error.ends_with("did you mean `certificate`?"), "{error}");
        let error = refused("[ledgr]\n");
        assert!(
            error.contains("line 1") && error.contains("did you mean `ledger`?"),
            "{error}"
        );
    }

    #[test]
    fn distances_are_counted_in_edits() {
        for (left, right, wanted) in [
            ("", "", 0),
            ("abc", "", 3),
            ("ledgr", "ledger", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(left, right), wanted, "{left} {right}");
        }
    }
}
