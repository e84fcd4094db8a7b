//! Answers that are released piece by piece, each when its event is durable, with a bounded number of pieces under way: objects as they
//! come, and masked objects once their length is known.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use exhibit_gate::session::{EndStatus, Releasing, Reply};
use exhibit_policy::mask::Masked;
use exhibit_schemas::event::access::Frame;
use http_body_util::BodyExt as _;
use hyper::Response;
use hyper::body::{Bytes, Incoming};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::room::Room;
use super::{Exchange, length};
use crate::agent::{self, AnswerHead, Released, Sent};
use crate::channel::Part;
use crate::session::{Failed, Held, SessionError};

/// Bytes of a piece at the least, but for the last.
const PIECE_BYTES: u64 = 256 << 10;

/// Pieces on their way into the ledger at a time; with as many, no more is read.
const PIECES_AHEAD: usize = 4;

/// How long an agent may leave what it asked for unread.
const UNREAD: Duration = Duration::from_mins(5);

/// How fast an agent has to read what is kept for it, beside that time.
const READ_BYTES_PER_S: u64 = 64 << 10;

/// What is released.
pub(super) enum Content {
    /// An object as the store sends it: what of it is here, with the room that this takes, and what comes; so many bytes are left out, and so
    /// many given.
    AsItComes {
        begun: VecDeque<Bytes>,
        room: Option<Room>,
        body: Incoming,
        skip: u64,
        take: u64,
    },
    /// Frames that were masked, the counts of their masks, and the room that so many bytes take that are left.
    Masked {
        frames: VecDeque<Masked<Frame>>,
        masked: BTreeMap<String, u64>,
        room: Room,
        left: u64,
    },
}

impl Content {
    /// The next frames, of a piece or of what is left; `None` at the end.
    async fn next(&mut self) -> Result<Option<Vec<Masked<Frame>>>, SessionError> {
        match self {
            Self::AsItComes {
                begun,
                room,
                body,
                skip,
                take,
            } => {
                let (mut piece, mut count) = (Vec::new(), 0);
                while count < PIECE_BYTES && *take > 0 {
                    let Some(bytes) = more(begun, body).await? else { break };
                    if begun.is_empty() {
                        *room = None;
                    }
                    let bytes = within(bytes, skip, take);
                    count = count.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                    piece.extend_from_slice(&bytes);
                }
                Ok((!piece.is_empty()).then(|| vec![Masked::framing(piece)]))
            }
            Self::Masked { frames, room, left, .. } => {
                let (mut piece, mut bytes) = (Vec::new(), 0);
                while bytes < PIECE_BYTES {
                    let Some(frame) = frames.pop_front() else { break };
                    bytes = bytes.saturating_add(length(&frame));
                    piece.push(frame);
                }
                *left = left.saturating_sub(bytes);
                room.shrink(*left);
                Ok((!piece.is_empty()).then_some(piece))
            }
        }
    }

    /// When an agent has to have read all of what takes room that others wait for.
    fn read_by(&self) -> Option<Instant> {
        match self {
            Self::AsItComes { .. } => None,
            Self::Masked { left, .. } => {
                let reads = Duration::from_secs(left / READ_BYTES_PER_S);
                Instant::now().checked_add(UNREAD.saturating_add(reads))
            }
        }
    }

    fn masked(self) -> BTreeMap<String, u64> {
        match self {
            Self::AsItComes { .. } => BTreeMap::new(),
            Self::Masked { masked, .. } => masked,
        }
    }
}

/// The next bytes of an object.
async fn more(begun: &mut VecDeque<Bytes>, body: &mut Incoming) -> Result<Option<Bytes>, SessionError> {
    loop {
        if let Some(bytes) = begun.pop_front() {
            return Ok(Some(bytes));
        }
        let frame = tokio::time::timeout(crate::target::ANSWERS, body.frame()).await;
        match frame.map_err(|_| SessionError::Store)? {
            None => return Ok(None),
            Some(frame) => {
                if let Ok(bytes) = frame.map_err(|_| SessionError::Store)?.into_data() {
                    return Ok(Some(bytes));
                }
            }
        }
    }
}

/// What of the next bytes is given.
fn within(mut bytes: Bytes, skip: &mut u64, take: &mut u64) -> Bytes {
    let length = |bytes: &Bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let skipped = length(&bytes).min(*skip);
    *skip -= skipped;
    let mut rest = bytes.split_off(usize::try_from(skipped).unwrap_or(bytes.len()));
    let taken = length(&rest).min(*take);
    *take -= taken;
    rest.truncate(usize::try_from(taken).unwrap_or(0));
    rest
}

