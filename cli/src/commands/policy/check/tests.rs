//! Whole answers by snapshot, and what warnings do to the exit code.

use clap::{CommandFactory as _, FromArgMatches as _};

use super::{Checked, check};

const POLICY: &str = include_str!("../../../../../docs/policy/policy.toml");
const CATALOG: &str = include_str!("../../../../../docs/policy/clinic.json");

/// The command line of the program, as far as it is about this command.
#[derive(clap::Parser)]
struct CommandLine {
    #[command(flatten)]
    arguments: super::Arguments,
}

/// Runs the command on a policy, with a catalog where one is given; or what is wrong.
fn checked(policy: &str, catalog: Option<&str>, rest: &[&str]) -> Result<Checked, String> {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        crate::files::create(&path, text.as_bytes(), crate::files::PUBLIC).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let mut words = vec!["check".to_owned(), file("policy.toml", policy)];
    if let Some(catalog) = catalog {
        words.extend([
            "--catalog".to_owned(),
            format!("clinic={}", file("clinic.json", catalog)),
        ]);
    }
    words.extend(rest.iter().map(|word| (*word).to_owned()));
    let parsed = CommandLine::command().try_get_matches_from(words);
    let parsed = parsed.and_then(|matches| CommandLine::from_arg_matches(&matches));
    let arguments = parsed.map_err(|error| error.to_string())?.arguments;
    let mut checked = check(&arguments).map_err(|error| error.to_string())?;
    checked.file = "policy.toml".to_owned();
    Ok(checked)
}

fn changed(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}

fn kinds(policy: &str, catalog: Option<&str>) -> Vec<&'static str> {
    let checked = checked(policy, catalog, &[]).unwrap();
    checked
        .warnings
        .iter()
        .map(|(_, warning)| warning.kind.as_str())
        .collect()
}

#[test]
fn help_is_as_reviewed() {
    let mut program = crate::commands::Arguments::command().term_width(100);
    let policy = program.find_subcommand_mut("policy").unwrap();
    let help = policy.find_subcommand_mut("check").unwrap().render_long_help();
    insta::assert_snapshot!("help", help.to_string());
}

#[test]
fn nothing_is_said_of_the_documented_policy_and_of_a_new_deployment_s() {
    assert_eq!(kinds(POLICY, Some(CATALOG)), Vec::<&str>::new());
    assert_eq!(
        kinds(include_str!("../../../../../tests/src/policy.toml"), None),
        Vec::<&str>::new()
    );
}

#[test]
fn answers_are_as_reviewed() {
    let policy = changed(
        POLICY,
        "actions = [\"write\"]\nresources = [\"public.claims\"]\neffect",
        "actions = [\"write\"]\neffect",
    );
    let policy = changed(&policy, "no_where = true", "no_wehre = true");
    let policy = changed(&policy, "[\"public.notes.body\"]", "[\"notes.body\"]");
    let policy = changed(
        &policy,
        "name = \"schema\"",
        "name = \"no-notes\"\nroles = [\"analyst\"]\ntargets = [\"clinic\"]\nactions = [\"read\"]\nresources = [\"public.notes\"]\neffect = \"deny\"\n\n[[rules]]\nname = \"schema\"",
    );
    let weak = checked(&policy, None, &[]).unwrap();
    insta::assert_snapshot!("weak", weak.text());
    insta::assert_snapshot!("weak_json", serde_json::to_string_pretty(&weak.json()).unwrap());
    let refused = checked(&changed(POLICY, "effect = \"allow\"", "efect = \"allow\""), None, &[]).unwrap();
    insta::assert_snapshot!("refused", refused.text());
    let keys = |checked: &Checked| checked.json().as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&weak), keys(&refused));
    assert!(refused.json()["error"].as_str().unwrap().contains("efect"));
}

