//! Masks as expressions of SQL: the same values that [`exhibit_policy::mask`] makes of a cell, made by the server.
//!
//! Only functions and operators of `pg_catalog` stand in them, and none that can fail on a value and name it in its error.
//! What has no expression for its type is NULL, as it is at the proxy.
//!
//! Constants that every expression needs are one row of `exhibit.constants`, which a subquery without any reference reads
//! once for a statement: the halves of the key, and the class of letters and digits. Rust's `char::is_alphanumeric` defines
//! that class here and at the proxy; the server's own classes depend on its locale.

use std::sync::LazyLock;

use exhibit_policy::mask::zip::RESTRICTED;
use exhibit_policy::mask::{REDACTED, TOKEN_BYTES, Technique, shift};

use super::facts::Column;
use super::literal;
use super::plan::Shown;
use crate::types::{self, Type};

/// The table of the constants, in the schema.
pub(super) const CONSTANTS: &str = "constants";

/// The date up to which a date has a year that a timestamp has, too; the proxy gives NULL for years past 999999.
const YEARS: &str = "'0001-01-01' AND '294276-12-31'";

/// Why a column of a type that masks do not read is NULL.
const NONE: &str = "the type has no expression";

/// What stands in the place of a masked column, and what it shows.
pub(super) fn masked(column: &Column, others: &[Column], technique: &Technique) -> (String, Shown) {
    let name = format!("r.{}", super::identifier(&column.name));
    let made = match (types::of(column.base_oid), person(others, technique)) {
        (Some(of), Ok(person)) => value(of, column.base_oid, &name, technique, &person),
        (Some(_), Err(why)) => Err(why),
        (None, _) => Err(NONE),
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

/// The text of the person whose row it is, where the technique goes by it; NULL is nobody.
fn person(others: &[Column], technique: &Technique) -> Result<String, &'static str> {
    let Technique::DateShift {
        person: Some(person), ..
    } = technique
    else {
        return Ok("''::text".to_owned());
    };
    let column = others.iter().find(|column| column.name == *person);
    let column = column.ok_or("its person is no column of the relation")?;
    Ok(text(column.base_oid, &format!("r.{}", super::identifier(person))))
}

/// The masked form of a value that is not NULL, in its type without a length: a masked value may be longer than what it
/// stands for, as it may be at the proxy.
fn value(of: Type, oid: u32, name: &str, technique: &Technique, person: &str) -> Result<String, &'static str> {
    let text = || text(oid, name);
    let made = match (technique, of) {
        (Technique::Null, _) => return Err("the technique"),
        (Technique::Detect, _) => return Err("detectors run in the proxy alone"),
        (_, Type::Array(element)) => {
            let one = value(element.of, element.oid, "e", technique, person)?;
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
        (Technique::DateShift { domain, days, .. }, of) => shifted(of, name, &text(), &days_of(*days, domain, person))?,
        (Technique::Zip3, of) => zip3(of, name, &text())?,
        (Technique::Age, of) => age(of, name, &text())?,
        (Technique::Ff1 { .. }, _) => return Err("format-preserving encryption runs in the proxy alone"),
        (Technique::Paths { .. }, _) => return Err("masks by path run in the proxy alone"),
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
        Type::Number(_) | Type::Row | Type::Roomless => return Err(NONE),
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

/// Days that dates of a person are moved by, as a number; NULL for nobody ([`exhibit_policy::mask::shift`]).
fn days_of(days: u32, domain: &str, person: &str) -> String {
    let head = [&[0], shift::LABEL.as_bytes(), &[0], domain.as_bytes(), &[0]].concat();
    let digest = hmac(&format!("convert_to({person}, 'UTF8')"), &head);
    let number = first_bits(&digest, i64::MAX);
    format!(
        "(SELECT CASE WHEN n < {days} THEN n - {days} ELSE n - {days} + 1 END::int4 \
         FROM (SELECT ({number}) % {} AS n) s)",
        u64::from(days) * 2
    )
}

/// The years whose days are shifted, as a condition.
fn shiftable(name: &str) -> String {
    format!(
        "{name} >= '{:04}-01-01' AND {name} < '{:04}-01-01'",
        shift::YEARS.start(),
        shift::YEARS.end() + 1
    )
}

/// A value so many days later. Days have 24 hours here, so that the time of day in UTC stays.
fn shifted(of: Type, name: &str, text: &str, days: &str) -> Result<String, &'static str> {
    let when = shiftable(name);
    Ok(match of {
        Type::Text => shifted_text(text, days),
        Type::Date => format!("CASE WHEN {when} THEN {name} + {days} END"),
        Type::Timestamp { .. } => format!("CASE WHEN {when} THEN {name} + {days} * '24:00:00'::interval END"),
        _ => return Err("the type has no date"),
    })
}

/// The same of a text that is a date, or a date and a time of day (ISO 8601). The month begins on a day that there is, so
/// nothing that is cast can fail.
fn shifted_text(text: &str, days: &str) -> String {
    let shape = "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])\
                 ([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?$";
    let (first, of_month) = (
        format!("(substring({text}, 1, 8) || '01')::date"),
        format!("substring({text}, 9, 2)::int4 - 1"),
    );
    let when = shiftable("d");
    format!(
        "CASE WHEN {text} ~ '{shape}' AND substring({text}, 1, 4) <> '0000' THEN \
         (SELECT CASE WHEN date_trunc('month', d) = f AND {when} \
          THEN to_char(d + {days}, 'YYYY-MM-DD') || substring({text}, 11) END \
          FROM (SELECT f, f + ({of_month}) AS d FROM (SELECT {first} AS f) b) m) END"
    )
}

/// The first three digits of a ZIP code, or none.
fn zip3(of: Type, name: &str, text: &str) -> Result<String, &'static str> {
    let restricted = RESTRICTED.map(|code| code.to_string()).join(", ");
    let cut = |code: &str| format!("CASE WHEN {code} / 100 IN ({restricted}) THEN 0 ELSE {code} / 100 * 100 END");
    Ok(match of {
        Type::Integer(_) => format!("CASE WHEN {name} BETWEEN 0 AND 99999 THEN {} END", cut(name)),
        Type::Text => {
            let cut = cut(&format!("substring({text}, 1, 5)::int4"));
            format!("CASE WHEN {text} ~ '^[0-9]{{5}}(-?[0-9]{{4}})?$' THEN lpad(({cut})::text, 5, '0') END")
        }
        _ => return Err("the type holds no ZIP code"),
    })
}

/// An age, or 90 for what is more.
fn age(of: Type, name: &str, text: &str) -> Result<String, &'static str> {
    let cut = |age: &str| format!("CASE WHEN {name} >= 90 THEN 90 WHEN {name} >= 0 THEN {age} END");
    Ok(match of {
        Type::Integer(_) => cut(name),
        Type::Numeric => cut(&format!("trim_scale({name})")),
        Type::Text => format!(
            "CASE WHEN {text} ~ '^[0-9]{{1,3}}$' THEN CASE WHEN {text}::int4 >= 90 THEN '90' ELSE {text} END END"
        ),
        _ => return Err("the type holds no age"),
    })
}

