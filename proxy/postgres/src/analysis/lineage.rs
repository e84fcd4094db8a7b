//! Whether masks are sure to reach every masked column of a statement's reply: the proof of [`super`], rule by rule.
//!
//! | rule | where |
//! | --- | --- |
//! | 1, 2: kinds of statements, and what they name | `kinds` |
//! | 3: relations, and where their columns come from | `relations`, `sources` |
//! | 4: each output is clean, a masked column itself, or computed from masked ones | `query`, `from`, `change` |
//! | 4: conditions go by clean columns; expressions are withheld | `expression` |
//! | 4: probes, where the policy lets values be tried | `selection` |
//! | 4: what a name means | `columns`, `naming` |
//!
//! Not here: which mask a column gets (the reply, by the policy), and the text for the server ([`super::edits`]).

mod change;
mod columns;
mod expression;
mod from;
mod kinds;
mod naming;
mod query;
mod relations;
mod selection;
mod sources;

use std::rc::Rc;
use std::sync::Arc;

use pg_query::NodeEnum;
use pg_query::protobuf::{AlterTableType, Node};
use serde_json::Value as Json;

pub(crate) use self::columns::Output;
use self::columns::{ColumnId, Level, Outputs, Proof};
use self::query::Used;
use self::relations::Masks;
use self::sources::Sources;
use super::edits::{Estimates, Withheld};
use super::kind::{Form, Views};
use super::probe::Probe;
use super::tree::{Place, Tree, strings, tagged};
use super::{Columns, Names};
use crate::catalog::RelationKind;

/// Nodes inside of nodes at the most, as the walk counts them. Trees come with a hundred messages inside of each other at
/// the most (prost), and each counts twice at the most; people nest a dozen.
const DEPTH_MAX: usize = 200;

/// Nodes that are looked at for one statement at the most, all passes over recursive queries counted: the longest
/// statement has a tenth of them, and work on it stays below some hundred milliseconds.
const STEPS_MAX: usize = 500_000;

/// What is proven of a statement.
#[derive(Default)]
pub(super) struct Lineage {
    /// The columns of its reply; `None` where the server's own origins say all: it names no relation with masked columns,
    /// or gives no rows.
    pub(super) outputs: Option<Arc<[Output]>>,
    /// What the text for the server does not have.
    pub(super) withheld: Withheld,
    /// Its comparisons of masked columns with constants, which the policy allows.
    pub(super) probes: Vec<Probe>,
}

/// Proves that masks reach every masked column of a statement's reply. `serialized` is the serialized `node`.
///
/// # Errors
/// Why it is not proven. The reason names kinds and names of the catalog, never a value.
pub(super) fn prove(
    form: &Form,
    node: &Node,
    serialized: &Json,
    tree: &Tree,
    names: &Names<'_>,
    columns: &Columns<'_>,
) -> Proof<Lineage> {
    let statement = node.node.as_ref().ok_or("the statement is empty")?;
    let sources = Sources::new(names.catalog, columns.masked);
    let unproven = kinds::form_unproven(form, statement)
        .or_else(|| kinds::named_unproven(form, tree, names))
        .or_else(|| relations::relations_unproven(tree, names, &sources));
    if let Some(cause) = unproven {
        return Err(cause);
    }
    let masks = Masks::of(tree, names, &sources);
    if masks.ranges.is_empty() {
        return Ok(Lineage::default());
    }
    let mut prover = Prover {
        names,
        sources: &sources,
        withheld: Withheld::default(),
        probed: columns.probed,
        outermost: match statement {
            NodeEnum::SelectStmt(_) => true,
            NodeEnum::CopyStmt(copy) => !copy.is_from,
            _ => false,
        },
        selects: false,
        probes: Vec::new(),
        depth: 0,
        steps: 0,
    };
    let outputs = prover.statement(statement, serialized, tree, &masks)?;
    prover.parameters_stand_alone(serialized)?;
    Ok(Lineage {
        probes: prover.probes,
        outputs: outputs.map(|outputs| outputs.columns.into()),
        withheld: prover.withheld,
    })
}

