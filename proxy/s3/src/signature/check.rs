//! The check: the one place where a claim becomes a [`Signed`] request.

use super::canonical::Canonical;
use super::claim::{Claim, PARAMETERS, SignedHeaders};
use super::credential::{AccessKeyId, Region, SessionToken};
use super::error::{SKEW_S_MAX, SignatureError};
use super::head::{HEADERS_MAX, Head};
use super::key::{SecretKey, SigningKey};
use super::signed::Signed;
use super::target::Target;
use super::time::UnixSeconds;
use crate::headers;

/// Bytes of a method at the most; `OPTIONS` and `DELETE` are the longest of S3.
const METHOD_BYTES_MAX: usize = 16;

/// Why there is no secret for an access key id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoKey {
    /// Nobody has the key, or the token is not its own.
    Unknown,
    /// Its time is over; SDKs ask for new credentials then.
    Expired,
}

impl From<NoKey> for SignatureError {
    fn from(error: NoKey) -> Self {
        match error {
            NoKey::Unknown => Self::UnknownKey,
            NoKey::Expired => Self::ExpiredToken,
        }
    }
}

/// Checks who signed a request.
///
/// `keys` gives the secret of an access key id with the session token that came along; it says itself whether a token is good. A request of an unknown key is checked against a secret of nobody, so that
/// it takes as long as one of a known key with another signature.
///
/// # Errors
/// [`SignatureError`].
pub fn verify<K>(head: &Head<'_>, region: &Region, now: UnixSeconds, keys: K) -> Result<Signed, SignatureError>
where
    K: FnOnce(&AccessKeyId, Option<&SessionToken>) -> Result<SecretKey, NoKey>,
{
    if head.headers.len() > HEADERS_MAX {
        return Err(SignatureError::TooManyHeaders);
    }
    let letters = head.method.bytes().all(|byte| byte.is_ascii_uppercase());
    if !letters || !(1..=METHOD_BYTES_MAX).contains(&head.method.len()) {
        return Err(SignatureError::Method);
    }
    let target = Target::parse(head.target)?;
    let claim = Claim::read(head, &target)?;
    check_scope(&claim, region)?;
    check_time(&claim, now)?;
    check_covered(head, &claim)?;
    let headers = covered(head, &claim.signed_headers)?;
    let payload = claim.payload.as_text();
    let string_to_sign = Canonical {
        method: head.method,
        path: &target.canonical_path(),
        query: &target.canonical_query_without(Some("X-Amz-Signature")),
        headers: &headers,
        payload: &payload,
    }
    .string_to_sign(claim.time, &claim.credential.scope);
    let secret = keys(&claim.credential.access_key_id, claim.token.as_ref());
    let known = secret.as_ref().map(|_| ()).map_err(|error| *error);
    let key = SigningKey::derive(
        &secret.unwrap_or_else(|_| SecretKey::of_nobody()),
        &claim.credential.scope,
    );
    let same = key.sign(&string_to_sign) == claim.signature;
    match (known, same) {
        (Err(error), _) => Err(error.into()),
        (Ok(()), false) => Err(SignatureError::Mismatch),
        (Ok(()), true) => Ok(Signed {
            carrier: claim.carrier,
            access_key_id: claim.credential.access_key_id,
            token: claim.token,
            time: claim.time,
            method: head.method.to_owned(),
            target: target.without(&PARAMETERS),
            headers,
            payload: claim.payload,
            signature: claim.signature,
            key,
        }),
    }
}

fn check_scope(claim: &Claim, region: &Region) -> Result<(), SignatureError> {
    let (carrier, scope) = (claim.carrier, &claim.credential.scope);
    if scope.region() != region {
        return Err(SignatureError::Region {
            carrier,
            sent: scope.region().as_str().to_owned(),
            expected: region.as_str().to_owned(),
        });
    }
    if scope.date() != claim.time.date() {
        let why = "the date of the credential's scope is not that of the request; sign with the day of the request's time in UTC";
        return Err(SignatureError::Malformed { carrier, why });
    }
    Ok(())
}

fn check_time(claim: &Claim, now: UnixSeconds) -> Result<(), SignatureError> {
    let age_s = now.seconds() - claim.time.seconds();
    match claim.expires_s {
        None if age_s.abs() > SKEW_S_MAX => Err(SignatureError::Skewed { off_s: age_s.abs() }),
        Some(_) if age_s < -SKEW_S_MAX => Err(SignatureError::NotYet),
        Some(expires_s) if age_s > expires_s => Err(SignatureError::Expired),
        _ => Ok(()),
    }
}

/// Each header that has to be signed is: `Host` (see [`SignedHeaders`]) and every `x-amz-` header. `x-amz-content-sha256` may stay out, as
/// its value is signed at the end of the canonical request in any case. The specification asks for `Content-Type`, too; S3 takes requests
/// without, and clients count on it: the JavaScript SDKs do not sign it, and whoever presigns does not know what a browser will send.
fn check_covered(head: &Head<'_>, claim: &Claim) -> Result<(), SignatureError> {
    match head.values("host").count() {
        0 => return Err(SignatureError::Host),
        1 => {}
        _ => return Err(SignatureError::Repeated { name: "host" }),
    }
    for (name, _) in head.headers {
        let name = name.to_ascii_lowercase();
        let asked = name.starts_with("x-amz-") && name != "x-amz-content-sha256";
        if asked && !claim.signed_headers.contains(&name) {
            // Whatever else begins so can be anything, and say something of a person.
            let name = match headers::known(&name) {
                _ if name == "content-type" => "content-type",
                Some(known) => known,
                None if name.starts_with("x-amz-meta-") => "x-amz-meta-*",
                None => "x-amz-*",
            };
            return Err(SignatureError::NotSigned { name });
        }
    }
    Ok(())
}

/// The signed headers, as they are signed.
fn covered(head: &Head<'_>, names: &SignedHeaders) -> Result<Vec<(String, Vec<u8>)>, SignatureError> {
    let value = |name: &str| {
        let value = head.canonical(name)?;
        Ok((name.to_owned(), value.ok_or(SignatureError::SignedAbsent)?))
    };
    names.iter().map(value).collect()
}
