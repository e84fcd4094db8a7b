//! Forms: AWS's published example (`sigv4-post-example`), the conditions, and everything that is refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{KEY_ID, SECRET, keys, region, time};
use crate::address::AddressError;
use crate::signature::credential::{Region, Scope, SessionToken};
use crate::signature::form::{FIELDS_BYTES_MAX, FIELDS_MAX, Form, FormError, SignedForm, verify};
use crate::signature::key::{SecretKey, SigningKey};

/// The policy of AWS's example, as that page has it.
const EXAMPLE: &str = "eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6IFsNCiAgICB7ImJ1Y2tldCI6ICJzaWd2NGV4YW1wbGVidWNrZXQifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci91c2VyMS8iXSwNCiAgICB7ImFjbCI6ICJwdWJsaWMtcmVhZCJ9LA0KICAgIHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3QiOiAiaHR0cDovL3NpZ3Y0ZXhhbXBsZWJ1Y2tldC5zMy5hbWF6b25hd3MuY29tL3N1Y2Nlc3NmdWxfdXBsb2FkLmh0bWwifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRDb250ZW50LVR5cGUiLCAiaW1hZ2UvIl0sDQogICAgeyJ4LWFtei1tZXRhLXV1aWQiOiAiMTQzNjUxMjM2NTEyNzQifSwNCiAgICB7IngtYW16LXNlcnZlci1zaWRlLWVuY3J5cHRpb24iOiAiQUVTMjU2In0sDQogICAgWyJzdGFydHMtd2l0aCIsICIkeC1hbXotbWV0YS10YWciLCAiIl0sDQoNCiAgICB7IngtYW16LWNyZWRlbnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1QTEUvMjAxNTEyMjkvdXMtZWFzdC0xL3MzL2F3czRfcmVxdWVzdCJ9LA0KICAgIHsieC1hbXotYWxnb3JpdGhtIjogIkFXUzQtSE1BQy1TSEEyNTYifSwNCiAgICB7IngtYW16LWRhdGUiOiAiMjAxNTEyMjlUMDAwMDAwWiIgfQ0KICBdDQp9";

/// A form, to change.
#[derive(Clone)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    fn of(fields: &[(&str, &str)]) -> Self {
        Self(
            fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        match self.0.iter_mut().find(|(other, _)| other == name) {
            Some(field) => value.clone_into(&mut field.1),
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.0.retain(|(other, _)| other != name);
        self
    }

    fn verify(&self, now: &str) -> Result<SignedForm, FormError> {
        let fields: Vec<_> = self
            .0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let form = Form {
            bucket: "sigv4examplebucket",
            fields: &fields,
            file_name: Some("C:\\pictures\\MyPhoto.jpg"),
        };
        verify(&form, &region(), time(now), keys)
    }
}

fn example() -> Fields {
    Fields::of(&[
        ("key", "user/user1/${filename}"),
        ("acl", "public-read"),
        (
            "success_action_redirect",
            "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html",
        ),
        ("Content-Type", "image/jpeg"),
        ("x-amz-meta-uuid", "14365123651274"),
        ("x-amz-server-side-encryption", "AES256"),
        (
            "X-Amz-Credential",
            "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request",
        ),
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Date", "20151229T000000Z"),
        ("x-amz-meta-tag", ""),
        ("Policy", EXAMPLE),
        (
            "X-Amz-Signature",
            "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e",
        ),
    ])
}

const NOW: &str = "20151229T010000Z";

/// A form whose policy has conditions of a test, signed by the example's key.
pub(crate) fn form(conditions: &str, fields: &[(&str, &str)]) -> Result<SignedForm, FormError> {
    let own = format!(
        r#"{{"expiration": "2015-12-30T12:00:00Z", "conditions": [{{"bucket": "sigv4examplebucket"}}, ["starts-with", "$key", ""],
        {{"x-amz-credential": "{KEY_ID}/20151229/us-east-1/s3/aws4_request"}}, {{"x-amz-algorithm": "AWS4-HMAC-SHA256"}},
        {{"x-amz-date": "20151229T000000Z"}}{conditions}]}}"#
    );
    of_policy(&own, fields)
}

