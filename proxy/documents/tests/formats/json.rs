//! JSON and NDJSON.

use exhibit_documents::RECORD_BYTES_MAX;
use exhibit_policy::mask::path::LEVELS_MAX;
use proptest::prelude::*;

use super::{check, format, in_pieces, masked, masks, net, policy, refused};

const PATHS: &str = "\"paths\"\nrest = \"keep\"\npaths = [{ path = \"/ssn\", technique = \"redact\" }, \
                     { path = \"/name/*/family\", technique = \"partial\", keep = 1 }, { path = \"/3\", technique = \"null\" }, \
                     { path = \"/all/1/x\", technique = \"redact\" }, { path = \"/*/deep\", technique = \"redact\" }]";

fn json() -> exhibit_policy::snapshot::Snapshot {
    policy(&format("json"), &masks(&[("d", PATHS)]))
}

#[test]
fn values_at_paths_are_masked_in_pieces_as_they_would_be_in_the_whole() {
    let policy = json();
    check(
        &policy,
        " {\"ssn\" : \"999\", \"name\":[{\"family\":\"Duran\"},{\"family\":\"Li\"}] ,\n\"n\":1}\n",
        " {\"ssn\" : \"[redacted]\", \"name\":[{\"family\":\"****n\"},{\"family\":\"*i\"}] ,\n\"n\":1}\n",
    );
    check(&policy, "[1,2, 3,4,[5]]", "[1,2, 3,null,[5]]");
    check(
        &policy,
        "{\"all\":[{\"x\":\"a\"},{\"x\":\"b\"},{\"x\":\"c\"}]}",
        "{\"all\":[{\"x\":\"a\"},{\"x\":\"[redacted]\"},{\"x\":\"c\"}]}",
    );
    check(
        &policy,
        "[{\"deep\":\"a\"},{\"deep\":{\"y\":\"\\u0061\"}}]",
        "[{\"deep\":\"[redacted]\"},{\"deep\":{\"y\":\"[redacted]\"}}]",
    );
    for document in [
        "{}",
        "[]",
        "\"a\\\"]\"",
        "12.5",
        "true",
        "{\"a\":{},\"b\":[ ]}",
        "[[],{}]",
        "",
        "{\"\":[\"\"]}",
    ] {
        check(&policy, document, document);
    }
    // A name in escapes is the same name.
    check(&policy, "{\"\\u0073sn\":\"x\"}", "{\"\\u0073sn\":\"[redacted]\"}");
}

#[test]
fn a_technique_alone_is_for_every_value() {
    let policy = policy(&format("ndjson"), &masks(&[("d", "\"redact\"")]));
    check(
        &policy,
        "{\"a\":[\"x\",1,true,null]}\r\n\n\"y\"",
        "{\"a\":[\"[redacted]\",0,null,null]}\r\n\n\"[redacted]\"",
    );
}

#[test]
fn the_rest_is_searched_with_the_names_of_members_beside_it() {
    let detect = masks(&[(
        "d",
        "\"paths\"\nrest = \"detect\"\npaths = [{ path = \"/ssn\", technique = \"token\", domain = \"d\" }]",
    )]);
    let policy = policy(&format("json"), &detect);
    let found = masked(
        &policy,
        b"{\"ssn\":\"999-12-3456\",\"lastName\":\"Qx\",\"note\":\"mail a@example.org\",\"list\":[{\"ssn\":\"9\"}]}",
    );
    let found = String::from_utf8(found.unwrap()).unwrap();
    assert!(found.starts_with("{\"ssn\":\"tok_"), "{found}");
    assert!(
        found.ends_with(",\"lastName\":\"[name]\",\"note\":\"mail [email]\",\"list\":[{\"ssn\":\"[ssn]\"}]}"),
        "{found}"
    );
}

