//! Probes: comparisons of a masked column with constants, which a policy may let an agent make (`predicates` of a mask).
//!
//! > A probe is `column = constant`, `constant = column`, `column IN (constant, …)` or `column = ANY (array of constants)` as a
//! > part of the `AND` that is the whole `WHERE`, or the whole `ON` of an inner join with no outer join around it, of the
//! > outermost query of a `SELECT`, or of a `COPY` of one to the client, that stands alone in its message, reads stored
//! > relations and changes nothing. The column is masked and nothing but that column; a constant is a literal or a
//! > parameter that stands nowhere else, each of the column's own kind of type.
//!
//! So what the server computes from a masked value is whether it is equal to values that are counted, and nothing else. It
//! cannot fail for a value: within one kind of types ([`Family`]) every value can be compared with every other one, by the
//! operators of the server alone. A constant that is no value of its type fails before any row is read.
//!
//! Not here: whether the policy allows it, and how often ([`exhibit_policy::probe`]).

use std::collections::BTreeMap;

use exhibit_policy::probe::PROBE;
use exhibit_schemas::event::access::{Access, Action, Attribute, Facts};
use pg_query::protobuf::AExprKind;
use serde_json::Value as Json;

use super::kind::{Form, StatementClass};
use super::tree::{Object, Range, Tree, strings, tagged};
use super::{CopyDirection, Names, reach};
use crate::catalog::RelationKind;

/// Types of which each value can be compared with each value of the others, whatever they are.
///
/// Types of different families can be compared, too, but by casts that can fail for a value of the column (`numeric` to
/// `float8`), or depending on settings (`date` and `timestamptz`). `bool` is not here: it has nothing to guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// `text`, `varchar`, `char(n)`.
    Text,
    /// `int2`, `int4`, `int8`, `numeric`.
    Number,
    /// `uuid`.
    Uuid,
    /// `date`.
    Date,
    /// `timestamp`.
    Timestamp,
    /// `timestamptz`.
    Timestamptz,
    /// `bytea`.
    Bytes,
}

/// Each type (`pg_type.dat`): its name, its number, that of arrays of it, and its family.
const TYPES: [(&str, u32, u32, Family); 12] = [
    ("text", 25, 1009, Family::Text),
    ("varchar", 1043, 1015, Family::Text),
    ("bpchar", 1042, 1014, Family::Text),
    ("int2", 21, 1005, Family::Number),
    ("int4", 23, 1007, Family::Number),
    ("int8", 20, 1016, Family::Number),
    ("numeric", 1700, 1231, Family::Number),
    ("uuid", 2950, 2951, Family::Uuid),
    ("date", 1082, 1182, Family::Date),
    ("timestamp", 1114, 1115, Family::Timestamp),
    ("timestamptz", 1184, 1185, Family::Timestamptz),
    ("bytea", 17, 1001, Family::Bytes),
];

impl Family {
    /// The family of a type by its number.
    pub(super) fn of(type_oid: u32) -> Option<Self> {
        let mut types = TYPES.iter();
        types.find(|(_, oid, ..)| *oid == type_oid).map(|(.., family)| *family)
    }

    /// Whether a parameter may have the type that the agent gave it; zero leaves it to the server, which takes the column's.
    fn takes(self, type_oid: u32, array: bool) -> bool {
        let mut types = TYPES.iter();
        let own = |(_, one, all, family): &(&str, u32, u32, Self)| {
            *family == self && type_oid == if array { *all } else { *one }
        };
        type_oid == 0 || types.any(own)
    }
}

/// Whether a statement reads stored relations by harmless code, and changes nothing: what lasts would tell later readers what
/// was tried, and nobody would count them.
pub(super) fn reads_alone(form: &Form, tree: &Tree, names: &Names<'_>, accesses: &[Access]) -> bool {
    use RelationKind::{MaterializedView, PartitionedTable, Table};
    let stored = |range: &Range| {
        let kind = names.relation(range).map(|relation| relation.kind);
        matches!(kind, Some(Table | PartitionedTable | MaterializedView))
    };
    let copies_out = form
        .copy
        .as_ref()
        .is_some_and(|copy| copy.direction == CopyDirection::Out);
    (form.class == StatementClass::Select || copies_out)
        && !tree.locks
        && accesses.iter().all(|Access(action, _)| *action == Action::Read)
        && reach::harmless(tree, names)
        && tree.ranges.iter().all(stored)
}

