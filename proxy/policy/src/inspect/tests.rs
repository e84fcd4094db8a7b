//! Warnings on policies in which one thing is weak, and what is called shadowed against the decision itself.

use std::collections::BTreeMap;

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Access, Action, Attribute, Facts, Principal};
use proptest::prelude::*;

use super::{Attributes, Kind, inspect, reach, readers};
use crate::decide::decide;
use crate::snapshot::Snapshot;

/// Nothing is weak here.
const HEAD: &str = r#"version = 1
[[roles]]
name = "a"
match = { method = "api-key", groups = ["a"] }
[[roles]]
name = "b"
match = { issuer = "https://ci.example", groups = ["b"] }
[[targets]]
name = "t"
protocol = "postgres"
[[masks]]
name = "m"
targets = ["t"]
resources = ["public.patients.ssn", "public.*.note"]
technique = "redact"
"#;

fn attributes(protocol: &str) -> Option<Attributes> {
    (protocol == "postgres").then_some(&[("class", "text"), ("no_where", "bool")])
}

/// A rule, of both roles where none is given.
fn rule(name: &str, rest: &str) -> String {
    let roles = if rest.contains("roles") {
        ""
    } else {
        "roles = [\"a\", \"b\"]\n"
    };
    format!(
        "[[rules]]\nname = \"{name}\"\n{roles}targets = [\"t\"]\n{}\n",
        rest.replace("; ", "\n")
    )
}

fn parse(rest: &str) -> Snapshot {
    Snapshot::parse(format!("{HEAD}{rest}").as_bytes()).unwrap()
}

/// Kind and place of each warning.
fn warned(rest: &str) -> Vec<(Kind, &'static str, usize)> {
    let warnings = inspect(&parse(rest), &attributes);
    warnings
        .into_iter()
        .map(|one| (one.kind, one.place.list, one.place.element))
        .collect()
}

const READS: &str = "actions = [\"read\"]; resources = [\"public.*\"]; effect = \"allow\"";

#[test]
fn rules_that_earlier_ones_leave_nothing_to_are_found() {
    let check = |first: &str, second: &str, wanted: &[Kind]| {
        let policy = rule("first", first) + &rule("second", second);
        let found: Vec<Kind> = warned(&policy).into_iter().map(|(kind, ..)| kind).collect();
        assert_eq!(found, wanted, "{first} | {second}");
    };
    let dead = [Kind::ShadowedRule];
    check(
        READS,
        "actions = [\"read\"]; resources = [\"public.x\"]; effect = \"deny\"",
        &dead,
    );
    check(
        READS,
        "actions = [\"read\"]; resources = [\"public.x\", \"public.y.*\"]; effect = \"deny\"",
        &dead,
    );
    check(
        READS,
        "actions = [\"read\"]; resources = [\"public.x\"]; effect = \"deny\"; when = { no_where = true }",
        &dead,
    );
    check("actions = [\"read\"]; effect = \"deny\"", READS, &dead);
    // Hours leave the rest of the week, unless both have the same.
    let by_day = |rule: &str| format!("{rule}; hours = {{ windows = [\"08:00-18:00\"] }}");
    check(&by_day(READS), READS, &[]);
    check(READS, &by_day(READS), &dead);
    check(&by_day(READS), &by_day(READS), &dead);
    check(
        "actions = [\"read\"]; resources = [\"*\", \"none\"]; effect = \"allow\"",
        "actions = [\"read\"]; effect = \"deny\"",
        &dead,
    );
    check(
        "actions = [\"read\", \"write\"]; resources = [\"x\"]; effect = \"deny\"",
        "actions = [\"write\"]; resources = [\"x\"]; effect = \"allow\"",
        &dead,
    );
    check(
        READS,
        "actions = [\"read\"]; resources = [\"public.x\", \"other\"]; effect = \"deny\"",
        &[Kind::ShadowedResource],
    );
    // What they leave something to.
    for second in [
        "actions = [\"read\"]; resources = [\"other\"]; effect = \"deny\"",
        "actions = [\"read\", \"write\"]; resources = [\"public.x\"]; effect = \"allow\"",
        "actions = [\"read\"]; resources = [\"none\"]; effect = \"deny\"",
        "actions = [\"read\"]; resources = [\"*\"]; effect = \"deny\"",
        "actions = [\"read\"]; effect = \"deny\"",
    ] {
        check(READS, second, &[]);
    }
    check("roles = [\"a\"]; actions = [\"read\"]; effect = \"allow\"", READS, &[]);
    check(
        "actions = [\"read\"]; when = { no_where = true }; effect = \"deny\"",
        READS,
        &[],
    );
    check(
        "actions = [\"read\"]; when = { no_where = true }; effect = \"deny\"",
        "actions = [\"read\"]; when = { no_where = false }; effect = \"allow\"",
        &[],
    );
    check(
        "actions = [\"read\"]; resources = [\"*\"]; effect = \"allow\"",
        "actions = [\"read\"]; effect = \"deny\"",
        &[],
    );
}

