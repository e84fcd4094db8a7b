//! The choice is that of a plain walk over all rules, for generated policies and requests.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Access, Action, Attribute, Facts, Observed, Principal};
use proptest::prelude::*;

use super::Choice;
use crate::decide::{CLASS, MIXED, roles};
use crate::hours::TIME;
use crate::seen::FIRST_SEEN;
use crate::snapshot::{Mode, Rule, Snapshot};

const GROUPS: [&str; 3] = ["a", "b", "c"];
const TARGETS: [&str; 3] = ["clinic", "billing", "archive"];
const ACTIONS: [Action; 3] = [Action::Read, Action::Write, Action::Execute];

/// The definition: each rule is asked in the order of the file.
fn plain<'a>(
    snapshot: &'a Snapshot,
    enforced: Option<&str>,
    principal: &Principal,
    target: &str,
    facts: &Facts,
) -> (Vec<Option<&'a str>>, Vec<&'a str>) {
    let roles = roles(snapshot, principal);
    let mut observed = BTreeSet::new();
    let chosen = facts.accesses.iter().map(|access| {
        for (place, rule) in snapshot.rules.iter().enumerate() {
            if !rule.matches(&roles, target, access, facts) {
                continue;
            }
            if rule.mode == Mode::Enforce || enforced == Some(rule.name.as_str()) {
                return Some(rule.name.as_str());
            }
            observed.insert(place);
        }
        None
    });
    let chosen = chosen.collect();
    let observed = observed.iter().map(|place| snapshot.rules[*place].name.as_str());
    (chosen, observed.collect())
}

/// Some of the words, as a list of TOML; the first where it would be none.
fn listed(words: &[String], chosen: u8) -> String {
    let mut some: Vec<&String> = words
        .iter()
        .enumerate()
        .filter(|(place, _)| chosen & (1 << place) != 0)
        .map(|(_, word)| word)
        .collect();
    some.extend(words.first().filter(|_| some.is_empty()));
    format!("{some:?}")
}

/// The parts of a rule: roles, targets and actions as bits, patterns, columns, kinds of conditions, mode and effect.
type Drawn = (u8, u8, u8, Option<Vec<String>>, Option<Vec<String>>, u8, bool, bool);

fn drawn() -> impl Strategy<Value = Drawn> {
    let pattern = prop_oneof![4 => "[ab*.]{1,4}", 1 => Just("none".to_owned()), 1 => Just("a.b".to_owned())];
    let column = prop_oneof!["[ab*]{1,2}\\.[ab*]{1,2}", "\\*"];
    (
        any::<u8>(),
        any::<u8>(),
        any::<u8>(),
        prop::option::weighted(0.8, prop::collection::vec(pattern, 1..4)),
        prop::option::weighted(0.2, prop::collection::vec(column, 1..3)),
        0..12_u8,
        any::<bool>(),
        any::<bool>(),
    )
}

