//! Values that stand where a reader could miss them, and what a document may cost.

use super::{check, format, masked, masker, masks, policy, refused};

const KEEP: &str = "\"paths\"\nrest = \"keep\"\npaths = [{ path = \"/name\", technique = \"redact\" }]";

fn fhir() -> exhibit_policy::snapshot::Snapshot {
    let types = ["d.Patient", "d.Observation", "d.Parameters", "d.Composition"];
    policy(&format("fhir"), &masks(&types.map(|name| (name, KEEP))))
}

#[test]
fn a_resource_that_does_not_say_its_type_is_refused() {
    let resource = "{\"id\":\"p\",\"x\":[{\"family\":\"Duran\"}]}";
    let list = "{\"resourceType\":[\"Patient\"],\"x\":\"Duran\"}";
    let empty = "{\"resourceType\":[],\"x\":\"Duran\"}";
    let null = "{\"resourceType\":null,\"x\":\"Duran\"}";
    let nested = "[{\"x\":\"Duran\"}]";
    for resource in [resource, list, empty, null, nested, "\"Duran\""] {
        for document in [
            format!("{{\"resourceType\":\"Observation\",\"contained\":[{resource}]}}"),
            format!("{{\"contained\":{resource},\"resourceType\":\"Observation\"}}"),
            format!("{{\"resourceType\":\"Bundle\",\"entry\":[{{\"resource\":{resource}}}]}}"),
            format!("{{\"entry\":[{{\"resource\":{resource}}}],\"resourceType\":\"Bundle\"}}"),
            format!("{{\"resourceType\":\"Bundle\",\"entry\":{{\"resource\":{resource}}}}}"),
            format!("{{\"resourceType\":\"Bundle\",\"entry\":[{{\"response\":{{\"outcome\":{resource}}}}}]}}"),
            format!("{{\"resourceType\":\"Parameters\",\"parameter\":[{{\"resource\":{resource}}}]}}"),
            format!("{{\"resourceType\":\"Parameters\",\"parameter\":[{{\"part\":[{{\"resource\":{resource}}}]}}]}}"),
            format!(
                "{{\"resourceType\":\"Bundle\",\"entry\":[{{\"resource\":{{\"resourceType\":\"Observation\",\"contained\":\
                 [{resource}]}}}}]}}"
            ),
        ] {
            refused(&fhir(), document.as_bytes(), "no FHIR resource");
        }
    }
    // A type that is no string is one nowhere.
    for document in [
        "{\"resourceType\":\"Observation\",\"x\":{\"resourceType\":[\"Patient\"]}}",
        "{\"resourceType\":\"Observation\",\"x\":{\"resourceType\":{\"a\":\"Patient\"}}}",
        "{\"resourceType\":[\"Observation\"]}",
    ] {
        refused(&fhir(), document.as_bytes(), "no FHIR resource");
    }
    // What is called so and holds no resource is no matter.
    let document =
        "{\"resourceType\":\"Observation\",\"x\":{\"contained\":[{\"y\":1}],\"resource\":\"z\"},\"contained\":[]}";
    check(&fhir(), document, document);
}

