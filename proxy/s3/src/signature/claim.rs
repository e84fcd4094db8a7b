//! What a request claims of its signature, read strictly from wherever it is, and nothing of it believed yet.
//!
//! Not here: the check ([`super::verify`]).

use super::authorization;
use super::credential::{Credential, CredentialFault, SessionToken};
use super::error::SignatureError;
use super::head::Head;
use super::key::Signature;
use super::payload::{Payload, PayloadFault};
use super::presigned;
use super::signed::Carrier;
use super::target::Target;
use super::time::UnixSeconds;

/// Parameters of a presigned request that are of its signature, in their one spelling.
pub(super) const PARAMETERS: [&str; 8] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
    "X-Amz-Security-Token",
    "X-Amz-Content-Sha256",
];

/// Parameters by which a request is presigned with Signature Version 2.
const PARAMETERS_VERSION_2: [&str; 2] = ["AWSAccessKeyId", "Signature"];

/// What is claimed.
pub(super) struct Claim {
    pub(super) carrier: Carrier,
    pub(super) credential: Credential,
    pub(super) signed_headers: SignedHeaders,
    pub(super) signature: Signature,
    pub(super) time: UnixSeconds,
    /// Of presigned requests: the seconds after `time` that they are good for.
    pub(super) expires_s: Option<i64>,
    pub(super) token: Option<SessionToken>,
    pub(super) payload: Payload,
}

impl Claim {
    /// Reads the one claim that a request may have.
    pub(super) fn read(head: &Head<'_>, target: &Target) -> Result<Self, SignatureError> {
        let authorization = head.text("authorization")?;
        let has = |name: &str| target.values(name).next().is_some();
        let version_2 = PARAMETERS_VERSION_2.iter().any(|name| has(name));
        let query = Self::in_query(target)?;
        match authorization {
            Some(_) if query || version_2 => Err(SignatureError::TwoMechanisms),
            Some(authorization) => authorization::read(authorization, head),
            None if query && version_2 => Err(SignatureError::TwoMechanisms),
            None if query => presigned::read(head, target),
            None if version_2 => Err(SignatureError::Version2),
            None => Err(SignatureError::Unsigned),
        }
    }

    /// Whether the query has a claim. Another spelling of a parameter would be no part of the claim here, and one at a target that does
    /// not look at cases: it is refused.
    fn in_query(target: &Target) -> Result<bool, SignatureError> {
        let mut found = false;
        for parameter in target.parameters() {
            let name = PARAMETERS
                .iter()
                .find(|name| parameter.name.eq_ignore_ascii_case(name.as_bytes()));
            let Some(name) = name else { continue };
            if parameter.name != name.as_bytes() {
                return Err(SignatureError::Malformed {
                    carrier: Carrier::Query,
                    why: "their names are spelled as in X-Amz-Credential and X-Amz-SignedHeaders, upper and lower case included",
                });
            }
            found = true;
        }
        Ok(found)
    }

    /// The credential of a claim.
    pub(super) fn credential(text: &str, carrier: Carrier) -> Result<Credential, SignatureError> {
        Credential::parse(text).map_err(|fault: CredentialFault| SignatureError::Malformed {
            carrier,
            why: fault.why(),
        })
    }

    /// The declaration of the body.
    pub(super) fn payload(text: &str) -> Result<Payload, SignatureError> {
        Payload::parse(text).map_err(|fault| match fault {
            PayloadFault::Asymmetric => SignatureError::Asymmetric,
            PayloadFault::Unknown => SignatureError::Payload,
        })
    }

    /// The session token.
    pub(super) fn token(text: &str) -> Result<SessionToken, SignatureError> {
        SessionToken::new(text).ok_or(SignatureError::Token)
    }
}

/// The names of signed headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SignedHeaders(
    /// In lower case, ascending, each once; `host` is among them.
    Vec<String>,
);

impl SignedHeaders {
    /// Reads `host;range;x-amz-date`.
    pub(super) fn parse(text: &str, carrier: Carrier) -> Result<Self, SignatureError> {
        let malformed = |why| Err(SignatureError::Malformed { carrier, why });
        let names: Vec<_> = text.split(';').map(ToOwned::to_owned).collect();
        if names.len() > super::head::HEADERS_MAX {
            return Err(SignatureError::TooManyHeaders);
        }
        if !names.iter().all(|name| is_name(name)) {
            return malformed("SignedHeaders does not have names of headers in lower case with `;` between them");
        }
        if !names.is_sorted_by(|one, next| one < next) {
            return malformed("SignedHeaders is not sorted, or names a header twice");
        }
        if !names.iter().any(|name| name == "host") {
            return malformed("SignedHeaders does not have `host`; sign it");
        }
        Ok(Self(names))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.0.binary_search_by(|other| other.as_str().cmp(name)).is_ok()
    }
}

/// A token of RFC 9110 section 5.6.2, in lower case.
fn is_name(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(known)
}
