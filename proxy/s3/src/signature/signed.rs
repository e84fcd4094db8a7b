//! A request whose signature was checked: the one form in which the rest of the crate takes requests.

use super::credential::{AccessKeyId, Scope, SessionToken};
use super::key::{Signature, SigningKey};
use super::payload::Payload;
use super::target::Target;
use super::time::UnixSeconds;

/// Where the signature was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// In the `Authorization` header.
    Header,
    /// In the query of a presigned request.
    Query,
}

impl Carrier {
    /// As the beginning of a sentence about what is malformed.
    pub(super) const fn plural(self) -> &'static str {
        match self {
            Self::Header => "authorization header is",
            Self::Query => "authorization query parameters are",
        }
    }
}

/// A request whose signature was checked. Made by [`super::verify`] alone.
///
/// **Invariant:** the method, the target, each of [`Self::headers`] and the payload's declaration are under the signature, which the
/// secret of [`Self::access_key_id`] made.
#[derive(Clone)]
pub struct Signed {
    pub(super) carrier: Carrier,
    pub(super) access_key_id: AccessKeyId,
    pub(super) token: Option<SessionToken>,
    pub(super) time: UnixSeconds,
    pub(super) method: String,
    pub(super) target: Target,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) payload: Payload,
    pub(super) signature: Signature,
    pub(super) key: SigningKey,
}

impl Signed {
    /// Where the signature was.
    pub const fn carrier(&self) -> Carrier {
        self.carrier
    }

    /// Whose key signed.
    pub const fn access_key_id(&self) -> &AccessKeyId {
        &self.access_key_id
    }

    /// The session token, opaque.
    pub const fn token(&self) -> Option<&SessionToken> {
        self.token.as_ref()
    }

    /// When it was signed, by the signer's clock.
    pub const fn time(&self) -> UnixSeconds {
        self.time
    }

    /// The region and the day that the signature is of.
    pub fn scope(&self) -> &Scope {
        self.key.scope()
    }

    /// The method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Path and parameters, without those of the signature.
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// The headers under the signature: names in lower case, in order; values as signed.
    pub fn headers(&self) -> &[(String, Vec<u8>)] {
        &self.headers
    }

    /// The value of a header under the signature, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let header = self.headers.iter().find(|(other, _)| other == name);
        header.map(|(_, value)| value.as_slice())
    }

    /// How the body is covered.
    pub const fn payload(&self) -> Payload {
        self.payload
    }

    /// What the signatures of chunks begin with.
    pub(crate) const fn seed(&self) -> (&SigningKey, UnixSeconds, Signature) {
        (&self.key, self.time, self.signature)
    }
}

impl std::fmt::Debug for Signed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("Signed");
        shown
            .field("access_key_id", &self.access_key_id.as_str())
            .finish_non_exhaustive()
    }
}