/// The token of a text.
pub(super) fn token(text: &str, domain: &str) -> String {
    let digest = digest(&format!("convert_to({text}, 'UTF8')"), domain);
    format!("'tok_' || encode(substring({digest}, 1, {TOKEN_BYTES}), 'hex')")
}

/// The token of a value of a type, as text where that is its form.
fn token_of(of: Type, name: &str, text: &str, domain: &str) -> Result<String, &'static str> {
    let of_text = |text: &str| digest(&format!("convert_to({text}, 'UTF8')"), domain);
    Ok(match of {
        Type::Text | Type::Json | Type::Jsonb => token(text, domain),
        Type::Integer(max) => first_bits(&of_text(text), max),
        Type::Numeric => {
            let text = format!("(trim_scale({name})::text COLLATE \"C\")");
            first_bits(&of_text(&text), i64::MAX)
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
        Type::Number(_) | Type::Row | Type::Roomless => return Err(NONE),
    })
}

/// The first 64 bits of a digest, as far as the greatest number has them.
fn first_bits(digest: &str, max: i64) -> String {
    format!("('x' || encode(substring({digest}, 1, 8), 'hex'))::bit(64)::bigint & {max}")
}

/// HMAC-SHA-256 over domain, zero byte and bytes.
fn digest(bytes: &str, domain: &str) -> String {
    hmac(bytes, &[domain.as_bytes(), &[0]].concat())
}

/// HMAC-SHA-256 over constant and other bytes, by its definition (RFC 2104, 2).
fn hmac(bytes: &str, head: &[u8]) -> String {
    let head = hex::encode(head);
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
