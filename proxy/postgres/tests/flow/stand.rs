//! The proxy before a private server, with a recorder in memory, and the clients that tests reach it with.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use exhibit_gate::clock::{Clock as _, SystemClock};
use exhibit_gate::recorder::{Draft, Heard, Receipt, Recorder, Ticket, VerifiedDecision, VerifiedRevocation};
use exhibit_gate::{Gate, GateError};
use exhibit_identity::aws::Endpoints;
use exhibit_identity::oidc::Issuers;
use exhibit_identity::{ApiKeys, Callers, Certificates};
use exhibit_policy::mask::MaskKey;
use exhibit_policy::snapshot::Snapshot;
use exhibit_postgres::message::backend::Backend;
use exhibit_postgres::message::{Decoder, Raw, encode, startup};
use exhibit_postgres::{Config, Listener};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::Access;
use exhibit_schemas::event::approval::{ApprovalDecided, ApprovalRequested, ApprovalRevoked, Terms, Verdict};
use exhibit_schemas::event::trust::Role;
use exhibit_schemas::event::{Body, Kind, SessionId, SessionPlace, Timestamp};
use exhibit_schemas::key::{SecretKey, Signer as _};
use exhibit_schemas::keyring::KeyRecord;
use exhibit_schemas::merkle::Index;
use exhibit_schemas::policy_signatures::PolicySignatures;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use crate::server::Server;

pub(crate) const POLICY: &str = r#"
version = 1
[[roles]]
name = "ci"
match = { subject = "ci" }
[[targets]]
name = "clinic"
protocol = "postgres"
[[rules]]
name = "no-audit"
roles = ["ci"]
targets = ["clinic"]
actions = ["read", "write", "delete", "define"]
resources = ["public.audit", "public.audit.*"]
effect = "deny"
reason = "the audit table is not for pipelines"
[[rules]]
name = "work"
roles = ["ci"]
targets = ["clinic"]
actions = ["read", "write", "delete", "session", "transaction"]
effect = "allow"
[[masks]]
name = "ssn"
targets = ["clinic"]
resources = ["public.patients.ssn"]
technique = "partial"
keep = 4
[[masks]]
name = "born"
targets = ["clinic"]
resources = ["public.patients.born"]
technique = "year"
"#;

pub(crate) const SCHEMA: &str = "CREATE TABLE patients (id int PRIMARY KEY, name text, ssn text, born date); \
     INSERT INTO patients VALUES (1, 'Ann', '123-45-6789', '1970-02-03'), (2, 'Bob', NULL, '1981-04-05'); \
     CREATE SCHEMA staging; CREATE TABLE staging.audit (id int); \
     CREATE TABLE audit (id int); INSERT INTO audit VALUES (4711); CREATE TABLE notes (id int PRIMARY KEY, text text);";

/// Under which commands have their digests.
pub(crate) const DIGEST_KEY: [u8; 32] = [2; 32];

/// Keeps what is recorded; acknowledges nothing any more once it is broken.
pub(crate) struct Memory {
    bodies: Mutex<Vec<Body>>,
    places: Mutex<Vec<Option<SessionPlace>>>,
    pub(crate) broken: AtomicBool,
    /// Whether receipts are held back.
    held: watch::Sender<bool>,
    /// How many events were handed over.
    handed: watch::Sender<usize>,
    heard: broadcast::Sender<Arc<Heard>>,
}

impl Recorder for Memory {
    fn submit(&self, drafts: Vec<Draft>) -> Result<Ticket, GateError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(GateError::LedgerUnavailable {
                reason: "broken by the test".to_owned(),
            });
        }
        let mut bodies = self.bodies.lock().unwrap();
        let receipts: Vec<Receipt> = (bodies.len()..)
            .zip(&drafts)
            .map(|(index, _)| Receipt {
                index: Index(u64::try_from(index).unwrap()),
                leaf: Digest::of(&index.to_be_bytes()),
                time: Timestamp(1),
            })
            .collect();
        self.places
            .lock()
            .unwrap()
            .extend(drafts.iter().map(|draft| draft.session));
        bodies.extend(drafts.into_iter().map(|draft| draft.body));
        self.handed.send_replace(bodies.len());
        let mut held = self.held.subscribe();
        Ok(Box::pin(async move {
            held.wait_for(|held| !held).await.unwrap();
            Ok(receipts)
        }))
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

