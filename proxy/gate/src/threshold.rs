//! Replies that come to more than a rule of the policy lets out at once: they are decided again, before what is more is
//! handed over, from the facts of their command and from what they come to.
//!
//! The protocol asks [`Session::weigh`] before each release, and waits where people are asked. A release that passes a threshold
//! about which nothing was decided is refused.
//!
//! Not here: what a threshold is ([`exhibit_policy::snapshot::Over`]).

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;

use exhibit_policy::decide::{Asker, askers, decide, stands};
use exhibit_policy::mask::Masked;
use exhibit_policy::snapshot::{Counts, Snapshot, facts_at, with_cells};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{DecisionRecord, Effect, Facts, Frame, Outcome, ThresholdDecided};
use exhibit_schemas::event::approval::ApprovalRequested;

use crate::allowance::Allowance;
use crate::answers::Answers;
use crate::approval::{CLOCK_AGAIN, Ending, Question, UNDECIDED, after};
use crate::error::GateError;
use crate::release::{self, Reply, Totals};
use crate::request::{Judged, Permit, requirement};
use crate::session::{Handed, Session, Stopped};
use crate::waits::Wait;

/// A command whose reply is watched, as it was decided and recorded.
#[derive(Debug)]
pub(crate) struct Watched {
    /// What it was decided by: a policy that comes into force meanwhile is for the next command.
    policy: Arc<Snapshot>,
    statement: String,
    digest: Digest,
    facts: Facts,
}

/// A reply that passes a threshold, and may not go on by what is decided then.
struct Passing {
    watched: Arc<Watched>,
    facts: Facts,
    decision: DecisionRecord,
    askers: BTreeSet<Asker>,
}

/// What waits to be handed over, and would pass a threshold.
pub struct Held {
    command: u64,
    counts: Counts,
    decision: DecisionRecord,
    askers: BTreeSet<Asker>,
    answers: Answers,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Held({})", self.question().id())
    }
}

impl Held {
    /// What people are asked.
    pub fn question(&self) -> &Question {
        &self.answers.question
    }
}

impl Session {
    /// Totals of a command whose reply begins.
    pub(crate) fn totals(&self, permit: &Permit) -> Totals {
        let Permit { judged, approved } = permit;
        let policy = Arc::clone(self.policy());
        let own = approved.as_ref().map(|approved| Arc::clone(&approved.allowance));
        let allowances = own.iter().cloned().collect();
        if !policy.has_thresholds() {
            return Totals {
                own,
                allowances,
                ..Totals::default()
            };
        }
        let Judged { request, digest, .. } = judged;
        // What people approved at the beginning is not asked again.
        let approved = match approved {
            Some(_) => askers(&policy, self.principal(), self.target(), &request.facts),
            None => BTreeSet::new(),
        };
        let watched = Watched {
            policy,
            statement: request.statement.clone(),
            digest: *digest,
            facts: request.facts.clone(),
        };
        Totals {
            watched: Some(watched.into()),
            approved,
            own,
            allowances,
            ..Totals::default()
        }
    }

    /// Decides whether frames may be handed over, where with them the reply passes a threshold. `None` is that they may; else
    /// people have been asked, and [`Session::held`] waits for them. Where as many requests of this requester wait as may, people are asked
    /// when one of them has ended.
    ///
    /// # Errors
    /// [`GateError::Threshold`] where policy denies it, which is recorded; any other [`GateError`].
    pub async fn weigh(&mut self, reply: &Reply, frames: &[Masked<Frame>]) -> Result<Option<Held>, GateError> {
        let (counts, Some(passing)) = self.standing(reply, frames)? else {
            return Ok(None);
        };
        let Passing {
            watched,
            facts,
            decision,
            askers,
        } = passing;
        let approval = decision
            .approval
            .as_deref()
            .and_then(|name| watched.policy.approval(name));
        let Some(approval) = approval.filter(|_| decision.effect == Effect::Ask) else {
            self.room().await?;
            let reason = decision.reason.clone();
            return Err(self.over(reply.command, counts, decision, Outcome::Denied, None, reason));
        };
        let wait = self.waits_to_ask(approval.expires_s).await?;
        self.room().await?;
        let now = self.gate().now();
        let body = ApprovalRequested {
            target: self.target().to_owned(),
            statement: watched.statement.clone(),
            command: watched.digest,
            facts,
            decision: decision.clone(),
            requirement: requirement(approval, self.target()),
            expires: after(now, approval.expires_s),
            // What is held is here and nowhere else: nothing could be taken up later.
            held_until: None,
            requester: Some(Box::new(self.principal().clone())),
            // What is asked about has run.
            preview: None,
        };
        let answers = self.question(body, wait, None).await?;
        Ok(Some(Held {
            command: reply.command,
            counts,
            decision,
            askers,
            answers,
        }))
    }

    /// Waits until one more request of this requester may wait for people: as many do as may, and one of them ends or expires. The agent's
    /// going and the limits of sessions end it sooner.
    async fn waits_to_ask(&mut self, expires_s: u64) -> Result<Arc<Wait>, GateError> {
        loop {
            let now = self.gate().now();
            if let Some(wait) = self.place_to_wait(after(now, expires_s)) {
                return Ok(wait);
            }
            self.flush()?;
            self.let_go_of_policy();
            tokio::time::sleep(CLOCK_AGAIN).await;
        }
    }

