//! One agent's session: the loop from its messages to the gate, the server and back.
//!
//! Groups are taken one after another: decided, asked about, recorded, forwarded, answered. While nothing is under way both
//! sockets are watched.
//!
//! # Transactions
//! When a request inside a transaction is refused, the agent is told that the transaction failed, and nothing but its
//! rollback passes, as after an error of the server: no transaction commits without a part that was refused.

mod asking;
mod counted;
mod definitions;
mod error;
mod estimating;
mod exchange;
mod messages;
mod moving;
mod previewing;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;

use exhibit_gate::GateError;
use exhibit_gate::session::{Changes, Cleared, Denial, EndStatus, Permit, Reply, Ruling, Session, Transaction};
use exhibit_policy::decide::UNPROVEN;
use exhibit_policy::mask::Masked;
use exhibit_policy::probe;
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::event::access::Outcome as Decided;
use tokio::io::ReadHalf;
use tokio::sync::futures::OwnedNotified;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::asking::cancellation;
use self::counted::Counted;
use self::definitions::CANCELLED;
pub(crate) use self::error::SessionError;
pub(crate) use self::moving::MASKED_OTHERWISE;
use crate::agent::Agent;
use crate::analysis::{Complaint, Foreign, Statement, StatementClass, TransactionControl};
use crate::cancel::Registered;
use crate::catalog::{Catalog, SharedDefinitions};
use crate::config;
use crate::group::{Block, Draft, Group, Reading, changes_names, says_all};
use crate::last::Last;
use crate::link::{Connection, Incoming};
use crate::message::Raw;
use crate::message::backend::TransactionStatus;
use crate::message::encode::{self, Report};
use crate::message::frontend::Frontend;
use crate::names::Names;
use crate::netted;
use crate::notified;
use crate::read::Read;
use crate::reply::Outcome;
use crate::upstream::Upstream;

/// Bytes that an agent may send ahead while its group is under way; with more it waits.
pub(crate) const AHEAD_BYTES_MAX: usize = 8 << 20;

/// A session with everything that it uses.
pub(crate) struct Driver {
    pub(crate) session: Session,
    /// What the last messages were read by.
    pub(crate) policy: Arc<Snapshot>,
    pub(crate) changes: Changes,
    /// When it ends at the latest, and how long its agent may stay silent.
    pub(crate) last: watch::Receiver<Last>,
    pub(crate) agent: Agent,
    pub(crate) incoming: Incoming<ReadHalf<Connection>>,
    pub(crate) upstream: Upstream,
    pub(crate) catalog: Catalog,
    /// What sessions of the target share of their catalogs.
    pub(crate) definitions: Arc<SharedDefinitions>,
    pub(crate) registered: Registered,
    pub(crate) target: Arc<str>,
    /// Who masks.
    pub(crate) masking: config::Masking,
    pub(crate) shutdown: CancellationToken,
    pub(crate) state: State,
}

/// Why messages up to the next `Sync` are dropped.
enum Skipping {
    /// The proxy refused; it answers the `Sync` as a part of that reply.
    Refused(Reply),
    /// The server failed; it answers the `Sync`.
    Failed,
}

/// Where the session stands.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is one independent fact about the session"
)]
pub(crate) struct State {
    names: Names,
    read: Read,
    /// Messages that were taken with an earlier group and belong to the next. They are read again: it may have changed how.
    held: VecDeque<Raw>,
    status: TransactionStatus,
    skipping: Option<Skipping>,
    /// The server may be at work for the agent.
    pub(crate) under_way: bool,
    /// Something was forwarded that no `Sync` has followed yet.
    unsynced: bool,
    /// The transaction has changed what names mean.
    changed: bool,
    /// The catalog has to be loaded again.
    stale: bool,
    /// Code ran that is not known, since the catalog was loaded: nothing runs ahead of its event.
    foreign: Foreign,
    /// The same, in the transaction that is open.
    foreign_inside: Foreign,
    /// Such code may have set another search path.
    path_unsure: bool,
    /// Code that hangs on relations may have changed the settings that text is read by, and the server has not told yet.
    text_unsure: bool,
    /// Code may have given the names of prepared statements to others.
    names_unsure: bool,
    /// Messages are read again because rules of views were others.
    reread: bool,
    /// Messages are read again by definitions that were loaded for a preview.
    reread_to_preview: bool,
    /// A cancellation that comes from when messages were first read until people are waited for.
    cancellation: Option<Pin<Box<OwnedNotified>>>,
    /// A question of the proxy's own was cancelled in the agent's transaction, and the agent was not told yet.
    cancelled: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            names: Names::default(),
            read: Read::default(),
            held: VecDeque::new(),
            status: TransactionStatus::Idle,
            skipping: None,
            under_way: false,
            unsynced: false,
            changed: false,
            stale: false,
            foreign: Foreign::None,
            foreign_inside: Foreign::None,
            path_unsure: false,
            text_unsure: false,
            names_unsure: false,
            reread: false,
            reread_to_preview: false,
            cancellation: None,
            cancelled: false,
        }
    }
}