#[test]
fn masks_are_held_against_the_columns_of_the_catalog() {
    let misspelt = changed(POLICY, "[\"public.patients.ssn\"]", "[\"public.patient.ssn\"]");
    assert_eq!(kinds(&misspelt, None), Vec::<&str>::new());
    assert_eq!(kinds(&misspelt, Some(CATALOG)), ["masked-nothing"]);
    let short = changed(POLICY, "[\"public.patients.ssn\"]", "[\"patients.ssn\"]");
    assert_eq!(kinds(&short, None), ["masked-nothing"]);
    // A column of the same name elsewhere, which somebody reads or nobody does.
    let archive = changed(CATALOG, "[3, \"status\", 25]", "[3, \"ssn\", 25]");
    let found = checked(POLICY, Some(&archive), &[]).unwrap();
    let texts: Vec<_> = found
        .warnings
        .iter()
        .map(|(line, warning)| (*line, warning.text.as_str()))
        .collect();
    let line = POLICY.lines().position(|line| line == "name = \"ssn\"").unwrap();
    let text = "role nightly, analyst reads `public.claims.ssn` of target `clinic` as it is; mask `ssn` is for another column `ssn`";
    assert_eq!(texts, [(line, text)]);
    let unread = changed(POLICY, "\"public.claims\", \"none\"]", "\"none\"]");
    assert_eq!(kinds(&unread, Some(&archive)), Vec::<&str>::new());
}

#[test]
fn patients_are_held_against_masks_and_the_columns_of_the_catalog() {
    let named = |columns: &str| {
        format!("{POLICY}\n[[patients]]\nname = \"patient\"\ntargets = [\"clinic\"]\nresources = [{columns}]\n")
    };
    let all = "\"public.patients.id\", \"public.claims.patient_id\", \"public.notes.patient_id\"";
    assert_eq!(kinds(&named(all), Some(CATALOG)), Vec::<&str>::new());
    for (from, to, wanted) in [
        (
            "claims.patient_id",
            "claims.person",
            "no column of the catalog of target `clinic` is called `public.claims.person`",
        ),
        // A relation that nobody counts, though it has such a column.
        (
            ", \"public.notes.patient_id\"",
            "",
            "rows of `public.notes` of target `clinic` are nobody's records",
        ),
    ] {
        let found = checked(&changed(&named(all), from, to), Some(CATALOG), &[]).unwrap();
        let texts: Vec<_> = found
            .warnings
            .iter()
            .map(|(_, warning)| warning.text.as_str())
            .collect();
        assert!(
            matches!(texts.as_slice(), [text] if text.starts_with(wanted)),
            "{texts:?}"
        );
    }
    // Where the database masks it, its rows are nobody's.
    let masked = checked(&named("\"public.patients.ssn\""), None, &[]).unwrap();
    let [(line, warning)] = masked.warnings.as_slice() else {
        panic!("{:?}", masked.warnings);
    };
    assert_eq!(*line, POLICY.lines().count() + 2);
    assert!(
        warning.text.contains("mask `ssn` is no token of the domain `patient`"),
        "{}",
        warning.text
    );
}

#[test]
fn what_is_no_question_is_refused() {
    for (rest, wanted) in [
        (&["--accept", "unmasked"][..], "--deny-warnings"),
        (
            &["--deny-warnings", "--accept", "unmaskd"][..],
            "kinds are shadowed-rule",
        ),
        (&["--catalog", "clinic"][..], "TARGET=FILE"),
        (&["--catalog", "clinics=x.json"][..], "no target `clinics`"),
        (&["--catalog", "clinic=nowhere.json"][..], "nowhere.json"),
    ] {
        let error = checked(POLICY, None, rest).map(|_| ()).unwrap_err();
        assert!(error.contains(wanted), "{error}");
    }
}

/// The demo's policy knows the facts of its store of objects; what it misspells is told.
#[test]
fn conditions_on_requests_of_stores_are_looked_at() {
    let lake = include_str!("../../../../../tests/src/lake.toml");
    let policy = format!("{}\n{lake}", include_str!("../../../../../tests/src/policy.toml"));
    let of = |when: &str| {
        let rule = "name = \"exports-stay-closed\"";
        let policy = changed(&policy, rule, &format!("{rule}\nwhen = {{ {when} }}"));
        let checked = checked(&policy, None, &[]).unwrap();
        let dead = checked
            .warnings
            .into_iter()
            .filter(|(_, one)| one.kind.as_str() == "dead-condition");
        dead.map(|(_, warning)| warning.text).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(
        of("operation = \"PutBucketPolicy\", presigned = false, version = false"),
        ""
    );
    assert_eq!(of("objects = 5"), "");
    for (when, wanted) in [
        ("operation = \"PutBucketpolicy\"", "is it `PutBucketPolicy`?"),
        ("operation = 5", "of the type text"),
        ("presign = true", "no request on its targets"),
        ("no_where = true", "no request on its targets"),
    ] {
        assert!(of(when).contains(wanted), "{}", of(when));
    }
}
