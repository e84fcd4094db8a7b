//! Expressions: which masked columns a value is computed from, and that nothing else goes by them.
//!
//! An expression that computes from masked columns gives a value that is masked as a whole. That alone would not be enough:
//! whether it fails, how long it takes and how large it grows could depend on what is in them. So the server does not get to
//! compute it: each reference to a masked column in it is *withheld*, which is to say that the text for the server has
//! `(SELECT reference WHERE false)` in its place, a NULL of the same type and name that is never read from the column.
//!
//! Everything that compares, sorts, groups, counts or filters is a *condition*: there no reference to a masked column stands.
//!
//! Whether a column has a value at all (`count(column)`, `column IS NULL`) is no value: it may be asked anywhere.
//!
//! The walk goes through the serialized tree, as [`super::super::tree`] does, so that no field of no kind is left out.

use std::collections::BTreeSet;

use pg_query::protobuf::SubLinkType;
use serde_json::Value as Json;

use super::super::known;
use super::super::tree::{Object, location, reference, strings, tagged};
use super::columns::{ColumnId, Found, Proof, resolve};
use super::query::Used;
use super::{Env, Prover};
use crate::types::{self, Type};

/// Functions of the server that give several rows: how many there are depends on their arguments.
const GIVES_ROWS: &str = "unnest generate_series generate_subscripts regexp_matches regexp_split_to_table string_to_table \
     json_array_elements jsonb_array_elements json_array_elements_text jsonb_array_elements_text json_each jsonb_each \
     json_each_text jsonb_each_text json_object_keys jsonb_object_keys jsonb_path_query json_to_recordset \
     jsonb_to_recordset json_populate_recordset jsonb_populate_recordset aclexplode _pg_expandarray pg_options_to_table";

/// Whether a reference to a masked column may stand somewhere.
#[derive(Clone, Copy)]
pub(super) enum Mode {
    /// Yes: it is withheld, and the value is masked as a whole.
    Withhold,
    /// No; what goes by it.
    Refuse(&'static str),
}

impl Prover<'_> {
    /// The masked columns that an expression computes from.
    pub(super) fn expression(&mut self, node: &Json, env: Env<'_>, mode: Mode) -> Proof<BTreeSet<ColumnId>> {
        let mut found = BTreeSet::new();
        self.walk(node, env, mode, &mut found)?;
        Ok(found)
    }

    /// Proves that something goes by no masked column.
    pub(super) fn condition(&mut self, node: Option<&Json>, env: Env<'_>, what: &'static str) -> Proof<()> {
        node.map_or(Ok(()), |node| {
            self.expression(node, env, Mode::Refuse(what)).map(|_| ())
        })
    }

