//! Tests of the redaction.

use exhibit_policy::grant::HIDDEN_NAME;
use proptest::prelude::*;

use super::{REDACTED_BYTES_MAX, STATEMENT_BYTES_MAX, TOKENS_MAX, redact};
use crate::analysis::AnalysisError;
use crate::catalog::sample;

#[test]
fn puts_typed_placeholders_where_values_stood() {
    let catalog = sample::catalog();
    let check = |sql: &str, wanted: &str| assert_eq!(redact(sql, &catalog).as_deref(), Ok(wanted), "{sql}");
    check("SELECT 1", "SELECT <number>");
    check("SELECT  1.5e3 , 0xff,1_000", "SELECT <number> , <number>,<number>");
    check(
        "SELECT 'a', E'b\\'', N'c', U&'\\0061'",
        "SELECT <string>, <string>, N<string>, <string>",
    );
    check("SELECT $$a$$, $x$ $$ $x$", "SELECT <string>, <string>");
    check("SELECT B'01', X'ff'", "SELECT <bits>, <bits>");
    check("SELECT $1::text", "SELECT $1::text");
    check(
        "SELECT 1 -- jane\n, /* doe /* nested */ */ 2",
        "SELECT <number> , <number>",
    );
    check("SELECT \"id\" FROM \"Odd Name\"", "SELECT \"id\" FROM \"Odd Name\"");
    check("SELECT 1 AS \"Jane Doe\"", "SELECT <number> AS \"?\"");
    check("SELECT 1 AS U&\"\\0061\"", "SELECT <number> AS \"?\"");
    check("SELECT 1 AS p_123456789", "SELECT <number> AS \"?\"");
    check("SELECT 'a'\n'b'", "SELECT <string>");
    check("DO 'x'", "DO <string>");
    check(
        "COMMENT ON TABLE patients IS 'x'",
        "COMMENT ON TABLE patients IS <string>",
    );
    check("CREATE ROLE r PASSWORD 'x'", "CREATE ROLE r PASSWORD <string>");
    check("SET application_name = 'x'", "SET application_name = <string>");
    check("", "");
}

/// Grants by fingerprint, and what was seen, know such a text by [`HIDDEN_NAME`], and take it for nothing.
#[test]
fn which_hidden_name_stands_where_is_not_told_and_that_there_is_one_is() {
    let catalog = sample::catalog();
    let named = |one: &str, other: &str| {
        let sql = format!(
            "DELETE FROM claims USING patients {one}, patients {other} WHERE claims.patient_id = {one}.id AND {one}.id = 7"
        );
        redact(&sql, &catalog).unwrap()
    };
    for (one, other) in [("p11111", "p22222"), ("\"Jane\"", "\"Joan\""), ("U&\"j\"", "U&\"k\"")] {
        assert_eq!(named(one, other), named(other, one));
        assert!(named(one, other).contains(HIDDEN_NAME), "{one}");
        assert!(named("p", other).contains(HIDDEN_NAME), "{other}");
    }
    assert!(!named("p1", "\"p\"").contains(HIDDEN_NAME));
}

#[test]
fn refuses_what_the_scanner_refuses_and_what_is_too_long() {
    let catalog = sample::catalog();
    assert_eq!(redact("SELECT 'open", &catalog), Err(AnalysisError::Syntax));
    assert_eq!(redact("SELECT \0", &catalog), Err(AnalysisError::Syntax));
    let spaces = |bytes: usize| " ".repeat(bytes);
    assert_eq!(redact(&spaces(STATEMENT_BYTES_MAX), &catalog), Ok(String::new()));
    let limit = STATEMENT_BYTES_MAX;
    assert_eq!(
        redact(&spaces(limit + 1), &catalog),
        Err(AnalysisError::TooLong {
            bytes: limit + 1,
            limit
        })
    );
    let words = |bytes: usize| "a".repeat(bytes);
    assert!(redact(&words(REDACTED_BYTES_MAX), &catalog).is_ok());
    let bytes = REDACTED_BYTES_MAX + 1;
    assert_eq!(
        redact(&words(bytes), &catalog),
        Err(AnalysisError::TooLongRedacted { bytes })
    );
    assert!(redact(&",".repeat(TOKENS_MAX), &catalog).is_err_and(|error| error != many()));
    assert_eq!(redact(&",".repeat(TOKENS_MAX + 1), &catalog), Err(many()));
}

fn many() -> AnalysisError {
    AnalysisError::TooManyTokens { tokens: TOKENS_MAX + 1 }
}

