//! The proxy's own connection to the server: TLS, catalog, cancelling.
//!
//! How the server lets the proxy in is in [`crate::greeting`]. Only queries that are constants of this crate go out here; what agents send goes through
//! [`crate::target`], and plans are asked for in [`crate::estimate`].

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use crate::cancel::Key;
use crate::catalog::{self, Catalog, CatalogError, Definitions, Seen, SharedDefinitions};
use crate::choices::Choices;
use crate::config::Server;
use crate::encoding::Encoding;
use crate::enforce::{self, Drift, Wanted};
use crate::estimate::TRIES_MAX;
use crate::greeting::{Channel, Greeting, Ready, refused};
use crate::link::{Connection, Incoming, LinkError, Room};
use crate::message::backend::{Backend, TransactionStatus};
use crate::message::startup::MINOR_LATEST;
use crate::message::{MessageError, Raw, startup};
use crate::settled::Settled;
use crate::target::Target;

/// How long a server may take to be reached and to let the proxy in.
const CONNECT: Duration = Duration::from_secs(15);

/// How long a server may leave what it was sent unacknowledged, or answer no keepalive: its machine is gone then. To Linux that is
/// also who reads nothing for so long while something waits to be read, so it is longer than servers hold a pipeline up.
const VANISHED: Duration = Duration::from_mins(5);

/// Rows of one of the proxy's own queries at the most; the catalog refuses more.
const ROWS_MAX: usize = 1_000_001;

/// Messages that the server may send on its own during queries of the proxy's own, or notifications during a reply that goes by
/// an earlier policy; more ends the session.
pub(crate) const ASIDE_MAX: usize = 1_024;

/// Tags of what the server sends on its own.
const NOTIFICATION: u8 = b'A';
const PARAMETER_STATUS: u8 = b'S';

/// Puts the agent's limit for statements out of force for a query of the proxy's own that is a transaction of its own.
const UNTIMED: &str = "SET LOCAL statement_timeout = 0; ";

/// The same for an answer in UTF-8.
const UNTIMED_IN_UTF8: &str = "SET LOCAL statement_timeout = 0; SET LOCAL client_encoding TO 'UTF8'; ";

/// SQLSTATEs of questions about what is not installed: no such schema, no such relation, no right on it.
const MISSING: [&str; 3] = ["3F000", "42P01", "42501"];

/// The SQLSTATE of a statement that was cancelled.
const CANCELLED: &str = "57014";

/// Cancellations while the catalog is loaded after which the proxy gives up: each was asked for by the agent.
const CANCELLED_MAX: usize = 16;

/// Settings without which statements would be read in another way than the proxy reads them.
pub(crate) const ENCODING: &str = "client_encoding";
pub(crate) const STRINGS: &str = "standard_conforming_strings";

/// Makes answers to queries of the proxy's own UTF-8, where the agent has chosen another encoding.
const IN_UTF8: &str = "SET LOCAL client_encoding TO 'UTF8'";

/// Dates have to come out as ISO has them; the order in which they are read is the agent's, or the server's own.
const DATE_STYLE: &str = "datestyle";

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
    #[error("the target does not authenticate by SCRAM-SHA-256")]
    Authentication,
    #[error("the target does not offer SCRAM-SHA-256-PLUS, which channel_binding = \"require\" asks for")]
    Unbound,
    #[error(
        "no channel binding is defined for the signature of the target's certificate; set channel_binding = \"disable\""
    )]
    Certificate,
    #[error("the target refused (SQLSTATE {code})")]
    Refused { code: String },
    /// A query of the proxy's own was cancelled, or ran out of time, inside the agent's transaction, which has failed by that.
    #[error("the target cancelled a question of the proxy's own inside the agent's transaction")]
    Cancelled,
    #[error("the target ended the session (SQLSTATE {code})")]
    Ended { code: String },
    #[error("the target sent a message out of place")]
    Protocol,
    #[error("the target does not hold the setting {setting}")]
    Setting { setting: &'static str },
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// Codes that agents may be told as the server told them: about the database and the settings that they asked for, and about
/// the state of the server. Others, such as those of the proxy's own authentication, are none of theirs.
const TOLD: [&str; 11] = [
    "22023", "22P02", "3D000", "42704", "53300", "25P03", "25P04", "57P01", "57P02", "57P03", "57P05",
];

impl UpstreamError {
    /// The SQLSTATE for the agent.
    pub(crate) fn sqlstate(&self) -> &'static str {
        let told = match self {
            Self::Refused { code } | Self::Ended { code } => TOLD.iter().find(|told| **told == code.as_str()),
            _ => None,
        };
        told.copied().unwrap_or("08006")
    }
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
    /// Room for the server's long messages.
    pub(crate) room: Room,
}

