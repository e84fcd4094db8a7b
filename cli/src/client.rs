//! The ledger's API from the person's side: HTTP/1.1 over TLS 1.3 with a client certificate, one connection that is kept.
//!
//! What shows evidence needs a reading, which the ledger records first. It is good on its connection alone and for some
//! minutes; where either ends, the same reading is asked for anew. Not here: what the answers mean; each command reads its own.

use std::sync::Arc;
use std::time::Duration;

use exhibit_schemas::checkpoint::Origin;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::key::KeyError;
use exhibit_schemas::reading::{CHANNEL_LABEL, Question, READING_HEADER, READINGS_PATH};
use exhibit_startup::pem::{self, PemError};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper::header::HeaderValue;
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use serde::Deserialize;
use tokio::net::TcpStream;

use crate::config;
use crate::reader::Reader;

/// Bytes of one answer at the most: a full tile of entries, 256 of 65,537 bytes, and room for listings.
const ANSWER_BYTES_MAX: usize = 32 << 20;

/// How long a connection and an answer may take; a ledger that is asked for one thing answers at once.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Why the ledger gave no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// The address is not one.
    #[error("`{0}` is not an address of a ledger: `https://HOST:PORT` is wanted")]
    Address(String),
    /// A certificate or key is refused.
    #[error(transparent)]
    Credential(#[from] PemError),
    /// TLS cannot be set up.
    #[error("TLS: {0}")]
    Rustls(rustls::Error),
    /// Nobody answers there.
    #[error("the ledger at {address} cannot be reached: {error}")]
    Connect {
        /// The address.
        address: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The TLS handshake failed.
    #[error("no secure connection to the ledger at {address}: {error}")]
    Tls {
        /// The address.
        address: String,
        /// What was wrong.
        error: std::io::Error,
    },
    /// HTTP went wrong on the way.
    #[error("the connection to the ledger broke: {0}")]
    Http(#[from] hyper::Error),
    /// No answer in time.
    #[error("the ledger did not answer within {} s", TIMEOUT.as_secs())]
    Timeout,
    /// The answer is too long, or was cut.
    #[error("the ledger's answer to {path} is cut, or longer than {ANSWER_BYTES_MAX} bytes")]
    Body {
        /// What was asked.
        path: String,
    },
    /// A token that cannot be.
    #[error("what is there is no token: it has characters that no token has")]
    Token,
    /// A request line that cannot be.
    #[error("`{0}` cannot be asked for")]
    Path(String),
    /// The ledger refused.
    #[error("the ledger answered {path} with {status}: {text}")]
    Status {
        /// What was asked.
        path: String,
        /// HTTP status.
        status: StatusCode,
        /// What it said.
        text: String,
    },
    /// The reader's key did not sign.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The answer is not what it should be.
    #[error("the ledger's answer to {path} cannot be read: {reason}")]
    Answer {
        /// What was asked.
        path: String,
        /// What is wrong.
        reason: String,
    },
}

/// An answer.
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: StatusCode,
    /// The body.
    pub(crate) body: Bytes,
}

/// A way to a ledger.
pub(crate) struct Client {
    authority: String,
    host: ServerName<'static>,
    tls: tokio_rustls::TlsConnector,
    connection: Option<Connection>,
    wanted: Option<Wanted>,
}

/// What is read, and by whom.
struct Wanted {
    reader: Reader,
    origin: Origin,
    question: Question,
}

/// A connection to a ledger.
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// What both of its ends tell it by.
    channel: Digest,
    /// The reading that is open on it.
    reading: Option<String>,
}

/// The ledger's answer to whoever opens a reading.
#[derive(Deserialize)]
struct Opened {
    reading: String,
}

impl Client {
    /// A client that has not connected yet.
    ///
    /// # Errors
    /// [`ClientError::Address`], [`ClientError::Credential`].
    pub(crate) fn new(config: &config::Client) -> Result<Self, ClientError> {
        let bad = || ClientError::Address(config.ledger.clone());
        let uri: Uri = config.ledger.parse().map_err(|_| bad())?;
        let authority = uri.authority().ok_or_else(bad)?;
        let whole = uri.scheme_str() == Some("https") && matches!(uri.path(), "" | "/") && authority.port().is_some();
        if !whole {
            return Err(bad());
        }
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let host = ServerName::try_from(host).map_err(|_| bad())?;
        Ok(Self {
            authority: authority.to_string(),
            host,
            tls: tls(config)?,
            connection: None,
            wanted: None,
        })
    }

