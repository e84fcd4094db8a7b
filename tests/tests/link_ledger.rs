//! The gate's real link against the real ledger, over the in-process pipe: receipts, approvals, restarts, and an export
//! that the verifier takes.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests stop where something is wrong"
)]

#[path = "link_ledger/lying.rs"]
mod lying;
#[path = "link_ledger/restarted.rs"]
mod restarted;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use exhibit_gate::clock::{Clock as _, SystemClock};
use exhibit_gate::gate::{Gate, Opening};
use exhibit_gate::link::connect::{Connect, PipeConnect};
use exhibit_gate::link::{Link, LinkConfig};
use exhibit_gate::recorder::{Draft, Heard, Recorder};
use exhibit_gate::request::{Reach, Request, Ruling};
use exhibit_gate::session::Session;
use exhibit_ledger::readings::Readings;
use exhibit_ledger::{Config, Ledger, api, config::Tls, serve};
use exhibit_policy::mask::MaskKey;
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::bundle::{BUNDLE_FORMAT, Manifest, ManifestFile, TrustAnchors};
use exhibit_schemas::checkpoint::{Origin, VerifierKey};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Access, Action, Facts, Outcome, Principal};
use exhibit_schemas::event::approval::{ApprovalDecided, ApprovalRevoked, Grant, GrantScope, Terms, Verdict};
use exhibit_schemas::event::trust::{Administrator, Fault, Genesis, KeyEnrolled, KeyRevoked, Role};
use exhibit_schemas::event::{Body, Emitter, Event};
use exhibit_schemas::key::{SecretKey, Signer as _};
use exhibit_schemas::merkle::Index;
use exhibit_schemas::seal::{Chain, Sealed};
use exhibit_schemas::tile::tiles;
use exhibit_schemas::wire::Append;
use tokio_util::sync::CancellationToken;

const ORIGIN: &str = "link.example/test";

const POLICY: &str = r#"
version = 1
[[roles]]
name = "agent"
match = { subject = "ci" }
[[targets]]
name = "clinic"
protocol = "postgres"
[[approvals]]
name = "dba"
groups = ["dba"]
people = 1
expires_s = 900
[[rules]]
name = "reads"
roles = ["agent"]
targets = ["clinic"]
actions = ["read"]
effect = "allow"
[[rules]]
name = "schema"
roles = ["agent"]
targets = ["clinic"]
actions = ["define"]
effect = "ask"
approval = "dba"
"#;

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

fn trust() -> TrustAnchors {
    TrustAnchors {
        log: VerifierKey {
            origin: Origin::new(ORIGIN).unwrap(),
            key: key(3).public_key(),
        },
        administrators: vec![("root".into(), key(1).public_key())],
        policy_signers: Vec::new(),
    }
}

fn begin(directory: &Path) -> Config {
    begun(directory).0
}

