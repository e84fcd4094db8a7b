//! Types of the server by number (`pg_type.dat`): their names for evidence, and how masks and the net read their values.
//!
//! | type | masks | the net |
//! | --- | --- | --- |
//! | text, varchar, char, unknown, json, jsonb | read and write them | tokens in the text or document |
//! | integers, numeric, date, timestamps, uuid, bytea, arrays of some | read and write them | the text that stands for them |
//! | name, xml | NULL | tokens in the text |
//! | floats, money (without cents), oid, rows, other arrays | NULL | the text that stands for them |
//! | bool, char (one byte), times, intervals, void | NULL | not searched |
//! | others | NULL | their bytes as text |
//!
//! There is one reader for each type and format (`text` and `binary`), whoever asks.
//!
//! Not here: what a mask or the net makes of a value (policy).

mod binary;
mod text;

use exhibit_policy::mask::CellKind;
use exhibit_policy::net::Meaning;

use self::binary::Binary;
use self::text::Text;

/// How values of a type are read.
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
    /// A number that no technique has a form for: `oid`, `money`, `float4`, `float8`.
    Number(Number),
    /// Columns of any types.
    Row,
    /// A value with no room for an identifier.
    Roomless,
}

/// How a number is written in binary form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    /// 32 bits without a sign.
    Unsigned,
    /// Cents as 64 bits in two's complement; what is searched are the digits before them.
    Cents,
    /// IEEE 754, in four or eight bytes.
    Float,
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
static JSON: Known = known(114, Type::Json);
static JSONB: Known = known(3802, Type::Jsonb);
static TIMESTAMP: Known = known(1114, Type::Timestamp { zoned: false });
static TIMESTAMPTZ: Known = known(1184, Type::Timestamp { zoned: true });
static BYTEA: Known = known(17, Type::Bytea);
static NAME: Known = known(19, Type::Text);
static XML: Known = known(142, Type::Text);
static BOOL: Known = known(16, Type::Roomless);
static CHAR: Known = known(18, Type::Roomless);
static OID: Known = known(26, Type::Number(Number::Unsigned));
static MONEY: Known = known(790, Type::Number(Number::Cents));
static FLOAT4: Known = known(700, Type::Number(Number::Float));
static FLOAT8: Known = known(701, Type::Number(Number::Float));
static RECORD: Known = known(2249, Type::Row);

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
    &JSON,
    &JSONB,
    &TIMESTAMP,
    &TIMESTAMPTZ,
    &BYTEA,
    &known(1009, Type::Array(&TEXT)),
    &known(1014, Type::Array(&BPCHAR)),
    &known(1015, Type::Array(&VARCHAR)),
    &known(1005, Type::Array(&INT2)),
    &known(1007, Type::Array(&INT4)),
    &known(1016, Type::Array(&INT8)),
    &known(2951, Type::Array(&UUID)),
];

/// Types that the net alone reads. A mask on them is NULL, at the proxy as in the database.
static SEARCHED: [&Known; 29] = [
    &NAME,
    &XML,
    &BOOL,
    &CHAR,
    &OID,
    &MONEY,
    &FLOAT4,
    &FLOAT8,
    &RECORD,
    &known(1083, Type::Roomless),
    &known(1186, Type::Roomless),
    &known(1266, Type::Roomless),
    &known(2278, Type::Roomless),
    &known(143, Type::Array(&XML)),
    &known(199, Type::Array(&JSON)),
    &known(791, Type::Array(&MONEY)),
    &known(1000, Type::Array(&BOOL)),
    &known(1001, Type::Array(&BYTEA)),
    &known(1002, Type::Array(&CHAR)),
    &known(1003, Type::Array(&NAME)),
    &known(1021, Type::Array(&FLOAT4)),
    &known(1022, Type::Array(&FLOAT8)),
    &known(1028, Type::Array(&OID)),
    &known(1115, Type::Array(&TIMESTAMP)),
    &known(1182, Type::Array(&DATE)),
    &known(1185, Type::Array(&TIMESTAMPTZ)),
    &known(1231, Type::Array(&NUMERIC)),
    &known(2287, Type::Array(&RECORD)),
    &known(3807, Type::Array(&JSONB)),
];

/// Whether a token has room in values of a type for all that it is.
pub(crate) fn holds_tokens(oid: u32) -> bool {
    let known = TYPES.iter().find(|known| known.oid == oid);
    known.is_some_and(|known| matches!(known.of, Type::Text | Type::Bytea))
}

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

/// What kind of value a cell of that type and format holds, to a mask.
pub fn kind(oid: u32, binary: bool) -> CellKind {
    let known = TYPES.iter().find(|known| known.oid == oid);
    known.map_or(CellKind::Opaque, |known| known.kind(binary))
}

/// The same to the net, which reads more types.
pub(crate) fn searched(oid: u32, binary: bool) -> CellKind {
    readable(oid).map_or(CellKind::Opaque, |known| known.kind(binary))
}

/// What a type says that its values are.
pub(crate) fn meaning(oid: u32) -> Option<Meaning> {
    match oid {
        1082 | 1114 | 1184 => Some(Meaning::Date),
        650 | 869 => Some(Meaning::NetworkAddress),
        774 | 829 => Some(Meaning::HardwareAddress),
        _ => None,
    }
}

fn readable(oid: u32) -> Option<&'static Known> {
    TYPES.iter().chain(&SEARCHED).copied().find(|known| known.oid == oid)
}

impl Known {
    fn kind(&'static self, binary: bool) -> CellKind {
        match (self.of, binary) {
            // The binary form of texts and of json is the text.
            (Type::Text, _) => CellKind::Text,
            (Type::Json, _) | (Type::Jsonb, false) => CellKind::Json,
            (Type::Roomless, _) => CellKind::Roomless,
            (_, false) => CellKind::Coded(&self.text),
            (_, true) => CellKind::Coded(&self.binary),
        }
    }
}

#[cfg(test)]
mod tests;
