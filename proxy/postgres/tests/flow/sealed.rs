//! Sealed copies of what agents really send: they hold the bytes that the digest covers, parameters included, and are all that
//! holds them.

use std::io::Read as _;
use std::sync::Arc;

use exhibit_gate::digest::DigestKey;
use exhibit_postgres::message::encode::message;
use exhibit_schemas::event::access::{Command, Outcome};
use exhibit_schemas::event::{Body, Emitter, Event, SessionId, SessionPlace, Timestamp};
use exhibit_schemas::key::KeyId;

use crate::server::Server;
use crate::stand::{DIGEST_KEY, POLICY, SCHEMA, Stand, talk};

/// What agents ask with.
const SSN: &[u8] = b"219-09-7314";

const BIND: (u8, &[u8]) = (b'B', b"\0\0\0\0\0\x01\0\0\0\x0b219-09-7314\0\0");
const EXECUTE: (u8, &[u8]) = (b'E', b"\0\0\0\0\0");
const SYNC: (u8, &[u8]) = (b'S', b"");

async fn stand(identity: &age::x25519::Identity) -> Stand {
    let server = Server::start();
    server.execute(SCHEMA);
    let policy = format!("{POLICY}[sealed]\nrecipients = [\"{}\"]\n", identity.to_public());
    Stand::start_with(Arc::new(server), &policy, |_| {}).await
}

fn dynamic(identity: &age::x25519::Identity) -> &dyn age::Identity {
    identity
}

fn opened(identity: &age::x25519::Identity, copy: &[u8]) -> Vec<u8> {
    let decryptor = age::Decryptor::new_buffered(copy).unwrap();
    let mut exact = Vec::new();
    let mut reader = decryptor.decrypt([identity].into_iter().map(dynamic)).unwrap();
    reader.read_to_end(&mut exact).unwrap();
    exact
}

/// Every command with what its copy holds, which is what its digest covers.
fn commands(stand: &Stand, identity: &age::x25519::Identity) -> Vec<(Command, Vec<u8>)> {
    let mut copies: Vec<(Command, Vec<u8>)> = Vec::new();
    for body in stand.memory.each(|body| Some(body.clone())) {
        match body {
            Body::Command(command) => copies.push((command, Vec::new())),
            Body::CommandSealed(part) => copies.last_mut().unwrap().1.extend(part.bytes.0),
            _ => {}
        }
    }
    let each = copies.into_iter().map(|(command, copy)| {
        let exact = opened(identity, &copy);
        assert_eq!(
            DigestKey::new(DIGEST_KEY).digest(&exact),
            command.digest,
            "{}",
            command.statement
        );
        (command, exact)
    });
    each.collect()
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// The one command with such a statement.
fn of(commands: &[(Command, Vec<u8>)], beginning: &str) -> (Outcome, Vec<u8>) {
    let mut found = commands
        .iter()
        .filter(|(command, _)| command.statement.starts_with(beginning));
    let (command, exact) = found.next().unwrap();
    assert!(found.next().is_none(), "{beginning}");
    (command.outcome, exact.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_holds_what_the_server_got_and_no_event_else_holds_it() {
    let identity = age::x25519::Identity::generate();
    let stand = stand(&identity).await;
    let mut stream = stand.raw_session().await;
    let stream = &mut stream;
    let parse: (u8, &[u8]) = (b'P', b"\0SELECT id FROM patients WHERE name = $1\0\0\0");
    let told = talk(stream, &[parse, BIND, EXECUTE, SYNC]).await;
    assert!(told.contains("SELECT 0"), "{told}");
    let select: &[u8] = b"SELECT name FROM patients WHERE name = '219-09-7314'\0";
    assert!(talk(stream, &[(b'Q', select)]).await.contains("SELECT 0"));
    let denied: &[u8] = b"SELECT id FROM audit WHERE id::text = '219-09-7314'\0";
    assert!(talk(stream, &[(b'Q', denied)]).await.contains("C42501"));
    // Not SQL at all; and a change in a transaction, of which the commit waits.
    let broken: &[u8] = b"SELEC '219-09-7314'\0";
    talk(stream, &[(b'Q', broken)]).await;
    talk(stream, &[(b'Q', b"BEGIN\0")]).await;
    let insert: &[u8] = b"INSERT INTO notes VALUES (9, '219-09-7314')\0";
    assert!(talk(stream, &[(b'Q', insert)]).await.contains("INSERT 0 1"));
    talk(stream, &[(b'Q', b"COMMIT\0")]).await;

    let commands = commands(&stand, &identity);
    let prepared: Vec<u8> = commands
        .iter()
        .filter(|(command, _)| command.statement.contains("WHERE name = $1"))
        .flat_map(|(_, exact)| exact.clone())
        .collect();
    for (tag, body) in [parse, BIND, EXECUTE] {
        assert!(holds(&prepared, &message(tag, body)), "{}", char::from(tag));
    }
    assert_eq!(
        of(&commands, "SELECT name FROM patients"),
        (Outcome::Allowed, message(b'Q', select))
    );
    assert_eq!(
        of(&commands, "SELECT id FROM audit"),
        (Outcome::Denied, message(b'Q', denied))
    );
    assert_eq!(
        of(&commands, "INSERT INTO notes"),
        (Outcome::Allowed, message(b'Q', insert))
    );
    assert!(commands.iter().any(|(_, exact)| *exact == message(b'Q', broken)));
    // What nobody but a recipient reads: of all events only what was encrypted ever held it.
    let shown = stand.memory.each(|body| Some(format!("{body:?}")));
    let encoded = stand.memory.each(|body| Some(encoded(body)));
    assert!(!shown.iter().any(|text| text.contains("219-09")));
    assert!(!encoded.iter().any(|bytes| holds(bytes, SSN)));
}

/// The bytes of an event.
fn encoded(body: &Body) -> Vec<u8> {
    let in_session = body.kind().belongs_to_session() == Some(true);
    let event = Event {
        time: Timestamp(1),
        emitter: Emitter(KeyId([0; 8]), 1),
        session: in_session.then_some(SessionPlace(SessionId([0; 16]), 1)),
        body: body.clone(),
    };
    event.encode().unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_proxy_writes_into_a_statement_is_in_its_copy() {
    let identity = age::x25519::Identity::generate();
    let stand = stand(&identity).await;
    let mut stream = stand.raw_session().await;
    // The column is withheld from the server, which computes from NULL in its place.
    let sent: &[u8] = b"SELECT upper(ssn) FROM patients\0";
    talk(&mut stream, &[(b'Q', sent)]).await;
    let (outcome, exact) = of(&commands(&stand, &identity), "SELECT upper(ssn)");
    assert_eq!(outcome, Outcome::Allowed);
    assert_ne!(exact, message(b'Q', sent));
    assert!(holds(&exact, b"WHERE false"), "{}", String::from_utf8_lossy(&exact));
}
