//! The store's side: what agents ask for goes out here, and only once the gate has cleared it (P1).
//!
//! What is sent is read back from the exact bytes that were decided about and recorded, so nothing else can reach a store.

use std::time::Duration;

use bytes::Bytes;
use exhibit_gate::session::{Cleared, Data, Recorded};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, HOST, HeaderName, HeaderValue};
use hyper::{Request, Response, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::sync::{mpsc, watch};

use crate::analysis::Outgoing;
use crate::channel::{Cut, Part, Parts};
use crate::signature::credential::Region;
use crate::signature::sign::{Credentials, SignError, SignedBody, sign};
use crate::signature::time::UnixSeconds;

/// How long a store may take to answer, from the last byte of the request on.
pub(crate) const ANSWERS: Duration = Duration::from_mins(5);

/// Why a store did not answer. No variant holds what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TargetError {
    /// No connection, or it broke.
    #[error("the store cannot be reached, or its connection broke: {0}")]
    Connection(String),
    /// It took too long.
    #[error("the store did not answer within {} s", ANSWERS.as_secs())]
    Time,
    /// A request of ours that cannot be made: a mistake of ours.
    #[error("the request to the store cannot be made: {0}")]
    Request(String),
    /// It cannot be signed.
    #[error("the request to the store cannot be signed: {0}")]
    Sign(#[from] SignError),
}

/// A body on its way to a store.
pub(crate) enum Upload {
    /// What stands in the command itself.
    OfTheCommand,
    /// Parts whose events are durable, of so many bytes in all; with their SHA-256 where the agent signed it.
    Streams(mpsc::Receiver<Part<Recorded<Data>>>, u64, Option<[u8; 32]>),
}

type Sent = BoxBody<Bytes, Cut>;

/// A store.
pub(crate) struct Target {
    // Invariant: nothing is sent but requests that are cleared, and parts of their bodies that are recorded.
    client: Client<HttpsConnector<HttpConnector>, Sent>,
    base: Uri,
    authority: String,
    region: Region,
    credentials: Credentials,
}

impl Target {
    pub(crate) fn new(
        client: Client<HttpsConnector<HttpConnector>, Sent>,
        base: Uri,
        region: Region,
        credentials: Credentials,
    ) -> Self {
        let authority = base.authority().map(ToString::to_string).unwrap_or_default();
        Self {
            client,
            base,
            authority,
            region,
            credentials,
        }
    }

    /// Sends a command that is cleared, and gives the head of the answer.
    ///
    /// # Errors
    /// [`TargetError`].
    pub(crate) async fn forward(
        &self,
        command: &Cleared,
        upload: Upload,
        now: UnixSeconds,
    ) -> Result<Response<Incoming>, TargetError> {
        let (outgoing, body) = Outgoing::read(command.exact())
            .ok_or_else(|| TargetError::Request("its exact bytes are no request".to_owned()))?;
        // Of a body that is there as a whole, the store has all at once.
        let streams = matches!(upload, Upload::Streams(..));
        let (tell, mut taken) = watch::channel(!streams);
        let (body, length, signed): (Sent, Option<u64>, SignedBody) = match upload {
            Upload::OfTheCommand if body.is_empty() => {
                let length = matches!(outgoing.method.as_str(), "PUT" | "POST").then_some(0);
                let empty = Empty::new().map_err(|never| match never {}).boxed();
                (empty, length, SignedBody::Sha256(sha256(&[])))
            }
            Upload::OfTheCommand => {
                let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
                let signed = SignedBody::Sha256(sha256(body));
                let body = Full::new(Bytes::copy_from_slice(body))
                    .map_err(|never| match never {})
                    .boxed();
                (body, Some(length), signed)
            }
            Upload::Streams(parts, length, digest) => {
                let signed = digest.map_or(SignedBody::Unsigned, SignedBody::Sha256);
                let parts = Parts::new(parts, |part: Recorded<Data>| Bytes::copy_from_slice(part.exact()));
                (parts.telling(tell).boxed(), Some(length), signed)
            }
        };
        let request = self.request(&outgoing, body, length, signed, now)?;
        let late = async {
            // Whether its last part was taken, or its body is gone: from there on the store has all that it gets.
            let _ = taken.wait_for(|taken| *taken).await;
            tokio::time::sleep(ANSWERS).await;
        };
        tokio::select! {
            answer = self.client.request(request) => answer.map_err(|error| TargetError::Connection(causes(&error))),
            () = late => Err(TargetError::Time),
        }
    }

    fn request(
        &self,
        outgoing: &Outgoing,
        body: Sent,
        length: Option<u64>,
        signed: SignedBody,
        now: UnixSeconds,
    ) -> Result<Request<Sent>, TargetError> {
        let mut headers: Vec<(&str, &[u8])> = vec![("host", self.authority.as_bytes())];
        headers.extend(
            outgoing
                .headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_slice())),
        );
        let added = sign(
            &outgoing.method,
            &outgoing.target,
            &headers,
            signed,
            &self.credentials,
            &self.region,
            now,
        )?;
        let mut path = outgoing.target.canonical_path();
        let query = outgoing.target.canonical_query();
        if !query.is_empty() {
            path = format!("{path}?{query}");
        }
        let broken = |error: &dyn std::fmt::Display| TargetError::Request(error.to_string());
        let mut parts = self.base.clone().into_parts();
        parts.path_and_query = Some(path.parse().map_err(|error| broken(&error))?);
        let uri = Uri::from_parts(parts).map_err(|error| broken(&error))?;
        let mut request = Request::builder().method(outgoing.method.as_str()).uri(uri);
        let authority = HeaderValue::from_str(&self.authority).map_err(|error| broken(&error))?;
        request = request.header(HOST, authority);
        if let Some(length) = length {
            request = request.header(CONTENT_LENGTH, length);
        }
        let own = outgoing
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()));
        let added = added.iter().map(|header| (header.name, header.value.as_bytes()));
        for (name, value) in own.chain(added) {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| broken(&error))?;
            let value = HeaderValue::from_bytes(value).map_err(|error| broken(&error))?;
            request = request.header(name, value);
        }
        request.body(body).map_err(|error| broken(&error))
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).into()
}

/// An error with what caused it: the client alone says only that it failed.
fn causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}
