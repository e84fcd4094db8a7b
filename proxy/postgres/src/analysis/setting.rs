//! Settings that a query changes and nothing else: what `pg_dump` and its like begin with.
//!
//! | the query | the same as |
//! | --- | --- |
//! | `SELECT pg_catalog.set_config('search_path', '…', false)` | `SET search_path` |
//! | `SELECT set_config(name, '…', false) FROM pg_settings WHERE name = 'setting'` | `SET setting`, where there is one |
//!
//! In the second the relation has to be the server's own view, which is looked at where names are known ([`only_of_server`]): a column
//! of another one may have a type with conversions, by which its two uses differ. The operator has to be the server's own, as everywhere.
//! Settings there are those that change nothing of what text means ([`known::harmless_setting`]).
//!
//! Not here: calls that name a harmless setting themselves, which may stand anywhere ([`super::tree`]).

use pg_query::NodeEnum;
use pg_query::protobuf::a_const::Val;
use pg_query::protobuf::{AExprKind, Node, SelectStmt, SetOperation};
use serde_json::Value;

use super::kind::Form;
use super::tree::Tree;
use super::{Names, known};

/// What a query changes that does nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Changes {
    /// How names are looked up.
    SearchPath,
    /// A harmless setting.
    Harmless,
}

/// What it changes, where it is such a query.
pub(super) fn changes(query: &SelectStmt) -> Option<Changes> {
    let [target] = query.target_list.as_slice() else {
        return None;
    };
    let NodeEnum::ResTarget(target) = target.node.as_ref()? else {
        return None;
    };
    let NodeEnum::FuncCall(call) = target.val.as_ref()?.node.as_ref()? else {
        return None;
    };
    let [setting, value, local] = call.args.as_slice() else {
        return None;
    };
    let own = match names(&call.funcname)?.as_slice() {
        [name] => *name == "set_config",
        [schema, name] => *schema == "pg_catalog" && *name == "set_config",
        _ => false,
    };
    let constant = constant(value).is_some() && matches!(literal(local), Some(Val::Boolval(_)));
    let plain = call.agg_filter.is_none() && call.agg_order.is_empty() && call.over.is_none() && !call.func_variadic;
    // Nothing else stands in the query but what is looked at below.
    let bare = SelectStmt {
        target_list: query.target_list.clone(),
        from_clause: query.from_clause.clone(),
        where_clause: query.where_clause.clone(),
        limit_option: query.limit_option,
        op: SetOperation::SetopNone.into(),
        ..SelectStmt::default()
    };
    if !own || !constant || !plain || bare != *query {
        return None;
    }
    match (query.from_clause.as_slice(), &query.where_clause) {
        ([], None) => (constant_is(setting, "search_path")).then_some(Changes::SearchPath),
        ([from], Some(condition)) => {
            let NodeEnum::RangeVar(range) = from.node.as_ref()? else {
                return None;
            };
            let settings = range.relname == "pg_settings" && range.alias.is_none();
            let name = compared(condition)?;
            let harmless = known::harmless_setting(&name.to_ascii_lowercase()) && !read_by(name);
            (settings && is_name(setting) && harmless).then_some(Changes::Harmless)
        }
        _ => None,
    }
}

/// Takes a query for one that only changes a setting no more where it reads another relation than the server's own view: that has
/// names that are what they are compared with.
pub(super) fn only_of_server(form: &mut Form, serialized: &Value, names: &Names<'_>) {
    if form.sets && !form.changes_search_path {
        let tree = Tree::of(serialized, form);
        let mut relations = tree.ranges.iter().map(|range| names.relation(range));
        form.sets = relations.all(|relation| relation.is_some_and(|relation| relation.schema == "pg_catalog"));
    }
}

/// Whether text, or names, are read by the setting.
fn read_by(setting: &str) -> bool {
    ["search_path", "client_encoding", "names", "standard_conforming_strings"]
        .iter()
        .any(|special| special.eq_ignore_ascii_case(setting))
}

