//! Requests as boto3 and the AWS CLI sent them (`recorded/record.py` says how), at the time when they were: taken, with the object that was
//! put, or refused with the code of S3.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails, in its helpers too")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use exhibit_s3::chunked::{Body, ChecksumHeaders};
use exhibit_s3::signature::credential::{AccessKeyId, Region, SessionToken};
use exhibit_s3::signature::head::Head;
use exhibit_s3::signature::key::SecretKey;
use exhibit_s3::signature::time::UnixSeconds;
use exhibit_s3::signature::{NoKey, verify};
use serde::Deserialize;

/// A request, as it is recorded.
#[derive(Deserialize)]
struct Recorded {
    name: String,
    /// `taken`, or a code of S3.
    expected: String,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
    object: String,
}

/// The key of AWS's examples, alone or with the token of the recording.
fn keys(id: &AccessKeyId, token: Option<&SessionToken>) -> Result<SecretKey, NoKey> {
    let known = id.as_str() == "AKIAIOSFODNN7EXAMPLE" && token.is_none_or(|token| token.as_str() == "token/+==");
    known
        .then(|| SecretKey::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned().into()))
        .ok_or(NoKey::Unknown)
}

impl Recorded {
    /// When it was signed.
    fn time(&self) -> UnixSeconds {
        let header = self
            .headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("x-amz-date"));
        let parameter = self
            .target
            .split("X-Amz-Date=")
            .nth(1)
            .and_then(|rest| rest.split('&').next());
        let time = header.map(|(_, value)| value.as_str()).or(parameter);
        // Version 2 says no time that is looked at.
        UnixSeconds::parse_basic(time.unwrap_or("20260101T000000Z")).unwrap()
    }

    /// What was put, or the code of the refusal.
    fn outcome(&self) -> Result<Vec<u8>, &'static str> {
        let headers: Vec<_> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        let head = Head {
            method: &self.method,
            target: &self.target,
            headers: &headers,
        };
        let region = Region::new("us-east-1").unwrap();
        let signed = verify(&head, &region, self.time(), keys).map_err(|error| error.code().as_str())?;
        let headers = ChecksumHeaders::OfTheBody;
        let mut body = Body::new(&signed, &head, headers).map_err(|error| error.code().as_str())?;
        let mut object = Vec::new();
        for piece in STANDARD.decode(&self.body).unwrap().chunks(100) {
            object.extend(body.push(piece).map_err(|error| error.code().as_str())?.into_bytes());
        }
        let whole = body.finish().map_err(|error| error.code().as_str())?;
        object.extend(whole.last().as_bytes());
        Ok(object)
    }
}

fn recorded() -> Vec<Recorded> {
    let recorded: Vec<Recorded> = serde_json::from_str(include_str!("recorded/boto3.json")).unwrap();
    assert!(recorded.len() > 35, "only {} requests", recorded.len());
    recorded
}

#[test]
fn clients_are_understood() {
    for request in recorded() {
        let expected = match request.expected.as_str() {
            "taken" => Ok(STANDARD.decode(&request.object).unwrap()),
            code => Err(code.to_owned()),
        };
        let outcome = request.outcome().map_err(ToOwned::to_owned);
        assert_eq!(outcome, expected, "{}", request.name);
    }
}

#[test]
fn nothing_of_a_recorded_request_can_be_changed() {
    for mut request in recorded() {
        if request.expected != "taken" {
            continue;
        }
        let method = std::mem::replace(&mut request.method, "PATCH".to_owned());
        assert_eq!(request.outcome(), Err("SignatureDoesNotMatch"), "{}", request.name);
        request.method = method;
        let target = request.target.clone();
        request.target.push_str(if target.contains('?') { "&a" } else { "?a" });
        assert_eq!(request.outcome(), Err("SignatureDoesNotMatch"), "{}", request.name);
    }
}
