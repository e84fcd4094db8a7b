//! The `[[proxy.aws]]` section.
//!
//! Not here: reading the file that it names.

use std::path::{Path, PathBuf};

use hyper::Uri;
use hyper::header::HeaderValue;
use serde::Deserialize;

use super::answer::{Caller, is_account};
use crate::oidc::{fetchable, is_loopback};

/// Bytes of an audience at the most.
const AUDIENCE_BYTES_MAX: usize = 256;

/// One endpoint of AWS STS, and who is taken on its word.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The region that requests are signed for.
    pub region: String,
    /// Where they are sent; the region's own endpoint if left out.
    pub sts: Option<String>,
    /// What the header `x-exhibit-audience` says.
    pub audience: String,
    /// Numbers of the accounts whose callers are taken.
    pub accounts: Vec<String>,
    /// ARNs of the roles and users that are taken; all of the accounts if left out.
    pub arns: Option<Vec<String>>,
    /// Whether a token is good once only.
    #[serde(default)]
    pub once: bool,
    /// Who vouches for the endpoint's certificate, PEM.
    pub ca: Option<PathBuf>,
}

/// Why a section is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("STS of `{region}`: {rule}")]
pub struct ConfigError {
    /// Its region.
    pub region: String,
    /// The rule that is broken.
    pub rule: &'static str,
}

impl Config {
    /// Makes its path relative to `base`, and checks what fits together.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn resolved(mut self, base: &Path) -> Result<Self, ConfigError> {
        self.ca = self.ca.map(|path| base.join(path));
        let audience = |text: &str| {
            let shown = text.bytes().all(|byte| byte.is_ascii_graphic());
            !text.is_empty() && text.len() <= AUDIENCE_BYTES_MAX && shown && HeaderValue::from_str(text).is_ok()
        };
        let rule = if !is_region(&self.region) {
            Some("a region has lower-case letters, digits and `-`, as in `eu-central-1`")
        } else if self.endpoint().is_none() {
            Some("`sts` is no https URL without a path (http is taken for a loopback address only)")
        } else if !audience(&self.audience) {
            Some(
                "give `audience`, the name of this proxy for which requests are signed: 1 to 256 bytes of ASCII without blanks",
            )
        } else if self.accounts.is_empty() || !self.accounts.iter().all(|account| is_account(account)) {
            Some("give `accounts`, the numbers of the accounts whose callers are taken, of twelve digits each")
        } else if !self.arns.iter().flatten().all(|arn| self.is_taken(arn)) {
            Some("`arns` lists roles (`arn:aws:iam::<account>:role/<name>`, without a path) and users of `accounts`")
        } else if self.arns.as_ref().is_some_and(Vec::is_empty) {
            Some("an empty list of `arns` takes nobody; leave it out for everybody of the accounts")
        } else {
            None
        };
        match rule {
            Some(rule) => Err(ConfigError {
                region: self.region,
                rule,
            }),
            None => Ok(self),
        }
    }

    /// Whether a role or user is of the accounts.
    fn is_taken(&self, arn: &str) -> bool {
        let of = Caller::account_of(arn);
        of.is_some_and(|account| self.accounts.iter().any(|taken| taken == account))
    }

    /// Where requests are sent: a scheme and an authority, without any path.
    pub(super) fn endpoint(&self) -> Option<Uri> {
        let own = || format!("https://sts.{}.amazonaws.com", self.region);
        let url = self.sts.clone().unwrap_or_else(own);
        let uri: Uri = url.parse().ok()?;
        let bare = uri.path() == "/" && uri.query().is_none() && !url.contains('#');
        fetchable(&url, is_loopback(&uri)).filter(|_| bare)
    }
}

/// Whether it can be a region's name: it stands in a host name and in the scope of signatures.
pub(super) fn is_region(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&text.len()) && text.bytes().all(letter)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Config;

    const SECTION: &str = r#"
region = "eu-central-1"
audience = "https://exhibit.clinic.example"
accounts = ["123456789012"]
"#;

    fn resolved(text: &str) -> Result<Config, String> {
        let config = toml::from_str::<Config>(text).map_err(|error| error.to_string())?;
        config.resolved(Path::new("/x")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_region_has_its_own_endpoint_and_another_may_be_named() {
        let endpoint = |text: &str| resolved(text).unwrap().endpoint().unwrap().to_string();
        assert_eq!(endpoint(SECTION), "https://sts.eu-central-1.amazonaws.com/");
        let china =
            SECTION.replace("eu-central-1", "cn-north-1") + "sts = \"https://sts.cn-north-1.amazonaws.com.cn\"\n";
        assert_eq!(endpoint(&china), "https://sts.cn-north-1.amazonaws.com.cn/");
        let trial = SECTION.to_owned() + "sts = \"http://127.0.0.1:5000\"\n";
        assert_eq!(endpoint(&trial), "http://127.0.0.1:5000/");
    }

    #[test]
    fn a_section_is_refused_whole() {
        let check = |from: &str, to: &str, wanted: &str| {
            assert!(SECTION.contains(from), "{from}");
            let error = resolved(&SECTION.replacen(from, to, 1)).unwrap_err();
            assert!(error.contains(wanted), "{error}");
        };
        check("eu-central-1", "eu-central-1.evil.example/", "a region has");
        check("eu-central-1", "", "a region has");
        check("\naudience", "\nsts = \"http://sts.example\"\naudience", "no https URL");
        check(
            "\naudience",
            "\nsts = \"https://sts.example/path\"\naudience",
            "no https URL",
        );
        check(
            "\naudience",
            "\nsts = \"https://sts.example/?a=b\"\naudience",
            "no https URL",
        );
        check(
            "\naudience",
            "\nsts = \"https://me@sts.example\"\naudience",
            "no https URL",
        );
        check("https://exhibit.clinic.example", "", "audience");
        check("https://exhibit.clinic.example", "two words", "audience");
        check("[\"123456789012\"]", "[]", "accounts");
        check("[\"123456789012\"]", "[\"12345678901\"]", "accounts");
        check("accounts", "account", "account");
        let arns = |arn: &str| format!("[\"123456789012\"]\narns = [{arn}]");
        check("[\"123456789012\"]", &arns(""), "takes nobody");
        check(
            "[\"123456789012\"]",
            &arns("\"arn:aws:iam::210987654321:role/a\""),
            "arns",
        );
        check(
            "[\"123456789012\"]",
            &arns("\"arn:aws:iam::123456789012:role/path/a\""),
            "arns",
        );
        check(
            "[\"123456789012\"]",
            &arns("\"arn:aws:sts::123456789012:assumed-role/a/b\""),
            "arns",
        );
        resolved(&SECTION.replace("[\"123456789012\"]", &arns("\"arn:aws:iam::123456789012:role/a\""))).unwrap();
    }
}
