//! Signatures against AWS's own examples, against AWS's own library, and everything that is refused.

pub(crate) mod forms;
pub(crate) mod golden;
mod oracle;
mod refused;
mod signing;

use zeroize::Zeroizing;

use super::canonical::Canonical;
use super::credential::{AccessKeyId, Region, Scope, SessionToken};
use super::head::Head;
use super::key::SecretKey;
use super::time::UnixSeconds;
use super::{NoKey, SignatureError, Signed, verify};

/// The credentials of AWS's examples.
pub(crate) const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// The time of AWS's examples.
pub(crate) const TIME: &str = "20130524T000000Z";

/// The owner of the one key that there is.
#[allow(clippy::unnecessary_wraps, reason = "the form that the check asks for")]
pub(crate) fn keys(id: &AccessKeyId, _: Option<&SessionToken>) -> Result<SecretKey, NoKey> {
    let known = id.as_str() == KEY_ID;
    known
        .then(|| SecretKey::new(Zeroizing::new(SECRET.to_owned())))
        .ok_or(NoKey::Unknown)
}

pub(crate) fn region() -> Region {
    Region::new("us-east-1").expect("a region")
}

pub(crate) fn time(text: &str) -> UnixSeconds {
    UnixSeconds::parse_basic(text).expect("a time")
}

/// The string to sign of a `PUT` of `/object`.
pub(crate) fn put_string_to_sign(headers: &[(String, Vec<u8>)], payload: &str) -> String {
    let canonical = Canonical {
        method: "PUT",
        path: "/object",
        query: "",
        headers,
        payload,
    };
    canonical.string_to_sign(time(TIME), &Scope::new(time(TIME), region()))
}

/// A request, to change.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) now: String,
}

impl Request {
    pub(crate) fn new(method: &str, target: &str, headers: &[(&str, &str)]) -> Self {
        let owned = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: owned.collect(),
            now: TIME.to_owned(),
        }
    }

    /// With another value of a header, or with a header more.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        match self.headers.iter_mut().find(|(other, _)| other == name) {
            Some(header) => value.clone_into(&mut header.1),
            None => self.headers.push((name.to_owned(), value.to_owned())),
        }
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self
    }

    pub(crate) fn at(mut self, now: &str) -> Self {
        now.clone_into(&mut self.now);
        self
    }

    pub(crate) fn to(mut self, target: &str) -> Self {
        target.clone_into(&mut self.target);
        self
    }

    /// What a function gives of its head.
    pub(crate) fn head<T>(&self, give: impl FnOnce(&Head<'_>) -> T) -> T {
        let headers: Vec<_> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        give(&Head {
            method: &self.method,
            target: &self.target,
            headers: &headers,
        })
    }

    pub(crate) fn verify(&self) -> Result<Signed, SignatureError> {
        self.head(|head| verify(head, &region(), time(&self.now), keys))
    }
}

/// The first of AWS's examples, which others are made of.
pub(crate) fn example() -> Request {
    let authorization = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
                         SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,\
                         Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";
    Request::new(
        "GET",
        "/test.txt",
        &[
            ("Host", "examplebucket.s3.amazonaws.com"),
            ("Authorization", authorization),
            ("Range", "bytes=0-9"),
            (
                "x-amz-content-sha256",
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            ),
            ("x-amz-date", TIME),
        ],
    )
}

/// AWS's example of a presigned request.
pub(crate) fn presigned() -> Request {
    let target = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
                  &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
                  &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    Request::new("GET", target, &[("Host", "examplebucket.s3.amazonaws.com")])
}
