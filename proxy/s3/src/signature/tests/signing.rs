//! What is signed here: which headers, with which token, and what is refused.

use zeroize::Zeroizing;

use super::{KEY_ID, Request, SECRET, TIME, keys, region, time};
use crate::signature::canonical::Canonical;
use crate::signature::credential::{AccessKeyId, Scope, SessionToken};
use crate::signature::key::{SecretKey, SigningKey};
use crate::signature::payload::Payload;
use crate::signature::sign::{Credentials, Header, SignError, SignedBody, sign};
use crate::signature::target::Target;
use crate::signature::{SignatureError, verify};

fn signed(headers: &[(&str, &[u8])], token: Option<&str>) -> Result<Vec<Header>, SignError> {
    let credentials = Credentials {
        access_key_id: AccessKeyId::new(KEY_ID).expect("an id"),
        secret: SecretKey::new(Zeroizing::new(SECRET.to_owned())),
        token: token.map(|token| SessionToken::new(token).expect("a token")),
    };
    let target = Target::parse("/a%20b?versionId=1").expect("a target");
    sign(
        "PUT",
        &target,
        headers,
        SignedBody::Unsigned,
        &credentials,
        &region(),
        time(TIME),
    )
}

#[test]
fn what_hops_change_is_not_signed_and_the_rest_is() {
    let headers: [(&str, &[u8]); 6] = [
        ("Host", b"store.example"),
        ("User-Agent", b"x"),
        ("Content-Length", b"3"),
        ("Expect", b"100-continue"),
        ("Content-Type", b"text/plain"),
        ("x-amz-acl", b"private"),
    ];
    let added = signed(&headers, Some("planted")).expect("it signs");
    let authorization = &added.last().expect("there").value;
    let names = "SignedHeaders=content-type;host;x-amz-acl;x-amz-content-sha256;x-amz-date;x-amz-security-token,";
    assert!(authorization.contains(names), "{}", authorization.as_str());
    let texts: Vec<_> = headers
        .iter()
        .map(|(name, value)| (*name, str::from_utf8(value).expect("text")))
        .chain(added.iter().map(|header| (header.name, header.value.as_str())))
        .collect();
    let request = Request::new("PUT", "/a%20b?versionId=1", &texts).with("User-Agent", "another");
    let verified = request.verify().expect("it is right");
    assert_eq!(verified.payload(), Payload::Unsigned);
    assert_eq!(verified.token().map(SessionToken::as_str), Some("planted"));
    assert!(request.with("Content-Type", "text/html").verify().is_err());
    assert!(!format!("{added:?}").contains("planted"), "values are not shown");
}

#[test]
fn refuses_what_it_makes_itself_and_a_request_without_one_host() {
    let host: (&str, &[u8]) = ("host", b"store.example");
    for name in ["x-amz-content-sha256", "x-amz-date", "x-amz-security-token"] {
        let given = name.to_uppercase();
        let error = signed(&[host, (&given, b"x")], None).err();
        assert_eq!(error, Some(SignError::MadeHere { name }));
    }
    assert_eq!(signed(&[], None).err(), Some(SignError::Host));
    assert_eq!(signed(&[host, host], None).err(), Some(SignError::Host));
    assert_eq!(signed(&[host, ("a", b"\n")], None).err(), Some(SignError::Value));
}

/// A client that sends `Date` and no `x-amz-date`, signed or not.
#[test]
fn the_date_header_is_taken_where_there_is_no_other() {
    for date in ["Fri, 24 May 2013 00:00:00 GMT", TIME] {
        for names in ["date;host", "host"] {
            let all = [("date", date), ("host", "store.example")];
            let headers: Vec<_> = all
                .iter()
                .filter(|(name, _)| names.split(';').any(|other| other == *name))
                .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
                .collect();
            let scope = Scope::new(time(TIME), region());
            let string_to_sign = Canonical {
                method: "GET",
                path: "/",
                query: "",
                headers: &headers,
                payload: "UNSIGNED-PAYLOAD",
            }
            .string_to_sign(time(TIME), &scope);
            let secret = SecretKey::new(Zeroizing::new(SECRET.to_owned()));
            let signature = SigningKey::derive(&secret, &scope).sign(&string_to_sign);
            let authorization =
                format!("AWS4-HMAC-SHA256 Credential={KEY_ID}/{scope}, SignedHeaders={names}, Signature={signature}");
            let request = Request::new("GET", "/", &all)
                .with("authorization", &authorization)
                .with("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
            assert!(request.verify().is_ok(), "{date} {names}");
            let late = request.clone().at("20130524T001501Z").verify().err();
            assert_eq!(late, Some(SignatureError::Skewed { off_s: 901 }));
            // Another date is another string to sign, whether the header is under the signature or not.
            let other = request.with("date", "Fri, 24 May 2013 00:00:01 GMT");
            let other = other.head(|head| verify(head, &region(), time(TIME), keys));
            assert_eq!(other.err(), Some(SignatureError::Mismatch));
        }
    }
}
