//! Asking people: the question is recorded first, then signed decisions are counted until they suffice, or time is up.
//!
//! The decisions come from the recorder, which has checked their seals and signers; here they are counted by
//! [`exhibit_policy::approval`], the code that the verifier runs again.
//!
//! Not here: what counts as an approval, and how decisions reach the recorder.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use exhibit_policy::approval::{self as policy, Decided, Tally, tally};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::Outcome;
use exhibit_schemas::event::approval::{ApprovalExpired, ApprovalRequested};
use exhibit_schemas::event::{Body, Timestamp};
use tokio::sync::broadcast::{self, error::RecvError};

use crate::error::GateError;
use crate::recorder::VerifiedDecision;
use crate::request::{Approved, Denial, Judged, Pending, Permit};
use crate::session::{Handed, Session};

/// Decisions about one request that are kept at the most; more are a fault of the ledger or of people's tools.
pub const DECISIONS_MAX: usize = 1_000;

/// How long a sleep lasts before the clock is read again: a clock that was set may bring the expiry nearer.
const CLOCK_AGAIN: Duration = Duration::from_millis(200);

/// Hexadecimal digits of the id that people type.
const ID_DIGITS: usize = 12;

/// A question that is in the ledger, and waits for people.
pub struct Question {
    // Invariant: `body` stands durable in the ledger as event `sequence` of its session, with the leaf hash `leaf`.
    body: ApprovalRequested,
    leaf: Digest,
    pub(crate) sequence: u64,
    /// Subscribed before the question was recorded, so no answer is missed.
    decisions: broadcast::Receiver<Arc<VerifiedDecision>>,
}

/// A request whose question is in the ledger.
pub struct Asked {
    judged: Judged,
    question: Question,
}

impl std::fmt::Debug for Asked {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Asked({})", self.question.id())
    }
}

impl Asked {
    /// What people are asked.
    pub fn question(&self) -> &Question {
        &self.question
    }
}

impl Question {
    /// The id that people type: the first 12 hexadecimal digits of the request event's leaf hash.
    pub fn id(&self) -> String {
        self.leaf.to_string().chars().take(ID_DIGITS).collect()
    }

    /// Groups of which people must approve.
    pub fn groups(&self) -> &[String] {
        &self.body.requirement.groups
    }

    /// How many distinct people must approve.
    pub fn people(&self) -> u64 {
        self.body.requirement.people
    }

    /// When the request expires.
    pub fn expires(&self) -> Timestamp {
        self.body.expires
    }
}

/// How a wait ended.
pub(crate) enum Ending {
    Approved(Vec<Digest>),
    Refused,
    /// With what the agent is told.
    Expired(&'static str),
}

/// What an agent is told whose own going ended the wait.
const WITHDRAWN: &str = "the request was withdrawn";

/// The event of a question that nobody answered: `time`, or `agent` when it went away.
pub(crate) fn expired(request: u64, reason: &str) -> Body {
    let reason = reason.to_owned();
    ApprovalExpired { request, reason }.into()
}

impl Session {
    /// Records the question.
    ///
    /// # Errors
    /// [`GateError`].
    pub async fn ask(&mut self, pending: Pending) -> Result<Asked, GateError> {
        let Pending {
            judged,
            requirement,
            expires_s,
        } = pending;
        self.own([judged.session])?;
        let now = self.gate().clock().now();
        let body = ApprovalRequested {
            target: self.target().to_owned(),
            statement: judged.request.statement.clone(),
            command: judged.digest,
            facts: judged.request.facts.clone(),
            decision: judged.decision.clone(),
            requirement,
            expires: Timestamp(now.0.saturating_add(expires_s.saturating_mul(1_000_000))),
        };
        let question = self.question(body).await?;
        Ok(Asked { judged, question })
    }

    /// Records what people are asked.
    pub(crate) async fn question(&mut self, body: ApprovalRequested) -> Result<Question, GateError> {
        let decisions = self.gate().recorder().decisions();
        let Handed {
            first: sequence,
            events,
            ticket,
        } = self.hand_over(vec![body.clone().into()])?;
        // From here on it may be in the ledger: whoever gives up waiting has the session's close end it.
        self.waiting = Some(sequence);
        let receipts = self.durable(events, ticket).await?;
        let leaf = receipts.last().map(|receipt| receipt.leaf);
        let leaf = leaf.expect("`durable` gives as many receipts as events were handed over");
        Ok(Question {
            body,
            leaf,
            sequence,
            decisions,
        })
    }

