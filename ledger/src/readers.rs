//! Who may read what: people by their enrolled keys, and whoever has a token of a configured issuer. Nobody else.
//!
//! ```toml
//! [[ledger.readers]]
//! role = "compliance"              # compliance: everything; auditor: all but approvals; approver: approvals
//! people = ["compliance"]          # groups of people, as their keys were enrolled
//! tokens = [{ issuer = "https://idp.example", groups = ["compliance"], subjects = [] }]
//!
//! [[ledger.oidc]]                  # whose tokens are taken; as [[proxy.oidc]], see `exhibit_identity::oidc`
//! issuer = "https://idp.example"
//! audience = ["https://ledger.clinic.example"]
//! groups = "groups"
//! ```
//!
//! Groups of people and groups of tokens are told apart, so an issuer cannot put anybody into a group of the log. What a proxy
//! appends, and what it follows of decisions and keys, is no reading, and needs none of this.

use exhibit_identity::oidc::{self, Issuers, TokenError};
use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::key::KeyId;
use exhibit_schemas::keyring::Keyring;
use exhibit_schemas::reading::{
    BY_KEY, BY_TOKEN, FRESH_US, Operation, Question, READING_US, ReaderRole, ReadingError, SignedAsked, Statement,
};
use serde::Deserialize;
use serde::de::Error as _;

/// A section of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Readers {
    /// What they may do.
    #[serde(deserialize_with = "role")]
    pub role: ReaderRole,
    /// Groups of people whose keys the log enrolled.
    #[serde(default)]
    pub people: Vec<String>,
    /// Whose tokens.
    #[serde(default)]
    pub tokens: Vec<Tokens>,
}

/// Tokens of an issuer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// The issuer, one of `[[ledger.oidc]]`.
    pub issuer: String,
    /// Groups, as the token's claim lists them.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Subjects.
    #[serde(default)]
    pub subjects: Vec<String>,
}

/// Reads a role by its word.
fn role<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<ReaderRole, D::Error> {
    let word = String::deserialize(deserializer)?;
    ReaderRole::from_word(&word).ok_or_else(|| {
        let roles: Vec<_> = ReaderRole::ALL.iter().map(|role| role.as_str()).collect();
        D::Error::custom(format!(
            "`{word}` is no role of readers; it is one of {}",
            roles.join(", ")
        ))
    })
}

impl Readers {
    /// What is wrong with the section, where something is.
    pub(crate) fn check(&self, issuers: &[oidc::Config]) -> Result<(), &'static str> {
        let taken = |tokens: &Tokens| issuers.iter().any(|issuer| issuer.issuer == tokens.issuer);
        let named = |tokens: &Tokens| !tokens.groups.is_empty() || !tokens.subjects.is_empty();
        if self.people.is_empty() && self.tokens.is_empty() {
            Err("name who they are: `people`, groups of enrolled people, or `tokens`")
        } else if !self.tokens.iter().all(taken) {
            Err("`issuer` is none of [[ledger.oidc]]")
        } else if !self.tokens.iter().all(named) {
            Err("tokens are let in by `groups` or `subjects`; name some")
        } else {
            Ok(())
        }
    }
}

/// Why somebody is not let read. Nothing of a token or a question is repeated.
#[derive(Debug, thiserror::Error)]
pub enum ReaderError {
    /// Neither a statement nor a token, or both.
    #[error("sign the reading with an enrolled key, or come with a token: one of the two")]
    Nobody,
    /// The statement is refused.
    #[error(transparent)]
    Statement(#[from] ReadingError),
    /// The statement is about something else.
    #[error("the statement {0}")]
    Differs(&'static str),
    /// The token is refused.
    #[error("the token is refused: {0}")]
    Token(#[from] TokenError),
    /// Known, and in no role that may do this.
    #[error("no role of [[ledger.readers]] lets {name} do this: {operation}")]
    Role {
        /// Who.
        name: String,
        /// What.
        operation: Operation,
    },
}

/// Somebody who may do what was asked.
///
/// **Invariant:** made by [`People::identify`] alone.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) name: String,
    pub(crate) method: &'static str,
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) evidence: Digest,
    pub(crate) role: &'static str,
    pub(crate) statement: Option<Bytes>,
    /// When the statement was signed, by the reader's clock.
    pub(crate) signed: Option<Timestamp>,
    /// When what they came with expires, where it does.
    pub(crate) expires: Option<Timestamp>,
}

impl Known {
    /// Holds that the statement is of this time.
    pub(crate) fn is_of(&self, now: Timestamp) -> Result<(), ReaderError> {
        match self.signed {
            Some(signed) if signed.0.abs_diff(now.0) > FRESH_US => {
                Err(ReaderError::Differs("is more than a minute off the ledger's clock"))
            }
            _ => Ok(()),
        }
    }

    /// Until when a reading that begins now is good: no longer than what the reader came with.
    pub(crate) fn until(&self, now: Timestamp) -> Result<Timestamp, ReaderError> {
        let until = Timestamp(now.0.saturating_add(READING_US));
        match self.expires {
            Some(expires) if expires <= now => Err(TokenError::Expired.into()),
            Some(expires) => Ok(until.min(expires)),
            None => Ok(until),
        }
    }