/// Whether anything that a statement names may hand out content of relations that it does not name: rules 2 and 3, but for the
/// relations themselves.
pub(super) fn unproven(form: &Form, tree: &Tree, names: &Names<'_>) -> bool {
    kinds::named_unproven(form, tree, names).is_some() || relations::leaking(tree, names).is_some()
}

/// Whether a statement names a relation with masked columns.
pub(super) fn touches(tree: &Tree, names: &Names<'_>, masked: &dyn Fn(&str) -> bool) -> bool {
    let sources = Sources::new(names.catalog, masked);
    !Masks::of(tree, names, &sources).ranges.is_empty()
}

/// The views that a statement reads.
pub(super) fn views(tree: &Tree, names: &Names<'_>, masked: &dyn Fn(&str) -> bool) -> Views {
    let sources = Sources::new(names.catalog, masked);
    let ranges = tree.ranges.iter();
    let relations = ranges.flat_map(|range| relations::candidates(names, range.schema.as_deref(), &range.name));
    let views = relations.map(|relation| match relation.kind {
        // What the server came with does not change.
        _ if sources::is_system(relation) => Views::None,
        RelationKind::View if sources.hidden(relation).is_empty() => Views::Clean,
        RelationKind::View => Views::Masked,
        _ => Views::None,
    });
    views.max().unwrap_or_default()
}

/// A proof under way.
struct Prover<'a> {
    names: &'a Names<'a>,
    sources: &'a Sources<'a>,
    withheld: Withheld,
    /// Whether the policy lets values be tried on a masked column.
    probed: &'a dyn Fn(&str) -> bool,
    /// The next query is the outermost one of a `SELECT`, or of a `COPY` of one, the only one whose rows may go by probes.
    outermost: bool,
    /// The next item of `FROM` is one of that query, and no outer join stands around it.
    selects: bool,
    probes: Vec<Probe>,
    depth: usize,
    steps: usize,
}

/// What can be named at a place.
#[derive(Clone, Copy)]
struct Env<'s> {
    level: Option<&'s Level<'s>>,
    ctes: Option<&'s Ctes<'s>>,
}

/// Expressions of a `WITH`, and of those around it.
struct Ctes<'s> {
    outer: Option<&'s Ctes<'s>>,
    named: Vec<(String, Expression)>,
}

/// An expression of a `WITH`.
enum Expression {
    /// It stands further on.
    Later,
    Known(Rc<Outputs>),
}

impl<'s> Ctes<'s> {
    fn find(ctes: Option<&'s Self>, name: &str) -> Option<&'s Expression> {
        let mut around = std::iter::successors(ctes, |ctes| ctes.outer);
        around
            .find_map(|ctes| ctes.named.iter().find(|(known, _)| known == name))
            .map(|(_, expression)| expression)
    }
}

impl Prover<'_> {
    /// Goes one node deeper, within the limits.
    fn enter(&mut self) -> Proof<()> {
        self.depth += 1;
        self.steps += 1;
        if self.depth > DEPTH_MAX || self.steps > STEPS_MAX {
            return Err("the statement is too deep or too long to follow its columns; send it in parts".to_owned());
        }
        Ok(())
    }

    fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    fn resource(&self, (relation, attribute): ColumnId) -> String {
        self.names.catalog.resource(relation, attribute).unwrap_or_default()
    }

