//! A group that is cleared, on its way to the server, and the answers on theirs to the agent.
//!
//! Not here: in which pieces it goes (see [`super::counted`]).

use std::collections::VecDeque;

use exhibit_gate::session::Cleared;
use exhibit_policy::snapshot::Snapshot;
use tokio::io::ReadHalf;
use tokio_util::sync::CancellationToken;

use super::counted::{Piece, PieceEnd};
use super::{AHEAD_BYTES_MAX, Driver, SessionError};
use crate::copy_in::CopyIn;
use crate::group::Item;
use crate::link::{Connection, Incoming};
use crate::reply::{Masking, Outcome, Own, Replies, Step};
use crate::target::Target;
use crate::upstream::UpstreamError;

impl Driver {
    /// Sends the pieces of a group one after another, each when the answers to the one before are there, and gives how it ended.
    /// `within` has it run in a transaction of the proxy's own.
    pub(super) async fn exchange(
        &mut self,
        commands: &[Cleared],
        mut items: VecDeque<Item>,
        pieces: &[Piece],
        within: bool,
        policy: &Snapshot,
    ) -> Result<Outcome, SessionError> {
        self.state.under_way = true;
        if within {
            tokio::select! {
                biased;
                begun = self.upstream.begin() => begun?,
                () = self.incoming.gone(AHEAD_BYTES_MAX) => return Err(SessionError::gone()),
                () = self.shutdown.cancelled() => return Err(SessionError::Shutdown),
            }
        }
        let masking = Masking {
            catalog: &self.catalog,
            policy,
            target: &self.target,
            by: self.masking,
        };
        let mut replies = Replies::new(
            &mut self.session,
            &mut self.agent,
            &mut self.state.names,
            masking,
            if within { Own::Begun } else { Own::None },
            &self.registered.cancelled,
            commands,
        );
        for (place, piece) in pieces.iter().enumerate() {
            if replies.is_over() {
                break;
            }
            // What follows a change that was counted may commit it: only once what the agent gets of it was weighed, and its approval stands.
            if place > 0 {
                let_out(&mut replies, &mut self.incoming, &self.shutdown).await?;
                replies.session().commits()?;
            }
            let upstream = &mut self.upstream;
            // Both at once: a server that waits to be read does not read either.
            let forward = async {
                let sent = piece.forward(&mut upstream.target, commands).await;
                sent.map_err(|error| SessionError::Target(UpstreamError::Io(error)))
            };
            let receive = replies.run(&mut upstream.incoming, &mut items, piece.after);
            let work = async { tokio::try_join!(forward, receive) };
            let ((), mut step) = tokio::select! {
                biased;
                work = work => work?,
                // Once a commit was asked for, the agent's going does not take it back.
                () = self.incoming.gone(AHEAD_BYTES_MAX), if piece.end != PieceEnd::Sync => return Err(SessionError::gone()),
                () = self.shutdown.cancelled() => return Err(SessionError::Shutdown),
            };
            while step == Step::CopyIn {
                // While it copies in, the server passes over these; another message would break the copy.
                self.state.held.retain(|message| !matches!(message.tag(), b'S' | b'H'));
                let owner = items.front().map_or(usize::MAX, |item| item.owner);
                let command = commands.get(owner).ok_or(SessionError::Unexpected)?;
                let work = async {
                    let copy_in = CopyIn {
                        agent: &mut self.incoming,
                        held: &mut self.state.held,
                        upstream: &mut self.upstream,
                        replies: &mut replies,
                        command,
                        last: &self.last,
                    };
                    copy_in.run(&mut items).await
                };
                tokio::select! {
                    biased;
                    work = work => work?,
                    () = self.shutdown.cancelled() => return Err(SessionError::Shutdown),
                }
                step = tokio::select! {
                    biased;
                    step = replies.run(&mut self.upstream.incoming, &mut items, piece.after) => step?,
                    () = self.incoming.gone(AHEAD_BYTES_MAX) => return Err(SessionError::gone()),
                    () = self.shutdown.cancelled() => return Err(SessionError::Shutdown),
                };
            }
        }
        if within {
            let_out(&mut replies, &mut self.incoming, &self.shutdown).await?;
        }
        if let Some(end) = replies.ends_own()? {
            let upstream = &mut self.upstream;
            let work = async {
                let sent = upstream.target.own("", &[end]).await;
                sent.map_err(|error| SessionError::Target(UpstreamError::Io(error)))?;
                replies.own_ended(&mut upstream.incoming, &mut items).await
            };
            // Once it was asked for, the agent's going does not take it back.
            tokio::select! {
                biased;
                work = work => work?,
                () = self.shutdown.cancelled() => return Err(SessionError::Shutdown),
            }
        }
        // What the end of a reply waits for may be people.
        tokio::select! {
            biased;
            outcome = replies.end() => outcome,
            () = self.incoming.gone(AHEAD_BYTES_MAX) => Err(SessionError::gone()),
            () = self.shutdown.cancelled() => Err(SessionError::Shutdown),
        }
    }
}

/// Lets out what the agent gets of a change before anything goes on that may commit it; people may be asked about that.
async fn let_out(
    replies: &mut Replies<'_>,
    agent: &mut Incoming<ReadHalf<Connection>>,
    shutdown: &CancellationToken,
) -> Result<(), SessionError> {
    tokio::select! {
        biased;
        flushed = replies.flush() => flushed,
        () = agent.gone(AHEAD_BYTES_MAX) => Err(SessionError::gone()),
        () = shutdown.cancelled() => Err(SessionError::Shutdown),
    }
}

impl Piece {
    async fn forward(&self, target: &mut Target, commands: &[Cleared]) -> std::io::Result<()> {
        let commands = commands.get(self.from..self.to).unwrap_or_default();
        match self.end {
            PieceEnd::Whole => target.forward(commands).await,
            PieceEnd::Flush => target.forward_unsynced(commands).await,
            PieceEnd::Sync => target.sync().await,
        }
    }
}