    /// The reader's key, where it is one.
    pub(crate) fn key(&self) -> Option<KeyId> {
        KeyId::from_hex(&self.subject).filter(|_| self.method == BY_KEY)
    }
}

/// Everybody who may read.
#[derive(Debug, Default)]
pub(crate) struct People {
    readers: Vec<Readers>,
    issuers: Issuers,
}

/// What a reader came with.
pub(crate) struct Shown<'a> {
    pub(crate) question: &'a Question,
    pub(crate) signed: Option<SignedAsked>,
    pub(crate) token: Option<&'a str>,
    /// What the connection is told by.
    pub(crate) channel: Digest,
}

impl People {
    pub(crate) fn new(readers: Vec<Readers>, issuers: Issuers) -> Self {
        Self { readers, issuers }
    }

    /// Who it is, if one of their roles may do what is asked.
    pub(crate) async fn identify(
        &self,
        shown: Shown<'_>,
        keyring: &Keyring,
        now: Timestamp,
    ) -> Result<Known, ReaderError> {
        let operation = shown.question.operation();
        let (mut known, groups) = match (shown.signed, shown.token) {
            (Some(signed), None) => by_key(signed, shown.question, shown.channel, keyring, now)?,
            (None, Some(token)) => self.by_token(token, now).await?,
            _ => return Err(ReaderError::Nobody),
        };
        let among = |names: &[String]| names.iter().any(|name| groups.contains(name));
        let within = |readers: &&Readers| {
            readers.role.may(operation)
                && if known.method == BY_KEY {
                    among(&readers.people)
                } else {
                    readers.tokens.iter().any(|tokens| {
                        tokens.issuer == known.issuer
                            && (among(&tokens.groups) || tokens.subjects.contains(&known.subject))
                    })
                }
        };
        match self.readers.iter().find(within) {
            Some(readers) => {
                known.role = readers.role.as_str();
                Ok(known)
            }
            None => Err(ReaderError::Role {
                name: known.name,
                operation,
            }),
        }
    }

    async fn by_token(&self, token: &str, now: Timestamp) -> Result<(Known, Vec<String>), ReaderError> {
        let caller = self.issuers.identify(token, now).await?;
        let principal = caller.principal;
        let known = Known {
            name: principal.subject.clone(),
            method: BY_TOKEN,
            issuer: principal.issuer,
            subject: principal.subject,
            evidence: principal.evidence,
            role: "",
            statement: None,
            signed: None,
            expires: caller.expires,
        };
        Ok((known, principal.groups))
    }
}

/// Who signed the statement; it is about this question, this connection, this log and this time.
fn by_key(
    signed: SignedAsked,
    question: &Question,
    channel: Digest,
    keyring: &Keyring,
    now: Timestamp,
) -> Result<(Known, Vec<String>), ReaderError> {
    let (statement, key) = Statement::verify(&signed.statement.0, keyring)?;
    let differs = |rule| Err(ReaderError::Differs(rule));
    let Ok(blind) = <[u8; 32]>::try_from(signed.blind.0.as_slice()) else {
        return differs("comes with a blind that has not 32 bytes");
    };
    if statement.origin != keyring.origin() {
        return differs("is about another log");
    }
    if statement.channel != channel {
        return differs("was made for another connection");
    }
    if statement.operation != question.operation().as_str() || statement.scope != question.scope() {
        return differs("is about another operation or scope");
    }
    if statement.question != question.digest(&blind) {
        return differs("is about another question");
    }
    let record = keyring.in_force(key.id()).map_err(|_| ReadingError::Key(key.id()))?;
    let known = Known {
        name: record.name.clone(),
        method: BY_KEY,
        issuer: keyring.origin().to_owned(),
        subject: key.id().to_string(),
        evidence: Digest::of(&signed.statement.0),
        role: "",
        statement: Some(signed.statement),
        signed: Some(statement.time),
        expires: None,
    };
    known.is_of(now)?;
    Ok((known, record.groups.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_is_good_for_no_longer_than_what_its_reader_came_with() {
        let now = Timestamp(1_000_000_000);
        let known = |expires: Option<u64>| Known {
            name: "etl".to_owned(),
            method: BY_TOKEN,
            issuer: "https://idp.example".to_owned(),
            subject: "etl".to_owned(),
            evidence: Digest::of(b"token"),
            role: "auditor",
            statement: None,
            signed: None,
            expires: expires.map(Timestamp),
        };
        let until = |expires| known(expires).until(now).ok().map(|until| until.0 - now.0);
        assert_eq!(until(None), Some(READING_US));
        assert_eq!(until(Some(now.0 + 5_000_000)), Some(5_000_000));
        assert_eq!(until(Some(now.0 + 2 * READING_US)), Some(READING_US));
        assert_eq!(until(Some(now.0)), None);
    }
}
