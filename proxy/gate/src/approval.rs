//! Asking people: the question is recorded first, then signed decisions are counted until they suffice, or time is up.
//!
//! The decisions come from the recorder, which has checked their seals and signers; here they are counted by
//! [`exhibit_policy::approval`], the code that the verifier runs again.
//!
//! Not here: what counts as an approval, how decisions reach the recorder, and how they are kept (`hearing.rs`).

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use exhibit_policy::approval::{self as policy, Tally};
use exhibit_policy::decide::NOBODY_TO_ASK;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Outcome, Principal};
use exhibit_schemas::event::approval::{ApprovalExpired, ApprovalRequested};
use exhibit_schemas::event::{Body, SessionId, Timestamp};

use crate::allowance::Allowance;
use crate::answers::Answers;
use crate::error::GateError;
use crate::preview::fresh;
use crate::request::{self, Approved, Asking, Denial, Judged, Pending, Permit};
use crate::retries::{Held, Place};
use crate::sealed::Told;
use crate::session::{Handed, Session};
use crate::waits::{WAITING_OF_ONE_MAX, Wait};

/// How long a sleep lasts before the clock is read again: a clock that was set may bring the expiry nearer.
pub(crate) const CLOCK_AGAIN: Duration = Duration::from_millis(200);

/// Hexadecimal digits of the id that people type.
const ID_DIGITS: usize = 12;

const SECOND_US: u64 = 1_000_000;

/// A question that is in the ledger, and waits for people.
pub struct Question {
    // Invariant: `body` stands durable in the ledger as event `sequence` of `session`, with the leaf hash `leaf`.
    pub(crate) body: ApprovalRequested,
    leaf: Digest,
    pub(crate) session: SessionId,
    sequence: u64,
    pub(crate) requester: Principal,
    /// The term of the policy in force when it was asked. Nothing passes by it in another one, whatever policy comes back.
    pub(crate) term: u64,
}

/// A request whose question is in the ledger.
pub struct Asked {
    judged: Judged,
    question: Arc<Question>,
    way: Way,
}

/// Why people are not asked.
#[derive(Debug, thiserror::Error)]
pub enum NotAsked {
    /// Too many requests of its requester wait already. The denial is to be recorded like any other.
    #[error("{}", .0.reason())]
    Denied(Box<Denial>),
    /// Nothing passes any more.
    #[error(transparent)]
    Failed(#[from] GateError),
}

/// Whose question it is.
enum Way {
    /// Its own; with the place where it is left when the session waits no longer, if a retry can take it up there.
    Own(Answers, Option<Held>),
    /// An earlier command's. This one waits until then.
    Earlier(Place, Timestamp),
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