#[test]
fn several_rules_shadow_together() {
    let policy = rule(
        "one",
        "roles = [\"a\"]; actions = [\"read\"]; resources = [\"public.*\"]; effect = \"allow\"",
    ) + &rule("two", "roles = [\"b\"]; actions = [\"read\"]; effect = \"allow\"")
        + &rule(
            "three",
            "actions = [\"read\"]; resources = [\"public.x\"]; effect = \"deny\"",
        );
    let warnings = inspect(&parse(&policy), &attributes);
    let [warning] = warnings.as_slice() else {
        panic!("{warnings:?}")
    };
    assert_eq!((warning.kind, warning.place.element), (Kind::ShadowedRule, 2));
    assert_eq!(
        warning.text,
        "rule `three` (deny) decides nothing: it comes after `one`, `two`"
    );
}

#[test]
fn conditions_that_never_hold_are_found() {
    let with = |when: &str| warned(&rule("r", &format!("{READS}; when = {{ {when} }}")));
    for dead in ["no_wehre = true", "no_where = 1", "class = false", "unproven = \"x\""] {
        assert_eq!(with(dead), [(Kind::DeadCondition, "rules", 0)], "{dead}");
    }
    assert_eq!(with("no_where = true, class = \"select\""), []);
    // Of what protocol is not known nothing is said.
    let other =
        format!("{HEAD}{}", rule("r", &format!("{READS}; when = {{ size = 3 }}"))).replace("\"postgres\"", "\"other\"");
    let other = Snapshot::parse(other.as_bytes()).unwrap();
    assert_eq!(inspect(&other, &attributes), []);
}

#[test]
fn roles_that_anybody_may_vouch_for_are_found() {
    let found = |wanted: &str| {
        let rest = format!(
            "[[roles]]\nname = \"c\"\nmatch = {wanted}\n{}",
            rule("r", &format!("roles = [\"a\", \"b\", \"c\"]; {READS}"))
        );
        warned(&rest)
    };
    let wanted = vec![(Kind::AnyIssuer, "roles", 2)];
    for any in [
        "{ groups = [\"a\"] }",
        "{ method = \"oidc\", groups = [\"a\"] }",
        "{ method = \"api-*\", groups = [\"a\"] }",
        "{ run = { provider = \"gitlab-ci\" } }",
    ] {
        assert_eq!(found(any), wanted, "{any}");
    }
    for one in [
        "{ method = \"api-key\", subject = \"x\" }",
        "{ issuer = \"https://ci.example\" }",
    ] {
        assert_eq!(found(one), [], "{one}");
    }
}

#[test]
fn masks_that_mask_nothing_are_found() {
    let mask = |resources: &str| {
        let reads = rule("r", READS);
        warned(&format!(
            "{reads}[[masks]]\nname = \"n\"\ntargets = [\"t\"]\nresources = [{resources}]\ntechnique = \"null\"\n"
        ))
    };
    let dead = [(Kind::ShadowedMask, "masks", 1)];
    assert_eq!(mask("\"public.patients.ssn\""), dead);
    assert_eq!(mask("\"public.a.note\", \"public.b.c.note\""), dead);
    assert_eq!(mask("\"public.a.note\", \"public.a.notes\""), dead);
    assert_eq!(mask("\"public.patients.*\""), []);
}

#[test]
fn what_agents_get_without_people_or_masks_is_found() {
    let all = rule("r", "actions = [\"read\", \"write\", \"grant\"]; effect = \"allow\"");
    assert_eq!(warned(&all), [(Kind::UnapprovedChange, "rules", 0)]);
    assert_eq!(warned(&all.replace("\"allow\"", "\"deny\"")), []);
    let reads = rule("r", READS);
    let bare = |policy: String| {
        let text = policy.split("[[masks]]").next().unwrap().to_owned() + &reads;
        let snapshot = Snapshot::parse(text.as_bytes()).unwrap();
        inspect(&snapshot, &attributes)
            .into_iter()
            .map(|one| one.kind)
            .collect::<Vec<_>>()
    };
    assert_eq!(bare(HEAD.to_owned()), [Kind::NothingMasked]);
    let net = |except: &str| {
        warned(&format!(
            "{reads}[[nets]]\nname = \"n\"\ntargets = [\"t\"]\ncategories = [\"ssn\"]\nexcept = [{except}]\n"
        ))
    };
    assert_eq!(net("\"public.patients.ssn\""), []);
    assert_eq!(net("\"public.patients.*\""), [(Kind::NetException, "nets", 0)]);
}

