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
//! targets = ["clinic"]                       # where it lets in; everywhere if left out
//! expires_unix_s = 1798761600                # never if left out
//!
//! [[revoked]]                                # one per key that is good no more, whether or not it still stands above
//! id = "1f2e3d4c5b6a7988"
//! reason = "found in a build log"
//! ```
//!
//! The secret has 256 random bits, so one SHA-256 is enough to keep it: there is no dictionary to try.
//!
//! Not here: reading and writing the file.

use std::collections::{BTreeMap, BTreeSet};
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

/// Groups of one key at the most, and targets.
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
    #[error("API key `{}`: {rule}", id.escape_debug())]
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
    // Invariant: ids are unique and lower-case hexadecimal; groups are sorted; none of them is revoked.
    keys: BTreeMap<String, Entry>,
    revoked: BTreeSet<String>,
}

/// A key that somebody came with, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held(Entry);

impl Held {
    /// Whether it was made for that target.
    pub(crate) fn reaches(&self, target: &str) -> bool {
        let targets = self.0.targets.as_ref();
        targets.is_none_or(|targets| targets.iter().any(|one| one == target))
    }
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
    #[serde(default)]
    revoked: Vec<Revoked>,
}

/// A key that is good no more.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoked {
    id: String,
    /// For people.
    #[serde(rename = "reason")]
    _reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    subject: String,
    #[serde(default)]
    groups: Vec<String>,
    hash: String,
    targets: Option<Vec<String>>,
    expires_unix_s: Option<u64>,
}

/// Whose a new key is, and for what.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The user name that goes with it.
    pub subject: String,
    /// Groups that it states.
    pub groups: Vec<String>,
    /// Targets that it lets in at; `None` for all.
    pub targets: Option<Vec<String>>,
    /// When it expires, in unix seconds.
    pub expires_unix_s: Option<u64>,
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
        let mut revoked = BTreeSet::new();
        for Revoked { id, .. } in file.revoked {
            if !is_id(&id) {
                return Err(IdentityError::Entry { id, rule: ID_RULE });
            }
            keys.remove(&id);
            revoked.insert(id);
        }
        Ok(Self { keys, revoked })
    }

    /// Whether a key of that id lets in.
    pub fn contains(&self, id: &str) -> bool {
        self.keys.contains_key(id)
    }

    /// Whether a key of that id was revoked.
    pub fn is_revoked(&self, id: &str) -> bool {
        self.revoked.contains(id)
    }

    /// What stands of each key that lets in: id, subject, groups, targets, expiry.
    pub fn list(&self) -> impl Iterator<Item = (&str, Wanted)> {
        self.keys.values().map(|entry| {
            let wanted = Wanted {
                subject: entry.subject.clone(),
                groups: entry.groups.clone(),
                targets: entry.targets.clone(),
                expires_unix_s: entry.expires_unix_s,
            };
            (entry.id.as_str(), wanted)
        })
    }

    /// Whether a key that somebody came with stands here still, as it was.
    pub(crate) fn holds(&self, held: &Held) -> bool {
        self.keys.get(&held.0.id) == Some(&held.0)
    }

    /// Who comes with this key under this user name.
    ///
    /// # Errors
    /// [`IdentityError::Refused`] and [`IdentityError::Expired`].
    pub(crate) fn identify(&self, user: &str, key: &str, now: Timestamp) -> Result<(Identity, Held), IdentityError> {
        let (id, secret) = split(key).ok_or(IdentityError::Refused)?;
        let entry = self.keys.get(id).ok_or(IdentityError::Refused)?;
        let hash = Digest::of(secret.as_bytes()).to_string();
        let same: bool = hash.as_bytes().ct_eq(entry.hash.as_bytes()).into();
        if !same || user != entry.subject {
            return Err(IdentityError::Refused);
        }
        entry.holder(now)
    }

    /// Who has the key of that id.
    ///
    /// # Errors
    /// [`IdentityError::Refused`] and [`IdentityError::Expired`].
    pub(crate) fn holder(&self, id: &str, now: Timestamp) -> Result<(Identity, Held), IdentityError> {
        let entry = self.keys.get(id).ok_or(IdentityError::Refused)?;
        entry.holder(now)
    }

    /// Draws a new key.
    ///
    /// # Errors
    /// [`IdentityError`] when there are no random bytes, or the entry would break a rule.
    pub fn draw(wanted: Wanted) -> Result<NewKey, IdentityError> {
        let mut id = [0; ID_BYTES];
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        getrandom::fill(&mut id).map_err(|_| IdentityError::Random)?;
        getrandom::fill(secret.as_mut_slice()).map_err(|_| IdentityError::Random)?;
        let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(secret.as_slice()));
        let entry = Entry {
            id: hex::encode(id),
            subject: wanted.subject,
            groups: wanted.groups,
            hash: Digest::of(secret.as_bytes()).to_string(),
            targets: wanted.targets,
            expires_unix_s: wanted.expires_unix_s,
        }
        .check()?;
        Ok(NewKey {
            key: Zeroizing::new(format!("{PREFIX}{}_{}", entry.id, secret.as_str())),
            entry: entry.text(),
        })
    }
}