/// What an agent is told whose transaction has changed something by an approval that has ended since.
const TAKEN_BACK: &str =
    "the approval of a change in this transaction was taken back, or nobody can know whether it was; roll it back";

/// Why a transaction is not prepared.
const HANDED_ON: &str = "a transaction that has changed something by an approval is not prepared: people may take the approval back until it is \
     committed; end it with COMMIT";

impl Driver {
    /// Runs until the agent ends it; an error says why it ended otherwise.
    pub(crate) async fn run(&mut self) -> Result<(), SessionError> {
        // Another policy may have come while it began.
        self.take_up().await?;
        self.session.let_go_of_policy();
        while let Some(messages) = self.messages().await? {
            self.group(messages).await?;
            self.session.let_go_of_policy();
        }
        Ok(())
    }

    async fn deliver(&mut self, raw: &Raw) -> Result<(), SessionError> {
        self.room().await?;
        let masked = self.take_up().await?.masks_target(&self.target);
        notified::deliver(&mut self.session, &mut self.agent, masked, raw).await?;
        self.session.let_go_of_policy();
        Ok(())
    }

    /// Delivers what the server sent on its own while it answered the proxy, and what could not be delivered before a reply had
    /// ended.
    async fn deliver_aside(&mut self) -> Result<(), SessionError> {
        for raw in std::mem::take(&mut self.upstream.aside) {
            self.deliver(&raw).await?;
        }
        Ok(())
    }

    async fn group(&mut self, messages: Vec<(Frontend, Vec<u8>)>) -> Result<(), SessionError> {
        if let Some(reply) = self.refused_before() {
            // The server knows nothing of what was refused; the proxy answers the `Sync` after it.
            let frames = vec![self.ready()];
            return self.finish(reply, frames, EndStatus::Complete, None).await;
        }
        // Before a policy is held: what is decided by it is then handed over at once.
        self.room().await?;
        self.refresh().await?;
        self.deliver_aside().await?;
        let policy = self.take_up().await?;
        let again = self.again(&messages);
        let Group {
            mut drafts,
            items,
            synced,
            rest,
        } = self.read(messages, &policy);
        // Those that an earlier group left come after what this one leaves.
        let rest = rest.into_iter().map(|(_, bytes)| Raw::again(bytes));
        let known = self.is_known(&mut drafts).await?;
        let moved = self.take_up().await?.digest() != policy.digest();
        if moved && again.is_empty() {
            return Err(SessionError::Gate(GateError::PolicyChanged));
        }
        if !known || moved {
            // All of them: what was left for the next group is among them.
            self.state.held = again.into_iter().chain(std::mem::take(&mut self.state.held)).collect();
            return Ok(());
        }
        self.state.held = rest.chain(std::mem::take(&mut self.state.held)).collect();
        let counted = self.counted(&drafts, items.iter().map(|item| item.answer));
        let asked = self.permits(drafts, &counted, synced).await;
        self.state.cancellation = None;
        let Some((permits, statements)) = asked? else {
            return Ok(());
        };
        if let Some((place, why)) = counted::uncounted(permits.iter(), &counted) {
            return Err(self.session.uncounted(permits, place, why).await.into());
        }
        let commands = self.cleared(permits, &statements).await?;
        // People may have said how many rows while that was recorded.
        if let Some((place, why)) = counted::uncounted(commands.iter().map(Cleared::permit), &counted)
            && let Some(command) = commands.get(place)
        {
            return Err(self.session.uncounted_now(command, why).into());
        }
        let pieces = counted::pieces(&commands, &counted, &items, synced);
        let within = counted::runs_within(&commands, &counted);
        let outcome = Box::pin(self.exchange(&commands, items, &pieces, within, &policy)).await?;
        self.after(outcome, &statements)?;
        self.deliver_aside().await
    }