    /// Whether that policy asked it, in that term.
    fn is_of(&self, policy: Digest, term: u64) -> bool {
        (self.body.decision.policy, self.term) == (policy, term)
    }

    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    pub(crate) const fn leaf(&self) -> Digest {
        self.leaf
    }
}

/// What a session waits for people about, and what is recorded of it where the session ends meanwhile.
pub(crate) struct Waiting {
    /// Sequence of its own question; `None` of a retry.
    question: Option<u64>,
    /// The command with its copy; a reply that is held has its command recorded already.
    told: Option<Told>,
}

impl Waiting {
    /// The end of the question, and with it the command of which nothing came: whatever an agent has asked for has its event. The
    /// first of the events has the sequence `next`. Also gives the command's sequence.
    pub(crate) fn bodies(self, next: u64) -> (Vec<Body>, Option<u64>) {
        let mut bodies: Vec<Body> = self
            .question
            .map(|question| expired(question, "agent"))
            .into_iter()
            .collect();
        let command = next.saturating_add(u64::from(self.question.is_some()));
        let told = self.told.map(|told| told.bodies(command));
        let command = told.as_ref().map(|_| command);
        bodies.extend(told.into_iter().flatten());
        (bodies, command)
    }
}

/// What became of a question.
enum Became {
    Approved(Vec<Digest>),
    Refused,
    Expired(&'static str),
    Open,
}

impl Became {
    fn with(self, answers: Answers) -> Ending {
        match self {
            Self::Approved(decisions) => Ending::Approved(decisions, answers.settled()),
            Self::Refused => Ending::Refused,
            Self::Expired(reason) => Ending::Expired(reason),
            Self::Open => Ending::Open,
        }
    }
}

/// How a wait ended.
pub(crate) enum Ending {
    /// By these decisions, and with what else may be said of the question.
    Approved(Vec<Digest>, Answers),
    Refused,
    /// With what the agent is told.
    Expired(&'static str),
    /// The session waits no longer, and the question stays open.
    Open,
}

/// What an agent is told whose own going ended the wait.
const WITHDRAWN: &str = "the request was withdrawn";

/// What an agent is told when people did not decide before the expiry.
pub(crate) const UNDECIDED: &str = "nobody decided in time";

/// What an agent is told where the policy is another one by now.
pub(crate) const POLICY_CHANGED: &str = "the policy has changed since it was asked";

/// What an agent is told that came second.
pub(crate) const TAKEN: &str =
    "the approval that it waited for was taken up by another session; run it again to ask anew";

/// What an agent is told where nobody can know what people decided.
pub(crate) const MISSED: &str = "decisions about it were missed while nobody waited; run it again to ask anew";

/// So many seconds after a time.
pub(crate) const fn after(time: Timestamp, seconds: u64) -> Timestamp {
    Timestamp(time.0.saturating_add(seconds.saturating_mul(SECOND_US)))
}

/// The event of a question that nobody answered: `time`, or `agent` when it went away.
pub(crate) fn expired(request: u64, reason: &str) -> Body {
    let reason = reason.to_owned();
    ApprovalExpired { request, reason }.into()
}

impl Session {
    /// Records the question, unless an earlier command that this one is a retry of has left its own open.
    ///
    /// # Errors
    /// [`NotAsked`].
    pub async fn ask(&mut self, pending: Pending) -> Result<Asked, NotAsked> {
        let Pending {
            judged,
            requirement,
            expires_s,
            hold_s,
            preview,
            mut wait,
            counted: _,
            ran,
        } = pending;
        self.own([judged.session])?;
        self.room().await?;
        let gate = self.gate().clone();
        let now = gate.now();
        let in_s = |seconds| after(now, seconds);
        let mut body = ApprovalRequested {
            target: self.target().to_owned(),
            statement: judged.request.statement.clone(),
            command: judged.digest,
            facts: judged.request.facts.clone(),
            decision: judged.decision.clone(),
            requirement,
            expires: in_s(expires_s),
            held_until: None,
            requester: Some(Box::new(self.principal().clone())),
            preview: fresh(preview, ran, now),
        };
        if let Some(hold_s) = hold_s {
            // No policy is kept in force while somebody else, or later the agent or people, are waited for.
            self.flush()?;
            self.let_go_of_policy();
            let mut retries = gate.retries().lock().await;
            if let Some(open) = retries.find(&judged, self, now) {
                let question = Arc::clone(&open.question);
                let way = Way::Earlier(Arc::clone(&open.place), in_s(hold_s));
                drop(retries);
                let told = request::unanswered(&judged, Asking::Earlier(question.leaf));
                self.waiting = Some(Waiting {
                    question: None,
                    told: Some(told.map_err(|error| self.refused(error))?),
                });
                return Ok(Asked { judged, question, way });
            }
            if retries.has_room() {
                body.held_until = Some(in_s(hold_s));
                let Some(wait) = wait.take().or_else(|| self.place_to_wait(body.expires)) else {
                    return Err(self.too_many(judged));
                };
                self.decided_by([judged.decision.policy]).await?;
                let answers = self.question(body, wait, Some(&judged)).await?;
                let question = Arc::clone(&answers.question);
                let held = retries.begin(Arc::clone(&question), self.before());
                let way = Way::Own(answers, Some(held));
                return Ok(Asked { judged, question, way });
            }
        }
        let Some(wait) = wait.take().or_else(|| self.place_to_wait(body.expires)) else {
            return Err(self.too_many(judged));
        };
        self.decided_by([judged.decision.policy]).await?;
        let answers = self.question(body, wait, Some(&judged)).await?;
        let question = Arc::clone(&answers.question);
        let way = Way::Own(answers, None);
        Ok(Asked { judged, question, way })
    }

    /// A place among the requests of this requester that wait, until that time at the most; `None` where as many wait as may.
    pub(crate) fn place_to_wait(&self, expires: Timestamp) -> Option<Arc<Wait>> {
        let gate = self.gate();
        gate.waits().begin(self.principal(), gate.now(), expires)
    }

    /// The denial of a command about which nobody can be asked because its requester has asked so much.
    fn too_many(&self, judged: Judged) -> NotAsked {
        let cause =
            format!("{WAITING_OF_ONE_MAX} requests of this requester wait for people already, so {NOBODY_TO_ASK}");
        NotAsked::Denied(Box::new(request::unasked(&self.asker(), judged, &cause)))
    }

