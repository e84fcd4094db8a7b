//! Queries: what each of their columns comes from.
//!
//! A column that is a masked column and nothing else stays that column, through subqueries, `WITH`, set operations that keep
//! all rows, and joins. What sorts, groups, compares or limits rows goes by clean columns alone.

use std::rc::Rc;

use pg_query::protobuf::SetOperation;
use serde_json::Value as Json;

use super::super::tree::{Object, reference, strings, tagged, text};
use super::columns::{Found, Level, Output, Outputs, Proof, Value, resolve};
use super::expression::{Mode, is_withheld, query_of};
use super::{Ctes, Env, Expression, Prover};

/// Passes over a recursive query at the most. Each but the last makes at least one column masked, or computed, by more
/// than before; queries that people write settle in two or three.
const PASSES_MAX: usize = 16;

/// What becomes of the rows of a query.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Used {
    /// They are columns of something else, or of the reply.
    Passed,
    /// An expression computes from them.
    Inside,
    /// Only whether there are any.
    Ignored,
}

impl Prover<'_> {
    /// The columns of a `SELECT`, `VALUES` or set operation.
    pub(super) fn query(&mut self, query: &Object, env: Env<'_>, used: Used) -> Proof<Outputs> {
        self.enter()?;
        let outermost = std::mem::take(&mut self.outermost);
        let with = self.with(query.get("with_clause"), env)?;
        let env = Env {
            ctes: with.as_ref().or(env.ctes),
            ..env
        };
        let operation = query
            .get("op")
            .and_then(Json::as_i64)
            .and_then(|op| i32::try_from(op).ok());
        let operation = operation.and_then(|op| SetOperation::try_from(op).ok());
        let outputs = match operation {
            Some(SetOperation::SetopNone) if filled(query, "values_lists") => {
                let outputs = self.values(query, env, used)?;
                self.sorted(query, env, &outputs)?;
                outputs
            }
            Some(SetOperation::SetopNone) => self.plain(query, env, used, outermost)?,
            Some(SetOperation::SetopUnion | SetOperation::SetopIntersect | SetOperation::SetopExcept) => {
                let [left, right] = arms(query)?;
                let left = self.query(left, env, used)?;
                let right = self.query(right, env, used)?;
                let outputs = merged(left, right)?;
                self.kept(query, &outputs)?;
                self.sorted(query, env, &outputs)?;
                outputs
            }
            _ => return Err("a set operation is not understood".to_owned()),
        };
        self.condition(query.get("limit_count"), env, "LIMIT goes by")?;
        self.condition(query.get("limit_offset"), env, "OFFSET goes by")?;
        self.leave();
        Ok(outputs)
    }

    fn plain(&mut self, query: &Object, env: Env<'_>, used: Used, outermost: bool) -> Proof<Outputs> {
        self.selects = outermost;
        let items = self.from(list(query, "from_clause"), env)?;
        let level = Level {
            outer: env.level,
            parts: items.iter().collect(),
        };
        let env = Env {
            level: Some(&level),
            ..env
        };
        match query.get("where_clause") {
            condition if outermost => self.selection(condition, env, "WHERE goes by")?,
            condition => self.condition(condition, env, "WHERE goes by")?,
        }
        let outputs = self.targets(list(query, "target_list"), env, used)?;
        for group in list(query, "group_clause") {
            self.placed(group, env, &outputs, "GROUP BY goes by")?;
        }
        self.condition(query.get("having_clause"), env, "HAVING goes by")?;
        self.condition(query.get("window_clause"), env, "a window goes by")?;
        match list(query, "distinct_clause") {
            [] => {}
            // `DISTINCT` alone is a list of one empty node.
            [only] if only.get("node").is_some_and(Json::is_null) => self.clean(&outputs, "DISTINCT compares")?,
            on => {
                for one in on {
                    self.placed(one, env, &outputs, "DISTINCT ON compares")?;
                }
            }
        }
        self.sorted(query, env, &outputs)?;
        Ok(outputs)
    }

    /// The columns of a list of targets, of a `SELECT` or of `RETURNING`.
    pub(super) fn targets(&mut self, targets: &[Json], env: Env<'_>, used: Used) -> Proof<Outputs> {
        let mut outputs = Outputs::default();
        for target in targets {
            self.enter()?;
            let Some(("ResTarget", fields)) = target.as_object().and_then(tagged) else {
                return Err("an output is not understood".to_owned());
            };
            let value = fields.get("val").and_then(|value| tagged(value.as_object()?));
            let (kind, inner) = value.ok_or("an output is not understood")?;
            let given = text(fields, "name");
            match kind {
                "ColumnRef" => match resolve(env.level, &reference(inner))? {
                    Found::Star(star) => {
                        if used == Used::Inside {
                            self.clean(&star, "an expression goes by a star with")?;
                        }
                        outputs.open |= star.open;
                        outputs.shifting |= star.shifting;
                        outputs.columns.extend(star.columns);
                    }
                    Found::Column(value) if used != Used::Inside || !value.is_masked() => {
                        let name = given.or_else(|| reference(inner).pop().flatten());
                        outputs.columns.push(Output { name, value });
                    }
                    Found::Column(_) | Found::Row(_) => {
                        let name = given.or_else(|| reference(inner).pop().flatten());
                        outputs.columns.push(self.computed(fields, name, env)?);
                    }
                },
                // A row whose columns are not known.
                "AIndirection" if list(inner, "indirection").iter().any(is_star) => {
                    self.condition(fields.get("val"), env, "a star stands for a row with")?;
                    outputs.open = true;
                }
                "SubLink" => outputs.columns.push(self.scalar(fields, inner, given, env, used)?),
                _ => {
                    let name = given.or_else(|| super::naming::name(kind, inner));
                    outputs.columns.push(self.computed(fields, name, env)?);
                }
            }
            self.leave();
        }
        Ok(outputs)
    }

    fn computed(&mut self, target: &Object, name: Option<String>, env: Env<'_>) -> Proof<Output> {
        let value = target.get("val").unwrap_or(&Json::Null);
        let masked = self.expression(value, env, Mode::Withhold)?;
        let value = Value::computed(masked);
        Ok(Output { name, value })
    }

    /// A query in the place of a value is that value.
    fn scalar(
        &mut self,
        target: &Object,
        sublink: &Object,
        given: Option<String>,
        env: Env<'_>,
        used: Used,
    ) -> Proof<Output> {
        let kind = sublink.get("sub_link_type").and_then(Json::as_i64);
        let alone = kind == Some(i64::from(i32::from(pg_query::protobuf::SubLinkType::ExprSublink)));
        let query = sublink.get("subselect").and_then(query_of).filter(|_| alone);
        let name = given.or_else(|| super::naming::name("SubLink", sublink));
        let Some(query) = query.filter(|query| !is_withheld(query)) else {
            return self.computed(target, name, env);
        };
        let outputs = self.query(query, env, used)?;
        match outputs.columns.as_slice() {
            [one] if !outputs.open => {
                let mut value = one.value.clone();
                value.shown = None;
                Ok(Output { name, value })
            }
            _ => Err("a query in the place of a value has not one column".to_owned()),
        }
    }

    fn values(&mut self, query: &Object, env: Env<'_>, used: Used) -> Proof<Outputs> {
        let mut all: Option<Outputs> = None;
        for row in list(query, "values_lists") {
            let items = match row.as_object().and_then(tagged) {
                Some(("List", fields)) => list(fields, "items"),
                _ => return Err("a row of VALUES is not understood".to_owned()),
            };
            let target = |(place, item): (usize, &Json)| {
                let name = format!("column{}", place + 1);
                serde_json::json!({ "node": { "ResTarget": { "name": name, "val": item } } })
            };
            let targets: Vec<Json> = items.iter().enumerate().map(target).collect();
            let row = self.targets(&targets, env, used)?;
            all = Some(match all {
                Some(all) => merged(all, row)?,
                None => row,
            });
        }
        Ok(all.unwrap_or_default())
    }

    /// A set operation that compares its rows does so by clean columns alone.
    fn kept(&self, query: &Object, outputs: &Outputs) -> Proof<()> {
        let union = Some(i64::from(i32::from(SetOperation::SetopUnion)));
        let all = query.get("all").and_then(Json::as_bool).unwrap_or_default();
        if all && query.get("op").and_then(Json::as_i64) == union {
            return Ok(());
        }
        self.clean(outputs, "a set operation compares (UNION ALL does not)")
    }

    fn sorted(&mut self, query: &Object, env: Env<'_>, outputs: &Outputs) -> Proof<()> {
        for sort in list(query, "sort_clause") {
            let by = sort.as_object().and_then(tagged).and_then(|(_, sort)| sort.get("node"));
            self.placed(by.unwrap_or(sort), env, outputs, "ORDER BY goes by")?;
        }
        Ok(())
    }

    /// What a row is sorted or grouped by: a position, the name of an output, or an expression. Where it could be both an
    /// output and a column, it must be clean as both.
    fn placed(&mut self, node: &Json, env: Env<'_>, outputs: &Outputs, what: &'static str) -> Proof<()> {
        let Some((kind, fields)) = node.as_object().and_then(tagged) else {
            return Err("a clause is not understood".to_owned());
        };
        match kind {
            "AConst" => {
                let place = fields
                    .get("val")
                    .and_then(|value| value.get("Ival")?.get("ival")?.as_u64());
                let place = place.and_then(|place| usize::try_from(place).ok()?.checked_sub(1));
                if outputs.open || outputs.shifting {
                    return self.clean(outputs, what);
                }
                match place.and_then(|place| outputs.columns.get(place)) {
                    Some(output) => self.clean_value(&output.value, what),
                    None => self.clean(outputs, what),
                }
            }
            "GroupingSet" => {
                let mut content = list(fields, "content").iter();
                content.try_for_each(|one| self.placed(one, env, outputs, what))
            }
            "RowExpr" => {
                let mut content = list(fields, "args").iter();
                content.try_for_each(|one| self.placed(one, env, outputs, what))
            }
            "ColumnRef" => {
                let reference = reference(fields);
                let same = |output: &&Output| match reference.as_slice() {
                    [Some(name)] => output.name.as_ref() == Some(name),
                    _ => false,
                };
                let named = Outputs {
                    columns: outputs.columns.iter().filter(same).cloned().collect(),
                    ..Outputs::default()
                };
                self.clean(&named, what)?;
                if !named.columns.is_empty() && resolve(env.level, &reference).is_err() {
                    return Ok(());
                }
                self.condition(Some(node), env, what)
            }
            _ => self.condition(Some(node), env, what),
        }
    }

    /// Proves that no column is masked.
    pub(super) fn clean(&self, outputs: &Outputs, what: &str) -> Proof<()> {
        let mut columns = outputs.columns.iter();
        columns.try_for_each(|column| self.clean_value(&column.value, what))
    }

    fn clean_value(&self, value: &Value, what: &str) -> Proof<()> {
        match value.masked.first() {
            None => Ok(()),
            Some(first) => Err(format!("{what} the masked column {}", self.resource(*first))),
        }
    }

    /// The expressions of a `WITH`, around those that stand here already.
    pub(super) fn with<'s>(&mut self, with: Option<&Json>, env: Env<'s>) -> Proof<Option<Ctes<'s>>> {
        let Some(with) = with.and_then(Json::as_object) else {
            return Ok(None);
        };
        let recursive = with.get("recursive").and_then(Json::as_bool).unwrap_or(true);
        let mut ctes = Ctes {
            outer: env.ctes,
            named: Vec::new(),
        };
        let all = list(with, "ctes");
        let fields = |cte: &Json| Some(tagged(cte.as_object()?)?.1.clone());
        let all: Vec<Object> = all.iter().filter_map(fields).collect();
        let name = |cte: &Object| text(cte, "ctename").unwrap_or_default();
        if recursive {
            // A name that stands further on is not the relation of that name.
            ctes.named = all.iter().map(|cte| (name(cte), Expression::Later)).collect();
        }
        for cte in &all {
            let outputs = self.cte(cte, &name(cte), recursive, env, &ctes)?;
            let done = Expression::Known(Rc::new(outputs));
            match ctes.named.iter_mut().find(|(known, _)| *known == name(cte)) {
                Some((_, place)) => *place = done,
                None => ctes.named.push((name(cte), done)),
            }
        }
        Ok(Some(ctes))
    }

    fn cte(&mut self, cte: &Object, name: &str, recursive: bool, env: Env<'_>, ctes: &Ctes<'_>) -> Proof<Outputs> {
        let inner = Env {
            ctes: Some(ctes),
            ..env
        };
        let names = strings(cte, "aliascolnames");
        let body = cte.get("ctequery").unwrap_or(&Json::Null);
        let (kind, fields) = body
            .as_object()
            .and_then(tagged)
            .ok_or("an expression of WITH is not understood")?;
        let outputs = match kind {
            "SelectStmt" if recursive => self.recursive(fields, name, &names, inner)?,
            "SelectStmt" => self.query(fields, inner, Used::Passed)?,
            _ => self.change(kind, fields, inner)?,
        };
        let mut outputs = outputs.renamed(&names)?;
        for (clause, what) in [("search_clause", "SEARCH goes by"), ("cycle_clause", "CYCLE goes by")] {
            if cte.get(clause).is_some_and(|clause| !clause.is_null()) {
                self.clean(&outputs, what)?;
                outputs.open = true;
            }
        }
        Ok(outputs)
    }

    /// A query that may name itself: what its columns come from grows until it stays the same.
    fn recursive(&mut self, query: &Object, name: &str, names: &[String], env: Env<'_>) -> Proof<Outputs> {
        let operation = query.get("op").and_then(Json::as_i64);
        let union = operation == Some(i64::from(i32::from(SetOperation::SetopUnion)));
        if !union || query.get("with_clause").is_some_and(|with| !with.is_null()) {
            return self.query(query, env, Used::Passed);
        }
        let [left, right] = arms(query)?;
        let mut outputs = self.query(left, env, Used::Passed)?;
        for _ in 0..PASSES_MAX {
            let so_far = Rc::new(outputs.clone().renamed(names)?);
            let own = Ctes {
                outer: env.ctes,
                named: vec![(name.to_owned(), Expression::Known(so_far))],
            };
            let inner = Env {
                ctes: Some(&own),
                ..env
            };
            let next = merged(outputs.clone(), self.query(right, inner, Used::Passed)?)?;
            if next == outputs {
                self.kept(query, &outputs)?;
                self.sorted(query, env, &outputs)?;
                self.condition(query.get("limit_count"), env, "LIMIT goes by")?;
                self.condition(query.get("limit_offset"), env, "OFFSET goes by")?;
                return Ok(outputs);
            }
            outputs = next;
        }
        Err("a recursive query does not settle".to_owned())
    }
}

