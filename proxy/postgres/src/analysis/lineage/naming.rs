//! Names that the server gives to outputs without one (`parse_target.c`, `FigureColname`), as far as they are needed: a
//! name that is not known here is `None`, and nothing is proven of what could mean it.

use pg_query::protobuf::SubLinkType;
use serde_json::Value as Json;

use super::super::tree::{Object, reference, strings, tagged, text};
use super::expression::query_of;
use super::query::list;

/// Nodes that are looked into for a name at the most.
const DEPTH_MAX: usize = 64;

/// The name of an output that is such a node.
pub(super) fn name(kind: &str, fields: &Object) -> Option<String> {
    figure(kind, fields, DEPTH_MAX).map(|(name, _)| name)
}

/// The name, and whether it is a strong one, which the name of a type does not take the place of.
fn figure(kind: &str, fields: &Object, depth: usize) -> Option<(String, bool)> {
    let depth = depth.checked_sub(1)?;
    let of = |field: &str| {
        let (kind, fields) = tagged(fields.get(field)?.as_object()?)?;
        figure(kind, fields, depth)
    };
    let strong = |name: &str| Some((name.to_owned(), true));
    match kind {
        "ColumnRef" => Some((reference(fields).pop().flatten()?, true)),
        "FuncCall" => Some((strings(fields, "funcname").pop()?, true)),
        "CollateClause" => of("arg"),
        "TypeCast" => {
            let inner = of("arg").filter(|(_, strong)| *strong);
            let typed = || {
                let names = strings(fields.get("type_name")?.as_object()?, "names");
                Some((names.last()?.clone(), false))
            };
            inner.or_else(typed)
        }
        "CoalesceExpr" => strong("coalesce"),
        "RowExpr" => strong("row"),
        "AArrayExpr" => strong("array"),
        "CaseExpr" => {
            let other = of("defresult").filter(|(_, strong)| *strong);
            other.or_else(|| Some(("case".to_owned(), false)))
        }
        "SubLink" => {
            let kind = i32::try_from(fields.get("sub_link_type")?.as_i64()?).ok()?;
            match SubLinkType::try_from(kind).ok()? {
                SubLinkType::ExistsSublink => strong("exists"),
                SubLinkType::ArraySublink => strong("array"),
                SubLinkType::ExprSublink => first(query_of(fields.get("subselect")?)?, depth),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The name of the first output of a query.
fn first(query: &Object, depth: usize) -> Option<(String, bool)> {
    let mut query = query;
    while let Some(left) = query.get("larg").and_then(Json::as_object) {
        query = left;
    }
    let (_, target) = tagged(list(query, "target_list").first()?.as_object()?)?;
    if let Some(name) = text(target, "name") {
        return Some((name, true));
    }
    let (kind, fields) = tagged(target.get("val")?.as_object()?)?;
    figure(kind, fields, depth)
}
