//! Whole answers by snapshot, and what is no request.

use clap::{CommandFactory as _, FromArgMatches as _};
use exhibit_schemas::event::access::Effect;

use super::answer;

const POLICY: &str = include_str!("../../../../../tests/src/policy.toml");

/// A small clinic, as `exhibit policy catalog` prints one.
const CATALOG: &str = r#"{"relations": {
    "public.patients": {"kind": "table", "columns": [[1, "id", 23], [2, "last_name", 25], [3, "ssn", 25],
        [4, "mrn", 25], [5, "birth_date", 1082]], "parents": [], "depends_on": [], "calls_functions": false,
        "generated": []},
    "public.claims": {"kind": "table", "columns": [[1, "id", 23], [2, "status", 25]], "parents": [],
        "depends_on": [], "calls_functions": false, "generated": []}},
    "functions": {}, "operators": [], "types": []}"#;

/// The command line of the program, as far as it is about this command.
#[derive(clap::Parser)]
struct CommandLine {
    #[command(flatten)]
    arguments: super::Arguments,
}

/// Runs the command on the demo's policy; the answer, or what is wrong.
fn explained(rest: &[&str]) -> Result<(Effect, String), String> {
    explained_by(POLICY, rest)
}

/// The same on another policy.
fn explained_by(policy: &str, rest: &[&str]) -> Result<(Effect, String), String> {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        crate::files::create(&path, text.as_bytes(), crate::files::PUBLIC).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (policy, catalog) = (file("policy.toml", policy), file("clinic.json", CATALOG));
    let rest = rest.iter().map(|word| match *word {
        "CATALOG" => catalog.clone(),
        "POLICY" => policy.clone(),
        word => word.to_owned(),
    });
    let words = ["explain", "--policy", &policy]
        .map(str::to_owned)
        .into_iter()
        .chain(rest);
    let parsed = CommandLine::command().try_get_matches_from(words);
    let parsed = parsed.and_then(|matches| CommandLine::from_arg_matches(&matches));
    let arguments = parsed.map_err(|error| error.to_string())?.arguments;
    answer(&arguments).map_err(|error| error.to_string().replace(directory.path().to_str().unwrap(), ""))
}

/// What the demo's policy says of its store of objects.
const LAKE: &str = include_str!("../../../../../tests/src/lake.toml");

const AGENT: [&str; 6] = ["--subject", "ci-nightly", "--group", "pipelines", "--target", "clinic"];

fn sql(statement: &str, json: bool) -> (Effect, String) {
    let json: &[&str] = if json { &["--json"] } else { &[] };
    explained(&[&AGENT[..], json, &["--catalog", "CATALOG", "--", statement]].concat()).unwrap()
}

#[test]
fn help_is_as_reviewed() {
    let mut program = crate::commands::Arguments::command().term_width(100);
    let policy = program.find_subcommand_mut("policy").unwrap();
    let help = policy.find_subcommand_mut("explain").unwrap().render_long_help();
    insta::assert_snapshot!("help", help.to_string());
}

#[test]
fn answers_are_as_reviewed() {
    let check = |name: &str, statement: &str, wanted: Effect| {
        let (effect, text) = sql(statement, false);
        insta::assert_snapshot!(name, text);
        assert_eq!(effect, wanted, "{statement}");
    };
    let join = "SELECT p.ssn, p.mrn, c.status FROM patients p JOIN claims c ON c.id = p.id WHERE c.status = 'open'";
    check("allow", join, Effect::Allow);
    check("ask", "ALTER TABLE claims ADD COLUMN reviewed boolean", Effect::Ask);
    check("deny_no_rule", "INSERT INTO patients (id) VALUES (4711)", Effect::Deny);
    check("deny_rule", "DELETE FROM claims", Effect::Deny);
    check(
        "deny_unproven",
        "SELECT id FROM patients WHERE ssn = '123-45-6789'",
        Effect::Deny,
    );
    check("deny_not_sql", "SELEC 1", Effect::Deny);
}