/// Columns of a set operation, by position; names are those of the first arm.
fn merged(left: Outputs, right: Outputs) -> Proof<Outputs> {
    let open = left.open || right.open;
    let any = |outputs: &Outputs| outputs.columns.iter().any(|column| column.value.is_masked());
    if open && (any(&left) || any(&right)) {
        return Err("a set operation has columns of which not all are known; name them".to_owned());
    }
    let shifting = left.shifting || right.shifting;
    if shifting && (any(&left) || any(&right)) {
        return Err(
            "a set operation takes columns by their places in a relation, which can change; name them instead of *"
                .to_owned(),
        );
    }
    if !open && left.columns.len() != right.columns.len() {
        return Err("the parts of a set operation have other numbers of columns".to_owned());
    }
    let mut right = right.columns.into_iter();
    let columns = left.columns.into_iter().map(|column| {
        let other = right.next().map(|other| other.value);
        Output {
            name: column.name,
            value: column.value.or(other.unwrap_or_default()),
        }
    });
    Ok(Outputs {
        columns: columns.collect(),
        open,
        shifting,
    })
}

fn arms(query: &Object) -> Proof<[&Object; 2]> {
    let arm = |name: &str| query.get(name).and_then(Json::as_object);
    match (arm("larg"), arm("rarg")) {
        (Some(left), Some(right)) => Ok([left, right]),
        _ => Err("a set operation is not understood".to_owned()),
    }
}

/// The items of a list; none where there is no list.
pub(super) fn list<'n>(fields: &'n Object, name: &str) -> &'n [Json] {
    fields.get(name).and_then(Json::as_array).map_or(&[], Vec::as_slice)
}

fn filled(fields: &Object, name: &str) -> bool {
    !list(fields, name).is_empty()
}

fn is_star(node: &Json) -> bool {
    matches!(node.as_object().and_then(tagged), Some(("AStar", _)))
}
