//! What the real gate records is what the verifier accepts: the same rules on both ends, without a ledger in between.
//!
//! The recorder here keeps the gate's events in a plan; the plan is then sealed, laid out as a bundle, and verified.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on fails, in its helpers too"
)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use exhibit_gate::clock::Clock;
use exhibit_gate::gate::CatalogDocument;
use exhibit_gate::recorder::{Draft, Heard, Receipt, Recorder, Ticket, VerifiedDecision};
use exhibit_gate::session::{EndStatus, Opening, Reach, Request, Ruling};
use exhibit_gate::{Gate, GateError, Session};
use exhibit_policy::mask::{CellKind, ColumnMask, MaskKey, Masked, RowMasker};
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::bundle::TrustAnchors;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{
    Access, Action, Attribute, Column, Effect, Facts, Frame, Outcome as Became, Principal, ThresholdDecided,
};
use exhibit_schemas::event::approval::{ApprovalDecided, Terms, Verdict};
use exhibit_schemas::event::trust::Role;
use exhibit_schemas::event::{Body, Emitter, Event, Timestamp};
use exhibit_schemas::key::Signer as _;
use exhibit_schemas::keyring::KeyRecord;
use exhibit_schemas::merkle::Index;
use exhibit_schemas::policy_signatures::PolicySignatures;
use exhibit_tests::bundle_builder::clinic::{ALICE, BOB, CAROL, LOG, MASK_KEYS, ORIGIN, POLICY, PROXY, START, clinic};
use exhibit_tests::bundle_builder::{Batch, Plan, Planned, checkpoint, files, key, key_id, write_tar};
use exhibit_verify::report::Report;
use exhibit_verify::{Archive, Options, Outcome, verify};
use tokio::sync::{broadcast, watch};

#[path = "verifier_gate/again.rs"]
mod again;
#[path = "verifier_gate/attacked.rs"]
mod attacked;
#[path = "verifier_gate/emergency.rs"]
mod emergency;
#[path = "verifier_gate/estimated.rs"]
mod estimated;
#[path = "verifier_gate/granted.rs"]
mod granted;
#[path = "verifier_gate/late.rs"]
mod late;
#[path = "verifier_gate/objects.rs"]
mod objects;
#[path = "verifier_gate/patients.rs"]
mod patients;
#[path = "verifier_gate/previewed.rs"]
mod previewed;
#[path = "verifier_gate/probed.rs"]
mod probed;
#[path = "verifier_gate/retried.rs"]
mod retried;
#[path = "verifier_gate/revoked.rs"]
mod revoked;
#[path = "verifier_gate/sealed.rs"]
mod sealed;
#[path = "verifier_gate/seen.rs"]
mod seen;
#[path = "verifier_gate/timed.rs"]
mod timed;

/// A clock that moves a millisecond at each look.
struct Ticking(AtomicU64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.fetch_add(1_000, Ordering::SeqCst))
    }
}

