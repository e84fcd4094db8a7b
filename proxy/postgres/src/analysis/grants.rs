//! Whether a statement changes who may do what: roles, their members and privileges, owners, row security, security labels,
//! and the role that the session acts as. It is the attribute `grants` of the facts.
//!
//! What is not known to change none of it has the attribute: kinds of statements that are not listed here, code that a
//! statement calls and that is not known, names of which is not known what they stand for (the session knows), and changes of the server's own
//! relations.
//!
//! # Known limits
//! Code that hangs on relations (triggers, defaults, views, row security) is not looked into, as in [`super::foreign`]; nor
//! is what a function or a trigger does that the statement only defines.

use exhibit_schemas::event::access::Access;
use pg_query::NodeEnum;
use pg_query::protobuf::{AlterTableCmd, AlterTableStmt, AlterTableType, Node, ObjectType};

use super::kind::{Form, StatementClass};
use super::tree::{Range, Tree};
use super::{Analysis, Names};
use super::{foreign, reach};

/// Whether a statement, or the one inside of it, is not known to leave all of that as it is.
pub(super) fn grants(
    form: &Form,
    node: &Node,
    tree: &Tree,
    names: &Names<'_>,
    accesses: &[Access],
    within: Option<&Analysis>,
) -> bool {
    let mut within = within.into_iter().flat_map(|inner| &inner.statements);
    let mut changed = tree.ranges.iter().filter(|range| !range.is_read());
    !node.node.as_ref().is_some_and(|statement| leaves(form, statement))
        || foreign::calls_unknown(tree, names, accesses)
        || custom_operators(tree, names)
        || changed.any(|range| of_server(range, names))
        || within.any(|one| one.grants)
}

/// Whether a statement names an operator, a type or a method of sampling that runs code which is not compiled, or is not known
/// not to. Every operator is one after a change of definitions, or of the search path, in the same message.
pub(super) fn custom_operators(tree: &Tree, names: &Names<'_>) -> bool {
    let elsewhere = |parts: &Vec<String>| match parts.as_slice() {
        [] => false,
        [_] => names.search_path.is_none(),
        [schema, ..] => schema != "pg_catalog",
    };
    !reach::harmless(tree, names) || tree.operators.iter().any(elsewhere)
}

/// Whether it is one of the server's own relations, or one whose name could mean that.
fn of_server(range: &Range, names: &Names<'_>) -> bool {
    let schema = names.relation(range).map(|relation| relation.schema.as_str());
    match schema.or(range.schema.as_deref()) {
        Some(schema) => schema == "pg_catalog",
        None => range.name.starts_with("pg_"),
    }
}

