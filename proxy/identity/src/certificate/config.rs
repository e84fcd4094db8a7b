//! The `[[proxy.certificates]]` section.
//!
//! Not here: reading the files that it names.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{named, spiffe};

/// One authority, or several under one name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What it is called.
    pub name: String,
    /// Certificates of the authorities, PEM.
    pub ca: PathBuf,
    /// What they revoked, PEM.
    pub crl: Option<PathBuf>,
    /// The SPIFFE trust domain whose ids its certificates carry.
    pub trust_domain: Option<String>,
}

/// Why a section is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("certificates of `{name}`: {rule}")]
pub struct ConfigError {
    /// The section's name.
    pub name: String,
    /// The rule that is broken.
    pub rule: String,
}

impl ConfigError {
    pub(super) fn new(config: &Config, rule: String) -> Self {
        Self {
            name: config.name.clone(),
            rule,
        }
    }
}

impl Config {
    /// Makes its paths relative to `base`, and checks what fits together.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn resolved(mut self, base: &Path) -> Result<Self, ConfigError> {
        self.ca = base.join(&self.ca);
        self.crl = self.crl.map(|path| base.join(path));
        let rule = if !named(&self.name) {
            Some("a name has 1 to 128 bytes and no control characters")
        } else if self.name.starts_with(spiffe::SCHEME) {
            Some("a name does not begin as a SPIFFE id does; give `trust_domain`")
        } else if self
            .trust_domain
            .as_deref()
            .is_some_and(|domain| !spiffe::domain(domain))
        {
            Some("`trust_domain` has lower-case letters, digits, `.`, `-` and `_`, as in `prod.example`")
        } else {
            None
        };
        match rule {
            Some(rule) => Err(ConfigError::new(&self, rule.to_owned())),
            None => Ok(self),
        }
    }

    /// The `issuer` of those who come with its certificates.
    pub(super) fn issuer(&self) -> String {
        match &self.trust_domain {
            Some(domain) => format!("{}{domain}", spiffe::SCHEME),
            None => self.name.clone(),
        }
    }
}
