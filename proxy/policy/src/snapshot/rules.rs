//! `[[rules]]` of a policy file: who may do what to which resources of which targets, and what is asked for it.
//!
//! Not here: which rule decides ([`crate::decide`]).

use std::collections::{BTreeMap, BTreeSet};

use exhibit_schemas::event::access::{Action, Attribute, Effect};
use serde::Deserialize;

use crate::estimate::ESTIMATED_ROWS;
use crate::hours::{Hours, TIME};

use super::over::{self, Over};
use super::{PolicyError, Target, known, patterns, table, tags};
use crate::pattern::Pattern;
use crate::seen::{self, FIRST_SEEN};

/// What the names that observed rules leave in a decision come to at the most, in bytes. A decision holds each of them that
/// matched, and an event of 65,535 bytes holds the decision beside all else.
const OBSERVED_BYTES_MAX: usize = 8_192;

/// What has no rows that anybody could estimate, and no fingerprint that could have been seen.
const WITHOUT_ROWS: [Action; 2] = [Action::Session, Action::Transaction];

/// Whether a rule decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// It does.
    #[default]
    Enforce,
    /// It does not: that it matched is recorded.
    Observe,
}

/// A rule, with its names checked and its patterns read.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) mode: Mode,
    pub(crate) roles: BTreeSet<String>,
    pub(crate) targets: BTreeSet<String>,
    pub(crate) actions: BTreeSet<Action>,
    /// `None` where the rule does not ask.
    pub(crate) resources: Option<Vec<Pattern>>,
    /// Of the resource of an access, the columns that it is about: with a rule that allows, all that are touched; with one that denies or
    /// asks, any. `None` where the rule does not go by columns.
    pub(crate) columns: Option<Vec<Pattern>>,
    pub(crate) when: BTreeMap<String, Attribute>,
    /// It is about replies that have come to more than this alone.
    pub(crate) over: Option<Over>,
    /// It matches at these times alone.
    pub(crate) hours: Option<Hours>,
    pub(crate) effect: Effect,
    pub(crate) approval: Option<String>,
    pub(crate) reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleText {
    pub(super) name: String,
    #[serde(default)]
    mode: Mode,
    roles: Vec<String>,
    targets: Option<Vec<String>>,
    /// In the place of `targets`: those that have all of these tags.
    target_tags: Option<Vec<String>>,
    actions: Vec<String>,
    resources: Option<Vec<String>>,
    columns: Option<Vec<String>>,
    #[serde(default)]
    when: BTreeMap<String, Attribute>,
    #[serde(default, deserialize_with = "table::some")]
    over: Option<Over>,
    #[serde(default, deserialize_with = "table::some")]
    hours: Option<Hours>,
    effect: String,
    approval: Option<String>,
    reason: Option<String>,
}

impl RuleText {
    pub(super) fn check(
        self,
        roles: &BTreeSet<String>,
        targets: &[Target],
        approvals: &BTreeSet<String>,
    ) -> Result<Rule, PolicyError> {
        let place = format!("rule `{}`", self.name);
        let broken = |rule| PolicyError::Rule {
            place: place.clone(),
            rule,
        };
        if self.roles.is_empty() || self.actions.is_empty() {
            return Err(broken("roles and actions each name at least one"));
        }
        if self.resources.as_ref().is_some_and(Vec::is_empty) {
            return Err(broken(
                "an empty list of resources matches nothing; leave it out to match everything",
            ));
        }
        if self.columns.as_ref().is_some_and(Vec::is_empty) {
            return Err(broken(
                "an empty list of columns matches nothing; leave it out where columns do not matter",
            ));
        }
        known(&place, "role", &self.roles, roles)?;
        let targets = match (&self.targets, &self.target_tags) {
            (Some(names), None) => tags::named(&place, names, targets)?,
            (None, Some(words)) => tags::tagged(&place, words, targets)?,
            (None, None) | (Some(_), Some(_)) => {
                return Err(broken("give `targets` or `target_tags`, one of them"));
            }
        };
        known(&place, "approval", self.approval.as_slice(), approvals)?;
        let words: BTreeSet<String> = Action::ALL.iter().map(ToString::to_string).collect();
        known(&place, "action", &self.actions, &words)?;
        let effect = Effect::from_word(&self.effect).ok_or(broken("an effect is allow, ask or deny"))?;
        if (effect == Effect::Ask) != self.approval.is_some() {
            return Err(broken("a rule names an approval exactly when its effect is ask"));
        }
        if let Some(cause) = self.over.and_then(|over| over.unfit(effect)) {
            return Err(broken(cause));
        }
        if self.mode == Mode::Observe && self.over.is_some_and(Over::is_of_replies) {
            // A reply below every threshold is not decided again: nothing would record that the rule matched.
            return Err(broken(
                "a rule about what a reply comes to is enforced: a reply is decided again only where it would be held",
            ));
        }
        if over::COUNTS.iter().any(|name| self.when.contains_key(*name)) {
            return Err(broken(
                "what a reply comes to is not for `when`; write `over = { rows = … }`",
            ));
        }
        if self.when.contains_key(ESTIMATED_ROWS) {
            return Err(broken(
                "estimated rows are not for `when`; write `over = { estimated_rows = … }`",
            ));
        }
        let of_rows = |word: &String| !WITHOUT_ROWS.iter().any(|action| action.to_string() == *word);
        if self.over.is_some_and(|over| over.estimated_rows.is_some()) && !self.actions.iter().all(of_rows) {
            return Err(broken(
                "a rule by estimated rows is not about `session` or `transaction`: those have no rows",
            ));
        }
        if let Some(wanted) = self.when.get(FIRST_SEEN) {
            if let Some(cause) = seen::unfit(wanted, effect) {
                return Err(broken(cause));
            }
            if !self.actions.iter().all(of_rows) {
                return Err(broken(
                    "a rule by what was seen is not about `session` or `transaction`: those are never seen",
                ));
            }
        }
        if self.when.contains_key(TIME) {
            return Err(broken(
                "the time is not for `when`; write `hours = { windows = [\"…\"] }`",
            ));
        }
        Ok(Rule {
            resources: self.resources.map(|texts| patterns(&place, &texts)).transpose()?,
            columns: self.columns.map(|texts| patterns(&place, &texts)).transpose()?,
            roles: self.roles.into_iter().collect(),
            targets,
            actions: self.actions.iter().filter_map(|word| Action::from_word(word)).collect(),
            when: self.when,
            over: self.over,
            hours: self.hours,
            effect,
            approval: self.approval,
            reason: self.reason.unwrap_or_else(|| format!("rule `{}`", self.name)),
            name: self.name,
            mode: self.mode,
        })
    }
}

/// Holds that decisions have room for the observed rules, all of which one request may match.
pub(super) fn observed(rules: &[Rule]) -> Result<(), PolicyError> {
    let mut bytes = 0_usize;
    for rule in rules.iter().filter(|rule| rule.mode == Mode::Observe) {
        let approval = rule.approval.as_ref().map_or(0, String::len);
        bytes = bytes.saturating_add(rule.name.len()).saturating_add(approval);
        if bytes > OBSERVED_BYTES_MAX {
            return Err(PolicyError::Rule {
                place: format!("rule `{}`", rule.name),
                rule: "names of observed rules and of their approvals come to at most 8192 bytes, so that a decision can hold them",
            });
        }
    }
    Ok(())
}
