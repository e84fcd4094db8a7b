//! Planted values in every format and packing: none comes out, and the same search finds them all where there is no mask.

use exhibit_policy::document::Format;

use super::packed::{gzip, unpacked, zstd};
use super::{format, in_pieces, masker, masks, policy};

/// Records of a document.
const RECORDS: usize = 500;

/// A pseudo-random number from a seed (Knuth's MMIX).
fn next(seed: &mut u64) -> u64 {
    *seed = seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}

/// A value that occurs nowhere else, of letters that no other part of a document has.
fn canary(seed: &mut u64) -> String {
    (0..12)
        .map(|_| char::from(b"QXZWKVJ"[usize::try_from(next(seed) % 7).unwrap()]))
        .collect()
}

/// A document with the canaries in the places that are masked, in every way that its format writes them.
fn document(format: Format, canaries: &[String]) -> String {
    let mut records = Vec::new();
    for (number, canary) in canaries.iter().enumerate() {
        let escaped: String = canary.chars().map(|one| format!("\\u{:04x}", u32::from(one))).collect();
        let hex: String = canary.bytes().map(|byte| format!("{byte:02X}")).collect();
        let written = if number % 3 == 0 { &escaped } else { canary };
        records.push(match format {
            Format::Csv if number % 2 == 0 => format!("{number},\"{canary}\",\"a\nb\"\n"),
            Format::Csv => format!("{number},{canary},x\r\n"),
            Format::Tsv => format!("{number}\t{canary}\tx\n"),
            Format::Json | Format::Ndjson => format!("{{\"n\":{number},\"secret\":[{{\"x\":\"a {written}\"}}],\"y\":\"\"}}"),
            Format::Fhir | Format::FhirNdjson => format!(
                "{{\"resourceType\":\"Patient\",\"id\":\"{number}\",\"secret\":\"{written}\",\"text\":{{\"div\":\"<div>{canary}</div>\"}},\
                 \"contained\":[{{\"resourceType\":\"Person\",\"secret\":\"{written}\"}}]}}"
            ),
            Format::Hl7 => format!("MSH|^~\\&|A\rPID|1||{number}||{canary}^b~\\X{hex}\\\rNTE|1||x\r"),
            Format::Text => format!("{number} {canary}\n"),
        });
    }
    match format {
        Format::Csv => "n,secret,z\n".to_owned() + &records.concat(),
        Format::Tsv => "n\tsecret\tz\n".to_owned() + &records.concat(),
        Format::Json => format!("[{}]", records.join(",\n")),
        Format::Fhir => {
            let entries = records.iter().map(|record| format!("{{\"resource\":{record}}}"));
            format!(
                "{{\"resourceType\":\"Bundle\",\"entry\":[{}]}}",
                entries.collect::<Vec<_>>().join(",")
            )
        }
        Format::Ndjson | Format::FhirNdjson => records.join("\n") + "\n",
        Format::Hl7 | Format::Text => records.concat(),
    }
}

fn resources(format: Format) -> &'static [&'static str] {
    match format {
        Format::Csv | Format::Tsv => &["d.secret"],
        Format::Json | Format::Ndjson | Format::Text => &["d"],
        Format::Fhir | Format::FhirNdjson => &["d.Patient", "d.Person"],
        Format::Hl7 => &["d.PID-5"],
    }
}

/// How often a canary stands in a text: as it is, in escapes of JSON, in the hexadecimal digits of HL7's.
fn found(text: &[u8], canaries: &[String]) -> usize {
    let text = String::from_utf8_lossy(text).to_lowercase();
    let forms = canaries.iter().filter(|canary| {
        let escaped: String = canary.chars().map(|one| format!("\\u{:04x}", u32::from(one))).collect();
        let hex: String = canary.bytes().map(|byte| format!("{byte:02x}")).collect();
        [canary.to_lowercase(), escaped, hex]
            .iter()
            .any(|form| text.contains(form.as_str()))
    });
    forms.count()
}

