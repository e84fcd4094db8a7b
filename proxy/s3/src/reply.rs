//! Answers of a store on their way to the agent: masked as their document says, through the session's net, recorded, and only then
//! released (P2).
//!
//! | an answer | how it is released |
//! | --- | --- |
//! | an object as it is | piece by piece as it comes |
//! | an object that is masked | piece by piece, when all of it is masked: then its length is known, and a range of it can be given |
//! | XML | whole, every text through the net |
//!
//! Not here: how documents are read, and what becomes of their values.

mod hidden;
mod kept;
mod object;
mod room;
mod stream;

pub(crate) use self::object::AT_ONCE_BYTES;
pub(crate) use self::room::Rooms;

use std::collections::{BTreeMap, VecDeque};

use exhibit_gate::session::{EndStatus, Reply, Session};
use exhibit_policy::mask::{MaskKey, Masked};
use exhibit_policy::net::{Channel, SessionNet};
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::event::access::{Frame, Principal};
use http_body_util::{BodyExt as _, Limited};
use hyper::Response;
use hyper::body::Incoming;

use self::hidden::{Hidden, MARKERS, is_caught};
use self::kept::{HOPS, PROTOCOL};
use self::stream::Content;
use crate::address::Bucket;
use crate::agent::{self, AnswerHead, Sent};
use crate::answer::Failure;
use crate::operation::Operation;
use crate::reading::{self, Conditions, Treatment};
use crate::session::{Failed, Held, Serving, SessionError};
use crate::signature::time::UnixSeconds;
use crate::target::TargetError;
use crate::xml;

/// Errors that say that a store does not know us, which are not the agent's.
const OF_OURS: [&str; 6] = [
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "AuthorizationHeaderMalformed",
];

/// A request that was sent on, and what is needed to answer it.
pub(crate) struct Exchange {
    pub(crate) serving: Serving,
    pub(crate) operation: Operation,
    pub(crate) bucket: Option<Bucket>,
    /// The object that it is about, `bucket/key`.
    pub(crate) object: Option<String>,
    /// Of a copy, the object that is copied.
    pub(crate) source: Option<String>,
    pub(crate) treatment: Treatment,
    pub(crate) conditions: Option<Conditions>,
    pub(crate) reply: Reply,
}

impl Exchange {
    /// Answers with what the store answered.
    pub(crate) async fn answered(
        self,
        mut state: Held,
        response: Response<Incoming>,
    ) -> Result<Response<Sent>, Failed> {
        let Some(open) = state.open.as_mut() else {
            return Err((state, SessionError::Ended));
        };
        let (parts, body) = response.into_parts();
        let mut head = AnswerHead {
            status: parts.status.as_u16(),
            headers: Vec::new(),
        };
        for (name, value) in &parts.headers {
            let name = name.as_str();
            if HOPS.contains(&name) {
                continue;
            }
            let is_word = PROTOCOL.contains(&name) || name.starts_with("x-amz-checksum-");
            let netted = if is_word {
                None
            } else {
                open.session.net().text(Channel::Cell, value.as_bytes())
            };
            let value = netted.unwrap_or_else(|| value.as_bytes().to_vec());
            head.headers.push((name.to_owned(), value));
        }
        let etag = self.closed(&open.session, &mut head);
        let is_object = self.operation.reads_object() && parts.status.is_success();
        match (&self.treatment, is_object) {
            (Treatment::AsItIs, true) if self.operation == Operation::GetObject => {
                let content = Content::AsItComes {
                    begun: VecDeque::new(),
                    room: None,
                    body,
                    skip: 0,
                    take: u64::MAX,
                };
                self.stream(state, head, content).await
            }
            (Treatment::AsItIs, true) => self.bodiless(state, head).await,
            (Treatment::Masked(_) | Treatment::MaskedOrPassed(_), true) => self.masked(state, head, etag, body).await,
            (_, false) => self.document(state, head, body).await,
        }
    }

