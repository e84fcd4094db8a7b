//! One webhook: its requests, one after the other, each tried until it is taken or expires.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use exhibit_startup::pem;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use sha2::Sha256;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::config::{Webhook, WebhookError};
use super::emergencies::is_recent;
use super::message::Waiting;
use super::{AGAIN_MIN, longer};
use crate::ledger::Ledger;

/// How long a webhook may take to answer.
const IN_TIME: Duration = Duration::from_secs(10);

/// Why a notification was not taken.
enum Failed {
    /// Not now.
    Again(String),
    /// Never, with this status.
    Refused(u16),
}

pub(super) struct Delivery {
    webhook: Webhook,
    address: Uri,
    secret: Option<Zeroizing<Vec<u8>>>,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    ledger: Ledger,
}

impl Delivery {
    pub(super) fn new(webhook: &Webhook, ledger: Ledger) -> Result<Self, WebhookError> {
        let name = || webhook.name.clone();
        let roots = match &webhook.ca {
            Some(path) => pem::authorities(path),
            None if webhook.address()?.scheme_str() == Some("http") => Ok(rustls::RootCertStore::empty()),
            None => pem::system_authorities(),
        };
        let roots = roots.map_err(|error| WebhookError::Pem { name: name(), error })?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let tls = tls.map_err(|error| WebhookError::Tls { name: name(), error })?;
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls.with_root_certificates(roots).with_no_client_auth())
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            webhook: webhook.clone(),
            address: webhook.address()?,
            secret: webhook.secret()?,
            client: Client::builder(TokioExecutor::new())
                .pool_max_idle_per_host(1)
                .build(connector),
            ledger,
        })
    }

    pub(super) async fn run(self, mut queued: mpsc::Receiver<Waiting>) {
        loop {
            let waiting = tokio::select! {
                () = self.ledger.stopping() => return,
                waiting = queued.recv() => waiting,
            };
            let Some(waiting) = waiting else { return };
            tokio::select! {
                () = self.ledger.stopping() => return,
                () = self.deliver(&waiting) => {}
            }
        }
    }

    /// Tries until the request is taken, has ended or has expired.
    async fn deliver(&self, waiting: &Waiting) {
        let body = Bytes::from(waiting.body(self.webhook.shape, self.webhook.statement));
        let (webhook, request, what) = (&self.webhook.name, waiting.leaf, waiting.what());
        let mut again = AGAIN_MIN;
        while self.waits(waiting) {
            let answer = tokio::time::timeout(IN_TIME, self.post(waiting, body.clone())).await;
            let failed = match answer {
                Ok(Ok(())) => return tracing::info!(webhook, %request, what, "a webhook was told"),
                Ok(Err(Failed::Refused(status))) => {
                    return tracing::error!(webhook, %request, what, status, "a webhook refuses to be told");
                }
                Ok(Err(Failed::Again(cause))) => cause,
                Err(_) => format!("no answer within {} s", IN_TIME.as_secs()),
            };
            tracing::warn!(webhook, %request, what, failed, "a webhook was not told, and is tried again");
            tokio::time::sleep(again).await;
            again = longer(again);
        }
        tracing::warn!(webhook, %request, what, "it is too late for what a webhook was not told");
    }

    /// Whether people can still decide, also where that cannot be read; of an emergency whether it is recent.
    fn waits(&self, waiting: &Waiting) -> bool {
        let shared = self.ledger.shared();
        if let Some(signed) = &waiting.emergency {
            return is_recent(signed.time, shared.now());
        }
        let there = shared
            .store
            .approval(waiting.leaf)
            .map_or(true, |record| record.is_some_and(|record| record.waits()));
        there
            && waiting
                .request
                .as_ref()
                .is_some_and(|request| request.expires >= shared.now())
    }

    async fn post(&self, waiting: &Waiting, body: Bytes) -> Result<(), Failed> {
        let id = waiting.event().to_string();
        let host = self.address.authority().map_or("", hyper::http::uri::Authority::as_str);
        let mut request = Request::post(&self.address)
            .header(HOST, host)
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, "exhibit");
        if let Some(secret) = &self.secret {
            let seconds = self.ledger.shared().now().0 / 1_000_000;
            request = request
                .header("webhook-id", &id)
                .header("webhook-timestamp", seconds)
                .header("webhook-signature", signature(secret, &id, seconds, &body));
        }
        let request = request.body(Full::new(body));
        let request = request.map_err(|error| Failed::Again(error.to_string()))?;
        // The address may be a secret, so errors are told without it.
        let answer = self.client.request(request).await;
        let answer = answer.map_err(|error| {
            let cause = if error.is_connect() {
                "no connection"
            } else {
                "the connection broke"
            };
            Failed::Again(cause.to_owned())
        })?;
        let status = answer.status();
        // What it does not take now it may take later; what is wrong with this one stays wrong, and others wait behind it.
        let later = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status);
        match status.as_u16() {
            200..=299 => Ok(()),
            number @ 400..=499 if !later => Err(Failed::Refused(number)),
            number => Err(Failed::Again(format!("it answers {number}"))),
        }
    }
}

/// The `webhook-signature` of a notification (Standard Webhooks, "Signature scheme"): id, time in seconds and body, joined by dots.
pub fn signature(secret: &[u8], id: &str, seconds: u64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of every length");
    mac.update(format!("{id}.{seconds}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::signature;

    /// The sample of the authors' own libraries.
    #[test]
    fn the_signature_is_that_of_standard_webhooks() {
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = signature(
            &secret,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
