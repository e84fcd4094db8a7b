//! API keys of agents.
//!
//! ```text
//! exk_<id: 16 hexadecimal digits>_<secret: 43 characters of base64url, 32 random bytes>
//! ```
//!
//! ```toml
//! [[keys]]                                   # one per key, in api-keys.toml
//! id = "1f2e3d4c5b6a7988"
//! subject = "ci-nightly"
//! groups = ["pipelines"]
//! hash = "<SHA-256 of the secret's text, 64 hexadecimal digits>"
//! expires_unix_s = 1798761600                # may be left out
//! ```
//!
//! The secret has 256 random bits, so one SHA-256 is enough to keep it: there is no dictionary to try.
//!
//! Not here: reading and writing the file.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::event::access::Principal;
use serde::Deserialize;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::Identity;

/// The `method` of a principal that came with an API key; roles match on it.
pub const METHOD: &str = "api-key";

/// The `issuer` of a principal that came with an API key.
pub const ISSUER: &str = "api-keys";

/// Bytes of a key file at the most; some ten thousand keys.
pub const FILE_BYTES_MAX: usize = 4 << 20;

/// Bytes of a subject or a group at the most, so that events stay small.
pub const NAME_BYTES_MAX: usize = 128;

/// Groups of one key at the most.
pub const GROUPS_MAX: usize = 64;

const PREFIX: &str = "exk_";
const ID_BYTES: usize = 8;
const SECRET_BYTES: usize = 32;
const US_PER_S: u64 = 1_000_000;

/// Why a caller is not let in, or a key file is refused.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum IdentityError {
    /// The file is too long.
    #[error("the file of API keys has {bytes} bytes; at most {FILE_BYTES_MAX} are read")]
    TooLong {
        /// Its size.
        bytes: usize,
    },
    /// The file cannot be read; the text names line and column.
    #[error("the file of API keys is refused: {0}")]
    Syntax(String),
    /// An entry of the file breaks a rule.
    #[error("API key `{id}`: {rule}")]
    Entry {
        /// The entry's id.
        id: String,
        /// The rule.
        rule: &'static str,
    },
    /// No such key, another secret, or another subject; which one is not told.
    #[error("the API key is not valid for this user")]
    Refused,
    /// The key was valid once.
    #[error("the API key has expired")]
    Expired,
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes")]
    Random,
}

/// The API keys that are valid, by id.
#[derive(Debug, Default)]
pub struct ApiKeys {
    // Invariant: ids are unique and lower-case hexadecimal; groups are sorted.
    keys: BTreeMap<String, Entry>,
}

/// A new key: the text goes to the agent, the entry into the file.
pub struct NewKey {
    /// The key itself; shown once.
    pub key: Zeroizing<String>,
    /// Its entry for the file, to be appended.
    pub entry: String,
}

impl std::fmt::Debug for NewKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("NewKey(..)")
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    keys: Vec<Entry>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    subject: String,
    #[serde(default)]
    groups: Vec<String>,
    hash: String,
    expires_unix_s: Option<u64>,
}

impl ApiKeys {
    /// Reads a key file; it is refused whole if anything in it is wrong.
    ///
    /// # Errors
    /// [`IdentityError`] of the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        if text.len() > FILE_BYTES_MAX {
            return Err(IdentityError::TooLong { bytes: text.len() });
        }
        // The message alone: the full text of the error quotes the line, which may hold a key that was put here by mistake.
        let file: File = toml::from_str(text).map_err(|error| IdentityError::Syntax(error.message().to_owned()))?;
        let mut keys = BTreeMap::new();
        for entry in file.keys {
            let entry = entry.check()?;
            let id = entry.id.clone();
            if keys.insert(id.clone(), entry).is_some() {
                return Err(IdentityError::Entry {
                    id,
                    rule: "this id stands twice",
                });
            }
        }
        Ok(Self { keys })
    }

    /// Who comes with this key under this user name.
    ///
    /// # Errors
    /// [`IdentityError::Refused`] and [`IdentityError::Expired`].
    pub fn identify(&self, user: &str, key: &str, now: Timestamp) -> Result<Identity, IdentityError> {
        let (id, secret) = split(key).ok_or(IdentityError::Refused)?;
        let entry = self.keys.get(id).ok_or(IdentityError::Refused)?;
        let hash = Digest::of(secret.as_bytes()).to_string();
        let same: bool = hash.as_bytes().ct_eq(entry.hash.as_bytes()).into();
        if !same || user != entry.subject {
            return Err(IdentityError::Refused);
        }
        let expires = entry.expires_unix_s;
        let expires = expires.map(|seconds| Timestamp(seconds.saturating_mul(US_PER_S)));
        if expires.is_some_and(|expires| now >= expires) {
            return Err(IdentityError::Expired);
        }
        let principal = Principal {
            method: METHOD.to_owned(),
            issuer: ISSUER.to_owned(),
            subject: entry.subject.clone(),
            client_id: None,
            groups: entry.groups.clone(),
            evidence: Digest::of(entry.id.as_bytes()),
            run: None,
        };
        Ok(Identity { principal, expires })
    }

    /// Draws a new key.
    ///
    /// # Errors
    /// [`IdentityError`] when there are no random bytes, or the entry would break a rule.
    pub fn draw(subject: &str, groups: &[String], expires_unix_s: Option<u64>) -> Result<NewKey, IdentityError> {
        let mut id = [0; ID_BYTES];
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        getrandom::fill(&mut id).map_err(|_| IdentityError::Random)?;
        getrandom::fill(secret.as_mut_slice()).map_err(|_| IdentityError::Random)?;
        let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(secret.as_slice()));
        let entry = Entry {
            id: hex::encode(id),
            subject: subject.to_owned(),
            groups: groups.to_vec(),
            hash: Digest::of(secret.as_bytes()).to_string(),
            expires_unix_s,
        }
        .check()?;
        Ok(NewKey {
            key: Zeroizing::new(format!("{PREFIX}{}_{}", entry.id, secret.as_str())),
            entry: entry.text(),
        })
    }
}

