//! How the input is cut changes nothing, and nothing makes a reader panic.

use exhibit_policy::document::Format;
use proptest::prelude::*;

use super::{format, in_pieces, masked, masker, masks, net, policy};

/// A document of each format that has everything in it, and masks for it.
pub(crate) fn sample(format: Format) -> (&'static [u8], Vec<(&'static str, &'static str)>) {
    let paths = "\"paths\"\nrest = \"detect\"\npaths = [{ path = \"/name\", technique = \"redact\" }, { path = \"/a/1\", technique = \"token\" }]";
    match format {
        Format::Csv => (b"ssn,b,c\r\n\"1\"\"2\",,\"x\r\ny\"\r\n3,\xc3\xa9,a@example.org\n", vec![("d.ssn", "\"token\"")]),
        Format::Tsv => (b"ssn\tb\n1\t\"2,\"\n3\t4", vec![("d.ssn", "\"redact\"")]),
        Format::Json => (
            b"\xef\xbb\xbf{\"name\" : {\"x\":\"\\u00e9\\\\\"} ,\"a\":[1, \"a@example.org\",[ ]],\"b\":-1.5e3,\"c\":\"]\\\"}\"}\n",
            vec![("d", paths)],
        ),
        Format::Ndjson => (b"{\"name\":\"x\"}\r\n\n[1,\"123-45-6789\"]\n\"a\"", vec![("d", paths)]),
        Format::Fhir => (
            b"{ \"resourceType\" : \"Bundle\", \"entry\" : [ {\"resource\":{\"name\":\"x\",\"resourceType\":\"Patient\"}} ,\n{\"resource\":\
              {\"resourceType\":\"Patient\",\"text\":{\"div\":\"<div/>\"}}}]}",
            vec![("d.Patient", paths)],
        ),
        Format::FhirNdjson => (b"{\"resourceType\":\"Patient\",\"name\":\"x\"}\n", vec![("d.Patient", paths)]),
        Format::Hl7 => (b"MSH|^~\\&|A\r\nPID|||1~2||D\\T\\u^\xc3\xa9\r\nNTE|1||123-45-6789\r\n", vec![("d.PID-5", "\"partial\"\nkeep = 1")]),
        Format::Text => (b"Ann, 123-45-6789\r\n\xc3\xa9 a@example.org", vec![("d", "\"detect\"")]),
    }
}

fn of(word: Format) -> (exhibit_policy::snapshot::Snapshot, &'static [u8]) {
    let (document, list) = sample(word);
    let policy = policy(&format(word.as_str()), &(masks(&list) + &net("\"ssn\", \"email\"")));
    (policy, document)
}

#[test]
fn two_pieces_give_what_one_gives_wherever_it_is_cut() {
    for format in Format::ALL {
        let (policy, document) = of(format);
        let whole = masked(&policy, document).unwrap_or_else(|error| panic!("{error}: {format:?}"));
        assert_ne!(whole, document, "{format:?} has something to mask");
        for cut in 0..=document.len() {
            let (first, second) = document.split_at(cut);
            let found = in_pieces(&policy, [first, second]).unwrap();
            assert!(found == whole, "{format:?} cut at {cut}");
        }
    }
}

#[test]
fn after_an_error_nothing_comes_out() {
    let policy = policy(&format("csv"), &masks(&[("d.a", "\"redact\"")]));
    let (mut masker, mut net) = masker(&policy);
    let opening = "a,b\n".to_owned() + &"1,2\n".repeat(80);
    assert!(!masker.push(opening.as_bytes(), &mut net).unwrap().is_empty());
    let counts = |masker: &exhibit_documents::Masker| (masker.records(), masker.masked().into_values().sum::<u64>());
    assert_eq!(counts(&masker), (81, 80), "a header is a record");
    // Long enough that some of it would have been given.
    let wrong = "1,2\n".repeat(50_000) + "1,2,3\n";
    let first = masker.push(wrong.as_bytes(), &mut net).unwrap_err();
    assert_eq!(counts(&masker), (81, 80), "what was kept back is not counted");
    assert_eq!(masker.push(b"1,2\n", &mut net).unwrap_err(), first);
    assert_eq!(masker.finish(&mut net).unwrap_err(), first);
    assert_eq!(
        first.to_string(),
        "record 50082: it has 3 cells where the table has 2 columns"
    );
}

#[test]
fn values_and_records_are_counted() {
    let policy = policy(&format("csv"), &masks(&[("d.a", "\"redact\""), ("d.b", "\"null\"")]));
    let (mut masker, mut net) = masker(&policy);
    masker.push(b"a,b,c\n1,2,3\n4,,6\n", &mut net).unwrap();
    masker.finish(&mut net).unwrap();
    let counts: Vec<_> = masker.masked().into_iter().collect();
    assert_eq!(counts, [("m-d.a".to_owned(), 2), ("m-d.b".to_owned(), 1)]);
    assert_eq!(masker.records(), 3);
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_and_no_bytes_make_a_reader_panic(
        format in 0..Format::ALL.len(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        times in 1..4_usize,
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let format = Format::ALL[format];
        let (policy, document) = of(format);
        let mut document = document.repeat(if format.is_table() || format == Format::Text { times } else { 1 });
        for (place, byte) in changes {
            let place = place.index(document.len());
            document[place] = byte;
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(document.len() + 1)).collect();
        cuts.extend([0, document.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &document[pair[0]..pair[1]]).collect();
        let whole = masked(&policy, &document);
        let cut = in_pieces(&policy, pieces);
        prop_assert_eq!(whole.is_ok(), cut.is_ok());
        prop_assert_eq!(whole.ok(), cut.ok());
    }
}