#[test]
fn narratives_are_redacted_wherever_they_stand() {
    const DIV: &str = "\"<div xmlns=\\\"http://www.w3.org/1999/xhtml\\\">[redacted]</div>\"";
    for (text, wanted) in [
        ("{\"div\":\"<div>Duran</div>\"}", format!("{{\"div\":{DIV}}}")),
        ("{\"div\":[\"Duran\",\"b\"]}", format!("{{\"div\":[{DIV},{DIV}]}}")),
        (
            "{\"div\":{\"x\":{\"y\":\"Duran\"}}}",
            format!("{{\"div\":{{\"x\":{{\"y\":{DIV}}}}}}}"),
        ),
        ("[{\"div\":\"Duran\"}]", format!("[{{\"div\":{DIV}}}]")),
        ("[[{\"div\":[[\"Duran\"]]}]]", format!("[[{{\"div\":[[{DIV}]]}}]]")),
    ] {
        for before in [
            "{\"resourceType\":\"Composition\",\"text\":",
            "{\"resourceType\":\"Composition\",\"section\":[{\"text\":",
            "{\"resourceType\":\"Composition\",\"section\":[{\"section\":[{\"section\":{\"text\":",
            "{\"resourceType\":\"Composition\",\"extension\":[{\"text\":",
        ] {
            let closing = before.chars().filter(|one| "{[".contains(*one));
            let after: String = closing
                .map(|one| if one == '{' { '}' } else { ']' })
                .collect::<Vec<_>>()
                .iter()
                .rev()
                .collect();
            check(
                &fhir(),
                &format!("{before}{text}{after}"),
                &format!("{before}{wanted}{after}"),
            );
        }
    }
    // A text that is no narrative, and a div of nothing else.
    let document = "{\"resourceType\":\"Observation\",\"text\":\"a\",\"div\":\"b\",\"code\":{\"text\":\"c\"}}";
    check(&fhir(), document, document);
}

#[test]
fn the_first_end_of_a_segment_is_that_of_all() {
    let policy = policy(&format("hl7"), &masks(&[("d.PID-5", "\"redact\"")]));
    let ends = ["\r", "\n", "\r\n"];
    for first in ends {
        let good = format!("MSH|^~\\&|A{first}{first}PID|||||Duran{first}NTE|1");
        check(&policy, &good, &good.replace("Duran", "[redacted]"));
        for other in ends.into_iter().filter(|other| *other != first) {
            // A field that holds the other end would go on in a segment that no mask names.
            let mixed = format!("MSH|^~\\&|A{first}PID|||||Du{other}ZZZ|ran{first}");
            refused(&policy, mixed.as_bytes(), "ends otherwise than the first");
            let last = format!("MSH|^~\\&|A{first}PID|||||Duran{other}");
            refused(&policy, last.as_bytes(), "ends otherwise than the first");
        }
    }
}

#[test]
fn what_goes_on_in_another_segment_or_message_is_refused() {
    let list = masks(&[("d.PID-5", "\"redact\"")]);
    for more in ["ADD|ran\r", "ADD\r", "DSC|abc|I\r"] {
        let document = format!("MSH|^~\\&|A\rPID|||||Du\r{more}");
        refused(
            &policy(&format("hl7"), &list),
            document.as_bytes(),
            "goes on in another",
        );
        // Where nothing has to be masked each segment is read by itself.
        check(&policy(&(format("hl7") + "\nphi = false"), ""), &document, &document);
    }
}

#[test]
fn a_document_that_no_mask_names_is_refused_where_it_holds_phi() {
    for (word, document, wrong, right) in [
        ("json", "{\"a\":1}", "d.a", "d"),
        ("ndjson", "{\"a\":1}\n", "d.a", "d"),
        ("text", "a\n", "d.a", "d"),
        ("hl7", "MSH|^~\\&|A\rPID|1\r", "d", "d.PID-5"),
        ("hl7", "MSH|^~\\&|A\rPID|1\r", "e.*", "d.PID*"),
        ("fhir", "{\"resourceType\":\"Bundle\"}", "d", "d.Patient"),
        ("fhir-ndjson", "{\"resourceType\":\"Bundle\"}\n", "e.Patient", "d.*"),
    ] {
        // A mask may name another document's places, as this one is for two.
        let with = |resource: &str| {
            let other = "[[documents]]\nname = \"e\"\ntargets = [\"lake\"]\nresources = [\"e\"]\nformat = \"csv\"\n";
            let any = "[[documents]]\nname = \"a\"\ntargets = [\"lake\"]\nresources = [\"a\"]\nformat = \"json\"\n";
            policy(
                &format(word),
                &format!("{other}{any}{}", masks(&[(resource, "\"null\"")])),
            )
        };
        refused(&with(wrong), document.as_bytes(), "no mask names");
        refused(&with(wrong), b"", "no mask names");
        let open = policy(&(format(word) + "\nphi = false"), "");
        assert!(masked(&open, document.as_bytes()).is_ok(), "{word}");
        assert!(masked(&with(right), document.as_bytes()).is_ok(), "{word}");
    }
}

