//! Tokens, and what is none.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use exhibit_schemas::event::Timestamp;
use proptest::prelude::*;

use super::{FormError, PREFIX, Presigned};

const URL: &str = "https://sts.eu-central-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15\
    &X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=ASIAEXAMPLEEXAMPLE12%2F20261128%2Feu-central-1%2Fsts%2Faws4_request\
    &X-Amz-Date=20261128T140000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host%3Bx-exhibit-audience\
    &X-Amz-Security-Token=a%2Fb%2Bc%3D%3D\
    &X-Amz-Signature=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn token(url: &str) -> String {
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(url))
}

fn fault(url: &str) -> Option<FormError> {
    Presigned::read(&token(url)).err()
}

#[test]
fn a_presigned_request_is_read_and_kept_as_it_is() {
    let read = Presigned::read(&token(URL)).unwrap();
    assert_eq!(read.authority, "sts.eu-central-1.amazonaws.com");
    assert_eq!(read.region, "eu-central-1");
    // 2026-11-28T14:00:00Z, and a minute.
    assert_eq!(
        (read.from, read.until),
        (Timestamp(1_795_874_400_000_000), Timestamp(1_795_874_460_000_000))
    );
    assert_eq!(Some(read.query.as_str()), URL.split_once('?').map(|(_, query)| query));
    // A user has no session token, and the order is free.
    assert_eq!(fault(&URL.replace("&X-Amz-Security-Token=a%2Fb%2Bc%3D%3D", "")), None);
    let (first, query) = URL.split_once('?').unwrap();
    let mut pairs: Vec<&str> = query.split('&').collect();
    pairs.reverse();
    assert_eq!(fault(&format!("{first}?{}", pairs.join("&"))), None);
}

#[test]
fn every_other_form_is_refused() {
    use FormError::{Action, Encoding, Lifetime, Parameters, Scope, SignedHeaders};
    for (from, to, wanted) in [
        ("https://", "ftp://", Encoding),
        ("https://", "", Encoding),
        ("https://", "https://me@", Encoding),
        ("amazonaws.com/?", "amazonaws.com?", Encoding),
        ("amazonaws.com/?", "amazonaws.com/path?", Encoding),
        ("sts.eu-central-1.amazonaws.com", "", Encoding),
        ("GetCallerIdentity", "GetSessionToken", Action),
        ("GetCallerIdentity", "AssumeRole&RoleArn=a", Parameters),
        ("Action=GetCallerIdentity&", "", Parameters),
        ("Action=", "Action=GetSessionToken&Action=", Parameters),
        ("Action=", "action=", Parameters),
        ("Action=", "A%63tion=", Parameters),
        ("2011-06-15", "2010-01-01", Action),
        ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256", Parameters),
        ("%2Fsts%2F", "%2Fs3%2F", Scope),
        ("aws4_request", "aws4_other", Scope),
        ("ASIAEXAMPLEEXAMPLE12", "ASIA", Scope),
        ("%2F20261128%2F", "%2F20261127%2F", Scope),
        ("%2F20261128%2F", "%2F%2F", Scope),
        ("%2F20261128%2F", "%2f20261128%2F", Parameters),
        ("20261128T140000Z", "20261128T140000", Lifetime),
        ("20261128T140000Z", "20261128T246000Z", Lifetime),
        ("Expires=60", "Expires=0", Lifetime),
        ("Expires=60", "Expires=901", Lifetime),
        ("Expires=60", "Expires=-1", Lifetime),
        ("Expires=60", "Expires=%2B60", Lifetime),
        ("Expires=60", "Expires=", Lifetime),
        ("host%3Bx-exhibit-audience", "host", SignedHeaders),
        ("host%3Bx-exhibit-audience", "x-exhibit-audience", SignedHeaders),
        (
            "host%3Bx-exhibit-audience",
            "host%3Bx-amz-target%3Bx-exhibit-audience",
            SignedHeaders,
        ),
        ("host%3Bx-exhibit-audience", "host;x-exhibit-audience", Parameters),
        ("host%3Bx-exhibit-audience", "host%3Bx-k8s-aws-id", SignedHeaders),
        ("a%2Fb", "a/b", Parameters),
        ("a%2Fb", "a+b", Parameters),
        ("a%2Fb", "a%2", Parameters),
        ("a%2Fb", "a%0D%0AHost%3A%20b", Parameters),
        ("a%2Fb", "%61", Parameters),
        ("a%2Fb", "a%+1b", Parameters),
        ("a%2Fb", "a\r\nHost: b", Parameters),
        ("=0123456789abcdef", "=0123456789ABCDEF", Parameters),
        ("=0123456789abcdef", "=0123456789abcde", Parameters),
    ] {
        let changed = URL.replacen(from, to, 1);
        assert_ne!(changed, URL, "{from}");
        assert_eq!(fault(&changed), Some(wanted), "{from} {to}");
    }
    assert_eq!(fault(&format!("{URL}&X-Amz-Other=1")), Some(Parameters));
    assert_eq!(fault(&format!("{URL}&")), Some(Parameters));
    assert_eq!(fault(&format!("{URL}#a")), Some(Parameters));
}

#[test]
fn a_token_is_base64url_and_has_a_limit() {
    let good = token(URL);
    let check = |token: &str| Presigned::read(token).err();
    assert!(check(&good[..good.len() - 1]).is_some());
    assert_eq!(check(&format!("{good}=")), Some(FormError::Encoding));
    assert_eq!(check(&format!("{good}\n")), Some(FormError::Encoding));
    assert_eq!(check(URL), Some(FormError::Encoding));
    assert_eq!(check(&format!("{PREFIX}{}", "_w")), Some(FormError::Encoding));
    let long = URL.replace("a%2Fb", &"a".repeat(12 << 10));
    assert_eq!(fault(&long), Some(FormError::TooLong));
    let shorter = URL.replace("a%2Fb", &"a".repeat(11 << 10));
    assert_eq!(fault(&shorter), None);
}

proptest! {
    #[test]
    fn what_is_taken_holds_nothing_but_plain_text(text in "\\PC{0,200}", cut in 0..700_usize) {
        let cut = (0..=cut.min(URL.len())).rev().find(|place| URL.is_char_boundary(*place)).unwrap_or(0);
        let (before, after) = URL.split_at(cut);
        if let Ok(read) = Presigned::read(&token(&format!("{before}{text}{after}"))) {
            prop_assert!(read.query.bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert!(read.authority.is_ascii());
        }
    }
}