/// The same, with where the administrator's seals stand.
fn begun(directory: &Path) -> (Config, Chain) {
    let unused = directory.join("unused");
    let config = Config {
        origin: ORIGIN.into(),
        directory: directory.to_owned(),
        listen: "127.0.0.1:0".parse().unwrap(),
        tls: Tls {
            certificate: unused.clone(),
            key: unused.clone(),
            client_ca: unused,
        },
        webhooks: Vec::new(),
        readers: Vec::new(),
        oidc: Vec::new(),
    };
    for (name, seed) in [("log.key", 3), ("ledger.key", 5)] {
        exhibit_tests::write(&directory.join(name), hex::encode([seed; 32]).as_bytes()).unwrap();
    }
    let enrol = |seed, role, name: &str, groups: &[&str]| {
        Body::from(KeyEnrolled {
            key: key(seed).public_key().to_bytes(),
            role,
            name: name.into(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            application: None,
        })
    };
    let bodies: Vec<Body> = vec![
        Genesis {
            origin: ORIGIN.into(),
            log_key: key(3).public_key().to_bytes(),
            administrators: vec![Administrator {
                name: "root".into(),
                key: key(1).public_key().to_bytes(),
            }],
        }
        .into(),
        enrol(2, Role::Proxy, "proxy", &[]),
        enrol(4, Role::Person, "dora", &["dba"]),
        enrol(5, Role::Ledger, "ledger", &[]),
    ];
    let chain = Chain {
        boot: 1,
        sequence: 0,
        previous: None,
    };
    let first = seal(&key(1), chain, bodies);
    let next = first.next();
    Ledger::initialise(&config, vec![first]).unwrap();
    (config, next)
}

fn seal(signer: &SecretKey, chain: Chain, bodies: Vec<Body>) -> Sealed {
    let encode = |body| {
        let event = Event {
            time: SystemClock.now(),
            emitter: Emitter(signer.public_key().id(), chain.boot),
            session: None,
            body,
        };
        event.encode().unwrap()
    };
    Sealed::seal(bodies.into_iter().map(encode).collect(), chain, signer).unwrap()
}

/// Links a proxy to a ledger by pipes that end when `stop` is cancelled.
async fn link(ledger: &Ledger, state: PathBuf, stop: &CancellationToken) -> Arc<Link> {
    let readings = Readings::nobody(ledger.clone());
    let router = api::router(ledger.clone(), None, readings);
    let stop = stop.clone();
    let connect = PipeConnect::new(move || {
        let (near, far) = tokio::io::duplex(1 << 16);
        tokio::spawn(serve::serve_stream(router.clone(), far, stop.clone()));
        Ok(near)
    });
    link_by(Arc::new(connect), state).await
}

async fn link_by(connect: Arc<dyn Connect>, state: PathBuf) -> Arc<Link> {
    let config = LinkConfig {
        connect,
        key: key(2),
        trust: trust(),
        clock: Arc::new(SystemClock),
        state,
    };
    Arc::new(Link::start(config).await.unwrap())
}

async fn gate(link: &Arc<Link>) -> Gate {
    gate_under(POLICY, link).await
}

async fn gate_under(policy: &str, link: &Arc<Link>) -> Gate {
    let recorder: Arc<dyn Recorder> = link.clone();
    let policy = (policy.as_bytes().to_vec(), Snapshot::parse(policy.as_bytes()).unwrap());
    let gate = Gate::start(policy, recorder, Arc::new(SystemClock), MaskKey::new([8; 32]), [9; 32]);
    gate.await.unwrap()
}

fn opening() -> Opening {
    Opening {
        target: "clinic".into(),
        protocol: "postgres".into(),
        principal: Principal {
            method: "api-key".into(),
            issuer: "exhibit".into(),
            subject: "ci".into(),
            client_id: None,
            groups: vec![],
            evidence: Digest([7; 32]),
            run: None,
        },
        expires: None,
        peer: "127.0.0.1:5".into(),
        transport: "TLSv1.3".into(),
        client: None,
        settings: Vec::new(),
        stateless: false,
    }
}

fn request(action: Action) -> Request {
    let facts = Facts {
        accesses: vec![Access(action, Some("public.patients".into()))],
        attributes: std::collections::BTreeMap::new(),
        columns: None,
    };
    Request {
        statement: "…".into(),
        exact: b"exact".to_vec(),
        facts,
        parameters: vec![],
        reach: Reach::Anything,
        statement_fingerprint: None,
        described: None,
        says_all: true,
        by_name: false,
        names_are_data: false,
    }
}

/// Writes the bundle of what the ledger shows and verifies it offline.
fn check_export(ledger: &Ledger, directory: &Path) {
    let head = ledger.shared().head();
    let mut files = std::collections::BTreeMap::new();
    let mut put = |path: String, bytes: Vec<u8>| {
        let file = directory.join(&path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        exhibit_tests::write(&file, &bytes).unwrap();
        let said = ManifestFile {
            bytes: u64::try_from(bytes.len()).unwrap(),
            sha256: Digest::of(&bytes).to_string(),
        };
        files.insert(path, said);
    };
    put("checkpoint".into(), head.note().as_bytes().to_vec());
    put("trust.toml".into(), trust().to_toml().into_bytes());
    for tile in tiles(head.size()) {
        put(tile.path(), ledger.tile(tile).unwrap().unwrap());
    }
    let manifest = Manifest {
        format: BUNDLE_FORMAT.into(),
        origin: ORIGIN.into(),
        size: head.size().0,
        root: head.root().to_string(),
        files,
    };
    let text = serde_json::to_vec_pretty(&manifest).unwrap();
    exhibit_tests::write(&directory.join("manifest.json"), &text).unwrap();
    let archive = exhibit_verify::Archive::open(directory).unwrap();
    let options = exhibit_verify::Options {
        heads: &[],
        evidence: None,
        progress: &mut |_| {},
    };
    let outcome = exhibit_verify::verify(&archive, &trust(), options).unwrap();
    assert!(outcome.findings().list().is_empty(), "{:#?}", outcome.findings().list());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_with_an_approval_is_durable_verifies_and_survives_restarts() {
    let directory = tempfile::tempdir().unwrap();
    let config = begin(directory.path());
    let ledger = Ledger::open(&config).unwrap();
    let stop = CancellationToken::new();
    let link_up = link(&ledger, directory.path().join("link.state"), &stop).await;
    let gate_up = gate(&link_up).await;
    let mut session = gate_up.open(opening()).await.unwrap();
    let Ruling::Permit(permit) = session.decide(request(Action::Read)) else {
        panic!("allowed")
    };
    let recorded = session.record(vec![permit]).await.unwrap();
    let receipt = recorded[0].receipt().unwrap();
    let entry = ledger.entry(receipt.index).unwrap().unwrap();
    assert_eq!(Digest::leaf(&entry), receipt.leaf, "the receipt names the entry");
    let reply = recorded[0].reply();
    let end = session.finish(
        reply,
        None,
        vec![],
        exhibit_gate::release::EndStatus::Complete,
        None,
        std::collections::BTreeMap::new(),
    );
    end.durable().await.unwrap();

    let Ruling::Pending(pending) = session.decide(request(Action::Define)) else {
        panic!("asked")
    };
    let asked = session.ask(pending).await.unwrap();
    let id = asked.question().id();
    let (leaf, waiting) = ledger.approvals().unwrap().remove(0);
    assert!(leaf.to_string().starts_with(&id));
    let event = Event::decode(&ledger.entry(Index(waiting.index)).unwrap().unwrap()).unwrap();
    let Body::ApprovalRequested(body) = event.body else {
        panic!("a request")
    };
    let decided = ApprovalDecided {
        request: leaf,
        command: body.command,
        session: session.id(),
        target: body.target,
        policy: body.decision.policy,
        expires: body.expires,
        verdict: Verdict::Approve,
        reason: "looked at it".into(),
        terms: None,
    };
    let chain = Chain {
        boot: SystemClock.now().0,
        sequence: 0,
        previous: None,
    };
    let decision = seal(&key(4), chain, vec![decided.into()]);
    let append = Append {
        events: decision.events().to_vec(),
        seal: decision.seal_bytes().clone(),
    };
    let wait = session.wait(asked, std::future::pending());
    let (answer, waited) = tokio::join!(async { ledger.submit(append).await.await.unwrap() }, wait);
    answer.unwrap();
    let Ok(permit) = waited.unwrap() else {
        panic!("approved")
    };
    let recorded = session.record(vec![permit]).await.unwrap();
    let reply = recorded[0].reply();
    let end = session.finish(
        reply,
        None,
        vec![],
        exhibit_gate::release::EndStatus::Complete,
        None,
        std::collections::BTreeMap::new(),
    );
    end.durable().await.unwrap();
    session.close("agent").await.unwrap();
    assert!(ledger.approvals().unwrap().is_empty(), "nothing waits any more");
    check_export(&ledger, &directory.path().join("first"));

    // The ledger restarts under a proxy that goes on, and then the proxy restarts too.
    stop.cancel();
    tokio::task::spawn_blocking(move || ledger.shutdown()).await.unwrap();
    link_up.shutdown().await;
    drop((gate_up, link_up));
    let ledger = Ledger::open(&config).unwrap();
    let stop = CancellationToken::new();
    let link_up = link(&ledger, directory.path().join("link.state"), &stop).await;
    let gate_up = gate(&link_up).await;
    gate_up.open(opening()).await.unwrap().close("agent").await.unwrap();
    check_export(&ledger, &directory.path().join("second"));
    link_up.shutdown().await;
}

/// The proxy remembers it beside its state, and the claim of its next run is held to the log.
#[tokio::test(flavor = "multi_thread")]
async fn what_passed_is_known_to_the_next_run_of_a_proxy_and_verifies() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&begin(directory.path())).unwrap();
    let rule = "[[rules]]\nname = \"known\"\nroles = [\"agent\"]\ntargets = [\"clinic\"]\nactions = [\"read\"]\n\
                when = { first_seen = false }\neffect = \"allow\"\n[[rules]]";
    let policy = POLICY.replacen("[[rules]]", rule, 1);
    for known in [false, true] {
        let stop = CancellationToken::new();
        let link_up = link(&ledger, directory.path().join("link.state"), &stop).await;
        let gate_up = gate_under(&policy, &link_up).await;
        let mut session = gate_up.open(opening()).await.unwrap();
        let reads = Request {
            reach: Reach::Nothing,
            ..request(Action::Read)
        };
        let Ruling::Permit(permit) = session.decide(reads) else {
            panic!("allowed")
        };
        assert_eq!(permit.decision().rule.as_deref() == Some("known"), known);
        session.record(vec![permit]).await.unwrap();
        session.close("agent").await.unwrap();
        link_up.shutdown().await;
    }
    check_export(&ledger, &directory.path().join("bundle"));
}

/// Asks in a session of its own, as a retry where there is an open request; gives the outcome.
async fn asks(gate: &Gate) -> Outcome {
    let mut session = gate.open(opening()).await.unwrap();
    let Ruling::Pending(pending) = session.decide(request(Action::Define)) else {
        panic!("asked")
    };
    let asked = session.ask(pending).await.unwrap();
    let outcome = match session.wait(asked, std::future::pending()).await.unwrap() {
        Ok(permit) => {
            session.record(vec![permit]).await.unwrap();
            Outcome::Approved
        }
        Err(denial) => {
            let outcome = denial.outcome();
            session.refuse(denial).await.unwrap();
            outcome
        }
    };
    session.close("agent").await.unwrap();
    outcome
}

/// Dora approves the request that waits.
async fn approve(ledger: &Ledger, chain: Chain) -> Chain {
    approve_for(ledger, chain, None).await
}

/// The same with terms.
async fn approve_for(ledger: &Ledger, chain: Chain, terms: Option<Terms>) -> Chain {
    let (leaf, waiting) = ledger.approvals().unwrap().remove(0);
    let event = Event::decode(&ledger.entry(Index(waiting.index)).unwrap().unwrap()).unwrap();
    let Body::ApprovalRequested(body) = event.body else {
        panic!("a request")
    };
    let decided = ApprovalDecided {
        request: leaf,
        command: body.command,
        session: waiting.session,
        target: body.target,
        policy: body.decision.policy,
        expires: body.expires,
        verdict: Verdict::Approve,
        reason: "looked at it".into(),
        terms,
    };
    say(ledger, 4, chain, decided.into()).await
}

/// Seals an event in a batch of its own.
async fn say(ledger: &Ledger, seed: u8, chain: Chain, body: Body) -> Chain {
    let sealed = seal(&key(seed), chain, vec![body]);
    let append = Append {
        events: sealed.events().to_vec(),
        seal: sealed.seal_bytes().clone(),
    };
    ledger.submit(append).await.await.unwrap().unwrap();
    sealed.next()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_outlives_the_session_that_asked_and_not_the_key_that_gave_it() {
    let directory = tempfile::tempdir().unwrap();
    let (config, administrator) = begun(directory.path());
    let ledger = Ledger::open(&config).unwrap();
    let stop = CancellationToken::new();
    let link_up = link(&ledger, directory.path().join("link.state"), &stop).await;
    let policy = POLICY.replace("expires_s = 900", "expires_s = 900\nhold_s = 1");
    let gate_up = gate_under(&policy, &link_up).await;
    let mut heard = link_up.heard();
    let dora = Chain {
        boot: 1,
        sequence: 0,
        previous: None,
    };

    assert_eq!(asks(&gate_up).await, Outcome::Postponed);
    let dora = approve(&ledger, dora).await;
    assert!(matches!(&*heard.recv().await.unwrap(), Heard::Decided(_)));
    assert_eq!(asks(&gate_up).await, Outcome::Approved);
    assert!(ledger.approvals().unwrap().is_empty(), "nothing waits any more");

    assert_eq!(asks(&gate_up).await, Outcome::Postponed);
    approve(&ledger, dora).await;
    let (key, reason) = (key(4).public_key().id(), "lost".into());
    say(&ledger, 1, administrator, KeyRevoked { key, reason }.into()).await;
    assert!(matches!(&*heard.recv().await.unwrap(), Heard::Decided(_)));
    assert!(matches!(&*heard.recv().await.unwrap(), Heard::Revoked(revoked) if *revoked == key));
    assert_eq!(asks(&gate_up).await, Outcome::Postponed);
    assert_eq!(ledger.approvals().unwrap().len(), 1);
    check_export(&ledger, &directory.path().join("export"));
    link_up.shutdown().await;
}

/// Whether a change passes by a grant.
async fn passes(session: &mut Session) -> bool {
    let Ruling::Pending(pending) = session.decide(request(Action::Define)) else {
        panic!("asked")
    };
    match session.covered(pending).await.unwrap() {
        Ok(permit) => {
            let reply = session.record(vec![permit]).await.unwrap()[0].reply();
            end(session, reply).await;
            true
        }
        Err(_) => false,
    }
}

/// Ends a reply to a command that its target has committed.
async fn end(session: &mut Session, reply: exhibit_gate::release::Reply) {
    session.settled();
    let status = exhibit_gate::release::EndStatus::Complete;
    let end = session.finish(reply, None, vec![], status, None, std::collections::BTreeMap::new());
    end.durable().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_lets_through_what_it_covers_until_its_word_is_taken_back() {
    let directory = tempfile::tempdir().unwrap();
    let (config, _) = begun(directory.path());
    let ledger = Ledger::open(&config).unwrap();
    let stop = CancellationToken::new();
    let link_up = link(&ledger, directory.path().join("link.state"), &stop).await;
    let grants = "expires_s = 900\ngrants = { scopes = [\"session\"], minutes = 60, uses = 10 }";
    let gate_up = gate_under(&POLICY.replace("expires_s = 900", grants), &link_up).await;
    let mut heard = link_up.heard();
    let dora = Chain {
        boot: 1,
        sequence: 0,
        previous: None,
    };
    let mut session = gate_up.open(opening()).await.unwrap();
    let Ruling::Pending(pending) = session.decide(request(Action::Define)) else {
        panic!("asked")
    };
    let asked = session.ask(pending).await.unwrap();
    let (leaf, waiting) = ledger.approvals().unwrap().remove(0);
    let (scope, minutes, uses) = (GrantScope::Session, 30, 5);
    let grant = Some(Grant { scope, minutes, uses });
    let terms = Some(Terms { rows: None, grant });
    let wait = session.wait(asked, std::future::pending());
    let (dora, waited) = tokio::join!(approve_for(&ledger, dora, terms), wait);
    assert!(matches!(&*heard.recv().await.unwrap(), Heard::Decided(_)));
    let reply = session.record(vec![waited.unwrap().unwrap()]).await.unwrap()[0].reply();
    end(&mut session, reply).await;
    assert!(passes(&mut session).await);
    let (_, kept) = ledger.approvals().unwrap().remove(0);
    let kept = kept.passed.unwrap();
    assert_eq!((kept.commands, kept.commands_most, kept.open), (2, Some(5), 0));

    let revoked = ApprovalRevoked {
        index: waiting.index,
        request: leaf,
        session: session.id(),
        reason: "enough".into(),
    };
    say(&ledger, 4, dora, revoked.into()).await;
    assert!(matches!(&*heard.recv().await.unwrap(), Heard::TakenBack(_)));
    assert!(!passes(&mut session).await);
    // The ledger does not say whose word counts, so that nobody's hides a grant from others: it is listed until its time is over.
    assert_eq!(ledger.approvals().unwrap().len(), 1);
    session.close("agent").await.unwrap();
    check_export(&ledger, &directory.path().join("export"));
    link_up.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_submissions_at_once_share_commits_and_keep_their_order() {
    let directory = tempfile::tempdir().unwrap();
    let config = begin(directory.path());
    let ledger = Ledger::open(&config).unwrap();
    let stop = CancellationToken::new();
    let link = link(&ledger, directory.path().join("link.state"), &stop).await;
    let before = ledger.shared().head().size().0;
    let mut tickets = Vec::new();
    for number in 0..2_000u32 {
        let body = Fault {
            place: "gate".into(),
            text: format!("{number}"),
        };
        let draft = Draft {
            session: None,
            body: body.into(),
        };
        tickets.push(link.submit(vec![draft]).unwrap());
    }
    let mut last = 0;
    for ticket in tickets {
        let receipts = ticket.await.unwrap();
        assert!(receipts[0].index.0 > last);
        last = receipts[0].index.0;
    }
    let seals = ledger.shared().head().size().0 - before - 2_000;
    assert!(seals < 1_000, "a seal covers several events: {seals}");
    check_export(&ledger, &directory.path().join("export"));
    link.shutdown().await;
}
