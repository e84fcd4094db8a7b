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
//! Where that is still too long to record, lists whose items repeat are folded (`redact/fold.rs`), which loses nothing.
//!
//! Hidden names are alike, so a statement with one has no fingerprint by which others could pass ([`exhibit_policy::grant`]).
//!
//! Words without quotes stay as they are, and so does the space between tokens, cut down to one blank. `<` and `>` around
//! a placeholder cannot be read as a value.
//!
//! Not here: digests of the exact bytes (the gate makes them), and bind parameters (they are not in the text).

mod fingerprint;
mod fold;

use std::borrow::Cow;

use exhibit_policy::grant::HIDDEN_NAME;
use pg_query::protobuf::Token;

pub(crate) use self::fingerprint::fingerprint;
use self::fold::{Piece, fold};

use crate::analysis::AnalysisError;
use crate::catalog::Catalog;
use crate::encoding::is_guessed;

/// Bytes of a statement at the most. Its parts are what costs memory, and they have a limit of their own.
pub const STATEMENT_BYTES_MAX: usize = 64 << 20;

/// Tokens of a statement at the most: a row of `VALUES` for each of the 65,535 parameters that there may be, some times over.
/// The tree of so many takes some hundred megabytes.
pub const TOKENS_MAX: usize = 500_000;

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
    if tokens.len() > TOKENS_MAX {
        return Err(AnalysisError::TooManyTokens { tokens: tokens.len() });
    }
    let mut pieces: Vec<Piece<'_>> = Vec::with_capacity(tokens.len());
    let mut end_before = 0;
    for token in tokens {
        let start = usize::try_from(token.start).map_err(|_| AnalysisError::Syntax)?;
        let end = usize::try_from(token.end).map_err(|_| AnalysisError::Syntax)?;
        let text = sql.get(start..end).ok_or(AnalysisError::Syntax)?;
        let Some(text) = show(token.token, text, catalog)? else {
            continue;
        };
        let apart = start > end_before && !pieces.is_empty();
        pieces.push(Piece { text, apart });
        end_before = end;
    }
    if bytes(&pieces) > REDACTED_BYTES_MAX {
        pieces = fold(&pieces);
    }
    let bytes = bytes(&pieces);
    if bytes > REDACTED_BYTES_MAX {
        return Err(AnalysisError::TooLongRedacted { bytes });
    }
    let mut redacted = String::with_capacity(bytes);
    for piece in pieces {
        redacted.extend(piece.apart.then_some(' '));
        redacted.push_str(&piece.text);
    }
    Ok(redacted)
}

fn bytes(pieces: &[Piece<'_>]) -> usize {
    pieces
        .iter()
        .map(|piece| piece.text.len() + usize::from(piece.apart))
        .sum()
}

/// What of a token may be seen; `None` for a comment. A token of an unknown kind is refused.
fn show<'a>(kind: i32, text: &'a str, catalog: &Catalog) -> Result<Option<Cow<'a, str>>, AnalysisError> {
    let kind = Token::try_from(kind).map_err(|_| AnalysisError::Syntax)?;
    Ok(Some(match kind {
        Token::SqlComment | Token::CComment => return Ok(None),
        Token::Sconst | Token::Usconst => "<string>".into(),
        Token::Bconst | Token::Xconst => "<bits>".into(),
        Token::Iconst | Token::Fconst => "<number>".into(),
        Token::Ident | Token::Uident if is_guessed(text) => return Err(AnalysisError::Letters),
        Token::Ident | Token::Uident => identifier(text, catalog),
        _ => text.into(),
    }))
}

/// An identifier as it may be seen.
fn identifier<'a>(text: &'a str, catalog: &Catalog) -> Cow<'a, str> {
    let hidden = || HIDDEN_NAME.into();
    let Some(quoted) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        // `U&"…"` can write any character by its number; it is never needed for a name that is a plain word. A word
        // with many digits may be a number that somebody wrote as a name.
        let digits = text.chars().filter(char::is_ascii_digit).count();
        let name = text.to_ascii_lowercase();
        let plain = !text.contains(['"', '&']) && (digits <= WORD_DIGITS_MAX || catalog.knows_name(&name));
        return if plain { text.into() } else { hidden() };
    };
    let name = quoted.replace("\"\"", "\"");
    let word = name.len() <= NAME_BYTES_MAX
        && name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_');
    if word || catalog.knows_name(&name) {
        text.into()
    } else {
        hidden()
    }
}

#[cfg(test)]
mod tests;
