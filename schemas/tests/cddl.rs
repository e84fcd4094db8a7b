//! The normative CDDL accepts one event of every kind and a seal, and refuses bodies under another kind.

use std::collections::BTreeMap;

use cddl_cat::{ValidateError, validate_cbor_bytes};
use exhibit_schemas::cbor::{self, Bytes};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{
    Access, Action, Attribute, Column, Command, DecisionRecord, Effect, Facts, Frame, Outcome, Principal,
    ResponseChunk, ResponseEnd, SessionClosed, SessionOpened,
};
use exhibit_schemas::event::approval::{ApprovalDecided, ApprovalExpired, ApprovalRequested, Requirement, Verdict};
use exhibit_schemas::event::trust::{
    Administrator, Anchor, CatalogSnapshot, Erasure, EvidenceRead, Fault, Genesis, Hold, KeyEnrolled, KeyRevoked,
    KeyRotated, PolicySnapshot, ReviewSigned, Role,
};
use exhibit_schemas::event::{Body, Emitter, Event, Kind, SessionId, SessionPlace, Timestamp};
use exhibit_schemas::key::{KeyBytes, KeyId, SecretKey};
use exhibit_schemas::seal::{Chain, Sealed};

const CDDL: &str = include_str!("../cddl/exhibit.cddl");
const TAGGED: &str = "#6.18([bytes, {}, bytes, bytes .size 64])";
const TIME: Timestamp = Timestamp(1_700_000_000_000_000);

