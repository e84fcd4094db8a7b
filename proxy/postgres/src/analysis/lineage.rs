//! Whether masks are sure to reach every masked column of a statement's reply: the proof of [`super`], rule by rule.

use std::collections::BTreeSet;

use pg_query::NodeEnum;
use pg_query::protobuf::{AlterTableType, Node, ObjectType, SelectStmt, SetOperation, VariableSetKind};

use super::kind::{Form, StatementClass};
use super::tree::{Place, Range, Reference, Tree};
use super::{Names, access, known};
use crate::catalog::{Catalog, Relation, RelationKind};

/// Relations that are walked from one to the next at the most: views over views, trees of partitions.
const WALK_MAX: usize = 100_000;

/// Why the reply of a statement is not proven to be masked; `None` when it is.
///
/// The reason names kinds and names of the catalog, never a value.
pub(super) fn unproven(
    form: &Form,
    node: &Node,
    tree: &Tree,
    names: &Names<'_>,
    masked: &dyn Fn(&str) -> bool,
) -> Option<String> {
    let statement = node.node.as_ref()?;
    form_unproven(form, statement)
        .or_else(|| named_unproven(form, tree, names))
        .or_else(|| relations_unproven(tree, names, masked))
        .or_else(|| {
            let masks = Masks::of(tree, names, masked);
            if masks.ranges.is_empty() {
                return None;
            }
            touching_unproven(form, node, tree, names, &masks)
        })
}

/// Whether a statement names a relation with masked columns.
pub(super) fn touches(tree: &Tree, names: &Names<'_>, masked: &dyn Fn(&str) -> bool) -> bool {
    !Masks::of(tree, names, masked).ranges.is_empty()
}

/// Rule 1: the kind of statement.
fn form_unproven(form: &Form, statement: &NodeEnum) -> Option<String> {
    let refused = |what: &str| Some(format!("{what} can hand masked columns on"));
    match statement {
        NodeEnum::SelectStmt(_)
        | NodeEnum::InsertStmt(_)
        | NodeEnum::UpdateStmt(_)
        | NodeEnum::DeleteStmt(_)
        | NodeEnum::MergeStmt(_)
        | NodeEnum::CreateTableAsStmt(_)
        | NodeEnum::TruncateStmt(_)
        | NodeEnum::TransactionStmt(_)
        | NodeEnum::VariableShowStmt(_)
        | NodeEnum::DiscardStmt(_)
        | NodeEnum::ConstraintsSetStmt(_)
        | NodeEnum::LockStmt(_)
        | NodeEnum::VacuumStmt(_)
        | NodeEnum::ReindexStmt(_)
        | NodeEnum::ClusterStmt(_)
        | NodeEnum::CheckPointStmt(_)
        | NodeEnum::ClosePortalStmt(_)
        | NodeEnum::DeallocateStmt(_)
        // What is inside of these is proven as a statement of its own; names stand for what was proven when they were given.
        | NodeEnum::PrepareStmt(_)
        | NodeEnum::ExecuteStmt(_)
        | NodeEnum::DeclareCursorStmt(_)
        | NodeEnum::FetchStmt(_)
        // Payloads are the agent's own, and those of others are withheld.
        | NodeEnum::NotifyStmt(_)
        | NodeEnum::ListenStmt(_)
        | NodeEnum::UnlistenStmt(_)
        | NodeEnum::CreateStmt(_)
        | NodeEnum::CreateSeqStmt(_)
        | NodeEnum::AlterSeqStmt(_)
        | NodeEnum::CreateDomainStmt(_)
        | NodeEnum::CreateEnumStmt(_)
        | NodeEnum::AlterEnumStmt(_)
        | NodeEnum::CompositeTypeStmt(_)
        | NodeEnum::CommentStmt(_)
        | NodeEnum::DropStmt(_)
        | NodeEnum::AlterTableStmt(_)
        | NodeEnum::IndexStmt(_)
        | NodeEnum::CreateStatsStmt(_)
        | NodeEnum::AlterOwnerStmt(_)
        | NodeEnum::RefreshMatViewStmt(_)
        | NodeEnum::GrantStmt(_)
        | NodeEnum::AlterDefaultPrivilegesStmt(_) => None,
        NodeEnum::CopyStmt(_) if form.class == StatementClass::Copy => None,
        NodeEnum::ExplainStmt(explain) => {
            let inner = explain.query.as_ref().and_then(|query| query.node.as_ref());
            match inner {
                None | Some(NodeEnum::ExecuteStmt(_) | NodeEnum::DeclareCursorStmt(_)) => refused("EXPLAIN"),
                Some(inner) => form_unproven(form, inner),
            }
        }
        NodeEnum::CreateSchemaStmt(schema) if schema.schema_elts.is_empty() => None,
        NodeEnum::AlterObjectSchemaStmt(alter) if relation_kind(alter.object_type()) => None,
        NodeEnum::RenameStmt(rename) if relation_kind(rename.rename_type()) => None,
        NodeEnum::VariableSetStmt(set) => setting_unproven(set),
        _ => refused(&format!("a statement of the kind {}", form.kind)),
    }
}