type Pieces = mpsc::Sender<Part<Released>>;

impl Exchange {
    /// Answers with content that follows its head.
    pub(super) async fn stream(
        self,
        mut state: Held,
        head: AnswerHead,
        content: Content,
    ) -> Result<Response<Sent>, Failed> {
        let (pieces, coming) = mpsc::channel(PIECES_AHEAD);
        let mut reply = self.reply;
        let begun = begin(&mut state, &mut reply, &head).await;
        let answer = match begun {
            Ok(released) => agent::begun(&released, coming),
            Err(error) => return Err((state, error)),
        };
        let Some(answer) = answer else {
            return Err((state, SessionError::Ended));
        };
        let status = head.status;
        self.serving.shared.streams.spawn(async move {
            if let Err(error) = released(&mut state, reply, status, content, &pieces).await {
                tracing::info!(%error, "an answer was cut off");
                state.ended = Some(error.reason());
            }
            state.active = Instant::now();
            // The channel closes here, after the state is free: a body without its last word is no whole one.
        });
        Ok(answer)
    }
}

/// Releases the head.
async fn begin(state: &mut Held, reply: &mut Reply, head: &AnswerHead) -> Result<Released, SessionError> {
    let open = state.open.as_mut().ok_or(SessionError::Ended)?;
    let session = &mut open.session;
    let frames = vec![Masked::framing(head.lines())];
    if let Some(held) = session.weigh(reply, &frames).await? {
        session.held(held, std::future::pending()).await?;
    }
    session.room().await?;
    Ok(session.release(reply, None, frames).durable().await?)
}

/// Releases the body, and ends the reply.
async fn released(
    state: &mut Held,
    mut reply: Reply,
    status: u16,
    mut content: Content,
    pieces: &Pieces,
) -> Result<(), SessionError> {
    let mut window: VecDeque<Releasing> = VecDeque::new();
    let read_by = content.read_by();
    loop {
        let open = state.open.as_mut().ok_or(SessionError::Ended)?;
        if let Some(error) = open.over(open.session.gate()) {
            return Err(error);
        }
        // Nothing is waited for that nobody reads, or for whom nobody waits.
        let next = tokio::select! {
            // Who has all that was promised reads no more, and the end is there all the same.
            biased;
            next = content.next() => next?,
            () = pieces.closed() => return Err(SessionError::Agent),
        };
        let session = &mut open.session;
        session.room().await?;
        let Some(frames) = next else {
            let code = Some(status.to_string());
            let masked = content.masked();
            window.push_back(session.finish(reply, None, Vec::new(), EndStatus::Complete, code, masked));
            break;
        };
        if let Some(held) = session.weigh(&reply, &frames).await? {
            session.held(held, pieces.closed()).await?;
            session.room().await?;
        }
        window.push_back(session.release(&mut reply, None, frames));
        while window.len() >= PIECES_AHEAD {
            give(&mut window, pieces, read_by).await?;
        }
    }
    while !window.is_empty() {
        give(&mut window, pieces, read_by).await?;
    }
    // Who has all bytes that were promised waits for no more.
    let _ = tokio::time::timeout(UNREAD, pieces.send(Part::End)).await;
    Ok(())
}

/// Waits until the oldest piece is durable, and gives it to the agent.
async fn give(window: &mut VecDeque<Releasing>, pieces: &Pieces, read_by: Option<Instant>) -> Result<(), SessionError> {
    let Some(releasing) = window.pop_front() else {
        return Ok(());
    };
    let released = releasing.durable().await?;
    if released.frames().is_empty() {
        return Ok(());
    }
    let unread = Instant::now() + UNREAD;
    let by = read_by.map_or(unread, |by| by.min(unread));
    let sent = tokio::time::timeout_at(by, pieces.send(Part::More(released))).await;
    sent.map_err(|_| SessionError::Agent)?.map_err(|_| SessionError::Agent)
}

#[cfg(test)]
mod tests {
    use hyper::body::Bytes;

    use super::within;

    #[test]
    fn a_window_is_cut_from_bytes_however_they_come() {
        for pieces in [vec![10], vec![1; 10], vec![3, 4, 3], vec![0, 10, 0]] {
            let (mut skip, mut take, mut at) = (2, 5, 0_u8);
            let mut given = Vec::new();
            for size in pieces {
                let bytes: Vec<u8> = (at..at + size).collect();
                at += size;
                given.extend(within(Bytes::from(bytes), &mut skip, &mut take));
            }
            assert_eq!(given, [2, 3, 4, 5, 6]);
        }
    }
}
