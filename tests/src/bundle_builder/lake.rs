//! The clinic's log with a session more: an agent that reads objects of a store, which the policy masks.
//!
//! What is released is what the code that masks objects makes of them.

use exhibit_documents::Masker;
use exhibit_policy::decide::{UNPROVEN, decide};
use exhibit_policy::mask::MaskKey;
use exhibit_policy::net::SessionNet;
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{
    Access, Action, Attribute, Command, Effect, Facts, Frame, Outcome, ResponseChunk, ResponseEnd, SessionClosed,
    SessionOpened,
};
use exhibit_schemas::event::{Body, Event, SessionId, SessionPlace, Timestamp};

use super::clinic::{Clinic, POLICY, PROXY, clinic_under, later_than};
use super::{Batch, Planned, key_id};

/// What names the objects of the clinic's lake, behind a policy.
pub const LAKE: &str = r#"
[[targets]]
name = "lake"
protocol = "s3"

[[documents]]
name = "tables"
targets = ["lake"]
resources = ["lake/patients/*.csv"]
format = "csv"

[[documents]]
name = "claims"
targets = ["lake"]
resources = ["lake/claims/*"]
format = "ndjson"

[[documents]]
name = "resources"
targets = ["lake"]
resources = ["lake/fhir/*"]
format = "fhir"

[[documents]]
name = "open"
targets = ["lake"]
resources = ["lake/open/*"]
format = "text"
phi = false

[[masks]]
name = "numbers"
targets = ["lake"]
resources = ["tables.ssn"]
technique = "token"
domain = "ssn"

[[masks]]
name = "holders"
targets = ["lake"]
resources = ["claims"]
technique = "paths"
rest = "keep"
paths = [{ path = "/name", technique = "redact" }]

[[masks]]
name = "resources"
targets = ["lake"]
resources = ["resources.*"]
technique = "paths"
rest = "redact"
paths = [{ path = "/name", technique = "null" }]

[[rules]]
name = "objects"
roles = ["agent"]
targets = ["lake"]
actions = ["read"]
effect = "allow"
"#;

/// A table of patients, as the store has it.
pub const TABLE: &str = "id,ssn,note\n1,987-65-4321,\n2,,x\n3,987-65-4322,\"y, z\"\n";

/// Claims, as the store has them.
pub const CLAIMS: &str = "{\"name\":\"Lovelace\",\"amount\":3}\n{\"name\":null,\"amount\":4}\n";

/// What is asked of one object, and what its answer begins with.
struct Asked {
    operation: &'static str,
    object: &'static str,
    range: Option<(usize, usize)>,
    status: u16,
    outcome: Outcome,
}

const ASKED: [Asked; 6] = [
    get("lake/patients/a.csv", None),
    get("lake/claims/a.ndjson", None),
    get("lake/patients/a.csv", Some((14, 60))),
    Asked {
        operation: "HeadObject",
        ..get("lake/patients/a.csv", None)
    },
    get("lake/open/a.txt", None),
    Asked {
        status: 403,
        outcome: Outcome::Denied,
        ..get("lake/other/a.bin", None)
    },
];

const fn get(object: &'static str, range: Option<(usize, usize)>) -> Asked {
    Asked {
        operation: "GetObject",
        object,
        range,
        status: if range.is_some() { 206 } else { 200 },
        outcome: Outcome::Allowed,
    }
}

/// The session of objects, in the clinic's log of so many sessions.
pub const LAKE_SESSION: SessionId = SessionId([0xee; 16]);

/// The clinic's log with this many sessions, and behind them one of the lake.
pub fn lake(sessions: u8) -> Clinic {
    let policy = format!("{POLICY}{LAKE}");
    let mut clinic = clinic_under(&policy, sessions);
    let snapshot = in_force(&clinic, &policy);
    let last = clinic.plan.find(|event| event.emitter.0 == key_id(PROXY));
    let last = clinic
        .plan
        .event(*last.last().expect("the proxy has said something"))
        .clone();
    let opened = clinic
        .plan
        .find(|event| matches!(event.body, Body::SessionOpened(_)) && event.emitter == last.emitter);
    let opened = clinic
        .plan
        .event(*opened.last().expect("a session of its last run"))
        .clone();
    let Body::SessionOpened(opened) = opened.body else {
        return clinic;
    };
    let batches = clinic.plan.batches.last();
    let now = batches
        .and_then(|batch| batch.events.last())
        .map_or(0, |planned| planned.event.time.0);
    let mut bodies = vec![Body::from(SessionOpened {
        target: "lake".into(),
        protocol: "s3".into(),
        policy: snapshot.digest(),
        client: None,
        ..opened.clone()
    })];
    let mut bytes = 0;
    for asked in &ASKED {
        let command = u64::try_from(bodies.len()).expect("fits");
        bodies.push(of_command(asked, &snapshot, &opened).into());
        let (frames, mut end) = answered(asked, &snapshot, command);
        bytes += end.bytes;
        let framed_rows = (end.rows > 0).then_some(end.rows);
        let mut chunk = |chunk: u64, frames: Vec<Frame>, framed_rows| {
            bodies.push(
                ResponseChunk {
                    command,
                    chunk,
                    columns: None,
                    frames,
                    framed_rows,
                    patients: None,
                }
                .into(),
            );
        };
        let (head, body) = frames.split_at(1);
        chunk(0, head.to_vec(), None);
        end.chunks = 1;
        if !body.is_empty() {
            chunk(1, body.to_vec(), framed_rows);
            end.chunks = 2;
        }
        bodies.push(end.into());
    }
    bodies.push(
        SessionClosed {
            reason: "agent".into(),
            commands: u64::try_from(ASKED.len()).expect("fits"),
            bytes,
        }
        .into(),
    );
    let places = (1..).zip(bodies);
    let events = places.map(|(place, body)| {
        Planned::new(Event {
            time: Timestamp(now + place * 1_000),
            emitter: last.emitter,
            session: Some(SessionPlace(LAKE_SESSION, place - 1)),
            body,
        })
    });
    let events = events.collect();
    clinic.plan.batches.push(Batch { seed: PROXY, events });
    clinic
}

