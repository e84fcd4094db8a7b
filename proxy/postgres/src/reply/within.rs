//! Replies to a simple query that runs in a transaction of the proxy's own, because what it changes is counted before it may last.
//!
//! The agent is told what it would be told without that: of a query that commits by itself the server says that its last statement is
//! complete when that is committed, and says an error of the commit in the place of it (PostgreSQL documentation, "Message Flow";
//! `exec_simple_query` of the server).
//!
//! Not here: when there is such a transaction (see [`crate::session`]), and counting.

use std::collections::VecDeque;

use tokio::io::AsyncRead;

use super::Replies;
use crate::group::{Answer, Item};
use crate::link::Incoming;
use crate::message::backend::{Backend, TransactionStatus};
use crate::session::SessionError;

/// What ends the transaction.
const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";

/// A transaction of the proxy's own around a simple query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    /// There is none.
    None,
    /// The query is under way.
    Begun,
    /// It has ended, and left the transaction so.
    Ended(TransactionStatus),
}

impl Replies<'_> {
    /// The query has ended: what the server is to be asked next, if there is such a transaction.
    ///
    /// # Errors
    /// Where nothing may be committed any more, or the transaction is not what it was.
    pub(crate) fn ends_own(&mut self) -> Result<Option<&'static str>, SessionError> {
        match self.own {
            Own::Ended(TransactionStatus::Open) if !self.failed => {
                self.session.commits()?;
                Ok(Some(COMMIT))
            }
            Own::Ended(TransactionStatus::Failed) => Ok(Some(ROLLBACK)),
            Own::None => Ok(None),
            // The server has ended the session, and says so.
            Own::Begun if self.fatal => Ok(None),
            Own::Begun | Own::Ended(_) => Err(SessionError::Unexpected),
        }
    }

    /// Takes the answers to that.
    pub(crate) async fn own_ended<R: AsyncRead + Unpin>(
        &mut self,
        incoming: &mut Incoming<R>,
        items: &mut VecDeque<Item>,
    ) -> Result<(), SessionError> {
        loop {
            let raw = self.raw(incoming).await?;
            let Some(message) = self.aside(&raw).await? else {
                continue;
            };
            match message {
                Backend::Error(fields) => {
                    // It was not complete after all.
                    self.complete = None;
                    self.late.clear();
                    if self.error(&raw, &fields, items).await?.is_some() {
                        self.fatal = true;
                        return Ok(());
                    }
                }
                Backend::CommandComplete { .. } => self.complete().await?,
                Backend::Ready(TransactionStatus::Idle) => {
                    items.retain(|item| item.answer != Answer::Query);
                    self.ready(TransactionStatus::Idle).await?;
                    self.ready = Some(TransactionStatus::Idle);
                    return Ok(());
                }
                _ => return Err(SessionError::Unexpected),
            }
        }
    }

    /// A statement is complete; it is told when it is known that another message follows, or that it is committed.
    pub(super) async fn completes(&mut self, frame: Vec<u8>) -> Result<(), SessionError> {
        if self.own == Own::None {
            return self.frame(frame).await;
        }
        self.complete().await?;
        self.complete = Some(frame);
        Ok(())
    }

    /// Tells that the statement is complete which has not been told yet.
    pub(super) async fn complete(&mut self) -> Result<(), SessionError> {
        if let Some(frame) = self.complete.take() {
            self.frame_at_once(frame).await?;
        }
        for frame in std::mem::take(&mut self.late) {
            self.frame_at_once(frame).await?;
        }
        Ok(())
    }
}
