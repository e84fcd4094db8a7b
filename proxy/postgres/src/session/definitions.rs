//! What a session knows of the server's definitions and settings, and when it asks for them again.
//!
//! Names are looked up by the catalog, and what a view shows is read from its rules, which no description of rows tells. So
//! before statements that read views the versions of all rules are asked for. If they are not those of the catalog, that is
//! loaded again and the messages are read anew. In a transaction that sees the past (`REPEATABLE READ`, `SERIALIZABLE`) the
//! server would tell the old versions and use the new ones; there no view is read that depends on masked columns.
//!
//! # Known limits
//! Between the answer and the statement another connection can change a view: the statement may wait for people, or at the server for a
//! lock of that connection.

use super::{Driver, SessionError, Skipping};
use crate::analysis::{Foreign, Views};
use crate::config::Masking;
use crate::group::{Block, Draft};
use crate::message::Raw;
use crate::message::backend::TransactionStatus;
use crate::message::frontend::Frontend;
use crate::upstream::{Place, UpstreamError};

/// Isolation under which the server's answers are those of the moment; `read uncommitted` is the same to it.
const OF_THE_MOMENT: [&str; 2] = ["read committed", "read uncommitted"];

/// Why a statement does not pass whose question was cancelled: as the server says it of its own.
pub(super) const CANCELLED: Block = Block {
    code: "57014",
    reason: "canceling statement: it was cancelled, or ran out of time, while what it names was looked up",
    // The server's transaction has failed, too, and takes all back.
    commits: true,
    savepoints: true,
};

/// Why a view is not read in a transaction that sees the past.
const OF_THE_PAST: &str = "what a view shows of masked columns is sure only in READ COMMITTED transactions; use one, or read \
     the tables below it";

impl Driver {
    /// The messages as they came, where they may have to be read again.
    pub(super) fn again(&self, messages: &[(Frontend, Vec<u8>)]) -> Vec<Raw> {
        let views = self.masking == Masking::Proxy && self.policy.masks_target(&self.target);
        let asks = self.policy.estimates(&self.target) || self.policy.previews(&self.target);
        if !views && !asks {
            return Vec::new();
        }
        messages.iter().map(|(_, bytes)| Raw::again(bytes.clone())).collect()
    }

    /// Whether the views that these requests read show what the catalog says; otherwise the messages have to be read again.
    pub(super) async fn rules_hold(&mut self, drafts: &mut [Draft]) -> Result<bool, SessionError> {
        let views = drafts.iter().map(Draft::views).max().unwrap_or_default();
        if views == Views::None || self.deaf() {
            return Ok(true);
        }
        // The answer may take its time. What is decided is decided after it.
        self.session.let_go_of_policy();
        let [versions, isolation] = match self.upstream.rules(self.place()).await {
            Err(UpstreamError::Cancelled) => {
                self.cancelled();
                refuse_all(drafts);
                return Ok(true);
            }
            rules => rules?,
        };
        if !OF_THE_MOMENT.contains(&isolation.as_str()) {
            let unsure = drafts.iter_mut().filter(|draft| draft.views() == Views::Masked);
            unsure.for_each(|draft| draft.refuse("0A000", OF_THE_PAST));
        }
        let held = versions == self.catalog.rules();
        if !held && self.state.reread {
            return Err(SessionError::Origin);
        }
        self.state.reread = !held;
        self.state.stale |= !held;
        Ok(held)
    }

    /// Loads the catalog again where it may have changed and the server can tell.
    pub(super) async fn refresh(&mut self) -> Result<(), SessionError> {
        let loaded = self.load().await;
        self.told_if_cancelled(loaded)
    }

    /// A question that is cancelled in the agent's transaction, or runs out of the agent's time there, fails the transaction. So it
    /// does directly, where the server asks itself the same of the agent's statement: the agent is told in the place of an answer
    /// to that.
    fn told_if_cancelled(&mut self, answer: Result<(), SessionError>) -> Result<(), SessionError> {
        match answer {
            Err(SessionError::Target(UpstreamError::Cancelled)) => {
                self.cancelled();
                Ok(())
            }
            answer => answer,
        }
    }

    fn cancelled(&mut self) {
        if self.place() == Place::Pipeline {
            self.state.skipping = Some(Skipping::Failed);
        } else {
            self.state.status = TransactionStatus::Failed;
        }
        self.state.cancelled = true;
    }

    /// Refuses everything where a question has failed a pipeline: also a `Sync` alone, which the server would answer as if nothing
    /// had been.
    pub(super) fn pass_over(&self, drafts: &mut [Draft]) {
        if self.state.cancelled && matches!(self.state.skipping, Some(Skipping::Failed)) {
            refuse_all(drafts);
        }
    }

    async fn load(&mut self) -> Result<(), SessionError> {
        if self.deaf() {
            return Ok(());
        }
        let place = self.place();
        if self.state.path_unsure || self.state.stale {
            self.ask_held().await?;
        }
        if self.state.path_unsure && !self.state.stale {
            let path = self.upstream.search_path(place).await?;
            if path != self.catalog.search_path() {
                self.state.stale = true;
                self.state.changed |= place != Place::Idle;
            }
        }
        self.state.path_unsure = false;
        if self.state.names_unsure {
            let there = self.upstream.prepared(place).await?;
            self.state.names.confirm(&there);
            self.state.names_unsure = false;
        }
        if self.state.stale {
            self.catalog = self.upstream.catalog(place, &self.definitions).await?;
            let snapshot = self.catalog.snapshot();
            self.session.gate().record_catalog(&self.target, &snapshot).await?;
            self.state.read.forget();
            self.state.stale = false;
            self.state.foreign = Foreign::None;
        }
        Ok(())
    }

    /// Asks for the settings that text is read by, where the server can tell.
    pub(super) async fn check_held(&mut self) -> Result<(), SessionError> {
        let held = self.ask_held().await;
        self.told_if_cancelled(held)
    }

    async fn ask_held(&mut self) -> Result<(), SessionError> {
        if self.deaf() {
            return Ok(());
        }
        let masked = self.policy.masks_target(&self.target);
        self.upstream.check_held(self.place(), masked).await?;
        self.state.text_unsure = false;
        Ok(())
    }

    /// Where a question of the proxy's own would stand.
    pub(super) fn place(&self) -> Place {
        match self.state.status {
            _ if self.state.unsynced => Place::Pipeline,
            TransactionStatus::Idle => Place::Idle,
            TransactionStatus::Open | TransactionStatus::Failed => Place::Transaction,
        }
    }

    /// Whether the server takes no question: in a transaction that has failed, and after an error up to the next `Sync`. What
    /// is not known then decides nothing: but for that `Sync` no message of the agent is read, and of a failed transaction
    /// only its end passes.
    pub(super) fn deaf(&self) -> bool {
        self.state.status == TransactionStatus::Failed || matches!(self.state.skipping, Some(Skipping::Failed))
    }
}

fn refuse_all(drafts: &mut [Draft]) {
    for draft in drafts {
        draft.refuse(CANCELLED.code, CANCELLED.reason);
    }
}