const ID_RULE: &str = "an id has 16 lower-case hexadecimal digits";

fn hexadecimal(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_id(text: &str) -> bool {
    text.len() == 2 * ID_BYTES && hexadecimal(text)
}

/// The entry that ends a key, to be appended to the file.
///
/// # Errors
/// [`IdentityError`] when the id is none, or the reason is.
pub fn revocation(id: &str, reason: &str) -> Result<String, IdentityError> {
    let rule = if !is_id(id) {
        ID_RULE
    } else if reason.trim().is_empty() || reason.contains(char::is_control) {
        "a reason is one line that says something"
    } else {
        return Ok(format!(
            "\n[[revoked]]\nid = {}\nreason = {}\n",
            quoted(id),
            quoted(reason)
        ));
    };
    Err(IdentityError::Entry {
        id: id.to_owned(),
        rule,
    })
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn list(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", texts.join(", "))
}

impl Entry {
    /// Who has it, if it has not expired.
    fn holder(&self, now: Timestamp) -> Result<(Identity, Held), IdentityError> {
        let expires = self.expires_unix_s;
        let expires = expires.map(|seconds| Timestamp(seconds.saturating_mul(US_PER_S)));
        if expires.is_some_and(|expires| now >= expires) {
            return Err(IdentityError::Expired);
        }
        let principal = Principal {
            method: METHOD.to_owned(),
            issuer: ISSUER.to_owned(),
            subject: self.subject.clone(),
            client_id: None,
            groups: self.groups.clone(),
            evidence: Digest::of(self.id.as_bytes()),
            run: None,
        };
        Ok((Identity { principal, expires }, Held(self.clone())))
    }

    fn check(mut self) -> Result<Self, IdentityError> {
        let name = |text: &String| !text.is_empty() && text.len() <= NAME_BYTES_MAX && !text.contains(char::is_control);
        let targets = self.targets.as_deref().unwrap_or_default();
        let rule = if !is_id(&self.id) {
            Some(ID_RULE)
        } else if self.hash.len() != 64 || !hexadecimal(&self.hash) {
            Some("a hash has 64 lower-case hexadecimal digits")
        } else if !name(&self.subject) || !self.groups.iter().all(name) {
            Some("subject and groups have 1 to 128 bytes and no control characters")
        } else if self.groups.len() > GROUPS_MAX || targets.len() > GROUPS_MAX {
            Some("a key has at most 64 groups and 64 targets")
        } else if self.targets.is_some() && targets.is_empty() {
            Some("an empty list of targets lets in nowhere; leave it out for all targets")
        } else if !targets.iter().all(name) {
            Some("a target has 1 to 128 bytes and no control characters")
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
        let mut text = format!(
            "\n[[keys]]\nid = {}\nsubject = {}\ngroups = {}\nhash = {}\n",
            quoted(&self.id),
            quoted(&self.subject),
            list(&self.groups),
            quoted(&self.hash),
        );
        if let Some(targets) = &self.targets {
            writeln!(text, "targets = {}", list(targets)).expect("a String takes every text");
        }
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

    use super::{ApiKeys, IdentityError, NewKey, Wanted, revocation};

    const NOW: Timestamp = Timestamp(1_000_000_000);

    fn draw(subject: &str, expires_unix_s: Option<u64>) -> NewKey {
        let wanted = Wanted {
            subject: subject.to_owned(),
            groups: vec!["b \"q\"".to_owned(), "a".to_owned()],
            targets: Some(vec!["clinic".to_owned()]),
            expires_unix_s,
        };
        ApiKeys::draw(wanted).unwrap()
    }

    fn key(expires_unix_s: Option<u64>) -> (ApiKeys, String) {
        let new = draw("ci-nightly", expires_unix_s);
        (ApiKeys::parse(&new.entry).unwrap(), new.key.to_string())
    }

    fn id(key: &str) -> &str {
        super::split(key).unwrap().0
    }

    #[test]
    fn a_drawn_key_lets_its_subject_in_and_nobody_else() {
        let (keys, key) = key(None);
        let (identity, held) = keys.identify("ci-nightly", &key, NOW).unwrap();
        assert_eq!(identity.principal.subject, "ci-nightly");
        assert_eq!(identity.principal.groups, ["a", "b \"q\""]);
        assert!(held.reaches("clinic") && !held.reaches("clinic2") && !held.reaches(""));
        let refused = |user: &str, key: &str| {
            assert_eq!(
                keys.identify(user, key, NOW).map(|_| ()),
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
    fn a_revoked_key_lets_nobody_in_wherever_it_stands() {
        let new = draw("ci-nightly", None);
        let revoked = revocation(id(&new.key), "in a \"log\"").unwrap();
        for file in [format!("{}{revoked}", new.entry), format!("{revoked}{}", new.entry)] {
            let keys = ApiKeys::parse(&file).unwrap();
            let let_in = keys.identify("ci-nightly", &new.key, NOW).map(|_| ());
            assert_eq!(let_in, Err(IdentityError::Refused));
            assert!(keys.is_revoked(id(&new.key)) && !keys.contains(id(&new.key)));
        }
        for (id, reason) in [("1f", "x"), ("", "x"), (id(&new.key), " "), (id(&new.key), "a\nb")] {
            assert!(revocation(id, reason).is_err(), "{id} {reason}");
        }
    }

    #[test]
    fn a_key_is_held_as_long_as_its_entry_stands_as_it_was() {
        let new = draw("ci-nightly", None);
        let keys = ApiKeys::parse(&new.entry).unwrap();
        let (_, held) = keys.identify("ci-nightly", &new.key, NOW).unwrap();
        let other = draw("ci-nightly", None).entry;
        let holds = |file: &str| ApiKeys::parse(file).unwrap().holds(&held);
        assert!(holds(&new.entry) && holds(&format!("{other}{}", new.entry)));
        assert!(!holds(&other) && !holds(""));
        assert!(!holds(&new.entry.replace("clinic", "elsewhere")));
        assert!(!holds(&format!(
            "{}{}",
            new.entry,
            revocation(id(&new.key), "x").unwrap()
        )));
    }

    #[test]
    fn a_wrong_file_is_refused_whole() {
        let entry = draw("nightly", None).entry;
        let refused = |text: &str| assert!(ApiKeys::parse(text).is_err(), "{text}");
        refused(&format!("{entry}{entry}"));
        refused(&entry.replace("subject", "subjekt"));
        refused(&entry.replace("\"nightly\"", "\"\""));
        refused(&entry.replace("hash = \"", "hash = \"0"));
        refused(&entry.replace("[\"clinic\"]", "[]"));
        refused(&entry.replace("[\"clinic\"]", "[\"\"]"));
        refused("[[revoked]]\nid = \"1f\"\nreason = \"x\"\n");
        refused("[[revoked]]\nid = \"0000000000000001\"\n");
        assert!(ApiKeys::parse("# none yet\n").is_ok());
    }
}