/// Kinds of objects that are relations, or parts of one that carry no data. The name of the relation is in the statement.
fn relation_kind(kind: ObjectType) -> bool {
    matches!(
        kind,
        ObjectType::ObjectTable
            | ObjectType::ObjectColumn
            | ObjectType::ObjectIndex
            | ObjectType::ObjectSequence
            | ObjectType::ObjectView
            | ObjectType::ObjectMatview
            | ObjectType::ObjectTabconstraint
    )
}

fn setting_unproven(set: &pg_query::protobuf::VariableSetStmt) -> Option<String> {
    let name = set.name.to_ascii_lowercase().replace(' ', "_");
    let reset = matches!(
        set.kind(),
        VariableSetKind::VarReset | VariableSetKind::VarResetAll | VariableSetKind::VarSetDefault
    );
    let value = known::word(set).unwrap_or_default().to_ascii_lowercase();
    let proven = match name.as_str() {
        _ if reset => true,
        // Masks of dates read them as ISO 8601.
        "datestyle" => value.split(',').next().is_some_and(|style| style.trim() == "iso"),
        // Messages below these are not meant for clients and may show what the server works on.
        "client_min_messages" => matches!(value.as_str(), "notice" | "warning" | "error"),
        name => known::harmless_setting(name),
    };
    (!proven).then(|| "the setting is not known to be harmless".to_owned())
}

/// Rule 2: functions, operators, types, node kinds and relations of the system.
fn named_unproven(form: &Form, tree: &Tree, names: &Names<'_>) -> Option<String> {
    let effect = |resource: &String| {
        let name = resource.strip_prefix("pg_catalog.");
        name.is_some_and(known::effect_function)
    };
    if let Some(function) = access::called(tree, names).iter().find(|resource| !effect(resource)) {
        return Some(format!("the function {function} is not known to be harmless"));
    }
    let builtin_operator = |operator: &Vec<String>| match operator.as_slice() {
        [] => true,
        [name] => !names.catalog.interpreted_operator(name),
        [schema, _] => schema == "pg_catalog",
        _ => false,
    };
    if !tree.operators.iter().all(builtin_operator) {
        return Some("an operator is not the server's own".to_owned());
    }
    let harmless_type = |name: &Vec<String>| match name.as_slice() {
        [name] => known::builtin_type(name) || names.catalog.compiled_type(name.trim_start_matches('_')),
        [schema, name] if schema == "pg_catalog" => known::builtin_type(name) || name == "char",
        [_, name] => names.catalog.compiled_type(name.trim_start_matches('_')),
        _ => false,
    };
    if !tree.types.iter().all(harmless_type) {
        return Some("a type is not known to be harmless".to_owned());
    }
    if tree.foreign_sampling {
        return Some("a sampling method is not the server's own".to_owned());
    }
    // Statements inside of statements, other than queries, are not looked into.
    let nested = tree
        .kinds
        .iter()
        .filter(|kind| kind.ends_with("Stmt") && **kind != form.kind && !known::query_node(kind));
    let explained = |kind: &&String| form.class == StatementClass::Explain && kind.as_str() == "CreateTableAsStmt";
    let mut nested = nested;
    if nested.any(|kind| !explained(&kind)) {
        return Some("a statement stands inside of another one".to_owned());
    }
    let queries = matches!(
        form.class,
        StatementClass::Select
            | StatementClass::Insert
            | StatementClass::Update
            | StatementClass::Delete
            | StatementClass::Merge
    );
    if queries && !tree.kinds.iter().all(|kind| known::query_node(kind)) {
        return Some("a part of the statement is not known to be harmless".to_owned());
    }
    None
}

