//! The proxy's own connection to the server: TLS, SCRAM-SHA-256, settings, catalog, cancelling.
//!
//! Only queries that are constants of this crate go out here; what agents send goes through [`crate::target`].

use std::time::Duration;

use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use crate::cancel::{Key, SHORT_SECRET_BYTES};
use crate::catalog::{Catalog, CatalogError};
use crate::config::Server;
use crate::link::{Connection, Incoming, LinkError};
use crate::message::backend::{Backend, TransactionStatus};
use crate::message::startup::{MINOR_LATEST, MINOR_LONG_SECRETS, SECRET_BYTES_MAX};
use crate::message::{BACKEND_BYTES_MAX, MessageError, encode, startup};
use crate::target::Target;

/// How long a server may take to be reached and to let the proxy in.
const CONNECT: Duration = Duration::from_secs(15);

/// Rows of one of the proxy's own queries at the most; the catalog refuses more.
const ROWS_MAX: usize = 1_000_001;

/// Settings without which statements and values would be read in another way than the proxy reads them.
const SETTINGS: [(&str, &str); 3] = [
    ("client_encoding", "UTF8"),
    ("standard_conforming_strings", "on"),
    ("DateStyle", "ISO, MDY"),
];

/// With what servers refuse a later protocol than 3.0 that do not negotiate: PostgreSQL before 2018 (`0A000`), and poolers
/// (`08P01`).
const TOO_OLD: [&str; 2] = ["0A000", "08P01"];

/// Why the server cannot be used. Blames the target, and repeats no value of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    #[error("the target cannot be reached: {0}")]
    Io(#[from] std::io::Error),
    #[error("the target did not answer in time")]
    Time,
    #[error("the target sent what is not taken: {0}")]
    Message(#[from] MessageError),
    #[error("the target has no TLS, or its name is no server name")]
    Tls,
    /// Asked again with protocol 3.0.
    #[error("the target does not know the protocol's versions")]
    Version,
    #[error("the target does not offer SCRAM-SHA-256")]
    Authentication,
    #[error("the target refused (SQLSTATE {code})")]
    Refused { code: String },
    #[error("the target ended the session")]
    Ended,
    #[error("the target sent a message out of place")]
    Protocol,
    #[error("the target does not hold the setting {setting}")]
    Setting { setting: &'static str },
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl From<LinkError> for UpstreamError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Io(error) => Self::Io(error),
            LinkError::Message(error) => Self::Message(error),
        }
    }
}

/// How a server is reached.
pub(crate) struct Route {
    pub(crate) server: Server,
    pub(crate) password: Zeroizing<String>,
    pub(crate) connector: Option<tokio_rustls::TlsConnector>,
}

/// A connection that is ready for queries.
pub(crate) struct Upstream {
    pub(crate) incoming: Incoming<ReadHalf<Connection>>,
    pub(crate) target: Target,
    pub(crate) key: Key,
    /// Settings as the server reported them, in order.
    pub(crate) settings: Vec<(String, String)>,
}

impl Route {
    /// Connects, and begins a session of the target's role.
    pub(crate) async fn connect(&self, database: &str, extra: &[(String, String)]) -> Result<Upstream, UpstreamError> {
        tokio::time::timeout(CONNECT, self.begin(database, extra))
            .await
            .map_err(|_| UpstreamError::Time)?
    }

    /// Asks the server to cancel what a session runs, and waits until the server has dealt with that: a cancellation that
    /// is late would hit what comes next.
    pub(crate) async fn cancel(&self, key: &Key) -> Result<(), UpstreamError> {
        let cancel = async {
            let (mut connection, _) = self.dial().await?;
            connection
                .write_all(&startup::cancel_request(key.process, &key.secret))
                .await?;
            connection.flush().await?;
            // The server answers nothing and closes; how it closes does not matter.
            let _ = connection.read(&mut [0]).await;
            Ok(())
        };
        tokio::time::timeout(CONNECT, cancel)
            .await
            .map_err(|_| UpstreamError::Time)?
    }

