//! Documents that keep their length.

use exhibit_policy::mask::Technique;
use proptest::prelude::*;

use super::{check, format, in_pieces, masked, masker, masks, net, policy};

fn kept(word: &str) -> String {
    format(word) + "\nkeep_length = true"
}

/// Every technique that a value can have.
const TECHNIQUES: &[&str] = &[
    "\"redact\"",
    "\"null\"",
    "\"partial\"\nkeep = 2",
    "\"token\"",
    "\"year\"",
    "\"date_shift\"",
    "\"ff1\"",
    "\"zip3\"",
    "\"age\"",
    "\"detect\"",
];

#[test]
fn a_form_of_another_length_gives_way_to_stars() {
    let all = masks(&[
        ("d.a", "\"redact\""),
        ("d.b", "\"partial\"\nkeep = 2"),
        ("d.c", "\"year\""),
        ("d.d", "\"null\""),
    ]);
    check(
        &policy(&kept("csv"), &(all + &net("\"email\""))),
        "a,b,c,d,e\nDuran,\"Du\"\"ran\",1970-02-03,\"x,y\",to a@example.org\n\u{e9}\u{e9},\u{e9}\u{e9}ab,1970,,\n",
        "a,b,c,d,e\n*****,\"**\"\"*an\",1970-01-01,\"***\",****************\n****,******,****,,\n",
    );
    let paths = "\"paths\"\nrest = \"redact\"\npaths = [{ path = \"/p\", technique = \"partial\", keep = 1 }]";
    check(
        &policy(&kept("json"), &masks(&[("d", paths)])),
        "{\"a\":\"Duran\",\"p\":\"ab\",\"b\":12345,\"c\":true,\"d\":false,\"e\":null,\"f\":\"\",\"g\":[\"\\u0041\"]}",
        "{\"a\":\"*****\",\"p\":\"*b\",\"b\":0    ,\"c\":null,\"d\":null ,\"e\":null,\"f\":\"\",\"g\":[\"******\"]}",
    );
    check(
        &policy(&(kept("text") + "\nphi = false"), &net("\"ssn\"")),
        "a 123-45-6789 b\n",
        "a *********** b\n",
    );
    check(
        &policy(&kept("hl7"), &masks(&[("d.PID-5", "\"token\"")])),
        "MSH|^~\\&|A\rPID|||||O\\T\\N^\"\"\r",
        "MSH|^~\\&|A\rPID|||||*****^\"\"\r",
    );
}

#[test]
fn what_is_packed_has_another_length_whatever_the_document_keeps() {
    let policy = policy(&kept("csv"), &masks(&[("d.a", "\"redact\"")]));
    let (mut own, mut net) = masker(&policy);
    assert!(own.preserves_length());
    own.push(&super::packed::gzip(b"a\n1\n"), &mut net).unwrap();
    assert!(!own.preserves_length());
    let (other, _) = masker(&super::policy(&format("csv"), ""));
    assert!(!other.preserves_length());
    assert_eq!(TECHNIQUES.len() + 1, Technique::WORDS.len(), "all but paths");
}

proptest! {
    #[test]
    fn every_technique_keeps_the_length_of_every_cell(cells in proptest::collection::vec("[a-z0-9\",é\n-]{0,12}", 10..40)) {
        let columns: Vec<String> = (0..TECHNIQUES.len()).map(|column| format!("d.c{column}")).collect();
        let all: Vec<(&str, &str)> = columns.iter().map(String::as_str).zip(TECHNIQUES.iter().copied()).collect();
        let policy = policy(&kept("csv"), &(masks(&all) + &net("\"ssn\", \"name\", \"date\", \"zip\"")));
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record((0..TECHNIQUES.len()).map(|column| format!("c{column}"))).unwrap();
        for row in cells.chunks_exact(TECHNIQUES.len()) {
            writer.write_record(row).unwrap();
        }
        let document = writer.into_inner().unwrap();
        let found = masked(&policy, &document).unwrap();
        prop_assert_eq!(found.len(), document.len());
        let rows = |bytes: &[u8]| csv::Reader::from_reader(bytes).records().map(|row| row.unwrap().len()).collect::<Vec<_>>();
        prop_assert_eq!(rows(&found), rows(&document));
        prop_assert_eq!(in_pieces(&policy, document.chunks(3)).unwrap(), found);
    }
}