#[test]
fn what_nothing_uses_is_found() {
    let spare = "[[roles]]\nname = \"c\"\nmatch = { method = \"api-key\", groups = [\"c\"] }\n[[targets]]\nname = \"u\"\nprotocol = \"s3\"\n\
                 [[approvals]]\nname = \"p\"\ngroups = [\"g\"]\npeople = 1\nexpires_s = 1\n";
    let wanted = [("approvals", 0), ("roles", 2), ("targets", 1)].map(|(list, element)| (Kind::Unused, list, element));
    assert_eq!(warned(&format!("{}{spare}", rule("r", READS))), wanted);
}

#[test]
fn observed_rules_shadow_nothing_let_nobody_pass_and_are_told_where_they_tell_nothing() {
    let observed = |name: &str, rest: &str| rule(name, &format!("mode = \"observe\"; {rest}"));
    let (reads, denies) = (rule("reads", READS), "actions = [\"read\"]; effect = \"deny\"");
    assert_eq!(warned(&(observed("next", denies) + &reads)), []);
    // Behind the rule that decides all of it, it observes nothing; so it does where nothing would have passed.
    let dead = "actions = [\"read\"]; resources = [\"public.x\"]; effect = \"deny\"";
    let found = inspect(&parse(&(reads.clone() + &observed("next", dead))), &attributes);
    assert_eq!(
        found.iter().map(|one| one.kind).collect::<Vec<_>>(),
        [Kind::ShadowedRule, Kind::IdleObservation]
    );
    assert!(found[0].text.contains("observes nothing"), "{found:?}");
    let idle = [(Kind::IdleObservation, "rules", 1)];
    assert_eq!(
        warned(&(reads.clone() + &observed("next", "actions = [\"write\"]; effect = \"deny\""))),
        idle
    );
    // One that would allow tells what is missing.
    let allows = observed("next", "actions = [\"write\"]; effect = \"allow\"");
    assert_eq!(warned(&(reads.clone() + &allows)), []);
    assert_eq!(warned(&allows), [(Kind::OnlyObserved, "targets", 0)]);
    assert_eq!(reach(&parse(&allows)), []);
    assert_eq!(
        readers(&parse(&observed("next", READS)), "t", "public.x"),
        Vec::<&str>::new()
    );
    assert_eq!(
        readers(&parse(&(observed("next", denies) + &reads)), "t", "public.x"),
        ["a", "b"]
    );
}

#[test]
fn what_is_reached_without_an_approval_is_listed() {
    let policy = rule(
        "no",
        "actions = [\"write\"]; resources = [\"public.x\"]; effect = \"deny\"",
    ) + &rule(
        "yes",
        "roles = [\"a\"]; actions = [\"write\"]; resources = [\"public.x\", \"public.y\"]; effect = \"allow\"; when = { no_where = false }",
    ) + &rule("ask", "roles = [\"a\"]; actions = [\"define\"]; effect = \"deny\"");
    let reached = reach(&parse(&policy));
    let [one] = reached.as_slice() else {
        panic!("{reached:?}")
    };
    assert_eq!(
        (one.role.as_str(), one.rule.as_str(), one.conditional),
        ("a", "yes", true)
    );
    assert_eq!(one.resources.as_deref(), Some(&["public.y".to_owned()][..]));
}

#[test]
fn who_reads_a_resource_is_told_by_role() {
    let policy = rule(
        "no",
        "roles = [\"a\"]; actions = [\"read\"]; resources = [\"public.x\"]; effect = \"deny\"",
    ) + &rule(
        "sometimes",
        "roles = [\"b\"]; actions = [\"read\"]; when = { no_where = true }; effect = \"deny\"",
    ) + &rule("yes", READS);
    let snapshot = parse(&policy);
    assert_eq!(readers(&snapshot, "t", "public.x"), ["b"]);
    assert_eq!(readers(&snapshot, "t", "public.y"), ["a", "b"]);
    assert_eq!(readers(&snapshot, "t", "other.y"), Vec::<&str>::new());
}

