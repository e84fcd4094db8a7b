//! How an agent comes in: TLS, the start-up message, its key, and what it is told before its first statement.
//!
//! ```text
//! SSLRequest ─▶ S ─▶ TLS ─┬─▶ StartupMessage ─▶ (NegotiateProtocolVersion) ─▶ password ─▶ a known agent
//! TLS at once, with ALPN ─┘   or CancelRequest
//! ```
//!
//! As PostgreSQL 18 has it (`backend_startup.c`). Not here: who may come in, and the session.

use std::sync::Arc;

use exhibit_identity::{Admitted, Callers, Refusal as NotKnown};
use exhibit_schemas::event::Timestamp;
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use crate::cancel::Key;
use crate::choices::{Choices, Refusal};
use crate::link::Connection;
use crate::message::encode::{self, Report};
use crate::message::startup::{First, MINOR_LATEST, version};
use crate::message::{MessageError, SECRET_BYTES_MAX, STARTUP_BYTES_MAX, read};
use crate::tls::ALPN;

/// First byte of a TLS record that holds a handshake (RFC 8446, 5.1). As the first byte of a length it is past every limit.
const TLS_HANDSHAKE: u8 = 0x16;

/// What names of options of the protocol begin with; none is known.
const PROTOCOL_OPTION: &str = "_pq_.";

/// Why a connection does not become a session.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartupError {
    #[error("the connection is gone: {0}")]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Message(#[from] MessageError),
    #[error("it did not come in, in time")]
    Time,
    /// Whatever began with TLS at once was no client of PostgreSQL.
    #[error("a direct TLS connection did not negotiate ALPN `postgresql`")]
    Alpn,
    /// The agent was told why.
    #[error("refused with SQLSTATE {code}")]
    Refused { code: &'static str },
    /// Who it is, is not known; it was told so.
    #[error("{refusal}")]
    NotKnown { refusal: NotKnown, user: String },
}

/// What a connection turned out to be.
pub(crate) enum Arrival {
    /// Open until the request was passed on: its end tells the agent that.
    Cancel {
        process: i32,
        secret: Vec<u8>,
        connection: Connection,
    },
    Agent(Box<Arrived>),
}

/// An agent that is known.
pub(crate) struct Arrived {
    pub(crate) connection: Connection,
    pub(crate) admitted: Admitted,
    pub(crate) transport: String,
    /// Minor version of the protocol that is spoken.
    pub(crate) minor: u16,
    pub(crate) database: String,
    pub(crate) choices: Choices,
}

/// What agents of one target come in by.
pub(crate) struct Door<'a> {
    pub(crate) acceptor: &'a tokio_rustls::TlsAcceptor,
    pub(crate) callers: &'a Arc<Callers>,
    pub(crate) target: &'a str,
    /// The only database that there is, if there is only one.
    pub(crate) database: Option<&'a str>,
    /// Whether the target has masks.
    pub(crate) masked: bool,
    pub(crate) clock: &'a (dyn Fn() -> Timestamp + Sync),
}

impl Door<'_> {
    /// Takes a connection up to a known agent.
    pub(crate) async fn arrive(&self, socket: TcpStream) -> Result<Arrival, StartupError> {
        let stream = match encrypt(socket, self.acceptor).await? {
            Entry::Tls(stream) => stream,
            Entry::Cancel(cancel) => return Ok(cancel),
        };
        let tls = stream.get_ref().1;
        let transport = transport(tls);
        let chain = tls
            .peer_certificates()
            .map(|chain| chain.iter().map(|one| one.clone().into_owned()).collect());
        let mut connection: Connection = stream;
        let (asked, parameters) = match first(&mut connection).await? {
            First::Startup { minor, parameters } => (minor, parameters),
            First::Cancel { process, secret } => {
                return Ok(Arrival::Cancel {
                    process,
                    secret,
                    connection,
                });
            }
            First::Tls | First::Gss => {
                let report = Report::fatal("0A000", "the connection is encrypted already");
                return Err(refuse(&mut connection, &report, "0A000").await);
            }
            First::Other { major, minor } => return Err(unsupported(&mut connection, major, minor).await),
        };
        let minor = negotiate(&mut connection, asked, &parameters).await?;
        let wishes = match Wishes::parse(&parameters, self.database, self.masked) {
            Ok(wishes) => wishes,
            Err((code, text)) => return Err(refuse(&mut connection, &Report::fatal(code, text), code).await),
        };
        let admitted = self.admit(&mut connection, &wishes.user, chain).await?;
        Ok(Arrival::Agent(Box::new(Arrived {
            connection,
            admitted,
            transport,
            minor,
            database: wishes.database,
            choices: wishes.choices,
        })))
    }

    /// Who it is: by the certificate of its TLS connection if its user name goes with that, by a secret if not.
    async fn admit(
        &self,
        connection: &mut Connection,
        user: &str,
        chain: Option<Vec<CertificateDer<'static>>>,
    ) -> Result<Admitted, StartupError> {
        let certified = match chain {
            Some(chain) => self.callers.certified(user, &chain, (self.clock)()),
            None => Ok(None),
        };
        let admitted = match certified {
            Ok(Some(admitted)) => return Ok(admitted),
            Err(refusal) => Err(refusal),
            Ok(None) => {
                let secret = password(connection).await?;
                self.callers.identify(user, &secret, self.target, (self.clock)()).await
            }
        };
        match admitted {
            Ok(admitted) => Ok(admitted),
            Err(refusal) => {
                let code = match refusal {
                    NotKnown::Certificate(_) | NotKnown::Target => "28000",
                    _ => "28P01",
                };
                // Whether or not it hears that, it was refused.
                let _ = refuse(connection, &Report::fatal(code, refusal.to_string()), code).await;
                let user = user.to_owned();
                Err(StartupError::NotKnown { refusal, user })
            }
        }
    }
}