/// Rule 3: every relation is known, and none shows masked columns under another origin.
fn relations_unproven(tree: &Tree, names: &Names<'_>, masked: &dyn Fn(&str) -> bool) -> Option<String> {
    for range in &tree.ranges {
        let candidates = candidates(range, names);
        if range.place == Place::Made {
            continue;
        }
        if candidates.is_empty() {
            return Some(format!("the relation {} is not known", names.resource(range)));
        }
        let mut wrong = candidates
            .iter()
            .filter_map(|relation| wrong_origin(relation, names.catalog, masked));
        if let Some(cause) = wrong.next() {
            return Some(cause);
        }
        let system = |relation: &&Relation| matches!(relation.schema.as_str(), "pg_catalog" | "information_schema");
        let leaking = candidates
            .iter()
            .filter(|relation| system(relation) && relation.kind != RelationKind::Index)
            .find(|relation| !known::definition_relation(&relation.schema, &relation.name));
        if let Some(relation) = leaking {
            return Some(format!(
                "{} is not known to hold definitions alone",
                relation.resource()
            ));
        }
    }
    None
}

/// What a range may mean: where its schema is not given, any relation of its name outside of the system's schemas too, so
/// that a proof does not hang on the search path.
fn candidates<'a>(range: &'a Range, names: &'a Names<'_>) -> Vec<&'a Relation> {
    let resolved = names.relation(range);
    let mut candidates: Vec<&Relation> = resolved.into_iter().collect();
    if range.schema.is_none() {
        let own = resolved.map(|relation| relation.oid);
        let others = names
            .catalog
            .all_named(&range.name)
            .filter(|relation| Some(relation.oid) != own)
            .filter(|relation| !matches!(relation.schema.as_str(), "pg_catalog" | "information_schema"));
        candidates.extend(others);
    }
    candidates
}

/// Why the server would name another origin for masked columns that this relation shows.
fn wrong_origin(relation: &Relation, catalog: &Catalog, masked: &dyn Fn(&str) -> bool) -> Option<String> {
    let any_masked = |relation: &Relation| {
        let mut columns = relation.columns.values();
        columns.any(|column| masked(&relation.column_resource(&column.name)))
    };
    let unsure = || Some(format!("what {} depends on is not known", relation.resource()));
    // Views and rules: everything that they read, and what that reads, and so on.
    let mut waiting: Vec<u32> = relation.depends_on.iter().copied().collect();
    let mut seen = BTreeSet::new();
    if relation.calls_functions {
        return Some(format!(
            "{} calls functions that may read other relations",
            relation.resource()
        ));
    }
    while let Some(oid) = waiting.pop() {
        if oid == relation.oid || !seen.insert(oid) {
            continue;
        }
        let Some(used) = catalog.relation(oid).filter(|_| seen.len() <= WALK_MAX) else {
            return unsure();
        };
        let system = matches!(used.schema.as_str(), "pg_catalog" | "information_schema");
        let leaking = system && !known::definition_relation(&used.schema, &used.name);
        let own_system = matches!(relation.schema.as_str(), "pg_catalog" | "information_schema");
        if any_masked(used) || used.calls_functions || (leaking && !own_system) {
            return Some(format!("{} shows data of {}", relation.resource(), used.resource()));
        }
        // The system's own views are listed by name as a whole; what they are made of is not looked into.
        if !system {
            waiting.extend(used.depends_on.iter().chain(&used.parents));
            waiting.extend(catalog.children(used));
        }
    }
    // Inheritance and partitions: rows of children come under the parent's origin, and the child can be read alone.
    let mut waiting: Vec<(u32, bool)> = relation.parents.iter().map(|parent| (*parent, true)).collect();
    waiting.extend(catalog.children(relation).map(|child| (child, false)));
    let mut seen = BTreeSet::new();
    while let Some((oid, up)) = waiting.pop() {
        if !seen.insert(oid) {
            continue;
        }
        let Some(kin) = catalog.relation(oid).filter(|_| seen.len() <= WALK_MAX) else {
            return unsure();
        };
        for column in kin.columns.values() {
            let same_here = relation.has_column(&column.name) && !masked(&relation.column_resource(&column.name));
            if same_here && masked(&kin.column_resource(&column.name)) {
                return Some(format!("{} shows data of {}", relation.resource(), kin.resource()));
            }
        }
        if up {
            waiting.extend(kin.parents.iter().map(|parent| (*parent, up)));
        } else {
            waiting.extend(catalog.children(kin).map(|child| (child, up)));
        }
    }
    None
}

