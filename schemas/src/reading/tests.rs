//! Questions keep no value, statements are good for one reader, log and channel, and events are held to them.

use super::{
    BY_KEY, BY_TOKEN, FRESH_US, Kept, LATE_US, Operation, Question, READING_US, Reader, ReadingError, Statement,
    TIMES_MAX, check,
};
use crate::cbor::Bytes;
use crate::cose::CoseError;
use crate::digest::Digest;
use crate::event::trust::{Administrator, EvidenceRead, Genesis, KeyEnrolled, KeyRevoked, Role};
use crate::event::{Body, Emitter, SessionId, Timestamp};
use crate::key::{SecretKey, Signer as _};
use crate::keyring::Keyring;
use crate::merkle::{Index, TreeSize};
use crate::scoped::Scope;

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed(&[number; 32])
}

/// A log with the person 3, the proxy 4, and the person 5, who was revoked.
fn keyring() -> Keyring {
    let administrator = key(1).public_key();
    let genesis = Genesis {
        origin: "log.example".into(),
        log_key: key(2).public_key().to_bytes(),
        administrators: vec![Administrator {
            name: "root".into(),
            key: administrator.to_bytes(),
        }],
    };
    let mut keyring = Keyring::begin(&genesis, administrator.id()).unwrap();
    let enrol = |number, role| {
        Body::from(KeyEnrolled {
            key: key(number).public_key().to_bytes(),
            role,
            name: format!("name {number}"),
            groups: vec![],
            application: None,
        })
    };
    let revoke = KeyRevoked {
        key: key(5).public_key().id(),
        reason: "left".into(),
    };
    let bodies = [
        enrol(3, Role::Person),
        enrol(4, Role::Proxy),
        enrol(5, Role::Person),
        revoke.into(),
    ];
    for (index, body) in (1..).zip(bodies) {
        keyring
            .apply(Index(index), Emitter(administrator.id(), 1), &body)
            .unwrap();
    }
    keyring
}

fn statement() -> Statement {
    Statement {
        origin: "log.example".into(),
        channel: Digest([7; 32]),
        operation: "search".into(),
        scope: "kind:command ?".into(),
        question: Question::Search("kind:command smith".into()).digest(&[9; 32]),
        time: Timestamp(5_000_000_000),
        nonce: Bytes(vec![1; 16]),
    }
}

fn read(statement: &Statement, signer: &SecretKey) -> EvidenceRead {
    let bytes = statement.sign(signer).unwrap();
    EvidenceRead {
        reader: "name 3".into(),
        operation: "search".into(),
        scope: "kind:command ?".into(),
        copy: None,
        by: Some(Reader {
            method: BY_KEY.into(),
            issuer: "log.example".into(),
            subject: signer.public_key().id().to_string(),
            evidence: Digest::of(&bytes.0),
            role: "compliance".into(),
            question: Digest([8; 32]),
            count: 2,
            since: Timestamp(5_000_000_000),
            until: Timestamp(5_600_000_000),
            times: 1,
            statement: Some(bytes),
        }),
    }
}

#[test]
fn a_scope_keeps_words_of_ours_and_no_value() {
    for (text, wanted) in [
        ("", ""),
        ("smith", "?"),
        ("  smith   \"j. smith\"  ", "? ?"),
        ("agent:smith target:\"st. mary\" x", "agent:? target:? ?"),
        (
            "kind:command decision:deny outcome:denied",
            "kind:command decision:deny outcome:denied",
        ),
        ("action:read verdict:approve", "action:read verdict:approve"),
        ("kind:smith decision:078-05-1120", "kind:? decision:?"),
        ("kind:\"command\" kind:command\"x", "kind:? kind:?"),
        ("smith:jones http://x", "? ?"),
        (
            "from:2026-11-24 to:2026-11-24T09:30:00Z from:smith",
            "from:2026-11-24 to:2026-11-24T09:30:00Z from:?",
        ),
        (
            "session:00112233445566778899aabbccddeeff session:smith",
            "session:00112233445566778899aabbccddeeff session:?",
        ),
        ("\"kind:command smith", "?"),
        ("a \"b \\\" kind:command\" kind:fault", "? ? kind:fault"),
        ("agent:\"x kind:command", "agent:?"),
        ("kind: agent: smith:", "kind: agent: ?"),
        (
            "patient:00112233445566778899aabbccddeeff observed:next",
            "patient:? observed:?",
        ),
    ] {
        let question = Question::parse(Operation::Search, text).unwrap();
        assert_eq!(question.scope(), wanted, "{text}");
        assert_eq!(question.text(), text);
        let again = Question::parse(Operation::Search, wanted).unwrap();
        assert_eq!(again.scope(), wanted, "nothing of a scope is masked");
        assert!(wanted.len() <= text.len(), "{text}");
    }
}

