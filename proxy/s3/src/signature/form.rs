//! Browser uploads by `POST`: the policy of a form, its signature, and that every field of the form is one that the policy allows.
//!
//! Specification: `sigv4-authentication-HTTPPOST`, `sigv4-HTTPPOSTConstructPolicy`, `sigv4-HTTPPOSTForms` of the Amazon S3 API reference.
//! What is signed is the policy's base64, as sent.
//!
//! ```text
//! bucket=<of the address>  key=user/${filename}  acl=…  policy=<base64 of JSON>  x-amz-credential=…  x-amz-date=…  x-amz-signature=…  file=<bytes>
//! ```
//!
//! Not here: `multipart/form-data`, and the file ([`crate::chunked::Body::of_file`]).

mod error;
mod policy;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub use error::FormError;
pub use policy::LengthRange;

use self::policy::{Condition, Policy};
use super::ALGORITHM;
use super::check::NoKey;
use super::credential::{AccessKeyId, Credential, Region, SessionToken};
use super::error::SKEW_S_MAX;
use super::key::{SecretKey, Signature, SigningKey};
use super::time::UnixSeconds;
use crate::address::Key;

/// Fields of a form at the most.
pub const FIELDS_MAX: usize = 128;

/// Bytes of a form's fields at the most, names included and the file not; S3's own 20 KB (`sigv4-HTTPPOSTForms`).
pub const FIELDS_BYTES_MAX: usize = 20_480;

/// What the key of a form may have in it for the name of the file.
const FILE_NAME: &str = "${filename}";

/// Fields that need no condition; `x-ignore-` is a prefix.
const EXEMPT: [&str; 3] = ["x-amz-signature", "file", "policy"];

/// Fields that are of the signature, and do not go further.
const OF_THE_SIGNATURE: [&str; 6] = [
    "policy",
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-signature",
];

/// A form as it came, up to its file.
#[derive(Clone, Copy)]
pub struct Form<'a> {
    /// The bucket that the request is addressed to.
    pub bucket: &'a str,
    /// Names and values of the fields before the file; names in any case.
    pub fields: &'a [(&'a str, &'a str)],
    /// The file's name, where the browser says one.
    pub file_name: Option<&'a str>,
}

/// A form whose signature and policy were checked. Made by [`verify`] alone.
///
/// **Invariant:** every field but those of the signature, and those whose names begin with `x-ignore-`, meets a condition of the policy,
/// which the secret of [`Self::access_key_id`] signed; what is left to check is the file's length, which [`crate::chunked::Body`] does.
#[derive(Clone)]
pub struct SignedForm {
    access_key_id: AccessKeyId,
    token: Option<SessionToken>,
    time: UnixSeconds,
    key: Key,
    fields: Vec<(String, String)>,
    length: Option<LengthRange>,
}

impl SignedForm {
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

    /// The key of the object, with the file's name in its place.
    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// The fields that say something of the object, names in lower case; without `key`.
    pub fn fields(&self) -> &[(String, String)] {
        &self.fields
    }

    /// What lengths of the file the policy takes, where it says so.
    pub const fn length(&self) -> Option<LengthRange> {
        self.length
    }
}

impl std::fmt::Debug for SignedForm {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("SignedForm");
        shown
            .field("access_key_id", &self.access_key_id.as_str())
            .finish_non_exhaustive()
    }
}

/// Checks who signed the policy of a form, and the form against it. For `keys` see [`super::verify`].
///
/// # Errors
/// [`FormError`].
pub fn verify<K>(form: &Form<'_>, region: &Region, now: UnixSeconds, keys: K) -> Result<SignedForm, FormError>
where
    K: FnOnce(&AccessKeyId, Option<&SessionToken>) -> Result<SecretKey, NoKey>,
{
    let fields = Fields::read(form)?;
    let claim = Claim::read(&fields, region, now)?;
    let secret = keys(&claim.credential.access_key_id, claim.token.as_ref());
    let known = secret.as_ref().map(|_| ()).map_err(|error| *error);
    let secret = secret.unwrap_or_else(|_| SecretKey::of_nobody());
    let signature = SigningKey::derive(&secret, &claim.credential.scope).sign(claim.policy);
    match (known, signature == claim.signature) {
        (Err(NoKey::Unknown), _) => return Err(FormError::UnknownKey),
        (Err(NoKey::Expired), _) => return Err(FormError::ExpiredToken),
        (Ok(()), false) => return Err(FormError::Mismatch),
        (Ok(()), true) => {}
    }
    // Nothing of the policy was looked at before somebody known had signed it.
    let policy = STANDARD.decode(claim.policy).map_err(|_| FormError::PolicyEncoding)?;
    let policy = Policy::parse(&policy)?;
    if now > policy.expiration {
        return Err(FormError::Expired);
    }
    let key = Key::parse(fields.key(form.file_name)?.as_bytes())?;
    fields.check(&policy.conditions, form.bucket, key.as_str())?;
    Ok(SignedForm {
        access_key_id: claim.credential.access_key_id,
        token: claim.token,
        time: claim.time,
        key,
        fields: fields.of_the_object(),
        length: policy.length,
    })
}

/// The fields of a form, each once.
struct Fields<'a>(Vec<(String, &'a str)>);