proptest! {
    /// No request is decided, or observed, by a rule that is called shadowed, whoever asks and whatever for.
    #[test]
    fn what_is_called_shadowed_decides_nothing(
        rules in prop::collection::vec((0..3usize, prop::collection::vec("[xy*]{1,2}|none", 0..3), 0..6usize), 2..6),
        names in prop::collection::vec("[xy]{0,3}", 1..6),
    ) {
        let texts = rules.iter().enumerate().map(|(number, (roles, resources, when))| {
            let roles = ["\"a\"", "\"b\"", "\"a\", \"b\""][*roles];
            let quoted: Vec<_> = resources.iter().map(|text| format!("\"{text}\"")).collect();
            let resources = if quoted.is_empty() { String::new() } else { format!("resources = [{}]; ", quoted.join(", ")) };
            let mode = ["", "mode = \"observe\"; "][*when / 3];
            let when = ["", "when = { no_where = true }; ", "when = { no_where = false }; "][*when % 3];
            rule(&format!("r{number}"), &format!("roles = [{roles}]; actions = [\"read\"]; {mode}{resources}{when}effect = \"allow\""))
        });
        let snapshot = parse(&texts.collect::<String>());
        let warnings = inspect(&snapshot, &attributes);
        let dead: Vec<String> = warnings.iter().filter(|one| one.kind == Kind::ShadowedRule).map(|one| format!("r{}", one.place.element)).collect();
        for groups in [vec!["a"], vec!["b"], vec!["a", "b"]] {
            let principal = Principal {
                method: "api-key".into(),
                issuer: "i".into(),
                subject: "s".into(),
                client_id: None,
                groups: groups.into_iter().map(str::to_owned).collect(),
                evidence: Digest([0; 32]),
                run: None,
            };
            for name in names.iter().map(Some).chain([None]) {
                for no_where in [true, false] {
                    let facts = Facts {
                        accesses: vec![Access(Action::Read, name.cloned())],
                        attributes: BTreeMap::from([("no_where".to_owned(), Attribute::Bool(no_where))]), columns: None, };
                    let decision = decide(&snapshot, &principal, "t", &facts);
                    let observed = decision.observed.into_iter().flatten().map(|one| one.rule);
                    for rule in decision.rule.into_iter().chain(observed) {
                        prop_assert!(!dead.contains(&rule), "{name:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_mask_that_helps_to_guess_is_told() {
    let mask = |rest: &str| {
        format!(
            "[[approvals]]\nname = 'dba'\ngroups = ['dba']\npeople = 1\nexpires_s = 60\n\
             [[masks]]\nname = 'g'\ntargets = ['t']\nresources = ['public.claims.card']\ntechnique = {rest}\n{}",
            rule("reads", READS)
        )
    };
    for (rest, guessable) in [
        ("'partial'\nkeep = 4\npredicates = 'equality'", true),
        ("'token'\npredicates = 'equality'", true),
        ("'ff1'\npredicates = 'equality'", true),
        ("'redact'\npredicates = 'equality'", false),
        ("'partial'\nkeep = 4", false),
        ("'partial'\nkeep = 4\npredicates = 'ask'\napproval = 'dba'", false),
    ] {
        let warned = warned(&mask(rest));
        assert_eq!(
            warned.contains(&(Kind::Guessable, "masks", 1)),
            guessable,
            "{rest}: {warned:?}"
        );
        // The approval that a mask asks for is used.
        let unused = warned.contains(&(Kind::Unused, "approvals", 0));
        assert_eq!(unused, !rest.contains("ask"), "{rest}: {warned:?}");
    }
}

/// Who may write guesses into an object and read it again has a dictionary of tokens.
#[test]
fn a_mask_whose_tokens_can_be_tried_by_writing_objects_is_told() {
    for (technique, actions, resources, tried) in [
        ("'token'", "'read', 'write'", "", true),
        (
            "'date_shift'\ndays = 30",
            "'read', 'write'",
            "resources = ['*/patients/*']",
            true,
        ),
        ("'token'", "'read', 'write'", "resources = ['*/open/*']", false),
        ("'token'", "'read'", "", false),
        ("'redact'", "'read', 'write'", "", false),
    ] {
        let policy = format!(
            "[[targets]]\nname = 'lake'\nprotocol = 's3'\n\
             [[documents]]\nname = 'd'\ntargets = ['lake']\nresources = ['*/patients/*']\nformat = 'csv'\n\
             [[masks]]\nname = 'tried'\ntargets = ['lake']\nresources = ['d.ssn']\ntechnique = {technique}\n\
             [[rules]]\nname = 'r'\nroles = ['a']\ntargets = ['lake']\nactions = [{actions}]\n{resources}\neffect = 'allow'\n"
        );
        let warned = warned(&policy);
        let place = (Kind::Guessable, "masks");
        let found = warned.iter().any(|(kind, list, _)| (*kind, *list) == place);
        assert_eq!(found, tried, "{technique} {actions} {resources}: {warned:?}");
    }
}

/// A rule with a condition on what is tried is not dead: facts have it.
#[test]
fn a_condition_on_what_is_tried_can_hold() {
    let condition = |value: &str| {
        let when =
            format!("actions = [\"read\"]; when = {{ \"probe:public.patients.ssn\" = {value} }}; effect = \"allow\"");
        warned(&rule("tried", &when))
    };
    let dead = (Kind::DeadCondition, "rules", 0);
    assert!(!condition("1").contains(&dead), "{:?}", condition("1"));
    assert!(condition("true").contains(&dead), "{:?}", condition("true"));
}