    /// Records what people are asked; about a command, unless it is about a reply.
    pub(crate) async fn question(
        &mut self,
        body: ApprovalRequested,
        wait: Arc<Wait>,
        command: Option<&Judged>,
    ) -> Result<Answers, GateError> {
        // Before the question is recorded, so no answer is missed.
        let since = self.gate().recorder().heard();
        let sequence = self.upcoming();
        let told = command.map(|judged| request::unanswered(judged, Asking::Own(sequence)));
        let told = told.transpose().map_err(|error| self.refused(error))?;
        // Before the question is handed over: another policy may come into force in between, and then it is of the one before.
        let term = self.gate().policy_term();
        let Handed { events, ticket } = self.hand_over(vec![body.clone().into()])?;
        // From here on it may be in the ledger: whoever gives up waiting has the session's close end it.
        let question = Some(sequence);
        self.waiting = Some(Waiting { question, told });
        let receipts = self.durable(events, ticket).await?;
        let leaf = receipts.last().map(|receipt| receipt.leaf);
        let leaf = leaf.expect("`durable` gives as many receipts as events were handed over");
        let question = Question {
            body,
            leaf,
            session: self.id(),
            sequence,
            requester: self.principal().clone(),
            term,
        };
        Ok(Answers::new(question, wait, self.gate().hearing(), since))
    }

    /// Waits for people, for the request's expiry, for the end of the time that its approval lets a session wait, or for `gone`
    /// (the agent went away or cancelled), whichever is first.
    ///
    /// # Errors
    /// [`GateError`]; also when decisions were missed, because a refusal may be among them.
    pub async fn wait(
        &mut self,
        asked: Asked,
        gone: impl Future<Output = ()> + Send,
    ) -> Result<Result<Permit, Denial>, GateError> {
        self.own([asked.judged.session])?;
        let Asked { judged, question, way } = asked;
        let (request, ending) = match way {
            Way::Own(answers, held) => {
                let ending = self.answered(answers, held, gone).await?;
                (Asking::Own(question.sequence), ending)
            }
            Way::Earlier(place, until) => {
                let request = Asking::Earlier(question.leaf);
                let ending = self.taken_up(place, until, gone).await;
                self.waiting = None;
                let ending = match ending {
                    Ok(Ending::Approved(..)) if !self.holds_policy_of(&question).await => {
                        return Ok(Err(postponed(judged, request, POLICY_CHANGED.to_owned())));
                    }
                    Ok(ending) => ending,
                    Err(reason) => return Ok(Err(postponed(judged, request, reason.to_owned()))),
                };
                (request, ending)
            }
        };
        let denial = |outcome, reason: &str, judged| Denial {
            judged,
            outcome,
            asked: Some(request),
            reason: reason.to_owned(),
        };
        match ending {
            // The bytes must still be those that people saw.
            Ending::Approved(..) if judged.digest != self.gate().digest_key().digest(&judged.request.exact) => {
                Err(self.failed(GateError::Foreign { session: self.id() }))
            }
            Ending::Approved(decisions, answers) => {
                let allowance = Allowance::new(answers, decisions.clone(), 0, self.gate().now());
                let approved = Approved {
                    request,
                    decisions,
                    allowance: allowance.map_err(|reason| self.missed(reason))?.into(),
                    by: None,
                };
                Ok(Ok(Permit {
                    judged,
                    approved: Some(approved),
                }))
            }
            Ending::Refused => Ok(Err(denial(Outcome::Refused, "a person refused it", judged))),
            Ending::Expired(reason) => Ok(Err(denial(Outcome::Expired, reason, judged))),
            Ending::Open => {
                let reason = format!(
                    "approval {} is needed by {} and not given yet; run the same statement again until {}",
                    question.id(),
                    question.groups().join(" or "),
                    question.expires(),
                );
                Ok(Err(postponed(judged, request, reason)))
            }
        }
    }

    /// Waits until a question of its own is answered, or nobody can answer it any more; then that is recorded. Where it stays open, the
    /// answers go to the place that is held.
    pub(crate) async fn answered(
        &mut self,
        answers: Answers,
        held: Option<Held>,
        gone: impl Future<Output = ()> + Send,
    ) -> Result<Ending, GateError> {
        let until = answers.question.body.held_until;
        let became = self.ending(&answers, until, gone).await;
        let became = match became.map_err(|reason| self.missed(reason))? {
            // The policy that asked must still be the one in force, and stays so until what was approved is handed over.
            Became::Approved(_) if !self.holds_policy_of(&answers.question).await => Became::Expired(POLICY_CHANGED),
            became => became,
        };
        self.waiting = None;
        if let Became::Expired(reason) = became {
            let word = if reason == WITHDRAWN { "agent" } else { "time" };
            let Handed { events, ticket } = self.hand_over(vec![expired(answers.question.sequence, word)])?;
            self.durable(events, ticket).await?;
        }
        Ok(match (became, held) {
            (Became::Open, Some(mut held)) => {
                *held = Some(answers);
                Ending::Open
            }
            (became, _) => became.with(answers),
        })
    }

