//! A client of PostgreSQL's protocol that keeps all that it hears, and shares no code with the proxy.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use exhibit_tests::stack::{AGENT, DATABASE, Stack};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};

use crate::corpus::{Extended, Step};
use crate::finder::{Heard, Row};

/// How long an answer may take; far more than any does.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);

/// Rows are asked for in parts at most so often.
const PORTAL_ROUNDS_MAX: usize = 100;

/// Protocol 3.0.
const PROTOCOL: u32 = 196_608;

/// What an `SSLRequest` says in the place of a version.
const TLS_REQUEST: u32 = 80_877_103;

/// Starts clients at a stack.
pub(crate) struct Entrance {
    port: u16,
    key: String,
    tls: Arc<rustls::ClientConfig>,
}

/// One session, or what is left of it.
pub(crate) struct Client {
    stream: rustls::StreamOwned<rustls::ClientConnection, TcpStream>,
    name: String,
    copy_in: Vec<u8>,
    /// Whether the gateway has hung up.
    pub(crate) ended: bool,
}

/// One message of the server: its type and its body.
pub(crate) struct Message {
    pub(crate) kind: u8,
    pub(crate) body: Vec<u8>,
}

/// What an attempt heard.
#[derive(Default)]
pub(crate) struct Transcript {
    pub(crate) heard: Heard,
    /// SQLSTATEs of errors.
    pub(crate) errors: Vec<String>,
    /// Texts of errors, for people.
    pub(crate) texts: Vec<String>,
    /// Rows of data, and lines that were copied out.
    pub(crate) rows: usize,
    /// Tags of commands that were completed.
    pub(crate) tags: Vec<String>,
    /// Messages that asked for something.
    pub(crate) asked: u64,
    /// Sessions that the gateway ended.
    pub(crate) ended: usize,
}

impl Entrance {
    pub(crate) fn new(stack: &Stack) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        let authority = stack.directory().join("tls/ca.pem");
        for certificate in CertificateDer::pem_file_iter(authority).unwrap() {
            roots.add(certificate.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            port: stack.proxy_port(),
            key: stack.api_key().to_owned(),
            tls: Arc::new(tls),
        }
    }

    /// Opens a session that calls itself by this name; it has to be let in.
    pub(crate) fn open(&self, name: &str, transcript: &mut Transcript) -> Client {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        socket.set_read_timeout(Some(ANSWER_TIMEOUT)).unwrap();
        socket.set_nodelay(true).unwrap();
        socket
            .write_all(&[8_u32.to_be_bytes(), TLS_REQUEST.to_be_bytes()].concat())
            .unwrap();
        let mut answer = [0];
        socket.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"S");
        let server = ServerName::try_from("127.0.0.1").unwrap();
        let connection = rustls::ClientConnection::new(Arc::clone(&self.tls), server).unwrap();
        let mut client = Client {
            stream: rustls::StreamOwned::new(connection, socket),
            name: name.to_owned(),
            copy_in: Vec::new(),
            ended: false,
        };
        let mut startup = PROTOCOL.to_be_bytes().to_vec();
        for (name, value) in [("user", AGENT), ("database", DATABASE), ("application_name", name)] {
            startup.extend([text(name), text(value)].concat());
        }
        startup.push(0);
        client.stream.write_all(&length(&startup)).unwrap();
        client.stream.write_all(&startup).unwrap();
        let asked = client.read().unwrap();
        assert_eq!(
            (asked.kind, asked.body.as_slice()),
            (b'R', &3_u32.to_be_bytes()[..]),
            "{name}: no password was asked for"
        );
        client.send(&[(b'p', text(&self.key))]);
        client.listen(transcript);
        assert!(!client.ended, "{name}: no session: {:?}", transcript.texts);
        client
    }
}

