use super::{StsError, WebIdentity};
use crate::signature::time::UnixSeconds;

const GOOD: &str = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fci&\
                    RoleSessionName=nightly-7&WebIdentityToken=eyJh.eyJz.c2ln";

fn refused(form: &str, error: StsError) {
    assert_eq!(WebIdentity::parse(form.as_bytes()).err(), Some(error), "{form}");
}

#[test]
fn a_request_names_its_token_role_and_session() {
    let asked = WebIdentity::parse(GOOD.as_bytes()).expect("the request of a client");
    assert_eq!(asked.token.as_str(), "eyJh.eyJz.c2ln");
    assert_eq!(asked.role_arn, "arn:aws:iam::123456789012:role/ci");
    assert_eq!((asked.session_name.as_str(), asked.duration_s), ("nightly-7", 3_600));
    let longer = WebIdentity::parse(format!("{GOOD}&DurationSeconds=43200").as_bytes()).expect("the longest");
    assert_eq!(longer.duration_s, 43_200);
    assert_eq!(format!("{asked:?}"), "WebIdentity(3600 s)");
}

#[test]
fn credentials_end_with_the_token() {
    let asked = WebIdentity::parse(GOOD.as_bytes()).expect("the request of a client");
    let now = UnixSeconds::new(1_000_000).expect("a time");
    assert_eq!(asked.expires_s(now, 1_000_300), 1_000_300);
    assert_eq!(asked.expires_s(now, 2_000_000), 1_003_600);
}

#[test]
fn what_is_no_such_request_is_refused() {
    refused("", StsError::Missing("Action"));
    refused("Action=GetCallerIdentity&Version=2011-06-15", StsError::Action);
    refused(&GOOD.replace("2011-06-15", "2012-01-01"), StsError::Value("Version"));
    for name in ["Version", "RoleArn", "RoleSessionName", "WebIdentityToken"] {
        let left: Vec<_> = GOOD
            .split('&')
            .filter(|part| !part.starts_with(&format!("{name}=")))
            .collect();
        refused(&left.join("&"), StsError::Missing(name));
    }
    for (name, value) in [
        ("DurationSeconds", "899"),
        ("DurationSeconds", "43201"),
        ("DurationSeconds", "%2B900"),
        ("DurationSeconds", "x"),
        ("DurationSeconds", ""),
    ] {
        refused(&format!("{GOOD}&{name}={value}"), StsError::Value(name));
    }
    refused(&GOOD.replace("nightly-7", "n"), StsError::Value("RoleSessionName"));
    refused(&GOOD.replace("nightly-7", "a%20b"), StsError::Value("RoleSessionName"));
    refused(
        &GOOD.replace("nightly-7", &"n".repeat(65)),
        StsError::Value("RoleSessionName"),
    );
    refused(
        &GOOD.replace("eyJh.eyJz.c2ln", "abc"),
        StsError::Value("WebIdentityToken"),
    );
    refused(
        &GOOD.replace("eyJh.eyJz.c2ln", &"a".repeat(20_001)),
        StsError::Value("WebIdentityToken"),
    );
    refused(
        &GOOD.replace("eyJh.eyJz.c2ln", "a%0Abc"),
        StsError::Value("WebIdentityToken"),
    );
    refused(&format!("{GOOD}&Version=2011-06-15"), StsError::Form);
    refused(&format!("{GOOD}&Other=1"), StsError::Form);
    refused(&format!("{GOOD}%"), StsError::Form);
    refused(&format!("{GOOD}&x={}", "a".repeat(40_000)), StsError::Form);
}

/// Whoever asks for less must not get more.
#[test]
fn what_would_narrow_credentials_is_refused() {
    for name in ["Policy", "ProviderId"] {
        refused(&format!("{GOOD}&{name}=x"), StsError::Refused(name));
    }
    refused(
        &format!("{GOOD}&PolicyArns.member.1.arn=x"),
        StsError::Refused("PolicyArns"),
    );
}

#[test]
fn an_error_is_the_document_that_clients_of_sts_read() {
    assert_eq!(
        StsError::Token.xml("r-1"),
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>InvalidIdentityToken</Code>\
         <Message>the token is not one that this gateway takes</Message></Error><RequestId>r-1</RequestId></ErrorResponse>"
    );
}
