//! Fetches documents of who vouches for callers: small, in time, over TLS, and never from elsewhere than asked.
//!
//! Not here: what stands in them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use exhibit_startup::pem;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, HOST, HeaderName, HeaderValue, USER_AGENT};
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
        let url = uri.to_string();
        let mut headers = vec![(ACCEPT, HeaderValue::from_static("application/json"))];
        if let Some(bearer) = bearer {
            let value = HeaderValue::try_from(format!("Bearer {bearer}"));
            let value = value.map_err(|error| failed(&url, error.to_string()))?;
            headers.push((AUTHORIZATION, value));
        }
        self.answer(uri, &url, headers).await
    }

    /// What is answered at a URL, which errors call by that name.
    pub(crate) async fn answer(
        &self,
        uri: &Uri,
        name: &str,
        headers: Vec<(HeaderName, HeaderValue)>,
    ) -> Result<Bytes, FetchError> {
        let fetching = tokio::time::timeout(IN_TIME, self.ask(uri, name, headers));
        fetching.await.map_err(|_| FetchError::Time { url: name.to_owned() })?
    }

    async fn ask(&self, uri: &Uri, name: &str, headers: Vec<(HeaderName, HeaderValue)>) -> Result<Bytes, FetchError> {
        let host = uri.authority().map_or("", hyper::http::uri::Authority::as_str);
        let mut request = Request::get(uri).header(HOST, host).header(USER_AGENT, "exhibit");
        for (header, value) in headers {
            request = request.header(header, value);
        }
        let request = request.body(Empty::new());
        let request = request.map_err(|error| failed(name, error.to_string()))?;
        let response = self.client.request(request).await;
        let response = response.map_err(|error| failed(name, chain(&error)))?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status {
                url: name.to_owned(),
                status: response.status().as_u16(),
            });
        }
        let body = Limited::new(response.into_body(), DOCUMENT_BYTES_MAX).collect().await;
        body.map(http_body_util::Collected::to_bytes)
            .map_err(|error| failed(name, error.to_string()))
    }
}

fn failed(name: &str, cause: String) -> FetchError {
    FetchError::Connection {
        url: name.to_owned(),
        cause,
    }
}

/// TLS that trusts the authorities of a file, or those of the system.
pub(crate) fn tls(authorities: Option<&Path>) -> Result<rustls::ClientConfig, String> {
    let roots = match authorities {
        Some(path) => pem::authorities(path),
        None => pem::system_authorities(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let tls = tls.map_err(|error| error.to_string())?;
    let roots = roots.map_err(|error| error.to_string())?;
    Ok(tls.with_root_certificates(roots).with_no_client_auth())
}

/// An error with what caused it: the client alone says only that it failed.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}
