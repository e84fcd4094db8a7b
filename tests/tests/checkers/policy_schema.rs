//! The JSON Schema of policies against the reader of policies, in both directions, by a validator that is not ours.
//!
//! One policy that uses every key is changed in every place: keys taken away and added, values of other types and past their
//! limits, every technique with every set of parameters. Of each the schema has to say what the reader says, but where a
//! fault is about more than one place of the file ([`beyond_schema`]).

use std::collections::{BTreeMap, BTreeSet};

use exhibit_policy::detect::{Category, Confidence};
use exhibit_policy::hours::HoursError;
use exhibit_policy::mask::Technique;
use exhibit_policy::mask::ff1::Alphabet;
use exhibit_policy::probe::{PROBES_PER_HOUR_MAX, Predicates};
use exhibit_policy::sealed::RecipientError;
use exhibit_policy::snapshot::{JSON_SCHEMA, PolicyError, Snapshot};
use exhibit_schemas::event::access::{Action, Effect};
use exhibit_tests::run;
use serde_json::{Value as Json, json};
use toml::Value;

use crate::Checkers;

/// A policy with every key.
const FULL: &str = r#"
version = 1
[[roles]]
name = "r"
match = { method = "oidc", issuer = "i", subject = "s*", client_id = "c", groups = ["g"], run = { provider = "p", repository = "r", repository_id = "1", owner_id = "2", reference = "m", commit = "0", workflow = "w", actor = "a", actor_id = "3", trigger = "push", environment = "e" } }
[[targets]]
name = "t"
protocol = "postgres"
tags = ["x"]
[[targets]]
name = "l"
protocol = "s3"
[[approvals]]
name = "a"
groups = ["g"]
people = 1
expires_s = 900
hold_s = 60
all_groups = ["g", "h"]
hours = { windows = ["Mon-Fri 08:00-18:00", "22:00-06:00"], zone = "Europe/Vienna" }
grants = { scopes = ["fingerprint", "session"], minutes = 60, uses = 100, rows = 5000 }
emergency = { groups = ["o"], minutes = 30, reviewers = ["p"], review_within_days = 3, targets = ["t"] }
requester_may_approve = false
estimate = true
preview = "rolled-back"
[[rules]]
name = "asks"
mode = "enforce"
roles = ["r"]
targets = ["t"]
actions = ["read"]
resources = ["public.*", "none"]
columns = ["public.patients.ssn", "public.*.note"]
when = { no_where = true, first_seen = true, statements = 1, class = "select" }
over = { rows = 1, bytes = 2, session_rows = 3, session_bytes = 4, patients = 5, session_patients = 6, estimated_rows = 7 }
hours = { windows = ["Sat-Mon 00:00-24:00"], zone = "+01:00" }
effect = "ask"
approval = "a"
reason = "because"
[[rules]]
name = "watches"
mode = "observe"
roles = ["r"]
target_tags = ["x"]
actions = ["write"]
over = { estimated_rows = 7 }
effect = "deny"
[[masks]]
name = "partial"
targets = ["t"]
resources = ["public.a.b"]
technique = "partial"
keep = 4
predicates = "ask"
approval = "a"
probes_per_hour = 3
[[masks]]
name = "shift"
targets = ["t"]
resources = ["public.a.c"]
technique = "date_shift"
domain = "d"
days = 10
person = "id"
[[masks]]
name = "ff1"
targets = ["t"]
resources = ["public.a.d"]
technique = "ff1"
alphabet = "letters"
[[masks]]
name = "paths"
targets = ["t"]
resources = ["public.a.e"]
technique = "paths"
rest = "null"
paths = [{ path = "/a/*", technique = "partial", keep = 3 }, { path = "", technique = "date_shift", domain = "d", days = 3 }, { path = "/b", technique = "ff1", alphabet = "digits" }]
[[nets]]
name = "n"
targets = ["t"]
categories = ["ssn"]
floor = "likely"
except = ["public.a.f"]
ends_session = false
[[documents]]
name = "o"
targets = ["l"]
resources = ["bucket/*.csv"]
format = "csv"
header = false
phi = true
keep_length = false
[[reviews]]
name = "w"
scope = "commands"
every = "month"
zone = "Europe/Vienna"
within_days = 10
groups = ["g"]
own = "deny"
[[patients]]
name = "p"
targets = ["t"]
resources = ["public.a.id", 'public."b.c".id']
domain = "d"
[sealed]
recipients = ["age1apdu77hwunkk6ynkekenhz770754fhlqlf95dd6s2vscx3ctgp0qqyx3sd"]
targets = ["t"]
[limits]
idle_s = 10
session_s = 20
expiry_ends_session = true
"#;

