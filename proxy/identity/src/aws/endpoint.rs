//! The endpoints of STS that are asked, and who comes with a request to one of them.
//!
//! Nothing is kept of an answer: whether a request is good is asked each time, of who knows the keys.

use std::collections::BTreeMap;

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::event::access::{AWS_IAM, Principal};
use hyper::Uri;
use hyper::header::{ACCEPT, HeaderName, HeaderValue};
use hyper::http::uri::PathAndQuery;
use tokio::sync::Semaphore;

use super::answer::{AnswerError, Caller};
use super::config::Config;
use super::presigned::{FormError, Presigned};
use super::{AUDIENCE_HEADER, PREFIX};
use crate::Identity;
use crate::fetch::{Fetch, FetchError};
use crate::once::{Once, Shown};

/// The `method` of a principal that came with a signed request; roles match on it.
pub const METHOD: &str = AWS_IAM;

/// Questions that an endpoint is asked at one time at the most: whoever reaches the proxy can have it ask.
const ASKED_AT_ONCE_MAX: usize = 32;

/// Microseconds that our clock may be behind the caller's.
const SKEW_US: u64 = 30_000_000;

/// Why a token lets nobody in. Nothing of it is repeated.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum AwsError {
    /// It is no request that would be sent.
    #[error("{0}")]
    Form(#[from] FormError),
    /// For an endpoint that is not asked.
    #[error("it is a request to an endpoint or region of STS that is not in this proxy's configuration")]
    Endpoint,
    /// Its time has not come.
    #[error("it is not valid yet; is this machine's clock right?")]
    Early,
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// Shown before, where one is good once.
    #[error("it was used before")]
    Again,
    /// Nothing can be said of whether it was used before.
    #[error("whether it was used before is not known: {0}")]
    Unsure(&'static str),
    /// The endpoint does not take it.
    #[error(
        "STS does not take it: it was signed for another audience, by no valid key, or too long ago (HTTP status {0})"
    )]
    Refused(u16),
    /// The endpoint does not answer.
    #[error("STS cannot be asked: {0}")]
    Fetch(#[from] FetchError),
    /// The endpoint answers something else.
    #[error("{0}")]
    Answer(#[from] AnswerError),
    /// Somebody who is not taken.
    #[error("its account, role or user is not in this proxy's configuration")]
    Caller,
}

/// The endpoints that are asked, by host and port.
#[derive(Debug, Default)]
pub struct Endpoints(BTreeMap<String, Endpoint>);

#[derive(Debug)]
struct Endpoint {
    config: Config,
    url: Uri,
    audience: HeaderValue,
    fetch: Fetch,
    asked: Semaphore,
    once: Once,
    /// When this process began to remember.
    since: Timestamp,
}

impl Endpoints {
    /// Asks an endpoint from here on; `since` is the time at which this process starts.
    ///
    /// Returns false for one that is configured already, and for a section that was not [resolved](Config::resolved).
    #[must_use]
    pub fn add(&mut self, config: Config, tls: rustls::ClientConfig, since: Timestamp) -> bool {
        let (Some(url), Ok(audience)) = (config.endpoint(), HeaderValue::try_from(&config.audience)) else {
            return false;
        };
        let Some(authority) = url.authority().map(ToString::to_string) else {
            return false;
        };
        let endpoint = Endpoint {
            url,
            audience,
            fetch: Fetch::new(tls),
            asked: Semaphore::new(ASKED_AT_ONCE_MAX),
            once: Once::default(),
            since,
            config,
        };
        self.0.insert(authority, endpoint).is_none()
    }

    /// Who signed a token.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn identify(&self, token: &str, now: Timestamp) -> Result<Identity, AwsError> {
        let presigned = Presigned::read(token)?;
        let endpoint = self.0.get(&presigned.authority).ok_or(AwsError::Endpoint)?;
        if presigned.region != endpoint.config.region {
            return Err(AwsError::Endpoint);
        }
        if presigned.from.0 > now.0.saturating_add(SKEW_US) {
            return Err(AwsError::Early);
        }
        if now >= presigned.until {
            return Err(AwsError::Expired);
        }
        let caller = endpoint.caller(&presigned).await?;
        if !endpoint.takes(&caller) {
            return Err(AwsError::Caller);
        }
        // Only what is good is remembered, so nobody fills the memory who has no key.
        endpoint.first(&presigned, now)?;
        Ok(Identity {
            principal: Principal {
                method: METHOD.to_owned(),
                issuer: caller.account_arn,
                subject: caller.arn,
                client_id: Some(caller.unique_id),
                groups: Vec::new(),
                evidence: unsigned(&presigned.query),
                run: None,
            },
            expires: Some(presigned.until),
        })
    }
}

impl Endpoint {
    /// Sends the request, with what this proxy is called.
    async fn caller(&self, presigned: &Presigned) -> Result<Caller, AwsError> {
        let mut parts = self.url.clone().into_parts();
        let query = format!("/?{}", presigned.query.as_str());
        let query = PathAndQuery::try_from(query).map_err(|_| FormError::Encoding)?;
        parts.path_and_query = Some(query);
        let url = Uri::from_parts(parts).map_err(|_| FormError::Encoding)?;
        let headers = vec![
            (ACCEPT, HeaderValue::from_static("text/xml")),
            (HeaderName::from_static(AUDIENCE_HEADER), self.audience.clone()),
        ];
        let asking = self.asked.acquire().await;
        // The URL of the configuration: that of the request has the signature in it.
        let answer = self.fetch.answer(&url, &self.url.to_string(), headers).await;
        drop(asking);
        match answer {
            Ok(answer) => Ok(Caller::read(&answer)?),
            Err(FetchError::Status { status, .. }) if [400, 403].contains(&status) => Err(AwsError::Refused(status)),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether somebody is taken on the endpoint's word.
    fn takes(&self, caller: &Caller) -> bool {
        let Config { accounts, arns, .. } = &self.config;
        let listed = |list: &Vec<String>| list.contains(&caller.arn);
        accounts.contains(&caller.account) && arns.as_ref().is_none_or(listed)
    }

    /// Holds that a request is shown for the first time, where it is good once only.
    fn first(&self, presigned: &Presigned, now: Timestamp) -> Result<(), AwsError> {
        if !self.config.once {
            return Ok(());
        }
        if presigned.from < self.since {
            return Err(AwsError::Unsure(
                "it was signed before this proxy was started; sign a new one",
            ));
        }
        match self.once.show(&presigned.signature, presigned.until, now) {
            Shown::First => Ok(()),
            Shown::Again => Err(AwsError::Again),
            Shown::Full => Err(AwsError::Unsure("too many are good at this time")),
        }
    }
}

/// Digest of a request without its signature and its session token.
fn unsigned(query: &str) -> Digest {
    let public = |pair: &&str| !pair.starts_with("X-Amz-Signature=") && !pair.starts_with("X-Amz-Security-Token=");
    let pairs: Vec<&str> = query.split('&').filter(public).collect();
    Digest::of([PREFIX, &pairs.join("&")].concat().as_bytes())
}
