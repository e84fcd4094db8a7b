//! Resources and bundles of FHIR, and their bulk exports.

use super::{check, format, masks, net, policy, refused};
use exhibit_policy::snapshot::Snapshot;

const PATIENT: &str = "\"paths\"\nrest = \"keep\"\npaths = [{ path = \"/name\", technique = \"redact\" }, \
                       { path = \"/birthDate\", technique = \"year\" }]";

const OBSERVATION: &str =
    "\"paths\"\nrest = \"keep\"\npaths = [{ path = \"/subject/display\", technique = \"redact\" }]";

const DIV: &str = "<div xmlns=\\\"http://www.w3.org/1999/xhtml\\\">[redacted]</div>";

fn fhir(word: &str) -> Snapshot {
    policy(
        &format(word),
        &masks(&[
            ("d.Patient", PATIENT),
            ("d.Observation", OBSERVATION),
            ("d.Parameters", OBSERVATION),
        ]),
    )
}

#[test]
fn the_type_of_a_resource_says_its_mask_wherever_it_stands() {
    let policy = fhir("fhir");
    // Its type may come last.
    check(
        &policy,
        "{\"name\":[{\"family\":\"Duran\"}],\"birthDate\":\"1970-02-03\",\"resourceType\":\"Patient\"}",
        "{\"name\":[{\"family\":\"[redacted]\"}],\"birthDate\":\"1970-01-01\",\"resourceType\":\"Patient\"}",
    );
    // In a bundle, and contained in another resource.
    check(
        &policy,
        "{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"entry\":[{\"fullUrl\":\"urn:uuid:1\",\"resource\":{\"resourceType\":\"Patient\",\
         \"name\":[{\"text\":\"Ann Duran\"}]}},\n{\"resource\":{\"resourceType\":\"Observation\",\"name\":\"kept\",\"subject\":{\"display\":\
         \"Ann\"},\"contained\":[{\"resourceType\":\"Patient\",\"name\":[{\"text\":\"Ann\"}]}]}}]}",
        "{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"entry\":[{\"fullUrl\":\"[url]\",\"resource\":{\"resourceType\":\"Patient\",\
         \"name\":[{\"text\":\"[redacted]\"}]}},\n{\"resource\":{\"resourceType\":\"Observation\",\"name\":\"kept\",\"subject\":{\"display\":\
         \"[redacted]\"},\"contained\":[{\"resourceType\":\"Patient\",\"name\":[{\"text\":\"[redacted]\"}]}]}}]}",
    );
    // A bundle that says so late is one piece.
    check(
        &policy,
        "{\"entry\":[{\"resource\":{\"resourceType\":\"Patient\",\"name\":[{\"text\":\"Ann\"}]}}],\"resourceType\":\"Bundle\"}",
        "{\"entry\":[{\"resource\":{\"resourceType\":\"Patient\",\"name\":[{\"text\":\"[redacted]\"}]}}],\"resourceType\":\"Bundle\"}",
    );
    check(
        &policy,
        "{\"resourceType\":\"Parameters\",\"parameter\":[{\"part\":[{\"resource\":{\"resourceType\":\"Patient\",\"name\":\"Ann\"}}]}]}",
        "{\"resourceType\":\"Parameters\",\"parameter\":[{\"part\":[{\"resource\":{\"resourceType\":\"Patient\",\"name\":\"[redacted]\"}}]}]}",
    );
}

#[test]
fn bulk_exports_have_a_resource_to_a_line() {
    check(
        &fhir("fhir-ndjson"),
        "{\"resourceType\":\"Patient\",\"name\":\"Ann\"}\n{\"resourceType\":\"Observation\",\"name\":\"a\"}\n",
        "{\"resourceType\":\"Patient\",\"name\":\"[redacted]\"}\n{\"resourceType\":\"Observation\",\"name\":\"a\"}\n",
    );
}

