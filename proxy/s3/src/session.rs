//! One connection of an agent: each request is checked, read, decided, asked about, recorded, sent on and answered before the next.
//!
//! The session of the gate is that of the connection and of whoever signs; who signs as somebody else on the same connection gets
//! another. A session that failed ends its connection.
//!
//! Not here: answers of stores ([`crate::reply`]).

mod arriving;
mod deciding;
mod error;
mod state;
mod upload;

use std::sync::Arc;

use exhibit_gate::gate::RefusedLogin;
use exhibit_gate::session::Opening;
use exhibit_identity::Admitted;
use hyper::body::Incoming;
use hyper::header::EXPECT;
use hyper::{Request, Response, Version};
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use self::arriving::Arriving;
use self::deciding::Passed;
pub(crate) use self::error::SessionError;
pub(crate) use self::state::{Open, State, Watch};
use crate::agent::{self, Sent};
use crate::analysis::{Asked, Content};
use crate::answer::Failure;
use crate::chunked::{Body, ChecksumHeaders};
use crate::listener::{Connection, Shared};
use crate::operation::Operation;
use crate::reply::Exchange;
use crate::rest::Rest;
use crate::signature::code::Code;
use crate::signature::head::Head;
use crate::signature::payload::Payload;
use crate::signature::time::UnixSeconds;
use crate::signature::{SignatureError, Signed, verify};
use crate::target::Upload;

/// The protocol's name in events.
pub(crate) const PROTOCOL: &str = "s3";

const US_PER_S: u64 = 1_000_000;

/// A request as it came, with its head as lines.
struct Came {
    method: String,
    target: String,
    lines: Vec<(String, Vec<u8>)>,
}

impl Came {
    fn of(request: Request<Incoming>) -> (Self, Incoming) {
        let (parts, body) = request.into_parts();
        let line = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
            (name.as_str().to_owned(), value.as_bytes().to_vec())
        };
        // A target with a host of its own is none: the `Host` header is what was signed.
        let target = match (parts.uri.scheme(), parts.uri.path_and_query()) {
            (None, Some(target)) => target.as_str().to_owned(),
            _ => String::new(),
        };
        let came = Self {
            method: parts.method.as_str().to_owned(),
            target,
            lines: parts.headers.iter().map(line).collect(),
        };
        (came, body)
    }

    fn lines(&self) -> Vec<(&str, &[u8])> {
        self.lines
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
            .collect()
    }
}

impl Shared {
    /// Answers one request.
    ///
    /// # Errors
    /// [`SessionError`], where the connection ends without an answer.
    pub(crate) async fn answer(
        self: Arc<Self>,
        connection: Arc<Connection>,
        request: Request<Incoming>,
    ) -> Result<Response<Sent>, SessionError> {
        let expected = request.headers().get(EXPECT);
        let waits = expected.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        let rest = Rest::new(self.streams.clone(), waits);
        let answer = self.answer_before(connection, request, &rest).await?;
        Ok(rest.behind(answer))
    }