#[test]
fn long_lists_are_folded_and_nothing_is_lost() {
    let catalog = sample::catalog();
    let check = |sql: &str, wanted: &str| {
        let redacted = redact(sql, &catalog).unwrap_or_else(|error| panic!("{error}: {wanted}"));
        assert_eq!(redacted, wanted);
    };
    let list = |count: usize, item: &dyn Fn(usize) -> String| (1..=count).map(item).collect::<Vec<_>>().join(", ");
    let rows = list(5_000, &|row| format!("({row}, 'x{row}')"));
    check(
        &format!("INSERT INTO t VALUES {rows} RETURNING id"),
        "INSERT INTO t VALUES (<number>, <string>), (<number>, <string>) /* 4997 more */, (<number>, <string>) RETURNING id",
    );
    let parameters = list(65_535, &|number| format!("${number}"));
    check(
        &format!("SELECT * FROM t WHERE id IN ({parameters})"),
        "SELECT * FROM t WHERE id IN ($1 /* 65534 more, up to $65535 */)",
    );
    let rows = list(9_000, &|row| format!("(${}::int, ${}::text)", 2 * row - 1, 2 * row));
    check(
        &format!("INSERT INTO t SELECT * FROM (VALUES {rows}) v(a, b)"),
        "INSERT INTO t SELECT * FROM (VALUES ($1::int, $2::text), ($3::int, $4::text) /* 8998 more, up to $18000 */) v(a, b)",
    );
    // Another item, or parameters in another order, begin anew; what stands within is folded, too.
    let numbers = list(9_000, &|_| "1".to_owned());
    check(
        &format!("SELECT 1 IN ({numbers}, a, {numbers}), ARRAY[{numbers}], $1, $2, $3, $5, $4, f(b)"),
        "SELECT <number> IN (<number> /* 8999 more */, a, <number> /* 8999 more */), ARRAY[<number> /* 8999 more */], $1, $2, $3, \
         $5, $4, f(b)",
    );
    // A comment of the statement is none of these, and what is short enough stays as it is.
    check(
        "SELECT 1 /* 9 more */, 1, 1, 1, 1",
        "SELECT <number> , <number>, <number>, <number>, <number>",
    );
    // Items that differ do not fold: the statement is refused, not cut.
    let names = list(9_000, &|number| format!("a{number}"));
    assert!(redact(&format!("SELECT {names}"), &catalog).is_err());
    // Brackets that no grammar takes, and lists that are deep.
    for sql in [
        "(".repeat(40_000),
        ")".repeat(40_000),
        "(1, ".repeat(40_000) + &")".repeat(40_000),
    ] {
        assert!(redact(&sql, &catalog).is_err());
    }
}

/// One literal in every form that the grammar has, with a canary in it.
fn literals(canary: &str, digits: &str) -> Vec<String> {
    vec![
        format!("'{canary}'"),
        format!("'it''s {canary}'"),
        format!("E'\\n{canary}\\''"),
        format!("N'{canary}'"),
        format!("U&'{canary}\\0041'"),
        format!("U&'{canary}!0041' UESCAPE '!'"),
        format!("$${canary}$$"),
        format!("$tag$ $$ {canary} $tag$"),
        format!("'x'\n  '{canary}'"),
        digits.to_owned(),
        format!("{digits}.{digits}"),
        format!("{digits}e3"),
        format!("/* {canary} */ 1"),
        format!("-- {canary}\n 1"),
        format!("\"{canary} X\""),
        format!("U&\"{canary}\""),
    ]
}

/// Statements with one place for an expression.
const PLACES: [&str; 8] = [
    "SELECT {} FROM patients",
    "INSERT INTO patients (name) VALUES ({})",
    "UPDATE patients SET name = {} WHERE ssn = {}",
    "CREATE TABLE x (a text DEFAULT {}, b text CHECK (b <> {}))",
    "SELECT * FROM patients WHERE name IN ({}, {}) ORDER BY {}",
    "SET application_name = {}",
    "CALL f({})",
    "COMMENT ON TABLE x IS {}",
];

proptest! {
    #[test]
    fn no_literal_survives(canary in "[A-Z]{12}", digits in "[1-9][0-9]{11}", place in 0..PLACES.len(), form in 0..16_usize) {
        let canary = format!("CANARY{canary}");
        let literal = &literals(&canary, &digits)[form];
        let sql = PLACES[place].replace("{}", literal);
        let redacted = redact(&sql, &sample::catalog()).expect("it can be scanned");
        prop_assert!(!redacted.contains(&canary) && !redacted.contains(&digits), "{}", redacted);
    }

    #[test]
    fn never_panics_and_never_repeats_the_text_in_an_error(sql in "\\PC{0,64}") {
        if let Err(error) = redact(&sql, &sample::catalog()) {
            prop_assert!(sql.len() < 4 || !error.to_string().contains(&sql));
        }
    }
}