struct Keeper {
    /// Seed of the key of the proxy that records here.
    proxy: u8,
    plan: Arc<Mutex<Plan>>,
    clock: Arc<Ticking>,
    heard: broadcast::Sender<Arc<Heard>>,
    /// What happens after the next submission was taken.
    later: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Keeper {
    fn later(&self, what: Box<dyn FnOnce() + Send>) {
        *self.later.lock().unwrap() = Some(what);
    }

    fn keep(&self, seed: u8, drafts: Vec<Draft>) -> Vec<Receipt> {
        let planned = drafts.into_iter().map(|draft| {
            Planned::new(Event {
                time: self.clock.now(),
                // A run after those that the log has.
                emitter: Emitter(key_id(seed), START + 1_000 + u64::from(seed)),
                session: draft.session,
                body: draft.body,
            })
        });
        let events: Vec<_> = planned.collect();
        let receipt = |planned: &Planned| Receipt {
            index: Index(0),
            leaf: planned.leaf,
            time: planned.event.time,
        };
        let receipts = events.iter().map(receipt).collect();
        self.plan.lock().unwrap().batches.push(Batch { seed, events });
        receipts
    }

    /// A person decides about the request that was recorded last.
    fn decide(&self, seed: u8, name: &str, verdict: Verdict) {
        self.decide_for(seed, name, verdict, None);
    }

    /// A person approves the request that was recorded last, for so many rows.
    fn decide_for(&self, seed: u8, name: &str, verdict: Verdict, terms: Option<Terms>) {
        let body = {
            let plan = self.plan.lock().unwrap();
            let requests = plan.find(|event| matches!(event.body, Body::ApprovalRequested(_)));
            let (batch, event) = *requests.last().unwrap();
            let planned = &plan.batches[batch].events[event];
            let Body::ApprovalRequested(request) = &planned.event.body else {
                panic!("a request was looked for");
            };
            ApprovalDecided {
                request: planned.leaf,
                command: request.command,
                session: planned.event.session.unwrap().0,
                target: request.target.clone(),
                policy: request.decision.policy,
                expires: request.expires,
                verdict,
                reason: "reviewed".into(),
                terms,
            }
        };
        let draft = Draft {
            session: None,
            body: body.clone().into(),
        };
        let receipt = self.keep(seed, vec![draft])[0];
        let decision = VerifiedDecision {
            leaf: receipt.leaf,
            time: receipt.time,
            signer: person(seed, name),
            body,
        };
        self.heard
            .send(Heard::Decided(decision.into()).into())
            .map(|_| ())
            .unwrap();
    }
}

/// A person as the log has enrolled it.
fn person(seed: u8, name: &str) -> KeyRecord {
    KeyRecord {
        key: key(seed).public_key(),
        role: Role::Person,
        name: name.into(),
        groups: vec![if seed == BOB { "privacy" } else { "dba" }.into()],
        enrolled: Index(0),
        ended: None,
        mask_keys: Vec::new(),
    }
}

impl Recorder for Keeper {
    fn submit(&self, drafts: Vec<Draft>) -> Result<Ticket, GateError> {
        let receipts = self.keep(self.proxy, drafts);
        let later = self.later.lock().unwrap().take();
        if let Some(what) = later {
            what();
        }
        Ok(Box::pin(async move { Ok(receipts) }))
    }

    fn recorded_before(&self) -> bool {
        false
    }

    fn policy_signatures(&self) -> Option<watch::Receiver<PolicySignatures>> {
        None
    }

