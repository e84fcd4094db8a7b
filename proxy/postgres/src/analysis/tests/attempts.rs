//! Ways around masks, each of which must be refused; and ordinary statements, each of which must pass.

use exhibit_policy::decide::UNPROVEN;

use super::run;

/// Statements that pass.
const PROVEN: &[&str] = &["SELECT * FROM patients", "SELECT 1"];

/// Statements that do not.
const ATTEMPTS: &[&str] = &["SELECT p FROM patients p", "SELECT upper(ssn) FROM patients"];

fn refused(sql: &str) -> bool {
    match run(sql, true) {
        Ok(analysis) => analysis.facts.attributes.contains_key(UNPROVEN),
        Err(_) => true,
    }
}

#[test]
fn refuses_every_way_around_the_masks() {
    let passed: Vec<&&str> = ATTEMPTS.iter().filter(|sql| !refused(sql)).collect();
    assert!(passed.is_empty(), "these pass: {passed:#?}");
}

#[test]
fn lets_ordinary_statements_through() {
    let stopped: Vec<_> = PROVEN
        .iter()
        .filter(|sql| refused(sql))
        .map(|sql| (sql, run(sql, true).map(|analysis| analysis.facts.attributes)))
        .collect();
    assert!(stopped.is_empty(), "these do not pass: {stopped:#?}");
}
