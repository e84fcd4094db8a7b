//! Objects on their way to a store: each part is checked, recorded by its digest, and sent only then.
//!
//! The last byte waits until the whole body was right, and the store was promised the whole length: of an upload that is cut, changed or
//! carries marks of masks it makes no object.

use std::collections::VecDeque;

use exhibit_documents::{Mark, Marks, Reason};
use exhibit_gate::session::{Cleared, Data, Recorded, Sending};
use exhibit_policy::document::Reading;
use hyper::Response;
use tokio::sync::mpsc;

use super::{Arriving, Failed, Held, Open, Serving, SessionError, declared};
use crate::agent::Sent;
use crate::answer::Failure;
use crate::channel::Part;
use crate::chunked::Body;
use crate::operation::Operation;
use crate::reading::Treatment;
use crate::reply::{AT_ONCE_BYTES, Exchange};
use crate::signature::Signed;
use crate::target::{ANSWERS, TargetError, Upload};

/// Bytes of a part that is recorded and sent at once.
const PART_BYTES: usize = 1 << 20;

/// Parts that are on their way into the ledger at a time; with as many, no more of the body is read.
const PARTS_AHEAD: usize = 4;

/// Why an upload ends before its end.
enum Ended {
    /// The agent is told why.
    Refused(Failure),
    /// The session ends.
    Failed(SessionError),
    /// The store takes no more: its answer says why.
    Store,
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}

impl<E: Into<SessionError>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

type Parts = mpsc::Sender<Part<Recorded<Data>>>;

impl Serving {
    /// Sends an object on and answers.
    pub(super) async fn upload(
        self,
        mut state: Held,
        cleared: Cleared,
        object: &str,
        signed: &Signed,
        (checked, length): (Body, u64),
        mut body: Arriving,
    ) -> Result<Response<Sent>, Failed> {
        let (parts, coming) = mpsc::channel(PARTS_AHEAD);
        let seconds = self.seconds;
        let shared = std::sync::Arc::clone(&self.shared);
        let forwarding = shared
            .store
            .forward(&cleared, Upload::Streams(coming, length, declared(signed)), seconds);
        let mut forwarding = Box::pin(forwarding);
        let Some(open) = state.open.as_mut() else {
            return Err((state, SessionError::Ended));
        };
        // Where no mask is, nothing of it can be written back.
        let is_read = matches!(open.session.policy().reading(&shared.target, object), Reading::Read(_));
        let marks = is_read.then(Marks::default);
        let ended = {
            let sending = sent(open, &cleared, (checked, marks), &mut body, &parts);
            let mut sending = std::pin::pin!(sending);
            tokio::select! {
                answered = &mut forwarding => Err(answered),
                ended = &mut sending => Ok(ended),
            }
        };
        let reply = cleared.reply();
        let is_done = matches!(ended, Ok(Ok(()) | Err(Ended::Store)));
        // What of it is still to come is for nobody, and is taken in behind the answer.
        drop(body);
        // Of a store that refused already, the answer would go with its connection if its body were cut off here.
        let kept = ended.is_err().then_some(parts);
        // Else a body that closes before its promised length makes no object. Nobody waits for a store to take that in.
        let answering = is_done.then_some(forwarding);
        let exchange = Exchange {
            serving: self,
            operation: Operation::PutObject,
            bucket: None,
            object: Some(object.to_owned()),
            source: None,
            treatment: Treatment::AsItIs,
            conditions: None,
            reply,
        };
        let answered = match ended {
            // It answered before it had everything: it refuses, and what follows is for nobody.
            Err(Ok(response)) if response.status().is_success() => Err(TargetError::Connection(
                "it took an object of which it did not have all".to_owned(),
            )),
            Err(answered) => answered,
            Ok(Err(Ended::Refused(failure))) => return exchange.told(state, &failure).await,
            Ok(Err(Ended::Failed(error))) => return Err((state, error)),
            Ok(Ok(()) | Err(Ended::Store)) => match answering {
                Some(answering) => {
                    // A store that takes nothing any more is not waited for without end.
                    let answered = tokio::time::timeout(ANSWERS * 2, answering).await;
                    answered.unwrap_or(Err(TargetError::Time))
                }
                None => return Err((state, SessionError::Ended)),
            },
        };
        let answered = match answered {
            Ok(response) => exchange.answered(state, response).await,
            Err(error) => exchange.unanswered(state, &error).await,
        };
        drop(kept);
        answered
    }
}

