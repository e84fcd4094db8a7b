//! Masks as expressions of SQL: the same values that [`exhibit_policy::mask`] makes of a cell, made by the server.
//!
//! Only functions and operators of `pg_catalog` stand in them, and none that can fail on a value and name it in its error.
//! What has no expression for its type is NULL, as it is at the proxy.
//!
//! Constants that every expression needs are one row of `exhibit.constants`, which a subquery without any reference reads
//! once for a statement: the halves of the key, and the class of letters and digits. Rust's `char::is_alphanumeric` defines
//! that class here and at the proxy; the server's own classes depend on its locale.

use std::sync::LazyLock;

use exhibit_policy::mask::{CellKind, REDACTED, TOKEN_BYTES, Technique};

use super::facts::Column;
use super::literal;
use super::plan::Shown;
use crate::types;

/// The table of the constants, in the schema.
pub(super) const CONSTANTS: &str = "constants";

/// The date up to which a date has a year that a timestamp has, too; the proxy gives NULL for years past 999999.
const YEARS: &str = "'0001-01-01' AND '294276-12-31'";

/// What stands in the place of a masked column, and what it shows.
pub(super) fn masked(column: &Column, technique: &Technique) -> (String, Shown) {
    let name = format!("r.{}", super::identifier(&column.name));
    let kind = types::kind(column.base_oid, false);
    let null = |why| (format!("NULL::{}", column.base), Shown::Null(why));
    let made = match (technique, kind) {
        (Technique::Null, _) => return null("the technique"),
        (_, CellKind::Opaque) => return null("the type has no expression"),
        (Technique::Detect, _) => return null("detectors run in the proxy alone"),
        (Technique::Year, CellKind::Json) => return null("json has no year"),
        (Technique::Year, CellKind::Text) => year_of_text(&text(column, &name)),
        (Technique::Year, CellKind::Date) => year(column, &name),
        (_, CellKind::Date) => return null("a date keeps nothing but its year"),
        (Technique::Redact, _) => literal(REDACTED) + "::text",
        (Technique::Partial { keep }, _) => partial(&text(column, &name), *keep),
        (Technique::Token { domain }, _) => token(&text(column, &name), domain),
    };
    let typed = match kind {
        CellKind::Json => format!("to_{}({made})", types::name(column.base_oid)),
        CellKind::Text => format!("({made})::{}", unbounded(column)),
        CellKind::Date | CellKind::Opaque => made,
    };
    // NULL stays NULL, whatever the technique.
    let typed = format!("CASE WHEN {name} IS NOT NULL THEN {typed} END");
    let typed = match &column.collation {
        Some(collation) => format!("({typed}) COLLATE {collation}"),
        None => typed,
    };
    (typed, Shown::Technique)
}

/// The type without a length: a masked value may be longer than what it stands for, as it may be at the proxy.
fn unbounded(column: &Column) -> &'static str {
    match column.base_oid {
        1042 => "bpchar",
        1043 => "varchar",
        _ => "text",
    }
}

/// The text of a value as the server sends it.
fn text(column: &Column, name: &str) -> String {
    let text = match column.base_oid {
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

/// HMAC-SHA-256 over domain, zero byte and value, by its definition (RFC 2104, 2).
pub(super) fn token(text: &str, domain: &str) -> String {
    let head = hex::encode([domain.as_bytes(), &[0]].concat());
    let inner = constant(&format!("c.inner_pad || '\\x{head}'::bytea"));
    let outer = constant("c.outer_pad");
    format!(
        "'tok_' || encode(substring(sha256({outer} || sha256({inner} || convert_to({text}, 'UTF8'))), 1, {TOKEN_BYTES}), 'hex')"
    )
}

/// The first day of the year of a date; NULL where the year does not fit.
fn year(column: &Column, name: &str) -> String {
    let cast = if column.base_oid == 1082 { "::date" } else { "" };
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
