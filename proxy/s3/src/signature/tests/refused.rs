//! Every error by name, with S3's code and status, and what it says to do.

use super::{KEY_ID, Request, SECRET, TIME, example, keys, presigned, region, time};
use crate::signature::head::HEADERS_MAX;
use crate::signature::target::TargetError;
use crate::signature::{Carrier, NoKey, SignatureError, verify};

/// The request is refused with the code and the status, and the message has a part.
fn check(request: &Request, code: &str, status: u16, says: &str) {
    let error = request.verify().expect_err(says);
    assert_eq!(
        (error.code().as_str(), error.code().status()),
        (code, status),
        "{error}"
    );
    let message = error.to_string();
    assert!(message.contains(says), "{message:?} does not say {says:?}");
    assert!(!message.contains(SECRET) && !message.contains("planted"), "{message}");
}

/// The example with another `Authorization`, made of its own.
fn authorization(from: &str, to: &str) -> Request {
    let request = example();
    let own = request
        .headers
        .iter()
        .find(|(name, _)| name == "Authorization")
        .expect("there")
        .1
        .clone();
    assert!(own.contains(from), "{own} has no {from}");
    request.with("Authorization", &own.replace(from, to))
}

/// The presigned example with another query, made of its own.
fn query(from: &str, to: &str) -> Request {
    let request = presigned();
    assert!(request.target.contains(from), "{} has no {from}", request.target);
    let target = request.target.replace(from, to);
    request.to(&target)
}

#[test]
fn a_request_without_a_signature() {
    check(&example().without("Authorization"), "AccessDenied", 403, "not signed");
}