/// One comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The masked columns that what is compared may come from, as resources: more than one where relations share a name or
    /// their rows.
    pub(super) columns: Vec<String>,
    /// How many values it tries, arrays that are bound aside.
    pub(super) values: u64,
    /// Its parameters.
    pub(super) parameters: Vec<Parameter>,
}

impl Probe {
    /// Bytes that it takes, about.
    pub(super) fn bytes(&self) -> usize {
        let columns = self.columns.iter().map(|column| size_of::<String>() + column.len());
        size_of::<Self>() + columns.sum::<usize>() + self.parameters.len() * size_of::<Parameter>()
    }
}

/// A parameter of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parameter {
    pub(super) number: u32,
    pub(super) family: Family,
    pub(super) array: bool,
}

/// Numbers of the parameters that are arrays: how many values these hold is known when they are bound.
pub fn array_parameters(probes: &[Probe]) -> impl Iterator<Item = u32> {
    let parameters = probes.iter().flat_map(|probe| &probe.parameters);
    parameters
        .filter(|parameter| parameter.array)
        .map(|parameter| parameter.number)
}

/// Says in the facts of a request how many values it tries on each column. `types` are those that the agent gave parameters,
/// and `bound` says how many values the arrays among them hold.
///
/// # Errors
/// Why that is not known.
pub fn state(
    probes: &[Probe],
    types: &[u32],
    bound: &BTreeMap<u32, u64>,
    facts: &mut Facts,
) -> Result<(), &'static str> {
    for probe in probes {
        let mut values = probe.values;
        for parameter in &probe.parameters {
            let place = usize::try_from(parameter.number.saturating_sub(1)).ok();
            let given = place.and_then(|place| types.get(place)).copied().unwrap_or(0);
            if !parameter.family.takes(given, parameter.array) {
                return Err(
                    "a parameter that is compared with a masked column has another kind of type than the column",
                );
            }
            if parameter.array {
                let held = bound.get(&parameter.number);
                values = values.saturating_add(*held.ok_or("how many values an array holds is not known")?);
            }
        }
        for column in &probe.columns {
            let tried = facts
                .attributes
                .entry(format!("{PROBE}{column}"))
                .or_insert(Attribute::Integer(0));
            if let Attribute::Integer(tried) = tried {
                *tried = tried.saturating_add(values);
            }
        }
    }
    Ok(())
}

/// What a comparison compares: the name of the column, and constants.
pub(super) struct Comparison<'n> {
    pub(super) column: &'n Object,
    pub(super) constants: Constants,
}

/// Constants, counted.
#[derive(Default)]
pub(super) struct Constants {
    pub(super) values: u64,
    pub(super) parameters: Vec<(u32, bool)>,
    /// The families that their own form, or a cast, gives them; strings and parameters alone have none.
    pub(super) families: Vec<Family>,
}

/// Reads a comparison of a column with constants; `None` for anything else.
pub(super) fn comparison(node: &Json) -> Option<Comparison<'_>> {
    let ("AExpr", fields) = tagged(node.as_object()?)? else {
        return None;
    };
    match strings(fields, "name").as_slice() {
        [operator] if operator == "=" => {}
        [schema, operator] if schema == "pg_catalog" && operator == "=" => {}
        _ => return None,
    }
    let kind = fields.get("kind")?.as_i64()?;
    let is = |wanted: AExprKind| kind == i64::from(i32::from(wanted));
    let (left, right) = (fields.get("lexpr")?, fields.get("rexpr")?);
    let mut constants = Constants::default();
    if is(AExprKind::AexprOp) {
        let (column, other) = match column(left) {
            Some(column) => (column, right),
            None => (column(right)?, left),
        };
        constants.one(other)?;
        return Some(Comparison { column, constants });
    }
    let column = column(left)?;
    if is(AExprKind::AexprIn) {
        constants.list("List", "items", right)?;
    } else if is(AExprKind::AexprOpAny) {
        constants.array(right)?;
    } else {
        return None;
    }
    Some(Comparison { column, constants })
}

fn column(node: &Json) -> Option<&Object> {
    match tagged(node.as_object()?)? {
        ("ColumnRef", fields) => Some(fields),
        _ => None,
    }
}

