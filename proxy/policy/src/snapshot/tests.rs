//! What is refused and what is read, and the limits at and past their edges.

use proptest::prelude::*;

use super::spelling::distance;
use super::{LIMIT_S_MAX, Limits, PolicyError, Snapshot};

pub(crate) const POLICY: &str = r#"
version = 1
[[roles]]
name = "reader"
match = { subject = "ci-*" }
[[targets]]
name = "clinic"
protocol = "postgres"
[[approvals]]
name = "dba"
groups = ["dba"]
people = 1
expires_s = 900
[[rules]]
name = "reads"
roles = ["reader"]
targets = ["clinic"]
actions = ["read"]
resources = ["public.*"]
effect = "allow"
"#;

fn check_refused(from: &str, to: &str, wanted: &str) {
    assert!(POLICY.contains(from), "{from}");
    let error = Snapshot::parse(POLICY.replacen(from, to, 1).as_bytes())
        .unwrap_err()
        .to_string();
    assert!(error.contains(wanted), "{error}");
}

#[test]
fn a_policy_is_refused_whole_with_the_place() {
    Snapshot::parse(POLICY.as_bytes()).unwrap();
    check_refused("version = 1", "version = 2", "version = 2");
    check_refused("effect =", "efect =", "line 20");
    check_refused("roles = [\"reader\"]", "roles = [\"raeder\"]", "nearest is `reader`");
    check_refused(
        "targets = [\"clinic\"]",
        "targets = [\"clinics\"]",
        "nearest is `clinic`",
    );
    check_refused("[\"read\"]", "[\"reed\"]", "nearest is `read`");
    check_refused("\"allow\"", "\"permit\"", "allow, ask or deny");
    check_refused("\"allow\"", "\"ask\"", "exactly when its effect is ask");
    check_refused("{ subject = \"ci-*\" }", "{}", "match everybody");
    check_refused("{ subject = \"ci-*\" }", "{ groups = [] }", "match everybody");
    check_refused("[\"public.*\"]", "[]", "matches nothing");
    check_refused("[\"public.*\"]", "[\"\"]", "a pattern has");
    check_refused("people = 1", "people = 0", "at least one person");
    check_refused("expires_s = 900", "expires_s = 0", "at least 1");
    check_refused(
        "[[targets]]",
        "[[targets]]\nname = \"clinic\"\nprotocol = \"s3\"\n[[targets]]",
        "defined twice",
    );
}

#[test]
fn a_fault_is_named_with_the_line_where_its_place_begins() {
    let line = |from: &str, to: &str| {
        assert!(POLICY.contains(from), "{from}");
        let error = Snapshot::parse(POLICY.replacen(from, to, 1).as_bytes()).unwrap_err();
        let PolicyError::At { line, error } = &error else {
            panic!("{error}")
        };
        assert!(!matches!(**error, PolicyError::At { .. }));
        *line
    };
    let header = |list: &str| POLICY.lines().position(|line| line == list).unwrap() + 1;
    assert_eq!(line("version = 1", "version = 2"), 2);
    assert_eq!(
        line("roles = [\"reader\"]", "roles = [\"raeder\"]"),
        header("[[rules]]")
    );
    assert_eq!(line("\"public.*\"", "\"\""), header("[[rules]]"));
    assert_eq!(line("people = 1", "people = 0"), header("[[approvals]]"));
    assert_eq!(line("{ subject = \"ci-*\" }", "{ groups = [] }"), header("[[roles]]"));
    let second = "[[targets]]\nname = \"clinic\"\nprotocol = \"s3\"\n\n";
    assert_eq!(
        line("[[approvals]]", &format!("{second}[[approvals]]")),
        header("[[approvals]]")
    );
    let end = POLICY.lines().count();
    let added = |text: &str| line("effect = \"allow\"\n", &format!("effect = \"allow\"\n{text}"));
    assert_eq!(added("[limits]\nidle_s = 0"), end + 1);
    let mask = "[[masks]]\nname = \"m\"\ntargets = [\"clinic\"]\nresources = [\"a.b.c\"]\ntechnique = ";
    assert_eq!(added(&format!("{mask}\"partial\"")), end + 1);
    let path = "\"paths\"\nrest = \"null\"\npaths = [{ path = \"a\", technique = \"year\" }]";
    assert_eq!(added(&format!("{mask}{path}")), end + 1);
    let net = "\n[[nets]]\nname = \"m\"\ntargets = [\"clinic\"]\ncategories = [\"ssn\"]";
    assert_eq!(added(&format!("{mask}\"null\"{net}")), end + 6);
    // Backticks in a name lead nowhere else.
    assert_eq!(
        line("name = \"reads\"", "name = 'a`b'\nreason = \"\"\napproval = \"dba\""),
        header("[[rules]]")
    );
}