#[test]
fn no_planted_value_comes_out_of_any_format_however_it_is_packed_or_cut() {
    let mut seed = 20_261_129;
    for word in Format::ALL {
        let canaries: Vec<String> = (0..RECORDS).map(|_| canary(&mut seed)).collect();
        let document = document(word, &canaries);
        for technique in ["\"redact\"", "\"null\"", "\"token\"", "\"year\""] {
            let technique = match word {
                Format::Json | Format::Fhir | Format::FhirNdjson | Format::Ndjson => {
                    let path = if word == Format::Json { "/*/secret" } else { "/secret" };
                    let technique = technique.to_owned();
                    format!("\"paths\"\nrest = \"keep\"\npaths = [{{ path = \"{path}\", technique = {technique} }}]")
                }
                _ => technique.to_owned(),
            };
            let list: Vec<_> = resources(word)
                .iter()
                .map(|resource| (*resource, technique.as_str()))
                .collect();
            let policy = policy(&format(word.as_str()), &masks(&list));
            for packed in [
                document.clone().into_bytes(),
                gzip(document.as_bytes()),
                zstd(document.as_bytes()),
            ] {
                let size = usize::try_from(next(&mut seed) % 900 + 1).unwrap();
                let out = in_pieces(&policy, packed.chunks(size)).unwrap_or_else(|error| panic!("{error}: {word:?}"));
                let out = if packed == document.as_bytes() {
                    out
                } else {
                    unpacked(&out)
                };
                assert_eq!(found(&out, &canaries), 0, "{word:?} by {technique}");
                assert!(out.len() >= RECORDS, "something comes out");
            }
        }
        // The control: without masks the search finds every one of them.
        let bare = policy(&(format(word.as_str()) + "\nphi = false"), "");
        let out = in_pieces(&bare, [document.as_bytes()]).unwrap();
        let visible = if matches!(word, Format::Fhir | Format::FhirNdjson) {
            assert!(out != document.as_bytes(), "narratives are redacted all the same");
            out
        } else {
            assert!(out == document.as_bytes(), "{word:?} without masks is as it was");
            out
        };
        assert_eq!(found(&visible, &canaries), RECORDS, "{word:?}");
    }
}

/// Whether any three letters in a row of the canary stands in a text, as letters or as the numbers of a list of bytes.
fn shows(text: &str, canary: &str) -> bool {
    let letters: Vec<char> = canary.chars().collect();
    letters.windows(3).any(|part| {
        let part: String = part.iter().collect();
        let numbers = format!("{:?}", part.as_bytes());
        text.contains(&part) || text.contains(numbers.trim_matches(['[', ']']))
    })
}

#[test]
fn what_is_debugged_of_a_masker_holds_nothing_of_its_document() {
    let canary = "QXZWKVJQQXWZ";
    for (word, documents) in [
        (
            Format::Csv,
            [
                format!("{canary},secret\n"),
                format!("n,secret\n1,\"{canary}\"\"x\"\n2,{canary}"),
            ],
        ),
        (
            Format::Tsv,
            [
                canary.to_owned(),
                format!("n\tsecret\n1\t\"{canary}\"\"x\"\n\"{canary}\"\""),
            ],
        ),
        (Format::Text, [format!("{canary}\n"), format!("a\n{canary}\n{canary}")]),
        (
            Format::Json,
            [
                format!("{{\"{canary}\":[\"{canary}"),
                format!("[\"{canary}\",{{\"{canary}\":\"{canary}"),
            ],
        ),
    ] {
        let list: Vec<_> = resources(word)
            .iter()
            .map(|resource| (*resource, "\"redact\""))
            .collect();
        let policy = policy(&format(word.as_str()), &(masks(&list) + &super::net("\"ssn\"")));
        for document in documents {
            // Short, its first bytes wait to be told; long, its last record does. A mask may end it, and that is no matter.
            for document in [document.clone(), document.clone() + &canary.repeat(20)] {
                let (mut masker, mut net) = masker(&policy);
                for piece in document.as_bytes().chunks(3) {
                    drop(masker.push(piece, &mut net));
                    assert!(!shows(&format!("{masker:?} {masker:#?}"), canary), "{masker:?}");
                }
            }
        }
    }
    let mut marks = exhibit_documents::Marks::default();
    for piece in canary.as_bytes().chunks(3) {
        marks.push(piece).unwrap();
        assert!(!shows(&format!("{marks:?}"), canary), "{marks:?}");
    }
    assert!(shows(&format!("{:?}", canary.as_bytes()), canary) && shows(canary, canary));
}