#[test]
fn other_mechanisms_are_named() {
    let version_2 = example().with("Authorization", "AWS AKIAIOSFODNN7EXAMPLE:frJIUN8DYpKDtOLCwo//yllqDzg=");
    check(&version_2, "InvalidRequest", 400, "signature_version='s3v4'");
    let version_2 = presigned()
        .to("/a?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=vjbyPxybdZaNmGa%2ByT272YEAiv4%3D&Expires=1141889120");
    check(
        &version_2,
        "InvalidRequest",
        400,
        "AWS4-HMAC-SHA256 (boto3 presigns with Version 2",
    );
    check(&presigned().to("/a?Signature=x"), "InvalidRequest", 400, "Version 2");
    let asymmetric = authorization("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256");
    check(&asymmetric, "InvalidRequest", 400, "Version 4A");
    let asymmetric = query("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256");
    check(&asymmetric, "InvalidRequest", 400, "Version 4A");
    let asymmetric = example().with("x-amz-content-sha256", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD");
    check(&asymmetric, "InvalidRequest", 400, "Version 4A");
    for scheme in ["Bearer planted", "Basic planted", "planted", "aws4-hmac-sha256 a=b", ""] {
        check(
            &example().with("Authorization", scheme),
            "InvalidArgument",
            400,
            "scheme",
        );
    }
    check(
        &query("AWS4-HMAC-SHA256", "planted"),
        "AuthorizationQueryParametersError",
        400,
        "only supports AWS4-HMAC-SHA256",
    );
}

#[test]
fn two_mechanisms_at_once() {
    let both = presigned().with("Authorization", "AWS4-HMAC-SHA256 Credential=a");
    check(&both, "InvalidArgument", 400, "send one of them");
    for target in [
        "/?X-Amz-Security-Token=t",
        "/?X-Amz-Date=1",
        "/?Signature=a",
        "/?AWSAccessKeyId=a",
    ] {
        check(&example().to(target), "InvalidArgument", 400, "send one of them");
    }
    check(
        &query("?", "?AWSAccessKeyId=a&"),
        "InvalidArgument",
        400,
        "send one of them",
    );
}

#[test]
fn an_authorization_header_of_another_form() {
    let malformed = |request: &Request, says: &str| check(request, "AuthorizationHeaderMalformed", 400, says);
    malformed(&authorization("Signature=", "Signatur="), "a part that is not");
    malformed(&authorization(",Signature=f0e8", ",Signature=F0E8"), "64 lower-case");
    malformed(&authorization("bdb41", "bdb4"), "64 lower-case");
    malformed(&authorization("bdb41", "bdb41,Signature=00"), "twice");
    malformed(&authorization(",Signature=", ";Signature="), "Signature is missing");
    malformed(
        &authorization(
            "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,",
            "",
        ),
        "Credential is missing",
    );
    malformed(
        &authorization("SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,", ""),
        "SignedHeaders is missing",
    );
    malformed(&example().with("Authorization", "AWS4-HMAC-SHA256"), "name=value");
    malformed(&authorization("bdb41", "bdb41,"), "name=value");
    malformed(&authorization("host;range", "range;host"), "not sorted");
    malformed(&authorization("host;range", "host;host;range"), "not sorted");
    malformed(&authorization("host;range", "Host;range"), "lower case");
    malformed(&authorization("host;range", "host;;range"), "names of headers");
    malformed(&authorization("=host;range", "=range"), "`host`");
}

#[test]
fn a_credential_of_another_form() {
    let malformed = |from: &str, to: &str, says: &str| {
        check(&authorization(from, to), "AuthorizationHeaderMalformed", 400, says);
    };
    malformed("/20130524/", "/", "<access key id>");
    malformed("aws4_request", "aws4_request/x", "<access key id>");
    malformed(KEY_ID, "", "1 to 128 letters");
    malformed(KEY_ID, "AKIA planted", "1 to 128 letters");
    malformed(KEY_ID, &"A".repeat(129), "1 to 128 letters");
    malformed("/20130524/", "/2013-05-24/", "yyyymmdd");
    malformed("/20130524/", "/20130532/", "yyyymmdd");
    malformed("/20130524/", "/20130523/", "not that of the request");
    malformed("us-east-1", "US", "region");
    malformed("/s3/", "/sts/", "`s3`");
    malformed("aws4_request", "aws4", "aws4_request");
    malformed(
        "us-east-1",
        "eu-central-1",
        "the region 'eu-central-1' is wrong; expecting 'us-east-1'",
    );
    let other = query("us-east-1", "eu-central-1");
    check(
        &other,
        "AuthorizationQueryParametersError",
        400,
        "expecting 'us-east-1'",
    );
}

#[test]
fn headers_that_are_missing_or_there_twice() {
    check(
        &example().without("x-amz-content-sha256"),
        "InvalidRequest",
        400,
        "x-amz-content-sha256 is missing",
    );
    check(
        &example().with("x-amz-content-sha256", "planted"),
        "InvalidArgument",
        400,
        "must be UNSIGNED-PAYLOAD",
    );
    check(
        &example().without("x-amz-date"),
        "AccessDenied",
        403,
        "20130524T000000Z",
    );
    check(
        &example().with("x-amz-date", "Fri, 24 May 2013 00:00:00 GMT"),
        "AccessDenied",
        403,
        "20130524T000000Z",
    );
    check(&example().without("Host"), "MissingSecurityHeader", 400, "Host");
    check(
        &example().without("Range"),
        "SignatureDoesNotMatch",
        403,
        "not in the request",
    );
    for name in ["Host", "Authorization", "x-amz-date", "x-amz-content-sha256"] {
        let mut twice = example();
        let header = twice
            .headers
            .iter()
            .find(|(other, _)| other == name)
            .expect("there")
            .clone();
        twice.headers.push(header);
        check(&twice, "InvalidArgument", 400, "more than once");
    }
}

#[test]
fn an_unsigned_header_that_has_to_be_signed() {
    check(
        &example().with("X-Amz-Acl", "private"),
        "AccessDenied",
        403,
        "x-amz-acl",
    );
    check(
        &presigned().with("x-amz-acl", "private"),
        "AccessDenied",
        403,
        "x-amz-acl",
    );
    check(
        &example().with("x-amz-meta-planted", "1"),
        "AccessDenied",
        403,
        "x-amz-meta-*",
    );
    check(
        &presigned().with("x-amz-security-token", "t"),
        "AccessDenied",
        403,
        "x-amz-security-token",
    );
    check(
        &example().with("x-amz-security-token", "t"),
        "AccessDenied",
        403,
        "x-amz-security-token",
    );
    // What S3 takes unsigned.
    assert!(
        example()
            .with("Content-Type", "text/plain")
            .with("User-Agent", "x")
            .verify()
            .is_ok()
    );
    assert!(
        presigned()
            .with("Content-Type", "text/plain")
            .with("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
            .verify()
            .is_ok()
    );
}

#[test]
fn the_clock_may_be_off_by_15_minutes() {
    for now in ["20130524T001500Z", "20130523T234500Z"] {
        assert!(example().at(now).verify().is_ok(), "{now}");
    }
    for now in ["20130524T001501Z", "20130523T234459Z"] {
        check(&example().at(now), "RequestTimeTooSkewed", 403, "901 seconds");
    }
}

#[test]
fn a_presigned_request_holds_as_long_as_it_says() {
    for now in ["20130523T234500Z", "20130524T120000Z", "20130525T000000Z"] {
        assert!(presigned().at(now).verify().is_ok(), "{now}");
    }
    check(&presigned().at("20130525T000001Z"), "AccessDenied", 403, "expired");
    check(
        &presigned().at("20130523T234459Z"),
        "AccessDenied",
        403,
        "not valid yet",
    );
}

#[test]
fn a_query_of_another_form() {
    let malformed = |request: &Request, says: &str| check(request, "AuthorizationQueryParametersError", 400, says);
    for name in ["Algorithm", "Credential", "Date", "Expires", "SignedHeaders"] {
        malformed(
            &query(&format!("X-Amz-{name}="), "other="),
            "Query-string authentication version 4 requires",
        );
    }
    malformed(
        &query("&X-Amz-Signature=", "&other="),
        "Query-string authentication version 4 requires",
    );
    for seconds in ["0", "604801", "-1", "+1", "086400", "1.5", "", "99999999999999999999"] {
        malformed(&query("Expires=86400", &format!("Expires={seconds}")), "1 to 604800");
    }
    malformed(
        &query("X-Amz-Date=20130524T000000Z", "X-Amz-Date=20130524"),
        "yyyyMMddTHHmmssZ",
    );
    malformed(&query("d404", "d40"), "64 lower-case");
    malformed(
        &query("X-Amz-Expires=86400", "X-Amz-Expires=86400&X-Amz-Expires=86400"),
        "twice",
    );
    malformed(
        &query("X-Amz-Expires=86400", "x-amz-expires=86400"),
        "upper and lower case",
    );
    malformed(
        &query("X-Amz-Expires=86400", "X-Amz-Expires=86400&X-AMZ-EXPIRES=86400"),
        "upper and lower case",
    );
    malformed(&query("X-Amz-Expires=86400", "X-Amz-Expires=%ff"), "no text");
    let differ = query("?", "?X-Amz-Content-Sha256=UNSIGNED-PAYLOAD&");
    let differ = differ.with("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    malformed(&differ, "differ");
    let token = query("?", "?X-Amz-Security-Token=t&").with("x-amz-security-token", "t");
    malformed(&token, "send it once");
}

#[test]
fn a_token_that_is_none() {
    for token in ["", "a b", "ü", &"a".repeat(8_193)] {
        check(
            &example().with("x-amz-security-token", token),
            "InvalidToken",
            400,
            "8192",
        );
    }
}

#[test]
fn a_target_or_a_method_that_is_none() {
    check(&example().to("/%zz"), "InvalidURI", 400, "hexadecimal");
    check(&example().to("planted"), "InvalidURI", 400, "`/`");
    let mut request = example();
    for method in ["", "get", "GET\n", "ABCDEFGHIJKLMNOPQ"] {
        method.clone_into(&mut request.method);
        check(&request, "InvalidRequest", 400, "upper-case");
    }
    check(&example().with("Range", "a\nb"), "InvalidArgument", 400, "control");
    let many = (0..HEADERS_MAX).fold(example(), |request, number| request.with(&format!("a{number}"), ""));
    check(&many, "InvalidArgument", 400, "128 headers");
}

#[test]
fn another_key_and_another_secret() {
    // A signature that is right but for the key's owner, and one that is right of nobody's secret.
    let unknown = authorization(KEY_ID, "AKIAIOSFODNN7EXAMPLF");
    check(&unknown, "InvalidAccessKeyId", 403, "not known");
    check(
        &authorization("bdb41", "bdb40"),
        "SignatureDoesNotMatch",
        403,
        "check the secret key",
    );
    check(
        &query("d404", "d405"),
        "SignatureDoesNotMatch",
        403,
        "check the secret key",
    );
}

/// The stand-in for a missing secret is public: whoever signs with it is still unknown.
#[test]
fn the_secret_of_nobody_opens_nothing() {
    use crate::signature::canonical::Canonical;
    use crate::signature::credential::{Region, Scope};
    use crate::signature::key::{SecretKey, SigningKey};

    let headers = [
        ("host".to_owned(), b"examplebucket.s3.amazonaws.com".to_vec()),
        ("x-amz-date".to_owned(), TIME.as_bytes().to_vec()),
    ];
    let scope = Scope::new(time(TIME), Region::new("us-east-1").expect("a region"));
    let string_to_sign = Canonical {
        method: "GET",
        path: "/test.txt",
        query: "",
        headers: &headers,
        payload: "UNSIGNED-PAYLOAD",
    }
    .string_to_sign(time(TIME), &scope);
    let signature = SigningKey::derive(&SecretKey::of_nobody(), &scope).sign(&string_to_sign);
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential=NOBODY/{scope}, SignedHeaders=host;x-amz-date, Signature={signature}");
    let request = example()
        .without("Range")
        .with("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
        .with("Authorization", &authorization);
    assert_eq!(request.verify().err(), Some(SignatureError::UnknownKey));
    // The same request of a key that has this secret passes, so it was the key that was refused.
    let known = request.head(|head| verify(head, &region(), time(TIME), |_, _| Ok(SecretKey::of_nobody())));
    assert!(known.is_ok());
}

#[test]
fn the_caller_sees_the_token_and_may_refuse_it() {
    let request = query("?", "?X-Amz-Security-Token=to%2Bken%3D&");
    let refused = request.head(|head| {
        verify(head, &region(), time(TIME), |id, token| {
            assert_eq!(token.map(super::SessionToken::as_str), Some("to+ken="));
            if token.is_some() {
                Err(NoKey::Expired)
            } else {
                keys(id, token)
            }
        })
    });
    assert_eq!(refused.err(), Some(SignatureError::ExpiredToken));
}

#[test]
fn errors_of_the_target_keep_their_cause() {
    assert_eq!(
        example().to("*").verify().err(),
        Some(SignatureError::Target(TargetError::Form))
    );
    let malformed = authorization("us-east-1", "us-west-2").verify().err();
    let region = SignatureError::Region {
        carrier: Carrier::Header,
        sent: "us-west-2".to_owned(),
        expected: "us-east-1".to_owned(),
    };
    assert_eq!(malformed, Some(region));
}