impl Memory {
    /// Holds receipts back from now on; gives how many events were handed over so far.
    pub(crate) fn hold(&self) -> usize {
        self.held.send_replace(true);
        self.bodies.lock().unwrap().len()
    }

    /// Gives receipts again.
    pub(crate) fn go_on(&self) {
        self.held.send_replace(false);
    }

    /// Waits until that many events were handed over.
    pub(crate) async fn handed_over(&self, events: usize) {
        let mut handed = self.handed.subscribe();
        handed.wait_for(|handed| *handed >= events).await.unwrap();
    }

    /// What is told of each event.
    pub(crate) fn each<T>(&self, told: impl Fn(&Body) -> Option<T>) -> Vec<T> {
        self.bodies.lock().unwrap().iter().filter_map(told).collect()
    }

    /// Waits until people are asked; gives the question, its index and its session.
    pub(crate) async fn asked(&self) -> (ApprovalRequested, usize, SessionId) {
        let mut handed = self.handed.subscribe();
        loop {
            let found = self
                .bodies
                .lock()
                .unwrap()
                .iter()
                .enumerate()
                .find_map(|(index, body)| match body {
                    Body::ApprovalRequested(asked) => Some((asked.clone(), index)),
                    _ => None,
                });
            if let Some((asked, index)) = found {
                let session = self.places.lock().unwrap()[index].unwrap().0;
                return (asked, index, session);
            }
            handed.changed().await.unwrap();
        }
    }

    /// Waits until a session was closed; gives why.
    pub(crate) async fn closed(&self) -> String {
        let mut handed = self.handed.subscribe();
        loop {
            if let Some(reason) = self.sessions().1.pop() {
                return reason;
            }
            handed.changed().await.unwrap();
        }
    }

    /// A person of a group decides about the first question, as soon as it is asked.
    pub(crate) async fn decide(&self, name: &str, group: &str, verdict: Verdict) {
        self.decide_for(name, group, verdict, None).await;
    }

    /// The same with terms.
    pub(crate) async fn decide_for(&self, name: &str, group: &str, verdict: Verdict, terms: Option<Terms>) {
        let (asked, index, session) = self.asked().await;
        let decision = VerifiedDecision {
            leaf: Digest::of(name.as_bytes()),
            time: SystemClock.now(),
            signer: person(name, group),
            body: ApprovalDecided {
                request: Digest::of(&index.to_be_bytes()),
                command: asked.command,
                session,
                target: asked.target,
                policy: asked.decision.policy,
                expires: asked.expires,
                verdict,
                reason: "looked at".into(),
                terms,
            },
        };
        self.heard.send(Heard::Decided(decision.into()).into()).unwrap();
    }

    /// A person of a group takes back what was said about the first question.
    pub(crate) async fn take_back(&self, name: &str, group: &str) {
        let (_, index, session) = self.asked().await;
        let revocation = VerifiedRevocation {
            leaf: Digest::of(b"taken back"),
            signer: person(name, group),
            body: ApprovalRevoked {
                index: u64::try_from(index).unwrap(),
                request: Digest::of(&index.to_be_bytes()),
                session,
                reason: "the wrong month".into(),
            },
        };
        self.heard.send(Heard::TakenBack(revocation.into()).into()).unwrap();
    }

    /// Kinds of the events after that many.
    pub(crate) fn kinds_after(&self, events: usize) -> Vec<Kind> {
        self.bodies
            .lock()
            .unwrap()
            .iter()
            .skip(events)
            .map(Body::kind)
            .collect()
    }

    pub(crate) fn statements(&self) -> Vec<(String, String)> {
        let bodies = self.bodies.lock().unwrap();
        let command = |body: &Body| match body {
            Body::Command(command) => Some((command.statement.clone(), command.outcome.to_string())),
            _ => None,
        };
        bodies.iter().filter_map(command).collect()
    }

    /// What each command does to what, one line each.
    pub(crate) fn accesses(&self) -> Vec<String> {
        let bodies = self.bodies.lock().unwrap();
        let line = |body: &Body| match body {
            Body::Command(command) => {
                let facts = command.facts.accesses.iter();
                let word = |Access(action, resource): &Access| {
                    format!("{} {}", action.as_str(), resource.as_deref().unwrap_or("-"))
                };
                Some(facts.map(word).collect::<Vec<_>>().join(", "))
            }
            _ => None,
        };
        bodies.iter().filter_map(line).collect()
    }

