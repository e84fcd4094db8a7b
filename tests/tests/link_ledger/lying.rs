//! `exhibit approve` against a ledger that lies: a person signs what stands in the log under the seal of an enrolled proxy, and what was
//! shown, or nothing.

use std::collections::BTreeMap;
use std::process::Output;
use std::sync::Mutex;

use axum::Router;
use axum::extract::Request as Asked;
use axum::response::{IntoResponse as _, Response};
use exhibit_ledger::readers::Readers;
use exhibit_schemas::reading::ReaderRole;
use exhibit_schemas::wire::{Message, Receipt};
use exhibit_tests::{programs, write};
use ssh_key::LineEnding;
use ssh_key::private::Ed25519Keypair;
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use super::*;

/// What is answered in the place of the truth.
#[derive(Clone, Debug)]
enum Lie {
    /// What the honest answer to another question would be.
    As(String),
    /// These bytes.
    Bytes(Vec<u8>),
}

/// Lies by the path that is asked for.
type Lies = Arc<Mutex<BTreeMap<String, Lie>>>;

/// The whole API of a ledger, but for its lies.
fn lying(honest: Router, lies: Lies) -> Router {
    Router::new().fallback(move |mut asked: Asked| {
        let honest = honest.clone();
        let lie = lies.lock().unwrap().get(asked.uri().path()).cloned();
        async move {
            match lie {
                Some(Lie::Bytes(bytes)) => return Response::new(bytes.into()),
                Some(Lie::As(path)) => *asked.uri_mut() = path.parse().unwrap(),
                None => {}
            }
            honest.oneshot(asked).await.into_response()
        }
    })
}

/// A ledger that dora reaches with the tool.
struct Reached {
    ledger: Ledger,
    lies: Lies,
    directory: PathBuf,
}

/// Certificates of both ends, each its own authority.
fn certificates(directory: &Path) -> Tls {
    for (name, of) in [("server", "127.0.0.1"), ("client", "dora")] {
        let made = rcgen::generate_simple_self_signed([of.to_owned()]).unwrap();
        let place = |ending: &str| directory.join(format!("{name}.{ending}"));
        write(&place("pem"), made.cert.pem().as_bytes()).unwrap();
        write(&place("key"), made.signing_key.serialize_pem().as_bytes()).unwrap();
    }
    Tls {
        certificate: directory.join("server.pem"),
        key: directory.join("server.key"),
        client_ca: directory.join("client.pem"),
    }
}

impl Reached {
    async fn start(directory: &Path, stop: &CancellationToken) -> Self {
        let config = Config {
            tls: certificates(directory),
            readers: vec![Readers {
                role: ReaderRole::Approver,
                people: vec!["dba".into()],
                tokens: Vec::new(),
            }],
            ..begin(directory)
        };
        let ledger = Ledger::open(&config).unwrap();
        let readings = Readings::new(ledger.clone(), &config).unwrap();
        let lies = Lies::default();
        let router = lying(api::router(ledger.clone(), None, readings), Arc::clone(&lies));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = serve::acceptor(&config.tls).unwrap();
        tokio::spawn(serve::serve(router, listener, acceptor, stop.clone()));
        let text = format!(
            "[client]\nledger = \"https://{address}\"\ncertificate = \"client.pem\"\nkey = \"client.key\"\nca = \"server.pem\"\n\
             trust = \"trust.toml\"\n"
        );
        write(&directory.join("exhibit.toml"), text.as_bytes()).unwrap();
        write(&directory.join("trust.toml"), trust().to_toml().as_bytes()).unwrap();
        for (name, seed) in [("dora", 4), ("proxy", 2), ("ledger", 5), ("stranger", 9)] {
            let key = ssh_key::PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]));
            key.write_openssh_file(&directory.join(name), LineEnding::LF).unwrap();
        }
        Self {
            ledger,
            lies,
            directory: directory.to_owned(),
        }
    }

    async fn approve(&self, id: &str, key: &str) -> Output {
        let mut approve = programs::command("exhibit").unwrap();
        approve.arg("--config").arg(self.directory.join("exhibit.toml"));
        approve.args(["approve", id, "--yes", "--reason", "looked at it", "--key"]);
        approve.arg(self.directory.join(key));
        tokio::task::spawn_blocking(move || approve.output().unwrap())
            .await
            .unwrap()
    }

    /// Index and body of all events that are of a kind.
    fn of(&self, wanted: fn(&Body) -> bool) -> Vec<(u64, Body)> {
        let entries = (0..).map_while(|index| Some((index, self.ledger.entry(Index(index)).unwrap()?)));
        let events = entries.filter_map(|(index, entry)| Some((index, Event::decode(&entry).ok()?.body)));
        events.filter(|(_, body)| wanted(body)).collect()
    }

    fn decisions(&self) -> Vec<ApprovalDecided> {
        let decided = self.of(|body| matches!(body, Body::ApprovalDecided(_)));
        let bodies = decided.into_iter().map(|(_, body)| match body {
            Body::ApprovalDecided(body) => body,
            _ => unreachable!("decisions were looked for"),
        });
        bodies.collect()
    }
}

