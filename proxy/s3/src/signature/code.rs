//! S3's own names of errors, and the HTTP status that each has ("Error responses" of the Amazon S3 API reference).
//!
//! Not here: the XML in which they are sent.

/// The name of an error, as clients of S3 know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// `AccessDenied`.
    AccessDenied,
    /// `AuthorizationHeaderMalformed`.
    AuthorizationHeaderMalformed,
    /// `AuthorizationQueryParametersError`.
    AuthorizationQueryParametersError,
    /// `BadDigest`.
    BadDigest,
    /// `EntityTooLarge`.
    EntityTooLarge,
    /// `EntityTooSmall`.
    EntityTooSmall,
    /// `ExpiredToken`.
    ExpiredToken,
    /// `IncompleteBody`.
    IncompleteBody,
    /// `InvalidAccessKeyId`.
    InvalidAccessKeyId,
    /// `InvalidArgument`.
    InvalidArgument,
    /// `InvalidBucketName`.
    InvalidBucketName,
    /// `InvalidChunkSizeError`.
    InvalidChunkSizeError,
    /// `InvalidDigest`.
    InvalidDigest,
    /// `InvalidPolicyDocument`.
    InvalidPolicyDocument,
    /// `InvalidRange`.
    InvalidRange,
    /// `InvalidRequest`.
    InvalidRequest,
    /// `InvalidToken`.
    InvalidToken,
    /// `InvalidURI`.
    InvalidUri,
    /// `KeyTooLongError`.
    KeyTooLong,
    /// `MalformedTrailerError`.
    MalformedTrailerError,
    /// `MalformedXML`.
    MalformedXml,
    /// `MaxPostPreDataLengthExceededError`.
    MaxPostPreDataLengthExceeded,
    /// `MethodNotAllowed`.
    MethodNotAllowed,
    /// `MissingContentLength`.
    MissingContentLength,
    /// `MissingSecurityHeader`.
    MissingSecurityHeader,
    /// `NotImplemented`.
    NotImplemented,
    /// `PreconditionFailed`.
    PreconditionFailed,
    /// `RequestTimeTooSkewed`.
    RequestTimeTooSkewed,
    /// `ServiceUnavailable`.
    ServiceUnavailable,
    /// `SignatureDoesNotMatch`.
    SignatureDoesNotMatch,
    /// `XAmzContentSHA256Mismatch`.
    XAmzContentSha256Mismatch,
}

impl Code {
    /// The name as it is sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessDenied => "AccessDenied",
            Self::AuthorizationHeaderMalformed => "AuthorizationHeaderMalformed",
            Self::AuthorizationQueryParametersError => "AuthorizationQueryParametersError",
            Self::BadDigest => "BadDigest",
            Self::EntityTooLarge => "EntityTooLarge",
            Self::EntityTooSmall => "EntityTooSmall",
            Self::ExpiredToken => "ExpiredToken",
            Self::IncompleteBody => "IncompleteBody",
            Self::InvalidAccessKeyId => "InvalidAccessKeyId",
            Self::InvalidArgument => "InvalidArgument",
            Self::InvalidBucketName => "InvalidBucketName",
            Self::InvalidChunkSizeError => "InvalidChunkSizeError",
            Self::InvalidDigest => "InvalidDigest",
            Self::InvalidPolicyDocument => "InvalidPolicyDocument",
            Self::InvalidRange => "InvalidRange",
            Self::InvalidRequest => "InvalidRequest",
            Self::InvalidToken => "InvalidToken",
            Self::InvalidUri => "InvalidURI",
            Self::KeyTooLong => "KeyTooLongError",
            Self::MalformedTrailerError => "MalformedTrailerError",
            Self::MalformedXml => "MalformedXML",
            Self::MaxPostPreDataLengthExceeded => "MaxPostPreDataLengthExceededError",
            Self::MethodNotAllowed => "MethodNotAllowed",
            Self::MissingContentLength => "MissingContentLength",
            Self::MissingSecurityHeader => "MissingSecurityHeader",
            Self::NotImplemented => "NotImplemented",
            Self::PreconditionFailed => "PreconditionFailed",
            Self::RequestTimeTooSkewed => "RequestTimeTooSkewed",
            Self::ServiceUnavailable => "ServiceUnavailable",
            Self::SignatureDoesNotMatch => "SignatureDoesNotMatch",
            Self::XAmzContentSha256Mismatch => "XAmzContentSHA256Mismatch",
        }
    }

    /// The HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::AccessDenied
            | Self::InvalidAccessKeyId
            | Self::InvalidChunkSizeError
            | Self::RequestTimeTooSkewed
            | Self::SignatureDoesNotMatch => 403,
            Self::MethodNotAllowed => 405,
            Self::MissingContentLength => 411,
            Self::NotImplemented => 501,
            Self::ServiceUnavailable => 503,
            Self::InvalidRange => 416,
            Self::PreconditionFailed => 412,
            _ => 400,
        }
    }
}