impl<'a> Fields<'a> {
    fn read(form: &Form<'a>) -> Result<Self, FormError> {
        let bytes = form.fields.iter().map(|(name, value)| name.len() + value.len());
        if form.fields.len() > FIELDS_MAX || bytes.sum::<usize>() > FIELDS_BYTES_MAX {
            return Err(FormError::TooMuch);
        }
        let mut fields: Vec<(String, &str)> = Vec::with_capacity(form.fields.len());
        for (name, value) in form.fields {
            let name = name.to_ascii_lowercase();
            // S3 replaces it in every field; here it is taken where it is of use, and nowhere stored as it stands.
            if name != "key" && value.contains(FILE_NAME) {
                return Err(FormError::FileName { field: shown(&name) });
            }
            if fields.iter().any(|(other, _)| *other == name) {
                return Err(FormError::Repeated { field: shown(&name) });
            }
            fields.push((name, value));
        }
        Ok(Self(fields))
    }

    fn find(&self, name: &str) -> Option<&'a str> {
        let field = self.0.iter().find(|(other, _)| other == name);
        field.map(|(_, value)| *value)
    }

    fn required(&self, field: &'static str) -> Result<&'a str, FormError> {
        self.find(field).ok_or(FormError::Missing { field })
    }

    /// The key with the file's name in it: what stands behind the last separator, as old browsers send whole paths.
    fn key(&self, file_name: Option<&str>) -> Result<String, FormError> {
        let name = file_name.unwrap_or_default();
        let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
        Ok(self.required("key")?.replace(FILE_NAME, name))
    }

    /// Every condition is met, and every field has one.
    fn check(&self, conditions: &[Condition], bucket: &str, key: &str) -> Result<(), FormError> {
        let value = |field: &str| match field {
            // The address says the bucket; a field of that name may repeat it.
            "bucket" => Some(bucket),
            "key" => Some(key),
            _ => self.find(field),
        };
        for condition in conditions {
            let met = value(&condition.field).is_some_and(|value| condition.is_met(value));
            if !met {
                return Err(FormError::Condition {
                    field: shown(&condition.field),
                });
            }
        }
        let names = self.0.iter().map(|(name, _)| name.as_str());
        let asked = names.filter(|name| !EXEMPT.contains(name) && !name.starts_with("x-ignore-"));
        for name in asked.chain(["bucket", "key"]) {
            if !conditions.iter().any(|condition| condition.field == name) {
                return Err(FormError::NotAllowed { field: shown(name) });
            }
        }
        if self.find("bucket").is_some_and(|field| field != bucket) {
            return Err(FormError::Condition {
                field: "bucket".to_owned(),
            });
        }
        Ok(())
    }

    fn of_the_object(&self) -> Vec<(String, String)> {
        let kept = self.0.iter().filter(|(name, _)| {
            !OF_THE_SIGNATURE.contains(&name.as_str())
                && !matches!(name.as_str(), "key" | "bucket" | "file")
                && !name.starts_with("x-ignore-")
        });
        kept.map(|(name, value)| (name.clone(), (*value).to_owned())).collect()
    }
}

/// What a form claims of its signature.
struct Claim<'a> {
    policy: &'a str,
    credential: Credential,
    time: UnixSeconds,
    token: Option<SessionToken>,
    signature: Signature,
}

impl<'a> Claim<'a> {
    fn read(fields: &Fields<'a>, region: &Region, now: UnixSeconds) -> Result<Self, FormError> {
        if fields.find("awsaccesskeyid").is_some() || fields.find("signature").is_some() {
            return Err(FormError::Version2);
        }
        if fields.find("policy").is_none() && fields.find("x-amz-signature").is_none() {
            return Err(FormError::Unsigned);
        }
        match fields.required("x-amz-algorithm")? {
            ALGORITHM => {}
            "AWS4-ECDSA-P256-SHA256" => return Err(FormError::Asymmetric),
            _ => return Err(FormError::Algorithm),
        }
        let credential = Credential::parse(fields.required("x-amz-credential")?);
        let credential = credential.map_err(|fault| FormError::Credential { why: fault.why() })?;
        if credential.scope.region() != region {
            return Err(FormError::Region {
                sent: credential.scope.region().as_str().to_owned(),
                expected: region.as_str().to_owned(),
            });
        }
        let time = UnixSeconds::parse_basic(fields.required("x-amz-date")?).ok_or(FormError::Date)?;
        if credential.scope.date() != time.date() {
            let why = "the date of the credential's scope is not that of x-amz-date";
            return Err(FormError::Credential { why });
        }
        if time.seconds() - now.seconds() > SKEW_S_MAX {
            return Err(FormError::NotYet);
        }
        let token = fields.find("x-amz-security-token");
        Ok(Self {
            policy: fields.required("policy")?,
            credential,
            time,
            token: token
                .map(|text| SessionToken::new(text).ok_or(FormError::Token))
                .transpose()?,
            signature: Signature::parse(fields.required("x-amz-signature")?).ok_or(FormError::Signature)?,
        })
    }
}

/// The name of a field as an error may say it: names of metadata can say something of a person.
fn shown(name: &str) -> String {
    let known =
        name.len() <= 64 && !name.starts_with("x-amz-meta-") && name.bytes().all(|byte| byte.is_ascii_graphic());
    if known {
        name.to_owned()
    } else {
        "x-amz-meta-*".to_owned()
    }
}
