//! Heads, bodies and forms of S3 requests. The one key that there is belongs to AWS's published examples.

use std::fmt::Write as _;

use exhibit_s3::address::{Address, Source};
use exhibit_s3::chunked::{Body, ChecksumHeaders};
use exhibit_s3::operation::{self, Operation};
use exhibit_s3::signature::credential::{AccessKeyId, Region, SessionToken};
use exhibit_s3::signature::form::{self, Form};
use exhibit_s3::signature::head::Head;
use exhibit_s3::signature::key::SecretKey;
use exhibit_s3::signature::target::Target;
use exhibit_s3::signature::time::UnixSeconds;
use exhibit_s3::signature::{Carrier, NoKey, verify};
use exhibit_s3::sts::WebIdentity;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const TIME: &str = "20130524T000000Z";

/// The object of the heads of bodies.
const OBJECT: &[u8] = b"Hello, chunks!";

/// What a policy needs in order to be looked at; the rest of it is fuzzed.
const CREDENTIAL: &str = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request";

fn secret(id: &AccessKeyId, _: Option<&SessionToken>) -> Result<SecretKey, NoKey> {
    let known = id.as_str() == KEY_ID;
    known
        .then(|| SecretKey::new(SECRET.to_owned().into()))
        .ok_or(NoKey::Unknown)
}

fn region() -> Region {
    Region::new("us-east-1").expect("a region")
}

fn now() -> UnixSeconds {
    UnixSeconds::parse_basic(TIME).expect("a time")
}

/// A head, line by line: what is verified in its header is verified in its canonical form, too.
pub fn head(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let mut lines = text.split('\n');
    let Some((method, target)) = lines.next().and_then(|line| line.split_once(' ')) else {
        return false;
    };
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name, value.as_bytes()))
        .collect();
    let head = Head {
        method,
        target,
        headers: &headers,
    };
    let Ok(signed) = verify(&head, &region(), now(), secret) else {
        return false;
    };
    assert!(signed.headers().is_sorted_by(|one, next| one.0 < next.0));
    let (path, query) = (signed.target().canonical_path(), signed.target().canonical_query());
    let again = format!("{path}?{query}");
    let target = Target::parse(&again).expect("a canonical target is one");
    assert_eq!((target.canonical_path(), target.canonical_query()), (path, query));
    if signed.carrier() == Carrier::Header {
        let again = Head { target: &again, ..head };
        assert!(verify(&again, &region(), now(), secret).is_ok());
    }
    true
}

/// A body in chunks, after two bytes that say its form and how it is split: it ends as the object that was signed, or not at all, and its
/// last byte comes last.
pub fn body(bytes: &[u8]) -> bool {
    let [form, split, body @ ..] = bytes else { return false };
    let (payload, signature) = match form % 3 {
        0 => (
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            "91384137919dbbfb0f88561b784c91330c002f392081496b3f00d1f77c76528c",
        ),
        1 => (
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            "4e1f6e65afb250fc85f2a2ffd9726b9fe3aaffe275a5fa168e5c0d2dfa2f46f0",
        ),
        _ => (
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            "1fce571ded95b0eb0a5c166283a9ad9caab86ebbed01cfdcc4b46bf5c5eff0ef",
        ),
    };
    let trailer = if form % 3 == 0 { "" } else { ";x-amz-trailer" };
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={CREDENTIAL}, SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length{trailer}, \
         Signature={signature}"
    );
    let mut headers: Vec<(&str, &[u8])> = vec![
        ("host", b"b.example"),
        ("authorization", authorization.as_bytes()),
        ("x-amz-content-sha256", payload.as_bytes()),
        ("x-amz-date", TIME.as_bytes()),
        ("x-amz-decoded-content-length", b"14"),
    ];
    if !trailer.is_empty() {
        headers.push(("x-amz-trailer", b"x-amz-checksum-crc32"));
    }
    let head = Head {
        method: "PUT",
        target: "/o",
        headers: &headers,
    };
    let signed = verify(&head, &region(), now(), secret).expect("the heads are right");
    let mut upload = Body::new(&signed, &head, ChecksumHeaders::OfTheBody).expect("the heads are right");
    let mut object = Vec::new();
    for piece in body.chunks(usize::from(*split).max(1)) {
        let Ok(decoded) = upload.push(piece) else { return false };
        object.extend(decoded.into_bytes());
        assert!(object.len() < OBJECT.len());
        assert!(form % 3 == 2 || OBJECT.starts_with(&object));
    }
    let Ok(whole) = upload.finish() else { return false };
    object.extend(whole.last().as_bytes());
    assert_eq!(object.len(), OBJECT.len());
    // Without signatures, 32 bits of a checksum are all that holds, and a fuzzer can write it anew.
    assert!(form % 3 == 2 || object == OBJECT);
    true
}

