//! Replays: the whole page by snapshot, and what it refuses to show.

use std::collections::BTreeMap;

use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{
    Access, Action, Column, Command, DecisionRecord, Effect, Facts, Frame, Observed, Outcome, Principal, ResponseChunk,
    ResponseEnd, SessionClosed, SessionOpened, StatementFingerprint,
};
use exhibit_schemas::event::approval::{ApprovalDecided, Verdict};
use exhibit_schemas::event::trust::MaskKeyId;
use exhibit_schemas::event::{Body, Emitter, Event, SessionId, SessionPlace, Timestamp};
use exhibit_schemas::key::KeyId;

use super::{Entry, ReplayError, check, timeline, to_json};

const SESSION: SessionId = SessionId([0xab; 16]);

fn entry(index: u64, sequence: Option<u64>, body: impl Into<Body>) -> Entry {
    Entry {
        index,
        people: vec![],
        event: Event {
            time: Timestamp(1_795_512_601_000_000 + index * 1_500),
            emitter: Emitter(KeyId([1; 8]), 7),
            session: sequence.map(|sequence| SessionPlace(SESSION, sequence)),
            body: body.into(),
        },
    }
}

fn opened() -> SessionOpened {
    SessionOpened {
        target: "clinic".into(),
        protocol: "postgres".into(),
        principal: Principal {
            method: "api-key".into(),
            issuer: "exhibit".into(),
            subject: "ci-agent".into(),
            client_id: None,
            groups: vec!["etl".into(), "developers".into()],
            evidence: Digest([0; 32]),
            run: None,
        },
        peer: "192.0.2.1:5000".into(),
        transport: "TLSv1.3".into(),
        policy: Digest([3; 32]),
        client: Some("psql\u{1b}]0;owned\u{7}".into()),
        expires: None,
        mask_key: Some(MaskKeyId([0x4d; 16])),
    }
}

fn command() -> Command {
    Command {
        statement: "SELECT id, name, note\nFROM patients WHERE id > $1".into(),
        digest: Digest([2; 32]),
        facts: Facts {
            accesses: vec![Access(Action::Read, Some("public.patients".into()))],
            attributes: BTreeMap::new(),
            columns: None,
        },
        decision: DecisionRecord {
            effect: Effect::Ask,
            policy: Digest([3; 32]),
            rule: Some("reads".into()),
            reason: "routine".into(),
            approval: Some("dba".into()),
            observed: Some(vec![Observed {
                rule: "notes-next".into(),
                effect: Effect::Ask,
                approval: Some("privacy".into()),
            }]),
        },
        outcome: Outcome::Approved,
        parameters: vec!["unspecified".into()],
        request: None,
        approvals: None,
        retries: None,
        statement_fingerprint: Some(StatementFingerprint([0xa7, 1, 2, 3, 4, 5, 6, 7])),
        described: Some(vec!["int8".into()]),
    }
}

fn chunk() -> ResponseChunk {
    let column = |name: &str, masked: bool| Column {
        name: name.into(),
        data_type: "text".into(),
        origin: None,
        technique: masked.then(|| "redact".into()),
        mask: masked.then(|| "names".into()),
        patients: None,
    };
    let row = |cells: [Option<&[u8]>; 3]| Frame::Row(cells.map(|cell| cell.map(|cell| Bytes(cell.to_vec()))).to_vec());
    ResponseChunk {
        command: 1,
        chunk: 0,
        columns: Some(vec![column("id", false), column("name", true), column("note", false)]),
        frames: vec![
            row([Some(b"1"), Some(b"[redacted]"), Some(b"line one\nline two")]),
            row([Some(b"22"), None, Some(b"\x1b[31mred\x1b[0m")]),
            row([Some(b"3"), Some(b"[redacted]"), Some(&[0xff, 0xfe])]),
            row([Some(b"4"), Some(b"[redacted]"), Some("é".repeat(60).as_bytes())]),
            row([Some(b"5"), Some(b"[redacted]"), Some(b"hidden")]),
            Frame::Verbatim(Bytes(b"C\0\0\0\rSELECT 5\0".to_vec())),
        ],
        framed_rows: None,
        patients: None,
    }
}

fn session() -> Vec<Entry> {
    let decided = ApprovalDecided {
        request: Digest([5; 32]),
        command: Digest([2; 32]),
        session: SESSION,
        target: "clinic".into(),
        policy: Digest([3; 32]),
        expires: Timestamp(2_000_000),
        verdict: Verdict::Approve,
        reason: "planned\u{202e}".into(),
        terms: None,
    };
    let end = ResponseEnd {
        command: 1,
        status: "complete".into(),
        code: None,
        chunks: 1,
        rows: 5,
        bytes: 321,
        masked: [("names".to_owned(), 5)].into(),
        uncommitted: None,
        changed: None,
    };
    let closed = SessionClosed {
        reason: "agent".into(),
        commands: 1,
        bytes: 321,
    };
    let by_alice = |entry: Entry| Entry {
        people: vec!["alice".into()],
        ..entry
    };
    vec![
        entry(10, Some(0), opened()),
        by_alice(entry(12, None, decided)),
        by_alice(entry(14, Some(1), command())),
        entry(16, Some(2), chunk()),
        entry(17, Some(3), end),
        entry(19, Some(4), closed),
    ]
}

#[test]
fn a_session_reads_as_a_timeline_with_its_tables() {
    let entries = session();
    check(SESSION, &entries).unwrap();
    let text = timeline(SESSION, &entries, 4);
    assert!(
        !text.contains(['\u{1b}', '\u{7}', '\u{202e}']),
        "no control character is left"
    );
    insta::assert_snapshot!(text);
}

#[test]
fn each_event_has_its_json() {
    let values: Vec<_> = session().iter().map(to_json).collect();
    insta::assert_json_snapshot!(values);
}

#[test]
fn a_session_with_a_gap_is_not_shown() {
    let check_without = |place: usize, wanted: Result<(), ReplayError>| {
        let mut entries = session();
        entries.remove(place);
        assert_eq!(check(SESSION, &entries), wanted, "{place}");
    };
    let gap = |index, found, wanted| Err(ReplayError::Gap { index, found, wanted });
    check_without(0, gap(14, 1, 0));
    check_without(1, Ok(()));
    check_without(2, gap(16, 2, 1));
    check_without(4, gap(19, 4, 3));
    check_without(5, Ok(()));
    assert_eq!(check(SESSION, &[]), Err(ReplayError::NotOpened));
    assert_eq!(
        check(SESSION, &[entry(1, Some(0), command())]),
        Err(ReplayError::NotOpened)
    );
    assert_eq!(
        check(SessionId([0; 16]), &session()),
        Err(ReplayError::Foreign { index: 10 })
    );
}
