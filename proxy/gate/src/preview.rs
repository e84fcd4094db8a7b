//! Previews: a command that is run at its target and rolled back before people are asked about it, so that they are told how many rows
//! it changes.
//!
//! ```text
//! Pending ─preview─▶ Recorded<Preview> ─▶ the target takes nothing else ─▶ Pending ─ask─▶ …
//! ```
//!
//! The run itself locks and works at the target, so its event is durable before any byte of it passes (P1): a [`Preview`] holds the
//! bytes, and comes out of here recorded or not at all. A count is taken with that recorded value alone; where there is none, people
//! are told why.
//!
//! Not here: which commands may be run so, and running them (the protocol), and what people are told of it (policy).

use std::sync::Arc;

use exhibit_policy::decide::NOBODY_TO_ASK;
use exhibit_policy::preview::{FRESH_US, Met};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::event::approval::{PreviewRun, Previewed};

use crate::approval::{POLICY_CHANGED, after};
use crate::error::GateError;
use crate::request::{Denial, Pending, Recorded, unasked};
use crate::session::{Handed, Session};
use crate::waits::{RUNS_MAX, Run};

/// What people are told of a command whose protocol runs no previews.
pub(crate) const NO_PREVIEWS: &str = "commands of this protocol are not run and rolled back";

/// Why nothing is run of what people are not to be asked about: that can change until they are.
const NOT_THEN: &str = "an earlier request for the same command was open, or as many of its requester waited as may";

/// Why nothing is run whose exact bytes the policy has sealed: a copy of a preview would be another one.
pub const SEALED: &str = "the policy has the exact bytes of what runs at this target sealed, and a preview has no copy";

/// Why nothing is run whose policy asks for no preview.
const NOT_ASKED_FOR: &str = "its policy asks for none";

/// Why nothing is run that meets what its requester may not read as it is: marks that a rollback leaves in rows, its time, and sizes tell
/// the agent which rows it met, about which nobody was asked.
const UNREAD: &str = "it goes by what its requester may not read unasked, or only masked";

/// Why people are not told a count.
const STALE: &str = "its run was too long before anybody could be asked";

/// The bytes of a preview: what the target is to get, part by part.
pub struct Preview {
    // Invariant: the digest of all of the parts stands in the event.
    parts: Vec<Vec<u8>>,
    /// Digest of the command that it is of.
    command: Digest,
    /// Since when it may have been in the ledger.
    since: Timestamp,
    /// That its requester has one under way, until it is over.
    run: Arc<Run>,
}

impl std::fmt::Debug for Preview {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes: usize = self.parts.iter().map(Vec::len).sum();
        write!(formatter, "Preview({bytes} bytes)")
    }
}

impl Recorded<Preview> {
    /// A part of the bytes that the target may get; empty where there is no such part.
    pub fn part(&self, place: usize) -> &[u8] {
        self.value.parts.get(place).map_or(&[], Vec::as_slice)
    }
}

impl Pending {
    /// Whether people are to be shown a preview.
    pub fn wants_preview(&self) -> bool {
        self.preview.is_some()
    }

    /// The policy that decided it.
    pub fn policy(&self) -> Digest {
        self.judged.decision.policy
    }

    /// With what a preview has shown: how many rows it changed, or why nobody knows. What was recorded of another command says nothing
    /// of this one.
    #[must_use]
    pub fn previewed(mut self, ran: &Recorded<Preview>, rows: Result<u64, String>) -> Self {
        let own = (ran.session, ran.value.command) == (self.judged.session, self.judged.digest);
        if own && self.preview.is_some() {
            ran.value.run.is_asked_about();
            self.preview = Some(rows.map_or_else(Previewed::Not, Previewed::Rows));
            self.ran = Some(ran.value.since);
        }
        self
    }

    /// Without a preview, and why.
    #[must_use]
    pub fn unpreviewed(mut self, why: &str) -> Self {
        self.preview = self.preview.map(|_| Previewed::Not(why.to_owned()));
        self
    }
}