    /// Waits until the ledger has room for what comes next, while the agent is there and the proxy runs.
    async fn room(&mut self) -> Result<(), SessionError> {
        tokio::select! {
            biased;
            room = self.session.room() => Ok(room?),
            () = self.incoming.gone(AHEAD_BYTES_MAX) => Err(SessionError::gone()),
            () = self.shutdown.cancelled() => Err(SessionError::Shutdown),
        }
    }

    /// Whether all is known that requests are decided and asked about by; otherwise the messages have to be read again.
    async fn is_known(&mut self, drafts: &mut [Draft]) -> Result<bool, SessionError> {
        // Messages that are read again may have been cancelled before.
        cancellation(&mut self.state.cancellation, &self.registered.cancelled);
        Ok(self.rules_hold(drafts).await?
            && self.estimated(drafts).await?
            && self.knows_what_to_preview(drafts).await?)
    }

    /// The reply to what the proxy refused before, where this group is the `Sync` after it.
    fn refused_before(&mut self) -> Option<Reply> {
        match self.state.skipping.take() {
            Some(Skipping::Refused(reply)) => Some(reply),
            // Until the server has answered the `Sync` that this group is.
            skipping => {
                self.state.skipping = skipping;
                None
            }
        }
    }

    /// What may be forwarded, recorded or about to be.
    async fn cleared(&mut self, permits: Vec<Permit>, statements: &[Statement]) -> Result<Vec<Cleared>, GateError> {
        if self.commits_nothing(statements) {
            self.session.commits_nothing();
        }
        match self.state.foreign {
            Foreign::None => self.session.clear(permits, self.transaction(statements)).await,
            // P1: what this would reach is not known any more.
            Foreign::Attached | Foreign::Called => self.session.record(permits).await,
        }
    }

    /// Reads the messages of a group.
    fn read(&mut self, messages: Vec<(Frontend, Vec<u8>)>, policy: &Snapshot) -> Group {
        let block = self.block();
        let mut reading = Reading {
            catalog: &self.catalog,
            policy,
            target: &self.target,
            masking: self.masking,
            names: &self.state.names,
            read: &mut self.state.read,
            block,
            changed: self.state.changed,
            foreign: self.state.foreign_inside,
        };
        let says_all = says_all(messages.iter().map(|(message, _)| message));
        let mut group = reading.group(messages);
        if let [draft] = group.drafts.as_mut_slice() {
            draft.request.says_all = says_all;
        }
        self.pass_over(&mut group.drafts);
        group
    }

    /// Permits for all requests of a group, and what the server runs of it; `None` where one of them was refused.
    async fn permits(
        &mut self,
        drafts: Vec<Draft>,
        counted: &[Counted],
        synced: bool,
    ) -> Result<Option<(Vec<Permit>, Vec<Statement>)>, SessionError> {
        let mut permits = Vec::new();
        let mut statements = Vec::new();
        // Values that are tried are counted when that is decided, and then recorded at once: what waits for people goes first.
        let mut drafts: Vec<(usize, Draft)> = drafts.into_iter().enumerate().collect();
        drafts.sort_by_key(|(_, draft)| probe::columns(&draft.request.facts).next().is_some());
        for (place, mut draft) in drafts {
            if self.hands_on(&draft, &permits) {
                draft.refuse("0A000", HANDED_ON);
            }
            let Draft {
                request,
                statements: own,
                runs,
                code,
                told,
                ends,
                question: _,
                trial,
            } = draft;
            statements.push((place, own.into_iter().filter(move |_| runs)));
            let counted = !counted.get(place).is_some_and(|counted| counted.is_untold());
            match self.permit(request, trial, runs, counted).await? {
                Ok(permit) => permits.push((place, permit)),
                Err(denial) => {
                    self.refused(denial, code, told, synced || ends).await?;
                    return Ok(None);
                }
            }
        }
        permits.sort_by_key(|(place, _)| *place);
        statements.sort_by_key(|(place, _)| *place);
        let statements = statements.into_iter().flat_map(|(_, own)| own).collect();
        Ok(Some((
            permits.into_iter().map(|(_, permit)| permit).collect(),
            statements,
        )))
    }

