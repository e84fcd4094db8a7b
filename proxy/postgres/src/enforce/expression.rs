//! Masks as expressions of SQL: the same values that [`exhibit_policy::mask`] makes of a cell, made by the server.
//!
//! Only functions and operators of `pg_catalog` stand in them, and none that can fail on a value and name it in its error.
//! What has no expression for its type is NULL, as it is at the proxy.
//!
//! Constants that every expression needs are one row of `exhibit.constants`, which a subquery without any reference reads
//! once for a statement: the halves of the key, and the class of letters and digits. Rust's `char::is_alphanumeric` defines
//! that class here and at the proxy; the server's own classes depend on its locale.

use std::sync::LazyLock;

use exhibit_policy::mask::{REDACTED, TOKEN_BYTES, Technique};

use super::facts::Column;
use super::literal;
use super::plan::Shown;
use crate::types::{self, Type};

/// The table of the constants, in the schema.
pub(super) const CONSTANTS: &str = "constants";

/// The date up to which a date has a year that a timestamp has, too; the proxy gives NULL for years past 999999.
const YEARS: &str = "'0001-01-01' AND '294276-12-31'";

/// What stands in the place of a masked column, and what it shows.
pub(super) fn masked(column: &Column, technique: &Technique) -> (String, Shown) {
    let name = format!("r.{}", super::identifier(&column.name));
    let made = match types::of(column.base_oid) {
        Some(of) => value(of, column.base_oid, &name, technique),
        None => Err("the type has no expression"),
    };
    let typed = match made {
        Ok(typed) => typed,
        Err(why) => return (format!("NULL::{}", column.base), Shown::Null(why)),
    };
    // NULL stays NULL, whatever the technique.
    let typed = format!("CASE WHEN {name} IS NOT NULL THEN {typed} END");
    let typed = match &column.collation {
        Some(collation) => format!("({typed}) COLLATE {collation}"),
        None => typed,
    };
    (typed, Shown::Technique)
}

/// The masked form of a value that is not NULL, in its type without a length: a masked value may be longer than what it
/// stands for, as it may be at the proxy.
fn value(of: Type, oid: u32, name: &str, technique: &Technique) -> Result<String, &'static str> {
    let text = || text(oid, name);
    let made = match (technique, of) {
        (Technique::Null, _) => return Err("the technique"),
        (Technique::Detect, _) => return Err("detectors run in the proxy alone"),
        (_, Type::Array(element)) => {
            let one = value(element.of, element.oid, "e", technique)?;
            let some = format!("cardinality(array_remove({name}, NULL)) > 0");
            let list = match technique {
                // One, however many there are.
                Technique::Redact => format!(
                    "CASE WHEN {some} THEN ARRAY[{one}] ELSE ARRAY[]::{}[] END",
                    types::name(element.oid)
                ),
                _ => format!(
                    "CASE WHEN {some} THEN ARRAY(SELECT CASE WHEN e IS NOT NULL THEN {one} END \
                     FROM unnest({name}) WITH ORDINALITY u(e, n) ORDER BY n) END"
                ),
            };
            // Of no dimension, or of one from 1 on, as the proxy takes it.
            format!(
                "CASE WHEN cardinality({name}) = 0 OR array_ndims({name}) = 1 AND array_lower({name}, 1) = 1 \
                 THEN {list} END"
            )
        }
        (Technique::Redact, of) => redacted(of)?,
        (Technique::Partial { keep }, Type::Text | Type::Json | Type::Jsonb) => partial(&text(), *keep),
        (Technique::Partial { .. }, _) => return Err("only text has a part"),
        (Technique::Token { domain }, of) => token_of(of, name, &text(), domain)?,
        (Technique::Year, Type::Text) => year_of_text(&text()),
        (Technique::Year, Type::Date | Type::Timestamp { .. }) => year(of, name),
        (Technique::Year, _) => return Err("the type has no year"),
    };
    Ok(match of {
        Type::Json | Type::Jsonb => format!("to_{}(({made})::text)", types::name(oid)),
        Type::Text | Type::Integer(_) => format!("({made})::{}", types::name(oid)),
        // `NaN` and the infinities are no numbers that the proxy takes.
        Type::Numeric => format!("CASE WHEN {name}::text ~ '^-?[0-9]' THEN ({made})::numeric END"),
        _ => made,
    })
}

/// A fixed value of the type, as text where that is its form.
fn redacted(of: Type) -> Result<String, &'static str> {
    Ok(match of {
        Type::Text | Type::Json | Type::Jsonb => literal(REDACTED) + "::text",
        Type::Integer(_) | Type::Numeric => "0".to_owned(),
        Type::Uuid => "'00000000-0000-0000-0000-000000000000'::uuid".to_owned(),
        Type::Bytea => format!("'\\x{}'::bytea", hex::encode(REDACTED)),
        Type::Date | Type::Timestamp { .. } | Type::Array(_) => return Err("every date could be one"),
    })
}