/// Whether a statement of that kind leaves roles, privileges, owners and labels as they are.
fn leaves(form: &Form, statement: &NodeEnum) -> bool {
    use NodeEnum as Kind;
    match statement {
        Kind::CopyStmt(_) => form.class == StatementClass::Copy,
        Kind::VariableSetStmt(_) | Kind::DiscardStmt(_) => !form.changes_role,
        Kind::ExplainStmt(explain) => inner(form, explain.query.as_deref()),
        Kind::CreateTableAsStmt(create) => inner(form, create.query.as_deref()),
        Kind::CreateSchemaStmt(schema) => {
            schema.authrole.is_none() && schema.schema_elts.iter().all(|element| inner(form, Some(element)))
        }
        Kind::CreateFunctionStmt(function) => function.options.iter().all(of_caller),
        Kind::AlterFunctionStmt(function) => function.actions.iter().all(of_caller),
        Kind::AlterTableStmt(alter) => alter.cmds.iter().all(|command| leaves_table(alter, command)),
        Kind::DropStmt(drop) => !matches!(drop.remove_type(), ObjectType::ObjectPolicy | ObjectType::Undefined),
        Kind::RenameStmt(rename) => {
            use ObjectType::{ObjectPolicy, ObjectRole, Undefined};
            !matches!(rename.rename_type(), ObjectRole | ObjectPolicy | Undefined)
        }
        Kind::SelectStmt(_)
        | Kind::InsertStmt(_)
        | Kind::UpdateStmt(_)
        | Kind::DeleteStmt(_)
        | Kind::MergeStmt(_)
        | Kind::TruncateStmt(_)
        | Kind::DeclareCursorStmt(_)
        | Kind::ClosePortalStmt(_)
        | Kind::PrepareStmt(_)
        // What they name says it.
        | Kind::ExecuteStmt(_)
        | Kind::FetchStmt(_)
        | Kind::DeallocateStmt(_)
        | Kind::NotifyStmt(_)
        | Kind::ListenStmt(_)
        | Kind::UnlistenStmt(_)
        | Kind::LockStmt(_)
        | Kind::VacuumStmt(_)
        | Kind::ReindexStmt(_)
        | Kind::ClusterStmt(_)
        | Kind::CheckPointStmt(_)
        | Kind::VariableShowStmt(_)
        | Kind::ConstraintsSetStmt(_)
        | Kind::TransactionStmt(_)
        | Kind::AlterDomainStmt(_)
        | Kind::CreateStmt(_)
        | Kind::CreateTrigStmt(_)
        | Kind::CreateSeqStmt(_)
        | Kind::AlterSeqStmt(_)
        | Kind::DefineStmt(_)
        | Kind::CreateDomainStmt(_)
        | Kind::CommentStmt(_)
        | Kind::IndexStmt(_)
        | Kind::CreateStatsStmt(_)
        | Kind::AlterStatsStmt(_)
        | Kind::AlterObjectDependsStmt(_)
        | Kind::AlterObjectSchemaStmt(_)
        | Kind::AlterTypeStmt(_)
        | Kind::RuleStmt(_)
        | Kind::CompositeTypeStmt(_)
        | Kind::CreateEnumStmt(_)
        | Kind::CreateRangeStmt(_)
        | Kind::AlterEnumStmt(_)
        | Kind::ViewStmt(_)
        | Kind::RefreshMatViewStmt(_)
        | Kind::CreateCastStmt(_)
        | Kind::CreatePublicationStmt(_)
        | Kind::AlterPublicationStmt(_)
        | Kind::CreateForeignTableStmt(_)
        | Kind::CreateOpClassStmt(_)
        | Kind::CreateOpFamilyStmt(_)
        | Kind::AlterOpFamilyStmt(_)
        | Kind::AlterOperatorStmt(_)
        | Kind::CreateConversionStmt(_)
        | Kind::AlterCollationStmt(_)
        | Kind::AlterTsdictionaryStmt(_)
        | Kind::AlterTsconfigurationStmt(_) => true,
        _ => false,
    }
}

fn inner(form: &Form, node: Option<&Node>) -> bool {
    node.and_then(|node| node.node.as_ref())
        .is_some_and(|statement| leaves(form, statement))
}

/// Whether an option of a function leaves it to run with the rights of its caller, as the role that it is called by.
fn of_caller(option: &Node) -> bool {
    let Some(NodeEnum::DefElem(option)) = &option.node else {
        return false;
    };
    let word = option.arg.as_ref().and_then(|argument| argument.node.as_ref());
    match option.defname.as_str() {
        // A definer's rights, or a setting (`role` may be one) for as long as it runs.
        "security" => matches!(word, Some(NodeEnum::Boolean(definer)) if !definer.boolval),
        "language" | "as" | "volatility" | "strict" | "cost" | "rows" | "support" | "parallel" | "window"
        | "leakproof" | "transform" => true,
        _ => false,
    }
}

/// Whether one change of a relation leaves its owner and its row security as they are, and a view its reader's rights.
fn leaves_table(alter: &AlterTableStmt, command: &Node) -> bool {
    use AlterTableType as Type;
    let Some(NodeEnum::AlterTableCmd(command)) = &command.node else {
        return false;
    };
    let command: &AlterTableCmd = command;
    match command.subtype() {
        Type::Undefined
        | Type::AtChangeOwner
        | Type::AtEnableRowSecurity
        | Type::AtDisableRowSecurity
        | Type::AtForceRowSecurity
        | Type::AtNoForceRowSecurity => false,
        Type::AtSetRelOptions | Type::AtResetRelOptions | Type::AtReplaceRelOptions => {
            alter.objtype() != ObjectType::ObjectView
        }
        _ => true,
    }
}
