//! What another policy would have decided: the recorded decisions of a period, decided again under it.
//!
//! ```text
//! facts of the event, principal and target of its session ─▶ decide(candidate) ─▶ the same, or a change
//! ```
//!
//! Each decision is taken by itself, and each once: a request for approval counts with the command that follows it, where one
//! does. What cannot be decided again is counted apart and never taken for the same:
//!
//! - a command that could not be proven masked under other masks than the candidate's, or masks that let values be tried
//!   otherwise, or that was denied because the rule that
//!   asked had nobody to ask: what the candidate's proxy would have read of it is not recorded;
//! - a command that the candidate's rules let pass on a target whose masks are others than they were: whether it can be proven
//!   masked is not recorded;
//! - a statement that was only prepared, because people were to be asked when it runs: the event holds no more than that;
//! - a command about which the candidate goes by estimated rows, or by what was seen before, where the policy in force did not.
//!
//! A rule that the candidate only observes is looked at by itself: what would be decided if it were enforced, too.
//!
//! Not here: what people would have answered, and what an agent would have done next.

use std::borrow::Cow;
use std::collections::BTreeMap;

use exhibit_policy::decide::{NOBODY_TO_ASK, UNPROVEN, decide, decide_enforcing};
use exhibit_policy::estimate::Estimate;
use exhibit_policy::hours::{TIME, time_of, timed};
use exhibit_policy::seen::{self, FIRST_SEEN};
use exhibit_policy::snapshot::{Approval, Snapshot};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Access, Action, Attribute, DecisionRecord, Effect, Facts, SessionOpened};
use exhibit_schemas::event::{SessionId, Timestamp};
use exhibit_schemas::merkle::Index;
use serde::Serialize;

/// Events of one kind of change that are listed; the rest is counted.
pub const LISTED_MAX: usize = 1_000;

/// The one attribute of a statement that was only prepared, and its value.
const ONLY_PREPARED: (&str, &str) = ("class", "prepare");

/// A policy to compare with, and the period.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The policy.
    pub snapshot: Snapshot,
    /// Decisions at this time or after it; all when `None`.
    pub from: Option<Timestamp>,
    /// Decisions before this time; all when `None`.
    pub to: Option<Timestamp>,
}

/// An effect with what led to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Decided {
    /// `allow`, `ask` or `deny`.
    pub effect: &'static str,
    /// The rule; `None` where none decided.
    pub rule: Option<String>,
    /// The approval that is asked for.
    pub approval: Option<String>,
}

/// How a decision compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Difference {
    /// Another effect, or other people to ask.
    Changes,
    /// The same effect, by another rule.
    OtherRule,
    /// It was not proven masked, and what another proxy would read of it is not recorded.
    Unproven,
    /// Let pass as far as the rules go; whether it can be proven masked under other masks is not recorded.
    OtherMasks,
    /// The statement was only prepared, and the event does not hold what it does.
    OnlyPrepared,
    /// The candidate goes by how many rows are estimated, and nobody asked for that.
    Unestimated,
    /// The candidate goes by what was seen before, and nothing said whether it was.
    Unseen,
}

/// Decisions that compare alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// How they compare.
    pub difference: Difference,
    /// The target.
    pub target: String,
    /// What was recorded.
    pub before: Decided,
    /// What the candidate says, of what is recorded.
    pub after: Decided,
    /// How many there are.
    pub count: u64,
    /// The first of them, at most [`LISTED_MAX`].
    pub events: Vec<Index>,
}

/// Decisions that an observed rule of the candidate would change alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Observation {
    /// The rule.
    pub rule: String,
    /// The target.
    pub target: String,
    /// What the candidate says.
    pub before: Decided,
    /// What it would say if the rule were enforced, and no other observed rule.
    pub after: Decided,
    /// How many there are.
    pub count: u64,
    /// The first of them, at most [`LISTED_MAX`].
    pub events: Vec<Index>,
}

/// What tells groups apart.
type Key = (Difference, String, Decided, Decided);