    /// Waits for people, for the request's expiry, or for `gone` (the agent went away or cancelled), whichever is first.
    ///
    /// # Errors
    /// [`GateError`]; also when decisions were missed, because a refusal may be among them.
    pub async fn wait(
        &mut self,
        asked: Asked,
        gone: impl Future<Output = ()> + Send,
    ) -> Result<Result<Permit, Denial>, GateError> {
        self.own([asked.judged.session])?;
        let Asked { judged, mut question } = asked;
        let sequence = question.sequence;
        let ending = match self.answered(&mut question, gone).await? {
            // The bytes must still be those that people saw.
            Ending::Approved(_) if judged.digest != self.gate().digest_key().digest(&judged.request.exact) => {
                return Err(self.failed(GateError::Foreign { session: self.id() }));
            }
            ending => ending,
        };
        let denial = |outcome, reason: &str, judged| Denial {
            judged,
            outcome,
            asked: Some(sequence),
            reason: reason.to_owned(),
        };
        match ending {
            Ending::Approved(decisions) => Ok(Ok(Permit {
                judged,
                approved: Some(Approved {
                    request: sequence,
                    decisions,
                }),
            })),
            Ending::Refused => Ok(Err(denial(Outcome::Refused, "a person refused it", judged))),
            Ending::Expired(reason) => Ok(Err(denial(Outcome::Expired, reason, judged))),
        }
    }

    /// Waits until a question is answered, or nobody can answer it any more; then that is recorded.
    pub(crate) async fn answered(
        &mut self,
        question: &mut Question,
        gone: impl Future<Output = ()> + Send,
    ) -> Result<Ending, GateError> {
        let ending = match self.ending(question, gone).await? {
            // The policy that asked must still be the one in force.
            Ending::Approved(_) if question.body.decision.policy != self.gate().policy().digest() => {
                Ending::Expired("the policy has changed since it was asked")
            }
            ending => ending,
        };
        self.waiting = None;
        if let Ending::Expired(reason) = ending {
            let word = if reason == WITHDRAWN { "agent" } else { "time" };
            let Handed { events, ticket, .. } = self.hand_over(vec![expired(question.sequence, word)])?;
            self.durable(events, ticket).await?;
        }
        Ok(ending)
    }

    async fn ending(&self, asked: &mut Question, gone: impl Future<Output = ()> + Send) -> Result<Ending, GateError> {
        let mut gone = std::pin::pin!(gone);
        let mut made: Vec<Arc<VerifiedDecision>> = Vec::new();
        loop {
            let left_us = asked.body.expires.0.saturating_sub(self.gate().clock().now().0);
            if left_us == 0 {
                return Ok(Ending::Expired("nobody decided in time"));
            }
            let decision = tokio::select! {
                biased;
                () = &mut gone => return Ok(Ending::Expired(WITHDRAWN)),
                decision = asked.decisions.recv() => decision,
                () = tokio::time::sleep(CLOCK_AGAIN.min(Duration::from_micros(left_us))) => continue,
            };
            match decision {
                Ok(decision) if decision.body.request != asked.leaf => continue,
                Ok(_) if made.len() >= DECISIONS_MAX => return Err(self.missed("too many decisions")),
                Ok(decision) => made.push(decision),
                Err(RecvError::Lagged(_)) => return Err(self.missed("decisions were missed while it waited")),
                Err(RecvError::Closed) => return Err(self.missed("no more decisions come")),
            }
            match self.tally(asked, &made) {
                Tally::Approved(decisions) if self.gate().clock().now() <= asked.body.expires => {
                    return Ok(Ending::Approved(decisions));
                }
                Tally::Refused(_) => return Ok(Ending::Refused),
                Tally::Approved(_) | Tally::Waiting(_) => {}
            }
        }
    }

    fn tally(&self, asked: &Question, made: &[Arc<VerifiedDecision>]) -> Tally {
        let request = policy::Request {
            leaf: asked.leaf,
            session: self.id(),
            requester: self.principal(),
            body: &asked.body,
        };
        let decided: Vec<_> = made
            .iter()
            .map(|made| Decided {
                leaf: made.leaf,
                time: made.time,
                signer: &made.signer,
                body: &made.body,
            })
            .collect();
        tally(&request, &decided)
    }

    fn missed(&self, reason: &str) -> GateError {
        self.failed(GateError::LedgerUnavailable {
            reason: reason.to_owned(),
        })
    }
}