impl Entry {
    fn check(mut self) -> Result<Self, IdentityError> {
        let hexadecimal =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let name = |text: &String| !text.is_empty() && text.len() <= NAME_BYTES_MAX && !text.contains(char::is_control);
        let rule = if self.id.len() != 2 * ID_BYTES || !hexadecimal(&self.id) {
            Some("an id has 16 lower-case hexadecimal digits")
        } else if self.hash.len() != 64 || !hexadecimal(&self.hash) {
            Some("a hash has 64 lower-case hexadecimal digits")
        } else if !name(&self.subject) || !self.groups.iter().all(name) {
            Some("subject and groups have 1 to 128 bytes and no control characters")
        } else if self.groups.len() > GROUPS_MAX {
            Some("a key has at most 64 groups")
        } else {
            None
        };
        if let Some(rule) = rule {
            return Err(IdentityError::Entry { id: self.id, rule });
        }
        self.groups.sort();
        self.groups.dedup();
        Ok(self)
    }

    fn text(&self) -> String {
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let groups: Vec<String> = self.groups.iter().map(|group| quoted(group)).collect();
        let mut text = format!(
            "\n[[keys]]\nid = {}\nsubject = {}\ngroups = [{}]\nhash = {}\n",
            quoted(&self.id),
            quoted(&self.subject),
            groups.join(", "),
            quoted(&self.hash),
        );
        if let Some(seconds) = self.expires_unix_s {
            writeln!(text, "expires_unix_s = {seconds}").expect("a String takes every text");
        }
        text
    }
}

/// Id and secret of a key.
fn split(key: &str) -> Option<(&str, &str)> {
    key.strip_prefix(PREFIX)?.split_once('_')
}

#[cfg(test)]
mod tests {
    use exhibit_schemas::event::Timestamp;

    use super::{ApiKeys, IdentityError};

    const NOW: Timestamp = Timestamp(1_000_000_000);

    fn key(expires_unix_s: Option<u64>) -> (ApiKeys, String) {
        let groups = ["b \"q\"".to_owned(), "a".to_owned()];
        let new = ApiKeys::draw("ci-nightly", &groups, expires_unix_s).unwrap();
        (ApiKeys::parse(&new.entry).unwrap(), new.key.to_string())
    }

    #[test]
    fn a_drawn_key_lets_its_subject_in_and_nobody_else() {
        let (keys, key) = key(None);
        let principal = keys.identify("ci-nightly", &key, NOW).unwrap().principal;
        assert_eq!(principal.subject, "ci-nightly");
        assert_eq!(principal.groups, ["a", "b \"q\""]);
        let refused = |user: &str, key: &str| {
            assert_eq!(
                keys.identify(user, key, NOW),
                Err(IdentityError::Refused),
                "{user} {key}"
            );
        };
        refused("ci-other", &key);
        refused("ci-nightly", &key[..key.len() - 1]);
        refused("ci-nightly", &format!("{key}A"));
        refused("ci-nightly", &key.replace("exk_", "exk-"));
        refused("ci-nightly", "exk_0000000000000000_AAAA");
        refused("ci-nightly", "");
    }

    #[test]
    fn a_key_ends_with_its_expiry() {
        let (keys, key) = key(Some(1_000));
        let at = |us| keys.identify("ci-nightly", &key, Timestamp(us)).map(|_| ());
        assert_eq!(at(999_999_999), Ok(()));
        assert_eq!(at(1_000_000_000), Err(IdentityError::Expired));
    }

    #[test]
    fn a_wrong_file_is_refused_whole() {
        let entry = ApiKeys::draw("a", &[], None).unwrap().entry;
        let refused = |text: &str| assert!(ApiKeys::parse(text).is_err(), "{text}");
        refused(&format!("{entry}{entry}"));
        refused(&entry.replace("subject", "subjekt"));
        refused(&entry.replace("\"a\"", "\"\""));
        refused(&entry.replace("hash = \"", "hash = \"0"));
        assert!(ApiKeys::parse("# none yet\n").is_ok());
    }
}
