//! How many rows a statement reads out or changes: what its text says, and what the server may be asked.
//!
//! > The server is asked for the plan of a statement only if making that plan runs no code but the server's own: it names plain
//! > relations, and functions, operators and types that are known to be harmless.
//!
//! So what asks changes nothing, and may go out before the event of its command (P1). A statement that meets anything else (a view,
//! row security, a function of somebody's) is of unknown extent, which counts as more than any number.
//!
//! # Known limits
//! As of what runs ahead ([`super::reach`]): what the server's owner declares as immutable, in defaults, checks and indexes, is
//! believed.
//!
//! Not here: asking ([`crate::estimate`]), and what is decided by it (policy).

use exhibit_schemas::event::access::Access;
use pg_query::NodeEnum;
use pg_query::protobuf::{ExplainStmt, FetchDirection, FetchStmt, InsertStmt, Node};

use super::copy::with_below;
use super::kind::{CopyDirection, Form, StatementClass};
use super::lineage::is_off;
use super::reach::plans_alone;
use super::tree::Tree;
use super::{Analysis, Copy, Names};

/// How many rows a statement reads out or changes, as far as it is known before it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// So many at the most, by its text.
    Rows(u64),
    /// What the server expects by its plan, of this text where it is not the statement's own.
    Plan(Option<String>),
    /// Nobody may be asked, for this cause.
    Unknown(&'static str),
}

/// Why nobody is asked about a statement that is none of rows.
const NO_PLAN: &str = "the server makes no plan of such a statement";

/// Why nobody is asked about a statement that would run code as it is planned.
const NOT_ALONE: &str = "its plan may run functions, or reads views or row security";

/// Why nobody is asked about a prepared statement with arguments.
const WITH_ARGUMENTS: &str = "the types of its arguments are not known";

/// Why nobody is asked about data that comes after its statement.
const COPIES_IN: &str = "the rows of a copy come after its statement";

/// Why nobody is asked about rows that come out of a function.
const OF_FUNCTION: &str = "its rows come out of a function";

/// Why nobody is asked about all of a cursor.
const ALL_LEFT: &str = "nobody knows what is left of a cursor";

/// Why nobody is asked about a statement that goes by a name which is not known.
pub(crate) const NO_NAME: &str = "the prepared statement or cursor is not known";

/// `FETCH_ALL` of the server's `parsenodes.h`, where `long` has 64 bits.
const FETCH_ALL: i64 = i64::MAX;

/// The extent of a statement; `inner` is the statement inside of it.
pub(super) fn extent(
    form: &Form,
    node: &Node,
    tree: &Tree,
    names: &Names<'_>,
    accesses: &[Access],
    inner: Option<&Analysis>,
) -> Extent {
    match (form.class, &node.node) {
        (_, Some(NodeEnum::FetchStmt(fetch))) => fetched(fetch),
        // Its arguments become values of the parameters' types, which may check them by code of their own.
        (_, Some(NodeEnum::ExecuteStmt(execute))) if execute.params.is_empty() => Extent::Plan(None),
        (_, Some(NodeEnum::ExecuteStmt(_))) => Extent::Unknown(WITH_ARGUMENTS),
        (_, Some(NodeEnum::DeclareCursorStmt(_))) => match inner.map(|inner| inner.statements.as_slice()) {
            Some([query]) if query.extent == Extent::Plan(None) => Extent::Plan(None),
            _ => Extent::Unknown(NOT_ALONE),
        },
        (StatementClass::Explain, Some(NodeEnum::ExplainStmt(explain))) if !runs(explain) => Extent::Rows(0),
        // What only prepares, closes or locks reads no rows out.
        (
            StatementClass::Session
            | StatementClass::Transaction
            | StatementClass::Notify
            | StatementClass::Lock
            | StatementClass::Prepare
            | StatementClass::Cursor,
            _,
        ) => Extent::Rows(0),
        (StatementClass::Copy, Some(NodeEnum::CopyStmt(copy))) if copy.relation.is_some() => {
            relation_copied(form, plans_alone(tree, names, accesses))
        }
        (StatementClass::Copy, _) => query_copied(form, inner),
        (
            StatementClass::Select
            | StatementClass::Insert
            | StatementClass::Update
            | StatementClass::Delete
            | StatementClass::Merge,
            Some(statement),
        ) if plans_alone(tree, names, accesses) => match statement {
            NodeEnum::InsertStmt(insert) if tree.functions.is_empty() => values(insert),
            _ => Extent::Plan(None),
        },
        (
            StatementClass::Select
            | StatementClass::Insert
            | StatementClass::Update
            | StatementClass::Delete
            | StatementClass::Merge,
            _,
        ) => Extent::Unknown(NOT_ALONE),
        _ => Extent::Unknown(NO_PLAN),
    }
}

/// `FETCH` and `MOVE`.
fn fetched(fetch: &FetchStmt) -> Extent {
    match fetch.direction() {
        FetchDirection::FetchAbsolute | FetchDirection::FetchRelative => Extent::Rows(1),
        FetchDirection::Undefined | FetchDirection::FetchForward | FetchDirection::FetchBackward => {
            match fetch.how_many {
                FETCH_ALL => Extent::Unknown(ALL_LEFT),
                // None is the row that it stands on, once more.
                rows => Extent::Rows(rows.unsigned_abs().max(1)),
            }
        }
    }
}

