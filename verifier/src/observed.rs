//! Rules that matched and were not enforced: how often, by whom, and what they would have done.
//!
//! That a decision holds all of them and no other is held by deciding it again.

use std::collections::BTreeMap;

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Command, DecisionRecord, Outcome, SessionOpened};
use exhibit_schemas::merkle::Index;
use serde::Serialize;

use crate::census::OTHERS;

/// Names that are told apart for one rule; those past them are counted as [`OTHERS`].
const WHO_MAX: usize = 1_000;

/// An observed rule of one policy.
#[derive(Clone, Debug, Serialize)]
pub struct ObservedLine {
    /// Digest of the policy.
    pub policy: String,
    /// The rule.
    pub rule: String,
    /// Its effect: what it would have done.
    pub effect: String,
    /// The approval that it would have asked for.
    pub approval: Option<String>,
    /// Commands that it matched.
    pub commands: u64,
    /// Those of them that passed.
    pub passed: u64,
    /// Who sent them, and how many each.
    pub who: BTreeMap<String, u64>,
    /// Index of the first.
    pub first: Index,
    /// Index of the last.
    pub last: Index,
}

/// All observed rules that matched, by policy and rule.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observations(BTreeMap<(Digest, String), ObservedLine>);

impl Observations {
    /// Takes a command.
    pub(crate) fn command(&mut self, index: Index, body: &Command, opened: &SessionOpened) {
        let principal = &opened.principal;
        for observed in body.decision.observed.iter().flatten() {
            let key = (body.decision.policy, observed.rule.clone());
            let line = self.0.entry(key).or_insert_with(|| ObservedLine {
                policy: body.decision.policy.to_string(),
                rule: observed.rule.clone(),
                effect: observed.effect.to_string(),
                approval: observed.approval.clone(),
                commands: 0,
                passed: 0,
                who: BTreeMap::new(),
                first: index,
                last: index,
            });
            line.commands += 1;
            line.passed += u64::from(matches!(body.outcome, Outcome::Allowed | Outcome::Approved));
            let who = format!("{} ({}, {})", principal.subject, principal.method, principal.issuer);
            let room = line.who.len() < WHO_MAX || line.who.contains_key(&who);
            *line.who.entry(if room { who } else { OTHERS.to_owned() }).or_default() += 1;
            line.last = index;
        }
    }

    /// The lines, in the order of the first commands.
    pub(crate) fn into_lines(self) -> Vec<ObservedLine> {
        let mut lines: Vec<_> = self.0.into_values().collect();
        lines.sort_by_key(|line| line.first);
        lines
    }
}

/// Each observed rule of a decision, with what it would have done.
pub(crate) fn each(decision: &DecisionRecord) -> impl Iterator<Item = String> {
    decision.observed.iter().flatten().map(|one| {
        let approval = one.approval.as_ref().map(|approval| format!(" for {approval}"));
        format!("{} ({}{})", one.rule, one.effect, approval.unwrap_or_default())
    })
}

/// The observed rules of a decision, as a part of a sentence; nothing where there are none.
pub(crate) fn words(decision: &DecisionRecord) -> String {
    match &decision.observed {
        Some(_) => format!(", observing {}", each(decision).collect::<Vec<_>>().join(", ")),
        None => String::new(),
    }
}
