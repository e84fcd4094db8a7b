//! The claim of an `Authorization` header.
//!
//! ```text
//! AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders=host;range;x-amz-date, Signature=fe5f…
//! ```
//!
//! Specification: `sigv4-auth-using-authorization-header`. Blanks after commas may be left out; each part is there once, and no other.

use super::ALGORITHM;
use super::claim::{Claim, SignedHeaders};
use super::error::SignatureError;
use super::head::Head;
use super::key::Signature;
use super::signed::Carrier;
use super::time::UnixSeconds;

pub(super) fn read(authorization: &str, head: &Head<'_>) -> Result<Claim, SignatureError> {
    let parts = Parts::parse(parameters(authorization)?)?;
    let payload = head
        .text("x-amz-content-sha256")?
        .ok_or(SignatureError::PayloadMissing)?;
    Ok(Claim {
        carrier: Carrier::Header,
        credential: Claim::credential(parts.credential, Carrier::Header)?,
        signed_headers: SignedHeaders::parse(parts.signed_headers, Carrier::Header)?,
        signature: Signature::parse(parts.signature)
            .ok_or(malformed("Signature does not have 64 lower-case hexadecimal digits"))?,
        time: time(head)?,
        expires_s: None,
        token: head.text("x-amz-security-token")?.map(Claim::token).transpose()?,
        payload: Claim::payload(payload)?,
    })
}

/// What stands behind the one scheme that is taken.
fn parameters(authorization: &str) -> Result<&str, SignatureError> {
    let (scheme, parameters) = authorization.split_once(' ').unwrap_or((authorization, ""));
    match scheme {
        ALGORITHM => Ok(parameters),
        "AWS" => Err(SignatureError::Version2),
        "AWS4-ECDSA-P256-SHA256" => Err(SignatureError::Asymmetric),
        _ => Err(SignatureError::Scheme),
    }
}

/// The three parts, as text.
struct Parts<'a> {
    credential: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

impl<'a> Parts<'a> {
    fn parse(parameters: &'a str) -> Result<Self, SignatureError> {
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for part in parameters.split(',') {
            let (name, value) = part.trim_matches(' ').split_once('=').ok_or(malformed(
                "its parts do not have the form name=value with commas between them",
            ))?;
            let place = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => {
                    return Err(malformed(
                        "it has a part that is not Credential, SignedHeaders or Signature",
                    ));
                }
            };
            if place.replace(value).is_some() {
                return Err(malformed("it has a part twice"));
            }
        }
        Ok(Self {
            credential: credential.ok_or(malformed("Credential is missing"))?,
            signed_headers: signed_headers.ok_or(malformed("SignedHeaders is missing"))?,
            signature: signature.ok_or(malformed("Signature is missing"))?,
        })
    }
}

/// `x-amz-date`, or else `Date`. The time is in the string to sign, so `Date` needs not be among the signed headers.
fn time(head: &Head<'_>) -> Result<UnixSeconds, SignatureError> {
    let time = match head.text("x-amz-date")? {
        Some(text) => UnixSeconds::parse_basic(text),
        None => head
            .text("date")?
            .and_then(|text| UnixSeconds::parse_http(text).or_else(|| UnixSeconds::parse_basic(text))),
    };
    time.ok_or(SignatureError::Date)
}

const fn malformed(why: &'static str) -> SignatureError {
    SignatureError::Malformed {
        carrier: Carrier::Header,
        why,
    }
}
