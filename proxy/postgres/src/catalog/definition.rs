//! What a view shows: which columns each of its own comes from, and which columns its rows go by.
//!
//! Read from the server's own tree of the view's query (`pg_rewrite.ev_action`). In it every name is a number already, so that
//! nothing hangs on a search path or on how text is read, and it is a row of the catalogs like all others: it comes in the
//! session's own snapshot, asking for it cannot fail (`pg_get_viewdef` fails on what another session drops meanwhile, and
//! would end the agent's transaction), and its version is a part of the state of the definitions.
//!
//! It says nothing of masks, which are the policy's: columns are those that the query names, of views among them.
//!
//! What the tree has that is not known here makes the whole view unknown. Not here: the text of trees ([`super::node_tree`]),
//! and what may be done with a view ([`crate::analysis`]).

mod total;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use self::total::is_total;
use super::node_tree::{Node, Value, read};

/// A column of a relation: the relation's number, and the number of the attribute; zero is the whole row, and less than zero a
/// system column.
pub(crate) type ColumnId = (u32, i16);

/// Nodes that are looked at for one view at the most, the way from names to columns counted.
const STEPS_MAX: usize = 500_000;

/// Steps from one node to the next at the most, queries inside of queries counted.
const DEPTH_MAX: usize = 400;

/// What a view shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Definition {
    /// Where each column comes from, by attribute number.
    pub(crate) outputs: BTreeMap<i16, Source>,
    /// Columns that select, join, group, sort, compare or count its rows.
    pub(crate) conditions: BTreeSet<ColumnId>,
    /// Columns from which something is computed that may fail, or of which that is not known.
    pub(crate) fallible: BTreeSet<ColumnId>,
}

/// Where a column comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Source {
    /// The columns that it depends on.
    pub(crate) columns: BTreeSet<ColumnId>,
    /// Whether it is, in every row, the value of one of them or NULL.
    pub(crate) bare: bool,
}

impl Definition {
    /// Reads the tree of a view; `None` where it is not understood.
    pub(super) fn of(tree: &str) -> Option<Self> {
        let Value::List(queries) = read(tree)? else {
            return None;
        };
        let [Value::Node(query)] = queries.as_slice() else {
            return None;
        };
        let mut reader = Reader::default();
        reader.visit(query, None)?;
        let scope = Scope::of(query, None)?;
        let mut outputs = BTreeMap::new();
        for target in targets(query)? {
            if target.word("resjunk")? == "false" {
                let number = target.number("resno")?;
                outputs.insert(number, reader.output(&scope, number)?);
            }
        }
        Some(Self {
            outputs,
            conditions: reader.conditions,
            fallible: reader.fallible,
        })
    }
}

impl Source {
    fn or(mut self, other: Self) -> Self {
        self.columns.extend(other.columns);
        self.bare &= other.bare;
        self
    }
}

/// A query, and those around it.
#[derive(Clone, Copy)]
struct Scope<'s, 't> {
    outer: Option<&'s Scope<'s, 't>>,
    query: &'s Node<'t>,
    ranges: &'s [Value<'t>],
}

impl<'s, 't> Scope<'s, 't> {
    fn of(query: &'s Node<'t>, outer: Option<&'s Scope<'s, 't>>) -> Option<Self> {
        let known = query.kind == "QUERY" && query.word("commandType")? == "1";
        let plain = query.word("hasModifyingCTE")? == "false" && query.word("utilityStmt")? == "<>";
        let ranges = query.list("rtable")?;
        (known && plain).then_some(Self { outer, query, ranges })
    }

    fn up(&'s self, levels: usize) -> Option<&'s Scope<'s, 't>> {
        std::iter::successors(Some(self), |scope| scope.outer).nth(levels)
    }

    fn range(&self, number: usize) -> Option<&'s Node<'t>> {
        match self.ranges.get(number.checked_sub(1)?)? {
            Value::Node(range) if matches!(range.kind, "RTE" | "RANGETBLENTRY") => Some(range),
            _ => None,
        }
    }
}

/// What a name in `FROM` stands for (`RTEKind` of `parsenodes.h`).
fn kind<'t>(range: &Node<'t>) -> Option<&'t str> {
    range.word("rtekind")
}