    /// What commands and requests for approval tried on masked columns, and what was tried before, one line each.
    pub(crate) fn tried(&self) -> Vec<String> {
        let bodies = self.bodies.lock().unwrap();
        let line = |body: &Body| {
            let (word, facts) = match body {
                Body::Command(command) => (command.outcome.to_string(), &command.facts),
                Body::ApprovalRequested(asked) => ("asked".to_owned(), &asked.facts),
                _ => return None,
            };
            let attributes = facts.attributes.iter();
            let tried = attributes.filter(|(name, _)| name.starts_with("probe"));
            let tried = tried.map(|(name, value)| format!("{name}={}", serde_json::to_string(value).unwrap()));
            let tried: Vec<String> = tried.collect();
            (!tried.is_empty()).then(|| format!("{word} {}", tried.join(" ")))
        };
        bodies.iter().filter_map(line).collect()
    }

    /// The wire form of everything released.
    pub(crate) fn released(&self) -> Vec<u8> {
        let bodies = self.bodies.lock().unwrap();
        let chunk = |body: &Body| match body {
            Body::ResponseChunk(chunk) => Some(chunk.frames.iter().flat_map(encode::frame).collect::<Vec<_>>()),
            _ => None,
        };
        bodies.iter().filter_map(chunk).flatten().collect()
    }

    /// Parts of data that followed commands: command, part, bytes.
    pub(crate) fn data(&self) -> Vec<(u64, u64, u64)> {
        let bodies = self.bodies.lock().unwrap();
        let data = |body: &Body| match body {
            Body::CommandData(data) => Some((data.command, data.part, data.bytes)),
            _ => None,
        };
        bodies.iter().filter_map(data).collect()
    }

    /// What the net caught: the net, where, the column, and how many of each category.
    pub(crate) fn detections(&self) -> Vec<String> {
        let bodies = self.bodies.lock().unwrap();
        let line = |body: &Body| match body {
            Body::Detection(found) => {
                let findings = found
                    .findings
                    .iter()
                    .map(|(category, count)| format!("{category} {count}"));
                let findings = findings.collect::<Vec<_>>().join(", ");
                let column = found.column.as_deref().unwrap_or("-");
                let ends = if found.ends { " ends" } else { "" };
                Some(format!("{} {} {column} {findings}{ends}", found.net, found.channel))
            }
            _ => None,
        };
        bodies.iter().filter_map(line).collect()
    }

    /// Who each session was opened for: method, issuer, subject, groups.
    pub(crate) fn principals(&self) -> Vec<String> {
        let bodies = self.bodies.lock().unwrap();
        let opened = |body: &Body| match body {
            Body::SessionOpened(opened) => {
                let one = &opened.principal;
                Some(format!(
                    "{} {} {} {:?}",
                    one.method, one.issuer, one.subject, one.groups
                ))
            }
            _ => None,
        };
        bodies.iter().filter_map(opened).collect()
    }

    /// Those who were not let in: what they came with, why, under which known name, and how many.
    pub(crate) fn refused(&self) -> Vec<String> {
        let bodies = self.bodies.lock().unwrap();
        let refused = |body: &Body| match body {
            Body::LoginRefused(one) => {
                assert_eq!((one.target.as_str(), one.peer.as_str()), ("clinic", "127.0.0.1"));
                let user = one.user.as_deref().unwrap_or("?");
                Some(format!("{} {} {user} {}", one.method, one.reason, one.count))
            }
            _ => None,
        };
        bodies.iter().filter_map(refused).collect()
    }

    /// How many sessions were opened, and why those ended that have.
    pub(crate) fn sessions(&self) -> (usize, Vec<String>) {
        let bodies = self.bodies.lock().unwrap();
        let opened = bodies.iter().filter(|body| matches!(body, Body::SessionOpened(_)));
        let reason = |body: &Body| match body {
            Body::SessionClosed(closed) => Some(closed.reason.clone()),
            _ => None,
        };
        (opened.count(), bodies.iter().filter_map(reason).collect())
    }

