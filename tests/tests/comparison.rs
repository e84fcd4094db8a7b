//! Another policy against a log: each recorded decision is decided again under it, and only a log that verifies is compared.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on fails, in its helpers too"
)]

use std::path::{Path, PathBuf};
use std::process::Output;

use exhibit_policy::decide::{NOBODY_TO_ASK, UNPROVEN, decide};
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Access, Action, Attribute, Command, Effect, Facts, Principal};
use exhibit_schemas::event::{Body, Event, Timestamp};
use exhibit_schemas::merkle::Index;
use exhibit_tests::bundle_builder::clinic::{Clinic, LOG, ORIGIN, POLICY, clinic, later_policy};
use exhibit_tests::bundle_builder::{checkpoint, files, write_tar};
use exhibit_tests::programs;
use exhibit_verify::comparison::{Candidate, Difference, Group};
use exhibit_verify::{Archive, Options, Outcome, compare};

/// Sessions of the log: a third each have an approved, a denied and an unanswered request, and each two reads.
const SESSIONS: u8 = 6;

/// A log as a bundle, beside its trust anchors.
struct Log {
    directory: tempfile::TempDir,
    clinic: Clinic,
}

impl Log {
    fn of(clinic: Clinic) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let built = clinic.plan.build();
        let note = checkpoint(&built.entries, ORIGIN, LOG);
        let files = files(&built.entries, note.note(), &clinic.anchors);
        write_tar(&directory.path().join("bundle.tar"), &files).unwrap();
        exhibit_tests::write(
            &directory.path().join("trust.toml"),
            clinic.anchors.to_toml().as_bytes(),
        )
        .unwrap();
        Self { directory, clinic }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn compare(&self, policy: &str, from: Option<Timestamp>, to: Option<Timestamp>) -> Outcome {
        let options = Options {
            heads: &[],
            evidence: None,
            progress: &mut |_| {},
        };
        let snapshot = Snapshot::parse(policy.as_bytes()).unwrap();
        let archive = Archive::open(&self.path("bundle.tar")).unwrap();
        compare(
            &archive,
            &self.clinic.anchors,
            options,
            Candidate { snapshot, from, to },
        )
        .unwrap()
    }

    /// Number of decisions, and what is not the same.
    fn groups(&self, policy: &str) -> (u64, Vec<Group>) {
        counted(&self.compare(policy, None, None))
    }

    /// Indexes of the commands that fit.
    fn commands(&self, fits: impl Fn(&Command) -> bool) -> Vec<Index> {
        let of_command = |event: &Event| matches!(&event.body, Body::Command(command) if fits(command));
        let places = self.clinic.plan.find(of_command);
        let built = self.clinic.plan.build();
        places.into_iter().map(|place| built.index_of(place)).collect()
    }
}

fn counted(outcome: &Outcome) -> (u64, Vec<Group>) {
    let Outcome::Verified(bundle) = outcome else {
        panic!("{:?}", outcome.list())
    };
    let comparison = bundle.get().comparison.as_ref().unwrap();
    (comparison.decisions(), comparison.groups().collect())
}

fn changed(from: &str, to: &str) -> String {
    assert!(POLICY.contains(from), "{from}");
    POLICY.replace(from, to)
}

/// One group with these effects, of these events.
fn check(
    groups: &[Group],
    difference: Difference,
    before: (&str, Option<&str>),
    after: (&str, Option<&str>),
    events: &[Index],
) {
    let [group] = groups else { panic!("{groups:#?}") };
    assert_eq!(group.difference, difference);
    assert_eq!((group.before.effect, group.before.rule.as_deref()), before);
    assert_eq!((group.after.effect, group.after.rule.as_deref()), after);
    assert_eq!(group.events, events);
    assert_eq!(usize::try_from(group.count).unwrap(), events.len());
}

#[test]
fn the_policy_of_the_log_changes_nothing() {
    let log = Log::of(clinic(SESSIONS));
    let commands = log.commands(|_| true).len();
    assert_eq!(commands, usize::from(SESSIONS) * 3);
    // A request counts with the command that follows it.
    assert_eq!(log.groups(POLICY), (u64::try_from(commands).unwrap(), Vec::new()));
    // Other bytes, other words for the agent: the same decisions.
    let words = changed("reason = \"a delete needs a WHERE\"", "reason = \"no\"");
    assert_eq!(log.groups(&words).1, Vec::new());
}