/// Asks for a change with that text, and waits.
async fn asks_for(gate: &Gate, statement: &str) -> (Session, exhibit_gate::approval::Asked) {
    let mut session = gate.open(opening()).await.unwrap();
    let request = Request {
        statement: statement.into(),
        exact: statement.as_bytes().to_vec(),
        ..request(Action::Define)
    };
    let Ruling::Pending(pending) = session.decide(request) else {
        panic!("asked")
    };
    let asked = session.ask(pending).await.unwrap();
    (session, asked)
}

fn said(output: &Output) -> String {
    String::from_utf8([output.stdout.clone(), output.stderr.clone()].concat()).unwrap()
}

/// What is told instead, by which lies, and what the tool says of it.
type Told = (&'static str, Vec<(String, Lie)>, &'static str);

/// Lies about the request at `own`, each with what the tool says of it; another one that waits is at `other`.
fn all(reached: &Reached, own: u64, other: u64) -> Vec<Told> {
    let entry = |index: u64| format!("/v1/entries/{index}");
    let proof = |index: u64| format!("/v1/proof/event/{index}");
    let list = |index: u64| {
        let listed = format!("[{{\"index\":{index}}}]");
        ("/v1/approvals".to_owned(), Lie::Bytes(listed.into_bytes()))
    };
    let mut edited = reached.ledger.entry(Index(own)).unwrap().unwrap();
    let place = edited.windows(5).position(|window| window == b"first").unwrap();
    edited[place..place + 5].copy_from_slice(b"third");
    let opened = reached.of(|body| matches!(body, Body::SessionOpened(_)))[0].0;
    let opening = reached.ledger.entry(Index(opened)).unwrap().unwrap();
    let proxy = key(2).public_key().id();
    let dora = reached.of(|body| matches!(body, Body::KeyEnrolled(body) if body.name == "dora"))[0].0;
    let keys = format!("[{{\"id\":\"{proxy}\",\"enrolled\":{dora}}}]");
    vec![
        (
            "the text of another request",
            vec![(entry(own), Lie::As(entry(other)))],
            "the proof of event",
        ),
        (
            "another request with its proof",
            vec![(entry(own), Lie::As(entry(other))), (proof(own), Lie::As(proof(other)))],
            "is proven to be",
        ),
        (
            "another text",
            vec![(entry(own), Lie::Bytes(edited))],
            "the proof of event",
        ),
        ("a list with another request", vec![list(other)], "request that waits"),
        (
            "a list with what is no request",
            vec![list(opened), (entry(opened), Lie::Bytes(opening))],
            "is no request for approval",
        ),
        (
            "a key that was enrolled as somebody else's",
            vec![("/v1/keys".to_owned(), Lie::Bytes(keys.into_bytes()))],
            "not as proxy",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_what_is_proven_and_shown_or_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let stop = CancellationToken::new();
    let reached = Reached::start(directory.path(), &stop).await;
    let link = link(&reached.ledger, directory.path().join("link.state"), &stop).await;
    let gate = gate(&link).await;
    let (mut session, asked) = asks_for(&gate, "ALTER TABLE first ADD x text").await;
    let (_second, _waits) = asks_for(&gate, "ALTER TABLE second ADD x text").await;
    let id = asked.question().id();
    let waiting = reached.ledger.approvals().unwrap();
    let (own, other): (Vec<_>, Vec<_>) = waiting
        .into_iter()
        .partition(|(leaf, _)| leaf.to_string().starts_with(&id));
    for (what, lies, wanted) in all(&reached, own[0].1.index, other[0].1.index) {
        *reached.lies.lock().unwrap() = lies.into_iter().collect();
        let refused = reached.approve(&id, "dora").await;
        let text = said(&refused);
        assert!(!refused.status.success(), "{what}: {text}");
        assert!(text.contains(wanted), "{what}: {text}");
        assert!(reached.decisions().is_empty(), "{what}: nothing is signed");
    }
    reached.lies.lock().unwrap().clear();
    for key in ["proxy", "ledger", "stranger"] {
        let refused = reached.approve(&id, key).await;
        let text = said(&refused);
        assert!(
            !refused.status.success() && text.contains("not that of a person"),
            "{key}: {text}"
        );
        assert!(reached.decisions().is_empty(), "{key}");
    }
    // What is signed is not said to be taken where it was dropped.
    let (boot, sequence, first) = (1, 0, own[0].1.index);
    let checkpoint = reached.ledger.shared().head().note().to_owned();
    let receipt = Receipt {
        boot,
        sequence,
        first,
        checkpoint,
    };
    let dropped = Lie::Bytes(Message::Receipt(receipt).encode());
    reached.lies.lock().unwrap().insert("/v1/append".into(), dropped);
    let refused = reached.approve(&id, "dora").await;
    let text = said(&refused);
    assert!(
        !refused.status.success() && text.contains("does not prove it"),
        "{text}"
    );
    assert!(refused.stdout.is_empty() && reached.decisions().is_empty(), "{text}");
    reached.lies.lock().unwrap().clear();
    // The truth is signed as it was shown, and for nothing else.
    let approved = reached.approve(&id, "dora").await;
    let text = said(&approved);
    assert!(approved.status.success(), "{text}");
    assert!(text.contains("ALTER TABLE first") && !text.contains("second"), "{text}");
    let [decided] = &reached.decisions()[..] else {
        panic!("one decision");
    };
    assert_eq!((decided.request, decided.session), (own[0].0, session.id()));
    let permit = session.wait(asked, std::future::pending()).await.unwrap();
    assert!(permit.is_ok());
    link.shutdown().await;
    stop.cancel();
}
