//! Rules 1 and 2: kinds of statements, and the functions, operators, types and parts of the grammar that they name.

use pg_query::NodeEnum;
use pg_query::protobuf::{ObjectType, VariableSetKind};

use super::super::kind::{Form, StatementClass};
use super::super::tree::Tree;
use super::super::{Names, access, known};

/// Rule 1: the kind of statement.
pub(super) fn form_unproven(form: &Form, statement: &NodeEnum) -> Option<String> {
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
pub(super) fn named_unproven(form: &Form, tree: &Tree, names: &Names<'_>) -> Option<String> {
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