/// Where a query of the proxy's own stands among the agent's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Outside of a transaction. Then the agent's own limit for statements does not hold, and its cancellation, which may be
    /// late, is not for this query.
    Idle,
    /// Inside a transaction: what would fail a statement fails the transaction.
    Transaction,
    /// The same, in a pipeline whose `Sync` is still to come.
    Pipeline,
}

/// The encoding that answers to queries of the proxy's own come in.
#[derive(Clone, Copy)]
enum Letters {
    Utf8,
    /// The agent's own, which stays as it is: the answer is ASCII, and tells which one it is.
    Agents,
}

/// A connection that is ready for queries.
pub(crate) struct Upstream {
    pub(crate) incoming: Incoming<ReadHalf<Connection>>,
    pub(crate) target: Target,
    pub(crate) key: Key,
    /// Settings as the server reported them, in order.
    pub(crate) settings: Vec<(String, String)>,
    /// The encoding of the agent's text, as the server told it last.
    pub(crate) encoding: Encoding,
    /// What the server sent on its own and was not delivered at once; it is the agent's.
    pub(crate) aside: Vec<Raw>,
    /// What the server has told last of each setting, while a command runs that is rolled back.
    pub(crate) previewed: Option<BTreeMap<String, Raw>>,
}

impl Route {
    /// Connects, and begins a session of the target's role.
    pub(crate) async fn connect(&self, database: &str, settled: &Settled) -> Result<Upstream, UpstreamError> {
        let choices = settled.choices();
        let connect = async { self.begin(database, choices).await?.settle(choices.masked()).await };
        tokio::time::timeout(CONNECT, connect)
            .await
            .map_err(|_| UpstreamError::Time)?
    }

    /// Connects, and begins a session that is not an agent's.
    pub(crate) async fn ready(&self, database: &str) -> Result<Ready, UpstreamError> {
        let ready = async { self.begin(database, &Choices::default()).await?.ready(false).await };
        tokio::time::timeout(CONNECT, ready)
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

    async fn dial(&self) -> Result<(Connection, Channel), UpstreamError> {
        let mut socket = TcpStream::connect((self.server.host.as_str(), self.server.port)).await?;
        crate::link::tune(&socket, VANISHED)?;
        let Some(connector) = &self.connector else {
            return Ok((Box::new(socket), Channel::Plain));
        };
        socket.write_all(&startup::ssl_request()).await?;
        let name = ServerName::try_from(self.server.host.clone()).map_err(|_| UpstreamError::Tls)?;
        if socket.read_u8().await? != b'S' {
            return Err(UpstreamError::Tls);
        }
        let stream = connector.connect(name, socket).await?;
        let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let end_point = certificate.and_then(|certificate| crate::tls::server_end_point(certificate));
        Ok((Box::new(stream), Channel::Tls { end_point }))
    }

    /// Asks for the latest protocol, and once more for 3.0 where the server is too old to negotiate.
    async fn begin(&self, database: &str, choices: &Choices) -> Result<Greeting, UpstreamError> {
        match self.begin_with(MINOR_LATEST, database, choices).await {
            Err(UpstreamError::Version) => self.begin_with(0, database, choices).await,
            begun => begun,
        }
    }

    async fn begin_with(&self, minor: u16, database: &str, choices: &Choices) -> Result<Greeting, UpstreamError> {
        let (connection, channel) = self.dial().await?;
        let (reader, mut writer) = tokio::io::split(connection);
        let incoming = Incoming::new(reader, self.room.clone());
        let mut parameters = vec![("user", self.server.user.as_str()), ("database", database)];
        parameters.push((STRINGS, "on"));
        parameters.extend(choices.named(ENCODING).is_none().then_some((ENCODING, "UTF8")));
        let style = choices.masked() && choices.named(DATE_STYLE).is_none();
        parameters.extend(style.then_some((DATE_STYLE, "ISO")));
        parameters.extend(
            choices
                .all()
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        );
        writer.write_all(&startup::startup(minor, &parameters)).await?;
        writer.flush().await?;
        let mut greeting = Greeting {
            incoming,
            writer,
            minor,
        };
        let first = greeting.negotiate().await?;
        greeting
            .authenticate(first, &self.password, self.server.channel_binding, channel)
            .await?;
        Ok(greeting)
    }
}

impl Upstream {
    /// The next answer. What the server sends on its own is kept for the agent.
    pub(crate) async fn raw(&mut self) -> Result<Raw, UpstreamError> {
        loop {
            let raw = self.incoming.raw().await?;
            if !matches!(raw.tag(), NOTIFICATION | PARAMETER_STATUS) {
                return Ok(raw);
            }
            let message = Backend::parse(&raw)?;
            self.told(&message)?;
            if let (Some(previewed), Backend::ParameterStatus { name, .. }) = (&mut self.previewed, message) {
                // It could say what the command has read. What is told last, once that is rolled back, is what holds.
                previewed.insert(name, raw);
                if previewed.len() > ASIDE_MAX {
                    return Err(UpstreamError::Protocol);
                }
                continue;
            }
            if self.aside.len() >= ASIDE_MAX {
                return Err(UpstreamError::Protocol);
            }
            self.aside.push(raw);
        }
    }

