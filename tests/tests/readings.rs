//! Reading the evidence on the whole system: a person by her ssh key and somebody by a token of an issuer that others wrote,
//! what is refused, and that the log tells of all of it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on fails, in its helpers too"
)]

#[path = "readings/tokens.rs"]
mod tokens;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use exhibit_gate::clock::{Clock as _, SystemClock};
use exhibit_schemas::cbor::{self, Bytes};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::key::SecretKey;
use exhibit_schemas::reading::{Asked, CHANNEL_LABEL, Question, READINGS_PATH, SignedAsked, Statement};
use exhibit_tests::issuer::Issuer;
use exhibit_tests::stack::{ORIGIN, Options, READER, Stack};
use exhibit_tests::{programs, run, write};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

/// To whom tokens of readers are made out.
const AUDIENCE: &str = "https://ledger.clinic.example";

/// A value of a patient, as somebody types it into a search.
const SSN: &str = "078-05-1120";

fn said(output: &Output) -> String {
    String::from_utf8([output.stdout.clone(), output.stderr.clone()].concat()).unwrap()
}

/// A new key of a person.
fn keygen(path: &Path) {
    let mut keygen = Command::new("ssh-keygen");
    run(keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path)).unwrap();
}

/// The ledger's API without the tool: one TLS connection, and what it is told by.
struct Connection {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
    channel: Digest,
}

impl Connection {
    fn new(stack: &Stack) -> Self {
        let place = |name: &str| stack.directory().join("tls").join(name);
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(place("ca.pem")).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chain = CertificateDer::pem_file_iter(place("operator.pem")).unwrap();
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(
                chain.map(Result::unwrap).collect(),
                PrivateKeyDer::from_pem_file(place("operator.key")).unwrap(),
            )
            .unwrap();
        let url = stack.ledger_url();
        let mut socket = TcpStream::connect(url.strip_prefix("https://").unwrap()).unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
        while connection.is_handshaking() {
            connection.complete_io(&mut socket).unwrap();
        }
        let channel = connection.export_keying_material([0; 32], CHANNEL_LABEL, None).unwrap();
        Self {
            stream: BufReader::new(StreamOwned::new(connection, socket)),
            channel: Digest(channel),
        }
    }

    /// Status and body, which is text.
    fn ask(&mut self, head: &str, body: &[u8]) -> (u16, String) {
        let (status, body) = self.ask_bytes(head, body);
        (status, String::from_utf8(body).unwrap())
    }

    /// Status and body.
    fn ask_bytes(&mut self, head: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let head = format!("{head}Host: ledger\r\nContent-Length: {}\r\n\r\n", body.len());
        let stream = self.stream.get_mut();
        stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
        stream.flush().unwrap();
        let (mut status, mut length) = (String::new(), 0);
        self.stream.read_line(&mut status).unwrap();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                break;
            }
            if let Some(found) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = found.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        (status.split(' ').nth(1).unwrap().parse().unwrap(), body)
    }

    fn open(&mut self, asked: &[u8]) -> (u16, String) {
        self.ask(&format!("POST {READINGS_PATH} HTTP/1.1\r\n"), asked)
    }
}

/// What the tool would send to list sessions, for a connection.
fn signed(key: &SecretKey, channel: Digest) -> Vec<u8> {
    let question = Question::Sessions;
    let statement = Statement {
        origin: ORIGIN.to_owned(),
        channel,
        operation: question.operation().as_str().to_owned(),
        scope: question.scope(),
        question: question.digest(&[1; 32]),
        time: SystemClock.now(),
        nonce: Bytes(vec![2; 16]),
    };
    cbor::encode(&Asked {
        operation: question.operation(),
        text: question.text(),
        signed: Some(SignedAsked {
            statement: statement.sign(key).unwrap(),
            blind: Bytes(vec![1; 32]),
        }),
    })
}

fn ssh_key(path: &Path) -> SecretKey {
    let key = ssh_key::PrivateKey::read_openssh_file(path).unwrap();
    SecretKey::from_seed(&key.key_data().ed25519().unwrap().private.to_bytes())
}

/// A statement is good once, on its connection; what it opened is good there, too.
fn replays_are_refused(stack: &Stack) {
    let key = ssh_key(&stack.reader_key());
    let (mut own, mut other) = (Connection::new(stack), Connection::new(stack));
    let asked = signed(&key, own.channel);
    let (status, answer) = own.open(&asked);
    assert_eq!(status, 200, "{answer}");
    let reading: Value = serde_json::from_str(&answer).unwrap();
    let list = format!(
        "GET /v1/sessions HTTP/1.1\r\nExhibit-Reading: {}\r\n",
        reading["reading"].as_str().unwrap()
    );
    let (status, listed) = own.ask(&list, b"");
    assert_eq!(status, 200, "{listed}");
    assert!(listed.contains("ci-nightly"), "{listed}");
    for ((status, answer), wanted) in [
        (own.open(&asked), "used before"),
        (other.open(&asked), "another connection"),
        (other.ask(&list, b""), "open a reading first"),
    ] {
        assert_eq!(status, 401, "{wanted}");
        assert!(answer.contains(wanted), "{answer}");
    }
    // The certificate of the deployment alone shows nothing of the evidence.
    let (status, _) = own.ask("GET /tile/entries/000.p/1 HTTP/1.1\r\n", b"");
    assert_eq!(status, 401);
}