    /// The columns of the reply of a statement that names masked columns.
    fn statement(
        &mut self,
        statement: &NodeEnum,
        serialized: &Json,
        tree: &Tree,
        masks: &Masks<'_>,
    ) -> Proof<Option<Outputs>> {
        if tree.renames_old_new {
            return Err("OLD or NEW gets another name".to_owned());
        }
        if tree.keys.iter().any(|name| masks.could_be(name)) {
            return Err("a key names a masked column".to_owned());
        }
        let first = masks.ranges.first().map(|masked| self.names.resource(masked.range));
        let refused = |what: &str| Err(format!("{what} with masked columns of {}", first.unwrap_or_default()));
        match statement {
            NodeEnum::SelectStmt(_)
            | NodeEnum::InsertStmt(_)
            | NodeEnum::UpdateStmt(_)
            | NodeEnum::DeleteStmt(_)
            | NodeEnum::MergeStmt(_) => self.rows(serialized),
            NodeEnum::CreateTableAsStmt(_) => {
                self.inside(serialized, "query", |prover, query| {
                    let outputs = prover.rows(query)?.unwrap_or_default();
                    prover.clean(&outputs, "a copy would have no mask of")
                })?;
                Ok(None)
            }
            NodeEnum::ExplainStmt(explain) => {
                self.withheld.estimates = explained(explain)?;
                self.inside(serialized, "query", |prover, query| prover.rows(query).map(|_| ()))?;
                Ok(None)
            }
            // What they give out is that of the statement inside, when its name is run.
            NodeEnum::PrepareStmt(_) | NodeEnum::DeclareCursorStmt(_) => {
                self.inside(serialized, "query", |prover, query| prover.rows(query).map(|_| ()))?;
                Ok(None)
            }
            NodeEnum::CopyStmt(copy) if copy.query.is_some() => {
                let mut outputs = None;
                self.inside(serialized, "query", |prover, query| {
                    outputs = prover.rows(query)?;
                    Ok(())
                })?;
                Ok(outputs)
            }
            // Rows that go in are values, as those of an `INSERT`; a condition on them could compare.
            NodeEnum::CopyStmt(copy) if copy.is_from => match &copy.where_clause {
                None => Ok(None),
                Some(_) => Err("COPY compares masked columns".to_owned()),
            },
            NodeEnum::CopyStmt(_) => self.copied(serialized).map(Some),
            NodeEnum::TruncateStmt(_)
            | NodeEnum::LockStmt(_)
            | NodeEnum::VacuumStmt(_)
            | NodeEnum::ReindexStmt(_)
            | NodeEnum::ClusterStmt(_)
            | NodeEnum::CommentStmt(_)
            | NodeEnum::GrantStmt(_)
            | NodeEnum::DropStmt(_) => Ok(None),
            NodeEnum::IndexStmt(_) => definition(tree, masks),
            NodeEnum::CreateStmt(_) => {
                let keys = |masked: &relations::Masked<'_>| masked.range.place == Place::ForeignKey;
                if masks.ranges.iter().all(keys) {
                    definition(tree, masks)
                } else {
                    refused("a relation is defined")
                }
            }
            NodeEnum::AlterTableStmt(alter) => {
                if alter.cmds.iter().all(alteration) {
                    definition(tree, masks)
                } else {
                    refused("a definition is altered")
                }
            }
            _ => refused("a statement of this kind is not taken"),
        }
    }

    /// The columns of a query or of a statement that changes rows; `None` where it gives none.
    fn rows(&mut self, node: &Json) -> Proof<Option<Outputs>> {
        let (kind, fields) = node
            .as_object()
            .and_then(tagged)
            .ok_or("the statement is not understood")?;
        let env = Env {
            level: None,
            ctes: None,
        };
        let given = |name: &str| fields.get(name).is_some_and(|value| !value.is_null());
        if kind != "SelectStmt" {
            let outputs = self.change(kind, fields, env)?;
            return Ok(given("returning_clause").then_some(outputs));
        }
        let outputs = self.query(fields, env, Used::Passed)?;
        if given("into_clause") {
            self.clean(&outputs, "a copy would have no mask of")?;
            return Ok(None);
        }
        if outputs.open {
            self.clean(&outputs, "a star stands for columns that are not known, beside")?;
            return Ok(None);
        }
        Ok(Some(outputs))
    }

    fn inside(
        &mut self,
        serialized: &Json,
        field: &str,
        then: impl FnOnce(&mut Self, &Json) -> Proof<()>,
    ) -> Proof<()> {
        let inner = || tagged(serialized.as_object()?)?.1.get(field);
        then(self, inner().ok_or("the statement inside is not understood")?)
    }