/// A policy, signed whatever it is: a form that meets it has its key and nothing that it does not name.
pub fn policy(bytes: &[u8]) -> bool {
    let policy = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
    let mut key = format!("AWS4{SECRET}").into_bytes();
    for part in ["20130524", "us-east-1", "s3", "aws4_request", policy.as_str()] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("any length");
        mac.update(part.as_bytes());
        key = mac.finalize().into_bytes().to_vec();
    }
    let signature = key.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes what is written to it");
        text
    });
    let fields = [
        ("key", "user/${filename}"),
        ("policy", policy.as_str()),
        ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
        ("x-amz-credential", CREDENTIAL),
        ("x-amz-date", TIME),
        ("x-amz-signature", signature.as_str()),
    ];
    let form = Form {
        bucket: "b",
        fields: &fields,
        file_name: Some("a"),
    };
    let Ok(signed) = form::verify(&form, &region(), now(), secret) else {
        return false;
    };
    assert_eq!(signed.key().as_str(), "user/a");
    assert!(signed.fields().is_empty());
    assert!(signed.length().is_none_or(|range| range.min() <= range.max()));
    // Nothing of it was said of another field.
    let more: Vec<_> = fields.iter().copied().chain([("planted", "1")]).collect();
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    let named = text.contains("planted") || text.contains("\\u");
    assert!(named || form::verify(&Form { fields: &more, ..form }, &region(), now(), secret).is_err());
    true
}

/// Method, host, target and source of a copy, a line each: the place that goes on to a store is the one that was read, and what is asked
/// for has a name.
pub fn place(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let mut lines = text.split('\n');
    let (Some(method), Some(host), Some(target)) = (lines.next(), lines.next(), lines.next()) else {
        return false;
    };
    let Ok(target) = Target::parse(target) else {
        return false;
    };
    let Ok(address) = Address::parse(host.as_bytes(), &["s3.example".to_owned()], &target) else {
        return false;
    };
    let again = Target::new(address.path(), Vec::new()).expect("it begins with a slash");
    let again = Target::parse(&again.canonical_path()).expect("a canonical path is a target");
    assert_eq!(
        Address::parse(b"s3.example", &["s3.example".to_owned()], &again),
        Ok(address.clone())
    );
    let source = match lines.next().map(|source| Source::parse(source.as_bytes())) {
        None => None,
        Some(Ok(source)) => Some(source),
        Some(Err(_)) => return false,
    };
    if let Some(source) = &source {
        assert_eq!(Source::parse(source.header().as_bytes()).as_ref(), Ok(source));
    }
    let body = source.as_ref().map_or(operation::Body::Own, operation::Body::Copied);
    Operation::parse(method, address.level(), &target, body).is_ok_and(|operation| !operation.as_str().is_empty())
}

/// A request to STS: what it takes is within the limits.
pub fn web_identity(bytes: &[u8]) -> bool {
    let Ok(asked) = WebIdentity::parse(bytes) else {
        return false;
    };
    assert!((900..=43_200).contains(&asked.duration_s));
    assert!(asked.token.bytes().all(|byte| byte.is_ascii_graphic()));
    true
}