/// The comparison, as far as the log was read.
#[derive(Debug)]
pub struct Comparison {
    candidate: Candidate,
    /// Whether a policy masks a target otherwise than the candidate does, and whether it lets values be tried otherwise.
    other_masks: BTreeMap<(Digest, String), (bool, bool)>,
    decisions: u64,
    groups: BTreeMap<Key, Counted>,
    observed: BTreeMap<ObservedKey, Counted>,
    /// Requests for approval that no command has followed yet.
    requests: BTreeMap<(SessionId, u64), Box<Compared>>,
}

/// What tells observations apart: rule, target, what the candidate decides and what it would.
type ObservedKey = (String, String, Decided, Decided);

/// How many, and the first of them.
type Counted = (u64, Vec<Index>);

/// A decision, as it was compared.
#[derive(Debug)]
struct Compared {
    index: Index,
    /// `None` where the candidate comes to the same by the same rule.
    key: Option<Key>,
    /// Observed rules that would change it.
    observed: Vec<ObservedKey>,
}

/// A recorded decision with what it was made from.
pub(crate) struct Recorded<'a> {
    pub(crate) index: Index,
    pub(crate) time: Timestamp,
    pub(crate) opened: &'a SessionOpened,
    pub(crate) facts: &'a Facts,
    pub(crate) decision: &'a DecisionRecord,
    /// The policy that it names.
    pub(crate) policy: &'a Snapshot,
}

impl Comparison {
    pub(crate) fn new(candidate: Candidate) -> Self {
        Self {
            candidate,
            other_masks: BTreeMap::new(),
            decisions: 0,
            groups: BTreeMap::new(),
            observed: BTreeMap::new(),
            requests: BTreeMap::new(),
        }
    }

    /// Takes the decision of a command; `request` is the number in its session of the request that it follows.
    pub(crate) fn command(&mut self, recorded: &Recorded<'_>, session: SessionId, request: Option<u64>) {
        if let Some(request) = request {
            self.requests.remove(&(session, request));
        }
        if self.within(recorded.time) {
            let compared = self.compare(recorded);
            self.count(compared);
        }
    }

    /// Takes the decision of a request for approval.
    pub(crate) fn request(&mut self, recorded: &Recorded<'_>, session: SessionId, number: u64) {
        if self.within(recorded.time) {
            let compared = Box::new(self.compare(recorded));
            self.requests.insert((session, number), compared);
        }
    }

    /// The log ends: requests that no command followed count by themselves.
    pub(crate) fn finish(&mut self) {
        for waiting in std::mem::take(&mut self.requests).into_values() {
            self.count(*waiting);
        }
    }

    fn within(&self, time: Timestamp) -> bool {
        let Candidate { from, to, .. } = &self.candidate;
        from.is_none_or(|from| time >= from) && to.is_none_or(|to| time < to)
    }

    fn count(&mut self, compared: Compared) {
        self.decisions += 1;
        if let Some(key) = compared.key {
            counted(self.groups.entry(key).or_default(), compared.index);
        }
        for key in compared.observed {
            counted(self.observed.entry(key).or_default(), compared.index);
        }
    }

    fn compare(&mut self, recorded: &Recorded<'_>) -> Compared {
        let candidate = &self.candidate.snapshot;
        let (principal, target) = (&recorded.opened.principal, &recorded.opened.target);
        let mut facts = Cow::Borrowed(recorded.facts);
        if candidate.tells_time() && time_of(&facts).is_none() {
            // The policy that was in force had no use for the time; its event has it.
            timed(facts.to_mut(), recorded.time);
        }
        if candidate.tells_seen(target) && !seen::is_stated(&facts) {
            seen::state(facts.to_mut(), false);
        }
        let again = decide(candidate, principal, target, &facts);
        let mut observed = Vec::new();
        for one in again.observed.iter().flatten() {
            let enforced = decide_enforcing(candidate, &one.rule, principal, target, &facts);
            if (enforced.effect, &enforced.approval) != (again.effect, &again.approval) {
                observed.push((one.rule.clone(), target.clone(), decided(&again), decided(&enforced)));
            }
        }
        Compared {
            index: recorded.index,
            key: self.differs(recorded, &facts, &again),
            observed,
        }
    }

