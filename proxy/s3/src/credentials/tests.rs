use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::Principal;
use proptest::prelude::*;
use zeroize::Zeroizing;

use super::{EARLIER_MAX, Holder, NONCE_BYTES, Nonce, ROOT_BYTES, Sealer, TokenError, TooLong, TooMany};
use crate::signature::credential::{AccessKeyId, SessionToken};
use crate::signature::time::UnixSeconds;

const EXPIRES_S: u64 = 1_800_000_000;

fn holder(subject: &str) -> Holder {
    Holder {
        principal: Principal {
            method: "oidc".into(),
            issuer: "https://token.actions.githubusercontent.com".into(),
            subject: subject.into(),
            client_id: None,
            groups: vec!["ci".into()],
            evidence: Digest([7; 32]),
            run: None,
        },
        expires_s: EXPIRES_S,
        session_name: "nightly".into(),
    }
}

fn at(seconds: i64) -> UnixSeconds {
    UnixSeconds::new(seconds).expect("a time of this century")
}

fn sealer(root: u8) -> Sealer {
    Sealer::new(&[root; ROOT_BYTES], &[]).expect("few enough")
}

#[test]
fn what_was_sealed_opens_until_it_ends() {
    let sealer = sealer(1);
    let holder = holder("repo:octo/app");
    let given = sealer.seal(&holder, Nonce([9; NONCE_BYTES])).expect("it fits");
    let end = i64::try_from(EXPIRES_S).expect("it fits");
    let open = |now| sealer.open(&given.access_key_id, &given.token, at(now));
    let (_, known) = open(end - 1).expect("its own token");
    assert_eq!(known, holder);
    assert_eq!(open(end).err(), Some(TokenError::Expired));
    assert_eq!(open(end + 1).err(), Some(TokenError::Expired));
}

/// Bytes that must not change, or credentials of one version of a proxy would be none of the next.
#[test]
fn credentials_are_these_bytes() {
    let given = sealer(1)
        .seal(&holder("repo:octo/app"), Nonce([9; NONCE_BYTES]))
        .expect("it fits");
    let mut whole = vec![given.access_key_id.as_str().to_owned(), given.secret.to_string()];
    whole.push(given.token.as_str().to_owned());
    let golden = include_str!("golden.txt");
    assert_eq!(whole.join("\n"), golden.trim_end());
    assert!(given.access_key_id.as_str().starts_with("ASIA") && given.access_key_id.as_str().len() == 20);
}

#[test]
fn credentials_of_another_gateway_or_id_are_unknown() {
    let given = sealer(1).seal(&holder("a"), Nonce([9; NONCE_BYTES])).expect("it fits");
    let other = sealer(1).seal(&holder("b"), Nonce([8; NONCE_BYTES])).expect("it fits");
    assert_ne!(given.secret, other.secret);
    let unknown = |sealer: &Sealer, id: &AccessKeyId, token: &SessionToken| {
        assert_eq!(sealer.open(id, token, at(0)).err(), Some(TokenError::Unknown));
    };
    unknown(&sealer(2), &given.access_key_id, &given.token);
    unknown(&sealer(1), &other.access_key_id, &given.token);
    for text in ["x", "AA", "____", &"A".repeat(8_192)] {
        unknown(
            &sealer(1),
            &given.access_key_id,
            &SessionToken::new(text).expect("a token"),
        );
    }
}

#[test]
fn earlier_secrets_open_and_do_not_seal() {
    let given = sealer(1).seal(&holder("a"), Nonce([9; NONCE_BYTES])).expect("it fits");
    let earlier = |count: u8| -> Vec<_> { (0..count).map(|root| Zeroizing::new([10 + root; ROOT_BYTES])).collect() };
    let mut roots = earlier(u8::try_from(EARLIER_MAX - 1).expect("few"));
    roots.push(Zeroizing::new([1; ROOT_BYTES]));
    let changed = Sealer::new(&[2; ROOT_BYTES], &roots).expect("few enough");
    assert!(changed.open(&given.access_key_id, &given.token, at(0)).is_ok());
    let again = changed.seal(&holder("a"), Nonce([9; NONCE_BYTES])).expect("it fits");
    assert_ne!(again.token, given.token);
    roots.insert(0, Zeroizing::new([3; ROOT_BYTES]));
    assert_eq!(Sealer::new(&[2; ROOT_BYTES], &roots).err(), Some(TooMany));
}

#[test]
fn who_does_not_fit_gets_none() {
    let long = holder(&"s".repeat(8_000));
    assert_eq!(sealer(1).seal(&long, Nonce([9; NONCE_BYTES])).err(), Some(TooLong));
}

proptest! {
    /// Not one bit of a token can be another.
    #[test]
    fn a_changed_token_is_unknown(place in any::<prop::sample::Index>(), letter in "[A-Za-z0-9_-]") {
        let given = sealer(1).seal(&holder("a"), Nonce([9; NONCE_BYTES])).expect("it fits");
        let mut text: Vec<char> = given.token.as_str().chars().collect();
        let at_place = place.index(text.len());
        let letter = letter.chars().next().expect("one letter");
        prop_assume!(text[at_place] != letter);
        text[at_place] = letter;
        let changed = SessionToken::new(&text.into_iter().collect::<String>()).expect("a token");
        prop_assert_eq!(sealer(1).open(&given.access_key_id, &changed, at(0)).err(), Some(TokenError::Unknown));
    }
}
