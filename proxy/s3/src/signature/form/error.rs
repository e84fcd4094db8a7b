//! Why a form is not taken, with S3's own code for it and what to do now.

use super::{FIELDS_BYTES_MAX, FIELDS_MAX};
use crate::address::AddressError;
use crate::signature::code::Code;

/// Why a form is not taken. The agent is to blame for each of them, and no variant holds the value of a field.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum FormError {
    /// Neither a policy nor a signature.
    #[error("the form is not signed; it needs a policy and its signature")]
    Unsigned,
    /// Signature Version 2.
    #[error(
        "the form is signed with Signature Version 2; use AWS4-HMAC-SHA256 (boto3 presigns with Version 2 on endpoints of one's own unless \
         it is made with Config(signature_version='s3v4'))"
    )]
    Version2,
    /// Signature Version 4A.
    #[error("the form is signed with Signature Version 4A; use AWS4-HMAC-SHA256")]
    Asymmetric,
    /// Another algorithm.
    #[error("x-amz-algorithm only supports AWS4-HMAC-SHA256")]
    Algorithm,
    /// A field is not there.
    #[error("Bucket POST must contain a field named '{field}'")]
    Missing {
        /// Its name.
        field: &'static str,
    },
    /// A field is there twice.
    #[error("the form has the field {field} twice")]
    Repeated {
        /// Its name.
        field: String,
    },
    /// A limit.
    #[error(
        "the form has more than {FIELDS_MAX} fields or conditions, or more than {FIELDS_BYTES_MAX} bytes before its file"
    )]
    TooMuch,
    /// The credential cannot be read.
    #[error("x-amz-credential is malformed: {why}")]
    Credential {
        /// What is wrong.
        why: &'static str,
    },
    /// The scope is of another region.
    #[error("x-amz-credential is malformed: the region '{sent}' is wrong; expecting '{expected}'")]
    Region {
        /// The region of the scope.
        sent: String,
        /// The region of this proxy.
        expected: String,
    },
    /// No date.
    #[error("x-amz-date must be in the form yyyyMMddTHHmmssZ")]
    Date,
    /// Signed for later.
    #[error("the form is not valid yet; set the clock of whoever signed it")]
    NotYet,
    /// The session token is none.
    #[error("the session token does not have 1 to 8192 visible ASCII characters")]
    Token,
    /// The signature is none.
    #[error("x-amz-signature does not have 64 lower-case hexadecimal digits")]
    Signature,
    /// The key of the object is none.
    #[error(transparent)]
    Key(#[from] AddressError),
    /// The file's name in another field than the key.
    #[error("`${{filename}}` is taken in the field key alone, and {field} has it")]
    FileName {
        /// The field.
        field: String,
    },
    /// The key's time is over.
    #[error("the session token has expired; get new credentials")]
    ExpiredToken,
    /// Nobody has this key.
    #[error("the access key id is not known here; use one that this proxy issued")]
    UnknownKey,
    /// Another signature.
    #[error(
        "the signature is not the one that this policy has with that key; check the secret key, and that the policy is sent as it was signed"
    )]
    Mismatch,
    /// The policy is not base64.
    #[error("the policy is not base64 with padding")]
    PolicyEncoding,
    /// The policy is none.
    #[error("the policy is no JSON of `expiration` and `conditions` in the forms that S3 has")]
    PolicyForm,
    /// The policy is over.
    #[error("Invalid according to Policy: Policy expired; sign a new one")]
    Expired,
    /// A field is not what the policy says.
    #[error("Invalid according to Policy: Policy Condition failed: the field {field}")]
    Condition {
        /// Its name; that of metadata is shortened to `x-amz-meta-*`.
        field: String,
    },
    /// The policy does not name a field.
    #[error("Invalid according to Policy: Extra input fields: {field}; add a condition for it, or leave it out")]
    NotAllowed {
        /// Its name; that of metadata is shortened to `x-amz-meta-*`.
        field: String,
    },
}

impl FormError {
    /// S3's own code, which has the HTTP status.
    pub const fn code(&self) -> Code {
        match self {
            Self::Unsigned | Self::NotYet | Self::Expired | Self::Condition { .. } | Self::NotAllowed { .. } => {
                Code::AccessDenied
            }
            Self::Version2 | Self::Asymmetric => Code::InvalidRequest,
            Self::Algorithm
            | Self::Missing { .. }
            | Self::Repeated { .. }
            | Self::Credential { .. }
            | Self::Region { .. }
            | Self::Date
            | Self::Signature
            | Self::Key(_)
            | Self::FileName { .. } => Code::InvalidArgument,
            Self::TooMuch => Code::MaxPostPreDataLengthExceeded,
            Self::Token => Code::InvalidToken,
            Self::UnknownKey => Code::InvalidAccessKeyId,
            Self::ExpiredToken => Code::ExpiredToken,
            Self::Mismatch => Code::SignatureDoesNotMatch,
            Self::PolicyEncoding | Self::PolicyForm => Code::InvalidPolicyDocument,
        }
    }
}