impl Client {
    /// Does one step, and listens until the server is ready again.
    pub(crate) fn step(&mut self, step: &Step, transcript: &mut Transcript) {
        if let Step::CopyIn(data) = step {
            self.copy_in = data.clone().into_bytes();
            return;
        }
        if self.ended {
            return;
        }
        match step {
            Step::Simple(sql) | Step::Second(sql) => self.send(&[(b'Q', text(sql))]),
            Step::Extended(extended) => return self.extended(extended, transcript),
            Step::Pipeline(statements) => {
                let mut messages: Vec<_> = statements
                    .iter()
                    .flat_map(|sql| run("", Some(sql), None, false, 0))
                    .collect();
                messages.push((b'S', Vec::new()));
                self.send(&messages);
            }
            Step::Named { name, sql } => {
                let mut messages = run(name, Some(sql), None, false, 0);
                messages.push((b'S', Vec::new()));
                self.send(&messages);
            }
            Step::Again(name) => {
                let mut messages = run(name, None, None, false, 0);
                messages.push((b'S', Vec::new()));
                self.send(&messages);
            }
            Step::Portal(name) => self.send(&[
                (b'D', [b"P".to_vec(), text(name)].concat()),
                (b'E', [text(name), vec![0; 4]].concat()),
                (b'S', Vec::new()),
            ]),
            Step::Function { number, arguments } => {
                let mut body = number.to_be_bytes().to_vec();
                body.extend([0, 0]);
                body.extend(count(arguments.len()));
                for argument in arguments {
                    body.extend(value(argument));
                }
                body.extend([0, 0]);
                self.send(&[(b'F', body)]);
            }
            Step::CopyIn(_) => {}
        }
        transcript.asked += 1;
        self.listen(transcript);
    }

    fn extended(&mut self, extended: &Extended, transcript: &mut Transcript) {
        let Extended {
            sql,
            parameter,
            binary,
            rows,
        } = extended;
        let mut messages = run("", Some(sql), parameter.as_deref(), *binary, *rows);
        if *rows == 0 {
            messages.push((b'S', Vec::new()));
            self.send(&messages);
            transcript.asked += 1;
            return self.listen(transcript);
        }
        // The portal lasts until Sync, so Flush asks for each part.
        let mut round = 0;
        loop {
            messages.push((b'H', Vec::new()));
            self.send(&messages);
            transcript.asked += 1;
            round += 1;
            let last = self.listen_until(b"CsEZ", transcript);
            if last != Some(b's') || round == PORTAL_ROUNDS_MAX {
                break;
            }
            messages = vec![(b'E', [text(""), rows.to_be_bytes().to_vec()].concat())];
        }
        if !self.ended {
            self.send(&[(b'S', Vec::new())]);
            self.listen(transcript);
        }
    }

    /// Asks for nothing more.
    pub(crate) fn close(mut self) {
        if !self.ended {
            self.send(&[(b'X', Vec::new())]);
            // Until the gateway has hung up as well, so that what the session held is free again.
            while self.read().is_some() {}
        }
    }

    fn send(&mut self, messages: &[(u8, Vec<u8>)]) {
        let mut bytes = Vec::new();
        for (kind, body) in messages {
            bytes.push(*kind);
            bytes.extend(length(body));
            bytes.extend(body);
        }
        // When the gateway has hung up, the reading that follows says so.
        let _ = self.stream.write_all(&bytes).and_then(|()| self.stream.flush());
    }

    fn read(&mut self) -> Option<Message> {
        let mut head = [0; 5];
        self.fill(&mut head)?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        let mut body = vec![0; usize::try_from(length).unwrap() - 4];
        self.fill(&mut body)?;
        Some(Message { kind: head[0], body })
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Option<()> {
        match self.stream.read_exact(bytes) {
            Ok(()) => Some(()),
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                ) =>
            {
                panic!("{}: nothing came for {} s", self.name, ANSWER_TIMEOUT.as_secs())
            }
            Err(_) => None,
        }
    }

    fn listen(&mut self, transcript: &mut Transcript) {
        self.listen_until(b"Z", transcript);
    }

    fn listen_until(&mut self, kinds: &[u8], transcript: &mut Transcript) -> Option<u8> {
        loop {
            let Some(message) = self.read() else {
                self.ended = true;
                transcript.ended += 1;
                return None;
            };
            if message.kind == b'G' {
                let mut data = std::mem::take(&mut self.copy_in);
                data.push(b'\n');
                self.send(&[(b'd', data), (b'c', Vec::new())]);
            }
            let kind = message.kind;
            transcript.take(&message);
            if kinds.contains(&kind) {
                return Some(kind);
            }
        }
    }
}

