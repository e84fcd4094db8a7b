//! Names of resources that are data, such as keys of objects, as evidence may show them.
//!
//! A key is chosen by whoever stores an object, and may hold what the object is about (`intake/123-45-6789.csv`). In the place of each
//! identifier that detectors are sure of stands its category and the beginning of a keyed digest, so that the same one shows as the
//! same:
//!
//! ```text
//! intake/123-45-6789.csv      intake/[ssn:5f1c09aa21b3]
//! ```
//!
//! Only findings of [`FLOOR`] and above are replaced, and no dates: a name is as much the word of a schema as a column's is, and the day of an
//! export (`exports/2026/01/31/`) is what rules go by. It is a net and no proof.
//!
//! Not here: what is decided by a name; the gate decides by both and lets nothing pass where the two differ.

use exhibit_schemas::digest::Digest;

use crate::detect::{Category, Confidence, Detectors, Hints, Wanted};

/// How sure a detector has to be.
pub const FLOOR: Confidence = Confidence::Strong;

/// Hexadecimal digits of a digest that are shown: enough that two identifiers of one target do not meet.
const DIGEST_DIGITS: usize = 12;

/// The name as evidence may show it; `keyed` digests what is replaced.
pub fn readable(name: &str, keyed: impl Fn(&str) -> Digest) -> String {
    let others = Category::ALL.into_iter().filter(|category| *category != Category::Date);
    let wanted = others.fold(Wanted::default(), |wanted, category| wanted.with(category, FLOOR));
    let findings = Detectors::shared().find_wanted(name, &Hints::none(), &wanted);
    let mut shown = String::with_capacity(name.len());
    let mut place = 0;
    for finding in findings {
        let found = name.get(finding.span.clone()).unwrap_or_default();
        let digest = keyed(found).to_string();
        shown.push_str(name.get(place..finding.span.start).unwrap_or_default());
        shown.push('[');
        shown.push_str(finding.category.as_str());
        shown.push(':');
        shown.push_str(digest.get(..DIGEST_DIGITS).unwrap_or(&digest));
        shown.push(']');
        place = finding.span.end;
    }
    shown.push_str(name.get(place..).unwrap_or_default());
    shown
}

#[cfg(test)]
mod tests {
    use exhibit_schemas::digest::Digest;
    use proptest::prelude::*;

    use super::readable;

    fn shown(name: &str) -> String {
        readable(name, |found| Digest::of(found.as_bytes()))
    }

    #[test]
    fn an_identifier_gives_way_to_its_category_and_a_digest() {
        let one = shown("intake/ssn-123-45-6789.csv");
        assert!(one.starts_with("intake/") && one.contains("[ssn:"), "{one}");
        assert!(!one.contains("6789"), "{one}");
        assert_eq!(one, shown("intake/ssn-123-45-6789.csv"));
        assert_ne!(one, shown("intake/ssn-123-45-6780.csv"));
        let mail = shown("letters/ann.miller@clinic.example/1.txt");
        assert!(!mail.contains("miller"), "{mail}");
    }

    #[test]
    fn words_dates_and_numbers_of_a_name_stay() {
        for name in [
            "exports/2026/01/31/part-00001.csv.gz",
            "raw/claims_2026-01-31.ndjson",
            "a/b/c",
            "terraform/state/42",
            "",
        ] {
            assert_eq!(shown(name), name);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_name_without_findings_is_itself(name in "[a-z]{1,6}(/[a-z]{1,6}){0,4}") {
            prop_assert_eq!(shown(&name), name);
        }
    }
}