#[test]
fn what_has_no_mask_goes_through_the_net_names_of_members_too() {
    for word in ["json", "ndjson"] {
        let policy = policy(&(format(word) + "\nphi = false"), &net("\"ssn\", \"email\""));
        check(
            &policy,
            "{\"a@example.org\":{\"b\":\"123-45-6789\"},\"a\":[\"a@example.org\",\"x\"]}",
            "{\"[email]\":{\"b\":\"[ssn]\"},\"a\":[\"[email]\",\"x\"]}",
        );
        check(
            &policy,
            "{\"a@example.org\":[{\"c@example.org\":\"123-45-6789\"},\"y\"]}",
            "{\"[email]\":[{\"[email]\":\"[ssn]\"},\"y\"]}",
        );
        check(&policy, "{\"a\":{\"a@example.org\":{}}}", "{\"a\":{\"[email]\":{}}}");
    }
}

#[test]
fn what_is_no_document_is_refused() {
    let policy = json();
    for document in [
        "{",
        "[",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "[1",
        "\"a",
        "{\"a\":1,}",
        "[1,]",
        "{\"a\" 1}",
        "{a:1}",
        "[1 2]",
        "nul",
        "01",
        "[01]",
        "{\"a\":[1}",
        "[1]]",
        "{}{}",
        "1 2",
        "{\"a\":1 \"b\":2}",
        "[,1]",
        "{,}",
        "[\"\\x\"]",
        "{\"\\x\":1}",
        "[1,,2]",
        "[\"a\nb\"]",
    ] {
        let error = masked(&policy, document.as_bytes()).unwrap_err().to_string();
        assert!(
            error.contains("no JSON") || error.contains("ends inside"),
            "{document}: {error}"
        );
        assert!(in_pieces(&policy, document.as_bytes().chunks(1)).is_err(), "{document}");
    }
    refused(&policy, b"[\"\xff\"]", "no UTF-8");
    refused(&policy, b"[\"\0\"]", "a zero byte");
    let lines = super::policy(&format("ndjson"), &masks(&[("d", PATHS)]));
    refused(&lines, b"{\"ssn\":\"1\"}\n{\"ssn\":\n", "record 2: it is no JSON");
    refused(&lines, b"{\"ssn\":\"1\"} {\"ssn\":\"1\"}\n", "record 1: it is no JSON");
}

#[test]
fn limits_hold_at_and_past_the_edge() {
    let policy = json();
    let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    assert!(masked(&policy, nested(LEVELS_MAX).as_bytes()).is_ok());
    refused(&policy, nested(LEVELS_MAX + 1).as_bytes(), "levels");
    let long = |bytes: usize| format!("[\"{}\"]", "a".repeat(bytes - 2));
    assert!(masked(&policy, long(RECORD_BYTES_MAX).as_bytes()).is_ok());
    let error = masked(&policy, long(RECORD_BYTES_MAX + 1).as_bytes()).unwrap_err();
    assert!(error.to_string().contains("it has more than"), "{error}");
    // Of a list of any length each element is a piece.
    let element = format!("\"{}\",", "a".repeat(1 << 20));
    let list = format!("[{}1]", element.repeat(10));
    let nulled = (1 << 20) + 2 - "null".len();
    assert_eq!(masked(&policy, list.as_bytes()).unwrap().len(), list.len() - nulled);
}

/// Any document of some depth.
fn document() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(|text| text.replace('\0', "").into()),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            proptest::collection::btree_map("[a-c]{0,2}", inner, 0..4)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn pieces_of_a_document_give_what_its_lines_would(document in document(), pretty: bool) {
        // NDJSON masks a document as a whole, JSON in pieces: both are the same walk over the same paths.
        let line = serde_json::to_string(&document).unwrap();
        let paths = masks(&[("d", "\"paths\"\nrest = \"keep\"\npaths = [{ path = \"/*/a\", technique = \"redact\" }, \
            { path = \"/b\", technique = \"null\" }, { path = \"/a/1\", technique = \"redact\" }, { path = \"/1/0\", technique = \"redact\" }]")]);
        let whole = masked(&policy(&format("ndjson"), &paths), line.as_bytes()).unwrap();
        let whole: serde_json::Value = serde_json::from_slice(&whole).unwrap();
        let text = if pretty { serde_json::to_string_pretty(&document).unwrap() } else { line };
        let pieces = in_pieces(&policy(&format("json"), &paths), text.as_bytes().chunks(7)).unwrap();
        let pieces: serde_json::Value = serde_json::from_slice(&pieces).unwrap();
        prop_assert_eq!(pieces, whole);
    }
}