    /// Takes note of the encoding, where it is that which the server tells of on its own.
    pub(crate) fn told(&mut self, message: &Backend) -> Result<(), UpstreamError> {
        if let Backend::ParameterStatus { name, value } = message
            && name == ENCODING
        {
            self.encoding = Encoding::reported(value).ok_or(UpstreamError::Setting { setting: ENCODING })?;
        }
        Ok(())
    }

    /// Begins a transaction that the proxy ends, before a simple query of the agent's and between its transactions.
    pub(crate) async fn begin(&mut self) -> Result<(), UpstreamError> {
        // Only a cancellation of the agent's, which is late, hits this.
        for _ in 0..TRIES_MAX {
            self.target.own("", &["BEGIN"]).await?;
            loop {
                match Backend::parse(&self.raw().await?)? {
                    Backend::Ready(TransactionStatus::Open) => return Ok(()),
                    Backend::Ready(TransactionStatus::Idle) => break,
                    Backend::Error(_) | Backend::Notice(_) | Backend::CommandComplete { .. } => {}
                    _ => return Err(UpstreamError::Protocol),
                }
            }
        }
        Err(UpstreamError::Protocol)
    }

    /// Makes the transaction that is under way fail; gives its state where a `Sync` was due.
    pub(crate) async fn fail(&mut self, synced: bool) -> Result<Option<TransactionStatus>, UpstreamError> {
        self.target.fail(synced).await?;
        loop {
            match Backend::parse(&self.raw().await?)? {
                Backend::Error(_) if !synced => return Ok(None),
                Backend::Ready(status) if synced => return Ok(Some(status)),
                Backend::Error(_) | Backend::Notice(_) => {}
                _ => return Err(UpstreamError::Protocol),
            }
        }
    }

    /// Loads the catalog as this connection sees it; what other sessions have loaded is shared.
    pub(crate) async fn catalog(&mut self, place: Place, shared: &SharedDefinitions) -> Result<Catalog, UpstreamError> {
        let tables = self.tables(place, Catalog::state_queries()).await?;
        let [state, search_path] = tables.as_slice() else {
            return Err(UpstreamError::Protocol);
        };
        let seen = Seen::of(state)?;
        let definitions = match shared.definitions(&seen) {
            Some(definitions) => definitions,
            None => self.definitions(place, &seen, shared).await?,
        };
        Ok(Catalog::new(definitions, search_path)?)
    }