fn policy(rules: &[Drawn]) -> Snapshot {
    let mut text = String::from("version = 1\n");
    for group in GROUPS {
        let _ = writeln!(
            text,
            "[[roles]]\nname = \"role-{group}\"\nmatch = {{ groups = [\"{group}\"] }}"
        );
    }
    for target in TARGETS {
        let _ = writeln!(text, "[[targets]]\nname = \"{target}\"\nprotocol = \"postgres\"");
    }
    let all_roles: Vec<String> = GROUPS.iter().map(|group| format!("role-{group}")).collect();
    let all_targets: Vec<String> = TARGETS.iter().map(ToString::to_string).collect();
    let all_actions: Vec<String> = ACTIONS.iter().map(ToString::to_string).collect();
    for (number, (roles, targets, actions, patterns, columns, condition, observed, denies)) in rules.iter().enumerate()
    {
        let mode = if *observed { "observe" } else { "enforce" };
        let effect = if *denies { "deny" } else { "allow" };
        let _ = writeln!(
            text,
            "[[rules]]\nname = \"rule-{number}\"\nmode = \"{mode}\"\neffect = \"{effect}\"\nroles = {}\ntargets = {}\nactions = {}",
            listed(&all_roles, *roles),
            listed(&all_targets, *targets),
            listed(&all_actions, *actions),
        );
        if let Some(patterns) = patterns {
            let _ = writeln!(text, "resources = {patterns:?}");
        }
        if let Some(columns) = columns {
            let _ = writeln!(text, "columns = {columns:?}");
        }
        let condition = match condition {
            1 => "when = { no_where = true }".to_owned(),
            2 => "when = { no_where = false }".to_owned(),
            3 => format!("when = {{ {FIRST_SEEN} = {denies} }}"),
            4 => "hours = { windows = [\"00:00-12:00\"] }".to_owned(),
            5 if *denies => format!("over = {{ estimated_rows = {number} }}"),
            6 if *denies && !*observed => "over = { rows = 5 }".to_owned(),
            7 | 8 => format!("when = {{ {CLASS} = \"select\" }}"),
            9 => format!("when = {{ {CLASS} = \"select\", no_where = true }}"),
            10 => "hours = { windows = [\"00:00-12:00\"], zone = \"+06:00\" }".to_owned(),
            _ => String::new(),
        };
        let _ = writeln!(text, "{condition}");
    }
    Snapshot::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn principal(groups: u8) -> Principal {
    let has = |(place, _): &(usize, &&str)| groups & (1 << place) != 0;
    Principal {
        method: "oidc".to_owned(),
        issuer: "issuer".to_owned(),
        subject: "subject".to_owned(),
        client_id: None,
        groups: GROUPS
            .iter()
            .enumerate()
            .filter(has)
            .map(|(_, group)| (*group).to_owned())
            .collect(),
        evidence: Digest([0; 32]),
        run: None,
    }
}

fn facts() -> impl Strategy<Value = Facts> {
    let resource = prop_oneof![6 => "[ab.]{0,5}", 1 => Just("none".to_owned())];
    let access = (0..ACTIONS.len(), prop::option::weighted(0.85, resource));
    let access = access.prop_map(|(action, resource)| Access(ACTIONS[action], resource));
    let column = prop_oneof![4 => "[ab.]{1,3}\\.[ab]{1,2}", 1 => "[ab]{1,2}\\.\\*"];
    (
        prop::collection::vec(access, 0..5),
        prop::option::of(prop::collection::btree_set(column, 0..5)),
        (any::<bool>(), any::<bool>(), 0..86_400_u64, 0..12_u64, 0..12_u64),
        prop_oneof!["select", "insert", MIXED],
    )
        .prop_map(
            |(accesses, columns, (no_where, first_seen, time, estimated, rows), class)| {
                let attributes = [
                    ("no_where", Attribute::Bool(no_where)),
                    (CLASS, Attribute::Text(class)),
                    (FIRST_SEEN, Attribute::Bool(first_seen)),
                    (TIME, Attribute::Integer(time)),
                    ("estimated_rows", Attribute::Integer(estimated)),
                    ("reply_rows", Attribute::Integer(rows)),
                ];
                let named = attributes.into_iter().map(|(name, value)| (name.to_owned(), value));
                Facts {
                    accesses,
                    attributes: named.collect::<BTreeMap<_, _>>(),
                    columns: columns.map(|columns| columns.into_iter().collect()),
                }
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn chooses_as_a_walk_over_all_rules(
        // More than the bits of a word.
        rules in prop::collection::vec(drawn(), 0..80),
        (groups, target) in (0..8_u8, 0..4_usize),
        facts in facts(),
        enforced in prop::option::of(0..80_usize),
    ) {
        let snapshot = policy(&rules);
        let target = TARGETS.get(target).copied().unwrap_or("unknown");
        let enforced = enforced.map(|number| format!("rule-{number}"));
        let principal = principal(groups);
        let (chosen, observed) = plain(&snapshot, enforced.as_deref(), &principal, target, &facts);
        let mut choice = Choice::of(&snapshot, enforced.as_deref(), &principal, target, &facts);
        for (access, wanted) in facts.accesses.iter().zip(chosen) {
            let rule = choice.rule_for(access).map(|rule: &Rule| rule.name.as_str());
            prop_assert_eq!(rule, wanted, "{:?}", access);
        }
        let names = |rules: Vec<Observed>| rules.into_iter().map(|one| one.rule).collect::<Vec<_>>();
        prop_assert_eq!(choice.observed().map(names).unwrap_or_default(), observed);
    }

    #[test]
    fn knows_what_decisions_about_a_target_go_by(rules in prop::collection::vec(drawn(), 0..12)) {
        let snapshot = policy(&rules);
        for target in TARGETS.into_iter().chain(["unknown"]) {
            let about = || snapshot.rules.iter().filter(|rule| rule.targets.contains(target));
            prop_assert_eq!(snapshot.tells_seen(target), about().any(|rule| rule.when.contains_key(FIRST_SEEN)));
            let limits: BTreeSet<u64> = about().filter_map(|rule| rule.over?.estimated_rows).collect();
            prop_assert_eq!(snapshot.estimates(target), !limits.is_empty());
            prop_assert_eq!(snapshot.estimate_limits(target).collect::<BTreeSet<_>>(), limits);
        }
        prop_assert_eq!(snapshot.tells_time(), snapshot.rules.iter().any(|rule| rule.hours.is_some()));
    }
}
