//! A ledger that is slower than what it gets: sessions wait for it, and whatever it says, they end in the log.

use std::collections::BTreeMap;

use exhibit_gate::gate::{Gate, Opening};
use exhibit_gate::recorder::Recorder;
use exhibit_gate::session::{EndStatus, Reach, Request, Ruling, Session};
use exhibit_policy::mask::{MaskKey, Masked};
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::event::access::{Access, Action, Facts, Principal};
use exhibit_schemas::event::{Event, Kind, SessionPlace};

use super::*;

const POLICY: &str = r#"
version = 1
[[roles]]
name = "agent"
match = { subject = "ci" }
[[targets]]
name = "clinic"
protocol = "postgres"
[[rules]]
name = "work"
roles = ["agent"]
targets = ["clinic"]
actions = ["read", "write"]
effect = "allow"
"#;

fn opening() -> Opening {
    Opening {
        target: "clinic".into(),
        protocol: "postgres".into(),
        principal: Principal {
            method: "api-key".into(),
            issuer: "exhibit".into(),
            subject: "ci".into(),
            client_id: None,
            groups: Vec::new(),
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
    Request {
        statement: "a statement".into(),
        exact: b"a statement".to_vec(),
        facts: Facts {
            accesses: vec![Access(action, Some("public.notes".into()))],
            attributes: [].into(),
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

/// A gate whose sessions were opened before the ledger got slow; it holds its receipts back now.
async fn slow(sessions: usize) -> (Shared, Arc<Link>, Vec<Session>) {
    let directory = tempfile::tempdir().unwrap();
    let ledger = ledger();
    let link = Arc::new(start(&ledger, directory.path().join("state")).await.unwrap());
    let recorder: Arc<dyn Recorder> = link.clone();
    let policy = (POLICY.as_bytes().to_vec(), Snapshot::parse(POLICY.as_bytes()).unwrap());
    let gate = Gate::start(policy, recorder, Arc::new(SystemClock), MaskKey::new([8; 32]), [9; 32]);
    let gate = gate.await.unwrap();
    let mut opened = Vec::new();
    for _ in 0..sessions {
        opened.push(gate.open(opening()).await.unwrap());
    }
    ledger.lock().unwrap().held.send_replace(true);
    (ledger, link, opened)
}

/// Kinds of each session's events, in the order of the log.
fn kinds(ledger: &Shared) -> BTreeMap<SessionId, Vec<Kind>> {
    let mut kinds: BTreeMap<SessionId, Vec<Kind>> = BTreeMap::new();
    for entry in &ledger.lock().unwrap().entries {
        let Ok(Event {
            session: Some(SessionPlace(session, sequence)),
            body,
            ..
        }) = Event::decode(entry)
        else {
            continue;
        };
        let own = kinds.entry(session).or_default();
        assert_eq!(u64::try_from(own.len()).unwrap(), sequence);
        own.push(body.kind());
    }
    kinds
}

/// Reads a row in ten chunks and writes another, each of which waits for its turn.
async fn work(session: &mut Session) -> Result<(), GateError> {
    for action in [Action::Read, Action::Write] {
        let Ruling::Permit(permit) = session.decide(request(action)) else {
            panic!("it is allowed");
        };
        let command = session.record(vec![permit]).await?.pop().unwrap();
        let mut reply = command.reply();
        for _ in 0..10 {
            session.room().await?;
            let frames = vec![Masked::framing(vec![b'Z'; 40])];
            session.release(&mut reply, None, frames).durable().await?;
        }
        session.room().await?;
        let none = BTreeMap::new();
        session
            .finish(reply, None, Vec::new(), EndStatus::Complete, None, none)
            .durable()
            .await?;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn sessions_wait_for_a_slow_ledger_and_lose_nothing() {
    let (ledger, link, sessions) = slow(40).await;
    while link.room().is_none() {
        drop(link.submit(drafts(256)).unwrap());
        settle().await;
    }
    let ids: Vec<SessionId> = sessions.iter().map(Session::id).collect();
    let work = sessions.into_iter().map(|mut session| {
        tokio::spawn(async move {
            work(&mut session).await?;
            session.close("agent").await
        })
    });
    let work: Vec<_> = work.collect();
    settle().await;
    assert!(work.iter().all(|one| !one.is_finished()));
    ledger.lock().unwrap().held.send_replace(false);
    for one in work {
        assert_eq!(one.await.unwrap(), Ok(()));
    }
    let kinds = kinds(&ledger);
    for id in ids {
        let mut wanted = vec![Kind::SessionOpened];
        for _ in 0..2 {
            wanted.push(Kind::Command);
            wanted.extend([Kind::ResponseChunk; 10]);
            wanted.push(Kind::ResponseEnd);
        }
        wanted.push(Kind::SessionClosed);
        assert_eq!(kinds[&id], wanted);
    }
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_takes_nothing_is_refused_by_name_and_the_end_is_recorded_all_the_same() {
    let (ledger, link, mut sessions) = slow(2).await;
    let (mut session, dropped) = (sessions.pop().unwrap(), sessions.pop().unwrap());
    let Ruling::Permit(permit) = session.decide(request(Action::Read)) else {
        panic!("it is allowed");
    };
    // Not one event more.
    let full = loop {
        settle().await;
        match link.submit(drafts(1)) {
            Ok(_) => {}
            Err(full) => break full,
        }
    };
    assert_eq!(full, GateError::QueueFull { limit: 16_384 });
    let begun = Instant::now();
    assert_eq!(session.record(vec![permit]).await.err(), Some(full.clone()));
    assert_eq!(begun.elapsed().as_secs(), 15);
    assert_eq!(link.submit(drafts(1)).err(), Some(full));
    let (id, other) = (session.id(), dropped.id());
    drop(dropped);
    let closed = tokio::spawn(session.close("ledger"));
    settle().await;
    ledger.lock().unwrap().held.send_replace(false);
    assert_eq!(closed.await.unwrap(), Ok(()));
    let kinds = kinds(&ledger);
    for id in [id, other] {
        assert_eq!(kinds[&id], [Kind::SessionOpened, Kind::SessionClosed]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_only_says_welcome_is_given_up() {
    let (ledger, link, _sessions) = slow(0).await;
    let begun = Instant::now();
    let error = link.submit(drafts(1)).unwrap().await.err();
    assert!(matches!(error, Some(GateError::LedgerUnavailable { .. })), "{error:?}");
    assert_eq!(begun.elapsed().as_secs(), 20, "it had its time twice");
    assert_eq!(ledger.lock().unwrap().streams, 2);
}
