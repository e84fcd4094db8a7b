//! What stands in `FROM`: relations, expressions of `WITH`, subqueries, functions, `VALUES` and joins of them.

use pg_query::protobuf::JoinType;
use serde_json::Value as Json;

use super::super::tree::{Object, strings, tagged, text};
use super::columns::{Entry, Items, Level, Output, Outputs, Proof, Value};
use super::expression::query_of;
use super::query::{Used, list};
use super::relations::candidates;
use super::{Ctes, Env, Expression, Prover};
use crate::catalog::{Relation, RelationKind};

/// Functions whose rows have one column, which is named as they are.
const ONE_COLUMN: &str = "generate_series generate_subscripts string_to_table regexp_split_to_table";

impl Prover<'_> {
    /// The items of a list, in order. Each sees the ones before it where it may (`LATERAL`).
    pub(super) fn from(&mut self, nodes: &[Json], env: Env<'_>) -> Proof<Vec<Items>> {
        let mut items: Vec<Items> = Vec::new();
        let selects = std::mem::take(&mut self.selects);
        for node in nodes {
            self.selects = selects;
            let before = Level {
                outer: env.level,
                parts: items.iter().collect(),
            };
            let item = self.item(node, env, &before)?;
            items.push(item);
        }
        Ok(items)
    }

    /// One item; `before` is what `LATERAL` sees.
    pub(super) fn item(&mut self, node: &Json, env: Env<'_>, before: &Level<'_>) -> Proof<Items> {
        self.enter()?;
        let selects = std::mem::take(&mut self.selects);
        let (kind, fields) = node
            .as_object()
            .and_then(tagged)
            .ok_or("a part of FROM is not understood")?;
        let lateral = Env {
            level: Some(before),
            ..env
        };
        let items = match kind {
            "RangeVar" => Items::of(self.named(fields, env)?),
            "RangeSubselect" => {
                let flag = fields.get("lateral").and_then(Json::as_bool).unwrap_or_default();
                let query = fields.get("subquery").and_then(query_of);
                let query = query.ok_or("a query in FROM is not understood")?;
                let outputs = self.query(query, if flag { lateral } else { env }, Used::Passed)?;
                Items::of(derived(fields, None, outputs)?)
            }
            "RangeFunction" => {
                self.condition(
                    fields.get("functions"),
                    lateral,
                    "the rows of a function in FROM depend on",
                )?;
                self.condition(
                    fields.get("coldeflist"),
                    lateral,
                    "the rows of a function in FROM depend on",
                )?;
                function(fields)?
            }
            "RangeTableFunc" | "JsonTable" => {
                for (name, value) in fields {
                    if name != "alias" {
                        self.condition(Some(value), lateral, "the rows of a function in FROM depend on")?;
                    }
                }
                Items::of(derived(fields, None, unknown())?)
            }
            "RangeTableSample" => {
                self.condition(fields.get("args"), env, "TABLESAMPLE goes by")?;
                self.condition(fields.get("repeatable"), env, "TABLESAMPLE goes by")?;
                self.item(fields.get("relation").unwrap_or(&Json::Null), env, before)?
            }
            "JoinExpr" => self.join(fields, env, before, selects)?,
            _ => return Err(format!("a {kind} in FROM is not understood")),
        };
        self.leave();
        Ok(items)
    }

    /// A relation, or an expression of `WITH` that has its name.
    fn named(&mut self, fields: &Object, env: Env<'_>) -> Proof<Entry> {
        let name = text(fields, "relname").unwrap_or_default();
        if text(fields, "schemaname").is_none()
            && let Some(expression) = Ctes::find(env.ctes, &name)
        {
            let Expression::Known(outputs) = expression else {
                return Err(format!("{name} stands further on in WITH RECURSIVE; put it before"));
            };
            return derived(fields, Some(name), (**outputs).clone());
        }
        self.relation(fields)
    }

    /// A relation of the catalog.
    pub(super) fn relation(&self, fields: &Object) -> Proof<Entry> {
        let schema = text(fields, "schemaname");
        let name = text(fields, "relname").unwrap_or_default();
        let relation = self.found(fields).ok_or_else(|| {
            format!("what {name} means is not known here; send the statement in a message of its own")
        })?;
        let mut outputs = Outputs {
            shifting: true,
            ..Outputs::default()
        };
        let shows_others = matches!(relation.kind, RelationKind::View | RelationKind::MaterializedView);
        for (number, column) in &relation.columns {
            let mut value = self.sources.value(relation, *number);
            value.replaceable = shows_others || !value.masked.contains(&(relation.oid, *number));
            if schema.is_none() {
                value.replaceable = true;
                // A name without a schema is masked as any relation of that name, so that no proof hangs on the search path.
                for other in candidates(self.names, None, &name) {
                    let same = other.columns.iter().find(|(_, other)| other.name == column.name);
                    let other = same
                        .map(|(number, _)| self.sources.value(other, *number))
                        .unwrap_or_default();
                    // A clean column is masked by its name then, and not as the other one: an agent may have made it, and would
                    // be shown what the mask makes of a guess.
                    value.bare &= other.bare || !other.is_masked();
                    value.masked.extend(other.masked);
                }
            }
            outputs.columns.push(Output {
                name: Some(column.name.clone()),
                value,
            });
        }
        let mut entry = derived(fields, Some(name.clone()), outputs)?;
        // A name that a view does not have is looked for further out. `tableoid` tells the partition.
        entry.stored = relation.kind != RelationKind::View && !self.sources.parted(relation);
        let aliased = fields.get("alias").is_some_and(|alias| !alias.is_null());
        entry.relation = (!aliased).then(|| (relation.schema.clone(), name));
        Ok(entry)
    }

    /// The relation of the catalog that a name means.
    pub(super) fn found(&self, fields: &Object) -> Option<&Relation> {
        let schema = text(fields, "schemaname");
        self.names.find(schema.as_deref(), &text(fields, "relname")?)
    }

    /// A join. What an inner join in the `FROM` of the outermost query goes by selects rows of that as its `WHERE` does.
    fn join(&mut self, fields: &Object, env: Env<'_>, before: &Level<'_>, selects: bool) -> Proof<Items> {
        let side = |name: &str| fields.get(name).unwrap_or(&Json::Null);
        let known = |kind: JoinType| fields.get("jointype").and_then(Json::as_i64) == Some(i64::from(i32::from(kind)));
        let selects = selects && known(JoinType::JoinInner);
        self.selects = selects;
        let left = self.item(side("larg"), env, before)?;
        let mut sees = before.clone();
        sees.parts.push(&left);
        self.selects = selects;
        let right = self.item(side("rarg"), env, &sees)?;
        let kinds = [
            JoinType::JoinInner,
            JoinType::JoinLeft,
            JoinType::JoinFull,
            JoinType::JoinRight,
        ];
        if !kinds.into_iter().any(known) {
            return Err("a join is not understood".to_owned());
        }
        let natural = fields.get("is_natural").and_then(Json::as_bool).unwrap_or(true);
        let names = if natural {
            // A column of another session's making may have come to one side.
            for side in [&left.flat, &right.flat] {
                self.clean(side, "a NATURAL join may go by")?;
            }
            common(&left.flat, &right.flat)?
        } else {
            strings(fields, "using_clause")
        };
        for name in &names {
            for side in [&left.flat, &right.flat] {
                let found = side.columns.iter().filter(|column| column.name.as_ref() == Some(name));
                let found = Outputs {
                    columns: found.cloned().collect(),
                    open: false,
                    shifting: false,
                };
                self.clean(&found, "a join goes by")?;
                let unnamed = |column: &Output| column.name.is_none() && column.value.is_masked();
                if found.columns.is_empty() && side.columns.iter().any(unnamed) {
                    return Err("a join could go by a masked column without a name".to_owned());
                }
            }
        }
        let mut inside = Level {
            outer: env.level,
            parts: vec![&left, &right],
        };
        let on = Env {
            level: Some(&inside),
            ..env
        };
        match fields.get("quals") {
            condition if selects => self.selection(condition, on, "a join goes by")?,
            condition => self.condition(condition, on, "a join goes by")?,
        }
        inside.parts.clear();
        joined(fields, &names, left, right)
    }
}