/// The messages that prepare, describe and run one statement, without a Sync.
fn run(name: &str, sql: Option<&str>, parameter: Option<&str>, binary: bool, rows: u32) -> Vec<(u8, Vec<u8>)> {
    let mut messages = Vec::new();
    if let Some(sql) = sql {
        messages.push((b'P', [text(name), text(sql), vec![0, 0]].concat()));
        messages.push((b'D', [b"S".to_vec(), text(name)].concat()));
    }
    let mut bind = [text(""), text(name), vec![0, 0]].concat();
    bind.extend(count(usize::from(parameter.is_some())));
    bind.extend(parameter.map(value).unwrap_or_default());
    bind.extend([0, 1, 0, u8::from(binary)]);
    messages.push((b'B', bind));
    messages.push((b'D', [b"P".to_vec(), text("")].concat()));
    messages.push((b'E', [text(""), rows.to_be_bytes().to_vec()].concat()));
    messages
}

impl Transcript {
    /// Keeps all messages of what was sent by a server; what is no whole message is kept as it is.
    pub(crate) fn take_all(&mut self, mut bytes: &[u8]) {
        while let Some((head, rest)) = bytes.split_first_chunk::<5>() {
            let length = usize::try_from(u32::from_be_bytes([head[1], head[2], head[3], head[4]])).unwrap();
            let Some((body, after)) = length.checked_sub(4).and_then(|length| rest.split_at_checked(length)) else {
                break;
            };
            self.take(&Message {
                kind: head[0],
                body: body.to_vec(),
            });
            bytes = after;
        }
        self.heard.add(bytes);
    }

    /// Keeps a message, cut into what people would read as its cells.
    fn take(&mut self, message: &Message) {
        let Message { kind, body } = message;
        self.heard.raw.extend_from_slice(body);
        let mut row = |field: u8, cells: Vec<Vec<u8>>| {
            self.heard.rows.push(Row {
                kind: (*kind, field),
                cells,
            });
        };
        match kind {
            b'D' => {
                self.rows += 1;
                row(0, cells(body));
            }
            b'd' => {
                self.rows += 1;
                row(
                    0,
                    body.split(|byte| b"\t,;|".contains(byte)).map(<[u8]>::to_vec).collect(),
                );
            }
            b'E' | b'N' => {
                for field in body.split(|byte| *byte == 0).filter(|field| !field.is_empty()) {
                    row(field[0], vec![field[1..].to_vec()]);
                    let text = || String::from_utf8_lossy(&field[1..]).into_owned();
                    match (kind, field[0]) {
                        (b'E', b'C') => self.errors.push(text()),
                        (b'E', b'M') => self.texts.push(text()),
                        _ => {}
                    }
                }
            }
            b'C' => {
                let tag = String::from_utf8_lossy(body.strip_suffix(b"\0").unwrap_or(body)).into_owned();
                row(0, tag.split(' ').map(|word| word.as_bytes().to_vec()).collect());
                self.tags.push(tag);
            }
            // The process's number comes before the channel and the payload.
            b'A' => row(0, body[4..].split(|byte| *byte == 0).map(<[u8]>::to_vec).collect()),
            // Names of columns, with the numbers of their types between.
            b'T' => row(0, names(body)),
            b'S' => row(0, body.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect()),
            b'Z' | b'1' | b'2' | b'3' | b'K' => {}
            _ => row(0, vec![body.clone()]),
        }
    }
}

/// The cells of a `DataRow`.
fn cells(body: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = &body[2..];
    let mut cells = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0);
        cells.push(after[..length].to_vec());
        rest = &after[length..];
    }
    cells
}

/// The names in a `RowDescription`.
fn names(body: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = &body[2..];
    let mut names = Vec::new();
    while let Some(end) = rest.iter().position(|byte| *byte == 0) {
        names.push(rest[..end].to_vec());
        // Relation, column, type, size, modifier and format.
        rest = &rest[end + 1 + 18..];
    }
    names
}

fn text(text: &str) -> Vec<u8> {
    [text.as_bytes(), b"\0"].concat()
}

fn value(text: &str) -> Vec<u8> {
    [&u32::try_from(text.len()).unwrap().to_be_bytes(), text.as_bytes()].concat()
}

fn count(count: usize) -> [u8; 2] {
    u16::try_from(count).unwrap().to_be_bytes()
}

/// The length of a message: of itself and the body.
fn length(body: &[u8]) -> [u8; 4] {
    u32::try_from(body.len() + 4).unwrap().to_be_bytes()
}