    /// Takes from the head what tells hashes of an object that is not open; gives the tag that the answer is to have in place of the store's.
    fn closed(&self, session: &Session, head: &mut AnswerHead) -> Option<String> {
        let is_netted = !session.has_no_net();
        let policy = session.policy();
        let target = &self.serving.shared.target;
        let is_open = |object: &Option<String>| {
            let object = object.as_deref().unwrap_or_default();
            reading::is_open(policy.reading(target, object), is_netted)
        };
        let of_content = self.treatment != Treatment::AsItIs;
        let of_copy = self.operation.copies() && !is_open(&self.source);
        // Stores say with an error which object there is.
        let of_error = head.status >= 300 && self.object.is_some() && !is_open(&self.object);
        if !of_content && !of_copy && !of_error {
            return None;
        }
        let has_tag = head.header("etag").is_some();
        let modified = head
            .header("last-modified")
            .and_then(|value| str::from_utf8(value).ok());
        let modified = modified.and_then(UnixSeconds::parse_http);
        let name = self.object.as_deref().unwrap_or_default();
        let tag = reading::tag(session.gate().mask_key(), policy, name, modified);
        kept::of_closed(head);
        // Without a time, all of its changes would have one.
        if has_tag && modified.is_some() {
            head.headers.push(("etag".to_owned(), tag.clone().into_bytes()));
        }
        Some(tag)
    }

    /// Answers where the store did not.
    pub(crate) async fn unanswered(self, state: Held, error: &TargetError) -> Result<Response<Sent>, Failed> {
        tracing::warn!(target_name = %self.serving.shared.target, %error, "the store did not answer");
        let message = match error {
            TargetError::Connection(_) => {
                "the store cannot be reached, or broke off; whether it took the request is not known"
            }
            TargetError::Time => "the store did not answer in time; whether it took the request is not known",
            TargetError::Request(_) | TargetError::Sign(_) => {
                "the request could not be made for the store; nothing was sent"
            }
        };
        self.told(state, &Failure::unavailable(message.to_owned())).await
    }

    /// Answers with words of our own.
    pub(crate) async fn told(self, mut state: Held, failure: &Failure) -> Result<Response<Sent>, Failed> {
        let Some(open) = state.open.as_mut() else {
            return Err((state, SessionError::Ended));
        };
        match self.serving.tell(&mut open.session, self.reply, failure, None).await {
            Ok(answer) => Ok(answer),
            Err(error) => Err((state, error)),
        }
    }

    /// An answer that has a head alone, with its status in the evidence.
    async fn bodiless(self, state: Held, head: AnswerHead) -> Result<Response<Sent>, Failed> {
        self.whole(state, head, Vec::new(), BTreeMap::new()).await
    }

    /// An answer whose body is a document of the store's, or nothing.
    async fn document(self, mut state: Held, mut head: AnswerHead, body: Incoming) -> Result<Response<Sent>, Failed> {
        let Some(open) = state.open.as_mut() else {
            return Err((state, SessionError::Ended));
        };
        let limited = Limited::new(body, xml::DOCUMENT_BYTES_MAX).collect();
        let collected = tokio::time::timeout(crate::target::ANSWERS, limited).await;
        let Ok(Ok(collected)) = collected else {
            let failure =
                Failure::unavailable("the store broke off in the middle of its answer, or it is too long".to_owned());
            return self.told(state, &failure).await;
        };
        let document = collected.to_bytes();
        if matches!(head.status, 400 | 403)
            && xml::text_of(&document, "Code").is_some_and(|code| OF_OURS.contains(&code.as_str()))
        {
            tracing::error!(target_name = %self.serving.shared.target, "the store does not take the proxy's own signature");
            let failure = Failure::unavailable(
                "the store does not let the gateway in; its operator has to look at it".to_owned(),
            );
            return self.told(state, &failure).await;
        }
        let written = {
            let policy = std::sync::Arc::clone(open.session.policy());
            let principal = open.principal().clone();
            let session = &mut open.session;
            let key = session.gate().mask_key().clone();
            self.written(&policy, (&key, &principal), session.net(), &head, &document)
        };
        let Some(written) = written else {
            // A key may hold what no XML can; then a list has to be asked for with its keys encoded, as SDKs do.
            let message = "the store answered with what is no document of S3, or a page of a list ends at a name that is hidden; \
                           ask for lists with encoding-type=url, and for pages of another size";
            let failure = Failure::unavailable(message.to_owned());
            return self.told(state, &failure).await;
        };
        if written.len() != document.len() {
            // What was said of the body is said of another one.
            head.headers
                .retain(|(name, _)| !matches!(name.as_str(), "content-md5" | "etag"));
        }
        let is_head = matches!(self.operation, Operation::HeadBucket | Operation::HeadObject);
        if !is_head && !matches!(head.status, 204 | 304) {
            head.headers.retain(|(name, _)| name != "content-length");
            head.headers
                .push(("content-length".to_owned(), written.len().to_string().into_bytes()));
        }
        let frames = if written.is_empty() {
            Vec::new()
        } else {
            vec![Masked::framing(written)]
        };
        self.whole(state, head, frames, BTreeMap::new()).await
    }

