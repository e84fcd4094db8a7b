//! Requests of ours, signed for a target with its own credentials; the same canonical form as in the check.
//!
//! Specification: `sig-v4-header-based-auth`.
//!
//! Not here: presigned requests, and bodies signed chunk by chunk: what goes to a target was checked before, and goes by TLS.

use zeroize::Zeroizing;

use super::ALGORITHM;
use super::canonical::{Canonical, names};
use super::credential::{AccessKeyId, Credential, Region, Scope, SessionToken};
use super::head::Head;
use super::key::{SecretKey, SigningKey};
use super::target::Target;
use super::time::UnixSeconds;

/// Headers that are not signed: what HTTP libraries and hops add, take or change, and what is made here.
const NOT_SIGNED: &[&str] = &[
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "x-amzn-trace-id",
];

/// Headers that are made here, and may not be among those that are given.
const MADE_HERE: &[&str] = &[
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
    // Of a body in chunks, which no store gets.
    "x-amz-decoded-content-length",
    "x-amz-trailer",
    "x-amz-sdk-checksum-algorithm",
];

/// What a target knows us by.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The access key id.
    pub access_key_id: AccessKeyId,
    /// The secret.
    pub secret: SecretKey,
    /// The session token of temporary credentials.
    pub token: Option<SessionToken>,
}

/// What is signed of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedBody {
    /// Its SHA-256.
    Sha256([u8; 32]),
    /// `UNSIGNED-PAYLOAD`: for bodies that stream, under TLS.
    Unsigned,
}

/// A header to add to a request.
pub struct Header {
    /// Its name, in lower case.
    pub name: &'static str,
    /// Its value, which may be a session token.
    pub value: Zeroizing<String>,
}

impl std::fmt::Debug for Header {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Header")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Why a request of ours is not signed: a mistake of ours, or a header that none can be.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum SignError {
    /// A header that is made here was given.
    #[error("the header {name} is made by the signature")]
    MadeHere {
        /// Its name.
        name: &'static str,
    },
    /// There is no `Host`, or more than one.
    #[error("a request to a target has one Host header")]
    Host,
    /// A header has bytes that no header has.
    #[error("the value of a header has line breaks or other control characters")]
    Value,
}

/// Signs a request: the headers to add to it, `authorization` among them.
///
/// The request has to be sent to [`Target::canonical_path`] and [`Target::canonical_query`] with the headers that are given here, `Host`
/// included. All of them are signed but those that hops change.
///
/// # Errors
/// [`SignError`].
pub fn sign(
    method: &str,
    target: &Target,
    headers: &[(&str, &[u8])],
    body: SignedBody,
    credentials: &Credentials,
    region: &Region,
    now: UnixSeconds,
) -> Result<Vec<Header>, SignError> {
    for name in MADE_HERE {
        if headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
            return Err(SignError::MadeHere { name });
        }
    }
    let payload = match body {
        SignedBody::Sha256(digest) => hex::encode(digest),
        SignedBody::Unsigned => "UNSIGNED-PAYLOAD".to_owned(),
    };
    let mut added = vec![
        header("x-amz-content-sha256", payload.clone()),
        header("x-amz-date", now.basic()),
    ];
    if let Some(token) = &credentials.token {
        added.push(header("x-amz-security-token", token.as_str().to_owned()));
    }
    let mut all = headers.to_vec();
    all.extend(added.iter().map(|header| (header.name, header.value.as_bytes())));
    let signed = signed(&all)?;
    let scope = Scope::new(now, region.clone());
    let string_to_sign = Canonical {
        method,
        path: &target.canonical_path(),
        query: &target.canonical_query(),
        headers: &signed,
        payload: &payload,
    }
    .string_to_sign(now, &scope);
    let signature = SigningKey::derive(&credentials.secret, &scope).sign(&string_to_sign);
    let credential = Credential {
        access_key_id: credentials.access_key_id.clone(),
        scope,
    };
    let names = names(&signed);
    let authorization = format!("{ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}");
    added.push(header("authorization", authorization));
    Ok(added)
}

/// The headers to sign, in order, as they are signed.
fn signed(headers: &[(&str, &[u8])]) -> Result<Vec<(String, Vec<u8>)>, SignError> {
    let head = Head {
        method: "",
        target: "",
        headers,
    };
    if head.values("host").count() != 1 {
        return Err(SignError::Host);
    }
    let mut names: Vec<_> = headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.retain(|name| !NOT_SIGNED.contains(&name.as_str()));
    names.sort();
    names.dedup();
    let value = |name: String| match head.canonical(&name) {
        Ok(value) => Ok((name, value.unwrap_or_default())),
        Err(_) => Err(SignError::Value),
    };
    names.into_iter().map(value).collect()
}

fn header(name: &'static str, value: String) -> Header {
    Header {
        name,
        value: Zeroizing::new(value),
    }
}