/// The whole system, whose ledger takes tokens of the issuer, too.
fn started(directory: &Path, issuer: &Issuer) -> Stack {
    let mut options = Options::new(&directory.join("deployment"));
    options.patients = 20;
    let mut stack = Stack::prepare(&options).unwrap();
    let url = issuer.url();
    let section = format!(
        "\n[[ledger.oidc]]\nissuer = \"{url}\"\naudience = [\"{AUDIENCE}\"]\n\n\
         [[ledger.readers]]\nrole = \"auditor\"\ntokens = [{{ issuer = \"{url}\", subjects = [\"etl\"] }}]\n"
    );
    let config = std::fs::read_to_string(stack.config()).unwrap() + &section;
    write(&stack.config(), config.as_bytes()).unwrap();
    stack.up().unwrap();
    stack.enrol_approver().unwrap();
    run(stack.psql().args(["-c", "SELECT count(*) FROM patients"])).unwrap();
    stack
}

fn exhibit(stack: &Stack, arguments: &[&str]) -> Output {
    stack.exhibit().unwrap().args(arguments).output().unwrap()
}

/// A person reads by her key: searches, replays, exports. Gives the session that she found.
fn a_person_reads(stack: &Stack, first: &Path) -> String {
    let found = exhibit(stack, &["search", "--json", "kind:session-opened", "\"ci nightly\""]);
    assert!(found.status.success(), "{}", said(&found));
    let hit: Value = serde_json::from_slice(&found.stdout).unwrap();
    let session = hit["session"].as_str().unwrap().to_owned();
    assert!(exhibit(stack, &["search", SSN]).status.success());
    let replayed = said(&exhibit(stack, &["replay", &session]));
    assert!(replayed.contains("SELECT count"), "{replayed}");
    assert!(replayed.contains(&format!("replay by {READER}")), "{replayed}");
    assert!(exhibit(stack, &["export", first.to_str().unwrap()]).status.success());
    session
}

/// A token of another audience, one whose role reads nothing that waits, a stranger, and an approver who would replay.
fn strangers_are_refused(stack: &Stack, session: &str, good: &str, other: &str, stranger: &str) {
    let approver = stack.approver_key();
    let approver = approver.to_str().unwrap();
    for (arguments, wanted) in [
        (&["replay", session, "--token-file", other][..], "another audience"),
        (&["approvals", "--token-file", good][..], "no role"),
        (&["search", "--key", stranger][..], "not that of a person in force"),
        (&["replay", session, "--key", approver][..], "no role"),
    ] {
        let refused = exhibit(stack, arguments);
        assert!(
            !refused.status.success() && refused.stdout.is_empty(),
            "{}",
            said(&refused)
        );
        assert!(said(&refused).contains(wanted), "{}", said(&refused));
    }
    let waiting = exhibit(stack, &["approvals", "--key", approver]);
    assert!(waiting.status.success(), "{}", said(&waiting));
}

/// A key reads until it is revoked.
fn a_revoked_key_is_refused(stack: &Stack, left: &Path) {
    keygen(left);
    stack.enrol(left, "jo.left", "compliance").unwrap();
    let left = left.to_str().unwrap();
    assert!(exhibit(stack, &["sessions", "--key", left]).status.success());
    let listed = said(&exhibit(stack, &["key", "list"]));
    let line = listed.lines().find(|line| line.contains("jo.left")).unwrap();
    let id = line.split_whitespace().find(|word| word.len() == 16).unwrap();
    let revoked = exhibit(stack, &["key", "revoke", id, "--reason", "left"]);
    assert!(revoked.status.success(), "{}", said(&revoked));
    let refused = said(&exhibit(stack, &["sessions", "--key", left]));
    assert!(refused.contains("not that of a person in force"), "{refused}");
}

/// She signs off what agents asked, and who read so far. Gives what she signed first.
fn a_person_signs_reviews(stack: &Stack, left: &Path) -> Value {
    let period = format!("2026-01-01..{}", SystemClock.now());
    let reviewed = |scope: &str, more: &[&str]| {
        let mut review = stack.exhibit().unwrap();
        review.args(["review", "sign", "--period", &period, "--scope", scope]);
        review
            .args(["--finding", "nothing unusual", "--yes", "--json"])
            .args(more);
        review.output().unwrap()
    };
    let signed: Value = serde_json::from_slice(&reviewed("commands", &[]).stdout).unwrap();
    assert_eq!(signed["counts"]["command"], 1);
    assert_eq!(signed["counts"]["response-end"], 1, "what became of it is of the scope");
    // Nobody has to, by this policy; so nothing is overdue.
    let listed = exhibit(stack, &["review", "list", "--json"]);
    assert!(listed.status.success(), "{}", said(&listed));
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(
        (&listed["schedules"], &listed["periods"]),
        (&serde_json::json!([]), &serde_json::json!([]))
    );
    assert!(reviewed("readings", &[]).status.success());
    let refused = said(&reviewed("all", &["--key", left.to_str().unwrap()]));
    assert!(refused.contains("not that of a person in force"), "{refused}");
    signed
}