    /// `None` where the candidate comes to the same by the same rule.
    fn differs(&mut self, recorded: &Recorded<'_>, facts: &Facts, again: &DecisionRecord) -> Option<Key> {
        let Recorded {
            opened,
            decision,
            policy,
            ..
        } = recorded;
        let candidate = &self.candidate.snapshot;
        let masks = self.other_masks.entry((policy.digest(), opened.target.clone()));
        let target = &opened.target;
        let (other_masks, other_probes) = *masks.or_insert_with(|| {
            let probed = policy.masks_with_probes(target).eq(candidate.masks_with_probes(target));
            (policy.masks_digest(target) != candidate.masks_digest(target), !probed)
        });
        let difference = if let Some(cause) = facts.attributes.get(UNPROVEN) {
            // Every policy denies it; what is not sure is whether it would be the same request.
            (other_masks || other_probes || nobody_to_ask(cause)).then_some(Difference::Unproven)
        } else if only_prepared(recorded.facts) {
            Some(Difference::OnlyPrepared)
        } else if Estimate::of(facts).is_none() && candidate.hangs_on_estimate(&opened.principal, target, facts) {
            Some(Difference::Unestimated)
        } else if !seen::is_stated(recorded.facts) && candidate.hangs_on_seen(&opened.principal, target, facts) {
            Some(Difference::Unseen)
        } else if other_masks && again.effect != Effect::Deny {
            Some(Difference::OtherMasks)
        } else if again.effect != decision.effect || terms(again, candidate) != terms(decision, policy) {
            Some(Difference::Changes)
        } else {
            (again.rule != decision.rule).then_some(Difference::OtherRule)
        }?;
        Some((difference, opened.target.clone(), decided(decision), decided(again)))
    }

    /// How many decisions the period has.
    pub fn decisions(&self) -> u64 {
        self.decisions
    }

    /// Everything that is not the same, in a fixed order.
    pub fn groups(&self) -> impl Iterator<Item = Group> {
        self.groups
            .iter()
            .map(|((difference, target, before, after), (count, events))| Group {
                difference: *difference,
                target: target.clone(),
                before: before.clone(),
                after: after.clone(),
                count: *count,
                events: events.clone(),
            })
    }

    /// What each rule that the candidate only observes would change, in a fixed order.
    pub fn observed(&self) -> impl Iterator<Item = Observation> {
        self.observed
            .iter()
            .map(|((rule, target, before, after), (count, events))| Observation {
                rule: rule.clone(),
                target: target.clone(),
                before: before.clone(),
                after: after.clone(),
                count: *count,
                events: events.clone(),
            })
    }
}

fn counted((count, events): &mut Counted, index: Index) {
    *count += 1;
    if events.len() < LISTED_MAX {
        events.push(index);
    }
}

fn nobody_to_ask(cause: &Attribute) -> bool {
    matches!(cause, Attribute::Text(cause) if cause.ends_with(NOBODY_TO_ASK))
}

/// What is recorded of a statement that was only prepared is this and nothing else; a `PREPARE` that was read has more.
fn only_prepared(facts: &Facts) -> bool {
    let (name, value) = ONLY_PREPARED;
    let own = facts.attributes.iter();
    // These the gate adds to every request where its policy goes by them.
    let mut own = own.filter(|(name, _)| ![TIME, FIRST_SEEN].contains(&name.as_str()));
    facts.accesses == [Access(Action::Session, None)]
        && own.next() == Some((&name.to_owned(), &Attribute::Text(value.to_owned())))
        && own.next().is_none()
}

/// Who has to approve what and when, whatever the approval is called.
fn terms(decision: &DecisionRecord, policy: &Snapshot) -> Option<Approval> {
    let approval = decision.approval.as_deref().and_then(|name| policy.approval(name))?;
    Some(Approval {
        name: String::new(),
        // How long a session waits changes nobody's decision.
        hold_s: None,
        // Nor what people are told beside.
        estimate: false,
        preview: None,
        ..approval.clone()
    })
}

fn decided(decision: &DecisionRecord) -> Decided {
    Decided {
        effect: decision.effect.as_str(),
        rule: decision.rule.clone(),
        approval: decision.approval.clone(),
    }
}
