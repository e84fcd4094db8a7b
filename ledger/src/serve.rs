//! The API on its transports: TLS with client certificates, or one in-process stream.
//!
//! Any certificate of the configured authority may append: what is appended is signed anyway, and who may sign what is in
//! the log. Who reads evidence says so beside it ([`crate::readings`]), and only on a connection that can be told from others.

use std::sync::Arc;

use axum::{Extension, Router};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::reading::CHANNEL_LABEL;
use exhibit_startup::pem;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api::readings::Channel;
use crate::config::Tls;
use crate::error::LedgerError;

/// Connections at once; each holds some buffers, and a proxy needs one.
const CONNECTIONS_MAX: usize = 1_024;

/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// Reads the files of mutual TLS; a listener is not opened before they are good.
///
/// # Errors
/// [`LedgerError::Tls`] when a file of the configuration is refused.
pub fn acceptor(tls: &Tls) -> Result<TlsAcceptor, LedgerError> {
    Ok(TlsAcceptor::from(Arc::new(server_config(tls)?)))
}

/// Serves the API over mutual TLS until `stop`; returns when every connection has ended.
pub async fn serve(router: Router, listener: TcpListener, acceptor: TlsAcceptor, stop: CancellationToken) {
    let connections = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS_MAX));
    let tasks = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let (Ok((stream, _peer)), Ok(permit)) = (accepted, connections.clone().try_acquire_owned()) else {
            continue; // the peer went away, or there are too many: the connection ends here
        };
        let (acceptor, router, stop) = (acceptor.clone(), router.clone(), stop.clone());
        tasks.spawn(async move {
            let _permit = permit;
            let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await;
            match handshake {
                Ok(Ok(stream)) => {
                    let router = match channel(&stream) {
                        Some(channel) => router.layer(Extension(channel)),
                        None => router,
                    };
                    serve_stream(router, stream, stop).await;
                }
                Ok(Err(error)) => tracing::warn!(%error, "a TLS handshake failed"),
                Err(_) => tracing::warn!("a TLS handshake took too long"),
            }
        });
    }
    tasks.close();
    tasks.wait().await;
}

/// What both ends of a connection tell it by.
fn channel(stream: &TlsStream<TcpStream>) -> Option<Channel> {
    let (_, connection) = stream.get_ref();
    let told = connection.export_keying_material([0; 32], CHANNEL_LABEL, None);
    told.ok().map(|told| Channel(Digest(told)))
}

/// Serves the API on one stream until its end or `stop`: a TLS connection, or an in-process pipe.
pub async fn serve_stream<S>(router: Router, stream: S, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = TowerToHyperService::new(router);
    let connection = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}

fn server_config(tls: &Tls) -> Result<rustls::ServerConfig, LedgerError> {
    let refuse = |error: &dyn std::fmt::Display| LedgerError::Tls(error.to_string());
    let authorities = pem::authorities(&tls.client_ca).map_err(|error| refuse(&error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider.clone())
        .build()
        .map_err(|error| refuse(&error))?;
    let pem::Identity { chain, key } = pem::identity(&tls.certificate, &tls.key).map_err(|error| refuse(&error))?;
    rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| refuse(&error))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(|error| refuse(&error))
}