#[test]
fn a_masker_says_nothing_of_what_it_holds() {
    const CANARY: &str = "QXZWKVJ";
    let numbers = format!("{:?}", CANARY.as_bytes());
    let numbers = numbers.trim_matches(['[', ']']);
    let filler = " ".repeat(400);
    for (word, mask, document) in [
        ("json", "d", format!("{filler}{{\"{CANARY}\":[1,{{\"a\":\"{CANARY}\",")),
        (
            "ndjson",
            "d",
            format!("1{filler}\n{{\"{CANARY}\":[1,{{\"a\":\"{CANARY}\","),
        ),
        (
            "hl7",
            "d.PID-5",
            format!("MSH|^~\\&|A\rNTE|{filler}\rPID|||||\\T\\{CANARY}\rPID|{CANARY}"),
        ),
        (
            "fhir",
            "d.*",
            format!(
                "{filler}{{\"resourceType\":\"Bundle\",\"entry\":[{{\"resource\":{{\"resourceType\":\"{CANARY}\"}}}},{{\"{CANARY}"
            ),
        ),
    ] {
        let policy = policy(&format(word), &masks(&[(mask, "\"redact\"")]));
        let (mut masker, mut net) = masker(&policy);
        masker.push(document.as_bytes(), &mut net).unwrap();
        let said = format!("{masker:?} {masker:#?}");
        assert!(!said.contains(CANARY), "{word}: {said}");
        assert!(!said.contains(numbers), "{word}: {said}");
        assert!(
            !format!("{masker:#?}")
                .replace([' ', '\n'], "")
                .contains(&numbers.replace(' ', "")),
            "{word}"
        );
    }
    let piece = exhibit_policy::mask::document::Piece {
        member: Some(CANARY),
        element: None,
        text: CANARY,
    };
    assert!(!format!("{piece:?}").contains(CANARY));
}

#[test]
fn names_have_a_limit() {
    let name = |bytes: usize| "n".repeat(bytes);
    let json = policy(&format("json"), &masks(&[("d", KEEP)]));
    let lines = policy(&format("ndjson"), &masks(&[("d", KEEP)]));
    for (policy, document) in [
        (&json, "{\"#\":1}"),
        (&json, "{\"a\":{\"#\" \n: 1}}"),
        (&json, "[{\"a\":[{\"\\\"\":2,\"#\":1}]}]"),
        (&lines, "{\"#\":\"x\"}\n"),
        (&fhir(), "{\"resourceType\":\"Observation\",\"x\":{\"#\":\"x\"}}"),
        (&fhir(), "{\"resourceType\":\"Bundle\",\"#\":{\"b\":\"x\"}}"),
    ] {
        let at = document.replace('#', &name(1_024));
        check(policy, &at, &at);
        refused(
            policy,
            document.replace('#', &name(1_025)).as_bytes(),
            "a name in it has more than 1024 bytes",
        );
    }
    // A value may be longer.
    let value = format!("{{\"a\":[\"{}\",{{\"b\":\"{}\"}}]}}", name(5_000), name(5_000));
    check(&lines, &value, &value);
}