/// The literal that the column `name` is compared with, as all that a condition says.
fn compared(condition: &Node) -> Option<&str> {
    let NodeEnum::AExpr(expression) = condition.node.as_ref()? else {
        return None;
    };
    let equal = expression.kind() == AExprKind::AexprOp && names(&expression.name)? == ["="];
    let (left, right) = (expression.lexpr.as_deref()?, expression.rexpr.as_deref()?);
    (equal && is_name(left)).then(|| constant(right)).flatten()
}

fn is_name(node: &Node) -> bool {
    let Some(NodeEnum::ColumnRef(reference)) = &node.node else {
        return false;
    };
    names(&reference.fields).is_some_and(|fields| fields == ["name"])
}

fn literal(node: &Node) -> Option<&Val> {
    let NodeEnum::AConst(constant) = node.node.as_ref()? else {
        return None;
    };
    constant.val.as_ref()
}

fn constant(node: &Node) -> Option<&str> {
    match literal(node)? {
        Val::Sval(text) => Some(text.sval.as_str()),
        _ => None,
    }
}

fn constant_is(node: &Node, wanted: &str) -> bool {
    constant(node).is_some_and(|text| text.eq_ignore_ascii_case(wanted))
}

fn names(nodes: &[Node]) -> Option<Vec<&str>> {
    let names = nodes.iter().map(|node| match &node.node {
        Some(NodeEnum::String(name)) => Some(name.sval.as_str()),
        _ => None,
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::{Changes, NodeEnum, changes};

    fn check(sql: &str) -> Option<Changes> {
        let parsed = parse(sql).unwrap();
        let Some(NodeEnum::SelectStmt(query)) = &parsed[0].node.node else {
            panic!("{sql} is no query");
        };
        changes(query)
    }

    #[test]
    fn what_tools_begin_with_is_known() {
        let path = "SELECT pg_catalog.set_config('search_path', '', false)";
        assert_eq!(check(path), Some(Changes::SearchPath));
        assert_eq!(
            check("select SET_CONFIG('Search_Path', 'a, b', true)"),
            Some(Changes::SearchPath)
        );
        let kinds = "SELECT set_config(name, 'view, foreign-table', false) FROM pg_settings \
            WHERE name = 'restrict_nonsystem_relation_kind'";
        assert_eq!(check(kinds), Some(Changes::Harmless));
    }

    #[test]
    fn nothing_else_is() {
        for sql in [
            "SELECT set_config('role', 'x', false)",
            "SELECT set_config('search_path', ssn, false) FROM patients",
            "SELECT set_config('search_path', 'a', false) FROM patients",
            "SELECT set_config('search_path', 'a', ssn = 'x') FROM patients",
            "SELECT set_config('search_path', 'a', false), 1",
            "SELECT set_config('search_path', 'a', false) WHERE false",
            "SELECT set_config('search_path', 'a', false) LIMIT 0",
            "SELECT set_config('search_path', 'a', false) UNION SELECT 'x'",
            "WITH q AS (SELECT 1) SELECT set_config('search_path', 'a', false)",
            "SELECT other.set_config('search_path', 'a', false)",
            "SELECT set_config(name, 'a', false) FROM pg_settings WHERE name = 'search_path'",
            "SELECT set_config(name, 'a', false) FROM pg_settings WHERE name = 'client_encoding'",
            "SELECT set_config(name, 'a', false) FROM pg_settings WHERE name = 'role'",
            "SELECT set_config(name, 'a', false) FROM pg_settings WHERE name <> 'jit'",
            "SELECT set_config(name, 'a', false) FROM pg_settings WHERE name = 'jit' OR true",
            "SELECT set_config(name, 'a', false) FROM pg_settings WHERE setting = 'jit'",
            "SELECT set_config(name, 'a', false) FROM pg_settings WHERE name OPERATOR(mine.=) 'jit'",
            "SELECT set_config(name, 'a', false) FROM pg_settings s WHERE name = 'jit'",
            "SELECT set_config(name, 'a', false) FROM pg_settings, patients WHERE name = 'jit'",
            "SELECT set_config(setting, 'a', false) FROM pg_settings WHERE name = 'jit'",
            "SELECT set_config(name, ssn, false) FROM pg_settings WHERE name = 'jit'",
        ] {
            assert_eq!(check(sql), None, "{sql}");
        }
    }
}
