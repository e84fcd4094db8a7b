//! The `[[proxy.oidc]]` section.
//!
//! Not here: reading the files that it names.

use std::path::{Path, PathBuf};

use hyper::Uri;
use serde::Deserialize;

use crate::api_key::NAME_BYTES_MAX;

/// Bytes of an issuer's URL at the most, so that events stay small.
const ISSUER_BYTES_MAX: usize = 512;

/// One issuer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Its URL, exactly as its tokens have it in `iss`.
    pub issuer: String,
    /// Who we are to it: one of these is among the token's `aud`.
    pub audience: Vec<String>,
    /// What its claims mean.
    #[serde(default)]
    pub claims: Claims,
    /// With which algorithms its keys sign.
    #[serde(default = "rs256")]
    pub algorithms: Vec<Algorithm>,
    /// The claim that lists groups.
    pub groups: Option<String>,
    /// Whether a token is good once only.
    #[serde(default)]
    pub once: bool,
    /// Who vouches for its certificate, PEM.
    pub ca: Option<PathBuf>,
    /// Its keys, where they are not fetched.
    pub keys: Option<PathBuf>,
}

fn rs256() -> Vec<Algorithm> {
    vec![Algorithm::Rs256]
}

/// Algorithms of signatures (RFC 7518, RFC 8037). None of them is symmetric: whoever can check cannot sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
    /// RSASSA-PSS with SHA-256.
    #[serde(rename = "PS256")]
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// ECDSA on P-384 with SHA-384.
    #[serde(rename = "ES384")]
    Es384,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

/// What the claims of an issuer mean beside the registered ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Claims {
    /// Nothing more than groups and the client.
    #[default]
    Plain,
    /// Runs of GitHub Actions.
    GithubActions,
    /// Jobs of GitLab CI.
    GitlabCi,
}

/// Why a section is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("issuer `{issuer}`: {rule}")]
pub struct ConfigError {
    /// The issuer.
    pub issuer: String,
    /// The rule that is broken.
    pub rule: &'static str,
}

impl Config {
    /// Makes its paths relative to `base`, and checks what fits together.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn resolved(mut self, base: &Path) -> Result<Self, ConfigError> {
        for path in [&mut self.ca, &mut self.keys].into_iter().flatten() {
            *path = base.join(&*path);
        }
        let name = |text: &String| !text.is_empty() && text.len() <= NAME_BYTES_MAX * 2;
        let rule = if self.issuer.len() > ISSUER_BYTES_MAX || fetchable(&self.issuer, self.loopback()).is_none() {
            Some("it is not an https URL (http is taken for a loopback address only)")
        } else if self.issuer.contains(['?', '#']) {
            Some("an issuer has no query and no fragment (OpenID Connect Discovery 1.0, section 2)")
        } else if self.audience.is_empty() || !self.audience.iter().all(name) {
            Some("give `audience`, the name under which its tokens are made out to this proxy")
        } else if self.algorithms.is_empty() {
            Some("an empty list of algorithms takes no token; leave it out for RS256")
        } else if self.groups.is_some() && self.claims != Claims::Plain {
            Some("`groups` is for plain claims; tokens of pipelines list none")
        } else if self.keys.is_some() && self.ca.is_some() {
            Some("with `keys` nothing is fetched, so `ca` means nothing; give one of them")
        } else {
            None
        };
        match rule {
            Some(rule) => Err(ConfigError {
                issuer: self.issuer,
                rule,
            }),
            None => Ok(self),
        }
    }

    /// Whether the issuer is on this machine, as in trials: then its own pages may come without TLS.
    pub(crate) fn loopback(&self) -> bool {
        self.issuer.parse().is_ok_and(|uri: Uri| is_loopback(&uri))
    }
}

/// The URL, if it may be fetched: over TLS, or from this machine where the issuer is on it.
pub(crate) fn fetchable(url: &str, loopback: bool) -> Option<Uri> {
    let uri: Uri = url.parse().ok()?;
    // User names in URLs would go to logs.
    uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
    match uri.scheme_str()? {
        "https" => Some(uri),
        "http" if loopback && is_loopback(&uri) => Some(uri),
        _ => None,
    }
}

pub(crate) fn is_loopback(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost"
        || host
            .parse()
            .is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Config, fetchable};

    const SECTION: &str = r#"
issuer = "https://issuer.example/realm"
audience = ["exhibit"]
"#;

    #[test]
    fn a_section_is_refused_whole() {
        let check = |from: &str, to: &str, wanted: &str| {
            assert!(SECTION.contains(from), "{from}");
            let error = match toml::from_str::<Config>(&SECTION.replacen(from, to, 1)) {
                Ok(config) => config.resolved(Path::new("/x")).unwrap_err().to_string(),
                Err(error) => error.to_string(),
            };
            assert!(error.contains(wanted), "{error}");
        };
        check("https:", "http:", "https URL");
        check("https:", "file:", "https URL");
        check("https://", "https://me:secret@", "https URL");
        check("/realm", "/realm?x=1", "no query");
        check("[\"exhibit\"]", "[]", "audience");
        check("audience", "audiences", "audiences");
        check("[\"exhibit\"]", "[\"exhibit\"]\nalgorithms = [\"none\"]", "none");
        check("[\"exhibit\"]", "[\"exhibit\"]\nalgorithms = [\"HS256\"]", "HS256");
        check("[\"exhibit\"]", "[\"exhibit\"]\nalgorithms = []", "takes no token");
        check(
            "[\"exhibit\"]",
            "[\"exhibit\"]\nclaims = \"gitlab-ci\"\ngroups = \"groups\"",
            "plain",
        );
    }

    #[test]
    fn only_this_machine_is_asked_without_tls() {
        assert!(fetchable("http://127.0.0.1:8080/keys", true).is_some());
        assert!(fetchable("http://[::1]:8080/keys", true).is_some());
        assert!(fetchable("http://127.0.0.1:8080/keys", false).is_none());
        assert!(fetchable("http://issuer.example/keys", true).is_none());
        assert!(fetchable("https://issuer.example/keys", false).is_some());
        assert!(fetchable("/keys", true).is_none());
    }
}
