//! The fingerprint of a statement: equal for statements that differ in values alone.
//!
//! It is that of `libpg_query`, which other tools for PostgreSQL know: 64 bits of XXH3 over the parse tree, without constants. But
//! constants are not the only values in a tree (a password in `CREATE ROLE`, a comment, the payload of `NOTIFY`), and nothing
//! that is not keyed may be made of a value. So every literal is emptied before the text is parsed for it, and names that nobody
//! knows are hidden as in the recorded statement. Of queries the fingerprint stays that of the exact text, unless a name was hidden.
//!
//! ```text
//! SELECT 'jane' || x, $1 FROM t LIMIT 5      what the agent sent
//! SELECT ''     || x, $1 FROM t LIMIT 1      what the fingerprint is made of
//! ```
//!
//! # Known limits
//! Hidden names are alike in it, so statements that differ in such a name alone, or in where each of several stands, have one. It is
//! for finding statements: nothing passes by it.
//!
//! A text that the grammar takes only with its own literals (`UESCAPE '!'`) has no fingerprint, nor has a very long one.

use exhibit_schemas::event::access::StatementFingerprint;
use pg_query::FingerprintOptions;
use pg_query::protobuf::Token;

use super::show;
use crate::catalog::Catalog;

/// Bytes of a statement that is parsed once more for its fingerprint, at the most: longer ones are data with a few words around.
const FINGERPRINTED_BYTES_MAX: usize = 256 << 10;

/// The fingerprint of a message of SQL that the scanner and the grammar take; `None` where it has none.
pub(crate) fn fingerprint(sql: &str, catalog: &Catalog) -> Option<StatementFingerprint> {
    if sql.len() > FINGERPRINTED_BYTES_MAX {
        return None;
    }
    let emptied = emptied(sql, catalog)?;
    let found = std::panic::catch_unwind(|| pg_query::fingerprint(&emptied, 0, FingerprintOptions::default()));
    Some(StatementFingerprint(found.ok()?.ok()?.value.to_be_bytes()))
}

/// The text with nothing in its literals.
fn emptied(sql: &str, catalog: &Catalog) -> Option<String> {
    let mut emptied = String::with_capacity(sql.len());
    for token in pg_query::scan(sql).ok()?.tokens {
        let (start, end) = (usize::try_from(token.start).ok()?, usize::try_from(token.end).ok()?);
        let text = sql.get(start..end)?;
        let text = match Token::try_from(token.token).ok()? {
            Token::Sconst | Token::Usconst => "''".into(),
            Token::Bconst | Token::Xconst => "B''".into(),
            // A length or a precision of zero would be refused.
            Token::Iconst => "1".into(),
            Token::Fconst => "1.0".into(),
            _ => match show(token.token, text, catalog).ok()? {
                Some(text) => text,
                None => continue,
            },
        };
        // A blank between all: the tree does not know of blanks.
        emptied.push_str(&text);
        emptied.push(' ');
    }
    Some(emptied)
}

#[cfg(test)]
mod tests {
    use super::{FINGERPRINTED_BYTES_MAX, fingerprint};
    use crate::catalog::sample;

    fn of(sql: &str) -> Option<String> {
        fingerprint(sql, &sample::catalog()).map(|found| found.to_string())
    }

    #[test]
    fn it_is_that_of_other_tools_for_queries_and_has_nothing_of_a_value() {
        for sql in [
            "SELECT 1",
            "SELECT name FROM patients WHERE id = 17 AND name LIKE 'Jane%' -- a note\n LIMIT 5",
            "INSERT INTO patients (id, name) VALUES (1, E'J\\'s'), (2, $$x$$)",
            "UPDATE patients SET name = U&'\\0061' WHERE id = ANY ($1)",
            "DELETE FROM patients WHERE id IN (1, 2.5, 0xff)",
            "SELECT 1; SELECT name FROM patients",
        ] {
            let exact = pg_query::fingerprint(sql, 0, pg_query::FingerprintOptions::default()).unwrap();
            assert_eq!(of(sql), Some(exact.hex), "{sql}");
        }
        for (one, other) in [
            (
                "SELECT id FROM patients WHERE name = 'a'",
                "select id  from patients where name = 'Jane Doe'",
            ),
            ("CREATE ROLE r PASSWORD 'secret'", "CREATE ROLE r PASSWORD ''"),
            (
                "COMMENT ON TABLE patients IS 'Jane Doe'",
                "COMMENT ON TABLE patients IS 'x'",
            ),
            ("NOTIFY c, '912-84-7731'", "NOTIFY c, 'x'"),
            ("DO 'BEGIN PERFORM 1; END'", "DO $$x$$"),
            ("SET application_name = 'Jane Doe'", "SET application_name = 'x'"),
            ("SELECT 1 AS \"Jane Doe\"", "SELECT 1 AS \"Joan Doe\""),
            // Known limit: which hidden name stands where.
            (
                "DELETE FROM patients USING patients p11111, patients p22222 WHERE p11111.id = 7",
                "DELETE FROM patients USING patients p11111, patients p22222 WHERE p22222.id = 7",
            ),
            ("DECLARE c CURSOR FOR SELECT 1", "DECLARE c CURSOR FOR SELECT 2"),
        ] {
            assert!(of(one).is_some(), "{one}");
            assert_eq!(of(one), of(other), "{one}");
        }
        for (one, other) in [
            ("SELECT id FROM patients", "SELECT name FROM patients"),
            (
                "SELECT id FROM patients WHERE id = 1",
                "SELECT id FROM patients WHERE id < 1",
            ),
            ("SELECT 1", "SELECT 1; SELECT 1"),
        ] {
            assert_ne!(of(one), of(other), "{one}");
        }
    }

    #[test]
    fn a_text_without_one_has_none() {
        let long = |blanks: usize| format!("SELECT 1{}", " ".repeat(blanks - "SELECT 1".len()));
        assert!(of(&long(FINGERPRINTED_BYTES_MAX)).is_some());
        assert_eq!(of(&long(FINGERPRINTED_BYTES_MAX + 1)), None);
        for sql in ["SELECT U&'d!0061' UESCAPE '!'", "SELECT 'open", "SELECT FROM WHERE"] {
            assert_eq!(of(sql), None, "{sql}");
        }
    }
}
