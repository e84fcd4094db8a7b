//! The claim of a presigned request.
//!
//! ```text
//! ?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=…&X-Amz-Date=…&X-Amz-Expires=…&X-Amz-SignedHeaders=host&X-Amz-Signature=…
//! ```
//!
//! Specification: `sigv4-query-string-auth`. The body is not covered, unless `X-Amz-Content-Sha256` or its header says how.

use super::ALGORITHM;
use super::claim::{Claim, SignedHeaders};
use super::error::{EXPIRES_S_MAX, SignatureError};
use super::head::Head;
use super::key::Signature;
use super::payload::Payload;
use super::signed::Carrier;
use super::target::Target;
use super::time::UnixSeconds;

pub(super) fn read(head: &Head<'_>, target: &Target) -> Result<Claim, SignatureError> {
    match required(target, "X-Amz-Algorithm")? {
        ALGORITHM => {}
        "AWS4-ECDSA-P256-SHA256" => return Err(SignatureError::Asymmetric),
        _ => return Err(malformed("X-Amz-Algorithm only supports AWS4-HMAC-SHA256")),
    }
    let signature = Signature::parse(required(target, "X-Amz-Signature")?);
    let time = UnixSeconds::parse_basic(required(target, "X-Amz-Date")?);
    Ok(Claim {
        carrier: Carrier::Query,
        credential: Claim::credential(required(target, "X-Amz-Credential")?, Carrier::Query)?,
        signed_headers: SignedHeaders::parse(required(target, "X-Amz-SignedHeaders")?, Carrier::Query)?,
        signature: signature.ok_or(malformed(
            "X-Amz-Signature does not have 64 lower-case hexadecimal digits",
        ))?,
        time: time.ok_or(malformed("X-Amz-Date must be in the form yyyyMMddTHHmmssZ"))?,
        expires_s: Some(expires(required(target, "X-Amz-Expires")?)?),
        token: token(head, target)?.map(Claim::token).transpose()?,
        payload: payload(head, target)?,
    })
}

/// The value of a parameter that may be there once, as text.
fn optional<'a>(target: &'a Target, name: &'static str) -> Result<Option<&'a str>, SignatureError> {
    let mut values = target.values(name);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(malformed("one of them is there twice"));
    }
    let text = str::from_utf8(value).map_err(|_| malformed("one of them is no text"))?;
    Ok(Some(text))
}

fn required<'a>(target: &'a Target, name: &'static str) -> Result<&'a str, SignatureError> {
    optional(target, name)?.ok_or(malformed(
        "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, \
         X-Amz-SignedHeaders, and X-Amz-Expires parameters",
    ))
}

/// 1 to 604,800, in digits without a sign or zeros in front.
fn expires(text: &str) -> Result<i64, SignatureError> {
    let refused = malformed("X-Amz-Expires must be a number of seconds from 1 to 604800 (7 days)");
    let digits = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = text
        .parse()
        .ok()
        .filter(|seconds| digits && (1..=EXPIRES_S_MAX).contains(seconds));
    seconds.ok_or(refused)
}

/// In the query, or in a header, which has to be signed then as each `x-amz-` header has.
fn token<'a>(head: &Head<'a>, target: &'a Target) -> Result<Option<&'a str>, SignatureError> {
    match (
        optional(target, "X-Amz-Security-Token")?,
        head.text("x-amz-security-token")?,
    ) {
        (Some(_), Some(_)) => Err(malformed("the session token is in a header, too; send it once")),
        (one, other) => Ok(one.or(other)),
    }
}

fn payload(head: &Head<'_>, target: &Target) -> Result<Payload, SignatureError> {
    let text = match (
        optional(target, "X-Amz-Content-Sha256")?,
        head.text("x-amz-content-sha256")?,
    ) {
        (Some(one), Some(other)) if one != other => {
            return Err(malformed("X-Amz-Content-Sha256 and the header of that name differ"));
        }
        (one, other) => one.or(other),
    };
    text.map_or(Ok(Payload::Unsigned), Claim::payload)
}

const fn malformed(why: &'static str) -> SignatureError {
    SignatureError::Malformed {
        carrier: Carrier::Query,
        why,
    }
}