/// What stands before the start-up message.
enum Entry {
    Tls(Box<tokio_rustls::server::TlsStream<TcpStream>>),
    /// As libpq before version 17 sends it whatever the session has: without TLS.
    Cancel(Arrival),
}

/// Turns TLS on: at once, or after an `SSLRequest`, before which GSSAPI may be asked for and is not there.
///
/// **Invariant:** nothing is read from the socket here but whole requests, byte for byte, so what an attacker puts before
/// the handshake is taken for a part of the handshake, never for a message inside it (CVE-2021-23214).
async fn encrypt(mut socket: TcpStream, acceptor: &tokio_rustls::TlsAcceptor) -> Result<Entry, StartupError> {
    let mut byte = [0];
    if socket.peek(&mut byte).await? == 0 {
        return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
    }
    if byte == [TLS_HANDSHAKE] {
        let stream = acceptor.accept(socket).await?;
        if stream.get_ref().1.alpn_protocol() != Some(ALPN) {
            // Bytes of another protocol must not be taken for this one (as the server has it since version 17).
            return Err(StartupError::Alpn);
        }
        return Ok(Entry::Tls(Box::new(stream)));
    }
    let mut gss = false;
    loop {
        match first(&mut socket).await? {
            First::Gss if !gss => {
                gss = true;
                socket.write_all(b"N").await?;
            }
            First::Tls => break,
            First::Cancel { process, secret } => {
                let connection = Box::new(socket);
                return Ok(Entry::Cancel(Arrival::Cancel {
                    process,
                    secret,
                    connection,
                }));
            }
            First::Gss | First::Startup { .. } => {
                let report = Report::fatal("28000", "this proxy takes only TLS connections: set sslmode=require");
                return Err(refuse(&mut socket, &report, "28000").await);
            }
            First::Other { major, minor } => return Err(unsupported(&mut socket, major, minor).await),
        }
    }
    socket.write_all(b"S").await?;
    Ok(Entry::Tls(Box::new(acceptor.accept(socket).await?)))
}

/// Reads a message without a tag. One that is malformed is answered; one of a length past the limit is not, as the server
/// has it: it is of another protocol.
async fn first(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<First, StartupError> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    let length = read::length(&head, STARTUP_BYTES_MAX)?;
    let mut body = vec![0; length.saturating_sub(4)];
    stream.read_exact(&mut body).await?;
    match First::parse(&body) {
        Ok(first) => Ok(first),
        Err(error) => Err(refuse(stream, &Report::fatal("08P01", error.to_string()), "08P01").await),
    }
}

async fn unsupported(stream: &mut (impl AsyncWrite + Unpin), major: u16, minor: u16) -> StartupError {
    let text = format!("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.{MINOR_LATEST}");
    refuse(stream, &Report::fatal("0A000", text), "0A000").await
}

async fn refuse(stream: &mut (impl AsyncWrite + Unpin), report: &Report, code: &'static str) -> StartupError {
    let told = async {
        stream.write_all(&report.response()).await?;
        stream.shutdown().await
    };
    match told.await {
        Ok(()) => StartupError::Refused { code },
        Err(error) => error.into(),
    }
}