    /// Takes hold of the policy in force until something is handed over, and says whether it is the one that asked, in the term
    /// in which it asked.
    async fn holds_policy_of(&mut self, question: &Question) -> bool {
        let policy = self.hold_policy().await;
        question.is_of(policy.snapshot().digest(), policy.term())
    }

    /// Waits for the question of an earlier command; the error says why this one has to be run again.
    async fn taken_up(
        &self,
        place: Place,
        until: Timestamp,
        gone: impl Future<Output = ()> + Send,
    ) -> Result<Ending, &'static str> {
        let mut gone = std::pin::pin!(gone);
        let mut lock = std::pin::pin!(place.lock());
        let mut answers = loop {
            let left_us = until.0.saturating_sub(self.gate().now().0);
            tokio::select! {
                biased;
                () = &mut gone => return Err(WITHDRAWN),
                answers = &mut lock => break answers,
                () = std::future::ready(()), if left_us == 0 => return Ok(Ending::Open),
                () = tokio::time::sleep(CLOCK_AGAIN.min(Duration::from_micros(left_us))) => {}
            }
        };
        let Some(waiting) = answers.as_ref() else {
            return Err(TAKEN);
        };
        let became = self.ending(waiting, Some(until), gone).await;
        match became {
            Ok(Became::Open) => return Ok(Ending::Open),
            // Its going ends its own wait alone.
            Ok(Became::Expired(WITHDRAWN)) => return Err(WITHDRAWN),
            _ => {}
        }
        // Whatever else it is, it is the end of the question; taken out, so that nobody else takes it up.
        let taken = answers.take();
        match (became, taken) {
            (Ok(Became::Expired(POLICY_CHANGED)), _) => Err(POLICY_CHANGED),
            (Ok(became), Some(answers)) => Ok(became.with(answers)),
            // A refusal may be among what was missed; nobody has to go for that whose own question it is not.
            _ => Err(MISSED),
        }
    }

    /// Waits for what becomes of a question; the error says why nobody can know it any more.
    async fn ending(
        &self,
        answers: &Answers,
        until: Option<Timestamp>,
        gone: impl Future<Output = ()> + Send,
    ) -> Result<Became, &'static str> {
        let mut gone = std::pin::pin!(gone);
        let gate = self.gate();
        let mut changes = answers.changes();
        loop {
            changes.mark_unchanged();
            let now = gate.now();
            let expires = answers.question.expires();
            match answers.tally()? {
                Tally::Refused(_) => return Ok(Became::Refused),
                // The policy that asked must still be the one in force.
                Tally::Approved(_) | Tally::Emergency(_)
                    if !answers.question.is_of(gate.policy().digest(), gate.policy_term()) =>
                {
                    return Ok(Became::Expired(POLICY_CHANGED));
                }
                // People's clocks say when they approved, and this one when something comes of it.
                Tally::Approved(decisions)
                    if now <= expires && policy::in_hours(&answers.question.body.requirement, now) =>
                {
                    return Ok(Became::Approved(decisions));
                }
                Tally::Approved(_) | Tally::Emergency(_) | Tally::Waiting(_) => {}
            }
            // Hours do not hold for it, and people who approved outside of theirs do not stand in its way.
            if now <= expires
                && let Some(decision) = answers.emergency(now)?
            {
                return Ok(Became::Approved(vec![decision]));
            }
            if now >= expires {
                return Ok(Became::Expired(UNDECIDED));
            }
            if until.is_some_and(|until| now >= until) {
                return Ok(Became::Open);
            }
            let next = until.map_or(expires, |until| until.min(expires));
            let left = CLOCK_AGAIN.min(Duration::from_micros(next.0.saturating_sub(now.0)));
            tokio::select! {
                biased;
                () = &mut gone => return Ok(Became::Expired(WITHDRAWN)),
                // The sender lives as long as the answers.
                _ = changes.changed() => {}
                () = tokio::time::sleep(left) => {}
            }
        }
    }

    pub(crate) fn missed(&self, reason: &str) -> GateError {
        self.failed(GateError::LedgerUnavailable {
            reason: reason.to_owned(),
        })
    }
}

/// A command that people have not decided about yet.
fn postponed(judged: Judged, request: Asking, reason: String) -> Denial {
    Denial {
        judged,
        outcome: Outcome::Postponed,
        asked: Some(request),
        reason,
    }
}