#[test]
fn resources_of_a_piece_have_a_limit() {
    let bundle = |resources: usize| {
        let one = "{\"resource\":{\"resourceType\":\"Patient\",\"name\":\"Duran\"}}";
        // The bundle is a resource, too, and says so last: it is one piece.
        format!(
            "{{\"entry\":[{}],\"resourceType\":\"Bundle\"}}",
            vec![one; resources - 1].join(",")
        )
    };
    let found = masked(&fhir(), bundle(1_024).as_bytes()).unwrap();
    assert!(found == bundle(1_024).replace("Duran", "[redacted]").as_bytes());
    refused(&fhir(), bundle(1_025).as_bytes(), "it has more than 1024 resources");
    // Of a bundle that says first that it is one each entry is a piece.
    let first = bundle(1_025)
        .replacen('{', "{\"resourceType\":\"Bundle\",", 1)
        .replace(",\"resourceType\":\"Bundle\"}", "}");
    assert!(masked(&fhir(), first.as_bytes()).is_ok());
}

#[test]
fn values_of_a_record_have_a_limit() {
    const VALUES: usize = 1 << 18;
    let list = |values: usize| format!("[{}1]", "1,".repeat(values - 1));
    let json = policy(&format("json"), &masks(&[("d", KEEP)]));
    let lines = policy(&format("ndjson"), &masks(&[("d", KEEP)]));
    for (policy, before, after) in [(&json, "[", "]"), (&json, "{\"a\":[", "]}"), (&lines, "", "\n")] {
        assert!(masked(policy, format!("{before}{}{after}", list(VALUES)).as_bytes()).is_ok());
        let error = masked(policy, format!("{before}{}{after}", list(VALUES + 1)).as_bytes()).unwrap_err();
        assert!(error.to_string().contains("it has more than 262144 values"), "{error}");
    }
    // Elements of the outermost list are records of their own.
    assert!(masked(&json, list(VALUES + 1).as_bytes()).is_ok());
}

#[test]
fn what_a_bundle_holds_of_itself_is_searched() {
    let before = "{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"total\":1,\"timestamp\":\"2026-01-01T00:00:00Z\",\
        \"link\":[{\"relation\":\"self\",\"url\":\"Patient?name=Duran\"}],\"identifier\":{\"value\":\"123-45-6789\"},\
        \"type2\":{\"type\":\"123-45-6789\"},\"entry\":[{\"fullUrl\":\"urn:x:a\",\"search\":{\"mode\":\"match\",\"x\":\"123-45-6789\"},\
        \"request\":{\"method\":\"GET\",\"url\":\"Patient?name=Duran\",\"ifNoneExist\":\"name=Duran\",\"ifMatch\":\"123-45-6789\"},\
        \"response\":{\"status\":\"200 OK\",\"etag\":\"W/1\",\"lastModified\":\"2026-01-01T00:00:00Z\",\"location\":\"Patient/Duran?x\"}}]}";
    let wanted = before
        .replace("\"Patient?name=Duran\"", "\"[redacted]\"")
        .replace("\"name=Duran\"", "\"[redacted]\"")
        .replace("\"Patient/Duran?x\"", "\"[redacted]\"")
        .replace("123-45-6789", "[ssn]")
        .replace("urn:x:a", "[url]");
    let late = |text: &str| {
        text.replacen("\"resourceType\":\"Bundle\",", "", 1)
            .replacen('{', "{\"a\":1,\"resourceType\":\"Bundle\",", 1)
    };
    // A mask with a star is for a bundle, too, and lets nothing more pass.
    let star = policy(&format("fhir"), &masks(&[("d.*", KEEP)]));
    for policy in [&fhir(), &star] {
        check(policy, before, &wanted);
        check(policy, &late(before), &late(&wanted));
    }
}

#[test]
fn addresses_of_extensions_are_searched() {
    // What is called an address is one to detectors.
    check(
        &fhir(),
        "{\"resourceType\":\"Observation\",\"extension\":[{\"url\":\"mailto:a@example.org\",\"modifierExtension\":[{\"url\":\"123-45-6789\"}]}]}",
        "{\"resourceType\":\"Observation\",\"extension\":[{\"url\":\"[url]\",\"modifierExtension\":[{\"url\":\"[url]\"}]}]}",
    );
}
