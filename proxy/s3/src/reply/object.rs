//! Masked objects: read as their document, and given whole once all of it is masked, so that length, ranges and tags are true of what an
//! agent gets.

use std::collections::BTreeMap;
use std::sync::Arc;

use exhibit_documents::{DocumentError, Masker};
use exhibit_gate::session::Session;
use exhibit_policy::mask::Masked;
use exhibit_schemas::event::access::Frame;
use http_body_util::BodyExt as _;
use hyper::Response;
use hyper::body::{Body as _, Bytes, Incoming};

use super::room::Room;
use super::stream::Content;
use super::{Exchange, length};
use crate::agent::{AnswerHead, Sent};
use crate::answer::Failure;
use crate::reading::{Conditions, Treatment};
use crate::session::{Failed, Held, SessionError};
use crate::signature::code::Code;
use crate::signature::time::UnixSeconds;

/// Bytes of a masked object that is kept until all of it is masked, at the most. Past it an object is refused, unless its masks keep its
/// length.
pub(super) const KEPT_BYTES_MAX: u64 = 64 << 20;

/// Bytes that are read at once: what they unpack to is some two hundred times as much at the most.
pub(crate) const AT_ONCE_BYTES: usize = 16 << 10;

/// Why an object is not given.
enum Refused {
    /// It cannot be read as its document.
    Document(DocumentError),
    /// It is too long.
    Long,
    /// The store broke off.
    Store,
}

impl Refused {
    fn failure(&self, document: &str) -> Failure {
        match self {
            Self::Document(error) => Failure::denied(format!(
                "the object cannot be masked as the policy's document `{document}` says: {error}"
            )),
            Self::Long => Failure::denied(format!(
                "the object has more than the {KEPT_BYTES_MAX} bytes of which masks of another length are made at once"
            )),
            Self::Store => Failure::unavailable("the store broke off in the middle of its answer".to_owned()),
        }
    }
}

/// What an object came to.
enum Came {
    Masked(Vec<Masked<Frame>>, BTreeMap<String, u64>),
    /// It could not be read, and holds no PHI: as it is.
    AsItIs(Vec<Bytes>),
    /// The same, and more of it is to come.
    Opaque(Vec<Bytes>),
}

impl Exchange {
    /// Answers with a masked object.
    pub(super) async fn masked(
        mut self,
        mut state: Held,
        mut head: AnswerHead,
        tag: Option<String>,
        mut body: Incoming,
    ) -> Result<Response<Sent>, Failed> {
        let (document, may_pass) = match &self.treatment {
            Treatment::Masked(document) => (document.clone(), false),
            Treatment::MaskedOrPassed(document) => (document.clone(), true),
            Treatment::AsItIs => return Err((state, SessionError::Ended)),
        };
        let Some(open) = state.open.as_mut() else {
            return Err((state, SessionError::Ended));
        };
        let conditions = self.conditions.take().unwrap_or_default();
        let said = body.size_hint().exact();
        let policy = Arc::clone(open.session.policy());
        let target = Arc::clone(&self.serving.shared.target);
        let tag = tag.unwrap_or_default();
        let modified = head
            .header("last-modified")
            .and_then(|value| str::from_utf8(value).ok());
        match conditions.unmet(&tag, modified.and_then(UnixSeconds::parse_http)) {
            Some(304) => {
                head.status = 304;
                return self.bodiless(state, head).await;
            }
            Some(_) => {
                let failure = Failure {
                    code: Code::PreconditionFailed,
                    message: "At least one of the pre-conditions you specified did not hold".to_owned(),
                    region: None,
                };
                return self.told(state, &failure).await;
            }
            None => {}
        }
        // Of one whose length is not said, it may be the most.
        let most = said.unwrap_or(KEPT_BYTES_MAX).min(KEPT_BYTES_MAX);
        let rooms = &self.serving.shared.rooms;
        let Some(room) = rooms.take(open.principal(), most).await else {
            let failure = Failure::unavailable("too much is masked at once; try again later".to_owned());
            return self.told(state, &failure).await;
        };
        let key = open.session.gate().mask_key().clone();
        let reader = Masker::new(&policy, &target, &document, key);
        let came = read(&mut open.session, reader, &mut body, (may_pass, said.is_some())).await;
        let (frames, masked) = match came {
            Ok(Came::Masked(frames, masked)) => (frames, masked),
            Ok(Came::Opaque(begun)) => {
                let content = (begun, body, room);
                return self.opaque(state, head, &conditions, said, content).await;
            }
            Ok(Came::AsItIs(pieces)) => (
                pieces
                    .into_iter()
                    .map(|piece| Masked::framing(piece.to_vec()))
                    .collect(),
                BTreeMap::new(),
            ),
            Err(refused) => {
                let failure = refused.failure(&document.name);
                return self.told(state, &failure).await;
            }
        };
        let bytes = frames.iter().map(length).fold(0, u64::saturating_add);
        head.headers.push(("accept-ranges".to_owned(), b"bytes".to_vec()));
        let (frames, masked, count) = match conditions.range.map(|range| range.within(bytes)) {
            None => (frames, masked, bytes),
            Some(Some((first, count))) => {
                head.status = 206;
                let last = first.saturating_add(count).saturating_sub(1);
                let range = format!("bytes {first}-{last}/{bytes}");
                head.headers.push(("content-range".to_owned(), range.into_bytes()));
                // How many values of a part are masks, nobody has counted.
                (part(frames, first, count), BTreeMap::new(), count)
            }
            Some(None) => return self.told(state, &unsatisfiable()).await,
        };
        head.headers
            .push(("content-length".to_owned(), count.to_string().into_bytes()));
        if conditions.head {
            return self.bodiless(state, head).await;
        }
        let content = Content::Masked {
            frames: frames.into(),
            masked,
            room,
            left: count,
        };
        self.stream(state, head, content).await
    }