/// The columns of a join: the merged ones, then those of the left side, then those of the right.
fn joined(fields: &Object, names: &[String], left: Items, right: Items) -> Proof<Items> {
    let merged = Outputs {
        columns: names
            .iter()
            .map(|name| Output {
                name: Some(name.clone()),
                value: Value::default(),
            })
            .collect(),
        open: false,
        shifting: false,
    };
    let mut flat = merged.clone();
    flat.shifting = left.flat.shifting || right.flat.shifting;
    for side in [left.flat, right.flat] {
        let other = |column: &Output| column.name.as_ref().is_none_or(|name| !names.contains(name));
        flat.columns.extend(side.columns.into_iter().filter(other));
        flat.open |= side.open;
    }
    let mut entries = left.entries;
    entries.extend(right.entries);
    if let Some(using) = fields.get("join_using_alias").and_then(Json::as_object) {
        entries.push(Entry {
            alias: text(using, "aliasname"),
            relation: None,
            outputs: merged,
            stored: false,
        });
    }
    if fields.get("alias").is_some_and(|alias| !alias.is_null()) {
        // What an alias stands for is named by it alone.
        return Ok(Items::of(derived(fields, None, flat)?));
    }
    Ok(Items { entries, flat })
}

/// Names of the columns that both sides of a `NATURAL` join have.
fn common(left: &Outputs, right: &Outputs) -> Proof<Vec<String>> {
    let unsure = |side: &Outputs| side.open || side.columns.iter().any(|column| column.name.is_none());
    if unsure(left) || unsure(right) {
        return Err("a NATURAL join has columns of which not all are known; use USING".to_owned());
    }
    let has = |name: &String| right.columns.iter().any(|column| column.name.as_ref() == Some(name));
    let names = left.columns.iter().filter_map(|column| column.name.clone());
    Ok(names.filter(has).collect())
}