const RELATION: &str = "0";
const SUBQUERY: &str = "1";
const JOIN: &str = "2";
const FUNCTION: &str = "3";
const TABLE_FUNCTION: &str = "4";
const VALUES: &str = "5";
const EXPRESSION: &str = "6";
const RESULT: &str = "8";
const GROUP: &str = "9";

/// Fields of a name in `FROM` by which it gives rows.
const GIVING_ROWS: [&str; 5] = ["functions", "tablefunc", "values_lists", "tablesample", "securityQuals"];

/// `UNION` among the set operations (`SetOperation` of `parsenodes.h`).
const UNION: &str = "1";

/// `EXISTS` among the queries in expressions (`SubLinkType` of `primnodes.h`).
const EXISTS: &str = "0";

/// A reading under way.
#[derive(Default)]
struct Reader {
    conditions: BTreeSet<ColumnId>,
    fallible: BTreeSet<ColumnId>,
    steps: Cell<usize>,
    depth: Cell<usize>,
}

/// The columns that an expression names.
#[derive(Default)]
struct Uses {
    columns: BTreeSet<ColumnId>,
    fallible: BTreeSet<ColumnId>,
}

impl Reader {
    /// Goes one step deeper, within the limits.
    fn step<T>(&self, then: impl FnOnce() -> Option<T>) -> Option<T> {
        let (steps, depth) = (self.steps.get() + 1, self.depth.get() + 1);
        self.steps.set(steps);
        if steps > STEPS_MAX || depth > DEPTH_MAX {
            return None;
        }
        self.depth.set(depth);
        let result = then();
        self.depth.set(depth - 1);
        result
    }

    /// Takes what a query, and those that it is made of, go by.
    fn visit(&mut self, query: &Node<'_>, outer: Option<&Scope<'_, '_>>) -> Option<()> {
        let scope = Scope::of(query, outer)?;
        for number in 1..=scope.ranges.len() {
            let range = scope.range(number)?;
            match kind(range)? {
                SUBQUERY => self.visit(range.node("subquery")?, Some(&scope))?,
                RELATION | JOIN | FUNCTION | TABLE_FUNCTION | VALUES | EXPRESSION | RESULT | GROUP => {}
                _ => return None,
            }
            self.goes_by(range, &GIVING_ROWS, &scope)?;
        }
        for expression in query.list("cteList")? {
            let Value::Node(expression) = expression else {
                return None;
            };
            let inner = expression.node("ctequery")?;
            self.visit(inner, Some(&scope))?;
            if expression.word("cterecursive")? != "false" {
                // What its columns come from is found by going round; so it has to be clean as a whole.
                let mut uses = Uses::default();
                self.uses(expression.one("ctequery")?, &scope, false, &mut uses)?;
                self.conditions.extend(uses.columns);
            }
        }
        let clauses = ["jointree", "havingQual", "limitOffset", "limitCount", "windowClause"];
        self.goes_by(query, &clauses, &scope)?;
        self.targets(query, &scope)
    }

    fn goes_by(&mut self, node: &Node<'_>, fields: &[&str], scope: &Scope<'_, '_>) -> Option<()> {
        let mut uses = Uses::default();
        let values = fields.iter().filter_map(|field| node.fields.get(field)).flatten();
        for value in values {
            self.uses(value, scope, false, &mut uses)?;
        }
        self.conditions.extend(uses.columns);
        Some(())
    }

