//! One event of every kind, with every optional field both there and absent somewhere.

use std::collections::BTreeMap;

use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{
    Access, Action, Attribute, Column, Command, CommandData, CommandSealed, DecisionRecord, Detection, Effect, Facts,
    Frame, LoginRefused, Observed, Outcome, PatientRecords, PatientToken, Principal, RecordsReleased, ResponseChunk,
    ResponseEnd, Run, SessionClosed, SessionOpened, StatementFingerprint, ThresholdDecided,
};
use exhibit_schemas::event::approval::{
    ApprovalDecided, ApprovalExpired, ApprovalRequested, ApprovalRevoked, Emergency, Grant, GrantBounds, GrantScope,
    Hours, PreviewRun, Previewed, Requirement, Terms, Verdict,
};
use exhibit_schemas::event::sign_off::{CitedEntry, Disposition, ExceptionClosed, ExceptionNoted, ReportSigned};
use exhibit_schemas::event::trust::{
    Administrator, Anchor, CatalogSnapshot, EmergencyUse, Erasure, EvidenceRead, Fault, Genesis, Hold, KeyEnrolled,
    KeyRevoked, KeyRotated, MaskKeyAnnounced, MaskKeyId, PolicyInForce, PolicySigned, PolicySnapshot, ReviewSigned,
    Role,
};
use exhibit_schemas::event::{Body, Emitter, Event, Kind, SessionId, SessionPlace, Timestamp};
use exhibit_schemas::key::security::Application;
use exhibit_schemas::key::{KeyBytes, KeyId};
use exhibit_schemas::merkle::Index;
use exhibit_schemas::reading::Reader;
use exhibit_schemas::review::Definition;

pub(crate) const TIME: Timestamp = Timestamp(1_700_000_000_000_000);

fn text(text: &str) -> String {
    text.to_owned()
}

pub(crate) fn digest() -> Digest {
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
        columns: Some(vec![text("public.notes.*")]),
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
        observed: Some(vec![
            Observed {
                rule: text("notes-next"),
                effect: Effect::Deny,
                approval: None,
            },
            Observed {
                rule: text("notes-later"),
                effect: Effect::Ask,
                approval: Some(text("dba")),
            },
        ]),
    }
}

fn policy_bodies() -> Vec<Body> {
    vec![
        PolicyInForce { policy: digest() }.into(),
        PolicySigned {
            log_key: KeyBytes([2; 32]),
            policy: digest(),
            reason: text("change 4711"),
            expires: Some(TIME),
        }
        .into(),
        PolicySnapshot {
            policy: digest(),
            part: 0,
            parts: 1,
            bytes: Bytes(vec![1]),
        }
        .into(),
    ]
}

fn key_bodies() -> Vec<Body> {
    let administrators = vec![Administrator {
        name: text("root"),
        key: KeyBytes([1; 32]),
    }];
    let groups = vec![text("dba")];
    let application = Application::new("ssh:").ok();
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
            groups: groups.clone(),
            application: None,
        }
        .into(),
        KeyEnrolled {
            key: KeyBytes([3; 32]),
            role: Role::Person,
            name: text("alice"),
            groups,
            application: application.clone(),
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
            application: None,
        }
        .into(),
        KeyRotated {
            from: KeyId([4; 8]),
            to: KeyBytes([5; 32]),
            application,
        }
        .into(),
    ]
}

fn upkeep_bodies() -> Vec<Body> {
    vec![
        MaskKeyAnnounced {
            key: MaskKeyId([8; 16]),
            replaces: vec![MaskKeyId([6; 16])],
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
            copy: None,
            by: Some(reader()),
        }
        .into(),
        review().into(),
        signed_report().into(),
        noted().into(),
        closed().into(),
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
        LoginRefused {
            target: text("clinic"),
            protocol: text("postgres"),
            peer: text("192.0.2.1"),
            method: text("api-key"),
            reason: text("unknown"),
            user: Some(text("ci-nightly")),
            named: digest(),
            count: 3,
            since: TIME,
        }
        .into(),
        Fault {
            place: text("gate"),
            text: text("queue over its limit"),
        }
        .into(),
    ]
}

fn reader() -> Reader {
    Reader {
        method: text("oidc"),
        issuer: text("https://idp.example"),
        subject: text("5f3"),
        evidence: digest(),
        role: text("compliance"),
        question: digest(),
        count: 3,
        since: TIME,
        until: TIME,
        times: 1,
        statement: Some(Bytes(vec![1])),
    }
}

fn review() -> ReviewSigned {
    ReviewSigned {
        from: TIME,
        to: TIME,
        root: digest(),
        size: 3,
        finding: text("none"),
        scope: text("commands"),
        population: digest(),
        counts: [(text("command"), 2)].into(),
        definition: Some(Definition::Second),
        emergency: Some(EmergencyUse {
            index: Index(2),
            decision: digest(),
            session: SessionId([1; 16]),
        }),
    }
}

fn signed_report() -> ReportSigned {
    ReportSigned {
        manifest: digest(),
        root: digest(),
        size: 3,
        statement: text("read"),
    }
}

fn cited() -> CitedEntry {
    CitedEntry {
        index: Index(2),
        leaf: digest(),
    }
}

fn noted() -> ExceptionNoted {
    ExceptionNoted {
        control: text("312.b"),
        cause: text("session-open"),
        entry: Some(cited()),
        detail: text("no close"),
        root: digest(),
        size: 3,
        owner: text("platform"),
        remediation: text("restarted"),
        due: Some(TIME),
    }
}

