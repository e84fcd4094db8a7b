//! What is expected of an answer, and where an answer is otherwise.
//!
//! What is left out is not compared. What is given is compared whole: `masks = {}` says that nothing is masked.

use std::collections::{BTreeMap, BTreeSet};

use exhibit_policy::explain::{Cause, Explanation};
use exhibit_schemas::event::access::Effect;
use serde::Deserialize;

/// What is expected, as the file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectedText {
    effect: String,
    cause: Option<String>,
    rule: Option<String>,
    reason: Option<String>,
    approval: Option<String>,
    emergency: Option<BTreeSet<String>>,
    roles: Option<BTreeSet<String>>,
    observed: Option<BTreeSet<String>>,
    masks: Option<BTreeMap<String, String>>,
    nets: Option<BTreeSet<String>>,
}

/// What is expected.
pub(super) struct Expected {
    effect: Effect,
    cause: Option<Cause>,
    rule: Option<String>,
    reason: Option<String>,
    approval: Option<String>,
    /// Groups of which somebody may let it pass in an emergency.
    emergency: Option<BTreeSet<String>>,
    roles: Option<BTreeSet<String>>,
    /// Rules that match and are only observed.
    observed: Option<BTreeSet<String>>,
    /// Resource to mask.
    masks: Option<BTreeMap<String, String>>,
    nets: Option<BTreeSet<String>>,
}

/// Where an answer is not what was expected.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// What it is about.
    pub(super) what: String,
    /// What was expected.
    pub(super) expected: String,
    /// What was found.
    pub(super) found: String,
}

impl ExpectedText {
    pub(super) fn read(self) -> Result<Expected, String> {
        let effect = Effect::from_word(&self.effect).ok_or_else(|| {
            let words: Vec<_> = Effect::ALL.iter().map(|effect| effect.as_str()).collect();
            format!("`{}` is no effect; effects are {}", self.effect, words.join(", "))
        })?;
        let cause = match &self.cause {
            None => None,
            Some(word) => Some(cause(word)?),
        };
        if self.rule.is_some() && cause.is_some_and(|cause| cause != Cause::Rule) {
            return Err("a decision by a rule has no other cause".to_owned());
        }
        if cause.is_some_and(|cause| cause != Cause::Rule) && effect != Effect::Deny {
            return Err("what no rule decides is denied".to_owned());
        }
        if self.approval.is_some() && effect != Effect::Ask {
            return Err("only a decision that asks names an approval".to_owned());
        }
        if self.emergency.is_some() && effect != Effect::Ask {
            return Err("only what a decision asks about can pass in an emergency".to_owned());
        }
        if effect == Effect::Deny && self.rule.is_none() && cause.is_none() {
            return Err("a denial can have any cause, a misspelt name too: give its rule or its cause".to_owned());
        }
        if cause == Some(Cause::Unproven) && self.reason.is_none() {
            return Err("a statement that is no SQL is unproven, too: give the reason".to_owned());
        }
        if cause == Some(Cause::Unproven) && self.observed.as_ref().is_some_and(|observed| !observed.is_empty()) {
            return Err("no rule was asked about what is unproven, so none is observed".to_owned());
        }
        let masked = self.masks.as_ref().is_some_and(|masks| !masks.is_empty());
        let netted = self.nets.as_ref().is_some_and(|nets| !nets.is_empty());
        if effect == Effect::Deny && (masked || netted) {
            return Err("what is denied releases nothing that masks or nets could reach".to_owned());
        }
        Ok(Expected {
            effect,
            cause,
            rule: self.rule,
            reason: self.reason,
            approval: self.approval,
            emergency: self.emergency,
            roles: self.roles,
            observed: self.observed,
            masks: self.masks,
            nets: self.nets,
        })
    }
}

fn cause(word: &str) -> Result<Cause, String> {
    let known = Cause::ALL.into_iter().find(|cause| cause.as_str() == word);
    known.ok_or_else(|| {
        let words = Cause::ALL.map(Cause::as_str).join(", ");
        format!("`{word}` is no cause; causes are {words}")
    })
}

impl Expected {
    /// Everything in which an answer is otherwise.
    pub(super) fn differences(&self, found: &Explanation) -> Vec<Difference> {
        let decision = &found.decision;
        let mut differences = Differences(Vec::new());
        differences.one("effect", Some(self.effect.as_str()), Some(decision.effect.as_str()));
        if let Some(cause) = self.cause {
            differences.one("cause", Some(cause.as_str()), Some(found.cause.as_str()));
        }
        for (what, expected, found) in [
            ("rule", &self.rule, decision.rule.as_deref()),
            ("reason", &self.reason, Some(decision.reason.as_str())),
            ("approval", &self.approval, decision.approval.as_deref()),
        ] {
            if expected.is_some() {
                differences.one(what, expected.as_deref(), found);
            }
        }
        if let Some(emergency) = &self.emergency {
            let stated = found.approval.as_ref().and_then(|approval| approval.emergency.as_ref());
            let groups = stated.map(|stated| stated.groups.iter().cloned().collect());
            differences.names("emergency by", emergency, &groups.unwrap_or_default());
        }
        if let Some(roles) = &self.roles {
            differences.names("role", roles, &found.roles.iter().cloned().collect());
        }
        if let Some(observed) = &self.observed {
            let found = found.observed.iter().map(|one| one.rule.clone());
            differences.names("observed rule", observed, &found.collect());
        }
        if let Some(masks) = &self.masks {
            let found = found.masks.iter().map(|one| (one.resource.clone(), one.mask.clone()));
            differences.masks(masks, &found.collect());
        }
        if let Some(nets) = &self.nets {
            differences.names("net", nets, &found.nets.iter().map(|net| net.name.clone()).collect());
        }
        differences.0
    }
}

struct Differences(Vec<Difference>);

impl Differences {
    fn one(&mut self, what: &str, expected: Option<&str>, found: Option<&str>) {
        if expected != found {
            self.0.push(Difference {
                what: what.to_owned(),
                expected: expected.unwrap_or("none").to_owned(),
                found: found.unwrap_or("none").to_owned(),
            });
        }
    }

    /// Names that are on one side alone.
    fn names(&mut self, kind: &str, expected: &BTreeSet<String>, found: &BTreeSet<String>) {
        for name in expected.symmetric_difference(found) {
            let side = |names: &BTreeSet<String>| names.contains(name).then_some("yes").or(Some("no"));
            self.one(&format!("{kind} {name}"), side(expected), side(found));
        }
    }

    fn masks(&mut self, expected: &BTreeMap<String, String>, found: &BTreeMap<String, String>) {
        let resources: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
        for resource in resources {
            let of = |masks: &'_ BTreeMap<String, String>| masks.get(resource).cloned();
            self.one(
                &format!("mask of {resource}"),
                of(expected).as_deref(),
                of(found).as_deref(),
            );
        }
    }
}