/// Something with an alias, or else with a name of its own.
fn derived(fields: &Object, name: Option<String>, outputs: Outputs) -> Proof<Entry> {
    let alias = fields.get("alias").and_then(Json::as_object);
    let names = alias.map(|alias| strings(alias, "colnames")).unwrap_or_default();
    Ok(Entry {
        alias: alias.and_then(|alias| text(alias, "aliasname")).or(name),
        relation: None,
        outputs: outputs.renamed(&names)?,
        stored: false,
    })
}

fn unknown() -> Outputs {
    Outputs {
        columns: Vec::new(),
        open: true,
        shifting: false,
    }
}

/// A function in `FROM`, whose arguments are clean.
fn function(fields: &Object) -> Proof<Items> {
    let definitions = list(fields, "coldeflist").iter();
    let clean = |name: Option<String>| Output {
        name,
        value: Value::default(),
    };
    let defined = definitions.map(|definition| Some(clean(Some(text(tagged(definition.as_object()?)?.1, "colname")?))));
    let defined: Option<Vec<Output>> = defined.collect();
    let own = called(list(fields, "functions"));
    let flag = |name: &str| fields.get(name).and_then(Json::as_bool).unwrap_or(true);
    let one = own
        .as_ref()
        .filter(|name| ONE_COLUMN.split_ascii_whitespace().any(|known| known == name.as_str()));
    let outputs = match (defined, one) {
        (Some(columns), _) if !columns.is_empty() && !flag("ordinality") => Outputs {
            columns,
            open: false,
            shifting: false,
        },
        (_, Some(name)) if !flag("ordinality") => {
            // The alias names the column, too.
            let alias = fields.get("alias").and_then(Json::as_object);
            let alias = alias.and_then(|alias| text(alias, "aliasname"));
            Outputs {
                columns: vec![clean(Some(alias.unwrap_or_else(|| name.clone())))],
                open: false,
                shifting: false,
            }
        }
        _ => unknown(),
    };
    Ok(Items::of(derived(fields, own, outputs)?))
}

/// The name of the one function that is called.
fn called(functions: &[Json]) -> Option<String> {
    let [one] = functions else { return None };
    let (_, pair) = tagged(one.as_object()?)?;
    let (kind, call) = tagged(list(pair, "items").first()?.as_object()?)?;
    if kind != "FuncCall" {
        return None;
    }
    strings(call, "funcname").pop()
}
