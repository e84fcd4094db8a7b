//! Chunks of a reply on their way: handed over as they fill, and out to the agent when they are durable, in order (P2).
//!
//! Not here: what frames are made of.

use exhibit_gate::session::Releasing;
use exhibit_policy::mask::Masked;
use exhibit_schemas::event::access::Frame;

use super::{EndStatus, Replies};
use crate::message::LONG_BYTES;
use crate::session::SessionError;

/// Bytes of frames that are recorded together: so much less than what one event holds that a chunk with the messages that
/// fill it up is one event.
pub(super) const CHUNK_BYTES: usize = 40 * 1_024;

/// Chunks under way to the ledger: enough to keep it busy while it syncs the ones before, few enough to hold in memory.
const WINDOW: usize = 16;

/// Where released frames end.
#[derive(Clone, Copy)]
pub(super) enum Ends {
    /// Between messages.
    Between,
    /// In the middle of one.
    Within,
}

impl Replies<'_> {
    pub(super) async fn push(&mut self, frame: Masked<Frame>, size: usize) -> Result<(), SessionError> {
        if size >= LONG_BYTES {
            return self.long(frame).await;
        }
        self.frames.push(frame);
        self.bytes += size;
        if self.bytes >= CHUNK_BYTES {
            self.release().await?;
        }
        Ok(())
    }

    /// Releases a long frame piece by piece: all at once it would be thousands of events.
    async fn long(&mut self, frame: Masked<Frame>) -> Result<(), SessionError> {
        if !self.frames.is_empty() {
            self.release().await?;
        }
        let mut pieces = frame.pieces(CHUNK_BYTES).peekable();
        while let Some(piece) = pieces.next() {
            self.frames.push(piece);
            let ends = match pieces.peek() {
                Some(_) => Ends::Within,
                None => Ends::Between,
            };
            self.release_to(ends).await?;
        }
        Ok(())
    }

    /// Releases everything that is there, and waits until it is out.
    pub(crate) async fn flush(&mut self) -> Result<(), SessionError> {
        self.settle().await?;
        if !self.frames.is_empty() || self.columns.is_some() {
            self.release().await?;
        }
        self.drain().await
    }

    pub(super) async fn drain(&mut self) -> Result<(), SessionError> {
        while let Some(released) = self.window.pop_front() {
            self.let_out(released).await?;
        }
        Ok(())
    }

    async fn let_out(&mut self, (releasing, ends): (Releasing, Ends)) -> Result<(), SessionError> {
        let frames = releasing.durable().await?;
        match ends {
            Ends::Between => self.agent.release(&frames).await?,
            Ends::Within => self.agent.release_part(&frames).await?,
        }
        Ok(())
    }

    pub(super) async fn release(&mut self) -> Result<(), SessionError> {
        self.release_to(Ends::Between).await
    }

    async fn release_to(&mut self, ends: Ends) -> Result<(), SessionError> {
        let frames = std::mem::take(&mut self.frames);
        self.bytes = 0;
        let columns = self.columns.take();
        self.weigh(&frames).await?;
        self.session.room().await?;
        let Some((_, reply)) = self.open.front_mut() else {
            return Err(SessionError::Unexpected);
        };
        let releasing = self.session.release(reply, columns, frames);
        self.under_way(releasing, ends).await
    }

    /// Waits for people where with these frames the reply passes a threshold. What came before goes out meanwhile.
    async fn weigh(&mut self, frames: &[Masked<Frame>]) -> Result<(), SessionError> {
        let Some((_, reply)) = self.open.front() else {
            return Err(SessionError::Unexpected);
        };
        // Heard from here on: a cancellation while the question is recorded counts, too.
        let mut cancelled = std::pin::pin!(self.cancelled.notified());
        cancelled.as_mut().enable();
        let Some(held) = self.session.weigh(reply, frames).await? else {
            return Ok(());
        };
        self.drain().await?;
        self.agent.waiting(held.question()).await?;
        // That the agent goes away, or that the proxy ends, drops this wait; the session's close says so.
        self.session.held(held, cancelled).await?;
        Ok(())
    }

    async fn under_way(&mut self, releasing: Releasing, ends: Ends) -> Result<(), SessionError> {
        self.window.push_back((releasing, ends));
        if self.window.len() > WINDOW
            && let Some(first) = self.window.pop_front()
        {
            self.let_out(first).await?;
        }
        Ok(())
    }

    /// Ends the replies to requests before that place.
    pub(super) async fn reach(&mut self, owner: usize) -> Result<(), SessionError> {
        while self.open.front().is_some_and(|(place, _)| *place < owner) {
            self.count();
            let frames = std::mem::take(&mut self.frames);
            self.weigh(&frames).await?;
            self.session.room().await?;
            let Some((_, reply)) = self.open.pop_front() else {
                break;
            };
            let columns = self.columns.take();
            let counts = std::mem::take(&mut self.counts);
            self.bytes = 0;
            let code = self.code.take();
            let releasing = self.session.finish(reply, columns, frames, self.status, code, counts);
            self.under_way(releasing, Ends::Between).await?;
            if self.failed {
                self.status = EndStatus::Skipped;
            }
        }
        Ok(())
    }
}