    /// What the columns of a query go by: those that sort, group or compare rows, and those that make several of one.
    fn targets(&mut self, query: &Node<'_>, scope: &Scope<'_, '_>) -> Option<()> {
        let operations = query.one("setOperations")?;
        let keeps_all = keeps_all(operations);
        let gives_rows = query.word("hasTargetSRFs")? != "false";
        for target in targets(query)? {
            let compared = target.word("ressortgroupref")? != "0" || !keeps_all;
            if *operations != Value::Word("<>") {
                if compared {
                    let columns = self.output(scope, target.number("resno")?)?.columns;
                    self.conditions.extend(columns);
                }
                continue;
            }
            let mut uses = Uses::default();
            self.uses(target.one("expr")?, scope, true, &mut uses)?;
            self.fallible.extend(uses.fallible);
            if compared || (gives_rows && target.node("expr")?.kind != "VAR") {
                self.conditions.extend(uses.columns);
            }
        }
        Some(())
    }

    /// Where a column of a query comes from.
    fn output(&self, scope: &Scope<'_, '_>, number: i16) -> Option<Source> {
        self.step(|| match scope.query.one("setOperations")? {
            Value::Word("<>") => {
                let mut targets = targets(scope.query)?.into_iter();
                let target = targets.find(|target| target.number("resno") == Some(number))?;
                self.source(target.one("expr")?, scope)
            }
            operation => self.merged(operation, scope, number),
        })
    }

    /// Where a column of a set operation comes from.
    fn merged(&self, operation: &Value<'_>, scope: &Scope<'_, '_>, number: i16) -> Option<Source> {
        let Value::Node(node) = operation else { return None };
        self.step(|| match node.kind {
            "RANGETBLREF" => self.named(scope, node.number("rtindex")?, number),
            "SETOPERATIONSTMT" => {
                let left = self.merged(node.one("larg")?, scope, number)?;
                Some(left.or(self.merged(node.one("rarg")?, scope, number)?))
            }
            _ => None,
        })
    }

    /// Where an expression comes from: a column, or it is computed.
    fn source(&self, expression: &Value<'_>, scope: &Scope<'_, '_>) -> Option<Source> {
        match expression {
            Value::Node(node) if node.kind == "VAR" => self.variable(node, scope),
            _ => {
                let mut uses = Uses::default();
                self.uses(expression, scope, true, &mut uses)?;
                Some(Source {
                    columns: uses.columns,
                    bare: false,
                })
            }
        }
    }

    fn variable(&self, node: &Node<'_>, scope: &Scope<'_, '_>) -> Option<Source> {
        let scope = scope.up(node.number("varlevelsup")?)?;
        self.named(scope, node.number("varno")?, node.number("varattno")?)
    }

    /// Where a column of a name in `FROM` comes from.
    fn named(&self, scope: &Scope<'_, '_>, range: usize, number: i16) -> Option<Source> {
        let range = scope.range(range)?;
        let place = |number: i16| usize::try_from(number).ok()?.checked_sub(1);
        self.step(|| match kind(range)? {
            RELATION => Some(Source {
                columns: BTreeSet::from([(range.number("relid")?, number)]),
                bare: number > 0,
            }),
            SUBQUERY => self.column(&Scope::of(range.node("subquery")?, Some(scope))?, number),
            EXPRESSION => self.expression(scope, range, number),
            JOIN => self.source(range.list("joinaliasvars")?.get(place(number)?)?, scope),
            GROUP => self.source(range.list("groupexprs")?.get(place(number)?)?, scope),
            // What gives their rows is a condition.
            FUNCTION | TABLE_FUNCTION | VALUES | RESULT => Some(Source::default()),
            _ => None,
        })
    }

    /// A column of a query in `FROM`, or its whole row.
    fn column(&self, scope: &Scope<'_, '_>, number: i16) -> Option<Source> {
        if number != 0 {
            return self.output(scope, number);
        }
        let mut row = Source::default();
        for target in targets(scope.query)? {
            row = row.or(self.output(scope, target.number("resno")?)?);
        }
        Some(Source { bare: false, ..row })
    }

