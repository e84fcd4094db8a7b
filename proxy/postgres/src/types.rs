//! Types of the server by number (`pg_type.dat`): their names for evidence, and what masks must know of their values.

use exhibit_policy::mask::CellKind;

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
        3802 => "jsonb",
        _ => return format!("oid:{oid}"),
    };
    known.to_owned()
}

/// What kind of value a cell of that type and format holds.
pub(crate) fn kind(oid: u32, binary: bool) -> CellKind {
    match (oid, binary) {
        // The binary form of texts and of json is the text.
        (25 | 705 | 1042 | 1043, _) => CellKind::Text,
        (114, _) | (3802, false) => CellKind::Json,
        (1082 | 1114 | 1184, false) => CellKind::Date,
        _ => CellKind::Opaque,
    }
}