    /// Waits for people, for the question's expiry, or for `gone`, whichever is first, and records what came of it. Where it is
    /// approved, the frames may be handed over.
    ///
    /// # Errors
    /// [`GateError::Threshold`] where it is not approved; any other [`GateError`].
    pub async fn held(&mut self, held: Held, gone: impl Future<Output = ()> + Send) -> Result<(), GateError> {
        let Held {
            command,
            counts,
            decision,
            askers,
            answers,
        } = held;
        let asked = Some(answers.question.sequence());
        match self.answered(answers, None, gone).await? {
            Ending::Approved(approvals, answers) => {
                let released = self.open.get(&command).map_or(0, |totals| totals.rows);
                let allowance = Allowance::new(answers, approvals.clone(), released, self.gate().now());
                let allowance = allowance.map_err(|reason| self.missed(reason))?;
                let event = ThresholdDecided {
                    approvals: Some(approvals),
                    ..event(command, counts, decision, Outcome::Approved, asked)
                };
                let Handed { events, ticket } = self.hand_over(vec![event.into()])?;
                self.durable(events, ticket).await?;
                if let Some(totals) = self.open.get_mut(&command) {
                    totals.approved.extend(askers);
                    totals.allowances.push(allowance.into());
                }
                Ok(())
            }
            Ending::Refused => {
                let reason = "a person refused it".to_owned();
                Err(self.over(command, counts, decision, Outcome::Refused, asked, reason))
            }
            Ending::Expired(reason) => {
                Err(self.over(command, counts, decision, Outcome::Expired, asked, reason.to_owned()))
            }
            // Its question has no earlier end than its expiry, so it is never left open; were it, nothing would go on.
            Ending::Open => Err(self.over(command, counts, decision, Outcome::Expired, asked, UNDECIDED.to_owned())),
        }
    }

    /// Refuses frames that pass a threshold about which nothing was decided. Gives what the reply comes to with them.
    pub(crate) fn weighed(&self, reply: &Reply, frames: &[Masked<Frame>]) -> Result<Counts, GateError> {
        match self.standing(reply, frames)? {
            (counts, None) => Ok(counts),
            (counts, Some(Passing { decision, .. })) => {
                let rule = decision.rule.unwrap_or_default();
                Err(passed(rule, "nothing was decided about it".to_owned(), counts))
            }
        }
    }

    /// What a reply comes to with these frames, which nobody asks of one that is not watched; and what is decided again where it
    /// passes a threshold and may not go on.
    fn standing(&self, reply: &Reply, frames: &[Masked<Frame>]) -> Result<(Counts, Option<Passing>), GateError> {
        self.own([reply.session])?;
        let foreign = GateError::Foreign { session: self.id() };
        let totals = self.open.get(&reply.command).ok_or(foreign)?;
        let Some(watched) = &totals.watched else {
            return Ok((Counts::default(), None));
        };
        let patients = watched.policy.names_patients(self.target());
        let patients = patients.then(|| self.patients.with(reply.command, frames));
        let counts = self.counts(totals, patients, frames);
        if !watched.policy.crosses(totals.weighed, counts) {
            return Ok((counts, None));
        }
        let facts = facts_at(&watched.facts, counts);
        let decision = decide(&watched.policy, self.principal(), self.target(), &facts);
        let askers = askers(&watched.policy, self.principal(), self.target(), &facts);
        let passing = (!stands(decision.effect, &askers, &totals.approved)).then(|| Passing {
            watched: Arc::clone(watched),
            facts,
            decision,
            askers,
        });
        Ok((counts, passing))
    }

    /// What a reply and the session come to with these frames, and how many `patients` each of the two.
    fn counts(&self, totals: &Totals, patients: Option<(u64, u64)>, frames: &[Masked<Frame>]) -> Counts {
        let mut more = Totals::default();
        release::count(frames, &mut more);
        Counts {
            rows: totals.rows.saturating_add(more.rows),
            bytes: with_cells(
                totals.bytes.saturating_add(more.bytes),
                totals.cells.saturating_add(more.cells),
            ),
            session_rows: self.rows.saturating_add(more.rows),
            session_bytes: with_cells(
                self.bytes.saturating_add(more.bytes),
                self.cells.saturating_add(more.cells),
            ),
            patients: patients.map(|(reply, _)| reply),
            session_patients: patients.map(|(_, session)| session),
        }
        .of_rows()
    }

    /// Records that a reply does not go on; nothing of the session passes after it. The close of the session waits for the event, so
    /// that nobody has to who may be gone by then.
    fn over(
        &mut self,
        command: u64,
        counts: Counts,
        decision: DecisionRecord,
        outcome: Outcome,
        request: Option<u64>,
        reason: String,
    ) -> GateError {
        let rule = decision.rule.clone().unwrap_or_default();
        let event = event(command, counts, decision, outcome, request);
        match self.hand_over(vec![event.into()]) {
            Ok(Handed { ticket, .. }) => {
                self.later(ticket);
                self.stopped = Some(Stopped::Threshold);
                self.refused(passed(rule, reason, counts))
            }
            Err(error) => error,
        }
    }
}

fn event(
    command: u64,
    counts: Counts,
    decision: DecisionRecord,
    outcome: Outcome,
    request: Option<u64>,
) -> ThresholdDecided {
    ThresholdDecided {
        command,
        rows: counts.rows,
        bytes: counts.bytes,
        session_rows: counts.session_rows,
        session_bytes: counts.session_bytes,
        decision,
        outcome,
        request,
        approvals: None,
        patients: counts.patients,
        session_patients: counts.session_patients,
    }
}

const fn passed(rule: String, reason: String, counts: Counts) -> GateError {
    GateError::Threshold {
        rule,
        reason,
        rows: counts.rows,
        bytes: counts.bytes,
    }
}
