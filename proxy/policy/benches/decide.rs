//! What a decision costs under a policy of 500 rules, by where its rule stands and by how much the rules in front of it have in
//! common with the request. Run by hand: `cargo bench --workspace --bench decide`.
//!
//! A tenth of the rules is only observed, and a fifth has a condition.

use std::fmt::Write as _;

use exhibit_policy::decide::decide;
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Access, Action, Attribute, Facts, Principal};

/// Rules of each policy.
const RULES: usize = 500;

/// How alike the rules and the request are.
#[derive(Clone, Copy, Debug)]
enum Rules {
    /// As a hospital would have them: twenty roles and ten targets, and each rule for one of each.
    Spread,
    /// Every rule is for the request's role, target and action, and only its resources are others.
    Alike,
    /// Every rule is for its resources, too, and none but the last for what its condition asks, which is the same of all.
    Conditions,
    /// The same, but every rule asks something else.
    Different,
}

fn policy(rules: Rules) -> Snapshot {
    let mut text = String::from("version = 1\n");
    for role in 0..20 {
        let _ = writeln!(
            text,
            "[[roles]]\nname = \"role-{role}\"\nmatch = {{ method = \"oidc\", groups = [\"group-{role}\"] }}"
        );
    }
    for target in 0..10 {
        let _ = writeln!(text, "[[targets]]\nname = \"target-{target}\"\nprotocol = \"postgres\"");
    }
    for number in 0..RULES - 1 {
        let (role, target) = match rules {
            Rules::Spread => (number % 20, number / 20 % 10),
            Rules::Alike | Rules::Conditions | Rules::Different => (3, 7),
        };
        let mode = if number % 10 == 9 { "observe" } else { "enforce" };
        let when = match rules {
            Rules::Spread | Rules::Alike if number % 5 != 4 => String::new(),
            Rules::Different => format!("when = {{ no_where = true, class = \"{number}\" }}\n"),
            _ => "when = { no_where = true }\n".to_owned(),
        };
        let first = match rules {
            Rules::Spread | Rules::Alike => format!("ward_{number}.patients"),
            Rules::Conditions | Rules::Different => "public.*".to_owned(),
        };
        let _ = writeln!(
            text,
            "[[rules]]\nname = \"rule-{number}\"\nmode = \"{mode}\"\nroles = [\"role-{role}\"]\ntargets = [\"target-{target}\"]\n\
             actions = [\"read\", \"write\"]\nresources = [\"{first}\", \"ward_{number}.*_staging\", \"*.audit_{number}\"]\n\
             {when}effect = \"deny\""
        );
    }
    let _ = writeln!(
        text,
        "[[rules]]\nname = \"last\"\nroles = [\"role-3\"]\ntargets = [\"target-7\"]\nactions = [\"read\"]\nresources = [\"public.*\"]\neffect = \"allow\""
    );
    Snapshot::parse(text.as_bytes()).unwrap_or_else(|error| unreachable!("{error}"))
}

fn agent() -> Principal {
    Principal {
        method: "oidc".to_owned(),
        issuer: "https://token.actions.githubusercontent.com".to_owned(),
        subject: "repo:octo/app:ref:refs/heads/main".to_owned(),
        client_id: None,
        groups: vec!["group-3".to_owned()],
        evidence: Digest([7; 32]),
        run: None,
    }
}

fn reads(accesses: usize) -> Facts {
    let read = |number| Access(Action::Read, Some(format!("public.encounters_{number}")));
    Facts {
        accesses: (0..accesses).map(read).collect(),
        attributes: [
            ("class".to_owned(), Attribute::Text("select".to_owned())),
            ("no_where".to_owned(), Attribute::Bool(false)),
        ]
        .into(),
        columns: Some(
            (0..accesses)
                .map(|number| format!("public.encounters_{number}.id"))
                .collect(),
        ),
    }
}

/// The last rule decides each of so many accesses.
#[divan::bench(args = [(Rules::Spread, 1), (Rules::Spread, 8), (Rules::Alike, 1), (Rules::Alike, 8), (Rules::Conditions, 1), (Rules::Conditions, 8), (Rules::Different, 1), (Rules::Different, 8)])]
fn by_the_last_rule(bencher: divan::Bencher<'_, '_>, (rules, accesses): (Rules, usize)) {
    let (policy, agent, facts) = (policy(rules), agent(), reads(accesses));
    let decision = decide(&policy, &agent, "target-7", &facts);
    assert_eq!(decision.rule.as_deref(), Some("last"));
    bencher.bench_local(|| decide(&policy, &agent, "target-7", divan::black_box(&facts)));
}

/// No rule is for it.
#[divan::bench(args = [Rules::Spread, Rules::Alike])]
fn by_no_rule(bencher: divan::Bencher<'_, '_>, rules: Rules) {
    let (policy, agent) = (policy(rules), agent());
    let facts = Facts {
        accesses: vec![Access(Action::Read, Some("secret.patients".to_owned()))],
        ..reads(1)
    };
    assert_eq!(decide(&policy, &agent, "target-7", &facts).rule, None);
    bencher.bench_local(|| decide(&policy, &agent, "target-7", divan::black_box(&facts)));
}

fn main() {
    divan::main();
}