/// A step into a document.
#[derive(Clone, Debug)]
enum Step {
    Key(String),
    Element(usize),
}

fn full() -> Value {
    toml::from_str(FULL).unwrap()
}

fn schema() -> Json {
    serde_json::from_str(JSON_SCHEMA).unwrap()
}

fn parse(document: &Value) -> Result<(), PolicyError> {
    Snapshot::parse(toml::to_string(document).unwrap().as_bytes()).map(|_| ())
}

/// A fault that no schema sees: names that have to be defined somewhere or only once, a mask's name that is its domain, nets
/// against each other and masks, two columns of one relation that identify patients, and the checksum and the key of a recipient.
fn beyond_schema(error: &PolicyError) -> bool {
    match error {
        PolicyError::Unknown { kind, .. } => ["role", "target", "tag", "approval"].contains(kind),
        PolicyError::Twice { .. } | PolicyError::MaskedOpen { .. } => true,
        PolicyError::Syntax(text) => text.contains("is not in the time zone database"),
        PolicyError::At { error, .. } => beyond_schema(error),
        PolicyError::Zone { error, .. } => matches!(error, HoursError::Unknown(_)),
        PolicyError::Recipient { error, .. } => *error != RecipientError::Form,
        PolicyError::Rule { place, .. } if place.starts_with("mask ``") => true,
        PolicyError::Rule { rule, .. } => [
            "another net",
            "a net does not search",
            "names of observed rules",
            "a relation has one column",
            "it counts patients, and the policy names no patients",
            "no target has all",
            "a document is for objects",
        ]
        .iter()
        .any(|start| rule.starts_with(start)),
        _ => false,
    }
}

fn at<'a>(document: &'a mut Value, place: &[Step]) -> &'a mut Value {
    place.iter().fold(document, |value, step| match step {
        Step::Key(key) => value.get_mut(key.as_str()).unwrap(),
        Step::Element(element) => value.get_mut(*element).unwrap(),
    })
}

/// Every place of a document, outer ones first.
fn places(value: &Value, here: &mut Vec<Step>, found: &mut Vec<Vec<Step>>) {
    found.push(here.clone());
    let mut inside = |step: Step, value: &Value| {
        here.push(step);
        places(value, here, found);
        here.pop();
    };
    match value {
        Value::Table(table) => table
            .iter()
            .for_each(|(key, value)| inside(Step::Key(key.clone()), value)),
        Value::Array(array) => array
            .iter()
            .enumerate()
            .for_each(|(element, value)| inside(Step::Element(element), value)),
        _ => {}
    }
}

/// The part of the schema that is for a place.
fn part(place: &[Step]) -> Json {
    let mut part = schema();
    for step in place {
        part = match step {
            Step::Key(key) if part["properties"].get(key).is_some() => part["properties"][key].clone(),
            Step::Key(_) => part["additionalProperties"].clone(),
            Step::Element(_) => part["items"].clone(),
        };
        let definition = part["$ref"]
            .as_str()
            .and_then(|name| name.strip_prefix("#/definitions/"));
        if let Some(name) = definition.map(str::to_owned) {
            part = schema()["definitions"][name].clone();
        }
    }
    part
}

/// Documents by what was done to them.
#[derive(Default)]
struct Documents(BTreeMap<String, Value>);

impl Documents {
    fn add(&mut self, name: String, change: impl FnOnce(&mut Value)) {
        let mut document = full();
        change(&mut document);
        self.0.insert(name, document);
    }