    fn heard(&self) -> broadcast::Receiver<Arc<Heard>> {
        self.heard.subscribe()
    }
}

async fn open(gate: &Gate) -> Session {
    open_as(gate, |_| ()).await
}

/// Opens a session that differs so.
async fn open_as(gate: &Gate, change: impl FnOnce(&mut Opening)) -> Session {
    let mut opening = Opening {
        target: "clinic".into(),
        protocol: "postgres".into(),
        principal: Principal {
            method: "api-key".into(),
            issuer: "api-keys.toml".into(),
            subject: "ci-agent".into(),
            client_id: None,
            groups: Vec::new(),
            evidence: Digest::of(b"key"),
            run: None,
        },
        expires: None,
        peer: "127.0.0.1:1".into(),
        transport: "TLSv1.3".into(),
        client: None,
        settings: Vec::new(),
        stateless: false,
    };
    change(&mut opening);
    gate.open(opening).await.unwrap()
}

fn request(statement: &str, action: Action) -> Request {
    Request {
        statement: statement.into(),
        exact: statement.as_bytes().to_vec(),
        facts: Facts {
            accesses: vec![Access(action, Some("public.patients".into()))],
            attributes: [("no_where".to_owned(), Attribute::Bool(true))].into(),
            columns: None,
        },
        parameters: Vec::new(),
        reach: Reach::Anything,
        statement_fingerprint: None,
        described: None,
        says_all: true,
        by_name: false,
        names_are_data: false,
    }
}

fn masker(snapshot: &Snapshot) -> (Vec<Column>, RowMasker) {
    let kinds = [
        ("id", CellKind::Text),
        ("ssn", CellKind::Text),
        ("last_name", CellKind::Json),
    ];
    let kinds = kinds
        .into_iter()
        .chain([("mrn", CellKind::Opaque), ("birth_date", CellKind::Text)]);
    let (mut columns, mut masks) = (Vec::new(), Vec::new());
    for (name, kind) in kinds {
        let origin = format!("public.patients.{name}");
        let mask = snapshot.mask("clinic", &origin);
        columns.push(Column {
            name: name.into(),
            data_type: "text".into(),
            origin: Some(origin),
            technique: mask.map(|mask| mask.technique.as_str().to_owned()),
            mask: mask.map(|mask| mask.name.clone()),
            patients: None,
        });
        masks.push(mask.map(|mask| ColumnMask {
            mask: mask.name.clone(),
            technique: mask.technique.clone(),
            kind,
        }));
    }
    (columns, RowMasker::new(masks, MaskKey::new([7; 32])))
}

/// Reads rows through the masks, one of them too long for a row frame; ends the reply or leaves it open.
async fn read(session: &mut Session, ends: bool) {
    let Ruling::Permit(permit) = session.decide(request("SELECT * FROM patients", Action::Read)) else {
        panic!("reads are allowed");
    };
    let recorded = session.record(vec![permit]).await.unwrap();
    let mut reply = recorded[0].reply();
    let (columns, mut masker) = masker(&session.gate().policy());
    let cells = |ssn: &[u8]| [&b"1"[..], ssn, b"\"Lovelace\"", b"MRN-1", b"1970-07-15"].map(|cell| Some(cell.to_vec()));
    let mut frames = vec![Masked::framing(b"T".to_vec())];
    for _ in 0..3 {
        frames.push(masker.row(cells(b"987-65-4321").into(), session.net()).unwrap());
    }
    let long = masker.row(cells(&vec![b'9'; 50_000]).into(), session.net()).unwrap();
    frames.push(long.framed(|frame| match frame {
        Frame::Row(cells) => cells.iter().flatten().flat_map(|cell| cell.0.clone()).collect(),
        Frame::Verbatim(bytes) => bytes.0.clone(),
    }));
    session
        .release(&mut reply, Some(columns), frames)
        .durable()
        .await
        .unwrap();
    if ends {
        let frames = vec![Masked::framing(b"C".to_vec())];
        let counts = masker.masked().clone();
        let releasing = session.finish(reply, None, frames, EndStatus::Complete, None, counts);
        releasing.durable().await.unwrap();
    }
}

async fn denied(session: &mut Session) {
    let Ruling::Denial(denial) = session.decide(request("DELETE FROM patients", Action::Delete)) else {
        panic!("mass deletes are denied");
    };
    let recorded = session.refuse(denial).await.unwrap();
    finish(session, recorded.reply(), EndStatus::Failed).await;
}

async fn finish(session: &mut Session, reply: exhibit_gate::session::Reply, status: EndStatus) {
    let frames = vec![Masked::framing(b"Z".to_vec())];
    let releasing = session.finish(reply, None, frames, status, None, BTreeMap::new());
    releasing.durable().await.unwrap();
}

/// Asks people, who answer as given; nobody answers where `None`.
async fn asked(session: &mut Session, keeper: &Keeper, verdict: Option<Verdict>) {
    let Ruling::Pending(pending) = session.decide(request("ALTER TABLE patients ADD x text", Action::Define)) else {
        panic!("changes of the schema are asked about");
    };
    let asked = session.ask(pending).await.unwrap();
    let answered = match verdict {
        None => session.wait(asked, async {}).await.unwrap(),
        Some(verdict) => {
            keeper.decide(ALICE, "alice", verdict);
            keeper.decide(CAROL, "carol", verdict);
            session.wait(asked, std::future::pending()).await.unwrap()
        }
    };
    match answered {
        Ok(permit) => {
            assert_eq!(verdict, Some(Verdict::Approve));
            let recorded = session.record(vec![permit]).await.unwrap();
            finish(session, recorded[0].reply(), EndStatus::Complete).await;
        }
        Err(denial) => {
            assert_ne!(verdict, Some(Verdict::Approve));
            let recorded = session.refuse(denial).await.unwrap();
            finish(session, recorded.reply(), EndStatus::Failed).await;
        }
    }
}

/// A gate with that policy, before the log of the clinic.
async fn start(policy: &str) -> (Gate, Arc<Keeper>, TrustAnchors) {
    let clinic = clinic(0);
    let clock = Arc::new(Ticking(AtomicU64::new(START + 1_000_000)));
    let plan = Arc::new(Mutex::new(clinic.plan));
    let (gate, keeper) = start_beside(policy, plan, clock, PROXY).await;
    (gate, keeper, clinic.anchors)
}

/// The gate of the proxy with that key, which records into that log.
async fn start_beside(policy: &str, plan: Arc<Mutex<Plan>>, clock: Arc<Ticking>, proxy: u8) -> (Gate, Arc<Keeper>) {
    let keeper = Arc::new(Keeper {
        proxy,
        plan,
        clock: Arc::clone(&clock),
        heard: broadcast::channel(16).0,
        later: Mutex::default(),
    });
    let snapshot = Snapshot::parse(policy.as_bytes()).unwrap();
    let policy = (policy.as_bytes().to_vec(), snapshot);
    let recorder: Arc<dyn Recorder> = keeper.clone();
    // The log has a key of masks of each proxy already.
    let mask_key = MaskKey::new([7; 32]).in_place_of(&MASK_KEYS[..1]);
    let gate = Gate::start(policy, recorder, clock, mask_key, [8; 32]).await.unwrap();
    (gate, keeper)
}

/// What the verifier says of a log.
fn verified(plan: &Plan, anchors: &TrustAnchors) -> Outcome {
    verified_entries(&plan.build().entries, anchors)
}

/// The same of entries as they are.
fn verified_entries(entries: &[Vec<u8>], anchors: &TrustAnchors) -> Outcome {
    let bundle = files(entries, checkpoint(entries, ORIGIN, LOG).note(), anchors);
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("bundle.tar");
    write_tar(&path, &bundle).unwrap();
    let options = Options {
        heads: &[],
        evidence: Some(exhibit_verify::Period::ALWAYS),
        progress: &mut |_| {},
    };
    verify(&Archive::open(&path).unwrap(), anchors, options).unwrap()
}

fn findings(outcome: &Outcome) -> Vec<(&'static str, &str)> {
    let each = outcome.list().iter();
    each.map(|finding| (finding.code.as_str(), finding.detail.as_str()))
        .collect()
}

#[tokio::test]
async fn what_the_gate_records_verifies() {
    let (gate, keeper, anchors) = start(POLICY).await;
    let catalog = CatalogDocument::new(vec![b'c'; 130_000]);
    gate.record_catalog("clinic", &[&catalog]).await.unwrap();
    let mut session = open(&gate).await;
    read(&mut session, true).await;
    denied(&mut session).await;
    for verdict in [Some(Verdict::Approve), Some(Verdict::Deny), None] {
        asked(&mut session, &keeper, verdict).await;
    }
    session.close("agent").await.unwrap();
    let mut dropped = open(&gate).await;
    read(&mut dropped, false).await;
    drop(dropped);

    let outcome = verified(&keeper.plan.lock().unwrap(), &anchors);
    // Carol's refusal after alice's is one too many, and does not matter.
    assert_eq!(findings(&outcome), []);
    let Outcome::Verified(verified) = &outcome else {
        panic!("a bundle without findings is verified");
    };
    let outcomes: Vec<_> = verified
        .get()
        .evidence
        .commands
        .iter()
        .map(|line| line.outcome.as_str())
        .collect();
    assert_eq!(
        outcomes,
        ["allowed", "denied", "approved", "refused", "expired", "allowed"]
    );
    assert_eq!(verified.get().evidence.commands[5].status.as_deref(), Some("cut"));
    assert!(!Report::of(&outcome).json().contains("987-65-4321"));
}

const NETS: &str = r#"
[[nets]]
name = "numbers"
targets = ["clinic"]
categories = ["ssn"]
[[nets]]
name = "cards"
targets = ["clinic"]
categories = ["card"]
ends_session = true
"#;

/// Reads one row whose `id` holds that; gives what became of it.
async fn read_id(session: &mut Session, id: &str) -> Result<(), GateError> {
    let Ruling::Permit(permit) = session.decide(request("SELECT * FROM patients", Action::Read)) else {
        panic!("reads are allowed");
    };
    let recorded = session.record(vec![permit]).await?;
    let (columns, mut masker) = masker(&session.gate().policy());
    let cells = [id, "987-65-4321", "\"Lovelace\"", "MRN-1", "1970-07-15"].map(|cell| Some(cell.into()));
    let row = masker.row(cells.into(), session.net()).unwrap();
    let counts = masker.masked().clone();
    let reply = recorded[0].reply();
    let releasing = session.finish(reply, Some(columns), vec![row], EndStatus::Complete, None, counts);
    releasing.durable().await.map(|_| ())
}

/// What the report lists of what nets caught: the net, where, and whether the session ended.
fn caught(outcome: &Outcome) -> Vec<(&str, &str, bool)> {
    let Outcome::Verified(bundle) = outcome else {
        panic!("a bundle without findings is verified");
    };
    let lines = bundle.get().evidence.detections.iter();
    let lines = lines.map(|line| (line.net.as_str(), line.channel.as_str(), line.ends));
    lines.collect()
}

#[tokio::test]
async fn what_the_net_catches_verifies_and_what_is_told_otherwise_does_not() {
    let (gate, keeper, anchors) = start(&format!("{POLICY}{NETS}")).await;
    let mut session = open(&gate).await;
    read_id(&mut session, "seen 123-45-6789 twice: 123-45-6780")
        .await
        .unwrap();
    read_id(&mut session, "7").await.unwrap();
    session.close("agent").await.unwrap();
    let mut session = open(&gate).await;
    let ended = read_id(&mut session, "4111 1111 1111 1111").await;
    assert_eq!(ended, Err(GateError::Detected { net: "cards".into() }));
    // Nothing passes any more.
    assert_eq!(read_id(&mut session, "7").await, ended);
    session.close("detection").await.unwrap();

    let plan = keeper.plan.lock().unwrap().clone();
    let outcome = verified(&plan, &anchors);
    assert_eq!(findings(&outcome), []);
    assert_eq!(caught(&outcome), [("numbers", "cell", false), ("cards", "cell", true)]);
    assert!(Report::of(&outcome).html().contains("Identifiers that nets caught (2)"));
    let recorded = plan.build().entries.concat();
    for value in ["123-45-6789", "4111 1111"] {
        assert!(
            !recorded.windows(value.len()).any(|window| window == value.as_bytes()),
            "{value}"
        );
    }

    let check = |fits: fn(&Event) -> bool, change: fn(&mut Body), wanted: &[&str]| {
        let mut plan = plan.clone();
        let place = *plan.find(fits).first().unwrap();
        change(&mut plan.event_mut(place).body);
        let outcome = verified(&plan, &anchors);
        let codes: Vec<_> = findings(&outcome).into_iter().map(|(code, _)| code).collect();
        assert_eq!(codes, wanted);
    };
    let detected = |event: &Event| matches!(&event.body, Body::Detection(found) if found.net == "numbers");
    let ending = |event: &Event| matches!(&event.body, Body::Detection(found) if found.net == "cards");
    let more = |body: &mut Body| {
        if let Body::Detection(found) = body {
            found.findings.insert("ssn".into(), 3);
        }
    };
    check(detected, more, &["detection-count"]);
    let none = |body: &mut Body| {
        if let Body::Detection(found) = body {
            found.findings.insert("ssn".into(), 0);
        }
    };
    check(detected, none, &["detection-net", "detection-count"]);
    let other_category = |body: &mut Body| {
        if let Body::Detection(found) = body {
            found.findings = [("iban".to_owned(), 2)].into();
        }
    };
    check(detected, other_category, &["detection-net"]);
    let other_net = |body: &mut Body| {
        if let Body::Detection(found) = body {
            found.net = "nobody".into();
        }
    };
    check(
        detected,
        other_net,
        &["detection-net", "detection-count", "detection-count"],
    );
    let other_channel = |body: &mut Body| {
        if let Body::Detection(found) = body {
            found.channel = "carrier pigeon".into();
        }
    };
    check(detected, other_channel, &["detection-net"]);
    let goes_on = |body: &mut Body| {
        if let Body::Detection(found) = body {
            found.ends = false;
        }
    };
    check(ending, goes_on, &["detection-net", "detection-end"]);
    let ends = |body: &mut Body| {
        if let Body::Detection(found) = body {
            found.ends = true;
        }
    };
    check(
        detected,
        ends,
        &["detection-net", "detection-end", "detection-end", "detection-end"],
    );
    let closed = |event: &Event| matches!(&event.body, Body::SessionClosed(closed) if closed.reason == "detection");
    let by_agent = |body: &mut Body| {
        if let Body::SessionClosed(closed) = body {
            closed.reason = "agent".into();
        }
    };
    check(closed, by_agent, &["detection-end"]);
}

const THRESHOLDS: &str = r#"
[[rules]]
name = "never"
roles = ["agent"]
targets = ["clinic"]
actions = ["read"]
over = { session_rows = 6 }
effect = "deny"
[[rules]]
name = "bulk"
roles = ["agent"]
targets = ["clinic"]
actions = ["read"]
over = { rows = 2 }
effect = "ask"
approval = "schema"
"#;

/// Begins a read, and lets rows out: two that anybody may have, and more where it is said who approves.
async fn read_rows(session: &mut Session, keeper: &Keeper, more: usize) -> Result<(), GateError> {
    let Ruling::Permit(permit) = session.decide(request("SELECT * FROM patients", Action::Read)) else {
        panic!("reads are allowed");
    };
    let recorded = session.record(vec![permit]).await?;
    let (columns, mut masker) = masker(&session.gate().policy());
    let mut rows = |session: &mut Session, count: usize| -> Vec<Masked<Frame>> {
        let cells = || ["7", "987-65-4321", "\"Lovelace\"", "MRN-1", "1970-07-15"].map(|cell| Some(cell.into()));
        (0..count)
            .map(|_| masker.row(cells().into(), session.net()).unwrap())
            .collect()
    };
    let mut reply = recorded[0].reply();
    let two = rows(session, 2);
    assert!(session.weigh(&reply, &two).await?.is_none());
    session.release(&mut reply, Some(columns), two).durable().await?;
    let frames = rows(session, more);
    if let Some(held) = session.weigh(&reply, &frames).await? {
        keeper.decide(ALICE, "alice", Verdict::Approve);
        keeper.decide(CAROL, "carol", Verdict::Approve);
        session.held(held, std::future::pending()).await?;
    }
    let counts = masker.masked().clone();
    let releasing = session.finish(reply, None, frames, EndStatus::Complete, None, counts);
    releasing.durable().await.map(|_| ())
}

fn decided(body: &mut Body) -> &mut ThresholdDecided {
    match body {
        Body::ThresholdDecided(decided) => decided,
        _ => panic!("a decision about a threshold was looked for"),
    }
}

#[tokio::test]
async fn what_thresholds_let_out_verifies_and_what_passes_them_otherwise_does_not() {
    let policy = POLICY.replacen("[[rules]]", &format!("{THRESHOLDS}[[rules]]"), 1);
    let (gate, keeper, anchors) = start(&policy).await;
    let mut session = open(&gate).await;
    read_rows(&mut session, &keeper, 1).await.unwrap();
    read_rows(&mut session, &keeper, 0).await.unwrap();
    let ended = read_rows(&mut session, &keeper, 0).await.unwrap_err();
    assert!(
        matches!(&ended, GateError::Threshold { rule, .. } if rule == "never"),
        "{ended}"
    );
    session.close("threshold").await.unwrap();

    let plan = keeper.plan.lock().unwrap().clone();
    assert_eq!(findings(&verified(&plan, &anchors)), []);

    let check = |fits: fn(&Event) -> bool, change: fn(&mut Body), wanted: &[&str]| {
        let mut plan = plan.clone();
        let place = *plan.find(fits).first().unwrap();
        change(&mut plan.event_mut(place).body);
        let outcome = verified(&plan, &anchors);
        let codes: Vec<_> = findings(&outcome).into_iter().map(|(code, _)| code).collect();
        assert_eq!(codes, wanted);
    };
    let approved =
        |event: &Event| matches!(&event.body, Body::ThresholdDecided(decided) if decided.approvals.is_some());
    let denied = |event: &Event| matches!(&event.body, Body::ThresholdDecided(decided) if decided.request.is_none());
    // Said to have been about less than was let out, or other people's decision, or none, or no question.
    check(
        approved,
        |body| decided(body).rows = 1,
        &[
            "threshold-decided",
            "decision-differs",
            "approval-binding",
            "threshold-passed",
        ],
    );
    check(approved, |body| decided(body).approvals = None, &["approval-missing"]);
    check(approved, |body| decided(body).request = Some(0), &["approval-missing"]);
    check(
        approved,
        |body| decided(body).outcome = Became::Allowed,
        &[
            "threshold-decided",
            "threshold-passed",
            "threshold-passed",
            "threshold-passed",
        ],
    );
    check(
        approved,
        |body| decided(body).decision.rule = Some("reads".into()),
        &["decision-differs", "approval-binding"],
    );
    check(
        approved,
        |body| decided(body).command = 3,
        &["response-command", "threshold-passed"],
    );
    // The gate said no, and it is told as if people had been asked, or as if more had been let out.
    check(
        denied,
        |body| decided(body).outcome = Became::Approved,
        &["threshold-decided", "approval-missing", "threshold-decided"],
    );
    check(denied, |body| decided(body).session_rows = 6, &["decision-differs"]);
    check(
        denied,
        |body| decided(body).decision.effect = Effect::Allow,
        &["threshold-decided", "decision-differs"],
    );
    let closed = |event: &Event| matches!(&event.body, Body::SessionClosed(_));
    let by_agent = |body: &mut Body| {
        if let Body::SessionClosed(closed) = body {
            closed.reason = "agent".into();
        }
    };
    check(closed, by_agent, &["threshold-decided"]);
    // Rows that a protocol framed itself count as rows.
    let chunk = |event: &Event| matches!(&event.body, Body::ResponseChunk(chunk) if chunk.columns.is_some());
    let framed = |body: &mut Body| {
        if let Body::ResponseChunk(chunk) = body {
            chunk.framed_rows = Some(1);
        }
    };
    check(
        chunk,
        framed,
        &["response-chunk", "threshold-passed", "response-totals"],
    );
}