/// The policy that the proxy said last to be in force: that one, or the one that the clinic's proxy takes up later.
fn in_force(clinic: &Clinic, policy: &str) -> Snapshot {
    let said = clinic.plan.find(|event| {
        let own = event.emitter.0 == key_id(PROXY);
        own && matches!(event.body, Body::PolicyInForce(_))
    });
    let said = clinic
        .plan
        .event(*said.last().expect("a proxy says first what is in force"));
    let policies = [policy.to_owned(), later_than(policy)];
    let mut snapshots = policies.map(|text| Snapshot::parse(text.as_bytes()).expect("the policy is right"));
    let is_later = matches!(&said.body, Body::PolicyInForce(body) if body.policy == snapshots[1].digest());
    snapshots.swap(0, usize::from(is_later));
    let [snapshot, _] = snapshots;
    snapshot
}

fn of_command(asked: &Asked, policy: &Snapshot, opened: &SessionOpened) -> Command {
    let word = |text: &str| Attribute::Text(text.to_owned());
    let mut facts = Facts {
        accesses: vec![Access(Action::Read, Some(asked.object.to_owned()))],
        attributes: [("operation".to_owned(), word(asked.operation))].into(),
        columns: None,
    };
    let named = match policy.reading("lake", asked.object).document() {
        Some(document) => ("document", word(&document.name)),
        None => (UNPROVEN, word("no document of the policy names the object")),
    };
    facts.attributes.insert(named.0.to_owned(), named.1);
    let decision = decide(policy, &opened.principal, "lake", &facts);
    let wanted = match asked.outcome {
        Outcome::Denied => Effect::Deny,
        _ => Effect::Allow,
    };
    assert_eq!(decision.effect, wanted, "{}", asked.object);
    let range = asked
        .range
        .map(|(first, last)| format!(" range=bytes={first}-{last}"))
        .unwrap_or_default();
    let statement = format!("{} {}{range}", asked.operation, asked.object);
    Command {
        digest: Digest::of(statement.as_bytes()),
        statement,
        facts,
        decision,
        outcome: asked.outcome,
        parameters: Vec::new(),
        request: None,
        approvals: None,
        retries: None,
        statement_fingerprint: None,
        described: None,
    }
}

/// The frames of an answer, and its end but for the chunks.
fn answered(asked: &Asked, policy: &Snapshot, command: u64) -> (Vec<Frame>, ResponseEnd) {
    let raw = match asked.object {
        "lake/claims/a.ndjson" => CLAIMS,
        "lake/open/a.txt" => "opening hours\n",
        _ => TABLE,
    };
    let mut end = ResponseEnd {
        command,
        status: "complete".into(),
        code: Some(asked.status.to_string()),
        chunks: 0,
        rows: 0,
        bytes: 0,
        masked: [].into(),
        uncommitted: None,
        changed: None,
    };
    let mut body = match policy.reading("lake", asked.object).document() {
        None => b"<Error><Code>AccessDenied</Code></Error>".to_vec(),
        Some(document) if document.phi => {
            let mut masker = Masker::new(policy, "lake", document, MaskKey::new([7; 32]));
            let mut net = SessionNet::default();
            let mut frames = masker.push(raw.as_bytes(), &mut net).expect("it is of its format");
            frames.extend(masker.finish(&mut net).expect("it is whole"));
            (end.rows, end.masked) = (masker.records(), masker.masked());
            let bytes = frames.into_iter().map(|frame| match frame.into_inner() {
                Frame::Verbatim(bytes) => bytes.0,
                Frame::Row(_) => Vec::new(),
            });
            bytes.flatten().collect()
        }
        Some(_) => raw.as_bytes().to_vec(),
    };
    let mut range = String::new();
    if let Some((first, last)) = asked.range {
        range = format!("content-range: bytes {first}-{last}/{}\r\n", body.len());
        body = body[first..=last].to_vec();
        (end.rows, end.masked) = (0, [].into());
    }
    let length = body.len();
    let head = format!("HTTP/1.1 {}\r\n{range}content-length: {length}\r\n\r\n", asked.status);
    if asked.operation == "HeadObject" {
        body.clear();
        (end.rows, end.masked) = (0, [].into());
    }
    let mut frames = vec![Frame::Verbatim(Bytes(head.into_bytes()))];
    if !body.is_empty() {
        frames.push(Frame::Verbatim(Bytes(body)));
    }
    let lengths = frames.iter().map(|frame| match frame {
        Frame::Verbatim(bytes) => bytes.0.len(),
        Frame::Row(_) => 0,
    });
    end.bytes = u64::try_from(lengths.sum::<usize>()).expect("fits");
    (frames, end)
}