/// The text of a value as the server sends it.
fn text(oid: u32, name: &str) -> String {
    let text = match oid {
        // The cast takes the blanks away that fill it up, and that a client is sent.
        1042 => format!("textin(bpcharout({name}))"),
        _ => format!("{name}::text"),
    };
    format!("({text} COLLATE \"C\")")
}

/// An expression over the constants, read once for a statement.
pub(super) fn constant(expression: &str) -> String {
    format!("(SELECT {expression} FROM {}.{CONSTANTS} c)", super::SCHEMA)
}

/// Stars for every letter and digit but the last `keep`; for all of them where fewer than twice `keep` there are.
fn partial(text: &str, keep: usize) -> String {
    let letter = constant("'[' || c.letters || ']'");
    let enough = constant(&format!(
        "'^(?:[^' || c.letters || ']*[' || c.letters || ']){{{}}}'",
        keep * 2
    ));
    let shown = constant(&format!(
        "'(?:[' || c.letters || '][^' || c.letters || ']*){{{keep}}}$'"
    ));
    format!(
        "CASE WHEN {text} ~ {enough} \
         THEN regexp_replace(regexp_replace({text}, {shown}, ''), {letter}, '*', 'g') || substring({text}, {shown}) \
         ELSE regexp_replace({text}, {letter}, '*', 'g') END"
    )
}

/// The token of a text.
pub(super) fn token(text: &str, domain: &str) -> String {
    let digest = digest(&format!("convert_to({text}, 'UTF8')"), domain);
    format!("'tok_' || encode(substring({digest}, 1, {TOKEN_BYTES}), 'hex')")
}

/// The token of a value of a type, as text where that is its form.
fn token_of(of: Type, name: &str, text: &str, domain: &str) -> Result<String, &'static str> {
    let of_text = |text: &str| digest(&format!("convert_to({text}, 'UTF8')"), domain);
    let number =
        |digest: &str, max: i64| format!("('x' || encode(substring({digest}, 1, 8), 'hex'))::bit(64)::bigint & {max}");
    Ok(match of {
        Type::Text | Type::Json | Type::Jsonb => token(text, domain),
        Type::Integer(max) => number(&of_text(text), max),
        Type::Numeric => {
            let text = format!("(trim_scale({name})::text COLLATE \"C\")");
            number(&of_text(&text), i64::MAX)
        }
        Type::Uuid => {
            let token = format!("substring({}, 1, {TOKEN_BYTES})", of_text(text));
            // Version 8 and the variant of RFC 9562: bits of a byte are counted from the lowest.
            let bits = [(55, 1), (54, 0), (53, 0), (52, 0), (71, 1), (70, 0)];
            let set = bits
                .iter()
                .fold(token, |token, (place, bit)| format!("set_bit({token}, {place}, {bit})"));
            format!("encode({set}, 'hex')::uuid")
        }
        Type::Bytea => format!("substring({}, 1, {TOKEN_BYTES})", digest(name, domain)),
        Type::Date | Type::Timestamp { .. } | Type::Array(_) => return Err("a date keeps nothing but its year"),
    })
}

/// HMAC-SHA-256 over domain, zero byte and bytes, by its definition (RFC 2104, 2).
fn digest(bytes: &str, domain: &str) -> String {
    let head = hex::encode([domain.as_bytes(), &[0]].concat());
    let inner = constant(&format!("c.inner_pad || '\\x{head}'::bytea"));
    let outer = constant("c.outer_pad");
    format!("sha256({outer} || sha256({inner} || {bytes}))")
}

/// The first day of the year of a date; NULL where the year does not fit.
fn year(of: Type, name: &str) -> String {
    let cast = if of == Type::Date { "::date" } else { "" };
    format!("CASE WHEN {name} BETWEEN {YEARS} THEN date_trunc('year', {name}){cast} END")
}

/// The first day of the year of a text that begins as a date does.
fn year_of_text(text: &str) -> String {
    format!("CASE WHEN {text} ~ '^[0-9]{{4,6}}-' AND {text} !~ 'BC$' THEN substring({text}, '^[0-9]+') || '-01-01' END")
}

/// The letters and digits of Unicode as ranges for a bracket expression (PostgreSQL documentation, "Regular Expression
/// Escapes"). None of them has a meaning of its own there.
pub(super) fn letters() -> &'static str {
    static LETTERS: LazyLock<String> = LazyLock::new(|| {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for letter in ('\0'..=char::MAX).filter(|letter| letter.is_alphanumeric()) {
            let number = u32::from(letter);
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == number => *last = number,
                _ => ranges.push((number, number)),
            }
        }
        let range = |(first, last): &(u32, u32)| format!("\\U{first:08x}-\\U{last:08x}");
        ranges.iter().map(range).collect()
    });
    &LETTERS
}
