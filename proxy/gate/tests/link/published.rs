//! What the ledger publishes of keys and decisions: made up, swapped, edited or sent again, it is not believed.

use exhibit_gate::recorder::Heard;
use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::event::approval::{ApprovalDecided, Verdict};
use exhibit_schemas::event::trust::{Administrator, Genesis, KeyEnrolled, Role};
use exhibit_schemas::event::{Body, Emitter, Event, Timestamp};
use exhibit_schemas::wire::Published;

use super::*;

#[tokio::test]
async fn a_genesis_of_other_administrators_is_not_believed() {
    for (seed, believed) in [(2, true), (8, false)] {
        let administrator = secret(seed);
        let genesis = Genesis {
            origin: origin().as_str().into(),
            log_key: secret(1).public_key().to_bytes(),
            administrators: vec![Administrator {
                name: "root".into(),
                key: administrator.public_key().to_bytes(),
            }],
        };
        let event = Event {
            time: Timestamp(1),
            emitter: Emitter(administrator.public_key().id(), 1),
            session: None,
            body: Body::from(genesis),
        };
        let chain = Chain {
            boot: 1,
            sequence: 0,
            previous: None,
        };
        let sealed = Sealed::seal(vec![Bytes(event.encode().unwrap().0)], chain, &administrator).unwrap();
        let published = Published {
            first: 0,
            events: sealed.events().to_vec(),
            seal: sealed.seal_bytes().clone(),
        };
        let directory = tempfile::tempdir().unwrap();
        let link = start_publishing(vec![published], directory.path().join("state")).await;
        let result = match link.submit(drafts(1)) {
            Ok(ticket) => ticket.await.map(|_| ()),
            Err(error) => Err(error),
        };
        assert_eq!(result.is_ok(), believed, "{result:?}");
    }
}

/// A batch of one run of a key, as the ledger publishes it.
fn batch(first: u64, key: &SecretKey, bodies: Vec<Body>) -> Published {
    let encode = |body| {
        let event = Event {
            time: Timestamp(1),
            emitter: Emitter(key.public_key().id(), 1),
            session: None,
            body,
        };
        Bytes(event.encode().unwrap().0)
    };
    let chain = Chain {
        boot: 1,
        sequence: 0,
        previous: None,
    };
    let sealed = Sealed::seal(bodies.into_iter().map(encode).collect(), chain, key).unwrap();
    Published {
        first,
        events: sealed.events().to_vec(),
        seal: sealed.seal_bytes().clone(),
    }
}

/// The log's first batch: ann is a person, and the ledger has a key of its own.
fn keys() -> Published {
    let genesis = Genesis {
        origin: origin().as_str().into(),
        log_key: secret(1).public_key().to_bytes(),
        administrators: vec![Administrator {
            name: "root".into(),
            key: secret(2).public_key().to_bytes(),
        }],
    };
    let enrol = |seed, role, name: &str| {
        Body::from(KeyEnrolled {
            key: secret(seed).public_key().to_bytes(),
            role,
            name: name.into(),
            groups: vec!["dba".into()],
            application: None,
        })
    };
    let keys = vec![
        genesis.into(),
        enrol(4, Role::Person, "ann"),
        enrol(5, Role::Ledger, "ledger"),
    ];
    batch(0, &secret(2), keys)
}

fn decision() -> ApprovalDecided {
    ApprovalDecided {
        request: Digest([1; 32]),
        command: Digest([2; 32]),
        session: SessionId([3; 16]),
        target: "clinic".into(),
        policy: Digest([4; 32]),
        expires: Timestamp(9),
        verdict: Verdict::Approve,
        reason: "seen".into(),
        terms: None,
    }
}

/// What a submission comes to by a link that hears these batches first.
async fn heard_first(published: Vec<Published>) -> (Result<(), GateError>, Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    let link = start_publishing(published, directory.path().join("state")).await;
    let mut heard = link.heard();
    let result = match link.submit(drafts(1)) {
        Ok(ticket) => ticket.await.map(|_| ()),
        Err(error) => Err(error),
    };
    let said = std::iter::from_fn(|| heard.try_recv().ok());
    let names = said.filter_map(|said| match &*said {
        Heard::Decided(decided) => Some(decided.signer.name.clone()),
        _ => None,
    });
    (result, names.collect())
}

#[tokio::test]
async fn a_decision_that_the_ledger_makes_up_is_not_believed() {
    let made_by = |seed| batch(4, &secret(seed), vec![decision().into()]);
    // The bytes of another decision under ann's seal, and one in which a digit was changed.
    let mut swapped = made_by(4);
    let other = ApprovalDecided {
        command: Digest([7; 32]),
        ..decision()
    };
    swapped.events = batch(4, &secret(4), vec![other.into()]).events;
    let mut edited = made_by(4);
    let last = edited.events[0].0.last_mut().unwrap();
    *last ^= 1;
    for (what, published, believed) in [
        ("by ann", made_by(4), true),
        ("by the ledger", made_by(5), false),
        ("by nobody whom the log knows", made_by(6), false),
        ("another under her seal", swapped, false),
        ("edited", edited, false),
    ] {
        let (result, heard) = heard_first(vec![keys(), published]).await;
        assert_eq!(result.is_ok(), believed, "{what}: {result:?}");
        assert_eq!(heard, vec!["ann"; usize::from(believed)], "{what}");
    }
}

#[tokio::test]
async fn a_batch_that_is_published_again_is_heard_once_and_ends_the_link() {
    let said = |first| batch(first, &secret(4), vec![decision().into()]);
    // In its own place, and in that of a later one.
    for again in [4, 6] {
        let (result, heard) = heard_first(vec![keys(), said(4), said(again)]).await;
        assert!(
            matches!(result, Err(GateError::LedgerDistrusted { .. })),
            "{again}: {result:?}"
        );
        assert_eq!(heard, ["ann"], "{again}");
    }
}

/// A ledger that publishes these batches before it acknowledges anything.
async fn start_publishing(published: Vec<Published>, state: PathBuf) -> Link {
    let shared = ledger();
    let connect = PipeConnect::new(move || {
        let (ours, theirs) = tokio::io::duplex(65_536);
        let (shared, published) = (Arc::clone(&shared), published.clone());
        tokio::spawn(async move {
            let mut socket = tokio_tungstenite::accept_async(theirs).await.unwrap();
            let asked = Message::Challenge(challenge()).encode();
            socket.send(Packet::Binary(asked.into())).await.unwrap();
            while let Some(Ok(Packet::Binary(bytes))) = socket.next().await {
                let messages = match Message::decode(&bytes).unwrap() {
                    Message::Append(append) => {
                        let mut ledger = shared.lock().unwrap();
                        let (boot, sequence, first) = ledger.take(&append).unwrap();
                        let checkpoint = ledger.note(ledger.entries.len(), 1);
                        let receipt = Message::Receipt(Receipt {
                            boot,
                            sequence,
                            first,
                            checkpoint,
                        });
                        let published = published.iter().cloned().map(Message::Published);
                        published.chain([receipt]).collect()
                    }
                    _ => {
                        let checkpoint = shared.lock().unwrap().note(0, 1);
                        vec![Message::Welcome(Welcome {
                            checkpoint,
                            standing: None,
                        })]
                    }
                };
                for message in messages {
                    if socket.send(Packet::Binary(message.encode().into())).await.is_err() {
                        return;
                    }
                }
            }
        });
        Ok(ours)
    });
    let config = LinkConfig {
        connect: Arc::new(connect),
        key: secret(3),
        trust: trust(),
        clock: Arc::new(SystemClock),
        state,
    };
    Link::start(config).await.unwrap()
}