/// The checker, cddl-cat, does not read tags: the array is checked by it, and the tag byte in the test.
fn check(rule: &str, bytes: &[u8]) -> Result<(), ValidateError> {
    assert!(CDDL.contains(TAGGED));
    let untagged = CDDL.replace(TAGGED, "[bytes, {}, bytes, bytes .size 64]");
    let result = validate_cbor_bytes(rule, &untagged, bytes);
    // A fault of the CDDL text itself must not count as a refusal.
    let judged = matches!(
        result,
        Ok(()) | Err(ValidateError::Mismatch(_) | ValidateError::MapCut(_))
    );
    assert!(judged, "{rule}: {result:?}");
    result
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn digest() -> Digest {
    Digest([7; 32])
}

fn facts() -> Facts {
    let attributes = [
        ("no_where", Attribute::Bool(true)),
        ("rows", Attribute::Integer(3)),
        ("x", Attribute::Text(text("y"))),
    ];
    let attributes: BTreeMap<_, _> = attributes.map(|(name, value)| (text(name), value)).into();
    Facts {
        accesses: vec![
            Access(Action::Read, Some(text("public.notes"))),
            Access(Action::Session, None),
        ],
        attributes,
    }
}

fn decision() -> DecisionRecord {
    let (rule, approval) = (Some(text("schema-changes")), Some(text("dba")));
    DecisionRecord {
        effect: Effect::Ask,
        policy: digest(),
        rule,
        reason: text("a person decides"),
        approval,
    }
}

fn trust_bodies() -> Vec<Body> {
    let administrators = vec![Administrator {
        name: text("root"),
        key: KeyBytes([1; 32]),
    }];
    let groups = vec![text("dba")];
    vec![
        Genesis {
            origin: text("exhibit.example"),
            log_key: KeyBytes([2; 32]),
            administrators,
        }
        .into(),
        KeyEnrolled {
            key: KeyBytes([3; 32]),
            role: Role::Person,
            name: text("alice"),
            groups,
        }
        .into(),
        KeyRevoked {
            key: KeyId([4; 8]),
            reason: text("left"),
        }
        .into(),
        KeyRotated {
            from: KeyId([4; 8]),
            to: KeyBytes([5; 32]),
        }
        .into(),
        PolicySnapshot {
            policy: digest(),
            part: 0,
            parts: 1,
            bytes: Bytes(vec![1]),
        }
        .into(),
        CatalogSnapshot {
            target: text("clinic"),
            catalog: digest(),
            part: 0,
            parts: 1,
            bytes: Bytes(vec![]),
        }
        .into(),
        EvidenceRead {
            reader: text("carol"),
            operation: text("search"),
            scope: text("sessions"),
        }
        .into(),
        ReviewSigned {
            from: TIME,
            to: TIME,
            root: digest(),
            size: 3,
            finding: text("none"),
        }
        .into(),
        Anchor {
            witness: text("w"),
            evidence: Bytes(vec![1]),
        }
        .into(),
        Hold {
            session: SessionId([1; 16]),
            reason: text("case"),
            released: false,
        }
        .into(),
        Erasure {
            first: 1,
            count: 2,
            rule: text("ten years"),
        }
        .into(),
        Fault {
            place: text("gate"),
            text: text("queue over its limit"),
        }
        .into(),
    ]
}

fn access_bodies() -> Vec<Body> {
    let principal = Principal {
        method: text("api-key"),
        issuer: text("exhibit"),
        subject: text("ci-agent"),
        client_id: None,
        groups: vec![],
        evidence: digest(),
    };
    let column = Column {
        name: text("ssn"),
        data_type: text("text"),
        origin: None,
        technique: Some(text("redact")),
        mask: None,
    };
    let frames = vec![
        Frame::Verbatim(Bytes(vec![1])),
        Frame::Row(vec![None, Some(Bytes(vec![2]))]),
    ];
    vec![
        SessionOpened {
            target: text("clinic"),
            protocol: text("postgres"),
            principal,
            peer: text("127.0.0.1:5"),
            transport: text("TLSv1.3"),
            policy: digest(),
            client: None,
        }
        .into(),
        SessionClosed {
            reason: text("agent"),
            commands: 1,
            bytes: 2,
        }
        .into(),
        Command {
            statement: text("ALTER TABLE notes"),
            digest: digest(),
            facts: facts(),
            decision: decision(),
            outcome: Outcome::Approved,
            parameters: vec![text("int4")],
            request: Some(1),
            approvals: Some(vec![digest()]),
        }
        .into(),
        ResponseChunk {
            command: 1,
            chunk: 0,
            columns: Some(vec![column]),
            frames,
        }
        .into(),
        ResponseEnd {
            command: 1,
            status: text("complete"),
            code: None,
            chunks: 1,
            rows: 1,
            bytes: 9,
            masked: [(text("ssn"), 1)].into(),
        }
        .into(),
    ]
}

fn approval_bodies() -> Vec<Body> {
    let requirement = Requirement {
        name: text("dba"),
        groups: vec![text("dba")],
        people: 1,
        requester_may_approve: false,
    };
    vec![
        ApprovalRequested {
            target: text("clinic"),
            statement: text("DROP TABLE notes"),
            command: digest(),
            facts: facts(),
            decision: decision(),
            requirement,
            expires: TIME,
        }
        .into(),
        ApprovalDecided {
            request: digest(),
            command: digest(),
            session: SessionId([1; 16]),
            target: text("clinic"),
            policy: digest(),
            expires: TIME,
            verdict: Verdict::Approve,
            reason: text("planned"),
        }
        .into(),
        ApprovalExpired {
            request: 3,
            reason: text("time"),
        }
        .into(),
    ]
}

fn encoded(body: Body) -> (Kind, Bytes) {
    let kind = body.kind();
    let session = (kind.belongs_to_session() == Some(true)).then_some(SessionPlace(SessionId([1; 16]), 2));
    let event = Event {
        time: TIME,
        emitter: Emitter(KeyId([9; 8]), TIME.0),
        session,
        body,
    };
    let bytes = event.encode().expect("it fits an entry");
    assert_eq!(Event::decode(&bytes.0), Ok(event));
    (kind, bytes)
}

fn all() -> Vec<(Kind, Bytes)> {
    [trust_bodies(), access_bodies(), approval_bodies()]
        .into_iter()
        .flatten()
        .map(encoded)
        .collect()
}

#[test]
fn accepts_an_event_of_every_kind_under_its_own_rule() {
    let all = all();
    let mut kinds: Vec<_> = all.iter().map(|(kind, _)| *kind).collect();
    kinds.sort();
    assert_eq!(kinds, Kind::ALL);
    for (kind, bytes) in all {
        check("event", &bytes.0).unwrap_or_else(|error| panic!("{kind}: {error}"));
        check(&format!("event-{kind}"), &bytes.0).unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
}

#[test]
fn refuses_a_body_under_the_rule_of_another_kind() {
    for (kind, bytes) in all() {
        for other in Kind::ALL.iter().filter(|other| **other != kind) {
            assert!(check(&format!("event-{other}"), &bytes.0).is_err(), "{kind} as {other}");
        }
    }
}

#[test]
fn accepts_a_seal_and_its_parts() {
    let chain = Chain {
        boot: TIME.0,
        sequence: 0,
        previous: Some(digest()),
    };
    let sealed = Sealed::seal(vec![Bytes(vec![1])], chain, &SecretKey::from_seed(&[1; 32])).unwrap();
    check("seal-payload", &cbor::encode(sealed.payload())).unwrap();
    let (tag, array) = sealed.seal_bytes().0.split_first().unwrap();
    assert_eq!(*tag, 0xd2, "tag 18");
    check("seal", array).unwrap();
    assert!(check("seal-payload", array).is_err());
}