    /// The document with its texts through the net, and hashes of objects that are not open replaced; `None` where it cannot be read and
    /// has to be.
    fn written(
        &self,
        policy: &Snapshot,
        (key, principal): (&MaskKey, &Principal),
        net: &mut SessionNet,
        head: &AnswerHead,
        document: &[u8],
    ) -> Option<Vec<u8>> {
        if document.is_empty() {
            return Some(Vec::new());
        }
        let is_netted = !net.is_empty();
        let lists = matches!(
            self.operation,
            Operation::ListMultipartUploads
                | Operation::ListObjects
                | Operation::ListObjectsV2
                | Operation::ListObjectVersions
        );
        if self.operation == Operation::GetBucketPolicy && head.status < 300 {
            return Some(net.text(Channel::Cell, document).unwrap_or_else(|| document.to_vec()));
        }
        let begins = self.operation == Operation::CreateMultipartUpload;
        if lists && is_netted && MARKERS.iter().any(|marker| is_caught(net, document, marker)) {
            return None;
        }
        if !lists && !begins && !self.operation.copies() && !is_netted {
            return Some(document.to_vec());
        }
        let channel = if head.status < 300 {
            Channel::Cell
        } else {
            Channel::Error
        };
        let hidden = Hidden {
            exchange: self,
            policy,
            key,
            principal,
            is_netted,
            lists,
            is_encoded: xml::is_encoded(document),
        };
        xml::netted(document, net, channel, |place, text| hidden.instead(place, text)).ok()
    }

    /// Releases an answer that is there as a whole.
    async fn whole(
        self,
        mut state: Held,
        head: AnswerHead,
        body: Vec<Masked<Frame>>,
        masked: BTreeMap<String, u64>,
    ) -> Result<Response<Sent>, Failed> {
        match self.release_whole(&mut state, head, body, masked).await {
            Ok(answer) => Ok(answer),
            Err(error) => Err((state, error)),
        }
    }

    async fn release_whole(
        self,
        state: &mut Held,
        head: AnswerHead,
        body: Vec<Masked<Frame>>,
        masked: BTreeMap<String, u64>,
    ) -> Result<Response<Sent>, SessionError> {
        let open = state.open.as_mut().ok_or(SessionError::Ended)?;
        let session = &mut open.session;
        let (status, code) = self.outcome(&head, &body);
        let mut frames = vec![Masked::framing(head.lines())];
        frames.extend(body);
        if let Some(held) = session.weigh(&self.reply, &frames).await? {
            session.held(held, std::future::pending()).await?;
        }
        session.room().await?;
        let released = session.finish(self.reply, None, frames, status, code, masked);
        let released = released.durable().await?;
        agent::whole(&released).ok_or(SessionError::Ended)
    }
}

impl Exchange {
    /// How the command ended: some operations tell that they failed behind a status of success.
    fn outcome(&self, head: &AnswerHead, body: &[Masked<Frame>]) -> (EndStatus, Option<String>) {
        if head.status >= 400 {
            return (EndStatus::Failed, Some(head.status.to_string()));
        }
        let late = matches!(
            self.operation,
            Operation::CompleteMultipartUpload
                | Operation::CopyObject
                | Operation::DeleteObjects
                | Operation::UploadPartCopy
        );
        if late
            && let [frame] = body
            && let Frame::Verbatim(document) = frame.get()
            && xml::has(&document.0, "Error")
        {
            let code = Some(xml::text_of(&document.0, "Code").unwrap_or_else(|| head.status.to_string()));
            // Of a list of objects, the others are gone.
            let ended = match self.operation {
                Operation::DeleteObjects => EndStatus::Complete,
                _ => EndStatus::Failed,
            };
            return (ended, code);
        }
        (EndStatus::Complete, Some(head.status.to_string()))
    }
}

/// Bytes of a frame.
fn length(frame: &Masked<Frame>) -> u64 {
    match frame.get() {
        Frame::Verbatim(bytes) => u64::try_from(bytes.0.len()).unwrap_or(u64::MAX),
        Frame::Row(_) => 0,
    }
}
