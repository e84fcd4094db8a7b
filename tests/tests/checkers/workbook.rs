//! The files of whole packages against each other, by openpyxl and by the checkers of the formats: what a package holds is held to
//! them, and not lines that are made by hand alone.

use exhibit_tests::run;
use exhibit_verify::Period;

use crate::Checkers;
use crate::packages::{Exported, broken, november, whole, with_exceptions};

fn package(exported: &Exported, period: Period) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    exported.report(period, place.path());
    place
}

#[test]
fn the_files_of_a_package_say_the_same_and_hold_to_their_formats() {
    let checkers = Checkers::ready();
    for (exported, tables, said) in [
        (whole(), "30 tables", "events hold: 3002 6005"),
        (with_exceptions(), "30 tables", "events hold: 2003 2006 3002 6005"),
        (Exported::scoped(), "30 tables", "events hold: "),
        (broken(), "4 tables", "0 FHIR, 0 OCSF"),
    ] {
        let place = package(&exported, november());
        let answer = run(checkers.script("python/workbook.py").arg(place.path())).unwrap();
        assert!(answer.starts_with(tables) && answer.contains(said), "{answer}");
        assert!(answer.contains("NIST's schemas"), "{answer}");
    }
}

/// What begins like a formula, what spreadsheets decode, and what no cell holds stands in the tables that are compared.
#[test]
fn packages_hold_what_spreadsheets_take_for_more_than_text() {
    let place = package(&whole(), Period::ALWAYS);
    let table = |name: &str| std::fs::read_to_string(place.path().join("tables").join(name)).unwrap();
    let (commands, decisions) = (table("commands.csv"), table("approval-decisions.csv"));
    for begins in ["'=HYPERLINK", "'+1+cmd", "'-2+3", "'@SUM", "'\t_x003D_1"] {
        assert!(commands.contains(begins), "{begins}");
    }
    assert!(decisions.contains("'=long =long"));
    assert!(decisions.lines().any(|line| line.chars().count() > 32_767));
}

/// What people signed and what counts for nothing stands in a table, with why.
#[test]
fn what_counts_for_nothing_is_listed_with_the_reason() {
    let place = package(&with_exceptions(), november());
    let void = std::fs::read_to_string(place.path().join("tables/void-statements.csv")).unwrap();
    let lines: Vec<_> = void.lines().skip(1).collect();
    let kinds = lines.iter().map(|line| line.split(',').nth(2).unwrap());
    assert_eq!(kinds.collect::<Vec<_>>(), ["decision", "review"], "{void}");
    for (line, words) in lines.iter().zip([
        ",whatever; it was,it names no request that stands before it",
        ",'@nothing unusual,it is of other events",
    ]) {
        assert!(line.ends_with(words), "{line}");
    }
}

#[test]
fn every_mutant_of_a_package_is_refused() {
    let checkers = Checkers::ready();
    for (exported, mutants) in [(whole(), "27 of 27"), (Exported::scoped(), "4 of 4")] {
        let place = package(&exported, november());
        let said = run(checkers.script("python/test_workbook.py").arg(place.path())).unwrap();
        assert!(
            said.contains(&format!("{mutants} mutants refused for the right reason")),
            "{said}"
        );
    }
}