/// Reads the body, and gives its parts to the store once they are recorded.
async fn sent(
    open: &mut Open,
    cleared: &Cleared,
    (mut checked, mut marks): (Body, Option<Marks>),
    body: &mut Arriving,
    parts: &Parts,
) -> Result<(), Ended> {
    let mut window: VecDeque<Sending> = VecDeque::new();
    let mut part = Vec::new();
    while let Some(bytes) = body.next().await? {
        stands(open)?;
        part.extend(checked.push(&bytes).map_err(Failure::from)?.into_bytes());
        while part.len() >= PART_BYTES {
            let rest = part.split_off(PART_BYTES);
            unmarked_in(&mut marks, &part).await?;
            hand_over(open, cleared, &mut part, &mut window).await?;
            part = rest;
            while window.len() >= PARTS_AHEAD {
                give(&mut window, parts).await?;
            }
        }
    }
    let whole = checked.finish().map_err(Failure::from)?;
    part.extend(whole.last().as_bytes());
    unmarked_in(&mut marks, &part).await?;
    unmarked(marks.as_mut().map(Marks::finish))?;
    if !part.is_empty() {
        hand_over(open, cleared, &mut part, &mut window).await?;
    }
    while !window.is_empty() {
        // The last part makes the object: whoever may not write it any more by then does not.
        stands(open)?;
        give(&mut window, parts).await?;
    }
    // A store that has all bytes that were promised waits for no more.
    let _ = tokio::time::timeout(ANSWERS, parts.send(Part::End)).await;
    Ok(())
}

/// Holds that the session goes on.
fn stands(open: &Open) -> Result<(), Ended> {
    match open.over(open.session.gate()) {
        Some(error) => Err(Ended::Failed(error)),
        None => Ok(()),
    }
}

async fn hand_over(
    open: &mut Open,
    cleared: &Cleared,
    part: &mut Vec<u8>,
    window: &mut VecDeque<Sending>,
) -> Result<(), Ended> {
    open.session.room().await?;
    window.push_back(open.session.send(cleared, std::mem::take(part)));
    Ok(())
}

/// Waits until the oldest part is durable, and gives it to the store.
async fn give(window: &mut VecDeque<Sending>, parts: &Parts) -> Result<(), Ended> {
    let Some(sending) = window.pop_front() else {
        return Ok(());
    };
    let recorded = sending.durable().await?;
    let sent = tokio::time::timeout(ANSWERS, parts.send(Part::More(recorded))).await;
    sent.map_err(|_| Ended::Store)?.map_err(|_| Ended::Store)
}

/// Looks for marks in a part.
async fn unmarked_in(marks: &mut Option<Marks>, part: &[u8]) -> Result<(), Failure> {
    for piece in part.chunks(AT_ONCE_BYTES) {
        unmarked(marks.as_mut().map(|marks| marks.push(piece)))?;
        // What is packed may come to much: others have their turn.
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// What carries a mark of ours overwrites values with their masks.
fn unmarked(looked: Option<Result<Option<Mark>, Reason>>) -> Result<(), Failure> {
    match looked {
        None | Some(Ok(None)) => Ok(()),
        Some(Ok(Some(_))) => Err(Failure::denied(
            "the object carries marks of masks: it would overwrite values with what stands for them; write it from unmasked data"
                .to_owned(),
        )),
        Some(Err(reason)) => Err(Failure::denied(format!(
            "whether the object carries marks of masks cannot be seen: {reason}"
        ))),
    }
}