#[test]
fn what_changes_is_told_by_rule_with_its_events() {
    let log = Log::of(clinic(SESSIONS));
    let of = |effect| log.commands(move |command| command.decision.effect == effect);
    let (reads, asks, denials) = (of(Effect::Allow), of(Effect::Ask), of(Effect::Deny));
    assert_eq!((reads.len(), asks.len(), denials.len()), (12, 4, 2));
    let read = ("allow", Some("reads"));
    let ask = ("ask", Some("schema-changes"));

    let groups = log
        .groups(&changed(
            "resources = [\"public.*\", \"none\"]",
            "resources = [\"none\"]",
        ))
        .1;
    check(&groups, Difference::Changes, read, ("deny", None), &reads);
    let groups = log
        .groups(&changed(
            "effect = \"ask\"\napproval = \"schema\"",
            "effect = \"allow\"",
        ))
        .1;
    check(
        &groups,
        Difference::Changes,
        ask,
        ("allow", Some("schema-changes")),
        &asks,
    );
    let groups = log
        .groups(&changed("when = { no_where = true }", "when = { no_where = false }"))
        .1;
    check(
        &groups,
        Difference::OtherRule,
        ("deny", Some("no-mass-deletes")),
        ("deny", None),
        &denials,
    );
}

#[test]
fn what_hangs_on_an_estimate_that_nobody_asked_for_cannot_be_said() {
    let log = Log::of(clinic(SESSIONS));
    let reads = log.commands(|command| command.decision.effect == Effect::Allow);
    let rule = "[[rules]]\nname = \"most\"\nroles = [\"agent\"]\ntargets = [\"clinic\"]\nactions = [\"read\", \"delete\"]\n\
                over = { estimated_rows = 1000 }\neffect = \"deny\"\n\n[[rules]]\nname = \"reads\"";
    let groups = log.groups(&changed("[[rules]]\nname = \"reads\"", rule)).1;
    let (before, after) = (("allow", Some("reads")), ("deny", Some("most")));
    check(&groups, Difference::Unestimated, before, after, &reads);
}

/// What was only prepared, or is decided alike, is no question of it.
#[test]
fn what_hangs_on_what_was_seen_cannot_be_said_where_nothing_said_so() {
    let log = Log::of(clinic(SESSIONS));
    let reads = log.commands(|command| command.decision.effect == Effect::Allow);
    let rule = |effect: &str| {
        format!(
            "[[rules]]\nname = \"new\"\nroles = [\"agent\"]\ntargets = [\"clinic\"]\nactions = [\"read\", \"delete\"]\n\
             when = {{ first_seen = true }}\n{effect}\n\n[[rules]]\nname = \"reads\""
        )
    };
    let groups = log
        .groups(&changed("[[rules]]\nname = \"reads\"", &rule("effect = \"deny\"")))
        .1;
    let (before, after) = (("allow", Some("reads")), ("deny", Some("new")));
    check(&groups, Difference::Unseen, before, after, &reads);
}

#[test]
fn what_an_observed_rule_would_change_is_told_and_is_no_change() {
    let log = Log::of(clinic(SESSIONS));
    let observed = |policy: &str| {
        let outcome = log.compare(policy, None, None);
        let Outcome::Verified(bundle) = &outcome else {
            panic!("{:?}", outcome.list())
        };
        let comparison = bundle.get().comparison.as_ref().unwrap();
        comparison.observed().collect::<Vec<_>>()
    };
    let patients = log.commands(|command| command.decision.observed.is_some());
    assert!(!patients.is_empty());
    let all = observed(POLICY);
    let [one] = all.as_slice() else { panic!("{all:#?}") };
    assert_eq!((one.rule.as_str(), one.target.as_str()), ("patients-next", "clinic"));
    assert_eq!(
        (one.before.effect, one.before.rule.as_deref()),
        ("allow", Some("reads"))
    );
    assert_eq!(
        (one.after.effect, one.after.rule.as_deref()),
        ("ask", Some("patients-next"))
    );
    assert_eq!(one.events, patients);
    assert_eq!(usize::try_from(one.count).unwrap(), patients.len());
    // Enforced, it is the change that was told.
    let enforced = changed("mode = \"observe\"", "mode = \"enforce\"");
    assert_eq!(observed(&enforced), []);
    let groups = log.groups(&enforced).1;
    let (before, after) = (("allow", Some("reads")), ("ask", Some("patients-next")));
    check(&groups, Difference::Changes, before, after, &patients);
    // One that would come to the same changes nothing.
    let same = POLICY.replacen(
        "effect = \"ask\"\napproval = \"schema\"\n\n[[rules]]\nname = \"reads\"",
        "effect = \"allow\"\n\n[[rules]]\nname = \"reads\"",
        1,
    );
    assert_ne!(same, POLICY);
    assert_eq!(observed(&same), []);
}