/// The relations of a statement that have masked columns.
struct Masks<'a> {
    ranges: Vec<Masked<'a>>,
    /// Names of columns that are masked in any of them.
    columns: BTreeSet<String>,
    masked: &'a dyn Fn(&str) -> bool,
}

struct Masked<'a> {
    range: &'a Range,
    relations: Vec<&'a Relation>,
}

impl<'a> Masks<'a> {
    fn of(tree: &'a Tree, names: &'a Names<'_>, masked: &'a dyn Fn(&str) -> bool) -> Self {
        let mut masks = Self {
            ranges: Vec::new(),
            columns: BTreeSet::new(),
            masked,
        };
        for range in tree.ranges.iter().filter(|range| range.place != Place::Made) {
            let relations = candidates(range, names);
            let columns: BTreeSet<String> = relations.iter().flat_map(|relation| hidden(relation, masked)).collect();
            if !columns.is_empty() {
                masks.columns.extend(columns);
                masks.ranges.push(Masked { range, relations });
            }
        }
        masks
    }

    /// Whether a name without qualifier could be a masked column, one that the catalog does not know yet included.
    fn could_be(&self, name: &str) -> bool {
        let mut relations = self.ranges.iter().flat_map(|masked| &masked.relations);
        self.columns.contains(name) || relations.any(|relation| (self.masked)(&relation.column_resource(name)))
    }

    /// Whether a name stands for a whole relation with masked columns.
    fn is_row(&self, name: &str) -> bool {
        let mut ranges = self.ranges.iter().map(|masked| masked.range);
        ranges.any(|range| {
            range.alias == name || (range.place == Place::Target && matches!(name, "old" | "new" | "excluded"))
        })
    }
}

/// Masked columns of a relation, and the ones that are generated from them.
fn hidden(relation: &Relation, masked: &dyn Fn(&str) -> bool) -> BTreeSet<String> {
    let is_masked = |name: &str| masked(&relation.column_resource(name));
    let mut hidden: BTreeSet<String> = relation
        .columns
        .values()
        .filter(|column| is_masked(&column.name))
        .map(|column| column.name.clone())
        .collect();
    hidden.extend(derived(relation, masked));
    hidden
}

/// Columns that are not masked themselves but generated from masked ones. A generated column cannot be made of another
/// generated one, so one step is all.
fn derived(relation: &Relation, masked: &dyn Fn(&str) -> bool) -> BTreeSet<String> {
    let name = |number: &i16| relation.columns.get(number).map(|column| column.name.as_str());
    let is_masked = |number: &i16| name(number).is_none_or(|name| masked(&relation.column_resource(name)));
    relation
        .generated
        .iter()
        .filter(|(number, sources)| !is_masked(number) && sources.iter().any(is_masked))
        .filter_map(|(number, _)| name(number).map(str::to_owned))
        .collect()
}

