//! The real link before a ledger that is slower than the server: agents wait, and get what they asked for.

use std::sync::{Arc, Mutex};

use exhibit_gate::GateError;
use exhibit_gate::clock::SystemClock;
use exhibit_gate::link::connect::PipeConnect;
use exhibit_gate::link::{Link, LinkConfig};
use exhibit_gate::recorder::{Draft, Heard, Recorder, Room, Ticket};
use exhibit_identity::aws::Endpoints;
use exhibit_identity::oidc::Issuers;
use exhibit_identity::{Callers, Certificates};
use exhibit_postgres::message::encode;
use exhibit_schemas::bundle::TrustAnchors;
use exhibit_schemas::checkpoint::{Checkpoint, Origin, VerifierKey};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::trust::Fault;
use exhibit_schemas::event::{Body, Event};
use exhibit_schemas::key::{SecretKey, Signer as _};
use exhibit_schemas::merkle::{Frontier, TreeSize};
use exhibit_schemas::policy_signatures::PolicySignatures;
use exhibit_schemas::seal::UnverifiedSeal;
use exhibit_schemas::wire::{Challenge, Message, Nonce, Receipt, Welcome};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncWriteExt as _, DuplexStream};
use tokio::sync::{broadcast, watch};
use tokio_tungstenite::tungstenite::Message as Packet;

use crate::server::Server;
use crate::stand::{POLICY, SCHEMA, Stand, api_keys, enter, read_rest, read_until_ready, sqlstate};

/// Longer than anything here takes; a wait that reaches it is a failure.
const PATIENCE: std::time::Duration = std::time::Duration::from_mins(1);