#[test]
fn other_people_to_ask_are_a_change_and_another_name_is_none() {
    let log = Log::of(clinic(SESSIONS));
    let asks = log.commands(|command| command.decision.effect == Effect::Ask);
    let ask = ("ask", Some("schema-changes"));
    for (from, to) in [
        ("people = 2", "people = 1"),
        ("groups = [\"dba\"]", "groups = [\"dba\", \"ops\"]"),
        ("expires_s = 900", "expires_s = 901"),
        ("people = 2", "people = 2\nrequester_may_approve = true"),
    ] {
        check(&log.groups(&changed(from, to)).1, Difference::Changes, ask, ask, &asks);
    }
    let renamed =
        changed("name = \"schema\"", "name = \"dbas\"").replace("approval = \"schema\"", "approval = \"dbas\"");
    assert_eq!(log.groups(&renamed).1, Vec::new());
    let other = ("ask", Some("schemas"));
    check(
        &log.groups(&changed("name = \"schema-changes\"", "name = \"schemas\""))
            .1,
        Difference::OtherRule,
        ask,
        other,
        &asks,
    );
}

#[test]
fn a_request_that_no_command_followed_counts_by_itself() {
    let mut clinic = clinic(3);
    let (batch, place) = *clinic
        .plan
        .find(|event| matches!(event.body, Body::ApprovalRequested(_)))
        .last()
        .unwrap();
    clinic.plan.batches.truncate(batch + 1);
    clinic.plan.batches[batch].events.truncate(place + 1);
    let log = Log::of(clinic);
    let (decisions, groups) = log.groups(&changed(
        "effect = \"ask\"\napproval = \"schema\"",
        "effect = \"allow\"",
    ));
    let request = log.clinic.plan.build().index_of((batch, place));
    assert_eq!(usize::try_from(decisions).unwrap(), log.commands(|_| true).len() + 1);
    assert_eq!(groups[0].events.last(), Some(&request));
}

#[test]
fn the_period_holds_its_first_moment_and_not_its_last() {
    let log = Log::of(clinic(SESSIONS));
    let plan = &log.clinic.plan;
    let places = plan.find(|event| matches!(event.body, Body::Command(_)));
    let times: Vec<u64> = places.iter().map(|place| plan.event(*place).time.0).collect();
    let within = |from: u64, to: u64| {
        let outcome = log.compare(POLICY, Some(Timestamp(from)), Some(Timestamp(to)));
        usize::try_from(counted(&outcome).0).unwrap()
    };
    let expected = |from, to| times.iter().filter(|time| (from..to).contains(*time)).count();
    let (first, third) = (times[0], times[2]);
    for (from, to) in [
        (first, third),
        (first + 1, third),
        (first, third + 1),
        (0, first),
        (first, first + 1),
        (0, u64::MAX),
    ] {
        assert_eq!(within(from, to), expected(from, to), "{from} {to}");
    }
    assert_ne!(within(first, third), within(first + 1, third));
    assert_ne!(within(first, third), within(first, third + 1));
}

#[test]
fn other_masks_are_compared_by_rules_alone_unless_the_rules_deny() {
    let log = Log::of(clinic(SESSIONS));
    let masks = changed("keep = 4", "keep = 3");
    let (_, groups) = log.groups(&masks);
    assert!(
        groups
            .iter()
            .all(|group| group.difference == Difference::OtherMasks && group.before == group.after)
    );
    let passing = log.commands(|command| command.decision.effect != Effect::Deny);
    assert_eq!(
        groups.iter().map(|group| group.events.len()).sum::<usize>(),
        passing.len()
    );
    // What the rules deny is denied whatever can be proven.
    let denied = masks.replace("resources = [\"public.*\", \"none\"]", "resources = [\"none\"]");
    let reads = log.commands(|command| command.decision.effect == Effect::Allow);
    let changes: Vec<Group> = log
        .groups(&denied)
        .1
        .into_iter()
        .filter(|group| group.difference == Difference::Changes)
        .collect();
    check(
        &changes,
        Difference::Changes,
        ("allow", Some("reads")),
        ("deny", None),
        &reads,
    );
}

/// A log whose denied commands have other facts.
fn with_facts(facts: &Facts) -> Log {
    let mut clinic = clinic(SESSIONS);
    let policies = [POLICY.to_owned(), later_policy()];
    let policies = policies.map(|text| Snapshot::parse(text.as_bytes()).unwrap());
    let denied =
        |event: &Event| matches!(&event.body, Body::Command(command) if command.decision.effect == Effect::Deny);
    for place in clinic.plan.find(denied) {
        let Body::Command(command) = &mut clinic.plan.event_mut(place).body else {
            panic!("it was found as a command")
        };
        command.facts = facts.clone();
        // Nothing of it is allowed to anybody, so it does not matter who asks.
        let mut policies = policies.iter();
        let policy = policies.find(|policy| policy.digest() == command.decision.policy);
        command.decision = decide(policy.unwrap(), &nobody(), "clinic", facts);
    }
    Log::of(clinic)
}

fn nobody() -> Principal {
    Principal {
        method: "none".into(),
        issuer: "none".into(),
        subject: "nobody".into(),
        client_id: None,
        groups: Vec::new(),
        evidence: Digest([0; 32]),
        run: None,
    }
}