/// Rule 4: a statement that names relations with masked columns.
fn touching_unproven(form: &Form, node: &Node, tree: &Tree, names: &Names<'_>, masks: &Masks<'_>) -> Option<String> {
    let first = masks
        .ranges
        .first()
        .map(|masked| names.resource(masked.range))
        .unwrap_or_default();
    let refused = |what: &str| Some(format!("{what} with masked columns of {first}"));
    if let Some(generated) = masks
        .ranges
        .iter()
        .flat_map(|masked| &masked.relations)
        .find(|relation| !derived(relation, masks.masked).is_empty())
    {
        return refused(&format!(
            "{} has a column generated from masked ones",
            generated.resource()
        ));
    }
    match node.node.as_ref()? {
        NodeEnum::SelectStmt(_)
        | NodeEnum::InsertStmt(_)
        | NodeEnum::UpdateStmt(_)
        | NodeEnum::DeleteStmt(_)
        | NodeEnum::MergeStmt(_)
        | NodeEnum::IndexStmt(_)
        | NodeEnum::CreateTableAsStmt(_) => {}
        NodeEnum::TruncateStmt(_)
        | NodeEnum::LockStmt(_)
        | NodeEnum::VacuumStmt(_)
        | NodeEnum::ReindexStmt(_)
        | NodeEnum::ClusterStmt(_)
        | NodeEnum::CommentStmt(_)
        | NodeEnum::GrantStmt(_)
        | NodeEnum::DropStmt(_)
        // Proven by the statement inside of them.
        | NodeEnum::PrepareStmt(_)
        | NodeEnum::DeclareCursorStmt(_) => return None,
        NodeEnum::CopyStmt(copy) => {
            // Rows that go in are values, as those of an `INSERT`; a condition on them could compare.
            let compares = copy.is_from && copy.where_clause.is_some();
            return compares.then(|| "COPY compares masked columns".to_owned());
        }
        NodeEnum::CreateStmt(_) => {
            let keys = |masked: &Masked<'_>| masked.range.place == Place::ForeignKey;
            if !masks.ranges.iter().all(keys) {
                return refused("a relation is defined");
            }
        }
        NodeEnum::AlterTableStmt(alter) => {
            if !alter.cmds.iter().all(alteration) {
                return refused("a definition is altered");
            }
        }
        _ => return refused("a statement of this kind is not taken"),
    }
    if form.class == StatementClass::Ddl && tree.names.iter().any(|name| masks.could_be(name)) {
        return refused("a definition names a column");
    }
    query_unproven(node, tree, names, masks)
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

fn query_unproven(node: &Node, tree: &Tree, names: &Names<'_>, masks: &Masks<'_>) -> Option<String> {
    if tree.opaque_join {
        return Some("a join is NATURAL or has an alias".to_owned());
    }
    if let Some(range) = masks.ranges.iter().find(|masked| masked.range.renames_columns) {
        return Some(format!("columns of {} get other names", names.resource(range.range)));
    }
    if tree.renames_old_new {
        return Some("OLD or NEW gets another name".to_owned());
    }
    if tree.merged.iter().any(|name| masks.could_be(name)) {
        return Some("a join merges masked columns".to_owned());
    }
    let (bare, rest) = outputs(node);
    let whole;
    let rest = match &rest {
        Some(rest) => {
            whole = Tree::of(rest, StatementClass::Select);
            &whole
        }
        None => tree,
    };
    let mut sees_masked = false;
    let mut output_names = BTreeSet::new();
    for output in &bare {
        if let Some(cause) = output_unproven(output, tree, names, masks) {
            return Some(cause);
        }
        let last = output.reference.last().cloned().flatten();
        let shows = last.is_none_or(|name| masks.could_be(&name));
        sees_masked |= shows;
        if shows {
            output_names.extend(output.name.clone());
        }
    }
    if sees_masked && let Some(cause) = shaped(node) {
        return Some(cause);
    }
    let conflict = upsert(node);
    for reference in rest
        .references
        .iter()
        .filter(|reference| !conflict.contains(*reference))
    {
        if let Some(cause) = reference_unproven(reference, tree, names, masks, &output_names) {
            return Some(cause);
        }
    }
    // Keys of `ON CONFLICT` and of indexes are names, not references.
    let keys = tree.keys.iter().any(|name| masks.could_be(name));
    keys.then(|| "a key names a masked column".to_owned())
}

/// A bare output of the top-level `SELECT`.
struct Output {
    reference: Reference,
    /// The name that the statement gives it.
    name: Option<String>,
}

/// The bare outputs of the one plain top-level `SELECT`, and the statement without them; no outputs and `None` where the
/// statement is anything else.
fn outputs(node: &Node) -> (Vec<Output>, Option<Node>) {
    let Some(NodeEnum::SelectStmt(select)) = &node.node else {
        return (Vec::new(), None);
    };
    if select.op() != SetOperation::SetopNone || select.into_clause.is_some() || !select.values_lists.is_empty() {
        return (Vec::new(), None);
    }
    let mut bare = Vec::new();
    let mut rest: SelectStmt = (**select).clone();
    rest.target_list.retain(|target| match bare_output(target) {
        Some(output) => {
            bare.push(output);
            false
        }
        None => true,
    });
    let rest = Node {
        node: Some(NodeEnum::SelectStmt(Box::new(rest))),
    };
    (bare, Some(rest))
}

fn bare_output(target: &Node) -> Option<Output> {
    let Some(NodeEnum::ResTarget(target)) = &target.node else {
        return None;
    };
    let Some(NodeEnum::ColumnRef(column)) = &target.val.as_ref()?.node else {
        return None;
    };
    let reference = column.fields.iter().map(|field| match &field.node {
        Some(NodeEnum::String(name)) => Some(Some(name.sval.clone())),
        Some(NodeEnum::AStar(_)) => Some(None),
        _ => None,
    });
    Some(Output {
        reference: reference.collect::<Option<Reference>>()?,
        name: (!target.name.is_empty()).then(|| target.name.clone()),
    })
}

/// A bare output is a column, and not a row or a function in the notation of one.
fn output_unproven(output: &Output, tree: &Tree, names: &Names<'_>, masks: &Masks<'_>) -> Option<String> {
    match output.reference.as_slice() {
        [.., None] => None,
        [Some(name)] => masks.is_row(name).then(|| "a whole row is an output".to_owned()),
        [.., Some(qualifier), Some(name)] => qualified(qualifier, name, tree, names, masks, true),
        _ => Some("an output is not understood".to_owned()),
    }
}

/// A reference anywhere else must not be a masked column, nor a row that has one.
fn reference_unproven(
    reference: &Reference,
    tree: &Tree,
    names: &Names<'_>,
    masks: &Masks<'_>,
    output_names: &BTreeSet<String>,
) -> Option<String> {
    match reference.as_slice() {
        [None] => Some("a star stands for columns that are not outputs".to_owned()),
        [.., Some(qualifier), None] => masks
            .is_row(qualifier)
            .then(|| "a star stands for masked columns that are not outputs".to_owned()),
        [Some(name)] => {
            if output_names.contains(name) {
                return Some("the name of a masked output is used".to_owned());
            }
            (masks.could_be(name) || masks.is_row(name))
                .then(|| "a masked column is used other than as an output".to_owned())
        }
        [.., Some(qualifier), Some(name)] => qualified(qualifier, name, tree, names, masks, false),
        _ => Some("a reference is not understood".to_owned()),
    }
}

/// `qualifier.name`: everything that the qualifier can stand for must have such a column; `output` tells whether it may be
/// a masked one.
fn qualified(
    qualifier: &str,
    name: &str,
    tree: &Tree,
    names: &Names<'_>,
    masks: &Masks<'_>,
    output: bool,
) -> Option<String> {
    let unknown = || Some("a qualified name is not proven to be a column".to_owned());
    let of_target = matches!(qualifier, "old" | "new" | "excluded");
    let mut found = tree.derived.contains(qualifier);
    for range in &tree.ranges {
        if range.alias != qualifier && !(of_target && range.place == Place::Target) {
            continue;
        }
        found = true;
        for relation in candidates(range, names) {
            if !relation.has_column(name) && !range.renames_columns {
                return unknown();
            }
            let hidden = (masks.masked)(&relation.column_resource(name));
            if hidden && !output {
                return Some("a masked column is used other than as an output".to_owned());
            }
        }
    }
    if found { None } else { unknown() }
}

/// Clauses under which an output is no longer the column itself, or its values are compared.
fn shaped(node: &Node) -> Option<String> {
    let Some(NodeEnum::SelectStmt(select)) = &node.node else {
        return None;
    };
    if !select.distinct_clause.is_empty() {
        return Some("DISTINCT compares masked columns".to_owned());
    }
    if !select.group_clause.is_empty() || select.having_clause.is_some() {
        return Some("GROUP BY stands over masked columns".to_owned());
    }
    // A position could be that of a masked output; a star makes it hard to count, so every position is refused.
    let position = |sort: &Node| match &sort.node {
        Some(NodeEnum::SortBy(sort)) => {
            let node = sort.node.as_ref().and_then(|node| node.node.as_ref());
            matches!(node, Some(NodeEnum::AConst(_)))
        }
        _ => true,
    };
    let positioned = select.sort_clause.iter().any(position);
    positioned.then(|| "ORDER BY goes by position over masked columns".to_owned())
}

/// References `excluded.column` that `ON CONFLICT` sets the same column to: what goes in under a name stays under it.
fn upsert(node: &Node) -> BTreeSet<Reference> {
    let Some(NodeEnum::InsertStmt(insert)) = &node.node else {
        return BTreeSet::new();
    };
    let Some(conflict) = &insert.on_conflict_clause else {
        return BTreeSet::new();
    };
    let same = |target: &Node| {
        let Some(NodeEnum::ResTarget(target)) = &target.node else {
            return None;
        };
        let output = bare_output(&Node {
            node: Some(NodeEnum::ResTarget(target.clone())),
        })?;
        let same = output.reference.as_slice() == [Some("excluded".to_owned()), Some(target.name.clone())];
        (same && target.indirection.is_empty()).then_some(output.reference)
    };
    conflict.target_list.iter().filter_map(same).collect()
}