fn of_policy(policy: &str, fields: &[(&str, &str)]) -> Result<SignedForm, FormError> {
    let policy = STANDARD.encode(policy);
    let scope = Scope::new(time("20151229T000000Z"), Region::new("us-east-1").expect("a region"));
    let secret = SecretKey::new(Zeroizing::new(SECRET.to_owned()));
    let signature = SigningKey::derive(&secret, &scope).sign(&policy).to_string();
    let own = [
        ("key", "user/${filename}"),
        (
            "x-amz-credential",
            "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request",
        ),
        ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
        ("x-amz-date", "20151229T000000Z"),
        ("policy", policy.as_str()),
        ("x-amz-signature", signature.as_str()),
    ];
    let all: Vec<_> = own.iter().chain(fields).copied().collect();
    Fields::of(&all).verify(NOW)
}

#[test]
fn the_example_is_verified() {
    let form = example().verify(NOW).expect("the example");
    assert_eq!(form.access_key_id().as_str(), KEY_ID);
    assert_eq!(form.key().as_str(), "user/user1/MyPhoto.jpg");
    assert_eq!(form.length(), None);
    assert_eq!(form.time(), time("20151229T000000Z"));
    let names: Vec<_> = form.fields().iter().map(|(name, _)| name.as_str()).collect();
    let expected = [
        "acl",
        "success_action_redirect",
        "content-type",
        "x-amz-meta-uuid",
        "x-amz-server-side-encryption",
        "x-amz-meta-tag",
    ];
    assert_eq!(names, expected);
    assert_eq!(
        format!("{form:?}"),
        format!("SignedForm {{ access_key_id: {KEY_ID:?}, .. }}")
    );
}

#[test]
fn a_form_holds_until_its_policy_says() {
    assert!(example().verify("20151230T120000Z").is_ok());
    assert_eq!(example().verify("20151230T120001Z").err(), Some(FormError::Expired));
    assert!(example().verify("20151228T234500Z").is_ok());
    assert_eq!(example().verify("20151228T234459Z").err(), Some(FormError::NotYet));
}