    /// The columns of a relation that `COPY` gives out: the ones that it names, or all that are not generated.
    fn copied(&self, serialized: &Json) -> Proof<Outputs> {
        let fields = || Some(tagged(serialized.as_object()?)?.1);
        let fields = fields().ok_or("COPY is not understood")?;
        let relation = fields.get("relation").and_then(Json::as_object);
        let relation = relation.ok_or("what COPY gives out is not understood")?;
        let entry = self.relation(relation)?;
        let known = self.found(relation).ok_or("what COPY gives out is not known")?;
        let wanted: Vec<String> = strings(fields, "attlist");
        let generated = |name: &str| {
            let mut numbers = known.generated.keys();
            numbers.any(|number| known.columns.get(number).is_some_and(|column| column.name == name))
        };
        let mut columns = entry.outputs.columns;
        if wanted.is_empty() {
            columns.retain(|column| column.name.as_deref().is_none_or(|name| !generated(name)));
        } else {
            let named = |name: &String| {
                let found = columns.iter().find(|column| column.name.as_ref() == Some(name));
                found
                    .cloned()
                    .ok_or_else(|| format!("{name} is no column that is known here"))
            };
            columns = wanted.iter().map(named).collect::<Proof<Vec<Output>>>()?;
        }
        Ok(Outputs {
            columns,
            ..Outputs::default()
        })
    }
}

/// What has to be done so that a plan shows no estimates: they come from statistics, those of masked columns among them. The
/// last of several options of one name holds (`ExplainQuery`).
fn explained(explain: &pg_query::protobuf::ExplainStmt) -> Proof<Option<Estimates>> {
    let mut shown = true;
    for option in &explain.options {
        let Some(NodeEnum::DefElem(option)) = &option.node else {
            return Err("an option of EXPLAIN is not understood".to_owned());
        };
        match option.defname.as_str() {
            "costs" => shown = !is_off(option),
            "format" => {}
            name => return Err(format!("EXPLAIN with the option {name} over masked columns")),
        }
    }
    let own = if explain.options.is_empty() {
        Estimates::WithoutOptions
    } else {
        Estimates::AfterOptions
    };
    Ok(shown.then_some(own))
}

/// Whether an option is switched off by the word for it.
pub(super) fn is_off(option: &pg_query::protobuf::DefElem) -> bool {
    let argument = option.arg.as_ref().and_then(|argument| argument.node.as_ref());
    matches!(argument, Some(NodeEnum::String(word)) if word.sval == "off")
}

/// A definition names no masked column, and no row with one.
fn definition(tree: &Tree, masks: &Masks<'_>) -> Proof<Option<Outputs>> {
    let whole = |reference: &Vec<Option<String>>| match reference.as_slice() {
        [.., None] => true,
        [Some(name)] => masks.is_row(name),
        _ => false,
    };
    if tree.names.iter().any(|name| masks.could_be(name)) || tree.references.iter().any(whole) {
        return Err("a definition names a masked column".to_owned());
    }
    Ok(None)
}

/// Alterations that neither read columns nor change whose they are.
fn alteration(command: &Node) -> bool {
    use AlterTableType as Kind;
    let Some(NodeEnum::AlterTableCmd(command)) = &command.node else {
        return false;
    };
    matches!(
        command.subtype(),
        Kind::AtAddColumn
            | Kind::AtDropColumn
            | Kind::AtColumnDefault
            | Kind::AtSetNotNull
            | Kind::AtDropNotNull
            | Kind::AtSetStatistics
            | Kind::AtSetStorage
            | Kind::AtAddConstraint
            | Kind::AtDropConstraint
            | Kind::AtValidateConstraint
            | Kind::AtChangeOwner
            | Kind::AtSetRelOptions
            | Kind::AtResetRelOptions
            | Kind::AtEnableRowSecurity
            | Kind::AtForceRowSecurity
    )
}