fn closed() -> ExceptionClosed {
    ExceptionClosed {
        note: cited(),
        disposition: Disposition::Accepted,
        statement: text("a drill"),
        control: text("312.b"),
        cause: text("session-open"),
        detail: text("no close"),
    }
}

fn run() -> Run {
    Run {
        provider: text("github-actions"),
        repository: text("octo/app"),
        repository_id: text("456789"),
        owner_id: text("123456"),
        reference: text("refs/heads/main"),
        commit: text("0123"),
        workflow: Some(text("octo/app/.github/workflows/ci.yml@refs/heads/main")),
        run_id: text("9"),
        job_id: None,
        actor: text("mona"),
        actor_id: text("583231"),
        trigger: text("push"),
        environment: None,
    }
}

fn principal() -> Principal {
    Principal {
        method: text("api-key"),
        issuer: text("exhibit"),
        subject: text("ci-agent"),
        client_id: None,
        groups: vec![],
        evidence: digest(),
        run: None,
    }
}

fn access_bodies() -> Vec<Body> {
    let principal = principal();
    let column = Column {
        name: text("ssn"),
        data_type: text("text"),
        origin: None,
        technique: Some(text("redact")),
        mask: None,
        patients: Some(text("patient")),
    };
    let frames = vec![
        Frame::Verbatim(Bytes(vec![1])),
        Frame::Row(vec![None, Some(Bytes(vec![2]))]),
    ];
    vec![
        SessionOpened {
            target: text("clinic"),
            protocol: text("postgres"),
            principal: principal.clone(),
            peer: text("127.0.0.1:5"),
            transport: text("TLSv1.3"),
            policy: digest(),
            client: None,
            expires: None,
            mask_key: None,
        }
        .into(),
        SessionOpened {
            target: text("clinic"),
            protocol: text("postgres"),
            principal: Principal {
                run: Some(Box::new(run())),
                ..principal
            },
            peer: text("127.0.0.1:5"),
            transport: text("TLSv1.3"),
            policy: digest(),
            client: Some(text("psql")),
            expires: Some(Timestamp(2)),
            mask_key: Some(MaskKeyId([8; 16])),
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
            retries: Some(digest()),
            statement_fingerprint: Some(StatementFingerprint([9; 8])),
            described: Some(vec![text("int8")]),
        }
        .into(),
        ResponseChunk {
            command: 1,
            chunk: 0,
            columns: Some(vec![column]),
            frames,
            framed_rows: Some(2),
            patients: Some(RecordsReleased {
                patients: vec![PatientRecords {
                    patient: PatientToken([6; 16]),
                    records: 2,
                }],
                unknown: 1,
            }),
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
            uncommitted: Some(vec![1, 4]),
            changed: Some(3),
        }
        .into(),
    ]
}

/// What stands beside commands and replies.
fn beside_bodies() -> Vec<Body> {
    vec![
        CommandData {
            command: 1,
            part: 0,
            bytes: 9,
            digest: digest(),
        }
        .into(),
        CommandSealed {
            command: 1,
            part: 0,
            parts: 2,
            bytes: Bytes(b"age-encryption.org/v1\n".to_vec()),
        }
        .into(),
        Detection {
            command: 1,
            net: "identifiers".into(),
            channel: "cell".into(),
            column: Some("public.notes.text".into()),
            findings: [("ssn".to_owned(), 2), ("email".to_owned(), 1)].into(),
            ends: false,
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
        all_groups: Some(vec![text("dba"), text("privacy")]),
        hours: Some(Hours {
            windows: vec![text("Mon-Fri 22:00-06:00")],
            zone: text("Europe/Vienna"),
        }),
        grants: Some(GrantBounds {
            scopes: vec![GrantScope::Fingerprint, GrantScope::Session],
            minutes: 60,
            uses: 100,
            rows: Some(5_000),
        }),
        emergency: Some(Box::new(Emergency {
            groups: vec![text("on-call")],
            minutes: 30,
            reviewers: vec![text("privacy")],
            review_within_days: 3,
        })),
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
            held_until: Some(Timestamp(2)),
            requester: Some(Box::new(principal())),
            preview: Some(Previewed::Rows(12)),
        }
        .into(),
        PreviewRun {
            statement: text("DELETE FROM notes WHERE id = <number>"),
            command: digest(),
            facts: facts(),
            decision: decision(),
            exact: Digest([8; 32]),
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
            terms: Some(Terms {
                rows: Some(500),
                grant: Some(Grant {
                    scope: GrantScope::Session,
                    minutes: 30,
                    uses: 20,
                }),
            }),
        }
        .into(),
        ApprovalRevoked {
            index: 7,
            request: digest(),
            session: SessionId([1; 16]),
            reason: text("the wrong month"),
        }
        .into(),
        ThresholdDecided {
            command: 1,
            rows: 10_001,
            bytes: 90_000,
            session_rows: 12_000,
            session_bytes: 110_000,
            decision: decision(),
            outcome: Outcome::Approved,
            request: Some(4),
            approvals: Some(vec![digest()]),
            patients: Some(51),
            session_patients: Some(60),
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

pub(crate) fn all() -> Vec<(Kind, Bytes)> {
    [
        key_bodies(),
        upkeep_bodies(),
        policy_bodies(),
        access_bodies(),
        beside_bodies(),
        approval_bodies(),
    ]
    .into_iter()
    .flatten()
    .map(encoded)
    .collect()
}