#[test]
fn what_was_seen_is_taken_as_given_where_it_can_have_been() {
    let rule = "[[rules]]\nname = \"known\"\nroles = [\"pipeline\"]\ntargets = [\"clinic\"]\nactions = [\"write\", \"define\"]\n\
                when = { first_seen = false }\neffect = \"allow\"\n\n[[rules]]";
    let policy = POLICY.replacen("[[rules]]", rule, 1);
    let by = |seen: &[&str], statement: &str| {
        let words = [&AGENT[..], seen, &["--json", "--catalog", "CATALOG", "--", statement]].concat();
        let (effect, json) = explained_by(&policy, &words).unwrap();
        let answer: serde_json::Value = serde_json::from_str(&json).unwrap();
        (
            effect,
            answer["rule"].as_str().map(str::to_owned),
            answer["facts"]["first_seen"].clone(),
        )
    };
    let insert = "INSERT INTO patients (id) VALUES (4711)";
    assert_eq!(by(&[], insert), (Effect::Deny, None, true.into()));
    assert_eq!(
        by(&["--seen"], insert),
        (Effect::Allow, Some("known".into()), false.into())
    );
    // Definitions have no fingerprint.
    let define = "ALTER TABLE claims ADD COLUMN reviewed boolean";
    assert_eq!(
        by(&["--seen"], define),
        (Effect::Ask, Some("schema".into()), true.into())
    );
    // Without such a rule nothing says it.
    let words = [&AGENT[..], &["--seen", "--json", "--catalog", "CATALOG", "--", insert]].concat();
    assert!(!explained(&words).unwrap().1.contains("first_seen"));
}

/// The rule for notifications that the documentation has beside its example of `first_seen`, in front of that.
#[test]
fn notifications_pass_by_a_rule_in_front_of_one_that_asks_about_what_is_new() {
    let documented = include_str!("../../../../../docs/policy.md");
    let rules = ["name = \"notifications\"", "name = \"new-statements\""].map(|name| {
        let at = documented.find(name).expect("the documentation has it");
        let end = documented[at..].find("```").unwrap();
        let rule = documented[at..at + end].replace("[\"ci\"]", "[\"pipeline\"]");
        format!(
            "[[rules]]\n{}\n",
            rule.replace("approval = \"dba\"", "approval = \"schema-change\"")
        )
    });
    let allows = "[[rules]]\nname = \"all\"\nroles = [\"pipeline\"]\ntargets = [\"clinic\"]\nactions = [\"read\", \"write\"]\neffect = \"allow\"\n\n";
    let [notifications, new] = rules;
    let by = |rules: &str, access: &str| {
        let policy = POLICY.replacen("[[rules]]", &format!("{rules}{allows}[[rules]]"), 1);
        let words = [&AGENT[..], &["--access", access, "--json"]].concat();
        let (effect, json) = explained_by(&policy, &words).unwrap();
        let answer: serde_json::Value = serde_json::from_str(&json).unwrap();
        (effect, answer["rule"].as_str().map(str::to_owned))
    };
    let asked = (Effect::Ask, Some("new-statements".to_owned()));
    assert_eq!(by(&new, "read:channel:jobs"), asked);
    let both = notifications + &new;
    let allowed = (Effect::Allow, Some("notifications".to_owned()));
    assert_eq!(by(&both, "read:channel:jobs"), allowed);
    assert_eq!(by(&both, "write:channel:jobs"), asked);
    assert_eq!(by(&both, "read:public.claims"), asked);
}

#[test]
fn accesses_are_taken_as_given() {
    let words = [
        "--access",
        "read:public.patients",
        "--access",
        "define:public.claims",
        "--access",
        "session",
    ];
    let (effect, text) = explained(&[&AGENT[..], &words].concat()).unwrap();
    insta::assert_snapshot!("accesses", text);
    assert_eq!(effect, Effect::Ask);
    let facts = [
        "--access",
        "write:other.x",
        "--fact",
        "no_where=true",
        "--fact",
        "rows=3",
        "--fact",
        "class=dml",
    ];
    let (_, json) = explained(&[&AGENT[..], &facts, &["--json"]].concat()).unwrap();
    insta::assert_snapshot!("accesses_json", pretty(&json));
}