/// Whether an `EXPLAIN` runs its statement.
fn runs(explain: &ExplainStmt) -> bool {
    explain.options.iter().any(|option| match &option.node {
        Some(NodeEnum::DefElem(option)) => option.defname == "analyze" && !is_off(option),
        _ => true,
    })
}

/// The rows of an `INSERT` of values. It calls no function, which could give a set of them.
fn values(insert: &InsertStmt) -> Extent {
    let select = insert.select_stmt.as_ref().and_then(|select| select.node.as_ref());
    match select {
        // One row of defaults.
        None => Extent::Rows(1),
        Some(NodeEnum::SelectStmt(select)) if insert.with_clause.is_none() && select.with_clause.is_none() => {
            let limited = select.limit_count.is_some() || select.limit_offset.is_some();
            match u64::try_from(select.values_lists.len()) {
                Ok(rows) if rows > 0 && !limited => Extent::Rows(rows),
                _ => Extent::Plan(None),
            }
        }
        Some(_) => Extent::Plan(None),
    }
}

/// What is copied of a relation is what the query with the same columns reads.
fn relation_copied(form: &Form, alone: bool) -> Extent {
    match &form.copy {
        Some(copy) if copy.direction == CopyDirection::In => Extent::Unknown(COPIES_IN),
        Some(Copy { probe: Some(query), .. }) if alone => Extent::Plan(Some(query.clone())),
        Some(Copy { probe: Some(_), .. }) => Extent::Unknown(NOT_ALONE),
        _ => Extent::Unknown(NO_PLAN),
    }
}

/// What is copied of a query is what that reads.
fn query_copied(form: &Form, inner: Option<&Analysis>) -> Extent {
    let probe = form.copy.as_ref().and_then(|copy| copy.probe.as_ref());
    let Some((query, inner)) = probe.zip(inner) else {
        return Extent::Unknown(NO_PLAN);
    };
    let text = inner.mapped.as_ref().map_or(query, |mapped| &mapped.text);
    match inner.statements.as_slice() {
        [one] => match &one.extent {
            Extent::Plan(None) => Extent::Plan(Some(text.clone())),
            Extent::Plan(Some(_)) => Extent::Unknown(NO_PLAN),
            known => known.clone(),
        },
        _ => Extent::Unknown(NO_PLAN),
    }
}

impl Extent {
    /// The same where the database masks: what the server is asked about is mapped as the statement is. The rows of a relation
    /// alone (`ONLY`, and what is copied of a relation) come out of a function there, of which the server expects nothing in
    /// particular; a copy is asked about with the rows below the relation, which are no fewer.
    pub(super) fn enforced(self, tree: &Tree, names: &Names<'_>, masked: &dyn Fn(&str) -> bool) -> Self {
        let Self::Plan(text) = self else { return self };
        if tree.ranges.iter().any(|range| range.only) {
            return Self::Unknown(OF_FUNCTION);
        }
        let Some(text) = text else { return Self::Plan(None) };
        let mapped = names.search_path.and_then(|path| {
            let text = with_below(&text);
            super::mapping::map(&text, names.catalog, path, masked).ok()
        });
        mapped.map_or(Self::Unknown(OF_FUNCTION), |mapped| Self::Plan(Some(mapped.text)))
    }

    /// The extent of what runs by a name, where that stands for a statement of that extent; `None` where nobody knows it. What is
    /// not asked of the server goes by its own text.
    pub(crate) fn by_name(&self, stands_for: Option<&Self>) -> Self {
        match (self, stands_for) {
            (Self::Rows(_) | Self::Unknown(_), _) => self.clone(),
            (Self::Plan(_), Some(Self::Plan(None))) => Self::Plan(None),
            (Self::Plan(_), Some(Self::Plan(Some(_)))) => Self::Unknown(NO_PLAN),
            (Self::Plan(_), Some(known)) => known.clone(),
            (Self::Plan(_), None) => Self::Unknown(NO_NAME),
        }
    }
}

/// The question for the plan of a statement, proven to be that and nothing else.
pub(crate) fn explain(text: &str) -> Option<String> {
    let question = format!("EXPLAIN (FORMAT JSON) {text}");
    let parsed = super::parse(&question).ok()?;
    let [parsed] = parsed.as_slice() else { return None };
    let Some(NodeEnum::ExplainStmt(explain)) = &parsed.node.node else {
        return None;
    };
    let inner = explain.query.as_ref()?.node.as_ref()?;
    let planned = matches!(
        inner,
        NodeEnum::SelectStmt(_)
            | NodeEnum::InsertStmt(_)
            | NodeEnum::UpdateStmt(_)
            | NodeEnum::DeleteStmt(_)
            | NodeEnum::MergeStmt(_)
            | NodeEnum::ExecuteStmt(_)
            | NodeEnum::DeclareCursorStmt(_)
    );
    (planned && explain.options.len() == 1 && !runs(explain)).then_some(question)
}
