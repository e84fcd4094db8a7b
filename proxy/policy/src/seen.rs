//! Commands that a pipeline has not run before: whether the fingerprint of a request is known to have passed.
//!
//! Rules go by it with `when = { first_seen = true }`, where they deny or ask, and `when = { first_seen = false }`, where they
//! allow. The facts of every request to a target with such a rule have it as one attribute ([`FIRST_SEEN`]):
//!
//! | value | says |
//! | --- | --- |
//! | `false` | a command with this fingerprint passed before this one was decided, at the same proxy, and its event stands before this one's in that proxy's own chain |
//! | `true` | nothing: it was never seen, or that is not known (any more) |
//!
//! So only one of the two is a claim, the one that can make a decision milder, and the verifier holds it to the log. A rule that
//! would be milder by the other one is refused with the policy.
//!
//! A *fingerprint* is that of grants ([`crate::grant`]), all that is recorded of a command but its values and its time, for one target
//! and one pipeline: of a run its issuer, repository, reference and workflow, and of anybody else the account. It is for commands
//! whose values are data; all else has none, and so is never seen.
//!
//! Not here: what a proxy remembers (the gate), what runs code or goes by names that no record shows (the protocol), and what the
//! log says (the verifier).

use std::collections::BTreeMap;

use exhibit_schemas::cbor::{self, Sorted};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Attribute, Command, Effect, Facts, Outcome, Principal};

use crate::decide::decide;
use crate::estimate::ESTIMATED_ROWS;
use crate::grant;
use crate::hours::TIME;
use crate::snapshot::Snapshot;

/// The attribute (a bool) of every request to a target of which a rule goes by it.
pub const FIRST_SEEN: &str = "first_seen";

/// The attribute (true) of a request that is only prepared, where a rule goes by what was seen: less may have kept it from passing
/// than keeps what runs.
pub const PREPARED: &str = "prepared";

impl Snapshot {
    /// Whether it matters to the decision about a request whether that was seen.
    pub fn hangs_on_seen(&self, principal: &Principal, target: &str, facts: &Facts) -> bool {
        let decided = |seen| {
            let mut facts = facts.clone();
            state(&mut facts, seen);
            decide(self, principal, target, &facts)
        };
        self.tells_seen(target) && decided(true) != decided(false)
    }
}

/// What a request is known by, for its pipeline and target; `None` where nothing is.
pub fn fingerprint(
    principal: &Principal,
    target: &str,
    statement: &str,
    parameters: &[String],
    facts: &Facts,
) -> Option<Digest> {
    if !grant::has_fingerprint(statement, facts) {
        return None;
    }
    let of_moment = [TIME, ESTIMATED_ROWS, FIRST_SEEN];
    let attributes = facts.attributes.iter();
    let attributes = attributes.filter(|(name, _)| !of_moment.contains(&name.as_str()));
    let attributes: BTreeMap<String, Attribute> =
        attributes.map(|(name, value)| (name.clone(), value.clone())).collect();
    let does = (&facts.accesses, Sorted(&attributes), &facts.columns);
    let known_by = (pipeline(principal), target, statement, parameters, does);
    Some(Digest::of(&cbor::encode(&known_by)))
}

/// The fingerprint of a command that passed; `None` of one that did not, and of one without.
pub fn passed(principal: &Principal, target: &str, command: &Command) -> Option<Digest> {
    let passed = matches!(command.outcome, Outcome::Allowed | Outcome::Approved);
    passed
        .then(|| {
            fingerprint(
                principal,
                target,
                &command.statement,
                &command.parameters,
                &command.facts,
            )
        })
        .flatten()
}

/// Why a rule of that effect cannot have this as its condition.
pub(crate) fn unfit(wanted: &Attribute, effect: Effect) -> Option<&'static str> {
    match (wanted, effect) {
        (Attribute::Bool(true), Effect::Allow) | (Attribute::Bool(false), Effect::Ask | Effect::Deny) => Some(
            "what was never seen and what is not known are one: ask or deny with `first_seen = true`, allow with `first_seen = false`",
        ),
        (Attribute::Bool(_), _) => None,
        (Attribute::Integer(_) | Attribute::Text(_), _) => Some("`first_seen` is true or false"),
    }
}

/// Has facts say whether a request with them was seen.
pub fn state(facts: &mut Facts, seen: bool) {
    facts.attributes.insert(FIRST_SEEN.to_owned(), Attribute::Bool(!seen));
}

/// Has the facts of a request say that it runs nothing, so that it is not taken for one like it that ran.
pub fn only_prepares(facts: &mut Facts) {
    facts.attributes.insert(PREPARED.to_owned(), Attribute::Bool(true));
}

/// Whether facts claim that it was.
pub fn is_claimed(facts: &Facts) -> bool {
    facts.attributes.get(FIRST_SEEN) == Some(&Attribute::Bool(false))
}

/// Whether facts say either.
pub fn is_stated(facts: &Facts) -> bool {
    matches!(facts.attributes.get(FIRST_SEEN), Some(Attribute::Bool(_)))
}

/// Whose commands count together. The first word keeps accounts from being taken for runs.
fn pipeline(principal: &Principal) -> Vec<Option<&str>> {
    let Principal {
        method,
        issuer,
        subject,
        run,
        ..
    } = principal;
    match run.as_deref() {
        Some(run) => vec![
            Some("run"),
            Some(method),
            Some(issuer),
            Some(&run.provider),
            Some(&run.repository_id),
            // A workflow that others call is named with the reference of its own file, whatever branch calls it.
            Some(&run.reference),
            run.workflow.as_deref(),
        ],
        None => vec![
            Some("account"),
            Some(method),
            Some(issuer),
            Some(subject),
            principal.own_client(),
        ],
    }
}

#[cfg(test)]
mod tests;