fn transport(connection: &rustls::ServerConnection) -> String {
    let version = connection
        .protocol_version()
        .map_or_else(|| "TLS".to_owned(), |version| format!("{version:?}"));
    let suite = connection
        .negotiated_cipher_suite()
        .map_or_else(String::new, |suite| format!("{:?}", suite.suite()));
    format!("{version} {suite}")
}

/// Says which protocol is spoken to a client that asks for a later one than the latest, or for options of the protocol, of
/// which there are none (`NegotiateProtocolVersion`, as PostgreSQL 18 sends it). Gives the minor version.
async fn negotiate(
    connection: &mut Connection,
    asked: u16,
    parameters: &[(String, String)],
) -> Result<u16, StartupError> {
    let minor = asked.min(MINOR_LATEST);
    let options: Vec<&str> = parameters
        .iter()
        .filter(|(name, _)| name.starts_with(PROTOCOL_OPTION))
        .map(|(name, _)| name.as_str())
        .collect();
    if minor == asked && options.is_empty() {
        return Ok(minor);
    }
    let mut body = version(minor).to_be_bytes().to_vec();
    body.extend(u32::try_from(options.len()).unwrap_or(u32::MAX).to_be_bytes());
    for option in options {
        body.extend_from_slice(option.as_bytes());
        body.push(0);
    }
    connection.write_all(&encode::message(b'v', &body)).await?;
    connection.flush().await?;
    Ok(minor)
}

/// What a start-up message asks for.
#[derive(Default)]
struct Wishes {
    user: String,
    database: String,
    choices: Choices,
}

impl Wishes {
    fn parse(parameters: &[(String, String)], only: Option<&str>, masked: bool) -> Result<Self, Refusal> {
        let mut wishes = Self {
            choices: Choices::of(masked),
            ..Self::default()
        };
        // What has a parameter of its own holds against `options`, as with the server.
        for (_, options) in parameters.iter().filter(|(name, _)| name == "options") {
            wishes.choices.options(options)?;
        }
        for (name, value) in parameters {
            match name.as_str() {
                "options" => {}
                "user" => wishes.user.clone_from(value),
                "database" => wishes.database.clone_from(value),
                "replication" if ["false", "off", "no", "0"].contains(&value.to_ascii_lowercase().as_str()) => {}
                "replication" => return Err(("0A000", "replication is not taken".to_owned())),
                option if option.starts_with(PROTOCOL_OPTION) => {}
                choice => wishes.choices.take(choice, value)?,
            }
        }
        if wishes.user.is_empty() {
            return Err((
                "28000",
                "no PostgreSQL user name specified in startup packet".to_owned(),
            ));
        }
        if wishes.database.is_empty() {
            wishes.database = only.unwrap_or(&wishes.user).to_owned();
        }
        if only.is_some_and(|only| only != wishes.database) {
            return Err(("3D000", "this target has another database".to_owned()));
        }
        Ok(wishes)
    }
}

/// Asks for the API key or the token: `AuthenticationCleartextPassword`, which TLS protects.
async fn password(connection: &mut Connection) -> Result<Zeroizing<String>, StartupError> {
    connection
        .write_all(&encode::message(b'R', &3_i32.to_be_bytes()))
        .await?;
    connection.flush().await?;
    let mut head = [0; 5];
    connection.read_exact(&mut head).await?;
    let [tag, length @ ..] = head;
    let length = read::length(&length, SECRET_BYTES_MAX)?;
    let mut body = Zeroizing::new(vec![0; length.saturating_sub(4)]);
    connection.read_exact(&mut body).await?;
    let secret = || {
        let mut reader = read::Reader::new(tag, &body);
        if tag != b'p' {
            return Err(MessageError::Unknown { tag });
        }
        let secret = Zeroizing::new(reader.text()?.to_owned());
        reader.end().map(|()| secret)
    };
    match secret() {
        Ok(secret) => Ok(secret),
        Err(error) => Err(refuse(connection, &Report::fatal("08P01", error.to_string()), "08P01").await),
    }
}

/// What an agent gets before its first statement: it is in, the settings, its own key for cancelling, readiness.
pub(crate) fn welcome(settings: &[(String, String)], key: &Key) -> Vec<u8> {
    let mut bytes = encode::message(b'R', &0_i32.to_be_bytes());
    for (name, value) in settings {
        let body = [name.as_bytes(), &[0], value.as_bytes(), &[0]].concat();
        bytes.extend(encode::message(b'S', &body));
    }
    bytes.extend(encode::message(
        b'K',
        &[&key.process.to_be_bytes(), key.secret.as_slice()].concat(),
    ));
    bytes.extend(encode::message(b'Z', b"I"));
    bytes
}