    /// Answers with an object that could not be read and passes, of which the beginning is here.
    async fn opaque(
        self,
        state: Held,
        mut head: AnswerHead,
        conditions: &Conditions,
        said: Option<u64>,
        (begun, body, room): (Vec<Bytes>, Incoming, Room),
    ) -> Result<Response<Sent>, Failed> {
        let Some(bytes) = said else {
            let failure = Refused::Long.failure("of an object whose length the store does not say");
            return self.told(state, &failure).await;
        };
        let (first, count) = match conditions.range.map(|range| range.within(bytes)) {
            None => (0, bytes),
            Some(Some((first, count))) => {
                head.status = 206;
                let last = first.saturating_add(count).saturating_sub(1);
                let range = format!("bytes {first}-{last}/{bytes}");
                head.headers.push(("content-range".to_owned(), range.into_bytes()));
                (first, count)
            }
            Some(None) => return self.told(state, &unsatisfiable()).await,
        };
        head.headers
            .push(("content-length".to_owned(), count.to_string().into_bytes()));
        if conditions.head {
            return self.bodiless(state, head).await;
        }
        let content = Content::AsItComes {
            begun: begun.into(),
            room: Some(room),
            body,
            skip: first,
            take: count,
        };
        self.stream(state, head, content).await
    }
}

/// Reads the whole object through the masks.
async fn read(
    session: &mut Session,
    mut reader: Masker,
    body: &mut Incoming,
    (may_pass, has_length): (bool, bool),
) -> Result<Came, Refused> {
    let (mut frames, mut raw) = (Vec::new(), Vec::new());
    let (mut kept, mut made, mut counted, mut fault) = (0_u64, 0_u64, 0, None);
    while let Some(frame) = tokio::time::timeout(crate::target::ANSWERS, body.frame())
        .await
        .map_err(|_| Refused::Store)?
    {
        let Ok(bytes) = frame.map_err(|_| Refused::Store)?.into_data() else {
            continue;
        };
        for piece in bytes.chunks(AT_ONCE_BYTES) {
            if fault.is_some() {
                break;
            }
            match reader.push(piece, session.net()) {
                Ok(more) => frames.extend(more),
                Err(error) if may_pass => fault = Some(error),
                Err(error) => return Err(Refused::Document(error)),
            }
            // What is packed may come to much: others have their turn.
            tokio::task::yield_now().await;
        }
        kept = kept.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if may_pass {
            raw.push(bytes);
        }
        made = made.saturating_add(frames.iter().skip(counted).map(length).fold(0, u64::saturating_add));
        counted = frames.len();
        // What cannot be read, and holds no PHI, passes as it is, however long it is: nothing of it has to be kept.
        if fault.is_some() && has_length {
            return Ok(Came::Opaque(raw));
        }
        if kept.max(made) > KEPT_BYTES_MAX {
            return Err(Refused::Long);
        }
    }
    if fault.is_none() {
        match reader.finish(session.net()) {
            Ok(more) => frames.extend(more),
            Err(error) if may_pass => fault = Some(error),
            Err(error) => return Err(Refused::Document(error)),
        }
    }
    if fault.is_some() {
        return Ok(Came::AsItIs(raw));
    }
    Masked::spread(&mut frames);
    Ok(Came::Masked(frames, reader.masked()))
}

/// The frames of so many bytes from a first one on.
fn part(frames: Vec<Masked<Frame>>, first: u64, count: u64) -> Vec<Masked<Frame>> {
    let (mut at, end) = (0_u64, first.saturating_add(count));
    let mut kept = Vec::new();
    for frame in frames {
        let begins = at;
        at = at.saturating_add(length(&frame));
        if at <= first || begins >= end {
            continue;
        }
        let from = usize::try_from(first.saturating_sub(begins)).unwrap_or(usize::MAX);
        let to = usize::try_from(end.min(at) - begins).unwrap_or(usize::MAX);
        kept.push(frame.part(from..to));
    }
    kept
}

fn unsatisfiable() -> Failure {
    Failure {
        code: Code::InvalidRange,
        message: "The requested range is not satisfiable".to_owned(),
        region: None,
    }
}