    fn walk(&mut self, node: &Json, env: Env<'_>, mode: Mode, found: &mut BTreeSet<ColumnId>) -> Proof<()> {
        match node {
            Json::Array(items) => items.iter().try_for_each(|item| self.walk(item, env, mode, found)),
            Json::Object(object) => {
                self.enter()?;
                let (kind, fields) = tagged(object).unwrap_or(("", object));
                self.node(kind, fields, env, mode, found)?;
                self.leave();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn node(
        &mut self,
        kind: &str,
        fields: &Object,
        env: Env<'_>,
        mode: Mode,
        found: &mut BTreeSet<ColumnId>,
    ) -> Proof<()> {
        // Structs that stand in a field of their own type are not tagged with their kind.
        let query = fields.contains_key("target_list") && fields.contains_key("values_lists");
        let call = fields.contains_key("funcname") && fields.contains_key("agg_star");
        match kind {
            "ColumnRef" => self.column(fields, env, mode, found),
            "SubLink" => self.sublink(fields, env, mode, found),
            "NullTest" if self.asks_whether_there_is_one(fields, env)? => Ok(()),
            _ if query => self.inner(fields, env, mode, found),
            _ if call => self.call(fields, env, mode, found),
            _ => self.fields(fields, env, mode, found),
        }
    }

    /// All fields; of aggregates and windows, what they order, filter and part by.
    fn fields(&mut self, fields: &Object, env: Env<'_>, mode: Mode, found: &mut BTreeSet<ColumnId>) -> Proof<()> {
        for (name, value) in fields {
            let mode = match name.as_str() {
                "agg_order" | "order_clause" => Mode::Refuse("an aggregate or a window is ordered by"),
                "agg_filter" => Mode::Refuse("an aggregate is filtered by"),
                "partition_clause" => Mode::Refuse("a window is parted by"),
                "start_offset" | "end_offset" => Mode::Refuse("a window's frame goes by"),
                _ => mode,
            };
            self.walk(value, env, mode, found)?;
        }
        Ok(())
    }

    /// Whether it asks of a column itself whether there is a value: as `count(column)` does, and that is no value. Of a row the
    /// question is about all that is in it.
    fn asks_whether_there_is_one(&self, fields: &Object, env: Env<'_>) -> Proof<bool> {
        let Some(("ColumnRef", column)) = fields.get("arg").and_then(|arg| tagged(arg.as_object()?)) else {
            return Ok(false);
        };
        let Found::Column(value) = resolve(env.level, &reference(column))? else {
            return Ok(false);
        };
        let one = |(relation, number): &ColumnId| {
            let column = self.names.catalog.relation(*relation)?.columns.get(number)?;
            types::of(column.type_oid).filter(|of| *of != Type::Row)
        };
        Ok(value.bare && value.masked.iter().all(|id| one(id).is_some()))
    }

    fn column(&mut self, fields: &Object, env: Env<'_>, mode: Mode, found: &mut BTreeSet<ColumnId>) -> Proof<()> {
        let reference = reference(fields);
        let resolved = resolve(env.level, &reference)?;
        let masked = resolved.masked();
        let Some(first) = masked.first() else {
            return Ok(());
        };
        if let Mode::Refuse(what) = mode {
            return Err(format!("{what} the masked column {}", self.resource(*first)));
        }
        let place = match resolved {
            Found::Star(_) => None,
            Found::Column(_) | Found::Row(_) => location(fields),
        };
        let Some(place) = place else {
            return Err(format!(
                "a star in an expression stands for the masked column {}; name the columns",
                self.resource(*first)
            ));
        };
        self.withheld.references.insert((place, reference.len()));
        found.extend(masked);
        Ok(())
    }

    fn sublink(&mut self, fields: &Object, env: Env<'_>, mode: Mode, found: &mut BTreeSet<ColumnId>) -> Proof<()> {
        let kind = fields.get("sub_link_type").and_then(Json::as_i64);
        let query = fields.get("subselect").and_then(query_of);
        if query.is_some_and(is_withheld) {
            return Ok(());
        }
        if let Some(test) = fields.get("testexpr") {
            self.walk(test, env, mode, found)?;
        }
        let query = query.ok_or("a query in an expression is not understood")?;
        if kind == Some(i64::from(i32::from(SubLinkType::ExistsSublink))) {
            return self.query(query, env, Used::Ignored).map(|_| ());
        }
        self.inner(query, env, mode, found)
    }

    /// A query whose rows become a part of an expression.
    fn inner(&mut self, query: &Object, env: Env<'_>, mode: Mode, found: &mut BTreeSet<ColumnId>) -> Proof<()> {
        let used = match mode {
            Mode::Withhold => Used::Inside,
            Mode::Refuse(_) => Used::Passed,
        };
        let masked = self.query(query, env, used)?.masked();
        if let (Mode::Refuse(what), Some(first)) = (mode, masked.first()) {
            return Err(format!("{what} the masked column {}", self.resource(*first)));
        }
        found.extend(masked);
        Ok(())
    }

    fn call(&mut self, fields: &Object, env: Env<'_>, mode: Mode, found: &mut BTreeSet<ColumnId>) -> Proof<()> {
        let name = strings(fields, "funcname");
        let name = name.last().map_or("", String::as_str);
        let flag = |flag: &str| fields.get(flag).and_then(Json::as_bool).unwrap_or(true);
        let mut arguments = mode;
        if flag("agg_distinct") || flag("agg_within_group") {
            arguments = Mode::Refuse("an aggregate compares");
        } else if known::effect_function(name) || name == "set_config" {
            arguments = Mode::Refuse("an effect depends on");
        } else if GIVES_ROWS.split_ascii_whitespace().any(|known| known == name) {
            arguments = Mode::Refuse("the number of rows depends on");
        }
        for (field, value) in fields {
            match field.as_str() {
                "args" if name == "count" && !flag("agg_distinct") && counts_bare(value, env)? => {}
                "args" => self.walk(value, env, arguments, found)?,
                "over" | "agg_order" | "agg_filter" => {
                    let one = Object::from_iter([(field.clone(), value.clone())]);
                    self.fields(&one, env, mode, found)?;
                }
                // The name of the function.
                _ => {}
            }
        }
        Ok(())
    }
}

/// Whether what is counted is a column itself: how many rows have a value is no value.
fn counts_bare(arguments: &Json, env: Env<'_>) -> Proof<bool> {
    let [argument] = arguments.as_array().map_or(&[][..], Vec::as_slice) else {
        return Ok(false);
    };
    match argument.as_object().and_then(tagged) {
        Some(("ColumnRef", fields)) => Ok(match resolve(env.level, &reference(fields))? {
            Found::Column(value) => value.bare,
            Found::Row(_) | Found::Star(_) => false,
        }),
        _ => Ok(false),
    }
}

/// The `SELECT` of a node.
pub(super) fn query_of(node: &Json) -> Option<&Object> {
    match tagged(node.as_object()?)? {
        ("SelectStmt", fields) => Some(fields),
        _ => None,
    }
}

/// Whether a query is `SELECT reference WHERE false`, which reads nothing and gives nothing.
pub(super) fn is_withheld(query: &Object) -> bool {
    let plain = query.iter().all(|(name, value)| match name.as_str() {
        "target_list" | "where_clause" | "op" | "limit_option" => true,
        _ => value.is_null() || *value == Json::Bool(false) || value.as_array().is_some_and(Vec::is_empty),
    });
    let set = i64::from(i32::from(pg_query::protobuf::SetOperation::SetopNone));
    let never = || {
        let (kind, constant) = tagged(query.get("where_clause")?.as_object()?)?;
        let value = constant.get("val")?.get("Boolval")?.get("boolval")?.as_bool()?;
        Some(kind == "AConst" && !value)
    };
    let bare = || {
        let [target] = query.get("target_list")?.as_array()?.as_slice() else {
            return None;
        };
        let (_, target) = tagged(target.as_object()?)?;
        let (kind, _) = tagged(target.get("val")?.as_object()?)?;
        Some(kind == "ColumnRef")
    };
    plain
        && query.get("op").and_then(Json::as_i64) == Some(set)
        && never().unwrap_or_default()
        && bare().unwrap_or_default()
}