    /// Whether a request prepares a transaction that has changed something by people's approval, or does so itself: nobody could take
    /// that back any more, and whoever commits it is not asked about it.
    fn hands_on(&self, draft: &Draft, before: &[(usize, Permit)]) -> bool {
        let prepares = |statement: &Statement| statement.transaction == Some(TransactionControl::Prepare);
        let changes = |statement: &Statement| statement.transaction.is_none();
        let refused = draft.request.facts.attributes.contains_key(UNPROVEN);
        if refused || !draft.runs || !draft.statements.iter().any(prepares) {
            return false;
        }
        let asks = || matches!(self.session.decide(draft.request.clone()), Ruling::Pending(_));
        self.session.has_uncommitted()
            || before.iter().any(|(_, permit)| permit.is_approved())
            || draft.statements.iter().any(changes) && asks()
    }

    /// Whether what these statements change lasts only by a commit of its own. After a pipeline without its `Sync`, and
    /// where one of them begins or ends a transaction, that is not sure.
    fn transaction(&self, statements: &[Statement]) -> Transaction {
        let bounds = statements.iter().any(|statement| statement.transaction.is_some());
        match self.state.status {
            TransactionStatus::Open if !self.state.unsynced && !bounds => Transaction::Open,
            _ => Transaction::None,
        }
    }

    /// Records a refusal and tells the agent; nothing of its group was or will be forwarded.
    async fn refused(
        &mut self,
        denial: Denial,
        code: &'static str,
        told: Option<Complaint>,
        synced: bool,
    ) -> Result<(), SessionError> {
        let rule = denial.decision().rule.as_deref().unwrap_or("none");
        let report = match (told, code) {
            (Some(told), _) => Report {
                position: told.position,
                ..Report::error(told.code, told.text)
            },
            (None, "42501") => {
                let by = match denial.outcome() {
                    Decided::Postponed => "waits for people",
                    _ => "refused by policy",
                };
                Report::error(code, format!("{by}: {} (rule: {rule})", denial.reason()))
            }
            (None, _) => Report::error(code, denial.reason()),
        };
        let report = Report {
            text: netted::words(self.session.net(), report.text),
            ..report
        };
        let code = report.code.clone();
        self.state.cancelled = false;
        let recorded = self.session.refuse(denial).await?;
        let reply = recorded.reply();
        if self.state.status == TransactionStatus::Open && !self.state.unsynced {
            // As after an error of its own: the server takes all of it back, or what a savepoint leaves.
            self.state.status = self.upstream.fail(true).await?.unwrap_or(TransactionStatus::Failed);
        }
        let mut frames = vec![Masked::framing(report.response())];
        if self.state.unsynced {
            // Parts of the pipeline are at the server without a commit: it has to fail there, too, so that none of it
            // lasts. Where it has, only a `Sync` is answered.
            let failed = matches!(self.state.skipping, Some(Skipping::Failed));
            let status = if failed && !synced {
                None
            } else {
                self.upstream.fail(synced).await?
            };
            match status {
                Some(status) => {
                    if status == TransactionStatus::Idle {
                        self.session.settled();
                    }
                    self.state.status = status;
                    self.state.unsynced = false;
                    self.state.skipping = None;
                    frames.push(self.ready());
                }
                None => self.state.skipping = Some(Skipping::Failed),
            }
            return self.finish(reply, frames, EndStatus::Failed, Some(code)).await;
        }
        if synced {
            frames.push(self.ready());
            return self.finish(reply, frames, EndStatus::Failed, Some(code)).await;
        }
        self.room().await?;
        let mut reply = reply;
        let releasing = self.session.release(&mut reply, None, frames);
        self.agent.release(&releasing.durable().await?).await?;
        self.state.skipping = Some(Skipping::Refused(reply));
        Ok(())
    }

