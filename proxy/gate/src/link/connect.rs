//! Streams to the ledger: mutual TLS over TCP, or a pipe inside one process.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A stream of bytes in both directions.
pub trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// A stream on its way.
pub type Connecting<'a> = Pin<Box<dyn Future<Output = io::Result<Box<dyn Transport>>> + Send + 'a>>;

/// Opens streams to the ledger's HTTP service.
///
/// Contract: each call opens a new stream and may fail; the caller tries again and limits the time.
pub trait Connect: Send + Sync {
    /// Opens a stream.
    fn connect(&self) -> Connecting<'_>;

    /// Host and port, for the request's Host header.
    fn authority(&self) -> &str;
}

/// Mutual TLS over TCP.
pub struct TlsConnect {
    authority: String,
    name: ServerName<'static>,
    tls: TlsConnector,
}

impl TlsConnect {
    /// `authority` is `host:port`; `name` is what the ledger's certificate must be for; `tls` holds our certificate.
    pub fn new(authority: String, name: ServerName<'static>, tls: Arc<rustls::ClientConfig>) -> Self {
        Self {
            authority,
            name,
            tls: TlsConnector::from(tls),
        }
    }
}

impl Connect for TlsConnect {
    fn connect(&self) -> Connecting<'_> {
        Box::pin(async {
            let stream = TcpStream::connect(&self.authority).await?;
            stream.set_nodelay(true)?;
            let stream = self.tls.connect(self.name.clone(), stream).await?;
            let stream: Box<dyn Transport> = Box::new(stream);
            Ok(stream)
        })
    }

    fn authority(&self) -> &str {
        &self.authority
    }
}

/// A pipe to a ledger in this process.
pub struct PipeConnect<F>(F);

impl<F: Fn() -> io::Result<DuplexStream> + Send + Sync> PipeConnect<F> {
    /// `open` makes a pipe, hands its other end to the ledger's service, and gives this end.
    pub fn new(open: F) -> Self {
        Self(open)
    }
}

impl<F: Fn() -> io::Result<DuplexStream> + Send + Sync> Connect for PipeConnect<F> {
    fn connect(&self) -> Connecting<'_> {
        Box::pin(async {
            let stream: Box<dyn Transport> = Box::new((self.0)()?);
            Ok(stream)
        })
    }

    fn authority(&self) -> &'static str {
        "ledger.invalid" // RFC 2606: no host; the pipe has two ends and no name
    }
}