    /// Commands and released bytes, where no value may be that a mask or a placeholder stands for.
    pub(crate) fn evidence(&self) -> Vec<u8> {
        let statements = self.statements().into_iter().map(|(statement, _)| statement);
        let text: String = statements.collect();
        [text.into_bytes(), self.released()].concat()
    }
}

fn person(name: &str, group: &str) -> KeyRecord {
    KeyRecord {
        key: SecretKey::from_seed(&[3; 32]).public_key(),
        role: Role::Person,
        name: name.to_owned(),
        groups: vec![group.to_owned()],
        enrolled: Index(1),
        ended: None,
        mask_keys: Vec::new(),
    }
}

/// The agent's key, `exk_0000000000000001_test`, as the proxy's file has it.
pub(crate) fn api_keys(expires: Option<u64>) -> ApiKeys {
    let hash = Digest::of(b"test");
    let expires = expires.map_or_else(String::new, |seconds| format!("expires_unix_s = {seconds}"));
    let file = format!("[[keys]]\nid = \"0000000000000001\"\nsubject = \"ci\"\nhash = \"{hash}\"\n{expires}\n");
    ApiKeys::parse(&file).unwrap()
}

pub(crate) struct Stand {
    pub(crate) gate: Gate,
    pub(crate) server: Arc<Server>,
    pub(crate) memory: Arc<Memory>,
    pub(crate) address: SocketAddr,
    pub(crate) callers: Arc<Callers>,
    authority: rcgen::Certificate,
    pub(crate) shutdown: CancellationToken,
}

impl Stand {
    pub(crate) async fn start() -> Self {
        let server = Server::start();
        server.execute(SCHEMA);
        Self::start_with(Arc::new(server), POLICY, |_| {}).await
    }

    /// The same before that server, which may have nothing in it, under that policy, with a changed configuration.
    pub(crate) async fn start_with(server: Arc<Server>, policy: &str, change: impl FnOnce(&mut Config)) -> Self {
        Self::start_until(server, policy, change, None).await
    }

    /// The same for an agent whose credential expires at that unix second.
    pub(crate) async fn start_until(
        server: Arc<Server>,
        policy: &str,
        change: impl FnOnce(&mut Config),
        expires: Option<u64>,
    ) -> Self {
        let callers = Callers::new(
            api_keys(expires),
            Issuers::default(),
            Endpoints::default(),
            Certificates::default(),
        );
        Self::start_for(server, policy, change, callers).await
    }

    /// The same for these callers.
    pub(crate) async fn start_for(
        server: Arc<Server>,
        policy: &str,
        change: impl FnOnce(&mut Config),
        callers: Callers,
    ) -> Self {
        Self::start_over(server, policy, change, callers, None).await
    }

    /// The same over another recorder than the memory.
    pub(crate) async fn start_over(
        server: Arc<Server>,
        policy: &str,
        change: impl FnOnce(&mut Config),
        callers: Callers,
        recorder: Option<Arc<dyn Recorder>>,
    ) -> Self {
        let callers = Arc::new(callers);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        let directory = server.directory();
        std::fs::write(directory.join("proxy.pem"), certificate.pem()).unwrap();
        std::fs::write(directory.join("proxy.key"), key.serialize_pem()).unwrap();
        std::fs::write(directory.join("target.password"), Server::password()).unwrap();
        let memory = Arc::new(Memory {
            bodies: Mutex::default(),
            places: Mutex::default(),
            broken: AtomicBool::new(false),
            held: watch::channel(false).0,
            handed: watch::channel(0).0,
            heard: broadcast::channel(16).0,
        });
        let snapshot = Snapshot::parse(policy.as_bytes()).unwrap();
        let gate = Gate::start(
            (policy.as_bytes().to_vec(), snapshot),
            recorder.unwrap_or_else(|| Arc::clone(&memory) as Arc<dyn Recorder>),
            Arc::new(SystemClock),
            MaskKey::new([1; 32]),
            DIGEST_KEY,
        )
        .await
        .unwrap();
        let mut config = Config {
            target: "clinic".into(),
            listen: "127.0.0.1:0".parse().unwrap(),
            tls: exhibit_postgres::config::Tls {
                certificate: "proxy.pem".into(),
                key: "proxy.key".into(),
            },
            server: exhibit_postgres::config::Server {
                host: "localhost".into(),
                port: server.port(),
                database: Some("postgres".into()),
                user: "postgres".into(),
                password_file: "target.password".into(),
                tls: exhibit_postgres::config::ServerTls::VerifyFull,
                ca: Some("server.pem".into()),
                channel_binding: exhibit_postgres::config::ChannelBinding::Require,
            },
            masking: exhibit_postgres::config::Masking::Proxy,
        }
        .resolved(directory);
        change(&mut config);
        let listener = Listener::bind(gate.clone(), &config, Arc::clone(&callers))
            .await
            .unwrap();
        let address = listener.local_address().unwrap();
        let shutdown = CancellationToken::new();
        tokio::spawn(listener.run(shutdown.clone()));
        Self {
            gate,
            server,
            memory,
            address,
            callers,
            authority: certificate,
            shutdown,
        }
    }