#[test]
fn what_a_scope_keeps_and_could_be_anybody_s_is_told() {
    let session = SessionId([0xab; 16]);
    let text = format!(
        "kind:command from:2026-11-24 \"from:2026-11-25\" session:{session} session:ab to:smith agent:{session}"
    );
    let question = Question::parse(Operation::Search, &text).unwrap();
    let time = Timestamp::parse("2026-11-24").unwrap();
    assert_eq!(question.kept(), [Kept::Time(time), Kept::Session(session)]);
    assert_eq!(Question::Session(session).kept(), []);
}

#[test]
fn a_question_has_one_text() {
    let session = SessionId([7; 16]);
    let questions = [
        (Operation::Sessions, String::new(), Question::Sessions),
        (Operation::Catalogs, String::new(), Question::Catalogs),
        (Operation::Policies, String::new(), Question::Policies),
        (Operation::Approvals, String::new(), Question::Approvals),
        (
            Operation::Replay,
            format!("session:{session}"),
            Question::Session(session),
        ),
        (Operation::Replay, "entry:12".to_owned(), Question::SessionOf(Index(12))),
        (Operation::Export, "size:12".to_owned(), Question::Export(TreeSize(12))),
        (
            Operation::Export,
            r#"size:12 scope:{"subject":"a scope:b"}"#.to_owned(),
            Question::Scoped(
                TreeSize(12),
                Box::new(Scope::new(None, Some("a scope:b".into()), None, None, None).unwrap()),
            ),
        ),
    ];
    for (operation, text, wanted) in questions {
        let question = Question::parse(operation, &text).unwrap();
        assert_eq!((question.operation(), question.scope()), (operation, text));
        assert_eq!(question, wanted);
    }
    for (operation, text) in [
        (Operation::Sessions, "x"),
        (Operation::Approvals, " "),
        (Operation::Replay, ""),
        (Operation::Replay, "entry:012"),
        (Operation::Replay, "entry:+1"),
        (Operation::Replay, "session:7"),
        (Operation::Export, "12"),
        (Operation::Export, "size:-1"),
        (Operation::Export, "size:1 scope:"),
        (Operation::Export, "size:1 scope:{}"),
        (Operation::Export, "size:01 scope:{\"target\":\"a\"}"),
        (Operation::Export, "size:1  scope:{\"target\":\"a\"}"),
        (Operation::Export, "size:1 scope:{\"target\":\"a\"} "),
        (Operation::Search, &"x".repeat(4_097)),
    ] {
        assert_eq!(Question::parse(operation, text), None, "{text:.20}");
    }
    assert!(Question::parse(Operation::Search, &"x".repeat(4_096)).is_some());
}

#[test]
fn the_digest_of_a_question_needs_the_blind_and_tells_operations_apart() {
    let question = Question::Search("smith".into());
    assert_ne!(question.digest(&[1; 32]), question.digest(&[2; 32]));
    assert_ne!(
        Question::Sessions.digest(&[1; 32]),
        Question::Approvals.digest(&[1; 32])
    );
}

#[test]
fn a_statement_is_of_a_person_in_force_and_of_no_other_purpose() {
    let keyring = keyring();
    let signed = statement().sign(&key(3)).unwrap();
    let (read, by) = Statement::verify(&signed.0, &keyring).unwrap();
    assert_eq!((read, by), (statement(), key(3).public_key()));
    for number in [1, 2, 4, 5, 6] {
        let signed = statement().sign(&key(number)).unwrap();
        let refused = Statement::verify(&signed.0, &keyring);
        assert_eq!(
            refused,
            Err(ReadingError::Key(key(number).public_key().id())),
            "{number}"
        );
    }
    for position in 0..signed.0.len() {
        let mut changed = signed.0.clone();
        changed[position] ^= 1;
        assert!(Statement::verify(&changed, &keyring).is_err(), "byte {position}");
    }
    let sealed = crate::cose::sign(
        "application/vnd.exhibit.seal+cbor",
        crate::cbor::encode(&statement()),
        &key(3),
    );
    assert_eq!(
        Statement::verify(&sealed.unwrap().0, &keyring),
        Err(ReadingError::Cose(CoseError::ContentType))
    );
    let long = [signed.0, vec![0; 8_192]].concat();
    assert_eq!(Statement::verify(&long, &keyring), Err(ReadingError::TooLong));
}