    async fn finish(
        &mut self,
        reply: Reply,
        frames: Vec<Masked<exhibit_schemas::event::access::Frame>>,
        status: EndStatus,
        code: Option<String>,
    ) -> Result<(), SessionError> {
        self.room().await?;
        let masked = std::collections::BTreeMap::new();
        let releasing = self.session.finish(reply, None, frames, status, code, masked);
        self.agent.release(&releasing.durable().await?).await?;
        Ok(())
    }

    fn ready(&self) -> Masked<exhibit_schemas::event::access::Frame> {
        Masked::framing(encode::message(b'Z', &[self.state.status.byte()]))
    }

    fn after(&mut self, outcome: Outcome, statements: &[Statement]) -> Result<(), SessionError> {
        self.upstream.aside.extend(outcome.aside);
        self.upstream.encoding = outcome.encoding.unwrap_or(self.upstream.encoding);
        self.state.under_way = false;
        let synced = outcome.status.is_some();
        if outcome.fatal {
            return Err(SessionError::Ended);
        }
        let state = &mut self.state;
        state.status = outcome.status.unwrap_or(state.status);
        state.unsynced = !synced;
        state.cancelled &= state.status == TransactionStatus::Failed;
        state.skipping = (outcome.failed && !synced).then_some(Skipping::Failed);
        let idle = state.status == TransactionStatus::Idle && synced;
        state.names.after(statements, idle);
        let changes = statements.iter().any(changes_names);
        let bounds = statements.iter().any(|statement| statement.transaction.is_some());
        let deferred = statements.iter().any(Statement::runs_deferred);
        let foreign = statements.iter().map(|statement| statement.foreign).max();
        state.changed |= changes;
        // What the transaction has changed is loaded once; only its end, or a way back in it, makes it another again.
        state.stale |= changes || (state.changed && (bounds || idle));
        state.changed &= !idle;
        // With its readiness the server has told of settings that changed.
        state.text_unsure &= !synced;
        // Code that is deferred runs again at the end.
        state.foreign_inside = state.foreign_inside.max(foreign.unwrap_or_default());
        if foreign > Some(Foreign::None) || deferred || idle {
            state.foreign = state.foreign.max(state.foreign_inside);
            state.path_unsure |= state.foreign_inside > Foreign::None;
            state.text_unsure |= state.foreign_inside > Foreign::None && !synced;
        }
        if idle {
            state.foreign_inside = Foreign::None;
        }
        let code = |statement: &Statement| {
            matches!(statement.class, StatementClass::Do | StatementClass::Call) || statement.foreign > Foreign::None
        };
        state.names_unsure |= statements.iter().any(code) && state.names.any_statement();
        Ok(())
    }

    fn block(&self) -> Option<Block> {
        if self.state.cancelled {
            return Some(CANCELLED);
        }
        // The server's transaction has failed; a commit then takes all of it back.
        let failed = self.state.status == TransactionStatus::Failed;
        if !self.session.may_commit() {
            return Some(Block {
                code: "42501",
                reason: TAKEN_BACK,
                commits: failed,
                savepoints: false,
            });
        }
        let unsure = self.state.stale || self.state.path_unsure || self.state.names_unsure;
        unsure.then_some(Block {
            code: "25P02",
            reason: "current transaction is aborted, commands ignored until end of transaction block",
            commits: failed,
            savepoints: true,
        })
    }

    /// Whether these statements can commit nothing of the transaction that is open: they take it back, or there is none.
    fn commits_nothing(&self, statements: &[Statement]) -> bool {
        let failed = self.state.status == TransactionStatus::Failed;
        let back = |statement: &Statement| match statement.transaction {
            Some(TransactionControl::Rollback { chain: false }) => true,
            Some(TransactionControl::Commit { chain: false }) => failed && statements.len() == 1,
            _ => false,
        };
        self.state.status != TransactionStatus::Idle && !self.state.unsynced && statements.iter().all(back)
    }
}