fn unproven(cause: &str) -> Facts {
    Facts {
        accesses: vec![Access(Action::Read, Some("public.patients".into()))],
        attributes: [(UNPROVEN.to_owned(), Attribute::Text(cause.to_owned()))].into(),
        columns: None,
    }
}

#[test]
fn what_was_not_proven_is_said_to_be_unknown_only_where_it_is() {
    let of_target = with_facts(&unproven("WHERE goes by the masked column public.patients.ssn"));
    assert_eq!(of_target.groups(POLICY).1, Vec::new());
    let denied = of_target.commands(|command| command.decision.effect == Effect::Deny);
    let unknown = |log: &Log, policy: &str| {
        let groups = log.groups(policy).1.into_iter();
        groups
            .filter(|group| group.difference == Difference::Unproven)
            .collect::<Vec<_>>()
    };
    let groups = unknown(&of_target, &changed("public.patients.ssn", "public.patients.ss"));
    check(&groups, Difference::Unproven, ("deny", None), ("deny", None), &denied);
    let of_policy = with_facts(&unproven(&format!(
        "the rule x asks for an approval, and {NOBODY_TO_ASK}"
    )));
    let denied = of_policy.commands(|command| command.decision.effect == Effect::Deny);
    check(
        &unknown(&of_policy, POLICY),
        Difference::Unproven,
        ("deny", None),
        ("deny", None),
        &denied,
    );
}

#[test]
fn what_was_only_prepared_is_said_to_be_unknown() {
    let mut facts = Facts {
        accesses: vec![Access(Action::Session, None)],
        attributes: [("class".to_owned(), Attribute::Text("prepare".to_owned()))].into(),
        columns: None,
    };
    let log = with_facts(&facts);
    let denied = log.commands(|command| command.decision.effect == Effect::Deny);
    check(
        &log.groups(POLICY).1,
        Difference::OnlyPrepared,
        ("deny", None),
        ("deny", None),
        &denied,
    );
    // A `PREPARE` in SQL is read whole.
    facts.attributes.insert("statements".to_owned(), Attribute::Integer(1));
    assert_eq!(with_facts(&facts).groups(POLICY).1, Vec::new());
}

#[test]
fn a_log_that_does_not_verify_is_not_compared() {
    let mut clinic = clinic(SESSIONS);
    let place = clinic.plan.find(|event| matches!(event.body, Body::Command(_)))[0];
    if let Body::Command(command) = &mut clinic.plan.event_mut(place).body {
        command.decision.reason = "forged".to_owned();
    }
    let log = Log::of(clinic);
    assert!(matches!(log.compare(POLICY, None, None), Outcome::Refused(_)));
    let output = diff(&log, &log.path("trust.toml"), POLICY, &[]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{error}");
    assert!(
        error.contains("the log does not verify") && output.stdout.is_empty(),
        "{error}"
    );
}

/// Runs the program on a bundle.
fn diff(log: &Log, keys: &Path, policy: &str, rest: &[&str]) -> Output {
    let path = log.path("next.toml");
    exhibit_tests::write(&path, policy.as_bytes()).unwrap();
    let mut command = programs::command("exhibit").unwrap();
    command.args(["policy", "diff"]).arg(path);
    command
        .arg("--bundle")
        .arg(log.path("bundle.tar"))
        .arg("--keys")
        .arg(keys);
    command.args(rest).output().unwrap()
}

#[test]
fn the_program_answers_as_reviewed() {
    let log = Log::of(clinic(SESSIONS));
    let keys = log.path("trust.toml");
    let policy = changed("resources = [\"public.*\", \"none\"]", "resources = [\"none\"]");
    let policy = policy.replace("name = \"schema-changes\"", "name = \"schemas\"");
    let answer = |rest: &[&str], policy: &str| {
        let output = diff(&log, &keys, policy, rest);
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = answer(&[], &policy);
    assert_eq!(code, Some(1));
    insta::assert_snapshot!("diff", text);
    let (code, json) = answer(&["--json"], &policy);
    assert_eq!(code, Some(1));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    insta::assert_snapshot!("diff_json", serde_json::to_string_pretty(&json).unwrap());
    // Another name for a rule is told, and is no change.
    assert_eq!(
        answer(&[], &changed("name = \"schema-changes\"", "name = \"schemas\"")).0,
        Some(0)
    );
    assert_eq!(answer(&["--to", "2023-11-14"], &policy).0, Some(0));
    assert_eq!(
        answer(&["--from", "2023-11-14", "--to", "2023-11-14"], &policy).0,
        Some(2)
    );
    assert_eq!(answer(&["--from", "yesterday"], &policy).0, Some(2));
    assert_eq!(answer(&[], "version = 3").0, Some(2));
}
