//! Secrets and what is made with them: the signing key of a scope, and signatures, compared in constant time.
//!
//! Specification: "Calculating a signature" of the Amazon S3 API reference, page `sig-v4-header-based-auth`.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::credential::Scope;

/// A secret access key. Leaves memory when it is dropped, and is never shown.
#[derive(Clone)]
pub struct SecretKey(Zeroizing<String>);

impl SecretKey {
    /// Takes a secret over.
    pub fn new(secret: Zeroizing<String>) -> Self {
        Self(secret)
    }

    /// What to check with where nobody has the key, so that the check takes as long; as long as AWS's own secrets. It is public, so
    /// whoever uses it has to refuse.
    pub(super) fn of_nobody() -> Self {
        Self(Zeroizing::new("-".repeat(40)))
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SecretKey")
    }
}

/// The key of one scope, derived from a secret. Leaves memory when it is dropped, and is never shown.
#[derive(Clone)]
pub(crate) struct SigningKey {
    key: Zeroizing<[u8; 32]>,
    scope: Scope,
}

impl SigningKey {
    pub(crate) fn derive(secret: &SecretKey, scope: &Scope) -> Self {
        let first = Zeroizing::new(format!("AWS4{}", secret.0.as_str()));
        let mut key = mac(first.as_bytes(), scope.date().as_bytes());
        let [service, termination] = Scope::rest();
        for part in [scope.region().as_str(), service, termination] {
            key = mac(key.as_slice(), part.as_bytes());
        }
        Self {
            key,
            scope: scope.clone(),
        }
    }

    pub(crate) fn sign(&self, string_to_sign: &str) -> Signature {
        Signature(*mac(self.key.as_slice(), string_to_sign.as_bytes()))
    }

    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SigningKey")
    }
}

/// 32 bytes, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy)]
pub struct Signature([u8; 32]);

impl Signature {
    /// Reads 64 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        lower_hex(text).map(Self)
    }
}

impl PartialEq for Signature {
    /// In constant time: how much of a guess was right is not to be measured.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Signature {}

impl std::fmt::Display for Signature {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

/// Not shown: who has the signature of a presigned request has the request.
impl std::fmt::Debug for Signature {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Signature")
    }
}

/// 32 bytes of 64 lower-case hexadecimal digits, and of no other form.
pub(crate) fn lower_hex(text: &str) -> Option<[u8; 32]> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

fn mac(key: &[u8], message: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    Zeroizing::new(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::{SecretKey, Signature, SigningKey};
    use crate::signature::credential::{Region, Scope, SessionToken};
    use crate::signature::time::UnixSeconds;

    #[test]
    fn secrets_are_not_shown() {
        let secret = SecretKey::new(Zeroizing::new("planted".to_owned()));
        let time = UnixSeconds::new(0).expect("1970");
        let scope = Scope::new(time, Region::new("us-east-1").expect("a region"));
        let key = SigningKey::derive(&secret, &scope);
        let token = SessionToken::new("planted").expect("a token");
        let signature = key.sign("");
        let shown = format!("{secret:?} {key:?} {token:?} {signature:?}");
        assert_eq!(shown, "SecretKey SigningKey SessionToken Signature");
    }

    #[test]
    fn a_signature_has_one_form() {
        let text = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";
        assert_eq!(Signature::parse(text).expect("a signature").to_string(), text);
        assert!(Signature::parse(&text.to_uppercase()).is_none());
        assert!(Signature::parse(text.get(2..).expect("62 digits")).is_none());
        assert!(Signature::parse(&format!("{text}00")).is_none());
    }
}