    /// Each document is said to be the same by the reader and by the schema; how many were accepted.
    fn check(self, checkers: &Checkers) -> usize {
        let place = tempfile::tempdir().unwrap();
        let (schema, documents) = (place.path().join("schema.json"), place.path().join("documents.json"));
        exhibit_tests::write(&schema, JSON_SCHEMA.as_bytes()).unwrap();
        let values: Vec<&Value> = self.0.values().collect();
        exhibit_tests::write(&documents, &serde_json::to_vec(&values).unwrap()).unwrap();
        let said = run(checkers.script("python/schema.py").arg(schema).arg(documents)).unwrap();
        let faults: Vec<Option<String>> = serde_json::from_str(&said).unwrap();
        assert_eq!(faults.len(), self.0.len());
        let mut wrong = Vec::new();
        let mut accepted = 0;
        for ((name, document), fault) in self.0.iter().zip(faults) {
            match (parse(document), fault) {
                (Ok(()), None) => accepted += 1,
                (Ok(()), Some(fault)) => wrong.push(format!("{name}: only the schema refuses: {fault}")),
                (Err(error), None) if !beyond_schema(&error) => {
                    wrong.push(format!("{name}: only the reader refuses: {error}"));
                }
                (Err(_), _) => {}
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        accepted
    }
}

#[test]
fn the_schema_of_policies_says_what_their_reader_says() {
    let checkers = Checkers::ready();
    let mut documents = Documents::default();
    documents.add("full".to_owned(), |_| {});
    changed_everywhere(&mut documents);
    techniques(&mut documents);
    limits(&mut documents);
    recipients(&mut documents);
    emergencies(&mut documents);
    hours(&mut documents);
    identifying(&mut documents);
    let count = documents.0.len();
    let accepted = documents.check(&checkers);
    // Both answers are there often enough for the comparison to mean something.
    assert!(count > 3_000 && accepted > 100, "{accepted} of {count}");
}

#[test]
fn policies_that_are_in_use_are_accepted() {
    let mut documents = Documents::default();
    for text in [
        include_str!("../../../docs/policy/policy.toml"),
        exhibit_tests::stack::POLICY,
        exhibit_tests::bundle_builder::clinic::POLICY,
    ] {
        documents.add(text.to_owned(), |document| *document = toml::from_str(text).unwrap());
    }
    assert_eq!(documents.check(&Checkers::ready()), 3);
}

/// Every key is taken away, every table gets one that nobody knows, and every value becomes another.
fn changed_everywhere(documents: &mut Documents) {
    let mut found = Vec::new();
    places(&full(), &mut Vec::new(), &mut found);
    let others: [Value; 9] = [
        true.into(),
        3.into(),
        0.into(),
        Value::Integer(-1),
        1.5.into(),
        "".into(),
        "word".into(),
        Value::Array(Vec::new()),
        Value::Table(toml::Table::new()),
    ];
    for place in found {
        if let Some((Step::Key(key), outer)) = place.split_last() {
            documents.add(format!("{place:?} taken away"), |document| {
                at(document, outer).as_table_mut().unwrap().remove(key);
            });
        }
        if at(&mut full(), &place).is_table() {
            documents.add(format!("{place:?} with a stranger"), |document| {
                let table = at(document, &place).as_table_mut().unwrap();
                table.insert("stranger".to_owned(), Value::Float(0.5));
            });
        }
        for other in others.iter().filter(|_| !place.is_empty()) {
            documents.add(format!("{place:?} as {other}"), |document| {
                *at(document, &place) = other.clone();
            });
        }
    }
}

/// Every technique, and one that is none, with every set of parameters; of masks and of paths.
fn techniques(documents: &mut Documents) {
    let paths: Value =
        toml::from_str::<toml::Table>("p = [{ path = \"/a\", technique = \"year\" }]").unwrap()["p"].clone();
    let parameters: [(&str, Value); 7] = [
        ("keep", 4.into()),
        ("domain", "d".into()),
        ("days", 5.into()),
        ("person", "id".into()),
        ("alphabet", "digits".into()),
        ("paths", paths),
        ("rest", "redact".into()),
    ];
    let mask = [Step::Key("masks".to_owned()), Step::Element(3)];
    let path = [&mask[..], &[Step::Key("paths".to_owned()), Step::Element(0)]].concat();
    for technique in Technique::WORDS.into_iter().chain(["tokens"]) {
        for set in 0..1_u32 << parameters.len() {
            let given: Vec<_> = parameters
                .iter()
                .enumerate()
                .filter(|(place, _)| set & (1 << place) != 0)
                .map(|(_, one)| one)
                .collect();
            let names: Vec<&str> = given.iter().map(|(name, _)| *name).collect();
            for place in [&mask[..], &path] {
                documents.add(format!("{place:?} {technique} of {names:?}"), |document| {
                    let table = at(document, place).as_table_mut().unwrap();
                    for (name, _) in &parameters {
                        table.remove(*name);
                    }
                    table.extend(given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
                    table.insert("technique".to_owned(), technique.into());
                });
            }
        }
    }
}

/// Names of columns in other forms.
fn identifying(documents: &mut Documents) {
    let place = ["patients", "resources"].map(|key| Step::Key(key.to_owned()));
    let [list, resources] = place;
    let place = [list, Step::Element(0), resources, Step::Element(0)];
    for name in [
        "a.b",
        "a.b.c.d",
        "a.b.c.",
        ".b.c",
        "a.*.c",
        "a.b.c?",
        "a.b.c\n",
        "a.b c.d",
        "a.b.\u{85}",
        "\"a\".\"b\".\"c\"",
        "\"a\"\"\".b.c",
        "\"a\"\".b.c",
        "\"\".b.c",
        "\"\"\"\".b.c",
        "a\"b\".c.d",
        "\"a\"b.c.d",
        "\"a.b.c",
        "\"*\nx\".b.c",
    ] {
        documents.add(format!("the column {name}"), |document| {
            *at(document, &place) = name.into();
        });
    }
}

/// Hours in other forms, and groups of which each must be there.
fn hours(documents: &mut Documents) {
    let windows = [
        "00:00-00:00",
        "23:59-24:00",
        "24:00-23:00",
        "9:00-10:00",
        "09:60-10:00",
        "09:00-10:00\n",
        "+9:00-10:00",
        "Mon 09:00-10:00",
        "Sun-Mon 09:00-10:00",
        "mon 09:00-10:00",
        "Mon,Tue 09:00-10:00",
        "Mon-Tue-Wed 09:00-10:00",
        "Mon  09:00-10:00",
        "Mon",
    ];
    let zones = [
        "UTC",
        "Etc/GMT+5",
        "America/Argentina/Buenos_Aires",
        "+00:00",
        "-14:59",
        "+15:00",
        "01:00",
        "+1:00",
        "é01:00",
        "europe/vienna",
        "Europe/",
        "/Vienna",
        "Europe/Vienna\n",
        "Europe/Wien",
    ];
    for (list, texts) in [("windows", &windows[..]), ("zone", &zones)] {
        for (of, text) in ["approvals", "rules"]
            .into_iter()
            .flat_map(|of| texts.iter().map(move |text| (of, text)))
        {
            let mut place = vec![
                Step::Key(of.to_owned()),
                Step::Element(0),
                Step::Key("hours".to_owned()),
            ];
            place.push(Step::Key(list.to_owned()));
            place.extend((list == "windows").then_some(Step::Element(0)));
            documents.add(format!("{of}: {list} {text:?}"), |document| {
                *at(document, &place) = Value::String((*text).to_owned());
            });
        }
    }
    for zone in zones {
        documents.add(format!("reviews: zone {zone:?}"), |document| {
            document["reviews"][0]["zone"] = Value::String(zone.to_owned());
        });
    }
    for count in [0, 2, 16, 17] {
        let many = Value::Array(vec![Value::String("09:00-10:00".to_owned()); count]);
        documents.add(format!("{count} windows"), |document| {
            document["approvals"][0]["hours"]["windows"] = many;
        });
    }
    for names in [
        &["h", "g"][..],
        &["g", "g"],
        &["a", "b", "c", "d", "e", "f", "g", "h"],
        &["1", "2", "3", "4", "5", "6", "7", "8", "9"],
    ] {
        let names = names.iter().map(|name| Value::String((*name).to_owned())).collect();
        documents.add(format!("all of {names:?}"), |document| {
            document["approvals"][0]["all_groups"] = Value::Array(names);
        });
    }
}

/// Recipients in other forms, and too many or too few of them.
fn recipients(documents: &mut Documents) {
    let place = [Step::Key("sealed".to_owned()), Step::Key("recipients".to_owned())];
    let first: Vec<_> = place.iter().cloned().chain([Step::Element(0)]).collect();
    let right = at(&mut full(), &first).as_str().unwrap().to_owned();
    let forms = [
        &right[..61],
        &format!("{right}q"),
        &format!("{right}\n"),
        &right.to_uppercase(),
    ];
    for (number, form) in forms.into_iter().enumerate() {
        let form = Value::String(form.to_owned());
        documents.add(format!("form {number} of a recipient"), |document| {
            *at(document, &first) = form;
        });
    }
    for count in [0, 2, 17] {
        let many = Value::Array(vec![Value::String(right.clone()); count]);
        documents.add(format!("{count} recipients"), |document| *at(document, &place) = many);
    }
}

/// Minutes and days of emergencies at their limits and past them.
fn emergencies(documents: &mut Documents) {
    for (count, most) in [("minutes", 1_440), ("review_within_days", 366)] {
        for value in [0, 1, most, most + 1] {
            documents.add(format!("{count} = {value}"), |document| {
                document["approvals"][0]["emergency"][count] = Value::Integer(value);
            });
        }
    }
}

/// Values at their limits and past them, and effects with and without an approval.
fn limits(documents: &mut Documents) {
    let key = |name: &str| Step::Key(name.to_owned());
    let inside = |list: &str, element, name: &str| vec![key(list), Step::Element(element), key(name)];
    let mut set = |place: &[Step], values: &[Value]| {
        for value in values {
            let name = value.to_string().chars().take(20).collect::<String>();
            let size = value.to_string().len();
            documents.add(format!("{place:?} = {name} {size}"), |document| {
                *at(document, place) = value.clone();
            });
        }
    };
    let integers = |values: &[i64]| values.iter().map(|value| Value::Integer(*value)).collect::<Vec<_>>();
    let texts = |values: &[&str]| values.iter().map(|value| Value::from(*value)).collect::<Vec<_>>();
    set(&[key("version")], &integers(&[0, 1, 2]));
    set(&inside("masks", 0, "keep"), &integers(&[0, 1, 8, 9]));
    set(&inside("masks", 1, "days"), &integers(&[0, 1, 3_650, 3_651]));
    set(&inside("masks", 1, "domain"), &texts(&["", "a", "a\0b", "a\n"]));
    set(&inside("masks", 0, "probes_per_hour"), &integers(&[0, 1, 1_000, 1_001]));
    for limit in ["idle_s", "session_s"] {
        set(&[key("limits"), key(limit)], &integers(&[0, 1, 2_678_400, 2_678_401]));
    }
    let granted = |name: &str| [inside("approvals", 0, "grants"), vec![key(name)]].concat();
    set(&granted("minutes"), &integers(&[0, 1, 1_440, 1_441]));
    set(&granted("uses"), &integers(&[1, 2, 100_000, 100_001]));
    set(&granted("rows"), &integers(&[0, 1, i64::MAX]));
    for count in ["people", "expires_s", "hold_s"] {
        set(&inside("approvals", 0, count), &integers(&[0, 1, i64::MAX]));
    }
    let mut resource = inside("rules", 0, "resources");
    resource.push(Step::Element(0));
    set(&resource, &texts(&["", "a", &"a".repeat(1_024), &"a".repeat(1_025)]));
    let mut pointer = inside("masks", 3, "paths");
    pointer.extend([Step::Element(0), key("path")]);
    set(
        &pointer,
        &texts(&[
            "",
            "/",
            "a",
            "/a~0b~1",
            "/a~",
            "/a~2",
            "/a\n",
            &"/a".repeat(127),
            &"/a".repeat(128),
        ]),
    );
    for count in [0, 1, 256, 257] {
        documents.add(format!("{count} paths"), |document| {
            let paths = at(document, &inside("masks", 3, "paths")).as_array_mut().unwrap();
            let one = paths[0].clone();
            *paths = (0..count).map(|_| one.clone()).collect();
        });
    }
    // On masks of each kind of technique, with the keys that go with it and without.
    for (element, predicates) in
        (0..4).flat_map(|element| ["deny", "ask", "equality", "none", ""].map(|word| (element, word)))
    {
        for (approval, limit) in [(true, true), (true, false), (false, true), (false, false)] {
            documents.add(format!("mask {element} {predicates} {approval} {limit}"), |document| {
                let mask = at(document, &[key("masks"), Step::Element(element)])
                    .as_table_mut()
                    .unwrap();
                for name in ["predicates", "approval", "probes_per_hour"] {
                    mask.remove(name);
                }
                if !predicates.is_empty() {
                    mask.insert("predicates".to_owned(), predicates.into());
                }
                if approval {
                    mask.insert("approval".to_owned(), "a".into());
                }
                if limit {
                    mask.insert("probes_per_hour".to_owned(), 3.into());
                }
            });
        }
    }
    for effect in ["allow", "ask", "deny", "permit"] {
        for approval in [true, false] {
            documents.add(format!("{effect} with an approval: {approval}"), |document| {
                let rule = at(document, &[key("rules"), Step::Element(0)]).as_table_mut().unwrap();
                rule.insert("effect".to_owned(), effect.into());
                if !approval {
                    rule.remove("approval");
                }
            });
        }
    }
    for claims in [
        "",
        "groups = []",
        "groups = [\"g\"]",
        "run = {}",
        "run = { actor = \"a\" }",
        "groups = []\nmethod = \"m\"",
    ] {
        documents.add(format!("match {claims}"), |document| {
            *at(document, &[key("roles"), Step::Element(0), key("match")]) = toml::from_str(claims).unwrap();
        });
    }
}

/// The reader names all that it knows where it does not know something; that is what the schema has there.
#[test]
fn the_keys_of_the_schema_are_those_that_the_reader_knows() {
    let mut found = Vec::new();
    places(&full(), &mut Vec::new(), &mut found);
    let mut compared = BTreeSet::new();
    for place in found {
        let mut document = full();
        let Some(table) = at(&mut document, &place).as_table_mut() else {
            continue;
        };
        let used: BTreeSet<String> = table.keys().cloned().collect();
        table.insert("stranger".to_owned(), Value::Boolean(true));
        let part = part(&place);
        let Some(properties) = part["properties"].as_object() else {
            // Attributes of requests have names that no reader knows.
            assert!(
                matches!(place.last(), Some(Step::Key(key)) if key == "when"),
                "{place:?}"
            );
            continue;
        };
        let known: BTreeSet<String> = properties.keys().cloned().collect();
        assert!(used.is_subset(&known), "{place:?}");
        let error = parse(&document).unwrap_err().to_string();
        let list = error.split("expected ").nth(1).unwrap();
        let expected: BTreeSet<String> = list.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        assert_eq!(known, expected, "{place:?}");
        compared.extend(
            known
                .into_iter()
                .map(|key| (part["description"].to_string(), key, used.len())),
        );
    }
    assert!(compared.len() > 60, "{}", compared.len());
}

#[test]
fn the_words_of_the_schema_are_those_of_the_code() {
    let schema = schema();
    let items = |list: &str| schema["properties"][list]["items"]["properties"].clone();
    let words = |value: &Json| -> BTreeSet<String> { serde_json::from_value(value.clone()).unwrap() };
    let code = |words: &mut dyn Iterator<Item = &'static str>| words.map(str::to_owned).collect::<BTreeSet<_>>();
    let (rules, masks, nets) = (items("rules"), items("masks"), items("nets"));
    assert_eq!(
        words(&rules["actions"]["items"]["enum"]),
        code(&mut Action::ALL.iter().map(|one| one.as_str()))
    );
    assert_eq!(
        words(&rules["effect"]["enum"]),
        code(&mut Effect::ALL.iter().map(|one| one.as_str()))
    );
    assert_eq!(
        words(&masks["technique"]["enum"]),
        code(&mut Technique::WORDS.into_iter())
    );
    let mut of_paths = words(&masks["paths"]["items"]["properties"]["technique"]["enum"]);
    assert!(of_paths.insert("paths".to_owned()));
    assert_eq!(of_paths, code(&mut Technique::WORDS.into_iter()));
    assert_eq!(
        words(&masks["predicates"]["enum"]),
        code(&mut Predicates::WORDS.into_iter())
    );
    assert_eq!(masks["probes_per_hour"]["maximum"], json!(PROBES_PER_HOUR_MAX));
    assert_eq!(
        words(&masks["alphabet"]["enum"]),
        code(&mut Alphabet::ALL.iter().map(|one| one.as_str()))
    );
    assert_eq!(
        words(&nets["categories"]["items"]["enum"]),
        code(&mut Category::ALL.iter().map(|one| one.as_str()))
    );
    assert_eq!(
        words(&nets["floor"]["enum"]),
        code(&mut Confidence::ALL.iter().map(|one| one.as_str()))
    );
    // What the reader takes where something is left out.
    let limits = exhibit_policy::snapshot::Limits::default();
    let defaults = &schema["properties"]["limits"]["properties"];
    assert_eq!(defaults["idle_s"]["default"], json!(limits.idle_s));
    assert_eq!(defaults["session_s"]["default"], json!(limits.session_s));
}