#[test]
fn who_reads_proves_who_it_is_and_is_in_the_log_before_anything_is_shown() {
    let mut issuer = Issuer::start().unwrap();
    let place = tempfile::tempdir().unwrap();
    let directory = place.path();
    let mut stack = started(directory, &issuer);
    let first = directory.join("first");
    let session = a_person_reads(&stack, &first);

    // Somebody, by a token.
    let (good, other) = (directory.join("token"), directory.join("other"));
    write(&good, issuer.token(AUDIENCE).unwrap().as_bytes()).unwrap();
    write(&other, issuer.token("https://other.example").unwrap().as_bytes()).unwrap();
    let good = good.to_str().unwrap();
    let by_token = exhibit(&stack, &["replay", &session, "--token-file", good]);
    assert!(by_token.status.success(), "{}", said(&by_token));

    replays_are_refused(&stack);
    let (stranger, left) = (directory.join("stranger"), directory.join("left"));
    keygen(&stranger);
    strangers_are_refused(
        &stack,
        &session,
        good,
        other.to_str().unwrap(),
        stranger.to_str().unwrap(),
    );
    a_revoked_key_is_refused(&stack, &left);
    let signed = a_person_signs_reviews(&stack, &left);

    // Every reading and review is in the next export, and none of what was typed.
    let second = directory.join("second");
    assert!(exhibit(&stack, &["export", second.to_str().unwrap()]).status.success());
    let evidence = reported(&stack, &second, &directory.join("report"));
    assert_eq!(
        read(&evidence)[..8],
        [
            "robin.hale ssh-key compliance search kind:session-opened ? 1",
            "robin.hale ssh-key compliance search ? 1",
            &format!("robin.hale ssh-key compliance replay session:{session} 1"),
            &format!("robin.hale ssh-key compliance export size:{} 1", size(&first)),
            &format!("etl oidc auditor replay session:{session} 1"),
            "robin.hale ssh-key compliance sessions  1",
            "dana.ferris ssh-key approver approvals  1",
            "jo.left ssh-key compliance search kind:session-opened 1",
        ]
    );
    let readers = evidence["readers"].as_array().unwrap();
    let names: Vec<_> = readers.iter().map(|line| line["reader"].as_str().unwrap()).collect();
    assert_eq!(names, [READER, "etl", "dana.ferris", "jo.left"]);
    assert_eq!(readers[0]["readings"]["search"], 2);
    let reviews = evidence["reviews"].as_array().unwrap();
    assert_eq!(reviews.len(), 2);
    assert_eq!((&reviews[0]["person"], &reviews[0]["own"]), (&READER.into(), &0.into()));
    assert_eq!(reviews[0]["population"], signed["population"]);
    assert_eq!(reviews[1]["counts"]["evidence-read"], 8);
    assert_eq!((&reviews[1]["own"], &reviews[1]["later"]), (&5.into(), &0.into()));
    stack.down().unwrap();
    let held = Command::new("grep").args(["-raF", SSN]).arg(&second).output().unwrap();
    assert_eq!(held.status.code(), Some(1), "{}", said(&held));
}

fn size(bundle: &Path) -> u64 {
    let manifest: Value = serde_json::from_slice(&std::fs::read(bundle.join("manifest.json")).unwrap()).unwrap();
    manifest["size"].as_u64().unwrap()
}

/// Who read what, as what, in a line each.
fn read(evidence: &Value) -> Vec<String> {
    let words = ["reader", "method", "role", "operation", "scope"];
    let line = |line: &Value| {
        let words = words.map(|word| line[word].as_str().unwrap()).join(" ");
        format!("{words} {}", line["times"])
    };
    evidence["reads"].as_array().unwrap().iter().map(line).collect()
}

/// The evidence of a bundle that verifies.
fn reported(stack: &Stack, bundle: &Path, out: &Path) -> Value {
    let mut verify = programs::command("exhibit-verify").unwrap();
    verify.arg("report").arg(bundle).arg("--keys").arg(stack.trust());
    run(verify.arg("--out").arg(out)).unwrap();
    let mut report: Value = serde_json::from_slice(&std::fs::read(out.join("report.json")).unwrap()).unwrap();
    assert_eq!(report["cover"]["result"], "verified");
    report["evidence"].take()
}