    async fn dial(&self) -> Result<(Connection, Option<Vec<u8>>), UpstreamError> {
        let mut socket = TcpStream::connect((self.server.host.as_str(), self.server.port)).await?;
        socket.set_nodelay(true)?;
        let Some(connector) = &self.connector else {
            return Ok((Box::new(socket), None));
        };
        socket.write_all(&startup::ssl_request()).await?;
        let name = ServerName::try_from(self.server.host.clone()).map_err(|_| UpstreamError::Tls)?;
        if socket.read_u8().await? != b'S' {
            return Err(UpstreamError::Tls);
        }
        let stream = connector.connect(name, socket).await?;
        let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let binding = certificate.and_then(|certificate| crate::tls::server_end_point(certificate));
        Ok((Box::new(stream), binding))
    }

    /// Asks for the latest protocol, and once more for 3.0 where the server is too old to negotiate.
    async fn begin(&self, database: &str, extra: &[(String, String)]) -> Result<Upstream, UpstreamError> {
        match self.begin_with(MINOR_LATEST, database, extra).await {
            Err(UpstreamError::Version) => self.begin_with(0, database, extra).await,
            begun => begun,
        }
    }

    async fn begin_with(
        &self,
        minor: u16,
        database: &str,
        extra: &[(String, String)],
    ) -> Result<Upstream, UpstreamError> {
        let (connection, binding) = self.dial().await?;
        let (reader, mut writer) = tokio::io::split(connection);
        let incoming = Incoming::new(reader, BACKEND_BYTES_MAX);
        let mut parameters = vec![("user", self.server.user.as_str()), ("database", database)];
        parameters.extend(SETTINGS);
        parameters.extend(extra.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        writer.write_all(&startup::startup(minor, &parameters)).await?;
        writer.flush().await?;
        let mut greeting = Greeting {
            incoming,
            writer,
            minor,
        };
        let first = greeting.negotiate().await?;
        greeting.authenticate(first, &self.password, binding).await?;
        greeting.settle().await
    }
}

/// A connection that does not let the proxy in yet.
struct Greeting {
    incoming: Incoming<ReadHalf<Connection>>,
    writer: WriteHalf<Connection>,
    /// Minor version of the protocol: what was asked for, and then what is spoken.
    minor: u16,
}

impl Greeting {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), UpstreamError> {
        self.writer.write_all(bytes).await?;
        self.writer.flush().await?;
        Ok(())
    }

    async fn greeting(&mut self) -> Result<Backend, UpstreamError> {
        match Backend::parse(&self.incoming.raw().await?)? {
            Backend::Error(fields) => Err(refused(&fields)),
            message => Ok(message),
        }
    }

    /// Learns which version is spoken; gives the first message after that.
    async fn negotiate(&mut self) -> Result<Backend, UpstreamError> {
        let (version, options) = match Backend::parse(&self.incoming.raw().await?)? {
            Backend::NegotiateVersion { version, options } => (version, options),
            Backend::Error(fields) => {
                let too_old = self.minor > 0
                    && fields
                        .iter()
                        .any(|(field, text)| *field == b'C' && TOO_OLD.contains(&text.as_str()));
                return Err(if too_old {
                    UpstreamError::Version
                } else {
                    refused(&fields)
                });
            }
            message => return Ok(message),
        };
        // No option was asked for, so none can be unknown, and only an earlier version is an answer.
        let offered = (0..self.minor).find(|minor| startup::version(*minor) == version);
        self.minor = offered.filter(|_| options == 0).ok_or(UpstreamError::Protocol)?;
        self.greeting().await
    }