fn secret(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

fn origin() -> Origin {
    Origin::new("clinic.example/test").unwrap()
}

/// A ledger that takes everything, and can hold its receipts back.
#[derive(Clone)]
struct Slow {
    events: Arc<Mutex<Vec<Event>>>,
    held: watch::Sender<bool>,
}

impl Slow {
    async fn serve(self, stream: DuplexStream) {
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        let mut frontier = Frontier::default();
        let mut size = 0;
        let note = |size, frontier: &Frontier| {
            let root = match size {
                0 => exhibit_schemas::merkle::empty_root(),
                _ => frontier.root(),
            };
            let checkpoint = Checkpoint::sign(origin(), TreeSize(size), root, &secret(1));
            checkpoint.unwrap().note().to_owned()
        };
        let challenge = Message::Challenge(Challenge { nonce: Nonce([7; 32]) });
        socket.send(Packet::Binary(challenge.encode().into())).await.unwrap();
        while let Some(Ok(packet)) = socket.next().await {
            let Packet::Binary(bytes) = packet else { continue };
            let answer = match Message::decode(&bytes).unwrap() {
                Message::Hello(_) => Message::Welcome(Welcome {
                    checkpoint: note(size, &frontier),
                    standing: None,
                }),
                Message::Append(append) => {
                    let seal = UnverifiedSeal::read(&append.seal.0).unwrap();
                    let payload = seal.verify(&secret(3).public_key()).unwrap();
                    let first = size;
                    for entry in append.events.iter().chain([&append.seal]) {
                        frontier.append(Digest::leaf(&entry.0), |_, _, _| ());
                        size += 1;
                    }
                    let events = append.events.iter().map(|event| Event::decode(&event.0).unwrap());
                    self.events.lock().unwrap().extend(events);
                    Message::Receipt(Receipt {
                        boot: payload.boot,
                        sequence: payload.sequence,
                        first,
                        checkpoint: note(size, &frontier),
                    })
                }
                other => panic!("{other:?}"),
            };
            self.held.subscribe().wait_for(|held| !held).await.unwrap();
            if socket.send(Packet::Binary(answer.encode().into())).await.is_err() {
                return;
            }
        }
    }

    /// Why each session that has ended, did.
    fn ends(&self) -> Vec<String> {
        let reason = |event: &Event| match &event.body {
            Body::SessionClosed(closed) => Some(closed.reason.clone()),
            _ => None,
        };
        self.events.lock().unwrap().iter().filter_map(reason).collect()
    }
}

/// The link, and how many wait for room in it and how many sessions it was told the end of.
struct Watched {
    link: Link,
    waited: watch::Sender<usize>,
    ended: watch::Sender<usize>,
}

impl Recorder for Watched {
    fn room(&self) -> Option<Room> {
        let room = self.link.room();
        if room.is_some() {
            self.waited.send_modify(|waited| *waited += 1);
        }
        room
    }

    fn submit(&self, drafts: Vec<Draft>) -> Result<Ticket, GateError> {
        let ends = drafts.iter().any(|draft| matches!(draft.body, Body::SessionClosed(_)));
        let taken = self.link.submit(drafts)?;
        self.ended.send_modify(|ended| *ended += usize::from(ends));
        Ok(taken)
    }

    fn recorded_before(&self) -> bool {
        self.link.recorded_before()
    }

    fn heard(&self) -> broadcast::Receiver<Arc<Heard>> {
        self.link.heard()
    }

    fn policy_signatures(&self) -> Option<watch::Receiver<PolicySignatures>> {
        self.link.policy_signatures()
    }
}

impl Watched {
    async fn start(ledger: &Slow, server: &Server) -> Arc<Self> {
        let serving = ledger.clone();
        let connect = PipeConnect::new(move || {
            let (ours, theirs) = tokio::io::duplex(65_536);
            tokio::spawn(serving.clone().serve(theirs));
            Ok(ours)
        });
        let link = Link::start(LinkConfig {
            connect: Arc::new(connect),
            key: secret(3),
            trust: TrustAnchors {
                log: VerifierKey {
                    origin: origin(),
                    key: secret(1).public_key(),
                },
                administrators: vec![("root".into(), secret(2).public_key())],
                policy_signers: Vec::new(),
            },
            clock: Arc::new(SystemClock),
            state: server.directory().join("link.state"),
        });
        Arc::new(Self {
            link: link.await.unwrap(),
            waited: watch::channel(0).0,
            ended: watch::channel(0).0,
        })
    }

    /// Fills the queue up to the last event.
    async fn fill(&self) {
        let fault = Fault {
            place: "gate".into(),
            text: "another session's".into(),
        };
        let draft = Draft {
            session: None,
            body: fault.into(),
        };
        for events in [1_024, 1] {
            loop {
                match self.link.submit(vec![draft.clone(); events]) {
                    Ok(_) => tokio::task::yield_now().await,
                    Err(error) => break assert_eq!(error, GateError::QueueFull { limit: 16_384 }),
                }
            }
        }
    }

    async fn have_waited(&self, count: usize) {
        reaches(&self.waited, count).await;
    }

    async fn have_ended(&self, count: usize) {
        reaches(&self.ended, count).await;
    }
}

/// Waits until there are as many.
async fn reaches(counted: &watch::Sender<usize>, count: usize) {
    let mut counted = counted.subscribe();
    let reached = tokio::time::timeout(PATIENCE, counted.wait_for(|counted| *counted >= count)).await;
    assert!(reached.is_ok(), "{count} never came");
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_wait_for_a_ledger_that_is_slower_than_the_server() {
    let server = Arc::new(Server::start());
    server.execute(SCHEMA);
    let ledger = Slow {
        events: Arc::default(),
        held: watch::channel(false).0,
    };
    let watched = Watched::start(&ledger, &server).await;
    let callers = Callers::new(
        api_keys(None),
        Issuers::default(),
        Endpoints::default(),
        Certificates::default(),
    );
    let stand = Stand::start_over(server, POLICY, |_| {}, callers, Some(watched.clone())).await;
    let mut streams = Vec::new();
    for _ in 0..4 {
        let mut stream = stand.raw().await;
        enter(&mut stream, 2, &[]).await;
        streams.push(stream);
    }
    ledger.held.send_replace(true);
    watched.fill().await;
    let asked = [
        &b"SELECT id FROM patients\0"[..],
        b"INSERT INTO notes VALUES (1, 'one')\0",
        b"INSERT INTO notes VALUES (2, 'two')\0",
        b"INSERT INTO notes VALUES (3, 'three')\0",
    ];
    for (stream, sql) in streams.iter_mut().zip(asked) {
        stream.write_all(&encode::message(b'Q', sql)).await.unwrap();
        stream.flush().await.unwrap();
    }
    watched.have_waited(4).await;
    // One goes away while it waits: that is its end, and the queue takes it though it is full.
    drop(streams.remove(1));
    watched.have_ended(1).await;
    ledger.held.send_replace(false);
    for (stream, told) in streams
        .iter_mut()
        .zip([&b"SELECT 2\0"[..], b"INSERT 0 1\0", b"INSERT 0 1\0"])
    {
        let answer = read_until_ready(stream).await;
        let told = encode::message(b'C', told);
        assert!(answer.windows(told.len()).any(|part| part == told), "{answer:?}");
    }
    assert_eq!(
        stand
            .server
            .execute("SELECT string_agg(text, ' ' ORDER BY id) FROM notes")
            .trim(),
        "two three"
    );
    // The proxy stops while they wait.
    ledger.held.send_replace(true);
    watched.fill().await;
    let waited = *watched.waited.borrow();
    for stream in &mut streams {
        stream
            .write_all(&encode::message(b'Q', b"INSERT INTO notes VALUES (4, 'four')\0"))
            .await
            .unwrap();
        stream.flush().await.unwrap();
    }
    watched.have_waited(waited + 3).await;
    stand.shutdown.cancel();
    watched.have_ended(4).await;
    ledger.held.send_replace(false);
    for stream in &mut streams {
        assert_eq!(sqlstate(&read_rest(stream).await).as_deref(), Some("57P01"));
    }
    watched.link.shutdown().await;
    assert_eq!(ledger.ends(), ["agent", "shutdown", "shutdown", "shutdown"]);
    assert_eq!(stand.server.execute("SELECT count(*) FROM notes").trim(), "2");
}