/// What people are told at a time of a run since another; its count is of what it met then.
pub(crate) fn fresh(preview: Option<Previewed>, ran: Option<Timestamp>, now: Timestamp) -> Option<Previewed> {
    let stale = ran.is_some_and(|ran| now.0 > ran.0.saturating_add(FRESH_US));
    match preview {
        Some(Previewed::Rows(_)) if stale => Some(Previewed::Not(STALE.to_owned())),
        preview => preview,
    }
}

impl Session {
    /// Whether a preview is to be run before people are asked: not where an earlier command has left the question open, or where too
    /// many requests of this requester wait already, so that nobody is asked. The request has its place among those from here on.
    ///
    /// Other sessions are waited for, so no policy is kept in force meanwhile: another one may be by then.
    ///
    /// # Errors
    /// [`GateError`].
    pub async fn is_to_preview(&mut self, pending: &mut Pending) -> Result<bool, GateError> {
        if !pending.wants_preview() {
            return Ok(false);
        }
        let now = self.gate().now();
        if pending.hold_s.is_some() {
            self.flush()?;
            self.let_go_of_policy();
            let gate = self.gate().clone();
            let mut retries = gate.retries().lock().await;
            if retries.find(&pending.judged, self, now).is_some() {
                pending.preview = Some(Previewed::Not(NOT_THEN.to_owned()));
                return Ok(false);
            }
        }
        pending.wait = self.place_to_wait(after(now, pending.expires_s));
        if pending.wait.is_some() {
            return Ok(true);
        }
        pending.preview = Some(Previewed::Not(NOT_THEN.to_owned()));
        Ok(false)
    }

    /// Records that a command is about to be run and rolled back, and gives the bytes of that for the target; or says why nothing is run.
    /// `met` is what it meets without naming it.
    ///
    /// # Errors
    /// [`GateError`]; then nothing of it may pass.
    pub async fn preview(
        &mut self,
        pending: &Pending,
        parts: Vec<Vec<u8>>,
        met: &[Met],
    ) -> Result<Result<Recorded<Preview>, String>, GateError> {
        let judged = &pending.judged;
        self.own([judged.session])?;
        if let Some(why) = self.no_preview(pending, met) {
            return Ok(Err(why.to_owned()));
        }
        let Some(run) = self.gate().runs().begin(self.principal(), self.gate().now()) else {
            return Ok(Err(too_many()));
        };
        self.room().await?;
        self.in_time()?;
        self.decided_by([judged.decision.policy]).await?;
        let body = PreviewRun {
            statement: judged.request.statement.clone(),
            command: judged.digest,
            facts: judged.request.facts.clone(),
            decision: judged.decision.clone(),
            exact: self.gate().digest_key().digest(&parts.concat()),
        };
        let (command, since) = (judged.digest, self.gate().now());
        let sequence = self.upcoming();
        let Handed { events, ticket } = self.hand_over(vec![body.into()])?;
        let receipts = self.durable(events, ticket).await?;
        // P1: only here, after the receipt, do the bytes come out.
        Ok(Ok(Recorded {
            value: Preview {
                parts,
                command,
                since,
                run,
            },
            session: self.id(),
            command: sequence,
            receipt: receipts.last().copied(),
        }))
    }

    /// Why nothing may be run for a preview of it, whatever the command is.
    fn no_preview(&self, pending: &Pending, met: &[Met]) -> Option<&'static str> {
        let judged = &pending.judged;
        if !pending.wants_preview() {
            return Some(NOT_ASKED_FOR);
        }
        if judged.is_sealed() {
            return Some(SEALED);
        }
        let reads = self
            .policy()
            .may_read_all(self.principal(), self.target(), &judged.request.facts, met);
        (!reads).then_some(UNREAD)
    }

    /// The denial of a command that was run for a preview while another policy came into force, which the session has taken up.
    pub fn outrun(&self, pending: Pending) -> Denial {
        let cause = format!("{POLICY_CHANGED}, so {NOBODY_TO_ASK}");
        unasked(&self.asker(), pending.judged, &cause)
    }
}

/// What people are told where a requester has had so much run.
fn too_many() -> String {
    format!(
        "too many: one of its requester is run at a time, and {RUNS_MAX} within a minute, or an hour where nobody was asked then"
    )
}
