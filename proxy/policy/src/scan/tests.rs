//! Columns as data: what is proposed for each, and for which none is.

use proptest::prelude::*;

use super::{Because, ColumnScan, Kind};
use crate::detect::Category;
use crate::mask::Technique;
use crate::snapshot::Snapshot;

fn scan(name: &str, kind: Kind, values: &[&str]) -> ColumnScan {
    let mut scan = ColumnScan::new(&format!("public.patients.{name}"), name, kind);
    for value in values {
        scan.value(value);
    }
    scan
}

#[test]
fn a_column_is_proposed_by_its_name_its_values_or_its_type() {
    let token = |domain: &str| Technique::Token {
        domain: domain.to_owned(),
    };
    let check = |name: &str, kind: Kind, values: &[&str], wanted: Option<(Category, Technique, Because)>| {
        let proposal = scan(name, kind, values).proposal();
        let found = proposal.map(|one| (one.category, one.technique, one.because));
        assert_eq!(found, wanted, "{name} {kind:?} {values:?}");
    };
    check(
        "ssn",
        Kind::Text,
        &[],
        Some((Category::Ssn, token("ssn"), Because::Name)),
    );
    check(
        "last_name",
        Kind::Text,
        &["x"],
        Some((Category::Name, Technique::Redact, Because::Name)),
    );
    check(
        "mrn",
        Kind::Bare,
        &["7"],
        Some((Category::Mrn, Technique::Null, Because::Name)),
    );
    check(
        "birth_date",
        Kind::Date,
        &[],
        Some((Category::Date, Technique::Year, Because::Name)),
    );
    check(
        "updated",
        Kind::Date,
        &[],
        Some((Category::Date, Technique::Year, Because::Type)),
    );
    let values = Because::Values { found: 2, of: 3 };
    check(
        "contact",
        Kind::Text,
        &["ann@example.org", "bob@example.org", "none"],
        Some((Category::Email, Technique::Redact, values)),
    );
    let text = Because::Text { found: 1, of: 2 };
    let note = "Seen today; call back at 415-555-0132 about the results of the blood test.";
    check(
        "body",
        Kind::Text,
        &[note, "stable"],
        Some((Category::Phone, Technique::Detect, text.clone())),
    );
    check(
        "contact",
        Kind::Json,
        &[r#"{"a": "415-555-0132", "b": 1}"#, "{}"],
        Some((Category::Phone, Technique::Detect, text.clone())),
    );
    check(
        "tags",
        Kind::Other,
        &["{415-555-0132,a,b,c,d,e,f,g}", "{}"],
        Some((Category::Phone, Technique::Null, text)),
    );
    check(
        "diagnosis",
        Kind::Text,
        &["I10", "essential hypertension", "E11.9"],
        None,
    );
    check("status", Kind::Text, &["open", "closed", ""], None);
    check("patient_id", Kind::Bare, &["7"], None);
    check("cost", Kind::Bare, &["123456789"], None);
}

#[test]
fn what_is_rare_in_a_column_is_not_what_the_column_is() {
    let mut rare = ColumnScan::new("a.b.remark", "remark", Kind::Text);
    for _ in 0..99 {
        rare.value("nothing to say");
    }
    rare.value("ann@example.org");
    let proposal = rare.proposal().expect("one in a hundred is enough for detectors");
    assert_eq!(proposal.technique, Technique::Detect);
    rare.value("nothing to say");
    assert_eq!(rare.proposal(), None);
}

proptest! {
    #[test]
    fn a_section_is_one_mask_of_a_policy_whatever_its_names(column in "[a-z\"'\\\\ \u{e9}.#=\n]{1,20}", target in "[a-z][a-z0-9_-]{0,10}") {
        let scan = ColumnScan::new(&format!("public.t.{column}"), "ssn", Kind::Text);
        let section = scan.proposal().expect("the name says so").section(&target);
        let policy = format!(
            "version = 1\n[[roles]]\nname = \"r\"\nmatch = {{ method = \"api-key\" }}\n[[targets]]\nname = \"{target}\"\n\
             protocol = \"postgres\"\n{section}\n"
        );
        let snapshot = Snapshot::parse(policy.as_bytes()).expect("it parses");
        let masked = snapshot.mask(&target, &format!("public.t.{column}")).expect("it is masked");
        prop_assert_eq!(&masked.technique, &Technique::Token { domain: "ssn".to_owned() });
    }
}