#[test]
fn a_list_does_not_stand_for_a_table() {
    check_refused(
        "{ subject = \"ci-*\" }",
        "[\"m\", \"i\", \"s\", \"c\", [], {}]",
        "expected a table",
    );
    for list in [
        "limits = [10, 20, true]",
        "limits = []",
        "targets = [[\"t\", \"postgres\", []]]",
        "approvals = [[\"a\", [\"g\"], 1, 1, true]]",
        "roles = [[\"r\", { subject = \"s\" }]]",
    ] {
        let error = Snapshot::parse(format!("version = 1\n{list}\n").as_bytes()).unwrap_err();
        let PolicyError::Syntax(text) = error else {
            panic!("{list}: {error}")
        };
        assert!(text.contains("line 2") && text.contains("expected a table"), "{text}");
    }
    let run = POLICY.replace("{ subject", "{ run = [\"p\"], subject");
    assert!(
        Snapshot::parse(run.as_bytes())
            .unwrap_err()
            .to_string()
            .contains("expected a table")
    );
}

#[test]
fn the_digest_is_of_the_exact_bytes() {
    let digest = |text: &str| Snapshot::parse(text.as_bytes()).unwrap().digest();
    assert_ne!(digest(POLICY), digest(&format!("{POLICY}\n")));
}

#[test]
fn the_digest_of_masks_is_of_one_target_s_masks_alone() {
    let mask = "[[masks]]\nname = \"a\"\ntargets = [\"clinic\"]\nresources = [\"public.a.b\"]\ntechnique = \"partial\"\nkeep = 4\n";
    let digest = |text: &str| Snapshot::parse(text.as_bytes()).unwrap().masks_digest("clinic");
    let policy = format!("{POLICY}{mask}");
    assert_eq!(
        digest(&policy),
        digest(&policy.replace("name = \"reads\"", "name = \"read\""))
    );
    for (from, to) in [
        ("keep = 4", "keep = 3"),
        ("public.a.b", "public.a.*"),
        ("name = \"a\"", "name = \"b\""),
    ] {
        assert_ne!(digest(&policy), digest(&policy.replace(from, to)), "{to}");
    }
    assert_ne!(digest(&policy), digest(POLICY));
    assert_eq!(
        digest(POLICY),
        Snapshot::parse(policy.as_bytes()).unwrap().masks_digest("other")
    );
}

#[test]
fn limits_hold_at_and_past_the_edge() {
    let padded = |size: usize| Snapshot::parse(format!("{POLICY}{}", "#".repeat(size - POLICY.len())).as_bytes());
    assert!(padded(1 << 20).is_ok());
    assert!(matches!(padded((1 << 20) + 1), Err(PolicyError::TooLong { .. })));
    assert!(matches!(
        Snapshot::parse(b"\xff"),
        Err(PolicyError::NotText { offset: 0 })
    ));
}

#[test]
fn sessions_have_limits_even_where_the_policy_has_none() {
    let limits = |text: &str| Snapshot::parse(format!("{POLICY}{text}").as_bytes()).map(|policy| policy.limits());
    let of = |idle_s, session_s| {
        Ok(Limits {
            idle_s,
            session_s,
            expiry_ends_session: false,
        })
    };
    assert_eq!(limits(""), of(3_600, 86_400));
    assert_eq!(limits("[limits]"), of(3_600, 86_400));
    assert_eq!(limits("[limits]\nidle_s = 1"), of(1, 86_400));
    assert_eq!(limits("[limits]\nsession_s = 2678400"), of(3_600, LIMIT_S_MAX));
    for refused in [
        "idle_s = 0",
        "session_s = 0",
        "session_s = 2678401",
        "idle_s = 2678401",
        "idle = 1",
        "idle_s = -1",
    ] {
        let error = limits(&format!("[limits]\n{refused}")).unwrap_err().to_string();
        assert!(error.contains("limits") || error.contains(refused), "{error}");
    }
}