    /// Opens a reading: what is asked from now on is asked under it. It is recorded when this returns.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(crate) async fn read(
        &mut self,
        reader: &Reader,
        origin: &Origin,
        question: Question,
    ) -> Result<(), ClientError> {
        self.wanted = Some(Wanted {
            reader: reader.clone(),
            origin: origin.clone(),
            question,
        });
        if let Some(connection) = &mut self.connection {
            connection.reading = None;
        }
        let opened = async {
            let connection = self.reading().await?;
            self.connection = Some(connection);
            Ok(())
        };
        tokio::time::timeout(TIMEOUT, opened)
            .await
            .unwrap_or(Err(ClientError::Timeout))
    }

    /// Asks for a path; any status but 200 is an error.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(crate) async fn fetch(&mut self, path: &str) -> Result<Bytes, ClientError> {
        let answer = self.ask(Method::GET, path, Bytes::new()).await?;
        accept(path, answer)
    }

    /// Asks for a path; `None` when the ledger has nothing there.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(crate) async fn find(&mut self, path: &str) -> Result<Option<Bytes>, ClientError> {
        let answer = self.ask(Method::GET, path, Bytes::new()).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        accept(path, answer).map(Some)
    }

    /// Asks for a path and reads the answer as JSON.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(crate) async fn fetch_json<T: serde::de::DeserializeOwned>(&mut self, path: &str) -> Result<T, ClientError> {
        let body = self.fetch(path).await?;
        read_json(path, &body)
    }

    /// Sends bytes; gives the answer whatever its status is.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(crate) async fn post(&mut self, path: &str, body: Vec<u8>) -> Result<Answer, ClientError> {
        self.ask(Method::POST, path, body.into()).await
    }

    async fn ask(&mut self, method: Method, path: &str, body: Bytes) -> Result<Answer, ClientError> {
        tokio::time::timeout(TIMEOUT, self.ask_now(method, path, body))
            .await
            .unwrap_or(Err(ClientError::Timeout))
    }

    async fn ask_now(&mut self, method: Method, path: &str, body: Bytes) -> Result<Answer, ClientError> {
        let mut connection = self.reading().await?;
        let mut answer = connection
            .ask(&self.authority, method.clone(), path, body.clone(), None)
            .await?;
        // Its time is over. What shows evidence changes nothing, so it is asked once more.
        if answer.status == StatusCode::UNAUTHORIZED && self.wanted.is_some() && method == Method::GET {
            connection.reading = None;
            self.connection = Some(connection);
            connection = self.reading().await?;
            answer = connection.ask(&self.authority, method, path, body, None).await?;
        }
        self.connection = Some(connection);
        Ok(answer)
    }

    /// A connection on which the reading is open that is wanted, where one is.
    async fn reading(&mut self) -> Result<Connection, ClientError> {
        let mut connection = self.connection().await?;
        let Some(Wanted {
            reader,
            origin,
            question,
        }) = &self.wanted
        else {
            return Ok(connection);
        };
        if connection.reading.is_none() {
            let asked = reader.ask(question, origin, connection.channel)?;
            let token = reader.token();
            let answer = connection.ask(&self.authority, Method::POST, READINGS_PATH, asked.into(), token);
            let body = accept(READINGS_PATH, answer.await?)?;
            let Opened { reading } = read_json(READINGS_PATH, &body)?;
            connection.reading = Some(reading);
        }
        Ok(connection)
    }

    /// The connection of the last answer if it still stands, or a new one.
    async fn connection(&mut self) -> Result<Connection, ClientError> {
        if let Some(mut connection) = self.connection.take()
            && connection.sender.ready().await.is_ok()
        {
            return Ok(connection);
        }
        let address = self.authority.clone();
        let stream = TcpStream::connect(&self.authority).await;
        let stream = stream.map_err(|error| ClientError::Connect {
            address: address.clone(),
            error,
        })?;
        let stream = self.tls.connect(self.host.clone(), stream).await;
        let stream = stream.map_err(|error| ClientError::Tls { address, error })?;
        let (_, tls) = stream.get_ref();
        let channel = tls.export_keying_material([0; 32], CHANNEL_LABEL, None);
        let channel = Digest(channel.map_err(ClientError::Rustls)?);
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // Its errors reach the caller through the sender.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Connection {
            sender,
            channel,
            reading: None,
        })
    }
}

impl Connection {
    async fn ask(
        &mut self,
        authority: &str,
        method: Method,
        path: &str,
        body: Bytes,
        token: Option<&str>,
    ) -> Result<Answer, ClientError> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(hyper::header::HOST, authority);
        if let Some(reading) = &self.reading {
            request = request.header(READING_HEADER, reading);
        }
        if let Some(token) = token {
            let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| ClientError::Token)?;
            value.set_sensitive(true);
            request = request.header(hyper::header::AUTHORIZATION, value);
        }
        let request = request
            .body(Full::new(body))
            .map_err(|_| ClientError::Path(path.to_owned()))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|_| ClientError::Body { path: path.to_owned() })?;
        Ok(Answer {
            status,
            body: body.to_bytes(),
        })
    }
}

/// Reads an answer as JSON.
///
/// # Errors
/// [`ClientError::Answer`].
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &str, body: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(body).map_err(|error| ClientError::Answer {
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

fn accept(path: &str, answer: Answer) -> Result<Bytes, ClientError> {
    if answer.status == StatusCode::OK {
        return Ok(answer.body);
    }
    Err(ClientError::Status {
        path: path.to_owned(),
        status: answer.status,
        text: crate::output::printable(String::from_utf8_lossy(&answer.body).trim()),
    })
}

/// TLS 1.3 towards a ledger of this authority, with the client's certificate.
fn tls(config: &config::Client) -> Result<tokio_rustls::TlsConnector, ClientError> {
    let roots = pem::authorities(&config.ca)?;
    let pem::Identity { chain, key } = pem::identity(&config.certificate, &config.key)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(ClientError::Rustls)?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(ClientError::Rustls)?;
    Ok(Arc::new(tls).into())
}
