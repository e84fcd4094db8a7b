//! A request brought to the size that its event holds, before it is decided.

use exhibit_policy::decide::UNPROVEN;
use exhibit_policy::sealed::{COMMAND_BYTES_MAX, TOO_LONG};
use exhibit_schemas::cbor;
use exhibit_schemas::event::access::{Attribute, Facts};

use super::{DESCRIBED_BYTES_MAX, FACTS_BYTES_MAX, PARAMETERS_BYTES_MAX, Request, STATEMENT_BYTES_MAX};

/// Cuts what may be cut, and turns a request whose facts no event holds, or whose copy would be too long, into one that every
/// policy denies.
pub(super) fn fitted(request: Request, sealed: bool) -> Request {
    let Request {
        statement,
        exact,
        facts,
        parameters,
        statement_fingerprint,
        described,
        reach,
        says_all,
        by_name,
        names_are_data,
    } = request;
    let described = described.filter(|types| cbor::encode(types).len() <= DESCRIBED_BYTES_MAX);
    let statement = cut(statement);
    let facts_fit = cbor::encode(&facts).len() <= FACTS_BYTES_MAX;
    let parameters_fit = cbor::encode(&parameters).len() <= PARAMETERS_BYTES_MAX;
    let copy_fits = !sealed || exact.len() <= COMMAND_BYTES_MAX;
    if facts_fit && parameters_fit && copy_fits {
        return Request {
            statement,
            exact,
            facts,
            parameters,
            statement_fingerprint,
            described,
            reach,
            says_all,
            by_name,
            names_are_data,
        };
    }
    let cause = if copy_fits {
        format!(
            "it does too much to be recorded: {} accesses, {} attributes, {} parameters",
            facts.accesses.len(),
            facts.attributes.len(),
            parameters.len(),
        )
    } else {
        TOO_LONG.to_owned()
    };
    Request {
        statement,
        exact,
        facts: Facts {
            accesses: Vec::new(),
            attributes: [(UNPROVEN.to_owned(), Attribute::Text(cause))].into(),
            columns: None,
        },
        parameters: Vec::new(),
        statement_fingerprint,
        described,
        reach,
        says_all,
        by_name,
        names_are_data,
    }
}

/// Cuts a statement at a character and says how many bytes are missing.
fn cut(mut statement: String) -> String {
    if statement.len() > STATEMENT_BYTES_MAX {
        let place = statement.floor_char_boundary(STATEMENT_BYTES_MAX);
        let missing = statement.len() - place;
        statement.truncate(place);
        statement = format!("{statement} … [{missing} bytes more; the digest covers them]");
    }
    statement
}

#[cfg(test)]
mod tests {
    use super::{STATEMENT_BYTES_MAX, cut};

    #[test]
    fn a_long_statement_is_cut_at_a_character_and_says_what_is_missing() {
        let whole = "é".repeat(STATEMENT_BYTES_MAX / 2);
        assert_eq!(cut(whole.clone()), whole);
        let one_more = cut(format!("x{whole}"));
        assert!(one_more.ends_with(" … [2 bytes more; the digest covers them]"));
        assert!(one_more.len() < STATEMENT_BYTES_MAX + 64);
    }
}
