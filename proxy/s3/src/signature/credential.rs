//! What a signature says of itself: `AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request`, and the token that comes along.
//!
//! Not here: secrets ([`super::key`]).

use zeroize::Zeroizing;

use super::time::UnixSeconds;

/// Bytes of an access key id at the most; AWS's own limit (`AccessKeyId` of the IAM API reference).
pub const ACCESS_KEY_ID_BYTES_MAX: usize = 128;

/// Bytes of a region's name at the most.
pub const REGION_BYTES_MAX: usize = 64;

/// Bytes of a session token at the most; tokens that carry claims with them have 1 to 4 KiB.
pub const SESSION_TOKEN_BYTES_MAX: usize = 8_192;

/// The service that every scope names.
const SERVICE: &str = "s3";

/// How every scope ends.
const TERMINATION: &str = "aws4_request";

/// Whose key signed; public, as a user name is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AccessKeyId(
    /// 1 to 128 letters, digits, `_` and `-`.
    String,
);

impl AccessKeyId {
    /// Reads an id.
    pub fn new(text: &str) -> Option<Self> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let fits = (1..=ACCESS_KEY_ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(known);
        fits.then(|| Self(text.to_owned()))
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A region, as in `eu-central-1`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Region(
    /// 1 to 64 lower-case letters, digits and `-`.
    String,
);

impl Region {
    /// Reads a region's name.
    pub fn new(text: &str) -> Option<Self> {
        let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let fits = (1..=REGION_BYTES_MAX).contains(&text.len()) && text.bytes().all(known);
        fits.then(|| Self(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a signing key is good for: S3 in one region on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Eight digits.
    date: String,
    region: Region,
}

impl Scope {
    /// The scope of a region on the day of a time.
    pub fn new(time: UnixSeconds, region: Region) -> Self {
        Self {
            date: time.date(),
            region,
        }
    }

    /// The day, as in `20130524`.
    pub fn date(&self) -> &str {
        &self.date
    }

    /// The region.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// The service and the end, in the order in which a signing key takes them in.
    pub(super) const fn rest() -> [&'static str; 2] {
        [SERVICE, TERMINATION]
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{}/{}/{SERVICE}/{TERMINATION}",
            self.date,
            self.region.as_str()
        )
    }
}

/// An access key id and a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Credential {
    pub(super) access_key_id: AccessKeyId,
    pub(super) scope: Scope,
}

/// What is wrong with a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CredentialFault {
    Parts,
    AccessKeyId,
    Date,
    Region,
    Service,
    Termination,
}

impl CredentialFault {
    pub(super) const fn why(self) -> &'static str {
        match self {
            Self::Parts => "the credential does not have the form <access key id>/<yyyymmdd>/<region>/s3/aws4_request",
            Self::AccessKeyId => "the access key id does not have 1 to 128 letters, digits, `_` and `-`",
            Self::Date => "the date of the credential's scope does not have the form yyyymmdd",
            Self::Region => "the region of the credential's scope does not have lower-case letters, digits and `-`",
            Self::Service => "the service of the credential's scope is not `s3`; sign for S3",
            Self::Termination => "the credential's scope does not end in `aws4_request`",
        }
    }
}

impl Credential {
    /// Reads `<access key id>/<yyyymmdd>/<region>/s3/aws4_request`.
    pub(super) fn parse(text: &str) -> Result<Self, CredentialFault> {
        let mut parts = text.split('/');
        let mut next = || parts.next().ok_or(CredentialFault::Parts);
        let (id, date, region, service, termination) = (next()?, next()?, next()?, next()?, next()?);
        if parts.next().is_some() {
            return Err(CredentialFault::Parts);
        }
        let day = UnixSeconds::parse_basic(&format!("{date}T000000Z")).ok_or(CredentialFault::Date)?;
        let region = Region::new(region).ok_or(CredentialFault::Region)?;
        if service != SERVICE {
            return Err(CredentialFault::Service);
        }
        if termination != TERMINATION {
            return Err(CredentialFault::Termination);
        }
        Ok(Self {
            access_key_id: AccessKeyId::new(id).ok_or(CredentialFault::AccessKeyId)?,
            scope: Scope::new(day, region),
        })
    }
}

impl std::fmt::Display for Credential {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.access_key_id.as_str(), self.scope)
    }
}

/// What temporary credentials bring with each request; opaque here. Whoever has it and the secret is its holder, so it is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionToken(
    /// 1 to 8,192 visible ASCII characters.
    Zeroizing<String>,
);

impl SessionToken {
    /// Reads a token.
    pub fn new(text: &str) -> Option<Self> {
        let fits =
            (1..=SESSION_TOKEN_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// The token.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for SessionToken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SessionToken")
    }
}
