//! Why a request's signature is not taken, with S3's own code for it and what to do now.
//!
//! Not here: errors of the body ([`crate::chunked::BodyError`]) and of forms ([`super::form::FormError`]).

use super::code::Code;
use super::signed::Carrier;
use super::target::TargetError;

/// Seconds that the clock of a signer may be off; S3's own 15 minutes.
pub const SKEW_S_MAX: i64 = 15 * 60;

/// Seconds that a presigned request may be good for: 7 days, S3's own limit (`X-Amz-Expires` in `sigv4-query-string-auth`).
pub const EXPIRES_S_MAX: i64 = 604_800;

/// Why a signature is not taken. The agent is to blame for each of them, and no variant holds a secret, a key of an object or a signature.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureError {
    /// No signature at all.
    #[error("the request is not signed; give the client an access key, requests without credentials are not served")]
    Unsigned,
    /// Signature Version 2, in the header or the query.
    #[error(
        "the request is signed with Signature Version 2; use AWS4-HMAC-SHA256 (boto3 presigns with Version 2 on endpoints of one's own \
         unless it is made with Config(signature_version='s3v4'))"
    )]
    Version2,
    /// Signature Version 4A.
    #[error(
        "the request is signed with Signature Version 4A (AWS4-ECDSA-P256-SHA256); use AWS4-HMAC-SHA256 with one region"
    )]
    Asymmetric,
    /// Another scheme in `Authorization`.
    #[error("the scheme of the Authorization header is not AWS4-HMAC-SHA256; sign the request for S3")]
    Scheme,
    /// A signature in the header and one in the query.
    #[error("the request has credentials in its query and an Authorization header; send one of them")]
    TwoMechanisms,
    /// A header came twice.
    #[error("the header {name} is there more than once; send it once")]
    Repeated {
        /// Its name.
        name: &'static str,
    },
    /// A header has bytes that no header has.
    #[error("the value of a header has line breaks or other control characters")]
    Value,
    /// A limit.
    #[error("the request has more than {} headers", super::head::HEADERS_MAX)]
    TooManyHeaders,
    /// The method is none.
    #[error("the method of the request does not have 1 to 16 upper-case letters")]
    Method,
    /// The target cannot be read.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The Authorization header or the parameters of the query are not of the form.
    #[error("the {} malformed: {why}", carrier.plural())]
    Malformed {
        /// Where the signature is.
        carrier: Carrier,
        /// What is wrong, and what would be right.
        why: &'static str,
    },
    /// The scope is of another region.
    #[error("the {} malformed: the region '{sent}' is wrong; expecting '{expected}' (set the client's region to that)", carrier.plural())]
    Region {
        /// Where the signature is.
        carrier: Carrier,
        /// The region of the scope.
        sent: String,
        /// The region of this proxy.
        expected: String,
    },
    /// No date.
    #[error("the request has no valid x-amz-date or Date header; send one as 20130524T000000Z")]
    Date,
    /// Too far from now.
    #[error(
        "the request was signed {off_s} seconds from now, and at most {SKEW_S_MAX} are taken; set the client's clock"
    )]
    Skewed {
        /// How far, without its sign.
        off_s: i64,
    },
    /// Presigned for later.
    #[error("the presigned request is not valid yet; set the clock of whoever signed it")]
    NotYet,
    /// Presigned, and over.
    #[error("the presigned request has expired; sign a new one")]
    Expired,
    /// No `Host`.
    #[error("the request has no Host header")]
    Host,
    /// No `x-amz-content-sha256`.
    #[error(
        "the header x-amz-content-sha256 is missing; send the body's SHA-256, UNSIGNED-PAYLOAD or a STREAMING form"
    )]
    PayloadMissing,
    /// An unknown `x-amz-content-sha256`.
    #[error(
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, \
         STREAMING-UNSIGNED-PAYLOAD-TRAILER, or a SHA-256 in lower-case hexadecimal digits"
    )]
    Payload,
    /// A header that has to be signed is not.
    #[error("the header {name} is in the request and was not signed; sign it or leave it out")]
    NotSigned {
        /// Its name; `x-amz-meta-*` for that of metadata, and `x-amz-*` for one that S3 does not have.
        name: &'static str,
    },
    /// A signed header is not there.
    #[error(
        "the signature covers a header that is not in the request; does something between the client and here remove headers?"
    )]
    SignedAbsent,
    /// The session token is none.
    #[error("the session token does not have 1 to 8192 visible ASCII characters")]
    Token,
    /// The key's time is over.
    #[error("the session token has expired; get new credentials")]
    ExpiredToken,
    /// Nobody has this key.
    #[error("the access key id is not known here; use one that this proxy issued")]
    UnknownKey,
    /// Another signature.
    #[error(
        "the signature is not the one that this request has with that key; check the secret key, and that nothing on the way changes requests"
    )]
    Mismatch,
}

impl SignatureError {
    /// S3's own code, which has the HTTP status.
    pub const fn code(&self) -> Code {
        match self {
            Self::Unsigned | Self::Date | Self::NotYet | Self::Expired | Self::NotSigned { .. } => Code::AccessDenied,
            Self::Version2 | Self::Asymmetric | Self::PayloadMissing | Self::Method => Code::InvalidRequest,
            Self::Scheme
            | Self::TwoMechanisms
            | Self::Repeated { .. }
            | Self::Value
            | Self::TooManyHeaders
            | Self::Payload => Code::InvalidArgument,
            Self::Target(_) => Code::InvalidUri,
            Self::Malformed { carrier, .. } | Self::Region { carrier, .. } => match carrier {
                Carrier::Header => Code::AuthorizationHeaderMalformed,
                Carrier::Query => Code::AuthorizationQueryParametersError,
            },
            Self::Skewed { .. } => Code::RequestTimeTooSkewed,
            Self::Host => Code::MissingSecurityHeader,
            Self::Token => Code::InvalidToken,
            Self::ExpiredToken => Code::ExpiredToken,
            Self::UnknownKey => Code::InvalidAccessKeyId,
            Self::SignedAbsent | Self::Mismatch => Code::SignatureDoesNotMatch,
        }
    }
}