#[test]
fn narratives_are_redacted_and_extensions_searched() {
    check(
        &fhir("fhir"),
        "{\"resourceType\":\"Observation\",\"text\":{\"status\":\"generated\",\"div\":\"<div>Ann Duran</div>\"},\
         \"extension\":[{\"url\":\"x\",\"valueString\":\"mail a@example.org\"}],\"note\":\"mail a@example.org\",\
         \"_note\":{\"extension\":[{\"valueString\":\"123-45-6789\"}]}}",
        &format!(
            "{{\"resourceType\":\"Observation\",\"text\":{{\"status\":\"generated\",\"div\":\"{DIV}\"}},\
             \"extension\":[{{\"url\":\"[url]\",\"valueString\":\"mail [email]\"}}],\"note\":\"mail a@example.org\",\
             \"_note\":{{\"extension\":[{{\"valueString\":\"[ssn]\"}}]}}}}"
        ),
    );
    let redacted = policy(&format("fhir"), &masks(&[("d.Observation", "\"redact\"")]));
    check(
        &redacted,
        "{\"text\":{\"div\":\"<div>Ann</div>\"},\"a\":\"b\",\"resourceType\":\"Observation\"}",
        &format!("{{\"text\":{{\"div\":\"{DIV}\"}},\"a\":\"[redacted]\",\"resourceType\":\"[redacted]\"}}"),
    );
}

#[test]
fn what_is_no_resource_or_has_no_mask_is_refused() {
    let policy = fhir("fhir");
    for (document, wanted) in [
        (&b"{\"a\":1}"[..], "no FHIR resource"),
        (b"[{\"resourceType\":\"Patient\"}]", "no FHIR resource"),
        (b"1", "no FHIR resource"),
        (b"{\"resourceType\":1}", "no FHIR resource"),
        (b"{\"resourceType\":\"\"}", "no FHIR resource"),
        (
            b"{\"resourceType\":\"Patient\",\"resourceType\":\"Observation\"}",
            "no FHIR resource",
        ),
        (
            b"{\"resourceType\":\"Bundle\",\"resourceType\":\"Bundle\"}",
            "no FHIR resource",
        ),
        // A type where none may be would hide what is below it.
        (
            b"{\"resourceType\":\"Patient\",\"name\":[{\"resourceType\":\"Observation\",\"family\":\"x\"}]}",
            "no FHIR resource",
        ),
        (
            b"{\"resourceType\":\"Patient\",\"contained\":{\"resourceType\":\"Observation\"}}",
            "no FHIR resource",
        ),
        (
            b"{\"resourceType\":\"Bundle\",\"name\":[{\"resourceType\":\"Observation\"}]}",
            "no FHIR resource",
        ),
        (
            b"{\"resourceType\":\"Coverage\"}",
            "no mask is for resources of its type",
        ),
        (
            b"{\"resourceType\":\"Bundle\",\"entry\":[{\"resource\":{\"resourceType\":\"Coverage\"}}]}",
            "no mask is for resources of its type",
        ),
        (b"{\"resourceType\":\"Bundle\",\"entry\":[", "ends inside"),
    ] {
        refused(&policy, document, wanted);
    }
    // Of what stands in a bundle itself, what may be somebody's is searched.
    check(
        &policy,
        "{\"resourceType\":\"Bundle\",\"identifier\":{\"value\":\"123-45-6789\"},\"link\":[{\"url\":\"https://a.example/Patient?name=Duran\"}],\"x\":[\"a@example.org\"]}",
        "{\"resourceType\":\"Bundle\",\"identifier\":{\"value\":\"[ssn]\"},\"link\":[{\"url\":\"[redacted]\"}],\"x\":[\"[email]\"]}",
    );
}

#[test]
fn a_net_passes_over_the_resources_that_it_names_and_no_others() {
    let paths = "\"paths\"\nrest = \"keep\"\npaths = [{ path = \"/name\", technique = \"redact\" }]";
    let list = masks(&[("d.Patient", paths), ("d.Device", paths)]);
    let except = net("\"ssn\"") + "except = [\"d.Device\"]\n";
    let policy = policy(&format("fhir-ndjson"), &(list + &except));
    check(
        &policy,
        "{\"resourceType\":\"Patient\",\"name\":\"x\",\"a\":\"123-45-6789\",\"contained\":[{\"resourceType\":\"Device\",\"a\":\"123-45-6789\"}],\"b\":\"123-45-6789\"}\n\
         {\"resourceType\":\"Device\",\"a\":\"123-45-6789\"}\n",
        "{\"resourceType\":\"Patient\",\"name\":\"[redacted]\",\"a\":\"[ssn]\",\"contained\":[{\"resourceType\":\"Device\",\"a\":\"123-45-6789\"}],\"b\":\"[ssn]\"}\n\
         {\"resourceType\":\"Device\",\"a\":\"123-45-6789\"}\n",
    );
}
