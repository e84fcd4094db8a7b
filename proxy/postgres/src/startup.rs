//! How an agent comes in: TLS, the start-up message, its key, and what it is told before its first statement.

use exhibit_schemas::event::access::Principal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use crate::link::Connection;
use crate::listener::Authenticate;
use crate::message::encode::{self, Report};
use crate::message::startup::First;
use crate::message::{MessageError, STARTUP_BYTES_MAX, read};

/// Settings of a session that an agent may choose at start-up; none changes how values or statements are read.
const CHOICES: [&str; 4] = ["application_name", "TimeZone", "extra_float_digits", "IntervalStyle"];

/// Why a connection does not become a session.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartupError {
    #[error("the connection is gone: {0}")]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The agent was told why.
    #[error("refused with SQLSTATE {code}")]
    Refused { code: &'static str },
}

/// What a connection turned out to be.
pub(crate) enum Arrival {
    Cancel { process: i32, secret: Vec<u8> },
    Agent(Box<Arrived>),
}

/// An agent that is known.
pub(crate) struct Arrived {
    pub(crate) connection: Connection,
    pub(crate) principal: Principal,
    pub(crate) transport: String,
    pub(crate) database: String,
    pub(crate) choices: Vec<(String, String)>,
}

/// Takes a connection up to a known agent.
pub(crate) async fn arrive(
    mut socket: TcpStream,
    acceptor: &tokio_rustls::TlsAcceptor,
    database: Option<&str>,
    authenticate: &Authenticate,
) -> Result<Arrival, StartupError> {
    let mut gss = false;
    loop {
        match first(&mut socket).await? {
            First::Gss if !gss => {
                gss = true;
                socket.write_all(b"N").await?;
            }
            First::Tls => break,
            First::Cancel { process, secret } => return Ok(Arrival::Cancel { process, secret }),
            First::Gss | First::Startup { .. } => {
                let report = Report::fatal("28000", "this proxy takes only TLS connections: set sslmode=require");
                return Err(refuse(&mut socket, &report, "28000").await);
            }
        }
    }
    socket.write_all(b"S").await?;
    let mut stream = acceptor.accept(socket).await?;
    let transport = transport(stream.get_ref().1);
    match first(&mut stream).await? {
        First::Cancel { process, secret } => Ok(Arrival::Cancel { process, secret }),
        First::Startup { minor, parameters } => {
            let mut connection: Connection = Box::new(stream);
            negotiate(&mut connection, minor, &parameters).await?;
            let wishes = match Wishes::parse(parameters, database) {
                Ok(wishes) => wishes,
                Err((code, text)) => return Err(refuse(&mut connection, &Report::fatal(code, text), code).await),
            };
            let key = password(&mut connection).await?;
            let Some(principal) = authenticate(&wishes.user, &key) else {
                // Neither name nor key is told apart, and neither is repeated.
                let report = Report::fatal("28P01", "the user or its API key is not known, or has expired");
                return Err(refuse(&mut connection, &report, "28P01").await);
            };
            Ok(Arrival::Agent(Box::new(Arrived {
                connection,
                principal,
                transport,
                database: wishes.database,
                choices: wishes.choices,
            })))
        }
        First::Tls | First::Gss => Err(StartupError::Refused { code: "08P01" }),
    }
}

async fn first(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Result<First, StartupError> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    let length = read::length(&head, STARTUP_BYTES_MAX)?;
    let mut body = vec![0; length.saturating_sub(4)];
    stream.read_exact(&mut body).await?;
    Ok(First::parse(&body)?)
}

async fn refuse(
    stream: &mut (impl tokio::io::AsyncWrite + Unpin),
    report: &Report,
    code: &'static str,
) -> StartupError {
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

/// Offers protocol 3.0 to a client that asks for a later one, or for options of it (`NegotiateProtocolVersion`).
async fn negotiate(
    connection: &mut Connection,
    minor: u16,
    parameters: &[(String, String)],
) -> Result<(), StartupError> {
    let options: Vec<&str> = parameters
        .iter()
        .filter(|(name, _)| name.starts_with("_pq_."))
        .map(|(name, _)| name.as_str())
        .collect();
    if minor == 0 && options.is_empty() {
        return Ok(());
    }
    let mut body = (3_i32 << 16).to_be_bytes().to_vec();
    body.extend(u32::try_from(options.len()).unwrap_or(u32::MAX).to_be_bytes());
    for option in options {
        body.extend_from_slice(option.as_bytes());
        body.push(0);
    }
    connection.write_all(&encode::message(b'v', &body)).await?;
    connection.flush().await?;
    Ok(())
}

/// What a start-up message asks for.
struct Wishes {
    user: String,
    database: String,
    choices: Vec<(String, String)>,
}

impl Wishes {
    fn parse(parameters: Vec<(String, String)>, only: Option<&str>) -> Result<Self, (&'static str, String)> {
        let mut wishes = Self {
            user: String::new(),
            database: String::new(),
            choices: Vec::new(),
        };
        for (name, value) in parameters {
            match name.as_str() {
                "user" => wishes.user = value,
                "database" => wishes.database = value,
                "client_encoding" if ["utf8", "utf-8", "unicode", "auto"].contains(&unquoted(&value).as_str()) => {}
                "DateStyle" | "datestyle" if unquoted(&value).starts_with("iso") => {}
                "replication" if ["false", "off", "no", "0"].contains(&value.as_str()) => {}
                "options" if value.trim().is_empty() => {}
                choice if CHOICES.contains(&choice) => wishes.choices.push((name, value)),
                option if option.starts_with("_pq_.") => {}
                refused => {
                    let text = format!("the start-up parameter {refused:.63} is not taken with that value");
                    return Err(("0A000", text));
                }
            }
        }
        if wishes.user.is_empty() {
            return Err(("28000", "no user is named".to_owned()));
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

fn unquoted(value: &str) -> String {
    value.trim_matches(['\'', '"']).to_ascii_lowercase()
}

/// Asks for the API key: `AuthenticationCleartextPassword`, which TLS protects.
async fn password(connection: &mut Connection) -> Result<Zeroizing<String>, StartupError> {
    connection
        .write_all(&encode::message(b'R', &3_i32.to_be_bytes()))
        .await?;
    connection.flush().await?;
    let mut head = [0; 5];
    connection.read_exact(&mut head).await?;
    let [tag, length @ ..] = head;
    let length = read::length(&length, STARTUP_BYTES_MAX)?;
    let mut body = Zeroizing::new(vec![0; length.saturating_sub(4)]);
    connection.read_exact(&mut body).await?;
    let mut reader = read::Reader::new(tag, &body);
    if tag != b'p' {
        return Err(MessageError::Unknown { tag }.into());
    }
    let key = Zeroizing::new(reader.text()?.to_owned());
    reader.end()?;
    Ok(key)
}

/// What an agent gets before its first statement: it is in, the settings, its own key for cancelling, readiness.
pub(crate) fn welcome(settings: &[(String, String)], process: i32, secret: &[u8]) -> Vec<u8> {
    let mut bytes = encode::message(b'R', &0_i32.to_be_bytes());
    for (name, value) in settings {
        let body = [name.as_bytes(), &[0], value.as_bytes(), &[0]].concat();
        bytes.extend(encode::message(b'S', &body));
    }
    bytes.extend(encode::message(b'K', &[&process.to_be_bytes(), secret].concat()));
    bytes.extend(encode::message(b'Z', b"I"));
    bytes
}
