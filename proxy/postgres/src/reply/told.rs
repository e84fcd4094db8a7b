//! What an agent is told of an error where masks are.
//!
//! An error's text can carry a value of a row: what was wrong with it, or a name that was made of it. Told is the primary text of an error
//! that is found before any row is read, or that names nothing but what the statement or the catalog names.
//!
//! | withheld | because |
//! | --- | --- |
//! | texts of classes that tell of data (21 to 23, 40, P0, XX, ...) | they quote values |
//! | every text with a context, an inner statement or a place in one | a function, a trigger or a rule raised it, under whatever code it likes |
//! | texts about names without a place in the agent's statement | a value was looked up as a name while it ran (`ssn::regclass`, `current_setting(name)`) |

use crate::message::encode::Report;

/// Classes of errors about statements, connections, the server and its limits.
const ABOUT_STATEMENTS: [&str; 10] = ["42", "3D", "3F", "0A", "25", "26", "34", "53", "57", "08"];

/// Codes of those classes that the server also raises while a statement runs, with a text that is a value in it: a name that is not there,
/// that there is already, that is ambiguous or no name, and syntax of what is not the statement. With a place in the statement they were
/// found when it was read.
const ABOUT_NAMES: [&str; 14] = [
    "42601", "42602", "42622", "42703", "42704", "42710", "42725", "42883", "42P01", "42P02", "3D000", "3F000",
    "34000", "26000",
];

/// Fields that say where in code of the database an error arose: context, inner statement, place in that.
const INNER: [u8; 3] = [b'W', b'q', b'p'];

const WITHHELD: &str = "the statement failed; the text is withheld because masks hold for this target";

/// The report that the agent gets of the fields of an error.
pub(super) fn told(fields: &[(u8, String)]) -> Report {
    let field = |wanted: u8| fields.iter().find(|(code, _)| *code == wanted).map(|(_, text)| text);
    let code = field(b'C').map_or("XX000", String::as_str);
    let position = field(b'P').and_then(|position| position.parse().ok());
    let statement = ABOUT_STATEMENTS.contains(&code.get(..2).unwrap_or_default());
    let inner = INNER.iter().any(|inner| field(*inner).is_some());
    let looked_up = position.is_none() && ABOUT_NAMES.contains(&code);
    let (text, position) = match field(b'M') {
        Some(text) if statement && !inner && !looked_up => (text.as_str(), position),
        // A place may be one within a value.
        _ => (WITHHELD, None),
    };
    let severity = match field(b'V').or(field(b'S')).map(String::as_str) {
        Some("FATAL" | "PANIC") => "FATAL",
        _ => "ERROR",
    };
    Report {
        severity,
        position,
        ..Report::error(code, text)
    }
}

#[cfg(test)]
mod tests {
    use super::{ABOUT_NAMES, WITHHELD, told};

    fn text(fields: &[(u8, &str)]) -> String {
        let fields: Vec<_> = fields.iter().map(|(code, text)| (*code, (*text).to_owned())).collect();
        told(&fields).text
    }

    #[test]
    fn errors_about_the_statement_are_told() {
        for (code, place) in [
            ("42P01", Some("15")),
            ("42703", Some("8")),
            ("42501", None),
            ("42P07", None),
            ("25P02", None),
            ("57014", None),
            ("53300", None),
        ] {
            let mut fields = vec![(b'S', "ERROR"), (b'C', code), (b'M', "it is said")];
            fields.extend(place.map(|place| (b'P', place)));
            assert_eq!(text(&fields), "it is said", "{code}");
        }
    }

    #[test]
    fn what_may_quote_a_value_is_withheld() {
        for code in ["23505", "22P02", "P0001", "XX000", "40001", "", "4"] {
            assert_eq!(
                text(&[(b'C', code), (b'M', "912-84-7731"), (b'P', "1")]),
                WITHHELD,
                "{code}"
            );
        }
        for code in ABOUT_NAMES {
            assert_eq!(text(&[(b'C', code), (b'M', "912-84-7731")]), WITHHELD, "{code}");
        }
        for inner in [b'W', b'q', b'p'] {
            for code in ["42501", "42P01", "57014", "0A000"] {
                let fields = [
                    (b'C', code),
                    (b'M', "912-84-7731"),
                    (b'P', "1"),
                    (inner, "PL/pgSQL function told()"),
                ];
                assert_eq!(text(&fields), WITHHELD, "{code}");
            }
        }
        let fields = [(b'C', "22P02"), (b'M', "912-84-7731"), (b'P', "7")].map(|(code, text)| (code, text.to_owned()));
        assert_eq!(told(&fields).position, None, "it may be a place within a value");
        assert_eq!(text(&[(b'M', "912-84-7731")]), WITHHELD);
    }
}