    /// Answers one request; what nobody read of its body is in `rest` then.
    async fn answer_before(
        self: Arc<Self>,
        connection: Arc<Connection>,
        request: Request<Incoming>,
        rest: &Rest,
    ) -> Result<Response<Sent>, SessionError> {
        let is_current = request.version() == Version::HTTP_11;
        let (came, body) = Came::of(request);
        let is_head = came.method == "HEAD";
        let id = connection.request_id();
        let words = |failure: &Failure| Ok(agent::words(failure, &id, is_head, false));
        if !is_current {
            // An answer that is cut off would pass for a whole one there.
            return words(&Failure::denied("HTTP/1.0 is not served; use HTTP/1.1".to_owned()));
        }
        if came.method == "OPTIONS" {
            return words(&Failure::denied(
                "CORS is not served: no bucket of this gateway is for pages of other sites".to_owned(),
            ));
        }
        let now = self.gate.now();
        let Some(seconds) = i64::try_from(now.0 / US_PER_S).ok().and_then(UnixSeconds::new) else {
            return words(&Failure::unavailable("this machine's clock is broken".to_owned()));
        };
        if crate::sts::is_asked(&came.method, &came.target, &came.lines()) {
            return Ok(self.credentials(body, &id, seconds, &connection).await);
        }
        let lines = came.lines();
        let head = Head {
            method: &came.method,
            target: &came.target,
            headers: &lines,
        };
        let body = Arriving::new(body, rest.clone());
        let mut known = None;
        let signed = verify(&head, &self.region, seconds, |id, token| {
            let (secret, admitted) = self.signers.signer(id, token, seconds)?;
            known = Some(admitted);
            Ok(secret)
        });
        let signed = match signed {
            Ok(signed) => signed,
            Err(error) => {
                let is_temporary = lines.iter().any(|(name, _)| *name == "x-amz-security-token")
                    || came.target.contains("X-Amz-Security-Token=");
                self.not_let_in(&error, is_temporary, &connection);
                return words(&error.into());
            }
        };
        rest.of_somebody();
        let Some(admitted) = known else {
            return words(&Failure::unavailable("who signed is not known any more".to_owned()));
        };
        let mut state = Arc::clone(&connection.state).lock_owned().await;
        state.active = Instant::now();
        if state.ended.is_some() {
            return Err(SessionError::Ended);
        }
        if let Err(error) = self.admit(&mut state, admitted, &connection, &lines).await {
            return Ok(self.ended(&mut state, &error, &id, is_head));
        }
        let serving = Serving {
            shared: Arc::clone(&self),
            id: id.clone(),
            is_head,
            seconds,
        };
        let answered = serving.serve(state, &signed, &head, body).await;
        let answer = match answered {
            Ok(answer) => answer,
            Err((mut state, error)) => return Ok(self.ended(&mut state, &error, &id, is_head)),
        };
        // Where it streams, whoever streams it says when that is over.
        if let Ok(mut state) = connection.state.try_lock() {
            state.active = Instant::now();
        }
        Ok(answer)
    }

    /// Ends the session of a connection, and tells the agent why.
    fn ended(&self, state: &mut State, error: &SessionError, id: &str, is_head: bool) -> Response<Sent> {
        tracing::info!(target_name = %self.target, %error, "a session ended");
        state.ended = Some(error.reason());
        agent::words(&error.failure(), id, is_head, true)
    }

    /// Opens a session for whoever signed, unless it is the one that is open.
    async fn admit(
        &self,
        state: &mut State,
        admitted: Admitted,
        connection: &Connection,
        lines: &[(&str, &[u8])],
    ) -> Result<(), SessionError> {
        let Admitted { identity, standing } = admitted;
        if let Some(open) = &state.open
            && open.principal == identity.principal
            && open.watch.expires == identity.expires
        {
            return open.over(&self.gate).map_or(Ok(()), Err);
        }
        if let Some(open) = state.open.take() {
            open.session.close("agent").await?;
        }
        let client = lines.iter().find(|(name, _)| *name == "user-agent");
        let client = client.and_then(|(_, value)| str::from_utf8(value).ok());
        let opening = Opening {
            target: self.target.to_string(),
            protocol: PROTOCOL.to_owned(),
            principal: identity.principal.clone(),
            expires: identity.expires,
            peer: connection.peer.to_string(),
            transport: connection.transport.clone(),
            client: client.map(str::to_owned),
            settings: Vec::new(),
            stateless: true,
        };
        let watch = Arc::new(Watch {
            expires: identity.expires,
            standing,
            begun: Instant::now(),
        });
        connection.watches(Arc::clone(&watch));
        state.open = Some(Open {
            session: self.gate.open(opening).await?,
            principal: identity.principal,
            watch,
        });
        Ok(())
    }

    /// Records it where somebody was refused for who it is.
    fn not_let_in(&self, error: &SignatureError, is_temporary: bool, connection: &Connection) {
        let reason = match error {
            SignatureError::UnknownKey | SignatureError::Mismatch => "unknown",
            SignatureError::ExpiredToken => "expired",
            _ => return,
        };
        self.gate.login_refused(RefusedLogin {
            target: self.target.to_string(),
            protocol: PROTOCOL,
            peer: connection.peer.ip(),
            method: if is_temporary { "oidc" } else { "api-key" },
            reason,
            user: String::new(),
            known: false,
        });
    }
}

