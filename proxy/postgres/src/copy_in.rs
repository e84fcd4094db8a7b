//! Copying in: what an agent sends after `CopyInResponse`, up to its `CopyDone` or `CopyFail`.
//!
//! Messages are put together as they come; while one part is on its way into the ledger, the next one grows. A part goes
//! to the server when its event is durable (P1), so that the end, which may commit, is never there before the evidence of
//! all data. Nothing of the data is looked at, and no more than two parts are held.
//!
//! `Sync` and `Flush` are passed over, as the server does; any other message ends the session, as it does there.
//!
//! Not here: the answers of the server (see [`crate::reply`]).

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;

use exhibit_gate::GateError;
use exhibit_gate::session::{Cleared, Data, Recorded};
use tokio::io::ReadHalf;
use tokio::sync::watch;

use crate::group::Item;
use crate::last::{Last, silent};
use crate::link::{Connection, Incoming, LinkError};
use crate::message::encode;
use crate::message::frontend::Frontend;
use crate::message::{MessageError, Raw};
use crate::reply::Replies;
use crate::session::{AHEAD_BYTES_MAX, SessionError};
use crate::upstream::{Upstream, UpstreamError};

/// Bytes of a part from which no further message is taken into it.
const PART_BYTES: usize = 1_024 * 1_024;

/// A part on its way into the ledger.
type UnderWay = Pin<Box<dyn Future<Output = Result<Recorded<Data>, GateError>> + Send>>;

/// One copy, with everything that it uses.
pub(crate) struct CopyIn<'a, 'r> {
    pub(crate) agent: &'a mut Incoming<ReadHalf<Connection>>,
    /// Messages that were taken before.
    pub(crate) held: &'a mut VecDeque<Raw>,
    pub(crate) upstream: &'a mut Upstream,
    pub(crate) replies: &'a mut Replies<'r>,
    pub(crate) command: &'a Cleared,
    /// How long the agent may stay silent.
    pub(crate) last: &'a watch::Receiver<Last>,
}

/// What happened next.
enum Next {
    Answer(u8),
    Durable(Recorded<Data>),
    Message(Frontend, Vec<u8>),
}

impl CopyIn<'_, '_> {
    /// Returns when everything was forwarded, or when the server has an error to tell.
    pub(crate) async fn run(mut self, items: &mut VecDeque<Item>) -> Result<(), SessionError> {
        let mut part: Vec<u8> = Vec::new();
        let mut ended = false;
        let mut under_way: Option<UnderWay> = None;
        loop {
            if under_way.is_none() && !part.is_empty() {
                tokio::select! {
                    biased;
                    room = self.replies.session().room() => room?,
                    () = self.agent.gone(AHEAD_BYTES_MAX) => return Err(SessionError::gone()),
                }
                let sending = self.replies.session().send(self.command, std::mem::take(&mut part));
                under_way = Some(Box::pin(sending.durable()));
            }
            if ended && under_way.is_none() {
                return Ok(());
            }
            let reads = !ended && part.len() < PART_BYTES;
            match self.next(&mut under_way, reads).await? {
                // What is on its way into the ledger was meant to pass; the server would drop it now.
                Next::Answer(b'E') => return Ok(()),
                Next::Answer(b'N' | b'S' | b'A') => {
                    let raw = self.upstream.incoming.raw().await.map_err(SessionError::target)?;
                    self.replies.take(&raw, items).await?;
                    self.replies.flush().await?;
                }
                Next::Answer(_) => return Err(SessionError::Unexpected),
                Next::Durable(data) => {
                    under_way = None;
                    self.forward(&data).await?;
                }
                Next::Message(message, exact) => match message {
                    Frontend::CopyData => part.extend(exact),
                    Frontend::CopyDone | Frontend::CopyFail => {
                        part.extend(exact);
                        // By the extended protocol the server would keep its answer until it is asked for.
                        part.extend(encode::message(b'H', &[]));
                        ended = true;
                    }
                    Frontend::Sync | Frontend::Flush => {}
                    // It leaves in the middle: the connection to the server ends without `CopyDone`, which takes all back.
                    Frontend::Terminate => return Err(SessionError::gone()),
                    _ => {
                        let tag = exact.first().copied().unwrap_or_default();
                        return Err(SessionError::Protocol(MessageError::Unknown { tag }));
                    }
                },
            }
        }
    }

    async fn next(&mut self, under_way: &mut Option<UnderWay>, reads: bool) -> Result<Next, SessionError> {
        if reads && let Some(raw) = self.held.pop_front() {
            return self.read(raw);
        }
        let durable = async {
            match under_way.as_mut() {
                Some(data) => data.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            tag = self.upstream.incoming.tag() => Ok(Next::Answer(tag.map_err(SessionError::target)?)),
            data = durable => Ok(Next::Durable(data?)),
            raw = self.agent.raw(), if reads => {
                let raw = raw.map_err(|error| match error {
                    LinkError::Io(error) => SessionError::Agent(error),
                    LinkError::Message(error) => SessionError::Protocol(error),
                })?;
                self.read(raw)
            }
            () = silent(self.last.clone()) => Err(SessionError::Idle),
        }
    }

    fn read(&self, raw: Raw) -> Result<Next, SessionError> {
        let message = Frontend::parse_in(&raw, self.upstream.encoding).map_err(SessionError::Protocol)?;
        Ok(Next::Message(message, raw.into_bytes()))
    }

    /// Sends a part. A server that waits to be read does not read either, so what it sends meanwhile is taken in.
    async fn forward(&mut self, data: &Recorded<Data>) -> Result<(), SessionError> {
        let Upstream { target, incoming, .. } = &mut *self.upstream;
        tokio::select! {
            sent = target.send(data) => sent.map_err(|error| SessionError::Target(UpstreamError::Io(error))),
            // What it said before it went is read next.
            () = incoming.gone(AHEAD_BYTES_MAX) => Ok(()),
        }
    }
}