/// What of an event is changed, and what is then said of it.
type Change = (fn(&mut EvidenceRead), &'static str);

fn by(read: &mut EvidenceRead) -> &mut Reader {
    read.by.as_mut().unwrap()
}

#[test]
fn an_event_says_what_its_statement_says() {
    let keyring = keyring();
    check(&read(&statement(), &key(3)), &keyring).unwrap();
    let changes: [Change; 20] = [
        (|read| read.by = None, "does not say how"),
        (|read| read.operation = "browse".into(), "of no operation"),
        (|read| read.reader.clear(), "does not name its reader"),
        (|read| by(read).role.clear(), "no role"),
        (|read| by(read).role = "owner of everything".into(), "no role"),
        (|read| by(read).role = "approver".into(), "no role"),
        (|read| read.scope = "kind:command smith".into(), "words of ours"),
        (|read| read.scope = "kind:command  ?".into(), "words of ours"),
        (|read| by(read).statement = None, "does not say how"),
        (|read| by(read).method = BY_TOKEN.into(), "does not say how"),
        (|read| by(read).method = "certificate".into(), "does not say how"),
        (|read| by(read).evidence = Digest([0; 32]), "another statement"),
        (|read| by(read).subject = "00".repeat(8), "another key"),
        (|read| read.reader = "name 4".into(), "another person"),
        (|read| by(read).issuer = "other.example".into(), "another log"),
        (|read| read.operation = "export".into(), "has not"),
        (|read| read.scope = "kind:fault ?".into(), "something else"),
        (
            |read| by(read).since = Timestamp(5_000_000_001 + FRESH_US),
            "another time",
        ),
        (|read| by(read).until = Timestamp(4_999_999_999), "another time"),
        (
            |read| {
                let other = Statement {
                    origin: "other.example".into(),
                    ..statement()
                };
                let bytes = other.sign(&key(3)).unwrap();
                by(read).evidence = Digest::of(&bytes.0);
                by(read).statement = Some(bytes);
            },
            "another log",
        ),
    ];
    for (change, wanted) in changes {
        let mut other = read(&statement(), &key(3));
        change(&mut other);
        let refused = check(&other, &keyring).unwrap_err();
        assert!(
            matches!(refused, ReadingError::Event(rule) if rule.contains(wanted)),
            "{wanted}: {refused}"
        );
    }
    for number in [4, 5, 6] {
        let refused = check(&read(&statement(), &key(number)), &keyring);
        assert!(matches!(refused, Err(ReadingError::Key(_))), "{number}");
    }
}

#[test]
fn a_token_has_an_issuer_a_subject_and_no_statement() {
    let keyring = keyring();
    let mut token = read(&statement(), &key(3));
    token.reader = "5f3".into();
    let reader = by(&mut token);
    reader.method = BY_TOKEN.into();
    (reader.issuer, reader.subject) = ("https://idp.example".into(), "5f3".into());
    reader.statement = None;
    check(&token, &keyring).unwrap();
    let changes: [fn(&mut EvidenceRead); 6] = [
        |read| read.reader = "name 3".into(),
        |read| read.scope = "ssn 078-05-1120".into(),
        |read| {
            (read.operation, read.scope) = ("replay".into(), "nothing".into());
        },
        |read| by(read).issuer.clear(),
        |read| by(read).subject.clear(),
        |read| by(read).statement = Some(Bytes(vec![1])),
    ];
    for change in changes {
        let mut other = token.clone();
        change(&mut other);
        assert!(check(&other, &keyring).is_err());
    }
}

#[test]
fn what_an_event_says_of_times_is_bounded_at_and_past_the_edge() {
    let read = read(&statement(), &key(3));
    let reader = read.by.unwrap();
    let (since, until) = (reader.since.0, reader.until.0);
    assert_eq!(until - since, READING_US);
    let check = |change: fn(&mut Reader), recorded: u64, wanted: bool| {
        let mut other = reader.clone();
        change(&mut other);
        assert_eq!(other.can_be(Timestamp(recorded)), wanted, "{recorded}");
    };
    check(|_| {}, since, true);
    check(|_| {}, since - 1, false);
    check(|_| {}, until + LATE_US, true);
    check(|_| {}, until + LATE_US + 1, false);
    check(|reader| reader.until.0 += 1, since, false);
    check(|reader| reader.until.0 = reader.since.0 - 1, since, false);
    check(|reader| reader.until.0 = reader.since.0, since, true);
    check(|reader| reader.since = Timestamp(1), since, false);
    check(|reader| reader.until = Timestamp(u64::MAX), since, false);
    check(|reader| reader.times = 0, since, false);
    check(|reader| reader.times = TIMES_MAX, since, true);
    check(|reader| reader.times = TIMES_MAX + 1, since, false);
}
