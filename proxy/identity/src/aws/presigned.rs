//! The token: a presigned URL, of exactly one form.
//!
//! ```text
//! exhibit-aws-v1.<base64url, without padding, of>
//! https://<endpoint>/?Action=GetCallerIdentity&Version=2011-06-15
//!   &X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=<key id>%2F<day>%2F<region>%2Fsts%2Faws4_request
//!   &X-Amz-Date=<time>&X-Amz-Expires=<1 to 900>&X-Amz-SignedHeaders=host%3Bx-exhibit-audience
//!   [&X-Amz-Security-Token=<token>]&X-Amz-Signature=<64 hexadecimal digits>
//! ```
//!
//! The order of parameters is free, since signatures do not depend on it; each stands there once, and no other. Everything in it
//! was looked at before any of it is sent.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use exhibit_schemas::event::Timestamp;
use zeroize::Zeroizing;

use super::{AUDIENCE_HEADER, LIFETIME_S_MAX};

/// What a token begins with.
pub(crate) const PREFIX: &str = "exhibit-aws-v1.";

/// Bytes of a token at the most; with the session token of a role one has some two thousand.
const TOKEN_BYTES_MAX: usize = 16 << 10;

const US_PER_S: u64 = 1_000_000;

/// Why a token is no request of ours. Nothing of it is repeated.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub enum FormError {
    /// Longer than any.
    #[error("it has more than {TOKEN_BYTES_MAX} bytes")]
    TooLong,
    /// Not what `exhibit login --aws` writes.
    #[error("it is no presigned URL in base64url")]
    Encoding,
    /// A parameter is missing, stands twice, or is one that has no place there.
    #[error("its parameters are not those of a presigned GetCallerIdentity request, each once")]
    Parameters,
    /// It asks for something else.
    #[error("it asks STS for something else than GetCallerIdentity")]
    Action,
    /// It is not signed for anybody.
    #[error("its signed headers are not `host` and `{AUDIENCE_HEADER}`")]
    SignedHeaders,
    /// It is signed for another service, or says different days.
    #[error("its credential is not of its day, for STS")]
    Scope,
    /// It is good for too long.
    #[error("it is good for more than {LIFETIME_S_MAX} s, or for no time that can be read")]
    Lifetime,
}

/// A request, as its token says; nothing of it is proven.
pub(super) struct Presigned {
    /// Host and port that it was signed for.
    pub(super) authority: String,
    pub(super) region: String,
    /// When it was signed.
    pub(super) from: Timestamp,
    /// From when on it is good no more.
    pub(super) until: Timestamp,
    /// All of the query, as it was signed.
    pub(super) query: Zeroizing<String>,
    pub(super) signature: String,
}

/// The parameters, each once.
#[derive(Default)]
struct Parameters {
    action: Option<String>,
    version: Option<String>,
    algorithm: Option<String>,
    credential: Option<String>,
    date: Option<String>,
    expires: Option<String>,
    signed_headers: Option<String>,
    security_token: Option<String>,
    signature: Option<String>,
}

