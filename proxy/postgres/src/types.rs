//! Types of the server by number (`pg_type.dat`): their names for evidence, and what masks must know of their values.
//!
//! Not here: the bytes of their values (`text` and `binary`).

mod binary;
mod text;

use exhibit_policy::mask::CellKind;

use self::binary::Binary;
use self::text::Text;

/// A type whose values masks can read and write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    /// UTF-8 text of any kind.
    Text,
    /// `json`.
    Json,
    /// `jsonb`.
    Jsonb,
    /// A whole number, and the greatest one that the type holds.
    Integer(i64),
    /// `numeric`.
    Numeric,
    /// `date`.
    Date,
    /// `timestamp`, or `timestamptz` where it is zoned.
    Timestamp {
        /// Whether an offset from UTC goes with it.
        zoned: bool,
    },
    /// `uuid`.
    Uuid,
    /// `bytea`.
    Bytea,
    /// A list of values of the type with that number.
    Array(&'static Known),
}

/// A type and its two formats.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) oid: u32,
    pub(crate) of: Type,
    text: Text,
    binary: Binary,
}

const fn known(oid: u32, of: Type) -> Known {
    Known {
        oid,
        of,
        text: Text(of),
        binary: Binary(of),
    }
}

static TEXT: Known = known(25, Type::Text);
static BPCHAR: Known = known(1042, Type::Text);
static VARCHAR: Known = known(1043, Type::Text);
static INT2: Known = known(21, Type::Integer(0x7fff));
static INT4: Known = known(23, Type::Integer(0x7fff_ffff));
static INT8: Known = known(20, Type::Integer(i64::MAX));
static NUMERIC: Known = known(1700, Type::Numeric);
static DATE: Known = known(1082, Type::Date);
static UUID: Known = known(2950, Type::Uuid);

/// Every type that masks know.
static TYPES: [&Known; 22] = [
    &TEXT,
    &BPCHAR,
    &VARCHAR,
    &INT2,
    &INT4,
    &INT8,
    &NUMERIC,
    &DATE,
    &UUID,
    &known(705, Type::Text),
    &known(114, Type::Json),
    &known(3802, Type::Jsonb),
    &known(1114, Type::Timestamp { zoned: false }),
    &known(1184, Type::Timestamp { zoned: true }),
    &known(17, Type::Bytea),
    &known(1009, Type::Array(&TEXT)),
    &known(1014, Type::Array(&BPCHAR)),
    &known(1015, Type::Array(&VARCHAR)),
    &known(1005, Type::Array(&INT2)),
    &known(1007, Type::Array(&INT4)),
    &known(1016, Type::Array(&INT8)),
    &known(2951, Type::Array(&UUID)),
];

/// The name of a type, `oid:` and its number where it is not one of the usual, and `unspecified` for zero.
pub(crate) fn name(oid: u32) -> String {
    let known = match oid {
        0 => "unspecified",
        16 => "bool",
        17 => "bytea",
        18 => "char",
        19 => "name",
        20 => "int8",
        21 => "int2",
        23 => "int4",
        25 => "text",
        26 => "oid",
        114 => "json",
        142 => "xml",
        650 => "cidr",
        700 => "float4",
        701 => "float8",
        705 => "unknown",
        790 => "money",
        829 => "macaddr",
        869 => "inet",
        1005 => "int2[]",
        1007 => "int4[]",
        1009 => "text[]",
        1014 => "bpchar[]",
        1015 => "varchar[]",
        1016 => "int8[]",
        1042 => "bpchar",
        1043 => "varchar",
        1082 => "date",
        1083 => "time",
        1114 => "timestamp",
        1184 => "timestamptz",
        1186 => "interval",
        1266 => "timetz",
        1700 => "numeric",
        2950 => "uuid",
        2951 => "uuid[]",
        3802 => "jsonb",
        _ => return format!("oid:{oid}"),
    };
    known.to_owned()
}

/// The type of that number, where masks know it.
pub(crate) fn of(oid: u32) -> Option<Type> {
    TYPES.iter().find(|known| known.oid == oid).map(|known| known.of)
}

/// What kind of value a cell of that type and format holds.
pub fn kind(oid: u32, binary: bool) -> CellKind {
    let Some(known) = TYPES.iter().copied().find(|known| known.oid == oid) else {
        return CellKind::Opaque;
    };
    match (known.of, binary) {
        // The binary form of texts and of json is the text.
        (Type::Text, _) => CellKind::Text,
        (Type::Json, _) | (Type::Jsonb, false) => CellKind::Json,
        (_, false) => CellKind::Coded(&known.text),
        (_, true) => CellKind::Coded(&known.binary),
    }
}

#[cfg(test)]
mod tests;