/// One request that is served.
pub(crate) struct Serving {
    pub(crate) shared: Arc<Shared>,
    /// Its id, for people.
    pub(crate) id: String,
    /// Only a head is answered.
    is_head: bool,
    pub(crate) seconds: UnixSeconds,
}

/// The state of the connection, in one hand.
pub(crate) type Held = OwnedMutexGuard<State>;

/// What ends a session comes with its state, so that whoever tells it holds it.
pub(crate) type Failed = (Held, SessionError);

impl Serving {
    async fn serve(
        self,
        mut state: Held,
        signed: &Signed,
        head: &Head<'_>,
        body: Arriving,
    ) -> Result<Response<Sent>, Failed> {
        let asked = match Asked::read(signed, head, &self.shared.hosts) {
            Ok(asked) => asked,
            Err(failure) => return self.unread(state, signed, failure).await,
        };
        let about = match asked.operation {
            Operation::CompleteMultipartUpload => ChecksumHeaders::OfTheObject,
            _ => ChecksumHeaders::OfTheBody,
        };
        let checked = match Body::new(signed, head, about) {
            Ok(checked) => checked,
            Err(error) => return self.unread(state, signed, error.into()).await,
        };
        let content = match (asked.operation.content(), checked.length()) {
            // Without a last byte to hold back, all of it has to be right before a store hears of it.
            (Content::Object, Some(0)) => Content::Nothing,
            (content, _) => content,
        };
        if content == Content::Object {
            let Some(length) = checked.length() else {
                let message = "an upload has to say its length; send Content-Length or x-amz-decoded-content-length";
                let failure = Failure {
                    code: Code::MissingContentLength,
                    message: message.to_owned(),
                    region: None,
                };
                return self.unread(state, signed, failure).await;
            };
            let object = asked.address.resource().unwrap_or_default();
            let passed = match self.pass(&mut state, signed, asked, None).await {
                Ok((passed, ..)) => passed,
                Err(error) => return Err((state, error)),
            };
            return match passed {
                Passed::Answered(answer) => Ok(answer),
                Passed::Cleared(cleared) => {
                    self.upload(state, *cleared, &object, signed, (checked, length), body)
                        .await
                }
            };
        }
        let (document, checksum) = match body.collected(checked, content).await {
            Ok(document) => document,
            Err(failure) => return self.unread(state, signed, failure).await,
        };
        let mut asked = asked;
        // One that followed the body stands before it now.
        let is_of_body = about == ChecksumHeaders::OfTheBody;
        if let Some(checksum) = checksum.filter(|_| document.is_some() && is_of_body) {
            let header = checksum.algorithm().header().to_owned();
            let headers = &mut asked.outgoing.headers;
            headers.entry(header).or_insert_with(|| checksum.as_text().into_bytes());
        }
        let passed = match self.pass(&mut state, signed, asked, document).await {
            Ok(passed) => passed,
            Err(error) => return Err((state, error)),
        };
        let (cleared, asked, treatment, conditions) = match passed {
            (Passed::Answered(answer), ..) => return Ok(answer),
            (Passed::Cleared(cleared), asked, treatment, conditions) => (cleared, asked, treatment, conditions),
        };
        let answered = self
            .shared
            .store
            .forward(&cleared, Upload::OfTheCommand, self.seconds)
            .await;
        let exchange = Exchange {
            serving: self,
            operation: asked.operation,
            bucket: asked.address.bucket().cloned(),
            object: asked.address.key().and_then(|_| asked.address.resource()),
            source: asked.source.as_ref().map(crate::address::Source::resource),
            treatment,
            conditions,
            reply: cleared.reply(),
        };
        match answered {
            Ok(response) => exchange.answered(state, response).await,
            Err(error) => exchange.unanswered(state, &error).await,
        }
    }
}

/// The SHA-256 that an agent signed for a body that streams.
pub(crate) const fn declared(signed: &Signed) -> Option<[u8; 32]> {
    match signed.payload() {
        Payload::Sha256(digest) => Some(digest),
        _ => None,
    }
}