impl Presigned {
    /// Reads a token.
    ///
    /// # Errors
    /// [`FormError`].
    pub(super) fn read(token: &str) -> Result<Self, FormError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(FormError::TooLong);
        }
        let encoded = token.strip_prefix(PREFIX).ok_or(FormError::Encoding)?;
        let url = URL_SAFE_NO_PAD.decode(encoded).map(Zeroizing::new);
        let url = url.map_err(|_| FormError::Encoding)?;
        let url = std::str::from_utf8(&url).map_err(|_| FormError::Encoding)?;
        let (scheme, rest) = url.split_once("://").ok_or(FormError::Encoding)?;
        let (authority, query) = rest.split_once("/?").ok_or(FormError::Encoding)?;
        let host = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
        if !["https", "http"].contains(&scheme) || authority.is_empty() || !authority.bytes().all(host) {
            return Err(FormError::Encoding);
        }
        Self::of(authority, query)
    }

    fn of(authority: &str, query: &str) -> Result<Self, FormError> {
        let Parameters {
            action: Some(action),
            version: Some(version),
            algorithm: Some(algorithm),
            credential: Some(credential),
            date: Some(date),
            expires: Some(expires),
            signed_headers: Some(signed_headers),
            security_token: _,
            signature: Some(signature),
        } = Parameters::of(query)?
        else {
            return Err(FormError::Parameters);
        };
        let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if algorithm != "AWS4-HMAC-SHA256" || signature.len() != 64 || !signature.bytes().all(hexadecimal) {
            return Err(FormError::Parameters);
        }
        if action != "GetCallerIdentity" || version != "2011-06-15" {
            return Err(FormError::Action);
        }
        if signed_headers.split(';').ne(["host", AUDIENCE_HEADER]) {
            return Err(FormError::SignedHeaders);
        }
        let from = time(&date).ok_or(FormError::Lifetime)?;
        let parts: Vec<&str> = credential.split('/').collect();
        let [key, day, region, "sts", "aws4_request"] = parts.as_slice() else {
            return Err(FormError::Scope);
        };
        let of_key = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        if !(16..=128).contains(&key.len()) || !key.bytes().all(of_key) || !date.starts_with(day) || day.len() != 8 {
            return Err(FormError::Scope);
        }
        let digits = expires.bytes().all(|byte| byte.is_ascii_digit());
        let seconds = expires
            .parse()
            .ok()
            .filter(|seconds| digits && (1..=LIFETIME_S_MAX).contains(seconds));
        let seconds: u64 = seconds.ok_or(FormError::Lifetime)?;
        Ok(Self {
            authority: authority.to_owned(),
            region: (*region).to_owned(),
            from,
            until: Timestamp(from.0.saturating_add(seconds.saturating_mul(US_PER_S))),
            query: Zeroizing::new(query.to_owned()),
            signature,
        })
    }
}

impl Parameters {
    fn of(query: &str) -> Result<Self, FormError> {
        let mut found = Self::default();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').ok_or(FormError::Parameters)?;
            let place = match name {
                "Action" => &mut found.action,
                "Version" => &mut found.version,
                "X-Amz-Algorithm" => &mut found.algorithm,
                "X-Amz-Credential" => &mut found.credential,
                "X-Amz-Date" => &mut found.date,
                "X-Amz-Expires" => &mut found.expires,
                "X-Amz-SignedHeaders" => &mut found.signed_headers,
                "X-Amz-Security-Token" => &mut found.security_token,
                "X-Amz-Signature" => &mut found.signature,
                _ => return Err(FormError::Parameters),
            };
            let value = decoded(value).ok_or(FormError::Parameters)?;
            if place.replace(value).is_some() {
                return Err(FormError::Parameters);
            }
        }
        Ok(found)
    }
}

/// A value of a query in its only form: what is not unreserved is encoded, in capital digits (RFC 3986, 2.1 and 2.3), as Signature
/// Version 4 has it. Another form might be read otherwise by who checks the signature.
fn decoded(value: &str) -> Option<String> {
    let mut decoded = String::new();
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let plain = if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            if digits.iter().any(u8::is_ascii_lowercase) {
                return None;
            }
            let byte = u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?;
            (byte.is_ascii_graphic() && !unreserved(byte) && digits.iter().all(u8::is_ascii_hexdigit)).then_some(byte)
        } else {
            unreserved(byte).then_some(byte)
        };
        decoded.push(char::from(plain?));
    }
    Some(decoded)
}

/// `YYYYMMDDTHHMMSSZ`.
fn time(text: &str) -> Option<Timestamp> {
    let (day, time) = text.strip_suffix('Z')?.split_once('T')?;
    if (day.len(), time.len()) != (8, 6) || !day.is_ascii() || !time.is_ascii() {
        return None;
    }
    let part = |text: &str, from: usize, to: usize| text.get(from..to).map(str::to_owned);
    let (year, month, date) = (part(day, 0, 4)?, part(day, 4, 6)?, part(day, 6, 8)?);
    let (hour, minute, second) = (part(time, 0, 2)?, part(time, 2, 4)?, part(time, 4, 6)?);
    Timestamp::parse(&format!("{year}-{month}-{date}T{hour}:{minute}:{second}Z"))
}

#[cfg(test)]
pub(super) mod tests;