    async fn definitions(
        &mut self,
        place: Place,
        seen: &Seen,
        shared: &SharedDefinitions,
    ) -> Result<Arc<Definitions>, UpstreamError> {
        let system = match shared.system(seen) {
            Some(system) => system,
            None => shared.take_system(&self.tables(place, Catalog::system_queries()).await?)?,
        };
        Ok(shared.take(system, &self.tables(place, Catalog::own_queries()).await?)?)
    }

    /// Asks queries of the proxy's own all at once; gives the rows of each.
    async fn tables(&mut self, place: Place, queries: &'static [String]) -> Result<Vec<Vec<Raw>>, UpstreamError> {
        let queries: Vec<&'static str> = queries.iter().map(String::as_str).collect();
        self.all(place, &queries, Letters::Utf8).await
    }

    /// The same; a query that was cancelled between the agent's transactions is asked again.
    async fn all(
        &mut self,
        place: Place,
        queries: &[&'static str],
        letters: Letters,
    ) -> Result<Vec<Vec<Raw>>, UpstreamError> {
        let mut tables = self.once(place, queries, letters).await?;
        for (table, query) in tables.iter_mut().zip(queries) {
            let mut tries = 0;
            while table.is_none() && tries < CANCELLED_MAX {
                *table = self.once(place, &[query], letters).await?.pop().flatten();
                tries += 1;
            }
        }
        let whole = tables.into_iter().collect::<Option<Vec<_>>>();
        whole.ok_or_else(|| UpstreamError::Refused {
            code: CANCELLED.to_owned(),
        })
    }

    /// Asks each query once; `None` for one that was cancelled.
    async fn once(
        &mut self,
        place: Place,
        queries: &[&'static str],
        letters: Letters,
    ) -> Result<Vec<Option<Vec<Raw>>>, UpstreamError> {
        let back = match letters {
            Letters::Utf8 => self.encoding.back(),
            Letters::Agents => None,
        };
        // Between transactions each query is one by itself, and begins with it.
        let around = back.filter(|_| place != Place::Idle);
        let mut asked: Vec<&'static str> = around.iter().map(|_| IN_UTF8).collect();
        asked.extend(queries);
        asked.extend(around);
        let untimed = match back {
            None => UNTIMED,
            Some(_) => UNTIMED_IN_UTF8,
        };
        self.ask(place, &asked, untimed).await?;
        let mut tables = Vec::new();
        let mut cancelled = false;
        for _ in &asked {
            tables.push(match self.raw_rows(place).await {
                Err(UpstreamError::Refused { code }) if place == Place::Idle && code == CANCELLED => None,
                // Up to the pipeline's `Sync` nothing more is answered.
                Err(UpstreamError::Refused { code }) if place == Place::Pipeline && code == CANCELLED => {
                    return Err(UpstreamError::Cancelled);
                }
                Err(UpstreamError::Refused { code }) if place == Place::Transaction && code == CANCELLED => {
                    cancelled = true;
                    None
                }
                // The transaction has failed; what was asked together is still answered.
                Err(UpstreamError::Refused { .. }) if cancelled => None,
                rows => Some(rows?),
            });
        }
        if cancelled {
            return Err(UpstreamError::Cancelled);
        }
        if around.is_some() {
            tables.remove(0);
            tables.pop();
        }
        Ok(tables)
    }

    /// The schemas that names are looked up in.
    pub(crate) async fn search_path(&mut self, place: Place) -> Result<Vec<String>, UpstreamError> {
        let rows = self.asked(place, Catalog::SEARCH_PATH, Letters::Utf8).await?;
        Ok(catalog::schemas(&rows)?)
    }

    /// The versions of all rules, and how the transaction is isolated.
    pub(crate) async fn rules(&mut self, place: Place) -> Result<[String; 2], UpstreamError> {
        let rows = self.asked(place, Catalog::RULES, Letters::Utf8).await?;
        let [row] = rows.as_slice() else {
            return Err(UpstreamError::Protocol);
        };
        <[String; 2]>::try_from(catalog::cells(row)?).map_err(|_| UpstreamError::Protocol)
    }

    /// Asks for the settings that statements are read by: in a pipeline the server tells of a change only at its end. The
    /// encoding may be another one where there are no masks.
    pub(crate) async fn check_held(&mut self, place: Place, masked: bool) -> Result<(), UpstreamError> {
        let rows = self.asked(place, Catalog::HELD, Letters::Agents).await?;
        let found = rows.first().map_or(Ok(Vec::new()), catalog::cells)?;
        let found = |place: usize| found.get(place).map_or("", String::as_str);
        let encoding = Encoding::held(found(0), masked);
        self.encoding = encoding.ok_or(UpstreamError::Setting { setting: ENCODING })?;
        match found(1) {
            "on" => Ok(()),
            _ => Err(UpstreamError::Setting { setting: STRINGS }),
        }
    }

    /// The prepared statements that the server has: names and texts.
    pub(crate) async fn prepared(&mut self, place: Place) -> Result<HashMap<String, String>, UpstreamError> {
        let rows = self.asked(place, Catalog::PREPARED, Letters::Utf8).await?;
        let pair = |row| match <[String; 2]>::try_from(catalog::cells(row)?) {
            Ok([name, text]) => Ok((name, text)),
            Err(_) => Err(UpstreamError::Protocol),
        };
        rows.iter().map(pair).collect()
    }

    /// Whether the database masks as it has to; asked before the agent's first statement.
    pub(crate) async fn enforced(&mut self, wanted: &Wanted<'_>) -> Result<Result<(), Drift>, UpstreamError> {
        let mut answers = Vec::new();
        for query in [enforce::STANDING.as_str(), enforce::READABLE] {
            match self.asked(Place::Idle, query, Letters::Utf8).await {
                Ok(rows) => answers.push(rows.iter().map(catalog::cells).collect::<Result<Vec<_>, _>>()?),
                // There is nothing of that name, or it is not for the agents' role.
                Err(UpstreamError::Refused { code }) if MISSING.contains(&code.as_str()) => {
                    return Ok(Err(Drift::Missing));
                }
                Err(error) => return Err(error),
            }
        }
        let (readable, record) = (answers.pop().unwrap_or_default(), answers.pop().unwrap_or_default());
        Ok(enforce::agrees(record, readable, wanted))
    }

    /// Asks a query of the proxy's own.
    async fn asked(&mut self, place: Place, query: &'static str, letters: Letters) -> Result<Vec<Raw>, UpstreamError> {
        let table = self.all(place, &[query], letters).await?.pop();
        table.ok_or(UpstreamError::Protocol)
    }

    /// Sends queries of the proxy's own, all at once: a catalog is asked for in one round trip.
    async fn ask(
        &mut self,
        place: Place,
        queries: &[&'static str],
        untimed: &'static str,
    ) -> Result<(), UpstreamError> {
        match place {
            Place::Idle => self.target.own(untimed, queries).await?,
            Place::Transaction => self.target.own("", queries).await?,
            Place::Pipeline => self.target.own_within(queries).await?,
        }
        Ok(())
    }

    /// The rows that one query gives, as they came.
    async fn raw_rows(&mut self, place: Place) -> Result<Vec<Raw>, UpstreamError> {
        let mut failed = None;
        let mut closed = false;
        let mut rows = Vec::new();
        loop {
            let raw = match self.raw().await {
                Ok(raw) => raw,
                // A fatal error is the last word of the server, and tells more.
                Err(error) => return Err(failed.unwrap_or(error)),
            };
            if raw.tag() == b'D' && rows.len() < ROWS_MAX {
                rows.push(raw);
                continue;
            }
            match Backend::parse(&raw)? {
                Backend::Error(fields) if place == Place::Pipeline => return Err(refused(&fields)),
                Backend::Error(fields) => failed = Some(refused(&fields)),
                Backend::ParseComplete | Backend::BindComplete if place == Place::Pipeline => {}
                // The portal, then the statement.
                Backend::CloseComplete if place == Place::Pipeline && closed => return Ok(rows),
                Backend::CloseComplete if place == Place::Pipeline => closed = true,
                Backend::RowDescription(_) | Backend::CommandComplete { .. } | Backend::Notice(_) => {}
                Backend::Ready(_) if place != Place::Pipeline => return failed.map_or(Ok(rows), Err),
                _ => return Err(UpstreamError::Protocol),
            }
        }
    }
}
