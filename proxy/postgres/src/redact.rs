//! The text of a statement without its values, as it may be recorded and read.
//!
//! The statement goes through PostgreSQL's own scanner. Each literal becomes a typed placeholder, comments go, and a
//! quoted identifier stays only if it is a plain lower-case word or a name that the catalog knows:
//!
//! | in the statement | in the evidence |
//! | --- | --- |
//! | `'…'`, `E'…'`, `N'…'`, `U&'…'`, `$$…$$` | `<string>` |
//! | `B'…'`, `X'…'` | `<bits>` |
//! | `1`, `1.5e3`, `0xff` | `<number>` |
//! | `$1` | `$1` (a parameter's place holds no value) |
//! | `"…"`, `U&"…"`, and words with many digits, that nobody knows | `"?"` |
//! | `--…`, `/*…*/` | nothing |
//!
//! Words without quotes stay as they are, and so does the space between tokens, cut down to one blank. `<` and `>` around
//! a placeholder cannot be read as a value.
//!
//! Not here: digests of the exact bytes (the gate makes them), and bind parameters (they are not in the text).

use pg_query::protobuf::Token;

use crate::analysis::AnalysisError;
use crate::catalog::Catalog;

/// Bytes of a statement at the most; its placeholders and one event must fit into the ledger's limit of 65,535 bytes.
pub const STATEMENT_BYTES_MAX: usize = 1_024 * 1_024;

/// Bytes of a redacted statement at the most, so that its event stays below the ledger's limit of 65,535 bytes with
/// room for facts and decision.
pub const REDACTED_BYTES_MAX: usize = 32 * 1_024;

/// Bytes of an identifier that PostgreSQL keeps (`NAMEDATALEN` - 1); a longer one is no name that anything bears.
const NAME_BYTES_MAX: usize = 63;

/// Digits in a word without quotes at the most, unless the catalog knows it; aliases that tools make have fewer.
const WORD_DIGITS_MAX: usize = 4;

/// Takes the values out of a statement.
///
/// # Errors
/// [`AnalysisError`] when the scanner refuses it, or it is too long.
pub fn redact(sql: &str, catalog: &Catalog) -> Result<String, AnalysisError> {
    if sql.len() > STATEMENT_BYTES_MAX {
        return Err(AnalysisError::TooLong {
            bytes: sql.len(),
            limit: STATEMENT_BYTES_MAX,
        });
    }
    // Not `scan_tokens`: without any token it makes a slice of a null pointer, which ends the process in debug builds.
    let tokens = pg_query::scan(sql).map_err(|_| AnalysisError::Syntax)?.tokens;
    let mut redacted = String::new();
    let mut end_before = 0;
    for token in tokens {
        let start = usize::try_from(token.start).map_err(|_| AnalysisError::Syntax)?;
        let end = usize::try_from(token.end).map_err(|_| AnalysisError::Syntax)?;
        let text = sql.get(start..end).ok_or(AnalysisError::Syntax)?;
        let shown = show(token.token, text, catalog)?;
        let Some(shown) = shown else { continue };
        if start > end_before && !redacted.is_empty() {
            redacted.push(' ');
        }
        redacted.push_str(&shown);
        end_before = end;
        if redacted.len() > REDACTED_BYTES_MAX {
            return Err(AnalysisError::TooLong {
                bytes: redacted.len(),
                limit: REDACTED_BYTES_MAX,
            });
        }
    }
    Ok(redacted)
}

/// What of a token may be seen; `None` for a comment. A token of an unknown kind is refused.
fn show(kind: i32, text: &str, catalog: &Catalog) -> Result<Option<String>, AnalysisError> {
    let kind = Token::try_from(kind).map_err(|_| AnalysisError::Syntax)?;
    Ok(Some(match kind {
        Token::SqlComment | Token::CComment => return Ok(None),
        Token::Sconst | Token::Usconst => "<string>".to_owned(),
        Token::Bconst | Token::Xconst => "<bits>".to_owned(),
        Token::Iconst | Token::Fconst => "<number>".to_owned(),
        Token::Ident | Token::Uident => identifier(text, catalog),
        _ => text.to_owned(),
    }))
}

/// An identifier as it may be seen.
fn identifier(text: &str, catalog: &Catalog) -> String {
    let hidden = || "\"?\"".to_owned();
    let Some(quoted) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        // `U&"…"` can write any character by its number; it is never needed for a name that is a plain word. A word
        // with many digits may be a number that somebody wrote as a name.
        let digits = text.chars().filter(char::is_ascii_digit).count();
        let name = text.to_ascii_lowercase();
        let plain = !text.contains(['"', '&']) && (digits <= WORD_DIGITS_MAX || catalog.knows_name(&name));
        return if plain { text.to_owned() } else { hidden() };
    };
    let name = quoted.replace("\"\"", "\"");
    let word = name.len() <= NAME_BYTES_MAX
        && name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_');
    if word || catalog.knows_name(&name) {
        text.to_owned()
    } else {
        hidden()
    }
}

#[cfg(test)]
mod tests;