    /// What psql says to statements, standard output and error together.
    pub(crate) async fn psql(&self, sql: &str) -> String {
        self.psql_with(sql, "").await
    }

    /// The same with something on its standard input.
    pub(crate) async fn psql_with(&self, sql: &str, input: &str) -> String {
        self.psql_over("postgres", sql, input).await
    }

    /// The same in that database.
    pub(crate) async fn psql_in(&self, database: &str, sql: &str) -> String {
        self.psql_over(database, sql, "").await
    }

    async fn psql_over(&self, database: &str, sql: &str, input: &str) -> String {
        let url = format!(
            "host=localhost hostaddr=127.0.0.1 port={} user=ci dbname={database}",
            self.address.port()
        );
        let authority = self.authority();
        let sql = sql.to_owned();
        let input = input.to_owned();
        tokio::task::spawn_blocking(move || run_psql(&url, &authority, &sql, &input))
            .await
            .unwrap()
    }

    /// The certificate that the proxy is known by.
    pub(crate) fn authority(&self) -> std::path::PathBuf {
        self.server.directory().join("proxy.pem")
    }

    /// The same, as it is trusted.
    pub(crate) fn certificate(&self) -> rustls_pki_types::CertificateDer<'static> {
        self.authority.der().clone()
    }

    /// TLS as a client has it that offers these protocols by ALPN.
    pub(crate) fn tls(&self, protocols: &[&str]) -> tokio_rustls::TlsConnector {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.authority.der().clone()).unwrap();
        let mut config =
            rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Arc::new(config).into()
    }

    /// A plain connection.
    pub(crate) async fn plain(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// An encrypted connection after an `SSLRequest`, byte for byte.
    pub(crate) async fn raw(&self) -> Encrypted {
        let mut socket = self.plain().await;
        socket.write_all(&startup::ssl_request()).await.unwrap();
        assert_eq!(socket.read_u8().await.unwrap(), b'S');
        self.encrypt(socket, &[]).await.unwrap()
    }

    /// Begins TLS on a connection.
    pub(crate) async fn encrypt(&self, socket: TcpStream, protocols: &[&str]) -> std::io::Result<Encrypted> {
        let name = "localhost".try_into().unwrap();
        self.tls(protocols).connect(name, socket).await
    }

    /// A session, byte for byte.
    pub(crate) async fn raw_session(&self) -> Encrypted {
        let mut stream = self.raw().await;
        enter(&mut stream, 0, &[]).await;
        stream
    }

    /// A Rust driver, by the extended protocol and binary values.
    pub(crate) async fn driver(&self) -> tokio_postgres::Client {
        let stream = self.raw().await;
        let mut config = tokio_postgres::Config::new();
        config
            .user("ci")
            .password("exk_0000000000000001_test")
            .dbname("postgres");
        let (client, connection) = config.connect_raw(stream, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn run_psql(url: &str, authority: &Path, sql: &str, input: &str) -> String {
    let mut psql = Command::new("psql")
        .arg(format!("{url} sslmode=verify-full sslrootcert={}", authority.display()))
        .args(["--no-psqlrc", "--no-align", "--tuples-only", "--command", sql])
        .env("PGPASSWORD", "exk_0000000000000001_test")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("psql is needed: apt-get install postgresql-client");
    // A psql that has failed does not read it.
    let _ = psql.stdin.take().unwrap().write_all(input.as_bytes());
    let output = psql.wait_with_output().unwrap();
    [output.stdout, output.stderr]
        .map(|text| String::from_utf8(text).unwrap())
        .concat()
}

/// An encrypted connection to the proxy.
pub(crate) type Encrypted = tokio_rustls::client::TlsStream<TcpStream>;

/// Sends a start-up message of protocol 3.`minor` with these parameters beside user and database, and the key; gives what
/// is answered up to the first `ReadyForQuery`.
pub(crate) async fn enter(stream: &mut Encrypted, minor: u16, parameters: &[(&str, &str)]) -> Vec<Raw> {
    ask(stream, minor, parameters).await;
    messages(&read_until_ready(stream).await)
}

/// The same, up to the key.
pub(crate) async fn ask(stream: &mut Encrypted, minor: u16, parameters: &[(&str, &str)]) {
    let own = [("user", "ci"), ("database", "postgres")];
    let parameters: Vec<(&str, &str)> = own.iter().chain(parameters).copied().collect();
    stream.write_all(&startup::startup(minor, &parameters)).await.unwrap();
    stream
        .write_all(&encode::message(b'p', b"exk_0000000000000001_test\0"))
        .await
        .unwrap();
    stream.flush().await.unwrap();
}

/// How long the gateway may take to hang up; far more than it does.
const END_TIMEOUT: std::time::Duration = std::time::Duration::from_mins(1);

/// All that comes until the other side closes, however it closes. The time it may take is the machine's: a clock of the
/// runtime that stands still jumps to the next deadline as soon as everybody waits, even while the end of a connection is
/// still on its way.
pub(crate) async fn read_rest(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Vec<u8> {
    let (read, waits) = std::sync::mpsc::channel::<()>();
    let (hangs, hung) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        // The sender is dropped once all is read.
        if waits.recv_timeout(END_TIMEOUT) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = hangs.send(());
        }
    });
    let mut rest = Vec::new();
    tokio::select! {
        _ = stream.read_to_end(&mut rest) => drop(read),
        Ok(()) = hung => panic!("the gateway did not hang up"),
    }
    rest
}

/// The messages in bytes.
pub(crate) fn messages(bytes: &[u8]) -> Vec<Raw> {
    let mut decoder = Decoder::new(bytes.len());
    decoder.buffer().extend_from_slice(bytes);
    std::iter::from_fn(|| decoder.message().unwrap()).collect()
}

/// The SQLSTATE of the error in messages.
pub(crate) fn sqlstate(bytes: &[u8]) -> Option<String> {
    let all = messages(bytes);
    let error = all.iter().find(|message| message.tag() == b'E')?;
    let Backend::Error(fields) = Backend::parse(error).unwrap() else {
        return None;
    };
    fields
        .into_iter()
        .find(|(field, _)| *field == b'C')
        .map(|(_, code)| code)
}

/// Sends messages, and gives what is answered up to `ReadyForQuery` as text.
pub(crate) async fn talk(stream: &mut Encrypted, messages: &[(u8, &[u8])]) -> String {
    let bytes: Vec<u8> = messages
        .iter()
        .flat_map(|(tag, body)| encode::message(*tag, body))
        .collect();
    stream.write_all(&bytes).await.unwrap();
    stream.flush().await.unwrap();
    String::from_utf8_lossy(&read_until_ready(stream).await).into_owned()
}

/// Reads messages up to `ReadyForQuery`; gives all bytes.
pub(crate) async fn read_until_ready(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let mut head = [0; 5];
        stream.read_exact(&mut head).await.unwrap();
        let length = u32::from_be_bytes(head[1..].try_into().unwrap());
        let mut body = vec![0; usize::try_from(length).unwrap() - 4];
        stream.read_exact(&mut body).await.unwrap();
        all.extend(head);
        all.extend(body);
        if head[0] == b'Z' {
            return all;
        }
    }
}

/// One message.
pub(crate) async fn read_message(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Vec<u8> {
    let mut head = vec![0; 5];
    stream.read_exact(&mut head).await.unwrap();
    let length = u32::from_be_bytes(head[1..].try_into().unwrap());
    let mut body = vec![0; usize::try_from(length).unwrap() - 4];
    stream.read_exact(&mut body).await.unwrap();
    [head, body].concat()
}