#[test]
fn every_field_is_held_to_the_policy() {
    let condition = |field: &str| {
        Some(FormError::Condition {
            field: field.to_owned(),
        })
    };
    let extra = |field: &str| {
        Some(FormError::NotAllowed {
            field: field.to_owned(),
        })
    };
    assert_eq!(example().with("acl", "private").verify(NOW).err(), condition("acl"));
    assert_eq!(example().without("acl").verify(NOW).err(), condition("acl"));
    assert_eq!(
        example().with("key", "user/user2/a").verify(NOW).err(),
        condition("key")
    );
    assert_eq!(
        example().with("Content-Type", "text/html").verify(NOW).err(),
        condition("content-type")
    );
    assert_eq!(
        example().with("x-amz-meta-uuid", "1").verify(NOW).err(),
        condition("x-amz-meta-*")
    );
    assert_eq!(
        example().with("x-amz-meta-planted", "1").verify(NOW).err(),
        extra("x-amz-meta-*")
    );
    assert_eq!(example().with("tagging", "").verify(NOW).err(), extra("tagging"));
    assert_eq!(example().with("bucket", "other").verify(NOW).err(), condition("bucket"));
    assert!(example().with("bucket", "sigv4examplebucket").verify(NOW).is_ok());
    assert!(example().with("x-ignore-me", "1").verify(NOW).is_ok());
    // Of a list of types, each has to begin so.
    assert!(
        example()
            .with("Content-Type", "image/png, image/jpeg")
            .verify(NOW)
            .is_ok()
    );
    assert_eq!(
        example().with("Content-Type", "image/png,text/html").verify(NOW).err(),
        condition("content-type")
    );
    // The name of the file is of the key alone, and there has to be a key.
    let starts = r#", ["starts-with", "$acl", ""]"#;
    let field = "acl".to_owned();
    assert_eq!(
        form(starts, &[("acl", "${filename}")]).err(),
        Some(FormError::FileName { field })
    );
    assert_eq!(
        example().with("key", "").verify(NOW).err(),
        Some(FormError::Key(AddressError::KeyEmpty))
    );
    assert_eq!(
        example().with("key", "user/user1/../a").verify(NOW).err(),
        Some(FormError::Key(AddressError::KeyPath))
    );
    // The name of the file is the end of the key alone.
    assert_eq!(
        form(r#", ["eq", "$key", "user/MyPhoto.jpg"]"#, &[])
            .expect("it is")
            .key()
            .as_str(),
        "user/MyPhoto.jpg"
    );
    assert_eq!(
        form(r#", ["eq", "$key", "user/${filename}"]"#, &[]).err(),
        condition("key")
    );
    assert_eq!(
        form(
            r#", ["eq", "$acl", "private"], ["starts-with", "$acl", "p"]"#,
            &[("acl", "public")]
        )
        .err(),
        condition("acl")
    );
    assert!(form(r#", {"ACL": "private"}"#, &[("Acl", "private")]).is_ok());
}

#[test]
fn a_policy_has_to_name_bucket_and_key() {
    let own = r#"{"x-amz-credential": "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"}, {"x-amz-algorithm": "AWS4-HMAC-SHA256"}, {"x-amz-date": "20151229T000000Z"}"#;
    for (conditions, missing) in [
        (r#"["starts-with", "$key", ""]"#, "bucket"),
        (r#"{"bucket": "sigv4examplebucket"}"#, "key"),
    ] {
        let policy = format!(r#"{{"expiration": "2015-12-30T12:00:00Z", "conditions": [{conditions}, {own}]}}"#);
        let refused = Some(FormError::NotAllowed {
            field: missing.to_owned(),
        });
        assert_eq!(of_policy(&policy, &[]).err(), refused);
    }
}

#[test]
fn a_range_of_lengths_is_kept_for_the_file() {
    let range = form(r#", ["content-length-range", 1, 1024]"#, &[])
        .expect("a form")
        .length()
        .expect("a range");
    assert_eq!((range.min(), range.max()), (1, 1024));
}

#[test]
fn a_policy_of_another_form() {
    for conditions in [
        r#", ["content-length-range", 2, 1]"#,
        r#", ["content-length-range", 1, 2], ["content-length-range", 1, 2]"#,
        r#", ["content-length-range", -1, 2]"#,
        r#", ["content-length-range", 1, 2, 3]"#,
        r#", ["content-length-range", 1]"#,
        r#", ["contains", "$acl", "p"]"#,
        r#", ["eq", "acl", "p"]"#,
        r#", ["eq", "$acl"]"#,
        r#", ["eq", "$acl", "p", "q"]"#,
        r#", ["eq", "$acl", 1]"#,
        r#", {"acl": "p", "tagging": "q"}"#,
        r", {}",
        r", []",
        r", 1",
        r#", {"acl": "\$"}"#,
    ] {
        assert_eq!(form(conditions, &[]).err(), Some(FormError::PolicyForm), "{conditions}");
    }
    for policy in [
        "",
        "[]",
        r#"{"conditions": []}"#,
        r#"{"expiration": "2015-12-30T12:00:00Z"}"#,
        r#"{"expiration": "2015-12-30", "conditions": []}"#,
        r#"{"expiration": "2015-12-30T12:00:00Z", "conditions": [], "x": 1}"#,
        r#"{"expiration": "2015-12-30T12:00:00Z", "expiration": "2015-12-30T12:00:00Z", "conditions": []}"#,
        r#"{"expiration": "2015-12-30T12:00:00Z", "conditions": []} x"#,
    ] {
        assert_eq!(of_policy(policy, &[]).err(), Some(FormError::PolicyForm), "{policy}");
    }
    let many = r#", {"acl": "p"}"#.repeat(124);
    assert_eq!(form(&many, &[("acl", "p")]).err(), Some(FormError::TooMuch));
    assert!(form(&r#", {"acl": "p"}"#.repeat(123), &[("acl", "p")]).is_ok());
}

#[allow(clippy::needless_pass_by_value, reason = "each is made for the one call")]
fn check(fields: Fields, error: FormError, code: &str, status: u16) {
    let refused = fields.verify(NOW).err();
    assert_eq!(refused.as_ref(), Some(&error));
    assert_eq!((error.code().as_str(), error.code().status()), (code, status));
}

#[test]
fn a_form_of_another_signature() {
    check(
        example().without("Policy").without("X-Amz-Signature"),
        FormError::Unsigned,
        "AccessDenied",
        403,
    );
    check(
        example().with("AWSAccessKeyId", KEY_ID),
        FormError::Version2,
        "InvalidRequest",
        400,
    );
    check(
        example().with("signature", "x"),
        FormError::Version2,
        "InvalidRequest",
        400,
    );
    check(
        example().with("X-Amz-Algorithm", "AWS4-ECDSA-P256-SHA256"),
        FormError::Asymmetric,
        "InvalidRequest",
        400,
    );
    check(
        example().with("X-Amz-Algorithm", "x"),
        FormError::Algorithm,
        "InvalidArgument",
        400,
    );
    for (name, field) in [
        ("Policy", "policy"),
        ("X-Amz-Signature", "x-amz-signature"),
        ("X-Amz-Algorithm", "x-amz-algorithm"),
        ("X-Amz-Credential", "x-amz-credential"),
        ("X-Amz-Date", "x-amz-date"),
        ("key", "key"),
    ] {
        check(
            example().without(name),
            FormError::Missing { field },
            "InvalidArgument",
            400,
        );
    }
    let repeated = FormError::Repeated {
        field: "acl".to_owned(),
    };
    check(example().with("ACL", "public-read"), repeated, "InvalidArgument", 400);
}

#[test]
fn a_form_of_another_credential() {
    let why = "the service of the credential's scope is not `s3`; sign for S3";
    let credential = "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/sts/aws4_request";
    check(
        example().with("X-Amz-Credential", credential),
        FormError::Credential { why },
        "InvalidArgument",
        400,
    );
    let other = FormError::Region {
        sent: "eu-north-1".to_owned(),
        expected: "us-east-1".to_owned(),
    };
    let credential = "AKIAIOSFODNN7EXAMPLE/20151229/eu-north-1/s3/aws4_request";
    check(
        example().with("X-Amz-Credential", credential),
        other,
        "InvalidArgument",
        400,
    );
    check(
        example().with("X-Amz-Date", "2015"),
        FormError::Date,
        "InvalidArgument",
        400,
    );
    let why = "the date of the credential's scope is not that of x-amz-date";
    check(
        example().with("X-Amz-Date", "20151228T000000Z"),
        FormError::Credential { why },
        "InvalidArgument",
        400,
    );
    check(
        example().with("x-amz-security-token", ""),
        FormError::Token,
        "InvalidToken",
        400,
    );
    check(
        example().with("X-Amz-Signature", "8A"),
        FormError::Signature,
        "InvalidArgument",
        400,
    );
    let credential = "AKIAIOSFODNN7EXAMPLF/20151229/us-east-1/s3/aws4_request";
    check(
        example().with("X-Amz-Credential", credential),
        FormError::UnknownKey,
        "InvalidAccessKeyId",
        403,
    );
    let changed = EXAMPLE.replacen("eyAi", "eyAj", 1);
    check(
        example().with("Policy", &changed),
        FormError::Mismatch,
        "SignatureDoesNotMatch",
        403,
    );
    let long = "a".repeat(FIELDS_BYTES_MAX);
    check(
        example().with("x-ignore-a", &long),
        FormError::TooMuch,
        "MaxPostPreDataLengthExceededError",
        400,
    );
    let many = (0..FIELDS_MAX).fold(example(), |form, number| form.with(&format!("x-ignore-{number}"), ""));
    check(many, FormError::TooMuch, "MaxPostPreDataLengthExceededError", 400);
}

#[test]
fn the_token_is_a_field_as_others_are() {
    let condition = r#", {"x-amz-security-token": "token"}"#;
    let signed = form(condition, &[("x-amz-security-token", "token")]).expect("a form");
    assert_eq!(signed.token().map(SessionToken::as_str), Some("token"));
    let refused = form("", &[("x-amz-security-token", "token")]).err();
    assert_eq!(
        refused,
        Some(FormError::NotAllowed {
            field: "x-amz-security-token".to_owned()
        })
    );
}