#[test]
fn operations_on_objects_are_read_as_requests_are() {
    let policy = format!("{POLICY}\n{LAKE}");
    let agent = ["--subject", "ci-nightly", "--group", "pipelines", "--target", "lake"];
    let of = |rest: &[&str]| explained_by(&policy, &[&agent[..], rest].concat());
    let check = |name: &str, rest: &[&str], wanted: Effect| {
        let (effect, text) = of(rest).unwrap();
        insta::assert_snapshot!(name, text);
        assert_eq!(effect, wanted, "{rest:?}");
    };
    let export = ["--object", "clinic-exports/patients.csv"];
    check(
        "object_allow",
        &[&["--operation", "GetObject"], &export[..]].concat(),
        Effect::Allow,
    );
    check(
        "object_ask",
        &[&["--operation", "DeleteObject"], &export[..]].concat(),
        Effect::Ask,
    );
    let grant = ["--operation", "PutBucketPolicy", "--object", "clinic-exports"];
    check("object_deny", &grant, Effect::Deny);
    let copy = [
        "--operation",
        "CopyObject",
        "--object",
        "work/patients.csv",
        "--source",
        "clinic-exports/patients.csv",
    ];
    check("object_unproven", &copy, Effect::Deny);
    let json = of(&["--operation", "ListBuckets", "--fact", "presigned=true", "--json"]);
    insta::assert_snapshot!("object_json", pretty(&json.unwrap().1));
    for (rest, wanted) in [
        (
            &["--operation", "getObject", "--object", "b1b/k"][..],
            "is it `GetObject`?",
        ),
        (&["--operation", "GetObject"], "one object"),
        (&["--object", "b1b/k"], "--operation"),
        (&["--operation", "GetObject", "--access", "read"], "cannot be used"),
    ] {
        let error = of(rest).unwrap_err();
        assert!(error.contains(wanted), "{error}");
    }
}

#[test]
fn json_has_one_shape() {
    let ask = sql("ALTER TABLE claims ADD COLUMN reviewed boolean", true).1;
    let allow = sql("SELECT ssn, mrn FROM patients", true).1;
    let deny = sql("SELECT ssn FROM patients ORDER BY ssn", true).1;
    insta::assert_snapshot!("json", format!("{}\n{}", pretty(&ask), pretty(&allow)));
    let keys = |text: &str| {
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        value.as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    assert!(keys(&ask) == keys(&allow) && keys(&allow) == keys(&deny));
}

fn pretty(json: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(json).unwrap();
    serde_json::to_string_pretty(&value).unwrap()
}

#[test]
fn no_value_of_a_statement_is_repeated() {
    for json in [false, true] {
        for statement in [
            "SELECT 'planted-4711'",
            "SELECT 'planted-4711",
            "INSERT INTO patients (ssn) VALUES ('planted-4711')",
            "SET application_name = 'planted-4711'",
        ] {
            let (_, text) = sql(statement, json);
            assert!(!text.contains("planted"), "{text}");
        }
    }
}

#[test]
fn what_is_no_request_is_refused() {
    let check = |rest: &[&str], wanted: &str| {
        let error = explained(&[&AGENT[..], rest].concat()).unwrap_err();
        assert!(error.contains(wanted), "{rest:?}: {error}");
    };
    check(&[], "required");
    check(&["--", "SELECT 1"], "--catalog");
    check(&["--catalog", "CATALOG"], "SQL");
    check(
        &["--access", "read:x", "--catalog", "CATALOG", "--", "SELECT 1"],
        "cannot be used",
    );
    check(
        &["--catalog", "CATALOG", "--fact", "a=b", "--", "SELECT 1"],
        "cannot be used",
    );
    check(&["--access", "reed:public.x"], "actions are read, write");
    check(&["--access", "read:"], "a resource follows");
    check(&["--access", "read", "--fact", "no_where"], "NAME=VALUE");
    check(
        &["--catalog", "POLICY", "--", "SELECT 1"],
        "/policy.toml: it is not a recorded catalog: line 1",
    );
    check(&["--catalog", "nowhere.json", "--", "SELECT 1"], "nowhere.json");
    let other = ["--subject", "a", "--target", "clinics", "--access", "read"];
    let error = explained(&other).unwrap_err();
    assert!(
        error.contains("/policy.toml: the policy defines no target `clinics`"),
        "{error}"
    );
}