impl Constants {
    /// A literal or a parameter, with a cast or without.
    fn one(&mut self, node: &Json) -> Option<()> {
        let (kind, fields) = tagged(node.as_object()?)?;
        match kind {
            "ParamRef" => {
                self.parameters.push((number(fields)?, false));
                self.add(1);
            }
            "TypeCast" => {
                let (family, 0) = cast(fields)? else { return None };
                self.families.push(family);
                return self.uncast(fields.get("arg")?);
            }
            _ if is_number(kind, fields) => {
                self.families.push(Family::Number);
                self.add(1);
            }
            _ => {
                string(kind, fields)?;
                self.add(1);
            }
        }
        Some(())
    }

    /// What a cast is of: a string, a number or a parameter, and no cast again.
    fn uncast(&mut self, node: &Json) -> Option<()> {
        match tagged(node.as_object()?)? {
            ("TypeCast", _) => None,
            _ => self.one(node),
        }
    }

    fn list(&mut self, wanted: &str, field: &str, node: &Json) -> Option<()> {
        let (kind, fields) = tagged(node.as_object()?)?;
        let items = fields.get(field)?.as_array().filter(|_| kind == wanted)?;
        items.iter().try_for_each(|item| self.one(item))
    }

    /// `ARRAY[…]`, the text of an array, or a parameter, with a cast or without.
    fn array(&mut self, node: &Json) -> Option<()> {
        let (kind, fields) = tagged(node.as_object()?)?;
        match kind {
            "AArrayExpr" => self.list("AArrayExpr", "elements", node),
            "ParamRef" => {
                self.parameters.push((number(fields)?, true));
                Some(())
            }
            "TypeCast" => {
                let (family, 1) = cast(fields)? else { return None };
                self.families.push(family);
                let inner = fields.get("arg")?;
                match tagged(inner.as_object()?)? {
                    ("TypeCast", _) => None,
                    _ => self.array(inner),
                }
            }
            _ => {
                let text = string(kind, fields)?;
                self.add(separated(text.as_bytes()));
                Some(())
            }
        }
    }

    fn add(&mut self, values: u64) {
        self.values = self.values.saturating_add(values);
    }
}

/// Elements of an array in its text form, at the most: all of these types are separated by commas, and some commas may stand
/// inside of an element.
pub(crate) fn separated(text: &[u8]) -> u64 {
    let parts = text.split(|byte| *byte == b',').count();
    u64::try_from(parts).unwrap_or(u64::MAX)
}

fn number(fields: &Object) -> Option<u32> {
    u32::try_from(fields.get("number")?.as_u64()?)
        .ok()
        .filter(|number| *number > 0)
}

fn string<'n>(kind: &str, fields: &'n Object) -> Option<&'n str> {
    let value = fields.get("val").filter(|_| kind == "AConst")?;
    value.get("Sval")?.get("sval")?.as_str()
}

fn is_number(kind: &str, fields: &Object) -> bool {
    let value = fields.get("val").filter(|_| kind == "AConst");
    value.is_some_and(|value| value.get("Ival").is_some() || value.get("Fval").is_some())
}

/// The family that is cast to, and of how many dimensions the array is; types with a modifier can change a value.
fn cast(fields: &Object) -> Option<(Family, usize)> {
    let name = fields.get("type_name")?.as_object()?;
    let name = tagged(name).map_or(name, |(_, fields)| fields);
    let length = |field: &str| name.get(field).and_then(Json::as_array).map_or(0, Vec::len);
    let flag = |field: &str| name.get(field).and_then(Json::as_bool).unwrap_or(true);
    if length("typmods") > 0 || flag("setof") || flag("pct_type") {
        return None;
    }
    let names = strings(name, "names");
    let word = match names.as_slice() {
        [word] => word,
        [schema, word] if schema == "pg_catalog" => word,
        _ => return None,
    };
    let mut types = TYPES.iter();
    let (.., family) = types.find(|(known, ..)| known == word)?;
    Some((*family, length("array_bounds")))
}

/// How often parameters stand in a statement, by number.
pub(super) fn mentions(node: &Json) -> BTreeMap<u32, usize> {
    fn walk(node: &Json, found: &mut BTreeMap<u32, usize>) {
        match node {
            Json::Array(items) => items.iter().for_each(|item| walk(item, found)),
            Json::Object(object) => {
                if let Some(("ParamRef", fields)) = tagged(object)
                    && let Some(number) = number(fields)
                {
                    *found.entry(number).or_default() += 1;
                }
                object.values().for_each(|value| walk(value, found));
            }
            _ => {}
        }
    }
    let mut found = BTreeMap::new();
    walk(node, &mut found);
    found
}