    /// A column of an expression of `WITH`. A recursive one is a condition as a whole.
    fn expression(&self, scope: &Scope<'_, '_>, range: &Node<'_>, number: i16) -> Option<Source> {
        let scope = scope.up(range.number("ctelevelsup")?)?;
        let name = range.word("ctename")?;
        let expression = scope
            .query
            .list("cteList")?
            .iter()
            .find_map(|expression| match expression {
                Value::Node(node) if node.word("ctename") == Some(name) => Some(node),
                _ => None,
            })?;
        if expression.word("cterecursive")? != "false" {
            return Some(Source::default());
        }
        self.column(&Scope::of(expression.node("ctequery")?, Some(scope))?, number)
    }

    /// The columns that something names, anywhere in it. `total` is whether nothing around it can fail.
    fn uses(&self, value: &Value<'_>, scope: &Scope<'_, '_>, total: bool, uses: &mut Uses) -> Option<()> {
        self.step(|| match value {
            Value::Word(_) => Some(()),
            Value::List(items) => items.iter().try_for_each(|item| self.uses(item, scope, total, uses)),
            Value::Node(node) => self.uses_of(node, scope, total, uses),
        })
    }

    fn uses_of(&self, node: &Node<'_>, scope: &Scope<'_, '_>, total: bool, uses: &mut Uses) -> Option<()> {
        match node.kind {
            "VAR" => {
                let columns = self.variable(node, scope)?.columns;
                if !total {
                    uses.fallible.extend(&columns);
                }
                uses.columns.extend(columns);
                Some(())
            }
            "QUERY" => self.all_of(node, &Scope::of(node, Some(scope))?, uses, &[]),
            "SUBLINK" if node.word("subLinkType")? == EXISTS => {
                // A star in it is never read.
                let query = node.node("subselect")?;
                let inner = Scope::of(query, Some(scope))?;
                for target in targets(query)? {
                    let plain = target.node("expr").is_some_and(|expression| expression.kind == "VAR");
                    if !plain || target.word("ressortgroupref")? != "0" {
                        self.uses(target.one("expr")?, &inner, false, uses)?;
                    }
                }
                self.all_of(query, &inner, uses, &["targetList"])
            }
            // Whichever of these columns is used is named by a variable, too.
            "RTE" | "RANGETBLENTRY" => self.all_of(node, scope, uses, &["joinaliasvars", "groupexprs"]),
            _ => {
                let total = total && is_total(node);
                let mut values = node.fields.values().flatten();
                values.try_for_each(|value| self.uses(value, scope, total, uses))
            }
        }
    }

    fn all_of(&self, node: &Node<'_>, scope: &Scope<'_, '_>, uses: &mut Uses, but: &[&str]) -> Option<()> {
        let fields = node.fields.iter().filter(|(name, _)| !but.contains(name));
        let mut values = fields.flat_map(|(_, values)| values);
        values.try_for_each(|value| self.uses(value, scope, false, uses))
    }
}

/// The columns of a query, with those that only sort it.
fn targets<'s, 't>(query: &'s Node<'t>) -> Option<Vec<&'s Node<'t>>> {
    let target = |value: &'s Value<'t>| match value {
        Value::Node(target) if matches!(target.kind, "TARGETENTRY") => Some(target),
        _ => None,
    };
    query.list("targetList")?.iter().map(target).collect()
}

/// Whether set operations keep all rows, and so compare none.
fn keeps_all(operations: &Value<'_>) -> bool {
    let Value::Node(node) = operations else { return true };
    let arms = ["larg", "rarg"].map(|arm| node.one(arm));
    match node.kind {
        "RANGETBLREF" => true,
        _ => {
            node.word("op") == Some(UNION)
                && node.word("all") == Some("true")
                && arms.into_iter().all(|arm| arm.is_some_and(keeps_all))
        }
    }
}

#[cfg(test)]
mod tests;