#[test]
fn distances_are_levenshtein_s() {
    assert_eq!(
        (distance("kitten", "sitting"), distance("", "abc"), distance("a", "a")),
        (3, 3, 0)
    );
}

#[test]
fn observed_rules_have_a_mode_and_their_names_fit_a_decision() {
    let rule = |name: &str, rest: &str| {
        format!(
            "{POLICY}[[rules]]\nname = \"{name}\"\nroles = [\"reader\"]\ntargets = [\"clinic\"]\nactions = [\"read\"]\neffect = \"deny\"\n{rest}\n"
        )
    };
    let read = |text: &str| {
        Snapshot::parse(text.as_bytes())
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    assert_eq!(read(&rule("next", "mode = \"observe\"")), Ok(()));
    let error = read(&rule("next", "mode = \"count\"")).unwrap_err();
    assert!(error.contains("expected `enforce` or `observe`"), "{error}");
    let error = read(&rule("next", "mode = \"observe\"\nover = { rows = 1 }")).unwrap_err();
    assert!(
        error.starts_with("line ") && error.contains("a reply is decided again only"),
        "{error}"
    );
    assert_eq!(read(&rule("next", "mode = \"enforce\"\nover = { rows = 1 }")), Ok(()));
    let long = "n".repeat(8_192);
    assert_eq!(read(&rule(&long, "mode = \"observe\"")), Ok(()));
    let error = read(&rule(&format!("{long}n"), "mode = \"observe\"")).unwrap_err();
    assert!(error.contains("at most 8192 bytes"), "{error}");
    assert_eq!(read(&rule(&format!("{long}n"), "")), Ok(()));
}

#[test]
fn rules_are_for_the_targets_that_have_all_of_their_tags() {
    let target =
        |name: &str, tags: &str| format!("[[targets]]\nname = \"{name}\"\nprotocol = \"postgres\"\ntags = [{tags}]\n");
    let rule = |rest: &str| {
        let targets = target("a", "\"phi\", \"production\"") + &target("b", "\"phi\"") + &target("c", "\"test\"");
        format!(
            "{POLICY}{targets}[[rules]]\nname = \"tagged\"\nroles = [\"reader\"]\n{rest}\nactions = [\"read\"]\neffect = \"allow\"\n"
        )
    };
    let targets = |rest: &str| {
        let snapshot = Snapshot::parse(rule(rest).as_bytes()).map_err(|error| error.to_string())?;
        let rule = snapshot.rules.last().unwrap();
        Ok::<_, String>(rule.targets.iter().cloned().collect::<Vec<_>>().join(" "))
    };
    assert_eq!(targets("target_tags = [\"phi\"]").unwrap(), "a b");
    assert_eq!(targets("target_tags = [\"production\", \"phi\"]").unwrap(), "a");
    for (rest, wanted) in [
        ("target_tags = [\"test\", \"phi\"]", "no target has all of these tags"),
        (
            "target_tags = [\"ph\"]",
            "names tag `ph`, which is not defined; the nearest is `phi`",
        ),
        ("target_tags = []", "an empty list of tags"),
        ("targets = []", "an empty list of targets"),
        ("", "one of them"),
        ("targets = [\"a\"]\ntarget_tags = [\"phi\"]", "one of them"),
    ] {
        let error = targets(rest).unwrap_err();
        assert!(error.starts_with("line ") && error.contains(wanted), "{rest}: {error}");
    }
}

proptest! {
    #[test]
    fn never_panics(text in any::<String>()) {
        let _ = Snapshot::parse(text.as_bytes());
    }
}