    /// SCRAM-SHA-256 and nothing else, bound to the TLS channel where the server can.
    async fn authenticate(
        &mut self,
        first: Backend,
        password: &str,
        binding: Option<Vec<u8>>,
    ) -> Result<(), UpstreamError> {
        let Backend::Authentication(10, mechanisms) = first else {
            return Err(UpstreamError::Authentication);
        };
        let offered = |name: &str| mechanisms.split(|byte| *byte == 0).any(|one| one == name.as_bytes());
        let (mechanism, binding) = match binding {
            Some(binding) if offered(SCRAM_SHA_256_PLUS) => {
                (SCRAM_SHA_256_PLUS, ChannelBinding::tls_server_end_point(binding))
            }
            Some(_) if offered(SCRAM_SHA_256) => (SCRAM_SHA_256, ChannelBinding::unrequested()),
            None if offered(SCRAM_SHA_256) => (SCRAM_SHA_256, ChannelBinding::unsupported()),
            _ => return Err(UpstreamError::Authentication),
        };
        let mut scram = ScramSha256::new(password.as_bytes(), binding);
        let length = u32::try_from(scram.message().len()).unwrap_or(u32::MAX);
        let first = [mechanism.as_bytes(), &[0], &length.to_be_bytes(), scram.message()].concat();
        self.send(&encode::message(b'p', &first)).await?;
        let Backend::Authentication(11, challenge) = self.greeting().await? else {
            return Err(UpstreamError::Authentication);
        };
        scram.update(&challenge).map_err(|_| UpstreamError::Authentication)?;
        self.send(&encode::message(b'p', scram.message())).await?;
        let Backend::Authentication(12, proof) = self.greeting().await? else {
            return Err(UpstreamError::Authentication);
        };
        // The server, too, has to prove that it knows the password.
        scram.finish(&proof).map_err(|_| UpstreamError::Authentication)?;
        match self.greeting().await? {
            Backend::Authentication(0, _) => Ok(()),
            _ => Err(UpstreamError::Authentication),
        }
    }

    /// Takes settings and the key, up to the first readiness.
    async fn settle(mut self) -> Result<Upstream, UpstreamError> {
        let mut settings = Vec::new();
        let mut key = None;
        loop {
            match self.greeting().await? {
                Backend::ParameterStatus { name, value } => settings.push((name, value)),
                Backend::KeyData(process, secret) => {
                    let lengths = if self.minor >= MINOR_LONG_SECRETS {
                        SHORT_SECRET_BYTES..=SECRET_BYTES_MAX
                    } else {
                        SHORT_SECRET_BYTES..=SHORT_SECRET_BYTES
                    };
                    if !lengths.contains(&secret.len()) {
                        return Err(UpstreamError::Protocol);
                    }
                    let secret = Zeroizing::new(secret);
                    key = Some(Key { process, secret });
                }
                Backend::Notice(_) => {}
                Backend::Ready(TransactionStatus::Idle) => break,
                _ => return Err(UpstreamError::Protocol),
            }
        }
        for (setting, wanted) in SETTINGS {
            let holds = |(name, value): &(String, String)| name == setting && value == wanted;
            if !settings.iter().any(holds) {
                return Err(UpstreamError::Setting { setting });
            }
        }
        Ok(Upstream {
            incoming: self.incoming,
            target: Target::new(self.writer),
            key: key.ok_or(UpstreamError::Protocol)?,
            settings,
        })
    }
}

impl Upstream {
    async fn message(&mut self) -> Result<Backend, UpstreamError> {
        Ok(Backend::parse(&self.incoming.raw().await?)?)
    }

    /// Loads the catalog as this connection sees it.
    pub(crate) async fn catalog(&mut self) -> Result<Catalog, UpstreamError> {
        let mut tables = Vec::new();
        for query in Catalog::QUERIES {
            tables.push(self.rows(query).await?);
        }
        Ok(Catalog::from_rows(&tables)?)
    }

    async fn rows(&mut self, query: &'static str) -> Result<Vec<Vec<Option<String>>>, UpstreamError> {
        self.target.own(query).await?;
        let mut rows = Vec::new();
        loop {
            match self.message().await? {
                Backend::DataRow(cells) if rows.len() < ROWS_MAX => {
                    let text = |cell: Option<Vec<u8>>| {
                        cell.map(|cell| String::from_utf8(cell).map_err(|_| UpstreamError::Protocol))
                            .transpose()
                    };
                    rows.push(cells.into_iter().map(text).collect::<Result<_, _>>()?);
                }
                Backend::Error(fields) => return Err(refused(&fields)),
                Backend::RowDescription(_)
                | Backend::CommandComplete { .. }
                | Backend::Notice(_)
                | Backend::Notification
                | Backend::ParameterStatus { .. } => {}
                Backend::Ready(_) => return Ok(rows),
                _ => return Err(UpstreamError::Protocol),
            }
        }
    }
}

fn refused(fields: &[(u8, String)]) -> UpstreamError {
    let code = fields.iter().find(|(field, _)| *field == b'C');
    UpstreamError::Refused {
        code: code.map(|(_, code)| code.clone()).unwrap_or_default(),
    }
}
