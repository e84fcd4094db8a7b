//! Fetches an issuer's documents: small, in time, over TLS, and never from elsewhere than asked.
//!
//! Not here: what stands in them.

use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, HOST, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// Bytes of a document at the most; a set of a hundred keys of RSA has some 50 KiB.
const DOCUMENT_BYTES_MAX: usize = 256 << 10;

/// How long a document may take.
const IN_TIME: Duration = Duration::from_secs(5);

/// Why a document was not fetched.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum FetchError {
    /// No connection, or it broke.
    #[error("{url} cannot be fetched: {cause}")]
    Connection {
        /// The document.
        url: String,
        /// What the connection says.
        cause: String,
    },
    /// It took too long.
    #[error("{url} was not there after {} s", IN_TIME.as_secs())]
    Time {
        /// The document.
        url: String,
    },
    /// Another answer than the document; redirections are not followed.
    #[error("{url} answers {status}")]
    Status {
        /// The document.
        url: String,
        /// The status.
        status: u16,
    },
}

/// Fetches over connections that trust one set of authorities.
#[derive(Clone)]
pub(crate) struct Fetch {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

impl std::fmt::Debug for Fetch {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Fetch")
    }
}

impl Fetch {
    /// With TLS as configured.
    pub(crate) fn new(tls: rustls::ClientConfig) -> Self {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .build();
        Self {
            client: Client::builder(TokioExecutor::new())
                // Documents are fetched hours apart.
                .pool_max_idle_per_host(0)
                .build(connector),
        }
    }

    /// The document at a URL; `bearer` is what the caller is known by there, if it has to be.
    pub(crate) async fn document(&self, uri: &Uri, bearer: Option<&str>) -> Result<Bytes, FetchError> {
        let url = || uri.to_string();
        let fetching = tokio::time::timeout(IN_TIME, self.get(uri, bearer));
        fetching.await.map_err(|_| FetchError::Time { url: url() })?
    }

    async fn get(&self, uri: &Uri, bearer: Option<&str>) -> Result<Bytes, FetchError> {
        let failed = |cause: String| FetchError::Connection {
            url: uri.to_string(),
            cause,
        };
        let host = uri.authority().map_or("", hyper::http::uri::Authority::as_str);
        let mut request = Request::get(uri)
            .header(HOST, host)
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, "exhibit");
        if let Some(bearer) = bearer {
            request = request.header(AUTHORIZATION, format!("Bearer {bearer}"));
        }
        let request = request.body(Empty::new()).map_err(|error| failed(error.to_string()))?;
        let response = self
            .client
            .request(request)
            .await
            .map_err(|error| failed(chain(&error)))?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status {
                url: uri.to_string(),
                status: response.status().as_u16(),
            });
        }
        let body = Limited::new(response.into_body(), DOCUMENT_BYTES_MAX).collect().await;
        body.map(http_body_util::Collected::to_bytes)
            .map_err(|error| failed(error.to_string()))
    }
}

/// An error with what caused it: the client alone says only that it failed.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}
