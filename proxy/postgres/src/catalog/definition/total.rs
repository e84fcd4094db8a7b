//! Expressions that never fail, whatever values they are computed from.
//!
//! A view's expression is computed by the server from what is in the columns, and whether it fails would show something of
//! that. The definition's owner has chosen it, but the agent chooses the row. So of what may be computed from masked columns
//! only this is let through. Numbers are those of the server's own functions and operators (`pg_proc.dat`, `pg_operator.dat`),
//! which are below 10000 and never change.

use super::super::node_tree::{Node, Value};

/// Functions that take every value in every place.
const FUNCTIONS: &[u32] = &[
    // lower, upper, initcap, reverse, left, right, length, char_length, octet_length, md5 of text; text of name and char
    870, 871, 872, 3062, 3060, 3061, 1317, 1318, 1367, 1369, 1372, 1381, 1374, 1375, 2311, 406, 401,
    // btrim, ltrim, rtrim; concat, concat_ws
    884, 885, 875, 881, 876, 882, 3058, 3059, // from a number to a wider one
    481, 313, 754, 1740, 1781, 1782, 316,
];

/// Functions that fail by their other arguments alone: the first may be any value where those are constants.
/// `substr` and `substring` of text.
const BY_OTHERS: &[u32] = &[877, 883, 936, 937];

/// The same where the first is a constant: `date_part` and `extract` of timestamps, and `extract` of a date.
const BY_FIRST: &[u32] = &[1171, 2021, 6199, 6202, 6203];

/// Aggregates and window functions: count, `string_agg` of text, `array_agg` of what is no array, sums and averages of
/// integers and numerics; and `row_number`, `rank`, `dense_rank`, `lag`, `lead`, `first_value`, `last_value` of rows.
const AGGREGATES: &[u32] = &[
    2147, 2803, 3538, 2335, 2107, 2108, 2109, 2114, 2100, 2101, 2102, 2103, 3100, 3101, 3102, 3106, 3109, 3112, 3113,
];

/// `max` and `min` of every type that has an order but arrays (2050, 2051).
const EXTREMES: [std::ops::RangeInclusive<u32>; 2] = [2115..=2130, 2131..=2146];

/// Operators: `||` of texts, and of a text and anything; comparisons of boolean, int2, int4, int8, text, char, date,
/// timestamps, numeric and uuid with their own type.
const OPERATORS: &[u32] = &[
    654, 2779, 2780, 58, 59, 85, 91, 1694, 1695, 94, 95, 519, 520, 522, 524, 96, 97, 518, 521, 523, 525, 410, 411, 412,
    413, 414, 415, 98, 531, 664, 665, 666, 667, 1054, 1057, 1058, 1059, 1060, 1061, 1093, 1094, 1095, 1096, 1097, 1098,
    2060, 2061, 2062, 2063, 2064, 2065, 1320, 1321, 1322, 1323, 1324, 1325, 1752, 1753, 1754, 1755, 1756, 1757, 2972,
    2973, 2974, 2975, 2976, 2977,
];

/// Types that everything can be written as: text and varchar.
const TEXTS: [u32; 2] = [25, 1043];

/// Whether a node never fails if what is in it does not.
pub(super) fn is_total(node: &Node<'_>) -> bool {
    let number = |field: &str| node.number::<u32>(field);
    let among = |field: &str, known: &[u32]| number(field).is_some_and(|number| known.contains(&number));
    match node.kind {
        "TARGETENTRY" | "CONST" | "RELABELTYPE" | "CASE" | "CASEEXPR" | "WHEN" | "CASEWHEN" | "CASETESTEXPR"
        | "COALESCE" | "COALESCEEXPR" | "NULLTEST" | "BOOLEANTEST" | "BOOLEXPR" | "ROW" | "ROWEXPR"
        | "SQLVALUEFUNCTION" | "SORTGROUPCLAUSE" => true,
        "ARRAY" | "ARRAYEXPR" => node.word("multidims") == Some("false"),
        "COERCEVIAIO" => among("resulttype", &TEXTS),
        "OPEXPR" | "DISTINCTEXPR" | "NULLIFEXPR" | "SCALARARRAYOPEXPR" => among("opno", OPERATORS),
        "FUNCEXPR" => {
            let one = node.word("funcretset") == Some("false") && node.word("funcvariadic") == Some("false");
            one && (among("funcid", FUNCTIONS) || chosen(node))
        }
        "AGGREF" => {
            let extreme = number("aggfnoid").is_some_and(|number| EXTREMES.iter().any(|range| range.contains(&number)));
            extreme || among("aggfnoid", AGGREGATES)
        }
        "WINDOWFUNC" => among("winfnoid", AGGREGATES),
        _ => false,
    }
}

/// Whether all arguments that it could fail by are constants.
fn chosen(call: &Node<'_>) -> bool {
    let Some([first, others @ ..]) = call.list("args") else {
        return false;
    };
    let constant = |value: &Value<'_>| matches!(value, Value::Node(node) if node.kind == "CONST");
    match call.number::<u32>("funcid") {
        Some(number) if BY_OTHERS.contains(&number) => others.iter().all(constant),
        Some(number) if BY_FIRST.contains(&number) => constant(first),
        _ => false,
    }
}
